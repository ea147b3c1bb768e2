/* NumPy's format 1.0: a magic word, the length of a header that is padded to 64 bytes, the header, the items. The
 * machine is taken to be little-endian, as clLoss takes devices to be. */
#include "npy.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

bool npy_write(const char *path, const char *type, size_t rows, size_t columns, const void *items) {
  enum { HEADER = 128, LEAD = 10 };
  char header[HEADER + 1], shape[64];
  const size_t n = rows * (columns ? columns : 1), size = (size_t)(type[2] - '0');
  snprintf(shape, sizeof shape, columns ? "(%zu, %zu)" : "(%zu,)", rows, columns);
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = HEADER - LEAD;
  header[9] = 0;
  const int used = snprintf(header + LEAD, sizeof header - LEAD,
                            "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
  memset(header + LEAD + used, ' ', (size_t)(HEADER - LEAD - used));
  header[HEADER - 1] = '\n';
  FILE *file = fopen(path, "wb");
  bool good = file && fwrite(header, 1, HEADER, file) == HEADER && fwrite(items, size, n, file) == n;
  if (file && fclose(file)) good = false;
  if (!good) fprintf(stderr, "%s: %s\n", path, errno ? strerror(errno) : "can't be written");
  return good;
}
