/* Surprisal and entropy on every device: each kernel family against the reference, every refusal, and the identity that
 * ties three losses together: cross-entropy = entropy + divergence. */
#include "case_information.h"
#include "refusal.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const harness_plan plans[] = {{0},
                                     {CLLOSS_FAMILY_LANE, 0, 5, 0},
                                     {CLLOSS_FAMILY_SPLIT, 64, 0, 3},
                                     {CLLOSS_FAMILY_GROUP, 7, 3, 0},
                                     {CLLOSS_FAMILY_GROUP, 0, 0, 0},
                                     {CLLOSS_FAMILY_GROUP, 64, 0, 0}};

/* Around each boundary of the kernels: vectors of 4 and 16, blocks of 2048, more than 64 blocks. */
static const size_t sizes[][2] = {
    {1, 1},   {17, 1},  {3, 2},     {100, 7},  {257, 10}, {64, 15},  {5, 16},    {37, 17},    {2, 63},
    {4, 100}, {3, 257}, {17, 1000}, {2, 2049}, {5, 4097}, {3, 8192}, {1, 32768}, {1, 140001}, {0, 5},
};

static information_shape draw(size_t rows, size_t classes, uint32_t dtype, uint64_t *state) {
  static const uint32_t flags[] = {0, CLLOSS_FROM_PROBABILITIES, CLLOSS_FROM_LOG_PROBABILITIES};
  return (information_shape){.layout = case_draw_layout(rows, classes, state),
                             .dtype = dtype,
                             .targets_dtype = case_draw_label_type(false, state),
                             .flags = flags[harness_pick(state, 3)],
                             .without = (uint32_t)harness_pick(state, 3),
                             .fill = (enum information_fill)harness_pick(state, INFORMATION_FILLS)};
}

/* Three draws for each size, plan and type; f32 meets every plan, the others the first. */
static void sweep(harness *h, uint64_t *state) {
  static const uint32_t types[] = {CLLOSS_F32, CLLOSS_BF16, CLLOSS_F64};
  for (size_t device = 0; device < h->n_devices; device++) {
    const bool doubles = harness_has_f64(&h->devices[device]);
    for (size_t type = 0; type < (doubles ? 3 : 2); type++)
      for (size_t plan = 0; plan < (type ? 1 : COUNT(plans)); plan++)
        for (size_t size = 0; size < 3 * COUNT(sizes); size++) {
          const information_shape s = draw(sizes[size / 3][0], sizes[size / 3][1], types[type], state);
          harness_point(h, device, &plans[plan], NULL, &information_case, &s);
        }
  }
}

/* ---- cross-entropy = entropy + divergence ---- */

enum { TIED_ROWS = 20, TIED_CLASSES = 50, TIED = TIED_ROWS * TIED_CLASSES };

typedef struct {
  clloss_ctx *ctx;
  cl_command_queue queue;
  float p[TIED], log_p[TIED], x[TIED], cross[TIED_ROWS], entropy[TIED_ROWS], divergence[TIED_ROWS];
  double most; /* largest |log p|, and of the softmax of x */
} identity;

static void draw_identity(identity *i, uint64_t *state) {
  i->most = 0;
  for (size_t r = 0; r < TIED_ROWS; r++) {
    double e[TIED_CLASSES], sum = 0, of_x = 0;
    for (size_t c = 0; c < TIED_CLASSES; c++) {
      sum += e[c] = exp(8 * harness_uniform(state));
      i->x[r * TIED_CLASSES + c] = (float)(10 * harness_uniform(state) - 5);
      of_x += exp((double)i->x[r * TIED_CLASSES + c]);
    }
    for (size_t c = 0; c < TIED_CLASSES; c++) {
      const size_t k = r * TIED_CLASSES + c;
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
  const clloss_view p = upload(i, &t[0], i->p, TIED_ROWS, TIED_CLASSES),
                    log_p = upload(i, &t[1], i->log_p, TIED_ROWS, TIED_CLASSES);
  const clloss_view x = upload(i, &t[2], i->x, TIED_ROWS, TIED_CLASSES);
  const clloss_xent xent = {.struct_size = sizeof xent,
                            .rows = TIED_ROWS,
                            .classes = TIED_CLASSES,
                            .logits = x,
                            .targets = p,
                            .row_loss = upload(i, &t[3], NULL, TIED_ROWS, 1)};
  const clloss_information information = {.struct_size = sizeof information,
                                          .rows = TIED_ROWS,
                                          .classes = TIED_CLASSES,
                                          .input = p,
                                          .entropy = upload(i, &t[4], NULL, TIED_ROWS, 1)};
  const clloss_distill distill = {.struct_size = sizeof distill,
                                  .rows = TIED_ROWS,
                                  .classes = TIED_CLASSES,
                                  .student = x,
                                  .teacher = log_p,
                                  .row_loss = upload(i, &t[5], NULL, TIED_ROWS, 1)};
  const clloss_information_options of_p = {.struct_size = sizeof of_p, .flags = CLLOSS_FROM_PROBABILITIES};
  const clloss_xent_options soft = {.struct_size = sizeof soft, .flags = CLLOSS_TARGET_PROBABILITIES};
  CHECK_STATUS(clloss_xent_forward(i->ctx, &xent, &soft, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_information_forward(i->ctx, &information, &of_p, i->queue, 0, NULL, NULL),
               CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_distill_forward(i->ctx, &distill, NULL, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t[3], i->cross, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t[4], i->entropy, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_tensor_download(t[5], i->divergence, i->queue, 0, NULL, NULL), CLLOSS_SUCCESS);
  for (size_t k = 0; k < COUNT(t); k++) clloss_tensor_destroy(&t[k]);
}

/* With M the largest |log p| and |log q|, each of the three is a sum of classes' p times at most 2 M: TIED_CLASSES additions, and
 * fewer than 40 + 2 M roundings of a term (exps of differences up to M). What the divergence sees, softmax(log p), is p
 * off by 2 M u for each logarithm, twice, and by TIED_CLASSES u because p adds up to 1 only so far. */
static void check_identity(harness *h, uint64_t *state) {
  identity *i = calloc(1, sizeof *i);
  for (size_t device = 0; i && device < h->n_devices; device++) {
    i->ctx = harness_ctx(h, device, &plans[0]);
    i->queue = h->devices[device].queue;
    draw_identity(i, state);
    if (i->ctx) run_identity(i);
    const double m = i->most,
                 roundings = 3 * (TIED_CLASSES + 40 + 2 * m) * 2 * m + (4 * m + TIED_CLASSES) * (2 * m + 1);
    for (size_t r = 0; i->ctx && r < TIED_ROWS; r++) {
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

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  uint64_t state = h.seed;
  int refusals = 0;
  for (size_t i = 0; i < h.n_devices; i++) refusals += status_information(&h.devices[i]);
  check_identity(&h, &state);
  sweep(&h, &state);
  return harness_close(&h) || refusals || check_done();
}
