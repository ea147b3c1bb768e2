/* The OpenCL layer that tests look through: what a process made and released, and calls that fail on demand.
 *
 * ocl-icd loads the layer that OPENCL_LAYERS names between the program and the driver, so it sees the library's
 * calls and the test's own alike. A test reaches it through layer_open() of fixture.h. */
#ifndef CLLOSS_TESTS_LAYER_H
#define CLLOSS_TESTS_LAYER_H

#include <stdbool.h>
#include <stdint.h>
#include <CL/cl.h>

/* What is counted: for objects, references held (creates and retains less releases); for maps, maps less unmaps. */
#define LAYER_KINDS(X) X(CONTEXT) X(QUEUE) X(BUFFER) X(PROGRAM) X(KERNEL) X(EVENT) X(MAP) X(DEVICE)

enum layer_kind {
#define LAYER_KIND_ENUM(kind) LAYER_##kind,
  LAYER_KINDS(LAYER_KIND_ENUM)
#undef LAYER_KIND_ENUM
      LAYER_KIND_COUNT
};

/* The symbol `layer_table` of the layer. A call is an index from 0 to call_count - 1. */
typedef struct layer_api {
  int call_count;
  const char *(*call_name)(int call);
  bool (*can_fail)(int call); /* false for releases: a release that failed would be a leak by definition */
  uint64_t (*calls)(int call);

  /* The nth call from now (1: the next) returns `code` once and doesn't reach the driver; 0 disarms. Arm and disarm
   * while no other thread is inside OpenCL. */
  void (*fail)(int call, uint64_t nth, cl_int code);
  bool (*fired)(int call); /* whether the fault armed last has happened */

  /* From now on no kernel takes a work-group of more items; 0: as the driver says. */
  void (*limit_items)(size_t most);

  /* How many kernels of that name were made; the layer remembers the first few hundred. */
  size_t (*kernels_made)(const char *name);
  /* From now on a work-group has so much local memory and no more (0: as the driver says), of which each kernel takes `own`
   * bytes by itself. What an argument or a launch takes beyond that is CL_OUT_OF_RESOURCES. */
  void (*limit_local)(size_t most, size_t own);

  const char *(*kind_name)(int kind);
  int64_t (*live)(int kind);
} layer_api;

#endif
