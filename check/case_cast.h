/* clloss_cast as a case of the harness: cast. test_cast.c compares bits, of patterns of all kinds. */
#ifndef CLLOSS_CHECK_CASE_CAST_H
#define CLLOSS_CHECK_CASE_CAST_H

#include "case.h"

enum cast_array { CAST_INPUT, CAST_OUTPUT };

/* inner and row_pad have no meaning. */
typedef struct cast_shape {
  CASE_LAYOUT;
  uint32_t read, write; /* types; 0: f32 */
} cast_shape;

extern const harness_case cast_case;

#endif
