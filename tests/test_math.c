/* The errors of kernels/team/math.clh on every device, in both types, against libm in the next wider type, whose own error is
 * below a thousandth of the bounds: the f32 exponentials of every x <= 0 that there is, and everything else of arguments
 * spread evenly over a range by their bits, 2^23 floats or 2^20 doubles, from a start that changes.
 *
 * Bounds are those that the kernels' own error bounds count on (case_xent_bound.c, case_pointwise_kinds.c), in units of
 * u, 2^-24 (f64: 2^-53) of the value: an error of one unit in the last place is between 1 and 2 of them. That of tanh in
 * f64 is what tools/derive_math.py finds that its roundings come to. */
#include "test_math.h"

#include "harness.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20, KERNELS = 2 };

static double log1m(double x) { return log1p(-x); }
static long double log1m_wide(long double x) { return log1pl(-x); }
static double zero(double x) { return x == x ? 0 : x; }
static long double zero_wide(long double x) { return x == x ? 0 : x; }

/* A function over a range of each type, |low| <= |high| of one sign. exp_neg is 0 where exp is below the least normal
 * number. */
static const struct function {
  double (*truth)(double); /* of floats, … */
  long double (*truth_wide)(long double);
  struct {
    double low, high;
  } range[2]; /* in f32, in f64 */
  struct {
    const char *kernel; /* NULL: none */
    double most;
  } by[KERNELS];
  bool every; /* float of the range */
} functions[] = {
    {exp, expl, {{-0.0, -87.33654f}, {-0.0, -708.396418532264}}, {{"exp_neg", 4}, {"exp_any", 9}}, true},
    {zero, zero_wide, {{-87.33655f, -HUGE_VAL}, {-708.3964185322642, -HUGE_VAL}}, {{"exp_neg", 0}}, true},
    {exp, expl, {{0, 88.72283f}, {0, 709.78271}}, {{"exp_any", 9}}, false},
    {log, logl, {{1, FLT_MAX}, {1, DBL_MAX}}, {{"log_pos", 3}, {"log_any", 3}}, false},
    {log, logl, {{0x1p-149, 1}, {0x1p-1074, 1}}, {{"log_any", 3}}, false},
    {log1p, log1pl, {{0x1p-126, 1}, {0x1p-1022, 1}}, {{"log1p_unit", 4}}, false},
    {log1m,
     log1m_wide,
     {{0x1p-126, 0x0.ffffffp0}, {0x1p-1022, 0x0.fffffffffffff8p0}},
     {{"log1m_unit", 6}},
     false}, /* 3, and 1 / |log| where 1 − x rounds */
    {tanh, tanhl, {{0x1p-126, 20}, {0x1p-1022, 20}}, {{"tanh_of", 4}}, false},
    {tanh, tanhl, {{-0x1p-5, -20}, {-0x1p-5, -20}}, {{"tanh_of", 4}}, false}, /* where most of it rounds */
};

typedef struct {
  harness *h;
  const harness_device *device;
  cl_program program;
  cl_mem x, y;
  void *in, *out, *truth;
  bool wide;
} bench;

/* The kernel that calls this function of math.clh, from x to y. */
static cl_kernel kernel_of(const bench *b, const char *function, cl_int *rc) {
  char name[32];
  snprintf(name, sizeof name, "run_%s", function);
  cl_kernel kernel = clCreateKernel(b->program, name, rc);
  if (!*rc) *rc = clSetKernelArg(kernel, 0, sizeof b->x, &b->x);
  if (!*rc) *rc = clSetKernelArg(kernel, 1, sizeof b->y, &b->y);
  return kernel;
}

static cl_int run(bench *b, cl_kernel kernel, size_t n) {
  const size_t bytes = n * (b->wide ? 8 : 4), items = n / 16;
  cl_int rc = clEnqueueWriteBuffer(b->device->queue, b->x, CL_TRUE, 0, bytes, b->in, 0, NULL, NULL);
  if (!rc) rc = clEnqueueNDRangeKernel(b->device->queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
  if (!rc) rc = clEnqueueReadBuffer(b->device->queue, b->y, CL_TRUE, 0, bytes, b->out, 0, NULL, NULL);
  return rc;
}

/* The largest relative error so far, a NaN being an infinite one, and where. */
typedef struct {
  double error, where;
} worst;

/* Divides only where the error grows: there are thousands of millions of them. */
#define DEFINE_COMPARE(name, type, wider, absolute)                                                 \
  static void name(const bench *b, size_t n, worst *w) {                                            \
    const type *x = b->in, *y = b->out;                                                             \
    const wider *truth = b->truth;                                                                  \
    for (size_t i = 0; i < n; i++) {                                                                \
      const wider error = absolute((wider)y[i] - truth[i]), size = absolute(truth[i]);              \
      if (error <= (wider)w->error * size) continue;                                                \
      *w = (worst){size > 0 && error <= DBL_MAX ? (double)(error / size) : HUGE_VAL, (double)x[i]}; \
    }                                                                                               \
  }
DEFINE_COMPARE(compare_f32, float, double, fabs)
DEFINE_COMPARE(compare_f64, double, long double, fabsl)

/* Those of values of one sign are in the order of their magnitudes. */
static uint64_t bits_of(bool wide, double x) {
  const float narrow = (float)x;
  uint32_t bits;
  uint64_t bits_wide;
  memcpy(&bits, &narrow, sizeof bits);
  memcpy(&bits_wide, &x, sizeof bits_wide);
  return wide ? bits_wide : bits;
}

/* Fills the next arguments up to the last, in whole vectors, and what is true of them; how many. */
static size_t arguments(const bench *b, const struct function *f, uint64_t *next, uint64_t last,
                        uint64_t step) {
  const uint64_t left = *next <= last ? (last - *next) / step + 1 : 0;
  const size_t n = left < CHUNK ? (size_t)left : CHUNK, whole = (n + 15) / 16 * 16;
  for (size_t i = 0; i < whole; i++) {
    const uint64_t bits_wide = *next + (i < n ? i : n - 1) * step;
    const uint32_t bits = (uint32_t)bits_wide;
    double wide;
    float narrow;
    memcpy(&wide, &bits_wide, sizeof wide);
    memcpy(&narrow, &bits, sizeof narrow);
    if (b->wide)
      ((double *)b->in)[i] = wide, ((long double *)b->truth)[i] = f->truth_wide((long double)wide);
    else
      ((float *)b->in)[i] = narrow, ((double *)b->truth)[i] = f->truth((double)narrow);
  }
  *next += n * step;
  return whole;
}

static void report(const bench *b, const struct function *f, int k, uint64_t tested, worst w, cl_int rc) {
  const double units = w.error * (b->wide ? 0x1p53 : 0x1p24), most = f->by[k].most;
  const bool good = !rc && units <= most;
  printf("%s %s of %llu from %g to %g: %.2f u at %a%s\n", f->by[k].kernel, b->wide ? "f64" : "f32",
         (unsigned long long)tested, f->range[b->wide].low, f->range[b->wide].high, units, w.where,
         good ? ""
         : rc ? ": OpenCL failed"
              : ": FAILED");
  b->h->point++, b->h->run++, b->h->failed += !good;
  if (most > 0) b->h->max_used = fmax(b->h->max_used, units / most);
}

static void check(bench *b, const struct function *f, uint64_t *state) {
  const uint64_t first = bits_of(b->wide, f->range[b->wide].low);
  const uint64_t last = bits_of(b->wide, f->range[b->wide].high);
  /* odd, so that the lowest bits take every value */
  const uint64_t step = f->every && !b->wide ? 1 : (last - first) >> (b->wide ? 20 : 23) | 1;
  uint64_t next = first + harness_pick(state, step), tested = 0;
  worst w[KERNELS] = {{0, 0}};
  cl_kernel kernels[KERNELS] = {NULL};
  cl_int rc = CL_SUCCESS;
  size_t n;
  for (int k = 0; k < KERNELS && f->by[k].kernel && !rc; k++) kernels[k] = kernel_of(b, f->by[k].kernel, &rc);
  while (!rc && (n = arguments(b, f, &next, last, step)) > 0) {
    for (int k = 0; k < KERNELS && kernels[k] && !rc; k++) {
      rc = run(b, kernels[k], n);
      if (!rc) (b->wide ? compare_f64 : compare_f32)(b, n, &w[k]);
    }
    tested += n;
  }
  for (int k = 0; k < KERNELS && f->by[k].kernel; k++) {
    report(b, f, k, tested, w[k], rc);
    if (kernels[k]) clReleaseKernel(kernels[k]);
  }
}

/* What lies at and beyond the ends: each function, its argument, its value. tanh f32 of -0 is 0, hence signs in f64 only. */
static void check_ends(bench *b) {
  static const struct {
    const char *kernel;
    double x, y;
  } ends[] = {
      {"exp_neg", 0, 1},          {"exp_neg", -HUGE_VAL, 0},
      {"exp_any", 1e4, HUGE_VAL}, {"exp_any", HUGE_VAL, HUGE_VAL},
      {"exp_any", -HUGE_VAL, 0},  {"log_pos", 1, 0},
      {"log_any", 0, -HUGE_VAL},  {"log_any", -0.0, -HUGE_VAL},
      {"log1p_unit", 0, 0},       {"log1m_unit", 1, -HUGE_VAL},
      {"log1m_unit", 0, 0},       {"tanh_of", 0, 0},
      {"tanh_of", -0.0, -0.0},    {"tanh_of", HUGE_VAL, 1},
      {"tanh_of", -HUGE_VAL, -1}, {"tanh_of", 1e38, 1},
  };
  for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
    const bool nan = i % 2; /* each function keeps NaN */
    const double x = nan ? (double)NAN : ends[i / 2].x;
    cl_int rc;
    cl_kernel kernel = kernel_of(b, ends[i / 2].kernel, &rc);
    for (size_t k = 0; k < 16; k++) harness_put(b->wide ? CLLOSS_F64 : CLLOSS_F32, b->in, k, x);
    if (!rc) rc = run(b, kernel, 16);
    const double y = harness_get(b->wide ? CLLOSS_F64 : CLLOSS_F32, b->out, 7);
    if (kernel) clReleaseKernel(kernel);
    b->h->point++, b->h->run++;
    if (!rc && (nan ? isnan(y) : y == ends[i / 2].y && (!b->wide || !signbit(y) == !signbit(ends[i / 2].y))))
      continue;
    printf("FAILED %s of %g is %g\n", ends[i / 2].kernel, x, y);
    b->h->failed++;
  }
}

/* False where OpenCL fails. */
static bool check_type(harness *h, const harness_device *device, bool wide, uint64_t *state) {
  const char *text = test_math_cl;
  cl_int rc;
  bench b = {.h = h,
             .device = device,
             .wide = wide,
             .in = malloc(8 * CHUNK),
             .out = malloc(8 * CHUNK),
             .truth = malloc(CHUNK * sizeof(long double))};
  b.program = clCreateProgramWithSource(device->context, 1, &text, NULL, &rc);
  b.x = clCreateBuffer(device->context, CL_MEM_READ_ONLY, 8 * CHUNK, NULL, NULL);
  b.y = clCreateBuffer(device->context, CL_MEM_READ_WRITE, 8 * CHUNK, NULL, NULL);
  if (!rc)
    rc = clBuildProgram(b.program, 1, &device->device,
                        wide ? "-cl-std=CL1.2 -DCLLOSS_REAL_F64" : "-cl-std=CL1.2 -cl-denorms-are-zero", NULL,
                        NULL);
  if (rc || !b.in || !b.out || !b.truth || !b.x || !b.y) return false;
  for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) check(&b, &functions[f], state);
  check_ends(&b);
  clReleaseMemObject(b.x);
  clReleaseMemObject(b.y);
  clReleaseProgram(b.program);
  free(b.in);
  free(b.out);
  free(b.truth);
  return true;
}

int main(int argc, char **argv) {
  harness h;
  bool works = true;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  for (size_t i = 0; i < h.n_devices && works; i++) {
    cl_device_fp_config doubles = 0;
    clGetDeviceInfo(h.devices[i].device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles, NULL);
    for (int wide = 0; wide <= (doubles != 0) && works; wide++)
      works = check_type(&h, &h.devices[i], wide, &state);
  }
  if (!works) fprintf(stderr, "%s: OpenCL failed\n", h.program);
  return harness_close(&h) || !works;
}
