/* An OPENCL_LAYERS layer for tests (CL/cl_layer.h): it counts what is created and retained against what is released,
 * counts calls, and makes the Nth call of a kind fail. layer.h is its interface inside the process. From outside:
 *
 *   CLLOSS_LAYER_FAIL=clCreateBuffer:3:-4   the third clCreateBuffer of each process returns -4, which stderr hears of
 *   CLLOSS_LAYER_CALLS=FILE                 a line for each call is added to the file: the process and the call's name
 *   CLLOSS_LAYER_REPORT=1                   at exit, whatever wasn't released goes to stderr
 *
 * Every entry point that isn't listed below aborts: a call that the lists don't know would be one that the fault
 * tests silently leave out. */
#undef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION          200 /* of SVM */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS     /* clCreateCommandQueue */
#include "layer.h"

#include "layer_info.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* name, parameters, arguments, what to count after success */
/* clang-format off */
#define STATUS_CALLS(X)                                                                                        \
  X(clGetPlatformInfo, (cl_platform_id a, cl_platform_info b, size_t c, void *d, size_t *e), (a, b, c, d, e), ) \
  X(clGetDeviceIDs, (cl_platform_id a, cl_device_type b, cl_uint c, cl_device_id *d, cl_uint *e),               \
    (a, b, c, d, e), )                                                                                         \
  X(clGetDeviceInfo, (cl_device_id a, cl_device_info b, size_t c, void *d, size_t *e), (a, b, c, d, e),         \
    if (b == CL_DEVICE_LOCAL_MEM_SIZE && d && local_most) *(cl_ulong *)d = local_most;)                         \
  X(clGetContextInfo, (cl_context a, cl_context_info b, size_t c, void *d, size_t *e), (a, b, c, d, e), )       \
  X(clGetCommandQueueInfo, (cl_command_queue a, cl_command_queue_info b, size_t c, void *d, size_t *e),         \
    (a, b, c, d, e), )                                                                                         \
  X(clGetMemObjectInfo, (cl_mem a, cl_mem_info b, size_t c, void *d, size_t *e), (a, b, c, d, e), )             \
  X(clGetProgramInfo, (cl_program a, cl_program_info b, size_t c, void *d, size_t *e), (a, b, c, d, e), )       \
  X(clGetProgramBuildInfo, (cl_program a, cl_device_id b, cl_program_build_info c, size_t d, void *e, size_t *f), \
    (a, b, c, d, e, f), )                                                                                      \
  X(clGetKernelInfo, (cl_kernel a, cl_kernel_info b, size_t c, void *d, size_t *e), (a, b, c, d, e), )          \
  X(clGetKernelWorkGroupInfo, (cl_kernel a, cl_device_id b, cl_kernel_work_group_info c, size_t d, void *e,     \
                               size_t *f), (a, b, c, d, e, f),                                                 \
    if (c == CL_KERNEL_WORK_GROUP_SIZE && e && items_most && *(size_t *)e > items_most) *(size_t *)e = items_most; \
    if (c == CL_KERNEL_LOCAL_MEM_SIZE && e) *(cl_ulong *)e += local_own;)                                       \
  X(clGetEventInfo, (cl_event a, cl_event_info b, size_t c, void *d, size_t *e), (a, b, c, d, e), )             \
  X(clGetEventProfilingInfo, (cl_event a, cl_profiling_info b, size_t c, void *d, size_t *e), (a, b, c, d, e), ) \
  X(clBuildProgram, (cl_program a, cl_uint b, const cl_device_id *c, const char *d,                             \
                     void (CL_CALLBACK *e)(cl_program, void *), void *f), (a, b, c, d, e, f), )                 \
  X(clSetKernelArg, (cl_kernel a, cl_uint b, size_t c, const void *d), (a, b, c, d), if (!d) note_local(a, b, c);) \
  X(clSetKernelArgSVMPointer, (cl_kernel a, cl_uint b, const void *c), (a, b, c), )                             \
  X(clEnqueueSVMMap, (cl_command_queue a, cl_bool b, cl_map_flags c, void *d, size_t e, cl_uint f,              \
                      const cl_event *g, cl_event *ev), (a, b, c, d, e, f, g, ev), COUNT_EVENT)                \
  X(clEnqueueSVMUnmap, (cl_command_queue a, void *b, cl_uint c, const cl_event *d, cl_event *ev),               \
    (a, b, c, d, ev), COUNT_EVENT)                                                                             \
  X(clFlush, (cl_command_queue a), (a), )                                                                       \
  X(clFinish, (cl_command_queue a), (a), )                                                                      \
  X(clWaitForEvents, (cl_uint a, const cl_event *b), (a, b), )                                                  \
  X(clSetUserEventStatus, (cl_event a, cl_int b), (a, b), )                                                     \
  X(clEnqueueNDRangeKernel, (cl_command_queue a, cl_kernel b, cl_uint c, const size_t *d, const size_t *e,      \
                             const size_t *f, cl_uint g, const cl_event *h, cl_event *ev),                     \
    (a, b, c, d, e, f, g, h, ev), COUNT_EVENT)                                                                 \
  X(clEnqueueReadBuffer, (cl_command_queue a, cl_mem b, cl_bool c, size_t d, size_t e, void *f, cl_uint g,      \
                          const cl_event *h, cl_event *ev), (a, b, c, d, e, f, g, h, ev), COUNT_EVENT)          \
  X(clEnqueueWriteBuffer, (cl_command_queue a, cl_mem b, cl_bool c, size_t d, size_t e, const void *f,          \
                           cl_uint g, const cl_event *h, cl_event *ev), (a, b, c, d, e, f, g, h, ev), COUNT_EVENT) \
  X(clEnqueueCopyBuffer, (cl_command_queue a, cl_mem b, cl_mem c, size_t d, size_t e, size_t f, cl_uint g,      \
                          const cl_event *h, cl_event *ev), (a, b, c, d, e, f, g, h, ev), COUNT_EVENT)          \
  X(clEnqueueFillBuffer, (cl_command_queue a, cl_mem b, const void *c, size_t d, size_t e, size_t f, cl_uint g, \
                          const cl_event *h, cl_event *ev), (a, b, c, d, e, f, g, h, ev), COUNT_EVENT)          \
  X(clEnqueueUnmapMemObject, (cl_command_queue a, cl_mem b, void *c, cl_uint d, const cl_event *e,              \
                              cl_event *ev), (a, b, c, d, e, ev), COUNT_EVENT live[LAYER_MAP]--;)               \
  X(clEnqueueMarkerWithWaitList, (cl_command_queue a, cl_uint b, const cl_event *c, cl_event *ev),              \
    (a, b, c, ev), COUNT_EVENT)                                                                                \
  X(clEnqueueBarrierWithWaitList, (cl_command_queue a, cl_uint b, const cl_event *c, cl_event *ev),             \
    (a, b, c, ev), COUNT_EVENT)

/* type returned, name, parameters but the last (cl_int *err), arguments, what to count after success */
#define CREATE_CALLS(X)                                                                                        \
  X(cl_context, clCreateContext, (const cl_context_properties *a, cl_uint b, const cl_device_id *c,             \
    void (CL_CALLBACK *d)(const char *, const void *, size_t, void *), void *e, cl_int *err),                   \
    (a, b, c, d, e, err), live[LAYER_CONTEXT]++;)                                                               \
  X(cl_command_queue, clCreateCommandQueue, (cl_context a, cl_device_id b, cl_command_queue_properties c,       \
    cl_int *err), (a, b, c, err), live[LAYER_QUEUE]++;)                                                         \
  X(cl_mem, clCreateBuffer, (cl_context a, cl_mem_flags b, size_t c, void *d, cl_int *err),                     \
    (a, b, c, d, err), live[LAYER_BUFFER]++;)                                                                   \
  X(cl_mem, clCreateSubBuffer, (cl_mem a, cl_mem_flags b, cl_buffer_create_type c, const void *d, cl_int *err), \
    (a, b, c, d, err), live[LAYER_BUFFER]++;)                                                                   \
  X(cl_program, clCreateProgramWithSource, (cl_context a, cl_uint b, const char **c, const size_t *d,           \
    cl_int *err), (a, b, c, d, err), live[LAYER_PROGRAM]++;)                                                    \
  X(cl_program, clCreateProgramWithBinary, (cl_context a, cl_uint b, const cl_device_id *c, const size_t *d,    \
    const unsigned char **e, cl_int *f, cl_int *err), (a, b, c, d, e, f, err), live[LAYER_PROGRAM]++;)          \
  X(cl_kernel, clCreateKernel, (cl_program a, const char *b, cl_int *err), (a, b, err), NOTE_KERNEL(b);          \
    forget_local(made);)                                                                                        \
  X(cl_event, clCreateUserEvent, (cl_context a, cl_int *err), (a, err), live[LAYER_EVENT]++;)                   \
  X(void *, clEnqueueMapBuffer, (cl_command_queue a, cl_mem b, cl_bool c, cl_map_flags d, size_t e, size_t f,   \
    cl_uint g, const cl_event *h, cl_event *ev, cl_int *err), (a, b, c, d, e, f, g, h, ev, err),                \
    COUNT_EVENT live[LAYER_MAP]++;)

/* name after clRetain and clRelease, type, kind */
#define COUNTED_TYPES(X)                                                                                       \
  X(Context, cl_context, CONTEXT) X(CommandQueue, cl_command_queue, QUEUE) X(MemObject, cl_mem, BUFFER)         \
  X(Program, cl_program, PROGRAM) X(Kernel, cl_kernel, KERNEL) X(Event, cl_event, EVENT)                        \
  X(Device, cl_device_id, DEVICE)
/* clang-format on */

#define NOTE_KERNEL(name) \
  live[LAYER_KERNEL]++;   \
  note_kernel(name);

#define COUNT_EVENT \
  if (ev) live[LAYER_EVENT]++;

enum call {
#define STATUS_ENUM(name, params, args, after)       CALL_##name,
#define CREATE_ENUM(type, name, params, args, after) CALL_##name,
#define RETAIN_ENUM(name, type, kind)                CALL_clRetain##name,
#define RELEASE_ENUM(name, type, kind)               CALL_clRelease##name,
  STATUS_CALLS(STATUS_ENUM) CREATE_CALLS(CREATE_ENUM) COUNTED_TYPES(RETAIN_ENUM) COUNTED_TYPES(RELEASE_ENUM)
      CALL_COUNT
};

static const cl_icd_dispatch *target;
static size_t items_most;            /* 0: as many as the driver says */
static size_t local_most, local_own; /* the same of local memory, in bytes */
static cl_icd_dispatch table;
static _Atomic(int64_t) live[LAYER_KIND_COUNT];
static _Atomic(uint64_t) calls[CALL_COUNT];
static struct {
  _Atomic(uint64_t) left; /* calls until the one that fails; 0: none will */
  atomic_bool fired;
  cl_int code;
} faults[CALL_COUNT];

/* Names of kernels, in the order in which they were made. Several threads may make some at once. */
enum { KERNELS_NOTED = 512, NAME_BYTES = 64 };
static char noted[KERNELS_NOTED][NAME_BYTES];
static atomic_size_t n_noted;

static void note_kernel(const char *name) {
  const size_t i = n_noted++;
  if (i < KERNELS_NOTED) snprintf(noted[i], NAME_BYTES, "%s", name);
}

static size_t kernels_made(const char *name) {
  size_t n = 0;
  for (size_t i = 0; i < n_noted && i < KERNELS_NOTED; i++) n += !strcmp(noted[i], name);
  return n;
}
static const char *const call_names[] = {
#define STATUS_NAME(name, params, args, after)       #name,
#define CREATE_NAME(type, name, params, args, after) #name,
#define RETAIN_NAME(name, type, kind)                "clRetain" #name,
#define RELEASE_NAME(name, type, kind)               "clRelease" #name,
    STATUS_CALLS(STATUS_NAME) CREATE_CALLS(CREATE_NAME) COUNTED_TYPES(RETAIN_NAME)
        COUNTED_TYPES(RELEASE_NAME)};

static const char *from_outside; /* CLLOSS_LAYER_FAIL */
static FILE *told;               /* CLLOSS_LAYER_CALLS */

/* Counts the call and says whether it is to fail. */
static bool fails(enum call call) {
  calls[call]++;
  if (told) fprintf(told, "%ld %s\n", (long)getpid(), call_names[call]);
  uint64_t left = faults[call].left;
  if (!left) return false;
  faults[call].left = left - 1;
  if (left > 1) return false;
  faults[call].fired = true;
  if (from_outside) fprintf(stderr, "layer: %s, as asked\n", from_outside);
  return true;
}

/* ---- local memory: what the arguments of kernels take of it. Of one thread at a time, where it is limited. */

static struct {
  cl_kernel kernel;
  cl_uint index;
  size_t bytes;
} locals[512];

enum { LOCALS = sizeof locals / sizeof *locals };

static void forget_local(cl_kernel kernel) {
  for (int i = 0; local_most && i < LOCALS; i++)
    if (locals[i].kernel == kernel) locals[i].kernel = NULL;
}

static void note_local(cl_kernel kernel, cl_uint index, size_t bytes) {
  int at = 0;
  if (!local_most) return;
  while (at < LOCALS && !(locals[at].kernel == kernel && locals[at].index == index)) at++;
  for (int i = 0; at == LOCALS && i < LOCALS; i++)
    if (!locals[i].kernel) at = i;
  if (at == LOCALS) abort();
  locals[at].kernel = kernel, locals[at].index = index, locals[at].bytes = bytes;
}

static bool fits_local(cl_kernel kernel) {
  size_t bytes = local_own;
  for (int i = 0; i < LOCALS; i++) bytes += locals[i].kernel == kernel ? locals[i].bytes : 0;
  return !local_most || bytes <= local_most;
}

#define STATUS_WRAPPER(name, params, args, after)            \
  static cl_int CL_API_CALL on_##name params {               \
    if (fails(CALL_##name)) return faults[CALL_##name].code; \
    cl_int status = target->name args;                       \
    if (status == CL_SUCCESS) {                              \
      after                                                  \
    }                                                        \
    return status;                                           \
  }
STATUS_CALLS(STATUS_WRAPPER)

static cl_int CL_API_CALL set_within(cl_kernel kernel, cl_uint index, size_t bytes, const void *value) {
  if (!value && local_most && bytes + local_own > local_most) return CL_OUT_OF_RESOURCES;
  return on_clSetKernelArg(kernel, index, bytes, value);
}

static cl_int CL_API_CALL enqueue_within(cl_command_queue queue, cl_kernel kernel, cl_uint n,
                                         const size_t *offset, const size_t *global, const size_t *local,
                                         cl_uint n_wait, const cl_event *wait, cl_event *event) {
  if (!fits_local(kernel)) return CL_OUT_OF_RESOURCES;
  return on_clEnqueueNDRangeKernel(queue, kernel, n, offset, global, local, n_wait, wait, event);
}

#define CREATE_WRAPPER(type, name, params, args, after) \
  static type CL_API_CALL on_##name params {            \
    if (fails(CALL_##name)) {                           \
      if (err) *err = faults[CALL_##name].code;         \
      return NULL;                                      \
    }                                                   \
    type made = target->name args;                      \
    if (made) {                                         \
      after                                             \
    }                                                   \
    return made;                                        \
  }
CREATE_CALLS(CREATE_WRAPPER)

#define COUNTED_WRAPPERS(name, type, kind)                                   \
  static cl_int CL_API_CALL on_clRetain##name(type object) {                 \
    if (fails(CALL_clRetain##name)) return faults[CALL_clRetain##name].code; \
    cl_int status = target->clRetain##name(object);                          \
    if (status == CL_SUCCESS) live[LAYER_##kind]++;                          \
    return status;                                                           \
  }                                                                          \
  static cl_int CL_API_CALL on_clRelease##name(type object) {                \
    calls[CALL_clRelease##name]++;                                           \
    cl_int status = target->clRelease##name(object);                         \
    if (status == CL_SUCCESS) live[LAYER_##kind]--;                          \
    return status;                                                           \
  }
COUNTED_TYPES(COUNTED_WRAPPERS)

static const char *const kind_names[] = {
#define KIND_NAME(kind) #kind,
    LAYER_KINDS(KIND_NAME)};

static const char *call_name(int call) { return call_names[call]; }
static bool can_fail(int call) { return strncmp(call_names[call], "clRelease", 9) != 0; }
static uint64_t call_total(int call) { return calls[call]; }
static bool fault_fired(int call) { return faults[call].fired; }
static const char *kind_name(int kind) { return kind_names[kind]; }
static int64_t kind_live(int kind) { return live[kind]; }

static void fail_nth(int call, uint64_t nth, cl_int code) {
  faults[call].fired = false;
  faults[call].code = code;
  faults[call].left = nth;
}

static void limit_items(size_t most) { items_most = most; }
static void limit_local(size_t most, size_t own) {
  local_most = most, local_own = own;
  memset(locals, 0, sizeof locals);
}

EXPORT extern const layer_api layer_table;
const layer_api layer_table = {CALL_COUNT,  call_name,    can_fail,    call_total, fail_nth, fault_fired,
                               limit_items, kernels_made, limit_local, kind_name,  kind_live};

static void arm_from_environment(void) {
  const char *text = getenv("CLLOSS_LAYER_FAIL"), *file = getenv("CLLOSS_LAYER_CALLS");
  char name[64];
  unsigned long long nth;
  int code;
  if (file) told = fopen(file, "a");
  if (told) setvbuf(told, NULL, _IOLBF, 0);
  from_outside = text;
  if (!text) return;
  if (sscanf(text, "%63[^:]:%llu:%d", name, &nth, &code) == 3)
    for (int call = 0; call < CALL_COUNT; call++)
      if (can_fail(call) && !strcmp(name, call_names[call])) {
        fail_nth(call, nth, code);
        return;
      }
  fprintf(stderr, "layer: CLLOSS_LAYER_FAIL=%s is not NAME:NTH:CODE of a call that can fail\n", text);
  abort();
}

__attribute__((destructor)) static void report(void) {
  if (!getenv("CLLOSS_LAYER_REPORT")) return;
  for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
    if (live[kind]) fprintf(stderr, "layer: %s %+lld\n", kind_names[kind], (long long)live[kind]);
}

static void unlisted(void) {
  fprintf(stderr,
          "layer: an OpenCL call that tests/layer.c doesn't list (find it with a debugger): add it there\n");
  abort();
}

EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value, size_t *size_ret) {
  return layer_info("clLoss test layer", what, size, value, size_ret);
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target_dispatch,
                                      cl_uint *entries_ret, const cl_icd_dispatch **dispatch_ret) {
  void (*const refuse)(void) = unlisted;
  const size_t slots = sizeof table / sizeof(void *);
  if (entries < slots) return CL_INVALID_VALUE;
  target = target_dispatch;
  for (size_t i = 0; i < slots; i++) memcpy((char *)&table + i * sizeof(void *), &refuse, sizeof(void *));
  table.clGetPlatformIDs = target->clGetPlatformIDs;
  /* without a code that they could fail with; only tests call the first two. USM's functions, which the last gives, are the driver's
     and pass by here. */
  table.clSVMAlloc = target->clSVMAlloc;
  table.clSVMFree = target->clSVMFree;
  table.clGetExtensionFunctionAddressForPlatform = target->clGetExtensionFunctionAddressForPlatform;
#define STATUS_SLOT(name, params, args, after)       table.name = on_##name;
#define CREATE_SLOT(type, name, params, args, after) table.name = on_##name;
#define COUNTED_SLOTS(name, type, kind)     \
  table.clRetain##name = on_clRetain##name; \
  table.clRelease##name = on_clRelease##name;
  STATUS_CALLS(STATUS_SLOT)
  CREATE_CALLS(CREATE_SLOT)
  COUNTED_TYPES(COUNTED_SLOTS)
  table.clSetKernelArg = set_within;
  table.clEnqueueNDRangeKernel = enqueue_within;
  arm_from_environment();
  *entries_ret = (cl_uint)slots;
  *dispatch_ret = &table;
  return CL_SUCCESS;
}
