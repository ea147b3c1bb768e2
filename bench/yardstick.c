/* Building, running and checking the yardsticks. */
#include "yardstick.h"

#include "loops.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *kernel;
  enum yard_kind kind;
  enum yard_form form;
  int streaming;
  const char *by;
} candidates[] = {
    {"scale__lane", YARD_SCALE, YARD_LANE, 0, "lane kernel"},
    {"copy__lane", YARD_COPY, YARD_LANE, 0, "lane kernel"},
    {"copy__lane_nt", YARD_COPY, YARD_LANE, 1, "lane kernel, streaming stores"},
    {"read__lane", YARD_READ, YARD_LANE, 0, "lane kernel"},
    {"exp__lane", YARD_EXP, YARD_LANE, 0, "lane kernel"},
    {"triad__lane", YARD_TRIAD, YARD_LANE, 0, "lane kernel"},
    {"triad__lane_nt", YARD_TRIAD, YARD_LANE, 1, "lane kernel, streaming stores"},
    {"scale__group", YARD_SCALE, YARD_GROUP, 0, "group kernel"},
    {"copy__group", YARD_COPY, YARD_GROUP, 0, "group kernel"},
    {"read__group", YARD_READ, YARD_GROUP, 0, "group kernel"},
    {"triad__group", YARD_TRIAD, YARD_GROUP, 0, "group kernel"},
    {NULL, YARD_SCALE, YARD_OPENMP, 0, "OpenMP loop"},
    {NULL, YARD_COPY, YARD_OPENMP, 0, "OpenMP loop"},
    {NULL, YARD_COPY, YARD_OPENMP, 1, "OpenMP loop, streaming stores"},
    {NULL, YARD_READ, YARD_OPENMP, 0, "OpenMP loop"},
    {NULL, YARD_TRIAD, YARD_OPENMP, 0, "OpenMP loop"},
    {NULL, YARD_TRIAD, YARD_OPENMP, 1, "OpenMP loop, streaming stores"},
};

enum { WIDE = 64 }; /* of yardstick.cl */

/* Elements of a work-group of the lane form: 64 KB at least, and fewer than 32768 groups, since PoCL compiles a kernel
 * a second time for grids above 65535. */
static size_t per_group(size_t n) {
  size_t share = n / 32768 + 1;
  return share < 16384 ? 16384 : (share + 63) / 64 * 64;
}

/* Exp has but one form, and --yardstick may have given the others another. */
static int in_lanes(const struct yardsticks *y, enum yard_kind kind) { return y->lanes || kind == YARD_EXP; }

static size_t groups(const struct yardsticks *y, enum yard_kind kind, size_t n) {
  size_t each = in_lanes(y, kind) ? per_group(n) : y->local * 16;
  return (n + each - 1) / each;
}

static size_t part_room(const struct yardsticks *y, size_t n) {
  size_t read = groups(y, YARD_READ, n), exp = groups(y, YARD_EXP, n);
  return read > exp ? read : exp;
}

static int wanted(const struct machine *m, enum yard_form asked, enum yard_kind kind, enum yard_form form) {
  if (kind == YARD_EXP) return m->is_cpu;
  if (form == YARD_OPENMP) return m->facts.openmp > 0 && (asked == YARD_AUTO || asked == YARD_OPENMP);
  if (asked != YARD_AUTO) return form == asked;
  return form == (m->is_cpu ? YARD_LANE : YARD_GROUP);
}

static int build(struct yardsticks *y, const struct machine *m, char *why, size_t why_size) {
  const char *text = yardstick_cl;
  char options[64];
  size_t most = 1;
  cl_int rc = clGetDeviceInfo(m->device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most, &most, NULL);
  for (y->local = 256; rc == CL_SUCCESS && y->local > most;) y->local /= 2;
  snprintf(options, sizeof options, "-DLOCAL=%zu", y->local);
  y->program = clCreateProgramWithSource(m->context, 1, &text, NULL, &rc);
  if (rc == CL_SUCCESS) rc = clBuildProgram(y->program, 1, &m->device, options, NULL, NULL);
  if (rc == CL_SUCCESS) y->nothing = clCreateKernel(y->program, "nothing", &rc);
  if (rc == CL_SUCCESS) return 0;
  int at = snprintf(why, why_size, "the yardstick kernels don't build: %s\n", clloss_status_name(rc));
  if (y->program && at > 0 && (size_t)at < why_size)
    clGetProgramBuildInfo(y->program, m->device, CL_PROGRAM_BUILD_LOG, why_size - (size_t)at, why + at, NULL);
  return -1;
}

int yardsticks_open(struct yardsticks *y, const struct machine *m, enum yard_form form, size_t max_n,
                    char *why, size_t why_size) {
  memset(y, 0, sizeof *y);
  y->lanes = form == YARD_LANE || (form != YARD_GROUP && m->is_cpu);
  if (build(y, m, why, why_size) != 0) {
    yardsticks_close(y);
    return -1;
  }
  unsigned have = 0;
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates && y->count < YARD_MAX; i++) {
    cl_int rc = CL_SUCCESS;
    if (!wanted(m, form, candidates[i].kind, candidates[i].form)) continue;
    struct yardstick s = {candidates[i].kind, candidates[i].by, NULL, candidates[i].streaming};
    if (candidates[i].kernel) s.kernel = clCreateKernel(y->program, candidates[i].kernel, &rc);
    /* A driver without the streaming store, or a machine without it, has one candidate fewer. */
    if (rc != CL_SUCCESS || (!s.kernel && s.streaming && !loops_can_stream())) continue;
    y->all[y->count++] = s;
    have |= 1u << s.kind;
  }
  cl_int rc = CL_SUCCESS;
  have |= 1u << YARD_EXP; /* may be missing */
  if (have == (1u << YARD_KINDS) - 1)
    y->part = clCreateBuffer(m->context, CL_MEM_READ_WRITE, 4 * part_room(y, max_n), NULL, &rc);
  if (y->part) return 0;
  if (rc == CL_SUCCESS)
    snprintf(why, why_size, "no yardstick of this form runs here%s",
             m->facts.openmp || form != YARD_OPENMP ? "" : ": built without OpenMP, or not a CPU device");
  else
    snprintf(why, why_size, "can't allocate for the yardsticks: %s", clloss_status_name(rc));
  yardsticks_close(y);
  return -1;
}

void yardsticks_close(struct yardsticks *y) {
  for (size_t i = 0; i < y->count; i++)
    if (y->all[i].kernel) clReleaseKernel(y->all[i].kernel);
  if (y->nothing) clReleaseKernel(y->nothing);
  if (y->part) clReleaseMemObject(y->part);
  if (y->program) clReleaseProgram(y->program);
  memset(y, 0, sizeof *y);
}

static int scales(enum yard_kind kind) { return kind == YARD_SCALE || kind == YARD_TRIAD; }
static int writes_y(enum yard_kind kind) { return kind == YARD_COPY || kind == YARD_TRIAD; }

/* Those that leave the buffers alone and yield a sum. */
static int sums(enum yard_kind kind) { return kind == YARD_READ || kind == YARD_EXP; }

static cl_int run_kernel(const struct yardsticks *y, const struct yardstick *s, const struct machine *m,
                         const struct yard_arrays *on, size_t n, float factor, double *ms) {
  cl_ulong length = n, each = per_group(n);
  size_t local = in_lanes(y, s->kind) ? 1 : y->local, global = groups(y, s->kind, n) * local;
  cl_uint at = 0;
  cl_int rc = clSetKernelArg(s->kernel, at++, sizeof(cl_mem), &on->x);
  if (s->kind == YARD_TRIAD) rc |= clSetKernelArg(s->kernel, at++, sizeof(cl_mem), &on->z);
  if (writes_y(s->kind)) rc |= clSetKernelArg(s->kernel, at++, sizeof(cl_mem), &on->y);
  if (sums(s->kind)) rc |= clSetKernelArg(s->kernel, at++, sizeof(cl_mem), &y->part);
  if (scales(s->kind)) rc |= clSetKernelArg(s->kernel, at++, sizeof factor, &factor);
  rc |= clSetKernelArg(s->kernel, at++, sizeof length, &length);
  rc |= clSetKernelArg(s->kernel, at, sizeof each, &each);
  if (rc == CL_SUCCESS) rc = clFinish(m->queue);
  double start = clock_ms();
  if (rc == CL_SUCCESS)
    rc = clEnqueueNDRangeKernel(m->queue, s->kernel, 1, NULL, &global, &local, 0, NULL, NULL);
  if (rc == CL_SUCCESS) rc = clFinish(m->queue);
  *ms = clock_ms() - start;
  return rc;
}

static cl_int total(const struct yardsticks *y, const struct machine *m, enum yard_kind kind, size_t n,
                    double *sum) {
  cl_int rc;
  size_t count = groups(y, kind, n);
  float *part = clEnqueueMapBuffer(m->queue, y->part, CL_TRUE, CL_MAP_READ, 0, 4 * count, 0, NULL, NULL, &rc);
  *sum = 0;
  if (rc != CL_SUCCESS) return rc;
  for (size_t i = 0; i < count; i++) *sum += (double)part[i];
  return clEnqueueUnmapMemObject(m->queue, y->part, part, 0, NULL, NULL);
}

static double run_share(const struct yardstick *s, float *const at[3], size_t n, float factor, int threads) {
  switch (s->kind) {
  case YARD_SCALE: loop_scale(at[0], factor, n, threads); return 0;
  case YARD_COPY: (s->streaming ? loop_copy_streaming : loop_copy)(at[0], at[1], n, threads); return 0;
  case YARD_TRIAD:
    (s->streaming ? loop_triad_streaming : loop_triad)(at[0], at[2], at[1], factor, n, threads);
    return 0;
  default: return loop_read(at[0], n, threads);
  }
}

/* The loops work on the device's own buffers, mapped outside the timed stretch. */
static cl_int run_loop(const struct yardstick *s, const struct machine *m, const struct yard_arrays *on,
                       size_t n, float factor, double *ms, double *sum) {
  const int threads = (int)m->facts.openmp;
  const cl_mem mem[3] = {on->x, writes_y(s->kind) ? on->y : NULL, s->kind == YARD_TRIAD ? on->z : NULL};
  const cl_map_flags how[3] = {CL_MAP_READ | CL_MAP_WRITE, CL_MAP_WRITE, CL_MAP_READ};
  float *at[3] = {NULL};
  cl_int rc = CL_SUCCESS;
  for (int i = 0; i < 3 && rc == CL_SUCCESS; i++)
    if (mem[i]) at[i] = clEnqueueMapBuffer(m->queue, mem[i], CL_TRUE, how[i], 0, 4 * n, 0, NULL, NULL, &rc);
  if (rc == CL_SUCCESS) {
    loops_begin(threads);
    const double start = clock_ms();
    const volatile double found = run_share(s, at, n, factor, threads);
    *ms = clock_ms() - start;
    loops_end();
    if (sum) *sum = found;
  }
  for (int i = 0; i < 3; i++) {
    const cl_int unmapped = at[i] ? clEnqueueUnmapMemObject(m->queue, mem[i], at[i], 0, NULL, NULL)
                                  : CL_SUCCESS;
    if (rc == CL_SUCCESS) rc = unmapped;
  }
  const cl_int done = clFinish(m->queue);
  return rc == CL_SUCCESS ? done : rc;
}

cl_int yardstick_run(const struct yardsticks *y, size_t i, const struct machine *m,
                     const struct yard_arrays *on, size_t n, float factor, double *ms, double *sum) {
  const struct yardstick *s = &y->all[i];
  if (!s->kernel) return run_loop(s, m, on, n, factor, ms, sum);
  cl_int rc = run_kernel(y, s, m, on, n, factor, ms);
  return rc == CL_SUCCESS && sum && sums(s->kind) ? total(y, m, s->kind, n, sum) : rc;
}

cl_int yardstick_launch(const struct yardsticks *y, const struct machine *m, size_t count, double *ms,
                        double *call_ms) {
  const size_t one = 1;
  cl_int rc = clFinish(m->queue);
  double start = clock_ms();
  for (size_t i = 0; i < count && rc == CL_SUCCESS; i++)
    rc = clEnqueueNDRangeKernel(m->queue, y->nothing, 1, NULL, &one, &one, 0, NULL, NULL);
  *call_ms = clock_ms() - start;
  if (rc == CL_SUCCESS) rc = clFinish(m->queue);
  *ms = clock_ms() - start;
  return rc;
}

/* How many of the n floats in the buffer aren't plus + factor times those at home, bit for bit. */
static cl_int differing(const struct machine *m, cl_mem buffer, const float *home, float plus, float factor,
                        size_t n, size_t *count) {
  cl_int rc;
  float *seen = clEnqueueMapBuffer(m->queue, buffer, CL_TRUE, CL_MAP_READ, 0, 4 * n, 0, NULL, NULL, &rc);
  if (rc != CL_SUCCESS) return rc;
  *count = 0;
  for (size_t i = 0; i < n; i++) *count += !(seen[i] == plus + factor * home[i]);
  return clEnqueueUnmapMemObject(m->queue, buffer, seen, 0, NULL, NULL);
}

static cl_int fill(const struct machine *m, cl_mem buffer, const float *pattern, size_t bytes, size_t n) {
  return n ? clEnqueueFillBuffer(m->queue, buffer, pattern, bytes, 0, 4 * n, 0, NULL, NULL) : CL_SUCCESS;
}

/* What each kind must leave behind. Multiplying by 2 is exact, so that 1 + 2 z of triad, whose x is filled with 1, is
 * rounded once, fused or not; the small integers that read sums are exact in any order. Exp adds up exp(-1) … exp(-8),
 * of a pattern that walking over the first 4096 again and again doesn't shift: a group's sum in 64 parts errs by half a
 * unit per addition, each exp by two; and the last n % 8 elements may be others. */
static cl_int check(const struct yardsticks *y, size_t i, const struct machine *m, const struct ring *ring,
                    const struct yard_arrays *on, size_t n, int *wrong) {
  static const float pattern[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const enum yard_kind kind = y->all[i].kind;
  const float factor = scales(kind) ? 2 : 1, plus = kind == YARD_TRIAD ? 1 : 0;
  const cl_mem all[] = {on->x, on->y, on->z};
  double ms, sum = 0, expected = 0, slack = 0;
  size_t count = 0, whole = n / 8 * 8;
  cl_int rc = CL_SUCCESS;
  if (writes_y(kind)) rc = fill(m, on->y, pattern, 4, n);
  if (rc == CL_SUCCESS && (sums(kind) || plus > 0)) rc = fill(m, on->x, pattern, 4, n);
  if (rc == CL_SUCCESS && sums(kind)) rc = fill(m, on->x, pattern, sizeof pattern, whole);
  if (kind == YARD_READ) expected = 36.0 * (double)(whole / 8) + (double)(n - whole);
  if (kind == YARD_EXP) {
    for (int k = 0; k < 8; k++) expected += exp(-(double)pattern[k]) * (double)(whole / 8);
    slack = expected * ((double)per_group(n) / WIDE + 64 + 8) * 0x1p-24 + (double)(n - whole);
  }
  if (rc == CL_SUCCESS) rc = yardstick_run(y, i, m, on, n, factor, &ms, &sum);
  if (rc == CL_SUCCESS && !sums(kind))
    rc = differing(m, writes_y(kind) ? on->y : on->x, ring->home, plus, factor, n, &count);
  *wrong = count != 0 || !(sum >= expected - slack && sum <= expected + slack);
  for (int k = 0; k < 3 && rc == CL_SUCCESS; k++) rc = ring_restore(ring, m, all[k]);
  return rc;
}

static const char *const kind_names[YARD_KINDS] = {"scale", "copy", "read", "exp", "triad"};

int yardsticks_check(const struct yardsticks *y, const struct machine *m, struct ring *ring, size_t n,
                     char *why, size_t why_size) {
  for (size_t i = 0; i < y->count; i++) {
    int wrong = 0;
    const struct yard_arrays on = {ring_next(ring), ring_next(ring), ring_next(ring)};
    cl_int rc = check(y, i, m, ring, &on, n, &wrong);
    if (rc == CL_SUCCESS && !wrong) continue;
    snprintf(
        why, why_size, "the yardstick %s (%s) %s%s", kind_names[y->all[i].kind], y->all[i].by,
        rc == CL_SUCCESS ? "gives wrong results" : "fails: ", rc == CL_SUCCESS ? "" : clloss_status_name(rc));
    return -1;
  }
  return 0;
}
