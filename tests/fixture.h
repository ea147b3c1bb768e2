/* What tests of the runtime stand on: a device, and small problems whose right answer is known.
 *
 * Results are compared with the f64 reference within 1e-5: enough to tell right work from wrong, skipped or stale
 * work. The derived error bounds are the harness's business. */
#ifndef CLLOSS_TESTS_FIXTURE_H
#define CLLOSS_TESTS_FIXTURE_H

#include "layer.h"

#include <clloss/clloss.h>

typedef struct fixture {
  cl_platform_id platform;
  cl_device_id device;
  cl_context context;
  cl_command_queue queue; /* in order */
} fixture;

/* The first device of the first platform that has one; prints why and returns false where there is none. */
bool fixture_open(fixture *f);
void fixture_close(fixture *f);
cl_command_queue fixture_queue(const fixture *f, cl_command_queue_properties properties);

/* The layer of layer.c, which CLLOSS_LAYER and OPENCL_LAYERS both name; NULL, with a line on stderr, where there is none. */
const layer_api *layer_open(void);
/* Prints every kind whose count isn't `before` and returns how many there are. */
int layer_grown(const layer_api *layer, const int64_t before[LAYER_KIND_COUNT], const char *where);
void layer_snapshot(const layer_api *layer, int64_t live[LAYER_KIND_COUNT]);

typedef enum pass { FORWARD, BACKWARD, FUSED, PASS_COUNT } pass;
extern const char *const pass_names[PASS_COUNT];

/* The buffers of a problem. Each is exactly as large as its view says. */
enum slot { LOGITS, TARGETS, LOSS, ROW_LOSS, ROW_STATS, GRAD, GRAD_LOSS, WORKSPACE, SLOT_COUNT };
extern const char *const slot_names[SLOT_COUNT];

typedef struct problem {
  cl_context context;
  size_t rows, classes;
  clloss_xent_options options;
  cl_mem mem[SLOT_COUNT]; /* workspace: NULL until problem_own_workspace() */
  size_t bytes[SLOT_COUNT];
  float *logits;
  int32_t *targets;
  double loss, *row_loss, *row_stats, *grad; /* expected */
} problem;

/* Makes and fills buffers on the queue, and waits. Row 1, if there is one, is ignored; the upstream gradient is 0.5;
 * `seed` varies the data. Backward can run before forward: row_stats holds the right pairs. */
bool problem_open(problem *p, cl_command_queue queue, size_t rows, size_t classes, uint32_t reduction,
                  unsigned seed);
void problem_close(problem *p);
bool problem_own_workspace(problem *p, clloss_ctx *ctx);

/* The full call: every view that the pass can use. */
clloss_xent problem_xent(const problem *p, pass which);
clloss_view *xent_slot(clloss_xent *xent, enum slot slot);
bool pass_writes(pass which, const clloss_xent_options *options, enum slot slot);

clloss_status run_pass(pass which, clloss_ctx *ctx, const clloss_xent *xent,
                       const clloss_xent_options *options, cl_command_queue queue, cl_uint n_wait,
                       const cl_event *wait, cl_event *done);
clloss_status problem_run(const problem *p, pass which, clloss_ctx *ctx, cl_command_queue queue,
                          cl_uint n_wait, const cl_event *wait, cl_event *done);

/* Fill what the pass writes with a pattern, and wait; and whether it is all still there. */
bool problem_poison(const problem *p, pass which, cl_command_queue queue);
bool problem_untouched(const problem *p, pass which, cl_command_queue queue);
/* Reads, in the queue's turn, what the pass wrote and prints the first value that isn't right. */
bool problem_right(const problem *p, pass which, cl_command_queue queue);

/* The calls that move a tensor's elements; _AS to and from f64. */
typedef enum transfer { UPLOAD, DOWNLOAD, UPLOAD_AS, DOWNLOAD_AS, MAP, UNMAP, TRANSFER_COUNT } transfer;
extern const char *const transfer_names[TRANSFER_COUNT];

/* Makes the call under a time limit: one that hasn't returned after ten seconds ends the process with exit status 1. */
clloss_status transfer_run(transfer which, clloss_tensor *tensor, void *host, void **mapped,
                           cl_command_queue queue, cl_uint n_wait, const cl_event *wait, cl_event *done);

#endif
