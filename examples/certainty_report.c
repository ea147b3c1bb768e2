/* The table, the paragraph and the plot of certainty.c. The sentences state numbers of the run and leave verdicts to the
 * reader, so that they are true whatever the run gave. */
#include "certainty.h"
#include "gnuplot.h"

#include <stdio.h>
#include <stdlib.h>

static double percent(const course *c, size_t point, int zero) {
  return 100.0 * c->zeros[point][zero] / (double)c->rows;
}

/* Ten lines beside the first. */
static bool is_shown(size_t point, size_t points) {
  const size_t stride = points > 10 ? (points - 1) / 10 : 1;
  return point % stride == 0 || point + 1 == points;
}

static void report_table(const course courses[COURSES]) {
  const course *usual = &courses[USUAL], *ours = &courses[CLLOSS];
  printf("              usual formula                                            clLoss\n"
         " step      loss  by clLoss  p - 1 = 0  |gradient|  held out        loss  p - 1 = 0  |gradient|  "
         "held out\n");
  for (size_t i = 0; i < usual->own.points; i++) {
    if (!is_shown(i, usual->own.points)) continue;
    printf("%5zu  %8.3g  %9.3g  %7.1f %%  %10.3g  %6.1f %%  %10.3g  %7.1f %%  %10.3g  %6.1f %%\n", i,
           (double)usual->own.loss[i], (double)usual->judged_loss[i], percent(usual, i, ZERO_OWN),
           (double)usual->own.norm[i], 100 * usual->own.accuracy[i], (double)ours->own.loss[i],
           percent(ours, i, ZERO_OWN), (double)ours->own.norm[i], 100 * ours->own.accuracy[i]);
  }
}

static size_t least_loss(const course *c) {
  size_t least = 0;
  for (size_t i = 1; i < c->own.points; i++)
    if (c->judged_loss[i] < c->judged_loss[least]) least = i;
  return least;
}

/* Held-out digits that are right. */
static double right(const course *c, size_t point) { return c->own.accuracy[point] * (double)c->held_rows; }

void report_certainty(const course courses[COURSES]) {
  const course *usual = &courses[USUAL], *ours = &courses[CLLOSS];
  const size_t last = usual->own.points - 1, least = least_loss(usual);
  report_table(courses);
  printf("\nAfter %zu steps p - 1 is exactly 0 in %.1f %% of the %zu rows by the usual formula, and the "
         "whole gradient in "
         "%.1f %%;\n"
         "by clLoss in %.1f %% and %.1f %%. The model that the usual formula trains has its least loss, %.2g "
         "as measured "
         "by\n"
         "clLoss, after %zu steps, and %.2g in the end; the one that clLoss trains has %.2g.\n",
         last, percent(usual, last, ZERO_OWN), usual->rows, percent(usual, last, ZERO_ALL),
         percent(ours, last, ZERO_OWN), percent(ours, last, ZERO_ALL), (double)usual->judged_loss[least],
         least, (double)usual->judged_loss[last], (double)ours->judged_loss[last]);
  printf("Of %zu digits held out %.0f are right at the start; in the end %.0f with the usual formula and "
         "%.0f with "
         "clLoss.\n"
         "Their mean loss was %.3g at the start and is %.3g and %.3g.\n",
         usual->held_rows, right(usual, 0), right(usual, last), right(ours, last),
         (double)usual->held_loss[0], (double)usual->held_loss[last], (double)ours->held_loss[last]);
}

enum { DRAWN = 100 }; /* steps, about */

/* A data block: step; then of each course its loss, the loss by clLoss, zeros, length of the gradient, accuracy. */
static void write_block(FILE *pipe, const course *courses) {
  const size_t points = courses[USUAL].own.points, stride = points > DRAWN ? (points - 1) / DRAWN : 1;
  fprintf(pipe, "$courses << EOD\n");
  for (size_t i = 0; i < points; i += stride) {
    fprintf(pipe, "%zu", i);
    for (int k = 0; k < COURSES; k++) {
      const course *c = &courses[k];
      fprintf(pipe, " %g %g %g %g %g", (double)c->own.loss[i], (double)c->judged_loss[i],
              percent(c, i, ZERO_OWN), (double)c->own.norm[i], 100 * c->own.accuracy[i]);
    }
    fprintf(pipe, "\n");
  }
  fprintf(pipe, "EOD\n");
}

static void draw(FILE *pipe, const void *what) {
  enum { LOSS = 2, JUDGED, OWN_ZEROS, LENGTH, ACCURACY, COLUMNS = 5 }; /* of the block */
  static const char logarithmic[] =
      "set logscale y; set format y '10^{%T}'; set yrange [*:*]; set ytics 1000";
  static const struct {
    int column;
    const char *title, *axis;
  } panels[] = {{OWN_ZEROS, "rows whose gradient p - 1 is exactly 0, %", "set yrange [0:100]; set ytics 50"},
                {LOSS, "training loss, nats", logarithmic},
                {LENGTH, "length of the gradient", logarithmic},
                {ACCURACY, "held-out accuracy, %", "set yrange [90:100]; set ytics 5"}};
  const course *courses = what;
  const size_t steps = courses[USUAL].own.points - 1;
  write_block(pipe, courses);
  fprintf(pipe,
          "set lmargin 9\nset rmargin 3\nset bmargin 3.5\nset tmargin 2.5\nset multiplot layout 2,2\n"
          "set xrange [0:%zu]\nset xtics %zu\nset xlabel 'steps'\n",
          steps, steps > 3 ? steps / 4 : 1);
  for (size_t i = 0; i < sizeof panels / sizeof panels[0]; i++) {
    const int column = panels[i].column;
    fprintf(pipe,
            "unset logscale y; set format y '%%g'; %s; unset mytics\nset title '%s'\nset key %s\n"
            "plot $courses using 1:%d with lines ls 2 title 'usual formula, f32'%s, "
            "'' using 1:%d with lines ls 1 title 'clLoss'\n",
            panels[i].axis, panels[i].title,
            i == 0           ? "right center"
            : column == LOSS ? "left bottom Left reverse"
                             : "off",
            column,
            column == LOSS ? ", '' using 1:3 with lines ls 2 dt 3 title 'its model, measured by clLoss'" : "",
            column + COLUMNS);
  }
  fprintf(pipe, "unset multiplot\n");
}

bool plot_certainty(const char *path, const course courses[COURSES]) {
  return gnuplot_draw(path, 960, 560, draw, courses);
}
