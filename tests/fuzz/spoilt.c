/* Spoilt calls. A good call of small size is drawn, then bytes say what in it to spoil: sizes, strides, offsets, types, flags,
 * options, which buffer a view is on, and which other view it lies on. What the library says of it is judged:
 *
 *   refused   nothing was enqueued, no event came back, there is a message, and no byte of any buffer has changed
 *   accepted  a case describes the call (what none describes should have been refused); through the harness the same call,
 *             each view in a buffer of its own with guards, gives what the reference gives, within the case's bounds; the call
 *             itself gave the same bits, and changed no byte that isn't an output's
 *
 * A call that nothing was done to has to be accepted. Views of one call may be on one buffer, on sub-buffers of it that
 * overlap, on buffers that kernels may only read or write, on one that is too small, and on one of another context. */
#include "spoilt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- memory ---- */

static spoilt_memory make(cl_context context, cl_mem_flags flags, int image, size_t bytes) {
  return (spoilt_memory){clCreateBuffer(context, flags, bytes, NULL, NULL), image, 0, bytes};
}

static spoilt_memory make_part(const spoilt_memory *root, size_t at, size_t bytes) {
  const cl_buffer_region region = {at, bytes};
  return (spoilt_memory){clCreateSubBuffer(root->mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, NULL),
                         SPOILT_ROOT, at, bytes};
}

static spoilt_bench *open_bench(const harness_device *device) {
  spoilt_bench *b = calloc(1, sizeof *b);
  if (!b) abort();
  b->other = clCreateContext(NULL, 1, &device->device, NULL, NULL, NULL);
  b->other_queue = clCreateCommandQueue(b->other, device->device, 0, NULL);
  b->failed = clCreateUserEvent(device->context, NULL);
  b->ended = clCreateUserEvent(device->context, NULL);
  clSetUserEventStatus(b->failed, -1);
  clSetUserEventStatus(b->ended, CL_COMPLETE);
  spoilt_memory *m = b->memories;
  m[SPOILT_ROOT] = make(device->context, CL_MEM_READ_WRITE, SPOILT_ROOT, SPOILT_ROOT_BYTES);
  m[SPOILT_READ_ONLY] = make(device->context, CL_MEM_READ_ONLY, SPOILT_READ_ONLY, SPOILT_HOME);
  m[SPOILT_WRITE_ONLY] = make(device->context, CL_MEM_WRITE_ONLY, SPOILT_WRITE_ONLY, SPOILT_HOME);
  m[SPOILT_TINY] = make(device->context, CL_MEM_READ_WRITE, SPOILT_TINY, SPOILT_TINY_BYTES);
  m[SPOILT_SUB_LOW] = make_part(&m[SPOILT_ROOT], SPOILT_HOME, 2 * SPOILT_HOME);
  m[SPOILT_SUB_HIGH] = make_part(&m[SPOILT_ROOT], 2 * SPOILT_HOME, 3 * SPOILT_HOME);
  m[SPOILT_FOREIGN] = make(b->other, CL_MEM_READ_WRITE, -1, SPOILT_HOME);
  for (int i = 0; i < SPOILT_MEMORIES; i++)
    if (!m[i].mem) abort();
  for (int i = 0; i < SPOILT_IMAGES; i++) {
    b->before[i] = malloc(m[i].bytes);
    b->after[i] = malloc(m[i].bytes);
    if (!b->before[i] || !b->after[i]) abort();
  }
  return b;
}

void fuzz_spoilt_close(fuzz *f) {
  spoilt_bench *b = f->bench;
  if (!b) return;
  for (int i = 0; i < SPOILT_MEMORIES; i++) clReleaseMemObject(b->memories[i].mem);
  for (int i = 0; i < SPOILT_IMAGES; i++) free(b->before[i]), free(b->after[i]);
  clReleaseEvent(b->failed);
  clReleaseEvent(b->ended);
  clReleaseCommandQueue(b->other_queue);
  clReleaseContext(b->other);
  free(b);
  f->bench = NULL;
}

static cl_int transfer(const spoilt_bench *b, cl_command_queue queue, bool to_device) {
  cl_int error = CL_SUCCESS;
  for (int i = 0; i < SPOILT_IMAGES && error == CL_SUCCESS; i++) {
    const spoilt_memory *m = &b->memories[i];
    error = to_device ? clEnqueueWriteBuffer(queue, m->mem, CL_TRUE, 0, m->bytes, b->before[i], 0, NULL, NULL)
                      : clEnqueueReadBuffer(queue, m->mem, CL_TRUE, 0, m->bytes, b->after[i], 0, NULL, NULL);
  }
  return error;
}

/* ---- the call ---- */

clloss_view spoilt_view(const spoilt_loss *loss, const spoilt_struct *arrays, int i) {
  clloss_view view;
  memcpy(&view, arrays->bytes + loss->views[i], sizeof view);
  return view;
}

static void set_view(spoilt_call *c, int i, const clloss_view *view) {
  memcpy(c->arrays.bytes + c->loss->views[i], view, sizeof *view);
}

/* Sizes, the first of each struct's members behind struct_size. */
static void put_sizes(spoilt_call *c, const case_layout *l) {
  const size_t values[] = {l->rows, l->classes, l->inner};
  size_t n = 0;
  for (size_t i = 0; i < c->loss->n_fields && n < COUNT(values); i++)
    if (c->loss->fields[i].kind == SPOILT_SIZE && !c->loss->fields[i].option)
      memcpy(c->arrays.bytes + c->loss->fields[i].at, &values[n++], sizeof *values);
}

static clloss_view view_at_home(const harness_array *a, cl_mem root, int i) {
  return (clloss_view){.mem = root,
                       .offset = (size_t)i * SPOILT_HOME / harness_bytes(a->dtype) + a->offset,
                       .row_stride = a->row_stride,
                       .class_stride = a->class_stride,
                       .dtype = a->dtype,
                       .flags = a->flags};
}

static void draw_call(fuzz *f, clloss_ctx *ctx, spoilt_call *c, spoilt_shape *shape, fuzz_tape *t) {
  harness_array arrays[HARNESS_ARRAYS];
  memset(arrays, 0, sizeof arrays);
  memset(shape, 0, sizeof *shape);
  *c = (spoilt_call){.loss = &spoilt_losses[tape_byte(t) % SPOILT_LOSSES], .queue = f->h.devices[0].queue};
  int passes = 0;
  while (passes < 3 && c->loss->cases[passes]) passes++;
  c->pass = tape_byte(t) % passes;
  uint64_t state = (uint64_t)tape_byte(t) << 8 | tape_byte(t);
  c->loss->draw(f, c->pass, shape, &state);
  c->seed = harness_random(&state);
  c->arrays.struct_size = c->loss->arrays_bytes;
  put_sizes(c, &shape->layout);
  c->loss->put(shape, c->arrays.bytes, c->options.bytes);
  c->options.struct_size = c->loss->options_bytes;
  const harness_case *base = c->loss->cases[c->pass];
  if (base->arrays(base, shape, ctx, arrays) != CLLOSS_SUCCESS) abort();
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const harness_array *a = &arrays[i];
    if (a->role == HARNESS_UNBOUND) continue;
    const clloss_view view = view_at_home(a, f->bench->memories[SPOILT_ROOT].mem,
                                          a->in_place ? (int)(a->in_place - arrays) : i);
    set_view(c, i, &view);
  }
}

/* ---- spoiling ---- */

static size_t spoil_size(size_t now, unsigned how, uint8_t value) {
  static const size_t ends[] = {
      SIZE_MAX,        SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 8, SIZE_MAX / 16 + 1,
      (size_t)1 << 32, INT32_MAX,    65537,        4096,         SPOILT_ROOT_BYTES / 4};
  switch (how % 4) {
  case 0: return value;
  case 1: return now + value;
  case 2: return now - value;
  default: return ends[value % COUNT(ends)];
  }
}

/* Whole in f32, as rounding an option isn't what is tested; or nothing that an option may be, in f32 at least. */
static double spoil_number(uint8_t value) {
  static const double numbers[] = {0,  0.5, 1,     2,     0.25, -0.5,     1.5,   0.9f, 3.25,     -1,
                                   20, 30,  0.125, 1e-3f, NAN,  INFINITY, 1e-40, 1e39, -INFINITY};
  return numbers[value % COUNT(numbers)];
}

static uint32_t spoil_word(uint32_t now, unsigned how, uint8_t value) {
  return how % 2 ? value : now ^ 1u << value % 32;
}

static void spoil_member(spoilt_struct *s, const spoilt_field *field, unsigned how, uint8_t value) {
  unsigned char *at = s->bytes + field->at;
  size_t size;
  uint32_t word;
  const double number = spoil_number(value);
  if (field->kind == SPOILT_NUMBER) {
    memcpy(at, &number, sizeof number);
  } else if (field->kind == SPOILT_SIZE || field->kind == SPOILT_INDEX) {
    memcpy(&size, at, sizeof size);
    size = spoil_size(size, how, value);
    memcpy(at, &size, sizeof size);
  } else {
    memcpy(&word, at, sizeof word);
    word = spoil_word(word, field->kind == SPOILT_WORD ? 1 : how, value);
    memcpy(at, &word, sizeof word);
  }
}

static int pick_view(const spoilt_call *c, uint8_t index) {
  int n = 0;
  while (n < HARNESS_ARRAYS && c->loss->views[n]) n++;
  return index % n;
}

static void spoil_view(const spoilt_bench *b, spoilt_call *c, uint8_t index, unsigned how, uint8_t value) {
  const int i = pick_view(c, index);
  clloss_view v = spoilt_view(c->loss, &c->arrays, i);
  switch (how % 8) {
  case 0: v.offset = spoil_size(v.offset, how / 8, value); break;
  case 1: v.row_stride = spoil_size(v.row_stride, how / 8, value); break;
  case 2: v.class_stride = spoil_size(v.class_stride, how / 8, value); break;
  case 3: v.dtype = value % 10; break;
  case 4: v.flags = spoil_word(v.flags, how / 8, value % 5); break;
  case 5: v.pointer = value % 2 ? b->before[0] : NULL; break; /* malloc's: neither SVM nor USM */
  case 6: v.mem = NULL; break;
  default: v.mem = b->memories[value % SPOILT_MEMORIES].mem; v.offset %= 64;
  }
  set_view(c, i, &v);
}

/* A view on another's place: as it is, or with its elements moved by some, or with the other's layout too. */
static void place_view(spoilt_call *c, uint8_t index, unsigned how, uint8_t value) {
  const int i = pick_view(c, index), k = pick_view(c, value);
  const clloss_view other = spoilt_view(c->loss, &c->arrays, k);
  clloss_view v = spoilt_view(c->loss, &c->arrays, i);
  const size_t size = harness_bytes(v.dtype), other_size = harness_bytes(other.dtype);
  const int move = (int)(how / 4 % 32) - 16;
  if (!v.dtype) v = other;
  v.mem = other.mem;
  v.offset = other.offset * (other_size ? other_size : 1) / (size ? size : 1);
  if (how % 4 == 1) v.offset += (size_t)move;
  if (how % 4 == 2) v = other;
  if (how % 4 == 3) v.row_stride = other.row_stride, v.class_stride = other.class_stride;
  set_view(c, i, &v);
}

static void spoil_surroundings(const spoilt_bench *b, spoilt_call *c, unsigned how, uint8_t value) {
  switch (how % 8) {
  case 0: c->no_arrays = true; break;
  case 1: c->no_options = true; break;
  case 2: c->no_event = true; break;
  case 3: c->queue = value % 2 ? b->other_queue : NULL; break;
  case 4: c->n_wait = value % 2; break;
  case 5: c->wait = value % 2 ? c->list : NULL; break;
  case 6: c->n_wait = 1, c->wait = c->list, c->list[0] = b->ended; break;
  default: c->n_wait = 1, c->wait = c->list, c->list[0] = b->failed;
  }
}

/* Sizes that the caller's memory holds: a larger one would be the caller's lie. */
static void spoil_struct_size(spoilt_call *c, uint8_t index, uint8_t value) {
  spoilt_struct *s = index % 2 ? &c->options : &c->arrays;
  s->struct_size = value == 255 ? SPOILT_ROOM : (size_t)value * 4;
}

/* What a newer version may know. */
static void spoil_behind(spoilt_call *c, uint8_t index, uint8_t value) {
  spoilt_struct *s = index % 2 ? &c->options : &c->arrays;
  const size_t known = index % 2 ? c->loss->options_bytes : c->loss->arrays_bytes;
  s->struct_size = known + 8;
  s->bytes[known + value % 8] = value & 128;
}

static void spoil(const spoilt_bench *b, spoilt_call *c, fuzz_tape *t) {
  enum { EDITS_MOST = 8 };
  for (; t->left && c->edits < EDITS_MOST; c->edits++) {
    const uint8_t what = tape_byte(t), index = tape_byte(t), how = tape_byte(t), value = tape_byte(t);
    const spoilt_field *field = &c->loss->fields[index % c->loss->n_fields];
    if (what % 16 < 6)
      spoil_view(b, c, index, how, value);
    else if (what % 16 < 9)
      place_view(c, index, how, value);
    else if (what % 16 < 13)
      spoil_member(field->option ? &c->options : &c->arrays, field, how, value);
    else if (what % 16 == 13)
      spoil_struct_size(c, index, value);
    else if (what % 16 == 14)
      spoil_behind(c, index, value);
    else
      spoil_surroundings(b, c, how, value);
  }
}

/* ---- the verdict ---- */

static uint64_t enqueued(const clloss_ctx *ctx) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  /* counting changes nothing of a ctx */
  if (clloss_ctx_get_stats((clloss_ctx *)(uintptr_t)ctx, &stats) != CLLOSS_SUCCESS) abort();
  return stats.kernels_enqueued;
}

static const char *judge_refused(fuzz *f, const clloss_ctx *ctx, const spoilt_call *c, cl_event done,
                                 uint64_t before) {
  const spoilt_bench *b = f->bench;
  if (enqueued(ctx) != before) return "refused, and kernels were enqueued";
  if (done) return "refused, and an event came back";
  if (!clloss_ctx_message(ctx)[0]) return "refused without a message";
  if (c->edits == 0) return "a good call is refused";
  if (transfer(b, f->h.devices[0].queue, false) != CL_SUCCESS) return "the buffers can't be read";
  for (int i = 0; i < SPOILT_IMAGES; i++)
    if (memcmp(b->before[i], b->after[i], b->memories[i].bytes) != 0)
      return "refused, and memory has changed";
  f->refused++;
  return NULL;
}

/* The call as it was made: sizes, options by their place in the struct, and views. */
static void tell_call(const spoilt_bench *b, const spoilt_call *c) {
  static const char *const names[SPOILT_MEMORIES] = {"root",     "read only", "write only", "tiny",
                                                     "low part", "high part", "foreign"};
  const spoilt_loss *loss = c->loss;
  fprintf(stderr, "  struct_size %zu and %zu%s%s\n ", c->arrays.struct_size, c->options.struct_size,
          c->no_arrays ? ", no struct" : "", c->no_options ? ", no options" : "");
  for (size_t i = 0; i < loss->n_fields; i++) {
    const spoilt_field *field = &loss->fields[i];
    const unsigned char *at = (field->option ? &c->options : &c->arrays)->bytes + field->at;
    double number;
    size_t size = 0;
    memcpy(&number, at, sizeof number);
    memcpy(&size, at, field->kind == SPOILT_WORD || field->kind == SPOILT_FLAGS ? 4 : 8);
    if (field->kind == SPOILT_NUMBER)
      fprintf(stderr, " %s%zu: %g", field->option ? "o" : "", field->at, number);
    else
      fprintf(stderr, " %s%zu: %zu", field->option ? "o" : "", field->at, size);
  }
  fprintf(stderr, "\n");
  for (int i = 0; i < HARNESS_ARRAYS && loss->views[i]; i++) {
    const clloss_view v = spoilt_view(loss, &c->arrays, i);
    for (int k = 0; v.mem && k < SPOILT_MEMORIES; k++)
      if (b->memories[k].mem == v.mem)
        fprintf(stderr, "  view %d: %s, offset %zu, strides %zu and %zu, type %u, flags %u\n", i, names[k],
                v.offset, v.row_stride, v.class_stride, v.dtype, v.flags);
  }
}

static void complain(fuzz *f, const spoilt_call *c, clloss_ctx *ctx, clloss_status status, const char *what) {
  static const fuzz_setting setting = {.plan = {0}};
  char words[400];
  snprintf(words, sizeof words, "%s, spoilt %zu times, %s (%.200s)", c->loss->cases[c->pass]->name, c->edits,
           clloss_status_name(status), status ? clloss_ctx_message(ctx) : "");
  fuzz_fail(f, &setting, words, what);
  tell_call(f->bench, c);
}

/* What stands in the buffers where no input is: moderate numbers of any type. */
static void fill_images(const spoilt_bench *b) {
  for (int i = 0; i < SPOILT_IMAGES; i++) memset(b->before[i], 0x3f, b->memories[i].bytes);
}

static clloss_status make_call(const spoilt_call *c, clloss_ctx *ctx, cl_event *done) {
  return c->loss->make[c->pass](ctx, c->no_arrays ? NULL : &c->arrays, c->no_options ? NULL : &c->options,
                                c->queue, c->n_wait, c->wait, c->no_event ? NULL : done);
}

static const char *judge_accepted(fuzz *f, clloss_ctx *ctx, const spoilt_call *c, const spoilt_described *d,
                                  cl_event done, char *what, size_t size) {
  size_t bytes;
  if ((done == NULL) != c->no_event) return "accepted, and no event came back";
  const cl_int ended = done ? clWaitForEvents(1, &done) : clFinish(f->h.devices[0].queue);
  if (done) clReleaseEvent(done);
  if (ended != CL_SUCCESS || transfer(f->bench, f->h.devices[0].queue, false) != CL_SUCCESS)
    return "accepted, and then OpenCL failed";
  if (!d) return "accepted, and no case describes it";
  if (c->loss->workspace && c->loss->workspace(ctx, &d->arrays, &d->options, &bytes) != CLLOSS_SUCCESS)
    return "accepted, and the size of its workspace is not told";
  f->accepted++;
  return spoilt_judge(f, ctx, d, what, size) ? NULL : what;
}

void fuzz_spoilt_call(fuzz *f, fuzz_tape *tape) {
  static const fuzz_setting plain = {.plan = {0}};
  static spoilt_call c;
  static spoilt_described d;
  spoilt_shape drawn;
  char words[600];
  clloss_ctx *ctx = fuzz_ctx(f, &plain);
  if (!ctx) return;
  if (!f->bench) f->bench = open_bench(&f->h.devices[0]);
  draw_call(f, ctx, &c, &drawn, tape);
  spoil(f->bench, &c, tape);
  const bool described = spoilt_describe(f->bench, &c, ctx, &drawn, &d);
  fill_images(f->bench);
  if (described) spoilt_place_inputs(&d);
  if (transfer(f->bench, f->h.devices[0].queue, true) != CL_SUCCESS) abort();
  const uint64_t before = enqueued(ctx);
  cl_event done = NULL;
  const clloss_status status = make_call(&c, ctx, &done);
  const char *what = status == CLLOSS_SUCCESS
                         ? judge_accepted(f, ctx, &c, described ? &d : NULL, done, words, sizeof words)
                         : judge_refused(f, ctx, &c, done, before);
  if (what) complain(f, &c, ctx, status, what);
}

void fuzz_spoilt(fuzz *f, uint64_t *state) {
  uint8_t bytes[40];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)harness_random(state);
  /* most calls are spoilt once or twice */
  fuzz_tape tape = {bytes,
                    4 + 4 * (harness_pick(state, 2) ? harness_pick(state, 3) : harness_pick(state, 9))};
  fuzz_spoilt_call(f, &tape);
}
