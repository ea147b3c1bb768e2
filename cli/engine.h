/* What computes: the scalar reference, or a device through the public API. Both take the rows in batches of bounded
 * size. Every function that fails has printed why. */
#ifndef ENGINE_H
#define ENGINE_H

#include "eval_data.h"

#include <clloss/clloss_types.h>

/* The largest batch that will be asked for, and what is asked. Where one batch holds all rows the reduction is the
 * request's; else it is the sum, times `scale` in the gradient and with `z_loss`, which the caller has chosen so that
 * the batches add up to the whole: see eval.c. */
typedef struct engine_setup {
  const eval_data *data;
  size_t rows;
  bool whole;
  double scale, z_loss;
} engine_setup;

/* Arrays have room for the largest batch. */
typedef struct engine_batch {
  size_t rows, inner;
  const int64_t *targets;              /* NULL with probabilities */
  const double *upstream, *row_weight; /* per row; NULL: 1 */
  double *row_loss;                    /* out, each of them */
  double *row_stats;                   /* as in clloss_ref.h; NULL: not wanted */
  const void *grad; /* of the data's real type, until the next batch; NULL where it isn't wanted */
  double loss;      /* reduced, where the batch is the whole */
  double metrics[CLLOSS_METRICS];
  int64_t counts[CLLOSS_COUNTS];
} engine_batch;

typedef struct engine engine;
struct engine {
  engine_setup setup;
  const char *name; /* "reference", or the device's name */
  int digits;       /* significant decimal digits that its results are worth: 9 for f32, 17 for f64 */
  void *state;
  /* Room for the logits of the next batch in the data's dtype, and for probabilities in its real type; until run. */
  void *(*logits)(engine *);
  void *(*probabilities)(engine *);
  bool (*run)(engine *, engine_batch *);
  void (*close)(engine *);
};

/* On failure there is nothing to close. The device's makes no buffer before the first batch. */
bool engine_open_reference(engine *e, const engine_setup *setup);
bool engine_open_device(engine *e, const engine_setup *setup);

#endif
