/* Checks of the views that a call is given, from a table that each loss writes down. */
#ifndef CLLOSS_HOST_VIEW_H
#define CLLOSS_HOST_VIEW_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "../../kernels/team/rows.clh"
#include "device.h"
#include "pointer.h"

/* What a call does with a view. */
typedef enum {
  CLLOSS__REFUSED,  /* this call can't use it */
  CLLOSS__READS,    /* and needs it */
  CLLOSS__MAY_READ, /* where bound */
  CLLOSS__WRITES,
  CLLOSS__MAY_WRITE
} clloss__role;

#define CLLOSS__DTYPE(type) (1u << (type))

/* Every type: class indices may be of any. */
#define CLLOSS__ANY_DTYPE 0x1fe

/* … but few come in others than i32 and i64. 0 is none. */
bool clloss__rare_labels(uint32_t dtype);

enum { CLLOSS__USES_MOST = 24 };

/* One view of a call, as its loss describes it: what it may be, and how kernels are told of it. */
typedef struct {
  const char *name; /* as in the public struct */
  const clloss_view *view;
  clloss__role role;
  bool also_read;              /* an output whose old contents, or what it is given meanwhile, kernels read */
  size_t rows, columns, inner; /* elements that the call touches: [rows][columns][inner], inner 0 is 1 */
  uint32_t dtypes;             /* CLLOSS__DTYPE bits */
  uint32_t broadcasts;         /* CLLOSS_BROADCAST… flags that it may have */
  bool may_stride;             /* its columns may lie apart */
  const clloss_view *same;     /* an output that may be this very input: in place */
  size_t align_bytes;          /* of the first element; 0: the element's size */
  clloss_status if_too_small;  /* 0: CLLOSS_BUFFER_SIZE */
  size_t buffer;               /* which of the kernels' buffers it is */
  cl_ulong flag;               /* says to kernels that it is there; 0: they know */
  rows_at *place;              /* takes where its rows lie; NULL: kernels aren't told … */
  cl_ulong *offset;            /* … or takes only where it begins */
  bool serves_all;             /* its one row, or one value, is every row's */
} clloss__use;

/* CLLOSS_OPTION, naming a flag that isn't among the known ones, and whose it is. `in` names the struct. */
clloss_status clloss__check_flags(clloss_ctx *ctx, const char *in, uint32_t flags, uint32_t known);

/* CLLOSS_DTYPE, naming the types of the set (CLLOSS__DTYPE bits), where the type is none of them. */
clloss_status clloss__check_dtype(clloss_ctx *ctx, const char *name, uint32_t dtype, uint32_t set);

/* CLLOSS_DTYPE where the type is none that a loss can be computed of, CLLOSS_DEVICE where the device can't. */
clloss_status clloss__check_real_dtype(clloss_ctx *ctx, const char *name, uint32_t dtype);

/* CLLOSS_SIZE: no classes, rows × classes overflows, rows that aren't a multiple of inner, which is at least 1. Passed,
 * no size or grid that is derived from rows can overflow either. `call` names the struct. */
clloss_status clloss__check_sizes(clloss_ctx *ctx, const char *call, size_t rows, size_t classes,
                                  size_t inner);

/* Elements from one row to the next, and from one column to the next; 0 where that is broadcast. */
typedef struct {
  size_t row, column;
} clloss__strides;

/* The strides of a view on [rows][columns][inner] elements, where it leaves them to be packed too. */
clloss__strides clloss__view_strides(const clloss_view *view, size_t columns, size_t inner);

/* The same as kernels want it, for a matrix whose rows are [rows][inner]. */
rows_at clloss__rows_at(const clloss_view *view, size_t columns, size_t inner);

/* A matrix without an inner axis that is one row as well as many: nothing lies between two elements. */
bool clloss__is_flat(const clloss_view *view, size_t classes);

/* Nothing lies between two rows, whose classes are known to be neighbours. */
bool clloss__is_packed(const clloss_view *view, size_t classes);

/* Whether the rows of two matrices of one type, whose classes are neighbours, begin at the same place among packets of 16 bytes;
 * one_block: and all of them are one block of memory if those of the first are. A buffer is aligned to more than a packet,
 * unless it is memory of the caller's. */
bool clloss__packets_align(const clloss_view *a, const clloss_view *b, size_t classes, bool one_block);

/* Whether a row's classes lie apart. */
bool clloss__is_strided(const clloss_view *view, size_t columns, size_t inner);

/* Whether the two views are the same elements in the same places. */
bool clloss__same_view(const clloss_view *a, const clloss_view *b, size_t columns, size_t inner);

/* What a call takes for a view that is there. */
typedef enum {
  CLLOSS__BOUND, /* one with a buffer: the others are as if all their fields were 0 */
  CLLOSS__TYPED  /* one with an element type: the call is planned or compiled, not made */
} clloss__presence;

bool clloss__is_there(clloss__presence presence, const clloss_view *view);

/* Takes the buffers from the views between these bytes of a struct: nobody has checked them where a call is only compiled. */
void clloss__forget_buffers(void *views, size_t first, size_t last);

/* A struct's views from the one at byte `first` to that at byte `last`: where only buffers count, those without one are
 * set to 0. The first is what "real" follows from: without a buffer its element type still counts, if logits can have it,
 * and is f32 otherwise. */
void clloss__settle_views(const clloss_ctx *ctx, clloss__presence presence, void *views, size_t first,
                          size_t last);

/* Checks every use by itself, then each output against all others for overlap; of views that are only typed, what can be
 * checked without a buffer. `call` names the struct in messages. *odd becomes true where
 * a buffer is memory of the caller's that isn't aligned to 16 bytes, as every other is. */
clloss_status clloss__check_uses(clloss_ctx *ctx, const char *call, clloss__presence presence,
                                 const clloss__use *uses, size_t n_uses, bool *odd);

#endif
