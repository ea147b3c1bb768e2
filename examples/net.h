/* A classifier of two layers, logits = relu(x·W1 + b1)·W2 + b2, that lives on the device: parameters, activations
 * and gradients are clLoss tensors, the matrix products are CLBlast's, the loss is the criterion's, and the rest is in
 * net.cl. Every call returns as soon as its kernels are enqueued; nothing is read back in here. */
#ifndef NET_H
#define NET_H

#include "criterion.h"

/* A layer's place in the flat arrays of parameters and of their gradients. */
typedef struct layer {
  size_t in, out;
  size_t weights; /* offset of W[in][out] */
  size_t bias;    /* offset of b[out] */
} layer;

typedef struct net {
  device *dev;
  criterion criterion;
  layer first, second;
  size_t n_params;
  clloss_tensor *params, *gradient, *velocity;  /* [n_params]: W1, b1, W2, b2 */
  clloss_tensor *hidden, *logits, *hidden_grad; /* [max_rows][…]; the logits' gradient replaces the logits */
  cl_kernel add_bias, relu_backward, column_sums, descend, descend_evenly;
} net;

/* W starts at random after He et al. 2015 (variance 2 / in), b and the velocity at 0. False, with a line on stderr, on
 * failure; either way the net is to be destroyed. */
bool net_create(net *n, device *dev, size_t inputs, size_t hidden, size_t classes, size_t max_rows,
                criterion_kind kind, uint64_t seed);
void net_destroy(net *n);

/* The mean loss of x[rows][inputs] to loss[1], and its gradient with respect to the parameters to n->gradient; n->logits
 * hold that with respect to the logits then. */
bool net_gradient(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss);

/* A step against n->gradient; and one against n->gradient / length[0], so that without momentum each step is as long as
 * the rate says, however short gradients become. A length of 0 adds nothing to the momentum. */
bool net_descend(net *n, float rate, float momentum);
bool net_descend_evenly(net *n, clloss_view length, float rate, float momentum);

/* The rows' mean cross-entropy to loss[1] unless that is unbound, and their counts (CLLOSS_COUNT_TOP1: how many are
 * classified right) to counts[CLLOSS_COUNTS], i64. */
bool net_evaluate(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss,
                  clloss_view counts);

#endif
