/* What `clloss check` prints: a line for each loss and family, what was left out, and the sentence. */
#include "check.h"

#include "json_text.h"

#include <clloss/clloss.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE = 4000 };

static const char *const pass_names[CHECK_PASSES] = {"forward", "backward", "fused"};

size_t check_points(const check *c) {
  size_t n = 0;
  for (size_t i = 0; i < c->n_lines; i++) n += c->lines[i].points;
  return n;
}

static size_t failed_points(const check *c) {
  size_t n = 0;
  for (size_t i = 0; i < c->n_lines; i++) n += c->lines[i].failed;
  return n;
}

bool check_is_wrong(const check *c) { return failed_points(c) != 0; }

static const char *type_of(const check *c, const check_line *l) {
  return case_type_name(suite_types[c->groups[l->group].type]);
}

/* Adds a word to a list of words, once. */
static void say_once(char *list, size_t size, const char *word) {
  const size_t n = strlen(word);
  for (const char *at = list; *at; at += strcspn(at, " "), at += *at == ' ')
    if (strcspn(at, " ") == n && !strncmp(at, word, n)) return;
  case_say(list, size, "%s%s", *list ? " " : "", word);
}

static void say_passes(char *text, size_t size, unsigned passes) {
  for (int i = 0; i < CHECK_PASSES; i++)
    if (passes >> i & 1) say_once(text, size, pass_names[i]);
}

/* The command that repeats a point, or with SIZE_MAX a group. */
static void say_again(const check *c, const check_line *l, char *text, size_t size) {
  const check_group *g = &c->groups[l->group];
  snprintf(text, size, "clloss check --device %zu --seed %llu%s --only %s:%s:%zu", c->request.device,
           (unsigned long long)c->request.seed, c->request.full ? " --full" : "", suite_loss_name(g->loss),
           case_type_name(suite_types[g->type]), l->number);
}

void check_say_failures(const check *c) {
  for (size_t i = 0; i < c->n_lines; i++) {
    const check_line *l = &c->lines[i];
    char again[200];
    if (!l->failed) continue;
    say_again(c, l, again, sizeof again);
    fprintf(stderr, "FAILED %zu of %zu points of %s, %s, %s; the first: %s\n  again: %s\n", l->failed,
            l->points, l->name.loss, l->name.family, type_of(c, l), l->first, again);
  }
}

/* ---- what was left out ---- */

typedef void say_left(void *user, const char *words);

/* Why points weren't run, and how many of a group weren't for this reason. */
enum reason { NO_MEMORY, CRASHED, GIVEN_UP, LATE, REASONS };

static size_t left_of(const check_group *g, enum reason why) {
  const size_t rest = g->planned - g->done - g->skipped - g->dropped;
  switch (why) {
  case NO_MEMORY: return g->skipped;
  case CRASHED: return g->dropped;
  case GIVEN_UP: return g->state == CHECK_GIVEN_UP ? rest : 0;
  default: return g->state == CHECK_LATE ? rest : 0;
  }
}

static size_t left_by(const check *c, enum reason why) {
  size_t n = 0;
  for (int i = 0; i < CHECK_GROUPS; i++) n += left_of(&c->groups[i], why);
  return n;
}

/* A line for all groups that share a reason: "72 points, for want of memory: xent f32 (72)". */
static void visit_left_out(const check *c, say_left *say, void *user) {
  static const char *const why[REASONS] = {
      "for want of memory", "as their kernels had crashed", "given up after what failed before them",
      "as the minute was over (a driver that keeps what it compiled gets further the next time)"};
  if (c->request.only_loss != SUITE_LOSSES) say(user, "all that --only doesn't name");
  if (!c->facts.f64) say(user, "f64, which the device doesn't have");
  for (int r = 0; r < REASONS; r++) {
    char list[1000] = "", words[1200];
    for (int i = 0; i < CHECK_GROUPS; i++) {
      const check_group *g = &c->groups[i];
      if (left_of(g, (enum reason)r))
        case_say(list, sizeof list, "%s%s %s (%zu)", *list ? ", " : "", suite_loss_name(g->loss),
                 case_type_name(suite_types[g->type]), left_of(g, (enum reason)r));
    }
    snprintf(words, sizeof words, "%zu points, %s: %s", left_by(c, (enum reason)r), why[r], list);
    if (*list) say(user, words);
  }
}

/* ---- the sentence ---- */

/* Of one loss: which passes are wrong, where, and in which types and families. */
static void say_wrong(const check *c, const char *loss, char *text, size_t size) {
  unsigned wrong = 0;
  size_t failed = 0, in_place = 0, updates = 0;
  char passes[64] = "", families[200] = "", names[64] = "";
  for (size_t i = 0; i < c->n_lines; i++) {
    const check_line *l = &c->lines[i];
    if (!l->failed || strcmp(l->name.loss, loss)) continue;
    wrong |= l->wrong;
    failed += l->failed, in_place += l->failed_in_place, updates += l->failed_updates;
    if (*l->name.family) say_once(families, sizeof families, l->name.family);
    say_once(names, sizeof names, type_of(c, l));
  }
  say_passes(passes, sizeof passes, wrong);
  case_say(text, size, "%s %s%s (%s%s%s)", loss, passes,
           failed == in_place  ? " in place"
           : failed == updates ? " with grad_beta"
                               : "",
           names, *families ? "; " : "", families);
}

static bool is_first_of_loss(const check *c, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (c->lines[k].failed && !strcmp(c->lines[k].name.loss, c->lines[i].name.loss)) return false;
  return true;
}

static void say_sentence(const check *c, char *text, size_t size) {
  const size_t points = check_points(c), failed = failed_points(c);
  const bool all = !left_by(c, LATE) && !left_by(c, NO_MEMORY) && c->request.only_loss == SUITE_LOSSES;
  const char *between = "";
  *text = 0;
  if (!points) {
    case_say(text, size, "Nothing was checked, so nothing is known of this device.");
  } else if (!failed) {
    case_say(text, size, "This device can be trusted%s: of %zu points none is wrong.",
             all ? "" : " with what was reached", points);
  } else {
    case_say(text, size, "This device can't be trusted: it gets wrong ");
    for (size_t i = 0; i < c->n_lines; i++) {
      if (!c->lines[i].failed || !is_first_of_loss(c, i)) continue;
      case_say(text, size, "%s", between);
      say_wrong(c, c->lines[i].name.loss, text, size);
      between = ", ";
    }
    case_say(text, size, ": %zu of %zu points.", failed, points);
  }
}

/* ---- as a table ---- */

/* All lines of a loss and a family, whatever their types, as one. */
static check_line sum_of(const check *c, const check_line *first, char types[64]) {
  check_line sum = *first;
  sum.points = sum.failed = 0, sum.seconds = 0, sum.passes = 0;
  for (size_t i = 0; i < c->n_lines; i++) {
    const check_line *l = &c->lines[i];
    if (strcmp(l->name.loss, first->name.loss) || strcmp(l->name.family, first->name.family)) continue;
    sum.points += l->points, sum.failed += l->failed, sum.seconds += l->seconds, sum.passes |= l->passes;
    if (l->max_used > sum.max_used) sum.max_used = l->max_used;
    if (*l->end) memcpy(sum.end, l->end, sizeof sum.end);
    say_once(types, 64, type_of(c, l));
  }
  return sum;
}

static bool was_summed(const check *c, size_t i) {
  for (size_t k = 0; k < i; k++)
    if (!strcmp(c->lines[k].name.loss, c->lines[i].name.loss) &&
        !strcmp(c->lines[k].name.family, c->lines[i].name.family))
      return true;
  return false;
}

static void print_left(void *user, const char *words) {
  (void)user;
  printf("left out: %s\n", words);
}

static void print_table(const check *c) {
  char sentence[SENTENCE];
  printf("%s, %s, driver %s; seed %llu\n\n", c->facts.device, c->facts.platform, c->facts.driver,
         (unsigned long long)c->request.seed);
  printf("%-12s  %-11s  %-16s  %-22s  %6s  %10s  %s\n", "loss", "family", "types", "passes", "points",
         "of allowed", "verdict");
  for (size_t i = 0; i < c->n_lines; i++) {
    char types[64] = "", passes[64] = "", verdict[100] = "right";
    if (was_summed(c, i)) continue;
    const check_line l = sum_of(c, &c->lines[i], types);
    say_passes(passes, sizeof passes, l.passes);
    if (l.failed) snprintf(verdict, sizeof verdict, "WRONG: %zu%s%s", l.failed, *l.end ? ", " : "", l.end);
    printf("%-12s  %-11s  %-16s  %-22s  %6zu  %9.0f%%  %s\n", l.name.loss, l.name.family, types, passes,
           l.points, 100 * l.max_used, verdict);
  }
  putchar('\n');
  visit_left_out(c, print_left, NULL);
  say_sentence(c, sentence, sizeof sentence);
  printf("%s\n", sentence);
}

/* ---- as JSON ---- */

static void json_text(const char *key, const char *value) {
  printf(", \"%s\": ", key);
  json_string(stdout, value);
}

static void json_line(const check *c, const check_line *l) {
  char passes[64] = "", wrong[64] = "", again[200];
  say_passes(passes, sizeof passes, l->passes);
  say_passes(wrong, sizeof wrong, l->wrong);
  printf("{\"loss\": ");
  json_string(stdout, l->name.loss);
  json_text("passes", passes);
  json_text("family", l->name.family);
  json_text("dtype", type_of(c, l));
  printf(", \"points\": %zu, \"failed\": %zu, \"max_used\": ", l->points, l->failed);
  if (isfinite(l->max_used))
    printf("%.4g", l->max_used);
  else
    printf("null");
  printf(", \"seconds\": %.3f", l->seconds);
  if (l->failed) {
    say_again(c, l, again, sizeof again);
    json_text("wrong", wrong);
    json_text("first", l->first);
    json_text("again", again);
  }
  putchar('}');
}

static void json_left(void *user, const char *words) {
  bool *any = user;
  if (*any) printf(", ");
  *any = true;
  json_string(stdout, words);
}

static void print_json(const check *c) {
  char sentence[SENTENCE];
  const unsigned v = clloss_version();
  bool any = false;
  printf("{\"device\": ");
  json_string(stdout, c->facts.device);
  json_text("platform", c->facts.platform);
  json_text("driver", c->facts.driver);
  printf(", \"version\": \"%u.%u.%u\", \"seed\": %llu, \"full\": %s, \"lines\": [", v / 10000, v / 100 % 100,
         v % 100, (unsigned long long)c->request.seed, c->request.full ? "true" : "false");
  for (size_t i = 0; i < c->n_lines; i++) {
    if (i) printf(", ");
    json_line(c, &c->lines[i]);
  }
  printf("], \"left_out\": [");
  visit_left_out(c, json_left, &any);
  say_sentence(c, sentence, sizeof sentence);
  printf("], \"points\": %zu, \"failed\": %zu, \"seconds\": %.1f", check_points(c), failed_points(c),
         c->seconds);
  json_text("verdict", sentence);
  printf("}\n");
}

/* Groups end in whatever order: lines are put into that of the losses, as they came within one. */
static int by_rank(const void *a, const void *b) {
  const check_line *x = a, *y = b;
  return x->rank != y->rank ? x->rank - y->rank : x->group - y->group;
}

static void sort_lines(check *c) {
  for (size_t i = 0; i < c->n_lines; i++) {
    check_line *l = &c->lines[i];
    size_t first = 0;
    while (strcmp(c->lines[first].name.loss, l->name.loss)) first++;
    l->rank = c->groups[l->group].loss * 1000 + (int)first;
  }
  if (c->n_lines) qsort(c->lines, c->n_lines, sizeof *c->lines, by_rank);
}

void check_print(check *c) {
  sort_lines(c);
  if (c->request.json)
    print_json(c);
  else
    print_table(c);
}
