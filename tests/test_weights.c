/* A weight that is the same for each class, or for each row, changes neither a mean nor its gradient: it stands in the sum of
 * losses and in the divisor alike. Over a million rows of two classes, where a sum that loses something at each addition
 * shows, in f32 on the plans that clLoss may make (groups take half a minute on a CPU: the fuzzer has some).
 *
 * Allowed, in units of u = 2^-24, of the mean: a row's loss times its weight 2; the weight of a row, a product, 1; the sums of
 * both, compensated, 3 each beside 4 to join sixteen lanes, of which the divisor's are exact or nearly; a division 5: 18. Of a
 * gradient's entry: the divisor, 8; upstream, weights and the quotient, 8; the entry's own products, 4. Both for two results that are compared, without weights and with them. An entry is g (p − [c = t]) with
 * the same p in both; with smoothing it is a difference, of numbers that make up less than 2 / rows. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { ROWS = 1000003, CLASSES = 2, N = ROWS * CLASSES };

enum weighing { NONE, CLASS_WEIGHT, ROW_WEIGHT, ONE_ROW_WEIGHT, BOTH, WEIGHINGS };
static const char *const names[WEIGHINGS] = {"no weights", "a constant class weight", "a constant row weight",
                                             "a broadcast row weight", "constant class and row weights"};

typedef struct trial {
  const harness_device *device;
  clloss_ctx *ctx;
  cl_mem logits, targets, class_weight, row_weight, loss, grad;
  double label_smoothing;
} trial;

static cl_mem upload(const harness_device *device, size_t bytes, void *from) {
  const cl_mem_flags flags = CL_MEM_READ_WRITE | (from ? CL_MEM_COPY_HOST_PTR : 0);
  cl_mem mem = clCreateBuffer(device->context, flags, bytes, from, NULL);
  if (!mem) abort();
  return mem;
}

static void open_trial(trial *t, const harness_device *device, uint64_t *state) {
  float *x = malloc(N * sizeof *x), class_weight[CLASSES];
  int32_t *targets = malloc(ROWS * sizeof *targets);
  if (!x || !targets) abort();
  /* no power of 2, whose products are exact */
  const float weight = (float)(0.05 + 0.04 * harness_uniform(state));
  *t = (trial){.device = device};
  for (size_t i = 0; i < N; i++) x[i] = (float)(8 * harness_uniform(state) - 4);
  for (size_t i = 0; i < ROWS; i++) targets[i] = (int32_t)harness_pick(state, CLASSES);
  t->logits = upload(device, N * sizeof *x, x);
  t->targets = upload(device, ROWS * sizeof *targets, targets);
  for (size_t i = 0; i < ROWS; i++) x[i] = weight;
  for (size_t i = 0; i < CLASSES; i++) class_weight[i] = weight;
  t->class_weight = upload(device, sizeof class_weight, class_weight);
  t->row_weight = upload(device, ROWS * sizeof *x, x);
  t->loss = upload(device, sizeof(float), NULL);
  t->grad = upload(device, N * sizeof(float), NULL);
  free(x), free(targets);
}

static void close_trial(trial *t) {
  const cl_mem all[] = {t->logits, t->targets, t->class_weight, t->row_weight, t->loss, t->grad};
  for (size_t i = 0; i < COUNT(all); i++) clReleaseMemObject(all[i]);
}

/* The mean and its gradient. */
static bool run(const trial *t, enum weighing how, float *loss, float *grad) {
  const clloss_xent_options o = {.struct_size = sizeof o, .label_smoothing = t->label_smoothing};
  clloss_xent x = {.struct_size = sizeof x, .rows = ROWS, .classes = CLASSES};
  x.logits = (clloss_view){.mem = t->logits, .dtype = CLLOSS_F32};
  x.targets = (clloss_view){.mem = t->targets, .dtype = CLLOSS_I32};
  x.loss = (clloss_view){.mem = t->loss, .dtype = CLLOSS_F32};
  x.grad = (clloss_view){.mem = t->grad, .dtype = CLLOSS_F32};
  if (how == CLASS_WEIGHT || how == BOTH)
    x.class_weight = (clloss_view){.mem = t->class_weight, .dtype = CLLOSS_F32};
  if (how >= ROW_WEIGHT) x.row_weight = (clloss_view){.mem = t->row_weight, .dtype = CLLOSS_F32};
  if (how == ONE_ROW_WEIGHT) x.row_weight.flags = CLLOSS_BROADCAST;
  const clloss_status status = clloss_xent_fused(t->ctx, &x, &o, t->device->queue, 0, NULL, NULL);
  if (status != CLLOSS_SUCCESS) {
    fprintf(stderr, "%s: %s\n", clloss_status_name(status), clloss_ctx_message(t->ctx));
    return false;
  }
  return clEnqueueReadBuffer(t->device->queue, t->loss, CL_TRUE, 0, sizeof *loss, loss, 0, NULL, NULL) ==
             CL_SUCCESS &&
         clEnqueueReadBuffer(t->device->queue, t->grad, CL_TRUE, 0, N * sizeof *grad, grad, 0, NULL, NULL) ==
             CL_SUCCESS;
}

/* Whether the first is as near to the second as the rule allows; prints it where it isn't. */
static bool same_mean(const trial *t, enum weighing how, const float *loss, const float *grad) {
  const double u = 0x1p-24, of_loss = 2 * 18 * u, of_grad = 2 * 20 * u;
  double most = 0;
  for (size_t i = 0; i < N; i++) {
    const double size = t->label_smoothing == 0 ? fabs((double)grad[N + i]) : 2.0 / ROWS,
                 error = fabs((double)grad[i] - (double)grad[N + i]) / size;
    if (size > 0 && !(error <= most)) most = error;
  }
  const double error = fabs((double)loss[0] / (double)loss[1] - 1);
  if (error <= of_loss && most <= of_grad) return true;
  fprintf(stderr,
          "FAILED %s (smoothing %g) must not change a mean: loss %.9g, without it %.9g, off by %.3g, allowed "
          "%.3g; "
          "gradients are off by up to %.3g, allowed %.3g\n",
          names[how], t->label_smoothing, (double)loss[0], (double)loss[1], error, of_loss, most, of_grad);
  return false;
}

int main(int argc, char **argv) {
  static const harness_plan plans[] = {{0}, {CLLOSS_FAMILY_LANE, 0, 5000, 0}};
  static const double smoothings[] = {0, 0.25};
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  float *grad = malloc(2 * N * sizeof *grad), loss[2];
  if (!grad) return 2;
  for (size_t device = 0; device < h.n_devices; device++)
    for (size_t plan = 0; plan < COUNT(plans); plan++)
      for (size_t i = 0; i < COUNT(smoothings); i++) {
        uint64_t seed;
        trial t;
        clloss_ctx *ctx = harness_ctx(&h, device, &plans[plan]);
        if (!harness_next_of(&h, &plans[plan], N * 8.0, &seed) || !ctx) continue;
        open_trial(&t, &h.devices[device], &seed);
        t.ctx = ctx;
        t.label_smoothing = smoothings[i];
        bool right = run(&t, NONE, &loss[1], grad + N);
        for (enum weighing how = CLASS_WEIGHT; how < WEIGHINGS; how++)
          right = run(&t, how, &loss[0], grad) && same_mean(&t, how, loss, grad) && right;
        h.failed += !right;
        close_trial(&t);
      }
  free(grad);
  return harness_close(&h);
}
