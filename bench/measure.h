/* Times one checked case: the case, the plain case that it is compared with, the yardsticks, the reference and the peers
 * in turn, so often. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "cases.h"
#include "peers.h"
#include "yardstick.h"

struct measurement {
  const struct machine *machine;
  const struct yardsticks *yardsticks;
  const struct problem *problem;
  struct ring *ring;       /* logits in f32 */
  struct ring *other_ring; /* and of a case that has its own (case_has_own_logits) */
  size_t reps, ref_bytes;
  struct peers *peers;
  unsigned peers_wanted; /* bits of enum peer_id; 0 for a case that has no peers */
  void (*tick)(void);    /* after every repetition */
};

/* Fills the figures of `result`, whose names and sizes stand already. 0; or −1 with result->failed set. */
int measure(const struct measurement *how, const struct bench_case *what, struct result *result);

#endif
