/* The scalar reference of clloss_ref.h: what the two types share, and xent_ref.h once for each of them. */
#include "clloss/clloss_ref.h"

#include <math.h>

enum { BLOCK = 256 }; /* terms per partial sum */

enum { TARGET_CLASS, TARGET_IGNORED, TARGET_BAD };

static int target_kind(const clloss_ref_xent *a, size_t row) {
  int64_t target = a->targets[row];
  if ((a->flags & CLLOSS_IGNORE_INDEX) && target == a->ignore_index) return TARGET_IGNORED;
  return target >= 0 && (uint64_t)target < a->classes ? TARGET_CLASS : TARGET_BAD;
}

/* The mean's divisor: rows whose target is a class and isn't ignored. */
static size_t count_valid(const clloss_ref_xent *a) {
  size_t valid = 0;
  for (size_t row = 0; row < a->rows; row++) valid += target_kind(a, row) == TARGET_CLASS;
  return valid;
}

#define REAL    float
#define EXP     expf
#define LOG     logf
#define F(name) name##_f32
#include "xent_ref.h"
#undef REAL
#undef EXP
#undef LOG
#undef F

#define REAL    double
#define EXP     exp
#define LOG     log
#define F(name) name##_f64
#include "xent_ref.h"
