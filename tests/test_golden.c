/* Golden data by PyTorch (golden/make_golden.py) against the scalar reference and against every device, through the
 * public interface: f32, and f64 where the device has it, on each kernel family.
 *
 * Usage: test_golden FILE [CASE] */
#include "golden/golden.h"
#include "harness.h"

#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The data has 13 digits. */
static const golden_bound bound_f64 = {1e-12, 1e-13, 1e-12, 1e-13};
static const golden_bound bound_f32 = {3e-6, 3e-6, 4e-6, 4e-7};

static const double poison = 77;

enum element { REAL, TARGET, I32, I64 };

/* The arrays of a call: where the file's key goes in the structs of reference and library. */
static const struct array {
  int key;
  enum element element;
  size_t ref, view; /* offsets */
} arrays[] = {
#define ARRAY(key, element, ref_field, view_field) \
  { GOLDEN_##key, element, offsetof(clloss_ref_xent, ref_field), offsetof(clloss_xent, view_field) }
    ARRAY(logits, REAL, logits, logits),
    ARRAY(targets, TARGET, targets, targets),
    ARRAY(probabilities, REAL, probabilities, targets),
    ARRAY(class_weight, REAL, class_weight, class_weight),
    ARRAY(row_weight, REAL, row_weight, row_weight),
    ARRAY(grad_loss, REAL, grad_loss, grad_loss),
    ARRAY(loss, REAL, loss, loss),
    ARRAY(row_loss, REAL, row_loss, row_loss),
    ARRAY(row_stats, REAL, row_stats, row_stats),
    ARRAY(predicted, I32, predicted, predicted),
    ARRAY(confidence, REAL, confidence, confidence),
    ARRAY(entropy, REAL, entropy, entropy),
    ARRAY(metrics, REAL, metrics, metrics),
    ARRAY(counts, I64, counts, counts),
    ARRAY(grad, REAL, grad, grad),
#undef ARRAY
};
enum { ARRAYS = sizeof arrays / sizeof *arrays };

static bool is_f64(uint32_t dtype) { return dtype == CLLOSS_F64; }

static uint32_t dtype_of(const golden_case *c, enum element element, uint32_t real) {
  if (element == REAL) return real;
  if (element == I32 || element == I64) return element == I32 ? CLLOSS_I32 : CLLOSS_I64;
  bool wide = is_f64(real); /* so that both types meet every case that fits */
  const golden_values *t = &c->of[GOLDEN_targets];
  for (size_t i = 0; i < t->n; i++) wide |= fabs(t->at[i]) > INT32_MAX;
  return wide ? CLLOSS_I64 : CLLOSS_I32;
}

static size_t size_of(uint32_t dtype) { return dtype == CLLOSS_F64 || dtype == CLLOSS_I64 ? 8 : 4; }

static void put(void *to, uint32_t dtype, size_t i, double value) {
  if (dtype == CLLOSS_F32) ((float *)to)[i] = (float)value;
  if (dtype == CLLOSS_F64) ((double *)to)[i] = value;
  if (dtype == CLLOSS_I32) ((int32_t *)to)[i] = (int32_t)value;
  if (dtype == CLLOSS_I64) ((int64_t *)to)[i] = (int64_t)value;
}

static double take(const void *from, uint32_t dtype, size_t i) {
  if (dtype == CLLOSS_F32) return (double)((const float *)from)[i];
  if (dtype == CLLOSS_F64) return ((const double *)from)[i];
  return dtype == CLLOSS_I32 ? ((const int32_t *)from)[i] : (double)((const int64_t *)from)[i];
}

/* What an array holds before the call: an input, what grad is added to, or poison. NaN in grad shows that it is read
 * although grad_beta is 0. */
static double before(const golden_case *c, int key, size_t i) {
  if (!golden_is_output(key)) return c->of[key].at[i];
  if (key != GOLDEN_grad) return poison;
  return c->of[GOLDEN_old_grad].at ? c->of[GOLDEN_old_grad].at[i] : (double)NAN;
}

static void *filled(const golden_case *c, int key, uint32_t dtype) {
  const size_t n = c->of[key].n;
  void *values = malloc((n + 1) * sizeof(double));
  for (size_t i = 0; values && i < n; i++) put(values, dtype, i, before(c, key, i));
  return values;
}

/* ---- the reference ---- */

static void solve_by_reference(const golden_case *c, uint32_t real, golden_case *got) {
  clloss_ref_xent a = {.rows = (size_t)c->of[GOLDEN_shape].at[0],
                       .classes = (size_t)c->of[GOLDEN_shape].at[1]};
  void *memory[ARRAYS] = {0};
  uint32_t dtypes[ARRAYS];
#define OPTION(name, type) a.name = (type)golden_scalar(c, GOLDEN_##name)
  OPTION(reduction, uint32_t), OPTION(flags, uint32_t), OPTION(ignore_index, int64_t);
  OPTION(label_smoothing, double), OPTION(z_loss, double), OPTION(logit_scale, double),
      OPTION(softcap, double);
  OPTION(divisor, double), OPTION(grad_alpha, double), OPTION(grad_beta, double), OPTION(top_k, uint64_t);
  a.inner = (size_t)c->of[GOLDEN_shape].at[2];
  a.grad_loss_stride = 1;
  for (size_t k = 0; k < ARRAYS; k++) {
    const struct array *array = &arrays[k];
    if (!c->of[array->key].at) continue;
    dtypes[k] = array->element == REAL ? real : CLLOSS_I64;
    memory[k] = filled(c, array->key, dtypes[k]);
    memcpy((char *)&a + array->ref, &memory[k], sizeof memory[k]);
  }
  (is_f64(real) ? clloss_ref_xent_f64 : clloss_ref_xent_f32)(&a);
  for (size_t k = 0; k < ARRAYS; k++) {
    golden_values *to = &got->of[arrays[k].key];
    for (size_t i = 0; to->at && i < to->n; i++) to->at[i] = take(memory[k], dtypes[k], i);
    free(memory[k]);
  }
}

/* ---- a device ---- */

enum pass { FORWARD, BACKWARD, FUSED, PASSES };
static const char *const pass_names[] = {"forward", "backward", "fused"};

/* Whether the pass has a use for the array; backward reads the row_stats that forward wrote. */
static bool binds(enum pass pass, int key) {
  if (pass == FORWARD) return key != GOLDEN_grad && key != GOLDEN_grad_loss;
  return pass == FUSED || !golden_is_output(key) || key == GOLDEN_grad || key == GOLDEN_row_stats;
}

static bool writes(enum pass pass, int key) {
  return golden_is_output(key) && (pass == FUSED || (pass == FORWARD) == (key != GOLDEN_grad)) &&
         (pass != BACKWARD || key == GOLDEN_grad);
}

typedef struct call {
  const harness_device *device;
  clloss_ctx *ctx;
  enum pass pass;
  uint32_t real;
  golden_values stats; /* forward's, for backward */
} call;

static clloss_xent_options options_of(const golden_case *c) {
  clloss_xent_options o = {.struct_size = sizeof o};
#define DEVICE_OPTION(name, type) o.name = (type)golden_scalar(c, GOLDEN_##name)
  DEVICE_OPTION(reduction, uint32_t), DEVICE_OPTION(flags, uint32_t), DEVICE_OPTION(ignore_index, int64_t);
  DEVICE_OPTION(label_smoothing, double), DEVICE_OPTION(z_loss, double), DEVICE_OPTION(logit_scale, double);
  DEVICE_OPTION(softcap, double), DEVICE_OPTION(divisor, double), DEVICE_OPTION(grad_alpha, double);
  DEVICE_OPTION(grad_beta, double), DEVICE_OPTION(top_k, uint64_t);
  if ((o.flags & CLLOSS_IGNORE_INDEX) && o.ignore_index == 0) o.flags |= CLLOSS_IGNORE_ZERO;
  if (c->of[GOLDEN_probabilities].n) o.flags |= CLLOSS_TARGET_PROBABILITIES;
  return o;
}

static cl_mem buffer_of(const call *w, const void *values, size_t bytes) {
  cl_int error;
  return clCreateBuffer(w->device->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, (void *)values,
                        &error);
}

static void *contents(const call *w, const golden_case *c, const struct array *array, uint32_t dtype) {
  void *values = filled(c, array->key, dtype);
  const bool given = array->key == GOLDEN_row_stats && w->pass == BACKWARD;
  for (size_t i = 0; values && given && i < w->stats.n; i++) put(values, dtype, i, w->stats.at[i]);
  return values;
}

static clloss_status enqueue(const call *w, const clloss_xent *x, const clloss_xent_options *o) {
  clloss_status (*const passes[])(clloss_ctx *, const clloss_xent *, const clloss_xent_options *,
                                  cl_command_queue, cl_uint, const cl_event *, cl_event *) = {
      clloss_xent_forward, clloss_xent_backward, clloss_xent_fused};
  return passes[w->pass](w->ctx, x, o, w->device->queue, 0, NULL, NULL);
}

static clloss_status solve_on_device(const call *w, const golden_case *c, golden_case *got) {
  clloss_xent x = {.struct_size = sizeof x, .rows = (size_t)c->of[GOLDEN_shape].at[0]};
  clloss_xent_options o = options_of(c);
  cl_mem mem[ARRAYS + 1] = {0};
  uint32_t dtypes[ARRAYS];
  x.classes = (size_t)c->of[GOLDEN_shape].at[1];
  x.inner = (size_t)c->of[GOLDEN_shape].at[2];
  for (size_t k = 0; k < ARRAYS; k++) {
    const struct array *array = &arrays[k];
    const golden_values *v = &c->of[array->key];
    if (!v->at || !binds(w->pass, array->key)) continue;
    dtypes[k] = dtype_of(c, array->element, w->real);
    void *values = contents(w, c, array, dtypes[k]);
    mem[k] = buffer_of(w, values, v->n * size_of(dtypes[k]));
    free(values);
    *(clloss_view *)((char *)&x + array->view) = (clloss_view){.mem = mem[k], .dtype = dtypes[k]};
  }
  if (o.divisor != 0 && is_f64(w->real)) { /* f32 takes it from the host, f64 from a buffer */
    x.divisor = (clloss_view){.mem = mem[ARRAYS] = buffer_of(w, &o.divisor, sizeof o.divisor),
                              .dtype = CLLOSS_F64};
    o.divisor = 0;
  }
  clloss_status status = enqueue(w, &x, &o);
  for (size_t k = 0; k < ARRAYS; k++) {
    golden_values *to = &got->of[arrays[k].key];
    if (!mem[k] || !writes(w->pass, arrays[k].key) || status != CLLOSS_SUCCESS) continue;
    void *values = malloc(to->n * size_of(dtypes[k]));
    status = clEnqueueReadBuffer(w->device->queue, mem[k], CL_TRUE, 0, to->n * size_of(dtypes[k]), values, 0,
                                 NULL, NULL);
    for (size_t i = 0; i < to->n; i++) to->at[i] = take(values, dtypes[k], i);
    free(values);
  }
  for (size_t k = 0; k <= ARRAYS; k++)
    if (mem[k]) clReleaseMemObject(mem[k]);
  return status;
}

/* ---- the points ---- */

static size_t compared; /* values */

static bool compare(const golden_case *c, const golden_case *got, const golden_bound *bound, enum pass pass,
                    const char *where) {
  size_t failed = 0;
  for (int key = 0; key < GOLDEN_KEY_COUNT; key++) {
    if (!got->of[key].at || !writes(pass, key)) continue;
    failed += golden_compare(c, got, key, bound, where);
    compared += got->of[key].n;
  }
  return failed == 0;
}

static void check_reference(harness *h, const golden_case *c) {
  for (int f64 = 0; f64 < 2; f64++) {
    golden_case got;
    h->point++, h->run++;
    bool good = golden_room(c, &got, poison);
    if (good) solve_by_reference(c, f64 ? CLLOSS_F64 : CLLOSS_F32, &got);
    good = good &&
           compare(c, &got, f64 ? &bound_f64 : &bound_f32, FUSED, f64 ? "reference f64" : "reference f32");
    h->failed += !good;
    golden_free(&got);
  }
}

static const harness_plan plans[] = {
    {CLLOSS_FAMILY_LANE, 0, 0, 0}, {CLLOSS_FAMILY_GROUP, 8, 0, 0}, {CLLOSS_FAMILY_SPLIT, 0, 0, 3}};

static void check_device(harness *h, size_t device, const harness_plan *plan, uint32_t real,
                         const golden_case *c) {
  call w = {.device = &h->devices[device], .ctx = harness_ctx(h, device, plan), .real = real};
  for (w.pass = FORWARD; w.ctx && w.pass < PASSES; w.pass++) {
    char where[100];
    golden_case got;
    snprintf(where, sizeof where, "device %zu, %s, %s %s", device, clloss_family_name(plan->family),
             is_f64(real) ? "f64" : "f32", pass_names[w.pass]);
    h->point++, h->run++;
    bool good = golden_room(c, &got, poison);
    const clloss_status status = good ? solve_on_device(&w, c, &got) : CL_OUT_OF_HOST_MEMORY;
    if (status != CLLOSS_SUCCESS)
      fprintf(stderr, "FAILED %s, %s: %s: %s\n", where, c->name, clloss_status_name(status),
              clloss_ctx_message(w.ctx));
    good = status == CLLOSS_SUCCESS &&
           compare(c, &got, is_f64(real) ? &bound_f64 : &bound_f32, w.pass, where);
    h->failed += !good;
    if (w.pass == FORWARD) {
      w.stats = got.of[GOLDEN_row_stats];
      got.of[GOLDEN_row_stats].at = NULL;
    }
    golden_free(&got);
  }
  free(w.stats.at);
}

static bool has_f64(const harness_device *device) {
  cl_device_fp_config doubles = 0;
  return clGetDeviceInfo(device->device, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles, NULL) ==
             CL_SUCCESS &&
         doubles != 0;
}

static void check_case(harness *h, const golden_case *c) {
  check_reference(h, c);
  for (size_t device = 0; device < h->n_devices; device++) {
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
      check_device(h, device, &plans[i], CLLOSS_F32, c);
      if (has_f64(&h->devices[device])) check_device(h, device, &plans[i], CLLOSS_F64, c);
    }
  }
}

int main(int argc, char **argv) {
  harness h;
  FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
  if (!file) {
    fprintf(stderr, "usage: test_golden FILE [CASE]; can't open %s\n", argc > 1 ? argv[1] : "(nothing)");
    return 2;
  }
  if (!harness_open(&h, 1, argv)) return 2;
  for (size_t i = 0; i < h.n_devices; i++)
    if (!has_f64(&h.devices[i])) printf("device %zu has no f64: f32 only there\n", i);
  size_t cases = 0;
  golden_case c;
  int more;
  while ((more = golden_next(file, &c)) == 1) {
    if (argc < 3 || strcmp(argv[2], c.name) == 0) cases++, check_case(&h, &c);
    golden_free(&c);
  }
  h.failed += more < 0;
  fclose(file);
  printf("%zu cases, %zu values compared\n", cases, compared);
  return harness_close(&h);
}
