/* What a call costs that no clock is needed for: how many kernels and work-groups it enqueues, and that from the second
 * call of a shape on it builds nothing, allocates nothing, makes no OpenCL object but one event per kernel, and sets no
 * argument that it has set before but each kernel's buffers. A change
 * that moves one of these numbers shows here on every machine; times are the benchmark's business. */
#include "check.h"
#include "fixture.h"

#include <string.h>

#define LANE  CLLOSS_FAMILY_LANE
#define GROUP CLLOSS_FAMILY_GROUP
#define SPLIT CLLOSS_FAMILY_SPLIT

/* rows_per_group and slices are overridden, so that the counts don't depend on the device. 4096 rows are weighed by one
 * work-group; the reduced results take one more. Where one owns all rows, it does both. */
static const struct {
  clloss_ctx_options plan;
  size_t rows, classes;
  uint32_t reduction;
  pass which;
  uint64_t kernels, groups;
} expected[] = {
    {{.family = LANE, .rows_per_group = 8}, 64, 1000, CLLOSS_MEAN, FUSED, 3, 1 + 8 + 1},
    {{.family = LANE, .rows_per_group = 8}, 64, 1000, CLLOSS_MEAN, FORWARD, 3, 1 + 8 + 1},
    {{.family = LANE, .rows_per_group = 8}, 64, 1000, CLLOSS_MEAN, BACKWARD, 2, 1 + 8},
    {{.family = LANE, .rows_per_group = 8}, 64, 1000, CLLOSS_SUM, FUSED, 2, 8 + 1},
    {{.family = LANE, .rows_per_group = 8}, 64, 1000, CLLOSS_NONE, FUSED, 1, 8},
    {{.family = LANE, .rows_per_group = 16}, 64, 10, CLLOSS_NONE, FUSED, 1, 4},
    {{.family = LANE, .rows_per_group = 64}, 64, 1000, CLLOSS_MEAN, FUSED, 1, 1},
    {{.family = LANE, .rows_per_group = 64}, 64, 1000, CLLOSS_MEAN, FORWARD, 1, 1},
    {{.family = LANE, .rows_per_group = 64}, 64, 1000, CLLOSS_MEAN, BACKWARD, 1, 1},
    {{.family = LANE, .rows_per_group = 64}, 64, 10, CLLOSS_MEAN, FUSED, 1, 1},
    {{.family = LANE, .rows_per_group = 8192}, 8192, 10, CLLOSS_MEAN, FUSED, 3, 2 + 1 + 1},
    {{.family = LANE}, 32, 10, CLLOSS_MEAN, FUSED, 1, 1},
    {{.family = LANE, .rows_per_group = 16}, 8200, 10, CLLOSS_MEAN, FUSED, 3, 3 + 513 + 1},
    {{.family = GROUP, .local_size = 8, .rows_per_group = 1}, 64, 1000, CLLOSS_MEAN, FUSED, 3, 1 + 64 + 1},
    {{.family = SPLIT, .slices = 4}, 2, 20000, CLLOSS_MEAN, FUSED, 2, 2 * 4 + 2 * 4},
    {{.family = SPLIT, .slices = 4}, 2, 20000, CLLOSS_MEAN, FORWARD, 2, 2 * 4 + 1},
};

enum { ROWS = sizeof expected / sizeof *expected };

/* Every call that makes something, by its name in the layer. */
static const char *const makers[] = {"clCreateBuffer", "clCreateSubBuffer", "clCreateProgramWithSource",
                                     "clBuildProgram", "clCreateKernel",    "clCreateCommandQueue"};

enum { MAKERS = sizeof makers / sizeof *makers };

static uint64_t count_of(const layer_api *layer, const char *name) {
  uint64_t count = 0;
  for (int call = 0; call < layer->call_count; call++)
    if (strcmp(layer->call_name(call), name) == 0) count = layer->calls(call);
  return count;
}

static void count_makers(const layer_api *layer, uint64_t counts[MAKERS]) {
  for (int i = 0; i < MAKERS; i++) counts[i] = count_of(layer, makers[i]);
}

/* The buffers of a call: those of its views, and a workspace of the pool where it brings none. */
static uint64_t buffers_of(const problem *p, pass which) {
  const clloss_xent x = problem_xent(p, which);
  const clloss_view views[] = {x.logits,   x.targets, x.class_weight, x.row_weight, x.loss,
                               x.row_loss, x.grad,    x.divisor,      x.grad_loss,  x.row_stats,
                               x.metrics,  x.counts,  x.entropy,      x.predicted,  x.confidence};
  uint64_t n = 1;
  for (size_t i = 0; i < sizeof views / sizeof *views; i++) n += views[i].mem != NULL;
  return n;
}

static void check_row(const fixture *f, const layer_api *layer, size_t i) {
  uint64_t before[MAKERS], after[MAKERS];
  clloss_ctx_options options = expected[i].plan;
  clloss_ctx_stats first = {.struct_size = sizeof first}, second = first;
  clloss_ctx *ctx = NULL;
  problem p;
  const pass which = expected[i].which;
  options.struct_size = sizeof options;
  CHECK_STATUS(clloss_ctx_create(&ctx, f->context, f->device, &options), CLLOSS_SUCCESS);
  if (!ctx || !problem_open(&p, f->queue, expected[i].rows, expected[i].classes, expected[i].reduction, 1)) {
    CHECK(!"a ctx and a problem");
    return;
  }
  CHECK_STATUS(problem_run(&p, which, ctx, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  clFinish(f->queue);
  CHECK_STATUS(clloss_ctx_get_stats(ctx, &first), CLLOSS_SUCCESS);
  count_makers(layer, before);
  const uint64_t arguments = count_of(layer, "clSetKernelArg");
  CHECK_STATUS(problem_run(&p, which, ctx, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  clFinish(f->queue);
  CHECK_STATUS(clloss_ctx_get_stats(ctx, &second), CLLOSS_SUCCESS);
  count_makers(layer, after);
  const int failures = check_failures;
  CHECK_EQ(count_of(layer, "clSetKernelArg") - arguments, expected[i].kernels * buffers_of(&p, which));
  CHECK_EQ(first.kernels_enqueued, expected[i].kernels);
  CHECK_EQ(first.work_groups_enqueued, expected[i].groups);
  CHECK_EQ(second.kernels_enqueued - first.kernels_enqueued, expected[i].kernels);
  CHECK_EQ(second.work_groups_enqueued - first.work_groups_enqueued, expected[i].groups);
  CHECK_EQ(first.programs_built, 1);
  CHECK_EQ(second.programs_built, 1);
  CHECK(first.pool_allocations <= 1);
  CHECK_EQ(second.pool_allocations, first.pool_allocations);
  CHECK_EQ(second.pool_peak_bytes, first.pool_peak_bytes);
  for (int k = 0; k < MAKERS; k++)
    if (after[k] != before[k])
      check_fail(__FILE__, __LINE__), fprintf(stderr, "a second call calls %s\n", makers[k]);
  if (check_failures != failures) fprintf(stderr, "  in row %zu\n", i);
  problem_close(&p);
  clloss_ctx_destroy(&ctx);
}

int main(void) {
  fixture f;
  if (!fixture_open(&f)) return 2;
  const layer_api *layer = layer_open();
  if (!layer) return 2;
  uint64_t any[MAKERS], sum = 0;
  for (size_t i = 0; i < ROWS; i++) check_row(&f, layer, i);
  count_makers(layer, any);
  for (int i = 0; i < MAKERS; i++) sum += any[i];
  CHECK(sum > ROWS); /* the layer sees the calls */
  fixture_close(&f);
  return check_done();
}
