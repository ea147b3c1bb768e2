/* The part of test_status that goes through the three cross-entropy calls. */
#ifndef CLLOSS_TESTS_STATUS_XENT_H
#define CLLOSS_TESTS_STATUS_XENT_H

#include "fixture.h"

/* Runs every refusal and every call that looks odd and is right. Calls `seen` with each status that came out as it
 * should; returns the number of failed checks. */
int status_xent(const fixture *f, void (*seen)(clloss_status));

#endif
