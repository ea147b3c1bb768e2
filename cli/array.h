/* Files as arrays in memory: mapped, so that whoever computes on them needs no loop of reads, and memory is bounded by
 * dropping the pages that have been dealt with. Every function that returns false has printed why. */
#ifndef ARRAY_H
#define ARRAY_H

#include "npy.h"

typedef struct array {
  void *items;      /* NULL where there are none */
  char *base;       /* of the mapping */
  size_t bytes;     /* of the mapping */
  const char *path; /* for messages */
} array;

/* The file's items as a type of clloss_types.h, to be read: the file itself where it holds them so, else converted,
 * each real rounded once, into a temporary file that has no name. */
bool array_open(array *a, npy_file *npy, uint32_t dtype);

/* The first `bytes` of a file that has as many, items from first_bytes on, to be read and written. */
bool array_of_file(array *a, int descriptor, const char *path, size_t first_bytes, size_t bytes);

/* Memory that belongs to no file, zeros. Only what is touched and hasn't been dropped takes any. */
bool array_scratch(array *a, size_t bytes);

/* Takes the whole pages of the mapping's first `bytes` out of this process. A file's stay there, and come back at the next
 * touch, also while somebody uses them; those of no file are gone. */
void array_drop(const array *a, size_t bytes);
void array_close(array *a);

/* The path of the array that an address lies in, NULL for none; may be asked in a signal handler. */
const char *array_path_at(const void *address);

#endif
