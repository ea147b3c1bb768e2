/* NumPy's .npy files, as far as this version needs them: format versions 1.0 to 3.0, C order, little-endian f4, i4
 * and i8. A file is believed only if its length is exactly what its header says. Every function that returns false
 * has printed why. */
#ifndef NPY_H
#define NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { NPY_MAX_DIMS = 32 };

typedef struct npy_file {
  const char *path;
  FILE *file;
  char type[3]; /* "f4", "i4" or "i8" */
  int n_dims;
  uint64_t dims[NPY_MAX_DIMS];
  uint64_t count;      /* items; their bytes fit a signed 64-bit file offset */
  uint64_t data_bytes; /* where they begin */
} npy_file;

/* The path stays the caller's. On failure there is nothing to close. */
bool npy_open(npy_file *npy, const char *path);
void npy_close(npy_file *npy);
bool npy_rewind(npy_file *npy);

/* The next n items; as integers for i4 and i8. */
bool npy_read(npy_file *npy, void *items, size_t n);
bool npy_read_integers(npy_file *npy, int64_t *items, size_t n);

/* "(3, 5)", for messages. */
const char *npy_shape(const npy_file *npy, char text[128]);

/* A version 1.0 header for f4 items; returns its length, at most 256. */
size_t npy_header(char header[256], int n_dims, const uint64_t *dims);

#endif
