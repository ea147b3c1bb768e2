/* Softmax cross-entropy: check → plan → launches. What the kernels compute stands in kernels/xent.cl. */
#include <clloss/clloss.h>

#include "../kernels/xent_args.clh"
#include "ctx.h"
#include "launch.h"
#include "view.h"

typedef enum { FORWARD, BACKWARD, FUSED } operation;

/* One call, from the caller's structs to what is submitted. */
typedef struct {
  operation op;
  clloss_xent x;
  clloss_xent_options o;
  clloss__plan plan;
  xent_args args;
  size_t stats_at; /* region of the workspace for a split's row_stats, in bytes */
  size_t workspace_bytes;
} request;

enum { COUNTS_MOST = 64, ROWS_PER_COUNT = 4096, REGION_BYTES = 256 };

/* From here on a gradient that isn't in place is written around the cache. */
enum { PAST_CACHE_BYTES = 4 << 20 };

/* ---- check ---- */

static clloss_status check_sizes(clloss_ctx *ctx, const clloss_xent *x) {
  if (x->classes == 0) return clloss__fail(ctx, CLLOSS_SIZE, "xent.classes is 0: a softmax has at least one");
  /* Below this no size or grid that is derived from rows can overflow either. */
  if (x->rows > SIZE_MAX / 65536 || x->rows > SIZE_MAX / sizeof(double) / x->classes) {
    return clloss__fail(ctx, CLLOSS_SIZE, "xent.rows %zu × xent.classes %zu overflows", x->rows, x->classes);
  }
  return CLLOSS_SUCCESS;
}

static clloss_status check_options(clloss_ctx *ctx, const clloss_xent_options *o) {
  if (o->reduction > CLLOSS_NONE) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.reduction is %u: not a reduction", o->reduction);
  }
  if (o->flags & ~(uint32_t)CLLOSS_IGNORE_INDEX) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.flags is %#x: unknown flag", o->flags);
  }
  if (o->ignore_index && !(o->flags & CLLOSS_IGNORE_INDEX)) {
    return clloss__fail(ctx, CLLOSS_OPTION,
                        "options.ignore_index is %lld without the flag CLLOSS_IGNORE_INDEX",
                        (long long)o->ignore_index);
  }
  return CLLOSS_SUCCESS;
}

static clloss_status check_views(clloss_ctx *ctx, const request *r) {
  const clloss_xent *x = &r->x;
  const size_t n = x->rows;
  const uint32_t real = CLLOSS__DTYPE(CLLOSS_F32),
                 index = CLLOSS__DTYPE(CLLOSS_I32) | CLLOSS__DTYPE(CLLOSS_I64);
  const bool back = r->op == BACKWARD, none = r->o.reduction == CLLOSS_NONE;
  const clloss__role result = back ? CLLOSS__REFUSED : CLLOSS__MAY_WRITE;
  const clloss__role gradient = r->op == FORWARD ? CLLOSS__REFUSED : CLLOSS__WRITES;
  const clloss__role upstream = r->op == FORWARD ? CLLOSS__REFUSED : CLLOSS__MAY_READ;
#define USE(field, how, types, n_rows, n_columns, ...)                                                     \
  {                                                                                                        \
    .name = #field, .view = &x->field, .role = how, .dtypes = types, .rows = n_rows, .columns = n_columns, \
    __VA_ARGS__                                                                                            \
  }
  const clloss__use uses[] = {
      USE(logits, CLLOSS__READS, real, n, x->classes, .same = NULL),
      USE(targets, CLLOSS__READS, index, n, 1, .same = NULL),
      USE(loss, none ? CLLOSS__REFUSED : result, real, 1, 1, .same = NULL),
      USE(row_loss, result, real, n, 1, .same = NULL),
      USE(row_stats, back ? CLLOSS__READS : CLLOSS__MAY_WRITE, real, n, 2, .same = NULL),
      USE(grad, gradient, real, n, x->classes, .same = &x->logits),
      USE(grad_loss, upstream, real, none ? n : 1, 1, .may_broadcast = true),
      USE(workspace, CLLOSS__MAY_WRITE, CLLOSS__DTYPE(CLLOSS_U8), 1, r->workspace_bytes,
          .align_bytes = sizeof(cl_ulong), .if_too_small = CLLOSS_WORKSPACE),
  };
#undef USE
  const clloss_status status = clloss__check_uses(ctx, "xent", uses, sizeof uses / sizeof *uses);
  if (status != CLLOSS_SUCCESS) return status;
  if (r->op == FORWARD && !x->loss.mem && !x->row_loss.mem && !x->row_stats.mem) {
    return clloss__fail(ctx, CLLOSS_MISSING_VIEW, "xent: none of loss, row_loss and row_stats is bound");
  }
  return CLLOSS_SUCCESS;
}

/* ---- plan ---- */

static size_t region(size_t *end, size_t bytes) {
  const size_t at = *end;
  *end = at + (bytes + REGION_BYTES - 1) / REGION_BYTES * REGION_BYTES;
  return at;
}

/* Chooses the kernels and lays the workspace out, the same for every operation on the shape. */
static void plan(clloss_ctx *ctx, request *r) {
  const size_t rows = r->x.rows;
  if (rows) {
    r->plan = clloss__plan_rows(ctx, rows, r->x.classes, sizeof(float));
  } else {
    r->plan = (clloss__plan){
        .team = clloss__plan_team(ctx), .local_size = 1, .rows_per_group = 1, .slices = 1};
  }
  const bool split = r->plan.family == CLLOSS_FAMILY_SPLIT;
  const size_t wanted = rows / ROWS_PER_COUNT + (rows % ROWS_PER_COUNT != 0);
  size_t end = 0;
  r->args.n_counts = split && r->op != BACKWARD ? 1 : wanted < COUNTS_MOST ? wanted : COUNTS_MOST;
  r->args.counts = region(&end, COUNTS_MOST * sizeof(cl_ulong));
  r->args.n_sums = split ? 0 : r->plan.blocks;
  r->args.sums = region(&end, r->args.n_sums * sizeof(float));
  r->args.partials = region(&end, split ? rows * r->plan.slices * 2 * sizeof(float) : 0);
  r->stats_at = region(&end, split ? rows * 2 * sizeof(float) : 0);
  r->workspace_bytes = end;
}

/* Reads the caller's structs, checks what doesn't need the views, and plans. */
static clloss_status begin(clloss_ctx *ctx, const clloss_xent *xent, const clloss_xent_options *options,
                           request *r) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!xent) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "xent: NULL");
  status = clloss__read_struct(ctx, "xent", &r->x, sizeof r->x, xent);
  if (status == CLLOSS_SUCCESS && options) {
    status = clloss__read_struct(ctx, "options", &r->o, sizeof r->o, options);
  }
  if (status == CLLOSS_SUCCESS) status = check_sizes(ctx, &r->x);
  if (status == CLLOSS_SUCCESS) status = check_options(ctx, &r->o);
  if (status == CLLOSS_SUCCESS) plan(ctx, r);
  return status;
}

/* ---- launches ---- */

typedef struct {
  const char *count, *forward, *backward, *fused, *partial, *merge, *finish;
} names;

#define NAMES(team, rows)                                                                    \
  {                                                                                          \
    "xent_count__" team, "xent_forward__" rows, "xent_backward__" rows, "xent_fused__" rows, \
        "xent_partial__" team, "xent_merge__" team, "xent_finish__" team                     \
  }

static const names lane_names = NAMES("lane", "lane");
static const names lane_rows_names = NAMES("lane", "lane_rows");
static const names group_names = NAMES("group", "group");

static const names *names_of(const clloss__plan *p) {
  return p->team->name[0] == 'g' ? &group_names : p->rows_in_lanes ? &lane_rows_names : &lane_names;
}

static xent_at at_of(const clloss_view *view, size_t columns) {
  return (xent_at){view->offset, clloss__row_stride(view, columns)};
}

static void fill_args(request *r) {
  const clloss_xent *x = &r->x;
  xent_args *a = &r->args;
  const bool in_place = clloss__same_view(&x->grad, &x->logits, x->classes);
  const bool large = x->rows * x->classes >= PAST_CACHE_BYTES / sizeof(float);
  a->rows = x->rows;
  a->classes = x->classes;
  a->rows_per_group = r->plan.rows_per_group;
  a->slices = r->plan.slices;
  a->ignore_index = r->o.ignore_index;
  a->logits = at_of(&x->logits, x->classes);
  a->targets = at_of(&x->targets, 1);
  a->loss = at_of(&x->loss, 1);
  a->row_loss = at_of(&x->row_loss, 1);
  a->row_stats = at_of(&x->row_stats, 2);
  a->grad = at_of(&x->grad, x->classes);
  a->grad_loss = at_of(&x->grad_loss, 1);
  if (r->o.reduction != CLLOSS_NONE) a->grad_loss.stride = 0;
  a->flags = (x->targets.dtype == CLLOSS_I64 ? XENT_TARGETS_I64 : 0) |
             (r->o.flags & CLLOSS_IGNORE_INDEX ? XENT_IGNORE : 0) |
             (r->o.reduction == CLLOSS_MEAN ? XENT_MEAN : 0) | (in_place ? XENT_IN_PLACE : 0) |
             (large && !in_place ? XENT_PAST_CACHE : 0) | (x->row_loss.mem ? XENT_ROW_LOSS : 0) |
             (x->row_stats.mem ? XENT_ROW_STATS : 0) | (x->grad_loss.mem ? XENT_GRAD_LOSS : 0) |
             (x->loss.mem ? XENT_LOSS : 0);
}

static void add(clloss__call *call, const char *kernel, size_t groups, size_t local_size) {
  call->launches[call->n_launches++] = (clloss__launch){kernel, groups, local_size};
}

static void list_launches(const request *r, clloss__call *call) {
  const names *k = names_of(&r->plan);
  const size_t local = r->plan.local_size, tiles = r->plan.blocks * r->plan.slices;
  const bool split = r->plan.family == CLLOSS_FAMILY_SPLIT, mean = r->o.reduction == CLLOSS_MEAN;
  const bool joined = split && r->op != BACKWARD; /* xent_merge counts and finishes too */
  const bool loss = r->x.loss.mem != NULL;
  if (r->x.rows && mean && !joined && (loss || r->op != FORWARD))
    add(call, k->count, r->args.n_counts, local);
  if (r->x.rows && joined) {
    add(call, k->partial, tiles, local);
    add(call, k->merge, 1, local);
  }
  if (r->x.rows && r->op == FORWARD && !split) add(call, k->forward, tiles, local);
  if (r->x.rows && r->op == FUSED && !split) add(call, k->fused, tiles, local);
  if (r->x.rows && (r->op == BACKWARD || (r->op == FUSED && split))) add(call, k->backward, tiles, local);
  if (loss && !(r->x.rows && joined)) add(call, k->finish, 1, local);
}

static clloss_status submit(clloss_ctx *ctx, request *r, clloss__call *call) {
  const clloss_xent *x = &r->x;
  cl_mem work = x->workspace.mem, row_stats = x->row_stats.mem;
  size_t work_at = x->workspace.offset;
  if (!work) {
    const clloss_status status = clloss__pool_take(ctx, r->workspace_bytes, call->queue, &call->block,
                                                   &call->block_busy);
    if (status != CLLOSS_SUCCESS) return status;
    work = call->block->mem;
    work_at = 0;
  }
  xent_args a = r->args;
  a.counts += work_at;
  a.sums += work_at;
  a.partials += work_at;
  if (r->plan.family == CLLOSS_FAMILY_SPLIT && !row_stats) {
    row_stats = work;
    a.row_stats = (xent_at){(r->stats_at + work_at) / sizeof(float), 2};
    a.flags |= XENT_ROW_STATS;
  }
  const cl_mem mems[] = {x->logits.mem, x->targets.mem, x->loss.mem,      x->row_loss.mem,
                         row_stats,     x->grad.mem,    x->grad_loss.mem, work};
  enum { MEMS = sizeof mems / sizeof *mems };
  clloss__arg args[MEMS + 1];
  for (size_t i = 0; i < MEMS; ++i) args[i] = (clloss__arg){&mems[i], sizeof(cl_mem)};
  args[MEMS] = (clloss__arg){&a, sizeof a};
  call->args = args;
  call->n_args = MEMS + 1;
  return clloss__launch_all(ctx, call);
}

static clloss_status run(operation op, clloss_ctx *ctx, const clloss_xent *xent,
                         const clloss_xent_options *options, cl_command_queue queue, cl_uint n_wait,
                         const cl_event *wait, cl_event *done) {
  request r = {.op = op};
  clloss_status status = begin(ctx, xent, options, &r);
  if (status == CLLOSS_SUCCESS) status = clloss__launch_check_queue(ctx, queue, n_wait, wait);
  if (status == CLLOSS_SUCCESS) status = check_views(ctx, &r);
  if (status != CLLOSS_SUCCESS) return status;
  fill_args(&r);
  clloss__call call = {.source = "xent.cl",
                       .build_options = r.plan.team->build_options,
                       .queue = queue,
                       .n_wait = n_wait,
                       .wait = wait,
                       .done = done};
  list_launches(&r, &call);
  return submit(ctx, &r, &call);
}

clloss_status clloss_xent_forward(clloss_ctx *ctx, const clloss_xent *xent,
                                  const clloss_xent_options *options, cl_command_queue queue, cl_uint n_wait,
                                  const cl_event *wait, cl_event *done) {
  return run(FORWARD, ctx, xent, options, queue, n_wait, wait, done);
}

clloss_status clloss_xent_backward(clloss_ctx *ctx, const clloss_xent *xent,
                                   const clloss_xent_options *options, cl_command_queue queue, cl_uint n_wait,
                                   const cl_event *wait, cl_event *done) {
  return run(BACKWARD, ctx, xent, options, queue, n_wait, wait, done);
}

clloss_status clloss_xent_fused(clloss_ctx *ctx, const clloss_xent *xent, const clloss_xent_options *options,
                                cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                cl_event *done) {
  return run(FUSED, ctx, xent, options, queue, n_wait, wait, done);
}

clloss_status clloss_xent_workspace(clloss_ctx *ctx, const clloss_xent *xent,
                                    const clloss_xent_options *options, size_t *bytes) {
  request r = {.op = FUSED};
  const clloss_status status = begin(ctx, xent, options, &r);
  if (status != CLLOSS_SUCCESS) return status;
  if (!bytes) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "bytes: NULL");
  *bytes = r.workspace_bytes;
  return CLLOSS_SUCCESS;
}

clloss_status clloss_xent_plan(clloss_ctx *ctx, const clloss_xent *xent, clloss_plan *out) {
  request r = {.op = FUSED};
  clloss_status status = begin(ctx, xent, NULL, &r);
  if (status != CLLOSS_SUCCESS) return status;
  if (!out) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "plan: NULL");
  if (!r.x.rows) return clloss__fail(ctx, CLLOSS_SIZE, "xent.rows is 0: nothing to plan");
  return clloss__plan_describe(ctx, &r.plan, out);
}
