/* What the cases of one loss have to themselves: its shape in the tests' harness, its views, its scalar reference. */
#ifndef BENCH_LOSSES_H
#define BENCH_LOSSES_H

#include "cases.h"

/* Room for the shape of any loss, as its harness_case takes it. */
union loss_shape {
  xent_shape xent;
  pointwise_shape pointwise;
  distill_shape distill;
};

struct bench_loss {
  void (*shape)(const struct bench_case *c, const struct problem *p, union loss_shape *shape);
  /* Views by the harness's numbers, all unbound at first: what a training step binds. */
  void (*bind)(const struct bench_case *c, const struct problem *p, cl_mem logits, cl_mem grad,
               clloss_view *views);
  /* As case_reference in cases.h, untimed. */
  void (*reference)(const struct bench_case *c, const struct problem *p, size_t first, size_t rows,
                    float *scratch);
};

extern const struct bench_loss xent_loss, pointwise_loss, distill_loss;

#endif
