/* The parent of `clloss check`: a child for each group, a few at a time, since compilers take one core each and most of
 * the time. A child that crashes is followed by one that goes on without the line it died of. */
#include "check.h"

#include "cli.h"
#include "machine.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MOST = 6, SILENCE_S = 600 /* without a message, in the full suite: it hangs */ };

/* A child at work. */
typedef struct job {
  check_group *group;
  pid_t pid; /* 0: none */
  int pipe;
  check_message message; /* of which `have` bytes have come */
  size_t have;
  bool begun; /* a point that hasn't ended: */
  check_message point;
  bool refused, hangs;
  double heard; /* when it last said something */
} job;

typedef struct runner {
  check *c;
  job jobs[JOBS_MOST];
  int n_jobs;  /* that may run at a time */
  size_t done; /* points */
  bool failed; /* out of memory */
} runner;

static double now(void) { return clock_ms() / 1e3; }

/* ---- lines ---- */

static check_line *line_of(runner *r, int group, const check_message *m) {
  check *c = r->c;
  for (size_t i = 0; i < c->n_lines; i++) {
    check_line *l = &c->lines[i];
    if (l->group == group && check_same_name(&l->name, &m->name)) return l;
  }
  check_line *lines = realloc(c->lines, (c->n_lines + 1) * sizeof *lines);
  if (!lines) {
    r->failed = true;
    return NULL;
  }
  c->lines = lines;
  check_line *l = &lines[c->n_lines++];
  *l = (check_line){.group = group, .name = m->name};

  return l;
}

/* A point has ended; `end` says how, where its process did too. */
static void note(runner *r, job *j, const check_message *m, const char *end) {
  check_line *l = line_of(r, (int)(j->group - r->c->groups), m);
  if (!l) return;
  l->points++;
  l->passes |= m->passes;
  l->seconds += m->seconds;
  if (m->max_used > l->max_used) l->max_used = m->max_used;
  j->group->done++;
  j->group->from = m->number + 1;
  progress_at(++r->done);
  if (!m->wrong && !end) return;
  l->wrong |= end ? m->passes : m->wrong;
  l->failed_in_place += m->in_place;
  l->failed_updates += m->updates;
  if (end) snprintf(l->end, sizeof l->end, "%s", end);
  if (l->failed++) return;
  l->number = m->number;
  snprintf(l->first, sizeof l->first, "%s: %s", j->point.words, end ? end : m->words);
}

/* ---- children ---- */

/* A child closes the ends at which the parent hears the others: else these would outlive a parent that was killed. */
static bool start(runner *r, job *j) {
  int ends[2];
  char label[41];
  if (pipe(ends)) return fail(EXIT_FAILED, "pipe: %s", strerror(errno)), false;
  /* not for what a driver starts: its end of the pipe would outlive the child */
  for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
  fflush(stdout);
  fflush(stderr);
  j->pid = fork();
  if (j->pid < 0) {
    fail(EXIT_FAILED, "fork: %s", strerror(errno));
    close(ends[0]), close(ends[1]);
    j->pid = 0;
    return false;
  }
  if (j->pid == 0) {
    for (int i = 0; i < JOBS_MOST; i++)
      if (&r->jobs[i] != j && r->jobs[i].pid) close(r->jobs[i].pipe);
    close(ends[0]);
    check_child(r->c, j->group, ends[1]);
  }
  close(ends[1]);
  j->pipe = ends[0];
  j->have = 0;
  j->begun = j->refused = j->hangs = false;
  j->heard = now();
  if (j->group) {
    j->group->state = CHECK_RUNS;
    snprintf(label, sizeof label, "check %s %s", suite_loss_name(j->group->loss),
             case_type_name(suite_types[j->group->type]));
    progress_label(label);
  }
  return true;
}

/* How a process ended that should have ended by itself; NULL: it did. */
static const char *end_of(pid_t pid, char *text, size_t size) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return NULL;
  if (WIFSIGNALED(status))
    snprintf(text, size, "crashed: signal %d", WTERMSIG(status));
  else if (WEXITSTATUS(status))
    snprintf(text, size, "ended: exit status %d", WEXITSTATUS(status));
  else
    return NULL;
  return text;
}

static void take(runner *r, job *j) {
  const check_message *m = &j->message;
  switch (m->kind) {
  case CHECK_BEGIN:
    j->begun = true;
    j->point = *m;
    break;
  case CHECK_END:
    j->begun = false;
    j->group->failures += m->died;
    note(r, j, m, NULL);
    break;
  case CHECK_SKIPPED:
  case CHECK_DROPPED:
    ++*(m->kind == CHECK_DROPPED ? &j->group->dropped : &j->group->skipped);
    j->group->from = m->number + 1;
    break;
  default: j->refused = true; break;
  }
}

/* False: nothing more will come. */
static bool hear(runner *r, job *j) {
  const ssize_t n = read(j->pipe, (char *)&j->message + j->have, sizeof j->message - j->have);
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  j->heard = now();
  j->have += (size_t)n;
  if (j->have < sizeof j->message) return true;
  j->have = 0;
  if (r) take(r, j);
  return true;
}

/* Devices that take one process at a time refuse the others: those try again once they are alone. */
static bool try_alone(runner *r, const job *j) {
  if (!j->refused || r->n_jobs == 1) return false;
  r->n_jobs = 1;
  return true;
}

/* The point at which the child ended, whose line has no more points; or else that it couldn't begin. */
static void note_end(runner *r, job *j, const char *end) {
  check_group *g = j->group;
  if (!j->begun) {
    j->point = (check_message){.number = g->from, .passes = 1};
    snprintf(j->point.name.loss, SUITE_FAMILY, "%s", suite_loss_name(g->loss));
    snprintf(j->point.words, CHECK_WORDS, "opening the device");
  }
  note(r, j, &j->point, end);
  if (j->begun && g->n_dead < CHECK_DEAD)
    g->dead[g->n_dead++] = j->point.name;
  else
    g->failures = CHECK_PATIENCE;
}

/* The pipe is at its end: what becomes of the group? */
static void finish(runner *r, job *j) {
  char text[64];
  check_group *g = j->group;
  const char *end = end_of(j->pid, text, sizeof text);
  close(j->pipe);
  j->pid = 0;
  if (g->state != CHECK_RUNS) return; /* stopped by us */
  if (try_alone(r, j)) {
    g->state = CHECK_WAITS;
    return;
  }
  /* a driver may also call exit */
  if (!end && g->done + g->skipped + g->dropped < g->planned) end = "ended before it was done";
  if (j->refused) end = j->message.words;
  if (j->hangs) end = "hangs: no answer in ten minutes";
  if (end) note_end(r, j, end);
  g->state = !end ? CHECK_ENDED : g->failures >= CHECK_PATIENCE ? CHECK_GIVEN_UP : CHECK_WAITS;
}

/* ---- the run ---- */

static bool is_late(const check *c) { return !c->request.full && now() - c->start > CHECK_QUICK_S; }

/* Ends what has taken too long, or fails again and again. */
static void watch(const runner *r, job *j) {
  check_group *g = j->group;
  if (is_late(r->c))
    g->state = CHECK_LATE;
  else if (g->failures >= CHECK_PATIENCE)
    g->state = CHECK_GIVEN_UP;
  else if (now() - j->heard > SILENCE_S)
    j->hangs = true;
  else
    return;
  kill(j->pid, SIGKILL);
}

static check_group *next_group(check *c) {
  for (int i = 0; i < CHECK_GROUPS; i++)
    if (c->groups[i].state == CHECK_WAITS) return &c->groups[i];
  return NULL;
}

static void start_more(runner *r) {
  check_group *g;
  int running = 0;
  for (int i = 0; i < JOBS_MOST; i++) running += r->jobs[i].pid != 0;
  while (is_late(r->c) && (g = next_group(r->c)) != NULL) g->state = CHECK_LATE;
  for (int i = 0; i < JOBS_MOST && running < r->n_jobs && !r->failed; i++) {
    if (r->jobs[i].pid || (g = next_group(r->c)) == NULL) continue;
    r->jobs[i] = (job){.group = g};
    r->failed = !start(r, &r->jobs[i]);
    running++;
  }
}

/* False: there was nobody to wait for. */
static bool wait_for_any(runner *r) {
  struct pollfd polled[JOBS_MOST];
  job *jobs[JOBS_MOST];
  nfds_t n = 0;
  for (int i = 0; i < JOBS_MOST; i++) {
    if (!r->jobs[i].pid) continue;
    jobs[n] = &r->jobs[i];
    polled[n++] = (struct pollfd){.fd = r->jobs[i].pipe, .events = POLLIN};
  }
  if (!n) return false;
  if (poll(polled, n, 200) > 0)
    for (nfds_t i = 0; i < n; i++)
      if (polled[i].revents && !hear(r, jobs[i])) finish(r, jobs[i]);
  for (int i = 0; i < JOBS_MOST; i++)
    if (r->jobs[i].pid) watch(r, &r->jobs[i]);
  progress_at(r->done);
  return true;
}

bool check_run(check *c) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  runner r = {.c = c, .n_jobs = cores < 1 ? 1 : cores < JOBS_MOST ? (int)cores : JOBS_MOST};
  size_t planned = 0;
  for (int i = 0; i < CHECK_GROUPS; i++)
    planned += c->groups[i].state == CHECK_WAITS ? c->groups[i].planned : 0;
  progress_begin("check", planned);
  do start_more(&r);
  while (!r.failed && wait_for_any(&r));
  for (int i = 0; i < JOBS_MOST; i++)
    if (r.jobs[i].pid) kill(r.jobs[i].pid, SIGKILL);
  progress_end();
  c->seconds = now() - c->start;
  return !r.failed;
}

bool check_ask_facts(check *c, int *status) {
  runner r = {.c = c, .n_jobs = 1};
  job *j = &r.jobs[0];
  char text[64];
  *status = EXIT_FAILED;
  if (!start(&r, j)) return false;
  j->message.kind = CHECK_BEGIN; /* no answer */
  struct pollfd polled = {.fd = j->pipe, .events = POLLIN};
  while (!j->hangs && (poll(&polled, 1, 200) <= 0 || hear(NULL, j)))
    j->hangs = now() - j->heard > CHECK_QUICK_S;
  if (j->hangs) kill(j->pid, SIGKILL);
  const char *end = end_of(j->pid, text, sizeof text);
  if (j->hangs) end = "it doesn't answer";
  const check_message *m = &j->message;
  close(j->pipe);
  c->facts = m->facts;
  const size_t n = c->request.device;
  if (!end && m->kind == CHECK_FACTS) return true;
  if (!end && m->kind == CHECK_MISSING && m->number)
    *status = fail(EXIT_USAGE, "--device %zu: the last is %zu", n, m->number - 1);
  else if (!end && m->kind == CHECK_MISSING)
    fail(EXIT_FAILED, "no OpenCL device");
  else
    fail(EXIT_FAILED, "--device %zu: %s can't be used: %s", n,
         *m->facts.device ? m->facts.device : "the device", end ? end : m->words);
  return false;
}
