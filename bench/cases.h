/* The cases: which call, over which data, checked how. What is checked is the tests' own. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "case_distill.h"
#include "case_pointwise.h"
#include "case_xent.h"
#include "machine.h"
#include "yardstick.h"

/* What cross-entropy is made of. Plain: class indices and the mean. */
enum xent_kind { CASE_PLAIN, CASE_OPTIONS /* class weights, smoothing, ignore_index */, CASE_PROBABILITIES };

struct bench_case {
  const char *id;   /* "xent_fused_inplace": what --case looks in */
  const char *name; /* "xent_fused": the key in JSON */
  const char *about;
  const struct bench_loss *loss; /* losses.h */
  const harness_case *harness;
  int inplace;
  uint32_t kind;     /* of the loss: enum xent_kind, CLLOSS_MSE … */
  uint32_t dtype;    /* of logits and gradient */
  unsigned floor;    /* bits 1 << YARD_SCALE …: what together moves the least that the case must */
  unsigned peers;    /* which peers compute the same: bits of enum peer_id */
  const char *torch; /* what they call in torch.nn.functional */
};

enum {
  FUSED_INPLACE,
  FUSED,
  FORWARD,
  BACKWARD,
  OPTIONS,
  PROBABILITIES,
  BF16,
  F16,
  MSE,
  BCE_LOGITS,
  DISTILL,
  BENCH_CASES
};
extern const struct bench_case bench_cases[BENCH_CASES];

/* A shape, and which cases are timed on it. */
struct bench_shape {
  enum shape_kind kind;
  size_t rows, classes;
  size_t inner;      /* rows that lie between two classes: 1, or the pixels of an image */
  size_t size_bytes; /* of f32 logits; used where rows is 0, for as many rows as fill it */
  unsigned cases;    /* bits 1 << FUSED_INPLACE … */
  unsigned peers;    /* bits of enum peer_id: those timed, of those that a case has */
};

/* The shapes of a whole run: what the targets speak of (targets.c), and what the plots need between. */
extern const struct bench_shape bench_shapes[];
extern const size_t n_bench_shapes;

size_t shape_rows(const struct bench_shape *s);

/* Cases that see elements, not rows: V is all the same to them. */
#define ELEMENTWISE (1u << MSE | 1u << BCE_LOGITS)

/* The case that others of cross-entropy are compared with: plain, fused, in place, f32. NULL where this one isn't. */
const struct bench_case *case_plain(const struct bench_case *c);

/* Whether it writes a gradient; whether it reads the problem's probabilities; bytes of a logit; "f32", "bf16",
 * "f16". */
int case_has_grad(const struct bench_case *c);
int case_needs_probabilities(const struct bench_case *c);
size_t case_logit_bytes(const struct bench_case *c);
const char *case_dtype(const struct bench_case *c);

/* One shape's data on the host and the small buffers on the device; the cases of the shape share it. No row is
 * ignored, so that the options have all rows to work on. */
struct problem {
  size_t rows, classes, inner;
  float *logits, *class_weight, *probabilities; /* logits and probabilities as they lie on the device; the
                                                   latter are a teacher's logits too */
  int64_t *targets;
  void *half; /* the logits in the type of half_dtype */
  uint32_t half_dtype;
  cl_mem device_targets, device_class_weight, device_probabilities, loss, row_stats;
  clloss_ctx *ctx;
};

/* `with_probabilities`: also those, as large as the logits. 0; or −1 and a reason. */
int problem_open(struct problem *p, const struct machine *m, uint32_t family, const struct bench_shape *shape,
                 int with_probabilities, char *why, size_t why_size);
void problem_close(struct problem *p);

/* Makes p->half hold the logits in this type of two bytes. A clLoss status. */
clloss_status problem_halve(struct problem *p, uint32_t dtype);

/* "lane/1×8": variant, work-items × rows of a work-group; "lane_split/1×1/4" where four work-groups share a row; empty
 * for elementwise losses, of which the library tells no plan. */
int case_plan(const struct bench_case *c, const struct problem *p, char *text, size_t size, char *why,
              size_t why_size);

/* All checks of the tests' harness at this size, in buffers and on data of its own: 0 and the largest error against
 * the reference in f64; −1 and what was wrong. */
int case_check(const struct bench_case *c, const struct problem *p, const struct machine *m, double *max_err,
               char *why, size_t why_size);

/* Bytes that no implementation of the case can avoid moving. */
double case_ideal_bytes(const struct bench_case *c, const struct problem *p);

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
