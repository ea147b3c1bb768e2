/* Softmax cross-entropy and negative log-likelihood on a device: the library's driver streams the arrays, and the rows of its
 * results are looked at as they come. */
#include "engine_device.h"
#include "progress.h"

/* What is resident at once: three parts of logits, of gradient and of probabilities, where those are f32 beside f16 so
 * many bytes 80 / 16. */
enum { PART_BYTES = 16 << 20 };

/* One call of the library, and the rows of its results that the report has seen. */
typedef struct call {
  engine_job *job;
  clloss_xent_arrays arrays;
  array row_loss, predicted, confidence; /* scratch: for the report alone */
  size_t reported;
  union {
    float f32[1 + CLLOSS_METRICS];
    double f64[1 + CLLOSS_METRICS];
  } singles; /* the loss, the metrics */
  int64_t counts[CLLOSS_COUNTS];
} call;

static double single(const call *c, size_t i) {
  return c->job->data->real == CLLOSS_F64 ? c->singles.f64[i] : (double)c->singles.f32[i];
}

enum { BLOCK = 1024 };

static void report_block(call *c, size_t first, size_t n) {
  const uint32_t real = c->job->data->real;
  const size_t at = first * dtype_bytes(real);
  double loss[BLOCK], confidence[BLOCK];
  int64_t predicted[BLOCK];
  clloss_convert(CLLOSS_F64, loss, real, (const char *)c->arrays.row_loss + at, n);
  clloss_convert(CLLOSS_F64, confidence, real, (const char *)c->arrays.confidence + at, n);
  clloss_convert(CLLOSS_I64, predicted, CLLOSS_I32, (const int32_t *)c->arrays.predicted + first, n);
  const engine_rows rows = {first, n, loss, confidence, predicted};
  c->job->rows(c->job->user, &rows);
}

static void part_done(void *user, size_t rows_done, size_t rows) {
  call *c = user;
  const engine_job *j = c->job;
  for (size_t n; c->arrays.confidence && c->reported < rows_done; c->reported += n) {
    n = rows_done - c->reported < BLOCK ? rows_done - c->reported : BLOCK;
    report_block(c, c->reported, n);
  }
  array_drop(&c->row_loss, rows_done * dtype_bytes(j->data->real));
  array_drop(&c->confidence, rows_done * dtype_bytes(j->data->real));
  array_drop(&c->predicted, rows_done * sizeof(int32_t));
  j->progress(j->user, rows_done, rows);
}

static void begin_call(call *c, engine_job *j) {
  const eval_data *d = j->data;
  *c = (call){.job = j};
  clloss_xent_arrays *a = &c->arrays;
  a->struct_size = sizeof *a, a->rows = d->rows, a->classes = d->classes, a->inner = d->inner;
  a->logits_dtype = d->dtype, a->targets_dtype = d->target_dtype;
  a->logits = d->arrays[IN_INPUT].items, a->targets = d->arrays[IN_TARGET].items;
  a->metrics = d->real == CLLOSS_F64 ? (void *)(c->singles.f64 + 1) : (void *)(c->singles.f32 + 1);
  a->counts = c->counts;
  a->part_bytes = PART_BYTES, a->progress = part_done, a->user = c;
}

static bool report_rows(call *c) {
  const eval_data *d = c->job->data;
  const size_t real = d->rows * dtype_bytes(d->real);
  if ((!c->arrays.row_loss && !array_scratch(&c->row_loss, real)) || !array_scratch(&c->confidence, real) ||
      !array_scratch(&c->predicted, d->rows * sizeof(int32_t)))
    return false;
  if (!c->arrays.row_loss) c->arrays.row_loss = c->row_loss.items;
  c->arrays.confidence = c->confidence.items, c->arrays.predicted = c->predicted.items;
  return true;
}

static bool end_call(engine *e, call *c, const clloss_xent_options *options) {
  const clloss_status status = clloss_xent_host(((device *)e->state)->ctx, &c->arrays, options);
  array_close(&c->row_loss);
  array_close(&c->confidence);
  array_close(&c->predicted);
  return !status || device_broken(e, "softmax cross-entropy", status);
}

/* The loss that was asked for. */
static bool evaluate(engine *e, engine_job *j) {
  const eval_data *d = j->data;
  const eval_request *r = d->request;
  clloss_xent_options options = {
      .struct_size = sizeof options, .reduction = r->reduction, .flags = r->flags | d->target_flags};
  options.ignore_index = r->ignore_index, options.label_smoothing = r->label_smoothing;
  options.z_loss = r->z_loss, options.logit_scale = r->logit_scale, options.softcap = r->softcap;
  call c;
  begin_call(&c, j);
  clloss_xent_arrays *a = &c.arrays;
  a->class_weight = d->arrays[IN_WEIGHT].items, a->row_weight = d->arrays[IN_ROW_WEIGHT].items;
  a->loss = r->reduction == CLLOSS_NONE ? NULL : &c.singles;
  a->row_loss = j->row_loss, a->grad = j->grad, a->grad_dtype = d->real;
  if (j->grad) a->grad_loss = d->arrays[IN_UPSTREAM].items;
  if (j->rows && !eval_data_measures_apart(d) && !report_rows(&c)) return false;
  if (!end_call(e, &c, &options)) return false;
  j->loss = single(&c, 0);
  for (size_t i = 0; i < CLLOSS_METRICS; i++) j->metrics[i] = single(&c, 1 + i);
  for (size_t i = 0; i < CLLOSS_COUNTS; i++) j->counts[i] = c.counts[i];
  return true;
}

/* The plain loss: no weights, smoothing and z-loss. */
static bool measure(engine *e, engine_job *j) {
  const eval_request *r = j->data->request;
  clloss_xent_options options = {.struct_size = sizeof options, .reduction = CLLOSS_SUM};
  options.flags = (r->flags & (CLLOSS_IGNORE_INDEX | CLLOSS_IGNORE_ZERO)) | j->data->target_flags;
  options.ignore_index = r->ignore_index;
  options.logit_scale = r->logit_scale, options.softcap = r->softcap;
  call c;
  begin_call(&c, j);
  if (!report_rows(&c)) return false;
  progress_begin("eval, plain", j->data->rows);
  if (!end_call(e, &c, &options)) return false;
  for (size_t i = 0; i < CLLOSS_METRIC_DIVISOR; i++) j->metrics[i] = single(&c, 1 + i);
  return true;
}

bool device_run_softmax(engine *e, engine_job *j) {
  const bool apart = j->rows && eval_data_measures_apart(j->data);
  return evaluate(e, j) && (!apart || measure(e, j));
}
