/* The scalar reference of clloss_ref.h: what the two types share, and each loss once for each of them. */
#include "clloss/clloss_ref.h"

#include <math.h>

enum { BLOCK = 256 }; /* terms per partial sum */

enum { TARGET_VALID, TARGET_IGNORED, TARGET_BAD };

/* A row whose targets are probabilities is always valid. */
static int target_kind(const clloss_ref_xent *a, size_t row) {
  if (a->probabilities) return TARGET_VALID;
  int64_t target = a->targets[row];
  if ((a->flags & CLLOSS_IGNORE_INDEX) && target == a->ignore_index) return TARGET_IGNORED;
  return target >= 0 && (uint64_t)target < a->classes ? TARGET_VALID : TARGET_BAD;
}

/* The loss and gradient of a row of that kind, and its statistics: 0 or NaN. */
static double value_of_invalid(const clloss_ref_xent *a, int kind) {
  return kind == TARGET_IGNORED || (a->flags & CLLOSS_BAD_IS_IGNORED) ? 0 : (double)NAN;
}

static double smoothing_of(const clloss_ref_xent *a) {
  double classes = (double)a->classes;
  int megatron = (a->flags & CLLOSS_SMOOTHING_MEGATRON) && a->label_smoothing != 0;
  return megatron ? a->label_smoothing * classes / (classes - 1) : a->label_smoothing;
}

/* Outputs about the prediction cost a walk over the row of their own, and the ranks another. */
static int wants_prediction(const clloss_ref_xent *a) {
  return a->predicted || a->confidence || a->entropy || a->metrics || a->counts;
}

static size_t inner_of(const clloss_ref_xent *a) { return a->inner ? a->inner : 1; }

/* Where the row's first class is, outer rows lying `stride` apart. */
static size_t row_offset(const clloss_ref_xent *a, size_t row, size_t stride) {
  size_t inner = inner_of(a), step = stride ? stride : a->classes * inner;
  return inner == 1 ? row * step : row / inner * step + row % inner;
}

/* The same in an array that is packed. */
static size_t packed_row(size_t classes, size_t inner, size_t row) {
  return inner > 1 ? row / inner * classes * inner + row % inner : row * classes;
}

static int accumulates(const clloss_ref_xent *a) { return (a->flags & CLLOSS_ACCUMULATE) != 0; }

static void count_start(const clloss_ref_xent *a) {
  int64_t *counts = a->counts;
  for (size_t i = 0; i < CLLOSS_COUNTS && !accumulates(a); i++) counts[i] = 0;
  if (counts[CLLOSS_COUNT_BAD] == 0) counts[CLLOSS_COUNT_BAD_ROW] = -1, counts[CLLOSS_COUNT_BAD_TARGET] = 0;
}

static void count_target(const clloss_ref_xent *a, size_t row, int kind) {
  int64_t *counts = a->counts;
  counts[CLLOSS_COUNT_VALID] += kind == TARGET_VALID;
  counts[CLLOSS_COUNT_IGNORED] += kind == TARGET_IGNORED;
  if (kind != TARGET_BAD) return;
  if (counts[CLLOSS_COUNT_BAD]++) return;
  counts[CLLOSS_COUNT_BAD_ROW] = (int64_t)row;
  counts[CLLOSS_COUNT_BAD_TARGET] = a->targets[row];
}

/* Of a valid row with a softmax in which `greater` logits exceed the target's. */
static void count_rank(const clloss_ref_xent *a, size_t greater) {
  a->counts[CLLOSS_COUNT_TOP1] += greater == 0;
  a->counts[CLLOSS_COUNT_TOPK] += greater < (a->top_k ? a->top_k : 5);
}

static uint32_t pointwise_traits(uint32_t kind) {
  switch (kind) {
#define POINTWISE_TRAITS(name, value, word, kernel, traits) \
  case CLLOSS_##name: return (traits);
    CLLOSS_POINTWISE_LIST(POINTWISE_TRAITS)
#undef POINTWISE_TRAITS
  }
  return 0;
}

/* Types of one instance. */
#define ELEMENT  F(element)
#define ROW      F(row)
#define RESULTS  F(results)
#define SUMS     F(sums)
#define DIVISORS F(divisors)
#define HALF     F(half)

#define REAL    float
#define EXP     expf
#define LOG     logf
#define TANH    tanhf
#define LOG1P   log1pf
#define EXPM1   expm1f
#define FABS    fabsf
#define F(name) name##_f32
#include "pointwise_ref.h"
#include "softmax_ref.h"
#include "xent_ref.h"
#include "distill_ref.h"
#include "information_ref.h"
#undef REAL
#undef EXP
#undef LOG
#undef TANH
#undef LOG1P
#undef EXPM1
#undef FABS
#undef F

#define REAL    double
#define EXP     exp
#define LOG     log
#define TANH    tanh
#define LOG1P   log1p
#define EXPM1   expm1
#define FABS    fabs
#define F(name) name##_f64
#include "pointwise_ref.h"
#include "softmax_ref.h"
#include "xent_ref.h"
#include "distill_ref.h"
#include "information_ref.h"
