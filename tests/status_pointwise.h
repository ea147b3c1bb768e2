/* The part of test_pointwise that is about calls that are refused. */
#ifndef CLLOSS_TESTS_STATUS_POINTWISE_H
#define CLLOSS_TESTS_STATUS_POINTWISE_H

#include "harness.h"

/* How many checks failed. */
int status_pointwise(const harness_device *device);

#endif
