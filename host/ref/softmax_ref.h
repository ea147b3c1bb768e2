/* Softmax and log-softmax, the mathematics of clloss_ref.h in plain C: included by ref.c like xent_ref.h, once per type.
 * A row's elements lie `inner` apart. rest = Σ exp(z − m) but for the maximum's class is as in xent_ref.h, NaN where there is no
 * softmax. Sums run in blocks of BLOCK terms. */

static REAL F(softmax_z)(const clloss_ref_softmax *a, REAL x) {
  if (x == -(REAL)INFINITY) return x;
  if (x == (REAL)INFINITY) return (REAL)NAN;
  return a->scale == 0 ? x : (REAL)a->scale * x;
}

static void F(softmax_forward_row)(const clloss_ref_softmax *a, const REAL *x, REAL *y, size_t step) {
  REAL max = -(REAL)INFINITY;
  size_t where = 0;
  for (size_t c = 0; c < a->classes; c++) {
    REAL z = F(softmax_z)(a, x[c * step]);
    if (z > max) max = z, where = c;
  }
  REAL rest = isinf(max) ? (REAL)NAN : 0;
  for (size_t from = 0; from < a->classes; from += BLOCK) {
    size_t to = a->classes - from < BLOCK ? a->classes : from + BLOCK;
    REAL part = 0;
    for (size_t c = from; c < to; c++) part += c == where ? 0 : EXP(F(softmax_z)(a, x[c * step]) - max);
    rest += part;
  }
  REAL log_sum = LOG1P(rest);
  for (size_t c = 0; c < a->classes; c++) {
    REAL d = F(softmax_z)(a, x[c * step]) - max;
    y[c * step] = a->flags & CLLOSS_LOG_SOFTMAX ? d - log_sum : EXP(d) / (1 + rest);
  }
}

static void F(softmax_backward_row)(const clloss_ref_softmax *a, const REAL *y, const REAL *dy, REAL *dx,
                                    size_t step) {
  REAL scale = a->scale == 0 ? 1 : (REAL)a->scale, sum = 0;
  for (size_t from = 0; from < a->classes; from += BLOCK) {
    size_t to = a->classes - from < BLOCK ? a->classes : from + BLOCK;
    REAL part = 0;
    for (size_t c = from; c < to; c++)
      part += a->flags & CLLOSS_LOG_SOFTMAX ? dy[c * step] : dy[c * step] * y[c * step];
    sum += part;
  }
  for (size_t c = 0; c < a->classes; c++) {
    REAL p = y[c * step], g = dy[c * step];
    REAL of_log = p > (REAL)-0.5 ? (g - sum) - EXPM1(p) * sum : g - EXP(p) * sum;
    dx[c * step] = scale * (a->flags & CLLOSS_LOG_SOFTMAX ? of_log : p * (g - sum));
  }
}

void F(clloss_ref_softmax_forward)(const clloss_ref_softmax *a) {
  for (size_t r = 0; r < a->rows; r++) {
    size_t at = packed_row(a->classes, a->inner, r);
    F(softmax_forward_row)(a, (const REAL *)a->input + at, (REAL *)a->output + at, a->inner ? a->inner : 1);
  }
}

void F(clloss_ref_softmax_backward)(const clloss_ref_softmax *a) {
  for (size_t r = 0; r < a->rows; r++) {
    size_t at = packed_row(a->classes, a->inner, r);
    F(softmax_backward_row)
    (a, (const REAL *)a->output + at, (const REAL *)a->grad_output + at, (REAL *)a->grad_input + at,
     a->inner ? a->inner : 1);
  }
}
