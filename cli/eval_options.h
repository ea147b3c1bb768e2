/* The command line of `clloss eval`: its table of options, and the request that comes out of it. */
#ifndef EVAL_OPTIONS_H
#define EVAL_OPTIONS_H

#include <clloss/clloss_types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The files that are read, and those that are written. */
enum { IN_INPUT, IN_TARGET, IN_UPSTREAM, IN_WEIGHT, IN_ROW_WEIGHT, IN_POS_WEIGHT, INPUTS };
enum { OUT_GRAD, OUT_ROW_LOSS, OUT_PLOT, OUTPUTS };

/* What a loss is, in eval_request.takes, with the CLLOSS_TAKES_… of elementwise kinds below them. */
enum {
  LOSS_SOFTMAX = 1u << 16,
  LOSS_NLL = 1u << 17,
  LOSS_ELEMENTS = 1u << 18,
  LOSS_BINARY = CLLOSS_TAKES_POS_WEIGHT | CLLOSS_TAKES_CLIP /* cross-entropy of logits, of probabilities */
};

typedef struct eval_request {
  uint32_t kind; /* of an elementwise loss: CLLOSS_MSE … */
  uint32_t takes;
  const char *inputs[INPUTS];   /* paths, argv's; NULL: 1 */
  const char *outputs[OUTPUTS]; /* NULL: not wanted */
  uint32_t reduction;           /* CLLOSS_MEAN … */
  uint32_t flags;               /* of the library's options */
  uint32_t targets;             /* CLLOSS_TARGET_INDICES or _PROBABILITIES; 0: by the file's type */
  int64_t ignore_index;
  double label_smoothing, z_loss, softcap, logit_scale; /* as in clloss_xent_options */
  double delta, gamma, alpha, clip;                     /* as in clloss_pointwise_options */
  uint32_t dtype;                                       /* what the logits are stored in; 0: the file's */
  uint64_t device;
  bool reference, json;
  bool help; /* asked for, and then nothing else here is set */
} eval_request;

/* EXIT_OK, or EXIT_USAGE with a line that names the option at fault. */
int eval_options_parse(eval_request *request, int argc, char **argv);

/* "mean", "sum", "none" or "batchmean". */
const char *eval_reduction_name(uint32_t reduction);

/* "--grad", "--row-loss" or "--plot". */
const char *eval_output_name(size_t output);

void eval_options_help(FILE *to);

#endif
