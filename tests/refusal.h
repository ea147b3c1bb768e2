/* What the tables of spoilt calls share (status_softmax.c and the like, a file for each loss): buffers of every kind for
 * matrices of ROWS x CLASSES, and what must hold of a refused call. And the tables themselves, which the tests of the
 * losses run. */
#ifndef CLLOSS_TESTS_REFUSAL_H
#define CLLOSS_TESTS_REFUSAL_H

#include "check.h"
#include "harness.h"

enum { ROWS = 6, CLASSES = 5, N = ROWS * CLASSES, MEMS = 8, LARGE_BYTES = 1 << 16 };

typedef struct bench {
  const harness_device *device;
  clloss_ctx *ctx;
  cl_mem mem[MEMS], large, large_write_only, read_only, write_only,
      foreign; /* foreign: of the context `other` */
  cl_context other;
} bench;

static inline cl_mem buffer(cl_context context, cl_mem_flags flags, size_t bytes) {
  return clCreateBuffer(context, flags, bytes, NULL, NULL);
}

static inline bench bench_open(const harness_device *device) {
  const size_t bytes = N * sizeof(double);
  bench b = {.device = device, .other = clCreateContext(NULL, 1, &device->device, NULL, NULL, NULL)};
  CHECK_STATUS(clloss_ctx_create(&b.ctx, device->context, device->device, NULL), CLLOSS_SUCCESS);
  for (size_t i = 0; i < MEMS; i++) b.mem[i] = buffer(device->context, CL_MEM_READ_WRITE, bytes);
  b.large = buffer(device->context, CL_MEM_READ_WRITE, LARGE_BYTES);
  b.large_write_only = buffer(device->context, CL_MEM_WRITE_ONLY, LARGE_BYTES);
  b.read_only = buffer(device->context, CL_MEM_READ_ONLY, bytes);
  b.write_only = buffer(device->context, CL_MEM_WRITE_ONLY, bytes);
  b.foreign = buffer(b.other, CL_MEM_READ_WRITE, bytes);
  return b;
}

/* How many checks of the file have failed. */
static inline int bench_close(bench *b) {
  const cl_mem others[] = {b->large, b->large_write_only, b->read_only, b->write_only, b->foreign};
  for (size_t i = 0; i < MEMS; i++) clReleaseMemObject(b->mem[i]);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) clReleaseMemObject(others[i]);
  clReleaseContext(b->other);
  clloss_ctx_destroy(&b->ctx);
  return check_failures;
}

static inline clloss_view view_as(cl_mem mem, uint32_t dtype) {
  return (clloss_view){.mem = mem, .dtype = dtype};
}
static inline clloss_view view(cl_mem mem) { return view_as(mem, CLLOSS_F32); }

static inline uint64_t enqueued(const bench *b) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(clloss_ctx_get_stats(b->ctx, &stats), CLLOSS_SUCCESS);
  return stats.kernels_enqueued;
}

/* `words` are separated by blanks, and all in the message. */
static inline bool holds(const char *message, const char *words) {
  char word[80];
  for (int n = 0, at = 0; sscanf(words + at, "%79s%n", word, &n) == 1; at += n)
    if (!strstr(message, word)) return false;
  return true;
}

/* Of a call that has returned: `before` is what enqueued() said before it, `done` the event that it must not have made. */
static inline void check_refused(const bench *b, clloss_status status, clloss_status expected,
                                 const char *words, cl_event done, uint64_t before, int line) {
  const int failures = check_failures;
  CHECK_STATUS(status, expected);
  CHECK(holds(clloss_ctx_message(b->ctx), words));
  CHECK(!done);
  CHECK_EQ(enqueued(b), before);
  if (check_failures != failures)
    fprintf(stderr, "  in the refusal of line %d: %s\n", line, clloss_ctx_message(b->ctx));
}

/* The call run(b, which, &x, &o, queue, &done) of what good(b, which) makes, but for `change`, which speaks of x and o. */
#define REFUSED_CALL(type, options, which, expected, words, change)                \
  do {                                                                             \
    type x = good(b, which);                                                       \
    options o = {.struct_size = sizeof o};                                         \
    cl_event done_ = NULL;                                                         \
    const uint64_t before_ = enqueued(b);                                          \
    change;                                                                        \
    const clloss_status status_ = run(b, which, &x, &o, b->device->queue, &done_); \
    check_refused(b, status_, expected, words, done_, before_, __LINE__);          \
  } while (0)

/* The tables: how many checks failed; each is printed. */
int status_softmax(const harness_device *device);
int status_distill(const harness_device *device);
int status_information(const harness_device *device);
int status_pointwise(const harness_device *device);

#endif
