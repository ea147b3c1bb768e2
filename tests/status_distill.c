/* Every refusal of the distillation calls: its status, a message that names the field, and nothing enqueued. */
#include "refusal.h"

#include <math.h>

typedef enum { FORWARD, BACKWARD, FUSED } pass;

static clloss_distill good(const bench *b, pass which) {
  clloss_distill x = {.struct_size = sizeof x, .rows = ROWS, .classes = CLASSES};
  x.student = view(b->mem[0]);
  x.teacher = view(b->mem[1]);
  if (which != BACKWARD) x.loss = view(b->mem[3]);
  if (which != FUSED) x.row_stats = view(b->mem[4]);
  if (which != FORWARD) x.grad = view(b->mem[2]);
  return x;
}

static clloss_status run(const bench *b, pass which, const clloss_distill *x, const clloss_distill_options *o,
                         cl_command_queue queue, cl_event *done) {
  if (which == FORWARD) return clloss_distill_forward(b->ctx, x, o, queue, 0, NULL, done);
  if (which == BACKWARD) return clloss_distill_backward(b->ctx, x, o, queue, 0, NULL, done);
  return clloss_distill_fused(b->ctx, x, o, queue, 0, NULL, done);
}

#define REFUSED(which, expected, words, change) \
  REFUSED_CALL(clloss_distill, clloss_distill_options, which, expected, words, change)

static void structs(const bench *b) {
  const clloss_distill right = good(b, FORWARD);
  const cl_event *no_list = NULL;
  cl_command_queue queue = b->device->queue;
  size_t bytes;
  CHECK_STATUS(clloss_distill_forward(NULL, &right, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_backward(NULL, &right, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_fused(NULL, &right, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_forward(b->ctx, NULL, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_forward(b->ctx, &right, NULL, NULL, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_forward(b->ctx, &right, NULL, queue, 1, no_list, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_workspace(NULL, &right, NULL, &bytes), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_workspace(b->ctx, NULL, NULL, &bytes), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_distill_workspace(b->ctx, &right, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  /* a type alone is a view to come, but not where the call itself is asked about */
  const clloss_distill_options sum = {.struct_size = sizeof sum, .reduction = CLLOSS_SUM};
  clloss_distill typed = right;
  typed.divisor = (clloss_view){.dtype = CLLOSS_F32};
  CHECK_STATUS(clloss_distill_workspace(b->ctx, &typed, &sum, &bytes), CLLOSS_SUCCESS);
  typed.student.mem = NULL;
  CHECK_STATUS(clloss_distill_workspace(b->ctx, &typed, &sum, &bytes), CLLOSS_OPTION);
  REFUSED(FORWARD, CLLOSS_STRUCT_SIZE, "distill", x.struct_size = 3);
  REFUSED(FORWARD, CLLOSS_STRUCT_SIZE, "options", o.struct_size = 3);
  REFUSED(FUSED, CLLOSS_SIZE, "classes", x.classes = 0);
  REFUSED(BACKWARD, CLLOSS_SIZE, "overflows", x.rows = SIZE_MAX / 16);
  REFUSED(FORWARD, CLLOSS_SIZE, "inner", x.inner = 4);
}

static void options(const bench *b) {
  static const double no_temperatures[] = {-1, 0x1p-61, 0x1p61, NAN, HUGE_VAL, -HUGE_VAL};
  static const double no_divisors[] = {-1, NAN, HUGE_VAL, 1e39, 1e-39};
  for (size_t i = 0; i < sizeof no_temperatures / sizeof *no_temperatures; i++)
    REFUSED(FUSED, CLLOSS_OPTION, "temperature", o.temperature = no_temperatures[i]);
  for (size_t i = 0; i < sizeof no_divisors / sizeof *no_divisors; i++)
    REFUSED(FUSED, CLLOSS_OPTION, "divisor", o.divisor = no_divisors[i]);
  REFUSED(FORWARD, CLLOSS_OPTION, "reduction", o.reduction = 3);
  REFUSED(FORWARD, CLLOSS_OPTION, "flags", o.flags = 1u << 9);
  REFUSED(FORWARD, CLLOSS_OPTION, "divisor", (o.reduction = CLLOSS_SUM, o.divisor = 2));
  REFUSED(FORWARD, CLLOSS_OPTION, "divisor", (o.reduction = CLLOSS_SUM, x.divisor = view(b->mem[5])));
  REFUSED(FORWARD, CLLOSS_OPTION, "twice", (o.divisor = 2, x.divisor = view(b->mem[5])));
}

static void bindings(const bench *b) {
  REFUSED(FORWARD, CLLOSS_MISSING_VIEW, "distill.student", x.student.mem = NULL);
  REFUSED(FUSED, CLLOSS_MISSING_VIEW, "distill.teacher", x.teacher.mem = NULL);
  REFUSED(FUSED, CLLOSS_MISSING_VIEW, "distill.grad", x.grad.mem = NULL);
  REFUSED(BACKWARD, CLLOSS_MISSING_VIEW, "distill.row_stats", x.row_stats.mem = NULL);
  REFUSED(FORWARD, CLLOSS_MISSING_VIEW, "no output", (x.loss.mem = NULL, x.row_stats.mem = NULL));
  REFUSED(FORWARD, CLLOSS_UNUSED_VIEW, "distill.grad", x.grad = view(b->mem[2]));
  REFUSED(FORWARD, CLLOSS_UNUSED_VIEW, "distill.grad_loss", x.grad_loss = view(b->mem[5]));
  REFUSED(FUSED, CLLOSS_UNUSED_VIEW, "distill.loss", o.reduction = CLLOSS_NONE);
  REFUSED(BACKWARD, CLLOSS_UNUSED_VIEW, "distill.loss", x.loss = view(b->mem[3]));
  REFUSED(BACKWARD, CLLOSS_UNUSED_VIEW, "distill.row_loss", x.row_loss = view(b->mem[3]));
}

static void views(const bench *b) {
  REFUSED(FORWARD, CLLOSS_DTYPE, "distill.student", x.student.dtype = 0);
  REFUSED(FORWARD, CLLOSS_DTYPE, "distill.student", x.student.dtype = CLLOSS_I32);
  REFUSED(FORWARD, CLLOSS_DTYPE, "distill.teacher", x.teacher.dtype = CLLOSS_F16);
  REFUSED(FORWARD, CLLOSS_DTYPE, "distill.teacher",
          (x.student.dtype = CLLOSS_F16, x.teacher.dtype = CLLOSS_BF16));
  REFUSED(FUSED, CLLOSS_DTYPE, "distill.grad", x.grad.dtype = CLLOSS_BF16);
  REFUSED(FUSED, CLLOSS_DTYPE, "distill.loss", x.loss.dtype = CLLOSS_F16);
  REFUSED(FORWARD, CLLOSS_STRIDE, "distill.teacher", x.teacher.row_stride = CLASSES - 1);
  REFUSED(FORWARD, CLLOSS_STRIDE, "distill.row_stats", x.row_stats.row_stride = 3);
  REFUSED(FUSED, CLLOSS_STRIDE, "distill.grad", (x.inner = 2, x.grad.class_stride = 1));
  REFUSED(FORWARD, CLLOSS_OPTION, "distill.teacher", x.teacher.flags = CLLOSS_BROADCAST);
  REFUSED(FORWARD, CLLOSS_OPTION, "distill.student both", x.student.pointer = &x);
  REFUSED(FORWARD, CLLOSS_BUFFER_SIZE, "distill.teacher", x.teacher.offset = N + 1);
  REFUSED(FORWARD, CLLOSS_WORKSPACE, "distill.workspace",
          x.workspace = ((clloss_view){.mem = b->mem[6], .dtype = CLLOSS_U8}));
  REFUSED(FORWARD, CLLOSS_ALIGNMENT, "distill.workspace",
          x.workspace = ((clloss_view){.mem = b->large, .offset = 4, .dtype = CLLOSS_U8}));
  REFUSED(FUSED, CLLOSS_ACCESS, "distill.grad", x.grad.mem = b->read_only);
  REFUSED(FUSED, CLLOSS_ACCESS, "distill.teacher", x.teacher.mem = b->write_only);
  for (int which = FORWARD; which <= FUSED; which++)
    REFUSED((pass)which, CLLOSS_ACCESS, "distill.workspace.mem",
            x.workspace = ((clloss_view){.mem = b->large_write_only, .dtype = CLLOSS_U8}));
  REFUSED(FORWARD, CLLOSS_MEMORY_CONTEXT, "distill.teacher", x.teacher.mem = b->foreign);
  /* In place is the very same view, and of the student alone. */
  REFUSED(FUSED, CLLOSS_OVERLAP, "distill.grad", x.grad = x.teacher);
  REFUSED(FUSED, CLLOSS_OVERLAP, "distill.grad", (x.grad = x.student, x.grad.offset = 1));
  REFUSED(FORWARD, CLLOSS_OVERLAP, "distill.loss", x.loss.mem = x.row_stats.mem);
}

/* A subset of the above in which only the queue or the device is at fault. */
static void places(const bench *b) {
  const clloss_distill right = good(b, FORWARD);
  cl_command_queue foreign = clCreateCommandQueue(b->other, b->device->device, 0, NULL);
  CHECK_STATUS(run(b, FORWARD, &right, NULL, foreign, NULL), CLLOSS_QUEUE);
  clReleaseCommandQueue(foreign);
  if (!harness_has_f64(b->device))
    REFUSED(FORWARD, CLLOSS_DEVICE, "distill.student", x.student.dtype = CLLOSS_F64);
}

/* No rows: nothing but the loss need be bound, and the event still comes. */
static void no_rows(const bench *b) {
  for (int which = FORWARD; which <= FUSED; which++) {
    clloss_distill x = {.struct_size = sizeof x, .classes = CLASSES};
    cl_event done = NULL;
    if (which == FORWARD) x.loss = view(b->mem[3]);
    CHECK_STATUS(run(b, (pass)which, &x, NULL, b->device->queue, &done), CLLOSS_SUCCESS);
    CHECK(done && clWaitForEvents(1, &done) == CL_SUCCESS);
    if (done) clReleaseEvent(done);
  }
}

int status_distill(const harness_device *device) {
  bench b = bench_open(device);
  structs(&b);
  options(&b);
  bindings(&b);
  views(&b);
  places(&b);
  no_rows(&b);
  return bench_close(&b);
}
