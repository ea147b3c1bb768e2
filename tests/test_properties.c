/* What holds of softmax cross-entropy whatever the numbers are, over random cases on every kernel family:
 * adding a constant to a row changes nothing; rows and classes may change places; a gradient's row sums to
 * 0; a probability of 1 is a class index. Every run is also judged by the harness, so that in all of them
 * the logits keep their bits, padding (NaN) is neither read nor written, and two runs give the same bits. */
#include "case_xent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const harness_plan plans[] = {
    {0},
    {CLLOSS_FAMILY_LANE, 0, 5, 0},
    {CLLOSS_FAMILY_SPLIT, 0, 0, 3},
    {CLLOSS_FAMILY_GROUP, 8, 0, 0},
};

/* f32 on every plan; the others, whose programs cost, where clLoss itself puts them. `steps` per unit and
 * `shift`: logits of so many steps up to ±8 stay exact in the type with the shift added. */
static const struct {
  uint32_t dtype;
  int steps;
  double shift, u; /* of the arithmetic and of the stored gradient together */
} types[] = {{CLLOSS_F32, 16, 1e6, 0x1p-24},
             {CLLOSS_F64, 16, 1e6, 0x1p-53},
             {CLLOSS_F16, 16, 64, 0x1p-11},
             {CLLOSS_BF16, 2, 64, 0x1p-8}};

typedef struct trial {
  harness *h;
  size_t device, type;
  clloss_ctx *ctx;
  xent_shape s;
  uint64_t seed;
  harness_result result;
  harness_outputs in; /* the inputs */
} trial;

/* ---- inputs ---- */

static uint32_t real_of(const xent_shape *s) { return xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32; }

static void *room(harness_outputs *to, int i, uint32_t dtype, size_t n) {
  to->data[i] = calloc(n + 1, 8);
  to->dtype[i] = dtype;
  to->count[i] = n;
  if (!to->data[i]) {
    fprintf(stderr, "out of memory\n");
    exit(2);
  }
  return to->data[i];
}

static void put(harness_outputs *to, int i, size_t k, double value) {
  harness_put(to->dtype[i], to->data[i], k, value);
}
static double get(const harness_outputs *from, int i, size_t k) {
  return harness_get(from->dtype[i], from->data[i], k);
}

static void make_inputs(trial *t) {
  const xent_shape *s = &t->s;
  uint64_t state = t->seed;
  const int most = 16 * types[t->type].steps;
  room(&t->in, XENT_LOGITS, xent_dtype(s), s->rows * s->classes);
  room(&t->in, XENT_TARGETS, CLLOSS_I32, s->rows);
  room(&t->in, XENT_CLASS_WEIGHT, real_of(s), s->classes);
  room(&t->in, XENT_ROW_WEIGHT, real_of(s), s->rows);
  room(&t->in, XENT_GRAD_LOSS, real_of(s), 1);
  put(&t->in, XENT_GRAD_LOSS, 0, 6 * harness_uniform(&state) - 3);
  for (size_t k = 0; k < s->rows * s->classes; k++)
    put(&t->in, XENT_LOGITS, k, (double)harness_pick(&state, (size_t)most + 1) / types[t->type].steps - 8);
  for (size_t k = 0; k < s->rows; k++) put(&t->in, XENT_TARGETS, k, (double)harness_pick(&state, s->classes));
  for (size_t k = 0; k < s->classes; k++) put(&t->in, XENT_CLASS_WEIGHT, k, 0.25 + harness_uniform(&state));
  for (size_t k = 0; k < s->rows; k++) put(&t->in, XENT_ROW_WEIGHT, k, 0.25 + harness_uniform(&state));
}

/* Places: order[k] is what stands at place k. */
static size_t *shuffled(size_t n, uint64_t *state) {
  size_t *order = calloc(n + 1, sizeof *order);
  for (size_t k = 0; order && k < n; k++) {
    const size_t j = harness_pick(state, k + 1);
    order[k] = order[j];
    order[j] = k;
  }
  return order;
}

/* The inputs with rows and classes in another order. */
static harness_outputs reordered(const trial *t, const size_t *rows, const size_t *classes) {
  const size_t n = t->s.classes;
  harness_outputs to = {0};
  for (int i = 0; i < HARNESS_ARRAYS; i++)
    if (t->in.data[i]) room(&to, i, t->in.dtype[i], t->in.count[i]);
  put(&to, XENT_GRAD_LOSS, 0, get(&t->in, XENT_GRAD_LOSS, 0));
  for (size_t c = 0; c < n; c++) put(&to, XENT_CLASS_WEIGHT, c, get(&t->in, XENT_CLASS_WEIGHT, classes[c]));
  for (size_t r = 0; r < t->s.rows; r++) {
    const size_t from = rows[r], target = (size_t)get(&t->in, XENT_TARGETS, from);
    put(&to, XENT_ROW_WEIGHT, r, get(&t->in, XENT_ROW_WEIGHT, from));
    for (size_t c = 0; c < n; c++) {
      put(&to, XENT_LOGITS, r * n + c, get(&t->in, XENT_LOGITS, from * n + classes[c]));
      if (classes[c] == target) put(&to, XENT_TARGETS, r, (double)c);
    }
  }
  return to;
}

/* ---- the properties ---- */

static harness_outputs fused(trial *t, const xent_shape *s, const harness_outputs *in) {
  harness_outputs out;
  harness_check(&t->h->devices[t->device], t->ctx, &xent_fused_case, s, t->seed, in, &out, &t->result);
  return out;
}

static void fire(trial *t, const char *what, int array, size_t k, double a, double b, double allowed) {
  if (t->result.count[HARNESS_AGREE]++ == 0)
    snprintf(t->result.first[HARNESS_AGREE], sizeof t->result.first[0],
             "%s: array %d, value %zu: %.17g and %.17g, %.3g apart are allowed", what, array, k, a, b,
             allowed);
}

/* Two results of one value: each is off by less than its bound. With logits within ±8 the terms of
 * case_xent_bound.c are less than 16 for each of |d|, h and the loss, and D less than the classes; `size` is
 * the largest number that the value is made of. */
static double apart(const trial *t, double size) {
  const double u = real_of(&t->s) == CLLOSS_F64 ? 0x1p-53 : 0x1p-24;
  return 2 * (2 * u * ((double)t->s.classes + 300) + types[t->type].u) * size;
}

/* What multiplies p - [c = t], p and q in a gradient: weights are less than 1.25 each. */
static double grad_size(const trial *t) { return 4 * fabs(get(&t->in, XENT_GRAD_LOSS, 0)); }

static void near(trial *t, const char *what, int array, size_t k, double a, double b, double allowed) {
  if (!(fabs(a - b) <= allowed)) fire(t, what, array, k, a, b, allowed);
}

/* To the last bit, the maxima apart. */
static void shift(trial *t, const harness_outputs *base) {
  harness_outputs in = t->in;
  in.data[XENT_LOGITS] = NULL;
  room(&in, XENT_LOGITS, t->in.dtype[XENT_LOGITS], t->in.count[XENT_LOGITS]);
  for (size_t k = 0; k < in.count[XENT_LOGITS]; k++)
    put(&in, XENT_LOGITS, k, get(&t->in, XENT_LOGITS, k) + types[t->type].shift);
  harness_outputs out = fused(t, &t->s, &in);
  for (int i = 0; i < HARNESS_ARRAYS; i++)
    for (size_t k = 0; k < base->count[i] && out.data[i]; k++) {
      const size_t size = harness_bytes(base->dtype[i]);
      const bool is_max = i == XENT_ROW_STATS && k % 2 == 0;
      if (!is_max && memcmp((char *)base->data[i] + k * size, (char *)out.data[i] + k * size, size) != 0)
        fire(t, "logits plus a constant", i, k, get(base, i, k), get(&out, i, k), 0);
    }
  free(in.data[XENT_LOGITS]);
  harness_outputs_free(&out);
}

static void permutation(trial *t, const harness_outputs *base) {
  uint64_t state = t->seed + 1;
  const size_t n = t->s.classes;
  size_t *rows = shuffled(t->s.rows, &state), *classes = shuffled(n, &state);
  harness_outputs in = reordered(t, rows, classes), out = fused(t, &t->s, &in);
  for (size_t r = 0; r < t->s.rows && out.data[XENT_GRAD]; r++) {
    const double loss = get(base, XENT_ROW_LOSS, rows[r]);
    near(t, "rows and classes in another order", XENT_ROW_LOSS, r, loss, get(&out, XENT_ROW_LOSS, r),
         apart(t, 16));
    for (size_t c = 0; c < n; c++)
      near(t, "rows and classes in another order", XENT_GRAD, r * n + c,
           get(base, XENT_GRAD, rows[r] * n + classes[c]), get(&out, XENT_GRAD, r * n + c),
           apart(t, grad_size(t)));
  }
  free(rows);
  free(classes);
  harness_outputs_free(&in);
  harness_outputs_free(&out);
}

/* Class weights and smoothing don't tilt it: p Σ q − q sums to 0 as well. Each gradient is off by what storing it cost:
 * u of itself, or half the spacing of subnormals, which most gradients in f16 are once there are thousands of classes. */
static void zero_sum(trial *t, const harness_outputs *base) {
  for (size_t r = 0; r < t->s.rows; r++) {
    double sum = 0, stored = 0;
    for (size_t c = 0; c < t->s.classes; c++) {
      const double g = get(base, XENT_GRAD, r * t->s.classes + c);
      sum += g;
      stored += fmax(types[t->type].u * fabs(g), harness_half_ulp(base->dtype[XENT_GRAD], g));
    }
    near(t, "sum of a gradient's row", XENT_GRAD, r, sum, 0, apart(t, grad_size(t)) + stored);
  }
}

/* With class weights only the mean's divisor differs, so these run without the mean. */
static void one_hot(trial *t, const harness_outputs *base) {
  xent_shape s = t->s;
  s.targets_dtype = s.dtype;
  harness_outputs in = t->in;
  in.data[XENT_TARGETS] = NULL;
  room(&in, XENT_TARGETS, s.dtype, s.rows * s.classes);
  for (size_t r = 0; r < s.rows; r++)
    put(&in, XENT_TARGETS, r * s.classes + (size_t)get(&t->in, XENT_TARGETS, r), 1);
  harness_outputs out = fused(t, &s, &in);
  for (size_t r = 0; r < s.rows && out.data[XENT_GRAD]; r++) {
    near(t, "one probability of 1", XENT_ROW_LOSS, r, get(base, XENT_ROW_LOSS, r),
         get(&out, XENT_ROW_LOSS, r), apart(t, 16));
    for (size_t k = r * s.classes; k < (r + 1) * s.classes; k++)
      near(t, "one probability of 1", XENT_GRAD, k, get(base, XENT_GRAD, k), get(&out, XENT_GRAD, k),
           apart(t, grad_size(t)));
  }
  free(in.data[XENT_TARGETS]);
  harness_outputs_free(&out);
}

/* ---- a case ---- */

static xent_shape draw(size_t type, uint64_t *state) {
  static const size_t classes[] = {1, 2, 7, 15, 16, 33, 64, 100, 257, 1000, 2049, 4200}, pads[] = {0, 1, 5};
  static const float smoothings[] = {0, 0.1f, 0.5f};
  const size_t inner = harness_pick(state, 3) ? 1 : 1 + harness_pick(state, 20);
  xent_shape s = {.rows = inner * (1 + harness_pick(state, 1 + 30 / inner)),
                  .classes = classes[harness_pick(state, COUNT(classes))],
                  .inner = inner,
                  .dtype = types[type].dtype,
                  .with = XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT,
                  .upstream = XENT_UPSTREAM_ONE};
  s.options.reduction = harness_pick(state, 2) ? CLLOSS_SUM : CLLOSS_NONE;
  s.options.label_smoothing = (double)smoothings[harness_pick(state, COUNT(smoothings))];
  s.offset = harness_pick(state, 4);
  s.pad = pads[harness_pick(state, COUNT(pads))];
  s.row_pad = pads[harness_pick(state, COUNT(pads))];
  s.in_place = harness_pick(state, 2);
  return s;
}

static void point(harness *h, size_t device, const harness_plan *plan, size_t type) {
  uint64_t seed;
  clloss_ctx *ctx = harness_ctx(h, device, plan);
  if (!harness_next(h, &seed) || !ctx) return;
  uint64_t state = seed;
  trial t = {.h = h, .device = device, .type = type, .ctx = ctx, .s = draw(type, &state), .seed = seed};
  make_inputs(&t);
  harness_outputs base = fused(&t, &t.s, &t.in);
  /* without outputs the harness has said why */
  if (base.data[XENT_GRAD] && base.data[XENT_ROW_LOSS]) {
    shift(&t, &base);
    permutation(&t, &base);
    zero_sum(&t, &base);
    one_hot(&t, &base);
  }
  harness_outputs forward;
  harness_check(&h->devices[device], ctx, &xent_forward_case, &t.s, seed, &t.in, &forward, &t.result);
  harness_report(h, &xent_fused_case, &t.s, plan, &t.result);
  harness_outputs_free(&forward);
  harness_outputs_free(&base);
  harness_outputs_free(&t.in);
}

int main(int argc, char **argv) {
  enum { OF_F32 = 40, OF_OTHERS = 25 };
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  for (size_t device = 0; device < h.n_devices; device++) {
    for (size_t plan = 0; plan < COUNT(plans); plan++)
      for (int i = 0; i < OF_F32; i++) point(&h, device, &plans[plan], 0);
    for (size_t type = 1; type < COUNT(types); type++)
      for (int i = 0; i < OF_OTHERS; i++) point(&h, device, &plans[0], type);
  }
  return harness_close(&h);
}
