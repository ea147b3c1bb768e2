/* Two rows of panels, a contest each: loss, gradient and accuracy over steps, and in the last column why: the two losses
 * and their gradients as functions of p, which gnuplot knows by formula. */
#include "gnuplot.h"
#include "report.h"

enum { DRAWN = 50 }; /* steps, about: more make a larger file and no better picture */

/* A data block: step, then loss, norm and accuracy of each run. */
static void write_block(FILE *pipe, const char *name, const contest *c) {
  const size_t points = c->runs[0].points, stride = points > DRAWN ? (points - 1) / DRAWN : 1;
  fprintf(pipe, "$%s << EOD\n", name);
  for (size_t i = 0; i < points; i += stride) {
    fprintf(pipe, "%zu", i);
    for (int k = 0; k < CONTESTANTS; k++)
      fprintf(pipe, " %g %g %g", (double)c->runs[k].loss[i], (double)c->runs[k].norm[i],
              100 * c->runs[k].accuracy[i]);
    fprintf(pipe, "\n");
  }
  fprintf(pipe, "EOD\n");
}

/* The legend stands in the first row alone. */
static void write_row(FILE *pipe, const char *block, const contest *c, bool first) {
  static const struct {
    const char *title;
    int column;
    const char *axis;
  } panels[] = {
      {"training loss", 2, "set logscale y; set format y '10^{%T}'; set yrange [*:*]; set ytics 100"},
      {"length of the gradient", 3,
       "set logscale y; set format y '10^{%T}'; set yrange [*:*]; set ytics 100"},
      {"held-out accuracy, %", 4, "unset logscale y; set format y '%g'; set yrange [0:100]; set ytics 50"}};
  const size_t steps = c->runs[0].points - 1;
  fprintf(pipe,
          "unset logscale x; set xrange [0:%zu]; set format x '%%g'; set xtics %zu\n"
          "unset mxtics; unset mytics; set xlabel 'steps'\n",
          steps, steps > 1 ? steps / 2 : 1);
  for (size_t i = 0; i < sizeof panels / sizeof panels[0]; i++) {
    fprintf(pipe, "%s\nset title '%s'\nset ylabel ", panels[i].axis, panels[i].title);
    gnuplot_quoted(pipe, i == 0 ? c->title : "");
    fprintf(pipe,
            "\nset key %s\n"
            "plot $%s using 1:%d with lines ls 1 title 'cross-entropy', '' using 1:%d with lines ls 2 title "
            "'MSE'\n",
            first && i == 2 ? "center right" : "off", block, panels[i].column, panels[i].column + 3);
  }
}

typedef struct contests {
  const contest *digits, *unit;
} contests;

static void draw(FILE *pipe, const void *what) {
  const contest *digits = ((const contests *)what)->digits, *unit = ((const contests *)what)->unit;
  fprintf(pipe, "set samples 61\nset lmargin 9\nset rmargin 3\nset bmargin 3.5\nset tmargin 2.5\n");
  write_block(pipe, "digits", digits);
  write_block(pipe, "unit", unit);
  fprintf(pipe, "set multiplot layout 2,4\n");
  write_row(pipe, "unit", unit, true);
  fprintf(pipe, "set title '|d loss / d logit|'\nset ylabel ''\nset xlabel 'p of the right class'\n"
                "set logscale xy; set xrange [1e-9:1]; set yrange [1e-9:10]; set key bottom right\n"
                "set xtics 1e-9,1000; set ytics 1e-9,1000; set format xy '10^{%%T}'\n"
                "plot 1-x with lines ls 1 title '1 - p', 4*x*(1-x)**2 with lines ls 2 title '4p(1 - p)^2'\n");
  write_row(pipe, "digits", digits, false);
  fprintf(pipe, "set title 'loss'\nset ylabel ''\nset xlabel 'p of the right class'\n"
                "set xrange [0:1]; set xtics 0.5; set yrange [0:4]; set ytics 2; set key top right\n"
                "plot -log(x) with lines ls 1 title '-log p', 2*(1-x)**2 with lines ls 2 title '2(1 - p)^2'\n"
                "unset multiplot\n");
}

bool plot_contests(const char *path, const contest *digits, const contest *unit) {
  return gnuplot_draw(path, 1120, 560, draw, &(contests){digits, unit});
}
