/* View checks. Byte ranges are compared in the root buffer, so that sub-buffers of one buffer are seen to overlap; of pointers, and of
 * buffers on the caller's memory, as addresses.
 * A view with gaps between its rows counts as one range, from its first byte to its last. */
#include "view.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "convert.h"
#include "ctx.h"
#include "names.h"

typedef struct {
  cl_mem root;       /* NULL: none */
  size_t begin, end; /* bytes in the root, or from the pointer on */
  uintptr_t address; /* of the host's; 0: it has none that is known */
} range;

/* Whether they have a byte in common that both are known to have. */
static bool meet(const range *a, const range *b) {
  const bool in_root = a->root && a->root == b->root && a->begin < b->end && b->begin < a->end;
  return in_root || (a->address && b->address && a->address < b->address + (b->end - b->begin) &&
                     b->address < a->address + (a->end - a->begin));
}

/* What kernels are told that a view holds is its own number. */
#define SAME(name, value, word, bytes) _Static_assert((int)LABELS_##name == (value), word);
CLLOSS_DTYPE_LIST(SAME)
#undef SAME
#define BIT(name, value, word, bytes) | CLLOSS__DTYPE(value)
_Static_assert(CLLOSS__ANY_DTYPE == (0 CLLOSS_DTYPE_LIST(BIT)), "a set of all types");
#undef BIT

bool clloss__rare_labels(uint32_t dtype) { return dtype && dtype != CLLOSS_I32 && dtype != CLLOSS_I64; }

clloss_status clloss__check_dtype(clloss_ctx *ctx, const char *name, uint32_t dtype, uint32_t set) {
  char word[16], types[64];
  if (clloss_dtype_size(dtype) && (set & CLLOSS__DTYPE(dtype))) return CLLOSS_SUCCESS;
  clloss__dtype_said(word, sizeof word, dtype);
  clloss__dtypes_of(types, sizeof types, set);
  return clloss__fail(ctx, CLLOSS_DTYPE, "%s is %s: %s%s", name, word,
                      dtype ? "it has to be " : "say what the buffer holds, ", types);
}

clloss_status clloss__check_real_dtype(clloss_ctx *ctx, const char *name, uint32_t dtype) {
  if (dtype == CLLOSS_F64 && !ctx->planner.facts.f64) {
    return clloss__fail(ctx, CLLOSS_DEVICE, "%s is f64: the device has no cl_khr_fp64", name);
  }
  return clloss__check_dtype(ctx, name, dtype,
                             CLLOSS__DTYPE(CLLOSS_F32) | CLLOSS__DTYPE(CLLOSS_F64) |
                                 CLLOSS__DTYPE(CLLOSS_F16) | CLLOSS__DTYPE(CLLOSS_BF16));
}

bool clloss__is_there(clloss__presence presence, const clloss_view *view) {
  return clloss__is_bound(view) || (presence == CLLOSS__TYPED && view->dtype);
}

void clloss__forget_buffers(void *views, size_t first, size_t last) {
  for (size_t at = first; at <= last; at += sizeof(clloss_view)) {
    clloss_view view;
    memcpy(&view, (unsigned char *)views + at, sizeof view);
    view.mem = NULL;
    view.pointer = NULL;
    memcpy((unsigned char *)views + at, &view, sizeof view);
  }
}

void clloss__settle_views(const clloss_ctx *ctx, clloss__presence presence, void *views, size_t first,
                          size_t last) {
  for (size_t at = first; at <= last && presence == CLLOSS__BOUND; at += sizeof(clloss_view)) {
    unsigned char *place = (unsigned char *)views + at;
    clloss_view view;
    memcpy(&view, place, sizeof view);
    if (clloss__is_bound(&view)) continue;
    const uint32_t d = view.dtype;
    const bool usable = clloss__is_real(d) && (d != CLLOSS_F64 || ctx->planner.facts.f64);
    view = (clloss_view){.dtype = at != first ? 0 : usable ? d : CLLOSS_F32};
    memcpy(place, &view, sizeof view);
  }
}

clloss_status clloss__check_sizes(clloss_ctx *ctx, const char *call, size_t rows, size_t classes,
                                  size_t inner) {
  if (classes == 0) {
    return clloss__fail(ctx, CLLOSS_SIZE, "%s.classes is 0: a row has at least one", call);
  }
  if (rows > SIZE_MAX / 65536 || rows > SIZE_MAX / sizeof(double) / classes) {
    return clloss__fail(ctx, CLLOSS_SIZE, "%s.rows %zu × %s.classes %zu overflows", call, rows, call,
                        classes);
  }
  if (rows % inner) {
    return clloss__fail(ctx, CLLOSS_SIZE, "%s.rows is %zu, not a multiple of %s.inner %zu", call, rows, call,
                        inner);
  }
  return CLLOSS_SUCCESS;
}

clloss__strides clloss__view_strides(const clloss_view *view, size_t columns, size_t inner) {
  const size_t width = inner ? inner : 1;
  clloss__strides s;
  s.column = view->class_stride ? view->class_stride : width;
  if (view->flags & (CLLOSS_BROADCAST | CLLOSS_BROADCAST_CLASSES)) s.column = 0;
  s.row = view->row_stride ? view->row_stride : (columns ? columns - 1 : 0) * s.column + width;
  if (view->flags & (CLLOSS_BROADCAST | CLLOSS_BROADCAST_ROWS)) s.row = 0;
  return s;
}

rows_at clloss__rows_at(const clloss_view *view, size_t columns, size_t inner) {
  const clloss__strides s = clloss__view_strides(view, columns, inner);
  if (inner > 1) return (rows_at){view->offset, s.row, 1, s.column};
  return (rows_at){view->offset, 0, s.row, s.column};
}

bool clloss__is_strided(const clloss_view *view, size_t columns, size_t inner) {
  return inner > 1 || clloss__view_strides(view, columns, inner).column != 1;
}

bool clloss__same_view(const clloss_view *a, const clloss_view *b, size_t columns, size_t inner) {
  const clloss__strides sa = clloss__view_strides(a, columns, inner),
                        sb = clloss__view_strides(b, columns, inner);
  return clloss__is_bound(a) && a->mem == b->mem && a->pointer == b->pointer && a->offset == b->offset &&
         a->dtype == b->dtype && sa.row == sb.row && sa.column == sb.column;
}

clloss_status clloss__check_flags(clloss_ctx *ctx, const char *in, uint32_t flags, uint32_t known) {
  if (!(flags & ~known)) return CLLOSS_SUCCESS;
  const clloss__flag flag = clloss__flag_of(flags & ~known);
  if (!flag.name)
    return clloss__fail(ctx, CLLOSS_OPTION, "%s.flags is %#x: no flag has bit %u", in, flags, flag.bit);
  return clloss__fail(ctx, CLLOSS_OPTION, "%s.flags has %s, which is a flag of %s", in, flag.name, flag.of);
}

static clloss_status check_flags(clloss_ctx *ctx, const char *call, const clloss__use *use) {
  const uint32_t flags = use->view->flags;
  const uint32_t known = CLLOSS_BROADCAST | CLLOSS_BROADCAST_ROWS | CLLOSS_BROADCAST_CLASSES;
  char in[64];
  snprintf(in, sizeof in, "%s.%s", call, use->name);
  const clloss_status status = clloss__check_flags(ctx, in, flags, known);
  if (status != CLLOSS_SUCCESS) return status;
  if (flags & (flags - 1))
    return clloss__fail(ctx, CLLOSS_OPTION, "%s.flags is %#x: one way to broadcast at most", in, flags);
  if (flags & ~use->broadcasts)
    return clloss__fail(ctx, CLLOSS_OPTION, "%s.flags has %s: this view can't be broadcast so", in,
                        clloss__flag_of(flags).name);
  return CLLOSS_SUCCESS;
}

static clloss_status check_fields(clloss_ctx *ctx, const char *call, const clloss__use *use) {
  const clloss_view *v = use->view;
  char name[64];
  snprintf(name, sizeof name, "%s.%s.dtype", call, use->name);
  clloss_status status = clloss__check_dtype(ctx, name, v->dtype, use->dtypes);
  if (status == CLLOSS_SUCCESS) status = check_flags(ctx, call, use);
  if (status != CLLOSS_SUCCESS) return status;
  if (v->mem && v->pointer) {
    return clloss__fail(ctx, CLLOSS_OPTION, "%s.%s has both mem and pointer: it is a window on one of them",
                        call, use->name);
  }
  const size_t inner = use->inner ? use->inner : 1;
  if (v->class_stride > 1 && !use->may_stride) {
    return clloss__fail(ctx, CLLOSS_STRIDE, "%s.%s.class_stride is %zu: this view's columns are packed", call,
                        use->name, v->class_stride);
  }
  if (v->class_stride && v->class_stride < inner) {
    return clloss__fail(ctx, CLLOSS_STRIDE,
                        "%s.%s.class_stride is %zu, shorter than the %zu elements of inner", call, use->name,
                        v->class_stride, inner);
  }
  const size_t column = v->class_stride ? v->class_stride : inner,
               steps = use->columns ? use->columns - 1 : 0;
  if (steps && column > (SIZE_MAX - inner) / steps) {
    return clloss__fail(ctx, CLLOSS_STRIDE, "%s.%s.class_stride is %zu: %zu columns of it overflow", call,
                        use->name, v->class_stride, use->columns);
  }
  const clloss__strides stride = clloss__view_strides(v, use->columns, use->inner);
  if (v->row_stride && stride.row && v->row_stride < steps * stride.column + inner) {
    return clloss__fail(ctx, CLLOSS_STRIDE, "%s.%s.row_stride is %zu, shorter than the row's %zu elements",
                        call, use->name, v->row_stride, steps * stride.column + inner);
  }
  return CLLOSS_SUCCESS;
}

/* The bytes [begin, end) that the view touches in its own buffer. */
static clloss_status extent(clloss_ctx *ctx, const char *call, const clloss__use *use, size_t *begin,
                            size_t *end) {
  const clloss_view *v = use->view;
  const clloss__strides stride = clloss__view_strides(v, use->columns, use->inner);
  const size_t bytes = clloss_dtype_size(v->dtype), most = SIZE_MAX / bytes;
  const size_t steps = use->rows ? use->rows - 1 : 0, inner = use->inner ? use->inner : 1;
  const size_t width = use->columns ? (use->columns - 1) * stride.column + inner : 0;
  if (v->offset > most || (steps && stride.row > (most - v->offset) / steps) ||
      width > most - v->offset - steps * stride.row) {
    return clloss__fail(ctx, CLLOSS_STRIDE, "%s.%s: offset %zu + %zu rows × row_stride %zu overflows", call,
                        use->name, v->offset, use->rows, stride.row);
  }
  *begin = v->offset * bytes;
  *end = use->rows && use->columns ? (v->offset + steps * stride.row + width) * bytes : *begin;
  return CLLOSS_SUCCESS;
}

/* What a view is on. */
typedef struct {
  cl_context context;
  size_t size, offset;
  cl_mem parent;
  cl_mem_flags flags;
  void *host;
} memory;

static clloss_status read_buffer(clloss_ctx *ctx, const char *call, const clloss__use *use, memory *m) {
  cl_mem_object_type type = 0;
  const struct {
    cl_mem_info what;
    size_t size;
    void *to;
  } queries[] = {
      {CL_MEM_TYPE, sizeof type, &type},
      {CL_MEM_CONTEXT, sizeof m->context, &m->context},
      {CL_MEM_SIZE, sizeof m->size, &m->size},
      {CL_MEM_OFFSET, sizeof m->offset, &m->offset},
      {CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(cl_mem), &m->parent},
      {CL_MEM_FLAGS, sizeof m->flags, &m->flags},
      {CL_MEM_HOST_PTR, sizeof(void *), &m->host},
  };
  for (size_t i = 0; i < sizeof queries / sizeof *queries; ++i) {
    const cl_int error = clGetMemObjectInfo(use->view->mem, queries[i].what, queries[i].size, queries[i].to,
                                            NULL);
    if (error != CL_SUCCESS) {
      return clloss__say_opencl(&ctx->message, error, "clGetMemObjectInfo", "%s.%s.mem", call, use->name);
    }
  }
  if (type != CL_MEM_OBJECT_BUFFER) {
    return clloss__fail(ctx, CL_INVALID_MEM_OBJECT, "%s.%s.mem: not a buffer", call, use->name);
  }
  if (m->context != ctx->context) {
    return clloss__fail(ctx, CLLOSS_MEMORY_CONTEXT, "%s.%s.mem: of another context than the ctx", call,
                        use->name);
  }
  return CLLOSS_SUCCESS;
}

/* `end`: bytes that the view reaches. */
static clloss_status read_pointer(clloss_ctx *ctx, const char *call, const clloss__use *use, size_t end,
                                  memory *m) {
  char name[64];
  snprintf(name, sizeof name, "%s.%s", call, use->name);
  m->flags = CL_MEM_USE_HOST_PTR;
  m->host = use->view->pointer;
  const clloss_status status = clloss__pointer_find(&ctx->pointers, &ctx->message, ctx->context, ctx->device,
                                                    name, m->host, end, &m->size);
  return status == CLLOSS_BUFFER_SIZE ? CLLOSS_SUCCESS : status; /* which m->size says as well */
}

/* Where a buffer sits on the caller's own memory, or in the middle of another buffer, its start may be at any
 * address; kernels load whole elements. */
static bool is_aligned(const memory *m, size_t begin, size_t bytes) {
  const uintptr_t host = m->flags & CL_MEM_USE_HOST_PTR ? (uintptr_t)m->host : 0;
  return (m->offset + begin) % bytes == 0 && (host + begin) % bytes == 0;
}

static clloss_status check_one(clloss_ctx *ctx, const char *call, const clloss__use *use, range *out,
                               bool *odd) {
  const bool writes = use->role == CLLOSS__WRITES || use->role == CLLOSS__MAY_WRITE;
  size_t begin = 0, end = 0;
  clloss_status status = check_fields(ctx, call, use);
  if (status == CLLOSS_SUCCESS) status = extent(ctx, call, use, &begin, &end);
  if (status != CLLOSS_SUCCESS) return status;
  memory m = {0};
  status = use->view->mem ? read_buffer(ctx, call, use, &m) : read_pointer(ctx, call, use, end, &m);
  if (status != CLLOSS_SUCCESS) return status;
  if (end > m.size) {
    const clloss_status code = use->if_too_small ? use->if_too_small : CLLOSS_BUFFER_SIZE;
    return use->view->mem || m.size
               ? clloss__fail(ctx, code, "%s.%s needs %zu bytes, its %s has %zu", call, use->name, end,
                              use->view->mem ? "buffer" : "allocation", m.size)
               : clloss__fail(ctx, code, "%s.%s needs %zu bytes, its allocation has fewer", call, use->name,
                              end);
  }
  const size_t align = use->align_bytes ? use->align_bytes : clloss_dtype_size(use->view->dtype);
  if (!is_aligned(&m, begin, align)) {
    return clloss__fail(
        ctx, CLLOSS_ALIGNMENT,
        "%s.%s starts at byte %zu of a buffer at byte %zu or pointer %p: not a multiple of %zu", call,
        use->name, begin, m.offset, m.host, align);
  }
  const bool reads = !writes || use->also_read;
  if (m.flags & ((writes ? CL_MEM_READ_ONLY : 0) | (reads ? CL_MEM_WRITE_ONLY : 0))) {
    return clloss__fail(ctx, CLLOSS_ACCESS, "%s.%s.mem: kernels may only %s this buffer, and this view is %s",
                        call, use->name, m.flags & CL_MEM_READ_ONLY ? "read" : "write",
                        reads && writes ? "read and written"
                        : writes        ? "written"
                                        : "read");
  }
  enum { PACKET_BYTES = 16 };
  if ((m.flags & CL_MEM_USE_HOST_PTR) && (uintptr_t)m.host % PACKET_BYTES) *odd = true;
  *out = (range){m.parent ? m.parent : use->view->mem, m.offset + begin, m.offset + end,
                 m.flags & CL_MEM_USE_HOST_PTR ? (uintptr_t)m.host + begin : 0};
  return CLLOSS_SUCCESS;
}

static bool is_output(const clloss__use *use) {
  return use->role == CLLOSS__WRITES || use->role == CLLOSS__MAY_WRITE;
}

static bool is_in_place(const clloss__use *a, const clloss__use *b) {
  return (a->same == b->view && clloss__same_view(a->view, b->view, a->columns, a->inner)) ||
         (b->same == a->view && clloss__same_view(b->view, a->view, b->columns, b->inner));
}

clloss_status clloss__check_uses(clloss_ctx *ctx, const char *call, clloss__presence presence,
                                 const clloss__use *uses, size_t n_uses, bool *odd) {
  range ranges[CLLOSS__USES_MOST] = {{0}};
  for (size_t i = 0; i < n_uses; ++i) {
    const clloss__use *use = &uses[i];
    const bool typed = presence == CLLOSS__TYPED, there = clloss__is_there(presence, use->view);
    if (there && use->role == CLLOSS__REFUSED) {
      return clloss__fail(ctx, CLLOSS_UNUSED_VIEW, "%s.%s is bound, but this call can't use it", call,
                          use->name);
    }
    if (!there && (use->role == CLLOSS__READS || use->role == CLLOSS__WRITES) && use->rows) {
      return clloss__fail(ctx, CLLOSS_MISSING_VIEW,
                          typed ? "%s.%s has no element type" : "%s.%s has no buffer", call, use->name);
    }
    const clloss_status status = !there  ? CLLOSS_SUCCESS
                                 : typed ? check_fields(ctx, call, use)
                                         : check_one(ctx, call, use, &ranges[i], odd);
    if (status != CLLOSS_SUCCESS) return status;
  }
  for (size_t i = 0; i < n_uses; ++i) {
    if (!is_output(&uses[i])) continue;
    for (size_t k = 0; k < n_uses; ++k) {
      if (k == i || !meet(&ranges[i], &ranges[k]) || is_in_place(&uses[i], &uses[k])) continue;
      return clloss__fail(
          ctx, CLLOSS_OVERLAP,
          "%s.%s, bytes %zu to %zu of its root buffer or pointer, overlaps %s, %zu to %zu of its own", call,
          uses[i].name, ranges[i].begin, ranges[i].end, uses[k].name, ranges[k].begin, ranges[k].end);
    }
  }
  return CLLOSS_SUCCESS;
}

bool clloss__is_flat(const clloss_view *view, size_t classes) {
  const clloss__strides s = clloss__view_strides(view, classes, 1);
  return s.column == 1 && s.row == classes;
}

bool clloss__is_packed(const clloss_view *view, size_t classes) {
  return view->row_stride == 0 || view->row_stride == classes;
}

bool clloss__packets_align(const clloss_view *a, const clloss_view *b, size_t classes, bool one_block) {
  enum { PACKET_BYTES = 16 };
  const size_t bytes = clloss_dtype_size(a->dtype);
  const size_t stride_a = a->row_stride ? a->row_stride : classes,
               stride_b = b->row_stride ? b->row_stride : classes;
  const bool rows = one_block ? stride_a == stride_b
                              : stride_a * bytes % PACKET_BYTES == stride_b * bytes % PACKET_BYTES;
  return a->dtype == b->dtype && rows && a->offset * bytes % PACKET_BYTES == b->offset * bytes % PACKET_BYTES;
}
