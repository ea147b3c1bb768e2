/* Softmax cross-entropy over rows of logits, with a class index or probabilities for targets. The mathematics stands in
 * xent_row.clh (a row) and span.clh (its statistics); in the plainest case, with m = max x and s = Σ exp(x − m),
 *
 *   loss = (m − x_t) + log s            grad_c = g (exp(x_c − m) / s − [c = t])
 *
 * never −log p, which is inf once p underflows, never lse − x_t, which loses the loss where logits are large, and never log s of a
 * sum that has swallowed its small terms (rest.clh).
 *
 * A call is a short chain of these kernels, each written once over a team (lane.clh: one item; group.clh: a
 * work-group) that the host picks, like the storage types, by a -D:
 *
 *   xent_weigh     mean, counts: how many rows are valid, and what they weigh; reads the targets
 *   xent_forward   reads the logits once: row losses, statistics, partial sums per work-group
 *   xent_fused     the same and the gradient. Bytes per logit: read b, write b. Each exp is kept
 *                  in its logit's place or in local memory, and scaled afterwards; where neither can be it is found
 *                  twice, the second time from cache
 *   xent_backward  the gradient from row_stats; read b, write b
 *   xent_finish    the partial sums, in fixed order, to the loss and the metrics
 *
 * Where one work-group owns all rows, its kernel does weigh's and finish's work as well.
 *
 * Few or very long rows are split over several work-groups: xent_partial leaves a tile, the statistics of a slice of the
 * classes, in the workspace, and in place the exps; xent_join joins a row's tiles in order, writes the gradient slice by
 * slice, and does weigh's and finish's work as well. Where the class axis isn't the last, or there are fewer classes
 * than lanes, rows go into the lanes: xent_rows.clh. Few classes beyond that take sixteen rows at once: xent_along.clh.
 * Log-probabilities need none of this: xent_nll.clh.
 *
 * Assumes: views checked by the host; 64-bit offsets; ids below `rows` only by this file's own masks. */
#include "../team/team.clh"
#include "xent_io.clh"

/* ---- how many rows are valid, and what they weigh ---- */

typedef struct tally {
  ulong of[XENT_TALLIES];
  exact_sum loss_weight, z_weight;
} tally;

/* Folded part by part, as local memory has 16 bytes for each item. */
static inline ulong2 earlier(ulong2 x, ulong2 y) { return y.x < x.x ? y : x; }
DEFINE_TEAM_REDUCE(team_earliest, ulong2, earlier)

static inline tally team_add_tallies(tally own, local ulong *shared) {
  UNROLLED for (uint i = 0; i < XENT_FIRST_BAD; ++i) own.of[i] = team_add_ulong(own.of[i], shared);
  const ulong2 bad = team_earliest((ulong2)(own.of[XENT_FIRST_BAD], own.of[XENT_BAD_TARGET]), shared);
  own.of[XENT_FIRST_BAD] = bad.x;
  own.of[XENT_BAD_TARGET] = bad.y;
  own.loss_weight = team_join_sums(own.loss_weight, shared);
  own.z_weight = team_join_sums(own.z_weight, shared);
  return own;
}

/* Returns what the row weighs in the mean of the losses, and in *z in that of the z-losses. */
static inline real tally_row(const xent_io *io, const xent_args *a, ulong r, bool weighs, tally *own,
                             real *z) {
  const row_target row = target_of(io, a, r);
  UNROLLED for (int i = 0; i < XENT_FIRST_BAD; ++i)
      own->of[i] += row.kind == i; /* no index that is known at run time alone */
  if (row.kind == XENT_BAD && own->of[XENT_FIRST_BAD] == ULONG_MAX) {
    own->of[XENT_FIRST_BAD] = a->first_row + r;
    own->of[XENT_BAD_TARGET] = (ulong)index_of(io, a, r);
  }
  *z = 0;
  if (row.kind != XENT_VALID || !weighs) return 0;
  *z = row_weight_of(io, a, r);
  return HAS_TARGET ? *z * class_weight_of(io, a, row.t) : *z;
}

/* What the rows weigh, LANES of them at a time: an exact sum takes a dozen operations that wait for one another. */
typedef struct weights {
  exact_lanes loss, z;
} weights;

#ifdef VECTOR_TARGETS
/* Those of rows [begin, end) whose targets are out of range: seldom any, so that many rows are asked at once whether there are. */
static inline void tally_bad(const xent_io *io, const xent_args *a, ulong begin, ulong end, tally *own) {
  for (ulong r = begin; r < end; ++r) {
    real none;
    if (target_of(io, a, r).kind == XENT_BAD) tally_row(io, a, r, false, own, &none);
  }
}

/* Sixteen rows at a time as far as they go; returns the first row that is left. */
static inline ulong tally_vectors(const xent_io *io, const xent_args *a, ulong begin, ulong end, bool weighs,
                                  tally *own, weights *of_rows) {
  const ulong many = 8 * LANES;
  int16 ignored = (int16)0;
  ulong r = begin;
  for (; !weighs && r + many <= end; r += many) {
    int16 bad = (int16)0;
    for (ulong i = r; i < r + many; i += LANES) {
      const vector_target of = targets_of(io, a, i);
      ignored -= of.ignored;
      bad |= of.bad;
    }
    if (any(bad)) tally_bad(io, a, r, r + many, own);
  }
  for (; r + LANES <= end; r += LANES) {
    const vector_target of = targets_of(io, a, r);
    const int16 invalid = of.ignored || of.bad;
    ignored -= of.ignored;
    if (any(of.bad)) tally_bad(io, a, r, r + LANES, own);
    if (!weighs) continue;
    lanes loss = (lanes)1, z = (lanes)1;
    if (a->flags & XENT_ROW_WEIGHT)
      z = R(load_lanes)(io->row_weight, at_row(&a->row_weight, r), a->row_weight.row_stride, LANES);
    if (a->flags & XENT_CLASS_WEIGHT) {
      bits t[LANES];
      real weight[LANES];
      STORE_LANES(invalid ? (int16)0 : of.t, t);
      for (uint j = 0; j < LANES; ++j) weight[j] = class_weight_of(io, a, (ulong)t[j]);
      loss = LANES_OF(weight);
    }
    add_exactly(&of_rows->loss, invalid ? (lanes)0 : z * loss);
    if (a->flags & XENT_ROW_WEIGHT) add_exactly(&of_rows->z, invalid ? (lanes)0 : z);
  }
  own->of[XENT_IGNORED] += (ulong)sum_of_bits(ignored);
  own->of[XENT_VALID] += (r - begin) - (ulong)sum_of_bits(ignored) - own->of[XENT_BAD];
  return r;
}
#endif

/* Of rows [begin, end), by the team; every item gets it. */
OUTLINED tally tally_of(const xent_io *io, const xent_args *a, ulong begin, ulong end) {
  const bool weighs = a->flags & (XENT_CLASS_WEIGHT | XENT_ROW_WEIGHT);
  tally own = {{0, 0, 0, ULONG_MAX, 0}, {0, 0}, {0, 0}};
  weights of = {{(lanes)0, (lanes)0}, {(lanes)0, (lanes)0}};
  ulong r = begin + team_rank();
#ifdef VECTOR_TARGETS
  if (has_vector_targets(a)) r = tally_vectors(io, a, begin, end, weighs, &own, &of);
#endif
  real none;
  for (; r < end && !weighs; r += team_size()) tally_row(io, a, r, false, &own, &none);
  while (r < end) {
    real loss[LANES], z[LANES];
    for (uint j = 0; j < LANES; ++j, r += team_size()) {
      loss[j] = z[j] = 0;
      if (r < end) loss[j] = tally_row(io, a, r, true, &own, &z[j]);
    }
    add_exactly(&of.loss, LANES_OF(loss));
    add_exactly(&of.z, LANES_OF(z));
  }
  own.loss_weight = join_lanes(of.loss);
  own.z_weight = join_lanes(of.z);
  return team_add_tallies(own, io->shared);
}

static inline void store_tally(const xent_io *io, const xent_args *a, tally t, ulong at) {
  for (uint i = 0; i < XENT_TALLIES; ++i) ulongs(io->work, a->tallies)[i * a->n_tallies + at] = t.of[i];
  reals(io->work, a->weights)[at] = t.loss_weight.sum;
  reals(io->work, a->weights)[a->n_tallies + at] = t.z_weight.sum;
}

/* A reduced result, or what is added to one. */
static inline void put_real(global real *to, real value, bool adds) { *to = adds ? *to + value : value; }
static inline void put_long(global long *to, ulong value, bool adds) { *to = (adds ? *to : 0) + (long)value; }

#if !defined(CLLOSS_FORM) || CLLOSS_FORM == FORM_SUMS
XENT_KERNEL(TEAM(xent_weigh)) {
  const ulong block = io->block, rows = a->rows, begin = min(block * a->rows_per_tally, rows);
  const tally t = tally_of(io, a, begin, min(begin + a->rows_per_tally, rows));
  if (team_rank() != 0) return;
  store_tally(io, a, t, a->first_tally + block);
  if (a->n_tallies == 1)
    store_divisors(io, a, k,
                   divisors_from(io, a, k, (real)t.of[XENT_VALID], t.loss_weight.sum, t.z_weight.sum));
}

XENT_KERNEL(TEAM(xent_divide)) {
  if (team_rank() == 0) store_divisors(io, a, k, divisors_of_tallies(io, a, k));
}

/* The divisor itself, in the place of a loss. */
XENT_KERNEL(TEAM(xent_divisor)) {
  if (team_rank() != 0 || !(a->flags & XENT_MEAN)) return;
  put_real(io->loss + a->loss, divisors_of_tallies(io, a, k).loss, a->flags & XENT_ACCUMULATE);
}
#endif

/* ---- the reduced results ---- */

/* What is left in the workspace, added up. */
typedef struct totals {
  real of[XENT_SUMS];
  ulong hits[XENT_HITS], rows[XENT_FIRST_BAD];
  ulong2 bad; /* the first bad row, ULONG_MAX if there is none, and its target */
} totals;

#define FIND_TOTALS(REAL_TOTAL, ULONG_TOTAL)                                                                \
  totals t;                                                                                                 \
  UNROLLED for (uint i = 0; i < XENT_SUMS; ++i) {                                                           \
    const bool wanted = i == XENT_SUM_LOSS || (i == XENT_SUM_Z ? k->z_loss != 0 : a->flags & XENT_METRICS); \
    t.of[i] = REAL_TOTAL(reals(io->work, a->sums) + i * a->n_sums, wanted ? a->n_sums : 0);                 \
  }                                                                                                         \
  const bool counts = a->flags & XENT_COUNTS;                                                               \
  global const ulong *const tallies = ulongs(io->work, a->tallies);                                         \
  const ulong n_tallies = counts ? a->n_tallies : 0, n_hits = counts ? a->n_sums : 0;                       \
  UNROLLED for (uint i = 0; i < XENT_HITS; ++i)                                                             \
      t.hits[i] = ULONG_TOTAL(ulongs(io->work, a->hits) + i * a->n_sums, n_hits);                           \
  UNROLLED for (uint i = 0; i < XENT_FIRST_BAD; ++i)                                                        \
      t.rows[i] = ULONG_TOTAL(tallies + i * a->n_tallies, n_tallies);                                       \
  t.bad = (ulong2)(ULONG_MAX, 0);

static inline ulong2 tallied_bad(const xent_io *io, const xent_args *a, ulong i) {
  global const ulong *const tallies = ulongs(io->work, a->tallies);
  return (ulong2)(tallies[XENT_FIRST_BAD * a->n_tallies + i], tallies[XENT_BAD_TARGET * a->n_tallies + i]);
}

/* … by one item, for which there are few; and by a team. */
static inline totals totals_of_one(const xent_io *io, const xent_args *a, const xent_scalars *k) {
  FIND_TOTALS(total_real, total_ulong)
  for (ulong i = 0; i < n_tallies; ++i) t.bad = earlier(t.bad, tallied_bad(io, a, i));
  return t;
}
static inline totals totals_of_team(const xent_io *io, const xent_args *a, const xent_scalars *k) {
#define REALS_BY_TEAM(p, n)  team_total_real(p, n, io->shared)
#define ULONGS_BY_TEAM(p, n) team_total_ulong(p, n, io->shared)
  FIND_TOTALS(REALS_BY_TEAM, ULONGS_BY_TEAM)
  for (ulong i = team_rank(); i < n_tallies; i += team_size()) t.bad = earlier(t.bad, tallied_bad(io, a, i));
  t.bad = team_earliest(t.bad, io->shared);
  return t;
}

/* A row that has no loss is still seen in a mean over nothing. */
static inline real quotient(real sum, real divisor, ulong flags) {
  return divisor == 0 && (flags & XENT_EMPTY_ZERO) && sum == sum ? 0 : sum / divisor;
}

OUTLINED void finish(const xent_io *io, const xent_args *a, const xent_scalars *k, const totals *t) {
  const divisors d = divisors_of(io, a, k);
  const bool adds = a->flags & XENT_ACCUMULATE;
  if (a->flags & XENT_LOSS) {
    const real z = k->z_loss == 0 ? 0 : quotient(t->of[XENT_SUM_Z], d.z, a->flags);
    put_real(io->loss + a->loss, quotient(t->of[XENT_SUM_LOSS], d.loss, a->flags) + z, adds);
  }
  if (a->flags & XENT_METRICS) {
    global real *metrics = io->metrics + a->metrics;
    const bool own = counts_rows(a, k); /* a divisor of the caller's stays one */
    put_real(metrics, t->of[XENT_SUM_PLAIN], adds);
    put_real(metrics + 1, t->of[XENT_SUM_ENTROPY], adds);
    put_real(metrics + 2, t->of[XENT_SUM_CONFIDENCE], adds);
    put_real(metrics + 3, d.loss, adds && own);
    put_real(metrics + 4, d.z, adds && own);
  }
  if (!(a->flags & XENT_COUNTS)) return;
  global long *counts = io->counts + a->counts;
  const bool had_bad = adds && counts[XENT_BAD] != 0;
  UNROLLED for (uint i = 0; i < XENT_FIRST_BAD; ++i) put_long(counts + i, t->rows[i], adds);
  if (!had_bad) {
    counts[3] = t->bad.x == ULONG_MAX ? -1 : (long)t->bad.x;
    counts[4] = (long)t->bad.y;
  }
  UNROLLED for (uint i = 0; i < XENT_HITS; ++i) put_long(counts + 5 + i, t->hits[i], adds);
}

#if !defined(CLLOSS_FORM) || CLLOSS_FORM == FORM_SUMS
XENT_KERNEL(TEAM(xent_finish)) {
  const totals t = totals_of_team(io, a, k);
  if (team_rank() == 0) finish(io, a, k, &t);
}
#endif

#ifndef CLLOSS_FORM

/* ---- a call of one work-group ---- */

/* Weighs before the kernel's rows and finishes behind them: each kernel saved is a launch saved. */
static inline void begin_alone(const xent_io *io, const xent_args *a) {
  if (TEAM_ALONE && (a->flags & XENT_ALONE)) store_tally(io, a, tally_of(io, a, 0, a->rows), 0);
}

static inline void end_alone(const xent_io *io, const xent_args *a, const xent_scalars *k) {
  if (!TEAM_ALONE || !(a->flags & XENT_ALONE)) return;
  const totals t = totals_of_one(io, a, k);
  finish(io, a, k, &t);
}

/* ---- whole rows ---- */

XENT_KERNEL(TEAM(xent_forward)) {
  begin_alone(io, a);
  sums total = NO_SUMS;
  FOR_ROWS(a, io->block, r) {
    const row_target row = target_of(io, a, r);
    results_one o = results_of_invalid(row.kind, a->flags);
    const real z_target = row.kind == XENT_VALID ? target_z(io, a, k, r, row) : 0;
    const span s = ranked_span(io, a, k, r, row, 0, a->classes, z_target);
    const span_stats stats = span_statistics(&s, KEEP_NOT, 0, io->shared);
    if (row.kind == XENT_VALID) {
      const row_one facts = {z_target, class_weight_of(io, a, row.t), row_weight_of(io, a, r)};
      o = row_results(stats, facts, a->flags, k);
    }
    if (team_rank() == 0) store_row(io, a, r, row.kind, o, stats.first);
    add_row(&total, a, row.kind, o, stats.greater);
  }
  if (team_rank() == 0) store_sums(io, a, io->block, &total);
  end_alone(io, a, k);
}

#endif

#if !defined(CLLOSS_FORM) || defined(CLLOSS_OPTIONS)
/* A row's softmax, for its gradient. */
typedef struct softmax_one {
  real max, per_sum, less; /* of the likeliest class p and p − 1 */
} softmax_one;

/* … from row_stats. less is asked of no class that has less than half; the maximum has per_sum, but a softcap may put it a rounding
 * above the max that another device or plan has found. */
static inline softmax_one softmax_from(real max, real log_sum) {
  const real per_sum = exp_neg(-log_sum);
  const softmax_one p = {max, per_sum, per_sum > (real)0.4375f ? less_exp(-log_sum) : 0};
  return p;
}

/* What turns a row's exps into its gradient. */
static inline grad_terms terms_of(const span *s, const xent_scalars *k, const gradient_one *g,
                                  softmax_one p) {
  grad_terms t = {p.max,
                  (g->hard + g->q + g->z) * p.per_sum,
                  g->unit * s->q_unit,
                  k->beta,
                  g->stretched,
                  g->near,
                  g->far,
                  0,
                  0,
                  0};
  if (!HAS_TARGET) {
    t.whole = g->q;
    t.likeliest = g->q * p.less + g->z * p.per_sum;
    t.above = (real)0.5f / p.per_sum;
  }
  return t;
}

/* The target's own entry, t in the span: found before row_grad overwrites what it needs, stored after it. */
static inline real target_entry(const xent_io *io, const xent_scalars *k, const span *s, ulong g_at,
                                const gradient_one *g, softmax_one p, ulong t, real z_target) {
  const real old = k->beta != 0 ? G(load1)(io->grad, g_at + t) * k->beta : 0;
  const real p_target = exp_neg(z_target - p.max) * p.per_sum;
  const real entry = gradient_entry(g, p_target, less_one(p_target, p.less), q_one(s, t, g->unit));
  return old + (s->softcap > 0 ? entry * slope_of(z_target, s->softcap) : entry);
}
#endif

#ifndef CLLOSS_FORM

/* The gradient of one span of a row whose statistics are known, by the team; the target's own entry as any other. */
static inline void row_grad(const xent_io *io, const xent_args *a, const xent_scalars *k, const span *s,
                            ulong g_at, const gradient_one *g, softmax_one p, const real *maxima, int keep) {
  const grad_terms terms = terms_of(s, k, g, p);
  if (keep != KEEP_NOT) {
    span_grad_kept(s, io->grad, g_at, &terms, maxima, keep, a->flags & XENT_PAST_CACHE);
  } else {
    span_grad(s, io->grad, g_at, &terms, a->flags & XENT_PAST_CACHE);
  }
}

static inline int keep_of(const xent_args *a) {
  return !TEAM_KEEPS                     ? KEEP_NOT
         : a->flags & XENT_KEEP_IN_PLACE ? KEEP_IN_PLACE
         : a->flags & XENT_KEEP_APART    ? KEEP_APART
                                         : KEEP_NOT;
}

XENT_KERNEL(TEAM(xent_fused)) {
  begin_alone(io, a);
  const grad_unit u = unit_of(io, a, k);
  const int keep = keep_of(a);
  sums total = NO_SUMS;
  FOR_ROWS(a, io->block, r) {
    const row_target row = target_of(io, a, r);
    const ulong g_at = a->grad.offset + r * a->grad.row_stride;
    results_one o = results_of_invalid(row.kind, a->flags);
    const real z_target = row.kind == XENT_VALID ? target_z(io, a, k, r, row) : 0;
    const span s = ranked_span(io, a, k, r, row, 0, a->classes, z_target);
    real maxima[BLOCKS_MOST], entry = 0;
    const span_stats stats = span_statistics(&s, keep, maxima, io->shared);
    gradient_one g = NO_GRADIENT;
    softmax_one p = {0, 0, 0};
    if (row.kind == XENT_VALID) {
      const row_one facts = {z_target, class_weight_of(io, a, row.t), row_weight_of(io, a, r)};
      o = row_results(stats, facts, a->flags, k);
      g = any_gradient(o.max + o.log_sum, stats.q, upstream_of(io, a, r), facts, &u, k);
      p = (softmax_one){o.max, o.per_sum, o.less};
      if (HAS_TARGET) entry = target_entry(io, k, &s, g_at, &g, p, row.t, z_target);
    }
    team_barrier(); /* the entries that target_entry reads are overwritten now, … */
    if (row.kind == XENT_VALID) {
      row_grad(io, a, k, &s, g_at, &g, p, maxima, keep);
    } else {
      span_fill(io->grad, g_at, a->classes, value_of(row.kind, a->flags), k->beta);
    }
    team_barrier(); /* … and here one of those that row_grad wrote */
    if (team_rank() == 0) {
      if (HAS_TARGET && row.kind == XENT_VALID) G(store1)(entry, io->grad, g_at + row.t);
      store_row(io, a, r, row.kind, o, stats.first);
    }
    add_row(&total, a, row.kind, o, stats.greater);
  }
  if (team_rank() == 0) store_sums(io, a, io->block, &total);
  end_alone(io, a, k);
}

/* What a slice of a row's classes is: all of them where the row isn't split. */
typedef struct slice {
  ulong begin, n;
} slice;

static inline slice slice_of(const xent_io *io, const xent_args *a) {
  const ulong size = (ceil_div(a->classes, a->slices) + 15) & ~(ulong)15, classes = a->classes;
  const ulong begin = min(io->block % a->slices * size, classes);
  const slice s = {begin, min(size, classes - begin)};
  return s;
}

/* The gradient of a slice and, where it holds the target, the target's own entry, which it is told the z of. */
static inline void slice_grad(const xent_io *io, const xent_args *a, const xent_scalars *k, ulong r, slice at,
                              row_target row, const span *s, const gradient_one *g, softmax_one p,
                              real z_target, const real *maxima, int keep) {
  const ulong g_at = a->grad.offset + r * a->grad.row_stride + at.begin;
  /* a target before begin wraps to a huge number */
  const bool owned = HAS_TARGET && row.kind == XENT_VALID && row.t - at.begin < at.n;
  const real entry = owned ? target_entry(io, k, s, g_at, g, p, row.t - at.begin, z_target) : 0;
  team_barrier(); /* the entry that target_entry reads is overwritten now, … */
  if (row.kind == XENT_VALID) {
    row_grad(io, a, k, s, g_at, g, p, maxima, keep);
  } else {
    span_fill(io->grad, g_at, at.n, value_of(row.kind, a->flags), k->beta);
  }
  team_barrier(); /* … and here the one that row_grad wrote */
  if (team_rank() == 0 && owned) G(store1)(entry, io->grad, g_at + (row.t - at.begin));
}

XENT_KERNEL(TEAM(xent_backward)) {
  begin_alone(io, a);
  const slice at = slice_of(io, a);
  const grad_unit u = unit_of(io, a, k);
  FOR_ROWS(a, io->block / a->slices, r) {
    const row_target row = target_of(io, a, r);
    const span s = span_of(io, a, k, r, at.begin, row.kind == XENT_VALID ? at.n : 0);
    const real q = team_sum(s.spreads ? span_q(&s) : 0, io->shared);
    real z_target = 0;
    softmax_one p = {0, 0, 0};
    gradient_one g = NO_GRADIENT;
    if (row.kind == XENT_VALID) { /* the target of any other row is no index */
      global const real *stats = io->row_stats + at_row(&a->row_stats, r);
      const row_one facts = {0, class_weight_of(io, a, row.t), row_weight_of(io, a, r)};
      p = softmax_from(stats[0], stats[1]);
      g = any_gradient(stats[0] + stats[1], q, upstream_of(io, a, r), facts, &u, k);
      if (HAS_TARGET && row.t - at.begin < at.n) z_target = z_one(&s, row.t - at.begin);
    }
    slice_grad(io, a, k, r, at, row, &s, &g, p, z_target, 0, KEEP_NOT);
  }
}

#  include "xent_split.clh"
#  include "xent_lanes.clh"
#  include "xent_rows.clh"
#  include "xent_along.clh"
#  include "xent_nll.clh"
#elif defined(CLLOSS_OPTIONS)
#  include "xent_options_held.clh"
#elif CLLOSS_FORM != FORM_SUMS
#  include "xent_held.clh"
#endif
