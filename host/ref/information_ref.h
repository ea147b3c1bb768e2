/* Surprisal and entropy, the mathematics of clloss_ref.h in plain C: included by ref.c like xent_ref.h, once per type, behind
 * distill_ref.h. Logits become log-probabilities first. Sums run in blocks of BLOCK terms. */

/* log p of one entry: NaN where it is no probability. */
static REAL F(information_log)(const clloss_ref_information *a, HALF h, REAL x) {
  if (a->flags & CLLOSS_FROM_PROBABILITIES) return x >= 0 && x <= 1 ? LOG(x) : (REAL)NAN;
  if (a->flags & CLLOSS_FROM_LOG_PROBABILITIES) return x <= 0 ? x : (REAL)NAN;
  return (x - h.max) - h.log_sum;
}

static REAL F(information_entropy)(const clloss_ref_information *a, HALF h, const REAL *x, size_t step) {
  REAL sum = 0;
  for (size_t from = 0; from < a->classes; from += BLOCK) {
    size_t to = a->classes - from < BLOCK ? a->classes : from + BLOCK;
    REAL part = 0;
    for (size_t c = from; c < to; c++) {
      REAL log_p = F(information_log)(a, h, x[c * step]);
      REAL p = a->flags & CLLOSS_FROM_PROBABILITIES ? x[c * step] : EXP(log_p);
      if (log_p != -(REAL)INFINITY) part -= p * log_p;
    }
    sum += part;
  }
  return sum;
}

void F(clloss_ref_information)(const clloss_ref_information *a) {
  const clloss_ref_distill softmax = {.classes = a->classes};
  size_t step = a->inner ? a->inner : 1;
  for (size_t r = 0; r < a->rows; r++) {
    const REAL *x = (const REAL *)a->input + packed_row(a->classes, a->inner, r);
    HALF h = {0, 0, 0};
    if (!(a->flags & (CLLOSS_FROM_PROBABILITIES | CLLOSS_FROM_LOG_PROBABILITIES)))
      h = F(distill_half)(&softmax, x, step);
    REAL entropy = F(information_entropy)(a, h, x, step);
    if (a->entropy) ((REAL *)a->entropy)[r] = entropy;
    if (!a->surprisal) continue;
    int64_t t = a->targets[r];
    int good = t >= 0 && (uint64_t)t < a->classes && !isnan(entropy);
    ((REAL *)a->surprisal)[r] = good ? 0 - F(information_log)(a, h, x[(size_t)t * step]) : (REAL)NAN;
  }
}
