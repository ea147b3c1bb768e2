/* Softmax and log-softmax: checks, plan and one launch. What the kernels compute stands in kernels/softmax/softmax.cl. */
#include <clloss/clloss.h>

#include "../../kernels/softmax/softmax_args.clh"
#include "losses.h"
#include "options.h"
#include "runtime/ctx.h"

typedef struct {
  clloss__request head;
  clloss_softmax x;
  clloss_softmax_options o;
  softmax_args args;
  cl_double scale;
} request;

static bool is_back(const clloss__request *head) { return head->pass == CLLOSS__BACKWARD; }

/* What gives the kernels' CLLOSS_X, the key, and their CLLOSS_G. */
static uint32_t read_dtype(const request *r) {
  return is_back(&r->head) ? r->x.output.dtype : r->x.input.dtype;
}

static uint32_t write_dtype(const request *r) {
  const clloss_view *write = is_back(&r->head) ? &r->x.grad_input : &r->x.output;
  return clloss__has(&r->head, write) ? write->dtype : read_dtype(r); /* without rows it need not be bound */
}

static clloss_status check(clloss_ctx *ctx, clloss__request *head) {
  request *r = (request *)head;
  const clloss__range ranges[] = {{"scale", r->o.scale, true, "a number"}};
  clloss_status status = clloss__check_flags(ctx, "options", r->o.flags, CLLOSS_LOG_SOFTMAX);
  if (status == CLLOSS_SUCCESS) status = clloss__check_reserved(ctx, "options", r->o.reserved);
  if (status == CLLOSS_SUCCESS) status = clloss__check_ranges(ctx, read_dtype(r), ranges, 1);
  if (r->o.scale == 0) r->o.scale = 1;
  return status;
}

/* Types that may be written where this one is read: the type itself and f32, and from f32, of which nobody can tell
 * what it was made from, backward to any that is computed in f32. */
static uint32_t written_types(const request *r) {
  const uint32_t f32 = CLLOSS__DTYPE(CLLOSS_F32);
  if (read_dtype(r) == CLLOSS_F64) return CLLOSS__DTYPE(CLLOSS_F64);
  if (is_back(&r->head) && read_dtype(r) == CLLOSS_F32)
    return f32 | CLLOSS__DTYPE(CLLOSS_F16) | CLLOSS__DTYPE(CLLOSS_BF16);
  return f32 | CLLOSS__DTYPE(read_dtype(r));
}

static size_t views(clloss__request *head, clloss__use *uses) {
  request *r = (request *)head;
  const clloss_softmax *x = &r->x;
  softmax_args *a = &r->args;
  const bool back = is_back(head);
  const uint32_t read = CLLOSS__DTYPE(read_dtype(r)), written = written_types(r);
#define USE(which, field, role, types, ...)                                                 \
  CLLOSS__USE(which, field, role, types, x->rows / x->inner, x->classes, .inner = x->inner, \
              .may_stride = true, __VA_ARGS__)
  const clloss__use all[] = {
      USE(0, input, back ? CLLOSS__REFUSED : CLLOSS__READS, read, .place = &a->x),
      USE(back ? 0 : 2, output, back ? CLLOSS__READS : CLLOSS__WRITES, back ? read : written,
          .same = back ? NULL : &x->input, .place = back ? &a->x : &a->out),
      USE(1, grad_output, back ? CLLOSS__READS : CLLOSS__REFUSED, read, .place = &a->d),
      USE(2, grad_input, back ? CLLOSS__WRITES : CLLOSS__REFUSED, written, .same = &x->grad_output,
          .place = &a->out),
  };
#undef USE
  return clloss__list_uses(uses, all, sizeof all / sizeof *all);
}

/* Backward holds two rows. */
static void plan(clloss_ctx *ctx, clloss__request *head, const clloss__guess *guess) {
  request *r = (request *)head;
  const clloss_softmax *x = &r->x;
  const bool back = is_back(head);
  const bool packed = back ? clloss__is_packed(&x->output, x->classes) &&
                                 clloss__is_packed(&x->grad_output, x->classes)
                           : clloss__is_packed(&x->input, x->classes);
  const clloss__rows rows = {.rows = x->rows,
                             .classes = x->classes,
                             .element_bytes = clloss_dtype_size(read_dtype(r)),
                             .inner = x->inner,
                             .strided = guess ? guess->strided : head->strided,
                             .packed = packed,
                             .forms = x->classes < INT32_MAX ? CLLOSS__ALL_FORMS : 0,
                             .arrays = back ? 2 : 1,
                             .row_items_most = 512};
  head->plan = clloss__plan_rows(&ctx->planner, &rows);
  head->local_bytes = head->plan.form ? clloss__plan_held_bytes(&head->plan, &rows) : 0;
}

/* Whether packets of 16 bytes begin alike in all of the arrays, whose element types are one: else it takes the kernels that
 * ask. */
static bool packets_align(const request *r) {
  const clloss_softmax *x = &r->x;
  const bool back = is_back(&r->head);
  const clloss_view *from = back ? &x->output : &x->input, *to = back ? &x->grad_input : &x->output;
  const bool tile = r->head.plan.form == CLLOSS__TILE;
  return !r->head.odd && write_dtype(r) == read_dtype(r) &&
         clloss__packets_align(from, to, x->classes, tile) &&
         (!back || clloss__packets_align(from, &x->grad_output, x->classes, tile));
}

static void launches(clloss__request *head, clloss__call *call) {
  request *r = (request *)head;
  const clloss_softmax *x = &r->x;
  const clloss__plan *p = &head->plan;
  const bool back = is_back(head);
  const bool in_place = back ? clloss__same_view(&x->grad_input, &x->grad_output, x->classes, x->inner)
                             : clloss__same_view(&x->output, &x->input, x->classes, x->inner);
  const bool large = clloss__plan_past_cache(p, x->rows, x->classes, write_dtype(r));
  r->args.rows = (rows_args){x->rows, x->classes, x->inner, p->rows_per_group};
  r->args.flags = (r->o.flags & CLLOSS_LOG_SOFTMAX ? SOFTMAX_LOG : 0) |
                  (r->o.scale != 1 ? SOFTMAX_TRANSFORMS : 0) | (large && !in_place ? SOFTMAX_PAST_CACHE : 0);
  r->scale = r->o.scale;
  if (head->presence == CLLOSS__TYPED) r->args.rows.rows = r->args.rows.classes = 0;
  call->types = (clloss__types){read_dtype(r), write_dtype(r), 0, false};
  clloss__launch_rows(call, p, back ? "softmax_backward" : "softmax_forward", clloss__plan_variant(p),
                      p->form && !packets_align(r), p->blocks);
}

const clloss__loss clloss__softmax_loss = {
    CLLOSS__DESCRIBE(softmax, request, input, grad_input),
    .scalars = CLLOSS__PART(request, scale),
    .inner = offsetof(clloss_softmax, inner),
    .other_key = CLLOSS__NAMED(clloss_softmax, output),
    .other_pass = CLLOSS__BACKWARD,
    .steps = {.check = check, .views = views, .plan = plan, .launches = launches},
};

CLLOSS__PUBLIC(softmax, forward, CLLOSS__FORWARD)
CLLOSS__PUBLIC(softmax, backward, CLLOSS__BACKWARD)
