/* The picture of `clloss eval --plot`: can its confidence be believed, and how surprising was what happened? */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include "eval_report.h"
#include "gnuplot.h"

void report_plot(const eval_report *report, gnuplot *to);

#endif
