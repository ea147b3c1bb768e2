/* The plots of a report: two charts of curves, clLoss and its peers against V and against rows, and the roofline. All
 * times come from one run; whiskers are quartiles. */
#include "plot.h"

#include <math.h>
#include <string.h>

/* ---- what the charts have in common ---- */

/* Who is drawn. Peers have the numbers of enum peer_id. */
enum { CLLOSS = -1, SCALE = -2 };

static const struct look {
  int who;
  const char *color;
  int point, width;
} looks[] = {{CLLOSS, "#0b559f", 7, 3},     {PEER_C_LOOP, "#2a9d6f", 5, 2},    {PEER_NAIVE, "#8a63b5", 13, 2},
             {PEER_EAGER, "#d1495b", 9, 2}, {PEER_COMPILED, "#e3913a", 11, 2}, {SCALE, "#777777", 1, 2}};
enum { LOOKS = sizeof looks / sizeof *looks };

static const char *title_of(int who) {
  return who == CLLOSS ? "clLoss" : who == SCALE ? "scaling the logits" : peer_label((enum peer_id)who);
}

static void begin(FILE *out, const struct run_facts *f, const char *title, const char *subtitle) {
  char line[500];
  fputs("set label 1 ", out);
  gnuplot_quoted(out, title);
  fputs(" at graph 0, 1.12 font ',16' tc '#222222'\nset label 2 ", out);
  snprintf(line, sizeof line, "%s, %u threads, driver %s. %s", f->device, f->units, f->driver, subtitle);
  gnuplot_quoted(out, line);
  fputs(" at graph 0, 1.05 font ',11' tc '#666666'\n"
        "set tmargin 5\nset lmargin 12\nset bmargin 4\nset border 3 lc '#999999'\nset mxtics default\nunset "
        "mytics\n"
        "set tics nomirror out scale 0.6 tc '#555555'\nset grid ytics lc '#e4e4e4' lw 1\nset logscale xy\n"
        "set key outside right center reverse Left samplen 1.6 spacing 1.4 tc '#333333'\n",
        out);
}

static int is_fused(const struct result *r, const char *dtype) {
  return strcmp(r->name, "xent_fused") == 0 && r->inplace && strcmp(r->dtype, dtype) == 0 && !r->failed[0];
}

static double time_of(const struct result *r, int who) {
  return who == CLLOSS ? r->ms.median : who == SCALE ? r->scale_ms.median : r->peers[who].ms.median;
}

/* ---- curves ---- */

struct point {
  double x, y, low, high;
};

struct chart {
  const char *title, *subtitle, *x_label, *y_label;
  const char *axes; /* ranges and tics */
  int holds_scale;  /* a curve for the floor; else it is 1 throughout */
  int (*belongs)(const struct result *r, size_t classes);
  struct point (*point)(const struct result *r, int who);
};

/* The point of the curve with the least x beyond `last`; x is NaN where there is none. */
static struct point next_point(const struct chart *chart, int who, const struct result *results, size_t n,
                               size_t classes, double last) {
  struct point next = {NAN, NAN, NAN, NAN};
  for (size_t i = 0; i < n; i++) {
    if (!chart->belongs(&results[i], classes)) continue;
    const struct point p = chart->point(&results[i], who);
    if (p.x > last && p.y > 0 && isfinite(p.y) && !(next.x <= p.x)) next = p;
  }
  return next;
}

/* The data of one curve; whether there is one, of two points at least. */
static int write_curve(FILE *out, const struct chart *chart, int look, const struct result *results, size_t n,
                       size_t classes) {
  int count = 0;
  fprintf(out, "$curve%d << EOD\n", look);
  for (double last = 0;; count++) {
    const struct point p = next_point(chart, looks[look].who, results, n, classes, last);
    if (!(p.x > last)) break;
    fprintf(out, "%g %g %g %g\n", p.x, p.y, p.low, p.high);
    last = p.x;
  }
  fputs("EOD\n", out);
  return count > 1;
}

/* 1 where no curve has two points: no file, and no fault. */
static int draw_chart(const struct chart *chart, size_t classes, struct whole_file *to,
                      const struct run_facts *facts, const struct result *results, size_t n, char *why,
                      size_t why_size) {
  struct gnuplot g;
  int any = 0, present[LOOKS];
  if (gnuplot_start(&g, to, 920, 480, why, why_size) != 0) return -1;
  begin(g.script, facts, chart->title, chart->subtitle);
  fprintf(g.script, "set xlabel '%s' tc '#555555'\nset ylabel '%s' tc '#555555'\n", chart->x_label,
          chart->y_label);
  for (int k = 0; k < LOOKS; k++) {
    present[k] = looks[k].who == SCALE && !chart->holds_scale
                     ? 0
                     : write_curve(g.script, chart, k, results, n, classes);
    any |= present[k];
  }
  fputs(chart->axes, g.script);
  fputs(chart->holds_scale ? "plot " : "plot 1 with lines lc '#777777' dt 2 lw 2 title 'scaling the logits'",
        g.script);
  int first = chart->holds_scale;
  for (int k = 0; k < LOOKS; k++) {
    if (!present[k]) continue;
    fprintf(g.script, "%s$curve%d using 1:2:3:4 with yerrorlines lc '%s' lw %d pt %d ps 0.7 dt %d title '%s'",
            first ? "" : ", \\\n  ", k, looks[k].color, looks[k].width, looks[k].point,
            looks[k].who == SCALE ? 2 : 1, title_of(looks[k].who));
    first = 0;
  }
  fputs("\n", g.script);
  if (any) return gnuplot_draw(&g, why, why_size);
  gnuplot_abandon(&g);
  return 1;
}

/* ---- against V ---- */

static int is_large(const struct result *r, size_t classes) {
  (void)classes;
  return is_fused(r, "f32") && r->kind == SHAPE_LARGE;
}

static struct point over_scale(const struct result *r, int who) {
  const double y = time_of(r, who) / r->scale_ms.median, x = (double)r->classes;
  if (who == CLLOSS) return (struct point){x, r->over_scale.median, r->over_scale.q1, r->over_scale.q3};
  const struct summary *ms = &r->peers[who].ms;
  return (struct point){x, y, y * ms->q1 / ms->median, y * ms->q3 / ms->median};
}

int plot_classes(struct whole_file *to, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size) {
  static const struct chart chart = {"Softmax cross-entropy and its gradient, f32, large batches",
                                     "Lower is better.",
                                     "classes",
                                     "time over that of scaling the logits in place",
                                     "set xrange [7:370000]\nset yrange [0.7:*]\n"
                                     "set xtics ('10' 10, '100' 100, '1000' 1000, '8192' 8192, '32 K' 32768, "
                                     "'128 K' 131072, '256 K' 262144) font ',11'\n"
                                     "set ytics (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)\n",
                                     0,
                                     is_large,
                                     over_scale};
  return draw_chart(&chart, 0, to, facts, results, n, why, why_size);
}

/* ---- against rows, at the V of the shapes with few ---- */

static int is_of(const struct result *r, size_t classes) {
  return is_fused(r, "f32") && r->classes == classes && r->inner == 1 && r->kind != SHAPE_TINY;
}

static struct point bandwidth(const struct result *r, int who) {
  const struct summary *ms = who == CLLOSS ? &r->ms : who == SCALE ? &r->scale_ms : &r->peers[who].ms;
  const double bytes = who == SCALE ? 8.0 * (double)r->rows * (double)r->classes : r->ideal_bytes;
  return (struct point){(double)r->rows, bytes / ms->median * 1e-6, bytes / ms->q3 * 1e-6,
                        bytes / ms->q1 * 1e-6};
}

int plot_rows(struct whole_file *to, const struct run_facts *facts, const struct result *results, size_t n,
              char *why, size_t why_size) {
  char title[120];
  struct chart chart = {title,
                        "Higher is better.",
                        "rows",
                        "GB/s of what must be moved",
                        "set xrange [0.8:700]\nset xtics (1, 2, 4, 8, 16, 64, 512)\n"
                        "set ytics (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)\n",
                        1,
                        is_of,
                        bandwidth};
  for (size_t i = 0; i < n; i++) {
    if (results[i].kind != SHAPE_FEW_ROWS) continue;
    snprintf(title, sizeof title, "Softmax cross-entropy and its gradient, f32, rows of %zu classes",
             results[i].classes);
    return draw_chart(&chart, results[i].classes, to, facts, results, n, why, why_size);
  }
  return 1;
}

/* ---- the roofline ----
 *
 * Whatever the implementation, a logit costs at least one exp and the bytes that the case must move. So exps per byte
 * stand on one axis and exps per second on the other; the memory's limit is a slope, as fast as scale moved the same
 * bytes, and that of the arithmetic is the exp yardstick. Cases that move as much per logit have the same place on the
 * axis: they are drawn side by side, V growing to the right. */

struct roof {
  const char *title, *name, *dtype, *color;
  int inplace, who, point;
};

static const struct roof roofs[] = {
    {"fused, in place", "xent_fused", "f32", "#0b559f", 1, CLLOSS, 7},
    {"fused", "xent_fused", "f32", "#539ecd", 0, CLLOSS, 5},
    {"forward", "xent_forward", "f32", "#2a9d6f", 0, CLLOSS, 9},
    {"fused, in place, bf16", "xent_fused", "bf16", "#1d3557", 1, CLLOSS, 13},
    {"C loop", "xent_fused", "f32", "#2a9d6f", 1, PEER_C_LOOP, 4},
    {"OpenCL naive", "xent_fused", "f32", "#8a63b5", 1, PEER_NAIVE, 12},
    {"PyTorch eager", "xent_fused", "f32", "#d1495b", 1, PEER_EAGER, 8},
    {"torch.compile", "xent_fused", "f32", "#e3913a", 1, PEER_COMPILED, 10},
    {"PyTorch eager, bf16", "xent_fused", "bf16", "#d1495b", 1, PEER_EAGER, 6},
    {"torch.compile, bf16", "xent_fused", "bf16", "#e3913a", 1, PEER_COMPILED, 3},
};
enum { ROOFS = sizeof roofs / sizeof *roofs };

static double logits_of(const struct result *r) { return (double)r->rows * (double)r->classes; }

static int on_roof(const struct result *r, const struct roof *f) {
  return strcmp(r->name, f->name) == 0 && r->inplace == f->inplace && strcmp(r->dtype, f->dtype) == 0 &&
         r->kind == SHAPE_LARGE && !r->failed[0];
}

/* Side by side: from 7 % to the left to 7 % to the right, by the logarithm of V. */
static double beside(double x, const struct result *r) {
  return x * exp(0.07 * (log((double)r->classes) - log(1600)) / log(160));
}

static int write_roof(FILE *out, int k, const struct result *results, size_t n) {
  int count = 0;
  fprintf(out, "$roof%d << EOD\n", k);
  for (size_t i = 0; i < n; i++) {
    const struct result *r = &results[i];
    const double ms = on_roof(r, &roofs[k]) ? time_of(r, roofs[k].who) : (double)NAN;
    if (!(ms > 0)) continue;
    fprintf(out, "%g %g\n", beside(logits_of(r) / r->ideal_bytes, r), logits_of(r) / ms * 1e-6);
    count++;
  }
  fputs("EOD\n", out);
  return count;
}

/* The limits, of the largest plain result: bytes and exps per nanosecond. */
static int limits(const struct result *results, size_t n, double *bytes, double *exps) {
  const struct result *largest = NULL;
  for (size_t i = 0; i < n; i++)
    if (on_roof(&results[i], &roofs[0]) && (!largest || logits_of(&results[i]) >= logits_of(largest)))
      largest = &results[i];
  if (!largest) return -1;
  *bytes = 8 * logits_of(largest) / largest->scale_ms.median * 1e-6;
  *exps = logits_of(largest) / largest->exp_ms.median * 1e-6; /* NaN where there is no such yardstick */
  return 0;
}

int plot_roofline(struct whole_file *to, const struct run_facts *facts, const struct result *results,
                  size_t n, char *why, size_t why_size) {
  double bytes, exps;
  struct gnuplot g;
  int any = 0, present[ROOFS];
  if (limits(results, n, &bytes, &exps) != 0) return 1;
  if (gnuplot_start(&g, to, 920, 520, why, why_size) != 0) return -1;
  begin(g.script, facts, "Softmax cross-entropy beneath the limits of memory and arithmetic",
        "Points of a kind: V from small to large, left to right.");
  fputs("set xlabel 'exps per byte that must be moved' tc '#555555'\n"
        "set ylabel 'billion exps per second (one per logit)' tc '#555555'\n"
        "set xrange [0.06:0.5]\nset xtics (0.0625, 0.125, 0.25, 0.5)\nset format y '%g'\n",
        g.script);
  for (int k = 0; k < ROOFS; k++) any |= present[k] = write_roof(g.script, k, results, n);
  fprintf(g.script, "memory(x) = %g * x\nexps = %g\n", bytes, isfinite(exps) ? exps : 1e9);
  fprintf(
      g.script,
      "plot (memory(x) < exps ? memory(x) : exps) with lines lc '#444444' lw 2 title 'limit: %.3g GB/s%s'",
      bytes, isfinite(exps) ? ", exp in L1" : "");
  for (int k = 0; k < ROOFS; k++)
    if (present[k])
      fprintf(g.script, ", \\\n  $roof%d using 1:2 with points lc '%s' lw 1.5 pt %d ps 0.9 title '%s'", k,
              roofs[k].color, roofs[k].point, roofs[k].title);
  fputs("\n", g.script);
  if (any) return gnuplot_draw(&g, why, why_size);
  gnuplot_abandon(&g);
  return 1;
}
