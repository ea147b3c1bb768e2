/* Views on SVM and USM: every loss of every kind of memory that the device has, in every family, through the harness; what can't be
 * such a pointer is refused by name and enqueues nothing; memory of several kinds in one call. Exit status 77, skipped, where the
 * device has neither. */
#include "refusal.h"

#include "case_distill.h"
#include "case_information.h"
#include "case_pointwise.h"
#include "case_softmax.h"
#include "case_xent.h"

#include <math.h>

enum { SKIPPED = 77 };

static harness h;

/* ---- every loss ---- */

static const xent_shape xents[] = {
    {.rows = 37, .classes = 20, .workspace = true},
    {.rows = 40, .classes = 701, .in_place = true, .workspace = true, .offset = 3, .row_pad = 5},
    {.rows = 30,
     .classes = 33,
     .options = {.label_smoothing = 0.1, .z_loss = 1e-3},
     .with = XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT | XENT_WITH_DIVISOR | XENT_WITH_METRICS |
             XENT_WITH_COUNTS | XENT_WITH_PREDICTED}};
static const softmax_shape softmax = {.rows = 37, .classes = 20, .in_place = true};
static const distill_shape distill = {.rows = 37, .classes = 20, .workspace = true};
static const information_shape information = {.rows = 37, .classes = 20};
static const pointwise_shape pointwise = {.rows = 37, .classes = 20, .kind = CLLOSS_MSE, .workspace = true};

static const struct {
  const harness_passes *passes;
  const harness_case *c;
  const void *shape;
} cases[] = {{&xent_passes, NULL, &xents[0]},          {&xent_passes, NULL, &xents[1]},
             {&xent_passes, NULL, &xents[2]},          {NULL, &softmax_forward_case, &softmax},
             {NULL, &softmax_backward_case, &softmax}, {&distill_passes, NULL, &distill},
             {NULL, &information_case, &information},  {&pointwise_passes, NULL, &pointwise}};

static const harness_plan plans[] = {{.family = CLLOSS_FAMILY_LANE},
                                     {.family = CLLOSS_FAMILY_GROUP, .local_size = 64},
                                     {.family = CLLOSS_FAMILY_SPLIT, .slices = 3}};

static void check_losses(size_t device) {
  for (size_t p = 0; p < sizeof plans / sizeof *plans; p++)
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      harness_point(&h, device, &plans[p], cases[i].passes, cases[i].c, cases[i].shape);
}

/* ---- what is refused ---- */

/* A call whose logits and gradient have pointers, and the rest buffers. */
typedef struct call {
  device_memory logits, grad, targets, loss;
  clloss_xent x;
} call;

static cl_int open_call(call *c, const harness_device *d, memory_kind kind) {
  static const int32_t targets[ROWS];
  static const float zeros[N];
  const size_t bytes = sizeof zeros;
  cl_int error = memory_make(&c->logits, kind, d->context, d->device, 0, bytes);
  if (!error) error = memory_make(&c->grad, kind, d->context, d->device, 0, bytes);
  if (!error) error = memory_make(&c->targets, MEMORY_BUFFER, d->context, d->device, 0, sizeof targets);
  if (!error) error = memory_make(&c->loss, MEMORY_BUFFER, d->context, d->device, 0, sizeof(float));
  if (!error) error = memory_write(&c->logits, d->queue, zeros);
  if (!error) error = memory_write(&c->targets, d->queue, targets);
  c->x = (clloss_xent){.struct_size = sizeof c->x,
                       .rows = ROWS,
                       .classes = CLASSES,
                       .logits = clloss_view_at(c->logits.pointer, CLLOSS_F32),
                       .grad = clloss_view_at(c->grad.pointer, CLLOSS_F32),
                       .targets = clloss_view_of(c->targets.mem, CLLOSS_I32),
                       .loss = clloss_view_of(c->loss.mem, CLLOSS_F32)};
  return error;
}

static void close_call(call *c, const harness_device *d) {
  memory_free(&c->logits, d->context);
  memory_free(&c->grad, d->context);
  memory_free(&c->targets, d->context);
  memory_free(&c->loss, d->context);
}

static void refuse(const bench *b, const clloss_xent *x, clloss_status expected, const char *words,
                   int line) {
  cl_event done = NULL;
  const uint64_t before = enqueued(b);
  const clloss_status status = clloss_xent_fused(b->ctx, x, NULL, b->device->queue, 0, NULL, &done);
  check_refused(b, status, expected, words, done, before, line);
}

/* As it is the call is right: equal logits, each loss log(classes), and a gradient that adds up to nothing. */
static void check_right(const bench *b, const call *c) {
  cl_command_queue queue = b->device->queue;
  float loss = 0, grad[N];
  CHECK_STATUS(clloss_xent_fused(b->ctx, &c->x, NULL, queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(memory_read(&c->loss, queue, &loss), CL_SUCCESS);
  CHECK_STATUS(memory_read(&c->grad, queue, grad), CL_SUCCESS);
  CHECK(fabs(loss / log(CLASSES) - 1) < 1e-6);
  for (size_t i = 0; i < N; i++) CHECK(fabs(grad[i] * ROWS - (1.0 / CLASSES - (i % CLASSES == 0))) < 1e-6);
}

/* A call that differs from the good one by what is said last. */
#define REFUSE(status, words, ...)                    \
  do {                                                \
    clloss_xent x = c.x;                              \
    __VA_ARGS__;                                      \
    refuse(&b, &x, CLLOSS_##status, words, __LINE__); \
  } while (0)

static void check_refusals(const harness_device *d, memory_kind kind) {
  bench b = bench_open(d);
  cl_int error;
  harness_device foreign = {.context = b.other, .device = d->device};
  foreign.queue = clCreateCommandQueue(foreign.context, d->device, 0, &error);
  CHECK_STATUS(error, CL_SUCCESS);
  call c, other;
  CHECK_STATUS(open_call(&c, d, kind), CL_SUCCESS);
  CHECK_STATUS(open_call(&other, &foreign, kind), CL_SUCCESS);
  check_right(&b, &c);
  float own[N] = {0};
  const bool usm = kind >= MEMORY_USM_HOST;
  char *const within = (char *)c.logits.pointer + sizeof(float);
  REFUSE(MEMORY_CONTEXT, "xent.logits.pointer none context", x.logits.pointer = own);
  REFUSE(MEMORY_CONTEXT, "xent.grad.pointer none context", x.grad.pointer = other.grad.pointer);
  REFUSE(MEMORY_CONTEXT, "xent.logits.mem context", x.logits = view(other.loss.mem));
  REFUSE(OPTION, "xent.grad both mem and pointer", x.grad.mem = c.loss.mem);
  REFUSE(BUFFER_SIZE, "xent.logits needs 124 allocation", x.logits.offset = 1);
  REFUSE(BUFFER_SIZE, "xent.grad needs 140 allocation", x.grad.row_stride = CLASSES + 1);
  REFUSE(OVERLAP, "xent.grad logits", x.grad.pointer = x.logits.pointer, x.rows /= 2,
         x.grad.offset = CLASSES);
  /* the same memory by a buffer */
  cl_mem on = usm ? NULL
                  : clCreateBuffer(d->context, CL_MEM_USE_HOST_PTR, sizeof own, c.logits.pointer, &error);
  if (on) REFUSE(OVERLAP, "xent.grad logits", x.logits = view(on), x.grad.pointer = c.logits.pointer);
  if (on) clReleaseMemObject(on);
  REFUSE(DTYPE, "xent.logits.dtype", x.logits.dtype = 0);
  REFUSE(STRIDE, "xent.grad offset", x.grad.offset = SIZE_MAX / 2);
  if (usm) { /* an allocation is known from within; SVM's further elements are reached by offset */
    REFUSE(BUFFER_SIZE, "xent.logits needs 120 allocation has 116", x.logits.pointer = within);
    REFUSE(ALIGNMENT, "xent.logits multiple of 4", x.logits.pointer = within + 1, x.rows /= 2);
    clloss_xent x = c.x;
    x.logits.pointer = within, x.rows -= 1;
    CHECK_STATUS(clloss_xent_fused(b.ctx, &x, NULL, d->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  }
  check_right(&b, &c); /* still */
  close_call(&c, d);
  close_call(&other, &foreign);
  clReleaseCommandQueue(foreign.queue);
  bench_close(&b);
}

/* A device without either says so. */
static void check_none(const harness_device *d) {
  bench b = bench_open(d);
  float own[N] = {0};
  const clloss_xent x = {.struct_size = sizeof x,
                         .rows = ROWS,
                         .classes = CLASSES,
                         .logits = clloss_view_at(own, CLLOSS_F32),
                         .targets = view_as(b.mem[0], CLLOSS_I32),
                         .grad = view(b.mem[1])};
  refuse(&b, &x, CLLOSS_DEVICE, "xent.logits.pointer no SVM", __LINE__);
  bench_close(&b);
}

int main(int argc, char **argv) {
  size_t kinds = 0;
  if (!harness_open(&h, argc, argv)) return 2;
  for (size_t i = 0; i < h.n_devices; i++) {
    size_t of_device = 0;
    for (memory_kind kind = MEMORY_BUFFER + 1; kind < MEMORY_KINDS; kind++) {
      const bool there = memory_is_there(h.devices[i].device, kind);
      printf("device %zu: %s: %s\n", i, memory_name(kind), there ? "tested" : "not there");
      if (!there) continue;
      of_device++;
      h.devices[i].memory = kind;
      check_losses(i);
      check_refusals(&h.devices[i], kind);
    }
    if (!of_device) check_none(&h.devices[i]);
    kinds += of_device;
  }
  /* without a pointer there is no point to run, which the harness calls wrong */
  const int wrong = (harness_close(&h) && kinds) | check_done();
  return wrong ? 1 : kinds ? 0 : SKIPPED;
}
