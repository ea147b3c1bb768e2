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
 * in clloss_ref_xent_f64. All losses in nats. With z = softcap · tanh(logit_scale · x / softcap) (or logit_scale · x; a
 * masked class, −inf, stays masked; +inf becomes NaN), m = max z, s = Σ exp(z_c − m), L = log s, nll_c = (m − z_c) + L
 * (never −log p, which is inf once p underflows), class weights w and smoothing ε:
 *
 *   index t:          loss = (1 − ε) w_t nll_t + (ε / C) Σ_c w_c nll_c
 *   probabilities t:  loss = Σ_c w_c t'_c nll_c,  t' = (1 − ε) t + ε / C;  the t_c need not sum to 1, and 0 · ∞ = 0
 *   both:             row_loss = row_weight (loss + z_loss (m + L)²)
 *   mean:             Σ row_weight loss / Σ row_weight w_t (probabilities: / Σ row_weight)
 *                     + Σ row_weight z_loss (m + L)² / Σ row_weight, sums over valid rows
 *
 * and grad its derivative with respect to the logits, times the upstream gradient and grad_alpha, + grad_beta · grad.
 * With CLLOSS_LOG_PROBABILITIES x are log-probabilities: row_loss = −row_weight w_t x_t, grad_c its derivative; no softmax
 * is there to have statistics, a prediction, entropy or ranks (torch.nn.functional.nll_loss).
 * With CLLOSS_SMOOTHING_MEGATRON ε is label_smoothing · C / (C − 1). `divisor`, if not 0, replaces both divisors.
 *
 * Ignored rows (CLLOSS_IGNORE_INDEX set and t = ignore_index) are never read: loss 0, gradient 0, and outside the mean's
 * divisors. A target outside [0, classes) makes that row's loss and gradient NaN, hence the reduced loss too (with
 * CLLOSS_BAD_IS_IGNORED they are 0); it is outside the divisors as well. A row that is all −inf, or holds NaN or +inf,
 * has no softmax: its loss, gradient and both statistics are NaN. A mean over a divisor of 0 is NaN (±inf if what
 * is divided isn't 0) and the gradients of its valid rows are NaN; with CLLOSS_EMPTY_IS_ZERO each of its two parts is 0
 * with gradient 0, but where a row has no loss. A masked class of weight 0 costs 0, as 0 · ∞ = 0 everywhere.
 * Sources: torch.nn.functional.cross_entropy; z-loss: Chowdhery et al. 2022 (PaLM), section 5; softcap: Gemma 2 report,
 * section 2; Megatron-LM's vocab_parallel_cross_entropy. */
typedef struct clloss_ref_xent {
  size_t rows, classes;
  size_t inner;              /* rows between two classes, as in N, C, H, W; 0: 1 */
  size_t row_stride;         /* elements from one outer row of logits to the next; 0: classes · inner */
  const void *logits;        /* real */
  const int64_t *targets;    /* [rows]; NULL where probabilities are given */
  const void *probabilities; /* real, packed in the logits' shape; NULL: none */
  const void *class_weight;  /* real [classes]; NULL: 1 */
  const void *row_weight;    /* real [rows]; NULL: 1 */
  uint32_t reduction;        /* CLLOSS_MEAN, CLLOSS_SUM, CLLOSS_NONE */
  uint32_t flags;            /* CLLOSS_IGNORE_INDEX … as in clloss_xent_options */
  int64_t ignore_index;
  double label_smoothing, z_loss;
  double logit_scale; /* 0: 1 */
  double softcap;     /* 0: none */
  double divisor;     /* 0: the mean's own */
  double grad_alpha;  /* with CLLOSS_GRAD_ALPHA, else 1 */
  double grad_beta;
  uint64_t top_k;          /* 0: 5 */
  const void *grad_loss;   /* upstream gradient, real: one value, per row with CLLOSS_NONE; NULL: 1 */
  size_t grad_loss_stride; /* elements between rows with CLLOSS_NONE; 0 repeats one value */
  /* outputs, each may be NULL */
  void *loss;         /* real [1]: mean or sum; with CLLOSS_NONE untouched */
  void *row_loss;     /* real [rows]: what CLLOSS_NONE returns, whatever the reduction */
  void *row_stats;    /* real [rows][2]: (m, L); ignored rows (0, 0), rows with a bad target (NaN, NaN) */
  void *grad;         /* real, the logits' shape; may be the logits, but not with grad_beta */
  size_t grad_stride; /* elements from one outer row to the next; 0: classes · inner */
  int64_t
      *predicted; /* [rows]: lowest index of the greatest z; −1 where there is none, or the row isn't valid */
  void *confidence; /* real [rows]: its probability; ignored rows 0, others that aren't valid NaN */
  void *entropy;    /* real [rows]: −Σ p log p of the prediction, nats; likewise */
  void *metrics;    /* real [CLLOSS_METRICS] */
  int64_t *counts;  /* [CLLOSS_COUNTS]; with probabilities ranks are of the likeliest class */
} clloss_ref_xent;

CLLOSS_API void clloss_ref_xent_f32(const clloss_ref_xent *args);
CLLOSS_API void clloss_ref_xent_f64(const clloss_ref_xent *args);

/* Softmax and log-softmax of `rows` rows, arrays packed as [rows / inner][classes][inner]. forward: output from input;
 * backward: grad_input from output and grad_output. With z = scale · x (−inf stays masked, +inf becomes NaN), m = max z
 * and s = Σ exp(z_c − m):
 *
 *   softmax:      y = exp(z − m) / s        dx = scale · y (dy − Σ dy · y)
 *   log-softmax:  y = (z − m) − log s       dx = scale · (dy − exp(y) Σ dy)
 *
 * Rows without a softmax (all −inf, NaN, +inf) are NaN. Source: torch.nn.functional.softmax and log_softmax. */
typedef struct clloss_ref_softmax {
  size_t rows, classes;
  size_t inner;      /* 0: 1 */
  uint32_t flags;    /* CLLOSS_LOG_SOFTMAX */
  double scale;      /* 0: 1 */
  const void *input; /* real */
  void *output;      /* may be the input */
  const void *grad_output;
  void *grad_input; /* may be grad_output */
} clloss_ref_softmax;

CLLOSS_API void clloss_ref_softmax_forward_f32(const clloss_ref_softmax *args);
CLLOSS_API void clloss_ref_softmax_forward_f64(const clloss_ref_softmax *args);
CLLOSS_API void clloss_ref_softmax_backward_f32(const clloss_ref_softmax *args);
CLLOSS_API void clloss_ref_softmax_backward_f64(const clloss_ref_softmax *args);

/* Distillation: the Kullback-Leibler divergence of a student's softmax from a teacher's, arrays packed as
 * [rows / inner][classes][inner]. With temperature τ, of each row m = max x, L = log Σ exp((x − m) / τ) and
 * log p_c = (x_c − m) / τ − L:
 *
 *   row_loss = row_weight Σ p_t (log p_t − log p_s)      grad = g row_weight / D (p_s − p_t) / τ, of the student
 *
 * both times τ² with CLLOSS_TEMPERATURE_SQUARED; mean: Σ row_loss / D, D = Σ row_weight or the caller's; where
 * that is 0 gradients are NaN. A class that the teacher masks (−inf) adds 0, one that only the student masks +inf. A row that is all −inf, or holds NaN or +inf,
 * in either, has loss and gradient NaN, and its own pair of statistics is NaN.
 * Source: Hinton, Vinyals and Dean 2015, section 2; torch.nn.functional.kl_div of two log_softmax, with log_target. */
typedef struct clloss_ref_distill {
  size_t rows, classes;
  size_t inner; /* 0: 1 */
  uint32_t reduction, flags;
  double temperature;      /* 0: 1 */
  double divisor;          /* 0: the mean's own */
  const void *student;     /* real */
  const void *teacher;     /* real */
  const void *row_weight;  /* real [rows]; NULL: 1 */
  const void *grad_loss;   /* upstream gradient, real: one value, per row with CLLOSS_NONE; NULL: 1 */
  size_t grad_loss_stride; /* elements between rows with CLLOSS_NONE; 0 repeats one value */
  void *loss, *row_loss,
      *grad;       /* real: [1], [rows], the student's shape, which it may be; each may be NULL */
  void *row_stats; /* real [rows][4]: m and L of the student and of the teacher; may be NULL */
} clloss_ref_distill;

CLLOSS_API void clloss_ref_distill_f32(const clloss_ref_distill *args);
CLLOSS_API void clloss_ref_distill_f64(const clloss_ref_distill *args);

/* Elementwise losses of `rows` rows of `classes` elements, packed. Of an element with input x, target y and weight w the
 * loss is w l(x, y), and its derivative w dl/dx; with σ(x) = 1 / (1 + exp −x) and 0 · ∞ = 0 throughout:
 *
 *   CLLOSS_BCE_LOGITS  (1 − y) log(1 + exp x) + p y log(1 + exp −x)     dl/dx = (1 − y) σ(x) − p y σ(−x)
 *                      p = pos_weight of the class; an infinite x gives the limit.
 *                      torch.nn.functional.binary_cross_entropy_with_logits
 *   CLLOSS_BCE         −(y L(x) + (1 − y) L(1 − x))                       (x − y) / max(x (1 − x), 1e-12)
 *                      L = max(log, −100); with clip ε the input is clipped to [ε, 1 − ε] instead, and the derivative is 0
 *                      where it was. x or y outside [0, 1] is a fault. torch.nn.functional.binary_cross_entropy
 *   CLLOSS_KL          y (log y − x), y >= 0, or a fault                 −y
 *                      with CLLOSS_LOG_TARGET  exp(y) (y − x)            −exp(y)
 *                      torch.nn.functional.kl_div
 *   CLLOSS_MSE         (x − y)²                                          2 (x − y)
 *                      torch.nn.functional.mse_loss
 *   CLLOSS_SMOOTH_L1   (x − y)² / (2 β), from |x − y| = β on |x − y| − β / 2      (x − y) / β, ±1
 *                      β = delta; 0: |x − y|. torch.nn.functional.smooth_l1_loss
 *   CLLOSS_HUBER       (x − y)² / 2, from |x − y| = δ on δ (|x − y| − δ / 2)      x − y, ±δ
 *                      torch.nn.functional.huber_loss
 *   CLLOSS_FOCAL       α_t q^γ b, b = BCE of the logit, q = (1 − y) σ(x) + y σ(−x), α_t = α y + (1 − α) (1 − y), or 1 with
 *                      a negative alpha               α_t q^γ (γ b q' / q + σ(x) − y),  q' = (1 − 2 y) σ(x) σ(−x)
 *                      y outside [0, 1] is a fault. Lin et al. 2017, section 3; torchvision.ops.sigmoid_focal_loss
 *
 * Reductions: sum; mean, over the number of elements, or with CLLOSS_MEAN_BY_WEIGHT and a weight over Σ w, or over
 * `divisor`; batchmean, the sum over `rows`. grad is grad_alpha · w dl/dx times the upstream gradient, over the same
 * divisor, + grad_beta · grad. A weight of 0 removes an infinite loss or derivative; NaN stays. A probability outside its
 * range is a fault: loss and gradient NaN there, and counted. */
typedef struct clloss_ref_pointwise {
  size_t rows, classes;
  uint32_t kind;                                 /* CLLOSS_MSE … */
  uint32_t reduction;                            /* CLLOSS_MEAN, CLLOSS_SUM, CLLOSS_NONE, CLLOSS_BATCHMEAN */
  uint32_t flags;                                /* as in clloss_pointwise_options */
  uint32_t reserved;                             /* 0 */
  const void *input, *target;                    /* real */
  const void *weight;                            /* real; NULL: 1 */
  size_t weight_row_stride, weight_class_stride; /* elements between rows and classes; 0 repeats */
  const void *pos_weight;                        /* real [classes]; NULL: 1 */
  double delta, gamma, alpha, clip, divisor, grad_alpha, grad_beta; /* as in clloss_pointwise_options */
  const void *grad_loss; /* real: one value, with CLLOSS_NONE by the strides; NULL: 1 */
  size_t grad_loss_row_stride, grad_loss_class_stride;
  /* outputs, each may be NULL */
  void *loss;         /* real [1]; with CLLOSS_NONE untouched */
  void *element_loss; /* real: what CLLOSS_NONE returns, whatever the reduction */
  void *grad;         /* real; may be the input, but not with grad_beta */
  int64_t *counts;    /* [CLLOSS_POINTWISE_COUNTS] */
} clloss_ref_pointwise;

CLLOSS_API void clloss_ref_pointwise_f32(const clloss_ref_pointwise *args);
CLLOSS_API void clloss_ref_pointwise_f64(const clloss_ref_pointwise *args);
/* Surprisal and entropy of `rows` distributions, input packed as [rows / inner][classes][inner], in nats. The input is
 * logits, of which p is the softmax; or, by flag, p or log p:
 *
 *   surprisal = −log p_t        entropy = −Σ p log p, 0 log 0 = 0
 *
 * A row with an entry outside [0, 1], or without a softmax, is NaN; a target out of range makes surprisal alone NaN.
 * Source: Shannon 1948, section 6. */
typedef struct clloss_ref_information {
  size_t rows, classes;
  size_t inner;              /* 0: 1 */
  uint32_t flags;            /* CLLOSS_FROM_PROBABILITIES or CLLOSS_FROM_LOG_PROBABILITIES */
  const void *input;         /* real */
  const int64_t *targets;    /* [rows]; may be NULL without surprisal */
  void *surprisal, *entropy; /* real [rows]; each may be NULL */
} clloss_ref_information;

CLLOSS_API void clloss_ref_information_f32(const clloss_ref_information *args);
CLLOSS_API void clloss_ref_information_f64(const clloss_ref_information *args);

#ifdef __cplusplus
}
#endif

#endif
