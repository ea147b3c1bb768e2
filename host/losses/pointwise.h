/* A call of an elementwise loss on its way from the caller's structs to the kernels' arguments. */
#ifndef CLLOSS_HOST_POINTWISE_H
#define CLLOSS_HOST_POINTWISE_H

#include <clloss/clloss.h>

#include "../../kernels/pointwise/pointwise_args.clh"
#include "losses.h"

/* What CLLOSS_POINTWISE_LIST says of a kind. */
typedef struct {
  const char *name;
  uint32_t kind, traits;
  const char *kernels[CLLOSS__FUSED + 1]; /* by pass; their variant is the team */
} clloss__kind;

/* NULL for a number that is no kind. */
const clloss__kind *clloss__pointwise_kind(uint32_t kind);

typedef struct {
  clloss__request head;
  const clloss__kind *kind;
  clloss_pointwise x;
  clloss_pointwise_options o; /* defaults filled in */
  bool in_place;
  pointwise_args args;
  POINTWISE_SCALARS(cl_double) scalars;
} clloss__pointwise;

/* Of the description (call.h). */
clloss_status clloss__pointwise_check(clloss_ctx *ctx, clloss__request *request);
size_t clloss__pointwise_views(clloss__request *request, clloss__use *uses);

#endif
