/* Reals of one type to another, each rounded once to the nearest, ties to even; beyond the range to infinity, NaN to NaN, and
 * nothing is flushed: between types of 32 and 16 bits no arithmetic is done that could, and programs that know f64 are
 * built without flushing.
 *
 * CLLOSS_X is what is read and CLLOSS_G what is written. With CLLOSS_T, which is F64 here, one side is f64: cast_widen reads X,
 * cast_narrow writes G. To f16 and bf16 f64 goes through the f32 beside it whose last bit is 1 (round to odd), which the second
 * rounding takes as what the number is: halfway only where the f64 is (Boldo and Melquiond, Emulation of FMA and correctly rounded
 * sums, IEEE Transactions on Computers 57, 2008: a format of two more digits suffices).
 *
 * A work-group owns whole rows, or a slice of one; where both sides are packed the host makes one row of the matrix. */
#include "../team/team.clh"
#include "../team/walk.clh"
#if WIDTH == 4
#  include "../team/packet.clh"
#endif
#include "cast_args.clh"

#define CAST_KERNEL(name, FROM, TO)                                                                 \
  static inline void JOIN(body, name)(global const FROM *from, global TO *to, const cast_args *a,   \
                                      ulong block, ulong begin, ulong end);                         \
  kernel TEAM_ATTRIBUTE void name(global const FROM *from, global TO *to, const cast_args a,        \
                                  local ulong *shared) {                                            \
    TEAM_BEGIN                                                                                      \
    const ulong begin = get_group_id(0) % a.slices * a.slice;                                       \
    JOIN(body, name)                                                                                \
    (from, to, &a, get_group_id(0) / a.slices, begin, min(begin + a.slice, (ulong)a.rows.classes)); \
  }                                                                                                 \
  static inline void JOIN(body, name)(global const FROM *from, global TO *to, const cast_args *a,   \
                                      ulong block, ulong begin, ulong end)

/* Every row of the work-group. ROW is for rows whose elements are neighbours on both sides, ONE for a single element. */
#define CAST_ROWS(ROW, ONE)                                                      \
  FOR_ROWS(&a->rows, block, r) {                                                 \
    const ulong x = row_at(&a->from, 1, r), y = row_at(&a->to, 1, r);            \
    if (a->from.class_stride == 1 && a->to.class_stride == 1) {                  \
      ROW(from, x, to, y, begin, end, a->flags &CAST_PAST_CACHE);                \
    } else {                                                                     \
      for (ulong i = begin + team_rank(); i < end; i += team_size())             \
        ONE(from, x + i * a->from.class_stride, to, y + i * a->to.class_stride); \
    }                                                                            \
  }

#define FOUR_OF_CAST(MOVE)                                \
  {                                                       \
    FETCH_AHEAD(from + x + i + 64 * WIDTH);               \
    MOVE(from, x + i, to, y + i);                         \
    MOVE(from, x + i + WIDTH, to, y + i + WIDTH);         \
    MOVE(from, x + i + 2 * WIDTH, to, y + i + 2 * WIDTH); \
    MOVE(from, x + i + 3 * WIDTH, to, y + i + 3 * WIDTH); \
  }

/* A row of the lane team: single elements up to where vectors of what is written begin, vectors, single elements. */
#define DEFINE_CAST_ROW(NAME, FROM, TO, ONE, WHOLE, PAST)                                                   \
  static inline void NAME(global const FROM *from, ulong x, global TO *to, ulong y, ulong begin, ulong end, \
                          bool past_cache) {                                                                \
    const ulong over = (ulong)(to + y + begin) / sizeof(TO) % WIDTH;                                        \
    const ulong first = min(begin + (WIDTH - over) % WIDTH, end);                                           \
    ulong i = begin;                                                                                        \
    for (; i < first; ++i) ONE(from, x + i, to, y + i);                                                     \
    if (past_cache) {                                                                                       \
      for (; i + 4 * WIDTH <= end; i += 4 * WIDTH) FOUR_OF_CAST(PAST)                                       \
      for (; i + WIDTH <= end; i += WIDTH) PAST(from, x + i, to, y + i);                                    \
    } else {                                                                                                \
      for (; i + 4 * WIDTH <= end; i += 4 * WIDTH) FOUR_OF_CAST(WHOLE)                                      \
      for (; i + WIDTH <= end; i += WIDTH) WHOLE(from, x + i, to, y + i);                                   \
    }                                                                                                       \
    for (; i < end; ++i) ONE(from, x + i, to, y + i);                                                       \
  }

/* … of a group: neighbouring items move neighbouring elements. */
#define DEFINE_CAST_ITEMS(NAME, FROM, TO, ONE)                                                              \
  static inline void NAME(global const FROM *from, ulong x, global TO *to, ulong y, ulong begin, ulong end, \
                          bool past_cache) {                                                                \
    for (ulong i = begin + team_rank(); i < end; i += team_size()) ONE(from, x + i, to, y + i);             \
  }

#if !defined(CLLOSS_T) || defined(CLLOSS_REAL_F64)

#  define CAST_ONE(from, x, to, y)   G(store1)(X(load1)(from, x), to, y)
#  define CAST_WHOLE(from, x, to, y) G(store_some)(X(load_some)(from, x, WIDTH, 0), to, y, WIDTH)
#  define CAST_PAST(from, x, to, y)  G(store_past_cache)(X(load_some)(from, x, WIDTH, 0), to, y)
#  if WIDTH == 16
DEFINE_CAST_ROW(cast_row, X(stored), G(stored), CAST_ONE, CAST_WHOLE, CAST_PAST)
#  else
DEFINE_LOAD_PACKET(load_x, X)
DEFINE_STORE_PACKET(store_g, G)
static inline void cast_row(global const X(stored) * from, ulong x, global G(stored) * to, ulong y,
                            ulong begin, ulong end, bool past_cache) {
  const uint over = (uint)((ulong)(from + x + begin) / sizeof(*from)) % ALIGNED;
  const ulong head = min((ulong)((ALIGNED - over) % ALIGNED), end - begin), first = begin + head;
  const ulong whole = (end - first) / PACKET, edges = (end - begin) - whole * PACKET;
  const bool wide = STARTS_PACKET(to, y + first);
  for (ulong j = team_rank(); j < whole; j += team_size()) {
    vec v[PER_PACKET];
    load_x(from, x + first + j * PACKET, v, true);
    store_g(v, to, y + first + j * PACKET, wide);
  }
  for (ulong j = team_rank(); j < edges; j += team_size()) {
    const ulong i = j < head ? begin + j : begin + j + whole * PACKET;
    CAST_ONE(from, x + i, to, y + i);
  }
}
#  endif

CAST_KERNEL(TEAM(cast), X(stored), G(stored)) { CAST_ROWS(cast_row, CAST_ONE) }

#else

#  pragma OPENCL EXTENSION cl_khr_fp64 : enable

/* The f32 on the side of v that is towards 0, but for v itself if it is one, with its last bit set. An infinity that v isn't comes
 * back to the greatest f32, which is odd. */
#  define DEFINE_TO_ODD(N)                                                        \
    static inline float##N OVERLOADED to_odd(double##N v) {                       \
      const float##N near = CONVERTED##N(float, v);                               \
      const double##N back = CONVERTED##N(double, near);                          \
      const uint##N bits = as_uint##N(near);                                      \
      const uint##N away = FLAGS##N(MAGNITUDE(N, back) > MAGNITUDE(N, v));        \
      const uint##N inexact = FLAGS##N((back < v) | (back > v)); /* not of NaN */ \
      return as_float##N((bits - away) | inexact);                                \
    }
#  define MAGNITUDE(N, x)     as_double##N(as_ulong##N(x) & (ulong##N)0x7fffffffffffffff)
/* 1 where a comparison holds. */
#  define FLAGS(c)            ((c) ? 1u : 0u)
#  define FLAGS16(c)          (CONVERTED16(uint, c) & (uint16)1)
DEFINE_TO_ODD()

static inline void widen_one(global const X(stored) * from, ulong x, global double *to, ulong y) {
  to[y] = (double)X(load1)(from, x);
}

/* f32 takes the number itself; shorter types its odd neighbour. */
#  define NARROWED_F32(N, v)  CONVERTED##N(float, v)
#  define NARROWED_F16(N, v)  to_odd(v)
#  define NARROWED_BF16(N, v) to_odd(v)
static inline void narrow_one(global const double *from, ulong x, global G(stored) * to, ulong y) {
  G(store1)(G(NARROWED)(, from[x]), to, y);
}

#  if WIDTH == 16
DEFINE_TO_ODD(16)
typedef double16 double16_anywhere __attribute__((aligned(8)));
static inline void widen_whole(global const X(stored) * from, ulong x, global double *to, ulong y) {
  *(global double16_anywhere *)(to + y) = CONVERTED16(double, X(load16)(from, x));
}
static inline void narrow_whole(global const double *from, ulong x, global G(stored) * to, ulong y) {
  const double16 v = *(global const double16_anywhere *)(from + x);
  G(store16)(G(NARROWED)(16, v), to, y);
}
static inline void narrow_past(global const double *from, ulong x, global G(stored) * to, ulong y) {
  const double16 v = *(global const double16_anywhere *)(from + x);
  G(store_past_cache)(G(NARROWED)(16, v), to, y);
}
#    ifdef CLLOSS_HAS_NONTEMPORAL
static inline void widen_past(global const X(stored) * from, ulong x, global double *to, ulong y) {
  __builtin_nontemporal_store(CONVERTED16(double, X(load16)(from, x)), (global double16 *)(to + y));
}
#    else
#      define widen_past widen_whole
#    endif
DEFINE_CAST_ROW(widen_row, X(stored), double, widen_one, widen_whole, widen_past)
DEFINE_CAST_ROW(narrow_row, double, G(stored), narrow_one, narrow_whole, narrow_past)
#  else
DEFINE_CAST_ITEMS(widen_row, X(stored), double, widen_one)
DEFINE_CAST_ITEMS(narrow_row, double, G(stored), narrow_one)
#  endif

/* clang-format off */
CAST_KERNEL(TEAM(cast_widen), X(stored), double) { CAST_ROWS(widen_row, widen_one) }
CAST_KERNEL(TEAM(cast_narrow), double, G(stored)) { CAST_ROWS(narrow_row, narrow_one) }
/* clang-format on */

#endif
