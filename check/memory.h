/* Memory of every kind that a view can be on: buffers, SVM of OpenCL 2.0, and Intel's USM. */
#ifndef CLLOSS_CHECK_MEMORY_H
#define CLLOSS_CHECK_MEMORY_H

#include <clloss/clloss.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum memory_kind {
  MEMORY_BUFFER,
  MEMORY_SVM_COARSE,
  MEMORY_SVM_FINE,
  MEMORY_USM_HOST,
  MEMORY_USM_SHARED,
  MEMORY_USM_DEVICE,
  MEMORY_KINDS
} memory_kind;

/* One of mem and pointer. */
typedef struct device_memory {
  memory_kind kind;
  size_t bytes;
  cl_mem mem;
  void *pointer;
} device_memory;

const char *memory_name(memory_kind kind);

/* Whether the device has such memory: it isn't asked for what its version or extensions don't speak of. */
bool memory_is_there(cl_device_id device, memory_kind kind);

/* Of a kind that is there. `flags` are a buffer's: for the others they are read and write. CL_MEM_OBJECT_ALLOCATION_FAILURE where a
 * call doesn't say why. */
cl_int memory_make(device_memory *m, memory_kind kind, cl_context context, cl_device_id device,
                   cl_mem_flags flags, size_t bytes);
/* All of it, at once, in the queue's turn. */
cl_int memory_write(const device_memory *m, cl_command_queue queue, const void *from);
cl_int memory_read(const device_memory *m, cl_command_queue queue, void *to);
/* What uses it has ended. */
void memory_free(device_memory *m, cl_context context);

#endif
