/* clLoss for C++17: the same calls with objects that release what they hold, structs that are filled in a chain, and errors as
 * exceptions that carry the message. One header over clloss.h, which says what everything means; nothing else is linked.
 *
 * Buffers, queues, contexts, devices and events are those of the C API or of OpenCL's C++ bindings (cl::Buffer and so on, which
 * this header doesn't include): whatever gives the handle when it is called without arguments. They stay the caller's, and are
 * retained nowhere: a cl_mem has to live until the event of the call that uses it has completed.
 *
 *   clloss::context ctx(context, device);
 *   ctx.fused(clloss::xent(rows, classes)
 *                 .logits(clloss::view(x, CLLOSS_F32))
 *                 .targets(clloss::view(t, CLLOSS_I32))
 *                 .loss(clloss::view(l, CLLOSS_F32))
 *                 .grad(clloss::view(x, CLLOSS_F32)),
 *             clloss::xent_options().ignore_index(-100), queue); */
#ifndef CLLOSS_HPP
#define CLLOSS_HPP

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "clloss.h"

namespace clloss {

/* What a refused or failed call throws. what() is the code's name, its meaning, and the ctx's message if there is one. */
class error : public std::runtime_error {
public:
  error(clloss_status code, const char *message)
      : std::runtime_error(std::string(clloss_status_name(code)) + ": " + clloss_status_text(code) +
                           (*message ? std::string(": ") + message : std::string())),
        code_(code) {}
  clloss_status status() const noexcept { return code_; }
  const char *name() const noexcept { return clloss_status_name(code_); }

private:
  clloss_status code_;
};

/* ---- handles -------------------------------------------------------------------------------------------------- */

/* A handle of OpenCL's, given as it is or by an object that returns it from its call operator. */
template <class Handle> class handle {
public:
  handle(Handle raw) noexcept : raw_(raw) {}
  template <class Object, class = decltype(static_cast<Handle>(std::declval<const Object &>()()))>
  handle(const Object &object) : raw_(object()) {}
  Handle get() const noexcept { return raw_; }

private:
  Handle raw_;
};
using queue = handle<cl_command_queue>;

/* A window on a buffer, of so many elements' offset. Strides: 0 is packed (clloss_view). */
inline clloss_view view(handle<cl_mem> buffer, uint32_t dtype, size_t offset = 0, size_t row_stride = 0,
                        size_t class_stride = 0, uint32_t flags = 0) {
  clloss_view v = clloss_view_of(buffer.get(), dtype);
  v.offset = offset, v.row_stride = row_stride, v.class_stride = class_stride, v.flags = flags;
  return v;
}

/* The same on SVM or USM, by its pointer. A name of its own, as a cl_mem is a pointer too. */
inline clloss_view view_at(void *pointer, uint32_t dtype, size_t offset = 0, size_t row_stride = 0,
                           size_t class_stride = 0, uint32_t flags = 0) {
  clloss_view v = view(nullptr, dtype, offset, row_stride, class_stride, flags);
  v.pointer = pointer;
  return v;
}

/* What a call waits for: any number of events, of any container of them. */
class wait_list {
public:
  wait_list() = default;
  wait_list(std::initializer_list<handle<cl_event>> events) {
    for (const auto &e : events) raw_.push_back(e.get());
  }
  template <class Container, class = decltype(handle<cl_event>(*std::declval<const Container &>().begin()))>
  wait_list(const Container &events) {
    for (const auto &e : events) raw_.push_back(handle<cl_event>(e).get());
  }
  cl_uint size() const noexcept { return static_cast<cl_uint>(raw_.size()); }
  const cl_event *data() const noexcept { return raw_.empty() ? nullptr : raw_.data(); }

private:
  std::vector<cl_event> raw_;
};

/* The event of a call, complete when all of its outputs are. Released with the object; release() hands it over, to a cl::Event
 * say: cl::Event e(done.release()). */
class event {
public:
  explicit event(cl_event raw = nullptr) noexcept : raw_(raw) {}
  cl_event operator()() const noexcept { return raw_.get(); }
  cl_event release() noexcept { return raw_.release(); }
  void wait() const {
    const cl_event raw = raw_.get();
    const cl_int status = raw ? clWaitForEvents(1, &raw) : CL_SUCCESS;
    if (status != CL_SUCCESS) throw error(status, "waiting for a call");
  }

private:
  struct releases {
    void operator()(cl_event raw) const noexcept { clReleaseEvent(raw); }
  };
  std::unique_ptr<std::remove_pointer_t<cl_event>, releases> raw_;
};

/* ---- what to compute ------------------------------------------------------------------------------------------ */

/* The structs of clloss.h with their size set and a setter for each field, of the field's name: x.logits(v).targets(t). */
#define CLLOSS_HPP_SET(type, field)           \
  self &field(type value) {                   \
    static_cast<base &>(*this).field = value; \
    return *this;                             \
  }
#define CLLOSS_HPP_VIEW(field)   CLLOSS_HPP_SET(const clloss_view &, field)
#define CLLOSS_HPP_NUMBER(field) CLLOSS_HPP_SET(double, field)
#define CLLOSS_HPP_BEGIN(name)        \
  class name : public clloss_##name { \
    using base = clloss_##name;       \
    using self = name;                \
                                      \
  public:
#define CLLOSS_HPP_ROWS(name)                                       \
  CLLOSS_HPP_BEGIN(name)                                            \
  name(size_t n_rows, size_t n_classes) : base() {                  \
    struct_size = sizeof(base), rows = n_rows, classes = n_classes; \
  }
#define CLLOSS_HPP_OPTIONS(name)                  \
  CLLOSS_HPP_BEGIN(name)                          \
  name() : base() { struct_size = sizeof(base); } \
  /* adds these flags */                          \
  self &with(uint32_t more) {                     \
    flags |= more;                                \
    return *this;                                 \
  }

CLLOSS_HPP_ROWS(xent)
CLLOSS_HPP_SET(size_t, inner)
CLLOSS_HPP_VIEW(logits)
CLLOSS_HPP_VIEW(targets)
CLLOSS_HPP_VIEW(class_weight)
CLLOSS_HPP_VIEW(row_weight)
CLLOSS_HPP_VIEW(loss)
CLLOSS_HPP_VIEW(row_loss)
CLLOSS_HPP_VIEW(row_stats)
CLLOSS_HPP_VIEW(grad)
CLLOSS_HPP_VIEW(grad_loss)
CLLOSS_HPP_VIEW(divisor)
CLLOSS_HPP_VIEW(metrics)
CLLOSS_HPP_VIEW(counts)
CLLOSS_HPP_VIEW(predicted)
CLLOSS_HPP_VIEW(confidence)
CLLOSS_HPP_VIEW(entropy)
CLLOSS_HPP_VIEW(workspace)
};

/* ignore_index and grad_alpha set the flag that says they are meant. */
CLLOSS_HPP_OPTIONS(xent_options)
CLLOSS_HPP_SET(uint32_t, reduction)
CLLOSS_HPP_NUMBER(label_smoothing)
CLLOSS_HPP_NUMBER(z_loss)
CLLOSS_HPP_NUMBER(logit_scale)
CLLOSS_HPP_NUMBER(softcap)
CLLOSS_HPP_NUMBER(divisor)
CLLOSS_HPP_NUMBER(grad_beta)
CLLOSS_HPP_SET(uint64_t, top_k)
self &ignore_index(int64_t index) {
  base::ignore_index = index;
  flags &= ~static_cast<uint32_t>(CLLOSS_IGNORE_ZERO);
  return with(index ? CLLOSS_IGNORE_INDEX : CLLOSS_IGNORE_INDEX | CLLOSS_IGNORE_ZERO);
}
self &grad_alpha(double alpha) {
  base::grad_alpha = alpha;
  return with(CLLOSS_GRAD_ALPHA);
}
}
;

CLLOSS_HPP_ROWS(softmax)
CLLOSS_HPP_SET(size_t, inner)
CLLOSS_HPP_VIEW(input)
CLLOSS_HPP_VIEW(output)
CLLOSS_HPP_VIEW(grad_output)
CLLOSS_HPP_VIEW(grad_input)
}
;

CLLOSS_HPP_OPTIONS(softmax_options)
CLLOSS_HPP_NUMBER(scale)
}
;

CLLOSS_HPP_ROWS(distill)
CLLOSS_HPP_SET(size_t, inner)
CLLOSS_HPP_VIEW(student)
CLLOSS_HPP_VIEW(teacher)
CLLOSS_HPP_VIEW(row_weight)
CLLOSS_HPP_VIEW(loss)
CLLOSS_HPP_VIEW(row_loss)
CLLOSS_HPP_VIEW(row_stats)
CLLOSS_HPP_VIEW(grad)
CLLOSS_HPP_VIEW(grad_loss)
CLLOSS_HPP_VIEW(divisor)
CLLOSS_HPP_VIEW(workspace)
}
;

CLLOSS_HPP_OPTIONS(distill_options)
CLLOSS_HPP_SET(uint32_t, reduction)
CLLOSS_HPP_NUMBER(temperature)
CLLOSS_HPP_NUMBER(divisor)
}
;

CLLOSS_HPP_ROWS(information)
CLLOSS_HPP_SET(size_t, inner)
CLLOSS_HPP_VIEW(input)
CLLOSS_HPP_VIEW(targets)
CLLOSS_HPP_VIEW(surprisal)
CLLOSS_HPP_VIEW(entropy)
}
;

CLLOSS_HPP_OPTIONS(information_options)
}
;

/* kind: CLLOSS_MSE … */
CLLOSS_HPP_BEGIN(pointwise)
pointwise(uint32_t of_kind, size_t n_rows, size_t n_classes) : base() {
  struct_size = sizeof(base), kind = of_kind, rows = n_rows, classes = n_classes;
}
CLLOSS_HPP_VIEW(input)
CLLOSS_HPP_VIEW(target)
CLLOSS_HPP_VIEW(weight)
CLLOSS_HPP_VIEW(pos_weight)
CLLOSS_HPP_VIEW(loss)
CLLOSS_HPP_VIEW(element_loss)
CLLOSS_HPP_VIEW(grad)
CLLOSS_HPP_VIEW(grad_loss)
CLLOSS_HPP_VIEW(counts)
CLLOSS_HPP_VIEW(workspace)
}
;

/* delta, gamma, alpha and grad_alpha set the flags that say they are meant. */
CLLOSS_HPP_OPTIONS(pointwise_options)
CLLOSS_HPP_SET(uint32_t, reduction)
CLLOSS_HPP_NUMBER(clip)
CLLOSS_HPP_NUMBER(divisor)
CLLOSS_HPP_NUMBER(grad_beta)
self &delta(double value) {
  base::delta = value;
  return with(CLLOSS_SET_DELTA);
}
self &gamma(double value) {
  base::gamma = value;
  return with(CLLOSS_SET_GAMMA);
}
self &alpha(double value) {
  base::alpha = value;
  return with(CLLOSS_SET_ALPHA);
}
self &grad_alpha(double value) {
  base::grad_alpha = value;
  return with(CLLOSS_GRAD_ALPHA);
}
}
;

#undef CLLOSS_HPP_SET
#undef CLLOSS_HPP_VIEW
#undef CLLOSS_HPP_NUMBER
#undef CLLOSS_HPP_BEGIN
#undef CLLOSS_HPP_ROWS
#undef CLLOSS_HPP_OPTIONS

/* ---- ctx and tensors ------------------------------------------------------------------------------------------ */

/* A clloss_ctx. One thread at a time. Every call throws what its C function would return. */
class context {
public:
  context(handle<cl_context> of, handle<cl_device_id> device, clloss_ctx_options options = {}) {
    char why[512] = "";
    options.struct_size = sizeof options;
    if (!options.message || !options.message_size_bytes)
      options.message = why, options.message_size_bytes = sizeof why;
    clloss_ctx *raw = nullptr;
    const clloss_status status = clloss_ctx_create(&raw, of.get(), device.get(), &options);
    if (status != CLLOSS_SUCCESS) throw error(status, options.message);
    raw_.reset(raw);
  }

  clloss_ctx *get() const noexcept { return raw_.get(); }

  /* Passes a status of this ctx's on as an exception, also of a C call. */
  void check(clloss_status status) const {
    if (status != CLLOSS_SUCCESS) throw error(status, clloss_ctx_message(get()));
  }

  /* The compiled programs, for clloss_ctx_options.programs of a later process. */
  std::vector<unsigned char> programs() const {
    std::size_t size = 0;
    check(clloss_ctx_programs(get(), nullptr, 0, &size));
    std::vector<unsigned char> blob(size);
    check(clloss_ctx_programs(get(), blob.data(), blob.size(), &size));
    return blob;
  }

  /* Reals of one type to another. */
  event cast(std::size_t rows, std::size_t classes, const clloss_view &from, const clloss_view &to, queue on,
             const wait_list &wait = {}) {
    clloss_cast_arrays arrays = {};
    arrays.struct_size = sizeof arrays;
    arrays.rows = rows, arrays.classes = classes, arrays.input = from, arrays.output = to;
    cl_event done = nullptr;
    check(clloss_cast(get(), &arrays, on.get(), wait.size(), wait.data(), &done));
    return event(done);
  }

  /* forward, backward and fused of any loss, with options or without. */
#define CLLOSS_HPP_CALL(loss, pass)                                                                      \
  event pass(const clloss_##loss &what, const clloss_##loss##_options &options, queue on,                \
             const wait_list &wait = {}) {                                                               \
    return call(clloss_##loss##_##pass, what, &options, on, wait);                                       \
  }                                                                                                      \
  event pass(const clloss_##loss &what, queue on, const wait_list &wait = {}) {                          \
    return call(clloss_##loss##_##pass, what, static_cast<const clloss_##loss##_options *>(nullptr), on, \
                wait);                                                                                   \
  }
  CLLOSS_HPP_CALL(xent, forward)
  CLLOSS_HPP_CALL(xent, backward)
  CLLOSS_HPP_CALL(xent, fused)
  CLLOSS_HPP_CALL(xent, divisor)
  CLLOSS_HPP_CALL(softmax, forward)
  CLLOSS_HPP_CALL(softmax, backward)
  CLLOSS_HPP_CALL(distill, forward)
  CLLOSS_HPP_CALL(distill, backward)
  CLLOSS_HPP_CALL(distill, fused)
  CLLOSS_HPP_CALL(information, forward)
  CLLOSS_HPP_CALL(pointwise, forward)
  CLLOSS_HPP_CALL(pointwise, backward)
  CLLOSS_HPP_CALL(pointwise, fused)
#undef CLLOSS_HPP_CALL

private:
  template <class What, class Options>
  event call(clloss_status (*pass)(clloss_ctx *, const What *, const Options *, cl_command_queue, cl_uint,
                                   const cl_event *, cl_event *),
             const What &what, const Options *options, queue on, const wait_list &wait) {
    cl_event done = nullptr;
    check(pass(get(), &what, options, on.get(), wait.size(), wait.data(), &done));
    return event(done);
  }
  struct destroys {
    void operator()(clloss_ctx *raw) const noexcept { clloss_ctx_destroy(&raw); }
  };
  std::unique_ptr<clloss_ctx, destroys> raw_;
};

/* A clloss_tensor: [rows][classes] on the device. Transfers wait until they are done. */
class tensor {
public:
  tensor(const context &ctx, uint32_t dtype, size_t rows, size_t classes = 1) {
    clloss_tensor *raw = nullptr;
    ctx.check(clloss_tensor_create(&raw, ctx.get(), dtype, rows, classes));
    raw_.reset(raw);
  }

  clloss_tensor *get() const noexcept { return raw_.get(); }
  clloss_view view() const noexcept { return clloss_tensor_view(get()); }
  operator clloss_view() const noexcept { return view(); }

  void upload(const void *host, queue on, const wait_list &wait = {}) {
    check(clloss_tensor_upload(get(), host, on.get(), wait.size(), wait.data(), nullptr));
  }
  void download(void *host, queue on, const wait_list &wait = {}) const {
    check(clloss_tensor_download(get(), host, on.get(), wait.size(), wait.data(), nullptr));
  }
  /* The same for host arrays of another element type (clloss_tensor_upload_as). */
  void upload(uint32_t host_dtype, const void *host, queue on, const wait_list &wait = {}) {
    check(clloss_tensor_upload_as(get(), host_dtype, host, on.get(), wait.size(), wait.data(), nullptr));
  }
  void download(uint32_t host_dtype, void *host, queue on, const wait_list &wait = {}) const {
    check(clloss_tensor_download_as(get(), host_dtype, host, on.get(), wait.size(), wait.data(), nullptr));
  }

private:
  void check(clloss_status status) const {
    if (status != CLLOSS_SUCCESS) throw error(status, clloss_tensor_message(get()));
  }
  struct destroys {
    void operator()(clloss_tensor *raw) const noexcept { clloss_tensor_destroy(&raw); }
  };
  std::unique_ptr<clloss_tensor, destroys> raw_;
};

} // namespace clloss

#endif
