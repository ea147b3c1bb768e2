/* Asks a device for what plans and checks need to know of it. */
#include "device.h"

#include <stdlib.h>

#include "../../kernels/team/fold_bytes.clh"

/* Bound that kernels/team/fold_bytes.clh states; and what a kernel that holds nothing is handed for it all the same. */
enum { GROUP_MOST = 1024, HELD_LEAST = 16 };

/* An item of Intel's GPUs has half as many registers as those of others where sixteen go together: eight vectors spilled 576
 * bytes (its own compiler, dg2). */
enum { VENDOR_INTEL = 0x8086, VECTORS = 8, VECTORS_INTEL = 4 };

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

void clloss__device_take_local(clloss__device *facts, size_t own_bytes) {
  const size_t all = facts->local_bytes + facts->own_bytes;
  size_t fitting = GROUP_MOST;
  facts->own_bytes = min_size(own_bytes, all);
  facts->local_bytes = all - facts->own_bytes;
  while (fitting > 1 && FOLD_BYTES(fitting, fitting) + HELD_LEAST > facts->local_bytes) fitting /= 2;
  facts->local_most = min_size(facts->local_most, fitting);
  facts->sum_most = min_size(facts->sum_most, fitting);
}

clloss_status clloss__device_text(clloss__message *message, cl_device_id device, cl_device_info what,
                                  const char *step, char **text) {
  size_t size = 0;
  *text = NULL;
  cl_int error = clGetDeviceInfo(device, what, 0, NULL, &size);
  if (error == CL_SUCCESS) {
    *text = calloc(size + 1, 1);
    if (!*text) return clloss__say(message, CL_OUT_OF_HOST_MEMORY, "%s: no memory for %zu bytes", step, size);
    error = clGetDeviceInfo(device, what, size, *text, NULL);
  }
  if (error == CL_SUCCESS) return CLLOSS_SUCCESS;
  free(*text);
  *text = NULL;
  return clloss__say_opencl(message, error, "clGetDeviceInfo", "%s", step);
}

clloss_status clloss__device_read(clloss__message *message, cl_device_id device, clloss__device *facts) {
  cl_device_type type = 0;
  cl_bool available = CL_FALSE, compiler = CL_FALSE, little = CL_FALSE, shares = CL_FALSE;
  cl_uint units = 0, vendor = 0;
  size_t local = 0;
  cl_ulong local_bytes = 0;
  cl_device_fp_config doubles = 0;
  const struct {
    cl_device_info what;
    const char *name;
    size_t size;
    void *to;
  } queries[] = {
      {CL_DEVICE_TYPE, "CL_DEVICE_TYPE", sizeof type, &type},
      {CL_DEVICE_AVAILABLE, "CL_DEVICE_AVAILABLE", sizeof available, &available},
      {CL_DEVICE_COMPILER_AVAILABLE, "CL_DEVICE_COMPILER_AVAILABLE", sizeof compiler, &compiler},
      {CL_DEVICE_ENDIAN_LITTLE, "CL_DEVICE_ENDIAN_LITTLE", sizeof little, &little},
      {CL_DEVICE_HOST_UNIFIED_MEMORY, "CL_DEVICE_HOST_UNIFIED_MEMORY", sizeof shares, &shares},
      {CL_DEVICE_VENDOR_ID, "CL_DEVICE_VENDOR_ID", sizeof vendor, &vendor},
      {CL_DEVICE_MAX_COMPUTE_UNITS, "CL_DEVICE_MAX_COMPUTE_UNITS", sizeof units, &units},
      {CL_DEVICE_MAX_WORK_GROUP_SIZE, "CL_DEVICE_MAX_WORK_GROUP_SIZE", sizeof local, &local},
      {CL_DEVICE_LOCAL_MEM_SIZE, "CL_DEVICE_LOCAL_MEM_SIZE", sizeof local_bytes, &local_bytes},
      {CL_DEVICE_DOUBLE_FP_CONFIG, "CL_DEVICE_DOUBLE_FP_CONFIG", sizeof doubles, &doubles},
  };
  for (size_t i = 0; i < sizeof queries / sizeof *queries; ++i) {
    const cl_int error = clGetDeviceInfo(device, queries[i].what, queries[i].size, queries[i].to, NULL);
    if (error != CL_SUCCESS) {
      return clloss__say_opencl(message, error, "clGetDeviceInfo", "asking the device for %s",
                                queries[i].name);
    }
  }
  const char *lacks = !available  ? "isn't available"
                      : !compiler ? "has no compiler"
                      : !little   ? "is big-endian"
                                  : NULL;
  if (lacks) return clloss__say(message, CLLOSS_DEVICE, "device: it %s", lacks);
  const bool cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
  *facts = (clloss__device){
      .cpu = cpu,
      .shares_memory = shares != CL_FALSE,
      .f64 = doubles != 0,
      .units = units ? units : 1,
      .local_bytes = (size_t)local_bytes,
      .local_most = max_size(1, local),
      .sum_most = max_size(1, local),
      .vectors = vendor == VENDOR_INTEL && !cpu ? VECTORS_INTEL : VECTORS,
  };
  clloss__device_take_local(facts, 0);
  return CLLOSS_SUCCESS;
}
