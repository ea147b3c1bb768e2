/* A long run doesn't grow: 10,000 calls over mixed shapes, passes and plans, with and without events, from the pool
 * and with the caller's workspace, on two queues. The test layer counts OpenCL objects: after each thousand of calls
 * the ctx may hold the events of the last few calls and the pool's few blocks, whose number depends on what ran when,
 * and not one object more. Resident memory stays under a bound per call that is smaller than any OpenCL object. At
 * the end everything that was created has been released. */
#include "check.h"
#include "fixture.h"

#include <unistd.h>
#ifdef __GLIBC__
#  include <malloc.h>
#endif

/* What may be held when the queues are empty, however many calls were made: pool blocks with their last event, and
 * inner events, up to twice as many as ever waited at once (32 calls of at most two, see run) and 16 per ctx. */
enum { BLOCKS_MOST = 8, EVENTS_MOST = 2 * 32 * 2 + 2 * 16 + 2 * BLOCKS_MOST, ALLOCATIONS_MOST = 16 };

/* 64 bytes for each of the 10,000 calls: PoCL's event alone takes more. */
enum { CALLS = 10000, WARM_UP = 3000, CHUNK = 1000, GROWTH_BYTES = 640000, SHAPES = 5, QUEUES = 2, CTXS = 2 };

/* The address sanitizer keeps freed memory for a while; a small quarantine keeps growth visible. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "quarantine_size_mb=1:thread_local_quarantine_size_kb=16"; }

static const struct {
  size_t rows, classes;
  uint32_t reduction;
} shapes[SHAPES] = {{64, 10, CLLOSS_MEAN},
                    {5, 1000, CLLOSS_SUM},
                    {2, 5000, CLLOSS_NONE},
                    {1, 1, CLLOSS_MEAN},
                    {130, 3, CLLOSS_MEAN}};

typedef struct soak {
  fixture f;
  clloss_ctx *ctx[CTXS]; /* the plan's own choice, and split, which always needs workspace */
  cl_command_queue queue[QUEUES];
  problem pool[QUEUES][SHAPES], own[QUEUES][SHAPES]; /* own: with a workspace of their own */
} soak;

/* The driver's compiler leaves megabytes of free heap behind, in which a leak would hide: it goes back first. */
static long resident_bytes(void) {
  long pages = -1;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%*d %ld", &pages) != 1) pages = -1;
  if (file) fclose(file);
  return pages < 0 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

static bool open_soak(soak *s) {
  const clloss_ctx_options split = {.struct_size = sizeof split, .family = CLLOSS_FAMILY_SPLIT, .slices = 2};
  if (!fixture_open(&s->f)) return false;
  for (int i = 0; i < CTXS; i++) {
    clloss_status status = clloss_ctx_create(&s->ctx[i], s->f.context, s->f.device, i ? &split : NULL);
    CHECK_STATUS(status, CLLOSS_SUCCESS);
    if (status) return false;
  }
  for (int q = 0; q < QUEUES; q++) {
    s->queue[q] = fixture_queue(&s->f, 0);
    if (!s->queue[q]) return false;
    for (int i = 0; i < SHAPES; i++)
      if (!problem_open(&s->pool[q][i], s->queue[q], shapes[i].rows, shapes[i].classes, shapes[i].reduction,
                        1) ||
          !problem_open(&s->own[q][i], s->queue[q], shapes[i].rows, shapes[i].classes, shapes[i].reduction,
                        2) ||
          !problem_own_workspace(&s->own[q][i], s->ctx[1]))
        return false;
  }
  return true;
}

static void close_soak(soak *s) {
  for (int q = 0; q < QUEUES; q++) {
    for (int i = 0; i < SHAPES; i++) {
      problem_close(&s->pool[q][i]);
      problem_close(&s->own[q][i]);
    }
    if (s->queue[q]) clReleaseCommandQueue(s->queue[q]);
  }
  for (int i = 0; i < CTXS; i++) clloss_ctx_destroy(&s->ctx[i]);
  fixture_close(&s->f);
}

/* Every kind but events and buffers stands exactly where it stood before the first call. */
static void check_objects(const layer_api *layer, const int64_t idle[LAYER_KIND_COUNT], int calls) {
  int64_t limit[LAYER_KIND_COUNT] = {[LAYER_EVENT] = EVENTS_MOST, [LAYER_BUFFER] = BLOCKS_MOST};
  for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
    int64_t more = layer->live(kind) - idle[kind];
    if (more >= 0 && more <= limit[kind]) continue;
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "after %d calls %lld more %s references, allowed %lld\n", calls, (long long)more,
            layer->kind_name(kind), (long long)limit[kind]);
  }
}

static void finish(const soak *s) {
  for (int q = 0; q < QUEUES; q++) CHECK_STATUS(clFinish(s->queue[q]), CL_SUCCESS);
}

/* The i-th call of the mix. The periods are coprime, so all combinations come up. */
static void call(const soak *s, int i, cl_event *last) {
  int q = i % QUEUES;
  const problem *p = i / 3 % 7 < 2 ? &s->own[q][i % SHAPES] : &s->pool[q][i % SHAPES];
  cl_event done = NULL, *want = i / 2 % 3 ? &done : NULL;
  cl_uint n_wait = *last && i % 11 < 6;
  clloss_status status = problem_run(p, (pass)(i / 5 % PASS_COUNT), s->ctx[i / 4 % CTXS], s->queue[q], n_wait,
                                     n_wait ? last : NULL, want);
  if (status) {
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "call %d: %s\n", i, clloss_ctx_message(s->ctx[i / 4 % CTXS]));
  }
  if (!done) return;
  if (*last) clReleaseEvent(*last);
  *last = done;
}

static void run(const soak *s, int calls) {
  cl_event last = NULL;
  for (int i = 0; i < calls && check_failures < 10; i++) {
    call(s, i, &last);
    if (i % 32 == 31) finish(s); /* queues without end would be memory that grows */
  }
  finish(s);
  if (last) clReleaseEvent(last);
}

/* After the last of many calls on the same buffers, the results are still right. */
static void check_results(const soak *s) {
  for (int q = 0; q < QUEUES; q++)
    for (int i = 0; i < SHAPES; i++) {
      CHECK(problem_poison(&s->pool[q][i], FUSED, s->queue[q]));
      CHECK_STATUS(problem_run(&s->pool[q][i], FUSED, s->ctx[q], s->queue[q], 0, NULL, NULL), CLLOSS_SUCCESS);
      CHECK(problem_right(&s->pool[q][i], FUSED, s->queue[q]));
    }
}

int main(void) {
  static soak s;
  int64_t nothing[LAYER_KIND_COUNT] = {0}, idle[LAYER_KIND_COUNT];
  clloss_ctx_stats warm = {.struct_size = sizeof warm}, end = warm;
  const layer_api *layer = layer_open();
  if (!layer) return 1;
  bool open = open_soak(&s);
  CHECK(open);
  if (open) {
    clloss_status status = CLLOSS_SUCCESS;
    for (pass which = FORWARD; which < PASS_COUNT; which++) /* every shape's kernels exist from here on */
      for (int i = 0; i < SHAPES * CTXS && !status; i++)
        status = problem_run(&s.own[0][i % SHAPES], which, s.ctx[i / SHAPES], s.queue[0], 0, NULL, NULL);
    CHECK_STATUS(status, CLLOSS_SUCCESS);
    finish(&s);
    for (int i = 0; i < CTXS; i++) CHECK_STATUS(clloss_ctx_trim(s.ctx[i]), CLLOSS_SUCCESS);
    layer_snapshot(layer, idle);
    run(&s, WARM_UP);
    CHECK_STATUS(clloss_ctx_get_stats(s.ctx[1], &warm), CLLOSS_SUCCESS);
    long resident = resident_bytes();
    CHECK(resident > 0);
    for (int done = 0; done < CALLS; done += CHUNK) {
      run(&s, CHUNK);
      check_objects(layer, idle, WARM_UP + done + CHUNK);
    }
    long growth = resident_bytes() - resident;
    printf("%d calls: resident memory grew by %ld bytes, events by %lld\n", CALLS, growth,
           (long long)(layer->live(LAYER_EVENT) - idle[LAYER_EVENT]));
    CHECK(growth <= GROWTH_BYTES);
    CHECK_STATUS(clloss_ctx_get_stats(s.ctx[1], &end), CLLOSS_SUCCESS);
    CHECK(end.kernels_enqueued > warm.kernels_enqueued);
    CHECK(end.pool_allocations > 0 && end.pool_allocations <= ALLOCATIONS_MOST);
    CHECK_EQ(end.programs_built, warm.programs_built);
    check_results(&s);
  }
  close_soak(&s);
  CHECK_EQ(layer_grown(layer, nothing, "at the end"), 0);
  return check_done();
}
