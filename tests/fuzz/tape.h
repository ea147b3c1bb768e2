/* Bytes that are read as whatever is wanted next; beyond their end come zeros, so that a short input is one of defaults. */
#ifndef CLLOSS_TESTS_FUZZ_TAPE_H
#define CLLOSS_TESTS_FUZZ_TAPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct fuzz_tape {
  const uint8_t *data;
  size_t left;
} fuzz_tape;

static inline void tape_take(fuzz_tape *t, void *to, size_t size) {
  const size_t n = size < t->left ? size : t->left;
  memset(to, 0, size);
  if (n) memcpy(to, t->data, n);
  t->data += n;
  t->left -= n;
}

static inline uint8_t tape_byte(fuzz_tape *t) {
  uint8_t value;
  tape_take(t, &value, sizeof value);
  return value;
}

static inline uint64_t tape_u64(fuzz_tape *t) {
  uint64_t value;
  tape_take(t, &value, sizeof value);
  return value;
}

/* Any bits: NaN and infinities among them. */
static inline double tape_double(fuzz_tape *t) {
  double value;
  tape_take(t, &value, sizeof value);
  return value;
}

/* A length and as many characters, ended by NUL within `room`; one of them may be NUL itself. */
static inline void tape_text(fuzz_tape *t, char *to, size_t room) {
  const size_t n = tape_byte(t) % room;
  tape_take(t, to, n);
  to[n] = 0;
}

#endif
