/* The losses as training uses them: the mean, f32, class indices for targets unless the case says otherwise. Bound is
 * what a training step binds: forward keeps the row statistics for backward, fused has no use for them; no loss per row
 * or element. */
#include "losses.h"

#include <clloss/clloss_ref.h>

#define SMOOTHING 0.1
#define IGNORED   (-100)

int case_has_grad(const struct bench_case *c) {
  return c->harness != &xent_forward_case && c->harness != &xent_divisor_case;
}

static clloss_view view(cl_mem mem, uint32_t dtype) { return (clloss_view){.mem = mem, .dtype = dtype}; }

/* ---- softmax cross-entropy ---- */

static void xent_shape_of(const struct bench_case *c, const struct problem *p, union loss_shape *shape) {
  xent_shape s = {.rows = p->rows, .classes = p->classes, .inner = p->inner, .dtype = c->dtype};
  s.without = XENT_NO_ROW_LOSS;
  s.in_place = c->inplace != 0;
  if (c->harness == &xent_fused_case) s.without |= XENT_NO_ROW_STATS;
  if (c->kind == CASE_PROBABILITIES) s.targets_dtype = CLLOSS_F32;
  if (c->kind == CASE_CERTAIN) s.fill = XENT_CERTAIN;
  if (c->kind == CASE_LABELS) {
    s.targets_dtype = CLLOSS_F32;
    s.options.flags = CLLOSS_TARGET_INDICES;
  }
  if (c->kind == CASE_OPTIONS) {
    s.with = XENT_WITH_CLASS_WEIGHT;
    s.options.label_smoothing = SMOOTHING;
    s.options.flags = CLLOSS_IGNORE_INDEX;
    s.options.ignore_index = IGNORED;
  }
  shape->xent = s;
}

static clloss_view targets_of(const struct bench_case *c, const struct problem *p) {
  switch (c->kind) {
  case CASE_PROBABILITIES: return view(p->device_probabilities, CLLOSS_F32);
  case CASE_LABELS: return view(p->device_labels, CLLOSS_F32);
  default: return view(p->device_targets, CLLOSS_I32);
  }
}

static void xent_bind(const struct bench_case *c, const struct problem *p, cl_mem logits, cl_mem grad,
                      clloss_view *views) {
  views[XENT_TARGETS] = targets_of(c, p);
  if (c->harness == &xent_divisor_case) {
    views[XENT_DIVISOR] = view(p->loss, CLLOSS_F32);
    return;
  }
  views[XENT_LOGITS] = view(logits, c->dtype);
  if (c->kind == CASE_OPTIONS) views[XENT_CLASS_WEIGHT] = view(p->device_class_weight, CLLOSS_F32);
  if (c->harness != &xent_backward_case) views[XENT_LOSS] = view(p->loss, CLLOSS_F32);
  if (c->harness != &xent_fused_case) views[XENT_ROW_STATS] = view(p->row_stats, CLLOSS_F32);
  if (case_has_grad(c)) views[XENT_GRAD] = view(grad, c->dtype);
}

static void xent_reference_of(const struct bench_case *c, const struct problem *p, size_t first, size_t rows,
                              float *scratch) {
  float loss, *row_loss = scratch + rows * p->classes, *row_stats = row_loss + rows;
  if (c->harness == &xent_divisor_case) { /* how many are classes */
    int64_t valid = 0;
    for (size_t r = first; r < first + rows; r++)
      valid += p->targets[r] >= 0 && p->targets[r] < (int64_t)p->classes;
    *scratch = (float)valid;
    return;
  }
  clloss_ref_xent ref = {.rows = rows, .classes = p->classes, .inner = p->inner};
  ref.logits = (c->kind == CASE_CERTAIN ? (const float *)p->other : p->logits) + first * p->classes;
  if (c->kind == CASE_PROBABILITIES)
    ref.probabilities = p->probabilities + first * p->classes;
  else
    ref.targets = p->targets + first;
  if (c->kind == CASE_OPTIONS) {
    ref.class_weight = p->class_weight;
    ref.label_smoothing = SMOOTHING;
    ref.flags = CLLOSS_IGNORE_INDEX;
    ref.ignore_index = IGNORED;
  }
  ref.loss = &loss;
  ref.row_loss = row_loss;
  ref.row_stats = row_stats;
  if (case_has_grad(c)) ref.grad = scratch;
  clloss_ref_xent_f32(&ref);
}

const struct bench_loss xent_loss = {xent_shape_of, xent_bind, xent_reference_of};

/* ---- losses of two tensors, the second of which is f32 ---- */

static void bind_pair(const struct bench_case *c, const struct problem *p, cl_mem logits, cl_mem grad,
                      clloss_view *input, clloss_view *other, clloss_view *loss, clloss_view *gradient) {
  *input = view(logits, c->dtype);
  *other = view(p->device_probabilities, CLLOSS_F32);
  *loss = view(p->loss, CLLOSS_F32);
  *gradient = view(grad, c->dtype);
}

/* ---- elementwise losses: the logits for input, probabilities for targets ---- */

static void pointwise_shape_of(const struct bench_case *c, const struct problem *p, union loss_shape *shape) {
  shape->pointwise = (pointwise_shape){.rows = p->rows,
                                       .classes = p->classes,
                                       .kind = c->kind,
                                       .dtype = c->dtype,
                                       .outputs = POINTWISE_NO_ELEMENT_LOSS,
                                       .in_place = c->inplace != 0};
}

static void pointwise_bind(const struct bench_case *c, const struct problem *p, cl_mem logits, cl_mem grad,
                           clloss_view *views) {
  bind_pair(c, p, logits, grad, &views[POINTWISE_INPUT], &views[POINTWISE_TARGET], &views[POINTWISE_LOSS],
            &views[POINTWISE_GRAD]);
}

static void pointwise_reference_of(const struct bench_case *c, const struct problem *p, size_t first,
                                   size_t rows, float *scratch) {
  float loss;
  const clloss_ref_pointwise ref = {.rows = rows,
                                    .classes = p->classes,
                                    .kind = c->kind,
                                    .reduction = CLLOSS_MEAN,
                                    .input = p->logits + first * p->classes,
                                    .target = p->probabilities + first * p->classes,
                                    .loss = &loss,
                                    .grad = scratch};
  clloss_ref_pointwise_f32(&ref);
}

const struct bench_loss pointwise_loss = {pointwise_shape_of, pointwise_bind, pointwise_reference_of};

/* ---- distillation: a teacher whose logits are the probabilities, numbers like any ---- */

static void distill_shape_of(const struct bench_case *c, const struct problem *p, union loss_shape *shape) {
  shape->distill = (distill_shape){.rows = p->rows,
                                   .classes = p->classes,
                                   .inner = p->inner,
                                   .dtype = c->dtype,
                                   .without = DISTILL_NO_ROW_LOSS | DISTILL_NO_ROW_STATS,
                                   .in_place = c->inplace != 0};
}

static void distill_reference_of(const struct bench_case *c, const struct problem *p, size_t first,
                                 size_t rows, float *scratch) {
  float loss;
  const size_t at = first * p->classes;
  const clloss_ref_distill ref = {.rows = rows,
                                  .classes = p->classes,
                                  .inner = p->inner,
                                  .reduction = CLLOSS_MEAN,
                                  .student = p->logits + at,
                                  .teacher = p->probabilities + at,
                                  .loss = &loss,
                                  .grad = scratch};
  (void)c;
  clloss_ref_distill_f32(&ref);
}

static void distill_bind(const struct bench_case *c, const struct problem *p, cl_mem logits, cl_mem grad,
                         clloss_view *views) {
  bind_pair(c, p, logits, grad, &views[DISTILL_STUDENT], &views[DISTILL_TEACHER], &views[DISTILL_LOSS],
            &views[DISTILL_GRAD]);
}

const struct bench_loss distill_loss = {distill_shape_of, distill_bind, distill_reference_of};

/* ---- conversion, which is no loss ---- */

static void cast_shape_of(const struct bench_case *c, const struct problem *p, union loss_shape *shape) {
  shape->cast = (cast_shape){.rows = p->rows, .classes = p->classes, .read = c->dtype, .write = c->kind};
}

static void cast_bind(const struct bench_case *c, const struct problem *p, cl_mem logits, cl_mem grad,
                      clloss_view *views) {
  (void)p;
  views[CAST_INPUT] = view(logits, c->dtype);
  views[CAST_OUTPUT] = view(grad, c->kind);
}

static void cast_reference_of(const struct bench_case *c, const struct problem *p, size_t first, size_t rows,
                              float *scratch) {
  clloss_convert(c->kind, scratch, c->dtype, p->logits + first * p->classes, rows * p->classes);
}

const struct bench_loss cast_loss = {cast_shape_of, cast_bind, cast_reference_of};
