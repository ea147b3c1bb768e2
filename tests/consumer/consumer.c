/* Links the library and its reference, and sees that each answers: no OpenCL device is needed. */
#include <clloss/clloss.h>
#include <clloss/clloss_ref.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  uint32_t header = CLLOSS_VERSION_MAJOR * 10000 + CLLOSS_VERSION_MINOR * 100 + CLLOSS_VERSION_PATCH;
  if (clloss_version() != header) {
    fprintf(stderr, "the library is %u, its header %u\n", (unsigned)clloss_version(), (unsigned)header);
    return 1;
  }

  clloss_ctx *ctx = NULL;
  clloss_status status = clloss_ctx_create(&ctx, NULL, NULL, NULL);
  if (status != CLLOSS_NULL_ARGUMENT || ctx) {
    fprintf(stderr, "a ctx without a device: %s\n", clloss_status_name(status));
    return 1;
  }

  const double logits[2] = {3, 3};
  const int64_t target = 1;
  double loss = 0;
  clloss_ref_xent xent;
  memset(&xent, 0, sizeof xent);
  xent.rows = 1;
  xent.classes = 2;
  xent.logits = logits;
  xent.targets = &target;
  xent.loss = &loss;
  clloss_ref_xent_f64(&xent);
  if (!(fabs(loss - 0.69314718055994531) < 1e-15)) {
    fprintf(stderr, "the loss of two equal logits is log 2, not %.17g\n", loss);
    return 1;
  }

  /* Links what only a device could run; volatile, because the compiler knows that no function's address is NULL. */
  clloss_status (*volatile fused)(clloss_ctx *, const clloss_xent *, const clloss_xent_options *,
                                  cl_command_queue, cl_uint, const cl_event *,
                                  cl_event *) = clloss_xent_fused;
  return fused == NULL;
}
