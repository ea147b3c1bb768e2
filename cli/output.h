/* Result files that appear whole or not at all: each is written beside its final place under another name, and
 * renamed once everything else has succeeded. A failure, or a signal, leaves what was there before. Every function
 * that returns false has printed why. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "npy.h"

enum { MAX_OUTPUTS = 2 };

typedef struct output {
  const char *path; /* NULL: not wanted; all functions pass over it */
  char *final;      /* the path, or what it links to */
  char *temporary;
  char *backup;
  FILE *file;
  const char *type; /* of its items: "f4" or "f8" */
  size_t header_bytes;
} output;

/* Two paths name one file, whether or not it exists yet. */
bool output_same_file(const char *a, const char *b);

/* Makes the temporary file and writes its header. */
bool output_open(output *out, const char *type, int n_dims, const uint64_t *dims);
/* n items from the given one on. */
bool output_write(output *out, uint64_t item, const void *items, size_t n);

/* Everything written has reached the file system. */
bool output_close(output *out);

/* All outputs take their final names, or none does. */
bool output_commit(output outs[MAX_OUTPUTS]);

/* Removes what hasn't been committed. */
void output_discard(output outs[MAX_OUTPUTS]);

#endif
