/* What why_not_mse shows: tables, a paragraph that is computed from them, and a plot. */
#ifndef REPORT_H
#define REPORT_H

#include "criterion.h"
#include "history.h"
#include "naive_log.h"

enum { CONTESTANTS = SQUARED_ERROR + 1 }; /* cross-entropy and the squared error */

/* Two runs from the same start, which differ in the criterion alone. */
typedef struct contest {
  const char *title; /* of its row in the plot */
  history runs[CONTESTANTS];
} contest;

/* On stdout. */
void report_contest(const contest *c);
void report_mistakes(const mistake *mistakes, size_t n);
void report_findings(const contest *digits, const contest *unit, const mistake *mistakes, size_t n);

/* Draws both contests, and the losses and their gradients against the target's probability, into an SVG file. False,
 * with a line on stderr and no file half-drawn, on failure. */
bool plot_contests(const char *path, const contest *digits, const contest *unit);

#endif
