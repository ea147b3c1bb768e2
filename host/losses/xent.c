/* Softmax cross-entropy: plan and launches; checks are in xent_check.c. What the kernels compute stands in
 * kernels/xent/xent.cl. */
#include "xent.h"

#include "runtime/convert.h"
#include "runtime/ctx.h"
#include "runtime/sizes.h"

/* Up to so many split rows each work-group counts all of them itself, which saves two launches; but its time grows with them:
 * 50,000 rows took 3.6 s instead of 2 ms. */
enum { ROWS_COUNTED_BY_ALL = 64 };

/* Rows are counted in at most so many blocks, and so many for each compute unit, as every work-group adds them up; of at
 * least so many rows, and of at most so many however many there are: a part of a call over parts has whole blocks. */
enum { TALLIES_MOST = 64, TALLIES_PER_UNIT = 4, ROWS_PER_TALLY = 4096, ROWS_PER_TALLY_MOST = 1 << 20 };

/* What kernels with options are made for: registers of so many work-items of a row, and classes that a real can count. */
enum { ROW_ITEMS_WITH_OPTIONS = 512, CLASSES_WITH_OPTIONS = 1 << 24 };

enum { REGION_PADS = 512 }; /* what two regions of the workspace may be rounded up by */

/* ---- plan ---- */

static size_t real_bytes(const clloss__xent *r) { return clloss_dtype_size(CLLOSS__REAL(r->x.logits.dtype)); }

/* span_stats, padded to 8 */
static size_t tile_bytes(const clloss__xent *r) {
  return 5 * real_bytes(r) + (real_bytes(r) == 4 ? 4 : 0) + 2 * sizeof(cl_ulong);
}

static bool is_split(const clloss__xent *r) { return r->head.plan.family == CLLOSS_FAMILY_SPLIT; }

static bool spreads(const clloss__xent *r) { return r->probabilities || r->o.label_smoothing > 0; }

/* A split's tiles are joined by xent_join; its backward needs it for Σ q, where there is one. */
static bool is_joined(const clloss__xent *r) {
  return is_split(r) && (r->head.pass != CLLOSS__BACKWARD || spreads(r));
}

static bool is_nll(const clloss__xent *r) { return (r->o.flags & CLLOSS_LOG_PROBABILITIES) != 0; }

/* Whole rows, whatever their layout and number: none is read but for one entry. */
static void read_by_item(clloss__plan *plan, size_t rows, size_t inner) {
  if (plan->family == CLLOSS_FAMILY_SPLIT)
    plan->family = plan->local_size > 1 ? CLLOSS_FAMILY_GROUP : CLLOSS_FAMILY_LANE;
  plan->slices = 1;
  plan->rows_in_lanes = false;
  clloss__plan_fit(plan, rows, inner);
}

/* Local memory for the exps of so many rows, each from a whole vector on, beside what the team folds in; 0 where there isn't as
 * much. */
static size_t room_for(const clloss_ctx *ctx, const clloss__xent *r, size_t rows) {
  const size_t vectors = clloss__ceil_div(r->x.classes, 16), all = ctx->planner.facts.local_bytes;
  const size_t fold = clloss__plan_fold_bytes(1, 0, CLLOSS__WALKED);
  return vectors <= (all - clloss__min(all, fold)) / (16 * rows * real_bytes(r))
             ? 16 * vectors * rows * real_bytes(r)
             : 0;
}

static bool transforms(const clloss__xent *r) { return r->o.logit_scale != 1 || r->o.softcap != 0; }

/* kernels/xent/xent_along.clh has no part for metrics, transforms and sums of gradients. */
static bool goes_along(const clloss_ctx *ctx, const clloss__xent *r) {
  return !(r->head.bound & XENT_ANY_METRIC) && !transforms(r) && r->o.grad_beta == 0 && !is_nll(r) &&
         room_for(ctx, r, 16);
}

/* kernels/xent/xent_held.clh has no part for what makes a row's loss more than its maximum, its sum and its target's entry. It
 * doesn't depend on what the gradient is to be, so that forward and fused give the same bits. */
static bool is_plain(const clloss__xent *r) {
  const cl_ulong more = XENT_ANY_METRIC | XENT_CLASS_WEIGHT | XENT_ROW_WEIGHT;
  return !r->probabilities && r->o.label_smoothing == 0 && r->o.z_loss == 0 && !transforms(r) && !is_nll(r) &&
         !(r->head.bound & more) && r->x.classes < INT32_MAX;
}

/* Forms that there are kernels with options of (kernels/xent/xent_options_held.clh). */
static uint32_t forms_with_options(const clloss__xent *r) {
  return !is_nll(r) && r->x.classes <= CLASSES_WITH_OPTIONS ? CLLOSS__HAS_HELD | CLLOSS__HAS_LONG : 0;
}

/* Whether every row begins at a multiple of 16 bytes. */
static bool starts_packets(const clloss_view *view, size_t classes) {
  const size_t bytes = clloss_dtype_size(view->dtype);
  const size_t stride = view->row_stride ? view->row_stride : classes;
  return view->offset * bytes % 16 == 0 && stride * bytes % 16 == 0;
}

/* Whether packets of another array, a row for each of the logits', begin where those of the logits do; of class weights, one
 * row for all, it has to be the first. */
static bool follows(const clloss__xent *r, const clloss_view *other) {
  const clloss_view *x = &r->x.logits;
  const bool is_row = other == &r->x.class_weight;
  const clloss_view one = {.offset = other->offset, .dtype = other->dtype, .row_stride = 16};
  if (starts_packets(x, r->x.classes) && starts_packets(is_row ? &one : other, r->x.classes)) return true;
  return !is_row && clloss__packets_align(x, other, r->x.classes, false);
}

/* Whether a call of held rows takes the kernels `…_any`, which ask what the others assume. One with options, that all follow that
 * it reads and writes by packets, and that there are no metrics (kernels/xent/xent_options_held.clh). */
static bool takes_any_options(const clloss__xent *r) {
  const bool weighs = spreads(r) && (r->head.bound & XENT_CLASS_WEIGHT);
  return r->head.odd || (r->head.bound & XENT_ANY_METRIC) || (weighs && !follows(r, &r->x.class_weight)) ||
         (r->probabilities && !follows(r, &r->x.targets)) ||
         (r->head.pass != CLLOSS__FORWARD && !follows(r, &r->x.grad));
}

/* … a plain one, that the gradient lies as the logits do, in the same type, and has the same factor in every row. */
static bool takes_any(const clloss__xent *r) {
  if (r->head.plan.options) return takes_any_options(r);
  const clloss_view *x = &r->x.logits, *g = &r->x.grad;
  const bool by_row = r->o.reduction == CLLOSS_NONE && (r->head.bound & XENT_GRAD_LOSS);
  const bool follow = !r->head.odd && g->dtype == x->dtype &&
                      clloss__packets_align(x, g, r->x.classes, r->head.plan.form == CLLOSS__TILE);
  return r->head.pass != CLLOSS__FORWARD && (!follow || by_row || r->o.grad_beta != 0);
}

/* measured: metrics are asked for, or may be. */
static void lay_out(clloss_ctx *ctx, clloss__xent *r, bool measured) {
  const size_t rows = r->x.rows, real = real_bytes(r), units = ctx->planner.facts.units;
  const size_t wanted = clloss__ceil_div(rows, ROWS_PER_TALLY);
  const size_t least = clloss__ceil_div(rows, ROWS_PER_TALLY_MOST);
  const size_t most = units > TALLIES_MOST / TALLIES_PER_UNIT ? TALLIES_MOST : units * TALLIES_PER_UNIT;
  xent_args *a = &r->args;
  size_t end = 0;
  a->n_tallies = clloss__min(wanted, clloss__max(least, most));
  a->rows_per_tally = a->n_tallies ? clloss__ceil_div(rows, a->n_tallies) : 1;
  a->tallies = clloss__pool_region(&end, a->n_tallies * XENT_TALLIES * sizeof(cl_ulong));
  a->weights = clloss__pool_region(&end, a->n_tallies * 2 * real);
  a->divisors = clloss__pool_region(&end, 4 * real);
  if (r->head.pass == CLLOSS__DIVISOR) {
    r->head.workspace_bytes = end;
    return;
  }
  a->n_sums = is_split(r) ? rows : r->head.plan.blocks;
  const size_t of_sum = XENT_SUMS * real, of_hits = XENT_HITS * sizeof(cl_ulong);
  if (r->head.plan.form) {
    /* Of plain rows the loss alone is summed, of others the z-loss too, and what metrics ask for. A kernel may force a plan of
       smaller work-groups, of which each row may have one, or one whose rows are walked: there is room for either. */
    const size_t walked = clloss__min(rows, clloss__plan_groups_most(&ctx->planner));
    const size_t sums = !r->head.plan.options ? 1 : measured ? XENT_SUMS : XENT_SUM_Z + 1;
    const size_t hits = r->head.plan.options && measured ? rows * of_hits : 0;
    a->sums = clloss__pool_region(&end, clloss__max(rows * sums * real + hits, walked * (of_sum + of_hits)) +
                                            REGION_PADS);
    a->hits = a->sums + clloss__ceil_div(rows * sums * real, sizeof(cl_ulong)) * sizeof(cl_ulong);
  } else {
    const size_t blocks = clloss__plan_blocks_most(&ctx->planner, &r->head.plan, rows, r->x.inner);
    a->sums = clloss__pool_region(&end, blocks * of_sum);
    a->hits = clloss__pool_region(&end, blocks * of_hits);
  }
  a->tiles = clloss__pool_region(&end, is_split(r) ? rows * r->head.plan.slices * tile_bytes(r) : 0);
  a->targets_z = clloss__pool_region(&end, is_split(r) ? rows * real : 0);
  r->head.workspace_bytes = end;
}

static void plan_laid_out(clloss_ctx *ctx, clloss__xent *r, const clloss__rows *rows, bool measured) {
  clloss__plan *p = &r->head.plan;
  *p = clloss__plan_rows(&ctx->planner, rows);
  if (rows->rows && is_nll(r)) read_by_item(p, rows->rows, rows->inner);
  lay_out(ctx, r, measured);
}

/* The same for every pass over the shape, so that clloss_xent_workspace can answer for all. */
static void plan(clloss_ctx *ctx, clloss__request *head, const clloss__guess *guess) {
  clloss__xent *r = (clloss__xent *)head;
  const clloss_xent *x = &r->x;
  clloss__plan *p = &head->plan;
  const bool plain = guess ? guess->formed : is_plain(r);
  const clloss__rows rows = {.rows = x->rows,
                             .classes = x->classes,
                             .element_bytes = clloss_dtype_size(x->logits.dtype),
                             .inner = x->inner,
                             .strided = guess ? guess->strided : head->strided,
                             .packed = guess ? guess->packed : clloss__is_packed(&x->logits, x->classes),
                             .along = guess ? guess->along : goes_along(ctx, r),
                             .splits = true,
                             .forms = plain ? CLLOSS__ALL_FORMS : forms_with_options(r),
                             .options = !plain,
                             .row_items_most = plain ? 0 : ROW_ITEMS_WITH_OPTIONS};
  const bool measured = guess || (head->bound & XENT_ANY_METRIC);
  plan_laid_out(ctx, r, &rows, measured);
  /* a kernel that takes local memory by itself may leave no room for rows along */
  if (p->along) {
    const size_t bytes = head->workspace_bytes;
    clloss__rows apart = rows;
    apart.along = false;
    plan_laid_out(ctx, r, &apart, measured);
    const size_t most = clloss__max(bytes, head->workspace_bytes);
    plan_laid_out(ctx, r, &rows, measured);
    head->workspace_bytes = most;
  }
  const bool walks = x->rows && p->family == CLLOSS_FAMILY_LANE && (!p->rows_in_lanes || p->along);
  r->scratch_bytes = walks ? room_for(ctx, r, p->along ? 16 : 1) : 0;
  if (p->form) r->scratch_bytes = clloss__plan_held_bytes(p, &rows);
}

void clloss__xent_plan(clloss_ctx *ctx, clloss__xent *r) { plan(ctx, &r->head, NULL); }

/* ---- arguments ---- */

static cl_ulong flags_of(const clloss__xent *r) {
  const clloss_xent *x = &r->x;
  const int pass = r->head.pass;
  const uint32_t options = r->o.flags;
  const bool large = clloss__plan_past_cache(&r->head.plan, x->rows, x->classes, x->grad.dtype);
  const bool is_real = x->logits.dtype == CLLOSS__REAL(x->logits.dtype);
  cl_ulong flags = r->head.bound;
  if (pass == CLLOSS__BACKWARD && (flags & XENT_ROW_STATS)) flags ^= XENT_ROW_STATS | XENT_STATS_GIVEN;
  flags |= spreads(r) ? XENT_SPREADS : 0;
  flags |= options & CLLOSS_IGNORE_INDEX ? XENT_IGNORE : 0;
  flags |= options & CLLOSS_BAD_IS_IGNORED ? XENT_BAD_IGNORED : 0;
  flags |= options & CLLOSS_EMPTY_IS_ZERO ? XENT_EMPTY_ZERO : 0;
  flags |= x->targets.dtype == CLLOSS_I64 ? XENT_TARGETS_I64 : 0;
  flags |= (cl_ulong)x->targets.dtype << XENT_LABELS;
  flags |= options & CLLOSS_ACCUMULATE ? XENT_ACCUMULATE : 0;
  flags |= r->o.reduction == CLLOSS_MEAN ? XENT_MEAN : 0;
  flags |= large && !r->in_place ? XENT_PAST_CACHE : 0;
  flags |= pass == CLLOSS__BACKWARD || pass == CLLOSS__FUSED ? XENT_GRAD : 0;
  flags |= transforms(r) ? XENT_TRANSFORMS : 0;
  /* Not in half precision, where each exp would be rounded; nor where the logits are needed once more. */
  const bool in_place = r->in_place && is_real && !(flags & XENT_ANY_METRIC);
  if (pass == CLLOSS__FUSED && r->o.softcap == 0 && r->o.grad_beta == 0)
    flags |= in_place ? XENT_KEEP_IN_PLACE : r->scratch_bytes ? XENT_KEEP_APART : 0;
  return flags;
}

/* Smoothing by ε leaves 1 − ε to the target and gives ε / classes to every class. */
static void fill_scalars(clloss__xent *r) {
  const clloss_xent_options *o = &r->o;
  const double classes = (double)r->x.classes;
  const double smoothing = o->flags & CLLOSS_SMOOTHING_MEGATRON ? o->label_smoothing * classes / (classes - 1)
                                                                : o->label_smoothing;
  r->scalars.logit_scale = o->logit_scale;
  r->scalars.softcap = o->softcap;
  r->scalars.hard = r->probabilities ? 0 : 1 - smoothing;
  r->scalars.q_scale = 1 - smoothing;
  r->scalars.q_shift = smoothing / classes;
  r->scalars.z_loss = o->z_loss;
  r->scalars.divisor = o->divisor;
  r->scalars.alpha = o->grad_alpha;
  r->scalars.beta = o->grad_beta;
}

static void fill_args(clloss__xent *r, clloss__call *call) {
  const clloss_xent *x = &r->x;
  xent_args *a = &r->args;
  a->rows = x->rows;
  a->classes = x->classes;
  a->inner = x->inner;
  a->rows_per_group = r->head.plan.rows_per_group;
  a->slices = r->head.plan.slices;
  a->flags = flags_of(r);
  a->ignore_index = r->o.ignore_index;
  a->top_k = r->o.top_k;
  a->tallies += r->head.work_at;
  a->weights += r->head.work_at;
  a->divisors += r->head.work_at;
  a->sums += r->head.work_at;
  a->hits += r->head.work_at;
  a->tiles += r->head.work_at;
  a->targets_z += r->head.work_at;
  fill_scalars(r);
  const bool scratch = (a->flags & XENT_KEEP_APART) || r->head.plan.form;
  r->head.local_bytes = scratch ? r->scratch_bytes : sizeof(cl_double);
  const uint32_t read = r->head.pass == CLLOSS__DIVISOR ? x->logits.dtype : x->targets.dtype;
  call->types = (clloss__types){x->logits.dtype, x->grad.dtype ? x->grad.dtype : x->logits.dtype,
                                r->probabilities ? read : 0,
                                !r->probabilities && clloss__rare_labels(x->targets.dtype)};
}

/* ---- launches ---- */

void clloss__xent_note_flags(clloss__xent *r) { r->args.flags = flags_of(r); }

bool clloss__xent_reduces(const clloss__xent *r) {
  return (r->args.flags & (XENT_LOSS | XENT_METRICS | XENT_COUNTS)) != 0;
}

bool clloss__xent_weighs(const clloss__xent *r) {
  const bool divides = (r->args.flags & XENT_MEAN) && !r->has_divisor;
  return (r->args.flags & XENT_COUNTS) ||
         (divides && (clloss__xent_reduces(r) || r->head.pass != CLLOSS__FORWARD));
}

static size_t groups_of(const clloss__xent *r) { return r->head.plan.blocks * r->head.plan.slices; }

static void add_weigh(const clloss__xent *r, clloss__call *call, size_t tallies) {
  clloss__launch_sums(call, &r->head.plan, "xent_weigh", tallies);
}

/* What follows from the tallies, or of plain held rows for their gradients, once for all work-groups of the group team; xent_weigh has
 * left it where there is one tally. */
static void add_divide(const clloss__xent *r, clloss__call *call) {
  const clloss__plan *p = &r->head.plan;
  const bool weighs = clloss__xent_weighs(r);
  const bool by_rows = p->form && !p->options && r->head.pass != CLLOSS__FORWARD;
  if (p->team->group && (weighs ? r->args.n_tallies > 1 : by_rows))
    clloss__launch_sums(call, p, "xent_divide", 1);
}

static void add_finish(const clloss__xent *r, clloss__call *call) {
  clloss__launch_sums(call, &r->head.plan, "xent_finish", 1);
}

/* The kernels that read logits. Those along rows find statistics: a backward that is given them has none of its own. */
static void add_rows(const clloss__xent *r, clloss__call *call) {
  static const char *const of_rows[] = {"xent_forward", "xent_backward", "xent_fused"};
  const clloss__plan *p = &r->head.plan;
  const int pass = r->head.pass;
  const size_t groups = groups_of(r);
  if (is_nll(r)) {
    clloss__launch_rows(call, p, "xent_nll", p->team->name, false, groups);
  } else if (is_joined(r)) {
    const bool counts_all = (r->args.flags & XENT_ALONE) != 0;
    clloss__launch_rows(call, p, "xent_partial", p->team->name, false, groups);
    clloss__launch_rows(call, p, "xent_join", p->team->name, false,
                        pass != CLLOSS__FORWARD ? groups
                        : counts_all            ? 1
                                                : p->blocks);
  } else {
    const bool by_team = pass == CLLOSS__BACKWARD && p->along;
    clloss__launch_rows(call, p, of_rows[pass], by_team ? p->team->name : clloss__plan_variant(p),
                        p->form && takes_any(r), groups);
  }
}

/* One lane work-group owns every row, or xent_join has few: it can weigh them first and finish afterwards, which else are
 * kernels between which the whole call has to wait. */
static bool is_alone(const clloss__xent *r) {
  if (is_joined(r)) return r->x.rows <= ROWS_COUNTED_BY_ALL;
  return r->head.plan.family == CLLOSS_FAMILY_LANE && groups_of(r) == 1 && r->args.n_tallies == 1 &&
         (clloss__xent_weighs(r) || clloss__xent_reduces(r));
}

/* Rows are weighed, and what they weigh is added up. */
static void launch_divisor(clloss__xent *r, clloss__call *call) {
  if (r->x.rows) add_weigh(r, call, r->args.n_tallies);
  clloss__launch_sums(call, &r->head.plan, "xent_divisor", 1);
}

static void launches(clloss__request *head, clloss__call *call) {
  clloss__xent *r = (clloss__xent *)head;
  fill_args(r, call);
  if (head->pass == CLLOSS__DIVISOR) {
    launch_divisor(r, call);
    if (head->presence == CLLOSS__TYPED) r->args.rows = r->args.classes = r->args.flags = 0;
    return;
  }
  if (is_alone(r)) r->args.flags |= XENT_ALONE;
  const bool does_all = r->x.rows && (r->args.flags & XENT_ALONE);
  if (r->x.rows && !does_all && clloss__xent_weighs(r)) add_weigh(r, call, r->args.n_tallies);
  if (r->x.rows && !does_all) add_divide(r, call);
  if (r->x.rows) add_rows(r, call);
  if (!does_all && clloss__xent_reduces(r)) add_finish(r, call);
  if (head->presence == CLLOSS__TYPED) r->args.rows = r->args.classes = r->args.flags = 0;
}

const clloss__loss clloss__xent_loss = {
    CLLOSS__DESCRIBE(xent, clloss__xent, logits, workspace),
    .scalars = CLLOSS__PART(clloss__xent, scalars),
    .inner = offsetof(clloss_xent, inner),
    .workspace = offsetof(clloss_xent, workspace),
    .other_key = CLLOSS__NAMED(clloss_xent, divisor),
    .other_pass = CLLOSS__DIVISOR,
    .outputs = "loss or row_loss, say",
    .steps = {.check = clloss__xent_check, .views = clloss__xent_views, .plan = plan, .launches = launches},
};

/* ---- in parts ---- */

clloss_status clloss__xent_run_part(clloss_ctx *ctx, clloss__xent *r, clloss__xent_step step,
                                    size_t first_row, cl_command_queue queue) {
  clloss__plan *p = &r->head.plan;
  clloss__call call = {.queue = queue};
  r->head.presence = CLLOSS__BOUND; /* it was planned before there were buffers */
  r->head.work = clloss__memory_of(&r->x.workspace);
  r->head.work_at = r->x.workspace.offset;
  fill_args(r, &call);
  r->args.first_row = first_row;
  r->args.first_tally = first_row / r->args.rows_per_tally;
  r->args.first_sum = is_split(r) ? first_row : clloss__plan_blocks(p, first_row, r->x.inner);
  /* parts are under way two at a time, and share the workspace */
  r->args.tiles += first_row * p->slices * tile_bytes(r);
  r->args.targets_z += first_row * real_bytes(r);
  p->blocks = is_split(r) ? r->x.rows : clloss__plan_blocks(p, r->x.rows, r->x.inner);
  if (step == CLLOSS__WEIGH)
    add_weigh(r, &call, (r->x.rows + r->args.rows_per_tally - 1) / r->args.rows_per_tally);
  if (step == CLLOSS__ROWS) {
    add_divide(r, &call); /* each part finds the same */
    add_rows(r, &call);
  }
  if (step == CLLOSS__FINISH) add_finish(r, &call);
  return clloss__call_submit(&clloss__xent_loss, ctx, &r->head, &call);
}

/* ---- public ---- */

CLLOSS__PUBLIC(xent, forward, CLLOSS__FORWARD)
CLLOSS__PUBLIC(xent, backward, CLLOSS__BACKWARD)
CLLOSS__PUBLIC(xent, fused, CLLOSS__FUSED)
CLLOSS__PUBLIC(xent, divisor, CLLOSS__DIVISOR)
CLLOSS__PUBLIC_WORKSPACE(xent)

clloss_status clloss_xent_plan(clloss_ctx *ctx, const clloss_xent *xent, clloss_plan *out) {
  clloss_xent_options options = {.struct_size = sizeof options};
  const clloss__ask ask = {
      .purpose = CLLOSS__SIZE, .ctx = ctx, .pass = CLLOSS__FUSED, .arrays = xent, .options = &options};
  clloss__xent r = {0};
  /* reals for targets are probabilities here: of indices all types have one plan */
  if (ctx && xent && clloss__read_struct(&ctx->message, "xent", &r.x, sizeof r.x, xent) == CLLOSS_SUCCESS &&
      clloss__is_real(r.x.targets.dtype))
    options.flags = CLLOSS_TARGET_PROBABILITIES;
  const clloss_status status = clloss__call_read(&clloss__xent_loss, &r.head, &ask);
  if (status != CLLOSS_SUCCESS) return status;
  if (!out) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "plan: NULL");
  if (!r.x.rows) return clloss__fail(ctx, CLLOSS_SIZE, "xent.rows is 0: nothing to plan");
  clloss__xent_plan(ctx, &r);
  const clloss_status probed = r.head.plan.team->group ? clloss__programs_probe(&ctx->programs, &ctx->message)
                                                       : CLLOSS_SUCCESS;
  if (probed != CLLOSS_SUCCESS) return probed;
  return clloss__plan_describe(&ctx->message, &r.head.plan, ctx->programs.found.how, out);
}
