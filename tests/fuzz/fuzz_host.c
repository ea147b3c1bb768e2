/* Random calls of clloss_xent_host: any subset of the outputs, parts of any size, bit for bit what one call on the whole
 * gives. And one call of more classes than an f32 can number, whose results are known without a reference. */
#include "fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ctx.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- arrays in host memory ---- */

enum { INPUTS = 5, OUTPUTS = 9 };
static const int inputs[INPUTS] = {XENT_LOGITS, XENT_TARGETS, XENT_CLASS_WEIGHT, XENT_ROW_WEIGHT,
                                   XENT_GRAD_LOSS},
                 outputs[OUTPUTS] = {XENT_LOSS,   XENT_ROW_LOSS,  XENT_ROW_STATS,  XENT_GRAD,   XENT_METRICS,
                                     XENT_COUNTS, XENT_PREDICTED, XENT_CONFIDENCE, XENT_ENTROPY};
static const char *const names[OUTPUTS] = {"loss",   "row_loss",  "row_stats",  "grad",   "metrics",
                                           "counts", "predicted", "confidence", "entropy"};

/* What a call reads and writes, by the number of the array; NULL where it is left out. */
typedef struct arrays {
  void *of[HARNESS_ARRAYS];
  uint32_t dtype[HARNESS_ARRAYS];
  size_t count[HARNESS_ARRAYS];
} arrays;

static size_t bytes_of(const arrays *a, int i) { return a->count[i] * harness_bytes(a->dtype[i]); }

static void describe_arrays(const xent_shape *s, arrays *a) {
  const uint32_t real = xent_dtype(s) == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32;
  const size_t n = s->rows, all = n * s->classes;
  for (int i = 0; i < HARNESS_ARRAYS; i++) a->dtype[i] = real, a->count[i] = n;
  a->dtype[XENT_LOGITS] = xent_dtype(s), a->count[XENT_LOGITS] = all;
  a->dtype[XENT_TARGETS] = xent_targets_dtype(s),
  a->count[XENT_TARGETS] = xent_has_probabilities(s) ? all : n;
  a->count[XENT_CLASS_WEIGHT] = s->classes;
  a->count[XENT_GRAD_LOSS] = s->options.reduction == CLLOSS_NONE ? n : 1;
  a->count[XENT_LOSS] = 1;
  a->count[XENT_ROW_STATS] = 2 * n;
  a->dtype[XENT_GRAD] = xent_grad_dtype(s), a->count[XENT_GRAD] = all;
  a->count[XENT_METRICS] = CLLOSS_METRICS;
  a->dtype[XENT_COUNTS] = CLLOSS_I64, a->count[XENT_COUNTS] = CLLOSS_COUNTS;
  a->dtype[XENT_PREDICTED] = CLLOSS_I32;
}

/* From rows one after the other to [outer][classes][inner]. */
static void lay_out(const xent_shape *s, const arrays *a, int i) {
  const size_t inner = s->inner ? s->inner : 1, size = harness_bytes(a->dtype[i]), n = s->classes;
  if (inner == 1 || !a->of[i] || a->count[i] != s->rows * n) return;
  char *packed = malloc(bytes_of(a, i) + 1), *to = a->of[i];
  if (!packed) abort();
  memcpy(packed, to, bytes_of(a, i));
  for (size_t r = 0; r < s->rows; r++)
    for (size_t c = 0; c < n; c++)
      memcpy(to + (r / inner * n * inner + c * inner + r % inner) * size, packed + (r * n + c) * size, size);
  free(packed);
}

static void make_room(arrays *a, int i) {
  a->of[i] = malloc(bytes_of(a, i) + 8);
  if (!a->of[i]) abort();
  memset(a->of[i], 0xa5, bytes_of(a, i) + 8);
}

static arrays make_inputs(const xent_shape *s, uint64_t seed) {
  arrays a = {{0}, {0}, {0}};
  harness_data d = {{0}, {0}, {0}, NULL};
  describe_arrays(s, &a);
  make_room(&a, XENT_LOGITS);
  make_room(&a, XENT_TARGETS);
  if (s->with & XENT_WITH_CLASS_WEIGHT) make_room(&a, XENT_CLASS_WEIGHT);
  if (s->with & XENT_WITH_ROW_WEIGHT) make_room(&a, XENT_ROW_WEIGHT);
  if (s->upstream != XENT_UPSTREAM_NONE) make_room(&a, XENT_GRAD_LOSS);
  memcpy(d.data, a.of, sizeof a.of);
  if (xent_fill(s, seed, &d) != CLLOSS_SUCCESS) abort();
  lay_out(s, &a, XENT_LOGITS);
  lay_out(s, &a, XENT_TARGETS);
  return a;
}

static void free_arrays(arrays *a) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) free(a->of[i]);
}

/* ---- the two calls ---- */

static clloss_view buffer(const harness_device *device, const arrays *a, int i) {
  clloss_view view = {.dtype = a->dtype[i]};
  /* without rows too an array that is asked for is bound: make_room gives each 8 bytes more */
  const size_t bytes = bytes_of(a, i) ? bytes_of(a, i) : 8;
  if (!a->of[i]) return (clloss_view){0};
  view.mem = clCreateBuffer(device->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, a->of[i], NULL);
  return view;
}

static clloss_status whole(const harness_device *device, clloss_ctx *ctx, const xent_shape *s,
                           const clloss_xent_options *o, const arrays *in, const arrays *out) {
  clloss_xent x = {.struct_size = sizeof x, .rows = s->rows, .classes = s->classes, .inner = s->inner};
  clloss_view *const to_in[INPUTS] = {&x.logits, &x.targets, &x.class_weight, &x.row_weight, &x.grad_loss},
                     *const to_out[OUTPUTS] = {&x.loss,   &x.row_loss,  &x.row_stats,  &x.grad,   &x.metrics,
                                               &x.counts, &x.predicted, &x.confidence, &x.entropy};
  for (int i = 0; i < INPUTS; i++) *to_in[i] = buffer(device, in, inputs[i]);
  for (int i = 0; i < OUTPUTS; i++) *to_out[i] = buffer(device, out, outputs[i]);
  clloss_status status = x.grad.mem ? clloss_xent_fused(ctx, &x, o, device->queue, 0, NULL, NULL)
                                    : clloss_xent_forward(ctx, &x, o, device->queue, 0, NULL, NULL);
  for (int i = 0; i < OUTPUTS && status == CLLOSS_SUCCESS; i++)
    if (to_out[i]->mem && bytes_of(out, outputs[i]))
      status = clEnqueueReadBuffer(device->queue, to_out[i]->mem, CL_TRUE, 0, bytes_of(out, outputs[i]),
                                   out->of[outputs[i]], 0, NULL, NULL);
  clFinish(device->queue);
  for (int i = 0; i < INPUTS; i++)
    if (to_in[i]->mem) clReleaseMemObject(to_in[i]->mem);
  for (int i = 0; i < OUTPUTS; i++)
    if (to_out[i]->mem) clReleaseMemObject(to_out[i]->mem);
  return status;
}

/* copies: as on a device that doesn't share the host's memory, where each part begins a buffer of its own. */
static clloss_status in_parts(clloss_ctx *ctx, const xent_shape *s, const clloss_xent_options *o,
                              const arrays *in, const arrays *out, size_t part_bytes, bool copies) {
  bool *const shares = &ctx->planner.facts.shares_memory;
  const bool shared = *shares;
  const clloss_xent_arrays a = {.struct_size = sizeof a,
                                .rows = s->rows,
                                .classes = s->classes,
                                .inner = s->inner,
                                .logits_dtype = in->dtype[XENT_LOGITS],
                                .targets_dtype = in->dtype[XENT_TARGETS],
                                .grad_dtype = in->dtype[XENT_GRAD],
                                .logits = in->of[XENT_LOGITS],
                                .targets = in->of[XENT_TARGETS],
                                .class_weight = in->of[XENT_CLASS_WEIGHT],
                                .row_weight = in->of[XENT_ROW_WEIGHT],
                                .grad_loss = in->of[XENT_GRAD_LOSS],
                                .loss = out->of[XENT_LOSS],
                                .row_loss = out->of[XENT_ROW_LOSS],
                                .row_stats = out->of[XENT_ROW_STATS],
                                .grad = out->of[XENT_GRAD],
                                .metrics = out->of[XENT_METRICS],
                                .predicted = out->of[XENT_PREDICTED],
                                .confidence = out->of[XENT_CONFIDENCE],
                                .entropy = out->of[XENT_ENTROPY],
                                .counts = out->of[XENT_COUNTS],
                                .part_bytes = part_bytes};
  *shares = shared && !copies;
  const clloss_status status = clloss_xent_host(ctx, &a, o);
  *shares = shared;
  return status;
}

/* ---- a call ---- */

/* Any subset that isn't empty, of what the call may write. */
static uint32_t draw_outputs(const xent_shape *s, uint64_t *state) {
  const bool nll = (s->options.flags & CLLOSS_LOG_PROBABILITIES) != 0;
  uint32_t which = 0;
  while (!which) {
    which = (uint32_t)harness_random(state) & ((1u << OUTPUTS) - 1);
    if (fuzz_one_in(state, 2)) which &= (uint32_t)harness_random(state);
    for (int i = 0; i < OUTPUTS; i++) {
      const bool of_softmax = outputs[i] == XENT_ROW_STATS || outputs[i] >= XENT_PREDICTED;
      if ((nll && of_softmax) || (outputs[i] == XENT_LOSS && s->options.reduction == CLLOSS_NONE))
        which &= ~(1u << i);
    }
  }
  return which;
}

static void complain(fuzz *f, const fuzz_setting *setting, const xent_shape *s, uint32_t which,
                     size_t part_bytes, const char *what) {
  char words[900], asked[200] = "";
  xent_forward_case.describe(&xent_forward_case, s, words, sizeof words);
  for (int i = 0; i < OUTPUTS; i++)
    if (which >> i & 1) strcat(strcat(asked, " "), names[i]);
  const size_t at = strlen(words);
  snprintf(words + at, sizeof words - at, "; by clloss_xent_host, part_bytes %zu, asked for%s", part_bytes,
           asked);
  fuzz_fail(f, setting, words, what);
}

static void compare(fuzz *f, const fuzz_setting *setting, const xent_shape *s, uint32_t which,
                    size_t part_bytes, const arrays *one, const arrays *parts) {
  for (int i = 0; i < OUTPUTS; i++) {
    const int at = outputs[i];
    const size_t size = harness_bytes(one->dtype[at]);
    const char *a = one->of[at], *b = parts->of[at];
    size_t k = 0, n = 0, first = 0;
    char what[200];
    for (; a && k < one->count[at]; k++)
      if (memcmp(a + k * size, b + k * size, size) != 0 && n++ == 0) first = k;
    if (!n) continue;
    snprintf(what, sizeof what, "%zu of %zu values of %s differ, first [%zu]: %.9g, of the whole %.9g", n,
             one->count[at], names[i], first, harness_get(one->dtype[at], b, first),
             harness_get(one->dtype[at], a, first));
    complain(f, setting, s, which, part_bytes, what);
    return;
  }
}

static void run_host(fuzz *f, const fuzz_setting *setting, const xent_shape *s, uint64_t *state) {
  clloss_ctx *ctx = fuzz_ctx(f, setting);
  const uint32_t which = draw_outputs(s, state);
  xent_shape shape = *s;
  /* the upstream gradient is one value or one of each row, and goes with a gradient */
  shape.upstream = !(which & 1u << 3) || fuzz_one_in(state, 3) ? XENT_UPSTREAM_NONE
                   : s->options.reduction == CLLOSS_NONE       ? XENT_UPSTREAM_ROWS
                                                               : XENT_UPSTREAM_ONE;
  arrays in = make_inputs(&shape, harness_random(state)), one = in, parts = in;
  memset(one.of, 0, sizeof one.of), memset(parts.of, 0, sizeof parts.of);
  for (int i = 0; i < OUTPUTS; i++)
    if (which >> i & 1) make_room(&one, outputs[i]), make_room(&parts, outputs[i]);
  const clloss_xent_options o = xent_options_of(s);
  const size_t part_bytes = fuzz_size(state, 1, bytes_of(&in, XENT_LOGITS) + 1);
  const bool copies = fuzz_one_in(state, 2);
  const clloss_status first = ctx ? whole(&f->h.devices[0], ctx, &shape, &o, &in, &one) : CLLOSS_SUCCESS;
  if (first != CLLOSS_SUCCESS) complain(f, setting, &shape, which, 0, clloss_ctx_message(ctx));
  const clloss_status second = ctx ? in_parts(ctx, &shape, &o, &in, &parts, part_bytes, copies)
                                   : CLLOSS_SUCCESS;
  if (second != CLLOSS_SUCCESS) complain(f, setting, &shape, which, part_bytes, clloss_ctx_message(ctx));
  if (ctx && !first && !second) compare(f, setting, &shape, which, part_bytes, &one, &parts);
  free_arrays(&in), free_arrays(&one), free_arrays(&parts);
}

void fuzz_xent_host(fuzz *f, uint64_t *state) {
  xent_shape s;
  const fuzz_setting setting = fuzz_draw_xent(f, &s, state);
  if (fuzz_one_in(state, 2)) { /* what has kernels of its own in many a plan */
    s.classes = fuzz_size(state, 17, 400);
    s.inner = 1;
    s.rows = fuzz_size(state, 1, 1 + 200000 / s.classes);
    s.options.ignore_index %= (int64_t)s.classes;
  }
  s.with &= XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT;
  s.options.grad_beta = 0; /* host arrays hold no gradient to add to */
  s.in_place = s.workspace = false;
  s.offset = s.pad = s.class_pad = s.row_pad = 0;
  run_host(f, &setting, &s, state);
}

/* ---- more classes than 2^24 ---- */

/* Two rows side by side, 0 throughout but for the target, the greatest: of an odd number beyond 2^24, which is none in f32. */
void fuzz_many_classes(fuzz *f, uint64_t *state) {
  enum { INNER = 2 };
  const fuzz_setting setting = {.plan = {0}};
  const size_t classes = ((size_t)1 << 24) + 64 + harness_pick(state, 1000), n = INNER * classes;
  const harness_device *device = &f->h.devices[0];
  clloss_ctx *ctx = fuzz_ctx(f, &setting);
  float *x = calloc(n, sizeof *x), confidence[INNER];
  int32_t targets[INNER], predicted[INNER] = {-7, -7};
  int64_t counts[CLLOSS_COUNTS];
  arrays in = {{0}, {0}, {0}}, out;
  xent_shape s = {.rows = INNER, .classes = classes, .inner = INNER};
  clloss_xent_options o = {.struct_size = sizeof o};
  char what[200];
  if (!x || !ctx) return;
  for (int i = 0; i < INNER; i++) {
    targets[i] = (int32_t)(classes - 1 - 2 * harness_pick(state, 30) - classes % 2);
    x[(size_t)targets[i] * INNER + (size_t)i] = 5;
  }
  describe_arrays(&s, &in);
  out = in;
  in.of[XENT_LOGITS] = x, in.of[XENT_TARGETS] = targets;
  out.of[XENT_PREDICTED] = predicted, out.of[XENT_CONFIDENCE] = confidence, out.of[XENT_COUNTS] = counts;
  const clloss_status status = whole(device, ctx, &s, &o, &in, &out);
  const double p = exp(5) / (exp(5) + (double)classes - 1);
  for (int i = 0; i < INNER; i++) {
    /* 300 roundings of 2^-24, where sums are cut into pieces */
    const bool right = status == CLLOSS_SUCCESS && predicted[i] == targets[i] &&
                       fabs((double)confidence[i] / p - 1) < 300 * 0x1p-24 &&
                       counts[CLLOSS_COUNT_TOP1] == INNER;
    snprintf(what, sizeof what, "%s: predicted %d, should be %d; confidence %.9g, should be %.9g; top1 %lld",
             clloss_status_name(status), predicted[i], targets[i], (double)confidence[i], p,
             (long long)counts[CLLOSS_COUNT_TOP1]);
    if (!right) complain(f, &setting, &s, 1u << 6 | 1u << 7 | 1u << 5, 0, what);
  }
  free(x);
}
