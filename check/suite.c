/* The points of `clloss check`: layouts, and for each loss the styles in which they are called. */
#include "suite.h"

#include "case_cast.h"
#include "case_distill.h"
#include "case_information.h"
#include "case_pointwise.h"
#include "case_softmax.h"
#include "case_xent.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

const uint32_t suite_types[SUITE_TYPES] = {CLLOSS_F32, CLLOSS_BF16, CLLOSS_F16, CLLOSS_F64};

const char *suite_loss_name(int loss) {
  static const char *const names[SUITE_LOSSES] = {"softmax", "information", "cast",
                                                  "xent",    "distill",     "pointwise"};
  return names[loss];
}

/* ---- where and how ---- */

/* Starts that no vector is aligned to are as many as those that all are: drivers differ in which they get wrong. */
static const case_layout quick[] = {
    {.rows = 37, .classes = 10, .offset = 1},                          /* fits a tile */
    {.rows = 64, .classes = 16},                                       /* fills it */
    {.rows = 33, .classes = 100, .pad = 3, .offset = 3, .row_pad = 1}, /* may walk along */
    {.rows = 9, .classes = 1000, .pad = 5, .offset = 1},               /* whole rows */
    {.rows = 6, .classes = 4096},                             /* several blocks of an online maximum */
    {.rows = 42, .classes = 50, .inner = 21, .class_pad = 1}, /* rows are neighbours in memory */
    {.rows = 1, .classes = 9001, .offset = 1},                /* worth splitting */
};

static const case_layout more[] = {
    {.rows = 1, .classes = 1},
    {.rows = 100, .classes = 7, .pad = 1, .row_pad = 3},
    {.rows = 257, .classes = 15},
    {.rows = 18, .classes = 33, .offset = 3},
    {.rows = 19, .classes = 63, .pad = 5, .offset = 16},
    {.rows = 16, .classes = 256},
    {.rows = 5, .classes = 257, .offset = 1, .class_pad = 2},
    {.rows = 3, .classes = 2047, .pad = 1, .offset = 3},
    {.rows = 74, .classes = 5, .inner = 37, .pad = 16, .offset = 1},
    {.rows = 48, .classes = 700, .inner = 16},
    {.rows = 2, .classes = 32768, .row_pad = 5},
    {.rows = 1, .classes = 140001, .offset = 3}, /* more than 64 blocks */
    {.rows = 9001, .classes = 10},               /* several partial sums of weights */
    {.rows = 66000, .classes = 17, .offset = 1}, /* more rows than one launch has work-groups */
    {.rows = 260,
     .classes = 8200,
     .pad = 8}, /* the last: outputs that are written past the cache, in types of 16 bits too */
};

static const case_layout *const past_cache = &more[COUNT(more) - 1];

/* Forced one after the other. Local sizes of 7 and 256 are those at which a driver is known to miscompile a reduction. */
static const harness_plan forced[] = {{CLLOSS_FAMILY_LANE, 0, 0, 0},   {CLLOSS_FAMILY_LANE, 0, 5, 0},
                                      {CLLOSS_FAMILY_SPLIT, 0, 0, 3},  {CLLOSS_FAMILY_SPLIT, 7, 0, 3},
                                      {CLLOSS_FAMILY_SPLIT, 64, 0, 0}, {CLLOSS_FAMILY_GROUP, 0, 0, 0},
                                      {CLLOSS_FAMILY_GROUP, 2, 0, 0},  {CLLOSS_FAMILY_GROUP, 7, 3, 0},
                                      {CLLOSS_FAMILY_GROUP, 64, 0, 0}, {CLLOSS_FAMILY_GROUP, 256, 0, 0}};

typedef struct walk {
  const suite *s;
  suite_visit *visit;
  void *user;
  const case_layout *at;
  suite_point point; /* the next one */
} walk;

/* Points are numbered whether wanted or not, and drawn from the seed, what they are of and their number alone. The quick
 * suite takes every pass with f32: types differ in loads and stores alone, and each kernel has to be compiled. */
static void offer(walk *w, suite_point p) {
  p.fused_alone = p.passes && !w->s->full && w->s->dtype != CLLOSS_F32;
  uint64_t state = w->s->seed ^ (uint64_t)w->point.number << 40 ^ (uint64_t)w->s->loss << 8 ^ w->s->dtype;
  p.number = w->point.number++;
  p.plan = w->point.plan;
  p.seed = harness_random(&state);
  w->visit(w->user, &p);
}

/* ---- softmax cross-entropy ---- */

enum { WEIGHTS = XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT };
enum {
  ALL_METRICS = XENT_WITH_METRICS | XENT_WITH_COUNTS | XENT_WITH_PREDICTED | XENT_WITH_CONFIDENCE |
                XENT_WITH_ENTROPY
};

/* Compiling takes most of the quick suite's time, which therefore takes probabilities for targets, a program of their own,
 * and log-probabilities, a kernel of theirs, with f32 alone; and what is written past the cache in one style. */
static const struct {
  bool probabilities;
  xent_shape shape;
} xent_styles[] = {
    {false, {.in_place = true, .without = XENT_NO_ROW_LOSS}},
    {false,
     {.fill = XENT_MIXED,
      .targets_dtype = CLLOSS_F32,
      .options = {.reduction = CLLOSS_NONE, .flags = CLLOSS_IGNORE_INDEX | CLLOSS_TARGET_INDICES},
      .upstream = XENT_UPSTREAM_ROWS}},
    {false,
     {.with = WEIGHTS,
      .upstream = XENT_UPSTREAM_ONE,
      .targets_dtype = CLLOSS_I64,
      .options = {.label_smoothing = 0.1,
                  .flags = CLLOSS_IGNORE_INDEX | CLLOSS_ACCUMULATE,
                  .ignore_index = 3}}},
    {false,
     {.targets_dtype = CLLOSS_U16,
      .options = {.reduction = CLLOSS_SUM,
                  .flags = CLLOSS_GRAD_ALPHA,
                  .grad_alpha = -0.5,
                  .grad_beta = 0.75,
                  .z_loss = 0.01}}},
    {false,
     {.with = ALL_METRICS | XENT_WITH_DIVISOR,
      .fill = XENT_BAD_TARGET,
      .in_place = true,
      .targets_dtype = CLLOSS_F16,
      .options = {.softcap = 20,
                  .logit_scale = 0.5,
                  .top_k = 3,
                  .flags = CLLOSS_BAD_IS_IGNORED | CLLOSS_TARGET_INDICES | CLLOSS_ACCUMULATE}}},
    {false,
     {.targets_dtype = CLLOSS_U8, .options.flags = CLLOSS_LOG_PROBABILITIES, .with = XENT_WITH_ROW_WEIGHT}},
    {true, {.in_place = true, .with = XENT_WITH_CLASS_WEIGHT, .options.label_smoothing = 0.1}},
    {true, {.with = XENT_WITH_ONE_ROW_WEIGHT | XENT_WITH_ENTROPY, .options.grad_beta = 1}},
};

enum { MIXED_STYLE = 1 };

/* The call that finds a divisor, whose programs are those of its real type. */
static void offer_divisor(walk *w) {
  if (w->s->dtype != CLLOSS_F32 && w->s->dtype != CLLOSS_F64) return;
  const xent_shape s = {.layout = *w->at,
                        .dtype = w->s->dtype,
                        .targets_dtype = CLLOSS_I64,
                        .with = WEIGHTS,
                        .fill = XENT_BAD_TARGET,
                        .options = {.flags = CLLOSS_ACCUMULATE | CLLOSS_IGNORE_INDEX}};
  offer(w, (suite_point){.loss = "xent", .one = &xent_divisor_case, .shape = &s});
}

static void visit_xent(walk *w) {
  const uint32_t real = w->s->dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  for (size_t i = 0; i < COUNT(xent_styles); i++) {
    xent_shape s = xent_styles[i].shape;
    const clloss_xent_options *o = &s.options;
    const bool nll = o->flags & CLLOSS_LOG_PROBABILITIES;
    const bool rare = nll || xent_styles[i].probabilities;
    if (!w->s->full && ((rare && w->s->dtype != CLLOSS_F32) || (w->at == past_cache && i != MIXED_STYLE)))
      continue;
    s.layout = *w->at;
    s.dtype = w->s->dtype;
    if (xent_styles[i].probabilities) s.targets_dtype = real;
    /* in the full suite pairs of types too, which are programs of their own */
    if (w->s->full && !s.in_place && w->point.plan.family == 0 && o->grad_beta != 0) s.grad_dtype = real;
    offer(w, (suite_point){.loss = nll ? "nll" : "xent",
                           .passes = &xent_passes,
                           .shape = &s,
                           .in_place = s.in_place,
                           .updates = o->grad_beta != 0,
                           .walks = !nll && o->grad_beta == 0 && o->softcap == 0 && !(s.with & ALL_METRICS)});
  }
  offer_divisor(w);
}

/* ---- softmax ---- */

static const struct {
  const harness_case *one;
  softmax_shape shape;
} softmax_styles[] = {
    {&softmax_forward_case, {.in_place = true}},
    {&softmax_forward_case, {.fill = SOFTMAX_MIXED, .scale = -1.5}},
    {&softmax_forward_case, {.is_log = true, .fill = SOFTMAX_MASKED}},
    {&softmax_backward_case, {.in_place = true, .scale = 0.125}},
    {&softmax_backward_case, {.fill = SOFTMAX_MIXED}},
    {&softmax_backward_case, {.is_log = true, .in_place = true}},
};

static void visit_softmax(walk *w) {
  for (size_t i = 0; i < COUNT(softmax_styles); i++) {
    softmax_shape s = softmax_styles[i].shape;
    s.layout = *w->at;
    s.read = w->s->dtype;
    offer(w, (suite_point){.loss = s.is_log ? "log-softmax" : "softmax",
                           .one = softmax_styles[i].one,
                           .shape = &s,
                           .in_place = s.in_place});
  }
}

/* ---- distillation ---- */

static const distill_shape distill_styles[] = {
    {.in_place = true, .without = DISTILL_NO_ROW_LOSS},
    {.fill = DISTILL_MIXED,
     .options.reduction = CLLOSS_NONE,
     .upstream = DISTILL_UPSTREAM_ROWS,
     .with = DISTILL_WITH_ROW_WEIGHT},
    {.fill = DISTILL_NEAR,
     .options = {.temperature = 2, .flags = CLLOSS_TEMPERATURE_SQUARED},
     .with = DISTILL_WITH_ROW_WEIGHT,
     .upstream = DISTILL_UPSTREAM_ONE},
    {.fill = DISTILL_MASK_TEACHER, .in_place = true, .with = DISTILL_WITH_DIVISOR},
};

static void visit_distill(walk *w) {
  for (size_t i = 0; i < COUNT(distill_styles); i++) {
    distill_shape s = distill_styles[i];
    s.layout = *w->at;
    s.dtype = w->s->dtype;
    if (s.dtype == CLLOSS_BF16) s.teacher_dtype = CLLOSS_F32; /* a pair of types that differ */
    offer(w,
          (suite_point){.loss = "distill", .passes = &distill_passes, .shape = &s, .in_place = s.in_place});
  }
}

/* ---- surprisal and entropy ---- */

static const information_shape information_styles[] = {
    {.fill = INFORMATION_MIXED},
    {.fill = INFORMATION_MIXED, .flags = CLLOSS_FROM_PROBABILITIES, .targets_dtype = CLLOSS_I64},
    {.fill = INFORMATION_MIXED, .flags = CLLOSS_FROM_LOG_PROBABILITIES, .targets_dtype = CLLOSS_F32},
};

static void visit_information(walk *w) {
  for (size_t i = 0; i < COUNT(information_styles); i++) {
    information_shape s = information_styles[i];
    s.layout = *w->at;
    s.dtype = w->s->dtype;
    offer(w, (suite_point){.loss = "information", .one = &information_case, .shape = &s});
  }
}

/* ---- conversion, which is no loss and fails a user as well ---- */

/* In the quick suite from f32 to the storage types, and from the others to f32; in the full one every pair, those with f64 among the
 * points of f64, which a device may lack. */
static void visit_cast(walk *w) {
  if (w->at->inner) return;
  for (size_t i = 0; i < SUITE_TYPES; i++) {
    const uint32_t to = suite_types[i], from = w->s->dtype;
    const bool beside = from == CLLOSS_F32 ? to == CLLOSS_BF16 || to == CLLOSS_F16 : to == CLLOSS_F32;
    if (!beside && !(w->s->full && (to != CLLOSS_F64 || from == CLLOSS_F64))) continue;
    const cast_shape s = {.layout = *w->at, .read = from, .write = to},
                     back = {.layout = *w->at, .read = to, .write = from};
    offer(w, (suite_point){.loss = "cast", .one = &cast_case, .shape = &s});
    if (w->s->full && from == CLLOSS_F64)
      offer(w, (suite_point){.loss = "cast", .one = &cast_case, .shape = &back});
  }
}

/* ---- elementwise losses ---- */

#define KIND(name, value, word, kernel, traits) {CLLOSS_##name, traits, word},
static const struct {
  uint32_t kind, traits;
  const char *name;
} kinds[] = {CLLOSS_POINTWISE_LIST(KIND)};

static const pointwise_shape pointwise_styles[] = {
    {.in_place = true, .outputs = POINTWISE_NO_ELEMENT_LOSS},
    {.fill = POINTWISE_LIMITS,
     .options.reduction = CLLOSS_NONE,
     .upstream = POINTWISE_WHOLE,
     .weight = POINTWISE_ROWS},
    {.fill = POINTWISE_FAULTS,
     .options = {.reduction = CLLOSS_SUM, .grad_beta = 0.5, .grad_alpha = 2, .flags = CLLOSS_GRAD_ALPHA},
     .weight = POINTWISE_CLASSES,
     .outputs = POINTWISE_WITH_COUNTS},
    {.fill = POINTWISE_NAN, .in_place = true, .upstream = POINTWISE_ONE, .weight = POINTWISE_WHOLE},
};

/* What some kinds alone take, in every second style. */
static void set_options(pointwise_shape *s, uint32_t traits) {
  if (traits & (CLLOSS_TAKES_DELTA | CLLOSS_TAKES_BETA)) s->options.delta = 0.5;
  if (traits & CLLOSS_TAKES_CLIP) s->options.clip = 0x1p-20;
  if (traits & CLLOSS_TAKES_GAMMA) s->options.gamma = 1, s->options.flags |= CLLOSS_SET_GAMMA;
  if (traits & CLLOSS_TAKES_ALPHA) s->options.alpha = 0.75;
  if (traits & CLLOSS_TAKES_LOG_TARGET) s->options.flags |= CLLOSS_LOG_TARGET;
  s->pos_weight = (traits & CLLOSS_TAKES_POS_WEIGHT) != 0;
}

/* The quick suite takes every kind with f32, and with one of the other types, whose loads and stores are common to all. */
static void visit_pointwise(walk *w) {
  size_t type = 0;
  while (suite_types[type] != w->s->dtype) type++;
  if (w->at->inner || w->at->class_pad) return;
  for (size_t k = 0; k < COUNT(kinds); k++)
    for (size_t i = 0; i < COUNT(pointwise_styles); i++) {
      if (!w->s->full && type && k % (SUITE_TYPES - 1) != type - 1) continue;
      pointwise_shape s = pointwise_styles[i];
      s.layout = *w->at;
      s.kind = kinds[k].kind;
      s.dtype = w->s->dtype;
      if (i % 2) set_options(&s, kinds[k].traits);
      offer(w, (suite_point){.loss = kinds[k].name,
                             .passes = &pointwise_passes,
                             .shape = &s,
                             .in_place = s.in_place,
                             .updates = s.options.grad_beta != 0});
    }
}

/* ---- the whole ---- */

static void visit_layouts(walk *w, const case_layout *layouts, size_t n) {
  static void (*const visit[SUITE_LOSSES])(walk *) = {visit_softmax, visit_information, visit_cast,
                                                      visit_xent,    visit_distill,     visit_pointwise};
  for (size_t i = 0; i < n; i++) {
    w->at = &layouts[i];
    visit[w->s->loss](w);
  }
}

void suite_points(const suite *s, suite_visit *visit, void *user) {
  walk w = {.s = s, .visit = visit, .user = user};
  visit_layouts(&w, quick, COUNT(quick));
  /* what is written past the cache, once */
  if (!s->full && (s->loss == SUITE_CAST || (s->dtype == CLLOSS_F32 && s->loss == SUITE_XENT)))
    visit_layouts(&w, past_cache, 1);
  if (!s->full) return;
  visit_layouts(&w, more, COUNT(more));
  for (size_t i = 0; i < COUNT(forced); i++) {
    if (forced[i].local_size > s->local_most) continue;
    w.point.plan = forced[i];
    visit_layouts(&w, quick, COUNT(quick));
  }
}

const harness_case *suite_case(const suite_point *point) {
  return point->passes ? point->passes->fused : point->one;
}

/* Asked of cross-entropy's plan, which is everyone's: what isn't the plain call walks nothing along, which bound metrics
 * stand for here, and what isn't cross-entropy splits nothing either. */
clloss_status suite_family(const suite_point *point, clloss_ctx *ctx, char family[SUITE_FAMILY]) {
  const harness_case *c = suite_case(point);
  harness_array a[HARNESS_ARRAYS];
  clloss_plan plan = {.struct_size = sizeof plan};
  memset(a, 0, sizeof a);
  c->arrays(c, point->shape, NULL, a);
  const bool divisor = c == &xent_divisor_case;
  const harness_array *read = &a[a[0].role == HARNESS_UNBOUND && !divisor];
  const size_t inner = read->inner ? read->inner : 1;
  const clloss_xent x = {
      .struct_size = sizeof x,
      .rows = read->rows,
      .classes = read->columns,
      .inner = inner,
      .logits = {.row_stride = read->row_stride, .class_stride = read->class_stride, .dtype = read->dtype},
      .metrics.dtype = point->walks ? 0 : CLLOSS_F32};
  const clloss_status status = clloss_xent_plan(ctx, &x, &plan);
  const bool elementwise = divisor || c == &cast_case || point->passes == &pointwise_passes ||
                           strcmp(point->loss, "nll") == 0;
  snprintf(family, SUITE_FAMILY, "%s", status == CLLOSS_SUCCESS ? plan.variant : "?");
  char *cut = elementwise                     ? strchr(family, '_')
              : point->passes != &xent_passes ? strstr(family, "_split")
                                              : NULL;
  if (cut) *cut = 0;
  return status;
}

bool suite_run(const harness_device *device, clloss_ctx *ctx, const suite_point *point,
               harness_result *result) {
  if (point->passes && !point->fused_alone)
    return harness_check_passes(device, ctx, point->passes, point->shape, point->seed, result);
  return harness_check(device, ctx, suite_case(point), point->shape, point->seed, NULL, NULL, result);
}
