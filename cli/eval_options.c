/* Options are rows of one table, losses of another. An option says which losses take it, so that one that would do nothing
 * is refused by name. */
#include "eval_options.h"

#include "cli.h"

#include <clloss/clloss_types.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What a loss takes, beside the traits of elementwise kinds. */
enum {
  SOFTMAX = LOSS_SOFTMAX,
  ROWS = LOSS_SOFTMAX | LOSS_NLL,
  ALL = LOSS_SOFTMAX | LOSS_NLL | LOSS_ELEMENTS
};

static const struct loss {
  const char *name;
  uint32_t kind, takes;
} losses[] = {{"softmax", 0, SOFTMAX},
              {"nll", 0, LOSS_NLL},
#define LOSS_OF_KIND(name, value, word, kernel, traits) {word, value, LOSS_ELEMENTS | (traits)},
              CLLOSS_POINTWISE_LIST(LOSS_OF_KIND)
#undef LOSS_OF_KIND
};

enum { N_LOSSES = sizeof losses / sizeof *losses };

enum {
  LOSS,
  REDUCTION,
  IGNORE_INDEX,
  LABEL_SMOOTHING,
  SMOOTHING_FORMULA,
  TARGETS,
  WEIGHT,
  ROW_WEIGHT,
  POS_WEIGHT,
  Z_LOSS,
  SOFTCAP,
  LOGIT_SCALE,
  DELTA,
  LOG_TARGET,
  GAMMA,
  ALPHA,
  CLIP,
  DTYPE,
  GRAD,
  ROW_LOSS,
  UPSTREAM,
  DEVICE,
  REFERENCE,
  JSON,
  PLOT,
  HELP,
  OPTIONS
};

static const struct option {
  const char *name, *value; /* what help calls the value; NULL for a flag */
  uint32_t takers;          /* losses that take one of these */
  const char *help;
} options[OPTIONS] = {
    [LOSS] = {"--loss", "NAME", ALL, "the loss, see below"},
    [REDUCTION] = {"--reduction", "NAME", ALL,
                   "mean (default), sum, none (the unreduced losses), batchmean (elementwise: sum / N)"},
    [IGNORE_INDEX] = {"--ignore-index", "I", ROWS,
                      "rows with this target cost nothing; no target is ignored without it"},
    [LABEL_SMOOTHING] = {"--label-smoothing", "E", SOFTMAX, "a share E goes to all classes alike"},
    [SMOOTHING_FORMULA] = {"--smoothing-formula", "NAME", SOFTMAX,
                           "pytorch (default), or megatron: E C / (C - 1) for E"},
    [TARGETS] = {"--targets", "NAME", ROWS,
                 "indices or probabilities; default: indices where TARGET holds integers"},
    [WEIGHT] = {"--weight", "W.npy", ALL,
                "weights of the classes; elementwise: of INPUT's shape, or broadcast to it"},
    [ROW_WEIGHT] = {"--row-weight", "W.npy", ROWS, "weights of the rows"},
    [POS_WEIGHT] = {"--pos-weight", "W.npy", CLLOSS_TAKES_POS_WEIGHT,
                    "weights of the target's share, one per item of the last axis"},
    [Z_LOSS] = {"--z-loss", "C", SOFTMAX,
                "adds C times the square of each row's log of the sum of exponentials"},
    [SOFTCAP] = {"--softcap", "C", SOFTMAX, "C tanh(x / C) in place of the logit x, after the scale"},
    [LOGIT_SCALE] = {"--logit-scale", "S", SOFTMAX, "S x in place of the logit x"},
    [DELTA] = {"--delta", "D", CLLOSS_TAKES_DELTA | CLLOSS_TAKES_BETA,
               "where the square becomes a line (default 1)"},
    [LOG_TARGET] = {"--log-target", NULL, CLLOSS_TAKES_LOG_TARGET, "TARGET holds log-probabilities"},
    [GAMMA] = {"--gamma", "G", CLLOSS_TAKES_GAMMA, "how much less what is right counts (default 2)"},
    [ALPHA] = {"--alpha", "A", CLLOSS_TAKES_ALPHA,
               "weight of ones, 1 - A of zeros (default 0.25); negative: none"},
    [CLIP] = {"--clip", "EPS", CLLOSS_TAKES_CLIP,
              "clip INPUT to [EPS, 1 - EPS]; without it logarithms stop at -100"},
    [DTYPE] = {"--dtype", "NAME", ALL,
               "store INPUT as f32, f16, bf16 or f64 on the device; default: the file's own"},
    [GRAD] = {"--grad", "OUT.npy", ALL, "write the gradient of the loss with respect to INPUT"},
    [ROW_LOSS] = {"--row-loss", "OUT.npy", ALL,
                  "write the unreduced losses, one per row or element, whatever the reduction"},
    [UPSTREAM] = {"--upstream", "G.npy", ALL,
                  "with reduction none: the upstream gradient, one value per row or element"},
    [DEVICE] = {"--device", "N", ALL, "the device, as `clloss devices` numbers them (default 0)"},
    [REFERENCE] = {"--reference", NULL, ALL,
                   "the scalar C reference in f64 instead of a device; needs no OpenCL"},
    [JSON] = {"--json", NULL, ALL, "print one JSON object"},
    [PLOT] = {"--plot", "FILE.svg", SOFTMAX | LOSS_BINARY, "draw calibration and surprisal, with gnuplot"},
    [HELP] = {"--help", NULL, ALL, "this page"},
};

/* In the order of their values. */
static const char *const reductions[] = {"mean", "sum", "none", "batchmean"};

const char *eval_reduction_name(uint32_t reduction) { return reductions[reduction]; }

const char *eval_output_name(size_t output) {
  static const int ids[OUTPUTS] = {GRAD, ROW_LOSS, PLOT};
  return options[ids[output]].name;
}

static const char introduction[] =
    "usage: clloss eval --loss NAME [OPTIONS] INPUT.npy TARGET.npy\n"
    "\n"
    "softmax: cross-entropy of the softmax of logits, INPUT of shape (rows, classes) or (N, classes, d1, "
    "...),\n"
    "for TARGET: class indices of INPUT's shape without the class axis, or probabilities, reals of\n"
    "INPUT's shape. Weights of rows, upstream gradients and losses of rows have the shape of indices too.\n"
    "nll: the same of log-probabilities, for indices.\n"
    "Elementwise, INPUT and TARGET reals of one shape with at least one axis, N the first: bce-logits and "
    "bce\n"
    "(binary cross-entropy of logits, of probabilities), kl (of log-probabilities), mse, smooth-l1, huber,\n"
    "focal (of logits), with the formulas and defaults of PyTorch.\n"
    "Options and files come in any order; a value may begin with -, and --name=value is the same as\n"
    "--name value. Files may be larger than memory; what isn't stored in the type that it is computed from "
    "is\n"
    "converted through a file without a name in TMPDIR, or in /var/tmp.\n"
    "\n";

static const char conclusion[] =
    "\n"
    "Losses are in nats. Of softmax, bce-logits and bce there is a report, all but whose loss is about the "
    "rows\n"
    "(or elements) that aren't ignored and whose target is a class, without weights, smoothing and z-loss.\n"
    "accuracy and top5 count rows with no logit, or fewer than five, greater than the target's;\n"
    "frequency_baseline is the loss of guessing how frequent the targets are, base_rate of bce their mean;\n"
    "calibration_error is the mean distance between confidence, the probability of the prediction, and\n"
    "accuracy, over 15 equally wide bins; surprising lists the ten rows with the greatest losses, with the\n"
    "predicted class and its probability; reading is a sentence about the combination. Where the target is\n"
    "a distribution a prediction is right to the share that it gets. A target that is no class, or a\n"
    "probability outside [0, 1], makes the loss NaN, which is a result like any other, and counts in\n"
    "bad_targets. Gradient and losses of rows are f4, or f8 where INPUT is stored as f64. Output files "
    "appear\n"
    "only if everything succeeded. Exit status: 0, 1 for a failure, 2 for bad usage.\n"
    "\n"
    "What a device's compiler made of the kernels is kept for the next time in CLLOSS_CACHE_DIR, which may "
    "be\n"
    "empty for nowhere, else in ~/.cache/clloss or clloss below XDG_CACHE_HOME.\n";

void eval_options_help(FILE *to) {
  fputs(introduction, to);
  for (size_t i = 0; i < OPTIONS; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s %s", options[i].name, options[i].value ? options[i].value : "");
    fprintf(to, "  %-24s  %s\n", name, options[i].help);
  }
  fputs(conclusion, to);
}

static const struct option *find(const char *argument, size_t length) {
  for (size_t i = 0; i < OPTIONS; i++)
    if (strlen(options[i].name) == length && !strncmp(options[i].name, argument, length)) return &options[i];
  return NULL;
}

/* What was given, as text; a flag has the empty string. */
typedef struct words {
  const char *values[OPTIONS];
  const char *files[2];
  int n_files;
} words;

static int take_file(words *w, const char *path) {
  if (w->n_files == 2) return fail(EXIT_USAGE, "%s: a third file; there are INPUT and TARGET", path);
  w->files[w->n_files++] = path;
  return EXIT_OK;
}

/* Steps *i over a value of its own. */
static int take_option(words *w, int argc, char **argv, int *i) {
  const char *name = argv[*i], *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  const struct option *o = find(name, length);
  const char *value = "";
  if (!o) return fail(EXIT_USAGE, "%.*s: no such option; clloss eval --help lists them", (int)length, name);
  if (w->values[o - options]) return fail(EXIT_USAGE, "%s: given twice", o->name);
  if (!o->value && equals) return fail(EXIT_USAGE, "%s: takes no value", o->name);
  if (o->value) {
    value = equals ? equals + 1 : ++*i < argc ? argv[*i] : "";
    if (!*value) return fail(EXIT_USAGE, "%s: needs a value, %s", o->name, o->value);
  }
  w->values[o - options] = value;
  return EXIT_OK;
}

static int take_all(words *w, int argc, char **argv) {
  int only_files = 0, status = EXIT_OK;
  for (int i = 1; i < argc && !status; i++) {
    if (only_files || argv[i][0] != '-')
      status = take_file(w, argv[i]);
    else if (!strcmp(argv[i], "--"))
      only_files = 1;
    else
      status = take_option(w, argc, argv, &i);
  }
  return status;
}

static int read_loss(eval_request *r, const words *w) {
  const char *name = w->values[LOSS];
  size_t i = 0;
  if (!name) return fail(EXIT_USAGE, "--loss: missing; softmax, say");
  while (i < N_LOSSES && strcmp(name, losses[i].name)) i++;
  if (i == N_LOSSES) return fail(EXIT_USAGE, "--loss %s: no such loss; clloss eval --help lists them", name);
  r->kind = losses[i].kind;
  r->takes = losses[i].takes;
  for (size_t o = 0; o < OPTIONS; o++)
    if (w->values[o] && !(options[o].takers & r->takes))
      return fail(EXIT_USAGE, "%s: --loss %s doesn't take it", options[o].name, name);
  return EXIT_OK;
}

/* The place of a word in its list; the first where there is none. */
static int read_word(const char *option, const char *word, const char *const *list, uint32_t n,
                     const char *known, uint32_t *place) {
  *place = 0;
  for (uint32_t i = 0; i < n && word; i++) {
    *place = i;
    if (!strcmp(word, list[i])) return EXIT_OK;
  }
  return word ? fail(EXIT_USAGE, "%s %s: %s", option, word, known) : EXIT_OK;
}

static int read_words(eval_request *r, const words *w) {
  const char *const formulas[] = {"pytorch", "megatron"}, *const types[] = {"f32", "f16", "bf16", "f64"};
  const uint32_t dtypes[] = {CLLOSS_F32, CLLOSS_F16, CLLOSS_BF16, CLLOSS_F64};
  const char *const holds[] = {"indices", "probabilities"};
  uint32_t formula, type, held;
  const uint32_t n_reductions = r->takes & LOSS_ELEMENTS ? 4 : 3;
  if (read_word("--reduction", w->values[REDUCTION], reductions, n_reductions,
                "this loss has mean, sum, none, and if it is elementwise batchmean", &r->reduction) ||
      read_word("--smoothing-formula", w->values[SMOOTHING_FORMULA], formulas, 2,
                "neither pytorch nor megatron", &formula) ||
      read_word("--targets", w->values[TARGETS], holds, 2, "neither indices nor probabilities", &held) ||
      read_word("--dtype", w->values[DTYPE], types, 4, "none of f32, f16, bf16 and f64", &type))
    return EXIT_USAGE;
  if (w->values[LOG_TARGET]) r->flags |= CLLOSS_LOG_TARGET;
  if (r->takes & LOSS_NLL) r->flags |= CLLOSS_LOG_PROBABILITIES;
  if (formula) r->flags |= CLLOSS_SMOOTHING_MEGATRON;
  if (w->values[DTYPE]) r->dtype = dtypes[type];
  if (w->values[TARGETS]) r->targets = held ? CLLOSS_TARGET_PROBABILITIES : CLLOSS_TARGET_INDICES;
  return EXIT_OK;
}

/* A whole decimal number from low to high, and nothing around it. */
static int read_integer(const char *option, const char *text, long long low, long long *value) {
  char *end;
  const char *digits = text + (*text == '-');
  errno = 0;
  *value = strtoll(text, &end, 10);
  if (*digits >= '0' && *digits <= '9' && !*end && !errno && *value >= low) return EXIT_OK;
  return fail(EXIT_USAGE, "%s %s: not a whole number%s", option, text, low ? " of 64 bits" : " from 0");
}

/* Finite numbers; to the library 0 is "not given" unless a flag says that it is meant. */
static const struct number {
  int id;
  size_t offset; /* in the request */
  double low, high;
  bool open; /* high is no longer in it */
  uint32_t flag;
  const char *range;
} numbers[] = {
    {LABEL_SMOOTHING, offsetof(eval_request, label_smoothing), 0, 1, false, 0, " from 0 to 1"},
    {Z_LOSS, offsetof(eval_request, z_loss), 0, HUGE_VAL, false, 0, " from 0"},
    {SOFTCAP, offsetof(eval_request, softcap), 0, HUGE_VAL, false, 0, " from 0"},
    {LOGIT_SCALE, offsetof(eval_request, logit_scale), -HUGE_VAL, HUGE_VAL, false, 0, ""},
    {DELTA, offsetof(eval_request, delta), 0, HUGE_VAL, false, CLLOSS_SET_DELTA, " from 0"},
    {GAMMA, offsetof(eval_request, gamma), 0, HUGE_VAL, false, CLLOSS_SET_GAMMA, " from 0"},
    {ALPHA, offsetof(eval_request, alpha), -HUGE_VAL, 1, false, CLLOSS_SET_ALPHA, " up to 1"},
    {CLIP, offsetof(eval_request, clip), 0, 0.5, true, 0, " from 0 to below 0.5"},
};

static int read_real(eval_request *r, const words *w, const struct number *n) {
  const char *text = w->values[n->id];
  double *value = (double *)(void *)((char *)r + n->offset);
  char *end;
  if (!text) return EXIT_OK;
  *value = strtod(text, &end);
  r->flags |= n->flag;
  const bool inside = *value >= n->low && *value <= n->high && !(n->open && *value == n->high);
  if (end != text && !*end && isfinite(*value) && inside) return EXIT_OK;
  return fail(EXIT_USAGE, "%s %s: not a finite number%s", options[n->id].name, text, n->range);
}

static int read_numbers(eval_request *r, const words *w) {
  long long value;
  if (w->values[IGNORE_INDEX]) {
    if (read_integer("--ignore-index", w->values[IGNORE_INDEX], INT64_MIN, &value)) return EXIT_USAGE;
    r->ignore_index = value;
    r->flags |= value ? CLLOSS_IGNORE_INDEX : CLLOSS_IGNORE_INDEX | CLLOSS_IGNORE_ZERO;
  }
  if (w->values[DEVICE]) {
    if (read_integer("--device", w->values[DEVICE], 0, &value)) return EXIT_USAGE;
    r->device = (uint64_t)value;
  }
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (read_real(r, w, &numbers[i])) return EXIT_USAGE;
  if (w->values[LOGIT_SCALE] && r->logit_scale == 0)
    return fail(EXIT_USAGE, "--logit-scale %s: makes all logits the same", w->values[LOGIT_SCALE]);
  if (w->values[DELTA] && r->delta == 0 && !(r->takes & CLLOSS_TAKES_BETA))
    return fail(EXIT_USAGE, "--delta %s: not a finite number above 0", w->values[DELTA]);
  return EXIT_OK;
}

int eval_options_parse(eval_request *r, int argc, char **argv) {
  words w = {.n_files = 0};
  *r = (eval_request){.flags = 0};
  if (take_all(&w, argc, argv)) return EXIT_USAGE;
  r->help = w.values[HELP] != NULL;
  if (r->help) return EXIT_OK;
  if (read_loss(r, &w) || read_words(r, &w) || read_numbers(r, &w)) return EXIT_USAGE;
  r->reference = w.values[REFERENCE] != NULL;
  r->json = w.values[JSON] != NULL;
  r->inputs[IN_INPUT] = w.files[0], r->inputs[IN_TARGET] = w.files[1];
  r->inputs[IN_UPSTREAM] = w.values[UPSTREAM];
  r->inputs[IN_WEIGHT] = w.values[WEIGHT], r->inputs[IN_ROW_WEIGHT] = w.values[ROW_WEIGHT];
  r->inputs[IN_POS_WEIGHT] = w.values[POS_WEIGHT];
  r->outputs[OUT_GRAD] = w.values[GRAD], r->outputs[OUT_ROW_LOSS] = w.values[ROW_LOSS];
  r->outputs[OUT_PLOT] = w.values[PLOT];
  for (int i = 0; i < 2; i++)
    if (i >= w.n_files || !*w.files[i]) /* empty: of a shell variable that isn't set, say */
      return fail(EXIT_USAGE, "%s: %s", i ? "TARGET.npy" : "INPUT.npy",
                  i >= w.n_files ? "missing" : "the name is empty");
  if (w.values[UPSTREAM] && r->reduction != CLLOSS_NONE)
    return fail(EXIT_USAGE, "--upstream: needs --reduction none");
  if (r->reference && w.values[DEVICE]) return fail(EXIT_USAGE, "--device: not together with --reference");
  return EXIT_OK;
}
