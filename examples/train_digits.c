/* Trains a two-layer classifier on 1,797 real handwritten digits, on an OpenCL device: a lesson in using clLoss in
 * training code.
 *
 * Pixels and classes are uploaded once. A minibatch is a window on them: the same views with another offset. Each step
 * writes its loss to its own element of a tensor, so that the host can enqueue a whole epoch without waiting and reads
 * the losses back together. A fifth of the digits is never trained on and tells how well the net generalizes.
 *
 * The same seed on the same device gives the same numbers. Exit status: 0 if at least 95 % of the held-out digits are
 * classified right after the last epoch, 1 if not or on failure, 2 for bad usage. */
#include "digits.h"
#include "net.h"
#include "npy.h"
#include "options.h"
#include "rng.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 32 };
static const float rate = 0.05f, momentum = 0.9f;
static const double wanted = 0.95;

typedef struct settings {
  unsigned long epochs, hidden, seed, device;
  const char *data;
  const char *save; /* prefix of the files for `clloss eval`; NULL: none */
} settings;

typedef struct trainer {
  net model;
  size_t train_rows, held_rows, batches;
  clloss_tensor *train_x, *train_t, *held_x, *held_t; /* uploaded once */
  clloss_tensor *losses;                              /* [batches] of one epoch */
  clloss_tensor *held_loss, *counts;                  /* [1], [CLLOSS_COUNTS] */
} trainer;

/* What an epoch came to. */
typedef struct score {
  double train_loss, held_loss, accuracy;
} score;

static double seconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool trainer_create(trainer *t, device *dev, const digits *d, const settings *s) {
  *t = (trainer){.train_rows = d->train_rows, .held_rows = d->held_rows};
  t->batches = (d->train_rows + BATCH - 1) / BATCH;
  const size_t most_rows = d->held_rows > BATCH ? d->held_rows : BATCH;
  return net_create(&t->model, dev, DIGITS_PIXELS, s->hidden, DIGITS_CLASSES, most_rows, CROSS_ENTROPY,
                    s->seed) &&
         device_tensor(dev, &t->train_x, CLLOSS_F32, d->train_rows, DIGITS_PIXELS) &&
         device_tensor(dev, &t->train_t, CLLOSS_I32, d->train_rows, 1) &&
         device_tensor(dev, &t->held_x, CLLOSS_F32, d->held_rows, DIGITS_PIXELS) &&
         device_tensor(dev, &t->held_t, CLLOSS_I32, d->held_rows, 1) &&
         device_tensor(dev, &t->losses, CLLOSS_F32, t->batches, 1) &&
         device_tensor(dev, &t->held_loss, CLLOSS_F32, 1, 1) &&
         device_tensor(dev, &t->counts, CLLOSS_I64, CLLOSS_COUNTS, 1) &&
         device_upload(dev, t->train_x, d->pixels) && device_upload(dev, t->train_t, d->classes) &&
         device_upload(dev, t->held_x, d->pixels + d->train_rows * DIGITS_PIXELS) &&
         device_upload(dev, t->held_t, d->classes + d->train_rows);
}

static void trainer_destroy(trainer *t) {
  clloss_tensor **tensors[] = {&t->train_x, &t->train_t,   &t->held_x, &t->held_t,
                               &t->losses,  &t->held_loss, &t->counts};
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) clloss_tensor_destroy(tensors[i]);
  net_destroy(&t->model);
}

/* Rows in batch b: the last one may be shorter. */
static size_t batch_rows(const trainer *t, size_t b) {
  const size_t left = t->train_rows - b * BATCH;
  return left < BATCH ? left : BATCH;
}

static bool train_batch(trainer *t, size_t b) {
  const clloss_view x = view_at(clloss_tensor_view(t->train_x), b * BATCH * DIGITS_PIXELS);
  const clloss_view targets = view_at(clloss_tensor_view(t->train_t), b * BATCH);
  const clloss_view loss = view_at(clloss_tensor_view(t->losses), b);
  return net_gradient(&t->model, x, targets, batch_rows(t, b), loss) &&
         net_descend(&t->model, rate, momentum);
}

/* Takes the batches once each, in an order of their own, and scores the epoch. `order` and `losses` have room for
 * one value per batch. */
static bool epoch(trainer *t, size_t *order, float *losses, uint64_t *seed, score *out) {
  for (size_t b = 0; b < t->batches; b++) { /* a random order, grown from the inside out */
    const size_t other = rng_below(seed, b + 1);
    order[b] = order[other];
    order[other] = b;
  }
  for (size_t i = 0; i < t->batches; i++) {
    if (!train_batch(t, order[i])) return false;
  }
  float held_loss;
  int64_t counts[CLLOSS_COUNTS];
  const device *dev = t->model.dev;
  if (!net_evaluate(&t->model, clloss_tensor_view(t->held_x), clloss_tensor_view(t->held_t), t->held_rows,
                    clloss_tensor_view(t->held_loss), clloss_tensor_view(t->counts)) ||
      !device_download(dev, t->losses, losses) || !device_download(dev, t->held_loss, &held_loss) ||
      !device_download(dev, t->counts, counts)) {
    return false;
  }
  double sum = 0; /* each loss is the mean of its batch */
  for (size_t b = 0; b < t->batches; b++) sum += losses[b] * (double)batch_rows(t, b);
  *out = (score){sum / (double)t->train_rows, held_loss,
                 (double)counts[CLLOSS_COUNT_TOP1] / (double)t->held_rows};
  return true;
}

/* Prints a line per epoch; true if all went well, with the last epoch's score. */
static bool train(trainer *t, const settings *s, score *last) {
  size_t *order = calloc(t->batches, sizeof *order);
  float *losses = calloc(t->batches, sizeof *losses);
  bool good = order && losses;
  if (!good) cl_ok(CL_OUT_OF_HOST_MEMORY, "an epoch's losses");
  uint64_t seed = ~(uint64_t)s->seed;
  const double start = seconds();
  printf("epoch  train loss  held-out loss  held-out accuracy  seconds\n");
  for (unsigned long e = 1; e <= s->epochs && good; e++) {
    good = epoch(t, order, losses, &seed, last);
    if (!good) break;
    printf("%5lu  %10.4f  %13.4f  %15.2f %%  %7.2f\n", e, last->train_loss, last->held_loss,
           100 * last->accuracy, seconds() - start);
    fflush(stdout);
  }
  free(losses);
  free(order);
  return good;
}

/* The held-out digits' logits and classes, as files that `clloss eval` reads. */
static bool save(trainer *t, const digits *d, const char *prefix) {
  char path[512];
  const size_t rows = t->held_rows, most = rows > BATCH ? rows : BATCH;
  float *logits = malloc(most * DIGITS_CLASSES * sizeof *logits);
  const clloss_view none = {.mem = NULL};
  bool good = logits != NULL;
  if (!good) cl_ok(CL_OUT_OF_HOST_MEMORY, "the logits");
  good = good &&
         net_evaluate(&t->model, clloss_tensor_view(t->held_x), clloss_tensor_view(t->held_t), rows, none,
                      clloss_tensor_view(t->counts)) &&
         device_download(t->model.dev, t->model.logits, logits);
  snprintf(path, sizeof path, "%slogits.npy", prefix);
  good = good && npy_write(path, "<f4", rows, DIGITS_CLASSES, logits);
  snprintf(path, sizeof path, "%stargets.npy", prefix);
  good = good && npy_write(path, "<i4", rows, 0, d->classes + d->train_rows);
  free(logits);
  return good;
}

static int run(const settings *s) {
  digits d = {0};
  device dev = {0};
  trainer t = {0};
  score last = {0};
  bool good = digits_load(&d, s->data, s->seed) && device_open(&dev, (unsigned)s->device, NET_CL);
  if (good) {
    printf("%s: %zu digits to train on, %zu held out; %d-%lu-%d, seed %lu\n", dev.name, d.train_rows,
           d.held_rows, DIGITS_PIXELS, s->hidden, DIGITS_CLASSES, s->seed);
    printf("The first step compiles kernels; CLBlast's can take ten seconds.\n");
    fflush(stdout);
    good = trainer_create(&t, &dev, &d, s) && train(&t, s, &last);
  }
  bool learnt = good && last.accuracy >= wanted;
  if (good) {
    printf("%s: %.2f %% of the held-out digits are right, %.0f %% are asked for\n",
           learnt ? "learnt" : "not learnt", 100 * last.accuracy, 100 * wanted);
  }
  if (good && s->save && !save(&t, &d, s->save)) learnt = false;
  trainer_destroy(&t);
  device_close(&dev);
  digits_free(&d);
  return learnt ? 0 : 1;
}

static void help(void) {
  printf(
      "train_digits [options]: trains a classifier of handwritten digits with clLoss and CLBlast\n"
      "  --epochs N   passes over the training digits (default 30)\n"
      "  --hidden N   units of the hidden layer (default 128)\n"
      "  --seed N     of the split, the first weights and the order of the batches (default 1)\n"
      "  --device N   OpenCL device, as numbered by `clloss devices` (default 0)\n"
      "  --data FILE  lines of 64 pixels and a class, gzip or plain (default: the digits that come along)\n"
      "  --save PRE   write PRElogits.npy and PREtargets.npy of the held-out digits, for `clloss eval`\n");
}

int main(int argc, char **argv) {
  settings s = {.epochs = 30, .hidden = 128, .seed = 1, .data = DIGITS_CSV_GZ};
  static const struct option options[] = {
      {"epochs", required_argument, NULL, 'e'}, {"hidden", required_argument, NULL, 'n'},
      {"seed", required_argument, NULL, 's'},   {"device", required_argument, NULL, 'd'},
      {"data", required_argument, NULL, 'f'},   {"save", required_argument, NULL, 'o'},
      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    bool good = true;
    switch (option) {
    case 'e': good = option_number("train_digits", "epochs", optarg, 1, 100000, &s.epochs); break;
    case 'n': good = option_number("train_digits", "hidden", optarg, 1, 8192, &s.hidden); break;
    case 's': good = option_number("train_digits", "seed", optarg, 0, 0xffffffff, &s.seed); break;
    case 'd': good = option_number("train_digits", "device", optarg, 0, 1000, &s.device); break;
    case 'f': s.data = optarg; break;
    case 'o': s.save = optarg; break;
    case 'h': help(); return 0;
    default: good = false; /* getopt has said why */
    }
    if (!good) return 2;
  }
  if (optind < argc) {
    fprintf(stderr, "train_digits: %s: no such option\n", argv[optind]);
    return 2;
  }
  return run(&s);
}
