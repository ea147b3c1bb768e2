/* What the harness checks once a case has run twice. Every comparison is written so that NaN fails it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness_internal.h"

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

/* Compares [from, to) of a buffer before and after. */
static void unchanged(experiment *e, const layout *l, int run, size_t from, size_t to,
                      harness_check_kind kind) {
  const size_t size = l->element_bytes;
  const unsigned char *sent = l->sent[run], *got = l->got[run];
  if (from >= to || memcmp(sent + from * size, got + from * size, (to - from) * size) == 0) return;
  size_t i = from;
  while (memcmp(sent + i * size, got + i * size, size) == 0) i++;
  const long long at = (long long)i - (long long)l->first;
  harness_fire(e, kind, "%s: element %lld from its first one was changed (%zu rows of %zu, pitch %zu)",
               l->array.name, at, l->array.rows, l->array.columns, l->pitch);
}

/* Guards, padding, and inputs that no output shares. */
static void check_memory(experiment *e, int i, int run) {
  const layout *l = &e->layouts[i];
  const harness_array *a = &l->array;
  const size_t end = l->total, rows = a->rows;
  const size_t last = rows ? l->first + (rows - 1) * l->pitch + a->columns : l->first;
  bool shared = false;
  for (int j = 0; j < HARNESS_ARRAYS; j++) shared |= j != i && e->layouts[j].memory == i;
  if (a->role == HARNESS_INPUT && !shared) {
    unchanged(e, l, run, 0, end, HARNESS_INPUT_CHANGED);
    return;
  }
  unchanged(e, l, run, 0, l->first, HARNESS_GUARD);
  unchanged(e, l, run, last, end, HARNESS_GUARD);
  for (size_t row = 0; row + 1 < rows; row++)
    unchanged(e, l, run, l->first + row * l->pitch + a->columns, l->first + (row + 1) * l->pitch,
              HARNESS_PADDING);
}

/* ---- values ---- */

static const char *class_name(double x) {
  return isnan(x) ? "NaN" : isinf(x) ? (x > 0 ? "+inf" : "-inf") : "finite";
}

static float output_at(const layout *l, unsigned char *buffer, size_t row, size_t column) {
  float value;
  memcpy(&value, layout_at(l, buffer, row, column), sizeof value);
  return value;
}

static bool is_poison(float value, int run) {
  const uint32_t poison = harness_poison(run);
  return memcmp(&value, &poison, sizeof value) == 0;
}

static double plain_error(const float *plain, const double *truth, size_t n) {
  double most = 0;
  for (size_t c = 0; c < n; c++) {
    const double error = fabs((double)plain[c] - truth[c]);
    if (error > most && isfinite(error)) most = error;
  }
  return most;
}

static void judge_value(experiment *e, const layout *l, size_t row, size_t c, float value, double truth,
                        double plain, double bound) {
  const char *expected = class_name((double)(float)truth), *actual = class_name((double)value);
  if (actual != expected && strcmp(actual, expected) != 0) {
    harness_fire(e, HARNESS_CLASS, "%s[%zu][%zu] is %s (%.9g), in f64 %.9g", l->array.name, row, c, actual,
                 (double)value, truth);
    return;
  }
  if (!isfinite(value)) return;
  const double error = fabs((double)value - truth), allowed = plain + bound;
  if (!(error <= allowed))
    harness_fire(e, HARNESS_BOUND,
                 "%s[%zu][%zu] is %.9g, in f64 %.9g: error %.3g, f32 reference %.3g, bound %.3g",
                 l->array.name, row, c, (double)value, truth, error, plain, bound);
  if (error > e->result->max_err) e->result->max_err = error;
  if (error > 0 && !(error / allowed <= e->result->max_used)) e->result->max_used = error / allowed;
}

/* `bounds` has room for a row. */
static void judge_output(experiment *e, int i, double *bounds) {
  const layout *l = &e->layouts[i], *memory = &e->layouts[l->memory];
  const size_t n = l->array.columns;
  for (size_t row = 0; row < l->array.rows; row++) {
    const double *truth = e->data.truth[i] + row * n;
    const double plain = plain_error(e->data.plain[i] + row * n, truth, n);
    e->c->bound(e->c, e->shape, &e->plan, &e->data, i, row, bounds);
    for (size_t c = 0; c < n; c++) {
      const float first = output_at(l, memory->got[0], row, c), second = output_at(l, memory->got[1], row, c);
      if (l->memory == i && (is_poison(first, 0) || is_poison(second, 1))) {
        harness_fire(e, HARNESS_UNWRITTEN, "%s[%zu][%zu]", l->array.name, row, c);
        continue;
      }
      judge_value(e, l, row, c, first, truth[c], plain, bounds[c]);
      if (memcmp(&first, &second, sizeof first) != 0)
        harness_fire(e, HARNESS_REPEAT, "%s[%zu][%zu] is %.9g, then %.9g", l->array.name, row, c,
                     (double)first, (double)second);
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
    if (l->array.role != HARNESS_OUTPUT) continue;
    double *bounds = malloc((l->array.columns + 1) * sizeof *bounds);
    if (bounds)
      judge_output(e, i, bounds);
    else
      harness_fire(e, HARNESS_STATUS, "out of memory");
    free(bounds);
  }
}
