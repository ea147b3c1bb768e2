/* `clloss tune`: measures the numbers that plans are made with on a device, and writes those that beat the built-in ones.
 *
 * Each number is tried at a shape where it decides something, by the fused cross-entropy. All candidates run in turn, and
 * each has the median of its times relative to the built-in value's in the same round, so that a machine that slows down
 * half-way slows all of them. A candidate has to win by more than half its interquartile range and 3 %; otherwise the
 * built-in value stays, and the file says by how much it was beaten or not. */
#include "cli.h"
#include "devices.h"
#include "output.h"
#include "progress.h"

#include <clloss/clloss.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CANDIDATES = 6, ROUNDS = 15, QUICK_ROUNDS = 5 };

/* A number, what is tried for it, the built-in value first, and the shape: its rows are so many halves of the device's compute
 * units, or fill `bytes`. */
static const struct trial {
  const char *name;
  bool lane, group; /* the teams that it concerns */
  bool in_place;
  bool walks; /* the call smooths its labels, so that the group team walks its rows and holds none */
  size_t half_units, classes, bytes, n;
  unsigned long long values[CANDIDATES];
} trials[] = {
    /* clang-format off */
    {"lane_rows_classes",   true,  false, true,  false, 0, 16,     32u << 20, 2, {32, 15}},
    {"lane_along_classes",  true,  false, true,  false, 0, 24,     32u << 20, 2, {384, 20}},
    {"lane_along_classes",  true,  false, true,  false, 0, 100,    32u << 20, 2, {384, 64}},
    {"lane_along_classes",  true,  false, true,  false, 0, 250,    32u << 20, 2, {384, 200}},
    {"lane_along_classes",  true,  false, true,  false, 0, 500,    32u << 20, 2, {384, 512}},
    {"lane_block_bytes",    true,  false, true,  false, 0, 1000,   64u << 20, 6, {32768, 8192, 16384, 65536, 131072, 262144}},
    {"split_rows_per_unit", true,  false, true,  false, 4, 131072, 0,         2, {2, 1}},
    {"split_rows_per_unit", true,  false, true,  false, 8, 131072, 0,         2, {2, 4}},
    {"split_rows_per_unit", false, true,  true,  false, 1, 131072, 0,         2, {2, 0}},
    {"split_slice_classes", true,  true,  true,  false, 0, 131072, 4 * 131072, 5, {4096, 1024, 2048, 8192, 16384}},
    {"past_cache_bytes",    true,  false, false, false, 0, 4096,   8u << 20,  2, {4194304, 16777216}},
    {"past_cache_bytes",    true,  false, false, false, 0, 4096,   32u << 20, 2, {4194304, 67108864}},
    {"group_tile_classes",  false, true,  true,  false, 0, 16,     32u << 20, 2, {32, 8}},
    {"group_tile_classes",  false, true,  true,  false, 0, 48,     32u << 20, 2, {32, 64}},
    {"group_few_items",     false, true,  true,  false, 0, 100,    32u << 20, 5, {128, 32, 64, 256, 512}},
    {"group_vectors",       false, true,  true,  false, 0, 1000,   64u << 20, 2, {8, 4}},
    {"group_vectors",       false, true,  true,  false, 0, 8000,   64u << 20, 2, {8, 4}},
    {"group_few_classes",   false, true,  true,  true,  0, 1000,   32u << 20, 2, {256, 1024}},
    {"group_items",         false, true,  true,  true,  0, 4096,   64u << 20, 5, {256, 64, 128, 512, 1024}},
    /* clang-format on */
};

enum { TRIALS = sizeof trials / sizeof *trials };

typedef struct tuner {
  cl_context context;
  cl_device_id device;
  cl_command_queue queue;
  bool group, forced; /* the team whose numbers are measured; it isn't that of the device's plans */
  size_t units;
  size_t rounds;
  size_t done; /* rounds, over all trials */
  FILE *file;
} tuner;

/* One shape on the device. */
typedef struct subject {
  clloss_xent xent;
  clloss_xent_options options;
  cl_mem logits, grad, targets, loss;
} subject;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void close_subject(subject *s) {
  const cl_mem all[] = {s->logits, s->grad, s->targets, s->loss};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i]) clReleaseMemObject(all[i]);
}

/* Logits are small random numbers; an in-place call makes gradients of gradients, as good as any. */
static cl_int open_subject(const tuner *t, const struct trial *what, subject *s) {
  const size_t few = (what->half_units * t->units + 1) / 2;
  const size_t rows = what->half_units ? few : what->bytes / 4 / what->classes, n = rows * what->classes;
  cl_int status = CL_OUT_OF_HOST_MEMORY;
  float *x = malloc(4 * n);
  cl_int *targets = malloc(4 * rows);
  *s = (subject){.loss = NULL};
  if (x && targets) {
    uint32_t bits = 1;
    for (size_t i = 0; i < n; i++) x[i] = (float)((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-22f - 2;
    for (size_t i = 0; i < rows; i++) targets[i] = (cl_int)(i % what->classes);
    s->logits = clCreateBuffer(t->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, 4 * n, x, &status);
  }
  if (status == CL_SUCCESS && !what->in_place)
    s->grad = clCreateBuffer(t->context, CL_MEM_READ_WRITE, 4 * n, NULL, &status);
  if (status == CL_SUCCESS)
    s->targets = clCreateBuffer(t->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, 4 * rows, targets,
                                &status);
  if (status == CL_SUCCESS) s->loss = clCreateBuffer(t->context, CL_MEM_READ_WRITE, 4, NULL, &status);
  s->xent = (clloss_xent){.struct_size = sizeof s->xent, .rows = rows, .classes = what->classes};
  s->xent.logits = (clloss_view){.mem = s->logits, .dtype = CLLOSS_F32};
  s->xent.grad = (clloss_view){.mem = what->in_place ? s->logits : s->grad, .dtype = CLLOSS_F32};
  s->xent.targets = (clloss_view){.mem = s->targets, .dtype = CLLOSS_I32};
  s->xent.loss = (clloss_view){.mem = s->loss, .dtype = CLLOSS_F32};
  s->options = (clloss_xent_options){.struct_size = sizeof s->options,
                                     .label_smoothing = what->walks ? 0.1 : 0};
  free(x);
  free(targets);
  return status;
}

static clloss_status run(const tuner *t, clloss_ctx *ctx, const subject *s, double *seconds) {
  const double start = now();
  clloss_status status = clloss_xent_fused(ctx, &s->xent, &s->options, t->queue, 0, NULL, NULL);
  if (status == CLLOSS_SUCCESS) status = clFinish(t->queue);
  *seconds = now() - start;
  return status;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median of n numbers, which it sorts, and half the range of their middle half. */
static double median(double *x, size_t n, double *spread) {
  qsort(x, n, sizeof *x, by_size);
  *spread = (x[3 * n / 4] - x[n / 4]) / 2;
  return x[n / 2];
}

/* All candidates in turn, `rounds` times: each one's time over the built-in's, by round. */
static clloss_status race(tuner *t, clloss_ctx **ctx, size_t n, const subject *s,
                          double ratios[CANDIDATES][ROUNDS]) {
  clloss_status status = CLLOSS_SUCCESS;
  double seconds[CANDIDATES];
  for (size_t i = 0; i < n && status == CLLOSS_SUCCESS; i++) status = run(t, ctx[i], s, &seconds[i]);
  for (size_t round = 0; round < t->rounds && status == CLLOSS_SUCCESS; round++) {
    for (size_t i = 0; i < n && status == CLLOSS_SUCCESS; i++) status = run(t, ctx[i], s, &seconds[i]);
    for (size_t i = 0; i < n; i++) ratios[i][round] = seconds[i] / seconds[0];
    progress_at(++t->done);
  }
  return status;
}

static void write_result(const tuner *t, const struct trial *what, size_t n,
                         double ratios[CANDIDATES][ROUNDS]) {
  size_t best = 0;
  double least = 1, spread;
  fprintf(t->file, "\n# %s, at %zu classes: time over that of %llu", what->name, what->classes,
          what->values[0]);
  for (size_t i = 1; i < n; i++) {
    const double ratio = median(ratios[i], t->rounds, &spread);
    fprintf(t->file, "%s %llu: %.2f ±%.2f", i > 1 ? "," : ";", what->values[i], ratio, spread);
    if (ratio + spread < 0.97 && ratio < least) best = i, least = ratio;
  }
  fprintf(t->file, "\n%s%s %llu\n", best ? "" : "# ", what->name, what->values[best]);
}

static clloss_status open_ctx(const tuner *t, const struct trial *what, size_t i, clloss_ctx **ctx, char *why,
                              size_t why_size) {
  char text[96];
  snprintf(text, sizeof text, "%s %llu\n", what->name, what->values[i]);
  const clloss_ctx_options options = {.struct_size = sizeof options,
                                      .message = why,
                                      .message_size_bytes = why_size,
                                      .tuning = text,
                                      .family = !t->forced ? CLLOSS_FAMILY_AUTO
                                                : t->group ? CLLOSS_FAMILY_GROUP
                                                           : CLLOSS_FAMILY_LANE};
  return clloss_ctx_create(ctx, t->context, t->device, &options);
}

static int try_one(tuner *t, const struct trial *what) {
  clloss_ctx *ctx[CANDIDATES] = {NULL};
  double ratios[CANDIDATES][ROUNDS];
  size_t n = 0;
  subject s;
  char why[1024] = "";
  clloss_status status = open_subject(t, what, &s);
  while (status == CLLOSS_SUCCESS && n < what->n) {
    status = open_ctx(t, what, n, &ctx[n], why, sizeof why);
    n += status == CLLOSS_SUCCESS;
  }
  if (status == CLLOSS_SUCCESS) status = race(t, ctx, n, &s, ratios);
  if (status == CLLOSS_SUCCESS) write_result(t, what, n, ratios);
  /* the one that failed has a message; that of a ctx that couldn't be made is here already */
  for (size_t i = 0; i < n && !*why; i++) snprintf(why, sizeof why, "%s", clloss_ctx_message(ctx[i]));
  const int code = status == CLLOSS_SUCCESS ? EXIT_OK
                                            : fail(EXIT_FAILED, "%s: %s%s%s", what->name,
                                                   clloss_status_text(status), *why ? ": " : "", why);
  for (size_t i = 0; i < n; i++) clloss_ctx_destroy(&ctx[i]);
  close_subject(&s);
  return code;
}

/* Asks the device what trials are chosen by, and what the text has to say of it: one of an unknown device is worth nothing. */
static int begin_text(tuner *t) {
  cl_device_type type = 0;
  cl_uint units = 0;
  char driver[512] = "";
  const struct {
    cl_device_info what;
    size_t size;
    void *to;
  } queries[] = {{CL_DEVICE_TYPE, sizeof type, &type},
                 {CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units},
                 {CL_DRIVER_VERSION, sizeof driver - 1, driver}};
  cl_int status = CL_SUCCESS;
  for (size_t i = 0; i < sizeof queries / sizeof *queries && status == CL_SUCCESS; i++)
    status = clGetDeviceInfo(t->device, queries[i].what, queries[i].size, queries[i].to, NULL);
  char *name = device_name(t->device);
  const bool named = name && *name;
  if (status == CL_SUCCESS && named) {
    fprintf(t->file, "# clLoss's plans on %s, driver %s; by clloss tune, version %u.\n", name, driver,
            clloss_version());
    fprintf(t->file, "# For clloss_ctx_options.tuning. What stands behind # is the library's own choice.\n");
  }
  free(name);
  if (status != CL_SUCCESS || !named)
    return fail(EXIT_FAILED, "asking the device what it is: %s",
                status != CL_SUCCESS ? clloss_status_name(status) : "it doesn't say its name");
  const bool cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
  if (!t->forced) t->group = !cpu;
  t->forced = t->group == cpu;
  t->units = units ? units : 1;
  return EXIT_OK;
}

static int tune(tuner *t) {
  int code = begin_text(t);
  progress_begin("tune", t->rounds * TRIALS);
  for (size_t i = 0; i < TRIALS && !code; i++) {
    /* a family that is asked for never splits */
    const bool splits = !strncmp(trials[i].name, "split", 5);
    if ((t->group ? trials[i].group : trials[i].lane) && !(splits && t->forced))
      code = try_one(t, &trials[i]);
    else
      t->done += t->rounds;
  }
  progress_end();
  return code;
}

/* ---- the command ---- */

static const char usage[] =
    "usage: clloss tune [--device N] [--family NAME] [--quick] [--out FILE]\n"
    "\n"
    "Measures on a device what the library's built-in choices leave on the table: how many rows a "
    "work-group\n"
    "takes, when rows are split, what is written around the cache. Prints a text, or writes it to FILE, "
    "that\n"
    "a program hands to clloss_ctx_create as clloss_ctx_options.tuning; a number that isn't clearly better\n"
    "than the built-in one stands there as a comment. Let nothing else run meanwhile: it takes about a "
    "minute.\n"
    "\n"
    "  --device N      the device's number in `clloss devices`; default 0\n"
    "  --family NAME   whose numbers: lane or group; default the family that the device's plans are of\n"
    "  --quick         5 rounds in place of 15\n"
    "  --out FILE      where to; an existing file is replaced once everything is measured\n";

typedef struct request {
  size_t device;
  bool quick, forced, group;
  const char *out;
} request;

static int parse(request *r, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    char *end;
    if (!strcmp(argv[i], "--quick")) {
      r->quick = true;
    } else if (!strcmp(argv[i], "--family")) {
      r->forced = true;
      r->group = value && !strcmp(value, "group");
      if (!value || (!r->group && strcmp(value, "lane")))
        return fail(EXIT_USAGE, "--family %s: neither lane nor group", value ? value : "");
      i++;
    } else if (!strcmp(argv[i], "--out") || !strcmp(argv[i], "--device")) {
      if (!value || !*value) return fail(EXIT_USAGE, "%s: needs a value", argv[i]);
      errno = 0;
      const unsigned long long number = strtoull(value, &end, 10);
      if (argv[i++][2] == 'o')
        r->out = value;
      else if (*value < '0' || *value > '9' || *end || errno)
        return fail(EXIT_USAGE, "--device %s: not a whole number from 0", value);
      else
        r->device = (size_t)number;
    } else {
      return fail(EXIT_USAGE, "%s: no such option; clloss tune --help lists them", argv[i]);
    }
  }
  return EXIT_OK;
}

static int tune_on(const request *r, cl_device_id device, FILE *file) {
  cl_int status;
  tuner t = {.device = device,
             .forced = r->forced,
             .group = r->group,
             .rounds = r->quick ? QUICK_ROUNDS : ROUNDS,
             .file = file};
  t.context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  if (t.context) t.queue = clCreateCommandQueue(t.context, device, 0, &status);
  const int code = t.queue ? tune(&t)
                           : fail(EXIT_FAILED, "--device %zu: opening it: %s", r->device,
                                  clloss_status_name(status));
  if (t.queue) clReleaseCommandQueue(t.queue);
  if (t.context) clReleaseContext(t.context);
  return code;
}

/* Hands the text, which is whole now, to where it was asked for; the file there was made before the measurements. */
static int deliver(const char *text, size_t bytes, output outs[MAX_OUTPUTS]) {
  char why[1024];
  if (!outs->file.path) {
    fwrite(text, 1, bytes, stdout);
    return finish_output();
  }
  if (whole_file_write(&outs->file, text, bytes, why, sizeof why) != 0) return fail(EXIT_FAILED, "%s", why);
  return output_close(outs) && output_commit(outs) ? EXIT_OK : EXIT_FAILED;
}

/* The text grows in memory: no disk can lose a part of it. */
static int tune_into(const request *r, cl_device_id device, output outs[MAX_OUTPUTS]) {
  char *text = NULL;
  size_t bytes = 0;
  if (!output_open(outs)) return EXIT_FAILED;
  FILE *memory = open_memstream(&text, &bytes);
  if (!memory) return fail(EXIT_FAILED, "out of memory");
  int code = tune_on(r, device, memory);
  const bool good = !ferror(memory);
  if ((fclose(memory) || !good) && !code) code = fail(EXIT_FAILED, "out of memory");
  if (!code) code = deliver(text, bytes, outs);
  free(text);
  return code;
}

int tune_main(int argc, char **argv) {
  request r = {.device = 0};
  device_list list;
  if (wants_help(argc, argv)) {
    fputs(usage, stdout);
    return finish_output();
  }
  if (parse(&r, argc, argv)) return EXIT_USAGE;
  output_watch_signals();
  if (!devices_find(&list)) return EXIT_FAILED;
  output outs[MAX_OUTPUTS] = {{.file.path = r.out}};
  const int code = !list.n ? fail(EXIT_FAILED, "no OpenCL device")
                   : r.device >= list.n
                       ? fail(EXIT_USAGE, "--device %zu: the last is %zu", r.device, list.n - 1)
                       : tune_into(&r, list.devices[r.device], outs);
  output_discard(outs);
  devices_free(&list);
  return code;
}
