/* A child of `clloss check`: the only place where the command meets OpenCL, so that whatever a driver does to its process
 * stays here. */
#include "check.h"

#include "devices.h"
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct child {
  const check *c;
  const check_group *group;
  int pipe;
  harness_device device;
  harness_plan plan;
  clloss_ctx *ctx; /* of that plan; made anew for the next, as the list has them one after the other */
  char why[CHECK_WORDS];
} child;

/* A parent that is gone ends the child: by SIGPIPE, or here. */
static void tell(const child *me, const check_message *m) {
  const char *at = (const char *)m;
  for (size_t left = sizeof *m; left;) {
    const ssize_t n = write(me->pipe, at, left);
    if (n <= 0) _exit(1);
    at += n, left -= (size_t)n;
  }
}

static void text(cl_device_id device, cl_device_info what, char to[CHECK_NAME]) {
  if (clGetDeviceInfo(device, what, CHECK_NAME - 1, to, NULL) != CL_SUCCESS) snprintf(to, CHECK_NAME, "?");
}

/* ---- the device ---- */

static void open_device(child *me, check_message *m) {
  device_list list;
  cl_int status = CL_SUCCESS;
  m->kind = CHECK_REFUSED;
  snprintf(m->words, sizeof m->words, "out of memory");
  if (!devices_find(&list)) return;
  if (me->c->request.device >= list.n) {
    m->kind = CHECK_MISSING;
    m->number = list.n;
    return;
  }
  harness_device *d = &me->device;
  d->device = list.devices[me->c->request.device];
  char *name = device_name(d->device);
  snprintf(m->facts.device, CHECK_NAME, "%s", name && *name ? name : "?");
  if (clGetPlatformInfo(list.platforms[me->c->request.device], CL_PLATFORM_NAME, CHECK_NAME - 1,
                        m->facts.platform, NULL) != CL_SUCCESS)
    snprintf(m->facts.platform, CHECK_NAME, "?");
  text(d->device, CL_DRIVER_VERSION, m->facts.driver);
  free(name);
  devices_free(&list);
  d->context = clCreateContext(NULL, 1, &d->device, NULL, NULL, &status);
  if (d->context) d->queue = clCreateCommandQueue(d->context, d->device, 0, &status);
  snprintf(m->words, sizeof m->words, "opening it: %s", clloss_status_name(status));
  if (d->queue) m->kind = CHECK_FACTS;
}

/* A ctx with these overrides; NULL, and why in me->why. */
static clloss_ctx *ctx_of(child *me, const harness_plan *plan) {
  const clloss_ctx_options options = {.struct_size = sizeof options,
                                      .message = me->why,
                                      .message_size_bytes = sizeof me->why,
                                      .family = plan->family,
                                      .local_size = plan->local_size,
                                      .rows_per_group = plan->rows_per_group,
                                      .slices = plan->slices};
  if (me->ctx && memcmp(plan, &me->plan, sizeof *plan) == 0) return me->ctx;
  clloss_ctx_destroy(&me->ctx);
  me->plan = *plan;
  clloss_ctx_create(&me->ctx, me->device.context, me->device.device, &options);
  return me->ctx;
}

/* A quarter of the memory, as others want some; the harness holds inputs and outputs in one buffer each. */
static void ask_facts(child *me, check_message *m) {
  static const harness_plan any = {0};
  cl_ulong all = 0, one = 0;
  cl_device_fp_config doubles = 0;
  const struct {
    cl_device_info what;
    size_t size;
    void *to;
  } queries[] = {{CL_DEVICE_GLOBAL_MEM_SIZE, sizeof all, &all},
                 {CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof one, &one},
                 {CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof m->facts.local_most, &m->facts.local_most},
                 {CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles}};
  if (!ctx_of(me, &any)) {
    m->kind = CHECK_REFUSED;
    snprintf(m->words, sizeof m->words, "%s", me->why);
    return;
  }
  for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
    const cl_int status = clGetDeviceInfo(me->device.device, queries[i].what, queries[i].size, queries[i].to,
                                          NULL);
    if (status == CL_SUCCESS) continue;
    m->kind = CHECK_REFUSED;
    snprintf(m->words, sizeof m->words, "asking what it has: %s", clloss_status_name(status));
    return;
  }
  m->facts.f64 = doubles != 0;
  m->facts.most_bytes = (double)(all / 4 < one ? all / 4 : one);
}

/* ---- points ---- */

static unsigned passes_of(const suite_point *p) {
  return p->passes && !p->fused_alone ? 7u : 1u << suite_case(p)->pass;
}

/* What fired, in words. */
static void describe_failure(const harness_result *r, char *to, size_t size) {
  *to = 0;
  for (harness_check_kind i = 0; i < HARNESS_CHECKS; i++)
    if (r->count[i]) case_say(to, size, "%s%s (%s)", *to ? "; " : "", harness_check_text(i), r->first[i]);
}

static bool is_dead(const check_group *g, const check_name *name) {
  for (size_t i = 0; i < g->n_dead; i++)
    if (check_same_name(&g->dead[i], name)) return true;
  return false;
}

static void run_point(child *me, const suite_point *p, check_message *m) {
  harness_result *result = calloc(1, sizeof *result);
  const harness_case *c = suite_case(p);
  clloss_ctx *ctx = ctx_of(me, &p->plan);
  *m->name.family = 0;
  if (ctx) suite_family(p, ctx, m->name.family);
  if (is_dead(me->group, &m->name)) {
    m->kind = CHECK_DROPPED;
    tell(me, m);
    free(result);
    return;
  }

  c->describe(c, p->shape, m->words, sizeof m->words);
  m->kind = CHECK_BEGIN;
  tell(me, m);
  const double start = clock_ms();
  m->wrong = 0;
  m->died = !ctx || !result;
  *m->words = 0;
  if (m->died) {
    m->wrong = m->passes;
    snprintf(m->words, sizeof m->words, "%s", result ? me->why : "out of memory");
  } else if (!suite_run(&me->device, ctx, p, result)) {
    m->wrong = result->wrong;
    m->died = result->count[HARNESS_STATUS] != 0;
    describe_failure(result, m->words, sizeof m->words);
  }
  m->max_used = result ? result->max_used : 0;
  m->seconds = (clock_ms() - start) / 1e3;
  free(result);
  m->kind = CHECK_END;
  tell(me, m);
}

static void visit(void *user, const suite_point *p) {
  child *me = user;
  check_message m = {
      .number = p->number, .passes = passes_of(p), .in_place = p->in_place, .updates = p->updates};
  if (p->number < me->group->from || (me->c->request.only != SIZE_MAX && me->c->request.only != p->number))
    return;
  snprintf(m.name.loss, sizeof m.name.loss, "%s", p->loss);
  if (harness_ideal_bytes(suite_case(p), p->shape) <= me->c->facts.most_bytes) {
    run_point(me, p, &m);
  } else {
    m.kind = CHECK_SKIPPED;
    tell(me, &m);
  }
}

/* stdout is the report's: what a driver prints goes to stderr. No exit handlers: they are the driver's, and not what is
 * checked. */
_Noreturn void check_child(const check *c, const check_group *g, int pipe) {
  child me = {.c = c, .group = g, .pipe = pipe};
  check_message m = {.number = 0};
  dup2(STDERR_FILENO, STDOUT_FILENO);
  open_device(&me, &m);
  if (m.kind == CHECK_FACTS && !g) ask_facts(&me, &m);
  if (m.kind != CHECK_FACTS || !g) {
    tell(&me, &m);
    _exit(0);
  }
  const suite s = check_suite(c, g);
  suite_points(&s, visit, &me);
  _exit(0);
}
