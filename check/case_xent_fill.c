/* What stands in the rows of a softmax cross-entropy case. */
#include <math.h>
#include <stdlib.h>

#include "case_xent.h"

static const char *const names[XENT_FILLS] = {
    [XENT_RANDOM] = "random",
    [XENT_HUGE] = "huge",
    [XENT_EQUAL] = "equal",
    [XENT_SIXTEENTHS] = "sixteenths",
    [XENT_SIXTEENTHS_1E6] = "sixteenths + 1e6",
    [XENT_RISING] = "rising",
    [XENT_CERTAIN] = "nearly certain",
    [XENT_MASK_LEADING] = "leading classes masked",
    [XENT_MASK_TRAILING] = "trailing classes masked",
    [XENT_MASK_OTHERS] = "all but the target masked",
    [XENT_MASK_TARGET] = "target masked",
    [XENT_MASK_ROW] = "everything masked",
    [XENT_NAN] = "a NaN",
    [XENT_POSITIVE_INF] = "a +inf",
    [XENT_BAD_TARGET] = "bad targets",
    [XENT_IGNORED_NAN] = "NaN in ignored rows",
    [XENT_ALL_IGNORED] = "all ignored",
    [XENT_MIXED] = "mixed",
};

const char *xent_fill_name(enum xent_fill fill) { return names[fill]; }

uint32_t xent_dtype(const xent_shape *s) { return s->dtype ? s->dtype : CLLOSS_F32; }
uint32_t xent_grad_dtype(const xent_shape *s) { return s->grad_dtype ? s->grad_dtype : xent_dtype(s); }
uint32_t xent_targets_dtype(const xent_shape *s) { return s->targets_dtype ? s->targets_dtype : CLLOSS_I32; }

bool xent_has_probabilities(const xent_shape *s) {
  return case_is_real(xent_targets_dtype(s)) && !(s->options.flags & CLLOSS_TARGET_INDICES);
}

int64_t xent_target(const xent_shape *s, const void *targets, size_t row) {
  return xent_has_probabilities(s) ? 0 : case_label(xent_targets_dtype(s), targets, row);
}

/* A number of either sign below `magnitude`. */
static float either_sign(uint64_t *state, double magnitude) {
  return (float)(magnitude * (2 * harness_uniform(state) - 1));
}

static void fill_numbers(float *x, size_t n, enum xent_fill fill, uint64_t *state) {
  static const double magnitudes[] = {0.1, 1, 10, 100};
  const double magnitude = fill == XENT_HUGE ? 1e4 : magnitudes[harness_pick(state, 4)];
  const float shift = fill == XENT_SIXTEENTHS_1E6 ? 1e6f : 0;
  const float first = either_sign(state, magnitude);
  for (size_t c = 0; c < n; c++) {
    if (fill == XENT_EQUAL)
      x[c] = first;
    else if (fill == XENT_SIXTEENTHS || fill == XENT_SIXTEENTHS_1E6)
      x[c] = ((float)harness_pick(state, 257) - 128) / 16 + shift;
    else if (fill == XENT_RISING)
      x[c] = (float)(20.0 * (double)c / (double)n + 0.5 * harness_uniform(state) - 10);
    else
      x[c] = either_sign(state, magnitude);
  }
}

static void mask(float *x, size_t from, size_t to) {
  for (size_t c = from; c < to; c++) x[c] = -INFINITY;
}

/* Returns the row's target. */
static int64_t fill_row(const xent_shape *s, enum xent_fill fill, float *x, uint64_t *state) {
  const size_t n = s->classes, most = 5 * n / 8;
  size_t t = harness_pick(state, n);
  fill_numbers(x, n, fill, state);
  const float x_target = x[t];
  if (fill == XENT_CERTAIN) {
    const case_certain certain = case_draw_certain(n, case_certain_end(xent_dtype(s) == CLLOSS_F64), state);
    for (size_t c = 0; c < n; c++) x[c] = (float)(2 * harness_uniform(state));
    x[certain.one] = x[certain.other] = (float)certain.height;
    return (int64_t)(harness_pick(state, 8) ? certain.one : t);
  }
  if (fill == XENT_MASK_LEADING) {
    t = most + t % (n - most);
    mask(x, 0, most);
  } else if (fill == XENT_MASK_TRAILING) {
    t %= n - most;
    mask(x, n - most, n);
  } else if (fill == XENT_MASK_OTHERS) {
    mask(x, 0, n);
    x[t] = x_target;
  } else if (fill == XENT_MASK_TARGET) {
    for (size_t c = 0; c < n; c++)
      if (harness_pick(state, 3) == 0) x[c] = -INFINITY;
    x[t] = -INFINITY;
  } else if (fill == XENT_MASK_ROW) {
    mask(x, 0, n);
  } else if (fill == XENT_NAN) {
    x[harness_pick(state, n)] = NAN;
  } else if (fill == XENT_POSITIVE_INF) {
    x[harness_pick(state, n)] = INFINITY;
  } else if (fill == XENT_BAD_TARGET && harness_pick(state, 2)) {
    return CASE_BAD_LABEL;
  }
  return (int64_t)t;
}

void xent_fill_rows(const xent_shape *s, uint64_t seed, float *logits, void *targets) {
  uint64_t state = seed;
  const bool blank = s->fill == XENT_IGNORED_NAN || s->fill == XENT_MIXED;
  const bool ignores = s->options.flags & CLLOSS_IGNORE_INDEX;
  for (size_t row = 0; row < s->rows; row++) {
    float *x = logits + row * s->classes;
    const enum xent_fill fill = s->fill == XENT_MIXED ? (enum xent_fill)harness_pick(&state, XENT_IGNORED_NAN)
                                                      : s->fill;
    const int64_t target = fill_row(s, fill, x, &state);
    const bool ignored = ignores && (s->fill == XENT_ALL_IGNORED || harness_pick(&state, 5) == 0);
    case_put_label(xent_targets_dtype(s), targets, row, ignored ? s->options.ignore_index : target,
                   s->classes, &state);
    for (size_t c = 0; ignored && blank && c < s->classes; c++) x[c] = NAN;
  }
}

static void fill_upstream(const xent_shape *s, uint64_t *state, void *grad_loss) {
  static const double magnitudes[] = {0.01, 1, 50};
  const size_t n = s->upstream == XENT_UPSTREAM_ROWS ? s->rows : 1;
  const uint32_t real = xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  for (size_t i = 0; i < n; i++) {
    const float value = either_sign(state, magnitudes[harness_pick(state, 3)]);
    /* a factor of 1 would hide a factor that is missing */
    const double factor = value == 1.0f || fabsf(value) < 1e-4f ? -0.75 : (double)value;
    harness_put(real, grad_loss, i, ldexp(factor, s->factors.upstream));
  }
}

/* Weights from 0 to 2, some of them 0, times 2 to the power; or all of them one number. With a power none is small
 * beside the others, so that all are normal numbers. */
static void fill_weights(const xent_shape *s, void *weights, size_t n, int power, uint64_t *state) {
  const uint32_t real = xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  const double all = 0.05 + 2 * harness_uniform(state);
  for (size_t i = 0; weights && i < n; i++) {
    const double weight = s->factors.constant           ? all
                          : harness_pick(state, 8) == 0 ? 0
                          : power                       ? 0.25 + 1.75 * harness_uniform(state)
                                                        : 2 * harness_uniform(state);
    harness_put(real, weights, i, ldexp(weight, power));
  }
}

/* One row of probabilities, which need not sum to 1: those of a class alone, of a few, of all, or none at
 * all. A masked class has one only now and then. */
static void fill_probabilities(const xent_shape *s, const float *x, void *t, size_t row, uint64_t *state) {
  const size_t n = s->classes, kind = harness_pick(state, 8), only = harness_pick(state, n);
  const bool of_masked = harness_pick(state, 8) == 0;
  const double scale = (kind == 3 ? 2 : 1) / (double)n;
  for (size_t c = 0; c < n; c++) {
    double p = kind == 0   ? c == only
               : kind == 1 ? 0
               : kind == 2 ? (harness_pick(state, 4) ? 0 : harness_uniform(state))
                           : 2 * scale * harness_uniform(state);
    if (isinf(x[c]) && !of_masked) p = 0;
    harness_put(s->targets_dtype, t, row * n + c, p);
  }
}

/* Of f64 the low bits as well, but for the fills that have to stay exact. */
static void store_logits(const xent_shape *s, const float *x, void *logits, uint64_t *state) {
  const bool exact = s->fill == XENT_SIXTEENTHS || s->fill == XENT_SIXTEENTHS_1E6 || s->fill == XENT_EQUAL;
  const bool wide = xent_dtype(s) == CLLOSS_F64 && !exact;
  for (size_t i = 0; i < s->rows * s->classes; i++) {
    const double low = wide ? 1 + 0x1p-24 * harness_uniform(state) : 1;
    harness_put(xent_dtype(s), logits, i, (double)x[i] * low);
  }
}

/* What results are added to. Half the counts have met a bad row before. */
static void fill_sums(const xent_shape *s, harness_data *d, uint64_t *state) {
  const uint32_t real = xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  int64_t *counts = d->data[XENT_COUNTS];
  if (d->data[XENT_LOSS]) harness_put(real, d->data[XENT_LOSS], 0, (double)either_sign(state, 4));
  for (size_t i = 0; d->data[XENT_METRICS] && i < CLLOSS_METRICS; i++)
    harness_put(real, d->data[XENT_METRICS], i, 64 * harness_uniform(state));
  for (size_t i = 0; counts && i < CLLOSS_COUNTS; i++) counts[i] = (int64_t)harness_pick(state, 1000);
  if (counts && harness_pick(state, 2)) counts[CLLOSS_COUNT_BAD] = 0;
}

clloss_status xent_fill(const xent_shape *s, uint64_t seed, harness_data *d) {
  const size_t n = s->rows * s->classes;
  const uint32_t real = xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  float *x = malloc((n + 1) * sizeof *x);
  int64_t *indices = malloc((s->rows + 1) * sizeof *indices);
  uint64_t state = ~seed;
  if (x && indices) {
    const bool whole = !xent_has_probabilities(s);
    xent_fill_rows(s, seed, x, whole ? d->data[XENT_TARGETS] : indices);
    if (d->data[XENT_LOGITS]) store_logits(s, x, d->data[XENT_LOGITS], &state);
    for (size_t row = 0; !whole && row < s->rows; row++)
      fill_probabilities(s, x + row * s->classes, d->data[XENT_TARGETS], row, &state);
    fill_weights(s, d->data[XENT_CLASS_WEIGHT], s->classes, s->factors.class_weight, &state);
    fill_weights(s, d->data[XENT_ROW_WEIGHT], s->with & XENT_WITH_ONE_ROW_WEIGHT ? 1 : s->rows,
                 s->factors.row_weight, &state);
    if ((s->with & XENT_WITH_ONE_ROW_WEIGHT) && !s->factors.constant)
      harness_put(real, d->data[XENT_ROW_WEIGHT], 0, ldexp(1.75, s->factors.row_weight));
    if (d->data[XENT_DIVISOR])
      harness_put(real, d->data[XENT_DIVISOR], 0,
                  ldexp(1 + 16 * harness_uniform(&state), s->factors.divisor));
    fill_sums(s, d, &state);
    if (d->data[XENT_GRAD_LOSS]) fill_upstream(s, &state, d->data[XENT_GRAD_LOSS]);
    for (size_t i = 0; d->data[XENT_GRAD] && i < n; i++)
      harness_put(xent_grad_dtype(s), d->data[XENT_GRAD], i, (double)either_sign(&state, 1));
  }
  const bool room = x && indices;
  free(x);
  free(indices);
  return room ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}
