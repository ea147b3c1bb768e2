/* Softmax cross-entropy as it is trained with: f32 logits, i32 targets, the mean; then what may be had beyond that, each
 * in place: options together, probabilities for targets, logits of two bytes. Bound is what a training step binds:
 * forward keeps the row statistics for backward, fused has no use for them. */
#include "cases.h"

#include "peers.h"

#include <clloss/clloss_ref.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED      20240229u
#define SMOOTHING 0.1
#define IGNORED   (-100)

#define FUSED(id, name, about, inplace, kind, dtype) \
  { id, name, about, &xent_fused_case, inplace, kind, dtype }

const struct bench_case bench_cases[BENCH_CASES] = {
    FUSED("xent_fused_inplace", "xent_fused", "loss and gradient in one call, the gradient over the logits",
          1, CASE_PLAIN, CLLOSS_F32),
    FUSED("xent_fused_outofplace", "xent_fused", "loss and gradient in one call, the gradient elsewhere", 0,
          CASE_PLAIN, CLLOSS_F32),
    {"xent_forward", "xent_forward", "loss and row statistics", &xent_forward_case, 0, CASE_PLAIN,
     CLLOSS_F32},
    {"xent_backward", "xent_backward", "gradient from the row statistics, elsewhere", &xent_backward_case, 0,
     CASE_PLAIN, CLLOSS_F32},
    FUSED("xent_fused_options", "xent_fused_options",
          "fused in place with class weights, label smoothing and ignore_index", 1, CASE_OPTIONS, CLLOSS_F32),
    FUSED("xent_fused_probabilities", "xent_fused_probabilities",
          "fused in place with probabilities for targets, f32", 1, CASE_PROBABILITIES, CLLOSS_F32),
    FUSED("xent_fused_bf16", "xent_fused", "fused in place, logits and gradient stored in bf16", 1,
          CASE_PLAIN, CLLOSS_BF16),
    FUSED("xent_fused_f16", "xent_fused", "fused in place, logits and gradient stored in f16", 1, CASE_PLAIN,
          CLLOSS_F16),
};

/* Plain, and what goes beyond it, which has to do with half the size: most of a whole run's time is the checks, whose
 * reference takes 10 seconds for 256 MB. */
#define PLAIN    (1u << FUSED_INPLACE | 1u << FUSED | 1u << FORWARD | 1u << BF16)
#define BEYOND   (1u << BACKWARD | 1u << OPTIONS | 1u << PROBABILITIES | 1u << F16)
#define IN_PLACE (1u << FUSED_INPLACE)
#define MB       ((size_t)1 << 20)

/* torch.compile takes a quarter of a minute per shape: it is left out where only the sweep over rows needs it. */
#define QUICK_PEERS (1u << PEER_C_LOOP | 1u << PEER_NAIVE | 1u << PEER_EAGER)
#define TORCH_PEERS (1u << PEER_EAGER | 1u << PEER_COMPILED) /* the others know no class axis in the middle */

const struct bench_shape bench_shapes[] = {
    {SHAPE_TINY, 32, 10, 1, 0, IN_PLACE, 0},
    {SHAPE_LARGE, 1 << 20, 10, 1, 0, PLAIN | BEYOND, PEERS_ALL},
    {SHAPE_LARGE, 1 << 17, 100, 1, 0, PLAIN | BEYOND, PEERS_ALL},
    {SHAPE_LARGE, 0, 1000, 1, 256 * MB, PLAIN, PEERS_ALL},
    {SHAPE_LARGE, 0, 1000, 1, 128 * MB, BEYOND, 0},
    {SHAPE_LARGE, 0, 8192, 1, 128 * MB, IN_PLACE, PEERS_ALL},
    {SHAPE_LARGE, 0, 32768, 1, 256 * MB, PLAIN, PEERS_ALL},
    {SHAPE_LARGE, 0, 32768, 1, 128 * MB, BEYOND, 0},
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

size_t shape_rows(const struct bench_shape *s) {
  size_t rows = s->rows ? s->rows : s->size_bytes / (4 * s->classes);
  return rows > 0 ? rows : 1;
}

static int is_plain(const struct bench_case *c) { return c->kind == CASE_PLAIN && c->dtype == CLLOSS_F32; }

const struct bench_case *case_plain(const struct bench_case *c) {
  return is_plain(c) ? NULL : &bench_cases[0];
}

int case_has_grad(const struct bench_case *c) { return c->harness != &xent_forward_case; }

unsigned case_peers(const struct bench_case *c) {
  if (c->harness != &xent_fused_case || !c->inplace || c->kind != CASE_PLAIN) return 0;
  return c->dtype == CLLOSS_F32 ? PEERS_ALL : c->dtype == CLLOSS_BF16 ? TORCH_PEERS : 0;
}

size_t case_logit_bytes(const struct bench_case *c) { return c->dtype == CLLOSS_F32 ? 4 : 2; }

const char *case_dtype(const struct bench_case *c) {
  return c->dtype == CLLOSS_F32 ? "f32" : c->dtype == CLLOSS_F16 ? "f16" : "bf16";
}

/* The options of a case, for the call and for its check. */
static clloss_xent_options options_of(const struct bench_case *c) {
  clloss_xent_options o = {.struct_size = sizeof o};
  if (c->kind != CASE_OPTIONS) return o;
  o.label_smoothing = SMOOTHING;
  o.flags = CLLOSS_IGNORE_INDEX;
  o.ignore_index = IGNORED;
  return o;
}

static xent_shape shape_of(const struct bench_case *c, const struct problem *p) {
  xent_shape s = {.rows = p->rows, .classes = p->classes, .inner = p->inner, .dtype = c->dtype};
  s.without = XENT_NO_ROW_LOSS;
  s.in_place = c->inplace != 0;
  s.options = options_of(c);
  if (c->harness == &xent_fused_case) s.without |= XENT_NO_ROW_STATS;
  if (c->kind == CASE_OPTIONS) s.with = XENT_WITH_CLASS_WEIGHT;
  if (c->kind == CASE_PROBABILITIES) s.targets_dtype = CLLOSS_F32;
  return s;
}

static clloss_view view(cl_mem mem, uint32_t dtype) { return (clloss_view){.mem = mem, .dtype = dtype}; }

static clloss_status call(const struct bench_case *c, const struct problem *p, const struct machine *m,
                          cl_mem logits, cl_mem grad) {
  clloss_xent x = {.struct_size = sizeof x, .rows = p->rows, .classes = p->classes, .inner = p->inner};
  const clloss_xent_options o = options_of(c);
  x.logits = view(logits, c->dtype);
  x.targets = c->kind == CASE_PROBABILITIES ? view(p->device_probabilities, CLLOSS_F32)
                                            : view(p->device_targets, CLLOSS_I32);
  if (c->kind == CASE_OPTIONS) x.class_weight = view(p->device_class_weight, CLLOSS_F32);
  if (c->harness != &xent_backward_case) x.loss = view(p->loss, CLLOSS_F32);
  if (c->harness != &xent_fused_case) x.row_stats = view(p->row_stats, CLLOSS_F32);
  if (case_has_grad(c)) x.grad = view(grad, c->dtype);
  if (c->harness == &xent_forward_case) return clloss_xent_forward(p->ctx, &x, &o, m->queue, 0, NULL, NULL);
  if (c->harness == &xent_backward_case) return clloss_xent_backward(p->ctx, &x, &o, m->queue, 0, NULL, NULL);
  return clloss_xent_fused(p->ctx, &x, &o, m->queue, 0, NULL, NULL);
}

clloss_status case_run(const struct bench_case *c, const struct problem *p, const struct machine *m,
                       cl_mem logits, cl_mem grad, double *ms, double *call_ms) {
  clloss_status rc = clFinish(m->queue);
  if (rc != CL_SUCCESS) return rc;
  double start = clock_ms();
  rc = call(c, p, m, logits, grad);
  *call_ms = clock_ms() - start;
  if (rc == CLLOSS_SUCCESS) rc = clFinish(m->queue);
  *ms = clock_ms() - start;
  return rc;
}

clloss_status case_prepare(const struct bench_case *c, const struct problem *p, const struct machine *m,
                           cl_mem logits) {
  static const struct bench_case forward = {
      .name = "xent_forward", .harness = &xent_forward_case, .dtype = CLLOSS_F32};
  double ms, call_ms;
  if (c->harness != &xent_backward_case) return CLLOSS_SUCCESS;
  return case_run(&forward, p, m, logits, NULL, &ms, &call_ms);
}

double case_ideal_bytes(const struct bench_case *c, const struct problem *p) {
  xent_shape s = shape_of(c, p);
  return c->harness->ideal_bytes(c->harness, &s);
}

void case_reference(const struct bench_case *c, const struct problem *p, size_t first, size_t rows,
                    float *scratch, double *ms) {
  float loss, *row_loss = scratch + rows * p->classes, *row_stats = row_loss + rows;
  clloss_ref_xent ref = {.rows = rows, .classes = p->classes, .inner = p->inner};
  ref.logits = p->logits + first * p->classes;
  if (c->kind == CASE_PROBABILITIES)
    ref.probabilities = p->probabilities + first * p->classes;
  else
    ref.targets = p->targets + first;
  if (c->kind == CASE_OPTIONS) {
    ref.class_weight = p->class_weight;
    ref.label_smoothing = SMOOTHING;
    ref.flags = CLLOSS_IGNORE_INDEX;
    ref.ignore_index = IGNORED;
  }
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
  clloss_xent x = {.struct_size = sizeof x, .rows = p->rows, .classes = p->classes, .inner = p->inner};
  clloss_plan plan = {.struct_size = sizeof plan};
  x.logits.dtype = c->dtype;
  clloss_status rc = clloss_xent_plan(p->ctx, &x, &plan);
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
