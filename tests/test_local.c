/* Little local memory: a device that has less of it, and kernels that take some by themselves, which their compiler tells once
 * they are there. The layer refuses what is more than that, so that a plan has to be smaller; every loss is right all the same, in
 * a workspace of the size that was asked for before anything was compiled. Only what fits in no plan is refused, by the kernel's
 * name. */
#include "check.h"
#include "fixture.h"

#include "case_distill.h"
#include "case_information.h"
#include "case_pointwise.h"
#include "case_softmax.h"
#include "case_xent.h"

static fixture f;
static const layer_api *layer;

/* In bytes: the device's, and each kernel's own. Work-groups of 64, 16 and 1 items fold in as much as there is, nearly; 32 would in
 * all of 1280, and 64 with held rows of 32 in all but 8 of 2568, where 16 more are handed over. */
static const struct limit {
  size_t most, own;
} limits[] = {{2400, 0}, {700, 0},       {112, 0},     {1280, 0},
              {2568, 0}, {65536, 63136}, {8192, 2000}, {2400, 2288}};

/* A tile, held rows, rows along, whole rows; in 4096 bytes 1000 exps have no room beside what a team folds in. */
static const xent_shape xents[] = {
    {.rows = 37, .classes = 20, .workspace = true},
    {.rows = 100, .classes = 100, .workspace = true},
    {.rows = 9, .classes = 1000, .workspace = true},
    {.rows = 9, .classes = 500, .workspace = true, .with = XENT_WITH_ROW_WEIGHT}};
static const softmax_shape softmax = {.rows = 37, .classes = 20};
static const distill_shape distill = {.rows = 37, .classes = 20, .workspace = true};
static const information_shape information = {.rows = 37, .classes = 20};
static const pointwise_shape pointwise = {.rows = 37, .classes = 20, .kind = CLLOSS_MSE, .workspace = true};

static const struct {
  const harness_case *c;
  const void *shape;
} cases[] = {
    {&xent_fused_case, &xents[0]},   {&xent_fused_case, &xents[1]},     {&xent_fused_case, &xents[2]},
    {&xent_fused_case, &xents[3]},   {&softmax_forward_case, &softmax}, {&softmax_backward_case, &softmax},
    {&distill_fused_case, &distill}, {&information_case, &information}, {&pointwise_fused_case, &pointwise}};

static clloss_ctx *ctx_of(uint32_t family, uint32_t local_size) {
  const clloss_ctx_options options = {
      .struct_size = sizeof options, .family = family, .local_size = local_size};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &options), CLLOSS_SUCCESS);
  return ctx;
}

/* Each case in a ctx of its own, which knows nothing yet of its kernels. */
static void check_right(const struct limit *limit, uint32_t family) {
  const harness_device device = {.context = f.context, .device = f.device, .queue = f.queue};
  layer->limit_local(limit->most, limit->own);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    clloss_ctx *ctx = ctx_of(family, 0);
    harness_result result = {0};
    if (ctx && !harness_check(&device, ctx, cases[i].c, cases[i].shape, 7, NULL, NULL, &result)) {
      char words[800];
      cases[i].c->describe(cases[i].c, cases[i].shape, words, sizeof words);
      check_fail(__FILE__, __LINE__);
      fprintf(stderr, "%s, family %s, %zu bytes of local memory less %zu\n", words,
              clloss_family_name(family), limit->most, limit->own);
      for (harness_check_kind k = 0; k < HARNESS_CHECKS; k++)
        if (result.count[k]) fprintf(stderr, "  %s\n", result.first[k]);
    }
    clloss_ctx_destroy(&ctx);
  }
  layer->limit_local(0, 0);
}

/* What the plan's items are after a call, which must be fewer than a device has that has enough. */
static void check_smaller(void) {
  const clloss_xent x = {.struct_size = sizeof x, .rows = 9, .classes = 1000};
  for (int limited = 0; limited < 2; limited++) {
    clloss_plan plan = {.struct_size = sizeof plan};
    problem p;
    layer->limit_local(limited ? 65536 : 0, limited ? 63136 : 0);
    clloss_ctx *ctx = ctx_of(CLLOSS_FAMILY_GROUP, 0);
    const bool open = ctx && problem_open(&p, f.queue, 9, 1000, CLLOSS_MEAN, 1);
    CHECK(open);
    if (open) {
      CHECK_STATUS(problem_run(&p, FUSED, ctx, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
      CHECK(problem_right(&p, FUSED, f.queue));
      CHECK_STATUS(clloss_xent_plan(ctx, &x, &plan), CLLOSS_SUCCESS);
      CHECK(limited ? plan.local_size <= 64 : plan.local_size > 64);
      problem_close(&p);
    }
    clloss_ctx_destroy(&ctx);
  }
  layer->limit_local(0, 0);
}

/* A workspace of just the bytes that the call's own views need suffices for the plan that it turns out to have: rows that can't
 * be walked along go in more work-groups, which leave more sums. */
static void check_workspace(void) {
  problem p;
  layer->limit_local(8192, 2000);
  clloss_ctx *ctx = ctx_of(CLLOSS_FAMILY_LANE, 0);
  const bool open = ctx && problem_open(&p, f.queue, 4000, 100, CLLOSS_MEAN, 1);
  CHECK(open);
  if (open) {
    CHECK(problem_own_workspace(&p, ctx));
    CHECK_STATUS(problem_run(&p, FUSED, ctx, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    if (*clloss_ctx_message(ctx)) fprintf(stderr, "%s\n", clloss_ctx_message(ctx));
    CHECK(problem_right(&p, FUSED, f.queue));
    problem_close(&p);
  }
  clloss_ctx_destroy(&ctx);
  layer->limit_local(0, 0);
}

/* Refused, and said of which kernel and of how much; nothing is enqueued. */
static void check_refused(size_t most, size_t own, uint32_t family, uint32_t local_size, const char *says) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  problem p;
  layer->limit_local(most, own);
  clloss_ctx *ctx = ctx_of(family, local_size);
  const bool open = ctx && problem_open(&p, f.queue, 9, 1000, CLLOSS_MEAN, 1);
  CHECK(open);
  if (open) {
    CHECK_STATUS(problem_run(&p, FUSED, ctx, f.queue, 0, NULL, NULL), CLLOSS_PLAN);
    const char *message = clloss_ctx_message(ctx);
    if (!strstr(message, "xent_") || !strstr(message, says)) {
      check_fail(__FILE__, __LINE__);
      fprintf(stderr, "\"%s\" doesn't name the kernel and \"%s\"\n", message, says);
    }
    CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
    CHECK_EQ(stats.kernels_enqueued, 0);
    problem_close(&p);
  }
  clloss_ctx_destroy(&ctx);
  layer->limit_local(0, 0);
}

int main(void) {
  layer = layer_open();
  if (!layer || !fixture_open(&f)) return 1;
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    check_right(&limits[i], CLLOSS_FAMILY_LANE);
    check_right(&limits[i], CLLOSS_FAMILY_GROUP);
  }
  check_right(&(struct limit){4096, 0}, CLLOSS_FAMILY_LANE);
  check_smaller();
  check_workspace();
  check_refused(111, 0, CLLOSS_FAMILY_LANE, 0, "and this device has 111");
  check_refused(111, 0, CLLOSS_FAMILY_GROUP, 0, "and this device has 111");
  check_refused(2400, 2400, CLLOSS_FAMILY_GROUP, 0, "and this device has 2400");
  check_refused(65536, 63136, CLLOSS_FAMILY_GROUP, 256, "options.local_size");
  fixture_close(&f);
  return check_done();
}
