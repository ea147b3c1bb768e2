/* Programs that are compiled once: a blob of one ctx saves another, of a later process in earnest, all compiling; ctx that share do
 * the same while they live, from any number of threads; and a blob that is cut, damaged, foreign or nonsense costs no more than
 * compiling. */
#include "check.h"
#include "fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 4, SUM_AT = 16, KEY_AT = 24, PROBES_AT = KEY_AT + CLLOSS_KEY_BYTES };
enum { PROBES_BYTES = 2 * (1 + 256 + 8 + 24) };

static clloss_ctx_stats stats_of(clloss_ctx *ctx) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
  return stats;
}

static clloss_ctx *make(const fixture *f, clloss_ctx_options options) {
  clloss_ctx *ctx = NULL;
  options.struct_size = sizeof options;
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, &options), CLLOSS_SUCCESS);
  return ctx;
}

static void run(const problem *p, clloss_ctx *ctx, cl_command_queue queue) {
  CHECK(problem_poison(p, FUSED, queue));
  CHECK_STATUS(problem_run(p, FUSED, ctx, queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK(problem_right(p, FUSED, queue));
}

/* ---- the blob ---- */

typedef struct blob {
  unsigned char *bytes;
  size_t size;
} blob;

static blob blob_of(clloss_ctx *ctx) {
  blob b = {0};
  CHECK_STATUS(clloss_ctx_programs(ctx, NULL, 0, &b.size), CLLOSS_SUCCESS);
  b.bytes = malloc(b.size ? b.size : 1);
  if (b.bytes) CHECK_STATUS(clloss_ctx_programs(ctx, b.bytes, b.size, &b.size), CLLOSS_SUCCESS);
  return b;
}

/* Not the library's own: the form is written down in host/runtime/program_blob.c. */
static void put_number(unsigned char *to, uint64_t x) {
  for (int i = 0; i < 8; i++) to[i] = (unsigned char)(x >> 8 * i);
}
static void sum_again(blob b) {
  uint64_t sum = 0xcbf29ce484222325u;
  for (size_t i = KEY_AT; i < b.size; i++) sum = (sum ^ b.bytes[i]) * 0x100000001b3u;
  put_number(b.bytes + SUM_AT, sum);
}

/* A blob that isn't taken: the ctx is made all the same, and says why. */
static void refuse(const fixture *f, const void *bytes, size_t size, const char *word, const char *what) {
  char why[300] = "nothing was said";
  clloss_ctx *ctx = make(f, (clloss_ctx_options){.programs = bytes,
                                                 .programs_size_bytes = size,
                                                 .message = why,
                                                 .message_size_bytes = sizeof why});
  if (!strstr(why, word) || strncmp(why, "programs: ", 10) != 0)
    check_fail(__FILE__, __LINE__),
        fprintf(stderr, "%s, %zu bytes: it says \"%s\", not %s\n", what, size, why, word);
  clloss_ctx_destroy(&ctx);
}

static void spoil(const fixture *f, blob whole, uint64_t *state) {
  unsigned char *copy = malloc(whole.size + 9);
  if (!copy) return;
  blob b = {copy, whole.size};
  memcpy(copy, whole.bytes, whole.size);
  for (size_t n = 0; n < 200; n++) refuse(f, copy, n, n < SUM_AT ? "not a blob" : "cut or damaged", "cut");
  for (int i = 0; i < 100; i++) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    const size_t at = KEY_AT + (size_t)(*state >> 20) % (whole.size - KEY_AT);
    refuse(f, copy, at, "cut or damaged", "cut");
    copy[at] ^= (unsigned char)(1 + (*state >> 40) % 255);
    refuse(f, copy, whole.size, "cut or damaged", "changed");
    copy[at] = whole.bytes[at];
  }
  /* of another driver or library; and whole by its sum, but nonsense */
  copy[KEY_AT + 20] ^= 1;
  sum_again(b);
  refuse(f, copy, b.size, "another library, device or driver", "foreign");
  copy[KEY_AT + 20] ^= 1;
  copy[PROBES_AT] = 2;
  sum_again(b);
  refuse(f, copy, b.size, "ends early", "a probe that is neither tried nor not");
  memcpy(copy, whole.bytes, whole.size);
  for (size_t n = PROBES_AT; n < PROBES_AT + 900 && n < whole.size;
       n += 7) { /* ends within probes and the first program */
    b.size = n;
    sum_again(b);
    refuse(f, copy, n, "ends early", "short");
  }
  b.size = whole.size + 9;
  memcpy(copy, whole.bytes, whole.size);
  memset(copy + whole.size, 1, 9);
  sum_again(b);
  refuse(f, copy, b.size, "behind its list", "long");
  free(copy);
}

/* Where a number of the first program stands: its name's size, its options' or its binary's. */
static void lie(const fixture *f, blob whole) {
  static const uint64_t lies[] = {0, 1, 1000, (uint64_t)1 << 40, UINT64_MAX, UINT64_MAX - 7};
  const size_t count_at = PROBES_AT + PROBES_BYTES;
  unsigned char *copy = malloc(whole.size);
  if (!copy) return;
  for (size_t place = 0; place < 2; place++)
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
      if (place == 0 && lies[i] == 1) continue; /* the truth */
      memcpy(copy, whole.bytes, whole.size);
      put_number(copy + count_at + 8 * place, lies[i]);
      sum_again((blob){copy, whole.size});
      refuse(f, copy, whole.size, "", "a number that lies");
    }
  free(copy);
}

/* A driver takes a binary or doesn't; either way the numbers are right. */
static void bad_binary(const fixture *f, const problem *p, blob whole) {
  char why[300];
  blob b = {malloc(whole.size), whole.size};
  if (!b.bytes) return;
  memcpy(b.bytes, whole.bytes, whole.size);
  /* the last program's: its first bytes, by which drivers know their own */
  size_t at = PROBES_AT + PROBES_BYTES + 8;
  for (int field = 0; field < 2; field++) {
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) n |= (uint64_t)b.bytes[at + (size_t)i] << 8 * i;
    at += 8 + (size_t)n;
  }
  memset(b.bytes + at + 8, 'x', 64);
  sum_again(b);
  clloss_ctx *ctx = make(f, (clloss_ctx_options){.programs = b.bytes,
                                                 .programs_size_bytes = b.size,
                                                 .message = why,
                                                 .message_size_bytes = sizeof why});
  CHECK(!*why);
  run(p, ctx, f->queue);
  CHECK_EQ(stats_of(ctx).programs_loaded, 0);
  CHECK_EQ(stats_of(ctx).programs_built, 1);
  clloss_ctx_destroy(&ctx);
  free(b.bytes);
}

static void blobs(const fixture *f, const problem *p, uint64_t *state) {
  char why[300] = "?";
  clloss_ctx *ctx = make(f, (clloss_ctx_options){0});
  blob none = blob_of(ctx);
  run(p, ctx, f->queue);
  CHECK_EQ(stats_of(ctx).programs_built, 1);
  CHECK_EQ(stats_of(ctx).programs_loaded, 0);
  blob b = blob_of(ctx);
  CHECK(b.size > none.size);
  size_t size = 0;
  CHECK_STATUS(clloss_ctx_programs(ctx, b.bytes, b.size - 1, &size), CLLOSS_SIZE);
  CHECK_EQ(size, b.size);
  CHECK_STATUS(clloss_ctx_programs(ctx, b.bytes, b.size, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_ctx_programs(NULL, b.bytes, b.size, &size), CLLOSS_NULL_ARGUMENT);
  clloss_ctx_destroy(&ctx);
  free(b.bytes), b = (blob){0};

  /* of a ctx that has compiled, by a second one, whose blob is as good */
  ctx = make(f, (clloss_ctx_options){0});
  run(p, ctx, f->queue);
  b = blob_of(ctx);
  clloss_ctx_destroy(&ctx);
  for (int generation = 0; generation < 3; generation++) {
    ctx = make(f, (clloss_ctx_options){.programs = b.bytes,
                                       .programs_size_bytes = b.size,
                                       .message = why,
                                       .message_size_bytes = sizeof why});
    CHECK_EQ(strlen(why), 0);
    if (generation < 2) run(p, ctx, f->queue); /* the third hands on what it never asked for */
    CHECK_EQ(stats_of(ctx).programs_built, 0);
    CHECK_EQ(stats_of(ctx).programs_loaded, generation < 2);
    free(b.bytes);
    b = blob_of(ctx);
    clloss_ctx_destroy(&ctx);
  }
  spoil(f, b, state);
  lie(f, b);
  bad_binary(f, p, b);
  spoil(f, none, state);
  free(b.bytes), free(none.bytes);

  char key[CLLOSS_KEY_BYTES], again[CLLOSS_KEY_BYTES];
  CHECK_STATUS(clloss_programs_key(f->device, key, sizeof key), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_programs_key(f->device, again, sizeof again), CLLOSS_SUCCESS);
  CHECK_EQ(memcmp(key, again, sizeof key), 0);
  CHECK_EQ(strspn(key, "clos-.0123456789abcdef"), strlen(key));
  CHECK_STATUS(clloss_programs_key(f->device, key, sizeof key - 1), CLLOSS_SIZE);
  CHECK_STATUS(clloss_programs_key(NULL, key, sizeof key), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_programs_key(f->device, NULL, sizeof key), CLLOSS_NULL_ARGUMENT);
  printf("%s\n", key);
}

/* ---- sharing ---- */

static void sharing(const fixture *f, const problem *p) {
  clloss_ctx *first = make(f, (clloss_ctx_options){0});
  clloss_ctx *second = make(f, (clloss_ctx_options){.share = first});
  run(p, first, f->queue);
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  clloss_ctx *third = make(f, (clloss_ctx_options){.share = second});
  clloss_ctx_destroy(&first); /* the others keep its programs */
  clloss_ctx_destroy(&second);
  CHECK_STATUS(problem_run(p, FUSED, third, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  clFinish(f->queue);
  clock_gettime(CLOCK_MONOTONIC, &to);
  run(p, third, f->queue);
  CHECK_EQ(stats_of(third).programs_built, 0);
  CHECK_EQ(stats_of(third).programs_loaded, 0);
  printf("a ctx that shares: %.2f ms from clloss_ctx_create to its first result\n",
         1e3 * (double)(to.tv_sec - from.tv_sec) + 1e-6 * (double)(to.tv_nsec - from.tv_nsec));
  char why[300] = "";
  fixture other;
  clloss_ctx *stranger = NULL;
  if (fixture_open(&other)) {
    const clloss_ctx_options options = {
        .struct_size = sizeof options, .share = third, .message = why, .message_size_bytes = sizeof why};
    CHECK_STATUS(clloss_ctx_create(&stranger, other.context, other.device, &options), CLLOSS_DEVICE);
    CHECK(!stranger && strstr(why, "share: a ctx of another context"));
    fixture_close(&other);
  }
  /* the group team's compiler may have been asked for more: programs of its own, in the same set */
  clloss_ctx *group = make(f, (clloss_ctx_options){.share = third, .family = CLLOSS_FAMILY_GROUP});
  run(p, group, f->queue);
  CHECK(stats_of(group).programs_built > 0);
  clloss_ctx_destroy(&third);
  run(p, group, f->queue);
  clloss_ctx_destroy(&group);
}

typedef struct worker {
  pthread_t thread;
  pthread_barrier_t *start;
  const fixture *f;
  clloss_ctx *ctx;
  unsigned seed;
  uint64_t built;
  bool right;
} worker;

/* Makes its own ctx of the one that all share, compiles at the same moment as the others, and ends it. */
static void *work(void *argument) {
  worker *w = argument;
  const clloss_ctx_options options = {.struct_size = sizeof options, .share = w->ctx};
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  clloss_ctx *ctx = NULL;
  problem p = {0};
  cl_command_queue queue = fixture_queue(w->f, 0);
  const bool open = queue && problem_open(&p, queue, 5, 100, CLLOSS_MEAN, w->seed);
  pthread_barrier_wait(w->start);
  if (open && !clloss_ctx_create(&ctx, w->f->context, w->f->device, &options) &&
      !problem_run(&p, FUSED, ctx, queue, 0, NULL, NULL)) {
    w->right = problem_right(&p, FUSED, queue) && !clloss_ctx_get_stats(ctx, &stats);
    w->built = stats.programs_built;
  }
  clloss_ctx_destroy(&ctx);
  problem_close(&p);
  if (queue) clReleaseCommandQueue(queue);
  return NULL;
}

static void threads(const fixture *f) {
  pthread_barrier_t start;
  worker workers[THREADS];
  uint64_t built = 0;
  clloss_ctx *ctx = make(f, (clloss_ctx_options){0});
  pthread_barrier_init(&start, NULL, THREADS);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (worker){.start = &start, .f = f, .ctx = ctx, .seed = i + 1};
    CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
    CHECK(workers[i].right);
    built += workers[i].built;
  }
  CHECK_EQ(built, 1);
  pthread_barrier_destroy(&start);
  clloss_ctx_destroy(&ctx);
}

int main(void) {
  fixture f;
  problem p;
  uint64_t state = (uint64_t)time(NULL);
  printf("seed %llu\n", (unsigned long long)state);
  if (!fixture_open(&f) || !problem_open(&p, f.queue, 3, 10, CLLOSS_MEAN, 7)) return 1;
  blobs(&f, &p, &state);
  sharing(&f, &p);
  threads(&f);
  problem_close(&p);
  fixture_close(&f);
  return check_done();
}
