/* The two layers, forward and backward. With z = x·W + b and the gradient dz of the loss with respect to z,
 *
 *   dW = xᵀ·dz    db = the columns' sums of dz    dx = dz·Wᵀ
 *
 * and the chain starts at the criterion's gradient with respect to the logits. The queue is in order, so each command sees
 * the results of those before it; no event is needed. */
#include "net.h"
#include "rng.h"
#include <stdlib.h>

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
  return multiply(n, false, x, false, view_at(params, l->weights), z, rows, l->out, l->in) &&
         device_run(n->dev, n->add_bias, l->out, rows,
                    (kernel_arg[]){ARG(z.mem), ARG(params.mem), ARG(bias), ARG(with_relu), LAST_ARG});
}

/* dx without a buffer: nobody asks for the gradient of this layer's input. */
static bool layer_backward(net *n, const layer *l, clloss_view x, clloss_view dz, clloss_view dx,
                           size_t rows) {
  const clloss_view gradient = clloss_tensor_view(n->gradient);
  const cl_ulong bias = l->bias, n_rows = rows;
  return multiply(n, true, x, false, dz, view_at(gradient, l->weights), l->in, l->out, rows) &&
         device_run(n->dev, n->column_sums, l->out, 1,
                    (kernel_arg[]){ARG(dz.mem), ARG(n_rows), ARG(gradient.mem), ARG(bias), LAST_ARG}) &&
         (!dx.mem || multiply(n, false, dz, true, view_at(clloss_tensor_view(n->params), l->weights), dx,
                              rows, l->in, l->out));
}

static bool forward(net *n, clloss_view x, size_t rows) {
  const clloss_view hidden = clloss_tensor_view(n->hidden), logits = clloss_tensor_view(n->logits);
  return layer_forward(n, &n->first, x, hidden, rows, true) &&
         layer_forward(n, &n->second, hidden, logits, rows, false);
}

bool net_gradient(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss) {
  const clloss_view hidden = clloss_tensor_view(n->hidden), dhidden = clloss_tensor_view(n->hidden_grad);
  const clloss_view logits = clloss_tensor_view(n->logits);
  const clloss_view dlogits = logits; /* in place: the logits themselves are not needed again */
  return forward(n, x, rows) && criterion_fused(&n->criterion, logits, targets, rows, loss, dlogits) &&
         layer_backward(n, &n->second, hidden, dlogits, dhidden, rows) &&
         device_run(n->dev, n->relu_backward, n->first.out, rows,
                    (kernel_arg[]){ARG(dhidden.mem), ARG(hidden.mem), LAST_ARG}) &&
         layer_backward(n, &n->first, x, dhidden, (clloss_view){0}, rows);
}

bool net_descend(net *n, float rate, float momentum) {
  const clloss_view params = clloss_tensor_view(n->params), gradient = clloss_tensor_view(n->gradient);
  const clloss_view velocity = clloss_tensor_view(n->velocity);
  return device_run(n->dev, n->descend, n->n_params, 1,
                    (kernel_arg[]){ARG(params.mem), ARG(velocity.mem), ARG(gradient.mem), ARG(rate),
                                   ARG(momentum), LAST_ARG});
}

bool net_descend_evenly(net *n, clloss_view length, float rate, float momentum) {
  const clloss_view params = clloss_tensor_view(n->params), gradient = clloss_tensor_view(n->gradient);
  const clloss_view velocity = clloss_tensor_view(n->velocity);
  const cl_ulong at = length.offset;
  return device_run(n->dev, n->descend_evenly, n->n_params, 1,
                    (kernel_arg[]){ARG(params.mem), ARG(velocity.mem), ARG(gradient.mem), ARG(length.mem),
                                   ARG(at), ARG(rate), ARG(momentum), LAST_ARG});
}

bool net_evaluate(net *n, clloss_view x, clloss_view targets, size_t rows, clloss_view loss,
                  clloss_view counts) {
  return forward(n, x, rows) &&
         criterion_evaluate(&n->criterion, clloss_tensor_view(n->logits), targets, rows, loss, counts);
}

static bool tensor(net *n, clloss_tensor **out, size_t rows, size_t columns) {
  return device_tensor(n->dev, out, CLLOSS_F32, rows, columns);
}

static void random_weights(float *params, const layer *l, uint64_t *seed) {
  const double deviation = sqrt(2.0 / (double)l->in);
  for (size_t i = 0; i < l->in * l->out; i++) params[l->weights + i] = (float)(deviation * rng_normal(seed));
}

static bool start_values(net *n, uint64_t seed) {
  float *values = calloc(n->n_params, sizeof *values);
  if (!values) return cl_ok(CL_OUT_OF_HOST_MEMORY, "the first weights");
  bool good = device_upload(n->dev, n->velocity, values);
  random_weights(values, &n->first, &seed);
  random_weights(values, &n->second, &seed);
  good = good && device_upload(n->dev, n->params, values);
  free(values);
  return good;
}

bool net_create(net *n, device *dev, size_t inputs, size_t hidden, size_t classes, size_t max_rows,
                criterion_kind kind, uint64_t seed) {
  *n = (net){.dev = dev, .first = {.in = inputs, .out = hidden}, .second = {.in = hidden, .out = classes}};
  n->first.bias = inputs * hidden;
  n->second.weights = n->first.bias + hidden;
  n->second.bias = n->second.weights + hidden * classes;
  n->n_params = n->second.bias + classes;
  return criterion_create(&n->criterion, dev, kind, classes, max_rows) &&
         tensor(n, &n->params, n->n_params, 1) && tensor(n, &n->gradient, n->n_params, 1) &&
         tensor(n, &n->velocity, n->n_params, 1) && tensor(n, &n->hidden, max_rows, hidden) &&
         tensor(n, &n->hidden_grad, max_rows, hidden) && tensor(n, &n->logits, max_rows, classes) &&
         (n->add_bias = device_kernel(dev, "add_bias")) &&
         (n->relu_backward = device_kernel(dev, "relu_backward")) &&
         (n->column_sums = device_kernel(dev, "column_sums")) &&
         (n->descend = device_kernel(dev, "descend")) &&
         (n->descend_evenly = device_kernel(dev, "descend_evenly")) && start_values(n, seed);
}

void net_destroy(net *n) {
  clloss_tensor **tensors[] = {&n->params, &n->gradient,    &n->velocity,
                               &n->hidden, &n->hidden_grad, &n->logits};
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) clloss_tensor_destroy(tensors[i]);
  cl_kernel kernels[] = {n->add_bias, n->relu_backward, n->column_sums, n->descend, n->descend_evenly};
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
    if (kernels[i]) clReleaseKernel(kernels[i]);
  }
  criterion_destroy(&n->criterion);
}
