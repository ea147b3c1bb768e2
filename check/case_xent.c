/* Softmax cross-entropy as the harness sees it: its arrays and the calls. The data is made in
 * case_xent_fill.c, the truth in case_xent_ref.c, the bound in case_xent_bound.c. */
#include "case_xent.h"

#include <stdio.h>
#include <string.h>

/* ---- the shape ---- */

/* Appends to a text that may be full. */
#define SAY(...)                                   \
  do {                                             \
    const size_t at_ = strlen(text);               \
    snprintf(text + at_, size - at_, __VA_ARGS__); \
  } while (0)

static const char *type_name(uint32_t dtype) {
  static const char *const names[] = {[CLLOSS_F32] = "f32", [CLLOSS_I32] = "i32", [CLLOSS_I64] = "i64",
                                      [CLLOSS_F64] = "f64", [CLLOSS_F16] = "f16", [CLLOSS_BF16] = "bf16"};
  return names[dtype];
}

static void describe_options(const xent_shape *s, char *text, size_t size) {
  const clloss_xent_options *o = &s->options;
  if (o->flags & CLLOSS_IGNORE_INDEX) SAY(", ignore_index %lld", (long long)o->ignore_index);
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
    if (numbers[i].value != 0) SAY(", %s %.9g", numbers[i].name, numbers[i].value);
}

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  static const char *const reductions[] = {"mean", "sum", "none"}, *const upstream[] = {"none", "one",
                                                                                        "rows"};
  const xent_shape *s = shape;
  *text = 0;
  SAY("%s %zu x %zu, inner %zu, %s, %s, logits %s, grad %s, targets %s, flags %#x", c->name, s->rows,
      s->classes, s->inner ? s->inner : 1, xent_fill_name(s->fill), reductions[s->options.reduction],
      type_name(xent_dtype(s)), type_name(xent_grad_dtype(s)), type_name(xent_targets_dtype(s)),
      s->options.flags);
  describe_options(s, text, size);
  const xent_factors *f = &s->factors;
  if (f->constant) SAY(", constant weights");
  if (f->class_weight || f->row_weight || f->upstream || f->divisor)
    SAY(", 2^%d class weights, 2^%d row weights, 2^%d upstream, 2^%d divisor", f->class_weight, f->row_weight,
        f->upstream, f->divisor);
  SAY(", upstream %s%s%s%s, offset %zu, pad %zu, class_pad %zu, row_pad %zu, with %u, without %u",
      upstream[s->upstream], s->in_place ? ", in place" : "", s->workspace ? ", own workspace" : "",
      s->workspace && s->blind ? " of unbound views" : "", s->offset, s->pad, s->class_pad, s->row_pad,
      s->with, s->without);
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

static clloss_xent_options options_of(const xent_shape *s) {
  clloss_xent_options o = s->options;
  o.struct_size = sizeof o;
  return o;
}

/* ---- arrays ---- */

static harness_array array(const xent_shape *s, const char *name, harness_role role, size_t rows,
                           size_t columns, size_t pad) {
  return (harness_array){.name = name,
                         .role = role,
                         .dtype = xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32,
                         .rows = rows,
                         .columns = columns,
                         .offset = s->offset,
                         .row_stride = pad ? columns + pad : 0};
}

/* One that is laid out as logits are. */
static harness_array matrix(const xent_shape *s, const char *name, harness_role role, uint32_t dtype) {
  harness_array a = array(s, name, role, s->rows, s->classes, 0);
  a.dtype = dtype;
  a.inner = s->inner ? s->inner : 1;
  a.class_stride = s->class_pad ? a.inner + s->class_pad : 0;
  if (s->pad)
    a.row_stride = (s->classes - 1) * (a.class_stride ? a.class_stride : a.inner) + a.inner + s->pad;
  return a;
}

static void more_inputs(const xent_shape *s, int pass, harness_array *a) {
  const bool one_weight = s->with & XENT_WITH_ONE_ROW_WEIGHT;
  if (s->with & XENT_WITH_CLASS_WEIGHT)
    a[XENT_CLASS_WEIGHT] = array(s, "class_weight", HARNESS_INPUT, 1, s->classes, 0);
  if (s->with & (XENT_WITH_ROW_WEIGHT | XENT_WITH_ONE_ROW_WEIGHT)) {
    a[XENT_ROW_WEIGHT] = array(s, "row_weight", HARNESS_INPUT, one_weight ? 1 : s->rows, 1,
                               one_weight ? 0 : s->row_pad);
    a[XENT_ROW_WEIGHT].flags = one_weight ? CLLOSS_BROADCAST : 0;
  }
  if (s->with & XENT_WITH_DIVISOR) a[XENT_DIVISOR] = array(s, "divisor", HARNESS_INPUT, 1, 1, 0);
  if (pass != XENT_FORWARD && s->upstream != XENT_UPSTREAM_NONE) {
    const bool rows = s->upstream == XENT_UPSTREAM_ROWS;
    a[XENT_GRAD_LOSS] = array(s, "grad_loss", HARNESS_INPUT, rows ? s->rows : 1, 1, rows ? s->row_pad : 0);
    a[XENT_GRAD_LOSS].flags = !rows && s->options.reduction == CLLOSS_NONE ? CLLOSS_BROADCAST : 0;
  }
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
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!(s->with & all[i].with)) continue;
    harness_array *to = &a[all[i].at];
    *to = array(s, all[i].name, HARNESS_OUTPUT, all[i].rows, all[i].columns,
                all[i].columns == 1 ? s->row_pad : 0);
    if (all[i].dtype) to->dtype = all[i].dtype;
  }
}

static void set_view(clloss_view *view, const harness_array *a) {
  *view = (clloss_view){.row_stride = a->row_stride, .class_stride = a->class_stride, .dtype = a->dtype};
}

/* What decides about plan and workspace: no buffers, but types and strides. */
static clloss_xent problem(const xent_shape *s, const harness_array *a) {
  clloss_xent x = {.struct_size = sizeof x, .rows = s->rows, .classes = s->classes, .inner = s->inner};
  if (!a) return x;
  set_view(&x.logits, &a[XENT_LOGITS]);
  set_view(&x.targets, &a[XENT_TARGETS]);
  set_view(&x.grad, &a[XENT_GRAD]);
  return x;
}

static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const xent_shape *s = shape;
  const size_t n = s->rows;
  const int pass = c->pass;
  const harness_role out = s->options.grad_beta != 0 ? HARNESS_UPDATED : HARNESS_OUTPUT;
  a[XENT_LOGITS] = matrix(s, "logits", HARNESS_INPUT, xent_dtype(s));
  a[XENT_TARGETS] = xent_has_probabilities(s) ? matrix(s, "targets", HARNESS_INPUT, xent_targets_dtype(s))
                                              : array(s, "targets", HARNESS_INPUT, n, 1, s->row_pad);
  a[XENT_TARGETS].dtype = xent_targets_dtype(s);
  more_inputs(s, pass, a);
  if (has_row_stats(s, pass))
    a[XENT_ROW_STATS] = array(s, "row_stats", pass == XENT_BACKWARD ? HARNESS_INPUT : HARNESS_OUTPUT, n, 2,
                              s->row_pad);
  if (pass != XENT_BACKWARD) {
    if (has_loss(s)) a[XENT_LOSS] = array(s, "loss", HARNESS_OUTPUT, 1, 1, 0);
    if (has_row_loss(s, pass)) a[XENT_ROW_LOSS] = array(s, "row_loss", HARNESS_OUTPUT, n, 1, s->row_pad);
    more_outputs(s, a);
  }
  if (pass != XENT_FORWARD) {
    a[XENT_GRAD] = matrix(s, "grad", out, xent_grad_dtype(s));
    if (s->in_place) a[XENT_GRAD].in_place = &a[XENT_LOGITS];
  }
  if (!s->workspace) return CLLOSS_SUCCESS;
  size_t bytes = 0;
  const clloss_xent x = problem(s, s->blind ? NULL : a);
  const clloss_xent_options o = options_of(s);
  const clloss_status status = clloss_xent_workspace(ctx, &x, &o, &bytes);
  a[XENT_WORKSPACE] = array(s, "workspace", HARNESS_SCRATCH, 1, bytes, 0);
  a[XENT_WORKSPACE].dtype = CLLOSS_U8;
  a[XENT_WORKSPACE].offset = (s->offset + 7) / 8 * 8;
  return status;
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
  s.workspace = false;
  s.rows += s.rows == 0 ? (s.inner ? s.inner : 1) : 0;
  const clloss_status status = arrays(c, &s, ctx, a);
  const clloss_xent x = problem(&s, a);
  return status == CLLOSS_SUCCESS ? clloss_xent_plan(ctx, &x, plan) : status;
}

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  clloss_xent x = problem(shape, NULL);
  const clloss_xent_options o = options_of(shape);
  x.logits = views[XENT_LOGITS];
  x.targets = views[XENT_TARGETS];
  x.class_weight = views[XENT_CLASS_WEIGHT];
  x.row_weight = views[XENT_ROW_WEIGHT];
  x.grad_loss = views[XENT_GRAD_LOSS];
  x.divisor = views[XENT_DIVISOR];
  x.row_stats = views[XENT_ROW_STATS];
  x.loss = views[XENT_LOSS];
  x.row_loss = views[XENT_ROW_LOSS];
  x.grad = views[XENT_GRAD];
  x.metrics = views[XENT_METRICS];
  x.counts = views[XENT_COUNTS];
  x.predicted = views[XENT_PREDICTED];
  x.confidence = views[XENT_CONFIDENCE];
  x.entropy = views[XENT_ENTROPY];
  x.workspace = views[XENT_WORKSPACE];
  switch (c->pass) {
  case XENT_FORWARD: return clloss_xent_forward(ctx, &x, &o, queue, 0, NULL, done);
  case XENT_BACKWARD: return clloss_xent_backward(ctx, &x, &o, queue, 0, NULL, done);
  default: return clloss_xent_fused(ctx, &x, &o, queue, 0, NULL, done);
  }
}

static double ideal_bytes(const harness_case *c, const void *shape) {
  xent_shape s = *(const xent_shape *)shape;
  harness_array a[HARNESS_ARRAYS];
  memset(a, 0, sizeof a);
  s.workspace = false;
  arrays(c, &s, NULL, a);
  return harness_ideal_bytes(a);
}

#define CASE(title, which)                                                                  \
  {                                                                                         \
    .name = (title), .pass = (which), .describe = describe, .arrays = arrays, .fill = fill, \
    .reference = xent_reference, .bound = xent_bound, .plan = plan_of, .call = call,        \
    .ideal_bytes = ideal_bytes                                                              \
  }

const harness_case xent_forward_case = CASE("xent_forward", XENT_FORWARD);
const harness_case xent_backward_case = CASE("xent_backward", XENT_BACKWARD);
const harness_case xent_fused_case = CASE("xent_fused", XENT_FUSED);
const harness_passes xent_passes = {&xent_forward_case, &xent_backward_case, &xent_fused_case};
