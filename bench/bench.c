/* `clloss bench`: from the options to the last line. Per V: data, ring and yardsticks are made and the yardsticks
 * checked; then each case is checked and, if that came out clean, timed and shown. */
#include "bench.h"

#include "loops.h"
#include "measure.h"
#include "options.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>

/* Cap on what the ring may take, so that a large cache doesn't eat a small machine. */
#define RING_BUDGET ((size_t)1280 << 20)

struct run {
  struct options options;
  struct machine machine;
  struct result *results;
  size_t count, failed;
  int warm; /* some shape's rotation stays within the cache */
};

static uint64_t steps;
static void tick(void) { progress_at(++steps); }

static int selected(const struct options *o, const struct bench_case *c) {
  return !o->filter || strstr(c->id, o->filter) != NULL;
}

static size_t rows_for(const struct options *o, size_t classes) {
  size_t rows = o->rows ? o->rows : o->size_bytes / (4 * classes);
  return rows > 0 ? rows : 1;
}

static void show(struct run *run, const struct result *r) {
  progress_hide();
  if (run->options.json)
    json_result(stdout, &run->machine.facts, r);
  else
    table_result(stdout, r);
  run->failed += r->failed[0] != 0;
}

/* Checks, times and shows one case. `broken`: why no case of this shape can run, or empty. */
static void run_case(struct run *run, const struct measurement *how, const struct bench_case *c, size_t rows,
                     size_t classes, const char *broken) {
  struct result *r = &run->results[run->count++];
  char label[64];
  *r = (struct result){
      .name = c->name, .inplace = c->inplace, .rows = rows, .classes = classes, .dtype = case_dtype(c)};
  r->ms = r->scale_ms = r->copy_ms = r->read_ms = r->ref_ms = summarize(NULL, 0);
  r->over_scale = r->of_limit = r->speedup = r->over_plain = r->ms;
  r->aim = case_aim(c, classes);
  r->max_err = r->ms.median;
  snprintf(label, sizeof label, "%s, V = %zu", c->id + strlen("xent_"), classes);
  progress_label(label);
  progress_at(steps);
  if (*broken)
    snprintf(r->failed, sizeof r->failed, "%s", broken);
  else if (case_plan(c, how->problem, r->plan, sizeof r->plan, r->failed, sizeof r->failed) == 0 &&
           case_check(c, how->problem, &run->machine, &r->max_err, r->failed, sizeof r->failed) == 0)
    measure(how, c, r);
  /* Build logs have lines; the table gives a case one. */
  for (char *at = r->failed; *at; at++)
    if ((unsigned char)*at < ' ') *at = ' ';
  show(run, r);
}

/* The second ring, of logits in the case's own type of two bytes. */
static void halve(const struct run *run, struct problem *p, struct ring *half, const struct bench_case *c,
                  char *why, size_t why_size) {
  clloss_status rc = problem_halve(p, c->dtype);
  if (rc == CLLOSS_SUCCESS)
    rc = half->count ? ring_refill(half, &run->machine, p->half)
                     : ring_open(half, &run->machine, p->half, 2 * p->rows * p->classes, RING_BUDGET / 2);
  if (rc != CLLOSS_SUCCESS)
    snprintf(why, why_size, "can't make logits in %s: %s", case_dtype(c), clloss_status_name(rc));
}

static void run_shape(struct run *run, size_t classes) {
  const struct options *o = &run->options;
  struct problem problem = {0};
  struct yardsticks yardsticks = {0};
  struct ring ring = {0}, half = {0};
  char why[2000] = "";
  int probabilities = 0;
  size_t rows = rows_for(o, classes), n = rows * classes;
  struct measurement how = {&run->machine, &yardsticks, &problem, &ring, &half, o->reps, o->ref_bytes, tick};
  for (int i = 0; i < BENCH_CASES; i++)
    probabilities |= selected(o, &bench_cases[i]) && bench_cases[i].kind == CASE_PROBABILITIES;
  if (problem_open(&problem, &run->machine, o->family, rows, classes, probabilities, why, sizeof why) == 0 &&
      yardsticks_open(&yardsticks, &run->machine, (enum yard_form)o->yardstick, n, why, sizeof why) == 0) {
    cl_int rc = ring_open(&ring, &run->machine, problem.logits, 4 * n, RING_BUDGET);
    if (rc != CL_SUCCESS)
      snprintf(why, sizeof why, "can't allocate %zu MB of buffers: %s", 12 * n >> 20, clloss_status_name(rc));
    else
      yardsticks_check(&yardsticks, &run->machine, &ring, n, why, sizeof why);
    if (rc == CL_SUCCESS && ring_is_warm(&ring, &run->machine)) run->warm = 1;
  }
  for (int i = 0; i < BENCH_CASES; i++) {
    const struct bench_case *c = &bench_cases[i];
    if (!selected(o, c)) continue;
    if (!*why && case_logit_bytes(c) == 2) halve(run, &problem, &half, c, why, sizeof why);
    run_case(run, &how, c, rows, classes, why);
  }
  ring_close(&half);
  ring_close(&ring);
  yardsticks_close(&yardsticks);
  problem_close(&problem);
}

/* What a reader of the figures has to know, once, after them. */
static void warnings(const struct run *run) {
  const struct result *worst = NULL;
  size_t noisy = 0;
  for (size_t i = 0; i < run->count; i++) {
    const struct result *r = &run->results[i];
    if (!(result_noise(r) > NOISE_LIMIT)) continue;
    noisy++;
    if (!worst || result_noise(r) > result_noise(worst)) worst = r;
  }
  if (noisy)
    fprintf(stderr,
            "%s: warning: in %zu of %zu cases a ratio varies by more than %.0f %% between its quartiles "
            "(most: %s, "
            "V = %zu, %.0f %%): this machine is too busy for figures of that precision\n",
            run->options.program, noisy, run->count, 100 * NOISE_LIMIT, worst->name, worst->classes,
            100 * result_noise(worst));
  if (run->warm)
    fprintf(stderr,
            "%s: warning: some buffers rotate within the last-level cache (%.0f MB): their figures are of "
            "warm data\n",
            run->options.program, (double)run->machine.facts.cache_bytes / 1e6);
}

static int draw(const struct run *run) {
  char why[300];
  if (!run->options.plot) return 0;
  if (plot_results(run->options.plot, &run->machine.facts, run->results, run->count, why, sizeof why) == 0)
    return 0;
  fprintf(stderr, "%s: %s: %s\n", run->options.program, run->options.plot, why);
  return -1;
}

static int run_all(struct run *run) {
  const struct options *o = &run->options;
  size_t cases = 0;
  for (int i = 0; i < BENCH_CASES; i++) cases += (size_t)selected(o, &bench_cases[i]);
  run->results = calloc(cases * o->n_classes + 1, sizeof *run->results);
  if (!run->results) {
    fprintf(stderr, "%s: out of memory\n", o->program);
    return 1;
  }
  if (run->machine.is_cpu) run->machine.facts.openmp = (unsigned)loops_threads((int)run->machine.facts.units);
  if (!o->json) table_head(stdout, &run->machine.facts);
  steps = 0;
  progress_begin("preparing", cases * o->n_classes * (o->reps + 1));
  for (size_t v = 0; v < o->n_classes; v++) {
    progress_hide();
    if (v > 0 && !o->json) table_gap(stdout);
    run_shape(run, o->classes[v]);
  }
  progress_end();
  if (!o->json) table_foot(stdout, run->results, run->count);
  fflush(stdout);
  warnings(run);
  int drawn = draw(run);
  free(run->results);
  return run->failed || drawn != 0;
}

static void list(void) {
  for (int i = 0; i < BENCH_CASES; i++) printf("%-20s %s\n", bench_cases[i].id, bench_cases[i].about);
}

int bench_main(int argc, char **argv) {
  struct run run = {0};
  char why[300];
  int any = 0, rc = options_parse(&run.options, argc, argv);
  if (rc != 0) return rc;
  if (run.options.help) {
    options_help(stdout, run.options.program);
    return 0;
  }
  for (int i = 0; i < BENCH_CASES; i++) any |= selected(&run.options, &bench_cases[i]);
  if (!any) {
    fprintf(stderr, "%s: --case: no case is named like '%s' (see --list)\n", run.options.program,
            run.options.filter);
    return 2;
  }
  if (run.options.list) {
    list();
    return 0;
  }
  if (run.options.plot && !plot_possible()) {
    fprintf(stderr, "%s: --plot: gnuplot isn't installed (apt-get install gnuplot-nox)\n",
            run.options.program);
    return 1;
  }
  rc = machine_open(&run.machine, run.options.device, why, sizeof why);
  if (rc != 0) {
    fprintf(stderr, "%s: %s\n", run.options.program, why);
    return rc == 2 ? 2 : 1;
  }
  rc = run_all(&run);
  machine_close(&run.machine);
  return rc;
}
