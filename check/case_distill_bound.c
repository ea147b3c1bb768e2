/* How far from the truth a result of distillation may be.
 *
 * u is the largest relative error of one rounding: 2^-24 (f64: 2^-53). All errors below are in units of u, to first
 * order; products of two of them are covered by 1 % on top. For each of student (s) and teacher (t): m = max x exactly,
 * d = (x − m) / τ, s = Σ exp d, L = log s, p = exp(d) / s, h = Σ p |d|. exp is off by 4, log by 3, a quotient by 5
 * (case_xent_bound.c says why).
 *
 *   d         δ |d|    δ = 1 for the difference; 3 with a temperature, for 1 / τ and the product
 *   s         R = 4 + δ h + D + 5 K         D additions in the longest chain, K times that a sum is carried over to a
 *                                           larger maximum; differences rounded one by one add up to the same |d|
 *   L         R' + 3 L,  R' = (R − δ h) min(1, 9 l) + δ h, l = 1 − p of the likeliest class (case_xent_bound.c)
 *
 * The gap Σ p_t (d_t − d_s): a term is measured as a difference of its block, and then carried over by differences of
 * maxima; as all of them have one sign, they add up to a = |d_t| + |d_s| in magnitude. A term is off by its exp,
 * (4 + δ |d_t|) a; by δ a; by subtraction and product, 2 a; by D a; each carrying costs a subtraction, a product, an
 * addition, exp and a product, 8 a. With A = Σ p_t a and A2 = Σ p_t a |d_t|:
 *
 *   gap / s_t          (6 + δ + D + 8 K) A + δ A2 + (R_t + 6) A, the latter for 1 / s_t
 *   divergence         that, R'_s + R'_t + 3 (L_s + L_t), and the two last additions, A + 2 (L_s + L_t)
 *   row loss           the factor τ², the weight and their products: 4 of itself
 *   loss               2 + 4 for sums that carry their errors and add sixteen lanes, a division, the divisor's error
 *   gradient           g (p_s − p_t): each p by exp 4 + δ |d|, 1 / s, or exp(−L) and the error of L: R + 3 L + 6; the
 *                      subtraction, g's products and quotient: 10 and the divisor's error; of a class that is the
 *                      likeliest of both, l_t − l_s, each off by R' + 5 l, or 6 L where it comes from L
 *
 * The divisor: the number of rows, 1; or a sum of weights in parts, each carrying its errors, 4. What underflows to 0
 * costs each class the least normal number, in the gap times a. D doesn't grow with the classes, nor a sum over rows with
 * the rows (harness_chain); and the f32 reference, whose sums do, is no part of the allowance. In f64 the truth is as
 * inexact as the kernel: the reference adds blocks of 256, which counts into D and the sums over rows, and all is taken
 * twice. */
#include <math.h>

#include "case_distill.h"

#define SECOND 1.01

static bool is_wide(const distill_shape *s) { return distill_dtype(s) == CLLOSS_F64; }

static double unit(const distill_shape *s) { return SECOND * (is_wide(s) ? 2 * 0x1p-53 : 0x1p-24); }

/* Twice the smallest normal number: what underflow may cost. */
static double least(const distill_shape *s) { return is_wide(s) ? 0x1p-1020 : 0x1p-125; }

static double rounding_of_d(const distill_shape *s) { return s->options.temperature == 0 ? 1 : 3; }

static double sum_error(const distill_shape *s, case_chain k, const distill_half *h) {
  const double carries = fmin(h->records + 1, k.blocks - 1);
  return 4 + rounding_of_d(s) * h->h + k.additions + 5 * carries;
}

static double rest_error(const distill_shape *s, case_chain k, const distill_half *h) {
  const double of_h = rounding_of_d(s) * h->h;
  return case_rest_error(sum_error(s, k, h) - of_h, of_h, h->log_sum);
}

/* Of a row's divergence, in u. */
static double divergence_error(const distill_shape *s, case_chain k, const distill_note *note) {
  const double delta = rounding_of_d(s), logs = note->student.log_sum + note->teacher.log_sum;
  const double carries = fmin(note->student.records + note->teacher.records + 2, k.blocks - 1);
  const double of_t = sum_error(s, k, &note->teacher);
  const double logs_error = rest_error(s, k, &note->student) + rest_error(s, k, &note->teacher);
  const double gap = (6 + delta + k.additions + 8 * carries) * note->away + delta * note->away2 +
                     (of_t + 6) * note->away;
  return gap + logs_error + 3 * logs + note->away + 2 * logs;
}

static double row_error(const distill_shape *s, case_chain k, const distill_note *note) {
  const double factor = distill_factor(s) * note->weight;
  return unit(s) * (factor * divergence_error(s, k, note) + 4 * fabs(note->divergence)) +
         least(s) * (1 + factor * (note->lost + 2 * (double)s->classes));
}

static double divisor_error(const distill_shape *s) {
  const bool weighs = s->with & (DISTILL_WITH_ROW_WEIGHT | DISTILL_WITH_ONE_ROW_WEIGHT);
  if (s->options.reduction != CLLOSS_MEAN || s->options.divisor != 0 || (s->with & DISTILL_WITH_DIVISOR))
    return 1;
  return !weighs ? 1 : is_wide(s) ? 4 + harness_reference_chain((double)s->rows) : 4;
}

static double loss_error(const distill_shape *s, case_chain k, const distill_notes *notes) {
  const double more = 11 + divisor_error(s) + (is_wide(s) ? harness_reference_chain((double)s->rows) : 0);
  double error = 0;
  if (notes->divisor == 0) return 0; /* NaN */
  for (size_t row = 0; row < s->rows; row++)
    error += row_error(s, k, &notes->row[row]) + unit(s) * more * fabs(notes->row[row].divergence);
  return error / fabs(notes->divisor);
}

static void grad_error(const distill_shape *s, case_chain k, const distill_note *note, const harness_data *d,
                       double divisor, size_t row, double *to) {
  const uint32_t types[] = {distill_dtype(s), s->teacher_dtype ? s->teacher_dtype : distill_dtype(s)};
  const distill_half *halves[] = {&note->student, &note->teacher};
  const double t = distill_temperature(s), delta = rounding_of_d(s);
  const double g = note->upstream * note->weight * distill_factor(s) / t / fabs(divisor);
  for (size_t c = 0; c < s->classes; c++) {
    double error = 0, size = 0, lacks = 0, lack = 0, highest = 0;
    for (int i = 0; i < 2; i++) {
      const distill_half *h = halves[i];
      const double x = harness_get(types[i], d->data[i ? DISTILL_TEACHER : DISTILL_STUDENT],
                                   row * s->classes + c);
      const double away = (h->max - x) / t, p = exp(-away - h->log_sum), l = -expm1(-h->log_sum);
      if (p > 0) error += p * (10 + delta * away + sum_error(s, k, h) + 3 * h->log_sum);
      size += p;
      lacks += rest_error(s, k, h) + 5 * l + 6 * h->log_sum;
      lack += l;
      highest += away == 0 && h->log_sum < log(2);
    }
    if (highest == 2) error = lacks, size = lack;
    /* and of what that lacks each class may have been flushed */
    const double flushed = highest == 2 ? (double)s->classes : 1;
    to[c] = unit(s) * g * (error + size * (10 + divisor_error(s))) + 2 * least(s) * (1 + g * flushed);
  }
}

void distill_bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                   int array, size_t row, double *to) {
  (void)c;
  const distill_shape *s = shape;
  const distill_notes *notes = d->notes;
  const distill_note *note = &notes->row[row];
  const case_chain k = case_chain_of(&s->layout, is_wide(s), plan, 0);
  switch (array) {
  case DISTILL_LOSS: to[0] = loss_error(s, k, notes); break;
  case DISTILL_ROW_LOSS: to[0] = row_error(s, k, note); break;
  case DISTILL_ROW_STATS:
    for (int i = 0; i < 2; i++) {
      const distill_half *h = i ? &note->teacher : &note->student;
      to[2 * i] = 0;
      to[2 * i + 1] = unit(s) * (rest_error(s, k, h) + 3 * h->log_sum) + (double)s->classes * least(s);
    }
    break;
  default: grad_error(s, k, note, d, notes->divisor, row, to);
  }
}
