/* A part of an elementwise loss by the f64 reference. */
#include "cli.h"
#include "engine.h"

#include <clloss/clloss.h>
#include <clloss/clloss_ref.h>
#include <stdlib.h>

/* An f64 copy; NULL stays NULL. */
static bool widen(double **to, const void *from, uint32_t dtype, size_t n) {
  if (!from) return true;
  *to = malloc(n * sizeof **to);
  if (*to) clloss_convert(CLLOSS_F64, *to, dtype, from, n);
  return *to != NULL;
}

static void compute(elements_part *p, double *const reals[]) {
  const eval_data *d = p->data;
  const eval_request *r = d->request;
  const size_t n = p->rows * p->classes;
  int64_t counts[CLLOSS_POINTWISE_COUNTS];
  clloss_ref_pointwise a = {
      .rows = p->rows, .classes = p->classes, .kind = r->kind, .reduction = CLLOSS_NONE};
  a.flags = r->flags, a.delta = r->delta, a.gamma = r->gamma, a.alpha = r->alpha, a.clip = r->clip;
  a.input = reals[0], a.target = reals[1], a.weight = reals[2], a.pos_weight = reals[3],
  a.grad_loss = reals[4];
  a.weight_row_stride = p->classes, a.weight_class_stride = 1;
  if (!p->upstream_repeats) a.grad_loss_row_stride = p->classes, a.grad_loss_class_stride = 1;
  a.element_loss = reals[5], a.grad = p->grad ? reals[0] : NULL, a.counts = counts;
  clloss_ref_pointwise_f64(&a);
  p->faults = counts[CLLOSS_COUNT_FAULTS];
  p->sum = eval_sum(CLLOSS_F64, reals[5], n);
  clloss_convert(d->real, p->loss, CLLOSS_F64, reals[5], n);
  if (p->grad) clloss_convert(d->real, p->grad, CLLOSS_F64, reals[0], n);
}

bool reference_run_elements(engine *e, elements_part *p) {
  const eval_data *d = p->data;
  const size_t n = p->rows * p->classes;
  double *reals[6] = {NULL};
  (void)e;
  const bool good = widen(&reals[0], p->input, d->dtype, n) &&
                    widen(&reals[1], p->target, d->target_dtype, n) &&
                    widen(&reals[2], p->weight, d->real, n) &&
                    widen(&reals[3], p->pos_weight, d->real, p->classes) &&
                    widen(&reals[4], p->upstream, d->real, p->upstream_repeats ? 1 : n) &&
                    (reals[5] = malloc(n * sizeof **reals)) != NULL;
  if (good)
    compute(p, reals);
  else
    fail(EXIT_FAILED, "out of memory");
  for (size_t i = 0; i < 6; i++) free(reals[i]);
  return good;
}
