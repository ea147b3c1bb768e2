/* Softmax and log-softmax, forward and backward, on every device: each kernel family against the f64 reference. Every size
 * meets every plan and every pair of types; what the rows hold, layout, scale, in place and the rest are drawn from the
 * seed. */
#include "case_softmax.h"
#include "refusal.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const harness_plan plans[] = {
    {0},
    {CLLOSS_FAMILY_GROUP, 64, 0, 0},
    {CLLOSS_FAMILY_LANE, 0, 5, 0},
    {CLLOSS_FAMILY_GROUP, 7, 3, 0},
    {CLLOSS_FAMILY_SPLIT, 7, 0, 3},
};
enum { FREE = 0, BY_GROUP = 1, BY_UNEVEN_GROUP = 3 };

/* What is read, and what is written; the last two go backward only. f32 meets every plan, other types the first two, and
 * of two that differ each pair one of these: loads and stores don't know of one another. */
static const uint32_t types[][2] = {
    {CLLOSS_F32, CLLOSS_F32}, {CLLOSS_F64, CLLOSS_F64},  {CLLOSS_F16, CLLOSS_F16}, {CLLOSS_BF16, CLLOSS_BF16},
    {CLLOSS_F16, CLLOSS_F32}, {CLLOSS_BF16, CLLOSS_F32}, {CLLOSS_F32, CLLOSS_F16}, {CLLOSS_F32, CLLOSS_BF16},
};
enum { BACKWARD_ONLY = 6 };

static const harness_case *const cases[] = {&softmax_forward_case, &softmax_backward_case};

static softmax_shape draw(size_t rows, size_t classes, size_t type, uint64_t *state) {
  static const double scales[] = {0, 0, 0.125, -1.5, 2};
  softmax_shape s = {.layout = case_draw_layout(rows, classes, state),
                     .read = types[type][0],
                     .write = types[type][1],
                     .fill = (enum softmax_fill)harness_pick(state, SOFTMAX_FILLS),
                     .is_log = harness_pick(state, 2),
                     .scale = scales[harness_pick(state, COUNT(scales))]};
  s.in_place = s.read == s.write && harness_pick(state, 2);
  return s;
}

/* Around each boundary of the kernels: vectors of 4 and 16, accumulators of 64, blocks of 2048, more than 64 blocks. */
static const size_t sizes[][2] = {
    {1, 1},  {33, 1},   {3, 2},   {20, 3},   {100, 7},  {64, 15},  {5, 16},    {37, 17},
    {2, 63}, {19, 100}, {3, 257}, {9, 1000}, {2, 2049}, {3, 4097}, {1, 20000}, {2, 140001},
};

static void sweep(harness *h) {
  uint64_t state = h->seed;
  for (size_t device = 0; device < h->n_devices; device++)
    for (size_t type = 0; type < COUNT(types); type++)
      for (size_t plan = 0; plan < (type ? 2 : COUNT(plans)); plan++)
        for (size_t size = 0; size < COUNT(sizes); size++) {
          const softmax_shape s = draw(sizes[size][0], sizes[size][1], type, &state);
          const bool back = harness_pick(&state, 2) || type >= BACKWARD_ONLY;
          if (s.read != s.write && plan != type % 2) continue;
          if (s.read != CLLOSS_F64 || harness_has_f64(&h->devices[device]))
            harness_point(h, device, &plans[plan], NULL, cases[back], &s);
        }
}

/* Outputs that are written past the cache, from unaligned starts; more rows than one launch has groups. */
static void large(harness *h) {
  for (size_t device = 0; device < h->n_devices; device++) {
    for (size_t i = 0; i < 16; i++) {
      softmax_shape s = {.rows = 1101, .classes = 1000, .offset = 3, .pad = 7, .is_log = i & 2};
      if (i & 4) s.rows = 350, s.classes = 6017, s.read = CLLOSS_BF16;
      harness_point(h, device, &plans[i & 8 ? BY_GROUP : FREE], NULL, cases[i & 1], &s);
    }
    const softmax_shape many = {.rows = 70001, .classes = 17, .fill = SOFTMAX_MIXED};
    harness_point(h, device, &plans[FREE], NULL, &softmax_forward_case, &many);
    harness_point(h, device, &plans[BY_UNEVEN_GROUP], NULL, &softmax_forward_case, &many);
  }
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  int refusals = 0;
  for (size_t i = 0; i < h.n_devices; i++) refusals += status_softmax(&h.devices[i]);
  sweep(&h);
  large(&h);
  return harness_close(&h) || refusals;
}
