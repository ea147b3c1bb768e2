/* What random calls are made with, and how they are judged: ctxs with plans and tuning texts, the harness, numbers. */
#include "fuzz.h"

#include <math.h>
#include <stdio.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- drawing ---- */

bool fuzz_one_in(uint64_t *state, size_t n) { return harness_pick(state, n) == 0; }

size_t fuzz_size(uint64_t *state, size_t least, size_t most) {
  const double low = log((double)least + 0.5), high = log((double)most + 0.5);
  const size_t n = (size_t)(exp(low + (high - low) * harness_uniform(state)) + 0.5);
  return n < least ? least : n > most ? most : n;
}

double fuzz_number(uint64_t *state, const double *list, size_t n) { return list[harness_pick(state, n)]; }

bool fuzz_has_f64(const fuzz *f) { return harness_has_f64(&f->h.devices[0]); }

/* ---- settings ---- */

/* Names of `clloss tune`, and from where to where values change a plan for shapes as they are drawn here. Local sizes
 * count only where no override says one. */
static const struct {
  const char *name;
  size_t least, most;
} tunings[] = {
    {"lane_rows_classes", 1, 300},     {"lane_along_classes", 1, 4096},   {"lane_block_bytes", 1024, 1 << 20},
    {"split_classes", 128, 40000},     {"split_slice_classes", 64, 8192}, {"split_rows_per_unit", 1, 8},
    {"past_cache_bytes", 1, 10000000}, {"group_few_classes", 1, 5000},    {"group_few_items", 64, 64},
    {"group_items", 256, 256},
};

static void draw_tuning(fuzz_setting *setting, uint64_t *state) {
  for (size_t i = 0; i < COUNT(tunings); i++) {
    const size_t at = strlen(setting->tuning);
    if (harness_pick(state, 2)) continue;
    /* least is 1 where 0 is meant: 0 has no logarithm */
    const size_t value = fuzz_size(state, tunings[i].least, tunings[i].most);
    snprintf(setting->tuning + at, sizeof setting->tuning - at, "%s %zu\n", tunings[i].name,
             value == 1 ? 0 : value);
  }
}

/* Three for each family and local size, the first of them plain: a ctx reads its programs anew, which takes longer than
 * most calls. */
fuzz_setting fuzz_draw_setting(fuzz *f, const uint32_t *local_sizes, uint64_t *state) {
  enum { VARIANTS = 3 };
  size_t n = 0;
  while (local_sizes[n]) n++;
  const uint32_t size = local_sizes[harness_pick(state, n)];
  const bool lane = size == 1;
  fuzz_setting s = {.plan.local_size = lane ? 0 : size};
  static const uint32_t lane_families[] = {CLLOSS_FAMILY_AUTO, CLLOSS_FAMILY_AUTO, CLLOSS_FAMILY_LANE,
                                           CLLOSS_FAMILY_SPLIT},
                        group_families[] = {CLLOSS_FAMILY_GROUP, CLLOSS_FAMILY_GROUP, CLLOSS_FAMILY_SPLIT};
  s.plan.family = lane ? lane_families[harness_pick(state, 4)] : group_families[harness_pick(state, 3)];
  const size_t variant = harness_pick(state, VARIANTS);
  uint64_t own = f->h.seed ^ (uint64_t)(s.plan.family * 1000 + s.plan.local_size) << 8 ^ variant;
  if (variant == 0) return s;
  if (s.plan.family == CLLOSS_FAMILY_SPLIT)
    s.plan.slices = fuzz_size(&own, 2, 64);
  else if (s.plan.family != CLLOSS_FAMILY_AUTO && harness_pick(&own, 2))
    s.plan.rows_per_group = fuzz_size(&own, 1, 5000);
  if (variant > 1) draw_tuning(&s, &own);
  return s;
}

bool fuzz_splits(const fuzz_setting *setting) {
  return setting->plan.family == CLLOSS_FAMILY_SPLIT || strstr(setting->tuning, "split_rows_per_unit");
}

static void close_ctxs(fuzz *f) {
  for (size_t i = 0; i < f->n_ctx; i++) {
    clloss_ctx_stats stats = {.struct_size = sizeof stats};
    if (clloss_ctx_get_stats(f->ctx[i].ctx, &stats) == CLLOSS_SUCCESS)
      f->h.programs_built += stats.programs_built;
    clloss_ctx_destroy(&f->ctx[i].ctx);
  }
  f->n_ctx = 0;
}

void fuzz_close(fuzz *f) {
  fuzz_spoilt_close(f);
  close_ctxs(f);
}

static void tell_setting(const fuzz_setting *s) {
  if (s->tuning[0]) fprintf(stderr, "  tuning:\n%s", s->tuning);
}

clloss_ctx *fuzz_ctx(fuzz *f, const fuzz_setting *setting) {
  const harness_device *device = &f->h.devices[0];
  char why[500] = "";
  const clloss_ctx_options options = {.struct_size = sizeof options,
                                      .message = why,
                                      .message_size_bytes = sizeof why,
                                      .family = setting->plan.family,
                                      .local_size = setting->plan.local_size,
                                      .rows_per_group = setting->plan.rows_per_group,
                                      .slices = setting->plan.slices,
                                      .tuning = setting->tuning[0] ? setting->tuning : NULL};
  for (size_t i = 0; i < f->n_ctx; i++)
    if (memcmp(&f->ctx[i].setting, setting, sizeof *setting) == 0) return f->ctx[i].ctx;
  if (f->n_ctx == FUZZ_SETTINGS) close_ctxs(f);
  clloss_ctx *ctx = NULL;
  const clloss_status status = clloss_ctx_create(&ctx, device->context, device->device, &options);
  if (status != CLLOSS_SUCCESS) {
    fuzz_fail(f, setting, why, clloss_status_name(status));
    return NULL;
  }
  f->ctx[f->n_ctx].setting = *setting;
  f->ctx[f->n_ctx++].ctx = ctx;
  f->h.ctx_made++;
  return ctx;
}

/* ---- calls ---- */

void fuzz_check(fuzz *f, const fuzz_setting *setting, const harness_passes *passes, const harness_case *c,
                const void *shape, uint64_t *state) {
  harness_result result = {0};
  harness_device device = f->h.devices[0];
  clloss_ctx *ctx = fuzz_ctx(f, setting);
  if (!ctx) return;
  device.stray = harness_pick(state, 2) && !f->tidy ? harness_random(state) | 1 : 0;
  const uint64_t seed = harness_random(state);
  const memory_kind memory = (memory_kind)harness_pick(state, MEMORY_KINDS);
  if (fuzz_one_in(state, 3) && memory_is_there(device.device, memory)) device.memory = memory;
  if (c)
    harness_check(&device, ctx, c, shape, seed, NULL, NULL, &result);
  else
    harness_check_passes(&device, ctx, passes, shape, seed, &result);
  harness_report(&f->h, c ? c : passes->fused, shape, &setting->plan, &result);
  if (!harness_fired(&result)) return;
  if (device.stray) fprintf(stderr, "  with stray numbers in views that aren't bound\n");
  if (device.memory) fprintf(stderr, "  in %s\n", memory_name(device.memory));
  tell_setting(setting);
}

void fuzz_fail(fuzz *f, const fuzz_setting *setting, const char *words, const char *what) {
  f->h.failed++;
  fprintf(stderr, "FAILED %s; %s, local size %u, %llu rows per group, %llu slices: %s\n", words,
          clloss_family_name(setting->plan.family), setting->plan.local_size,
          (unsigned long long)setting->plan.rows_per_group, (unsigned long long)setting->plan.slices, what);
  fprintf(stderr, "  again: %s --seed %llu --only %zu\n", f->h.program, (unsigned long long)f->h.seed,
          f->h.point - 1);
  tell_setting(setting);
}
