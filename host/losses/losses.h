/* What losses offer beside their public calls: each one's whole, for whoever asks otherwise than to make a call. */
#ifndef CLLOSS_HOST_LOSSES_H
#define CLLOSS_HOST_LOSSES_H

#include "call.h"

typedef clloss_status clloss__run(const clloss__ask *ask);

clloss__run clloss__xent_run, clloss__softmax_run, clloss__distill_run, clloss__information_run,
    clloss__pointwise_run;

#endif
