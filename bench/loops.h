/* The yardsticks once more as OpenMP loops in C: what they beat isn't a floor. Without OpenMP there are none. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stddef.h>

/* How many threads the loops can have, at most `wanted`; 0 without OpenMP. */
int loops_threads(int wanted);

/* Starts the threads, so that a timed loop doesn't; and ends them, since idle ones spin for milliseconds on the cores
 * that an OpenCL CPU device is about to use. */
void loops_begin(int threads);
void loops_end(void);

void loop_scale(float *x, float factor, size_t n, int threads);
void loop_copy(const float *x, float *y, size_t n, int threads);
void loop_copy_streaming(const float *x, float *y, size_t n, int threads); /* where loops_can_stream() */
/* y[i] = x[i] + factor * z[i] */
void loop_triad(const float *x, const float *z, float *y, float factor, size_t n, int threads);
void loop_triad_streaming(const float *x, const float *z, float *y, float factor, size_t n, int threads);
double loop_read(const float *x, size_t n, int threads);

/* Whether the streaming ones have stores that bypass the cache. */
int loops_can_stream(void);

#endif
