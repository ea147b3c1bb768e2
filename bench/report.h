/* A run in a folder, for others to look at: what docs/benchmarks/ holds. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "plot.h"

/* Makes the folder where there is none, and sees that files can be made there: before the run, so that a quarter of an
 * hour isn't lost to a wrong path. 0; or −1 with path and reason in `why`. */
int report_open(const char *folder, char *why, size_t why_size);

/* Writes into the folder:
 *
 *   table.txt      what the terminal shows, below command, date and versions
 *   results.jsonl  a line of JSON per case
 *   run.json       command, date, versions, machine
 *   roofline.svg, classes.svg, rows.svg   those that the results have points for
 *
 * All of them or none. 0; or −1 with path and reason in `why`. */
int report_write(const char *folder, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size);

#endif
