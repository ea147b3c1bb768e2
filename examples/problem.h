/* The digits 0 … classes − 1 as something to learn: inputs and one-hot targets, on the host and on the device. */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "device.h"
#include "digits.h"

typedef struct part {
  size_t rows;
  float *x, *t; /* [rows][inputs], [rows][classes] */
  clloss_tensor *device_x, *device_t;
} part;

typedef struct problem {
  size_t inputs, classes;
  part train, held;
} problem;

/* Inputs beyond the pixels are 1, for a bias. False, with a line on stderr, on failure; either way the problem is to be
 * destroyed. */
bool problem_create(problem *p, device *dev, const digits *d, size_t inputs, size_t classes);
void problem_destroy(problem *p);

#endif
