/* Random calls of elementwise losses: all kinds and passes. */
#include "fuzz.h"

#include <math.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

#define KIND(name, value, word, kernel, traits) {CLLOSS_##name, traits},
static const struct { uint32_t kind, traits; } kinds[] = {CLLOSS_POINTWISE_LIST(KIND)};

/* What test_pointwise compiles: types, local sizes, and whether for all kinds or just mse and bce. */
static const struct {
  uint32_t dtype, target_dtype, grad_dtype, local_sizes[6];
  bool all_kinds;
} builds[] = {
    {CLLOSS_F32, CLLOSS_F32, CLLOSS_F32, {1, 1, 64}, true},
    {CLLOSS_F32, CLLOSS_F32, CLLOSS_F32, {2, 7, 60, 256}, false},
    {CLLOSS_F64, CLLOSS_F64, CLLOSS_F64, {1}, true},
    {CLLOSS_F16, CLLOSS_F16, CLLOSS_F16, {1}, true},
    {CLLOSS_F16, CLLOSS_F32, CLLOSS_F32, {1}, false},
    {CLLOSS_BF16, CLLOSS_BF16, CLLOSS_BF16, {1}, true},
    {CLLOSS_BF16, CLLOSS_F32, CLLOSS_F32, {64}, false},
};

static void draw_sizes(pointwise_shape *s, uint64_t *state) {
  const size_t kind = harness_pick(state, 10);
  const size_t most = kind == 0 ? 1000000 : 20000;
  s->classes = fuzz_size(state, 1, kind < 5 ? most : 300);
  s->rows = fuzz_size(state, 1, 1 + most / s->classes);
  if (fuzz_one_in(state, 40)) s->rows = 0;
  s->offset = harness_pick(state, 2) ? harness_pick(state, 20) : 0;
  s->pad = harness_pick(state, 2) ? fuzz_size(state, 1, 40) : 0;
}

static void draw_options(uint32_t traits, clloss_pointwise_options *o, uint64_t *state) {
  o->reduction = (uint32_t)harness_pick(state, 4);
  if (o->reduction == CLLOSS_MEAN && fuzz_one_in(state, 3)) o->divisor = FUZZ_NUMBER(state, 12.5, 0x1p-10);
  if (fuzz_one_in(state, 2)) o->flags |= CLLOSS_GRAD_ALPHA, o->grad_alpha = FUZZ_NUMBER(state, 0, -0.5, 2);
  if (traits & (CLLOSS_TAKES_DELTA | CLLOSS_TAKES_BETA))
    o->delta = FUZZ_NUMBER(state, 0, 0.5, 2.5, 1e-3f, 20);
  if ((traits & CLLOSS_TAKES_BETA) && o->delta == 0) o->flags |= CLLOSS_SET_DELTA;
  if (traits & CLLOSS_TAKES_CLIP) o->clip = FUZZ_NUMBER(state, 0, 0x1p-20, 1e-10f, 0.125);
  if ((traits & CLLOSS_TAKES_GAMMA) && harness_pick(state, 2))
    o->flags |= CLLOSS_SET_GAMMA, o->gamma = FUZZ_NUMBER(state, 0, 0.5, 1, 3.25);
  if (traits & CLLOSS_TAKES_ALPHA) o->alpha = FUZZ_NUMBER(state, 0, 0.75, -1, 1);
  if ((traits & CLLOSS_TAKES_LOG_TARGET) && harness_pick(state, 2)) o->flags |= CLLOSS_LOG_TARGET;
}

static void draw_views(pointwise_shape *s, uint32_t traits, uint64_t *state) {
  s->weight = (enum pointwise_spread)(harness_pick(state, 2) ? harness_pick(state, POINTWISE_SPREADS) : 0);
  s->upstream = (enum pointwise_spread)harness_pick(state, POINTWISE_SPREADS);
  if (s->options.reduction != CLLOSS_NONE && s->upstream != POINTWISE_UNBOUND) s->upstream = POINTWISE_ONE;
  s->zero_weights = fuzz_one_in(state, 8);
  s->pos_weight = (traits & CLLOSS_TAKES_POS_WEIGHT) && harness_pick(state, 2);
  s->outputs = (uint32_t)harness_pick(state, 8);
  s->in_place = s->grad_dtype == s->dtype && fuzz_one_in(state, 3);
  if (!s->in_place && fuzz_one_in(state, 3)) s->options.grad_beta = FUZZ_NUMBER(state, 0.5, 1, -1);
  s->workspace = harness_pick(state, 2);
  s->blind = harness_pick(state, 2);
}

/* Weight, upstream gradient, alpha and divisor of any magnitude that f32 has, as fuzz_xent_factors does. */
static void draw_factors(pointwise_shape *s, uint64_t *state) {
  enum { LEAST = -100, MOST = 120 };
  clloss_pointwise_options *o = &s->options;
  int of_weight, of_upstream, of_divisor, of_alpha;
  s->outputs = POINTWISE_NO_LOSS | POINTWISE_NO_ELEMENT_LOSS;
  o->grad_beta = 0;
  o->flags |= CLLOSS_GRAD_ALPHA;
  do {
    of_weight = s->weight == POINTWISE_UNBOUND ? 0 : (int)harness_pick(state, MOST - LEAST) + LEAST;
    of_upstream = s->upstream == POINTWISE_UNBOUND ? 0 : (int)harness_pick(state, MOST - LEAST) + LEAST;
    of_divisor = o->reduction == CLLOSS_MEAN ? (int)harness_pick(state, MOST - LEAST) + LEAST : 0;
    of_alpha = (int)harness_pick(state, 60) - 30 - of_weight - of_upstream + of_divisor;
  } while (of_alpha > MOST || of_alpha < LEAST);
  s->weight_power = of_weight;
  s->upstream_power = of_upstream;
  if (o->reduction == CLLOSS_MEAN) o->divisor = ldexp(1.5, of_divisor);
  o->grad_alpha = ldexp(FUZZ_NUMBER(state, 1, -0.75), of_alpha);
}

fuzz_setting fuzz_draw_pointwise(fuzz *f, pointwise_shape *s, uint64_t *state) {
  static const uint32_t types[] = {CLLOSS_F32, CLLOSS_F16, CLLOSS_BF16, CLLOSS_F64},
                        sizes[] = {1, 1, 2, 3, 7, 8, 60, 64, 256, 0};
  size_t build = harness_pick(state, COUNT(builds)), kind = harness_pick(state, COUNT(kinds));
  if (builds[build].dtype == CLLOSS_F64 && !fuzz_has_f64(f)) build = 0;
  while (!builds[build].all_kinds && !f->all_types && kinds[kind].kind != CLLOSS_MSE &&
         kinds[kind].kind != CLLOSS_BCE)
    kind = harness_pick(state, COUNT(kinds));
  *s = (pointwise_shape){.kind = kinds[kind].kind,
                         .dtype = builds[build].dtype,
                         .target_dtype = builds[build].target_dtype,
                         .grad_dtype = builds[build].grad_dtype,
                         .fill = (enum pointwise_fill)harness_pick(state, POINTWISE_FILLS)};
  const fuzz_setting setting = fuzz_draw_setting(f, f->all_types ? sizes : builds[build].local_sizes, state);
  if (f->all_types) {
    s->dtype = types[harness_pick(state, fuzz_has_f64(f) ? 4 : 3)];
    s->target_dtype = harness_pick(state, 2) ? s->dtype : pointwise_real(s);
    s->grad_dtype = harness_pick(state, 2) ? s->dtype : pointwise_real(s);
  }
  draw_sizes(s, state);
  draw_options(kinds[kind].traits, &s->options, state);
  draw_views(s, kinds[kind].traits, state);
  return setting;
}

void fuzz_pointwise(fuzz *f, uint64_t *state) {
  pointwise_shape s;
  const fuzz_setting setting = fuzz_draw_pointwise(f, &s, state);
  fuzz_check(f, &setting, &pointwise_passes, NULL, &s, state);
}

void fuzz_pointwise_factors(fuzz *f, uint64_t *state) {
  pointwise_shape s;
  const fuzz_setting setting = fuzz_draw_pointwise(f, &s, state);
  /* the reference, f64, has room for products of f32 alone */
  if (pointwise_dtype(&s) == CLLOSS_F64) s.dtype = s.target_dtype = s.grad_dtype = CLLOSS_F32;
  draw_factors(&s, state);
  fuzz_check(f, &setting, NULL, harness_pick(state, 2) ? &pointwise_backward_case : &pointwise_fused_case, &s,
             state);
}
