/* x is written into every second element of the logits, between zeros that stay; its gradient is read likewise. The
 * gradient with respect to the weights is inputsᵀ · dx. CLBlast has all of it. */
#include "unit.h"
#include <stdlib.h>

enum { CLASSES = 2 };

/* y = a · x, or aᵀ · x, where a is [rows][u->inputs]. */
static bool multiply(unit *u, bool transpose, clloss_view a, size_t rows, clloss_view x, size_t x_step,
                     clloss_view y, size_t y_step) {
  return blas_ok(CLBlastSgemv(CLBlastLayoutRowMajor, transpose ? CLBlastTransposeYes : CLBlastTransposeNo,
                              rows, u->inputs, 1, a.mem, a.offset, u->inputs, x.mem, x.offset, x_step, 0,
                              y.mem, y.offset, y_step, &u->dev->queue, NULL),
                 "CLBlastSgemv");
}

static bool forward(unit *u, clloss_view x, size_t rows) {
  return multiply(u, false, x, rows, clloss_tensor_view(u->weights), 1,
                  view_at(clloss_tensor_view(u->logits), 1), CLASSES);
}

bool unit_gradient(unit *u, clloss_view x, clloss_view targets, size_t rows, clloss_view loss) {
  const clloss_view dlogits = clloss_tensor_view(u->logits_grad);
  return forward(u, x, rows) &&
         criterion_fused(&u->criterion, clloss_tensor_view(u->logits), targets, rows, loss, dlogits) &&
         multiply(u, true, x, rows, view_at(dlogits, 1), CLASSES, clloss_tensor_view(u->gradient), 1);
}

bool unit_descend(unit *u, float rate) {
  const clloss_view weights = clloss_tensor_view(u->weights), gradient = clloss_tensor_view(u->gradient);
  return blas_ok(CLBlastSaxpy(u->inputs, -rate, gradient.mem, gradient.offset, 1, weights.mem, weights.offset,
                              1, &u->dev->queue, NULL),
                 "CLBlastSaxpy");
}

bool unit_evaluate(unit *u, clloss_view x, clloss_view targets, size_t rows, clloss_view counts) {
  return forward(u, x, rows) && criterion_evaluate(&u->criterion, clloss_tensor_view(u->logits), targets,
                                                   rows, (clloss_view){0}, counts);
}

/* The zeros between the x; and a gradient that is finite, since CLBlast's gemv multiplies what stands in y by its 0. */
static bool fill_zeros(unit *u, size_t max_rows) {
  const size_t n = max_rows * CLASSES > u->inputs ? max_rows * CLASSES : u->inputs;
  float *zeros = calloc(n, sizeof *zeros);
  if (!zeros) return cl_ok(CL_OUT_OF_HOST_MEMORY, "the unit's zeros");
  const bool good = device_upload(u->dev, u->logits, zeros) && device_upload(u->dev, u->gradient, zeros);
  free(zeros);
  return good;
}

bool unit_create(unit *u, device *dev, size_t inputs, size_t max_rows, criterion_kind kind,
                 const float *weights) {
  *u = (unit){.dev = dev, .inputs = inputs};
  return criterion_create(&u->criterion, dev, kind, CLASSES, max_rows) &&
         device_tensor(dev, &u->weights, CLLOSS_F32, inputs, 1) &&
         device_tensor(dev, &u->gradient, CLLOSS_F32, inputs, 1) &&
         device_tensor(dev, &u->logits, CLLOSS_F32, max_rows, CLASSES) &&
         device_tensor(dev, &u->logits_grad, CLLOSS_F32, max_rows, CLASSES) &&
         device_upload(dev, u->weights, weights) && fill_zeros(u, max_rows);
}

void unit_destroy(unit *u) {
  clloss_tensor **tensors[] = {&u->weights, &u->gradient, &u->logits, &u->logits_grad};
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) clloss_tensor_destroy(tensors[i]);
  criterion_destroy(&u->criterion);
}
