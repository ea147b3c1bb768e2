/* Softmax cross-entropy of arrays in host memory: one plan for the whole, parts of whole work-groups on two queues in
 * turn. Every partial sum has its place in one workspace, so that the result doesn't know of the parts. */
#include <string.h>

#include "runtime/ctx.h"
#include "runtime/stream.h"
#include "runtime/view.h"
#include "losses/options.h"
#include "losses/xent.h"

enum { PART_BYTES = 64 << 20, WHOLE = CLLOSS__STREAM_PLACES - 1 };

typedef struct {
  clloss_ctx *ctx;
  clloss_xent_arrays in;
  clloss__xent r; /* of the whole */
  clloss__stream stream;
  clloss_tensor *workspace;
} job;

/* One array of the call: where it is bound, and what a row of it is. */
typedef struct {
  const char *name;
  const void *host;
  clloss_view *view;
  uint32_t dtype;
  size_t per_row; /* elements; 0: the array isn't per row */
  size_t whole;   /* elements of such an array */
  bool reads, writes;
  cl_ulong flag; /* says to the kernels that it is bound; 0: they know */
} binding;

enum { BINDINGS = 14 };

static void list_bindings(const job *j, clloss__xent *r, binding *b) {
  const clloss_xent_arrays *in = &j->in;
  clloss_xent *x = &r->x;
  const uint32_t real = CLLOSS__REAL(in->logits_dtype);
  const bool none = r->o.reduction == CLLOSS_NONE, adds = (r->o.flags & CLLOSS_ACCUMULATE) != 0;
  const size_t classes = in->classes, upstream = none ? 1 : 0;
  const binding all[BINDINGS] = {
      {"logits", in->logits, &x->logits, in->logits_dtype, classes, 0, true, false, 0},
      {"targets", in->targets, &x->targets, in->targets_dtype, r->probabilities ? classes : 1, 0, true, false,
       0},
      {"class_weight", in->class_weight, &x->class_weight, real, 0, classes, true, false, XENT_CLASS_WEIGHT},
      {"row_weight", in->row_weight, &x->row_weight, real, 1, 0, true, false, XENT_ROW_WEIGHT},
      {"grad_loss", in->grad_loss, &x->grad_loss, real, upstream, 1, true, false, XENT_GRAD_LOSS},
      {"loss", in->loss, &x->loss, real, 0, 1, adds, true, XENT_LOSS},
      {"row_loss", in->row_loss, &x->row_loss, real, 1, 0, false, true, XENT_ROW_LOSS},
      {"row_stats", in->row_stats, &x->row_stats, real, 2, 0, false, true, XENT_ROW_STATS},
      {"grad", in->grad, &x->grad, x->grad.dtype, classes, 0, r->o.grad_beta != 0, true, 0},
      {"metrics", in->metrics, &x->metrics, real, 0, CLLOSS_METRICS, adds, true, XENT_METRICS},
      {"counts", in->counts, &x->counts, CLLOSS_I64, 0, CLLOSS_COUNTS, adds, true, XENT_COUNTS},
      {"predicted", in->predicted, &x->predicted, CLLOSS_I32, 1, 0, false, true, XENT_PREDICTED},
      {"confidence", in->confidence, &x->confidence, real, 1, 0, false, true, XENT_CONFIDENCE},
      {"entropy", in->entropy, &x->entropy, real, 1, 0, false, true, XENT_ENTROPY},
  };
  memcpy(b, all, sizeof all);
}

/* ---- check ---- */

static clloss_status check_pointers(job *j) {
  binding b[BINDINGS];
  list_bindings(j, &j->r, b);
  const clloss_xent_arrays *in = &j->in;
  bool any_output = false;
  for (size_t i = 0; i < BINDINGS; ++i) {
    any_output |= b[i].writes && b[i].host;
    if (b[i].host && (uintptr_t)b[i].host % clloss_dtype_size(b[i].dtype)) {
      return clloss__fail(j->ctx, CLLOSS_ALIGNMENT,
                          "arrays.%s is at %p: not a multiple of its element's %zu bytes", b[i].name,
                          b[i].host, clloss_dtype_size(b[i].dtype));
    }
  }
  if (in->rows && (!in->logits || !in->targets)) {
    return clloss__fail(j->ctx, CLLOSS_NULL_ARGUMENT, "arrays.%s: NULL", in->logits ? "targets" : "logits");
  }
  if (!any_output)
    return clloss__fail(j->ctx, CLLOSS_MISSING_VIEW, "arrays: no output, loss or row_loss, say");
  if (in->loss && j->r.o.reduction == CLLOSS_NONE) {
    return clloss__fail(j->ctx, CLLOSS_UNUSED_VIEW, "arrays.loss: there is none with CLLOSS_NONE");
  }
  if ((j->r.o.flags & CLLOSS_LOG_PROBABILITIES) &&
      (in->row_stats || in->predicted || in->confidence || in->entropy)) {
    return clloss__fail(j->ctx, CLLOSS_UNUSED_VIEW,
                        "arrays.%s: there is no softmax with CLLOSS_LOG_PROBABILITIES",
                        in->row_stats    ? "row_stats"
                        : in->predicted  ? "predicted"
                        : in->confidence ? "confidence"
                                         : "entropy");
  }
  if (in->grad_loss && !in->grad) {
    return clloss__fail(j->ctx, CLLOSS_UNUSED_VIEW, "arrays.grad_loss: it goes with grad");
  }
  return CLLOSS_SUCCESS;
}

/* Element types, options and sizes. */
static clloss_status check_call(job *j, const clloss__ask *ask) {
  const clloss_xent_arrays *in = &j->in;
  const uint32_t real = CLLOSS__REAL(in->logits_dtype);
  const uint32_t grad = in->grad_dtype ? in->grad_dtype : in->logits_dtype;
  clloss_status status = clloss__check_real_dtype(j->ctx, "arrays.logits_dtype", in->logits_dtype);
  if (status != CLLOSS_SUCCESS) return status;
  const uint32_t reals = CLLOSS__DTYPE(real) | CLLOSS__DTYPE(in->logits_dtype);
  const uint32_t targets = in->targets_dtype;
  status = clloss__check_dtype(j->ctx, "arrays.grad_dtype", grad, reals);
  if (status == CLLOSS_SUCCESS)
    status = clloss__check_dtype(j->ctx, "arrays.targets_dtype", targets, CLLOSS__ANY_DTYPE);
  if (status == CLLOSS_SUCCESS) status = clloss__call_read(&clloss__xent_loss, &j->r.head, ask);
  if (status == CLLOSS_SUCCESS && j->r.probabilities)
    status = clloss__check_dtype(j->ctx, "arrays.targets_dtype", targets, reals);
  return status;
}

/* What will be bound, in all parts: the plan is made once, before the first. */
static void note_arrays(job *j) {
  binding b[BINDINGS];
  list_bindings(j, &j->r, b);
  j->r.head.bound = 0;
  for (size_t i = 0; i < BINDINGS; ++i) j->r.head.bound |= b[i].host ? b[i].flag : 0;
}

static clloss_status read_job(job *j, const clloss_xent_arrays *arrays, const clloss_xent_options *options) {
  if (!j->ctx) return CLLOSS_NULL_ARGUMENT;
  clloss_status status = clloss__enter(j->ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!arrays) return clloss__fail(j->ctx, CLLOSS_NULL_ARGUMENT, "arrays: NULL");
  status = clloss__read_struct(&j->ctx->message, "arrays", &j->in, sizeof j->in, arrays);
  if (status != CLLOSS_SUCCESS) return status;
  const clloss_xent_arrays *in = &j->in;
  status = clloss__check_reserved(j->ctx, "arrays", in->reserved);
  if (status != CLLOSS_SUCCESS) return status;
  clloss_xent x = {.struct_size = sizeof x, .rows = in->rows, .classes = in->classes, .inner = in->inner};
  x.logits.dtype = in->logits_dtype;
  x.targets.dtype = in->targets_dtype;
  x.grad.dtype = in->grad_dtype ? in->grad_dtype : in->logits_dtype;
  const clloss__ask ask = {.purpose = CLLOSS__COMPILE,
                           .ctx = j->ctx,
                           .pass = in->grad ? CLLOSS__FUSED : CLLOSS__FORWARD,
                           .arrays = &x,
                           .options = options};
  status = check_call(j, &ask);
  if (status == CLLOSS_SUCCESS) status = check_pointers(j);
  note_arrays(j);
  return status;
}

/* ---- parts ---- */

/* Binds rows [first, first + rows) of every per-row array, or of those that xent_weigh reads, to a place of the stream;
 * or, with per_row false, what belongs to the whole. */
static clloss_status bind(job *j, clloss__xent *r, size_t place, size_t first, size_t rows, bool per_row,
                          bool weigh) {
  binding b[BINDINGS];
  list_bindings(j, r, b);
  for (size_t i = 0; i < BINDINGS; ++i) {
    const bool weighed = b[i].view == &r->x.row_weight || (b[i].view == &r->x.targets && !r->probabilities);
    if (per_row != (b[i].per_row != 0) || (weigh && !weighed)) continue;
    const size_t row_bytes = b[i].per_row * clloss_dtype_size(b[i].dtype);
    const size_t bytes = per_row ? rows * row_bytes : b[i].whole * clloss_dtype_size(b[i].dtype);
    const char *host = b[i].host;
    b[i].view->dtype = b[i].dtype;
    const clloss_status status = clloss__stream_array(&j->stream, place, i,
                                                      host ? host + first * row_bytes : NULL, bytes,
                                                      b[i].reads, b[i].writes, &b[i].view->mem);
    if (status != CLLOSS_SUCCESS) return status;
  }
  return CLLOSS_SUCCESS;
}

/* Goes over all rows in parts of a multiple of `unit`, at most about part_bytes of row_bytes each. */
static clloss_status walk(job *j, clloss__xent_step step, size_t unit, size_t row_bytes) {
  const size_t rows = j->in.rows, wanted = (j->in.part_bytes ? j->in.part_bytes : PART_BYTES) / row_bytes;
  const size_t part = wanted > unit ? wanted / unit * unit : unit;
  size_t place = 0;
  clloss_status status = CLLOSS_SUCCESS;
  for (size_t first = 0; first < rows && status == CLLOSS_SUCCESS; first += part, place = !place) {
    clloss__xent r = j->r;
    r.x.rows = rows - first < part ? rows - first : part;
    r.head.odd = true; /* parts of the caller's arrays may be used where they are */
    status = clloss__stream_wait(&j->stream, place);
    if (status == CLLOSS_SUCCESS && first >= 2 * part && j->in.progress) {
      j->in.progress(j->in.user, step == CLLOSS__ROWS ? first - part : 0, rows);
    }
    if (status == CLLOSS_SUCCESS) status = bind(j, &r, place, first, r.x.rows, true, step == CLLOSS__WEIGH);
    if (status == CLLOSS_SUCCESS) {
      status = clloss__xent_run_part(j->ctx, &r, step, first, clloss__stream_queue(&j->stream, place));
    }
    if (status == CLLOSS_SUCCESS) status = clloss__stream_collect(&j->stream, place);
  }
  for (size_t p = 0; p < WHOLE && status == CLLOSS_SUCCESS; ++p) status = clloss__stream_wait(&j->stream, p);
  return status;
}

/* All kernels, before the first part: one of them may have to be planned smaller, and what is done can't be done again where
 * gradients are added to old ones. */
static clloss_status prepare_all(job *j) {
  clloss_status status = CLLOSS_SUCCESS;
  for (int step = 0; step < CLLOSS__STEPS && status == CLLOSS_SUCCESS; ++step) {
    clloss__xent r = j->r;
    r.head.odd = true;
    if (step == CLLOSS__ROWS || (step == CLLOSS__WEIGH && clloss__xent_weighs(&r)) ||
        (step == CLLOSS__FINISH && clloss__xent_reduces(&r)))
      status = clloss__xent_run_part(j->ctx, &r, (clloss__xent_step)step, 0, NULL);
  }
  return status;
}

static clloss_status run_job(job *j) {
  clloss__xent *r = &j->r;
  clloss_status status = clloss__stream_open(&j->stream, j->ctx);
  if (status == CLLOSS_SUCCESS) status = bind(j, r, WHOLE, 0, 0, false, false);
  clloss__xent_plan(j->ctx, r);
  if (status == CLLOSS_SUCCESS) {
    status = clloss_tensor_create(&j->workspace, j->ctx, CLLOSS_U8, r->head.workspace_bytes, 1);
  }
  r->x.workspace = clloss_tensor_view(j->workspace);
  /* what belongs to the whole is on the device before the first part asks for it */
  if (status == CLLOSS_SUCCESS) status = clloss__stream_settle(&j->stream, WHOLE);
  clloss__xent_note_flags(r);
  if (status == CLLOSS_SUCCESS) status = prepare_all(j);
  const size_t row_bytes = j->in.classes * clloss_dtype_size(j->in.logits_dtype);
  if (status == CLLOSS_SUCCESS && r->x.rows && clloss__xent_weighs(r)) {
    status = walk(j, CLLOSS__WEIGH, r->args.rows_per_tally, sizeof(cl_long));
  }
  if (status == CLLOSS_SUCCESS && r->x.rows) {
    status = walk(j, CLLOSS__ROWS, clloss__plan_unit(&r->head.plan, r->x.inner, row_bytes), row_bytes);
  }
  if (status == CLLOSS_SUCCESS && clloss__xent_reduces(r)) {
    clloss__xent last = *r;
    status = clloss__xent_run_part(j->ctx, &last, CLLOSS__FINISH, 0, clloss__stream_queue(&j->stream, WHOLE));
  }
  if (status == CLLOSS_SUCCESS) status = clloss__stream_collect(&j->stream, WHOLE);
  if (status == CLLOSS_SUCCESS) status = clloss__stream_wait(&j->stream, WHOLE);
  if (status == CLLOSS_SUCCESS && j->in.progress) j->in.progress(j->in.user, j->in.rows, j->in.rows);
  clloss__stream_close(&j->stream);
  clloss_tensor_destroy(&j->workspace);
  return status;
}

clloss_status clloss_xent_host(clloss_ctx *ctx, const clloss_xent_arrays *arrays,
                               const clloss_xent_options *options) {
  clloss_status status;
  do {
    job j = {.ctx = ctx};
    status = read_job(&j, arrays, options);
    if (status == CLLOSS_SUCCESS) status = run_job(&j);
  } while (status ==
           CLLOSS__SMALLER); /* than its plan's are a kernel's work-groups: from the start, smaller */
  return status;
}
