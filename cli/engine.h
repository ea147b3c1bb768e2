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

/* An element of binary cross-entropy, likewise. */
typedef struct engine_element {
  size_t element;
  double target, loss;
  double likelier; /* the probability of the likelier of 0 and 1 */
  bool one;        /* which is 1 */
} engine_element;

typedef struct engine_job {
  const eval_data *data;
  void *grad, *row_loss; /* of the data's real type; NULL: not wanted */
  /* After each part: so many rows are done. Maps may be dropped then. */
  void (*progress)(void *user, size_t rows_done, size_t rows);
  void (*rows)(void *user, const engine_rows *rows);          /* NULL: nobody looks at them */
  void (*element)(void *user, const engine_element *element); /* likewise */
  void *user;                                                 /* of all three */
  /* out */
  double loss;                    /* not with CLLOSS_NONE */
  double metrics[CLLOSS_METRICS]; /* those over rows are of the plain loss: see eval_data_measures_apart */
  int64_t counts[CLLOSS_COUNTS];
} engine_job;

/* Neighbouring elements of an elementwise loss, [rows][classes] where pos_weight is per class. Reals are of data->real, but
 * input and target of their own types; NULL: 1. */
typedef struct elements_part {
  const eval_data *data;
  size_t rows, classes;
  const void *input, *target, *weight, *pos_weight;
  const void *upstream; /* of each element, or of all */
  bool upstream_repeats;
  void *loss, *grad; /* out: unreduced, weights included; grad NULL: not wanted */
  double sum;        /* out: of the losses */
  int64_t faults;    /* out: probabilities outside their range */
} elements_part;

typedef struct engine engine;
struct engine {
  const char *name; /* "reference", or the device's name */
  void *state;
  bool (*run)(engine *, engine_job *); /* softmax and nll */
  bool (*elements)(engine *, elements_part *);
  void (*close)(engine *);
};

/* An elementwise loss, part by part. */
bool elements_run(engine *e, engine_job *job);
bool reference_run_elements(engine *e, elements_part *part);

/* On failure there is nothing to close. */
void engine_open_reference(engine *e);
bool engine_open_device(engine *e, uint64_t number);

#endif
