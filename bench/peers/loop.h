/* Softmax cross-entropy as plain C, for a compiler to make the best of. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stddef.h>
#include <stdint.h>

/* Whether it was built for parallel threads. */
int peer_loop_threads(void);

/* The mean loss over [rows][classes] logits, whose gradient takes their place. Targets are classes. */
double peer_loop_xent(float *logits, const int64_t *targets, size_t rows, size_t classes, int threads);

#endif
