/* A case, and what those of one loss have to themselves: its shape in the harness, its views, its scalar reference. */
#ifndef BENCH_LOSSES_H
#define BENCH_LOSSES_H

#include "case_cast.h"
#include "case_distill.h"
#include "case_pointwise.h"
#include "case_xent.h"
#include "problem.h"

/* What cross-entropy is made of. Plain: class indices and the mean. */
enum xent_kind {
  CASE_PLAIN,
  CASE_OPTIONS, /* class weights, smoothing, ignore_index */
  CASE_PROBABILITIES,
  CASE_CERTAIN, /* each row's target has nearly all of the softmax */
  CASE_LABELS   /* class indices kept in f32 */
};

struct bench_case {
  const char *id;   /* "xent_fused_inplace": what --case looks in */
  const char *name; /* "xent_fused": the key in JSON */
  const char *about;
  const struct bench_loss *loss;
  const harness_case *harness;
  int inplace;
  uint32_t kind;     /* of the loss: enum xent_kind, CLLOSS_MSE …; of a cast the type that is written */
  uint32_t dtype;    /* of logits and gradient */
  unsigned floor;    /* bits 1 << YARD_SCALE …: what together moves the least that the case must */
  unsigned peers;    /* which peers compute the same: bits of enum peer_id */
  const char *torch; /* what they call in torch.nn.functional */
};

/* Whether it writes a gradient. */
int case_has_grad(const struct bench_case *c);

/* Room for the shape of any loss, as its harness_case takes it. */
union loss_shape {
  xent_shape xent;
  pointwise_shape pointwise;
  distill_shape distill;
  cast_shape cast;
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

extern const struct bench_loss xent_loss, pointwise_loss, distill_loss, cast_loss;

#endif
