/* What is known of the device, and of the element types. */
#ifndef CLLOSS_HOST_DEVICE_H
#define CLLOSS_HOST_DEVICE_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "message.h"

typedef struct {
  bool cpu;
  bool shares_memory; /* with the host: mapping copies nothing */
  bool f64;           /* cl_khr_fp64 */
  size_t units;       /* compute units: cores of a CPU, multiprocessors of a GPU */
  size_t local_bytes; /* local memory of a work-group, for what launches hand their kernels, */
  size_t own_bytes;   /* beside what kernels have turned out to take by themselves */
  size_t local_most;  /* work-items per work-group, also bounded by the local memory that they fold in */
  size_t sum_most;    /* the same of kernels that add up what work-groups of held rows have left */
  size_t vectors; /* of four f32 that a work-item of the group team may hold: what its registers are for */
} clloss__device;

/* CLLOSS_DEVICE where the device can't compile or isn't little-endian. */
clloss_status clloss__device_read(clloss__message *message, cl_device_id device, clloss__device *facts);

/* What the device says in words, into *text, which is malloc's and the caller's to free; NULL where it fails. `step` is what a message
 * says it was asked for. */
clloss_status clloss__device_text(clloss__message *message, cl_device_id device, cl_device_info what,
                                  const char *step, char **text);

/* A kernel takes so many bytes of local memory by itself: what is left bounds work-groups. */
void clloss__device_take_local(clloss__device *facts, size_t own_bytes);

#endif
