/* Typed device tensors: allocation, transfers with and without conversion, mapping. */
#include <stdlib.h>

#include "convert.h"
#include "ctx.h"
#include "launch.h"
#include "names.h"
#include "view.h"

struct clloss_tensor {
  cl_context context;
  cl_device_id device;
  cl_mem mem; /* of at least one element, as OpenCL has no empty buffers */
  uint32_t dtype;
  size_t rows, classes, bytes;
  void *mapped;
  cl_command_queue map_queue; /* where the map was enqueued: destroying a mapped tensor unmaps it there */
  clloss__held held;          /* events of unmaps that the caller didn't want, and of what failed */
  long pid;
  clloss__message message;
};

/* What went wrong, and which events failed, is nothing that a caller sees of a tensor's contents: const ones keep it too. */
static clloss_tensor *noting(const clloss_tensor *tensor) { return (clloss_tensor *)(uintptr_t)tensor; }

#define REFUSE(tensor, status, ...) clloss__say(&noting(tensor)->message, status, __VA_ARGS__)
#define FAILED(tensor, error, call, step) \
  clloss__say_opencl(&noting(tensor)->message, error, call, "%s", step)

const char *clloss_tensor_message(const clloss_tensor *tensor) { return tensor ? tensor->message.text : ""; }

clloss_status clloss_tensor_create(clloss_tensor **out, clloss_ctx *ctx, uint32_t dtype, size_t rows,
                                   size_t classes) {
  if (out) *out = NULL;
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  const clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!out) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "out: NULL");
  const size_t element = clloss_dtype_size(dtype);
  if (!element)
    return clloss__fail(ctx, CLLOSS_DTYPE, "dtype is %u: it has to be an element type, CLLOSS_F32 …", dtype);
  if (classes && rows > SIZE_MAX / element / classes) {
    return clloss__fail(ctx, CLLOSS_SIZE, "rows %zu × classes %zu × %zu bytes overflows", rows, classes,
                        element);
  }
  clloss_tensor *tensor = malloc(sizeof *tensor);
  if (!tensor) return clloss__fail(ctx, CL_OUT_OF_HOST_MEMORY, "no memory for a tensor");
  const size_t bytes = rows * classes * element;
  const cl_mem_flags flags = CL_MEM_READ_WRITE |
                             (ctx->planner.facts.shares_memory ? CL_MEM_ALLOC_HOST_PTR : 0);
  const char *call = "clCreateBuffer";
  cl_int error;
  cl_mem mem = clCreateBuffer(ctx->context, flags, bytes ? bytes : element, NULL, &error);
  if (error == CL_SUCCESS) {
    call = "clRetainContext";
    error = clRetainContext(ctx->context);
    if (error != CL_SUCCESS) clReleaseMemObject(mem);
  }
  if (error != CL_SUCCESS) {
    free(tensor);
    return clloss__say_opencl(&ctx->message, error, call, "a tensor of %zu bytes", bytes);
  }
  *tensor = (clloss_tensor){.context = ctx->context,
                            .device = ctx->device,
                            .mem = mem,
                            .dtype = dtype,
                            .rows = rows,
                            .classes = classes,
                            .bytes = bytes,
                            .pid = ctx->pid};
  *out = tensor;
  return CLLOSS_SUCCESS;
}

void clloss_tensor_destroy(clloss_tensor **pointer) {
  if (!pointer || !*pointer) return;
  clloss_tensor *tensor = *pointer;
  *pointer = NULL;
  if (tensor->pid == clloss__pid()) {
    if (tensor->mapped) {
      clEnqueueUnmapMemObject(tensor->map_queue, tensor->mem, tensor->mapped, 0, NULL, NULL);
      clReleaseCommandQueue(tensor->map_queue);
    }
    clloss__held_release(&tensor->held);
    clReleaseMemObject(tensor->mem);
    clReleaseContext(tensor->context);
  }
  clloss__held_free(&tensor->held);
  free(tensor);
}

clloss_view clloss_view_of(cl_mem mem, uint32_t dtype) { return (clloss_view){.mem = mem, .dtype = dtype}; }

clloss_view clloss_view_at(void *pointer, uint32_t dtype) {
  return (clloss_view){.pointer = pointer, .dtype = dtype};
}

clloss_view clloss_tensor_view(const clloss_tensor *tensor) {
  clloss_view view = {0};
  if (tensor) {
    view.mem = tensor->mem;
    view.dtype = tensor->dtype;
  }
  return view;
}

static clloss_status check_transfer(const clloss_tensor *tensor, cl_command_queue queue, cl_uint n_wait,
                                    const cl_event *wait) {
  if (!tensor) return CLLOSS_NULL_ARGUMENT;
  noting(tensor)->message.text[0] = 0;
  if (tensor->pid != clloss__pid()) return REFUSE(tensor, CLLOSS_FORKED, "the tensor was made before fork()");
  const clloss__owner owner = {tensor->context, tensor->device, "tensor"};
  return clloss__launch_check_queue(&noting(tensor)->message, &owner, queue, n_wait, wait);
}

static clloss_status refuse_mapped(const clloss_tensor *tensor) {
  return REFUSE(tensor, CLLOSS_MAPPED, "the tensor is mapped: unmap it first");
}

/* Waits for a command and tells from its state whether it happened: PoCL's own blocking transfers are told of no failure,
 * and say success of what never came. */
static clloss_status wait_for(const clloss_tensor *tensor, cl_event command) {
  static const char step[] = "waiting for the transfer";
  cl_int state = CL_QUEUED;
  const cl_int waited = clWaitForEvents(1, &command);
  const cl_int asked = clGetEventInfo(command, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
  if (asked != CL_SUCCESS) return FAILED(tensor, asked, "clGetEventInfo", step);
  /* what state a command has that never ran is the driver's choice: PoCL's reads CL_DEVICE_NOT_FOUND */
  if (state < 0)
    return REFUSE(tensor, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
                  "%s: it, or an event before it, failed with %d", step, state);
  return waited == CL_SUCCESS ? CLLOSS_SUCCESS : FAILED(tensor, waited, "clWaitForEvents", step);
}

/* Of a command that was waited for. What failed is kept with the tensor (held.h). */
static void let_go(const clloss_tensor *tensor, cl_event command, clloss_status status) {
  if (status == CLLOSS_SUCCESS) {
    clReleaseEvent(command);
  } else {
    clloss__held_add(&noting(tensor)->held, command);
  }
}

/* The end of a call whose command has been enqueued: its event is the caller's, or the call waits for it. */
static clloss_status hand_over(const clloss_tensor *tensor, cl_event command, cl_event *done) {
  if (done) {
    *done = command;
    return CLLOSS_SUCCESS;
  }
  const clloss_status status = wait_for(tensor, command);
  let_go(tensor, command, status);
  return status;
}

/* An empty transfer: OpenCL refuses zero bytes, but the caller's event must still come. */
static clloss_status transfer_nothing(const clloss_tensor *tensor, cl_command_queue queue, cl_uint n_wait,
                                      const cl_event *wait, cl_event *done) {
  cl_event command = NULL;
  if (!done) return CLLOSS_SUCCESS;
  const cl_int error = clEnqueueMarkerWithWaitList(queue, n_wait, wait, &command);
  if (error != CL_SUCCESS) return FAILED(tensor, error, "clEnqueueMarkerWithWaitList", "an empty transfer");
  return hand_over(tensor, command, done);
}

/* The whole tensor from the host's array, or to it: one of the two is NULL. */
static clloss_status transfer(const clloss_tensor *tensor, const void *from, void *to, cl_command_queue queue,
                              cl_uint n_wait, const cl_event *wait, cl_event *done) {
  const clloss_status status = check_transfer(tensor, queue, n_wait, wait);
  if (status != CLLOSS_SUCCESS) return status;
  if (tensor->mapped) return refuse_mapped(tensor);
  if (!tensor->bytes) return transfer_nothing(tensor, queue, n_wait, wait, done);
  if (!from && !to) return REFUSE(tensor, CLLOSS_NULL_ARGUMENT, "host: NULL");
  cl_event command = NULL;
  const cl_int error = from ? clEnqueueWriteBuffer(queue, tensor->mem, CL_FALSE, 0, tensor->bytes, from,
                                                   n_wait, wait, &command)
                            : clEnqueueReadBuffer(queue, tensor->mem, CL_FALSE, 0, tensor->bytes, to, n_wait,
                                                  wait, &command);
  if (error == CL_SUCCESS) return hand_over(tensor, command, done);
  return FAILED(tensor, error, from ? "clEnqueueWriteBuffer" : "clEnqueueReadBuffer", "the transfer");
}

clloss_status clloss_tensor_upload(clloss_tensor *tensor, const void *host, cl_command_queue queue,
                                   cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return transfer(tensor, host, NULL, queue, n_wait, wait, done);
}

clloss_status clloss_tensor_download(const clloss_tensor *tensor, void *host, cl_command_queue queue,
                                     cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return transfer(tensor, NULL, host, queue, n_wait, wait, done);
}

/* The wait list by itself, so that a map whose list fails is never enqueued: what a driver has noted of it, an unmap would
 * have to take back, which on a device with memory of its own writes what was never read. */
static clloss_status wait_first(const clloss_tensor *tensor, cl_command_queue queue, cl_uint n_wait,
                                const cl_event *wait) {
  cl_event list = NULL;
  if (!n_wait) return CLLOSS_SUCCESS;
  const cl_int error = clEnqueueMarkerWithWaitList(queue, n_wait, wait, &list);
  if (error == CL_SUCCESS) return hand_over(tensor, list, NULL);
  return FAILED(tensor, error, "clEnqueueMarkerWithWaitList", "waiting for the list");
}

/* Takes back a map that failed, or that couldn't be waited for and may still come. Should this fail too, nothing is left to
 * be done. */
static void undo_map(const clloss_tensor *tensor, void *pointer, cl_command_queue queue, cl_event map) {
  cl_int state = CL_COMPLETE;
  cl_event ended = NULL;
  clGetEventInfo(map, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
  const bool comes = state > CL_COMPLETE;
  if (clEnqueueUnmapMemObject(queue, tensor->mem, pointer, comes, comes ? &map : NULL, &ended) != CL_SUCCESS)
    return;
  clWaitForEvents(1, &ended);
  clReleaseEvent(ended);
}

/* The tensor's memory, once the wait list has completed; NULL with *error set where there is none. */
static void *open_map(const clloss_tensor *tensor, cl_map_flags flags, cl_command_queue queue, cl_uint n_wait,
                      const cl_event *wait, cl_int *error) {
  *error = wait_first(tensor, queue, n_wait, wait);
  if (*error != CL_SUCCESS) return NULL;
  cl_event map = NULL;
  void *pointer = clEnqueueMapBuffer(queue, tensor->mem, CL_FALSE, flags, 0, tensor->bytes, 0, NULL, &map,
                                     error);
  if (*error != CL_SUCCESS) {
    FAILED(tensor, *error, "clEnqueueMapBuffer", "the map");
    return NULL;
  }
  *error = wait_for(tensor, map);
  if (*error != CL_SUCCESS) undo_map(tensor, pointer, queue, map);
  let_go(tensor, map, *error);
  return *error == CL_SUCCESS ? pointer : NULL;
}

/* Hands it back; without `done` waits, as commands on other queues can't know of it. Where that fails it is tried once more, as
 * nobody else can: a tensor that stayed mapped could not be used again. */
static clloss_status close_map(const clloss_tensor *tensor, void *pointer, cl_command_queue queue,
                               cl_event *done) {
  cl_event ended = NULL;
  const cl_int error = clEnqueueUnmapMemObject(queue, tensor->mem, pointer, 0, NULL, &ended);
  if (error == CL_SUCCESS) return hand_over(tensor, ended, done);
  if (clEnqueueUnmapMemObject(queue, tensor->mem, pointer, 0, NULL, &ended) == CL_SUCCESS)
    hand_over(tensor, ended, NULL);
  return FAILED(tensor, error, "clEnqueueUnmapMemObject", "handing the memory back");
}

static clloss_status check_conversion(const clloss_tensor *tensor, uint32_t host_dtype, const void *host,
                                      cl_command_queue queue, cl_uint n_wait, const cl_event *wait) {
  const clloss_status status = check_transfer(tensor, queue, n_wait, wait);
  if (status != CLLOSS_SUCCESS) return status;
  if (!clloss__converts(host_dtype, tensor->dtype)) {
    char word[16];
    clloss__dtype_said(word, sizeof word, host_dtype);
    return REFUSE(tensor, CLLOSS_DTYPE, "host_dtype is %s, which isn't converted to the tensor's %s", word,
                  clloss_dtype_name(tensor->dtype));
  }
  if (tensor->mapped) return refuse_mapped(tensor);
  return tensor->bytes && !host ? REFUSE(tensor, CLLOSS_NULL_ARGUMENT, "host: NULL") : CLLOSS_SUCCESS;
}

clloss_status clloss_tensor_upload_as(clloss_tensor *tensor, uint32_t host_dtype, const void *host,
                                      cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                      cl_event *done) {
  const clloss_status status = check_conversion(tensor, host_dtype, host, queue, n_wait, wait);
  if (status != CLLOSS_SUCCESS) return status;
  if (host_dtype == tensor->dtype || !tensor->bytes)
    return clloss_tensor_upload(tensor, host, queue, n_wait, wait, done);
  const size_t n = tensor->rows * tensor->classes;
  if (!clloss__fits(tensor->dtype, host_dtype, host, n))
    return REFUSE(tensor, CLLOSS_VALUE, "host: an integer that %s doesn't hold",
                  clloss_dtype_name(tensor->dtype));
  cl_int error;
  void *device = open_map(tensor, CL_MAP_WRITE_INVALIDATE_REGION, queue, n_wait, wait, &error);
  if (!device) return error;
  clloss__convert(tensor->dtype, device, host_dtype, host, n);
  return close_map(tensor, device, queue, done);
}

clloss_status clloss_tensor_download_as(const clloss_tensor *tensor, uint32_t host_dtype, void *host,
                                        cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                        cl_event *done) {
  const clloss_status status = check_conversion(tensor, host_dtype, host, queue, n_wait, wait);
  if (status != CLLOSS_SUCCESS) return status;
  if (host_dtype == tensor->dtype || !tensor->bytes)
    return clloss_tensor_download(tensor, host, queue, n_wait, wait, done);
  const size_t n = tensor->rows * tensor->classes;
  cl_int error;
  void *device = open_map(tensor, CL_MAP_READ, queue, n_wait, wait, &error);
  if (!device) return error;
  const bool fits = clloss__fits(host_dtype, tensor->dtype, device, n);
  if (fits) clloss__convert(host_dtype, host, tensor->dtype, device, n);
  error = close_map(tensor, device, queue, fits ? done : NULL);
  return fits ? error
              : REFUSE(tensor, CLLOSS_VALUE, "the tensor holds an integer that %s doesn't",
                       clloss_dtype_name(host_dtype));
}

clloss_status clloss_tensor_map(clloss_tensor *tensor, void **host, cl_command_queue queue, cl_uint n_wait,
                                const cl_event *wait, cl_event *done) {
  if (host) *host = NULL;
  const clloss_status status = check_transfer(tensor, queue, n_wait, wait);
  if (status != CLLOSS_SUCCESS) return status;
  if (!host) return REFUSE(tensor, CLLOSS_NULL_ARGUMENT, "host: NULL");
  if (tensor->mapped) return refuse_mapped(tensor);
  if (!tensor->bytes) return REFUSE(tensor, CLLOSS_SIZE, "the tensor has no elements to map");
  cl_int error = clRetainCommandQueue(queue);
  if (error != CL_SUCCESS) return FAILED(tensor, error, "clRetainCommandQueue", "the map");
  const cl_map_flags flags = CL_MAP_READ | CL_MAP_WRITE;
  cl_event map = NULL;
  void *pointer = done ? clEnqueueMapBuffer(queue, tensor->mem, CL_FALSE, flags, 0, tensor->bytes, n_wait,
                                            wait, &map, &error)
                       : open_map(tensor, flags, queue, n_wait, wait, &error);
  if (error != CL_SUCCESS) {
    clReleaseCommandQueue(queue);
    return done ? FAILED(tensor, error, "clEnqueueMapBuffer", "the map") : error;
  }
  if (done) *done = map;
  tensor->mapped = *host = pointer;
  tensor->map_queue = queue;
  return CLLOSS_SUCCESS;
}

clloss_status clloss_tensor_unmap(clloss_tensor *tensor, cl_command_queue queue, cl_uint n_wait,
                                  const cl_event *wait, cl_event *done) {
  const clloss_status status = check_transfer(tensor, queue, n_wait, wait);
  if (status != CLLOSS_SUCCESS) return status;
  if (!tensor->mapped) return REFUSE(tensor, CLLOSS_MAPPED, "the tensor isn't mapped");
  cl_event unmap = NULL;
  const cl_int error = clEnqueueUnmapMemObject(queue, tensor->mem, tensor->mapped, n_wait, wait, &unmap);
  if (error != CL_SUCCESS) return FAILED(tensor, error, "clEnqueueUnmapMemObject", "handing the memory back");
  if (done) {
    *done = unmap;
  } else {
    clloss__held_forget(&tensor->held); /* each keeps its queue alive */
    clloss__held_add(&tensor->held, unmap);
  }
  clReleaseCommandQueue(tensor->map_queue);
  tensor->mapped = NULL;
  return CLLOSS_SUCCESS;
}
