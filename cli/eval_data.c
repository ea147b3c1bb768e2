/* Files, shapes, batches, divisors. A row r of (N, classes, d1, …) is the softmax over the class axis at item r / inner of
 * the first axis and place r % inner in the axes behind, so arrays of one value per row are read from front to back. */
#include "eval_data.h"

#include "cli.h"

#include <clloss/clloss.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
  SPAN_VALUES = 1 << 23, /* 32 MiB of f32 */
  SPAN_ROWS = 1 << 18
};

static int complain(const char *path, const char *what) { return fail(EXIT_FAILED, "%s: %s", path, what); }

static int check_shape(const eval_data *d, const npy_file *file, const char *name, int n_dims,
                       const uint64_t *dims) {
  char found[128], wanted[128];
  npy_file like = {.n_dims = n_dims};
  for (int i = 0; i < n_dims; i++) like.dims[i] = dims[i];
  bool same = file->n_dims == n_dims;
  for (int i = 0; same && i < n_dims; i++) same = file->dims[i] == dims[i];
  if (same) return EXIT_OK;
  return fail(EXIT_FAILED, "%s: %s has shape %s, not %s, for %s", file->path, name, npy_shape(file, found),
              npy_shape(&like, wanted), d->input.path);
}

static int check_real(const eval_data *d, const npy_file *file, const char *name, int n_dims,
                      const uint64_t *dims) {
  if (!file->file) return EXIT_OK;
  if (!npy_real_dtype(file))
    return fail(EXIT_FAILED, "%s: %s has '%s' items, not reals", file->path, name, file->type);
  return check_shape(d, file, name, n_dims, dims);
}

static int check_input(eval_data *d) {
  const npy_file *input = &d->input;
  char shape[128];
  if (!npy_real_dtype(input)) return complain(input->path, "the logits aren't reals: '<f2', '<f4' or '<f8'");
  if (input->n_dims < 2)
    return fail(EXIT_FAILED, "%s: the logits have shape %s, not (rows, classes) or (N, classes, d1, ...)",
                input->path, npy_shape(input, shape));
  if (!input->dims[1]) return complain(input->path, "zero classes");
  if (input->dims[1] > SIZE_MAX / 64) return complain(input->path, "too many classes");
  d->classes = (size_t)input->dims[1];
  d->rows = input->count / d->classes;
  d->inner = d->rows && input->dims[0] ? d->rows / input->dims[0] : 1;
  d->row_dims[d->n_row_dims++] = input->dims[0];
  for (int i = 2; i < input->n_dims; i++) d->row_dims[d->n_row_dims++] = input->dims[i];
  d->dtype = d->request->dtype ? d->request->dtype : npy_real_dtype(input);
  d->real = d->dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  return EXIT_OK;
}

static int check_target(eval_data *d) {
  const eval_request *r = d->request;
  d->probabilities = npy_real_dtype(&d->target) != 0;
  if (!d->probabilities) return check_shape(d, &d->target, "the target", d->n_row_dims, d->row_dims);
  if (r->flags & CLLOSS_IGNORE_INDEX)
    return fail(EXIT_USAGE, "--ignore-index: %s holds probabilities, not class indices", d->target.path);
  return check_shape(d, &d->target, "the target (probabilities, as it holds reals)", d->input.n_dims,
                     d->input.dims);
}

/* As d->real has them, whatever the file has. */
static bool read_real(const eval_data *d, npy_file *npy, double *to, size_t n) {
  if (!npy_read_reals(npy, CLLOSS_F64, to, n)) return false;
  for (size_t i = 0; d->real == CLLOSS_F32 && i < n; i++) to[i] = (double)(float)to[i];
  return true;
}

static int check_others(eval_data *d) {
  const uint64_t classes = d->classes;
  int status = check_real(d, &d->upstream, "the upstream gradient", d->n_row_dims, d->row_dims);
  if (!status) status = check_real(d, &d->row_weight, "the row weight", d->n_row_dims, d->row_dims);
  if (!status) status = check_real(d, &d->weight, "the class weight", 1, &classes);
  if (status || !d->weight.file) return status;
  d->class_weight = calloc(d->classes, sizeof *d->class_weight);
  if (!d->class_weight) return complain(d->weight.path, "out of memory");
  return read_real(d, &d->weight, d->class_weight, d->classes) ? EXIT_OK : EXIT_FAILED;
}

int eval_data_open(eval_data *d, const eval_request *r) {
  *d = (eval_data){.request = r};
  if (!npy_open(&d->input, r->input) || !npy_open(&d->target, r->target)) return EXIT_FAILED;
  if (r->upstream && !npy_open(&d->upstream, r->upstream)) return EXIT_FAILED;
  if (r->weight && !npy_open(&d->weight, r->weight)) return EXIT_FAILED;
  if (r->row_weight && !npy_open(&d->row_weight, r->row_weight)) return EXIT_FAILED;
  int status = check_input(d);
  if (!status) status = check_target(d);
  if (!status) status = check_others(d);
  if (status) return status;
  if ((r->flags & CLLOSS_SMOOTHING_MEGATRON) && d->classes == 1)
    return fail(EXIT_USAGE, "--smoothing-formula megatron: %s has one class: C / (C - 1) is none",
                d->input.path);
  return EXIT_OK;
}

void eval_data_close(eval_data *d) {
  npy_close(&d->input);
  npy_close(&d->target);
  npy_close(&d->upstream);
  npy_close(&d->weight);
  npy_close(&d->row_weight);
  free(d->class_weight);
}

bool eval_data_measures_apart(const eval_data *d) {
  return d->probabilities && (d->class_weight || d->request->label_smoothing > 0);
}

eval_span eval_data_span(const eval_data *d, uint64_t row) {
  uint64_t most = SPAN_VALUES / d->classes, rows = d->rows - row;
  if (most > SPAN_ROWS) most = SPAN_ROWS;
  if (most < 1) most = 1;
  if (d->inner <= most) {
    if (rows > most) rows = most / d->inner * d->inner;
    return (eval_span){row, (size_t)rows, (size_t)d->inner};
  }
  rows = d->inner - row % d->inner;
  if (rows > most) rows = most;
  return (eval_span){row, (size_t)rows, (size_t)rows};
}

size_t eval_data_runs(const eval_data *d, const eval_span *span, size_t *run_items) {
  const bool whole = span->inner == d->inner;
  *run_items = whole ? span->rows * d->classes : span->rows;
  return whole ? 1 : d->classes;
}

uint64_t eval_data_run(const eval_data *d, const eval_span *span, size_t i) {
  return (span->row / d->inner * d->classes + i) * d->inner + span->row % d->inner;
}

bool eval_data_read(const eval_data *d, npy_file *npy, const eval_span *span, uint32_t dtype, void *to) {
  const size_t bytes = dtype == CLLOSS_F64 ? 8 : dtype == CLLOSS_F32 ? 4 : 2;
  size_t items, runs = eval_data_runs(d, span, &items);
  for (size_t i = 0; i < runs; i++) {
    if (!npy_seek(npy, eval_data_run(d, span, i))) return false;
    if (!npy_read_reals(npy, dtype, (char *)to + i * items * bytes, items)) return false;
  }
  return true;
}

bool eval_data_read_rows(const eval_data *d, npy_file *npy, const eval_span *span, double *to) {
  return npy_seek(npy, span->row) && read_real(d, npy, to, span->rows);
}

enum { PART = 4096 };

bool eval_data_divisors(eval_data *d, double *divisor, double *z_divisor) {
  int64_t targets[PART] = {0};
  double weights[PART];
  *divisor = *z_divisor = 0;
  if (!d->probabilities && !npy_seek(&d->target, 0)) return false;
  for (uint64_t row = 0, n; row < d->rows; row += n) {
    n = d->rows - row < PART ? d->rows - row : PART;
    const eval_span part = {row, (size_t)n, 1};
    for (size_t i = 0; i < n; i++) weights[i] = 1;
    if (!d->probabilities && !npy_read_integers(&d->target, targets, (size_t)n)) return false;
    if (d->row_weight.file && !eval_data_read_rows(d, &d->row_weight, &part, weights)) return false;
    for (size_t i = 0; i < n; i++) {
      const int64_t t = targets[i];
      if ((d->request->flags & CLLOSS_IGNORE_INDEX) && t == d->request->ignore_index) continue;
      if (t < 0 || (uint64_t)t >= d->classes) continue;
      *divisor += weights[i] * (d->class_weight && !d->probabilities ? d->class_weight[t] : 1);
      *z_divisor += weights[i];
    }
  }
  return true;
}
