/* What the libFuzzer targets share: one function each, LLVMFuzzerTestOneInput, which is given bytes of libFuzzer's own making
 * and ends the process where something that has to hold doesn't. The sanitizers watch over the rest. */
#ifndef CLLOSS_TESTS_FUZZ_TARGET_H
#define CLLOSS_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXPECT(condition) \
  ((condition) ? (void)0  \
               : (fprintf(stderr, "%s:%d: doesn't hold: %s\n", __FILE__, __LINE__, #condition), abort()))

/* What the program's files say by fail() (cli/cli.h), which target_cli.c has in place of cli/main.c: how often since the last
 * call of this. */
unsigned target_complaints(void);

#endif
