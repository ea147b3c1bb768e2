/* The yardsticks: the least work over n floats that moves the same bytes as a loss does.
 *
 *   scale  x[i] = factor * x[i]    reads 4, writes 4 bytes per element, in place: what a fused pass in place must move
 *   copy   y[i] = x[i]             reads 4, writes 4: the fused pass out of place
 *   read   part[g] = Σ x[i]        reads 4: the forward pass
 *   triad  y[i] = x[i] + factor * z[i]   reads 8, writes 4: a loss of two tensors, its gradient in a third
 *   exp    part[g] = Σ exp(-|x|)   n exps, of a block that stays in L1: what a loss must compute (lane form alone)
 *
 * The factor is an argument, at run time 1 for scale and 0 for triad, so that no compiler drops the multiplication or the
 * store, and the arrays, which all hold the same, keep their values. Two forms, as for the losses:
 *
 *   lane   CPU devices: a work-group of one item owns a contiguous run of elements and walks it with float16 vectors,
 *          four at a time, so that four loads are under way and four sums don't wait for each other. A work-item per
 *          element would be vectorised at half the width and leave the sum scalar.
 *   group  GPUs: consecutive items take consecutive float4, four of them a group's width apart, all loaded before
 *          first use.
 *
 * x and y start at multiples of 128 bytes; per_group is a multiple of 64. */

#include "../kernels/team/math.clh"

#define WIDE 64   /* elements per step of the lane form */
#define HOT  4096 /* elements that every group of exp walks over and over: 16 KB */

#ifndef LOCAL
#  define LOCAL 256 /* items per work-group of the group form, a power of two */
#endif
#define BLOCK (LOCAL * 16) /* elements per work-group of the group form */

#ifndef __has_builtin
#  define __has_builtin(x) 0
#endif

/* ---- lane ---- */

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void scale__lane(global float *x, const float factor,
                                                                       const ulong n, const ulong per_group) {
  const ulong begin = get_group_id(0) * per_group, end = min(begin + per_group, n);
  ulong i = begin;
  for (; i + WIDE <= end; i += WIDE) {
    global float16 *v = (global float16 *)(x + i);
    const float16 a = v[0], b = v[1], c = v[2], d = v[3];
    v[0] = a * factor;
    v[1] = b * factor;
    v[2] = c * factor;
    v[3] = d * factor;
  }
  for (; i < end; i++) x[i] *= factor;
}

/* Copy and triad, by a way to store four vectors from y on. */
#define DEFINE_COPIES(form, PUT)                                                                           \
  __attribute__((reqd_work_group_size(1, 1, 1)))                                                           \
  kernel void copy__##form(global const float *x, global float *y, const ulong n, const ulong per_group) { \
    const ulong begin = get_group_id(0) * per_group, end = min(begin + per_group, n);                      \
    ulong i = begin;                                                                                       \
    for (; i + WIDE <= end; i += WIDE) {                                                                   \
      global const float16 *v = (global const float16 *)(x + i);                                           \
      const float16 a = v[0], b = v[1], c = v[2], d = v[3];                                                \
      PUT((global float16 *)(y + i), a, b, c, d);                                                          \
    }                                                                                                      \
    for (; i < end; i++) y[i] = x[i];                                                                      \
  }                                                                                                        \
  __attribute__((reqd_work_group_size(1, 1, 1)))                                                           \
  kernel void triad__##form(global const float *x, global const float *z, global float *y,                 \
                            const float factor, const ulong n, const ulong per_group) {                    \
    const ulong begin = get_group_id(0) * per_group, end = min(begin + per_group, n);                      \
    ulong i = begin;                                                                                       \
    for (; i + WIDE <= end; i += WIDE) {                                                                   \
      global const float16 *v = (global const float16 *)(x + i), *u = (global const float16 *)(z + i);     \
      const float16 a = v[0] + factor * u[0], b = v[1] + factor * u[1];                                    \
      const float16 c = v[2] + factor * u[2], d = v[3] + factor * u[3];                                    \
      PUT((global float16 *)(y + i), a, b, c, d);                                                          \
    }                                                                                                      \
    for (; i < end; i++) y[i] = x[i] + factor * z[i];                                                      \
  }

#define PUT(w, a, b, c, d) (w)[0] = a, (w)[1] = b, (w)[2] = c, (w)[3] = d
DEFINE_COPIES(lane, PUT)

/* An ordinary store first reads the line that it is going to overwrite: half as much traffic again. */
#if __has_builtin(__builtin_nontemporal_store)
#  define STREAM(w, a, b, c, d)                                                 \
    __builtin_nontemporal_store(a, w), __builtin_nontemporal_store(b, (w) + 1), \
        __builtin_nontemporal_store(c, (w) + 2), __builtin_nontemporal_store(d, (w) + 3)
DEFINE_COPIES(lane_nt, STREAM)
#endif

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void
read__lane(global const float *x, global float *part, const ulong n, const ulong per_group) {
  const ulong begin = get_group_id(0) * per_group, end = min(begin + per_group, n);
  float16 a = 0, b = 0, c = 0, d = 0;
  ulong i = begin;
  for (; i + WIDE <= end; i += WIDE) {
    global const float16 *v = (global const float16 *)(x + i);
    a += v[0];
    b += v[1];
    c += v[2];
    d += v[3];
  }
  const float16 e = (a + b) + (c + d);
  const float8 f = e.lo + e.hi;
  const float4 g = f.lo + f.hi;
  float sum = (g.x + g.z) + (g.y + g.w);
  for (; i < end; i++) sum += x[i];
  part[get_group_id(0)] = sum;
}

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void
exp__lane(global const float *x, global float *part, const ulong n, const ulong per_group) {
  const ulong begin = get_group_id(0) * per_group, count = min(begin + per_group, n) - begin;
  float16 a = 0, b = 0, c = 0, d = 0;
  ulong i = 0;
  for (; i + WIDE <= count; i += WIDE) {
    global const float16 *v = (global const float16 *)(x + i % HOT);
    a += exp_neg(-fabs(v[0]));
    b += exp_neg(-fabs(v[1]));
    c += exp_neg(-fabs(v[2]));
    d += exp_neg(-fabs(v[3]));
  }
  float sum = sum_of((a + b) + (c + d));
  for (; i < count; i++) sum += exp_neg(-fabs(x[i % HOT]));
  part[get_group_id(0)] = sum;
}

/* What launching costs. */
kernel void nothing(void) {}

/* ---- group: a group owns BLOCK elements; the last block may be ragged and goes element by element ---- */

__attribute__((reqd_work_group_size(LOCAL, 1, 1))) kernel void
scale__group(global float *x, const float factor, const ulong n, const ulong per_group) {
  const ulong begin = get_group_id(0) * BLOCK, lid = get_local_id(0);
  if (begin + BLOCK <= n) {
    global float4 *v = (global float4 *)(x + begin) + lid;
    const float4 a = v[0], b = v[LOCAL], c = v[2 * LOCAL], d = v[3 * LOCAL];
    v[0] = a * factor;
    v[LOCAL] = b * factor;
    v[2 * LOCAL] = c * factor;
    v[3 * LOCAL] = d * factor;
  } else {
    for (ulong i = begin + lid; i < n; i += LOCAL) x[i] *= factor;
  }
}

__attribute__((reqd_work_group_size(LOCAL, 1, 1))) kernel void
copy__group(global const float *x, global float *y, const ulong n, const ulong per_group) {
  const ulong begin = get_group_id(0) * BLOCK, lid = get_local_id(0);
  if (begin + BLOCK <= n) {
    global const float4 *v = (global const float4 *)(x + begin) + lid;
    const float4 a = v[0], b = v[LOCAL], c = v[2 * LOCAL], d = v[3 * LOCAL];
    global float4 *w = (global float4 *)(y + begin) + lid;
    w[0] = a;
    w[LOCAL] = b;
    w[2 * LOCAL] = c;
    w[3 * LOCAL] = d;
  } else {
    for (ulong i = begin + lid; i < n; i += LOCAL) y[i] = x[i];
  }
}

__attribute__((reqd_work_group_size(LOCAL, 1, 1))) kernel void
triad__group(global const float *x, global const float *z, global float *y, const float factor, const ulong n,
             const ulong per_group) {
  const ulong begin = get_group_id(0) * BLOCK, lid = get_local_id(0);
  if (begin + BLOCK <= n) {
    global const float4 *v = (global const float4 *)(x + begin) + lid;
    global const float4 *u = (global const float4 *)(z + begin) + lid;
    const float4 a = v[0], b = v[LOCAL], c = v[2 * LOCAL], d = v[3 * LOCAL];
    const float4 e = u[0], f = u[LOCAL], g = u[2 * LOCAL], h = u[3 * LOCAL];
    global float4 *w = (global float4 *)(y + begin) + lid;
    w[0] = a + factor * e;
    w[LOCAL] = b + factor * f;
    w[2 * LOCAL] = c + factor * g;
    w[3 * LOCAL] = d + factor * h;
  } else {
    for (ulong i = begin + lid; i < n; i += LOCAL) y[i] = x[i] + factor * z[i];
  }
}

__attribute__((reqd_work_group_size(LOCAL, 1, 1))) kernel void
read__group(global const float *x, global float *part, const ulong n, const ulong per_group) {
  const ulong begin = get_group_id(0) * BLOCK, lid = get_local_id(0);
  local float sums[LOCAL];
  float sum = 0;
  if (begin + BLOCK <= n) {
    global const float4 *v = (global const float4 *)(x + begin) + lid;
    const float4 e = (v[0] + v[LOCAL]) + (v[2 * LOCAL] + v[3 * LOCAL]);
    sum = (e.x + e.y) + (e.z + e.w);
  } else {
    for (ulong i = begin + lid; i < n; i += LOCAL) sum += x[i];
  }
  sums[lid] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint width = LOCAL / 2; width > 0; width /= 2) {
    if (lid < width) sums[lid] += sums[lid + width];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (lid == 0) part[get_group_id(0)] = sums[0];
}
