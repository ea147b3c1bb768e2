/* One JSON object per line and case, and one of the run. The first seventeen keys and their order are fixed; what follows them may grow.
 * A number that isn't finite becomes null, as JSON knows no other. */
#include "result.h"

#include "json_text.h"

#include <clloss/clloss.h>
#include <math.h>
#include <sys/utsname.h>
#include <time.h>

static void string(FILE *out, const char *key, const char *text) {
  fprintf(out, ", \"%s\": ", key);
  json_string(out, text);
}

static void number(FILE *out, const char *key, double value) {
  if (isfinite(value))
    fprintf(out, ", \"%s\": %.6g", key, value);
  else
    fprintf(out, ", \"%s\": null", key);
}

static void count(FILE *out, const char *key, size_t value) { fprintf(out, ", \"%s\": %zu", key, value); }

static void quartiles(FILE *out, const char *key, const struct summary *s) {
  char name[64];
  snprintf(name, sizeof name, "%s_q1", key);
  number(out, name, s->q1);
  snprintf(name, sizeof name, "%s_q3", key);
  number(out, name, s->q3);
}

static void peers(FILE *out, const struct result *r) {
  for (int i = 0; i < PEERS; i++) {
    const struct peer_figure *p = &r->peers[i];
    char name[48];
    snprintf(name, sizeof name, "%s_ms", peer_key((enum peer_id)i));
    number(out, name, p->ms.median);
    quartiles(out, name, &p->ms);
    snprintf(name, sizeof name, "%s_speedup", peer_key((enum peer_id)i));
    number(out, name, p->speedup.median);
    quartiles(out, name, &p->speedup);
    snprintf(name, sizeof name, "%s_failed", peer_key((enum peer_id)i));
    if (p->failed[0])
      string(out, name, p->failed);
    else
      fprintf(out, ", \"%s\": null", name);
  }
}

void json_result(FILE *out, const struct run_facts *facts, const struct result *r) {
  fprintf(out, "{\"case\": \"%s\"", r->name);
  count(out, "rows", r->rows);
  count(out, "classes", r->classes);
  string(out, "dtype", r->dtype);
  fprintf(out, ", \"inplace\": %s", r->inplace ? "true" : "false");
  number(out, "ms", r->ms.median);
  number(out, "ms_min", r->ms.min);
  number(out, "gbps", r->ideal_bytes / r->ms.median * 1e-6);
  number(out, "scale_ms", r->scale_ms.median);
  number(out, "copy_ms", r->copy_ms.median);
  number(out, "read_ms", r->read_ms.median);
  number(out, "of_limit", r->of_limit.median);
  number(out, "ref_ms", r->ref_ms.median);
  number(out, "speedup", r->speedup.median);
  number(out, "max_err", r->max_err);
  string(out, "device", facts->device);
  string(out, "plan", r->plan);

  number(out, "over_scale", r->over_scale.median);
  quartiles(out, "over_scale", &r->over_scale);
  quartiles(out, "ms", &r->ms);
  quartiles(out, "of_limit", &r->of_limit);
  quartiles(out, "speedup", &r->speedup);
  number(out, "over_plain", r->over_plain.median);
  quartiles(out, "over_plain", &r->over_plain);
  number(out, "over_bound", r->over_bound.median);
  quartiles(out, "over_bound", &r->over_bound);
  number(out, "exp_ms", r->exp_ms.median);
  number(out, "triad_ms", r->triad_ms.median);
  number(out, "launch_ms", r->launch_ms.median);
  number(out, "call_us", r->call_us.median);
  quartiles(out, "call_us", &r->call_us);
  peers(out, r);
  string(out, "scale_by", r->scale_by ? r->scale_by : "");
  string(out, "copy_by", r->copy_by ? r->copy_by : "");
  string(out, "read_by", r->read_by ? r->read_by : "");
  string(out, "triad_by", r->triad_by ? r->triad_by : "");
  count(out, "inner", r->inner);
  count(out, "kernels", r->kernels);
  count(out, "reps", r->reps);
  count(out, "ref_rows", r->ref_rows);
  count(out, "ring_bytes", r->ring_bytes);
  count(out, "cache_bytes", facts->cache_bytes);
  count(out, "threads", facts->units);
  count(out, "openmp_threads", facts->openmp);
  string(out, "driver", facts->driver);
  string(out, "platform", facts->platform);
  string(out, "torch", facts->torch);
  fprintf(out, ", \"noisy\": %s", result_noise(r) > NOISE_LIMIT ? "true" : "false");
  if (r->failed[0])
    string(out, "failed", r->failed);
  else
    fputs(", \"failed\": null", out);
  fputs("}\n", out);
  fflush(out);
}

void json_run(FILE *out, const struct run_facts *facts) {
  struct utsname system;
  char text[400] = "unknown";
  const time_t now = time(NULL);
  const unsigned version = clloss_version();
  if (uname(&system) >= 0)
    snprintf(text, sizeof text, "%s %s %s", system.sysname, system.release, system.machine);
  fprintf(out, "{\"clloss\": \"%u.%u.%u\"", version / 10000, version / 100 % 100, version % 100);
  string(out, "command", facts->command);
  string(out, "system", text);
  strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", gmtime(&now));
  string(out, "date", text);
  string(out, "device", facts->device);
  string(out, "platform", facts->platform);
  string(out, "driver", facts->driver);
#ifdef __VERSION__
  string(out, "compiler", __VERSION__);
#endif
  string(out, "torch", facts->torch);
  count(out, "threads", facts->units);
  count(out, "openmp_threads", facts->openmp);
  count(out, "cache_bytes", facts->cache_bytes);
  fputs("}\n", out);
}
