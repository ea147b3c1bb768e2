/* The plots, as SVG. Each returns 0; or −1 with path and reason in `why`. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "gnuplot.h"
#include "result.h"

/* For each V a cluster of bars, the time of each case over scale (--plot): a file that appears whole or not at all. */
int plot_results(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size);

/* Of a report: how near memory's and exp's limits the cases come; time over scale against V; bytes per second against
 * rows. Each into a file that is open; 1 where the results hold nothing for it. */
int plot_roofline(struct whole_file *to, const struct run_facts *facts, const struct result *results,
                  size_t n, char *why, size_t why_size);
int plot_classes(struct whole_file *to, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size);
int plot_rows(struct whole_file *to, const struct run_facts *facts, const struct result *results, size_t n,
              char *why, size_t why_size);

#endif
