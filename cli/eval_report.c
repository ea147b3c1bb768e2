/* Cross-entropy is in nats; bits = nats / ln 2; perplexity = exp(nats); a uniform guess costs ln C, so a mean of more
 * than that, normalized > 1, is worse than knowing nothing. These follow the mean over valid rows, whatever the
 * reduction. */
#include "eval_report.h"

#include "eval_options.h"

#include <clloss/clloss_types.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Quoted; bytes from 0x80 are passed on, so UTF-8 stays itself. */
static void json_string(const char *text) {
  putchar('"');
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      printf("\\%c", *c);
    else if ((unsigned char)*c < 0x20)
      printf("\\u%04x", (unsigned)*c);
    else
      putchar(*c);
  }
  putchar('"');
}

/* JSON has no NaN and no infinities: null. */
static void json_number(const char *key, double value, int digits) {
  if (isfinite(value))
    printf(", \"%s\": %.*g", key, digits, value);
  else
    printf(", \"%s\": null", key);
}

static void json_loss(const eval_result *r) {
  bool known = r->reduction != CLLOSS_NONE;
  if (known && isfinite(r->loss))
    printf("{\"loss\": %.*g", r->digits, r->loss);
  else
    printf("{\"loss\": null");
  if (!known || isfinite(r->loss)) return;
  printf(", \"loss_text\": \"%s\"", isnan(r->loss) ? "nan" : r->loss > 0 ? "inf" : "-inf");
}

void eval_report_json(const eval_result *r) {
  double uniform = log((double)r->classes);
  json_loss(r);
  printf(", \"reduction\": \"%s\", \"rows\": %" PRIu64 ", \"ignored\": %" PRIu64,
         eval_reduction_name(r->reduction), r->rows, r->ignored);
  printf(", \"bad_targets\": %" PRIu64 ", \"classes\": %" PRIu64 ", \"device\": ", r->bad_targets,
         r->classes);
  json_string(r->device);
  json_number("perplexity", exp(r->mean), r->digits);
  json_number("bits", r->mean / log(2), r->digits);
  json_number("accuracy", r->accuracy, r->digits);
  json_number("entropy", r->entropy, r->digits);
  json_number("uniform_baseline", uniform, r->digits);
  json_number("normalized", r->mean / uniform, r->digits);
  puts("}");
}

static void line(const char *name, double value, const char *unit) {
  if (isnan(value))
    printf("%-17s %14s  %s\n", name, "nan", unit); /* never "-nan" */
  else
    printf("%-17s %14.7g  %s\n", name, value, unit);
}

void eval_report_text(const eval_result *r) {
  double uniform = log((double)r->classes);
  if (r->reduction == CLLOSS_NONE)
    line("mean row loss", r->mean, "nats");
  else
    line(r->reduction == CLLOSS_MEAN ? "loss (mean)" : "loss (sum)", r->loss, "nats");
  line("perplexity", exp(r->mean), "");
  line("bits", r->mean / log(2), "");
  line("accuracy", 100 * r->accuracy, "%");
  line("entropy", r->entropy, "nats, of the predictions");
  line("uniform baseline", uniform, "nats");
  line("normalized", r->mean / uniform, "of the baseline");
  printf("%-17s %14" PRIu64 "  ignored %" PRIu64 ", bad targets %" PRIu64 "\n", "rows", r->rows, r->ignored,
         r->bad_targets);
  printf("%-17s %14" PRIu64 "\n", "classes", r->classes);
  printf("%-17s %14s  %s\n", "device", "", r->device);
}
