/* Every refusal of the information call: its status, a message that names the field, and nothing enqueued. */
#include "refusal.h"

static clloss_information good(const bench *b, int pass) {
  (void)pass;
  return (clloss_information){.struct_size = sizeof(clloss_information),
                              .rows = ROWS,
                              .classes = CLASSES,
                              .input = view(b->mem[0]),
                              .targets = view_as(b->mem[1], CLLOSS_I32),
                              .surprisal = view(b->mem[2]),
                              .entropy = view(b->mem[3])};
}

static clloss_status run(const bench *b, int pass, const clloss_information *x,
                         const clloss_information_options *o, cl_command_queue queue, cl_event *done) {
  (void)pass;
  return clloss_information_forward(b->ctx, x, o, queue, 0, NULL, done);
}

#define REFUSED(expected, words, change) \
  REFUSED_CALL(clloss_information, clloss_information_options, 0, expected, words, change)

static void refusals(const bench *b) {
  const clloss_information none = {.struct_size = sizeof none, .classes = 5};
  cl_event done = NULL;
  CHECK_STATUS(clloss_information_forward(NULL, &none, NULL, b->device->queue, 0, NULL, NULL),
               CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_information_forward(b->ctx, NULL, NULL, b->device->queue, 0, NULL, NULL),
               CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_information_forward(b->ctx, &none, NULL, NULL, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_information_forward(b->ctx, &none, NULL, b->device->queue, 0, NULL, &done),
               CLLOSS_SUCCESS);
  CHECK(done && clWaitForEvents(1, &done) == CL_SUCCESS);
  if (done) clReleaseEvent(done);
  REFUSED(CLLOSS_STRUCT_SIZE, "information", x.struct_size = 3);
  REFUSED(CLLOSS_STRUCT_SIZE, "options", o.struct_size = 3);
  REFUSED(CLLOSS_SIZE, "classes", x.classes = 0);
  REFUSED(CLLOSS_SIZE, "inner", x.inner = 4);
  REFUSED(CLLOSS_OPTION, "flags", o.flags = 1u << 9);
  REFUSED(CLLOSS_OPTION, "at once", o.flags = CLLOSS_FROM_PROBABILITIES | CLLOSS_FROM_LOG_PROBABILITIES);
  REFUSED(CLLOSS_OPTION, "reserved", o.reserved = 1);
  REFUSED(CLLOSS_MISSING_VIEW, "information.input", x.input.mem = NULL);
  REFUSED(CLLOSS_MISSING_VIEW, "information.targets", x.targets.mem = NULL);
  REFUSED(CLLOSS_MISSING_VIEW, "no output", x.targets.mem = x.surprisal.mem = x.entropy.mem = NULL);
  REFUSED(CLLOSS_UNUSED_VIEW, "information.targets", x.surprisal.mem = NULL);
  REFUSED(CLLOSS_DTYPE, "information.input", x.input.dtype = CLLOSS_I32);
  REFUSED(CLLOSS_DTYPE, "information.targets", x.targets.dtype = 9);
  REFUSED(CLLOSS_DTYPE, "information.entropy", x.entropy.dtype = CLLOSS_F16);
  REFUSED(CLLOSS_STRIDE, "information.input", x.input.row_stride = 4);
  REFUSED(CLLOSS_BUFFER_SIZE, "information.surprisal", x.surprisal.offset = 100);
  REFUSED(CLLOSS_OVERLAP, "information.surprisal", x.surprisal.mem = x.input.mem);
}

int status_information(const harness_device *device) {
  bench b = bench_open(device);
  refusals(&b);
  return bench_close(&b);
}
