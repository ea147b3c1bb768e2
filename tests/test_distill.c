/* Distillation on every device: each kernel family, forced by overrides, against the reference.
 *
 * sweep() gives every size to every plan; what the rows hold goes round against both, the rest is drawn from the seed.
 * types() gives each combination of element types to the plan that is chosen without overrides: each costs a program.
 * named() holds what has to be there in every run. */
#include "case_distill.h"
#include "refusal.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Local sizes 2, 7, 64 and 256 are those at which PoCL 3.1 is known to miscompile a reduction. A split runs whole
 * rows. */
static const harness_plan plans[] = {
    {0},
    {CLLOSS_FAMILY_LANE, 0, 5, 0},
    {CLLOSS_FAMILY_SPLIT, 64, 0, 3},
    {CLLOSS_FAMILY_GROUP, 2, 0, 0},
    {CLLOSS_FAMILY_GROUP, 7, 3, 0},
    {CLLOSS_FAMILY_GROUP, 256, 0, 0},
    {CLLOSS_FAMILY_GROUP, 0, 0, 0},
    {CLLOSS_FAMILY_GROUP, 64, 0, 0},
};

/* Around each boundary of the kernels: vectors of 4 and 16, blocks of 2048, more than 64 blocks. */
static const size_t sizes[][2] = {
    {1, 1},     {17, 1},   {3, 2},    {33, 3},   {100, 7},  {257, 10},  {64, 15},    {5, 16},
    {37, 17},   {3, 31},   {16, 33},  {2, 63},   {19, 64},  {4, 100},   {31, 256},   {3, 257},
    {17, 1000}, {2, 2047}, {3, 2049}, {5, 4097}, {3, 8192}, {1, 32768}, {1, 140001},
};

static distill_shape draw(size_t rows, size_t classes, uint64_t *state) {

  static const double temperatures[] = {0, 0, 1, 0.7, 2, 20};
  distill_shape s = {.layout = case_draw_layout(rows, classes, state)};
  s.options.reduction = (uint32_t)harness_pick(state, 3);
  s.options.flags = harness_pick(state, 2) ? CLLOSS_TEMPERATURE_SQUARED : 0;
  s.options.temperature = temperatures[harness_pick(state, COUNT(temperatures))];
  s.upstream = (enum distill_upstream)harness_pick(state, s.options.reduction == CLLOSS_NONE ? 3 : 2);
  s.with = (uint32_t)harness_pick(state, 3);
  if (s.options.reduction == CLLOSS_MEAN && harness_pick(state, 3) == 0) {
    if (harness_pick(state, 2))
      s.with |= DISTILL_WITH_DIVISOR;
    else
      s.options.divisor = 13.7;
  }
  s.without = (uint32_t)harness_pick(state, 8);
  s.in_place = harness_pick(state, 2);
  s.workspace = harness_pick(state, 2);
  return s;
}

static void sweep(harness *h, uint64_t *state) {
  for (size_t size = 0; size < COUNT(sizes); size++)
    for (size_t plan = 0; plan < COUNT(plans); plan++) {
      distill_shape s = draw(sizes[size][0], sizes[size][1], state);
      s.fill = (enum distill_fill)((size + 5 * plan) % DISTILL_FILLS);
      harness_sweep(h, &distill_passes, &s, &plans[plan], 1);
    }
}

/* Student, teacher, gradient. */
static void types(harness *h, uint64_t *state) {
  static const uint32_t all[][3] = {{CLLOSS_F64, CLLOSS_F64, CLLOSS_F64},
                                    {CLLOSS_F16, CLLOSS_F16, CLLOSS_F16},
                                    {CLLOSS_BF16, CLLOSS_F32, CLLOSS_BF16}};
  for (size_t device = 0; device < h->n_devices; device++) {
    const bool doubles = harness_has_f64(&h->devices[device]);
    for (size_t i = doubles ? 0 : 1; i < COUNT(all); i++)
      for (size_t size = 0; size < COUNT(sizes); size++) {
        distill_shape s = draw(sizes[size][0], sizes[size][1], state);
        s.dtype = all[i][0], s.teacher_dtype = all[i][1], s.grad_dtype = all[i][2];
        s.fill = (enum distill_fill)harness_pick(state, DISTILL_FILLS);
        harness_sweep(h, &distill_passes, &s, &plans[0], 1);
      }
  }
}

static const distill_shape named_shapes[] = {
    /* No rows: the reduced loss is written all the same, NaN and 0. */
    {.rows = 0, .classes = 5},
    {.rows = 0, .classes = 1000, .options.reduction = CLLOSS_SUM, .upstream = DISTILL_UPSTREAM_ONE},
    {.rows = 0, .classes = 33, .options.reduction = CLLOSS_NONE, .upstream = DISTILL_UPSTREAM_ROWS},
    /* A mean over nothing: NaN, gradients too. */
    {.rows = 8, .classes = 50, .with = DISTILL_WITH_ROW_WEIGHT | DISTILL_WEIGHTS_0},
    {.rows = 20,
     .classes = 5,
     .with = DISTILL_WITH_ONE_ROW_WEIGHT | DISTILL_WEIGHTS_0,
     .upstream = DISTILL_UPSTREAM_ONE},
    /* Masked blocks longer than any block of the online form. */
    {.rows = 3, .classes = 8192, .fill = DISTILL_MASK_TEACHER, .upstream = DISTILL_UPSTREAM_ONE},
    {.rows = 3, .classes = 8192, .fill = DISTILL_MASK_BOTH, .in_place = true},
    {.rows = 4, .classes = 8192, .fill = DISTILL_MASK_ROW, .options.reduction = CLLOSS_NONE},
    {.rows = 5, .classes = 9000, .fill = DISTILL_MASK_STUDENT, .options.reduction = CLLOSS_NONE},
    {.rows = 5, .classes = 9000, .fill = DISTILL_MASK_FAR, .options.reduction = CLLOSS_NONE},
    {.rows = 2, .classes = 20000, .fill = DISTILL_RISING, .in_place = true},
    /* Every kind of row side by side, so that none leaks into its neighbours. */
    {.rows = 400,
     .classes = 13,
     .fill = DISTILL_MIXED,
     .options.reduction = CLLOSS_NONE,
     .upstream = DISTILL_UPSTREAM_ROWS,
     .with = DISTILL_WITH_ROW_WEIGHT},
    {.rows = 300, .classes = 100, .fill = DISTILL_MIXED, .in_place = true, .options.temperature = 3},
    {.rows = 60, .classes = 40, .inner = 20, .fill = DISTILL_MIXED, .options.reduction = CLLOSS_SUM},
    /* Several partial weights, more rows than work-groups, gradients written past the cache from unaligned starts. */
    {.rows = 9001, .classes = 10, .with = DISTILL_WITH_ROW_WEIGHT, .upstream = DISTILL_UPSTREAM_ONE},
    {.rows = 70001, .classes = 3, .upstream = DISTILL_UPSTREAM_ONE},
    {.rows = 66000, .classes = 17, .options.temperature = 2, .options.flags = CLLOSS_TEMPERATURE_SQUARED},
    {.rows = 1101, .classes = 1000, .offset = 3, .pad = 7, .fill = DISTILL_MIXED},
};

static void named(harness *h) {
  for (size_t i = 0; i < COUNT(named_shapes); i++)
    harness_sweep(h, &distill_passes, &named_shapes[i], plans, COUNT(plans));
}

/* ---- what holds to the last bit ---- */

static void fire(harness_result *result, const char *what, double got) {
  if (result->count[HARNESS_AGREE]++ == 0)
    snprintf(result->first[HARNESS_AGREE], sizeof result->first[0], "%s: %.9g", what, got);
}

/* A student that equals its teacher has loss and gradient 0. */
static void check_zero(const harness_outputs *a, harness_result *result) {
  static const int zero[] = {DISTILL_LOSS, DISTILL_ROW_LOSS, DISTILL_GRAD};
  for (size_t i = 0; i < COUNT(zero); i++)
    for (size_t k = 0; a->data[zero[i]] && k < a->count[zero[i]]; k++) {
      const double value = harness_get(a->dtype[zero[i]], a->data[zero[i]], k);
      if (!(value == 0)) fire(result, "equal rows, but loss or gradient isn't 0", value);
    }
}

/* The same losses and gradients, and all statistics but the student's maximum. */
static void check_same(const harness_outputs *a, const harness_outputs *b, harness_result *result) {
  for (int i = 0; i < HARNESS_ARRAYS; i++)
    for (size_t k = 0; a->data[i] && k < a->count[i]; k++) {
      if (i == DISTILL_ROW_STATS && k % 4 == 0) continue;
      if (memcmp((const float *)a->data[i] + k, (const float *)b->data[i] + k, sizeof(float)) != 0)
        fire(result, "a common offset of the student's logits changes",
             harness_get(CLLOSS_F32, b->data[i], k));
    }
}

static void exact(harness *h) {
  static const size_t classes[] = {2, 10, 1000, 5000};
  static const harness_case *const cases[] = {&distill_forward_case, &distill_backward_case,
                                              &distill_fused_case};
  for (size_t device = 0; device < h->n_devices; device++)
    for (size_t i = 0; i < COUNT(plans) * COUNT(classes) * COUNT(cases); i++) {
      const harness_plan *plan = &plans[i % COUNT(plans)];
      const harness_case *c = cases[i / COUNT(plans) % COUNT(cases)];
      distill_shape s = {
          .rows = 23, .classes = classes[i / COUNT(plans) / COUNT(cases)], .fill = DISTILL_SAME};
      clloss_ctx *ctx = harness_ctx(h, device, plan);
      harness_result result = {0};
      harness_outputs a, b;
      uint64_t seed;
      s.options.temperature = 1.7;
      if (!harness_next_of(h, plan, harness_ideal_bytes(c, &s), &seed) || !ctx) continue;
      harness_check(&h->devices[device], ctx, c, &s, seed, NULL, &a, &result);
      check_zero(&a, &result);
      harness_outputs_free(&a);
      s.options.temperature = 2;
      s.fill = DISTILL_SIXTEENTHS;
      harness_check(&h->devices[device], ctx, c, &s, seed, NULL, &a, &result);
      s.fill = DISTILL_SIXTEENTHS_1E6;
      harness_check(&h->devices[device], ctx, c, &s, seed, NULL, &b, &result);
      check_same(&a, &b, &result);
      harness_outputs_free(&a);
      harness_outputs_free(&b);
      harness_report(h, c, &s, plan, &result);
    }
}

int main(int argc, char **argv) {
  harness h;
  int refusals = 0;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  for (size_t i = 0; i < h.n_devices; i++) refusals += status_distill(&h.devices[i]);
  sweep(&h, &state);
  types(&h, &state);
  named(&h);
  exact(&h);
  return harness_close(&h) || refusals;
}
