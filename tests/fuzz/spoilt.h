/* Spoilt calls: spoilt.c makes them, spoilt_losses.c knows the losses, spoilt_judge.c compares what was accepted. */
#ifndef CLLOSS_TESTS_FUZZ_SPOILT_H
#define CLLOSS_TESTS_FUZZ_SPOILT_H

#include "case_distill.h"
#include "case_information.h"
#include "case_pointwise.h"
#include "case_softmax.h"
#include "case_xent.h"
#include "fuzz.h"

typedef union spoilt_shape {
  case_layout layout;
  xent_shape xent;
  pointwise_shape pointwise;
  distill_shape distill;
  softmax_shape softmax;
  information_shape information;
} spoilt_shape;

/* A member of a struct, as far as what to put there is concerned. */
typedef enum spoilt_kind { SPOILT_SIZE, SPOILT_INDEX, SPOILT_WORD, SPOILT_FLAGS, SPOILT_NUMBER } spoilt_kind;

typedef struct spoilt_field {
  bool option; /* of the options; else of the arrays' struct */
  size_t at;
  spoilt_kind kind;
} spoilt_field;

enum { SPOILT_ROOM = 1024 /* of a struct, with what a newer version may add */ };

typedef struct spoilt_struct {
  union {
    unsigned char bytes[SPOILT_ROOM]; /* first: GCC 15 zeroes no more of a union than its first member */
    size_t struct_size;               /* the first member of them all */
    double number;
  };
} spoilt_struct;

typedef clloss_status spoilt_make(clloss_ctx *ctx, const void *arrays, const void *options,
                                  cl_command_queue queue, cl_uint n_wait, const cl_event *wait,
                                  cl_event *done);

typedef struct spoilt_loss {
  const harness_case *cases[3]; /* the passes; NULL behind the last */
  spoilt_make *make[3];
  clloss_status (*workspace)(clloss_ctx *ctx, const void *arrays, const void *options, size_t *bytes);
  size_t arrays_bytes, options_bytes;
  case_fields views;
  int workspace_view,
      grad_view; /* the numbers of these arrays; -1: it has none. Passes but the first need the latter */
  const spoilt_field *fields;
  size_t n_fields;
  /* A good call of small size, from numbers of *state; its options, and what is neither size nor view. */
  void (*draw)(fuzz *f, int pass, spoilt_shape *shape, uint64_t *state);
  void (*put)(const spoilt_shape *shape, void *arrays, void *options);
  /* The shape of a call; what stands in the rows is *shape's already. False where a view has a type that no shape has. */
  bool (*describe)(const void *arrays, const void *options, int pass, spoilt_shape *shape);
} spoilt_loss;

enum { SPOILT_LOSSES = 5 };
extern const spoilt_loss spoilt_losses[SPOILT_LOSSES];

/* ---- memory ---- */

/* Each view begins at a home of its own in the root buffer. The first memories have images of their bytes in the host. */
enum { SPOILT_HOME = 8192, SPOILT_ROOT_BYTES = SPOILT_HOME * HARNESS_ARRAYS, SPOILT_TINY_BYTES = 64 };
enum {
  SPOILT_ROOT,
  SPOILT_READ_ONLY,
  SPOILT_WRITE_ONLY,
  SPOILT_TINY,
  SPOILT_IMAGES,
  SPOILT_SUB_LOW = SPOILT_IMAGES,
  SPOILT_SUB_HIGH,
  SPOILT_FOREIGN,
  SPOILT_MEMORIES
};

typedef struct spoilt_memory {
  cl_mem mem;
  int image; /* whose bytes they are, from byte `at` on; -1: nobody's */
  size_t at, bytes;
} spoilt_memory;

typedef struct spoilt_bench {
  spoilt_memory memories[SPOILT_MEMORIES];
  cl_context other;
  cl_command_queue other_queue;
  cl_event failed, ended;
  uint8_t *before[SPOILT_IMAGES], *after[SPOILT_IMAGES]; /* the call */
} spoilt_bench;

/* ---- the call ---- */

typedef struct spoilt_call {
  const spoilt_loss *loss;
  int pass;
  size_t edits;
  uint64_t seed; /* of what stands in the rows */
  spoilt_struct arrays, options;
  bool no_arrays, no_options, no_event;
  cl_command_queue queue;
  cl_uint n_wait;
  const cl_event *wait;
  cl_event list[1];
} spoilt_call;

/* What the library takes the call for, once it has read the structs; and the case of it, which the call's views have, but for
 * their buffers: false where there is none. */
typedef struct spoilt_described {
  const spoilt_call *call;
  const spoilt_bench *bench;
  spoilt_struct arrays, options;
  spoilt_shape shape;
  harness_array layouts[HARNESS_ARRAYS];
} spoilt_described;

bool spoilt_describe(const spoilt_bench *b, const spoilt_call *c, clloss_ctx *ctx, const spoilt_shape *drawn,
                     spoilt_described *d);

/* Puts inputs into the images, before the call. Where two views have the same memory the later one's stay. */
void spoilt_place_inputs(const spoilt_described *d);

/* Whether what stands in the images after the call is what the harness finds the call to give. */
bool spoilt_judge(fuzz *f, clloss_ctx *ctx, const spoilt_described *d, char *what, size_t size);

/* View i of a call's struct. */
clloss_view spoilt_view(const spoilt_loss *loss, const spoilt_struct *arrays, int i);

#endif
