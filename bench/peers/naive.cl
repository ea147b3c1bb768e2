/* Softmax cross-entropy as it is usually written for a GPU, and as it would be ported to OpenCL first: a work-group per
 * row, each item walks the row with the group's stride, maximum and sum are reduced in local memory with a barrier per
 * halving, exp() twice per logit. The gradient replaces the logits; the mean of the losses is a second kernel of one
 * group. LOCAL is a power of two. */
#ifndef LOCAL
#  define LOCAL 256
#endif

float reduce_sum(local float *values, const uint item) {
  for (uint width = LOCAL / 2; width > 0; width /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < width) values[item] += values[item + width];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return values[0];
}

float reduce_max(local float *values, const uint item) {
  for (uint width = LOCAL / 2; width > 0; width /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < width) values[item] = fmax(values[item], values[item + width]);
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  return values[0];
}

__attribute__((reqd_work_group_size(LOCAL, 1, 1))) kernel void
naive_rows(global float *logits, global const int *targets, global float *row_loss, const uint classes,
           const float scale) {
  const uint item = get_local_id(0);
  const ulong row = get_group_id(0);
  global float *x = logits + row * classes;
  local float values[LOCAL];

  float most = -INFINITY;
  for (uint c = item; c < classes; c += LOCAL) most = fmax(most, x[c]);
  values[item] = most;
  const float max = reduce_max(values, item);
  barrier(CLK_LOCAL_MEM_FENCE);

  float part = 0;
  for (uint c = item; c < classes; c += LOCAL) part += exp(x[c] - max);
  values[item] = part;
  const float sum = reduce_sum(values, item);

  const uint target = targets[row];
  if (item == 0) row_loss[row] = max - x[target] + log(sum);
  barrier(CLK_GLOBAL_MEM_FENCE);
  for (uint c = item; c < classes; c += LOCAL)
    x[c] = (exp(x[c] - max) / sum - (c == target ? 1.0f : 0.0f)) * scale;
}

__attribute__((reqd_work_group_size(LOCAL, 1, 1))) kernel void naive_mean(global float *row_loss,
                                                                          const uint rows) {
  const uint item = get_local_id(0);
  local float values[LOCAL];
  float part = 0;
  for (uint r = item; r < rows; r += LOCAL) part += row_loss[r];
  values[item] = part;
  const float sum = reduce_sum(values, item);
  if (item == 0) row_loss[rows] = sum / rows;
}
