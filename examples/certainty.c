/* What becomes of cross-entropy where a model is certain: the classifier of train_digits, which has every training digit
 * right, is trained on without weight decay, twice from the same weights and with the same steps, once by the usual
 * formula in f32 (net.cl has it written out), once by clLoss.
 *
 * With z_t the greatest logit and rest = Σ exp(z_c − z_t) over the other classes, the loss is log(1 + rest) and its
 * gradient at the target p_t − 1 = −rest / (1 + rest). The usual formula adds rest to 1 first: below 2^-24 nothing is
 * left of it, and both are exactly 0. The gradient's other entries, p_c, stay: they push the wrong classes down, and
 * nothing pulls the right one up. clLoss keeps rest by itself.
 *
 * Plain gradient descent shortens its steps with the gradient, so that its loss falls as 1 / steps: millions of them
 * would be needed. Here gradients are brought to length 1 (normalized gradient descent), which changes no direction. A
 * step sees all training digits. The same seed on the same device gives the same numbers. Exit status: 0, 1 on failure,
 * 2 for bad usage. */
#include "certainty.h"
#include "digits.h"
#include "gnuplot.h"
#include "net.h"
#include "options.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { HIDDEN = 128, START_STEPS = 500 };
static const float start_rate = 0.2f, rate = 0.01f, momentum = 0.9f;

typedef struct settings {
  unsigned long steps, seed, device;
  const char *data, *plot;
} settings;

typedef struct part {
  size_t rows;
  clloss_tensor *x, *t;
} part;

typedef struct experiment {
  device dev;
  digits d;
  part train, held;
  float *start; /* the parameters that both courses start with */
  cl_kernel count_zeros;
  course courses[COURSES];
} experiment;

static clloss_view view(const clloss_tensor *tensor) { return clloss_tensor_view(tensor); }

static bool part_create(part *p, const device *dev, const digits *d, size_t first, size_t rows) {
  *p = (part){.rows = rows};
  return device_tensor(dev, &p->x, CLLOSS_F32, rows, DIGITS_PIXELS) &&
         device_tensor(dev, &p->t, CLLOSS_I32, rows, 1) &&
         device_upload(dev, p->x, d->pixels + first * DIGITS_PIXELS) &&
         device_upload(dev, p->t, d->classes + first);
}

static bool create_net(experiment *e, net *n, criterion_kind kind, unsigned long seed) {
  return net_create(n, &e->dev, DIGITS_PIXELS, HIDDEN, DIGITS_CLASSES, e->train.rows, kind, seed);
}

/* The gradient of the mean loss over the training digits. */
static bool gradient(const experiment *e, net *n, clloss_view loss) {
  return net_gradient(n, view(e->train.x), view(e->train.t), e->train.rows, loss);
}

/* How many of the training digits the net has right; on stdout. */
static bool report_start(experiment *e, net *n) {
  const course *c = &e->courses[CLLOSS]; /* whose places are written anew later */
  int64_t(*counts)[CLLOSS_COUNTS] = calloc(c->own.points, sizeof *counts);
  if (!counts) return cl_ok(CL_OUT_OF_HOST_MEMORY, "the start's counts");
  const bool good = net_evaluate(n, view(e->train.x), view(e->train.t), e->train.rows, (clloss_view){0},
                                 history_counts(&c->own, 0)) &&
                    device_download(&e->dev, c->own.counted, counts);
  if (good) {
    printf("\n%d-%d-%d after %d steps at rate %g: %lld of %zu training digits are right. Then, with "
           "gradients of "
           "length 1,\nat rate %g, momentum %g:\n",
           DIGITS_PIXELS, HIDDEN, DIGITS_CLASSES, START_STEPS, (double)start_rate,
           (long long)counts[0][CLLOSS_COUNT_TOP1], e->train.rows, (double)rate, (double)momentum);
    fflush(stdout);
  }
  free(counts);
  return good;
}

/* Trains the classifier that both go on with, from random weights. */
static bool find_start(experiment *e, unsigned long seed) {
  net n;
  bool good = create_net(e, &n, CROSS_ENTROPY, seed);
  const clloss_view loss = view(e->courses[CLLOSS].judged);
  for (int i = 0; i < START_STEPS && good; i++)
    good = gradient(e, &n, loss) && net_descend(&n, start_rate, momentum);
  good = good && report_start(e, &n);
  e->start = good ? malloc(n.n_params * sizeof *e->start) : NULL;
  if (good && !e->start) good = cl_ok(CL_OUT_OF_HOST_MEMORY, "the first weights");
  good = good && device_download(&e->dev, n.params, e->start);
  net_destroy(&n);
  return good;
}

static bool course_create(course *c, experiment *e, size_t points) {
  *c = (course){.rows = e->train.rows, .held_rows = e->held.rows};
  c->judged_loss = calloc(points, sizeof *c->judged_loss);
  c->held_loss = calloc(points, sizeof *c->held_loss);
  c->zeros = calloc(points, sizeof *c->zeros);
  if (!c->judged_loss || !c->held_loss || !c->zeros) return cl_ok(CL_OUT_OF_HOST_MEMORY, "a run's history");
  return history_create(&c->own, &e->dev, points) &&
         device_tensor(&e->dev, &c->judged, CLLOSS_F32, points, 1) &&
         device_tensor(&e->dev, &c->held_losses, CLLOSS_F32, points, 1) &&
         device_tensor(&e->dev, &c->zeroed, CLLOSS_I32, points, ZEROS) &&
         device_upload(&e->dev, c->zeroed, c->zeros);
}

static void course_destroy(course *c) {
  clloss_tensor **tensors[] = {&c->judged, &c->held_losses, &c->zeroed};
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) clloss_tensor_destroy(tensors[i]);
  history_destroy(&c->own);
  free(c->judged_loss);
  free(c->held_loss);
  free(c->zeros);
}

static bool judge(const experiment *e, net *n, course *c, size_t point) {
  return net_evaluate(n, view(e->train.x), view(e->train.t), e->train.rows, view_at(view(c->judged), point),
                      (clloss_view){0}) &&
         net_evaluate(n, view(e->held.x), view(e->held.t), e->held.rows, view_at(view(c->held_losses), point),
                      history_counts(&c->own, point));
}

static bool count_zeros(experiment *e, const net *n, course *c, size_t point) {
  const clloss_view logits_grad = view(n->logits), targets = view(e->train.t), zeros = view(c->zeroed);
  const cl_ulong classes = DIGITS_CLASSES, at = point * ZEROS;
  return device_run(&e->dev, e->count_zeros, e->train.rows, 1,
                    (kernel_arg[]){ARG(logits_grad.mem), ARG(targets.mem), ARG(classes), ARG(zeros.mem),
                                   ARG(at), LAST_ARG});
}

/* From the start, by one formula. Point i is the model after i steps. */
static bool train(experiment *e, criterion_kind kind, unsigned long seed, course *c) {
  net n;
  history *h = &c->own;
  bool good = create_net(e, &n, kind, seed) && device_upload(&e->dev, n.params, e->start);
  for (size_t i = 0; i < h->points && good; i++) {
    good = judge(e, &n, c, i) && gradient(e, &n, history_loss(h, i)) &&
           history_norm(h, i, n.gradient, n.n_params) && count_zeros(e, &n, c, i) &&
           net_descend_evenly(&n, view_at(view(h->norms), i), rate, momentum);
  }
  good = good && history_read(h) && device_download(&e->dev, c->judged, c->judged_loss) &&
         device_download(&e->dev, c->held_losses, c->held_loss) &&
         device_download(&e->dev, c->zeroed, c->zeros);
  net_destroy(&n);
  return good;
}

static bool prepare(experiment *e, const settings *s) {
  bool good = digits_load(&e->d, s->data, s->seed) && device_open(&e->dev, (unsigned)s->device, NET_CL);
  if (!good) return false;
  printf("%s: cross-entropy of a model that becomes certain, by the usual formula and by clLoss, seed %lu\n",
         e->dev.name, s->seed);
  printf("The first step compiles kernels; CLBlast's can take ten seconds.\n");
  fflush(stdout);
  good = part_create(&e->train, &e->dev, &e->d, 0, e->d.train_rows) &&
         part_create(&e->held, &e->dev, &e->d, e->d.train_rows, e->d.held_rows) &&
         (e->count_zeros = device_kernel(&e->dev, "count_zeros"));
  for (int k = 0; k < COURSES && good; k++) good = course_create(&e->courses[k], e, s->steps + 1);
  return good;
}

static void clean_up(experiment *e) {
  for (int k = 0; k < COURSES; k++) course_destroy(&e->courses[k]);
  clloss_tensor **tensors[] = {&e->train.x, &e->train.t, &e->held.x, &e->held.t};
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) clloss_tensor_destroy(tensors[i]);
  if (e->count_zeros) clReleaseKernel(e->count_zeros);
  free(e->start);
  device_close(&e->dev);
  digits_free(&e->d);
}

static int run(const settings *s) {
  static const criterion_kind kinds[COURSES] = {[USUAL] = USUAL_FORMULA, [CLLOSS] = CROSS_ENTROPY};
  experiment e = {0};
  bool good = (!s->plot || gnuplot_possible("certainty")) && prepare(&e, s) && find_start(&e, s->seed);
  for (int k = 0; k < COURSES && good; k++) good = train(&e, kinds[k], s->seed, &e.courses[k]);
  if (good) report_certainty(e.courses);
  good = good && (!s->plot || plot_certainty(s->plot, e.courses));
  clean_up(&e);
  return good ? 0 : 1;
}

static void help(void) {
  printf(
      "certainty [options]: trains on until the model is certain, by the usual formula of cross-entropy in "
      "f32\n"
      "and by clLoss, and compares\n"
      "  --plot FILE  draw it as SVG (needs gnuplot)\n"
      "  --steps N    of each run, over all training digits (default 400)\n"
      "  --seed N     of the split and the first weights (default 1)\n"
      "  --device N   OpenCL device, as numbered by `clloss devices` (default 0)\n"
      "  --data FILE  lines of 64 pixels and a class, gzip or plain (default: the digits that come along)\n");
}

static bool number(const char *option, const char *text, unsigned long min, unsigned long max,
                   unsigned long *out) {
  return option_number("certainty", option, text, min, max, out);
}

int main(int argc, char **argv) {
  settings s = {.steps = 400, .seed = 1, .data = DIGITS_CSV_GZ};
  static const struct option options[] = {{"plot", required_argument, NULL, 'p'},
                                          {"steps", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"data", required_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    bool good = true;
    switch (option) {
    case 'p': s.plot = optarg; break;
    case 'n': good = number("steps", optarg, 1, 10000, &s.steps); break;
    case 's': good = number("seed", optarg, 0, 0xffffffff, &s.seed); break;
    case 'd': good = number("device", optarg, 0, 1000, &s.device); break;
    case 'f': s.data = optarg; break;
    case 'h': help(); return 0;
    default: good = false; /* getopt has said why */
    }
    if (!good) return 2;
  }
  if (optind < argc) {
    fprintf(stderr, "certainty: %s: no such option\n", argv[optind]);
    return 2;
  }
  return run(&s);
}
