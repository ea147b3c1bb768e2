/* The cases: which call, over which data, checked how. What is checked is the harness's own. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "losses.h"
#include "yardstick.h"

enum {
  FUSED_INPLACE,
  FUSED,
  FORWARD,
  BACKWARD,
  OPTIONS,
  PROBABILITIES,
  CERTAIN,
  LABELS,
  BF16,
  BF16_FORWARD,
  BF16_BACKWARD,
  F16,
  MSE,
  BCE_LOGITS,
  DISTILL,
  DIVISOR,
  CAST_BF16,
  CAST_F16,
  BENCH_CASES
};
extern const struct bench_case bench_cases[BENCH_CASES];

/* The shapes of a whole run: what the targets speak of (targets.c), and what the plots need between. */
extern const struct bench_shape bench_shapes[];
extern const size_t n_bench_shapes;

/* Cases that see elements, not rows: V is all the same to them. */
#define ELEMENTWISE (1u << MSE | 1u << BCE_LOGITS | 1u << CAST_BF16 | 1u << CAST_F16)

/* Those that a shape of so many classes has. The divisor's floor is to read its targets: of one class that is as much as the
 * logits, which yardsticks read. */
#define CASES_OF(classes) (((1u << BENCH_CASES) - 1) & ~((classes) > 1 ? 1u << DIVISOR : 0))

/* The case that others of cross-entropy are compared with: plain, fused, in place, f32. NULL where this one isn't. */
const struct bench_case *case_plain(const struct bench_case *c);

/* Whether it reads the problem's probabilities; bytes of a logit; "f32", "bf16", "f16". */
int case_needs_probabilities(const struct bench_case *c);
size_t case_logit_bytes(const struct bench_case *c);

/* Whether its logits are others than the problem's (problem_make_other), and of which each row's target has nearly all. */
int case_has_own_logits(const struct bench_case *c);
int case_is_certain(const struct bench_case *c);
const char *case_dtype(const struct bench_case *c);

/* "lane/1×8": variant, work-items × rows of a work-group; "lane_split/1×1/4" where four work-groups share a row; empty
 * for elementwise losses, of which the library tells no plan. */
int case_plan(const struct bench_case *c, const struct problem *p, char *text, size_t size, char *why,
              size_t why_size);

/* All checks of the harness at this size, in buffers and on data of its own: 0 and the largest error against
 * the reference in f64; −1 and what was wrong. */
int case_check(const struct bench_case *c, const struct problem *p, const struct machine *m, double *max_err,
               char *why, size_t why_size);

/* Bytes that no implementation of the case can avoid moving. */
double case_ideal_bytes(const struct bench_case *c, const struct problem *p);

/* How many f32 the yardstick of copying copies beside it: as many bytes as its logits have, or half of those that a cast moves. At
 * least 1. */
size_t case_copy_floats(const struct bench_case *c, const struct problem *p);

/* Leaves on the device what the case's repetitions start from, besides the logits: backward reads row statistics. */
clloss_status case_prepare(const struct bench_case *c, const struct problem *p, const struct machine *m,
                           cl_mem logits);

/* One call, from logits to grad (the same buffer in place; grad is ignored in forward), timed from before the call
 * until it has returned (call_ms) and until the device is idle (ms). A clLoss status; the words are in
 * clloss_ctx_message(p->ctx). */
clloss_status case_run(const struct bench_case *c, const struct problem *p, const struct machine *m,
                       cl_mem logits, cl_mem grad, double *ms, double *call_ms);

/* The scalar reference in f32 on rows [first, first + rows), both multiples of inner: what the case asks for, into
 * scratch memory of rows * classes floats and 3 * rows more. */
void case_reference(const struct bench_case *c, const struct problem *p, size_t first, size_t rows,
                    float *scratch, double *ms);

#endif
