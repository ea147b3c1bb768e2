/* Distillation as the harness sees it: its arrays and the calls. Data and truth are made in case_distill_ref.c, the bound
 * in case_distill_bound.c. */
#include "case_distill.h"

#include <stddef.h>

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
  *text = 0;
  case_say(text, size,
           "%s %zu x %zu, fill %d, student %s, teacher %s, grad %s, %s, flags %#x, temperature %.9g, divisor "
           "%.9g, "
           "upstream %d%s%s%s, with %u, without %u",
           c->name, s->rows, s->classes, (int)s->fill, case_type_name(distill_dtype(s)),
           case_type_name(or_dtype(s, s->teacher_dtype)), case_type_name(or_dtype(s, s->grad_dtype)),
           case_reduction_name(s->options.reduction), s->options.flags, distill_temperature(s),
           s->options.divisor, (int)s->upstream, s->in_place ? ", in place" : "",
           s->workspace ? ", own workspace" : "", s->workspace && s->blind ? " of unbound views" : "",
           s->with, s->without);
  case_say_layout(text, size, &s->layout);
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

static void small_inputs(const distill_shape *s, int pass, harness_array *a) {
  const uint32_t real = distill_real(s), every = s->options.reduction == CLLOSS_NONE ? CLLOSS_BROADCAST : 0;
  if (s->with & (DISTILL_WITH_ROW_WEIGHT | DISTILL_WITH_ONE_ROW_WEIGHT))
    a[DISTILL_ROW_WEIGHT] = case_per_row(&s->layout, "row_weight", real,
                                         s->with & DISTILL_WITH_ONE_ROW_WEIGHT, CLLOSS_BROADCAST);
  if (s->with & DISTILL_WITH_DIVISOR)
    a[DISTILL_DIVISOR] = case_array(&s->layout, "divisor", HARNESS_INPUT, real, 1, 1, 0);
  if (pass != DISTILL_FORWARD && s->upstream != DISTILL_UPSTREAM_NONE)
    a[DISTILL_GRAD_LOSS] = case_per_row(&s->layout, "grad_loss", real, s->upstream == DISTILL_UPSTREAM_ONE,
                                        every);
}

#define FIELD(name, field) [DISTILL_##name] = offsetof(clloss_distill, field),
static const case_fields fields = {DISTILL_ARRAY_LIST(FIELD)};

/* What decides about the workspace. */
static const case_fields deciding = {FIELD(STUDENT, student) FIELD(TEACHER, teacher) FIELD(GRAD, grad)};

static clloss_distill problem(const distill_shape *s) {
  return (clloss_distill){
      .struct_size = sizeof(clloss_distill), .rows = s->rows, .classes = s->classes, .inner = s->inner};
}

static clloss_status own_workspace(const distill_shape *s, clloss_ctx *ctx, harness_array *a) {
  clloss_distill x = problem(s);
  const clloss_distill_options o = options_of(s);
  size_t bytes = 0;
  if (!s->blind) case_bind_types(&x, deciding, a);
  const clloss_status status = clloss_distill_workspace(ctx, &x, &o, &bytes);
  a[DISTILL_WORKSPACE] = case_workspace(&s->layout, bytes);
  return status;
}

/* No two matrices have one layout, but in place. */
static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const distill_shape *s = shape;
  const case_layout *l = &s->layout;
  const uint32_t real = distill_real(s);
  const bool back = c->pass == DISTILL_BACKWARD, only = c->pass == DISTILL_FORWARD && !has_loss(s);
  a[DISTILL_STUDENT] = case_matrix(l, "student", HARNESS_INPUT, distill_dtype(s), 0);
  a[DISTILL_TEACHER] = case_matrix(l, "teacher", HARNESS_INPUT, or_dtype(s, s->teacher_dtype), 1);
  small_inputs(s, c->pass, a);
  if (back || !(s->without & DISTILL_NO_ROW_STATS))
    a[DISTILL_ROW_STATS] = case_column(l, "row_stats", back ? HARNESS_INPUT : HARNESS_OUTPUT, real, 4);
  if (!back && has_loss(s)) a[DISTILL_LOSS] = case_array(l, "loss", HARNESS_OUTPUT, real, 1, 1, 0);
  if (!back && (!(s->without & DISTILL_NO_ROW_LOSS) || only))
    a[DISTILL_ROW_LOSS] = case_column(l, "row_loss", HARNESS_OUTPUT, real, 1);
  if (c->pass != DISTILL_FORWARD) {
    a[DISTILL_GRAD] = case_matrix(l, "grad", HARNESS_OUTPUT, or_dtype(s, s->grad_dtype), s->in_place ? 0 : 2);
    if (s->in_place) a[DISTILL_GRAD].in_place = &a[DISTILL_STUDENT];
  }
  return s->workspace && ctx ? own_workspace(s, ctx, a) : CLLOSS_SUCCESS;
}

static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  return distill_fill_all(shape, c->pass, seed, d);
}

/* ---- the call ---- */

static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  const distill_shape *s = shape;
  const harness_array student = case_matrix(&s->layout, "student", HARNESS_INPUT, distill_dtype(s), 0);
  (void)c;
  return case_rows_plan(&s->layout, &student, ctx, plan);
}

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  clloss_distill x = problem(shape);
  const clloss_distill_options o = options_of(shape);
  case_bind(&x, fields, views);
  switch (c->pass) {
  case DISTILL_FORWARD: return clloss_distill_forward(ctx, &x, &o, queue, 0, NULL, done);
  case DISTILL_BACKWARD: return clloss_distill_backward(ctx, &x, &o, queue, 0, NULL, done);
  default: return clloss_distill_fused(ctx, &x, &o, queue, 0, NULL, done);
  }
}

const harness_case distill_forward_case = CASE("distill_forward", DISTILL_FORWARD, distill_reference,
                                               distill_bound);
const harness_case distill_backward_case = CASE("distill_backward", DISTILL_BACKWARD, distill_reference,
                                                distill_bound);
const harness_case distill_fused_case = CASE("distill_fused", DISTILL_FUSED, distill_reference,
                                             distill_bound);
const harness_passes distill_passes = {&distill_forward_case, &distill_backward_case, &distill_fused_case};
