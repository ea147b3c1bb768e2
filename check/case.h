/* What the cases of all losses share: sizes and layout of a shape, arrays that lie so, and the way from the harness's
 * arrays to the views of a call. What a loss adds stands in case_<loss>.h. */
#ifndef CLLOSS_CHECK_CASE_H
#define CLLOSS_CHECK_CASE_H

#include "harness.h"

typedef struct case_layout {
  size_t rows, classes;
  size_t inner;     /* 0: 1 */
  size_t offset;    /* elements before the first of every array; a workspace rounds it up to 8 */
  size_t pad;       /* elements between rows of matrices (outer rows where inner > 1) */
  size_t class_pad; /* and between their classes */
  size_t row_pad;   /* the same of everything that has one value or tuple per row */
} case_layout;

/* Opens the struct that is a loss's shape: the members of case_layout, and `layout` for all of them. */
#define CASE_LAYOUT                                                 \
  union {                                                           \
    case_layout layout;                                             \
    struct {                                                        \
      size_t rows, classes, inner, offset, pad, class_pad, row_pad; \
    };                                                              \
  }

size_t case_inner(const case_layout *l);

/* A layout of so many rows (times inner) and classes, the rest of it drawn; classes that lie apart only where they are few. */
case_layout case_draw_layout(size_t rows, size_t classes, uint64_t *state);

/* ---- words ---- */

/* Appends to a text, which may be full. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void case_say(char *text, size_t size, const char *format, ...);
void case_say_layout(char *text, size_t size, const case_layout *l);
const char *case_type_name(uint32_t dtype);
const char *case_reduction_name(uint32_t reduction);

/* ---- arrays ---- */

/* Rows of so many columns, pad elements between them. */
harness_array case_array(const case_layout *l, const char *name, harness_role role, uint32_t dtype,
                         size_t rows, size_t columns, size_t pad);

/* One laid out as logits are; skew, which moves it and widens its pads, tells two of them apart. */
harness_array case_matrix(const case_layout *l, const char *name, harness_role role, uint32_t dtype,
                          size_t skew);

/* A value, or tuple, for each row. */
harness_array case_column(const case_layout *l, const char *name, harness_role role, uint32_t dtype,
                          size_t columns);

/* An input of one value for all rows (with this flag of the view), or one for each. */
harness_array case_per_row(const case_layout *l, const char *name, uint32_t dtype, bool one, uint32_t flag);

/* The caller's own workspace. */
harness_array case_workspace(const case_layout *l, size_t bytes);

/* ---- class indices (case_labels.c) ---- */

bool case_is_real(uint32_t dtype);

/* One of their types; for the group team, which has programs of its own for the others, i32 or i64. */
uint32_t case_draw_label_type(bool group, uint64_t *state);

/* Label i of an array, as a number; INT64_MIN where it is a real that isn't whole. */
int64_t case_label(uint32_t dtype, const void *labels, size_t i);

/* The label as far as the type has it; or one that must not be used as an index of so many classes. */
#define CASE_BAD_LABEL INT64_MAX
void case_put_label(uint32_t dtype, void *labels, size_t i, int64_t label, size_t classes, uint64_t *state);

/* ---- bounds ---- */

/* The longest chain of additions in a sum over a row's classes, as far as rows are walked whole or in lanes, and how many
 * blocks a sum may be carried over to a larger maximum in. `joins`: additions that join the sums of one item, beyond one per
 * lane of its vectors. In f64 (wide) the truth is as inexact, and counts. */
typedef struct case_chain {
  double additions, blocks;
} case_chain;
/* What folding n items' values takes of additions one behind the other: about a root of n at a time (kernels/team/fold.clh). */
double case_fold_chain(double n);

/* By how many u 1 + rest may be off, relatively: rest is a row's sum of exps without the maximum's, log_sum the logarithm of the
 * whole, h = Σ p |d|, and each exp and the additions cost `base` beside |d| (case_xent_bound.c derives it). */
double case_rest_error(double base, double h, double log_sum);

/* A row in which class `one` is above all others, which lie in [0, 2), by as much as leaves them from half the softmax down to
 * exp(−end) of it; now and then `other`, else the same class, is as high. */
typedef struct case_certain {
  size_t one, other;
  double height;
} case_certain;
case_certain case_draw_certain(size_t classes, double end, uint64_t *state);
/* … where the type's exps end. */
double case_certain_end(bool wide);

case_chain case_chain_of(const case_layout *l, bool wide, const clloss_plan *plan, double joins);

/* ---- the call ---- */

/* Where in the struct of a loss's call the view of an array stands, by the array's number; 0 where there is none. */
typedef size_t case_fields[HARNESS_ARRAYS];

/* Puts the views into the struct. */
void case_bind(void *call, const case_fields fields, const clloss_view views[HARNESS_ARRAYS]);

/* The same without buffers: types and strides, which decide about plan and workspace. */
void case_bind_types(void *call, const case_fields fields, const harness_array arrays[HARNESS_ARRAYS]);

/* The plan of cross-entropy on rows that lie as `read` does: what the row-wise losses get too, but for splitting and
 * for walking along, instead of which they run whole rows on the same team. */
clloss_status case_rows_plan(const case_layout *l, const harness_array *read, clloss_ctx *ctx,
                             clloss_plan *plan);

/* A case whose other functions are the file's own, of these names. */
#define CASE(title, which, truth, limit)                                                    \
  {                                                                                         \
    .name = (title), .pass = (which), .describe = describe, .arrays = arrays, .fill = fill, \
    .reference = (truth), .bound = (limit), .plan = plan_of, .call = call                   \
  }

#endif
