/* From clloss_ctx_create to the first result, in a new process, with the driver's cache of kernels empty (cold) and
 * filled (warm). */
#ifndef BENCH_STARTUP_H
#define BENCH_STARTUP_H

#include "machine.h"

/* In this process: makes a ctx, computes loss and gradient of 32 rows of 10 classes, reads the loss. A clLoss status. */
clloss_status first_result(const struct machine *m, double *ms);

/* The same in new processes of this program, so many: `clloss bench --first-result --device N`, whose kernel cache lies
 * in a folder of its own. Fills cold and warm, or their `failed`. `tick` is called after each process. */
void first_results(unsigned device, size_t reps, struct result *cold, struct result *warm,
                   void (*tick)(void));

#endif
