/* Left, the reliability diagram: for each bin of confidence the share of its rows that are right, beside the diagonal on
 * which a calibrated model has them, and below it where the rows are. Right, the histogram of surprisal −log₂ p of the
 * target on a logarithmic scale, so that a few rows in ten thousand can be seen, with the mean loss and the uniform guess
 * as marks. */
#include "report_plot.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char head[] = "set multiplot\n"
                           "set border 3 lc '#888888'\n"
                           "set tics nomirror tc '#444444' scale 0.5\n"
                           "set grid ytics lc '#ececec' lw 1\n"
                           "set style fill solid 1 noborder\n"
                           "unset key\n";

/* The sentence, in lines of at most 110 characters, and what it is about below. */
static void write_title(const eval_result *r, const char *text, FILE *to) {
  char line[300];
  double y = 0.945;
  for (int i = 1; *text && i < 4; i++, y -= 0.045) {
    size_t n = strlen(text);
    if (n > 110)
      for (n = 110; n > 1 && text[n] != ' ';) n--;
    snprintf(line, sizeof line, "%.*s", (int)n, text);
    fprintf(to, "set label %d ", i);
    gnuplot_quoted(to, line);
    fprintf(to, " at screen 0.035,%g font ',16' tc '#222222'\n", y);
    text += n + (text[n] == ' ');
  }
  snprintf(line, sizeof line,
           "%" PRIu64 " rows of %" PRIu64 " classes: %.4g nats a row, perplexity %.4g, %.3g %% right",
           r->rows, r->classes, r->mean, exp(r->mean), 100 * r->accuracy);
  fputs("set label 4 ", to);
  gnuplot_quoted(to, line);
  fprintf(to, " at screen 0.035,%g font ',12' tc '#666666'\n", y);
}

/* Bins without rows are left out. Returns the greatest share of the rows. */
static double write_bins(const eval_report *r, FILE *to) {
  double rows = 0, most = 0;
  for (size_t i = 0; i < REPORT_BINS; i++) rows += r->bins[i].rows;
  fputs("$bins << EOD\n", to);
  for (size_t i = 0; i < REPORT_BINS; i++) {
    const struct report_bin *bin = &r->bins[i];
    most = fmax(most, bin->rows / rows);
    if (bin->rows > 0)
      fprintf(to, "%g %.9g %.9g %.9g\n", ((double)i + 0.5) / REPORT_BINS, bin->confidence / bin->rows,
              bin->right / bin->rows, bin->rows / rows);
  }
  fputs("EOD\n", to);
  return most;
}

static void draw_reliability(const eval_report *r, const eval_reading *reading, FILE *to) {
  const double most = write_bins(r, to);
  fprintf(
      to,
      "set lmargin at screen 0.075\nset rmargin at screen 0.46\nset tmargin at screen 0.74\n"
      "set bmargin at screen 0.29\n"
      "set xrange [0:1]\nset yrange [0:1]\nset xtics 0.2 format ''\nset ytics 0.2 format '%%.1f'\n"
      "set ylabel 'share that is right' tc '#444444' offset 1\n"
      "set label 5 'Can its confidence be believed?' at screen 0.075,0.775 font ',14' tc '#222222'\n"
      "set label 6 'calibration error %.3g %%' at graph 0.03,0.92 tc '#444444'\n"
      "set label 7 'red: from accuracy to confidence' at graph 0.03,0.84 font ',11' tc '#c8553d'\n"
      "w = 0.86 / %d\n"
      "plot $bins using 1:3:(w) with boxes lc '#539ecd', \\\n"
      "  $bins using 1:3:(0):($2-$3) with vectors nohead lw 2.5 lc '#c8553d', \\\n"
      "  x with lines dt 2 lw 1.3 lc '#444444', \\\n"
      "  $bins using 1:2 with points pt 7 ps 0.5 lc '#c8553d'\n"
      "unset label\nset tmargin at screen 0.25\nset bmargin at screen 0.13\n"
      "set xtics format '%%.1f'\nset xlabel 'confidence: the probability of the prediction' tc '#444444'\n"
      "set yrange [0:%.9g]\nset ytics ('0' 0, '%.2g' %.9g)\nset ylabel 'of rows' tc '#444444' offset 1\n"
      "plot $bins using 1:4:(w) with boxes lc '#9a9a9a'\n",
      100 * reading->calibration, REPORT_BINS, 1.15 * most, most, most);
}

/* A mark at a number of bits, and its name on the right or the left of it. */
static void mark(FILE *to, int number, double bits, const char *name, const char *color, bool left) {
  fprintf(to,
          "set arrow %d from %.9g, graph 0 to %.9g, graph 1 nohead lw 1.6 lc '%s' front\n"
          "set label %d '%s' at %.9g, graph 0.96 %s offset %g,0 tc '%s' front\n",
          number, bits, bits, color, 10 + number, name, bits, left ? "right" : "left", left ? -0.6 : 0.6,
          color);
}

static void draw_surprisal(const eval_report *r, FILE *to) {
  const double uniform = r->uniform / log(2), end = 3 * uniform, width = end / REPORT_BARS;
  const double mean = fmin(r->result.mean / log(2), end);
  double rows = 0, least = INFINITY;
  for (size_t i = 0; i < REPORT_BARS; i++) {
    rows += r->bars[i];
    if (r->bars[i] > 0) least = fmin(least, r->bars[i]);
  }
  fputs("$bars << EOD\n", to);
  for (size_t i = 0; i < REPORT_BARS; i++)
    if (r->bars[i] > 0) fprintf(to, "%.9g %.9g\n", ((double)i + 0.5) * width, r->bars[i] / rows);
  fprintf(to,
          "EOD\nset lmargin at screen 0.585\nset rmargin at screen 0.97\nset tmargin at screen 0.74\n"
          "set bmargin at screen 0.13\nset xrange [0:%.9g]\nset logscale y\nset yrange [%.9g:3]\n"
          "set xtics autofreq format '%%g'\nset ytics 10 format '%%g' norangelimit\n"
          "set ylabel 'share' tc '#444444' offset -0.5\n"
          "set xlabel 'surprisal of the target, bits (the last bar: or more)' tc '#444444'\n"
          "set label 5 'How surprising was what happened?' at screen 0.585,0.775 font ',14' tc '#222222'\n",
          end, 0.5 * least / rows);
  mark(to, 1, uniform, "uniform guess", "#444444", mean >= uniform);
  if (isfinite(mean)) mark(to, 2, mean, "mean", "#c8553d", mean < uniform && mean > end / 8);
  fprintf(to, "plot $bars using 1:2:(%.9g) with boxes lc '#539ecd'\n", 0.88 * width);
}

static void draw_nothing(FILE *to) {
  fputs("set border 0\nunset tics\nset xrange [0:1]\nset yrange [0:1]\nplot NaN\n", to);
}

int report_plot_start(struct gnuplot *g, struct whole_file *to, char *why, size_t why_size) {
  return gnuplot_start(g, to, 1080, 560, why, why_size);
}

void report_plot(const eval_report *r, FILE *to) {
  eval_reading reading;
  eval_report_read(r, &reading);
  fputs(head, to);
  write_title(&r->result, reading.sentence, to);
  if (r->n_worst && r->classes > 1) {
    draw_reliability(r, &reading, to);
    draw_surprisal(r, to);
  } else {
    draw_nothing(to);
  }
  fputs("unset multiplot\n", to);
}
