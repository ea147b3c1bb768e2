/* Elementwise losses go to the engine in parts of neighbouring elements, without reduction: losses are added up here in f64,
 * and what a reduction divides by, D, is 1 / D in the upstream gradient, so that no part knows of another.
 *
 *   sum: D = 1    batchmean: D = the length of the first axis
 *   mean: D = the number of elements, or where the kind is weighed so (CLLOSS_MEAN_BY_WEIGHT) the sum of the weights
 *
 * A weight is broadcast part by part. Binary cross-entropy has a report: two classes, 0 and 1, an element is a row, the
 * prediction is 1 where p > 1/2, and its plain loss is that without weights. */
#include "cli.h"
#include "engine.h"

#include <clloss/clloss.h>
#include <math.h>
#include <stdlib.h>

enum { PART = 1 << 22, BLOCK = 1024 };

/* ---- parts ---- */

/* What a part has beside the files' own items; real, of PART. */
typedef struct buffers {
  void *weight, *loss;
  union {
    float f32;
    double f64;
  } scale;
} buffers;

static bool is_whole(const eval_data *d) { /* the weight */
  return d->files[IN_WEIGHT].count == d->files[IN_INPUT].count;
}

/* Elements first … first + n − 1 of the weight, broadcast to INPUT's shape; in runs along the last axis. */
static void broadcast(const eval_data *d, size_t first, size_t n, char *to) {
  const npy_file *input = &d->files[IN_INPUT];
  const size_t bytes = dtype_bytes(d->real), last = (size_t)input->n_dims - 1,
               length = (size_t)input->dims[last];
  const char *from = d->arrays[IN_WEIGHT].items;
  for (size_t done = 0, run; done < n; done += run) {
    const size_t at = (first + done) % length;
    size_t left = (first + done) / length, item = at * (size_t)d->weight_steps[last];
    for (size_t axis = last; axis-- > 0; left /= (size_t)input->dims[axis])
      item += left % (size_t)input->dims[axis] * (size_t)d->weight_steps[axis];
    run = length - at < n - done ? length - at : n - done;
    for (size_t i = 0; i < run; i++)
      clloss_convert(d->real, to + (done + i) * bytes, d->real,
                     from + (item + i * (size_t)d->weight_steps[last]) * bytes, 1);
  }
}

static double divisor(const eval_data *d) {
  const eval_request *r = d->request;
  const npy_file *input = &d->files[IN_INPUT], *weight = &d->files[IN_WEIGHT];
  if (r->reduction == CLLOSS_BATCHMEAN) return (double)input->dims[0];
  if (r->reduction != CLLOSS_MEAN) return 1;
  if (!weight->file || !(r->takes & CLLOSS_MEAN_BY_WEIGHT)) return (double)input->count;
  if (!input->count) return 0;
  const double times = (double)(input->count / weight->count);
  return times * eval_sum(d->real, d->arrays[IN_WEIGHT].items, (size_t)weight->count);
}

static const void *items_from(const eval_data *d, int which, uint32_t dtype, size_t first) {
  const char *items = d->arrays[which].items;
  return items ? items + first * dtype_bytes(dtype) : NULL;
}

/* The part that begins at an element: with pos_weight whole rows of the last axis, or a piece of one. */
static elements_part part_at(const engine_job *j, const buffers *b, size_t first) {
  const eval_data *d = j->data;
  const npy_file *input = &d->files[IN_INPUT];
  const size_t real = dtype_bytes(d->real), length = (size_t)input->dims[input->n_dims - 1];
  const bool rows = d->arrays[IN_POS_WEIGHT].items != NULL;
  size_t n = (size_t)input->count - first, at = rows ? first % length : 0, most = PART;
  if (rows && length <= PART) most = PART / length * length;
  if (rows && length > PART && length - at < most) most = length - at;
  if (n > most) n = most;
  elements_part p = {.data = d, .rows = 1, .classes = n};
  if (rows && length <= PART) p.rows = n / length, p.classes = length;
  p.input = items_from(d, IN_INPUT, d->dtype, first),
  p.target = items_from(d, IN_TARGET, d->target_dtype, first);
  p.pos_weight = items_from(d, IN_POS_WEIGHT, d->real, at);
  if (d->arrays[IN_WEIGHT].items)
    p.weight = is_whole(d) ? items_from(d, IN_WEIGHT, d->real, first) : b->weight;
  p.loss = j->row_loss ? (char *)j->row_loss + first * real : b->loss;
  p.grad = j->grad ? (char *)j->grad + first * real : NULL;
  if (!p.grad) return p;
  p.upstream = items_from(d, IN_UPSTREAM, d->real, first);
  p.upstream_repeats = !p.upstream;
  if (!p.upstream) p.upstream = &b->scale;
  return p;
}

/* ---- the report ---- */

/* 0 · ∞ = 0 */
static double product(double a, double b) { return a == 0 && !isnan(b) ? 0 : a * b; }

/* What is reported of one element: p of a logit, or p itself. The likelier of 0 and 1 has 1 / (1 + e). */
typedef struct binary {
  double loss, likelier, entropy;
  bool one;
} binary;

static binary of_logit(double x, double y) {
  const double size = fabs(x), e = exp(-size), rest = log1p(e);
  const double costs_zero = fmax(x, 0) + rest, costs_one = fmax(-x, 0) + rest;
  binary b = {.likelier = 1 / (1 + e), .one = x > 0};
  b.loss = isnan(x) ? x : product(1 - y, costs_zero) + product(y, costs_one);
  b.entropy = rest + product(e / (1 + e), size);
  return b;
}

static double logarithm(double p) { return fmax(log(p), -100); }

static binary of_probability(double x, double y, double clip) {
  binary b = {.likelier = fmax(x, 1 - x), .one = x > 0.5};
  const double p = clip > 0 ? fmin(fmax(x, clip), 1 - clip) : x;
  b.entropy = -product(x, log(x)) - product(1 - x, log1p(-x));
  b.loss = x >= 0 && x <= 1 && y >= 0 && y <= 1 ? -(y * logarithm(p) + (1 - y) * logarithm(1 - p)) : NAN;
  return b;
}

static void report_element(engine_job *j, size_t element, double x, double y) {
  const eval_request *r = j->data->request;
  const binary b = r->takes & CLLOSS_TAKES_CLIP ? of_probability(x, y, r->clip) : of_logit(x, y);
  const engine_element row = {element, y, b.loss, b.likelier, b.one};
  j->metrics[CLLOSS_METRIC_LOSS] += b.loss;
  j->metrics[CLLOSS_METRIC_ENTROPY] += b.entropy;
  j->metrics[CLLOSS_METRIC_CONFIDENCE] += b.likelier;
  j->counts[CLLOSS_COUNT_TOP1] += b.one == (y > 0.5);
  j->counts[CLLOSS_COUNT_NAN] += isnan(b.loss) != 0;
  j->element(j->user, &row);
}

static void report_part(engine_job *j, const elements_part *p, size_t first) {
  const eval_data *d = j->data;
  const size_t all = p->rows * p->classes;
  double x[BLOCK], y[BLOCK];
  for (size_t done = 0, n; done < all; done += n) {
    n = all - done < BLOCK ? all - done : BLOCK;
    clloss_convert(CLLOSS_F64, x, d->dtype, (const char *)p->input + done * dtype_bytes(d->dtype), n);
    clloss_convert(CLLOSS_F64, y, d->target_dtype,
                   (const char *)p->target + done * dtype_bytes(d->target_dtype), n);
    for (size_t i = 0; i < n; i++) report_element(j, first + done + i, x[i], y[i]);
  }
}

/* ---- all of them ---- */

static bool run_parts(engine *e, engine_job *j, buffers *b) {
  const eval_data *d = j->data;
  const size_t count = (size_t)d->files[IN_INPUT].count;
  const double by = divisor(d);
  if (d->real == CLLOSS_F64)
    b->scale.f64 = 1 / by;
  else
    b->scale.f32 = (float)(1 / by);
  for (size_t first = 0, n; first < count; first += n) {
    elements_part p = part_at(j, b, first);
    n = p.rows * p.classes;
    if (p.weight && !is_whole(d)) broadcast(d, first, n, b->weight);
    if (!e->elements(e, &p)) return false;
    j->loss += p.sum;
    j->counts[CLLOSS_COUNT_BAD] += p.faults;
    if (j->element) report_part(j, &p, first);
    j->progress(j->user, first + n, count);
  }
  j->counts[CLLOSS_COUNT_VALID] = (int64_t)count;
  j->loss /= by;
  return true;
}

bool elements_run(engine *e, engine_job *j) {
  const size_t bytes = dtype_bytes(j->data->real) * PART;
  buffers b = {.weight = NULL};
  b.loss = malloc(bytes);
  b.weight = malloc(bytes);
  const bool room = b.loss && b.weight;
  if (!room) fail(EXIT_FAILED, "out of memory");
  const bool good = room && run_parts(e, j, &b);
  free(b.loss);
  free(b.weight);
  return good;
}
