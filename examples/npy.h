/* Writes a NumPy file, for `clloss eval`. */
#ifndef NPY_H
#define NPY_H

#include <stdbool.h>
#include <stddef.h>

/* rows × columns of items of the type, "<f4" or "<i4"; columns 0 makes it one-dimensional. False, with a line on stderr,
 * on failure. */
bool npy_write(const char *path, const char *type, size_t rows, size_t columns, const void *items);

#endif
