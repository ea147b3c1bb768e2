/* What the harness checks once a case has run twice. Every comparison is written so that NaN fails it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment.h"

const char *harness_check_name(harness_check_kind kind) {
  static const char *const names[] = {
#define NAME(name, text) #name,
      HARNESS_CHECK_LIST(NAME)
#undef NAME
  };
  return names[kind];
}

const char *harness_check_text(harness_check_kind kind) {
  static const char *const texts[] = {
#define TEXT(name, text) text,
      HARNESS_CHECK_LIST(TEXT)
#undef TEXT
  };
  return texts[kind];
}

bool harness_fired(const harness_result *result) {
  for (int i = 0; i < HARNESS_CHECKS; i++)
    if (result->count[i]) return true;
  return false;
}

/* ---- memory ---- */

static bool same_element(const layout *l, const unsigned char *a, const unsigned char *b, size_t i) {
  return memcmp(a + i * l->element_bytes, b + i * l->element_bytes, l->element_bytes) == 0;
}

static void changed(experiment *e, const layout *l, size_t i, harness_check_kind kind) {
  harness_fire(
      e, kind, "%s: element %lld from its first one was changed (%zu rows of %zu, inner %zu, pitch %zu)",
      l->array.name, (long long)i - (long long)l->first, l->array.rows, l->array.columns, l->inner, l->pitch);
}

/* Guards, padding, and inputs that no output shares. */
static void check_memory(experiment *e, int i, int run) {
  const layout *l = &e->layouts[i];
  const unsigned char *sent = l->sent[run], *got = l->got[run];
  bool shared = false;
  if (memcmp(sent, got, l->total * l->element_bytes) == 0) return;
  for (int j = 0; j < HARNESS_ARRAYS; j++) shared |= j != i && e->layouts[j].memory == i;
  const bool input = l->array.role == HARNESS_INPUT && !shared;
  for (size_t k = 0; k < l->total; k++) {
    if ((!input && l->owned[k]) || same_element(l, sent, got, k)) continue;
    changed(e, l, k,
            input                          ? HARNESS_INPUT_CHANGED
            : k >= l->first && k < l->last ? HARNESS_PADDING
                                           : HARNESS_GUARD);
  }
}

/* ---- values ---- */

static const char *class_name(double x) {
  return isnan(x) ? "NaN" : isinf(x) ? (x > 0 ? "+inf" : "-inf") : "finite";
}

/* The value as it would be stored. */
static double rounded(uint32_t dtype, double x) {
  uint64_t room;
  if (dtype == CLLOSS_I32 || dtype == CLLOSS_I64) return x;
  harness_put(dtype, &room, 0, x);
  return harness_get(dtype, &room, 0);
}

static double plain_error(const double *plain, const double *truth, size_t n) {
  double most = 0;
  for (size_t c = 0; c < n; c++) {
    const double error = fabs(plain[c] - truth[c]);
    if (error > most && isfinite(error)) most = error;
  }
  return most;
}

static void judge_value(experiment *e, const layout *l, size_t row, size_t c, double value, double truth,
                        double plain, double bound) {
  const char *expected = class_name(rounded(l->array.dtype, truth)), *actual = class_name(value);
  if (actual != expected && strcmp(actual, expected) != 0) {
    harness_fire(e, HARNESS_CLASS, "%s[%zu][%zu] is %s (%.17g), in f64 %.17g", l->array.name, row, c, actual,
                 value, truth);
    return;
  }
  if (!isfinite(value)) return;
  const double before = plain + bound, error = fabs(value - truth);
  const double half = harness_half_ulp(l->array.dtype, fabs(truth) + before), allowed = before + half;
  /* rounding to 16 bits takes all of its half by chance alone, which would say nothing */
  const double used = error > half ? (error - half) / before : 0;
  if (!(error <= allowed))
    harness_fire(e, HARNESS_BOUND,
                 "%s[%zu][%zu] is %.17g, in f64 %.17g: error %.3g, f32 reference %.3g, bound %.3g",
                 l->array.name, row, c, value, truth, error, plain, bound);
  if (error > e->result->max_err) e->result->max_err = error;
  if (!(used <= e->result->max_used)) e->result->max_used = used;
}

/* Unwritten is what stands there as it was sent, both times: what was sent differs. */
static bool is_unwritten(const layout *l, size_t at) {
  return l->array.role == HARNESS_OUTPUT && same_element(l, l->sent[0], l->got[0], at) &&
         same_element(l, l->sent[1], l->got[1], at) && !same_element(l, l->sent[0], l->sent[1], at);
}

/* `bounds` has room for a row. */
static void judge_output(experiment *e, int i, double *bounds) {
  const layout *l = &e->layouts[i], *memory = &e->layouts[l->memory];
  const size_t n = l->array.columns;
  const uint32_t dtype = l->array.dtype;
  for (size_t row = 0; row < l->array.rows; row++) {
    const double *truth = e->data.truth[i] + row * n;
    const double plain = plain_error(e->data.plain[i] + row * n, truth, n);
    e->c->bound(e->c, e->shape, &e->plan, &e->data, i, row, bounds);
    for (size_t c = 0; c < n; c++) {
      const size_t at = layout_index(l, row, c);
      if (l->memory == i && is_unwritten(l, at)) {
        harness_fire(e, HARNESS_UNWRITTEN, "%s[%zu][%zu]", l->array.name, row, c);
        continue;
      }
      const double first = harness_get(dtype, memory->got[0], at);
      judge_value(e, l, row, c, first, truth[c], plain, bounds[c]);
      if (!same_element(l, memory->got[0], memory->got[1], at))
        harness_fire(e, HARNESS_REPEAT, "%s[%zu][%zu] is %.17g, then %.17g", l->array.name, row, c, first,
                     harness_get(dtype, memory->got[1], at));
    }
  }
}

void harness_judge(experiment *e) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const layout *l = &e->layouts[i];
    if (l->array.role == HARNESS_UNBOUND || l->memory != i) continue;
    for (int run = 0; run < RUNS; run++) check_memory(e, i, run);
  }
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const layout *l = &e->layouts[i];
    if (!is_output(&l->array)) continue;
    double *bounds = malloc((l->array.columns + 1) * sizeof *bounds);
    if (bounds)
      judge_output(e, i, bounds);
    else
      harness_fire(e, HARNESS_STATUS, "out of memory");
    free(bounds);
  }
}
