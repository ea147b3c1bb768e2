/* The losses: each is a description. */
#ifndef CLLOSS_HOST_LOSSES_H
#define CLLOSS_HOST_LOSSES_H

#include "call.h"

extern const clloss__loss clloss__xent_loss, clloss__softmax_loss, clloss__distill_loss,
    clloss__information_loss, clloss__pointwise_loss, clloss__cast_loss;

#endif
