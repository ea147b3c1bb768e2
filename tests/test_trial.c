/* A compiler that refuses the trial by which the library finds out what it can do: kernels do without, and are right. And one
 * whose log can't be read. Kernels are compiled here as for a compiler that can do nothing. */
#include "check.h"
#include "fixture.h"

static const layer_api *layer;
static fixture f;
static problem p;
static clloss_ctx *ctx;

static clloss_status fused(void) { return problem_run(&p, FUSED, ctx, f.queue, 0, NULL, NULL); }

static int call_index(const char *name) {
  for (int call = 0; call < layer->call_count; call++)
    if (!strcmp(layer->call_name(call), name)) return call;
  return -1;
}

static bool is_cpu(void) {
  cl_device_type type = 0;
  CHECK_STATUS(clGetDeviceInfo(f.device, CL_DEVICE_TYPE, sizeof type, &type, NULL), CL_SUCCESS);
  return type & CL_DEVICE_TYPE_CPU;
}

static void make_ctx(void) {
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, NULL), CLLOSS_SUCCESS);
}

/* The first build of a ctx on a CPU is the trial. */
static void trial_fails(void) {
  make_ctx();
  layer->fail(call_index("clBuildProgram"), 1, CL_BUILD_PROGRAM_FAILURE);
  CHECK_STATUS(fused(), is_cpu() ? CLLOSS_SUCCESS : CL_BUILD_PROGRAM_FAILURE);
  CHECK(!is_cpu() || problem_right(&p, FUSED, f.queue));
  clloss_ctx_destroy(&ctx);
}

/* The log can't be read either: the build's own error is the one that counts. */
static void build_and_log_fail(void) {
  const int build = call_index("clBuildProgram"), log = call_index("clGetProgramBuildInfo");
  for (uint64_t nth = 1; nth <= 2; nth++) {
    make_ctx();
    layer->fail(build, is_cpu() ? 2 : 1, CL_BUILD_PROGRAM_FAILURE);
    layer->fail(log, nth, CL_OUT_OF_HOST_MEMORY);
    CHECK_STATUS(fused(), CL_BUILD_PROGRAM_FAILURE);
    layer->fail(log, 0, 0);
    CHECK(strstr(clloss_ctx_message(ctx), "clBuildProgram answers CL_BUILD_PROGRAM_FAILURE") != NULL);
    CHECK_STATUS(fused(), CLLOSS_SUCCESS);
    CHECK(problem_right(&p, FUSED, f.queue));
    clloss_ctx_destroy(&ctx);
  }
}

int main(void) {
  const int64_t nothing[LAYER_KIND_COUNT] = {0};
  layer = layer_open();
  if (!layer || !fixture_open(&f)) return 1;
  const bool open = problem_open(&p, f.queue, 3, 40, CLLOSS_MEAN, 1);
  CHECK(open);
  if (open) trial_fails();
  if (open) build_and_log_fail();
  problem_close(&p);
  fixture_close(&f);
  CHECK_EQ(layer_grown(layer, nothing, "at the end"), 0);
  return check_done();
}
