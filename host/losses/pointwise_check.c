/* What a call of an elementwise loss may be asked: sizes, options and views, each refusal naming field and value. */
#include "options.h"
#include "pointwise.h"
#include "runtime/ctx.h"

/* Options that only some kinds take: `set` by whom doesn't, they are refused. */
static clloss_status check_taken(clloss_ctx *ctx, const clloss__pointwise *r) {
  const clloss_pointwise_options *o = &r->o;
  const struct {
    const char *name;
    bool set;
    uint32_t traits; /* any of them takes it */
  } all[] = {
      {"options.delta", o->delta != 0 || (o->flags & CLLOSS_SET_DELTA),
       CLLOSS_TAKES_DELTA | CLLOSS_TAKES_BETA},
      {"options.gamma", o->gamma != 0 || (o->flags & CLLOSS_SET_GAMMA), CLLOSS_TAKES_GAMMA},
      {"options.alpha", o->alpha != 0 || (o->flags & CLLOSS_SET_ALPHA), CLLOSS_TAKES_ALPHA},
      {"options.clip", o->clip != 0, CLLOSS_TAKES_CLIP},
      {"options.flags: CLLOSS_LOG_TARGET", o->flags & CLLOSS_LOG_TARGET, CLLOSS_TAKES_LOG_TARGET},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    if (all[i].set && !(r->kind->traits & all[i].traits))
      return clloss__fail(ctx, CLLOSS_OPTION, "%s is set: kind %s doesn't take it", all[i].name,
                          r->kind->name);
  }
  if (clloss__is_bound(&r->x.pos_weight) && !(r->kind->traits & CLLOSS_TAKES_POS_WEIGHT))
    return clloss__fail(ctx, CLLOSS_UNUSED_VIEW, "pointwise.pos_weight is bound: kind %s doesn't take it",
                        r->kind->name);
  return CLLOSS_SUCCESS;
}

/* The range of each number, defaults filled in, whatever the others are. NaN is in none. */
static clloss_status check_ranges(clloss_ctx *ctx, const clloss__pointwise *r) {
  const clloss_pointwise_options *o = &r->o;
  const bool above = r->kind->traits & CLLOSS_TAKES_DELTA, beta = r->kind->traits & CLLOSS_TAKES_BETA;
  const clloss__range all[] = {
      {"delta", o->delta, !above || o->delta > 0, "above 0"},
      {"delta", o->delta, !beta || o->delta >= 0, "not negative"},
      {"gamma", o->gamma, o->gamma >= 0, "not negative"},
      {"alpha", o->alpha, o->alpha <= 1, "at most 1"},
      {"clip", o->clip, o->clip >= 0 && o->clip < 0.5, "at least 0 and below 0.5"},
      {"divisor", o->divisor, o->divisor >= 0, "not negative"},
      {"grad_alpha", o->grad_alpha, true, "a number"},
      {"grad_beta", o->grad_beta, true, "a number"},
  };
  return clloss__check_ranges(ctx, r->x.input.dtype, all, sizeof all / sizeof *all);
}

static clloss_status check_options(clloss_ctx *ctx, const clloss__pointwise *r) {
  const clloss_pointwise_options *o = &r->o;
  const uint32_t known = CLLOSS_LOG_TARGET | CLLOSS_SET_DELTA | CLLOSS_SET_GAMMA | CLLOSS_SET_ALPHA |
                         CLLOSS_GRAD_ALPHA;
  const clloss__rule rules[] = {
      {o->grad_alpha != 0 && !(o->flags & CLLOSS_GRAD_ALPHA),
       "grad_alpha is set without the flag CLLOSS_GRAD_ALPHA"},
      {o->divisor != 0 && o->reduction != CLLOSS_MEAN, "a divisor is given, but only the mean takes one"},
      {o->grad_beta != 0 && r->in_place, "grad_beta in place: what stands in grad is the input"},
  };
  clloss_status status = clloss__check_reduction(ctx, o->reduction, CLLOSS_BATCHMEAN);
  if (status == CLLOSS_SUCCESS) status = clloss__check_flags(ctx, "options", o->flags, known);
  if (status == CLLOSS_SUCCESS) status = clloss__check_rules(ctx, rules, sizeof rules / sizeof *rules);
  return status == CLLOSS_SUCCESS ? check_taken(ctx, r) : status;
}

static void fill_defaults(clloss_pointwise_options *o) {
  if (o->delta == 0 && !(o->flags & CLLOSS_SET_DELTA)) o->delta = 1;
  if (o->gamma == 0 && !(o->flags & CLLOSS_SET_GAMMA)) o->gamma = 2;
  if (o->alpha == 0 && !(o->flags & CLLOSS_SET_ALPHA)) o->alpha = 0.25;
  if (!(o->flags & CLLOSS_GRAD_ALPHA)) o->grad_alpha = 1;
}

clloss_status clloss__pointwise_check(clloss_ctx *ctx, clloss__request *head) {
  clloss__pointwise *r = (clloss__pointwise *)head;
  const clloss_pointwise *x = &r->x;
  r->kind = clloss__pointwise_kind(x->kind);
  if (!r->kind)
    return clloss__fail(ctx, CLLOSS_OPTION, "pointwise.kind is %u: no loss has this number", x->kind);
  r->in_place = clloss__same_view(&x->grad, &x->input, x->classes, 1);
  clloss_status status = clloss__check_reserved(ctx, "pointwise", x->reserved);
  if (status == CLLOSS_SUCCESS) status = check_options(ctx, r);
  fill_defaults(&r->o);
  return status == CLLOSS_SUCCESS ? check_ranges(ctx, r) : status;
}

size_t clloss__pointwise_views(clloss__request *head, clloss__use *uses) {
  clloss__pointwise *r = (clloss__pointwise *)head;
  const clloss_pointwise *x = &r->x;
  pointwise_args *a = &r->args;
  const size_t rows = x->rows, classes = x->classes;
  const uint32_t type = CLLOSS__DTYPE(x->input.dtype), real = CLLOSS__DTYPE(CLLOSS__REAL(x->input.dtype));
  const uint32_t i64 = CLLOSS__DTYPE(CLLOSS_I64);
  const uint32_t any = CLLOSS_BROADCAST | CLLOSS_BROADCAST_ROWS | CLLOSS_BROADCAST_CLASSES;
  const bool none = r->o.reduction == CLLOSS_NONE;
  const clloss__roles roles = clloss__roles_of(head->pass, r->o.reduction);
#define USE CLLOSS__USE
  const clloss__use all[] = {
      USE(0, input, CLLOSS__READS, type, rows, classes, .place = &a->input),
      USE(1, target, CLLOSS__READS, type | real, rows, classes, .place = &a->target),
      USE(2, weight, CLLOSS__MAY_READ, real, rows, classes, .broadcasts = any, .flag = POINTWISE_WEIGHT,
          .place = &a->weight),
      USE(3, pos_weight, CLLOSS__MAY_READ, real, 1, classes, .serves_all = true, .flag = POINTWISE_POS_WEIGHT,
          .place = &a->pos_weight),
      USE(5, loss, roles.reduced, real, 1, 1, .flag = POINTWISE_LOSS, .offset = &a->loss),
      USE(6, element_loss, roles.result, real, rows, classes, .flag = POINTWISE_ELEMENT_LOSS,
          .place = &a->element_loss),
      USE(7, grad, roles.grad, type | real, rows, classes, .same = &x->input,
          .also_read = r->o.grad_beta != 0, .place = &a->grad),
      USE(4, grad_loss, roles.grad_loss, real, none ? rows : 1, none ? classes : 1,
          .broadcasts = none ? any : CLLOSS_BROADCAST, .serves_all = !none, .flag = POINTWISE_GRAD_LOSS,
          .place = &a->grad_loss),
      USE(8, counts, roles.result, i64, 1, CLLOSS_POINTWISE_COUNTS, .flag = POINTWISE_COUNTS,
          .offset = &a->counts),
  };
#undef USE
  return clloss__list_uses(uses, all, sizeof all / sizeof *all);
}
