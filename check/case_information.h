/* Surprisal and entropy as a case of the harness. */
#ifndef CLLOSS_CHECK_CASE_INFORMATION_H
#define CLLOSS_CHECK_CASE_INFORMATION_H

#include "case.h"

enum information_array { INFORMATION_INPUT, INFORMATION_TARGETS, INFORMATION_SURPRISAL, INFORMATION_ENTROPY };

/* What stands in the rows; entries are what the flags say, targets classes but where it isn't said. */
enum information_fill {
  INFORMATION_RANDOM,
  INFORMATION_MASKED,         /* about half of the entries are of probability 0 */
  INFORMATION_NEARLY_CERTAIN, /* of logits: one class has nearly all of it */
  INFORMATION_CERTAIN,        /* one class has probability 1, the others 0 */
  INFORMATION_BAD_TARGET,     /* −1, classes, the type's extremes */
  INFORMATION_BAD_ROW, /* no distribution: NaN; of logits +inf or nothing but −inf; an entry outside [0, 1] */
  INFORMATION_MIXED,   /* each row one of the above */
  INFORMATION_FILLS
};

enum { INFORMATION_NO_SURPRISAL = 1, INFORMATION_NO_ENTROPY = 2 };

/* All zero but rows and classes: f32 logits, i32 targets, packed, both outputs. */
typedef struct information_shape {
  CASE_LAYOUT;
  uint32_t dtype, targets_dtype; /* 0: f32, i32 */
  uint32_t flags, without;       /* CLLOSS_FROM_…, INFORMATION_NO_… */
  enum information_fill fill;
} information_shape;

extern const harness_case information_case;

#endif
