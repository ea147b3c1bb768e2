/* Guards what is easily lost at the ends of ranges, each with the number that was wrong in version 0.1:
 *
 *   - any softcap is a softcap, and any beta of smooth-L1 a beta, up to the largest float: not 0 once divided by;
 *   - a gradient is right wherever its value fits the type, however far weights, upstream gradient, alpha and divisor
 *     are from 1, for every loss that has such factors;
 *   - what is flushed counts as 0 and is nothing worse, and f16's subnormals aren't flushed;
 *   - the predicted class is an integer, also beyond 2^24 classes of rows in lanes;
 *   - a workspace asked for with nothing bound suffices for whatever is bound then;
 *   - a view without a buffer is not bound, whatever else it says;
 *   - the time of split rows grows with their number, not with its square. */
#include "check.h"
#include "fixture.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { BUFFERS = 8 };

static fixture f;

typedef struct room {
  cl_mem mem[BUFFERS];
  size_t n;
} room;

/* A buffer with a copy of the data, released by empty(). */
static clloss_view view_of(room *r, uint32_t dtype, const void *data, size_t bytes) {
  cl_int error;
  clloss_view v = {.dtype = dtype};
  const cl_mem_flags flags = CL_MEM_READ_WRITE | (data ? CL_MEM_COPY_HOST_PTR : 0);
  v.mem = r->mem[r->n++] = clCreateBuffer(f.context, flags, bytes, (void *)(uintptr_t)data, &error);
  CHECK_STATUS(error, CL_SUCCESS);
  return v;
}

static void read_back(const clloss_view *v, void *to, size_t bytes) {
  CHECK_STATUS(clEnqueueReadBuffer(f.queue, v->mem, CL_TRUE, 0, bytes, to, 0, NULL, NULL), CL_SUCCESS);
}

static void empty(room *r) {
  for (size_t i = 0; i < r->n; i++) clReleaseMemObject(r->mem[i]);
  r->n = 0;
}

static clloss_ctx *ctx_of(uint32_t family) {
  const clloss_ctx_options o = {.struct_size = sizeof o, .family = family};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &o), CLLOSS_SUCCESS);
  return ctx;
}

/* Relatively; infinities and zeros have to be the same. */
static void check_near(const char *what, double actual, double expected, double relative) {
  if (actual == expected || fabs(actual - expected) <= relative * fabs(expected)) return;
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "%s is %.9g, expected %.9g\n", what, actual, expected);
}

/* ---- softcap and beta ---- */

static void check_softcap(clloss_ctx *ctx) {
  const float logits[4] = {1, 2, 3, -2.5f};
  const int32_t target = 1;
  const double caps[] = {0, 1e37, 1e38, FLT_MAX}; /* 0: none */
  float first[5] = {0};
  for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
    room r = {{0}, 0};
    float grad[4] = {0}, loss = 0;
    const clloss_xent_options o = {.struct_size = sizeof o, .softcap = caps[i]};
    clloss_xent x = {.struct_size = sizeof x, .rows = 1, .classes = 4};
    x.logits = view_of(&r, CLLOSS_F32, logits, sizeof logits);
    x.targets = view_of(&r, CLLOSS_I32, &target, sizeof target);
    x.grad = view_of(&r, CLLOSS_F32, NULL, sizeof grad);
    x.loss = view_of(&r, CLLOSS_F32, NULL, sizeof loss);
    CHECK_STATUS(clloss_xent_fused(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    read_back(&x.grad, grad, sizeof grad);
    read_back(&x.loss, &loss, sizeof loss);
    if (i == 0) memcpy(first, grad, sizeof grad), first[4] = loss;
    check_near("loss with a large softcap", loss, first[4], 1e-6);
    for (int c = 0; c < 4; c++) check_near("gradient with a large softcap", grad[c], first[c], 1e-6);
    empty(&r);
  }
}

/* Two largest logits, equal: each has half. Behind a softcap their z may be a rounding above the max in row_stats, if that is
 * from another device or plan, and then they seem to have more. */
static void check_halves(clloss_ctx *ctx) {
  const float logits[4] = {0.717f, 75.1865387f, 75.1865387f, 0.0899f};
  const float stats[2] = {29.6033573f, 0.693147182f}; /* z is 29.6033591 in f64, log 2 */
  const double z = 30 * tanh(75.1865387 / 30), half = 0.5 * (1 - z / 30 * (z / 30));
  const int32_t target = 1;
  const clloss_xent_options o = {.struct_size = sizeof o, .softcap = 30};
  clloss_xent x = {.struct_size = sizeof x, .rows = 1, .classes = 4};
  room r = {{0}, 0};
  float grad[4] = {0};
  x.logits = view_of(&r, CLLOSS_F32, logits, sizeof logits);
  x.targets = view_of(&r, CLLOSS_I32, &target, sizeof target);
  x.row_stats = view_of(&r, CLLOSS_F32, stats, sizeof stats);
  x.grad = view_of(&r, CLLOSS_F32, NULL, sizeof grad);
  CHECK_STATUS(clloss_xent_backward(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.grad, grad, sizeof grad);
  check_near("gradient of a target that has half, behind a softcap", grad[1], -half, 1e-4);
  check_near("gradient of the other half, behind a softcap", grad[2], half, 1e-4);
  empty(&r);
}

/* ---- factors ---- */

typedef struct factors {
  float row_weight, upstream, input;
  double alpha, divisor;
} factors;

/* Of mse: 2 d · weight · upstream · alpha / divisor. */
static float mse_gradient(clloss_ctx *ctx, const factors *k) {
  room r = {{0}, 0};
  const float zero = 0;
  float grad = -7;
  const clloss_pointwise_options o = {
      .struct_size = sizeof o, .flags = CLLOSS_GRAD_ALPHA, .grad_alpha = k->alpha, .divisor = k->divisor};
  clloss_pointwise x = {.struct_size = sizeof x, .rows = 1, .classes = 1, .kind = CLLOSS_MSE};
  x.input = view_of(&r, CLLOSS_F32, &k->input, sizeof k->input);
  x.target = view_of(&r, CLLOSS_F32, &zero, sizeof zero);
  x.weight = view_of(&r, CLLOSS_F32, &k->row_weight, sizeof k->row_weight);
  x.grad_loss = view_of(&r, CLLOSS_F32, &k->upstream, sizeof k->upstream);
  x.grad = view_of(&r, CLLOSS_F32, NULL, sizeof grad);
  CHECK_STATUS(clloss_pointwise_backward(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.grad, &grad, sizeof grad);
  empty(&r);
  return grad;
}

/* Of the first of n equal classes, which isn't the target: 1 / n times the factors. */
static float xent_gradient(clloss_ctx *ctx, const factors *k, size_t classes) {
  room r = {{0}, 0};
  const int32_t target = 1;
  float *const zeros = calloc(classes, sizeof *zeros), grad = -7;
  const clloss_xent_options o = {
      .struct_size = sizeof o, .flags = CLLOSS_GRAD_ALPHA, .grad_alpha = k->alpha, .divisor = k->divisor};
  clloss_xent x = {.struct_size = sizeof x, .rows = 1, .classes = classes};
  x.logits = view_of(&r, CLLOSS_F32, zeros, classes * sizeof *zeros);
  x.targets = view_of(&r, CLLOSS_I32, &target, sizeof target);
  x.row_weight = view_of(&r, CLLOSS_F32, &k->row_weight, sizeof k->row_weight);
  x.grad_loss = view_of(&r, CLLOSS_F32, &k->upstream, sizeof k->upstream);
  x.grad = x.logits; /* in place */
  CHECK_STATUS(clloss_xent_fused(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.grad, &grad, sizeof grad);
  free(zeros);
  empty(&r);
  return grad;
}

/* Of the first class of two, student (0, 0) and teacher (0, -inf): (1/2 - 1) times the factors. */
static float distill_gradient(clloss_ctx *ctx, const factors *k) {
  room r = {{0}, 0};
  const float student[2] = {0, 0}, teacher[2] = {0, -INFINITY};
  float grad = -7;
  const clloss_distill_options o = {.struct_size = sizeof o, .divisor = k->divisor};
  clloss_distill x = {.struct_size = sizeof x, .rows = 1, .classes = 2};
  x.student = view_of(&r, CLLOSS_F32, student, sizeof student);
  x.teacher = view_of(&r, CLLOSS_F32, teacher, sizeof teacher);
  x.row_weight = view_of(&r, CLLOSS_F32, &k->row_weight, sizeof k->row_weight);
  x.grad_loss = view_of(&r, CLLOSS_F32, &k->upstream, sizeof k->upstream);
  x.grad = view_of(&r, CLLOSS_F32, NULL, sizeof student);
  CHECK_STATUS(clloss_distill_fused(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.grad, &grad, sizeof grad);
  empty(&r);
  return grad;
}

/* A number of either sign whose exponent is anywhere among the normal ones. */
static double any_number(void) {
  const double m = 1 + rand() / (RAND_MAX + 1.0);
  return (rand() % 2 ? m : -m) * ldexp(1, rand() % 253 - 126);
}

/* What the type can't hold is an infinity or, as results below the least normal number are flushed, 0. */
static void check_product(const char *what, float actual, long double exact) {
  const long double size = fabsl(exact);
  if (size > (long double)FLT_MAX * (1 - 1e-6L)) {
    if (isinf(actual) || fabs(actual) > FLT_MAX * (1 - 1e-5)) return;
  } else if (size < (long double)FLT_MIN * (1 + 1e-6L)) {
    if (fabsf(actual) <= FLT_MIN * 1.00001F) return;
  } else if (fabsl((long double)actual - exact) <= 4e-6L * size) {
    return;
  }
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "%s is %.9g, expected %.9Lg\n", what, (double)actual, exact);
}

static void check_factors(clloss_ctx *ctx, const char *family) {
  /* the first three are those of the review: inf, NaN and 0 in version 0.1 */
  const factors known[] = {{1e20f, 1e-30f, 1, 1e20, 1}, {1, 1e30f, 0, 1e30, 1}, {1, 2e-38f, 1e15f, 0.1, 1}};
  enum { KNOWN = sizeof known / sizeof *known, DRAWN = 400 };
  const size_t classes[] = {2, 3, 40, 300};
  for (int i = 0; i < KNOWN + DRAWN; i++) {
    factors k = i < KNOWN ? known[i] : known[0];
    if (i >= KNOWN) {
      k = (factors){(float)any_number(), (float)any_number(), (float)any_number(), any_number(),
                    fabs(any_number())};
      k.alpha = (float)k.alpha, k.divisor = (float)k.divisor;
    }
    const long double f0 = (long double)k.row_weight * k.upstream / k.divisor, f1 = f0 * k.alpha;
    const size_t n = classes[i % 4];
    const int failures = check_failures;
    check_product("mse", mse_gradient(ctx, &k), 2 * k.input * f1);
    check_product("xent", xent_gradient(ctx, &k, n), f1 / (long double)n);
    check_product("distill", distill_gradient(ctx, &k), -f0 / 2);
    if (failures != check_failures)
      fprintf(stderr, "  family %s, %zu classes, weight %a, upstream %a, input %a, alpha %a, divisor %a\n",
              family, n, (double)k.row_weight, (double)k.upstream, (double)k.input, k.alpha, k.divisor);
  }
}

static void check_beta(clloss_ctx *ctx) {
  room r = {{0}, 0};
  const float input = 1e15f, target = 0;
  float loss = -7, grad = -7;
  const clloss_pointwise_options o = {.struct_size = sizeof o, .delta = 2e38};
  clloss_pointwise x = {.struct_size = sizeof x, .rows = 1, .classes = 1, .kind = CLLOSS_SMOOTH_L1};
  x.input = view_of(&r, CLLOSS_F32, &input, sizeof input);
  x.target = view_of(&r, CLLOSS_F32, &target, sizeof target);
  x.loss = view_of(&r, CLLOSS_F32, NULL, sizeof loss);
  x.grad = view_of(&r, CLLOSS_F32, NULL, sizeof grad);
  CHECK_STATUS(clloss_pointwise_fused(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.loss, &loss, sizeof loss);
  read_back(&x.grad, &grad, sizeof grad);
  check_near("smooth-L1 with a beta of 2e38", loss, 2.5e-9, 1e-6);
  check_near("its gradient", grad, 5e-24, 1e-6);
  empty(&r);
}

/* ---- what is flushed ---- */

/* One of two: what is computed without flushing, or with 0 in the place of what is below the normal numbers. */
static void check_flushed(const char *what, double actual, double kept, double flushed) {
  const bool is_kept = fabs(actual - kept) <= 1e-5 * fabs(kept) + 0x1p-148;
  if (is_kept || fabs(actual - flushed) <= 1e-6 * fabs(flushed) || (isnan(actual) && isnan(flushed))) return;
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "%s is %.9g, neither %.9g nor, flushed, %.9g\n", what, actual, kept, flushed);
}

/* Two equal classes, target 1: loss log 2, gradient ±1/2 over the weight's divisor and times the upstream gradient. */
static void check_tiny_factors(clloss_ctx *ctx) {
  const float tiny = 0x1.8p-130f, logits[2] = {0, 0}, weights[2] = {tiny, tiny};
  const int32_t target = 1;
  for (int which = 0; which < 3; which++) {
    room r = {{0}, 0};
    float loss = -7, grad[2] = {-7, -7};
    const clloss_xent_options o = {.struct_size = sizeof o,
                                   .reduction = which == 0 ? CLLOSS_MEAN : CLLOSS_SUM};
    clloss_xent x = {.struct_size = sizeof x, .rows = 1, .classes = 2};
    x.logits = view_of(&r, CLLOSS_F32, logits, sizeof logits);
    x.targets = view_of(&r, CLLOSS_I32, &target, sizeof target);
    if (which < 2) x.class_weight = view_of(&r, CLLOSS_F32, weights, sizeof weights);
    if (which == 2) x.grad_loss = view_of(&r, CLLOSS_F32, &tiny, sizeof tiny);
    x.loss = view_of(&r, CLLOSS_F32, NULL, sizeof loss);
    x.grad = view_of(&r, CLLOSS_F32, NULL, sizeof grad);
    CHECK_STATUS(clloss_xent_fused(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    read_back(&x.loss, &loss, sizeof loss);
    read_back(&x.grad, grad, sizeof grad);
    if (which == 0) { /* the mean over a tiny weight is what it is without weights, or a mean over nothing */
      check_flushed("mean loss, weight 2^-130", loss, log(2), NAN);
      check_flushed("its gradient", grad[0], 0.5, NAN);
    } else if (which == 1) {
      check_flushed("sum of losses, weight 2^-130", loss, log(2) * tiny, 0);
      check_flushed("its gradient", grad[0], 0.5 * tiny, 0);
    } else {
      check_near("loss beside a tiny upstream gradient", loss, log(2), 1e-6);
      check_flushed("gradient, upstream gradient 2^-130", grad[0], 0.5 * tiny, 0);
      check_flushed("the target's", grad[1], -0.5 * tiny, 0);
    }
    empty(&r);
  }
}

/* Logits 0 and `bits`, the least number of a two-byte type, times a scale that makes it `z`; the gradients 1 / (1 + e^z) and its
 * negative times `upstream` are stored in that type. */
static void check_subnormals(clloss_ctx *ctx, uint32_t dtype, uint16_t bits, double scale, double z,
                             float upstream, bool kept) {
  room r = {{0}, 0};
  const uint16_t logits[2] = {0, bits};
  const int32_t target = 1;
  uint16_t grad[2] = {7, 7};
  float row_loss = -7, wide[2];
  const clloss_xent_options o = {
      .struct_size = sizeof o, .reduction = CLLOSS_SUM, .logit_scale = scale, .flags = CLLOSS_GRAD_ALPHA};
  clloss_xent_options scaled = o;
  scaled.grad_alpha = 1 / scale; /* the scale's own part of the gradient */
  clloss_xent x = {.struct_size = sizeof x, .rows = 1, .classes = 2};
  x.logits = view_of(&r, dtype, logits, sizeof logits);
  x.targets = view_of(&r, CLLOSS_I32, &target, sizeof target);
  x.grad_loss = view_of(&r, CLLOSS_F32, &upstream, sizeof upstream);
  x.row_loss = view_of(&r, CLLOSS_F32, NULL, sizeof row_loss);
  x.grad = view_of(&r, dtype, NULL, sizeof grad);
  CHECK_STATUS(clloss_xent_fused(ctx, &x, &scaled, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.row_loss, &row_loss, sizeof row_loss);
  read_back(&x.grad, grad, sizeof grad);
  CHECK_STATUS(clloss_convert(CLLOSS_F32, wide, dtype, grad, 2), CLLOSS_SUCCESS);
  const double loss = log1p(exp(-z)), g = upstream / (1 + exp(z));
  if (kept) {
    check_near("loss of the least f16", row_loss, loss, 1e-6);
    CHECK(fabs(wide[0] - g) <= 0x1p-25 && wide[0] == -wide[1] && wide[0] != 0);
  } else {
    check_flushed("loss of the least bf16", row_loss, loss, log(2));
    check_flushed("its gradient", wide[0], g, 0.5 * upstream);
  }
  empty(&r);
}

static void check_flush(clloss_ctx *ctx) {
  check_tiny_factors(ctx);
  /* f16's least number is 2^-24; its gradients here are a few of it */
  check_subnormals(ctx, CLLOSS_F16, 1, 0x1p24, 1, 0x1p-21f, true);
  check_subnormals(ctx, CLLOSS_BF16, 1, 0x1p126, 0x1p-7, 1, false);
}

/* ---- ranks ---- */

/* Two rows side by side, and the maximum where a float has no numbers between even ones. */
static void check_predicted(clloss_ctx *ctx) {
  enum { ROWS = 2 };
  const size_t classes = ((size_t)1 << 24) + 8;
  const int32_t expected[ROWS] = {(1 << 24) + 1, (1 << 24) + 3}, targets[ROWS] = {0, 1};
  float *logits = calloc(classes * ROWS, sizeof *logits);
  int32_t predicted[ROWS] = {-7, -7};
  room r = {{0}, 0};
  if (!logits) return;
  for (int i = 0; i < ROWS; i++) logits[(size_t)expected[i] * ROWS + (size_t)i] = 3;
  clloss_xent x = {.struct_size = sizeof x, .rows = ROWS, .classes = classes, .inner = ROWS};
  x.logits = view_of(&r, CLLOSS_F32, logits, classes * ROWS * sizeof *logits);
  x.targets = view_of(&r, CLLOSS_I32, targets, sizeof targets);
  x.predicted = view_of(&r, CLLOSS_I32, NULL, sizeof predicted);
  CHECK_STATUS(clloss_xent_forward(ctx, &x, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.predicted, predicted, sizeof predicted);
  for (int i = 0; i < ROWS; i++) CHECK_EQ(predicted[i], expected[i]);
  free(logits);
  empty(&r);
}

/* ---- views that aren't there ---- */

static void check_unbound(clloss_ctx *ctx) {
  const clloss_view nonsense = {
      .offset = SIZE_MAX, .row_stride = 1, .class_stride = 9, .dtype = CLLOSS_U8, .flags = 99};
  const double logits[4] = {1, 2, 3, 4};
  const int32_t target = 1;
  room r = {{0}, 0};
  clloss_xent x = {.struct_size = sizeof x, .rows = 1, .classes = 4};
  x.class_weight = x.row_weight = x.loss = x.row_stats = x.grad = x.grad_loss = x.divisor = nonsense;
  x.metrics = x.counts = x.predicted = x.confidence = x.entropy = x.workspace = nonsense;
  x.logits = view_of(&r, CLLOSS_F64, logits, sizeof logits);
  x.targets = view_of(&r, CLLOSS_I32, &target, sizeof target);
  x.row_loss = view_of(&r, CLLOSS_F64, NULL, sizeof(double));
  double loss = 0;
  CHECK_STATUS(clloss_xent_forward(ctx, &x, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  if (*clloss_ctx_message(ctx)) fprintf(stderr, "%.300s\n", clloss_ctx_message(ctx));
  read_back(&x.row_loss, &loss, sizeof loss);
  check_near("loss beside unbound views", loss, 2.4401896985611953, 1e-14);
  /* no rows, and so nothing bound but what is written */
  clloss_xent none = {.struct_size = sizeof none, .classes = 4, .logits = nonsense, .targets = nonsense};
  none.targets.dtype = CLLOSS_F64;
  none.loss = view_of(&r, CLLOSS_F32, NULL, sizeof(float));
  CHECK_STATUS(clloss_xent_forward(ctx, &none, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clFinish(f.queue), CL_SUCCESS);
  empty(&r);
}

/* ---- workspace ---- */

static void check_workspace(clloss_ctx *ctx, size_t rows, size_t classes, size_t inner) {
  const size_t n = rows * classes;
  double *zeros = calloc(n + rows, sizeof *zeros), loss = -7;
  clloss_xent x = {.struct_size = sizeof x, .rows = rows, .classes = classes, .inner = inner};
  size_t bytes = 0;
  room r = {{0}, 0};
  CHECK_STATUS(clloss_xent_workspace(ctx, &x, NULL, &bytes), CLLOSS_SUCCESS);
  x.logits = view_of(&r, CLLOSS_F64, zeros, n * sizeof *zeros);
  x.targets = view_of(&r, CLLOSS_I32, zeros, rows * sizeof(int32_t));
  x.loss = view_of(&r, CLLOSS_F64, NULL, sizeof loss);
  x.grad = x.logits;
  x.workspace = view_of(&r, CLLOSS_U8, NULL, bytes);
  CHECK_STATUS(clloss_xent_fused(ctx, &x, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.loss, &loss, sizeof loss);
  check_near("loss with the workspace that was asked for", loss, log((double)classes), 1e-12);
  empty(&r);
  free(zeros);
}

static void check_pointwise_workspace(clloss_ctx *ctx, size_t rows, size_t classes) {
  const size_t n = rows * classes;
  double *ones = malloc(n * sizeof *ones), *zeros = calloc(n, sizeof *zeros), loss = -7;
  clloss_pointwise x = {.struct_size = sizeof x, .rows = rows, .classes = classes, .kind = CLLOSS_MSE};
  size_t bytes = 0;
  room r = {{0}, 0};
  for (size_t i = 0; i < n; i++) ones[i] = 1;
  CHECK_STATUS(clloss_pointwise_workspace(ctx, &x, NULL, &bytes), CLLOSS_SUCCESS);
  x.input = view_of(&r, CLLOSS_F64, ones, n * sizeof *ones);
  x.target = view_of(&r, CLLOSS_F64, zeros, n * sizeof *zeros);
  x.loss = view_of(&r, CLLOSS_F64, NULL, sizeof loss);
  x.workspace = view_of(&r, CLLOSS_U8, NULL, bytes);
  CHECK_STATUS(clloss_pointwise_forward(ctx, &x, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  read_back(&x.loss, &loss, sizeof loss);
  check_near("mse with the workspace that was asked for", loss, 1, 1e-12);
  empty(&r);
  free(ones);
  free(zeros);
}

/* ---- split rows ---- */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The fastest of three. */
static double time_of(clloss_ctx *ctx, size_t rows) {
  const size_t classes = 3;
  float *zeros = calloc(rows * classes, sizeof *zeros);
  room r = {{0}, 0};
  double best = INFINITY;
  clloss_xent x = {.struct_size = sizeof x, .rows = rows, .classes = classes};
  x.logits = view_of(&r, CLLOSS_F32, zeros, rows * classes * sizeof *zeros);
  x.targets = view_of(&r, CLLOSS_I32, zeros, rows * sizeof(int32_t));
  x.loss = view_of(&r, CLLOSS_F32, NULL, sizeof(float));
  x.grad = x.logits; /* each slice's work-group counted all rows; without a gradient there was but one */
  for (int i = 0; i < 3; i++) {
    const double start = seconds();
    CHECK_STATUS(clloss_xent_fused(ctx, &x, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK_STATUS(clFinish(f.queue), CL_SUCCESS);
    best = fmin(best, seconds() - start);
  }
  free(zeros);
  empty(&r);
  return best;
}

static void check_split_time(clloss_ctx *ctx) {
  time_of(ctx, 100); /* compiles */
  const double few = time_of(ctx, 4000), many = time_of(ctx, 64000), ratio = many / few;
  /* sixteen times the rows: 16 where it is linear, 256 where it is quadratic */
  if (ratio < 64) return;
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "64000 split rows take %.3g s, 4000 %.3g s: %.0f times as long\n", many, few, ratio);
}

int main(int argc, char **argv) {
  const unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
  const uint32_t families[] = {CLLOSS_FAMILY_AUTO, CLLOSS_FAMILY_GROUP, CLLOSS_FAMILY_SPLIT};
  printf("seed %u\n", seed);
  srand(seed);
  if (!fixture_open(&f)) return 1;
  cl_device_fp_config f64 = 0;
  clGetDeviceInfo(f.device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof f64, &f64, NULL);
  if (!f64) printf("the device has no f64: not tested are unbound views and workspaces of that type\n");
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    clloss_ctx *ctx = ctx_of(families[i]);
    if (!ctx) break;
    check_factors(ctx, clloss_family_name(families[i]));
    check_softcap(ctx);
    check_halves(ctx);
    check_flush(ctx);
    check_beta(ctx);
    if (families[i] == CLLOSS_FAMILY_SPLIT) check_split_time(ctx);
    clloss_ctx_destroy(&ctx);
  }
  clloss_ctx *ctx = ctx_of(CLLOSS_FAMILY_AUTO);
  check_predicted(ctx);
  if (f64) {
    check_unbound(ctx);
    check_workspace(ctx, 1000, 10, 1);
    check_workspace(ctx, 100000, 4, 2);
    check_pointwise_workspace(ctx, 500, 3000);
  }
  clloss_ctx_destroy(&ctx);
  fixture_close(&f);
  return check_done();
}
