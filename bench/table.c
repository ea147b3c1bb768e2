/* The table for people. Cells are padded by characters shown, not by bytes, since × and ± take two bytes each. */
#include "result.h"

#include <math.h>
#include <string.h>

double result_noise(const struct result *r) {
  if (r->failed[0]) return 0;
  double noise = spread(&r->over_scale);
  if (!(spread(&r->speedup) <= noise)) noise = spread(&r->speedup);
  if (!(spread(&r->of_limit) <= noise)) noise = spread(&r->of_limit);
  return noise;
}

static int shown(const char *text) {
  int n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
  return n;
}

static void left(FILE *out, int width, const char *text) {
  fprintf(out, "%s%*s", text, width > shown(text) ? width - shown(text) : 0, "");
}

static void right(FILE *out, int width, const char *text) {
  fprintf(out, "%*s%s", width > shown(text) ? width - shown(text) : 0, "", text);
}

/* Three significant digits without an exponent, as far as that is readable. */
static const char *three(char *room, size_t size, double x) {
  if (!isfinite(x))
    snprintf(room, size, "-");
  else
    snprintf(room, size, "%.*f", x < 9.995 ? 2 : x < 99.95 ? 1 : 0, x);
  return room;
}

static const char *label(const struct result *r, char *room, size_t size) {
  static const char *const known[][2] = {{"xent_fused", "fused"},
                                         {"xent_forward", "forward"},
                                         {"xent_backward", "backward"},
                                         {"xent_fused_options", "options"},
                                         {"xent_fused_probabilities", "probabilities"}};
  const char *name = r->name;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(r->name, known[i][0]) == 0) name = known[i][1];
  const int f32 = strcmp(r->dtype, "f32") == 0;
  snprintf(room, size, "%s%s%s%s", name, r->inplace ? " in place" : "", f32 ? "" : ", ", f32 ? "" : r->dtype);
  return room;
}

enum { CASE = 23, SHAPE = 17, MS = 9, PM = 7, GBPS = 8, SCALE = 9, LIMIT = 10, SPEED = 10, ERR = 10 };

void table_head(FILE *out, const struct run_facts *f) {
  fprintf(out, "device   %s\n", f->device);
  fprintf(out, "driver   %s, %s; %u compute unit%s, last-level cache %.4g MB\n", f->platform, f->driver,
          f->units, f->units == 1 ? "" : "s", (double)f->cache_bytes / 1e6);
  if (f->openmp)
    fprintf(out, "beside   OpenMP loops on %u thread%s, scalar C on one\n\n", f->openmp,
            f->openmp == 1 ? "" : "s");
  else
    fprintf(out, "beside   scalar C on one thread; no OpenMP loops\n\n");
  left(out, CASE, "case");
  right(out, SHAPE, "rows × V");
  right(out, MS, "ms");
  right(out, PM, "±");
  right(out, GBPS, "GB/s");
  right(out, SCALE, "× scale");
  right(out, LIMIT, "of limit");
  right(out, SPEED, "speedup");
  right(out, ERR, "max err");
  fputs("  plan\n", out);
  fflush(out);
}

void table_gap(FILE *out) { fputc('\n', out); }

void table_result(FILE *out, const struct result *r) {
  char cell[64], number[32];
  left(out, CASE, label(r, cell, sizeof cell));
  snprintf(cell, sizeof cell, "%zu × %zu", r->rows, r->classes);
  right(out, SHAPE, cell);
  if (r->failed[0]) {
    fprintf(out, "  FAILED: %s\n", r->failed);
    fflush(out);
    return;
  }
  right(out, MS, three(number, sizeof number, r->ms.median));
  snprintf(cell, sizeof cell, "%.0f %%", 50 * spread(&r->ms));
  right(out, PM, cell);
  right(out, GBPS, three(number, sizeof number, r->ideal_bytes / r->ms.median * 1e-6));
  snprintf(cell, sizeof cell, "%s%s", result_noise(r) > NOISE_LIMIT ? "~" : "",
           three(number, sizeof number, r->over_scale.median));
  right(out, SCALE, cell);
  snprintf(cell, sizeof cell, "%.0f %%", 100 * r->of_limit.median);
  right(out, LIMIT, cell);
  snprintf(cell, sizeof cell, "%s ×", three(number, sizeof number, r->speedup.median));
  right(out, SPEED, cell);
  snprintf(cell, sizeof cell, "%.1e", r->max_err);
  right(out, ERR, cell);
  fprintf(out, "  %s\n", r->plan);
  fflush(out);
}

/* One line per size of array: the yardsticks belong to the bytes, not to the case. */
static void yardsticks(FILE *out, const struct result *r) {
  char a[32], b[32], c[32];
  fprintf(out, "  V = %-7zu scale %s ms (%s), copy %s ms (%s), read %s ms (%s)\n", r->classes,
          three(a, sizeof a, r->scale_ms.median), r->scale_by, three(b, sizeof b, r->copy_ms.median),
          r->copy_by, three(c, sizeof c, r->read_ms.median), r->read_by);
}

/* What the cases beyond the plain one cost, beside the aims. */
static void beside_plain(FILE *out, const struct result *results, size_t n) {
  char cell[64], number[32];
  int any = 0;
  for (size_t i = 0; i < n; i++) {
    const struct result *r = &results[i];
    if (r->failed[0] || !isfinite(r->over_plain.median)) continue;
    if (!any)
      fputs("\ntime over that of the plain case fused in place (f32), in the same repetitions:\n", out);
    any = 1;
    fputs("  ", out);
    left(out, CASE, label(r, cell, sizeof cell));
    snprintf(cell, sizeof cell, "V = %zu", r->classes);
    left(out, 12, cell);
    right(out, 7, three(number, sizeof number, r->over_plain.median));
    snprintf(cell, sizeof cell, "±%.0f %%", 50 * spread(&r->over_plain));
    right(out, 8, cell);
    if (isfinite(r->aim))
      fprintf(out, "   aim: at most %.2f, %s", r->aim, r->over_plain.median <= r->aim ? "met" : "missed");
    fputs("\n", out);
  }
}

void table_foot(FILE *out, const struct result *results, size_t n) {
  size_t last = 0;
  int any = 0;
  for (size_t i = 0; i < n; i++) {
    if (results[i].failed[0] || results[i].classes == last || strcmp(results[i].dtype, "f32") != 0) continue;
    if (!any) fputs("\nyardsticks over as many bytes as the logits, in the same repetitions:\n", out);
    yardsticks(out, &results[i]);
    last = results[i].classes;
    any = 1;
  }
  beside_plain(out, results, n);
  if (!any) return;
  fputs("\n± half the interquartile range.  × scale: time over that of scaling the logits in place (lower is "
        "better).\n"
        "of limit: the time of scale (in place), copy (out of place) or read (forward) over the case's; of "
        "scale and "
        "read together for probabilities.\n"
        "speedup: over the scalar C reference.  max err: of the results checked just before, against f64.\n",
        out);
}
