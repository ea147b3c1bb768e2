/* The two layers, forward and backward. With z = x·W + b and the gradient dz of the loss with respect to z,
 *
 *   dW = xᵀ·dz    db = the columns' sums of dz    dx = dz·Wᵀ
 *
 * and the chain starts at clLoss's gradient with respect to the logits. The queue is in order, so each command sees
 * the results of those before it; no event is needed. */
#include "net.h"
#include "rng.h"
#include <stdlib.h>

/* The part of the view that starts `elements` later. */
static clloss_view at(clloss_view view, size_t elements) {
  view.offset += elements;
  return view;
}

/* c[m][n] = a·b, where a is [m][k], or [k][m] and transposed, and b is [k][n], or [n][k] and transposed. */
static bool multiply(net *n, bool transpose_a, clloss_view a, bool transpose_b, clloss_view b, clloss_view c,
                     size_t rows, size_t columns, size_t inner) {
  const CLBlastStatusCode status = CLBlastSgemm(
      CLBlastLayoutRowMajor, transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
      transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, rows, columns, inner, 1, a.mem, a.offset,
      transpose_a ? rows : inner, b.mem, b.offset, transpose_b ? inner : columns, 0, c.mem, c.offset, columns,
      &n->dev->queue, NULL);
  return blas_ok(status, "CLBlastSgemm");
}

static bool layer_forward(net *n, const layer *l, clloss_view x, clloss_view z, size_t rows, bool relu) {
  const clloss_view params = clloss_tensor_view(n->params);
  const cl_ulong bias = l->bias;
  const cl_uint with_relu = relu;
  return multiply(n, false, x, false, at(params, l->weights), z, rows, l->out, l->in) &&
         device_run(n->dev, n->add_bias, l->out, rows,
                    (kernel_arg[]){ARG(z.mem), ARG(params.mem), ARG(bias), ARG(with_relu), LAST_ARG});
}

/* dx without a buffer: nobody asks for the gradient of this layer's input. */
static bool layer_backward(net *n, const layer *l, clloss_view x, clloss_view dz, clloss_view dx,
                           size_t rows) {
  const clloss_view gradient = clloss_tensor_view(n->gradient);
  const cl_ulong bias = l->bias, n_rows = rows;
  return multiply(n, true, x, false, dz, at(gradient, l->weights), l->in, l->out, rows) &&
         device_run(n->dev, n->column_sums, l->out, 1,
                    (kernel_arg[]){ARG(dz.mem), ARG(n_rows), ARG(gradient.mem), ARG(bias), LAST_ARG}) &&
         (!dx.mem || multiply(n, false, dz, true, at(clloss_tensor_view(n->params), l->weights), dx, rows,
                              l->in, l->out));
}

static bool forward(net *n, clloss_view x, size_t rows) {
  const clloss_view hidden = clloss_tensor_view(n->hidden), logits = clloss_tensor_view(n->logits);
  return layer_forward(n, &n->first, x, hidden, rows, true) &&
         layer_forward(n, &n->second, hidden, logits, rows, false);
}

static clloss_xent mean_loss(const net *n, clloss_view targets, size_t rows, clloss_view loss) {
  return (clloss_xent){.struct_size = sizeof(clloss_xent),
                       .rows = rows,
                       .classes = n->second.out,
                       .logits = clloss_tensor_view(n->logits),
                       .targets = targets,
                       .loss = loss};
}

bool net_step(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss, float rate,
              float momentum) {
  const clloss_view hidden = clloss_tensor_view(n->hidden), dhidden = clloss_tensor_view(n->hidden_grad);
  const clloss_view params = clloss_tensor_view(n->params), gradient = clloss_tensor_view(n->gradient);
  const clloss_view velocity = clloss_tensor_view(n->velocity), dlogits = clloss_tensor_view(n->logits);

  clloss_xent xent = mean_loss(n, targets, rows, loss);
  xent.grad = xent.logits; /* in place: the logits themselves are not needed again */
  return forward(n, x, rows) &&
         loss_ok(clloss_xent_fused(n->ctx, &xent, NULL, n->dev->queue, 0, NULL, NULL), n->ctx, "the loss") &&
         layer_backward(n, &n->second, hidden, dlogits, dhidden, rows) &&
         device_run(n->dev, n->relu_backward, n->first.out, rows,
                    (kernel_arg[]){ARG(dhidden.mem), ARG(hidden.mem), LAST_ARG}) &&
         layer_backward(n, &n->first, x, dhidden, (clloss_view){0}, rows) &&
         device_run(n->dev, n->descend, n->n_params, 1,
                    (kernel_arg[]){ARG(params.mem), ARG(velocity.mem), ARG(gradient.mem), ARG(rate),
                                   ARG(momentum), LAST_ARG});
}

bool net_evaluate(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss,
                  clloss_view hits) {
  const clloss_view logits = clloss_tensor_view(n->logits);
  const clloss_xent xent = mean_loss(n, targets, rows, loss);
  const cl_uint classes = (cl_uint)n->second.out;
  const cl_int zero = 0;
  return forward(n, x, rows) &&
         loss_ok(clloss_xent_forward(n->ctx, &xent, NULL, n->dev->queue, 0, NULL, NULL), n->ctx,
                 "the loss") &&
         cl_ok(
             clEnqueueFillBuffer(n->dev->queue, hits.mem, &zero, sizeof zero, 0, sizeof zero, 0, NULL, NULL),
             "clEnqueueFillBuffer") &&
         device_run(n->dev, n->count_hits, rows, 1,
                    (kernel_arg[]){ARG(logits.mem), ARG(targets.mem), ARG(classes), ARG(hits.mem), LAST_ARG});
}

static bool tensor(net *n, clloss_tensor **out, size_t rows, size_t columns) {
  return loss_ok(clloss_tensor_create(out, n->ctx, CLLOSS_F32, rows, columns), n->ctx, "a tensor of the net");
}

static void random_weights(float *params, const layer *l, uint64_t *seed) {
  const double deviation = sqrt(2.0 / (double)l->in);
  for (size_t i = 0; i < l->in * l->out; i++) params[l->weights + i] = (float)(deviation * rng_normal(seed));
}

static bool start_values(net *n, uint64_t seed) {
  float *values = calloc(n->n_params, sizeof *values);
  if (!values) return cl_ok(CL_OUT_OF_HOST_MEMORY, "the first weights");
  bool good = loss_ok(clloss_tensor_upload(n->velocity, values, n->dev->queue, 0, NULL, NULL), n->ctx,
                      "upload");
  random_weights(values, &n->first, &seed);
  random_weights(values, &n->second, &seed);
  good = good &&
         loss_ok(clloss_tensor_upload(n->params, values, n->dev->queue, 0, NULL, NULL), n->ctx, "upload");
  free(values);
  return good;
}

bool net_create(net *n, device *dev, size_t inputs, size_t hidden, size_t classes, size_t max_rows,
                uint64_t seed) {
  *n = (net){.dev = dev, .first = {.in = inputs, .out = hidden}, .second = {.in = hidden, .out = classes}};
  n->first.bias = inputs * hidden;
  n->second.weights = n->first.bias + hidden;
  n->second.bias = n->second.weights + hidden * classes;
  n->n_params = n->second.bias + classes;
  return loss_ok(clloss_ctx_create(&n->ctx, dev->context, dev->id, NULL), NULL, "clloss_ctx_create") &&
         tensor(n, &n->params, n->n_params, 1) && tensor(n, &n->gradient, n->n_params, 1) &&
         tensor(n, &n->velocity, n->n_params, 1) && tensor(n, &n->hidden, max_rows, hidden) &&
         tensor(n, &n->hidden_grad, max_rows, hidden) && tensor(n, &n->logits, max_rows, classes) &&
         (n->add_bias = device_kernel(dev, "add_bias")) &&
         (n->relu_backward = device_kernel(dev, "relu_backward")) &&
         (n->column_sums = device_kernel(dev, "column_sums")) &&
         (n->descend = device_kernel(dev, "descend")) && (n->count_hits = device_kernel(dev, "count_hits")) &&
         start_values(n, seed);
}

void net_destroy(net *n) {
  clloss_tensor **tensors[] = {&n->params, &n->gradient,    &n->velocity,
                               &n->hidden, &n->hidden_grad, &n->logits};
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) clloss_tensor_destroy(tensors[i]);
  cl_kernel kernels[] = {n->add_bias, n->relu_backward, n->column_sums, n->descend, n->count_hits};
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
    if (kernels[i]) clReleaseKernel(kernels[i]);
  }
  clloss_ctx_destroy(&n->ctx);
}
