/* Elementwise losses: kinds, plan and launches; checks are in pointwise_check.c. What the kernels compute stands in
 * kernels/pointwise/pointwise.cl. */
#include "pointwise.h"

#include "runtime/ctx.h"
#include "runtime/sizes.h"

enum { TALLIES_MOST = 64 };

/* ---- kinds ---- */

#define KIND(name, value, word, kernel, traits) \
  {word,                                        \
   CLLOSS_##name,                               \
   traits,                                      \
   {"pointwise_forward_" #kernel, "pointwise_backward_" #kernel, "pointwise_fused_" #kernel}},

static const clloss__kind kinds[] = {CLLOSS_POINTWISE_LIST(KIND)};

const clloss__kind *clloss__pointwise_kind(uint32_t kind) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
    if (kinds[i].kind == kind) return &kinds[i];
  }
  return NULL;
}

const char *clloss_pointwise_name(uint32_t kind) {
  const clloss__kind *k = clloss__pointwise_kind(kind);
  return k ? k->name : NULL;
}

/* ---- plan ---- */

/* Whether the matrix, where it is bound, is one row as well as many: packed, or one value for all. */
static bool is_flat(const clloss__pointwise *r, const clloss_view *view) {
  const clloss__strides s = clloss__view_strides(view, r->x.classes, 1);
  return !clloss__has(&r->head, view) || (s.column == 0 && s.row == 0) || clloss__is_flat(view, r->x.classes);
}

static bool all_flat(const clloss__pointwise *r) {
  const clloss_pointwise *x = &r->x;
  const bool upstream = r->o.reduction != CLLOSS_NONE || is_flat(r, &x->grad_loss);
  return is_flat(r, &x->input) && is_flat(r, &x->target) && is_flat(r, &x->weight) &&
         is_flat(r, &x->element_loss) && is_flat(r, &x->grad) && upstream &&
         !(r->head.bound & POINTWISE_POS_WEIGHT);
}

/* The sums of weights: at most TALLIES_MOST of them, of rows or of pieces of few rows. */
static void plan_weights(const clloss__pointwise *r, pointwise_args *a) {
  const clloss__strides s = clloss__view_strides(&r->x.weight, r->x.classes, 1);
  a->weight_rows = s.row ? a->rows.rows : 1;
  a->weight_classes = s.column ? a->rows.classes : 1;
  const size_t down = clloss__min(a->weight_rows, TALLIES_MOST), across = TALLIES_MOST / (down ? down : 1);
  a->rows_per_tally = down ? clloss__ceil_div(a->weight_rows, down) : 1;
  a->classes_per_tally = clloss__ceil_div(a->weight_classes, clloss__min(across, a->weight_classes));
  a->n_tallies = clloss__ceil_div(a->weight_rows, a->rows_per_tally) *
                 clloss__ceil_div(a->weight_classes, a->classes_per_tally);
}

/* The workspace has room for the matrix as one row and as many, so that clloss_pointwise_workspace can answer for views
 * that aren't there yet. */
static void plan(clloss_ctx *ctx, clloss__request *head, const clloss__guess *guess) {
  clloss__pointwise *r = (clloss__pointwise *)head;
  const clloss_pointwise *x = &r->x;
  const size_t element = clloss_dtype_size(x->input.dtype);
  const size_t real = clloss_dtype_size(CLLOSS__REAL(x->input.dtype));
  const bool flat = x->rows && all_flat(r);
  const clloss__plan one = clloss__plan_elements(&ctx->planner, x->rows ? 1 : 0, x->rows * x->classes,
                                                 element);
  const clloss__plan many = clloss__plan_elements(&ctx->planner, x->rows, x->classes, element);
  pointwise_args *a = &r->args;
  (void)guess; /* but for the input's type */
  head->plan = flat ? one : many;
  a->rows = (rows_args){x->rows, x->classes, 1, head->plan.rows_per_group};
  if (flat) a->rows.rows = 1, a->rows.classes = x->rows * x->classes;
  a->slices = head->plan.slices;
  a->slice = clloss__plan_slice(&head->plan, a->rows.classes);
  a->n_sums = head->plan.blocks * head->plan.slices;
  plan_weights(r, a);
  const size_t most = clloss__max(one.blocks * one.slices, many.blocks * many.slices);
  size_t end = 0;
  a->tallies = clloss__pool_region(&end, TALLIES_MOST * real);
  a->sums = clloss__pool_region(&end, most * real);
  a->faults = clloss__pool_region(&end, 2 * most * sizeof(cl_ulong));
  head->workspace_bytes = end;
}

/* ---- launches ---- */

static cl_ulong flags_of(const clloss__pointwise *r) {
  const clloss_pointwise *x = &r->x;
  const cl_ulong bound = r->head.bound;
  const uint32_t grad = x->grad.dtype ? x->grad.dtype : CLLOSS_F32;
  const bool large = clloss__plan_past_cache(&r->head.plan, r->args.rows.rows, r->args.rows.classes, grad);
  const bool by_element = r->o.reduction == CLLOSS_NONE && (bound & POINTWISE_GRAD_LOSS) &&
                          clloss__view_strides(&x->grad_loss, x->classes, 1).column;
  const cl_ulong varies = POINTWISE_WEIGHT | POINTWISE_POS_WEIGHT | POINTWISE_ELEMENT_LOSS | POINTWISE_COUNTS;
  const bool by_weight = (r->kind->traits & CLLOSS_MEAN_BY_WEIGHT) && (bound & POINTWISE_WEIGHT) && x->rows &&
                         r->o.reduction == CLLOSS_MEAN && r->o.divisor == 0;
  return bound | (by_weight ? POINTWISE_BY_WEIGHT : 0) | (large && !r->in_place ? POINTWISE_PAST_CACHE : 0) |
         (!(bound & varies) && !by_element && r->o.grad_beta == 0 ? POINTWISE_PLAIN : 0);
}

static double divisor_of(const clloss__pointwise *r) {
  const double rows = (double)r->x.rows, elements = rows * (double)r->x.classes;
  if (r->args.flags & POINTWISE_BY_WEIGHT)
    return elements / ((double)r->args.weight_rows * (double)r->args.weight_classes);
  switch (r->o.reduction) {
  case CLLOSS_MEAN: return r->o.divisor != 0 ? r->o.divisor : elements;
  case CLLOSS_BATCHMEAN: return rows;
  default: return 1;
  }
}

static void fill_scalars(clloss__pointwise *r) {
  const clloss_pointwise_options *o = &r->o;
  r->scalars.divisor = divisor_of(r);
  r->scalars.grad_alpha = o->grad_alpha;
  r->scalars.grad_beta = o->grad_beta;
  r->scalars.delta = o->delta;
  r->scalars.clip = o->clip;
  r->scalars.log_target = o->flags & CLLOSS_LOG_TARGET ? 1 : 0;
  r->scalars.gamma = o->gamma;
  r->scalars.alpha = o->alpha < 0 ? 1 : o->alpha;
  r->scalars.other_alpha = o->alpha < 0 ? 1 : 1 - o->alpha;
}

static void launches(clloss__request *head, clloss__call *call) {
  clloss__pointwise *r = (clloss__pointwise *)head;
  const clloss_pointwise *x = &r->x;
  pointwise_args *a = &r->args;
  const clloss__plan *p = &head->plan;
  a->flags = flags_of(r);
  a->tallies += head->work_at;
  a->sums += head->work_at;
  a->faults += head->work_at;
  fill_scalars(r);
  const uint32_t input = x->input.dtype, target = x->target.dtype == input ? 0 : x->target.dtype;
  call->types = (clloss__types){input, x->grad.dtype ? x->grad.dtype : input, target, false};
  const size_t tallies = a->flags & POINTWISE_BY_WEIGHT ? a->n_tallies : 0;
  clloss__launch_sums(call, p, "pointwise_weigh", tallies);
  clloss__launch_sums(call, p, "pointwise_divide", p->team->group && tallies > 1);
  clloss__launch_rows(call, p, r->kind->kernels[head->pass], p->team->name, false, a->n_sums);
  clloss__launch_sums(call, p, "pointwise_finish", (a->flags & (POINTWISE_LOSS | POINTWISE_COUNTS)) != 0);
  if (head->presence == CLLOSS__TYPED) a->rows.rows = a->weight_rows = a->flags = 0;
}

const clloss__loss clloss__pointwise_loss = {
    CLLOSS__DESCRIBE(pointwise, clloss__pointwise, input, workspace),
    .scalars = CLLOSS__PART(clloss__pointwise, scalars),
    .workspace = offsetof(clloss_pointwise, workspace),
    .outputs = "loss or element_loss, say",
    .steps = {.check = clloss__pointwise_check,
              .views = clloss__pointwise_views,
              .plan = plan,
              .launches = launches},
};

CLLOSS__PUBLIC(pointwise, forward, CLLOSS__FORWARD)
CLLOSS__PUBLIC(pointwise, backward, CLLOSS__BACKWARD)
CLLOSS__PUBLIC(pointwise, fused, CLLOSS__FUSED)
CLLOSS__PUBLIC_WORKSPACE(pointwise)
