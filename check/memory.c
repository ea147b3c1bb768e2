/* Memory by clCreateBuffer, clSVMAlloc, and the functions of cl_intel_unified_shared_memory, which come by their names. */
#undef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 200
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[MEMORY_KINDS] = {"buffers",  "coarse-grained SVM", "fine-grained SVM",
                                                "USM host", "USM shared",         "USM device"};

const char *memory_name(memory_kind kind) { return names[kind]; }

static bool is_svm(memory_kind kind) { return kind == MEMORY_SVM_COARSE || kind == MEMORY_SVM_FINE; }

/* ---- USM ---- */

typedef void *(CL_API_CALL *usm_alloc)(cl_context, const void *, size_t, cl_uint, cl_int *);
typedef void *(CL_API_CALL *usm_device_alloc)(cl_context, cl_device_id, const void *, size_t, cl_uint,
                                              cl_int *);
typedef cl_int(CL_API_CALL *usm_free)(cl_context, void *);
typedef cl_int(CL_API_CALL *usm_copy)(cl_command_queue, cl_bool, void *, const void *, size_t, cl_uint,
                                      const cl_event *, cl_event *);

/* Copies the function's address: ISO C has no cast to it. False: there is none of that name. */
static bool find(cl_device_id device, const char *name, void *function, size_t bytes) {
  cl_platform_id platform = NULL;
  clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
  void *const address = clGetExtensionFunctionAddressForPlatform(platform, name);
  if (address) memcpy(function, &address, bytes);
  return address != NULL;
}

static bool has_usm(cl_device_id device) {
  size_t size = 0;
  if (clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, 0, NULL, &size) != CL_SUCCESS) return false;
  char *text = calloc(size + 1, 1);
  const bool has = text && clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, size, text, NULL) == CL_SUCCESS &&
                   strstr(text, "cl_intel_unified_shared_memory");
  free(text);
  return has;
}

static void *make_usm(memory_kind kind, cl_context context, cl_device_id device, size_t bytes,
                      cl_int *error) {
  usm_alloc host;
  usm_device_alloc other;
  *error = CL_INVALID_OPERATION;
  if (kind == MEMORY_USM_HOST)
    return find(device, "clHostMemAllocINTEL", &host, sizeof host) ? host(context, NULL, bytes, 0, error)
                                                                   : NULL;
  const char *name = kind == MEMORY_USM_SHARED ? "clSharedMemAllocINTEL" : "clDeviceMemAllocINTEL";
  return find(device, name, &other, sizeof other) ? other(context, device, NULL, bytes, 0, error) : NULL;
}

static cl_device_id device_of(cl_command_queue queue) {
  cl_device_id device = NULL;
  clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
  return device;
}

static cl_int copy_usm(cl_command_queue queue, void *to, const void *from, size_t bytes) {
  usm_copy copy;
  if (!find(device_of(queue), "clEnqueueMemcpyINTEL", &copy, sizeof copy)) return CL_INVALID_OPERATION;
  return copy(queue, CL_TRUE, to, from, bytes, 0, NULL, NULL);
}

static void free_usm(const device_memory *m, cl_context context) {
  cl_device_id device = NULL;
  usm_free release;
  clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof device, &device, NULL);
  if (find(device, "clMemFreeINTEL", &release, sizeof release)) release(context, m->pointer);
}

/* ---- SVM, where the loader has it ---- */

#ifdef CLLOSS_HAS_SVM
static bool has_svm(cl_device_id device, memory_kind kind) {
  char version[100] = "";
  cl_device_svm_capabilities can = 0;
  clGetDeviceInfo(device, CL_DEVICE_VERSION, sizeof version, version, NULL);
  if (strncmp(version, "OpenCL 1", strlen("OpenCL 1")) == 0) return false;
  clGetDeviceInfo(device, CL_DEVICE_SVM_CAPABILITIES, sizeof can, &can, NULL);
  return can &
         (kind == MEMORY_SVM_FINE ? CL_DEVICE_SVM_FINE_GRAIN_BUFFER : CL_DEVICE_SVM_COARSE_GRAIN_BUFFER);
}

static void *make_svm(memory_kind kind, cl_context context, size_t bytes) {
  const cl_svm_mem_flags fine = kind == MEMORY_SVM_FINE ? CL_MEM_SVM_FINE_GRAIN_BUFFER : 0;
  return clSVMAlloc(context, CL_MEM_READ_WRITE | fine, bytes, 0);
}

/* By a map, which fine-grained SVM needs none of. */
static cl_int copy_svm(const device_memory *m, cl_command_queue queue, void *to, const void *from) {
  const cl_map_flags how = to == m->pointer ? CL_MAP_WRITE : CL_MAP_READ;
  cl_int error = clEnqueueSVMMap(queue, CL_TRUE, how, m->pointer, m->bytes, 0, NULL, NULL);
  if (error != CL_SUCCESS) return error;
  memcpy(to, from, m->bytes);
  error = clEnqueueSVMUnmap(queue, m->pointer, 0, NULL, NULL);
  return error == CL_SUCCESS ? clFinish(queue) : error;
}

static void free_svm(const device_memory *m, cl_context context) { clSVMFree(context, m->pointer); }
#else
static bool has_svm(cl_device_id device, memory_kind kind) { return (void)device, (void)kind, false; }
static void *make_svm(memory_kind kind, cl_context context, size_t bytes) {
  return (void)kind, (void)context, (void)bytes, NULL;
}
static cl_int copy_svm(const device_memory *m, cl_command_queue queue, void *to, const void *from) {
  return (void)m, (void)queue, (void)to, (void)from, CL_INVALID_OPERATION;
}
static void free_svm(const device_memory *m, cl_context context) { (void)m, (void)context; }
#endif

/* ---- any ---- */

bool memory_is_there(cl_device_id device, memory_kind kind) {
  return kind == MEMORY_BUFFER || (is_svm(kind) ? has_svm(device, kind) : has_usm(device));
}

cl_int memory_make(device_memory *m, memory_kind kind, cl_context context, cl_device_id device,
                   cl_mem_flags flags, size_t bytes) {
  cl_int error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  *m = (device_memory){.kind = kind, .bytes = bytes};
  if (kind == MEMORY_BUFFER) {
    m->mem = clCreateBuffer(context, flags, bytes, NULL, &error);
    return error;
  }
  m->pointer = is_svm(kind) ? make_svm(kind, context, bytes) : make_usm(kind, context, device, bytes, &error);
  return m->pointer ? CL_SUCCESS : error;
}

cl_int memory_write(const device_memory *m, cl_command_queue queue, const void *from) {
  if (m->mem) return clEnqueueWriteBuffer(queue, m->mem, CL_TRUE, 0, m->bytes, from, 0, NULL, NULL);
  return is_svm(m->kind) ? copy_svm(m, queue, m->pointer, from) : copy_usm(queue, m->pointer, from, m->bytes);
}

cl_int memory_read(const device_memory *m, cl_command_queue queue, void *to) {
  if (m->mem) return clEnqueueReadBuffer(queue, m->mem, CL_TRUE, 0, m->bytes, to, 0, NULL, NULL);
  return is_svm(m->kind) ? copy_svm(m, queue, to, m->pointer) : copy_usm(queue, to, m->pointer, m->bytes);
}

void memory_free(device_memory *m, cl_context context) {
  if (m->mem) clReleaseMemObject(m->mem);
  if (m->pointer && is_svm(m->kind)) free_svm(m, context);
  if (m->pointer && !is_svm(m->kind)) free_usm(m, context);
  m->mem = NULL;
  m->pointer = NULL;
}
