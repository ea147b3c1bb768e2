/* Something beneath the library fails, once: each OpenCL call that a public call makes, with a code that its specification
 * allows, and each of the library's own allocations. For every row of fault_rows.c, every family, and every call beneath it in
 * turn: an error comes out, OpenCL's code unchanged, with a message that names the step and the call that failed, and no event;
 * the same call, made again, succeeds; its numbers are right; and what was created has been released. The log says how many
 * faults those were.
 *
 *   test_faults [WORD]     the rows whose call has the word in its name
 *   test_faults calls      the table's public calls, which faults.sh compares with the headers
 *   test_faults codes      OpenCL's calls and the first code of each, for faults_cli.sh
 *
 * Runs under the test layer, which aborts at calls that it doesn't know, so none is left out. */
#include "runtime/ctx.h"
#include "check.h"
#include "faults.h"

#include <stdlib.h>

/* What a ctx keeps from earlier calls when the one comes that is made to fail: nothing; all but programs; all but kernels; all. */
typedef enum { FRESH, NO_PROGRAMS, NO_KERNELS, WARM, LEVELS } level;

enum { KINDS_MOST = 96, FAILURES_MOST = 20 };

/* What is to fail: the nth call of a kind, of the layer's or, behind those, of the allocator's. */
typedef struct fault {
  int kind;
  uint64_t nth; /* 0: nothing is */
  cl_int code;
  bool fired, unheard;
} fault;

static const layer_api *layer;
static stage the;
static fault now;
static int runs_before; /* how many times the call is made before the fault is armed */
static level how_warm;
static uint64_t made[KINDS_MOST]; /* calls of each kind beneath the one call */
static int maps_lost;

/* ---- kinds ---- */

static int kinds(void) { return layer->call_count + MEMORY_CALLS; }
static bool is_memory(int kind) { return kind >= layer->call_count; }
static const char *kind_name(int kind) {
  return is_memory(kind) ? memory_names[kind - layer->call_count] : layer->call_name(kind);
}
static bool can_fail(int kind) { return is_memory(kind) || layer->can_fail(kind); }
static uint64_t calls_of(int kind) {
  return is_memory(kind) ? memory_calls(kind - layer->call_count) : layer->calls(kind);
}

static void arm(const fault *x) {
  if (is_memory(x->kind))
    memory_fail(x->kind - layer->call_count, x->nth);
  else
    layer->fail(x->kind, x->nth, x->code);
}

static bool disarm(const fault *x) {
  const bool fired = is_memory(x->kind) ? memory_failed(x->kind - layer->call_count) : layer->fired(x->kind);
  arm(&(fault){.kind = x->kind});
  return fired;
}

/* ---- the call ---- */

static void check_message(void) {
  if (the.row->traits & FAULTS_MUTE) return;
  const char *text = *the.message                      ? the.message
                     : the.row->traits & FAULTS_TENSOR ? clloss_tensor_message(the.tensor)
                                                       : clloss_ctx_message(the.ctx);
  const char *const words[] = {is_memory(now.kind) ? "no memory" : kind_name(now.kind),
                               is_memory(now.kind) ? "" : clloss_status_name(now.code)};
  for (size_t i = 0; i < 2; i++) {
    if (strstr(text, words[i])) continue;
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "the message doesn't say %s: \"%.300s\"\n", words[i], text);
  }
}

/* The call with the fault, and if that came out as an error the call once more. */
static clloss_status attempt(void) {
  const fault_row *row = the.row;
  if (runs_before-- != 0) return row->step(&the);
  uint64_t before[KINDS_MOST];
  for (int kind = 0; kind < kinds(); kind++) before[kind] = calls_of(kind);
  arm(&now);
  clloss_status status = row->step(&the);
  now.fired = disarm(&now);
  for (int kind = 0; kind < kinds(); kind++) made[kind] = calls_of(kind) - before[kind];
  now.unheard = now.fired && status == CLLOSS_SUCCESS;
  if (!now.fired || now.unheard) return status;
  CHECK_STATUS(status, is_memory(now.kind) ? CL_OUT_OF_HOST_MEMORY : now.code);
  CHECK(!the.done);
  check_message();
  /* out of order half of the call may still be under way */
  if (row->traits & FAULTS_LOOSE) CHECK_STATUS(clFinish(the.queue), CL_SUCCESS);
  return row->step(&the);
}

/* ---- its surroundings ---- */

static int deaf_most(const fault_row *row, const char *name) {
  for (size_t i = 0; i < sizeof row->deaf / sizeof *row->deaf; i++)
    if (row->deaf[i].name && !strcmp(row->deaf[i].name, name)) return row->deaf[i].most;
  return 0;
}

static clloss_status harness_step(stage *s) {
  return s->row->one->call(s->row->one, s->row->shape, s->ctx, s->views, s->queue, &s->done);
}

/* The call of a case, in the harness's hands. */
static clloss_status harness_call(const harness_case *c, const void *shape, clloss_ctx *ctx,
                                  const clloss_view views[HARNESS_ARRAYS], cl_command_queue queue,
                                  cl_event *event) {
  (void)c, (void)shape, (void)ctx, (void)queue;
  the.views = views;
  the.done = NULL;
  const clloss_status status = attempt();
  *event = the.done;
  the.done = NULL;
  return status;
}

static void play_harness(const fault_row *row) {
  harness_device device = {.context = the.f.context, .device = the.f.device, .queue = the.queue};
  if (row->traits & FAULTS_SVM && memory_is_there(device.device, MEMORY_SVM_COARSE))
    device.memory = MEMORY_SVM_COARSE;
  fault_row mine = *row;
  harness_case c = *row->one;
  harness_result result = {0};
  mine.step = harness_step;
  c.call = harness_call;
  the.row = &mine;
  if (!harness_check(&device, the.ctx, &c, row->shape, 1, NULL, NULL, &result)) {
    for (harness_check_kind i = 0; i < HARNESS_CHECKS; i++)
      if (result.count[i]) check_fail(__FILE__, __LINE__), fprintf(stderr, "%s\n", result.first[i]);
  }
}

static void play_steps(const fault_row *row) {
  the.row = row;
  the.done = NULL;
  const bool open = !row->open || row->open(&the);
  CHECK(open);
  if (open) {
    CHECK_STATUS(attempt(), CLLOSS_SUCCESS);
    CHECK(!(row->traits & FAULTS_EVENT) == !the.done);
    if (row->traits & FAULTS_LOOSE) CHECK_STATUS(clFinish(the.queue), CL_SUCCESS);
    CHECK(!row->right || row->right(&the));
  }
  CHECK_STATUS(clFinish(the.queue), CL_SUCCESS);
  if (the.done) clReleaseEvent(the.done);
  the.done = NULL;
  if (row->close) row->close(&the);
}

static void drop_events(clloss_ctx *ctx) {
  CHECK_STATUS(clFinish(the.queue), CL_SUCCESS);
  clloss__held_release(&ctx->held);
  clloss__held_free(&ctx->held);
  ctx->held = (clloss__held){0};
}

/* Takes from a ctx what it keeps. */
static void strip(clloss_ctx *ctx) {
  clloss__programs *programs = &ctx->programs;
  CHECK_STATUS(clloss_ctx_trim(ctx), CLLOSS_SUCCESS);
  if (how_warm == WARM) return;
  ctx->pointers = (clloss__pointers){0};
  drop_events(ctx);
  for (size_t i = 0; how_warm == NO_KERNELS && i < programs->n; i++) {
    clloss__program *p = &programs->list[i];
    for (size_t k = 0; k < p->n_kernels; k++) {
      clReleaseKernel(p->kernels[k].kernel);
      free(p->kernels[k].set);
    }
    free(p->kernels);
    p->kernels = NULL;
    p->n_kernels = 0;
  }
  if (how_warm == NO_KERNELS) return;
  const clloss__programs before = *programs;
  clloss__program_set *const fresh = clloss__set_create(before.set->context, before.set->device,
                                                        before.set->cpu);
  CHECK(fresh != NULL);
  *programs = (clloss__programs){
      .set = fresh, .group = before.group, .probed = before.probed, .found = before.found};
  clloss__programs_end(&(clloss__programs){.set = before.set, .list = before.list, .n = before.n}, false);
}

static void run(const fault_row *row) {
  *the.message = 0;
  runs_before = row->one && how_warm == WARM;
  if (how_warm == FRESH) the.ctx = fault_ctx(&the, NULL, 0);
  CHECK(the.ctx != NULL);
  if (!the.ctx) return;
  if (row->traits & FAULTS_COPIES) the.ctx->planner.facts.shares_memory = false;
  (row->one ? play_harness : play_steps)(row);
  if (how_warm == FRESH)
    clloss_ctx_destroy(&the.ctx);
  else
    strip(the.ctx);
}

/* With the fault that is set up, and what it must not change. */
static void play(const fault_row *row) {
  int64_t before[LAYER_KIND_COUNT];
  const int failures = check_failures;
  layer_snapshot(layer, before);
  run(row);
  /* a map that can't be undone goes with its buffer, which is released */
  if (now.fired && !strcmp(kind_name(now.kind), "clEnqueueUnmapMemObject") && deaf_most(row, "map")) {
    before[LAYER_MAP]++;
    maps_lost++;
  }
  CHECK_EQ(layer_grown(layer, before, "after the call"), 0);
  if (failures == check_failures) return;
  fprintf(stderr, "  %s %s, family %s, level %d: call %llu of %s, code %d\n", row->call, row->how,
          clloss_family_name(the.family), (int)how_warm, (unsigned long long)now.nth, kind_name(now.kind),
          now.code);
}

/* ---- the sweep ---- */

/* Of a ctx without programs only what makes them is of interest, and compiling takes its time. Views are asked about, seven
 * questions each, before anything that a ctx keeps. */
static bool is_wanted(int kind) {
  static const char *const builds[] = {"clCreateProgramWithSource", "clBuildProgram", "clGetProgramInfo",
                                       "clGetDeviceInfo",           "calloc",         "realloc"};
  if (how_warm == WARM) return strcmp(kind_name(kind), "clGetMemObjectInfo") != 0;
  if (how_warm == NO_KERNELS) return true;
  for (size_t i = 0; i < sizeof builds / sizeof *builds; i++)
    if (!strcmp(kind_name(kind), builds[i])) return true;
  return false;
}

/* All codes in turn. The first program of a new ctx is a trial of the compiler, which may be refused: test_trial.c. */
static cl_int code_for(int kind, uint64_t nth, size_t turn) {
  if (is_memory(kind)) return CL_OUT_OF_HOST_MEMORY;
  const cl_int *codes = fault_codes(kind_name(kind));
  size_t n = 0;
  while (codes[n]) n++;
  cl_int code = codes[(nth + turn) % n];
  if (how_warm == FRESH && code == CL_BUILD_PROGRAM_FAILURE && nth == 1) code = CL_OUT_OF_HOST_MEMORY;
  return code;
}

static int sweep(const fault_row *row) {
  uint64_t counts[KINDS_MOST];
  int faults = 0;
  now = (fault){.nth = 0};
  run(row); /* the first of its kind, after which as much is there as each time from now on */
  play(row);
  memcpy(counts, made, sizeof counts);
  for (int kind = 0; kind < kinds() && check_failures < FAILURES_MOST; kind++) {
    int unheard = 0;
    if (!can_fail(kind) || !is_wanted(kind)) continue;
    if (!is_memory(kind) && (row->traits & FAULTS_NONE)) CHECK_EQ(counts[kind], 0);
    for (uint64_t nth = 1; nth <= counts[kind] && check_failures < FAILURES_MOST; nth++, faults++) {
      now = (fault){.kind = kind, .nth = nth, .code = code_for(kind, nth, (size_t)(row - fault_rows))};
      play(row);
      CHECK(now.fired);
      unheard += now.unheard;
    }
    if (unheard <= deaf_most(row, kind_name(kind))) continue;
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "%s %s, family %s, level %d: %d faults of %s went unnoticed\n", row->call, row->how,
            clloss_family_name(the.family), (int)how_warm, unheard, kind_name(kind));
  }
  return faults;
}

static int sweep_family(const fault_row *row, uint32_t family) {
  int faults = 0;
  the.family = family;
  the.queue = row->traits & FAULTS_LOOSE ? fixture_queue(&the.f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
                                         : the.f.queue;
  if (row->traits & FAULTS_FRESH) {
    how_warm = FRESH;
    return sweep(row);
  }
  the.ctx = fault_ctx(&the, NULL, 0);
  CHECK(the.ctx && the.queue);
  if (!the.ctx || !the.queue) return 0;
  /* the trial of the compiler, which test_trial.c has, is over */
  CHECK_STATUS(clloss__programs_probe(&the.ctx->programs, &the.ctx->message), CLLOSS_SUCCESS);
  const level first = row->traits & FAULTS_ONCE ? NO_KERNELS : NO_PROGRAMS,
              last = row->one ? WARM : NO_KERNELS;
  for (how_warm = first; how_warm <= last; how_warm++) faults += sweep(row);
  clloss_ctx_destroy(&the.ctx);
  if (the.queue != the.f.queue) clReleaseCommandQueue(the.queue);
  return faults;
}

static int sweep_row(const fault_row *row) {
  int faults = 0;
  const uint32_t last = row->traits & FAULTS_ONCE ? CLLOSS_FAMILY_LANE : CLLOSS_FAMILY_SPLIT;
  printf("%s%s%s:", row->call, *row->how ? " " : "", row->how);
  for (uint32_t family = CLLOSS_FAMILY_LANE; family <= last && check_failures < FAILURES_MOST; family++) {
    const int n = sweep_family(row, family);
    printf(" %s %d", clloss_family_name(family), n);
    faults += n;
  }
  printf("\n");
  fflush(stdout);
  CHECK((row->traits & FAULTS_NONE) || faults > 0);
  return faults;
}

/* A ctx whose list of inner events found no memory keeps those of the next call: PoCL needs them kept (host/runtime/held.h). */
static void list_recovers(void) {
  const int grows = MEMORY_CALLS - 1; /* realloc */
  the.family = CLLOSS_FAMILY_SPLIT;
  the.queue = the.f.queue;
  the.ctx = fault_ctx(&the, NULL, 0);
  CHECK(the.ctx != NULL);
  if (!the.ctx) return;
  for (int i = 0; i < 3; i++) {
    if (i == 1) {
      drop_events(the.ctx);
      memory_fail(grows, 1);
    }
    CHECK_STATUS(problem_run(&the.p, FUSED, the.ctx, the.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    if (i == 1) CHECK(memory_failed(grows));
    CHECK_EQ(the.ctx->held.n, i == 1 ? 0 : 1);
  }
  memory_fail(grows, 0);
  clloss_ctx_destroy(&the.ctx);
}

static int list(bool codes) {
  for (size_t i = 0; !codes && i < n_fault_rows; i++) puts(fault_rows[i].call);
  layer = codes ? layer_open() : NULL;
  for (int call = 0; layer && call < layer->call_count; call++)
    if (layer->can_fail(call))
      printf("%s %d\n", layer->call_name(call), *fault_codes(layer->call_name(call)));
  return codes && !layer;
}

int main(int argc, char **argv) {
  const char *word = argc > 1 ? argv[1] : "";
  int64_t nothing[LAYER_KIND_COUNT] = {0};
  int rows = 0, faults = 0;
  if (!strcmp(word, "calls") || !strcmp(word, "codes")) return list(!strcmp(word, "codes"));
  layer = layer_open();
  if (!layer || kinds() > KINDS_MOST || !fixture_open(&the.f)) return 1;
  const bool open = problem_open(&the.p, the.f.queue, 3, 40, CLLOSS_MEAN, 1) &&
                    problem_open(&the.q, the.f.queue, 3, 40, CLLOSS_MEAN, 2);
  CHECK(open);
  for (size_t i = 0; open && i < n_fault_rows && check_failures < FAILURES_MOST; i++) {
    if (!strstr(fault_rows[i].call, word)) continue;
    faults += sweep_row(&fault_rows[i]);
    rows++;
  }
  if (open) list_recovers();
  printf("%d public calls, %d faults\n", rows, faults);
  problem_close(&the.p);
  problem_close(&the.q);
  fixture_close(&the.f);
  nothing[LAYER_MAP] = maps_lost;
  CHECK_EQ(layer_grown(layer, nothing, "at the end"), 0);
  return check_done();
}
