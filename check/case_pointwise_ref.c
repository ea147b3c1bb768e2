/* An elementwise case's inputs, its truth (the scalar reference in f64 on the same rounded inputs), and how far from it a
 * result may be. There is no f32 reference beside it: its sums grow with the elements, the kernels' don't.
 *
 * u is the largest relative error of one rounding: 2^-24 (f64: 2^-53, and all is taken twice, as the truth is no better).
 * In units of u, to first order, products of errors covered by 1 % on top, with e the kind's own error:
 *
 *   element_loss  |w| e + |w l|
 *   loss          Σ (|w| e + |w l|) and CHAIN additions of each, over D; then the division, 5, D itself, and storing, 1.
 *                 CHAIN: 2 · 64 − 1 additions between folds (kernels/pointwise/pointwise.cl), 2 and 4 to join accumulators
 *                 and lanes, 62 to join 1024 items (kernels/team/fold.clh), 2 each for two compensated sums: 199. In
 *                 f64 also the reference's blocks of 256
 *   D             1 where it is a number; Σ w: pieces of 4096 in four accumulators, 66, joined by 6 and 62, three
 *                 compensated sums of 2, and 2 to multiply: 142; Σ |w| / |Σ w| times that
 *   gradient      |f w| e + |f w dl| (w 1, upstream 1, and alpha / D, 1 + 5, times all 1, D) + 2 |beta · old| + 1
 *
 * where f is upstream · alpha / D. What underflows is lost: `lost` times the smallest normal number, times what it is
 * multiplied by; in a gradient that is f w as a whole, whose factors may be of any magnitude. */
#include "case_pointwise.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN = 199, WEIGHT_CHAIN = 142 };

#define FAR 1e100 /* stands for infinity in the kinds' errors, where 0 · FAR is 0 */

static bool is_wide(const pointwise_shape *s) { return pointwise_real(s) == CLLOSS_F64; }
static double unit(const pointwise_shape *s) { return 1.01 * (is_wide(s) ? 2 * 0x1p-53 : 0x1p-24); }
static double least(const pointwise_shape *s) { return is_wide(s) ? 0x1p-1021 : 0x1p-125; }

/* ---- inputs ---- */

static uint32_t dtype_of(const pointwise_shape *s, int array) {
  switch (array) {
  case POINTWISE_INPUT: return pointwise_dtype(s);
  case POINTWISE_TARGET: return pointwise_target_dtype(s);
  case POINTWISE_GRAD: return pointwise_grad_dtype(s);
  case POINTWISE_COUNTS: return CLLOSS_I64;
  default: return pointwise_real(s);
  }
}

static size_t stored(const pointwise_shape *s, enum pointwise_spread spread) {
  const pointwise_strides strides = pointwise_strides_of(s, spread);
  return (strides.row ? s->rows : 1) * (strides.column ? s->classes : 1);
}

static size_t count_of(const pointwise_shape *s, int array) {
  switch (array) {
  case POINTWISE_WEIGHT: return stored(s, s->weight);
  case POINTWISE_POS_WEIGHT: return s->classes;
  case POINTWISE_GRAD_LOSS: return stored(s, s->upstream);
  case POINTWISE_LOSS: return 1;
  case POINTWISE_COUNTS: return CLLOSS_POINTWISE_COUNTS;
  default: return s->rows * s->classes;
  }
}

/* Numbers of both signs; weights mostly not negative, some 0, as those of real calls are. */
static void fill_numbers(const pointwise_shape *s, uint64_t *state, harness_data *d, int array) {
  const int power = array == POINTWISE_WEIGHT      ? s->weight_power
                    : array == POINTWISE_GRAD_LOSS ? s->upstream_power
                                                   : 0;
  for (size_t i = 0; d->data[array] && i < count_of(s, array); i++) {
    /* with a power none so small that it wouldn't be a normal number */
    const double any = (harness_uniform(state) - 0.5) * 4, v = power && fabs(any) < 1e-4 ? -0.75 : any;
    const bool is_weight = array == POINTWISE_WEIGHT || array == POINTWISE_POS_WEIGHT;
    const bool zero = is_weight &&
                      ((array == POINTWISE_WEIGHT && s->zero_weights) || harness_pick(state, 8) == 0);
    harness_put(dtype_of(s, array), d->data[array], i,
                zero ? 0 : ldexp(is_weight && harness_pick(state, 16) ? fabs(v) : v, power));
  }
}

clloss_status pointwise_fill(const pointwise_shape *s, uint64_t seed, harness_data *d) {
  for (size_t i = 0; i < s->rows * s->classes; i++) {
    double x, y;
    pointwise_draw(s, &seed, &x, &y);
    harness_put(pointwise_dtype(s), d->data[POINTWISE_INPUT], i, x);
    harness_put(pointwise_target_dtype(s), d->data[POINTWISE_TARGET], i, y);
  }
  for (int array = POINTWISE_WEIGHT; array <= POINTWISE_GRAD_LOSS; array++) fill_numbers(s, &seed, d, array);
  fill_numbers(s, &seed, d, POINTWISE_GRAD);
  return CLLOSS_SUCCESS;
}

/* ---- truth ---- */

/* Runs the reference in f64 and lays its outputs into `to`. */
static bool reference_of(const pointwise_shape *s, harness_data *d, double *to[HARNESS_ARRAYS]) {
  const uint32_t real = CLLOSS_F64;
  const clloss_pointwise_options *o = &s->options;
  void *of[POINTWISE_WORKSPACE] = {0};
  bool room = true;
  for (int i = 0; i < POINTWISE_WORKSPACE; i++) {
    if (!d->data[i] && !to[i]) continue;
    of[i] = calloc(count_of(s, i) + 1, 8);
    room &= of[i] != NULL;
    for (size_t k = 0; of[i] && d->data[i] && k < count_of(s, i); k++)
      harness_put(real, of[i], k, harness_get(dtype_of(s, i), d->data[i], k));
  }
  const pointwise_strides weight = pointwise_strides_of(s, s->weight),
                          upstream = pointwise_strides_of(s, s->upstream);
  const clloss_ref_pointwise a = {.rows = s->rows,
                                  .classes = s->classes,
                                  .kind = s->kind,
                                  .reduction = o->reduction,
                                  .flags = o->flags,
                                  .input = of[POINTWISE_INPUT],
                                  .target = of[POINTWISE_TARGET],
                                  .weight = of[POINTWISE_WEIGHT],
                                  .weight_row_stride = weight.row,
                                  .weight_class_stride = weight.column,
                                  .pos_weight = of[POINTWISE_POS_WEIGHT],
                                  .delta = o->delta,
                                  .gamma = o->gamma,
                                  .alpha = o->alpha,
                                  .clip = o->clip,
                                  .divisor = o->divisor,
                                  .grad_alpha = o->grad_alpha,
                                  .grad_beta = o->grad_beta,
                                  .grad_loss = of[POINTWISE_GRAD_LOSS],
                                  .grad_loss_row_stride = upstream.row,
                                  .grad_loss_class_stride = upstream.column,
                                  .loss = of[POINTWISE_LOSS],
                                  .element_loss = of[POINTWISE_ELEMENT_LOSS],
                                  .grad = of[POINTWISE_GRAD],
                                  .counts = of[POINTWISE_COUNTS]};
  if (room) clloss_ref_pointwise_f64(&a);
  for (int i = 0; i < POINTWISE_WORKSPACE; i++) {
    for (size_t k = 0; room && to[i] && k < count_of(s, i); k++)
      to[i][k] = harness_get(i == POINTWISE_COUNTS ? CLLOSS_I64 : real, of[i], k);
    free(of[i]);
  }
  return room;
}

/* ---- the bound ---- */

static double value(const pointwise_shape *s, const harness_data *d, int array, size_t i, double otherwise) {
  return d->data[array] ? harness_get(dtype_of(s, array), d->data[array], i) : otherwise;
}

static double spread_value(const pointwise_shape *s, const harness_data *d, int array,
                           enum pointwise_spread how, size_t row, size_t c) {
  const pointwise_strides strides = pointwise_strides_of(s, how);
  return value(s, d, array, row * strides.row + c * strides.column, 1);
}

/* What is noted of the call as a whole: D, its relative error, and of the loss. */
typedef struct note {
  double divisor, divisor_error, loss;
} note;

/* An element's loss and derivative, weighted, and their errors in units of u; all 0 where they aren't finite. */
typedef struct element {
  double loss, loss_error, grad, grad_error, lost, grad_lost;
} element;

static element element_of(const pointwise_shape *s, const harness_data *d, size_t row, size_t c) {
  const size_t i = row * s->classes + c;
  const double weight = spread_value(s, d, POINTWISE_WEIGHT, s->weight, row, c);
  const double pos = value(s, d, POINTWISE_POS_WEIGHT, c, 1);
  const double x = value(s, d, POINTWISE_INPUT, i, 0), y = value(s, d, POINTWISE_TARGET, i, 0);
  double loss = 0, grad = 0;
  const clloss_pointwise_options *o = &s->options;
  clloss_ref_pointwise_f64(&(clloss_ref_pointwise){.rows = 1,
                                                   .classes = 1,
                                                   .kind = s->kind,
                                                   .reduction = CLLOSS_NONE,
                                                   .flags = o->flags & ~(uint32_t)CLLOSS_GRAD_ALPHA,
                                                   .input = &x,
                                                   .target = &y,
                                                   .weight = &weight,
                                                   .pos_weight = &pos,
                                                   .delta = o->delta,
                                                   .gamma = o->gamma,
                                                   .alpha = o->alpha,
                                                   .clip = o->clip,
                                                   .element_loss = &loss,
                                                   .grad = &grad});
  element e = {0};
  if (isnan(y)) return e;
  /* some derivatives don't depend on an x that is NaN */
  const double near = isnan(x) ? 0 : fmax(-FAR, fmin(x, FAR));
  const pointwise_error error = pointwise_error_of(s, near, fmax(-FAR, fmin(y, FAR)), pos);
  const double w = fabs(weight);
  if (isfinite(loss)) e.loss = loss, e.loss_error = w * error.loss + fabs(loss);
  if (isfinite(grad)) e.grad = grad, e.grad_error = w * error.grad + fabs(grad);
  e.lost = error.lost * (1 + w);
  e.grad_lost = error.lost * w;
  return e;
}

static double sum_of_weights(const pointwise_shape *s, const harness_data *d, double *magnitude) {
  double sum = 0;
  *magnitude = 0;
  for (size_t i = 0; i < s->rows * s->classes; i++) {
    const double w = spread_value(s, d, POINTWISE_WEIGHT, s->weight, i / s->classes, i % s->classes);
    sum += w;
    *magnitude += fabs(w);
  }
  return sum;
}

static bool divides_by_weight(const pointwise_shape *s) {
#define BY_WEIGHT(name, number, word, kernel, traits) \
  (s->kind == CLLOSS_##name && ((traits)&CLLOSS_MEAN_BY_WEIGHT)) ||
  const bool kind = CLLOSS_POINTWISE_LIST(BY_WEIGHT) false;
#undef BY_WEIGHT
  return kind && s->weight != POINTWISE_UNBOUND && s->options.reduction == CLLOSS_MEAN &&
         s->options.divisor == 0;
}

static note *note_of(const pointwise_shape *s, const harness_data *d) {
  const double n = (double)s->rows * (double)s->classes,
               chain = is_wide(s) ? fmax(CHAIN, harness_reference_chain(n)) : CHAIN + n * 0x1p-24;
  note *k = calloc(1, sizeof *k);
  if (!k) return NULL;
  const uint32_t reduction = s->options.reduction;
  *k = (note){.divisor = reduction == CLLOSS_MEAN        ? (s->options.divisor != 0 ? s->options.divisor : n)
                         : reduction == CLLOSS_BATCHMEAN ? (double)s->rows
                                                         : 1,
              .divisor_error = 1};
  if (divides_by_weight(s)) {
    double magnitude;
    k->divisor = sum_of_weights(s, d, &magnitude);
    k->divisor_error = (is_wide(s) ? fmax(WEIGHT_CHAIN, harness_reference_chain(n)) : WEIGHT_CHAIN) *
                       magnitude / fabs(k->divisor);
  }
  double error = 0, size = 0, lost = 0;
  for (size_t row = 0; row < s->rows; row++)
    for (size_t c = 0; c < s->classes; c++) {
      const element e = element_of(s, d, row, c);
      error += e.loss_error;
      size += fabs(e.loss);
      lost += e.lost;
    }
  const double total = unit(s) * (error + (chain + 6 + k->divisor_error) * size) + least(s) * lost;
  k->loss = k->divisor == 0 ? 0 : total / fabs(k->divisor) + least(s); /* 0: NaN or inf */
  return k;
}

clloss_status pointwise_reference(const harness_case *c, const void *shape, harness_data *d) {
  (void)c;
  const pointwise_shape *s = shape;
  d->notes = note_of(s, d);
  const bool done = d->notes && reference_of(s, d, d->truth);
  for (int i = 0; done && i < HARNESS_ARRAYS; i++)
    if (d->plain[i]) memcpy(d->plain[i], d->truth[i], count_of(s, i) * sizeof *d->plain[i]);
  return done ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

static double grad_bound(const pointwise_shape *s, const harness_data *d, const element *e, size_t row,
                         size_t c) {
  const clloss_pointwise_options *o = &s->options;
  const note *k = d->notes;
  const double upstream = spread_value(s, d, POINTWISE_GRAD_LOSS, s->upstream, row, c);
  const double alpha = o->flags & CLLOSS_GRAD_ALPHA ? o->grad_alpha : 1;
  const double factor = k->divisor == 0 ? 0 : fabs(upstream * alpha / k->divisor);
  const double old = o->grad_beta != 0
                         ? fabs(o->grad_beta * value(s, d, POINTWISE_GRAD, row * s->classes + c, 0))
                         : 0;
  return unit(s) * (factor * (e->grad_error + (9 + k->divisor_error) * fabs(e->grad)) + 3 * old) +
         least(s) * (1 + factor * e->grad_lost);
}

void pointwise_bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                     int array, size_t row, double *to) {
  (void)c, (void)plan;
  const pointwise_shape *s = shape;
  const note *k = d->notes;
  if (array == POINTWISE_LOSS) to[0] = k->loss;
  if (array == POINTWISE_COUNTS) memset(to, 0, CLLOSS_POINTWISE_COUNTS * sizeof *to);
  if (array != POINTWISE_ELEMENT_LOSS && array != POINTWISE_GRAD) return;
  for (size_t i = 0; i < s->classes; i++) {
    const element e = element_of(s, d, row, i);
    to[i] = array == POINTWISE_GRAD ? grad_bound(s, d, &e, row, i)
                                    : unit(s) * e.loss_error + least(s) * e.lost;
  }
}
