/* The OpenCL devices of all platforms, in the one order that gives `--device N` its meaning. */
#ifndef DEVICES_H
#define DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#ifdef __APPLE__
#  include <OpenCL/opencl.h>
#else
#  include <CL/cl.h>
#endif

typedef struct device_list {
  cl_device_id *devices;
  cl_platform_id *platforms; /* of each device */
  size_t n;
} device_list;

/* Finding none, or no platform, is no failure. False: out of memory. */
bool devices_find(device_list *list);
void devices_free(device_list *list);

/* The device's name, the caller's to free; NULL where memory is out. */
char *device_name(cl_device_id device);

#endif
