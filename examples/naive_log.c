/* In exact arithmetic the three agree: loss log(1 + exp(margin)), gradient p − 1. In f32 the probability of the right
 * class is 0 from a margin of 88 (104 where the device keeps denormals): then −log p = inf, 1 / p = inf, and the softmax's
 * backward multiplies that by p = 0. The fused loss never forms p: max − x_t + log Σ exp(x − max). */
#include "naive_log.h"
#include <math.h>
#include <stdlib.h>

enum { CLASSES = 2, RIGHT = 1 };
static const float clip = 1e-10f;

/* [n][CLASSES] each, but row_loss [n]. */
typedef struct buffers {
  clloss_tensor *logits, *targets, *probs, *dprobs, *dlogits, *row_loss;
} buffers;

static bool fused(device *dev, const buffers *b, float *rows, mistake *mistakes, size_t n) {
  const clloss_xent xent = {.struct_size = sizeof xent,
                            .rows = n,
                            .classes = CLASSES,
                            .logits = clloss_tensor_view(b->logits),
                            .targets = clloss_tensor_view(b->targets),
                            .row_loss = clloss_tensor_view(b->row_loss),
                            .grad = clloss_tensor_view(b->dlogits)};
  const clloss_xent_options none = {
      .struct_size = sizeof none, .reduction = CLLOSS_NONE, .flags = CLLOSS_TARGET_PROBABILITIES};
  if (!loss_ok(clloss_xent_fused(dev->ctx, &xent, &none, dev->queue, 0, NULL, NULL), dev, "cross-entropy") ||
      !device_download(dev, b->row_loss, rows))
    return false;
  for (size_t i = 0; i < n; i++) mistakes[i].loss[FUSED] = rows[i];
  if (!device_download(dev, b->dlogits, rows)) return false;
  for (size_t i = 0; i < n; i++) mistakes[i].grad[FUSED] = rows[i * CLASSES + RIGHT];
  return true;
}

/* Through probs, which hold the softmax already. */
static bool through_log(device *dev, const buffers *b, way w, float *rows, mistake *mistakes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const float p = mistakes[i].p, floor = w == CLIPPED ? clip : 0;
    mistakes[i].loss[w] = -logf(p > floor ? p : floor);
    rows[i * CLASSES] = 0;
    rows[i * CLASSES + RIGHT] = p >= floor ? -1 / p : 0;
  }
  const clloss_softmax back = {.struct_size = sizeof back,
                               .rows = n,
                               .classes = CLASSES,
                               .output = clloss_tensor_view(b->probs),
                               .grad_output = clloss_tensor_view(b->dprobs),
                               .grad_input = clloss_tensor_view(b->dlogits)};
  if (!device_upload(dev, b->dprobs, rows) ||
      !loss_ok(clloss_softmax_backward(dev->ctx, &back, NULL, dev->queue, 0, NULL, NULL), dev, "softmax") ||
      !device_download(dev, b->dlogits, rows))
    return false;
  for (size_t i = 0; i < n; i++) mistakes[i].grad[w] = rows[i * CLASSES + RIGHT];
  return true;
}

static bool softmax(device *dev, const buffers *b, float *rows, mistake *mistakes, size_t n) {
  const clloss_softmax forward = {.struct_size = sizeof forward,
                                  .rows = n,
                                  .classes = CLASSES,
                                  .input = clloss_tensor_view(b->logits),
                                  .output = clloss_tensor_view(b->probs)};
  if (!loss_ok(clloss_softmax_forward(dev->ctx, &forward, NULL, dev->queue, 0, NULL, NULL), dev, "softmax") ||
      !device_download(dev, b->probs, rows))
    return false;
  for (size_t i = 0; i < n; i++) mistakes[i].p = rows[i * CLASSES + RIGHT];
  return true;
}

static bool fill(device *dev, const buffers *b, float *rows, const mistake *mistakes, size_t n) {
  for (size_t i = 0; i < n; i++) rows[i * CLASSES + RIGHT] = 1;
  if (!device_upload(dev, b->targets, rows)) return false;
  for (size_t i = 0; i < n; i++) rows[i * CLASSES + RIGHT] = -mistakes[i].margin;
  return device_upload(dev, b->logits, rows);
}

bool naive_log_measure(device *dev, mistake *mistakes, size_t n) {
  buffers b = {0};
  clloss_tensor **matrices[] = {&b.logits, &b.targets, &b.probs, &b.dprobs, &b.dlogits};
  const size_t n_matrices = sizeof matrices / sizeof matrices[0];
  float *rows = calloc(n * CLASSES, sizeof *rows);
  bool good = rows || cl_ok(CL_OUT_OF_HOST_MEMORY, "the confident mistakes");
  for (size_t i = 0; i < n_matrices && good; i++)
    good = device_tensor(dev, matrices[i], CLLOSS_F32, n, CLASSES);
  good = good && device_tensor(dev, &b.row_loss, CLLOSS_F32, n, 1) && fill(dev, &b, rows, mistakes, n) &&
         softmax(dev, &b, rows, mistakes, n) && through_log(dev, &b, NAIVE, rows, mistakes, n) &&
         through_log(dev, &b, CLIPPED, rows, mistakes, n) && fused(dev, &b, rows, mistakes, n);
  for (size_t i = 0; i < n_matrices; i++) clloss_tensor_destroy(matrices[i]);
  clloss_tensor_destroy(&b.row_loss);
  free(rows);
  return good;
}
