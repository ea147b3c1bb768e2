/* What stands in the rows of a softmax cross-entropy case. */
#include <math.h>

#include "case_xent.h"

static const char *const names[XENT_FILLS] = {
    [XENT_RANDOM] = "random",
    [XENT_HUGE] = "huge",
    [XENT_EQUAL] = "equal",
    [XENT_SIXTEENTHS] = "sixteenths",
    [XENT_SIXTEENTHS_1E6] = "sixteenths + 1e6",
    [XENT_RISING] = "rising",
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

int64_t xent_target(const xent_shape *s, const void *targets, size_t row) {
  return s->targets_i64 ? ((const int64_t *)targets)[row] : ((const int32_t *)targets)[row];
}

/* A target that must not be used as an index. Of i64 there are some that are classes when cut to 32 bits. */
static int64_t bad_target(const xent_shape *s, uint64_t *state) {
  const int64_t classes = (int64_t)s->classes;
  const int64_t narrow[] = {-1, classes, INT32_MIN, INT32_MAX, -classes, classes + 1};
  const int64_t wide[] = {-1,
                          classes,
                          INT64_MIN,
                          INT64_MAX,
                          (int64_t)1 << 32,
                          -((int64_t)1 << 32),
                          INT32_MIN,
                          ((int64_t)1 << 32) + classes - 1};
  return s->targets_i64 ? wide[harness_pick(state, sizeof wide / sizeof *wide)]
                        : narrow[harness_pick(state, sizeof narrow / sizeof *narrow)];
}

static void put_target(const xent_shape *s, void *targets, size_t row, int64_t target) {
  if (s->targets_i64)
    ((int64_t *)targets)[row] = target;
  else
    ((int32_t *)targets)[row] = (int32_t)target;
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
    return bad_target(s, state);
  }
  return (int64_t)t;
}

void xent_fill_rows(const xent_shape *s, uint64_t seed, float *logits, void *targets) {
  uint64_t state = seed;
  const bool blank = s->fill == XENT_IGNORED_NAN || s->fill == XENT_MIXED;
  for (size_t row = 0; row < s->rows; row++) {
    float *x = logits + row * s->classes;
    const enum xent_fill fill = s->fill == XENT_MIXED ? (enum xent_fill)harness_pick(&state, XENT_IGNORED_NAN)
                                                      : s->fill;
    const int64_t target = fill_row(s, fill, x, &state);
    const bool ignored = s->ignore && (s->fill == XENT_ALL_IGNORED || harness_pick(&state, 5) == 0);
    put_target(s, targets, row, ignored ? s->ignore_index : target);
    for (size_t c = 0; ignored && blank && c < s->classes; c++) x[c] = NAN;
  }
}

void xent_fill_upstream(const xent_shape *s, uint64_t seed, float *grad_loss) {
  static const double magnitudes[] = {0.01, 1, 50};
  uint64_t state = ~seed;
  const size_t n = s->upstream == XENT_UPSTREAM_ROWS ? s->rows : 1;
  for (size_t i = 0; i < n; i++) {
    grad_loss[i] = either_sign(&state, magnitudes[harness_pick(&state, 3)]);
    if (grad_loss[i] == 1.0f) grad_loss[i] = -0.75f; /* a factor of 1 would hide a factor that is missing */
  }
}
