/* What a driver compiles of the library's kernels, for bench/gpu.sh: the program's binary, which on NVIDIA is PTX, goes to a
 * file.
 *
 *   gpu_binary SOURCE TYPE SHAPE KERNEL FILE
 *
 * as a line of tests/gpu_static.txt has them: SOURCE as embedded, "xent.cl"; TYPE, f32 say, of logits and gradient; SHAPE,
 * form:items:items of a row:vectors; KERNEL, any one of the program. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ctx.h"

static int fail(const char *what, cl_int error) {
  fprintf(stderr, "gpu_binary: %s: %s\n", what, clloss_status_name(error));
  return 1;
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

static bool read_build(const char *type, const char *shape, clloss__build *how) {
  static const struct {
    const char *name;
    uint32_t dtype;
  } types[] = {{"f32", CLLOSS_F32}, {"bf16", CLLOSS_BF16}, {"f16", CLLOSS_F16}, {"f64", CLLOSS_F64}};
  clloss__shape *s = &how->shape;
  for (size_t i = 0; i < sizeof types / sizeof *types; ++i)
    if (strcmp(type, types[i].name) == 0) how->types.x = how->types.g = types[i].dtype;
  return how->types.x && sscanf(shape, "%" SCNu32 ":%" SCNu32 ":%" SCNu32 ":%" SCNu32, &s->form, &s->items,
                                &s->row_items, &s->vectors) == 4;
}

int main(int argc, char **argv) {
  cl_platform_id platform;
  cl_device_id device;
  cl_int error = CL_SUCCESS;
  clloss__build how = {{0}};
  if (argc != 6 || !read_build(argv[2], argv[3], &how)) {
    fprintf(stderr, "usage: gpu_binary SOURCE TYPE SHAPE KERNEL FILE\n");
    return 2;
  }
  if ((error = clGetPlatformIDs(1, &platform, NULL)) != CL_SUCCESS ||
      (error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL)) != CL_SUCCESS)
    return fail("a device", error);
  cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
  if (!context) return fail("a context", error);
  clloss__message message = {{0}};
  clloss__device facts;
  error = clloss__device_read(&message, device, &facts);
  if (error != CL_SUCCESS) return fail(message.text, error);
  clloss__programs programs = {.set = clloss__set_create(context, device, facts.cpu), .group = true};
  if (!programs.set) return fail("memory", CL_OUT_OF_HOST_MEMORY);
  clloss__kernel *kernel;
  error = clloss__program_kernel(&programs, &message, argv[1], &how, argv[4], &kernel);
  if (error != CL_SUCCESS) return fail(message.text, error);
  return save(programs.list[0].program, argv[5]);
}
