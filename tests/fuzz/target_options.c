/* The option parser of `clloss eval` (cli/eval_options.c): the input's lines are its arguments. What is refused is bad usage
 * and complained of once; what is accepted is a request whose numbers are in the ranges that the help promises, and whose
 * words and files are the arguments' own. */
#include "target.h"

#include "cli.h"
#include "eval_options.h"

#include <math.h>
#include <string.h>

enum { ARGUMENTS_MOST = 40 };

/* Cuts the text at its line ends, and says how many arguments there are, argv[0] among them. */
static int cut(char *text, char *argv[ARGUMENTS_MOST + 1]) {
  static char command[] = "eval";
  int n = 1;
  argv[0] = command;
  while (text && n < ARGUMENTS_MOST) {
    argv[n++] = text;
    text = strchr(text, '\n');
    if (text) *text++ = 0;
  }
  argv[n] = NULL;
  return n;
}

static bool is_of(const char *value, const char *text, size_t size) {
  return value >= text && value <= text + size;
}

static void check_words(const eval_request *r, const char *text, size_t size) {
  for (int i = 0; i < INPUTS; i++)
    EXPECT(!r->inputs[i] || (is_of(r->inputs[i], text, size) && *r->inputs[i]));
  for (int i = 0; i < OUTPUTS; i++)
    EXPECT(!r->outputs[i] || (is_of(r->outputs[i], text, size) && *r->outputs[i]));
  EXPECT(r->inputs[IN_INPUT] && r->inputs[IN_TARGET]);
  EXPECT(r->takes & (LOSS_SOFTMAX | LOSS_NLL | LOSS_ELEMENTS));
  EXPECT(r->reduction <= (r->takes & LOSS_ELEMENTS ? CLLOSS_BATCHMEAN : CLLOSS_NONE));
  EXPECT(eval_reduction_name(r->reduction));
  EXPECT(!r->inputs[IN_UPSTREAM] || r->reduction == CLLOSS_NONE);
  EXPECT(!r->outputs[OUT_PLOT] || (r->takes & (LOSS_SOFTMAX | LOSS_BINARY)));
}

/* Comparisons are such that NaN fails them. */
static void check_numbers(const eval_request *r) {
  EXPECT(r->label_smoothing >= 0 && r->label_smoothing <= 1);
  EXPECT(r->z_loss >= 0 && isfinite(r->z_loss));
  EXPECT(r->softcap >= 0 && isfinite(r->softcap));
  EXPECT(isfinite(r->logit_scale));
  EXPECT(r->delta >= 0 && isfinite(r->delta));
  EXPECT(!(r->flags & CLLOSS_SET_DELTA) || r->delta > 0 || (r->takes & CLLOSS_TAKES_BETA));
  EXPECT(r->gamma >= 0 && isfinite(r->gamma));
  EXPECT(r->alpha <= 1 && isfinite(r->alpha));
  EXPECT(r->clip >= 0 && r->clip < 0.5);
  EXPECT(!r->reference || r->device == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1), *argv[ARGUMENTS_MOST + 1];
  eval_request request;
  EXPECT(text != NULL);
  if (size) memcpy(text, data, size);
  text[size] = 0;
  target_complaints();
  const int status = eval_options_parse(&request, cut(text, argv), argv);
  EXPECT(status == EXIT_OK || status == EXIT_USAGE);
  EXPECT(target_complaints() == (status == EXIT_USAGE));
  if (status == EXIT_OK && !request.help) {
    check_words(&request, text, size);
    check_numbers(&request);
  }
  free(text);
  return 0;
}
