/* The f64 reference on the f32 logits of a batch: the truth, which is rounded to f32 only where it is stored. */
#include "cli.h"
#include "engine.h"

#include <clloss/clloss_ref.h>
#include <stdlib.h>

typedef struct state {
  float *values;
  double *wide, *upstream;
} state;

static void shut(engine *e) {
  state *s = e->state;
  free(s->values);
  free(s->wide);
  free(s->upstream);
  free(s);
}

static float *values(engine *e) { return ((state *)e->state)->values; }

static bool run(engine *e, engine_batch *b) {
  const eval_request *request = e->setup.request;
  state *s = e->state;
  size_t n = b->rows * e->setup.classes;
  for (size_t i = 0; i < n; i++) s->wide[i] = (double)s->values[i];
  for (size_t r = 0; b->upstream && r < b->rows; r++) s->upstream[r] = (double)b->upstream[r];
  clloss_ref_xent a = {
      .rows = b->rows, .classes = e->setup.classes, .logits = s->wide, .targets = b->targets};
  a.reduction = CLLOSS_NONE, a.flags = request->flags, a.ignore_index = request->ignore_index;
  a.grad_loss = b->upstream ? s->upstream : &e->setup.scale;
  a.grad_loss_stride = b->upstream != NULL;
  a.row_loss = b->row_loss, a.predicted = b->predicted, a.entropy = b->entropy;
  a.grad = request->grad ? s->wide : NULL;
  clloss_ref_xent_f64(&a);
  for (size_t i = 0; request->grad && i < n; i++) s->values[i] = (float)s->wide[i];
  b->values = s->values;
  return true;
}

bool engine_open_reference(engine *e, const engine_setup *setup) {
  size_t n = setup->rows * setup->classes;
  state *s = calloc(1, sizeof *s);
  *e = (engine){.setup = *setup, .name = "reference", .digits = 17, .state = s};
  if (s) {
    s->values = malloc(n * sizeof *s->values + 1);
    s->wide = malloc(n * sizeof *s->wide + 1);
    s->upstream = malloc(setup->rows * sizeof *s->upstream + 1);
    if (!s->values || !s->wide || !s->upstream) shut(e), s = NULL;
  }
  if (!s) {
    fail(EXIT_FAILED, "%s: out of memory for rows of %zu classes", setup->request->input, setup->classes);
    return false;
  }
  e->values = values, e->run = run, e->close = shut;
  return true;
}
