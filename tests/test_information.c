/* Surprisal and entropy on every device: each kernel family against the reference, every refusal, and the identity that
 * ties three losses together: cross-entropy = entropy + divergence. */
#include "case_information.h"
#include "check.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const harness_plan plans[] = {
    {0}, {CLLOSS_FAMILY_LANE, 0, 5, 0}, {CLLOSS_FAMILY_SPLIT, 64, 0, 3}, {CLLOSS_FAMILY_GROUP, 7, 3, 0}};

/* Around each boundary of the kernels: vectors of 4 and 16, blocks of 2048, more than 64 blocks. */
static const size_t sizes[][2] = {
    {1, 1},   {17, 1},  {3, 2},     {100, 7},  {257, 10}, {64, 15},  {5, 16},    {37, 17},    {2, 63},
    {4, 100}, {3, 257}, {17, 1000}, {2, 2049}, {5, 4097}, {3, 8192}, {1, 32768}, {1, 140001}, {0, 5},
};

static information_shape draw(size_t rows, size_t classes, uint32_t dtype, uint64_t *state) {
  static const size_t offsets[] = {0, 0, 1, 3, 16}, pads[] = {0, 0, 1, 5, 16}, inners[] = {0, 1, 3, 16, 37};
  static const uint32_t flags[] = {0, CLLOSS_FROM_PROBABILITIES, CLLOSS_FROM_LOG_PROBABILITIES};
  information_shape s = {.rows = rows, .classes = classes, .dtype = dtype};
  s.targets_dtype = harness_pick(state, 2) ? CLLOSS_I64 : CLLOSS_I32;
  s.flags = flags[harness_pick(state, 3)];
  s.without = (uint32_t)harness_pick(state, 3);
  s.fill = (enum information_fill)harness_pick(state, INFORMATION_FILLS);
  s.offset = offsets[harness_pick(state, COUNT(offsets))];
  s.pad = pads[harness_pick(state, COUNT(pads))];
  s.row_pad = pads[harness_pick(state, 4)];
  if (harness_pick(state, 4) == 0 && classes < 5000) s.class_pad = pads[harness_pick(state, COUNT(pads))];
  if (harness_pick(state, 3) == 0 && classes < 5000) s.inner = inners[harness_pick(state, COUNT(inners))];
  s.rows *= s.inner ? s.inner : 1;
  return s;
}

static void point(harness *h, size_t device, const harness_plan *plan, const information_shape *s) {
  clloss_ctx *ctx = harness_ctx(h, device, plan);
  harness_result result = {0};
  uint64_t seed;
  if (!harness_next_of(h, plan, harness_ideal_bytes(&information_case, s), &seed) || !ctx) return;
  harness_check(&h->devices[device], ctx, &information_case, s, seed, NULL, NULL, &result);
  harness_report(h, &information_case, s, plan, &result);
}

/* Three draws for each size, plan and type; f32 meets every plan, the others the first. */
static void sweep(harness *h, uint64_t *state) {
  static const uint32_t types[] = {CLLOSS_F32, CLLOSS_BF16, CLLOSS_F64};
  for (size_t device = 0; device < h->n_devices; device++) {
    cl_device_fp_config doubles = 0;
    clGetDeviceInfo(h->devices[device].device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles, NULL);
    for (size_t type = 0; type < (doubles ? 3 : 2); type++)
      for (size_t plan = 0; plan < (type ? 1 : COUNT(plans)); plan++)
        for (size_t size = 0; size < 3 * COUNT(sizes); size++) {
          const information_shape s = draw(sizes[size / 3][0], sizes[size / 3][1], types[type], state);
          point(h, device, &plans[plan], &s);
        }
  }
}

/* ---- cross-entropy = entropy + divergence ---- */

enum { ROWS = 20, CLASSES = 50, N = ROWS * CLASSES };

typedef struct {
  clloss_ctx *ctx;
  cl_command_queue queue;
  float p[N], log_p[N], x[N], cross[ROWS], entropy[ROWS], divergence[ROWS];
  double most; /* largest |log p|, and of the softmax of x */
} identity;

static void draw_identity(identity *i, uint64_t *state) {
  i->most = 0;
  for (size_t r = 0; r < ROWS; r++) {
    double e[CLASSES], sum = 0, of_x = 0;
    for (size_t c = 0; c < CLASSES; c++) {
      sum += e[c] = exp(8 * harness_uniform(state));
      i->x[r * CLASSES + c] = (float)(10 * harness_uniform(state) - 5);
      of_x += exp((double)i->x[r * CLASSES + c]);
    }
    for (size_t c = 0; c < CLASSES; c++) {
      const size_t k = r * CLASSES + c;
      i->p[k] = (float)(e[c] / sum);
      i->log_p[k] = logf(i->p[k]);
      i->most = fmax(i->most, fmax(fabs((double)i->log_p[k]), fabs((double)i->x[k] - log(of_x))));
    }
  }
}

static clloss_view upload(identity *i, clloss_tensor **t, const float *from, size_t rows, size_t columns) {
  CHECK_STATUS(clloss_tensor_create(t, i->ctx, CLLOSS_F32, rows, columns), CLLOSS_SUCCESS);
  if (from) CHECK_STATUS(clloss_tensor_upload(*t, from, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  return clloss_tensor_view(*t);
}

/* The three results of the device. */
static void run_identity(identity *i) {
  clloss_tensor *t[6] = {0};
  const clloss_view p = upload(i, &t[0], i->p, ROWS, CLASSES),
                    log_p = upload(i, &t[1], i->log_p, ROWS, CLASSES);
  const clloss_view x = upload(i, &t[2], i->x, ROWS, CLASSES);
  const clloss_xent xent = {.struct_size = sizeof xent,
                            .rows = ROWS,
                            .classes = CLASSES,
                            .logits = x,
                            .targets = p,
                            .row_loss = upload(i, &t[3], NULL, ROWS, 1)};
  const clloss_information information = {.struct_size = sizeof information,
                                          .rows = ROWS,
                                          .classes = CLASSES,
                                          .input = p,
                                          .entropy = upload(i, &t[4], NULL, ROWS, 1)};
  const clloss_distill distill = {.struct_size = sizeof distill,
                                  .rows = ROWS,
                                  .classes = CLASSES,
                                  .student = x,
                                  .teacher = log_p,
                                  .row_loss = upload(i, &t[5], NULL, ROWS, 1)};
  const clloss_information_options of_p = {.struct_size = sizeof of_p, .flags = CLLOSS_FROM_PROBABILITIES};
  CHECK_STATUS(clloss_xent_forward(i->ctx, &xent, NULL, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_information_forward(i->ctx, &information, &of_p, i->queue, 0, NULL, NULL),
               CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_distill_forward(i->ctx, &distill, NULL, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t[3], i->cross, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t[4], i->entropy, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t[5], i->divergence, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (size_t k = 0; k < COUNT(t); k++) clloss_tensor_destroy(&t[k]);
}

/* With M the largest |log p| and |log q|, each of the three is a sum of classes' p times at most 2 M: CLASSES additions, and
 * fewer than 40 + 2 M roundings of a term (exps of differences up to M). What the divergence sees, softmax(log p), is p
 * off by 2 M u for each logarithm, twice, and by CLASSES u because p adds up to 1 only so far. */
static void check_identity(harness *h, uint64_t *state) {
  identity *i = calloc(1, sizeof *i);
  for (size_t device = 0; i && device < h->n_devices; device++) {
    i->ctx = harness_ctx(h, device, &plans[0]);
    i->queue = h->devices[device].queue;
    draw_identity(i, state);
    if (i->ctx) run_identity(i);
    const double m = i->most,
                 roundings = 3 * (CLASSES + 40 + 2 * m) * 2 * m + (4 * m + CLASSES) * (2 * m + 1);
    for (size_t r = 0; i->ctx && r < ROWS; r++) {
      const double sum = (double)i->entropy[r] + (double)i->divergence[r];
      const double off = fabs((double)i->cross[r] - sum);
      CHECK(i->entropy[r] > 0 && i->divergence[r] > 0);
      CHECK(off <= 0x1p-24 * roundings);
      if (!(off <= 0x1p-24 * roundings))
        fprintf(stderr, "row %zu: cross-entropy %.9g, entropy + divergence %.9g\n", r, (double)i->cross[r],
                sum);
    }
  }
  CHECK(i != NULL);
  free(i);
}

/* ---- refusals ---- */

typedef struct {
  const harness_device *device;
  clloss_ctx *ctx;
  cl_mem mem[4];
} bench;

static clloss_view view(cl_mem mem, uint32_t dtype) { return (clloss_view){.mem = mem, .dtype = dtype}; }

static void refused(const bench *b, const clloss_information *x, const clloss_information_options *o,
                    clloss_status expected, const char *names, int line) {
  clloss_ctx_stats before = {.struct_size = sizeof before}, after = before;
  const int failures = check_failures;
  cl_event done = NULL;
  clloss_ctx_get_stats(b->ctx, &before);
  CHECK_STATUS(clloss_information_forward(b->ctx, x, o, b->device->queue, 0, NULL, &done), expected);
  CHECK(strstr(clloss_ctx_message(b->ctx), names));
  CHECK(!done);
  clloss_ctx_get_stats(b->ctx, &after);
  CHECK_EQ(after.kernels_enqueued, before.kernels_enqueued);
  if (check_failures != failures)
    fprintf(stderr, "  in the refusal of line %d: %s\n", line, clloss_ctx_message(b->ctx));
}

/* The call that is good but for `change`, which speaks of x and o. */
#define REFUSED(expected, names, change)                                                \
  do {                                                                                  \
    clloss_information x = {.struct_size = sizeof x, .rows = 6, .classes = 5};          \
    clloss_information_options o = {.struct_size = sizeof o};                           \
    x.input = view(b->mem[0], CLLOSS_F32), x.targets = view(b->mem[1], CLLOSS_I32);     \
    x.surprisal = view(b->mem[2], CLLOSS_F32), x.entropy = view(b->mem[3], CLLOSS_F32); \
    change;                                                                             \
    refused(b, &x, &o, expected, names, __LINE__);                                      \
  } while (0)

static void refusals(const bench *b) {
  const clloss_information none = {.struct_size = sizeof none, .classes = 5};
  cl_event done = NULL;
  CHECK_STATUS(clloss_information_forward(NULL, &none, NULL, b->device->queue, 0, NULL, NULL),
               CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_information_forward(b->ctx, NULL, NULL, b->device->queue, 0, NULL, NULL),
               CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_information_forward(b->ctx, &none, NULL, NULL, 0, NULL, NULL), CLLOSS_NULL_ARGUMENT);
  CHECK_STATUS(clloss_information_forward(b->ctx, &none, NULL, b->device->queue, 0, NULL, &done),
               CLLOSS_SUCCESS);
  CHECK(done && clWaitForEvents(1, &done) == CL_SUCCESS);
  if (done) clReleaseEvent(done);
  REFUSED(CLLOSS_STRUCT_SIZE, "information", x.struct_size = 3);
  REFUSED(CLLOSS_STRUCT_SIZE, "options", o.struct_size = 3);
  REFUSED(CLLOSS_SIZE, "classes", x.classes = 0);
  REFUSED(CLLOSS_SIZE, "inner", x.inner = 4);
  REFUSED(CLLOSS_OPTION, "flags", o.flags = 1u << 9);
  REFUSED(CLLOSS_OPTION, "at once", o.flags = CLLOSS_FROM_PROBABILITIES | CLLOSS_FROM_LOG_PROBABILITIES);
  REFUSED(CLLOSS_OPTION, "reserved", o.reserved = 1);
  REFUSED(CLLOSS_MISSING_VIEW, "information.input", x.input.mem = NULL);
  REFUSED(CLLOSS_MISSING_VIEW, "information.targets", x.targets.mem = NULL);
  REFUSED(CLLOSS_MISSING_VIEW, "no output", x.targets.mem = x.surprisal.mem = x.entropy.mem = NULL);
  REFUSED(CLLOSS_UNUSED_VIEW, "information.targets", x.surprisal.mem = NULL);
  REFUSED(CLLOSS_DTYPE, "information.input", x.input.dtype = CLLOSS_I32);
  REFUSED(CLLOSS_DTYPE, "information.targets", x.targets.dtype = CLLOSS_U8);
  REFUSED(CLLOSS_DTYPE, "information.entropy", x.entropy.dtype = CLLOSS_F16);
  REFUSED(CLLOSS_STRIDE, "information.input", x.input.row_stride = 4);
  REFUSED(CLLOSS_BUFFER_SIZE, "information.surprisal", x.surprisal.offset = 100);
  REFUSED(CLLOSS_OVERLAP, "information.surprisal", x.surprisal.mem = x.input.mem);
}

static void check_refusals(const harness_device *device) {
  bench b = {.device = device};
  CHECK_STATUS(clloss_ctx_create(&b.ctx, device->context, device->device, NULL), CLLOSS_SUCCESS);
  for (size_t i = 0; i < COUNT(b.mem); i++)
    b.mem[i] = clCreateBuffer(device->context, CL_MEM_READ_WRITE, 240, NULL, NULL);
  refusals(&b);
  for (size_t i = 0; i < COUNT(b.mem); i++) clReleaseMemObject(b.mem[i]);
  clloss_ctx_destroy(&b.ctx);
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  for (size_t i = 0; i < h.n_devices; i++) check_refusals(&h.devices[i]);
  check_identity(&h, &state);
  sweep(&h, &state);
  return harness_close(&h) || check_done();
}
