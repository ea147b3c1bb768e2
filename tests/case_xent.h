/* Softmax cross-entropy as cases of the harness: xent_forward, xent_backward, xent_fused. */
#ifndef CLLOSS_TESTS_CASE_XENT_H
#define CLLOSS_TESTS_CASE_XENT_H

#include "harness.h"

enum xent_array {
  XENT_LOGITS,
  XENT_TARGETS,
  XENT_GRAD_LOSS,
  XENT_ROW_STATS,
  XENT_LOSS,
  XENT_ROW_LOSS,
  XENT_GRAD,
  XENT_WORKSPACE
};

/* Upstream gradient: unbound, one value (broadcast where the reduction is none), or one per row. */
enum xent_upstream { XENT_UPSTREAM_NONE, XENT_UPSTREAM_ONE, XENT_UPSTREAM_ROWS };

/* What stands in the rows. Where it isn't said, targets are classes and logits random numbers of both
 * signs, each row of its own magnitude between 0.1 and 100. */
enum xent_fill {
  XENT_RANDOM,
  XENT_HUGE,           /* up to ±1e4 */
  XENT_EQUAL,          /* one value throughout the row */
  XENT_SIXTEENTHS,     /* whole sixteenths within ±8: exact with 1e6 added */
  XENT_SIXTEENTHS_1E6, /* the same with 1e6 added */
  XENT_RISING,         /* the maximum comes last: every block of an online maximum rescales */
  XENT_MASK_LEADING,   /* the first five eighths of the classes are −inf, the target isn't */
  XENT_MASK_TRAILING,  /* the last five eighths */
  XENT_MASK_OTHERS,    /* all but the target */
  XENT_MASK_TARGET,    /* the target and some others; loss +inf */
  XENT_MASK_ROW,       /* everything */
  XENT_NAN,            /* one NaN anywhere, perhaps at the target */
  XENT_POSITIVE_INF,   /* one +inf anywhere */
  XENT_BAD_TARGET, /* −1, classes, the type's extremes, and i64 values that are classes when cut to 32 bits */
  XENT_IGNORED_NAN, /* ignored rows hold NaN only; needs `ignore` */
  XENT_ALL_IGNORED, /* needs `ignore` */
  XENT_MIXED,       /* each row one of the above, but for the last two */
  XENT_FILLS
};

/* Outputs that aren't bound. Forward keeps row_loss where nothing would be left. */
enum { XENT_NO_LOSS = 1, XENT_NO_ROW_LOSS = 2, XENT_NO_ROW_STATS = 4 };

/* All zero but rows and classes: packed, mean, i32 targets, no upstream gradient, out of place, random
 * data, the ctx's pool for workspace, every output bound. */
typedef struct xent_shape {
  size_t rows, classes;
  uint32_t reduction;
  enum xent_fill fill;
  enum xent_upstream upstream;
  uint32_t without; /* XENT_NO_… */
  bool targets_i64;
  bool ignore; /* a fifth of the rows have the target ignore_index */
  int64_t ignore_index;
  bool in_place;
  bool workspace; /* the caller's own */
  size_t offset;  /* elements before the first of every array; a workspace rounds it up to 8 */
  size_t pad;     /* elements between rows of logits and grad */
  size_t row_pad; /* the same of everything that has one value or pair per row */
} xent_shape;

extern const harness_case xent_forward_case, xent_backward_case, xent_fused_case;
extern const harness_passes xent_passes;

const char *xent_fill_name(enum xent_fill fill);

/* Fills of case_xent_fill.c: logits and targets (of the type that the shape says) from the seed, and the
 * upstream gradient. */
void xent_fill_rows(const xent_shape *s, uint64_t seed, float *logits, void *targets);
void xent_fill_upstream(const xent_shape *s, uint64_t seed, float *grad_loss);
int64_t xent_target(const xent_shape *s, const void *targets, size_t row);

#endif
