/* Picks rows of the digits by class and uploads them. */
#include "problem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool part_create(const problem *p, part *to, device *dev, const float *pixels, const int32_t *classes,
                        size_t rows) {
  to->x = calloc(rows * p->inputs, sizeof *to->x);
  to->t = calloc(rows * p->classes, sizeof *to->t);
  if (!to->x || !to->t) return cl_ok(CL_OUT_OF_HOST_MEMORY, "the problem's rows");
  for (size_t r = 0; r < rows; r++) {
    if ((size_t)classes[r] >= p->classes) continue;
    float *x = to->x + to->rows * p->inputs;
    memcpy(x, pixels + r * DIGITS_PIXELS, DIGITS_PIXELS * sizeof *x);
    for (size_t i = DIGITS_PIXELS; i < p->inputs; i++) x[i] = 1;
    to->t[to->rows * p->classes + (size_t)classes[r]] = 1;
    to->rows++;
  }
  if (to->rows == 0) {
    fprintf(stderr, "too few digits below %zu\n", p->classes);
    return false;
  }
  return device_tensor(dev, &to->device_x, CLLOSS_F32, to->rows, p->inputs) &&
         device_tensor(dev, &to->device_t, CLLOSS_F32, to->rows, p->classes) &&
         device_upload(dev, to->device_x, to->x) && device_upload(dev, to->device_t, to->t);
}

bool problem_create(problem *p, device *dev, const digits *d, size_t inputs, size_t classes) {
  *p = (problem){.inputs = inputs, .classes = classes};
  return part_create(p, &p->train, dev, d->pixels, d->classes, d->train_rows) &&
         part_create(p, &p->held, dev, d->pixels + d->train_rows * DIGITS_PIXELS, d->classes + d->train_rows,
                     d->held_rows);
}

static void part_destroy(part *p) {
  clloss_tensor_destroy(&p->device_x);
  clloss_tensor_destroy(&p->device_t);
  free(p->x);
  free(p->t);
}

void problem_destroy(problem *p) {
  part_destroy(&p->train);
  part_destroy(&p->held);
}
