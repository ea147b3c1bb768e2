/* The data of a shape. Logits and targets are the tests' random ones; class weights lie between 0.5 and 1.5; the
 * probabilities of a row are those of other logits, so that they add up to 1. */
#include "problem.h"

#include "case.h"
#include "case_xent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20240229u

size_t shape_rows(const struct bench_shape *s) {
  size_t rows = s->rows ? s->rows : s->size_bytes / (4 * s->classes);
  return rows > 0 ? rows : 1;
}

static cl_mem upload(const struct machine *m, size_t bytes, void *from, cl_int *rc) {
  if (*rc != CL_SUCCESS) return NULL;
  return clCreateBuffer(m->context, from ? CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR : CL_MEM_READ_WRITE, bytes,
                        from, rc);
}

static void fill_weights(struct problem *p) {
  uint64_t state = SEED;
  for (size_t c = 0; c < p->classes; c++) p->class_weight[c] = (float)(0.5 + harness_uniform(&state));
}

/* Row by row, of a short period in the classes: an exp for each of 64 million would take longer than the benchmark. */
static void fill_probabilities(struct problem *p) {
  enum { PERIOD = 61 };
  float wave[PERIOD];
  uint64_t state = SEED;
  for (int i = 0; i < PERIOD; i++) wave[i] = expf(4 * (float)harness_uniform(&state));
  for (size_t r = 0; r < p->rows; r++) {
    float *row = p->probabilities + r * p->classes;
    double sum = 0;
    for (size_t c = 0; c < p->classes; c++) sum += (double)wave[(c + r) % PERIOD];
    const float scale = (float)(1 / sum);
    for (size_t c = 0; c < p->classes; c++) row[c] = wave[(c + r) % PERIOD] * scale;
  }
}

/* From row by row to how they lie on the device: a class axis in the middle is the transpose of each outer row. */
static clloss_status lay_out(const struct problem *p) {
  const size_t block = p->classes * p->inner;
  if (p->inner == 1) return CLLOSS_SUCCESS;
  float *rows = malloc(4 * block);
  if (!rows) return CL_OUT_OF_HOST_MEMORY;
  for (float *at = p->logits; at < p->logits + p->rows * p->classes; at += block) {
    memcpy(rows, at, 4 * block);
    for (size_t c = 0; c < p->classes; c++)
      for (size_t i = 0; i < p->inner; i++) at[c * p->inner + i] = rows[i * p->classes + c];
  }
  free(rows);
  return CLLOSS_SUCCESS;
}

static cl_mem upload_labels(const struct problem *p, const struct machine *m, cl_int *rc) {
  float *labels = malloc(4 * p->rows);
  if (!labels) *rc = CL_OUT_OF_HOST_MEMORY;
  for (size_t r = 0; labels && r < p->rows; r++) labels[r] = (float)p->targets[r];
  const cl_mem mem = upload(m, 4 * p->rows, labels, rc);
  free(labels);
  return mem;
}

static clloss_status fill(struct problem *p, const struct machine *m, int32_t *targets) {
  const xent_shape s = {.rows = p->rows, .classes = p->classes};
  xent_fill_rows(&s, SEED, p->logits, targets);
  cl_int rc = lay_out(p);
  for (size_t r = 0; r < p->rows; r++) p->targets[r] = targets[r];
  fill_weights(p);
  p->device_targets = upload(m, 4 * p->rows, targets, &rc);
  p->device_labels = upload_labels(p, m, &rc);
  p->device_class_weight = upload(m, 4 * p->classes, p->class_weight, &rc);
  p->loss = upload(m, 4, NULL, &rc);
  p->row_stats = upload(m, 8 * p->rows, NULL, &rc);
  if (p->probabilities) {
    fill_probabilities(p);
    p->device_probabilities = upload(m, 4 * p->rows * p->classes, p->probabilities, &rc);
  }
  return rc;
}

int problem_open(struct problem *p, const struct machine *m, uint32_t family, const struct bench_shape *shape,
                 int with_probabilities, char *why, size_t why_size) {
  const size_t rows = shape_rows(shape), classes = shape->classes;
  const clloss_ctx_options options = {
      .struct_size = sizeof options, .message = why, .message_size_bytes = why_size, .family = family};
  clloss_status rc = CL_OUT_OF_HOST_MEMORY;
  memset(p, 0, sizeof *p);
  p->rows = rows;
  p->classes = classes;
  p->inner = shape->inner;
  p->logits = malloc(4 * rows * classes);
  p->class_weight = malloc(4 * classes);
  p->targets = malloc(8 * rows);
  if (with_probabilities) p->probabilities = malloc(4 * rows * classes);
  int32_t *targets = malloc(4 * rows);
  *why = 0;
  if (p->logits && p->class_weight && p->targets && targets && (p->probabilities || !with_probabilities))
    rc = fill(p, m, targets);
  free(targets);
  if (rc == CL_SUCCESS) rc = clloss_ctx_create(&p->ctx, m->context, m->device, &options);
  if (rc == CL_SUCCESS) return 0;
  if (!*why)
    snprintf(why, why_size, "can't allocate %zu rows of %zu classes: %s", rows, classes,
             clloss_status_name(rc));
  problem_close(p);
  return -1;
}

static clloss_status fill_certain(struct problem *p, uint32_t dtype) {
  const size_t n = p->rows * p->classes;
  float *x = malloc(4 * n);
  uint64_t state = SEED;
  if (!x) return CL_OUT_OF_HOST_MEMORY;
  for (size_t i = 0; i < n; i++) x[i] = (float)(2 * harness_uniform(&state));
  for (size_t r = 0; r < p->rows; r++) {
    const double height = case_draw_certain(p->classes, case_certain_end(false), &state).height;
    const size_t first = r / p->inner * p->inner * p->classes + r % p->inner;
    x[first + (size_t)p->targets[r] * p->inner] = (float)height;
  }
  const clloss_status status = clloss_convert(dtype, p->other, CLLOSS_F32, x, n);
  free(x);
  return status;
}

clloss_status problem_make_other(struct problem *p, uint32_t dtype, int certain) {
  if (p->other && p->other_dtype == dtype && p->other_certain == certain) return CLLOSS_SUCCESS;
  if (!p->other) p->other = malloc(4 * p->rows * p->classes);
  if (!p->other) return CL_OUT_OF_HOST_MEMORY;
  p->other_dtype = dtype;
  p->other_certain = certain;
  if (certain) return fill_certain(p, dtype);
  return clloss_convert(dtype, p->other, CLLOSS_F32, p->logits, p->rows * p->classes);
}

void problem_close(struct problem *p) {
  const cl_mem all[] = {p->device_targets,       p->device_labels, p->device_class_weight,
                        p->device_probabilities, p->loss,          p->row_stats};
  clloss_ctx_destroy(&p->ctx);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i]) clReleaseMemObject(all[i]);
  free(p->logits);
  free(p->class_weight);
  free(p->probabilities);
  free(p->targets);
  free(p->other);
  memset(p, 0, sizeof *p);
}
