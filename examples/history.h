/* What a training run goes through: loss, norm of the gradient and right answers of each step. They gather on the device,
 * a step's values in elements of their own, so that nothing waits for them, and are read back together. */
#ifndef HISTORY_H
#define HISTORY_H

#include "device.h"

typedef struct history {
  device *dev;
  size_t points;                           /* one before the first step, and one after each */
  clloss_tensor *losses, *norms, *counted; /* [points], [points], [points][CLLOSS_COUNTS] */
  float *loss, *norm;                      /* [points], by history_read */
  double *accuracy;                        /* [points], 0 … 1, likewise */
} history;

/* False, with a line on stderr, on failure; either way the history is to be destroyed. */
bool history_create(history *h, device *dev, size_t points);
void history_destroy(history *h);

/* Where the loss and the counts of a point are to be written. */
clloss_view history_loss(const history *h, size_t point);
clloss_view history_counts(const history *h, size_t point);

/* Enqueues the Euclidean norm of n values. */
bool history_norm(history *h, size_t point, const clloss_tensor *gradient, size_t n);

/* Waits, and fills the host's arrays. */
bool history_read(history *h);

/* The first point at which the accuracy reaches this; `points` if none does. */
size_t history_reaches(const history *h, double accuracy);

#endif
