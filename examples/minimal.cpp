/* The README's example in C++: from two cl::Buffers to a loss and its gradient. It prints what minimal.c prints. */
#define CL_HPP_TARGET_OPENCL_VERSION  120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_HPP_ENABLE_EXCEPTIONS
/* README: begin */
#include <CL/opencl.hpp>
#include <clloss/clloss.hpp>
#include <cstdio>
#include <vector>

int main() try {
  cl::Context context(CL_DEVICE_TYPE_ALL);
  cl::Device device = context.getInfo<CL_CONTEXT_DEVICES>()[0];
  cl::CommandQueue queue(context, device);
  std::vector<float> logits = {2, 1, 0, 0, 3, 1};
  std::vector<int> targets = {0, 2};
  cl::Buffer x(queue, logits.begin(), logits.end(), false), t(queue, targets.begin(), targets.end(), true);

  clloss::context ctx(context, device);
  clloss::tensor loss(ctx, CLLOSS_F32, 1);
  const clloss_view in_place = clloss::view(x, CLLOSS_F32);
  ctx.fused(
      clloss::xent(2, 3).logits(in_place).grad(in_place).targets(clloss::view(t, CLLOSS_I32)).loss(loss),
      clloss::xent_options().ignore_index(-100), queue);

  float mean = 0;
  loss.download(&mean, queue);
  cl::copy(queue, x, logits.begin(), logits.end());
  std::printf("loss %.6f\n", static_cast<double>(mean));
  for (size_t r = 0; r < 6; r += 3)
    std::printf("grad % .6f % .6f % .6f\n", logits[r], logits[r + 1], logits[r + 2]);
} catch (const std::exception &e) { /* clloss::error says which field or call, cl::Error which of OpenCL's */
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
/* README: end */
