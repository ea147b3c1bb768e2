/* Softmax cross-entropy, the mathematics of clloss_ref.h in plain C. ref.c includes this text once per type, with
 *   REAL   float or double        EXP, LOG   expf and logf, or exp and log        F(name)   name_f32 or name_f64
 * so that the yardstick (f32) and the truth (f64) can't drift apart. There is no include guard, for that reason.
 *
 * A row is read twice for its statistics: the maximum m first, then s = Σ exp(x_c − m). s is at least 1, because the
 * maximum itself adds exp(0), so log s is neither negative nor inf. No case of its own is needed for rows that have no
 * softmax: the comparison x > m passes over NaN, but the sum meets it; +inf gives +inf − +inf and a row of nothing
 * but −inf gives −inf − −inf, both NaN. So s is NaN exactly where the row has no softmax, and −inf beside a finite
 * maximum adds exp(−inf) = 0.
 *
 * Sums run in blocks of 256 terms, whose sums are then added: the error of n terms grows with 256 + n / 256
 * roundings rather than n, at no cost, which is as good as scalar C gets without compensation.
 *
 * Where the gradient is wanted, the exponentials of the second pass are kept in its place, so that each is computed
 * once. In place that overwrites the logits, hence the order: entropy first, the target's logit before the sum. */

static REAL F(row_max)(const REAL *x, size_t classes, size_t *where) {
  REAL max = -(REAL)INFINITY;
  *where = 0;
  for (size_t c = 0; c < classes; c++) {
    if (x[c] > max) {
      max = x[c];
      *where = c;
    }
  }
  return max;
}

/* Σ exp(x_c − max), each term kept in e unless that is NULL; e may be x. */
static REAL F(sum_exp)(const REAL *x, size_t classes, REAL max, REAL *e) {
  REAL sum = 0;
  for (size_t from = 0; from < classes; from += BLOCK) {
    size_t to = classes - from < BLOCK ? classes : from + BLOCK;
    REAL part = 0;
    for (size_t c = from; c < to; c++) {
      REAL term = EXP(x[c] - max);
      if (e) e[c] = term;
      part += term;
    }
    sum += part;
  }
  return sum;
}

/* −Σ p log p = log s + Σ e_c (m − x_c) / s with e_c = exp(x_c − m): a sum of terms that are never negative. A class
 * whose e_c is 0 adds nothing, also where x_c is −inf. */
static REAL F(row_entropy)(const REAL *x, size_t classes, REAL max) {
  REAL sum = F(sum_exp)(x, classes, max, NULL), spread = 0;
  for (size_t from = 0; from < classes; from += BLOCK) {
    size_t to = classes - from < BLOCK ? classes : from + BLOCK;
    REAL part = 0;
    for (size_t c = from; c < to; c++) {
      REAL e = EXP(x[c] - max);
      if (e != 0) part += e * (max - x[c]);
    }
    spread += part;
  }
  return LOG(sum) + spread / sum;
}

static void F(fill)(REAL *to, size_t n, REAL value) {
  for (size_t i = 0; i < n; i++) to[i] = value;
}

/* Outputs that don't know the target; whoever asks for them has ignored rows read too. */
static void F(predict)(const clloss_ref_xent *a, const REAL *x, size_t row) {
  if (!a->predicted && !a->entropy) return;
  size_t where;
  REAL max = F(row_max)(x, a->classes, &where);
  REAL entropy = F(row_entropy)(x, a->classes, max);
  if (a->predicted) a->predicted[row] = isnan(entropy) ? -1 : (int64_t)where;
  if (a->entropy) ((REAL *)a->entropy)[row] = entropy;
}

/* The loss of a row whose target is a class; stats and grad may be NULL, grad may be x, g multiplies the gradient. */
static REAL F(row_loss)(const REAL *x, size_t classes, size_t target, REAL g, REAL *stats, REAL *grad) {
  size_t where;
  REAL max = F(row_max)(x, classes, &where);
  REAL x_target = x[target];
  REAL sum = F(sum_exp)(x, classes, max, grad);
  REAL log_sum = LOG(sum);
  if (stats) {
    stats[0] = isnan(sum) ? sum : max;
    stats[1] = log_sum;
  }
  if (grad) {
    REAL at_target = grad[target] / sum - 1;
    for (size_t c = 0; c < classes; c++) grad[c] = g * (grad[c] / sum);
    grad[target] = g * at_target;
  }
  return (max - x_target) + log_sum;
}

/* Upstream gradient of a row, over the divisor where there is one. */
static REAL F(upstream)(const clloss_ref_xent *a, size_t row, size_t divisor) {
  const REAL *g = a->grad_loss;
  if (a->reduction == CLLOSS_NONE) return g ? g[row * a->grad_loss_stride] : 1;
  REAL one = g ? *g : 1;
  return a->reduction == CLLOSS_MEAN ? one / (REAL)divisor : one;
}

static REAL F(row)(const clloss_ref_xent *a, size_t row, size_t divisor) {
  size_t classes = a->classes;
  const REAL *x = (const REAL *)a->logits + row * (a->row_stride ? a->row_stride : classes);
  REAL *grad = a->grad ? (REAL *)a->grad + row * (a->grad_stride ? a->grad_stride : classes) : NULL;
  REAL *stats = a->row_stats ? (REAL *)a->row_stats + 2 * row : NULL;
  F(predict)(a, x, row);
  if (target_kind(a, row) == TARGET_CLASS)
    return F(row_loss)(x, classes, (size_t)a->targets[row], F(upstream)(a, row, divisor), stats, grad);
  REAL all = target_kind(a, row) == TARGET_IGNORED ? 0 : (REAL)NAN;
  if (stats) F(fill)(stats, 2, all);
  if (grad) F(fill)(grad, classes, all);
  return all;
}

void F(clloss_ref_xent)(const clloss_ref_xent *a) {
  size_t divisor = count_valid(a);
  REAL sum = 0;
  for (size_t from = 0; from < a->rows; from += BLOCK) {
    size_t to = a->rows - from < BLOCK ? a->rows : from + BLOCK;
    REAL part = 0;
    for (size_t row = from; row < to; row++) {
      REAL loss = F(row)(a, row, divisor);
      if (a->row_loss) ((REAL *)a->row_loss)[row] = loss;
      part += loss;
    }
    sum += part;
  }
  if (!a->loss || a->reduction == CLLOSS_NONE) return;
  *(REAL *)a->loss = a->reduction == CLLOSS_MEAN ? sum / (REAL)divisor : sum;
}
