/* Checks for tests of the runtime: a failed one prints the place and both values, is counted, and the test goes on.
 * One counter per program file: fixture.c returns what it finds and leaves the verdict to the test. */
#ifndef CLLOSS_TESTS_CHECK_H
#define CLLOSS_TESTS_CHECK_H

#include <clloss/clloss.h>
#include <stdio.h>
#include <string.h>

static int check_failures;

#define CHECK(condition)                                                                          \
  do {                                                                                            \
    if (!(condition)) check_fail(__FILE__, __LINE__), fprintf(stderr, "false: %s\n", #condition); \
  } while (0)

/* Integers of any type that fits 64 bits. */
#define CHECK_EQ(actual, expected) \
  check_eq(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))

#define CHECK_STATUS(actual, expected) check_status(__FILE__, __LINE__, #actual, (actual), (expected))

static inline void check_fail(const char *file, int line) {
  check_failures++;
  fprintf(stderr, "%s:%d: ", file, line);
}

static inline void check_eq(const char *file, int line, const char *what, long long actual,
                            long long expected) {
  if (actual == expected) return;
  check_fail(file, line);
  fprintf(stderr, "%s is %lld, expected %lld\n", what, actual, expected);
}

static inline void check_status(const char *file, int line, const char *what, clloss_status actual,
                                clloss_status expected) {
  if (actual == expected) return;
  check_fail(file, line);
  fprintf(stderr, "%s is %d (%s), expected %d (%s)\n", what, actual, clloss_status_name(actual), expected,
          clloss_status_name(expected));
}

/* The exit status of main. */
static inline int check_done(void) {
  if (check_failures) fprintf(stderr, "%d checks failed\n", check_failures);
  return check_failures != 0;
}

#endif
