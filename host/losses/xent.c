/* Softmax cross-entropy: check (xent_check.c) → plan → launches. What the kernels compute stands in kernels/xent/xent.cl. */
#include "xent.h"

#include "runtime/ctx.h"
#include "runtime/launch.h"
#include "runtime/view.h"

/* Up to so many split rows each work-group counts all of them itself, which saves two launches; but its time grows with them:
 * 50,000 rows took 3.6 s instead of 2 ms. */
enum { ROWS_COUNTED_BY_ALL = 64 };

/* Rows are counted in at most so many blocks, and so many for each compute unit, as every work-group adds them up; of at
 * least so many rows, and of at most so many however many there are: a part of a call over parts has whole blocks. */
enum { TALLIES_MOST = 64, TALLIES_PER_UNIT = 4, ROWS_PER_TALLY = 4096, ROWS_PER_TALLY_MOST = 1 << 20 };

typedef XENT_SCALARS(cl_float) scalars_f32;
typedef XENT_SCALARS(cl_double) scalars_f64;

/* ---- plan ---- */

static size_t real_bytes(const clloss__xent *r) { return r->x.logits.dtype == CLLOSS_F64 ? 8 : 4; }

/* span_stats, padded to 8 */
static size_t tile_bytes(const clloss__xent *r) {
  return 5 * real_bytes(r) + (real_bytes(r) == 4 ? 4 : 0) + 2 * sizeof(cl_ulong);
}

static bool is_split(const clloss__xent *r) { return r->plan.family == CLLOSS_FAMILY_SPLIT; }

/* A split's tiles are joined by xent_join; its backward needs it for Σ q, where there is one. */
static bool is_joined(const clloss__xent *r) {
  return is_split(r) && (r->op != CLLOSS__BACKWARD || (r->args.flags & XENT_SPREADS));
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

/* Local memory for the exps of so many rows, each from a whole vector on; 0 where there isn't as much. */
static size_t room_for(const clloss_ctx *ctx, const clloss__xent *r, size_t rows) {
  const size_t vectors = r->x.classes / 16 + (r->x.classes % 16 != 0);
  return vectors <= ctx->planner.facts.local_bytes / (16 * rows * real_bytes(r))
             ? 16 * vectors * rows * real_bytes(r)
             : 0;
}

/* kernels/xent/xent_along.clh has no part for metrics, transforms and sums of gradients. */
static bool goes_along(const clloss_ctx *ctx, const clloss__xent *r) {
  const bool transforms = r->o.logit_scale != 1 || r->o.softcap != 0;
  return !(r->bound & XENT_ANY_METRIC) && !transforms && r->o.grad_beta == 0 && !is_nll(r) &&
         room_for(ctx, r, 16);
}

static bool is_strided(const clloss__xent *r) {
  const clloss_xent *x = &r->x;
  return clloss__is_strided(&x->logits, x->classes, x->inner) ||
         clloss__is_strided(&x->grad, x->classes, x->inner) ||
         (r->probabilities && clloss__is_strided(&x->targets, x->classes, x->inner));
}

/* Chooses the kernels and lays the workspace out. The same for every operation on the shape, so that
 * clloss_xent_workspace can answer for all. */
static void plan(clloss_ctx *ctx, clloss__xent *r, bool strided, bool along) {
  const clloss_xent *x = &r->x;
  const size_t rows = x->rows, real = real_bytes(r);
  r->plan = (clloss__plan){
      .team = clloss__plan_team(&ctx->planner), .local_size = 1, .rows_per_group = 1, .slices = 1};
  if (rows) {
    r->plan = clloss__plan_rows(&ctx->planner, rows, x->classes, clloss__dtype_bytes(x->logits.dtype),
                                strided, x->inner, along);
    if (is_nll(r)) read_by_item(&r->plan, rows, x->inner);
  }
  const bool spreads = r->probabilities || r->o.label_smoothing > 0;
  r->args.flags = spreads ? XENT_SPREADS : 0;
  const size_t wanted = rows / ROWS_PER_TALLY + (rows % ROWS_PER_TALLY != 0);
  xent_args *a = &r->args;
  size_t end = 0;
  const size_t least = rows / ROWS_PER_TALLY_MOST + (rows % ROWS_PER_TALLY_MOST != 0);
  const size_t most = ctx->planner.facts.units > TALLIES_MOST / TALLIES_PER_UNIT
                          ? TALLIES_MOST
                          : ctx->planner.facts.units * TALLIES_PER_UNIT;
  a->n_tallies = wanted < most ? wanted : least > most ? least : most;
  a->rows_per_tally = a->n_tallies ? rows / a->n_tallies + (rows % a->n_tallies != 0) : 1;
  a->tallies = clloss__pool_region(&end, a->n_tallies * XENT_TALLIES * sizeof(cl_ulong));
  a->weights = clloss__pool_region(&end, a->n_tallies * 2 * real);
  a->n_sums = is_split(r) ? rows : r->plan.blocks;
  a->sums = clloss__pool_region(&end, a->n_sums * XENT_SUMS * real);
  a->hits = clloss__pool_region(&end, a->n_sums * XENT_HITS * sizeof(cl_ulong));
  a->tiles = clloss__pool_region(&end, is_split(r) ? rows * r->plan.slices * tile_bytes(r) : 0);
  a->targets_z = clloss__pool_region(&end, is_split(r) ? rows * real : 0);
  r->workspace_bytes = end;
  const bool walks = rows && r->plan.family == CLLOSS_FAMILY_LANE &&
                     (!r->plan.rows_in_lanes || r->plan.along);
  r->scratch_bytes = walks ? room_for(ctx, r, r->plan.along ? 16 : 1) : 0;
}

void clloss__xent_plan(clloss_ctx *ctx, clloss__xent *r) { plan(ctx, r, is_strided(r), goes_along(ctx, r)); }

static clloss_status begin(clloss_ctx *ctx, const clloss_xent *xent, const clloss_xent_options *options,
                           clloss__xent *r) {
  const clloss_status status = clloss__xent_read(ctx, xent, options, r);
  if (status == CLLOSS_SUCCESS) clloss__xent_plan(ctx, r);
  return status;
}

/* ---- arguments ---- */

static rows_at column_at(const clloss_view *view, size_t columns) {
  return (rows_at){view->offset, 0, clloss__view_strides(view, columns, 1).row, 1};
}

static cl_ulong flags_of(const clloss__xent *r) {
  const clloss_xent *x = &r->x;
  const bool large = clloss__plan_past_cache(&r->plan, x->rows, x->classes, x->grad.dtype);
  const bool real = x->logits.dtype == CLLOSS_F32 || x->logits.dtype == CLLOSS_F64;
  const struct {
    bool on;
    cl_ulong flag;
  } all[] = {
      {x->targets.dtype == CLLOSS_I64, XENT_TARGETS_I64},
      {r->o.flags & CLLOSS_IGNORE_INDEX, XENT_IGNORE},
      {r->o.flags & CLLOSS_BAD_IS_IGNORED, XENT_BAD_IGNORED},
      {r->o.flags & CLLOSS_EMPTY_IS_ZERO, XENT_EMPTY_ZERO},
      {r->o.reduction == CLLOSS_MEAN, XENT_MEAN},
      {large && !r->in_place, XENT_PAST_CACHE},
      {r->op != CLLOSS__FORWARD, XENT_GRAD},
      {r->o.logit_scale != 1 || r->o.softcap != 0, XENT_TRANSFORMS},
  };
  cl_ulong flags = r->args.flags | r->bound;
  if (r->op == CLLOSS__BACKWARD && (flags & XENT_ROW_STATS)) flags ^= XENT_ROW_STATS | XENT_STATS_GIVEN;
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) flags |= all[i].on ? all[i].flag : 0;
  /* Not in half precision, where each exp would be rounded; nor where the logits are needed once more. */
  const bool in_place = r->in_place && real && !(flags & XENT_ANY_METRIC);
  if (r->op == CLLOSS__FUSED && r->o.softcap == 0 && r->o.grad_beta == 0)
    flags |= in_place ? XENT_KEEP_IN_PLACE : r->scratch_bytes ? XENT_KEEP_APART : 0;
  return flags;
}

static void fill_args(clloss__xent *r) {
  const clloss_xent *x = &r->x;
  xent_args *a = &r->args;
  a->rows = x->rows;
  a->classes = x->classes;
  a->inner = x->inner;
  a->rows_per_group = r->plan.rows_per_group;
  a->slices = r->plan.slices;
  a->flags = flags_of(r);
  a->ignore_index = r->o.ignore_index;
  a->top_k = r->o.top_k;
  a->logits = clloss__rows_at(&x->logits, x->classes, x->inner);
  a->grad = clloss__rows_at(&x->grad, x->classes, x->inner);
  a->targets = r->probabilities ? clloss__rows_at(&x->targets, x->classes, x->inner)
                                : column_at(&x->targets, 1);
  a->loss = x->loss.offset;
  a->class_weight = x->class_weight.offset;
  a->divisor = x->divisor.offset;
  a->metrics = x->metrics.offset;
  a->counts = x->counts.offset;
  a->row_loss = column_at(&x->row_loss, 1);
  a->row_stats = column_at(&x->row_stats, 2);
  a->grad_loss = column_at(&x->grad_loss, 1);
  if (r->o.reduction != CLLOSS_NONE) a->grad_loss.row_stride = 0;
  a->row_weight = column_at(&x->row_weight, 1);
  a->predicted = column_at(&x->predicted, 1);
  a->confidence = column_at(&x->confidence, 1);
  a->entropy = column_at(&x->entropy, 1);
}

/* Smoothing by ε leaves 1 − ε to the target and gives ε / classes to every class. */
static scalars_f64 scalars_of(const clloss__xent *r) {
  const clloss_xent_options *o = &r->o;
  const double classes = (double)r->x.classes;
  const double smoothing = o->flags & CLLOSS_SMOOTHING_MEGATRON ? o->label_smoothing * classes / (classes - 1)
                                                                : o->label_smoothing;
  return (scalars_f64){.logit_scale = o->logit_scale,
                       .softcap = o->softcap,
                       .hard = r->probabilities ? 0 : 1 - smoothing,
                       .q_scale = 1 - smoothing,
                       .q_shift = smoothing / classes,
                       .z_loss = o->z_loss,
                       .divisor = o->divisor,
                       .alpha = o->grad_alpha,
                       .beta = o->grad_beta};
}

/* ---- launches ---- */

typedef struct {
  const char *weigh, *forward, *backward, *fused, *partial, *join, *finish, *nll;
} names;

/* rows: what goes over whole rows; back: xent_backward, which has no statistics to find */
#define NAMES(team, rows, back)                                                              \
  {                                                                                          \
    "xent_weigh__" team, "xent_forward__" rows, "xent_backward__" back, "xent_fused__" rows, \
        "xent_partial__" team, "xent_join__" team, "xent_finish__" team, "xent_nll__" team   \
  }

static const names lane_names = NAMES("lane", "lane", "lane");
static const names lane_rows_names = NAMES("lane", "lane_rows", "lane_rows");
static const names lane_along_names = NAMES("lane", "lane_along", "lane");
static const names group_names = NAMES("group", "group", "group");
static const names group_rows_names = NAMES("group", "group_rows", "group_rows");

static const names *names_of(const clloss__plan *p) {
  const bool group = p->team->name[0] == 'g';
  if (p->along) return &lane_along_names;
  if (p->rows_in_lanes) return group ? &group_rows_names : &lane_rows_names;
  return group ? &group_names : &lane_names;
}

static void add(clloss__call *call, const char *kernel, size_t groups, size_t local_size) {
  call->launches[call->n_launches++] = (clloss__launch){kernel, groups, local_size};
}

void clloss__xent_note_flags(clloss__xent *r) { r->args.flags = flags_of(r); }

bool clloss__xent_reduces(const clloss__xent *r) {
  return (r->args.flags & (XENT_LOSS | XENT_METRICS | XENT_COUNTS)) != 0;
}

bool clloss__xent_weighs(const clloss__xent *r) {
  const bool divides = (r->args.flags & XENT_MEAN) && !r->has_divisor;
  return (r->args.flags & XENT_COUNTS) || (divides && (clloss__xent_reduces(r) || r->op != CLLOSS__FORWARD));
}

static size_t groups_of(const clloss__xent *r) { return r->plan.blocks * r->plan.slices; }

/* The kernels that read logits. */
static void add_rows(const clloss__xent *r, const names *k, clloss__call *call) {
  const size_t local = r->plan.local_size, groups = groups_of(r);
  if (is_nll(r)) {
    add(call, k->nll, groups, local);
    return;
  }
  if (is_joined(r)) {
    add(call, k->partial, groups, local);
    const bool counts_all = (r->args.flags & XENT_ALONE) != 0;
    add(call, k->join, r->op != CLLOSS__FORWARD ? groups : counts_all ? 1 : r->plan.blocks, local);
    return;
  }
  add(call,
      r->op == CLLOSS__FORWARD ? k->forward
      : r->op == CLLOSS__FUSED ? k->fused
                               : k->backward,
      groups, local);
}

/* One lane work-group owns every row, or xent_join has few: it can weigh them first and finish afterwards, which else are
 * kernels between which the whole call has to wait. */
static bool is_alone(const clloss__xent *r) {
  if (is_joined(r)) return r->x.rows <= ROWS_COUNTED_BY_ALL;
  return r->plan.family == CLLOSS_FAMILY_LANE && groups_of(r) == 1 && r->args.n_tallies == 1 &&
         (clloss__xent_weighs(r) || clloss__xent_reduces(r));
}

static void list_launches(const clloss__xent *r, clloss__call *call) {
  const names *k = names_of(&r->plan);
  const bool does_all = r->x.rows && (r->args.flags & XENT_ALONE);
  if (r->x.rows && !does_all && clloss__xent_weighs(r))
    add(call, k->weigh, r->args.n_tallies, r->plan.local_size);
  if (r->x.rows) add_rows(r, k, call);
  if (!does_all && clloss__xent_reduces(r)) add(call, k->finish, 1, 1);
}

/* The arguments of every kernel of the call, set and submitted. The workspace is bound. */
static clloss_status submit(clloss_ctx *ctx, const clloss__xent *r, cl_mem work, size_t work_at,
                            clloss__call *call) {
  const clloss_xent *x = &r->x;
  xent_args a = r->args;
  a.tallies += work_at;
  a.weights += work_at;
  a.sums += work_at;
  a.hits += work_at;
  a.tiles += work_at;
  a.targets_z += work_at;
  const cl_mem mems[] = {x->logits.mem,     x->targets.mem,    x->loss.mem,      x->row_loss.mem,
                         x->row_stats.mem,  x->grad.mem,       x->grad_loss.mem, x->class_weight.mem,
                         x->row_weight.mem, x->divisor.mem,    x->metrics.mem,   x->counts.mem,
                         x->predicted.mem,  x->confidence.mem, x->entropy.mem,   work};
  const scalars_f64 exact = scalars_of(r);
  scalars_f32 single;
  const clloss__arg args[] = {
      {&a, sizeof a},
      clloss__launch_scalars(&exact, sizeof exact, x->logits.dtype, &single),
      {NULL, a.flags & XENT_KEEP_APART ? r->scratch_bytes : sizeof(cl_double)},
  };
  call->source = "xent.cl";
  call->types = (clloss__types){x->logits.dtype, x->grad.dtype ? x->grad.dtype : x->logits.dtype,
                                r->probabilities ? x->targets.dtype : 0};
  call->mems = mems;
  call->n_mems = sizeof mems / sizeof *mems;
  call->args = args;
  call->n_args = sizeof args / sizeof *args;
  return clloss__launch_all(ctx, call);
}

/* A call that is only compiled for has no rows and nothing bound: what it enqueues touches its workspace alone. */
static clloss_status make_call(clloss_ctx *ctx, clloss__xent *r, clloss__call *call) {
  fill_args(r);
  if (is_alone(r)) r->args.flags |= XENT_ALONE;
  list_launches(r, call);
  if (r->presence == CLLOSS__TYPED) r->args.rows = r->args.flags = 0;
  cl_mem work;
  size_t work_at;
  const clloss_status status = clloss__launch_workspace(ctx, call, &r->x.workspace, r->workspace_bytes, &work,
                                                        &work_at);
  return status == CLLOSS_SUCCESS ? submit(ctx, r, work, work_at, call) : status;
}

static clloss_status run(int op, clloss_ctx *ctx, const clloss_xent *xent, const clloss_xent_options *options,
                         cl_command_queue queue, cl_uint n_wait, const cl_event *wait, cl_event *done) {
  clloss__xent r = {.op = op};
  clloss_status status = begin(ctx, xent, options, &r);
  if (status == CLLOSS_SUCCESS) status = clloss__launch_check_queue(ctx, queue, n_wait, wait);
  if (status == CLLOSS_SUCCESS) status = clloss__xent_check_views(ctx, &r);
  clloss__call call = {.queue = queue, .n_wait = n_wait, .wait = wait, .done = done};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

clloss_status clloss__xent_prebuild(clloss_ctx *ctx, int pass, const void *xent, const void *options,
                                    cl_command_queue queue) {
  clloss__xent r = {.op = pass, .presence = CLLOSS__TYPED};
  clloss_status status = begin(ctx, xent, options, &r);
  if (status == CLLOSS_SUCCESS && r.untyped)
    status = clloss__fail(ctx, CLLOSS_MISSING_VIEW, "xent.logits has no element type");
  if (status == CLLOSS_SUCCESS) status = clloss__xent_check_views(ctx, &r);
  clloss__forget_buffers(&r.x, offsetof(clloss_xent, logits), offsetof(clloss_xent, workspace));
  clloss__call call = {.queue = queue};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

/* ---- in parts ---- */

clloss_status clloss__xent_run_part(clloss_ctx *ctx, clloss__xent *r, clloss__xent_step step,
                                    size_t first_row, cl_command_queue queue) {
  const names *k = names_of(&r->plan);
  clloss__call call = {.queue = queue};
  fill_args(r);
  r->args.first_row = first_row;
  r->args.first_tally = first_row / r->args.rows_per_tally;
  r->args.first_sum = is_split(r) ? first_row : clloss__plan_blocks(&r->plan, first_row, r->x.inner);
  /* parts are under way two at a time, and share the workspace */
  r->args.tiles += first_row * r->plan.slices * tile_bytes(r);
  r->args.targets_z += first_row * real_bytes(r);
  r->plan.blocks = is_split(r) ? r->x.rows : clloss__plan_blocks(&r->plan, r->x.rows, r->x.inner);
  const size_t tallies = (r->x.rows + r->args.rows_per_tally - 1) / r->args.rows_per_tally;
  if (step == CLLOSS__WEIGH) add(&call, k->weigh, tallies, r->plan.local_size);
  if (step == CLLOSS__ROWS) add_rows(r, k, &call);
  if (step == CLLOSS__FINISH) add(&call, k->finish, 1, 1);
  return submit(ctx, r, r->x.workspace.mem, r->x.workspace.offset, &call);
}

/* ---- public ---- */

clloss_status clloss_xent_forward(clloss_ctx *ctx, const clloss_xent *xent,
                                  const clloss_xent_options *options, cl_command_queue queue, cl_uint n_wait,
                                  const cl_event *wait, cl_event *done) {
  return run(CLLOSS__FORWARD, ctx, xent, options, queue, n_wait, wait, done);
}

clloss_status clloss_xent_backward(clloss_ctx *ctx, const clloss_xent *xent,
                                   const clloss_xent_options *options, cl_command_queue queue, cl_uint n_wait,
                                   const cl_event *wait, cl_event *done) {
  return run(CLLOSS__BACKWARD, ctx, xent, options, queue, n_wait, wait, done);
}

clloss_status clloss_xent_fused(clloss_ctx *ctx, const clloss_xent *xent, const clloss_xent_options *options,
                                cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                cl_event *done) {
  return run(CLLOSS__FUSED, ctx, xent, options, queue, n_wait, wait, done);
}

clloss_status clloss_xent_workspace(clloss_ctx *ctx, const clloss_xent *xent,
                                    const clloss_xent_options *options, size_t *bytes) {
  clloss__xent r = {.op = CLLOSS__FUSED, .presence = CLLOSS__TYPED};
  const clloss_status status = begin(ctx, xent, options, &r);
  if (status != CLLOSS_SUCCESS) return status;
  if (!bytes) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "bytes: NULL");
  *bytes = r.workspace_bytes;
  for (int i = 0; i < CLLOSS__GUESSES && !r.x.logits.mem; ++i) { /* whatever the views will be */
    const clloss__guess guess = clloss__guess_of(&ctx->planner.facts, i);
    if (r.untyped) r.x.logits.dtype = guess.dtype;
    plan(ctx, &r, guess.strided, guess.along);
    if (r.workspace_bytes > *bytes) *bytes = r.workspace_bytes;
  }
  return CLLOSS_SUCCESS;
}

clloss_status clloss_xent_plan(clloss_ctx *ctx, const clloss_xent *xent, clloss_plan *out) {
  clloss__xent r = {.op = CLLOSS__FUSED, .presence = CLLOSS__TYPED};
  clloss_status status = begin(ctx, xent, NULL, &r);
  if (status != CLLOSS_SUCCESS) return status;
  if (!out) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "plan: NULL");
  if (!r.x.rows) return clloss__fail(ctx, CLLOSS_SIZE, "xent.rows is 0: nothing to plan");
  return clloss__plan_describe(&ctx->message, &r.plan, out);
}
