/* What a device's compiler can do beyond OpenCL C, found out by a trial build. */
#ifndef CLLOSS_HOST_PROBE_H
#define CLLOSS_HOST_PROBE_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "message.h"

enum { CLLOSS__PROBE_OPTIONS = 160 };

/* Writes a -D option, with a blank before it, for everything that the device's compiler has of what kernels use where they can.
 * A trial that isn't built means that they do without; any other error of OpenCL's comes back, with a message. cpu: the
 * device is one; others are asked for nothing, as there is nothing yet that their kernels would use. */
clloss_status clloss__probe(clloss__message *message, cl_context context, cl_device_id device, bool cpu,
                            char options[CLLOSS__PROBE_OPTIONS]);

#endif
