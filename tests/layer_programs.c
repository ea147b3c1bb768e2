/* An OPENCL_LAYERS layer for tests (CL/cl_layer.h): it writes down each OpenCL program that was built, whoever built it.
 *
 * CLLOSS_PROGRAMS names a file. It exists once the layer is loaded, and each program built adds a line to it: a hash of
 * the source, the name in the #line directive that the source opens with (- without one), the build options. Lines that
 * are equal are one program built again, which a driver's cache makes cheap. programs.sh counts them over a test run. */
#include "layer_info.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static const cl_icd_dispatch *target;
static cl_icd_dispatch table;

/* Processes and threads of a test share the file: a line is one write to its end. */
static void append(const char *line, size_t length) {
  const char *path = getenv("CLLOSS_PROGRAMS");
  const int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  if (file < 0 || write(file, line, length) != (ssize_t)length) {
    fprintf(stderr, "layer: can't write to CLLOSS_PROGRAMS=%s\n", path ? path : "(unset)");
    abort();
  }
  close(file);
}

static uint64_t hash_of(const char *text) { /* FNV-1a */
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
  return hash;
}

static void note(cl_program program, const char *options) {
  size_t size = 0;
  char *source = NULL, name[100] = "-", line[1000];
  if (target->clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &size) == CL_SUCCESS)
    source = calloc(size + 1, 1);
  if (!source || target->clGetProgramInfo(program, CL_PROGRAM_SOURCE, size, source, NULL) != CL_SUCCESS) {
    fprintf(stderr, "layer: a program without a source was built\n");
    abort();
  }
  sscanf(source, "#line 1 \"%99[^\"]\"", name);
  const int length = snprintf(line, sizeof line, "%016llx %s %s\n", (unsigned long long)hash_of(source), name,
                              options ? options : "");
  append(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
  free(source);
}

static cl_int CL_API_CALL on_clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                                            const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                                            void *user) {
  const cl_int status = target->clBuildProgram(program, n, devices, options, done, user);
  if (status == CL_SUCCESS) note(program, options);
  return status;
}

EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *size_ret) {
  return layer_info("clLoss program count", what, size, value, size_ret);
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target_dispatch,
                                      cl_uint *entries_ret, const cl_icd_dispatch **dispatch_ret) {
  if (entries < sizeof table / sizeof(void *)) return CL_INVALID_VALUE;
  append("", 0);
  target = target_dispatch;
  table = *target;
  table.clBuildProgram = on_clBuildProgram;
  *entries_ret = sizeof table / sizeof(void *);
  *dispatch_ret = &table;
  return CL_SUCCESS;
}
