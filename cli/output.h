/* Result files that appear whole or not at all: each is written beside its final place under another name, and
 * renamed once everything else has succeeded. A failure, or a signal, leaves what was there before. Every function
 * that returns false has printed why. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "array.h"

enum { MAX_OUTPUTS = 3 };

typedef struct output {
  const char *path; /* NULL: not wanted; all functions pass over it */
  char *final;      /* the path, or what it links to */
  char *temporary;
  char *backup;
  int descriptor; /* of the temporary file, while there is one */
  array array;    /* its items, to be written; zeros at first */
} output;

/* Two paths name one file, whether or not it exists yet. */
bool output_same_file(const char *a, const char *b);

/* From here on a signal that ends the program removes temporary files first; and if the file behind a map goes away,
 * the program says so and fails. To be called before an OpenCL driver loads: handlers that its compiler installs come
 * before these and go on to them, but a signal that has one isn't taken over. */
void output_watch_signals(void);

/* Makes the temporary file, for somebody who writes to the descriptor. */
bool output_open(output *out);

/* Makes the temporary file as long as its shape says, of "f4" or "f8" items, and writes its header. The disk has room for
 * all of it then. */
bool output_open_npy(output *out, const char *type, int n_dims, const uint64_t *dims);

/* Everything written is in the file. */
bool output_close(output *out);

/* All outputs take their final names, or none does. */
bool output_commit(output outs[MAX_OUTPUTS]);

/* Removes what hasn't been committed. */
void output_discard(output outs[MAX_OUTPUTS]);

#endif
