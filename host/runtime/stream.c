/* Host arrays as buffers: queues, uploads, downloads, maps. */
#include "stream.h"

#include <string.h>

#include "ctx.h"
#include "launch.h"

/* CLLOSS_SUCCESS where nothing has. */
static clloss_status failed(clloss__stream *s, cl_int error, const char *call, const char *what) {
  return error == CL_SUCCESS ? CLLOSS_SUCCESS : clloss__say_opencl(&s->ctx->message, error, call, "%s", what);
}

clloss_status clloss__stream_open(clloss__stream *s, clloss_ctx *ctx) {
  memset(s, 0, sizeof *s);
  s->ctx = ctx;
  for (size_t i = 0; i < CLLOSS__STREAM_PLACES; ++i) {
    cl_int error;
    /* deprecated in OpenCL 2.0, and still the one call that every version has */
    s->places[i].queue = clCreateCommandQueue(ctx->context, ctx->device, 0, &error);
    if (error != CL_SUCCESS) return failed(s, error, "clCreateCommandQueue", "a queue for parts");
  }
  return CLLOSS_SUCCESS;
}

static void release(clloss__array *a) {
  if (a->mem) clReleaseMemObject(a->mem);
  *a = (clloss__array){0};
}

/* On shared memory: a buffer on the array itself. */
static clloss_status lay_on(clloss__stream *s, clloss__array *a, const void *host, size_t bytes,
                            bool writes) {
  release(a);
  cl_int error;
  const cl_mem_flags access = writes ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY;
  a->mem = clCreateBuffer(s->ctx->context, access | CL_MEM_USE_HOST_PTR, bytes, (void *)(uintptr_t)host,
                          &error);
  return failed(s, error, "clCreateBuffer", "a part's buffer on the host's array");
}

static clloss_status copy_to(clloss__stream *s, size_t place, clloss__array *a, const void *host,
                             size_t bytes, bool reads) {
  cl_int error = CL_SUCCESS;
  if (a->bytes < bytes) {
    release(a);
    a->mem = clCreateBuffer(s->ctx->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    if (error != CL_SUCCESS) return failed(s, error, "clCreateBuffer", "a part's buffer");
    a->bytes = bytes;
  }
  if (reads)
    error = clEnqueueWriteBuffer(s->places[place].queue, a->mem, CL_FALSE, 0, bytes, host, 0, NULL, NULL);
  return failed(s, error, "clEnqueueWriteBuffer", "a part's upload");
}

clloss_status clloss__stream_array(clloss__stream *s, size_t place, size_t which, const void *host,
                                   size_t bytes, bool reads, bool writes, cl_mem *mem) {
  *mem = NULL;
  if (!host || !bytes) return CLLOSS_SUCCESS;
  clloss__array *a = &s->places[place].arrays[which];
  const clloss_status status = s->ctx->planner.facts.shares_memory ? lay_on(s, a, host, bytes, writes)
                                                                   : copy_to(s, place, a, host, bytes, reads);
  if (status != CLLOSS_SUCCESS) return status;
  a->host = writes ? (void *)(uintptr_t)host : NULL;
  a->result_bytes = writes ? bytes : 0;
  *mem = a->mem;
  return CLLOSS_SUCCESS;
}

static clloss_status collect_array(clloss__stream *s, cl_command_queue queue, const clloss__array *a) {
  static const char step[] = "a part's results";
  cl_int error;
  if (a->bytes) {
    error = clEnqueueReadBuffer(queue, a->mem, CL_FALSE, 0, a->result_bytes, a->host, 0, NULL, NULL);
    return failed(s, error, "clEnqueueReadBuffer", step);
  }
  void *mapped = clEnqueueMapBuffer(queue, a->mem, CL_FALSE, CL_MAP_READ, 0, a->result_bytes, 0, NULL, NULL,
                                    &error);
  if (error != CL_SUCCESS) return failed(s, error, "clEnqueueMapBuffer", step);
  error = clEnqueueUnmapMemObject(queue, a->mem, mapped, 0, NULL, NULL);
  return failed(s, error, "clEnqueueUnmapMemObject", step);
}

clloss_status clloss__stream_collect(clloss__stream *s, size_t place) {
  cl_command_queue queue = s->places[place].queue;
  for (size_t i = 0; i < CLLOSS__STREAM_ARRAYS; ++i) {
    const clloss__array *a = &s->places[place].arrays[i];
    const clloss_status status = a->host ? collect_array(s, queue, a) : CLLOSS_SUCCESS;
    if (status != CLLOSS_SUCCESS) return status;
  }
  return failed(s, clFlush(queue), "clFlush", "a part's results");
}

cl_command_queue clloss__stream_queue(const clloss__stream *s, size_t place) {
  return s->places[place].queue;
}

clloss_status clloss__stream_settle(clloss__stream *s, size_t place) {
  return clloss__launch_drain(s->ctx, s->places[place].queue, "waiting for an upload");
}

clloss_status clloss__stream_wait(clloss__stream *s, size_t place) {
  const clloss_status status = clloss__launch_drain(s->ctx, s->places[place].queue, "waiting for a part");
  for (size_t i = 0; i < CLLOSS__STREAM_ARRAYS; ++i) {
    clloss__array *a = &s->places[place].arrays[i];
    a->host = NULL;
    if (!a->bytes) release(a);
  }
  return status;
}

void clloss__stream_close(clloss__stream *s) {
  for (size_t p = 0; p < CLLOSS__STREAM_PLACES; ++p) {
    if (!s->places[p].queue) continue;
    /* there is nothing to wait for but after a failure, whose message stands */
    if (clloss__launch_drain(s->ctx, s->places[p].queue, NULL) != CLLOSS_SUCCESS)
      clFinish(s->places[p].queue);
    for (size_t i = 0; i < CLLOSS__STREAM_ARRAYS; ++i) release(&s->places[p].arrays[i]);
    clReleaseCommandQueue(s->places[p].queue);
  }
}
