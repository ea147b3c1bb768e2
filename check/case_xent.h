/* Softmax cross-entropy as cases of the harness: xent_forward, xent_backward, xent_fused. */
#ifndef CLLOSS_CHECK_CASE_XENT_H
#define CLLOSS_CHECK_CASE_XENT_H

#include "case.h"

/* The arrays, by the names of the views of clloss_xent. */
/* clang-format off */
#define XENT_ARRAY_LIST(X) \
  X(LOGITS, logits) X(TARGETS, targets) X(CLASS_WEIGHT, class_weight) X(ROW_WEIGHT, row_weight) \
  X(GRAD_LOSS, grad_loss) X(DIVISOR, divisor) X(ROW_STATS, row_stats) X(LOSS, loss) \
  X(ROW_LOSS, row_loss) X(GRAD, grad) X(METRICS, metrics) X(COUNTS, counts) \
  X(PREDICTED, predicted) X(CONFIDENCE, confidence) X(ENTROPY, entropy) X(WORKSPACE, workspace)
/* clang-format on */

enum xent_array {
#define XENT_ARRAY_ENUM(name, field) XENT_##name,
  XENT_ARRAY_LIST(XENT_ARRAY_ENUM)
#undef XENT_ARRAY_ENUM
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
  XENT_CERTAIN, /* one class has 1 − p of the softmax, p log-uniform down to the type's end: mostly the target */
  XENT_MASK_LEADING,  /* the first five eighths of the classes are −inf, the target isn't */
  XENT_MASK_TRAILING, /* the last five eighths */
  XENT_MASK_OTHERS,   /* all but the target */
  XENT_MASK_TARGET,   /* the target and some others; loss +inf */
  XENT_MASK_ROW,      /* everything */
  XENT_NAN,           /* one NaN anywhere, perhaps at the target */
  XENT_POSITIVE_INF,  /* one +inf anywhere */
  XENT_BAD_TARGET, /* −1, classes, the type's extremes, and i64 values that are classes when cut to 32 bits */
  XENT_IGNORED_NAN, /* ignored rows hold NaN only; needs CLLOSS_IGNORE_INDEX */
  XENT_ALL_IGNORED, /* likewise */
  XENT_MIXED,       /* each row one of the above, but for the last two */
  XENT_FILLS
};

/* Outputs that aren't bound. Forward keeps row_loss where nothing would be left. */
enum { XENT_NO_LOSS = 1, XENT_NO_ROW_LOSS = 2, XENT_NO_ROW_STATS = 4 };

/* Views that are, beyond the usual. */
enum {
  XENT_WITH_CLASS_WEIGHT = 1,
  XENT_WITH_ROW_WEIGHT = 2,
  XENT_WITH_ONE_ROW_WEIGHT = 4, /* broadcast */
  XENT_WITH_DIVISOR = 8,
  XENT_WITH_METRICS = 16,
  XENT_WITH_COUNTS = 32,
  XENT_WITH_PREDICTED = 64,
  XENT_WITH_CONFIDENCE = 128,
  XENT_WITH_ENTROPY = 256
};

/* What the factors of losses and gradients are: of random numbers 0 to 2, some of them 0, times 2 to a power; or weights
 * that are all one number, which changes no mean. */
typedef struct xent_factors {
  bool constant;
  int class_weight, row_weight, upstream, divisor; /* powers of 2 */
} xent_factors;

/* All zero but rows and classes: f32, packed, the default options, i32 targets, no upstream gradient, out of
 * place, random data, the ctx's pool for workspace, the usual outputs bound. */
typedef struct xent_shape {
  CASE_LAYOUT;
  uint32_t dtype, grad_dtype,
      targets_dtype; /* 0: f32, that of the logits, i32. Reals are probabilities, but with CLLOSS_TARGET_INDICES */
  clloss_xent_options options; /* struct_size is the case's business */
  uint32_t with, without;      /* XENT_WITH_…, XENT_NO_… */
  enum xent_fill fill;
  enum xent_upstream upstream;
  bool in_place;
  xent_factors factors;
  bool workspace; /* the caller's own, */
  bool blind;     /* its size asked for with all views unbound */
} xent_shape;

extern const harness_case xent_forward_case, xent_backward_case, xent_fused_case, xent_divisor_case;
extern const harness_passes xent_passes;

enum { XENT_FORWARD, XENT_BACKWARD, XENT_FUSED, XENT_FINDS_DIVISOR }; /* harness_case.pass */

const char *xent_fill_name(enum xent_fill fill);

/* What the shape's zeros stand for. */
uint32_t xent_dtype(const xent_shape *s);
uint32_t xent_grad_dtype(const xent_shape *s);
uint32_t xent_targets_dtype(const xent_shape *s);
bool xent_has_probabilities(const xent_shape *s);

/* The options of the shape's calls: with their size, and flags that only say that something was meant. */
clloss_xent_options xent_options_of(const xent_shape *s);

/* Fills of case_xent_fill.c, from the seed alone. xent_fill makes every input but row_stats. xent_fill_rows
 * makes what stands in it for logits and class indices (of the type that the shape says; i32 where it has
 * probabilities). */
clloss_status xent_fill(const xent_shape *s, uint64_t seed, harness_data *d);
void xent_fill_rows(const xent_shape *s, uint64_t seed, float *logits, void *targets);

/* The class index of a row; 0 where there are probabilities. */
int64_t xent_target(const xent_shape *s, const void *targets, size_t row);

/* case_xent_ref.c: truth, plain and notes; and row_stats for a backward pass alone, the truth rounded. */
clloss_status xent_reference(const harness_case *c, const void *shape, harness_data *d);
clloss_status xent_divisor_reference(const harness_case *c, const void *shape, harness_data *d);
clloss_status xent_fill_row_stats(const xent_shape *s, harness_data *d);

/* What xent_reference notes about a row that has a softmax and a valid target, in f64; the formulas are in
 * case_xent_bound.c. */
typedef struct xent_note {
  bool valid;
  double max, log_sum, to_target; /* m, L, m − z_t */
  double spread, spread2;         /* Σ p |d|, Σ p d² with d = z − m */
  double gap, q;                  /* Σ q |d|, Σ q */
  double most;                    /* largest |z| of a class that isn't masked */
  double records;                 /* how often the running maximum grows */
  double class_weight, row_weight, upstream;
  double nearest, farthest; /* class indices between which rounding may put the maximum */
  bool top1, topk;          /* whether rounding may decide about the hit */
} xent_note;

typedef struct xent_notes {
  double divisor, z_divisor; /* 1 where nothing divides */
  double near_top1, near_topk;
  xent_note row[];
} xent_notes;

/* case_xent_bound.c */
void xent_bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                int array, size_t row, double *bound);
void xent_divisor_bound(const harness_case *c, const void *shape, const clloss_plan *plan,
                        const harness_data *d, int array, size_t row, double *bound);

/* z of a logit, in f64; and what smoothing leaves to the target, gives to a probability and to all classes.
 * */
double xent_z(const xent_shape *s, double x);
typedef struct xent_smoothing {
  double hard, q_scale, q_shift;
} xent_smoothing;
xent_smoothing xent_smoothing_of(const xent_shape *s);

/* How large what a q of class weight 1 is made of is: Megatron's ε can take q_scale below 0, and then nearly all of it cancels. */
double xent_q_size(xent_smoothing k, double t);

#endif
