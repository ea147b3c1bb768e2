/* The table for people. Cells are padded by characters shown, not by bytes, since × and ± take two bytes each. */
#include "result.h"

#include <math.h>
#include <string.h>

static int shown(const char *text) {
  int n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
  return n;
}

void cell_left(FILE *out, int width, const char *text) {
  fprintf(out, "%s%*s", text, width > shown(text) ? width - shown(text) : 0, "");
}

void cell_right(FILE *out, int width, const char *text) {
  fprintf(out, "%*s%s", width > shown(text) ? width - shown(text) : 0, "", text);
}

const char *cell_number(char *room, size_t size, double x) {
  if (!isfinite(x))
    snprintf(room, size, "-");
  else
    snprintf(room, size, "%.*f", fabs(x) < 9.995 ? 2 : fabs(x) < 99.95 ? 1 : 0, x);
  return room;
}

static void share(char *cell, size_t size, double x) {
  snprintf(cell, size, isfinite(x) ? "%.0f %%" : "-", 100 * x);
}

const char *cell_label(const struct result *r, char *room, size_t size) {
  static const char *const known[][2] = {{"xent_fused", "fused"},
                                         {"xent_forward", "forward"},
                                         {"xent_backward", "backward"},
                                         {"xent_fused_options", "options"},
                                         {"xent_fused_probabilities", "probabilities"},
                                         {"xent_fused_certain", "nearly certain"},
                                         {"xent_fused_labels", "labels in f32"},
                                         {"xent_divisor", "divisor"},
                                         {"cast_bf16", "f32 to bf16"},
                                         {"cast_f16", "f32 to f16"},
                                         {"mse_fused", "MSE"},
                                         {"bce_logits_fused", "BCE of logits"},
                                         {"distill_fused", "distillation"},
                                         {"first_result_cold", "first result, cold"},
                                         {"first_result_warm", "first result, warm"}};
  const char *name = r->name;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(r->name, known[i][0]) == 0) name = known[i][1];
  const int f32 = strcmp(r->dtype, "f32") == 0;
  snprintf(room, size, "%s%s%s%s", name, r->inplace ? " in place" : "", f32 ? "" : ", ", f32 ? "" : r->dtype);
  return room;
}

enum {
  CASE = 23,
  SHAPE = 17,
  MS = 9,
  PM = 7,
  GBPS = 8,
  SCALE = 9,
  LIMIT = 10,
  SPEED = 10,
  ERR = 10,
  PEER = 18
};

void table_head(FILE *out, const struct run_facts *f) {
  fprintf(out, "device   %s\n", f->device);
  fprintf(out, "driver   %s, %s; %u compute unit%s, last-level cache %.4g MB\n", f->platform, f->driver,
          f->units, f->units == 1 ? "" : "s", (double)f->cache_bytes / 1e6);
  if (f->openmp)
    fprintf(out, "beside   OpenMP loops on %u thread%s, scalar C on one\n\n", f->openmp,
            f->openmp == 1 ? "" : "s");
  else
    fprintf(out, "beside   scalar C on one thread; no OpenMP loops\n\n");
  cell_left(out, CASE, "case");
  cell_right(out, SHAPE, "rows × V");
  cell_right(out, MS, "ms");
  cell_right(out, PM, "±");
  cell_right(out, GBPS, "GB/s");
  cell_right(out, SCALE, "× scale");
  cell_right(out, LIMIT, "of limit");
  cell_right(out, SPEED, "speedup");
  cell_right(out, ERR, "max err");
  fputs("  plan\n", out);
  fflush(out);
}

void table_gap(FILE *out) { fputc('\n', out); }

void table_result(FILE *out, const struct result *r) {
  char cell[64], number[32];
  cell_left(out, CASE, cell_label(r, cell, sizeof cell));
  snprintf(cell, sizeof cell, "%zu × %zu", r->rows, r->classes);
  cell_right(out, SHAPE, cell);
  if (r->failed[0]) {
    fprintf(out, "  FAILED: %s\n", r->failed);
    fflush(out);
    return;
  }
  cell_right(out, MS, cell_number(number, sizeof number, r->ms.median));
  share(cell, sizeof cell, 0.5 * spread(&r->ms));
  cell_right(out, PM, cell);
  cell_right(out, GBPS, cell_number(number, sizeof number, r->ideal_bytes / r->ms.median * 1e-6));
  snprintf(cell, sizeof cell, "%s%s", result_noise(r) > NOISE_LIMIT ? "~" : "",
           cell_number(number, sizeof number, r->over_scale.median));
  cell_right(out, SCALE, cell);
  share(cell, sizeof cell, r->of_limit.median);
  cell_right(out, LIMIT, cell);
  snprintf(cell, sizeof cell, "%s%s", cell_number(number, sizeof number, r->speedup.median),
           isfinite(r->speedup.median) ? " ×" : "");
  cell_right(out, SPEED, cell);
  snprintf(cell, sizeof cell, isfinite(r->max_err) ? "%.1e" : "-", r->max_err);
  cell_right(out, ERR, cell);
  fprintf(out, "  %s\n", r->plan);
  fflush(out);
}

/* One line per shape, as the yardsticks belong to the bytes, not to the case; and one for its first case that has a
 * triad. */
static void yardsticks(FILE *out, const struct result *r) {
  char cell[64], a[32], b[32], c[32], d[32];
  snprintf(cell, sizeof cell, "%zu × %zu", r->rows, r->classes);
  fputs("  ", out);
  cell_left(out, SHAPE, cell);
  fprintf(out, " scale %s ms (%s), copy %s ms (%s), read %s ms (%s), exp in L1 %s ms",
          cell_number(a, sizeof a, r->scale_ms.median), r->scale_by,
          cell_number(b, sizeof b, r->copy_ms.median), r->copy_by,
          cell_number(c, sizeof c, r->read_ms.median), r->read_by,
          cell_number(d, sizeof d, r->exp_ms.median));
  if (r->triad_by)
    fprintf(out, ", triad %s ms (%s)", cell_number(a, sizeof a, r->triad_ms.median), r->triad_by);
  fputs("\n", out);
}

static int same_yardsticks(const struct result *a, const struct result *b) {
  return a->rows == b->rows && a->classes == b->classes && (a->triad_by || !b->triad_by);
}

static int has_yardsticks(const struct result *r) {
  return !r->failed[0] && isfinite(r->scale_ms.median) && strcmp(r->dtype, "f32") == 0;
}

static int all_yardsticks(FILE *out, const struct result *results, size_t n) {
  const struct result *last = NULL;
  for (size_t i = 0; i < n; i++) {
    const struct result *r = &results[i];
    if (!has_yardsticks(r) || (last && same_yardsticks(last, r))) continue;
    if (!last)
      fputs("\nyardsticks over as many bytes as the logits (copy beside a cast: as many as that moves),\n"
            "in the same repetitions:\n",
            out);
    yardsticks(out, r);
    last = r;
  }
  return last != NULL;
}

static int has_peers(const struct result *r) {
  int any = 0;
  for (int i = 0; i < PEERS; i++) any |= isfinite(r->peers[i].ms.median) || r->peers[i].failed[0];
  return any && !r->failed[0];
}

/* Milliseconds, and how often clLoss's own time goes into them; below, once each, why some were not timed. */
static void all_peers(FILE *out, const struct result *results, size_t n) {
  char cell[64], ms[32], speedup[32], said[PEERS][sizeof results->peers->failed] = {{0}};
  int any = 0;
  for (size_t i = 0; i < n; i++) {
    const struct result *r = &results[i];
    if (!has_peers(r)) continue;
    if (!any) fputs("\npeers in the same repetitions: milliseconds, and how many times clLoss's:\n", out);
    if (!any) cell_left(out, 2 + CASE + SHAPE, "");
    for (int k = 0; k < PEERS && !any; k++) cell_right(out, PEER, peer_label((enum peer_id)k));
    fputs(any ? "  " : "\n  ", out);
    any = 1;
    cell_left(out, CASE, cell_label(r, cell, sizeof cell));
    snprintf(cell, sizeof cell, "%zu × %zu", r->rows, r->classes);
    cell_right(out, SHAPE, cell);
    for (int k = 0; k < PEERS; k++) {
      const struct peer_figure *p = &r->peers[k];
      snprintf(cell, sizeof cell, "%s  %s%s", cell_number(ms, sizeof ms, p->ms.median),
               cell_number(speedup, sizeof speedup, p->speedup.median), p->failed[0] ? "" : " ×");
      cell_right(out, PEER, isfinite(p->ms.median) ? cell : "-");
    }
    fputs("\n", out);
    for (int k = 0; k < PEERS; k++) {
      if (!r->peers[k].failed[0] || strcmp(said[k], r->peers[k].failed) == 0) continue;
      snprintf(said[k], sizeof said[k], "%s", r->peers[k].failed);
      fprintf(out, "    %s isn't timed: %s\n", peer_label((enum peer_id)k), said[k]);
    }
  }
}

void table_foot(FILE *out, const struct result *results, size_t n) {
  const int any = all_yardsticks(out, results, n);
  all_peers(out, results, n);
  targets_table(out, results, n);
  if (!any) return;
  fputs("\n± half the interquartile range.  × scale: time over that of scaling the logits in place (lower is "
        "better).\n"
        "of limit: the time of scale (in place), copy (out of place) or read (forward) over the case's; of "
        "scale and read\ntogether for probabilities; of triad for MSE, BCE and distillation.\n"
        "speedup: over the scalar C reference.  max err: of the results checked just before, against f64.\n",
        out);
}
