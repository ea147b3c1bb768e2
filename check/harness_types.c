/* Values of every element type as doubles. f16 and bf16 are written out here, so that the tests don't trust a
 * compiler's conversion, nor the one of the kernels. */
#include <math.h>
#include <string.h>

#include "harness.h"

/* A binary floating-point type of 16 bits: `fraction` bits below the leading one, exponents biased by
 * `bias`. */
typedef struct small {
  int fraction, bias;
} small;

static const small f16 = {10, 15}, bf16 = {7, 127};

static const small *small_of(uint32_t dtype) {
  return dtype == CLLOSS_F16 ? &f16 : dtype == CLLOSS_BF16 ? &bf16 : NULL;
}

size_t harness_bytes(uint32_t dtype) {
  switch (dtype) {
  case CLLOSS_U8: return 1;
  case CLLOSS_U16:
  case CLLOSS_F16:
  case CLLOSS_BF16: return 2;
  case CLLOSS_I64:
  case CLLOSS_F64: return 8;
  default: return 4;
  }
}

/* The exponent of the numbers around x, down to the subnormal ones'. */
static int exponent_near(const small *t, double x) {
  int e = 0;
  frexp(x, &e);
  return x == 0 || e - 1 < 1 - t->bias ? 1 - t->bias : e - 1;
}

static uint16_t small_bits(const small *t, double x) {
  const unsigned sign = signbit(x) ? 0x8000u : 0, infinity = 0x8000u - (1u << t->fraction);
  const double a = fabs(x);
  if (isnan(x)) return (uint16_t)(infinity | 1u << (t->fraction - 1));
  if (isinf(x)) return (uint16_t)(sign | infinity);
  const int e = exponent_near(t, a);
  /* the leading one of a normal number carries into the exponent field, which therefore gets one less */
  const double bits = rint(ldexp(a, t->fraction - e)) + (double)(e + t->bias - 1) * (1 << t->fraction);
  return (uint16_t)(sign | (bits < (double)infinity ? (unsigned)bits : infinity));
}

static double small_value(const small *t, uint16_t bits) {
  const int field = (bits & 0x7fff) >> t->fraction, fraction = bits & ((1 << t->fraction) - 1);
  const int infinite = 0x7fff >> t->fraction;
  const double a = field == infinite ? (fraction ? (double)NAN : (double)INFINITY)
                   : field == 0      ? ldexp(fraction, 1 - t->bias - t->fraction)
                                     : ldexp(fraction + (1 << t->fraction), field - t->bias - t->fraction);
  return bits & 0x8000 ? -a : a;
}

double harness_get(uint32_t dtype, const void *array, size_t i) {
  switch (dtype) {
  case CLLOSS_F32: return (double)((const float *)array)[i];
  case CLLOSS_F64: return ((const double *)array)[i];
  case CLLOSS_I32: return ((const int32_t *)array)[i];
  case CLLOSS_I64: return (double)((const int64_t *)array)[i];
  case CLLOSS_U8: return ((const uint8_t *)array)[i];
  case CLLOSS_U16: return ((const uint16_t *)array)[i];
  case CLLOSS_F16:
  case CLLOSS_BF16: return small_value(small_of(dtype), ((const uint16_t *)array)[i]);
  default: return (double)NAN;
  }
}

void harness_put(uint32_t dtype, void *array, size_t i, double value) {
  switch (dtype) {
  case CLLOSS_F32: ((float *)array)[i] = (float)value; break;
  case CLLOSS_F64: ((double *)array)[i] = value; break;
  case CLLOSS_I32: ((int32_t *)array)[i] = (int32_t)value; break;
  case CLLOSS_I64: ((int64_t *)array)[i] = (int64_t)value; break;
  case CLLOSS_U8: ((uint8_t *)array)[i] = (uint8_t)(int64_t)value; break;
  case CLLOSS_U16: ((uint16_t *)array)[i] = (uint16_t)(int64_t)value; break;
  case CLLOSS_F16:
  case CLLOSS_BF16: ((uint16_t *)array)[i] = small_bits(small_of(dtype), value); break;
  default: break;
  }
}

double harness_chain(double n) { return n <= 256 ? n : 256 + 2 + n * 0x1p-24; }

double harness_reference_chain(double n) { return fmin(n, 256) + ceil(n / 256); }

double harness_half_ulp(uint32_t dtype, double x) {
  const small *t = small_of(dtype);
  return t && isfinite(x) ? ldexp(0.5, exponent_near(t, x) - t->fraction) : 0;
}

double harness_ideal_bytes(const harness_case *c, const void *shape) {
  harness_array arrays[HARNESS_ARRAYS];
  double bytes = 0;
  memset(arrays, 0, sizeof arrays);
  c->arrays(c, shape, NULL, arrays);
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const harness_array *a = &arrays[i];
    const int times = a->role == HARNESS_UNBOUND || a->role == HARNESS_SCRATCH ? 0
                      : a->role == HARNESS_UPDATED                             ? 2
                                                                               : 1;
    bytes += times * (double)(a->rows * a->columns * harness_bytes(a->dtype));
  }
  return bytes;
}
