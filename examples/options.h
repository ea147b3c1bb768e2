/* The one kind of option value that the programs have. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A whole number from min to max; otherwise false, with a line on stderr that names program, option and text. */
static inline bool option_number(const char *program, const char *option, const char *text, unsigned long min,
                                 unsigned long max, unsigned long *out) {
  char *end;
  *out = strtoul(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end && *out >= min && *out <= max) return true;
  fprintf(stderr, "%s: --%s %s: a number from %lu to %lu, please\n", program, option, text, min, max);
  return false;
}

#endif
