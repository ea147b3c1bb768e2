/* Softmax cross-entropy over rows of logits x with a class index t each, f32. m = max x, s = Σ exp(x − m):
 *
 *   loss = (m − x_t) + log s            grad_c = g (exp(x_c − m) / s − [c = t])
 *
 * and the gradient's factor g is the upstream gradient, over the number of valid rows when the mean is taken. Never
 * −log p, which is inf once p underflows; never lse − x_t, which loses the loss when all logits are large.
 *
 * A call is a short chain of these kernels, each written once over a team (lane.clh: one item; group.clh: a
 * work-group) that the host picks by a -D:
 *
 *   xent_count     mean only: how many rows are valid; reads the targets
 *   xent_forward   reads the logits once: row losses, statistics, a partial sum of losses per work-group
 *   xent_fused     the same and the gradient. Bytes per logit: 4 read, 4 written. In place on a lane team each exp
 *                  replaces its logit and is scaled afterwards; out of place it is found twice, from cache
 *   xent_backward  the gradient from row_stats; 4 read, 4 written
 *   xent_finish    the partial sums of losses, in fixed order, to the mean or the sum
 *
 * Few or very long rows are split over several work-groups: xent_partial leaves (m, s) per slice in the workspace,
 * xent_merge joins a row's slices in order and does the count and the finish as well, xent_backward writes the
 * gradient slice by slice. So a (row, slice) is a tile of a larger problem throughout: a span of classes, and
 * (m, s) of it in or out.
 *
 * Assumes: views checked by the host; 64-bit offsets; ids below `rows` only by this file's own masks. */
#ifdef CLLOSS_TEAM_GROUP
#include "group.clh"
#else
#include "lane.clh"
#endif
#include "xent_args.clh"

#define XENT_KERNEL(name)                                                                                      \
  kernel TEAM_ATTRIBUTE void name(                                                                             \
      global float *logits, global const int *targets, global float *loss, global float *row_loss,             \
      global float *row_stats, global float *grad, global const float *grad_loss, global uchar *work,          \
      const xent_args a)

/* ---- one row ---- */

enum { ROW_VALID, ROW_IGNORED, ROW_BAD };

typedef struct xent_row {
  ulong target; /* only if valid */
  int kind;
} xent_row;

inline xent_row row_of(global const int *targets, const xent_args *a, ulong r) {
  const ulong at = a->targets.offset + r * a->targets.stride;
  const long t = a->flags & XENT_TARGETS_I64 ? ((global const long *)targets)[at] : (long)targets[at];
  xent_row row = {(ulong)t, ROW_VALID};
  if ((a->flags & XENT_IGNORE) && t == a->ignore_index) {
    row.kind = ROW_IGNORED;
  } else if (t < 0 || (ulong)t >= a->classes) {
    row.kind = ROW_BAD;
  }
  return row;
}

/* The pair that is saved: (m, log s). A row without a softmax (all −inf, or NaN or +inf in it) has NaN for both. */
inline float2 saved_of(span_stats s) {
  const float log_sum = log_pos_float(s.sum);
  const bool none = s.max == -INFINITY || s.sum != s.sum;
  return none ? (float2)(NAN) : (float2)(s.max, log_sum);
}

inline float loss_of(float2 saved, float x_target) { return (saved.x - x_target) + saved.y; }

/* Writes a row's results, by one item of the team. */
inline void store_row(global float *row_loss, global float *row_stats, const xent_args *a, ulong r, float value,
                      float2 saved) {
  if (a->flags & XENT_ROW_LOSS) row_loss[a->row_loss.offset + r * a->row_loss.stride] = value;
  if (a->flags & XENT_ROW_STATS) vstore2(saved, 0, row_stats + a->row_stats.offset + r * a->row_stats.stride);
}

inline float2 saved_of_invalid(xent_row row) { return row.kind == ROW_IGNORED ? (float2)(0.0f) : (float2)(NAN); }
inline float loss_of_invalid(xent_row row) { return row.kind == ROW_IGNORED ? 0.0f : NAN; }

inline global uchar *region(global uchar *work, ulong bytes) { return work + bytes; }

/* The number of valid rows, from the partial counts: an exact sum, rounded once. */
inline float divisor_of(global uchar *work, const xent_args *a) {
  if (!(a->flags & XENT_MEAN)) return 1.0f;
  global const ulong *counts = (global const ulong *)region(work, a->counts);
  ulong n = 0;
  for (ulong i = 0; i < a->n_counts; ++i) n += counts[i];
  return (float)n;
}

inline float factor_of(global const float *grad_loss, const xent_args *a, ulong r, float divisor) {
  const float upstream =
      a->flags & XENT_GRAD_LOSS ? grad_loss[a->grad_loss.offset + r * a->grad_loss.stride] : 1.0f;
  return upstream / divisor;
}

/* Rows [begin, end) of block number b. */
#define FOR_ROWS_OF_BLOCK(r, b, a)                                                                             \
  for (ulong r = (b) * (a)->rows_per_group, end_ = min(r + (a)->rows_per_group, (a)->rows); r < end_; ++r)

/* ---- whole rows ---- */

XENT_KERNEL(TEAM(xent_count)) {
  TEAM_SHARED(shared);
  const ulong block = get_group_id(0), n = (a.rows + a.n_counts - 1) / a.n_counts;
  const ulong begin = min(block * n, a.rows), end = min(begin + n, a.rows);
  ulong valid = 0;
  for (ulong r = begin + team_rank(); r < end; r += team_size()) valid += row_of(targets, &a, r).kind == ROW_VALID;
  valid = team_sum_ulong(valid, shared);
  if (team_rank() == 0) ((global ulong *)region(work, a.counts))[block] = valid;
}

XENT_KERNEL(TEAM(xent_forward)) {
  TEAM_SHARED(shared);
  const ulong block = get_group_id(0);
  float total = 0.0f;
  FOR_ROWS_OF_BLOCK(r, block, &a) {
    const xent_row row = row_of(targets, &a, r);
    float value = loss_of_invalid(row);
    float2 saved = saved_of_invalid(row);
    if (row.kind == ROW_VALID) {
      global const float *x = logits + a.logits.offset + r * a.logits.stride;
      saved = saved_of(team_stats(x, a.classes, shared));
      value = loss_of(saved, x[row.target]);
    }
    if (team_rank() == 0) store_row(row_loss, row_stats, &a, r, value, saved);
    total += value;
  }
  if (team_rank() == 0) ((global float *)region(work, a.sums))[block] = total;
}

XENT_KERNEL(TEAM(xent_fused)) {
  TEAM_SHARED(shared);
  const ulong block = get_group_id(0);
  const float divisor = divisor_of(work, &a);
  float total = 0.0f;
  FOR_ROWS_OF_BLOCK(r, block, &a) {
    const xent_row row = row_of(targets, &a, r);
    float value = loss_of_invalid(row);
    float2 saved = saved_of_invalid(row);
    global float *g = grad + a.grad.offset + r * a.grad.stride;
    float at_target = 0.0f;
    if (row.kind == ROW_VALID) {
      global float *x = logits + a.logits.offset + r * a.logits.stride;
      const float x_target = x[row.target];
      const float factor = factor_of(grad_loss, &a, r, divisor);
#ifdef TEAM_KEEPS_EXPS
      float maxima[BLOCKS_MOST];
      const bool keep = a.flags & XENT_IN_PLACE;
      const span_stats s = keep ? team_stats_keep(x, a.classes, maxima) : team_stats(x, a.classes, shared);
#else
      const span_stats s = team_stats(x, a.classes, shared);
#endif
      saved = saved_of(s);
      value = loss_of(saved, x_target);
      const float part = 1.0f / s.sum;
#ifdef TEAM_KEEPS_EXPS
      if (keep) {
        team_scale_kept(g, a.classes, maxima, saved.x, part * factor);
      } else
#endif
        team_grad(x, g, a.classes, saved.x, part * factor, a.flags & XENT_PAST_CACHE);
      at_target = (exp_neg_float(x_target - saved.x) * part - 1.0f) * factor;
    } else {
      team_fill(g, a.classes, value);
    }
    team_barrier(); /* before the target's own entry, which team_grad wrote as any other */
    if (team_rank() == 0) {
      if (row.kind == ROW_VALID) g[row.target] = at_target;
      store_row(row_loss, row_stats, &a, r, value, saved);
    }
    total += value;
  }
  if (team_rank() == 0) ((global float *)region(work, a.sums))[block] = total;
}

/* Work-group (block, slice) of (ceil(rows / rows_per_group), slices). Its slice of the row's classes: */
inline ulong slice_size(const xent_args *a) { return ((a->classes + a->slices - 1) / a->slices + 15) & ~(ulong)15; }

XENT_KERNEL(TEAM(xent_backward)) {
  const ulong block = get_group_id(0) / a.slices;
  const ulong size = slice_size(&a), begin = min(get_group_id(0) % a.slices * size, a.classes);
  const ulong count = min(size, a.classes - begin);
  const float divisor = divisor_of(work, &a);
  FOR_ROWS_OF_BLOCK(r, block, &a) {
    const xent_row row = row_of(targets, &a, r);
    global float *g = grad + a.grad.offset + r * a.grad.stride + begin;
    const bool owned = row.kind == ROW_VALID && row.target - begin < count; /* a target before begin wraps around */
    float at_target = 0.0f;
    if (row.kind == ROW_VALID) {
      global const float *x = logits + a.logits.offset + r * a.logits.stride + begin;
      const float2 saved = vload2(0, row_stats + a.row_stats.offset + r * a.row_stats.stride);
      const float factor = factor_of(grad_loss, &a, r, divisor);
      const float part = exp_neg_float(-saved.y);
      if (owned) at_target = (exp_neg_float(x[row.target - begin] - saved.x) * part - 1.0f) * factor;
      team_barrier(); /* in place, team_grad overwrites the target's logit */
      team_grad(x, g, count, saved.x, part * factor, a.flags & XENT_PAST_CACHE);
    } else {
      team_fill(g, count, loss_of_invalid(row));
    }
    team_barrier();
    if (team_rank() == 0) {
      if (owned) g[row.target - begin] = at_target;
    }
  }
}

/* ---- split rows ---- */

XENT_KERNEL(TEAM(xent_partial)) {
  TEAM_SHARED(shared);
  const ulong r = get_group_id(0) / a.slices, slice = get_group_id(0) % a.slices;
  const ulong size = slice_size(&a), begin = min(slice * size, a.classes), count = min(size, a.classes - begin);
  if (row_of(targets, &a, r).kind != ROW_VALID) return;
  const span_stats s = team_stats(logits + a.logits.offset + r * a.logits.stride + begin, count, shared);
  if (team_rank() == 0)
    vstore2((float2)(s.max, s.sum), r * a.slices + slice, (global float *)region(work, a.partials));
}

/* One work-group joins all rows, item by item, and leaves (m, log s) in row_stats for xent_backward. */
XENT_KERNEL(TEAM(xent_merge)) {
  TEAM_SHARED(shared);
  ulong valid = 0;
  float total = 0.0f;
  for (ulong r = team_rank(); r < a.rows; r += team_size()) {
    const xent_row row = row_of(targets, &a, r);
    float value = loss_of_invalid(row);
    float2 saved = saved_of_invalid(row);
    if (row.kind == ROW_VALID) {
      global const float *pairs = (global const float *)region(work, a.partials) + 2 * r * a.slices;
      span_stats s = {-INFINITY, 0.0f};
      for (ulong i = 0; i < a.slices; ++i) s.max = LARGER(pairs[2 * i], s.max);
      /* A slice that is all −inf has m = −inf and s = 0, or s = NaN: measure it from 0 to keep both. */
      for (ulong i = 0; i < a.slices; ++i) {
        const float from = s.max == -INFINITY ? 0.0f : s.max;
        const float scale = pairs[2 * i] == -INFINITY ? 1.0f : exp_neg_float(pairs[2 * i] - from);
        s.sum += pairs[2 * i + 1] * scale;
      }
      saved = saved_of(s);
      value = loss_of(saved, logits[a.logits.offset + r * a.logits.stride + row.target]);
      ++valid;
    }
    store_row(row_loss, row_stats, &a, r, value, saved);
    total += value;
  }
  total = team_sum(total, shared);
  valid = team_sum_ulong(valid, shared);
  if (team_rank() == 0) {
    ((global ulong *)region(work, a.counts))[0] = valid;
    if (a.flags & XENT_LOSS) loss[a.loss.offset] = a.flags & XENT_MEAN ? total / (float)valid : total;
  }
}

/* ---- the reduced loss ---- */

XENT_KERNEL(TEAM(xent_finish)) {
  TEAM_SHARED(shared);
  global const float *sums = (global const float *)region(work, a.sums);
  float total = 0.0f;
  /* in blocks of 256, so that the rounding grows with n / 256 */
  for (ulong b = 256 * (ulong)team_rank(); b < a.n_sums; b += 256 * (ulong)team_size()) {
    float sum = 0.0f;
    for (ulong i = b, end = min(b + 256, a.n_sums); i < end; ++i) sum += sums[i];
    total += sum;
  }
  total = team_sum(total, shared);
  if (team_rank() == 0) loss[a.loss.offset] = total / divisor_of(work, &a);
}

#ifndef CLLOSS_TEAM_GROUP
#include "xent_rows.clh"
#endif
