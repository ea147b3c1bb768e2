/* clloss_cast against clloss_convert, bit for bit: every pair of types, every family, packed and not, on bit patterns of all kinds,
 * subnormal numbers, infinities, NaN, and numbers halfway between two of the shorter type. What lies between and around the
 * elements is untouched.
 *
 *   test_cast [--seed N] */
#include "check.h"
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static const uint32_t types[] = {CLLOSS_F32, CLLOSS_F64, CLLOSS_F16, CLLOSS_BF16};
enum { TYPES = 4, GUARD = 0xa5 };

static const struct {
  size_t rows, classes, offset, row_pad, class_stride;
  bool packed; /* its row_stride is left to the library */
} shapes[] = {{1, 1, 0, 0, 1, false},      {1, 15, 1, 0, 1, false},   {1, 16, 0, 0, 1, false},
              {3, 17, 3, 0, 1, false},     {70, 1, 0, 2, 1, false},   {5, 33, 7, 3, 1, false},
              {4, 1000, 0, 0, 1, false},   {1, 4099, 1, 0, 1, false}, {9, 129, 2, 5, 2, false},
              {6, 40, 0, 1, 6, false},     {2, 4, 0, 0, 2, true},     {9, 1, 0, 0, 5, true},
              {7, 30, 1, 0, 3, true},      {40, 8, 0, 0, 1, true},    {1, 200000, 0, 0, 1, false},
              {2, 3000000, 0, 0, 1, false}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static uint64_t state;
static uint64_t draw(void) {
  state += 0x9e3779b97f4a7c15u;
  uint64_t z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Any bits at all; ordinary numbers; and what is, or is beside, halfway between two numbers of a type with so many digits. */
static double draw_real(void) {
  static const int digits[] = {8, 11, 24}, least[] = {-133, -24, -149};
  const int which = (int)(draw() % 3);
  union {
    uint64_t bits;
    double x;
  } any = {draw()};
  switch (draw() % 5) {
  case 0: return any.x;
  case 1: return ldexp((double)(int64_t)draw(), -63) * 3;
  case 2: { /* halfway among normal numbers … */
    const double whole = (double)(draw() % (1u << digits[which]) | 1u) + 0.5 * (double)(draw() % 2);
    const double beside = draw() % 2 ? 0 : ldexp(whole, -40) * (draw() % 2 ? 1 : -1);
    return ldexp(whole + beside, (int)(draw() % 60) - 40) * (draw() % 2 ? 1 : -1);
  }
  case 3: { /* … and among the least */
    const double steps = (double)(draw() % 64) + 0.5 * (double)(draw() % 2);
    return ldexp(steps * (draw() % 2 ? 1 : 1 + 0x1p-45), least[which]);
  }
  default: return ldexp(1 + ldexp((double)(draw() % 4096), -12), (int)(draw() % 300) - 150);
  }
}

/* Where element c of row r is. */
static size_t place(size_t shape, size_t r, size_t c) {
  const size_t apart = shapes[shape].class_stride, n = shapes[shape].classes;
  const size_t row = shapes[shape].packed ? (n - 1) * apart + 1 : n * apart + shapes[shape].row_pad;
  return shapes[shape].offset + r * row + c * apart;
}
static clloss_view view_of(cl_mem mem, uint32_t dtype, size_t shape) {
  clloss_view v = clloss_view_of(mem, dtype);
  v.offset = shapes[shape].offset;
  v.row_stride = shapes[shape].packed ? 0 : place(shape, 1, 0) - shapes[shape].offset;
  v.class_stride = shapes[shape].class_stride;
  return v;
}
static size_t room(size_t shape) {
  return place(shape, shapes[shape].rows - 1, shapes[shape].classes - 1) + 20;
}

static bool same(uint32_t dtype, const unsigned char *a, const unsigned char *b) {
  const size_t n = clloss_dtype_size(dtype);
  double x, y;
  if (!memcmp(a, b, n)) return true;
  clloss_convert(CLLOSS_F64, &x, dtype, a, 1);
  clloss_convert(CLLOSS_F64, &y, dtype, b, 1);
  return isnan(x) && isnan(y);
}

/* Packed to packed where `packed`, else the shape's layout on both sides. */
static void cast(const fixture *f, clloss_ctx *ctx, size_t shape, uint32_t from, uint32_t to,
                 bool first_packed) {
  const size_t rows = shapes[shape].rows, classes = shapes[shape].classes, n = rows * classes;
  const size_t from_size = clloss_dtype_size(from), to_size = clloss_dtype_size(to);
  const size_t from_room = first_packed ? n : room(shape), to_room = room(shape);
  unsigned char *x = calloc(from_room, from_size), *y = malloc(to_room * to_size),
                *got = malloc(to_room * to_size);
  cl_int e, e2;
  if (!x || !y || !got) abort();
  memset(y, GUARD, to_room * to_size);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < classes; c++) {
      const size_t at = first_packed ? r * classes + c : place(shape, r, c);
      const double value = draw_real();
      unsigned char *const element = x + at * from_size;
      clloss_convert(from, element, CLLOSS_F64, &value, 1);
      clloss_convert(to, y + place(shape, r, c) * to_size, from, element, 1);
    }
  cl_mem mx = clCreateBuffer(f->context, CL_MEM_COPY_HOST_PTR, from_room * from_size, x, &e);
  memset(got, GUARD, to_room * to_size);
  cl_mem my = clCreateBuffer(f->context, CL_MEM_COPY_HOST_PTR, to_room * to_size, got, &e2);
  CHECK(!e && !e2);
  const clloss_cast_arrays arrays = {.struct_size = sizeof arrays,
                                     .rows = rows,
                                     .classes = classes,
                                     .input = first_packed ? clloss_view_of(mx, from)
                                                           : view_of(mx, from, shape),
                                     .output = view_of(my, to, shape)};
  cl_event done = NULL;
  CHECK_STATUS(clloss_cast(ctx, &arrays, f->queue, 0, NULL, &done), CLLOSS_SUCCESS);
  CHECK(done != NULL);
  if (done) clReleaseEvent(done);
  CHECK_STATUS(clEnqueueReadBuffer(f->queue, my, CL_TRUE, 0, to_room * to_size, got, 0, NULL, NULL),
               CL_SUCCESS);
  size_t wrong = 0, at = 0;
  for (size_t i = 0; i < to_room; i++)
    if (!same(to, got + i * to_size, y + i * to_size) && !wrong++) at = i;
  if (wrong) {
    double a = 0, b = 0;
    clloss_convert(CLLOSS_F64, &a, to, got + at * to_size, 1);
    clloss_convert(CLLOSS_F64, &b, to, y + at * to_size, 1);
    check_fail(__FILE__, __LINE__);
    fprintf(stderr, "%s to %s, %zu x %zu, %s: %zu wrong, first element %zu: %a, not %a\n",
            clloss_dtype_name(from), clloss_dtype_name(to), rows, classes, clloss_ctx_message(ctx), wrong, at,
            a, b);
  }
  clReleaseMemObject(mx), clReleaseMemObject(my);
  free(x), free(y), free(got);
}

static void sweep(const fixture *f, clloss_ctx *ctx, bool doubles) {
  for (size_t from = 0; from < TYPES; from++)
    for (size_t to = 0; to < TYPES; to++)
      for (size_t shape = 0; shape < SHAPES; shape++) {
        if (!doubles && (types[from] == CLLOSS_F64 || types[to] == CLLOSS_F64)) continue;
        if (shape + 1 == SHAPES && draw() % 4) continue; /* the largest now and then */
        cast(f, ctx, shape, types[from], types[to], draw() % 2);
      }
}

/* ---- refusals ---- */

static void refuse(const fixture *f, clloss_ctx *ctx, const clloss_cast_arrays *arrays,
                   clloss_status expected, const char *word) {
  cl_event done = NULL;
  CHECK_STATUS(clloss_cast(ctx, arrays, f->queue, 0, NULL, &done), expected);
  CHECK(!done);
  if (strstr(clloss_ctx_message(ctx), word)) return;
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "the message doesn't say %s: \"%s\"\n", word, clloss_ctx_message(ctx));
}

static void refusals(const fixture *f, clloss_ctx *ctx, cl_mem mem) {
  const clloss_view x = clloss_view_of(mem, CLLOSS_F32);
  clloss_view y = clloss_view_of(mem, CLLOSS_BF16);
  y.offset = 2000;
  const clloss_cast_arrays good = {
      .struct_size = sizeof good, .rows = 10, .classes = 100, .input = x, .output = y};
  clloss_cast_arrays a = good;
  CHECK_STATUS(clloss_cast(ctx, &a, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  a.rows = 0; /* nothing to do */
  CHECK_STATUS(clloss_cast(ctx, &a, f->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  a.output.mem = NULL;
  CHECK_STATUS(clloss_cast(NULL, &good, f->queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  refuse(f, ctx, NULL, CLLOSS_NULL_ARGUMENT, "cast");
#define REFUSE(field, value, status, word) a = good, a.field = value, refuse(f, ctx, &a, status, word)
  REFUSE(struct_size, 7, CLLOSS_STRUCT_SIZE, "struct_size");
  REFUSE(classes, 0, CLLOSS_SIZE, "classes");
  REFUSE(rows, SIZE_MAX, CLLOSS_SIZE, "rows");
  REFUSE(input.mem, NULL, CLLOSS_MISSING_VIEW, "input");
  REFUSE(output.mem, NULL, CLLOSS_MISSING_VIEW, "output");
  REFUSE(input.dtype, CLLOSS_I32, CLLOSS_DTYPE, "i32");
  REFUSE(output.dtype, CLLOSS_U8, CLLOSS_DTYPE, "u8");
  REFUSE(output.dtype, 99, CLLOSS_DTYPE, "99");
  REFUSE(output.offset, 1999, CLLOSS_OVERLAP, "output");
  REFUSE(output.offset, 3001, CLLOSS_BUFFER_SIZE, "output");
  REFUSE(output.row_stride, 99, CLLOSS_STRIDE, "row_stride");
  REFUSE(input.flags, CLLOSS_BROADCAST, CLLOSS_OPTION, "input");
  a = good;
  const clloss_call calls[] = {{.call = CLLOSS_CALL_CAST, .arrays = &a}};
  a.input.mem = a.output.mem = NULL;
  CHECK_STATUS(clloss_ctx_prebuild(ctx, calls, 1), CLLOSS_SUCCESS);
}

int main(int argc, char **argv) {
  static const clloss_ctx_options plans[] = {
      {.struct_size = sizeof *plans},
      {.struct_size = sizeof *plans, .family = CLLOSS_FAMILY_GROUP, .local_size = 7},
      {.struct_size = sizeof *plans, .family = CLLOSS_FAMILY_GROUP, .local_size = 256}};
  fixture f;
  cl_device_fp_config fp = 0;
  state = argc > 2 && !strcmp(argv[1], "--seed") ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
  printf("seed %llu\n", (unsigned long long)state);
  if (!fixture_open(&f)) return 1;
  clGetDeviceInfo(f.device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof fp, &fp, NULL);
  for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
    clloss_ctx *ctx = NULL;
    CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, &plans[i]), CLLOSS_SUCCESS);
    if (!ctx) continue;
    sweep(&f, ctx, fp != 0);
    cl_int e;
    cl_mem mem = clCreateBuffer(f.context, CL_MEM_READ_WRITE, 8000, NULL, &e);
    if (mem) refusals(&f, ctx, mem), clReleaseMemObject(mem);
    clloss_ctx_destroy(&ctx);
  }
  fixture_close(&f);
  return check_done();
}
