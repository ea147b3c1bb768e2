/* 64-bit offsets of softmax cross-entropy: `index`, the kernels' own index functions by value, and `large`, calls on a
 * buffer of 2.1 GiB (where the device has room for more, also past 2^31 elements), whose results must have the bits of
 * the same rows in a small buffer. A device that gives no 2.1 GiB makes `large` end with 77, which ctest reports as
 * skipped, not as passed. */
#include <clloss/clloss.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "runtime/program.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { SKIPPED = 77 };

static int failures;

static bool good(clloss_status status, const char *doing) {
  if (status == CLLOSS_SUCCESS) return true;
  fprintf(stderr, "FAILED %s: %s\n", doing, clloss_status_name(status));
  failures++;
  return false;
}

/* ---- the index functions ---- */

static const char probe[] = "\nkernel void probe(global ulong *out, ulong offset, ulong outer_stride, ulong "
                            "row_stride, ulong inner,\n"
                            "                  ulong r) {\n"
                            "  const rows_at at = {offset, outer_stride, row_stride, 1};\n"
                            "  out[0] = row_at(&at, inner, r);\n"
                            "  out[1] = at_row(&at, r);\n"
                            "}\n";

static cl_kernel probe_kernel(const harness_device *d, cl_program *program) {
  const clloss__source *source = NULL;
  cl_int error = CL_SUCCESS;
  for (size_t i = 0; i < clloss__n_sources; i++)
    if (strcmp(clloss__sources[i].name, "xent.cl") == 0) source = &clloss__sources[i];
  if (!source) return NULL;
  const char *texts[] = {source->text, probe};
  const size_t sizes[] = {source->size_bytes, sizeof probe - 1};
  *program = clCreateProgramWithSource(d->context, 2, texts, sizes, &error);
  if (!good(error, "creating the probe")) return NULL;
  if (!good(clBuildProgram(*program, 1, &d->device, "-cl-std=CL1.2", NULL, NULL), "building the probe"))
    return NULL;
  cl_kernel kernel = clCreateKernel(*program, "probe", &error);
  return good(error, "the probe's kernel") ? kernel : NULL;
}

static void probe_at(const harness_device *d, cl_kernel kernel, cl_mem out, const cl_ulong *numbers) {
  const cl_ulong offset = numbers[0], outer = numbers[1], row = numbers[2], inner = numbers[3],
                 r = numbers[4];
  const cl_ulong logits = inner == 1 ? offset + r * row : offset + r / inner * outer + r % inner * row;
  const cl_ulong expected[] = {logits, offset + r * row};
  cl_ulong got[2] = {0, 0};
  const size_t one = 1;
  cl_int error = clSetKernelArg(kernel, 0, sizeof out, &out);
  for (cl_uint i = 0; i < 5 && error == CL_SUCCESS; i++)
    error = clSetKernelArg(kernel, i + 1, sizeof numbers[i], &numbers[i]);
  if (error == CL_SUCCESS)
    error = clEnqueueNDRangeKernel(d->queue, kernel, 1, NULL, &one, &one, 0, NULL, NULL);
  if (error == CL_SUCCESS)
    error = clEnqueueReadBuffer(d->queue, out, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL);
  if (!good(error, "running the probe")) return;
  for (int i = 0; i < 2; i++)
    if (got[i] != expected[i]) {
      fprintf(stderr, "FAILED %s of row %llu: %llu, not %llu\n", i ? "at_row" : "row_at",
              (unsigned long long)r, (unsigned long long)got[i], (unsigned long long)expected[i]);
      failures++;
    }
}

static void index_functions(const harness_device *d) {
  /* offset, outer stride, row stride, inner, row */
  static const cl_ulong all[][5] = {{0, 0, 65536, 1, 70000},           {7, 0, 4294967296, 1, 3},
                                    {4294967297, 0, 1, 1, 1},          {0, 131072, 1, 2, 140001},
                                    {5, 8589934592, 1, 4096, 4097},    {3, 65536, 65536, 1, 4294967296},
                                    {9, 4294967296, 65536, 3, 5000000}};
  cl_program program = NULL;
  cl_int error = CL_SUCCESS;
  cl_kernel kernel = probe_kernel(d, &program);
  cl_mem out = clCreateBuffer(d->context, CL_MEM_WRITE_ONLY, 2 * sizeof(cl_ulong), NULL, &error);
  if (!kernel) failures++;
  if (kernel && good(error, "the probe's buffer"))
    for (size_t i = 0; i < COUNT(all); i++) probe_at(d, kernel, out, all[i]);
  if (out) clReleaseMemObject(out);
  if (kernel) clReleaseKernel(kernel);
  if (program) clReleaseProgram(program);
}

/* ---- calls on a large buffer ---- */

enum { ROWS = 3, CLASSES = 100 };

typedef struct results {
  float row_loss[ROWS];
  unsigned char grad[ROWS][CLASSES * sizeof(float)];
} results;

/* Where the rows are, in elements. */
typedef struct place {
  uint32_t dtype;
  size_t offset, stride;
} place;

static cl_int move_rows(const harness_device *d, cl_mem mem, const place *p,
                        unsigned char rows[ROWS][CLASSES * 4], bool to_device) {
  const size_t size = harness_bytes(p->dtype), bytes = CLASSES * size;
  cl_int error = CL_SUCCESS;
  for (size_t r = 0; r < ROWS && error == CL_SUCCESS; r++) {
    const size_t at = (p->offset + r * p->stride) * size;
    error = to_device ? clEnqueueWriteBuffer(d->queue, mem, CL_TRUE, at, bytes, rows[r], 0, NULL, NULL)
                      : clEnqueueReadBuffer(d->queue, mem, CL_TRUE, at, bytes, rows[r], 0, NULL, NULL);
  }
  return error;
}

/* In place: what an index that wraps reads or writes is somewhere else in the buffer. */
static bool compute(const harness_device *d, clloss_ctx *ctx, cl_mem mem, const place *p, results *to) {
  cl_int error = CL_SUCCESS;
  uint64_t state = 12345;
  int32_t targets[ROWS];
  unsigned char rows[ROWS][CLASSES * 4];
  for (size_t r = 0; r < ROWS; r++) {
    targets[r] = (int32_t)harness_pick(&state, CLASSES);
    for (size_t c = 0; c < CLASSES; c++) harness_put(p->dtype, rows[r], c, 10 * harness_uniform(&state) - 5);
  }
  cl_mem target_mem = clCreateBuffer(d->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof targets,
                                     targets, &error);
  cl_mem loss_mem = clCreateBuffer(d->context, CL_MEM_READ_WRITE, sizeof to->row_loss, NULL, &error);
  clloss_view logits = {.mem = mem, .offset = p->offset, .row_stride = p->stride, .dtype = p->dtype};
  clloss_xent x = {
      .struct_size = sizeof x, .rows = ROWS, .classes = CLASSES, .logits = logits, .grad = logits};
  x.targets = (clloss_view){.mem = target_mem, .dtype = CLLOSS_I32};
  x.row_loss = (clloss_view){.mem = loss_mem, .dtype = CLLOSS_F32};
  memset(to, 0, sizeof *to);
  bool done = good(error, "small buffers") && good(move_rows(d, mem, p, rows, true), "writing the logits") &&
              good(clloss_xent_fused(ctx, &x, NULL, d->queue, 0, NULL, NULL), "clloss_xent_fused") &&
              good(move_rows(d, mem, p, to->grad, false), "reading the gradient") &&
              good(clEnqueueReadBuffer(d->queue, loss_mem, CL_TRUE, 0, sizeof to->row_loss, to->row_loss, 0,
                                       NULL, NULL),
                   "reading the losses");
  if (target_mem) clReleaseMemObject(target_mem);
  if (loss_mem) clReleaseMemObject(loss_mem);
  return done;
}

static void compare(const harness_device *d, clloss_ctx *ctx, const place *far) {
  /* at the same places among 16 bytes, as a group's items share a row by those */
  const place near = {far->dtype, far->offset % 8, CLASSES / 8 * 8 + 8 + far->stride % 8};
  const size_t size = harness_bytes(far->dtype);
  const size_t bytes[] = {(near.offset + (ROWS - 1) * near.stride + CLASSES) * size,
                          (far->offset + (ROWS - 1) * far->stride + CLASSES) * size};
  const place *places[] = {&near, far};
  results of[2];
  bool done = true;
  for (int i = 0; i < 2 && done; i++) {
    cl_int error = CL_SUCCESS;
    cl_mem mem = clCreateBuffer(d->context, CL_MEM_READ_WRITE, bytes[i], NULL, &error);
    done = good(error, "a large buffer") && compute(d, ctx, mem, places[i], &of[i]);
    if (mem) clReleaseMemObject(mem);
  }
  if (!done) return;
  bool is_zero = true;
  for (size_t r = 0; r < ROWS; r++) is_zero &= of[0].row_loss[r] == 0;
  if (is_zero || memcmp(&of[0], &of[1], sizeof of[0]) != 0) {
    fprintf(stderr, "FAILED type %u at offset %zu, stride %zu: other results than in a small buffer\n",
            far->dtype, far->offset, far->stride);
    failures++;
  }
}

/* How many of the places the device has room for. */
static size_t large_buffers(const harness_device *d, clloss_ctx *ctx) {
  /* 2.1 GiB; the last row starts past 2^31 bytes, or past 2^31 elements */
  static const place far[] = {{CLLOSS_F32, 563000000, 0},
                              {CLLOSS_F32, 3, 281000000},
                              {CLLOSS_BF16, 1, 1073741900},
                              {CLLOSS_F32, 5, 1073741900}};
  cl_ulong most = 0;
  clGetDeviceInfo(d->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof most, &most, NULL);
  size_t ran = 0;
  for (size_t i = 0; i < COUNT(far); i++) {
    place p = far[i];
    if (!p.stride) p.stride = CLASSES;
    const size_t bytes = (p.offset + (ROWS - 1) * p.stride + CLASSES) * harness_bytes(p.dtype);
    if (bytes > most) {
      printf("no room for %zu bytes: this device gives at most %llu\n", bytes, (unsigned long long)most);
      continue;
    }
    compare(d, ctx, &p);
    ran++;
  }
  return ran;
}

int main(int argc, char **argv) {
  static const harness_plan plans[] = {{0}, {CLLOSS_FAMILY_GROUP, 8, 0, 0}};
  const char *part = argc > 1 ? argv[1] : "";
  const bool index = strcmp(part, "index") == 0;
  harness h;
  uint64_t seed;
  size_t ran = 0;
  if (!index && strcmp(part, "large") != 0) {
    fprintf(stderr, "usage: %s index|large [what the harness takes]\n", argv[0]);
    return 2;
  }
  argv[1] = argv[0];
  if (!harness_open(&h, argc - 1, argv + 1)) return 2;
  for (size_t i = 0; i < h.n_devices; i++) {
    if (index && harness_next(&h, &seed)) index_functions(&h.devices[i]);
    for (size_t plan = 0; plan < COUNT(plans) && !index; plan++) {
      clloss_ctx *ctx = harness_ctx(&h, i, &plans[plan]);
      if (harness_next(&h, &seed) && ctx) ran += large_buffers(&h.devices[i], ctx);
    }
  }
  h.failed += (size_t)failures;
  const int status = harness_close(&h);
  if (index || ran || status) return status;
  printf("skipped: no device gives a buffer of 2.1 GiB\n");
  return SKIPPED;
}
