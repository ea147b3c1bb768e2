/* Host arrays as buffers, part by part: two places that take turns, each with its own queue, so that one part moves
 * while the other is computed, and a third for what belongs to the whole. Where the device shares the host's memory a buffer lies on the array itself, and mapping
 * takes the place of copying. */
#ifndef CLLOSS_HOST_STREAM_H
#define CLLOSS_HOST_STREAM_H

#include <clloss/clloss.h>
#include <stdbool.h>

enum { CLLOSS__STREAM_PLACES = 3, CLLOSS__STREAM_ARRAYS = 16 };

typedef struct {
  cl_mem mem;
  size_t bytes; /* room in mem; 0: the buffer lies on the host's array and is made anew for each part */
  void *host;   /* not NULL: results go here */
  size_t result_bytes;
} clloss__array;

typedef struct {
  clloss_ctx *ctx;
  struct {
    cl_command_queue queue;
    clloss__array arrays[CLLOSS__STREAM_ARRAYS];
  } places[CLLOSS__STREAM_PLACES];
} clloss__stream;

clloss_status clloss__stream_open(clloss__stream *s, clloss_ctx *ctx);

/* The buffer of array number `which` of a place, `bytes` of the host's memory: read by kernels, written, or both.
 * Enqueues the upload where there is one. NULL stays NULL. */
clloss_status clloss__stream_array(clloss__stream *s, size_t place, size_t which, const void *host,
                                   size_t bytes, bool reads, bool writes, cl_mem *mem);

/* The place's queue, in order. */
cl_command_queue clloss__stream_queue(const clloss__stream *s, size_t place);

/* Waits until what was enqueued for the place is done, and keeps its buffers. */
clloss_status clloss__stream_settle(clloss__stream *s, size_t place);

/* Enqueues what brings the place's results to the host. */
clloss_status clloss__stream_collect(clloss__stream *s, size_t place);

/* Waits for the place: its results are on the host, and it may be used again. */
clloss_status clloss__stream_wait(clloss__stream *s, size_t place);

/* Waits for everything and releases it; also after a failure. */
void clloss__stream_close(clloss__stream *s);

#endif
