/* The device that is measured: its context, an in-order queue, the facts that stand above the table, and buffers that
 * take turns so that a timed call never finds its data in the last-level cache. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "result.h"

#include <clloss/clloss.h>

struct machine {
  cl_device_id device;
  cl_context context;
  cl_command_queue queue;
  int is_cpu;
  struct run_facts facts;
};

/* Opens device number `index`, counted over all platforms in the loader's order. 0; or a reason, with 2
 * where there is no such number and −1 where OpenCL is at fault. */
int machine_open(struct machine *m, unsigned index, char *why, size_t why_size);
void machine_close(struct machine *m);

/* Monotonic, in milliseconds. */
double clock_ms(void);

/* Buffers of one size, all holding the same whenever nobody is using them. */
#define RING_MAX 256
struct ring {
  cl_mem buffer[RING_MAX];
  size_t count, next, bytes;
  const void *home; /* what they hold; the caller's */
};

/* Makes the ring and fills it: as many buffers as it takes to walk through 1.5 times the last-level cache before
 * coming back to the first, at least 3, at most what fits `budget_bytes`. A CL status. */
cl_int ring_open(struct ring *r, const struct machine *m, const void *home, size_t bytes,
                 size_t budget_bytes);
void ring_close(struct ring *r);

/* Has all of them hold something else, of the same size. */
cl_int ring_refill(struct ring *r, const struct machine *m, const void *home);

/* The buffer that has rested longest, then the second longest … */
cl_mem ring_next(struct ring *r);

/* Writes home back to a buffer that was changed. */
cl_int ring_restore(const struct ring *r, const struct machine *m, cl_mem buffer);

/* Whether coming round takes less than the cache holds: such figures are of warm data. */
int ring_is_warm(const struct ring *r, const struct machine *m);

#endif
