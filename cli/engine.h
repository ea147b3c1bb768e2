/* What computes: the scalar reference, or a device through the public API. Both take the rows in batches of bounded
 * size and give losses per row, so that the reduction of the whole is the same few lines for either (eval.c). Every
 * function that fails has printed why. */
#ifndef ENGINE_H
#define ENGINE_H

#include "eval_options.h"

#include <stddef.h>

/* The largest shape that will be asked for, and what is wanted of it. */
typedef struct engine_setup {
  size_t rows, classes;
  const eval_request *request;
  double scale; /* of the gradient, where the request names no upstream gradient per row */
} engine_setup;

typedef struct engine_batch {
  size_t rows;
  const int64_t *targets;
  const float *upstream; /* per row, or NULL */
  float *values;         /* in: the logits; out, where the gradient is wanted: the gradient */
  double *row_loss;
  int64_t *predicted; /* as in clloss_ref.h */
  double *entropy;
} engine_batch;

typedef struct engine engine;
struct engine {
  engine_setup setup;
  const char *name; /* "reference", or the device's name */
  int digits;       /* significant decimal digits that its results are worth: 9 for f32, 17 for f64 */
  void *state;
  /* Room for the logits of the next batch, valid until run. */
  float *(*values)(engine *);
  bool (*run)(engine *, engine_batch *); /* sets batch->values to where the gradient is */
  void (*close)(engine *);
};

/* On failure there is nothing to close. The device's makes no buffer before the first batch. */
bool engine_open_reference(engine *e, const engine_setup *setup);
bool engine_open_device(engine *e, const engine_setup *setup);

#endif
