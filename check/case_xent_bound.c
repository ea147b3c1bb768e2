/* How far from the truth a result of softmax cross-entropy may be.
 *
 * u is the largest relative error of one rounding: 2^-24 (f64: 2^-53). All errors below are in units of u,
 * to first order; products of two of them are covered by 1 % on top. d_c = z_c − m, m = max z, s = Σ exp
 * d_c, L = log s, p_c = exp(d_c) / s.
 *
 *   exp       4        0.77 · 2^-23 for the polynomial, less than 1 · 2^-23 for evaluating it (math.clh)
 *   log       3        0.26 · 2^-23 and less than 1 · 2^-23
 *   x / y     5        2.5 ulp: OpenCL 1.2, section 7.4
 *   z         τ |z|    τ = 0; 1 with logit_scale; 20 with softcap: two divisions, a product and
 *                      (1 − t) / (1 + t) of t = exp, each term's share of which tanh damps; in f64
 *                      tanh itself is off by 4 (tools/derive_math.py)
 *   d         |d| + T  T = 2 τ max |z|: the maximum may be off too
 *
 * A term of s is exp of such a difference, hence off relatively by 4 + |d| + T. A term that is measured from
 * its block's maximum and then carried over to larger ones has its differences rounded one by one, but they
 * add up to the same |d|; each carrying costs an exp and a product, so 5. Averaged over the terms of s,
 * which are positive, Σ p |d| = h remains. No term takes part in more than D additions. So s is off by
 *
 *   R = B + h,  B = 4 + T + D + 5 K           K: how often the running maximum can be carried over
 *
 * Near certainty s is 1 and nothing more, and what counts is rest = s − 1 (kernels/team/rest.clh) and what the likeliest class lacks
 * of 1, l = 1 − p_m = rest / s. Where s is at least 1.125, rest is s less 1, and off by R s; below, it is the same sum without the
 * 1 of the maximum, whose terms are off by B + |d|, averaged over them: rest B + s h. As l is at least 1/9 in the first case, rest
 * is off by s (B min(1, 9 l) + h) in both, and so is
 *
 *   L, by B min(1, 9 l) + h + 3 L     log1p(rest): derivative 1 / s
 *   l, by B min(1, 9 l) + h + 5 l     and the division
 *
 * where l is small h is about l ln(1 / l), so that both are off by some (1 + ln(1 / l)) of themselves. The nll (m − z_t) + L is off
 * by that, T, |m − z_t| and |nll|; where the target is the likeliest class, z_t is m, and T is in B. m is exact without a
 * transform. Below 2^-126 exp gives 0, which costs each class that much at most.
 *
 *   q_c = w_c (q_scale t_c + q_shift): 4, of |w_c| (|q_scale t_c| + |q_shift|); and the sums
 *   G = Σ q |d|: (6 + D + 7 K) G + T Q, Q = Σ q: 4 + D; what they add to the loss, G + L Q, takes
 *   two roundings more.
 *   Entropy, L + Σ p |d|: a term is off by 4 + |d| + T and its |d| by another |d| + T, so with h2 = Σ p d²
 *   (h2 + (6 + T + D + 7 K) h + T), then 1 / s.
 *
 * The gradient's p g: 1/s 5, upstream, weights and divisor 12, exp 4 and |d| + T, in place measured from the
 * block's maximum and scaled by another exp and product 5; the last product 1. In backward 1/s is exp(−L), 4
 * and the absolute error of L. Together R + |d| + T + 3 L + 28. The target's own entry (p − 1) g adds the
 * subtraction and products; where it is the likeliest class, it is −l g instead, in backward exp(−L) − 1, with an exp's 4 and the
 * relative error of L. All is multiplied by dz/dx = scale (1 − (z / cap)²), which is off by 54 at most.
 *
 * D doesn't grow with the classes: a chain has at most 256 additions (harness_chain), in each lane and accumulator; then
 * come accumulators and lanes, items, and the blocks or slices of a row, 64 at most.
 *
 * The reduced results: the rows' own errors, a division, the error of the divisor, which is a sum of weights, and what
 * summing costs. That doesn't grow with the rows either: sums of rows are compensated (kernels/team/sums.clh).
 *
 * The f32 reference is no part of the allowance (case_xent_ref.c): it adds up sums of blocks one after the other, and so
 * would hide a kernel that does. In f64 the truth is as inexact as the kernel: the reference's blocks count into D and
 * into sums of rows, and all is taken twice. What is stored in 16 bits is rounded once more, which the harness allows. */
#include <math.h>
#include <string.h>

#include "case_xent.h"

#define SECOND 1.01

static bool is_wide(const xent_shape *s) { return xent_dtype(s) == CLLOSS_F64; }

static double unit(const xent_shape *s) { return SECOND * (is_wide(s) ? 2 * 0x1p-53 : 0x1p-24); }

/* Twice the smallest normal number: what underflow may cost. */
static double least(const xent_shape *s) { return is_wide(s) ? 0x1p-1020 : 0x1p-125; }

/* Without a softmax m, L and p are 0. */
static bool is_nll(const xent_shape *s) { return (s->options.flags & CLLOSS_LOG_PROBABILITIES) != 0; }

static double transform_error(const xent_shape *s) {
  return s->options.softcap != 0 ? 20 : s->options.logit_scale != 0 ? 1 : 0;
}

/* ---- sums over classes ---- */

typedef struct chain {
  double additions, carries; /* D, K */
  double of_q;               /* D of Q, which backward adds up over a row in one go */
} chain;

/* The longest chain of additions of kernels/team/lane.clh, group.clh or xent_rows.clh under this plan. */
static chain chain_of(const xent_shape *s, const clloss_plan *plan, const xent_note *note) {
  const bool split = plan->slices > 1;
  const double slices = (double)plan->slices, classes = (double)s->classes;
  const double n = split ? 16 * ceil(ceil(classes / slices) / 16) : classes;
  chain k = {harness_chain(n), 0, harness_chain(n)};
  if (strstr(plan->variant, "_rows")) {
    /* one accumulator of as many lanes as rows */
  } else if (strncmp(plan->variant, "lane", 4) == 0) {
    const double block = fmax(2048, 64 * ceil(ceil(n / 64) / 64)), blocks = ceil(n / block);
    /* one accumulator of sixteen lanes, or four of them, a tail, 6 to join them and the lanes, the blocks */
    k.additions = harness_chain(ceil(fmin(n, block) / 16)) + 1 + 6 + blocks;
    k.of_q = fmax(k.additions, harness_chain(ceil(n / 16)) + 1 + 4);
    k.carries = fmin(note->records, blocks - 1);
  } else {
    /* an accumulator of four lanes per item, 2 to join the lanes, the items */
    k.of_q = k.additions = harness_chain(ceil(n / 4 / plan->local_size)) + 1 + 4 +
                           case_fold_chain(plan->local_size);
  }
  if (split) {
    k.additions += slices;
    k.of_q += slices;
    k.carries += 1;
  }
  const double most = is_wide(s) ? harness_reference_chain(classes) : 0;
  k.additions = fmin(fmax(k.additions, most), n + slices);
  k.of_q = fmin(fmax(k.of_q, most), n + slices);
  return k;
}

/* Absolute errors of a valid row's results, in units of u; magnitudes beside them. */
typedef struct row_errors {
  double transform, sum;    /* T, R */
  double lack, lacks;       /* l and its error */
  double max, log_sum, lse; /* of m, L, m + L */
  double nll, spread; /* of the target's loss and of what spreads over the classes, unweighted by the row */
  double loss, loss_size;     /* of row_weight · loss, and what it adds up */
  double z, z_size;           /* of the z-loss */
  double confidence, entropy; /* of these */
  double q;                   /* of Q, relative */
} row_errors;

static row_errors errors_of(const xent_shape *s, const clloss_plan *plan, const xent_note *note) {
  const chain k = chain_of(s, plan, note);
  const double hard = fabs(xent_smoothing_of(s).hard) * note->class_weight, L = note->log_sum;
  const double lse = fabs(note->max + L), h = note->spread, joined = k.additions + 7 * k.carries;
  row_errors e = {.transform = 2 * transform_error(s) * note->most};
  e.sum = is_nll(s) ? 0 : 4 + h + e.transform + k.additions + 5 * k.carries;
  e.max = e.transform / 2;
  e.lack = -expm1(-L);
  const double rest = is_nll(s) ? 0 : case_rest_error(e.sum - h, h, L);
  e.lacks = rest + 5 * e.lack;
  e.log_sum = rest + 3 * L;
  e.lse = e.max + e.log_sum + lse;
  const double nll = note->to_target + L, spread = note->gap + L * note->q;
  e.nll = e.log_sum + (note->to_target > 0 ? e.transform : 0) + note->to_target + nll;
  e.q = 4 + k.of_q + 7 * k.carries;
  e.spread = (6 + joined) * note->gap + e.transform * note->q + e.log_sum * note->q +
             L * note->q * (e.q + 1) + spread;
  e.loss_size = note->row_weight * ((hard > 0 ? hard * nll : 0) + spread);
  e.loss = note->row_weight * ((hard > 0 ? hard * (e.nll + 3 * nll) : 0) + e.spread) + 2 * e.loss_size;
  e.z_size = note->row_weight * s->options.z_loss * lse * lse;
  e.z = note->row_weight * s->options.z_loss * 2 * lse * e.lse + 4 * e.z_size;
  e.confidence = exp(-L) * (e.sum + 6);
  e.entropy = e.log_sum + note->spread2 + (6 + e.transform + joined) * h + e.transform + (e.sum + 6) * h + L +
              h;
  return e;
}

/* What underflow may cost a row's loss. */
static double lost(const xent_shape *s, const xent_note *note) {
  const double factor = 1 + note->class_weight + note->q +
                        s->options.z_loss * fabs(note->max + note->log_sum);
  return (double)s->classes * least(s) * factor * (1 + note->row_weight);
}

/* ---- sums over rows ---- */

/* Roundings between a row's number and the sum over all: sixteen rows in lanes, 4; the items; and three compensated sums
 * at most, of an item, of a work-group and of all of them. */
static double rows_chain(const xent_shape *s, const clloss_plan *plan) {
  const double rows = (double)s->rows, longest = 4 + case_fold_chain(plan->local_size) + 3 + rows * 0x1p-24;
  return is_wide(s) ? fmax(longest, harness_reference_chain(rows)) : fmin(rows + 3, longest);
}

/* Relative error of a divisor: the number of rows, or the sum of their weights, of which each is a product. */
static double divisor_error(const xent_shape *s, const clloss_plan *plan) {
  const bool weighs = s->with & (XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT | XENT_WITH_ONE_ROW_WEIGHT);
  const bool given = s->options.divisor != 0 || (s->with & XENT_WITH_DIVISOR);
  if (s->options.reduction != CLLOSS_MEAN || given) return 0;
  return weighs ? 1 + rows_chain(s, plan) : 1;
}

/* Σ over valid rows of errors and magnitudes. */
typedef struct totals {
  double loss, loss_size, z, z_size, plain, plain_size, entropy, entropy_size, confidence, confidence_size,
      lost;
} totals;

static totals totals_of(const xent_shape *s, const clloss_plan *plan, const xent_notes *notes) {
  totals t = {0};
  for (size_t row = 0; row < s->rows; row++) {
    const xent_note *note = &notes->row[row];
    if (!note->valid) continue;
    const row_errors e = errors_of(s, plan, note);
    const bool whole = !xent_has_probabilities(s);
    t.loss += e.loss, t.loss_size += e.loss_size;
    t.z += e.z, t.z_size += e.z_size;
    t.plain += whole ? e.nll : e.spread;
    t.plain_size += whole ? note->to_target + note->log_sum : note->gap + note->log_sum * note->q;
    t.entropy += e.entropy, t.entropy_size += note->log_sum + note->spread;
    t.confidence += e.confidence, t.confidence_size += exp(-note->log_sum);
    t.lost += lost(s, note);
  }
  return t;
}

static double loss_error(const xent_shape *s, const clloss_plan *plan, const xent_notes *notes,
                         double truth) {
  const totals t = totals_of(s, plan, notes);
  const double more = rows_chain(s, plan) + 5 + divisor_error(s, plan);
  const double d = fabs(notes->divisor), z = fabs(notes->z_divisor);
  /* what is divided by 0 is NaN, inf or exactly 0, and the other part still errs */
  const double of_loss = d == 0 ? 0 : (t.loss + more * t.loss_size) / d, lost_loss = d == 0 ? 0 : t.lost / d;
  const double of_z = z == 0 ? 0 : (t.z + more * t.z_size) / z, lost_z = z == 0 ? 0 : t.lost / z;
  return unit(s) * (of_loss + of_z + (d == 0 && z == 0 ? 0 : fabs(truth))) + lost_loss + lost_z;
}

static void metric_errors(const xent_shape *s, const clloss_plan *plan, const xent_notes *notes, double *to) {
  const totals t = totals_of(s, plan, notes);
  const double n = rows_chain(s, plan), divisor = unit(s) * divisor_error(s, plan);
  to[CLLOSS_METRIC_LOSS] = unit(s) * (t.plain + n * t.plain_size) + t.lost;
  to[CLLOSS_METRIC_ENTROPY] = unit(s) * (t.entropy + n * t.entropy_size) + 128 * t.lost;
  to[CLLOSS_METRIC_CONFIDENCE] = unit(s) * (t.confidence + n * t.confidence_size);
  to[CLLOSS_METRIC_DIVISOR] = divisor * fabs(notes->divisor);
  to[CLLOSS_METRIC_Z_DIVISOR] = divisor * fabs(notes->z_divisor);
}

/* ---- the gradient ---- */

typedef struct grad_sizes {
  double g1, hard, q, z_part; /* magnitudes of what multiplies p − [c = t], p and q */
} grad_sizes;

static grad_sizes sizes_of(const xent_shape *s, const xent_notes *notes, const xent_note *note) {
  const clloss_xent_options *o = &s->options;
  const double alpha = o->flags & CLLOSS_GRAD_ALPHA ? o->grad_alpha : 1;
  const double g = fabs(note->upstream * note->row_weight * alpha);
  const double d = fabs(notes->divisor), z = fabs(notes->z_divisor);
  grad_sizes k = {
      .g1 = d == 0 ? 0 : g / d, .hard = fabs(xent_smoothing_of(s).hard) * note->class_weight, .q = note->q};
  k.z_part = z == 0 ? 0 : 2 * o->z_loss * fabs(note->max + note->log_sum) * g / z;
  return k;
}

static double value_at(uint32_t dtype, const harness_data *d, int array, size_t i, double otherwise) {
  return d->data[array] ? harness_get(dtype, d->data[array], i) : otherwise;
}

double xent_q_size(xent_smoothing k, double t) { return fabs(k.q_scale * t) + fabs(k.q_shift); }

/* What q of one class is made of, not negative. */
static double q_of(const xent_shape *s, const harness_data *d, size_t row, size_t c) {
  const xent_smoothing k = xent_smoothing_of(s);
  const double t = xent_has_probabilities(s)
                       ? harness_get(s->targets_dtype, d->data[XENT_TARGETS], row * s->classes + c)
                       : 0;
  const double weight = value_at(is_wide(s) ? CLLOSS_F64 : CLLOSS_F32, d, XENT_CLASS_WEIGHT, c, 1);
  return fabs(weight) * xent_q_size(k, t);
}

static void grad_error(const xent_shape *s, const clloss_plan *plan, const harness_data *d, size_t row,
                       double *to) {
  const xent_notes *notes = d->notes;
  const xent_note *note = &notes->row[row];
  const row_errors e = errors_of(s, plan, note);
  const grad_sizes k = sizes_of(s, notes, note);
  const int64_t target = xent_has_probabilities(s) ? -1 : xent_target(s, d->data[XENT_TARGETS], row);
  const bool spreads = xent_has_probabilities(s) || s->options.label_smoothing != 0;
  const bool is_likeliest = note->to_target == 0 && !is_nll(s); /* the target */
  const double of_divisor = divisor_error(s, plan),
               common = e.sum + e.transform + 3 * note->log_sum + 28 + of_divisor;
  const double scale = s->options.logit_scale == 0 ? 1 : fabs(s->options.logit_scale),
               beta = s->options.grad_beta;
  const double of_p = k.g1 * (k.hard + k.q), lse = fabs(note->max + note->log_sum);
  const double of_lse = lse > 0 ? k.z_part * e.lse / lse : 0;
  for (size_t c = 0; c < s->classes; c++) {
    const double z = xent_z(s, value_at(xent_dtype(s), d, XENT_LOGITS, row * s->classes + c, 0));
    const double away = is_nll(s) ? (double)INFINITY : note->max - z,
                 p = isfinite(away) ? exp(-away - note->log_sum) : 0;
    const double q = spreads ? q_of(s, d, row, c) : 0,
                 own = (int64_t)c != target ? 0 : k.g1 * k.hard * (is_likeliest ? e.lack : 1 - p);
    const bool lacks = (int64_t)c == target && is_likeliest && note->log_sum < log(2); /* −l, not p − 1 */
    const double of_others = lacks ? k.g1 * k.q + k.z_part : of_p + k.z_part;
    const double size = p * of_others + k.g1 * q + own;
    double error = k.g1 * q * (of_divisor + 24) + own * (of_divisor + 24) + 2 * size;
    if (lacks)
      error += k.g1 * k.hard * (e.lacks + 6 * note->log_sum + (double)s->classes * least(s) / unit(s));
    if (isfinite(away))
      error += p * (of_others * (common + away) + k.g1 * k.q * e.q + of_lse) +
               least(s) / unit(s) * (1 + of_p + k.z_part);
    const double old = beta == 0 ? 0
                                 : beta * value_at(xent_grad_dtype(s), d, XENT_GRAD, row * s->classes + c, 0);
    if (transform_error(s) > 0) error += 54 * size;
    /* and each of the three products that it is the sum of may be flushed: of the target's part, of q and of z */
    to[c] = unit(s) * (error * scale + 2 * fabs(old) + (old != 0 ? scale * size : 0)) + 3 * least(s) / 2;
  }
}

/* ---- all of them ---- */

static size_t columns_of(const xent_shape *s, int array) {
  switch (array) {
  case XENT_GRAD: return s->classes;
  case XENT_ROW_STATS: return 2;
  case XENT_METRICS: return CLLOSS_METRICS;
  case XENT_COUNTS: return CLLOSS_COUNTS;
  default: return 1;
  }
}

/* beta · old, which a row without a gradient of its own keeps. */
static void kept_error(const xent_shape *s, const harness_data *d, size_t row, double *to) {
  for (size_t c = 0; c < s->classes && s->options.grad_beta != 0; c++)
    to[c] = unit(s) *
            fabs(s->options.grad_beta * value_at(xent_grad_dtype(s), d, XENT_GRAD, row * s->classes + c, 0));
}

void xent_bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                int array, size_t row, double *to) {
  (void)c;
  const xent_shape *s = shape;
  const xent_notes *notes = d->notes;
  const bool of_rows = array != XENT_LOSS && array != XENT_METRICS && array != XENT_COUNTS;
  const xent_note *note = of_rows ? &notes->row[row] : NULL;
  for (size_t i = 0; i < columns_of(s, array); i++) to[i] = 0;
  if (note && !note->valid) { /* 0, exactly, or NaN */
    if (array == XENT_GRAD) kept_error(s, d, row, to);
    return;
  }
  const row_errors e = note ? errors_of(s, plan, note) : (row_errors){0};
  const uint32_t real = is_wide(s) ? CLLOSS_F64 : CLLOSS_F32;
  switch (array) {
  case XENT_LOSS:
    to[0] = loss_error(s, plan, notes, d->truth[XENT_LOSS][0]) +
            2 * unit(s) * fabs(value_at(real, d, XENT_LOSS, 0, 0));
    break;
  case XENT_METRICS:
    metric_errors(s, plan, notes, to);
    /* what stood there and this are added up, each rounded before */
    for (size_t i = 0; i < CLLOSS_METRICS && d->data[XENT_METRICS]; i++)
      to[i] += unit(s) * (fabs(value_at(real, d, XENT_METRICS, i, 0)) + fabs(d->truth[XENT_METRICS][i]));
    break;
  case XENT_COUNTS:
    to[CLLOSS_COUNT_TOP1] = notes->near_top1;
    to[CLLOSS_COUNT_TOPK] = notes->near_topk;
    break;
  case XENT_ROW_LOSS: to[0] = unit(s) * (e.loss + e.z + e.loss_size + e.z_size) + lost(s, note); break;
  case XENT_ROW_STATS:
    to[0] = unit(s) * e.max;
    to[1] = unit(s) * e.log_sum + (double)s->classes * least(s);
    break;
  case XENT_PREDICTED: {
    const double truth = d->truth[XENT_PREDICTED][row];
    to[0] = fmax(fabs(note->nearest - truth), fabs(note->farthest - truth));
    break;
  }
  case XENT_CONFIDENCE: to[0] = unit(s) * e.confidence; break;
  case XENT_ENTROPY: to[0] = unit(s) * e.entropy + 128 * (double)s->classes * least(s); break;
  default: grad_error(s, plan, d, row, to);
  }
}

/* A sum of weights, and the addition to what stood there. */
void xent_divisor_bound(const harness_case *c, const void *shape, const clloss_plan *plan,
                        const harness_data *d, int array, size_t row, double *to) {
  (void)c, (void)array, (void)row;
  const xent_shape *s = shape;
  const xent_notes *notes = d->notes;
  to[0] = unit(s) * (divisor_error(s, plan) * fabs(notes->divisor) + fabs(d->truth[XENT_DIVISOR][0]));
}
