/* The data of a distillation case, its truth (the scalar reference in f64 on the same rounded inputs), and notes for the
 * bound. All is packed row by row: the reference, which takes an inner axis too, is given
 * none. */
#include "case_distill.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- data ---- */

static double either_sign(uint64_t *state, double magnitude) {
  return magnitude * (2 * harness_uniform(state) - 1);
}

static double sixteenth(uint64_t *state) { return ((double)harness_pick(state, 257) - 128) / 16; }

/* One row of both. */
static void fill_pair(double *student, double *teacher, size_t n, enum distill_fill fill, uint64_t *state) {
  static const double magnitudes[] = {0.1, 1, 10, 100};
  const double of_student = magnitudes[harness_pick(state, 4)],
               of_teacher = magnitudes[harness_pick(state, 4)];
  const size_t place = harness_pick(state, n), masked = n * 5 / 8;
  double *one = harness_pick(state, 2) ? student : teacher;
  const case_certain of_s = case_draw_certain(n, 80, state), apart = case_draw_certain(n, 80, state);
  const case_certain of_t = harness_pick(state, 8) ? of_s : apart;
  for (size_t c = 0; c < n; c++) {
    double *s = &student[c], *t = &teacher[c];
    *s = either_sign(state, of_student);
    *t = either_sign(state, of_teacher);
    if (fill == DISTILL_NEAR) *s = *t + *s * 1e-3;
    if (fill == DISTILL_SAME) *s = *t;
    if (fill == DISTILL_CERTAIN) {
      *s = c == of_s.one || c == of_s.other ? of_s.height : 2 * harness_uniform(state);
      *t = c == of_t.one || c == of_t.other ? of_t.height - harness_uniform(state)
                                            : 2 * harness_uniform(state);
    }
    if (fill == DISTILL_SIXTEENTHS || fill == DISTILL_SIXTEENTHS_1E6) {
      *s = sixteenth(state) + (fill == DISTILL_SIXTEENTHS_1E6 ? 1e6 : 0);
      *t = sixteenth(state);
    }
    if (fill == DISTILL_RISING) {
      *s = 40 * (double)c / (double)n + either_sign(state, 0.1);
      *t = 60 * (double)c / (double)n + either_sign(state, 0.1);
    }
    if ((fill == DISTILL_MASK_TEACHER || fill == DISTILL_MASK_BOTH) && c < masked) *t = -(double)INFINITY;
    if (fill == DISTILL_MASK_BOTH && c < masked) *s = -(double)INFINITY;
    if (fill == DISTILL_MASK_STUDENT && n > 1 && (c == place || harness_pick(state, 9) == 0)) {
      *s = -(double)INFINITY;
      if (harness_pick(state, 2)) *t -= 400;
    }
    if (fill == DISTILL_MASK_FAR && c < masked) *t -= 400;
    if (fill == DISTILL_MASK_ROW) one[c] = -(double)INFINITY;
  }
  /* a row of its own kind in which nothing else is special */
  if (fill == DISTILL_MASK_STUDENT && n > 1) student[(place + 1) % n] = of_student;
  if (fill == DISTILL_MASK_FAR && n > 1) student[place % masked] = -(double)INFINITY;
  if (fill == DISTILL_NAN) one[place] = (double)NAN;
  if (fill == DISTILL_POSITIVE_INF) one[place] = (double)INFINITY;
}

static void fill_logits(const distill_shape *s, uint64_t *state, harness_data *d) {
  const size_t n = s->classes;
  const uint32_t teacher = s->teacher_dtype ? s->teacher_dtype : distill_dtype(s);
  double *pair = calloc(2 * n + 1, sizeof *pair);
  for (size_t r = 0; pair && r < s->rows; r++) {
    fill_pair(pair, pair + n, n,
              s->fill == DISTILL_MIXED ? (enum distill_fill)harness_pick(state, DISTILL_MIXED) : s->fill,
              state);
    for (size_t c = 0; c < n; c++) {
      harness_put(distill_dtype(s), d->data[DISTILL_STUDENT], r * n + c, pair[c]);
      harness_put(teacher, d->data[DISTILL_TEACHER], r * n + c, pair[n + c]);
    }
  }
  free(pair);
}

/* Weights are 0 here and there, and large enough together to divide by. */
static double draw_weight(uint64_t *state) {
  return harness_pick(state, 8) == 0 ? 0 : 0.25 + 2 * harness_uniform(state);
}

static size_t weights_of(const distill_shape *s) {
  return s->with & DISTILL_WITH_ONE_ROW_WEIGHT ? 1 : s->rows;
}

static clloss_status fill_row_stats(const distill_shape *s, harness_data *d);

clloss_status distill_fill_all(const distill_shape *s, int pass, uint64_t seed, harness_data *d) {
  const uint32_t real = distill_real(s);
  const size_t upstreams = s->upstream == DISTILL_UPSTREAM_ROWS ? s->rows : 1;
  fill_logits(s, &seed, d);
  for (size_t i = 0; d->data[DISTILL_ROW_WEIGHT] && i < weights_of(s); i++) {
    const double w = weights_of(s) == 1 ? 0 : i % 2 ? -1 : 1;
    harness_put(real, d->data[DISTILL_ROW_WEIGHT], i,
                s->with & DISTILL_WEIGHTS_0 ? w
                : i == 0                    ? 1.5
                                            : draw_weight(&seed));
  }
  if (d->data[DISTILL_DIVISOR])
    harness_put(real, d->data[DISTILL_DIVISOR], 0, 0.5 + 100 * harness_uniform(&seed));
  for (size_t i = 0; d->data[DISTILL_GRAD_LOSS] && i < upstreams; i++)
    harness_put(real, d->data[DISTILL_GRAD_LOSS], i, either_sign(&seed, 4));
  return pass == DISTILL_BACKWARD ? fill_row_stats(s, d) : CLLOSS_SUCCESS;
}

/* ---- the reference ---- */

static size_t count_of(const distill_shape *s, int array) {
  switch (array) {
  case DISTILL_STUDENT:
  case DISTILL_TEACHER:
  case DISTILL_GRAD: return s->rows * s->classes;
  case DISTILL_ROW_STATS: return 4 * s->rows;
  case DISTILL_ROW_LOSS: return s->rows;
  default: return 1;
  }
}

static double value_at(const distill_shape *s, const harness_data *d, int array, size_t i, double otherwise) {
  const uint32_t dtype = array == DISTILL_STUDENT                       ? distill_dtype(s)
                         : array == DISTILL_TEACHER && s->teacher_dtype ? s->teacher_dtype
                         : array == DISTILL_TEACHER                     ? distill_dtype(s)
                                                                        : distill_real(s);
  return d->data[array] ? harness_get(dtype, d->data[array], i) : otherwise;
}

static double weight_at(const distill_shape *s, const harness_data *d, size_t r) {
  return value_at(s, d, DISTILL_ROW_WEIGHT, weights_of(s) == 1 ? 0 : r, 1);
}

static double upstream_at(const distill_shape *s, const harness_data *d, size_t r) {
  return value_at(s, d, DISTILL_GRAD_LOSS, s->upstream == DISTILL_UPSTREAM_ROWS ? r : 0, 1);
}

/* Runs the reference in one type and lays its outputs into `to`. Every array has room for 8 bytes per value. */
static bool reference_in(const distill_shape *s, const harness_data *d, bool wide, double *const to[]) {
  enum { STUDENT, TEACHER, WEIGHT, UPSTREAM, LOSS, ROW_LOSS, ROW_STATS, GRAD, ROOMS };
  static const int outputs[ROOMS] = {[LOSS] = DISTILL_LOSS,
                                     [ROW_LOSS] = DISTILL_ROW_LOSS,
                                     [ROW_STATS] = DISTILL_ROW_STATS,
                                     [GRAD] = DISTILL_GRAD};
  const size_t n = s->rows * s->classes + 4 * s->rows + 1;
  const uint32_t real = wide ? CLLOSS_F64 : CLLOSS_F32;
  void *room[ROOMS] = {0};
  bool good = true;
  for (int i = 0; i < ROOMS; i++) good &= (room[i] = calloc(n, 8)) != NULL;
  for (size_t i = 0; good && i < s->rows * s->classes; i++) {
    harness_put(real, room[STUDENT], i, value_at(s, d, DISTILL_STUDENT, i, 0));
    harness_put(real, room[TEACHER], i, value_at(s, d, DISTILL_TEACHER, i, 0));
  }
  for (size_t r = 0; good && r < s->rows; r++) {
    harness_put(real, room[WEIGHT], r, weight_at(s, d, r));
    harness_put(real, room[UPSTREAM], r, upstream_at(s, d, r));
  }
  const clloss_ref_distill a = {.rows = s->rows,
                                .classes = s->classes,
                                .reduction = s->options.reduction,
                                .flags = s->options.flags,
                                .temperature = s->options.temperature,
                                .divisor = value_at(s, d, DISTILL_DIVISOR, 0, s->options.divisor),
                                .student = room[STUDENT],
                                .teacher = room[TEACHER],
                                .row_weight = room[WEIGHT],
                                .grad_loss = room[UPSTREAM],
                                .grad_loss_stride = 1,
                                .loss = room[LOSS],
                                .row_loss = room[ROW_LOSS],
                                .row_stats = room[ROW_STATS],
                                .grad = room[GRAD]};
  if (good && wide) clloss_ref_distill_f64(&a);
  if (good && !wide) clloss_ref_distill_f32(&a);
  for (int i = LOSS; good && i < ROOMS; i++)
    for (size_t k = 0; to[outputs[i]] && k < count_of(s, outputs[i]); k++)
      to[outputs[i]][k] = harness_get(real, room[i], k);
  for (int i = 0; i < ROOMS; i++) free(room[i]);
  return good;
}

/* What a backward pass alone is given: the truth, rounded. */
static clloss_status fill_row_stats(const distill_shape *s, harness_data *d) {
  const size_t n = 4 * s->rows;
  double *to[HARNESS_ARRAYS] = {0}, *stats = malloc((n + 1) * sizeof *stats);
  to[DISTILL_ROW_STATS] = stats;
  const bool done = stats && reference_in(s, d, true, to);
  for (size_t i = 0; done && i < n; i++)
    harness_put(distill_real(s), d->data[DISTILL_ROW_STATS], i, stats[i]);
  free(stats);
  return done ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* ---- notes ---- */

static distill_half note_half(const distill_shape *s, const harness_data *d, int array, size_t row) {
  const double t = distill_temperature(s);
  distill_half h = {.max = -(double)INFINITY};
  double rest = 0; /* Σ exp but for the maximum's class */
  size_t where = 0;
  for (size_t c = 0; c < s->classes; c++) {
    const double x = value_at(s, d, array, row * s->classes + c, 0);
    if (!(x > h.max)) continue;
    h.records += h.max > -(double)INFINITY;
    h.max = x;
    where = c;
  }
  for (size_t c = 0; c < s->classes; c++) {
    const double away = (h.max - value_at(s, d, array, row * s->classes + c, 0)) / t, e = exp(-away);
    if (c != where) rest += e;
    if (e > 0) h.h += e * away;
  }
  h.valid = isfinite(rest) && isfinite(h.max);
  h.log_sum = log1p(rest);
  h.h /= 1 + rest;
  return h;
}

static void note_row(const distill_shape *s, const harness_data *d, size_t row, distill_note *note) {
  const double t = distill_temperature(s);
  note->student = note_half(s, d, DISTILL_STUDENT, row);
  note->teacher = note_half(s, d, DISTILL_TEACHER, row);
  note->weight = fabs(weight_at(s, d, row));
  note->upstream = fabs(upstream_at(s, d, row));
  for (size_t c = 0; c < s->classes; c++) {
    const size_t i = row * s->classes + c;
    const double of_s = (note->student.max - value_at(s, d, DISTILL_STUDENT, i, 0)) / t;
    const double of_t = (note->teacher.max - value_at(s, d, DISTILL_TEACHER, i, 0)) / t, a = of_s + of_t;
    const double p_t = exp(-of_t - note->teacher.log_sum);
    if (!isfinite(a)) continue;
    note->away += p_t * a;
    note->away2 += p_t * a * of_t;
    note->lost += 1 + a;
  }
}

clloss_status distill_reference(const harness_case *c, const void *shape, harness_data *d) {
  (void)c;
  const distill_shape *s = shape;
  const bool mean = s->options.reduction == CLLOSS_MEAN;
  double *row_loss = malloc((s->rows + 1) * sizeof *row_loss), *only[HARNESS_ARRAYS] = {0}, sum = 0;
  distill_notes *notes = d->notes = calloc(1, sizeof *notes + (s->rows + 1) * sizeof *notes->row);
  only[DISTILL_ROW_LOSS] = row_loss;
  const bool done = row_loss && notes && reference_in(s, d, true, d->truth) && reference_in(s, d, true, only);
  /* the bound needs no f32 reference beside it, whose sums over rows and classes grow with them */
  for (int i = 0; done && i < HARNESS_ARRAYS; i++)
    if (d->plain[i]) memcpy(d->plain[i], d->truth[i], count_of(s, i) * sizeof *d->plain[i]);
  for (size_t row = 0; done && row < s->rows; row++) {
    note_row(s, d, row, &notes->row[row]);
    notes->row[row].divergence = row_loss[row];
    sum += weight_at(s, d, row);
  }
  const double given = value_at(s, d, DISTILL_DIVISOR, 0, s->options.divisor);
  if (done) notes->divisor = !mean ? 1 : given != 0 ? given : sum;
  free(row_loss);
  return done ? CLLOSS_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}
