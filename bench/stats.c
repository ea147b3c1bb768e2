/* Order statistics of at most a thousand values. */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double q) {
  double at = q * (double)(n - 1);
  size_t i = (size_t)at;
  double next = sorted[i + 1 < n ? i + 1 : i];
  return sorted[i] + (at - (double)i) * (next - sorted[i]);
}

struct summary summarize(const double *values, size_t n) {
  double sorted[STATS_MAX_REPS];
  int sound = n > 0 && n <= STATS_MAX_REPS;
  for (size_t i = 0; sound && i < n; i++) sound = !isnan(values[i]);
  if (!sound) return (struct summary){NAN, NAN, NAN, NAN};
  memcpy(sorted, values, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, ascending);
  return (struct summary){quantile(sorted, n, 0.5), sorted[0], quantile(sorted, n, 0.25),
                          quantile(sorted, n, 0.75)};
}

struct summary summarize_ratio(const double *top, const double *bottom, size_t n) {
  double ratio[STATS_MAX_REPS];
  if (n > STATS_MAX_REPS) return summarize(NULL, 0);
  for (size_t i = 0; i < n; i++) ratio[i] = top[i] / bottom[i];
  return summarize(ratio, n);
}

double spread(const struct summary *s) { return (s->q3 - s->q1) / s->median; }
