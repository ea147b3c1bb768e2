/* The part of test_status that goes through the three cross-entropy calls: a table of calls that are refused, or look
 * odd and are right. Rows about views and arguments stand in status_xent.c, rows about options, types, the class axis
 * and the optional views in status_options.c. */
#ifndef CLLOSS_TESTS_STATUS_XENT_H
#define CLLOSS_TESTS_STATUS_XENT_H

#include "fixture.h"

enum { ROWS = 5, CLASSES = 8, ROOT_BYTES = 1 << 16 };

/* The views of a call that a problem of fixture.h doesn't have, numbered on from its slots. */
enum {
  CLASS_WEIGHT = SLOT_COUNT,
  ROW_WEIGHT,
  DIVISOR,
  METRICS,
  COUNTS,
  PREDICTED,
  CONFIDENCE,
  ENTROPY,
  VIEW_COUNT
};

/* A call on its way to being spoilt. */
typedef struct call {
  clloss_ctx *ctx;
  const clloss_xent *xent;
  const clloss_xent_options *options;
  cl_command_queue queue;
  cl_uint n_wait;
  const cl_event *wait;
  clloss_xent x;         /* what xent points to */
  clloss_xent_options o; /* what options points to */
  cl_event no_event;     /* NULL: a wait list of one event that isn't */
} call;

/* What one row does to a good call of `which`, the status that must come out, and the words (field and value) that
 * its message must hold. */
typedef struct call_row {
  const char *name;
  void (*spoil)(call *);
  pass which;
  clloss_status status;
  const char *words;
} call_row;

/* X(name, pass, status, words, statements …) */
#define ROW_FUNCTION(name, pass, status, words, ...) \
  static void name(call *c) { __VA_ARGS__ }
#define ROW_ENTRY(name, pass, status, words, ...) {#name, name, pass, CLLOSS_##status, words},

extern const call_row option_rows[];
extern const size_t n_option_rows;

/* Any view of the call; and a buffer of its size bound to a view that a problem doesn't have. */
clloss_view *status_view(call *c, int view);
void status_bind(call *c, int view);

/* Memory of ROOT_BYTES in the ctx's context. */
cl_mem status_root(void);

/* Runs every row. Calls `seen` with each status that came out as it should; returns the number of failed checks. */
int status_xent(const fixture *f, void (*seen)(clloss_status));

#endif
