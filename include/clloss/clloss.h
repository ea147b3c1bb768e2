/* clLoss: batched, numerically stable losses and their gradients on OpenCL devices.
 *
 * The manners are OpenCL's own. The caller owns context, queue and buffers; every call takes a queue, a wait list
 * and an event out-pointer, returns as soon as its kernels are enqueued, and never waits on the device or reads back
 * behind the caller's back (transfers without an event are the one documented exception). In-order and out-of-order
 * queues both work. If a call is refused, nothing was enqueued and nothing changed; if the driver fails half-way
 * through a call's kernels, its first error comes back, no event, and the outputs are undefined. A wait list of which an
 * event has failed is refused: CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST.
 *
 * Zero is the default: a NULL options pointer, a zero field and a view without a buffer all mean "the usual".
 *
 * Structs open with struct_size, set by the caller to sizeof the struct, so that programs built against an older
 * header run with a newer library: a smaller size is filled up with zeros, a larger one is accepted only while the
 * part this library doesn't know is zero (else CLLOSS_STRUCT_SIZE).
 *
 * Threads: one at a time per ctx and per tensor. Any number of ctx, also on one cl_context, may be used from as many
 * threads. The library has no globals, prints nothing, reads no environment variable, and never aborts. */
#ifndef CLLOSS_H
#define CLLOSS_H

#ifdef __APPLE__
#  include <OpenCL/opencl.h>
#else
#  include <CL/cl.h>
#endif
#include "clloss_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version and status ------------------------------------------------------------------------------------- */

/* The version of the library that is linked, MAJOR * 10000 + MINOR * 100 + PATCH: 0.1.0 is 100. */
CLLOSS_API uint32_t clloss_version(void);

/* The code's name ("CLLOSS_STRIDE", "CL_INVALID_KERNEL_ARGS"; "unknown status" for a code of neither) and what it
 * means, as static text. */
CLLOSS_API const char *clloss_status_name(clloss_status status);
CLLOSS_API const char *clloss_status_text(clloss_status status);

/* An element type's word ("bf16"; NULL for what is none) and the bytes of an element (0 for what is none). */
CLLOSS_API const char *clloss_dtype_name(uint32_t dtype);
CLLOSS_API size_t clloss_dtype_size(uint32_t dtype);

/* ---- ctx ---------------------------------------------------------------------------------------------------- */

typedef struct clloss_ctx clloss_ctx;

/* A value of 0 or NULL leaves the choice to clLoss. */
typedef struct clloss_ctx_options {
  size_t struct_size;
  char *message;             /* receives, NUL-terminated, why clloss_ctx_create failed; caller's memory */
  size_t message_size_bytes; /* room there */
  /* Plan overrides: for tuning and tests. They hold for every call on the ctx. */
  uint32_t family;         /* CLLOSS_FAMILY_… */
  uint32_t local_size;     /* work-items per work-group of the group family; the lane family's is always 1 */
  uint64_t rows_per_group; /* rows that one work-group owns */
  uint64_t slices;         /* work-groups per row of the split family, 2 … 64 */
  const char *tuning; /* what `clloss tune` wrote for this device, NUL-terminated; read during the call */
  /* Compiled programs, so that this ctx compiles none that are there: what clloss_ctx_programs wrote in an earlier process, read
   * during the call; and another ctx of the same context and device, in use by another thread or not, from which on both have
   * all programs that either of them compiles. It may end before this one. */
  const void *programs;
  size_t programs_size_bytes;
  clloss_ctx *share;
} clloss_ctx_options;

/* Makes a ctx for one device of one cl_context. It retains the context, keeps the compiled kernels and a pool of
 * workspace, and enqueues nothing. Kernels are compiled at their first use. options->programs that are of another library,
 * device or driver, cut or damaged are left alone: the ctx compiles, and options->message says why.
 *   CLLOSS_NULL_ARGUMENT  out, context or device is NULL
 *   CLLOSS_STRUCT_SIZE    options->struct_size
 *   CLLOSS_DEVICE         the device isn't in the context, isn't available, has no compiler, or is big-endian; `share` is of
 *                         another context or device
 *   CLLOSS_FORKED         `share` was made by the process that this one was forked from
 *   CLLOSS_PLAN           an override that the device can't run; a tuning text that isn't one
 *   CL_OUT_OF_HOST_MEMORY, or whatever OpenCL answers to queries about context and device
 * On failure *out is NULL and options->message says why, also of a struct_size that is refused, unless it is too small to
 * hold message and message_size_bytes. */
CLLOSS_API clloss_status clloss_ctx_create(clloss_ctx **out, cl_context context, cl_device_id device,
                                           const clloss_ctx_options *options);

/* Releases the ctx and sets the pointer to NULL. Legal with work in flight (OpenCL keeps what its queues still use),
 * with NULL, and with a pointer to NULL. Tensors of the ctx outlive it. */
CLLOSS_API void clloss_ctx_destroy(clloss_ctx **ctx);

/* What went wrong in the last call on this ctx that failed, in words: the field, the value, the compiler's log; of an error of
 * OpenCL's the step, the call and the code, "workspace of 65536 bytes: clCreateBuffer answers CL_OUT_OF_RESOURCES (-5)".
 * Never NULL, also for a NULL ctx; valid until the next call on the ctx. */
CLLOSS_API const char *clloss_ctx_message(const clloss_ctx *ctx);

/* A call to come, for clloss_ctx_prebuild. Of a view only the element type need be there, and the strides if it has some: a
 * view with an element type is one that will be bound. */
typedef struct clloss_call {
  uint32_t call;       /* CLLOSS_CALL_XENT_FUSED … */
  uint32_t reserved;   /* 0 */
  const void *arrays;  /* the call's own struct: clloss_xent, clloss_softmax, … */
  const void *options; /* its options, or NULL */
} clloss_call;

/* Compiles now, rather than at first use, what these calls and others of their shapes need. Some drivers, PoCL among them,
 * generate code when a kernel is first enqueued; so each kernel is enqueued once, on a queue of this function's own and
 * without any rows, and the function returns when that is done. The calls' own kernels are counted by clloss_ctx_get_stats,
 * and the pool has their workspace.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_OPTION (no such call), what the call itself would refuse without looking at buffers, naming
 *   field and value; CLLOSS_MISSING_VIEW (a view that it needs has no element type), CLLOSS_FORKED,
 *   CL_BUILD_PROGRAM_FAILURE (the log is the message), or OpenCL's. Calls before the one at fault stay compiled. */
CLLOSS_API clloss_status clloss_ctx_prebuild(clloss_ctx *ctx, const clloss_call *calls, size_t n_calls);

/* The programs that this ctx, and those that it shares with, have compiled or were given, as one blob of bytes for
 * clloss_ctx_options.programs: a program's first result takes seconds where kernels are compiled, and a fraction of one where they
 * are loaded. Let the device be idle: PoCL 3.1 ends the process where a kernel runs meanwhile, and PoCLs take some seconds, as they
 * compile all kernels of a program then. blob NULL: *size_bytes alone, which grows with what is compiled meanwhile. The library
 * writes no file; where to keep a blob, and for how long, is the caller's choice, and a blob is as trustworthy as the place
 * where it lay: drivers run what is in it.
 *   CLLOSS_NULL_ARGUMENT  ctx, size_bytes
 *   CLLOSS_SIZE           blob's room_bytes are fewer than *size_bytes, which says how many are needed
 *   CLLOSS_FORKED, CL_OUT_OF_HOST_MEMORY, or what OpenCL answers to queries about programs */
CLLOSS_API clloss_status clloss_ctx_programs(clloss_ctx *ctx, void *blob, size_t room_bytes,
                                             size_t *size_bytes);

/* What a blob of this library for this device has to be of, NUL-terminated and fit for a file's name: the library's version and
 * kernels, and the device and driver. Another key's blob is of no use. key has room for CLLOSS_KEY_BYTES.
 *   CLLOSS_NULL_ARGUMENT  device, key
 *   CLLOSS_SIZE           room_bytes
 *   CL_OUT_OF_HOST_MEMORY, or what OpenCL answers to queries about the device */
enum { CLLOSS_KEY_BYTES = 64 };
CLLOSS_API clloss_status clloss_programs_key(cl_device_id device, char *key, size_t room_bytes);

/* Counts since the ctx was made. They depend on the calls alone, never on the clock; only on several queues, or one
 * out of order, does what the pool holds depend on which calls have ended. */
typedef struct clloss_ctx_stats {
  size_t struct_size;
  uint64_t programs_built;
  uint64_t kernels_enqueued;
  uint64_t work_groups_enqueued;
  uint64_t pool_bytes;       /* workspace that the pool holds now */
  uint64_t pool_peak_bytes;  /* its high-water mark */
  uint64_t pool_allocations; /* OpenCL buffers that the pool ever created */
  uint64_t
      programs_loaded; /* of options.programs; those that a sharing ctx compiled or loaded count there alone */
} clloss_ctx_stats;

/* CLLOSS_NULL_ARGUMENT, CLLOSS_STRUCT_SIZE */
CLLOSS_API clloss_status clloss_ctx_get_stats(clloss_ctx *ctx, clloss_ctx_stats *stats);

/* Gives back the pool's buffers; work in flight keeps its own until it is done. CLLOSS_NULL_ARGUMENT */
CLLOSS_API clloss_status clloss_ctx_trim(clloss_ctx *ctx);

/* ---- views and tensors -------------------------------------------------------------------------------------- */

/* A window on a buffer, or on memory that has a pointer instead of a cl_mem. All sizes count elements of dtype. A view with
 * neither is not bound. */
typedef struct clloss_view {
  cl_mem mem;
  size_t offset;     /* elements before the first */
  size_t row_stride; /* from one row to the next, with inner > 1 from one outer row to the next; 0: packed */
  size_t class_stride; /* from one class to the next; 0: packed, which is 1, or inner */
  uint32_t dtype;      /* CLLOSS_F32 … */
  uint32_t flags;      /* CLLOSS_BROADCAST … */
  /* Instead of mem: what clSVMAlloc returned, coarse or fine-grained (elements further on are reached by offset), or an address
   * within an allocation of Intel's USM, of whichever kind; of the ctx's context. What malloc returned becomes a cl_mem by
   * CL_MEM_USE_HOST_PTR. */
  void *pointer;
} clloss_view;

/* A window on the whole of a buffer that holds elements of this type, packed; what else a view can say is set in it. No ownership
 * passes, neither here nor by a call: the buffer has to live until the calls that use it have completed. */
CLLOSS_API clloss_view clloss_view_of(cl_mem mem, uint32_t dtype);

/* The same on SVM or USM, of devices that have either; on others a call with such a view is CLLOSS_DEVICE. What the host has mapped
 * of it (coarse-grained SVM) has to be unmapped before, as of a buffer, and neither may be freed before the event `done`. */
CLLOSS_API clloss_view clloss_view_at(void *pointer, uint32_t dtype);

/* What any struct of options or views that has a struct_size begins as: clloss_xent x = CLLOSS_INIT(clloss_xent); */
#define CLLOSS_INIT(type) \
  { .struct_size = sizeof(type) }

/* A typed array on the device, [rows][classes], packed; classes is 1 for one value per row. */
typedef struct clloss_tensor clloss_tensor;

/* Allocates; where the device shares the host's memory, in memory that both can address, so that map copies nothing.
 * The contents are undefined. The tensor retains the cl_context and may outlive the ctx. Zero rows are valid.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_DTYPE, CLLOSS_SIZE, CLLOSS_FORKED, CL_INVALID_BUFFER_SIZE,
 *   CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_HOST_MEMORY */
CLLOSS_API clloss_status clloss_tensor_create(clloss_tensor **out, clloss_ctx *ctx, uint32_t dtype,
                                              size_t rows, size_t classes);

/* Releases the tensor and sets the pointer to NULL; legal with work in flight, with NULL, and on a mapped tensor
 * (the mapped pointer is then dead). */
CLLOSS_API void clloss_tensor_destroy(clloss_tensor **tensor);

/* The whole tensor as a view; no ownership passes. An unbound view where tensor is NULL. */
CLLOSS_API clloss_view clloss_tensor_view(const clloss_tensor *tensor);

/* What went wrong in the last transfer, map or unmap of this tensor that failed, as clloss_ctx_message says it of a ctx. Never NULL,
 * also for a NULL tensor; valid until the next of these calls. */
CLLOSS_API const char *clloss_tensor_message(const clloss_tensor *tensor);

/* Copies a whole packed host array of the tensor's element type and shape to the device, or back. With `done` the
 * call returns at once and the array must stay (upload: unchanged) until the event completes; without it the call
 * returns when the copy is done.
 * What was wrong in words is the tensor's to say, as it may have outlived its ctx: clloss_tensor_message.
 *   CLLOSS_NULL_ARGUMENT  tensor, host, queue; a wait list NULL with n_wait > 0 or the reverse; an event in it
 *   CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST  an event of the wait list has failed: before the call, or without `done`
 *                         while the call waited for it. Tensor and array are as they were. With `done` that event fails.
 *   CLLOSS_QUEUE, CLLOSS_MAPPED, CLLOSS_FORKED, or OpenCL's */
CLLOSS_API clloss_status clloss_tensor_upload(clloss_tensor *tensor, const void *host, cl_command_queue queue,
                                              cl_uint n_wait, const cl_event *wait, cl_event *done);
CLLOSS_API clloss_status clloss_tensor_download(const clloss_tensor *tensor, void *host,
                                                cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                                cl_event *done);

/* The same for a packed host array of another element type: f32, f64, f16 and bf16 among each other, each value rounded
 * once to the nearest, ties to even, beyond the range to infinity, NaN to NaN; and the integers u8, u16, i32 and i64
 * among each other, where all values have to fit: if one doesn't, nothing is written. Where the types differ the call
 * waits for the wait list and goes through a map, so that the array may be used as soon as it returns, also with `done`.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_DTYPE (no type, or a real and an integer), CLLOSS_VALUE, CLLOSS_QUEUE,
 *   CLLOSS_MAPPED, CLLOSS_FORKED, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST (as above, while it waited also with
 *   `done`), or OpenCL's */
CLLOSS_API clloss_status clloss_tensor_upload_as(clloss_tensor *tensor, uint32_t host_dtype, const void *host,
                                                 cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                                 cl_event *done);
CLLOSS_API clloss_status clloss_tensor_download_as(const clloss_tensor *tensor, uint32_t host_dtype,
                                                   void *host, cl_command_queue queue, cl_uint n_wait,
                                                   const cl_event *wait, cl_event *done);

/* The same conversion between two arrays of n elements in host memory that don't overlap; needs no device. f16 and bf16
 * are there as uint16_t.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_DTYPE, CLLOSS_VALUE */
CLLOSS_API clloss_status clloss_convert(uint32_t to_dtype, void *to, uint32_t from_dtype, const void *from,
                                        size_t n);

/* The same conversion on the device, of reals: rows × classes elements, each view with an offset and strides of its own. So logits
 * of one type become those of another for a library that doesn't know theirs, as CLBlast doesn't know bf16. The two must not
 * overlap. Subnormal numbers are kept in every type. */
typedef struct clloss_cast_arrays {
  size_t struct_size;
  size_t rows, classes; /* elements: [rows][classes] */
  clloss_view input;    /* CLLOSS_F32, F64, F16, BF16 */
  clloss_view output;   /* the same */
} clloss_cast_arrays;

/*   CLLOSS_NULL_ARGUMENT   ctx, arrays, queue; a wait list NULL with n_wait > 0 or the reverse
 *   CLLOSS_STRUCT_SIZE, CLLOSS_SIZE, CLLOSS_DTYPE, CLLOSS_OPTION (a view's flags), CLLOSS_STRIDE, CLLOSS_MISSING_VIEW,
 *   CLLOSS_BUFFER_SIZE, CLLOSS_ALIGNMENT, CLLOSS_OVERLAP, CLLOSS_ACCESS, CLLOSS_MEMORY_CONTEXT, CLLOSS_QUEUE, CLLOSS_FORKED
 *   CLLOSS_DEVICE          f64 on a device without
 *   CL_BUILD_PROGRAM_FAILURE (the log is the message), or OpenCL's */
CLLOSS_API clloss_status clloss_cast(clloss_ctx *ctx, const clloss_cast_arrays *arrays,
                                     cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                     cl_event *done);

/* Makes the whole tensor addressable by the host until unmap, for reading and writing; kernels must not use it
 * meanwhile. `done` as for upload: without it the call returns when *host may be used. One map at a time. On failure *host
 * is NULL and the tensor isn't mapped; should `done` fail, it is until unmap, and *host may not be used.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_QUEUE, CLLOSS_MAPPED, CLLOSS_SIZE (no elements), CLLOSS_FORKED,
 *   CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST (as for upload), or OpenCL's */
CLLOSS_API clloss_status clloss_tensor_map(clloss_tensor *tensor, void **host, cl_command_queue queue,
                                           cl_uint n_wait, const cl_event *wait, cl_event *done);

/* Hands the memory back to the device. Never waits; later commands wait for `done` or share the in-order queue. On failure
 * the tensor stays mapped; should an event of the wait list fail after the call, `done` fails, and what was written through
 * the map may be lost.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_QUEUE, CLLOSS_MAPPED (it isn't mapped), CLLOSS_FORKED,
 *   CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST (before the call), or OpenCL's */
CLLOSS_API clloss_status clloss_tensor_unmap(clloss_tensor *tensor, cl_command_queue queue, cl_uint n_wait,
                                             const cl_event *wait, cl_event *done);

/* ---- softmax cross-entropy ---------------------------------------------------------------------------------- */

/* What to compute, and where. Mathematics, conventions and their sources: clloss_ref.h, which computes the same.
 *
 * Logits are [rows][classes], or with inner > 1 [rows / inner][classes][inner], the class axis in the middle as in
 * (N, C, H, W): row r = outer · inner + i. Their type T is f32, f64, f16 or bf16; "real" is f32, and f64 where T is.
 *
 * f32 arithmetic flushes what is below 2^-126 in magnitude: such a logit (f32, bf16), weight, upstream gradient or divisor may
 * count as 0, and such a loss or gradient may come out as 0. f16's subnormals are normal numbers of f32: they are read and
 * written as they are. f64 keeps its own.
 *
 * Aliasing: grad may be the very same view as logits (in place). Otherwise the byte range of an output must not meet
 * that of any other view in the same root buffer; inputs may share. Buffers are the caller's throughout. */
typedef struct clloss_xent {
  size_t struct_size;
  size_t rows;        /* softmaxes; 0 is valid: reduced outputs are written all the same */
  size_t classes;     /* logits per softmax, at least 1 */
  size_t inner;       /* rows that lie between two classes; 0 or 1: the class axis is the last */
  clloss_view logits; /* T, read; strides: clloss_view */
  clloss_view
      targets; /* [rows] class indices, of any element type; or probabilities of the logits' shape, T or real. Of reals a
                               flag says which: CLLOSS_TARGET_INDICES, of which one that isn't a whole number is out of
                               range, or CLLOSS_TARGET_PROBABILITIES */
  clloss_view class_weight; /* [classes] real. Unbound: 1 */
  clloss_view row_weight;   /* [rows] real, may broadcast. Unbound: 1 */
  clloss_view
      loss; /* [1] real, written: the mean or the sum, in nats; not with CLLOSS_NONE. With CLLOSS_ACCUMULATE
                               it, metrics and counts are added to what stands there */
  clloss_view row_loss; /* [rows] real, written: the unreduced losses, weights and z-loss included */
  clloss_view
      row_stats; /* [rows][2] real: (max z, log Σ exp(z − max)) of the z that the softmax sees, the latter exact near 0
                               too, as log1p of the sum without the maximum's 1; forward and
                               fused write it, backward reads it. Ignored rows get (0, 0); rows with a bad target, or
                               without a softmax (NaN, +inf or nothing but −inf), (NaN, NaN). */
  clloss_view
      grad; /* the logits' shape, T or real, written: grad_alpha · d loss / d logits times the upstream
                               gradient, + grad_beta · what stood there */
  clloss_view
      grad_loss; /* upstream gradient, real, read: [1]; [rows], may broadcast, with CLLOSS_NONE. Unbound: 1 */
  clloss_view divisor; /* [1] real, read: replaces the divisors of the mean */
  clloss_view metrics; /* [CLLOSS_METRICS] real, written */
  clloss_view counts;  /* [CLLOSS_COUNTS] i64, written */
  clloss_view
      predicted; /* [rows] i32, written: lowest index of the greatest z; −1 where there is none, and on rows
                               that aren't valid */
  clloss_view
      confidence; /* [rows] real, written: its probability. Ignored rows 0, others that aren't valid NaN */
  clloss_view entropy; /* [rows] real, written: −Σ p log p of the prediction, nats; likewise */
  clloss_view
      workspace; /* u8, scratch, written and read, offset a multiple of 8; unbound, the ctx's pool serves: up to 8
                               calls that can't follow one another share it without waiting for one another */
} clloss_xent;

typedef struct clloss_xent_options {
  size_t struct_size;
  uint32_t reduction; /* CLLOSS_MEAN (0), CLLOSS_SUM, CLLOSS_NONE */
  uint32_t flags;     /* CLLOSS_IGNORE_INDEX … */
  int64_t
      ignore_index; /* may lie outside [0, classes); class k, if given, stays in the softmax. 0 is refused as forgotten
                           unless CLLOSS_IGNORE_ZERO says that it isn't */
  double
      label_smoothing; /* ε in [0, 1]: (1 − ε) nll + (ε / classes) Σ −log p; with probabilities they are smoothed */
  double z_loss;      /* s >= 0: + s · lse², times row_weight, in the mean over Σ row_weight */
  double logit_scale; /* z = logit_scale · x; 0: 1 */
  double softcap;     /* then z = softcap · tanh(z / softcap), −inf stays −inf; 0: none */
  double divisor;     /* of the mean, in place of its own; 0: its own */
  double grad_alpha;  /* with CLLOSS_GRAD_ALPHA */
  double grad_beta;   /* 0: what stood in grad is not read */
  uint64_t top_k;     /* of CLLOSS_COUNT_TOPK; 0: 5 */
} clloss_xent_options;

/* forward: reads logits and targets; writes the outputs but grad, of which at least one is bound.
 * backward: reads logits, targets, row_stats and grad_loss; writes grad.
 * fused: forward and backward with one read of the logits from memory: writes grad, and the others where bound. Its
 * losses and row_stats have the same bits as forward's.
 *
 * With CLLOSS_LOG_PROBABILITIES the logits are log-probabilities, and a row's loss is −w_t x_t (torch.nn.functional
 * .nll_loss): only the target's entry of a row is read. Smoothing, z-loss, scale and softcap, probabilities for targets,
 * and the views row_stats (also in backward), predicted, confidence and entropy belong to a softmax and are refused; the
 * metrics of entropy and confidence are NaN, and the counts of ranks 0.
 *
 * `done`, if not NULL, receives an event, the caller's to release, that is complete when every output is.
 *
 *   CLLOSS_NULL_ARGUMENT   ctx, xent, queue; wait list NULL with n_wait > 0 or the reverse
 *   CLLOSS_STRUCT_SIZE     of xent or options
 *   CLLOSS_SIZE            zero classes; rows * classes overflows; rows isn't a multiple of inner
 *   CLLOSS_MISSING_VIEW, CLLOSS_UNUSED_VIEW   a view that this call needs, or can't use
 *   CLLOSS_DTYPE, CLLOSS_STRIDE, CLLOSS_BUFFER_SIZE, CLLOSS_ALIGNMENT, CLLOSS_ACCESS, CLLOSS_MEMORY_CONTEXT,
 *   CLLOSS_OVERLAP, CLLOSS_WORKSPACE          what the named view is at fault for
 *   CLLOSS_OPTION          unknown reduction or flag, a value out of its range, or a combination without a meaning:
 *                          ignore_index without CLLOSS_IGNORE_INDEX or with probabilities, a divisor without the mean,
 *                          grad_beta in place …
 *   CLLOSS_DEVICE          f64 on a device without cl_khr_fp64
 *   CLLOSS_QUEUE           of another context or device
 *   CLLOSS_FORKED          in a child process
 *   or OpenCL's: CL_BUILD_PROGRAM_FAILURE, CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE …
 *
 * Two runs with the same device, plan and input give the same bits. */
CLLOSS_API clloss_status clloss_xent_forward(clloss_ctx *ctx, const clloss_xent *xent,
                                             const clloss_xent_options *options, cl_command_queue queue,
                                             cl_uint n_wait, const cl_event *wait, cl_event *done);
CLLOSS_API clloss_status clloss_xent_backward(clloss_ctx *ctx, const clloss_xent *xent,
                                              const clloss_xent_options *options, cl_command_queue queue,
                                              cl_uint n_wait, const cl_event *wait, cl_event *done);
CLLOSS_API clloss_status clloss_xent_fused(clloss_ctx *ctx, const clloss_xent *xent,
                                           const clloss_xent_options *options, cl_command_queue queue,
                                           cl_uint n_wait, const cl_event *wait, cl_event *done);

/* What a mean over these rows is divided by: Σ row_weight · class_weight of the target over the valid rows, which without
 * weights is their number. Of a step that is cut into micro-batches, or over ranks, each call of the losses gets the sum: with
 * CLLOSS_ACCUMULATE xent->divisor [1] real, written here, has this added to what stands there, and the losses' xent->divisor
 * reads it.
 *
 * Reads targets, class_weight and row_weight (with probabilities for targets row_weight alone); the real type is that of
 * xent->divisor. Takes the options of the losses, of which reduction is CLLOSS_MEAN and divisor 0, and z_loss 0 where there are
 * class weights, as its mean is over Σ row_weight; refuses all other views.
 * Statuses as above. */
CLLOSS_API clloss_status clloss_xent_divisor(clloss_ctx *ctx, const clloss_xent *xent,
                                             const clloss_xent_options *options, cl_command_queue queue,
                                             cl_uint n_wait, const cl_event *wait, cl_event *done);

/* Forward, or fused, for arrays in host memory of any size, which are given to the device in parts of whole rows: what doesn't fit
 * on it, or into CL_DEVICE_MAX_MEM_ALLOC_SIZE, is no hindrance. Results have the bits that one call on the whole would
 * give. Two parts are under way at a time, one moving while the other is computed; where the device shares the host's
 * memory nothing is copied, and parts only bound what is worked on at once.
 *
 * Arrays are packed, in the layouts and with the meanings of clloss_xent's views; "real" is f32, or f64 where the logits
 * are. Pointers are the caller's, aligned to their elements; outputs overlap nothing. NULL leaves an array out. */
typedef struct clloss_xent_arrays {
  size_t struct_size;
  size_t rows, classes, inner;
  uint32_t logits_dtype;  /* f32, f64, f16, bf16 */
  uint32_t targets_dtype; /* that of class indices, or of probabilities, as for clloss_xent.targets */
  uint32_t grad_dtype;    /* the logits' type or real; 0: the logits' */
  uint32_t reserved;      /* 0 */
  const void *logits, *targets, *class_weight, *row_weight;
  const void *grad_loss; /* [1], or [rows] with CLLOSS_NONE */
  void *loss, *row_loss, *row_stats;
  void *grad; /* not NULL: the fused operation, else forward */
  void *metrics, *predicted, *confidence, *entropy;
  int64_t *counts;
  size_t
      part_bytes; /* of logits in one part, rounded to whole work-groups and multiples of 16 bytes, with inner > 1 to
                        whole outer rows; 0: 64 MB */
  /* After each part: results of rows_done rows are in the arrays. It comes with 0 while targets and weights are added up
   * for the mean's divisor, before the first. May be NULL. */
  void (*progress)(void *user, size_t rows_done, size_t rows);
  void *user;
} clloss_xent_arrays;

/* Returns when the results are in the arrays. A failure half-way leaves outputs undefined, and nothing enqueued.
 *   CLLOSS_NULL_ARGUMENT  ctx, arrays, logits or targets with rows
 *   CLLOSS_MISSING_VIEW   no output
 *   CLLOSS_UNUSED_VIEW    loss with CLLOSS_NONE; grad_loss without grad
 *   CLLOSS_ALIGNMENT      a pointer that isn't a multiple of its element
 *   CLLOSS_STRUCT_SIZE, CLLOSS_SIZE, CLLOSS_DTYPE, CLLOSS_OPTION, CLLOSS_DEVICE, CLLOSS_FORKED, or OpenCL's */
CLLOSS_API clloss_status clloss_xent_host(clloss_ctx *ctx, const clloss_xent_arrays *arrays,
                                          const clloss_xent_options *options);

/* How many bytes a workspace view needs for any of the four calls on this shape. With logits bound, to the byte for these
 * views; without, enough for whatever views the calls will have, of the logits' element type if that is given, else of
 * any.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_STRUCT_SIZE, CLLOSS_SIZE, CLLOSS_OPTION, CLLOSS_FORKED */
CLLOSS_API clloss_status clloss_xent_workspace(clloss_ctx *ctx, const clloss_xent *xent,
                                               const clloss_xent_options *options, size_t *bytes);

/* Which kernels this shape gets on the ctx's device; views may be unbound. Targets of reals are taken for probabilities: for class
 * indices leave them unbound. */
typedef struct clloss_plan {
  size_t struct_size;
  uint32_t family;         /* CLLOSS_FAMILY_… */
  uint32_t local_size;     /* work-items per work-group */
  uint64_t rows_per_group; /* rows that one work-group owns */
  uint64_t slices;         /* work-groups that share one row; 1 but for the split family */
  uint64_t groups;         /* work-groups of the main kernel */
  char variant[24];        /* as in the kernels' names: "lane", "lane_rows", "lane_along", "group", … */
  char why[64];            /* in words */
} clloss_plan;

/* Of the group and split families it finds out, once in a ctx, how the device's work-items share values: a trial of a few lines
 * is compiled.
 *   CLLOSS_NULL_ARGUMENT, CLLOSS_STRUCT_SIZE, CLLOSS_SIZE (also for zero rows), CLLOSS_FORKED, and OpenCL's errors of asking the
 *   device */
CLLOSS_API clloss_status clloss_xent_plan(clloss_ctx *ctx, const clloss_xent *xent, clloss_plan *plan);

/* "lane", "group", "split"; "auto" for 0; NULL for others. */
CLLOSS_API const char *clloss_family_name(uint32_t family);

#ifdef __cplusplus
}
#endif

#include "clloss_rowwise.h"
#include "clloss_pointwise.h"

#endif
