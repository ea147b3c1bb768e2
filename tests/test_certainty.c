/* Near certainty: rows whose likeliest class lacks from a half down to 1e-35 (f64: 1e-300) of 1, in every family, type and pass,
 * against long double, in which neither exp nor log1p collapses. With l = 1 − p of the likeliest class, which is the target,
 *
 *   loss = −log1p(−l)      own gradient = −l      log p = −loss      entropy = loss + Σ p (m − z)
 *
 * are to err by no more than (B + 4) (1 + ln(1 / l)) u of themselves, where B = 4 + D, D the longest chain of additions
 * (check/case_xent_bound.c derives it; |m − z| of what is left averages to ln(1 / l) + ln V at most, and ln V is below D). The
 * largest errors seen are printed. */
#include "check.h"
#include "fixture.h"

#include <clloss/clloss_ref.h>
#include <clloss/clloss_rowwise.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 24, FEW_ROWS = 6, MOST_CLASSES = 150000 };

static const size_t sizes[] = {2, 3, 10, 16, 17, 33, 100, 257, 1000, 4097, 32768, 150000};

static const struct {
  const char *name;
  clloss_ctx_options options;
} families[] = {
    {"lane", {.struct_size = sizeof(clloss_ctx_options), .family = CLLOSS_FAMILY_LANE}},
    {"group", {.struct_size = sizeof(clloss_ctx_options), .family = CLLOSS_FAMILY_GROUP}},
    {"group of 7",
     {.struct_size = sizeof(clloss_ctx_options), .family = CLLOSS_FAMILY_GROUP, .local_size = 7}},
    {"split", {.struct_size = sizeof(clloss_ctx_options), .family = CLLOSS_FAMILY_SPLIT, .slices = 3}},
};

static const struct {
  const char *name;
  uint32_t logits, real;
} types[] = {
    {"f32", CLLOSS_F32, CLLOSS_F32},
    {"bf16", CLLOSS_BF16, CLLOSS_F32},
    {"f16", CLLOSS_F16, CLLOSS_F32},
    {"f64", CLLOSS_F64, CLLOSS_F64},
};

static fixture f;
static clloss_ctx *ctx;
static uint64_t state;
static size_t rows, classes; /* fewer rows where they are long */
static bool wide;
static double *logits; /* [ROWS][classes], exact in every type */
static int32_t targets[ROWS];
static long double rests[ROWS], moments[ROWS]; /* Σ e and Σ e (m − z) over all classes but the target */

static double uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) * 0x1p-53;
}

/* Quarters below 2, and the target above them by some halves. */
static void fill(void) {
  const double end = wide ? 690 : 80, others = log((double)classes - 1);
  for (size_t r = 0; r < rows; r++) {
    double *x = logits + r * classes;
    for (size_t c = 0; c < classes; c++) x[c] = floor(8 * uniform()) / 4;
    targets[r] = (int32_t)(uniform() * (double)classes);
    x[targets[r]] = ceil(2 * (2 + others + (end - others) * ((double)r + uniform()) / (double)rows)) / 2;
    rests[r] = moments[r] = 0;
    for (size_t c = 0; c < classes; c++) {
      const long double d = (long double)x[targets[r]] - x[c], e = expl(-d);
      if ((int32_t)c != targets[r]) rests[r] += e, moments[r] += e * d;
    }
  }
}

/* ---- what is compared ---- */

enum {
  OWN_LOSS,
  LOG_SUM,
  OWN_FUSED,
  OWN_BACKWARD,
  LOSS_REFERENCE,
  OWN_REFERENCE,
  LOG_P,
  OWN_LOG_SOFTMAX,
  ENTROPY,
  DIVERGENCE,
  WHAT
};
static const char *const what_names[WHAT] = {
    "row_loss",
    "row_stats",
    "own entry, fused",
    "own entry, backward",
    "row_loss, reference",
    "own entry, reference",
    "log_softmax of max",
    "own entry, log_softmax",
    "entropy",
    "divergence",
};
static double worst[WHAT];
static long compared;

static void compare(int what, size_t r, double got, long double truth) {
  const long double u = wide ? 0x1p-53L : 0x1p-24L, lack = rests[r] / (1 + rests[r]);
  const double chain = fmin((double)classes, 256 + 70);
  const double cancels = what == DIVERGENCE ? 7 : 1; /* 1 / e is left of 1 + 1 + 1 / e */
  const double units = (double)(fabsl(got - truth) / (u * fabsl(truth) * (1 - logl(lack))));
  compared++;
  if (!(units <= worst[what])) worst[what] = units;
  if (units <= cancels * (8 + chain)) return;
  if (check_failures++ >= 20) return; /* enough is said */
  fprintf(stderr, "%s of row %zu of %zu classes, l = %.2Lg: %.17g, should be %.17Lg, off by %.3g units\n",
          what_names[what], r, classes, lack, got, truth, units);
}

static long double log_sum_of(size_t r) { return log1pl(rests[r]); }
static long double lack_of(size_t r) { return rests[r] / (1 + rests[r]); }

static clloss_tensor *tensor_of(uint32_t dtype, size_t columns, const void *from, uint32_t from_dtype) {
  clloss_tensor *t = NULL;
  CHECK_STATUS(clloss_tensor_create(&t, ctx, dtype, rows, columns), CLLOSS_SUCCESS);
  if (t && from)
    CHECK_STATUS(clloss_tensor_upload_as(t, from_dtype, from, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  return t;
}

static void read_back(const clloss_tensor *t, double *to) {
  CHECK_STATUS(clloss_tensor_download_as(t, CLLOSS_F64, to, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
}

/* ---- the calls ---- */

static void check_xent(clloss_tensor *x, clloss_tensor *t, uint32_t real, double *room) {
  clloss_tensor *loss = tensor_of(real, 1, NULL, 0), *stats = tensor_of(real, 2, NULL, 0),
                *grad = tensor_of(real, classes, NULL, 0);
  const clloss_xent_options o = {.struct_size = sizeof o, .reduction = CLLOSS_NONE};
  clloss_xent call = {.struct_size = sizeof call,
                      .rows = rows,
                      .classes = classes,
                      .logits = clloss_tensor_view(x),
                      .targets = clloss_tensor_view(t),
                      .row_loss = clloss_tensor_view(loss),
                      .row_stats = clloss_tensor_view(stats),
                      .grad = clloss_tensor_view(grad)};
  double row_loss[ROWS], pairs[2 * ROWS];
  for (int which = 0; which < 3; which++) {
    clloss_xent c = call;
    if (which == 0) memset(&c.grad, 0, sizeof c.grad);
    if (which == 1) memset(&c.row_loss, 0, sizeof c.row_loss);
    CHECK_STATUS((which == 0   ? clloss_xent_forward
                  : which == 1 ? clloss_xent_backward
                               : clloss_xent_fused)(ctx, &c, &o, f.queue, 0, NULL, NULL),
                 CLLOSS_SUCCESS);
    read_back(loss, row_loss);
    read_back(stats, pairs);
    read_back(grad, room);
    for (size_t r = 0; r < rows; r++) {
      if (which != 1) compare(OWN_LOSS, r, row_loss[r], log_sum_of(r));
      if (which != 1) compare(LOG_SUM, r, pairs[2 * r + 1], log_sum_of(r));
      if (which)
        compare(which == 1 ? OWN_BACKWARD : OWN_FUSED, r, room[r * classes + (size_t)targets[r]],
                -lack_of(r));
    }
  }
  clloss_tensor_destroy(&loss), clloss_tensor_destroy(&stats), clloss_tensor_destroy(&grad);
}

/* log p, and backward from it of dy that is −1 at the target, as a negative log-likelihood's is. */
static void check_softmax(clloss_tensor *x, uint32_t real, double *room) {
  clloss_tensor *y = tensor_of(real, classes, NULL, 0), *dx = tensor_of(real, classes, NULL, 0);
  const clloss_softmax_options o = {.struct_size = sizeof o, .flags = CLLOSS_LOG_SOFTMAX};
  clloss_softmax call = {.struct_size = sizeof call, .rows = rows, .classes = classes};
  call.input = clloss_tensor_view(x);
  call.output = clloss_tensor_view(y);
  CHECK_STATUS(clloss_softmax_forward(ctx, &call, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(y, room);
  for (size_t r = 0; r < rows; r++) compare(LOG_P, r, room[r * classes + (size_t)targets[r]], -log_sum_of(r));
  memset(room, 0, rows * classes * sizeof *room);
  for (size_t r = 0; r < rows; r++) room[r * classes + (size_t)targets[r]] = -1;
  clloss_tensor *dy = tensor_of(real, classes, room, CLLOSS_F64);
  memset(&call.input, 0, sizeof call.input);
  call.grad_output = clloss_tensor_view(dy);
  call.grad_input = clloss_tensor_view(dx);
  CHECK_STATUS(clloss_softmax_backward(ctx, &call, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(dx, room);
  for (size_t r = 0; r < rows; r++)
    compare(OWN_LOG_SOFTMAX, r, room[r * classes + (size_t)targets[r]], -lack_of(r));
  clloss_tensor_destroy(&y), clloss_tensor_destroy(&dx), clloss_tensor_destroy(&dy);
}

static void check_entropy(clloss_tensor *x, uint32_t real) {
  clloss_tensor *entropy = tensor_of(real, 1, NULL, 0);
  clloss_information call = {.struct_size = sizeof call, .rows = rows, .classes = classes};
  double got[ROWS];
  call.input = clloss_tensor_view(x);
  call.entropy = clloss_tensor_view(entropy);
  CHECK_STATUS(clloss_information_forward(ctx, &call, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(entropy, got);
  for (size_t r = 0; r < rows; r++) compare(ENTROPY, r, got[r], log_sum_of(r) + moments[r] / (1 + rests[r]));
  clloss_tensor_destroy(&entropy);
}

/* Of a student whose other classes all are one lower than the teacher's: Σ p (d_t − d_s) is l_t, log sum_s is log1p(rest / e), and
 * what is left of their difference is about a quarter of l. Of rows that are the same it is 0. */
static void check_divergence(clloss_tensor *x, uint32_t logits_dtype, uint32_t real, double *room) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < classes; c++)
      room[r * classes + c] = logits[r * classes + c] - ((int32_t)c != targets[r]);
  clloss_tensor *s = tensor_of(logits_dtype, classes, room, CLLOSS_F64), *loss = tensor_of(real, 1, NULL, 0);
  clloss_distill call = {.struct_size = sizeof call, .rows = rows, .classes = classes};
  const clloss_distill_options o = {.struct_size = sizeof o, .reduction = CLLOSS_NONE};
  double got[ROWS];
  call.student = clloss_tensor_view(s);
  call.teacher = clloss_tensor_view(x);
  call.row_loss = clloss_tensor_view(loss);
  CHECK_STATUS(clloss_distill_forward(ctx, &call, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(loss, got);
  for (size_t r = 0; r < rows; r++)
    compare(DIVERGENCE, r, got[r], lack_of(r) + (log1pl(rests[r] * expl(-1)) - log_sum_of(r)));
  call.student = clloss_tensor_view(x);
  CHECK_STATUS(clloss_distill_forward(ctx, &call, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(loss, got);
  for (size_t r = 0; r < rows; r++) CHECK(got[r] == 0);
  clloss_tensor_destroy(&s), clloss_tensor_destroy(&loss);
}

static void check_reference(uint32_t real) {
  const size_t n = rows * classes;
  int64_t *t = malloc(ROWS * sizeof *t);
  float *narrow = malloc((2 * n + 1) * sizeof *narrow), losses[ROWS];
  double wide_losses[ROWS], *grad = malloc((n + 1) * sizeof *grad);
  clloss_ref_xent a = {.rows = rows, .classes = classes, .targets = t, .reduction = CLLOSS_NONE};
  for (size_t r = 0; r < rows; r++) t[r] = targets[r];
  for (size_t i = 0; i < n; i++) narrow[i] = (float)logits[i];
  a.logits = real == CLLOSS_F64 ? (void *)logits : narrow;
  a.grad = real == CLLOSS_F64 ? (void *)grad : narrow + n;
  a.row_loss = real == CLLOSS_F64 ? (void *)wide_losses : losses;
  (real == CLLOSS_F64 ? clloss_ref_xent_f64 : clloss_ref_xent_f32)(&a);
  for (size_t r = 0; r < rows; r++) {
    const size_t i = r * classes + (size_t)targets[r];
    compare(LOSS_REFERENCE, r, real == CLLOSS_F64 ? wide_losses[r] : (double)losses[r], log_sum_of(r));
    compare(OWN_REFERENCE, r, real == CLLOSS_F64 ? grad[i] : (double)narrow[n + i], -lack_of(r));
  }
  free(t), free(narrow), free(grad);
}

static void check_all(uint32_t logits_dtype, uint32_t real, double *room) {
  clloss_tensor *x = tensor_of(logits_dtype, classes, logits, CLLOSS_F64),
                *t = tensor_of(CLLOSS_I32, 1, NULL, 0);
  CHECK_STATUS(clloss_tensor_upload(t, targets, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  check_xent(x, t, real, room);
  if (logits_dtype == real) check_softmax(x, real, room);
  check_entropy(x, real);
  check_divergence(x, logits_dtype, real, room);
  clloss_tensor_destroy(&x), clloss_tensor_destroy(&t);
}

int main(int argc, char **argv) {
  const uint64_t seed = argc == 3 && !strcmp(argv[1], "--seed") ? strtoull(argv[2], NULL, 10)
                                                                : (uint64_t)time(NULL);
  printf("seed %llu\n", (unsigned long long)seed);
  state = seed;
  if (!fixture_open(&f)) return 1;
  logits = malloc(ROWS * MOST_CLASSES * sizeof *logits);
  double *room = malloc(ROWS * MOST_CLASSES * sizeof *room);
  cl_device_fp_config f64 = 0;
  clGetDeviceInfo(f.device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof f64, &f64, NULL);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    wide = types[i].real == CLLOSS_F64;
    if (wide && !f64) {
      printf("no f64: the device has none\n");
      continue;
    }
    for (size_t k = 0; k < sizeof families / sizeof *families; k++) {
      if (i && k > 1) continue; /* loads and stores are the types' alone */
      CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &families[k].options), CLLOSS_SUCCESS);
      for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        classes = sizes[n];
        rows = classes > 5000 ? FEW_ROWS : ROWS;
        fill();
        check_all(types[i].logits, types[i].real, room);
        if (k == 0 && types[i].logits == types[i].real) check_reference(types[i].real);
      }
      clloss_ctx_destroy(&ctx);
    }
  }
  printf("%ld comparisons; largest errors in units of u (1 + ln(1 / l)):\n", compared);
  for (int i = 0; i < WHAT; i++) printf("  %-24s %6.2f\n", what_names[i], worst[i]);
  free(logits), free(room);
  fixture_close(&f);
  return check_done();
}
