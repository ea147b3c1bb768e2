/* Every refusal of the softmax calls: its status, a message that names the field, and nothing enqueued. */
#include "refusal.h"

#include <math.h>

static clloss_softmax good(const bench *b, bool back) {
  clloss_softmax x = {.struct_size = sizeof x, .rows = ROWS, .classes = CLASSES};
  x.output = view(b->mem[1]);
  if (back) {
    x.grad_output = view(b->mem[2]);
    x.grad_input = view(b->mem[3]);
  } else {
    x.input = view(b->mem[0]);
  }
  return x;
}

static clloss_status run(const bench *b, bool back, const clloss_softmax *x, const clloss_softmax_options *o,
                         cl_command_queue queue, cl_event *done) {
  return back ? clloss_softmax_backward(b->ctx, x, o, queue, 0, NULL, done)
              : clloss_softmax_forward(b->ctx, x, o, queue, 0, NULL, done);
}

#define REFUSED(back, expected, words, change) \
  REFUSED_CALL(clloss_softmax, clloss_softmax_options, back, expected, words, change)

static void structs(const bench *b) {
  const clloss_softmax right = good(b, false);
  const cl_event *no_list = NULL;
  cl_command_queue queue = b->device->queue;
  CHECK_STATUS(clloss_softmax_forward(NULL, &right, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_softmax_forward(b->ctx, NULL, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_softmax_forward(b->ctx, &right, NULL, NULL, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_softmax_forward(b->ctx, &right, NULL, queue, 1, no_list, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_softmax_backward(NULL, &right, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  REFUSED(false, CLLOSS_STRUCT_SIZE, "softmax", x.struct_size = 3);
  REFUSED(false, CLLOSS_STRUCT_SIZE, "options", o.struct_size = 3);
  REFUSED(false, CLLOSS_SIZE, "classes", x.classes = 0);
  REFUSED(true, CLLOSS_SIZE, "overflows", x.rows = SIZE_MAX / 16);
  REFUSED(false, CLLOSS_SIZE, "inner", x.inner = 4);
  REFUSED(false, CLLOSS_OPTION, "flags", o.flags = 1u << 9);
  REFUSED(false, CLLOSS_OPTION, "reserved", o.reserved = 1);
  REFUSED(false, CLLOSS_OPTION, "scale", o.scale = NAN);
  REFUSED(true, CLLOSS_OPTION, "scale", o.scale = -HUGE_VAL);
  REFUSED(true, CLLOSS_OPTION, "scale", o.scale = 1e39);
}

static void views(const bench *b) {
  REFUSED(false, CLLOSS_MISSING_VIEW, "softmax.input", x.input.mem = NULL);
  REFUSED(false, CLLOSS_MISSING_VIEW, "softmax.output", x.output.mem = NULL);
  REFUSED(true, CLLOSS_MISSING_VIEW, "softmax.output", x.output.mem = NULL);
  REFUSED(true, CLLOSS_MISSING_VIEW, "softmax.grad_output", x.grad_output.mem = NULL);
  REFUSED(true, CLLOSS_MISSING_VIEW, "softmax.grad_input", x.grad_input.mem = NULL);
  REFUSED(true, CLLOSS_UNUSED_VIEW, "softmax.input", x.input = view(b->mem[0]));
  REFUSED(false, CLLOSS_UNUSED_VIEW, "softmax.grad_output", x.grad_output = view(b->mem[2]));
  REFUSED(false, CLLOSS_UNUSED_VIEW, "softmax.grad_input", x.grad_input = view(b->mem[3]));
  REFUSED(false, CLLOSS_DTYPE, "softmax.input", x.input.dtype = 0);
  REFUSED(false, CLLOSS_DTYPE, "softmax.input", x.input.dtype = CLLOSS_I32);
  REFUSED(false, CLLOSS_DTYPE, "softmax.output", x.output.dtype = CLLOSS_F64);
  REFUSED(false, CLLOSS_DTYPE, "softmax.output", x.output.dtype = CLLOSS_BF16);
  REFUSED(true, CLLOSS_DTYPE, "softmax.grad_output", x.grad_output.dtype = CLLOSS_F16);
  REFUSED(true, CLLOSS_DTYPE, "softmax.grad_input", x.grad_input.dtype = CLLOSS_F64);
  REFUSED(false, CLLOSS_STRIDE, "softmax.output", x.output.row_stride = CLASSES - 1);
  REFUSED(false, CLLOSS_STRIDE, "softmax.input", (x.inner = 2, x.input.class_stride = 1));
  REFUSED(false, CLLOSS_STRIDE, "softmax.input", x.input.offset = SIZE_MAX);
  REFUSED(false, CLLOSS_OPTION, "softmax.input", x.input.flags = CLLOSS_BROADCAST);
  REFUSED(false, CLLOSS_OPTION, "softmax.output both", x.output.pointer = &x);
  REFUSED(false, CLLOSS_BUFFER_SIZE, "softmax.input", x.input.offset = N + 1);
  REFUSED(false, CLLOSS_ACCESS, "softmax.output", x.output.mem = b->read_only);
  REFUSED(true, CLLOSS_ACCESS, "softmax.output", x.output.mem = b->write_only);
  REFUSED(false, CLLOSS_ACCESS, "softmax.output", x.output.mem = x.input.mem = b->read_only);
  REFUSED(false, CLLOSS_ACCESS, "softmax.input", x.output.mem = x.input.mem = b->write_only);
  REFUSED(true, CLLOSS_ACCESS, "softmax.grad_output", x.grad_input.mem = x.grad_output.mem = b->write_only);
  REFUSED(false, CLLOSS_MEMORY_CONTEXT, "softmax.output", x.output.mem = b->foreign);
  /* In place is the very same view, and of nothing but what the header says. */
  REFUSED(false, CLLOSS_OVERLAP, "softmax.output", (x.output = x.input, x.output.offset = 1));
  REFUSED(false, CLLOSS_OVERLAP, "softmax.output",
          (x.input.dtype = CLLOSS_F16, x.output = x.input, x.output.dtype = CLLOSS_F32));
  REFUSED(true, CLLOSS_OVERLAP, "softmax.grad_input", x.grad_input = x.output);
}

/* A subset of the above in which only the queue or the device is at fault. */
static void places(const bench *b) {
  const clloss_softmax right = good(b, false);
  cl_command_queue foreign = clCreateCommandQueue(b->other, b->device->device, 0, NULL);
  CHECK_STATUS(clloss_softmax_forward(b->ctx, &right, NULL, foreign, 0, NULL, NULL), CLLOSS_QUEUE);
  clReleaseCommandQueue(foreign);
  if (!harness_has_f64(b->device)) REFUSED(false, CLLOSS_DEVICE, "softmax.input", x.input.dtype = CLLOSS_F64);
}

/* No rows: nothing need be bound, nothing is enqueued, and the event still comes. */
static void no_rows(const bench *b) {
  const clloss_softmax x = {.struct_size = sizeof x, .classes = CLASSES};
  const uint64_t before = enqueued(b);
  for (int back = 0; back < 2; back++) {
    cl_event done = NULL;
    CHECK_STATUS(run(b, back, &x, NULL, b->device->queue, &done), CLLOSS_SUCCESS);
    CHECK(done && clWaitForEvents(1, &done) == CL_SUCCESS);
    if (done) clReleaseEvent(done);
  }
  CHECK_EQ(enqueued(b), before);
}

int status_softmax(const harness_device *device) {
  bench b = bench_open(device);
  structs(&b);
  views(&b);
  places(&b);
  no_rows(&b);
  return bench_close(&b);
}
