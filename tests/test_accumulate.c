/* A step that is cut into micro-batches is the step: with the divisor of all of them, summed on the device, the gradients are those
 * of one call on the whole, and loss, metrics and counts add up to its. docs/linking.md shows the same in a program. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "fixture.h"

enum { ROWS = 300, CLASSES = 37, PARTS = 4, IGNORED = -100 };

static const size_t ends[PARTS] = {7, 130, 131, ROWS}; /* of the micro-batches, in rows */

static fixture f;

typedef struct step {
  clloss_tensor *logits, *targets, *class_weight, *divisor, *loss, *metrics, *counts, *grad;
} step;

static clloss_tensor *tensor_of(clloss_ctx *ctx, uint32_t dtype, size_t rows, size_t classes,
                                const void *values) {
  clloss_tensor *t = NULL;
  CHECK_STATUS(clloss_tensor_create(&t, ctx, dtype, rows, classes), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_upload(t, values, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  return t;
}

static step open_step(clloss_ctx *ctx, const float *logits, const float *labels, const float *weights) {
  static const float zeros[ROWS * CLASSES];
  static const int64_t nothing[CLLOSS_COUNTS];
  return (step){.logits = tensor_of(ctx, CLLOSS_F32, ROWS, CLASSES, logits),
                .targets = tensor_of(ctx, CLLOSS_F32, ROWS, 1, labels),
                .class_weight = tensor_of(ctx, CLLOSS_F32, 1, CLASSES, weights),
                .divisor = tensor_of(ctx, CLLOSS_F32, 1, 1, zeros),
                .loss = tensor_of(ctx, CLLOSS_F32, 1, 1, zeros),
                .metrics = tensor_of(ctx, CLLOSS_F32, 1, CLLOSS_METRICS, zeros),
                .counts = tensor_of(ctx, CLLOSS_I64, 1, CLLOSS_COUNTS, nothing),
                .grad = tensor_of(ctx, CLLOSS_F32, ROWS, CLASSES, zeros)};
}

static void close_step(step *s) {
  clloss_tensor **const all[] = {&s->logits, &s->targets, &s->class_weight, &s->divisor,
                                 &s->loss,   &s->metrics, &s->counts,       &s->grad};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) clloss_tensor_destroy(all[i]);
}

static clloss_view at(const clloss_tensor *t, size_t element) {
  clloss_view view = clloss_tensor_view(t);
  view.offset = element;
  return view;
}

/* Rows [from, to): first what they weigh, as no gradient can be right before the last row is known. */
static void weigh(clloss_ctx *ctx, const step *s, const clloss_xent_options *o, size_t from, size_t to) {
  const clloss_xent x = {.struct_size = sizeof x,
                         .rows = to - from,
                         .classes = CLASSES,
                         .targets = at(s->targets, from),
                         .class_weight = at(s->class_weight, 0),
                         .divisor = at(s->divisor, 0)};
  CHECK_STATUS(clloss_xent_divisor(ctx, &x, o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
}

static void fuse(clloss_ctx *ctx, const step *s, const clloss_xent_options *o, size_t from, size_t to,
                 bool given) {
  clloss_xent x = {.struct_size = sizeof x,
                   .rows = to - from,
                   .classes = CLASSES,
                   .logits = at(s->logits, from * CLASSES),
                   .targets = at(s->targets, from),
                   .class_weight = at(s->class_weight, 0),
                   .loss = at(s->loss, 0),
                   .metrics = at(s->metrics, 0),
                   .counts = at(s->counts, 0),
                   .grad = at(s->grad, from * CLASSES)};
  if (given) x.divisor = at(s->divisor, 0);
  CHECK_STATUS(clloss_xent_fused(ctx, &x, o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
}

static void near(const char *what, size_t i, double got, double wanted, double size) {
  if (fabs(got - wanted) <= 0x1p-20 * size) return;
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "%s[%zu]: %.9g in parts, %.9g in one call\n", what, i, got, wanted);
}

static void compare_reals(const char *what, const clloss_tensor *parts, const clloss_tensor *whole,
                          size_t n) {
  float *a = calloc(n, sizeof *a), *b = calloc(n, sizeof *b);
  if (!a || !b) abort();
  CHECK_STATUS(clloss_tensor_download(parts, a, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(whole, b, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (size_t i = 0; i < n; i++) near(what, i, (double)a[i], (double)b[i], fabs((double)b[i]));
  CHECK(n < 100 || b[1] != 0);
  free(a), free(b);
}

static void check_family(uint32_t family, const float *logits, const float *labels, const float *weights) {
  const clloss_ctx_options plan = {.struct_size = sizeof plan, .family = family};
  clloss_xent_options o = {.struct_size = sizeof o,
                           .flags = CLLOSS_TARGET_INDICES | CLLOSS_IGNORE_INDEX | CLLOSS_BAD_IS_IGNORED,
                           .ignore_index = IGNORED,
                           .label_smoothing = 0.1};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &plan), CLLOSS_SUCCESS);
  if (!ctx) return;
  step whole = open_step(ctx, logits, labels, weights), parts = open_step(ctx, logits, labels, weights);
  fuse(ctx, &whole, &o, 0, ROWS, false);
  o.flags |= CLLOSS_ACCUMULATE;
  for (size_t i = 0; i < PARTS; i++) weigh(ctx, &parts, &o, i ? ends[i - 1] : 0, ends[i]);
  for (size_t i = 0; i < PARTS; i++) fuse(ctx, &parts, &o, i ? ends[i - 1] : 0, ends[i], true);
  compare_reals("grad", parts.grad, whole.grad, ROWS * CLASSES);
  compare_reals("loss", parts.loss, whole.loss, 1);
  /* but for the z-loss's divisor, which a divisor of the caller's replaces too */
  compare_reals("metrics", parts.metrics, whole.metrics, CLLOSS_METRIC_Z_DIVISOR);
  int64_t counts[2][CLLOSS_COUNTS];
  CHECK_STATUS(clloss_tensor_download(parts.counts, counts[0], f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(whole.counts, counts[1], f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  /* rows are numbered from the beginning of their call */
  CHECK_EQ(counts[0][CLLOSS_COUNT_BAD_ROW] + (int64_t)ends[0], counts[1][CLLOSS_COUNT_BAD_ROW]);
  for (size_t i = 0; i < CLLOSS_COUNTS; i++)
    if (i != CLLOSS_COUNT_BAD_ROW) CHECK_EQ(counts[0][i], counts[1][i]);
  CHECK_EQ(counts[1][CLLOSS_COUNT_BAD], 2);
  close_step(&whole);
  close_step(&parts);
  clloss_ctx_destroy(&ctx);
}

/* More classes than 32 bits can number: of sixteen rows at a time one is out of range. Nothing of that size is read. */
static void wide_classes(void) {
  enum { MANY = 160 };
  const size_t classes = ((size_t)1 << 31) + 4096;
  int64_t whole[MANY];
  float real[MANY], divisor = 0;
  const float weight = 2;
  for (size_t i = 0; i < MANY; i++) {
    whole[i] = (int64_t)((size_t)1 << 31) + (i % 16 == 5 ? 4096 : 512);
    real[i] = (float)whole[i];
  }
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, NULL), CLLOSS_SUCCESS);
  if (!ctx) return;
  clloss_tensor *targets[] = {tensor_of(ctx, CLLOSS_I64, MANY, 1, whole),
                              tensor_of(ctx, CLLOSS_F32, MANY, 1, real)},
                *result = tensor_of(ctx, CLLOSS_F32, 1, 1, &divisor),
                *two = tensor_of(ctx, CLLOSS_F32, 1, 1, &weight);
  clloss_view every = at(two, 0);
  every.flags = CLLOSS_BROADCAST;
  const clloss_xent_options o = {.struct_size = sizeof o, .flags = CLLOSS_TARGET_INDICES};
  for (size_t i = 0; i < 2; i++) {
    const clloss_xent x = {.struct_size = sizeof x,
                           .rows = MANY,
                           .classes = classes,
                           .targets = at(targets[i], 0),
                           .row_weight = every,
                           .divisor = at(result, 0)};
    CHECK_STATUS(clloss_xent_divisor(ctx, &x, &o, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK_STATUS(clloss_tensor_download(result, &divisor, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK_EQ((int64_t)divisor, 2 * (MANY - MANY / 16));
    clloss_tensor_destroy(&targets[i]);
  }
  clloss_tensor_destroy(&two);
  clloss_tensor_destroy(&result);
  clloss_ctx_destroy(&ctx);
}

int main(void) {
  float *logits = calloc(ROWS * CLASSES, sizeof *logits), labels[ROWS], weights[CLASSES];
  uint32_t state = 12345;
  if (!logits || !fixture_open(&f)) return 1;
#define DRAWN(most) (state = state * 1664525u + 1013904223u, (float)(state >> 8) / 0x1p24f * (most))
  for (size_t i = 0; i < ROWS * CLASSES; i++) logits[i] = DRAWN(12.0f) - 6;
  for (size_t i = 0; i < CLASSES; i++) weights[i] = 0.25f + DRAWN(2.0f);
  for (size_t i = 0; i < ROWS; i++) labels[i] = i % 5 == 3 ? IGNORED : floorf(DRAWN(CLASSES));
  labels[40] = 1.5f, labels[200] = CLASSES;
  for (uint32_t family = CLLOSS_FAMILY_LANE; family <= CLLOSS_FAMILY_SPLIT; family++)
    check_family(family, logits, labels, weights);
  wide_classes();
  free(logits);
  fixture_close(&f);
  return check_done();
}
