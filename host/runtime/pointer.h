/* Memory that kernels reach by a pointer of the host's, without a cl_mem: what clSVMAlloc gives since OpenCL 2.0, and the
 * allocations of cl_intel_unified_shared_memory (USM). Whether a device has either is asked when the first pointer comes.
 *
 * A pointer is the context's own, or refused: one that only looks like it, malloc's or another context's, would be read wherever
 * the driver happens to map it. What isn't mapped for the host at all, another context's device memory, can't be asked about. */
#ifndef CLLOSS_HOST_POINTER_H
#define CLLOSS_HOST_POINTER_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "message.h"

/* What a view is on, as kernels are handed it: one of both, or neither. */
typedef struct {
  cl_mem mem;
  void *pointer;
} clloss__memory;

static inline bool clloss__is_bound(const clloss_view *view) { return view->mem || view->pointer; }
static inline clloss__memory clloss__memory_of(const clloss_view *view) {
  return (clloss__memory){view->mem, view->pointer};
}

typedef cl_int(CL_API_CALL *clloss__usm_info)(cl_context, const void *, cl_uint, size_t, void *, size_t *);
typedef cl_int(CL_API_CALL *clloss__usm_set)(cl_kernel, cl_uint, const void *);

/* What is known of a context's and device's pointers; all 0 before the first. */
typedef struct {
  bool asked, svm;
  clloss__usm_info usm_info; /* USM's functions: both or none */
  clloss__usm_set usm_set;
} clloss__pointers;

/* Whether kernels may touch `bytes` from there on. *room: how many they may, at least `bytes` where SVM hides the rest. `name` is the
 * view's in messages.
 *   CLLOSS_DEVICE          it has neither SVM nor USM, or this is USM of another device
 *   CLLOSS_MEMORY_CONTEXT  no such allocation of the context's begins there, or, of USM, holds it
 *   CLLOSS_BUFFER_SIZE     the allocation is smaller, as far as the driver tells: *room says how large, or is 0
 *   or OpenCL's */
clloss_status clloss__pointer_find(clloss__pointers *pointers, clloss__message *message, cl_context context,
                                   cl_device_id device, const char *name, void *pointer, size_t bytes,
                                   size_t *room);

/* Sets a kernel's argument to a pointer that was found. *call: by which of OpenCL's. */
cl_int clloss__pointer_set(const clloss__pointers *pointers, cl_context context, cl_kernel kernel, cl_uint i,
                           const void *pointer, const char **call);

#endif
