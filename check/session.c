/* A test program that uses the harness: its arguments, the devices, a ctx per plan, and the verdict. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

uint64_t harness_random(uint64_t *state) { /* splitmix64 */
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double harness_uniform(uint64_t *state) { return (double)(harness_random(state) >> 11) * 0x1p-53; }

size_t harness_pick(uint64_t *state, size_t n) { return (size_t)(harness_random(state) % n); }

/* ---- arguments ---- */

uint64_t harness_fresh_seed(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t state = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec + ((uint64_t)getpid() << 40);
  return harness_random(&state) >> 16;
}

static bool read_number(const harness *h, const char *option, const char *text, uint64_t *number) {
  char *end = NULL;
  errno = 0;
  if (text) *number = strtoull(text, &end, 10);
  if (text && end != text && !*end && !errno) return true;
  fprintf(stderr, "%s: %s: a whole number follows\n", h->program, option);
  return false;
}

static bool read_arguments(harness *h, int argc, char **argv, uint64_t *device) {
  uint64_t only = SIZE_MAX;
  const struct {
    const char *name;
    uint64_t *to;
  } options[] = {{"--seed", &h->seed}, {"--only", &only}, {"--device", device}};
  for (int i = 1; i < argc; i += 2) {
    uint64_t *to = NULL;
    if (strcmp(argv[i], "--small") == 0) {
      h->small = true;
      i--;
      continue;
    }
    for (size_t k = 0; k < sizeof options / sizeof *options; k++)
      if (strcmp(argv[i], options[k].name) == 0) to = options[k].to;
    if (!to) {
      fprintf(stderr, "usage: %s [--seed N] [--only POINT] [--device N] [--small]\n", h->program);
      return false;
    }
    if (!read_number(h, argv[i], i + 1 < argc ? argv[i + 1] : NULL, to)) return false;
  }
  h->only = (size_t)only;
  return true;
}

/* ---- devices ---- */

static void close_device(harness_device *d) {
  if (d->queue) clReleaseCommandQueue(d->queue);
  if (d->context) clReleaseContext(d->context);
  d->queue = NULL;
  d->context = NULL;
}

static bool open_device(harness *h, size_t device, cl_device_id id) {
  harness_device *d = &h->devices[device];
  cl_int error;
  *d = (harness_device){.device = id};
  d->context = clCreateContext(NULL, 1, &id, NULL, NULL, &error);
  if (d->context) d->queue = clCreateCommandQueue(d->context, id, 0, &error);
  if (d->queue) return true;
  fprintf(stderr, "%s: device %zu: %s\n", h->program, device, clloss_status_name(error));
  close_device(d);
  return false;
}

/* Every device there is, or the one asked for, counted over all platforms. */
static bool open_devices(harness *h, uint64_t wanted) {
  cl_platform_id platforms[HARNESS_DEVICES];
  cl_uint n_platforms = 0;
  uint64_t seen = 0;
  clGetPlatformIDs(HARNESS_DEVICES, platforms, &n_platforms);
  for (cl_uint i = 0; i < n_platforms && i < HARNESS_DEVICES; i++) {
    cl_device_id ids[HARNESS_DEVICES];
    cl_uint n = 0;
    if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, HARNESS_DEVICES, ids, &n) != CL_SUCCESS) continue;
    for (cl_uint k = 0; k < n && k < HARNESS_DEVICES && h->n_devices < HARNESS_DEVICES; k++, seen++) {
      if (wanted != UINT64_MAX && wanted != seen) continue;
      if (!open_device(h, h->n_devices, ids[k])) return false;
      h->n_devices++;
    }
  }
  if (h->n_devices) return true;
  fprintf(stderr, "%s: no OpenCL device\n", h->program);
  return false;
}

bool harness_open(harness *h, int argc, char **argv) {
  uint64_t device = UINT64_MAX;
  *h = (harness){.program = argv[0], .seed = harness_fresh_seed()};
  if (!read_arguments(h, argc, argv, &device) || !open_devices(h, device)) return false;
  printf("seed %llu\n", (unsigned long long)h->seed);
  for (size_t i = 0; i < h->n_devices; i++) {
    char name[200] = "?";
    clGetDeviceInfo(h->devices[i].device, CL_DEVICE_NAME, sizeof name, name, NULL);
    printf("device %zu: %s\n", i, name);
  }
  fflush(stdout);
  return true;
}

static void close_ctxs(harness *h) {
  for (size_t i = 0; i < h->n_ctx; i++) {
    clloss_ctx_stats stats = {.struct_size = sizeof stats};
    if (clloss_ctx_get_stats(h->ctx[i].ctx, &stats) == CLLOSS_SUCCESS)
      h->programs_built += stats.programs_built;
    clloss_ctx_destroy(&h->ctx[i].ctx);
  }
  h->n_ctx = 0;
}

int harness_close(harness *h) {
  close_ctxs(h);
  for (size_t i = 0; i < h->n_devices; i++) close_device(&h->devices[i]);
  printf("%zu of %zu points ran, %zu failed; errors took up to %.2f of what is allowed; %llu programs in %zu "
         "ctx\n",
         h->run, h->point, h->failed, h->max_used, (unsigned long long)h->programs_built, h->ctx_made);
  if (h->run == 0) fprintf(stderr, "%s: nothing was checked\n", h->program);
  return h->failed != 0 || h->run == 0;
}

/* ---- points ---- */

clloss_ctx *harness_ctx(harness *h, size_t device, const harness_plan *plan) {
  if (h->small) {
    close_ctxs(h);
    close_device(&h->devices[device]);
    if (!open_device(h, device, h->devices[device].device)) {
      h->failed++;
      return NULL;
    }
  }
  for (size_t i = 0; i < h->n_ctx; i++)
    if (h->ctx[i].device == device && memcmp(&h->ctx[i].plan, plan, sizeof *plan) == 0) return h->ctx[i].ctx;
  char why[4000] = "";
  const clloss_ctx_options options = {.struct_size = sizeof options,
                                      .message = why,
                                      .message_size_bytes = sizeof why,
                                      .family = plan->family,
                                      .local_size = plan->local_size,
                                      .rows_per_group = plan->rows_per_group,
                                      .slices = plan->slices};
  clloss_ctx *ctx = NULL;
  clloss_status status = CL_OUT_OF_HOST_MEMORY;
  if (h->n_ctx < HARNESS_PLANS)
    status = clloss_ctx_create(&ctx, h->devices[device].context, h->devices[device].device, &options);
  if (status != CLLOSS_SUCCESS) {
    fprintf(stderr, "ctx for family %s, local size %u, %llu rows per group, %llu slices: %s: %s\n",
            clloss_family_name(plan->family), plan->local_size, (unsigned long long)plan->rows_per_group,
            (unsigned long long)plan->slices, clloss_status_name(status), why);
    h->failed++;
    return NULL;
  }
  h->ctx[h->n_ctx].device = device;
  h->ctx[h->n_ctx].plan = *plan;
  h->ctx[h->n_ctx++].ctx = ctx;
  h->ctx_made++;
  return ctx;
}

bool harness_next_of(harness *h, const harness_plan *plan, double bytes, uint64_t *seed) {
  uint64_t state = h->seed ^ (uint64_t)h->point << 48;
  *seed = harness_random(&state);
  const size_t number = h->point++;
  if (h->only != SIZE_MAX && h->only != number) return false;
  const bool many = plan->local_size > HARNESS_SMALL_PARTS || plan->slices > HARNESS_SMALL_PARTS;
  if (h->small && (many || bytes > HARNESS_SMALL_BYTES)) return false;
  h->run++;
  return true;
}

bool harness_next(harness *h, uint64_t *seed) {
  static const harness_plan any = {0};
  return harness_next_of(h, &any, 0, seed);
}

void harness_report(harness *h, const harness_case *c, const void *shape, const harness_plan *plan,
                    const harness_result *result) {
  if (result->max_used > h->max_used) h->max_used = result->max_used;
  if (!harness_fired(result)) return;
  char words[800];
  c->describe(c, shape, words, sizeof words);
  h->failed++;
  fprintf(stderr, "FAILED %s; %s, local size %u, %llu rows per group, %llu slices (0: as planned)\n", words,
          clloss_family_name(plan->family), plan->local_size, (unsigned long long)plan->rows_per_group,
          (unsigned long long)plan->slices);
  for (harness_check_kind i = 0; i < HARNESS_CHECKS; i++)
    if (result->count[i])
      fprintf(stderr, "  %s (%s), %zu times, first: %s\n", harness_check_name(i), harness_check_text(i),
              result->count[i], result->first[i]);
  fprintf(stderr, "  again: %s --seed %llu --only %zu\n", h->program, (unsigned long long)h->seed,
          h->point - 1);
}

bool harness_has_f64(const harness_device *device) {
  cl_device_fp_config doubles = 0;
  clGetDeviceInfo(device->device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles, NULL);
  return doubles != 0;
}

void harness_point(harness *h, size_t device, const harness_plan *plan, const harness_passes *passes,
                   const harness_case *c, const void *shape) {
  const harness_case *what = c ? c : passes->fused;
  harness_result result = {0};
  clloss_ctx *ctx = harness_ctx(h, device, plan);
  uint64_t seed;
  if (!harness_next_of(h, plan, harness_ideal_bytes(what, shape), &seed) || !ctx) return;
  if (c)
    harness_check(&h->devices[device], ctx, c, shape, seed, NULL, NULL, &result);
  else
    harness_check_passes(&h->devices[device], ctx, passes, shape, seed, &result);
  harness_report(h, what, shape, plan, &result);
}

static bool same_plan(const clloss_plan *a, const clloss_plan *b) {
  return a->family == b->family && a->local_size == b->local_size && a->rows_per_group == b->rows_per_group &&
         a->slices == b->slices && strcmp(a->variant, b->variant) == 0;
}

void harness_sweep(harness *h, const harness_passes *passes, const void *shape, const harness_plan *plans,
                   size_t n_plans) {
  for (size_t device = 0; device < h->n_devices; device++) {
    clloss_plan seen[HARNESS_PLANS];
    size_t n_seen = 0;
    for (size_t i = 0; i < n_plans && i < HARNESS_PLANS; i++) {
      clloss_ctx *ctx = harness_ctx(h, device, &plans[i]);
      clloss_plan *plan = &seen[n_seen];
      if (!ctx) continue;
      *plan = (clloss_plan){.struct_size = sizeof *plan};
      harness_result result = {0};
      const harness_case *c = passes->fused;
      const clloss_status status = c->plan(c, shape, ctx, plan);
      bool again = false;
      for (size_t k = 0; k < n_seen; k++) again |= same_plan(&seen[k], plan);
      uint64_t seed;
      if (again) continue;
      n_seen++;
      if (!harness_next_of(h, &plans[i], harness_ideal_bytes(c, shape), &seed)) continue;
      if (status != CLLOSS_SUCCESS) {
        result.count[HARNESS_STATUS]++;
        snprintf(result.first[HARNESS_STATUS], sizeof result.first[0], "plan: %s",
                 clloss_status_name(status));
      } else {
        harness_check_passes(&h->devices[device], ctx, passes, shape, seed, &result);
      }
      harness_report(h, c, shape, &plans[i], &result);
    }
  }
}
