/* The truth of a softmax cross-entropy case: the scalar reference in f64 on the same rounded inputs, and notes for the
 * bound. It gets packed rows: how they lie in memory is the harness's business alone. There is no f32 reference beside
 * it: the bound needs none. */
#include "case_xent.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one run of the reference ---- */

/* Arrays in the type of the run, double or float, by the number of the array; NULL where unbound. */
typedef struct real_arrays {
  bool wide;
  void *of[HARNESS_ARRAYS];
  int64_t *targets;
} real_arrays;

static size_t count_of(const xent_shape *s, int array) {
  switch (array) {
  case XENT_LOGITS:
  case XENT_GRAD: return s->rows * s->classes;
  case XENT_TARGETS: return xent_has_probabilities(s) ? s->rows * s->classes : s->rows;
  case XENT_CLASS_WEIGHT: return s->classes;
  case XENT_ROW_WEIGHT: return s->with & XENT_WITH_ONE_ROW_WEIGHT ? 1 : s->rows;
  case XENT_GRAD_LOSS: return s->upstream == XENT_UPSTREAM_ROWS ? s->rows : 1;
  case XENT_ROW_STATS: return 2 * s->rows;
  case XENT_METRICS: return CLLOSS_METRICS;
  case XENT_COUNTS: return CLLOSS_COUNTS;
  case XENT_LOSS:
  case XENT_DIVISOR: return 1;
  default: return s->rows;
  }
}

static bool is_whole(int array) { return array == XENT_COUNTS || array == XENT_PREDICTED; }

static uint32_t input_dtype(const xent_shape *s, int array) {
  return is_whole(array)               ? CLLOSS_I64
         : array == XENT_LOGITS        ? xent_dtype(s)
         : array == XENT_TARGETS       ? xent_targets_dtype(s)
         : array == XENT_GRAD          ? xent_grad_dtype(s)
         : xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64
                                       : CLLOSS_F32;
}

/* Room for array i, of 8 bytes per value whatever the type, holding the data where there is some. */
static void *real_array(const xent_shape *s, const harness_data *d, int i, bool wide) {
  const size_t n = count_of(s, i);
  const uint32_t to = is_whole(i) ? CLLOSS_I64 : wide ? CLLOSS_F64 : CLLOSS_F32;
  void *array = calloc(n + 1, 8);
  for (size_t k = 0; array && d->data[i] && k < n; k++)
    harness_put(to, array, k, harness_get(input_dtype(s, i), d->data[i], k));
  return array;
}

static void release(real_arrays *r) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) free(r->of[i]);
  free(r->targets);
}

static bool take(const xent_shape *s, const harness_data *d, real_arrays *r) {
  const bool whole = !xent_has_probabilities(s);
  bool room = true;
  for (int i = 0; i < XENT_WORKSPACE; i++) {
    const bool wanted = d->truth[i] || (d->data[i] && !(i == XENT_TARGETS && whole) && i != XENT_ROW_STATS);
    if (wanted) room &= (r->of[i] = real_array(s, d, i, r->wide)) != NULL;
  }
  if (!whole) return room;
  r->targets = malloc((s->rows + 1) * sizeof *r->targets);
  for (size_t row = 0; r->targets && row < s->rows; row++)
    r->targets[row] = xent_target(s, d->data[XENT_TARGETS], row);
  return room && r->targets;
}

/* A weight for all is one for each of them: the reference has no broadcast. */
static bool repeat_weight(const xent_shape *s, real_arrays *r) {
  if (!(s->with & XENT_WITH_ONE_ROW_WEIGHT)) return true;
  const uint32_t real = r->wide ? CLLOSS_F64 : CLLOSS_F32;
  void *all = calloc(s->rows + 1, 8);
  for (size_t i = 0; all && i < s->rows; i++)
    harness_put(real, all, i, harness_get(real, r->of[XENT_ROW_WEIGHT], 0));
  free(r->of[XENT_ROW_WEIGHT]);
  r->of[XENT_ROW_WEIGHT] = all;
  return all != NULL;
}

static void run(const xent_shape *s, real_arrays *r) {
  const clloss_xent_options *o = &s->options;
  const uint32_t real = r->wide ? CLLOSS_F64 : CLLOSS_F32;
  clloss_ref_xent a = {
      .rows = s->rows,
      .classes = s->classes,
      .logits = r->of[XENT_LOGITS],
      .targets = r->targets,
      .probabilities = r->of[XENT_TARGETS],
      .class_weight = r->of[XENT_CLASS_WEIGHT],
      .row_weight = r->of[XENT_ROW_WEIGHT],
      .reduction = o->reduction,
      .flags = o->flags,
      .ignore_index = o->ignore_index,
      .label_smoothing = o->label_smoothing,
      .z_loss = o->z_loss,
      .logit_scale = o->logit_scale,
      .softcap = o->softcap,
      .divisor = r->of[XENT_DIVISOR] ? harness_get(real, r->of[XENT_DIVISOR], 0) : o->divisor,
      .grad_alpha = o->grad_alpha,
      .grad_beta = o->grad_beta,
      .top_k = o->top_k,
      .grad_loss = r->of[XENT_GRAD_LOSS],
      .grad_loss_stride = s->upstream == XENT_UPSTREAM_ROWS,
      .loss = r->of[XENT_LOSS],
      .row_loss = r->of[XENT_ROW_LOSS],
      .row_stats = r->of[XENT_ROW_STATS],
      .grad = r->of[XENT_GRAD],
      .predicted = r->of[XENT_PREDICTED],
      .confidence = r->of[XENT_CONFIDENCE],
      .entropy = r->of[XENT_ENTROPY],
      .metrics = r->of[XENT_METRICS],
      .counts = r->of[XENT_COUNTS],
  };
  if (r->wide)
    clloss_ref_xent_f64(&a);
  else
    clloss_ref_xent_f32(&a);
}

/* Runs the reference in one type and lays its outputs into `to`. */
static bool reference_in(const xent_shape *s, harness_data *d, bool wide, double *to[HARNESS_ARRAYS]) {
  real_arrays r = {.wide = wide};
  const bool room = take(s, d, &r) && repeat_weight(s, &r);
  if (room) run(s, &r);
  for (int i = 0; room && i < HARNESS_ARRAYS; i++)
    for (size_t k = 0; to[i] && k < count_of(s, i); k++)
      to[i][k] = harness_get(is_whole(i) ? CLLOSS_I64 : wide ? CLLOSS_F64 : CLLOSS_F32, r.of[i], k);
  release(&r);
  return room;
}

static bool is_valid(const xent_shape *s, const harness_data *d, size_t row) {
  const int64_t t = xent_target(s, d->data[XENT_TARGETS], row);
  const bool ignored = (s->options.flags & CLLOSS_IGNORE_INDEX) && t == s->options.ignore_index;
  return !ignored && t >= 0 && (uint64_t)t < s->classes;
}

/* Of a row that isn't valid nothing is asked: its statistics are NaN. */
clloss_status xent_fill_row_stats(const xent_shape *s, harness_data *d) {
  if (!d->data[XENT_ROW_STATS]) return CLLOSS_SUCCESS; /* backward without a softmax needs none */
  const size_t n = 2 * s->rows;
  double *stats = malloc((n + 1) * sizeof *stats);
  harness_data only = *d;
  memset(only.truth, 0, sizeof only.truth);
  only.truth[XENT_ROW_STATS] = stats;
  const bool done = stats && reference_in(s, &only, true, only.truth);
  for (size_t i = 0; done && i < n; i++) {
    const bool valid = xent_has_probabilities(s) || is_valid(s, d, i / 2);
    harness_put(input_dtype(s, XENT_ROW_STATS), d->data[XENT_ROW_STATS], i, valid ? stats[i] : NAN);
  }
  free(stats);
  return done ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* ---- notes ---- */

double xent_z(const xent_shape *s, double x) {
  const double scale = s->options.logit_scale == 0 ? 1 : s->options.logit_scale, cap = s->options.softcap;
  if (x == -(double)INFINITY) return x;
  return cap > 0 ? cap * tanh(scale * x / cap) : scale * x;
}

xent_smoothing xent_smoothing_of(const xent_shape *s) {
  const double n = (double)s->classes, given = s->options.label_smoothing;
  const double smoothing = s->options.flags & CLLOSS_SMOOTHING_MEGATRON ? given * n / (n - 1) : given;
  return (xent_smoothing){xent_has_probabilities(s) ? 0 : 1 - smoothing, 1 - smoothing, smoothing / n};
}

static double value_at(const xent_shape *s, const harness_data *d, int array, size_t i, double otherwise) {
  return d->data[array] ? harness_get(input_dtype(s, array), d->data[array], i) : otherwise;
}

/* The class that ranks are of: the target or the likeliest. */
static size_t ranked_class(const xent_shape *s, const harness_data *d, size_t row) {
  const void *t = d->data[XENT_TARGETS];
  size_t best = 0;
  if (!xent_has_probabilities(s)) return (size_t)xent_target(s, t, row);
  for (size_t c = 1; c < s->classes; c++)
    if (harness_get(s->targets_dtype, t, row * s->classes + c) >
        harness_get(s->targets_dtype, t, row * s->classes + best))
      best = c;
  return best;
}

static void note_sums(const xent_shape *s, const harness_data *d, size_t row, const double *z,
                      xent_note *note) {
  const xent_smoothing k = xent_smoothing_of(s);
  const bool spreads = xent_has_probabilities(s) || k.q_shift != 0;
  double rest = 0, spread = 0, spread2 = 0; /* rest: Σ exp but for one occurrence of the maximum */
  bool past_max = false;
  for (size_t c = 0; c < s->classes; c++) {
    const double away = note->max - z[c], e = exp(-away);
    if (away == 0 && !past_max)
      past_max = true;
    else
      rest += e;
    if (e > 0) spread += e * away, spread2 += e * away * away;
    if (!spreads) continue;
    const double t = xent_has_probabilities(s) ? value_at(s, d, XENT_TARGETS, row * s->classes + c, 0) : 0;
    const double w = value_at(s, d, XENT_CLASS_WEIGHT, c, 1), size = fabs(w) * xent_q_size(k, t);
    const bool counts = isfinite(away) || w * (k.q_scale * t + k.q_shift) != 0;
    if (counts && size != 0) note->gap += size * away;
    note->q += size;
  }
  note->log_sum = log1p(rest);
  note->spread = spread / (1 + rest);
  note->spread2 = spread2 / (1 + rest);
}

/* What rounding may do to ranks: nothing without a transform of the logits, which keeps their order. */
static void note_ranks(const xent_shape *s, size_t ranked, const double *z, xent_note *note) {
  const double u = xent_dtype(s) == CLLOSS_F64 ? 0x1p-53 : 0x1p-24;
  const bool transforms = s->options.softcap != 0 || s->options.logit_scale != 0;
  const double near = transforms ? 64 * u * note->most : 0,
               k = s->options.top_k ? (double)s->options.top_k : 5;
  double surely = 0, perhaps = 0;
  note->nearest = note->farthest = -1;
  for (size_t c = 0; c < s->classes; c++) {
    surely += z[c] > z[ranked] + near;
    perhaps += c != ranked && z[c] > z[ranked] - near;
    if (z[c] < note->max - near || !(near > 0 || note->nearest < 0)) continue;
    if (note->nearest < 0) note->nearest = (double)c;
    note->farthest = (double)c;
  }
  note->top1 = surely < 1 && perhaps >= 1;
  note->topk = surely < k && perhaps >= k;
}

static void note_row(const xent_shape *s, const harness_data *d, size_t row, double *z, xent_note *note) {
  const int64_t target = xent_target(s, d->data[XENT_TARGETS], row);
  const bool whole = !xent_has_probabilities(s);
  *note = (xent_note){.valid = is_valid(s, d, row), .max = -(double)INFINITY};
  if (!note->valid) return;
  for (size_t c = 0; c < s->classes; c++) {
    z[c] = xent_z(s, value_at(s, d, XENT_LOGITS, row * s->classes + c, 0));
    if (isfinite(z[c])) note->most = fmax(note->most, fabs(z[c]));
    if (!(z[c] > note->max)) continue;
    note->records += note->max > -(double)INFINITY;
    note->max = z[c];
  }
  const bool nll = (s->options.flags & CLLOSS_LOG_PROBABILITIES) != 0;
  if (nll) note->max = 0;
  note->to_target = nll ? fabs(z[target]) : whole ? note->max - z[target] : 0;
  note->class_weight = whole ? value_at(s, d, XENT_CLASS_WEIGHT, (size_t)target, 1) : 1;
  note->row_weight = value_at(s, d, XENT_ROW_WEIGHT, s->with & XENT_WITH_ONE_ROW_WEIGHT ? 0 : row, 1);
  note->upstream = value_at(s, d, XENT_GRAD_LOSS, s->upstream == XENT_UPSTREAM_ROWS ? row : 0, 1);
  if (nll) return;
  note_sums(s, d, row, z, note);
  note_ranks(s, ranked_class(s, d, row), z, note);
}

static void note_divisors(const xent_shape *s, const harness_data *d, xent_notes *notes) {
  const bool mean = s->options.reduction == CLLOSS_MEAN;
  double loss = 0, z = 0;
  for (size_t row = 0; row < s->rows; row++) {
    const xent_note *note = &notes->row[row];
    notes->near_top1 += note->valid && note->top1;
    notes->near_topk += note->valid && note->topk;
    if (!note->valid) continue;
    loss += note->row_weight * note->class_weight;
    z += note->row_weight;
  }
  const double given = value_at(s, d, XENT_DIVISOR, 0, s->options.divisor);
  notes->divisor = !mean ? 1 : given != 0 ? given : loss;
  notes->z_divisor = !mean ? 1 : given != 0 ? given : z;
}

clloss_status xent_reference(const harness_case *c, const void *shape, harness_data *d) {
  (void)c;
  const xent_shape *s = shape;
  double *z = malloc((s->classes + 1) * sizeof *z);
  xent_notes *notes = d->notes = calloc(1, sizeof *notes + (s->rows + 1) * sizeof *notes->row);
  const bool done = z && notes && reference_in(s, d, true, d->truth);
  for (int i = 0; done && i < HARNESS_ARRAYS; i++)
    if (d->plain[i]) memcpy(d->plain[i], d->truth[i], count_of(s, i) * sizeof *d->plain[i]);
  for (size_t row = 0; done && row < s->rows; row++) note_row(s, d, row, z, &notes->row[row]);
  if (done) note_divisors(s, d, notes);
  free(z);
  return done ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* Of the call that finds a divisor: a sum of sums of 256, as the bound counts on (harness_reference_chain). */
clloss_status xent_divisor_reference(const harness_case *c, const void *shape, harness_data *d) {
  (void)c;
  const xent_shape *s = shape;
  const bool whole = !xent_has_probabilities(s);
  xent_notes *notes = d->notes = calloc(1, sizeof *notes);
  if (!notes) return CL_OUT_OF_HOST_MEMORY;
  double block = 0;
  for (size_t row = 0; row < s->rows; row++) {
    if (row % 256 == 0) notes->divisor += block, block = 0;
    if (!is_valid(s, d, row)) continue;
    const size_t target = (size_t)xent_target(s, d->data[XENT_TARGETS], row);
    block += value_at(s, d, XENT_ROW_WEIGHT, s->with & XENT_WITH_ONE_ROW_WEIGHT ? 0 : row, 1) *
             (whole ? value_at(s, d, XENT_CLASS_WEIGHT, target, 1) : 1);
  }
  notes->divisor += block;
  d->truth[XENT_DIVISOR][0] = notes->divisor + value_at(s, d, XENT_DIVISOR, 0, 0);
  if (d->plain[XENT_DIVISOR]) d->plain[XENT_DIVISOR][0] = d->truth[XENT_DIVISOR][0];
  return CLLOSS_SUCCESS;
}
