/* A part of an elementwise loss on a device. Parts are copied into tensors, which last from one part to the next of the same
 * size. */
#include "engine_device.h"

#include <clloss/clloss_pointwise.h>

void device_free_elements(device_elements *t) {
  clloss_tensor **const all[] = {&t->input,    &t->target, &t->weight, &t->pos_weight,
                                 &t->upstream, &t->loss,   &t->grad,   &t->counts};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) clloss_tensor_destroy(all[i]);
}

static clloss_status make(device *s, const elements_part *p) {
  const eval_data *d = p->data;
  device_elements *t = &s->elements;
  const struct {
    bool wanted;
    clloss_tensor **tensor;
    uint32_t dtype;
    size_t rows, classes;
  } all[] = {
      {true, &t->input, d->dtype, p->rows, p->classes},
      {true, &t->target, d->target_dtype, p->rows, p->classes},
      {p->weight, &t->weight, d->real, p->rows, p->classes},
      {p->pos_weight, &t->pos_weight, d->real, p->classes, 1},
      {p->upstream, &t->upstream, d->real, p->upstream_repeats ? 1 : p->rows,
       p->upstream_repeats ? 1 : p->classes},
      {true, &t->loss, d->real, p->rows, p->classes},
      {p->grad, &t->grad, d->real, p->rows, p->classes},
      {true, &t->counts, CLLOSS_I64, CLLOSS_POINTWISE_COUNTS, 1},
  };
  clloss_status status = CLLOSS_SUCCESS;
  if (t->rows == p->rows && t->classes == p->classes) return CLLOSS_SUCCESS;
  device_free_elements(t);
  t->rows = p->rows, t->classes = p->classes;
  for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
    if (all[i].wanted)
      status = clloss_tensor_create(all[i].tensor, s->ctx, all[i].dtype, all[i].rows, all[i].classes);
  return status;
}

static clloss_status upload(device *s, const elements_part *p) {
  const device_elements *t = &s->elements;
  const struct {
    clloss_tensor *tensor;
    const void *host;
  } all[] = {{t->input, p->input},
             {t->target, p->target},
             {t->weight, p->weight},
             {t->pos_weight, p->pos_weight},
             {t->upstream, p->upstream}};
  clloss_status status = CLLOSS_SUCCESS;
  for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
    if (all[i].tensor) status = clloss_tensor_upload(all[i].tensor, all[i].host, s->queue, 0, NULL, NULL);
  return status;
}

static clloss_status enqueue(device *s, const elements_part *p) {
  const eval_request *r = p->data->request;
  const device_elements *t = &s->elements;
  clloss_pointwise_options options = {
      .struct_size = sizeof options, .reduction = CLLOSS_NONE, .flags = r->flags};
  options.delta = r->delta, options.gamma = r->gamma, options.alpha = r->alpha, options.clip = r->clip;
  clloss_pointwise call = {
      .struct_size = sizeof call, .rows = p->rows, .classes = p->classes, .kind = r->kind};
  call.input = clloss_tensor_view(t->input), call.target = clloss_tensor_view(t->target);
  call.weight = clloss_tensor_view(t->weight), call.pos_weight = clloss_tensor_view(t->pos_weight);
  call.element_loss = clloss_tensor_view(t->loss), call.counts = clloss_tensor_view(t->counts);
  if (!p->grad) return clloss_pointwise_forward(s->ctx, &call, &options, s->queue, 0, NULL, NULL);
  call.grad = clloss_tensor_view(t->grad), call.grad_loss = clloss_tensor_view(t->upstream);
  if (p->upstream_repeats) call.grad_loss.flags = CLLOSS_BROADCAST;
  return clloss_pointwise_fused(s->ctx, &call, &options, s->queue, 0, NULL, NULL);
}

static clloss_status download(device *s, elements_part *p) {
  const device_elements *t = &s->elements;
  int64_t counts[CLLOSS_POINTWISE_COUNTS] = {0};
  clloss_status status = clloss_tensor_download(t->loss, p->loss, s->queue, 0, NULL, NULL);
  if (!status) status = clloss_tensor_download(t->counts, counts, s->queue, 0, NULL, NULL);
  if (!status && p->grad) status = clloss_tensor_download(t->grad, p->grad, s->queue, 0, NULL, NULL);
  p->faults = counts[CLLOSS_COUNT_FAULTS];
  if (!status) p->sum = eval_sum(p->data->real, p->loss, p->rows * p->classes);
  return status;
}

bool device_run_elements(engine *e, elements_part *p) {
  device *s = e->state;
  clloss_status status = make(s, p);
  if (!status) status = upload(s, p);
  if (!status) status = enqueue(s, p);
  if (!status) status = download(s, p);
  return !status || device_broken(e, clloss_pointwise_name(p->data->request->kind), status);
}
