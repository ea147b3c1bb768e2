/* What the tests of the scalar reference share: checks that print the place and both values, and random numbers. */
#ifndef CLLOSS_TESTS_REF_CHECK_H
#define CLLOSS_TESTS_REF_CHECK_H

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static int failures;
static const char *testing = "";

#define CHECK(condition)       check(!!(condition), #condition, __LINE__)
#define NEAR(got, want, bound) near(got, want, bound, #got, __LINE__)

static inline void check(int holds, const char *what, int line) {
  if (holds) return;
  failures++;
  printf("line %d: %s: failed: %s\n", line, testing, what);
}

/* Equal infinities are near, two NaN are near, and NaN is near nothing else. */
static inline void near(double got, double want, double bound, const char *what, int line) {
  if (got == want || fabs(got - want) <= bound || (isnan(got) && isnan(want))) return;
  failures++;
  printf("line %d: %s: %s is %.17g, not %.17g (bound %.3g)\n", line, testing, what, got, want, bound);
}

static uint64_t state;

/* splitmix64 */
static inline uint64_t bits(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static inline double uniform(double low, double high) {
  return low + (high - low) * ((double)(bits() >> 11) * 0x1p-53);
}

/* Values that f32 holds exactly, so that both types see the same problem. */
static inline void fill(double *x, size_t n, double low, double high) {
  for (size_t i = 0; i < n; i++) x[i] = (double)(float)uniform(low, high);
}

#endif
