/* Two threads, each with a ctx of its own on one cl_context, start together: both compile at the same moment, then
 * both call for a while, and every result is right. Nothing in the library is shared between ctx, so the thread
 * sanitizer (preset tsan) must stay silent too. */
#include "check.h"
#include "fixture.h"

#include <pthread.h>

enum { THREADS = 2, CALLS = 150 };

static const struct {
  size_t rows, classes;
  uint32_t reduction;
} shapes[] = {{16, 10, CLLOSS_MEAN}, {3, 1000, CLLOSS_SUM}, {2, 9000, CLLOSS_NONE}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct worker {
  pthread_t thread;
  pthread_barrier_t *start;
  const fixture *f;
  uint32_t family;
  unsigned seed;
  int failures;
} worker;

static bool calls(worker *w, clloss_ctx *ctx, cl_command_queue queue, problem *p) {
  for (int i = 0; i < CALLS; i++) {
    const problem *now = &p[i % SHAPES];
    pass which = (pass)(i % PASS_COUNT);
    cl_event done = NULL;
    if (i % 10 < 3 && !problem_poison(now, FUSED, queue)) return false;
    if (which == BACKWARD && problem_run(now, FORWARD, ctx, queue, 0, NULL, NULL)) return false;
    clloss_status status = problem_run(now, which, ctx, queue, 0, NULL, i % 2 ? &done : NULL);
    if (status) {
      fprintf(stderr, "thread %u, call %d: %s: %s\n", w->seed, i, clloss_status_name(status),
              clloss_ctx_message(ctx));
      return false;
    }
    if (done) clReleaseEvent(done);
    if (!problem_right(now, which, queue)) return false;
  }
  return true;
}

static void *work(void *argument) {
  worker *w = argument;
  const clloss_ctx_options options = {.struct_size = sizeof options, .family = w->family};
  clloss_ctx *ctx = NULL;
  problem p[SHAPES] = {{0}};
  cl_command_queue queue = fixture_queue(w->f, 0);
  bool ok = queue != NULL;
  for (int i = 0; i < SHAPES && ok; i++)
    ok = problem_open(&p[i], queue, shapes[i].rows, shapes[i].classes, shapes[i].reduction, w->seed + 10);
  pthread_barrier_wait(w->start);
  ok = ok && !clloss_ctx_create(&ctx, w->f->context, w->f->device, &options) && calls(w, ctx, queue, p);
  clloss_ctx_destroy(&ctx);
  for (int i = 0; i < SHAPES; i++) problem_close(&p[i]);
  if (queue) clReleaseCommandQueue(queue);
  w->failures = !ok;
  return NULL;
}

static void together(const fixture *f, uint32_t first, uint32_t second) {
  pthread_barrier_t start;
  worker workers[THREADS];
  pthread_barrier_init(&start, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){
        .start = &start, .f = f, .family = i ? second : first, .seed = (unsigned)i, .failures = 1};
    CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
    CHECK_EQ(workers[i].failures, 0);
  }
  pthread_barrier_destroy(&start);
}

int main(void) {
  fixture f;
  if (!fixture_open(&f)) return 1;
  together(&f, CLLOSS_FAMILY_AUTO, CLLOSS_FAMILY_AUTO);
  together(&f, CLLOSS_FAMILY_GROUP, CLLOSS_FAMILY_SPLIT);
  fixture_close(&f);
  return check_done();
}
