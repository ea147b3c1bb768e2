/* A device without cl_khr_fp64: calls on f64 logits are refused by their own status, and others don't notice. The
 * machine's device may have doubles, so the ctx is told otherwise. */
#include "check.h"
#include "runtime/ctx.h"
#include "fixture.h"

static void refused(clloss_ctx *ctx, const fixture *f, const problem *p, cl_mem logits, cl_mem result) {
  const uint64_t before = ctx->kernels_enqueued;
  for (pass which = FORWARD; which < PASS_COUNT; which++) {
    clloss_xent x = problem_xent(p, which);
    cl_event done = NULL;
    x.logits = (clloss_view){.mem = logits, .dtype = CLLOSS_F64};
    if (which != FORWARD) x.grad = x.logits;
    x.loss = x.row_loss = x.grad_loss = (clloss_view){0};
    x.row_stats = (clloss_view){.mem = result, .dtype = CLLOSS_F64};
    CHECK_STATUS(run_pass(which, ctx, &x, &p->options, f->queue, 0, NULL, &done), CLLOSS_DEVICE);
    CHECK(strstr(clloss_ctx_message(ctx), "xent.logits.dtype") != NULL);
    CHECK(strstr(clloss_ctx_message(ctx), "cl_khr_fp64") != NULL);
    CHECK(!done);
  }
  const clloss_xent wide = {
      .struct_size = sizeof wide, .rows = 1, .classes = 2, .logits = {.dtype = CLLOSS_F64}};
  const clloss_call call = {.call = CLLOSS_CALL_XENT_FORWARD, .arrays = &wide};
  CHECK_STATUS(clloss_ctx_prebuild(ctx, &call, 1), CLLOSS_DEVICE);
  CHECK(strstr(clloss_ctx_message(ctx), "cl_khr_fp64") != NULL);
  CHECK_EQ(ctx->kernels_enqueued, before);
}

int main(void) {
  fixture f;
  clloss_ctx *ctx = NULL;
  problem p = {0};
  cl_int error = CL_SUCCESS;
  if (!fixture_open(&f)) return 1;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, NULL), CLLOSS_SUCCESS);
  cl_mem logits = clCreateBuffer(f.context, CL_MEM_READ_WRITE, 4096, NULL, &error);
  CHECK_STATUS(error, CL_SUCCESS);
  cl_mem result = clCreateBuffer(f.context, CL_MEM_READ_WRITE, 4096, NULL, &error);
  CHECK_STATUS(error, CL_SUCCESS);
  const bool open = ctx && logits && result && problem_open(&p, f.queue, 4, 6, CLLOSS_MEAN, 3);
  CHECK(open);
  if (open) {
    ctx->planner.facts.f64 = false;
    refused(ctx, &f, &p, logits, result);
    CHECK_STATUS(problem_run(&p, FUSED, ctx, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK(problem_right(&p, FUSED, f.queue));
  }
  problem_close(&p);
  if (logits) clReleaseMemObject(logits);
  if (result) clReleaseMemObject(result);
  clloss_ctx_destroy(&ctx);
  fixture_close(&f);
  return check_done();
}
