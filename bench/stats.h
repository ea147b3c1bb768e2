/* Medians and quartiles of a few repetitions. Times on a shared machine have a floor and a long tail, so the median
 * stands for "as usual", the minimum for "undisturbed", and the quartiles for how far to trust either. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

#define STATS_MAX_REPS 1000

struct summary {
  double median, min, q1, q3;
};

/* Quartiles by linear interpolation between order statistics, as numpy.quantile does. All NaN for n = 0 or where a
 * value is NaN. n is at most STATS_MAX_REPS. */
struct summary summarize(const double *values, size_t n);

/* Of the paired quotients top[i] / bottom[i]: what drifts through the run hits both and cancels. */
struct summary summarize_ratio(const double *top, const double *bottom, size_t n);

/* The interquartile range over the median: 0.1 says that half of the repetitions lie within about ±5 %. */
double spread(const struct summary *s);

#endif
