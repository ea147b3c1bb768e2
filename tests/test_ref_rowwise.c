/* The scalar reference of distillation, surprisal and entropy: values worked out on paper, PyTorch's in f64
 * (golden/rowwise.h), finite differences, and cross-entropy = entropy + divergence. */
#include "ref_check.h"

#include <clloss/clloss_ref.h>
#include <stdlib.h>
#include <string.h>

#include "golden/rowwise.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { MOST = 1024 };

/* One call in either type, from doubles to doubles. */
static struct { double loss, row_loss[MOST], stats[MOST], grad[MOST], surprisal[MOST], entropy[MOST]; } got;

typedef struct type {
  const char *name;
  size_t bytes;
  double u;                  /* of paper values */
  double relative, absolute; /* of PyTorch's, as in test_golden.c */
} type;
static const type f64 = {"f64", 8, 0x1p-52, 1e-12, 1e-13}, f32 = {"f32", 4, 0x1p-23, 3e-6, 3e-6};

/* Converts in place of a copy; NULL stays NULL. */
static void *given(const type *t, const double *from, size_t n, void *room) {
  for (size_t i = 0; from && i < n; i++) {
    const float single = (float)from[i];
    memcpy((char *)room + i * t->bytes, t == &f64 ? (const void *)&from[i] : (const void *)&single, t->bytes);
  }
  return from ? room : NULL;
}

static void taken(const type *t, const void *room, size_t n, double *to) {
  for (size_t i = 0; i < n; i++)
    to[i] = t == &f64 ? ((const double *)room)[i] : (double)((const float *)room)[i];
}

/* `a` points at doubles; weights and upstream, where given, are per row and one (per row with CLLOSS_NONE). */
static void distill(const type *t, clloss_ref_distill a) {
  static double room[8][MOST];
  const size_t n = a.rows * a.classes;
  a.student = given(t, a.student, n, room[0]);
  a.teacher = given(t, a.teacher, n, room[1]);
  a.row_weight = given(t, a.row_weight, a.rows, room[2]);
  a.grad_loss = given(t, a.grad_loss, a.reduction == CLLOSS_NONE ? a.rows : 1, room[3]);
  a.grad_loss_stride = 1;
  a.loss = room[4], a.row_loss = room[5], a.row_stats = room[6], a.grad = room[7];
  if (t == &f64) clloss_ref_distill_f64(&a);
  if (t == &f32) clloss_ref_distill_f32(&a);
  if (a.reduction != CLLOSS_NONE) taken(t, a.loss, 1, &got.loss);
  taken(t, a.row_loss, a.rows, got.row_loss);
  taken(t, a.row_stats, 4 * a.rows, got.stats);
  taken(t, a.grad, n, got.grad);
}

static void information(const type *t, clloss_ref_information a) {
  static double room[3][MOST];
  a.input = given(t, a.input, a.rows * a.classes, room[0]);
  a.surprisal = a.targets ? room[1] : NULL, a.entropy = room[2];
  if (t == &f64) clloss_ref_information_f64(&a);
  if (t == &f32) clloss_ref_information_f32(&a);
  if (a.targets) taken(t, a.surprisal, a.rows, got.surprisal);
  taken(t, a.entropy, a.rows, got.entropy);
}

/* ---- on paper ---- */

/* A teacher of (3/4, 1/4) and a student of (1/2, 1/2); at temperature 2 the teacher's logits are twice as far apart. */
static void quarters(const type *t) {
  const double student[] = {7, 7}, teacher[] = {log(3), 0}, far[] = {2 * log(3), 0},
               kl = 0.75 * log(3) - log(2);
  clloss_ref_distill a = {.rows = 1, .classes = 2, .student = student, .teacher = teacher};
  distill(t, a);
  NEAR(got.loss, kl, 8 * t->u);
  NEAR(got.grad[0], -0.25, 4 * t->u);
  NEAR(got.grad[1], 0.25, 4 * t->u);
  NEAR(got.stats[0], 7, 0);
  NEAR(got.stats[1], log(2), 2 * t->u);
  NEAR(got.stats[2], log(3), t->u);
  NEAR(got.stats[3], log(4.0 / 3), 4 * t->u);
  a.teacher = far, a.temperature = 2;
  distill(t, a);
  NEAR(got.loss, kl, 8 * t->u);
  NEAR(got.grad[0], -0.125, 4 * t->u);
  a.flags = CLLOSS_TEMPERATURE_SQUARED;
  distill(t, a);
  NEAR(got.loss, 4 * kl, 32 * t->u);
  NEAR(got.grad[0], -0.5, 8 * t->u);
}

/* The same logits but for an offset: nothing, exactly. A mean over weights that add up to 0: nothing to divide by. */
static void equal_rows(const type *t) {
  const double student[] = {1, 2.5, -3, 100}, teacher[] = {1001, 1002.5, 997, 1100}, other[] = {0, 0, 1, 0},
               weight[] = {1, -1};
  clloss_ref_distill a = {
      .rows = 1, .classes = 4, .temperature = 1.7, .student = student, .teacher = teacher};
  distill(t, a);
  CHECK(got.loss == 0);
  for (size_t c = 0; c < 4; c++) CHECK(got.grad[c] == 0);
  a.rows = 2, a.classes = 2, a.teacher = other, a.row_weight = weight;
  distill(t, a);
  for (size_t c = 0; c < 4; c++) CHECK(isnan(got.grad[c]));
  CHECK(isinf(got.loss) && isfinite(got.row_loss[0]));
}

/* Rows: the teacher masks, both mask, the student masks (far below the teacher's maximum), no student, no teacher. */
static void masks(const type *t) {
  const double m = -(double)INFINITY, student[] = {0, 0, 0, m, 0, m, m, m, 0, NAN};
  const double teacher[] = {m, 0, 0, m, 0, -5000, 0, 0, 0, 0};
  const clloss_ref_distill a = {
      .rows = 5, .classes = 2, .reduction = CLLOSS_NONE, .student = student, .teacher = teacher};
  distill(t, a);
  NEAR(got.row_loss[0], log(2), 2 * t->u);
  NEAR(got.grad[0], 0.5, t->u);
  CHECK(got.row_loss[1] == 0 && got.grad[2] == 0 && got.grad[3] == 0);
  CHECK(got.row_loss[2] == (double)INFINITY && got.grad[4] == 0 && got.grad[5] == 0);
  for (size_t r = 3; r < 5; r++) {
    CHECK(isnan(got.row_loss[r]) && isnan(got.grad[2 * r]) && isnan(got.grad[2 * r + 1]));
    CHECK(isnan(got.stats[4 * r]) && isnan(got.stats[4 * r + 1]) && got.stats[4 * r + 2] == 0);
  }
}

/* (1/2, 1/4, 1/4): 3/2 ln 2, and a surprisal of 2 ln 2; a certain row; four equal logits. */
static void entropies(const type *t) {
  const double p[] = {0.5, 0.25, 0.25, 0, 1, 0}, logs[] = {-log(2), -2 * log(2), -2 * log(2)};
  const double logits[] = {30, 30 - log(2), 30 - log(2)}, equal[] = {-9, -9, -9, -9};
  const int64_t targets[] = {1, 1};
  const clloss_ref_information all[] = {
      {.rows = 2, .classes = 3, .flags = CLLOSS_FROM_PROBABILITIES, .input = p, .targets = targets},
      {.rows = 1, .classes = 3, .flags = CLLOSS_FROM_LOG_PROBABILITIES, .input = logs, .targets = targets},
      {.rows = 1, .classes = 3, .input = logits, .targets = targets}};
  for (size_t i = 0; i < COUNT(all); i++) {
    information(t, all[i]);
    NEAR(got.entropy[0], 1.5 * log(2), 32 * t->u);
    NEAR(got.surprisal[0], 2 * log(2), 32 * t->u);
    if (i == 0) CHECK(got.entropy[1] == 0 && got.surprisal[1] == 0);
  }
  information(t, (clloss_ref_information){.rows = 1, .classes = 4, .input = equal});
  NEAR(got.entropy[0], log(4), 8 * t->u);
}

/* What is no distribution is NaN in both, a target out of range in one; a target of probability 0 is infinitely far. */
static void no_distribution(const type *t) {
  const double p[] = {0.5, 0.5, 1.5, 0, -0.25, 1, NAN, 0, 0, 1}, m = -(double)INFINITY;
  const double logs[] = {0.125, m, 0, m}, logits[] = {m, m, (double)INFINITY, 0};
  const int64_t targets[] = {2, 0, 1, 0, 0}, far[] = {-1, 1};
  information(
      t, (clloss_ref_information){
             .rows = 5, .classes = 2, .flags = CLLOSS_FROM_PROBABILITIES, .input = p, .targets = targets});
  CHECK(isnan(got.surprisal[0]) && !isnan(got.entropy[0]));
  for (size_t r = 1; r < 4; r++) CHECK(isnan(got.surprisal[r]) && isnan(got.entropy[r]));
  CHECK(got.surprisal[4] == (double)INFINITY && got.entropy[4] == 0);
  information(
      t, (clloss_ref_information){
             .rows = 2, .classes = 2, .flags = CLLOSS_FROM_LOG_PROBABILITIES, .input = logs, .targets = far});
  CHECK(isnan(got.entropy[0]) && got.entropy[1] == 0 && got.surprisal[1] == (double)INFINITY);
  information(t, (clloss_ref_information){.rows = 2, .classes = 2, .input = logits, .targets = targets});
  CHECK(isnan(got.entropy[0]) && isnan(got.entropy[1]) && isnan(got.surprisal[1]));
}

/* ---- PyTorch ---- */

static void agree(const type *t, const char *name, const double *values, const double *torch, size_t n) {
  testing = name;
  for (size_t i = 0; i < n; i++)
    NEAR(values[i], torch[i], isfinite(torch[i]) ? t->relative * fabs(torch[i]) + t->absolute : 0);
}

static void golden(const type *t) {
  for (size_t i = 0; i < COUNT(golden_distill); i++) {
    const struct golden_distill *g = &golden_distill[i];
    distill(t, (clloss_ref_distill){.rows = g->rows,
                                    .classes = g->classes,
                                    .reduction = g->reduction,
                                    .flags = g->squared ? CLLOSS_TEMPERATURE_SQUARED : 0,
                                    .temperature = g->temperature,
                                    .divisor = g->divisor,
                                    .student = g->student,
                                    .teacher = g->teacher,
                                    .row_weight = g->weight,
                                    .grad_loss = g->upstream});
    agree(t, g->name, got.row_loss, g->row_loss, g->rows);
    agree(t, g->name, got.grad, g->grad, g->rows * g->classes);
    if (g->reduction != CLLOSS_NONE) agree(t, g->name, &got.loss, g->loss, 1);
  }
  for (size_t i = 0; i < COUNT(golden_information); i++) {
    const struct golden_information *g = &golden_information[i];
    information(t, (clloss_ref_information){.rows = g->rows,
                                            .classes = g->classes,
                                            .flags = g->flags,
                                            .input = g->input,
                                            .targets = g->targets});
    agree(t, g->name, got.surprisal, g->surprisal, g->rows);
    agree(t, g->name, got.entropy, g->entropy, g->rows);
  }
}

/* ---- derivatives and the identity, in f64 ---- */

enum { ROWS = 3, CLASSES = 7, N = ROWS * CLASSES };

/* Central differences of the loss: off by h² / 6 times a third derivative below 1 / τ³ times the row's share, and by
 * rounding, u |loss| / h. */
static void differences(void) {
  const double h = 1e-5, temperature = 1.7;
  double student[N], teacher[N], weight[ROWS], upstream[] = {-1.75};
  fill(student, N, -3, 3), fill(teacher, N, -3, 3), fill(weight, ROWS, 0.5, 2);
  const clloss_ref_distill a = {.rows = ROWS,
                                .classes = CLASSES,
                                .flags = CLLOSS_TEMPERATURE_SQUARED,
                                .temperature = temperature,
                                .student = student,
                                .teacher = teacher,
                                .row_weight = weight,
                                .grad_loss = upstream};
  double grad[N];
  distill(&f64, a);
  memcpy(grad, got.grad, sizeof grad);
  for (size_t i = 0; i < N; i++) {
    const double x = student[i];
    student[i] = x + h, distill(&f64, a);
    const double above = got.loss;
    student[i] = x - h, distill(&f64, a);
    student[i] = x;
    NEAR(grad[i], upstream[0] * (above - got.loss) / (2 * h), 2 * (h * h + 0x1p-52 * 64 / h));
  }
}

/* Cross-entropy of probabilities p against logits x is the entropy of p and the divergence of softmax(x) from p. Each is a
 * sum of 7 terms of magnitude below 10, so 64 roundings of 10 hold all. */
static void identity(void) {
  double x[N], p[N], log_p[N], cross[ROWS], sum[ROWS] = {0};
  fill(x, N, -3, 3), fill(p, N, 0.05, 1);
  for (size_t i = 0; i < N; i++) sum[i / CLASSES] += p[i];
  for (size_t i = 0; i < N; i++) log_p[i] = log(p[i] /= sum[i / CLASSES]);
  const clloss_ref_xent xent = {
      .rows = ROWS, .classes = CLASSES, .logits = x, .probabilities = p, .row_loss = cross};
  clloss_ref_xent_f64(&xent);
  information(&f64, (clloss_ref_information){
                        .rows = ROWS, .classes = CLASSES, .flags = CLLOSS_FROM_PROBABILITIES, .input = p});
  distill(&f64, (clloss_ref_distill){.rows = ROWS, .classes = CLASSES, .student = x, .teacher = log_p});
  for (size_t r = 0; r < ROWS; r++) NEAR(cross[r], got.entropy[r] + got.row_loss[r], 640 * 0x1p-53);
}

static void both(void (*run)(const type *), const char *name) {
  testing = name, run(&f64);
  testing = name, run(&f32);
}

int main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240612;
  state = seed;
#define BOTH(name) both(name, #name)
  BOTH(quarters), BOTH(equal_rows), BOTH(masks), BOTH(entropies), BOTH(no_distribution), BOTH(golden);
  testing = "differences", differences();
  testing = "identity", identity();
  if (failures) printf("%d checks failed; repeat with: test_ref_rowwise %" PRIu64 "\n", failures, seed);
  return failures != 0;
}
