/* Softmax and log-softmax: checks → plan → one launch. What the kernels compute stands in kernels/softmax/softmax.cl. */
#include <clloss/clloss.h>

#include "../../kernels/softmax/softmax_args.clh"
#include "runtime/ctx.h"
#include "runtime/launch.h"
#include "losses.h"
#include "runtime/plan.h"
#include "runtime/view.h"

typedef struct {
  bool back;
  clloss__presence presence;
  clloss_softmax x;         /* inner at least 1 */
  clloss_softmax_options o; /* defaults filled in */
  const clloss_view *read;  /* what gives the kernels' CLLOSS_X */
  const clloss_view *write; /* and their CLLOSS_G */
  uint32_t read_dtype, write_dtype;
} request;

/* ---- checks ---- */

static clloss_status check_options(clloss_ctx *ctx, const clloss_softmax_options *o, uint32_t dtype) {
  if (o->flags & ~(uint32_t)CLLOSS_LOG_SOFTMAX) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.flags is %#x: unknown flag", o->flags);
  }
  if (o->reserved) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.reserved is %u: it must be 0", o->reserved);
  }
  return clloss__check_number(ctx, "scale", o->scale, dtype);
}

/* The caller's structs, but for what needs buffers: sizes, types, options. */
static clloss_status read_request(clloss_ctx *ctx, const clloss_softmax *softmax,
                                  const clloss_softmax_options *options, request *r) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!softmax) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "softmax: NULL");
  status = clloss__read_struct(&ctx->message, "softmax", &r->x, sizeof r->x, softmax);
  if (status == CLLOSS_SUCCESS && options)
    status = clloss__read_struct(&ctx->message, "options", &r->o, sizeof r->o, options);
  if (status != CLLOSS_SUCCESS) return status;
  clloss__settle_views(ctx, r->presence, &r->x, offsetof(clloss_softmax, input),
                       offsetof(clloss_softmax, grad_input));
  if (r->x.inner == 0) r->x.inner = 1;
  status = clloss__check_sizes(ctx, "softmax", r->x.rows, r->x.classes, r->x.inner);
  r->read = r->back ? &r->x.output : &r->x.input;
  r->write = r->back ? &r->x.grad_input : &r->x.output;
  if (status == CLLOSS_SUCCESS && clloss__is_there(r->presence, r->read)) {
    status = clloss__check_real_dtype(ctx, r->back ? "softmax.output.dtype" : "softmax.input.dtype",
                                      r->read->dtype);
  }
  if (status == CLLOSS_SUCCESS) status = check_options(ctx, &r->o, r->read->dtype);
  if (r->o.scale == 0) r->o.scale = 1;
  /* without rows nothing need be bound */
  r->read_dtype = clloss__is_there(r->presence, r->read) ? r->read->dtype : CLLOSS_F32;
  r->write_dtype = clloss__is_there(r->presence, r->write) ? r->write->dtype : r->read_dtype;
  return status;
}

/* Types that may be written where this one is read: the type itself and f32, and from f32, of which nobody can tell
 * what it was made from, backward to any that is computed in f32. */
static uint32_t written_types(const request *r) {
  const uint32_t f32 = CLLOSS__DTYPE(CLLOSS_F32);
  if (r->read_dtype == CLLOSS_F64) return CLLOSS__DTYPE(CLLOSS_F64);
  if (r->back && r->read_dtype == CLLOSS_F32)
    return f32 | CLLOSS__DTYPE(CLLOSS_F16) | CLLOSS__DTYPE(CLLOSS_BF16);
  return f32 | CLLOSS__DTYPE(r->read_dtype);
}

static clloss_status check_views(clloss_ctx *ctx, const request *r) {
  const clloss_softmax *x = &r->x;
  const bool back = r->back;
  const uint32_t read = CLLOSS__DTYPE(r->read_dtype), written = written_types(r);
#define USE(field, how, types, ...)                                                              \
  {                                                                                              \
    .name = #field, .view = &x->field, .role = how, .dtypes = types, .rows = x->rows / x->inner, \
    .columns = x->classes, .inner = x->inner, .may_stride = true, __VA_ARGS__                    \
  }
  const clloss__use uses[] = {
      USE(input, back ? CLLOSS__REFUSED : CLLOSS__READS, read, .same = NULL),
      USE(output, back ? CLLOSS__READS : CLLOSS__WRITES, back ? read : written,
          .same = back ? NULL : &x->input),
      USE(grad_output, back ? CLLOSS__READS : CLLOSS__REFUSED, read, .same = NULL),
      USE(grad_input, back ? CLLOSS__WRITES : CLLOSS__REFUSED, written, .same = &x->grad_output),
  };
#undef USE
  return clloss__check_uses(ctx, "softmax", r->presence, uses, sizeof uses / sizeof *uses);
}

/* ---- plan ---- */

/* A split's plan is one row per work-group: the family without the split. */
static clloss__plan plan(const clloss_ctx *ctx, const request *r) {
  const clloss_softmax *x = &r->x;
  const bool strided = clloss__is_strided(r->read, x->classes, x->inner) ||
                       clloss__is_strided(r->write, x->classes, x->inner) ||
                       (r->back && clloss__is_strided(&x->grad_output, x->classes, x->inner));
  clloss__plan p = clloss__plan_rows(&ctx->planner, x->rows, x->classes, clloss__dtype_bytes(r->read_dtype),
                                     strided, x->inner, false);
  p.slices = 1;
  return p;
}

static const char *kernel_name(const clloss__plan *p, bool back) {
  static const char *const names[2][2][2] = {
      {{"softmax_forward__lane", "softmax_forward__lane_rows"},
       {"softmax_forward__group", "softmax_forward__group_rows"}},
      {{"softmax_backward__lane", "softmax_backward__lane_rows"},
       {"softmax_backward__group", "softmax_backward__group_rows"}},
  };
  return names[back][p->team->name[0] == 'g'][p->rows_in_lanes];
}

/* ---- launch ---- */

static softmax_args args_of(const request *r, const clloss__plan *p) {
  const clloss_softmax *x = &r->x;
  const bool in_place = clloss__same_view(r->write, r->back ? &x->grad_output : r->read, x->classes,
                                          x->inner);
  return (softmax_args){
      .rows = {x->rows, x->classes, x->inner, p->rows_per_group},
      .x = clloss__rows_at(r->read, x->classes, x->inner),
      .d = clloss__rows_at(&x->grad_output, x->classes, x->inner),
      .out = clloss__rows_at(r->write, x->classes, x->inner),
      .flags = (r->o.flags & CLLOSS_LOG_SOFTMAX ? SOFTMAX_LOG : 0) |
               (r->o.scale != 1 ? SOFTMAX_TRANSFORMS : 0) |
               (clloss__plan_past_cache(p, x->rows, x->classes, r->write_dtype) && !in_place
                    ? SOFTMAX_PAST_CACHE
                    : 0),
  };
}

/* A call that is only compiled for has no rows, and touches nothing. */
static clloss_status make_call(clloss_ctx *ctx, const request *r, clloss__call *call) {
  call->source = "softmax.cl";
  call->types = (clloss__types){r->read_dtype, r->write_dtype, 0};
  if (r->x.rows == 0) return clloss__launch_all(ctx, call);
  const clloss__plan p = plan(ctx, r);
  softmax_args a = args_of(r, &p);
  if (r->presence == CLLOSS__TYPED) a.rows.rows = 0;
  const cl_double exact = r->o.scale;
  cl_float single;
  const cl_mem mems[] = {r->read->mem, r->x.grad_output.mem, r->write->mem};
  const clloss__arg args[] = {
      {&a, sizeof a},
      clloss__launch_scalars(&exact, sizeof exact, r->read_dtype, &single),
  };
  call->mems = mems;
  call->n_mems = sizeof mems / sizeof *mems;
  call->args = args;
  call->n_args = sizeof args / sizeof *args;
  call->launches[call->n_launches++] = (clloss__launch){kernel_name(&p, r->back), p.blocks, p.local_size};
  return clloss__launch_all(ctx, call);
}

static clloss_status run(bool back, clloss_ctx *ctx, const clloss_softmax *softmax,
                         const clloss_softmax_options *options, cl_command_queue queue, cl_uint n_wait,
                         const cl_event *wait, cl_event *done) {
  request r = {.back = back};
  clloss_status status = read_request(ctx, softmax, options, &r);
  if (status == CLLOSS_SUCCESS) status = clloss__launch_check_queue(ctx, queue, n_wait, wait);
  if (status == CLLOSS_SUCCESS) status = check_views(ctx, &r);
  clloss__call call = {.queue = queue, .n_wait = n_wait, .wait = wait, .done = done};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

clloss_status clloss__softmax_prebuild(clloss_ctx *ctx, int pass, const void *softmax, const void *options,
                                       cl_command_queue queue) {
  request r = {.back = pass == CLLOSS__BACKWARD, .presence = CLLOSS__TYPED};
  clloss_status status = read_request(ctx, softmax, options, &r);
  if (status == CLLOSS_SUCCESS) status = check_views(ctx, &r);
  clloss__forget_buffers(&r.x, offsetof(clloss_softmax, input), offsetof(clloss_softmax, grad_input));
  clloss__call call = {.queue = queue};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

clloss_status clloss_softmax_forward(clloss_ctx *ctx, const clloss_softmax *softmax,
                                     const clloss_softmax_options *options, cl_command_queue queue,
                                     cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(false, ctx, softmax, options, queue, n_wait, wait, done);
}

clloss_status clloss_softmax_backward(clloss_ctx *ctx, const clloss_softmax *softmax,
                                      const clloss_softmax_options *options, cl_command_queue queue,
                                      cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return run(true, ctx, softmax, options, queue, n_wait, wait, done);
}
