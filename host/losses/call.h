/* A loss is a description, and one function makes a call of it: read → check → plan → launches.
 *
 * What a call is on its way lies in its request, a struct of the loss's own that begins with a clloss__request; the
 * description says where in it the caller's structs and the kernels' arguments are. */
#ifndef CLLOSS_HOST_CALL_H
#define CLLOSS_HOST_CALL_H

#include <clloss/clloss.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/launch.h"
#include "runtime/plan.h"
#include "runtime/view.h"

enum { CLLOSS__SCALARS_MOST = 16 };

/* What a call does with its arrays. The last is cross-entropy's alone: the divisor of a mean. */
enum { CLLOSS__FORWARD, CLLOSS__BACKWARD, CLLOSS__FUSED, CLLOSS__DIVISOR };

/* What a loss is asked for. In all but the first no buffer is looked at, and a view counts by its element type, unless it is the
 * size of a call whose key has a buffer: that is the call as it will be made. */
typedef enum {
  CLLOSS__MAKE, /* the call */
  /* Its kernels, enqueued on the queue in the same numbers and sizes of work-groups, for which some drivers generate code
   * of their own, but with no rows, so that they touch nothing but workspace of the pool. */
  CLLOSS__COMPILE,
  CLLOSS__SIZE /* *bytes: the workspace that it needs */
} clloss__purpose;

typedef struct {
  clloss__purpose purpose;
  clloss_ctx *ctx;
  int pass;
  const void *arrays, *options; /* the caller's */
  cl_command_queue queue;
  cl_uint n_wait;
  const cl_event *wait;
  cl_event *done;
  size_t *bytes;
} clloss__ask;

/* What requests have in common. */
typedef struct {
  int pass;
  clloss__presence presence;
  bool untyped; /* nobody has said yet what its key view will hold: f32 for now */
  bool strided; /* one of the views that may be so is */
  bool
      odd; /* a buffer may begin elsewhere than at a multiple of 16 bytes: kernels of held rows have to ask */
  cl_ulong bound; /* the flags of the views that are there (clloss__use) */
  clloss__plan plan;
  size_t workspace_bytes;
  clloss__memory work; /* where that is for this call, from byte work_at on: known when launches are listed */
  size_t work_at;
  size_t local_bytes; /* local memory that kernels take beside the team's; 0: they have no such argument */
} clloss__request;

/* Whether a view of the request counts as bound. */
bool clloss__has(const clloss__request *request, const clloss_view *view);

/* Where something is, and how large it is. */
typedef struct {
  size_t at, bytes;
} clloss__part;

#define CLLOSS__PART(type, member) \
  { offsetof(type, member), sizeof(((type *)0)->member) }

/* A view by its name and its place in the arrays. */
typedef struct {
  const char *name;
  size_t at;
} clloss__named;

#define CLLOSS__NAMED(type, member) \
  { #member, offsetof(type, member) }

typedef struct {
  const char *name;   /* of its struct of arrays, in messages */
  const char *source; /* of its kernels */
  size_t request_bytes;
  /* In the request: the caller's structs; what kernels are told, and options in the type of their arithmetic, doubles
   * here, at most CLLOSS__SCALARS_MOST. No bytes of scalars: the kernels take none. */
  clloss__part arrays, options, args, scalars;
  /* In the arrays. An inner at 0 is none. A loss with a workspace, not at 0, reduces: it has a result of no rows as well. */
  size_t rows, classes, inner, workspace, last_view;
  /* The view whose element type kernels are compiled and numbers checked for, the first; one pass may have one of its own. */
  clloss__named key, other_key;
  int other_pass;      /* with other_key */
  const char *outputs; /* some of them, in words, for calls that bind none */
  struct {
    /* Checks options, and what else is the loss's own, and fills defaults in. Sizes and the key's type are right. */
    clloss_status (*check)(clloss_ctx *ctx, clloss__request *request);
    /* Writes down its views but the workspace, at most CLLOSS__USES_MOST - 1, in the order of the arrays' struct, and says
     * how many. */
    size_t (*views)(clloss__request *request, clloss__use *uses);
    /* Chooses the kernels and lays the workspace out: for the views as they are, or with a guess for what they may turn out
     * to be; the key's element type is the guessed one then. */
    void (*plan)(clloss_ctx *ctx, clloss__request *request, const clloss__guess *guess);
    /* Fills arguments and scalars, but for the views' places; says the types and lists the launches. Where nothing is made
     * (CLLOSS__TYPED) kernels are told of no rows and no views. */
    void (*launches)(clloss__request *request, clloss__call *call);
  } steps; /* in this order */
} clloss__loss;

/* What every description begins with: names, and the places of what has the same name in every loss. */
#define CLLOSS__DESCRIBE(loss, request, first, last)                                       \
  .name = #loss, .source = #loss ".cl", .request_bytes = sizeof(request),                  \
  .arrays = CLLOSS__PART(request, x), .options = CLLOSS__PART(request, o),                 \
  .args = CLLOSS__PART(request, args), .rows = offsetof(clloss_##loss, rows),              \
  .classes = offsetof(clloss_##loss, classes), .key = CLLOSS__NAMED(clloss_##loss, first), \
  .last_view = offsetof(clloss_##loss, last)

/* Makes the call, or what else is asked for. */
clloss_status clloss__call_run(const clloss__loss *loss, const clloss__ask *ask);

/* The beginning of it: reads the caller's structs and checks what can be checked without buffers, sizes, types, options.
 * The request is all 0. */
clloss_status clloss__call_read(const clloss__loss *loss, clloss__request *request, const clloss__ask *ask);

/* The end of it: the views' places, buffers and all other arguments of the launches that are listed. */
clloss_status clloss__call_submit(const clloss__loss *loss, clloss_ctx *ctx, clloss__request *request,
                                  clloss__call *call);

/* A loss's table of views, handed over. */
size_t clloss__list_uses(clloss__use *uses, const clloss__use *table, size_t n);

/* A line of it: `x` points to the arrays. */
#define CLLOSS__USE(which, field, how, types, n_rows, n_columns, ...)                                 \
  {                                                                                                   \
    .buffer = which, .name = #field, .view = &x->field, .role = how, .dtypes = types, .rows = n_rows, \
    .columns = n_columns, __VA_ARGS__                                                                 \
  }

/* What a pass does with the views that most losses have. */
typedef struct {
  clloss__role result;  /* an output beside the gradient … */
  clloss__role reduced; /* … that CLLOSS_NONE has none of */
  clloss__role stats;   /* what forward leaves to backward */
  clloss__role grad, grad_loss;
} clloss__roles;

clloss__roles clloss__roles_of(int pass, uint32_t reduction);

/* The type that a loss of such an input is computed in, and per-row results have. */
#define CLLOSS__REAL(dtype) ((dtype) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32)

/* A public call, whole: clloss_<loss>_<call>. */
#define CLLOSS__PUBLIC(loss, call, pass)                                                                     \
  clloss_status clloss_##loss##_##call(clloss_ctx *ctx, const clloss_##loss *arrays,                         \
                                       const clloss_##loss##_options *options, cl_command_queue queue,       \
                                       cl_uint n_wait, const cl_event *wait, cl_event *done) {               \
    return clloss__call_run(&clloss__##loss##_loss, &(clloss__ask){CLLOSS__MAKE, ctx, pass, arrays, options, \
                                                                   queue, n_wait, wait, done, NULL});        \
  }

/* clloss_<loss>_workspace: that of the fused call is enough for the others. */
#define CLLOSS__PUBLIC_WORKSPACE(loss)                                                             \
  clloss_status clloss_##loss##_workspace(clloss_ctx *ctx, const clloss_##loss *arrays,            \
                                          const clloss_##loss##_options *options, size_t *bytes) { \
    return clloss__call_run(&clloss__##loss##_loss, &(clloss__ask){.purpose = CLLOSS__SIZE,        \
                                                                   .ctx = ctx,                     \
                                                                   .pass = CLLOSS__FUSED,          \
                                                                   .arrays = arrays,               \
                                                                   .options = options,             \
                                                                   .bytes = bytes});               \
  }

#endif
