/* The plot: for each V a cluster of bars, the time of each case over that of scaling the logits in place, on a
 * logarithmic axis. Bars grow from 1, the floor of a fused pass in place; what moves less than it (a forward pass only
 * reads) hangs below. Whiskers are the quartiles of the paired ratios. gnuplot draws; it reads script and data from a
 * pipe, and the file appears under its name only once it is whole. */
#include "result.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
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

/* gnuplot's single quotes know one escape, a doubled quote. */
static void quoted(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    if (*text == '\'') fputc('\'', out);
    fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
  }
  fputc('\'', out);
}

static const struct result *find(const struct result *r, size_t n, const struct series *s, size_t classes) {
  for (size_t i = 0; i < n; i++) {
    if (r[i].classes != classes || r[i].failed[0] || strcmp(r[i].dtype, "f32") != 0) continue;
    if (s->name ? strcmp(r[i].name, s->name) == 0 && r[i].inplace == s->inplace
                : strcmp(r[i].name, "xent_fused") == 0)
      return &r[i];
  }
  return NULL;
}

/* The distinct class counts, in the order of the results. */
static size_t clusters(const struct result *r, size_t n, const struct result **first, size_t room) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (r[i].failed[0]) continue;
    size_t k = 0;
    while (k < count && first[k]->classes != r[i].classes) k++;
    if (k == count && count < room) first[count++] = &r[i];
  }
  return count;
}

/* One line per bar: centre, left, right, value, lower and upper quartile. */
static int write_data(FILE *out, const struct result *r, size_t n, const struct result **first, size_t count,
                      int present[SERIES]) {
  const double width = 0.84 / SERIES;
  int any = 0;
  for (int s = 0; s < SERIES; s++) {
    fprintf(out, "$s%d << EOD\n", s);
    present[s] = 0;
    for (size_t k = 0; k < count; k++) {
      const struct result *at = find(r, n, &all_series[s], first[k]->classes);
      if (!at) continue;
      struct summary v = at->over_scale;
      if (!all_series[s].name) {
        double value = at->ref_ms.median / at->scale_ms.median;
        v = (struct summary){value, value, value, value};
      }
      if (!(isfinite(v.median) && v.q1 > 0 && isfinite(v.q3))) continue;
      double left = (double)k - 0.42 + s * width;
      fprintf(out, "%g %g %g %g %g %g %.*f\n", left + width / 2, left + 0.006, left + width - 0.006, v.median,
              v.q1, v.q3,
              v.median < 0.995  ? 2
              : v.median < 9.95 ? 1
                                : 0,
              v.median);
      present[s] = any = 1;
    }
    fputs("EOD\n", out);
  }
  return any;
}

static void write_tics(FILE *out, const struct result **first, size_t count) {
  fputs("set xtics (", out);
  for (size_t k = 0; k < count; k++)
    fprintf(out, "%s\"V = %zu\\n%zu rows\" %zu", k ? ", " : "", first[k]->classes, first[k]->rows, k);
  fputs(") scale 0\n", out);
}

static void write_style(FILE *out, const char *path, const struct run_facts *facts, size_t count) {
  fprintf(
      out,
      "set terminal svg size %zu,520 font 'Helvetica,Arial,sans-serif,13' background '#ffffff' noenhanced\n",
      260 + 190 * (count < 2 ? 2 : count));
  fputs("set output ", out);
  quoted(out, path);
  fputs("\nset label 1 'Softmax cross-entropy, f32: time over that of scaling the logits in place' "
        "at graph 0, 1.145 font ',16' tc '#222222'\nset label 2 ",
        out);
  char line[400];
  snprintf(line, sizeof line,
           "%s (%s), %u compute units; bars start at 1, the floor of a fused pass in place", facts->device,
           facts->driver, facts->units);
  quoted(out, line);
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

static void write_plot(FILE *out, const int present[SERIES], double low, double high) {
  fprintf(out, "set yrange [%g:%g]\nplot 1 with lines lc '#444444' lw 1.2 notitle", low, high);
  for (int s = 0; s < SERIES; s++) {
    if (!present[s]) continue;
    fprintf(out, ", \\\n  $s%d using 1:4:2:3:($4<1?$4:1):($4<1?1:$4) with boxxyerror lc '%s' title '%s'", s,
            all_series[s].color, all_series[s].title);
  }
  for (int s = 0; s < SERIES; s++) {
    if (!present[s]) continue;
    if (all_series[s].name)
      fprintf(out, ", \\\n  $s%d using 1:5:(0):($6-$5) with vectors nohead lc '#222222' lw 1.5 notitle", s);
    fprintf(out,
            ", \\\n  $s%d using 1:($4<1?NaN:$6):7 with labels offset 0,0.65 font ',11' tc '#333333' notitle",
            s);
    fprintf(out,
            ", \\\n  $s%d using 1:($4<1?$5:NaN):7 with labels offset 0,-0.7 font ',11' tc '#333333' notitle",
            s);
  }
  fputs("\n", out);
}

/* The axis: a little below the smallest bar, room for a label above the largest. */
static void range(const struct result *r, size_t n, double *low, double *high) {
  *low = 0.8;
  *high = 2;
  for (size_t i = 0; i < n; i++) {
    if (r[i].failed[0]) continue;
    *low = fmin(*low, 0.7 * r[i].over_scale.q1);
    *high = fmax(*high, 1.5 * r[i].over_scale.q3);
    if (strcmp(r[i].name, "xent_fused") == 0)
      *high = fmax(*high, 1.5 * r[i].ref_ms.median / r[i].scale_ms.median);
  }
  if (!(*low > 1e-3)) *low = 1e-3;
}

static int draw(FILE *pipe, const char *temporary, const struct run_facts *facts,
                const struct result *results, size_t n) {
  const struct result *first[16];
  int present[SERIES];
  double low, high;
  size_t count = clusters(results, n, first, sizeof first / sizeof *first);
  write_style(pipe, temporary, facts, count);
  write_tics(pipe, first, count);
  int any = write_data(pipe, results, n, first, count, present);
  range(results, n, &low, &high);
  if (any) write_plot(pipe, present, low, high);
  return any;
}

int plot_possible(void) { return system("command -v gnuplot >/dev/null 2>&1") == 0; }

int plot_results(const char *path, const struct run_facts *facts, const struct result *results, size_t n,
                 char *why, size_t why_size) {
  char temporary[4096];
  if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary) {
    snprintf(why, why_size, "the file name is too long");
    return -1;
  }
  /* A gnuplot that dies early must not take the benchmark's figures with it. */
  void (*before)(int) = signal(SIGPIPE, SIG_IGN);
  FILE *pipe = popen("gnuplot", "w");
  int any = 0, rc = -1;
  if (pipe) {
    any = draw(pipe, temporary, facts, results, n);
    rc = pclose(pipe);
  }
  signal(SIGPIPE, before);
  if (!any)
    snprintf(why, why_size, "there is nothing to draw");
  else if (rc != 0)
    snprintf(why, why_size, "gnuplot failed");
  else if (rename(temporary, path) != 0)
    snprintf(why, why_size, "can't write the file");
  else
    return 0;
  remove(temporary);
  return -1;
}
