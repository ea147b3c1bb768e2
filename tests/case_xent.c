/* Softmax cross-entropy as the harness sees it.
 *
 * The bound. u = 2^-24, the largest relative error of one rounding; d_c = x_c − m, m = max x, s = Σ exp
 * d_c, p_c = exp(d_c) / s. Relative errors, in units of u; products of two of them are covered by 1 % on
 * top.
 *
 *   exp       4        0.77 · 2^-23 for the polynomial, less than 1 · 2^-23 for evaluating it (math.clh)
 *   log       3        0.26 · 2^-23 and less than 1 · 2^-23
 *   x / y     5        2.5 ulp: OpenCL 1.2, section 7.4
 *
 * A term of s is exp of a rounded difference: d_c is off by u |d_c| at most, hence the term relatively by
 * as much. A term that is measured from its block's maximum and then carried over to larger ones has its
 * differences rounded one by one, but they add up to the same |d_c|; each carrying costs an exp and a
 * product, so 5. Averaged over the terms of s, which are positive, Σ_c p_c |d_c| = h remains. No term
 * takes part in more than D additions. So s is off by
 *
 *   R = 4 + h + D + 5 K           K: how often the running maximum can be carried over
 *
 * and with it log s by R + 3 log s, the loss (m − x_t) + log s by R + 3 log s + |m − x_t| + |loss|. m is
 * exact. Below 2^-126 exp gives 0, which costs each class that much at most.
 *
 * The gradient's p g: 1/s 5, upstream over divisor 5, their product 1; exp 4 and |d_c|, in place measured
 * from the block's maximum and scaled by another exp and product 5; the last product 1. In backward 1/s is
 * exp(−log s), 4 and the absolute error of log s. Together R + |d_c| + 3 log s + 22. The target's own
 * entry (p − 1) g adds the subtraction, a division and a product: 7 |1 − p|.
 *
 * The reduced loss: the rows' own errors, one rounding per addition (rows of a work-group one after the
 * other, sums of work-groups in blocks of 256, then a tree), a division. */
#include "case_xent.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define U      0x1p-24
#define SECOND 1.01     /* products of two relative errors */
#define LEAST  0x1p-125 /* twice the smallest normal number: what underflow may cost */

enum { FORWARD, BACKWARD, FUSED };

/* What reference() notes about a row, in data.notes. */
enum { LOG_SUM, SPREAD /* h */, FROM_TARGET /* m − x_t */, RECORDS, NOTES };

/* ---- the shape ---- */

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  static const char *const reductions[] = {"mean", "sum", "none"}, *const upstream[] = {"none", "one",
                                                                                        "rows"};
  const xent_shape *s = shape;
  char ignore[40] = "";
  if (s->ignore) snprintf(ignore, sizeof ignore, ", ignore_index %lld", (long long)s->ignore_index);
  snprintf(
      text, size,
      "%s %zu x %zu, %s, %s, targets %s%s, upstream %s%s%s, offset %zu, pad %zu, row_pad %zu, without %u",
      c->name, s->rows, s->classes, xent_fill_name(s->fill), reductions[s->reduction],
      s->targets_i64 ? "i64" : "i32", ignore, upstream[s->upstream], s->in_place ? ", in place" : "",
      s->workspace ? ", own workspace" : "", s->offset, s->pad, s->row_pad, s->without);
}

static bool has_loss(const xent_shape *s) {
  return s->reduction != CLLOSS_NONE && !(s->without & XENT_NO_LOSS);
}

static bool has_row_loss(const xent_shape *s, int pass) {
  const bool only = pass == FORWARD && !has_loss(s) && (s->without & XENT_NO_ROW_STATS);
  return only || !(s->without & XENT_NO_ROW_LOSS);
}

static bool has_row_stats(const xent_shape *s, int pass) {
  return pass == BACKWARD || !(s->without & XENT_NO_ROW_STATS);
}

static clloss_xent problem(const xent_shape *s) {
  return (clloss_xent){.struct_size = sizeof(clloss_xent), .rows = s->rows, .classes = s->classes};
}

static clloss_xent_options options_of(const xent_shape *s) {
  return (clloss_xent_options){.struct_size = sizeof(clloss_xent_options),
                               .reduction = s->reduction,
                               .flags = s->ignore ? CLLOSS_IGNORE_INDEX : 0,
                               .ignore_index = s->ignore ? s->ignore_index : 0};
}

static harness_array array(const xent_shape *s, const char *name, harness_role role, size_t rows,
                           size_t columns, size_t pad) {
  return (harness_array){.name = name,
                         .role = role,
                         .dtype = CLLOSS_F32,
                         .rows = rows,
                         .columns = columns,
                         .offset = s->offset,
                         .row_stride = pad ? columns + pad : 0};
}

static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const xent_shape *s = shape;
  const size_t n = s->rows;
  a[XENT_LOGITS] = array(s, "logits", HARNESS_INPUT, n, s->classes, s->pad);
  a[XENT_TARGETS] = array(s, "targets", HARNESS_INPUT, n, 1, s->row_pad);
  a[XENT_TARGETS].dtype = s->targets_i64 ? CLLOSS_I64 : CLLOSS_I32;
  if (c->pass != FORWARD && s->upstream != XENT_UPSTREAM_NONE) {
    const bool rows = s->upstream == XENT_UPSTREAM_ROWS;
    a[XENT_GRAD_LOSS] = array(s, "grad_loss", HARNESS_INPUT, rows ? n : 1, 1, rows ? s->row_pad : 0);
    a[XENT_GRAD_LOSS].flags = !rows && s->reduction == CLLOSS_NONE ? CLLOSS_BROADCAST : 0;
  }
  if (has_row_stats(s, c->pass))
    a[XENT_ROW_STATS] = array(s, "row_stats", c->pass == BACKWARD ? HARNESS_INPUT : HARNESS_OUTPUT, n, 2,
                              s->row_pad);
  if (c->pass != BACKWARD && has_loss(s)) a[XENT_LOSS] = array(s, "loss", HARNESS_OUTPUT, 1, 1, 0);
  if (c->pass != BACKWARD && has_row_loss(s, c->pass))
    a[XENT_ROW_LOSS] = array(s, "row_loss", HARNESS_OUTPUT, n, 1, s->row_pad);
  if (c->pass != FORWARD) {
    a[XENT_GRAD] = array(s, "grad", HARNESS_OUTPUT, n, s->classes, s->pad);
    if (s->in_place) a[XENT_GRAD].in_place = &a[XENT_LOGITS];
  }
  if (!s->workspace) return CLLOSS_SUCCESS;
  size_t bytes = 0;
  const clloss_xent x = problem(s);
  const clloss_xent_options o = options_of(s);
  const clloss_status status = clloss_xent_workspace(ctx, &x, &o, &bytes);
  a[XENT_WORKSPACE] = array(s, "workspace", HARNESS_SCRATCH, 1, bytes, 0);
  a[XENT_WORKSPACE].dtype = CLLOSS_U8;
  a[XENT_WORKSPACE].offset = (s->offset + 7) / 8 * 8;
  return status;
}

/* ---- fill and reference ---- */

static int64_t *wide_targets(const xent_shape *s, const void *targets) {
  int64_t *wide = malloc((s->rows + 1) * sizeof *wide);
  for (size_t row = 0; wide && row < s->rows; row++) wide[row] = xent_target(s, targets, row);
  return wide;
}

static void widen(double *to, const float *from, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = (double)from[i];
}

static clloss_ref_xent reference_problem(const xent_shape *s, const int64_t *targets) {
  return (clloss_ref_xent){.rows = s->rows,
                           .classes = s->classes,
                           .targets = targets,
                           .reduction = s->reduction,
                           .flags = s->ignore ? CLLOSS_IGNORE_INDEX : 0,
                           .ignore_index = s->ignore_index,
                           .grad_loss_stride = s->upstream == XENT_UPSTREAM_ROWS};
}

/* Statistics for backward alone: the truth, rounded. */
static clloss_status fill_row_stats(const xent_shape *s, harness_data *d) {
  const size_t n = s->rows * s->classes;
  double *x = malloc((n + 2 * s->rows + 1) * sizeof *x), *stats = x ? x + n : NULL;
  int64_t *targets = wide_targets(s, d->data[XENT_TARGETS]);
  if (x && targets) {
    widen(x, d->data[XENT_LOGITS], n);
    clloss_ref_xent ref = reference_problem(s, targets);
    ref.logits = x;
    ref.row_stats = stats;
    clloss_ref_xent_f64(&ref);
    for (size_t i = 0; i < 2 * s->rows; i++) ((float *)d->data[XENT_ROW_STATS])[i] = (float)stats[i];
  }
  const bool done = x && targets;
  free(x);
  free(targets);
  return done ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  const xent_shape *s = shape;
  xent_fill_rows(s, seed, d->data[XENT_LOGITS], d->data[XENT_TARGETS]);
  if (d->data[XENT_GRAD_LOSS]) xent_fill_upstream(s, seed, d->data[XENT_GRAD_LOSS]);
  return c->pass == BACKWARD ? fill_row_stats(s, d) : CLLOSS_SUCCESS;
}

/* For a row that has a softmax and a target; the others are judged by their class alone. */
static void note_row(const float *x, size_t classes, int64_t target, double *note) {
  double max = -(double)INFINITY, sum = 0, spread = 0, records = 0;
  for (size_t c = 0; c < classes; c++) {
    if (!((double)x[c] > max)) continue;
    records += max > -(double)INFINITY;
    max = (double)x[c];
  }
  for (size_t c = 0; c < classes; c++) {
    const double e = exp((double)x[c] - max);
    sum += e;
    if (e > 0) spread += e * (max - (double)x[c]);
  }
  note[LOG_SUM] = log(sum);
  note[SPREAD] = spread / sum;
  note[FROM_TARGET] = target >= 0 && (uint64_t)target < classes ? max - (double)x[target] : 0;
  note[RECORDS] = records;
}

static clloss_status reference(const harness_case *c, const void *shape, harness_data *d) {
  (void)c;
  const xent_shape *s = shape;
  const size_t n = s->rows * s->classes;
  const float *logits = d->data[XENT_LOGITS], *upstream = d->data[XENT_GRAD_LOSS];
  const size_t n_upstream = !upstream ? 0 : s->upstream == XENT_UPSTREAM_ROWS ? s->rows : 1;
  double *x = d->truth[XENT_GRAD] ? d->truth[XENT_GRAD] : malloc((n + 1) * sizeof *x);
  double *g = malloc((n_upstream + 1) * sizeof *g);
  int64_t *targets = wide_targets(s, d->data[XENT_TARGETS]);
  d->notes = malloc((NOTES * s->rows + 1) * sizeof *d->notes);
  const bool room = x && g && targets && d->notes;
  if (room) {
    widen(x, logits, n);
    if (upstream) widen(g, upstream, n_upstream);
    clloss_ref_xent ref = reference_problem(s, targets);
    ref.logits = x;
    ref.grad_loss = upstream ? g : NULL;
    ref.loss = d->truth[XENT_LOSS];
    ref.row_loss = d->truth[XENT_ROW_LOSS];
    ref.row_stats = d->truth[XENT_ROW_STATS];
    ref.grad = d->truth[XENT_GRAD];
    clloss_ref_xent_f64(&ref);
    ref.logits = logits;
    ref.grad_loss = upstream;
    ref.loss = d->plain[XENT_LOSS];
    ref.row_loss = d->plain[XENT_ROW_LOSS];
    ref.row_stats = d->plain[XENT_ROW_STATS];
    ref.grad = d->plain[XENT_GRAD];
    clloss_ref_xent_f32(&ref);
    for (size_t row = 0; row < s->rows; row++)
      note_row(logits + row * s->classes, s->classes, targets[row], d->notes + NOTES * row);
  }
  if (x != d->truth[XENT_GRAD]) free(x);
  free(g);
  free(targets);
  return room ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* ---- the bound ---- */

static double min_of(double a, double b) { return a < b ? a : b; }

static bool is_valid(const xent_shape *s, const harness_data *d, size_t row) {
  const int64_t target = xent_target(s, d->data[XENT_TARGETS], row);
  return !(s->ignore && target == s->ignore_index) && target >= 0 && (uint64_t)target < s->classes;
}

/* R, in units of u. Of each plan D counts the additions along the longest chain of kernels/lane.clh or
 * group.clh. */
static double sum_error(const xent_shape *s, const clloss_plan *plan, const double *note) {
  const bool split = plan->slices > 1;
  const double slices = (double)plan->slices;
  const double n = split ? 16 * ceil(ceil((double)s->classes / slices) / 16) : (double)s->classes;
  double additions, carries = 0;
  if (strncmp(plan->variant, "lane", 4) == 0) {
    const double block = fmax(2048, 64 * ceil(ceil(n / 64) / 64)), blocks = ceil(n / block);
    /* four accumulators of sixteen lanes, three vectors and a tail, 2 to join them, 4 across the lanes,
     * the blocks */
    additions = ceil(min_of(n, block) / 64) + 3 + 1 + 2 + 4 + blocks;
    carries = min_of(note[RECORDS], blocks - 1);
  } else {
    /* four lanes per item, 2 to join them, a tail of up to three, a tree */
    additions = ceil(n / 4 / plan->local_size) + 2 + 3 + ceil(log2(plan->local_size));
  }
  additions = min_of(additions, n);
  if (split) {
    additions += slices;
    carries += 1;
  }
  return 4 + note[SPREAD] + additions + 5 * carries;
}

static double row_loss_error(const xent_shape *s, const clloss_plan *plan, const double *note) {
  const double loss = note[FROM_TARGET] + note[LOG_SUM];
  return SECOND * U * (sum_error(s, plan, note) + 3 * note[LOG_SUM] + note[FROM_TARGET] + loss) +
         (double)s->classes * LEAST;
}

static double loss_error(const xent_shape *s, const clloss_plan *plan, const harness_data *d) {
  const double owned = (double)plan->rows_per_group, groups = (double)plan->groups;
  const double additions = min_of(
      (double)s->rows, plan->slices > 1 ? (double)s->rows : owned + min_of(groups, 256 + groups / 256) + 16);
  double errors = 0, losses = 0;
  size_t valid = 0;
  for (size_t row = 0; row < s->rows; row++) {
    const double *note = d->notes + NOTES * row;
    if (!is_valid(s, d, row)) continue;
    errors += row_loss_error(s, plan, note);
    losses += note[FROM_TARGET] + note[LOG_SUM];
    valid++;
  }
  const double divisor = s->reduction == CLLOSS_MEAN ? (double)valid : 1;
  return (errors + SECOND * U * losses * (additions + 5)) / divisor;
}

static void grad_error(const xent_shape *s, const clloss_plan *plan, const harness_data *d, size_t row,
                       double *bound) {
  const double *note = d->notes + NOTES * row, *truth = d->truth[XENT_GRAD] + row * s->classes;
  const float *x = (const float *)d->data[XENT_LOGITS] + row * s->classes, *g = d->data[XENT_GRAD_LOSS];
  const size_t target = (size_t)xent_target(s, d->data[XENT_TARGETS], row);
  const double common = sum_error(s, plan, note) + 3 * note[LOG_SUM] + 22;
  const double upstream = g ? fabs((double)g[s->upstream == XENT_UPSTREAM_ROWS ? row : 0]) : 1;
  double max = -(double)INFINITY;
  for (size_t c = 0; c < s->classes; c++) max = fmax(max, (double)x[c]);
  for (size_t c = 0; c < s->classes; c++) {
    const double away = max - (double)x[c];
    /* |truth| is p |g| over the divisor, which is at least 1; a masked class has none of it, exactly */
    bound[c] = isfinite(away) ? SECOND * U * fabs(truth[c]) * (common + away) + (1 + upstream) * LEAST : 0;
  }
  const double p = exp(-note[FROM_TARGET] - note[LOG_SUM]), rest = -expm1(-note[FROM_TARGET] - note[LOG_SUM]);
  const double scale = rest > 0 ? fabs(truth[target]) / rest : upstream;
  const double away = isfinite(note[FROM_TARGET]) ? note[FROM_TARGET] : 0;
  bound[target] = SECOND * U * scale * (p * (common + away) + 7 * rest) + (1 + upstream) * LEAST;
}

static void bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                  int which, size_t row, double *to) {
  (void)c;
  const xent_shape *s = shape;
  const double *note = d->notes + NOTES * row;
  if (which != XENT_LOSS && !is_valid(s, d, row)) { /* 0, exactly, or NaN */
    for (size_t column = 0; column < (which == XENT_GRAD        ? s->classes
                                      : which == XENT_ROW_STATS ? 2
                                                                : 1);
         column++)
      to[column] = 0;
    return;
  }
  switch (which) {
  case XENT_LOSS: to[0] = loss_error(s, plan, d); break;
  case XENT_ROW_LOSS: to[0] = row_loss_error(s, plan, note); break;
  case XENT_ROW_STATS:
    to[0] = 0;
    to[1] = SECOND * U * (sum_error(s, plan, note) + 3 * note[LOG_SUM]) + (double)s->classes * LEAST;
    break;
  default: grad_error(s, plan, d, row, to);
  }
}

/* ---- the call ---- */

/* No rows have no plan; that of one row has the same kernels. */
static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  (void)c;
  xent_shape s = *(const xent_shape *)shape;
  s.rows += s.rows == 0;
  const clloss_xent x = problem(&s);
  return clloss_xent_plan(ctx, &x, plan);
}

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  clloss_xent x = problem(shape);
  const clloss_xent_options o = options_of(shape);
  x.logits = views[XENT_LOGITS];
  x.targets = views[XENT_TARGETS];
  x.grad_loss = views[XENT_GRAD_LOSS];
  x.row_stats = views[XENT_ROW_STATS];
  x.loss = views[XENT_LOSS];
  x.row_loss = views[XENT_ROW_LOSS];
  x.grad = views[XENT_GRAD];
  x.workspace = views[XENT_WORKSPACE];
  switch (c->pass) {
  case FORWARD: return clloss_xent_forward(ctx, &x, &o, queue, 0, NULL, done);
  case BACKWARD: return clloss_xent_backward(ctx, &x, &o, queue, 0, NULL, done);
  default: return clloss_xent_fused(ctx, &x, &o, queue, 0, NULL, done);
  }
}

static double ideal_bytes(const harness_case *c, const void *shape) {
  const xent_shape *s = shape;
  const double rows = (double)s->rows, logits = 4 * rows * (double)s->classes;
  double bytes = logits + rows * (s->targets_i64 ? 8 : 4);
  if (c->pass != FORWARD) bytes += logits;
  if (has_row_stats(s, c->pass)) bytes += 8 * rows;
  if (c->pass != FORWARD && s->upstream != XENT_UPSTREAM_NONE)
    bytes += s->upstream == XENT_UPSTREAM_ROWS ? 4 * rows : 4;
  if (c->pass != BACKWARD) bytes += (has_row_loss(s, c->pass) ? 4 * rows : 0) + (has_loss(s) ? 4 : 0);
  return bytes;
}

#define CASE(title, which)                                                                            \
  {                                                                                                   \
    .name = (title), .pass = (which), .describe = describe, .arrays = arrays, .fill = fill,           \
    .reference = reference, .bound = bound, .plan = plan_of, .call = call, .ideal_bytes = ideal_bytes \
  }

const harness_case xent_forward_case = CASE("xent_forward", FORWARD);
const harness_case xent_backward_case = CASE("xent_backward", BACKWARD);
const harness_case xent_fused_case = CASE("xent_fused", FUSED);
const harness_passes xent_passes = {&xent_forward_case, &xent_backward_case, &xent_fused_case};
