/* `clloss eval`: a loss from .npy files. The files are memory to whoever computes, see array.h; what has been dealt with
 * is dropped from it part by part, so that what stays is bounded whatever the files' size. */
#include "cli.h"
#include "engine.h"
#include "eval_report.h"
#include "output.h"
#include "progress.h"
#include "report_plot.h"

#include <clloss/clloss_types.h>
#include <math.h>
#include <stdlib.h>

/* One run of the command. */
typedef struct evaluation {
  eval_request request;
  eval_data data;
  output outputs[OUTPUTS];
  engine engine;
  engine_job job;
  eval_report report;
  struct gnuplot gnuplot;
  double *target; /* of one row, where targets are probabilities */
} evaluation;

/* An output must be neither an input nor another output. */
static int check_paths(const eval_request *r) {
  for (size_t i = 0; i < OUTPUTS; i++) {
    for (size_t k = 0; r->outputs[i] && k < INPUTS; k++)
      if (r->inputs[k] && same_file(r->outputs[i], r->inputs[k]))
        return fail(EXIT_USAGE, "%s %s: is an input", eval_output_name(i), r->outputs[i]);
    for (size_t k = 0; r->outputs[i] && k < i; k++)
      if (r->outputs[k] && same_file(r->outputs[i], r->outputs[k]))
        return fail(EXIT_USAGE, "%s %s: is the %s file too", eval_output_name(i), r->outputs[i],
                    eval_output_name(k));
  }
  return EXIT_OK;
}

static void advance(void *user, size_t rows_done, size_t rows) {
  const evaluation *v = user;
  (void)rows;
  eval_data_drop(&v->data);
  for (size_t i = 0; i < OUTPUTS; i++) array_drop(&v->outputs[i].array, v->outputs[i].array.bytes);
  progress_at(rows_done);
}

/* A target in place of its class: it is right to the share that it gives to the prediction. */
static void add_distribution(evaluation *v, report_row *row) {
  const size_t classes = v->data.classes;
  eval_data_probabilities(&v->data, (size_t)row->row, v->target);
  row->target = 0;
  for (size_t c = 0; c < classes; c++) {
    v->report.frequencies[c] += v->target[c];
    if (v->target[c] > v->target[row->target]) row->target = (int64_t)c;
  }
  row->right = row->predicted < 0 ? 0 : v->target[row->predicted];
}

static void add_rows(void *user, const engine_rows *rows) {
  evaluation *v = user;
  const eval_request *r = &v->request;
  for (size_t i = 0; i < rows->n; i++) {
    report_row row = {.row = rows->first + i, .predicted = rows->predicted[i]};
    row.loss = rows->loss[i], row.probability = rows->confidence[i];
    if (v->data.probabilities) {
      add_distribution(v, &row);
    } else {
      row.target = eval_data_index(&v->data, rows->first + i);
      if ((r->flags & CLLOSS_IGNORE_INDEX) && row.target == r->ignore_index) continue;
      if (row.target < 0 || (uint64_t)row.target >= v->data.classes) continue;
      v->report.frequencies[row.target] += 1;
      row.right = row.target == row.predicted;
    }
    eval_report_add(&v->report, &row);
  }
}

/* A target between 0 and 1 is right to that share. */
static void add_element(void *user, const engine_element *e) {
  eval_report *r = &((evaluation *)user)->report;
  report_row row = {.row = e->element, .target = e->target > 0.5, .predicted = e->one, .loss = e->loss};
  row.probability = e->likelier, row.right = e->one ? e->target : 1 - e->target;
  if (isnan(e->loss)) return;
  r->frequencies[1] += e->target;
  r->frequencies[0] += 1 - e->target;
  eval_report_add(r, &row);
}

static bool open_report(evaluation *v) {
  const uint32_t takes = v->request.takes;
  const report_kind kind = takes & LOSS_SOFTMAX  ? REPORT_CLASSES
                           : takes & LOSS_BINARY ? REPORT_BINARY
                                                 : REPORT_NONE;
  if (!eval_report_open(&v->report, kind, v->data.classes)) return false;
  if (!v->data.probabilities) return true;
  v->target = calloc(v->data.classes, sizeof *v->target);
  if (!v->target) fail(EXIT_FAILED, "out of memory");
  return v->target != NULL;
}

/* Before the long work: without gnuplot it isn't begun. */
static bool start_plot(evaluation *v) {
  char why[1024];
  struct whole_file *plot = &v->outputs[OUT_PLOT].file;
  if (!plot->path || report_plot_start(&v->gnuplot, plot, why, sizeof why) == 0) return true;
  fail(EXIT_FAILED, "--plot %s", why);
  return false;
}

static bool draw_plot(evaluation *v) {
  char why[1024];
  if (!v->gnuplot.script) return true;
  report_plot(&v->report, v->gnuplot.script);
  if (gnuplot_draw(&v->gnuplot, why, sizeof why) == 0) return true;
  fail(EXIT_FAILED, "--plot %s", why);
  return false;
}

static bool open_outputs(evaluation *v) {
  const eval_data *d = &v->data;
  const char *type = d->real == CLLOSS_F64 ? "f8" : "f4";
  const npy_file *input = &d->files[IN_INPUT];
  for (size_t i = 0; i < OUTPUTS; i++) v->outputs[i].file.path = v->request.outputs[i];
  if (!output_open(&v->outputs[OUT_PLOT]) || !start_plot(v)) return false;
  return output_open_npy(&v->outputs[OUT_GRAD], type, input->n_dims, input->dims) &&
         output_open_npy(&v->outputs[OUT_ROW_LOSS], type, d->n_row_dims, d->row_dims);
}

/* Counts, and means over the valid rows: 0 / 0, NaN, where there is none. */
static void find_result(evaluation *v) {
  const engine_job *j = &v->job;
  const double valid = (double)j->counts[CLLOSS_COUNT_VALID];
  eval_result *r = &v->report.result;
  r->reduction = v->request.reduction, r->rows = v->data.rows, r->classes = v->data.classes;
  r->ignored = (uint64_t)j->counts[CLLOSS_COUNT_IGNORED];
  r->bad_targets = (uint64_t)j->counts[CLLOSS_COUNT_BAD];
  r->no_loss = (uint64_t)j->counts[CLLOSS_COUNT_NAN];
  r->device = v->engine.name;
  r->digits = v->request.reference || v->data.real == CLLOSS_F64 ? 17 : 9;
  r->loss = j->loss, r->apart = eval_data_measures_apart(&v->data);
  r->mean = j->metrics[CLLOSS_METRIC_LOSS] / valid;
  r->accuracy = (double)j->counts[CLLOSS_COUNT_TOP1] / valid;
  r->top = (double)j->counts[CLLOSS_COUNT_TOPK] / valid;
  r->entropy = j->metrics[CLLOSS_METRIC_ENTROPY] / valid;
  r->confidence = j->metrics[CLLOSS_METRIC_CONFIDENCE] / valid;
}

static bool compute(evaluation *v) {
  const eval_request *r = &v->request;
  if (r->reference)
    engine_open_reference(&v->engine);
  else if (!engine_open_device(&v->engine, r->device))
    return false;
  if (!open_report(v) || !open_outputs(v) || !eval_data_map(&v->data)) return false;
  v->job = (engine_job){.data = &v->data, .progress = advance, .user = v};
  if (v->report.kind == REPORT_CLASSES) v->job.rows = add_rows;
  if (v->report.kind == REPORT_BINARY) v->job.element = add_element;
  v->job.grad = v->outputs[OUT_GRAD].array.items, v->job.row_loss = v->outputs[OUT_ROW_LOSS].array.items;
  const bool elements = r->takes & LOSS_ELEMENTS;
  progress_begin("eval", elements ? v->data.files[IN_INPUT].count : v->data.rows);
  const bool good = (elements ? elements_run : v->engine.run)(&v->engine, &v->job);
  progress_end();
  if (!good) return false;
  find_result(v);
  return draw_plot(v);
}

static int evaluate(evaluation *v) {
  int status = eval_data_open(&v->data, &v->request);
  if (!status) status = check_paths(&v->request);
  if (status) return status;
  output_watch_signals();
  if (!compute(v)) return EXIT_FAILED;
  for (size_t i = 0; i < OUTPUTS; i++)
    if (!output_close(&v->outputs[i])) return EXIT_FAILED;
  (v->request.json ? eval_report_json : eval_report_text)(&v->report);
  status = finish_output();
  if (status) return status;
  return output_commit(v->outputs) ? EXIT_OK : EXIT_FAILED;
}

int eval_main(int argc, char **argv) {
  evaluation v = {.job = {.loss = 0}};
  int status = eval_options_parse(&v.request, argc, argv);
  if (status) return status;
  if (v.request.help) {
    eval_options_help(stdout);
    return finish_output();
  }
  status = evaluate(&v);
  gnuplot_abandon(&v.gnuplot);
  output_discard(v.outputs);
  if (v.engine.close) v.engine.close(&v.engine);
  eval_data_close(&v.data);
  eval_report_close(&v.report);
  free(v.target);
  return status;
}
