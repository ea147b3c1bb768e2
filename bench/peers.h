/* The peers: what a reader would otherwise have, timed in the same run, in turn with the library's own repetitions.
 *
 *   C loop          the loss as a compiler makes the best of it: -O3 -march=native -ffast-math, OpenMP (peers/loop.c)
 *   OpenCL naive    a kernel as written for a GPU: a work-group per row, local memory, barriers (peers/naive.cl)
 *   PyTorch eager   F.cross_entropy and backward(), on as many threads (peers/torch_peer.py); also mse_loss and
 *                   binary_cross_entropy_with_logits
 *   torch.compile   the same, compiled
 *
 * Each computes the mean loss and its gradient with respect to the logits: what the fused cases compute. The first two
 * write the gradient over the logits. None is timed whose loss and gradient haven't just agreed with the reference
 * (peer_check.c). */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "cases.h"
#include "torch.h"

struct peers {
  char missing[PEERS][160]; /* why a peer isn't there at all; empty where it is */
  struct torch torch;
  const struct machine *machine;
  /* what peers_open was given, until the next; and naive.cl, built for it */
  const struct problem *problem;
  const struct bench_case *what;
  struct ring *ring;
  cl_program program;
  cl_kernel rows, mean;
  size_t local;
  cl_mem row_loss; /* one per row, then the mean */
};

/* Starts Python, which takes seconds. What isn't there is `missing`. */
void peers_start(struct peers *p, const struct machine *m, const char *python);
void peers_stop(struct peers *p);

/* Gets those of `wanted`, which the case has, ready for it (the first two know cross-entropy of f32 and a last class
 * axis alone), runs each once and checks it; figures[i].failed says why peer i
 * won't be run. problem->half holds the logits of a case of two bytes, the ring f32 logits whatever the case's type. */
void peers_open(struct peers *p, const struct problem *problem, const struct bench_case *what,
                struct ring *ring, unsigned wanted, struct peer_figure figures[PEERS]);

/* One loss and gradient; NaN milliseconds and `why` where that failed. The logits are restored off the clock. */
void peer_run(struct peers *p, enum peer_id id, double *ms, char *why, size_t why_size);

/* Whether the loss and the gradient, f32 in the logits' layout, are those of the mean over the problem's rows: 0; or −1
 * and where they differ. */
int peer_check(const struct problem *p, const struct bench_case *what, double loss, const float *grad,
               char *why, size_t why_size);

/* The same of elementwise losses. */
int peer_check_pointwise(const struct problem *p, const struct bench_case *what, double loss,
                         const float *grad, char *why, size_t why_size);

#endif
