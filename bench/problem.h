/* A shape and its data. */
#ifndef BENCH_PROBLEM_H
#define BENCH_PROBLEM_H

#include "machine.h"

/* A shape, and which cases are timed on it. */
struct bench_shape {
  enum shape_kind kind;
  size_t rows, classes;
  size_t inner;      /* rows that lie between two classes: 1, or the pixels of an image */
  size_t size_bytes; /* of f32 logits; used where rows is 0, for as many rows as fill it */
  unsigned cases;    /* bits 1 << FUSED_INPLACE … */
  unsigned peers;    /* bits of enum peer_id: those timed, of those that a case has */
};

size_t shape_rows(const struct bench_shape *s);

/* One shape's data on the host and the small buffers on the device; the cases of the shape share it. No row is
 * ignored, so that the options have all rows to work on. */
struct problem {
  size_t rows, classes, inner;
  float *logits, *class_weight, *probabilities; /* logits and probabilities as they lie on the device; the
                                                   latter are a teacher's logits too */
  int64_t *targets;
  void *other; /* other logits, as problem_make_other says */
  uint32_t other_dtype;
  int other_certain;
  cl_mem device_targets, device_labels /* the targets in f32 */, device_class_weight, device_probabilities,
      loss, row_stats;
  clloss_ctx *ctx;
};

/* `with_probabilities`: also those, as large as the logits. 0; or −1 and a reason. */
int problem_open(struct problem *p, const struct machine *m, uint32_t family, const struct bench_shape *shape,
                 int with_probabilities, char *why, size_t why_size);
void problem_close(struct problem *p);

/* Makes p->other hold the logits in this type; or, `certain`, logits of which each row's target has nearly all of the softmax
 * (case_draw_certain). A clLoss status. */
clloss_status problem_make_other(struct problem *p, uint32_t dtype, int certain);

#endif
