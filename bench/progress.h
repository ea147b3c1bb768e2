/* One line on the terminal that says how far long work has come: "label [#####     ] 42 %  0:12 left". It goes to
 * stderr, only where stderr is a terminal, so pipes and logs never see it. One bar at a time; the calls may be left
 * in place everywhere, they cost nothing when there is nobody to look. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdint.h>

/* The label is copied, cut to 40 bytes; total is in whatever unit progress_at counts, 0 for unknown. */
void progress_begin(const char *label, uint64_t total);

/* Replaces the label: what is being done now. */
void progress_label(const char *label);

/* May be called as often as one likes: the line is drawn at most ten times a second. */
void progress_at(uint64_t done);

/* Wipes the line, so that whatever is printed next stands alone; the next progress_at draws it again. */
void progress_hide(void);

/* Wipes the line for good. Legal without a bar. */
void progress_end(void);

#endif
