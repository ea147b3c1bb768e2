/* An OpenCL device, through the public API. The logits of a batch are read from the file straight into the mapped
 * tensor, and where their type is the gradient's it is computed in their place, so that on a device which shares the
 * host's memory there is one copy of a batch and no other. */
#include "cli.h"
#include "devices.h"
#include "engine.h"

#include <clloss/clloss.h>
#include <inttypes.h>
#include <stdlib.h>

/* A tensor that the host has from time to time. */
typedef struct shared {
  clloss_tensor *tensor;
  void *mapped;
} shared;

/* Tensors are NULL until the first batch, and where they aren't needed. */
typedef struct state {
  char *name;
  cl_context context;
  cl_command_queue queue;
  clloss_ctx *ctx;
  shared logits, probabilities, grad; /* grad: NULL where it is computed in place */
  clloss_tensor *targets, *class_weight, *row_weight, *upstream, *row_loss, *row_stats, *loss, *metrics,
      *counts;
} state;

static bool broken(engine *e, const char *what, clloss_status status) {
  state *s = e->state;
  const char *words = s->ctx ? clloss_ctx_message(s->ctx) : "";
  fail(EXIT_FAILED, "device %s: %s: %s: %s", s->name, what, clloss_status_name(status),
       *words ? words : clloss_status_text(status));
  return false;
}

static bool out_of_memory(void) {
  fail(EXIT_FAILED, "out of memory");
  return false;
}

static void release(state *s, shared *one) {
  if (one->mapped) clloss_tensor_unmap(one->tensor, s->queue, 0, NULL, NULL);
  clloss_tensor_destroy(&one->tensor);
}

static void shut(engine *e) {
  state *s = e->state;
  clloss_tensor **tensors[] = {&s->targets,   &s->class_weight, &s->row_weight, &s->upstream, &s->row_loss,
                               &s->row_stats, &s->loss,         &s->metrics,    &s->counts};
  release(s, &s->logits);
  release(s, &s->probabilities);
  release(s, &s->grad);
  if (s->queue) clFinish(s->queue);
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) clloss_tensor_destroy(tensors[i]);
  clloss_ctx_destroy(&s->ctx);
  if (s->queue) clReleaseCommandQueue(s->queue);
  if (s->context) clReleaseContext(s->context);
  free(s->name);
  free(s);
}

static bool sums(const engine *e) {
  return e->setup.data->request->reduction != CLLOSS_NONE && !e->setup.whole;
}

static bool map(engine *e, shared *one, const char *what) {
  if (one->mapped) return true;
  clloss_status status = clloss_tensor_map(one->tensor, &one->mapped, ((state *)e->state)->queue, 0, NULL,
                                           NULL);
  return !status || broken(e, what, status);
}

static bool unmap(engine *e, shared *one) {
  if (!one->mapped) return true;
  clloss_status status = clloss_tensor_unmap(one->tensor, ((state *)e->state)->queue, 0, NULL, NULL);
  one->mapped = NULL;
  return !status || broken(e, "unmapping", status);
}

/* The class weights are the same for all batches, and so is the scale of a sum's gradient. */
static clloss_status upload_constants(const engine *e) {
  const eval_data *d = e->setup.data;
  const state *s = e->state;
  clloss_status status = CLLOSS_SUCCESS;
  if (d->class_weight)
    status = clloss_tensor_upload_as(s->class_weight, CLLOSS_F64, d->class_weight, s->queue, 0, NULL, NULL);
  if (!status && sums(e))
    status = clloss_tensor_upload_as(s->upstream, CLLOSS_F64, &e->setup.scale, s->queue, 0, NULL, NULL);
  return status;
}

static clloss_status make_tensors(const engine *e) {
  const eval_data *d = e->setup.data;
  const eval_request *r = d->request;
  state *s = e->state;
  const size_t rows = e->setup.rows, classes = d->classes;
  const struct {
    bool wanted;
    clloss_tensor **tensor;
    uint32_t dtype;
    size_t rows, classes;
  } all[] = {
      {true, &s->logits.tensor, d->dtype, rows, classes},
      {d->probabilities, &s->probabilities.tensor, d->real, rows, classes},
      {r->grad && d->dtype != d->real, &s->grad.tensor, d->real, rows, classes},
      {!d->probabilities, &s->targets, CLLOSS_I64, rows, 1},
      {d->class_weight, &s->class_weight, d->real, classes, 1},
      {r->row_weight, &s->row_weight, d->real, rows, 1},
      {r->upstream || sums(e), &s->upstream, d->real, r->upstream ? rows : 1, 1},
      {true, &s->row_loss, d->real, rows, 1},
      {true, &s->row_stats, d->real, rows, 2},
      {r->reduction != CLLOSS_NONE, &s->loss, d->real, 1, 1},
      {true, &s->metrics, d->real, CLLOSS_METRICS, 1},
      {true, &s->counts, CLLOSS_I64, CLLOSS_COUNTS, 1},
  };
  clloss_status status = CLLOSS_SUCCESS;
  for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
    if (all[i].wanted)
      status = clloss_tensor_create(all[i].tensor, s->ctx, all[i].dtype, all[i].rows, all[i].classes);
  return status ? status : upload_constants(e);
}

static void *logits(engine *e) {
  state *s = e->state;
  clloss_status status = s->logits.tensor ? CLLOSS_SUCCESS : make_tensors(e);
  if (status) broken(e, "making room for a batch of rows", status);
  return !status && map(e, &s->logits, "mapping the logits") ? s->logits.mapped : NULL;
}

static void *probabilities(engine *e) {
  state *s = e->state;
  return map(e, &s->probabilities, "mapping the probabilities") ? s->probabilities.mapped : NULL;
}

/* Tensors are transferred whole, whatever the batch has. */
static clloss_status upload(const engine *e, const engine_batch *b) {
  const state *s = e->state;
  const struct {
    clloss_tensor *tensor;
    uint32_t dtype;
    const void *host;
  } all[] = {{s->targets, CLLOSS_I64, b->targets},
             {s->upstream, CLLOSS_F64, b->upstream},
             {s->row_weight, CLLOSS_F64, b->row_weight}};
  clloss_status status = CLLOSS_SUCCESS;
  for (size_t i = 0; i < 3 && !status; i++)
    if (all[i].host)
      status = clloss_tensor_upload_as(all[i].tensor, all[i].dtype, all[i].host, s->queue, 0, NULL, NULL);
  return status;
}

static clloss_status download(const engine *e, engine_batch *b) {
  const state *s = e->state;
  const struct {
    const clloss_tensor *tensor;
    uint32_t dtype;
    void *host;
  } all[] = {{s->row_loss, CLLOSS_F64, b->row_loss},
             {s->row_stats, CLLOSS_F64, b->row_stats},
             {s->loss, CLLOSS_F64, s->loss ? &b->loss : NULL},
             {s->metrics, CLLOSS_F64, b->metrics},
             {s->counts, CLLOSS_I64, b->counts}};
  clloss_status status = CLLOSS_SUCCESS;
  for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
    if (all[i].host)
      status = clloss_tensor_download_as(all[i].tensor, all[i].dtype, all[i].host, s->queue, 0, NULL, NULL);
  return status;
}

/* The metrics of the loss without weights and smoothing. */
static clloss_status measure(const engine *e, const engine_batch *b) {
  const eval_data *d = e->setup.data;
  const state *s = e->state;
  clloss_xent_options options = {.struct_size = sizeof options, .reduction = CLLOSS_SUM};
  clloss_xent xent = {.struct_size = sizeof xent, .rows = b->rows, .classes = d->classes, .inner = b->inner};
  options.logit_scale = d->request->logit_scale, options.softcap = d->request->softcap;
  xent.logits = clloss_tensor_view(s->logits.tensor);
  xent.targets = clloss_tensor_view(s->probabilities.tensor);
  xent.metrics = clloss_tensor_view(s->metrics);
  return clloss_xent_forward(s->ctx, &xent, &options, s->queue, 0, NULL, NULL);
}

static clloss_status enqueue(const engine *e, const engine_batch *b) {
  const eval_data *d = e->setup.data;
  const eval_request *r = d->request;
  const state *s = e->state;
  const uint32_t reduction = sums(e) ? CLLOSS_SUM : r->reduction;
  clloss_xent_options options = {.struct_size = sizeof options, .reduction = reduction, .flags = r->flags};
  options.ignore_index = r->ignore_index, options.label_smoothing = r->label_smoothing;
  options.z_loss = e->setup.z_loss, options.logit_scale = r->logit_scale, options.softcap = r->softcap;
  clloss_xent xent = {.struct_size = sizeof xent, .rows = b->rows, .classes = d->classes, .inner = b->inner};
  xent.logits = clloss_tensor_view(s->logits.tensor);
  xent.targets = clloss_tensor_view(d->probabilities ? s->probabilities.tensor : s->targets);
  xent.class_weight = clloss_tensor_view(s->class_weight);
  xent.row_weight = clloss_tensor_view(s->row_weight);
  xent.loss = clloss_tensor_view(s->loss);
  xent.row_loss = clloss_tensor_view(s->row_loss);
  if (b->row_stats) xent.row_stats = clloss_tensor_view(s->row_stats);
  xent.metrics = clloss_tensor_view(s->metrics);
  xent.counts = clloss_tensor_view(s->counts);
  if (eval_data_measures_apart(d)) {
    const clloss_status status = measure(e, b);
    if (status) return status;
    xent.metrics.mem = NULL;
  }
  if (!r->grad) return clloss_xent_forward(s->ctx, &xent, &options, s->queue, 0, NULL, NULL);
  xent.grad = s->grad.tensor ? clloss_tensor_view(s->grad.tensor) : xent.logits;
  xent.grad_loss = clloss_tensor_view(s->upstream);
  return clloss_xent_fused(s->ctx, &xent, &options, s->queue, 0, NULL, NULL);
}

static bool run(engine *e, engine_batch *b) {
  state *s = e->state;
  if (!unmap(e, &s->logits) || !unmap(e, &s->probabilities) || !unmap(e, &s->grad)) return false;
  clloss_status status = upload(e, b);
  if (status) return broken(e, "uploading", status);
  status = enqueue(e, b);
  if (status) return broken(e, "softmax cross-entropy", status);
  status = download(e, b);
  if (status) return broken(e, "downloading the losses", status);
  b->grad = NULL;
  if (!e->setup.data->request->grad) return true;
  shared *grad = s->grad.tensor ? &s->grad : &s->logits;
  if (!map(e, grad, "mapping the gradient")) return false;
  b->grad = grad->mapped;
  return true;
}

/* Takes the number from the request to a ctx and an in-order queue. */
static bool start(engine *e, cl_device_id device) {
  state *s = e->state;
  cl_int status;
  char text[512] = "";
  clloss_ctx_options options = {
      .struct_size = sizeof options, .message = text, .message_size_bytes = sizeof text};
  s->name = device_name(device);
  if (!s->name) return out_of_memory();
  e->name = s->name;
  s->context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  if (!s->context) return broken(e, "no OpenCL context", status);
  s->queue = clCreateCommandQueue(s->context, device, 0, &status);
  if (!s->queue) return broken(e, "no command queue", status);
  status = clloss_ctx_create(&s->ctx, s->context, device, &options);
  if (!status) return true;
  return broken(e, *text ? text : "no ctx", status);
}

static bool choose(const eval_request *request, cl_device_id *device) {
  device_list list;
  if (!devices_find(&list)) return false;
  bool found = request->device < list.n;
  if (found)
    *device = list.devices[request->device];
  else if (list.n)
    fail(EXIT_FAILED, "--device %" PRIu64 ": no such device; clloss devices lists them", request->device);
  else
    fail(EXIT_FAILED, "--device %" PRIu64 ": no OpenCL device found; --reference needs none",
         request->device);
  devices_free(&list);
  return found;
}

bool engine_open_device(engine *e, const engine_setup *setup) {
  cl_device_id device;
  if (!choose(setup->data->request, &device)) return false;
  *e = (engine){.setup = *setup, .state = calloc(1, sizeof(state))};
  e->digits = setup->data->real == CLLOSS_F64 ? 17 : 9;
  if (!e->state) return out_of_memory();
  if (!start(e, device)) {
    shut(e);
    return false;
  }
  e->logits = logits, e->probabilities = probabilities, e->run = run, e->close = shut;
  return true;
}
