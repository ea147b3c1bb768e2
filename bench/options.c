/* Reading the options, and the help that explains what is measured. Values follow as `--reps 9` or `--reps=9`. */
#include "options.h"

#include "yardstick.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: %s [options]\n"
    "\n"
    "Times softmax cross-entropy (mean) and other losses on one OpenCL device, beside two things measured "
    "in\n"
    "the same run: the memory traffic that no implementation can avoid, and the scalar C reference.\n"
    "\n"
    "  fused in place    loss and gradient, the gradient over the logits   floor: scale, x[i] = f * x[i]\n"
    "  fused             the same into another buffer                      floor: copy,  y[i] = x[i]\n"
    "  forward           loss and row statistics                           floor: read,  sum of x[i]\n"
    "  backward          the gradient from the row statistics              floor: copy\n"
    "\n"
    "with f32 logits and i32 targets; and fused in place\n"
    "\n"
    "  options           with class weights, label smoothing and ignore_index together\n"
    "  probabilities     with probabilities for targets                    floor: scale + read\n"
    "  certain           where each row's target has nearly all of the softmax\n"
    "  bf16, f16         with logits and gradient stored in two bytes      floor: scale over as many bytes\n"
    "\n"
    "each beside the plain f32 case of the same repetitions; and of two tensors, the gradient in a third,\n"
    "\n"
    "  mse, bce-logits   mean squared error; binary cross-entropy          floor: triad, y[i] = x[i] + f * "
    "z[i]\n"
    "  distill           KL divergence of student's from teacher's logits  floor: triad\n"
    "\n"
    "Without options: the whole suite of shapes that the targets speak of, a quarter of an hour. With "
    "--quick,\n"
    "--classes, --rows or --size-mb: cross-entropy at each V, mse and bce-logits, which know no V, at the "
    "first,\n"
    "distill at the last.\n"
    "\n"
    "Nothing is timed that hasn't just agreed with the reference in f64 (column max err). In each "
    "repetition\n"
    "the case, the yardsticks, the reference and the peers take turns; ratios are formed within a "
    "repetition,\n"
    "and their median is printed. Buffers take turns too, past the last-level cache, and what a case "
    "overwrites\n"
    "is restored off the clock. The reference runs on one thread and on a part of the rows, and its time is\n"
    "scaled up to all; beside `backward` it computes loss and gradient, having no backward of its own.\n"
    "\n"
    "  --quick           7 repetitions, 32 MB and a shorter reference: under two minutes\n"
    "  --peers           beside fused in place, also time a C loop with OpenMP, a kernel as written for a "
    "GPU,\n"
    "                    and PyTorch, eager and compiled, on the same threads; PyTorch also beside mse and\n"
    "                    bce-logits\n"
    "  --python PROGRAM  the Python that has torch (default python3; `./run bench --peers` brings its own)\n"
    "  --device N        which device; `clloss devices` lists them (default 0)\n"
    "  --case TEXT       only cases whose name contains TEXT; --list shows the names\n"
    "  --classes LIST    values of V, as in 10,1000 (default 10,1000,32768,131072)\n"
    "  --rows N          rows of each case (default: as many as fill --size-mb)\n"
    "  --size-mb N       megabytes (2^20 bytes) of logits per case (default 128, with --quick 32)\n"
    "  --reps N          repetitions (default 15; 150 where the logits take less than a megabyte)\n"
    "  --family NAME     lane, group or split, instead of what the plan would choose\n"
    "  --yardstick NAME  lane, group or openmp: that form alone, instead of the fastest\n"
    "  --json            one JSON object per case on stdout, a line each\n"
    "  --plot FILE.svg   also draw it (needs gnuplot)\n"
    "  --report DIR      also write table, JSON, machine and plots there (needs gnuplot)\n"
    "  --first-result    print the milliseconds from clloss_ctx_create to the first result, and nothing "
    "else\n"
    "  --list            the cases, and nothing else\n"
    "  --help            this text\n"
    "\n"
    "How to read it: `x scale` 1.3 means 30 %% more time than scaling the logits in place, which reads and\n"
    "writes each of them once. `of limit` is the floor's time over the case's: 100 %% is as fast as memory.\n"
    "A ratio marked ~ varied by more than 20 %% between the quartiles of its repetitions: the machine was "
    "busy.\n"
    "\n"
    "Exit status: 0; 1 if a case failed its check or OpenCL failed; 2 for bad usage. Peers that aren't "
    "there,\n"
    "or compute something else, are named and left out.\n";

void options_help(FILE *out, const char *program) { fprintf(out, help, program); }

static int complain(const struct options *o, const char *name, const char *what, const char *value) {
  fprintf(stderr, "%s: %s: %s%s%s%s\n", o->program, name, what, value ? " '" : "", value ? value : "",
          value ? "'" : "");
  return 2;
}

/* A whole number from low to high, and nothing after it. */
static int parse_count(const char *text, size_t low, size_t high, size_t *out, char stop, const char **rest) {
  char *end;
  if (!isdigit((unsigned char)*text)) return -1;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno || value < low || value > high || (*end && *end != stop)) return -1;
  *out = (size_t)value;
  if (rest) *rest = end;
  return 0;
}

static int parse_classes(struct options *o, const char *text) {
  o->n_classes = 0;
  for (;;) {
    if (o->n_classes == OPTIONS_MAX_CLASSES) return complain(o, "--classes", "too many values in", text);
    if (parse_count(text, 1, (size_t)1 << 30, &o->classes[o->n_classes], ',', &text) != 0)
      return complain(o, "--classes", "expected counts with commas between, not", text);
    o->n_classes++;
    if (!*text) return 0;
    text++;
  }
}

static int parse_name(const struct options *o, const char *name, const char *text, const char *const *names,
                      int n, int *out) {
  for (int i = 0; i < n; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = i + 1;
      return 0;
    }
  }
  return complain(o, name, "unknown name", text);
}

static int parse_value(struct options *o, const char *name, const char *value) {
  static const char *const families[] = {"lane", "group", "split"}, *const forms[] = {"lane", "group",
                                                                                      "openmp"};
  size_t n = 0;
  int choice = 0, rc;
  if (strcmp(name, "--case") == 0) {
    o->filter = value;
  } else if (strcmp(name, "--python") == 0) {
    if (!*value) return complain(o, name, "the program's name is empty", NULL);
    o->python = value;
  } else if (strcmp(name, "--report") == 0) {
    if (!*value) return complain(o, name, "the folder's name is empty", NULL);
    o->report = value;
  } else if (strcmp(name, "--plot") == 0) {
    if (!*value) return complain(o, name, "the file name is empty", NULL);
    o->plot = value;
  } else if (strcmp(name, "--classes") == 0) {
    return parse_classes(o, value);
  } else if (strcmp(name, "--family") == 0) {
    rc = parse_name(o, name, value, families, 3, &choice);
    o->family = (uint32_t)choice;
    return rc;
  } else if (strcmp(name, "--yardstick") == 0) {
    return parse_name(o, name, value, forms, 3, &o->yardstick);
  } else if (strcmp(name, "--device") == 0) {
    if (parse_count(value, 0, 9999, &n, 0, NULL) != 0)
      return complain(o, name, "expected a number, not", value);
    o->device = (unsigned)n;
  } else if (strcmp(name, "--rows") == 0) {
    if (parse_count(value, 1, (size_t)1 << 40, &o->rows, 0, NULL) != 0)
      return complain(o, name, "expected a count, not", value);
  } else if (strcmp(name, "--reps") == 0) {
    if (parse_count(value, 1, STATS_MAX_REPS, &o->reps, 0, NULL) != 0)
      return complain(o, name, "expected 1 to 1000, not", value);
    o->reps_given = 1;
  } else if (strcmp(name, "--size-mb") == 0) {
    if (parse_count(value, 1, 65536, &n, 0, NULL) != 0)
      return complain(o, name, "expected 1 to 65536, not", value);
    o->size_bytes = n << 20;
  } else {
    return complain(o, name, "unknown option", NULL);
  }
  return 0;
}

/* Options without a value. */
static int parse_flag(struct options *o, const char *name, int *quick) {
  const struct {
    const char *name;
    int *set;
  } flags[] = {{"--json", &o->json},
               {"--quick", quick},
               {"--list", &o->list},
               {"--help", &o->help},
               {"-h", &o->help},
               {"--peers", &o->peers},
               {"--first-result", &o->first_result}};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
    if (strcmp(name, flags[i].name) == 0) return !(*flags[i].set = 1);
  return -1;
}

static const char *const valued[] = {"--case",    "--plot",   "--report",    "--python",
                                     "--classes", "--family", "--yardstick", "--device",
                                     "--rows",    "--reps",   "--size-mb"};

/* What the options left open. Whoever names neither V nor size gets the suite, which has its own. */
static void fill_in(struct options *o, int quick) {
  static const size_t usual[] = {10, 1000, 32768, 131072};
  if (o->n_classes == 0 && (quick || o->rows || o->size_bytes)) {
    o->n_classes = sizeof usual / sizeof *usual;
    memcpy(o->classes, usual, sizeof usual);
  }
  if (o->reps == 0) o->reps = quick ? 7 : 15;
  if (o->size_bytes == 0) o->size_bytes = (size_t)(quick ? 32 : 128) << 20;
  o->ref_bytes = (size_t)(quick ? 8 : 32) << 20;
}

int options_parse(struct options *o, int argc, char **argv) {
  int quick = 0;
  memset(o, 0, sizeof *o);
  o->program = argc > 0 ? argv[0] : "clloss bench";
  o->python = "python3";
  for (int i = 1; i < argc; i++) {
    char name[32];
    const char *equals = strchr(argv[i], '=');
    size_t length = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]), k = 0;
    if (strncmp(argv[i], "-", 1) != 0) return complain(o, argv[i], "unexpected argument", NULL);
    if (parse_flag(o, argv[i], &quick) == 0) continue;
    while (k < sizeof valued / sizeof *valued &&
           (strlen(valued[k]) != length || strncmp(valued[k], argv[i], length) != 0))
      k++;
    if (k == sizeof valued / sizeof *valued) return complain(o, argv[i], "unknown option", NULL);
    snprintf(name, sizeof name, "%s", valued[k]);
    if (!equals && i + 1 == argc) return complain(o, name, "needs a value", NULL);
    int rc = parse_value(o, name, equals ? equals + 1 : argv[++i]);
    if (rc != 0) return rc;
  }
  fill_in(o, quick);
  return 0;
}

/* Without the place of Python, which says nothing about the run; its version stands in the report. */
void options_command(int argc, char **argv, char *text, size_t size) {
  size_t at = 0;
  *text = 0;
  for (int i = 0; i < argc && at < size; i++) {
    if (strncmp(argv[i], "--python", 8) == 0) {
      i += argv[i][8] != '=';
      continue;
    }
    const char *quote = i > 0 && strpbrk(argv[i], " \t\"'$\\;&|<>()*?") ? "'" : "";
    const int n = snprintf(text + at, size - at, "%s%s%s%s", i ? " " : "", quote, argv[i], quote);
    at += n > 0 ? (size_t)n : size;
  }
}
