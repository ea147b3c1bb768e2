/* The reader of golden data, and the comparison. */
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int kind;
} keys[] = {
#define GOLDEN_ENTRY(name, kind) {#name, kind},
    GOLDEN_KEYS(GOLDEN_ENTRY)
#undef GOLDEN_ENTRY
};

bool golden_is_output(int key) { return keys[key].kind != GOLDEN_INPUT; }

const char *golden_name(int key) { return keys[key].name; }

double golden_scalar(const golden_case *c, int key) { return c->of[key].n ? c->of[key].at[0] : 0; }

void golden_free(golden_case *c) {
  for (int key = 0; key < GOLDEN_KEY_COUNT; key++) free(c->of[key].at);
  *c = (golden_case){.name = ""};
}

static int broken(golden_case *c, const char *what) {
  fprintf(stderr, "golden data, case %s: %s\n", c->name, what);
  golden_free(c);
  return -1;
}

/* `COUNT VALUE …` */
static bool read_values(FILE *file, golden_values *v) {
  enum { MOST = 1 << 20 };
  if (fscanf(file, "%zu", &v->n) != 1 || v->n > MOST) return false;
  v->at = malloc((v->n + 1) * sizeof *v->at);
  for (size_t i = 0; v->at && i < v->n; i++)
    if (fscanf(file, "%lf", &v->at[i]) != 1) return false;
  return v->at != NULL;
}

int golden_next(FILE *file, golden_case *c) {
  char word[64];
  *c = (golden_case){.name = "?"};
  while (fscanf(file, "%63s", word) == 1 && word[0] == '#')
    while (!feof(file) && fgetc(file) != '\n') continue;
  if (feof(file)) return 0;
  if (strcmp(word, "case") != 0 || fscanf(file, "%63s", c->name) != 1) return broken(c, "no case");
  while (fscanf(file, "%63s", word) == 1) {
    if (strcmp(word, "end") == 0) return c->of[GOLDEN_shape].n == 3 ? 1 : broken(c, "no shape");
    int key = 0;
    while (key < GOLDEN_KEY_COUNT && strcmp(word, keys[key].name) != 0) key++;
    if (key == GOLDEN_KEY_COUNT || c->of[key].at) return broken(c, word);
    if (!read_values(file, &c->of[key])) return broken(c, word);
  }
  return broken(c, "no end");
}

bool golden_room(const golden_case *c, golden_case *got, double poison) {
  *got = (golden_case){.name = ""};
  memcpy(got->name, c->name, sizeof got->name);
  for (int key = 0; key < GOLDEN_KEY_COUNT; key++) {
    if (!golden_is_output(key) || !c->of[key].at) continue;
    got->of[key].n = c->of[key].n;
    got->of[key].at = malloc((c->of[key].n + 1) * sizeof(double));
    if (!got->of[key].at) return false;
    for (size_t i = 0; i < c->of[key].n; i++) got->of[key].at[i] = poison;
  }
  return true;
}

static double largest(const golden_values *v) {
  double most = 0;
  for (size_t i = 0; i < v->n; i++)
    if (isfinite(v->at[i]) && fabs(v->at[i]) > most) most = fabs(v->at[i]);
  return most;
}

/* Equal infinities and two NaN are near; NaN is near nothing else. */
static bool near(double got, double want, double bound) {
  return got == want || fabs(got - want) <= bound || (isnan(got) && isnan(want));
}

size_t golden_compare(const golden_case *want, const golden_case *got, int key, const golden_bound *bound,
                      const char *where) {
  const golden_values *w = &want->of[key], *g = &got->of[key];
  const int kind = keys[key].kind;
  double relative = kind == GOLDEN_GRAD ? bound->grad_relative : bound->relative;
  double absolute = kind == GOLDEN_GRAD  ? bound->grad_absolute * largest(w)
                    : kind == GOLDEN_SUM ? bound->absolute * want->of[GOLDEN_shape].at[0]
                                         : bound->absolute;
  if (kind == GOLDEN_EXACT) relative = absolute = 0;
  size_t failed = 0;
  for (size_t i = 0; i < w->n; i++) {
    if (near(g->at[i], w->at[i], relative * fabs(w->at[i]) + absolute)) continue;
    if (!failed++)
      fprintf(stderr, "FAILED %s, %s: %s[%zu] is %.17g, not %.17g\n", where, want->name, keys[key].name, i,
              g->at[i], w->at[i]);
  }
  return failed;
}
