/* Reals of one type to another: no loss, but a call like theirs. What the kernels do stands in kernels/cast/cast.cl. */
#include <clloss/clloss.h>

#include "../../kernels/cast/cast_args.clh"
#include "losses.h"
#include "runtime/ctx.h"

typedef struct {
  clloss__request head;
  clloss_cast_arrays x;
  cast_args args;
} request;

static clloss_status check(clloss_ctx *ctx, clloss__request *head) {
  const request *r = (request *)head;
  const bool there = clloss__has(head, &r->x.output);
  return there ? clloss__check_real_dtype(ctx, "cast.output.dtype", r->x.output.dtype) : CLLOSS_SUCCESS;
}

static size_t views(clloss__request *head, clloss__use *uses) {
  request *r = (request *)head;
  const clloss_cast_arrays *x = &r->x;
  const uint32_t reals = CLLOSS__DTYPE(CLLOSS_F32) | CLLOSS__DTYPE(CLLOSS_F64) | CLLOSS__DTYPE(CLLOSS_F16) |
                         CLLOSS__DTYPE(CLLOSS_BF16);
  const clloss__use all[] = {
      CLLOSS__USE(0, input, CLLOSS__READS, reals, x->rows, x->classes, .may_stride = true,
                  .place = &r->args.from),
      CLLOSS__USE(1, output, CLLOSS__WRITES, reals, x->rows, x->classes, .may_stride = true,
                  .place = &r->args.to),
  };
  return clloss__list_uses(uses, all, sizeof all / sizeof *all);
}

static void plan(clloss_ctx *ctx, clloss__request *head, const clloss__guess *guess) {
  request *r = (request *)head;
  const clloss_cast_arrays *x = &r->x;
  const size_t element = clloss_dtype_size(x->input.dtype);
  const bool one = x->rows && clloss__is_flat(&x->input, x->classes) &&
                   clloss__is_flat(&x->output, x->classes);
  (void)guess; /* there is no workspace to guess for */
  cast_args *a = &r->args;
  a->rows = (rows_args){one ? 1 : x->rows, one ? x->rows * x->classes : x->classes, 1, 0};
  head->plan = clloss__plan_elements(&ctx->planner, a->rows.rows, a->rows.classes, element);
  a->rows.rows_per_group = head->plan.rows_per_group;
  a->slices = head->plan.slices;
  a->slice = clloss__plan_slice(&head->plan, a->rows.classes);
}

static void launches(clloss__request *head, clloss__call *call) {
  request *r = (request *)head;
  const clloss_cast_arrays *x = &r->x;
  const clloss__plan *p = &head->plan;
  const uint32_t from = x->input.dtype, to = x->output.dtype ? x->output.dtype : from;
  const bool wide_from = from == CLLOSS_F64, wide_to = to == CLLOSS_F64, apart = wide_from != wide_to;
  const bool large = clloss__plan_past_cache(p, r->args.rows.rows, r->args.rows.classes, to);
  r->args.flags = large ? CAST_PAST_CACHE : 0;
  if (head->presence == CLLOSS__TYPED) r->args.rows.rows = r->args.rows.classes = 0;
  /* beside f64 the other type is both: one program has both directions */
  const uint32_t other = wide_from ? to : from;
  call->types = apart ? (clloss__types){other, other, CLLOSS_F64, false}
                      : (clloss__types){from, to, 0, false};
  clloss__launch_rows(call, p,
                      !apart    ? "cast"
                      : wide_to ? "cast_widen"
                                : "cast_narrow",
                      p->team->name, false, p->blocks * p->slices);
}

const clloss__loss clloss__cast_loss = {
    .name = "cast",
    .source = "cast.cl",
    .request_bytes = sizeof(request),
    .arrays = CLLOSS__PART(request, x),
    .args = CLLOSS__PART(request, args),
    .rows = offsetof(clloss_cast_arrays, rows),
    .classes = offsetof(clloss_cast_arrays, classes),
    .key = CLLOSS__NAMED(clloss_cast_arrays, input),
    .last_view = offsetof(clloss_cast_arrays, output),
    .steps = {.check = check, .views = views, .plan = plan, .launches = launches},
};

clloss_status clloss_cast(clloss_ctx *ctx, const clloss_cast_arrays *arrays, cl_command_queue queue,
                          cl_uint n_wait, const cl_event *wait, cl_event *done) {
  return clloss__call_run(&clloss__cast_loss, &(clloss__ask){CLLOSS__MAKE, ctx, CLLOSS__FORWARD, arrays, NULL,
                                                             queue, n_wait, wait, done, NULL});
}
