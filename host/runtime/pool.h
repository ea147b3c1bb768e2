/* Workspace for calls that bring none: a few buffers that are reused from call to call. */
#ifndef CLLOSS_HOST_POOL_H
#define CLLOSS_HOST_POOL_H

#include <clloss/clloss.h>

#include "message.h"

#define CLLOSS__POOL_BLOCKS 8

typedef struct {
  cl_mem mem;
  size_t bytes;
  cl_event last_use; /* of the last call that was given it; NULL: never used */
} clloss__block;

typedef struct {
  cl_context context; /* the owner's */
  clloss__block blocks[CLLOSS__POOL_BLOCKS];
  uint64_t bytes, peak_bytes, allocations;
} clloss__pool;

/* A block of at least `bytes` for a call on `queue`. If *wait_for isn't NULL the call's first command has to wait for
 * that event, which stays the pool's. The block stays the pool's too; the call reports its last event by _used. */
clloss_status clloss__pool_take(clloss__pool *pool, clloss__message *message, size_t bytes,
                                cl_command_queue queue, clloss__block **block, cl_event *wait_for);

/* The block is in use until `event`, which becomes the pool's. */
void clloss__pool_used(clloss__block *block, cl_event event);

/* Room for `bytes` at the end of a workspace that is being laid out: where it begins, and *end moves on. */
size_t clloss__pool_region(size_t *end, size_t bytes);

void clloss__pool_release(clloss__pool *pool);

#endif
