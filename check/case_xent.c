/* Softmax cross-entropy as the harness sees it: its arrays and the calls. The data is made in
 * case_xent_fill.c, the truth in case_xent_ref.c, the bound in case_xent_bound.c. */
#include "case_xent.h"

#include <stddef.h>
#include <string.h>

/* ---- the shape ---- */

static void describe_options(const xent_shape *s, char *text, size_t size) {
  const clloss_xent_options *o = &s->options;
  if (o->flags & CLLOSS_IGNORE_INDEX) case_say(text, size, ", ignore_index %lld", (long long)o->ignore_index);
  const struct {
    const char *name;
    double value;
  } numbers[] = {{"label_smoothing", o->label_smoothing},
                 {"z_loss", o->z_loss},
                 {"logit_scale", o->logit_scale},
                 {"softcap", o->softcap},
                 {"divisor", o->divisor},
                 {"grad_alpha", o->grad_alpha},
                 {"grad_beta", o->grad_beta},
                 {"top_k", (double)o->top_k}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i].value != 0) case_say(text, size, ", %s %.9g", numbers[i].name, numbers[i].value);
}

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  static const char *const upstream[] = {"none", "one", "rows"};
  const xent_shape *s = shape;
  *text = 0;
  case_say(text, size, "%s %zu x %zu, %s, %s, logits %s, grad %s, targets %s, flags %#x", c->name, s->rows,
           s->classes, xent_fill_name(s->fill), case_reduction_name(s->options.reduction),
           case_type_name(xent_dtype(s)), case_type_name(xent_grad_dtype(s)),
           case_type_name(xent_targets_dtype(s)), s->options.flags);
  describe_options(s, text, size);
  const xent_factors *f = &s->factors;
  if (f->constant) case_say(text, size, ", constant weights");
  if (f->class_weight || f->row_weight || f->upstream || f->divisor)
    case_say(text, size, ", 2^%d class weights, 2^%d row weights, 2^%d upstream, 2^%d divisor",
             f->class_weight, f->row_weight, f->upstream, f->divisor);
  case_say(text, size, ", upstream %s%s%s%s, with %u, without %u", upstream[s->upstream],
           s->in_place ? ", in place" : "", s->workspace ? ", own workspace" : "",
           s->workspace && s->blind ? " of unbound views" : "", s->with, s->without);
  case_say_layout(text, size, &s->layout);
}

static bool has_loss(const xent_shape *s) {
  return s->options.reduction != CLLOSS_NONE && !(s->without & XENT_NO_LOSS);
}

static bool is_nll(const xent_shape *s) { return (s->options.flags & CLLOSS_LOG_PROBABILITIES) != 0; }

static bool has_row_loss(const xent_shape *s, int pass) {
  const bool only = pass == XENT_FORWARD && !has_loss(s) && (is_nll(s) || (s->without & XENT_NO_ROW_STATS));
  return only || !(s->without & XENT_NO_ROW_LOSS);
}

static bool has_row_stats(const xent_shape *s, int pass) {
  return !is_nll(s) && (pass == XENT_BACKWARD || !(s->without & XENT_NO_ROW_STATS));
}

clloss_xent_options xent_options_of(const xent_shape *s) {
  clloss_xent_options o = s->options;
  o.struct_size = sizeof o;
  o.flags |= xent_has_probabilities(s) ? CLLOSS_TARGET_PROBABILITIES : 0;
  o.flags |= (o.flags & CLLOSS_IGNORE_INDEX) && o.ignore_index == 0 ? CLLOSS_IGNORE_ZERO : 0;
  return o;
}

/* ---- arrays ---- */

static uint32_t real_of(const xent_shape *s) { return xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32; }

static void more_inputs(const xent_shape *s, int pass, harness_array *a) {
  const uint32_t real = real_of(s), every = s->options.reduction == CLLOSS_NONE ? CLLOSS_BROADCAST : 0;
  if (s->with & XENT_WITH_CLASS_WEIGHT)
    a[XENT_CLASS_WEIGHT] = case_array(&s->layout, "class_weight", HARNESS_INPUT, real, 1, s->classes, 0);
  if (s->with & (XENT_WITH_ROW_WEIGHT | XENT_WITH_ONE_ROW_WEIGHT))
    a[XENT_ROW_WEIGHT] = case_per_row(&s->layout, "row_weight", real, s->with & XENT_WITH_ONE_ROW_WEIGHT,
                                      CLLOSS_BROADCAST);
  if (s->with & XENT_WITH_DIVISOR)
    a[XENT_DIVISOR] = case_array(&s->layout, "divisor", HARNESS_INPUT, real, 1, 1, 0);
  const bool back = pass == XENT_BACKWARD || pass == XENT_FUSED;
  if (back && s->upstream != XENT_UPSTREAM_NONE)
    a[XENT_GRAD_LOSS] = case_per_row(&s->layout, "grad_loss", real, s->upstream == XENT_UPSTREAM_ONE, every);
}

/* What is written, or added to what stands there. */
static harness_role sum_role(const xent_shape *s) {
  return s->options.flags & CLLOSS_ACCUMULATE ? HARNESS_UPDATED : HARNESS_OUTPUT;
}

static void more_outputs(const xent_shape *s, harness_array *a) {
  const struct {
    int at;
    const char *name;
    uint32_t with, dtype; /* 0: the real type */
    size_t rows, columns;
  } all[] = {{XENT_METRICS, "metrics", XENT_WITH_METRICS, 0, 1, CLLOSS_METRICS},
             {XENT_COUNTS, "counts", XENT_WITH_COUNTS, CLLOSS_I64, 1, CLLOSS_COUNTS},
             {XENT_PREDICTED, "predicted", XENT_WITH_PREDICTED, CLLOSS_I32, s->rows, 1},
             {XENT_CONFIDENCE, "confidence", XENT_WITH_CONFIDENCE, 0, s->rows, 1},
             {XENT_ENTROPY, "entropy", XENT_WITH_ENTROPY, 0, s->rows, 1}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (s->with & all[i].with)
      a[all[i].at] = case_array(&s->layout, all[i].name,
                                all[i].rows == 1 && all[i].columns > 1 ? sum_role(s) : HARNESS_OUTPUT,
                                all[i].dtype ? all[i].dtype : real_of(s), all[i].rows, all[i].columns,
                                all[i].columns == 1 ? s->row_pad : 0);
}

#define FIELD(name, field) [XENT_##name] = offsetof(clloss_xent, field),
static const case_fields fields = {XENT_ARRAY_LIST(FIELD)};

/* What decides about plan and workspace. */
static const case_fields deciding = {FIELD(LOGITS, logits) FIELD(TARGETS, targets) FIELD(GRAD, grad)};

static clloss_xent problem(const xent_shape *s) {
  return (clloss_xent){
      .struct_size = sizeof(clloss_xent), .rows = s->rows, .classes = s->classes, .inner = s->inner};
}

static clloss_status own_workspace(const xent_shape *s, clloss_ctx *ctx, harness_array *a) {
  clloss_xent x = problem(s);
  const clloss_xent_options o = xent_options_of(s);
  size_t bytes = 0;
  if (!s->blind) case_bind_types(&x, deciding, a);
  const clloss_status status = clloss_xent_workspace(ctx, &x, &o, &bytes);
  a[XENT_WORKSPACE] = case_workspace(&s->layout, bytes);
  return status;
}

static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const xent_shape *s = shape;
  const case_layout *l = &s->layout;
  const int pass = c->pass;
  const uint32_t real = real_of(s);
  const harness_role out = s->options.grad_beta != 0 ? HARNESS_UPDATED : HARNESS_OUTPUT;
  a[XENT_LOGITS] = case_matrix(l, "logits", HARNESS_INPUT, xent_dtype(s), 0);
  a[XENT_TARGETS] = xent_has_probabilities(s)
                        ? case_matrix(l, "targets", HARNESS_INPUT, xent_targets_dtype(s), 0)
                        : case_column(l, "targets", HARNESS_INPUT, xent_targets_dtype(s), 1);
  more_inputs(s, pass, a);
  if (pass == XENT_FINDS_DIVISOR) {
    a[XENT_LOGITS].role = HARNESS_UNBOUND;
    a[XENT_DIVISOR] = case_array(l, "divisor", sum_role(s), real, 1, 1, 0);
    return s->workspace && ctx ? own_workspace(s, ctx, a) : CLLOSS_SUCCESS;
  }
  if (has_row_stats(s, pass))
    a[XENT_ROW_STATS] = case_column(l, "row_stats", pass == XENT_BACKWARD ? HARNESS_INPUT : HARNESS_OUTPUT,
                                    real, 2);
  if (pass != XENT_BACKWARD) {
    if (has_loss(s)) a[XENT_LOSS] = case_array(l, "loss", sum_role(s), real, 1, 1, 0);
    if (has_row_loss(s, pass)) a[XENT_ROW_LOSS] = case_column(l, "row_loss", HARNESS_OUTPUT, real, 1);
    more_outputs(s, a);
  }
  if (pass != XENT_FORWARD) {
    a[XENT_GRAD] = case_matrix(l, "grad", out, xent_grad_dtype(s), 0);
    if (s->in_place) a[XENT_GRAD].in_place = &a[XENT_LOGITS];
  }
  return s->workspace && ctx ? own_workspace(s, ctx, a) : CLLOSS_SUCCESS;
}

static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  const clloss_status status = xent_fill(shape, seed, d);
  return status == CLLOSS_SUCCESS && c->pass == XENT_BACKWARD ? xent_fill_row_stats(shape, d) : status;
}

/* ---- the call ---- */

/* No rows have no plan; that of one row has the same kernels. */
static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  xent_shape s = *(const xent_shape *)shape;
  harness_array a[HARNESS_ARRAYS];
  memset(a, 0, sizeof a);
  s.rows += s.rows == 0 ? case_inner(&s.layout) : 0;
  arrays(c, &s, NULL, a);
  clloss_xent x = problem(&s);
  case_bind_types(&x, deciding, a);
  return clloss_xent_plan(ctx, &x, plan);
}

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  clloss_xent x = problem(shape);
  const clloss_xent_options o = xent_options_of(shape);
  case_bind(&x, fields, views);
  switch (c->pass) {
  case XENT_FORWARD: return clloss_xent_forward(ctx, &x, &o, queue, 0, NULL, done);
  case XENT_BACKWARD: return clloss_xent_backward(ctx, &x, &o, queue, 0, NULL, done);
  case XENT_FINDS_DIVISOR: return clloss_xent_divisor(ctx, &x, &o, queue, 0, NULL, done);
  default: return clloss_xent_fused(ctx, &x, &o, queue, 0, NULL, done);
  }
}

const harness_case xent_forward_case = CASE("xent_forward", XENT_FORWARD, xent_reference, xent_bound);
const harness_case xent_backward_case = CASE("xent_backward", XENT_BACKWARD, xent_reference, xent_bound);
const harness_case xent_fused_case = CASE("xent_fused", XENT_FUSED, xent_reference, xent_bound);
const harness_case xent_divisor_case = CASE("xent_divisor", XENT_FINDS_DIVISOR, xent_divisor_reference,
                                            xent_divisor_bound);
const harness_passes xent_passes = {&xent_forward_case, &xent_backward_case, &xent_fused_case};
