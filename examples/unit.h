/* A logistic unit of two classes: its logits are [0, x], x = weights · inputs, so that softmax gives the second class
 * the probability 1 / (1 + exp(−x)). A bias is an input that is always 1. Every call returns as soon as its kernels are
 * enqueued. */
#ifndef UNIT_H
#define UNIT_H

#include "criterion.h"

typedef struct unit {
  device *dev;
  criterion criterion;
  size_t inputs;
  clloss_tensor *weights, *gradient;   /* [inputs] */
  clloss_tensor *logits, *logits_grad; /* [max_rows][2] */
} unit;

/* Copies the first weights. False, with a line on stderr, on failure; either way the unit is to be destroyed. */
bool unit_create(unit *u, device *dev, size_t inputs, size_t max_rows, criterion_kind kind,
                 const float *weights);
void unit_destroy(unit *u);

/* As net_gradient, net_descend (without momentum) and net_evaluate (without the loss). */
bool unit_gradient(unit *u, clloss_view x, clloss_view targets, size_t rows, clloss_view loss);
bool unit_descend(unit *u, float rate);
bool unit_evaluate(unit *u, clloss_view x, clloss_view targets, size_t rows, clloss_view counts);

#endif
