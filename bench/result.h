/* What one case yielded, and the ways to show it. Times are milliseconds. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "stats.h"

#include <stddef.h>
#include <stdio.h>

/* What is timed beside clLoss (peers.h). */
enum peer_id { PEER_C_LOOP, PEER_NAIVE, PEER_EAGER, PEER_COMPILED, PEERS };
#define PEERS_ALL ((1u << PEERS) - 1)

/* What a shape is there for: targets speak of one kind each. */
enum shape_kind {
  SHAPE_LARGE,    /* a training batch */
  SHAPE_FEW_ROWS, /* a decoding step */
  SHAPE_TINY,     /* launching is all that counts */
  SHAPE_IMAGES,   /* the class axis in the middle */
  SHAPE_BETWEEN   /* for the plots */
};

struct peer_figure {
  struct summary ms, speedup; /* speedup: the peer's time over the case's, paired */
  char failed[160];           /* why it wasn't timed; empty where it was, or wasn't wanted */
};

struct result {
  const char *name; /* "xent_fused" */
  int inplace;
  size_t rows, classes, inner;
  enum shape_kind kind;
  const char *dtype;
  char plan[64];      /* "lane/1×8": variant, work-items × rows of a work-group */
  unsigned kernels;   /* that the call enqueued */
  double max_err;     /* of the check that preceded the timing */
  double ideal_bytes; /* what the case must move, results per row and targets included */
  char failed[400];   /* why it wasn't timed; empty where it was */
  size_t reps;
  size_t ref_rows;   /* rows that the scalar reference ran on; its time is scaled up to all */
  size_t ring_bytes; /* over which the buffers rotate */
  struct summary ms, scale_ms, copy_ms, read_ms, exp_ms, ref_ms;
  struct summary triad_ms;  /* NaN where it isn't the floor */
  struct summary launch_ms; /* of as many kernels that do nothing */
  struct summary call_us;   /* microseconds on the host in the call, above those of enqueuing the former */
  /* of paired ratios; the last over whichever takes longer in the repetition, scale or exp */
  struct summary over_scale, of_limit, speedup, over_bound;
  struct summary
      over_plain; /* likewise, over the plain f32 case fused in place; NaN in cases that are plain */
  const char *scale_by, *copy_by, *read_by, *triad_by; /* who won each yardstick */
  struct peer_figure peers[PEERS];
};

/* Facts of the run that stand above every table and in every line of JSON. */
struct run_facts {
  char device[128], driver[128], platform[128];
  unsigned units;     /* compute units: threads on a CPU device */
  size_t cache_bytes; /* last-level cache */
  unsigned openmp;    /* threads of the OpenMP loops; 0 without OpenMP or on a GPU */
  char torch[96];     /* "PyTorch 2.15.0, Python 3.11.7"; empty without */
  char command[512];  /* that made the run */
};

/* A result with names, sizes and no figure: every summary NaN. */
struct result result_blank(const char *name, int inplace, enum shape_kind kind, size_t rows, size_t classes,
                           size_t inner, const char *dtype);

/* How much of its claim the noise eats: the largest relative interquartile range among the ratios of the result. */
double result_noise(const struct result *r);
#define NOISE_LIMIT 0.2

/* "c_loop": the key in JSON; "C loop": for people. */
const char *peer_key(enum peer_id id);
const char *peer_label(enum peer_id id);

void json_result(FILE *out, const struct run_facts *facts, const struct result *r);

/* The run itself: command, date, versions, machine. */
void json_run(FILE *out, const struct run_facts *facts);

void table_head(FILE *out, const struct run_facts *facts);
void table_gap(FILE *out); /* between groups of results */
void table_result(FILE *out, const struct result *r);
void table_foot(FILE *out, const struct result *results, size_t n);

/* The targets that these results speak to: what was aimed at, what was measured, its quartiles, met or missed. */
void targets_table(FILE *out, const struct result *results, size_t n);

/* Cells of every table, padded by characters shown rather than bytes, since × and ± take two; and three significant
 * digits without an exponent, as far as that is readable. */
void cell_left(FILE *out, int width, const char *text);
void cell_right(FILE *out, int width, const char *text);
const char *cell_number(char *room, size_t size, double x);
/* "fused in place, bf16". */
const char *cell_label(const struct result *r, char *room, size_t size);

#endif
