/* Distillation, the mathematics of clloss_ref.h in plain C: included by ref.c like xent_ref.h, once per type. Sums run in
 * blocks of BLOCK terms. rest = Σ exp but for the maximum's class is as in xent_ref.h, NaN where there is no softmax. */

/* Of one row's softmax at the temperature: its maximum, the logarithm of its sum, and what the likeliest class's p lacks of 1. */
typedef struct HALF {
  REAL max, log_sum, less;
} HALF;

static REAL F(distill_temperature)(const clloss_ref_distill *a) {
  return a->temperature == 0 ? 1 : (REAL)a->temperature;
}

static HALF F(distill_half)(const clloss_ref_distill *a, const REAL *x, size_t step) {
  REAL max = -(REAL)INFINITY, temperature = F(distill_temperature)(a);
  size_t where = 0;
  for (size_t c = 0; c < a->classes; c++) {
    if (x[c * step] > max) max = x[c * step], where = c;
  }
  REAL rest = isinf(max) ? (REAL)NAN : 0;
  for (size_t from = 0; from < a->classes; from += BLOCK) {
    size_t to = a->classes - from < BLOCK ? a->classes : from + BLOCK;
    REAL part = 0;
    for (size_t c = from; c < to; c++) part += c == where ? 0 : EXP((x[c * step] - max) / temperature);
    rest += part;
  }
  return (HALF){isnan(rest) ? rest : max, LOG1P(rest), rest / (1 + rest)};
}

/* log p of one class. */
static REAL F(distill_log)(const clloss_ref_distill *a, HALF h, REAL x) {
  return (x - h.max) / F(distill_temperature)(a) - h.log_sum;
}

static REAL F(distill_divergence)(const clloss_ref_distill *a, const REAL *s, HALF of_s, const REAL *t,
                                  HALF of_t, size_t step) {
  REAL sum = 0;
  if (isnan(of_s.max) || isnan(of_t.max)) return (REAL)NAN;
  for (size_t from = 0; from < a->classes; from += BLOCK) {
    size_t to = a->classes - from < BLOCK ? a->classes : from + BLOCK;
    REAL part = 0;
    for (size_t c = from; c < to; c++) {
      REAL log_t = F(distill_log)(a, of_t, t[c * step]), log_s = F(distill_log)(a, of_s, s[c * step]);
      if (log_t == -(REAL)INFINITY) continue;
      part += log_s == -(REAL)INFINITY ? (REAL)INFINITY : EXP(log_t) * (log_t - log_s);
    }
    sum += part;
  }
  return sum < 0 ? 0 : sum; /* what rounding made of a divergence, which isn't negative */
}

/* Row r of the call; g is the upstream gradient over the divisor. Returns the row's loss. */
static REAL F(distill_row)(const clloss_ref_distill *a, size_t r, REAL g) {
  size_t step = a->inner ? a->inner : 1, at = packed_row(a->classes, a->inner, r);
  const REAL *s = (const REAL *)a->student + at, *t = (const REAL *)a->teacher + at;
  REAL *grad = a->grad ? (REAL *)a->grad + at : NULL, *stats = a->row_stats;
  REAL temperature = F(distill_temperature)(a), weight = F(at)(a->row_weight, r);
  if (a->flags & CLLOSS_TEMPERATURE_SQUARED) weight *= temperature * temperature;
  HALF of_s = F(distill_half)(a, s, step), of_t = F(distill_half)(a, t, step);
  REAL loss = weight * F(distill_divergence)(a, s, of_s, t, of_t, step);
  if (stats) {
    stats[4 * r] = of_s.max, stats[4 * r + 1] = of_s.log_sum;
    stats[4 * r + 2] = of_t.max, stats[4 * r + 3] = of_t.log_sum;
  }
  for (size_t c = 0; grad && c < a->classes; c++) {
    REAL p_s = EXP(F(distill_log)(a, of_s, s[c * step])), p_t = EXP(F(distill_log)(a, of_t, t[c * step]));
    int leads = p_s > (REAL)0.5 && p_t > (REAL)0.5;
    grad[c * step] = g * weight / temperature * (leads ? of_t.less - of_s.less : p_s - p_t);
  }
  return loss;
}

/* Of the mean: the caller's, or Σ row_weight. */
static REAL F(distill_divisor)(const clloss_ref_distill *a) {
  REAL sum = 0, part = 0;
  if (a->reduction != CLLOSS_MEAN) return 1;
  if (a->divisor != 0) return (REAL)a->divisor;
  for (size_t r = 0; r < a->rows; r++) {
    part += F(at)(a->row_weight, r);
    if ((r + 1) % BLOCK) continue;
    sum += part;
    part = 0;
  }
  return sum + part;
}

void F(clloss_ref_distill)(const clloss_ref_distill *a) {
  REAL divisor = F(distill_divisor)(a), sum = 0, part = 0;
  for (size_t r = 0; r < a->rows; r++) {
    size_t at = a->reduction == CLLOSS_NONE ? r * a->grad_loss_stride : 0;
    REAL loss = F(distill_row)(a, r, divisor == 0 ? (REAL)NAN : F(at)(a->grad_loss, at) / divisor);
    if (a->row_loss) ((REAL *)a->row_loss)[r] = loss;
    part += loss;
    if ((r + 1) % BLOCK) continue;
    sum += part;
    part = 0;
  }
  if (a->loss && a->reduction != CLLOSS_NONE) *(REAL *)a->loss = (sum + part) / divisor;
}
