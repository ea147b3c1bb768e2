/* Checks of options that losses share. */
#include "options.h"

#include <float.h>
#include <math.h>

#include "runtime/ctx.h"

static clloss_status check_number(clloss_ctx *ctx, const char *option, double value, uint32_t dtype) {
  const bool f64 = dtype == CLLOSS_F64;
  const double least = f64 ? DBL_MIN : FLT_MIN, most = f64 ? DBL_MAX : FLT_MAX, magnitude = fabs(value);
  if (value == 0 || (magnitude >= least && magnitude <= most)) return CLLOSS_SUCCESS;
  return clloss__fail(ctx, CLLOSS_OPTION,
                      "options.%s is %g: it has to be finite, and 0 or a normal number in %s, %.3g to %.3g",
                      option, value, f64 ? "f64" : "f32", least, most);
}

clloss_status clloss__check_ranges(clloss_ctx *ctx, uint32_t dtype, const clloss__range *ranges, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const clloss__range *r = &ranges[i];
    const clloss_status status = check_number(ctx, r->name, r->value, dtype);
    if (status != CLLOSS_SUCCESS) return status;
    if (!r->in_range)
      return clloss__fail(ctx, CLLOSS_OPTION, "options.%s is %g: it has to be %s", r->name, r->value,
                          r->range);
  }
  return CLLOSS_SUCCESS;
}

clloss_status clloss__check_rules(clloss_ctx *ctx, const clloss__rule *rules, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (rules[i].wrong) return clloss__fail(ctx, CLLOSS_OPTION, "options: %s", rules[i].why);
  }
  return CLLOSS_SUCCESS;
}

clloss_status clloss__check_reduction(clloss_ctx *ctx, uint32_t reduction, uint32_t last) {
  if (reduction <= last) return CLLOSS_SUCCESS;
  if (reduction == CLLOSS_BATCHMEAN)
    return clloss__fail(ctx, CLLOSS_OPTION,
                        "options.reduction is CLLOSS_BATCHMEAN, a reduction of elementwise losses: the mean "
                        "over rows is CLLOSS_MEAN");
  return clloss__fail(ctx, CLLOSS_OPTION, "options.reduction is %u: not a reduction", reduction);
}

clloss_status clloss__check_reserved(clloss_ctx *ctx, const char *in, uint32_t reserved) {
  if (!reserved) return CLLOSS_SUCCESS;
  return clloss__fail(ctx, CLLOSS_OPTION, "%s.reserved is %u: it must be 0", in, reserved);
}
