/* Surprisal and entropy: checks, plan and one launch. What the kernels compute stands in
 * kernels/information/information.cl. */
#include <clloss/clloss.h>

#include "../../kernels/information/information_args.clh"
#include "losses.h"
#include "options.h"
#include "runtime/ctx.h"

typedef struct {
  clloss__request head;
  clloss_information x;
  clloss_information_options o;
  information_args args;
} request;

static clloss_status check(clloss_ctx *ctx, clloss__request *head) {
  const clloss_information_options *o = &((request *)head)->o;
  const uint32_t known = CLLOSS_FROM_PROBABILITIES | CLLOSS_FROM_LOG_PROBABILITIES;
  const clloss_status status = clloss__check_flags(ctx, "options", o->flags, known);
  if (status != CLLOSS_SUCCESS) return status;
  if (o->flags == known) {
    return clloss__fail(ctx, CLLOSS_OPTION,
                        "options.flags is %#x: probabilities and log-probabilities at once", o->flags);
  }
  return clloss__check_reserved(ctx, "options", o->reserved);
}

static size_t views(clloss__request *head, clloss__use *uses) {
  request *r = (request *)head;
  const clloss_information *x = &r->x;
  information_args *a = &r->args;
  const uint32_t type = CLLOSS__DTYPE(x->input.dtype), real = CLLOSS__DTYPE(CLLOSS__REAL(x->input.dtype));
  const clloss__role targets = clloss__has(head, &x->surprisal) ? CLLOSS__READS : CLLOSS__REFUSED;
#define USE CLLOSS__USE
  const clloss__use all[] = {
      USE(0, input, CLLOSS__READS, type, x->rows / x->inner, x->classes, .inner = x->inner,
          .may_stride = true, .place = &a->input),
      USE(1, targets, targets, CLLOSS__ANY_DTYPE, x->rows, 1, .place = &a->targets),
      USE(2, surprisal, CLLOSS__MAY_WRITE, real, x->rows, 1, .flag = INFORMATION_SURPRISAL,
          .place = &a->surprisal),
      USE(3, entropy, CLLOSS__MAY_WRITE, real, x->rows, 1, .flag = INFORMATION_ENTROPY, .place = &a->entropy),
  };
#undef USE
  return clloss__list_uses(uses, all, sizeof all / sizeof *all);
}

static void plan(clloss_ctx *ctx, clloss__request *head, const clloss__guess *guess) {
  const clloss_information *x = &((request *)head)->x;
  const clloss__rows rows = {.rows = x->rows,
                             .classes = x->classes,
                             .element_bytes = clloss_dtype_size(x->input.dtype),
                             .inner = x->inner,
                             .strided = guess ? guess->strided : head->strided,
                             .forms = x->classes < INT32_MAX ? CLLOSS__HAS_HELD : 0,
                             .row_items_most = 512};
  head->plan = clloss__plan_rows(&ctx->planner, &rows);
}

static void launches(clloss__request *head, clloss__call *call) {
  request *r = (request *)head;
  const clloss_information *x = &r->x;
  const clloss__plan *p = &head->plan;
  information_args *a = &r->args;
  const uint32_t type = x->input.dtype;
  a->rows = (rows_args){x->rows, x->classes, x->inner, p->rows_per_group};
  a->flags = head->bound | (r->o.flags == 0 ? INFORMATION_LOGITS : 0) |
             (r->o.flags & CLLOSS_FROM_LOG_PROBABILITIES ? INFORMATION_LOGS : 0);
  a->flags |= x->targets.dtype == CLLOSS_I64 ? INFORMATION_TARGETS_I64 : 0;
  a->flags |= (cl_ulong)x->targets.dtype << INFORMATION_LABELS;
  if (head->presence == CLLOSS__TYPED) a->rows.rows = a->rows.classes = a->flags = 0;
  call->types = (clloss__types){type, type, 0, clloss__rare_labels(x->targets.dtype)};
  clloss__launch_rows(call, p, r->o.flags ? "information_probabilities" : "information_logits",
                      clloss__plan_variant(p), false, p->blocks);
}

const clloss__loss clloss__information_loss = {
    CLLOSS__DESCRIBE(information, request, input, entropy),
    .inner = offsetof(clloss_information, inner),
    .outputs = "surprisal or entropy",
    .steps = {.check = check, .views = views, .plan = plan, .launches = launches},
};

CLLOSS__PUBLIC(information, forward, CLLOSS__FORWARD)
