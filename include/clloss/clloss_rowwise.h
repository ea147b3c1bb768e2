/* What is computed row by row beside cross-entropy. Part of clloss.h, which says the manners that hold here too:
 * structs, views, events, threads. */
#ifndef CLLOSS_ROWWISE_H
#define CLLOSS_ROWWISE_H

#include "clloss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- softmax and log-softmax ----------------------------------------------------------------------------------- */

/* y = softmax(scale · x) or its logarithm, along the class axis, and the gradient back through it. Layout, T, "real"
 * and aliasing are clloss_xent's; in place, output may be the very same view as input, and grad_input as
 * grad_output. */
typedef struct clloss_softmax {
  size_t struct_size;
  size_t rows;             /* softmaxes; 0 is valid: nothing is written */
  size_t classes;          /* at least 1 */
  size_t inner;            /* rows that lie between two classes; 0 or 1: the class axis is the last */
  clloss_view input;       /* T; forward reads it, backward can't use it */
  clloss_view output;      /* T or real: forward writes it, backward reads what forward wrote */
  clloss_view grad_output; /* of output's type; backward reads it */
  clloss_view grad_input;  /* T or real; backward writes it */
} clloss_softmax;

typedef struct clloss_softmax_options {
  size_t struct_size;
  uint32_t flags;    /* CLLOSS_LOG_SOFTMAX */
  uint32_t reserved; /* 0 */
  double scale;      /* 0: 1 */
} clloss_softmax_options;

/* forward:  output = exp(z − m) / s, or (z − m) − log s with CLLOSS_LOG_SOFTMAX; z = scale · input, m = max z,
 *           s = Σ exp(z − m).
 * backward: grad_input = scale · y (dy − Σ dy · y), or scale · (dy − exp(y) Σ dy) with CLLOSS_LOG_SOFTMAX; y = output,
 *           dy = grad_output. One of output and grad_input may be of type f16 or bf16 and the other f32.
 *
 * A masked class, −inf in the input, gets probability 0, or logarithm −inf. Backward, softmax has gradient 0 there;
 * log-softmax, whose exp(y) is 0, passes scale · dy on. Arithmetic is IEEE's, so that an infinite or NaN dy shows. A row
 * that is all −inf, or holds NaN or +inf, has no softmax: its output is NaN, and so is the gradient that is made of it.
 * No other row notices.
 *
 * `done`, if not NULL, receives an event, the caller's to release, that is complete when the output is. A plan override
 * to the split family runs whole rows. Two runs with the same device, plan and input give the same bits.
 *
 *   CLLOSS_NULL_ARGUMENT   ctx, softmax, queue; wait list NULL with n_wait > 0 or the reverse
 *   CLLOSS_STRUCT_SIZE     of softmax or options
 *   CLLOSS_SIZE            zero classes; rows * classes overflows; rows isn't a multiple of inner
 *   CLLOSS_MISSING_VIEW, CLLOSS_UNUSED_VIEW   a view that this call needs, or can't use
 *   CLLOSS_DTYPE, CLLOSS_STRIDE, CLLOSS_BUFFER_SIZE, CLLOSS_ALIGNMENT, CLLOSS_ACCESS, CLLOSS_MEMORY_CONTEXT,
 *   CLLOSS_OVERLAP         what the named view is at fault for
 *   CLLOSS_OPTION          unknown flag, reserved isn't 0, scale isn't finite in the arithmetic; a view's flags
 *   CLLOSS_DEVICE          f64 on a device without cl_khr_fp64
 *   CLLOSS_QUEUE           of another context or device
 *   CLLOSS_FORKED          in a child process
 *   or OpenCL's: CL_BUILD_PROGRAM_FAILURE, CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE … */
CLLOSS_API clloss_status clloss_softmax_forward(clloss_ctx *ctx, const clloss_softmax *softmax,
                                                const clloss_softmax_options *options, cl_command_queue queue,
                                                cl_uint n_wait, const cl_event *wait, cl_event *done);
CLLOSS_API clloss_status clloss_softmax_backward(clloss_ctx *ctx, const clloss_softmax *softmax,
                                                 const clloss_softmax_options *options,
                                                 cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                                 cl_event *done);

/* ---- distillation ---------------------------------------------------------------------------------------------- */

/* The Kullback-Leibler divergence of the student's softmax from the teacher's, both at one temperature τ, and its
 * gradient with respect to the student's logits (Hinton, Vinyals and Dean 2015: Distilling the knowledge in a neural
 * network). Layout, T, "real" and aliasing are clloss_xent's; in place, grad may be the very same view as student. */
typedef struct clloss_distill {
  size_t struct_size;
  size_t rows;            /* pairs of softmaxes; 0 is valid: loss is written all the same */
  size_t classes;         /* at least 1 */
  size_t inner;           /* rows that lie between two classes; 0 or 1: the class axis is the last */
  clloss_view student;    /* T, logits, read */
  clloss_view teacher;    /* T or real, logits, read */
  clloss_view row_weight; /* [rows] real, may broadcast. Unbound: 1 */
  clloss_view loss;       /* [1] real, written: the mean or the sum, in nats; not with CLLOSS_NONE */
  clloss_view row_loss;   /* [rows] real, written: the unreduced losses, row_weight and τ² included */
  clloss_view
      row_stats; /* [rows][4] real: m and log Σ exp((x − m) / τ), m = max x, of the student and of the teacher;
                             a pair without a softmax is NaN. Forward and fused write it, backward reads it */
  clloss_view grad; /* the student's shape, T or real, written */
  clloss_view
      grad_loss;       /* upstream gradient, real: [1]; [rows], may broadcast, with CLLOSS_NONE. Unbound: 1 */
  clloss_view divisor; /* [1] real, read: replaces the mean's divisor */
  clloss_view
      workspace; /* u8, scratch, written and read, offset a multiple of 8; unbound: the pool, as for clloss_xent */
} clloss_distill;

typedef struct clloss_distill_options {
  size_t struct_size;
  uint32_t reduction; /* CLLOSS_MEAN (0), CLLOSS_SUM, CLLOSS_NONE */
  uint32_t flags;     /* CLLOSS_TEMPERATURE_SQUARED: keeps gradients comparable across temperatures */
  double temperature; /* τ, from 2^-60 to 2^60; 0: 1 */
  double divisor;     /* of the mean, in place of its own; 0: its own */
} clloss_distill_options;

/* forward:  row_loss = row_weight · Σ p_t (log p_t − log p_s), p = softmax(x / τ), 0 · log 0 = 0, times τ² with
 *           CLLOSS_TEMPERATURE_SQUARED. mean: Σ row_loss / Σ row_weight (without weights: / rows).
 * backward: grad = g · row_weight / D · (p_s − p_t) / τ, times τ² likewise, D the mean's divisor (0: NaN), g the
 *           upstream gradient; from row_stats. There is no gradient with respect to the teacher.
 * fused:    both with one read of either row's logits from memory. Losses and row_stats have forward's bits.
 *
 * A class that the teacher masks (−inf) costs nothing; one that only the student masks costs +inf, however small the
 * teacher's probability. A row that is all −inf or holds NaN or +inf, in either, has loss and gradient NaN; no other
 * row notices. The divergence of a row from itself is exactly 0, and none is negative.
 * Beside targets: call this into a gradient apart, then clloss_xent with grad_beta 1 into the same.
 *
 * `done`, if not NULL, receives an event, the caller's to release, that is complete when every output is. A plan
 * override to the split family runs whole rows. Two runs with the same device, plan and input give the same bits.
 *
 *   CLLOSS_NULL_ARGUMENT   ctx, distill, queue; wait list NULL with n_wait > 0 or the reverse
 *   CLLOSS_STRUCT_SIZE     of distill or options
 *   CLLOSS_SIZE            zero classes; rows * classes overflows; rows isn't a multiple of inner
 *   CLLOSS_MISSING_VIEW, CLLOSS_UNUSED_VIEW   a view that this call needs, or can't use; forward without an output
 *   CLLOSS_DTYPE, CLLOSS_STRIDE, CLLOSS_BUFFER_SIZE, CLLOSS_ALIGNMENT, CLLOSS_ACCESS, CLLOSS_MEMORY_CONTEXT,
 *   CLLOSS_OVERLAP, CLLOSS_WORKSPACE          what the named view is at fault for
 *   CLLOSS_OPTION          unknown reduction or flag; temperature or divisor out of range; a divisor without the mean,
 *                          or given twice; likewise in a view
 *   CLLOSS_DEVICE          f64 on a device without cl_khr_fp64
 *   CLLOSS_QUEUE           of another context or device
 *   CLLOSS_FORKED          in a child process
 *   or OpenCL's: CL_BUILD_PROGRAM_FAILURE, CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE … */
CLLOSS_API clloss_status clloss_distill_forward(clloss_ctx *ctx, const clloss_distill *distill,
                                                const clloss_distill_options *options, cl_command_queue queue,
                                                cl_uint n_wait, const cl_event *wait, cl_event *done);
CLLOSS_API clloss_status clloss_distill_backward(clloss_ctx *ctx, const clloss_distill *distill,
                                                 const clloss_distill_options *options,
                                                 cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                                 cl_event *done);
CLLOSS_API clloss_status clloss_distill_fused(clloss_ctx *ctx, const clloss_distill *distill,
                                              const clloss_distill_options *options, cl_command_queue queue,
                                              cl_uint n_wait, const cl_event *wait, cl_event *done);

/* How many bytes a workspace view needs for any of the three calls on this shape. With student bound, to the byte for these
 * views; without, enough for whatever views the calls will have, of the student's element type if that is given, else of
 * any.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_STRUCT_SIZE, CLLOSS_SIZE, CLLOSS_OPTION, CLLOSS_FORKED */
CLLOSS_API clloss_status clloss_distill_workspace(clloss_ctx *ctx, const clloss_distill *distill,
                                                  const clloss_distill_options *options, size_t *bytes);

/* ---- surprisal and entropy ------------------------------------------------------------------------------------- */

/* What each row's distribution says, in nats: the surprisal −log p of its target, and its entropy −Σ p log p with
 * 0 · log 0 = 0. The input is logits, of which p is the softmax, or by flag p itself or its logarithm. Layout, T and
 * "real" are clloss_xent's. */
typedef struct clloss_information {
  size_t struct_size;
  size_t rows;           /* distributions; 0 is valid: nothing is written */
  size_t classes;        /* at least 1 */
  size_t inner;          /* rows that lie between two classes; 0 or 1: the class axis is the last */
  clloss_view input;     /* T, read */
  clloss_view targets;   /* [rows] class indices, of any element type; goes with surprisal */
  clloss_view surprisal; /* [rows] real, written */
  clloss_view entropy;   /* [rows] real, written; at least one of the two is bound */
} clloss_information;

typedef struct clloss_information_options {
  size_t struct_size;
  uint32_t flags;    /* CLLOSS_FROM_PROBABILITIES or CLLOSS_FROM_LOG_PROBABILITIES; neither: logits */
  uint32_t reserved; /* 0 */
} clloss_information_options;

/* Reads the input once. A target out of range has surprisal NaN. A row of probabilities with an entry outside [0, 1] (of
 * logarithms: above 0), and a row of logits without a softmax (all −inf, NaN, +inf), is NaN in both; no other row
 * notices. Probabilities need not add up to 1; one below the least normal number counts as 0. Cross-entropy is
 * entropy + divergence: clloss_xent with probabilities p is entropy of p + clloss_distill from teacher log p.
 *
 * `done`, if not NULL, receives an event, the caller's to release, that is complete when the outputs are. A plan
 * override to the split family runs whole rows. Two runs with the same device, plan and input give the same bits.
 *
 *   CLLOSS_NULL_ARGUMENT   ctx, information, queue; wait list NULL with n_wait > 0 or the reverse
 *   CLLOSS_STRUCT_SIZE     of information or options
 *   CLLOSS_SIZE            zero classes; rows * classes overflows; rows isn't a multiple of inner
 *   CLLOSS_MISSING_VIEW, CLLOSS_UNUSED_VIEW   no output, surprisal without targets; targets without surprisal
 *   CLLOSS_DTYPE, CLLOSS_STRIDE, CLLOSS_BUFFER_SIZE, CLLOSS_ALIGNMENT, CLLOSS_ACCESS, CLLOSS_MEMORY_CONTEXT,
 *   CLLOSS_OVERLAP         what the named view is at fault for
 *   CLLOSS_OPTION          unknown flag, both flags, reserved isn't 0; a view's flags
 *   CLLOSS_DEVICE          f64 on a device without cl_khr_fp64
 *   CLLOSS_QUEUE           of another context or device
 *   CLLOSS_FORKED          in a child process
 *   or OpenCL's: CL_BUILD_PROGRAM_FAILURE, CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE … */
CLLOSS_API clloss_status clloss_information_forward(clloss_ctx *ctx, const clloss_information *information,
                                                    const clloss_information_options *options,
                                                    cl_command_queue queue, cl_uint n_wait,
                                                    const cl_event *wait, cl_event *done);

#ifdef __cplusplus
}
#endif

#endif
