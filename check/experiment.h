/* A case that is run: between experiment.c, which does, and compare.c, which judges what came out. */
#ifndef CLLOSS_CHECK_EXPERIMENT_H
#define CLLOSS_CHECK_EXPERIMENT_H

#include "harness.h"

enum { RUNS = 2 };

/* An array in its buffer: guard, offset, outer rows at a pitch (of `inner` rows each, neighbours in memory),
 * guard. An output in place has the layout of its input, and no memory of its own. */
typedef struct layout {
  harness_array array;
  size_t element_bytes;
  size_t first, inner, pitch, step, last,
      total;                             /* elements; step is from column to column, last is past the end */
  unsigned char *owned;                  /* of each element, whether it belongs to the array */
  int memory;                            /* index of the array that owns the buffer */
  device_memory place;                   /* the buffer, or what is in its stead */
  unsigned char *sent[RUNS], *got[RUNS]; /* the whole buffer before and after each run */
} layout;

typedef struct experiment {
  const harness_case *c;
  const void *shape;
  clloss_plan plan;
  harness_data data;
  layout layouts[HARNESS_ARRAYS];
  harness_result *result;
} experiment;

/* Counts that a check fired, and keeps what it says if it is the first time. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void harness_fire(experiment *e, harness_check_kind kind, const char *format, ...);

/* Everything that can be told from the buffers of the two runs. */
void harness_judge(experiment *e);

/* Element [row][column] of the array, in `buffer` laid out as l says. */
static inline size_t layout_index(const layout *l, size_t row, size_t column) {
  return l->first + row / l->inner * l->pitch + row % l->inner + column * l->step;
}
static inline unsigned char *layout_at(const layout *l, unsigned char *buffer, size_t row, size_t column) {
  return buffer + layout_index(l, row, column) * l->element_bytes;
}

static inline bool is_output(const harness_array *a) {
  return a->role == HARNESS_OUTPUT || a->role == HARNESS_UPDATED;
}

#endif
