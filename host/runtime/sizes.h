/* Arithmetic on sizes. */
#ifndef CLLOSS_HOST_SIZES_H
#define CLLOSS_HOST_SIZES_H

#include <stddef.h>

static inline size_t clloss__min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t clloss__max(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t clloss__ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }

#endif
