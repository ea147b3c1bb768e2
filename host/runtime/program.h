/* A ctx's kernels: of the programs that it shares with others (program_set.h), an object of its own of each. */
#ifndef CLLOSS_HOST_PROGRAM_H
#define CLLOSS_HOST_PROGRAM_H

#include <clloss/clloss.h>

#include "message.h"
#include "probe.h"
#include "program_set.h"

/* The element types that a source is compiled for: of what is read first, x, of the gradient or output, g, and, not 0, of
 * float targets, t. The arithmetic is f64 where x is, else f32. */
typedef struct {
  uint32_t x, g, t;
  bool
      labels; /* class indices may be of other types than i32 and i64, for which the group team has programs of their own */
} clloss__types;

/* What of a plan is compiled in, for the group team: how many work-items a work-group has and a row, how many vectors an item
 * holds, which form of rows (kernels/team/held.clh), and whether for calls with options. All 0 for the lane team. */
typedef struct {
  uint32_t items, row_items, vectors, form, options;
} clloss__shape;

/* What tells two programs of one source apart. */
typedef struct {
  clloss__types types;
  clloss__shape shape;
} clloss__build;

enum { CLLOSS__KERNEL_NAME = 48 }; /* room for a kernel's name */

typedef struct {
  char name[CLLOSS__KERNEL_NAME];
  cl_kernel kernel;
  size_t local_most;  /* work-items that a work-group of it may have */
  size_t own_bytes;   /* local memory that it takes beside what it is handed */
  unsigned char *set; /* the bytes of its first n_set arguments as last set; NULL: no room for them yet */
  size_t n_set;
} clloss__kernel;

typedef struct {
  const clloss__source *source;
  clloss__build how;
  cl_program program; /* the set's */
  clloss__kernel *kernels;
  size_t n_kernels;
} clloss__program;

/* One thread at a time uses a ctx, so there is no lock. The list is a few entries long. */
typedef struct {
  clloss__program_set *set;
  bool group;  /* plans are for the group team */
  bool probed; /* at the first build, so that making a ctx compiles nothing */
  clloss__probed found;
  clloss__program *list;
  size_t n;
  uint64_t n_built, n_loaded;
} clloss__programs;

/* What the compiler can do, found out once; for the owner's plans. */
clloss_status clloss__programs_probe(clloss__programs *programs, clloss__message *message);

/* The kernel called `name` of the source built so, compiled if it isn't yet. The list keeps
 * it; the pointer holds until the next call of this function. A build failure is CL_BUILD_PROGRAM_FAILURE with the
 * compiler's log in the message, and is tried again next time. */
clloss_status clloss__program_kernel(clloss__programs *programs, clloss__message *message, const char *source,
                                     const clloss__build *how, const char *name, clloss__kernel **kernel);

/* Kernels and lists, and the set unless others have it. in_child: clloss__set_leave. */
void clloss__programs_end(clloss__programs *programs, bool in_child);

#endif
