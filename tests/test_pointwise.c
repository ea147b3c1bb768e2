/* Elementwise losses: every kind with everything that it can be asked, on every kernel family and type. Each kind meets
 * each build and each fill; the rest is drawn from the seed. */
#include "case_pointwise.h"

#include <stdio.h>

#define LANE        CLLOSS_FAMILY_LANE
#define GROUP       CLLOSS_FAMILY_GROUP
#define SPLIT       CLLOSS_FAMILY_SPLIT
#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { MOST_PROGRAMS = 8 };

#define TYPES(x, y, g) CLLOSS_##x, CLLOSS_##y, CLLOSS_##g

/* Which types are compiled for which plan: each pair is a program. */
static const struct {
  uint32_t dtype, target_dtype, grad_dtype;
  harness_plan plan;
} builds[] = {
    {TYPES(F32, F32, F32), {0}},
    {TYPES(F32, F32, F32), {GROUP, 64, 0, 0}},
};

#define KIND(name, value, word, kernel, traits) {CLLOSS_##name, traits},
static const struct { uint32_t kind, traits; } kinds[] = {CLLOSS_POINTWISE_LIST(KIND)};

/* Both sides of vectors of 4 and 16, of four vectors, of a slice of 32 KB; rows and one long row. */
static const size_t sizes[][2] = {{1, 1},   {33, 1},   {20, 3},   {5, 16},    {37, 17},   {2, 63}, {19, 65},
                                  {3, 257}, {9, 1000}, {2, 9001}, {1, 20000}, {300, 300}, {0, 7}};

static pointwise_shape draw(size_t kind, size_t build, size_t size, enum pointwise_fill fill,
                            uint64_t *state) {
  static const size_t offsets[] = {0, 0, 1, 3, 16}, pads[] = {0, 0, 1, 5, 16};
  static const double alphas[] = {0, 0, -0.5, 2, 0.75};
  pointwise_shape s = {.rows = sizes[size][0],
                       .classes = sizes[size][1],
                       .kind = kinds[kind].kind,
                       .dtype = builds[build].dtype,
                       .target_dtype = builds[build].target_dtype,
                       .grad_dtype = builds[build].grad_dtype,
                       .fill = fill};
  const uint32_t traits = kinds[kind].traits;
  clloss_pointwise_options *o = &s.options;
  o->reduction = (uint32_t)harness_pick(state, 4);
  o->divisor = o->reduction == CLLOSS_MEAN && harness_pick(state, 3) == 0 ? 12.5 : 0;
  o->grad_alpha = alphas[harness_pick(state, COUNT(alphas))];
  o->flags = o->grad_alpha != 0 ? CLLOSS_GRAD_ALPHA : 0;
  s.weight = (enum pointwise_spread)(harness_pick(state, 2) ? harness_pick(state, POINTWISE_SPREADS) : 0);
  s.upstream = (enum pointwise_spread)harness_pick(state, POINTWISE_SPREADS);
  if (o->reduction != CLLOSS_NONE && s.upstream != POINTWISE_UNBOUND) s.upstream = POINTWISE_ONE;
  s.zero_weights = harness_pick(state, 8) == 0;
  s.pos_weight = (traits & CLLOSS_TAKES_POS_WEIGHT) && harness_pick(state, 2);
  s.outputs = (uint32_t)harness_pick(state, 8);
  s.in_place = s.grad_dtype == s.dtype && harness_pick(state, 3) == 0;
  if (!s.in_place && harness_pick(state, 3) == 0) o->grad_beta = 0.5;
  s.workspace = harness_pick(state, 2);
  s.offset = offsets[harness_pick(state, COUNT(offsets))];
  s.pad = pads[harness_pick(state, COUNT(pads))];
  return s;
}

/* One shape on one device under one build. */
static void point(harness *h, size_t device, const harness_plan *plan, const pointwise_shape *s) {
  uint64_t seed;
  harness_result result = {0};
  clloss_ctx *ctx = harness_ctx(h, device, plan);
  if (!harness_next(h, &seed) || !ctx) return;
  harness_check_passes(&h->devices[device], ctx, &pointwise_passes, s, seed, &result);
  harness_report(h, &pointwise_fused_case, s, plan, &result);
}

static void sweep(harness *h, size_t device, uint64_t *state) {
  for (size_t build = 0; build < COUNT(builds); build++)
    for (size_t kind = 0; kind < COUNT(kinds); kind++)
      for (size_t size = 0; size < COUNT(sizes); size++)
        for (int fill = 0; fill < POINTWISE_FILLS; fill++) {
          const pointwise_shape s = draw(kind, build, size, (enum pointwise_fill)fill, state);
          point(h, device, &builds[build].plan, &s);
        }
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  for (size_t device = 0; device < h.n_devices; device++) sweep(&h, device, &state);
  return harness_close(&h);
}
