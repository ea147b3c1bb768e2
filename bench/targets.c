/* What clLoss aims at, as a table, and how a run did. A ratio at a target lies between its quartiles somewhere: where the
 * aim lies between them too, the verdict could be another in the next run, and is marked. */
#include "result.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum metric {
  OVER_FLOOR, /* the time over that of the case's own floor */
  OVER_BOUND, /* over whichever takes longer, scale or exp */
  OVER_PLAIN, /* over the plain f32 case */
  PER_ELEMENT, /* the time per logit, launches taken off, over that of the large batch of the same V; not paired */
  KERNELS,
  CALL_US, /* on the host, above as many empty enqueues */
  MS,
  SPEEDUP /* + enum peer_id: the peer's time over the case's */
};

/* A target holds for the results of that name, type and kind of shape with least <= V <= most. At most `aim`, but for
 * SPEEDUP, which is at least. NaN: none. */
static const struct target {
  const char *text, *name;
  int inplace;
  const char *dtype;
  enum shape_kind kind;
  size_t least, most;
  unsigned metric;
  double aim, stretch;
} targets[] = {
#define ANY          0, SIZE_MAX
#define NONE         ((double)NAN)
#define IN_PLACE     "xent_fused", 1, "f32"
#define LARGE        SHAPE_LARGE
#define OUT_OF_PLACE 0, "f32", SHAPE_LARGE, ANY /* of the losses that have no other case */
    {"in place / scale", IN_PLACE, LARGE, 1000, 131072, OVER_FLOOR, 1.5, NONE},
    {"in place / scale", IN_PLACE, LARGE, 131073, SIZE_MAX, OVER_FLOOR, 1.8, NONE},
    {"in place / max(scale, exp)", IN_PLACE, LARGE, 1000, SIZE_MAX, OVER_BOUND, NONE, 1.2},
    {"out of place / copy", "xent_fused", 0, "f32", LARGE, 1000, SIZE_MAX, OVER_FLOOR, 1.6, 1.3},
    {"forward / read", "xent_forward", 0, "f32", LARGE, 1000, SIZE_MAX, OVER_FLOOR, 2, 1.5},
    {"bf16 / f32, in place", "xent_fused", 1, "bf16", LARGE, 1000, SIZE_MAX, OVER_PLAIN, 0.8, 0.65},
    {"f16 / f32, in place", "xent_fused", 1, "f16", LARGE, 1000, SIZE_MAX, OVER_PLAIN, NONE, NONE},
    {"options / plain", "xent_fused_options", 1, "f32", LARGE, 0, 32768, OVER_PLAIN, 1.15, NONE},
    {"options / plain", "xent_fused_options", 1, "f32", LARGE, 32769, SIZE_MAX, OVER_PLAIN, 1.4, NONE},
    {"probabilities / plain", "xent_fused_probabilities", 1, "f32", LARGE, ANY, OVER_PLAIN, 2, NONE},
    {"nearly certain / plain", "xent_fused_certain", 1, "f32", LARGE, ANY, OVER_PLAIN, 1.3, NONE},
    {"labels in f32 / plain", "xent_fused_labels", 1, "f32", LARGE, ANY, OVER_PLAIN, 1.03, NONE},
    {"f32 to bf16 / copy", "cast_bf16", OUT_OF_PLACE, OVER_FLOOR, 1.1, NONE},
    {"f32 to f16 / copy", "cast_f16", OUT_OF_PLACE, OVER_FLOOR, 1.1, NONE},
    {"divisor / read", "xent_divisor", OUT_OF_PLACE, OVER_FLOOR, 1.2, NONE},
    {"in place / scale", IN_PLACE, LARGE, 10, 10, OVER_FLOOR, 4, 2.5},
    {"in place / scale", IN_PLACE, LARGE, 100, 100, OVER_FLOOR, 2.2, 1.6},
    {"per logit / large batch", IN_PLACE, SHAPE_FEW_ROWS, ANY, PER_ELEMENT, 1.6, NONE},
    {"kernels per call", IN_PLACE, SHAPE_FEW_ROWS, ANY, KERNELS, 3, NONE},
    {"N,C,H,W in place / scale", IN_PLACE, SHAPE_IMAGES, ANY, OVER_FLOOR, 2, NONE},
    {"PyTorch eager / clLoss", IN_PLACE, LARGE, 0, 999, SPEEDUP + PEER_EAGER, 15, NONE},
    {"torch.compile / clLoss", IN_PLACE, LARGE, 0, 999, SPEEDUP + PEER_COMPILED, 6, NONE},
    {"PyTorch eager / clLoss", IN_PLACE, LARGE, 1000, SIZE_MAX, SPEEDUP + PEER_EAGER, 10, NONE},
    {"torch.compile / clLoss", IN_PLACE, LARGE, 1000, SIZE_MAX, SPEEDUP + PEER_COMPILED, 6, NONE},
    {"C loop / clLoss", IN_PLACE, LARGE, ANY, SPEEDUP + PEER_C_LOOP, 2, NONE},
    {"MSE / triad", "mse_fused", OUT_OF_PLACE, OVER_FLOOR, 1.3, NONE},
    {"BCE of logits / triad", "bce_logits_fused", OUT_OF_PLACE, OVER_FLOOR, 1.8, NONE},
    {"distillation / triad", "distill_fused", OUT_OF_PLACE, OVER_FLOOR, NONE, NONE},
    {"PyTorch eager / clLoss, MSE", "mse_fused", OUT_OF_PLACE, SPEEDUP + PEER_EAGER, 2, NONE},
    {"torch.compile / clLoss, MSE", "mse_fused", OUT_OF_PLACE, SPEEDUP + PEER_COMPILED, NONE, NONE},
    {"PyTorch eager / clLoss, BCE", "bce_logits_fused", OUT_OF_PLACE, SPEEDUP + PEER_EAGER, 5, NONE},
    {"torch.compile / clLoss, BCE", "bce_logits_fused", OUT_OF_PLACE, SPEEDUP + PEER_COMPILED, NONE, NONE},
    {"host time of a call, µs", IN_PLACE, SHAPE_TINY, ANY, CALL_US, 15, NONE},
    {"first result, cache warm, ms", "first_result_warm", 0, "f32", SHAPE_TINY, ANY, MS, 150, NONE},
    {"first result, cache cold, ms", "first_result_cold", 0, "f32", SHAPE_TINY, ANY, MS, 1500, NONE},
};

static int speaks_of(const struct target *t, const struct result *r) {
  return strcmp(t->name, r->name) == 0 && t->inplace == r->inplace && strcmp(t->dtype, r->dtype) == 0 &&
         t->kind == r->kind && r->classes >= t->least && r->classes <= t->most && !r->failed[0];
}

/* The large batch that few rows are compared with. */
static const struct result *large_batch(const struct result *of, const struct result *all, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (all[i].kind == SHAPE_LARGE && all[i].classes == of->classes && strcmp(all[i].name, of->name) == 0 &&
        all[i].inplace == of->inplace && strcmp(all[i].dtype, of->dtype) == 0 && !all[i].failed[0])
      return &all[i];
  return NULL;
}

static struct summary per_element(const struct result *r, const struct result *large) {
  if (!large) return summarize(NULL, 0);
  const double launches = r->launch_ms.median, share = (double)r->rows / (double)large->rows,
               whole = large->ms.median * share;
  return (struct summary){(r->ms.median - launches) / whole, (r->ms.min - launches) / whole,
                          (r->ms.q1 - launches) / whole, (r->ms.q3 - launches) / whole};
}

static struct summary measured(const struct target *t, const struct result *r, const struct result *all,
                               size_t n) {
  const double kernels = r->kernels;
  switch (t->metric) {
  case OVER_FLOOR:
    return (struct summary){1 / r->of_limit.median, NAN, 1 / r->of_limit.q3, 1 / r->of_limit.q1};
  case OVER_BOUND: return r->over_bound;
  case OVER_PLAIN: return r->over_plain;
  case PER_ELEMENT: return per_element(r, large_batch(r, all, n));
  case KERNELS: return (struct summary){kernels, kernels, kernels, kernels};
  case CALL_US: return r->call_us;
  case MS: return r->ms;
  default: return r->peers[t->metric - SPEEDUP].speedup;
  }
}

static const char *verdict(const struct target *t, const struct summary *s, double aim) {
  const int least = t->metric >= SPEEDUP;
  const double best = least ? s->q3 : s->q1, worst = least ? s->q1 : s->q3;
  const int met = least ? s->median >= aim : s->median <= aim;
  const int could_miss = !(least ? worst >= aim : worst <= aim),
            could_meet = least ? best >= aim : best <= aim;
  if (isnan(aim)) return "";
  if (met) return could_miss ? "met ~" : "met";
  return could_meet ? "missed ~" : "missed";
}

enum { TEXT = 30, SHAPE = 18, VALUE = 10, QUARTILES = 18, AIM = 9, VERDICT = 10 };

static void head(FILE *out) {
  fputs("\ntargets: median of the paired ratios, its quartiles, the aim\n  ", out);
  cell_left(out, TEXT, "target");
  cell_right(out, SHAPE, "rows × V");
  cell_right(out, VALUE, "measured");
  cell_right(out, QUARTILES, "quartiles");
  cell_right(out, AIM, "aim");
  fputs("\n", out);
}

static void bounded(FILE *out, const struct target *t, const struct summary *s, double aim,
                    const char *what) {
  char number[32], cell[64];
  if (isnan(aim)) return;
  snprintf(cell, sizeof cell, "%s %s", t->metric >= SPEEDUP ? "≥" : "≤",
           cell_number(number, sizeof number, aim));
  cell_right(out, AIM, cell);
  fprintf(out, "  %s", what);
  cell_left(out, VERDICT, verdict(t, s, aim));
}

static void line(FILE *out, const struct target *t, const struct result *r, const struct summary *s) {
  char cell[64], low[32], high[32], number[32];
  const char *why = t->metric >= SPEEDUP ? r->peers[t->metric - SPEEDUP].failed : "";
  fputs("  ", out);
  cell_left(out, TEXT, t->text);
  snprintf(cell, sizeof cell, "%zu × %zu", r->rows, r->classes);
  cell_right(out, SHAPE, cell);
  if (!isfinite(s->median)) {
    fprintf(out, "  not measured%s%s\n", *why ? ": " : "", why);
    return;
  }
  cell_right(out, VALUE, cell_number(number, sizeof number, s->median));
  snprintf(cell, sizeof cell, "%s … %s", cell_number(low, sizeof low, s->q1),
           cell_number(high, sizeof high, s->q3));
  cell_right(out, QUARTILES, cell);
  bounded(out, t, s, t->aim, "");
  bounded(out, t, s, t->stretch, "stretch: ");
  fputs("\n", out);
}

/* A peer that nobody wanted has neither figure nor reason. */
static int unwanted(const struct target *t, const struct result *r) {
  if (t->metric < SPEEDUP) return 0;
  const struct peer_figure *p = &r->peers[t->metric - SPEEDUP];
  return !isfinite(p->ms.median) && !p->failed[0];
}

void targets_table(FILE *out, const struct result *results, size_t n) {
  int any = 0;
  for (size_t k = 0; k < sizeof targets / sizeof *targets; k++) {
    for (size_t i = 0; i < n; i++) {
      if (!speaks_of(&targets[k], &results[i]) || unwanted(&targets[k], &results[i])) continue;
      const struct summary s = measured(&targets[k], &results[i], results, n);
      if (!any) head(out);
      any = 1;
      line(out, &targets[k], &results[i], &s);
    }
  }
  if (any) fputs("  ~: the aim lies between the quartiles: another run may say otherwise\n", out);
}
