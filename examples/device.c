/* Finds the device, builds the kernels, names the errors. */
#include "device.h"
#include <stdio.h>
#include <stdlib.h>

bool cl_ok(cl_int status, const char *what) {
  if (status == CL_SUCCESS) return true;
  fprintf(stderr, "%s: %s\n", what, clloss_status_name(status)); /* knows OpenCL's codes as well */
  return false;
}

/* CLBlast's codes are OpenCL's and its own, some of which (−1010 … −1001) OpenCL's extensions use too. */
bool blas_ok(CLBlastStatusCode status, const char *what) {
  static const struct {
    CLBlastStatusCode code;
    const char *name;
  } own[] = {
      {CLBlastNotImplemented, "CLBlastNotImplemented"},
      {CLBlastInvalidMatrixA, "CLBlastInvalidMatrixA"},
      {CLBlastInvalidMatrixB, "CLBlastInvalidMatrixB"},
      {CLBlastInvalidMatrixC, "CLBlastInvalidMatrixC"},
      {CLBlastInvalidDimension, "CLBlastInvalidDimension"},
      {CLBlastInvalidLeadDimA, "CLBlastInvalidLeadDimA"},
      {CLBlastInvalidLeadDimB, "CLBlastInvalidLeadDimB"},
      {CLBlastInvalidLeadDimC, "CLBlastInvalidLeadDimC"},
      {CLBlastInsufficientMemoryA, "CLBlastInsufficientMemoryA"},
      {CLBlastInsufficientMemoryB, "CLBlastInsufficientMemoryB"},
      {CLBlastInsufficientMemoryC, "CLBlastInsufficientMemoryC"},
      {CLBlastInvalidLocalMemUsage, "CLBlastInvalidLocalMemUsage"},
      {CLBlastDatabaseError, "CLBlastDatabaseError"},
      {CLBlastUnknownError, "CLBlastUnknownError"},
      {CLBlastUnexpectedError, "CLBlastUnexpectedError"},
  };
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
    if (status == own[i].code) {
      fprintf(stderr, "%s: %s (%d)\n", what, own[i].name, (int)status);
      return false;
    }
  }
  return cl_ok((cl_int)status, what);
}

bool loss_ok(clloss_status status, const device *dev, const char *what) {
  if (status == CLLOSS_SUCCESS) return true;
  fprintf(stderr, "%s: %s. %s\n", what, clloss_status_text(status), clloss_ctx_message(dev->ctx));
  return false;
}

enum { MAX_PLATFORMS = 16, MAX_DEVICES = 32 };

static cl_device_id find(unsigned number) {
  cl_platform_id platforms[MAX_PLATFORMS];
  cl_uint n_platforms = 0;
  const cl_int status = clGetPlatformIDs(MAX_PLATFORMS, platforms, &n_platforms);
  if (!cl_ok(status, "looking for OpenCL platforms")) return NULL;
  unsigned seen = 0;
  for (cl_uint p = 0; p < n_platforms && p < MAX_PLATFORMS; p++) {
    cl_device_id devices[MAX_DEVICES];
    cl_uint n = 0;
    if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &n) != CL_SUCCESS) continue;
    n = n < MAX_DEVICES ? n : MAX_DEVICES;
    if (number - seen < n) return devices[number - seen];
    seen += n;
  }
  fprintf(stderr, "no OpenCL device %u: there are %u, counted from 0\n", number, seen);
  return NULL;
}

static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  long size = -1;
  if (file && fseek(file, 0, SEEK_END) == 0) size = ftell(file);
  if (size >= 0 && fseek(file, 0, SEEK_SET) == 0) text = calloc((size_t)size + 1, 1);
  if (text && fread(text, 1, (size_t)size, file) != (size_t)size) {
    free(text);
    text = NULL;
  }
  if (!text) fprintf(stderr, "%s: can't be read\n", path);
  if (file) fclose(file);
  return text;
}

static bool build(device *dev, const char *path) {
  char *source = read_text(path);
  if (!source) return false;
  cl_int status;
  dev->program = clCreateProgramWithSource(dev->context, 1, (const char **)&source, NULL, &status);
  free(source);
  if (!cl_ok(status, "clCreateProgramWithSource")) return false;
  status = clBuildProgram(dev->program, 1, &dev->id, "-cl-std=CL1.2", NULL, NULL);
  if (status == CL_BUILD_PROGRAM_FAILURE) {
    char log[4096] = "";
    clGetProgramBuildInfo(dev->program, dev->id, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL);
    fprintf(stderr, "%s\n", log);
  }
  return cl_ok(status, path);
}

bool device_open(device *dev, unsigned number, const char *kernel_path) {
  *dev = (device){.id = find(number)};
  if (!dev->id) return false;
  cl_int status = clGetDeviceInfo(dev->id, CL_DEVICE_NAME, sizeof dev->name, dev->name, NULL);
  if (!cl_ok(status, "CL_DEVICE_NAME")) return false;
  dev->context = clCreateContext(NULL, 1, &dev->id, NULL, NULL, &status);
  if (!cl_ok(status, "clCreateContext")) return false;
  dev->queue = clCreateCommandQueue(dev->context, dev->id, 0, &status);
  return cl_ok(status, "clCreateCommandQueue") && build(dev, kernel_path) &&
         loss_ok(clloss_ctx_create(&dev->ctx, dev->context, dev->id, NULL), dev, "clloss_ctx_create");
}

void device_close(device *dev) {
  clloss_ctx_destroy(&dev->ctx);
  if (dev->context) CLBlastClearCache();
  if (dev->program) clReleaseProgram(dev->program);
  if (dev->queue) clReleaseCommandQueue(dev->queue);
  if (dev->context) clReleaseContext(dev->context);
  *dev = (device){0};
}

bool device_tensor(const device *dev, clloss_tensor **out, uint32_t dtype, size_t rows, size_t columns) {
  return loss_ok(clloss_tensor_create(out, dev->ctx, dtype, rows, columns), dev, "a tensor");
}

bool device_upload(const device *dev, clloss_tensor *to, const void *from) {
  return loss_ok(clloss_tensor_upload(to, from, dev->queue, 0, NULL, NULL), dev, "upload");
}

bool device_download(const device *dev, const clloss_tensor *from, void *to) {
  return loss_ok(clloss_tensor_download(from, to, dev->queue, 0, NULL, NULL), dev, "download");
}

clloss_view view_at(clloss_view view, size_t elements) {
  view.offset += elements;
  return view;
}

cl_kernel device_kernel(const device *dev, const char *name) {
  cl_int status;
  cl_kernel kernel = clCreateKernel(dev->program, name, &status);
  return cl_ok(status, name) ? kernel : NULL;
}

bool device_run(const device *dev, cl_kernel kernel, size_t columns, size_t rows, const kernel_arg *args) {
  cl_int status = CL_SUCCESS;
  for (cl_uint i = 0; args[i].size && !status; i++)
    status = clSetKernelArg(kernel, i, args[i].size, args[i].value);
  const size_t global[2] = {columns, rows};
  if (!status) status = clEnqueueNDRangeKernel(dev->queue, kernel, 2, NULL, global, NULL, 0, NULL, NULL);
  if (!status) return true;
  char name[64] = "kernel";
  clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
  return cl_ok(status, name);
}
