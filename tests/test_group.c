/* What kernels of held rows a group takes is up to where things lie: those that assume packets of 16 bytes at the same places, or
 * `…_any`, which ask. And what its work-groups may be is up to the compiler: a kernel that takes fewer work-items than the plan gives is planned
 * again, smaller, and what clloss_xent_workspace has said before suffices; where the size was asked for, it is refused by the
 * kernel's name. And what an override can't hold in registers runs all the same. */
#include "check.h"
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 37, CLASSES = 1000, FEW = 20 };

static fixture f;
static float logits[ROWS][CLASSES], expected[ROWS], got[ROWS];
static int32_t targets[ROWS];

/* In double, from the definition. */
static void fill(void) {
  uint64_t state = 4711;
  for (int r = 0; r < ROWS; r++) {
    double sum = 0;
    targets[r] = (int32_t)(state % FEW);
    for (int c = 0; c < CLASSES; c++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      logits[r][c] = (float)((double)(state >> 40) / (1 << 22) - 2);
      sum += exp(logits[r][c]);
    }
    expected[r] = (float)(log(sum) - logits[r][targets[r]]);
  }
}

static clloss_ctx *ctx_of(uint32_t local_size) {
  const clloss_ctx_options o = {
      .struct_size = sizeof o, .family = CLLOSS_FAMILY_GROUP, .local_size = local_size};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &o), CLLOSS_SUCCESS);
  return ctx;
}

static cl_mem buffer_of(size_t bytes, void *data) {
  cl_int error;
  cl_mem mem = clCreateBuffer(f.context, CL_MEM_READ_WRITE | (data ? CL_MEM_COPY_HOST_PTR : 0), bytes, data,
                              &error);
  CHECK_STATUS(error, CL_SUCCESS);
  return mem;
}

/* The call with a mean loss, in a workspace of just the size that was asked for. Logits are the test's, with targets as given. */
static clloss_status make(clloss_ctx *ctx, clloss_xent call, cl_mem logits_mem, int32_t *classes_of) {
  cl_mem t = buffer_of(call.rows * sizeof *classes_of, classes_of), mean = buffer_of(sizeof(float), NULL);
  size_t bytes = 0;
  call.struct_size = sizeof call;
  call.logits.mem = logits_mem;
  call.logits.dtype = CLLOSS_F32;
  call.targets = (clloss_view){.mem = t, .dtype = CLLOSS_I32};
  call.loss = (clloss_view){.mem = mean, .dtype = CLLOSS_F32};
  CHECK_STATUS(clloss_xent_workspace(ctx, &call, NULL, &bytes), CLLOSS_SUCCESS);
  cl_mem workspace = buffer_of(bytes, NULL);
  call.workspace = (clloss_view){.mem = workspace, .dtype = CLLOSS_U8};
  const clloss_status status = call.grad.mem ? clloss_xent_fused(ctx, &call, NULL, f.queue, 0, NULL, NULL)
                                             : clloss_xent_forward(ctx, &call, NULL, f.queue, 0, NULL, NULL);
  clReleaseMemObject(t);
  clReleaseMemObject(mean);
  clReleaseMemObject(workspace);
  return status;
}

/* The losses of a fused call in place of rows of so many classes. */
static clloss_status losses_by(clloss_ctx *ctx, size_t classes) {
  cl_mem x = buffer_of(sizeof logits, logits), out = buffer_of(sizeof got, NULL);
  const clloss_xent call = {.rows = ROWS,
                            .classes = classes,
                            .logits = {.row_stride = CLASSES},
                            .row_loss = {.mem = out, .dtype = CLLOSS_F32},
                            .grad = {.mem = x, .dtype = CLLOSS_F32, .row_stride = CLASSES}};
  memset(got, 0, sizeof got);
  const clloss_status status = make(ctx, call, x, targets);
  if (status == CLLOSS_SUCCESS)
    CHECK_STATUS(clEnqueueReadBuffer(f.queue, out, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL), CL_SUCCESS);
  clReleaseMemObject(x);
  clReleaseMemObject(out);
  return status;
}

/* A call whose rows are neighbours class by class. */
static clloss_status strided_by(clloss_ctx *ctx) {
  enum { N = ROWS * CLASSES / FEW };
  static int32_t zeros[N];
  cl_mem x = buffer_of(sizeof logits, logits);
  const clloss_status status = make(ctx, (clloss_xent){.rows = N, .classes = FEW, .inner = N}, x, zeros);
  clReleaseMemObject(x);
  return status;
}

static void check_losses(const char *what) {
  for (int r = 0; r < ROWS; r++) {
    if (fabsf(got[r] - expected[r]) <= 4e-6f * expected[r]) continue;
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "%s: row %d costs %.9g, expected %.9g\n", what, r, got[r], expected[r]);
    return;
  }
}

/* Where rows begin, in elements, and what the call has; and whether its kernel is then `…_any`. */
typedef struct layout {
  const char *what;
  size_t logits, grad, weight, probabilities;
  bool weighs, smooths, softens, measures, any;
} layout;

static const layout layouts[] = {
    {"all at packets", 0, 0, 0, 0, false, true, false, false, false},
    {"logits and gradient alike", 1, 1, 0, 0, false, true, false, false, false},
    {"a gradient elsewhere", 0, 1, 0, 0, false, true, false, false, true},
    {"class weights at packets", 0, 0, 4, 0, true, true, false, false, false},
    {"class weights elsewhere", 0, 0, 1, 0, true, true, false, false, true},
    {"class weights elsewhere than logits", 1, 1, 0, 0, true, true, false, false, true},
    {"class weights as elsewhere as logits", 1, 1, 1, 0, true, true, false, false, true},
    {"class weights that only targets ask for", 0, 0, 1, 0, true, false, false, false, false},
    {"probabilities at packets", 0, 0, 0, 4, false, false, true, false, false},
    {"probabilities as elsewhere as logits", 1, 1, 0, 1, false, false, true, false, false},
    {"probabilities elsewhere", 0, 0, 0, 1, false, false, true, false, true},
    {"metrics", 0, 0, 0, 0, false, true, false, true, true},
};

static void fuse_layout(clloss_ctx *ctx, const layout *l) {
  enum { FLOATS = ROWS * CLASSES + 8 };
  cl_mem mem[6];
  for (size_t i = 0; i < 6; i++) mem[i] = buffer_of(FLOATS * sizeof(float), NULL);
  const float zero = 0;
  for (size_t i = 0; i < 6; i++)
    CHECK_STATUS(
        clEnqueueFillBuffer(f.queue, mem[i], &zero, sizeof zero, 0, FLOATS * sizeof zero, 0, NULL, NULL),
        CL_SUCCESS);
  const clloss_view none = {.mem = NULL};
  const clloss_xent call = {
      .struct_size = sizeof call,
      .rows = ROWS,
      .classes = CLASSES,
      .logits = {.mem = mem[0], .dtype = CLLOSS_F32, .offset = l->logits},
      .targets = {.mem = mem[1], .dtype = l->softens ? CLLOSS_F32 : CLLOSS_I32, .offset = l->probabilities},
      .class_weight = l->weighs ? (clloss_view){.mem = mem[2], .dtype = CLLOSS_F32, .offset = l->weight}
                                : none,
      .loss = {.mem = mem[3], .dtype = CLLOSS_F32},
      .metrics = l->measures ? (clloss_view){.mem = mem[4], .dtype = CLLOSS_F32} : none,
      .grad = {.mem = mem[5], .dtype = CLLOSS_F32, .offset = l->grad},
  };
  const clloss_xent_options options = {.struct_size = sizeof options,
                                       .flags = l->softens ? CLLOSS_TARGET_PROBABILITIES : 0,
                                       .label_smoothing = l->smooths ? 0.1 : 0};
  CHECK_STATUS(clloss_xent_fused(ctx, &call, &options, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (size_t i = 0; i < 6; i++) clReleaseMemObject(mem[i]);
}

static void check_layouts(const layer_api *layer) {
  static const char *const names[] = {"xent_fused__group_held_options", "xent_fused__group_held_options_any"};
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    const layout *l = &layouts[i];
    const size_t before[] = {layer->kernels_made(names[0]), layer->kernels_made(names[1])};
    clloss_ctx *ctx = ctx_of(0);
    fuse_layout(ctx, l);
    clloss_ctx_destroy(&ctx);
    const bool fast = layer->kernels_made(names[0]) != before[0];
    const bool any = layer->kernels_made(names[1]) != before[1];
    if (any == l->any && fast != any) continue;
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "%s: takes %s\n", l->what, any ? names[1] : fast ? names[0] : "another kernel");
  }
}

static uint64_t enqueued(clloss_ctx *ctx) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
  return stats.kernels_enqueued;
}

int main(void) {
  const layer_api *layer = layer_open();
  if (!layer || !fixture_open(&f)) return 1;
  fill();
  static const size_t limits[] = {0, 64, 24, 1};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    layer->limit_items(limits[i]);
    clloss_ctx *ctx = ctx_of(0);
    CHECK_STATUS(strided_by(ctx), CLLOSS_SUCCESS);
    clloss_ctx_destroy(&ctx);
    ctx = ctx_of(0);
    CHECK_STATUS(losses_by(ctx, CLASSES), CLLOSS_SUCCESS);
    check_losses("a device that takes fewer items");
    CHECK_STATUS(losses_by(ctx, FEW), CLLOSS_SUCCESS);
    clloss_plan plan = {.struct_size = sizeof plan};
    const clloss_xent x = {.struct_size = sizeof x, .rows = ROWS, .classes = CLASSES};
    CHECK_STATUS(clloss_xent_plan(ctx, &x, &plan), CLLOSS_SUCCESS);
    CHECK(limits[i] == 0 || plan.local_size <= limits[i]);
    clloss_ctx_destroy(&ctx);
  }
  layer->limit_items(64);
  clloss_ctx *ctx = ctx_of(256);
  CHECK_STATUS(losses_by(ctx, CLASSES), CLLOSS_PLAN);
  CHECK(strstr(clloss_ctx_message(ctx), "options.local_size") && strstr(clloss_ctx_message(ctx), "64"));
  CHECK_EQ(enqueued(ctx), 0u);
  clloss_ctx_destroy(&ctx);
  layer->limit_items(0);
  static const uint32_t sizes[] = {1, 3, 14, 60, 512};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ctx = ctx_of(sizes[i]);
    CHECK_STATUS(losses_by(ctx, CLASSES), CLLOSS_SUCCESS);
    check_losses("an override");
    clloss_ctx_destroy(&ctx);
  }
  check_layouts(layer);
  fixture_close(&f);
  return check_done();
}
