/* Checks of the views that a call is given, from a table that each loss writes down. */
#ifndef CLLOSS_HOST_VIEW_H
#define CLLOSS_HOST_VIEW_H

#include <clloss/clloss.h>
#include <stdbool.h>

/* What a call does with a view. */
typedef enum {
  CLLOSS__REFUSED,  /* this call can't use it */
  CLLOSS__READS,    /* and needs it */
  CLLOSS__MAY_READ, /* where bound */
  CLLOSS__WRITES,
  CLLOSS__MAY_WRITE
} clloss__role;

#define CLLOSS__DTYPE(type) (1u << (type))

/* One view of a call, as its loss describes it. */
typedef struct {
  const char *name; /* as in the public struct */
  const clloss_view *view;
  clloss__role role;
  size_t rows, columns; /* elements that the call touches: rows × columns, columns adjacent */
  uint32_t dtypes;      /* CLLOSS__DTYPE bits */
  bool may_broadcast;
  const clloss_view *same;    /* an output that may be this very input: in place */
  size_t align_bytes;         /* of the first element; 0: the element's size */
  clloss_status if_too_small; /* 0: CLLOSS_BUFFER_SIZE */
} clloss__use;

/* Element size in bytes; 0 for a number that is no type. */
size_t clloss__dtype_bytes(uint32_t dtype);

/* Elements from row to row: the columns for 0, 0 for a broadcast. */
size_t clloss__row_stride(const clloss_view *view, size_t columns);

/* Whether the two views are the same elements in the same places. */
bool clloss__same_view(const clloss_view *a, const clloss_view *b, size_t columns);

/* Checks every use by itself, then each output against all others for overlap. `call` names the struct in messages. */
clloss_status clloss__check_uses(clloss_ctx *ctx, const char *call, const clloss__use *uses, size_t n_uses);

#endif
