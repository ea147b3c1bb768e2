/* Elements of host memory from one type to another. */
#ifndef CLLOSS_HOST_CONVERT_H
#define CLLOSS_HOST_CONVERT_H

#include <clloss/clloss.h>
#include <stdbool.h>

/* f32, f64, f16 or bf16. */
bool clloss__is_real(uint32_t dtype);

/* Whether there is a conversion: both types hold reals, or both integers. */
bool clloss__converts(uint32_t to_dtype, uint32_t from_dtype);

/* Whether every element has a place in the other type; only integers can fail to. */
bool clloss__fits(uint32_t to_dtype, uint32_t from_dtype, const void *from, size_t n);

/* Of types that convert and, where they hold integers, elements that fit. */
void clloss__convert(uint32_t to_dtype, void *to, uint32_t from_dtype, const void *from, size_t n);

#endif
