/* Softmax cross-entropy with everything that it can be asked: option sets, element types, layouts and what
 * rows hold, each pair of which meets on some kernel family.
 *
 * The points are drawn so that each adds as many new pairs as a few tries can find; the rest of it (sizes,
 * upstream gradient, offsets …) comes from the seed. A combination that makes no sense is made to make sense
 * by fit(). */
#include "case_xent.h"

#include <stdio.h>
#include <string.h>

#define LANE        CLLOSS_FAMILY_LANE
#define GROUP       CLLOSS_FAMILY_GROUP
#define SPLIT       CLLOSS_FAMILY_SPLIT
#define COUNT(list) (sizeof(list) / sizeof *(list))

#define METRICS \
  (XENT_WITH_METRICS | XENT_WITH_COUNTS | XENT_WITH_PREDICTED | XENT_WITH_CONFIDENCE | XENT_WITH_ENTROPY)
#define WEIGHTS (XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT)

/* Numbers are whole in f32, so that rounding an option isn't what is tested. */
static const struct {
  clloss_xent_options options;
  uint32_t with;
} sets[] = {
    {{0}, 0},
    {{.reduction = CLLOSS_SUM}, METRICS},
    {{.reduction = CLLOSS_NONE}, XENT_WITH_ROW_WEIGHT | XENT_WITH_PREDICTED},
    {{.label_smoothing = 0.1f}, 0},
    {{.label_smoothing = 0.25, .flags = CLLOSS_IGNORE_INDEX, .ignore_index = 1}, XENT_WITH_CLASS_WEIGHT},
    {{.label_smoothing = 1, .reduction = CLLOSS_SUM}, METRICS},
    {{.label_smoothing = 0.3f, .flags = CLLOSS_SMOOTHING_MEGATRON}, METRICS},
    {{.label_smoothing = 0.9f, .flags = CLLOSS_SMOOTHING_MEGATRON, .reduction = CLLOSS_NONE}, WEIGHTS},
    {{0}, XENT_WITH_CLASS_WEIGHT | XENT_WITH_METRICS},
    {{.flags = CLLOSS_IGNORE_INDEX, .ignore_index = -100}, WEIGHTS | XENT_WITH_COUNTS},
    {{.reduction = CLLOSS_SUM}, XENT_WITH_CLASS_WEIGHT | XENT_WITH_ONE_ROW_WEIGHT},
    {{.z_loss = 0x1p-10}, METRICS},
    {{.z_loss = 0.01f, .flags = CLLOSS_IGNORE_INDEX, .ignore_index = 0}, WEIGHTS},
    {{.z_loss = 0.125, .label_smoothing = 0.5, .reduction = CLLOSS_NONE}, XENT_WITH_ROW_WEIGHT},
    {{.logit_scale = 0.7f}, METRICS},
    {{.logit_scale = -1.5, .label_smoothing = 0.1f}, XENT_WITH_CLASS_WEIGHT},
    {{.softcap = 30}, METRICS},
    {{.softcap = 7.5, .logit_scale = 0.3f, .z_loss = 0.01f, .reduction = CLLOSS_SUM}, XENT_WITH_CLASS_WEIGHT},
    {{.softcap = 50, .label_smoothing = 0.2f, .reduction = CLLOSS_NONE}, XENT_WITH_ENTROPY},
    {{.divisor = 12.5, .z_loss = 0.01f}, WEIGHTS | XENT_WITH_METRICS},
    {{.flags = CLLOSS_IGNORE_INDEX, .ignore_index = 2}, XENT_WITH_DIVISOR | XENT_WITH_COUNTS},
    {{.label_smoothing = 0.1f}, XENT_WITH_DIVISOR | XENT_WITH_CLASS_WEIGHT},
    {{.flags = CLLOSS_GRAD_ALPHA, .grad_alpha = -0.5, .grad_beta = 0.75}, 0},
    {{.flags = CLLOSS_GRAD_ALPHA, .grad_alpha = 0, .grad_beta = -1, .reduction = CLLOSS_SUM}, 0},
    {{.grad_beta = 1, .z_loss = 0.01f, .label_smoothing = 0.1f}, WEIGHTS},
    {{.flags = CLLOSS_EMPTY_IS_ZERO | CLLOSS_IGNORE_INDEX, .ignore_index = 1}, XENT_WITH_METRICS},
    {{.flags = CLLOSS_EMPTY_IS_ZERO, .z_loss = 0.01f}, WEIGHTS},
    {{.flags = CLLOSS_BAD_IS_IGNORED, .top_k = 2}, METRICS},
    {{.flags = CLLOSS_BAD_IS_IGNORED | CLLOSS_EMPTY_IS_ZERO, .grad_beta = 0.5}, XENT_WITH_CLASS_WEIGHT},
    {{.top_k = 1, .flags = CLLOSS_IGNORE_INDEX, .ignore_index = 3, .reduction = CLLOSS_NONE},
     METRICS | WEIGHTS},
    {{.flags = CLLOSS_LOG_PROBABILITIES}, XENT_WITH_CLASS_WEIGHT | XENT_WITH_METRICS | XENT_WITH_COUNTS},
    {{.flags = CLLOSS_LOG_PROBABILITIES | CLLOSS_IGNORE_INDEX, .ignore_index = 2}, XENT_WITH_ROW_WEIGHT},
    {{.flags = CLLOSS_LOG_PROBABILITIES | CLLOSS_BAD_IS_IGNORED | CLLOSS_GRAD_ALPHA,
      .grad_alpha = -0.5,
      .grad_beta = 2,
      .reduction = CLLOSS_NONE},
     WEIGHTS},
    {{.label_smoothing = 0.2f,
      .z_loss = 0.01f,
      .logit_scale = 0.9f,
      .softcap = 20,
      .grad_beta = 0.5,
      .grad_alpha = 2,
      .flags = CLLOSS_GRAD_ALPHA | CLLOSS_IGNORE_INDEX | CLLOSS_BAD_IS_IGNORED,
      .ignore_index = -1},
     WEIGHTS | METRICS},
};

#define TYPES(x, g, t) CLLOSS_##x, CLLOSS_##g, CLLOSS_##t

/* Which types are compiled for which plan: each pair is a program. Each type of probabilities meets each type of logits
 * and of gradients, but not each pair of them. */
static const struct {
  uint32_t dtype, grad_dtype, targets_dtype;
  harness_plan plan;
} builds[] = {
    {TYPES(F32, F32, I32), {0}},
    {TYPES(F32, F32, I64), {LANE, 0, 5, 0}},
    {TYPES(F32, F32, I32), {SPLIT, 0, 0, 3}},
    {TYPES(F32, F32, I64), {SPLIT, 7, 0, 3}},
    {TYPES(F32, F32, I32), {GROUP, 2, 0, 0}},
    {TYPES(F32, F32, I64), {GROUP, 2, 0, 0}},
    {TYPES(F32, F32, I32), {GROUP, 3, 0, 0}},
    {TYPES(F32, F32, I64), {GROUP, 60, 0, 0}},
    {TYPES(F32, F32, I32), {GROUP, 64, 5, 0}},
    {TYPES(F32, F32, I64), {GROUP, 256, 0, 0}},
    {TYPES(F32, F32, F32), {0}},
    {TYPES(F32, F32, F32), {SPLIT, 0, 0, 3}},
    {TYPES(F32, F32, F32), {GROUP, 8, 0, 0}},
    {TYPES(F64, F64, I32), {0}},
    {TYPES(F64, F64, I64), {SPLIT, 0, 0, 3}},
    {TYPES(F64, F64, I64), {GROUP, 7, 0, 0}},
    {TYPES(F64, F64, F64), {0}},
    {TYPES(F64, F64, F64), {GROUP, 0, 0, 0}},
    {TYPES(F16, F16, I32), {0}},
    {TYPES(F16, F16, I64), {GROUP, 64, 5, 0}},
    {TYPES(F16, F32, I64), {0}},
    {TYPES(F16, F32, I32), {GROUP, 64, 0, 0}},
    {TYPES(F16, F16, F32), {0}},
    {TYPES(F16, F32, F16), {0}},
    {TYPES(BF16, BF16, I32), {0}},
    {TYPES(BF16, BF16, I64), {SPLIT, 0, 0, 3}},
    {TYPES(BF16, BF16, I32), {GROUP, 16, 0, 0}},
    {TYPES(BF16, F32, I64), {0}},
    {TYPES(BF16, BF16, BF16), {0}},
    {TYPES(BF16, BF16, F32), {GROUP, 32, 0, 0}},
    {TYPES(BF16, F32, F32), {0}},
};

/* Rows are a multiple of inner. Sizes meet both sides of sixteen classes, rows in lanes or not, and a
 * block's end. */
static const struct {
  size_t rows, classes, inner, offset, pad, class_pad, row_pad;
  bool in_place;
} layouts[] = {
    {64, 10, 1, 0, 0, 0, 0, false},  {33, 37, 1, 1, 5, 0, 2, false},  {33, 100, 1, 0, 3, 0, 0, true},
    {70, 5, 1, 3, 1, 0, 1, true},    {48, 21, 16, 0, 0, 0, 0, false}, {60, 40, 20, 1, 3, 2, 1, false},
    {45, 6, 15, 2, 0, 0, 0, true},   {35, 50, 7, 0, 4, 0, 3, true},   {40, 19, 1, 1, 2, 1, 0, false},
    {21, 33, 1, 0, 0, 4, 0, true},   {5, 2100, 1, 2, 1, 0, 0, false}, {3, 8200, 1, 0, 0, 0, 0, true},
    {100, 1, 1, 0, 0, 0, 2, false},  {99, 3, 33, 5, 2, 0, 0, false},  {17, 16, 17, 0, 1, 1, 0, true},
    {6, 5000, 2, 0, 0, 0, 0, false},
};

/* ---- points that cover all pairs ---- */

enum { SET, BUILD, LAYOUT, FILL, FACTORS, LEVELS_MOST = 40, TRIES = 40, POINTS_MOST = 3000 };

static const size_t levels[FACTORS] = {COUNT(sets), COUNT(builds), COUNT(layouts), XENT_FILLS};

static bool met[FACTORS][FACTORS][LEVELS_MOST][LEVELS_MOST];

static size_t new_pairs(const size_t *at) {
  size_t n = 0;
  for (int i = 0; i < FACTORS; i++)
    for (int k = i + 1; k < FACTORS; k++) n += !met[i][k][at[i]][at[k]];
  return n;
}

static size_t meet(const size_t *at) {
  const size_t n = new_pairs(at);
  for (int i = 0; i < FACTORS; i++)
    for (int k = i + 1; k < FACTORS; k++) met[i][k][at[i]][at[k]] = true;
  return n;
}

/* The best of some random points that hold a pair not yet met, the first one in order. */
static void choose(size_t *best, uint64_t *state) {
  size_t pair[4] = {0}, most = 0;
  for (int i = 0; i < FACTORS; i++)
    for (int k = i + 1; k < FACTORS; k++)
      for (size_t a = 0; a < levels[i]; a++)
        for (size_t b = 0; b < levels[k]; b++)
          if (!met[i][k][a][b]) pair[0] = (size_t)i, pair[1] = (size_t)k, pair[2] = a, pair[3] = b;
  for (int try = 0; try < TRIES; try++) {
    size_t at[FACTORS];
    for (int i = 0; i < FACTORS; i++) at[i] = harness_pick(state, levels[i]);
    at[pair[0]] = pair[2];
    at[pair[1]] = pair[3];
    const size_t n = new_pairs(at);
    if (n > most) most = n, memcpy(best, at, sizeof at);
  }
}

/* ---- one point ---- */

/* Takes from the options what makes no sense with the rest, which the library refuses. */
static void fit(xent_shape *s) {
  clloss_xent_options *o = &s->options;
  if (xent_has_probabilities(s)) {
    o->flags &= ~(uint32_t)(CLLOSS_IGNORE_INDEX | CLLOSS_BAD_IS_IGNORED | CLLOSS_LOG_PROBABILITIES);
    o->ignore_index = 0;
  }
  if (s->classes == 1) o->flags &= ~(uint32_t)CLLOSS_SMOOTHING_MEGATRON;
  if (xent_grad_dtype(s) != xent_dtype(s) || o->grad_beta != 0) s->in_place = false;
  if ((s->fill == XENT_IGNORED_NAN || s->fill == XENT_ALL_IGNORED) && !(o->flags & CLLOSS_IGNORE_INDEX)) {
    s->fill = XENT_RANDOM;
    if (xent_has_probabilities(s)) return;
    s->fill = XENT_ALL_IGNORED;
    o->flags |= CLLOSS_IGNORE_INDEX;
    o->ignore_index = 255;
  }
}

static xent_shape shape_at(const size_t *at, uint64_t *state) {
  xent_shape s = {.rows = layouts[at[LAYOUT]].rows,
                  .classes = layouts[at[LAYOUT]].classes,
                  .inner = layouts[at[LAYOUT]].inner,
                  .offset = layouts[at[LAYOUT]].offset,
                  .pad = layouts[at[LAYOUT]].pad,
                  .class_pad = layouts[at[LAYOUT]].class_pad,
                  .row_pad = layouts[at[LAYOUT]].row_pad,
                  .in_place = layouts[at[LAYOUT]].in_place,
                  .dtype = builds[at[BUILD]].dtype,
                  .grad_dtype = builds[at[BUILD]].grad_dtype,
                  .targets_dtype = builds[at[BUILD]].targets_dtype,
                  .options = sets[at[SET]].options,
                  .with = sets[at[SET]].with,
                  .fill = (enum xent_fill)at[FILL]};
  s.upstream = (enum xent_upstream)harness_pick(state, s.options.reduction == CLLOSS_NONE ? 3 : 2);
  s.without = (uint32_t)harness_pick(state, 8);
  s.workspace = harness_pick(state, 2);
  fit(&s);
  return s;
}

/* ---- long sums ---- */

/* Weights of more rows than one chain of additions bears, and classes likewise where they aren't neighbours. Many rows go
 * to plans that clLoss may make alone: a split's work-groups each count all rows, and groups take half a minute. */
static void long_sums(harness *h) {
  static const harness_plan few[] = {{0}, {SPLIT, 0, 0, 3}, {GROUP, 64, 0, 0}},
                            whole[] = {{0}, {LANE, 0, 5000, 0}};
  static const xent_shape rows[] = {
      {.rows = 150001, .classes = 2, .with = WEIGHTS | XENT_WITH_METRICS},
      {.rows = 150001, .classes = 2, .with = XENT_WITH_CLASS_WEIGHT, .factors.constant = true},
      {.rows = 120000,
       .classes = 3,
       .with = XENT_WITH_ROW_WEIGHT,
       .factors.constant = true,
       .upstream = XENT_UPSTREAM_ONE},
  };
  static const xent_shape classes[] = {
      {.rows = 4, .classes = 32768, .inner = 4, .fill = XENT_EQUAL, .with = METRICS},
      {.rows = 4,
       .classes = 32768,
       .inner = 4,
       .options.label_smoothing = 0.25,
       .with = XENT_WITH_CLASS_WEIGHT},
      {.rows = 2, .classes = 131072, .class_pad = 1, .options.label_smoothing = 0.5},
      {.rows = 1, .classes = 600000, .options.label_smoothing = 0.5, .with = WEIGHTS},
  };
  for (size_t i = 0; i < COUNT(rows); i++) harness_sweep(h, &xent_passes, &rows[i], whole, COUNT(whole));
  for (size_t i = 0; i < COUNT(classes); i++) harness_sweep(h, &xent_passes, &classes[i], few, COUNT(few));
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  size_t pairs = 0, left;
  for (int i = 0; i < FACTORS; i++)
    for (int k = i + 1; k < FACTORS; k++) pairs += levels[i] * levels[k];
  left = pairs;
  for (size_t point = 0; left && point < POINTS_MOST; point++) {
    size_t at[FACTORS];
    choose(at, &state);
    left -= meet(at);
    const xent_shape s = shape_at(at, &state);
    harness_sweep(&h, &xent_passes, &s, &builds[at[BUILD]].plan, 1);
  }
  long_sums(&h);
  printf("%zu pairs, %zu not met\n", pairs, left);
  h.failed += left != 0;
  return harness_close(&h);
}
