/* Every refusal of the distillation calls. */
#ifndef CLLOSS_TESTS_STATUS_DISTILL_H
#define CLLOSS_TESTS_STATUS_DISTILL_H

#include "harness.h"

/* How many checks failed; each is printed. */
int status_distill(const harness_device *device);

#endif
