/* Calls the functions of kernels/team/math.clh over a run of arguments, for test_math.c: one work-item per vector of 16. */
#include "../kernels/team/math.clh"

#ifdef CLLOSS_REAL_F64
#  define DEFINE_RUN(name)                                               \
    kernel void run_##name(global const double *x, global double *y) {   \
      vstore16(name(vload16(get_global_id(0), x)), get_global_id(0), y); \
    }
#else
#  define DEFINE_RUN(name)                                               \
    kernel void run_##name(global const float *x, global float *y) {     \
      vstore16(name(vload16(get_global_id(0), x)), get_global_id(0), y); \
    }
#endif
DEFINE_RUN(exp_neg)
DEFINE_RUN(exp_any)
DEFINE_RUN(log_pos)
DEFINE_RUN(log_any)
DEFINE_RUN(log1p_unit)
DEFINE_RUN(log1m_unit)
DEFINE_RUN(tanh_of)
