/* The same for elementwise losses: a peer's mean and gradient of n = rows · classes elements.
 *
 * The bound says that a peer computes the right thing by any of the usual forms. u = 2^-24, and what the functions of a
 * vector library promise is 4 ulp, 8 u. σ(|x|) = 1 / (1 + e) and σ(−|x|) = e / (1 + e) have e = exp(−|x|), an addition
 * and a division: 18 u, relative. log(1 + e) errs by 8 u from e and 8 u of itself, times log 2 at most. Targets y lie in
 * [0, 1]. 1 / n, the products with it and what is flushed to zero come on top.
 *
 *   MSE   gradient 2 (x − y) / n: a difference and four more roundings, 6 u of itself
 *         loss (x − y)²: 3 u of itself
 *   BCE   gradient (σ − y) / n, also as (1 − y) − σ(−x): σ, 1 − y, their difference and three more, of 1 at most:
 *         24 u / n
 *         loss (1 − y) x − (min(x, 0) − log(1 + e)): 2 u |x|, 16 u log 2, u (|x| + log 2), and the difference of the
 *         two, u (2 |x| + log 2): u (5 |x| + 13)
 *   mean  sums at least 8 lanes wide, as any vectorised or pairwise sum is: a term goes through n / 8 + 16 additions;
 *         terms are not negative; two roundings to divide: expm1(u (n / 8 + 18)) of the mean */
#include "losses.h"
#include "peers.h"

#include <clloss/clloss_ref.h>

#include <float.h>
#include <math.h>

#define U 0x1p-24
enum { BLOCK = 2048 /* elements looked at together */ };

struct block {
  size_t at, count;
  double input[BLOCK], target[BLOCK], loss[BLOCK], grad[BLOCK];
};

static void reference(const struct problem *p, const struct bench_case *what, struct block *b) {
  for (size_t i = 0; i < b->count; i++) {
    b->input[i] = (double)p->logits[b->at + i];
    b->target[i] = (double)p->probabilities[b->at + i];
  }
  const clloss_ref_pointwise ref = {.rows = 1,
                                    .classes = b->count,
                                    .kind = what->kind,
                                    .reduction = CLLOSS_MEAN,
                                    .input = b->input,
                                    .target = b->target,
                                    .divisor = (double)p->rows * (double)p->classes,
                                    .element_loss = b->loss,
                                    .grad = b->grad};
  clloss_ref_pointwise_f64(&ref);
}

int peer_check_pointwise(const struct problem *p, const struct bench_case *what, double loss,
                         const float *grad, char *why, size_t why_size) {
  const size_t all = p->rows * p->classes;
  const double n = (double)all;
  const int squared = what->kind == CLLOSS_MSE;
  double sum = 0, error = 0;
  struct block b;
  for (b.at = 0; b.at < all; b.at += b.count) {
    b.count = all - b.at < BLOCK ? all - b.at : BLOCK;
    reference(p, what, &b);
    for (size_t i = 0; i < b.count; i++) {
      const double got = (double)grad[b.at + i], bound = squared ? 6 * U * fabs(b.grad[i]) : 24 * U / n;
      sum += b.loss[i];
      error += squared ? 3 * U * b.loss[i] : U * (5 * fabs(b.input[i]) + 13);
      if (fabs(got - b.grad[i]) <= bound + (double)FLT_MIN) continue;
      snprintf(why, why_size, "its gradient isn't the reference's: %.9g at row %zu, class %zu, not %.9g", got,
               (b.at + i) / p->classes, (b.at + i) % p->classes, b.grad[i]);
      return -1;
    }
  }
  const double mean = sum / n;
  if (fabs(loss - mean) <= (error + expm1(U * (n / 8 + 18)) * (sum + error)) / n + (double)FLT_MIN) return 0;
  snprintf(why, why_size, "its loss isn't the reference's: %.9g, not %.9g", loss, mean);
  return -1;
}
