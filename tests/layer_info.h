/* What each of the layers here says of itself to the OpenCL loader. */
#ifndef CLLOSS_TESTS_LAYER_INFO_H
#define CLLOSS_TESTS_LAYER_INFO_H

#include <CL/cl_layer.h>
#include <string.h>

static inline cl_int layer_info(const char *name, cl_layer_info what, size_t size, void *value,
                                size_t *size_ret) {
  const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  const void *from = what == CL_LAYER_API_VERSION ? (const void *)&version : name;
  const size_t need = what == CL_LAYER_API_VERSION ? sizeof version : strlen(name) + 1;
  if (what != CL_LAYER_API_VERSION && what != CL_LAYER_NAME) return CL_INVALID_VALUE;
  if (value && size < need) return CL_INVALID_VALUE;
  if (value) memcpy(value, from, need);
  if (size_ret) *size_ret = need;
  return CL_SUCCESS;
}

#endif
