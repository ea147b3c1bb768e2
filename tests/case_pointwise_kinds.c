/* What differs from kind to kind in a test of elementwise losses: where its data come from, and what rounding may cost an
 * element. A kind is a line of the table at the end and the functions that it names.
 *
 * Errors in units of u, to first order, of the kernels' own functions (kernels/math.clh; test_math.c measures them):
 *
 *   exp 4, log1p of its range 4, log 3, a division 5, another operation 1; exp(−|x|) has an exact argument.
 *   σ(|x|) = 1 / (1 + e): 4/2 + 1 and 5, 8; σ(−|x|) = e σ(|x|): 4, 8 and 1, 13. log(1 + e): 4 + 4.
 */
#include "case_pointwise.h"

#include <math.h>

enum { SIGMOID = 13, TAIL = 8 };

/* ---- data ---- */

static double between(uint64_t *state, double low, double high) {
  return low + (high - low) * harness_uniform(state);
}

/* Of both signs, magnitudes from 0.1 to 100. */
static double draw_number(uint64_t *state) { return between(state, -1, 1) * pow(10, between(state, -1, 2)); }

static double draw_probability(uint64_t *state) {
  switch (harness_pick(state, 4)) {
  case 0: return (double)harness_pick(state, 2);
  case 1: return pow(10, between(state, -12, 0));
  default: return harness_uniform(state);
  }
}

static double pick(uint64_t *state, const double *list, size_t n) { return list[harness_pick(state, n)]; }
#define PICK(state, ...) \
  pick(state, (const double[]){__VA_ARGS__}, sizeof(double[]){__VA_ARGS__} / sizeof(double))

static void draw_logit(const pointwise_shape *s, uint64_t *state, double *x, double *y) {
  *x = s->fill == POINTWISE_LIMITS && harness_pick(state, 3) == 0
           ? PICK(state, HUGE_VAL, -HUGE_VAL, 0, 300, -300, 88, -104)
           : draw_number(state);
  *y = draw_probability(state);
}

static void draw_difference(const pointwise_shape *s, uint64_t *state, double *x, double *y) {
  *x = draw_number(state);
  *y = harness_pick(state, 2) ? *x + between(state, -2, 2) : draw_number(state);
  if (s->fill == POINTWISE_LIMITS && harness_pick(state, 3) == 0)
    *x = PICK(state, HUGE_VAL, -HUGE_VAL, *y, *y + 1, *y - 1, 0);
}

/* ---- errors ---- */

/* (1 − y) and p y: 1 each; times what is above 0: 1; their sum with the tail's share: 2; that: 2, TAIL and 1. */
static pointwise_error error_bce_logits(const pointwise_shape *s, double x, double y, double pos) {
  (void)s;
  const double no = fabs(1 - y), yes = fabs(pos * y), e = exp(-fabs(x)), tail = log1p(e);
  const double of_x = (x < 0 ? e : 1) / (1 + e), of_neg = (x < 0 ? 1 : e) / (1 + e);
  return (pointwise_error){.loss = 4 * (no * fmax(x, 0) + yes * fmax(-x, 0)) + (TAIL + 5) * (no + yes) * tail,
                           .grad = (SIGMOID + 3) * (no * of_x + yes * of_neg),
                           .lost = 8 * (1 + no + yes)};
}

/* d: 1; its square: 2 and 1. */
static pointwise_error error_mse(const pointwise_shape *s, double x, double y, double pos) {
  (void)s, (void)pos;
  const double d = fabs(x - y);
  return (pointwise_error){.loss = 3 * d * d, .grad = 2 * d, .lost = 4 * (1 + d)};
}

/* ---- the kinds ---- */

static const struct {
  uint32_t kind;
  void (*draw)(const pointwise_shape *s, uint64_t *state, double *x, double *y);
  pointwise_error (*error)(const pointwise_shape *s, double x, double y, double pos_weight);
} kinds[] = {
    {CLLOSS_BCE_LOGITS, draw_logit, error_bce_logits},
    {CLLOSS_MSE, draw_difference, error_mse},
};

static size_t number_of(uint32_t kind) {
  size_t i = 0;
  while (kinds[i].kind != kind) i++;
  return i;
}

void pointwise_draw(const pointwise_shape *s, uint64_t *state, double *x, double *y) {
  kinds[number_of(s->kind)].draw(s, state, x, y);
  if (s->fill != POINTWISE_NAN || harness_pick(state, 10)) return;
  *(harness_pick(state, 2) ? x : y) = (double)NAN;
}

pointwise_error pointwise_error_of(const pointwise_shape *s, double x, double y, double pos_weight) {
  return kinds[number_of(s->kind)].error(s, x, y, pos_weight);
}
