/* Scale, copy, triad and read with OpenMP. Each thread takes one contiguous share, cut at multiples of 64 bytes; the
 * loop over a share stands in a function of its own, so that the compiler can make one copy per instruction set (OpenMP
 * outlines parallel regions before it would see the attribute there). */
#include "loops.h"

#ifdef _OPENMP
#  include <omp.h>
#endif
#ifdef __SSE2__
#  include <emmintrin.h>
#endif

#ifndef __has_attribute
#  define __has_attribute(x) 0
#endif
#ifndef __has_feature
#  define __has_feature(x) 0
#endif

/* Sanitizers instrument the resolver that picks a copy, which runs before they are ready. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
#  define CLONES
#elif defined(__x86_64__) && defined(__ELF__) && __has_attribute(target_clones)
#  define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#  define CLONES
#endif

CLONES static void scale_share(float *restrict x, float factor, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] *= factor;
}

CLONES static void copy_share(const float *restrict x, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = x[i];
}

CLONES static void triad_share(const float *restrict x, const float *restrict z, float *restrict y,
                               float factor, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] + factor * z[i];
}

CLONES static float sum_block(const float *restrict x, size_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < n; i++) sum += x[i];
  return sum;
}

#ifdef __SSE2__
/* A cache line, around the cache. */
static inline void stream_line(float *y, __m128 a, __m128 b, __m128 c, __m128 d) {
  _mm_stream_ps(y, a);
  _mm_stream_ps(y + 4, b);
  _mm_stream_ps(y + 8, c);
  _mm_stream_ps(y + 12, d);
}
#endif

static void copy_share_streaming(const float *restrict x, float *restrict y, size_t n) {
  size_t i = 0;
#ifdef __SSE2__
  for (; i + 16 <= n; i += 16) {
    const __m128 a = _mm_loadu_ps(x + i), b = _mm_loadu_ps(x + i + 4);
    const __m128 c = _mm_loadu_ps(x + i + 8), d = _mm_loadu_ps(x + i + 12);
    stream_line(y + i, a, b, c, d);
  }
  _mm_sfence();
#endif
  for (; i < n; i++) y[i] = x[i];
}

static void triad_share_streaming(const float *restrict x, const float *restrict z, float *restrict y,
                                  float factor, size_t n) {
  size_t i = 0;
#ifdef __SSE2__
  const __m128 f = _mm_set1_ps(factor);
  for (; i + 16 <= n; i += 16) {
    const __m128 a = _mm_add_ps(_mm_loadu_ps(x + i), _mm_mul_ps(f, _mm_loadu_ps(z + i)));
    const __m128 b = _mm_add_ps(_mm_loadu_ps(x + i + 4), _mm_mul_ps(f, _mm_loadu_ps(z + i + 4)));
    const __m128 c = _mm_add_ps(_mm_loadu_ps(x + i + 8), _mm_mul_ps(f, _mm_loadu_ps(z + i + 8)));
    const __m128 d = _mm_add_ps(_mm_loadu_ps(x + i + 12), _mm_mul_ps(f, _mm_loadu_ps(z + i + 12)));
    stream_line(y + i, a, b, c, d);
  }
  _mm_sfence();
#endif
  for (; i < n; i++) y[i] = x[i] + factor * z[i];
}

/* In blocks, so that a float holds the sum of each well; the blocks add up in double. */
static double read_share(const float *x, size_t n) {
  enum { BLOCK = 16384 };
  double sum = 0;
  for (size_t i = 0; i < n; i += BLOCK) sum += (double)sum_block(x + i, n - i < BLOCK ? n - i : BLOCK);
  return sum;
}

/* First element of the share of thread t; of thread `threads`, the end. */
static size_t share(size_t n, int t, int threads) {
  if (t == threads) return n;
  return n / (size_t)threads * (size_t)t / 16 * 16;
}

#ifdef _OPENMP
int loops_threads(int wanted) {
  int most = omp_get_num_procs();
  return wanted < most ? wanted : most;
}

void loops_begin(int threads) {
  volatile int started = 0;
#  pragma omp parallel num_threads(threads)
  {
#  pragma omp atomic
    started++;
  }
}

void loops_end(void) {
#  if _OPENMP >= 201811 || (defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 9)
  omp_pause_resource_all(omp_pause_soft);
#  endif
}
#else
int loops_threads(int wanted) {
  (void)wanted;
  return 0;
}
void loops_begin(int threads) { (void)threads; }
void loops_end(void) {}
#endif

void loop_scale(float *x, float factor, size_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++) {
    size_t begin = share(n, t, threads);
    scale_share(x + begin, factor, share(n, t + 1, threads) - begin);
  }
}

void loop_copy(const float *x, float *y, size_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++) {
    size_t begin = share(n, t, threads);
    copy_share(x + begin, y + begin, share(n, t + 1, threads) - begin);
  }
}

void loop_copy_streaming(const float *x, float *y, size_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++) {
    size_t begin = share(n, t, threads);
    copy_share_streaming(x + begin, y + begin, share(n, t + 1, threads) - begin);
  }
}

void loop_triad(const float *x, const float *z, float *y, float factor, size_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++) {
    size_t begin = share(n, t, threads);
    triad_share(x + begin, z + begin, y + begin, factor, share(n, t + 1, threads) - begin);
  }
}

void loop_triad_streaming(const float *x, const float *z, float *y, float factor, size_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++) {
    size_t begin = share(n, t, threads);
    triad_share_streaming(x + begin, z + begin, y + begin, factor, share(n, t + 1, threads) - begin);
  }
}

double loop_read(const float *x, size_t n, int threads) {
  double sum = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : sum)
  for (int t = 0; t < threads; t++) {
    size_t begin = share(n, t, threads);
    sum += read_share(x + begin, share(n, t + 1, threads) - begin);
  }
  return sum;
}

int loops_can_stream(void) {
#ifdef __SSE2__
  return 1;
#else
  return 0;
#endif
}
