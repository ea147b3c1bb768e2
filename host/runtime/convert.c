/* Conversions between element types, on the host and without OpenCL.
 *
 * Reals pass through the bits of an f64, which holds each value of the other types exactly, and are rounded from there
 * once, to nearest even. By way of an f32 an f64 would be rounded twice: 1 + 2⁻¹¹ + 2⁻⁴⁰ lies above the middle of two
 * halves, but the f32 next to it is that middle. It is done on integers, so the floating-point environment (rounding
 * mode, flushed denormals) has no say in it.
 *
 * Integers pass through an i64. */
#include "convert.h"

#include <string.h>

#include "device.h"

/* Of a binary format narrower than f64: sign, exponent, and the significand without its leading one. */
typedef struct {
  int exponent, fraction; /* bits */
} format;

enum { F64_FRACTION = 52, F64_BIAS = 1023, F64_SPECIAL = 2047 };

static const uint64_t f64_one = (uint64_t)1 << F64_FRACTION;

static format format_of(uint32_t dtype) {
  if (dtype == CLLOSS_F16) return (format){5, 10};
  if (dtype == CLLOSS_BF16) return (format){8, 7};
  return (format){8, 23};
}

static uint64_t special(format f) { return ((uint64_t)1 << f.exponent) - 1; }
static int bias(format f) { return (1 << (f.exponent - 1)) - 1; }

static uint64_t widen(uint64_t bits, format f) {
  const uint64_t sign = bits >> (f.exponent + f.fraction) << 63;
  const uint64_t exponent = bits >> f.fraction & special(f);
  uint64_t fraction = (bits & (((uint64_t)1 << f.fraction) - 1)) << (F64_FRACTION - f.fraction);
  if (exponent == special(f)) return sign | (uint64_t)F64_SPECIAL << F64_FRACTION | fraction;
  if (exponent) return sign | (exponent + (uint64_t)(F64_BIAS - bias(f))) << F64_FRACTION | fraction;
  if (!fraction) return sign;
  /* A denormal: 0.fraction · 2^(1 − bias), a normal number in f64. */
  uint64_t normal = (uint64_t)(F64_BIAS - bias(f) + 1);
  for (; fraction < f64_one; fraction <<= 1) --normal;
  return sign | normal << F64_FRACTION | (fraction - f64_one);
}

static uint64_t narrow(uint64_t bits, format f) {
  const uint64_t sign = bits >> 63 << (f.exponent + f.fraction);
  const uint64_t infinity = special(f) << f.fraction;
  const int exponent = (int)(bits >> F64_FRACTION & F64_SPECIAL);
  uint64_t significand = bits & (f64_one - 1);
  int dropped = F64_FRACTION - f.fraction;
  if (exponent == F64_SPECIAL) {
    if (!significand) return sign | infinity;
    return sign | infinity | (uint64_t)1 << (f.fraction - 1) | significand >> dropped; /* a quiet NaN */
  }
  const int place = exponent - F64_BIAS + bias(f); /* the exponent's, at least 1 for normal numbers */
  if (exponent) significand |= f64_one;
  if (place < 1) dropped += 1 - place;
  if (dropped > F64_FRACTION + 2) return sign; /* below half of the least denormal */
  const uint64_t rest = significand & (((uint64_t)1 << dropped) - 1), half = (uint64_t)1 << (dropped - 1);
  uint64_t result = significand >> dropped;
  if (place > 1) result += (uint64_t)(place - 1) << f.fraction; /* the leading one counts as the last of it */
  result += rest > half || (rest == half && (result & 1));      /* and may carry into the exponent */
  return sign | (result < infinity ? result : infinity);
}

static uint64_t load(const void *from, size_t i, size_t bytes) {
  uint64_t wide = 0;
  uint32_t word;
  uint16_t half;
  const char *at = (const char *)from + i * bytes;
  if (bytes == 8) memcpy(&wide, at, 8);
  if (bytes == 4) memcpy(&word, at, 4), wide = word;
  if (bytes == 2) memcpy(&half, at, 2), wide = half;
  if (bytes == 1) wide = *(const unsigned char *)at;
  return wide;
}

static void store(void *to, size_t i, size_t bytes, uint64_t wide) {
  const uint32_t word = (uint32_t)wide;
  const uint16_t half = (uint16_t)wide;
  char *at = (char *)to + i * bytes;
  if (bytes == 8) memcpy(at, &wide, 8);
  if (bytes == 4) memcpy(at, &word, 4);
  if (bytes == 2) memcpy(at, &half, 2);
  if (bytes == 1) *(unsigned char *)at = (unsigned char)wide;
}

bool clloss__is_real(uint32_t dtype) {
  return dtype == CLLOSS_F32 || dtype == CLLOSS_F64 || dtype == CLLOSS_F16 || dtype == CLLOSS_BF16;
}

bool clloss__converts(uint32_t to_dtype, uint32_t from_dtype) {
  if (!clloss_dtype_size(to_dtype) || !clloss_dtype_size(from_dtype)) return false;
  return clloss__is_real(to_dtype) == clloss__is_real(from_dtype);
}

/* i32 is the one type whose sign has to be carried up. */
static int64_t integer(uint32_t dtype, uint64_t bits) {
  if (dtype == CLLOSS_I32) return (int32_t)(uint32_t)bits;
  return (int64_t)bits;
}

bool clloss__fits(uint32_t to_dtype, uint32_t from_dtype, const void *from, size_t n) {
  const size_t bytes = clloss_dtype_size(from_dtype);
  int64_t least = 0, most = UINT8_MAX;
  if (clloss__is_real(to_dtype) || to_dtype == CLLOSS_I64) return true;
  if (to_dtype == CLLOSS_I32) least = INT32_MIN, most = INT32_MAX;
  if (to_dtype == CLLOSS_U16) most = UINT16_MAX;
  for (size_t i = 0; i < n; ++i) {
    const int64_t value = integer(from_dtype, load(from, i, bytes));
    if (value < least || value > most) return false;
  }
  return true;
}

void clloss__convert(uint32_t to_dtype, void *to, uint32_t from_dtype, const void *from, size_t n) {
  const size_t to_bytes = clloss_dtype_size(to_dtype), from_bytes = clloss_dtype_size(from_dtype);
  const format into = format_of(to_dtype), out_of = format_of(from_dtype);
  if (to_dtype == from_dtype) {
    if (n) memmove(to, from, n * to_bytes);
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    uint64_t bits = load(from, i, from_bytes);
    if (!clloss__is_real(to_dtype)) {
      bits = (uint64_t)integer(from_dtype, bits);
    } else {
      if (from_dtype != CLLOSS_F64) bits = widen(bits, out_of);
      if (to_dtype != CLLOSS_F64) bits = narrow(bits, into);
    }
    store(to, i, to_bytes, bits);
  }
}

clloss_status clloss_convert(uint32_t to_dtype, void *to, uint32_t from_dtype, const void *from, size_t n) {
  if (!clloss__converts(to_dtype, from_dtype)) return CLLOSS_DTYPE;
  if (n && (!to || !from)) return CLLOSS_NULL_ARGUMENT;
  if (!clloss__fits(to_dtype, from_dtype, from, n)) return CLLOSS_VALUE;
  clloss__convert(to_dtype, to, from_dtype, from, n);
  return CLLOSS_SUCCESS;
}
