/* Random calls of every loss, compared with the scalar reference through the harness; and clloss_xent_host, compared bit
 * for bit with one call on the whole. It looks for what nobody thought of: structures, sizes, layouts, types, options,
 * plans and tuning texts are drawn independently, but weighted so that each way of a kernel, and sizes at which sums are
 * long, come up within some hundred calls.
 *
 *   test_fuzz [--calls N] [--seed N] [--only K] [--all-types] [--moderate] [--tidy] [--device N]
 *
 * --calls     how many (400)            --only K  makes call K alone
 * --all-types draws from all combinations of element types and local sizes, each of which is a program to compile;
 *             else from those that other tests compile too, which their cache then holds
 * --moderate  leaves out factors of extreme magnitude (fuzz_xent_factors)
 * --tidy      views that aren't bound are zero throughout; else every other call has numbers in them
 *
 * A failure prints seed, call, and the command that repeats it. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Call number MANY_CLASSES is one of more classes than f32 can count, which takes 200 MB. */
enum { CALLS = 400, MANY_CLASSES = 99 };

/* What is called, and how often. */
static const struct {
  fuzz_draw *draw;
  size_t share;
  const char *name;
  bool extreme; /* --moderate leaves it out */
} kinds[] = {
    {fuzz_xent, 40, "xent", false},
    {fuzz_xent_factors, 10, "xent with extreme factors", true},
    {fuzz_xent_host, 20, "xent_host", false},
    {fuzz_pointwise, 11, "pointwise", false},
    {fuzz_pointwise_factors, 3, "pointwise with extreme factors", true},
    {fuzz_softmax, 6, "softmax", false},
    {fuzz_distill, 8, "distill", false},
    {fuzz_information, 4, "information", false},
    {fuzz_spoilt, 20, "spoilt calls", false},
};

static size_t draw_kind(uint64_t *state) {
  size_t all = 0, i = 0;
  for (size_t k = 0; k < COUNT(kinds); k++) all += kinds[k].share;
  for (size_t at = harness_pick(state, all); at >= kinds[i].share; i++) at -= kinds[i].share;
  return i;
}

static void run(fuzz *f) {
  size_t calls[COUNT(kinds)] = {0}, failed[COUNT(kinds)] = {0};
  for (size_t call = 0; call < f->calls; call++) {
    uint64_t state;
    if (!harness_next(&f->h, &state)) continue;
    const size_t kind = draw_kind(&state), before = f->h.failed;
    if (call == MANY_CLASSES) {
      fuzz_many_classes(f, &state);
      continue;
    }
    if (f->moderate && kinds[kind].extreme) continue;
    kinds[kind].draw(f, &state);
    calls[kind]++;
    failed[kind] += f->h.failed != before;
  }
  for (size_t i = 0; i < COUNT(kinds); i++)
    printf("%s: %zu calls, %zu failed\n", kinds[i].name, calls[i], failed[i]);
  printf("of the spoilt ones %zu were accepted and compared, %zu refused\n", f->accepted, f->refused);
}

/* ---- the program ---- */

/* Takes its own arguments out of the list that the harness reads. */
static int take_arguments(fuzz *f, int argc, char **argv) {
  int kept = 0;
  for (int i = 0; i < argc; i++) {
    char *end = NULL;
    if (strcmp(argv[i], "--all-types") == 0) {
      f->all_types = true;
    } else if (strcmp(argv[i], "--moderate") == 0) {
      f->moderate = true;
    } else if (strcmp(argv[i], "--tidy") == 0) {
      f->tidy = true;
    } else if (strcmp(argv[i], "--calls") == 0 && i + 1 < argc) {
      f->calls = strtoull(argv[++i], &end, 10);
      if (!*argv[i] || *end) return 0;
    } else {
      argv[kept++] = argv[i];
    }
  }
  argv[kept] = NULL;
  return kept;
}

int main(int argc, char **argv) {
  fuzz f = {.calls = CALLS};
  char program[1000];
  argc = take_arguments(&f, argc, argv);
  if (argc == 0 || !harness_open(&f.h, argc, argv)) {
    fprintf(stderr, "beside these: [--calls N] [--all-types] [--moderate] [--tidy]\n");
    return 2;
  }
  /* --only beyond the usual number of calls needs no --calls */
  if (f.h.only != SIZE_MAX && f.calls <= f.h.only) f.calls = f.h.only + 1;
  snprintf(program, sizeof program, "%s%s%s", argv[0], f.all_types ? " --all-types" : "",
           f.tidy ? " --tidy" : "");
  f.h.program = program;
  run(&f);
  fuzz_close(&f);
  return harness_close(&f.h);
}
