/* What certainty.c records of a run, and what it shows. */
#ifndef CERTAINTY_H
#define CERTAINTY_H

#include "criterion.h"
#include "history.h"

/* Rows of a step whose gradient is exactly 0: the target's entry, or all entries. */
enum { ZERO_OWN, ZERO_ALL, ZEROS };

/* One before the first step, and one after each. */
typedef struct course {
  size_t rows, held_rows; /* of the training set, and held out */
  history own;            /* loss and gradient as the run's own formula has them, held-out accuracy */
  clloss_tensor *judged, *held_losses, *zeroed; /* [points], [points], i32 [points][ZEROS] */
  float *judged_loss, *held_loss; /* the same model's losses by clLoss: training rows, held-out rows */
  int32_t (*zeros)[ZEROS];
} course;

/* Which formula, in the order of the table. */
enum { USUAL, CLLOSS, COURSES };

/* On stdout: a table, and a paragraph that is computed from it. */
void report_certainty(const course courses[COURSES]);

/* False, with a line on stderr and no file half-drawn, on failure. */
bool plot_certainty(const char *path, const course courses[COURSES]);

#endif
