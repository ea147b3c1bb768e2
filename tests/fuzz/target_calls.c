/* Spoilt calls (spoilt.c) of bytes that libFuzzer makes: two bytes for loss and pass, two for the good call, and four for each
 * thing that is spoilt in it. The device is the first. */
#include "target.h"

#include "fuzz.h"

static fuzz all;

/* What it did is printed at the end, for whoever wants to know how many calls were compared. */
static void close_all(void) {
  printf("spoilt calls: %zu accepted and compared, %zu refused\n", all.accepted, all.refused);
  fuzz_spoilt_close(&all);
  fuzz_close(&all);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  char *const arguments[] = {(*argv)[0], NULL};
  (void)argc;
  EXPECT(harness_open(&all.h, 1, (char **)(uintptr_t)arguments));
  EXPECT(atexit(close_all) == 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_tape tape = {data, size};
  fuzz_spoilt_call(&all, &tape);
  EXPECT(all.h.failed == 0);
  return 0;
}
