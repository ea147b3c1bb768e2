/* SVM and USM. OpenCL 2.0's one call is linked, where the loader has it (CMakeLists.txt), and USM's come by their names; its numbers
 * are the extension's: https://registry.khronos.org/OpenCL/extensions/intel/cl_intel_unified_shared_memory.html */
#undef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 200
#include "pointer.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"

/* What one asks of an allocation, and its types. */
enum { USM_TYPE = 0x419a, USM_BASE = 0x419b, USM_SIZE = 0x419c, USM_OWNER = 0x419d };
enum { USM_HOST = 0x4197, USM_DEVICE = 0x4198, USM_SHARED = 0x4199 };

/* ---- what there is ---- */

static const char asking[] = "asking the device for SVM and USM";

#ifdef CLLOSS_HAS_SVM
/* A device of OpenCL 1 doesn't know the question, and isn't asked. */
static clloss_status ask_svm(clloss__pointers *p, clloss__message *message, cl_device_id device) {
  char *version = NULL;
  clloss_status status = clloss__device_text(message, device, CL_DEVICE_VERSION, asking, &version);
  if (status == CLLOSS_SUCCESS && strncmp(version, "OpenCL 1", strlen("OpenCL 1")) != 0) {
    cl_device_svm_capabilities can = 0;
    const cl_int error = clGetDeviceInfo(device, CL_DEVICE_SVM_CAPABILITIES, sizeof can, &can, NULL);
    if (error != CL_SUCCESS) status = clloss__say_opencl(message, error, "clGetDeviceInfo", "%s", asking);
    p->svm = (can & (CL_DEVICE_SVM_COARSE_GRAIN_BUFFER | CL_DEVICE_SVM_FINE_GRAIN_BUFFER)) != 0;
  }
  free(version);
  return status;
}
#endif

static clloss_status ask_usm(clloss__pointers *p, clloss__message *message, cl_device_id device) {
  char *extensions = NULL;
  const clloss_status status = clloss__device_text(message, device, CL_DEVICE_EXTENSIONS, asking,
                                                   &extensions);
  const bool has = status == CLLOSS_SUCCESS && strstr(extensions, "cl_intel_unified_shared_memory");
  free(extensions);
  if (!has) return status;
  cl_platform_id platform = NULL;
  const cl_int error = clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
  if (error != CL_SUCCESS) return clloss__say_opencl(message, error, "clGetDeviceInfo", "%s", asking);
  /* ISO C has no cast from void * to a function */
  void *const info = clGetExtensionFunctionAddressForPlatform(platform, "clGetMemAllocInfoINTEL"),
              *const set = clGetExtensionFunctionAddressForPlatform(platform,
                                                                    "clSetKernelArgMemPointerINTEL");
  if (info && set) {
    memcpy(&p->usm_info, &info, sizeof info);
    memcpy(&p->usm_set, &set, sizeof set);
  }
  return CLLOSS_SUCCESS;
}

static clloss_status ask(clloss__pointers *p, clloss__message *message, cl_device_id device) {
  if (p->asked) return CLLOSS_SUCCESS;
  clloss_status status = ask_usm(p, message, device);
#ifdef CLLOSS_HAS_SVM
  if (status == CLLOSS_SUCCESS) status = ask_svm(p, message, device);
#endif
  p->asked = status == CLLOSS_SUCCESS;
  return status;
}

/* ---- whose a pointer is ---- */

/* 0: none of USM's. PoCL 6.0 knows SVM's allocations too, and calls their type 0. */
static cl_uint usm_type(const clloss__pointers *p, cl_context context, const void *pointer) {
  cl_uint type = 0;
  if (!p->usm_info || p->usm_info(context, pointer, USM_TYPE, sizeof type, &type, NULL) != CL_SUCCESS)
    return 0;
  return type == USM_HOST || type == USM_DEVICE || type == USM_SHARED ? type : 0;
}

static clloss_status find_usm(const clloss__pointers *p, clloss__message *message, cl_context context,
                              cl_device_id device, const char *name, const void *pointer, size_t bytes,
                              size_t *room) {
  void *base = NULL;
  size_t size = 0;
  cl_device_id owner = device;
  cl_int error = p->usm_info(context, pointer, USM_BASE, sizeof base, &base, NULL);
  if (error == CL_SUCCESS) error = p->usm_info(context, pointer, USM_SIZE, sizeof size, &size, NULL);
  if (error == CL_SUCCESS && usm_type(p, context, pointer) == USM_DEVICE)
    error = p->usm_info(context, pointer, USM_OWNER, sizeof owner, &owner, NULL);
  if (error != CL_SUCCESS)
    return clloss__say_opencl(message, error, "clGetMemAllocInfoINTEL", "%s.pointer", name);
  if (owner != device)
    return clloss__say(message, CLLOSS_DEVICE, "%s.pointer: %p is memory of another device", name, pointer);
  *room = size - (size_t)((const char *)pointer - (const char *)base);
  return bytes > *room ? CLLOSS_BUFFER_SIZE : CLLOSS_SUCCESS;
}

#ifdef CLLOSS_HAS_SVM
/* A buffer on a pointer, made and released. On SVM nothing is copied, by clCreateBuffer's definition. */
static clloss_status try_buffer(clloss__message *message, cl_context context, const char *name, void *pointer,
                                size_t bytes, cl_bool *is_svm) {
  const char *call = "clCreateBuffer";
  cl_int error;
  cl_mem on = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, pointer, &error);
  if (error == CL_INVALID_BUFFER_SIZE) return CLLOSS_BUFFER_SIZE;
  if (error == CL_SUCCESS) {
    call = "clGetMemObjectInfo";
    error = clGetMemObjectInfo(on, CL_MEM_USES_SVM_POINTER, sizeof *is_svm, is_svm, NULL);
    clReleaseMemObject(on);
  }
  return error == CL_SUCCESS
             ? CLLOSS_SUCCESS
             : clloss__say_opencl(message, error, call, "%s.pointer: a buffer on it, to ask", name);
}

/* OpenCL has no question for an allocation of SVM's. A buffer on it has the answers: it knows whether its memory is the context's
 * SVM, and isn't made beyond the end. The first is asked with one byte, as drivers copy what isn't SVM. */
static clloss_status find_svm(const clloss__pointers *p, clloss__message *message, cl_context context,
                              const char *name, void *pointer, size_t bytes, size_t *room) {
  cl_bool is_svm = CL_FALSE;
  clloss_status status = try_buffer(message, context, name, pointer, 1, &is_svm);
  if (status != CLLOSS_SUCCESS) return status;
  if (!is_svm)
    return clloss__say(message, CLLOSS_MEMORY_CONTEXT,
                       "%s.pointer: %p is none that clSVMAlloc%s returned for the ctx's context", name,
                       pointer, p->usm_info ? " or USM's functions" : "");
  if (bytes > 1) status = try_buffer(message, context, name, pointer, bytes, &is_svm);
  *room = status == CLLOSS_SUCCESS ? bytes : 0;
  return status;
}
#endif

clloss_status clloss__pointer_find(clloss__pointers *p, clloss__message *message, cl_context context,
                                   cl_device_id device, const char *name, void *pointer, size_t bytes,
                                   size_t *room) {
  const clloss_status status = ask(p, message, device);
  if (status != CLLOSS_SUCCESS) return status;
  if (usm_type(p, context, pointer)) return find_usm(p, message, context, device, name, pointer, bytes, room);
#ifdef CLLOSS_HAS_SVM
  if (p->svm) return find_svm(p, message, context, name, pointer, bytes, room);
#endif
  if (p->usm_info)
    return clloss__say(message, CLLOSS_MEMORY_CONTEXT,
                       "%s.pointer: %p is none that USM's functions returned for the ctx's context", name,
                       pointer);
  return clloss__say(message, CLLOSS_DEVICE,
                     "%s.pointer: the device, or OpenCL's loader, has no SVM and no USM", name);
}

cl_int clloss__pointer_set(const clloss__pointers *p, cl_context context, cl_kernel kernel, cl_uint i,
                           const void *pointer, const char **call) {
  *call = "clSetKernelArgMemPointerINTEL";
  if (usm_type(p, context, pointer)) return p->usm_set(kernel, i, pointer);
  *call = "clSetKernelArgSVMPointer";
#ifdef CLLOSS_HAS_SVM
  return clSetKernelArgSVMPointer(kernel, i, pointer);
#else
  return CL_INVALID_ARG_VALUE; /* found as USM's before, and freed since */
#endif
}
