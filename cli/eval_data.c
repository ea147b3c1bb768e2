/* Files, shapes, types. A row r of (N, classes, d1, …) is the softmax over the class axis at item r / inner of the first
 * axis and place r % inner in the axes behind. */
#include "eval_data.h"

#include "cli.h"

#include <clloss/clloss.h>
#include <math.h>
#include <string.h>

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
              npy_shape(&like, wanted), d->files[IN_INPUT].path);
}

static int check_real(const eval_data *d, int which, const char *name, int n_dims, const uint64_t *dims) {
  const npy_file *file = &d->files[which];
  if (!file->file) return EXIT_OK;
  if (!npy_is_real(file))
    return fail(EXIT_FAILED, "%s: %s has '%s' items, not reals", file->path, name, file->type);
  return check_shape(d, file, name, n_dims, dims);
}

static int check_logits(eval_data *d) {
  const npy_file *input = &d->files[IN_INPUT];
  char shape[128];
  if (!npy_is_real(input)) return complain(input->path, "the logits aren't reals: '<f2', '<f4' or '<f8'");
  if (input->n_dims < 2)
    return fail(EXIT_FAILED, "%s: the logits have shape %s, not (rows, classes) or (N, classes, d1, ...)",
                input->path, npy_shape(input, shape));
  if (!input->dims[1]) return complain(input->path, "zero classes");
  if (input->dims[1] > SIZE_MAX / 64) return complain(input->path, "too many classes");
  d->classes = (size_t)input->dims[1];
  d->rows = (size_t)input->count / d->classes;
  d->inner = d->rows ? d->rows / (size_t)input->dims[0] : 1;
  d->row_dims[d->n_row_dims++] = input->dims[0];
  for (int i = 2; i < input->n_dims; i++) d->row_dims[d->n_row_dims++] = input->dims[i];
  return EXIT_OK;
}

/* Integers of a type that the library has none for become i32, or i64 where they are u4. */
static uint32_t index_dtype(const npy_file *target) {
  const uint32_t dtype = npy_dtype(target);
  return dtype ? dtype : strcmp(target->type, "u4") ? CLLOSS_I32 : CLLOSS_I64;
}

static int check_row_target(eval_data *d) {
  const npy_file *input = &d->files[IN_INPUT], *target = &d->files[IN_TARGET];
  const bool real = npy_is_real(target);
  d->probabilities = d->request->targets ? d->request->targets == CLLOSS_TARGET_PROBABILITIES : real;
  if (d->probabilities && !real)
    return fail(EXIT_FAILED, "%s: --targets probabilities, and it has '%s' items, not reals", target->path,
                target->type);
  d->target_flags = d->probabilities ? CLLOSS_TARGET_PROBABILITIES : real ? CLLOSS_TARGET_INDICES : 0;
  d->target_dtype = !d->probabilities               ? index_dtype(target)
                    : npy_dtype(target) == d->dtype ? d->dtype
                                                    : d->real;
  if (!d->probabilities) return check_shape(d, target, "the target", d->n_row_dims, d->row_dims);
  if (d->request->flags & CLLOSS_IGNORE_INDEX)
    return fail(EXIT_USAGE, "--ignore-index: %s holds probabilities, not class indices", target->path);
  return check_shape(d, target, "the target (probabilities, as it holds reals)", input->n_dims, input->dims);
}

static int check_rows(eval_data *d) {
  int status = check_logits(d);
  if (!status) status = check_row_target(d);
  if (!status && d->probabilities && (d->request->takes & LOSS_NLL))
    status = complain(d->files[IN_TARGET].path,
                      "the target holds reals; nll is for class indices (--targets indices, if they are)");
  if (!status) status = check_real(d, IN_ROW_WEIGHT, "the row weight", d->n_row_dims, d->row_dims);
  const uint64_t classes = d->classes;
  if (!status) status = check_real(d, IN_WEIGHT, "the class weight", 1, &classes);
  if (!status && (d->request->flags & CLLOSS_SMOOTHING_MEGATRON) && d->classes == 1)
    status = fail(EXIT_USAGE, "--smoothing-formula megatron: %s has one class: C / (C - 1) is none",
                  d->files[IN_INPUT].path);
  return status;
}

/* As NumPy does: axes are matched from the last, and one of length 1, or none, is repeated. */
static int check_broadcast(eval_data *d) {
  const npy_file *weight = &d->files[IN_WEIGHT], *input = &d->files[IN_INPUT];
  char found[128], wanted[128];
  uint64_t step = 1;
  bool good = weight->n_dims <= input->n_dims;
  if (!weight->file) return EXIT_OK;
  if (!npy_is_real(weight))
    return fail(EXIT_FAILED, "%s: the weight has '%s' items, not reals", weight->path, weight->type);
  for (int i = 1; good && i <= weight->n_dims; i++) {
    const uint64_t length = weight->dims[weight->n_dims - i];
    const int axis = input->n_dims - i;
    good = length == 1 || length == input->dims[axis];
    d->weight_steps[axis] = length == 1 ? 0 : step;
    step *= length;
  }
  if (good) return EXIT_OK;
  return fail(EXIT_FAILED, "%s: the weight has shape %s, which doesn't broadcast to %s, that of %s",
              weight->path, npy_shape(weight, found), npy_shape(input, wanted), input->path);
}

static int check_elements(eval_data *d) {
  const npy_file *input = &d->files[IN_INPUT];
  if (!npy_is_real(input)) return complain(input->path, "the input isn't reals: '<f2', '<f4' or '<f8'");
  if (!input->n_dims) return complain(input->path, "shape () has no axis");
  d->rows = (size_t)input->dims[0];
  d->classes = input->count ? (size_t)(input->count / input->dims[0]) : 0;
  d->inner = 1;
  d->n_row_dims = input->n_dims;
  for (int i = 0; i < input->n_dims; i++) d->row_dims[i] = input->dims[i];
  const npy_file *target = &d->files[IN_TARGET];
  d->target_dtype = npy_dtype(target) == d->dtype ? d->dtype : d->real;
  int status = check_real(d, IN_TARGET, "the target", input->n_dims, input->dims);
  if (!status) status = check_broadcast(d);
  if (!status)
    status = check_real(d, IN_POS_WEIGHT, "the weight of ones", 1, &input->dims[input->n_dims - 1]);
  return status;
}

int eval_data_open(eval_data *d, const eval_request *r) {
  *d = (eval_data){.request = r};
  for (int i = 0; i < INPUTS; i++)
    if (r->inputs[i] && !npy_open(&d->files[i], r->inputs[i])) return EXIT_FAILED;
  const npy_file *input = &d->files[IN_INPUT];
  if (input->count > SIZE_MAX / 64) return complain(input->path, "more than this machine can address");
  d->dtype = r->dtype ? r->dtype : npy_dtype(input);
  d->real = d->dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  int status = r->takes & LOSS_ELEMENTS ? check_elements(d) : check_rows(d);
  if (!status) status = check_real(d, IN_UPSTREAM, "the upstream gradient", d->n_row_dims, d->row_dims);
  return status;
}

bool eval_data_map(eval_data *d) {
  for (int i = 0; i < INPUTS; i++) {
    const uint32_t dtype = i == IN_INPUT ? d->dtype : i == IN_TARGET ? d->target_dtype : d->real;
    if (d->files[i].file && !array_open(&d->arrays[i], &d->files[i], dtype)) return false;
  }
  return true;
}

void eval_data_drop(const eval_data *d) {
  for (int i = 0; i < INPUTS; i++) array_drop(&d->arrays[i], d->arrays[i].bytes);
}

void eval_data_close(eval_data *d) {
  for (int i = 0; i < INPUTS; i++) {
    array_close(&d->arrays[i]);
    npy_close(&d->files[i]);
  }
}

bool eval_data_measures_apart(const eval_data *d) {
  const eval_request *r = d->request;
  return d->files[IN_WEIGHT].file || d->files[IN_ROW_WEIGHT].file || d->files[IN_POS_WEIGHT].file ||
         r->label_smoothing > 0 || r->z_loss > 0;
}

double eval_sum(uint32_t dtype, const void *reals, size_t n) {
  enum { BLOCK = 512 };
  double block[BLOCK], all = 0;
  for (size_t first = 0, next; first < n; first += next) {
    double part = 0;
    next = n - first < BLOCK ? n - first : BLOCK;
    clloss_convert(CLLOSS_F64, block, dtype, (const char *)reals + first * dtype_bytes(dtype), next);
    for (size_t i = 0; i < next; i++) part += block[i];
    all += part;
  }
  return all;
}

int64_t eval_data_index(const eval_data *d, size_t row) {
  const char *item = (const char *)d->arrays[IN_TARGET].items + row * dtype_bytes(d->target_dtype);
  int64_t index = INT64_MIN;
  double value;
  if (!(d->target_flags & CLLOSS_TARGET_INDICES)) {
    clloss_convert(CLLOSS_I64, &index, d->target_dtype, item, 1);
  } else {
    clloss_convert(CLLOSS_F64, &value, d->target_dtype, item, 1);
    if (value == floor(value) && fabs(value) < 0x1p63) index = (int64_t)value;
  }
  return index;
}

void eval_data_probabilities(const eval_data *d, size_t row, double *to) {
  const size_t bytes = dtype_bytes(d->target_dtype);
  const char *from = d->arrays[IN_TARGET].items;
  from += (row / d->inner * d->classes * d->inner + row % d->inner) * bytes;
  if (d->inner == 1) clloss_convert(CLLOSS_F64, to, d->target_dtype, from, d->classes);
  for (size_t c = 0; c < d->classes && d->inner > 1; c++)
    clloss_convert(CLLOSS_F64, to + c, d->target_dtype, from + c * d->inner * bytes, 1);
}
