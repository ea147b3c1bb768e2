/* What differs from kind to kind in a test of elementwise losses: where its data come from, and what rounding may cost an
 * element. A kind is a line of the table at the end and the functions that it names.
 *
 * Errors in units of u, to first order, of the kernels' own functions (kernels/team/math.clh; test_math.c measures them):
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

static void draw_focal(const pointwise_shape *s, uint64_t *state, double *x, double *y) {
  draw_logit(s, state, x, y);
  if (isinf(*x) && *y < 0.01) *y = 0; /* a power that underflows would hide an infinite loss */
  if (s->fill == POINTWISE_FAULTS && harness_pick(state, 3) == 0) *y = PICK(state, -0.125, 1.125, HUGE_VAL);
}

static void draw_probabilities(const pointwise_shape *s, uint64_t *state, double *x, double *y) {
  double *odd = harness_pick(state, 2) ? x : y;
  *x = draw_probability(state);
  *y = draw_probability(state);
  if (harness_pick(state, 3)) return;
  if (s->fill == POINTWISE_LIMITS) *x = PICK(state, 0, 1, 1e-40, 0x1p-24, 1 - 0x1p-24, 1e-300, -0.0);
  if (s->fill == POINTWISE_FAULTS) *odd = PICK(state, -0.125, 1.125, -1e-3, 7, HUGE_VAL, -HUGE_VAL);
}

static void draw_log_probability(const pointwise_shape *s, uint64_t *state, double *x, double *y) {
  const bool is_log = s->options.flags & CLLOSS_LOG_TARGET;
  *x = -fabs(draw_number(state));
  *y = is_log ? between(state, -25, 2) : 2 * draw_probability(state);
  if (harness_pick(state, 3)) return;
  if (s->fill == POINTWISE_LIMITS) {
    *x = PICK(state, 0, -HUGE_VAL, -100);
    *y = is_log ? PICK(state, 0, -HUGE_VAL, -80, 80) : PICK(state, 0, 1, -0.0, 1000);
    /* a target that underflows counts as 0, which shows beside an infinite x */
    if (isfinite(*x) && harness_pick(state, 2)) *y = is_log ? -110 : 1e-40;
  }
  if (s->fill == POINTWISE_FAULTS && !is_log) *y = PICK(state, -0.125, -1e-3, -HUGE_VAL);
}

static void draw_difference(const pointwise_shape *s, uint64_t *state, double *x, double *y) {
  *x = draw_number(state);
  *y = harness_pick(state, 2) ? *x + between(state, -2, 2) : draw_number(state);
  if (s->fill == POINTWISE_LIMITS && harness_pick(state, 3) == 0)
    *x = PICK(state, HUGE_VAL, -HUGE_VAL, *y, *y + 1, *y - 1, 0);
}

/* ---- errors ---- */

/* (1 − y) and p y: 1 each; times |x|: 1; their sum with the tail's share: 2; that: 2, TAIL and 1. The derivative's two terms:
 * 1, times e 5, the difference 1, over 1 + e 3 and 5. */
static pointwise_error error_bce_logits(const pointwise_shape *s, double x, double y, double pos) {
  (void)s;
  const double no = fabs(1 - y), yes = fabs(pos * y), e = exp(-fabs(x)), tail = log1p(e);
  const double of_x = (x < 0 ? e : 1) / (1 + e), of_neg = (x < 0 ? 1 : e) / (1 + e);
  return (pointwise_error){.loss = 4 * (no * fmax(x, 0) + yes * fmax(-x, 0)) + (TAIL + 5) * (no + yes) * tail,
                           .grad = (SIGMOID + 3) * (no * of_x + yes * of_neg),
                           .lost = 8 * (1 + no + yes)};
}

/* A logarithm: 3 of it, and 1 where 1 − x was rounded. y of it: 2; (1 − y): 1 and 2. The derivative: x − y, x (1 − x) 2, the
 * division, and 1. Limits of the logarithms are rounded constants, less than a
 * logarithm is off. An x that is flushed is 2^-126 off, which the derivative may multiply by 1e12. */
static pointwise_error error_bce(const pointwise_shape *s, double x, double y, double pos) {
  const double clip = s->options.clip, most = clip > 0 ? -log(clip) : 100, least = -log1p(-clip),
               rest = 1 - x;
  const double log_x = fmax(least, fmin(most, -log(x))), log_rest = fmax(least, fmin(most, -log1p(-x)));
  (void)pos;
  return (pointwise_error){.loss = 5 * fabs(y * log_x) + fabs(1 - y) * (6 * log_rest + (x > 0.29)),
                           .grad = 9 * fabs(x - y) / fmax(x * rest, 1e-12),
                           .lost = 8e12};
}

/* log t: 3, minus x: 1, times t: 1; with a target that is a logarithm exp(y): 9, and the difference is of exact numbers. */
static pointwise_error error_kl(const pointwise_shape *s, double x, double y, double pos) {
  const bool is_log = s->options.flags & CLLOSS_LOG_TARGET;
  const double t = is_log ? exp(y) : fabs(y), log_t = t == 0 ? 0 : is_log ? y : log(t);
  (void)pos;
  return (pointwise_error){.loss = is_log ? 11 * t * fabs(y - x)
                                          : t * (3 * fabs(log_t) + 2 * fabs(log_t - x)),
                           .grad = is_log ? 9 * t : 0,
                           .lost = 8 * (1 + fabs(x) + fabs(log_t))};
}

/* d: 1; its square: 2 and 1. */
static pointwise_error error_mse(const pointwise_shape *s, double x, double y, double pos) {
  (void)s, (void)pos;
  const double d = fabs(x - y);
  return (pointwise_error){.loss = 3 * d * d, .grad = 2 * d, .lost = 4 * (1 + d)};
}

static double delta_of(const pointwise_shape *s) {
  return s->options.delta == 0 && !(s->options.flags & CLLOSS_SET_DELTA) ? 1 : s->options.delta;
}

/* Near: d 1, d² / (2 β): 2, 1 / β 2, and 2. Far: |d| 1, β / 2 1, the difference 1. The derivative, which is continuous: d 1,
 * 1 / β 2, 1. */
static pointwise_error error_smooth_l1(const pointwise_shape *s, double x, double y, double pos) {
  const double d = fabs(x - y), beta = delta_of(s);
  (void)pos;
  return (pointwise_error){.loss = d < beta ? 6 * d * d / (2 * beta) : 2 * d + beta,
                           .grad = beta > 0 ? 4 * fmin(d / beta, 1) : 0,
                           .lost = 4 * (1 + d) * (beta > 0 ? 1 + 1 / beta : 1)};
}

/* Near: d 1, its square 2 and 1. Far: d 1, δ / 2 1, their difference 1, δ 1, the product 1. The derivative: 1 of d or δ. */
static pointwise_error error_huber(const pointwise_shape *s, double x, double y, double pos) {
  const double d = fabs(x - y), delta = delta_of(s);
  (void)pos;
  return (pointwise_error){.loss = d < delta ? 2 * d * d : delta * (4 * d + 2 * delta),
                           .grad = 2 * fmin(d, delta),
                           .lost = 4 * (1 + d) * (1 + delta)};
}

/* q: SIGMOID and 3; its logarithm 3 of it, times γ 2, to the power of e 4: P. α_t: 4. The derivative's q' / q: 2 SIGMOID and
 * 2, q, a division, 2. */
static pointwise_error error_focal(const pointwise_shape *s, double x, double y, double pos) {
  const clloss_pointwise_options *o = &s->options;
  const double gamma = o->gamma == 0 && !(o->flags & CLLOSS_SET_GAMMA) ? 2 : o->gamma;
  const double alpha = o->alpha == 0 && !(o->flags & CLLOSS_SET_ALPHA) ? 0.25 : o->alpha;
  const double balance = alpha < 0 ? 1 : alpha * y + (1 - alpha) * (1 - y), e = exp(-fabs(x));
  const double of_x = (x < 0 ? e : 1) / (1 + e), of_neg = (x < 0 ? 1 : e) / (1 + e);
  const double q = (1 - y) * of_x + y * of_neg, power = gamma == 0 || q == 0 ? gamma == 0 : pow(q, gamma);
  const double power_error = gamma == 0 || q == 0 ? 0 : 4 + gamma * (5 * fabs(log(q)) + SIGMOID + 3);
  const double b = (1 - y) * fmax(x, 0) + y * fmax(-x, 0) + log1p(e);
  const double steep = q == 0 ? 0 : fabs(1 - 2 * y) * of_x * of_neg / q;
  const pointwise_error bce = error_bce_logits(s, x, y, 1);
  const double first = gamma * steep * b, size = first + q;
  const double inner = (3 * SIGMOID + 15) * first + gamma * steep * bce.loss + bce.grad + size;
  (void)pos;
  return (pointwise_error){.loss = balance * power * (bce.loss + (power_error + 8) * b),
                           .grad = balance * power * (inner + (power_error + 8) * size),
                           .lost = 16 * (1 + gamma) * (1 + fmin(fabs(x), 1e6))};
}

/* ---- the kinds ---- */

/* clang-format off */
static const struct {
  uint32_t kind;
  void (*draw)(const pointwise_shape *s, uint64_t *state, double *x, double *y);
  pointwise_error (*error)(const pointwise_shape *s, double x, double y, double pos_weight);
} kinds[] = {
    {CLLOSS_BCE_LOGITS, draw_logit, error_bce_logits},
    {CLLOSS_BCE, draw_probabilities, error_bce},
    {CLLOSS_KL, draw_log_probability, error_kl},
    {CLLOSS_MSE, draw_difference, error_mse},
    {CLLOSS_SMOOTH_L1, draw_difference, error_smooth_l1},
    {CLLOSS_HUBER, draw_difference, error_huber},
    {CLLOSS_FOCAL, draw_focal, error_focal},
};
/* clang-format on */

#define ONE(name, value, word, kernel, traits) +1
_Static_assert(sizeof kinds / sizeof *kinds == CLLOSS_POINTWISE_LIST(ONE), "each kind has a line above");
#undef ONE

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
