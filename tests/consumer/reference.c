/* The reference alone: this program neither includes nor links anything of OpenCL. */
#include <clloss/clloss_ref.h>

#ifdef CL_VERSION_1_0
#  error "clloss_ref.h brings OpenCL in"
#endif

int main(void) {
  const float logits[2] = {0, 0};
  const int64_t target = 0;
  float loss = -1;
  clloss_ref_xent xent = {0};
  xent.rows = 1;
  xent.classes = 2;
  xent.logits = logits;
  xent.targets = &target;
  xent.loss = &loss;
  clloss_ref_xent_f32(&xent);
  return !(loss > 0.693f && loss < 0.694f);
}
