/* `clloss eval`: a loss from .npy files. Rows go through the engine in batches, so memory is bounded whatever the files'
 * size. If one batch holds them all, the reduction is the engine's. If not, losses are added up here, in f64:
 *
 *   mean = Σ row_weight loss / D + Σ row_weight z_loss lse² / D_z = Σ row_weight (loss + (z_loss D / D_z) lse²) / D
 *
 * with the divisors D and D_z taken from targets and weights beforehand. So the sum, with z_loss D / D_z for z_loss and
 * 1 / D for upstream gradient, is the mean in everything but the losses of rows, which are corrected from row_stats. */
#include "cli.h"
#include "engine.h"
#include "eval_report.h"
#include "output.h"
#include "progress.h"

#include <clloss/clloss.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRAD, ROW_LOSS }; /* the outputs */

typedef struct totals {
  double loss; /* of rows; not used where one batch is the whole */
  double metrics[CLLOSS_METRICS];
  int64_t counts[CLLOSS_COUNTS];
} totals;

/* One run of the command. */
typedef struct evaluation {
  eval_request request;
  eval_data data;
  output outputs[MAX_OUTPUTS];
  engine engine;
  engine_batch batch;
  double divisor;
  int64_t *targets;
  double *upstream, *row_weight;
  float *narrow; /* losses of rows on their way to an f4 file */
  totals totals;
} evaluation;

/* An output must be neither of the inputs nor the other output. */
static int check_paths(const eval_request *r) {
  const char *outputs[] = {r->grad, r->row_loss}, *names[] = {"--grad", "--row-loss"};
  const char *inputs[] = {r->input, r->target, r->upstream, r->weight, r->row_weight};
  for (size_t i = 0; i < 2; i++)
    for (size_t k = 0; outputs[i] && k < sizeof inputs / sizeof *inputs; k++)
      if (inputs[k] && output_same_file(outputs[i], inputs[k]))
        return fail(EXIT_USAGE, "%s %s: is an input", names[i], outputs[i]);
  if (r->grad && r->row_loss && output_same_file(r->grad, r->row_loss))
    return fail(EXIT_USAGE, "--row-loss %s: is the --grad file too", r->row_loss);
  return EXIT_OK;
}

/* The first batch is the largest. */
static bool make_room(evaluation *v, size_t rows) {
  const eval_data *d = &v->data;
  const size_t n = rows ? rows : 1;
  engine_batch *b = &v->batch;
  if (!d->probabilities) b->targets = v->targets = calloc(n, sizeof *v->targets);
  if (d->upstream.file) b->upstream = v->upstream = calloc(n, sizeof *v->upstream);
  if (d->row_weight.file) b->row_weight = v->row_weight = calloc(n, sizeof *v->row_weight);
  b->row_loss = calloc(n, sizeof *b->row_loss);
  v->narrow = calloc(n, sizeof *v->narrow);
  if (v->request.row_loss && v->engine.setup.z_loss != v->request.z_loss) {
    b->row_stats = calloc(n, 2 * sizeof *b->row_stats);
    if (!b->row_stats) return false;
  }
  return (b->targets || d->probabilities) && (b->upstream || !d->upstream.file) &&
         (b->row_weight || !d->row_weight.file) && b->row_loss && v->narrow;
}

static bool read_batch(evaluation *v, const eval_span *span) {
  eval_data *d = &v->data;
  engine *e = &v->engine;
  void *logits = e->logits(e), *probabilities = NULL;
  if (!logits || !eval_data_read(d, &d->input, span, d->dtype, logits)) return false;
  if (d->probabilities) {
    probabilities = e->probabilities(e);
    if (!probabilities || !eval_data_read(d, &d->target, span, d->real, probabilities)) return false;
  } else if (!npy_seek(&d->target, span->row) || !npy_read_integers(&d->target, v->targets, span->rows)) {
    return false;
  }
  if (v->upstream && !eval_data_read_rows(d, &d->upstream, span, v->upstream)) return false;
  return !v->row_weight || eval_data_read_rows(d, &d->row_weight, span, v->row_weight);
}

/* In blocks, so that rounding grows with their length and number, not with their product. */
static double sum(const double *of, size_t n) {
  double all = 0;
  for (size_t i = 0; i < n;) {
    double block = 0;
    for (size_t end = n - i < 512 ? n : i + 512; i < end; i++) block += of[i];
    all += block;
  }
  return all;
}

static void add_batch(evaluation *v) {
  const engine_batch *b = &v->batch;
  totals *t = &v->totals;
  t->loss += sum(b->row_loss, b->rows);
  for (size_t i = 0; i < CLLOSS_METRICS; i++) t->metrics[i] += b->metrics[i];
  for (size_t i = 0; i < CLLOSS_COUNTS; i++) t->counts[i] += b->counts[i];
}

static bool write_rows(evaluation *v, const eval_span *span) {
  const engine_batch *b = &v->batch;
  output *out = &v->outputs[ROW_LOSS];
  const double missing = v->request.z_loss - v->engine.setup.z_loss;
  for (size_t i = 0; b->row_stats && i < span->rows; i++) {
    const double lse = b->row_stats[2 * i] + b->row_stats[2 * i + 1];
    b->row_loss[i] += (b->row_weight ? b->row_weight[i] : 1) * missing * lse * lse;
  }
  if (v->data.real == CLLOSS_F64) return output_write(out, span->row, b->row_loss, span->rows);
  for (size_t i = 0; i < span->rows; i++) v->narrow[i] = (float)b->row_loss[i];
  return output_write(out, span->row, v->narrow, span->rows);
}

static bool write_grad(evaluation *v, const eval_span *span) {
  const size_t bytes = v->data.real == CLLOSS_F64 ? 8 : 4;
  size_t items, runs = eval_data_runs(&v->data, span, &items);
  for (size_t i = 0; v->request.grad && i < runs; i++)
    if (!output_write(&v->outputs[GRAD], eval_data_run(&v->data, span, i),
                      (const char *)v->batch.grad + i * items * bytes, items))
      return false;
  return true;
}

static bool run_batch(evaluation *v, const eval_span *span) {
  v->batch.rows = span->rows;
  v->batch.inner = span->inner;
  if (!read_batch(v, span) || !v->engine.run(&v->engine, &v->batch)) return false;
  add_batch(v);
  return write_rows(v, span) && write_grad(v, span);
}

static bool open_engine(evaluation *v, const eval_span *first) {
  const eval_request *r = &v->request;
  engine_setup setup = {.data = &v->data, .rows = first->rows, .scale = 1, .z_loss = r->z_loss};
  double z_divisor = 1;
  setup.whole = first->rows == v->data.rows;
  v->divisor = 1;
  if (!setup.whole && r->reduction == CLLOSS_MEAN) {
    if (!eval_data_divisors(&v->data, &v->divisor, &z_divisor)) return false;
    setup.scale = 1 / v->divisor;
    if (v->divisor != z_divisor) setup.z_loss *= v->divisor / z_divisor;
  }
  if (!(r->reference ? engine_open_reference : engine_open_device)(&v->engine, &setup)) return false;
  if (make_room(v, first->rows)) return true;
  fail(EXIT_FAILED, "%s: out of memory", r->input);
  return false;
}

static bool run_batches(evaluation *v) {
  const eval_data *d = &v->data;
  const char *type = d->real == CLLOSS_F64 ? "f8" : "f4";
  eval_span span = eval_data_span(d, 0);
  if (!open_engine(v, &span)) return false;
  bool good = output_open(&v->outputs[GRAD], type, d->input.n_dims, d->input.dims) &&
              output_open(&v->outputs[ROW_LOSS], type, d->n_row_dims, d->row_dims);
  progress_begin("eval", d->rows);
  for (uint64_t done = 0; done < d->rows && good; done += span.rows) {
    span = eval_data_span(d, done);
    good = run_batch(v, &span);
    progress_at(done + span.rows);
  }
  progress_end();
  return good && output_close(&v->outputs[GRAD]) && output_close(&v->outputs[ROW_LOSS]);
}

/* Counts, and means over the valid rows: 0 / 0, NaN, where there is none. */
static int report(const evaluation *v) {
  const totals *t = &v->totals;
  const double valid = (double)t->counts[CLLOSS_COUNT_VALID];
  eval_result r = {.reduction = v->request.reduction, .rows = v->data.rows, .classes = v->data.classes};
  r.ignored = (uint64_t)t->counts[CLLOSS_COUNT_IGNORED];
  r.bad_targets = (uint64_t)t->counts[CLLOSS_COUNT_BAD];
  r.device = v->engine.name, r.digits = v->engine.digits;
  r.loss = v->engine.setup.whole && r.rows ? v->batch.loss : t->loss / v->divisor;
  if (!r.rows && r.reduction == CLLOSS_MEAN) r.loss = NAN;
  r.mean = t->metrics[CLLOSS_METRIC_LOSS] / valid;
  r.accuracy = (double)t->counts[CLLOSS_COUNT_TOP1] / valid;
  r.entropy = t->metrics[CLLOSS_METRIC_ENTROPY] / valid;
  (v->request.json ? eval_report_json : eval_report_text)(&r);
  return finish_output();
}

static int evaluate(evaluation *v) {
  const eval_request *r = &v->request;
  int status = eval_data_open(&v->data, r);
  if (!status) status = check_paths(r);
  if (status) return status;
  v->outputs[GRAD].path = r->grad;
  v->outputs[ROW_LOSS].path = r->row_loss;
  if (!run_batches(v)) return EXIT_FAILED;
  status = report(v);
  if (status) return status;
  return output_commit(v->outputs) ? EXIT_OK : EXIT_FAILED;
}

int eval_main(int argc, char **argv) {
  evaluation v = {.divisor = 1};
  int status = eval_options_parse(&v.request, argc, argv);
  if (status) return status;
  if (v.request.help) {
    eval_options_help(stdout);
    return finish_output();
  }
  status = evaluate(&v);
  output_discard(v.outputs);
  if (v.engine.close) v.engine.close(&v.engine);
  eval_data_close(&v.data);
  free(v.targets);
  free(v.upstream);
  free(v.row_weight);
  free(v.narrow);
  free(v.batch.row_loss);
  free(v.batch.row_stats);
  return status;
}
