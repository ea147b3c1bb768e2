/* What a call of softmax cross-entropy may be asked: sizes, options and views, each refusal naming field and value. */
#include "options.h"
#include "runtime/convert.h"
#include "runtime/ctx.h"
#include "xent.h"

static clloss_status check_numbers(clloss_ctx *ctx, const clloss_xent_options *o, uint32_t dtype) {
  const clloss__range ranges[] = {
      {"label_smoothing", o->label_smoothing, o->label_smoothing >= 0 && o->label_smoothing <= 1,
       "from 0 to 1"},
      {"z_loss", o->z_loss, o->z_loss >= 0, "not negative"},
      {"softcap", o->softcap, o->softcap >= 0, "not negative"},
      {"divisor", o->divisor, o->divisor >= 0, "not negative"},
      {"logit_scale", o->logit_scale, true, "a number"},
      {"grad_alpha", o->grad_alpha, true, "a number"},
      {"grad_beta", o->grad_beta, true, "a number"},
  };
  return clloss__check_ranges(ctx, dtype, ranges, sizeof ranges / sizeof *ranges);
}

/* Combinations that mean nothing. */
static clloss_status check_combinations(clloss_ctx *ctx, const clloss__xent *r) {
  const clloss_xent_options *o = &r->o;
  const uint32_t flags = o->flags;
  const bool mean = o->reduction == CLLOSS_MEAN, nll = (flags & CLLOSS_LOG_PROBABILITIES) != 0;
  const bool finds = r->head.pass == CLLOSS__DIVISOR;
  const bool weighs = clloss__has(&r->head, &r->x.class_weight) && !r->probabilities;
  const bool real = clloss__is_real(r->x.targets.dtype), whole = (flags & CLLOSS_TARGET_INDICES) != 0;
  if (real && !(flags & (CLLOSS_TARGET_INDICES | CLLOSS_TARGET_PROBABILITIES)))
    return clloss__fail(ctx, CLLOSS_OPTION,
                        "targets of %s: options.flags has to say what they hold, "
                        "CLLOSS_TARGET_PROBABILITIES or CLLOSS_TARGET_INDICES",
                        clloss_dtype_name(r->x.targets.dtype));
  const clloss__rule rules[] = {
      {whole && (flags & CLLOSS_TARGET_PROBABILITIES),
       "CLLOSS_TARGET_PROBABILITIES and CLLOSS_TARGET_INDICES at once"},
      {(flags & CLLOSS_TARGET_PROBABILITIES) && r->x.targets.dtype && !real,
       "CLLOSS_TARGET_PROBABILITIES, and xent.targets holds integers"},
      {o->ignore_index && !(flags & CLLOSS_IGNORE_INDEX),
       "ignore_index is set without the flag CLLOSS_IGNORE_INDEX"},
      {real && whole && (flags & CLLOSS_IGNORE_INDEX) && o->ignore_index == INT64_MIN,
       "ignore_index is -2^63, which no class index in a real is"},
      {r->probabilities && (flags & CLLOSS_IGNORE_INDEX), "ignore_index with probabilities for targets"},
      {(flags & CLLOSS_IGNORE_INDEX) && !o->ignore_index && !(flags & CLLOSS_IGNORE_ZERO),
       "ignore_index is 0 with CLLOSS_IGNORE_INDEX: set it, or CLLOSS_IGNORE_ZERO if class 0 is meant"},
      {(flags & CLLOSS_IGNORE_ZERO) && (!(flags & CLLOSS_IGNORE_INDEX) || o->ignore_index),
       "CLLOSS_IGNORE_ZERO goes with CLLOSS_IGNORE_INDEX and an ignore_index of 0"},
      {r->probabilities && (flags & CLLOSS_BAD_IS_IGNORED),
       "CLLOSS_BAD_IS_IGNORED with probabilities for targets"},
      {o->grad_alpha != 0 && !(flags & CLLOSS_GRAD_ALPHA),
       "grad_alpha is set without the flag CLLOSS_GRAD_ALPHA"},
      {(flags & CLLOSS_SMOOTHING_MEGATRON) && r->x.classes == 1,
       "CLLOSS_SMOOTHING_MEGATRON of one class divides by 0"},
      {r->has_divisor && !mean, "a divisor is given, but only the mean has one"},
      {o->divisor != 0 && clloss__is_bound(&r->x.divisor) && !finds,
       "divisor is given twice, here and as xent.divisor"},
      {finds && (!mean || o->divisor != 0), "the divisor that is asked for is that of the mean, and its own"},
      {finds && o->z_loss != 0 && weighs, "z_loss has a divisor of its own where there are class weights"},
      {(flags & CLLOSS_EMPTY_IS_ZERO) && !mean, "CLLOSS_EMPTY_IS_ZERO is about the mean"},
      {nll && r->probabilities, "CLLOSS_LOG_PROBABILITIES with probabilities for targets"},
      {nll && (o->label_smoothing != 0 || o->z_loss != 0 || o->softcap != 0 || o->logit_scale != 0),
       "CLLOSS_LOG_PROBABILITIES leaves no softmax for label_smoothing, z_loss, softcap or logit_scale"},
      {o->grad_beta != 0 && r->in_place, "grad_beta in place: what stands in grad are the logits"},
  };
  return clloss__check_rules(ctx, rules, sizeof rules / sizeof *rules);
}

clloss_status clloss__xent_check(clloss_ctx *ctx, clloss__request *head) {
  clloss__xent *r = (clloss__xent *)head;
  const clloss_xent *x = &r->x;
  clloss_xent_options *o = &r->o;
  const uint32_t known = CLLOSS_IGNORE_INDEX | CLLOSS_SMOOTHING_MEGATRON | CLLOSS_EMPTY_IS_ZERO |
                         CLLOSS_BAD_IS_IGNORED | CLLOSS_GRAD_ALPHA | CLLOSS_LOG_PROBABILITIES |
                         CLLOSS_TARGET_INDICES | CLLOSS_TARGET_PROBABILITIES | CLLOSS_ACCUMULATE |
                         CLLOSS_IGNORE_ZERO;
  const bool finds = head->pass == CLLOSS__DIVISOR;
  r->probabilities = clloss__is_real(x->targets.dtype) && !(o->flags & CLLOSS_TARGET_INDICES);
  r->in_place = clloss__same_view(&x->grad, &x->logits, x->classes, x->inner);
  r->has_divisor = o->divisor != 0 || (clloss__has(head, &x->divisor) && !finds);
  r->no_logits = finds && !clloss__has(head, &x->logits);
  if (r->no_logits) r->x.logits.dtype = CLLOSS__REAL(x->divisor.dtype);
  /* Kernels keep class indices of row results in 32 bits. */
  if (x->classes > INT32_MAX && clloss__is_bound(&x->predicted)) {
    return clloss__fail(ctx, CLLOSS_SIZE, "xent.classes is %zu: xent.predicted holds i32", x->classes);
  }
  clloss_status status = check_numbers(ctx, o, x->logits.dtype);
  if (status == CLLOSS_SUCCESS) status = clloss__check_reduction(ctx, o->reduction, CLLOSS_NONE);
  if (status == CLLOSS_SUCCESS) status = clloss__check_flags(ctx, "options", o->flags, known);
  if (status == CLLOSS_SUCCESS) status = check_combinations(ctx, r);
  if (o->logit_scale == 0) o->logit_scale = 1;
  if (!(o->flags & CLLOSS_GRAD_ALPHA)) o->grad_alpha = 1;
  if (o->top_k == 0) o->top_k = 5;
  return status;
}

size_t clloss__xent_views(clloss__request *head, clloss__use *uses) {
  clloss__xent *r = (clloss__xent *)head;
  const clloss_xent *x = &r->x;
  xent_args *a = &r->args;
  const size_t n = x->rows, outer = n / x->inner;
  const uint32_t type = CLLOSS__DTYPE(x->logits.dtype), real = CLLOSS__DTYPE(CLLOSS__REAL(x->logits.dtype));
  const uint32_t i32 = CLLOSS__DTYPE(CLLOSS_I32), i64 = CLLOSS__DTYPE(CLLOSS_I64);
  const bool none = r->o.reduction == CLLOSS_NONE, whole = r->probabilities;
  /* of what no divisor depends on the type doesn't matter */
  const uint32_t targets = whole && head->pass != CLLOSS__DIVISOR ? type | real : CLLOSS__ANY_DTYPE;
  const bool nll = (r->o.flags & CLLOSS_LOG_PROBABILITIES) != 0;
  /* the divisor takes the place of a loss, and refuses all results */
  const bool finds = head->pass == CLLOSS__DIVISOR;
  const clloss__role logits = !finds ? CLLOSS__READS : r->no_logits ? CLLOSS__MAY_READ : CLLOSS__REFUSED;
  const clloss__roles none_of_them = {.result = CLLOSS__REFUSED};
  const clloss__roles roles = finds ? none_of_them : clloss__roles_of(head->pass, r->o.reduction);
  const clloss__role stats = nll ? CLLOSS__REFUSED : roles.stats;
  const clloss__role of_softmax = nll ? CLLOSS__REFUSED : roles.result;
  const bool adds = (r->o.flags & CLLOSS_ACCUMULATE) != 0;
#define USE CLLOSS__USE
  const clloss__use all[] = {
      USE(0, logits, logits, type, outer, x->classes, .inner = x->inner, .may_stride = true,
          .place = &a->logits),
      USE(1, targets, CLLOSS__READS, targets, whole ? outer : n, whole ? x->classes : 1,
          .inner = whole ? x->inner : 1, .may_stride = whole, .place = &a->targets),
      USE(7, class_weight, CLLOSS__MAY_READ, real, 1, x->classes, .flag = XENT_CLASS_WEIGHT,
          .offset = &a->class_weight),
      USE(8, row_weight, CLLOSS__MAY_READ, real, n, 1, .broadcasts = CLLOSS_BROADCAST,
          .flag = XENT_ROW_WEIGHT, .place = &a->row_weight),
      USE(2, loss, roles.reduced, real, 1, 1, .also_read = adds, .flag = XENT_LOSS, .offset = &a->loss),
      USE(3, row_loss, roles.result, real, n, 1, .flag = XENT_ROW_LOSS, .place = &a->row_loss),
      USE(4, row_stats, stats, real, n, 2, .flag = XENT_ROW_STATS, .place = &a->row_stats),
      USE(5, grad, roles.grad, type | real, outer, x->classes, .inner = x->inner, .may_stride = true,
          .same = &x->logits, .also_read = r->o.grad_beta != 0, .place = &a->grad),
      USE(6, grad_loss, roles.grad_loss, real, none ? n : 1, 1, .broadcasts = CLLOSS_BROADCAST,
          .serves_all = !none, .flag = XENT_GRAD_LOSS, .place = &a->grad_loss),
      USE(finds ? 2 : 9, divisor, finds ? CLLOSS__WRITES : CLLOSS__MAY_READ, real, 1, 1,
          .also_read = adds && finds, .flag = finds ? 0 : XENT_DIVISOR,
          .offset = finds ? &a->loss : &a->divisor),
      USE(10, metrics, roles.result, real, 1, CLLOSS_METRICS, .also_read = adds, .flag = XENT_METRICS,
          .offset = &a->metrics),
      USE(11, counts, roles.result, i64, 1, CLLOSS_COUNTS, .also_read = adds, .flag = XENT_COUNTS,
          .offset = &a->counts),
      USE(12, predicted, of_softmax, i32, n, 1, .flag = XENT_PREDICTED, .place = &a->predicted),
      USE(13, confidence, of_softmax, real, n, 1, .flag = XENT_CONFIDENCE, .place = &a->confidence),
      USE(14, entropy, of_softmax, real, n, 1, .flag = XENT_ENTROPY, .place = &a->entropy),
  };
#undef USE
  return clloss__list_uses(uses, all, sizeof all / sizeof *all);
}
