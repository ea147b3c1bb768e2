/* Results without figures, and how far to trust those that have some. */
#include "result.h"

struct result result_blank(const char *name, int inplace, enum shape_kind kind, size_t rows, size_t classes,
                           size_t inner, const char *dtype) {
  const struct summary none = summarize(NULL, 0);
  struct result r = {.name = name, .inplace = inplace, .kind = kind, .rows = rows, .classes = classes};
  r.inner = inner;
  r.dtype = dtype;
  r.max_err = r.ideal_bytes = none.median;
  r.ms = r.scale_ms = r.copy_ms = r.read_ms = r.exp_ms = r.triad_ms = r.ref_ms = r.launch_ms = r.call_us =
      none;
  r.over_scale = r.of_limit = r.speedup = r.over_bound = r.over_plain = none;
  for (int i = 0; i < PEERS; i++) r.peers[i].ms = r.peers[i].speedup = none;
  return r;
}

double result_noise(const struct result *r) {
  if (r->failed[0] || r->kind == SHAPE_TINY) return 0; /* nobody claims a ratio of microseconds */
  double noise = spread(&r->over_scale);
  if (!(spread(&r->speedup) <= noise)) noise = spread(&r->speedup);
  if (!(spread(&r->of_limit) <= noise)) noise = spread(&r->of_limit);
  return noise;
}
