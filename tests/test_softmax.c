/* Softmax and log-softmax, forward and backward, on every device: each kernel family against the f64 reference.
 *
 * Every size meets every plan and every pair of types; layout, masks, scale, in place and the rest are drawn from the
 * seed. A point runs twice: the bits must agree, the bytes around and between the elements must be as they were, inputs
 * too, and NaN and infinities must be where the reference has them.
 *
 * Bound, in units of the arithmetic's u: n roundings of the sum (`terms`), 5 per exp (1.77 units of the last place of 1,
 * kernels/team/math.clh), d = |z − m| from rounding the difference, and |z| + |m| where scale rounds z. A row's sum inherits
 * S = Σ p (d + |z| + |m|) relatively. So
 *
 *   softmax      y (n + S + 16 + d + |z| + |m|)       log-softmax   n + S + 16 + d + |z| + |m| + 4 log s + |y|
 *   backward     |scale| y (n Σ|dy y| + 4 |dy − Σ|)   log           |scale| (e (n Σ|dy| + 9 |Σ|) + 2 |dy − e Σ|)
 *
 * with e = exp(y); and for storing, 2⁻⁸ (bf16) or 2⁻¹¹ (f16) of the result. For f64 the truth errs as much itself. */
#include "status_softmax.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { GUARD = 64 };

typedef enum { RANDOM, WIDE, RISING, MASK_LEADING, MASK_MOST, MIXED, FILLS } fill;

typedef struct {
  size_t rows, classes, inner, offset, row_pad, class_pad;
  uint32_t read, write; /* element types */
  fill fill;
  bool back, is_log, in_place;
  double scale;
} shape;

/* ---- arrays ---- */

/* A matrix in its buffer, between guards; in place, output and input are one array. */
typedef struct {
  uint32_t dtype;
  size_t bytes, first, row, column, total;
  bool packed;
  unsigned char *sent, *got; /* the whole buffer before and after a call */
  cl_mem mem;
} array;

static size_t inner_of(const shape *s) { return s->inner ? s->inner : 1; }

/* skew tells the arrays of a call apart: no two of them have one layout. */
static array array_new(const shape *s, uint32_t dtype, int poison, size_t skew) {
  const size_t inner = inner_of(s);
  array a = {.dtype = dtype, .bytes = harness_bytes(dtype), .first = GUARD + s->offset + skew};
  a.packed = !s->row_pad && !s->class_pad;
  a.column = inner + (s->class_pad ? s->class_pad + skew : 0);
  a.row = (s->classes - 1) * a.column + inner + (s->row_pad ? s->row_pad + skew : 0);
  a.total = a.first + s->rows / inner * a.row + GUARD;
  a.sent = malloc(a.total * a.bytes);
  a.got = malloc(a.total * a.bytes);
  if (!a.sent || !a.got) abort();
  memset(a.sent, poison, a.total * a.bytes);
  return a;
}

static void array_free(array *a) {
  free(a->sent);
  free(a->got);
  if (a->mem) clReleaseMemObject(a->mem);
  *a = (array){0};
}

/* Where element (r, c) is in a buffer, and in arrays that are packed as the reference has them. */
static size_t place(const shape *s, const array *a, size_t r, size_t c) {
  return (a->first + r / inner_of(s) * a->row + r % inner_of(s) + c * a->column) * a->bytes;
}
static size_t packed(const shape *s, size_t r, size_t c) {
  return (r / inner_of(s) * s->classes + c) * inner_of(s) + r % inner_of(s);
}

/* Stores the values, and replaces each by what the type made of it. */
static void array_fill(const shape *s, array *a, double *values) {
  for (size_t r = 0; r < s->rows; r++)
    for (size_t c = 0; c < s->classes; c++) {
      unsigned char *p = a->sent + place(s, a, r, c);
      harness_put(a->dtype, p, 0, values[packed(s, r, c)]);
      values[packed(s, r, c)] = harness_get(a->dtype, p, 0);
    }
}

static clloss_view array_view(const array *a) {
  return (clloss_view){.mem = a->mem,
                       .offset = a->first,
                       .row_stride = a->packed ? 0 : a->row,
                       .class_stride = a->packed ? 0 : a->column,
                       .dtype = a->dtype};
}

static bool array_upload(array *a, const harness_device *device) {
  cl_int error;
  a->mem = clCreateBuffer(device->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, a->total * a->bytes,
                          a->sent, &error);
  return error == CL_SUCCESS;
}

static bool array_download(array *a, const harness_device *device) {
  return clEnqueueReadBuffer(device->queue, a->mem, CL_TRUE, 0, a->total * a->bytes, a->got, 0, NULL, NULL) ==
         CL_SUCCESS;
}

/* ---- a point ---- */

/* What goes in and what should come out, packed. */
typedef struct {
  double *x, *y, *dy, *truth;
} values;

static double draw_x(const shape *s, size_t r, size_t c, uint64_t *state) {
  const double v = (harness_uniform(state) - 0.5) * (s->fill == WIDE ? 150 : 12);
  const size_t kept = r * 7 % s->classes;
  switch (s->fill) {
  case RISING: return (double)c / (double)s->classes * 40 + v / 12;
  case MASK_LEADING: return c < s->classes - 1 - s->classes / 8 ? -HUGE_VAL : v;
  case MASK_MOST: return c == kept || harness_pick(state, 10) == 0 ? v : -HUGE_VAL;
  case MIXED:
    if (r % 5 == 1 && c == kept) return NAN;
    if (r % 5 == 2 && c == kept) return HUGE_VAL;
    return r % 5 == 3 || harness_pick(state, 9) == 0 ? -HUGE_VAL : v;
  default: return v;
  }
}

/* The inputs of the call and its true result. */
static values make_values(const shape *s, uint64_t seed, array *read, array *dy) {
  const size_t n = s->rows * s->classes;
  values v;
  v.x = malloc(4 * n * sizeof *v.x);
  if (!v.x) abort();
  v.y = v.x + n;
  v.dy = v.y + n;
  for (size_t r = 0; r < s->rows; r++)
    for (size_t c = 0; c < s->classes; c++) v.x[packed(s, r, c)] = draw_x(s, r, c, &seed);
  clloss_ref_softmax ref = {.rows = s->rows,
                            .classes = s->classes,
                            .inner = s->inner,
                            .flags = s->is_log ? CLLOSS_LOG_SOFTMAX : 0,
                            .scale = s->scale,
                            .input = v.x,
                            .output = v.y,
                            .grad_output = v.dy,
                            .grad_input = v.dy + n};
  v.truth = v.y;
  if (!s->back) array_fill(s, read, v.x);
  clloss_ref_softmax_forward_f64(&ref);
  if (!s->back) return v;
  v.truth = ref.grad_input;
  for (size_t i = 0; i < n; i++) v.dy[i] = harness_uniform(&seed) * 4 - 2.5;
  array_fill(s, read, v.y);
  array_fill(s, dy, v.dy);
  clloss_ref_softmax_backward_f64(&ref);
  return v;
}

static double log2_up(size_t n) { return ceil(log2((double)n)); }

/* Roundings that a term of a row's sum may see. What the plan may choose where it is free counts. */
static double terms(const shape *s, const harness_plan *plan) {
  const double v = (double)s->classes;
  const double block = fmax(2048, ceil(v / 64) + 63), blocks = ceil(v / 2048);
  const double lane = ceil(fmin(v, block) / 64) + 9 + 8 * fmin(blocks, 64);
  const size_t items = plan->local_size ? plan->local_size : 64;
  const double group = ceil(v / (16.0 * (double)items)) + 8 + log2_up(items);
  const double in_lanes = fmin(v, 256) + ceil(v / 256);
  double n = plan->family == CLLOSS_FAMILY_LANE ? lane : plan->family ? group : fmax(lane, group);
  if (plan->family == CLLOSS_FAMILY_SPLIT && !plan->local_size) n = fmax(lane, group);
  if (s->inner > 1 || s->class_pad || s->classes < 16) n = fmax(n, in_lanes);
  return s->read == CLLOSS_F64 ? n + in_lanes : n;
}

/* The row's sums for bound(). */
typedef struct {
  double max, log_sum, inherited; /* forward: m, log s, S */
  double sum, magnitude;          /* backward: Σ, and of its terms' magnitudes */
} row_facts;

static double z_of(const shape *s, double x) { return s->scale == 0 || isinf(x) ? x : s->scale * x; }

static double rounding_of_z(const shape *s, double z, double max) {
  return fabs(z - max) + (s->scale == 0 ? 0 : fabs(z) + fabs(max));
}

static row_facts facts_of(const shape *s, const values *v, size_t r) {
  row_facts f = {.max = -HUGE_VAL};
  double sum = 0;
  for (size_t c = 0; c < s->classes; c++) f.max = fmax(f.max, z_of(s, v->x[packed(s, r, c)]));
  for (size_t c = 0; c < s->classes; c++) {
    const size_t i = packed(s, r, c);
    const double z = z_of(s, v->x[i]), e = exp(z - f.max);
    sum += e;
    if (e > 0) f.inherited += e * rounding_of_z(s, z, f.max);
    if (!s->back) continue;
    const double term = s->is_log ? v->dy[i] : v->dy[i] * v->y[i];
    f.sum += term;
    f.magnitude += fabs(term);
  }
  f.inherited /= sum;
  f.log_sum = log(sum);
  return f;
}

static double bound(const shape *s, const values *v, const row_facts *f, double n, size_t i) {
  const bool f64 = s->read == CLLOSS_F64;
  const double least = f64 ? 0x1p-1020 : 0x1p-124, truth = fabs(v->truth[i]);
  double units;
  if (!s->back) {
    const double z = z_of(s, v->x[i]), shared = n + f->inherited + 16;
    const double own = isinf(z) ? 0 : rounding_of_z(s, z, f->max);
    units = s->is_log ? shared + own + 4 * f->log_sum + truth : truth * (shared + own);
  } else {
    const double y = v->y[i], dy = v->dy[i], e = exp(y);
    units = s->is_log ? e * (n * f->magnitude + 9 * fabs(f->sum)) + 2 * fabs(dy - e * f->sum)
                      : y * (n * f->magnitude + 4 * fabs(dy - f->sum));
    if (s->scale != 0) units *= fabs(s->scale);
  }
  const double computing = units * (f64 ? 2 * 0x1p-53 : 0x1p-24) * 1.01 + least * (1 + f->magnitude);
  return s->write == CLLOSS_BF16  ? computing * 1.01 + truth * 0x1p-8
         : s->write == CLLOSS_F16 ? computing * 1.01 + truth * 0x1p-11 + 0x1p-25
                                  : computing;
}

static void complain(const shape *s, const char *what, size_t r, size_t c, double got, double truth) {
  fprintf(stderr,
          "%s%s, %zu x %zu, inner %zu, types %u to %u, fill %d, scale %g, offset %zu, pads %zu and %zu%s: "
          "row %zu, "
          "class %zu: %s: %.9g, truth %.9g\n",
          s->is_log ? "log-softmax " : "softmax ", s->back ? "backward" : "forward", s->rows, s->classes,
          s->inner, s->read, s->write, (int)s->fill, s->scale, s->offset, s->row_pad, s->class_pad,
          s->in_place ? ", in place" : "", r, c, what, got, truth);
}

/* Compares the results; the first that is wrong is told. */
static bool right_values(harness *h, const shape *s, const values *v, const array *out, double n) {
  for (size_t r = 0; r < s->rows; r++) {
    const row_facts f = facts_of(s, v, r);
    for (size_t c = 0; c < s->classes; c++) {
      const size_t i = packed(s, r, c);
      const double got = harness_get(out->dtype, out->got + place(s, out, r, c), 0), truth = v->truth[i];
      if (isnan(truth) ? isnan(got) : isinf(truth) ? got == truth : false) continue;
      const double allowed = bound(s, v, &f, n, i), used = fabs(got - truth) / allowed;
      if (!isfinite(truth) || !(fabs(got - truth) <= allowed)) {
        complain(s, "wrong", r, c, got, truth);
        fprintf(stderr, "  allowed %.3g\n", allowed);
        return false;
      }
      /* rounding to 16 bits takes all of its share by chance alone */
      if (used > h->max_used && harness_bytes(s->write) > 2) h->max_used = used;
    }
  }
  return true;
}

/* Outside its elements a buffer is as it was sent. */
static bool untouched(const shape *s, array *a, bool whole) {
  if (!whole)
    for (size_t r = 0; r < s->rows; r++)
      for (size_t c = 0; c < s->classes; c++)
        memcpy(a->sent + place(s, a, r, c), a->got + place(s, a, r, c), a->bytes);
  return memcmp(a->sent, a->got, a->total * a->bytes) == 0;
}

static clloss_status call(const shape *s, clloss_ctx *ctx, cl_command_queue queue, const array *read,
                          const array *dy, const array *out) {
  const clloss_softmax_options options = {
      .struct_size = sizeof options, .flags = s->is_log ? CLLOSS_LOG_SOFTMAX : 0, .scale = s->scale};
  clloss_softmax x = {.struct_size = sizeof x, .rows = s->rows, .classes = s->classes, .inner = s->inner};
  cl_event done = NULL;
  if (s->back) {
    x.output = array_view(read);
    x.grad_output = array_view(dy);
    x.grad_input = array_view(out);
  } else {
    x.input = array_view(read);
    x.output = array_view(out);
  }
  const clloss_softmax_options *given = s->is_log || s->scale != 0 ? &options : NULL;
  clloss_status status = s->back ? clloss_softmax_backward(ctx, &x, given, queue, 0, NULL, &done)
                                 : clloss_softmax_forward(ctx, &x, given, queue, 0, NULL, &done);
  if (status != CLLOSS_SUCCESS) {
    fprintf(stderr, "%s: %s\n", clloss_status_name(status), clloss_ctx_message(ctx));
    return status;
  }
  status = clWaitForEvents(1, &done);
  clReleaseEvent(done);
  return status;
}

/* One call in fresh buffers, the output poisoned; `before` is the earlier run's output, or NULL. */
static bool run(harness *h, const harness_device *device, clloss_ctx *ctx, const harness_plan *plan,
                const shape *s, uint64_t seed, int poison, unsigned char **before) {
  array read = array_new(s, s->read, 0xff, 0), dy = array_new(s, s->read, 0xff, 1);
  array own = array_new(s, s->write, poison, 2), *out = !s->in_place ? &own : s->back ? &dy : &read;
  values v = make_values(s, seed, &read, &dy);
  bool good = array_upload(&read, device) && array_upload(&dy, device) && array_upload(&own, device);
  good = good && call(s, ctx, device->queue, &read, &dy, out) == CLLOSS_SUCCESS;
  good = good && array_download(&read, device) && array_download(&dy, device) && array_download(&own, device);
  if (!good) complain(s, "the call or OpenCL failed", 0, 0, 0, 0);
  if (good && !right_values(h, s, &v, out, terms(s, plan))) good = false;
  if (good && !(untouched(s, &read, out != &read) && untouched(s, &dy, out != &dy) &&
                untouched(s, &own, out != &own))) {
    complain(s, "an input, a guard or padding was written", 0, 0, 0, 0);
    good = false;
  }
  for (size_t r = 0; r < s->rows && good && *before; r++)
    for (size_t c = 0; c < s->classes && good; c++)
      if (memcmp(out->got + place(s, out, r, c), *before + place(s, out, r, c), out->bytes) != 0) {
        complain(s, "two runs gave different bits", r, c, 0, 0);
        good = false;
      }
  free(*before);
  *before = out->got;
  out->got = NULL;
  array_free(&read);
  array_free(&dy);
  array_free(&own);
  free(v.x);
  return good;
}

static void point(harness *h, size_t device, const harness_plan *plan, const shape *s) {
  uint64_t seed;
  clloss_ctx *ctx = harness_ctx(h, device, plan);
  const double bytes = (double)(s->rows * s->classes * (harness_bytes(s->read) + harness_bytes(s->write)));
  if (!harness_next_of(h, plan, bytes, &seed) || !ctx) return;
  unsigned char *before = NULL;
  bool good = run(h, &h->devices[device], ctx, plan, s, seed, 0xa5, &before);
  good = good && run(h, &h->devices[device], ctx, plan, s, seed, 0x5a, &before);
  free(before);
  if (good) return;
  h->failed++;
  fprintf(stderr, "  family %s, local size %u; again: %s --seed %llu --only %zu\n",
          clloss_family_name(plan->family), plan->local_size, h->program, (unsigned long long)h->seed,
          h->point - 1);
}

/* ---- the sweep ---- */

static const harness_plan plans[] = {
    {0},
    {CLLOSS_FAMILY_GROUP, 64, 0, 0},
    {CLLOSS_FAMILY_LANE, 0, 5, 0},
    {CLLOSS_FAMILY_GROUP, 7, 3, 0},
    {CLLOSS_FAMILY_SPLIT, 7, 0, 3},
};

/* What is read, and what is written; the last two go backward only. f32 meets every plan, other types the first two, and
 * of two that differ each pair one of these: loads and stores don't know of one another. */
static const uint32_t types[][2] = {
    {CLLOSS_F32, CLLOSS_F32}, {CLLOSS_F64, CLLOSS_F64},  {CLLOSS_F16, CLLOSS_F16}, {CLLOSS_BF16, CLLOSS_BF16},
    {CLLOSS_F16, CLLOSS_F32}, {CLLOSS_BF16, CLLOSS_F32}, {CLLOSS_F32, CLLOSS_F16}, {CLLOSS_F32, CLLOSS_BF16},
};
enum { BACKWARD_ONLY = 6 };

static bool has_f64(const harness_device *device) {
  cl_device_fp_config doubles = 0;
  clGetDeviceInfo(device->device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles, NULL);
  return doubles != 0;
}

static shape draw(size_t rows, size_t classes, size_t type, uint64_t *state) {
  static const size_t offsets[] = {0, 0, 1, 3, 16}, pads[] = {0, 0, 1, 5, 16};
  static const double scales[] = {0, 0, 0.125, -1.5, 2};
  static const size_t inners[] = {0, 1, 3, 16, 37};
  shape s = {.rows = rows, .classes = classes, .read = types[type][0], .write = types[type][1]};
  s.fill = (fill)harness_pick(state, FILLS);
  s.back = type >= BACKWARD_ONLY || harness_pick(state, 2);
  s.is_log = harness_pick(state, 2);
  s.scale = scales[harness_pick(state, COUNT(scales))];
  s.in_place = s.read == s.write && harness_pick(state, 2);
  s.offset = offsets[harness_pick(state, COUNT(offsets))];
  s.row_pad = pads[harness_pick(state, COUNT(pads))];
  if (harness_pick(state, 4) == 0 && classes < 5000) s.class_pad = pads[harness_pick(state, COUNT(pads))];
  if (harness_pick(state, 3) == 0 && classes < 5000) s.inner = inners[harness_pick(state, COUNT(inners))];
  s.rows *= inner_of(&s);
  return s;
}

/* Around each boundary of the kernels: vectors of 4 and 16, accumulators of 64, blocks of 2048, more than 64 blocks. */
static const size_t sizes[][2] = {
    {1, 1},  {33, 1},   {3, 2},   {20, 3},   {100, 7},  {64, 15},  {5, 16},    {37, 17},
    {2, 63}, {19, 100}, {3, 257}, {9, 1000}, {2, 2049}, {3, 4097}, {1, 20000}, {2, 140001},
};

static void sweep(harness *h) {
  uint64_t state = h->seed;
  for (size_t device = 0; device < h->n_devices; device++)
    for (size_t type = 0; type < COUNT(types); type++)
      for (size_t plan = 0; plan < (type ? 2 : COUNT(plans)); plan++)
        for (size_t size = 0; size < COUNT(sizes); size++) {
          const shape s = draw(sizes[size][0], sizes[size][1], type, &state);
          if (s.read != s.write && plan != type % 2) continue;
          if (s.read != CLLOSS_F64 || has_f64(&h->devices[device])) point(h, device, &plans[plan], &s);
        }
}

/* Outputs that are written past the cache, from unaligned starts; more rows than one launch has groups. */
static void large(harness *h) {
  for (size_t device = 0; device < h->n_devices; device++)
    for (size_t i = 0; i < 16; i++) {
      shape s = {
          .rows = 1101, .classes = 1000, .offset = 3, .row_pad = 7, .read = CLLOSS_F32, .write = CLLOSS_F32};
      s.back = i & 1;
      s.is_log = i & 2;
      if (i & 4) s.rows = 350, s.classes = 6017, s.read = s.write = CLLOSS_BF16;
      point(h, device, &plans[i >> 3], &s);
    }
  for (size_t device = 0; device < h->n_devices; device++) {
    const shape s = {.rows = 70001, .classes = 17, .fill = MIXED, .read = CLLOSS_F32, .write = CLLOSS_F32};
    point(h, device, &plans[0], &s);
    point(h, device, &plans[3], &s);
  }
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  int refusals = 0;
  for (size_t i = 0; i < h.n_devices; i++) refusals += status_softmax(&h.devices[i]);
  sweep(&h);
  large(&h);
  return harness_close(&h) || refusals;
}
