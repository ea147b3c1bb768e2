/* The harness against implementations that are wrong on purpose: each must set off the check meant for it
 * and no other, and a right one none at all. "Implementation" is the scalar f32 reference, run on the host
 * on what stands in the device's buffers, with one defect. */
#include "case_xent.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORWARD  XENT_FORWARD
#define BACKWARD XENT_BACKWARD
#define FUSED    XENT_FUSED

typedef enum damage {
  NONE,
  FAILS, /* a status that isn't success */
  NO_EVENT,
  BEFORE,  /* writes the element before the array's first */
  AFTER,   /* and the one after its last */
  BETWEEN, /* and the first of the padding */
  SKIPS,   /* leaves one element as it was */
  SKIPS_ALL,
  CHANGES, /* changes an element of an input */
  CHANGES_OUTSIDE,
  NAN_FOR_FINITE,
  FINITE_FOR_NAN,
  FINITE_FOR_INF,
  INF_FOR_FINITE,
  WRONG_SIGN,    /* of an inf */
  AT_BOUND,      /* as wrong as is allowed */
  BEYOND_BOUND,  /* the next number after that */
  TINY_FOR_ZERO, /* in an ignored row */
  READS_PADDING, /* adds the logit after the row's last to the row's result */
  READS_IGNORED, /* multiplies an ignored row's logit by 0 */
  SECOND_RUN,    /* one ulp more, but only the second time */
  ONE_ULP,       /* more than the other pass, both times */
  ONE_MORE       /* than is right: of a count or an index */
} damage;

#define ON(check) (1u << HARNESS_##check)

static const struct defect {
  const char *name;
  int pass;
  damage damage;
  int array;
  unsigned fires;
  enum xent_fill fill;
  bool in_place;
  uint32_t dtype;
  size_t inner;
} defects[] = {
    {"nothing wrong", FUSED, NONE, XENT_GRAD, 0, XENT_RANDOM, false, 0, 0},
    {"nothing wrong in place", FUSED, NONE, XENT_GRAD, 0, XENT_RANDOM, true, 0, 0},
    {"nothing wrong, all kinds of rows", FUSED, NONE, XENT_GRAD, 0, XENT_MIXED, false, 0, 0},
    {"the call fails", FORWARD, FAILS, XENT_LOSS, ON(STATUS), XENT_RANDOM, false, 0, 0},
    {"no event", FORWARD, NO_EVENT, XENT_LOSS, ON(STATUS), XENT_RANDOM, false, 0, 0},
    {"writes before grad", FUSED, BEFORE, XENT_GRAD, ON(GUARD), XENT_RANDOM, false, 0, 0},
    {"writes before grad in place", FUSED, BEFORE, XENT_GRAD, ON(GUARD), XENT_RANDOM, true, 0, 0},
    {"writes before loss", FORWARD, BEFORE, XENT_LOSS, ON(GUARD), XENT_RANDOM, false, 0, 0},
    {"writes after grad", BACKWARD, AFTER, XENT_GRAD, ON(GUARD), XENT_RANDOM, false, 0, 0},
    {"writes after grad in place", FUSED, AFTER, XENT_GRAD, ON(GUARD), XENT_RANDOM, true, 0, 0},
    {"writes after row_loss", FORWARD, AFTER, XENT_ROW_LOSS, ON(GUARD), XENT_RANDOM, false, 0, 0},
    {"writes into the padding of grad", FUSED, BETWEEN, XENT_GRAD, ON(PADDING), XENT_RANDOM, false, 0, 0},
    {"writes into the padding in place", BACKWARD, BETWEEN, XENT_GRAD, ON(PADDING), XENT_RANDOM, true, 0, 0},
    {"writes between row_stats", FORWARD, BETWEEN, XENT_ROW_STATS, ON(PADDING), XENT_RANDOM, false, 0, 0},
    {"an element of grad unwritten", FUSED, SKIPS, XENT_GRAD, ON(UNWRITTEN), XENT_RANDOM, false, 0, 0},
    {"grad unwritten", BACKWARD, SKIPS_ALL, XENT_GRAD, ON(UNWRITTEN), XENT_RANDOM, false, 0, 0},
    {"loss unwritten", FORWARD, SKIPS, XENT_LOSS, ON(UNWRITTEN), XENT_RANDOM, false, 0, 0},
    {"row_stats unwritten", FUSED, SKIPS_ALL, XENT_ROW_STATS, ON(UNWRITTEN), XENT_BAD_TARGET, false, 0, 0},
    {"NaN unwritten", FORWARD, SKIPS_ALL, XENT_ROW_LOSS, ON(UNWRITTEN), XENT_MASK_ROW, false, 0, 0},
    {"writes to the logits", FORWARD, CHANGES, XENT_LOGITS, ON(INPUT_CHANGED), XENT_RANDOM, false, 0, 0},
    {"writes to the targets", FUSED, CHANGES, XENT_TARGETS, ON(INPUT_CHANGED), XENT_RANDOM, false, 0, 0},
    {"writes to grad_loss", BACKWARD, CHANGES, XENT_GRAD_LOSS, ON(INPUT_CHANGED), XENT_RANDOM, false, 0, 0},
    {"writes around the targets", FUSED, CHANGES_OUTSIDE, XENT_TARGETS, ON(INPUT_CHANGED), XENT_RANDOM, false,
     0, 0},
    {"NaN in grad", FUSED, NAN_FOR_FINITE, XENT_GRAD, ON(CLASS), XENT_RANDOM, false, 0, 0},
    {"NaN loss", FORWARD, NAN_FOR_FINITE, XENT_LOSS, ON(CLASS), XENT_RANDOM, false, 0, 0},
    {"no NaN for a bad target", FUSED, FINITE_FOR_NAN, XENT_GRAD, ON(CLASS), XENT_BAD_TARGET, false, 0, 0},
    {"no NaN loss for a masked row", FORWARD, FINITE_FOR_NAN, XENT_ROW_LOSS, ON(CLASS), XENT_MASK_ROW, false,
     0, 0},
    {"finite loss for a masked target", FORWARD, FINITE_FOR_INF, XENT_ROW_LOSS, ON(CLASS), XENT_MASK_TARGET,
     false, 0, 0},
    {"inf loss", FORWARD, INF_FOR_FINITE, XENT_LOSS, ON(CLASS), XENT_RANDOM, false, 0, 0},
    {"-inf loss", FORWARD, WRONG_SIGN, XENT_ROW_LOSS, ON(CLASS), XENT_MASK_TARGET, false, 0, 0},
    {"grad as wrong as allowed", FUSED, AT_BOUND, XENT_GRAD, 0, XENT_RANDOM, false, 0, 0},
    {"grad slightly more wrong", FUSED, BEYOND_BOUND, XENT_GRAD, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"grad slightly more wrong in place", BACKWARD, BEYOND_BOUND, XENT_GRAD, ON(BOUND), XENT_RANDOM, true, 0,
     0},
    {"loss as wrong as allowed", FORWARD, AT_BOUND, XENT_LOSS, 0, XENT_RANDOM, false, 0, 0},
    {"loss slightly more wrong", FORWARD, BEYOND_BOUND, XENT_LOSS, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"row_loss slightly more wrong", FUSED, BEYOND_BOUND, XENT_ROW_LOSS, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"maximum not exact", FORWARD, BEYOND_BOUND, XENT_ROW_STATS, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"ignored row not exactly 0", FUSED, TINY_FOR_ZERO, XENT_GRAD, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"reads past the row", FORWARD, READS_PADDING, XENT_ROW_LOSS, ON(CLASS), XENT_RANDOM, false, 0, 0},
    {"0 * NaN in an ignored row", FUSED, READS_IGNORED, XENT_GRAD, ON(CLASS), XENT_IGNORED_NAN, false, 0, 0},
    {"not repeatable", FUSED, SECOND_RUN, XENT_GRAD, ON(REPEAT), XENT_RANDOM, false, 0, 0},
    {"loss not repeatable", FORWARD, SECOND_RUN, XENT_LOSS, ON(REPEAT), XENT_RANDOM, false, 0, 0},
    {"fused row_loss isn't forward's", FUSED, ONE_ULP, XENT_ROW_LOSS, ON(AGREE), XENT_RANDOM, false, 0, 0},
    {"fused loss isn't forward's", FORWARD, ONE_ULP, XENT_LOSS, ON(AGREE), XENT_RANDOM, true, 0, 0},
    {"nothing wrong, bf16", FUSED, NONE, XENT_GRAD, 0, XENT_RANDOM, false, CLLOSS_BF16, 0},
    {"nothing wrong, f16, class axis in the middle", FUSED, NONE, XENT_GRAD, 0, XENT_MIXED, false, CLLOSS_F16,
     5},
    {"nothing wrong, f64", FUSED, NONE, XENT_GRAD, 0, XENT_RANDOM, false, CLLOSS_F64, 0},
    {"bf16 as wrong as allowed", FUSED, AT_BOUND, XENT_GRAD, 0, XENT_RANDOM, false, CLLOSS_BF16, 0},
    {"bf16 slightly more wrong", FUSED, BEYOND_BOUND, XENT_GRAD, ON(BOUND), XENT_RANDOM, false, CLLOSS_BF16,
     0},
    {"f16 slightly more wrong", FUSED, BEYOND_BOUND, XENT_GRAD, ON(BOUND), XENT_RANDOM, false, CLLOSS_F16, 0},
    {"f64 slightly more wrong", FUSED, BEYOND_BOUND, XENT_GRAD, ON(BOUND), XENT_RANDOM, false, CLLOSS_F64, 0},
    {"an element of bf16 unwritten", FUSED, SKIPS, XENT_GRAD, ON(UNWRITTEN), XENT_RANDOM, false, CLLOSS_BF16,
     0},
    {"writes between the images", FUSED, BETWEEN, XENT_GRAD, ON(PADDING), XENT_RANDOM, false, CLLOSS_F32, 5},
    {"writes after the last image", FUSED, AFTER, XENT_GRAD, ON(GUARD), XENT_RANDOM, false, CLLOSS_F16, 5},
    {"a class further", FORWARD, ONE_MORE, XENT_PREDICTED, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"a row more counted", FORWARD, ONE_MORE, XENT_COUNTS, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"a hit more counted", FUSED, ONE_MORE, XENT_COUNTS, ON(BOUND), XENT_BAD_TARGET, false, 0, 5},
    {"entropy slightly more wrong", FORWARD, BEYOND_BOUND, XENT_ENTROPY, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"metrics slightly more wrong", FORWARD, BEYOND_BOUND, XENT_METRICS, ON(BOUND), XENT_RANDOM, false, 0, 0},
    {"confidence unwritten", FORWARD, SKIPS, XENT_CONFIDENCE, ON(UNWRITTEN), XENT_RANDOM, false, 0, 0},
};

/* The defect at work, how often each pass has been called, and the reference of the last one. */
static const struct defect *at_work;
static int calls[3];
static const harness_data *reference_data;

static clloss_status noted_reference(const harness_case *c, const void *shape, harness_data *d) {
  reference_data = d;
  return xent_fused_case.reference(c, shape, d);
}

/* ---- the buffers on the host ---- */

typedef struct image {
  unsigned char *bytes;
  size_t size;
} image;

typedef struct device_state {
  const xent_shape *shape;
  const clloss_view *views;
  image images[HARNESS_ARRAYS]; /* in place: grad's is the logits' */
  clloss_plan plan;
} device_state;

static cl_int read_all(device_state *s, cl_command_queue queue) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    image *m = &s->images[i];
    if (!s->views[i].mem) continue;
    if (i == XENT_GRAD && s->shape->in_place) {
      *m = s->images[XENT_LOGITS];
      continue;
    }
    cl_int error = clGetMemObjectInfo(s->views[i].mem, CL_MEM_SIZE, sizeof m->size, &m->size, NULL);
    if (error == CL_SUCCESS && !(m->bytes = malloc(m->size))) error = CL_OUT_OF_HOST_MEMORY;
    if (error == CL_SUCCESS)
      error = clEnqueueReadBuffer(queue, s->views[i].mem, CL_TRUE, 0, m->size, m->bytes, 0, NULL, NULL);
    if (error != CL_SUCCESS) return error;
  }
  return CL_SUCCESS;
}

static cl_int write_all(const device_state *s, cl_command_queue queue) {
  cl_int error = CL_SUCCESS;
  for (int i = 0; i < HARNESS_ARRAYS && error == CL_SUCCESS; i++)
    if (s->images[i].bytes)
      error = clEnqueueWriteBuffer(queue, s->views[i].mem, CL_TRUE, 0, s->images[i].size, s->images[i].bytes,
                                   0, NULL, NULL);
  return error;
}

static void free_images(device_state *s) {
  if (s->shape->in_place) s->images[XENT_GRAD].bytes = NULL;
  for (int i = 0; i < HARNESS_ARRAYS; i++) free(s->images[i].bytes);
}

static size_t columns_of(const xent_shape *s, int array) {
  switch (array) {
  case XENT_LOGITS:
  case XENT_GRAD: return s->classes;
  case XENT_ROW_STATS: return 2;
  case XENT_METRICS: return CLLOSS_METRICS;
  case XENT_COUNTS: return CLLOSS_COUNTS;
  default: return 1;
  }
}

static size_t rows_of(const xent_shape *s, int array) {
  return array == XENT_LOSS || array == XENT_METRICS || array == XENT_COUNTS ? 1 : s->rows;
}

/* Element number `at` from the array's first one, in its buffer. */
static unsigned char *element(const device_state *s, int array, ptrdiff_t at) {
  const ptrdiff_t size = (ptrdiff_t)harness_bytes(s->views[array].dtype);
  return s->images[array].bytes + ((ptrdiff_t)s->views[array].offset + at) * size;
}

static ptrdiff_t at_of(const device_state *s, int array, size_t row, size_t column) {
  const clloss_view *v = &s->views[array];
  const size_t middle = s->shape->inner ? s->shape->inner : 1, columns = columns_of(s->shape, array);
  const size_t inner = array == XENT_LOGITS || array == XENT_GRAD ? middle : 1;
  const size_t step = v->class_stride ? v->class_stride : inner;
  const size_t pitch = v->row_stride ? v->row_stride : (columns - 1) * step + inner;
  return (ptrdiff_t)(row / inner * pitch + row % inner + column * step);
}

static double get(const device_state *s, int array, size_t row, size_t column) {
  return harness_get(s->views[array].dtype, element(s, array, at_of(s, array, row, column)), 0);
}

static void put(const device_state *s, int array, size_t row, size_t column, double value) {
  harness_put(s->views[array].dtype, element(s, array, at_of(s, array, row, column)), 0, value);
}

/* ---- right ---- */

/* plain holds what the f32 reference makes of the same inputs. */
static void write_outputs(const device_state *s, const struct defect *d) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const double *from = reference_data->plain[i];
    const size_t columns = columns_of(s->shape, i);
    for (size_t k = 0; from && k < rows_of(s->shape, i) * columns; k++) {
      const bool skipped = i == d->array && (d->damage == SKIPS_ALL || (d->damage == SKIPS && k == 0));
      if (!skipped) put(s, i, k / columns, k % columns, from[k]);
    }
  }
}

/* ---- wrong ---- */

static bool is_ignored(const device_state *s, size_t row) {
  return xent_target(s->shape, reference_data->data[XENT_TARGETS], row) == s->shape->options.ignore_index;
}

/* Whether the element is one that this damage is meant for. */
static bool fits(const device_state *s, const struct defect *d, size_t row, size_t c) {
  const double truth = reference_data->truth[d->array][row * columns_of(s->shape, d->array) + c];
  switch (d->damage) {
  case FINITE_FOR_NAN: return isnan(truth);
  case FINITE_FOR_INF:
  case WRONG_SIGN: return truth == (double)INFINITY;
  case TINY_FOR_ZERO:
  case READS_IGNORED: return is_ignored(s, row);
  default: return isfinite(truth) && truth != 0;
  }
}

static bool find(const device_state *s, const struct defect *d, size_t *row, size_t *column) {
  for (size_t r = 0; r < rows_of(s->shape, d->array); r++)
    for (size_t c = 0; c < columns_of(s->shape, d->array); c++)
      if (fits(s, d, r, c)) {
        *row = r;
        *column = c;
        return true;
      }
  return false;
}

/* The next number of the type towards +inf, or -inf. */
static double next(uint32_t dtype, double x, double towards) {
  if (dtype == CLLOSS_F64) return nextafter(x, towards);
  if (dtype == CLLOSS_F32) return (double)nextafterf((float)x, (float)towards);
  /* past the middle to the next one, whose distance below a power of two is half of what it is above */
  double wanted = x, step = harness_half_ulp(dtype, x) / 2;
  for (int k = 1; wanted == x; k++) {
    double stored;
    harness_put(dtype, &stored, 0, towards > x ? x + k * step : x - k * step);
    wanted = harness_get(dtype, &stored, 0);
  }
  return wanted;
}

/* The last number above the truth whose error is allowed, by the rule of harness.h; or the next one. */
static double at_bound(const device_state *s, const harness_case *c, const struct defect *d, size_t row,
                       size_t column, bool beyond) {
  const uint32_t dtype = s->views[d->array].dtype;
  const size_t n = columns_of(s->shape, d->array);
  const double *truth = reference_data->truth[d->array] + row * n, exact = truth[column];
  double *bounds = malloc(n * sizeof *bounds), plain = 0, stored;
  if (!bounds) return (double)NAN;
  c->bound(c, s->shape, &s->plan, reference_data, d->array, row, bounds);
  for (size_t i = 0; i < n; i++)
    plain = fmax(plain, fabs(reference_data->plain[d->array][row * n + i] - truth[i]));
  const double before = plain + bounds[column];
  const double allowed = before + harness_half_ulp(dtype, fabs(exact) + before);
  free(bounds);
  harness_put(dtype, &stored, 0, exact + allowed);
  double value = harness_get(dtype, &stored, 0);
  while (fabs(value - exact) <= allowed) value = next(dtype, value, (double)INFINITY);
  while (fabs(value - exact) > allowed) value = next(dtype, value, -(double)INFINITY);
  return beyond ? next(dtype, value, (double)INFINITY) : value;
}

static void write_outside(const device_state *s, const struct defect *d) {
  const size_t rows = rows_of(s->shape, d->array), columns = columns_of(s->shape, d->array);
  const size_t inner = s->shape->inner ? s->shape->inner : 1;
  const ptrdiff_t at = d->damage == BEFORE    ? -1
                       : d->damage == BETWEEN ? at_of(s, d->array, inner - 1, columns - 1) + 1
                                              : at_of(s, d->array, rows - 1, columns - 1) + 1;
  harness_put(s->views[d->array].dtype, element(s, d->array, at), 0, 0.5);
}

/* False where the data has no element to spoil. */
static bool spoil(const device_state *s, const harness_case *c, const struct defect *d, int run) {
  size_t row = 0, column = 0;
  if (!find(s, d, &row, &column)) return false;
  const uint32_t dtype = s->views[d->array].dtype;
  const double value = get(s, d->array, row, column), inf = (double)INFINITY;
  double wrong = value;
  switch (d->damage) {
  case NAN_FOR_FINITE: wrong = (double)NAN; break;
  case INF_FOR_FINITE: wrong = inf; break;
  case FINITE_FOR_NAN: wrong = 0; break;
  case FINITE_FOR_INF: wrong = 3e38; break;
  case WRONG_SIGN: wrong = -inf; break;
  case AT_BOUND: wrong = at_bound(s, c, d, row, column, false); break;
  case BEYOND_BOUND: wrong = at_bound(s, c, d, row, column, true); break;
  case TINY_FOR_ZERO: wrong = 1e-30; break;
  case READS_PADDING: wrong = value + get(s, XENT_LOGITS, row, s->shape->classes); break;
  case READS_IGNORED: wrong = 0 * get(s, XENT_LOGITS, row, column); break;
  case SECOND_RUN: wrong = run == 1 ? next(dtype, value, inf) : value; break;
  case ONE_MORE: wrong = value + 1; break;
  default: wrong = next(dtype, value, inf); break;
  }
  put(s, d->array, row, column, wrong);
  return true;
}

static bool damage_memory(const device_state *s, const harness_case *c, const struct defect *d, int run) {
  switch (d->damage) {
  case NONE:
  case FAILS:
  case NO_EVENT:
  case SKIPS:
  case SKIPS_ALL: return true;
  case BEFORE:
  case AFTER:
  case BETWEEN: write_outside(s, d); return true;
  case CHANGES: element(s, d->array, 0)[0] ^= 1; return true;
  case CHANGES_OUTSIDE: element(s, d->array, -2)[0] ^= 1; return true;
  default: return spoil(s, c, d, run);
  }
}

static clloss_status wrong_call(const harness_case *c, const void *shape, clloss_ctx *ctx,
                                const clloss_view *views, cl_command_queue queue, cl_event *done) {
  const struct defect *d = c->pass == at_work->pass ? at_work : &defects[0];
  const int run = calls[c->pass]++ % 2;
  device_state s = {.shape = shape, .views = views, .plan = {.struct_size = sizeof s.plan}};
  if (d->damage == FAILS) return CL_OUT_OF_RESOURCES;
  clloss_status status = c->plan(c, shape, ctx, &s.plan);
  if (status == CLLOSS_SUCCESS) status = read_all(&s, queue);
  if (status == CLLOSS_SUCCESS) {
    write_outputs(&s, d);
    if (!damage_memory(&s, c, d, run)) {
      fprintf(stderr, "%s: this seed has nothing to spoil\n", d->name);
      status = CLLOSS_OPTION;
    }
  }
  if (status == CLLOSS_SUCCESS) status = write_all(&s, queue);
  free_images(&s);
  if (status == CLLOSS_SUCCESS && d->damage != NO_EVENT)
    status = clEnqueueMarkerWithWaitList(queue, 0, NULL, done);
  return status;
}

/* ---- the verdict ---- */

static harness_case with_defect(const harness_case *c) {
  harness_case wrong = *c;
  wrong.call = wrong_call;
  wrong.reference = noted_reference;
  return wrong;
}

static unsigned fired(const harness_result *result) {
  unsigned set = 0;
  for (int i = 0; i < HARNESS_CHECKS; i++)
    if (result->count[i]) set |= 1u << i;
  return set;
}

static bool as_meant(const struct defect *d, const harness_result *result) {
  if (fired(result) == d->fires) return true;
  fprintf(stderr, "FAILED %s:", d->name);
  for (harness_check_kind i = 0; i < HARNESS_CHECKS; i++) {
    const bool meant = d->fires >> i & 1;
    if (meant != (result->count[i] > 0))
      fprintf(stderr, " %s %s;", harness_check_name(i), meant ? "stays silent" : result->first[i]);
  }
  fprintf(stderr, "\n");
  return false;
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  const harness_case forward = with_defect(&xent_forward_case), backward = with_defect(&xent_backward_case),
                     fused = with_defect(&xent_fused_case);
  const harness_case *const cases[] = {&forward, &backward, &fused};
  const harness_passes passes = {&forward, &backward, &fused};
  static const harness_plan plan = {0};
  unsigned seen = 0;
  for (size_t i = 0; i < sizeof defects / sizeof *defects; i++) {
    const struct defect *d = at_work = &defects[i];
    const xent_shape shape = {
        .rows = 60,
        .classes = 21,
        .inner = d->inner,
        .dtype = d->dtype,
        .with = XENT_WITH_METRICS | XENT_WITH_COUNTS | XENT_WITH_PREDICTED | XENT_WITH_CONFIDENCE |
                XENT_WITH_ENTROPY,
        .options = {.reduction = CLLOSS_SUM, .flags = CLLOSS_IGNORE_INDEX, .ignore_index = -100},
        .fill = d->fill,
        .upstream = XENT_UPSTREAM_ONE,
        .in_place = d->in_place,
        .offset = 5,
        .pad = 3,
        .row_pad = 2};
    clloss_ctx *ctx = harness_ctx(&h, 0, &plan);
    uint64_t seed;
    harness_result result = {0};
    if (!harness_next(&h, &seed) || !ctx) continue;
    memset(calls, 0, sizeof calls);
    if (d->damage == NONE || d->damage == ONE_ULP)
      harness_check_passes(&h.devices[0], ctx, &passes, &shape, seed, &result);
    else
      harness_check(&h.devices[0], ctx, cases[d->pass], &shape, seed, NULL, NULL, &result);
    seen |= fired(&result);
    if (as_meant(d, &result)) continue;
    h.failed++;
    fprintf(stderr, "  again: %s --seed %llu --only %zu\n", h.program, (unsigned long long)h.seed,
            h.point - 1);
  }
  for (harness_check_kind i = 0; i < HARNESS_CHECKS && h.only == SIZE_MAX; i++)
    if (!(seen >> i & 1)) fprintf(stderr, "FAILED %s never fired\n", harness_check_name(i)), h.failed++;
  return harness_close(&h);
}
