/* gnuplot as a process that reads a script and draws one SVG, which is believed only where it is whole. An int is 0; or
 * −1, and `why` holds the picture's path and the reason. */
#ifndef BENCH_GNUPLOT_H
#define BENCH_GNUPLOT_H

#include "whole_file.h"

#include <stdio.h>
#include <sys/types.h>

struct gnuplot {
  struct whole_file *picture;
  FILE *script; /* what it is to draw, without `set output`; in memory, and NULL where gnuplot doesn't run */
  char *text;   /* the same */
  size_t length;
  pid_t process;
  int to, from; /* its standard input and output */
};

/* Whether there is a gnuplot to draw with. */
int gnuplot_possible(void);

/* Starts it, the terminal of that size set, for a picture that is open when it is drawn. */
int gnuplot_start(struct gnuplot *g, struct whole_file *picture, int width, int height, char *why,
                  size_t why_size);

/* Draws the script into the picture's file, and ends gnuplot. Legal where it doesn't run. */
int gnuplot_draw(struct gnuplot *g, char *why, size_t why_size);

/* Ends it without a picture. Legal where it doesn't run. */
void gnuplot_abandon(struct gnuplot *g);

/* The text as a gnuplot string, quotes included. */
void gnuplot_quoted(FILE *out, const char *text);

#endif
