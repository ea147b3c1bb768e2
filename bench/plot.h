/* The plots, as SVG. Each returns 0; or −1 with a reason in `why`, and no file is left half-drawn. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "gnuplot.h"
#include "result.h"

/* For each V a cluster of bars, the time of each case over scale (--plot). */
int plot_results(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size);

/* Of a report: how near memory's and exp's limits the cases come; time over scale against V; bytes per second against
 * rows. 1 where the results hold nothing for it. */
int plot_roofline(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
                  char *why, size_t why_size);
int plot_classes(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size);
int plot_rows(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
              char *why, size_t why_size);

#endif
