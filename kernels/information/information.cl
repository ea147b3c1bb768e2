/* What a distribution says, row by row, in nats: the surprisal −log p_t of its target and its entropy −Σ p log p.
 *
 *   of logits, m = max x, s = Σ exp(x − m), L = log s:   (m − x_t) + L     L + Σ exp(x − m) (m − x) / s   (span.clh, rest.clh)
 *   of probabilities:                                    −log p_t          −Σ p log p
 *   of log-probabilities l:                              −l_t              −Σ exp(l) l
 *
 * 0 log 0 = 0. Of probabilities the entropy carries what else there is to know of a row: NaN where an entry is outside
 * [0, 1], which is why it is found even where nobody asked. Below the least normal number a probability is 0.
 *
 * Bytes per class from memory: read b. Storage type by -D: CLLOSS_X. Teams and rows in the lanes are those of xent.cl;
 * logits and probabilities have kernels of their own, as no reduction may stand in a branch (group.clh). */
#include "../team/team.clh"
#include "information_args.clh"
#include "../team/labels.clh"
#include "../team/span.clh"

#ifdef CLLOSS_REAL_F64
#  define LEAST_NORMAL 0x1p-1022
#else
#  define LEAST_NORMAL 0x1p-126f
#endif

typedef struct information_io {
  global const X(stored) * input;
  global const int *targets;
  global real *surprisal, *entropy;
  local ulong *shared;
} information_io;

/* One signature for all. What follows is the kernel's body. */
#define INFORMATION_KERNEL(name)                                                                          \
  static inline void JOIN(body, name)(const information_io *io, const information_args *a);               \
  kernel TEAM_ATTRIBUTE void name(global const X(stored) * input, global const int *targets,              \
                                  global real *surprisal, global real *entropy, const information_args a, \
                                  local ulong *shared) {                                                  \
    const information_io io = {input, targets, surprisal, entropy, shared};                               \
    TEAM_BEGIN                                                                                            \
    JOIN(body, name)(&io, &a);                                                                            \
  }                                                                                                       \
  static inline void JOIN(body, name)(const information_io *io, const information_args *a)

/* ---- a row's results, by one item ---- */

typedef struct row_facts {
  real max, log_sum; /* of logits; NaN without a softmax */
  real entropy;
} row_facts;

static inline real surprisal_of(const information_io *io, const information_args *a, ulong r, row_facts f) {
  const long t = label_at(io->targets, row_at(&a->targets, 1, r), a->flags >> INFORMATION_LABELS & 15,
                          a->flags & INFORMATION_TARGETS_I64);
  if (t < 0 || (ulong)t >= a->rows.classes) return NAN;
  const real x = X(load1)(io->input, row_at(&a->input, a->rows.inner, r) + (ulong)t * a->input.class_stride);
  if (a->flags & INFORMATION_LOGITS) return (f.max - x) + f.log_sum;
  if (f.entropy != f.entropy) return NAN;
  if (a->flags & INFORMATION_LOGS) return 0 - x;
  return x < LEAST_NORMAL ? (real)INFINITY : 0 - log_pos(x);
}

static inline void store_row(const information_io *io, const information_args *a, ulong r, row_facts f) {
  if (a->flags & INFORMATION_ENTROPY) io->entropy[row_at(&a->entropy, 1, r)] = f.entropy;
  if (a->flags & INFORMATION_SURPRISAL)
    io->surprisal[row_at(&a->surprisal, 1, r)] = surprisal_of(io, a, r, f);
}

/* What a class adds to the entropy, and what follows from a softmax's sums; of a team's vector and of rows in lanes. */
#define DEFINE_INFORMATION(V)                                                                      \
  static inline V OVERLOADED entropy_term(V x, bool is_log) {                                      \
    const V e = exp_neg(x), log_x = log_pos(x);                                                    \
    const V of_log = x <= (V)0 ? (e == (V)0 ? (V)0 : 0 - e * x) : (V)NAN;                          \
    const V of_p = x >= (V)0 && x <= (V)1 ? (x < (V)LEAST_NORMAL ? (V)0 : 0 - x * log_x) : (V)NAN; \
    return is_log ? of_log : of_p;                                                                 \
  }
DEFINE_INFORMATION(vec)
#if LANES == 1
DEFINE_INFORMATION(real)
#endif

static inline row_facts facts_of(real max, real rest, real moment) {
  const real own = max == -INFINITY ? NAN : rest, log_sum = log1p_pos(own);
  const row_facts f = {own == own ? max : NAN, log_sum, log_sum + moment / (1 + own)};
  return f;
}

#ifndef CLLOSS_FORM

/* ---- a team per row ---- */

static inline span span_of(const information_io *io, const information_args *a, ulong r) {
  const span s = {.x = io->input,
                  .at = row_at(&a->input, a->rows.inner, r),
                  .n = a->rows.classes,
                  .scale = 1,
                  .moment = a->flags & INFORMATION_ENTROPY};
  return s;
}

INFORMATION_KERNEL(TEAM(information_logits)) {
  FOR_ROWS(&a->rows, get_group_id(0), r) {
    const span s = span_of(io, a, r);
    const span_stats stats = span_statistics(&s, KEEP_NOT, 0, io->shared);
    if (team_rank() == 0) store_row(io, a, r, facts_of(stats.max, stats.rest, stats.moment));
  }
}

/* One item's share of a row's entropy. */
static inline real entropy_share(const span *s, bool is_log) {
  exact_sum total = {0, 0};
  FOR_PIECES((ulong)0, s->n, begin, end) {
    vec sum = (vec)0;
#  define ENTROPY_ONE(i, n)        sum += part_of(entropy_term(z_at(s, i, n), is_log), n);
#  define ENTROPY_FOUR(i, j, k, l) FOUR_OF(ENTROPY_ONE, i, j, k, l)
    WALK(begin, end, ENTROPY_FOUR, ENTROPY_ONE);
    add_exactly(&total, sum_of(sum));
  }
  return total.sum;
}

INFORMATION_KERNEL(TEAM(information_probabilities)) {
  const bool is_log = a->flags & INFORMATION_LOGS;
  FOR_ROWS(&a->rows, get_group_id(0), r) {
    const span s = span_of(io, a, r);
    const real share = is_log ? entropy_share(&s, true) : entropy_share(&s, false);
    const row_facts f = {0, 0, team_sum(share, io->shared)};
    if (team_rank() == 0) store_row(io, a, r, f);
  }
}

/* ---- a row per lane ---- */

#  define X_LANES(c) X(load_lanes)(io->input, at + (c)*a->input.class_stride, a->input.row_stride, (uint)live)

INFORMATION_KERNEL(TEAM_ROWS(information_logits)) {
  const ulong classes = a->rows.classes;
  FOR_LANES(&a->rows, get_group_id(0), r, live) {
    const ulong at = row_at(&a->input, a->rows.inner, r);
    lanes max = (lanes)-INFINITY;
    exact_lanes sum = {(lanes)0, (lanes)0}, moment = sum;
    for (ulong c = 0; c < classes; ++c) {
      const lanes x = X_LANES(c);
      max = LARGER(x, max);
    }
    const lanes from = max == (lanes)-INFINITY ? (lanes)0 : max; /* -inf - -inf is NaN */
    FOR_CLASSES(classes, begin, end) {
      lanes sums = (lanes)0, moments = sums;
      for (ulong c = begin; c < end; ++c) {
        const lanes d = from - X_LANES(c), e = exp_neg(-d);
        sums += e;
        moments += e == (lanes)0 ? (lanes)0 : e * d;
      }
      add_exactly(&sum, sums);
      add_exactly(&moment, moments);
    }
    lanes rest = sum.sum - 1;
    if (is_certain(sum.sum)) { /* without the maximum's 1 (rest.clh) */
      exact_lanes others = {(lanes)0, (lanes)0};
      FOR_CLASSES(classes, begin, end) {
        lanes part = (lanes)0;
        for (ulong c = begin; c < end; ++c) {
          const lanes e = exp_neg(X_LANES(c) - from);
          part += WITHOUT_ONES(lanes, e);
        }
        add_exactly(&others, part);
      }
      rest = sum.sum < CERTAIN ? others.sum : rest;
    }
    real each_max[LANES], each_rest[LANES], each_moment[LANES];
    STORE_LANES(max, each_max);
    STORE_LANES(rest, each_rest);
    STORE_LANES(moment.sum, each_moment);
    for (uint j = 0; j < live; ++j)
      store_row(io, a, r + j, facts_of(each_max[j], each_rest[j], each_moment[j]));
  }
}

INFORMATION_KERNEL(TEAM_ROWS(information_probabilities)) {
  const ulong classes = a->rows.classes;
  const bool is_log = a->flags & INFORMATION_LOGS;
  FOR_LANES(&a->rows, get_group_id(0), r, live) {
    const ulong at = row_at(&a->input, a->rows.inner, r);
    exact_lanes sum = {(lanes)0, (lanes)0};
    FOR_CLASSES(classes, begin, end) {
      lanes part = (lanes)0;
      for (ulong c = begin; c < end; ++c) part += entropy_term(X_LANES(c), is_log);
      add_exactly(&sum, part);
    }
    real each[LANES];
    STORE_LANES(sum.sum, each);
    for (uint j = 0; j < live; ++j) {
      const row_facts f = {0, 0, each[j]};
      store_row(io, a, r + j, f);
    }
  }
}

#else
#  include "information_held.clh"
#endif
