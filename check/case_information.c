/* Surprisal and entropy as the harness sees them: arrays, data, truth by the scalar reference in f64, call and bound.
 *
 * The bound, in units of u = 2^-24 (f64: 2^-53), to first order and with 1 % on top for the rest; D additions in the longest
 * chain, K times that a sum is carried over to a larger maximum (case_xent_bound.c derives what is of logits):
 *
 *   exp 4, log 3 and below 1 4: |log x| is at least (ln 2) / 2 where the exponent counts, so that nothing cancels
 *   logits: s  R = 4 + h + D + 5 K, h = Σ p |d|, d = x − m;  L  R' + 3 L, where R' = (R − h) min(1, 9 l) + h, l = 1 − p of the
 *           likeliest class;  surprisal  R' + 3 L + |m − x_t| + itself
 *           entropy L + Σ p |d|  R' + 4 L + h2 + (6 + D + 7 K) h + (R + 6) h + itself, h2 = Σ p d²
 *   probabilities: all terms of the entropy H have one sign: (6 + D) H; surprisal 4 of itself
 *   log-probabilities: (6 + D) H; surprisal exact
 *
 * What underflows costs each class the least normal number, times |d| in the entropy of logits. D doesn't
 * grow with the classes (harness_chain), and the f32 reference, whose error does, is no part of the allowance. f64's truth
 * is as inexact: the reference adds blocks of 256, which counts into D, and all is taken twice. */
#include "case_information.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1.01

static uint32_t dtype_of(const information_shape *s) { return s->dtype ? s->dtype : CLLOSS_F32; }
static uint32_t targets_of(const information_shape *s) {
  return s->targets_dtype ? s->targets_dtype : CLLOSS_I32;
}
static bool is_wide(const information_shape *s) { return s->dtype == CLLOSS_F64; }

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  const information_shape *s = shape;
  *text = 0;
  case_say(text, size, "%s %zu x %zu, type %s, targets %s, flags %u, fill %d, without %u", c->name, s->rows,
           s->classes, case_type_name(dtype_of(s)), case_type_name(targets_of(s)), s->flags, (int)s->fill,
           s->without);
  case_say_layout(text, size, &s->layout);
}

/* ---- arrays ---- */

static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  (void)c, (void)ctx;
  const information_shape *s = shape;
  const case_layout *l = &s->layout;
  const uint32_t real = is_wide(s) ? CLLOSS_F64 : CLLOSS_F32;
  a[INFORMATION_INPUT] = case_matrix(l, "input", HARNESS_INPUT, dtype_of(s), 0);
  if (!(s->without & INFORMATION_NO_SURPRISAL)) {
    a[INFORMATION_TARGETS] = case_column(l, "targets", HARNESS_INPUT, targets_of(s), 1);
    a[INFORMATION_SURPRISAL] = case_column(l, "surprisal", HARNESS_OUTPUT, real, 1);
  }
  if (!(s->without & INFORMATION_NO_ENTROPY))
    a[INFORMATION_ENTROPY] = case_column(l, "entropy", HARNESS_OUTPUT, real, 1);
  return CLLOSS_SUCCESS;
}

/* ---- data ---- */

/* An entry of probability e^−away. */
static double entry(const information_shape *s, double away) {
  return s->flags & CLLOSS_FROM_PROBABILITIES ? exp(-away) : -away;
}

static void fill_row(const information_shape *s, double *x, enum information_fill fill, uint64_t *state) {
  static const double magnitudes[] = {0.1, 1, 10, 60};
  const double magnitude = magnitudes[harness_pick(state, 4)], inf = (double)INFINITY;
  const size_t place = harness_pick(state, s->classes);
  const bool whole = s->flags == 0 && harness_pick(state, 3) == 0;
  const case_certain certain = case_draw_certain(s->classes, case_certain_end(is_wide(s)), state);
  const double no_logit[] = {(double)NAN, inf}, no_probability[] = {(double)NAN, -0.125, 1.25, -inf, inf},
               no_log[] = {(double)NAN, 0.125, inf};
  for (size_t c = 0; c < s->classes; c++) {
    x[c] = entry(s, magnitude * harness_uniform(state));
    if (s->flags == 0) x[c] = magnitude * (2 * harness_uniform(state) - 1);
    if (fill == INFORMATION_NEARLY_CERTAIN && s->flags == 0)
      x[c] = c == certain.one || c == certain.other ? certain.height : 2 * harness_uniform(state);
    if (fill == INFORMATION_CERTAIN) x[c] = entry(s, c == place ? 0 : inf);
    if (fill == INFORMATION_MASKED && c != place && harness_pick(state, 2)) x[c] = entry(s, inf);
    if (fill == INFORMATION_BAD_ROW && whole) x[c] = -inf;
  }
  if (fill != INFORMATION_BAD_ROW || whole) return;
  x[place] = s->flags & CLLOSS_FROM_PROBABILITIES       ? no_probability[harness_pick(state, 5)]
             : s->flags & CLLOSS_FROM_LOG_PROBABILITIES ? no_log[harness_pick(state, 3)]
                                                        : no_logit[harness_pick(state, 2)];
}

static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  (void)c;
  const information_shape *s = shape;
  double *x = malloc((s->classes + 1) * sizeof *x);
  for (size_t r = 0; x && r < s->rows; r++) {
    const enum information_fill kind = s->fill == INFORMATION_MIXED
                                           ? (enum information_fill)harness_pick(&seed, INFORMATION_MIXED)
                                           : s->fill;
    fill_row(s, x, kind, &seed);
    for (size_t i = 0; i < s->classes; i++)
      harness_put(dtype_of(s), d->data[INFORMATION_INPUT], r * s->classes + i, x[i]);
    const int64_t label = kind == INFORMATION_BAD_TARGET ? CASE_BAD_LABEL
                                                         : (int64_t)harness_pick(&seed, s->classes);
    if (d->data[INFORMATION_TARGETS])
      case_put_label(targets_of(s), d->data[INFORMATION_TARGETS], r, label, s->classes, &seed);
  }
  free(x);
  return x ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* ---- truth ---- */

static bool reference_of(const information_shape *s, const harness_data *d, double *const to[]) {
  const uint32_t real = CLLOSS_F64;
  const size_t n = s->rows * s->classes;
  double *input = calloc(n + 1, 8), *out = calloc(2 * s->rows + 1, 8);
  int64_t *targets = calloc(s->rows + 1, sizeof *targets);
  const bool room = input && out && targets;
  for (size_t i = 0; room && i < n; i++)
    harness_put(real, input, i, harness_get(dtype_of(s), d->data[INFORMATION_INPUT], i));
  for (size_t r = 0; room && d->data[INFORMATION_TARGETS] && r < s->rows; r++)
    targets[r] = case_label(targets_of(s), d->data[INFORMATION_TARGETS], r);
  const clloss_ref_information a = {.rows = s->rows,
                                    .classes = s->classes,
                                    .flags = s->flags,
                                    .input = input,
                                    .targets = targets,
                                    .surprisal = out,
                                    .entropy = out + s->rows};
  if (room) clloss_ref_information_f64(&a);
  for (size_t r = 0; room && r < s->rows; r++) {
    if (to[INFORMATION_SURPRISAL]) to[INFORMATION_SURPRISAL][r] = harness_get(real, out, r);
    if (to[INFORMATION_ENTROPY]) to[INFORMATION_ENTROPY][r] = harness_get(real, out + s->rows, r);
  }
  free(input), free(out), free(targets);
  return room;
}

static clloss_status reference(const harness_case *c, const void *shape, harness_data *d) {
  (void)c;
  const information_shape *s = shape;
  const bool done = reference_of(s, d, d->truth);
  for (int i = 0; done && i < HARNESS_ARRAYS; i++)
    if (d->plain[i]) memcpy(d->plain[i], d->truth[i], s->rows * sizeof *d->plain[i]);
  return done ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* ---- bound ---- */

/* In u, and what underflow may cost beside it, in least normal numbers. */
static double of_logits(const information_shape *s, case_chain k, const double *x, bool of_entropy,
                        double truth, double *lost) {
  double max = -(double)INFINITY, records = 0, rest = 0, h = 0, h2 = 0;
  size_t where = 0;
  for (size_t c = 0; c < s->classes; c++) {
    if (!(x[c] > max)) continue;
    records += max > -(double)INFINITY;
    max = x[c];
    where = c;
  }
  for (size_t c = 0; c < s->classes; c++) {
    const double away = max - x[c], e = exp(-away);
    if (c != where) rest += e;
    if (isfinite(away)) h += e * away, h2 += e * away * away, *lost += 1 + away;
  }
  h /= 1 + rest, h2 /= 1 + rest;
  const double L = log1p(rest), carries = fmin(records + 1, k.blocks - 1);
  const double R = 4 + h + k.additions + 5 * carries;
  const double of_log = case_rest_error(R - h, h, L);
  if (!of_entropy) return of_log + 3 * L + 2 * fabs(truth); /* |m − x_t| is at most the surprisal */
  return of_log + 4 * L + h2 + (6 + k.additions + 7 * carries) * h + (R + 6) * h + truth;
}

static void bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                  int array, size_t row, double *to) {
  (void)c;
  const information_shape *s = shape;
  const double least = is_wide(s) ? 0x1p-1020 : 0x1p-125, truth = fabs(d->truth[array][row]);
  const case_chain k = case_chain_of(&s->layout, is_wide(s), plan, 2);
  double lost = (double)s->classes,
         units = array == INFORMATION_ENTROPY ? (6 + k.additions) * truth : 4 * truth;
  if (s->flags == 0) {
    double *x = malloc((s->classes + 1) * sizeof *x);
    for (size_t i = 0; x && i < s->classes; i++)
      x[i] = harness_get(dtype_of(s), d->data[INFORMATION_INPUT], row * s->classes + i);
    units = x ? of_logits(s, k, x, array == INFORMATION_ENTROPY, truth, &lost) : 0;
    free(x);
  }
  to[0] = SECOND * (is_wide(s) ? 2 * 0x1p-53 : 0x1p-24) * units + 128 * lost * least;
}

/* ---- the call ---- */

static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  const information_shape *s = shape;
  const harness_array input = case_matrix(&s->layout, "input", HARNESS_INPUT, dtype_of(s), 0);
  (void)c;
  return case_rows_plan(&s->layout, &input, ctx, plan);
}

static const case_fields fields = {
    [INFORMATION_INPUT] = offsetof(clloss_information, input),
    [INFORMATION_TARGETS] = offsetof(clloss_information, targets),
    [INFORMATION_SURPRISAL] = offsetof(clloss_information, surprisal),
    [INFORMATION_ENTROPY] = offsetof(clloss_information, entropy),
};

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  (void)c;
  const information_shape *s = shape;
  const clloss_information_options o = {.struct_size = sizeof o, .flags = s->flags};
  clloss_information x = {.struct_size = sizeof x, .rows = s->rows, .classes = s->classes, .inner = s->inner};
  case_bind(&x, fields, views);
  return clloss_information_forward(ctx, &x, s->flags ? &o : NULL, queue, 0, NULL, done);
}

const harness_case information_case = CASE("information", 0, reference, bound);
