/* What an accepted call should have computed. Its structs are turned back into the shape of a case; the harness then makes the
 * call with every view in a buffer of its own and holds the results against the reference; and the call's own results have to
 * be the same bits. */
#include "spoilt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- from a call to a case ---- */

/* What the library takes of a struct: a shorter one ends in zeros. */
static spoilt_struct as_known(const spoilt_struct *given, bool absent, size_t bytes) {
  spoilt_struct known = {.bytes = {0}};
  if (!absent) memcpy(known.bytes, given->bytes, given->struct_size < bytes ? given->struct_size : bytes);
  known.struct_size = bytes;
  return known;
}

/* Without rows nothing says how large the other sizes may be, which a case makes room for; none of them changes what comes
 * out, but whether there is one class. */
static void cut_sizes(spoilt_described *d) {
  enum { ENOUGH = 16 };
  const spoilt_loss *loss = d->call->loss;
  size_t rows;
  memcpy(&rows, d->arrays.bytes + loss->fields[0].at, sizeof rows);
  for (size_t i = 1; i < loss->n_fields && rows == 0; i++) {
    size_t size;
    if (loss->fields[i].kind != SPOILT_SIZE || loss->fields[i].option) continue;
    memcpy(&size, d->arrays.bytes + loss->fields[i].at, sizeof size);
    if (size > ENOUGH) size = ENOUGH;
    memcpy(d->arrays.bytes + loss->fields[i].at, &size, sizeof size);
  }
}

/* A view takes its array's layout over. Its place modulo 64 elements is what alignment can depend on; the harness puts 64
 * before it. False: the case has no such view, another type for it, or can't do without. */
static bool lay_view(harness_array *a, const clloss_view *v, bool needed) {
  enum { PERIOD = 64 };
  if (!v->mem && !a->rows) return true;
  if (!v->mem) {
    needed = needed || a->role == HARNESS_INPUT || a->role == HARNESS_UPDATED;
    a->role = HARNESS_UNBOUND;
    return !needed;
  }
  if (a->role == HARNESS_UNBOUND || a->dtype != v->dtype) return false;
  a->offset = v->offset % PERIOD;
  a->row_stride = v->row_stride;
  a->class_stride = v->class_stride;
  a->flags = v->flags;
  return true;
}

static const spoilt_memory *memory_of(const spoilt_bench *b, cl_mem mem) {
  for (int i = 0; i < SPOILT_MEMORIES; i++)
    if (b->memories[i].mem == mem) return &b->memories[i];
  return NULL;
}

/* How many elements from the first to behind the last; SIZE_MAX where that is more than any memory has. */
static size_t extent(const harness_array *a) {
  const double most = SPOILT_ROOT_BYTES, inner = a->inner ? (double)a->inner : 1;
  const double step = a->class_stride ? (double)a->class_stride : inner;
  const double width = ((double)a->columns - 1) * step + inner;
  const double pitch = a->row_stride ? (double)a->row_stride : width;
  const double n = a->rows && a->columns ? ((double)a->rows / inner - 1) * pitch + width : 0;
  return n >= 0 && n <= most ? (size_t)n : SIZE_MAX;
}

static bool fits(const spoilt_described *d, int i) {
  const harness_array *a = &d->layouts[i];
  const clloss_view v = spoilt_view(d->call->loss, &d->arrays, i);
  if (!v.mem) return true;
  const spoilt_memory *m = memory_of(d->bench, v.mem);
  const size_t n = extent(a), size = harness_bytes(a->dtype), room = m->bytes / size;
  return m->image >= 0 && n <= room && v.offset <= room - n;
}

/* A call takes no notice of a view without a buffer, but for the type of its first, if one can be computed of it. Who asks for the
 * workspace says by it what will be bound. */
static void forget_unbound(spoilt_described *d) {
  const spoilt_loss *loss = d->call->loss;
  for (int i = 0; i < HARNESS_ARRAYS && loss->views[i]; i++) {
    const clloss_view v = spoilt_view(loss, &d->arrays, i);
    const bool is_real = case_is_real(v.dtype);
    const clloss_view none = {.dtype = i == 0 && is_real ? v.dtype : 0};
    if (!v.mem) memcpy(d->arrays.bytes + loss->views[i], &none, sizeof none);
  }
}

/* The case of the shape, with the views' layouts. */
static bool lay_views(spoilt_described *d, clloss_ctx *ctx) {
  const spoilt_loss *loss = d->call->loss;
  forget_unbound(d);
  const harness_case *base = loss->cases[d->call->pass];
  bool writes = false;
  if (base->arrays(base, &d->shape, NULL, d->layouts) != CLLOSS_SUCCESS) return false;
  if (loss->workspace) { /* to the byte what the library says */
    size_t bytes;
    if (loss->workspace(ctx, &d->arrays, &d->options, &bytes) != CLLOSS_SUCCESS) return false;
    d->layouts[loss->workspace_view] = (harness_array){
        .name = "workspace", .role = HARNESS_SCRATCH, .dtype = CLLOSS_U8, .rows = 1, .columns = bytes};
  }
  for (int i = 0; i < HARNESS_ARRAYS && loss->views[i]; i++) {
    const clloss_view v = spoilt_view(loss, &d->arrays, i);
    if (!lay_view(&d->layouts[i], &v, d->call->pass && i == loss->grad_view) || !fits(d, i)) return false;
    writes |= d->layouts[i].role == HARNESS_OUTPUT || d->layouts[i].role == HARNESS_UPDATED;
  }
  return writes || d->shape.layout.rows == 0;
}

bool spoilt_describe(const spoilt_bench *b, const spoilt_call *c, clloss_ctx *ctx, const spoilt_shape *drawn,
                     spoilt_described *d) {
  const spoilt_loss *loss = c->loss;
  *d = (spoilt_described){.call = c, .bench = b, .shape = *drawn};
  if (c->no_arrays || c->arrays.struct_size < sizeof(size_t)) return false;
  d->arrays = as_known(&c->arrays, false, loss->arrays_bytes);
  d->options = as_known(&c->options, c->no_options, loss->options_bytes);
  cut_sizes(d);
  if (!loss->describe(&d->arrays, &d->options, c->pass, &d->shape)) return false;
  const case_layout *l = &d->shape.layout;
  if (l->classes == 0 || l->rows > SPOILT_ROOT_BYTES || l->classes > SPOILT_ROOT_BYTES ||
      l->rows * l->classes > SPOILT_ROOT_BYTES || l->rows % case_inner(l))
    return false;
  return lay_views(d, ctx);
}

/* ---- elements in the images ---- */

static size_t count(const harness_array *a) { return a->rows * a->columns; }

/* Element k, row by row, of array i in one of the bench's sets of images. */
static uint8_t *element(const spoilt_described *d, uint8_t *const images[], int i, size_t k) {
  const harness_array *a = &d->layouts[i];
  const clloss_view v = spoilt_view(d->call->loss, &d->arrays, i);
  const spoilt_memory *m = memory_of(d->bench, v.mem);
  const size_t inner = a->inner ? a->inner : 1, step = a->class_stride ? a->class_stride : inner;
  const size_t width = (a->columns - 1) * step + inner, pitch = a->row_stride ? a->row_stride : width;
  const size_t row = k / a->columns, column = k % a->columns;
  const size_t at = v.offset + row / inner * pitch + row % inner + column * step;
  return images[m->image] + m->at + at * harness_bytes(a->dtype);
}

static bool is_read(const harness_array *a) { return a->role == HARNESS_INPUT || a->role == HARNESS_UPDATED; }
static bool is_written(const harness_array *a) {
  return a->role == HARNESS_OUTPUT || a->role == HARNESS_UPDATED || a->role == HARNESS_SCRATCH;
}

static void fill(const spoilt_described *d, harness_data *data) {
  const harness_case *base = d->call->loss->cases[d->call->pass];
  memset(data, 0, sizeof *data);
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const harness_array *a = &d->layouts[i];
    if (!is_read(a)) continue;
    data->data[i] = malloc(count(a) * harness_bytes(a->dtype) + 1);
    if (!data->data[i]) abort();
  }
  if (base->fill(base, &d->shape, d->call->seed, data) != CLLOSS_SUCCESS) abort();
}

static void free_data(harness_data *data) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) free(data->data[i]);
}

void spoilt_place_inputs(const spoilt_described *d) {
  harness_data data;
  fill(d, &data);
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const size_t size = data.data[i] ? harness_bytes(d->layouts[i].dtype) : 0;
    for (size_t k = 0; data.data[i] && k < count(&d->layouts[i]); k++)
      memcpy(element(d, d->bench->before, i, k), (char *)data.data[i] + k * size, size);
  }
  free_data(&data);
}

/* The inputs as the call found them; whether one isn't what the case put there, as another view lies on it. */
static bool gather(const spoilt_described *d, harness_outputs *given) {
  harness_data data;
  bool mixed = false;
  fill(d, &data);
  memset(given, 0, sizeof *given);
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const harness_array *a = &d->layouts[i];
    const size_t size = is_read(a) ? harness_bytes(a->dtype) : 0;
    if (!is_read(a)) continue;
    given->dtype[i] = a->dtype;
    given->count[i] = count(a);
    for (size_t k = 0; k < count(a); k++) {
      char *at = (char *)data.data[i] + k * size;
      const uint8_t *found = element(d, d->bench->before, i, k);
      mixed |= memcmp(at, found, size) != 0;
      memcpy(at, found, size);
    }
    given->data[i] = data.data[i];
  }
  return mixed;
}

/* ---- the case ---- */

static const harness_case *base_of(const spoilt_described *d) { return d->call->loss->cases[d->call->pass]; }

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  const spoilt_described *d = shape;
  (void)c;
  base_of(d)->describe(base_of(d), &d->shape, text, size);
}

/* What is in place has its input's layout, number for number. */
static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx,
                            harness_array a[HARNESS_ARRAYS]) {
  const spoilt_described *d = shape;
  (void)c, (void)ctx;
  memcpy(a, d->layouts, sizeof d->layouts);
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    if (!a[i].in_place) continue;
    const size_t input = (size_t)(d->layouts[i].in_place - d->layouts);
    a[i].in_place = &a[input];
    a[i].row_stride = a[input].row_stride;
    a[i].class_stride = a[input].class_stride;
  }
  return CLLOSS_SUCCESS;
}

static clloss_status fill_case(const harness_case *c, const void *shape, uint64_t seed, harness_data *data) {
  const spoilt_described *d = shape;
  (void)c;
  return base_of(d)->fill(base_of(d), &d->shape, seed, data);
}

static clloss_status reference(const harness_case *c, const void *shape, harness_data *data) {
  const spoilt_described *d = shape;
  (void)c;
  return base_of(d)->reference(base_of(d), &d->shape, data);
}

static void bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *data,
                  int array, size_t row, double *to) {
  const spoilt_described *d = shape;
  (void)c;
  base_of(d)->bound(base_of(d), &d->shape, plan, data, array, row, to);
}

static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  const spoilt_described *d = shape;
  (void)c;
  return base_of(d)->plan(base_of(d), &d->shape, ctx, plan);
}

/* The call's own structs, but for where views are. */
static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx,
                          const clloss_view views[HARNESS_ARRAYS], cl_command_queue queue, cl_event *done) {
  const spoilt_described *d = shape;
  const spoilt_loss *loss = d->call->loss;
  spoilt_struct known = d->arrays;
  (void)c;
  for (int i = 0; i < HARNESS_ARRAYS && loss->views[i]; i++)
    if (spoilt_view(loss, &known, i).mem) memcpy(known.bytes + loss->views[i], &views[i], sizeof views[i]);
  return loss->make[d->call->pass](ctx, &known, &d->options, queue, 0, NULL, done);
}

/* ---- the verdict ---- */

/* Outputs on inputs that are a mixture of views may be anything that the reference says, whose bounds are about what a case
 * fills in. The rest is looked at all the same. */
static bool reference_agrees(fuzz *f, clloss_ctx *ctx, const spoilt_described *d, harness_outputs *kept) {
  const harness_case c = {.name = base_of(d)->name,
                          .pass = base_of(d)->pass,
                          .describe = describe,
                          .arrays = arrays,
                          .fill = fill_case,
                          .reference = reference,
                          .bound = bound,
                          .plan = plan_of,
                          .call = call};
  static const harness_plan plain = {0};
  harness_result result = {0};
  harness_outputs given;
  const bool mixed = gather(d, &given);
  harness_check(&f->h.devices[0], ctx, &c, d, d->call->seed, &given, kept, &result);
  harness_outputs_free(&given);
  if (mixed) result.count[HARNESS_BOUND] = result.count[HARNESS_CLASS] = 0;
  harness_report(&f->h, &c, d, &plain, &result);
  return !harness_fired(&result);
}

static bool same_bits(uint32_t dtype, const void *a, const void *b) {
  const double x = harness_get(dtype, a, 0), y = harness_get(dtype, b, 0);
  return memcmp(a, b, harness_bytes(dtype)) == 0 || (isnan(x) && isnan(y));
}

/* Output elements against what the harness kept; each is then set to what stood there before, so that what is left of the
 * images has to be unchanged. */
static bool images_agree(const spoilt_described *d, const harness_outputs *kept, char *what, size_t size) {
  const spoilt_bench *b = d->bench;
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const harness_array *a = &d->layouts[i];
    const size_t bytes = is_written(a) ? harness_bytes(a->dtype) : 0;
    for (size_t k = 0; is_written(a) && k < count(a); k++) {
      const char *expected = a->role == HARNESS_SCRATCH ? NULL : (const char *)kept->data[i] + k * bytes;
      uint8_t *found = element(d, b->after, i, k);
      if (expected && !same_bits(a->dtype, found, expected)) {
        snprintf(what, size, "%s, value %zu, is %.17g; in buffers apart %.17g", a->name, k,
                 harness_get(a->dtype, found, 0), harness_get(a->dtype, expected, 0));
        return false;
      }
      memcpy(found, element(d, b->before, i, k), bytes);
    }
  }
  for (int i = 0; i < SPOILT_IMAGES; i++) {
    if (memcmp(b->before[i], b->after[i], b->memories[i].bytes) == 0) continue;
    snprintf(what, size, "memory that is no output's has changed");
    return false;
  }
  return true;
}

bool spoilt_judge(fuzz *f, clloss_ctx *ctx, const spoilt_described *d, char *what, size_t size) {
  harness_outputs kept;
  memset(&kept, 0, sizeof kept);
  snprintf(what, size, "the harness, above");
  const bool good = reference_agrees(f, ctx, d, &kept) && images_agree(d, &kept, what, size);
  harness_outputs_free(&kept);
  return good;
}
