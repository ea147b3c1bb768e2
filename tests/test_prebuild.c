/* Guards clloss_ctx_prebuild: after it the calls that it was told of compile nothing, neither programs nor, on PoCL, what
 * its driver generates when a kernel is first enqueued with a size of work-group and grid. PoCL keeps a file for each
 * of those, so a cache of this test's own is looked into. Also what it refuses, and that it touches no buffer.
 *
 *   test_prebuild   (with an empty cache of its own, so some tens of seconds) */
#define _XOPEN_SOURCE 700
#include "check.h"
#include "fixture.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

static size_t n_files;

static int count_file(const char *path, const struct stat *s, int kind, struct FTW *where) {
  (void)path, (void)s, (void)where;
  n_files += kind == FTW_F;
  return 0;
}
static int remove_file(const char *path, const struct stat *s, int kind, struct FTW *where) {
  (void)s, (void)kind, (void)where;
  return remove(path);
}

static size_t files_in(const char *folder) {
  n_files = 0;
  nftw(folder, count_file, 16, FTW_PHYS);
  return n_files;
}

/* ---- calls: one of each loss, on shapes that get different kernels ---- */

enum { VIEWS_MOST = 16, BUFFER_BYTES = 8 << 20 };

typedef struct one_call {
  clloss_call call;
  uint32_t family;
  union {
    clloss_xent xent;
    clloss_softmax softmax;
    clloss_distill distill;
    clloss_information information;
    clloss_pointwise pointwise;
  } of;
  clloss_view *views[VIEWS_MOST];
  size_t n_views;
} one_call;

static void type_view(one_call *c, clloss_view *view, uint32_t dtype) {
  view->dtype = dtype;
  c->views[c->n_views++] = view;
}

static void make_xent(one_call *c, uint32_t call, size_t rows, size_t classes, uint32_t dtype, uint32_t grad,
                      uint32_t targets) {
  clloss_xent *x = &c->of.xent;
  *x = (clloss_xent){.struct_size = sizeof *x, .rows = rows, .classes = classes};
  static const clloss_xent_options soft = {.struct_size = sizeof soft, .flags = CLLOSS_TARGET_PROBABILITIES};
  c->call = (clloss_call){.call = call, .arrays = x, .options = targets == CLLOSS_F32 ? &soft : NULL};
  type_view(c, &x->logits, dtype);
  type_view(c, &x->targets, targets);
  type_view(c, &x->class_weight, CLLOSS_F32);
  if (call != CLLOSS_CALL_XENT_BACKWARD) type_view(c, &x->loss, CLLOSS_F32);
  if (call != CLLOSS_CALL_XENT_FORWARD) type_view(c, &x->grad, grad);
  type_view(c, &x->row_stats, CLLOSS_F32);
}

static void make_divisor(one_call *c, size_t rows, uint32_t real) {
  clloss_xent *x = &c->of.xent;
  *x = (clloss_xent){.struct_size = sizeof *x, .rows = rows, .classes = 10};
  c->call = (clloss_call){.call = CLLOSS_CALL_XENT_DIVISOR, .arrays = x};
  type_view(c, &x->targets, CLLOSS_U8);
  type_view(c, &x->class_weight, real);
  type_view(c, &x->divisor, real);
}

static void make_rowwise(one_call *c, uint32_t call) {
  const size_t rows = 100, classes = 40;
  c->call = (clloss_call){.call = call, .arrays = &c->of};
  if (call == CLLOSS_CALL_SOFTMAX_FORWARD) {
    clloss_softmax *x = &c->of.softmax;
    *x = (clloss_softmax){.struct_size = sizeof *x, .rows = rows, .classes = classes};
    type_view(c, &x->input, CLLOSS_F32);
    type_view(c, &x->output, CLLOSS_F32);
  } else if (call == CLLOSS_CALL_DISTILL_FUSED) {
    clloss_distill *x = &c->of.distill;
    *x = (clloss_distill){.struct_size = sizeof *x, .rows = rows, .classes = classes};
    type_view(c, &x->student, CLLOSS_F32);
    type_view(c, &x->teacher, CLLOSS_F32);
    type_view(c, &x->row_weight, CLLOSS_F32);
    type_view(c, &x->loss, CLLOSS_F32);
    type_view(c, &x->grad, CLLOSS_F32);
  } else if (call == CLLOSS_CALL_INFORMATION_FORWARD) {
    clloss_information *x = &c->of.information;
    *x = (clloss_information){.struct_size = sizeof *x, .rows = rows, .classes = classes};
    type_view(c, &x->input, CLLOSS_F32);
    type_view(c, &x->entropy, CLLOSS_F32);
  } else {
    clloss_pointwise *x = &c->of.pointwise;
    *x = (clloss_pointwise){.struct_size = sizeof *x, .rows = rows, .classes = classes, .kind = CLLOSS_MSE};
    type_view(c, &x->input, CLLOSS_F32);
    type_view(c, &x->target, CLLOSS_F32);
    type_view(c, &x->weight, CLLOSS_F32);
    type_view(c, &x->loss, CLLOSS_F32);
    if (call != CLLOSS_CALL_POINTWISE_FORWARD) type_view(c, &x->grad, CLLOSS_F32);
  }
}

static clloss_status make(clloss_ctx *ctx, const one_call *c, cl_command_queue queue) {
  switch (c->call.call) {
  case CLLOSS_CALL_XENT_FORWARD:
    return clloss_xent_forward(ctx, &c->of.xent, c->call.options, queue, 0, NULL, NULL);
  case CLLOSS_CALL_XENT_BACKWARD:
    return clloss_xent_backward(ctx, &c->of.xent, c->call.options, queue, 0, NULL, NULL);
  case CLLOSS_CALL_XENT_FUSED:
    return clloss_xent_fused(ctx, &c->of.xent, c->call.options, queue, 0, NULL, NULL);
  case CLLOSS_CALL_XENT_DIVISOR: return clloss_xent_divisor(ctx, &c->of.xent, NULL, queue, 0, NULL, NULL);
  case CLLOSS_CALL_SOFTMAX_FORWARD:
    return clloss_softmax_forward(ctx, &c->of.softmax, NULL, queue, 0, NULL, NULL);
  case CLLOSS_CALL_DISTILL_FUSED:
    return clloss_distill_fused(ctx, &c->of.distill, NULL, queue, 0, NULL, NULL);
  case CLLOSS_CALL_INFORMATION_FORWARD:
    return clloss_information_forward(ctx, &c->of.information, NULL, queue, 0, NULL, NULL);
  case CLLOSS_CALL_POINTWISE_FORWARD:
    return clloss_pointwise_forward(ctx, &c->of.pointwise, NULL, queue, 0, NULL, NULL);
  default: return clloss_pointwise_fused(ctx, &c->of.pointwise, NULL, queue, 0, NULL, NULL);
  }
}

/* Buffers of zeros, which are a right input for every call here. */
static bool bind(const fixture *f, one_call *c, void *zeros) {
  for (size_t i = 0; i < c->n_views; ++i) {
    cl_int error;
    c->views[i]->mem = clCreateBuffer(f->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BUFFER_BYTES,
                                      zeros, &error);
    CHECK_STATUS(error, CL_SUCCESS);
    if (error != CL_SUCCESS) return false;
  }
  return true;
}

static void unbind(one_call *c) {
  for (size_t i = 0; i < c->n_views; ++i)
    if (c->views[i]->mem) clReleaseMemObject(c->views[i]->mem);
}

/* ---- nothing is left to compile ---- */

typedef struct measured {
  uint64_t programs;
  size_t files;
} measured;

static measured measure(clloss_ctx *ctx, const char *cache) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
  return (measured){stats.programs_built, files_in(cache)};
}

static void check_call(const fixture *f, one_call *c, const char *cache, bool counts_files, void *zeros) {
  const clloss_ctx_options options = {.struct_size = sizeof options, .family = c->family};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, &options), CLLOSS_SUCCESS);
  if (!ctx) return;
  const measured cold = measure(ctx, cache);
  CHECK_STATUS(clloss_ctx_prebuild(ctx, &c->call, 1), CLLOSS_SUCCESS);
  const measured built = measure(ctx, cache);
  if (*clloss_ctx_message(ctx)) fprintf(stderr, "call %u: %s\n", c->call.call, clloss_ctx_message(ctx));
  CHECK(built.programs > cold.programs);
  if (counts_files) CHECK(built.files > cold.files); /* else the count would say nothing */
  if (bind(f, c, zeros)) {
    CHECK_STATUS(make(ctx, c, f->queue), CLLOSS_SUCCESS);
    CHECK_STATUS(clFinish(f->queue), CL_SUCCESS);
    const measured made = measure(ctx, cache);
    CHECK_EQ(made.programs, built.programs);
    if (counts_files && made.files != built.files) {
      check_fail(__FILE__, __LINE__);
      fprintf(stderr, "call %u, family %u: %zu files in the cache after prebuild, %zu after the call\n",
              c->call.call, c->family, built.files, made.files);
    }
  }
  unbind(c);
  clloss_ctx_destroy(&ctx);
}

static void check_calls(const fixture *f, const char *cache, bool counts_files) {
  static one_call calls[14];
  void *zeros = calloc(1, BUFFER_BYTES);
  size_t n = 0;
  make_xent(&calls[n++], CLLOSS_CALL_XENT_FUSED, 1000, 100, CLLOSS_F32, CLLOSS_F32, CLLOSS_I32);
  make_xent(&calls[n++], CLLOSS_CALL_XENT_FORWARD, 8, 10, CLLOSS_F32, CLLOSS_F32, CLLOSS_I32);
  make_xent(&calls[n++], CLLOSS_CALL_XENT_BACKWARD, 3000, 300, CLLOSS_F32, CLLOSS_F32, CLLOSS_F32);
  make_xent(&calls[n++], CLLOSS_CALL_XENT_FUSED, 2, 20000, CLLOSS_F32, CLLOSS_F32, CLLOSS_I32);
  make_xent(&calls[n++], CLLOSS_CALL_XENT_FUSED, 100, 600, CLLOSS_BF16, CLLOSS_F32, CLLOSS_I32);
  /* more than 65,535 work-items: PoCL has another version for those */
  calls[n].family = CLLOSS_FAMILY_GROUP;
  make_xent(&calls[n++], CLLOSS_CALL_XENT_FORWARD, 2000, 300, CLLOSS_F32, CLLOSS_F32, CLLOSS_I32);
  /* a row for each work-group, which has none here */
  calls[n].family = CLLOSS_FAMILY_GROUP;
  make_xent(&calls[n++], CLLOSS_CALL_XENT_FUSED, 20, 5000, CLLOSS_F32, CLLOSS_F32, CLLOSS_I32);
  make_divisor(&calls[n++], 9000, CLLOSS_F32);
  make_rowwise(&calls[n++], CLLOSS_CALL_SOFTMAX_FORWARD);
  make_rowwise(&calls[n++], CLLOSS_CALL_DISTILL_FUSED);
  make_rowwise(&calls[n++], CLLOSS_CALL_INFORMATION_FORWARD);
  make_rowwise(&calls[n++], CLLOSS_CALL_POINTWISE_FUSED);
  make_rowwise(&calls[n++], CLLOSS_CALL_POINTWISE_FORWARD);
  for (size_t i = 0; i < n && zeros; ++i) check_call(f, &calls[i], cache, counts_files, zeros);
  free(zeros);
}

/* ---- what is refused ---- */

static void refuse(clloss_ctx *ctx, clloss_call call, clloss_status expected, const char *word) {
  CHECK_STATUS(clloss_ctx_prebuild(ctx, &call, 1), expected);
  if (!strstr(clloss_ctx_message(ctx), word)) {
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "\"%s\" doesn't say: %s\n", clloss_ctx_message(ctx), word);
  }
}

static void check_refusals(const fixture *f) {
  clloss_ctx *ctx = NULL;
  one_call c = {0};
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, NULL), CLLOSS_SUCCESS);
  make_xent(&c, CLLOSS_CALL_XENT_FUSED, 10, 10, CLLOSS_F32, CLLOSS_F32, CLLOSS_I32);
  clloss_xent *x = &c.of.xent;
  CHECK_STATUS(clloss_ctx_prebuild(NULL, &c.call, 1), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_ctx_prebuild(ctx, NULL, 1), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_ctx_prebuild(ctx, NULL, 0), CLLOSS_SUCCESS);
  refuse(ctx, (clloss_call){.call = 99, .arrays = x}, CLLOSS_OPTION, "99");
  refuse(ctx, (clloss_call){.call = c.call.call, .reserved = 7, .arrays = x}, CLLOSS_OPTION, "reserved");
  refuse(ctx, (clloss_call){.call = c.call.call}, CLLOSS_NULL_ARGUMENT, "xent");
  x->logits.dtype = CLLOSS_I32;
  refuse(ctx, c.call, CLLOSS_DTYPE, "logits");
  x->logits.dtype = 0;
  refuse(ctx, c.call, CLLOSS_MISSING_VIEW, "logits");
  x->logits.dtype = CLLOSS_F32;
  x->grad.dtype = 0;
  refuse(ctx, c.call, CLLOSS_MISSING_VIEW, "grad");
  x->grad.dtype = CLLOSS_BF16;
  refuse(ctx, c.call, CLLOSS_DTYPE, "grad");
  x->grad.dtype = CLLOSS_F32;
  x->classes = 0;
  refuse(ctx, c.call, CLLOSS_SIZE, "classes");
  x->classes = 10;
  const clloss_xent_options o = {.struct_size = sizeof o, .label_smoothing = 2};
  c.call.options = &o;
  refuse(ctx, c.call, CLLOSS_OPTION, "label_smoothing");
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
  CHECK_EQ(stats.kernels_enqueued, 0);
  clloss_ctx_destroy(&ctx);
}

/* Buffers that are bound already stay as they are, the workspace too, however small it is. */
static void check_untouched(const fixture *f) {
  enum { BYTES = 64 << 10 };
  static unsigned char before[BYTES], after[BYTES];
  clloss_ctx *ctx = NULL;
  one_call c = {0};
  cl_int error;
  memset(before, 0xa5, sizeof before);
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, NULL), CLLOSS_SUCCESS);
  make_xent(&c, CLLOSS_CALL_XENT_FUSED, 100, 100, CLLOSS_F32, CLLOSS_F32, CLLOSS_I32);
  cl_mem mem = clCreateBuffer(f->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, BYTES, before, &error);
  CHECK_STATUS(error, CL_SUCCESS);
  c.of.xent.workspace = (clloss_view){.mem = mem, .dtype = CLLOSS_U8};
  CHECK_STATUS(clloss_ctx_prebuild(ctx, &c.call, 1), CLLOSS_SUCCESS);
  CHECK_STATUS(clEnqueueReadBuffer(f->queue, mem, CL_TRUE, 0, BYTES, after, 0, NULL, NULL), CL_SUCCESS);
  CHECK(!memcmp(before, after, BYTES));
  clReleaseMemObject(mem);
  clloss_ctx_destroy(&ctx);
}

int main(void) {
  char cache[4096], platform[128] = "", path[4096];
  const char *folder = getenv("TMPDIR");
  fixture f;
  snprintf(cache, sizeof cache, "%s/prebuild_cache_XXXXXX", folder ? folder : "/tmp");
  if (!mkdtemp(cache) || !realpath(cache, path)) {
    perror("a folder for PoCL's cache");
    return 2;
  }
  setenv("POCL_CACHE_DIR", path, 1);
  if (!fixture_open(&f)) return 1;
  clGetPlatformInfo(f.platform, CL_PLATFORM_NAME, sizeof platform, platform, NULL);
  const bool counts_files = strstr(platform, "Portable Computing Language") != NULL;
  if (!counts_files)
    printf("the platform is %s: only programs are counted, not what it generates later\n", platform);
  check_refusals(&f);
  check_calls(&f, path, counts_files);
  check_untouched(&f); /* last, as it compiles what a call above has to find uncompiled */
  fixture_close(&f);
  nftw(path, remove_file, 16, FTW_DEPTH | FTW_PHYS);
  return check_done();
}
