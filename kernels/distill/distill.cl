/* Distillation: the Kullback-Leibler divergence of a student's softmax from a teacher's, row by row, and its gradient
 * with respect to the student's logits. With temperature τ, maxima m of the logits as they are stored, d = (x − m) / τ,
 * s = Σ exp d, L = log s and p = exp(d) / s, each of the teacher (t) and of the student (s):
 *
 *   loss = Σ p_t (log p_t − log p_s) = Σ exp(d_t) (d_t − d_s) / s_t + (L_s − L_t)     grad = (p_s − p_t) / τ
 *
 * Differences to the maxima alone go into it, so that a common offset of either row's logits cancels before anything is
 * rounded twice, and a student that equals its teacher costs exactly 0. A class that the teacher masks (−inf) adds
 * nothing; one that only the student masks costs +inf, also where the teacher's exp underflows. A row without a
 * softmax needs no case: NaN and +inf make s NaN, and where all is −inf its maximum says so.
 *
 * The online form takes both rows at once: of a block first both maxima, then, from L1, the three sums, which are
 * carried over to the larger maxima by join_pairs. Bytes per class from memory: read b of each row, fused and backward
 * write b; the gradient finds the rows in cache and both exps a second time. (Keeping the student's exps in place, as
 * xent.cl does, would save one of four: three streams of memory weigh more than that exp.)
 *
 *   distill_weigh     Σ row_weight in parts, where that is the mean's divisor
 *   distill_divide    the parts to one, for the group team
 *   distill_forward   row losses, statistics, partial sums per work-group
 *   distill_fused     the same and the gradient
 *   distill_backward  the gradient from row_stats
 *   distill_finish    the partial sums, in fixed order, to the loss
 *
 * Element types come by -D: CLLOSS_X of the student, CLLOSS_T of the teacher (none: the student's), CLLOSS_G of the
 * gradient. Teams and rows in the lanes are those of xent.cl; in place and out of place are the same. */
#include "../team/team.clh"
#ifndef CLLOSS_T
#  define CLLOSS_T CLLOSS_X
#endif
#include "distill_args.clh"
#include "distill_row.clh"
#include "../team/factors.clh"
#include "../team/span.clh"

#define T(f) JOIN(f, CLLOSS_T)

typedef DISTILL_SCALARS(real) distill_scalars;

/* A kernel's buffers. Those whose view isn't bound are NULL; flags say so. */
typedef struct distill_io {
  global const X(stored) * student;
  global const T(stored) * teacher;
  global G(stored) * grad;
  global const real *row_weight, *grad_loss, *divisor;
  global real *loss, *row_loss, *row_stats;
  global uchar *work;
  local ulong *shared;
} distill_io;

/* One signature for all. What follows is the kernel's body. */
#define DISTILL_KERNEL(name)                                                                       \
  static inline void JOIN(body, name)(const distill_io *io, const distill_args *a,                 \
                                      const distill_scalars *k);                                   \
  kernel TEAM_ATTRIBUTE void name(                                                                 \
      global const X(stored) * student, global const T(stored) * teacher, global G(stored) * grad, \
      global const real *row_weight, global const real *grad_loss, global const real *divisor,     \
      global real *loss, global real *row_loss, global real *row_stats, global uchar *work,        \
      const distill_args a, const distill_scalars k, local ulong *shared) {                        \
    const distill_io io = {student, teacher,  grad,      row_weight, grad_loss, divisor,           \
                           loss,    row_loss, row_stats, work,       shared};                      \
    TEAM_BEGIN                                                                                     \
    JOIN(body, name)(&io, &a, &k);                                                                 \
  }                                                                                                \
  static inline void JOIN(body, name)(const distill_io *io, const distill_args *a, const distill_scalars *k)

/* ---- divisor, weights, sums ---- */

static inline real row_weight_of(const distill_io *io, const distill_args *a, ulong r) {
  return a->flags & DISTILL_ROW_WEIGHT ? io->row_weight[row_at(&a->row_weight, 1, r)] : 1;
}

static inline real divisor_of(const distill_io *io, const distill_args *a, const distill_scalars *k) {
  if (a->flags & DISTILL_DIVISOR) return io->divisor[a->divisor];
  return a->flags & DISTILL_WEIGHED ? tallied(reals(io->work, a->weights), a->n_weights) : k->divisor;
}

/* What multiplies the gradients of all rows. Over nothing there is none: not infinities, of which some entries would make
 * NaN and others not. */
static inline common_factor unit_of(const distill_io *io, const distill_args *a, const distill_scalars *k) {
  const real divisor = divisor_of(io, a, k);
  return common_of(divisor == 0 ? factor_of((real)NAN) : over(factor_of(k->grad_factor), divisor));
}

static inline void gather(const distill_io *io, exact_sum own, ulong region) {
  const exact_sum total = team_join_sums(own, io->shared);
  if (team_rank() == 0) reals(io->work, region)[get_group_id(0)] = total.sum;
}

#if !defined(CLLOSS_FORM) || CLLOSS_FORM == FORM_SUMS
DISTILL_KERNEL(TEAM(distill_weigh)) {
  const ulong begin = min(get_group_id(0) * a->rows_per_weight, (ulong)a->rows.rows);
  const ulong end = min(begin + a->rows_per_weight, (ulong)a->rows.rows);
  exact_sum own = {0, 0};
  for (ulong r = begin + team_rank(); r < end; r += team_size()) add_exactly(&own, row_weight_of(io, a, r));
  gather(io, own, a->weights);
}

DISTILL_KERNEL(TEAM(distill_divide)) {
  gather_tallies(reals(io->work, a->weights), a->n_weights, io->shared);
}

DISTILL_KERNEL(TEAM(distill_finish)) {
  const real total = team_total_real(reals(io->work, a->sums), a->n_sums, io->shared);
  if (team_rank() == 0 && (a->flags & DISTILL_LOSS)) io->loss[a->loss] = total / divisor_of(io, a, k);
}
#endif

static inline void store_pair(const distill_io *io, const distill_args *a, ulong r, const pair_one *o,
                              real loss) {
  if (a->flags & DISTILL_ROW_LOSS) io->row_loss[row_at(&a->row_loss, 1, r)] = loss;
  if (a->flags & DISTILL_ROW_STATS) {
    global real *stats = io->row_stats + row_at(&a->row_stats, 1, r);
    stats[0] = o->max_s;
    stats[1] = o->log_s;
    stats[2] = o->max_t;
    stats[3] = o->log_t;
  }
}

static inline real2 larger_two(real2 a, real2 b) { return (real2)(LARGER(a.x, b.x), LARGER(a.y, b.y)); }

#ifndef CLLOSS_FORM

/* ---- a team per row ---- */

/* One row on its way. */
typedef struct pair_walk {
  global const X(stored) * student;
  global const T(stored) * teacher;
  global G(stored) * grad;
  ulong s_at, t_at, g_at, n;
  real scale;
} pair_walk;

static inline pair_walk walk_of(const distill_io *io, const distill_args *a, const distill_scalars *k,
                                ulong r) {
  const pair_walk w = {io->student,
                       io->teacher,
                       io->grad,
                       row_at(&a->student, a->rows.inner, r),
                       row_at(&a->teacher, a->rows.inner, r),
                       row_at(&a->grad, a->rows.inner, r),
                       a->rows.classes,
                       k->scale};
  return w;
}

/* What a vector lacks at a row's end is masked in both rows, and adds nothing. */
static inline vec student_at(const pair_walk *w, ulong i, uint n) {
  return X(load_some)(w->student, w->s_at + i, n, -INFINITY);
}
static inline vec teacher_at(const pair_walk *w, ulong i, uint n) {
  return T(load_some)(w->teacher, w->t_at + i, n, -INFINITY);
}

/* Of a team's items, two at a time, as local memory has 16 bytes for each. */
DEFINE_TEAM_REDUCE(team_larger_two, real2, larger_two)
DEFINE_TEAM_REDUCE(team_add_two_shares, real2, plus_two_shares)

static inline pair_stats team_larger_pair(pair_stats own, local ulong *shared) {
  const real2 max = team_larger_two((real2)(own.max_s, own.max_t), shared);
  own.max_s = max.x;
  own.max_t = max.y;
  return own;
}

static inline pair_stats team_add_pair(pair_stats own, local ulong *shared) {
  const real2 share = team_add_two_shares((real2)(own.rest_s, own.rest_t), shared);
  own.rest_s = rest_of(share.x);
  own.rest_t = rest_of(share.y);
  own.gap = team_sum(own.gap, shared);
  return own;
}

/* One item's share of both maxima of a block … */
static inline pair_stats block_maxima(const pair_walk *w, ulong begin, ulong end) {
  vec s = (vec)(-INFINITY), t = s;
#  define MAXIMA_ONE(i, n)                                            \
    {                                                                 \
      const vec x_s = student_at(w, i, n), x_t = teacher_at(w, i, n); \
      s = LARGER(x_s, s);                                             \
      t = LARGER(x_t, t);                                             \
    }
#  define MAXIMA_FOUR(i, j, k, l) FOUR_OF(MAXIMA_ONE, i, j, k, l)
  WALK(begin, end, MAXIMA_FOUR, MAXIMA_ONE);
  const pair_stats b = {max_of(s), max_of(t), 0, 0, 0};
  return b;
}

/* … of both sums of exps, without those that are 1 (rest.clh) … */
OUTLINED void certain_pair(const pair_walk *w, ulong begin, ulong end, pair_stats *b) {
  const real from_s = origin_of(b->max_s), from_t = origin_of(b->max_t);
  exact_sum all_s = {0, 0}, all_t = all_s;
  ulong ones_s = 0, ones_t = 0;
#  define CERTAIN_ONE(i, n)                                               \
    {                                                                     \
      const vec e_s = exp_neg((student_at(w, i, n) - from_s) * w->scale); \
      const vec e_t = exp_neg((teacher_at(w, i, n) - from_t) * w->scale); \
      sum_s += WITHOUT_ONES(vec, e_s);                                    \
      sum_t += WITHOUT_ONES(vec, e_t);                                    \
      one_s -= e_s == (vec)1;                                             \
      one_t -= e_t == (vec)1;                                             \
    }
  FOR_PIECES(begin, end, at, to) {
    vec sum_s = (vec)0, sum_t = sum_s;
    vec_bits one_s = (vec_bits)0, one_t = one_s;
    WALK_EACH(at, to, CERTAIN_ONE)
    add_exactly(&all_s, sum_of(sum_s));
    add_exactly(&all_t, sum_of(sum_t));
    ones_s += (ulong)sum_of_bits(one_s);
    ones_t += (ulong)sum_of_bits(one_t);
  }
  b->rest_s = share_from(all_s.sum, ones_s);
  b->rest_t = share_from(all_t.sum, ones_t);
}

/* … and of its three sums. */
static inline void block_pair_sums(const pair_walk *w, ulong begin, ulong end, pair_stats *b) {
  const real from_s = origin_of(b->max_s), from_t = origin_of(b->max_t), scale = w->scale;
  exact_sum all_s = {0, 0}, all_t = all_s, all_gap = all_s;
#  define SUMS_ONE(i, n)                                      \
    {                                                         \
      const vec d_s = (student_at(w, i, n) - from_s) * scale; \
      const vec d_t = (teacher_at(w, i, n) - from_t) * scale; \
      const vec e_t = exp_neg(d_t);                           \
      FETCH_AHEAD(w->student + w->s_at + (i) + BLOCK_LEAST);  \
      FETCH_AHEAD(w->teacher + w->t_at + (i) + BLOCK_LEAST);  \
      sum_s += exp_neg(d_s);                                  \
      sum_t += e_t;                                           \
      gap += gap_of(e_t, d_t, d_s);                           \
    }
#  define SUMS_FOUR(i, j, k, l) FOUR_OF(SUMS_ONE, i, j, k, l)
  FOR_PIECES(begin, end, at, to) {
    vec sum_s = (vec)0, sum_t = sum_s, gap = sum_s;
    WALK(at, to, SUMS_FOUR, SUMS_ONE);
    add_exactly(&all_s, sum_of(sum_s));
    add_exactly(&all_t, sum_of(sum_t));
    add_exactly(&all_gap, sum_of(gap));
  }
  b->rest_s = all_s.sum;
  b->rest_t = all_t.sum;
  b->gap = all_gap.sum;
}

/* The statistics of a row; every item gets them. */
static inline pair_stats row_pair(const pair_walk *w, local ulong *shared) {
  const ulong size = block_size(w->n);
  pair_stats all;
#  if BLOCKS_MOST == 1
  const pair_stats own = block_maxima(w, 0, size);
  all = team_larger_pair(own, shared);
  block_pair_sums(w, 0, size, &all);
  if (own.max_s == all.max_s || own.max_t == all.max_t) certain_pair(w, 0, size, &all);
  all = team_add_pair(all, shared);
#  else
  for (ulong begin = 0; begin < w->n; begin += size) {
    const ulong end = begin + min(size, w->n - begin);
    pair_stats b = block_maxima(w, begin, end);
    block_pair_sums(w, begin, end, &b);
    if (is_certain(b.rest_s) || is_certain(b.rest_t)) certain_pair(w, begin, end, &b);
    b = whole_pair(b);
    all = begin == 0 ? b : join_pairs(all, b, w->scale);
  }
#  endif
  return all;
}

/* One vector of the gradient: g is everything that multiplies it. */
ALWAYS_INLINE void grad_one(const pair_walk *w, ulong i, uint n, const pair_one *o, const stretch_one *g,
                            bool stretched, bool past_cache) {
  const vec e_s = exp_neg((student_at(w, i, n) - o->max_s) * w->scale);
  const vec e_t = exp_neg((teacher_at(w, i, n) - o->max_t) * w->scale);
  vec v = difference_of(e_s, e_t, o) * g->near;
  if (stretched) v *= g->far;
  if (past_cache && n == WIDTH) {
    G(store_past_cache)(v, w->grad, w->g_at + i);
  } else {
    G(store_some)(v, w->grad, w->g_at + i, n);
  }
}

/* stretched and past_cache are literals; the copies, which no store can change, stay in registers. */
ALWAYS_INLINE void grad_walk_pair(const pair_walk *whole, const pair_one *results, const stretch_one *of,
                                  bool stretched, bool past_cache) {
  const stretch_one own_factor = *of, *const g = &own_factor;
  const pair_walk own = *whole, *const w = &own;
  const pair_one own_results = *results, *const o = &own_results;
  ulong begin = 0;
  if (past_cache) {
    /* whole vectors have to start at a multiple of their size */
    const ulong over = ((ulong)(w->grad + w->g_at) / sizeof(*w->grad)) % WIDTH;
    begin = min((WIDTH - over) % WIDTH, w->n);
    if (begin && team_rank() == 0) grad_one(w, 0, (uint)begin, o, g, stretched, false);
  }
#  define PAIR_GRAD_ONE(i, n)        grad_one(w, i, n, o, g, stretched, past_cache);
#  define PAIR_GRAD_FOUR(i, j, k, l) FOUR_OF(PAIR_GRAD_ONE, i, j, k, l)
  if (stretched) {
    WALK_EACH(begin, w->n, PAIR_GRAD_ONE)
  } else {
    WALK(begin, w->n, PAIR_GRAD_FOUR, PAIR_GRAD_ONE);
  }
}

static inline void row_grad(const distill_io *io, const distill_args *a, const pair_walk *w,
                            const pair_one *o, const common_factor *unit, ulong r) {
  const real upstream = a->flags & DISTILL_GRAD_LOSS ? io->grad_loss[row_at(&a->grad_loss, 1, r)] : 1;
  const stretch_one g = stretch_of(unit, upstream, row_weight_of(io, a, r));
  if (g.stretched) {
    grad_walk_pair(w, o, &g, true, false);
  } else if (a->flags & DISTILL_PAST_CACHE) {
    grad_walk_pair(w, o, &g, false, true);
  } else {
    grad_walk_pair(w, o, &g, false, false);
  }
}

/* fused is a literal. */
static inline void distill_rows(const distill_io *io, const distill_args *a, const distill_scalars *k,
                                bool fused) {
  common_factor unit;
  if (fused) unit = unit_of(io, a, k);
  exact_sum total = {0, 0};
  FOR_ROWS(&a->rows, get_group_id(0), r) {
    const pair_walk w = walk_of(io, a, k, r);
    const pair_one o = pair_results(row_pair(&w, io->shared));
    const real loss = weighed(o.divergence, k->loss_factor, row_weight_of(io, a, r));
    if (fused) row_grad(io, a, &w, &o, &unit, r);
    if (team_rank() == 0) {
      store_pair(io, a, r, &o, loss);
      add_exactly(&total, loss);
    }
  }
  gather(io, total, a->sums);
}

DISTILL_KERNEL(TEAM(distill_forward)) { distill_rows(io, a, k, false); }
DISTILL_KERNEL(TEAM(distill_fused)) { distill_rows(io, a, k, true); }

DISTILL_KERNEL(TEAM(distill_backward)) {
  const common_factor unit = unit_of(io, a, k);
  FOR_ROWS(&a->rows, get_group_id(0), r) {
    const pair_walk w = walk_of(io, a, k, r);
    global const real *stats = io->row_stats + row_at(&a->row_stats, 1, r);
    const pair_one o = pair_from(stats[0], stats[1], stats[2], stats[3]);
    row_grad(io, a, &w, &o, &unit, r);
  }
}

#  include "distill_rows.clh"

#elif CLLOSS_FORM != FORM_SUMS
#  include "distill_held.clh"
#endif
