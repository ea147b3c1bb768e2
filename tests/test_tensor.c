/* Typed device tensors: transfers and maps give back what was put in, with events and without; kernels see what was
 * written through a map, without a copy where the device shares the host's memory; odd sizes; life after the ctx;
 * transfers that convert, against arithmetic on values that owes nothing to their bits; wait lists that have failed. */
#include "check.h"
#include "fixture.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 37, CLASSES = 11, MOST_BYTES = ROWS * CLASSES * 8 };

static fixture f;
static clloss_ctx *ctx;
static const layer_api *layer;

static void fill(unsigned char *bytes, size_t n, unsigned seed) {
  for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)(i * 31 + seed * 7 + (i >> 8));
}

static clloss_tensor *make(uint32_t dtype, size_t rows, size_t classes) {
  clloss_tensor *t = NULL;
  CHECK_STATUS(clloss_tensor_create(&t, ctx, dtype, rows, classes), CLLOSS_SUCCESS);
  return t;
}

/* Up, down and through a map, blocking and with events, for one element type. */
static void round_trips(uint32_t dtype, size_t element_bytes) {
  static unsigned char up[MOST_BYTES], down[MOST_BYTES];
  const size_t bytes = ROWS * CLASSES * element_bytes;
  cl_event e[2] = {NULL};
  void *host = NULL;
  clloss_tensor *t = make(dtype, ROWS, CLASSES);
  clloss_view view = clloss_tensor_view(t);
  if (!t) return;
  CHECK(view.mem && view.dtype == dtype && !view.offset && !view.row_stride && !view.class_stride &&
        !view.flags);
  fill(up, bytes, dtype);
  CHECK_STATUS(clloss_tensor_upload(t, up, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t, down, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK(!memcmp(up, down, bytes));

  CHECK_STATUS(clloss_tensor_map(t, &host, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK(host && !memcmp(up, host, bytes));
  fill(up, bytes, dtype + 1);
  if (host) memcpy(host, up, bytes);
  CHECK_STATUS(clloss_tensor_unmap(t, f.queue, 0, NULL, &e[0]), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t, down, f.queue, 1, &e[0], &e[1]), CLLOSS_SUCCESS);
  CHECK_STATUS(clWaitForEvents(1, &e[1]), CL_SUCCESS);
  CHECK(!memcmp(up, down, bytes));
  clReleaseEvent(e[0]);
  clReleaseEvent(e[1]);
  clloss_tensor_destroy(&t);
  CHECK(!t);
}

/* Transfers on an out-of-order queue, ordered by events alone. */
static void events_order_transfers(void) {
  static unsigned char up[2][MOST_BYTES], down[2][MOST_BYTES];
  const size_t bytes = ROWS * CLASSES * 4;
  cl_command_queue queue = fixture_queue(&f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  clloss_tensor *t = make(CLLOSS_F32, ROWS, CLASSES);
  cl_event e[6] = {NULL};
  void *host = NULL;
  for (unsigned i = 0; i < 2; i++) fill(up[i], bytes, i);
  if (!queue || !t) return;
  CHECK_STATUS(clloss_tensor_upload(t, up[0], queue, 0, NULL, &e[0]), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t, down[0], queue, 1, &e[0], &e[1]), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_upload(t, up[1], queue, 1, &e[1], &e[2]), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(t, &host, queue, 1, &e[2], &e[3]), CLLOSS_SUCCESS);
  CHECK_STATUS(clWaitForEvents(1, &e[3]), CL_SUCCESS);
  CHECK(host && !memcmp(host, up[1], bytes));
  CHECK_STATUS(clloss_tensor_unmap(t, queue, 1, &e[3], &e[4]), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t, down[1], queue, 1, &e[4], &e[5]), CLLOSS_SUCCESS);
  CHECK_STATUS(clWaitForEvents(1, &e[5]), CL_SUCCESS);
  for (int i = 0; i < 2; i++) CHECK(!memcmp(up[i], down[i], bytes));
  for (int i = 0; i < 6; i++)
    if (e[i]) clReleaseEvent(e[i]);
  clloss_tensor_destroy(&t);
  clReleaseCommandQueue(queue);
}

static void maps_one_at_a_time(void) {
  static unsigned char bytes[MOST_BYTES];
  void *host = NULL, *again = bytes;
  clloss_tensor *t = make(CLLOSS_I32, ROWS, CLASSES);
  if (!t) return;
  CHECK_STATUS(clloss_tensor_unmap(t, f.queue, 0, NULL, NULL), CLLOSS_MAPPED);
  CHECK_STATUS(clloss_tensor_map(t, &host, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(t, &again, f.queue, 0, NULL, NULL), CLLOSS_MAPPED);
  CHECK_STATUS(clloss_tensor_upload(t, bytes, f.queue, 0, NULL, NULL), CLLOSS_MAPPED);
  CHECK_STATUS(clloss_tensor_download(t, bytes, f.queue, 0, NULL, NULL), CLLOSS_MAPPED);
  CHECK_STATUS(clloss_tensor_unmap(t, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_unmap(t, f.queue, 0, NULL, NULL), CLLOSS_MAPPED);
  CHECK_STATUS(clloss_tensor_upload(t, bytes, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(t, &host, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  clloss_tensor_destroy(&t); /* mapped: legal, and nothing may leak (seen by the layer and by sanitizers) */
  CHECK_STATUS(clFinish(f.queue), CL_SUCCESS);
}

static void no_elements(void) {
  float one = 1;
  void *host = &one;
  cl_event done = NULL;
  clloss_tensor *t = make(CLLOSS_F32, 0, 5);
  if (!t) return;
  CHECK(clloss_tensor_view(t).mem != NULL);
  CHECK_STATUS(clloss_tensor_upload(t, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_upload(t, &one, f.queue, 0, NULL, &done), CLLOSS_SUCCESS);
  CHECK(done != NULL);
  if (done) CHECK_STATUS(clloss_tensor_download(t, &one, f.queue, 1, &done, NULL), CLLOSS_SUCCESS);
  if (done) clReleaseEvent(done);
  CHECK(one == 1);
  CHECK_STATUS(clloss_tensor_map(t, &host, f.queue, 0, NULL, NULL), CLLOSS_SIZE);
  clloss_tensor_destroy(&t);
}

static void refusals(void) {
  float one = 1;
  void *host = NULL;
  cl_event none = NULL;
  fixture other;
  clloss_tensor *t = make(CLLOSS_F32, 1, 1), *no = t;
  CHECK_STATUS(clloss_tensor_create(NULL, ctx, CLLOSS_F32, 1, 1), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_create(&no, NULL, CLLOSS_F32, 1, 1), CLLOSS_NULL_ARGUMENT);
  CHECK(!no);
  CHECK_STATUS(clloss_tensor_create(&no, ctx, 0, 1, 1), CLLOSS_DTYPE);
  CHECK_STATUS(clloss_tensor_create(&no, ctx, 99, 1, 1), CLLOSS_DTYPE);
  CHECK_STATUS(clloss_tensor_create(&no, ctx, CLLOSS_I64, SIZE_MAX / 8 + 1, 1), CLLOSS_SIZE);
  CHECK_STATUS(clloss_tensor_create(&no, ctx, CLLOSS_U8, SIZE_MAX / 2, 3), CLLOSS_SIZE);
  clloss_status huge = clloss_tensor_create(&no, ctx, CLLOSS_F32, SIZE_MAX / 16,
                                            1); /* no overflow, no such memory */
  CHECK(huge < 0 && huge > CLLOSS_NULL_ARGUMENT && !no);
  CHECK(clloss_tensor_view(NULL).mem == NULL);
  clloss_tensor_destroy(NULL);
  clloss_tensor_destroy(&no);
  CHECK_STATUS(clloss_tensor_upload(NULL, &one, f.queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_upload(t, NULL, f.queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_upload(t, &one, NULL, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_download(t, NULL, f.queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_download(t, &one, f.queue, 1, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_upload(t, &one, f.queue, 0, &none, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_map(t, NULL, f.queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  if (fixture_open(&other)) {
    CHECK_STATUS(clloss_tensor_upload(t, &one, other.queue, 0, NULL, NULL), CLLOSS_QUEUE);
    CHECK_STATUS(clloss_tensor_download(t, &one, other.queue, 0, NULL, NULL), CLLOSS_QUEUE);
    CHECK_STATUS(clloss_tensor_map(t, &host, other.queue, 0, NULL, NULL), CLLOSS_QUEUE);
    CHECK_STATUS(clloss_tensor_map(t, &host, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    CHECK_STATUS(clloss_tensor_unmap(t, other.queue, 0, NULL, NULL), CLLOSS_QUEUE);
    CHECK_STATUS(clloss_tensor_unmap(t, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    fixture_close(&other);
  }
  clloss_tensor_destroy(&t);
}

/* Logits written through a map reach the kernels, and the loss is read through a map; where host and device share
 * memory, two maps of a tensor are the same address, so nothing was copied. */
static void kernels_see_maps(void) {
  cl_bool shares = CL_FALSE;
  const float rows[2][3] = {{0, 0, 0}, {1, 1, 1}}; /* log 3 each */
  const int32_t indices[2] = {2, 0};
  clloss_tensor *logits = make(CLLOSS_F32, 2, 3), *targets = make(CLLOSS_I32, 2, 1),
                *loss = make(CLLOSS_F32, 1, 1);
  void *first = NULL, *second = NULL;
  float *result = NULL;
  clloss_xent x = {.struct_size = sizeof x,
                   .rows = 2,
                   .classes = 3,
                   .logits = clloss_tensor_view(logits),
                   .targets = clloss_tensor_view(targets),
                   .loss = clloss_tensor_view(loss)};
  if (!logits || !targets || !loss) return;
  CHECK_STATUS(clloss_tensor_upload(targets, indices, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(logits, &first, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  if (first) memcpy(first, rows, sizeof rows);
  CHECK_STATUS(clloss_tensor_unmap(logits, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_xent_forward(ctx, &x, NULL, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(loss, (void **)&result, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK(result && fabs((double)*result - log(3)) < 1e-6);
  CHECK_STATUS(clloss_tensor_unmap(loss, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(logits, &second, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK(second && !memcmp(second, rows, sizeof rows));
  clGetDeviceInfo(f.device, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof shares, &shares, NULL);
  if (shares) CHECK(first == second);
  CHECK_STATUS(clloss_tensor_unmap(logits, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  clloss_tensor_destroy(&logits);
  clloss_tensor_destroy(&targets);
  clloss_tensor_destroy(&loss);
}

static void outlives_the_ctx(void) {
  int64_t up[ROWS], down[ROWS] = {0};
  clloss_ctx *brief = NULL;
  clloss_tensor *t = NULL;
  for (int i = 0; i < ROWS; i++) up[i] = i * 1000000007LL;
  CHECK_STATUS(clloss_ctx_create(&brief, f.context, f.device, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_create(&t, brief, CLLOSS_I64, ROWS, 1), CLLOSS_SUCCESS);
  clloss_ctx_destroy(&brief);
  CHECK_STATUS(clloss_tensor_upload(t, up, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t, down, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK(!memcmp(up, down, sizeof up));
  clloss_tensor_destroy(&t);
}

/* A ctx and tensors are destroyed while their last call still waits; the call's results are right all the same. */
static void destroyed_in_flight(void) {
  problem p;
  cl_int error;
  cl_event gate = clCreateUserEvent(f.context, &error), done = NULL;
  clloss_ctx *brief = NULL;
  clloss_tensor *logits = NULL;
  const clloss_ctx_options split = {.struct_size = sizeof split, .family = CLLOSS_FAMILY_SPLIT, .slices = 2};
  if (!problem_open(&p, f.queue, 6, 50, CLLOSS_MEAN, 1)) {
    CHECK(false);
    return;
  }
  clloss_xent x = problem_xent(&p, FUSED);
  CHECK_STATUS(clloss_ctx_create(&brief, f.context, f.device, &split), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_create(&logits, brief, CLLOSS_F32, 6, 50), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_upload(logits, p.logits, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  x.logits = clloss_tensor_view(logits);
  CHECK_STATUS(clloss_xent_fused(brief, &x, &p.options, f.queue, 1, &gate, &done), CLLOSS_SUCCESS);
  clloss_tensor_destroy(&logits);
  clloss_ctx_destroy(&brief);
  CHECK_STATUS(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
  if (done) CHECK_STATUS(clWaitForEvents(1, &done), CL_SUCCESS);
  CHECK(problem_right(&p, FUSED, f.queue));
  if (done) clReleaseEvent(done);
  clReleaseEvent(gate);
  problem_close(&p);
}

/* ---- conversions ---------------------------------------------------------------------------------------------- */

/* The value of a number in a format of `fraction` bits of fraction and `exponent` of exponent, by its definition. */
static double value_of(uint32_t bits, int exponent, int fraction) {
  const int e = (int)(bits >> fraction) & ((1 << exponent) - 1), bias = (1 << (exponent - 1)) - 1;
  const double digits = (double)(bits & ((1u << fraction) - 1));
  const double sign = bits >> (exponent + fraction) & 1 ? -1 : 1;
  if (e == (1 << exponent) - 1) return digits > 0 ? NAN : sign * HUGE_VAL;
  if (e == 0) return sign * ldexp(digits, 1 - bias - fraction);
  return sign * ldexp(digits + ldexp(1, fraction), e - bias - fraction);
}

static double value16(uint32_t dtype, uint32_t bits) {
  return dtype == CLLOSS_F16 ? value_of(bits, 5, 10) : value_of(bits, 8, 7);
}

static bool same(double a, double b) {
  return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

/* Each of the 65536 numbers, up as it is and down as f32 and f64, and back from there. */
static void all_of_16_bits(uint32_t dtype) {
  enum { N = 65536 };
  uint16_t *bits = malloc(N * sizeof *bits), *back = malloc(N * sizeof *back);
  float *single = malloc(N * sizeof *single);
  double *wide = malloc(N * sizeof *wide);
  clloss_tensor *t = make(dtype, N, 1);
  int wrong = 0;
  if (!bits || !back || !single || !wide || !t) {
    CHECK(false);
    return;
  }
  for (int i = 0; i < N; i++) bits[i] = (uint16_t)i;
  CHECK_STATUS(clloss_tensor_upload_as(t, dtype, bits, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download_as(t, CLLOSS_F32, single, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download_as(t, CLLOSS_F64, wide, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (uint32_t i = 0; i < N; i++)
    wrong += !same(wide[i], value16(dtype, i)) || !same((double)single[i], value16(dtype, i));
  CHECK_EQ(wrong, 0);
  for (int from = 0; from < 2; from++) {
    const void *host = from ? (const void *)wide : single;
    CHECK_STATUS(clloss_tensor_upload_as(t, from ? CLLOSS_F64 : CLLOSS_F32, host, f.queue, 0, NULL, NULL),
                 CLLOSS_SUCCESS);
    CHECK_STATUS(clloss_tensor_download(t, back, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
    for (uint32_t i = 0; i < N; i++)
      wrong += isnan(value16(dtype, i)) ? !isnan(value16(dtype, back[i])) : back[i] != i;
    CHECK_EQ(wrong, 0);
  }
  clloss_tensor_destroy(&t);
  free(bits), free(back), free(single), free(wide);
}

/* Between each number and the next: below the middle, at it, and above; from f64 also where rounding to f32 on the
 * way would land on the middle. */
static void rounds_once(uint32_t dtype) {
  const uint32_t infinity = dtype == CLLOSS_F16 ? 0x7c00 : 0x7f80;
  int wrong = 0;
  for (uint32_t i = 0; i < infinity; i++) {
    const double low = value16(dtype, i), step = value16(dtype, i < infinity - 1 ? i + 1 : i) -
                                                 value16(dtype, i < infinity - 1 ? i : i - 1);
    const double hair = step * 0x1p-40;
    const double from[] = {low, low + step / 2 - hair, low + step / 2, low + step / 2 + hair,
                           -low - step / 2};
    const uint32_t even = i % 2 ? i + 1 : i, want[] = {i, i, even, i + 1, even | 0x8000};
    uint16_t got[5];
    CHECK_STATUS(clloss_convert(dtype, got, CLLOSS_F64, from, 5), CLLOSS_SUCCESS);
    for (int k = 0; k < 5; k++) wrong += got[k] != want[k];
  }
  CHECK_EQ(wrong, 0);
  const double beyond[] = {HUGE_VAL, -HUGE_VAL, 1e300, -1e300, 4e-324, -4e-324, NAN};
  const uint32_t ends[] = {infinity, infinity | 0x8000, infinity, infinity | 0x8000, 0, 0x8000};
  uint16_t got[7];
  CHECK_STATUS(clloss_convert(dtype, got, CLLOSS_F64, beyond, 7), CLLOSS_SUCCESS);
  for (int k = 0; k < 6; k++) CHECK_EQ(got[k], ends[k]);
  CHECK(isnan(value16(dtype, got[6])));
  const uint64_t faint = 0x7ff0000000000001; /* a NaN by its last bit alone, which has no place in 16 */
  CHECK_STATUS(clloss_convert(dtype, got, CLLOSS_F64, &faint, 1), CLLOSS_SUCCESS);
  CHECK(isnan(value16(dtype, got[0])));
}

/* f64 to f32 is what C does with a cast: normal, denormal, too large, too small. */
static void narrows_as_casts(void) {
  uint64_t state = 88172645463325252u;
  int wrong = 0;
  for (int i = 0; i < 200000; i++) {
    double from;
    float got;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    uint64_t bits = (state & 0x800fffffffffffffu) | ((state >> 52 & 511) + 767) << 52;
    if (i % 2) bits &= ~(uint64_t)0x0fffffff; /* ties */
    memcpy(&from, &bits, sizeof from);
    CHECK_STATUS(clloss_convert(CLLOSS_F32, &got, CLLOSS_F64, &from, 1), CLLOSS_SUCCESS);
    wrong += !same((double)got, (double)(float)from);
  }
  CHECK_EQ(wrong, 0);
}

static void integers(void) {
  const unsigned char u8[3] = {0, 7, 255};
  const uint16_t u16[3] = {0, 7, 65535};
  const int64_t fits[3] = {INT32_MIN, -100, INT32_MAX}, large[3] = {0, 7, (int64_t)INT32_MAX + 1};
  int64_t wide[3];
  int32_t i32[3] = {1, 2, 3};
  unsigned char bytes[3] = {1, 2, 3};
  clloss_tensor *a = make(CLLOSS_I32, 3, 1), *b = make(CLLOSS_I64, 3, 1);
  if (!a || !b) return;
  CHECK_STATUS(clloss_tensor_upload_as(b, CLLOSS_U8, u8, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(b, wide, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (int i = 0; i < 3; i++) CHECK_EQ(wide[i], u8[i]);
  CHECK_STATUS(clloss_tensor_upload_as(a, CLLOSS_U16, u16, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download_as(a, CLLOSS_I64, wide, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (int i = 0; i < 3; i++) CHECK_EQ(wide[i], u16[i]);
  CHECK_STATUS(clloss_tensor_upload_as(a, CLLOSS_I64, fits, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_upload_as(a, CLLOSS_I64, large, f.queue, 0, NULL, NULL), CLLOSS_VALUE);
  CHECK_STATUS(clloss_tensor_download_as(a, CLLOSS_I64, wide, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (int i = 0; i < 3; i++) CHECK_EQ(wide[i], fits[i]); /* the refused upload left it alone */
  CHECK_STATUS(clloss_tensor_download_as(a, CLLOSS_U8, bytes, f.queue, 0, NULL, NULL), CLLOSS_VALUE);
  for (int i = 0; i < 3; i++) CHECK_EQ(bytes[i], i + 1);
  CHECK_STATUS(clloss_tensor_upload(b, large, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download_as(b, CLLOSS_I32, i32, f.queue, 0, NULL, NULL), CLLOSS_VALUE);
  for (int i = 0; i < 3; i++) CHECK_EQ(i32[i], i + 1);
  clloss_tensor_destroy(&a);
  clloss_tensor_destroy(&b);
}

/* Conversions wait for the wait list, and their own event orders what follows on a queue out of order. */
static void conversions_and_events(void) {
  double up[ROWS], down[ROWS];
  cl_event e[2] = {NULL};
  void *host = up;
  cl_command_queue queue = fixture_queue(&f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  clloss_tensor *t = make(CLLOSS_BF16, ROWS, 1), *none = make(CLLOSS_F16, 0, 4);
  if (!queue || !t || !none) return;
  for (int i = 0; i < ROWS; i++) up[i] = i - 8;
  CHECK_STATUS(clloss_tensor_upload_as(t, CLLOSS_F64, up, queue, 0, NULL, &e[0]), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download_as(t, CLLOSS_F64, down, queue, 1, &e[0], &e[1]), CLLOSS_SUCCESS);
  CHECK(!memcmp(up, down, sizeof up));
  if (e[1]) CHECK_STATUS(clWaitForEvents(1, &e[1]), CL_SUCCESS);
  for (int i = 0; i < 2; i++) CHECK(e[i] != NULL);
  for (int i = 0; i < 2; i++)
    if (e[i]) clReleaseEvent(e[i]);
  CHECK_STATUS(clloss_tensor_upload_as(none, CLLOSS_F32, NULL, queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download_as(none, CLLOSS_F32, NULL, queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_upload_as(t, CLLOSS_I32, up, queue, 0, NULL, NULL), CLLOSS_DTYPE);
  CHECK_STATUS(clloss_tensor_download_as(t, 0, down, queue, 0, NULL, NULL), CLLOSS_DTYPE);
  CHECK_STATUS(clloss_tensor_upload_as(t, CLLOSS_F32, NULL, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_tensor_download_as(NULL, CLLOSS_F32, down, queue, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_convert(CLLOSS_F32, NULL, CLLOSS_F64, up, 1), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_convert(CLLOSS_F32, down, 99, up, 1), CLLOSS_DTYPE);
  CHECK_STATUS(clloss_convert(CLLOSS_F32, NULL, CLLOSS_F64, NULL, 0), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_map(t, &host, queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_upload_as(t, CLLOSS_F64, up, queue, 0, NULL, NULL), CLLOSS_MAPPED);
  CHECK_STATUS(clloss_tensor_download_as(t, CLLOSS_F64, down, queue, 0, NULL, NULL), CLLOSS_MAPPED);
  clloss_tensor_destroy(&t);
  clloss_tensor_destroy(&none);
  CHECK_STATUS(clFinish(queue), CL_SUCCESS);
  clReleaseCommandQueue(queue);
}

/* ---- wait lists that have failed ------------------------------------------------------------------------------ */

enum { N = 16 };

/* One call with a list that can't be waited for: refused at once, and all is as it was. */
static void refused_list(transfer which, clloss_tensor *t, const cl_event *list, clloss_status expected,
                         bool with_done) {
  int64_t before[LAYER_KIND_COUNT];
  unsigned char host[N * sizeof(double)];
  const int failures = check_failures;
  cl_event nobodys = (cl_event)(void *)&f, done = nobodys, ended = NULL;
  void *mapped = NULL;
  float down[N];
  memset(host, 0xA5, sizeof host);
  layer_snapshot(layer, before);
  if (which == UNMAP) CHECK_STATUS(clloss_tensor_map(t, &mapped, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  if (which == MAP) mapped = &mapped;
  CHECK_STATUS(transfer_run(which, t, host, &mapped, f.queue, 2, list, with_done ? &done : NULL), expected);
  CHECK(done == nobodys);
  if (which == MAP) CHECK(!mapped);
  if (which == UNMAP) {
    CHECK_STATUS(clloss_tensor_unmap(t, f.queue, 0, NULL, &ended), CLLOSS_SUCCESS);
    CHECK_STATUS(clWaitForEvents(1, &ended), CL_SUCCESS);
    clReleaseEvent(ended);
  }
  for (size_t i = 0; i < sizeof host; i++) CHECK_EQ(host[i], 0xA5);
  CHECK_STATUS(clloss_tensor_download(t, down, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (size_t i = 0; i < N; i++) CHECK(down[i] == 1);
  CHECK_EQ(layer_grown(layer, before, "a refused wait list"), 0);
  if (failures != check_failures)
    fprintf(stderr, "  in %s, %s done\n", transfer_names[which], with_done ? "with" : "without");
}

static void refuses_failed_wait_lists(void) {
  cl_int error;
  const cl_event good = clCreateUserEvent(f.context, &error), bad = clCreateUserEvent(f.context, &error);
  const cl_event failed[2] = {good, bad}, hole[2] = {good, NULL};
  clloss_tensor *t = make(CLLOSS_F32, N, 1), *none = make(CLLOSS_F32, 0, 1);
  float ones[N];
  cl_event done = NULL;
  if (!good || !bad || !t || !none) return;
  for (size_t i = 0; i < N; i++) ones[i] = 1;
  CHECK_STATUS(clloss_tensor_upload(t, ones, f.queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clSetUserEventStatus(good, CL_COMPLETE), CL_SUCCESS);
  CHECK_STATUS(clSetUserEventStatus(bad, -77), CL_SUCCESS);
  for (transfer which = UPLOAD; which < TRANSFER_COUNT; which++)
    for (int with_done = 0; with_done < 2; with_done++) {
      refused_list(which, t, failed, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, with_done);
      refused_list(which, t, hole, CLLOSS_NULL_ARGUMENT, with_done);
    }
  CHECK_STATUS(transfer_run(UPLOAD, none, ones, NULL, f.queue, 2, failed, &done),
               CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
  CHECK(!done);
  clReleaseEvent(good);
  clReleaseEvent(bad);
  clloss_tensor_destroy(&t);
  clloss_tensor_destroy(&none);
}

int main(void) {
  int64_t nothing[LAYER_KIND_COUNT] = {0};
  layer = layer_open();
  if (!layer || !fixture_open(&f)) return 1;
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, NULL), CLLOSS_SUCCESS);
  if (ctx) {
    round_trips(CLLOSS_F32, 4);
    round_trips(CLLOSS_I32, 4);
    round_trips(CLLOSS_I64, 8);
    round_trips(CLLOSS_U8, 1);
    round_trips(CLLOSS_F64, 8);
    round_trips(CLLOSS_BF16, 2);
    events_order_transfers();
    maps_one_at_a_time();
    no_elements();
    refusals();
    kernels_see_maps();
    outlives_the_ctx();
    all_of_16_bits(CLLOSS_F16);
    all_of_16_bits(CLLOSS_BF16);
    rounds_once(CLLOSS_F16);
    rounds_once(CLLOSS_BF16);
    narrows_as_casts();
    integers();
    conversions_and_events();
    refuses_failed_wait_lists();
    destroyed_in_flight();
  }
  clloss_ctx_destroy(&ctx);
  fixture_close(&f);
  CHECK_EQ(layer_grown(layer, nothing, "at the end"), 0);
  return check_done();
}
