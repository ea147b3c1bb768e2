/* The program's way of complaining, for its files without its main(): a line is made and not printed. */
#include "target.h"

#include "cli.h"

#include <stdarg.h>

static unsigned complaints;
static char text[1024];

int fail(int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  EXPECT(vsnprintf(text, sizeof text, format, arguments) > 0);
  va_end(arguments);
  complaints++;
  return status;
}

unsigned target_complaints(void) {
  const unsigned n = complaints;
  complaints = 0;
  return n;
}
