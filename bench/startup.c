/* The new processes are this program's own file, found through /proc: elsewhere than on Linux nothing is measured. PoCL
 * and NVIDIA's driver are told by the environment where their caches lie; it goes back to what it was. */
#define _DEFAULT_SOURCE /* mkdtemp, readlink */
#include "startup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 32, CLASSES = 10 };

static const char *const cache_variables[] = {"POCL_CACHE_DIR", "CUDA_CACHE_PATH"};
enum { VARIABLES = sizeof cache_variables / sizeof *cache_variables };

clloss_status first_result(const struct machine *m, double *ms) {
  float logits[ROWS * CLASSES], loss = NAN;
  int32_t targets[ROWS];
  for (int i = 0; i < ROWS * CLASSES; i++) logits[i] = (float)(i % 7) - 3;
  for (int i = 0; i < ROWS; i++) targets[i] = i % CLASSES;
  cl_int rc;
  cl_mem mem[3] = {NULL};
  mem[0] = clCreateBuffer(m->context, CL_MEM_COPY_HOST_PTR, sizeof logits, logits, &rc);
  if (rc == CL_SUCCESS)
    mem[1] = clCreateBuffer(m->context, CL_MEM_COPY_HOST_PTR, sizeof targets, targets, &rc);
  if (rc == CL_SUCCESS) mem[2] = clCreateBuffer(m->context, CL_MEM_READ_WRITE, sizeof loss, NULL, &rc);
  clloss_xent x = {.struct_size = sizeof x, .rows = ROWS, .classes = CLASSES};
  x.logits = x.grad = (clloss_view){.mem = mem[0], .dtype = CLLOSS_F32};
  x.targets = (clloss_view){.mem = mem[1], .dtype = CLLOSS_I32};
  x.loss = (clloss_view){.mem = mem[2], .dtype = CLLOSS_F32};
  clloss_ctx *ctx = NULL;
  clloss_status status = rc;
  const double start = clock_ms();
  if (status == CLLOSS_SUCCESS) status = clloss_ctx_create(&ctx, m->context, m->device, NULL);
  if (status == CLLOSS_SUCCESS) status = clloss_xent_fused(ctx, &x, NULL, m->queue, 0, NULL, NULL);
  if (status == CLLOSS_SUCCESS)
    status = clEnqueueReadBuffer(m->queue, mem[2], CL_TRUE, 0, sizeof loss, &loss, 0, NULL, NULL);
  *ms = clock_ms() - start;
  clloss_ctx_destroy(&ctx);
  for (int i = 0; i < 3; i++)
    if (mem[i]) clReleaseMemObject(mem[i]);
  return status != CLLOSS_SUCCESS || isfinite(loss) ? status : CL_INVALID_VALUE;
}

/* One new process. The shell gets the program's name through the environment, where blanks and quotes mean nothing. */
static double one_process(unsigned device) {
  char command[128], line[64] = "";
  snprintf(command, sizeof command,
           "exec \"$CLLOSS_BENCH_SELF\" bench --first-result --device %u 2>/dev/null", device);
  FILE *pipe = popen(command, "r");
  if (!pipe) return NAN;
  const int read = fgets(line, sizeof line, pipe) != NULL;
  const int rc = pclose(pipe);
  return read && rc == 0 ? strtod(line, NULL) : (double)NAN;
}

/* A process with an empty cache; then, if `warm`, one with the cache that it has filled. */
static int in_new_folder(unsigned device, double *cold, double *warm) {
  char folder[256];
  const char *parent = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/clloss-bench-XXXXXX", parent && *parent ? parent : "/tmp");
  if (!mkdtemp(folder)) return -1;
  for (int i = 0; i < VARIABLES; i++) setenv(cache_variables[i], folder, 1);
  setenv("CLLOSS_BENCH_FOLDER", folder, 1);
  *cold = one_process(device);
  *warm = one_process(device);
  const int removed = system("rm -rf -- \"$CLLOSS_BENCH_FOLDER\"");
  unsetenv("CLLOSS_BENCH_FOLDER");
  return removed == 0 ? 0 : -1;
}

/* The variables as they were. */
static void restore(char *const before[VARIABLES]) {
  for (int i = 0; i < VARIABLES; i++) {
    if (before[i])
      setenv(cache_variables[i], before[i], 1);
    else
      unsetenv(cache_variables[i]);
    free(before[i]);
  }
  unsetenv("CLLOSS_BENCH_SELF");
}

void first_results(unsigned device, size_t reps, struct result *cold, struct result *warm,
                   void (*tick)(void)) {
  char self[4096], *before[VARIABLES];
  double cold_ms[STATS_MAX_REPS], warm_ms[STATS_MAX_REPS];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  *cold = result_blank("first_result_cold", 0, SHAPE_TINY, ROWS, CLASSES, 1, "f32");
  *warm = result_blank("first_result_warm", 0, SHAPE_TINY, ROWS, CLASSES, 1, "f32");
  cold->reps = warm->reps = reps;
  int rc = length > 0 ? 0 : -1;
  for (int i = 0; i < VARIABLES; i++) {
    const char *value = getenv(cache_variables[i]);
    before[i] = value ? strdup(value) : NULL;
  }
  self[length > 0 ? length : 0] = 0;
  setenv("CLLOSS_BENCH_SELF", self, 1);
  for (size_t i = 0; i < reps && rc == 0; i++) {
    rc = in_new_folder(device, &cold_ms[i], &warm_ms[i]);
    tick();
  }
  restore(before);
  cold->ms = summarize(rc == 0 ? cold_ms : NULL, rc == 0 ? reps : 0);
  warm->ms = summarize(rc == 0 ? warm_ms : NULL, rc == 0 ? reps : 0);
  if (!isfinite(cold->ms.median))
    snprintf(cold->failed, sizeof cold->failed, "a new process gave no first result");
  if (!isfinite(warm->ms.median))
    snprintf(warm->failed, sizeof warm->failed, "a new process gave no first result");
}
