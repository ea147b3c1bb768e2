/* Pictures by gnuplot, as SVG on white, so that they can be read on a dark page too. Script and data go through a pipe. */
#ifndef GNUPLOT_H
#define GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

/* Whether there is a gnuplot; if not, false with a line on stderr that begins with the program's name. */
bool gnuplot_possible(const char *program);

/* Draws into a temporary file beside `path`, which it then becomes: `script` writes what comes after the terminal, the
 * output and the style of lines 1 and 2, axes and legend. False, with a line on stderr and no file half-drawn, on
 * failure. */
bool gnuplot_draw(const char *path, unsigned width, unsigned height,
                  void (*script)(FILE *pipe, const void *what), const void *what);

/* The text as gnuplot reads it literally. */
void gnuplot_quoted(FILE *pipe, const char *text);

#endif
