/* What losses offer beside their public calls: to be compiled ahead of the first one. */
#ifndef CLLOSS_HOST_LOSSES_H
#define CLLOSS_HOST_LOSSES_H

#include <clloss/clloss.h>

enum { CLLOSS__FORWARD, CLLOSS__BACKWARD, CLLOSS__FUSED };

/* Checks the call as far as that goes without buffers: a view with an element type counts as bound. Enqueues its kernels
 * as the call itself would, in the same numbers and sizes of work-groups, for which some drivers generate code of their own,
 * but with no rows, so that they touch nothing but workspace of the pool. */
typedef clloss_status clloss__prebuild(clloss_ctx *ctx, int pass, const void *arrays, const void *options,
                                       cl_command_queue queue);

clloss__prebuild clloss__xent_prebuild, clloss__softmax_prebuild, clloss__distill_prebuild,
    clloss__information_prebuild, clloss__pointwise_prebuild;

#endif
