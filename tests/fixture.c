/* The device and the problems of fixture.h. */
#include "fixture.h"

#include <clloss/clloss_ref.h>
#include <dlfcn.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POISON = 0xA5, IGNORED = -100 };
#define UPSTREAM 0.5

const char *const pass_names[PASS_COUNT] = {"forward", "backward", "fused"};
const char *const slot_names[SLOT_COUNT] = {"logits",    "targets", "loss",      "row_loss",
                                            "row_stats", "grad",    "grad_loss", "workspace"};

const char *const transfer_names[TRANSFER_COUNT] = {"upload",      "download", "upload_as",
                                                    "download_as", "map",      "unmap"};

bool fixture_open(fixture *f) {
  cl_platform_id platforms[8];
  cl_uint count = 0;
  cl_int status = clGetPlatformIDs(8, platforms, &count);
  memset(f, 0, sizeof *f);
  for (cl_uint i = 0; i < count && i < 8 && !f->device; i++) {
    f->platform = platforms[i];
    status = clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &f->device, NULL);
    if (status != CL_SUCCESS) f->device = NULL;
  }
  if (f->device) f->context = clCreateContext(NULL, 1, &f->device, NULL, NULL, &status);
  if (f->context) f->queue = fixture_queue(f, 0);
  if (f->queue) return true;
  fprintf(stderr, "no OpenCL device, context or queue: %s\n", clloss_status_name(status));
  fixture_close(f);
  return false;
}

void fixture_close(fixture *f) {
  if (f->queue) clReleaseCommandQueue(f->queue);
  if (f->context) clReleaseContext(f->context);
  memset(f, 0, sizeof *f);
}

cl_command_queue fixture_queue(const fixture *f, cl_command_queue_properties properties) {
  cl_int status;
  cl_command_queue queue = clCreateCommandQueue(f->context, f->device, properties, &status);
  if (!queue) fprintf(stderr, "clCreateCommandQueue: %s\n", clloss_status_name(status));
  return queue;
}

const layer_api *layer_open(void) {
  const char *path = getenv("CLLOSS_LAYER");
  cl_uint platforms;
  clGetPlatformIDs(0, NULL, &platforms); /* the loader loads layers at the first call */
  void *library = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
  const layer_api *layer = library ? dlsym(library, "layer_table") : NULL;
  if (!layer)
    fprintf(stderr, "CLLOSS_LAYER=%s isn't among the layers that OPENCL_LAYERS loads\n",
            path ? path : "(unset)");
  return layer;
}

void layer_snapshot(const layer_api *layer, int64_t live[LAYER_KIND_COUNT]) {
  for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) live[kind] = layer->live(kind);
}

int layer_grown(const layer_api *layer, const int64_t before[LAYER_KIND_COUNT], const char *where) {
  int grown = 0;
  for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
    int64_t now = layer->live(kind);
    if (now == before[kind]) continue;
    fprintf(stderr, "%s: %s references went from %lld to %lld\n", where, layer->kind_name(kind),
            (long long)before[kind], (long long)now);
    grown++;
  }
  return grown;
}

static void fill(problem *p, unsigned seed) {
  uint32_t state = seed * 2654435761u + 1u;
  for (size_t i = 0; i < p->rows * p->classes; i++) {
    state = state * 1664525u + 1013904223u;
    p->logits[i] = (float)(state >> 8) / (float)(1 << 21) - 4.0f; /* [-4, 4) */
  }
  for (size_t r = 0; r < p->rows; r++) p->targets[r] = (int32_t)((r * 7 + seed) % p->classes);
  if (p->rows > 1) p->targets[1] = IGNORED;
}

static bool expect(problem *p) {
  size_t n = p->rows * p->classes;
  double *logits = malloc(n * sizeof *logits), upstream = UPSTREAM;
  int64_t *targets = malloc(p->rows * sizeof *targets);
  if (logits && targets) {
    for (size_t i = 0; i < n; i++) logits[i] = (double)p->logits[i];
    for (size_t r = 0; r < p->rows; r++) targets[r] = p->targets[r];
    clloss_ref_xent_f64(&(clloss_ref_xent){.rows = p->rows,
                                           .classes = p->classes,
                                           .logits = logits,
                                           .targets = targets,
                                           .reduction = p->options.reduction,
                                           .flags = p->options.flags,
                                           .ignore_index = p->options.ignore_index,
                                           .grad_loss = &upstream,
                                           .loss = &p->loss,
                                           .row_loss = p->row_loss,
                                           .row_stats = p->row_stats,
                                           .grad = p->grad});
  }
  bool ok = logits && targets;
  free(logits);
  free(targets);
  return ok;
}

static bool write_inputs(const problem *p, cl_command_queue queue) {
  float *stats = malloc(p->bytes[ROW_STATS]), *upstream = malloc(p->bytes[GRAD_LOSS]);
  cl_int status = stats && upstream ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
  if (!status) {
    for (size_t i = 0; i < p->bytes[ROW_STATS] / 4; i++) stats[i] = (float)p->row_stats[i];
    for (size_t i = 0; i < p->bytes[GRAD_LOSS] / 4; i++) upstream[i] = (float)UPSTREAM;
    const void *from[] = {p->logits, p->targets, stats, upstream};
    const enum slot to[] = {LOGITS, TARGETS, ROW_STATS, GRAD_LOSS};
    for (int i = 0; i < 4 && !status; i++)
      status = clEnqueueWriteBuffer(queue, p->mem[to[i]], CL_TRUE, 0, p->bytes[to[i]], from[i], 0, NULL,
                                    NULL);
  }
  free(stats);
  free(upstream);
  if (status) fprintf(stderr, "problem: %s\n", clloss_status_name(status));
  return !status;
}

bool problem_open(problem *p, cl_command_queue queue, size_t rows, size_t classes, uint32_t reduction,
                  unsigned seed) {
  size_t n = rows * classes;
  cl_int status = CL_SUCCESS;
  memset(p, 0, sizeof *p);
  p->rows = rows;
  p->classes = classes;
  p->options = (clloss_xent_options){.struct_size = sizeof p->options,
                                     .reduction = reduction,
                                     .flags = CLLOSS_IGNORE_INDEX,
                                     .ignore_index = IGNORED};
  clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof p->context, &p->context, NULL);
  const size_t elements[SLOT_COUNT] = {n, rows, 1, rows, rows * 2, n, reduction == CLLOSS_NONE ? rows : 1, 0};
  for (int slot = 0; slot < WORKSPACE && !status; slot++) {
    p->bytes[slot] = elements[slot] * 4;
    p->mem[slot] = clCreateBuffer(p->context, CL_MEM_READ_WRITE, p->bytes[slot], NULL, &status);
  }
  p->logits = malloc(n * sizeof *p->logits);
  p->targets = malloc(rows * sizeof *p->targets);
  p->row_loss = malloc(rows * sizeof *p->row_loss);
  p->row_stats = malloc(rows * 2 * sizeof *p->row_stats);
  p->grad = malloc(n * sizeof *p->grad);
  if (!status && p->logits && p->targets && p->row_loss && p->row_stats && p->grad) {
    fill(p, seed);
    if (expect(p) && write_inputs(p, queue)) return true;
  }
  fprintf(stderr, "can't make a problem of %zu x %zu: %s\n", rows, classes, clloss_status_name(status));
  problem_close(p);
  return false;
}

void problem_close(problem *p) {
  for (int slot = 0; slot < SLOT_COUNT; slot++)
    if (p->mem[slot]) clReleaseMemObject(p->mem[slot]);
  free(p->logits);
  free(p->targets);
  free(p->row_loss);
  free(p->row_stats);
  free(p->grad);
  memset(p, 0, sizeof *p);
}

bool problem_own_workspace(problem *p, clloss_ctx *ctx) {
  const clloss_xent xent = problem_xent(p, FUSED); /* with its views the answer is to the byte */
  cl_int status = clloss_xent_workspace(ctx, &xent, &p->options, &p->bytes[WORKSPACE]);
  if (!status && p->bytes[WORKSPACE])
    p->mem[WORKSPACE] = clCreateBuffer(p->context, CL_MEM_READ_WRITE, p->bytes[WORKSPACE], NULL, &status);
  if (status)
    fprintf(stderr, "workspace of %zu bytes: %s\n", p->bytes[WORKSPACE], clloss_status_name(status));
  return !status;
}

clloss_view *xent_slot(clloss_xent *x, enum slot slot) {
  clloss_view *views[SLOT_COUNT] = {&x->logits,    &x->targets, &x->loss,      &x->row_loss,
                                    &x->row_stats, &x->grad,    &x->grad_loss, &x->workspace};
  return views[slot];
}

bool pass_writes(pass which, const clloss_xent_options *options, enum slot slot) {
  if (slot == GRAD) return which != FORWARD;
  if (slot == LOSS) return which != BACKWARD && options->reduction != CLLOSS_NONE;
  return which != BACKWARD && (slot == ROW_LOSS || slot == ROW_STATS);
}

clloss_xent problem_xent(const problem *p, pass which) {
  clloss_xent x = {.struct_size = sizeof x, .rows = p->rows, .classes = p->classes};
  for (int slot = 0; slot < SLOT_COUNT; slot++) {
    bool input = slot == LOGITS || slot == TARGETS || slot == WORKSPACE ||
                 (slot == GRAD_LOSS && which != FORWARD) || (slot == ROW_STATS && which == BACKWARD);
    if (!input && !pass_writes(which, &p->options, (enum slot)slot)) continue;
    uint32_t dtype = slot == TARGETS ? CLLOSS_I32 : slot == WORKSPACE ? CLLOSS_U8 : CLLOSS_F32;
    *xent_slot(&x, (enum slot)slot) = (clloss_view){.mem = p->mem[slot], .dtype = dtype};
  }
  return x;
}

clloss_status run_pass(pass which, clloss_ctx *ctx, const clloss_xent *xent,
                       const clloss_xent_options *options, cl_command_queue queue, cl_uint n_wait,
                       const cl_event *wait, cl_event *done) {
  if (which == FORWARD) return clloss_xent_forward(ctx, xent, options, queue, n_wait, wait, done);
  if (which == BACKWARD) return clloss_xent_backward(ctx, xent, options, queue, n_wait, wait, done);
  return clloss_xent_fused(ctx, xent, options, queue, n_wait, wait, done);
}

clloss_status problem_run(const problem *p, pass which, clloss_ctx *ctx, cl_command_queue queue,
                          cl_uint n_wait, const cl_event *wait, cl_event *done) {
  clloss_xent x = problem_xent(p, which);
  return run_pass(which, ctx, &x, &p->options, queue, n_wait, wait, done);
}

bool problem_poison(const problem *p, pass which, cl_command_queue queue) {
  cl_int status = CL_SUCCESS;
  unsigned char poison = POISON;
  for (int slot = 0; slot < SLOT_COUNT && !status; slot++)
    if (pass_writes(which, &p->options, (enum slot)slot))
      status = clEnqueueFillBuffer(queue, p->mem[slot], &poison, 1, 0, p->bytes[slot], 0, NULL, NULL);
  if (!status) status = clFinish(queue);
  if (status) fprintf(stderr, "poison: %s\n", clloss_status_name(status));
  return !status;
}

static void *read_slot(const problem *p, enum slot slot, cl_command_queue queue) {
  void *host = malloc(p->bytes[slot]);
  cl_int status = host ? clEnqueueReadBuffer(queue, p->mem[slot], CL_TRUE, 0, p->bytes[slot], host, 0, NULL,
                                             NULL)
                       : CL_OUT_OF_HOST_MEMORY;
  if (!status) return host;
  fprintf(stderr, "reading an output: %s\n", clloss_status_name(status));
  free(host);
  return NULL;
}

bool problem_untouched(const problem *p, pass which, cl_command_queue queue) {
  for (int slot = 0; slot < SLOT_COUNT; slot++) {
    if (!pass_writes(which, &p->options, (enum slot)slot)) continue;
    unsigned char *host = read_slot(p, (enum slot)slot, queue);
    size_t i = 0;
    while (host && i < p->bytes[slot] && host[i] == POISON) i++;
    free(host);
    if (!host) return false;
    if (i == p->bytes[slot]) continue;
    fprintf(stderr, "%s: byte %zu of %s was written\n", pass_names[which], i, slot_names[slot]);
    return false;
  }
  return true;
}

static bool slot_right(const problem *p, pass which, enum slot slot, const double *expected,
                       cl_command_queue queue) {
  float *host = read_slot(p, slot, queue);
  size_t i = 0, n = p->bytes[slot] / 4;
  bool ok = host != NULL;
  for (; ok && i < n; i++) ok = fabs((double)host[i] - expected[i]) <= 1e-5 + 1e-5 * fabs(expected[i]);
  if (host && !ok)
    fprintf(stderr, "%s of %zu x %zu: %s[%zu] is %g, expected %g\n", pass_names[which], p->rows, p->classes,
            slot_names[slot], i - 1, (double)host[i - 1], expected[i - 1]);
  free(host);
  return ok;
}

bool problem_right(const problem *p, pass which, cl_command_queue queue) {
  const double *expected[SLOT_COUNT] = {
      [LOSS] = &p->loss, [ROW_LOSS] = p->row_loss, [ROW_STATS] = p->row_stats, [GRAD] = p->grad};
  bool ok = true;
  for (int slot = 0; slot < SLOT_COUNT; slot++)
    if (pass_writes(which, &p->options, (enum slot)slot))
      ok = slot_right(p, which, (enum slot)slot, expected[slot], queue) && ok;
  return ok;
}

static const char *volatile running;

static void hung(int signal) {
  static const char text[] = " hasn't returned after 10 s\n";
  (void)signal;
  const bool told = write(STDERR_FILENO, running, strlen(running)) > 0 &&
                    write(STDERR_FILENO, text, sizeof text - 1) > 0;
  _exit(told ? 1 : 2);
}

clloss_status transfer_run(transfer which, clloss_tensor *tensor, void *host, void **mapped,
                           cl_command_queue queue, cl_uint n_wait, const cl_event *wait, cl_event *done) {
  clloss_status status = CLLOSS_NULL_ARGUMENT;
  running = transfer_names[which];
  signal(SIGALRM, hung);
  alarm(10);
  switch (which) {
  case UPLOAD: status = clloss_tensor_upload(tensor, host, queue, n_wait, wait, done); break;
  case DOWNLOAD: status = clloss_tensor_download(tensor, host, queue, n_wait, wait, done); break;
  case UPLOAD_AS:
    status = clloss_tensor_upload_as(tensor, CLLOSS_F64, host, queue, n_wait, wait, done);
    break;
  case DOWNLOAD_AS:
    status = clloss_tensor_download_as(tensor, CLLOSS_F64, host, queue, n_wait, wait, done);
    break;
  case MAP: status = clloss_tensor_map(tensor, mapped, queue, n_wait, wait, done); break;
  case UNMAP: status = clloss_tensor_unmap(tensor, queue, n_wait, wait, done); break;
  case TRANSFER_COUNT: break;
  }
  alarm(0);
  return status;
}
