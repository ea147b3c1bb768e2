/* What the classifiers need besides matrix products and clLoss. Matrices are row-major and packed; get_global_id(0)
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

/* The same of gradients that are brought to length 1; one of length 0 stays 0. */
kernel void descend_evenly(global float *params, global float *velocity, global const float *grad,
                           global const float *lengths, ulong length_at, float rate, float momentum) {
  const size_t i = get_global_id(0);
  const float length = lengths[length_at];
  velocity[i] = momentum * velocity[i] + (length > 0 ? grad[i] / length : 0);
  params[i] -= rate * velocity[i];
}

/* Cross-entropy as most libraries compute it, for certainty.c to compare with: a row per work-item, its share of the mean
 * loss and of the gradient, which may take the logits' place. Where the target's probability is nearly 1 the sum is 1 plus
 * what the other classes have; below 2^-24 that is lost on the 1, log(sum) is 0, and so is p - 1. */
kernel void usual_cross_entropy(global const float *logits, global const int *targets, ulong target_at,
                                ulong classes, global float *row_losses, global float *grad) {
  const size_t row = get_global_id(0);
  const float rows = get_global_size(0);
  global const float *x = logits + row * classes;
  const ulong target = targets[target_at + row];
  float most = x[0], sum = 0;
  for (ulong c = 1; c < classes; c++) most = max(most, x[c]);
  for (ulong c = 0; c < classes; c++) sum += exp(x[c] - most);
  row_losses[row] = (log(sum) - (x[target] - most)) / rows;
  for (ulong c = 0; c < classes; c++) {
    const float p = exp(x[c] - most) / sum;
    grad[row * classes + c] = (c == target ? p - 1 : p) / rows;
  }
}

/* Adds to zeros[at] the rows whose gradient at the target is exactly 0, and to the next those where all of it is. */
kernel void count_zeros(global const float *grad, global const int *targets, ulong classes, global int *zeros,
                        ulong at) {
  const size_t row = get_global_id(0);
  bool all = true;
  for (ulong c = 0; c < classes; c++) all = all && grad[row * classes + c] == 0;
  if (grad[row * classes + targets[row]] == 0) atomic_inc(zeros + at);
  if (all) atomic_inc(zeros + at + 1);
}
