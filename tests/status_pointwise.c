/* Every refusal of the elementwise calls: its status, a message that names field and value, and nothing enqueued. */
#include "refusal.h"

#include <math.h>

typedef clloss_status function(clloss_ctx *, const clloss_pointwise *, const clloss_pointwise_options *,
                               cl_command_queue, cl_uint, const cl_event *, cl_event *);
enum { FORWARD, BACKWARD, FUSED, PASSES };
static function *const passes[PASSES] = {clloss_pointwise_forward, clloss_pointwise_backward,
                                         clloss_pointwise_fused};

/* A good call of a kind that takes the fewest options. */
static clloss_pointwise good(const bench *b, int pass) {
  clloss_pointwise x = {.struct_size = sizeof x, .rows = ROWS, .classes = CLASSES, .kind = CLLOSS_MSE};
  x.input = view(b->mem[0]);
  x.target = view(b->mem[1]);
  if (pass != BACKWARD) x.loss = view(b->mem[2]);
  if (pass != FORWARD) x.grad = view(b->mem[3]);
  return x;
}

static clloss_status run(const bench *b, int pass, const clloss_pointwise *x,
                         const clloss_pointwise_options *o, cl_command_queue queue, cl_event *done) {
  return passes[pass](b->ctx, x, o, queue, 0, NULL, done);
}

#define REFUSED(pass, expected, words, change) \
  REFUSED_CALL(clloss_pointwise, clloss_pointwise_options, pass, expected, words, change)

static void structs(const bench *b) {
  cl_command_queue queue = b->device->queue;
  for (int pass = 0; pass < PASSES; pass++) {
    const clloss_pointwise right = good(b, pass);
    CHECK_STATUS(passes[pass](NULL, &right, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
    CHECK_STATUS(passes[pass](b->ctx, NULL, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
    CHECK_STATUS(passes[pass](b->ctx, &right, NULL, NULL, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
    CHECK_STATUS(passes[pass](b->ctx, &right, NULL, queue, 1, NULL, NULL), CLLOSS_NULL_ARGUMENT);
    REFUSED(pass, CLLOSS_STRUCT_SIZE, "pointwise", x.struct_size = 3);
    REFUSED(pass, CLLOSS_STRUCT_SIZE, "options", o.struct_size = 3);
    REFUSED(pass, CLLOSS_SIZE, "classes 0", x.classes = 0);
    REFUSED(pass, CLLOSS_SIZE, "rows overflows", x.rows = SIZE_MAX / 16);
    REFUSED(pass, CLLOSS_OPTION, "kind is 0", x.kind = 0);
    REFUSED(pass, CLLOSS_OPTION, "kind is 99", x.kind = 99);
    REFUSED(pass, CLLOSS_OPTION, "reserved 1", x.reserved = 1);
  }
  clloss_pointwise x = good(b, FUSED);
  CHECK_STATUS(clloss_pointwise_workspace(b->ctx, &x, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  x.kind = 0;
  size_t bytes;
  CHECK_STATUS(clloss_pointwise_workspace(b->ctx, &x, NULL, &bytes), CLLOSS_OPTION);
}

static void options(const bench *b) {
  REFUSED(FUSED, CLLOSS_OPTION, "reduction 4", o.reduction = 4);
  REFUSED(FUSED, CLLOSS_OPTION, "flags 0x80000000", o.flags = 1u << 31);
  REFUSED(FORWARD, CLLOSS_OPTION, "CLLOSS_IGNORE_INDEX clloss_xent_options", o.flags = CLLOSS_IGNORE_INDEX);
  REFUSED(FUSED, CLLOSS_OPTION, "delta 0 above", (x.kind = CLLOSS_HUBER, o.flags = CLLOSS_SET_DELTA));
  REFUSED(FUSED, CLLOSS_OPTION, "delta -1 above", (x.kind = CLLOSS_HUBER, o.delta = -1));
  REFUSED(FUSED, CLLOSS_OPTION, "delta nan", (x.kind = CLLOSS_HUBER, o.delta = NAN));
  REFUSED(BACKWARD, CLLOSS_OPTION, "delta inf", (x.kind = CLLOSS_HUBER, o.delta = HUGE_VAL));
  REFUSED(FUSED, CLLOSS_OPTION, "delta -0.5 negative", (x.kind = CLLOSS_SMOOTH_L1, o.delta = -0.5));
  REFUSED(FUSED, CLLOSS_OPTION, "delta 1e-46 f32", (x.kind = CLLOSS_SMOOTH_L1, o.delta = 1e-46));
  REFUSED(FUSED, CLLOSS_OPTION, "gamma -1 negative", (x.kind = CLLOSS_FOCAL, o.gamma = -1));
  REFUSED(FUSED, CLLOSS_OPTION, "gamma inf", (x.kind = CLLOSS_FOCAL, o.gamma = HUGE_VAL));
  REFUSED(FUSED, CLLOSS_OPTION, "alpha 1.5 1", (x.kind = CLLOSS_FOCAL, o.alpha = 1.5));
  REFUSED(FUSED, CLLOSS_OPTION, "clip 0.5 below", (x.kind = CLLOSS_BCE, o.clip = 0.5));
  REFUSED(FUSED, CLLOSS_OPTION, "clip -0.1", (x.kind = CLLOSS_BCE, o.clip = -0.1));
  REFUSED(FORWARD, CLLOSS_OPTION, "clip nan", (x.kind = CLLOSS_BCE, o.clip = NAN));
  REFUSED(FUSED, CLLOSS_OPTION, "divisor -2", o.divisor = -2);
  REFUSED(FUSED, CLLOSS_OPTION, "divisor mean", (o.divisor = 2, o.reduction = CLLOSS_SUM));
  REFUSED(FUSED, CLLOSS_OPTION, "divisor mean", (o.divisor = 2, o.reduction = CLLOSS_BATCHMEAN));
  REFUSED(FUSED, CLLOSS_OPTION, "grad_alpha CLLOSS_GRAD_ALPHA", o.grad_alpha = 2);
  REFUSED(FUSED, CLLOSS_OPTION, "grad_alpha inf", (o.flags = CLLOSS_GRAD_ALPHA, o.grad_alpha = HUGE_VAL));
  REFUSED(FUSED, CLLOSS_OPTION, "grad_beta nan", o.grad_beta = NAN);
  REFUSED(FUSED, CLLOSS_OPTION, "grad_beta in place", (o.grad_beta = 1, x.grad = x.input));
}

/* Each option with each kind: taken, or refused by a message that names both. */
static void foreign_options(const bench *b) {
#define KIND(name, value, word, kernel, traits) {CLLOSS_##name, traits},
  static const struct { uint32_t kind, traits; } kinds[] = {CLLOSS_POINTWISE_LIST(KIND)};
#undef KIND
  static const struct {
    const char *name;
    clloss_pointwise_options o;
    uint32_t traits;
  } foreign[] = {
      {"delta", {.delta = 2}, CLLOSS_TAKES_DELTA | CLLOSS_TAKES_BETA},
      {"delta", {.flags = CLLOSS_SET_DELTA, .delta = 1}, CLLOSS_TAKES_DELTA | CLLOSS_TAKES_BETA},
      {"gamma", {.gamma = 1}, CLLOSS_TAKES_GAMMA},
      {"gamma", {.flags = CLLOSS_SET_GAMMA}, CLLOSS_TAKES_GAMMA},
      {"alpha", {.alpha = 0.5}, CLLOSS_TAKES_ALPHA},
      {"alpha", {.flags = CLLOSS_SET_ALPHA}, CLLOSS_TAKES_ALPHA},
      {"clip", {.clip = 0.25}, CLLOSS_TAKES_CLIP},
      {"CLLOSS_LOG_TARGET", {.flags = CLLOSS_LOG_TARGET}, CLLOSS_TAKES_LOG_TARGET},
  };
  size_t bytes;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    char words[80];
    for (size_t k = 0; k < sizeof foreign / sizeof *foreign; k++) {
      snprintf(words, sizeof words, "%s %s", foreign[k].name, clloss_pointwise_name(kinds[i].kind));
      if (kinds[i].traits & foreign[k].traits) {
        clloss_pointwise x = good(b, FUSED);
        clloss_pointwise_options o = foreign[k].o;
        o.struct_size = sizeof o;
        x.kind = kinds[i].kind;
        CHECK_STATUS(clloss_pointwise_workspace(b->ctx, &x, &o, &bytes), CLLOSS_SUCCESS);
        continue;
      }
      REFUSED(FUSED, CLLOSS_OPTION, words,
              (x.kind = kinds[i].kind, o = foreign[k].o, o.struct_size = sizeof o));
    }
    if (kinds[i].traits & CLLOSS_TAKES_POS_WEIGHT) continue;
    snprintf(words, sizeof words, "pos_weight %s", clloss_pointwise_name(kinds[i].kind));
    REFUSED(FUSED, CLLOSS_UNUSED_VIEW, words, (x.kind = kinds[i].kind, x.pos_weight = view(b->mem[4])));
  }
}

static void views(const bench *b) {
  REFUSED(FORWARD, CLLOSS_MISSING_VIEW, "pointwise.input", x.input.mem = NULL);
  REFUSED(FUSED, CLLOSS_MISSING_VIEW, "pointwise.target", x.target.mem = NULL);
  REFUSED(BACKWARD, CLLOSS_MISSING_VIEW, "pointwise.grad", x.grad.mem = NULL);
  REFUSED(FORWARD, CLLOSS_MISSING_VIEW, "no output", x.loss.mem = NULL);
  REFUSED(FORWARD, CLLOSS_UNUSED_VIEW, "pointwise.grad", x.grad = view(b->mem[3]));
  REFUSED(FORWARD, CLLOSS_UNUSED_VIEW, "pointwise.grad_loss", x.grad_loss = view(b->mem[4]));
  REFUSED(BACKWARD, CLLOSS_UNUSED_VIEW, "pointwise.loss", x.loss = view(b->mem[2]));
  REFUSED(BACKWARD, CLLOSS_UNUSED_VIEW, "pointwise.element_loss", x.element_loss = view(b->mem[2]));
  REFUSED(FUSED, CLLOSS_UNUSED_VIEW, "pointwise.loss", o.reduction = CLLOSS_NONE);
  REFUSED(FUSED, CLLOSS_DTYPE, "pointwise.input", x.input.dtype = CLLOSS_I32);
  REFUSED(FUSED, CLLOSS_DTYPE, "pointwise.target 3", x.target.dtype = CLLOSS_I64);
  REFUSED(FUSED, CLLOSS_DTYPE, "pointwise.target", x.target.dtype = CLLOSS_F16);
  REFUSED(FUSED, CLLOSS_DTYPE, "pointwise.target", x.target.dtype = 0);
  REFUSED(FUSED, CLLOSS_DTYPE, "pointwise.grad", x.grad.dtype = CLLOSS_BF16);
  REFUSED(FUSED, CLLOSS_DTYPE, "pointwise.loss", x.loss.dtype = CLLOSS_F64);
  REFUSED(FUSED, CLLOSS_DTYPE, "pointwise.counts", x.counts = view(b->mem[4]));
  REFUSED(FUSED, CLLOSS_STRIDE, "pointwise.target row_stride 4", x.target.row_stride = CLASSES - 1);
  REFUSED(FUSED, CLLOSS_STRIDE, "pointwise.input class_stride 2", x.input.class_stride = 2);
  REFUSED(FUSED, CLLOSS_STRIDE, "pointwise.input", x.input.offset = SIZE_MAX);
  REFUSED(FUSED, CLLOSS_BUFFER_SIZE, "pointwise.grad", x.grad.offset = N + 1);
  REFUSED(FUSED, CLLOSS_ACCESS, "pointwise.grad", x.grad.mem = b->read_only);
  REFUSED(FUSED, CLLOSS_ACCESS, "pointwise.target", x.target.mem = b->write_only);
  /* What is added to, and the workspace, are read too. */
  REFUSED(FUSED, CLLOSS_ACCESS, "pointwise.grad write written",
          (x.grad.mem = b->write_only, o.grad_beta = 1));
  REFUSED(BACKWARD, CLLOSS_ACCESS, "pointwise.grad write written",
          (x.grad.mem = b->write_only, o.grad_beta = -1));
  for (int pass = 0; pass < PASSES; pass++)
    REFUSED(pass, CLLOSS_ACCESS, "pointwise.workspace write written",
            (x.workspace = view(b->large_write_only), x.workspace.dtype = CLLOSS_U8));
  REFUSED(FUSED, CLLOSS_MEMORY_CONTEXT, "pointwise.input", x.input.mem = b->foreign);
  REFUSED(FUSED, CLLOSS_OVERLAP, "pointwise.grad", (x.grad = x.input, x.grad.offset = 1));
  REFUSED(FUSED, CLLOSS_OVERLAP, "pointwise.grad", x.grad = x.target);
  REFUSED(FUSED, CLLOSS_WORKSPACE, "pointwise.workspace",
          (x.workspace = view(b->mem[4]), x.workspace.dtype = CLLOSS_U8, x.workspace.offset = N * 8));
  REFUSED(FUSED, CLLOSS_ALIGNMENT, "pointwise.workspace",
          (x.workspace = view(b->large), x.workspace.dtype = CLLOSS_U8, x.workspace.offset = 4));
}

/* Shapes that don't broadcast. */
static void broadcasts(const bench *b) {
  REFUSED(FUSED, CLLOSS_OPTION, "pointwise.input can't be broadcast", x.input.flags = CLLOSS_BROADCAST_ROWS);
  REFUSED(FUSED, CLLOSS_OPTION, "pointwise.weight one way",
          (x.weight = view(b->mem[4]), x.weight.flags = CLLOSS_BROADCAST | CLLOSS_BROADCAST_ROWS));
  REFUSED(FUSED, CLLOSS_OPTION, "pointwise.weight bit 31",
          (x.weight = view(b->mem[4]), x.weight.flags = 1u << 31));
  REFUSED(FUSED, CLLOSS_OPTION, "pointwise.grad_loss can't be broadcast",
          (x.grad_loss = view(b->mem[4]), x.grad_loss.flags = CLLOSS_BROADCAST_CLASSES));
  REFUSED(FUSED, CLLOSS_BUFFER_SIZE, "pointwise.weight",
          (x.weight = view(b->mem[4]), x.weight.offset = 2 * N - CLASSES + 1,
           x.weight.flags = CLLOSS_BROADCAST_ROWS));
  REFUSED(FUSED, CLLOSS_BUFFER_SIZE, "pointwise.weight",
          (x.weight = view(b->mem[4]), x.weight.offset = 2 * N - ROWS + 1,
           x.weight.flags = CLLOSS_BROADCAST_CLASSES));
  REFUSED(FUSED, CLLOSS_BUFFER_SIZE, "pointwise.weight",
          (x.weight = view(b->mem[4]), x.weight.offset = 2 * N, x.weight.flags = CLLOSS_BROADCAST));
}

static void places(const bench *b) {
  const clloss_pointwise right = good(b, FUSED);
  cl_command_queue foreign = clCreateCommandQueue(b->other, b->device->device, 0, NULL);
  CHECK_STATUS(clloss_pointwise_fused(b->ctx, &right, NULL, foreign, 0, NULL, NULL), CLLOSS_QUEUE);
  clReleaseCommandQueue(foreign);
  if (!harness_has_f64(b->device))
    REFUSED(FUSED, CLLOSS_DEVICE, "pointwise.input", x.input.dtype = CLLOSS_F64);
}

int status_pointwise(const harness_device *device) {
  bench b = bench_open(device);
  structs(&b);
  options(&b);
  foreign_options(&b);
  views(&b);
  broadcasts(&b);
  places(&b);
  CHECK(!clloss_pointwise_name(0) && !clloss_pointwise_name(99));
  CHECK(strcmp(clloss_pointwise_name(CLLOSS_BCE_LOGITS), "bce-logits") == 0);
  return bench_close(&b);
}
