/* The errors of kernels/math.clh on every device: in f32 over 2^23 floats of a function's range, evenly by their bits from
 * a start that changes, in f64 over random arguments, against libm in the next wider type.
 *
 * Bounds are those that the kernels' own error bounds count on (case_xent_bound.c, case_pointwise_kinds.c), in units of
 * u, 2^-24 (f64: 2^-53) of the value: an error of one unit in the last place is between 1 and 2 of them. */
#include "test_math.h"

#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

static double log1m(double x) { return log1p(-x); }
static long double log1m_wide(long double x) { return log1pl(-x); }

static const struct {
  const char *kernel;
  double (*truth)(double); /* of floats, … */
  long double (*truth_wide)(long double);
  float low, high; /* of the same sign, |low| <= |high| */
  double most;
} functions[] = {
    {"run_exp_neg", exp, expl, -0.0f, -87.3f, 4},
    {"run_exp_any", exp, expl, -0.0f, -87.3f, 9},
    {"run_exp_any", exp, expl, 0.0f, 88.7f, 9},
    {"run_log_pos", log, logl, 1, 0x1p127f, 3},
    {"run_log_any", log, logl, 0x1p-126f, 1, 3},
    {"run_log_any", log, logl, 1, 0x1p127f, 3},
    {"run_log1p_unit", log1p, log1pl, 0x1p-126f, 1, 4},
    {"run_log1m_unit", log1m, log1m_wide, 0x1p-126f, 0x0.ffffffp0f,
     6}, /* 3, and 1 / |log| where 1 − x rounds */
    {"run_tanh_of", tanh, tanhl, 0x1p-126f, 20, 4},
};

typedef struct {
  const harness_device *device;
  cl_program program;
  cl_mem x, y;
  void *in, *out;
  bool wide;
} bench;

/* The error in units of u, relative to the truth. */
static double units(bool wide, double got, long double truth) {
  return (double)(fabsl((long double)got - truth) / fabsl(truth)) * (wide ? 0x1p53 : 0x1p24);
}

static cl_int run(bench *b, cl_kernel kernel, size_t n) {
  const size_t bytes = n * (b->wide ? 8 : 4), items = n / 16;
  cl_int rc = clEnqueueWriteBuffer(b->device->queue, b->x, CL_TRUE, 0, bytes, b->in, 0, NULL, NULL);
  if (!rc) rc = clEnqueueNDRangeKernel(b->device->queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
  if (!rc) rc = clEnqueueReadBuffer(b->device->queue, b->y, CL_TRUE, 0, bytes, b->out, 0, NULL, NULL);
  return rc;
}

static double worst_of(const bench *b, size_t f, size_t n, double *where) {
  double worst = 0;
  for (size_t i = 0; i < n; i++) {
    const double x = b->wide ? ((double *)b->in)[i] : (double)((float *)b->in)[i];
    const double y = b->wide ? ((double *)b->out)[i] : (double)((float *)b->out)[i];
    const long double truth = b->wide ? functions[f].truth_wide((long double)x)
                                      : (long double)functions[f].truth(x);
    const double error = y == (double)truth ? 0 : units(b->wide, y, truth);
    if (!(error <= worst)) worst = error, *where = x;
  }
  return worst;
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* Fills the next arguments of the range; how many. */
static size_t arguments(const bench *b, size_t f, uint32_t *next, uint32_t step, uint64_t *state) {
  const uint32_t last = bits_of(functions[f].high);
  size_t n = 0;
  if (*next > last) return 0;
  if (b->wide) {
    const double low = fabs((double)functions[f].low), high = fabs((double)functions[f].high);
    const double least = log(low > 0 ? low : 0x1p-60), most = log(high);
    for (; n < CHUNK; n++) {
      const double a = exp(least + (most - least) * harness_uniform(state));
      ((double *)b->in)[n] = copysign(fmin(fmax(a, low), high), (double)functions[f].high);
    }
    *next = last + 1;
    return n;
  }
  for (; n < CHUNK && *next <= last; *next += step) memcpy((float *)b->in + n++, next, sizeof *next);
  for (; n % 16; n++) ((float *)b->in)[n] = ((float *)b->in)[n - 1];
  return n;
}

static int check(bench *b, size_t f, uint64_t *state) {
  cl_int rc;
  cl_kernel kernel = clCreateKernel(b->program, functions[f].kernel, &rc);
  const uint32_t first = bits_of(functions[f].low), count = bits_of(functions[f].high) - first;
  const uint32_t step = (count >> 23) + 1;
  uint32_t next = first + (uint32_t)harness_pick(state, step);
  double worst = 0, where = 0, at = 0;
  size_t n;
  if (!rc) rc = clSetKernelArg(kernel, 0, sizeof b->x, &b->x);
  if (!rc) rc = clSetKernelArg(kernel, 1, sizeof b->y, &b->y);
  while (!rc && (n = arguments(b, f, &next, step, state)) > 0) {
    rc = run(b, kernel, n);
    const double error = worst_of(b, f, n, &at);
    if (!(error <= worst)) worst = error, where = at;
  }
  if (kernel) clReleaseKernel(kernel);
  const bool good = !rc && worst <= functions[f].most;
  printf("%s %s from %g to %g: %.2f u at %a%s\n", functions[f].kernel + strlen("run_"),
         b->wide ? "f64" : "f32", (double)functions[f].low, (double)functions[f].high, worst, where,
         good ? ""
         : rc ? ": OpenCL failed"
              : ": FAILED");
  return !good;
}

/* What lies at and beyond the ends: each function, its argument, its value. */
static int check_ends(bench *b) {
  static const struct {
    const char *kernel;
    double x, y;
  } ends[] = {
      {"run_exp_neg", 0, 1},          {"run_exp_neg", -HUGE_VAL, 0},
      {"run_exp_any", 1e4, HUGE_VAL}, {"run_exp_any", HUGE_VAL, HUGE_VAL},
      {"run_exp_any", -HUGE_VAL, 0},  {"run_log_pos", 1, 0},
      {"run_log_any", 0, -HUGE_VAL},  {"run_log_any", -0.0, -HUGE_VAL},
      {"run_log1p_unit", 0, 0},       {"run_log1m_unit", 1, -HUGE_VAL},
      {"run_log1m_unit", 0, 0},
  };
  int failed = 0;
  for (size_t i = 0; i < 2 * sizeof ends / sizeof *ends; i++) {
    const bool nan = i % 2; /* each function keeps NaN */
    const double x = nan ? (double)NAN : ends[i / 2].x;
    cl_int rc;
    cl_kernel kernel = clCreateKernel(b->program, ends[i / 2].kernel, &rc);
    for (size_t k = 0; k < 16; k++) harness_put(b->wide ? CLLOSS_F64 : CLLOSS_F32, b->in, k, x);
    if (!rc) rc = clSetKernelArg(kernel, 0, sizeof b->x, &b->x);
    if (!rc) rc = clSetKernelArg(kernel, 1, sizeof b->y, &b->y);
    if (!rc) rc = run(b, kernel, 16);
    const double y = harness_get(b->wide ? CLLOSS_F64 : CLLOSS_F32, b->out, 7);
    if (kernel) clReleaseKernel(kernel);
    if (!rc && (nan ? isnan(y) : y == ends[i / 2].y)) continue;
    printf("FAILED %s of %g is %g\n", ends[i / 2].kernel, x, y);
    failed++;
  }
  return failed;
}

static int check_type(const harness_device *device, bool wide, uint64_t *state) {
  bench b = {.device = device, .wide = wide, .in = malloc(8 * CHUNK), .out = malloc(8 * CHUNK)};
  const char *text = test_math_cl;
  int failed = 0;
  cl_int rc;
  b.program = clCreateProgramWithSource(device->context, 1, &text, NULL, &rc);
  b.x = clCreateBuffer(device->context, CL_MEM_READ_ONLY, 8 * CHUNK, NULL, NULL);
  b.y = clCreateBuffer(device->context, CL_MEM_READ_WRITE, 8 * CHUNK, NULL, NULL);
  if (!rc)
    rc = clBuildProgram(b.program, 1, &device->device,
                        wide ? "-cl-std=CL1.2 -DCLLOSS_REAL_F64" : "-cl-std=CL1.2 -cl-denorms-are-zero", NULL,
                        NULL);
  if (rc || !b.in || !b.out || !b.x || !b.y) return 1;
  for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) failed += check(&b, f, state);
  failed += check_ends(&b);
  clReleaseMemObject(b.x);
  clReleaseMemObject(b.y);
  clReleaseProgram(b.program);
  free(b.in);
  free(b.out);
  return failed;
}

int main(int argc, char **argv) {
  harness h;
  int failed = 0;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  for (size_t i = 0; i < h.n_devices; i++) {
    cl_device_fp_config doubles = 0;
    clGetDeviceInfo(h.devices[i].device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles, NULL);
    failed += check_type(&h.devices[i], false, &state);
    if (doubles) failed += check_type(&h.devices[i], true, &state);
  }
  h.run = 1;
  return harness_close(&h) || failed;
}
