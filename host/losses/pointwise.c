/* Elementwise losses: check (pointwise_check.c) → plan → launches. What the kernels compute stands in
 * kernels/pointwise/pointwise.cl. */
#include "pointwise.h"

#include "runtime/ctx.h"
#include "runtime/launch.h"
#include "runtime/view.h"

enum { TALLIES_MOST = 64 };

typedef POINTWISE_SCALARS(cl_float) scalars_f32;
typedef POINTWISE_SCALARS(cl_double) scalars_f64;

/* ---- kinds ---- */

#define PASSES(kernel, team)                                                         \
  {                                                                                  \
    "pointwise_forward_" #kernel "__" team, "pointwise_backward_" #kernel "__" team, \
        "pointwise_fused_" #kernel "__" team                                         \
  }
#define KIND(name, value, word, kernel, traits) \
  {word, CLLOSS_##name, traits, {PASSES(kernel, "lane"), PASSES(kernel, "group")}},

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

static size_t real_bytes(const clloss__pointwise *r) { return r->x.input.dtype == CLLOSS_F64 ? 8 : 4; }

static size_t ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }
static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

static bool has(const clloss__pointwise *r, const clloss_view *view) {
  return clloss__is_there(r->presence, view);
}

/* Whether the matrix, where it is bound, is one row as well as many: packed, or one value for all. */
static bool is_flat(const clloss__pointwise *r, const clloss_view *view) {
  const clloss__strides s = clloss__view_strides(view, r->x.classes, 1);
  return !has(r, view) || (s.column == 0 && s.row == 0) || (s.column == 1 && s.row == r->x.classes);
}

static bool all_flat(const clloss__pointwise *r) {
  const clloss_pointwise *x = &r->x;
  const bool upstream = r->o.reduction != CLLOSS_NONE || is_flat(r, &x->grad_loss);
  return is_flat(r, &x->input) && is_flat(r, &x->target) && is_flat(r, &x->weight) &&
         is_flat(r, &x->element_loss) && is_flat(r, &x->grad) && upstream && !has(r, &x->pos_weight);
}

/* The sums of weights: at most TALLIES_MOST of them, of rows or of pieces of few rows. */
static void plan_weights(const clloss__pointwise *r, pointwise_args *a) {
  const clloss__strides s = clloss__view_strides(&r->x.weight, r->x.classes, 1);
  a->weight_rows = s.row ? a->rows.rows : 1;
  a->weight_classes = s.column ? a->rows.classes : 1;
  const size_t down = min_size(a->weight_rows, TALLIES_MOST), across = TALLIES_MOST / (down ? down : 1);
  a->rows_per_tally = down ? ceil_div(a->weight_rows, down) : 1;
  a->classes_per_tally = ceil_div(a->weight_classes, min_size(across, a->weight_classes));
  a->n_tallies = ceil_div(a->weight_rows, a->rows_per_tally) *
                 ceil_div(a->weight_classes, a->classes_per_tally);
}

static clloss__plan plan_shape(clloss_ctx *ctx, const clloss__pointwise *r, size_t rows, size_t classes) {
  if (!rows) return (clloss__plan){.team = clloss__plan_team(&ctx->planner), .local_size = 1, .slices = 1};
  return clloss__plan_elements(&ctx->planner, rows, classes, clloss__dtype_bytes(r->x.input.dtype));
}

/* Chooses the kernels and lays the workspace out: with room for the matrix as one row and as many, so that
 * clloss_pointwise_workspace can answer for views that aren't there yet. */
static void make_plan(clloss_ctx *ctx, clloss__pointwise *r) {
  const clloss_pointwise *x = &r->x;
  const bool flat = x->rows && all_flat(r);
  const clloss__plan one = plan_shape(ctx, r, x->rows ? 1 : 0, x->rows * x->classes);
  const clloss__plan many = plan_shape(ctx, r, x->rows, x->classes);
  pointwise_args *a = &r->args;
  r->plan = flat ? one : many;
  a->rows = (rows_args){x->rows, x->classes, 1, r->plan.rows_per_group};
  if (flat) a->rows.rows = 1, a->rows.classes = x->rows * x->classes;
  a->slices = r->plan.slices;
  a->slice = clloss__plan_slice(&r->plan, a->rows.classes);
  a->n_sums = r->plan.blocks * r->plan.slices;
  plan_weights(r, a);
  const size_t most = max_size(one.blocks * one.slices, many.blocks * many.slices);
  size_t end = 0;
  a->tallies = clloss__pool_region(&end, TALLIES_MOST * real_bytes(r));
  a->sums = clloss__pool_region(&end, most * real_bytes(r));
  a->faults = clloss__pool_region(&end, 2 * most * sizeof(cl_ulong));
  r->workspace_bytes = end;
}

/* ---- arguments ---- */

static cl_ulong flags_of(const clloss__pointwise *r) {
  const clloss_pointwise *x = &r->x;
  const uint32_t grad = x->grad.dtype ? x->grad.dtype : CLLOSS_F32;
  const bool large = clloss__plan_past_cache(&r->plan, r->args.rows.rows, r->args.rows.classes, grad);
  const clloss__strides upstream = clloss__view_strides(&x->grad_loss, x->classes, 1);
  const bool by_element = r->o.reduction == CLLOSS_NONE && has(r, &x->grad_loss) && upstream.column;
  const bool plain = !has(r, &x->weight) && !has(r, &x->pos_weight) && !has(r, &x->element_loss) &&
                     !has(r, &x->counts) && !by_element && r->o.grad_beta == 0;
  const bool by_weight = (r->kind->traits & CLLOSS_MEAN_BY_WEIGHT) && has(r, &x->weight) && x->rows &&
                         r->o.reduction == CLLOSS_MEAN && r->o.divisor == 0;
  const struct {
    bool on;
    cl_ulong flag;
  } all[] = {
      {has(r, &x->loss), POINTWISE_LOSS},
      {has(r, &x->element_loss), POINTWISE_ELEMENT_LOSS},
      {has(r, &x->weight), POINTWISE_WEIGHT},
      {has(r, &x->pos_weight), POINTWISE_POS_WEIGHT},
      {has(r, &x->grad_loss), POINTWISE_GRAD_LOSS},
      {has(r, &x->counts), POINTWISE_COUNTS},
      {by_weight, POINTWISE_BY_WEIGHT},
      {large && !r->in_place, POINTWISE_PAST_CACHE},
      {plain, POINTWISE_PLAIN},
  };
  cl_ulong flags = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) flags |= all[i].on ? all[i].flag : 0;
  return flags;
}

/* A matrix with as many classes as the kernels think there are. */
static rows_at place(const clloss__pointwise *r, const clloss_view *view) {
  return clloss__rows_at(view, r->args.rows.classes, 1);
}

static void fill_args(clloss__pointwise *r) {
  const clloss_pointwise *x = &r->x;
  pointwise_args *a = &r->args;
  a->flags = flags_of(r);
  a->input = place(r, &x->input);
  a->target = place(r, &x->target);
  a->weight = place(r, &x->weight);
  a->pos_weight = (rows_at){x->pos_weight.offset, 0, 0, 1};
  a->element_loss = place(r, &x->element_loss);
  a->grad = place(r, &x->grad);
  a->grad_loss = place(r, &x->grad_loss);
  if (r->o.reduction != CLLOSS_NONE) a->grad_loss = (rows_at){x->grad_loss.offset, 0, 0, 0};
  a->loss = x->loss.offset;
  a->counts = x->counts.offset;
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

static scalars_f64 scalars_of(const clloss__pointwise *r) {
  const clloss_pointwise_options *o = &r->o;
  return (scalars_f64){
      .divisor = divisor_of(r),
      .grad_alpha = o->grad_alpha,
      .grad_beta = o->grad_beta,
      .delta = o->delta,
      .clip = o->clip,
      .log_target = o->flags & CLLOSS_LOG_TARGET ? 1 : 0,
      .gamma = o->gamma,
      .alpha = o->alpha < 0 ? 1 : o->alpha,
      .other_alpha = o->alpha < 0 ? 1 : 1 - o->alpha,
  };
}

/* ---- launches ---- */

static void list_launches(const clloss__pointwise *r, clloss__call *call) {
  const bool group = r->plan.team->name[0] == 'g', reduces = has(r, &r->x.loss) || has(r, &r->x.counts);
  const clloss__launch all[] = {
      {group ? "pointwise_weigh__group" : "pointwise_weigh__lane",
       r->args.flags & POINTWISE_BY_WEIGHT ? r->args.n_tallies : 0, r->plan.local_size},
      {r->kind->kernels[group][r->pass], r->args.n_sums, r->plan.local_size},
      {group ? "pointwise_finish__group" : "pointwise_finish__lane", reduces, r->plan.local_size},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    if (all[i].groups) call->launches[call->n_launches++] = all[i];
  }
}

/* The arguments of every kernel of the call, set and submitted. */
static clloss_status submit(clloss_ctx *ctx, const clloss__pointwise *r, cl_mem work, size_t work_at,
                            clloss__call *call) {
  const clloss_pointwise *x = &r->x;
  pointwise_args a = r->args;
  a.tallies += work_at;
  a.sums += work_at;
  a.faults += work_at;
  const cl_mem mems[] = {x->input.mem,     x->target.mem, x->weight.mem,       x->pos_weight.mem,
                         x->grad_loss.mem, x->loss.mem,   x->element_loss.mem, x->grad.mem,
                         x->counts.mem,    work};
  const scalars_f64 exact = scalars_of(r);
  scalars_f32 single;
  const clloss__arg args[] = {
      {&a, sizeof a},
      clloss__launch_scalars(&exact, sizeof exact, x->input.dtype, &single),
  };
  const uint32_t type = x->input.dtype, target = has(r, &x->target) ? x->target.dtype : type;
  call->source = "pointwise.cl";
  call->types = (clloss__types){type, has(r, &x->grad) ? x->grad.dtype : type, target == type ? 0 : target};
  call->mems = mems;
  call->n_mems = sizeof mems / sizeof *mems;
  call->args = args;
  call->n_args = sizeof args / sizeof *args;
  return clloss__launch_all(ctx, call);
}

static clloss_status begin(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                           const clloss_pointwise_options *options, clloss__pointwise *r) {
  const clloss_status status = clloss__pointwise_read(ctx, pointwise, options, r);
  if (status == CLLOSS_SUCCESS) make_plan(ctx, r);
  return status;
}

/* A call that is only compiled for has no rows and nothing bound: what it enqueues touches its workspace alone. */
static clloss_status make_call(clloss_ctx *ctx, clloss__pointwise *r, clloss__call *call) {
  fill_args(r);
  list_launches(r, call);
  if (r->presence == CLLOSS__TYPED) r->args.rows.rows = r->args.weight_rows = r->args.flags = 0;
  cl_mem work;
  size_t work_at;
  const clloss_status status = clloss__launch_workspace(ctx, call, &r->x.workspace, r->workspace_bytes, &work,
                                                        &work_at);
  return status == CLLOSS_SUCCESS ? submit(ctx, r, work, work_at, call) : status;
}

static clloss_status run(int pass, clloss_ctx *ctx, const clloss_pointwise *pointwise,
                         const clloss_pointwise_options *options, cl_command_queue queue, cl_uint n_wait,
                         const cl_event *wait, cl_event *done) {
  clloss__pointwise r = {.pass = pass};
  clloss_status status = begin(ctx, pointwise, options, &r);
  if (status == CLLOSS_SUCCESS) status = clloss__launch_check_queue(ctx, queue, n_wait, wait);
  if (status == CLLOSS_SUCCESS) status = clloss__pointwise_check_views(ctx, &r);
  clloss__call call = {.queue = queue, .n_wait = n_wait, .wait = wait, .done = done};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

clloss_status clloss__pointwise_prebuild(clloss_ctx *ctx, int pass, const void *pointwise,
                                         const void *options, cl_command_queue queue) {
  clloss__pointwise r = {.pass = pass, .presence = CLLOSS__TYPED};
  clloss_status status = begin(ctx, pointwise, options, &r);
  if (status == CLLOSS_SUCCESS && r.untyped)
    status = clloss__fail(ctx, CLLOSS_MISSING_VIEW, "pointwise.input has no element type");
  if (status == CLLOSS_SUCCESS) status = clloss__pointwise_check_views(ctx, &r);
  clloss__forget_buffers(&r.x, offsetof(clloss_pointwise, input), offsetof(clloss_pointwise, workspace));
  clloss__call call = {.queue = queue};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

/* ---- public ---- */

clloss_status clloss_pointwise_forward(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                       const clloss_pointwise_options *options, cl_command_queue queue,
                                       cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(CLLOSS__FORWARD, ctx, pointwise, options, queue, n_wait, wait, done);
}

clloss_status clloss_pointwise_backward(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                        const clloss_pointwise_options *options, cl_command_queue queue,
                                        cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(CLLOSS__BACKWARD, ctx, pointwise, options, queue, n_wait, wait, done);
}

clloss_status clloss_pointwise_fused(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                     const clloss_pointwise_options *options, cl_command_queue queue,
                                     cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(CLLOSS__FUSED, ctx, pointwise, options, queue, n_wait, wait, done);
}

clloss_status clloss_pointwise_workspace(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                         const clloss_pointwise_options *options, size_t *bytes) {
  clloss__pointwise r = {.pass = CLLOSS__FUSED, .presence = CLLOSS__TYPED};
  const clloss_status status = begin(ctx, pointwise, options, &r);
  if (status != CLLOSS_SUCCESS) return status;
  if (!bytes) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "bytes: NULL");
  *bytes = r.workspace_bytes;
  for (int i = 0; i < CLLOSS__GUESSES && r.untyped; ++i) { /* whatever the input will be */
    r.x.input.dtype = clloss__guess_of(&ctx->planner.facts, i).dtype;
    make_plan(ctx, &r);
    if (r.workspace_bytes > *bytes) *bytes = r.workspace_bytes;
  }
  return CLLOSS_SUCCESS;
}
