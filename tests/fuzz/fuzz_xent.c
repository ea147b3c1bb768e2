/* Random calls of softmax cross-entropy. */
#include "fuzz.h"

#include <math.h>
#include <stdio.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- types ---- */

/* What test_xent and test_xent_options compile: types and local sizes, 1 the lane team. Targets of type 0 are indices. */
static const struct {
  uint32_t dtype, grad_dtype, targets_dtype, local_sizes[6];
  size_t share;
} builds[] = {
    {CLLOSS_F32, CLLOSS_F32, 0, {1, 2, 7, 64, 256}, 20},
    {CLLOSS_F32, CLLOSS_F32, 0, {1}, 16},
    {CLLOSS_F32, CLLOSS_F32, CLLOSS_F32, {1, 8}, 6},
    {CLLOSS_F64, CLLOSS_F64, 0, {1, 1, 7}, 8},
    {CLLOSS_F64, CLLOSS_F64, CLLOSS_F64, {1}, 3},
    {CLLOSS_F16, CLLOSS_F16, 0, {1, 1, 64}, 4},
    {CLLOSS_F16, CLLOSS_F32, 0, {1}, 2},
    {CLLOSS_F16, CLLOSS_F16, CLLOSS_F32, {1}, 2},
    {CLLOSS_F16, CLLOSS_F32, CLLOSS_F16, {1}, 2},
    {CLLOSS_BF16, CLLOSS_BF16, 0, {1, 1, 8}, 4},
    {CLLOSS_BF16, CLLOSS_F32, 0, {1}, 2},
    {CLLOSS_BF16, CLLOSS_BF16, CLLOSS_BF16, {1}, 2},
    {CLLOSS_BF16, CLLOSS_F32, CLLOSS_F32, {1}, 2},
};

static uint32_t real_of(uint32_t dtype) { return dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32; }

/* Class indices, of reals by the flag. */
static void draw_labels(xent_shape *s, bool group, uint64_t *state) {
  s->targets_dtype = case_draw_label_type(group, state);
  if (case_is_real(s->targets_dtype)) s->options.flags |= CLLOSS_TARGET_INDICES;
}

/* Any of those that a call may have. */
static fuzz_setting draw_any_types(fuzz *f, xent_shape *s, uint64_t *state) {
  static const uint32_t types[] = {CLLOSS_F32, CLLOSS_F64, CLLOSS_F16, CLLOSS_BF16};
  static const uint32_t sizes[] = {1, 1, 2, 3, 7, 8, 60, 64, 256, 0};
  do s->dtype = types[harness_pick(state, COUNT(types))];
  while (s->dtype == CLLOSS_F64 && !fuzz_has_f64(f));
  s->grad_dtype = harness_pick(state, 2) ? s->dtype : real_of(s->dtype);
  draw_labels(s, false, state);
  if (fuzz_one_in(state, 3)) {
    s->targets_dtype = harness_pick(state, 2) ? s->dtype : real_of(s->dtype);
    s->options.flags = 0;
  }
  return fuzz_draw_setting(f, sizes, state);
}

static fuzz_setting draw_types(fuzz *f, xent_shape *s, uint64_t *state) {
  size_t all = 0, i = 0;
  if (f->all_types) return draw_any_types(f, s, state);
  for (size_t k = 0; k < COUNT(builds); k++) all += builds[k].share;
  for (size_t at = harness_pick(state, all); at >= builds[i].share; i++) at -= builds[i].share;
  if (builds[i].dtype == CLLOSS_F64 && !fuzz_has_f64(f)) i = 0;
  s->dtype = builds[i].dtype;
  s->grad_dtype = builds[i].grad_dtype;
  s->targets_dtype = builds[i].targets_dtype;
  const fuzz_setting setting = fuzz_draw_setting(f, builds[i].local_sizes, state);
  if (!s->targets_dtype) draw_labels(s, setting.plan.local_size > 1, state);
  return setting;
}

/* ---- sizes and layout ---- */

static size_t elements_of(const xent_shape *s) { return s->rows * s->classes; }

/* Most calls are small; sums over many rows, and over many classes, packed or with the class axis in the middle, are
 * each some of a hundred. */
static void draw_sizes(xent_shape *s, bool splits, uint64_t *state) {
  enum { MOST = 1 << 20 };
  const size_t kind = harness_pick(state, 100);
  s->inner = 1;
  if (kind < 10 && !splits) { /* many rows */
    s->classes = 1 + harness_pick(state, 4);
    s->rows = fuzz_size(state, 30000, 400000);
  } else if (kind < 20) { /* a long axis in the middle */
    s->inner = fuzz_size(state, 1, 20);
    s->classes = fuzz_size(state, 5000, MOST / s->inner);
    s->rows = s->inner * (1 + harness_pick(state, 2));
    s->class_pad = s->inner == 1 ? 1 + harness_pick(state, 2) : 0;
  } else if (kind < 25) { /* long rows */
    s->classes = fuzz_size(state, 5000, MOST);
    s->rows = 1 + harness_pick(state, 3);
  } else {
    s->classes = fuzz_size(state, 1, kind < 50 ? 40 : kind < 80 ? 400 : 5000);
    if (fuzz_one_in(state, 3)) s->inner = fuzz_size(state, 1, 70);
    s->rows = s->inner * fuzz_size(state, 1, 1 + 20000 / (s->inner * s->classes));
    if (fuzz_one_in(state, 40)) s->rows = 0;
  }
}

static void draw_layout(xent_shape *s, uint64_t *state) {
  s->offset = harness_pick(state, 2) ? harness_pick(state, 20) : 0;
  s->pad = harness_pick(state, 2) ? fuzz_size(state, 1, 40) : 0;
  s->row_pad = harness_pick(state, 2) ? harness_pick(state, 4) : 0;
  /* what lies between classes is memory to fill and to compare */
  if (fuzz_one_in(state, 5) && elements_of(s) < 200000) s->class_pad = harness_pick(state, 4);
  s->in_place = harness_pick(state, 2);
  s->workspace = harness_pick(state, 2);
  s->blind = harness_pick(state, 2);
}

/* ---- options ---- */

/* Numbers are whole in f32, so that rounding an option isn't what is tested. */
static void draw_options(xent_shape *s, uint64_t *state) {
  clloss_xent_options *o = &s->options;
  const bool indices = !xent_has_probabilities(s);
  o->reduction = (uint32_t)harness_pick(state, 3);
  if (indices && harness_pick(state, 2)) {
    o->flags |= CLLOSS_IGNORE_INDEX;
    o->ignore_index = fuzz_one_in(state, 3) ? -100 : (int64_t)harness_pick(state, s->classes);
  }
  if (indices && fuzz_one_in(state, 4)) o->flags |= CLLOSS_BAD_IS_IGNORED;
  if (fuzz_one_in(state, 4)) o->flags |= CLLOSS_ACCUMULATE;
  if (o->reduction == CLLOSS_MEAN && fuzz_one_in(state, 4)) o->flags |= CLLOSS_EMPTY_IS_ZERO;
  if (fuzz_one_in(state, 3)) o->flags |= CLLOSS_GRAD_ALPHA, o->grad_alpha = FUZZ_NUMBER(state, 0, -0.5, 2);
  if (fuzz_one_in(state, 4)) o->grad_beta = FUZZ_NUMBER(state, 1, -1, 0.75);
  if (o->reduction == CLLOSS_MEAN && fuzz_one_in(state, 5)) o->divisor = FUZZ_NUMBER(state, 12.5, 0x1p-10);
  o->top_k = harness_pick(state, 4) ? 0 : fuzz_size(state, 1, 300);
  if (indices && fuzz_one_in(state, 12)) {
    o->flags |= CLLOSS_LOG_PROBABILITIES;
    return;
  }
  if (harness_pick(state, 2)) o->label_smoothing = FUZZ_NUMBER(state, 0.1f, 0.25, 0.9f, 1);
  if (s->classes > 1 && o->label_smoothing != 0 && fuzz_one_in(state, 4))
    o->flags |= CLLOSS_SMOOTHING_MEGATRON;
  if (fuzz_one_in(state, 3)) o->z_loss = FUZZ_NUMBER(state, 0x1p-10, 0.01f, 0.125);
  if (fuzz_one_in(state, 4)) o->logit_scale = FUZZ_NUMBER(state, 0.7f, -1.5, 0.01f, 1);
  if (fuzz_one_in(state, 5)) o->softcap = FUZZ_NUMBER(state, 30, 7.5, 1, 1000);
}

static void draw_views(xent_shape *s, uint64_t *state) {
  const bool nll = (s->options.flags & CLLOSS_LOG_PROBABILITIES) != 0;
  if (harness_pick(state, 2)) s->with |= XENT_WITH_CLASS_WEIGHT;
  if (harness_pick(state, 2))
    s->with |= fuzz_one_in(state, 3) ? XENT_WITH_ONE_ROW_WEIGHT : XENT_WITH_ROW_WEIGHT;
  s->factors.constant = fuzz_one_in(state, 3);
  if (s->options.reduction == CLLOSS_MEAN && s->options.divisor == 0 && fuzz_one_in(state, 6))
    s->with |= XENT_WITH_DIVISOR;
  if (harness_pick(state, 2)) {
    static const uint32_t of_softmax = XENT_WITH_PREDICTED | XENT_WITH_CONFIDENCE | XENT_WITH_ENTROPY;
    const uint32_t any = XENT_WITH_METRICS | XENT_WITH_COUNTS | of_softmax;
    s->with |= (uint32_t)harness_random(state) & (nll ? any & ~of_softmax : any);
  }
  s->without = (uint32_t)harness_pick(state, 8);
  s->upstream = (enum xent_upstream)harness_pick(state, s->options.reduction == CLLOSS_NONE ? 3 : 2);
}

/* Takes what makes no sense with the rest, which the library refuses. */
static void fit(xent_shape *s) {
  clloss_xent_options *o = &s->options;
  if (xent_grad_dtype(s) != xent_dtype(s) || o->grad_beta != 0) s->in_place = false;
  if ((s->fill == XENT_IGNORED_NAN || s->fill == XENT_ALL_IGNORED) && !(o->flags & CLLOSS_IGNORE_INDEX))
    s->fill = XENT_RANDOM;
}

fuzz_setting fuzz_draw_xent(fuzz *f, xent_shape *s, uint64_t *state) {
  *s = (xent_shape){0};
  const fuzz_setting setting = draw_types(f, s, state);
  draw_sizes(s, fuzz_splits(&setting), state);
  draw_layout(s, state);
  draw_options(s, state);
  draw_views(s, state);
  if (harness_pick(state, 2)) s->fill = (enum xent_fill)harness_pick(state, XENT_FILLS);
  fit(s);
  return setting;
}

void fuzz_xent(fuzz *f, uint64_t *state) {
  xent_shape s;
  const fuzz_setting setting = fuzz_draw_xent(f, &s, state);
  if (fuzz_one_in(state, 12)) {
    s.options.reduction = CLLOSS_MEAN;
    s.options.divisor = 0;
    if (s.with & XENT_WITH_CLASS_WEIGHT) s.options.z_loss = 0;
    s.with &= ~(uint32_t)XENT_WITH_DIVISOR;
    fuzz_check(f, &setting, NULL, &xent_divisor_case, &s, state);
  } else {
    fuzz_check(f, &setting, &xent_passes, NULL, &s, state);
  }
}

/* ---- factors ---- */

/* Weights, upstream gradient, alpha and divisor of any magnitude that f32 has, whose product is ordinary: gradients have
 * to be right, whatever the products on the way there would be. The exponents add up to less than 30; the mean's own
 * divisor, a sum of weights, stays in range, and so does the sum of the classes' weights, from which comes what is spread
 * over them. No factor is so small that what smoothing gives a class of it would not be a normal number. */
void fuzz_xent_factors(fuzz *f, uint64_t *state) {
  enum { LEAST = -100, MOST = 120 };
  xent_shape s;
  fuzz_setting setting = fuzz_draw_xent(f, &s, state);
  clloss_xent_options *o = &s.options;
  if (xent_dtype(&s) == CLLOSS_F64)
    s.dtype = s.grad_dtype = CLLOSS_F32; /* so that the reference, f64, has room */
  if (s.targets_dtype == CLLOSS_F64) s.targets_dtype = CLLOSS_F32;
  o->z_loss = o->grad_beta = 0;
  s.with &= XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT | XENT_WITH_ONE_ROW_WEIGHT | XENT_WITH_DIVISOR;
  s.without = XENT_NO_LOSS | XENT_NO_ROW_LOSS;
  s.upstream = s.upstream == XENT_UPSTREAM_NONE ? XENT_UPSTREAM_ONE : s.upstream;
  o->flags |= CLLOSS_GRAD_ALPHA;
  o->grad_alpha = 1;
  if (o->reduction == CLLOSS_MEAN) s.with |= XENT_WITH_DIVISOR, o->divisor = 0;
  int of[4], *const to[] = {&s.factors.class_weight, &s.factors.row_weight, &s.factors.upstream,
                            &s.factors.divisor};
  const bool there[] = {(s.with & XENT_WITH_CLASS_WEIGHT) != 0,
                        (s.with & (XENT_WITH_ROW_WEIGHT | XENT_WITH_ONE_ROW_WEIGHT)) != 0, true,
                        (s.with & XENT_WITH_DIVISOR) != 0};
  int sum, most_class = MOST;
  for (size_t room = 32; room < s.classes; room *= 2) most_class--;
  do {
    sum = (int)harness_pick(state, 60) - 30;
    for (int i = 0; i < 4; i++) {
      const int most = i == 0 ? most_class : MOST;
      of[i] = there[i] && harness_pick(state, 3) ? (int)harness_pick(state, (size_t)(most - LEAST)) + LEAST
                                                 : 0;
      sum += i == 3 ? of[i] : -of[i];
    }
  } while (sum > MOST || sum < LEAST);
  for (int i = 0; i < 4; i++) *to[i] = of[i];
  o->grad_alpha = ldexp(FUZZ_NUMBER(state, 1, -0.75), sum);
  fuzz_check(f, &setting, NULL, harness_pick(state, 2) ? &xent_backward_case : &xent_fused_case, &s, state);
}
