/* Records a training run. */
#include "history.h"
#include <stdlib.h>

bool history_create(history *h, device *dev, size_t points) {
  *h = (history){.dev = dev, .points = points};
  h->loss = calloc(points, sizeof *h->loss);
  h->norm = calloc(points, sizeof *h->norm);
  h->accuracy = calloc(points, sizeof *h->accuracy);
  if (!h->loss || !h->norm || !h->accuracy) return cl_ok(CL_OUT_OF_HOST_MEMORY, "a run's history");
  return device_tensor(dev, &h->losses, CLLOSS_F32, points, 1) &&
         device_tensor(dev, &h->norms, CLLOSS_F32, points, 1) &&
         device_tensor(dev, &h->counted, CLLOSS_I64, points, CLLOSS_COUNTS);
}

void history_destroy(history *h) {
  clloss_tensor_destroy(&h->losses);
  clloss_tensor_destroy(&h->norms);
  clloss_tensor_destroy(&h->counted);
  free(h->loss);
  free(h->norm);
  free(h->accuracy);
  *h = (history){0};
}

clloss_view history_loss(const history *h, size_t point) {
  return view_at(clloss_tensor_view(h->losses), point);
}

clloss_view history_counts(const history *h, size_t point) {
  return view_at(clloss_tensor_view(h->counted), point * CLLOSS_COUNTS);
}

bool history_norm(history *h, size_t point, const clloss_tensor *gradient, size_t n) {
  const clloss_view from = clloss_tensor_view(gradient), to = clloss_tensor_view(h->norms);
  return blas_ok(CLBlastSnrm2(n, to.mem, to.offset + point, from.mem, from.offset, 1, &h->dev->queue, NULL),
                 "CLBlastSnrm2");
}

bool history_read(history *h) {
  int64_t(*counts)[CLLOSS_COUNTS] = calloc(h->points, sizeof *counts);
  if (!counts) return cl_ok(CL_OUT_OF_HOST_MEMORY, "a run's history");
  const bool good = device_download(h->dev, h->losses, h->loss) &&
                    device_download(h->dev, h->norms, h->norm) && device_download(h->dev, h->counted, counts);
  for (size_t i = 0; i < h->points && good; i++)
    h->accuracy[i] = (double)counts[i][CLLOSS_COUNT_TOP1] / (double)counts[i][CLLOSS_COUNT_VALID];
  free(counts);
  return good;
}

size_t history_reaches(const history *h, double accuracy) {
  size_t i = 0;
  while (i < h->points && !(h->accuracy[i] >= accuracy)) i++;
  return i;
}
