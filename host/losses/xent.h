/* A call of softmax cross-entropy on its way from the caller's structs to the kernels' arguments. */
#ifndef CLLOSS_HOST_XENT_H
#define CLLOSS_HOST_XENT_H

#include <clloss/clloss.h>

#include "../../kernels/xent/xent_args.clh"
#include "losses.h"

typedef struct {
  clloss__request head;
  clloss_xent x;         /* inner at least 1 */
  clloss_xent_options o; /* defaults filled in */
  bool probabilities, in_place, has_divisor, no_logits;
  size_t scratch_bytes; /* local memory for a row's exps; 0: they don't fit, or nobody would keep them */
  xent_args args;
  XENT_SCALARS(cl_double) scalars;
} clloss__xent;

/* Of the description (call.h). */
clloss_status clloss__xent_check(clloss_ctx *ctx, clloss__request *request);
size_t clloss__xent_views(clloss__request *request, clloss__use *uses);

/* Chooses the kernels and lays the workspace out for the whole of the rows. */
void clloss__xent_plan(clloss_ctx *ctx, clloss__xent *r);

/* Part of a call that goes over its rows in several, all from one plan. r's views and rows are the part's; the
 * workspace, and so the tallies and sums in it, is the whole call's. Without a queue its kernels are prepared alone. */
typedef enum { CLLOSS__WEIGH, CLLOSS__ROWS, CLLOSS__FINISH, CLLOSS__STEPS } clloss__xent_step;

clloss_status clloss__xent_run_part(clloss_ctx *ctx, clloss__xent *r, clloss__xent_step step,
                                    size_t first_row, cl_command_queue queue);

/* Derives the kernels' flags from the views that are bound, for the two questions below. */
void clloss__xent_note_flags(clloss__xent *r);

/* Whether the whole call has to weigh its rows before the first, and to finish after the last. */
bool clloss__xent_weighs(const clloss__xent *r);
bool clloss__xent_reduces(const clloss__xent *r);

#endif
