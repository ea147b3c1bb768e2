/* The losses, as spoilt.c needs them: a table each, a small good call, and the way back from a call's structs to the shape
 * whose case tells what it should have computed. */
#include "spoilt.h"

#include <stddef.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- what they share ---- */

/* The typed functions, as functions of any struct. */
#define MAKE(loss, pass)                                                                                  \
  static clloss_status make_##loss##_##pass(clloss_ctx *ctx, const void *arrays, const void *options,     \
                                            cl_command_queue queue, cl_uint n_wait, const cl_event *wait, \
                                            cl_event *done) {                                             \
    return clloss_##loss##_##pass(ctx, arrays, options, queue, n_wait, wait, done);                       \
  }
#define WORKSPACE(loss)                                                                           \
  static clloss_status workspace_##loss(clloss_ctx *ctx, const void *arrays, const void *options, \
                                        size_t *bytes) {                                          \
    return clloss_##loss##_workspace(ctx, arrays, options, bytes);                                \
  }

static void draw_layout(case_layout *l, uint64_t *state) {
  *l = (case_layout){.inner = 1, .classes = 1 + harness_pick(state, 20)};
  if (fuzz_one_in(state, 3)) l->inner = harness_pick(state, 4);
  l->rows = (l->inner ? l->inner : 1) * (1 + harness_pick(state, 4));
  if (fuzz_one_in(state, 16)) l->rows = 0;
  l->offset = harness_pick(state, 2) ? harness_pick(state, 20) : 0;
  l->pad = harness_pick(state, 2) ? harness_pick(state, 6) : 0;
  l->row_pad = harness_pick(state, 2) ? harness_pick(state, 3) : 0;
  if (fuzz_one_in(state, 4)) l->class_pad = harness_pick(state, 3);
}

/* Bounds ask whether classes lie apart, not how far. */
static void describe_layout(case_layout *l, size_t rows, size_t classes, size_t inner,
                            const clloss_view *view) {
  *l = (case_layout){.rows = rows, .classes = classes, .inner = inner};
  l->class_pad = view->class_stride > case_inner(l) ? view->class_stride - case_inner(l) : 0;
}

/* The type of a view that may be unbound where there are no rows. */
static uint32_t key_dtype(const clloss_view *view) {
  const uint32_t d = view->dtype;
  if (view->mem || d == CLLOSS_F64 || d == CLLOSS_F16 || d == CLLOSS_BF16) return d;
  return CLLOSS_F32;
}

static uint32_t dtype_or(const clloss_view *view, uint32_t otherwise) {
  return view->mem ? view->dtype : otherwise;
}

/* In place is what begins together: an accepted call has no other overlap, unless it has no rows. */
static bool is_same(const clloss_view *a, const clloss_view *b, size_t rows) {
  return rows && a->mem && a->mem == b->mem && a->offset == b->offset && a->dtype == b->dtype;
}

static bool is_one(const clloss_view *view) { return (view->flags & CLLOSS_BROADCAST) != 0; }

/* ---- cross-entropy ---- */

MAKE(xent, forward)
MAKE(xent, backward)
MAKE(xent, fused)
WORKSPACE(xent)

#define XENT_FIELD(name, field) [XENT_##name] = offsetof(clloss_xent, field),
#define XENT_OPTION(field, kind) \
  { true, offsetof(clloss_xent_options, field), kind }
static const spoilt_field xent_fields[] = {{false, offsetof(clloss_xent, rows), SPOILT_SIZE},
                                           {false, offsetof(clloss_xent, classes), SPOILT_SIZE},
                                           {false, offsetof(clloss_xent, inner), SPOILT_SIZE},
                                           XENT_OPTION(reduction, SPOILT_WORD),
                                           XENT_OPTION(flags, SPOILT_FLAGS),
                                           XENT_OPTION(ignore_index, SPOILT_INDEX),
                                           XENT_OPTION(label_smoothing, SPOILT_NUMBER),
                                           XENT_OPTION(z_loss, SPOILT_NUMBER),
                                           XENT_OPTION(logit_scale, SPOILT_NUMBER),
                                           XENT_OPTION(softcap, SPOILT_NUMBER),
                                           XENT_OPTION(divisor, SPOILT_NUMBER),
                                           XENT_OPTION(grad_alpha, SPOILT_NUMBER),
                                           XENT_OPTION(grad_beta, SPOILT_NUMBER),
                                           XENT_OPTION(top_k, SPOILT_SIZE)};

static void fit_xent_fill(xent_shape *s) {
  if ((s->fill == XENT_IGNORED_NAN || s->fill == XENT_ALL_IGNORED) &&
      !(s->options.flags & CLLOSS_IGNORE_INDEX))
    s->fill = XENT_RANDOM;
  /* what smoothing leaves of a probability of 1 is 0, or a rounding above or below: no number to multiply a masked class's −∞ by */
  if (xent_has_probabilities(s) && xent_smoothing_of(s).q_scale < 0) s->fill = XENT_RANDOM;
}

static void draw_xent(fuzz *f, int pass, spoilt_shape *shape, uint64_t *state) {
  (void)pass;
  xent_shape *s = &shape->xent;
  fuzz_draw_xent(f, s, state);
  draw_layout(&s->layout, state);
  s->options.ignore_index %= (int64_t)s->classes;
  if (s->classes == 1) s->options.flags &= ~(uint32_t)CLLOSS_SMOOTHING_MEGATRON;
  fit_xent_fill(s);
}

static void put_xent(const spoilt_shape *shape, void *arrays, void *options) {
  (void)arrays;
  *(clloss_xent_options *)options = xent_options_of(&shape->xent);
}

static bool describe_xent(const void *arrays, const void *options, int pass, spoilt_shape *shape) {
  const clloss_xent *x = arrays;
  xent_shape *s = &shape->xent;
  const struct {
    const clloss_view *view;
    uint32_t with;
  } views[] = {{&x->class_weight, XENT_WITH_CLASS_WEIGHT},
               {&x->row_weight, is_one(&x->row_weight) ? XENT_WITH_ONE_ROW_WEIGHT : XENT_WITH_ROW_WEIGHT},
               {&x->divisor, XENT_WITH_DIVISOR},
               {&x->metrics, XENT_WITH_METRICS},
               {&x->counts, XENT_WITH_COUNTS},
               {&x->predicted, XENT_WITH_PREDICTED},
               {&x->confidence, XENT_WITH_CONFIDENCE},
               {&x->entropy, XENT_WITH_ENTROPY}};
  (void)pass;
  *s = (xent_shape){.fill = s->fill, .options = *(const clloss_xent_options *)options};
  describe_layout(&s->layout, x->rows, x->classes, x->inner, &x->logits);
  s->dtype = key_dtype(&x->logits);
  s->targets_dtype = dtype_or(&x->targets, CLLOSS_I32);
  s->grad_dtype = dtype_or(&x->grad, s->dtype);
  for (size_t i = 0; i < COUNT(views); i++)
    if (views[i].view->mem) s->with |= views[i].with;
  s->without = (x->loss.mem ? 0 : XENT_NO_LOSS) | (x->row_loss.mem ? 0 : XENT_NO_ROW_LOSS) |
               (x->row_stats.mem ? 0 : XENT_NO_ROW_STATS);
  if (x->grad_loss.mem)
    s->upstream = s->options.reduction == CLLOSS_NONE && !is_one(&x->grad_loss) ? XENT_UPSTREAM_ROWS
                                                                                : XENT_UPSTREAM_ONE;
  s->in_place = is_same(&x->grad, &x->logits, x->rows);
  fit_xent_fill(s);
  return case_is_real(s->dtype) && case_is_real(s->grad_dtype) && clloss_dtype_size(s->targets_dtype);
}

/* ---- distillation ---- */

MAKE(distill, forward)
MAKE(distill, backward)
MAKE(distill, fused)
WORKSPACE(distill)

#define DISTILL_FIELD(name, field) [DISTILL_##name] = offsetof(clloss_distill, field),
#define DISTILL_OPTION(field, kind) \
  { true, offsetof(clloss_distill_options, field), kind }
static const spoilt_field distill_fields[] = {{false, offsetof(clloss_distill, rows), SPOILT_SIZE},
                                              {false, offsetof(clloss_distill, classes), SPOILT_SIZE},
                                              {false, offsetof(clloss_distill, inner), SPOILT_SIZE},
                                              DISTILL_OPTION(reduction, SPOILT_WORD),
                                              DISTILL_OPTION(flags, SPOILT_FLAGS),
                                              DISTILL_OPTION(temperature, SPOILT_NUMBER),
                                              DISTILL_OPTION(divisor, SPOILT_NUMBER)};

static void draw_distill(fuzz *f, int pass, spoilt_shape *shape, uint64_t *state) {
  (void)pass;
  fuzz_draw_distill(f, &shape->distill, state);
  draw_layout(&shape->layout, state);
}

static void put_distill(const spoilt_shape *shape, void *arrays, void *options) {
  (void)arrays;
  *(clloss_distill_options *)options = shape->distill.options;
}

static bool describe_distill(const void *arrays, const void *options, int pass, spoilt_shape *shape) {
  const clloss_distill *x = arrays;
  distill_shape *s = &shape->distill;
  (void)pass;
  *s = (distill_shape){.fill = s->fill, .options = *(const clloss_distill_options *)options};
  describe_layout(&s->layout, x->rows, x->classes, x->inner, &x->student);
  s->dtype = key_dtype(&x->student);
  s->teacher_dtype = dtype_or(&x->teacher, s->dtype);
  s->grad_dtype = dtype_or(&x->grad, s->dtype);
  if (x->row_weight.mem)
    s->with |= is_one(&x->row_weight) ? DISTILL_WITH_ONE_ROW_WEIGHT : DISTILL_WITH_ROW_WEIGHT;
  if (x->divisor.mem) s->with |= DISTILL_WITH_DIVISOR;
  s->without = (x->loss.mem ? 0 : DISTILL_NO_LOSS) | (x->row_loss.mem ? 0 : DISTILL_NO_ROW_LOSS) |
               (x->row_stats.mem ? 0 : DISTILL_NO_ROW_STATS);
  if (x->grad_loss.mem)
    s->upstream = s->options.reduction == CLLOSS_NONE && !is_one(&x->grad_loss) ? DISTILL_UPSTREAM_ROWS
                                                                                : DISTILL_UPSTREAM_ONE;
  s->in_place = is_same(&x->grad, &x->student, x->rows);
  return case_is_real(s->dtype) && case_is_real(s->teacher_dtype) && case_is_real(s->grad_dtype);
}

/* ---- elementwise losses ---- */

MAKE(pointwise, forward)
MAKE(pointwise, backward)
MAKE(pointwise, fused)
WORKSPACE(pointwise)

#define POINTWISE_FIELD(name, field) [POINTWISE_##name] = offsetof(clloss_pointwise, field),
#define POINTWISE_OPTION(field, kind) \
  { true, offsetof(clloss_pointwise_options, field), kind }
static const spoilt_field pointwise_fields[] = {{false, offsetof(clloss_pointwise, rows), SPOILT_SIZE},
                                                {false, offsetof(clloss_pointwise, classes), SPOILT_SIZE},
                                                {false, offsetof(clloss_pointwise, kind), SPOILT_WORD},
                                                {false, offsetof(clloss_pointwise, reserved), SPOILT_WORD},
                                                POINTWISE_OPTION(reduction, SPOILT_WORD),
                                                POINTWISE_OPTION(flags, SPOILT_FLAGS),
                                                POINTWISE_OPTION(delta, SPOILT_NUMBER),
                                                POINTWISE_OPTION(gamma, SPOILT_NUMBER),
                                                POINTWISE_OPTION(alpha, SPOILT_NUMBER),
                                                POINTWISE_OPTION(clip, SPOILT_NUMBER),
                                                POINTWISE_OPTION(divisor, SPOILT_NUMBER),
                                                POINTWISE_OPTION(grad_alpha, SPOILT_NUMBER),
                                                POINTWISE_OPTION(grad_beta, SPOILT_NUMBER)};

static void draw_pointwise(fuzz *f, int pass, spoilt_shape *shape, uint64_t *state) {
  (void)pass;
  fuzz_draw_pointwise(f, &shape->pointwise, state);
  draw_layout(&shape->layout, state);
  shape->layout.inner = shape->layout.class_pad = shape->layout.row_pad = 0;
}

static void put_pointwise(const spoilt_shape *shape, void *arrays, void *options) {
  ((clloss_pointwise *)arrays)->kind = shape->pointwise.kind;
  *(clloss_pointwise_options *)options = shape->pointwise.options;
}

static enum pointwise_spread spread_of(const clloss_view *view, bool one) {
  if (!view->mem) return POINTWISE_UNBOUND;
  if (one || is_one(view)) return POINTWISE_ONE;
  return view->flags & CLLOSS_BROADCAST_ROWS      ? POINTWISE_ROWS
         : view->flags & CLLOSS_BROADCAST_CLASSES ? POINTWISE_CLASSES
                                                  : POINTWISE_WHOLE;
}

static bool describe_pointwise(const void *arrays, const void *options, int pass, spoilt_shape *shape) {
  const clloss_pointwise *x = arrays;
  pointwise_shape *s = &shape->pointwise;
  (void)pass;
  *s = (pointwise_shape){.fill = s->fill, .options = *(const clloss_pointwise_options *)options};
  describe_layout(&s->layout, x->rows, x->classes, 0, &x->input);
  s->kind = x->kind;
  s->dtype = key_dtype(&x->input);
  s->target_dtype = dtype_or(&x->target, s->dtype);
  s->grad_dtype = dtype_or(&x->grad, s->dtype);
  s->weight = spread_of(&x->weight, false);
  s->upstream = spread_of(&x->grad_loss, s->options.reduction != CLLOSS_NONE);
  s->pos_weight = x->pos_weight.mem != NULL;
  s->outputs = (x->loss.mem ? 0 : POINTWISE_NO_LOSS) | (x->element_loss.mem ? 0 : POINTWISE_NO_ELEMENT_LOSS) |
               (x->counts.mem ? POINTWISE_WITH_COUNTS : 0);
  s->in_place = is_same(&x->grad, &x->input, x->rows);
  return clloss_pointwise_name(s->kind) && case_is_real(s->dtype) && case_is_real(s->target_dtype) &&
         case_is_real(s->grad_dtype);
}

/* ---- softmax ---- */

MAKE(softmax, forward)
MAKE(softmax, backward)

#define SOFTMAX_OPTION(field, kind) \
  { true, offsetof(clloss_softmax_options, field), kind }
static const spoilt_field softmax_fields[] = {{false, offsetof(clloss_softmax, rows), SPOILT_SIZE},
                                              {false, offsetof(clloss_softmax, classes), SPOILT_SIZE},
                                              {false, offsetof(clloss_softmax, inner), SPOILT_SIZE},
                                              SOFTMAX_OPTION(flags, SPOILT_FLAGS),
                                              SOFTMAX_OPTION(reserved, SPOILT_WORD),
                                              SOFTMAX_OPTION(scale, SPOILT_NUMBER)};

static void draw_softmax(fuzz *f, int pass, spoilt_shape *shape, uint64_t *state) {
  softmax_shape *s = &shape->softmax;
  fuzz_draw_softmax(f, s, state);
  if (pass == 0 && harness_bytes(s->write) < harness_bytes(s->read)) s->write = s->read; /* backward alone */
  draw_layout(&shape->layout, state);
}

static void put_softmax(const spoilt_shape *shape, void *arrays, void *options) {
  (void)arrays;
  *(clloss_softmax_options *)options = (clloss_softmax_options){
      .flags = shape->softmax.is_log ? CLLOSS_LOG_SOFTMAX : 0, .scale = shape->softmax.scale};
}

static bool describe_softmax(const void *arrays, const void *options, int pass, spoilt_shape *shape) {
  const clloss_softmax *x = arrays;
  const clloss_softmax_options *o = options;
  const clloss_view *read = pass ? &x->grad_output : &x->input, *write = pass ? &x->grad_input : &x->output;
  softmax_shape *s = &shape->softmax;
  *s = (softmax_shape){.fill = s->fill, .scale = o->scale, .is_log = o->flags & CLLOSS_LOG_SOFTMAX};
  describe_layout(&s->layout, x->rows, x->classes, x->inner, read);
  s->read = key_dtype(pass ? &x->output : &x->input);
  s->write = dtype_or(write, s->read);
  s->in_place = is_same(write, read, x->rows);
  return case_is_real(s->read) && case_is_real(s->write);
}

/* ---- surprisal and entropy ---- */

MAKE(information, forward)

static const spoilt_field information_fields[] = {
    {false, offsetof(clloss_information, rows), SPOILT_SIZE},
    {false, offsetof(clloss_information, classes), SPOILT_SIZE},
    {false, offsetof(clloss_information, inner), SPOILT_SIZE},
    {true, offsetof(clloss_information_options, flags), SPOILT_FLAGS},
    {true, offsetof(clloss_information_options, reserved), SPOILT_WORD}};

static void draw_information(fuzz *f, int pass, spoilt_shape *shape, uint64_t *state) {
  (void)pass;
  fuzz_draw_information(f, &shape->information, state);
  draw_layout(&shape->layout, state);
}

static void put_information(const spoilt_shape *shape, void *arrays, void *options) {
  (void)arrays;
  ((clloss_information_options *)options)->flags = shape->information.flags;
}

static bool describe_information(const void *arrays, const void *options, int pass, spoilt_shape *shape) {
  const clloss_information *x = arrays;
  information_shape *s = &shape->information;
  (void)pass;
  *s = (information_shape){.fill = s->fill, .flags = ((const clloss_information_options *)options)->flags};
  describe_layout(&s->layout, x->rows, x->classes, x->inner, &x->input);
  s->dtype = key_dtype(&x->input);
  s->targets_dtype = dtype_or(&x->targets, CLLOSS_I32);
  s->without = (x->surprisal.mem ? 0 : INFORMATION_NO_SURPRISAL) |
               (x->entropy.mem ? 0 : INFORMATION_NO_ENTROPY);
  return case_is_real(s->dtype) && clloss_dtype_size(s->targets_dtype);
}

/* ---- the table ---- */

/* What follows from a loss's name. */
#define NAMED(loss)                                                                                  \
  .arrays_bytes = sizeof(clloss_##loss), .options_bytes = sizeof(clloss_##loss##_options),           \
  .fields = loss##_fields, .n_fields = COUNT(loss##_fields), .draw = draw_##loss, .put = put_##loss, \
  .describe = describe_##loss

const spoilt_loss spoilt_losses[SPOILT_LOSSES] = {
    {NAMED(xent), .cases = {&xent_forward_case, &xent_backward_case, &xent_fused_case},
     .make = {make_xent_forward, make_xent_backward, make_xent_fused}, .workspace = workspace_xent,
     .views = {XENT_ARRAY_LIST(XENT_FIELD)}, .workspace_view = XENT_WORKSPACE, .grad_view = XENT_GRAD},
    {NAMED(pointwise), .cases = {&pointwise_forward_case, &pointwise_backward_case, &pointwise_fused_case},
     .make = {make_pointwise_forward, make_pointwise_backward, make_pointwise_fused},
     .workspace = workspace_pointwise, .views = {POINTWISE_ARRAY_LIST(POINTWISE_FIELD)},
     .workspace_view = POINTWISE_WORKSPACE, .grad_view = POINTWISE_GRAD},
    {NAMED(distill), .cases = {&distill_forward_case, &distill_backward_case, &distill_fused_case},
     .make = {make_distill_forward, make_distill_backward, make_distill_fused},
     .workspace = workspace_distill, .views = {DISTILL_ARRAY_LIST(DISTILL_FIELD)},
     .workspace_view = DISTILL_WORKSPACE, .grad_view = DISTILL_GRAD},
    {NAMED(softmax), .cases = {&softmax_forward_case, &softmax_backward_case},
     .make = {make_softmax_forward, make_softmax_backward},
     .views = {[SOFTMAX_INPUT] = offsetof(clloss_softmax, input),
               [SOFTMAX_OUTPUT] = offsetof(clloss_softmax, output),
               [SOFTMAX_GRAD_OUTPUT] = offsetof(clloss_softmax, grad_output),
               [SOFTMAX_GRAD_INPUT] = offsetof(clloss_softmax, grad_input)},
     .workspace_view = -1, .grad_view = -1},
    {NAMED(information), .cases = {&information_case}, .make = {make_information_forward},
     .views = {[INFORMATION_INPUT] = offsetof(clloss_information, input),
               [INFORMATION_TARGETS] = offsetof(clloss_information, targets),
               [INFORMATION_SURPRISAL] = offsetof(clloss_information, surprisal),
               [INFORMATION_ENTROPY] = offsetof(clloss_information, entropy)},
     .workspace_view = -1, .grad_view = -1},
};
