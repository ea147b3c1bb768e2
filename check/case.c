/* What the cases of all losses share. */
#include "case.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t case_inner(const case_layout *l) { return l->inner ? l->inner : 1; }

#define PICK(state, list) (list)[harness_pick(state, sizeof(list) / sizeof *(list))]

case_layout case_draw_layout(size_t rows, size_t classes, uint64_t *state) {
  static const size_t offsets[] = {0, 0, 1, 3, 16}, pads[] = {0, 0, 1, 5, 16}, inners[] = {0, 1, 3, 16, 37};
  case_layout l = {.rows = rows, .classes = classes};
  l.offset = PICK(state, offsets);
  l.pad = PICK(state, pads);
  l.row_pad = pads[harness_pick(state, 4)];
  if (harness_pick(state, 4) == 0 && classes < 5000) l.class_pad = PICK(state, pads);
  if (harness_pick(state, 3) == 0 && classes < 5000) l.inner = PICK(state, inners);
  l.rows *= case_inner(&l);
  return l;
}

/* ---- words ---- */

void case_say(char *text, size_t size, const char *format, ...) {
  const size_t at = strlen(text);
  va_list list;
  va_start(list, format);
  vsnprintf(text + at, size - at, format, list);
  va_end(list);
}

void case_say_layout(char *text, size_t size, const case_layout *l) {
  case_say(text, size, ", inner %zu, offset %zu, pad %zu, class_pad %zu, row_pad %zu", case_inner(l),
           l->offset, l->pad, l->class_pad, l->row_pad);
}

const char *case_type_name(uint32_t dtype) {
  const char *name = clloss_dtype_name(dtype);
  return name ? name : "?";
}

const char *case_reduction_name(uint32_t reduction) {
  static const char *const names[] = {"mean", "sum", "none", "batchmean"};
  return reduction < sizeof names / sizeof *names ? names[reduction] : "?";
}

/* ---- arrays ---- */

harness_array case_array(const case_layout *l, const char *name, harness_role role, uint32_t dtype,
                         size_t rows, size_t columns, size_t pad) {
  return (harness_array){.name = name,
                         .role = role,
                         .dtype = dtype,
                         .rows = rows,
                         .columns = columns,
                         .offset = l->offset,
                         .row_stride = pad ? columns + pad : 0};
}

harness_array case_matrix(const case_layout *l, const char *name, harness_role role, uint32_t dtype,
                          size_t skew) {
  harness_array a = case_array(l, name, role, dtype, l->rows, l->classes, 0);
  a.inner = case_inner(l);
  a.offset += skew;
  a.class_stride = l->class_pad ? a.inner + l->class_pad + skew : 0;
  if (l->pad)
    a.row_stride = (l->classes - 1) * (a.class_stride ? a.class_stride : a.inner) + a.inner + l->pad + skew;
  return a;
}

harness_array case_column(const case_layout *l, const char *name, harness_role role, uint32_t dtype,
                          size_t columns) {
  return case_array(l, name, role, dtype, l->rows, columns, l->row_pad);
}

harness_array case_per_row(const case_layout *l, const char *name, uint32_t dtype, bool one, uint32_t flag) {
  harness_array a = case_array(l, name, HARNESS_INPUT, dtype, one ? 1 : l->rows, 1, one ? 0 : l->row_pad);
  a.flags = one ? flag : 0;
  return a;
}

harness_array case_workspace(const case_layout *l, size_t bytes) {
  harness_array a = case_array(l, "workspace", HARNESS_SCRATCH, CLLOSS_U8, 1, bytes, 0);
  a.offset = (l->offset + 7) / 8 * 8;
  return a;
}

/* ---- bounds ---- */

double case_fold_chain(double n) {
  const double parts = n <= 4 ? 2 : n <= 9 ? 3 : n <= 16 ? 4 : n <= 64 ? 8 : n <= 256 ? 16 : 32;
  return parts + ceil(n / parts);
}

/* Rows that a work-group holds (kernels/team/held.clh): an item's eight vectors at most, its edge and, of a long row, the rest,
 * which is measured anew at steps of at least four elements for each item. */
static case_chain held_chain(double n, const clloss_plan *plan) {
  const double steps = strstr(plan->variant, "long") ? ceil(n / 4 / plan->local_size) : 0;
  return (case_chain){8 + 2 + 2 + case_fold_chain(plan->local_size), 1 + steps};
}

case_chain case_chain_of(const case_layout *l, bool wide, const clloss_plan *plan, double joins) {
  const double n = (double)l->classes, of_truth = wide ? harness_reference_chain(n) : 0;
  case_chain k = {fmax(harness_chain(n), of_truth), 1};
  if (strstr(plan->variant, "_rows") || case_inner(l) > 1 || l->class_pad) return k;
  if (strncmp(plan->variant, "lane", 4) == 0) {
    const double block = fmax(2048, 64 * ceil(ceil(n / 64) / 64));
    k.blocks = ceil(n / block);
    /* an accumulator, its lanes, the blocks */
    k.additions = harness_chain(ceil(fmin(n, block) / 16)) + 1 + 4 + joins + k.blocks;
  } else if (strstr(plan->variant, "_tile")) {
    k.additions = n;
  } else {
    k.additions = harness_chain(ceil(n / 4 / plan->local_size)) + 1 + 2 + joins +
                  case_fold_chain(plan->local_size);
    if (strstr(plan->variant, "_held") || strstr(plan->variant, "_long")) {
      const case_chain of_held = held_chain(n, plan);
      k.additions = fmax(k.additions, of_held.additions);
      k.blocks = of_held.blocks;
    }
  }
  k.additions = fmax(k.additions, of_truth);
  return k;
}

/* ---- the call ---- */

void case_bind(void *call, const case_fields fields, const clloss_view views[HARNESS_ARRAYS]) {
  for (int i = 0; i < HARNESS_ARRAYS; i++)
    if (fields[i]) memcpy((char *)call + fields[i], &views[i], sizeof views[i]);
}

void case_bind_types(void *call, const case_fields fields, const harness_array arrays[HARNESS_ARRAYS]) {
  clloss_view views[HARNESS_ARRAYS];
  for (int i = 0; i < HARNESS_ARRAYS; i++)
    views[i] = (clloss_view){
        .row_stride = arrays[i].row_stride, .class_stride = arrays[i].class_stride, .dtype = arrays[i].dtype};
  case_bind(call, fields, views);
}

/* No rows have no plan; that of one row has the same kernels. */
clloss_status case_rows_plan(const case_layout *l, const harness_array *read, clloss_ctx *ctx,
                             clloss_plan *plan) {
  const clloss_xent x = {
      .struct_size = sizeof x,
      .rows = l->rows ? l->rows : case_inner(l),
      .classes = l->classes,
      .inner = l->inner,
      .logits = {.row_stride = read->row_stride, .class_stride = read->class_stride, .dtype = read->dtype}};
  return clloss_xent_plan(ctx, &x, plan);
}

double case_rest_error(double base, double h, double log_sum) {
  return base * fmin(1, 9 * -expm1(-log_sum)) + h;
}

double case_certain_end(bool wide) { return wide ? 690 : 80; /* 1e-300, 2e-35 */ }

case_certain case_draw_certain(size_t classes, double end, uint64_t *state) {
  const double others = log((double)(classes > 1 ? classes - 1 : 1));
  case_certain r = {.one = harness_pick(state, classes)};
  r.height = 2 + others + (end - others) * harness_uniform(state);
  r.other = classes > 1 && harness_pick(state, 16) == 0
                ? (r.one + 1 + harness_pick(state, classes - 1)) % classes
                : r.one;
  return r;
}
