/* A peer's loss and gradient against the reference in f64, on the logits that it was given.
 *
 * The bound says that a peer computes the right thing, in any order of summation and by any of the usual forms, not how
 * well. With u = 2^-24, V classes, N rows, A = 2 max |x| + log V of the row:
 *
 *   p        exp(x − max − log s) errs by 2 u A from its argument and by 8 u from itself (4 ulp, libmvec's promise), the
 *            sum of V terms by V u, what else there is by less than 8 u:  E = u (V + 2 A + 16), relative
 *   grad     (p − t) / N:  (E p + 4 u) / N, and what is flushed to zero, 2^-126
 *   loss     of a row E + 4 u A; the mean sums N of them: (N + 4) u Σ |loss| / N on top
 *
 * Half precision (h = 2^-8, bf16's unit roundoff): eager PyTorch stores s, log s and log p in it, so that log p errs by
 * h (1 + log V + |log p|); it rounds gradient and loss, each a few times: 4 h |p − t| / N, 4 h (1 + Σ |loss| / N). */
#include "peers.h"

#include <clloss/clloss_ref.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define U           0x1p-24
#define H           0x1p-8
#define WINDOW_SIZE ((size_t)1 << 20) /* elements looked at together */

/* Some rows, in f64: the reference's arguments and results. */
struct window {
  size_t first, rows;
  double *logits, *grad, *row_loss;
  float *singles;
};

struct verdict {
  double loss, bound; /* sums so far */
  char *why;
  size_t why_size;
};

/* Whole outer rows, so that the layout within stays. */
static size_t window_rows(const struct problem *p) {
  const size_t rows = WINDOW_SIZE / p->classes / p->inner * p->inner;
  return rows < p->inner ? p->inner : rows > p->rows ? p->rows : rows;
}

static void reference(const struct problem *p, const struct bench_case *what, const struct window *w) {
  const size_t at = w->first * p->classes, n = w->rows * p->classes;
  const float *from = p->logits + at;
  if (case_logit_bytes(what) == 2) {
    clloss_convert(CLLOSS_F32, w->singles, what->dtype, (const uint16_t *)p->other + at, n);
    from = w->singles;
  }
  for (size_t i = 0; i < n; i++) w->logits[i] = (double)from[i];
  const clloss_ref_xent ref = {.rows = w->rows,
                               .classes = p->classes,
                               .inner = p->inner,
                               .logits = w->logits,
                               .targets = p->targets + w->first,
                               .divisor = (double)p->rows,
                               .row_loss = w->row_loss,
                               .grad = w->grad};
  clloss_ref_xent_f64(&ref);
}

/* Bound of a gradient g = (p − t) / N, from E and what the type adds. */
static double grad_bound(double p, int is_target, double e, int half, double log_v, double n) {
  double bound = e * p + 4 * U;
  if (half) bound += 4 * H * (is_target ? 1 - p : p);
  if (half && p > 0) bound += p * expm1(H * (1 + log_v - log(p)));
  return bound / n + (double)FLT_MIN;
}

static int check_row(const struct problem *p, const struct window *w, size_t r, int half, const float *grad,
                     struct verdict *v) {
  const size_t start = r / p->inner * p->classes * p->inner + r % p->inner;
  const int64_t target = p->targets[w->first + r];
  const double n = (double)p->rows;
  const double log_v = log((double)p->classes);
  double most = 0;
  for (size_t c = 0; c < p->classes; c++) most = fmax(most, fabs(w->logits[start + c * p->inner]));
  const double a = 2 * most + log_v, e = U * ((double)p->classes + 2 * a + 16);
  v->loss += w->row_loss[r];
  v->bound += e + 4 * U * a;
  for (size_t c = 0; c < p->classes; c++) {
    const size_t i = start + c * p->inner;
    const int is_target = (int64_t)c == target;
    const double got = (double)grad[w->first * p->classes + i];
    const double bound = grad_bound(fmax(w->grad[i] * n + is_target, 0), is_target, e, half, log_v, n);
    if (fabs(got - w->grad[i]) <= bound) continue;
    snprintf(v->why, v->why_size, "its gradient isn't the reference's: %.9g at row %zu, class %zu, not %.9g",
             got, w->first + r, c, w->grad[i]);
    return -1;
  }
  return 0;
}

static int check_loss(const struct problem *p, int half, double loss, struct verdict *v) {
  const double n = (double)p->rows, mean = v->loss / n;
  const double bound = v->bound / n + (n + 4) * U * mean +
                       (half ? H * (5 + log((double)p->classes) + 4 * mean) : 0);
  if (fabs(loss - mean) <= bound) return 0;
  snprintf(v->why, v->why_size, "its loss isn't the reference's: %.9g, not %.9g", loss, mean);
  return -1;
}

int peer_check(const struct problem *p, const struct bench_case *what, double loss, const float *grad,
               char *why, size_t why_size) {
  const int half = case_logit_bytes(what) == 2;
  const size_t rows = window_rows(p), n = rows * p->classes;
  struct window w = {0, rows, malloc(8 * n), malloc(8 * n), malloc(8 * rows), half ? malloc(4 * n) : NULL};
  struct verdict v = {.why = why, .why_size = why_size};
  int rc = -1;
  if (w.logits && w.grad && w.row_loss && (w.singles || !half)) {
    rc = 0;
    for (; w.first < p->rows && rc == 0; w.first += rows) {
      w.rows = p->rows - w.first < rows ? p->rows - w.first : rows;
      reference(p, what, &w);
      for (size_t r = 0; r < w.rows && rc == 0; r++) rc = check_row(p, &w, r, half, grad, &v);
    }
    if (rc == 0) rc = check_loss(p, half, loss, &v);
  } else {
    snprintf(why, why_size, "out of memory");
  }
  free(w.logits);
  free(w.grad);
  free(w.row_loss);
  free(w.singles);
  return rc;
}
