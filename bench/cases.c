/* Softmax cross-entropy as it is trained with: f32 logits, i32 targets, the mean. Bound is what a training step binds:
 * forward keeps the row statistics for backward, fused has no use for them. */
#include "cases.h"

#include <clloss/clloss_ref.h>

#include <stdlib.h>
#include <string.h>

#define SEED 20240229u

const struct bench_case bench_cases[BENCH_CASES] = {
    {"xent_fused_inplace", "xent_fused", "loss and gradient in one call, the gradient over the logits",
     &xent_fused_case, 1},
    {"xent_fused_outofplace", "xent_fused", "loss and gradient in one call, the gradient elsewhere",
     &xent_fused_case, 0},
    {"xent_forward", "xent_forward", "loss and row statistics", &xent_forward_case, 0},
    {"xent_backward", "xent_backward", "gradient from the row statistics, elsewhere", &xent_backward_case, 0},
};

int case_has_grad(const struct bench_case *c) { return c->harness != &xent_forward_case; }

static xent_shape shape_of(const struct bench_case *c, const struct problem *p) {
  xent_shape s = {.rows = p->rows, .classes = p->classes, .without = XENT_NO_ROW_LOSS};
  s.in_place = c->inplace != 0;
  if (c->harness == &xent_fused_case) s.without |= XENT_NO_ROW_STATS;
  return s;
}

static clloss_view view(cl_mem mem, uint32_t dtype) { return (clloss_view){.mem = mem, .dtype = dtype}; }

static clloss_status call(const struct bench_case *c, const struct problem *p, const struct machine *m,
                          cl_mem logits, cl_mem grad) {
  xent_shape s = shape_of(c, p);
  clloss_view views[HARNESS_ARRAYS] = {0};
  views[XENT_LOGITS] = view(logits, CLLOSS_F32);
  views[XENT_TARGETS] = view(p->device_targets, CLLOSS_I32);
  if (c->harness != &xent_backward_case) views[XENT_LOSS] = view(p->loss, CLLOSS_F32);
  if (c->harness != &xent_fused_case) views[XENT_ROW_STATS] = view(p->row_stats, CLLOSS_F32);
  if (case_has_grad(c)) views[XENT_GRAD] = view(grad, CLLOSS_F32);
  return c->harness->call(c->harness, &s, p->ctx, views, m->queue, NULL);
}

clloss_status case_run(const struct bench_case *c, const struct problem *p, const struct machine *m,
                       cl_mem logits, cl_mem grad, double *ms) {
  clloss_status rc = clFinish(m->queue);
  if (rc != CL_SUCCESS) return rc;
  double start = clock_ms();
  rc = call(c, p, m, logits, grad);
  if (rc == CLLOSS_SUCCESS) rc = clFinish(m->queue);
  *ms = clock_ms() - start;
  return rc;
}

clloss_status case_prepare(const struct bench_case *c, const struct problem *p, const struct machine *m,
                           cl_mem logits) {
  static const struct bench_case forward = {.name = "xent_forward", .harness = &xent_forward_case};
  double ms;
  return c->harness == &xent_backward_case ? case_run(&forward, p, m, logits, NULL, &ms) : CLLOSS_SUCCESS;
}

double case_ideal_bytes(const struct bench_case *c, const struct problem *p) {
  xent_shape s = shape_of(c, p);
  return c->harness->ideal_bytes(c->harness, &s);
}

void case_reference(const struct bench_case *c, const struct problem *p, size_t first, size_t rows,
                    float *scratch, double *ms) {
  float loss, *row_loss = scratch + rows * p->classes, *row_stats = row_loss + rows;
  clloss_ref_xent ref = {.rows = rows, .classes = p->classes};
  ref.logits = p->logits + first * p->classes;
  ref.targets = p->targets + first;
  ref.loss = &loss;
  ref.row_loss = row_loss;
  ref.row_stats = row_stats;
  if (case_has_grad(c)) ref.grad = scratch;
  double start = clock_ms();
  clloss_ref_xent_f32(&ref);
  *ms = clock_ms() - start;
}

int case_plan(const struct bench_case *c, const struct problem *p, char *text, size_t size, char *why,
              size_t why_size) {
  xent_shape s = shape_of(c, p);
  clloss_plan plan = {.struct_size = sizeof plan};
  clloss_status rc = c->harness->plan(c->harness, &s, p->ctx, &plan);
  if (rc != CLLOSS_SUCCESS) {
    snprintf(why, why_size, "%s: %.150s", clloss_status_name(rc), clloss_ctx_message(p->ctx));
    return -1;
  }
  int at = snprintf(text, size, "%s/%u×%llu", plan.variant, plan.local_size,
                    (unsigned long long)plan.rows_per_group);
  if (plan.slices > 1 && at > 0 && (size_t)at < size)
    snprintf(text + at, size - (size_t)at, "/%llu", (unsigned long long)plan.slices);
  return 0;
}

int case_check(const struct bench_case *c, const struct problem *p, const struct machine *m, double *max_err,
               char *why, size_t why_size) {
  const harness_device device = {.context = m->context, .device = m->device, .queue = m->queue};
  xent_shape s = shape_of(c, p);
  harness_result *found = calloc(1, sizeof *found);
  if (!found) {
    snprintf(why, why_size, "out of memory");
    return -1;
  }
  bool clean = harness_check(&device, p->ctx, c->harness, &s, SEED, NULL, NULL, found);
  *max_err = found->max_err;
  for (int k = 0; k < HARNESS_CHECKS; k++) {
    if (clean || !found->count[k]) continue;
    snprintf(why, why_size, "%s (%s)", harness_check_text((harness_check_kind)k), found->first[k]);
    break;
  }
  free(found);
  return clean ? 0 : -1;
}

static cl_int upload(struct problem *p, const struct machine *m, int32_t *targets) {
  cl_int rc;
  p->device_targets = clCreateBuffer(m->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, 4 * p->rows,
                                     targets, &rc);
  if (rc == CL_SUCCESS) p->loss = clCreateBuffer(m->context, CL_MEM_READ_WRITE, 4, NULL, &rc);
  if (rc == CL_SUCCESS) p->row_stats = clCreateBuffer(m->context, CL_MEM_READ_WRITE, 8 * p->rows, NULL, &rc);
  return rc;
}

int problem_open(struct problem *p, const struct machine *m, uint32_t family, size_t rows, size_t classes,
                 char *why, size_t why_size) {
  const xent_shape s = {.rows = rows, .classes = classes};
  const clloss_ctx_options options = {
      .struct_size = sizeof options, .message = why, .message_size_bytes = why_size, .family = family};
  clloss_status rc = CL_OUT_OF_HOST_MEMORY;
  memset(p, 0, sizeof *p);
  p->rows = rows;
  p->classes = classes;
  p->logits = malloc(4 * rows * classes);
  p->targets = malloc(8 * rows);
  int32_t *targets = malloc(4 * rows);
  *why = 0;
  if (p->logits && p->targets && targets) {
    xent_fill_rows(&s, SEED, p->logits, targets);
    for (size_t r = 0; r < rows; r++) p->targets[r] = targets[r];
    rc = upload(p, m, targets);
  }
  free(targets);
  if (rc == CL_SUCCESS) rc = clloss_ctx_create(&p->ctx, m->context, m->device, &options);
  if (rc == CL_SUCCESS) return 0;
  if (!*why)
    snprintf(why, why_size, "can't allocate %zu rows of %zu classes: %s", rows, classes,
             clloss_status_name(rc));
  problem_close(p);
  return -1;
}

void problem_close(struct problem *p) {
  clloss_ctx_destroy(&p->ctx);
  if (p->device_targets) clReleaseMemObject(p->device_targets);
  if (p->loss) clReleaseMemObject(p->loss);
  if (p->row_stats) clReleaseMemObject(p->row_stats);
  free(p->logits);
  free(p->targets);
  memset(p, 0, sizeof *p);
}
