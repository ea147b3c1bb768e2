/* The command line of `clloss eval`: its table of options, and the request that comes out of it. */
#ifndef EVAL_OPTIONS_H
#define EVAL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The files that are read, and those that are written. */
enum { IN_INPUT, IN_TARGET, IN_UPSTREAM, IN_WEIGHT, IN_ROW_WEIGHT, INPUTS };
enum { OUT_GRAD, OUT_ROW_LOSS, OUT_PLOT, OUTPUTS };

typedef struct eval_request {
  const char *inputs[INPUTS];   /* paths, argv's; NULL: 1 */
  const char *outputs[OUTPUTS]; /* NULL: not wanted */
  uint32_t reduction;           /* CLLOSS_MEAN … */
  uint32_t flags;               /* CLLOSS_IGNORE_INDEX, CLLOSS_SMOOTHING_MEGATRON */
  int64_t ignore_index;
  double label_smoothing, z_loss, softcap, logit_scale; /* as in clloss_xent_options */
  uint32_t dtype;                                       /* what the logits are stored in; 0: the file's */
  uint64_t device;
  bool reference, json;
  bool help; /* asked for, and then nothing else here is set */
} eval_request;

/* EXIT_OK, or EXIT_USAGE with a line that names the option at fault. */
int eval_options_parse(eval_request *request, int argc, char **argv);

/* "mean", "sum" or "none". */
const char *eval_reduction_name(uint32_t reduction);

/* "--grad", "--row-loss" or "--plot". */
const char *eval_output_name(size_t output);

void eval_options_help(FILE *to);

#endif
