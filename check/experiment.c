/* Runs a case: fill, reference, buffers with guards and poison, two calls. compare.c judges what came out. */
#include "experiment.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64 }; /* elements: four vectors of the widest kind */

void harness_fire(experiment *e, harness_check_kind kind, const char *format, ...) {
  harness_result *r = e->result;
  r->wrong |= 1u << e->c->pass;
  if (r->count[kind]++ == 0) {
    char *to = r->first[kind];
    const size_t size = sizeof r->first[kind];
    int at = snprintf(to, size, "%s: ", e->c->name);
    va_list list;
    va_start(list, format);
    if (at >= 0 && (size_t)at < size) vsnprintf(to + at, size - (size_t)at, format, list);
    va_end(list);
  }
}

static bool failed(experiment *e, clloss_status status, const char *doing) {
  if (status == CLLOSS_SUCCESS) return false;
  harness_fire(e, HARNESS_STATUS, "%s: %s", doing, clloss_status_name(status));
  return true;
}

/* ---- layout ---- */

/* Whether the memory holds data before the call. */
static bool has_data(const layout *l) {
  return l->array.role == HARNESS_INPUT || l->array.role == HARNESS_UPDATED;
}

static void lay_out(experiment *e, const harness_array arrays[HARNESS_ARRAYS]) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    layout *l = &e->layouts[i];
    const harness_array *a = &arrays[i];
    l->array = *a;
    l->memory = a->in_place ? (int)(a->in_place - arrays) : i;
    if (a->role == HARNESS_UNBOUND) continue;
    l->element_bytes = harness_bytes(a->dtype);
    l->inner = a->inner ? a->inner : 1;
    l->step = a->class_stride ? a->class_stride : l->inner;
    const size_t width = (a->columns ? a->columns - 1 : 0) * l->step + l->inner;
    l->pitch = a->row_stride ? a->row_stride : width;
    l->first = GUARD + a->offset;
    l->last = l->first + (a->rows ? (a->rows / l->inner - 1) * l->pitch + width : 0);
    l->total = l->last + GUARD;
  }
}

/* Elements that no call has business with: NaN, or a target that no class has. */
static void blank_input(const layout *l, unsigned char *buffer) {
  const uint32_t dtype = l->array.dtype;
  const double blank = dtype == CLLOSS_I64   ? (double)INT64_MIN
                       : dtype == CLLOSS_I32 ? (double)INT32_MIN
                       : dtype == CLLOSS_U16 ? UINT16_MAX
                       : dtype == CLLOSS_U8  ? UINT8_MAX
                                             : (double)NAN;
  for (size_t i = 0; i < l->total; i++) harness_put(dtype, buffer, i, blank);
}

/* Once a large finite number, once a NaN: whatever is right, one of them is wrong. */
static void poison(const layout *l, unsigned char *buffer, int run) {
  const uint32_t bits = run == 0 ? 0x5a5a5a5au : 0x7fc0deadu;
  for (size_t i = 0; i < l->total * l->element_bytes; i++) buffer[i] = (unsigned char)(bits >> 8 * (i % 4));
}

static void place_data(experiment *e, int i, int run) {
  layout *l = &e->layouts[i];
  const size_t size = l->element_bytes, columns = l->array.columns;
  blank_input(l, l->sent[run]);
  for (size_t k = 0; k < l->array.rows * columns; k++)
    memcpy(layout_at(l, l->sent[run], k / columns, k % columns), (const char *)e->data.data[i] + k * size,
           size);
}

static bool make_images(experiment *e) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    layout *l = &e->layouts[i];
    if (l->array.role == HARNESS_UNBOUND || l->memory != i) continue;
    l->owned = calloc(l->total, 1);
    if (!l->owned) return !failed(e, CL_OUT_OF_HOST_MEMORY, "making the buffers' images");
    for (size_t row = 0; row < l->array.rows; row++)
      for (size_t c = 0; c < l->array.columns; c++) l->owned[layout_index(l, row, c)] = 1;
    for (int run = 0; run < RUNS; run++) {
      l->sent[run] = malloc(l->total * l->element_bytes);
      l->got[run] = malloc(l->total * l->element_bytes);
      if (!l->sent[run] || !l->got[run])
        return !failed(e, CL_OUT_OF_HOST_MEMORY, "making the buffers' images");
      if (has_data(l))
        place_data(e, i, run);
      else
        poison(l, l->sent[run], run);
    }
  }
  return true;
}

/* ---- data ---- */

static bool make_data(experiment *e, uint64_t seed, const harness_outputs *given) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const layout *l = &e->layouts[i];
    const size_t n = l->array.rows * l->array.columns;
    if (has_data(l)) {
      e->data.data[i] = malloc(n * l->element_bytes + 1);
      if (!e->data.data[i]) return !failed(e, CL_OUT_OF_HOST_MEMORY, "making the inputs");
    }
    if (is_output(&l->array)) {
      e->data.truth[i] = malloc((n + 1) * sizeof(double));
      e->data.plain[i] = malloc((n + 1) * sizeof(double));
      if (!e->data.truth[i] || !e->data.plain[i])
        return !failed(e, CL_OUT_OF_HOST_MEMORY, "making room for the reference");
    }
  }
  if (failed(e, e->c->fill(e->c, e->shape, seed, &e->data), "fill")) return false;
  for (int i = 0; given && i < HARNESS_ARRAYS; i++)
    if (given->data[i] && e->layouts[i].array.role == HARNESS_INPUT)
      memcpy(e->data.data[i], given->data[i], given->count[i] * e->layouts[i].element_bytes);
  return !failed(e, e->c->reference(e->c, e->shape, &e->data), "reference");
}

static void free_all(experiment *e, cl_context context) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    layout *l = &e->layouts[i];
    if (l->memory == i) memory_free(&l->place, context);
    free(l->owned);
    for (int run = 0; run < RUNS; run++) {
      free(l->sent[run]);
      free(l->got[run]);
    }
    free(e->data.data[i]);
    free(e->data.truth[i]);
    free(e->data.plain[i]);
  }
  free(e->data.notes);
}

/* ---- the device ---- */

static bool make_buffers(experiment *e, const harness_device *device) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    layout *l = &e->layouts[i];
    if (l->array.role == HARNESS_UNBOUND || l->memory != i) continue;
    const cl_mem_flags flags = l->array.role == HARNESS_INPUT ? CL_MEM_READ_ONLY : CL_MEM_READ_WRITE;
    bool shared = false;
    for (int j = 0; j < HARNESS_ARRAYS; j++) shared |= j != i && e->layouts[j].memory == i;
    const cl_int error = memory_make(&l->place, device->memory, device->context, device->device,
                                     shared ? CL_MEM_READ_WRITE : flags, l->total * l->element_bytes);
    if (failed(e, error, memory_name(device->memory))) return false;
  }
  for (int i = 0; i < HARNESS_ARRAYS; i++) e->layouts[i].place = e->layouts[e->layouts[i].memory].place;
  return true;
}

static cl_int transfer(experiment *e, const harness_device *device, int run, bool to_device) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    layout *l = &e->layouts[i];
    if (l->array.role == HARNESS_UNBOUND || l->memory != i) continue;
    const cl_int error = to_device ? memory_write(&l->place, device->queue, l->sent[run])
                                   : memory_read(&l->place, device->queue, l->got[run]);
    if (error != CL_SUCCESS) return error;
  }
  return CL_SUCCESS;
}

/* A view without a buffer is not bound, whatever else stands in it. */
static clloss_view unbound(const harness_device *device, int array) {
  uint64_t state = device->stray + (uint64_t)array;
  if (!device->stray) return (clloss_view){0};
  return (clloss_view){.offset = (size_t)(harness_random(&state) >> harness_pick(&state, 64)),
                       .row_stride = (size_t)(harness_random(&state) >> harness_pick(&state, 64)),
                       .class_stride = (size_t)(harness_random(&state) >> harness_pick(&state, 64)),
                       .dtype = (uint32_t)harness_pick(&state, 12),
                       .flags = (uint32_t)harness_pick(&state, 16)};
}

static bool run_once(experiment *e, const harness_device *device, clloss_ctx *ctx, int run) {
  clloss_view views[HARNESS_ARRAYS];
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const layout *l = &e->layouts[i];
    views[i] = unbound(device, i);
    if (l->array.role == HARNESS_UNBOUND) continue;
    views[i] = (clloss_view){.mem = l->place.mem,
                             .pointer = l->place.pointer,
                             .offset = l->first,
                             .row_stride = l->array.row_stride,
                             .class_stride = l->array.class_stride,
                             .dtype = l->array.dtype,
                             .flags = l->array.flags};
  }
  if (failed(e, transfer(e, device, run, true), "writing the buffers")) return false;
  cl_event done = NULL;
  const clloss_status status = e->c->call(e->c, e->shape, ctx, views, device->queue, &done);
  if (status != CLLOSS_SUCCESS) {
    harness_fire(e, HARNESS_STATUS, "%s: %.900s", clloss_status_name(status), clloss_ctx_message(ctx));
    return false;
  }
  if (!done) {
    harness_fire(e, HARNESS_STATUS, "no event came back");
    return false;
  }
  const cl_int waited = clWaitForEvents(1, &done);
  clReleaseEvent(done);
  return !failed(e, waited, "waiting for the call") &&
         !failed(e, transfer(e, device, run, false), "reading the buffers");
}

static bool keep_outputs(experiment *e, harness_outputs *kept) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const layout *l = &e->layouts[i];
    const size_t size = l->element_bytes, columns = l->array.columns;
    if (!is_output(&l->array)) continue;
    kept->count[i] = l->array.rows * columns;
    kept->dtype[i] = l->array.dtype;
    kept->data[i] = malloc(kept->count[i] * size + 1);
    if (!kept->data[i]) return !failed(e, CL_OUT_OF_HOST_MEMORY, "keeping the outputs");
    for (size_t k = 0; k < kept->count[i]; k++)
      memcpy((char *)kept->data[i] + k * size,
             layout_at(l, e->layouts[l->memory].got[0], k / columns, k % columns), size);
  }
  return true;
}

/* ---- the whole ---- */

static bool same_rows(const harness_array *a, const harness_array *b) {
  return a->dtype == b->dtype && a->rows == b->rows && a->columns == b->columns && a->inner == b->inner &&
         a->offset == b->offset && a->row_stride == b->row_stride && a->class_stride == b->class_stride;
}

static bool prepare(experiment *e, clloss_ctx *ctx, uint64_t seed, const harness_outputs *given) {
  harness_array arrays[HARNESS_ARRAYS];
  memset(arrays, 0, sizeof arrays);
  if (failed(e, e->c->arrays(e->c, e->shape, ctx, arrays), "arrays")) return false;
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const harness_array *a = &arrays[i];
    if (a->in_place && (a->role != HARNESS_OUTPUT || !same_rows(a, a->in_place)))
      return !failed(e, CLLOSS_DTYPE, "the case describes an output that the harness can't judge");
  }
  e->plan.struct_size = sizeof e->plan;
  lay_out(e, arrays);
  return !failed(e, e->c->plan(e->c, e->shape, ctx, &e->plan), "plan") && make_data(e, seed, given) &&
         make_images(e);
}

bool harness_check(const harness_device *device, clloss_ctx *ctx, const harness_case *c, const void *shape,
                   uint64_t seed, const harness_outputs *given, harness_outputs *kept,
                   harness_result *result) {
  experiment e = {.c = c, .shape = shape, .result = result};
  size_t before = 0, after = 0;
  for (int i = 0; i < HARNESS_CHECKS; i++) before += result->count[i];
  if (kept) memset(kept, 0, sizeof *kept);
  if (prepare(&e, ctx, seed, given) && make_buffers(&e, device) && run_once(&e, device, ctx, 0) &&
      run_once(&e, device, ctx, 1)) {
    harness_judge(&e);
    if (kept) keep_outputs(&e, kept);
  }
  free_all(&e, device->context);
  for (int i = 0; i < HARNESS_CHECKS; i++) after += result->count[i];
  return after == before;
}

void harness_outputs_free(harness_outputs *outputs) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) free(outputs->data[i]);
  memset(outputs, 0, sizeof *outputs);
}

static void agree(const harness_passes *passes, const harness_outputs *forward, const harness_outputs *fused,
                  harness_result *result) {
  experiment e = {.c = passes->fused, .result = result};
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    if (!forward->data[i] || !fused->data[i]) continue;
    const size_t size = harness_bytes(forward->dtype[i]);
    for (size_t k = 0; k < forward->count[i]; k++) {
      const double one = harness_get(forward->dtype[i], forward->data[i], k),
                   other = harness_get(fused->dtype[i], fused->data[i], k);
      /* the sign of a NaN says nothing */
      if (isnan(one) && isnan(other)) continue;
      if (memcmp((char *)forward->data[i] + k * size, (char *)fused->data[i] + k * size, size) != 0)
        harness_fire(&e, HARNESS_AGREE, "array %d, value %zu: %.17g, in forward %.17g", i, k, other, one);
    }
  }
}

bool harness_check_passes(const harness_device *device, clloss_ctx *ctx, const harness_passes *passes,
                          const void *shape, uint64_t seed, harness_result *result) {
  harness_outputs forward, fused;
  const bool first = harness_check(device, ctx, passes->forward, shape, seed, NULL, &forward, result);
  const bool second = harness_check(device, ctx, passes->fused, shape, seed, NULL, &fused, result);
  const bool third = harness_check(device, ctx, passes->backward, shape, seed, &forward, NULL, result);
  agree(passes, &forward, &fused, result);
  harness_outputs_free(&forward);
  harness_outputs_free(&fused);
  return first && second && third && result->count[HARNESS_AGREE] == 0;
}
