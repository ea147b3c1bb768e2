/* `clloss eval`: a loss from .npy files. The targets are read once to count the valid rows, which the mean divides
 * by; then rows go through the engine in batches, so memory is bounded whatever the files' size, and what comes out
 * is added up here, in f64. */
#include "cli.h"
#include "engine.h"
#include "eval_report.h"
#include "npy.h"
#include "output.h"
#include "progress.h"

#include <clloss/clloss_types.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  BATCH_VALUES = 1 << 23, /* 32 MiB of logits */
  BATCH_ROWS = 1 << 18
};

enum { GRAD, ROW_LOSS }; /* the outputs */

typedef struct totals {
  uint64_t ignored, bad_targets, valid, hits;
  double loss, valid_loss, entropy;
} totals;

/* One run of the command. */
typedef struct evaluation {
  eval_request request;
  npy_file input, target, upstream;
  output outputs[MAX_OUTPUTS];
  uint64_t rows;
  size_t classes, batch_rows;
  engine engine;
  engine_batch batch;
  int64_t *targets;
  float *upstream_values, *row_loss; /* of a batch; row_loss as it is stored */
  totals totals;
} evaluation;

static bool complain(const char *path, const char *what) {
  fail(EXIT_FAILED, "%s: %s", path, what);
  return false;
}

static bool check_rows(const evaluation *v, const npy_file *file, const char *name) {
  char shape[128];
  if (file->n_dims == 1 && file->dims[0] == v->rows) return true;
  fail(EXIT_FAILED, "%s: %s has shape %s, %s has %" PRIu64 " rows", file->path, name, npy_shape(file, shape),
       v->input.path, v->rows);
  return false;
}

static bool check_shapes(evaluation *v) {
  const npy_file *input = &v->input;
  char shape[128];
  if (strcmp(input->type, "f4")) return complain(input->path, "the logits aren't '<f4'");
  if (input->n_dims != 2) {
    fail(EXIT_FAILED, "%s: the logits have shape %s, not (rows, classes)", input->path,
         npy_shape(input, shape));
    return false;
  }
  if (!input->dims[1]) return complain(input->path, "zero classes");
  if (input->dims[1] > SIZE_MAX / 32) return complain(input->path, "too many classes");
  v->rows = input->dims[0];
  v->classes = (size_t)input->dims[1];
  if (!strcmp(v->target.type, "f4"))
    return complain(v->target.path, "targets are class indices, '<i4' or '<i8', in this version");
  if (!check_rows(v, &v->target, "the target")) return false;
  if (!v->request.upstream) return true;
  if (strcmp(v->upstream.type, "f4")) return complain(v->upstream.path, "the upstream gradient isn't '<f4'");
  return check_rows(v, &v->upstream, "the upstream gradient");
}

/* An output must be neither of the inputs nor the other output. */
static int check_paths(const eval_request *r) {
  const char *outputs[] = {r->grad, r->row_loss}, *names[] = {"--grad", "--row-loss"};
  const char *inputs[] = {r->input, r->target, r->upstream};
  for (size_t i = 0; i < 2; i++)
    for (size_t k = 0; outputs[i] && k < 3; k++)
      if (inputs[k] && output_same_file(outputs[i], inputs[k]))
        return fail(EXIT_USAGE, "%s %s: is an input", names[i], outputs[i]);
  if (r->grad && r->row_loss && output_same_file(r->grad, r->row_loss))
    return fail(EXIT_USAGE, "--row-loss %s: is the --grad file too", r->row_loss);
  return EXIT_OK;
}

enum { VALID, IGNORED, BAD };

static int target_kind(const evaluation *v, int64_t target) {
  if ((v->request.flags & CLLOSS_IGNORE_INDEX) && target == v->request.ignore_index) return IGNORED;
  return target >= 0 && (uint64_t)target < v->classes ? VALID : BAD;
}

static size_t batch_size(const evaluation *v, uint64_t done) {
  return v->rows - done < v->batch_rows ? (size_t)(v->rows - done) : v->batch_rows;
}

static bool count_targets(evaluation *v) {
  for (uint64_t done = 0, n; done < v->rows; done += n) {
    n = batch_size(v, done);
    if (!npy_read_integers(&v->target, v->targets, (size_t)n)) return false;
    for (size_t i = 0; i < n; i++) {
      int kind = target_kind(v, v->targets[i]);
      v->totals.ignored += kind == IGNORED;
      v->totals.bad_targets += kind == BAD;
    }
  }
  v->totals.valid = v->rows - v->totals.ignored - v->totals.bad_targets;
  return npy_rewind(&v->target);
}

static bool make_room(evaluation *v) {
  size_t rows = BATCH_VALUES / v->classes;
  if (rows < 1) rows = 1;
  if (rows > BATCH_ROWS) rows = BATCH_ROWS;
  if (rows > v->rows) rows = (size_t)v->rows;
  v->batch_rows = rows;
  size_t n = rows ? rows : 1;
  v->targets = calloc(n, sizeof *v->targets);
  v->upstream_values = calloc(n, sizeof *v->upstream_values);
  v->row_loss = calloc(n, sizeof *v->row_loss);
  v->batch.row_loss = calloc(n, sizeof *v->batch.row_loss);
  v->batch.predicted = calloc(n, sizeof *v->batch.predicted);
  v->batch.entropy = calloc(n, sizeof *v->batch.entropy);
  if (v->targets && v->upstream_values && v->row_loss && v->batch.row_loss && v->batch.predicted &&
      v->batch.entropy)
    return true;
  return complain(v->input.path, "out of memory");
}

static void add_row(evaluation *v, size_t i) {
  const engine_batch *b = &v->batch;
  totals *t = &v->totals;
  t->loss += b->row_loss[i];
  if (target_kind(v, b->targets[i]) != VALID) return;
  t->valid_loss += b->row_loss[i];
  t->entropy += b->entropy[i];
  t->hits += b->predicted[i] == b->targets[i];
}

static bool run_batch(evaluation *v, size_t n) {
  engine_batch *b = &v->batch;
  b->rows = n;
  b->targets = v->targets;
  b->upstream = v->request.upstream ? v->upstream_values : NULL;
  b->values = v->engine.values(&v->engine);
  if (!b->values || !npy_read(&v->input, b->values, n * v->classes)) return false;
  if (!npy_read_integers(&v->target, v->targets, n)) return false;
  if (b->upstream && !npy_read(&v->upstream, v->upstream_values, n)) return false;
  if (!v->engine.run(&v->engine, b)) return false;
  for (size_t i = 0; i < n; i++) {
    v->row_loss[i] = (float)b->row_loss[i];
    add_row(v, i);
  }
  return output_write(&v->outputs[ROW_LOSS], v->row_loss, n) &&
         output_write(&v->outputs[GRAD], b->values, n * v->classes);
}

static bool run_batches(evaluation *v) {
  const eval_request *r = &v->request;
  engine_setup setup = {.rows = v->batch_rows, .classes = v->classes, .request = r, .scale = 1};
  if (r->reduction == CLLOSS_MEAN) setup.scale = 1 / (double)v->totals.valid;
  if (!(r->reference ? engine_open_reference : engine_open_device)(&v->engine, &setup)) return false;
  bool good = output_open(&v->outputs[GRAD], 2, v->input.dims) &&
              output_open(&v->outputs[ROW_LOSS], 1, &v->rows);
  progress_begin("eval", v->rows);
  for (uint64_t done = 0, n; done < v->rows && good; done += n) {
    n = batch_size(v, done);
    good = run_batch(v, (size_t)n);
    progress_at(done + n);
  }
  progress_end();
  return good && output_close(&v->outputs[GRAD]) && output_close(&v->outputs[ROW_LOSS]);
}

/* Counts, and means over the valid rows: 0 / 0, NaN, where there is none. */
static int report(const evaluation *v) {
  const totals *t = &v->totals;
  double valid = (double)t->valid;
  eval_result r = {.reduction = v->request.reduction, .rows = v->rows, .classes = v->classes};
  r.ignored = t->ignored, r.bad_targets = t->bad_targets;
  r.device = v->engine.name, r.digits = v->engine.digits;
  r.loss = r.reduction == CLLOSS_MEAN ? t->loss / valid : t->loss;
  r.mean = t->valid_loss / valid;
  r.accuracy = (double)t->hits / valid;
  r.entropy = t->entropy / valid;
  (v->request.json ? eval_report_json : eval_report_text)(&r);
  return finish_output();
}

static int evaluate(evaluation *v) {
  const eval_request *r = &v->request;
  if (!npy_open(&v->input, r->input) || !npy_open(&v->target, r->target)) return EXIT_FAILED;
  if (r->upstream && !npy_open(&v->upstream, r->upstream)) return EXIT_FAILED;
  int status = check_paths(r);
  if (status) return status;
  v->outputs[GRAD].path = r->grad;
  v->outputs[ROW_LOSS].path = r->row_loss;
  if (!check_shapes(v) || !make_room(v) || !count_targets(v) || !run_batches(v)) return EXIT_FAILED;
  status = report(v);
  if (status) return status;
  return output_commit(v->outputs) ? EXIT_OK : EXIT_FAILED;
}

int eval_main(int argc, char **argv) {
  evaluation v = {.rows = 0};
  int status = eval_options_parse(&v.request, argc, argv);
  if (status) return status;
  if (v.request.help) {
    eval_options_help(stdout);
    return finish_output();
  }
  status = evaluate(&v);
  output_discard(v.outputs);
  if (v.engine.close) v.engine.close(&v.engine);
  npy_close(&v.input);
  npy_close(&v.target);
  npy_close(&v.upstream);
  free(v.targets);
  free(v.upstream_values);
  free(v.row_loss);
  free(v.batch.row_loss);
  free(v.batch.predicted);
  free(v.batch.entropy);
  return status;
}
