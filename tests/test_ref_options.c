/* The options of the scalar reference: each by values worked out on paper, in f32 and f64, and all of them together by
 * finite differences in f64, where the loss is trusted (test_golden.c compares it with PyTorch's) and the gradient is
 * proved to be its derivative.
 *
 * Usage: test_ref_options [SEED] */
#include "clloss/clloss_ref.h"

#include "ref_check.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 12, MAX_VALUES = 72 };

/* Poisoned with 77 before each run; grad only where nothing is added to it. */
static struct {
  double loss, row_loss[MAX_ROWS], row_stats[2 * MAX_ROWS], grad[MAX_VALUES], confidence[MAX_ROWS];
  double entropy[MAX_ROWS], metrics[CLLOSS_METRICS];
  int64_t predicted[MAX_ROWS], counts[CLLOSS_COUNTS];
} got;

static void poison(const clloss_ref_xent *a) {
  double *reals[] = {got.row_loss, got.row_stats, got.confidence, got.entropy};
  for (size_t i = 0; i < 4; i++)
    for (size_t r = 0; r < MAX_ROWS; r++) reals[i][r] = 77;
  got.loss = 77;
  for (size_t i = 0; i < MAX_VALUES && a->grad_beta == 0; i++) got.grad[i] = NAN; /* and so it is not read */
  for (size_t r = 0; r < MAX_ROWS; r++) got.predicted[r] = 77;
}

static void bind_integers(clloss_ref_xent *a) {
  a->predicted = got.predicted;
  a->counts = got.counts;
  a->grad_loss_stride = 1;
}

static void solve64(clloss_ref_xent a) {
  poison(&a);
  bind_integers(&a);
  a.loss = &got.loss, a.row_loss = got.row_loss, a.row_stats = got.row_stats, a.grad = got.grad;
  a.confidence = got.confidence, a.entropy = got.entropy, a.metrics = got.metrics;
  clloss_ref_xent_f64(&a);
}

/* The same of arrays of doubles, narrowed and widened. */
static const void *narrow(const void *from, float *to, size_t n) {
  for (size_t i = 0; from && i < n; i++) to[i] = (float)((const double *)from)[i];
  return from ? to : NULL;
}

static void widen(double *to, const float *from, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = (double)from[i];
}

static void solve32(clloss_ref_xent a) {
  static float x[MAX_VALUES], t[MAX_VALUES], w[MAX_VALUES], rw[MAX_ROWS], g[MAX_ROWS];
  static float loss, row_loss[MAX_ROWS], stats[2 * MAX_ROWS], grad[MAX_VALUES], p[MAX_ROWS], h[MAX_ROWS];
  static float metrics[CLLOSS_METRICS];
  poison(&a);
  bind_integers(&a);
  a.logits = narrow(a.logits, x, a.rows * a.classes), a.class_weight = narrow(a.class_weight, w, a.classes);
  a.probabilities = narrow(a.probabilities, t, a.rows * a.classes);
  a.row_weight = narrow(a.row_weight, rw, a.rows);
  a.grad_loss = narrow(a.grad_loss, g, a.reduction == CLLOSS_NONE ? a.rows : 1);
  narrow(got.grad, grad, MAX_VALUES);
  loss = 77;
  a.loss = &loss, a.row_loss = row_loss, a.row_stats = stats, a.grad = grad, a.confidence = p, a.entropy = h;
  a.metrics = metrics;
  clloss_ref_xent_f32(&a);
  got.loss = (double)loss;
  widen(got.row_loss, row_loss, a.rows), widen(got.row_stats, stats, 2 * a.rows);
  widen(got.grad, grad, a.rows * a.classes), widen(got.confidence, p, a.rows);
  widen(got.entropy, h, a.rows), widen(got.metrics, metrics, CLLOSS_METRICS);
}

static const struct type {
  const char *name;
  void (*solve)(clloss_ref_xent);
  double eps; /* a few roundings of numbers near 1 */
} types[] = {{"f32", solve32, 5e-7}, {"f64", solve64, 2e-15}};

/* ---- by hand ---- */

/* Logits 0, ln 3 have p = 1/4, 3/4: nll = ln 4 and ln 4/3. */
static const double quarters[] = {0, 1.0986122886681098, 0, 1.0986122886681098};
static const double nll_0 = 1.3862943611198906, nll_1 = 0.28768207245178093;

/* Loss: w {2, 3}, rows' weights {5, 7}, targets 0 and 1: 5 · 2 nll_0 + 7 · 3 nll_1 over 10 + 21. */
static void weights(const struct type *t) {
  const double w[] = {2, 3}, rw[] = {5, 7};
  const int64_t targets[] = {0, 1};
  clloss_ref_xent a = {.rows = 2, .classes = 2, .logits = quarters, .targets = targets, .class_weight = w};
  t->solve(a);
  NEAR(got.loss, (2 * nll_0 + 3 * nll_1) / 5, 3 * t->eps);
  a.row_weight = rw;
  t->solve(a);
  NEAR(got.loss, (10 * nll_0 + 21 * nll_1) / 31, 3 * t->eps);
  NEAR(got.row_loss[1], 21 * nll_1, 20 * t->eps);
  const double grad[] = {-.75 * 10 / 31, .75 * 10 / 31, .25 * 21 / 31, -.25 * 21 / 31};
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], grad[i], t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_LOSS], nll_0 + nll_1, 3 * t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_DIVISOR], 31, 0);
  NEAR(got.metrics[CLLOSS_METRIC_Z_DIVISOR], 12, 0);
  a.reduction = CLLOSS_SUM;
  t->solve(a);
  NEAR(got.loss, 10 * nll_0 + 21 * nll_1, 30 * t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_DIVISOR], 1, 0);
}

/* Smoothing 1/2 of two classes: the target keeps 3/4, the other gets 1/4. Megatron's 1/4 is the same 1/2. */
static void smoothing(const struct type *t) {
  const int64_t target = 0;
  clloss_ref_xent a = {
      .rows = 1, .classes = 2, .logits = quarters, .targets = &target, .label_smoothing = .5};
  for (int megatron = 0; megatron < 2; megatron++) {
    t->solve(a);
    NEAR(got.loss, .75 * nll_0 + .25 * nll_1, 2 * t->eps);
    NEAR(got.grad[0], .25 - .75, t->eps);
    NEAR(got.grad[1], .75 - .25, t->eps);
    NEAR(got.metrics[CLLOSS_METRIC_LOSS], nll_0, 2 * t->eps);
    a.label_smoothing = .25;
    a.flags = CLLOSS_SMOOTHING_MEGATRON;
  }
}

/* Targets 2 and 1, which sum to 3; weights multiply them; and a masked class with none, which costs nothing. */
static void probabilities(const struct type *t) {
  const double p[] = {2, 1, 2, 1}, w[] = {1, 4}, half[] = {.5, .5, .25, .75}, rw[] = {2, 6};
  clloss_ref_xent a = {.rows = 1, .classes = 2, .logits = quarters, .probabilities = p};
  t->solve(a);
  NEAR(got.loss, 2 * nll_0 + nll_1, 4 * t->eps);
  NEAR(got.grad[0], .25 * 3 - 2, 3 * t->eps);
  NEAR(got.grad[1], .75 * 3 - 1, 3 * t->eps);
  a.class_weight = w;
  t->solve(a);
  NEAR(got.loss, 2 * nll_0 + 4 * nll_1, 5 * t->eps); /* not divided by weights */
  NEAR(got.grad[0], .25 * 6 - 2, 3 * t->eps);
  a.class_weight = NULL, a.rows = 2, a.probabilities = half, a.row_weight = rw;
  t->solve(a);
  NEAR(got.loss, (2 * (.5 * nll_0 + .5 * nll_1) + 6 * (.25 * nll_0 + .75 * nll_1)) / 8, 3 * t->eps);
  const double masked[] = {0, -INFINITY, 0, 0, -INFINITY, 0}, none[] = {.5, 0, .5, .5, .5, 0};
  a = (clloss_ref_xent){
      .rows = 2, .classes = 3, .logits = masked, .probabilities = none, .reduction = CLLOSS_NONE};
  t->solve(a);
  NEAR(got.row_loss[0], log(2), t->eps);
  NEAR(got.row_loss[1], INFINITY, 0);
  for (size_t c = 0; c < 3; c++) NEAR(got.grad[c], 0, t->eps);
}

/* log Σ exp of two zeros is ln 2. */
static void z_loss(const struct type *t) {
  const double x[] = {0, 0, 0, 0}, w[] = {4, 4}, rw[] = {1, 3}, l = log(2);
  const int64_t targets[] = {0, 1};
  clloss_ref_xent a = {
      .rows = 2, .classes = 2, .logits = x, .targets = targets, .z_loss = 2, .class_weight = w};
  a.row_weight = rw;
  t->solve(a); /* each part by its own divisor */
  NEAR(got.loss, l + 2 * l * l, 4 * t->eps);
  NEAR(got.row_loss[1], 3 * (4 * l + 2 * l * l), 20 * t->eps);
  NEAR(got.grad[0], -.5 * 4 / 16 + 4 * l * .5 / 4, 2 * t->eps);
  a.divisor = 8;
  t->solve(a);
  NEAR(got.loss, (16 * l + 8 * l * l) / 8, 4 * t->eps);
  NEAR(got.grad[0], -.5 * 4 / 8 + 4 * l * .5 / 8, 2 * t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_Z_DIVISOR], 8, 0);
}

/* 2 tanh(x / 2) of x = 2 artanh(1/2) = ln 3 is 1, its slope 3/4. Half of the logit first and the cap is met there. */
static void transformed(const struct type *t) {
  const double z = log(3), x[] = {0, 2 * z, -INFINITY, INFINITY, 0, 0};
  const int64_t targets[] = {0, 1};
  clloss_ref_xent a = {
      .rows = 2, .classes = 3, .logits = x, .targets = targets, .logit_scale = .5, .softcap = 2};
  a.reduction = CLLOSS_NONE;
  t->solve(a);
  const double p = exp(1) / (1 + exp(1));
  NEAR(got.row_loss[0], log(1 + exp(1)), 2 * t->eps);
  NEAR(got.row_stats[0], 1, t->eps);
  NEAR(got.grad[0], -.5 * p, t->eps);
  NEAR(got.grad[1], .5 * .75 * p, t->eps);
  NEAR(got.grad[2], 0, 0);
  for (size_t c = 0; c < 3; c++) NEAR(got.grad[3 + c], NAN, 0);
  NEAR(got.row_loss[1], NAN, 0);
  CHECK(got.predicted[0] == 1 && got.predicted[1] == -1 && got.counts[CLLOSS_COUNT_NAN] == 1);
  CHECK(got.counts[CLLOSS_COUNT_TOPK] == 1);
  const double negative[] = {0, -INFINITY, 0};
  const int64_t first = 0;
  a = (clloss_ref_xent){.rows = 1, .classes = 3, .logits = negative, .targets = &first, .logit_scale = -3};
  t->solve(a); /* a masked class stays masked whatever the scale */
  NEAR(got.loss, log(2), t->eps);
  NEAR(got.grad[0], -3 * -.5, 0);
}

/* Gradients −1/2, 1/2, times 4 times −3, plus 10 times what stood there; an ignored row keeps the last part alone. */
static void added(const struct type *t) {
  const double x[] = {0, 0, NAN, NAN}, up = 4;
  const int64_t targets[] = {0, 9};
  clloss_ref_xent a = {.rows = 2, .classes = 2, .logits = x, .targets = targets, .grad_loss = &up};
  a.flags = CLLOSS_GRAD_ALPHA | CLLOSS_IGNORE_INDEX, a.grad_alpha = -3, a.grad_beta = 10, a.ignore_index = 9;
  for (size_t i = 0; i < 4; i++) got.grad[i] = (double)(i + 1);
  t->solve(a);
  const double grad[] = {6 + 10, -6 + 20, 30, 40};
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], grad[i], 0);
  a.flags = CLLOSS_IGNORE_INDEX; /* then grad_alpha isn't meant */
  a.grad_beta = 0;
  t->solve(a);
  NEAR(got.grad[0], -2, 0);
}

/* Logits 1 … 4. Targets of ranks 1, 3, 4, one ignored, one bad; predictions of valid rows only. */
static void metrics(const struct type *t) {
  double x[20];
  for (size_t i = 0; i < 20; i++) x[i] = (double)(i % 4 + 1);
  const int64_t targets[] = {3, 1, 0, -1, 7};
  clloss_ref_xent a = {.rows = 5, .classes = 4, .logits = x, .targets = targets, .top_k = 3};
  a.flags = CLLOSS_IGNORE_INDEX, a.ignore_index = -1;
  t->solve(a);
  const int64_t counts[] = {3, 1, 1, 4, 7, 1, 2, 0}, predicted[] = {3, 3, 3, -1, -1};
  for (size_t i = 0; i < CLLOSS_COUNTS; i++) CHECK(got.counts[i] == counts[i]);
  for (size_t r = 0; r < 5; r++) CHECK(got.predicted[r] == predicted[r]);
  const double s = 1 + exp(-1) + exp(-2) + exp(-3);
  const double h = log(s) + (exp(-1) + 2 * exp(-2) + 3 * exp(-3)) / s;
  const double confidence[] = {1 / s, 1 / s, 1 / s, 0, NAN}, entropy[] = {h, h, h, 0, NAN};
  for (size_t r = 0; r < 5; r++) NEAR(got.confidence[r], confidence[r], t->eps);
  for (size_t r = 0; r < 5; r++) NEAR(got.entropy[r], entropy[r], 2 * t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_LOSS], 3 * log(s) + 0 + 2 + 3, 20 * t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_ENTROPY], 3 * h, 6 * t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_CONFIDENCE], 3 / s, 3 * t->eps);
  NEAR(got.metrics[CLLOSS_METRIC_DIVISOR], 3, 0);
  a.top_k = 0; /* 5: more than there are classes */
  t->solve(a);
  CHECK(got.counts[CLLOSS_COUNT_TOPK] == 3);
  const double likeliest[] = {0, .4, .4, .2}; /* the first of equals, class 1, has two greater logits */
  a = (clloss_ref_xent){.rows = 1, .classes = 4, .logits = x, .probabilities = likeliest, .top_k = 2};
  t->solve(a);
  CHECK(got.counts[CLLOSS_COUNT_TOP1] == 0 && got.counts[CLLOSS_COUNT_TOPK] == 0);
  a.top_k = 3;
  t->solve(a);
  CHECK(got.counts[CLLOSS_COUNT_TOPK] == 1 && got.counts[CLLOSS_COUNT_BAD_ROW] == -1);
}

/* What mean, gradient and statistics are where nothing is left to divide by, and where bad targets don't count. */
static void policies(const struct type *t) {
  const double x[] = {0, 0, 0, 0}, zero[] = {0, 0};
  const int64_t ignored[] = {5, 5}, bad[] = {-2, 1}, good[] = {0, 1};
  clloss_ref_xent a = {
      .rows = 2, .classes = 2, .logits = x, .targets = ignored, .ignore_index = 5, .z_loss = 1};
  a.flags = CLLOSS_IGNORE_INDEX;
  t->solve(a);
  NEAR(got.loss, NAN, 0);
  a.flags |= CLLOSS_EMPTY_IS_ZERO;
  t->solve(a);
  NEAR(got.loss, 0, 0);
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], 0, 0);
  a = (clloss_ref_xent){.rows = 2, .classes = 2, .logits = x, .targets = good, .row_weight = zero};
  t->solve(a);
  NEAR(got.loss, NAN, 0);
  NEAR(got.grad[0], NAN, 0);
  a.flags = CLLOSS_EMPTY_IS_ZERO;
  t->solve(a);
  NEAR(got.loss, 0, 0);
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], 0, 0);
  a = (clloss_ref_xent){.rows = 2, .classes = 2, .logits = x, .targets = bad, .flags = CLLOSS_BAD_IS_IGNORED};
  t->solve(a);
  NEAR(got.loss, log(2), t->eps);
  const double grad[] = {0, 0, .5, -.5};
  for (size_t i = 0; i < 4; i++) NEAR(got.grad[i], grad[i], 0);
  NEAR(got.row_loss[0], 0, 0);
  NEAR(got.row_stats[0], 0, 0);
  NEAR(got.confidence[0], 0, 0);
  CHECK(got.counts[CLLOSS_COUNT_BAD] == 1 && got.counts[CLLOSS_COUNT_BAD_TARGET] == -2);
  CHECK(got.counts[CLLOSS_COUNT_IGNORED] == 0 && got.predicted[0] == -1);
  const int64_t all_bad[] = {-2, 9};
  a = (clloss_ref_xent){
      .rows = 2, .classes = 2, .logits = x, .targets = all_bad, .flags = CLLOSS_EMPTY_IS_ZERO};
  t->solve(a); /* bad targets aren't nothing */
  NEAR(got.loss, NAN, 0);
  CHECK(got.counts[CLLOSS_COUNT_BAD] == 2 && got.counts[CLLOSS_COUNT_BAD_ROW] == 0);
  CHECK(got.counts[CLLOSS_COUNT_BAD_TARGET] == -2);
}

/* A class of weight 0 costs nothing, masked or not; without any other weight the z-loss is what remains of the mean. */
static void weightless(const struct type *t) {
  const double x[] = {0, -INFINITY, 0, 0}, w[] = {1, 0}, zero[] = {0, 0}, l = log(2);
  const int64_t targets[] = {1, 0};
  clloss_ref_xent a = {.rows = 2, .classes = 2, .logits = x, .targets = targets, .class_weight = w};
  t->solve(a);
  NEAR(got.row_loss[0], 0, 0);
  NEAR(got.loss, l, t->eps);
  for (size_t c = 0; c < 2; c++) NEAR(got.grad[c], 0, 0);
  a.class_weight = zero, a.z_loss = 3, a.flags = CLLOSS_EMPTY_IS_ZERO;
  t->solve(a);
  NEAR(got.loss, 3 * l * l / 2, 2 * t->eps);
  NEAR(got.grad[2], 2 * 3 * l * .5 / 2, 2 * t->eps);
  /* smoothing leaves a loss to a class that weighs, and nothing to divide by */
  const int64_t weightless[] = {1, 1};
  a = (clloss_ref_xent){.rows = 2, .classes = 2, .logits = x + 2, .targets = weightless, .class_weight = w};
  a.rows = 1, a.label_smoothing = .5;
  t->solve(a);
  NEAR(got.row_loss[0], .25 * l, t->eps);
  NEAR(got.loss, INFINITY, 0);
  for (size_t c = 0; c < 2; c++) NEAR(got.grad[c], NAN, 0);
}

/* Log-probabilities: −w x at the target and nothing else, which may be anything. */
static void nll(const struct type *t) {
  const double x[] = {-1, NAN, -.25, -2, -.5, 7}, w[] = {2, 3, 0};
  const int64_t targets[] = {2, 0}, masked[] = {0, 1};
  clloss_ref_xent a = {
      .rows = 2, .classes = 3, .logits = x, .targets = targets, .flags = CLLOSS_LOG_PROBABILITIES};
  t->solve(a);
  NEAR(got.loss, (.25 + 2) / 2, 0);
  NEAR(got.row_loss[0], .25, 0);
  const double grad[] = {0, 0, -.5, -.5, 0, 0};
  for (size_t i = 0; i < 6; i++) NEAR(got.grad[i], grad[i], 0);
  CHECK(got.counts[CLLOSS_COUNT_VALID] == 2 && got.counts[CLLOSS_COUNT_NAN] == 0);
  a.targets = masked, a.class_weight = w;
  t->solve(a);
  NEAR(got.loss, (2 * 1 + 3 * .5) / 5, t->eps);
  NEAR(got.grad[0], -2. / 5, t->eps);
  NEAR(got.grad[4], -3. / 5, t->eps);
}

/* ---- all together ---- */

enum { ROWS = 6, CLASSES = 5, INNER = 3 };

static struct {
  double x[ROWS * CLASSES], t[ROWS * CLASSES], old[ROWS * CLASSES], g[ROWS], rw[ROWS], w[CLASSES];
  int64_t targets[ROWS];
} data;

static void draw(void) {
  fill(data.x, ROWS * CLASSES, -3, 3);
  fill(data.t, ROWS * CLASSES, 0, 1);
  fill(data.old, ROWS * CLASSES, -2, 2);
  fill(data.g, ROWS, -3, 3);
  fill(data.rw, ROWS, .1, 2);
  fill(data.w, CLASSES, .1, 2);
  for (size_t r = 0; r < ROWS; r++) data.targets[r] = (int64_t)(bits() % CLASSES);
  data.targets[2] = -7; /* ignored */
  data.targets[4] = 99; /* bad, and as if ignored */
}

/* What the gradient is the gradient of: the reduced loss times its upstream value, or Σ g_r loss_r. */
static double objective(clloss_ref_xent a) {
  double loss = 0, row_loss[ROWS], sum = 0;
  a.loss = &loss, a.row_loss = row_loss;
  clloss_ref_xent_f64(&a);
  if (a.reduction != CLLOSS_NONE) return data.g[0] * loss;
  for (size_t r = 0; r < ROWS; r++) sum += data.g[r] * row_loss[r];
  return sum;
}

/* Five points, step h: an error of h⁴/30 times the fifth derivative (below 1e4 here) and of a few roundings of the loss
 * (below 100) over h: 5e-9 and 1e-11 for h = 2^-9. */
static void finite_differences(const clloss_ref_xent *a) {
  const double h = 0x1p-9, alpha = a->flags & CLLOSS_GRAD_ALPHA ? a->grad_alpha : 1;
  memcpy(got.grad, data.old, sizeof data.old);
  solve64(*a);
  double grad[ROWS * CLASSES];
  memcpy(grad, got.grad, sizeof grad);
  for (size_t i = 0; i < ROWS * CLASSES; i++) {
    const double middle = data.x[i], steps[] = {-2, -1, 1, 2}, factors[] = {1, -8, 8, -1};
    double slope = 0;
    for (size_t k = 0; k < 4; k++) {
      data.x[i] = middle + steps[k] * h;
      slope += factors[k] * objective(*a) / (12 * h);
    }
    data.x[i] = middle;
    NEAR(grad[i], alpha * slope + (a->grad_beta == 0 ? 0 : a->grad_beta * data.old[i]), 1e-7);
  }
}

static const struct { double scale, softcap; } transforms[] = {{0, 0}, {1.5, 0}, {0, 2}, {1.5, 4}, {-.75, 2}};

static int one_of(size_t *n, size_t choices) {
  const size_t choice = *n % choices;
  *n /= choices;
  return (int)choice;
}

/* The options of combination n of 5760. */
static clloss_ref_xent combination(size_t n) {
  clloss_ref_xent a = {.rows = ROWS, .classes = CLASSES, .logits = data.x, .grad_loss = data.g};
  const int kind = one_of(&n, 2), smooths = one_of(&n, 3), weighs = one_of(&n, 2),
            weighs_rows = one_of(&n, 2), z = one_of(&n, 2);
  const int transform = one_of(&n, 5), reduction = one_of(&n, 4), adds = one_of(&n, 3), inner = one_of(&n, 2);
  if (kind) {
    a.probabilities = data.t;
  } else {
    a.targets = data.targets, a.ignore_index = -7, a.flags = CLLOSS_IGNORE_INDEX | CLLOSS_BAD_IS_IGNORED;
  }
  a.label_smoothing = smooths ? .3 : 0;
  a.flags |= smooths == 2 ? CLLOSS_SMOOTHING_MEGATRON : 0;
  a.class_weight = weighs ? data.w : NULL;
  a.row_weight = weighs_rows ? data.rw : NULL;
  a.z_loss = z ? .2 : 0;
  a.logit_scale = transforms[transform].scale, a.softcap = transforms[transform].softcap;
  a.reduction = reduction == 3 ? CLLOSS_MEAN : (uint32_t)reduction;
  a.divisor = reduction == 3 ? 3.5 : 0;
  a.flags |= adds ? CLLOSS_GRAD_ALPHA : 0;
  a.grad_alpha = adds ? -1.75 : 0;
  a.grad_beta = adds == 2 ? .6 : 0;
  a.inner = inner ? INNER : 0;
  a.grad_loss_stride = 1;
  return a;
}

static void combinations(void) {
  enum { ALL = 2 * 3 * 2 * 2 * 2 * 5 * 4 * 3 * 2 };
  for (size_t n = 0; n < ALL && !failures; n++) {
    char label[64];
    snprintf(label, sizeof label, "finite differences, combination %zu", n);
    testing = label;
    draw();
    const clloss_ref_xent a = combination(n);
    finite_differences(&a);
  }
  testing = "";
  printf("%d combinations of options\n", ALL);
}

/* The class axis in the middle is another layout of the same numbers: the same bits. */
static void inner_axis(void) {
  draw();
  double packed[ROWS * CLASSES], grad[ROWS * CLASSES];
  for (size_t r = 0; r < ROWS; r++)
    for (size_t c = 0; c < CLASSES; c++)
      packed[r * CLASSES + c] = data.x[r / INNER * INNER * CLASSES + c * INNER + r % INNER];
  clloss_ref_xent a = {.rows = ROWS, .classes = CLASSES, .logits = packed, .targets = data.targets};
  a.flags = CLLOSS_IGNORE_INDEX | CLLOSS_BAD_IS_IGNORED, a.ignore_index = -7, a.label_smoothing = .25;
  solve64(a);
  const double loss = got.loss;
  memcpy(grad, got.grad, sizeof grad);
  a.logits = data.x, a.inner = INNER;
  solve64(a);
  CHECK(got.loss == loss);
  for (size_t r = 0; r < ROWS; r++)
    for (size_t c = 0; c < CLASSES; c++)
      CHECK(got.grad[r / INNER * INNER * CLASSES + c * INNER + r % INNER] == grad[r * CLASSES + c]);
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240611;
  state = seed;
  static const struct {
    const char *name;
    void (*run)(const struct type *);
  } tests[] = {{"weights", weights}, {"smoothing", smoothing},     {"probabilities", probabilities},
               {"z_loss", z_loss},   {"transformed", transformed}, {"added", added},
               {"metrics", metrics}, {"policies", policies},       {"weightless", weightless},
               {"nll", nll}};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    for (size_t k = 0; k < 2; k++) {
      char label[64];
      snprintf(label, sizeof label, "%s %s", tests[i].name, types[k].name);
      testing = label;
      tests[i].run(&types[k]);
      testing = "";
    }
  }
  testing = "inner axis", inner_axis();
  combinations();
  if (failures) printf("%d checks failed; repeat with: test_ref_options %" PRIu64 "\n", failures, seed);
  return failures != 0;
}
