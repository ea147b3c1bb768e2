/* Softmax and log-softmax as cases of the harness: softmax_forward, softmax_backward. */
#ifndef CLLOSS_CHECK_CASE_SOFTMAX_H
#define CLLOSS_CHECK_CASE_SOFTMAX_H

#include "case.h"

enum softmax_array { SOFTMAX_INPUT, SOFTMAX_OUTPUT, SOFTMAX_GRAD_OUTPUT, SOFTMAX_GRAD_INPUT };

enum softmax_fill {
  SOFTMAX_RANDOM,
  SOFTMAX_RISING,       /* the maximum comes last: every block of an online maximum rescales */
  SOFTMAX_CERTAIN,      /* one class has nearly all of it: case_draw_certain */
  SOFTMAX_MASKED,       /* about half of the entries are −inf, */
  SOFTMAX_MASK_MOST,    /* all but a tenth, */
  SOFTMAX_MASK_LEADING, /* all but the last eighth */
  SOFTMAX_BAD,          /* a NaN, a +inf, or nothing but −inf */
  SOFTMAX_MIXED,        /* each row one of the above */
  SOFTMAX_FILLS
};

/* row_pad has no meaning. All zero but rows and classes: f32, softmax, packed. */
typedef struct softmax_shape {
  CASE_LAYOUT;
  uint32_t read, write; /* types of what is read and written; 0: f32, and what is read */
  bool is_log, in_place;
  double scale;
  enum softmax_fill fill;
} softmax_shape;

extern const harness_case softmax_forward_case, softmax_backward_case;

#endif
