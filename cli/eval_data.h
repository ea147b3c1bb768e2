/* The arrays that `clloss eval` reads: their files, what their shapes say, and their items in memory. */
#ifndef EVAL_DATA_H
#define EVAL_DATA_H

#include "array.h"
#include "eval_options.h"

typedef struct eval_data {
  const eval_request *request;
  npy_file files[INPUTS]; /* of the request, those that are asked for */
  array arrays[INPUTS];   /* of dtype, target_dtype and real; without items where there is no file */
  size_t rows, classes;   /* elementwise: of the first axis, and of all others */
  size_t inner; /* rows that lie between two classes of one: the product of the axes behind the class axis */
  int n_row_dims; /* of results per row: INPUT's shape without the class axis; elementwise, INPUT's */
  uint64_t row_dims[NPY_MAX_DIMS];
  uint64_t
      weight_steps[NPY_MAX_DIMS]; /* elementwise: items of --weight from one place of an axis to the next */
  uint32_t dtype,
      real; /* what logits are stored in, and what results, weights and probabilities are: f32, or f64 */
  uint32_t target_dtype, target_flags; /* the flag that reals need */
  bool probabilities;                  /* for targets */
} eval_data;

/* Opens the files and checks their shapes against one another. EXIT_OK, or with a line why not; to be closed either
 * way. */
int eval_data_open(eval_data *data, const eval_request *request);
void eval_data_close(eval_data *data);

/* Makes arrays of the files. */
bool eval_data_map(eval_data *data);

/* Takes what has been read out of memory. */
void eval_data_drop(const eval_data *data);

/* Whether the loss that was asked for isn't the plain one, without weights, smoothing and z-loss, which the perplexity
 * and its like are about. */
bool eval_data_measures_apart(const eval_data *data);

/* Σ of n reals, in f64 and in blocks, so that rounding grows with their length and number, not with their product. */
double eval_sum(uint32_t dtype, const void *reals, size_t n);

/* The target of a row: its class, INT64_MIN for a real that isn't whole, or what each class gets. */
int64_t eval_data_index(const eval_data *data, size_t row);
void eval_data_probabilities(const eval_data *data, size_t row, double *to);

#endif
