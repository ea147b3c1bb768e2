/* `clloss eval`: a loss from .npy files. The files are memory to whoever computes, see array.h; what has been dealt with
 * is dropped from it part by part, so that what stays is bounded whatever the files' size. */
#include "cli.h"
#include "engine.h"
#include "eval_report.h"
#include "output.h"
#include "progress.h"

#include <clloss/clloss_types.h>

/* One run of the command. */
typedef struct evaluation {
  eval_request request;
  eval_data data;
  output outputs[OUTPUTS];
  engine engine;
  engine_job job;
} evaluation;

/* An output must be neither of the inputs nor the other output. */
static int check_paths(const eval_request *r) {
  static const char *const names[OUTPUTS] = {"--grad", "--row-loss"};
  for (size_t i = 0; i < OUTPUTS; i++)
    for (size_t k = 0; r->outputs[i] && k < INPUTS; k++)
      if (r->inputs[k] && output_same_file(r->outputs[i], r->inputs[k]))
        return fail(EXIT_USAGE, "%s %s: is an input", names[i], r->outputs[i]);
  if (r->outputs[OUT_GRAD] && r->outputs[OUT_ROW_LOSS] &&
      output_same_file(r->outputs[OUT_GRAD], r->outputs[OUT_ROW_LOSS]))
    return fail(EXIT_USAGE, "--row-loss %s: is the --grad file too", r->outputs[OUT_ROW_LOSS]);
  return EXIT_OK;
}

static void advance(void *user, size_t rows_done, size_t rows) {
  const evaluation *v = user;
  (void)rows;
  eval_data_drop(&v->data);
  for (size_t i = 0; i < OUTPUTS; i++) array_drop(&v->outputs[i].array);
  progress_at(rows_done);
}

static bool open_outputs(evaluation *v) {
  const eval_data *d = &v->data;
  const char *type = d->real == CLLOSS_F64 ? "f8" : "f4";
  const npy_file *input = &d->files[IN_INPUT];
  for (size_t i = 0; i < OUTPUTS; i++) v->outputs[i].path = v->request.outputs[i];
  return output_open(&v->outputs[OUT_GRAD], type, input->n_dims, input->dims) &&
         output_open(&v->outputs[OUT_ROW_LOSS], type, d->n_row_dims, d->row_dims);
}

static bool compute(evaluation *v) {
  const eval_request *r = &v->request;
  if (r->reference)
    engine_open_reference(&v->engine);
  else if (!engine_open_device(&v->engine, r->device))
    return false;
  if (!eval_data_map(&v->data) || !open_outputs(v)) return false;
  v->job = (engine_job){.data = &v->data, .progress = advance, .user = v};
  v->job.grad = v->outputs[OUT_GRAD].array.items, v->job.row_loss = v->outputs[OUT_ROW_LOSS].array.items;
  progress_begin("eval", v->data.rows);
  const bool good = v->engine.run(&v->engine, &v->job);
  progress_end();
  return good && output_close(&v->outputs[OUT_GRAD]) && output_close(&v->outputs[OUT_ROW_LOSS]);
}

/* Counts, and means over the valid rows: 0 / 0, NaN, where there is none. */
static int report(const evaluation *v) {
  const engine_job *j = &v->job;
  const double valid = (double)j->counts[CLLOSS_COUNT_VALID];
  eval_result r = {.reduction = v->request.reduction, .rows = v->data.rows, .classes = v->data.classes};
  r.ignored = (uint64_t)j->counts[CLLOSS_COUNT_IGNORED];
  r.bad_targets = (uint64_t)j->counts[CLLOSS_COUNT_BAD];
  r.device = v->engine.name;
  r.digits = v->request.reference || v->data.real == CLLOSS_F64 ? 17 : 9;
  r.loss = j->loss;
  r.mean = j->metrics[CLLOSS_METRIC_LOSS] / valid;
  r.accuracy = (double)j->counts[CLLOSS_COUNT_TOP1] / valid;
  r.entropy = j->metrics[CLLOSS_METRIC_ENTROPY] / valid;
  (v->request.json ? eval_report_json : eval_report_text)(&r);
  return finish_output();
}

static int evaluate(evaluation *v) {
  int status = eval_data_open(&v->data, &v->request);
  if (!status) status = check_paths(&v->request);
  if (status) return status;
  output_watch_signals();
  if (!compute(v)) return EXIT_FAILED;
  status = report(v);
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
  output_discard(v.outputs);
  if (v.engine.close) v.engine.close(&v.engine);
  eval_data_close(&v.data);
  return status;
}
