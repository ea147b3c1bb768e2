/* Why cross-entropy, and not the squared error of the probabilities: both are given the same models, the same first
 * weights, the same digits in every step and the same rate, on an OpenCL device.
 *
 *   1. A logistic unit that tells zeros from ones and starts confidently wrong. Through the softmax, the squared error's
 *      gradient carries the factor p of the right class: the surer the mistake, the less there is to learn from it.
 *      Cross-entropy's 1 / p cancels that factor, and 1 − p remains.
 *   2. The classifier of train_digits from its random first weights, where nothing is confidently wrong.
 *   3. The same mistakes, still more confident, through the −log p of a softmax in f32.
 *
 * A step sees all training digits, so that the gradient whose length is shown is the loss's own and not a sample's. The
 * same seed on the same device gives the same numbers. Exit status: 0, 1 on failure, 2 for bad usage. */
#include "gnuplot.h"
#include "net.h"
#include "options.h"
#include "problem.h"
#include "report.h"
#include "unit.h"
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HIDDEN = 128 };
static const float net_rate = 0.25f, unit_rate = 0.5f;

typedef struct settings {
  unsigned long steps, wrong, seed, device;
  const char *data, *plot;
} settings;

static size_t most_rows(const problem *p) {
  return p->train.rows > p->held.rows ? p->train.rows : p->held.rows;
}

static clloss_view view(const clloss_tensor *tensor) { return clloss_tensor_view(tensor); }

/* Point i of the history is the model after i steps. */
static bool train_net(device *dev, const problem *p, criterion_kind kind, unsigned long seed, history *h) {
  net n;
  bool good = net_create(&n, dev, p->inputs, HIDDEN, p->classes, most_rows(p), kind, seed);
  for (size_t i = 0; i < h->points && good; i++) {
    good = net_evaluate(&n, view(p->held.device_x), view(p->held.device_t), p->held.rows, (clloss_view){0},
                        history_counts(h, i)) &&
           net_gradient(&n, view(p->train.device_x), view(p->train.device_t), p->train.rows,
                        history_loss(h, i)) &&
           history_norm(h, i, n.gradient, n.n_params) && net_descend(&n, net_rate, 0);
  }
  good = good && history_read(h);
  net_destroy(&n);
  return good;
}

static bool train_unit(device *dev, const problem *p, criterion_kind kind, const float *weights, history *h) {
  unit u;
  bool good = unit_create(&u, dev, p->inputs, most_rows(p), kind, weights);
  for (size_t i = 0; i < h->points && good; i++) {
    good = unit_evaluate(&u, view(p->held.device_x), view(p->held.device_t), p->held.rows,
                         history_counts(h, i)) &&
           unit_gradient(&u, view(p->train.device_x), view(p->train.device_t), p->train.rows,
                         history_loss(h, i)) &&
           history_norm(h, i, u.gradient, u.inputs) && unit_descend(&u, unit_rate);
  }
  good = good && history_read(h);
  unit_destroy(&u);
  return good;
}

/* The unit's start: from the mean of the ones straight to that of the zeros, with the boundary half-way, which is the
 * right direction reversed; scaled so that |x| is `nats` in the mean over the training digits. */
static void wrong_weights(const problem *p, double nats, float *weights) {
  const part *d = &p->train;
  const size_t bias = p->inputs - 1;
  double ones = 0, middle = 0, sum = 0;
  for (size_t r = 0; r < d->rows; r++) ones += (double)d->t[r * 2 + 1];
  for (size_t i = 0; i < bias; i++) {
    double mean[2] = {0, 0};
    for (size_t r = 0; r < d->rows; r++) {
      const bool one = d->t[r * 2 + 1] > 0;
      mean[one] += (double)d->x[r * p->inputs + i] / (one ? ones : (double)d->rows - ones);
    }
    weights[i] = (float)(mean[0] - mean[1]);
    middle += (double)weights[i] * (mean[0] + mean[1]) / 2;
  }
  weights[bias] = (float)-middle;
  for (size_t r = 0; r < d->rows; r++) {
    double x = 0;
    for (size_t i = 0; i < p->inputs; i++) x += (double)weights[i] * (double)d->x[r * p->inputs + i];
    sum += fabs(x);
  }
  for (size_t i = 0; i < p->inputs; i++) weights[i] *= (float)(nats * (double)d->rows / sum);
}

static bool contest_create(contest *c, device *dev, const char *title, unsigned long steps) {
  *c = (contest){.title = title};
  bool good = true;
  for (int k = 0; k < CONTESTANTS && good; k++) good = history_create(&c->runs[k], dev, steps + 1);
  return good;
}

static void contest_destroy(contest *c) {
  for (int k = 0; k < CONTESTANTS; k++) history_destroy(&c->runs[k]);
}

static bool unit_contest(device *dev, const digits *d, const settings *s, contest *c) {
  problem p;
  float weights[DIGITS_PIXELS + 1];
  bool good = problem_create(&p, dev, d, DIGITS_PIXELS + 1, 2) &&
              contest_create(c, dev, "0 or 1, confidently wrong", s->steps);
  if (good) {
    wrong_weights(&p, (double)s->wrong, weights);
    printf("\nZeros and ones, a logistic unit, wrong by %lu nats: %zu to train on, %zu held out; rate %g\n",
           s->wrong, p.train.rows, p.held.rows, (double)unit_rate);
    fflush(stdout);
  }
  for (int k = 0; k < CONTESTANTS && good; k++)
    good = train_unit(dev, &p, (criterion_kind)k, weights, &c->runs[k]);
  if (good) report_contest(c);
  problem_destroy(&p);
  return good;
}

static bool digits_contest(device *dev, const digits *d, const settings *s, contest *c) {
  problem p;
  bool good = problem_create(&p, dev, d, DIGITS_PIXELS, DIGITS_CLASSES) &&
              contest_create(c, dev, "0 to 9, random start", s->steps);
  if (good) {
    printf("\nAll digits, %d-%d-%d, random first weights: %zu to train on, %zu held out; rate %g\n",
           DIGITS_PIXELS, HIDDEN, DIGITS_CLASSES, p.train.rows, p.held.rows, (double)net_rate);
    fflush(stdout);
  }
  for (int k = 0; k < CONTESTANTS && good; k++)
    good = train_net(dev, &p, (criterion_kind)k, s->seed, &c->runs[k]);
  if (good) report_contest(c);
  problem_destroy(&p);
  return good;
}

static bool argue(device *dev, const digits *d, const settings *s) {
  mistake mistakes[] = {{.margin = 1},  {.margin = 20},  {.margin = 50},  {.margin = 80},
                        {.margin = 90}, {.margin = 110}, {.margin = 1000}};
  const size_t n = sizeof mistakes / sizeof mistakes[0];
  contest two = {0}, all = {0};
  bool good = unit_contest(dev, d, s, &two) && digits_contest(dev, d, s, &all) &&
              naive_log_measure(dev, mistakes, n);
  if (good) {
    printf("\nLogits 0 and -margin, the second class is the right one: loss, and gradient of its logit\n");
    report_mistakes(mistakes, n);
    printf("\n");
    report_findings(&all, &two, mistakes, n);
    good = !s->plot || plot_contests(s->plot, &all, &two);
  }
  contest_destroy(&two);
  contest_destroy(&all);
  return good;
}

static int run(const settings *s) {
  digits d = {0};
  device dev = {0};
  bool good = (!s->plot || gnuplot_possible("why_not_mse")) && digits_load(&d, s->data, s->seed) &&
              device_open(&dev, (unsigned)s->device, NET_CL);
  if (good) {
    printf("%s: cross-entropy against MSE of probabilities, seed %lu\n", dev.name, s->seed);
    printf("The first step compiles kernels; CLBlast's can take ten seconds.\n");
    good = argue(&dev, &d, s);
  }
  device_close(&dev);
  digits_free(&d);
  return good ? 0 : 1;
}

static void help(void) {
  printf(
      "why_not_mse [options]: trains on digits with cross-entropy and with MSE of probabilities, and "
      "compares\n"
      "  --plot FILE  draw it as SVG (needs gnuplot)\n"
      "  --steps N    of each run, over all training digits (default 200)\n"
      "  --wrong N    how far on the wrong side of its boundary the logistic unit starts, nats (default 20)\n"
      "  --seed N     of the split and the first weights (default 1)\n"
      "  --device N   OpenCL device, as numbered by `clloss devices` (default 0)\n"
      "  --data FILE  lines of 64 pixels and a class, gzip or plain (default: the digits that come along)\n");
}

static bool number(const char *option, const char *text, unsigned long min, unsigned long max,
                   unsigned long *out) {
  return option_number("why_not_mse", option, text, min, max, out);
}

int main(int argc, char **argv) {
  settings s = {.steps = 200, .wrong = 20, .seed = 1, .data = DIGITS_CSV_GZ};
  static const struct option options[] = {
      {"plot", required_argument, NULL, 'p'},   {"steps", required_argument, NULL, 'n'},
      {"wrong", required_argument, NULL, 'w'},  {"seed", required_argument, NULL, 's'},
      {"device", required_argument, NULL, 'd'}, {"data", required_argument, NULL, 'f'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    bool good = true;
    switch (option) {
    case 'p': s.plot = optarg; break;
    case 'n': good = number("steps", optarg, 1, 10000, &s.steps); break;
    case 'w': good = number("wrong", optarg, 1, 80, &s.wrong); break;
    case 's': good = number("seed", optarg, 0, 0xffffffff, &s.seed); break;
    case 'd': good = number("device", optarg, 0, 1000, &s.device); break;
    case 'f': s.data = optarg; break;
    case 'h': help(); return 0;
    default: good = false; /* getopt has said why */
    }
    if (!good) return 2;
  }
  if (optind < argc) {
    fprintf(stderr, "why_not_mse: %s: no such option\n", argv[optind]);
    return 2;
  }
  return run(&s);
}
