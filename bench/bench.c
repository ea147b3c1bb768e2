/* `clloss bench`: from the options to the last line. Per shape: data, ring and yardsticks are made and the yardsticks
 * checked; then each case is checked and, if that came out clean, timed and shown. */
#include "bench.h"

#include "loops.h"
#include "measure.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "startup.h"

#include <stdlib.h>
#include <string.h>

/* Cap on what the ring may take, so that a large cache doesn't eat a small machine. */
#define RING_BUDGET ((size_t)1280 << 20)

/* Below so many bytes a repetition takes microseconds: ten times as many cost nothing and steady the median. Below the
 * other a ring stays within any cache, and data isn't what such a shape is timed for. */
#define SMALL_BYTES ((size_t)1 << 20)
#define TINY_BYTES  ((size_t)1 << 16)

struct run {
  struct options options;
  struct machine machine;
  struct peers peers;
  const struct bench_shape *shapes;
  size_t n_shapes;
  struct bench_shape asked
      [OPTIONS_MAX_CLASSES]; /* by --classes, --rows, --size-mb or --quick: each case of cross-entropy at each V,
                                   elementwise ones at the first, distillation at the last */
  struct result *results;
  size_t count, failed;
  int warm; /* some shape's rotation stays within the cache */
};

static uint64_t steps;
static void tick(void) { progress_at(++steps); }

static int matches(const struct options *o, const char *id) {
  return !o->filter || strstr(id, o->filter) != NULL;
}

static int selected(const struct options *o, const struct bench_shape *s, int i) {
  return (s->cases >> i & 1) && matches(o, bench_cases[i].id);
}

/* Whether any case of the shape is; and any that reads probabilities. */
static int selected_any(const struct options *o, const struct bench_shape *s) {
  int any = 0;
  for (int i = 0; i < BENCH_CASES; i++) any |= selected(o, s, i);
  return any;
}

static int needs_probabilities(const struct options *o, const struct bench_shape *s) {
  int any = 0;
  for (int i = 0; i < BENCH_CASES; i++) any |= selected(o, s, i) && case_needs_probabilities(&bench_cases[i]);
  return any;
}

static int starts_up(const struct run *run) {
  return run->options.filter ? matches(&run->options, "first_result_cold first_result_warm")
                             : run->shapes == bench_shapes;
}

static size_t reps_for(const struct options *o, size_t bytes) {
  return !o->reps_given && bytes < SMALL_BYTES ? 10 * o->reps : o->reps;
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
static void run_case(struct run *run, const struct measurement *how, const struct bench_case *c,
                     const struct bench_shape *s, const char *broken) {
  struct result *r = &run->results[run->count++];
  char label[64];
  *r = result_blank(c->name, c->inplace, s->kind, shape_rows(s), s->classes, s->inner, case_dtype(c));
  snprintf(label, sizeof label, "%s, V = %zu", c->id, s->classes);
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

/* The second ring, of logits of the case's own. */
static void make_other(const struct run *run, struct problem *p, struct ring *ring,
                       const struct bench_case *c, char *why, size_t why_size) {
  const size_t bytes = case_logit_bytes(c) * p->rows * p->classes;
  clloss_status rc = problem_make_other(p, c->dtype, case_is_certain(c));
  if (ring->count && ring->bytes != bytes) ring_close(ring);
  if (rc == CLLOSS_SUCCESS)
    rc = ring->count ? ring_refill(ring, &run->machine, p->other)
                     : ring_open(ring, &run->machine, p->other, bytes, RING_BUDGET / 2);
  if (rc != CLLOSS_SUCCESS)
    snprintf(why, why_size, "can't make logits in %s: %s", case_dtype(c), clloss_status_name(rc));
}

static void run_shape(struct run *run, const struct bench_shape *s) {
  const struct options *o = &run->options;
  struct problem problem = {0};
  struct yardsticks yardsticks = {0};
  struct ring ring = {0}, other = {0};
  char why[2000] = "";
  const size_t n = shape_rows(s) * s->classes;
  if (!selected_any(o, s)) return;
  struct measurement how = {.machine = &run->machine,
                            .yardsticks = &yardsticks,
                            .problem = &problem,
                            .ring = &ring,
                            .other_ring = &other,
                            .reps = reps_for(o, 4 * n),
                            .ref_bytes = o->ref_bytes,
                            .peers = &run->peers,
                            .tick = tick};
  if (problem_open(&problem, &run->machine, o->family, s, needs_probabilities(o, s), why, sizeof why) == 0 &&
      yardsticks_open(&yardsticks, &run->machine, (enum yard_form)o->yardstick, n, why, sizeof why) == 0) {
    cl_int rc = ring_open(&ring, &run->machine, problem.logits, 4 * n, RING_BUDGET);
    if (rc != CL_SUCCESS)
      snprintf(why, sizeof why, "can't allocate %zu MB of buffers: %s", 12 * n >> 20, clloss_status_name(rc));
    else
      yardsticks_check(&yardsticks, &run->machine, &ring, n, why, sizeof why);
    if (rc == CL_SUCCESS && 4 * n >= TINY_BYTES && ring_is_warm(&ring, &run->machine)) run->warm = 1;
  }
  for (int i = 0; i < BENCH_CASES; i++) {
    const struct bench_case *c = &bench_cases[i];
    if (!selected(o, s, i)) continue;
    if (!*why && case_has_own_logits(c)) make_other(run, &problem, &other, c, why, sizeof why);
    how.peers_wanted = o->peers ? s->peers & c->peers : 0;
    run_case(run, &how, c, s, why);
  }
  ring_close(&other);
  ring_close(&ring);
  yardsticks_close(&yardsticks);
  problem_close(&problem);
}

static void run_startup(struct run *run) {
  struct result *cold = &run->results[run->count++], *warm = &run->results[run->count++];
  progress_label("the first result of a new process");
  progress_at(steps);
  first_results(run->options.device, run->options.reps, cold, warm, tick);
  show(run, cold);
  show(run, warm);
}

/* On stderr too, for who sends the figures elsewhere. */
static void failures(const struct run *run) {
  if (!run->failed) return;
  const struct result *first = run->results;
  while (!first->failed[0]) first++;
  fprintf(stderr, "%s: %zu of %zu cases failed; %s of %zu rows of %zu classes: %s\n", run->options.program,
          run->failed, run->count, first->name, first->rows, first->classes, first->failed);
}

/* Whether stdout has taken everything: a full disk may say so as late as now. Returns an exit status. */
static int printed(const struct options *o) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  fprintf(stderr, "%s: standard output: can't be written\n", o->program);
  return 1;
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

enum { WHY = 1024 };

/* After the figures: the plot and the report, each whole or not at all. */
static int publish(const struct run *run) {
  const struct options *o = &run->options;
  const struct run_facts *facts = &run->machine.facts;
  char why[WHY];
  int rc = 0;
  if (o->plot && plot_results(o->plot, facts, run->results, run->count, why, sizeof why) != 0) {
    fprintf(stderr, "%s: %s\n", o->program, why);
    rc = -1;
  }
  if (o->report && report_write(o->report, facts, run->results, run->count, why, sizeof why) != 0) {
    fprintf(stderr, "%s: %s\n", o->program, why);
    rc = -1;
  }
  return rc;
}

/* Before anything is timed: whether plot and report will have gnuplot, and somewhere to go. */
static int can_publish(const struct options *o) {
  char why[WHY];
  if ((o->plot || o->report) && !gnuplot_possible()) {
    fprintf(stderr, "%s: %s: gnuplot isn't installed (apt-get install gnuplot-nox)\n", o->program,
            o->plot ? "--plot" : "--report");
    return 0;
  }
  if (o->plot && whole_file_probe(o->plot, why, sizeof why) != 0) {
    fprintf(stderr, "%s: --plot %s\n", o->program, why);
    return 0;
  }
  if (o->report && report_open(o->report, why, sizeof why) != 0) {
    fprintf(stderr, "%s: --report %s\n", o->program, why);
    return 0;
  }
  return 1;
}

/* Room for the results, and how many repetitions there will be, for the progress line. */
static int plan(struct run *run, uint64_t *total) {
  size_t cases = starts_up(run) ? 2 : 0;
  *total = starts_up(run) ? run->options.reps : 0;
  for (size_t k = 0; k < run->n_shapes; k++) {
    const struct bench_shape *s = &run->shapes[k];
    for (int i = 0; i < BENCH_CASES; i++) {
      if (!selected(&run->options, s, i)) continue;
      cases++;
      *total += reps_for(&run->options, 4 * shape_rows(s) * s->classes) + 1;
    }
  }
  run->results = calloc(cases + 1, sizeof *run->results);
  return run->results ? 0 : -1;
}

static void open_peers(struct run *run) {
  if (!run->options.peers) return;
  progress_label("starting PyTorch");
  progress_at(steps);
  peers_start(&run->peers, &run->machine, run->options.python);
  snprintf(run->machine.facts.torch, sizeof run->machine.facts.torch, "%s", run->peers.torch.version);
  progress_hide();
  for (int i = 0; i < PEERS; i++)
    if (run->peers.missing[i][0])
      fprintf(stderr, "%s: going on without %s: %s\n", run->options.program, peer_label((enum peer_id)i),
              run->peers.missing[i]);
}

static int run_all(struct run *run) {
  const struct options *o = &run->options;
  uint64_t total;
  if (plan(run, &total) != 0) {
    fprintf(stderr, "%s: out of memory\n", o->program);
    return 1;
  }
  if (run->machine.is_cpu) run->machine.facts.openmp = (unsigned)loops_threads((int)run->machine.facts.units);
  steps = 0;
  progress_begin("preparing", total);
  open_peers(run);
  if (!o->json) table_head(stdout, &run->machine.facts);
  for (size_t k = 0, last = 0; k < run->n_shapes; k++) {
    const size_t before = run->count;
    progress_hide();
    if (run->count > 0 && run->shapes[k].classes != last && !o->json) table_gap(stdout);
    run_shape(run, &run->shapes[k]);
    if (run->count > before) last = run->shapes[k].classes;
  }
  if (starts_up(run)) {
    if (run->count > 0 && !o->json) table_gap(stdout);
    run_startup(run);
  }
  progress_end();
  if (!o->json) table_foot(stdout, run->results, run->count);
  const int lost = printed(o);
  failures(run);
  warnings(run);
  const int published = publish(run);
  if (o->peers) peers_stop(&run->peers);
  free(run->results);
  return run->failed || lost || published != 0;
}

static void list(void) {
  for (int i = 0; i < BENCH_CASES; i++) printf("%-24s %s\n", bench_cases[i].id, bench_cases[i].about);
  printf("%-24s %s\n", "first_result",
         "from clloss_ctx_create to the first result of a new process, cold and warm");
}

/* The shapes: the whole suite, unless the options name others. */
static void choose_shapes(struct run *run) {
  const struct options *o = &run->options;
  run->shapes = bench_shapes;
  run->n_shapes = n_bench_shapes;
  if (o->n_classes == 0) return;
  for (size_t i = 0; i < o->n_classes; i++)
    run->asked[i] = (struct bench_shape){.rows = o->rows,
                                         .classes = o->classes[i],
                                         .inner = 1,
                                         .size_bytes = o->size_bytes,
                                         .cases = CASES_OF(o->classes[i]) & ~(i > 0 ? ELEMENTWISE : 0) &
                                                  ~(i + 1 < o->n_classes ? 1u << DISTILL : 0),
                                         .peers = PEERS_ALL};
  run->shapes = run->asked;
  run->n_shapes = o->n_classes;
}

static int known_filter(const struct run *run) {
  int any = starts_up(run);
  for (int i = 0; i < BENCH_CASES; i++) any |= matches(&run->options, bench_cases[i].id);
  if (!any)
    fprintf(stderr, "%s: --case: no case is named like '%s' (see --list)\n", run->options.program,
            run->options.filter);
  return any;
}

static int print_first_result(struct run *run) {
  double ms;
  clloss_status status = first_result(&run->machine, &ms);
  if (status == CLLOSS_SUCCESS)
    printf("%.6f\n", ms);
  else
    fprintf(stderr, "%s: --first-result: %s\n", run->options.program, clloss_status_name(status));
  return status != CLLOSS_SUCCESS || printed(&run->options);
}

int bench_main(int argc, char **argv) {
  struct run run = {0};
  struct options *o = &run.options;
  char why[300];
  int rc = options_parse(o, argc, argv);
  if (rc != 0) return rc;
  if (o->help) {
    options_help(stdout, o->program);
    return printed(o);
  }
  choose_shapes(&run);
  if (!known_filter(&run)) return 2;
  if (o->list) {
    list();
    return printed(o);
  }
  if (o->plot || o->report) whole_files_watch_signals();
  if (!can_publish(o)) return 1;
  rc = machine_open(&run.machine, o->device, why, sizeof why);
  if (rc != 0) {
    fprintf(stderr, "%s: %s\n", o->program, why);
    return rc == 2 ? 2 : 1;
  }
  options_command(argc, argv, run.machine.facts.command, sizeof run.machine.facts.command);
  rc = o->first_result ? print_first_result(&run) : run_all(&run);
  machine_close(&run.machine);
  return rc;
}
