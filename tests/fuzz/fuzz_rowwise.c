/* Random calls of softmax, distillation, and surprisal and entropy. */
#include "fuzz.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- what they share ---- */

/* Most are small; a long axis in the middle, or long rows, one in ten. */
static case_layout draw_layout(uint64_t *state) {
  case_layout l = {.inner = 1};
  if (fuzz_one_in(state, 10)) {
    l.inner = harness_pick(state, 2) ? fuzz_size(state, 1, 20) : 1;
    l.classes = fuzz_size(state, 5000, 1000000 / l.inner);
    l.rows = l.inner;
  } else {
    l.classes = fuzz_size(state, 1, fuzz_one_in(state, 3) ? 5000 : 200);
    if (fuzz_one_in(state, 3)) l.inner = fuzz_size(state, 1, 70);
    l.rows = l.inner * fuzz_size(state, 1, 1 + 20000 / (l.inner * l.classes));
    if (fuzz_one_in(state, 30)) l.rows = 0;
  }
  l.offset = harness_pick(state, 2) ? harness_pick(state, 20) : 0;
  l.pad = harness_pick(state, 2) ? fuzz_size(state, 1, 40) : 0;
  l.row_pad = harness_pick(state, 2) ? harness_pick(state, 4) : 0;
  if (fuzz_one_in(state, 5)) l.class_pad = harness_pick(state, 4);
  return l;
}

static fuzz_setting draw_setting(fuzz *f, const uint32_t *local_sizes, uint64_t *state) {
  static const uint32_t sizes[] = {1, 1, 2, 3, 7, 8, 60, 64, 256, 0};
  return fuzz_draw_setting(f, f->all_types ? sizes : local_sizes, state);
}

static const uint32_t reals[] = {CLLOSS_F32, CLLOSS_F64, CLLOSS_F16, CLLOSS_BF16};

static uint32_t draw_real(const fuzz *f, uint64_t *state) {
  uint32_t dtype;
  do dtype = reals[harness_pick(state, COUNT(reals))];
  while (dtype == CLLOSS_F64 && !fuzz_has_f64(f));
  return dtype;
}

static uint32_t arithmetic(uint32_t dtype) { return dtype == CLLOSS_F64 ? CLLOSS_F64 : CLLOSS_F32; }

/* ---- softmax ---- */

/* What test_softmax compiles: read, written, local sizes; the last two go backward only. */
static const struct {
  uint32_t read, write, local_sizes[4];
} softmax_builds[] = {
    {CLLOSS_F32, CLLOSS_F32, {1, 1, 64, 7}}, {CLLOSS_F32, CLLOSS_F32, {1}},
    {CLLOSS_F64, CLLOSS_F64, {1, 64}},       {CLLOSS_F16, CLLOSS_F16, {1, 64}},
    {CLLOSS_BF16, CLLOSS_BF16, {1, 64}},     {CLLOSS_F16, CLLOSS_F32, {1}},
    {CLLOSS_BF16, CLLOSS_F32, {64}},         {CLLOSS_F32, CLLOSS_F16, {1}},
    {CLLOSS_F32, CLLOSS_BF16, {64}},
};

fuzz_setting fuzz_draw_softmax(fuzz *f, softmax_shape *s, uint64_t *state) {
  const case_layout l = draw_layout(state);
  size_t build = harness_pick(state, COUNT(softmax_builds));
  if (softmax_builds[build].read == CLLOSS_F64 && !fuzz_has_f64(f)) build = 0;
  *s = (softmax_shape){.layout = l,
                       .read = softmax_builds[build].read,
                       .write = softmax_builds[build].write,
                       .is_log = harness_pick(state, 2),
                       .fill = (enum softmax_fill)harness_pick(state, SOFTMAX_FILLS)};
  const fuzz_setting setting = draw_setting(f, softmax_builds[build].local_sizes, state);
  if (f->all_types) {
    s->read = draw_real(f, state);
    s->write = harness_pick(state, 2) ? s->read : arithmetic(s->read);
  }
  s->scale = harness_pick(state, 2) ? 0 : FUZZ_NUMBER(state, 0.125, -1.5, 2);
  s->in_place = s->read == s->write && harness_pick(state, 2);
  return setting;
}

bool fuzz_goes_backward(const softmax_shape *s, uint64_t *state) {
  return harness_bytes(s->write) < harness_bytes(s->read) || harness_pick(state, 2);
}

void fuzz_softmax(fuzz *f, uint64_t *state) {
  softmax_shape s;
  const fuzz_setting setting = fuzz_draw_softmax(f, &s, state);
  const bool back = fuzz_goes_backward(&s, state);
  fuzz_check(f, &setting, NULL, back ? &softmax_backward_case : &softmax_forward_case, &s, state);
}

/* ---- distillation ---- */

/* What test_distill compiles: student, teacher, gradient, local sizes. */
static const struct {
  uint32_t dtype, teacher_dtype, grad_dtype, local_sizes[6];
} distill_builds[] = {
    {CLLOSS_F32, CLLOSS_F32, CLLOSS_F32, {1, 1, 2, 7, 64, 256}},
    {CLLOSS_F32, CLLOSS_F32, CLLOSS_F32, {1}},
    {CLLOSS_F64, CLLOSS_F64, CLLOSS_F64, {1}},
    {CLLOSS_F16, CLLOSS_F16, CLLOSS_F16, {1}},
    {CLLOSS_BF16, CLLOSS_F32, CLLOSS_BF16, {1}},
};

static void draw_distill_options(distill_shape *s, uint64_t *state) {
  s->options.reduction = (uint32_t)harness_pick(state, 3);
  s->options.flags = harness_pick(state, 2) ? CLLOSS_TEMPERATURE_SQUARED : 0;
  s->options.temperature = FUZZ_NUMBER(state, 0, 1, 0.75, 2, 20);
  s->upstream = (enum distill_upstream)harness_pick(state, s->options.reduction == CLLOSS_NONE ? 3 : 2);
  s->with = (uint32_t)harness_pick(state, 3);
  if (s->options.reduction == CLLOSS_MEAN && fuzz_one_in(state, 3)) {
    if (harness_pick(state, 2))
      s->with |= DISTILL_WITH_DIVISOR;
    else
      s->options.divisor = 13.5;
  }
  s->without = (uint32_t)harness_pick(state, 8);
  s->in_place = s->grad_dtype == s->dtype && harness_pick(state, 2);
  s->workspace = harness_pick(state, 2);
  /* its header says that strides and types count */
  s->blind = s->workspace && s->dtype == CLLOSS_F32 && !s->class_pad && harness_pick(state, 2);
}

fuzz_setting fuzz_draw_distill(fuzz *f, distill_shape *s, uint64_t *state) {
  const case_layout l = draw_layout(state);
  size_t build = harness_pick(state, COUNT(distill_builds));
  if (distill_builds[build].dtype == CLLOSS_F64 && !fuzz_has_f64(f)) build = 0;
  *s = (distill_shape){.layout = l,
                       .dtype = distill_builds[build].dtype,
                       .teacher_dtype = distill_builds[build].teacher_dtype,
                       .grad_dtype = distill_builds[build].grad_dtype,
                       .fill = (enum distill_fill)harness_pick(state, DISTILL_FILLS)};
  const fuzz_setting setting = draw_setting(f, distill_builds[build].local_sizes, state);
  if (f->all_types) {
    s->dtype = draw_real(f, state);
    s->teacher_dtype = harness_pick(state, 2) ? s->dtype : arithmetic(s->dtype);
    s->grad_dtype = harness_pick(state, 2) ? s->dtype : arithmetic(s->dtype);
  }
  draw_distill_options(s, state);
  return setting;
}

void fuzz_distill(fuzz *f, uint64_t *state) {
  distill_shape s;
  const fuzz_setting setting = fuzz_draw_distill(f, &s, state);
  fuzz_check(f, &setting, &distill_passes, NULL, &s, state);
}

/* ---- surprisal and entropy ---- */

fuzz_setting fuzz_draw_information(fuzz *f, information_shape *s, uint64_t *state) {
  static const uint32_t flags[] = {0, CLLOSS_FROM_PROBABILITIES, CLLOSS_FROM_LOG_PROBABILITIES};
  /* what test_information compiles */
  static const uint32_t lane[] = {1, 0}, any[] = {1, 1, 7, 64, 0},
                        types[] = {CLLOSS_F32, CLLOSS_F32, CLLOSS_BF16, CLLOSS_F64};
  const case_layout l = draw_layout(state);
  *s = (information_shape){.layout = l,
                           .dtype = types[harness_pick(state, fuzz_has_f64(f) ? 4 : 3)],
                           .targets_dtype = case_draw_label_type(false, state),
                           .flags = flags[harness_pick(state, COUNT(flags))],
                           .without = (uint32_t)harness_pick(state, 3),
                           .fill = (enum information_fill)harness_pick(state, INFORMATION_FILLS)};
  const fuzz_setting setting = draw_setting(f, s->dtype == CLLOSS_F32 ? any : lane, state);
  if (f->all_types) s->dtype = draw_real(f, state);
  return setting;
}

void fuzz_information(fuzz *f, uint64_t *state) {
  information_shape s;
  const fuzz_setting setting = fuzz_draw_information(f, &s, state);
  fuzz_check(f, &setting, NULL, &information_case, &s, state);
}
