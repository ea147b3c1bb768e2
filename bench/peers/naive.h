/* The text of naive.cl. */
#ifndef BENCH_NAIVE_H
#define BENCH_NAIVE_H

extern const char naive_cl[];

#endif
