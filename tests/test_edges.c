/* Nothing behind a buffer is read or written: logits end where the memory does, before pages that may not be touched,
 * in every short shape around the kernels' tiles, vectors and chunks. The driver has to use the caller's memory as it is,
 * as those for CPUs do; one that copies it makes this an ordinary test. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "check.h"
#include "fixture.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char at[80]; /* what runs, for whoever touches the page */

static void touched(int signal) {
  static const char says[] = ": beyond the end of the logits\n";
  (void)signal;
  if (write(STDERR_FILENO, at, strlen(at)) < 0 || write(STDERR_FILENO, says, sizeof says - 1) < 0) _exit(2);
  _exit(1);
}

enum { PAGES_BEHIND = 64 };

/* Whole pages, so that the buffer is as aligned as drivers want it, and more that may not be touched. */
typedef struct edge {
  char *pages;
  size_t bytes, page;
  cl_mem mem;
} edge;

static bool edge_open(edge *e, cl_context context, size_t bytes) {
  cl_int error = CL_OUT_OF_HOST_MEMORY;
  e->page = (size_t)sysconf(_SC_PAGESIZE);
  e->bytes = (bytes + e->page - 1) / e->page * e->page;
  e->mem = NULL;
  e->pages = mmap(NULL, e->bytes + PAGES_BEHIND * e->page, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (e->pages == MAP_FAILED) return false;
  if (mprotect(e->pages + e->bytes, PAGES_BEHIND * e->page, PROT_NONE) == 0)
    e->mem = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, e->bytes, e->pages, &error);
  return error == CL_SUCCESS;
}

static void edge_close(edge *e) {
  if (e->mem) clReleaseMemObject(e->mem);
  if (e->pages != MAP_FAILED) munmap(e->pages, e->bytes + PAGES_BEHIND * e->page);
}

/* Logits or gradient of the problem: the last floats of the buffer. */
static bool edge_transfer(const edge *e, cl_command_queue queue, float *data, size_t bytes, bool in) {
  const size_t from = e->bytes - bytes;
  return (in ? clEnqueueWriteBuffer(queue, e->mem, CL_TRUE, from, bytes, data, 0, NULL, NULL)
             : clEnqueueReadBuffer(queue, e->mem, CL_TRUE, from, bytes, data, 0, NULL, NULL)) == CL_SUCCESS;
}

static void run_shape(const fixture *f, clloss_ctx *ctx, size_t rows, size_t classes) {
  problem p;
  edge e = {.pages = MAP_FAILED};
  float *grad = malloc(4 * rows * classes);
  snprintf(at, sizeof at, "%zu x %zu", rows, classes);
  const bool open = problem_open(&p, f->queue, rows, classes, CLLOSS_MEAN, (unsigned)(rows + classes));
  const bool ends = open && edge_open(&e, f->context, p.bytes[LOGITS]);
  CHECK(open && ends && grad);
  for (pass which = FORWARD; open && ends && grad && which < PASS_COUNT; which++) {
    clloss_xent x = problem_xent(&p, which);
    x.logits.mem = e.mem;
    x.logits.offset = (e.bytes - p.bytes[LOGITS]) / 4;
    CHECK(edge_transfer(&e, f->queue, p.logits, p.bytes[LOGITS], true));
    CHECK_STATUS(run_pass(which, ctx, &x, &p.options, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK(problem_right(&p, which, f->queue));
    if (which == FORWARD) continue;
    x.grad = x.logits;
    CHECK_STATUS(run_pass(which, ctx, &x, &p.options, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK(edge_transfer(&e, f->queue, grad, p.bytes[LOGITS], false));
    size_t wrong = 0;
    for (size_t i = 0; i < rows * classes; i++) wrong += !(fabs(grad[i] - p.grad[i]) <= 1e-5);
    CHECK_EQ(wrong, 0);
  }
  if (check_failures) fprintf(stderr, "  at %s\n", at);
  edge_close(&e);
  if (open) problem_close(&p);
  free(grad);
}

/* Classes and rows far apart, so that whatever a kernel takes for one more row lies among those pages. */
static void run_strided(const fixture *f, clloss_ctx *ctx, size_t rows, size_t classes) {
  const size_t step = 2, pitch = step * classes + 1000, all = (rows - 1) * pitch + (classes - 1) * step + 1;
  problem p;
  edge e = {.pages = MAP_FAILED};
  snprintf(at, sizeof at, "%zu x %zu, %zu and %zu apart", rows, classes, pitch, step);
  const bool open = problem_open(&p, f->queue, rows, classes, CLLOSS_MEAN, (unsigned)(rows + classes));
  const bool ends = open && edge_open(&e, f->context, 4 * all);
  float *wide = calloc(all, sizeof *wide);
  CHECK(open && ends && wide);
  if (open && ends && wide) {
    for (size_t i = 0; i < rows * classes; i++) wide[i / classes * pitch + i % classes * step] = p.logits[i];
    CHECK(edge_transfer(&e, f->queue, wide, 4 * all, true));
    for (pass which = FORWARD; which < PASS_COUNT; which++) {
      clloss_xent x = problem_xent(&p, which);
      x.logits = (clloss_view){.mem = e.mem,
                               .dtype = CLLOSS_F32,
                               .offset = e.bytes / 4 - all,
                               .row_stride = pitch,
                               .class_stride = step};
      CHECK_STATUS(run_pass(which, ctx, &x, &p.options, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
      CHECK(problem_right(&p, which, f->queue));
    }
  }
  if (check_failures) fprintf(stderr, "  at %s\n", at);
  edge_close(&e);
  if (open) problem_close(&p);
  free(wide);
}

int main(void) {
  static const size_t rows[] = {1, 2, 15, 16, 17, 31, 32, 33, 49};
  static const size_t classes[] = {1, 2, 3, 7, 8, 10, 13, 15, 16, 17, 31, 33, 100, 255, 1000, 8200};
  const clloss_ctx_options plans[] = {{.struct_size = sizeof *plans},
                                      {.struct_size = sizeof *plans, .family = CLLOSS_FAMILY_GROUP}};
  fixture f;
  if (!fixture_open(&f)) return 1;
  signal(SIGSEGV, touched);
  signal(SIGBUS, touched);
  for (size_t k = 0; k < sizeof plans / sizeof *plans; k++) {
    clloss_ctx *ctx = NULL;
    CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &plans[k]), CLLOSS_SUCCESS);
    for (size_t i = 0; ctx && i < sizeof rows / sizeof *rows; i++)
      for (size_t c = 0; c < sizeof classes / sizeof *classes; c++) {
        run_shape(&f, ctx, rows[i], classes[c]);
        run_strided(&f, ctx, rows[i], classes[c]);
      }
    clloss_ctx_destroy(&ctx);
  }
  fixture_close(&f);
  return check_done();
}
