/* The handwritten digits: read from the compressed table, shuffled and split. */
#ifndef DIGITS_H
#define DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGITS_PIXELS = 64, DIGITS_CLASSES = 10 };

/* Rows in the order that the seed gives. The first train_rows are for training, the others, a fifth, are held out. */
typedef struct digits {
  size_t rows, train_rows, held_rows;
  float *pixels;    /* [rows][DIGITS_PIXELS], 0 … 1 */
  int32_t *classes; /* [rows], 0 … 9 */
} digits;

/* False, with a line on stderr that names the file and the row at fault, if the table can't be read. Either way the
 * digits are to be freed. */
bool digits_load(digits *d, const char *path, uint64_t seed);
void digits_free(digits *d);

#endif
