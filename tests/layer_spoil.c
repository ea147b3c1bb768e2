/* An OPENCL_LAYERS layer for tests (CL/cl_layer.h): a driver that compiles one of the library's programs wrong, or dies of
 * it. From outside, with NAME as in the #line directive that the program opens with:
 *
 *   CLLOSS_SPOIL=kernels/mse.cl:d * d:d * d * 2   what stands between the first two colons is replaced, everywhere
 *   CLLOSS_CRASH=kernels/mse.cl                   building that program ends the process, by SIGABRT
 *   CLLOSS_EXIT=kernels/mse.cl                    or as if it had done its work
 *
 * A text that isn't there ends the process as well: a kernel that was rewritten must not make a test pass. */
#include "layer_info.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static const cl_icd_dispatch *target;
static cl_icd_dispatch table;

static void die(const char *why) {
  fprintf(stderr, "layer: %s\n", why);
  abort();
}

static bool is_called(const char *source, const char *name, size_t length) {
  static const char opens[] = "#line 1 \"";
  const char *at = source + sizeof opens - 1;
  return strncmp(source, opens, sizeof opens - 1) == 0 && strncmp(at, name, length) == 0 && at[length] == '"';
}

/* A copy with every `from` replaced. */
static char *replaced(const char *source, const char *from, size_t from_length, const char *to) {
  const size_t to_length = strlen(to);
  size_t n = 0;
  for (const char *at = source; *at; at++) n += strncmp(at, from, from_length) == 0;
  if (!n) die("CLLOSS_SPOIL: the program has no such text");
  char *copy = malloc(strlen(source) + n * to_length + 1), *end = copy;
  if (!copy) die("out of memory");
  while (*source) {
    const bool here = strncmp(source, from, from_length) == 0;
    memcpy(end, here ? to : source, here ? to_length : 1);
    end += here ? to_length : 1;
    source += here ? from_length : 1;
  }
  *end = 0;
  return copy;
}

/* The library hands its source over in one piece. */
static cl_program CL_API_CALL on_clCreateProgramWithSource(cl_context context, cl_uint count,
                                                           const char **sources, const size_t *lengths,
                                                           cl_int *status) {
  const char *spoil = getenv("CLLOSS_SPOIL"), *from = spoil ? strchr(spoil, ':') : NULL,
             *to = from ? strchr(from + 1, ':') : NULL;
  char *source = count == 1 && to ? calloc((lengths ? *lengths : strlen(*sources)) + 1, 1) : NULL;
  if (spoil && (!to || to == from + 1)) die("CLLOSS_SPOIL: NAME:FROM:TO");
  if (source) memcpy(source, *sources, lengths ? *lengths : strlen(*sources));
  if (!source || !is_called(source, spoil, (size_t)(from - spoil))) {
    free(source);
    return target->clCreateProgramWithSource(context, count, sources, lengths, status);
  }
  char *spoilt = replaced(source, from + 1, (size_t)(to - from - 1), to + 1);
  const char *one = spoilt;
  const cl_program program = target->clCreateProgramWithSource(context, 1, &one, NULL, status);
  free(source);
  free(spoilt);
  return program;
}

/* Whether the variable names this program. */
static bool is_meant(const char *variable, cl_program program) {
  const char *name = getenv(variable);
  size_t size = 0;
  if (!name || target->clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &size) != CL_SUCCESS)
    return false;
  char *source = calloc(size + 1, 1);
  if (!source) die("out of memory");
  target->clGetProgramInfo(program, CL_PROGRAM_SOURCE, size, source, NULL);
  const bool meant = is_called(source, name, strlen(name));
  free(source);
  return meant;
}

static cl_int CL_API_CALL on_clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                                            const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                                            void *user) {
  if (is_meant("CLLOSS_CRASH", program)) die("a crash, as CLLOSS_CRASH asks for");
  if (is_meant("CLLOSS_EXIT", program)) _Exit(0);
  return target->clBuildProgram(program, n, devices, options, done, user);
}

EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *size_ret) {
  return layer_info("clLoss spoilt programs", what, size, value, size_ret);
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target_dispatch,
                                      cl_uint *entries_ret, const cl_icd_dispatch **dispatch_ret) {
  if (entries < sizeof table / sizeof(void *)) return CL_INVALID_VALUE;
  target = target_dispatch;
  table = *target;
  table.clCreateProgramWithSource = on_clCreateProgramWithSource;
  table.clBuildProgram = on_clBuildProgram;
  *entries_ret = sizeof table / sizeof(void *);
  *dispatch_ret = &table;
  return CL_SUCCESS;
}
