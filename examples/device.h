/* The program's OpenCL: one device, its context, an in-order queue, clLoss's ctx and the kernels of one .cl file; tensors
 * on it; and the lines on stderr that name each error of OpenCL, CLBlast and clLoss. */
#ifndef DEVICE_H
#define DEVICE_H

#include <clblast_c.h>
#include <clloss/clloss.h>
#include <stdbool.h>

typedef struct device {
  cl_device_id id;
  cl_context context;
  cl_command_queue queue; /* in order: CLBlast takes no wait list */
  cl_program program;
  clloss_ctx *ctx;
  char name[128];
} device;

/* Opens the device with this number, counted through all platforms as `clloss devices` does, and builds the kernels.
 * Either way the device is to be closed. */
bool device_open(device *dev, unsigned number, const char *kernel_path);

/* Also empties CLBlast's cache of compiled kernels, which would keep the context alive. */
void device_close(device *dev);

/* A tensor, and copies of the whole of it that are done on return. False, with a line on stderr, on failure. */
bool device_tensor(const device *dev, clloss_tensor **out, uint32_t dtype, size_t rows, size_t columns);
bool device_upload(const device *dev, clloss_tensor *to, const void *from);
bool device_download(const device *dev, const clloss_tensor *from, void *to);

/* The part of the view that starts `elements` later. */
clloss_view view_at(clloss_view view, size_t elements);

/* NULL, and a line on stderr, if the program has no such kernel. */
cl_kernel device_kernel(const device *dev, const char *name);

/* One argument of a kernel; a list of them ends with size 0. */
typedef struct kernel_arg {
  size_t size;
  const void *value;
} kernel_arg;
#define ARG(variable) \
  { sizeof(variable), &(variable) }
#define LAST_ARG \
  { 0, NULL }

/* Runs the kernel over columns × rows work-items. */
bool device_run(const device *dev, cl_kernel kernel, size_t columns, size_t rows, const kernel_arg *args);

/* True for success; otherwise false, with one line on stderr: what was tried, the error's name and meaning. */
bool cl_ok(cl_int status, const char *what);
bool blas_ok(CLBlastStatusCode status, const char *what);
bool loss_ok(clloss_status status, const device *dev, const char *what);

#endif
