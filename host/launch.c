/* Submission: sets arguments, chains launches by events, and is the one caller of clEnqueueNDRangeKernel. */
#include "launch.h"

#include <stdlib.h>
#include <string.h>

#include "ctx.h"

clloss_status clloss__launch_check_queue(clloss_ctx *ctx, cl_command_queue queue, cl_uint n_wait,
                                         const cl_event *wait) {
  if (!queue) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "queue: NULL");
  if ((n_wait == 0) != (wait == NULL)) {
    return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "wait: n_wait is %u and the list is %s", n_wait,
                        wait ? "not NULL" : "NULL");
  }
  for (cl_uint i = 0; i < n_wait; ++i) {
    if (!wait[i]) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "wait[%u]: NULL", i);
  }
  cl_context context = NULL;
  cl_device_id device = NULL;
  cl_int error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
  if (error == CL_SUCCESS)
    error = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
  if (error != CL_SUCCESS) return clloss__fail(ctx, error, "queue: %s", clloss_status_name(error));
  if (context != ctx->context)
    return clloss__fail(ctx, CLLOSS_QUEUE, "queue: of another context than the ctx");
  if (device != ctx->device) return clloss__fail(ctx, CLLOSS_QUEUE, "queue: of another device than the ctx");
  return CLLOSS_SUCCESS;
}

/* The kernel with its arguments set. OpenCL copies them at the enqueue, so one kernel object serves call after call. */
static clloss_status prepare(clloss_ctx *ctx, const clloss__call *call, const clloss__launch *launch,
                             cl_kernel *kernel) {
  const clloss_status status = clloss__program_kernel(ctx, call->source, call->build_options, launch->kernel,
                                                      kernel);
  if (status != CLLOSS_SUCCESS) return status;
  for (size_t i = 0; i < call->n_args; ++i) {
    const cl_int error = clSetKernelArg(*kernel, (cl_uint)i, call->args[i].size_bytes, call->args[i].value);
    if (error != CL_SUCCESS) {
      return clloss__fail(ctx, error, "%s: argument %zu: %s", launch->kernel, i, clloss_status_name(error));
    }
  }
  return CLLOSS_SUCCESS;
}

static clloss_status enqueue(clloss_ctx *ctx, const clloss__call *call, const clloss__launch *launch,
                             cl_kernel kernel, cl_uint n_wait, const cl_event *wait, cl_event *event) {
  const size_t global = launch->groups * launch->local_size, local = launch->local_size;
  const cl_int error = clEnqueueNDRangeKernel(call->queue, kernel, 1, NULL, &global, &local, n_wait,
                                              n_wait ? wait : NULL, event);
  if (error != CL_SUCCESS) {
    return clloss__fail(ctx, error, "enqueueing %s, %zu work-groups of %zu: %s", launch->kernel,
                        launch->groups, local, clloss_status_name(error));
  }
  ctx->kernels_enqueued++;
  ctx->work_groups_enqueued += launch->groups;
  return CLLOSS_SUCCESS;
}

/* Nothing to compute: the event still comes when the wait list is done. */
static clloss_status enqueue_marker(clloss_ctx *ctx, const clloss__call *call, cl_event *event) {
  const cl_int error = clEnqueueMarkerWithWaitList(call->queue, call->n_wait, call->wait, event);
  return error == CL_SUCCESS ? CLLOSS_SUCCESS
                             : clloss__fail(ctx, error, "enqueueing a marker: %s", clloss_status_name(error));
}

static clloss_status enqueue_chain(clloss_ctx *ctx, const clloss__call *call, const cl_kernel *kernels,
                                   cl_uint n_wait, const cl_event *wait, cl_event *last) {
  for (size_t i = 0; i < call->n_launches; ++i) {
    cl_event event = NULL;
    const clloss_status status = enqueue(ctx, call, &call->launches[i], kernels[i], *last ? 1 : n_wait,
                                         *last ? last : wait, &event);
    if (status != CLLOSS_SUCCESS) return status;
    if (*last) clReleaseEvent(*last);
    *last = event;
  }
  return CLLOSS_SUCCESS;
}

clloss_status clloss__launch_all(clloss_ctx *ctx, const clloss__call *call, cl_event also, cl_event *last) {
  *last = NULL;
  cl_kernel kernels[sizeof call->launches / sizeof *call->launches];
  for (size_t i = 0; i < call->n_launches; ++i) {
    const clloss_status status = prepare(ctx, call, &call->launches[i], &kernels[i]);
    if (status != CLLOSS_SUCCESS) return status;
  }
  const cl_event *wait = call->wait;
  cl_uint n_wait = call->n_wait;
  cl_event *joined = NULL;
  if (also) {
    joined = malloc((n_wait + (size_t)1) * sizeof *joined);
    if (!joined) return clloss__fail(ctx, CL_OUT_OF_HOST_MEMORY, "no memory for a wait list of %u", n_wait);
    if (n_wait) memcpy(joined, wait, n_wait * sizeof *joined);
    joined[n_wait++] = also;
    wait = joined;
  }
  const clloss_status status = call->n_launches ? enqueue_chain(ctx, call, kernels, n_wait, wait, last)
                                                : enqueue_marker(ctx, call, last);
  free(joined);
  if (status == CLLOSS_SUCCESS && call->done) {
    clRetainEvent(*last);
    *call->done = *last;
  }
  return status;
}
