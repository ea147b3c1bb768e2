/* Softmax cross-entropy on every device: each kernel family, forced by overrides, against the reference.
 *
 * sweep() gives every size to every plan, so that each pair of them meets. What the rows hold goes round
 * against both, so that each fill meets every size and every plan. The rest (reduction, targets, upstream
 * gradient, layout, which outputs are bound …) is drawn from the seed: each run, another sample of the
 * product. named() holds the cases that have to be there in every run, each on every plan. */
#include "case_xent.h"

#include <stdio.h>
#include <string.h>

#define LANE        CLLOSS_FAMILY_LANE
#define GROUP       CLLOSS_FAMILY_GROUP
#define SPLIT       CLLOSS_FAMILY_SPLIT
#define COUNT(list) (sizeof(list) / sizeof *(list))
#define IGNORES(i)  .options.flags = CLLOSS_IGNORE_INDEX, .options.ignore_index = (i)

/* Local sizes 2, 7, 8, 60, 64 and 256 are those at which PoCL 3.1 is known to miscompile a reduction. */
static const harness_plan plans[] = {
    {0},
    {LANE, 0, 0, 0},
    {LANE, 0, 5, 0},
    {LANE, 0, 64, 0},
    {SPLIT, 0, 0, 0},
    {SPLIT, 0, 0, 2},
    {SPLIT, 0, 0, 3},
    {SPLIT, 0, 0, 64},
    {SPLIT, 7, 0, 3},
    {SPLIT, 64, 0, 8},
    {GROUP, 1, 0, 0},
    {GROUP, 2, 0, 0},
    {GROUP, 3, 0, 0},
    {GROUP, 7, 0, 0},
    {GROUP, 8, 0, 0},
    {GROUP, 60, 0, 0},
    {GROUP, 64, 0, 0},
    {GROUP, 64, 5, 0},
    {GROUP, 256, 0, 0},
    {GROUP, 1024, 0, 0},
    {GROUP, 0, 0, 0},
};

/* Around each boundary of the kernels: vectors of 4 and 16, accumulators of 64, blocks of 2048, more than
 * 64 blocks. */
static const struct {
  size_t rows, classes;
} sizes[] = {
    {1, 1},    {17, 1},   {3, 2},     {33, 3},     {100, 7},    {2, 8},      {1, 10},   {257, 10},
    {64, 15},  {5, 16},   {37, 17},   {3, 31},     {16, 33},    {2, 63},     {19, 64},  {4, 100},
    {1, 255},  {31, 256}, {3, 257},   {70, 300},   {17, 1000},  {2, 2047},   {3, 2049}, {5, 4097},
    {2, 8191}, {3, 8192}, {1, 32768}, {2, 100003}, {2, 131072}, {1, 140001},
};

/* ---- the sweep ---- */

static xent_shape draw(size_t size, size_t plan, uint64_t *state) {
  static const size_t offsets[] = {0, 0, 1, 3, 16}, pads[] = {0, 0, 1, 5, 16, 31};
  xent_shape s = {.rows = sizes[size].rows, .classes = sizes[size].classes};
  s.fill = (enum xent_fill)((size + plan) % XENT_FILLS);
  s.options.reduction = (uint32_t)harness_pick(state, 3);
  s.upstream = (enum xent_upstream)harness_pick(state, s.options.reduction == CLLOSS_NONE ? 3 : 2);
  s.without = (uint32_t)harness_pick(state, 8);
  s.targets_dtype = case_draw_label_type(plans[plan].family == GROUP, state); /* labels() has the others */
  if (case_is_real(s.targets_dtype)) s.options.flags = CLLOSS_TARGET_INDICES;
  if (harness_pick(state, 2) || s.fill == XENT_IGNORED_NAN || s.fill == XENT_ALL_IGNORED) {
    s.options.flags |= CLLOSS_IGNORE_INDEX;
    s.options.ignore_index = harness_pick(state, 2) ? (int64_t)harness_pick(state, s.classes) : -100;
  }
  s.in_place = harness_pick(state, 2);
  s.workspace = harness_pick(state, 2);
  s.offset = offsets[harness_pick(state, COUNT(offsets))];
  s.pad = pads[harness_pick(state, COUNT(pads))];
  s.row_pad = pads[harness_pick(state, 4)];
  return s;
}

static void sweep(harness *h) {
  uint64_t state = h->seed;
  for (size_t size = 0; size < COUNT(sizes); size++)
    for (size_t plan = 0; plan < COUNT(plans); plan++) {
      const xent_shape s = draw(size, plan, &state);
      harness_sweep(h, &xent_passes, &s, &plans[plan], 1);
    }
}

/* ---- named cases ---- */

/* clang-format off */
static const xent_shape named_shapes[] = {
    /* No rows: the reduced loss is written all the same, NaN and 0. */
    {.rows = 0, .classes = 5},
    {.rows = 0, .classes = 1000, .options.reduction = CLLOSS_SUM, .upstream = XENT_UPSTREAM_ONE},
    {.rows = 0, .classes = 33, .options.reduction = CLLOSS_NONE, .upstream = XENT_UPSTREAM_ROWS},
    /* Everything ignored: mean NaN, sum 0. */
    {.rows = 21, .classes = 12, .fill = XENT_ALL_IGNORED, IGNORES(3)},
    {.rows = 5, .classes = 300, .fill = XENT_ALL_IGNORED, IGNORES(0), .options.reduction = CLLOSS_SUM},
    /* Ignored rows are never read, in place neither. */
    {.rows = 40, .classes = 10, .fill = XENT_IGNORED_NAN, IGNORES(-100)},
    {.rows = 9, .classes = 700, .fill = XENT_IGNORED_NAN, IGNORES(255),
     .in_place = true},
    /* A masked block longer than any block of an online maximum. */
    {.rows = 3, .classes = 8192, .fill = XENT_MASK_LEADING, .upstream = XENT_UPSTREAM_ONE},
    {.rows = 2, .classes = 8192, .fill = XENT_MASK_LEADING, .in_place = true},
    {.rows = 2, .classes = 140000, .fill = XENT_MASK_LEADING, .in_place = true},
    {.rows = 3, .classes = 8192, .fill = XENT_MASK_ROW, .options.reduction = CLLOSS_NONE},
    {.rows = 17, .classes = 9, .fill = XENT_MASK_ROW, .options.reduction = CLLOSS_NONE, .in_place = true},
    {.rows = 3, .classes = 5000, .fill = XENT_MASK_TARGET, .upstream = XENT_UPSTREAM_ONE},
    {.rows = 2, .classes = 20000, .fill = XENT_RISING, .in_place = true},
    /* Bad targets, also those that are classes when cut to 32 bits. */
    {.rows = 200, .classes = 257, .fill = XENT_BAD_TARGET, .targets_dtype = CLLOSS_I64,
     .upstream = XENT_UPSTREAM_ONE},
    {.rows = 200, .classes = 9, .fill = XENT_BAD_TARGET, .targets_dtype = CLLOSS_I64, .in_place = true},
    {.rows = 200, .classes = 9, .fill = XENT_BAD_TARGET, IGNORES(-1)},
    {.rows = 50, .classes = 40, .fill = XENT_BAD_TARGET, .options.reduction = CLLOSS_NONE,
     .without = XENT_NO_ROW_STATS},
    /* An upstream gradient per row, strided; and one for all. */
    {.rows = 50, .classes = 11, .options.reduction = CLLOSS_NONE, .upstream = XENT_UPSTREAM_ROWS, .row_pad = 3},
    {.rows = 50, .classes = 111, .options.reduction = CLLOSS_NONE, .upstream = XENT_UPSTREAM_ROWS, .row_pad = 2,
     .offset = 1},
    {.rows = 20, .classes = 77, .options.reduction = CLLOSS_NONE, .upstream = XENT_UPSTREAM_ONE, .in_place = true},
    /* Every kind of row side by side, so that none leaks into its neighbours. */
    {.rows = 400, .classes = 13, .fill = XENT_MIXED, IGNORES(0), .options.reduction = CLLOSS_NONE,
     .upstream = XENT_UPSTREAM_ROWS},
    {.rows = 300, .classes = 100, .fill = XENT_MIXED, IGNORES(7), .pad = 4,
     .in_place = true},
    {.rows = 60, .classes = 3000, .fill = XENT_MIXED, .options.reduction = CLLOSS_SUM, .targets_dtype = CLLOSS_I64, .pad = 1},
};
/* clang-format on */

static void named(harness *h) {
  for (size_t i = 0; i < COUNT(named_shapes); i++)
    harness_sweep(h, &xent_passes, &named_shapes[i], plans, COUNT(plans));
}

/* Class indices in every type, those that can't be used among them; packed, as sixteen at a time are read, and apart. */
static void labels(harness *h) {
  static const harness_plan few[] = {{0}, {LANE, 0, 5, 0}, {SPLIT, 0, 0, 3}, {GROUP, 64, 0, 0}};
  static const xent_shape shapes[] = {
      {.rows = 300, .classes = 9, .fill = XENT_BAD_TARGET, IGNORES(3), .offset = 1},
      {.rows = 200, .classes = 20, .fill = XENT_BAD_TARGET, .row_pad = 1, .in_place = true},
      {.rows = 90,
       .classes = 300,
       .fill = XENT_BAD_TARGET,
       IGNORES(255),
       .with = XENT_WITH_CLASS_WEIGHT | XENT_WITH_COUNTS},
  };
  for (uint32_t dtype = CLLOSS_F32; dtype <= CLLOSS_BF16; dtype++)
    for (size_t i = 0; i < COUNT(shapes); i++) {
      xent_shape s = shapes[i];
      s.targets_dtype = dtype;
      if (case_is_real(dtype)) s.options.flags |= CLLOSS_TARGET_INDICES;
      harness_sweep(h, &xent_passes, &s, few, COUNT(few));
    }
}

/* Sizes that take the paths of large problems: several partial counts, more rows than work-groups,
 * gradients written past the cache from unaligned starts. */
static void large(harness *h) {
  static const harness_plan few[] = {{0}, {SPLIT, 0, 0, 3}, {GROUP, 64, 0, 0}};
  static const xent_shape shapes[] = {
      {.rows = 9001, .classes = 10, IGNORES(4), .targets_dtype = CLLOSS_I64},
      {.rows = 70001, .classes = 3, .fill = XENT_RANDOM, .upstream = XENT_UPSTREAM_ONE},
      {.rows = 66000, .classes = 17, IGNORES(-100)},
      {.rows = 1101,
       .classes = 1000,
       .offset = 3,
       .pad = 7,
       .options.reduction = CLLOSS_SUM,
       .fill = XENT_MIXED},
      {.rows = 1100, .classes = 1000, .in_place = true, .upstream = XENT_UPSTREAM_ONE},
      {.rows = 9, .classes = 131072, .offset = 5},
      {.rows = 2, .classes = 600000, .upstream = XENT_UPSTREAM_ONE, .in_place = true},
  };
  for (size_t i = 0; i < COUNT(shapes); i++) harness_sweep(h, &xent_passes, &shapes[i], few, COUNT(few));
}

/* ---- a common offset ---- */

/* Compares two outputs bit for bit, but for the maxima, which differ by the offset. */
static void same_bits(const harness_outputs *a, const harness_outputs *b, harness_result *result) {
  for (int i = 0; i < HARNESS_ARRAYS; i++) {
    const float *x = a->data[i], *y = b->data[i];
    for (size_t k = 0; k < a->count[i] && x && y; k++) {
      if (i == XENT_ROW_STATS && k % 2 == 0) continue;
      if (memcmp(&x[k], &y[k], sizeof *x) == 0) continue;
      if (result->count[HARNESS_AGREE]++ == 0)
        snprintf(result->first[HARNESS_AGREE], sizeof result->first[0],
                 "array %d, value %zu: %.9g, and with 1e6 added to the logits %.9g", i, k, (double)x[k],
                 (double)y[k]);
    }
  }
}

/* Logits plus a constant, where the sums are exact, give the same losses and gradients to the last bit. */
static void common_offset(harness *h) {
  static const size_t classes[] = {2, 10, 1000, 5000};
  for (size_t device = 0; device < h->n_devices; device++)
    for (size_t plan = 0; plan < COUNT(plans); plan++)
      for (size_t i = 0; i < COUNT(classes); i++) {
        xent_shape s = {
            .rows = 23, .classes = classes[i], .fill = XENT_SIXTEENTHS, .upstream = XENT_UPSTREAM_ONE};
        xent_shape shifted = s;
        shifted.fill = XENT_SIXTEENTHS_1E6;
        uint64_t seed;
        clloss_ctx *ctx = harness_ctx(h, device, &plans[plan]);
        const double bytes = harness_ideal_bytes(&xent_fused_case, &s);
        if (!harness_next_of(h, &plans[plan], bytes, &seed) || !ctx) continue;
        static const harness_case *const cases[] = {&xent_forward_case, &xent_backward_case,
                                                    &xent_fused_case};
        harness_result result = {0};
        for (size_t k = 0; k < COUNT(cases); k++) {
          harness_outputs low, high;
          harness_check(&h->devices[device], ctx, cases[k], &s, seed, NULL, &low, &result);
          harness_check(&h->devices[device], ctx, cases[k], &shifted, seed, NULL, &high, &result);
          same_bits(&low, &high, &result);
          harness_outputs_free(&low);
          harness_outputs_free(&high);
        }
        harness_report(h, &xent_fused_case, &s, &plans[plan], &result);
      }
}

int main(int argc, char **argv) {
  harness h;
  if (!harness_open(&h, argc, argv)) return 2;
  sweep(&h);
  named(&h);
  labels(&h);
  large(&h);
  common_offset(&h);
  return harness_close(&h);
}
