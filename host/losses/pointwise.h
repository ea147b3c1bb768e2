/* A call of an elementwise loss on its way from the caller's structs to the kernels' arguments. */
#ifndef CLLOSS_HOST_POINTWISE_H
#define CLLOSS_HOST_POINTWISE_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "../../kernels/pointwise/pointwise_args.clh"
#include "losses.h"
#include "runtime/plan.h"
#include "runtime/view.h"

enum { CLLOSS__POINTWISE_PASSES = 3 };

/* What CLLOSS_POINTWISE_LIST says of a kind. */
typedef struct {
  const char *name;
  uint32_t kind, traits;
  const char *kernels[2][CLLOSS__POINTWISE_PASSES]; /* lane and group */
} clloss__kind;

/* NULL for a number that is no kind. */
const clloss__kind *clloss__pointwise_kind(uint32_t kind);

typedef struct {
  int pass; /* CLLOSS__FORWARD … */
  clloss__presence presence;
  bool untyped; /* nobody has said yet what the input will be: f32 for now */
  const clloss__kind *kind;
  clloss_pointwise x;
  clloss_pointwise_options o; /* defaults filled in */
  bool in_place;
  clloss__plan plan;
  pointwise_args args;
  size_t workspace_bytes;
} clloss__pointwise;

/* Reads and checks the caller's structs, but for what needs buffers: sizes, types, options. r->presence is given. */
clloss_status clloss__pointwise_read(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                     const clloss_pointwise_options *options, clloss__pointwise *r);

/* Checks the views, workspace_bytes known. */
clloss_status clloss__pointwise_check_views(clloss_ctx *ctx, const clloss__pointwise *r);

#endif
