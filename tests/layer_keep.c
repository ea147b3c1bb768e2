/* An OPENCL_LAYERS layer for tests (CL/cl_layer.h): it keeps compiled programs in the folder CLLOSS_KEEP, for drivers
 * that don't, as PoCL does. Without it the tests would spend nearly all of their time on compiling fifty programs over and
 * over, a thousand times.
 *
 * What was built once, of the same source with the same options for the same driver and device, comes from its binary. The
 * caller's program stays as it was created; a twin, made of the binary, answers for whatever building gives a program. */
#include "layer_info.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { TWINS = 256 };

static const cl_icd_dispatch *target;
static cl_icd_dispatch table;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { cl_program program, twin; } twins[TWINS];

/* ---- twins ---- */

/* Which has what was built: the program's twin, or the program itself. */
static cl_program built(cl_program program) {
  cl_program found = program;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < TWINS; i++)
    if (twins[i].program == program) found = twins[i].twin;
  pthread_mutex_unlock(&lock);
  return found;
}

/* Puts the second in the place of the first, which NULL, NULL is in places that are free. */
static int replace(cl_program from, cl_program program, cl_program twin) {
  size_t i = 0;
  pthread_mutex_lock(&lock);
  while (i < TWINS && twins[i].program != from) i++;
  const cl_program old = i < TWINS ? twins[i].twin : NULL;
  if (i < TWINS) twins[i].program = program, twins[i].twin = twin;
  pthread_mutex_unlock(&lock);
  if (old) target->clReleaseProgram(old);
  return i < TWINS;
}

/* ---- files ---- */

typedef struct {
  unsigned char *data;
  size_t size;
} bytes;

static bytes read_file(const char *path) {
  bytes b = {NULL, 0};
  FILE *file = fopen(path, "rb");
  if (!file) return b;
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  rewind(file);
  if (size > 0) b.data = malloc((size_t)size);
  if (b.data && fread(b.data, 1, (size_t)size, file) == (size_t)size) b.size = (size_t)size;
  fclose(file);
  return b;
}

/* Tests run side by side: nobody sees a file that is half written. */
static void write_file(const char *path, bytes b) {
  char temporary[1100];
  snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
  FILE *file = fopen(temporary, "wb");
  const int good = file && fwrite(b.data, 1, b.size, file) == b.size;
  if ((file && fclose(file) != 0) || !good || rename(temporary, path) != 0) {
    fprintf(stderr, "layer: can't write %s\n", path);
    abort();
  }
}

/* ---- what a binary belongs to ---- */

static void hash(uint64_t *state, const char *text) { /* FNV-1a, the end of the text included */
  do *state = (*state ^ (unsigned char)*text) * 0x100000001b3u;
  while (*text++);
}

static void hash_device(uint64_t *state, cl_device_id device, cl_device_info what) {
  char text[1000] = "";
  target->clGetDeviceInfo(device, what, sizeof text, text, NULL);
  hash(state, text);
}

/* False where there is no source, or no single device. */
static int path_of(cl_program program, const char *options, cl_device_id *device, char path[1000]) {
  const char *folder = getenv("CLLOSS_KEEP");
  cl_uint devices = 0;
  size_t size = 0;
  uint64_t state = 0xcbf29ce484222325u;
  if (target->clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof devices, &devices, NULL) !=
          CL_SUCCESS ||
      target->clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &size) != CL_SUCCESS || size < 2 ||
      devices != 1 || !folder)
    return 0;
  char *source = calloc(size + 1, 1);
  if (!source) return 0;
  target->clGetProgramInfo(program, CL_PROGRAM_SOURCE, size, source, NULL);
  target->clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof *device, device, NULL);
  hash(&state, source);
  hash(&state, options ? options : "");
  hash_device(&state, *device, CL_DEVICE_NAME);
  hash_device(&state, *device, CL_DRIVER_VERSION);
  free(source);
  snprintf(path, 1000, "%.970s/%016llx", folder, (unsigned long long)state);
  return 1;
}

/* ---- building ---- */

static int build_twin(cl_program program, cl_device_id device, const char *options, const char *path) {
  const bytes b = read_file(path);
  const unsigned char *binary = b.data;
  cl_context context = NULL;
  cl_program twin = NULL;
  if (b.size &&
      target->clGetProgramInfo(program, CL_PROGRAM_CONTEXT, sizeof context, &context, NULL) == CL_SUCCESS)
    twin = target->clCreateProgramWithBinary(context, 1, &device, &b.size, &binary, NULL, NULL);
  free(b.data);
  if (twin && target->clBuildProgram(twin, 1, &device, options, NULL, NULL) == CL_SUCCESS &&
      replace(NULL, program, twin))
    return 1;
  if (twin) target->clReleaseProgram(twin);
  return 0;
}

static void keep(cl_program program, const char *path) {
  bytes b = {NULL, 0};
  if (target->clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof b.size, &b.size, NULL) ==
          CL_SUCCESS &&
      b.size)
    b.data = malloc(b.size);
  if (b.data &&
      target->clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof b.data, &b.data, NULL) == CL_SUCCESS)
    write_file(path, b);
  free(b.data);
}

static cl_int CL_API_CALL on_clBuildProgram(cl_program program, cl_uint n, const cl_device_id *devices,
                                            const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                                            void *user) {
  char path[1000];
  cl_device_id device;
  const int can_keep = !done && path_of(program, options, &device, path);
  replace(program, NULL, NULL);
  if (can_keep && build_twin(program, device, options, path)) return CL_SUCCESS;
  const cl_int status = target->clBuildProgram(program, n, devices, options, done, user);
  if (can_keep && status == CL_SUCCESS) keep(program, path);
  return status;
}

/* ---- what a program is asked ---- */

static cl_kernel CL_API_CALL on_clCreateKernel(cl_program program, const char *name, cl_int *error) {
  return target->clCreateKernel(built(program), name, error);
}

static cl_int CL_API_CALL on_clCreateKernelsInProgram(cl_program program, cl_uint n, cl_kernel *kernels,
                                                      cl_uint *n_ret) {
  return target->clCreateKernelsInProgram(built(program), n, kernels, n_ret);
}

static cl_int CL_API_CALL on_clGetProgramBuildInfo(cl_program program, cl_device_id device,
                                                   cl_program_build_info what, size_t size, void *value,
                                                   size_t *size_ret) {
  return target->clGetProgramBuildInfo(built(program), device, what, size, value, size_ret);
}

static cl_int CL_API_CALL on_clGetProgramInfo(cl_program program, cl_program_info what, size_t size,
                                              void *value, size_t *size_ret) {
  const int of_build = what == CL_PROGRAM_BINARY_SIZES || what == CL_PROGRAM_BINARIES ||
                       what == CL_PROGRAM_NUM_KERNELS || what == CL_PROGRAM_KERNEL_NAMES;
  return target->clGetProgramInfo(of_build ? built(program) : program, what, size, value, size_ret);
}

static cl_int CL_API_CALL on_clReleaseProgram(cl_program program) {
  cl_uint count = 0;
  target->clGetProgramInfo(program, CL_PROGRAM_REFERENCE_COUNT, sizeof count, &count, NULL);
  if (count == 1) replace(program, NULL, NULL);
  return target->clReleaseProgram(program);
}

EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *size_ret) {
  return layer_info("clLoss kept programs", what, size, value, size_ret);
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target_dispatch,
                                      cl_uint *entries_ret, const cl_icd_dispatch **dispatch_ret) {
  if (entries < sizeof table / sizeof(void *)) return CL_INVALID_VALUE;
  target = target_dispatch;
  table = *target;
  table.clBuildProgram = on_clBuildProgram;
  table.clCreateKernel = on_clCreateKernel;
  table.clCreateKernelsInProgram = on_clCreateKernelsInProgram;
  table.clGetProgramBuildInfo = on_clGetProgramBuildInfo;
  table.clGetProgramInfo = on_clGetProgramInfo;
  table.clReleaseProgram = on_clReleaseProgram;
  *entries_ret = sizeof table / sizeof(void *);
  *dispatch_ret = &table;
  return CL_SUCCESS;
}
