/* The f64 reference on the values that a device would get, as the arrays have them. Rows go through it in batches, so
 * memory is bounded. Their losses are added up here:
 *
 *   mean = Σ row_weight loss / D + Σ row_weight z_loss lse² / D_z = Σ row_weight (loss + (z_loss D / D_z) lse²) / D
 *
 * with the divisors D and D_z taken from targets and weights beforehand. So the sum, with z_loss D / D_z for z_loss and
 * 1 / D for upstream gradient, is the mean in everything but the losses of rows, which take a call of their own then. */
#include "cli.h"
#include "engine.h"

#include <clloss/clloss.h>
#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdlib.h>

enum { BATCH_VALUES = 1 << 20, BATCH_ROWS = 1 << 16 };

/* Rows that go together. Their logits are [rows / inner][classes][inner]: whole items of INPUT's first axis, or where
 * one is too large, some of the rows of one. */
typedef struct batch {
  size_t row, rows, inner;
  double *logits, *probabilities, *row_weight, *upstream; /* NULL where they aren't there, and then 1 */
  double *class_weight;
  int64_t *targets, *predicted;
  double *row_loss, *confidence;
} batch;

/* The longest is the first. */
static void next_batch(const eval_data *d, size_t row, batch *b) {
  size_t most = BATCH_VALUES / d->classes;
  if (most > BATCH_ROWS) most = BATCH_ROWS;
  if (most < 1) most = 1;
  const bool whole = d->inner <= most; /* items */
  size_t rows = whole ? d->rows - row : d->inner - row % d->inner;
  if (rows > most) rows = whole ? most / d->inner * d->inner : most;
  b->row = row, b->rows = rows, b->inner = whole ? d->inner : rows;
}

static void free_batch(batch *b) {
  free(b->logits);
  free(b->probabilities);
  free(b->row_weight);
  free(b->upstream);
  free(b->class_weight);
  free(b->targets);
  free(b->predicted);
  free(b->row_loss);
  free(b->confidence);
}

static bool make_batch(const eval_data *d, batch *b) {
  next_batch(d, 0, b);
  const size_t rows = b->rows ? b->rows : 1;
  const struct {
    bool wanted;
    double **array;
    size_t n;
  } reals[] = {{true, &b->logits, rows * d->classes},
               {d->probabilities, &b->probabilities, rows * d->classes},
               {d->files[IN_ROW_WEIGHT].file, &b->row_weight, rows},
               {d->files[IN_UPSTREAM].file, &b->upstream, rows},
               {d->files[IN_WEIGHT].file, &b->class_weight, d->classes},
               {true, &b->row_loss, rows},
               {true, &b->confidence, rows}};
  bool good = true;
  for (size_t i = 0; i < sizeof reals / sizeof *reals && good; i++)
    if (reals[i].wanted) good = (*reals[i].array = calloc(reals[i].n, sizeof(double))) != NULL;
  if (good) good = (b->predicted = calloc(rows, sizeof *b->predicted)) != NULL;
  if (good && !d->probabilities) good = (b->targets = calloc(rows, sizeof *b->targets)) != NULL;
  if (!good)
    fail(EXIT_FAILED, "%s: out of memory for rows of %zu classes", d->files[IN_INPUT].path, d->classes);
  return good;
}

/* Between an array of the file's order and one of the batch's, whichever is f64 and whichever is stored. */
static void copy(void *to, uint32_t to_dtype, size_t to_first, const void *from, uint32_t from_dtype,
                 size_t from_first, size_t n) {
  clloss_convert(to_dtype, (char *)to + to_first * dtype_bytes(to_dtype), from_dtype,
                 (const char *)from + from_first * dtype_bytes(from_dtype), n);
}

/* Runs of an array of the logits' shape that lie together both there and in the batch. */
static size_t runs(const eval_data *d, const batch *b, size_t *n) {
  const bool whole = b->inner == d->inner;
  *n = whole ? b->rows * d->classes : b->rows;
  return whole ? 1 : d->classes;
}

static size_t run_first(const eval_data *d, const batch *b, size_t i) {
  return (b->row / d->inner * d->classes + i) * d->inner + b->row % d->inner;
}

static void read_targets(const eval_data *d, batch *b) {
  for (size_t i = 0; i < b->rows; i++) b->targets[i] = eval_data_index(d, b->row + i);
}

static void read_batch(const eval_data *d, batch *b) {
  size_t n, count = runs(d, b, &n);
  for (size_t i = 0; i < count; i++) {
    const size_t first = run_first(d, b, i);
    copy(b->logits, CLLOSS_F64, i * n, d->arrays[IN_INPUT].items, d->dtype, first, n);
    if (d->probabilities)
      copy(b->probabilities, CLLOSS_F64, i * n, d->arrays[IN_TARGET].items, d->target_dtype, first, n);
  }
  if (b->targets) read_targets(d, b);
  if (b->row_weight)
    copy(b->row_weight, CLLOSS_F64, 0, d->arrays[IN_ROW_WEIGHT].items, d->real, b->row, b->rows);
  if (b->upstream) copy(b->upstream, CLLOSS_F64, 0, d->arrays[IN_UPSTREAM].items, d->real, b->row, b->rows);
}

/* What the mean divides losses by, and z-losses. */
static void find_divisors(const engine_job *j, batch *b, double *divisor, double *z_divisor) {
  const eval_data *d = j->data;
  const eval_request *r = d->request;
  *divisor = *z_divisor = 0;
  for (size_t row = 0; row < d->rows; row += b->rows) {
    next_batch(d, row, b);
    if (b->targets) read_targets(d, b);
    if (b->row_weight)
      copy(b->row_weight, CLLOSS_F64, 0, d->arrays[IN_ROW_WEIGHT].items, d->real, row, b->rows);
    for (size_t i = 0; i < b->rows; i++) {
      const int64_t t = b->targets ? b->targets[i] : 0;
      const double weight = b->row_weight ? b->row_weight[i] : 1;
      if ((r->flags & CLLOSS_IGNORE_INDEX) && t == r->ignore_index) continue;
      if (t < 0 || (uint64_t)t >= d->classes) continue;
      *divisor += weight * (b->class_weight && b->targets ? b->class_weight[t] : 1);
      *z_divisor += weight;
    }
    j->progress(j->user, 0, d->rows);
  }
}

/* The plain loss, and what else the request asks for. */
static clloss_ref_xent plain_call(const eval_data *d, const batch *b) {
  clloss_ref_xent a = {.rows = b->rows, .classes = d->classes, .inner = b->inner, .logits = b->logits};
  a.targets = b->targets, a.probabilities = b->probabilities, a.reduction = CLLOSS_NONE;
  a.flags = d->request->flags, a.ignore_index = d->request->ignore_index;
  a.logit_scale = d->request->logit_scale, a.softcap = d->request->softcap;
  return a;
}

static clloss_ref_xent asked_call(const eval_data *d, const batch *b) {
  clloss_ref_xent a = plain_call(d, b);
  a.class_weight = b->class_weight, a.row_weight = b->row_weight;
  a.label_smoothing = d->request->label_smoothing, a.z_loss = d->request->z_loss, a.row_loss = b->row_loss;
  return a;
}

static void write_rows(const engine_job *j, const batch *b) {
  copy(j->row_loss, j->data->real, b->row, b->row_loss, CLLOSS_F64, 0, b->rows);
}

/* A call of the plain loss: its metrics, and its rows for the report. */
static void measure(clloss_ref_xent *a, engine_job *j, batch *b) {
  double metrics[CLLOSS_METRICS];
  a->metrics = metrics, a->row_loss = b->row_loss;
  if (j->rows) a->confidence = b->confidence, a->predicted = b->predicted;
  clloss_ref_xent_f64(a);
  for (size_t i = 0; i < CLLOSS_METRICS; i++) j->metrics[i] += metrics[i];
  const engine_rows rows = {b->row, b->rows, b->row_loss, b->confidence, b->predicted};
  if (j->rows) j->rows(j->user, &rows);
}

static void write_grad(const engine_job *j, const batch *b) {
  size_t n, count = runs(j->data, b, &n);
  for (size_t i = 0; i < count && j->grad; i++)
    copy(j->grad, j->data->real, run_first(j->data, b, i), b->logits, CLLOSS_F64, i * n, n);
}

/* scale and z_loss as above. */
static void run_batch(engine_job *j, batch *b, double scale, double z_loss) {
  const eval_data *d = j->data;
  const bool apart = j->rows && eval_data_measures_apart(d);
  int64_t counts[CLLOSS_COUNTS];
  clloss_ref_xent plain = plain_call(d, b), a = asked_call(d, b);
  const bool rows_apart = j->row_loss && a.z_loss != z_loss;
  if (apart) measure(&plain, j, b);
  if (rows_apart) {
    clloss_ref_xent_f64(&a);
    write_rows(j, b);
  }
  a.z_loss = z_loss, a.counts = counts;
  a.grad = j->grad ? b->logits : NULL; /* in place, so this call is the last */
  a.grad_loss = b->upstream ? b->upstream : &scale, a.grad_loss_stride = b->upstream != NULL;
  if (apart)
    clloss_ref_xent_f64(&a);
  else
    measure(&a, j, b);
  if (j->row_loss && !rows_apart) write_rows(j, b);
  j->loss += eval_sum(CLLOSS_F64, b->row_loss, b->rows);
  for (size_t i = 0; i < CLLOSS_COUNTS; i++) j->counts[i] += counts[i];
  write_grad(j, b);
}

static void run_batches(engine_job *j, batch *b) {
  const eval_data *d = j->data;
  const eval_request *r = d->request;
  double divisor = 1, z_divisor = 1;
  if (b->class_weight)
    copy(b->class_weight, CLLOSS_F64, 0, d->arrays[IN_WEIGHT].items, d->real, 0, d->classes);
  if (r->reduction == CLLOSS_MEAN) find_divisors(j, b, &divisor, &z_divisor);
  const double z_loss = divisor == z_divisor ? r->z_loss : r->z_loss * divisor / z_divisor;
  for (size_t row = 0; row < d->rows; row += b->rows) {
    next_batch(d, row, b);
    read_batch(d, b);
    run_batch(j, b, divisor == 0 ? NAN : 1 / divisor, z_loss); /* as the reference itself has it */
    j->progress(j->user, row + b->rows, d->rows);
  }
  j->loss /= divisor;
}

static bool run(engine *e, engine_job *j) {
  batch b = {.rows = 0};
  (void)e;
  const bool good = make_batch(j->data, &b);
  if (good) run_batches(j, &b);
  free_batch(&b);
  return good;
}

static void shut(engine *e) { (void)e; }

void engine_open_reference(engine *e) {
  *e = (engine){.name = "reference", .run = run, .elements = reference_run_elements, .close = shut};
}
