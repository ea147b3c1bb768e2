/* gnuplot as a process that reads a script and writes a picture into a file of ours. Every function that returns false
 * has printed why. */
#ifndef GNUPLOT_H
#define GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct gnuplot {
  FILE *script; /* what it is to draw, without `set output`; NULL: it doesn't run */
  pid_t process;
} gnuplot;

/* Starts it, its standard output going to the file. That comes before the long work: without gnuplot it isn't begun. */
bool gnuplot_start(gnuplot *g, int descriptor);

/* Ends the script and waits. path: for the message. Legal where it doesn't run. */
bool gnuplot_finish(gnuplot *g, const char *path);

/* A text in single quotes, for labels. */
void gnuplot_text(gnuplot *g, const char *text);

#endif
