/* Options are rows of one table. A row without help names an option of a later version: it is refused by name, so
 * that a typing error and a missing feature read differently. */
#include "eval_options.h"

#include "cli.h"

#include <clloss/clloss_types.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  LOSS,
  REDUCTION,
  IGNORE_INDEX,
  LABEL_SMOOTHING,
  SMOOTHING_FORMULA,
  WEIGHT,
  ROW_WEIGHT,
  Z_LOSS,
  SOFTCAP,
  LOGIT_SCALE,
  DTYPE,
  GRAD,
  ROW_LOSS,
  UPSTREAM,
  DEVICE,
  REFERENCE,
  JSON,
  PLOT,
  HELP,
  BUILT,
  LATER = BUILT
};

static const struct option {
  const char *name, *value; /* what help calls the value; NULL for a flag */
  int id;
  const char *help;
} options[] = {
    {"--loss", "NAME", LOSS, "softmax: cross-entropy of the softmax of the logits"},
    {"--reduction", "NAME", REDUCTION, "mean (default), sum, or none: the losses of the rows are the result"},
    {"--ignore-index", "I", IGNORE_INDEX,
     "rows with this target cost nothing; no target is ignored without it"},
    {"--label-smoothing", "E", LABEL_SMOOTHING, "a share E of the target goes to all classes alike"},
    {"--smoothing-formula", "NAME", SMOOTHING_FORMULA, "pytorch (default), or megatron: E C / (C - 1) for E"},
    {"--weight", "W.npy", WEIGHT, "weights of the classes"},
    {"--row-weight", "W.npy", ROW_WEIGHT, "weights of the rows"},
    {"--z-loss", "C", Z_LOSS, "adds C times the square of each row's log of the sum of exponentials"},
    {"--softcap", "C", SOFTCAP, "C tanh(x / C) in place of the logit x, after the scale"},
    {"--logit-scale", "S", LOGIT_SCALE, "S x in place of the logit x"},
    {"--dtype", "NAME", DTYPE, "store INPUT as f32, f16, bf16 or f64 on the device; default: the file's own"},
    {"--grad", "OUT.npy", GRAD, "write the gradient of the loss with respect to INPUT"},
    {"--row-loss", "OUT.npy", ROW_LOSS, "write the unreduced losses, one per row, whatever the reduction"},
    {"--upstream", "G.npy", UPSTREAM, "with reduction none: the upstream gradient, one value per row"},
    {"--device", "N", DEVICE, "the device, as `clloss devices` numbers them (default 0)"},
    {"--reference", NULL, REFERENCE, "the scalar C reference in f64 instead of a device; needs no OpenCL"},
    {"--json", NULL, JSON, "print one JSON object"},
    {"--plot", "FILE.svg", PLOT, "draw calibration and surprisal, with gnuplot"},
    {"--help", NULL, HELP, "this page"},
    {"--pos-weight", "W.npy", LATER, NULL},
    {"--log-target", NULL, LATER, NULL},
    {"--delta", "D", LATER, NULL},
    {"--gamma", "G", LATER, NULL},
    {"--alpha", "A", LATER, NULL},
    {"--clip", "EPS", LATER, NULL},
};

enum { N_OPTIONS = sizeof options / sizeof *options };

static const char *const later_losses[] = {"nll", "bce-logits", "bce",   "kl",
                                           "mse", "smooth-l1",  "huber", "focal"};

/* In the order of their values. */
static const char *const reductions[] = {"mean", "sum", "none"};

const char *eval_reduction_name(uint32_t reduction) { return reductions[reduction]; }

const char *eval_output_name(size_t output) {
  static const int ids[OUTPUTS] = {GRAD, ROW_LOSS, PLOT};
  size_t i = 0;
  while (options[i].id != ids[output]) i++;
  return options[i].name;
}

void eval_options_help(FILE *to) {
  fputs(
      "usage: clloss eval --loss softmax [OPTIONS] INPUT.npy TARGET.npy\n"
      "\n"
      "Computes the loss of INPUT, real logits of shape (rows, classes) or (N, classes, d1, ...), for "
      "TARGET:\n"
      "class indices, integers of INPUT's shape without the class axis, or probabilities, reals of INPUT's\n"
      "shape. Weights of rows, upstream gradients and losses of rows have the shape of class indices too.\n"
      "Options and files come in any order; a value may begin with -, and --name=value is the same as\n"
      "--name value. Files may be larger than memory; what isn't stored in the type that it is computed from "
      "is\n"
      "converted through a file without a name in TMPDIR, or in /var/tmp.\n"
      "\n",
      to);
  for (size_t i = 0; i < N_OPTIONS; i++) {
    char name[64];
    if (!options[i].help) continue;
    snprintf(name, sizeof name, "%s %s", options[i].name, options[i].value ? options[i].value : "");
    fprintf(to, "  %-24s  %s\n", name, options[i].help);
  }
  fputs(
      "\n"
      "Losses are in nats. All but the loss is about the rows that aren't ignored and whose target is a "
      "class,\n"
      "without weights, smoothing and z-loss. accuracy and top5 count rows with no logit, or fewer than "
      "five,\n"
      "greater than the target's; frequency_baseline is the loss of guessing how frequent the targets are;\n"
      "calibration_error is the mean distance between confidence, the probability of the prediction, and\n"
      "accuracy, over 15 equally wide bins; surprising lists the ten rows with the greatest losses, with "
      "the\n"
      "predicted class and its probability; reading is a sentence about the combination. Where the target "
      "is\n"
      "a distribution a prediction is right to the share that it gets. A target that is no class makes the "
      "loss NaN, which is a result like any\n"
      "other. Gradient and losses of rows are f4, or f8 where INPUT is stored as f64. Output files appear\n"
      "only if everything succeeded. Exit status: 0, 1 for a failure, 2 for bad usage.\n",
      to);
}

static const struct option *find(const char *argument, size_t length) {
  for (size_t i = 0; i < N_OPTIONS; i++)
    if (strlen(options[i].name) == length && !strncmp(options[i].name, argument, length)) return &options[i];
  return NULL;
}

/* What was given, as text; a flag has the empty string. */
typedef struct words {
  const char *values[BUILT];
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
  if (!o->help) return fail(EXIT_USAGE, "%s: not in this version", o->name);
  if (w->values[o->id]) return fail(EXIT_USAGE, "%s: given twice", o->name);
  if (!o->value && equals) return fail(EXIT_USAGE, "%s: takes no value", o->name);
  if (o->value) {
    value = equals ? equals + 1 : ++*i < argc ? argv[*i] : "";
    if (!*value) return fail(EXIT_USAGE, "%s: needs a value, %s", o->name, o->value);
  }
  w->values[o->id] = value;
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

static int check_loss(const char *name) {
  if (!name) return fail(EXIT_USAGE, "--loss: missing; this version has --loss softmax");
  if (!strcmp(name, "softmax")) return EXIT_OK;
  for (size_t i = 0; i < sizeof later_losses / sizeof *later_losses; i++)
    if (!strcmp(name, later_losses[i]))
      return fail(EXIT_USAGE, "--loss %s: not in this version, softmax is", name);
  return fail(EXIT_USAGE, "--loss %s: no such loss; this version has softmax", name);
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
  uint32_t formula, type;
  if (read_word("--reduction", w->values[REDUCTION], reductions, 3, "softmax has mean, sum and none",
                &r->reduction) ||
      read_word("--smoothing-formula", w->values[SMOOTHING_FORMULA], formulas, 2,
                "neither pytorch nor megatron", &formula) ||
      read_word("--dtype", w->values[DTYPE], types, 4, "none of f32, f16, bf16 and f64", &type))
    return EXIT_USAGE;
  if (formula) r->flags |= CLLOSS_SMOOTHING_MEGATRON;
  if (w->values[DTYPE]) r->dtype = dtypes[type];
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

/* A finite number from low to high; 0 where it isn't given. */
static int read_real(const words *w, int id, const char *option, double low, double high, double *value) {
  const char *text = w->values[id];
  char *end;
  *value = 0;
  if (!text) return EXIT_OK;
  *value = strtod(text, &end);
  if (end != text && !*end && isfinite(*value) && *value >= low && *value <= high) return EXIT_OK;
  const char *range = high == 1 ? " from 0 to 1" : low == 0 ? " from 0" : "";
  return fail(EXIT_USAGE, "%s %s: not a finite number%s", option, text, range);
}

static int read_numbers(eval_request *r, const words *w) {
  long long value;
  if (w->values[IGNORE_INDEX]) {
    if (read_integer("--ignore-index", w->values[IGNORE_INDEX], INT64_MIN, &value)) return EXIT_USAGE;
    r->ignore_index = value;
    r->flags |= CLLOSS_IGNORE_INDEX;
  }
  if (w->values[DEVICE]) {
    if (read_integer("--device", w->values[DEVICE], 0, &value)) return EXIT_USAGE;
    r->device = (uint64_t)value;
  }
  if (read_real(w, LABEL_SMOOTHING, "--label-smoothing", 0, 1, &r->label_smoothing) ||
      read_real(w, Z_LOSS, "--z-loss", 0, HUGE_VAL, &r->z_loss) ||
      read_real(w, SOFTCAP, "--softcap", 0, HUGE_VAL, &r->softcap) ||
      read_real(w, LOGIT_SCALE, "--logit-scale", -HUGE_VAL, HUGE_VAL, &r->logit_scale))
    return EXIT_USAGE;
  /* To the library 0 is "not given". */
  if (w->values[LOGIT_SCALE] && r->logit_scale == 0)
    return fail(EXIT_USAGE, "--logit-scale %s: makes all logits the same", w->values[LOGIT_SCALE]);
  return EXIT_OK;
}

int eval_options_parse(eval_request *r, int argc, char **argv) {
  words w = {.n_files = 0};
  *r = (eval_request){.flags = 0};
  if (take_all(&w, argc, argv)) return EXIT_USAGE;
  r->help = w.values[HELP] != NULL;
  if (r->help) return EXIT_OK;
  if (check_loss(w.values[LOSS]) || read_words(r, &w) || read_numbers(r, &w)) return EXIT_USAGE;
  r->reference = w.values[REFERENCE] != NULL;
  r->json = w.values[JSON] != NULL;
  r->inputs[IN_INPUT] = w.files[0], r->inputs[IN_TARGET] = w.files[1];
  r->inputs[IN_UPSTREAM] = w.values[UPSTREAM];
  r->inputs[IN_WEIGHT] = w.values[WEIGHT], r->inputs[IN_ROW_WEIGHT] = w.values[ROW_WEIGHT];
  r->outputs[OUT_GRAD] = w.values[GRAD], r->outputs[OUT_ROW_LOSS] = w.values[ROW_LOSS];
  r->outputs[OUT_PLOT] = w.values[PLOT];
  if (w.n_files < 2) return fail(EXIT_USAGE, "%s: missing", w.n_files ? "TARGET.npy" : "INPUT.npy");
  if (w.values[UPSTREAM] && r->reduction != CLLOSS_NONE)
    return fail(EXIT_USAGE, "--upstream: needs --reduction none");
  if (r->reference && w.values[DEVICE]) return fail(EXIT_USAGE, "--device: not together with --reference");
  return EXIT_OK;
}
