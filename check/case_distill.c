/* Distillation as the harness sees it: its arrays and the calls. Data and truth are made in case_distill_ref.c, the bound
 * in case_distill_bound.c. */
#include "case_distill.h"

#include <stdio.h>
#include <string.h>

/* ---- the shape ---- */

uint32_t distill_dtype(const distill_shape *s) { return s->dtype ? s->dtype : CLLOSS_F32; }

uint32_t distill_real(const distill_shape *s) {
  return distill_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
}

double distill_temperature(const distill_shape *s) {
  return s->options.temperature == 0 ? 1 : s->options.temperature;
}

double distill_factor(const distill_shape *s) {
  const double t = distill_temperature(s);
  return s->options.flags & CLLOSS_TEMPERATURE_SQUARED ? t * t : 1;
}

static uint32_t or_dtype(const distill_shape *s, uint32_t dtype) { return dtype ? dtype : distill_dtype(s); }

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  const distill_shape *s = shape;
  snprintf(text, size,
           "%s %zu x %zu, inner %zu, fill %d, student %u, teacher %u, grad %u, reduction %u, flags %#x, "
           "temperature "
           "%.9g, divisor %.9g, upstream %d%s%s%s, offset %zu, pad %zu, class_pad %zu, row_pad %zu, with %u, "
           "without %u",
           c->name, s->rows, s->classes, s->inner ? s->inner : 1, (int)s->fill, distill_dtype(s),
           or_dtype(s, s->teacher_dtype), or_dtype(s, s->grad_dtype), s->options.reduction, s->options.flags,
           distill_temperature(s), s->options.divisor, (int)s->upstream, s->in_place ? ", in place" : "",
           s->workspace ? ", own workspace" : "", s->workspace && s->blind ? " of unbound views" : "",
           s->offset, s->pad, s->class_pad, s->row_pad, s->with, s->without);
}

static bool has_loss(const distill_shape *s) {
  return s->options.reduction != CLLOSS_NONE && !(s->without & DISTILL_NO_LOSS);
}

static clloss_distill_options options_of(const distill_shape *s) {
  clloss_distill_options o = s->options;
  o.struct_size = sizeof o;
  return o;
}

/* ---- arrays ---- */

static harness_array array(const distill_shape *s, const char *name, harness_role role, size_t rows,
                           size_t columns, size_t pad) {
  return (harness_array){.name = name,
                         .role = role,
                         .dtype = distill_real(s),
                         .rows = rows,
                         .columns = columns,
                         .offset = s->offset,
                         .row_stride = pad ? columns + pad : 0};
}

/* No two of them have one layout, but in place. */
static harness_array matrix(const distill_shape *s, const char *name, harness_role role, uint32_t dtype,
                            size_t skew) {
  harness_array a = array(s, name, role, s->rows, s->classes, 0);
  a.dtype = or_dtype(s, dtype);
  a.inner = s->inner ? s->inner : 1;
  a.offset += skew;
  a.class_stride = s->class_pad ? a.inner + s->class_pad + skew : 0;
  if (s->pad)
    a.row_stride = (s->classes - 1) * (a.class_stride ? a.class_stride : a.inner) + a.inner + s->pad + skew;
  return a;
}

static void small_inputs(const distill_shape *s, int pass, harness_array *a) {
  const bool one_weight = s->with & DISTILL_WITH_ONE_ROW_WEIGHT, rows = s->upstream == DISTILL_UPSTREAM_ROWS;
  if (s->with & (DISTILL_WITH_ROW_WEIGHT | DISTILL_WITH_ONE_ROW_WEIGHT)) {
    a[DISTILL_ROW_WEIGHT] = array(s, "row_weight", HARNESS_INPUT, one_weight ? 1 : s->rows, 1,
                                  one_weight ? 0 : s->row_pad);
    a[DISTILL_ROW_WEIGHT].flags = one_weight ? CLLOSS_BROADCAST : 0;
  }
  if (s->with & DISTILL_WITH_DIVISOR) a[DISTILL_DIVISOR] = array(s, "divisor", HARNESS_INPUT, 1, 1, 0);
  if (pass == DISTILL_FORWARD || s->upstream == DISTILL_UPSTREAM_NONE) return;
  a[DISTILL_GRAD_LOSS] = array(s, "grad_loss", HARNESS_INPUT, rows ? s->rows : 1, 1, rows ? s->row_pad : 0);
  a[DISTILL_GRAD_LOSS].flags = !rows && s->options.reduction == CLLOSS_NONE ? CLLOSS_BROADCAST : 0;
}

static void set_view(clloss_view *view, const harness_array *a) {
  *view = (clloss_view){.row_stride = a->row_stride, .class_stride = a->class_stride, .dtype = a->dtype};
}

static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const distill_shape *s = shape;
  const bool back = c->pass == DISTILL_BACKWARD, only = c->pass == DISTILL_FORWARD && !has_loss(s);
  a[DISTILL_STUDENT] = matrix(s, "student", HARNESS_INPUT, 0, 0);
  a[DISTILL_TEACHER] = matrix(s, "teacher", HARNESS_INPUT, s->teacher_dtype, 1);
  small_inputs(s, c->pass, a);
  if (back || !(s->without & DISTILL_NO_ROW_STATS))
    a[DISTILL_ROW_STATS] = array(s, "row_stats", back ? HARNESS_INPUT : HARNESS_OUTPUT, s->rows, 4,
                                 s->row_pad);
  if (!back && has_loss(s)) a[DISTILL_LOSS] = array(s, "loss", HARNESS_OUTPUT, 1, 1, 0);
  if (!back && (!(s->without & DISTILL_NO_ROW_LOSS) || only))
    a[DISTILL_ROW_LOSS] = array(s, "row_loss", HARNESS_OUTPUT, s->rows, 1, s->row_pad);
  if (c->pass != DISTILL_FORWARD) {
    a[DISTILL_GRAD] = matrix(s, "grad", HARNESS_OUTPUT, s->grad_dtype, s->in_place ? 0 : 2);
    if (s->in_place) a[DISTILL_GRAD].in_place = &a[DISTILL_STUDENT];
  }
  if (!s->workspace) return CLLOSS_SUCCESS;
  size_t bytes = 0;
  clloss_distill x = {.struct_size = sizeof x, .rows = s->rows, .classes = s->classes, .inner = s->inner};
  const clloss_distill_options o = options_of(s);
  if (!s->blind) {
    set_view(&x.student, &a[DISTILL_STUDENT]);
    set_view(&x.teacher, &a[DISTILL_TEACHER]);
    set_view(&x.grad, &a[DISTILL_GRAD]);
  }
  const clloss_status status = clloss_distill_workspace(ctx, &x, &o, &bytes);
  a[DISTILL_WORKSPACE] = array(s, "workspace", HARNESS_SCRATCH, 1, bytes, 0);
  a[DISTILL_WORKSPACE].dtype = CLLOSS_U8;
  a[DISTILL_WORKSPACE].offset = (s->offset + 7) / 8 * 8;
  return status;
}

static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  return distill_fill_all(shape, c->pass, seed, d);
}

/* ---- the call ---- */

/* That of cross-entropy on the same rows, which distillation's is but for splitting: a split runs whole rows on the same
 * team. No rows have no plan; that of one row has the same kernels. */
static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  distill_shape s = *(const distill_shape *)shape;
  clloss_xent x = {.struct_size = sizeof x, .classes = s.classes, .inner = s.inner};
  harness_array a[HARNESS_ARRAYS];
  memset(a, 0, sizeof a);
  s.workspace = false;
  x.rows = s.rows ? s.rows : s.inner ? s.inner : 1;
  const clloss_status status = arrays(c, &s, ctx, a);
  set_view(&x.logits, &a[DISTILL_STUDENT]);
  return status == CLLOSS_SUCCESS ? clloss_xent_plan(ctx, &x, plan) : status;
}

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  const distill_shape *s = shape;
  const clloss_distill_options o = options_of(s);
  const clloss_distill x = {.struct_size = sizeof x,
                            .rows = s->rows,
                            .classes = s->classes,
                            .inner = s->inner,
                            .student = views[DISTILL_STUDENT],
                            .teacher = views[DISTILL_TEACHER],
                            .row_weight = views[DISTILL_ROW_WEIGHT],
                            .loss = views[DISTILL_LOSS],
                            .row_loss = views[DISTILL_ROW_LOSS],
                            .row_stats = views[DISTILL_ROW_STATS],
                            .grad = views[DISTILL_GRAD],
                            .grad_loss = views[DISTILL_GRAD_LOSS],
                            .divisor = views[DISTILL_DIVISOR],
                            .workspace = views[DISTILL_WORKSPACE]};
  switch (c->pass) {
  case DISTILL_FORWARD: return clloss_distill_forward(ctx, &x, &o, queue, 0, NULL, done);
  case DISTILL_BACKWARD: return clloss_distill_backward(ctx, &x, &o, queue, 0, NULL, done);
  default: return clloss_distill_fused(ctx, &x, &o, queue, 0, NULL, done);
  }
}

static double ideal_bytes(const harness_case *c, const void *shape) {
  distill_shape s = *(const distill_shape *)shape;
  harness_array a[HARNESS_ARRAYS];
  memset(a, 0, sizeof a);
  s.workspace = false;
  arrays(c, &s, NULL, a);
  return harness_ideal_bytes(a);
}

#define CASE(title, which)                                                                  \
  {                                                                                         \
    .name = (title), .pass = (which), .describe = describe, .arrays = arrays, .fill = fill, \
    .reference = distill_reference, .bound = distill_bound, .plan = plan_of, .call = call,  \
    .ideal_bytes = ideal_bytes                                                              \
  }

const harness_case distill_forward_case = CASE("distill_forward", DISTILL_FORWARD);
const harness_case distill_backward_case = CASE("distill_backward", DISTILL_BACKWARD);
const harness_case distill_fused_case = CASE("distill_fused", DISTILL_FUSED);
const harness_passes distill_passes = {&distill_forward_case, &distill_backward_case, &distill_fused_case};
