/* Words for messages, of element types and flags. */
#ifndef CLLOSS_HOST_NAMES_H
#define CLLOSS_HOST_NAMES_H

#include <clloss/clloss.h>

/* "bf16", or of what is no type its number. */
void clloss__dtype_said(char *text, size_t size, uint32_t dtype);

/* The words of a set of element types, bits 1 << type: "i32, i64 or f32". */
void clloss__dtypes_of(char *text, size_t size, uint32_t set);

typedef struct clloss__flag {
  uint32_t bit;
  const char *name, *of; /* NULL where no flag has the bit */
} clloss__flag;

/* The lowest of some flags. */
clloss__flag clloss__flag_of(uint32_t flags);

#endif
