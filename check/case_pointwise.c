/* Elementwise losses as the harness sees them: arrays and calls. Data, truth and bound: case_pointwise_ref.c, and by
 * kind case_pointwise_kinds.c. */
#include "case_pointwise.h"

#include <stddef.h>

/* ---- the shape ---- */

uint32_t pointwise_dtype(const pointwise_shape *s) { return s->dtype ? s->dtype : CLLOSS_F32; }
uint32_t pointwise_target_dtype(const pointwise_shape *s) {
  return s->target_dtype ? s->target_dtype : pointwise_dtype(s);
}
uint32_t pointwise_grad_dtype(const pointwise_shape *s) {
  return s->grad_dtype ? s->grad_dtype : pointwise_dtype(s);
}
uint32_t pointwise_real(const pointwise_shape *s) {
  return pointwise_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
}

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  static const char *const spreads[] = {"no", "whole", "one", "rows", "classes"}, *const fills[] = {
                                                                                      "random", "limits",
                                                                                      "NaN", "faults"};
  const pointwise_shape *s = shape;
  const clloss_pointwise_options *o = &s->options;
  *text = 0;
  case_say(text, size, "%s %s %zu x %zu, %s, %s, types %s, %s, %s, flags %#x", c->name,
           clloss_pointwise_name(s->kind), s->rows, s->classes, case_reduction_name(o->reduction),
           fills[s->fill], case_type_name(pointwise_dtype(s)), case_type_name(pointwise_target_dtype(s)),
           case_type_name(pointwise_grad_dtype(s)), o->flags);
  case_say(text, size,
           ", delta %g, gamma %g, alpha %g, clip %g, divisor %g, grad_alpha %g, grad_beta %g, weight %s%s "
           "times 2^%d, "
           "pos_weight %d, upstream %s times 2^%d, outputs %u%s%s%s, offset %zu, pad %zu",
           o->delta, o->gamma, o->alpha, o->clip, o->divisor, o->grad_alpha, o->grad_beta, spreads[s->weight],
           s->zero_weights ? " of 0" : "", s->weight_power, s->pos_weight, spreads[s->upstream],
           s->upstream_power, s->outputs, s->in_place ? ", in place" : "",
           s->workspace ? ", own workspace" : "", s->workspace && s->blind ? " of unbound views" : "",
           s->offset, s->pad);
}

pointwise_strides pointwise_strides_of(const pointwise_shape *s, enum pointwise_spread spread) {
  switch (spread) {
  case POINTWISE_WHOLE: return (pointwise_strides){s->classes, 1};
  case POINTWISE_ROWS: return (pointwise_strides){0, 1};
  case POINTWISE_CLASSES: return (pointwise_strides){1, 0};
  default: return (pointwise_strides){0, 0};
  }
}

static clloss_pointwise_options options_of(const pointwise_shape *s) {
  clloss_pointwise_options o = s->options;
  o.struct_size = sizeof o;
  return o;
}

/* ---- arrays ---- */

static harness_array matrix(const pointwise_shape *s, const char *name, harness_role role, uint32_t dtype,
                            size_t rows, size_t columns) {
  return case_array(&s->layout, name, role, dtype, rows, columns, rows > 1 ? s->pad : 0);
}

static harness_array spread(const pointwise_shape *s, const char *name, enum pointwise_spread how) {
  const pointwise_strides strides = pointwise_strides_of(s, how);
  harness_array a = matrix(s, name, HARNESS_INPUT, pointwise_real(s), strides.row ? s->rows : 1,
                           strides.column ? s->classes : 1);
  static const uint32_t flags[] = {0, 0, CLLOSS_BROADCAST, CLLOSS_BROADCAST_ROWS, CLLOSS_BROADCAST_CLASSES};
  a.flags = flags[how];
  if (how == POINTWISE_UNBOUND) a.role = HARNESS_UNBOUND;
  return a;
}

static clloss_pointwise problem(const pointwise_shape *s) {
  return (clloss_pointwise){
      .struct_size = sizeof(clloss_pointwise), .rows = s->rows, .classes = s->classes, .kind = s->kind};
}

static clloss_status own_workspace(const pointwise_shape *s, clloss_ctx *ctx, harness_array *a) {
  clloss_pointwise x = problem(s);
  const clloss_pointwise_options o = options_of(s);
  size_t bytes = 0;
  if (!s->blind) x.input.dtype = pointwise_dtype(s);
  const clloss_status status = clloss_pointwise_workspace(ctx, &x, &o, &bytes);
  *a = case_workspace(&s->layout, bytes);
  return status;
}

static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const pointwise_shape *s = shape;
  const size_t n = s->rows, m = s->classes;
  const uint32_t real = pointwise_real(s);
  const bool none = s->options.reduction == CLLOSS_NONE, no_loss = none || (s->outputs & POINTWISE_NO_LOSS);
  const bool counts = s->outputs & POINTWISE_WITH_COUNTS,
             only = c->pass == POINTWISE_FORWARD && no_loss && !counts;
  a[POINTWISE_INPUT] = matrix(s, "input", HARNESS_INPUT, pointwise_dtype(s), n, m);
  a[POINTWISE_TARGET] = matrix(s, "target", HARNESS_INPUT, pointwise_target_dtype(s), n, m);
  a[POINTWISE_WEIGHT] = spread(s, "weight", s->weight);
  if (s->pos_weight) a[POINTWISE_POS_WEIGHT] = matrix(s, "pos_weight", HARNESS_INPUT, real, 1, m);
  if (c->pass != POINTWISE_BACKWARD) {
    if (!no_loss) a[POINTWISE_LOSS] = matrix(s, "loss", HARNESS_OUTPUT, real, 1, 1);
    if (only || !(s->outputs & POINTWISE_NO_ELEMENT_LOSS))
      a[POINTWISE_ELEMENT_LOSS] = matrix(s, "element_loss", HARNESS_OUTPUT, real, n, m);
    if (counts)
      a[POINTWISE_COUNTS] = matrix(s, "counts", HARNESS_OUTPUT, CLLOSS_I64, 1, CLLOSS_POINTWISE_COUNTS);
  }
  if (c->pass != POINTWISE_FORWARD) {
    a[POINTWISE_GRAD_LOSS] = spread(s, "grad_loss", s->upstream);
    if (!none) a[POINTWISE_GRAD_LOSS].flags = 0;
    a[POINTWISE_GRAD] = matrix(s, "grad", s->options.grad_beta != 0 ? HARNESS_UPDATED : HARNESS_OUTPUT,
                               pointwise_grad_dtype(s), n, m);
    if (s->in_place) a[POINTWISE_GRAD].in_place = &a[POINTWISE_INPUT];
  }
  return s->workspace && ctx ? own_workspace(s, ctx, &a[POINTWISE_WORKSPACE]) : CLLOSS_SUCCESS;
}

static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  (void)c;
  return pointwise_fill(shape, seed, d);
}

/* ---- the call ---- */

/* The library tells no plan of elementwise losses, and the bound needs none. */
static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  (void)c, (void)shape, (void)ctx, (void)plan;
  return CLLOSS_SUCCESS;
}

#define FIELD(name, field) [POINTWISE_##name] = offsetof(clloss_pointwise, field),
static const case_fields fields = {POINTWISE_ARRAY_LIST(FIELD)};

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  clloss_pointwise x = problem(shape);
  const clloss_pointwise_options o = options_of(shape);
  case_bind(&x, fields, views);
  switch (c->pass) {
  case POINTWISE_FORWARD: return clloss_pointwise_forward(ctx, &x, &o, queue, 0, NULL, done);
  case POINTWISE_BACKWARD: return clloss_pointwise_backward(ctx, &x, &o, queue, 0, NULL, done);
  default: return clloss_pointwise_fused(ctx, &x, &o, queue, 0, NULL, done);
  }
}

#define POINTWISE_CASE(title, which) CASE(title, which, pointwise_reference, pointwise_bound)

const harness_case pointwise_forward_case = POINTWISE_CASE("pointwise_forward", POINTWISE_FORWARD);
const harness_case pointwise_backward_case = POINTWISE_CASE("pointwise_backward", POINTWISE_BACKWARD);
const harness_case pointwise_fused_case = POINTWISE_CASE("pointwise_fused", POINTWISE_FUSED);
const harness_passes pointwise_passes = {&pointwise_forward_case, &pointwise_backward_case,
                                         &pointwise_fused_case};
