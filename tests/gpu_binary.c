/* What a driver compiles of the library's kernels, for bench/gpu.sh: the program's binary, which on NVIDIA is PTX, goes to a
 * file, and the build's log to stdout.
 *
 *   gpu_binary SOURCE OPTIONS FILE     SOURCE as embedded, "xent.cl"; OPTIONS beside those of every program of the group team */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ctx.h"

static int fail(const char *what, cl_int error) {
  fprintf(stderr, "gpu_binary: %s: %s\n", what, clloss_status_name(error));
  return 1;
}

static const clloss__source *source_of(const char *name) {
  for (size_t i = 0; i < clloss__n_sources; ++i)
    if (strcmp(clloss__sources[i].name, name) == 0) return &clloss__sources[i];
  return NULL;
}

static int save(cl_program program, const char *path) {
  size_t size = 0;
  cl_int error = clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL);
  unsigned char *binary = malloc(size + 1);
  if (error != CL_SUCCESS || !binary) return fail("the binary's size", error);
  error = clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL);
  FILE *file = error == CL_SUCCESS ? fopen(path, "wb") : NULL;
  const bool written = file && fwrite(binary, 1, size, file) == size;
  if (file && fclose(file) != 0) return fail(path, CL_OUT_OF_RESOURCES);
  free(binary);
  return written ? 0 : fail(path, error);
}

int main(int argc, char **argv) {
  cl_platform_id platform;
  cl_device_id device;
  cl_int error = CL_SUCCESS;
  const clloss__source *source = argc == 4 ? source_of(argv[1]) : NULL;
  if (!source) {
    fprintf(stderr, "usage: gpu_binary SOURCE OPTIONS FILE\n");
    return 2;
  }
  if ((error = clGetPlatformIDs(1, &platform, NULL)) != CL_SUCCESS ||
      (error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL)) != CL_SUCCESS)
    return fail("a device", error);
  cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
  if (!context) return fail("a context", error);
  clloss__message message = {{0}};
  clloss__device facts;
  clloss__probed found;
  error = clloss__device_read(&message, device, &facts);
  if (error == CL_SUCCESS) error = clloss__probe(&message, context, device, facts.cpu, true, &found);
  if (error != CL_SUCCESS) return fail(message.text, error);
  char options[1200];
  snprintf(options, sizeof options,
           "-cl-std=CL%s%s -cl-denorms-are-zero -DCLLOSS_REAL=F32 -DCLLOSS_TEAM_GROUP %s", found.standard,
           found.options, argv[2]);
  cl_program program = clCreateProgramWithSource(context, 1, (const char *[]){source->text},
                                                 (const size_t[]){source->size_bytes}, &error);
  if (!program) return fail("a program", error);
  error = clBuildProgram(program, 1, &device, options, NULL, NULL);
  static char log[1 << 16];
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
  printf("%s\n%s\n", options, log);
  if (error != CL_SUCCESS) return fail("building", error);
  return save(program, argv[3]);
}
