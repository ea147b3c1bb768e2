/* Cross-entropy is in nats; bits = nats / ln 2; perplexity = exp(nats). A uniform guess costs ln C, so a mean of more than
 * that, normalized > 1, is worse than knowing nothing, however good the accuracy; a guess of the targets' frequencies q
 * costs their entropy −Σ q log q. With n rows in a bin of confidence, whose mean is c and of which a share a is right, the
 * expected calibration error is Σ (n / N) |a − c| over 15 equally wide bins (Naeini, Cooper and Hauskrecht 2015; Guo et al.
 * 2017). All of these are about the mean over valid rows, whatever the reduction, and need one look at each row. */
#include "eval_report.h"

#include "cli.h"
#include "eval_options.h"
#include "json_text.h"

#include <clloss/clloss_types.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

bool eval_report_open(eval_report *r, report_kind kind, size_t classes) {
  *r = (eval_report){.kind = kind, .classes = kind == REPORT_CLASSES ? classes : 2};
  r->uniform = log((double)r->classes);
  r->frequencies = calloc(r->classes, sizeof *r->frequencies);
  if (!r->frequencies) fail(EXIT_FAILED, "out of memory for %zu classes", classes);
  return r->frequencies != NULL;
}

void eval_report_close(eval_report *r) { free(r->frequencies); }

/* Of equal losses the first stays the greater. */
static void keep_worst(eval_report *r, const report_row *row) {
  size_t at = r->n_worst;
  if (at == REPORT_WORST && !(row->loss > r->worst[at - 1].loss)) return;
  if (at < REPORT_WORST) r->n_worst++;
  if (at == REPORT_WORST) at--;
  for (; at > 0 && row->loss > r->worst[at - 1].loss; at--) r->worst[at] = r->worst[at - 1];
  r->worst[at] = *row;
}

void eval_report_add(eval_report *r, const report_row *row) {
  if (isnan(row->loss)) return;
  /* bins are open below: (0, 1/15], … */
  double place = ceil(row->probability * REPORT_BINS) - 1, bar = 0;
  struct report_bin *bin = &r->bins[place < 0 ? 0 : place < REPORT_BINS ? (size_t)place : REPORT_BINS - 1];
  bin->rows += 1;
  bin->confidence += row->probability;
  bin->right += row->right;
  if (r->classes > 1) bar = row->loss / r->uniform * (REPORT_BARS / 3);
  r->bars[bar < 0 ? 0 : bar < REPORT_BARS ? (size_t)bar : REPORT_BARS - 1] += 1;
  keep_worst(r, row);
}

/* ---- what they tell ---- */

static void read_frequencies(const eval_report *r, eval_reading *to) {
  double all = 0, most = 0, entropy = 0;
  for (size_t c = 0; c < r->classes; c++) {
    all += r->frequencies[c];
    most = fmax(most, r->frequencies[c]);
  }
  for (size_t c = 0; c < r->classes; c++) {
    const double q = r->frequencies[c] / all;
    if (!(q == 0)) entropy -= q * log(q);
  }
  to->frequencies = all > 0 ? entropy : NAN;
  to->majority = most / all;
  to->ones = r->frequencies[r->classes - 1] / all;
}

static void read_bins(const eval_report *r, eval_reading *to) {
  double rows = 0, error = 0, right = 0;
  for (size_t i = 0; i < REPORT_BINS; i++) {
    rows += r->bins[i].rows;
    right += r->bins[i].right;
    error += fabs(r->bins[i].right - r->bins[i].confidence);
  }
  to->right = right / rows;
  to->calibration = error / rows;
}

/* What the report counts, in words. */
static const char *item(const eval_report *r) { return r->kind == REPORT_BINARY ? "element" : "row"; }

/* How two numbers compare, as far as the sentence is concerned: 2 % of the loss of a uniform guess is no difference. */
static bool near(double a, double b, double uniform) { return fabs(a - b) <= 0.02 * uniform; }

static void say(eval_reading *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(eval_reading *g, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(g->sentence, sizeof g->sentence, format, arguments);
  va_end(arguments);
}

/* What can't be read like other results. False: it can, as from the two functions below. */
static bool read_oddities(const eval_report *r, eval_reading *g) {
  const eval_result *s = &r->result;
  if (s->rows == s->ignored + s->bad_targets || !s->classes)
    say(g, "There is nothing to read: no %s has a target that counts.", item(r));
  else if (s->no_loss)
    say(g, "%" PRIu64 " of the %ss have no loss, as they hold %s: no mean has a value until they are mended.",
        s->no_loss, item(r),
        r->kind == REPORT_CLASSES ? "NaN, +inf or nothing but -inf" : "NaN or what is no probability");
  else if (isinf(s->mean))
    say(g,
        "What was called impossible (a masked class, an infinite logit) happened, and that costs infinity.");
  else if (r->classes == 1)
    say(g, "With one class there is nothing to get wrong: the loss is 0 and says nothing.");
  else
    return false;
  return true;
}

/* Worse than a guess, or as good as one. A third of the chance of a uniform guess is too seldom for bad luck. */
static bool read_guesses(const eval_report *r, eval_reading *g) {
  const double percent = 100 * g->right, chance = 1 / (double)r->classes, mean = r->result.mean;
  const bool lost = mean > r->uniform && !near(mean, r->uniform, r->uniform);
  if (lost && g->right >= 0.5 && g->right > 1.2 * g->majority)
    say(g,
        "Confidently wrong: %.3g %% of the %ss are right, yet the loss is worse than a uniform guess, "
        "because the others "
        "were all but ruled out.",
        percent, item(r));
  else if (lost && g->right < chance / 3)
    say(g,
        "Worse than a guess, and right more seldom than chance (%.3g %%): do targets and classes count "
        "alike, and have "
        "the logits the right sign?",
        percent);
  else if (lost)
    say(g,
        "Worse than knowing nothing: a uniform guess would cost %.3g nats, this costs %.3g with %.3g %% "
        "right.",
        r->uniform, mean, percent);
  else if (near(mean, r->uniform, r->uniform) && g->right <= fmax(fmin(2 * chance, 0.6), 1.1 * g->majority))
    say(g, "Has learnt nothing: the loss is that of a uniform guess, ln %zu = %.4g nats.", r->classes,
        r->uniform);
  else if (near(mean, g->frequencies, r->uniform) && g->right <= 1.1 * g->majority)
    say(g, "Has learnt how frequent the classes are and nothing else: that guess costs %.3g nats, this %.3g.",
        g->frequencies, mean);
  else
    return false;
  return true;
}

/* Better than a guess: what about the accuracy, and the confidence? */
static void read_quality(const eval_report *r, eval_reading *g) {
  const double percent = 100 * g->right, sure = 100 * r->result.confidence, mean = r->result.mean;
  const double normalized = mean / r->uniform;
  if (g->right <= g->majority && g->majority > 0.5)
    say(g,
        "Right in %.3g %% of the %ss, but always answering the commonest class would be right in %.3g %%: "
        "only the "
        "loss shows that anything was learnt.",
        percent, item(r), 100 * g->majority);
  else if (normalized <= 0.6 && g->right < 0.5 && sure - percent < 10)
    say(g,
        "Low loss with low accuracy: it narrows the choice to about %.3g of %zu classes, but the likeliest "
        "is right in "
        "only %.3g %% of the %ss.",
        exp(mean), r->classes, percent, item(r));
  else if (percent - sure > 10)
    say(g,
        "Underconfident: right in %.3g %% of the %ss, but sure of only %.3g %%; larger logits would cost "
        "less.",
        percent, item(r), sure);
  else if (sure - percent > 10)
    say(g,
        "Overconfident: sure of %.3g %% of the %ss, but right in only %.3g %%; smaller logits would cost "
        "less.",
        sure, item(r), percent);
  else if (g->right >= 0.9 && normalized <= 0.2 && g->calibration <= 0.05)
    say(g, "Good: right in %.3g %% of the %ss, at %.3g of a uniform guess's cost, and as sure as it may be.",
        percent, item(r), normalized);
  else
    say(g,
        "Has learnt something: %.3g of a uniform guess's cost, %.3g %% right, its confidence off by %.2g %% "
        "on average.",
        normalized, percent, 100 * g->calibration);
}

void eval_report_read(const eval_report *r, eval_reading *to) {
  *to = (eval_reading){.frequencies = NAN};
  read_frequencies(r, to);
  read_bins(r, to);
  if (!read_oddities(r, to) && !read_guesses(r, to)) read_quality(r, to);
}

/* ---- JSON ---- */

/* What the report itself finds, from counts or in f64. */
enum { F64_DIGITS = 17 };

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

static void json_worst(const eval_report *r) {
  printf(", \"surprising\": [");
  for (size_t i = 0; i < r->n_worst; i++) {
    const report_row *w = &r->worst[i];
    printf("%s{\"row\": %" PRIu64 ", \"target\": %" PRId64 ", \"predicted\": %" PRId64, i ? ", " : "", w->row,
           w->target, w->predicted);
    json_number("probability", w->probability, r->result.digits);
    json_number("loss", w->loss, r->result.digits);
    putchar('}');
  }
  putchar(']');
}

static void json_report(const eval_report *report) {
  const eval_result *r = &report->result;
  eval_reading reading;
  eval_report_read(report, &reading);
  json_number("perplexity", exp(r->mean), r->digits);
  json_number("bits", r->mean / log(2), r->digits);
  json_number("accuracy", r->accuracy, F64_DIGITS);
  json_number("entropy", r->entropy, r->digits);
  json_number("uniform_baseline", report->uniform, F64_DIGITS);
  json_number("normalized", r->mean / report->uniform, r->digits);
  if (report->kind == REPORT_CLASSES) json_number("top5", r->top, F64_DIGITS);
  if (report->kind == REPORT_BINARY) json_number("base_rate", reading.ones, F64_DIGITS);
  json_number("frequency_baseline", reading.frequencies, F64_DIGITS);
  json_number("confidence", r->confidence, r->digits);
  json_number("calibration_error", reading.calibration, F64_DIGITS);
  printf(", \"reading\": ");
  json_string(stdout, reading.sentence);
  json_worst(report);
}

void eval_report_json(const eval_report *report) {
  const eval_result *r = &report->result;
  json_loss(r);
  printf(", \"reduction\": \"%s\", \"rows\": %" PRIu64 ", \"ignored\": %" PRIu64,
         eval_reduction_name(r->reduction), r->rows, r->ignored);
  printf(", \"bad_targets\": %" PRIu64 ", \"classes\": %" PRIu64 ", \"device\": ", r->bad_targets,
         r->classes);
  json_string(stdout, r->device);
  if (report->kind != REPORT_NONE) json_report(report);
  puts("}");
}

/* ---- text ---- */

static void line(const char *name, double value, const char *unit) {
  if (isnan(value))
    printf("%-17s %14s  %s\n", name, "nan", unit); /* never "-nan" */
  else
    printf("%-17s %14.7g  %s\n", name, value, unit);
}

static void text_worst(const eval_report *r) {
  if (!r->n_worst) return;
  printf("\nmost surprising %ss\n%12s %10s %10s %12s %12s\n", item(r), item(r), "target", "predicted",
         "its p", "loss");
  for (size_t i = 0; i < r->n_worst; i++) {
    const report_row *w = &r->worst[i];
    printf("%12" PRIu64 " %10" PRId64 " %10" PRId64 " %12.4g %12.4g\n", w->row, w->target, w->predicted,
           w->probability, w->loss);
  }
}

static void text_report(const eval_report *report, const eval_reading *reading) {
  const eval_result *r = &report->result;
  if (r->reduction != CLLOSS_MEAN || r->apart)
    line(report->kind == REPORT_BINARY ? "plain loss" : "plain row loss", r->mean, "nats, the mean");
  line("perplexity", exp(r->mean), "");
  line("bits", r->mean / log(2), "");
  line("accuracy", 100 * r->accuracy, "%");
  if (report->kind == REPORT_CLASSES) line("top 5", 100 * r->top, "%");
  if (report->kind == REPORT_BINARY) line("base rate", 100 * reading->ones, "%, of ones");
  line("entropy", r->entropy, "nats, of the predictions");
  line("uniform baseline", report->uniform, "nats");
  line("class frequencies", reading->frequencies, "nats, as a guess");
  line("normalized", r->mean / report->uniform, "of the uniform baseline");
  line("confidence", 100 * r->confidence, "%, of the predictions");
  line("calibration error", 100 * reading->calibration, "%, between confidence and accuracy");
}

void eval_report_text(const eval_report *report) {
  static const char *const names[] = {"loss (mean)", "loss (sum)", "", "loss (batchmean)"};
  const eval_result *r = &report->result;
  eval_reading reading;
  eval_report_read(report, &reading);
  if (r->reduction != CLLOSS_NONE) line(names[r->reduction], r->loss, report->kind ? "nats" : "");
  if (report->kind != REPORT_NONE) text_report(report, &reading);
  printf("%-17s %14" PRIu64 "  ignored %" PRIu64 ", bad targets %" PRIu64 "\n", "rows", r->rows, r->ignored,
         r->bad_targets);
  printf("%-17s %14" PRIu64 "\n", "classes", r->classes);
  printf("%-17s %14s  %s\n", "device", "", r->device);
  if (report->kind == REPORT_NONE) return;
  text_worst(report);
  printf("\n%s\n", reading.sentence);
}
