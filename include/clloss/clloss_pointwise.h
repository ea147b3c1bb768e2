/* Elementwise losses: one function set, and a kind. Part of clloss.h, which says the manners that hold here too: structs,
 * views, events, threads. */
#ifndef CLLOSS_POINTWISE_H
#define CLLOSS_POINTWISE_H

#include "clloss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "mse", "bce-logits" …, as in CLLOSS_POINTWISE_LIST; NULL for a number that is no kind. Static text. */
CLLOSS_API const char *clloss_pointwise_name(uint32_t kind);

/* What to compute, and where. Mathematics and sources of each kind: clloss_ref.h, which computes the same.
 *
 * T is the type of the input: f32, f64, f16 or bf16; "real" is f32, and f64 where T is. Matrices are [rows][classes],
 * with offset and row_stride; classes are neighbours, and what lies between rows is neither read nor written. A view that
 * may broadcast may be a whole matrix or have one of the three CLLOSS_BROADCAST flags.
 *
 * Aliasing: grad may be the very same view as input (in place). Otherwise the byte range of an output must not meet
 * that of any other view in the same root buffer; inputs may share. Buffers are the caller's throughout. */
typedef struct clloss_pointwise {
  size_t struct_size;
  size_t rows;              /* 0 is valid: reduced outputs are written all the same */
  size_t classes;           /* elements per row, at least 1 */
  uint32_t kind;            /* CLLOSS_MSE …; 0 is none */
  uint32_t reserved;        /* 0 */
  clloss_view input;        /* T, read: logits, probabilities, log-probabilities or predictions, by kind */
  clloss_view target;       /* T or real, read */
  clloss_view weight;       /* real, may broadcast. Unbound: 1 */
  clloss_view pos_weight;   /* [classes] real, CLLOSS_BCE_LOGITS alone. Unbound: 1 */
  clloss_view loss;         /* [1] real, written: mean, sum or batchmean; not with CLLOSS_NONE */
  clloss_view element_loss; /* real, written: the unreduced losses, weights included */
  clloss_view grad;         /* T or real, written: grad_alpha · d loss / d input times the upstream gradient,
                               + grad_beta · what stood there */
  clloss_view
      grad_loss;      /* upstream gradient, real, read: [1], or with CLLOSS_NONE a matrix that may broadcast.
                               Unbound: 1 */
  clloss_view counts; /* [CLLOSS_POINTWISE_COUNTS] i64, written */
  clloss_view workspace; /* u8, scratch, written and read, offset a multiple of 8; unbound: the ctx's pool */
} clloss_pointwise;

typedef struct clloss_pointwise_options {
  size_t struct_size;
  uint32_t reduction; /* CLLOSS_MEAN (0), CLLOSS_SUM, CLLOSS_NONE, CLLOSS_BATCHMEAN */
  uint32_t flags;     /* CLLOSS_LOG_TARGET, CLLOSS_SET_…, CLLOSS_GRAD_ALPHA */
  double delta;       /* Huber's δ > 0, smooth-L1's β >= 0; 0 without CLLOSS_SET_DELTA: 1 */
  double gamma;       /* focal: γ >= 0; 0 without CLLOSS_SET_GAMMA: 2 */
  double alpha;       /* focal: α <= 1, negative: none; 0 without CLLOSS_SET_ALPHA: 0.25 */
  double clip;        /* BCE: ε in [0, 0.5), input clipped to [ε, 1 − ε]; 0: the logarithms to −100 */
  double divisor;     /* of the mean, in place of its own; 0: its own */
  double grad_alpha;  /* with CLLOSS_GRAD_ALPHA */
  double grad_beta;   /* 0: what stood in grad is not read */
} clloss_pointwise_options;

/* forward: reads input and target; writes the outputs but grad, of which at least one is bound.
 * backward: reads input, target and grad_loss; writes grad.
 * fused: forward and backward with one read of the input from memory: writes grad, and the others where bound. Its losses
 * have the same bits as forward's, if grad is laid out as the input is.
 *
 * The mean divides by the number of elements; where the kind has CLLOSS_MEAN_BY_WEIGHT and weight is bound, by the sum of
 * the weights. Over a divisor of 0 it is NaN (±inf if the sum isn't 0). A weight of 0 removes an element's loss and
 * gradient even where they are infinite; NaN stays.
 *
 * `done`, if not NULL, receives an event, the caller's to release, that is complete when every output is. Two runs
 * with the same device, plan and input give the same bits. Of a ctx's plan overrides, slices cuts rows.
 *
 *   CLLOSS_NULL_ARGUMENT   ctx, pointwise, queue; wait list NULL with n_wait > 0 or the reverse
 *   CLLOSS_STRUCT_SIZE     of pointwise or options
 *   CLLOSS_SIZE            zero classes; rows * classes overflows
 *   CLLOSS_MISSING_VIEW, CLLOSS_UNUSED_VIEW   a view that this call or kind needs, or can't use
 *   CLLOSS_DTYPE, CLLOSS_STRIDE, CLLOSS_BUFFER_SIZE, CLLOSS_ALIGNMENT, CLLOSS_ACCESS, CLLOSS_MEMORY_CONTEXT,
 *   CLLOSS_OVERLAP, CLLOSS_WORKSPACE          what the named view is at fault for
 *   CLLOSS_OPTION          unknown kind, reduction or flag; an option that the kind doesn't take, or out of its range; a
 *                          divisor without the mean; grad_beta in place; likewise in a view
 *   CLLOSS_DEVICE          f64 on a device without cl_khr_fp64
 *   CLLOSS_QUEUE           of another context or device
 *   CLLOSS_FORKED          in a child process
 *   or OpenCL's: CL_BUILD_PROGRAM_FAILURE, CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE … */
CLLOSS_API clloss_status clloss_pointwise_forward(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                                  const clloss_pointwise_options *options,
                                                  cl_command_queue queue, cl_uint n_wait,
                                                  const cl_event *wait, cl_event *done);
CLLOSS_API clloss_status clloss_pointwise_backward(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                                   const clloss_pointwise_options *options,
                                                   cl_command_queue queue, cl_uint n_wait,
                                                   const cl_event *wait, cl_event *done);
CLLOSS_API clloss_status clloss_pointwise_fused(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                                const clloss_pointwise_options *options,
                                                cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                                cl_event *done);

/* How many bytes a workspace view needs for any of the three calls, whatever their views will be; of the input's element
 * type if that is given, else of any.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_STRUCT_SIZE, CLLOSS_SIZE, CLLOSS_OPTION, CLLOSS_FORKED */
CLLOSS_API clloss_status clloss_pointwise_workspace(clloss_ctx *ctx, const clloss_pointwise *pointwise,
                                                    const clloss_pointwise_options *options, size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif
