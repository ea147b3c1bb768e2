/* Built with -O3 -march=native -ffast-math and OpenMP: the compiler may reorder sums, and calls the vector exp of libm.
 * Rows are shared among threads; each is walked for its maximum, then for the exps, which take the logits' place, and
 * their sum, then scaled: one exp per logit, and rows up to some 100,000 classes stay in the cache between.
 *
 * A program linked with -ffast-math flushes denormals (crtfastmath.o sets the mode as it starts). This one isn't, so
 * each thread does it here for as long as it computes: without, gradients below 2^-126 slow the loop several times. */
#include "loop.h"

#include <math.h>

#ifdef __SSE__
#  include <xmmintrin.h>
#  define DENORMALS_ARE_ZERO 0x8040u
#  define FLUSH_BEGIN()                 \
    const unsigned mode = _mm_getcsr(); \
    _mm_setcsr(mode | DENORMALS_ARE_ZERO)
#  define FLUSH_END() _mm_setcsr(mode)
#else
#  define FLUSH_BEGIN() (void)0
#  define FLUSH_END()   (void)0
#endif

int peer_loop_threads(void) {
#ifdef _OPENMP
  return 1;
#else
  return 0;
#endif
}

static float one_row(float *restrict x, int64_t target, size_t classes, float scale) {
  float max = x[0], sum = 0;
  const float at_target = x[target];
  for (size_t c = 1; c < classes; c++) max = x[c] > max ? x[c] : max;
  for (size_t c = 0; c < classes; c++) {
    x[c] = expf(x[c] - max);
    sum += x[c];
  }
  const float factor = scale / sum;
  for (size_t c = 0; c < classes; c++) x[c] *= factor;
  x[target] -= scale;
  return max - at_target + logf(sum);
}

double peer_loop_xent(float *logits, const int64_t *targets, size_t rows, size_t classes, int threads) {
  const float scale = 1.0f / (float)rows;
  double loss = 0;
#pragma omp parallel num_threads(threads) reduction(+ : loss)
  {
    FLUSH_BEGIN();
#pragma omp for schedule(static)
    for (size_t r = 0; r < rows; r++)
      loss += (double)one_row(logits + r * classes, targets[r], classes, scale);
    FLUSH_END();
  }
  return loss / (double)rows;
}
