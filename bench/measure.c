/* The repetitions, and what is made of them. Everything runs once off the record first, since drivers generate code at
 * the first launch of a shape. */
#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef double column[STATS_MAX_REPS];

struct times {
  column subject, call, plain, ref, launch, launch_call, yard[YARD_MAX], peer[PEERS];
};

static int fail(struct result *r, const char *who, clloss_status status, const char *message) {
  snprintf(r->failed, sizeof r->failed, "%s: %s%s%.120s", who, clloss_status_name(status),
           *message ? ": " : "", message);
  return -1;
}

static struct ring *ring_of(const struct measurement *how, const struct bench_case *what) {
  return case_has_own_logits(what) ? how->other_ring : how->ring;
}

static int time_call(const struct measurement *how, const struct bench_case *what, struct result *r,
                     double *ms, double *call_ms) {
  struct ring *ring = ring_of(how, what);
  cl_mem x = ring_next(ring), y = what->inplace ? x : ring_next(ring);
  clloss_status status = case_run(what, how->problem, how->machine, x, y, ms, call_ms);
  if (status != CLLOSS_SUCCESS) return fail(r, what->name, status, clloss_ctx_message(how->problem->ctx));
  if (!case_has_grad(what)) return 0;
  cl_int rc = ring_restore(ring, how->machine, y);
  return rc == CL_SUCCESS ? 0 : fail(r, "restoring the logits", rc, "");
}

/* Triad moves as much as the others together: it is left out where it isn't the floor. */
static int is_timed(const struct bench_case *what, enum yard_kind kind) {
  return kind != YARD_TRIAD || (what->floor >> YARD_TRIAD & 1);
}

/* The yardsticks move as many bytes as the case's logits have, of f32 whatever the case's type, and copy as many as
 * case_copy_floats says; exp works on as many elements. They leave every buffer as it was: the factor is 1, triad's 0, and all
 * buffers of the ring hold the same. */
static int time_yardsticks(const struct measurement *how, const struct bench_case *what, struct result *r,
                           struct times *t, size_t rep) {
  const size_t floats = ring_of(how, what)->bytes / 4, n = floats ? floats : 1;
  for (size_t i = 0; i < how->yardsticks->count; i++) {
    const enum yard_kind kind = how->yardsticks->all[i].kind;
    if (!is_timed(what, kind)) continue;
    struct yard_arrays on = {.x = ring_next(how->ring)};
    if (kind == YARD_COPY || kind == YARD_TRIAD) on.y = ring_next(how->ring);
    if (kind == YARD_TRIAD) on.z = ring_next(how->ring);
    cl_int rc = yardstick_run(how->yardsticks, i, how->machine, &on,
                              kind == YARD_EXP    ? how->ring->bytes / 4
                              : kind == YARD_COPY ? case_copy_floats(what, how->problem)
                                                  : n,
                              kind == YARD_TRIAD ? 0.0f : 1.0f, &t->yard[i][rep], NULL);
    if (rc != CL_SUCCESS) return fail(r, how->yardsticks->all[i].by, rc, "");
  }
  cl_int rc = yardstick_launch(how->yardsticks, how->machine, r->kernels, &t->launch[rep],
                               &t->launch_call[rep]);
  return rc == CL_SUCCESS ? 0 : fail(r, "empty kernels", rc, "");
}

/* An untimed yardstick before what is timed. A core that has been idle, while the scalar reference or a copy kept one
 * busy, may take milliseconds to join (seen in virtual machines: fused calls took 5 or 10 ms, by turns). */
static int wake(const struct measurement *how, struct result *r) {
  const struct yard_arrays on = {.x = ring_next(how->ring)}; /* the first is scale */
  double ms;
  cl_int rc = yardstick_run(how->yardsticks, 0, how->machine, &on, how->ring->bytes / 4, 1.0f, &ms, NULL);
  return rc == CL_SUCCESS ? 0 : fail(r, how->yardsticks->all[0].by, rc, "");
}

/* The candidate with the smallest median; YARD_MAX where there is none, or none was timed. */
static size_t fastest(const struct yardsticks *y, const struct bench_case *what, const struct times *t,
                      enum yard_kind kind, size_t reps) {
  size_t best = YARD_MAX;
  double least = 0;
  if (!is_timed(what, kind)) return YARD_MAX;
  for (size_t i = 0; i < y->count; i++) {
    if (y->all[i].kind != kind) continue;
    double median = summarize(t->yard[i], reps).median;
    if (best < YARD_MAX && !(median < least)) continue;
    best = i;
    least = median;
  }
  return best;
}

static void conclude(const struct yardsticks *y, const struct bench_case *what, const struct times *t,
                     struct result *r) {
  const size_t n = r->reps;
  size_t best[YARD_KINDS];
  column floor, bound, call;
  for (int k = 0; k < YARD_KINDS; k++) best[k] = fastest(y, what, t, (enum yard_kind)k, n);
  const size_t scale = best[YARD_SCALE], copy = best[YARD_COPY], read = best[YARD_READ],
               exps = best[YARD_EXP], triad = best[YARD_TRIAD];
  for (size_t i = 0; i < n; i++) {
    floor[i] = 0;
    for (int k = 0; k < YARD_KINDS; k++)
      if (what->floor >> k & 1) floor[i] += t->yard[best[k]][i];
    bound[i] = exps < YARD_MAX ? fmax(t->yard[scale][i], t->yard[exps][i]) : (double)NAN;
    call[i] = 1e3 * (t->call[i] - t->launch_call[i]);
  }
  r->ms = summarize(t->subject, n);
  r->scale_ms = summarize(t->yard[scale], n);
  r->copy_ms = summarize(t->yard[copy], n);
  r->read_ms = summarize(t->yard[read], n);
  if (triad < YARD_MAX) r->triad_ms = summarize(t->yard[triad], n);
  if (triad < YARD_MAX) r->triad_by = y->all[triad].by;
  if (exps < YARD_MAX) r->exp_ms = summarize(t->yard[exps], n);
  r->ref_ms = summarize(t->ref, n);
  r->launch_ms = summarize(t->launch, n);
  r->call_us = summarize(call, n);
  r->scale_by = y->all[scale].by;
  r->copy_by = y->all[copy].by;
  r->read_by = y->all[read].by;
  r->over_scale = summarize_ratio(t->subject, t->yard[scale], n);
  r->over_bound = summarize_ratio(t->subject, bound, n);
  r->of_limit = summarize_ratio(floor, t->subject, n);
  r->speedup = summarize_ratio(t->ref, t->subject, n);
  if (case_plain(what)) r->over_plain = summarize_ratio(t->subject, t->plain, n);
}

static int peer_is_timed(const struct measurement *how, const struct result *r, int i) {
  return (how->peers_wanted >> i & 1) && !r->peers[i].failed[0];
}

/* A peer that fails in mid-run loses its figure, and nobody else theirs. */
static void time_peers(const struct measurement *how, struct result *r, struct times *t, size_t rep) {
  for (int i = 0; i < PEERS; i++) {
    if (!peer_is_timed(how, r, i) || wake(how, r) != 0) continue;
    peer_run(how->peers, (enum peer_id)i, &t->peer[i][rep], r->peers[i].failed, sizeof r->peers[i].failed);
  }
}

/* Repetition 0 is run twice: the first, which warms up, is overwritten. */
static int repetition(const struct measurement *how, const struct bench_case *what, struct result *r,
                      struct times *t, float *scratch, size_t rep) {
  const struct problem *p = how->problem;
  size_t windows = p->rows / r->ref_rows;
  double plain_call;
  case_reference(what, p, rep % windows * r->ref_rows, r->ref_rows, scratch, &t->ref[rep]);
  t->ref[rep] *= (double)p->rows / (double)r->ref_rows;
  if (wake(how, r) != 0 || time_yardsticks(how, what, r, t, rep) != 0) return -1;
  if (wake(how, r) != 0 || time_call(how, what, r, &t->subject[rep], &t->call[rep]) != 0) return -1;
  if (case_plain(what) &&
      (wake(how, r) != 0 || time_call(how, case_plain(what), r, &t->plain[rep], &plain_call) != 0))
    return -1;
  time_peers(how, r, t, rep);
  how->tick();
  return r->failed[0] ? -1 : 0;
}

/* The kernels of one call, by the ctx's own count; 0 where the call fails, which the repetitions will say. */
static unsigned count_kernels(const struct measurement *how, const struct bench_case *what,
                              struct result *r) {
  clloss_ctx_stats before = {.struct_size = sizeof before}, after = before;
  double ms, call_ms;
  clloss_ctx_get_stats(how->problem->ctx, &before);
  if (time_call(how, what, r, &ms, &call_ms) != 0) return 0;
  clloss_ctx_get_stats(how->problem->ctx, &after);
  return (unsigned)(after.kernels_enqueued - before.kernels_enqueued);
}

static int prepare(const struct measurement *how, const struct bench_case *what, struct result *r) {
  const struct problem *p = how->problem;
  const size_t most = how->ref_bytes / (4 * p->classes) / p->inner * p->inner;
  r->ref_rows = most < p->inner ? p->inner : most > p->rows ? p->rows : most;
  r->reps = how->reps;
  r->ring_bytes = ring_of(how, what)->count * ring_of(how, what)->bytes;
  r->ideal_bytes = case_ideal_bytes(what, p);
  clloss_status status = case_prepare(what, p, how->machine, ring_next(how->ring));
  if (status != CLLOSS_SUCCESS) return fail(r, what->name, status, clloss_ctx_message(p->ctx));
  r->kernels = count_kernels(how, what, r);
  if (how->peers_wanted) peers_open(how->peers, p, what, how->ring, how->peers_wanted, r->peers);
  return r->failed[0] ? -1 : 0;
}

int measure(const struct measurement *how, const struct bench_case *what, struct result *r) {
  const struct problem *p = how->problem;
  int rc = prepare(how, what, r);
  if (rc != 0) return rc;
  struct times *t = malloc(sizeof *t);
  float *scratch = malloc(r->ref_rows * (p->classes + 3) * sizeof *scratch);
  if (t && scratch) {
    rc = repetition(how, what, r, t, scratch, 0);
    for (size_t rep = 0; rep < how->reps && rc == 0; rep++) rc = repetition(how, what, r, t, scratch, rep);
    if (rc == 0) conclude(how->yardsticks, what, t, r);
    for (int i = 0; i < PEERS && rc == 0; i++) {
      if (!peer_is_timed(how, r, i)) continue;
      r->peers[i].ms = summarize(t->peer[i], how->reps);
      r->peers[i].speedup = summarize_ratio(t->peer[i], t->subject, how->reps);
    }
  } else {
    rc = fail(r, "the repetitions", CL_OUT_OF_HOST_MEMORY, "");
  }
  free(scratch);
  free(t);
  return rc;
}
