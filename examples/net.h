/* A classifier of two layers, logits = relu(x·W1 + b1)·W2 + b2, that lives on the device: parameters, activations
 * and gradients are clLoss tensors, the matrix products are CLBlast's, loss and gradient are clLoss's, and the rest is
 * in net.cl. Every call returns as soon as its kernels are enqueued; nothing is read back in here. */
#ifndef NET_H
#define NET_H

#include "device.h"

/* A layer's place in the flat arrays of parameters and of their gradients. */
typedef struct layer {
  size_t in, out;
  size_t weights; /* offset of W[in][out] */
  size_t bias;    /* offset of b[out] */
} layer;

typedef struct net {
  device *dev;
  clloss_ctx *ctx;
  layer first, second;
  size_t n_params;
  clloss_tensor *params, *gradient, *velocity;  /* [n_params]: W1, b1, W2, b2 */
  clloss_tensor *hidden, *logits, *hidden_grad; /* [max_rows][…]; the logits' gradient replaces the logits */
  cl_kernel add_bias, relu_backward, column_sums, descend, count_hits;
} net;

/* W starts at random after He et al. 2015 (variance 2 / in), b and the velocity at 0. False, with a line on stderr, on
 * failure; either way the net is to be destroyed. */
bool net_create(net *n, device *dev, size_t inputs, size_t hidden, size_t classes, size_t max_rows,
                uint64_t seed);
void net_destroy(net *n);

/* One step of training on x[rows][inputs] and targets[rows]: forward, loss, backward, update. The mean loss before the
 * update goes to loss[1]. */
bool net_step(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss, float rate,
              float momentum);

/* The mean loss of the rows to loss[1], and how many of them are classified right to hits[1] (i32). */
bool net_evaluate(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss,
                  clloss_view hits);

#endif
