/* What drivers are known to do wrong (docs/devices.md), each in the smallest kernel that shows it: as clLoss writes it, or
 * with -DBARE as one would at first, and then alone, by a -DCASE_…. All have one signature; what they leave in y[0] stands
 * in test_drivers.c. */
#ifndef BARE
#  include "../kernels/team/lane.clh"
#  define CASE_loop
#  define CASE_barrier
#  define CASE_half
#  define CASE_prefetch
#  define CASE_above
#else
#  define TEAM_BEGIN
#endif

#define TRIAL(name) kernel void name(global float *x, global float *y, const ulong n, const ulong flags)

#ifdef CASE_loop
/* A loop in a branch, in a kernel of one item: y grows by 1 before it. */
TRIAL(trial_loop) {
  TEAM_BEGIN
  if (flags) {
    y[0] += 1;
    for (ulong i = 0; i < n; ++i) y[4 + i] = x[i];
  }
}
#endif

#ifdef CASE_barrier
/* A barrier in a branch that all items of a work-group take; clLoss has none in groups of one item. */
TRIAL(trial_barrier) {
  if (get_local_id(0) == 0) y[0] += 1;
  if (flags) barrier(CLK_GLOBAL_MEM_FENCE);
}
#endif

#ifdef CASE_half
/* Sixteen halves from an odd element on, each stored 1 later. */
TRIAL(trial_half) {
#  ifdef BARE
  global half *p = (global half *)x;
  float16 v = (float16)flags;
  vstore_half16_rte(v, 0, p + n);
  v = vload_half16(0, p + n);
#  else
  global half *p = (global half *)x;
  store16_F16((float16)flags, p, n);
  const float16 v = load16_F16(p, n);
#  endif
  y[0] = (v.s0 + v.s5) + (v.sa + v.sf);
}
#endif

#ifdef CASE_prefetch
/* A builtin of the front end that a translator behind it ends the process over. */
TRIAL(trial_prefetch) {
#  ifdef BARE
  __builtin_prefetch((const void *)(size_t)(x + n));
#  else
  FETCH_AHEAD(x + n);
#  endif
  y[0] = x[0] + n;
}
#endif

#ifdef CASE_above
/* A vector that is put together above a branch and used in it alone. */
TRIAL(trial_above) {
  float4 sum = (float4)0;
  for (ulong i = 4 * get_local_id(0); i < n; i += 4 * get_local_size(0)) {
    float4 v = (float4)(x[i], x[i + 1], x[i + 2], x[i + 3]);
#  ifdef BARE
    float4 weight = (float4)1;
    if (n & 2) weight.xy = vload2(0, x + i);
    if (n & 1) weight.z = x[i];
#  endif
    if (flags & 1) {
#  ifndef BARE
      float4 weight = (float4)1;
      if (n & 2) weight.xy = vload2(0, x + i);
      if (n & 1) weight.z = x[i];
#  endif
      v = ((weight == (float4)0) & (v == v)) ? (float4)0 : weight * v;
    }
    sum += v;
  }
  if (get_local_id(0) == 0) y[0] = (sum.x + sum.y) + (sum.z + sum.w);
}
#endif
