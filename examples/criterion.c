/* Cross-entropy is one call. The usual formula is a kernel of net.cl, and a sum over its rows. The squared error of probabilities p = softmax(z) takes three, and the last of them is
 * where its gradient goes: dz = p (dp − Σ dp p) has the factor p, so that the smaller the target's probability, the
 * smaller the gradient that could raise it. */
#include "criterion.h"

bool criterion_create(criterion *c, device *dev, criterion_kind kind, size_t classes, size_t max_rows) {
  *c = (criterion){.dev = dev, .kind = kind, .classes = classes};
  switch (kind) {
  case SQUARED_ERROR:
    return device_tensor(dev, &c->probs, CLLOSS_F32, max_rows, classes) &&
           device_tensor(dev, &c->probs_grad, CLLOSS_F32, max_rows, classes);
  case USUAL_FORMULA:
    return device_tensor(dev, &c->row_losses, CLLOSS_F32, max_rows, 1) &&
           (c->usual = device_kernel(dev, "usual_cross_entropy")) &&
           (c->sum = device_kernel(dev, "column_sums"));
  default: return true;
  }
}

void criterion_destroy(criterion *c) {
  clloss_tensor_destroy(&c->probs);
  clloss_tensor_destroy(&c->probs_grad);
  clloss_tensor_destroy(&c->row_losses);
  if (c->usual) clReleaseKernel(c->usual);
  if (c->sum) clReleaseKernel(c->sum);
}

static bool squared_error(criterion *c, clloss_view logits, clloss_view targets, size_t rows,
                          clloss_view loss, clloss_view grad) {
  const clloss_view probs = clloss_tensor_view(c->probs), probs_grad = clloss_tensor_view(c->probs_grad);
  const clloss_softmax softmax = {
      .struct_size = sizeof softmax, .rows = rows, .classes = c->classes, .input = logits, .output = probs};
  const clloss_pointwise squares = {.struct_size = sizeof squares,
                                    .rows = rows,
                                    .classes = c->classes,
                                    .kind = CLLOSS_MSE,
                                    .input = probs,
                                    .target = targets,
                                    .loss = loss,
                                    .grad = probs_grad};
  const clloss_pointwise_options per_row = {.struct_size = sizeof per_row, .reduction = CLLOSS_BATCHMEAN};
  const clloss_softmax back = {.struct_size = sizeof back,
                               .rows = rows,
                               .classes = c->classes,
                               .output = probs,
                               .grad_output = probs_grad,
                               .grad_input = grad};
  clloss_ctx *ctx = c->dev->ctx;
  cl_command_queue queue = c->dev->queue;
  return loss_ok(clloss_softmax_forward(ctx, &softmax, NULL, queue, 0, NULL, NULL), c->dev, "softmax") &&
         loss_ok(clloss_pointwise_fused(ctx, &squares, &per_row, queue, 0, NULL, NULL), c->dev, "MSE") &&
         loss_ok(clloss_softmax_backward(ctx, &back, NULL, queue, 0, NULL, NULL), c->dev, "softmax");
}

static bool usual_formula(criterion *c, clloss_view logits, clloss_view targets, size_t rows,
                          clloss_view loss, clloss_view grad) {
  const clloss_view row_losses = clloss_tensor_view(c->row_losses);
  const cl_ulong classes = c->classes, n_rows = rows, target = targets.offset, at = loss.offset;
  return device_run(c->dev, c->usual, rows, 1,
                    (kernel_arg[]){ARG(logits.mem), ARG(targets.mem), ARG(target), ARG(classes),
                                   ARG(row_losses.mem), ARG(grad.mem), LAST_ARG}) &&
         device_run(c->dev, c->sum, 1, 1,
                    (kernel_arg[]){ARG(row_losses.mem), ARG(n_rows), ARG(loss.mem), ARG(at), LAST_ARG});
}

static clloss_xent mean_of(const criterion *c, clloss_view logits, clloss_view targets, size_t rows) {
  return (clloss_xent){.struct_size = sizeof(clloss_xent),
                       .rows = rows,
                       .classes = c->classes,
                       .logits = logits,
                       .targets = targets};
}

/* Distributions for targets are said to be some: a buffer of reals could hold class indices as well. */
static clloss_xent_options options_of(clloss_view targets) {
  return (clloss_xent_options){.struct_size = sizeof(clloss_xent_options),
                               .flags = targets.dtype == CLLOSS_F32 ? CLLOSS_TARGET_PROBABILITIES : 0};
}

bool criterion_fused(criterion *c, clloss_view logits, clloss_view targets, size_t rows, clloss_view loss,
                     clloss_view grad) {
  if (c->kind == SQUARED_ERROR) return squared_error(c, logits, targets, rows, loss, grad);
  if (c->kind == USUAL_FORMULA) return usual_formula(c, logits, targets, rows, loss, grad);
  clloss_xent xent = mean_of(c, logits, targets, rows);
  xent.loss = loss;
  xent.grad = grad;
  const clloss_xent_options options = options_of(targets);
  return loss_ok(clloss_xent_fused(c->dev->ctx, &xent, &options, c->dev->queue, 0, NULL, NULL), c->dev,
                 "cross-entropy");
}

bool criterion_evaluate(criterion *c, clloss_view logits, clloss_view targets, size_t rows, clloss_view loss,
                        clloss_view counts) {
  clloss_xent xent = mean_of(c, logits, targets, rows);
  xent.loss = loss;
  xent.counts = counts;
  const clloss_xent_options options = options_of(targets);
  return loss_ok(clloss_xent_forward(c->dev->ctx, &xent, &options, c->dev->queue, 0, NULL, NULL), c->dev,
                 "the counts");
}
