/* Distillation: checks → plan → launches. What the kernels compute stands in kernels/distill/distill.cl. */
#include <clloss/clloss.h>

#include "../../kernels/distill/distill_args.clh"
#include "runtime/ctx.h"
#include "runtime/launch.h"
#include "losses.h"
#include "runtime/plan.h"
#include "runtime/view.h"

enum { WEIGHTS_MOST = 64, ROWS_PER_WEIGHT = 4096 };

/* Within these neither 1 / temperature nor temperature² leaves f32. */
#define TEMPERATURE_LEAST 0x1p-60
#define TEMPERATURE_MOST  0x1p60

typedef DISTILL_SCALARS(cl_float) scalars_f32;
typedef DISTILL_SCALARS(cl_double) scalars_f64;

typedef enum { FORWARD = CLLOSS__FORWARD, BACKWARD = CLLOSS__BACKWARD, FUSED = CLLOSS__FUSED } operation;

typedef struct {
  operation op;
  clloss__presence presence;
  bool untyped;             /* nobody has said yet what the student will be: f32 for now */
  clloss_distill x;         /* inner at least 1 */
  clloss_distill_options o; /* defaults filled in */
  bool in_place, weighs;    /* the divisor is the sum of row_weight */
  clloss__plan plan;
  distill_args args;
  size_t workspace_bytes;
} request;

static bool has(const request *r, const clloss_view *view) { return clloss__is_there(r->presence, view); }

/* ---- checks ---- */

static clloss_status check_options(clloss_ctx *ctx, const request *r) {
  const clloss_distill_options *o = &r->o;
  const bool divisor = has(r, &r->x.divisor);
  if (o->reduction > CLLOSS_NONE) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.reduction is %u: not a reduction", o->reduction);
  }
  if (o->flags & ~(uint32_t)CLLOSS_TEMPERATURE_SQUARED) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.flags is %#x: unknown flag", o->flags);
  }
  if (o->temperature != 0 && !(o->temperature >= TEMPERATURE_LEAST && o->temperature <= TEMPERATURE_MOST)) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.temperature is %g: it has to be from 2^-60 to 2^60",
                        o->temperature);
  }
  const clloss_status status = clloss__check_number(ctx, "divisor", o->divisor, r->x.student.dtype);
  if (status != CLLOSS_SUCCESS) return status;
  if (o->divisor < 0) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.divisor is %g: it has to be not negative", o->divisor);
  }
  if ((o->divisor != 0 || divisor) && o->reduction != CLLOSS_MEAN) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options: a divisor is given, but only the mean has one");
  }
  if (o->divisor != 0 && divisor) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options: divisor is given twice, here and as distill.divisor");
  }
  return CLLOSS_SUCCESS;
}

/* The caller's structs, but for what needs buffers: sizes, types, options. */
static clloss_status read_request(clloss_ctx *ctx, const clloss_distill *distill,
                                  const clloss_distill_options *options, request *r) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!distill) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "distill: NULL");
  status = clloss__read_struct(&ctx->message, "distill", &r->x, sizeof r->x, distill);
  if (status == CLLOSS_SUCCESS && options)
    status = clloss__read_struct(&ctx->message, "options", &r->o, sizeof r->o, options);
  if (status != CLLOSS_SUCCESS) return status;
  clloss_distill *x = &r->x;
  clloss__settle_views(ctx, r->presence, x, offsetof(clloss_distill, student),
                       offsetof(clloss_distill, workspace));
  r->untyped = !x->student.mem && x->student.dtype == 0;
  if (r->untyped) x->student.dtype = CLLOSS_F32;
  if (x->inner == 0) x->inner = 1;
  status = clloss__check_sizes(ctx, "distill", x->rows, x->classes, x->inner);
  if (status == CLLOSS_SUCCESS)
    status = clloss__check_real_dtype(ctx, "distill.student.dtype", x->student.dtype);
  if (status == CLLOSS_SUCCESS) status = check_options(ctx, r);
  if (r->o.temperature == 0) r->o.temperature = 1;
  r->in_place = clloss__same_view(&x->grad, &x->student, x->classes, x->inner);
  r->weighs = r->o.reduction == CLLOSS_MEAN && has(r, &x->row_weight) && !has(r, &x->divisor) &&
              r->o.divisor == 0;
  return status;
}

static clloss_status check_views(clloss_ctx *ctx, const request *r) {
  const clloss_distill *x = &r->x;
  const size_t n = x->rows, outer = n / x->inner;
  const uint32_t type = CLLOSS__DTYPE(x->student.dtype);
  const uint32_t real = CLLOSS__DTYPE(x->student.dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32);
  const bool none = r->o.reduction == CLLOSS_NONE;
  const clloss__role result = r->op == BACKWARD ? CLLOSS__REFUSED : CLLOSS__MAY_WRITE;
  const clloss__role stats = r->op == BACKWARD ? CLLOSS__READS : CLLOSS__MAY_WRITE;
  const clloss__role gradient = r->op == FORWARD ? CLLOSS__REFUSED : CLLOSS__WRITES;
  const clloss__role upstream = r->op == FORWARD ? CLLOSS__REFUSED : CLLOSS__MAY_READ;
#define USE(field, how, types, n_rows, n_columns, ...)                                                     \
  {                                                                                                        \
    .name = #field, .view = &x->field, .role = how, .dtypes = types, .rows = n_rows, .columns = n_columns, \
    __VA_ARGS__                                                                                            \
  }
  const clloss__use uses[] = {
      USE(student, CLLOSS__READS, type, outer, x->classes, .inner = x->inner, .may_stride = true),
      USE(teacher, CLLOSS__READS, type | real, outer, x->classes, .inner = x->inner, .may_stride = true),
      USE(row_weight, CLLOSS__MAY_READ, real, n, 1, .broadcasts = CLLOSS_BROADCAST),
      USE(loss, none ? CLLOSS__REFUSED : result, real, 1, 1, .inner = 1),
      USE(row_loss, result, real, n, 1, .inner = 1),
      USE(row_stats, stats, real, n, 4, .inner = 1),
      USE(grad, gradient, type | real, outer, x->classes, .inner = x->inner, .may_stride = true,
          .same = &x->student),
      USE(grad_loss, upstream, real, none ? n : 1, 1, .broadcasts = CLLOSS_BROADCAST),
      USE(divisor, CLLOSS__MAY_READ, real, 1, 1, .inner = 1),
      USE(workspace, CLLOSS__MAY_WRITE, CLLOSS__DTYPE(CLLOSS_U8), 1, r->workspace_bytes, .also_read = true,
          .align_bytes = sizeof(cl_ulong), .if_too_small = CLLOSS_WORKSPACE),
  };
#undef USE
  const clloss_status status = clloss__check_uses(ctx, "distill", r->presence, uses,
                                                  sizeof uses / sizeof *uses);
  if (status != CLLOSS_SUCCESS) return status;
  if (r->op == FORWARD && !has(r, &x->loss) && !has(r, &x->row_loss) && !has(r, &x->row_stats)) {
    return clloss__fail(ctx, CLLOSS_MISSING_VIEW, "distill: no output is bound, loss or row_loss, say");
  }
  return CLLOSS_SUCCESS;
}

/* ---- plan ---- */

static size_t real_bytes(const request *r) { return r->x.student.dtype == CLLOSS_F64 ? 8 : 4; }

static bool is_strided(const request *r) {
  const clloss_distill *x = &r->x;
  return clloss__is_strided(&x->student, x->classes, x->inner) ||
         clloss__is_strided(&x->teacher, x->classes, x->inner) ||
         clloss__is_strided(&x->grad, x->classes, x->inner);
}

/* Chooses the kernels, where a split's plan is one row per work-group, the family without the split; and lays the
 * workspace out, alike for all three operations. */
static void plan(const clloss_ctx *ctx, request *r, bool strided) {
  const clloss_distill *x = &r->x;
  distill_args *a = &r->args;
  r->plan = (clloss__plan){.team = clloss__plan_team(&ctx->planner), .local_size = 1, .rows_per_group = 1};
  if (x->rows) {
    r->plan = clloss__plan_rows(&ctx->planner, x->rows, x->classes, clloss__dtype_bytes(x->student.dtype),
                                strided, x->inner, false);
  }
  const size_t wanted = x->rows / ROWS_PER_WEIGHT + (x->rows % ROWS_PER_WEIGHT != 0);
  size_t end = 0;
  a->n_weights = wanted < WEIGHTS_MOST ? wanted : WEIGHTS_MOST;
  a->rows_per_weight = a->n_weights ? x->rows / a->n_weights + (x->rows % a->n_weights != 0) : 1;
  a->weights = clloss__pool_region(&end, WEIGHTS_MOST * real_bytes(r));
  a->n_sums = r->plan.blocks;
  a->sums = clloss__pool_region(&end, a->n_sums * real_bytes(r));
  r->workspace_bytes = end;
}

/* ---- arguments ---- */

static cl_ulong flags_of(const request *r) {
  const clloss_distill *x = &r->x;
  const bool large = clloss__plan_past_cache(&r->plan, x->rows, x->classes, x->grad.dtype);
  const struct {
    bool on;
    cl_ulong flag;
  } all[] = {
      {large && !r->in_place, DISTILL_PAST_CACHE},
      {r->weighs, DISTILL_WEIGHED},
      {has(r, &x->loss), DISTILL_LOSS},
      {has(r, &x->divisor), DISTILL_DIVISOR},
      {has(r, &x->row_weight), DISTILL_ROW_WEIGHT},
      {has(r, &x->row_loss), DISTILL_ROW_LOSS},
      {has(r, &x->row_stats), DISTILL_ROW_STATS},
      {has(r, &x->grad_loss), DISTILL_GRAD_LOSS},
  };
  cl_ulong flags = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) flags |= all[i].on ? all[i].flag : 0;
  return flags;
}

static void fill_args(request *r, size_t work_at) {
  const clloss_distill *x = &r->x;
  distill_args *a = &r->args;
  a->rows = (rows_args){x->rows, x->classes, x->inner, r->plan.rows_per_group};
  a->student = clloss__rows_at(&x->student, x->classes, x->inner);
  a->teacher = clloss__rows_at(&x->teacher, x->classes, x->inner);
  a->grad = clloss__rows_at(&x->grad, x->classes, x->inner);
  a->row_weight = clloss__rows_at(&x->row_weight, 1, 1);
  a->row_loss = clloss__rows_at(&x->row_loss, 1, 1);
  a->row_stats = clloss__rows_at(&x->row_stats, 4, 1);
  a->grad_loss = clloss__rows_at(&x->grad_loss, 1, 1);
  if (r->o.reduction != CLLOSS_NONE) a->grad_loss.row_stride = 0;
  a->loss = x->loss.offset;
  a->divisor = x->divisor.offset;
  a->flags = flags_of(r);
  a->weights += work_at;
  a->sums += work_at;
  if (r->presence == CLLOSS__TYPED) a->rows.rows = a->flags = 0;
}

/* Without weights the mean's divisor is the number of rows. */
static scalars_f64 scalars_of(const request *r) {
  const double t = r->o.temperature, factor = r->o.flags & CLLOSS_TEMPERATURE_SQUARED ? t * t : 1;
  const double own = r->o.divisor != 0 ? r->o.divisor : (double)r->x.rows;
  return (scalars_f64){.scale = 1 / t,
                       .loss_factor = factor,
                       .grad_factor = factor / t,
                       .divisor = r->o.reduction == CLLOSS_MEAN ? own : 1};
}

/* ---- launches ---- */

typedef struct {
  const char *weigh, *finish, *of_rows[3]; /* by operation */
} names;

#define NAMES(team, rows)                                                         \
  {                                                                               \
    "distill_weigh__" team, "distill_finish__" team, {                            \
      "distill_forward__" rows, "distill_backward__" rows, "distill_fused__" rows \
    }                                                                             \
  }

static const names *names_of(const clloss__plan *p) {
  static const names all[2][2] = {{NAMES("lane", "lane"), NAMES("lane", "lane_rows")},
                                  {NAMES("group", "group"), NAMES("group", "group_rows")}};
  return &all[p->team->name[0] == 'g'][p->rows_in_lanes];
}

static void list_launches(const request *r, clloss__call *call) {
  const names *k = names_of(&r->plan);
  const size_t local = r->plan.local_size;
  const bool divides = has(r, &r->x.loss) || r->op != FORWARD;
  if (r->x.rows && r->weighs && divides)
    call->launches[call->n_launches++] = (clloss__launch){k->weigh, r->args.n_weights, local};
  if (r->x.rows)
    call->launches[call->n_launches++] = (clloss__launch){k->of_rows[r->op], r->plan.blocks, local};
  if (has(r, &r->x.loss)) call->launches[call->n_launches++] = (clloss__launch){k->finish, 1, 1};
}

static clloss_status submit(clloss_ctx *ctx, request *r, cl_mem work, size_t work_at, clloss__call *call) {
  const clloss_distill *x = &r->x;
  fill_args(r, work_at);
  const cl_mem mems[] = {x->student.mem, x->teacher.mem, x->grad.mem,     x->row_weight.mem, x->grad_loss.mem,
                         x->divisor.mem, x->loss.mem,    x->row_loss.mem, x->row_stats.mem,  work};
  const scalars_f64 exact = scalars_of(r);
  scalars_f32 single;
  const clloss__arg args[] = {
      {&r->args, sizeof r->args},
      clloss__launch_scalars(&exact, sizeof exact, x->student.dtype, &single),
  };
  /* a teacher of the student's type is the program's default */
  const uint32_t teacher = has(r, &x->teacher) && x->teacher.dtype != x->student.dtype ? x->teacher.dtype : 0;
  call->source = "distill.cl";
  call->types = (clloss__types){x->student.dtype, x->grad.dtype ? x->grad.dtype : x->student.dtype, teacher};
  call->mems = mems;
  call->n_mems = sizeof mems / sizeof *mems;
  call->args = args;
  call->n_args = sizeof args / sizeof *args;
  return clloss__launch_all(ctx, call);
}

static clloss_status begin(clloss_ctx *ctx, const clloss_distill *distill,
                           const clloss_distill_options *options, request *r) {
  const clloss_status status = read_request(ctx, distill, options, r);
  if (status == CLLOSS_SUCCESS) plan(ctx, r, is_strided(r));
  return status;
}

/* A call that is only compiled for has no rows and nothing bound: what it enqueues touches its workspace alone. */
static clloss_status make_call(clloss_ctx *ctx, request *r, clloss__call *call) {
  list_launches(r, call);
  cl_mem work;
  size_t work_at;
  const clloss_status status = clloss__launch_workspace(ctx, call, &r->x.workspace, r->workspace_bytes, &work,
                                                        &work_at);
  return status == CLLOSS_SUCCESS ? submit(ctx, r, work, work_at, call) : status;
}

static clloss_status run(operation op, clloss_ctx *ctx, const clloss_distill *distill,
                         const clloss_distill_options *options, cl_command_queue queue, cl_uint n_wait,
                         const cl_event *wait, cl_event *done) {
  request r = {.op = op};
  clloss_status status = begin(ctx, distill, options, &r);
  if (status == CLLOSS_SUCCESS) status = clloss__launch_check_queue(ctx, queue, n_wait, wait);
  if (status == CLLOSS_SUCCESS) status = check_views(ctx, &r);
  clloss__call call = {.queue = queue, .n_wait = n_wait, .wait = wait, .done = done};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

clloss_status clloss__distill_prebuild(clloss_ctx *ctx, int pass, const void *distill, const void *options,
                                       cl_command_queue queue) {
  request r = {.op = (operation)pass, .presence = CLLOSS__TYPED};
  clloss_status status = begin(ctx, distill, options, &r);
  if (status == CLLOSS_SUCCESS && r.untyped)
    status = clloss__fail(ctx, CLLOSS_MISSING_VIEW, "distill.student has no element type");
  if (status == CLLOSS_SUCCESS) status = check_views(ctx, &r);
  clloss__forget_buffers(&r.x, offsetof(clloss_distill, student), offsetof(clloss_distill, workspace));
  clloss__call call = {.queue = queue};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

/* ---- public ---- */

clloss_status clloss_distill_forward(clloss_ctx *ctx, const clloss_distill *distill,
                                     const clloss_distill_options *options, cl_command_queue queue,
                                     cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(FORWARD, ctx, distill, options, queue, n_wait, wait, done);
}

clloss_status clloss_distill_backward(clloss_ctx *ctx, const clloss_distill *distill,
                                      const clloss_distill_options *options, cl_command_queue queue,
                                      cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(BACKWARD, ctx, distill, options, queue, n_wait, wait, done);
}

clloss_status clloss_distill_fused(clloss_ctx *ctx, const clloss_distill *distill,
                                   const clloss_distill_options *options, cl_command_queue queue,
                                   cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(FUSED, ctx, distill, options, queue, n_wait, wait, done);
}

clloss_status clloss_distill_workspace(clloss_ctx *ctx, const clloss_distill *distill,
                                       const clloss_distill_options *options, size_t *bytes) {
  request r = {.op = FUSED, .presence = CLLOSS__TYPED};
  const clloss_status status = read_request(ctx, distill, options, &r);
  if (status != CLLOSS_SUCCESS) return status;
  if (!bytes) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "bytes: NULL");
  plan(ctx, &r, is_strided(&r));
  *bytes = r.workspace_bytes;
  for (int i = 0; i < CLLOSS__GUESSES && !r.x.student.mem; ++i) { /* whatever the views will be */
    const clloss__guess guess = clloss__guess_of(&ctx->planner.facts, i);
    if (r.untyped) r.x.student.dtype = guess.dtype;
    plan(ctx, &r, guess.strided);
    if (r.workspace_bytes > *bytes) *bytes = r.workspace_bytes;
  }
  return CLLOSS_SUCCESS;
}
