/* Every status of CLLOSS_STATUS_LIST is provoked, and OpenCL's own codes come through. The loop at the end is
 * generated from the list, so a code added there without a test fails here. The cross-entropy calls' refusals are in
 * status_xent.c; here stand those of the ctx, the queries and the tensors, names and texts, and the child process. */
#include "check.h"
#include "status_xent.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
  clloss_status code;
  const char *name, *text;
  int provoked;
} statuses[] = {
#define STATUS_ROW(name, value, text) {value, "CLLOSS_" #name, text, 0},
    CLLOSS_STATUS_LIST(STATUS_ROW)};
enum { STATUS_COUNT = sizeof statuses / sizeof *statuses };

static int passed_through;

static void seen(clloss_status status) {
  for (int i = 0; i < STATUS_COUNT; i++)
    if (statuses[i].code == status) statuses[i].provoked++;
  if (status < 0 && status > CLLOSS_NULL_ARGUMENT) passed_through++;
}

static void expect(const char *what, clloss_status actual, clloss_status expected, const char *message,
                   const char *word) {
  int failures = check_failures;
  CHECK_STATUS(actual, expected);
  CHECK(message != NULL);
  if (message && !strstr(message, word)) {
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "\"%s\" doesn't say: %s\n", message, word);
  }
  if (failures != check_failures)
    fprintf(stderr, "  in '%s'\n", what);
  else
    seen(actual);
}

/* ---- names -------------------------------------------------------------------------------------------------- */

static void check_names(void) {
  for (int i = 0; i < STATUS_COUNT; i++) {
    CHECK(!strcmp(clloss_status_name(statuses[i].code), statuses[i].name));
    CHECK(!strcmp(clloss_status_text(statuses[i].code), statuses[i].text));
    for (int j = 0; j < i; j++) CHECK(statuses[i].code != statuses[j].code);
  }
  CHECK(!strcmp(clloss_status_name(CL_INVALID_KERNEL_ARGS), "CL_INVALID_KERNEL_ARGS"));
  CHECK(!strcmp(clloss_status_name(CL_DEVICE_NOT_FOUND), "CL_DEVICE_NOT_FOUND"));
  CHECK(!strcmp(clloss_status_name(-1001), "CL_PLATFORM_NOT_FOUND_KHR"));
  const clloss_status unknown[] = {1, -6000, -6999, INT32_MIN, INT32_MAX};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    CHECK(!strcmp(clloss_status_name(unknown[i]), "unknown status"));
  CHECK(clloss_status_text(INT32_MIN) && *clloss_status_text(CL_OUT_OF_RESOURCES));
}

/* ---- ctx ---------------------------------------------------------------------------------------------------- */

/* A device that isn't in f's context. */
static cl_device_id second_device(const fixture *f, bool *owned) {
  cl_device_id devices[2] = {NULL, NULL};
  const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
  cl_uint count = 0;
  *owned = false;
  if (clGetDeviceIDs(f->platform, CL_DEVICE_TYPE_ALL, 2, devices, &count) == CL_SUCCESS && count > 1)
    return devices[1];
  *owned = clCreateSubDevices(f->device, equally, 1, devices, NULL) == CL_SUCCESS ||
           clCreateSubDevices(f->device, equally, 2, devices, NULL) == CL_SUCCESS;
  return *owned ? devices[0] : NULL;
}

static void refuse_ctx(const char *what, cl_context context, cl_device_id device, clloss_ctx_options options,
                       clloss_status expected, const char *word) {
  char message[256];
  clloss_ctx *ctx = (clloss_ctx *)(void *)message;
  memset(message, 'x', sizeof message);
  options.message = message;
  options.message_size_bytes = sizeof message;
  clloss_status status = clloss_ctx_create(&ctx, context, device, &options);
  CHECK(memchr(message, 0, sizeof message) != NULL);
  message[sizeof message - 1] = 0;
  CHECK(ctx == NULL);
  expect(what, status, expected, message, word);
}

static void refused_ctx(const fixture *f) {
  const clloss_ctx_options zero = {.struct_size = sizeof zero};
  clloss_ctx_options o = zero;
  expect("ctx: out NULL", clloss_ctx_create(NULL, f->context, f->device, NULL), CLLOSS_NULL_ARGUMENT, "", "");
  refuse_ctx("ctx: context NULL", NULL, f->device, zero, CLLOSS_NULL_ARGUMENT, "context");
  refuse_ctx("ctx: device NULL", f->context, NULL, zero, CLLOSS_NULL_ARGUMENT, "device");
  o.family = 99;
  refuse_ctx("ctx: family", f->context, f->device, o, CLLOSS_PLAN, "99");
  o = zero;
  o.family = CLLOSS_FAMILY_SPLIT, o.slices = 65;
  refuse_ctx("ctx: slices", f->context, f->device, o, CLLOSS_PLAN, "65");
  o.slices = 1;
  refuse_ctx("ctx: one slice", f->context, f->device, o, CLLOSS_PLAN, "slices");
  o = zero;
  o.family = CLLOSS_FAMILY_GROUP, o.local_size = 1u << 30;
  refuse_ctx("ctx: local size", f->context, f->device, o, CLLOSS_PLAN, "1073741824");

  clloss_ctx *ctx = NULL;
  o = zero;
  o.struct_size = 0;
  expect("ctx: struct size 0", clloss_ctx_create(&ctx, f->context, f->device, &o), CLLOSS_STRUCT_SIZE, "",
         "");
  char tight[4] = {'x', 'x', 'x', 'x'};
  o = zero;
  o.family = 99, o.message = tight, o.message_size_bytes = 2;
  expect("ctx: tight message", clloss_ctx_create(&ctx, f->context, f->device, &o), CLLOSS_PLAN, "", "");
  CHECK(tight[1] == 0 && tight[2] == 'x');
  o.message_size_bytes = 0;
  tight[0] = 'x';
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, &o), CLLOSS_PLAN);
  CHECK(tight[0] == 'x' && !ctx);
  clloss_ctx_destroy(NULL);
  clloss_ctx_destroy(&ctx);
}

/* The device, the queue and the tensor's queue of another device of the same context. */
static void refused_device(const fixture *f) {
  const clloss_ctx_options zero = {.struct_size = sizeof zero};
  bool owned;
  cl_int status;
  cl_device_id devices[2] = {f->device, second_device(f, &owned)};
  CHECK(devices[1] != NULL);
  if (!devices[1]) return;
  refuse_ctx("ctx: device not in the context", f->context, devices[1], zero, CLLOSS_DEVICE, "device");

  cl_context both = clCreateContext(NULL, 2, devices, NULL, NULL, &status);
  cl_command_queue home = both ? clCreateCommandQueue(both, devices[0], 0, &status) : NULL;
  cl_command_queue away = both ? clCreateCommandQueue(both, devices[1], 0, &status) : NULL;
  clloss_ctx *ctx = NULL;
  problem p = {0};
  CHECK_STATUS(status, CL_SUCCESS);
  if (home && away && problem_open(&p, home, 3, 4, CLLOSS_SUM, 2)) {
    CHECK_STATUS(clloss_ctx_create(&ctx, both, devices[0], NULL), CLLOSS_SUCCESS);
    expect("queue of another device", problem_run(&p, FUSED, ctx, away, 0, NULL, NULL), CLLOSS_QUEUE,
           clloss_ctx_message(ctx), "queue");
    CHECK_STATUS(problem_run(&p, FUSED, ctx, home, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK(problem_right(&p, FUSED, home));
  }
  problem_close(&p);
  clloss_ctx_destroy(&ctx);
  if (home) clReleaseCommandQueue(home);
  if (away) clReleaseCommandQueue(away);
  if (both) clReleaseContext(both);
  if (owned) clReleaseDevice(devices[1]);
}

/* ---- queries and tensors ------------------------------------------------------------------------------------ */

static void refused_queries(const fixture *f, clloss_ctx *ctx) {
  clloss_xent x = {.struct_size = sizeof x, .rows = 2, .classes = 0};
  clloss_xent_options o = {.struct_size = sizeof o, .reduction = 9};
  clloss_plan plan = {.struct_size = sizeof plan};
  clloss_ctx_stats stats = {0};
  size_t bytes = 5;
  expect("workspace: classes", clloss_xent_workspace(ctx, &x, NULL, &bytes), CLLOSS_SIZE,
         clloss_ctx_message(ctx), "classes");
  expect("plan: classes", clloss_xent_plan(ctx, &x, &plan), CLLOSS_SIZE, clloss_ctx_message(ctx), "classes");
  x.classes = 2;
  expect("workspace: bytes NULL", clloss_xent_workspace(ctx, &x, NULL, NULL), CLLOSS_NULL_ARGUMENT,
         clloss_ctx_message(ctx), "bytes");
  expect("workspace: reduction", clloss_xent_workspace(ctx, &x, &o, &bytes), CLLOSS_OPTION,
         clloss_ctx_message(ctx), "reduction");
  CHECK_EQ(bytes, 5);
  expect("plan: NULL", clloss_xent_plan(ctx, &x, NULL), CLLOSS_NULL_ARGUMENT, clloss_ctx_message(ctx),
         "plan");
  expect("stats: struct size", clloss_ctx_get_stats(ctx, &stats), CLLOSS_STRUCT_SIZE, clloss_ctx_message(ctx),
         "struct_size");
  expect("stats: NULL", clloss_ctx_get_stats(ctx, NULL), CLLOSS_NULL_ARGUMENT, clloss_ctx_message(ctx),
         "stats");
  expect("fused: ctx NULL", clloss_xent_fused(NULL, &x, NULL, f->queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT,
         "", "");
  expect("forward: ctx NULL", clloss_xent_forward(NULL, &x, NULL, f->queue, 0, NULL, NULL),
         CLLOSS_NULL_ARGUMENT, "", "");
  expect("backward: ctx NULL", clloss_xent_backward(NULL, &x, NULL, f->queue, 0, NULL, NULL),
         CLLOSS_NULL_ARGUMENT, "", "");
  CHECK(clloss_ctx_message(NULL) != NULL);
}

static void refused_tensors(const fixture *f, clloss_ctx *ctx) {
  clloss_tensor *t = NULL;
  void *host = NULL, *again = NULL;
  expect("tensor: dtype", clloss_tensor_create(&t, ctx, 0, 2, 2), CLLOSS_DTYPE, clloss_ctx_message(ctx), "0");
  expect("tensor: size", clloss_tensor_create(&t, ctx, CLLOSS_F32, SIZE_MAX / 4, 2), CLLOSS_SIZE,
         clloss_ctx_message(ctx), "4611686018427387903");
  CHECK(!t);
  /* No overflow, and no such memory: OpenCL's answer, whichever it is. */
  clloss_status huge = clloss_tensor_create(&t, ctx, CLLOSS_F32, SIZE_MAX / 16, 1);
  CHECK(huge == CL_INVALID_BUFFER_SIZE || huge == CL_MEM_OBJECT_ALLOCATION_FAILURE ||
        huge == CL_OUT_OF_HOST_MEMORY);
  expect("tensor: no memory", huge, huge, clloss_ctx_message(ctx), "4611686018427387900");
  CHECK(!t);
  CHECK_STATUS(clloss_tensor_create(&t, ctx, CLLOSS_F32, 2, 2), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(t, &host, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  expect("tensor: mapped twice", clloss_tensor_map(t, &again, f->queue, 0, NULL, NULL), CLLOSS_MAPPED, "",
         "");
  CHECK_STATUS(clloss_tensor_unmap(t, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  /* The tensor calls leave no message, so the text has to be right for all of them. */
  expect("tensor: not mapped", clloss_tensor_unmap(t, f->queue, 0, NULL, NULL), CLLOSS_MAPPED,
         clloss_status_text(CLLOSS_MAPPED), "unmap of one that isn't");
  CHECK(!strstr(clloss_status_text(CLLOSS_MAPPED), "pointer")); /* none is given to any of them */
  clloss_tensor_destroy(&t);
  const int64_t large = INT64_C(1) << 40;
  int32_t small = 0;
  expect("convert: too large", clloss_convert(CLLOSS_I32, &small, CLLOSS_I64, &large, 1), CLLOSS_VALUE, "",
         "");
}

/* ---- fork --------------------------------------------------------------------------------------------------- */

/* Runs in the child: the exit status is the step that went wrong. The driver would hang here, so nothing may reach
 * it; the alarm turns a hang into a death. */
static int in_child(const fixture *f, clloss_ctx *ctx, const problem *p) {
  clloss_tensor *t = NULL;
  cl_event done = NULL;
  alarm(5);
  for (pass which = FORWARD; which < PASS_COUNT; which++)
    if (problem_run(p, which, ctx, f->queue, 0, NULL, &done) != CLLOSS_FORKED || done) return 1 + (int)which;
  if (!strstr(clloss_ctx_message(ctx), "child")) return 4;
  if (clloss_ctx_prebuild(ctx, NULL, 0) != CLLOSS_FORKED) return 5;
  if (clloss_tensor_create(&t, ctx, CLLOSS_F32, 2, 2) != CLLOSS_FORKED || t) return 6;
  clloss_ctx_destroy(&ctx);
  return ctx ? 7 : 0;
}

static void forked(const fixture *f, clloss_ctx *ctx) {
  problem p;
  int status = -1;
  if (!problem_open(&p, f->queue, 3, 4, CLLOSS_MEAN, 4)) {
    CHECK(false);
    return;
  }
  CHECK_STATUS(problem_run(&p, FUSED, ctx, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clFinish(f->queue), CL_SUCCESS);
  pid_t child = fork();
  if (child == 0) _exit(in_child(f, ctx, &p));
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  if (WIFEXITED(status)) CHECK_EQ(WEXITSTATUS(status), 0);
  if (WIFEXITED(status) && !WEXITSTATUS(status)) seen(CLLOSS_FORKED);
  CHECK_STATUS(problem_run(&p, FUSED, ctx, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK(problem_right(&p, FUSED, f->queue));
  problem_close(&p);
}

int main(void) {
  fixture f;
  clloss_ctx *ctx = NULL;
  setenv("POCL_DEVICES", "pthread basic", 0); /* a second device for refused_device() */
  check_names();
  if (!fixture_open(&f)) return 1;
  clloss_status status = clloss_ctx_create(&ctx, f.context, f.device, NULL);
  CHECK_STATUS(status, CLLOSS_SUCCESS);
  if (!status) {
    seen(CLLOSS_SUCCESS);
    refused_ctx(&f);
    refused_device(&f);
    refused_queries(&f, ctx);
    refused_tensors(&f, ctx);
    check_failures += status_xent(&f, seen);
    forked(&f, ctx);
  }
  clloss_ctx_destroy(&ctx);
  fixture_close(&f);
  for (int i = 0; i < STATUS_COUNT; i++)
    if (!statuses[i].provoked) {
      check_fail(__FILE__, __LINE__);
      fprintf(stderr, "no test provokes %s\n", statuses[i].name);
    }
  CHECK(passed_through > 0);
  return check_done();
}
