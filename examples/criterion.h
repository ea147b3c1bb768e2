/* What a classifier is trained to make small: a loss of its logits, with the gradient that training starts from. Calls
 * return as soon as their kernels are enqueued. */
#ifndef CRITERION_H
#define CRITERION_H

#include "device.h"

typedef enum criterion_kind {
  CROSS_ENTROPY, /* −log p of the target, the mean over the rows; nats */
  SQUARED_ERROR, /* Σ (p − t)² over the classes, the mean over the rows (Brier 1950): 0 … 2 */
  USUAL_FORMULA, /* cross-entropy again, in f32 as most libraries have it: net.cl has it written out */
} criterion_kind;

typedef struct criterion {
  device *dev;
  criterion_kind kind;
  size_t classes;
  clloss_tensor *probs, *probs_grad; /* [max_rows][classes], of the squared error alone */
  clloss_tensor *row_losses;         /* [max_rows], of the usual formula alone, as are the kernels */
  cl_kernel usual, sum;
} criterion;

/* False, with a line on stderr, on failure; either way the criterion is to be destroyed. */
bool criterion_create(criterion *c, device *dev, criterion_kind kind, size_t classes, size_t max_rows);
void criterion_destroy(criterion *c);

/* Loss to loss[1], gradient with respect to the logits to grad, which may be the logits. Targets are one-hot f32, packed
 * class indices (i32) for the usual formula, and either for cross-entropy. */
bool criterion_fused(criterion *c, clloss_view logits, clloss_view targets, size_t rows, clloss_view loss,
                     clloss_view grad);

/* Whatever the kind: cross-entropy to loss[1] unless that is unbound, and the rows' counts to counts[CLLOSS_COUNTS]. */
bool criterion_evaluate(criterion *c, clloss_view logits, clloss_view targets, size_t rows, clloss_view loss,
                        clloss_view counts);

#endif
