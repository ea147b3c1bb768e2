/* What one case yielded, and the three ways to show it. Times are milliseconds. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "stats.h"

#include <stddef.h>
#include <stdio.h>

struct result {
  const char *name; /* "xent_fused" */
  int inplace;
  size_t rows, classes;
  const char *dtype;
  char plan[64];      /* "lane/1×8": variant, work-items × rows of a work-group */
  double max_err;     /* of the check that preceded the timing */
  double ideal_bytes; /* what the case must move, results per row and targets included */
  char failed[400];   /* why it wasn't timed; empty where it was */
  size_t reps;
  size_t ref_rows;   /* rows that the scalar reference ran on; its time is scaled up to all */
  size_t ring_bytes; /* over which the buffers rotate */
  struct summary ms, scale_ms, copy_ms, read_ms, ref_ms;
  struct summary over_scale, of_limit, speedup; /* of paired ratios */
  struct summary
      over_plain; /* likewise, over the plain f32 case fused in place; NaN in cases that are plain */
  double aim;     /* at most so much should over_plain be; NaN: no aim */
  const char *scale_by, *copy_by, *read_by; /* who won each yardstick */
};

/* Facts of the run that stand above every table and in every line of JSON. */
struct run_facts {
  char device[128], driver[128], platform[128];
  unsigned units;     /* compute units: threads on a CPU device */
  size_t cache_bytes; /* last-level cache */
  unsigned openmp;    /* threads of the OpenMP loops; 0 without OpenMP or on a GPU */
};

/* How much of its claim the noise eats: the largest relative interquartile range among the ratios of the result. */
double result_noise(const struct result *r);
#define NOISE_LIMIT 0.2

void json_result(FILE *out, const struct run_facts *facts, const struct result *r);
void table_head(FILE *out, const struct run_facts *facts);
void table_gap(FILE *out); /* between groups of results */
void table_result(FILE *out, const struct result *r);
void table_foot(FILE *out, const struct result *results, size_t n);

/* Whether there is a gnuplot to draw with. */
int plot_possible(void);

/* Draws the results with gnuplot. 0, or −1 with a reason in `why`; no file is left half-drawn. */
int plot_results(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size);

#endif
