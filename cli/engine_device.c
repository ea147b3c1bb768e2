/* An OpenCL device, through the public API. The logits of a batch are read from the file straight into the mapped
 * tensor, and the gradient is computed in their place, so that on a device which shares the host's memory there is
 * one copy of a batch and no other.
 *
 * Predictions and entropy are the f32 reference's, on the host, while the logits are mapped. */
#include "cli.h"
#include "devices.h"
#include "engine.h"

#include <clloss/clloss.h>
#include <clloss/clloss_ref.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct state {
  char *name;
  cl_context context;
  cl_command_queue queue;
  clloss_ctx *ctx;
  clloss_tensor *logits, *targets, *row_loss, *upstream; /* NULL until the first batch */
  float *mapped;                                         /* the logits, while the host has them */
  int64_t *host_targets;
  float *host_rows; /* row losses or upstream gradients on their way */
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

static void shut(engine *e) {
  state *s = e->state;
  if (s->mapped) clloss_tensor_unmap(s->logits, s->queue, 0, NULL, NULL);
  if (s->queue) clFinish(s->queue);
  clloss_tensor_destroy(&s->logits);
  clloss_tensor_destroy(&s->targets);
  clloss_tensor_destroy(&s->row_loss);
  clloss_tensor_destroy(&s->upstream);
  clloss_ctx_destroy(&s->ctx);
  if (s->queue) clReleaseCommandQueue(s->queue);
  if (s->context) clReleaseContext(s->context);
  free(s->host_targets);
  free(s->host_rows);
  free(s->name);
  free(s);
}

static clloss_status make_tensors(const engine_setup *setup, state *s) {
  size_t rows = setup->rows, upstream_rows = setup->request->upstream ? rows : 1;
  clloss_status status = clloss_tensor_create(&s->logits, s->ctx, CLLOSS_F32, rows, setup->classes);
  if (!status) status = clloss_tensor_create(&s->targets, s->ctx, CLLOSS_I64, rows, 1);
  if (!status) status = clloss_tensor_create(&s->row_loss, s->ctx, CLLOSS_F32, rows, 1);
  if (!status) status = clloss_tensor_create(&s->upstream, s->ctx, CLLOSS_F32, upstream_rows, 1);
  if (status) return status;
  s->host_targets = calloc(rows, sizeof *s->host_targets);
  s->host_rows = calloc(rows, sizeof *s->host_rows);
  return s->host_targets && s->host_rows ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

static bool map(engine *e) {
  state *s = e->state;
  void *host = NULL;
  if (s->mapped) return true;
  clloss_status status = clloss_tensor_map(s->logits, &host, s->queue, 0, NULL, NULL);
  if (status) return broken(e, "mapping the logits", status);
  s->mapped = host;
  return true;
}

static float *values(engine *e) {
  state *s = e->state;
  clloss_status status = s->logits ? CLLOSS_SUCCESS : make_tensors(&e->setup, s);
  if (status) {
    broken(e, "making room for a batch of rows", status);
    return NULL;
  }
  return map(e) ? s->mapped : NULL;
}

/* Tensors are transferred whole, hence by way of arrays of their full size. */
static clloss_status upload(const engine *e, const engine_batch *b) {
  state *s = e->state;
  memcpy(s->host_targets, b->targets, b->rows * sizeof *b->targets);
  if (b->upstream)
    memcpy(s->host_rows, b->upstream, b->rows * sizeof *b->upstream);
  else
    s->host_rows[0] = (float)e->setup.scale;
  clloss_status status = clloss_tensor_upload(s->targets, s->host_targets, s->queue, 0, NULL, NULL);
  return status ? status : clloss_tensor_upload(s->upstream, s->host_rows, s->queue, 0, NULL, NULL);
}

/* With reduction none, whatever the request's: mean and sum are scales of the gradient, the same for each batch. */
static clloss_status enqueue(const engine *e, const engine_batch *b) {
  const eval_request *request = e->setup.request;
  const state *s = e->state;
  clloss_xent xent = {.struct_size = sizeof xent, .rows = b->rows, .classes = e->setup.classes};
  clloss_xent_options options = {
      .struct_size = sizeof options, .reduction = CLLOSS_NONE, .flags = request->flags};
  options.ignore_index = request->ignore_index;
  xent.logits = clloss_tensor_view(s->logits);
  xent.targets = clloss_tensor_view(s->targets);
  xent.row_loss = clloss_tensor_view(s->row_loss);
  if (!request->grad) return clloss_xent_forward(s->ctx, &xent, &options, s->queue, 0, NULL, NULL);
  xent.grad = xent.logits;
  xent.grad_loss = clloss_tensor_view(s->upstream);
  if (!b->upstream) xent.grad_loss.flags = CLLOSS_BROADCAST;
  return clloss_xent_fused(s->ctx, &xent, &options, s->queue, 0, NULL, NULL);
}

static void predict(const engine *e, engine_batch *b) {
  clloss_ref_xent a = {.rows = b->rows, .classes = e->setup.classes, .targets = b->targets};
  a.logits = b->values;
  a.predicted = b->predicted;
  float *entropy = ((state *)e->state)->host_rows;
  a.entropy = entropy;
  clloss_ref_xent_f32(&a);
  for (size_t r = 0; r < b->rows; r++) b->entropy[r] = (double)entropy[r];
}

static bool run(engine *e, engine_batch *b) {
  state *s = e->state;
  predict(e, b);
  clloss_status status = clloss_tensor_unmap(s->logits, s->queue, 0, NULL, NULL);
  s->mapped = NULL;
  if (status) return broken(e, "unmapping the logits", status);
  status = upload(e, b);
  if (status) return broken(e, "uploading", status);
  status = enqueue(e, b);
  if (status) return broken(e, "softmax cross-entropy", status);
  status = clloss_tensor_download(s->row_loss, s->host_rows, s->queue, 0, NULL, NULL);
  if (status) return broken(e, "downloading the losses", status);
  for (size_t r = 0; r < b->rows; r++) b->row_loss[r] = (double)s->host_rows[r];
  b->values = NULL;
  if (!e->setup.request->grad) return true;
  if (!map(e)) return false;
  b->values = s->mapped;
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
  if (!choose(setup->request, &device)) return false;
  *e = (engine){.setup = *setup, .digits = 9, .state = calloc(1, sizeof(state))};
  if (!e->state) return out_of_memory();
  if (!start(e, device)) {
    shut(e);
    return false;
  }
  e->values = values, e->run = run, e->close = shut;
  return true;
}
