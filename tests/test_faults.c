/* Every OpenCL call that clLoss makes fails once, in turn. For each kind of call and N = 1, 2, … until no Nth call
 * happens: the fault's code comes out unchanged and no event is handed out; the same call, made again, succeeds; the
 * results are right; and nothing has leaked. Runs under the test layer, which aborts at calls that it doesn't know,
 * so none is left out. */
#include "check.h"
#include "fixture.h"

/* NVIDIA's driver answers this; clLoss can't have meant it. */
enum { CODE = -9999, MAX_NTH = 1000 };

static const layer_api *layer;
static fixture f;
static clloss_ctx *ctx;
static problem p;
static clloss_tensor *tensor;
static void *mapped;
static cl_event done[PASS_COUNT];
static cl_command_queue queue;
static uint32_t family;

/* ---- the steps: one call of the library each, and no other OpenCL ------------------------------------------- */

static clloss_status make_ctx(void) {
  const clloss_ctx_options options = {
      .struct_size = sizeof options, .family = family, .slices = family == CLLOSS_FAMILY_SPLIT ? 2 : 0};
  clloss_status status = clloss_ctx_create(&ctx, f.context, f.device, &options);
  CHECK(!status == !!ctx);
  return status;
}

static clloss_status prebuild(void) {
  const clloss_xent x = problem_xent(&p, FUSED);
  const clloss_call call = {.call = CLLOSS_CALL_XENT_FUSED, .arrays = &x, .options = &p.options};
  return clloss_ctx_prebuild(ctx, &call, 1);
}

static clloss_status with_event(pass which, const cl_event *wait) {
  cl_event event = NULL;
  clloss_status status = problem_run(&p, which, ctx, queue, wait ? 1 : 0, wait, &event);
  CHECK(!status == !!event);
  done[which] = event;
  return status;
}
static clloss_status forward(void) { return with_event(FORWARD, NULL); }
static clloss_status backward(void) { return with_event(BACKWARD, &done[FORWARD]); }
static clloss_status fused(void) { return with_event(FUSED, &done[BACKWARD]); }
static clloss_status fused_alone(void) { return problem_run(&p, FUSED, ctx, queue, 0, NULL, NULL); }
static clloss_status workspace(void) {
  const clloss_xent x = {.struct_size = sizeof x, .rows = p.rows, .classes = p.classes};
  size_t bytes;
  return clloss_xent_workspace(ctx, &x, NULL, &bytes);
}
static clloss_status trim(void) { return clloss_ctx_trim(ctx); }

static clloss_status make_tensor(void) {
  clloss_status status = clloss_tensor_create(&tensor, ctx, CLLOSS_F32, p.rows, p.classes);
  CHECK(!status == !!tensor);
  return status;
}
static clloss_status upload(void) { return clloss_tensor_upload(tensor, p.logits, queue, 0, NULL, NULL); }
static clloss_status map(void) { return clloss_tensor_map(tensor, &mapped, queue, 0, NULL, NULL); }
static clloss_status unmap(void) { return clloss_tensor_unmap(tensor, queue, 0, NULL, NULL); }
static clloss_status upload_event(void) {
  return clloss_tensor_upload(tensor, p.logits, queue, 0, NULL, &done[FORWARD]);
}
static clloss_status download(void) {
  static float back[1 << 16];
  clloss_status status = clloss_tensor_download(tensor, back, queue, 0, NULL, NULL);
  if (!status) CHECK(!memcmp(back, p.logits, p.bytes[LOGITS]));
  return status;
}

typedef struct scenario {
  const char *name;
  bool
      cold; /* a new ctx for each fault, made by the first step; otherwise one that has seen these steps before */
  pass writes; /* whose outputs are right after the steps; PASS_COUNT: none */
  clloss_status (*steps[8])(void);
} scenario;

static const scenario scenarios[] = {
    {"a ctx and its first call", true, FUSED, {make_ctx, fused_alone}},
    {"prebuild", true, PASS_COUNT, {make_ctx, prebuild}},
    {"calls with events", false, FUSED, {forward, backward, fused}},
    {"calls and a trim", false, FUSED, {fused_alone, trim, workspace, fused_alone}},
    {"a tensor", false, PASS_COUNT, {make_tensor, upload, map, unmap, download, upload_event}},
};

/* ---- faults ------------------------------------------------------------------------------------------------- */

static void release_events(void) {
  for (int i = 0; i < PASS_COUNT; i++) {
    if (done[i]) clReleaseEvent(done[i]);
    done[i] = NULL;
  }
}

/* What the pool asks in order to save a wait: without an answer it waits, and the call is none the worse. */
static bool may_go_unnoticed(int call) {
  const char *name = layer->call_name(call);
  return !strcmp(name, "clGetEventInfo") || !strcmp(name, "clGetCommandQueueInfo");
}

/* Runs the steps with the fault armed; a step that it hits is made again. Returns whether it happened. */
static bool run_steps(const scenario *s, int call, uint64_t nth) {
  bool fired = false;
  layer->fail(call, nth, CODE);
  for (int i = 0; i < 8 && s->steps[i]; i++) {
    clloss_status status = s->steps[i]();
    if (!fired && layer->fired(call)) {
      fired = true;
      if (status || !may_go_unnoticed(call)) CHECK_STATUS(status, CODE);
      CHECK_STATUS(clFinish(queue),
                   CL_SUCCESS); /* an out-of-order queue may still run half of the failed call */
      if (status) status = s->steps[i]();
    }
    CHECK_STATUS(status, CLLOSS_SUCCESS);
    if (status) break;
  }
  layer->fail(call, 0, 0);
  return fired;
}

static bool one_fault(const scenario *s, int call, uint64_t nth) {
  int failures = check_failures;
  int64_t before[LAYER_KIND_COUNT];
  if (s->writes != PASS_COUNT) CHECK(problem_poison(&p, s->writes, queue));
  layer_snapshot(layer, before);
  bool fired = run_steps(s, call, nth);
  CHECK_STATUS(clFinish(queue), CL_SUCCESS);
  release_events();
  clloss_tensor_destroy(&tensor);
  if (s->writes != PASS_COUNT) CHECK(problem_right(&p, s->writes, queue));
  if (s->cold)
    clloss_ctx_destroy(&ctx);
  else
    CHECK_STATUS(clloss_ctx_trim(ctx),
                 CLLOSS_SUCCESS); /* how many blocks it holds depends on what ran when */
  CHECK_EQ(layer_grown(layer, before, "after the fault"), 0);
  if (failures != check_failures)
    fprintf(stderr, "  in '%s', family %s: call %llu of %s\n", s->name, clloss_family_name(family),
            (unsigned long long)nth, layer->call_name(call));
  return fired;
}

static int all_faults(const scenario *s) {
  int faults = 0;
  for (int call = 0; call < layer->call_count && check_failures < 20; call++) {
    if (!layer->can_fail(call)) continue;
    uint64_t nth = 1;
    while (nth < MAX_NTH && one_fault(s, call, nth)) nth++;
    CHECK(nth < MAX_NTH);
    faults += (int)nth - 1;
  }
  return faults;
}

static void all_scenarios(bool cold) {
  if (!cold) {
    CHECK_STATUS(make_ctx(), CLLOSS_SUCCESS);
    for (pass which = FORWARD; ctx && which < PASS_COUNT; which++)
      CHECK_STATUS(problem_run(&p, which, ctx, queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK_STATUS(clFinish(queue), CL_SUCCESS);
    if (ctx) CHECK_STATUS(clloss_ctx_trim(ctx), CLLOSS_SUCCESS);
  }
  for (size_t i = 0; (cold || ctx) && i < sizeof scenarios / sizeof *scenarios; i++) {
    if (scenarios[i].cold != cold) continue;
    int faults = all_faults(&scenarios[i]);
    printf("family %s, %s: %d faults\n", clloss_family_name(family), scenarios[i].name, faults);
    CHECK(faults > 5);
  }
  clloss_ctx_destroy(&ctx);
}

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

/* The first build of a ctx on a CPU is a trial of what its compiler can do: kernels do without, and are right. */
static void trial_fails(void) {
  CHECK_STATUS(make_ctx(), CLLOSS_SUCCESS);
  layer->fail(call_index("clBuildProgram"), 1, CL_BUILD_PROGRAM_FAILURE);
  CHECK_STATUS(fused_alone(), is_cpu() ? CLLOSS_SUCCESS : CL_BUILD_PROGRAM_FAILURE);
  CHECK(!is_cpu() || problem_right(&p, FUSED, queue));
  clloss_ctx_destroy(&ctx);
}

/* The log can't be read either: the build's own error is the one that counts. */
static void build_and_log_fail(void) {
  int build = call_index("clBuildProgram"), log = call_index("clGetProgramBuildInfo");
  for (uint64_t nth = 1; nth <= 2; nth++) {
    CHECK_STATUS(make_ctx(), CLLOSS_SUCCESS);
    layer->fail(build, is_cpu() ? 2 : 1, CL_BUILD_PROGRAM_FAILURE);
    layer->fail(log, nth, CODE);
    CHECK_STATUS(fused_alone(), CL_BUILD_PROGRAM_FAILURE);
    layer->fail(log, 0, 0);
    CHECK(*clloss_ctx_message(ctx));
    CHECK_STATUS(fused_alone(), CLLOSS_SUCCESS);
    CHECK(problem_right(&p, FUSED, queue));
    clloss_ctx_destroy(&ctx);
  }
}

int main(void) {
  int64_t nothing[LAYER_KIND_COUNT] = {0};
  layer = layer_open();
  if (!layer || !fixture_open(&f)) return 1;
  queue = f.queue;
  bool open = problem_open(&p, queue, 3, 40, CLLOSS_MEAN, 1);
  CHECK(open);
  for (family = CLLOSS_FAMILY_LANE; open && family <= CLLOSS_FAMILY_SPLIT; family++) {
    if (family != CLLOSS_FAMILY_SPLIT) all_scenarios(true); /* split runs lane's program */
    all_scenarios(false);
  }
  family = CLLOSS_FAMILY_SPLIT; /* the longest chain of kernels */
  queue = fixture_queue(&f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  CHECK(queue != NULL);
  if (open && queue) all_scenarios(false);
  if (queue) clReleaseCommandQueue(queue);
  queue = f.queue;
  family = CLLOSS_FAMILY_AUTO;
  if (open) trial_fails();
  if (open) build_and_log_fail();
  problem_close(&p);
  fixture_close(&f);
  CHECK_EQ(layer_grown(layer, nothing, "at the end"), 0);
  return check_done();
}
