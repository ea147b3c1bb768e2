/* What options of any loss may be, each refusal naming field and value: CLLOSS_OPTION. */
#ifndef CLLOSS_HOST_OPTIONS_H
#define CLLOSS_HOST_OPTIONS_H

#include <clloss/clloss.h>
#include <stdbool.h>

/* A number of the options, and its range in words. */
typedef struct {
  const char *name;
  double value;
  bool in_range;
  const char *range;
} clloss__range;

/* Refuses the first that isn't finite, or won't be once it is rounded to the type that logits of this type (0: f32) are
 * computed in, or becomes less than a normal number there, as kernels may take that for 0, and a softcap of 0 is none; or
 * that is out of its range. */
clloss_status clloss__check_ranges(clloss_ctx *ctx, uint32_t dtype, const clloss__range *ranges, size_t n);

/* A combination that means nothing. */
typedef struct {
  bool wrong;
  const char *why;
} clloss__rule;

clloss_status clloss__check_rules(clloss_ctx *ctx, const clloss__rule *rules, size_t n);

/* `last`: the greatest of the loss's CLLOSS_MEAN … */
clloss_status clloss__check_reduction(clloss_ctx *ctx, uint32_t reduction, uint32_t last);

/* `in` names the struct. */
clloss_status clloss__check_reserved(clloss_ctx *ctx, const char *in, uint32_t reserved);

#endif
