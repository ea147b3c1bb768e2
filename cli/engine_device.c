/* An OpenCL device, through the public API, which streams the arrays. */
#include "cli.h"
#include "devices.h"
#include "engine.h"
#include "progress.h"

#include <clloss/clloss.h>
#include <inttypes.h>
#include <stdlib.h>

/* What is resident at once: three parts of logits, of gradient and of probabilities, where those are f32 beside f16 so
 * many bytes 80 / 16. */
enum { PART_BYTES = 16 << 20 };

typedef struct state {
  char *name;
  cl_context context;
  clloss_ctx *ctx;
} state;

static bool broken(engine *e, const char *what, clloss_status status) {
  state *s = e->state;
  const char *words = s->ctx ? clloss_ctx_message(s->ctx) : "";
  fail(EXIT_FAILED, "device %s: %s: %s: %s", s->name, what, clloss_status_name(status),
       *words ? words : clloss_status_text(status));
  return false;
}

static void shut(engine *e) {
  state *s = e->state;
  clloss_ctx_destroy(&s->ctx);
  if (s->context) clReleaseContext(s->context);
  free(s->name);
  free(s);
}

/* Single results, as the device gives them. */
typedef struct singles {
  union {
    float f32[1 + CLLOSS_METRICS];
    double f64[1 + CLLOSS_METRICS];
  } real;
  int64_t counts[CLLOSS_COUNTS];
} singles;

static double single(const eval_data *d, const singles *s, size_t i) {
  return d->real == CLLOSS_F64 ? s->real.f64[i] : (double)s->real.f32[i];
}

static clloss_xent_arrays arrays_of(const engine_job *j, singles *s) {
  const eval_data *d = j->data;
  clloss_xent_arrays a = {.struct_size = sizeof a, .rows = d->rows, .classes = d->classes, .inner = d->inner};
  a.logits_dtype = d->dtype, a.targets_dtype = d->target_dtype;
  a.logits = d->arrays[IN_INPUT].items, a.targets = d->arrays[IN_TARGET].items;
  a.metrics = d->real == CLLOSS_F64 ? (void *)(s->real.f64 + 1) : (void *)(s->real.f32 + 1);
  a.counts = s->counts;
  a.part_bytes = PART_BYTES, a.progress = j->progress, a.user = j->user;
  return a;
}

/* The loss that was asked for. */
static clloss_status evaluate(engine *e, engine_job *j) {
  const eval_data *d = j->data;
  const eval_request *r = d->request;
  singles s = {.counts = {0}};
  clloss_xent_options options = {.struct_size = sizeof options, .reduction = r->reduction, .flags = r->flags};
  options.ignore_index = r->ignore_index, options.label_smoothing = r->label_smoothing;
  options.z_loss = r->z_loss, options.logit_scale = r->logit_scale, options.softcap = r->softcap;
  clloss_xent_arrays a = arrays_of(j, &s);
  a.class_weight = d->arrays[IN_WEIGHT].items, a.row_weight = d->arrays[IN_ROW_WEIGHT].items;
  a.loss = r->reduction == CLLOSS_NONE ? NULL : &s.real;
  a.row_loss = j->row_loss, a.grad = j->grad, a.grad_dtype = d->real;
  if (j->grad) a.grad_loss = d->arrays[IN_UPSTREAM].items;
  const clloss_status status = clloss_xent_host(((state *)e->state)->ctx, &a, &options);
  j->loss = single(d, &s, 0);
  for (size_t i = 0; i < CLLOSS_METRICS; i++) j->metrics[i] = single(d, &s, 1 + i);
  for (size_t i = 0; i < CLLOSS_COUNTS; i++) j->counts[i] = s.counts[i];
  return status;
}

/* The metrics of the loss without weights and smoothing. */
static clloss_status measure(engine *e, engine_job *j) {
  const eval_request *r = j->data->request;
  singles s = {.counts = {0}};
  clloss_xent_options options = {.struct_size = sizeof options, .reduction = CLLOSS_SUM};
  options.logit_scale = r->logit_scale, options.softcap = r->softcap;
  const clloss_xent_arrays a = arrays_of(j, &s);
  progress_begin("eval, plain", j->data->rows);
  const clloss_status status = clloss_xent_host(((state *)e->state)->ctx, &a, &options);
  for (size_t i = 0; i < CLLOSS_METRIC_DIVISOR; i++) j->metrics[i] = single(j->data, &s, 1 + i);
  return status;
}

static bool run(engine *e, engine_job *j) {
  clloss_status status = evaluate(e, j);
  if (!status && eval_data_measures_apart(j->data)) status = measure(e, j);
  return !status || broken(e, "softmax cross-entropy", status);
}

/* Takes the number from the request to a ctx. */
static bool start(engine *e, cl_device_id device) {
  state *s = e->state;
  cl_int status;
  char text[512] = "";
  clloss_ctx_options options = {
      .struct_size = sizeof options, .message = text, .message_size_bytes = sizeof text};
  e->name = s->name = device_name(device);
  if (!s->name) {
    fail(EXIT_FAILED, "out of memory");
    return false;
  }
  s->context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  if (!s->context) return broken(e, "no OpenCL context", status);
  status = clloss_ctx_create(&s->ctx, s->context, device, &options);
  if (!status) return true;
  return broken(e, *text ? text : "no ctx", status);
}

static bool choose(uint64_t number, cl_device_id *device) {
  device_list list;
  if (!devices_find(&list)) return false;
  bool found = number < list.n;
  if (found)
    *device = list.devices[number];
  else if (list.n)
    fail(EXIT_FAILED, "--device %" PRIu64 ": no such device; clloss devices lists them", number);
  else
    fail(EXIT_FAILED, "--device %" PRIu64 ": no OpenCL device found; --reference needs none", number);
  devices_free(&list);
  return found;
}

bool engine_open_device(engine *e, uint64_t number) {
  cl_device_id device;
  if (!choose(number, &device)) return false;
  *e = (engine){.state = calloc(1, sizeof(state)), .run = run, .close = shut};
  if (!e->state) {
    fail(EXIT_FAILED, "out of memory");
    return false;
  }
  if (start(e, device)) return true;
  shut(e);
  e->close = NULL;
  return false;
}
