/* Names and meanings of codes, types and flags: clLoss's own from the lists in clloss_types.h, OpenCL's codes from the list here. */
#include "names.h"

#include <stdbool.h>
#include <stdio.h>

/* Of cl_khr_icd: what a loader answers where nothing is installed. Not every platform has cl_ext.h. */
#ifndef CL_PLATFORM_NOT_FOUND_KHR
#  define CL_PLATFORM_NOT_FOUND_KHR (-1001)
#endif

/* clang-format off */
#define OPENCL_STATUS_LIST(X)                                                                                  \
  X(CL_DEVICE_NOT_FOUND) X(CL_DEVICE_NOT_AVAILABLE) X(CL_COMPILER_NOT_AVAILABLE)                               \
  X(CL_MEM_OBJECT_ALLOCATION_FAILURE) X(CL_OUT_OF_RESOURCES) X(CL_OUT_OF_HOST_MEMORY)                          \
  X(CL_PROFILING_INFO_NOT_AVAILABLE) X(CL_MEM_COPY_OVERLAP) X(CL_IMAGE_FORMAT_MISMATCH)                        \
  X(CL_IMAGE_FORMAT_NOT_SUPPORTED) X(CL_BUILD_PROGRAM_FAILURE) X(CL_MAP_FAILURE)                               \
  X(CL_MISALIGNED_SUB_BUFFER_OFFSET) X(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)                           \
  X(CL_COMPILE_PROGRAM_FAILURE) X(CL_LINKER_NOT_AVAILABLE) X(CL_LINK_PROGRAM_FAILURE)                          \
  X(CL_DEVICE_PARTITION_FAILED) X(CL_KERNEL_ARG_INFO_NOT_AVAILABLE) X(CL_INVALID_VALUE)                        \
  X(CL_INVALID_DEVICE_TYPE) X(CL_INVALID_PLATFORM) X(CL_INVALID_DEVICE) X(CL_INVALID_CONTEXT)                  \
  X(CL_INVALID_QUEUE_PROPERTIES) X(CL_INVALID_COMMAND_QUEUE) X(CL_INVALID_HOST_PTR)                            \
  X(CL_INVALID_MEM_OBJECT) X(CL_INVALID_IMAGE_FORMAT_DESCRIPTOR) X(CL_INVALID_IMAGE_SIZE)                      \
  X(CL_INVALID_SAMPLER) X(CL_INVALID_BINARY) X(CL_INVALID_BUILD_OPTIONS) X(CL_INVALID_PROGRAM)                 \
  X(CL_INVALID_PROGRAM_EXECUTABLE) X(CL_INVALID_KERNEL_NAME) X(CL_INVALID_KERNEL_DEFINITION)                   \
  X(CL_INVALID_KERNEL) X(CL_INVALID_ARG_INDEX) X(CL_INVALID_ARG_VALUE) X(CL_INVALID_ARG_SIZE)                  \
  X(CL_INVALID_KERNEL_ARGS) X(CL_INVALID_WORK_DIMENSION) X(CL_INVALID_WORK_GROUP_SIZE)                         \
  X(CL_INVALID_WORK_ITEM_SIZE) X(CL_INVALID_GLOBAL_OFFSET) X(CL_INVALID_EVENT_WAIT_LIST)                       \
  X(CL_INVALID_EVENT) X(CL_INVALID_OPERATION) X(CL_INVALID_GL_OBJECT) X(CL_INVALID_BUFFER_SIZE)                \
  X(CL_INVALID_MIP_LEVEL) X(CL_INVALID_GLOBAL_WORK_SIZE) X(CL_INVALID_PROPERTY)                                \
  X(CL_INVALID_IMAGE_DESCRIPTOR) X(CL_INVALID_COMPILER_OPTIONS) X(CL_INVALID_LINKER_OPTIONS)                   \
  X(CL_INVALID_DEVICE_PARTITION_COUNT)                                                                         \
  X(CL_PLATFORM_NOT_FOUND_KHR)
/* clang-format on */

uint32_t clloss_version(void) {
  return CLLOSS_VERSION_MAJOR * 10000 + CLLOSS_VERSION_MINOR * 100 + CLLOSS_VERSION_PATCH;
}

const char *clloss_status_name(clloss_status status) {
  switch (status) {
#define OWN_NAME(name, value, text) \
  case value: return "CLLOSS_" #name;
    CLLOSS_STATUS_LIST(OWN_NAME)
#undef OWN_NAME
#define OPENCL_NAME(name) \
  case name: return #name;
    OPENCL_STATUS_LIST(OPENCL_NAME)
#undef OPENCL_NAME
  }
  return "unknown status";
}

const char *clloss_status_text(clloss_status status) {
  switch (status) {
#define OWN_TEXT(name, value, text) \
  case value: return text;
    CLLOSS_STATUS_LIST(OWN_TEXT)
#undef OWN_TEXT
#define OPENCL_TEXT(name) \
  case name: return "refused by OpenCL: " #name;
    OPENCL_STATUS_LIST(OPENCL_TEXT)
#undef OPENCL_TEXT
  }
  return "unknown status";
}

const char *clloss_family_name(uint32_t family) {
  static const char *const names[] = {"auto", "lane", "group", "split"};
  return family < sizeof names / sizeof *names ? names[family] : NULL;
}

static const struct {
  const char *word;
  size_t bytes;
} dtypes[] = {
#define DTYPE_WORD(name, value, word, bytes) [value] = {word, bytes},
    CLLOSS_DTYPE_LIST(DTYPE_WORD)
#undef DTYPE_WORD
};
#define DTYPES (sizeof dtypes / sizeof *dtypes)

const char *clloss_dtype_name(uint32_t dtype) { return dtype < DTYPES ? dtypes[dtype].word : NULL; }
size_t clloss_dtype_size(uint32_t dtype) { return dtype < DTYPES ? dtypes[dtype].bytes : 0; }

void clloss__dtype_said(char *text, size_t size, uint32_t dtype) {
  if (clloss_dtype_name(dtype)) {
    snprintf(text, size, "%s", clloss_dtype_name(dtype));
  } else {
    snprintf(text, size, "%u", dtype);
  }
}

void clloss__dtypes_of(char *text, size_t size, uint32_t set) {
  size_t at = 0;
  *text = 0;
  for (uint32_t type = 1; type < DTYPES; ++type) {
    if (!(set >> type & 1)) continue;
    const bool last = !(set >> type >> 1);
    const int n = snprintf(text + at, size - at, "%s%s", !at ? "" : last ? " or " : ", ", dtypes[type].word);
    if (n < 0 || (size_t)n >= size - at) return;
    at += (size_t)n;
  }
}

/* No two share a bit: their sum is their union. */
#define AND(name, bit, of, text) +(1ull << (bit))
#define OR(name, bit, of, text)  | (1ull << (bit))
_Static_assert(CLLOSS_FLAG_LIST(AND) == (0 CLLOSS_FLAG_LIST(OR)), "two flags share a bit");
#undef AND
#undef OR

clloss__flag clloss__flag_of(uint32_t flags) {
  static const clloss__flag all[32] = {
#define FLAG(name, bit, of, text) [bit] = {bit, "CLLOSS_" #name, of},
      CLLOSS_FLAG_LIST(FLAG)
#undef FLAG
  };
  uint32_t bit = 0;
  while (bit < 31 && !(flags >> bit & 1)) ++bit;
  const clloss__flag none = {bit, NULL, NULL};
  return all[bit].name ? all[bit] : none;
}
