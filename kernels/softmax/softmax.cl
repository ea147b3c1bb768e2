/* Softmax and log-softmax over rows, and their gradients. With m = max z and s = Σ exp(z − m), found by span.clh,
 *
 *   softmax       y = exp(z − m) / s       dx = scale · y (dy − Σ dy · y)
 *   log-softmax   y = (z − m) − log s      dx = scale · (dy − exp(y) Σ dy)
 *
 * never the logarithm of y, which is −inf once y underflows, and never log s of a sum that has swallowed its small terms
 * (rest.clh). Near y = 0, log-softmax's dx is scale · ((dy − Σ dy) − (exp(y) − 1) Σ dy), which is as exact where Σ dy is dy.
 *
 * Element types come by -D: CLLOSS_X of what is read (forward x; backward y and dy, which agree), CLLOSS_G of what is
 * written. Forward reads b bytes per element from memory and writes b, backward reads 2 b and writes b; what is read
 * again is in cache while a row is. In place and out of place are the same: each item writes what it alone has read,
 * after everything was read for the sums.
 *
 * Teams and rows in the lanes are those of xent.cl. */
#include "../team/team.clh"
#include "../team/span.clh"
#include "softmax_args.clh"

/* Rows that a group holds may lie in local memory. */
#ifdef CLLOSS_FORM
#  define SCRATCH_PARAMETER local real *scratch,
#  define SCRATCH           scratch,
#else
#  define SCRATCH_PARAMETER
#  define SCRATCH
#endif

/* One signature for all; d isn't there in forward. What follows is the kernel's body. */
#define SOFTMAX_KERNEL(name)                                                                           \
  static inline void JOIN(body, name)(global const X(stored) * x, global const X(stored) * d,          \
                                      global G(stored) * out, const softmax_args *a, const real scale, \
                                      SCRATCH_PARAMETER local ulong *shared);                          \
  kernel TEAM_ATTRIBUTE void name(global const X(stored) * x, global const X(stored) * d,              \
                                  global G(stored) * out, const softmax_args a, const real scale,      \
                                  SCRATCH_PARAMETER local ulong *shared) {                             \
    TEAM_BEGIN                                                                                         \
    JOIN(body, name)(x, d, out, &a, scale, SCRATCH shared);                                            \
  }                                                                                                    \
  static inline void JOIN(body, name)(global const X(stored) * x, global const X(stored) * d,          \
                                      global G(stored) * out, const softmax_args *a, const real scale, \
                                      SCRATCH_PARAMETER local ulong *shared)

/* ---- the mathematics of an element: of a team's vector and of a vector of rows ---- */

/* What an element needs to know of its row: forward (m, 1 / s) or (m, log s), backward Σ dy · y or Σ dy. A row without a
 * softmax needs no case of its own: NaN and +inf make s NaN, and where all is −inf, z − m is NaN. As y <= 1, a scale
 * above 1 goes to y first and one below 1 to the rest: nothing leaves the range that the result doesn't. */
#define NEAR_ONE -0.5f
static inline bool OVERLOADED any_near(vec y) { return any(y > (vec)NEAR_ONE); }
#if LANES == 1
static inline bool OVERLOADED any_near(real y) { return y > NEAR_ONE; }
#endif
#define DEFINE_ELEMENT(V, R)                                                                          \
  static inline V OVERLOADED softmax_of(V z, R max, R per_sum) { return exp_neg(z - max) * per_sum; } \
  static inline V OVERLOADED log_softmax_of(V z, R max, R log_sum) { return (z - max) - log_sum; }    \
  static inline V OVERLOADED softmax_grad_of(V y, V dy, R sum, real scale) {                          \
    const bool large = scale * scale > 1;                                                             \
    return large ? y * scale * (dy - sum) : y * ((dy - sum) * scale);                                 \
  }                                                                                                   \
  static inline V OVERLOADED log_softmax_grad_of(V y, V dy, R sum, real scale) {                      \
    V dx = dy - exp_neg(y) * sum;                                                                     \
    if (any_near(y)) dx = y > (V)NEAR_ONE ? (dy - sum) - less_exp(y) * sum : dx;                      \
    return dx * scale;                                                                                \
  }
DEFINE_ELEMENT(vec, real)
DEFINE_ELEMENT(lanes, lanes)

#define DEFINE_TERM(V)                                       \
  static inline V OVERLOADED row_term(V rest, bool is_log) { \
    return is_log ? log1p_pos(rest) : 1 / (1 + rest);        \
  }
DEFINE_TERM(real)
#if LANES != 1
DEFINE_TERM(lanes)
#endif

#ifndef CLLOSS_FORM
/* ---- a team per row ---- */

/* One row on its way from x (and d) to out. */
typedef struct row_walk {
  span s; /* x */
  global const X(stored) * d;
  global G(stored) * out;
  ulong d_at, out_at;
  real max, term; /* as DEFINE_ELEMENT says; backward's sum is `term` */
} row_walk;

enum { SOFTMAX_FORWARD, LOG_SOFTMAX_FORWARD, SOFTMAX_BACKWARD, LOG_SOFTMAX_BACKWARD };

static inline vec read_x(const row_walk *w, ulong i, uint n) {
  return X(load_some)(w->s.x, w->s.at + i, n, 0);
}
static inline vec read_d(const row_walk *w, ulong i, uint n) { return X(load_some)(w->d, w->d_at + i, n, 0); }

static inline vec element(const row_walk *w, ulong i, uint n, int kind) {
  switch (kind) {
  case SOFTMAX_FORWARD: return softmax_of(z_at(&w->s, i, n), w->max, w->term);
  case LOG_SOFTMAX_FORWARD: return log_softmax_of(z_at(&w->s, i, n), w->max, w->term);
  case SOFTMAX_BACKWARD: return softmax_grad_of(read_x(w, i, n), read_d(w, i, n), w->term, w->s.scale);
  default: return log_softmax_grad_of(read_x(w, i, n), read_d(w, i, n), w->term, w->s.scale);
  }
}

/* kind and past_cache are literals, so that what they choose is chosen at compile time. */
static inline void write_one(const row_walk *w, ulong i, uint n, int kind, bool past_cache) {
  const vec v = element(w, i, n, kind);
  if (past_cache && n == WIDTH) {
    G(store_past_cache)(v, w->out, w->out_at + i);
  } else {
    G(store_some)(v, w->out, w->out_at + i, n);
  }
}

static inline void write_kind(const row_walk *w, int kind, bool past_cache) {
  ulong begin = 0;
  if (past_cache) {
    /* whole vectors have to start at a multiple of their size */
    const ulong over = ((ulong)(w->out + w->out_at) / sizeof(*w->out)) % WIDTH;
    begin = min((WIDTH - over) % WIDTH, w->s.n);
    if (begin && team_rank() == 0) write_one(w, 0, (uint)begin, kind, false);
  }
#  define WRITE_ONE(i, n)        write_one(w, i, n, kind, past_cache);
#  define WRITE_FOUR(i, j, k, l) FOUR_OF(WRITE_ONE, i, j, k, l)
  WALK(begin, w->s.n, WRITE_FOUR, WRITE_ONE);
}

static inline void write_row(const row_walk *w, int kind, bool past_cache) {
  if (past_cache) {
    write_kind(w, kind, true);
  } else {
    write_kind(w, kind, false);
  }
}

static inline row_walk walk_of(global const X(stored) * x, global const X(stored) * d, global G(stored) * out,
                               const softmax_args *a, real scale, ulong r) {
  const row_walk w = {.s = {.x = x,
                            .at = row_at(&a->x, a->rows.inner, r),
                            .n = a->rows.classes,
                            .scale = scale,
                            .transforms = a->flags & SOFTMAX_TRANSFORMS},
                      .d = d,
                      .out = out,
                      .d_at = row_at(&a->d, a->rows.inner, r),
                      .out_at = row_at(&a->out, a->rows.inner, r)};
  return w;
}

SOFTMAX_KERNEL(TEAM(softmax_forward)) {
  const bool is_log = a->flags & SOFTMAX_LOG;
  FOR_ROWS(&a->rows, get_group_id(0), r) {
    row_walk w = walk_of(x, d, out, a, scale, r);
    const span_stats stats = span_statistics(&w.s, KEEP_NOT, 0, shared);
    w.max = stats.max;
    w.term = row_term(stats.rest, is_log);
    if (is_log) {
      write_row(&w, LOG_SOFTMAX_FORWARD, a->flags & SOFTMAX_PAST_CACHE);
    } else {
      write_row(&w, SOFTMAX_FORWARD, a->flags & SOFTMAX_PAST_CACHE);
    }
  }
}

/* One item's share of Σ dy · y, or of Σ dy. */
static inline real grad_sum(const row_walk *w, bool is_log) {
  exact_sum total = {0, 0};
  FOR_PIECES((ulong)0, w->s.n, begin, end) {
    vec a = (vec)0, b = a, c = a, d = a;
#  define SUM_INTO(acc, i, n)                                  \
    {                                                          \
      const vec dy = read_d(w, i, n);                          \
      acc = is_log ? acc + dy : fma(dy, read_x(w, i, n), acc); \
    }
#  define SUM_ONE(i, n) SUM_INTO(a, i, n)
#  define SUM_FOUR(i, j, k, l) \
    SUM_INTO(a, i, WIDTH) SUM_INTO(b, j, WIDTH) SUM_INTO(c, k, WIDTH) SUM_INTO(d, l, WIDTH)
    WALK(begin, end, SUM_FOUR, SUM_ONE);
    add_exactly(&total, sum_of((a + b) + (c + d)));
  }
  return total.sum;
}

SOFTMAX_KERNEL(TEAM(softmax_backward)) {
  const bool is_log = a->flags & SOFTMAX_LOG;
  FOR_ROWS(&a->rows, get_group_id(0), r) {
    row_walk w = walk_of(x, d, out, a, scale, r);
    w.term = team_sum(is_log ? grad_sum(&w, true) : grad_sum(&w, false), shared);
    if (is_log) {
      write_row(&w, LOG_SOFTMAX_BACKWARD, a->flags & SOFTMAX_PAST_CACHE);
    } else {
      write_row(&w, SOFTMAX_BACKWARD, a->flags & SOFTMAX_PAST_CACHE);
    }
  }
}

/* ---- a row per lane ---- */

#  define CACHED 32 /* classes that stay in private memory between the passes */

static inline lanes z_lanes(global const X(stored) * x, const softmax_args *a, real scale, ulong at,
                            uint live) {
  const lanes v = X(load_lanes)(x, at, a->x.row_stride, live);
  return a->flags & SOFTMAX_TRANSFORMS ? transformed(v, scale, 0) : v;
}

SOFTMAX_KERNEL(TEAM_ROWS(softmax_forward)) {
  const bool is_log = a->flags & SOFTMAX_LOG, cached = LANES != 1 && a->rows.classes <= CACHED;
  const ulong classes = a->rows.classes;
  lanes cache[CACHED]; /* z, then exp(z − m) unless it is z that is needed */
  FOR_LANES(&a->rows, get_group_id(0), r, live) {
    const ulong x_at = row_at(&a->x, a->rows.inner, r), out_at = row_at(&a->out, a->rows.inner, r);
#  define Z_LANES(c) (cached ? cache[c] : z_lanes(x, a, scale, x_at + (c)*a->x.class_stride, (uint)live))
    lanes max = (lanes)-INFINITY;
    exact_lanes sum = {(lanes)0, (lanes)0};
    for (ulong c = 0; c < classes; ++c) {
      const lanes v = z_lanes(x, a, scale, x_at + c * a->x.class_stride, (uint)live);
      if (cached) cache[c] = v;
      max = LARGER(v, max);
    }
    FOR_CLASSES(classes, begin, end) {
      lanes part = (lanes)0;
      for (ulong c = begin; c < end; ++c) {
        const lanes e = exp_neg(Z_LANES(c) - max);
        if (cached && !is_log) cache[c] = e;
        part += e;
      }
      add_exactly(&sum, part);
    }
    lanes rest = sum.sum - 1;
    if (is_certain(sum.sum)) { /* without the maximum's 1 (rest.clh) */
      exact_lanes others = {(lanes)0, (lanes)0};
      FOR_CLASSES(classes, begin, end) {
        lanes part = (lanes)0;
        for (ulong c = begin; c < end; ++c) {
          const lanes e = cached && !is_log ? cache[c] : exp_neg(Z_LANES(c) - max);
          part += WITHOUT_ONES(lanes, e);
        }
        add_exactly(&others, part);
      }
      rest = sum.sum < CERTAIN ? others.sum : rest;
    }
    const lanes term = row_term(rest, is_log);
    for (ulong c = 0; c < classes; ++c) {
      const lanes v = Z_LANES(c);
      const lanes y = is_log ? log_softmax_of(v, max, term) : cached ? v * term : softmax_of(v, max, term);
      G(store_lanes)(y, out, out_at + c * a->out.class_stride, a->out.row_stride, (uint)live);
    }
  }
}

SOFTMAX_KERNEL(TEAM_ROWS(softmax_backward)) {
  const bool is_log = a->flags & SOFTMAX_LOG;
  const ulong classes = a->rows.classes;
  FOR_LANES(&a->rows, get_group_id(0), r, live) {
    const ulong y_at = row_at(&a->x, a->rows.inner, r), d_at = row_at(&a->d, a->rows.inner, r);
    const ulong out_at = row_at(&a->out, a->rows.inner, r);
#  define Y_LANES(c)  X(load_lanes)(x, y_at + (c)*a->x.class_stride, a->x.row_stride, (uint)live)
#  define DY_LANES(c) X(load_lanes)(d, d_at + (c)*a->d.class_stride, a->d.row_stride, (uint)live)
    exact_lanes total = {(lanes)0, (lanes)0};
    FOR_CLASSES(classes, begin, end) {
      lanes part = (lanes)0;
      for (ulong c = begin; c < end; ++c)
        part = is_log ? part + DY_LANES(c) : fma(DY_LANES(c), Y_LANES(c), part);
      add_exactly(&total, part);
    }
    const lanes sum = total.sum;
    for (ulong c = 0; c < classes; ++c) {
      const lanes y = Y_LANES(c), dy = DY_LANES(c);
      const lanes dx = is_log ? log_softmax_grad_of(y, dy, sum, scale) : softmax_grad_of(y, dy, sum, scale);
      G(store_lanes)(dx, out, out_at + c * a->out.class_stride, a->out.row_stride, (uint)live);
    }
  }
}

#else
#  include "softmax_held.clh"
#endif
