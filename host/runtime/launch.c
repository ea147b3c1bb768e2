/* Submission: sets arguments, chains launches by events, and is the one caller of clEnqueueNDRangeKernel. */
#include "launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctx.h"

clloss_status clloss__launch_check_wait(clloss__message *message, cl_uint n_wait, const cl_event *wait) {
  if ((n_wait == 0) != (wait == NULL)) {
    return clloss__say(message, CLLOSS_NULL_ARGUMENT, "wait: n_wait is %u and the list is %s", n_wait,
                       wait ? "not NULL" : "NULL");
  }
  for (cl_uint i = 0; i < n_wait; ++i) {
    if (!wait[i]) return clloss__say(message, CLLOSS_NULL_ARGUMENT, "wait[%u]: NULL", i);
    cl_int state = CL_QUEUED;
    const cl_int asked = clGetEventInfo(wait[i], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state,
                                        NULL);
    if (asked != CL_SUCCESS) return clloss__say_opencl(message, asked, "clGetEventInfo", "wait[%u]", i);
    if (state < 0) {
      return clloss__say(message, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "wait[%u]: it failed with %d",
                         i, state);
    }
  }
  return CLLOSS_SUCCESS;
}

clloss_status clloss__launch_check_queue(clloss__message *message, const clloss__owner *owner,
                                         cl_command_queue queue, cl_uint n_wait, const cl_event *wait) {
  if (!queue) return clloss__say(message, CLLOSS_NULL_ARGUMENT, "queue: NULL");
  const clloss_status status = clloss__launch_check_wait(message, n_wait, wait);
  if (status != CLLOSS_SUCCESS) return status;
  cl_context context = NULL;
  cl_device_id device = NULL;
  cl_int error = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
  if (error == CL_SUCCESS)
    error = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
  if (error != CL_SUCCESS)
    return clloss__say_opencl(message, error, "clGetCommandQueueInfo", "asking the queue whose it is");
  if (context != owner->context)
    return clloss__say(message, CLLOSS_QUEUE, "queue: of another context than the %s", owner->name);
  if (device != owner->device)
    return clloss__say(message, CLLOSS_QUEUE, "queue: of another device than the %s", owner->name);
  return CLLOSS_SUCCESS;
}

clloss__arg clloss__launch_scalars(const void *exact, size_t bytes, uint32_t dtype, void *single) {
  if (dtype == CLLOSS_F64) return (clloss__arg){exact, bytes};
  const size_t n = bytes / sizeof(cl_double);
  for (size_t i = 0; i < n; ++i) {
    cl_double value;
    memcpy(&value, (const char *)exact + i * sizeof value, sizeof value);
    const cl_float rounded = (cl_float)value;
    memcpy((char *)single + i * sizeof rounded, &rounded, sizeof rounded);
  }
  return (clloss__arg){single, n * sizeof(cl_float)};
}

static void add(clloss__call *call, const char *kernel, const char *variant, bool any, size_t groups,
                size_t local_size, clloss__shape shape) {
  if (!groups) return;
  clloss__launch *launch = &call->launches[call->n_launches++];
  snprintf(launch->kernel, sizeof launch->kernel, "%s__%s%s%s", kernel, variant,
           shape.options ? "_options" : "", any ? "_any" : "");
  launch->groups = groups;
  launch->local_size = local_size;
  launch->shape = shape;
}

void clloss__launch_rows(clloss__call *call, const clloss__plan *plan, const char *kernel,
                         const char *variant, bool any, size_t groups) {
  clloss__shape shape = {0};
  if (plan->team->group) shape.items = (uint32_t)plan->local_size;
  if (plan->form) {
    shape.row_items = (uint32_t)plan->row_items;
    shape.vectors = (uint32_t)plan->vectors;
    shape.form = plan->form;
    shape.options = plan->options;
  }
  add(call, kernel, variant, any, groups, plan->local_size, shape);
}

void clloss__launch_sums(clloss__call *call, const clloss__plan *plan, const char *kernel, size_t groups) {
  clloss__shape shape = {0};
  if (plan->team->group) shape.items = (uint32_t)plan->sum_items;
  if (plan->form) shape.form = CLLOSS__SUMS;
  add(call, kernel, plan->team->name, false, groups, plan->sum_items, shape);
}

clloss_status clloss__launch_workspace(clloss_ctx *ctx, clloss__call *call, const clloss_view *view,
                                       size_t bytes, clloss__memory *memory, size_t *at) {
  *memory = clloss__memory_of(view);
  *at = view->offset;
  if (clloss__is_bound(view)) return CLLOSS_SUCCESS;
  const clloss_status status = clloss__pool_take(&ctx->pool, &ctx->message, bytes, call->queue, &call->block,
                                                 &call->block_busy);
  if (status == CLLOSS_SUCCESS) memory->mem = call->block->mem;
  *at = 0;
  return status;
}

/* Argument i of a launch; the last is its local memory, a size without a value. */
static clloss__arg argument(const clloss__call *call, const clloss__launch *launch, size_t i) {
  if (i < call->n_mems) {
    const clloss__memory *on = &call->mems[i];
    return on->pointer ? (clloss__arg){&on->pointer, sizeof on->pointer}
                       : (clloss__arg){&on->mem, sizeof on->mem};
  }
  const clloss__shape *s = &launch->shape;
  if (i == call->n_mems + call->n_args)
    return (clloss__arg){NULL, clloss__plan_fold_bytes(launch->local_size, s->row_items, s->form)};
  const clloss__arg arg = call->args[i - call->n_mems];
  /* what rows are held in is theirs alone; sixteen bytes and their multiples, that what follows may be vectors */
  if (!arg.value) return (clloss__arg){NULL, s->form == CLLOSS__SUMS ? 16 : (arg.size_bytes + 15) / 16 * 16};
  return arg;
}

/* Local memory that a work-group is handed. */
static size_t local_bytes(const clloss__call *call, const clloss__launch *launch) {
  size_t bytes = 0;
  for (size_t i = call->n_mems; i <= call->n_mems + call->n_args; ++i) {
    const clloss__arg arg = argument(call, launch, i);
    if (!arg.value) bytes += arg.size_bytes;
  }
  return bytes;
}

static size_t kept_bytes(const clloss__arg *arg) {
  return arg->value ? arg->size_bytes : sizeof arg->size_bytes;
}

/* Sets argument i unless the kernel has it already: from one step to the next most stay, and setting twenty takes 5 us
 * where other work has had the caches (PoCL). A buffer or pointer (`on`; NULL: it is a value) is set every time: a new one may have
 * the handle of one that was released, and the driver the address of the old. `at` is where the argument's bytes are kept, and moves
 * on. */
static clloss_status set_argument(clloss_ctx *ctx, const clloss__launch *launch, clloss__kernel *k, size_t i,
                                  const clloss__arg *arg, const clloss__memory *on, size_t *at) {
  const void *bytes = arg->value ? arg->value : &arg->size_bytes;
  const size_t n_bytes = kept_bytes(arg);
  unsigned char *kept = k->set + *at;
  *at += n_bytes;
  const bool unbound = on && !on->mem && !on->pointer;
  if (i < k->n_set && (!on || unbound) && memcmp(kept, bytes, n_bytes) == 0) return CLLOSS_SUCCESS;
  const char *name = "clSetKernelArg";
  const cl_int error = on && on->pointer ? clloss__pointer_set(&ctx->pointers, ctx->context, k->kernel,
                                                               (cl_uint)i, on->pointer, &name)
                                         : clSetKernelArg(k->kernel, (cl_uint)i, arg->size_bytes, arg->value);
  if (error != CL_SUCCESS)
    return clloss__say_opencl(&ctx->message, error, name, "%s, argument %zu", launch->kernel, i);
  memcpy(kept, bytes, n_bytes);
  if (i >= k->n_set) k->n_set = i + 1;
  return CLLOSS_SUCCESS;
}

/* A work-group's size is bounded by the registers that a kernel turns out to need, which its compiler alone knows. */
static clloss_status make_smaller(clloss_ctx *ctx, const clloss__launch *launch, size_t most) {
  const size_t given = ctx->planner.overrides.local_size;
  if (given || most == 0 || launch->local_size == 1) {
    return clloss__fail(ctx, CLLOSS_PLAN,
                        "%s: a work-group of %zu work-items%s, of which this device takes %zu",
                        launch->kernel, launch->local_size, given ? " (options.local_size)" : "", most);
  }
  size_t fitting = 1;
  while (2 * fitting <= most) fitting *= 2;
  *(launch->shape.form == CLLOSS__SUMS ? &ctx->planner.facts.sum_most
                                       : &ctx->planner.facts.local_most) = fitting;
  return CLLOSS__SMALLER;
}

/* What a kernel takes of local memory by itself its compiler alone knows, too. */
static clloss_status take_less(clloss_ctx *ctx, const clloss__launch *launch, size_t own, size_t handed) {
  clloss__device *facts = &ctx->planner.facts;
  const size_t given = ctx->planner.overrides.local_size, all = facts->local_bytes + facts->own_bytes;
  if (!given && facts->own_bytes < own && facts->own_bytes < all) {
    clloss__device_take_local(facts, own);
    return CLLOSS__SMALLER;
  }
  return clloss__fail(ctx, CLLOSS_PLAN,
                      "%s: a work-group of %zu work-items%s takes %zu bytes of local memory, and this device "
                      "has %zu",
                      launch->kernel, launch->local_size, given ? " (options.local_size)" : "", own + handed,
                      all);
}

/* The kernel with its arguments set. OpenCL copies them at the enqueue, so one kernel object serves call after call. */
static clloss_status prepare(clloss_ctx *ctx, const clloss__call *call, const clloss__launch *launch,
                             cl_kernel *kernel) {
  clloss__kernel *k;
  const clloss__device *facts = &ctx->planner.facts;
  const clloss__build how = {call->types, launch->shape};
  const clloss_status status = clloss__program_kernel(&ctx->programs, &ctx->message, call->source, &how,
                                                      launch->kernel, &k);
  if (status != CLLOSS_SUCCESS) return status;
  if (k->local_most < launch->local_size) return make_smaller(ctx, launch, k->local_most);
  const size_t handed = local_bytes(call, launch), device_bytes = facts->local_bytes + facts->own_bytes;
  if (k->own_bytes + handed > device_bytes) return take_less(ctx, launch, k->own_bytes, handed);
  *kernel = k->kernel;
  const size_t n = call->n_mems + call->n_args + 1;
  size_t room = 0, at = 0; /* as much at every call: the sizes of the values are the source's */
  for (size_t i = 0; i < n && !k->set; ++i) {
    const clloss__arg arg = argument(call, launch, i);
    room += kept_bytes(&arg);
  }
  if (!k->set) k->set = malloc(room);
  if (!k->set) return clloss__fail(ctx, CL_OUT_OF_HOST_MEMORY, "no memory for %s", launch->kernel);
  clloss_status set = CLLOSS_SUCCESS;
  for (size_t i = 0; i < n && set == CLLOSS_SUCCESS; ++i) {
    const clloss__arg arg = argument(call, launch, i);
    set = set_argument(ctx, launch, k, i, &arg, i < call->n_mems ? &call->mems[i] : NULL, &at);
  }
  return set;
}

static clloss_status enqueue(clloss_ctx *ctx, const clloss__call *call, const clloss__launch *launch,
                             cl_kernel kernel, cl_uint n_wait, const cl_event *wait, cl_event *event) {
  const size_t global = launch->groups * launch->local_size, local = launch->local_size;
  const cl_int error = clEnqueueNDRangeKernel(call->queue, kernel, 1, NULL, &global, &local, n_wait,
                                              n_wait ? wait : NULL, event);
  if (error != CL_SUCCESS) {
    return clloss__say_opencl(&ctx->message, error, "clEnqueueNDRangeKernel", "%s, %zu work-groups of %zu",
                              launch->kernel, launch->groups, local);
  }
  ctx->kernels_enqueued++;
  ctx->work_groups_enqueued += launch->groups;
  return CLLOSS_SUCCESS;
}

/* Nothing to compute: the event still comes when the wait list is done. */
static clloss_status enqueue_marker(clloss_ctx *ctx, const clloss__call *call, cl_event *event) {
  const cl_int error = clEnqueueMarkerWithWaitList(call->queue, call->n_wait, call->wait, event);
  return error == CL_SUCCESS ? CLLOSS_SUCCESS
                             : clloss__say_opencl(&ctx->message, error, "clEnqueueMarkerWithWaitList",
                                                  "an event for a call without work");
}

static clloss_status enqueue_chain(clloss_ctx *ctx, const clloss__call *call, const cl_kernel *kernels,
                                   cl_uint n_wait, const cl_event *wait, cl_event *last) {
  for (size_t i = 0; i < call->n_launches; ++i) {
    cl_event event = NULL;
    const clloss_status status = enqueue(ctx, call, &call->launches[i], kernels[i], *last ? 1 : n_wait,
                                         *last ? last : wait, &event);
    if (status != CLLOSS_SUCCESS) return status;
    if (*last) clloss__held_add(&ctx->held, *last);
    *last = event;
  }
  return CLLOSS_SUCCESS;
}

/* The caller's wait list and one event more. */
static cl_event *joined_list(const clloss__call *call, cl_event also) {
  cl_event *joined = malloc((call->n_wait + (size_t)1) * sizeof *joined);
  if (!joined) return NULL;
  if (call->n_wait) memcpy(joined, call->wait, call->n_wait * sizeof *joined);
  joined[call->n_wait] = also;
  return joined;
}

clloss_status clloss__launch_all(clloss_ctx *ctx, const clloss__call *call) {
  cl_kernel kernels[sizeof call->launches / sizeof *call->launches];
  for (size_t i = 0; i < call->n_launches; ++i) {
    const clloss_status status = prepare(ctx, call, &call->launches[i], &kernels[i]);
    if (status != CLLOSS_SUCCESS) return status;
  }
  if (!call->queue) return CLLOSS_SUCCESS;
  cl_event *joined = call->block_busy ? joined_list(call, call->block_busy) : NULL;
  if (call->block_busy && !joined) {
    return clloss__fail(ctx, CL_OUT_OF_HOST_MEMORY, "no memory for a wait list of %u", call->n_wait);
  }
  cl_event last = NULL;
  clloss_status status = call->n_launches ? enqueue_chain(ctx, call, kernels, call->n_wait + (joined ? 1 : 0),
                                                          joined ? joined : call->wait, &last)
                                          : enqueue_marker(ctx, call, &last);
  free(joined);
  if (status == CLLOSS_SUCCESS && call->done) {
    status = clRetainEvent(last);
    if (status == CLLOSS_SUCCESS) {
      *call->done = last;
    } else {
      clloss__say_opencl(&ctx->message, status, "clRetainEvent", "done");
    }
  }
  if (last && call->block) {
    clloss__pool_used(call->block, last);
  } else if (last) {
    clloss__held_add(&ctx->held, last);
  }
  return status;
}

/* By a marker, not by clFinish: a thread of PoCL 6.0's locks the queue once more after clFinish has returned, and ends the
 * process where it is gone by then. */
clloss_status clloss__launch_drain(clloss_ctx *ctx, cl_command_queue queue, const char *step) {
  cl_event all = NULL;
  const char *call = "clEnqueueMarkerWithWaitList";
  cl_int error = clEnqueueMarkerWithWaitList(queue, 0, NULL, &all);
  if (error == CL_SUCCESS) {
    call = "clWaitForEvents";
    error = clWaitForEvents(1, &all);
    if (error == CL_SUCCESS)
      clReleaseEvent(all);
    else
      clloss__held_add(&ctx->held, all);
  }
  return error == CL_SUCCESS || !step ? error : clloss__say_opencl(&ctx->message, error, call, "%s", step);
}
