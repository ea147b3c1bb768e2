/* Golden data by PyTorch (golden/pointwise.py) against the scalar reference of elementwise losses, in f64 and f32. The
 * kernels are held against the same reference by test_pointwise.c.
 *
 * Usage: test_golden_pointwise FILE */
#include "golden/golden.h"

#include <clloss/clloss_ref.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The data has 13 digits. */
static const golden_bound bound_f64 = {1e-12, 1e-13, 1e-12, 1e-13};
static const golden_bound bound_f32 = {3e-6, 3e-6, 4e-6, 4e-7};

/* Where a key's values go in the reference's struct. */
static const struct {
  int key;
  size_t field;
} arrays[] = {
#define ARRAY(name) \
  { GOLDEN_##name, offsetof(clloss_ref_pointwise, name) }
    ARRAY(input),     ARRAY(target), ARRAY(weight),       ARRAY(pos_weight),
    ARRAY(grad_loss), ARRAY(loss),   ARRAY(element_loss), ARRAY(grad),
#undef ARRAY
};
enum { ARRAYS = sizeof arrays / sizeof *arrays };

/* Room for every value of the case in the arithmetic's type, inputs filled in. */
static void *values_of(const golden_values *v, bool input, bool wide) {
  void *values = calloc(v->n + 1, sizeof(double));
  for (size_t i = 0; values && input && i < v->n; i++) {
    if (wide)
      ((double *)values)[i] = v->at[i];
    else
      ((float *)values)[i] = (float)v->at[i];
  }
  return values;
}

static size_t check(const golden_case *c, bool wide) {
  clloss_ref_pointwise a = {.rows = (size_t)c->of[GOLDEN_shape].at[0],
                            .classes = (size_t)c->of[GOLDEN_shape].at[1],
                            .kind = (uint32_t)golden_scalar(c, GOLDEN_kind),
                            .reduction = (uint32_t)golden_scalar(c, GOLDEN_reduction),
                            .flags = (uint32_t)golden_scalar(c, GOLDEN_flags),
                            .delta = golden_scalar(c, GOLDEN_delta),
                            .gamma = golden_scalar(c, GOLDEN_gamma),
                            .alpha = golden_scalar(c, GOLDEN_alpha),
                            .clip = golden_scalar(c, GOLDEN_clip),
                            .grad_loss_class_stride = 1};
  void *memory[ARRAYS] = {0};
  golden_case got;
  size_t failed = 0;
  a.grad_loss_row_stride = a.classes;
  if (c->of[GOLDEN_weight_strides].n == 2) {
    a.weight_row_stride = (size_t)c->of[GOLDEN_weight_strides].at[0];
    a.weight_class_stride = (size_t)c->of[GOLDEN_weight_strides].at[1];
  }
  if (!golden_room(c, &got, 77)) return 1;
  for (size_t k = 0; k < ARRAYS; k++) {
    if (!c->of[arrays[k].key].at) continue;
    memory[k] = values_of(&c->of[arrays[k].key], !golden_is_output(arrays[k].key), wide);
    memcpy((char *)&a + arrays[k].field, &memory[k], sizeof memory[k]);
  }
  (wide ? clloss_ref_pointwise_f64 : clloss_ref_pointwise_f32)(&a);
  for (size_t k = 0; k < ARRAYS; k++) {
    golden_values *to = &got.of[arrays[k].key];
    for (size_t i = 0; to->at && i < to->n; i++)
      to->at[i] = wide ? ((double *)memory[k])[i] : (double)((float *)memory[k])[i];
    if (to->at)
      failed += golden_compare(c, &got, arrays[k].key, wide ? &bound_f64 : &bound_f32, wide ? "f64" : "f32");
    free(memory[k]);
  }
  golden_free(&got);
  return failed;
}

int main(int argc, char **argv) {
  FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
  golden_case c;
  size_t cases = 0, failed = 0;
  int more = -1;
  if (!file) {
    fprintf(stderr, "usage: %s FILE\n", argv[0]);
    return 2;
  }
  while ((more = golden_next(file, &c)) == 1) {
    failed += check(&c, true) + check(&c, false);
    cases++;
    golden_free(&c);
  }
  fclose(file);
  printf("%zu cases, %zu values wrong\n", cases, failed);
  return failed || more < 0 || cases == 0;
}
