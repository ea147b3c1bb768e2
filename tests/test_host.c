/* Guards clloss_xent_host: arrays given to the device in parts have, bit for bit, the results of one call on the whole,
 * for every output, over families, layouts, types, reductions and options; progress comes in order and ends at the
 * whole; an output that is asked for alone is what it is beside all others; a part is no larger than it was asked to be,
 * or one item of the first axis; and what can't be computed is refused before anything is done. Both ways to move a part are tested: on the
 * host's own memory, where the device shares it, and by copies, which a ctx is told to need.
 *
 *   test_host [SEED] */
#include "runtime/ctx.h"
#include "check.h"
#include "fixture.h"

#include <stdlib.h>
#include <time.h>

enum { ARRAYS = 9, GRAD_OUT = 3 };

/* Everything that a call may write, as arrays on the host. */
typedef struct results {
  void *of[ARRAYS]; /* loss, row_loss, row_stats, grad, metrics, counts, predicted, confidence, entropy */
  size_t bytes[ARRAYS];
} results;

static const char *const names[ARRAYS] = {"loss",   "row_loss",  "row_stats",  "grad",   "metrics",
                                          "counts", "predicted", "confidence", "entropy"};

typedef struct point {
  size_t rows, classes, inner;
  uint32_t dtype, targets, family, reduction;
  size_t part_rows;
  bool weights;
} point;

/* Rows of neither one nor two parts; a last part that is short; a split; a class axis in the middle. */
static const point points[] = {
    {1000, 300, 1, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_AUTO, CLLOSS_MEAN, 130, true},
    {20000, 10, 1, CLLOSS_F32, CLLOSS_I64, CLLOSS_FAMILY_AUTO, CLLOSS_MEAN, 3000, true},
    {20000, 10, 1, CLLOSS_F32, CLLOSS_I64, CLLOSS_FAMILY_GROUP, CLLOSS_SUM, 3000, true},
    {900, 60, 1, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_GROUP, CLLOSS_NONE, 100, false}, /* held rows */
    /* … one to a work-group, of which every eighth begins at a packet */
    {60, 5001, 1, CLLOSS_BF16, CLLOSS_I32, CLLOSS_FAMILY_GROUP, CLLOSS_NONE, 7, false},
    {9000, 33, 1, CLLOSS_BF16, CLLOSS_I32, CLLOSS_FAMILY_LANE, CLLOSS_NONE, 1, false},
    {7, 20000, 1, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_SPLIT, CLLOSS_MEAN, 2, true},
    {300, 40, 1, CLLOSS_F32, CLLOSS_F32, CLLOSS_FAMILY_AUTO, CLLOSS_MEAN, 50, true},
    {6 * 77, 21, 77, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_AUTO, CLLOSS_MEAN, 80, true},
    {40 * 100, 5, 100, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_AUTO, CLLOSS_SUM, 600, false},
    {500, 64, 1, CLLOSS_F64, CLLOSS_I32, CLLOSS_FAMILY_AUTO, CLLOSS_MEAN, 64, true},
    {0, 10, 1, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_AUTO, CLLOSS_SUM, 10, false},
    /* an odd number of chunks of sixteen in an item, which work-groups of several items have to come out even with */
    {40 * 1001, 2, 1001, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_AUTO, CLLOSS_MEAN, 1001, true},
    {24 * 9001, 2, 9001, CLLOSS_F32, CLLOSS_I32, CLLOSS_FAMILY_AUTO, CLLOSS_MEAN, 9001, true},
};

static size_t element(uint32_t dtype) {
  return dtype == CLLOSS_F64 || dtype == CLLOSS_I64 ? 8 : dtype == CLLOSS_BF16 ? 2 : 4;
}

static double uniform(void) { return rand() / (RAND_MAX + 1.0); }

static void *reals(uint32_t dtype, size_t n, double low, double high) {
  char *p = calloc(n + 1, element(dtype));
  for (size_t i = 0; i < n; i++) {
    const double v = low + (high - low) * uniform();
    const float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint16_t half = (uint16_t)(bits >> 16);
    if (dtype == CLLOSS_F64) memcpy(p + 8 * i, &v, 8);
    if (dtype == CLLOSS_F32) memcpy(p + 4 * i, &f, 4);
    if (dtype == CLLOSS_BF16) memcpy(p + 2 * i, &half, 2);
  }
  return p;
}

/* One row in ten is ignored, the class −7; one in two hundred has a bad target. */
static void *indices(uint32_t dtype, size_t rows, size_t classes) {
  char *p = calloc(rows + 1, element(dtype));
  for (size_t r = 0; r < rows; r++) {
    const int kind = rand() % 200;
    const int64_t t = kind == 0 ? (int64_t)classes + 3 : kind <= 20 ? -7 : (int64_t)(rand() % (int)classes);
    const int32_t narrow = (int32_t)t;
    if (dtype == CLLOSS_I64) memcpy(p + r * sizeof t, &t, sizeof t);
    if (dtype == CLLOSS_I32) memcpy(p + r * sizeof narrow, &narrow, sizeof narrow);
  }
  return p;
}

static bool make_results(results *out, const point *p) {
  const size_t real = p->dtype == CLLOSS_F64 ? 8 : 4, n = p->rows;
  const size_t bytes[ARRAYS] = {real,
                                n * real,
                                2 * n * real,
                                n * p->classes * element(p->dtype),
                                CLLOSS_METRICS * real,
                                CLLOSS_COUNTS * sizeof(int64_t),
                                n * sizeof(int32_t),
                                n * real,
                                n * real};
  bool made = true;
  for (int i = 0; i < ARRAYS; i++) {
    out->bytes[i] = i == 0 && p->reduction == CLLOSS_NONE ? 0 : bytes[i];
    out->of[i] = malloc(bytes[i] + 1);
    if (out->of[i]) memset(out->of[i], 0xa5, bytes[i]);
    made = made && out->of[i];
  }
  return made;
}

static void free_results(results *r) {
  for (int i = 0; i < ARRAYS; i++) free(r->of[i]);
}

typedef struct inputs {
  void *logits, *targets, *class_weight, *row_weight, *grad_loss;
} inputs;

static clloss_view buffer(const fixture *f, const void *host, size_t bytes, uint32_t dtype) {
  clloss_view v = {.dtype = dtype};
  if (!host || !bytes) return v;
  v.mem = clCreateBuffer(f->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, (void *)(uintptr_t)host,
                         NULL);
  return v;
}

/* The truth: one call on the whole, with the outputs that there are. */
static clloss_status whole(const fixture *f, clloss_ctx *ctx, const point *p, const inputs *in,
                           const clloss_xent_options *o, results *out) {
  const uint32_t real = p->dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  const size_t n = p->rows, all = n * p->classes, width = element(real);
  const bool dense = p->targets == CLLOSS_F32;
  const uint32_t types[ARRAYS] = {real, real, real, p->dtype, real, CLLOSS_I64, CLLOSS_I32, real, real};
  clloss_xent x = {.struct_size = sizeof x, .rows = n, .classes = p->classes, .inner = p->inner};
  clloss_view *const places[ARRAYS] = {&x.loss,   &x.row_loss,  &x.row_stats,  &x.grad,   &x.metrics,
                                       &x.counts, &x.predicted, &x.confidence, &x.entropy};
  x.logits = buffer(f, in->logits, all * element(p->dtype), p->dtype);
  x.targets = buffer(f, in->targets, (dense ? all : n) * element(p->targets), p->targets);
  x.class_weight = buffer(f, in->class_weight, p->classes * width, real);
  x.row_weight = buffer(f, in->row_weight, n * width, real);
  if (out->of[GRAD_OUT])
    x.grad_loss = buffer(f, in->grad_loss, (p->reduction == CLLOSS_NONE ? n : 1) * width, real);
  for (int i = 0; i < ARRAYS; i++) *places[i] = buffer(f, out->of[i], out->bytes[i], types[i]);
  const clloss_status status = out->of[GRAD_OUT] ? clloss_xent_fused(ctx, &x, o, f->queue, 0, NULL, NULL)
                                                 : clloss_xent_forward(ctx, &x, o, f->queue, 0, NULL, NULL);
  for (int i = 0; i < ARRAYS && !status; i++) {
    if (places[i]->mem)
      CHECK_STATUS(
          clEnqueueReadBuffer(f->queue, places[i]->mem, CL_TRUE, 0, out->bytes[i], out->of[i], 0, NULL, NULL),
          CL_SUCCESS);
  }
  clFinish(f->queue);
  clloss_view *const used[] = {&x.logits, &x.targets, &x.class_weight, &x.row_weight, &x.grad_loss};
  for (size_t i = 0; i < sizeof used / sizeof *used; i++)
    if (used[i]->mem) clReleaseMemObject(used[i]->mem);
  for (int i = 0; i < ARRAYS; i++)
    if (places[i]->mem) clReleaseMemObject(places[i]->mem);
  return status;
}

typedef struct watched {
  size_t last, calls, most; /* rows of the largest step */
} watched;

static void watch(void *user, size_t done, size_t rows) {
  watched *w = user;
  CHECK(done <= rows && (done > w->last || (done == 0 && w->last == 0)));
  w->most = done - w->last > w->most ? done - w->last : w->most;
  w->last = done;
  w->calls++;
}

static clloss_xent_arrays arrays_of(const point *p, const inputs *in, const results *out, watched *w) {
  const bool none = p->reduction == CLLOSS_NONE;
  return (clloss_xent_arrays){.struct_size = sizeof(clloss_xent_arrays),
                              .rows = p->rows,
                              .classes = p->classes,
                              .inner = p->inner,
                              .logits_dtype = p->dtype,
                              .targets_dtype = p->targets,
                              .logits = in->logits,
                              .targets = in->targets,
                              .class_weight = in->class_weight,
                              .row_weight = in->row_weight,
                              .grad_loss = out->of[GRAD_OUT] ? in->grad_loss : NULL,
                              .loss = none ? NULL : out->of[0],
                              .row_loss = out->of[1],
                              .row_stats = out->of[2],
                              .grad = out->of[3],
                              .metrics = out->of[4],
                              .counts = out->of[5],
                              .predicted = out->of[6],
                              .confidence = out->of[7],
                              .entropy = out->of[8],
                              .part_bytes = p->part_rows * p->classes * element(p->dtype),
                              .progress = watch,
                              .user = w};
}

static void compare(const point *p, const results *one, const results *parts, const char *how) {
  for (int i = 0; i < ARRAYS; i++) {
    if (!one->of[i] || memcmp(one->of[i], parts->of[i], one->bytes[i]) == 0) continue;
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "%s of %zu x %zu x %zu, family %u, differs between parts and whole%s\n", names[i],
            p->rows, p->classes, p->inner, p->family, how);
  }
}

/* Each output with no other bound, on which the choice of kernels depends. */
static void check_alone(const fixture *f, clloss_ctx *ctx, const point *p, const inputs *in,
                        const clloss_xent_options *o) {
  for (int i = 1; i < ARRAYS; i++) {
    results one, parts;
    watched w = {0, 0, 0};
    CHECK(make_results(&one, p) && make_results(&parts, p));
    for (int k = 0; k < ARRAYS; k++) {
      if (k == i) continue;
      free(one.of[k]);
      free(parts.of[k]);
      one.of[k] = parts.of[k] = NULL;
    }
    const clloss_xent_arrays a = arrays_of(p, in, &parts, &w);
    CHECK_STATUS(whole(f, ctx, p, in, o, &one), CLLOSS_SUCCESS);
    CHECK_STATUS(clloss_xent_host(ctx, &a, o), CLLOSS_SUCCESS);
    compare(p, &one, &parts, " when asked for alone");
    free_results(&one);
    free_results(&parts);
  }
}

static void run_point(const fixture *f, const point *p, bool copies) {
  const uint32_t real = p->dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  const bool dense = p->targets == CLLOSS_F32;
  inputs in = {.logits = reals(p->dtype, p->rows * p->classes, -8, 8),
               .targets = dense ? reals(CLLOSS_F32, p->rows * p->classes, 0, 1)
                                : indices(p->targets, p->rows, p->classes),
               .grad_loss = reals(real, p->rows + 1, -2, 2)};
  if (p->weights) in.class_weight = reals(real, p->classes, 0.1, 2);
  if (p->weights) in.row_weight = reals(real, p->rows, 0.1, 2);
  clloss_xent_options o = {
      .struct_size = sizeof o, .reduction = p->reduction, .label_smoothing = 0.1, .z_loss = 1e-3};
  o.flags = dense ? CLLOSS_TARGET_PROBABILITIES : CLLOSS_IGNORE_INDEX | CLLOSS_BAD_IS_IGNORED;
  if (!dense) o.ignore_index = -7;
  clloss_ctx_options plan = {.struct_size = sizeof plan, .family = p->family};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, &plan), CLLOSS_SUCCESS);
  if (copies) ctx->planner.facts.shares_memory = false;
  results one, parts;
  watched w = {0, 0, 0};
  CHECK(make_results(&one, p) && make_results(&parts, p));
  CHECK_STATUS(whole(f, ctx, p, &in, &o, &one), CLLOSS_SUCCESS);
  const clloss_xent_arrays a = arrays_of(p, &in, &parts, &w);
  const clloss_status status = clloss_xent_host(ctx, &a, &o);
  CHECK_STATUS(status, CLLOSS_SUCCESS);
  if (status) fprintf(stderr, "%s\n", clloss_ctx_message(ctx));
  CHECK_EQ(w.last, p->rows);
  compare(p, &one, &parts, "");
  if (p->rows) check_alone(f, ctx, p, &in, &o);
  /* a part has whole work-groups, of 32 KB or so; progress comes one part behind, and two are under way */
  const size_t row_bytes = p->classes * element(p->dtype), run = p->inner > 1 ? p->inner : 1;
  const size_t part = p->part_rows > run ? p->part_rows : run, group = 65536 / row_bytes + run;
  if (w.most > 2 * (part + group)) {
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "%zu x %zu x %zu: parts of %zu rows asked for, a step of %zu\n", p->rows, p->classes,
            p->inner, p->part_rows, w.most);
  }
  clloss_ctx_destroy(&ctx);
  free_results(&one);
  free_results(&parts);
  free(in.logits);
  free(in.targets);
  free(in.grad_loss);
  free(in.class_weight);
  free(in.row_weight);
}

static void refusals(const fixture *f) {
  float logits[20] = {0}, loss = -3, grad[20];
  int32_t targets[2] = {0};
  const clloss_xent_arrays good = {.struct_size = sizeof good,
                                   .rows = 2,
                                   .classes = 10,
                                   .logits_dtype = CLLOSS_F32,
                                   .targets_dtype = CLLOSS_I32,
                                   .logits = logits,
                                   .targets = targets,
                                   .loss = &loss};
  enum { CASES = 11 };
  clloss_xent_arrays bad[CASES];
  for (int i = 0; i < CASES; i++) bad[i] = good;
  bad[0].logits = NULL;
  bad[1].loss = NULL;
  bad[2].logits_dtype = CLLOSS_I32;
  bad[3].targets_dtype = 9;
  bad[4].classes = 0;
  bad[5].logits = (const char *)logits + 1;
  bad[6].grad_loss = &loss;
  bad[7].inner = 3;
  bad[8].grad = grad;
  bad[8].grad_dtype = CLLOSS_BF16;
  bad[9].reserved = 7;
  bad[10].targets_dtype = CLLOSS_F32; /* of what? */
  const clloss_status expected[CASES] = {
      CLLOSS_NULL_ARGUMENT, CLLOSS_MISSING_VIEW, CLLOSS_DTYPE, CLLOSS_DTYPE,  CLLOSS_SIZE,  CLLOSS_ALIGNMENT,
      CLLOSS_UNUSED_VIEW,   CLLOSS_SIZE,         CLLOSS_DTYPE, CLLOSS_OPTION, CLLOSS_OPTION};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, NULL), CLLOSS_SUCCESS);
  for (int i = 0; i < CASES; i++) {
    CHECK_STATUS(clloss_xent_host(ctx, &bad[i], NULL), expected[i]);
    CHECK(strlen(clloss_ctx_message(ctx)) > 0);
    CHECK(loss == -3);
    if (bad[i].reserved) CHECK(strstr(clloss_ctx_message(ctx), "reserved is 7"));
  }
  CHECK_STATUS(clloss_xent_host(NULL, &good, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_xent_host(ctx, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_xent_host(ctx, &good, NULL), CLLOSS_SUCCESS);
  CHECK(loss > 2.3025 && loss < 2.3027); /* ln 10 */
  clloss_ctx_destroy(&ctx);
}

int main(int argc, char **argv) {
  fixture f;
  const unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
  printf("seed %u\n", seed);
  srand(seed);
  if (!fixture_open(&f)) return 1;
  for (size_t i = 0; i < 2 * sizeof points / sizeof *points; i++) run_point(&f, &points[i / 2], i % 2);
  refusals(&f);
  fixture_close(&f);
  return check_done();
}
