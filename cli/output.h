/* Result files of a command, which appear whole or not at all: bench/whole_file.h, with items to write where they are
 * .npy files. Every function that returns false has printed why. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "array.h"
#include "whole_file.h"

enum { MAX_OUTPUTS = 3 };

typedef struct output {
  struct whole_file file;
  array array; /* its items, to be written; zeros at first */
} output;

/* From here on a signal that ends the program removes temporary files first; a closed pipe is an error of write(); and if
 * the file behind a map goes away, the program says so and fails. To be called before an OpenCL driver loads. */
void output_watch_signals(void);

/* Makes the temporary file. */
bool output_open(output *out);

/* Makes the temporary file as long as its shape says, of "f4" or "f8" items, and writes its header. The disk has room for
 * all of it then. */
bool output_open_npy(output *out, const char *type, int n_dims, const uint64_t *dims);

/* Everything written is on the disk. */
bool output_close(output *out);

/* All outputs take their final names, or none does. */
bool output_commit(output outs[MAX_OUTPUTS]);

/* Removes what hasn't been committed. */
void output_discard(output outs[MAX_OUTPUTS]);

#endif
