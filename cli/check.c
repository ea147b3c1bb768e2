/* `clloss check`: whether a device computes what the scalar reference does. The command line, the order of things, and the
 * exit status; check.h says who does the work. */
#include "check.h"

#include "cli.h"
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: clloss check [--device N] [--full] [--json] [--seed N] [--only LOSS[:TYPE[:POINT]]]\n"
    "\n"
    "Whether a device can be trusted: runs every loss on it and compares each result with the scalar C\n"
    "reference, in at most a minute. A driver's compiler may get a kernel wrong; better to find out here\n"
    "than from a model that doesn't learn. Run it first on a device, and again after a driver's update.\n"
    "\n"
    "For each loss and element type a process of its own runs the kernels that the device's plan gives to\n"
    "few classes, many, a class axis in the middle, and few long rows; all passes with f32, else the fused\n"
    "one; in place and apart, with weights and options, from aligned starts and others. Results are held to "
    "error bounds that are derived\n"
    "(docs/accuracy.md); NaN, inf, guards around the arrays, inputs and repeats are looked at as well. A\n"
    "driver that crashes ends a line of the table, not the command.\n"
    "\n"
    "  --device N   the device's number in `clloss devices`; default 0\n"
    "  --full       as long as it takes: every kernel family by override too, more shapes, more types\n"
    "  --json       one JSON object on stdout, and nothing else\n"
    "  --seed N     of the random numbers; each run draws another unless told\n"
    "  --only LOSS[:TYPE[:POINT]]\n"
    "               xent, softmax, pointwise, distill, information or cast; of one type (f32, bf16, f16,\n"
    "               f64); and one point of it, as the command behind a failure has it\n"
    "\n"
    "How to read it: `points` are shapes with their options, each with all its passes. `of allowed` is the\n"
    "largest error as a share of its bound: 100% is as wrong as rounding may be. What was left out, for "
    "want\n"
    "of time, memory or f64, is listed, and isn't passed.\n"
    "\n"
    "Exit status: 0; 1 if anything is wrong, or nothing could be checked; 2 for bad usage.\n";

/* A whole number and nothing behind it. */
static bool read_number(const char *text, uint64_t *to) {
  char *end;
  if (*text < '0' || *text > '9') return false;
  errno = 0;
  *to = strtoull(text, &end, 10);
  return !*end && !errno;
}

/* Which of n names the text up to a colon is; n where it is none. Moves the text behind the colon, or to NULL. */
static int take_name(const char **text, const char *(*name)(int), int n) {
  const size_t length = strcspn(*text, ":");
  int i = 0;
  while (i < n && (strlen(name(i)) != length || strncmp(name(i), *text, length) != 0)) i++;
  *text = (*text)[length] ? *text + length + 1 : NULL;
  return i;
}

static const char *type_name(int i) { return case_type_name(suite_types[i]); }

static bool read_only(check_request *r, const char *text) {
  uint64_t point = SIZE_MAX;
  r->only_loss = take_name(&text, suite_loss_name, SUITE_LOSSES);
  if (r->only_loss == SUITE_LOSSES) return false;
  if (!text) return true;
  r->only_type = take_name(&text, type_name, SUITE_TYPES);
  if (r->only_type == SUITE_TYPES || (text && !read_number(text, &point))) return false;
  r->only = (size_t)point;
  return true;
}

/* An option that takes a value. */
static int read_value(check_request *r, const char *option, const char *value) {
  uint64_t number;
  if (!value || !*value) return fail(EXIT_USAGE, "%s: needs a value", option);
  if (!strcmp(option, "--only")) {
    if (read_only(r, value)) return EXIT_OK;
    return fail(EXIT_USAGE, "--only %s: LOSS, LOSS:TYPE or LOSS:TYPE:POINT; clloss check --help lists them",
                value);
  }
  if (!read_number(value, &number))
    return fail(EXIT_USAGE, "%s %s: not a whole number from 0", option, value);
  if (!strcmp(option, "--seed"))
    r->seed = number;
  else
    r->device = (size_t)number;
  return EXIT_OK;
}

static int parse(check_request *r, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *option = argv[i];
    int code = EXIT_OK;
    if (!strcmp(option, "--full"))
      r->full = true;
    else if (!strcmp(option, "--json"))
      r->json = true;
    else if (!strcmp(option, "--device") || !strcmp(option, "--seed") || !strcmp(option, "--only"))
      code = read_value(r, option, argv[++i]);
    else
      code = fail(EXIT_USAGE, "%s: no such option; clloss check --help lists them", option);
    if (code) return code;
  }
  return EXIT_OK;
}

suite check_suite(const check *c, const check_group *g) {
  return (suite){.loss = g->loss,
                 .dtype = suite_types[g->type],
                 .full = c->request.full,
                 .seed = c->request.seed,
                 .local_most = c->facts.local_most};
}

bool check_same_name(const check_name *a, const check_name *b) {
  return !strcmp(a->loss, b->loss) && !strcmp(a->family, b->family);
}

typedef struct counter {
  size_t n, only;
} counter;

static void count(void *user, const suite_point *point) {
  counter *k = user;
  k->n += k->only == SIZE_MAX || k->only == point->number;
}

/* Every loss in the first type, then every type of one loss after the other: what a minute doesn't reach is a loss in a type
 * whose loads and stores another loss has shown to be right. */
static void place(int i, check_group *g) {
  const int rest = i - SUITE_LOSSES;
  g->loss = rest < 0 ? i : rest / (SUITE_TYPES - 1);
  g->type = rest < 0 ? 0 : 1 + rest % (SUITE_TYPES - 1);
}

static void make_groups(check *c) {
  const check_request *r = &c->request;
  for (int i = 0; i < CHECK_GROUPS; i++) {
    check_group *g = &c->groups[i];
    *g = (check_group){.state = CHECK_ENDED};
    place(i, g);
    if ((r->only_loss != SUITE_LOSSES && r->only_loss != g->loss) ||
        (r->only_type != SUITE_TYPES && r->only_type != g->type) ||
        (suite_types[g->type] == CLLOSS_F64 && !c->facts.f64))
      continue;
    const suite s = check_suite(c, g);
    counter k = {.only = r->only};
    suite_points(&s, count, &k);
    g->planned = k.n;
    g->state = CHECK_WAITS;
  }
}

int check_main(int argc, char **argv) {
  static check c;
  int status = EXIT_OK;
  if (wants_help(argc, argv)) {
    fputs(usage, stdout);
    return finish_output();
  }
  c.start = clock_ms() / 1e3;
  c.request = (check_request){
      .seed = harness_fresh_seed(), .only_loss = SUITE_LOSSES, .only_type = SUITE_TYPES, .only = SIZE_MAX};
  if (parse(&c.request, argc, argv)) return EXIT_USAGE;
  if (!check_ask_facts(&c, &status)) return status;
  make_groups(&c);
  if (!check_run(&c)) return fail(EXIT_FAILED, "out of memory");
  check_say_failures(&c);
  check_print(&c);
  status = check_is_wrong(&c) || !check_points(&c) ? EXIT_FAILED : EXIT_OK;
  free(c.lines);
  return finish_output() ? EXIT_FAILED : status;
}
