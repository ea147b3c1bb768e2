/* The workspace pool. A block may serve the next call at once where nothing that used it can still run: its last use
 * has ended, or the call goes to the same in-order queue. Otherwise another block is taken while there are fewer than
 * CLLOSS__POOL_BLOCKS, and only then does a call wait, on the device, for another's end. */
#include "pool.h"

#include <stdbool.h>

#define LEAST_BYTES ((size_t)64 << 10) /* so that small shapes share one block */

static void drop(clloss__pool *pool, clloss__block *block) {
  if (block->last_use) clReleaseEvent(block->last_use);
  if (block->mem) clReleaseMemObject(block->mem);
  pool->bytes -= block->bytes;
  *block = (clloss__block){0};
}

/* Whether commands on `queue` may use the block without waiting. A last use that failed has ended too. */
static bool is_free_for(const clloss__block *block, cl_command_queue queue) {
  if (!block->last_use) return true;
  cl_int state = CL_QUEUED;
  clGetEventInfo(block->last_use, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
  if (state <= CL_COMPLETE) return true;
  /* The event keeps its queue alive, so an equal pointer is the same queue. */
  cl_command_queue last = NULL;
  clGetEventInfo(block->last_use, CL_EVENT_COMMAND_QUEUE, sizeof last, &last, NULL);
  cl_command_queue_properties properties = CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
  clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
  return last == queue && !(properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
}

static clloss_status allocate(clloss__pool *pool, clloss__message *message, clloss__block *block,
                              size_t bytes) {
  size_t rounded = LEAST_BYTES;
  while (rounded < bytes && rounded <= SIZE_MAX / 2) rounded *= 2;
  if (rounded < bytes) rounded = bytes;
  cl_int error;
  cl_mem mem = clCreateBuffer(pool->context, CL_MEM_READ_WRITE, rounded, NULL, &error);
  if (error != CL_SUCCESS) {
    return clloss__say_opencl(message, error, "clCreateBuffer", "workspace of %zu bytes", rounded);
  }
  *block = (clloss__block){.mem = mem, .bytes = rounded};
  pool->allocations++;
  pool->bytes += rounded;
  if (pool->bytes > pool->peak_bytes) pool->peak_bytes = pool->bytes;
  return CLLOSS_SUCCESS;
}

clloss_status clloss__pool_take(clloss__pool *pool, clloss__message *message, size_t bytes,
                                cl_command_queue queue, clloss__block **out, cl_event *wait_for) {
  clloss__block *fitting = NULL, *empty = NULL, *small = NULL, *busy = NULL;
  for (size_t i = 0; i < CLLOSS__POOL_BLOCKS; ++i) {
    clloss__block *b = &pool->blocks[i];
    if (!b->mem) {
      empty = b;
    } else if (b->bytes < bytes) {
      small = b;
    } else if (is_free_for(b, queue)) {
      if (!fitting || b->bytes < fitting->bytes) fitting = b;
    } else {
      busy = b;
    }
  }
  *wait_for = NULL;
  *out = fitting;
  if (fitting) return CLLOSS_SUCCESS;
  /* A block that is too small is replaced; OpenCL keeps the buffer for what may still run on it. */
  if (small || empty) {
    clloss__block *place = small ? small : empty;
    clloss__block fresh;
    const clloss_status status = allocate(pool, message, &fresh, bytes);
    if (status != CLLOSS_SUCCESS) return status;
    if (place->mem) drop(pool, place);
    *place = fresh;
    *out = place;
    return CLLOSS_SUCCESS;
  }
  *wait_for = busy->last_use;
  *out = busy;
  return CLLOSS_SUCCESS;
}

void clloss__pool_used(clloss__block *block, cl_event event) {
  if (block->last_use) clReleaseEvent(block->last_use);
  block->last_use = event;
}

size_t clloss__pool_region(size_t *end, size_t bytes) {
  enum { REGION_BYTES = 256 }; /* above any element's, and regions share no cache line */
  const size_t at = *end;
  *end = at + (bytes + REGION_BYTES - 1) / REGION_BYTES * REGION_BYTES;
  return at;
}

void clloss__pool_release(clloss__pool *pool) {
  for (size_t i = 0; i < CLLOSS__POOL_BLOCKS; ++i) drop(pool, &pool->blocks[i]);
}
