/* The picture of `clloss eval --plot`: can its confidence be believed, and how surprising was what happened? */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include "eval_report.h"
#include "gnuplot.h"

/* Starts gnuplot for it, as gnuplot_start. */
int report_plot_start(struct gnuplot *g, struct whole_file *to, char *why, size_t why_size);

/* The script. */
void report_plot(const eval_report *report, FILE *to);

#endif
