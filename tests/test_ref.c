/* The scalar reference of plain softmax cross-entropy against arithmetic that doesn't come from it: values worked out on
 * paper, and the derived distance between f32 and f64. What is proved here is what every kernel is compared with, so
 * nothing in this file calls OpenCL, and each check runs in both types unless it says otherwise. Options, and finite
 * differences of them all: test_ref_options.c.
 *
 * Usage: test_ref [SEED] */
#include "clloss/clloss_ref.h"

#include "ref_check.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 600, MAX_VALUES = 6000 };

/* One problem, in doubles whatever the type that solves it. */
typedef struct problem {
  size_t rows, classes, row_stride, grad_stride;
  const double *logits, *grad_loss;
  const int64_t *targets;
  size_t grad_loss_stride;
  uint32_t reduction, flags;
  int64_t ignore_index;
  int in_place;
} problem;

/* Poisoned with 77 before each run, so what the reference didn't write can be told. */
static struct {
  double loss, row_loss[MAX_ROWS], row_stats[2 * MAX_ROWS], grad[MAX_VALUES], entropy[MAX_ROWS];
  int64_t predicted[MAX_ROWS];
} got;

static clloss_ref_xent arguments(const problem *p) {
  clloss_ref_xent a = {.rows = p->rows, .classes = p->classes, .targets = p->targets};
  a.row_stride = p->row_stride, a.grad_stride = p->grad_stride, a.grad_loss_stride = p->grad_loss_stride;
  a.reduction = p->reduction, a.flags = p->flags, a.ignore_index = p->ignore_index;
  a.predicted = got.predicted;
  return a;
}

static void poison(void) {
  got.loss = 77;
  for (size_t i = 0; i < MAX_ROWS; i++) got.row_loss[i] = got.entropy[i] = 77;
  for (size_t i = 0; i < MAX_ROWS; i++) got.predicted[i] = 77;
  for (size_t i = 0; i < 2 * MAX_ROWS; i++) got.row_stats[i] = 77;
  for (size_t i = 0; i < MAX_VALUES; i++) got.grad[i] = 77;
}

static size_t logits_count(const problem *p) {
  return p->rows * (p->row_stride ? p->row_stride : p->classes);
}

static void solve64(const problem *p) {
  poison();
  clloss_ref_xent a = arguments(p);
  static double x[MAX_VALUES];
  if (p->rows) memcpy(x, p->logits, logits_count(p) * sizeof *x);
  if (p->in_place) memcpy(got.grad, x, sizeof x);
  a.logits = p->in_place ? got.grad : x;
  a.grad_loss = p->grad_loss;
  a.loss = &got.loss, a.row_loss = got.row_loss, a.row_stats = got.row_stats, a.grad = got.grad;
  a.entropy = got.entropy;
  clloss_ref_xent_f64(&a);
}

static void widen(double *to, const float *from, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = (double)from[i];
}

static void narrow(float *to, const double *from, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = (float)from[i];
}

static void solve32(const problem *p) {
  static float x[MAX_VALUES], g[MAX_ROWS], grad[MAX_VALUES];
  static float row_loss[MAX_ROWS], stats[2 * MAX_ROWS], h[MAX_ROWS];
  poison();
  float loss = 77;
  narrow(row_loss, got.row_loss, MAX_ROWS), narrow(stats, got.row_stats, sizeof stats / sizeof *stats);
  narrow(grad, got.grad, MAX_VALUES), narrow(h, got.entropy, MAX_ROWS);
  if (p->rows) narrow(p->in_place ? grad : x, p->logits, logits_count(p));
  if (p->grad_loss)
    narrow(g, p->grad_loss, p->reduction == CLLOSS_NONE ? p->rows * p->grad_loss_stride + 1 : 1);
  clloss_ref_xent a = arguments(p);
  a.logits = p->in_place ? grad : x;
  a.grad_loss = p->grad_loss ? g : NULL;
  a.loss = &loss, a.row_loss = row_loss, a.row_stats = stats, a.grad = grad, a.entropy = h;
  clloss_ref_xent_f32(&a);
  got.loss = (double)loss;
  widen(got.row_loss, row_loss, MAX_ROWS), widen(got.row_stats, stats, sizeof stats / sizeof *stats);
  widen(got.grad, grad, MAX_VALUES), widen(got.entropy, h, MAX_ROWS);
}

static const struct type {
  const char *name;
  void (*solve)(const problem *);
  double eps; /* of hand values: a few roundings of numbers near 1 */
} types[] = {{"f32", solve32, 3e-7}, {"f64", solve64, 1e-15}};

/* Four equal logits: p = 1/4 each, loss ln 4, whatever the logits' common value. */
static void uniform_row(const struct type *t) {
  const double x[] = {0, 0, 0, 0, -3, -3, -3, -3};
  const int64_t targets[] = {2, 0};
  t->solve(&(problem){.rows = 2, .classes = 4, .logits = x, .targets = targets, .reduction = CLLOSS_SUM});
  const double grad[] = {.25, .25, -.75, .25, -.75, .25, .25, .25};
  for (size_t i = 0; i < 8; i++) NEAR(got.grad[i], grad[i], 0);
  NEAR(got.row_loss[0], 2 * log(2), t->eps);
  NEAR(got.row_loss[1], 2 * log(2), t->eps);
  NEAR(got.loss, 4 * log(2), 2 * t->eps);
  NEAR(got.row_stats[0], 0, 0);
  NEAR(got.row_stats[2], -3, 0);
  NEAR(got.row_stats[3], 2 * log(2), t->eps);
  NEAR(got.entropy[0], 2 * log(2), t->eps);
  CHECK(got.predicted[0] == 0); /* lowest index among equals */
}

/* Logits ln 1, ln 2, ln 5 have p = 1/8, 2/8, 5/8. Target 1 costs ln 4. Entropy:
 * (1/8) ln 8 + (1/4) ln 4 + (5/8) ln (8/5) = (3/8 + 1/2 + 15/8) ln 2 - (5/8) ln 5. */
static void eighths(const struct type *t) {
  const double x[] = {0, log(2), log(5)};
  const int64_t target = 1;
  t->solve(&(problem){.rows = 1, .classes = 3, .logits = x, .targets = &target});
  NEAR(got.loss, log(4), t->eps);
  NEAR(got.row_loss[0], log(4), t->eps);
  NEAR(got.row_stats[0], log(5), t->eps);
  NEAR(got.row_stats[1], log(1.6), t->eps);
  NEAR(got.grad[0], .125, t->eps);
  NEAR(got.grad[1], -.75, t->eps);
  NEAR(got.grad[2], .625, t->eps);
  NEAR(got.entropy[0], 2.75 * log(2) - .625 * log(5), 2 * t->eps);
  CHECK(got.predicted[0] == 2);
}

/* exp(-1000) is 0 in either type, and the loss is the difference of the logits all the same. */
static void far_apart(const struct type *t) {
  const double x[] = {1000, 0, 1000, 0, -1000, 0};
  const int64_t targets[] = {1, 0, 0};
  t->solve(&(problem){.rows = 3, .classes = 2, .logits = x, .targets = targets, .reduction = CLLOSS_SUM});
  const double loss[] = {1000, 0, 1000}, grad[] = {1, -1, 0, 0, -1, 1};
  for (size_t r = 0; r < 3; r++) NEAR(got.row_loss[r], loss[r], 0);
  for (size_t i = 0; i < 6; i++) NEAR(got.grad[i], grad[i], 0);
  for (size_t r = 0; r < 3; r++) NEAR(got.entropy[r], 0, 0);
}

/* Logits 0, masked, ln 3: p = 1/4, 0, 3/4. A target on the masked class costs inf, and its gradient is p - 1 = -1. */
static void masked_class(const struct type *t) {
  const double x[] = {0, -INFINITY, log(3), 0, -INFINITY, log(3), -INFINITY, 5, -INFINITY};
  const int64_t targets[] = {2, 1, 1};
  t->solve(&(problem){.rows = 3, .classes = 3, .logits = x, .targets = targets});
  const double loss[] = {log(4) - log(3), INFINITY, 0}, grad[] = {.25, 0, -.25, .25, -1, .75, 0, 0, 0};
  for (size_t r = 0; r < 3; r++) NEAR(got.row_loss[r], loss[r], t->eps);
  for (size_t i = 0; i < 9; i++) NEAR(got.grad[i], grad[i] / 3, t->eps);
  NEAR(got.loss, INFINITY, 0);
  NEAR(got.entropy[0], log(4) - .75 * log(3), t->eps);
  NEAR(got.entropy[2], 0, 0);
  CHECK(got.predicted[2] == 1);
}

/* Rows 0, 2, 3, 4 have no softmax; rows 1 and 5 beside them are as if alone. */
static void no_softmax(const struct type *t) {
  const double inf = INFINITY;
  const double x[] = {-inf, -inf, 1, 1, NAN, 1, 1, NAN, inf, 0, 2, 2};
  const int64_t targets[] = {0, 1, 1, 0, 1, 0};
  t->solve(&(problem){.rows = 6, .classes = 2, .logits = x, .targets = targets, .reduction = CLLOSS_SUM});
  NEAR(got.loss, NAN, 0);
  for (size_t r = 0; r < 6; r++) {
    int good = r == 1 || r == 5;
    NEAR(got.row_loss[r], good ? log(2) : NAN, t->eps);
    NEAR(got.row_stats[2 * r], good ? x[2 * r] : NAN, 0);
    NEAR(got.row_stats[2 * r + 1], good ? log(2) : NAN, t->eps);
    NEAR(got.grad[2 * r + (size_t)targets[r]], good ? -.5 : NAN, 0);
    NEAR(got.grad[2 * r + 1 - (size_t)targets[r]], good ? .5 : NAN, 0);
    NEAR(got.entropy[r], good ? log(2) : NAN, t->eps);
    CHECK(got.predicted[r] == (good ? 0 : -1));
  }
}

/* Each uniform row of 2 costs ln 2. Ignored rows hold NaN and cost nothing; bad targets cost NaN; both are outside
 * the divisor, so that the gradient of the others is (p - 1 | p) / 2. */
static void ignored_and_bad(const struct type *t) {
  const double x[] = {1, 1, NAN, NAN, 1, 1, NAN, INFINITY, 1, 1, 1, 1};
  const int64_t ignored[] = {0, -100, 1, -100, -100, -100};
  problem p = {.rows = 6, .classes = 2, .logits = x, .targets = ignored, .flags = CLLOSS_IGNORE_INDEX};
  p.ignore_index = -100;
  t->solve(&p);
  NEAR(got.loss, log(2), t->eps);
  const double grad[] = {-.25, .25, 0, 0, .25, -.25, 0, 0, 0, 0, 0, 0};
  for (size_t i = 0; i < 12; i++) NEAR(got.grad[i], grad[i], 0);
  for (size_t r = 0; r < 6; r++) NEAR(got.row_loss[r], ignored[r] == -100 ? 0 : log(2), t->eps);
  for (size_t i = 2; i < 4; i++) NEAR(got.row_stats[i], 0, 0);
  CHECK(got.predicted[1] == -1);
  NEAR(got.entropy[1], 0, 0);

  const int64_t bad[] = {0, -1, 1, INT64_MAX, 2, INT64_MIN};
  p.targets = bad;
  t->solve(&p);
  NEAR(got.loss, NAN, 0);
  for (size_t r = 0; r < 6; r++) {
    int good = r == 0 || r == 2;
    NEAR(got.row_loss[r], good ? log(2) : NAN, t->eps);
    NEAR(got.row_stats[2 * r], good ? 1 : NAN, 0);
    NEAR(got.row_stats[2 * r + 1], good ? log(2) : NAN, t->eps);
    for (size_t c = 0; c < 2; c++) NEAR(got.grad[2 * r + c], good ? grad[2 * r + c] : NAN, 0);
  }
  CHECK(got.predicted[0] == 0 && got.predicted[4] == -1);
  NEAR(got.entropy[5], NAN, 0);

  p.flags = 0; /* then -100 isn't ignored, it is a bad target */
  p.targets = ignored;
  t->solve(&p);
  NEAR(got.row_loss[4], NAN, 0);
}

/* Ignoring a class that exists doesn't take it out of the softmax. */
static void ignored_class(const struct type *t) {
  const double x[] = {0, 0, 0, 0};
  const int64_t targets[] = {0, 1};
  problem p = {.rows = 2, .classes = 2, .logits = x, .targets = targets, .flags = CLLOSS_IGNORE_INDEX};
  t->solve(&p); /* ignore_index 0 */
  const double grad[] = {0, 0, .5, -.5};
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], grad[i], 0);
  NEAR(got.loss, log(2), t->eps);
}

/* No valid row at all: mean 0 / 0, sum 0. One class: nothing to be surprised by. */
static void edges(const struct type *t) {
  const double x[] = {4, -9, 1e30};
  const int64_t targets[] = {0, 0, 0};
  problem p = {.rows = 3, .classes = 1, .logits = x, .targets = targets};
  t->solve(&p);
  NEAR(got.loss, 0, 0);
  for (size_t i = 0; i < 3; i++) NEAR(got.row_loss[i], 0, 0);
  for (size_t i = 0; i < 3; i++) NEAR(got.grad[i], 0, 0);

  p.flags = CLLOSS_IGNORE_INDEX;
  t->solve(&p);
  NEAR(got.loss, NAN, 0);
  for (size_t i = 0; i < 3; i++) NEAR(got.grad[i], 0, 0);
  p.reduction = CLLOSS_SUM;
  t->solve(&p);
  NEAR(got.loss, 0, 0);

  p.rows = 0;
  t->solve(&p);
  NEAR(got.loss, 0, 0);
  p.reduction = CLLOSS_MEAN;
  t->solve(&p);
  NEAR(got.loss, NAN, 0);
  p.reduction = CLLOSS_NONE;
  t->solve(&p);
  NEAR(got.loss, 77, 0);
  NEAR(got.row_loss[0], 77, 0);
  NEAR(got.grad[0], 77, 0);
}

/* Two rows of ln 2; upstream 3 on one value, (-2, 5) per row, and one value repeated. */
static void upstream(const struct type *t) {
  const double x[] = {7, 7, 7, 7}, one[] = {3}, each[] = {-2, 99, 5, 99, 99};
  const int64_t targets[] = {0, 1};
  problem p = {.rows = 2, .classes = 2, .logits = x, .targets = targets, .grad_loss = one};
  const double signs[] = {-.5, .5, .5, -.5};
  t->solve(&p);
  NEAR(got.loss, log(2), t->eps); /* the loss itself isn't scaled */
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], signs[i] * 3 / 2, 0);
  p.reduction = CLLOSS_SUM;
  t->solve(&p);
  NEAR(got.loss, 2 * log(2), 2 * t->eps);
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], signs[i] * 3, 0);
  p.reduction = CLLOSS_NONE; /* stride 0 */
  t->solve(&p);
  NEAR(got.loss, 77, 0);
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], signs[i] * 3, 0);
  p.grad_loss = each;
  p.grad_loss_stride = 2;
  t->solve(&p);
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], signs[i] * each[i / 2 * 2], 0);
}

/* Padding between rows is neither read (it holds NaN) nor written (it keeps its poison). */
static void strides(const struct type *t) {
  const double x[] = {0, log(3), NAN, NAN, log(3), 0, NAN, NAN};
  const int64_t targets[] = {0, 0};
  problem p = {.rows = 2, .classes = 2, .row_stride = 4, .grad_stride = 3, .logits = x, .targets = targets};
  p.reduction = CLLOSS_SUM;
  t->solve(&p);
  const double grad[] = {-.75, .75, 77, -.25, .25, 77};
  for (size_t i = 0; i < 6; i++) NEAR(got.grad[i], grad[i], t->eps);
  NEAR(got.loss, 2 * log(4) - log(3), 2 * t->eps);
}

static double x[MAX_VALUES];
static int64_t targets[MAX_ROWS];

static problem random_problem(size_t rows, size_t classes, double spread) {
  fill(x, rows * classes, -spread, spread);
  for (size_t r = 0; r < rows; r++) targets[r] = (int64_t)(bits() % classes);
  return (problem){.rows = rows, .classes = classes, .logits = x, .targets = targets};
}

/* Multiples of 1/8 up to 8 in size, plus 1e6, are exact in f32 too: the same differences, hence the same bits. */
static void shift(const struct type *t) {
  enum { ROWS = 9, CLASSES = 301 };
  static double before[ROWS * CLASSES], moved[ROWS * CLASSES];
  problem p = random_problem(ROWS, CLASSES, 64);
  for (size_t i = 0; i < ROWS * CLASSES; i++) x[i] = floor(x[i]) / 8;
  t->solve(&p);
  double loss = got.loss;
  memcpy(before, got.grad, sizeof before);
  for (size_t i = 0; i < ROWS * CLASSES; i++) moved[i] = x[i] + 1e6;
  p.logits = moved;
  t->solve(&p);
  CHECK(got.loss == loss);
  CHECK(!memcmp(before, got.grad, sizeof before));
}

static void in_place(const struct type *t) {
  static double apart[MAX_VALUES];
  enum { ROWS = 7, CLASSES = 513 };
  problem p = random_problem(ROWS, CLASSES, 20);
  t->solve(&p);
  double loss = got.loss, entropy = got.entropy[6];
  memcpy(apart, got.grad, ROWS * CLASSES * sizeof *apart);
  p.in_place = 1;
  t->solve(&p);
  CHECK(got.loss == loss && got.entropy[6] == entropy);
  CHECK(!memcmp(apart, got.grad, ROWS * CLASSES * sizeof *apart));
}

/* Each output alone has the bits that it has among the others. */
static void outputs_alone(void) {
  enum { ROWS = 5, CLASSES = 300 };
  problem p = random_problem(ROWS, CLASSES, 9);
  solve64(&p);
  double loss, row_loss[ROWS], row_stats[2 * ROWS], entropy[ROWS];
  static double grad[ROWS * CLASSES];
  clloss_ref_xent a = arguments(&p);
  a.logits = x;
  a.predicted = NULL;
  clloss_ref_xent b = a, c = a, d = a, e = a;
  a.loss = &loss, b.row_loss = row_loss, c.row_stats = row_stats, d.grad = grad, e.entropy = entropy;
  clloss_ref_xent_f64(&a), clloss_ref_xent_f64(&b), clloss_ref_xent_f64(&c);
  clloss_ref_xent_f64(&d), clloss_ref_xent_f64(&e);
  CHECK(loss == got.loss);
  CHECK(!memcmp(row_loss, got.row_loss, sizeof row_loss));
  CHECK(!memcmp(row_stats, got.row_stats, sizeof row_stats));
  CHECK(!memcmp(grad, got.grad, sizeof grad));
  CHECK(!memcmp(entropy, got.entropy, sizeof entropy));
}

/* f32 against f64 on the same logits, u = 2^-24. The exponent x - m is rounded by u |x - m|, which is the relative
 * error of the exponential; expf adds 2u, a blocked sum of n positive terms at most (256 + n/256) u. */
static void distance(size_t rows, size_t classes, double spread) {
  static double grad[MAX_VALUES], row_loss[MAX_ROWS];
  const double u = 0x1p-24;
  problem p = random_problem(rows, classes, spread);
  p.reduction = CLLOSS_SUM;
  solve64(&p);
  double loss = got.loss;
  memcpy(grad, got.grad, sizeof grad), memcpy(row_loss, got.row_loss, sizeof row_loss);
  solve32(&p);
  double sum_error = (2 * spread + 2 + 256 + (double)classes / 256) * u, total = 0;
  for (size_t r = 0; r < rows; r++) {
    double bound = sum_error + 3 * u * (2 * spread + log((double)classes));
    NEAR(got.row_loss[r], row_loss[r], bound);
    total += bound + 256 * u * row_loss[r];
  }
  NEAR(got.loss, loss, total);
  for (size_t i = 0; i < rows * classes; i++) {
    double p_i = (int64_t)(i % classes) == targets[i / classes] ? 1 + grad[i] : grad[i];
    NEAR(got.grad[i], grad[i], (p_i * (2 * spread + 4) + u) * u + p_i * sum_error + u * fabs(grad[i]));
  }
}

/* A million classes of exp(-1): one f32 sum drifts by percents there, blocks of 256 stay below 1e-3. */
static void blocked_sum(void) {
  enum { CLASSES = 1 << 20 };
  float *logits = malloc(CLASSES * sizeof *logits), row_loss = 77;
  const int64_t target = 0;
  CHECK(logits != NULL);
  if (!logits) return;
  for (size_t c = 0; c < CLASSES; c++) logits[c] = c ? -1 : 0;
  clloss_ref_xent a = {.rows = 1, .classes = CLASSES, .logits = logits, .targets = &target};
  a.row_loss = &row_loss;
  clloss_ref_xent_f32(&a);
  NEAR((double)row_loss, log1p((CLASSES - 1) * exp(-1)), 1e-3);
  free(logits);
}

/* 600 rows of two equal logits, each ln 2: three blocks of rows, and the mean is ln 2 again. */
static void many_rows(const struct type *t) {
  for (size_t i = 0; i < 2 * MAX_ROWS; i++) x[i] = 1;
  for (size_t r = 0; r < MAX_ROWS; r++) targets[r] = (int64_t)(r % 2);
  t->solve(&(problem){.rows = MAX_ROWS, .classes = 2, .logits = x, .targets = targets});
  NEAR(got.loss, log(2), 260 * t->eps);
}

static void both(void (*run)(const struct type *), const char *name) {
  char label[64];
  for (size_t i = 0; i < 2; i++) {
    snprintf(label, sizeof label, "%s %s", name, types[i].name);
    testing = label;
    run(&types[i]);
  }
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240611;
  state = seed;
#define BOTH(name) both(name, #name)
  BOTH(uniform_row), BOTH(eighths), BOTH(far_apart), BOTH(masked_class), BOTH(no_softmax),
      BOTH(ignored_and_bad);
  BOTH(ignored_class), BOTH(edges), BOTH(upstream), BOTH(strides), BOTH(shift), BOTH(in_place),
      BOTH(many_rows);
  testing = "outputs_alone", outputs_alone();
  const size_t classes[] = {1, 2, 3, 255, 256, 257, 1000};
  testing = "f32 against f64";
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
    distance(6, classes[i], 1);
    distance(6, classes[i], 30);
  }
  distance(MAX_ROWS, 10, 8);
  testing = "blocked_sum", blocked_sum();
  if (failures) printf("%d checks failed; repeat with: test_ref %" PRIu64 "\n", failures, seed);
  return failures != 0;
}
