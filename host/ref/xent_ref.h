/* Softmax cross-entropy, the mathematics of clloss_ref.h in plain C. ref.c includes this text once per type, with
 *   REAL  float or double      EXP, LOG, TANH …  expf, logf, tanhf, or exp, log, tanh      F(name)  name_f32 or name_f64
 * so that the yardstick (f32) and the truth (f64) can't drift apart. There is no include guard, for that reason.
 *
 * A row is read twice for its statistics: the maximum m of z first, then rest = Σ exp(z_c − m) over all classes but the
 * maximum's (of equals the first). With s = 1 + rest, log s = log1p(rest) and what the maximum's probability lacks of 1 is
 * rest / s: near certainty, where the sum itself is 1 and nothing more, both keep their digits ("softmax collapse": Prieto
 * et al., arXiv 2501.04697). A row has no softmax where the maximum is infinite, which makes rest NaN, or where the sum
 * meets a NaN, which the comparison z > m passes over; −inf beside a finite maximum adds exp(−inf) = 0.
 *
 * Rows are walked in blocks of 256 terms, whose sums are then added: the error of n terms grows with 256 + n / 256
 * roundings rather than n, at no cost, which is as good as scalar C gets without compensation. A block that lies
 * packed and untransformed is used where it is; otherwise its z are worked out into 256 values on the stack.
 *
 * Both kinds of target are one formula. The target class keeps `hard` = (1 − ε) w_t (probabilities: 0), and every
 * class c gets q_c, which is w_c ε / C, or w_c ((1 − ε) t_c + ε / C):
 *   loss = hard nll_t + Σ q_c (m − z_c) + L Σ q_c
 *   d loss / d z_c = hard (p_c − [c = t]) + p_c Σ q − q_c        d (m + L)² / d z_c = 2 (m + L) p_c
 *
 * The plain case (packed; no smoothing, no transformation, no z-loss, no metric, nothing added to the gradient) has
 * functions of its own, because it is what kernels are timed against: there the exponentials of the second pass are
 * kept in the gradient's place, so that each is computed once. In place that overwrites the logits, so the target's is
 * read before. */

typedef struct ROW {
  const REAL *x, *t, *weight; /* logits, probabilities, class weights; the last two NULL if there are none */
  REAL *grad;                 /* NULL: not wanted */
  size_t classes, step;       /* elements between two classes */
  size_t target;              /* with probabilities: classes, so that no class is it */
  REAL scale, softcap;
  REAL hard_share, hard; /* 1 − ε or 0; times w_t */
  REAL q_scale, q_shift; /* q_c = w_c (q_scale t_c + q_shift) */
  REAL row_weight, alpha, beta, z_loss;
  int transforms, spreads; /* z isn't x; q isn't 0 */
  int predicts, is_plain;  /* entropy and ranks are wanted; the case that plain_row is for */
} ROW;

typedef struct RESULTS {
  REAL max, rest, sum, log_sum; /* sum: 1 + rest */
  REAL q;                       /* Σ q */
  REAL loss, z, plain;          /* row_weight · loss, its z-loss likewise, the metric's loss */
  REAL entropy, confidence;
  size_t where, greater; /* of the maximum; how many z exceed the target's */
} RESULTS;

typedef struct SUMS {
  REAL loss, z, plain, entropy, confidence;
} SUMS;

typedef struct DIVISORS {
  REAL loss, z;
} DIVISORS;

static REAL F(z_of)(const ROW *r, REAL x) {
  if (!r->transforms || x == -(REAL)INFINITY) return x;
  if (x == (REAL)INFINITY) return (REAL)NAN;
  REAL z = r->scale * x;
  return r->softcap > 0 ? r->softcap * TANH(z / r->softcap) : z;
}

/* dz / dx; none at a masked class behind a softcap. */
static REAL F(slope)(const ROW *r, REAL z) {
  if (!(r->softcap > 0)) return r->scale;
  if (z == -(REAL)INFINITY) return 0;
  REAL tanh_of = z / r->softcap;
  return r->scale * (1 - tanh_of * tanh_of);
}

static REAL F(q_of)(const ROW *r, size_t c) {
  if (!r->spreads) return 0;
  REAL q = r->t ? r->q_scale * r->t[c * r->step] + r->q_shift : r->q_shift;
  return r->weight ? r->weight[c] * q : q;
}

static size_t F(block_end)(const ROW *r, size_t from) {
  return r->classes - from < BLOCK ? r->classes : from + BLOCK;
}

/* z of the classes from … to − 1. */
static const REAL *F(block)(const ROW *r, size_t from, size_t to, REAL *room) {
  if (!r->transforms && r->step == 1) return r->x + from;
  for (size_t c = from; c < to; c++) room[c - from] = F(z_of)(r, r->x[c * r->step]);
  return room;
}

/* The greatest of `most` and of the n values from class `from` on; where is left alone if that is `most`. */
static REAL F(block_max)(const REAL *z, size_t from, size_t n, REAL most, size_t *where) {
  for (size_t i = 0; i < n; i++) {
    if (z[i] > most) {
      most = z[i];
      *where = from + i;
    }
  }
  return most;
}

static REAL F(row_max)(const ROW *r, size_t *where) {
  REAL max = -(REAL)INFINITY, room[BLOCK];
  *where = 0;
  for (size_t from = 0; from < r->classes; from += BLOCK) {
    size_t to = F(block_end)(r, from);
    max = F(block_max)(F(block)(r, from, to, room), from, to - from, max, where);
  }
  return max;
}

/* Σ exp(z_c − max) of the n values from class `from` on, without that of class `where`. */
static REAL F(block_rest)(const REAL *z, size_t from, size_t n, REAL max, size_t where) {
  REAL part = 0;
  for (size_t i = 0; i < n; i++) part += from + i == where ? 0 : EXP(z[i] - max);
  return part;
}

/* rest, given where the maximum is. */
static REAL F(row_rest)(const ROW *r, REAL max, size_t where) {
  REAL rest = isinf(max) ? (REAL)NAN : 0, room[BLOCK];
  for (size_t from = 0; from < r->classes; from += BLOCK) {
    size_t to = F(block_end)(r, from);
    rest += F(block_rest)(F(block)(r, from, to, room), from, to - from, max, where);
  }
  return rest;
}

/* −Σ p log p = log s + Σ e_c (m − z_c) / s with e_c = exp(z_c − m): a sum of terms that are never negative. A class
 * whose e_c is 0 adds nothing, also where z_c is −inf. */
static REAL F(entropy)(const ROW *r, REAL max, REAL rest) {
  REAL spread = 0, room[BLOCK];
  for (size_t from = 0; from < r->classes; from += BLOCK) {
    size_t to = F(block_end)(r, from);
    const REAL *z = F(block)(r, from, to, room);
    REAL part = 0;
    for (size_t c = from; c < to; c++) {
      REAL e = EXP(z[c - from] - max);
      if (e != 0) part += e * (max - z[c - from]);
    }
    spread += part;
  }
  return LOG1P(rest) + spread / (1 + rest);
}

/* Σ q_c (m − z_c), where 0 · ∞ = 0, and Σ q_c. */
static REAL F(gap)(const ROW *r, REAL max, REAL *q_sum) {
  REAL gap = 0, room[BLOCK];
  *q_sum = 0;
  for (size_t from = 0; from < r->classes; from += BLOCK) {
    size_t to = F(block_end)(r, from);
    const REAL *z = F(block)(r, from, to, room);
    REAL gap_part = 0, q_part = 0;
    for (size_t c = from; c < to; c++) {
      REAL q = F(q_of)(r, c);
      if (q != 0) gap_part += q * (max - z[c - from]);
      q_part += q;
    }
    gap += gap_part;
    *q_sum += q_part;
  }
  return gap;
}

/* How many z exceed the target's, or that of the likeliest class, the first of equals. */
static size_t F(count_greater)(const ROW *r) {
  size_t target = r->t ? 0 : r->target, greater = 0;
  for (size_t c = 1; c < r->classes && r->t; c++) {
    if (r->t[c * r->step] > r->t[target * r->step]) target = c;
  }
  REAL rival = F(z_of)(r, r->x[target * r->step]);
  for (size_t c = 0; c < r->classes; c++) greater += F(z_of)(r, r->x[c * r->step]) > rival;
  return greater;
}

/* Whatever is known of a valid row before its gradient. */
static RESULTS F(row_results)(const ROW *r) {
  RESULTS o = {0};
  o.max = F(row_max)(r, &o.where);
  REAL z_target = r->t ? 0 : F(z_of)(r, r->x[r->target * r->step]);
  o.rest = F(row_rest)(r, o.max, o.where);
  o.sum = 1 + o.rest;
  o.log_sum = LOG1P(o.rest);
  if (r->predicts) o.entropy = F(entropy)(r, o.max, o.rest), o.greater = F(count_greater)(r);
  REAL gap = r->spreads ? F(gap)(r, o.max, &o.q) : 0;
  REAL nll = (o.max - z_target) + o.log_sum, lse = o.max + o.log_sum, spread = gap + o.log_sum * o.q;
  o.loss = r->row_weight * ((r->hard == 0 ? 0 : r->hard * nll) + spread);
  o.z = r->z_loss == 0 ? 0 : r->row_weight * (r->z_loss * lse * lse);
  o.plain = r->t ? spread : nll;
  o.confidence = 1 / o.sum;
  if (isnan(o.sum)) o.max = o.sum;
  return o;
}

static void F(add_to_grad)(const ROW *r, size_t c, REAL value) {
  REAL *grad = r->grad + c * r->step;
  *grad = r->beta == 0 ? value : value + r->beta * *grad;
}

/* hard (p_c − [c = t]) + p_c Σ q − q_c, with p − 1 of a class that has more than half, and so the maximum, as −rest / sum. */
static REAL F(grad_terms)(const ROW *r, const RESULTS *o, size_t c, REAL z) {
  REAL p = EXP(z - o->max) / o->sum, less = p > (REAL)0.5 ? -o->rest / o->sum : p - 1, q = F(q_of)(r, c);
  REAL spread = r->t && p > (REAL)0.5 ? (o->q - q) + o->q * less : p * o->q - q;
  return r->hard * (c == r->target ? less : p) + spread;
}

/* g1 is what multiplies the gradient of the loss, g2 that of the z-loss. */
static void F(row_grad)(const ROW *r, const RESULTS *o, REAL g1, REAL g2) {
  REAL by_z = r->z_loss == 0 ? 0 : g2 * 2 * r->z_loss * (o->max + o->log_sum), room[BLOCK];
  for (size_t from = 0; from < r->classes; from += BLOCK) {
    size_t to = F(block_end)(r, from);
    const REAL *z = F(block)(r, from, to, room);
    for (size_t c = from; c < to; c++) {
      REAL p = EXP(z[c - from] - o->max) / o->sum, slope = F(slope)(r, z[c - from]);
      F(add_to_grad)(r, c, (g1 * F(grad_terms)(r, o, c, z[c - from]) + by_z * p) * slope);
    }
  }
}

/* rest, each exp(x_c − max) kept in e, which may be x, unless that is NULL. */
static REAL F(keep_exp)(const ROW *r, REAL max, size_t where, REAL *e) {
  REAL rest = isinf(max) ? (REAL)NAN : 0;
  for (size_t from = 0; from < r->classes; from += BLOCK) {
    size_t to = F(block_end)(r, from);
    REAL part = 0;
    for (size_t c = from; c < to; c++) {
      REAL term = EXP(r->x[c] - max);
      if (e) e[c] = term;
      part += c == where ? 0 : term;
    }
    rest += part;
  }
  return rest;
}

/* row_results and row_grad of the plain case … */
static RESULTS F(plain_row)(const ROW *r, REAL g1) {
  const REAL *x = r->x;
  REAL *grad = r->grad;
  size_t where = 0;
  REAL max = F(block_max)(x, 0, r->classes, -(REAL)INFINITY, &where);
  REAL x_target = x[r->target], rest = F(keep_exp)(r, max, where, grad), sum = 1 + rest,
       log_sum = LOG1P(rest);
  if (grad) {
    REAL g = g1 * r->hard, p = grad[r->target] / sum, at_target = p > (REAL)0.5 ? -rest / sum : p - 1;
    for (size_t c = 0; c < r->classes; c++) grad[c] = g * (grad[c] / sum);
    grad[r->target] = g * at_target;
  }
  REAL nll = (max - x_target) + log_sum;
  REAL loss = r->row_weight * (r->hard == 0 ? 0 * log_sum : r->hard * nll);
  return (RESULTS){.max = isnan(sum) ? sum : max, .rest = rest, .sum = sum, .log_sum = log_sum, .loss = loss};
}

/* … and of log-probabilities: no row is read but for its target. */
static RESULTS F(nll_row)(const ROW *r, REAL g1) {
  REAL nll = -r->x[r->target * r->step], loss = r->hard == 0 && !isnan(nll) ? 0 : r->hard * nll;
  for (size_t c = 0; c < r->classes && r->grad; c++) F(add_to_grad)(r, c, c == r->target ? -g1 * r->hard : 0);
  return (RESULTS){.sum = nll,
                   .loss = r->row_weight * loss,
                   .plain = nll,
                   .entropy = (REAL)NAN,
                   .confidence = (REAL)NAN,
                   .greater = SIZE_MAX};
}

/* What all rows have in common. */
static ROW F(any_row)(const clloss_ref_xent *a) {
  double smoothing = smoothing_of(a);
  ROW r = {.classes = a->classes, .step = inner_of(a), .weight = a->class_weight, .target = a->classes};
  r.scale = a->logit_scale == 0 ? 1 : (REAL)a->logit_scale;
  r.softcap = (REAL)a->softcap;
  r.transforms = r.scale != 1 || r.softcap > 0;
  r.hard_share = a->probabilities ? 0 : (REAL)(1 - smoothing);
  r.q_scale = a->probabilities ? (REAL)(1 - smoothing) : 0;
  r.q_shift = (REAL)(smoothing / (double)a->classes);
  r.spreads = a->probabilities || smoothing != 0;
  r.z_loss = (REAL)a->z_loss;
  r.alpha = a->flags & CLLOSS_GRAD_ALPHA ? (REAL)a->grad_alpha : 1;
  r.beta = (REAL)a->grad_beta;
  r.predicts = wants_prediction(a);
  r.is_plain = !r.predicts && !r.transforms && !r.spreads && r.step == 1 && r.beta == 0 && r.z_loss == 0;
  return r;
}

static REAL F(at)(const void *values, size_t i) { return values ? ((const REAL *)values)[i] : 1; }

/* Turns r to that row. */
static void F(go_to)(ROW *r, const clloss_ref_xent *a, size_t row, int kind) {
  r->x = (const REAL *)a->logits + row_offset(a, row, a->row_stride);
  r->grad = a->grad ? (REAL *)a->grad + row_offset(a, row, a->grad_stride) : NULL;
  if (kind != TARGET_VALID) return;
  r->row_weight = F(at)(a->row_weight, row);
  if (a->probabilities) {
    r->t = (const REAL *)a->probabilities + row_offset(a, row, 0);
  } else {
    r->target = (size_t)a->targets[row];
    r->hard = r->hard_share * F(at)(a->class_weight, r->target);
  }
}

/* Of the losses Σ row_weight w_t over valid rows, of the z-losses Σ row_weight. */
static DIVISORS F(divisors_of)(const clloss_ref_xent *a) {
  DIVISORS d = {1, 1}, sum = {0, 0}, part = {0, 0};
  if (a->reduction != CLLOSS_MEAN) return d;
  if (a->divisor != 0) return (DIVISORS){(REAL)a->divisor, (REAL)a->divisor};
  size_t valid = 0;
  int weighs_classes = a->class_weight && !a->probabilities;
  for (size_t row = 0; row < a->rows; row++) {
    if (target_kind(a, row) != TARGET_VALID) continue;
    REAL weight = F(at)(a->row_weight, row);
    part.z += weight;
    part.loss += weighs_classes ? weight * F(at)(a->class_weight, (size_t)a->targets[row]) : weight;
    if (++valid % BLOCK) continue;
    sum.loss += part.loss, sum.z += part.z;
    part.loss = part.z = 0;
  }
  d.z = a->row_weight ? sum.z + part.z : (REAL)valid;
  d.loss = weighs_classes ? sum.loss + part.loss : d.z;
  return d;
}

/* A sum of losses over its divisor. NaN outlives CLLOSS_EMPTY_IS_ZERO: it says that some row has no loss. */
static REAL F(over)(const clloss_ref_xent *a, REAL value, REAL divisor) {
  return divisor == 0 && !isnan(value) && (a->flags & CLLOSS_EMPTY_IS_ZERO) ? 0 : value / divisor;
}

/* What the gradients of a mean are multiplied by. Over nothing there is none: not infinities, of which some entries would
 * make NaN and others not. */
static REAL F(grad_over)(const clloss_ref_xent *a, REAL g, REAL divisor) {
  if (divisor == 0) return a->flags & CLLOSS_EMPTY_IS_ZERO ? 0 : (REAL)NAN;
  return g / divisor;
}

static REAL F(upstream)(const clloss_ref_xent *a, size_t row) {
  return F(at)(a->grad_loss, a->reduction == CLLOSS_NONE ? row * a->grad_loss_stride : 0);
}

static void F(store_row)(const clloss_ref_xent *a, size_t row, int kind, const RESULTS *o) {
  int number = kind == TARGET_VALID && !isnan(o->sum);
  if (a->row_loss) ((REAL *)a->row_loss)[row] = o->loss + o->z;
  if (a->row_stats) ((REAL *)a->row_stats)[2 * row] = o->max;
  if (a->row_stats) ((REAL *)a->row_stats)[2 * row + 1] = o->log_sum;
  if (a->predicted) a->predicted[row] = number ? (int64_t)o->where : -1;
  if (a->confidence) ((REAL *)a->confidence)[row] = o->confidence;
  if (a->entropy) ((REAL *)a->entropy)[row] = o->entropy;
  if (!a->counts) return;
  count_target(a, row, kind);
  if (number) count_rank(a, o->greater);
  a->counts[CLLOSS_COUNT_NAN] += kind == TARGET_VALID && !number;
}

static void F(invalid_row)(const clloss_ref_xent *a, size_t row, const ROW *r, int kind, SUMS *sum) {
  REAL all = (REAL)value_of_invalid(a, kind);
  RESULTS none = {.max = all, .log_sum = all, .loss = all, .entropy = all, .confidence = all};
  for (size_t c = 0; c < r->classes && r->grad; c++) F(add_to_grad)(r, c, all);
  F(store_row)(a, row, kind, &none);
  sum->loss += all;
}

static void F(valid_row)(const clloss_ref_xent *a, size_t row, const ROW *r, DIVISORS d, SUMS *sum) {
  REAL g = r->grad ? F(upstream)(a, row) * (r->row_weight * r->alpha) : 0, g1 = F(grad_over)(a, g, d.loss);
  int nll = (a->flags & CLLOSS_LOG_PROBABILITIES) != 0;
  RESULTS o = nll ? F(nll_row)(r, g1) : r->is_plain ? F(plain_row)(r, g1) : F(row_results)(r);
  if (r->grad && !nll && !r->is_plain) F(row_grad)(r, &o, g1, F(grad_over)(a, g, d.z));
  F(store_row)(a, row, TARGET_VALID, &o);
  sum->loss += o.loss;
  sum->z += o.z;
  sum->plain += o.plain;
  sum->entropy += o.entropy;
  sum->confidence += o.confidence;
}

static void F(add)(SUMS *to, const SUMS *s) {
  to->loss += s->loss;
  to->z += s->z;
  to->plain += s->plain;
  to->entropy += s->entropy;
  to->confidence += s->confidence;
}

static void F(put)(REAL *to, REAL value, int adds) { *to = adds ? *to + value : value; }

/* A divisor of the caller's stays one. */
static void F(store_metrics)(const clloss_ref_xent *a, const SUMS *sum, DIVISORS d) {
  REAL *metrics = a->metrics;
  int adds = accumulates(a), adds_divisors = adds && a->reduction == CLLOSS_MEAN && a->divisor == 0;
  F(put)(metrics + CLLOSS_METRIC_LOSS, sum->plain, adds);
  F(put)(metrics + CLLOSS_METRIC_ENTROPY, sum->entropy, adds);
  F(put)(metrics + CLLOSS_METRIC_CONFIDENCE, sum->confidence, adds);
  F(put)(metrics + CLLOSS_METRIC_DIVISOR, d.loss, adds_divisors);
  F(put)(metrics + CLLOSS_METRIC_Z_DIVISOR, d.z, adds_divisors);
}

void F(clloss_ref_xent)(const clloss_ref_xent *a) {
  DIVISORS d = F(divisors_of)(a);
  ROW r = F(any_row)(a);
  SUMS sum = {0};
  if (a->counts) count_start(a);
  for (size_t from = 0; from < a->rows; from += BLOCK) {
    size_t to = a->rows - from < BLOCK ? a->rows : from + BLOCK;
    SUMS part = {0};
    for (size_t row = from; row < to; row++) {
      int kind = target_kind(a, row);
      F(go_to)(&r, a, row, kind);
      if (kind == TARGET_VALID) {
        F(valid_row)(a, row, &r, d, &part);
      } else {
        F(invalid_row)(a, row, &r, kind, &part);
      }
    }
    F(add)(&sum, &part);
  }
  if (a->metrics) F(store_metrics)(a, &sum, d);
  if (!a->loss || a->reduction == CLLOSS_NONE) return;
  REAL z = a->z_loss == 0 ? 0 : F(over)(a, sum.z, d.z);
  F(put)(a->loss, F(over)(a, sum.loss, d.loss) + z, accumulates(a));
}
