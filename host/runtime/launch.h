/* The one way to the device: a call is a list of launches that share their arguments. */
#ifndef CLLOSS_HOST_LAUNCH_H
#define CLLOSS_HOST_LAUNCH_H

#include <clloss/clloss.h>

#include "device.h"
#include "plan.h"
#include "pointer.h"
#include "pool.h"
#include "program.h"

/* A kernel of the call takes fewer work-items than its plan gives it: nothing was enqueued, the device's facts know it now, and
 * the call has to be planned again. No caller of the library's sees this. */
enum { CLLOSS__SMALLER = INT32_MIN };

typedef struct {
  const void *value;
  size_t size_bytes;
} clloss__arg;

typedef struct {
  char kernel[CLLOSS__KERNEL_NAME];
  size_t groups, local_size;
  clloss__shape shape; /* what is compiled in of the plan */
} clloss__launch;

typedef struct {
  const char *source;
  clloss__types types;
  /* Of every kernel of the call: buffers and pointers first, then the rest, but for the local memory that is each one's last. */
  const clloss__memory *mems;
  size_t n_mems;
  const clloss__arg *args;
  size_t n_args;
  clloss__launch launches[6];
  size_t n_launches;
  cl_command_queue queue;
  cl_uint n_wait;
  const cl_event *wait;
  cl_event *done;
  clloss__block *block; /* workspace of the pool that the call was given; NULL: none */
  cl_event block_busy;  /* what the block's last use still waits for, or NULL */
} clloss__call;

/* What no call may wait for: a list that contradicts its length, an event that is NULL, and one that has failed, as PoCL 3.1
 * never ends a command whose wait list had failed before the enqueue. */
clloss_status clloss__launch_check_wait(clloss__message *message, cl_uint n_wait, const cl_event *wait);

/* Whose a queue has to be: a ctx's or a tensor's, which `name` says. */
typedef struct {
  cl_context context;
  cl_device_id device;
  const char *name;
} clloss__owner;

/* The same, and NULL queue, a queue of another context or device. */
clloss_status clloss__launch_check_queue(clloss__message *message, const clloss__owner *owner,
                                         cl_command_queue queue, cl_uint n_wait, const cl_event *wait);

/* Options in the type of the arithmetic, as an argument: `bytes` of doubles as they are, or rounded into `single`, which
 * has room for as many floats. */
clloss__arg clloss__launch_scalars(const void *exact, size_t bytes, uint32_t dtype, void *single);

/* One launch more at the end of the call's list, by the plan, in so many work-groups; in none, it is left out. Of the kernel
 * <kernel>__<variant>, and with `any` of the one of held rows that lie otherwise than the fast one takes; … */
void clloss__launch_rows(clloss__call *call, const clloss__plan *plan, const char *kernel,
                         const char *variant, bool any, size_t groups);

/* … and of <kernel>__<team>, which weighs, divides or finishes: of held rows it has a program and work-groups of its own, as
 * those are made for registers. */
void clloss__launch_sums(clloss__call *call, const clloss__plan *plan, const char *kernel, size_t groups);

/* Where the call's workspace is: in the caller's view if that is bound, else in a block of the pool, which the call then
 * holds. */
clloss_status clloss__launch_workspace(clloss_ctx *ctx, clloss__call *call, const clloss_view *view,
                                       size_t bytes, clloss__memory *memory, size_t *at);

/* Enqueues the launches one after another, each waiting for the one before, so that in-order and out-of-order queues
 * are the same; the first waits for the wait list and for block_busy. The last one's event covers the call, and is the
 * block's last use. All kernels are compiled and their arguments checked before the first is enqueued; without a queue, that
 * is all. */
clloss_status clloss__launch_all(clloss_ctx *ctx, const clloss__call *call);

/* Waits for all that an in-order queue of the library's own was given, which may then be released. `step` is what a message
 * says was being waited for; NULL: there is none. */
clloss_status clloss__launch_drain(clloss_ctx *ctx, cl_command_queue queue, const char *step);

#endif
