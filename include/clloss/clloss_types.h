/* The words that every clLoss header shares: version, export macro, status codes, element types, reductions,
 * flags. Needs nothing but the C library's fixed-width integers, so the scalar reference can use it on a machine
 * that has never heard of OpenCL. C99 and C++ both compile it alone. */
#ifndef CLLOSS_TYPES_H
#define CLLOSS_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* The one place where the version stands: CMake, pkg-config and clloss_version() all read it from here. */
#define CLLOSS_VERSION_MAJOR 0
#define CLLOSS_VERSION_MINOR 1
#define CLLOSS_VERSION_PATCH 0

/* CLLOSS_STATIC is set for users of the static library by its CMake target and by pkg-config --static. */
#if defined(CLLOSS_STATIC)
#  define CLLOSS_API
#elif defined(_WIN32)
#  ifdef CLLOSS_BUILDING
#    define CLLOSS_API __declspec(dllexport)
#  else
#    define CLLOSS_API __declspec(dllimport)
#  endif
#else
#  define CLLOSS_API __attribute__((visibility("default")))
#endif

/* 0 is success. Every other value is an error: one of clLoss's own below, or a code of OpenCL (−1 … −72, −1001)
 * or of a library below it, passed through unchanged. */
typedef int32_t clloss_status;

/* The one list of clLoss's own codes: name, value, meaning. Codes, names, messages and the test that provokes each
 * of them are generated from it. −6000 and below keeps clear of OpenCL, its extensions and CLBlast. */
/* clang-format off */
#define CLLOSS_STATUS_LIST(X)                                                                                  \
  X(SUCCESS,                0, "success")                                                                      \
  X(NULL_ARGUMENT,      -6001, "a required pointer is NULL")                                                   \
  X(STRUCT_SIZE,        -6002, "struct_size is not that of this struct, or fields this version doesn't know are set") \
  X(SIZE,               -6003, "a size is zero or overflows")                                                  \
  X(STRIDE,             -6004, "a stride is shorter than what it steps over, or overflows")                    \
  X(DTYPE,              -6005, "the element type can't be used here")                                          \
  X(BUFFER_SIZE,        -6006, "a buffer or allocation is smaller than the view on it")                        \
  X(ALIGNMENT,          -6007, "a view doesn't start at a multiple of its element size")                       \
  X(OVERLAP,            -6008, "an output overlaps another view")                                              \
  X(ACCESS,             -6009, "the buffer's flags forbid kernels the access that this view needs")            \
  X(MEMORY_CONTEXT,     -6010, "a buffer or pointer isn't of the ctx's OpenCL context")                        \
  X(QUEUE,              -6011, "the queue belongs to another OpenCL context or device")                        \
  X(MISSING_VIEW,       -6012, "a view that this call needs has no buffer")                                    \
  X(UNUSED_VIEW,        -6013, "a view is bound that this call can't use")                                     \
  X(OPTION,             -6014, "an option is unknown, out of range, or makes no sense here")                   \
  X(WORKSPACE,          -6015, "the caller's workspace is smaller than the loss's _workspace() call says")       \
  X(PLAN,               -6016, "a plan override can't run on this device")                                     \
  X(DEVICE,             -6017, "the device can't do this, or isn't one of the context's")                      \
  X(FORKED,             -6018, "the ctx was made by the parent of this process: OpenCL doesn't survive fork()") \
  X(MAPPED,             -6019, "a call on a tensor that is mapped, or an unmap of one that isn't")            \
  X(VALUE,              -6020, "an integer doesn't fit the element type that it was to be converted to")
/* clang-format on */

enum {
#define CLLOSS_STATUS_ENUM(name, value, text) CLLOSS_##name = (value),
  CLLOSS_STATUS_LIST(CLLOSS_STATUS_ENUM)
#undef CLLOSS_STATUS_ENUM
};

/* Element types: name, value, word, bytes of an element. 0 is none of them: a bound view must say what it holds. f16 is IEEE
 * binary16, bf16 the upper half of an f32; both are storage types, all arithmetic on them is f32, and they work on any
 * device. f64 needs cl_khr_fp64. */
/* clang-format off */
#define CLLOSS_DTYPE_LIST(X)  \
  X(F32,  1, "f32",  4)       \
  X(I32,  2, "i32",  4)       \
  X(I64,  3, "i64",  8)       \
  X(U8,   4, "u8",   1)       \
  X(U16,  5, "u16",  2)       \
  X(F64,  6, "f64",  8)       \
  X(F16,  7, "f16",  2)       \
  X(BF16, 8, "bf16", 2)
/* clang-format on */

enum {
#define CLLOSS_DTYPE_ENUM(name, value, word, bytes) CLLOSS_##name = (value),
  CLLOSS_DTYPE_LIST(CLLOSS_DTYPE_ENUM)
#undef CLLOSS_DTYPE_ENUM
};

/* Reductions, PyTorch's default first. */
enum {
  CLLOSS_MEAN = 0, /* the sum over the rows that aren't ignored, divided by their number or weight */
  CLLOSS_SUM = 1,
  CLLOSS_NONE =
      2, /* row_loss or element_loss is the result, and the upstream gradient is per row or element */
  CLLOSS_BATCHMEAN =
      3 /* elementwise losses alone: the sum divided by the rows, whatever the classes, as torch's kl_div */
};

/* Flags: name, bit, which struct's `flags` they are for, meaning. No two share a bit, so that one which is put into another
 * struct is refused by name (CLLOSS_OPTION). Of a view at most one, where it says that it may broadcast. */
/* clang-format off */
#define CLLOSS_FLAG_LIST(X)                                                                                                \
  X(IGNORE_INDEX,           0, "clloss_xent_options", "the field ignore_index is meant: rows with this target are ignored") \
  X(SMOOTHING_MEGATRON,     1, "clloss_xent_options", "label_smoothing ε means ε · classes / (classes − 1), as in Megatron-LM") \
  X(EMPTY_IS_ZERO,          2, "clloss_xent_options", "a mean whose divisor is 0 is 0 with gradient 0, not NaN")           \
  X(BAD_IS_IGNORED,         3, "clloss_xent_options", "a target out of range is as if ignored, not NaN")                   \
  X(GRAD_ALPHA,             4, "clloss_xent_options and clloss_pointwise_options", "the field grad_alpha is meant; 1 without it") \
  X(LOG_PROBABILITIES,      5, "clloss_xent_options", "the logits are log-probabilities already: negative log-likelihood, without a softmax") \
  X(LOG_SOFTMAX,            6, "clloss_softmax_options", "the logarithm of the probabilities, found as z − log Σ exp z")   \
  X(TEMPERATURE_SQUARED,    7, "clloss_distill_options", "loss and gradient times temperature²")                           \
  X(LOG_TARGET,             8, "clloss_pointwise_options", "KL: the target is a log-probability, as the input is")         \
  X(SET_DELTA,              9, "clloss_pointwise_options", "delta is meant though it is 0")                                \
  X(SET_GAMMA,             10, "clloss_pointwise_options", "gamma is meant though it is 0")                                \
  X(SET_ALPHA,             11, "clloss_pointwise_options", "alpha is meant though it is 0")                                \
  X(FROM_PROBABILITIES,    12, "clloss_information_options", "the input holds probabilities, not logits")                  \
  X(FROM_LOG_PROBABILITIES, 13, "clloss_information_options", "the input holds log-probabilities, not logits")             \
  X(TARGET_INDICES,        14, "clloss_xent_options", "targets that are reals are class indices")                          \
  X(TARGET_PROBABILITIES,  15, "clloss_xent_options", "targets that are reals are probabilities")                          \
  X(BROADCAST,             16, "clloss_view", "the one element at `offset` is every row's, and every class's")             \
  X(BROADCAST_ROWS,        17, "clloss_view", "[classes]: every row reads the same")                                       \
  X(BROADCAST_CLASSES,     18, "clloss_view", "[rows], row_stride apart: the classes of a row read the same")                  \
  X(ACCUMULATE,            19, "clloss_xent_options", "loss, metrics and counts, and what clloss_xent_divisor finds, are added to what stands there") \
  X(IGNORE_ZERO,           20, "clloss_xent_options", "beside CLLOSS_IGNORE_INDEX: the ignore_index of 0 wasn't forgotten")
/* clang-format on */

enum {
#define CLLOSS_FLAG_ENUM(name, bit, of, text) CLLOSS_##name = 1u << (bit),
  CLLOSS_FLAG_LIST(CLLOSS_FLAG_ENUM)
#undef CLLOSS_FLAG_ENUM
};

/* Elementwise losses: name, number, public word, name in the kernels, and what the kind takes of
 * clloss_pointwise_options (the enum below). What each computes: clloss_ref.h. */
/* clang-format off */
#define CLLOSS_POINTWISE_LIST(X)                                             \
  X(BCE_LOGITS, 1, "bce-logits", bce_logits, CLLOSS_TAKES_POS_WEIGHT)        \
  X(BCE,        2, "bce",        bce,        CLLOSS_TAKES_CLIP)              \
  X(KL,         3, "kl",         kl,         CLLOSS_TAKES_LOG_TARGET)        \
  X(MSE,        4, "mse",        mse,        CLLOSS_MEAN_BY_WEIGHT)          \
  X(SMOOTH_L1,  5, "smooth-l1",  smooth_l1,  CLLOSS_TAKES_BETA)              \
  X(HUBER,      6, "huber",      huber,      CLLOSS_TAKES_DELTA)             \
  X(FOCAL,      7, "focal",      focal,      CLLOSS_TAKES_GAMMA | CLLOSS_TAKES_ALPHA)
/* clang-format on */

enum {
#define CLLOSS_POINTWISE_ENUM(name, value, word, kernel, traits) CLLOSS_##name = (value),
  CLLOSS_POINTWISE_LIST(CLLOSS_POINTWISE_ENUM)
#undef CLLOSS_POINTWISE_ENUM
};

/* What makes a kind differ from another, beside its formula. */
enum {
  CLLOSS_TAKES_POS_WEIGHT = 1u << 0, /* the view pos_weight */
  CLLOSS_TAKES_LOG_TARGET = 1u << 1, /* the flag CLLOSS_LOG_TARGET */
  CLLOSS_TAKES_CLIP = 1u << 2,
  CLLOSS_TAKES_DELTA = 1u << 3, /* delta > 0 */
  CLLOSS_TAKES_BETA = 1u << 4,  /* delta >= 0 */
  CLLOSS_TAKES_GAMMA = 1u << 5,
  CLLOSS_TAKES_ALPHA = 1u << 6,
  CLLOSS_MEAN_BY_WEIGHT = 1u << 7 /* a weighted mean divides by the sum of the weights, not by their number */
};

/* Where clloss_xent.metrics and .counts hold what: over the valid rows of the call. With CLLOSS_ACCUMULATE all of it is added to
 * what stands there, but for a divisor of the caller's or of a sum, and for the first bad row and its target, which stay those of
 * the first call that had one. They may begin as zeros. */
enum {
  CLLOSS_METRIC_LOSS, /* Σ −log p of the target, without weights, smoothing and z-loss, nats; with probabilities
                               Σ of the losses without row weights and z-loss */
  CLLOSS_METRIC_ENTROPY,    /* Σ entropy of the prediction, nats */
  CLLOSS_METRIC_CONFIDENCE, /* Σ probability of the likeliest class */
  CLLOSS_METRIC_DIVISOR, /* what the sum of losses was divided by: Σ row_weight · class_weight with the mean */
  CLLOSS_METRIC_Z_DIVISOR, /* and the sum of z-losses */
  CLLOSS_METRICS
};
enum {
  CLLOSS_COUNT_VALID,
  CLLOSS_COUNT_IGNORED,
  CLLOSS_COUNT_BAD,        /* targets out of range */
  CLLOSS_COUNT_BAD_ROW,    /* the first of them; −1 if there is none */
  CLLOSS_COUNT_BAD_TARGET, /* its value; INT64_MIN for a real that is no whole number of 64 bits */
  CLLOSS_COUNT_TOP1,       /* rows without a logit strictly greater than the target's */
  CLLOSS_COUNT_TOPK,       /* rows with fewer than top_k of them */
  CLLOSS_COUNT_NAN,        /* valid rows without a softmax */
  CLLOSS_COUNTS
};

/* Where clloss_pointwise.counts holds what. */
enum {
  CLLOSS_COUNT_FAULTS,      /* elements whose loss is NaN because a probability is outside its range */
  CLLOSS_COUNT_FIRST_FAULT, /* the first of them, row · classes + class; −1 if there is none */
  CLLOSS_POINTWISE_COUNTS
};

/* The calls that clloss_ctx_prebuild knows: name, number, loss, pass. */
/* clang-format off */
#define CLLOSS_CALL_LIST(X)                            \
  X(XENT_FORWARD,        1,  xent,        FORWARD)     \
  X(XENT_BACKWARD,       2,  xent,        BACKWARD)    \
  X(XENT_FUSED,          3,  xent,        FUSED)       \
  X(SOFTMAX_FORWARD,     4,  softmax,     FORWARD)     \
  X(SOFTMAX_BACKWARD,    5,  softmax,     BACKWARD)    \
  X(DISTILL_FORWARD,     6,  distill,     FORWARD)     \
  X(DISTILL_BACKWARD,    7,  distill,     BACKWARD)    \
  X(DISTILL_FUSED,       8,  distill,     FUSED)       \
  X(INFORMATION_FORWARD, 9,  information, FORWARD)     \
  X(POINTWISE_FORWARD,   10, pointwise,   FORWARD)     \
  X(POINTWISE_BACKWARD,  11, pointwise,   BACKWARD)    \
  X(POINTWISE_FUSED,     12, pointwise,   FUSED)       \
  X(XENT_DIVISOR,        13, xent,        DIVISOR)     \
  X(CAST,                14, cast,        FORWARD)
/* clang-format on */

enum {
#define CLLOSS_CALL_ENUM(name, value, loss, pass) CLLOSS_CALL_##name = (value),
  CLLOSS_CALL_LIST(CLLOSS_CALL_ENUM)
#undef CLLOSS_CALL_ENUM
};

/* Kernel families: which hardware parallelism a row is mapped to. 0 leaves the choice to the plan. */
enum {
  CLLOSS_FAMILY_AUTO = 0,
  CLLOSS_FAMILY_LANE =
      1, /* work-groups of one item that own whole rows, explicit 16-wide vectors: CPU devices */
  CLLOSS_FAMILY_GROUP = 2, /* a work-group per row: GPUs */
  CLLOSS_FAMILY_SPLIT = 3  /* several work-groups per row and a merge in fixed order: few, long rows */
};

#endif
