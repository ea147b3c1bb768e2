/* Distillation: its checks, plan and launches. What the kernels compute stands in kernels/distill/distill.cl. */
#include <clloss/clloss.h>

#include "../../kernels/distill/distill_args.clh"
#include "losses.h"
#include "options.h"
#include "runtime/ctx.h"
#include "runtime/sizes.h"

enum { WEIGHTS_MOST = 64, ROWS_PER_WEIGHT = 4096 };

/* Within these neither 1 / temperature nor temperature² leaves f32. */
#define TEMPERATURE_LEAST 0x1p-60
#define TEMPERATURE_MOST  0x1p60

typedef struct {
  clloss__request head;
  clloss_distill x;
  clloss_distill_options o;
  bool in_place, weighs; /* the divisor is the sum of row_weight */
  distill_args args;
  DISTILL_SCALARS(cl_double) scalars;
} request;

/* ---- checks ---- */

static clloss_status check_options(clloss_ctx *ctx, const request *r) {
  const clloss_distill_options *o = &r->o;
  const bool divisor = clloss__has(&r->head, &r->x.divisor);
  clloss_status status = clloss__check_reduction(ctx, o->reduction, CLLOSS_NONE);
  if (status == CLLOSS_SUCCESS)
    status = clloss__check_flags(ctx, "options", o->flags, CLLOSS_TEMPERATURE_SQUARED);
  if (status != CLLOSS_SUCCESS) return status;
  if (o->temperature != 0 && !(o->temperature >= TEMPERATURE_LEAST && o->temperature <= TEMPERATURE_MOST)) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.temperature is %g: it has to be from 2^-60 to 2^60",
                        o->temperature);
  }
  const clloss__range ranges[] = {{"divisor", o->divisor, o->divisor >= 0, "not negative"}};
  const clloss__rule rules[] = {
      {(o->divisor != 0 || divisor) && o->reduction != CLLOSS_MEAN,
       "a divisor is given, but only the mean has one"},
      {o->divisor != 0 && divisor, "divisor is given twice, here and as distill.divisor"},
  };
  status = clloss__check_ranges(ctx, r->x.student.dtype, ranges, sizeof ranges / sizeof *ranges);
  return status == CLLOSS_SUCCESS ? clloss__check_rules(ctx, rules, sizeof rules / sizeof *rules) : status;
}

static clloss_status check(clloss_ctx *ctx, clloss__request *head) {
  request *r = (request *)head;
  const clloss_distill *x = &r->x;
  const clloss_status status = check_options(ctx, r);
  if (r->o.temperature == 0) r->o.temperature = 1;
  r->in_place = clloss__same_view(&x->grad, &x->student, x->classes, x->inner);
  r->weighs = r->o.reduction == CLLOSS_MEAN && clloss__has(head, &x->row_weight) &&
              !clloss__has(head, &x->divisor) && r->o.divisor == 0;
  return status;
}

static size_t views(clloss__request *head, clloss__use *uses) {
  request *r = (request *)head;
  const clloss_distill *x = &r->x;
  distill_args *a = &r->args;
  const size_t n = x->rows, outer = n / x->inner;
  const uint32_t type = CLLOSS__DTYPE(x->student.dtype), real = CLLOSS__DTYPE(CLLOSS__REAL(x->student.dtype));
  const bool none = r->o.reduction == CLLOSS_NONE;
  const clloss__roles roles = clloss__roles_of(head->pass, r->o.reduction);
#define USE CLLOSS__USE
  const clloss__use all[] = {
      USE(0, student, CLLOSS__READS, type, outer, x->classes, .inner = x->inner, .may_stride = true,
          .place = &a->student),
      USE(1, teacher, CLLOSS__READS, type | real, outer, x->classes, .inner = x->inner, .may_stride = true,
          .place = &a->teacher),
      USE(3, row_weight, CLLOSS__MAY_READ, real, n, 1, .broadcasts = CLLOSS_BROADCAST,
          .flag = DISTILL_ROW_WEIGHT, .place = &a->row_weight),
      USE(6, loss, roles.reduced, real, 1, 1, .flag = DISTILL_LOSS, .offset = &a->loss),
      USE(7, row_loss, roles.result, real, n, 1, .flag = DISTILL_ROW_LOSS, .place = &a->row_loss),
      USE(8, row_stats, roles.stats, real, n, 4, .flag = DISTILL_ROW_STATS, .place = &a->row_stats),
      USE(2, grad, roles.grad, type | real, outer, x->classes, .inner = x->inner, .may_stride = true,
          .same = &x->student, .place = &a->grad),
      USE(4, grad_loss, roles.grad_loss, real, none ? n : 1, 1, .broadcasts = CLLOSS_BROADCAST,
          .serves_all = !none, .flag = DISTILL_GRAD_LOSS, .place = &a->grad_loss),
      USE(5, divisor, CLLOSS__MAY_READ, real, 1, 1, .flag = DISTILL_DIVISOR, .offset = &a->divisor),
  };
#undef USE
  return clloss__list_uses(uses, all, sizeof all / sizeof *all);
}

/* ---- plan ---- */

/* The workspace is alike for all passes; a plan of smaller work-groups, which a kernel may force, has up to one for a held row. */
static void plan(clloss_ctx *ctx, clloss__request *head, const clloss__guess *guess) {
  request *r = (request *)head;
  const clloss_distill *x = &r->x;
  distill_args *a = &r->args;
  const clloss__rows rows = {.rows = x->rows,
                             .classes = x->classes,
                             .element_bytes = clloss_dtype_size(x->student.dtype),
                             .inner = x->inner,
                             .strided = guess ? guess->strided : head->strided,
                             .forms = x->classes < INT32_MAX ? CLLOSS__HAS_HELD | CLLOSS__HAS_LONG : 0,
                             .arrays = 2,
                             .row_items_most = 512};
  head->plan = clloss__plan_rows(&ctx->planner, &rows);
  const size_t real = clloss_dtype_size(CLLOSS__REAL(x->student.dtype));
  size_t end = 0;
  a->n_weights = clloss__min(clloss__ceil_div(x->rows, ROWS_PER_WEIGHT), WEIGHTS_MOST);
  a->rows_per_weight = a->n_weights ? clloss__ceil_div(x->rows, a->n_weights) : 1;
  a->weights = clloss__pool_region(&end, WEIGHTS_MOST * real);
  a->n_sums = head->plan.blocks;
  a->sums = clloss__pool_region(
      &end, clloss__plan_blocks_most(&ctx->planner, &head->plan, x->rows, x->inner) * real);
  head->workspace_bytes = end;
}

/* ---- launches ---- */

/* Without weights the mean's divisor is the number of rows. */
static void fill_scalars(request *r) {
  const double t = r->o.temperature, factor = r->o.flags & CLLOSS_TEMPERATURE_SQUARED ? t * t : 1;
  const double own = r->o.divisor != 0 ? r->o.divisor : (double)r->x.rows;
  r->scalars.scale = 1 / t;
  r->scalars.loss_factor = factor;
  r->scalars.grad_factor = factor / t;
  r->scalars.divisor = r->o.reduction == CLLOSS_MEAN ? own : 1;
}

static void fill_args(request *r) {
  const clloss_distill *x = &r->x;
  const clloss__plan *p = &r->head.plan;
  distill_args *a = &r->args;
  const bool large = clloss__plan_past_cache(p, x->rows, x->classes, x->grad.dtype);
  a->rows = (rows_args){x->rows, x->classes, x->inner, p->rows_per_group};
  a->flags = r->head.bound | (large && !r->in_place ? DISTILL_PAST_CACHE : 0) |
             (r->weighs ? DISTILL_WEIGHED : 0);
  a->weights += r->head.work_at;
  a->sums += r->head.work_at;
  if (r->head.presence == CLLOSS__TYPED) a->rows.rows = a->rows.classes = a->flags = 0;
}

/* Whether packets of 16 bytes begin alike in all of the arrays, whose element types are one: else it takes the kernels that
 * ask. */
static bool packets_align(const request *r) {
  const clloss_distill *x = &r->x;
  return !r->head.odd && clloss__packets_align(&x->student, &x->teacher, x->classes, false) &&
         (r->head.pass == CLLOSS__FORWARD || clloss__packets_align(&x->student, &x->grad, x->classes, false));
}

static void launches(clloss__request *head, clloss__call *call) {
  static const char *const of_rows[] = {"distill_forward", "distill_backward", "distill_fused"};
  request *r = (request *)head;
  const clloss_distill *x = &r->x;
  const clloss__plan *p = &head->plan;
  const bool reduces = (head->bound & DISTILL_LOSS) != 0;
  const bool weighs = r->weighs && (reduces || head->pass != CLLOSS__FORWARD);
  fill_scalars(r);
  fill_args(r);
  /* a teacher of the student's type is the program's default */
  const uint32_t student = x->student.dtype, teacher = x->teacher.dtype == student ? 0 : x->teacher.dtype;
  call->types = (clloss__types){student, x->grad.dtype ? x->grad.dtype : student, teacher, false};
  clloss__launch_sums(call, p, "distill_weigh", weighs ? r->args.n_weights : 0);
  clloss__launch_sums(call, p, "distill_divide", weighs && p->team->group && r->args.n_weights > 1);
  clloss__launch_rows(call, p, of_rows[head->pass], clloss__plan_variant(p), p->form && !packets_align(r),
                      p->blocks);
  clloss__launch_sums(call, p, "distill_finish", reduces);
}

const clloss__loss clloss__distill_loss = {
    CLLOSS__DESCRIBE(distill, request, student, workspace),
    .scalars = CLLOSS__PART(request, scalars),
    .inner = offsetof(clloss_distill, inner),
    .workspace = offsetof(clloss_distill, workspace),
    .outputs = "loss or row_loss, say",
    .steps = {.check = check, .views = views, .plan = plan, .launches = launches},
};

CLLOSS__PUBLIC(distill, forward, CLLOSS__FORWARD)
CLLOSS__PUBLIC(distill, backward, CLLOSS__BACKWARD)
CLLOSS__PUBLIC(distill, fused, CLLOSS__FUSED)
CLLOSS__PUBLIC_WORKSPACE(distill)
