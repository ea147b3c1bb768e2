/* The arrays that `clloss eval` reads: their files, what their shapes say, and the rows of one batch after another. */
#ifndef EVAL_DATA_H
#define EVAL_DATA_H

#include "eval_options.h"
#include "npy.h"

typedef struct eval_data {
  const eval_request *request;
  npy_file input, target, upstream, weight, row_weight; /* the last three where they are asked for */
  uint64_t rows,
      inner; /* rows that lie between two classes of one: the product of the axes behind the class axis */
  size_t classes;
  int n_row_dims; /* INPUT's shape without the class axis */
  uint64_t row_dims[NPY_MAX_DIMS];
  uint32_t dtype,
      real; /* what logits are stored in, and what all else but indices is: f32, or f64 if they are */
  bool probabilities;   /* for targets */
  double *class_weight; /* rounded to real; NULL: 1 */
} eval_data;

/* Rows that are read together. Their logits are [rows / inner][classes][inner]: whole items of INPUT's first axis, or
 * where one is too large, some of the rows of one. */
typedef struct eval_span {
  uint64_t row; /* the first */
  size_t rows, inner;
} eval_span;

/* EXIT_OK, or with a line why not; to be closed either way. */
int eval_data_open(eval_data *data, const eval_request *request);
void eval_data_close(eval_data *data);

/* The rows from `row` on that go together; the first span is the longest. */
eval_span eval_data_span(const eval_data *data, uint64_t row);

/* Where run `i` of a span lies in an array of INPUT's shape, and how many there are. */
size_t eval_data_runs(const eval_data *data, const eval_span *span, size_t *run_items);
uint64_t eval_data_run(const eval_data *data, const eval_span *span, size_t i);

/* An array of INPUT's shape. */
bool eval_data_read(const eval_data *data, npy_file *npy, const eval_span *span, uint32_t dtype, void *to);

/* The perplexity is about the loss without weights and smoothing. With probabilities, the metric of a call that has them
 * isn't: it takes one more call without. */
bool eval_data_measures_apart(const eval_data *data);

/* One real per row, rounded to data->real. */
bool eval_data_read_rows(const eval_data *data, npy_file *npy, const eval_span *span, double *to);

/* What the mean divides losses by, and z-losses, from the targets and weights of all rows. */
bool eval_data_divisors(eval_data *data, double *divisor, double *z_divisor);

#endif
