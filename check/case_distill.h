/* Distillation as cases of the harness: distill_forward, distill_backward, distill_fused. */
#ifndef CLLOSS_CHECK_CASE_DISTILL_H
#define CLLOSS_CHECK_CASE_DISTILL_H

#include "case.h"

/* The arrays, by the names of the views of clloss_distill. */
/* clang-format off */
#define DISTILL_ARRAY_LIST(X) \
  X(STUDENT, student) X(TEACHER, teacher) X(ROW_WEIGHT, row_weight) X(GRAD_LOSS, grad_loss) \
  X(DIVISOR, divisor) X(ROW_STATS, row_stats) X(LOSS, loss) X(ROW_LOSS, row_loss) X(GRAD, grad) \
  X(WORKSPACE, workspace)
/* clang-format on */

enum distill_array {
#define DISTILL_ARRAY_ENUM(name, field) DISTILL_##name,
  DISTILL_ARRAY_LIST(DISTILL_ARRAY_ENUM)
#undef DISTILL_ARRAY_ENUM
};

/* What stands in the rows; where it isn't said random numbers of both signs, each row of its own magnitude. */
enum distill_fill {
  DISTILL_RANDOM,
  DISTILL_NEAR,           /* the student is the teacher and a little noise */
  DISTILL_SAME,           /* the student is the teacher */
  DISTILL_CERTAIN,        /* one class has nearly all of both, or of each */
  DISTILL_SIXTEENTHS,     /* whole sixteenths within ±8: exact with 1e6 added */
  DISTILL_SIXTEENTHS_1E6, /* the same with 1e6 added to the student's */
  DISTILL_RISING,         /* both maxima come last: every block carries the sums over */
  DISTILL_MASK_TEACHER,   /* the teacher masks the first five eighths of the classes, which cost nothing */
  DISTILL_MASK_BOTH,      /* both do */
  DISTILL_MASK_STUDENT, /* the student masks classes that the teacher doesn't, some far below its maximum: +inf */
  DISTILL_MASK_FAR, /* one class, among the first five eighths, which lie far below the teacher's others: +inf */
  DISTILL_MASK_ROW,     /* everything in one of the two */
  DISTILL_NAN,          /* one NaN in one of the two */
  DISTILL_POSITIVE_INF, /* one +inf in one of the two */
  DISTILL_MIXED,        /* each row one of the above */
  DISTILL_FILLS
};

/* Upstream gradient: unbound, one value (broadcast where the reduction is none), or one per row. */
enum distill_upstream { DISTILL_UPSTREAM_NONE, DISTILL_UPSTREAM_ONE, DISTILL_UPSTREAM_ROWS };

enum {
  DISTILL_WITH_ROW_WEIGHT = 1,
  DISTILL_WITH_ONE_ROW_WEIGHT = 2,
  DISTILL_WITH_DIVISOR = 4,
  DISTILL_WEIGHTS_0 = 8 /* of sum 0 */
};

/* Outputs that aren't bound. Forward keeps row_loss where nothing would be left. */
enum { DISTILL_NO_LOSS = 1, DISTILL_NO_ROW_LOSS = 2, DISTILL_NO_ROW_STATS = 4 };

/* All zero but rows and classes: f32, packed, the default options, no upstream gradient, out of place, random data, the
 * ctx's pool for workspace, the usual outputs bound. */
typedef struct distill_shape {
  CASE_LAYOUT;
  uint32_t dtype, teacher_dtype, grad_dtype; /* 0: f32, the student's, the student's */
  clloss_distill_options options;            /* struct_size is the case's business */
  uint32_t with, without;                    /* DISTILL_WITH_…, DISTILL_NO_… */
  enum distill_fill fill;
  enum distill_upstream upstream;
  bool in_place;
  bool workspace; /* the caller's own, */
  bool blind;     /* its size asked for with all views unbound */
} distill_shape;

extern const harness_case distill_forward_case, distill_backward_case, distill_fused_case;
extern const harness_passes distill_passes;

enum { DISTILL_FORWARD, DISTILL_BACKWARD, DISTILL_FUSED }; /* harness_case.pass */

/* What the shape's zeros stand for. */
uint32_t distill_dtype(const distill_shape *s);
uint32_t distill_real(const distill_shape *s);
double distill_temperature(const distill_shape *s);
double distill_factor(const distill_shape *s); /* temperature², or 1 */

/* What the reference notes about a row, in f64, for the bound. d = (x − m) / temperature, a = |d_t| + |d_s|. */
typedef struct distill_half {
  bool valid;             /* has a softmax */
  double max, log_sum, h; /* m, L, Σ p |d| */
  double records;         /* how often the running maximum grows */
} distill_half;

typedef struct distill_note {
  distill_half student, teacher;
  double away, away2;      /* Σ p_t a, Σ p_t a |d_t|, over classes that neither masks */
  double lost;             /* Σ 1 + a over those classes */
  double weight, upstream; /* of the row */
  double divergence;       /* truth */
} distill_note;

typedef struct distill_notes {
  double divisor; /* 1 where nothing divides */
  distill_note row[];
} distill_notes;

/* case_distill_ref.c */
clloss_status distill_fill_all(const distill_shape *s, int pass, uint64_t seed, harness_data *d);
clloss_status distill_reference(const harness_case *c, const void *shape, harness_data *d);

/* case_distill_bound.c */
void distill_bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                   int array, size_t row, double *bound);

#endif
