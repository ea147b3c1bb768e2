/* The plot: for each V a cluster of bars, the time of each case over that of scaling the logits in place, on a
 * logarithmic axis. Bars grow from 1, the floor of a fused pass in place; what moves less than it (a forward pass only
 * reads) hangs below. Whiskers are the quartiles of the paired ratios. */
#include "plot.h"

#include <math.h>
#include <string.h>

struct series {
  const char *name, *title, *color;
  int inplace;
};

static const struct series all_series[] = {{"xent_fused", "fused, in place", "#0b559f", 1},
                                           {"xent_fused", "fused", "#539ecd", 0},
                                           {"xent_forward", "forward", "#2a9d6f", 0},
                                           {"xent_backward", "backward", "#e3913a", 0},
                                           {NULL, "scalar C, fused", "#9a9a9a", 0}};
enum { SERIES = sizeof all_series / sizeof *all_series };

static const struct result *find(const struct result *r, size_t n, const struct series *s, size_t classes) {
  for (size_t i = 0; i < n; i++) {
    if (r[i].classes != classes || r[i].failed[0] || strcmp(r[i].dtype, "f32") != 0) continue;
    if (s->name ? strcmp(r[i].name, s->name) == 0 && r[i].inplace == s->inplace
                : strcmp(r[i].name, "xent_fused") == 0)
      return &r[i];
  }
  return NULL;
}

/* Other cases have shapes of their own, and no place here. */
static int is_drawn(const struct result *r) {
  for (int s = 0; s < SERIES; s++)
    if (all_series[s].name && strcmp(r->name, all_series[s].name) == 0) return !r->failed[0];
  return 0;
}

/* The distinct class counts, in the order of the results. */
static size_t clusters(const struct result *r, size_t n, const struct result **first, size_t room) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (!is_drawn(&r[i])) continue;
    size_t k = 0;
    while (k < count && first[k]->classes != r[i].classes) k++;
    if (k == count && count < room) first[count++] = &r[i];
  }
  return count;
}

/* Bars of a series: all, and by where their labels stand. gnuplot 5.4 dies of labels that come to a single point without
 * a place, so that a choice among all of them by NaN won't do. */
enum side { BARS, ABOVE, BELOW, SIDES };
static const char *const side_names[SIDES] = {"bars", "above", "below"};

static int value_of(const struct result *r, size_t n, const struct series *s, size_t classes,
                    struct summary *v) {
  const struct result *at = find(r, n, s, classes);
  if (!at) return 0;
  *v = at->over_scale;
  if (!s->name) {
    const double value = at->ref_ms.median / at->scale_ms.median;
    *v = (struct summary){value, value, value, value};
  }
  return isfinite(v->median) && v->q1 > 0 && isfinite(v->q3);
}

/* One line per bar: centre, left, right, value, lower and upper quartile, label. Returns how many there are. */
static int write_bars(FILE *out, enum side side, int s, const struct result *r, size_t n,
                      const struct result **first, size_t count) {
  const double width = 0.84 / SERIES;
  int bars = 0;
  fprintf(out, "$%s%d << EOD\n", side_names[side], s);
  for (size_t k = 0; k < count; k++) {
    struct summary v;
    if (!value_of(r, n, &all_series[s], first[k]->classes, &v)) continue;
    if (side != BARS && side != (v.median < 1 ? BELOW : ABOVE)) continue;
    const double left = (double)k - 0.42 + s * width;
    fprintf(out, "%g %g %g %g %g %g %.*f\n", left + width / 2, left + 0.006, left + width - 0.006, v.median,
            v.q1, v.q3,
            v.median < 0.995  ? 2
            : v.median < 9.95 ? 1
                              : 0,
            v.median);
    bars++;
  }
  fputs("EOD\n", out);
  return bars;
}

static void write_tics(FILE *out, const struct result **first, size_t count) {
  fputs("set xtics (", out);
  for (size_t k = 0; k < count; k++)
    fprintf(out, "%s\"V = %zu\\n%zu rows\" %zu", k ? ", " : "", first[k]->classes, first[k]->rows, k);
  fputs(") scale 0\n", out);
}

static void write_style(FILE *out, const struct run_facts *facts, size_t count) {
  fputs("set label 1 'Softmax cross-entropy, f32: time over that of scaling the logits in place' "
        "at graph 0, 1.145 font ',16' tc '#222222'\nset label 2 ",
        out);
  char line[400];
  snprintf(line, sizeof line,
           "%s (%s), %u compute units; bars start at 1, the floor of a fused pass in place", facts->device,
           facts->driver, facts->units);
  gnuplot_quoted(out, line);
  fputs(" at graph 0, 1.085 font ',11' tc '#666666'\n"
        "set tmargin 5\nset lmargin 9\nset bmargin 4\nset border 0\nunset mytics\n"
        "set logscale y\nset ytics scale 0 nomirror tc '#555555' (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, "
        "500, 1000)\n"
        "set grid ytics lc '#e4e4e4' lw 1\nset ylabel '× in-place scale (logarithmic)' tc '#555555'\n"
        "set key outside right center reverse Left samplen 1.2 spacing 1.5 tc '#333333'\n"
        "set style fill solid 1 noborder\n",
        out);
  fprintf(out, "set xrange [-0.55:%g]\n", (double)count - 0.45);
}

static void write_plot(FILE *out, int present[SERIES][SIDES], double low, double high) {
  fprintf(out, "set yrange [%g:%g]\nplot 1 with lines lc '#444444' lw 1.2 notitle", low, high);
  for (int s = 0; s < SERIES; s++) {
    if (!present[s][BARS]) continue;
    fprintf(out, ", \\\n  $bars%d using 1:4:2:3:($4<1?$4:1):($4<1?1:$4) with boxxyerror lc '%s' title '%s'",
            s, all_series[s].color, all_series[s].title);
  }
  for (int s = 0; s < SERIES; s++) {
    if (present[s][BARS] && all_series[s].name)
      fprintf(out, ", \\\n  $bars%d using 1:5:(0):($6-$5) with vectors nohead lc '#222222' lw 1.5 notitle",
              s);
    for (int side = ABOVE; side < SIDES; side++)
      if (present[s][side])
        fprintf(out, ", \\\n  $%s%d using 1:%d:7 with labels offset 0,%g font ',11' tc '#333333' notitle",
                side_names[side], s, side == ABOVE ? 6 : 5, side == ABOVE ? 0.65 : -0.7);
  }
  fputs("\n", out);
}

/* The axis: a little below the smallest bar, room for a label above the largest. */
static void range(const struct result *r, size_t n, double *low, double *high) {
  *low = 0.8;
  *high = 2;
  for (size_t i = 0; i < n; i++) {
    if (!is_drawn(&r[i])) continue;
    *low = fmin(*low, 0.7 * r[i].over_scale.q1);
    *high = fmax(*high, 1.5 * r[i].over_scale.q3);
    if (strcmp(r[i].name, "xent_fused") == 0)
      *high = fmax(*high, 1.5 * r[i].ref_ms.median / r[i].scale_ms.median);
  }
  if (!(*low > 1e-3)) *low = 1e-3;
}

static int draw(struct whole_file *to, const struct run_facts *facts, const struct result *results, size_t n,
                char *why, size_t why_size) {
  const struct result *first[16];
  int present[SERIES][SIDES], any = 0;
  double low, high;
  const size_t count = clusters(results, n, first, sizeof first / sizeof *first);
  struct gnuplot g;
  if (gnuplot_start(&g, to, 260 + 190 * (int)(count < 3 ? 3 : count), 520, why, why_size) != 0) return -1;
  write_style(g.script, facts, count);
  write_tics(g.script, first, count);
  for (int s = 0; s < SERIES; s++)
    for (int side = 0; side < SIDES; side++)
      any |= present[s][side] = write_bars(g.script, (enum side)side, s, results, n, first, count);
  range(results, n, &low, &high);
  if (any) write_plot(g.script, present, low, high);
  if (any) return gnuplot_draw(&g, why, why_size);
  gnuplot_abandon(&g);
  snprintf(why, why_size, "%s: there is nothing to draw", to->path);
  return -1;
}

int plot_results(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size) {
  struct whole_file plot = {.path = path}, *const files[] = {&plot};
  int rc = whole_file_open(&plot, why, why_size);
  if (rc == 0) rc = draw(&plot, facts, results, n, why, why_size);
  if (rc == 0) rc = whole_file_close(&plot, why, why_size);
  if (rc == 0) rc = whole_files_commit(files, 1, why, why_size);
  whole_files_discard(files, 1);
  return rc;
}
