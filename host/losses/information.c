/* Surprisal and entropy: checks → plan → one launch. What the kernels compute stands in kernels/information/information.cl. */
#include <clloss/clloss.h>

#include "../../kernels/information/information_args.clh"
#include "runtime/ctx.h"
#include "runtime/launch.h"
#include "losses.h"
#include "runtime/plan.h"
#include "runtime/view.h"

typedef struct {
  clloss__presence presence;
  clloss_information x; /* inner at least 1 */
  uint32_t flags;       /* CLLOSS_FROM_… */
} request;

/* ---- checks ---- */

static clloss_status read_options(clloss_ctx *ctx, const clloss_information_options *options, request *r) {
  clloss_information_options o = {0};
  const clloss_status status = options ? clloss__read_struct(&ctx->message, "options", &o, sizeof o, options)
                                       : CLLOSS_SUCCESS;
  if (status != CLLOSS_SUCCESS) return status;
  const uint32_t known = CLLOSS_FROM_PROBABILITIES | CLLOSS_FROM_LOG_PROBABILITIES;
  if (o.flags & ~known) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.flags is %#x: unknown flag", o.flags);
  }
  if (o.flags == known) {
    return clloss__fail(ctx, CLLOSS_OPTION,
                        "options.flags is %#x: probabilities and log-probabilities at once", o.flags);
  }
  if (o.reserved) {
    return clloss__fail(ctx, CLLOSS_OPTION, "options.reserved is %u: it must be 0", o.reserved);
  }
  r->flags = o.flags;
  return CLLOSS_SUCCESS;
}

/* The caller's structs, but for what needs buffers: sizes, types, options. */
static clloss_status read_request(clloss_ctx *ctx, const clloss_information *information,
                                  const clloss_information_options *options, request *r) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!information) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "information: NULL");
  status = clloss__read_struct(&ctx->message, "information", &r->x, sizeof r->x, information);
  if (status == CLLOSS_SUCCESS) status = read_options(ctx, options, r);
  if (status != CLLOSS_SUCCESS) return status;
  clloss__settle_views(ctx, r->presence, &r->x, offsetof(clloss_information, input),
                       offsetof(clloss_information, entropy));
  if (r->x.inner == 0) r->x.inner = 1;
  status = clloss__check_sizes(ctx, "information", r->x.rows, r->x.classes, r->x.inner);
  if (status == CLLOSS_SUCCESS && clloss__is_there(r->presence, &r->x.input))
    status = clloss__check_real_dtype(ctx, "information.input.dtype", r->x.input.dtype);
  return status;
}

static clloss_status check_views(clloss_ctx *ctx, const request *r) {
  const clloss_information *x = &r->x;
  const uint32_t real = CLLOSS__DTYPE(x->input.dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32);
#define USE(field, how, types, n_rows, n_columns, ...)                                                     \
  {                                                                                                        \
    .name = #field, .view = &x->field, .role = how, .dtypes = types, .rows = n_rows, .columns = n_columns, \
    __VA_ARGS__                                                                                            \
  }
  const clloss__use uses[] = {
      USE(input, CLLOSS__READS, CLLOSS__DTYPE(x->input.dtype), x->rows / x->inner, x->classes,
          .inner = x->inner, .may_stride = true),
      USE(targets, clloss__is_there(r->presence, &x->surprisal) ? CLLOSS__READS : CLLOSS__REFUSED,
          CLLOSS__DTYPE(CLLOSS_I32) | CLLOSS__DTYPE(CLLOSS_I64), x->rows, 1, .inner = 1),
      USE(surprisal, CLLOSS__MAY_WRITE, real, x->rows, 1, .inner = 1),
      USE(entropy, CLLOSS__MAY_WRITE, real, x->rows, 1, .inner = 1),
  };
#undef USE
  const clloss_status status = clloss__check_uses(ctx, "information", r->presence, uses,
                                                  sizeof uses / sizeof *uses);
  if (status != CLLOSS_SUCCESS) return status;
  if (!clloss__is_there(r->presence, &x->surprisal) && !clloss__is_there(r->presence, &x->entropy) &&
      x->rows) {
    return clloss__fail(ctx, CLLOSS_MISSING_VIEW, "information: no output is bound, surprisal or entropy");
  }
  return CLLOSS_SUCCESS;
}

/* ---- plan ---- */

static const char *kernel_name(const clloss__plan *p, bool probabilities) {
  static const char *const names[2][2][2] = {
      {{"information_logits__lane", "information_logits__lane_rows"},
       {"information_logits__group", "information_logits__group_rows"}},
      {{"information_probabilities__lane", "information_probabilities__lane_rows"},
       {"information_probabilities__group", "information_probabilities__group_rows"}},
  };
  return names[probabilities][p->team->name[0] == 'g'][p->rows_in_lanes];
}

/* ---- launch ---- */

static information_args args_of(const request *r, const clloss__plan *p) {
  const clloss_information *x = &r->x;
  return (information_args){
      .rows = {x->rows, x->classes, x->inner, p->rows_per_group},
      .input = clloss__rows_at(&x->input, x->classes, x->inner),
      .targets = clloss__rows_at(&x->targets, 1, 1),
      .surprisal = clloss__rows_at(&x->surprisal, 1, 1),
      .entropy = clloss__rows_at(&x->entropy, 1, 1),
      .flags = (r->flags == 0 ? INFORMATION_LOGITS : 0) |
               (r->flags & CLLOSS_FROM_LOG_PROBABILITIES ? INFORMATION_LOGS : 0) |
               (x->targets.dtype == CLLOSS_I64 ? INFORMATION_TARGETS_I64 : 0) |
               (x->surprisal.mem ? INFORMATION_SURPRISAL : 0) | (x->entropy.mem ? INFORMATION_ENTROPY : 0),
  };
}

/* A call that is only compiled for has no rows, and touches nothing. */
static clloss_status make_call(clloss_ctx *ctx, const request *r, clloss__call *call) {
  const clloss_information *x = &r->x;
  call->source = "information.cl";
  call->types = (clloss__types){x->input.dtype, x->input.dtype, 0};
  if (x->rows == 0) return clloss__launch_all(ctx, call);
  /* a split's plan is one row per work-group: the family without the split */
  const clloss__plan p = clloss__plan_rows(
      &ctx->planner, x->rows, x->classes, clloss__dtype_bytes(x->input.dtype),
      clloss__is_strided(&x->input, x->classes, x->inner), x->inner, false);
  information_args a = args_of(r, &p);
  if (r->presence == CLLOSS__TYPED) a.rows.rows = 0;
  const cl_mem mems[] = {x->input.mem, x->targets.mem, x->surprisal.mem, x->entropy.mem};
  const clloss__arg args[] = {{&a, sizeof a}};
  call->mems = mems;
  call->n_mems = sizeof mems / sizeof *mems;
  call->args = args;
  call->n_args = sizeof args / sizeof *args;
  call->launches[call->n_launches++] = (clloss__launch){kernel_name(&p, r->flags != 0), p.blocks,
                                                        p.local_size};
  return clloss__launch_all(ctx, call);
}

clloss_status clloss_information_forward(clloss_ctx *ctx, const clloss_information *information,
                                         const clloss_information_options *options, cl_command_queue queue,
                                         cl_uint n_wait, const cl_event *wait, cl_event *done) {
  request r = {0};
  clloss_status status = read_request(ctx, information, options, &r);
  if (status == CLLOSS_SUCCESS) status = clloss__launch_check_queue(ctx, queue, n_wait, wait);
  if (status == CLLOSS_SUCCESS) status = check_views(ctx, &r);
  clloss__call call = {.queue = queue, .n_wait = n_wait, .wait = wait, .done = done};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}

clloss_status clloss__information_prebuild(clloss_ctx *ctx, int pass, const void *information,
                                           const void *options, cl_command_queue queue) {
  request r = {.presence = CLLOSS__TYPED};
  clloss_status status = read_request(ctx, information, options, &r);
  (void)pass; /* it has one */
  if (status == CLLOSS_SUCCESS) status = check_views(ctx, &r);
  clloss__forget_buffers(&r.x, offsetof(clloss_information, input), offsetof(clloss_information, entropy));
  clloss__call call = {.queue = queue};
  return status == CLLOSS_SUCCESS ? make_call(ctx, &r, &call) : status;
}
