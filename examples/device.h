/* The program's OpenCL: one device, its context, an in-order queue and the kernels of one .cl file; and the lines on
 * stderr that name each error of OpenCL, CLBlast and clLoss. */
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
  char name[128];
} device;

/* Opens the device with this number, counted through all platforms as `clloss devices` does, and builds the kernels.
 * Either way the device is to be closed. */
bool device_open(device *dev, unsigned number, const char *kernel_path);

/* Also empties CLBlast's cache of compiled kernels, which would keep the context alive. */
void device_close(device *dev);

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
bool loss_ok(clloss_status status, const clloss_ctx *ctx, const char *what);

#endif
