/* The f64 reference on the values that a device would get: logits rounded to their storage type, probabilities and
 * weights to the real type that goes with it. */
#include "cli.h"
#include "engine.h"

#include <clloss/clloss.h>
#include <clloss/clloss_ref.h>
#include <stdlib.h>

/* An array as it is stored and as it is computed with; the same one where both are f64. */
typedef struct pair {
  void *stored;
  double *wide;
} pair;

typedef struct state {
  pair logits, probabilities;
} state;

static void free_pair(pair *p) {
  if (p->stored != p->wide) free(p->stored);
  free(p->wide);
}

static void shut(engine *e) {
  state *s = e->state;
  free_pair(&s->logits);
  free_pair(&s->probabilities);
  free(s);
}

static bool make_pair(pair *p, uint32_t dtype, size_t n) {
  p->wide = calloc(n ? n : 1, sizeof *p->wide);
  p->stored = dtype == CLLOSS_F64 ? p->wide : calloc(n ? n : 1, sizeof(float));
  return p->wide && p->stored;
}

static void *logits(engine *e) { return ((state *)e->state)->logits.stored; }
static void *probabilities(engine *e) { return ((state *)e->state)->probabilities.stored; }

static bool converted(clloss_status status) {
  if (status) fail(EXIT_FAILED, "reference: %s", clloss_status_text(status));
  return !status;
}

static bool run(engine *e, engine_batch *b) {
  const eval_data *d = e->setup.data;
  const eval_request *r = d->request;
  state *s = e->state;
  const size_t n = b->rows * d->classes;
  const uint32_t reduction = r->reduction == CLLOSS_NONE || e->setup.whole ? r->reduction : CLLOSS_SUM;
  if (d->dtype != CLLOSS_F64 &&
      !converted(clloss_convert(CLLOSS_F64, s->logits.wide, d->dtype, s->logits.stored, n)))
    return false;
  if (d->probabilities && d->real != CLLOSS_F64 &&
      !converted(clloss_convert(CLLOSS_F64, s->probabilities.wide, d->real, s->probabilities.stored, n)))
    return false;
  clloss_ref_xent a = {.rows = b->rows, .classes = d->classes, .inner = b->inner, .logits = s->logits.wide};
  a.targets = b->targets, a.probabilities = d->probabilities ? s->probabilities.wide : NULL;
  a.class_weight = d->class_weight, a.row_weight = b->row_weight;
  a.reduction = reduction, a.flags = r->flags, a.ignore_index = r->ignore_index;
  a.label_smoothing = r->label_smoothing, a.z_loss = e->setup.z_loss;
  a.logit_scale = r->logit_scale, a.softcap = r->softcap;
  a.grad_loss = b->upstream ? b->upstream : reduction == CLLOSS_SUM ? &e->setup.scale : NULL;
  a.grad_loss_stride = b->upstream != NULL;
  a.loss = reduction == CLLOSS_NONE ? NULL : &b->loss;
  a.row_loss = b->row_loss, a.row_stats = b->row_stats, a.metrics = b->metrics, a.counts = b->counts;
  a.grad = r->grad ? s->logits.wide : NULL;
  if (eval_data_measures_apart(d)) {
    clloss_ref_xent plain = {.rows = a.rows, .classes = a.classes, .inner = a.inner, .logits = a.logits};
    plain.probabilities = a.probabilities, plain.logit_scale = a.logit_scale, plain.softcap = a.softcap;
    plain.metrics = b->metrics;
    clloss_ref_xent_f64(&plain);
    a.metrics = NULL;
  }
  clloss_ref_xent_f64(&a);
  b->grad = r->grad ? s->logits.stored : NULL;
  if (!r->grad || d->real == CLLOSS_F64) return true;
  return converted(clloss_convert(CLLOSS_F32, s->logits.stored, CLLOSS_F64, s->logits.wide, n));
}

bool engine_open_reference(engine *e, const engine_setup *setup) {
  const eval_data *d = setup->data;
  const size_t n = setup->rows * d->classes;
  state *s = calloc(1, sizeof *s);
  *e = (engine){.setup = *setup, .name = "reference", .digits = 17, .state = s};
  if (s && (!make_pair(&s->logits, d->dtype, n) ||
            (d->probabilities && !make_pair(&s->probabilities, d->real, n))))
    shut(e), s = NULL;
  if (!s) {
    fail(EXIT_FAILED, "%s: out of memory for rows of %zu classes", d->input.path, d->classes);
    return false;
  }
  e->logits = logits, e->probabilities = probabilities, e->run = run, e->close = shut;
  return true;
}
