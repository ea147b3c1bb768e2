/* `clloss devices`: a table of the devices, and one of the kernels that typical shapes get on each. */
#include "devices.h"

#include "cli.h"

#include <clloss/clloss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add_devices(device_list *list, cl_platform_id platform) {
  cl_uint n = 0;
  if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n) || !n) return true;
  cl_device_id *devices = realloc(list->devices, (list->n + n) * sizeof *devices);
  if (devices) list->devices = devices;
  cl_platform_id *platforms = realloc(list->platforms, (list->n + n) * sizeof *platforms);
  if (platforms) list->platforms = platforms;
  if (!devices || !platforms) return false;
  if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, devices + list->n, NULL)) return true;
  for (cl_uint i = 0; i < n; i++) platforms[list->n++] = platform;
  return true;
}

bool devices_find(device_list *list) {
  cl_uint n = 0;
  *list = (device_list){.n = 0};
  if (clGetPlatformIDs(0, NULL, &n) || !n) return true;
  cl_platform_id *platforms = calloc(n, sizeof *platforms);
  bool good = platforms != NULL;
  if (good && !clGetPlatformIDs(n, platforms, NULL))
    for (cl_uint i = 0; i < n && good; i++) good = add_devices(list, platforms[i]);
  free(platforms);
  if (!good) {
    devices_free(list);
    fail(EXIT_FAILED, "out of memory");
  }
  return good;
}

void devices_free(device_list *list) {
  free(list->devices);
  free(list->platforms);
  *list = (device_list){.n = 0};
}

/* Drivers pad names with blanks. */
static char *trimmed(char *text) {
  size_t start = strspn(text, " \t"), n = strlen(text + start);
  memmove(text, text + start, n + 1);
  while (n && (text[n - 1] == ' ' || text[n - 1] == '\t')) text[--n] = 0;
  return text;
}

char *device_name(cl_device_id device) {
  size_t bytes = 0;
  if (clGetDeviceInfo(device, CL_DEVICE_NAME, 0, NULL, &bytes)) bytes = 0;
  char *name = calloc(bytes + 1, 1);
  if (name && bytes && clGetDeviceInfo(device, CL_DEVICE_NAME, bytes, name, NULL)) *name = 0;
  return name ? trimmed(name) : NULL;
}

static const char *type_name(cl_device_id device) {
  cl_device_type type = 0;
  clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
  if (type & CL_DEVICE_TYPE_GPU) return "GPU";
  if (type & CL_DEVICE_TYPE_CPU) return "CPU";
  return type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator" : "custom";
}

static void print_devices(const device_list *list) {
  int widest = 6;
  for (size_t i = 0; i < list->n; i++) {
    char *name = device_name(list->devices[i]);
    if (name && (int)strlen(name) > widest) widest = (int)strlen(name);
    free(name);
  }
  printf("%3s  %-*s  %-11s  %5s  %10s  %10s  %s\n", "N", widest, "device", "type", "units", "memory",
         "largest", "platform");
  for (size_t i = 0; i < list->n; i++) {
    cl_device_id device = list->devices[i];
    cl_uint units = 0;
    cl_ulong memory = 0, largest = 0;
    char platform[128] = "";
    char *name = device_name(device);
    clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
    clGetPlatformInfo(list->platforms[i], CL_PLATFORM_NAME, sizeof platform - 1, platform, NULL);
    printf("%3zu  %-*s  %-11s  %5u  %6.1f GiB  %6.1f GiB  %s\n", i, widest, name ? name : "",
           type_name(device), units, (double)memory / 0x1p30, (double)largest / 0x1p30, trimmed(platform));
    free(name);
  }
}

static const struct shape {
  size_t rows, classes;
} shapes[] = {{1 << 20, 10}, {65536, 1000}, {1024, 32768}, {8, 131072}, {1, 131072}};

enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* "lane_split x 4" where several work-groups share a row. */
static void plan_text(clloss_ctx *ctx, const struct shape *shape, char text[64]) {
  clloss_xent xent = {.struct_size = sizeof xent, .rows = shape->rows, .classes = shape->classes};
  clloss_plan plan = {.struct_size = sizeof plan};
  clloss_status status = clloss_xent_plan(ctx, &xent, &plan);
  if (status)
    snprintf(text, 64, "%s", clloss_status_name(status));
  else if (plan.slices > 1)
    snprintf(text, 64, "%s x %llu", plan.variant, (unsigned long long)plan.slices);
  else
    snprintf(text, 64, "%s", plan.variant);
}

/* Why each shape gets what it gets. */
static void print_reasons(clloss_ctx *ctx) {
  for (size_t i = 0; i < N_SHAPES; i++) {
    const clloss_xent xent = {
        .struct_size = sizeof xent, .rows = shapes[i].rows, .classes = shapes[i].classes};
    clloss_plan plan = {.struct_size = sizeof plan};
    if (clloss_xent_plan(ctx, &xent, &plan) == CLLOSS_SUCCESS)
      printf("     %7zu x %-6zu  %6llu work-groups of %llu row%s each: %s\n", shapes[i].rows,
             shapes[i].classes, (unsigned long long)plan.groups, (unsigned long long)plan.rows_per_group,
             plan.rows_per_group == 1 ? "" : "s", plan.why);
  }
}

static void print_plans(cl_device_id device, size_t number) {
  char text[512] = "";
  cl_int status;
  clloss_ctx *ctx = NULL;
  clloss_ctx_options options = {
      .struct_size = sizeof options, .message = text, .message_size_bytes = sizeof text};
  printf("%3zu", number);
  cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  if (context) status = clloss_ctx_create(&ctx, context, device, &options);
  if (!ctx)
    printf("  unusable: %s: %s", clloss_status_name(status), *text ? text : clloss_status_text(status));
  for (size_t i = 0; ctx && i < N_SHAPES; i++) {
    plan_text(ctx, &shapes[i], text);
    printf("  %-*s", i + 1 < N_SHAPES ? 14 : 0, text);
  }
  putchar('\n');
  if (ctx) print_reasons(ctx);
  clloss_ctx_destroy(&ctx);
  if (context) clReleaseContext(context);
}

int devices_main(int argc, char **argv) {
  device_list list;
  (void)argc, (void)argv;
  if (!devices_find(&list)) return EXIT_FAILED;
  if (!list.n) return fail(EXIT_FAILED, "no OpenCL device; is a driver installed (Debian: pocl-opencl-icd)?");
  print_devices(&list);
  printf("\nsoftmax cross-entropy, rows x classes:\n%3s", "N");
  for (size_t i = 0; i < N_SHAPES; i++) {
    char text[64];
    snprintf(text, sizeof text, "%zu x %zu", shapes[i].rows, shapes[i].classes);
    printf("  %-*s", i + 1 < N_SHAPES ? 14 : 0, text);
  }
  putchar('\n');
  for (size_t i = 0; i < list.n; i++) print_plans(list.devices[i], i);
  devices_free(&list);
  return finish_output();
}
