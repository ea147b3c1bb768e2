/* Class indices in every type that calls take them in. */
#include <math.h>

#include "case.h"

bool case_is_real(uint32_t dtype) {
  return dtype == CLLOSS_F32 || dtype == CLLOSS_F64 || dtype == CLLOSS_F16 || dtype == CLLOSS_BF16;
}

uint32_t case_draw_label_type(bool group, uint64_t *state) {
  enum { COMMON = 2 };
  static const uint32_t types[] = {CLLOSS_I32, CLLOSS_I64, CLLOSS_U8,  CLLOSS_U16,
                                   CLLOSS_F32, CLLOSS_F64, CLLOSS_F16, CLLOSS_BF16};
  return types[harness_pick(state, group ? COMMON : sizeof types / sizeof *types)];
}

int64_t case_label(uint32_t dtype, const void *labels, size_t i) {
  if (dtype == CLLOSS_I64) return ((const int64_t *)labels)[i];
  const double value = harness_get(dtype, labels, i);
  return fabs(value) < 0x1p63 && value == floor(value) ? (int64_t)value : INT64_MIN;
}

/* Of i64 there are some that are classes when cut to 32 bits; of reals some that are when rounded, truncated or flushed; of the
 * small integers none where there are as many classes. */
static double bad_label(uint32_t dtype, double classes, uint64_t *state) {
  const double reals[] = {-1,       classes,   0.5,      -0.25,    classes - 0.5,    (double)NAN,
                          INFINITY, -INFINITY, 0x1p31,   -0x1p31,  0x1p63,           -0x1p63,
                          0x1p100,  0x1p-24,   -classes, -0x1p-20, 0x1p24 + classes, 0x1.8p-127};
  const double narrow[] = {-1, classes, INT32_MIN, INT32_MAX, -classes, classes + 1};
  const double wide[] = {-1, classes, -0x1p63, 0x1p62, 0x1p32, -0x1p32, INT32_MIN, 0x1p32 + classes - 1};
#define PICK(list) (list)[harness_pick(state, sizeof(list) / sizeof *(list))]
  if (case_is_real(dtype)) return PICK(reals);
  if (dtype == CLLOSS_U8) return 255;
  if (dtype == CLLOSS_U16) return 65535;
  return dtype == CLLOSS_I64 ? PICK(wide) : PICK(narrow);
#undef PICK
}

void case_put_label(uint32_t dtype, void *labels, size_t i, int64_t label, size_t classes, uint64_t *state) {
  if (label == CASE_BAD_LABEL)
    harness_put(dtype, labels, i, bad_label(dtype, (double)classes, state));
  else if (dtype == CLLOSS_I64)
    ((int64_t *)labels)[i] = label;
  else
    harness_put(dtype, labels, i, (double)label);
}
