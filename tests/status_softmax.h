/* What clloss_softmax_forward and _backward refuse; test_softmax.c runs it. */
#ifndef CLLOSS_TESTS_STATUS_SOFTMAX_H
#define CLLOSS_TESTS_STATUS_SOFTMAX_H

#include "harness.h"

/* How many checks failed. */
int status_softmax(const harness_device *device);

#endif
