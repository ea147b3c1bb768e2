/* Rows of status_xent.h about options, element types, the class axis, and the views that calls may go without. */
#include "status_xent.h"

#include <math.h>

/* Probabilities for targets: a view like the logits', and no index to ignore. */
static void probabilities(call *c, uint32_t dtype) {
  c->x.targets = (clloss_view){.mem = status_root(), .dtype = dtype};
  c->o.flags = CLLOSS_TARGET_PROBABILITIES;
  c->o.ignore_index = 0;
}

static void root(clloss_view *view, uint32_t dtype) {
  view->mem = status_root();
  view->dtype = dtype;
}

/* One output moved onto another view of its type. */
static void onto(call *c, int view, const clloss_view *other, size_t offset) {
  clloss_view *v = status_view(c, view);
  status_bind(c, view);
  v->mem = other->mem;
  v->offset = offset;
}

/* clang-format off */
#define RANGE_ROWS(X) \
  X(smoothing_above_one, FUSED, OPTION, "label_smoothing 1.5 0 to 1", c->o.label_smoothing = 1.5;) \
  X(smoothing_negative, FORWARD, OPTION, "label_smoothing -0.1", c->o.label_smoothing = -0.1;) \
  X(smoothing_nan, BACKWARD, OPTION, "label_smoothing nan", c->o.label_smoothing = NAN;) \
  X(z_loss_negative, FUSED, OPTION, "z_loss -1 negative", c->o.z_loss = -1;) \
  X(z_loss_infinite, FORWARD, OPTION, "z_loss inf", c->o.z_loss = INFINITY;) \
  X(z_loss_nan, FUSED, OPTION, "z_loss nan", c->o.z_loss = NAN;) \
  X(softcap_negative, BACKWARD, OPTION, "softcap -30", c->o.softcap = -30;) \
  X(softcap_infinite, FUSED, OPTION, "softcap inf", c->o.softcap = INFINITY;) \
  X(softcap_vanishes, FUSED, OPTION, "softcap 1e-40 f32", c->o.softcap = 1e-40;) \
  X(softcap_smallest, FUSED, SUCCESS, "", c->o.softcap = 0x1p-126;) \
  X(scale_overflows, BACKWARD, OPTION, "logit_scale -1e+39 f32", c->o.logit_scale = -1e39;) \
  X(scale_nan, FUSED, OPTION, "logit_scale nan", c->o.logit_scale = NAN;) \
  X(scale_infinite, FORWARD, OPTION, "logit_scale -inf", c->o.logit_scale = -INFINITY;) \
  X(divisor_negative, FUSED, OPTION, "divisor -3", c->o.divisor = -3;) \
  X(divisor_nan, BACKWARD, OPTION, "divisor nan", c->o.divisor = NAN;) \
  X(alpha_nan, FUSED, OPTION, "grad_alpha nan", c->o.flags |= CLLOSS_GRAD_ALPHA; c->o.grad_alpha = NAN;) \
  X(alpha_infinite, FUSED, OPTION, "grad_alpha inf", c->o.flags |= CLLOSS_GRAD_ALPHA; c->o.grad_alpha = INFINITY;) \
  X(beta_infinite, BACKWARD, OPTION, "grad_beta inf", c->o.grad_beta = INFINITY;) \
  X(beta_nan, FUSED, OPTION, "grad_beta nan", c->o.grad_beta = NAN;)

#define COMBINATION_ROWS(X) \
  X(ignore_with_probabilities, FUSED, OPTION, "ignore_index probabilities", \
    probabilities(c, CLLOSS_F32); c->o.flags |= CLLOSS_IGNORE_INDEX;) \
  X(bad_with_probabilities, FORWARD, OPTION, "CLLOSS_BAD_IS_IGNORED probabilities", \
    probabilities(c, CLLOSS_F32); c->o.flags |= CLLOSS_BAD_IS_IGNORED;) \
  X(ignored_forgotten, FUSED, OPTION, "ignore_index 0 CLLOSS_IGNORE_ZERO", \
    c->o.flags |= CLLOSS_IGNORE_INDEX; c->o.ignore_index = 0;) \
  X(ignored_zero_of_another, BACKWARD, OPTION, "CLLOSS_IGNORE_ZERO ignore_index of 0", \
    c->o.flags |= CLLOSS_IGNORE_INDEX | CLLOSS_IGNORE_ZERO; c->o.ignore_index = 4;) \
  X(ignored_zero_alone, FORWARD, OPTION, "CLLOSS_IGNORE_ZERO CLLOSS_IGNORE_INDEX", \
    c->o.flags = CLLOSS_IGNORE_ZERO; c->o.ignore_index = 0;) \
  X(reals_unsaid, FORWARD, OPTION, "targets f32 CLLOSS_TARGET_PROBABILITIES CLLOSS_TARGET_INDICES", \
    c->x.targets.dtype = CLLOSS_F32;) \
  X(halves_unsaid, BACKWARD, OPTION, "targets f16 CLLOSS_TARGET_PROBABILITIES CLLOSS_TARGET_INDICES", \
    c->x.targets.dtype = CLLOSS_F16;) \
  X(reals_said_twice, FUSED, OPTION, "CLLOSS_TARGET_PROBABILITIES CLLOSS_TARGET_INDICES at once", \
    c->x.targets.dtype = CLLOSS_F32; c->o.flags |= CLLOSS_TARGET_PROBABILITIES | CLLOSS_TARGET_INDICES;) \
  X(probabilities_of_integers, FUSED, OPTION, "CLLOSS_TARGET_PROBABILITIES integers", \
    c->o.flags |= CLLOSS_TARGET_PROBABILITIES;) \
  X(ignored_is_no_real, FORWARD, OPTION, "ignore_index -2^63", \
    c->x.targets.dtype = CLLOSS_F32; c->o.flags |= CLLOSS_TARGET_INDICES | CLLOSS_IGNORE_INDEX; \
    c->o.ignore_index = INT64_MIN;) \
  X(alpha_unflagged, FUSED, OPTION, "grad_alpha CLLOSS_GRAD_ALPHA", c->o.grad_alpha = 2;) \
  X(megatron_of_one_class, FUSED, OPTION, "CLLOSS_SMOOTHING_MEGATRON one class", \
    c->o.flags |= CLLOSS_SMOOTHING_MEGATRON; c->x.classes = 1;) \
  X(divisor_with_sum, FUSED, OPTION, "divisor mean", c->o.reduction = CLLOSS_SUM; c->o.divisor = 8;) \
  X(divisor_view_with_sum, BACKWARD, OPTION, "divisor mean", \
    c->o.reduction = CLLOSS_SUM; status_bind(c, DIVISOR);) \
  X(divisor_with_none, FUSED, OPTION, "divisor mean", \
    c->o.reduction = CLLOSS_NONE; c->o.divisor = 8; c->x.loss.mem = NULL; c->x.grad_loss.mem = NULL;) \
  X(two_divisors, FORWARD, OPTION, "divisor twice", c->o.divisor = 8; status_bind(c, DIVISOR);) \
  X(empty_with_sum, FUSED, OPTION, "CLLOSS_EMPTY_IS_ZERO mean", \
    c->o.reduction = CLLOSS_SUM; c->o.flags |= CLLOSS_EMPTY_IS_ZERO;) \
  X(beta_in_place, FUSED, OPTION, "grad_beta in place", \
    c->x.grad.mem = c->x.logits.mem = status_root(); c->o.grad_beta = 1;) \
  X(nll_with_probabilities, FUSED, OPTION, "CLLOSS_LOG_PROBABILITIES probabilities", \
    probabilities(c, CLLOSS_F32); c->o.flags |= CLLOSS_LOG_PROBABILITIES;) \
  X(nll_with_smoothing, FORWARD, OPTION, "CLLOSS_LOG_PROBABILITIES label_smoothing", \
    c->o.flags |= CLLOSS_LOG_PROBABILITIES; c->o.label_smoothing = 0.1;) \
  X(nll_with_scale, BACKWARD, OPTION, "CLLOSS_LOG_PROBABILITIES logit_scale", \
    c->o.flags |= CLLOSS_LOG_PROBABILITIES; c->o.logit_scale = 2;) \
  X(nll_with_stats, FUSED, UNUSED_VIEW, "row_stats", \
    c->o.flags |= CLLOSS_LOG_PROBABILITIES;) /* bound in every fused call */ \
  X(nll_with_entropy, FORWARD, UNUSED_VIEW, "entropy", \
    c->o.flags |= CLLOSS_LOG_PROBABILITIES; c->x.row_stats.mem = NULL; status_bind(c, ENTROPY);) \
  X(beta_in_place_backward, BACKWARD, OPTION, "grad_beta in place", \
    c->x.grad.mem = c->x.logits.mem = status_root(); c->o.grad_beta = -0.5;)

#define AXIS_ROWS(X) \
  X(inner_divides_not, FUSED, SIZE, "rows 5 inner 2", c->x.inner = 2;) \
  X(inner_past_rows, BACKWARD, SIZE, "rows 5 inner 10", c->x.inner = 2 * ROWS;) \
  X(predicted_past_i32, FORWARD, SIZE, "classes 2147483648 predicted", \
    status_bind(c, PREDICTED); c->x.classes = (size_t)INT32_MAX + 1;) \
  X(class_stride_short, FUSED, STRIDE, "logits class_stride 4 inner", \
    c->x.inner = ROWS; c->x.logits.class_stride = ROWS - 1;) \
  X(grad_class_stride_short, BACKWARD, STRIDE, "grad class_stride 1 inner", \
    c->x.inner = ROWS; c->x.grad.class_stride = 1;) \
  X(class_stride_overflows, FUSED, STRIDE, "logits class_stride 18446744073709551615", \
    c->x.logits.class_stride = SIZE_MAX;) \
  X(row_stride_under_classes, FORWARD, STRIDE, "logits row_stride 14 15", \
    c->x.logits.class_stride = 2; c->x.logits.row_stride = 14;) \
  X(outer_stride_short, FUSED, STRIDE, "logits row_stride 39 40", \
    c->x.inner = ROWS; c->x.logits.row_stride = ROWS * CLASSES - 1;) \
  X(probabilities_class_stride_short, FUSED, STRIDE, "targets class_stride 4", \
    probabilities(c, CLLOSS_F32); c->x.inner = ROWS; c->x.targets.class_stride = ROWS - 1;) \
  X(probabilities_too_short, FUSED, BUFFER_SIZE, "targets 160", \
    c->o.flags = CLLOSS_TARGET_PROBABILITIES; c->o.ignore_index = 0; c->x.targets.dtype = CLLOSS_F32;) \
  X(in_place_other_classes, FUSED, OVERLAP, "grad logits", \
    c->x.grad.mem = c->x.logits.mem = status_root(); c->x.grad.class_stride = 2;)

#define TYPE_ROWS(X) \
  X(logits_of_indices, FUSED, DTYPE, "logits.dtype i64", root(&c->x.logits, CLLOSS_I64);) \
  X(logits_of_bytes, FORWARD, DTYPE, "logits.dtype u8", root(&c->x.logits, CLLOSS_U8);) \
  X(targets_of_no_type, FORWARD, DTYPE, "targets.dtype 9 f32, i32 i64, u8", c->x.targets.dtype = 9;) \
  X(indices_of_doubles, FUSED, BUFFER_SIZE, "targets", \
    c->x.targets.dtype = CLLOSS_F64; c->o.flags |= CLLOSS_TARGET_INDICES;) \
  X(grad_narrower, FUSED, DTYPE, "grad.dtype bf16", root(&c->x.grad, CLLOSS_BF16);) \
  X(grad_wider, BACKWARD, DTYPE, "grad.dtype f64", root(&c->x.grad, CLLOSS_F64);) \
  X(grad_of_another_half, FUSED, DTYPE, "grad.dtype f16", \
    root(&c->x.logits, CLLOSS_BF16); root(&c->x.grad, CLLOSS_F16); c->x.grad.offset = 1024;) \
  X(loss_of_half, FUSED, DTYPE, "loss.dtype f16", root(&c->x.logits, CLLOSS_F16); c->x.loss.dtype = CLLOSS_F16;) \
  X(row_loss_of_f64, FUSED, DTYPE, "row_loss.dtype f64", root(&c->x.row_loss, CLLOSS_F64);) \
  X(class_weight_of_f64, FUSED, DTYPE, "class_weight.dtype f64", \
    status_bind(c, CLASS_WEIGHT); root(&c->x.class_weight, CLLOSS_F64);) \
  X(row_weight_of_half, BACKWARD, DTYPE, "row_weight.dtype f16", \
    status_bind(c, ROW_WEIGHT); root(&c->x.row_weight, CLLOSS_F16);) \
  X(probabilities_of_half, FUSED, DTYPE, "targets.dtype f16", probabilities(c, CLLOSS_F16);) \
  X(probabilities_of_another_half, FUSED, DTYPE, "targets.dtype f16", \
    probabilities(c, CLLOSS_F16); root(&c->x.logits, CLLOSS_BF16); c->x.logits.offset = 1024;) \
  X(probabilities_of_f64, FORWARD, DTYPE, "targets.dtype f64", probabilities(c, CLLOSS_F64);) \
  X(counts_of_i32, FORWARD, DTYPE, "counts.dtype i32", status_bind(c, COUNTS); c->x.counts.dtype = CLLOSS_I32;) \
  X(predicted_of_i64, FUSED, DTYPE, "predicted.dtype i64", \
    status_bind(c, PREDICTED); root(&c->x.predicted, CLLOSS_I64);)

#define VIEW_ROWS(X) \
  X(metrics_in_backward, BACKWARD, UNUSED_VIEW, "metrics", status_bind(c, METRICS);) \
  X(counts_in_backward, BACKWARD, UNUSED_VIEW, "counts", status_bind(c, COUNTS);) \
  X(predicted_in_backward, BACKWARD, UNUSED_VIEW, "predicted", status_bind(c, PREDICTED);) \
  X(confidence_in_backward, BACKWARD, UNUSED_VIEW, "confidence", status_bind(c, CONFIDENCE);) \
  X(entropy_in_backward, BACKWARD, UNUSED_VIEW, "entropy", status_bind(c, ENTROPY);) \
  X(metrics_on_grad, FUSED, OVERLAP, "metrics grad", onto(c, METRICS, &c->x.grad, 30);) \
  X(counts_on_logits, FUSED, OVERLAP, "counts logits", onto(c, COUNTS, &c->x.logits, 4);) \
  X(predicted_on_targets, FORWARD, OVERLAP, "predicted targets", onto(c, PREDICTED, &c->x.targets, 0);) \
  X(confidence_on_row_loss, FUSED, OVERLAP, "confidence row_loss", onto(c, CONFIDENCE, &c->x.row_loss, 0);) \
  X(entropy_on_confidence, FORWARD, OVERLAP, "entropy confidence", \
    status_bind(c, CONFIDENCE); onto(c, ENTROPY, &c->x.confidence, 0);) \
  X(loss_on_divisor, FUSED, OVERLAP, "loss divisor", status_bind(c, DIVISOR); c->x.loss.mem = c->x.divisor.mem;) \
  X(row_loss_on_row_weight, FORWARD, OVERLAP, "row_loss row_weight", \
    status_bind(c, ROW_WEIGHT); c->x.row_loss.mem = c->x.row_weight.mem;) \
  X(grad_on_class_weight, BACKWARD, OVERLAP, "grad class_weight", \
    status_bind(c, CLASS_WEIGHT); c->x.grad.mem = c->x.class_weight.mem = status_root();) \
  X(grad_on_probabilities, FUSED, OVERLAP, "grad targets", probabilities(c, CLLOSS_F32); c->x.grad.mem = status_root();) \
  X(row_weight_too_short, FUSED, BUFFER_SIZE, "row_weight 20", \
    status_bind(c, ROW_WEIGHT); c->x.row_weight.mem = c->x.loss.mem;)

/* Odd, and right. Each type or target kind is a program to build: two suffice here. */
#define GOOD_ROWS(X) \
  X(every_view, FUSED, SUCCESS, "", for (int i = SLOT_COUNT; i < VIEW_COUNT; i++) status_bind(c, i);) \
  X(weights_in_backward, BACKWARD, SUCCESS, "", \
    status_bind(c, CLASS_WEIGHT); status_bind(c, ROW_WEIGHT); status_bind(c, DIVISOR);) \
  X(entropy_alone, FORWARD, SUCCESS, "", status_bind(c, ENTROPY); \
    c->x.loss.mem = c->x.row_loss.mem = c->x.row_stats.mem = NULL;) \
  X(counts_alone, FORWARD, SUCCESS, "", status_bind(c, COUNTS); c->o.reduction = CLLOSS_NONE; \
    c->x.loss.mem = c->x.row_loss.mem = c->x.row_stats.mem = NULL;) \
  X(row_weight_broadcast, FUSED, SUCCESS, "", status_bind(c, ROW_WEIGHT); \
    c->x.row_weight.mem = c->x.grad_loss.mem; c->x.row_weight.flags = CLLOSS_BROADCAST;) \
  X(all_smoothing, FUSED, SUCCESS, "", c->o.label_smoothing = 1;) \
  X(megatron_smoothing, BACKWARD, SUCCESS, "", \
    c->o.label_smoothing = 0.1; c->o.flags |= CLLOSS_SMOOTHING_MEGATRON;) \
  X(negative_scale, FUSED, SUCCESS, "", c->o.logit_scale = -1; c->o.softcap = 30; c->o.z_loss = 1e-4;) \
  X(alpha_zero, FUSED, SUCCESS, "", c->o.flags |= CLLOSS_GRAD_ALPHA; c->o.grad_beta = 1;) \
  X(divisor_given, BACKWARD, SUCCESS, "", c->o.divisor = 1e-3;) \
  X(huge_top_k, FUSED, SUCCESS, "", status_bind(c, COUNTS); c->o.top_k = UINT64_MAX;) \
  X(axis_in_the_middle, FUSED, SUCCESS, "", c->x.inner = ROWS;) \
  X(axis_apart, BACKWARD, SUCCESS, "", c->x.inner = ROWS; root(&c->x.logits, CLLOSS_F32); \
    c->x.logits.class_stride = ROWS + 2; c->x.logits.offset = 3;) \
  X(classes_apart, FUSED, SUCCESS, "", root(&c->x.logits, CLLOSS_F32); c->x.logits.class_stride = 2;) \
  X(bf16_to_f32, FUSED, SUCCESS, "", root(&c->x.logits, CLLOSS_BF16);) \
  X(ignores_class_0, FORWARD, SUCCESS, "", \
    c->o.flags |= CLLOSS_IGNORE_INDEX | CLLOSS_IGNORE_ZERO; c->o.ignore_index = 0;) \
  X(targets_of_bytes, FORWARD, SUCCESS, "", c->x.targets.dtype = CLLOSS_U8;) \
  X(targets_of_floats, BACKWARD, SUCCESS, "", c->x.targets.dtype = CLLOSS_F32; c->o.flags |= CLLOSS_TARGET_INDICES;) \
  X(integers_said, FUSED, SUCCESS, "", c->o.flags |= CLLOSS_TARGET_INDICES;) \
  X(soft_targets, BACKWARD, SUCCESS, "", probabilities(c, CLLOSS_F32); c->x.targets.offset = 7;) \
  X(targets_are_logits, FUSED, SUCCESS, "", probabilities(c, CLLOSS_F32); c->x.logits.mem = status_root();)

#define ALL_ROWS(X) RANGE_ROWS(X) COMBINATION_ROWS(X) AXIS_ROWS(X) TYPE_ROWS(X) VIEW_ROWS(X) GOOD_ROWS(X)
ALL_ROWS(ROW_FUNCTION)
/* clang-format on */

const call_row option_rows[] = {ALL_ROWS(ROW_ENTRY)};
const size_t n_option_rows = sizeof option_rows / sizeof *option_rows;
