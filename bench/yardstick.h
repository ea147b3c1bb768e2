/* The yardsticks of a run: scale, copy, read and triad over arrays as large as the logits, and as many exps as there are
 * logits, of data in L1. Each has several candidates (OpenCL kernels of the form that suits the device, OpenMP loops on
 * a CPU device); all are timed, and whichever proves fastest is the yardstick, so that the floor is one. Exp has the
 * library's own arithmetic and, so far, no candidate on a GPU. Besides, what launching costs: kernels that do
 * nothing. */
#ifndef BENCH_YARDSTICK_H
#define BENCH_YARDSTICK_H

#include "machine.h"

/* The text of yardstick.cl. */
extern const char yardstick_cl[];

enum yard_kind { YARD_SCALE, YARD_COPY, YARD_READ, YARD_EXP, YARD_TRIAD, YARD_KINDS };
enum yard_form { YARD_AUTO, YARD_LANE, YARD_GROUP, YARD_OPENMP };

#define YARD_MAX 16
struct yardstick {
  enum yard_kind kind;
  const char *by;   /* for people: "lane kernel, streaming stores" */
  cl_kernel kernel; /* NULL: an OpenMP loop */
  int streaming;
};

struct yardsticks {
  struct yardstick all[YARD_MAX];
  size_t count;
  cl_program program;
  cl_kernel nothing;
  cl_mem part; /* the partial sums of read */
  size_t local;
  int lanes;
};

/* Builds the candidates: of one form only unless it is YARD_AUTO. max_n: the longest array, in floats. 0; or −1 and a
 * reason. */
int yardsticks_open(struct yardsticks *y, const struct machine *m, enum yard_form form, size_t max_n,
                    char *why, size_t why_size);
void yardsticks_close(struct yardsticks *y);

/* What a candidate works on, n floats each. All read x, and scale overwrites it; copy and triad write y; triad reads z.
 * What a kind doesn't use may be NULL. */
struct yard_arrays {
  cl_mem x, y, z;
};

/* Runs candidate i and says how long that took, from before the enqueue until the device is idle again. The factor is
 * scale's and triad's; sum, where not NULL, receives what read found, after the clock has stopped. */
cl_int yardstick_run(const struct yardsticks *y, size_t i, const struct machine *m,
                     const struct yard_arrays *on, size_t n, float factor, double *ms, double *sum);

/* Enqueues `count` kernels that do nothing: how long that takes until the last call has returned, and until the device
 * is idle. */
cl_int yardstick_launch(const struct yardsticks *y, const struct machine *m, size_t count, double *ms,
                        double *call_ms);

/* Whether every candidate does what it says, on three buffers of the ring, which come back restored. 0; or −1 and a
 * reason. */
int yardsticks_check(const struct yardsticks *y, const struct machine *m, struct ring *ring, size_t n,
                     char *why, size_t why_size);

#endif
