/* What a call of softmax cross-entropy may be asked: sizes, options and views, each refusal naming field and value. */
#include <math.h>

#include "runtime/ctx.h"
#include "runtime/view.h"
#include "xent.h"

static clloss_status check_sizes(clloss_ctx *ctx, const clloss_xent *x) {
  const clloss_status status = clloss__check_sizes(ctx, "xent", x->rows, x->classes, x->inner);
  if (status != CLLOSS_SUCCESS) return status;
  /* Kernels keep class indices of row results in 32 bits. */
  if (x->classes > INT32_MAX && x->predicted.mem) {
    return clloss__fail(ctx, CLLOSS_SIZE, "xent.classes is %zu: xent.predicted holds i32", x->classes);
  }
  return CLLOSS_SUCCESS;
}

/* An option that is out of range whatever the others are. */
static clloss_status check_ranges(clloss_ctx *ctx, const clloss_xent_options *o, uint32_t dtype) {
  const struct {
    const char *name;
    double value, least, most;
  } ranges[] = {
      {"label_smoothing", o->label_smoothing, 0, 1},
      {"z_loss", o->z_loss, 0, HUGE_VAL},
      {"softcap", o->softcap, 0, HUGE_VAL},
      {"divisor", o->divisor, 0, HUGE_VAL},
      {"logit_scale", o->logit_scale, -HUGE_VAL, HUGE_VAL},
      {"grad_alpha", o->grad_alpha, -HUGE_VAL, HUGE_VAL},
      {"grad_beta", o->grad_beta, -HUGE_VAL, HUGE_VAL},
  };
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; ++i) {
    const double v = ranges[i].value;
    const clloss_status status = clloss__check_number(ctx, ranges[i].name, v, dtype);
    if (status != CLLOSS_SUCCESS) return status;
    if (v < ranges[i].least || v > ranges[i].most) {
      return clloss__fail(ctx, CLLOSS_OPTION, "options.%s is %g: it has to be %s", ranges[i].name, v,
                          ranges[i].most == 1 ? "from 0 to 1" : "not negative");
    }
  }
  if (o->reduction > CLLOSS_NONE) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.reduction is %u: not a reduction", o->reduction);
  }
  const uint32_t known = CLLOSS_IGNORE_INDEX | CLLOSS_SMOOTHING_MEGATRON | CLLOSS_EMPTY_IS_ZERO |
                         CLLOSS_BAD_IS_IGNORED | CLLOSS_GRAD_ALPHA | CLLOSS_LOG_PROBABILITIES;
  if (o->flags & ~known) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.flags is %#x: unknown flag", o->flags);
  }
  return CLLOSS_SUCCESS;
}

/* Combinations that mean nothing. */
static clloss_status check_combinations(clloss_ctx *ctx, const clloss__xent *r) {
  const clloss_xent_options *o = &r->o;
  const uint32_t flags = o->flags;
  const bool mean = o->reduction == CLLOSS_MEAN, nll = (flags & CLLOSS_LOG_PROBABILITIES) != 0;
  const struct {
    bool wrong;
    const char *why;
  } rules[] = {
      {o->ignore_index && !(flags & CLLOSS_IGNORE_INDEX),
       "ignore_index is set without the flag CLLOSS_IGNORE_INDEX"},
      {r->probabilities && (flags & CLLOSS_IGNORE_INDEX), "ignore_index with probabilities for targets"},
      {r->probabilities && (flags & CLLOSS_BAD_IS_IGNORED),
       "CLLOSS_BAD_IS_IGNORED with probabilities for targets"},
      {o->grad_alpha != 0 && !(flags & CLLOSS_GRAD_ALPHA),
       "grad_alpha is set without the flag CLLOSS_GRAD_ALPHA"},
      {(flags & CLLOSS_SMOOTHING_MEGATRON) && r->x.classes == 1,
       "CLLOSS_SMOOTHING_MEGATRON of one class divides by 0"},
      {r->has_divisor && !mean, "a divisor is given, but only the mean has one"},
      {o->divisor != 0 && r->x.divisor.mem, "divisor is given twice, here and as xent.divisor"},
      {(flags & CLLOSS_EMPTY_IS_ZERO) && !mean, "CLLOSS_EMPTY_IS_ZERO is about the mean"},
      {nll && r->probabilities, "CLLOSS_LOG_PROBABILITIES with probabilities for targets"},
      {nll && (o->label_smoothing != 0 || o->z_loss != 0 || o->softcap != 0 || o->logit_scale != 0),
       "CLLOSS_LOG_PROBABILITIES leaves no softmax for label_smoothing, z_loss, softcap or logit_scale"},
      {o->grad_beta != 0 && r->in_place, "grad_beta in place: what stands in grad are the logits"},
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; ++i) {
    if (rules[i].wrong) return clloss__fail(ctx, CLLOSS_OPTION, "options: %s", rules[i].why);
  }
  return CLLOSS_SUCCESS;
}

/* The flags of the views that are there. */
static cl_ulong bound_views(const clloss__xent *r) {
  const clloss_xent *x = &r->x;
  const struct {
    const clloss_view *view;
    cl_ulong flag;
  } all[] = {
      {&x->loss, XENT_LOSS},
      {&x->row_loss, XENT_ROW_LOSS},
      {&x->row_stats, XENT_ROW_STATS},
      {&x->grad_loss, XENT_GRAD_LOSS},
      {&x->class_weight, XENT_CLASS_WEIGHT},
      {&x->row_weight, XENT_ROW_WEIGHT},
      {&x->divisor, XENT_DIVISOR},
      {&x->metrics, XENT_METRICS},
      {&x->counts, XENT_COUNTS},
      {&x->predicted, XENT_PREDICTED},
      {&x->confidence, XENT_CONFIDENCE},
      {&x->entropy, XENT_ENTROPY},
  };
  cl_ulong flags = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    if (clloss__is_there(r->presence, all[i].view)) flags |= all[i].flag;
  }
  return flags;
}

clloss_status clloss__xent_read(clloss_ctx *ctx, const clloss_xent *xent, const clloss_xent_options *options,
                                clloss__xent *r) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!xent) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "xent: NULL");
  status = clloss__read_struct(&ctx->message, "xent", &r->x, sizeof r->x, xent);
  if (status == CLLOSS_SUCCESS && options) {
    status = clloss__read_struct(&ctx->message, "options", &r->o, sizeof r->o, options);
  }
  if (status != CLLOSS_SUCCESS) return status;
  clloss_xent *x = &r->x;
  clloss__settle_views(ctx, r->presence, x, offsetof(clloss_xent, logits), offsetof(clloss_xent, workspace));
  r->untyped = !x->logits.mem && x->logits.dtype == 0;
  if (r->untyped) x->logits.dtype = CLLOSS_F32;
  r->bound = bound_views(r);
  if (x->inner == 0) x->inner = 1;
  const uint32_t targets = x->targets.dtype;
  r->probabilities = targets == CLLOSS_F32 || targets == CLLOSS_F64 || targets == CLLOSS_F16 ||
                     targets == CLLOSS_BF16;
  r->in_place = clloss__same_view(&x->grad, &x->logits, x->classes, x->inner);
  r->has_divisor = r->o.divisor != 0 || (r->bound & XENT_DIVISOR);
  status = check_sizes(ctx, x);
  if (status == CLLOSS_SUCCESS) {
    status = clloss__check_real_dtype(ctx, "xent.logits.dtype", x->logits.dtype);
  }
  if (status == CLLOSS_SUCCESS) status = check_ranges(ctx, &r->o, x->logits.dtype);
  if (status == CLLOSS_SUCCESS) status = check_combinations(ctx, r);
  if (r->o.logit_scale == 0) r->o.logit_scale = 1;
  if (!(r->o.flags & CLLOSS_GRAD_ALPHA)) r->o.grad_alpha = 1;
  if (r->o.top_k == 0) r->o.top_k = 5;
  return status;
}

clloss_status clloss__xent_check_views(clloss_ctx *ctx, const clloss__xent *r) {
  const clloss_xent *x = &r->x;
  const size_t n = x->rows, outer = n / x->inner;
  const uint32_t type = CLLOSS__DTYPE(x->logits.dtype);
  const uint32_t real = CLLOSS__DTYPE(x->logits.dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32);
  const uint32_t index = CLLOSS__DTYPE(CLLOSS_I32) | CLLOSS__DTYPE(CLLOSS_I64);
  const bool back = r->op == CLLOSS__BACKWARD, forth = r->op == CLLOSS__FORWARD;
  const bool none = r->o.reduction == CLLOSS_NONE, whole = r->probabilities;
  const clloss__role result = back ? CLLOSS__REFUSED : CLLOSS__MAY_WRITE;
  const clloss__role reduced = none ? CLLOSS__REFUSED : result;
  const clloss__role gradient = forth ? CLLOSS__REFUSED : CLLOSS__WRITES;
  const clloss__role upstream = forth ? CLLOSS__REFUSED : CLLOSS__MAY_READ;
  const bool nll = (r->o.flags & CLLOSS_LOG_PROBABILITIES) != 0;
  const clloss__role stats = nll ? CLLOSS__REFUSED : back ? CLLOSS__READS : CLLOSS__MAY_WRITE;
  const clloss__role of_softmax = nll ? CLLOSS__REFUSED : result;
#define USE(field, how, types, n_rows, n_columns, ...)                                                     \
  {                                                                                                        \
    .name = #field, .view = &x->field, .role = how, .dtypes = types, .rows = n_rows, .columns = n_columns, \
    __VA_ARGS__                                                                                            \
  }
  const clloss__use uses[] = {
      USE(logits, CLLOSS__READS, type, outer, x->classes, .inner = x->inner, .may_stride = true),
      USE(targets, CLLOSS__READS, whole ? type | real : index, whole ? outer : n, whole ? x->classes : 1,
          .inner = whole ? x->inner : 1, .may_stride = whole),
      USE(class_weight, CLLOSS__MAY_READ, real, 1, x->classes, .inner = 1),
      USE(row_weight, CLLOSS__MAY_READ, real, n, 1, .broadcasts = CLLOSS_BROADCAST),
      USE(loss, reduced, real, 1, 1, .inner = 1),
      USE(row_loss, result, real, n, 1, .inner = 1),
      USE(row_stats, stats, real, n, 2, .inner = 1),
      USE(grad, gradient, type | real, outer, x->classes, .inner = x->inner, .may_stride = true,
          .same = &x->logits, .also_read = r->o.grad_beta != 0),
      USE(grad_loss, upstream, real, none ? n : 1, 1, .broadcasts = CLLOSS_BROADCAST),
      USE(divisor, CLLOSS__MAY_READ, real, 1, 1, .inner = 1),
      USE(metrics, result, real, 1, CLLOSS_METRICS, .inner = 1),
      USE(counts, result, CLLOSS__DTYPE(CLLOSS_I64), 1, CLLOSS_COUNTS, .inner = 1),
      USE(predicted, of_softmax, CLLOSS__DTYPE(CLLOSS_I32), n, 1, .inner = 1),
      USE(confidence, of_softmax, real, n, 1, .inner = 1),
      USE(entropy, of_softmax, real, n, 1, .inner = 1),
      USE(workspace, CLLOSS__MAY_WRITE, CLLOSS__DTYPE(CLLOSS_U8), 1, r->workspace_bytes, .also_read = true,
          .align_bytes = sizeof(cl_ulong), .if_too_small = CLLOSS_WORKSPACE),
  };
#undef USE
  const clloss_status status = clloss__check_uses(ctx, "xent", r->presence, uses, sizeof uses / sizeof *uses);
  if (status != CLLOSS_SUCCESS) return status;
  if (forth && !(r->bound & (XENT_LOSS | XENT_ROW_LOSS | XENT_ROW_STATS | XENT_ANY_METRIC))) {
    return clloss__fail(ctx, CLLOSS_MISSING_VIEW, "xent: no output is bound, loss or row_loss, say");
  }
  return CLLOSS_SUCCESS;
}
