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

/* The type of clloss_types.h that its items have; 0: integers that none of those holds. */
uint32_t npy_dtype(const npy_file *npy);
bool npy_is_real(const npy_file *npy);

/* The next n items: reals as any real type, each rounded once; integers as CLLOSS_I32 or CLLOSS_I64, which has to hold
 * those of the file's type. */
bool npy_read(npy_file *npy, uint32_t dtype, void *items, size_t n);

/* Of an item of a type of clloss_types.h. */
size_t dtype_bytes(uint32_t dtype);

/* "(3, 5)", for messages: cut to its room. */
const char *npy_shape(const npy_file *npy, char text[128]);

/* A version 1.0 header for items of that type, "f4" or "f8"; returns its length. */
size_t npy_header(char header[NPY_MAX_HEADER], const char *type, int n_dims, const uint64_t *dims);

#endif
