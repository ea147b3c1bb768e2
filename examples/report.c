/* The tables, and what they come to. The sentences state numbers of the run and leave verdicts to the reader, so that
 * they are true whatever the run gave. */
#include "report.h"
#include <math.h>
#include <stdio.h>

/* Without the sign that a NaN may have and printf would show. */
static double shown(float value) { return isnan(value) ? fabs((double)value) : (double)value; }

/* 0, 1, 2, 5, 10, 20, 50 …: points that a table shows, beside the last. */
static bool is_round(size_t n) {
  while (n && n % 10 == 0) n /= 10;
  return n == 0 || n == 1 || n == 2 || n == 5;
}

void report_contest(const contest *c) {
  printf("          cross-entropy                      MSE of probabilities\n"
         " step        loss  |gradient|  accuracy        loss  |gradient|  accuracy\n");
  for (size_t i = 0; i < c->runs[0].points; i++) {
    if (!is_round(i) && i + 1 < c->runs[0].points) continue;
    printf("%5zu", i);
    for (int k = 0; k < CONTESTANTS; k++)
      printf("  %10.4g  %10.3g  %6.1f %%", shown(c->runs[k].loss[i]), shown(c->runs[k].norm[i]),
             100 * c->runs[k].accuracy[i]);
    printf("\n");
  }
}

void report_mistakes(const mistake *mistakes, size_t n) {
  printf("                       softmax, then -log p      p clipped at 1e-10          clLoss, fused\n"
         "  margin           p        loss  gradient        loss  gradient        loss  gradient\n");
  for (size_t i = 0; i < n; i++) {
    printf("%8g  %10.3g", (double)mistakes[i].margin, (double)mistakes[i].p);
    for (int w = 0; w < WAYS; w++)
      printf("  %10.4g  %8.3g", shown(mistakes[i].loss[w]), shown(mistakes[i].grad[w]));
    printf("\n");
  }
}

/* "13 steps", or "never", into room for 48. */
static const char *when(char *out, const history *h, double accuracy) {
  const size_t point = history_reaches(h, accuracy);
  if (point < h->points)
    snprintf(out, 48, "after %zu steps", point);
  else
    snprintf(out, 48, "never");
  return out;
}

static void find_unit(const contest *c) {
  const history *ce = &c->runs[CROSS_ENTROPY], *mse = &c->runs[SQUARED_ERROR];
  const size_t last = ce->points - 1;
  char text[48];
  printf("The unit starts with a probability of %.1e for the right digit (geometric mean), and there the "
         "gradient of\n"
         "cross-entropy is %.3g times as long as that of MSE. In %zu steps cross-entropy takes the accuracy "
         "from %.1f %%\n"
         "to %.1f %% (99 %% %s), and MSE from %.1f %% to %.1f %%: MSE's loss falls by %.1f %%.\n",
         exp(-(double)ce->loss[0]), (double)ce->norm[0] / (double)mse->norm[0], last, 100 * ce->accuracy[0],
         100 * ce->accuracy[last], when(text, ce, 0.99), 100 * mse->accuracy[0], 100 * mse->accuracy[last],
         100 * (1 - (double)mse->loss[last] / (double)mse->loss[0]));
}

static void find_digits(const contest *c) {
  const history *ce = &c->runs[CROSS_ENTROPY], *mse = &c->runs[SQUARED_ERROR];
  const size_t last = ce->points - 1;
  char text[2][48];
  printf(
      "The classifier of all ten digits starts at random, the right digit at %.2g: 90 %% are right %s with\n"
      "cross-entropy and %s with MSE, %.1f %% and %.1f %% in the end.\n",
      exp(-(double)ce->loss[0]), when(text[0], ce, 0.9), when(text[1], mse, 0.9), 100 * ce->accuracy[last],
      100 * mse->accuracy[last]);
}

static void find_mistakes(const mistake *mistakes, size_t n) {
  size_t i = 0;
  while (i < n && isfinite(mistakes[i].loss[NAIVE])) i++;
  if (i == n) {
    printf("-log p stays finite up to a margin of %g.\n", (double)mistakes[n - 1].margin);
    return;
  }
  const mistake *m = &mistakes[i];
  printf("At a margin of %g, -log p of the softmax is %g and its gradient %g; clipped they are %.4g and %g;\n"
         "clLoss, from the logits, gives %g and %g.\n",
         (double)m->margin, shown(m->loss[NAIVE]), shown(m->grad[NAIVE]), shown(m->loss[CLIPPED]),
         shown(m->grad[CLIPPED]), shown(m->loss[FUSED]), shown(m->grad[FUSED]));
}

void report_findings(const contest *digits, const contest *unit, const mistake *mistakes, size_t n) {
  find_unit(unit);
  find_digits(digits);
  find_mistakes(mistakes, n);
}
