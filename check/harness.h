/* The harness: runs one case of a loss on one device with one plan, and checks everything that can be
 * checked.
 *
 * A case describes a call: its arrays, what they are filled with, what comes out of it in double precision
 * and in the f32 scalar reference, how far from the truth a result may be, and how to make the call
 * through the public API. For a case, a shape and a ctx (whose overrides force the plan) harness_check():
 *
 *   - lays every array out in a buffer with guards on both sides, at the shape's offset and row pitch.
 *     What lies outside an input is NaN (or a target that no class has), so that reading it shows; outputs
 *     are poisoned throughout, so that not writing an element shows, and so does writing outside;
 *   - makes the call twice, with different poison;
 *   - checks that the call succeeds; guards; padding between rows; inputs bit for bit; that every element
 *     of every output was written; that NaN, +inf, -inf and finite values are where the reference has
 *     them; and that |result - f64|  <=  largest |f32 reference - f64| in the row  +  the case's derived
 *     bound  +  half a unit in the last place of a result that is stored in 16 bits;
 *   - checks that both runs gave the same bits.
 *
 * harness_check_passes() does that for forward, fused, and backward from forward's statistics, and checks
 * that forward and fused agree bit for bit in every output that they share.
 *
 * Tests, the benchmark and `clloss check` share the cases. Programs link clloss_check and either clloss library. */
#ifndef CLLOSS_CHECK_HARNESS_H
#define CLLOSS_CHECK_HARNESS_H

#include <clloss/clloss.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* ---- what a case is ---- */

enum { HARNESS_ARRAYS = 16 };

typedef enum harness_role {
  HARNESS_UNBOUND, /* the call gets a view without a buffer */
  HARNESS_INPUT,
  HARNESS_OUTPUT,
  HARNESS_UPDATED, /* an output that is read first: its data is what stands there before the call */
  HARNESS_SCRATCH  /* may be written; what it holds afterwards says nothing */
} harness_role;

typedef struct harness_array {
  const char *name; /* the field of the call's struct: "logits" */
  harness_role role;
  uint32_t dtype;
  uint32_t flags;                       /* of the view: CLLOSS_BROADCAST */
  size_t rows, columns;                 /* what of it belongs to the call */
  size_t inner;                         /* rows that lie between two columns; 0: 1 */
  size_t offset;                        /* elements before the first, on top of the guard */
  size_t row_stride, class_stride;      /* as in the view: 0 is packed */
  const struct harness_array *in_place; /* the input whose memory this output takes, or NULL */
} harness_array;

/* The data of a case, packed, row by row whatever the layout: data[i] belongs to array i, NULL where that is
 * unbound. Outputs have truth (f64) and plain (the f32 reference) instead, updated ones as well. */
typedef struct harness_data {
  void *data[HARNESS_ARRAYS];
  double *truth[HARNESS_ARRAYS], *plain[HARNESS_ARRAYS];
  void *notes; /* whatever reference() leaves for bound(): from malloc, freed by the harness */
} harness_data;

/* Elements of every type as doubles. harness_put rounds once, to nearest even; harness_half_ulp is what that
 * may cost a number about as large as x in a type of 16 bits, and 0 for the others, whose rounding belongs
 * to bounds. */
size_t harness_bytes(uint32_t dtype);
double harness_get(uint32_t dtype, const void *array, size_t i);
void harness_put(uint32_t dtype, void *array, size_t i, double value);
double harness_half_ulp(uint32_t dtype, double x);

/* The longest chain of roundings in a sum of n terms, by the law that the kernels keep over rows and classes: at most 256
 * additions one after the other; what is longer is cut into such pieces, whose sums go through a compensated sum
 * (kernels/team/sums.clh). That rounds its value once and what it has lost once, and errs by n u² beside that. And of the
 * scalar reference, which adds up the sums of blocks of 256: that of f64 is the truth, which in f64 is as inexact. */
double harness_chain(double n);
double harness_reference_chain(double n);

/* `shape` is the loss's own struct throughout. The functions never fail but by the status they return. */
typedef struct harness_case harness_case;

/* What no implementation of the case can avoid moving: every array once, an updated one twice, and no scratch. */
double harness_ideal_bytes(const harness_case *c, const void *shape);

struct harness_case {
  const char *name; /* "xent_fused" */
  int pass;         /* for the functions below, which may serve several cases */

  /* What the shape looks like in words, for messages. */
  void (*describe)(const harness_case *c, const void *shape, char *text, size_t size);
  /* The arrays; `ctx` sizes a workspace, which is left out where that is NULL. */
  clloss_status (*arrays)(const harness_case *c, const void *shape, clloss_ctx *ctx,
                          harness_array arrays[HARNESS_ARRAYS]);
  /* Makes the inputs from the seed alone. */
  clloss_status (*fill)(const harness_case *c, const void *shape, uint64_t seed, harness_data *d);
  /* Makes truth and plain from the inputs. */
  clloss_status (*reference)(const harness_case *c, const void *shape, harness_data *d);
  /* The derived bound for each column of one row of an output. */
  void (*bound)(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                int array, size_t row, double *bound);
  clloss_status (*plan)(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan);
  clloss_status (*call)(const harness_case *c, const void *shape, clloss_ctx *ctx,
                        const clloss_view views[HARNESS_ARRAYS], cl_command_queue queue, cl_event *done);
};

/* ---- checking ---- */

/* Every check, and what it says when it fires. */
#define HARNESS_CHECK_LIST(X)                                                    \
  X(STATUS, "the call or OpenCL failed")                                         \
  X(GUARD, "memory before or after an array was written")                        \
  X(PADDING, "memory between the rows of an array was written")                  \
  X(INPUT_CHANGED, "an input was changed")                                       \
  X(UNWRITTEN, "an element of an output was not written")                        \
  X(CLASS, "NaN, inf or a finite value where the reference has another of them") \
  X(BOUND, "the error is larger than allowed")                                   \
  X(REPEAT, "two runs gave different bits")                                      \
  X(AGREE, "forward and fused gave different bits")

typedef enum harness_check_kind {
#define HARNESS_CHECK_ENUM(name, text) HARNESS_##name,
  HARNESS_CHECK_LIST(HARNESS_CHECK_ENUM)
#undef HARNESS_CHECK_ENUM
      HARNESS_CHECKS
} harness_check_kind;

typedef struct harness_result {
  size_t count[HARNESS_CHECKS];     /* how often each check fired */
  char first[HARNESS_CHECKS][1200]; /* what it said the first time: of a compiler at least the first error */
  unsigned wrong;                   /* bits 1 << harness_case.pass: the passes in which a check fired */
  double max_err;                   /* largest |result - f64| of a finite output */
  double max_used; /* largest share of an allowance that an error took, beyond the rounding to 16 bits */
} harness_result;

/* Where the harness works; any in-order queue. */
typedef struct harness_device {
  cl_context context;
  cl_device_id device;
  cl_command_queue queue;
  uint64_t stray;     /* not 0: what views that aren't bound hold beside their NULL is drawn from it */
  memory_kind memory; /* that arrays are in, of those that the device has */
} harness_device;

/* Results of one run, packed, by array; NULL where the array is no output. */
typedef struct harness_outputs {
  void *data[HARNESS_ARRAYS];
  uint32_t dtype[HARNESS_ARRAYS];
  size_t count[HARNESS_ARRAYS];
} harness_outputs;

void harness_outputs_free(harness_outputs *outputs);

/* Adds what it finds to *result, which the caller has zeroed. `given`, if not NULL, replaces what fill
 * made for inputs that have a value there; `kept`, if not NULL, receives the first run's outputs, to be
 * freed by the caller. True where nothing fired. */
bool harness_check(const harness_device *device, clloss_ctx *ctx, const harness_case *c, const void *shape,
                   uint64_t seed, const harness_outputs *given, harness_outputs *kept,
                   harness_result *result);

/* The three passes of one loss, whose arrays have the same indices. */
typedef struct harness_passes {
  const harness_case *forward, *backward, *fused;
} harness_passes;

bool harness_check_passes(const harness_device *device, clloss_ctx *ctx, const harness_passes *passes,
                          const void *shape, uint64_t seed, harness_result *result);

/* Whether any check fired, and a name and a text for each. */
bool harness_fired(const harness_result *result);
const char *harness_check_name(harness_check_kind kind);
const char *harness_check_text(harness_check_kind kind);

/* Random bits; the state may start as anything. Uniform in [0, 1), and the number of a list of n. */
uint64_t harness_random(uint64_t *state);
double harness_uniform(uint64_t *state);
size_t harness_pick(uint64_t *state, size_t n);

/* A seed that no run had before, short enough to be typed. */
uint64_t harness_fresh_seed(void);

/* ---- a test program ---- */

/* Plan overrides; zeros leave the plan to clLoss. */
typedef struct harness_plan {
  uint32_t family, local_size;
  uint64_t rows_per_group, slices;
} harness_plan;

enum { HARNESS_PLANS = 64, HARNESS_DEVICES = 8, HARNESS_SMALL_BYTES = 4096, HARNESS_SMALL_PARTS = 8 };

/* One run of a test program: `points` are numbered as they come, so that --only N with the same seed
 * repeats one. */
typedef struct harness {
  const char *program;
  uint64_t seed;
  size_t only; /* SIZE_MAX: all */
  /* For a simulator: skips points that move more than HARNESS_SMALL_BYTES, or have more than HARNESS_SMALL_PARTS items
   * in a group or slices of a row, and gives each point an OpenCL context of its own: Oclgrind 21.10 takes what a buffer
   * holds for uninitialised beyond the end of a smaller one that was released at the same address. */
  bool small;
  size_t point, run, failed;
  double max_used; /* over all that ran */
  harness_device devices[HARNESS_DEVICES];
  size_t n_devices;
  struct {
    size_t device;
    harness_plan plan;
    clloss_ctx *ctx;
  } ctx[HARNESS_PLANS];
  size_t n_ctx, ctx_made;
  uint64_t programs_built; /* by those that are closed */
} harness;

/* Reads --seed N, --only N, --device N and --small, opens every OpenCL device (or the one asked for) and prints the
 * seed, a fresh one unless given. False, with a line on stderr, where that can't be; then the program
 * exits with 2. */
bool harness_open(harness *h, int argc, char **argv);

/* Prints the verdict and releases everything: the exit status of main. */
int harness_close(harness *h);

/* The ctx of a device with these overrides, made at the first use; NULL and a counted failure where it
 * can't be. With --small it and the device's context and queue are new at each call, and last until the next. */
clloss_ctx *harness_ctx(harness *h, size_t device, const harness_plan *plan);

/* Whether the next point is wanted, and the seed of its data. Every point is counted, wanted or not. The second takes
 * the plan and the bytes that the point moves, so that --small can leave it out. */
bool harness_next(harness *h, uint64_t *seed);
bool harness_next_of(harness *h, const harness_plan *plan, double bytes, uint64_t *seed);

/* Whether the device computes in f64. */
bool harness_has_f64(const harness_device *device);

/* Prints what fired at the last point, with the command that repeats it, and counts it. */
void harness_report(harness *h, const harness_case *c, const void *shape, const harness_plan *plan,
                    const harness_result *result);

/* One point on one device: all passes, or where c isn't NULL that one. */
void harness_point(harness *h, size_t device, const harness_plan *plan, const harness_passes *passes,
                   const harness_case *c, const void *shape);

/* A point for every device and every plan of the list that differs, for this shape, from those before it. */
void harness_sweep(harness *h, const harness_passes *passes, const void *shape, const harness_plan *plans,
                   size_t n_plans);

#endif
