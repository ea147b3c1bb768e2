/* What a device's compiler can do beyond OpenCL C, found out by a trial build. */
#ifndef CLLOSS_HOST_PROBE_H
#define CLLOSS_HOST_PROBE_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "message.h"

typedef struct {
  char options
      [256]; /* a -D, with a blank before it, for everything that the compiler has of what kernels use where they can */
  char standard[8]; /* of OpenCL C, that it takes for these */
  char how[24];     /* the group team's items fold what they have found: words for a plan */
} clloss__probed;

/* A trial that isn't built means that kernels do without; any other error of OpenCL's comes back, with a message. cpu: the
 * device is one. group: for the group team. */
clloss_status clloss__probe(clloss__message *message, cl_context context, cl_device_id device, bool cpu,
                            bool group, clloss__probed *found);

#endif
