/* clloss.hpp: each loss through its objects, against what is known by hand; moves, waits, and errors that say what was wrong. */
#include <clloss/clloss.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

static int failures;
#define CHECK(condition) \
  ((condition) ? (void)0 : (void)(failures++, std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition)))

/* What OpenCL's C++ bindings look like to the header. */
struct wrapped_buffer {
  cl_mem raw;
  cl_mem operator()() const { return raw; }
};

struct device {
  cl_platform_id platform = nullptr;
  cl_device_id id = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  device() {
    cl_int error = clGetPlatformIDs(1, &platform, nullptr);
    if (!error) error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, nullptr);
    if (!error) context = clCreateContext(nullptr, 1, &id, nullptr, nullptr, &error);
    if (!error) queue = clCreateCommandQueue(context, id, 0, &error);
    if (error) throw clloss::error(error, "opening a device");
  }
  ~device() {
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
  }
};

static bool near(float a, double b) { return std::fabs(static_cast<double>(a) - b) < 1e-6; }

/* Two logits of 0: every loss of theirs is a logarithm of 2. */
static void losses(const device &d) {
  clloss::context ctx(d.context, d.id);
  const float zeros[2] = {0, 0}, halves[2] = {0.5F, 0.5F}, index = 1;
  float out[2];
  clloss::tensor x(ctx, CLLOSS_F32, 1, 2), y(ctx, CLLOSS_F32, 1, 2), t(ctx, CLLOSS_F32, 1),
      one(ctx, CLLOSS_F32, 1);
  x.upload(zeros, d.queue), y.upload(halves, d.queue), t.upload(&index, d.queue);

  const clloss::event forward = ctx.forward(clloss::xent(1, 2).logits(x).targets(t).loss(one),
                                            clloss::xent_options().with(CLLOSS_TARGET_INDICES), d.queue);
  ctx.divisor(clloss::xent(1, 2).targets(t).divisor(one),
              clloss::xent_options().with(CLLOSS_TARGET_INDICES | CLLOSS_ACCUMULATE), d.queue, {forward});
  one.download(out, d.queue);
  CHECK(near(out[0], std::log(2) + 1));

  std::vector<clloss::event> events;
  events.push_back(
      ctx.forward(clloss::softmax(1, 2).input(x).output(y), clloss::softmax_options().scale(2), d.queue));
  events.push_back(ctx.forward(clloss::information(1, 2).input(x).entropy(one), d.queue, events));
  one.download(out, d.queue, events);
  CHECK(near(out[0], std::log(2)));
  y.download(out, d.queue);
  CHECK(near(out[0], 0.5) && near(out[1], 0.5));

  clloss::event done = ctx.fused(clloss::distill(1, 2).student(x).teacher(y).loss(one).grad(x),
                                 clloss::distill_options().temperature(3), d.queue);
  done.wait();
  one.download(out, d.queue);
  CHECK(near(out[0], 0));
  ctx.fused(clloss::pointwise(CLLOSS_HUBER, 1, 2).input(x).target(x).loss(one).grad(y),
            clloss::pointwise_options().delta(0.5).reduction(CLLOSS_SUM), d.queue);
  clloss::tensor half(ctx, CLLOSS_F16, 1, 2);
  ctx.cast(1, 2, x.view(), half.view(), d.queue).wait();
  uint16_t wide[2];
  y.download(CLLOSS_BF16, wide, d.queue);
  CHECK(wide[0] == 0 && wide[1] == 0);

  clFinish(d.queue);
  const std::vector<unsigned char> blob = ctx.programs();
  clloss_ctx_options with = {};
  with.programs = blob.data();
  with.programs_size_bytes = blob.size();
  clloss_ctx_options beside = {};
  beside.share = ctx.get();
  const clloss::context loaded(d.context, d.id, with), shared(d.context, d.id, beside);
  CHECK(loaded.programs() == blob && shared.programs() == blob);

  const cl_event raw = done.release();
  CHECK(raw && !done() && clReleaseEvent(raw) == CL_SUCCESS);
  done = std::move(events[0]);
  CHECK(done() && !events[0]());
}

static void refuses(const device &d) {
  clloss::context first(d.context, d.id), ctx(std::move(first));
  CHECK(!first.get() && ctx.get());
  cl_int status;
  const wrapped_buffer buffer = {clCreateBuffer(d.context, CL_MEM_READ_WRITE, 64, nullptr, &status)};
  int there = 0;
  const clloss_view at = clloss::view_at(&there, CLLOSS_I32, 1, 2, 3, CLLOSS_BROADCAST);
  CHECK(at.pointer == &there && !at.mem && at.offset == 1 && at.row_stride == 2 && at.class_stride == 3 &&
        at.flags == CLLOSS_BROADCAST);
  const clloss_view view = clloss::view(buffer, CLLOSS_F32, 2, 5);
  CHECK(view.mem == buffer.raw && view.dtype == CLLOSS_F32 && view.offset == 2 && view.row_stride == 5);
  try {
    ctx.forward(clloss::xent(2, 4).logits(view).targets(view).loss(view), d.queue);
    CHECK(!"refused");
  } catch (const clloss::error &e) {
    CHECK(e.status() == CLLOSS_OPTION && !std::strcmp(e.name(), "CLLOSS_OPTION"));
    CHECK(std::strstr(e.what(), "CLLOSS_TARGET_PROBABILITIES"));
  }
  try {
    clloss_ctx_options plan = {};
    plan.family = 77;
    clloss::context none(d.context, d.id, plan);
    CHECK(!"refused");
  } catch (const clloss::error &e) {
    CHECK(e.status() == CLLOSS_PLAN && std::strstr(e.what(), "77"));
  }
  try {
    clloss::tensor none(ctx, 99, 1);
    CHECK(!"refused");
  } catch (const std::runtime_error &e) {
    CHECK(std::strstr(e.what(), "CLLOSS_DTYPE"));
  }
  try {
    const float real = 0;
    clloss::tensor whole(ctx, CLLOSS_I32, 1);
    whole.upload(CLLOSS_F32, &real, d.queue);
    CHECK(!"refused");
  } catch (const clloss::error &e) {
    CHECK(e.status() == CLLOSS_DTYPE && std::strstr(e.what(), "host_dtype is f32") &&
          std::strstr(e.what(), "i32"));
  }
  const clloss::xent_options again = clloss::xent_options().ignore_index(0).ignore_index(-100);
  CHECK(again.flags == CLLOSS_IGNORE_INDEX && again.clloss_xent_options::ignore_index == -100);
  clReleaseMemObject(buffer.raw);
}

int main() {
  try {
    const device d;
    losses(d);
    refuses(d);
  } catch (const std::exception &e) {
    std::fprintf(stderr, "%s\n", e.what());
    failures++;
  }
  return failures != 0;
}
