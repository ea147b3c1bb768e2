/* Elementwise losses as cases of the harness: pointwise_forward, pointwise_backward, pointwise_fused. */
#ifndef CLLOSS_CHECK_CASE_POINTWISE_H
#define CLLOSS_CHECK_CASE_POINTWISE_H

#include "case.h"

/* The arrays, by the names of the views of clloss_pointwise. */
/* clang-format off */
#define POINTWISE_ARRAY_LIST(X) \
  X(INPUT, input) X(TARGET, target) X(WEIGHT, weight) X(POS_WEIGHT, pos_weight) \
  X(GRAD_LOSS, grad_loss) X(LOSS, loss) X(ELEMENT_LOSS, element_loss) X(GRAD, grad) \
  X(COUNTS, counts) X(WORKSPACE, workspace)
/* clang-format on */

enum pointwise_array {
#define POINTWISE_ARRAY_ENUM(name, field) POINTWISE_##name,
  POINTWISE_ARRAY_LIST(POINTWISE_ARRAY_ENUM)
#undef POINTWISE_ARRAY_ENUM
};

/* How a matrix that may broadcast is given. */
enum pointwise_spread {
  POINTWISE_UNBOUND,
  POINTWISE_WHOLE,
  POINTWISE_ONE,     /* CLLOSS_BROADCAST; an upstream gradient of a reduced loss has no flag */
  POINTWISE_ROWS,    /* CLLOSS_BROADCAST_ROWS */
  POINTWISE_CLASSES, /* CLLOSS_BROADCAST_CLASSES */
  POINTWISE_SPREADS
};

/* What stands in input and target, by kind in case_pointwise_kinds.c. */
enum pointwise_fill {
  POINTWISE_RANDOM,
  POINTWISE_LIMITS, /* among it the ends of the kind's domain: infinite logits, probabilities 0 and 1, x = y */
  POINTWISE_NAN,    /* among it NaN, in input and target */
  POINTWISE_FAULTS, /* among it probabilities outside their range, where the kind has such */
  POINTWISE_FILLS
};

/* Outputs that aren't bound (forward keeps element_loss where nothing would be left), and counts that are. */
enum { POINTWISE_NO_LOSS = 1, POINTWISE_NO_ELEMENT_LOSS = 2, POINTWISE_WITH_COUNTS = 4 };

/* Of the layout, inner, class_pad and row_pad have no meaning. All zero but rows, classes and kind: f32, packed, the default options, nothing optional bound, random data. */
typedef struct pointwise_shape {
  CASE_LAYOUT;
  uint32_t kind;
  uint32_t dtype, target_dtype, grad_dtype; /* 0: f32, and the input's */
  clloss_pointwise_options options;         /* struct_size is the case's business */
  enum pointwise_fill fill;
  enum pointwise_spread weight, upstream;
  bool pos_weight, zero_weights;
  int weight_power, upstream_power; /* of 2, which these are multiplied by */
  uint32_t outputs;                 /* POINTWISE_NO_… */
  bool in_place;
  bool workspace; /* the caller's own, */
  bool blind;     /* its size asked for with all views unbound */
} pointwise_shape;

extern const harness_case pointwise_forward_case, pointwise_backward_case, pointwise_fused_case;
extern const harness_passes pointwise_passes;

enum { POINTWISE_FORWARD, POINTWISE_BACKWARD, POINTWISE_FUSED }; /* harness_case.pass */

/* What the shape's zeros stand for. */
uint32_t pointwise_dtype(const pointwise_shape *s);
uint32_t pointwise_target_dtype(const pointwise_shape *s);
uint32_t pointwise_grad_dtype(const pointwise_shape *s);
uint32_t pointwise_real(const pointwise_shape *s); /* f32 or f64 */

/* Elements from row to row and class to class of a matrix that is spread so and stored packed. */
typedef struct pointwise_strides {
  size_t row, column;
} pointwise_strides;
pointwise_strides pointwise_strides_of(const pointwise_shape *s, enum pointwise_spread spread);

/* case_pointwise_ref.c: the inputs, truth and plain, and the bound. */
clloss_status pointwise_fill(const pointwise_shape *s, uint64_t seed, harness_data *d);
clloss_status pointwise_reference(const harness_case *c, const void *shape, harness_data *d);
void pointwise_bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                     int array, size_t row, double *bound);

/* ---- case_pointwise_kinds.c: what differs from kind to kind ---- */

/* Draws input and target of one element. */
void pointwise_draw(const pointwise_shape *s, uint64_t *state, double *x, double *y);

/* What rounding may cost an element's loss and derivative before its weight, in units of the arithmetic's u; and how
 * often something that underflows, 2^-126 in f32, may be in them. x and y are exact and finite. */
typedef struct pointwise_error {
  double loss, grad, lost;
} pointwise_error;
pointwise_error pointwise_error_of(const pointwise_shape *s, double x, double y, double pos_weight);

#endif
