/* Compiling ahead: every kernel of a list of calls is built and, as some drivers generate code only when a kernel is first
 * enqueued with a size of work-group and of grid, enqueued once with nothing to do. */
#include "runtime/ctx.h"
#include "runtime/launch.h"
#include "losses/losses.h"

static const struct {
  uint32_t call;
  const clloss__loss *loss;
  int pass;
} calls_known[] = {
#define CALL(name, value, loss, pass) {CLLOSS_CALL_##name, &clloss__##loss##_loss, CLLOSS__##pass},
    CLLOSS_CALL_LIST(CALL)
#undef CALL
};

static clloss_status prebuild_one(clloss_ctx *ctx, const clloss_call *call, size_t i,
                                  cl_command_queue queue) {
  if (call->reserved)
    return clloss__fail(ctx, CLLOSS_OPTION, "calls[%zu].reserved is %u: it must be 0", i, call->reserved);
  for (size_t k = 0; k < sizeof calls_known / sizeof *calls_known; ++k) {
    if (calls_known[k].call == call->call)
      return clloss__call_run(calls_known[k].loss, &(clloss__ask){.purpose = CLLOSS__COMPILE,
                                                                  .ctx = ctx,
                                                                  .pass = calls_known[k].pass,
                                                                  .arrays = call->arrays,
                                                                  .options = call->options,
                                                                  .queue = queue});
  }
  return clloss__fail(ctx, CLLOSS_OPTION, "calls[%zu].call is %u: no call has this number", i, call->call);
}

clloss_status clloss_ctx_prebuild(clloss_ctx *ctx, const clloss_call *calls, size_t n_calls) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!calls && n_calls) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "calls: NULL");
  cl_int error;
  /* deprecated in OpenCL 2.0, and still the one call that every version has */
  cl_command_queue queue = clCreateCommandQueue(ctx->context, ctx->device, 0, &error);
  if (error != CL_SUCCESS)
    return clloss__say_opencl(&ctx->message, error, "clCreateCommandQueue", "a queue to compile on");
  for (size_t i = 0; i < n_calls && status == CLLOSS_SUCCESS; ++i)
    status = prebuild_one(ctx, &calls[i], i, queue);
  const bool good = status == CLLOSS_SUCCESS;
  const clloss_status ended = clloss__launch_drain(ctx, queue,
                                                   good ? "waiting until kernels are compiled" : NULL);
  clReleaseCommandQueue(queue);
  return good ? ended : status;
}
