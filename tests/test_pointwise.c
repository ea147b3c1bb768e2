/* Elementwise losses: every kind with everything that it can be asked, on every kernel family and type. Each kind meets
 * each build, each size and each fill; the rest is drawn from the seed. */
#include "case_pointwise.h"
#include "refusal.h"

#include <stdio.h>

#define LANE        CLLOSS_FAMILY_LANE
#define GROUP       CLLOSS_FAMILY_GROUP
#define SPLIT       CLLOSS_FAMILY_SPLIT
#define COUNT(list) (sizeof(list) / sizeof *(list))

#define TYPES(x, y, g) CLLOSS_##x, CLLOSS_##y, CLLOSS_##g

/* Which types meet which plan: for each team and types there is one program, for each local size a compilation of every
 * kernel, so that not all builds meet all kinds. */
static const struct {
  uint32_t dtype, target_dtype, grad_dtype;
  bool all_kinds; /* or just two of them */
  harness_plan plan;
} builds[] = {
    {TYPES(F32, F32, F32), true, {0}},
    {TYPES(F32, F32, F32), true, {LANE, 0, 5, 0}},
    {TYPES(F32, F32, F32), true, {SPLIT, 0, 0, 3}},
    {TYPES(F32, F32, F32), true, {GROUP, 64, 0, 0}},
    {TYPES(F32, F32, F32), true, {SPLIT, 64, 0, 5}},
    {TYPES(F32, F32, F32), false, {GROUP, 2, 0, 0}},
    {TYPES(F32, F32, F32), false, {GROUP, 7, 3, 0}},
    {TYPES(F32, F32, F32), false, {GROUP, 60, 0, 0}},
    {TYPES(F32, F32, F32), false, {GROUP, 256, 0, 0}},
    {TYPES(F64, F64, F64), true, {0}},
    {TYPES(F64, F64, F64), false, {GROUP, 8, 0, 0}},
    {TYPES(F16, F16, F16), true, {0}},
    {TYPES(F16, F32, F32), false, {0}},
    {TYPES(BF16, BF16, BF16), true, {0}},
    {TYPES(BF16, F32, F32), false, {GROUP, 64, 5, 0}},
};
enum { LARGE_LANE = 0, LARGE_GROUP = 3 }; /* the builds for large() */

#define KIND(name, value, word, kernel, traits) {CLLOSS_##name, traits},
static const struct { uint32_t kind, traits; } kinds[] = {CLLOSS_POINTWISE_LIST(KIND)};

/* Both sides of vectors of 4 and 16, of four vectors, of a slice of 32 KB; rows and one long row. */
static const size_t sizes[][2] = {{1, 1},   {33, 1},   {20, 3},   {5, 16},    {37, 17},  {2, 63}, {19, 65},
                                  {3, 257}, {9, 1000}, {2, 9001}, {1, 20000}, {90, 300}, {0, 7}};

/* What some kinds alone take. */
static void draw_options(uint32_t traits, clloss_pointwise_options *o, uint64_t *state) {
  static const double deltas[] = {0, 0.5, 2.5, 1e-3f, 20}, clips[] = {0, 0x1p-20, 1e-10f, 0.125};
  static const double gammas[] = {0, 0.5, 1, 3.25}, focal_alphas[] = {0, 0.75, -1, 1};
  if (traits & (CLLOSS_TAKES_DELTA | CLLOSS_TAKES_BETA))
    o->delta = deltas[harness_pick(state, COUNT(deltas))];
  if ((traits & CLLOSS_TAKES_BETA) && o->delta == 0) o->flags |= CLLOSS_SET_DELTA;
  if (traits & CLLOSS_TAKES_CLIP) o->clip = clips[harness_pick(state, COUNT(clips))];
  if ((traits & CLLOSS_TAKES_GAMMA) && harness_pick(state, 2))
    o->flags |= CLLOSS_SET_GAMMA, o->gamma = gammas[harness_pick(state, COUNT(gammas))];
  if (traits & CLLOSS_TAKES_ALPHA) o->alpha = focal_alphas[harness_pick(state, COUNT(focal_alphas))];
  if ((traits & CLLOSS_TAKES_LOG_TARGET) && harness_pick(state, 2)) o->flags |= CLLOSS_LOG_TARGET;
}

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
  draw_options(traits, o, state);
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

static void sweep(harness *h, size_t device, uint64_t *state) {
  for (size_t build = 0; build < COUNT(builds); build++)
    for (size_t kind = 0; kind < COUNT(kinds); kind++)
      for (size_t size = 0; size < COUNT(sizes); size++) {
        const enum pointwise_fill fill = (enum pointwise_fill)((build + size) % POINTWISE_FILLS);
        const pointwise_shape s = draw(kind, build, size, fill, state);
        const bool few = kinds[kind].kind == CLLOSS_MSE || kinds[kind].kind == CLLOSS_BCE;
        const bool can = builds[build].dtype != CLLOSS_F64 || harness_has_f64(&h->devices[device]);
        if (can && (few || builds[build].all_kinds))
          harness_point(h, device, &builds[build].plan, &pointwise_passes, NULL, &s);
      }
}

/* Gradients that are written past the cache, from aligned starts and others; many slices and many rows. */
static void large(harness *h, size_t device) {
  for (size_t i = 0; i < 8; i++) {
    pointwise_shape s = {.rows = 1101, .classes = 1000, .kind = i & 1 ? CLLOSS_MSE : CLLOSS_BCE_LOGITS};
    s.fill = POINTWISE_LIMITS;
    s.offset = i & 2 ? 3 : 0;
    s.pad = i & 2 ? 8 : 0;
    if (i & 4) s.rows = 350, s.classes = 6017, s.dtype = CLLOSS_BF16;
    s.outputs = POINTWISE_NO_ELEMENT_LOSS;
    harness_point(h, device, &builds[i & 1 ? LARGE_LANE : LARGE_GROUP].plan, &pointwise_passes, NULL, &s);
  }
  const pointwise_shape many = {.rows = 70001, .classes = 3, .kind = CLLOSS_MSE, .pad = 1};
  harness_point(h, device, &builds[LARGE_LANE].plan, &pointwise_passes, NULL, &many);
  harness_point(h, device, &builds[LARGE_GROUP].plan, &pointwise_passes, NULL, &many);
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  int refusals = 0;
  for (size_t device = 0; device < h.n_devices; device++) {
    refusals += status_pointwise(&h.devices[device]);
    sweep(&h, device, &state);
    large(&h, device);
  }
  return harness_close(&h) || refusals;
}
