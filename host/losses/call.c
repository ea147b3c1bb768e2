/* The way of every call: read → check → plan → launches → submit. */
#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ctx.h"

bool clloss__has(const clloss__request *r, const clloss_view *view) {
  return clloss__is_there(r->presence, view);
}

size_t clloss__list_uses(clloss__use *uses, const clloss__use *table, size_t n) {
  memcpy(uses, table, n * sizeof *uses);
  return n;
}

clloss__roles clloss__roles_of(int pass, uint32_t reduction) {
  const bool forth = pass == CLLOSS__FORWARD, back = pass == CLLOSS__BACKWARD;
  const clloss__role result = back ? CLLOSS__REFUSED : CLLOSS__MAY_WRITE;
  return (clloss__roles){
      .result = result,
      .reduced = reduction == CLLOSS_NONE ? CLLOSS__REFUSED : result,
      .stats = back ? CLLOSS__READS : CLLOSS__MAY_WRITE,
      .grad = forth ? CLLOSS__REFUSED : CLLOSS__WRITES,
      .grad_loss = forth ? CLLOSS__REFUSED : CLLOSS__MAY_READ,
  };
}

/* ---- what the description says of a request ---- */

static void *part(clloss__request *r, clloss__part p) { return (unsigned char *)r + p.at; }

/* What is at byte `at` of the arrays. */
static void *in_arrays(const clloss__loss *loss, clloss__request *r, size_t at) {
  return (unsigned char *)r + loss->arrays.at + at;
}

static const clloss__named *key_name(const clloss__loss *loss, const clloss__request *r) {
  return loss->other_key.name && r->pass == loss->other_pass ? &loss->other_key : &loss->key;
}

static clloss_view *key_of(const clloss__loss *loss, clloss__request *r) {
  return in_arrays(loss, r, key_name(loss, r)->at);
}

/* Whether there is anything to compute: of no rows a reduction alone has a result. */
static bool computes(const clloss__loss *loss, clloss__request *r) {
  return *(size_t *)in_arrays(loss, r, loss->rows) || loss->workspace;
}

static bool may_write(const clloss__use *use) {
  return use->role == CLLOSS__WRITES || use->role == CLLOSS__MAY_WRITE;
}

/* ---- read ---- */

static clloss_status read_structs(const clloss__loss *loss, clloss__request *r, const clloss__ask *ask) {
  clloss__message *message = &ask->ctx->message;
  if (!ask->arrays) return clloss__fail(ask->ctx, CLLOSS_NULL_ARGUMENT, "%s: NULL", loss->name);
  const clloss_status status = clloss__read_struct(message, loss->name, part(r, loss->arrays),
                                                   loss->arrays.bytes, ask->arrays);
  if (status != CLLOSS_SUCCESS || !ask->options) return status;
  return clloss__read_struct(message, "options", part(r, loss->options), loss->options.bytes, ask->options);
}

/* Sizes, of which inner is at least 1 from here on, and the key's type. */
static clloss_status check_shape(const clloss__loss *loss, clloss_ctx *ctx, clloss__request *r) {
  const size_t rows = *(size_t *)in_arrays(loss, r, loss->rows);
  const size_t classes = *(size_t *)in_arrays(loss, r, loss->classes);
  size_t none = 1, *inner = loss->inner ? in_arrays(loss, r, loss->inner) : &none;
  if (*inner == 0) *inner = 1;
  const clloss_status status = clloss__check_sizes(ctx, loss->name, rows, classes, *inner);
  if (status != CLLOSS_SUCCESS) return status;
  char name[64];
  snprintf(name, sizeof name, "%s.%s.dtype", loss->name, key_name(loss, r)->name);
  return clloss__check_real_dtype(ctx, name, key_of(loss, r)->dtype);
}

/* Takes stock of the views: which are there, and whether classes lie apart in one. */
static void note_views(clloss__request *r, const clloss__use *uses, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const clloss__use *use = &uses[i];
    if (clloss__has(r, use->view)) r->bound |= use->flag;
    if (use->may_stride && use->role != CLLOSS__REFUSED)
      r->strided |= clloss__is_strided(use->view, use->columns, use->inner);
  }
}

static clloss_status read(const clloss__loss *loss, clloss__request *r, const clloss__ask *ask,
                          clloss__use *uses, size_t *n) {
  r->pass = ask->pass;
  r->presence = ask->purpose == CLLOSS__MAKE ? CLLOSS__BOUND : CLLOSS__TYPED;
  clloss_status status = clloss__enter(ask->ctx);
  if (status == CLLOSS_SUCCESS) status = read_structs(loss, r, ask);
  if (status != CLLOSS_SUCCESS) return status;
  /* the call itself, with its buffers */
  if (ask->purpose == CLLOSS__SIZE && clloss__is_bound(key_of(loss, r))) r->presence = CLLOSS__BOUND;
  clloss__settle_views(ask->ctx, r->presence, part(r, loss->arrays), loss->key.at, loss->last_view);
  clloss_view *key = key_of(loss, r);
  r->untyped = !clloss__is_bound(key) && key->dtype == 0;
  if (r->untyped) key->dtype = CLLOSS_F32;
  status = check_shape(loss, ask->ctx, r);
  if (status == CLLOSS_SUCCESS) status = loss->steps.check(ask->ctx, r);
  if (status != CLLOSS_SUCCESS) return status;
  *n = loss->steps.views(r, uses);
  note_views(r, uses, *n);
  return CLLOSS_SUCCESS;
}

clloss_status clloss__call_read(const clloss__loss *loss, clloss__request *r, const clloss__ask *ask) {
  clloss__use uses[CLLOSS__USES_MOST];
  size_t n;
  return ask->ctx ? read(loss, r, ask, uses, &n) : CLLOSS_NULL_ARGUMENT;
}

/* ---- check ---- */

/* Where every output may be left out, one has to be there. */
static clloss_status check_outputs(const clloss__loss *loss, clloss_ctx *ctx, clloss__request *r,
                                   const clloss__use *uses, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (uses[i].role == CLLOSS__WRITES || (may_write(&uses[i]) && clloss__has(r, uses[i].view)))
      return CLLOSS_SUCCESS;
  }
  if (!computes(loss, r)) return CLLOSS_SUCCESS;
  return clloss__fail(ctx, CLLOSS_MISSING_VIEW, "%s: no output is bound, %s", loss->name, loss->outputs);
}

/* `uses` has room for one more than n, the workspace. */
static clloss_status check_views(const clloss__loss *loss, clloss_ctx *ctx, clloss__request *r,
                                 clloss__use *uses, size_t n) {
  const bool has_workspace = loss->workspace != 0;
  if (has_workspace)
    uses[n] = (clloss__use){.name = "workspace",
                            .view = in_arrays(loss, r, loss->workspace),
                            .role = CLLOSS__MAY_WRITE,
                            .also_read = true,
                            .rows = 1,
                            .columns = r->workspace_bytes,
                            .dtypes = CLLOSS__DTYPE(CLLOSS_U8),
                            .align_bytes = sizeof(cl_ulong),
                            .if_too_small = CLLOSS_WORKSPACE};
  const clloss_status status = clloss__check_uses(ctx, loss->name, r->presence, uses, n + has_workspace,
                                                  &r->odd);
  return status == CLLOSS_SUCCESS ? check_outputs(loss, ctx, r, uses, n) : status;
}

/* What a call is compiled for has to be said. */
static clloss_status check_typed(const clloss__loss *loss, clloss_ctx *ctx, clloss__request *r) {
  if (!r->untyped || !computes(loss, r)) return CLLOSS_SUCCESS;
  return clloss__fail(ctx, CLLOSS_MISSING_VIEW, "%s.%s has no element type", loss->name,
                      key_name(loss, r)->name);
}

/* ---- submit ---- */

/* Where kernels find the view. */
static void place(const clloss__use *use) {
  if (use->offset) *use->offset = use->view->offset;
  if (!use->place) return;
  *use->place = clloss__rows_at(use->view, use->columns, use->inner);
  if (use->serves_all) use->place->row_stride = 0;
  if (use->serves_all && use->columns == 1) use->place->class_stride = 0;
}

/* A view that the pass can't use has neither place nor buffer: another may have its. */
static clloss_status submit(const clloss__loss *loss, clloss_ctx *ctx, clloss__request *r,
                            const clloss__use *uses, size_t n, clloss__call *call) {
  clloss__memory mems[CLLOSS__USES_MOST] = {{NULL, NULL}};
  for (size_t i = 0; i < n; ++i) {
    const clloss__use *use = &uses[i];
    if (use->buffer >= call->n_mems) call->n_mems = use->buffer + 1;
    if (use->role == CLLOSS__REFUSED) continue;
    /* where nothing is made there are neither rows nor classes, and the one element that a held row's work-group reads all the same
       (kernels/team/held.clh) is the workspace's: no place means its beginning */
    const bool made = r->presence != CLLOSS__TYPED;
    mems[use->buffer] = made ? clloss__memory_of(use->view) : r->work;
    if (made) place(use);
  }
  if (loss->workspace) mems[call->n_mems++] = r->work;
  cl_float single[CLLOSS__SCALARS_MOST];
  clloss__arg args[3] = {{part(r, loss->args), loss->args.bytes}};
  call->n_args = 1;
  if (loss->scalars.bytes)
    args[call->n_args++] = clloss__launch_scalars(part(r, loss->scalars), loss->scalars.bytes,
                                                  key_of(loss, r)->dtype, single);
  if (r->local_bytes) args[call->n_args++] = (clloss__arg){NULL, r->local_bytes};
  call->source = loss->source;
  call->mems = mems;
  call->args = args;
  return clloss__launch_all(ctx, call);
}

clloss_status clloss__call_submit(const clloss__loss *loss, clloss_ctx *ctx, clloss__request *r,
                                  clloss__call *call) {
  clloss__use uses[CLLOSS__USES_MOST];
  return submit(loss, ctx, r, uses, loss->steps.views(r, uses), call);
}

/* ---- the whole ---- */

static clloss_status make(const clloss__loss *loss, clloss__request *r, const clloss__ask *ask,
                          const clloss__use *uses, size_t n) {
  clloss__call call = {.queue = ask->queue, .n_wait = ask->n_wait, .wait = ask->wait, .done = ask->done};
  if (r->presence == CLLOSS__TYPED)
    clloss__forget_buffers(part(r, loss->arrays), loss->key.at, loss->last_view);
  if (loss->workspace) {
    const clloss_status status = clloss__launch_workspace(
        ask->ctx, &call, in_arrays(loss, r, loss->workspace), r->workspace_bytes, &r->work, &r->work_at);
    if (status != CLLOSS_SUCCESS) return status;
  }
  loss->steps.launches(r, &call);
  return submit(loss, ask->ctx, r, uses, n, &call);
}

/* Enough for these views, or where the key has no buffer for whatever they will be. */
static clloss_status size(const clloss__loss *loss, clloss__request *r, const clloss__ask *ask) {
  if (!ask->bytes) return clloss__fail(ask->ctx, CLLOSS_NULL_ARGUMENT, "bytes: NULL");
  clloss_view *key = key_of(loss, r);
  *ask->bytes = r->workspace_bytes;
  for (int i = 0; i < CLLOSS__GUESSES && !clloss__is_bound(key); ++i) {
    const clloss__guess guess = clloss__guess_of(&ask->ctx->planner.facts, i);
    if (r->untyped) key->dtype = guess.dtype;
    loss->steps.plan(ask->ctx, r, &guess);
    if (r->workspace_bytes > *ask->bytes) *ask->bytes = r->workspace_bytes;
  }
  return CLLOSS_SUCCESS;
}

static clloss_status check_queue(const clloss__ask *ask) {
  const clloss__owner owner = {ask->ctx->context, ask->ctx->device, "ctx"};
  return clloss__launch_check_queue(&ask->ctx->message, &owner, ask->queue, ask->n_wait, ask->wait);
}

static clloss_status run_once(const clloss__loss *loss, clloss__request *r, const clloss__ask *ask) {
  clloss__use uses[CLLOSS__USES_MOST];
  size_t n;
  clloss_status status = read(loss, r, ask, uses, &n);
  if (status != CLLOSS_SUCCESS) return status;
  loss->steps.plan(ask->ctx, r, NULL);
  if (ask->purpose == CLLOSS__SIZE) return size(loss, r, ask);
  status = ask->purpose == CLLOSS__COMPILE ? check_typed(loss, ask->ctx, r) : check_queue(ask);
  if (status == CLLOSS_SUCCESS) status = check_views(loss, ask->ctx, r, uses, n);
  return status == CLLOSS_SUCCESS ? make(loss, r, ask, uses, n) : status;
}

/* Each time that a kernel takes fewer items than its plan gave it, the next plan gives fewer. */
static clloss_status run(const clloss__loss *loss, clloss__request *r, const clloss__ask *ask) {
  clloss_status status;
  do {
    memset(r, 0, loss->request_bytes);
    status = run_once(loss, r, ask);
  } while (status == CLLOSS__SMALLER);
  return status;
}

clloss_status clloss__call_run(const clloss__loss *loss, const clloss__ask *ask) {
  if (!ask->ctx) return CLLOSS_NULL_ARGUMENT;
  clloss__request *r = calloc(1, loss->request_bytes);
  if (!r) return clloss__fail(ask->ctx, CL_OUT_OF_HOST_MEMORY, "%s: no memory for the call", loss->name);
  const clloss_status status = run(loss, r, ask);
  free(r);
  return status;
}
