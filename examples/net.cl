/* What the classifier needs besides matrix products and the loss. Matrices are row-major and packed; get_global_id(0)
 * is the column, get_global_id(1) the row. Offsets (…_at) count floats. */

/* z += bias in every row; then max(z, 0) if asked. */
kernel void add_bias(global float *z, global const float *params, ulong bias_at, uint relu) {
  const size_t column = get_global_id(0);
  const size_t i = get_global_id(1) * get_global_size(0) + column;
  const float sum = z[i] + params[bias_at + column];
  z[i] = relu && sum < 0 ? 0 : sum; /* a NaN stays one, so that it can't pass unnoticed */
}

/* d loss/d z from d loss/d h, in place, where h = max(z, 0). */
kernel void relu_backward(global float *grad, global const float *h) {
  const size_t i = get_global_id(1) * get_global_size(0) + get_global_id(0);
  if (h[i] == 0) grad[i] = 0;
}

/* The bias's gradient: the sum of each column, always in the order of the rows, so that every run gives the same bits. */
kernel void column_sums(global const float *grad, ulong rows, global float *params_grad, ulong bias_at) {
  const size_t column = get_global_id(0), columns = get_global_size(0);
  float sum = 0;
  for (ulong r = 0; r < rows; r++) sum += grad[r * columns + column];
  params_grad[bias_at + column] = sum;
}

/* Gradient descent with momentum. */
kernel void descend(global float *params, global float *velocity, global const float *grad, float rate,
                    float momentum) {
  const size_t i = get_global_id(0);
  velocity[i] = momentum * velocity[i] + grad[i];
  params[i] -= rate * velocity[i];
}
