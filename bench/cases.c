/* The cases and the shapes, as tables; and the calls that both stand for, whatever the loss (losses.c). */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#define SEED 20240229u

/* torch.compile takes a quarter of a minute per shape: it is left out where only the sweep over rows needs it. */
#define QUICK_PEERS (1u << PEER_C_LOOP | 1u << PEER_NAIVE | 1u << PEER_EAGER)
#define TORCH_PEERS (1u << PEER_EAGER | 1u << PEER_COMPILED) /* the others know plain cross-entropy alone */

#define SCALE (1u << YARD_SCALE)
#define COPY  (1u << YARD_COPY)
#define READ  (1u << YARD_READ)
#define TRIAD (1u << YARD_TRIAD)
#define XENT  "cross_entropy"

const struct bench_case bench_cases[BENCH_CASES] = {
    {"xent_fused_inplace", "xent_fused", "loss and gradient in one call, the gradient over the logits",
     &xent_loss, &xent_fused_case, 1, CASE_PLAIN, CLLOSS_F32, SCALE, PEERS_ALL, XENT},
    {"xent_fused_outofplace", "xent_fused", "loss and gradient in one call, the gradient elsewhere",
     &xent_loss, &xent_fused_case, 0, CASE_PLAIN, CLLOSS_F32, COPY, 0, NULL},
    {"xent_forward", "xent_forward", "loss and row statistics", &xent_loss, &xent_forward_case, 0, CASE_PLAIN,
     CLLOSS_F32, READ, 0, NULL},
    {"xent_backward", "xent_backward", "gradient from the row statistics, elsewhere", &xent_loss,
     &xent_backward_case, 0, CASE_PLAIN, CLLOSS_F32, COPY, 0, NULL},
    {"xent_fused_options", "xent_fused_options",
     "fused in place with class weights, label smoothing and ignore_index", &xent_loss, &xent_fused_case, 1,
     CASE_OPTIONS, CLLOSS_F32, SCALE, 0, NULL},
    {"xent_fused_probabilities", "xent_fused_probabilities",
     "fused in place with probabilities for targets, f32", &xent_loss, &xent_fused_case, 1,
     CASE_PROBABILITIES, CLLOSS_F32, SCALE | READ, 0, NULL},
    {"xent_fused_certain", "xent_fused_certain",
     "fused in place where each row's target has nearly all of the softmax", &xent_loss, &xent_fused_case, 1,
     CASE_CERTAIN, CLLOSS_F32, SCALE, 0, NULL},
    {"xent_fused_labels", "xent_fused_labels", "fused in place with class indices kept in f32", &xent_loss,
     &xent_fused_case, 1, CASE_LABELS, CLLOSS_F32, SCALE, 0, NULL},
    {"xent_fused_bf16", "xent_fused", "fused in place, logits and gradient stored in bf16", &xent_loss,
     &xent_fused_case, 1, CASE_PLAIN, CLLOSS_BF16, SCALE, TORCH_PEERS, XENT},
    {"xent_bf16_forward", "xent_forward", "loss and row statistics of logits in bf16", &xent_loss,
     &xent_forward_case, 0, CASE_PLAIN, CLLOSS_BF16, READ, 0, NULL},
    {"xent_bf16_backward", "xent_backward",
     "gradient in bf16 from logits in bf16 and row statistics, elsewhere", &xent_loss, &xent_backward_case, 0,
     CASE_PLAIN, CLLOSS_BF16, COPY, 0, NULL},
    {"xent_fused_f16", "xent_fused", "fused in place, logits and gradient stored in f16", &xent_loss,
     &xent_fused_case, 1, CASE_PLAIN, CLLOSS_F16, SCALE, 0, NULL},
    {"mse", "mse_fused", "mean squared error, loss and gradient in one call, the gradient elsewhere",
     &pointwise_loss, &pointwise_fused_case, 0, CLLOSS_MSE, CLLOSS_F32, TRIAD, TORCH_PEERS, "mse_loss"},
    {"bce-logits", "bce_logits_fused", "the same of binary cross-entropy with logits", &pointwise_loss,
     &pointwise_fused_case, 0, CLLOSS_BCE_LOGITS, CLLOSS_F32, TRIAD, TORCH_PEERS,
     "binary_cross_entropy_with_logits"},
    {"distill", "distill_fused", "the same of distillation, student's and teacher's logits", &distill_loss,
     &distill_fused_case, 0, 0, CLLOSS_F32, TRIAD, 0, NULL},
    {"xent_divisor", "xent_divisor", "what the rows weigh, from the targets alone", &xent_loss,
     &xent_divisor_case, 0, CASE_PLAIN, CLLOSS_F32, READ, 0, NULL},
    {"cast_bf16", "cast_bf16", "f32 to bf16, by clloss_cast, elsewhere", &cast_loss, &cast_case, 0,
     CLLOSS_BF16, CLLOSS_F32, COPY, 0, NULL},
    {"cast_f16", "cast_f16", "f32 to f16, likewise", &cast_loss, &cast_case, 0, CLLOSS_F16, CLLOSS_F32, COPY,
     0, NULL},
};

/* Plain, and what goes beyond it, which has to do with half the size: most of a whole run's time is the checks, whose
 * reference takes 10 seconds for 256 MB. */
#define PLAIN (1u << FUSED_INPLACE | 1u << FUSED | 1u << FORWARD | 1u << BF16)
#define BEYOND \
  (1u << BACKWARD | 1u << OPTIONS | 1u << PROBABILITIES | 1u << CERTAIN | 1u << LABELS | 1u << F16)
#define IN_PLACE (1u << FUSED_INPLACE)
#define MB       ((size_t)1 << 20)

const struct bench_shape bench_shapes[] = {
    {SHAPE_TINY, 32, 10, 1, 0, IN_PLACE, 0},
    {SHAPE_LARGE, 1 << 25, 1, 1, 0, 1u << DIVISOR, 0},
    {SHAPE_LARGE, 1 << 20, 10, 1, 0, PLAIN | BEYOND, PEERS_ALL},
    {SHAPE_LARGE, 1 << 17, 100, 1, 0, PLAIN | BEYOND, PEERS_ALL},
    {SHAPE_LARGE, 0, 1000, 1, 256 * MB, PLAIN, PEERS_ALL},
    {SHAPE_LARGE, 0, 1000, 1, 128 * MB, BEYOND, 0},
    {SHAPE_LARGE, 0, 1024, 1, 128 * MB, ELEMENTWISE, TORCH_PEERS},
    {SHAPE_LARGE, 0, 8192, 1, 128 * MB, IN_PLACE, PEERS_ALL},
    {SHAPE_LARGE, 0, 32768, 1, 256 * MB, PLAIN, PEERS_ALL},
    {SHAPE_LARGE, 0, 32768, 1, 128 * MB, BEYOND | 1u << DISTILL, 0},
    {SHAPE_LARGE, 0, 131072, 1, 256 * MB, PLAIN, PEERS_ALL},
    {SHAPE_LARGE, 0, 131072, 1, 128 * MB, BEYOND, 0},
    {SHAPE_FEW_ROWS, 1, 131072, 1, 0, IN_PLACE, QUICK_PEERS},
    {SHAPE_FEW_ROWS, 2, 131072, 1, 0, IN_PLACE, QUICK_PEERS},
    {SHAPE_FEW_ROWS, 4, 131072, 1, 0, IN_PLACE, QUICK_PEERS},
    {SHAPE_FEW_ROWS, 8, 131072, 1, 0, IN_PLACE, QUICK_PEERS},
    {SHAPE_BETWEEN, 16, 131072, 1, 0, IN_PLACE, QUICK_PEERS},
    {SHAPE_BETWEEN, 64, 131072, 1, 0, IN_PLACE, QUICK_PEERS},
    {SHAPE_LARGE, 0, 262144, 1, 256 * MB, PLAIN, PEERS_ALL},
    {SHAPE_IMAGES, 8 * 512 * 512, 21, 512 * 512, 0, IN_PLACE, TORCH_PEERS},
};
const size_t n_bench_shapes = sizeof bench_shapes / sizeof *bench_shapes;

static int is_plain(const struct bench_case *c) { return c->kind == CASE_PLAIN && c->dtype == CLLOSS_F32; }

const struct bench_case *case_plain(const struct bench_case *c) {
  return c->loss != &xent_loss || !c->inplace || is_plain(c) ? NULL : &bench_cases[FUSED_INPLACE];
}

int case_needs_probabilities(const struct bench_case *c) {
  return c->loss == &xent_loss ? c->kind == CASE_PROBABILITIES : c->loss != &cast_loss;
}

int case_is_certain(const struct bench_case *c) { return c->loss == &xent_loss && c->kind == CASE_CERTAIN; }

int case_has_own_logits(const struct bench_case *c) { return case_logit_bytes(c) == 2 || case_is_certain(c); }

size_t case_logit_bytes(const struct bench_case *c) { return c->dtype == CLLOSS_F32 ? 4 : 2; }

const char *case_dtype(const struct bench_case *c) {
  return c->dtype == CLLOSS_F32 ? "f32" : c->dtype == CLLOSS_F16 ? "f16" : "bf16";
}

clloss_status case_run(const struct bench_case *c, const struct problem *p, const struct machine *m,
                       cl_mem logits, cl_mem grad, double *ms, double *call_ms) {
  clloss_view views[HARNESS_ARRAYS] = {{0}};
  union loss_shape shape;
  c->loss->shape(c, p, &shape);
  c->loss->bind(c, p, logits, grad, views);
  clloss_status rc = clFinish(m->queue);
  if (rc != CL_SUCCESS) return rc;
  double start = clock_ms();
  rc = c->harness->call(c->harness, &shape, p->ctx, views, m->queue, NULL);
  *call_ms = clock_ms() - start;
  if (rc == CLLOSS_SUCCESS) rc = clFinish(m->queue);
  *ms = clock_ms() - start;
  return rc;
}

clloss_status case_prepare(const struct bench_case *c, const struct problem *p, const struct machine *m,
                           cl_mem logits) {
  double ms, call_ms;
  if (c->harness != &xent_backward_case) return CLLOSS_SUCCESS;
  return case_run(&bench_cases[c->dtype == CLLOSS_F32 ? FORWARD : BF16_FORWARD], p, m, logits, NULL, &ms,
                  &call_ms);
}

size_t case_copy_floats(const struct bench_case *c, const struct problem *p) {
  const double bytes = c->loss == &cast_loss ? case_ideal_bytes(c, p) / 2
                                             : (double)(case_logit_bytes(c) * p->rows * p->classes);
  return bytes < 4 ? 1 : (size_t)(bytes / 4);
}

double case_ideal_bytes(const struct bench_case *c, const struct problem *p) {
  union loss_shape shape;
  c->loss->shape(c, p, &shape);
  return harness_ideal_bytes(c->harness, &shape);
}

void case_reference(const struct bench_case *c, const struct problem *p, size_t first, size_t rows,
                    float *scratch, double *ms) {
  const double start = clock_ms();
  c->loss->reference(c, p, first, rows, scratch);
  *ms = clock_ms() - start;
}

int case_plan(const struct bench_case *c, const struct problem *p, char *text, size_t size, char *why,
              size_t why_size) {
  union loss_shape shape;
  clloss_plan plan = {.struct_size = sizeof plan};
  c->loss->shape(c, p, &shape);
  clloss_status rc = c->harness->plan(c->harness, &shape, p->ctx, &plan);
  if (rc != CLLOSS_SUCCESS) {
    snprintf(why, why_size, "%s: %.150s", clloss_status_name(rc), clloss_ctx_message(p->ctx));
    return -1;
  }
  *text = 0;
  if (!plan.variant[0]) return 0;
  int at = snprintf(text, size, "%s/%u×%llu", plan.variant, plan.local_size,
                    (unsigned long long)plan.rows_per_group);
  if (plan.slices > 1 && at > 0 && (size_t)at < size)
    snprintf(text + at, size - (size_t)at, "/%llu", (unsigned long long)plan.slices);
  return 0;
}

int case_check(const struct bench_case *c, const struct problem *p, const struct machine *m, double *max_err,
               char *why, size_t why_size) {
  const harness_device device = {.context = m->context, .device = m->device, .queue = m->queue};
  union loss_shape shape;
  harness_result *found = calloc(1, sizeof *found);
  if (!found) {
    snprintf(why, why_size, "out of memory");
    return -1;
  }
  c->loss->shape(c, p, &shape);
  bool clean = harness_check(&device, p->ctx, c->harness, &shape, SEED, NULL, NULL, found);
  *max_err = found->max_err;
  for (int k = 0; k < HARNESS_CHECKS; k++) {
    if (clean || !found->count[k]) continue;
    snprintf(why, why_size, "%s (%s)", harness_check_text((harness_check_kind)k), found->first[k]);
    break;
  }
  free(found);
  return clean ? 0 : -1;
}
