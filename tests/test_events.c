/* Events: what a call waits for, and what its event covers. Runs under the test layer, which sees that nothing is left
 * over. What becomes of an event that fails: test_failed_events.c. */
#include "check.h"
#include "fixture.h"

enum { ROUNDS = 50, QUEUES = 2 };

static const layer_api *layer;
static fixture f;

/* The split family needs workspace for every shape, which brings the pool into play. */
static clloss_ctx *make_ctx(void) {
  const clloss_ctx_options split = {.struct_size = sizeof split, .family = CLLOSS_FAMILY_SPLIT, .slices = 2};
  clloss_ctx *ctx = NULL;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &split), CLLOSS_SUCCESS);
  return ctx;
}

static void release(cl_event *events, int n) {
  for (int i = 0; i < n; i++) {
    if (events[i]) clReleaseEvent(events[i]);
    events[i] = NULL;
  }
}

static cl_int state(cl_event event) {
  cl_int now = CL_QUEUED;
  CHECK_STATUS(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof now, &now, NULL), CL_SUCCESS);
  return now;
}

/* Chains of calls that depend on each other through events alone: new logits, forward, backward from forward's
 * row_stats, and the next round's logits only once backward has read the old ones. */
static void out_of_order_queue(void) {
  cl_command_queue queue = fixture_queue(&f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  clloss_ctx *ctx = make_ctx();
  problem p[2] = {{0}};
  bool open = queue && ctx && problem_open(&p[0], queue, 9, 700, CLLOSS_MEAN, 1) &&
              problem_open(&p[1], queue, 9, 700, CLLOSS_MEAN, 2);
  CHECK(open);
  for (int round = 0; open && round < ROUNDS; round++) {
    const problem *data = &p[round % 2];
    cl_event e[6] = {NULL};
    problem here = p[0]; /* the first one's buffers with this round's expected results */
    here.loss = data->loss, here.row_loss = data->row_loss, here.row_stats = data->row_stats,
    here.grad = data->grad;
    CHECK(problem_poison(&here, FUSED, queue));
    CHECK_STATUS(clEnqueueWriteBuffer(queue, here.mem[LOGITS], CL_FALSE, 0, here.bytes[LOGITS], data->logits,
                                      0, NULL, &e[0]),
                 CL_SUCCESS);
    CHECK_STATUS(clEnqueueWriteBuffer(queue, here.mem[TARGETS], CL_FALSE, 0, here.bytes[TARGETS],
                                      data->targets, 1, &e[0], &e[1]),
                 CL_SUCCESS);
    CHECK_STATUS(problem_run(&here, FORWARD, ctx, queue, 1, &e[1], &e[2]), CLLOSS_SUCCESS);
    CHECK_STATUS(problem_run(&here, BACKWARD, ctx, queue, 1, &e[2], &e[3]), CLLOSS_SUCCESS);
    CHECK_STATUS(
        clEnqueueCopyBuffer(queue, here.mem[GRAD], here.mem[LOGITS], 0, 0, here.bytes[GRAD], 1, &e[3], &e[4]),
        CL_SUCCESS);
    CHECK_STATUS(problem_run(&here, FUSED, ctx, queue, 1, &e[4], &e[5]), CLLOSS_SUCCESS);
    CHECK_STATUS(clWaitForEvents(1, &e[3]), CL_SUCCESS);
    CHECK_STATUS(clWaitForEvents(1, &e[5]), CL_SUCCESS);
    release(e, 6);
    /* The fused call saw the gradient as logits: small numbers, so every row's loss is close to log(700). */
    float loss = 0;
    CHECK_STATUS(clEnqueueReadBuffer(queue, here.mem[LOSS], CL_TRUE, 0, 4, &loss, 0, NULL, NULL), CL_SUCCESS);
    CHECK(loss > 6.5f && loss < 6.7f);
    CHECK_STATUS(clEnqueueWriteBuffer(queue, here.mem[LOGITS], CL_TRUE, 0, here.bytes[LOGITS], data->logits,
                                      0, NULL, NULL),
                 CL_SUCCESS);
    CHECK_STATUS(problem_run(&here, FORWARD, ctx, queue, 0, NULL, &e[0]), CLLOSS_SUCCESS);
    CHECK_STATUS(problem_run(&here, BACKWARD, ctx, queue, 1, &e[0], &e[1]), CLLOSS_SUCCESS);
    CHECK_STATUS(clWaitForEvents(1, &e[1]), CL_SUCCESS);
    release(e, 2);
    CHECK(problem_right(&here, FORWARD, queue));
    CHECK(problem_right(&here, BACKWARD, queue));
  }
  problem_close(&p[0]);
  problem_close(&p[1]);
  clloss_ctx_destroy(&ctx);
  if (queue) clReleaseCommandQueue(queue);
}

/* Two queues share a ctx and its pool with nothing between them: results stay right, which they wouldn't if one
 * queue's call got workspace that the other's still used, and the pool stays small. */
static void two_queues_on_one_ctx(void) {
  clloss_ctx *ctx = make_ctx();
  cl_command_queue queue[QUEUES] = {fixture_queue(&f, 0),
                                    fixture_queue(&f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)};
  problem p[QUEUES] = {{0}};
  clloss_xent x[QUEUES];
  size_t need = 0;
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  bool open = ctx && queue[0] && queue[1] && problem_open(&p[0], queue[0], 300, 64, CLLOSS_MEAN, 1) &&
              problem_open(&p[1], queue[1], 40, 900, CLLOSS_SUM, 2);
  CHECK(open);
  for (int round = 0; open && round < ROUNDS; round++) {
    cl_event done[QUEUES] = {NULL};
    for (int q = 0; q < QUEUES; q++) CHECK(problem_poison(&p[q], FUSED, queue[q]));
    for (int q = 0; q < QUEUES; q++) {
      CHECK_STATUS(problem_run(&p[q], FORWARD, ctx, queue[q], 0, NULL, &done[q]), CLLOSS_SUCCESS);
      CHECK_STATUS(clFlush(queue[q]), CL_SUCCESS);
    }
    for (int q = 0; q < QUEUES; q++)
      CHECK_STATUS(problem_run(&p[q], FUSED, ctx, queue[q], 1, &done[q], NULL), CLLOSS_SUCCESS);
    for (int q = 0; q < QUEUES; q++) {
      CHECK_STATUS(clFinish(queue[q]), CL_SUCCESS);
      CHECK(problem_right(&p[q], FUSED, queue[q]));
    }
    release(done, QUEUES);
  }
  if (open) {
    for (int q = 0; q < QUEUES; q++) {
      size_t bytes = 0;
      x[q] = problem_xent(&p[q], FUSED);
      CHECK_STATUS(clloss_xent_workspace(ctx, &x[q], &p[q].options, &bytes), CLLOSS_SUCCESS);
      if (bytes > need) need = bytes;
    }
    CHECK(need > 0);
    CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
    printf("two queues: %llu pool allocations, %llu bytes at most, a call needs up to %zu\n",
           (unsigned long long)stats.pool_allocations, (unsigned long long)stats.pool_peak_bytes, need);
    CHECK(stats.pool_allocations >= 1 && stats.pool_allocations <= 8);
    CHECK(stats.pool_peak_bytes <= 4 * (2 * need + (64 << 10)));
  }
  for (int q = 0; q < QUEUES; q++) {
    problem_close(&p[q]);
    if (queue[q]) clReleaseCommandQueue(queue[q]);
  }
  clloss_ctx_destroy(&ctx);
}

/* The inputs come only after the call was enqueued, from another queue, before the gate opens. Had any of the call's
 * kernels not waited, it would have read what was there before. */
static void wait_list_is_honoured(pass which, cl_command_queue_properties properties) {
  cl_int error;
  clloss_ctx *ctx = make_ctx();
  cl_command_queue queue = fixture_queue(&f, properties);
  cl_event gate = clCreateUserEvent(f.context, &error), done = NULL;
  const float wrong = 1e6f;
  problem p = {0};
  bool open = ctx && queue && gate && problem_open(&p, f.queue, 6, 50, CLLOSS_MEAN, 4);
  CHECK(open);
  if (open) {
    CHECK(problem_poison(&p, which, f.queue));
    CHECK_STATUS(clEnqueueFillBuffer(f.queue, p.mem[LOGITS], &wrong, 4, 0, p.bytes[LOGITS], 0, NULL, NULL),
                 0);
    CHECK_STATUS(clFinish(f.queue), CL_SUCCESS);
    CHECK_STATUS(problem_run(&p, which, ctx, queue, 1, &gate, &done), CLLOSS_SUCCESS);
    CHECK_STATUS(clFlush(queue), CL_SUCCESS);
    CHECK(problem_untouched(&p, which, f.queue));
    CHECK(done && state(done) > CL_COMPLETE);
    CHECK_STATUS(
        clEnqueueWriteBuffer(f.queue, p.mem[LOGITS], CL_TRUE, 0, p.bytes[LOGITS], p.logits, 0, NULL, NULL),
        0);
    CHECK_STATUS(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    if (done) CHECK_STATUS(clWaitForEvents(1, &done), CL_SUCCESS);
    CHECK(problem_right(&p, which, f.queue));
  }
  release(&done, 1);
  release(&gate, 1);
  problem_close(&p);
  clloss_ctx_destroy(&ctx);
  if (queue) clReleaseCommandQueue(queue);
}

/* Once the event is complete, another queue may read every output, and the event is of the queue that was given. */
static void event_covers_every_output(uint32_t reduction) {
  clloss_ctx *ctx = make_ctx();
  cl_command_queue queue = fixture_queue(&f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  problem p = {0};
  bool open = ctx && queue && problem_open(&p, f.queue, 500, 300, reduction, 5);
  CHECK(open);
  for (int i = 0; open && i < 4 * PASS_COUNT; i++) {
    pass which = (pass)(i % PASS_COUNT);
    cl_event done = NULL;
    cl_command_queue of = NULL;
    CHECK(problem_poison(&p, which, f.queue));
    CHECK_STATUS(problem_run(&p, which, ctx, queue, 0, NULL, &done), CLLOSS_SUCCESS);
    CHECK(done != NULL);
    if (!done) continue;
    CHECK_STATUS(clWaitForEvents(1, &done), CL_SUCCESS);
    CHECK(problem_right(&p, which, f.queue));
    CHECK_STATUS(clGetEventInfo(done, CL_EVENT_COMMAND_QUEUE, sizeof of, &of, NULL), CL_SUCCESS);
    CHECK(of == queue);
    release(&done, 1);
  }
  problem_close(&p);
  clloss_ctx_destroy(&ctx);
  if (queue) clReleaseCommandQueue(queue);
}

/* With zero rows the event still waits for the list, and the reduced output is written. */
static void zero_rows_wait_too(uint32_t family) {
  const clloss_ctx_options options = {.struct_size = sizeof options, .family = family};
  cl_int error;
  clloss_ctx *ctx = NULL;
  cl_event gate = clCreateUserEvent(f.context, &error), done = NULL;
  problem p = {0};
  bool open = gate && problem_open(&p, f.queue, 2, 3, CLLOSS_SUM, 6) &&
              !clloss_ctx_create(&ctx, f.context, f.device, &options);
  CHECK(open);
  if (open) {
    float loss = 1;
    clloss_xent x = problem_xent(&p, FUSED);
    cl_command_queue queue = fixture_queue(&f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    x.rows = 0;
    CHECK_STATUS(clloss_xent_fused(ctx, &x, &p.options, queue, 1, &gate, &done), CLLOSS_SUCCESS);
    CHECK(done && state(done) > CL_COMPLETE);
    CHECK_STATUS(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    if (done) CHECK_STATUS(clWaitForEvents(1, &done), CL_SUCCESS);
    CHECK_STATUS(clEnqueueReadBuffer(f.queue, p.mem[LOSS], CL_TRUE, 0, 4, &loss, 0, NULL, NULL), CL_SUCCESS);
    CHECK(loss == 0);
    release(&done, 1);
    x = problem_xent(&p, BACKWARD);
    x.rows = 0;
    CHECK_STATUS(clloss_xent_backward(ctx, &x, &p.options, queue, 0, NULL, &done), CLLOSS_SUCCESS);
    if (done) CHECK_STATUS(clWaitForEvents(1, &done), CL_SUCCESS);
    clReleaseCommandQueue(queue);
  }
  release(&done, 1);
  release(&gate, 1);
  problem_close(&p);
  clloss_ctx_destroy(&ctx);
}

static void leaves_nothing(const char *name, const int64_t before[LAYER_KIND_COUNT]) {
  CHECK_EQ(layer_grown(layer, before, name), 0);
}

int main(void) {
  int64_t before[LAYER_KIND_COUNT];
  const cl_command_queue_properties orders[] = {0, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE};
  layer = layer_open();
  if (!layer || !fixture_open(&f)) return 1;
  layer_snapshot(layer, before);
  out_of_order_queue();
  leaves_nothing("out_of_order_queue", before);
  two_queues_on_one_ctx();
  leaves_nothing("two_queues_on_one_ctx", before);
  for (int i = 0; i < 2; i++) {
    for (pass which = FORWARD; which < PASS_COUNT; which++) wait_list_is_honoured(which, orders[i]);
    leaves_nothing("wait_list_is_honoured", before);
  }
  for (uint32_t reduction = CLLOSS_MEAN; reduction <= CLLOSS_NONE; reduction++)
    event_covers_every_output(reduction);
  for (uint32_t family = CLLOSS_FAMILY_AUTO; family <= CLLOSS_FAMILY_SPLIT; family++)
    zero_rows_wait_too(family);
  leaves_nothing("zero_rows_wait_too", before);
  fixture_close(&f);
  return check_done();
}
