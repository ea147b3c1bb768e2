/* Softmax and log-softmax as the harness sees them: arrays, data, truth by the scalar reference in f64, call and bound.
 *
 * The bound, in units of u = 2^-24 (f64: 2^-53), to first order and with 1 % on top for the rest; D roundings in the longest
 * chain of a sum over classes, whose blocks are carried over to larger maxima, 8 each; exp 4, log 3, a quotient 5
 * (case_xent_bound.c); d = |z − m| from rounding the difference, and |z| + |m| where scale rounds z, together r. A row's sum
 * inherits S = Σ p r relatively:
 *
 *   softmax   y (D + S + 16 + r)                       log-softmax   (D + 16) min(1, 9 l) + S + r + 4 log s + |y|
 *   backward  |scale| y (D Σ|dy y| + 4 |dy − Σ|)       log           |scale| (e (D Σ|dy| + 9 |Σ|) + 2 |dy − e Σ|), e = exp y
 *
 * where l is what the likeliest class lacks of 1 (case_xent_bound.c), whose r is 0; and what underflows: the result, and of
 * the sum the terms that do. In f64 the truth is as inexact: its blocks count into D, and all is taken twice. */
#include "case_softmax.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { FORWARD, BACKWARD };

static uint32_t read_of(const softmax_shape *s) { return s->read ? s->read : CLLOSS_F32; }
static uint32_t write_of(const softmax_shape *s) { return s->write ? s->write : read_of(s); }
static bool is_wide(const softmax_shape *s) { return s->read == CLLOSS_F64; }

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  const softmax_shape *s = shape;
  *text = 0;
  case_say(text, size, "%s%s %zu x %zu, types %s to %s, fill %d, scale %.9g%s", s->is_log ? "log-" : "",
           c->name, s->rows, s->classes, case_type_name(read_of(s)), case_type_name(write_of(s)),
           (int)s->fill, s->scale, s->in_place ? ", in place" : "");
  case_say_layout(text, size, &s->layout);
}

/* ---- arrays ---- */

/* No two of them have one layout, but in place. */
static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const softmax_shape *s = shape;
  const bool back = c->pass == BACKWARD;
  const int to = back ? SOFTMAX_GRAD_INPUT : SOFTMAX_OUTPUT, in = back ? SOFTMAX_GRAD_OUTPUT : SOFTMAX_INPUT;
  (void)ctx;
  if (back) a[SOFTMAX_OUTPUT] = case_matrix(&s->layout, "output", HARNESS_INPUT, read_of(s), 1);
  a[in] = case_matrix(&s->layout, back ? "grad_output" : "input", HARNESS_INPUT, read_of(s), 0);
  a[to] = case_matrix(&s->layout, back ? "grad_input" : "output", HARNESS_OUTPUT, write_of(s),
                      s->in_place ? 0 : 2);
  if (s->in_place) a[to].in_place = &a[in];
  return CLLOSS_SUCCESS;
}

/* ---- data ---- */

static void fill_row(const softmax_shape *s, double *x, enum softmax_fill fill, uint64_t *state) {
  static const double magnitudes[] = {0.1, 1, 10, 75};
  const double magnitude = magnitudes[harness_pick(state, 4)], inf = (double)INFINITY;
  const size_t place = harness_pick(state, s->classes), bad = harness_pick(state, 3);
  const case_certain certain = case_draw_certain(s->classes, case_certain_end(is_wide(s)), state);
  for (size_t c = 0; c < s->classes; c++) {
    x[c] = magnitude * (2 * harness_uniform(state) - 1);
    if (fill == SOFTMAX_RISING) x[c] = (double)c / (double)s->classes * 40 + x[c] / magnitude / 2;
    if (fill == SOFTMAX_CERTAIN)
      x[c] = c == certain.one || c == certain.other ? certain.height : 2 * harness_uniform(state);
    if (fill == SOFTMAX_MASKED && c != place && harness_pick(state, 2)) x[c] = -inf;
    if (fill == SOFTMAX_MASK_MOST && c != place && harness_pick(state, 10)) x[c] = -inf;
    if (fill == SOFTMAX_MASK_LEADING && c + 1 + s->classes / 8 < s->classes) x[c] = -inf;
    if (fill == SOFTMAX_BAD && bad == 2) x[c] = -inf;
  }
  if (fill == SOFTMAX_BAD && bad < 2) x[place] = bad ? inf : (double)NAN;
}

static clloss_ref_softmax reference_of(const softmax_shape *s, double *input, double *output) {
  return (clloss_ref_softmax){.rows = s->rows,
                              .classes = s->classes,
                              .flags = s->is_log ? CLLOSS_LOG_SOFTMAX : 0,
                              .scale = s->scale,
                              .input = input,
                              .output = output};
}

static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  const softmax_shape *s = shape;
  const size_t n = s->rows * s->classes;
  const bool back = c->pass == BACKWARD;
  double *x = malloc((n + 1) * sizeof *x);
  for (size_t r = 0; x && r < s->rows; r++) {
    const enum softmax_fill kind = s->fill == SOFTMAX_MIXED
                                       ? (enum softmax_fill)harness_pick(&seed, SOFTMAX_MIXED)
                                       : s->fill;
    fill_row(s, x + r * s->classes, kind, &seed);
  }
  const clloss_ref_softmax ref = reference_of(s, x, x);
  if (x && back) clloss_ref_softmax_forward_f64(&ref);
  for (size_t i = 0; x && i < n; i++) {
    harness_put(read_of(s), d->data[back ? SOFTMAX_OUTPUT : SOFTMAX_INPUT], i, x[i]);
    if (back) harness_put(read_of(s), d->data[SOFTMAX_GRAD_OUTPUT], i, harness_uniform(&seed) * 4 - 2.5);
  }
  free(x);
  return x ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

static clloss_status reference(const harness_case *c, const void *shape, harness_data *d) {
  const softmax_shape *s = shape;
  const size_t n = s->rows * s->classes;
  const bool back = c->pass == BACKWARD;
  const int to = back ? SOFTMAX_GRAD_INPUT : SOFTMAX_OUTPUT;
  double *x = malloc((n + 1) * sizeof *x), *dy = malloc((n + 1) * sizeof *dy);
  clloss_ref_softmax ref = reference_of(s, x, d->truth[to]);
  for (size_t i = 0; x && dy && i < n; i++) {
    x[i] = harness_get(read_of(s), d->data[back ? SOFTMAX_OUTPUT : SOFTMAX_INPUT], i);
    if (back) dy[i] = harness_get(read_of(s), d->data[SOFTMAX_GRAD_OUTPUT], i);
  }
  if (back) ref.output = x, ref.grad_output = dy, ref.grad_input = d->truth[to];
  if (x && dy) (back ? clloss_ref_softmax_backward_f64 : clloss_ref_softmax_forward_f64)(&ref);
  memcpy(d->plain[to], d->truth[to], n * sizeof(double));
  free(x), free(dy);
  return x && dy ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* ---- bound ---- */

/* Vectors of 16 and 4 by four, beyond 64 vectors 64 at a time; and how often those of a lane's block are put together. */
static double chain_of(const softmax_shape *s, const clloss_plan *plan) {
  const double n = (double)s->classes, block = fmax(2048, 64 * ceil(ceil(n / 64) / 64)),
               items = plan->local_size;
  const double of_truth = is_wide(s) ? harness_reference_chain(n) : 0, carries = 8 * ceil(n / block);
  const double by_vector = ceil(fmin(n, block) / 16), by_item = ceil(n / 4 / items);
  double d = fmin(harness_chain(by_item) + 5, ceil(by_item / 4) + 8) + case_fold_chain(items);
  if (strstr(plan->variant, "_held") || strstr(plan->variant, "_long"))
    d = fmax(d, case_chain_of(&s->layout, false, plan, 3).additions +
                    case_chain_of(&s->layout, false, plan, 3).blocks);
  if (strstr(plan->variant, "_rows") || strstr(plan->variant, "_tile"))
    d = harness_chain(n);
  else if (strncmp(plan->variant, "lane", 4) == 0)
    d = fmin(harness_chain(by_vector) + 7, ceil(by_vector / 4) + 9) + carries;
  return fmax(d, of_truth);
}

/* Whatever is smaller may count as 0: the least normal number, and what roundings may do to it. */
static double least(const softmax_shape *s) { return is_wide(s) ? 0x1p-1020 : 0x1p-124; }

/* u and 1 % for what isn't to first order. */
static double unit(const softmax_shape *s) { return 1.01 * (is_wide(s) ? 2 * 0x1p-53 : 0x1p-24); }

static double z_of(const softmax_shape *s, double x) { return s->scale == 0 || isinf(x) ? x : s->scale * x; }

static double rounding_of_z(const softmax_shape *s, double z, double max) {
  return z == max ? 0 : fabs(z - max) + (s->scale == 0 ? 0 : fabs(z) + fabs(max));
}

static void forward_bound(const softmax_shape *s, double D, const double *x, const double *y, double *to) {
  double max = -(double)INFINITY, rest = 0, inherited = 0, flushed = 0;
  size_t where = 0;
  for (size_t c = 0; c < s->classes; c++)
    if (z_of(s, x[c]) > max) max = z_of(s, x[c]), where = c;
  for (size_t c = 0; c < s->classes; c++) {
    const double z = z_of(s, x[c]), e = exp(z - max);
    if (c != where) rest += e;
    if (e > 0) inherited += e * rounding_of_z(s, z, max);
    if (e < least(s)) flushed += e;
  }
  inherited /= 1 + rest;
  const double L = log1p(rest), of_log = case_rest_error(D + 16, inherited, L) + 4 * L;
  for (size_t c = 0; c < s->classes; c++) {
    const double z = z_of(s, x[c]), own = isinf(z) ? 0 : rounding_of_z(s, z, max);
    const double units = s->is_log ? of_log + own + fabs(y[c]) : y[c] * (D + inherited + 16 + own);
    to[c] = units * unit(s) + least(s) + flushed;
  }
}

static void backward_bound(const softmax_shape *s, double D, const double *y, const double *dy, double *to) {
  const double scale = s->scale == 0 ? 1 : fabs(s->scale);
  double sum = 0, magnitude = 0, flushed = 0;
  for (size_t c = 0; c < s->classes; c++) {
    const double term = s->is_log ? dy[c] : dy[c] * y[c];
    sum += term;
    magnitude += fabs(term);
    if (fabs(term) < least(s) || (!s->is_log && y[c] < least(s))) flushed += fabs(term);
  }
  for (size_t c = 0; c < s->classes; c++) {
    const double e = s->is_log ? exp(y[c]) : y[c];
    const double units = s->is_log ? e * (D * magnitude + 9 * fabs(sum)) + 2 * fabs(dy[c] - e * sum)
                                   : e * (D * magnitude + 4 * fabs(dy[c] - sum));
    /* y or exp y may count as 0, and terms of the sum */
    to[c] = scale * (units * unit(s) + least(s) * (fabs(dy[c]) + magnitude) + e * flushed) + least(s);
  }
}

static void bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                  int array, size_t row, double *to) {
  const softmax_shape *s = shape;
  const double D = chain_of(s, plan);
  const size_t n = s->classes;
  double *x = malloc(2 * (n + 1) * sizeof *x), *y = x + n;
  if (!x) abort();
  for (size_t i = 0; i < n; i++) {
    const int of_x = c->pass == BACKWARD ? SOFTMAX_OUTPUT : SOFTMAX_INPUT;
    x[i] = harness_get(read_of(s), d->data[of_x], row * n + i);
    y[i] = c->pass == BACKWARD ? harness_get(read_of(s), d->data[SOFTMAX_GRAD_OUTPUT], row * n + i)
                               : d->truth[array][row * n + i];
  }
  if (c->pass == BACKWARD)
    backward_bound(s, D, x, y, to);
  else
    forward_bound(s, D, x, y, to);
  free(x);
}

/* ---- the call ---- */

static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  const softmax_shape *s = shape;
  const harness_array read = case_matrix(&s->layout, "read", HARNESS_INPUT, read_of(s), c->pass == BACKWARD);
  return case_rows_plan(&s->layout, &read, ctx, plan);
}

static const case_fields fields = {
    [SOFTMAX_INPUT] = offsetof(clloss_softmax, input),
    [SOFTMAX_OUTPUT] = offsetof(clloss_softmax, output),
    [SOFTMAX_GRAD_OUTPUT] = offsetof(clloss_softmax, grad_output),
    [SOFTMAX_GRAD_INPUT] = offsetof(clloss_softmax, grad_input),
};

/* Options that are all defaults are passed as NULL in turn with a struct that says so. */
static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  const softmax_shape *s = shape;
  const clloss_softmax_options o = {
      .struct_size = sizeof o, .flags = s->is_log ? CLLOSS_LOG_SOFTMAX : 0, .scale = s->scale};
  const clloss_softmax_options *given = s->is_log || s->scale != 0 || s->rows % 2 ? &o : NULL;
  clloss_softmax x = {.struct_size = sizeof x, .rows = s->rows, .classes = s->classes, .inner = s->inner};
  case_bind(&x, fields, views);
  return c->pass == BACKWARD ? clloss_softmax_backward(ctx, &x, given, queue, 0, NULL, done)
                             : clloss_softmax_forward(ctx, &x, given, queue, 0, NULL, done);
}

const harness_case softmax_forward_case = CASE("softmax_forward", FORWARD, reference, bound);
const harness_case softmax_backward_case = CASE("softmax_backward", BACKWARD, reference, bound);
