/* gnuplot at the other end of a pipe, drawing one SVG, which appears under its name only once it is whole. */
#ifndef BENCH_GNUPLOT_H
#define BENCH_GNUPLOT_H

#include <stddef.h>
#include <stdio.h>

struct gnuplot {
  FILE *pipe; /* for script and data */
  char path[4096], temporary[4096];
  void (*before)(int); /* what SIGPIPE did */
};

/* Whether there is a gnuplot to draw with. */
int gnuplot_possible(void);

/* 0 where a picture can be written under that name, for who wants to know before the long work; or −1 and why not. */
int gnuplot_place(const char *path, char *why, size_t why_size);

/* 0, with the terminal and the output set; or −1 and why not. */
int gnuplot_open(struct gnuplot *g, const char *path, int width, int height, char *why, size_t why_size);

/* Ends the drawing; `any` 0: there was nothing to draw. 0; or −1 and why, and no file is left. */
int gnuplot_close(struct gnuplot *g, int any, char *why, size_t why_size);

/* The text as a gnuplot string, quotes included. */
void gnuplot_quoted(FILE *out, const char *text);

#endif
