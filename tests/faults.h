/* The library's public calls as a table, for test_faults.c, which lets something beneath each of them fail once. A new
 * public function is a row more in fault_rows.c; tests/faults.sh says if one is missing. */
#ifndef CLLOSS_TESTS_FAULTS_H
#define CLLOSS_TESTS_FAULTS_H

#include "fixture.h"

#include "harness.h"

/* ---- the calls ---- */

enum {
  FAULTS_NONE = 1,    /* nothing that the call makes of OpenCL can fail */
  FAULTS_TENSOR = 2,  /* the message is left with the tensor */
  FAULTS_ONCE = 4,    /* the same for every family */
  FAULTS_FRESH = 8,   /* it is what a new ctx does first */
  FAULTS_EVENT = 16,  /* made with `done` */
  FAULTS_WAITS = 32,  /* … and with a wait list */
  FAULTS_COPIES = 64, /* as on a device that doesn't share the host's memory */
  FAULTS_LOOSE = 128, /* on a queue out of order */
  FAULTS_MUTE = 256,  /* it has nowhere to leave a message */
  FAULTS_SVM = 512    /* the harness's arrays are in SVM, where there is some */
};

/* What a row works with. */
typedef struct stage {
  fixture f;
  cl_command_queue queue;
  uint32_t family;
  clloss_ctx *ctx; /* of that family */
  problem p, q;
  const struct fault_row *row;

  clloss_ctx *made; /* what clloss_ctx_create makes, and its message */
  char message[512];
  clloss_tensor *tensor;
  float *host;       /* as many as the tensor has */
  double *host_wide; /* … */
  void *mapped;
  cl_event wait, done;
  const clloss_view *views; /* of the harness's arrays */
  cl_event gate;            /* what the calls on the other queues wait for */
  cl_command_queue others[8];
  unsigned char *blob; /* of the ctx's programs */
  size_t blob_bytes;
} stage;

typedef struct fault_row {
  const char *call; /* the public function */
  const char *how;  /* and what of it, in words */
  unsigned traits;
  const harness_case *one; /* of a loss: the harness has the arrays and judges the numbers, … */
  const void *shape;
  bool (*open)(
      stage *s); /* … else these: sets up, makes the call, says whether it did its work, and takes down */
  clloss_status (*step)(stage *s);
  bool (*right)(stage *s);
  void (*close)(stage *s);
  /* OpenCL's calls, or the allocator's, whose failure the caller doesn't hear of, as the call is none the worse; and how many of
   * them at most. "map": an unmap that fails is not made again, as the buffer is released. */
  struct {
    const char *name;
    int most;
  } deaf[5];
} fault_row;

extern const fault_row fault_rows[];
extern const size_t n_fault_rows;

clloss_ctx *fault_ctx(stage *s, char *message, size_t size);

/* ---- the faults ---- */

/* What a call of OpenCL's may answer by its specification, where nothing is wrong with what it was given; ends with 0. */
const cl_int *fault_codes(const char *opencl_call);

/* The program's own malloc, calloc and realloc, the static library's among them, but not those of shared libraries: the
 * linker hands them over (-Wl,--wrap). The nth from now of one of them finds no memory; 0: none does. */
enum { MEMORY_CALLS = 3 };
extern const char *const memory_names[MEMORY_CALLS];
void memory_fail(int call, uint64_t nth);
bool memory_failed(int call);
uint64_t memory_calls(int call);

#endif
