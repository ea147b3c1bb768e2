/* Random numbers that are the same everywhere: the split of the data, the order of the batches and the first weights
 * must follow from the seed alone, and rand() differs between C libraries. The generator is SplitMix64 (Steele, Lea,
 * Flood 2014). */
#ifndef RNG_H
#define RNG_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t rng_next(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* An index below n; the modulo's bias is n / 2^64. */
static inline size_t rng_below(uint64_t *state, size_t n) { return (size_t)(rng_next(state) % n); }

/* Normal, mean 0, variance 1, by Box and Muller. The uniform under the logarithm lies in (0, 1]. */
static inline double rng_normal(uint64_t *state) {
  const double u = ((double)(rng_next(state) >> 11) + 1) * 0x1p-53;
  const double v = (double)(rng_next(state) >> 11) * 0x1p-53;
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

#endif
