/* Elementwise losses over a matrix: of each element a loss l and its derivative by the input, pointwise_kinds.clh, and
 *
 *   loss = Σ w l / D            grad = alpha · g / D · w · dl/dx + beta · grad
 *
 * with weights w, upstream gradient g and D by the reduction. A call is at most four of these kernels, each written
 * once over a team (lane.clh: one item; group.clh: a work-group):
 *
 *   pointwise_weigh            Σ w, where it is the divisor; reads the weights
 *   pointwise_divide           its parts to one, for the group team
 *   pointwise_forward_KIND     bytes per element: reads input and target
 *   pointwise_backward_KIND    reads both, writes the gradient
 *   pointwise_fused_KIND       the same, and the losses
 *   pointwise_finish           the partial sums, in fixed order, to the loss and the counts
 *
 * A work-group owns whole rows, or a slice of one; where everything is packed the host makes one row of the matrix. The
 * kind and the pass are literals in each kernel; what the call asks for is the same for all items and decided at run time,
 * but once for all in the loop of a plain call (POINTWISE_PLAIN).
 *
 * Element types come by -D: CLLOSS_X of the input, CLLOSS_T of the target, CLLOSS_G of the gradient. In place and out of
 * place are the same: each item writes what it alone has read. */
#include "../team/team.clh"
#include "../team/factors.clh"
#include "../team/sums.clh"
#include "../team/walk.clh"
#if WIDTH == 4
#  include "../team/packet.clh"
#endif
#include "pointwise_kinds.clh"

#ifndef CLLOSS_T
#  define CLLOSS_T CLLOSS_X
#endif
#define T(f) JOIN(f, CLLOSS_T)

/* A kernel's buffers. Those whose view isn't bound are NULL; flags say so. */
typedef struct pointwise_io {
  global const X(stored) * input;
  global const T(stored) * target;
  global const real *weight, *pos_weight, *grad_loss;
  global real *loss, *element_loss;
  global G(stored) * grad;
  global long *counts;
  global uchar *work;
  local ulong *shared;
} pointwise_io;

/* One signature for all. What follows is the kernel's body. */
#define POINTWISE_KERNEL(name)                                                                     \
  static inline void JOIN(body, name)(const pointwise_io *io, const pointwise_args *a,             \
                                      const pointwise_scalars *k);                                 \
  kernel TEAM_ATTRIBUTE void name(                                                                 \
      global const X(stored) * input, global const T(stored) * target, global const real *weight,  \
      global const real *pos_weight, global const real *grad_loss, global real *loss,              \
      global real *element_loss, global G(stored) * grad, global long *counts, global uchar *work, \
      const pointwise_args a, const pointwise_scalars k, local ulong *shared) {                    \
    const pointwise_io io = {input,        target, weight, pos_weight, grad_loss, loss,            \
                             element_loss, grad,   counts, work,       shared};                    \
    TEAM_BEGIN                                                                                     \
    JOIN(body, name)(&io, &a, &k);                                                                 \
  }                                                                                                \
  static inline void JOIN(body, name)(const pointwise_io *io, const pointwise_args *a,             \
                                      const pointwise_scalars *k)

/* ---- the divisor ---- */

/* One item's share of the weights of one tally. */
static inline real weights_of(const pointwise_io *io, const pointwise_args *a, ulong row, ulong begin,
                              ulong end) {
  enum { BLOCK = 4096 };
  exact_sum total = {0, 0};
  for (ulong from = begin; from < end; from += BLOCK) {
    const ulong to = min(from + BLOCK, end), at = a->weight.offset + row * a->weight.row_stride;
    vec sum0 = (vec)0, sum1 = sum0, sum2 = sum0, sum3 = sum0;
#define WEIGHT_INTO(acc, i, n) acc += R(load_some)(io->weight, at + (i), n, 0);
#define WEIGHT_ONE(i, n)       WEIGHT_INTO(sum0, i, n)
#define WEIGHT_FOUR(i, j, k, l) \
  WEIGHT_INTO(sum0, i, WIDTH)   \
  WEIGHT_INTO(sum1, j, WIDTH) WEIGHT_INTO(sum2, k, WIDTH) WEIGHT_INTO(sum3, l, WIDTH)
    WALK(from, to, WEIGHT_FOUR, WEIGHT_ONE);
    add_exactly(&total, sum_of((sum0 + sum1) + (sum2 + sum3)));
  }
  return total.sum;
}

POINTWISE_KERNEL(TEAM(pointwise_weigh)) {
  const ulong across = ceil_div(a->weight_classes, a->classes_per_tally);
  const ulong tally = get_group_id(0), row = tally / across * a->rows_per_tally;
  const ulong begin = tally % across * a->classes_per_tally;
  const ulong end = min(begin + a->classes_per_tally, (ulong)a->weight_classes);
  exact_sum total = {0, 0};
  for (ulong r = row, last = min(row + a->rows_per_tally, (ulong)a->weight_rows); r < last; ++r)
    add_exactly(&total, weights_of(io, a, r, begin, end));
  const real sum = team_sum(total.sum, io->shared);
  if (team_rank() == 0) reals(io->work, a->tallies)[tally] = sum;
}

POINTWISE_KERNEL(TEAM(pointwise_divide)) {
  gather_tallies(reals(io->work, a->tallies), a->n_tallies, io->shared);
}

static inline real divisor_of(const pointwise_io *io, const pointwise_args *a, const pointwise_scalars *k) {
  return a->flags & POINTWISE_BY_WEIGHT ? tallied(reals(io->work, a->tallies), a->n_tallies) * k->divisor
                                        : k->divisor;
}

/* ---- a row ---- */

/* A matrix of reals, or one value for the row. */
typedef struct operand {
  global const real *p;
  ulong at;
  bool varies;
  real value;
} operand;

static inline operand operand_of(global const real *p, const rows_at *view, bool bound, ulong r) {
  const ulong at = view->offset + r * view->row_stride;
  const bool varies = bound && view->class_stride != 0;
  const operand o = {p, at, varies, bound && !varies ? p[at] : 1};
  return o;
}

static inline vec operand_at(const operand *o, ulong i, uint n) {
  return o->varies ? R(load_some)(o->p, o->at + i, n, 1) : (vec)o->value;
}

typedef struct row_walk {
  const pointwise_io *io;
  const pointwise_scalars *k;
  ulong input_at, target_at, element_loss_at, grad_at;
  ulong first; /* number of the row's first element */
  operand weight, pos_weight, upstream;
  common_factor unit; /* alpha · g / D, without the g that varies in the row */
  ulong flags;
  bool past_cache;
} row_walk;

/* What one item has found. */
typedef struct found {
  real sum; /* of the losses */
  ulong faults, first_fault;
} found;

static inline ulong2 add_faults(ulong2 x, ulong2 y) { return (ulong2)(x.x + y.x, min(x.y, y.y)); }
DEFINE_TEAM_REDUCE(team_add_faults, ulong2, add_faults)

enum { FORWARD, BACKWARD, FUSED };

/* Which of n elements from the i-th on is the first fault. */
static inline ulong first_fault(const row_walk *w, ulong i, uint n, int kind) {
  ulong first = ULONG_MAX;
  for (uint j = n; j-- > 0;) {
    vec loss, grad;
    const vec x = X(load_some)(w->io->input, w->input_at + i + j, 1, 0);
    const vec y = T(load_some)(w->io->target, w->target_at + i + j, 1, 0);
    first = element(kind, w->k, x, y, (vec)1, &loss, &grad).FIRST_OF_PART ? w->first + i + j : first;
  }
  return first;
}

static inline void count_faults(const row_walk *w, ulong i, uint n, int kind, vec_bits faulty, found *f) {
  if (!any(faulty)) return;
  f->faults += (ulong)-sum_of_bits(faulty);
  if (w->first + i < f->first_fault) f->first_fault = min(f->first_fault, first_fault(w, i, n, kind));
}

static inline void store_grad(const row_walk *w, ulong i, uint n, vec grad) {
  if (w->past_cache && n == WIDTH) {
    G(store_past_cache)(grad, w->io->grad, w->grad_at + i);
  } else {
    G(store_some)(grad, w->io->grad, w->grad_at + i, n);
  }
}

/* What weights, options and further outputs make of an element. Of the gradient's factors no product leaves the range that
 * the result doesn't: factors.clh. */
ALWAYS_INLINE void adorn(const row_walk *w, ulong i, uint n, int pass, vec *loss, vec *grad) {
  /* read where it is used: a vector that is found above a branch and used in it alone is what the compiler of PoCL 6.0 may
     end the process over (docs/devices.md) */
  if (w->flags & POINTWISE_WEIGHT) *loss = product(operand_at(&w->weight, i, n), *loss);
  if (pass != BACKWARD && (w->flags & POINTWISE_ELEMENT_LOSS))
    R(store_some)(*loss, w->io->element_loss, w->element_loss_at + i, n);
  if (pass == FORWARD) return;
  const vec weight = operand_at(&w->weight, i, n);
  const vec_bits none = (weight == (vec)0) & (*grad == *grad); /* 0 · ∞ = 0 */
  const vec upstream = w->upstream.varies ? operand_at(&w->upstream, i, n) : (vec)1;
  const stretch_vec by = stretch_of(&w->unit, weight, upstream);
  *grad = none ? (vec)0 : *grad * by.near;
  if (by.stretched) *grad *= by.far;
}

/* n elements from the row's i-th on. kind, pass and plain are literals. */
ALWAYS_INLINE vec step(const row_walk *w, ulong i, uint n, int kind, int pass, bool plain, found *f) {
  const vec x = X(load_some)(w->io->input, w->input_at + i, n, 0);
  const vec y = T(load_some)(w->io->target, w->target_at + i, n, 0);
  vec loss, grad;
  const vec_bits faulty = element(kind, w->k, x, y, plain ? (vec)1 : operand_at(&w->pos_weight, i, n), &loss,
                                  &grad);
  loss = faulty ? (vec)NAN : loss;
  grad = faulty ? (vec)NAN : grad;
  if (!plain) {
    if (w->flags & POINTWISE_COUNTS) count_faults(w, i, n, kind, faulty, f);
    adorn(w, i, n, pass, &loss, &grad);
  }
  if (pass != FORWARD) {
    if (plain) grad *= w->unit.value;
    if (!plain && w->k->grad_beta != 0)
      grad = fma(G(load_some)(w->io->grad, w->grad_at + i, n, 0), (vec)w->k->grad_beta, grad);
    store_grad(w, i, n, grad);
  }
  return part_of(loss, n);
}

/* Sums of so many vectors are folded at a time, so that no element takes part in more than 2 · FOLD additions, however
 * long the row. */
enum { FOLD = 64 };

typedef struct sums {
  vec a, b, c, d;
  ulong vectors; /* since they were folded */
  exact_sum total;
} sums;

static inline void fold(sums *s) {
  add_exactly(&s->total, sum_of((s->a + s->b) + (s->c + s->d)));
  s->a = s->b = s->c = s->d = (vec)0;
  s->vectors = 0;
}

#if WIDTH == 4

DEFINE_LOAD_PACKET(load_x, X)
DEFINE_LOAD_PACKET(load_y, T)
DEFINE_STORE_PACKET(store_g, G)

/* A packet of elements from the row's i-th on, the first of which begins one of the input. */
ALWAYS_INLINE void step_packet(const row_walk *w, ulong i, int kind, int pass, bool wide_y, bool wide_g,
                               bool plain, sums *s, found *f) {
  vec x[PER_PACKET], y[PER_PACKET], grad[PER_PACKET];
  load_x(w->io->input, w->input_at + i, x, true);
  load_y(w->io->target, w->target_at + i, y, wide_y);
  UNROLLED for (uint v = 0; v < PER_PACKET; ++v) {
    const ulong at = i + v * WIDTH;
    vec loss;
    const vec_bits faulty = element(kind, w->k, x[v], y[v],
                                    plain ? (vec)1 : operand_at(&w->pos_weight, at, WIDTH), &loss, &grad[v]);
    loss = faulty ? (vec)NAN : loss;
    grad[v] = faulty ? (vec)NAN : grad[v];
    if (!plain) {
      if (w->flags & POINTWISE_COUNTS) count_faults(w, at, WIDTH, kind, faulty, f);
      adorn(w, at, WIDTH, pass, &loss, &grad[v]);
      if (pass != FORWARD && w->k->grad_beta != 0)
        grad[v] = fma(G(load4)(w->io->grad, w->grad_at + at), (vec)w->k->grad_beta, grad[v]);
    } else {
      grad[v] *= w->unit.value;
    }
    s->a += loss;
  }
  if (pass != FORWARD) store_g(grad, w->io->grad, w->grad_at + i, wide_g);
}

/* What is before the input's first packet and behind its last goes element by element. Forward and fused add up in one order,
 * as that depends on the input alone. */
ALWAYS_INLINE void walk_row(const row_walk *w, ulong begin, ulong end, int kind, int pass, sums *s,
                            found *f) {
  const uint over = (uint)((ulong)(w->io->input + w->input_at + begin) / sizeof(*w->io->input)) % ALIGNED;
  const ulong head = min((ulong)((ALIGNED - over) % ALIGNED), end - begin), first = begin + head;
  const ulong whole = (end - first) / PACKET, edges = (end - begin) - whole * PACKET;
  const bool wide_y = STARTS_PACKET(w->io->target, w->target_at + first);
  const bool wide_g = pass != FORWARD && STARTS_PACKET(w->io->grad, w->grad_at + first);
  const bool plain = (w->flags & POINTWISE_PLAIN) && !w->unit.is_far;
  for (ulong j = team_rank(); j < whole; j += team_size()) {
    if (plain) {
      step_packet(w, first + j * PACKET, kind, pass, wide_y, wide_g, true, s, f);
    } else {
      step_packet(w, first + j * PACKET, kind, pass, wide_y, wide_g, false, s, f);
    }
    if (++s->vectors == FOLD) fold(s);
  }
  for (ulong j = team_rank(); j < edges; j += team_size()) {
    s->a += step(w, j < head ? begin + j : begin + j + whole * PACKET, 1, kind, pass, false, f);
    if (++s->vectors == FOLD) fold(s); /* rows of a few elements are all edges */
  }
}

#else

/* The item's share of at most FOLD vectors for each. A plain call goes four vectors at a time, as far as that goes; the rest,
 * and any other call, vector by vector in one loop: each copy of an element's code takes PoCL a tenth of a second to
 * compile. */
ALWAYS_INLINE void walk_piece(const row_walk *w, ulong begin, ulong end, int kind, int pass, sums *s,
                              found *f) {
  const ulong stride = (ulong)WIDTH * team_size();
  ulong i = begin + (ulong)WIDTH * team_rank();
  vec a = s->a, b = s->b, c = s->c, d = s->d;
  if ((w->flags & POINTWISE_PLAIN) && !w->unit.is_far) {
    for (; i + 3 * stride + WIDTH <= end; i += 4 * stride) {
      a += step(w, i, WIDTH, kind, pass, true, f);
      b += step(w, i + stride, WIDTH, kind, pass, true, f);
      c += step(w, i + 2 * stride, WIDTH, kind, pass, true, f);
      d += step(w, i + 3 * stride, WIDTH, kind, pass, true, f);
    }
  }
  for (; i < end; i += stride) a += step(w, i, (uint)min((ulong)WIDTH, end - i), kind, pass, false, f);
  s->a = a, s->b = b, s->c = c, s->d = d;
}

ALWAYS_INLINE void walk_row(const row_walk *w, ulong begin, ulong end, int kind, int pass, sums *s,
                            found *f) {
  const ulong piece = (ulong)FOLD * WIDTH * team_size();
  for (ulong from = begin; from < end; from += piece) {
    walk_piece(w, from, min(from + piece, end), kind, pass, s, f);
    s->vectors += ceil_div(min(piece, end - from), (ulong)WIDTH * team_size());
    if (s->vectors >= FOLD) fold(s);
  }
}

#endif

/* Whether a vector there starts at a multiple of its size, as stores past the cache have to. Where a row's first doesn't,
 * ordinary stores do: shorter first steps would add up the losses in another order than forward does. */
static inline bool starts_whole(global const G(stored) * p) { return (ulong)p % (WIDTH * sizeof(*p)) == 0; }

static inline row_walk walk_of(const pointwise_io *io, const pointwise_args *a, const pointwise_scalars *k,
                               ulong r, real divisor) {
  const operand upstream = operand_of(io->grad_loss, &a->grad_loss, a->flags & POINTWISE_GRAD_LOSS, r);
  const row_walk w = {
      .io = io,
      .k = k,
      .input_at = row_at(&a->input, 1, r),
      .target_at = row_at(&a->target, 1, r),
      .element_loss_at = row_at(&a->element_loss, 1, r),
      .grad_at = row_at(&a->grad, 1, r),
      .first = r * a->rows.classes,
      .weight = operand_of(io->weight, &a->weight, a->flags & POINTWISE_WEIGHT, r),
      .pos_weight = operand_of(io->pos_weight, &a->pos_weight, a->flags & POINTWISE_POS_WEIGHT, r),
      .upstream = upstream,
      .unit = common_of(over(times(factor_of(k->grad_alpha), upstream.value), divisor)),
      .flags = a->flags,
      .past_cache = (a->flags & POINTWISE_PAST_CACHE) && starts_whole(io->grad + row_at(&a->grad, 1, r)),
  };
  return w;
}

/* The rows, or the slice of one, that a work-group owns. kind and pass are literals. */
ALWAYS_INLINE void run(const pointwise_io *io, const pointwise_args *a, const pointwise_scalars *k, int kind,
                       int pass) {
  const ulong block = get_group_id(0) / a->slices, begin = get_group_id(0) % a->slices * a->slice;
  const ulong end = min(begin + a->slice, (ulong)a->rows.classes);
  const real divisor = divisor_of(io, a, k);
  sums s = {(vec)0, (vec)0, (vec)0, (vec)0, 0, {0, 0}};
  found f = {0, 0, ULONG_MAX};
  FOR_ROWS(&a->rows, block, r) {
    const row_walk w = walk_of(io, a, k, r, divisor);
    walk_row(&w, begin, end, kind, pass, &s, &f);
  }
  if (pass == BACKWARD) return;
  fold(&s);
  f.sum = team_sum(s.total.sum, io->shared);
  const ulong2 faulty = team_add_faults((ulong2)(f.faults, f.first_fault), io->shared);
  f.faults = faulty.x;
  f.first_fault = faulty.y;
  if (team_rank() != 0) return;
  reals(io->work, a->sums)[get_group_id(0)] = f.sum;
  if (a->flags & POINTWISE_COUNTS) {
    global ulong *faults = ulongs(io->work, a->faults) + get_group_id(0);
    faults[0] = f.faults;
    faults[a->n_sums] = f.first_fault;
  }
}

#define POINTWISE_PASSES(name)                                                                \
  POINTWISE_KERNEL(TEAM(pointwise_forward_##name)) { run(io, a, k, KIND_##name, FORWARD); }   \
  POINTWISE_KERNEL(TEAM(pointwise_backward_##name)) { run(io, a, k, KIND_##name, BACKWARD); } \
  POINTWISE_KERNEL(TEAM(pointwise_fused_##name)) { run(io, a, k, KIND_##name, FUSED); }
POINTWISE_KINDS(POINTWISE_PASSES)

/* ---- the reduced results ---- */

POINTWISE_KERNEL(TEAM(pointwise_finish)) {
  const bool counts = a->flags & POINTWISE_COUNTS;
  global const ulong *faults = ulongs(io->work, a->faults);
  const real total = team_total_real(reals(io->work, a->sums), a->n_sums, io->shared);
  ulong2 faulty = (ulong2)(0, ULONG_MAX);
  for (ulong i = team_rank(); i < (counts ? a->n_sums : 0); i += team_size())
    faulty = add_faults(faulty, (ulong2)(faults[i], faults[a->n_sums + i]));
  faulty = team_add_faults(faulty, io->shared);
  if (team_rank() != 0) return;
  if (a->flags & POINTWISE_LOSS) io->loss[a->loss] = total / divisor_of(io, a, k);
  if (!counts) return;
  io->counts[a->counts] = (long)faulty.x;
  io->counts[a->counts + 1] = faulty.y == ULONG_MAX ? -1 : (long)faulty.y;
}
