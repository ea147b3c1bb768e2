/* The scalar reference: what each loss means, in C that can be read, with no OpenCL anywhere.
 *
 * The f64 instance is the truth that kernels are tested against; the f32 instance is the yardstick of accuracy (a
 * kernel may err as much as it does plus a derived bound) and of speed (the "scalar C" of the benchmark: one thread,
 * expf, sums in blocks of 256). Link clloss::ref, which needs libm and nothing else.
 *
 * The functions check nothing: pointers and sizes are the caller's word. They allocate nothing and are reentrant. */
#ifndef CLLOSS_REF_H
#define CLLOSS_REF_H

#include "clloss_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Softmax cross-entropy of `rows` rows of `classes` logits. "real" below is float in clloss_ref_xent_f32 and double
 * in clloss_ref_xent_f64. All losses in nats. For row r with logits x, m = max x, s = Σ exp(x_c − m), target t:
 *
 *   loss_r    = (m − x_t) + log s         never −log p, which is inf once p underflows
 *   grad_rc   = g_r (exp(x_c − m) / s − [c = t])      g_r: upstream gradient, over the divisor when the mean is taken
 *
 * Ignored rows (CLLOSS_IGNORE_INDEX set and t = ignore_index) are never read: loss 0, gradient 0, and outside the
 * mean's divisor. A target outside [0, classes) makes that row's loss and gradient NaN, hence the reduced loss too;
 * it is outside the divisor as well. −inf is a masked class. A row that is all −inf, or holds NaN or +inf, has no
 * softmax: its loss, gradient and both statistics are NaN.
 * Source of the conventions: torch.nn.functional.cross_entropy. */
typedef struct clloss_ref_xent {
  size_t rows, classes;
  size_t row_stride;       /* elements from one row of logits to the next; 0: classes */
  const void *logits;      /* real [rows][row_stride] */
  const int64_t *targets;  /* [rows] */
  uint32_t reduction;      /* CLLOSS_MEAN, CLLOSS_SUM, CLLOSS_NONE */
  uint32_t flags;          /* CLLOSS_IGNORE_INDEX or 0 */
  int64_t ignore_index;
  const void *grad_loss;   /* upstream gradient, real: one value, per row with CLLOSS_NONE; NULL: 1 */
  size_t grad_loss_stride; /* elements between rows with CLLOSS_NONE; 0 repeats one value */
  /* outputs, each may be NULL */
  void *loss;              /* real [1]: mean or sum; with CLLOSS_NONE untouched */
  void *row_loss;          /* real [rows]: what CLLOSS_NONE returns, whatever the reduction */
  void *row_stats;         /* real [rows][2]: (m, log s); ignored rows (0, 0), rows with a bad target (NaN, NaN) */
  void *grad;              /* real [rows][grad_stride]; may be the logits */
  size_t grad_stride;      /* 0: classes */
  int64_t *predicted;      /* [rows]: lowest index of the maximum; −1 where the row is NaN; any target */
  void *entropy;           /* real [rows]: −Σ p log p of the prediction, nats; any target */
} clloss_ref_xent;

CLLOSS_API void clloss_ref_xent_f32(const clloss_ref_xent *args);
CLLOSS_API void clloss_ref_xent_f64(const clloss_ref_xent *args);

#ifdef __cplusplus
}
#endif

#endif
