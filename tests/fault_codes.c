/* What OpenCL's calls may answer though nothing is wrong with what they were given, by the tables of errors in the
 * specification of OpenCL 1.2; and an allocator that fails. */
#include "faults.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct {
  const char *call;
  cl_int codes[6];
} table[] = {
    {"clGetDeviceIDs", {CL_DEVICE_NOT_FOUND, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clCreateContext", {CL_DEVICE_NOT_AVAILABLE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clCreateBuffer", {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clCreateSubBuffer", {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clBuildProgram", {CL_BUILD_PROGRAM_FAILURE, CL_COMPILER_NOT_AVAILABLE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clWaitForEvents", {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    /* the last is no code of OpenCL's: NVIDIA's driver answers it */
    {"clEnqueueNDRangeKernel", {CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_WORK_GROUP_SIZE, CL_OUT_OF_HOST_MEMORY, -9999}},
    {"clEnqueueReadBuffer", {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clEnqueueWriteBuffer", {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clEnqueueCopyBuffer", {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clEnqueueFillBuffer", {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
    {"clEnqueueMapBuffer", {CL_MAP_FAILURE, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY}},
};
/* clang-format on */

/* Every other call may run out of something. */
static const cl_int others[] = {CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY, 0};

const cl_int *fault_codes(const char *opencl_call) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (!strcmp(table[i].call, opencl_call)) return table[i].codes;
  return others;
}

/* ---- memory ---- */

enum { MALLOC, CALLOC, REALLOC };

const char *const memory_names[MEMORY_CALLS] = {"malloc", "calloc", "realloc"};

static uint64_t calls[MEMORY_CALLS], left[MEMORY_CALLS];
static bool fired[MEMORY_CALLS];

void memory_fail(int call, uint64_t nth) {
  left[call] = nth;
  fired[call] = false;
}

bool memory_failed(int call) { return fired[call]; }

uint64_t memory_calls(int call) { return calls[call]; }

static bool fails(int call) {
  calls[call]++;
  if (!left[call] || --left[call]) return false;
  fired[call] = true;
  return true;
}

/* The linker's names. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) { return fails(MALLOC) ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t n, size_t size) { return fails(CALLOC) ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *old, size_t size) { return fails(REALLOC) ? NULL : __real_realloc(old, size); }
