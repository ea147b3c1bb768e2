/* Conversion of reals as the harness sees it. The truth is the number as the type to write has it, rounded once by the harness
 * itself, and nothing may be off but by the half place that the harness grants any type of 16 bits: a neighbour shows but for the one
 * just below a power of two. test_cast.c compares bits. */
#include "case_cast.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static uint32_t type_of(uint32_t dtype) { return dtype ? dtype : CLLOSS_F32; }

static void describe(const harness_case *c, const void *shape, char *text, size_t size) {
  const cast_shape *s = shape;
  *text = 0;
  case_say(text, size, "%s %zu x %zu, %s to %s", c->name, s->rows, s->classes,
           case_type_name(type_of(s->read)), case_type_name(type_of(s->write)));
  case_say_layout(text, size, &s->layout);
}

static clloss_status arrays(const harness_case *c, const void *shape, clloss_ctx *ctx, harness_array *a) {
  const cast_shape *s = shape;
  (void)c, (void)ctx;
  a[CAST_INPUT] = case_matrix(&s->layout, "input", HARNESS_INPUT, type_of(s->read), 0);
  a[CAST_OUTPUT] = case_matrix(&s->layout, "output", HARNESS_OUTPUT, type_of(s->write), 1);
  return CLLOSS_SUCCESS;
}

/* Of both signs, from far below the least to far beyond the greatest number of any type; and what is no number. */
static clloss_status fill(const harness_case *c, const void *shape, uint64_t seed, harness_data *d) {
  const cast_shape *s = shape;
  (void)c;
  for (size_t i = 0; i < s->rows * s->classes; i++) {
    const double fraction = 2 * harness_uniform(&seed) - 1;
    const int spread = harness_pick(&seed, 4) ? 40 : 320, power = (int)harness_pick(&seed, (size_t)spread);
    double x = ldexp(fraction, power - spread / 2);
    if (harness_pick(&seed, 50) == 0)
      x = harness_pick(&seed, 2) ? (double)NAN : copysign((double)INFINITY, x);
    harness_put(type_of(s->read), d->data[CAST_INPUT], i, x);
  }
  return CLLOSS_SUCCESS;
}

static clloss_status reference(const harness_case *c, const void *shape, harness_data *d) {
  const cast_shape *s = shape;
  double *const truth = d->truth[CAST_OUTPUT];
  (void)c;
  for (size_t i = 0; i < s->rows * s->classes; i++) {
    double kept; /* room for an element of any type */
    harness_put(type_of(s->write), &kept, 0, harness_get(type_of(s->read), d->data[CAST_INPUT], i));
    truth[i] = harness_get(type_of(s->write), &kept, 0);
  }
  memcpy(d->plain[CAST_OUTPUT], truth, s->rows * s->classes * sizeof *truth);
  return CLLOSS_SUCCESS;
}

static void bound(const harness_case *c, const void *shape, const clloss_plan *plan, const harness_data *d,
                  int array, size_t row, double *to) {
  const cast_shape *s = shape;
  (void)c, (void)plan, (void)d, (void)array, (void)row;
  for (size_t i = 0; i < s->classes; i++) to[i] = 0;
}

static clloss_status plan_of(const harness_case *c, const void *shape, clloss_ctx *ctx, clloss_plan *plan) {
  (void)c, (void)shape, (void)ctx, (void)plan;
  return CLLOSS_SUCCESS;
}

static const case_fields fields = {
    [CAST_INPUT] = offsetof(clloss_cast_arrays, input), [CAST_OUTPUT] = offsetof(clloss_cast_arrays, output)};

static clloss_status call(const harness_case *c, const void *shape, clloss_ctx *ctx, const clloss_view *views,
                          cl_command_queue queue, cl_event *done) {
  const cast_shape *s = shape;
  clloss_cast_arrays x = {.struct_size = sizeof x, .rows = s->rows, .classes = s->classes};
  (void)c;
  case_bind(&x, fields, views);
  return clloss_cast(ctx, &x, queue, 0, NULL, done);
}

const harness_case cast_case = CASE("cast", 0, reference, bound);
