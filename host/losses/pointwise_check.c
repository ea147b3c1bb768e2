/* What a call of an elementwise loss may be asked: sizes, options and views, each refusal naming field and value. */
#include "runtime/ctx.h"
#include "pointwise.h"
#include "runtime/view.h"

static clloss_status check_sizes(clloss_ctx *ctx, const clloss_pointwise *x) {
  if (x->classes == 0)
    return clloss__fail(ctx, CLLOSS_SIZE, "pointwise.classes is 0: a row has at least one");
  /* Below this no size or grid that is derived from rows can overflow either. */
  if (x->rows > SIZE_MAX / 65536 || x->rows > SIZE_MAX / sizeof(double) / x->classes) {
    return clloss__fail(ctx, CLLOSS_SIZE, "pointwise.rows %zu × pointwise.classes %zu overflows", x->rows,
                        x->classes);
  }
  return CLLOSS_SUCCESS;
}

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
  if (r->x.pos_weight.mem && !(r->kind->traits & CLLOSS_TAKES_POS_WEIGHT))
    return clloss__fail(ctx, CLLOSS_UNUSED_VIEW, "pointwise.pos_weight is bound: kind %s doesn't take it",
                        r->kind->name);
  return CLLOSS_SUCCESS;
}

/* The range of each number, defaults filled in, whatever the others are. NaN is in none. */
static clloss_status check_ranges(clloss_ctx *ctx, const clloss__pointwise *r) {
  const clloss_pointwise_options *o = &r->o;
  const bool above = r->kind->traits & CLLOSS_TAKES_DELTA, beta = r->kind->traits & CLLOSS_TAKES_BETA;
  const struct {
    const char *name;
    double value;
    bool in_range;
    const char *range;
  } all[] = {
      {"delta", o->delta, !above || o->delta > 0, "above 0"},
      {"delta", o->delta, !beta || o->delta >= 0, "not negative"},
      {"gamma", o->gamma, o->gamma >= 0, "not negative"},
      {"alpha", o->alpha, o->alpha <= 1, "at most 1"},
      {"clip", o->clip, o->clip >= 0 && o->clip < 0.5, "at least 0 and below 0.5"},
      {"divisor", o->divisor, o->divisor >= 0, "not negative"},
      {"grad_alpha", o->grad_alpha, true, "a number"},
      {"grad_beta", o->grad_beta, true, "a number"},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    const clloss_status status = clloss__check_number(ctx, all[i].name, all[i].value, r->x.input.dtype);
    if (status != CLLOSS_SUCCESS) return status;
    if (!all[i].in_range)
      return clloss__fail(ctx, CLLOSS_OPTION, "options.%s is %g: it has to be %s", all[i].name, all[i].value,
                          all[i].range);
  }
  return CLLOSS_SUCCESS;
}

static clloss_status check_options(clloss_ctx *ctx, const clloss__pointwise *r) {
  const clloss_pointwise_options *o = &r->o;
  const uint32_t known = CLLOSS_LOG_TARGET | CLLOSS_SET_DELTA | CLLOSS_SET_GAMMA | CLLOSS_SET_ALPHA |
                         CLLOSS_GRAD_ALPHA;
  if (o->reduction > CLLOSS_BATCHMEAN)
    return clloss__fail(ctx, CLLOSS_OPTION, "options.reduction is %u: not a reduction", o->reduction);
  if (o->flags & ~known)
    return clloss__fail(ctx, CLLOSS_OPTION, "options.flags is %#x: unknown flag", o->flags);
  const struct {
    bool wrong;
    const char *why;
  } rules[] = {
      {o->grad_alpha != 0 && !(o->flags & CLLOSS_GRAD_ALPHA),
       "grad_alpha is set without the flag CLLOSS_GRAD_ALPHA"},
      {o->divisor != 0 && o->reduction != CLLOSS_MEAN, "a divisor is given, but only the mean takes one"},
      {o->grad_beta != 0 && r->in_place, "grad_beta in place: what stands in grad is the input"},
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; ++i) {
    if (rules[i].wrong) return clloss__fail(ctx, CLLOSS_OPTION, "options: %s", rules[i].why);
  }
  return check_taken(ctx, r);
}

static void fill_defaults(clloss_pointwise_options *o) {
  if (o->delta == 0 && !(o->flags & CLLOSS_SET_DELTA)) o->delta = 1;
  if (o->gamma == 0 && !(o->flags & CLLOSS_SET_GAMMA)) o->gamma = 2;
  if (o->alpha == 0 && !(o->flags & CLLOSS_SET_ALPHA)) o->alpha = 0.25;
  if (!(o->flags & CLLOSS_GRAD_ALPHA)) o->grad_alpha = 1;
}

clloss_status clloss__pointwise_read(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                     const clloss_pointwise_options *options, clloss__pointwise *r) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!pointwise) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "pointwise: NULL");
  clloss_pointwise *x = &r->x;
  status = clloss__read_struct(&ctx->message, "pointwise", x, sizeof *x, pointwise);
  if (status == CLLOSS_SUCCESS && options)
    status = clloss__read_struct(&ctx->message, "options", &r->o, sizeof r->o, options);
  if (status != CLLOSS_SUCCESS) return status;
  r->kind = clloss__pointwise_kind(x->kind);
  if (!r->kind)
    return clloss__fail(ctx, CLLOSS_OPTION, "pointwise.kind is %u: no loss has this number", x->kind);
  if (x->reserved)
    return clloss__fail(ctx, CLLOSS_OPTION, "pointwise.reserved is %u: it must be 0", x->reserved);
  clloss__settle_views(ctx, r->presence, x, offsetof(clloss_pointwise, input),
                       offsetof(clloss_pointwise, workspace));
  r->untyped = !x->input.mem && x->input.dtype == 0;
  if (r->untyped) x->input.dtype = CLLOSS_F32;
  r->in_place = clloss__same_view(&x->grad, &x->input, x->classes, 1);
  status = check_sizes(ctx, x);
  if (status == CLLOSS_SUCCESS)
    status = clloss__check_real_dtype(ctx, "pointwise.input.dtype", x->input.dtype);
  if (status == CLLOSS_SUCCESS) status = check_options(ctx, r);
  fill_defaults(&r->o);
  if (status == CLLOSS_SUCCESS) status = check_ranges(ctx, r);
  return status;
}

clloss_status clloss__pointwise_check_views(clloss_ctx *ctx, const clloss__pointwise *r) {
  const clloss_pointwise *x = &r->x;
  const uint32_t type = CLLOSS__DTYPE(x->input.dtype);
  const uint32_t real = CLLOSS__DTYPE(x->input.dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32);
  const uint32_t broadcasts = CLLOSS_BROADCAST | CLLOSS_BROADCAST_ROWS | CLLOSS_BROADCAST_CLASSES;
  const bool back = r->pass == CLLOSS__BACKWARD, forth = r->pass == CLLOSS__FORWARD;
  const bool none = r->o.reduction == CLLOSS_NONE;
  const clloss__role result = back ? CLLOSS__REFUSED : CLLOSS__MAY_WRITE;
#define USE(field, how, types, n_rows, n_columns, ...)                                                     \
  {                                                                                                        \
    .name = #field, .view = &x->field, .role = how, .dtypes = types, .rows = n_rows, .columns = n_columns, \
    __VA_ARGS__                                                                                            \
  }
  const clloss__use uses[] = {
      USE(input, CLLOSS__READS, type, x->rows, x->classes, .inner = 1),
      USE(target, CLLOSS__READS, type | real, x->rows, x->classes, .inner = 1),
      USE(weight, CLLOSS__MAY_READ, real, x->rows, x->classes, .broadcasts = broadcasts),
      USE(pos_weight, CLLOSS__MAY_READ, real, 1, x->classes, .inner = 1),
      USE(loss, none ? CLLOSS__REFUSED : result, real, 1, 1, .inner = 1),
      USE(element_loss, result, real, x->rows, x->classes, .inner = 1),
      USE(grad, forth ? CLLOSS__REFUSED : CLLOSS__WRITES, type | real, x->rows, x->classes, .same = &x->input,
          .also_read = r->o.grad_beta != 0),
      USE(grad_loss, forth ? CLLOSS__REFUSED : CLLOSS__MAY_READ, real, none ? x->rows : 1,
          none ? x->classes : 1, .broadcasts = none ? broadcasts : CLLOSS_BROADCAST),
      USE(counts, result, CLLOSS__DTYPE(CLLOSS_I64), 1, CLLOSS_POINTWISE_COUNTS, .inner = 1),
      USE(workspace, CLLOSS__MAY_WRITE, CLLOSS__DTYPE(CLLOSS_U8), 1, r->workspace_bytes, .also_read = true,
          .align_bytes = sizeof(cl_ulong), .if_too_small = CLLOSS_WORKSPACE),
  };
#undef USE
  const clloss_status status = clloss__check_uses(ctx, "pointwise", r->presence, uses,
                                                  sizeof uses / sizeof *uses);
  if (status != CLLOSS_SUCCESS) return status;
  if (forth && !x->loss.mem && !x->element_loss.mem && !x->counts.mem)
    return clloss__fail(ctx, CLLOSS_MISSING_VIEW, "pointwise: no output is bound, loss or element_loss, say");
  return CLLOSS_SUCCESS;
}
