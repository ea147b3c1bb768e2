/* What computes: the scalar reference, or a device through the public API. Every function that fails has printed why. */
#ifndef ENGINE_H
#define ENGINE_H

#include "eval_data.h"

#include <clloss/clloss_types.h>

/* Rows first … first + n − 1 of the plain loss, in order, as clloss.h defines these views. */
typedef struct engine_rows {
  size_t first, n;
  const double *loss, *confidence;
  const int64_t *predicted;
} engine_rows;

typedef struct engine_job {
  const eval_data *data;
  void *grad, *row_loss; /* of the data's real type; NULL: not wanted */
  /* After each part: so many rows are done. Maps may be dropped then. */
  void (*progress)(void *user, size_t rows_done, size_t rows);
  void (*rows)(void *user, const engine_rows *rows);
  void *user; /* of both */
  /* out */
  double loss;                    /* not with CLLOSS_NONE */
  double metrics[CLLOSS_METRICS]; /* those over rows are of the plain loss: see eval_data_measures_apart */
  int64_t counts[CLLOSS_COUNTS];
} engine_job;

typedef struct engine engine;
struct engine {
  const char *name; /* "reference", or the device's name */
  void *state;
  bool (*run)(engine *, engine_job *);
  void (*close)(engine *);
};

/* On failure there is nothing to close. */
void engine_open_reference(engine *e);
bool engine_open_device(engine *e, uint64_t number);

#endif
