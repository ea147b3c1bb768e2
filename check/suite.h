/* What `clloss check` goes over: for each loss and element type a list of points, each a shape whose passes are run and
 * judged by the harness. The shapes are chosen so that every kernel family that a device's plan can give is met: few
 * classes, more than a tile, more than L1's rows, a class axis in the middle, and a row that is worth splitting. */
#ifndef CLLOSS_CHECK_SUITE_H
#define CLLOSS_CHECK_SUITE_H

#include "case.h"

/* The parts of the suite: each has programs of its own, so that one that can't be compiled spoils no other. Those
 * that compile fastest come first. */
enum {
  SUITE_SOFTMAX,
  SUITE_INFORMATION,
  SUITE_CAST,
  SUITE_XENT,
  SUITE_DISTILL,
  SUITE_POINTWISE,
  SUITE_LOSSES
};
enum { SUITE_TYPES = 4, SUITE_FAMILY = 24 };

extern const uint32_t suite_types[SUITE_TYPES]; /* f32 first, f64 last */
const char *suite_loss_name(int loss);

typedef struct suite_point {
  size_t number;                /* from 0, in its list */
  const char *loss;             /* "xent", "log-softmax", "mse" */
  const harness_passes *passes; /* forward, backward and fused, unless it is fused alone; or NULL, and */
  const harness_case *one;      /* one pass alone */
  const void *shape;
  harness_plan plan; /* overrides; zeros leave the choice to the plan */
  bool in_place, updates /* grad_beta */,
      walks /* may walk along: what of it keeps it from that isn't asked for */;
  bool fused_alone;
  uint64_t seed;
} suite_point;

/* What is gone over. */
typedef struct suite {
  int loss;
  uint32_t dtype;
  bool full; /* every family by overrides too, more shapes, more pairs of types */
  uint64_t seed;
  size_t local_most; /* of the device: overrides that it can't run are left out */
} suite;

/* Calls visit for each point. The list depends on *s alone. */
typedef void suite_visit(void *user, const suite_point *point);
void suite_points(const suite *s, suite_visit *visit, void *user);

/* The case that stands for a point: its fused pass, or the one. */
const harness_case *suite_case(const suite_point *point);

/* The kernels that the point gets on a ctx, as clloss_plan.variant names them. */
clloss_status suite_family(const suite_point *point, clloss_ctx *ctx, char family[SUITE_FAMILY]);

/* Runs it. True where nothing fired. */
bool suite_run(const harness_device *device, clloss_ctx *ctx, const suite_point *point,
               harness_result *result);

#endif
