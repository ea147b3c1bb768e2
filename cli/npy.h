/* NumPy's .npy files, as far as this version needs them: format versions 1.0 to 3.0, C order, little-endian reals of 16,
 * 32 and 64 bits and integers. A file is believed only if its length is exactly what its header says. Every function
 * that returns false has printed why. */
#ifndef NPY_H
#define NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { NPY_MAX_DIMS = 32, NPY_MAX_HEADER = 1024 };

typedef struct npy_file {
  const char *path;
  FILE *file;
  char type[3]; /* "f2", "f4", "f8", "u1", "i8" … */
  int n_dims;
  uint64_t dims[NPY_MAX_DIMS];
  uint64_t count;      /* items; their bytes fit a signed 64-bit file offset */
  uint64_t data_bytes; /* where they begin */
} npy_file;

/* The path stays the caller's. On failure there is nothing to close. */
bool npy_open(npy_file *npy, const char *path);
void npy_close(npy_file *npy);

/* The item that is read next. */
bool npy_seek(npy_file *npy, uint64_t item);

/* CLLOSS_F16, CLLOSS_F32 or CLLOSS_F64; 0 where the items are integers. */
uint32_t npy_real_dtype(const npy_file *npy);

/* The next n reals as a type of clloss_types.h, each rounded once; the next n integers. */
bool npy_read_reals(npy_file *npy, uint32_t dtype, void *items, size_t n);
bool npy_read_integers(npy_file *npy, int64_t *items, size_t n);

/* "(3, 5)", for messages: cut to its room. */
const char *npy_shape(const npy_file *npy, char text[128]);

/* A version 1.0 header for items of that type, "f4" or "f8"; returns its length. */
size_t npy_header(char header[NPY_MAX_HEADER], const char *type, int n_dims, const uint64_t *dims);

#endif
