/* The binary interface: layouts that other languages can bind (no implicit padding, sizes as released), struct_size
 * of older and newer programs, and the version. */
#include "check.h"
#include "fixture.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- layouts ------------------------------------------------------------------------------------------------ */

/* Each member where the ones before it end, and nothing after the last. A member added to the header and not here
 * shows as a size that doesn't match. */
/* clang-format off */
#define MEMBERS_clloss_ctx_options(M) \
  M(struct_size) M(message) M(message_size_bytes) M(family) M(local_size) M(rows_per_group) M(slices) \
  M(tuning) M(programs) M(programs_size_bytes) M(share)
#define MEMBERS_clloss_ctx_stats(M) \
  M(struct_size) M(programs_built) M(kernels_enqueued) M(work_groups_enqueued) M(pool_bytes) M(pool_peak_bytes) \
  M(pool_allocations) M(programs_loaded)
#define MEMBERS_clloss_view(M) M(mem) M(offset) M(row_stride) M(class_stride) M(dtype) M(flags) M(pointer)
#define MEMBERS_clloss_xent(M) \
  M(struct_size) M(rows) M(classes) M(inner) M(logits) M(targets) M(class_weight) M(row_weight) M(loss) M(row_loss) \
  M(row_stats) M(grad) M(grad_loss) M(divisor) M(metrics) M(counts) M(predicted) M(confidence) M(entropy) M(workspace)
#define MEMBERS_clloss_xent_options(M) \
  M(struct_size) M(reduction) M(flags) M(ignore_index) M(label_smoothing) M(z_loss) M(logit_scale) M(softcap) \
  M(divisor) M(grad_alpha) M(grad_beta) M(top_k)
#define MEMBERS_clloss_xent_arrays(M) \
  M(struct_size) M(rows) M(classes) M(inner) M(logits_dtype) M(targets_dtype) M(grad_dtype) M(reserved) M(logits) \
  M(targets) M(class_weight) M(row_weight) M(grad_loss) M(loss) M(row_loss) M(row_stats) M(grad) M(metrics) \
  M(predicted) M(confidence) M(entropy) M(counts) M(part_bytes) M(progress) M(user)
#define MEMBERS_clloss_softmax(M) \
  M(struct_size) M(rows) M(classes) M(inner) M(input) M(output) M(grad_output) M(grad_input)
#define MEMBERS_clloss_softmax_options(M) M(struct_size) M(flags) M(reserved) M(scale)
#define MEMBERS_clloss_distill(M) \
  M(struct_size) M(rows) M(classes) M(inner) M(student) M(teacher) M(row_weight) M(loss) M(row_loss) M(row_stats) \
  M(grad) M(grad_loss) M(divisor) M(workspace)
#define MEMBERS_clloss_distill_options(M) M(struct_size) M(reduction) M(flags) M(temperature) M(divisor)
#define MEMBERS_clloss_pointwise(M) \
  M(struct_size) M(rows) M(classes) M(kind) M(reserved) M(input) M(target) M(weight) M(pos_weight) M(loss) \
  M(element_loss) M(grad) M(grad_loss) M(counts) M(workspace)
#define MEMBERS_clloss_pointwise_options(M) \
  M(struct_size) M(reduction) M(flags) M(delta) M(gamma) M(alpha) M(clip) M(divisor) M(grad_alpha) M(grad_beta)
#define MEMBERS_clloss_information(M) \
  M(struct_size) M(rows) M(classes) M(inner) M(input) M(targets) M(surprisal) M(entropy)
#define MEMBERS_clloss_information_options(M) M(struct_size) M(flags) M(reserved)
#define MEMBERS_clloss_plan(M) \
  M(struct_size) M(family) M(local_size) M(rows_per_group) M(slices) M(groups) M(variant) M(why)
/* clang-format on */

static void check_layouts(void) {
#define MEMBER(name)                          \
  CHECK_EQ((char *)&s.name - (char *)&s, at); \
  at += sizeof s.name;
#define LAYOUT(type, size)                             \
  do {                                                 \
    type s;                                            \
    size_t at = 0;                                     \
    MEMBERS_##type(MEMBER) CHECK_EQ(at, sizeof s);     \
    if (sizeof(void *) == 8) CHECK_EQ(sizeof s, size); \
  } while (0)
  LAYOUT(clloss_ctx_options, 80);
  LAYOUT(clloss_ctx_stats, 64);
  LAYOUT(clloss_view, 48); /* embedded by value: frozen from the first release */
  LAYOUT(clloss_xent, 800);
  LAYOUT(clloss_xent_options, 88);
  LAYOUT(clloss_xent_arrays, 184);
  LAYOUT(clloss_softmax, 224);
  LAYOUT(clloss_softmax_options, 24);
  LAYOUT(clloss_distill, 512);
  LAYOUT(clloss_distill_options, 32);
  LAYOUT(clloss_pointwise, 512);
  LAYOUT(clloss_pointwise_options, 72);
  LAYOUT(clloss_information, 224);
  LAYOUT(clloss_information_options, 16);
  LAYOUT(clloss_plan, 128);
}

static void check_version(void) {
  CHECK_EQ(clloss_version(),
           CLLOSS_VERSION_MAJOR * 10000 + CLLOSS_VERSION_MINOR * 100 + CLLOSS_VERSION_PATCH);
}

/* ---- struct_size -------------------------------------------------------------------------------------------- */

/* A struct of a program built against another header, followed by memory that isn't there: a library that reads past
 * struct_size bytes dies. */
typedef struct edge {
  char *pages;
  size_t page_bytes;
} edge;

static bool edge_open(edge *e) {
  long page = sysconf(_SC_PAGESIZE);
  void *pages = NULL;
  e->pages = NULL;
  e->page_bytes = (size_t)page;
  if (page <= 0 || posix_memalign(&pages, e->page_bytes, 2 * e->page_bytes)) return false;
  e->pages = pages;
  return mprotect(e->pages + e->page_bytes, e->page_bytes, PROT_NONE) == 0;
}

static void edge_close(edge *e) {
  if (e->pages) mprotect(e->pages + e->page_bytes, e->page_bytes, PROT_READ | PROT_WRITE);
  free(e->pages);
}

/* The first `size` bytes of the struct (zeros after its end), up against the edge, with struct_size set to `size`. */
static void *at_edge(const edge *e, const void *from, size_t known, size_t size) {
  char *to = e->pages + e->page_bytes - size;
  memset(to, 0, size);
  memcpy(to, from, size < known ? size : known);
  if (size >= sizeof size) memcpy(to, &size, sizeof size);
  return to;
}

typedef struct world {
  fixture f;
  clloss_ctx *ctx;
  problem p;
  clloss_xent x;
  clloss_softmax softmax;
  clloss_distill distill;
  clloss_pointwise pointwise;
  clloss_information information;
  edge e;
} world;

/* One struct of the interface and a call that takes it. */
typedef struct subject {
  const char *name;
  const void *good;
  size_t size;
  size_t old; /* a shorter size that still holds all that the call needs */
  clloss_status (*call)(world *, void *);
} subject;

static clloss_status take_ctx_options(world *w, void *options) {
  clloss_ctx *ctx = NULL;
  clloss_status status = clloss_ctx_create(&ctx, w->f.context, w->f.device, options);
  CHECK(!status == !!ctx);
  clloss_ctx_destroy(&ctx);
  return status;
}
static clloss_status take_stats(world *w, void *stats) { return clloss_ctx_get_stats(w->ctx, stats); }
static clloss_status take_plan(world *w, void *plan) { return clloss_xent_plan(w->ctx, &w->x, plan); }
static clloss_status take_xent(world *w, void *xent) {
  return clloss_xent_forward(w->ctx, xent, &w->p.options, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_xent_fused(world *w, void *xent) {
  return clloss_xent_fused(w->ctx, xent, &w->p.options, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_xent_backward(world *w, void *xent) {
  return clloss_xent_backward(w->ctx, xent, &w->p.options, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_xent_workspace(world *w, void *xent) {
  size_t bytes;
  return clloss_xent_workspace(w->ctx, xent, &w->p.options, &bytes);
}
static clloss_status take_xent_plan(world *w, void *xent) {
  clloss_plan plan = {.struct_size = sizeof plan};
  return clloss_xent_plan(w->ctx, xent, &plan);
}
static clloss_status take_options(world *w, void *options) {
  return clloss_xent_forward(w->ctx, &w->x, options, w->f.queue, 0, NULL, NULL);
}

static clloss_status take_arrays(world *w, void *arrays) {
  return clloss_xent_host(w->ctx, arrays, &w->p.options);
}
static clloss_status take_pointwise(world *w, void *pointwise) {
  return clloss_pointwise_forward(w->ctx, pointwise, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_pointwise_fused(world *w, void *pointwise) {
  return clloss_pointwise_fused(w->ctx, pointwise, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_pointwise_backward(world *w, void *pointwise) {
  return clloss_pointwise_backward(w->ctx, pointwise, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_pointwise_workspace(world *w, void *pointwise) {
  size_t bytes;
  return clloss_pointwise_workspace(w->ctx, pointwise, NULL, &bytes);
}
static clloss_status take_pointwise_options(world *w, void *options) {
  return clloss_pointwise_forward(w->ctx, &w->pointwise, options, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_softmax(world *w, void *softmax) {
  return clloss_softmax_forward(w->ctx, softmax, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_softmax_back(world *w, void *softmax) {
  return clloss_softmax_backward(w->ctx, softmax, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_softmax_options(world *w, void *options) {
  return clloss_softmax_forward(w->ctx, &w->softmax, options, w->f.queue, 0, NULL, NULL);
}

static clloss_status take_distill(world *w, void *distill) {
  return clloss_distill_forward(w->ctx, distill, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_distill_fused(world *w, void *distill) {
  return clloss_distill_fused(w->ctx, distill, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_distill_workspace(world *w, void *distill) {
  size_t bytes;
  return clloss_distill_workspace(w->ctx, distill, NULL, &bytes);
}
static clloss_status take_distill_options(world *w, void *options) {
  return clloss_distill_forward(w->ctx, &w->distill, options, w->f.queue, 0, NULL, NULL);
}

static clloss_status take_information(world *w, void *information) {
  return clloss_information_forward(w->ctx, information, NULL, w->f.queue, 0, NULL, NULL);
}
static clloss_status take_information_options(world *w, void *options) {
  return clloss_information_forward(w->ctx, &w->information, options, w->f.queue, 0, NULL, NULL);
}

static void check_sizes(world *w, const subject *s) {
  int failures = check_failures;
  char *at;
  CHECK_STATUS(s->call(w, at_edge(&w->e, s->good, s->size, s->size)), CLLOSS_SUCCESS);
  CHECK_STATUS(s->call(w, at_edge(&w->e, s->good, s->size, s->old)), CLLOSS_SUCCESS);
  CHECK_STATUS(s->call(w, at_edge(&w->e, s->good, s->size, s->size + 1)), CLLOSS_SUCCESS);
  CHECK_STATUS(s->call(w, at_edge(&w->e, s->good, s->size, s->size + 64)), CLLOSS_SUCCESS);
  for (size_t beyond = 1; beyond <= 64; beyond += 21) { /* 1, 22, 43, 64 */
    at = at_edge(&w->e, s->good, s->size, s->size + beyond);
    at[s->size + beyond - 1] = 1;
    CHECK_STATUS(s->call(w, at), CLLOSS_STRUCT_SIZE);
  }
  for (size_t wrong = 0; wrong < sizeof(size_t); wrong++) {
    at = at_edge(&w->e, s->good, s->size, s->size);
    memcpy(at, &wrong, sizeof wrong);
    CHECK_STATUS(s->call(w, at), CLLOSS_STRUCT_SIZE);
  }
  if (failures != check_failures) fprintf(stderr, "  in struct_size of %s\n", s->name);
}

/* An output struct of an older program is filled up to its size and not a byte further. */
static void check_short_outputs(world *w) {
  struct {
    clloss_ctx_stats stats;
    clloss_plan plan;
  } out;
  memset(&out, 0x5A, sizeof out);
  out.stats.struct_size = offsetof(clloss_ctx_stats, pool_bytes);
  out.plan.struct_size = offsetof(clloss_plan, slices);
  CHECK_STATUS(clloss_ctx_get_stats(w->ctx, &out.stats), CLLOSS_SUCCESS);
  CHECK_STATUS(clloss_xent_plan(w->ctx, &w->x, &out.plan), CLLOSS_SUCCESS);
  CHECK_EQ(out.stats.struct_size, offsetof(clloss_ctx_stats, pool_bytes));
  CHECK_EQ(out.plan.struct_size, offsetof(clloss_plan, slices));
  CHECK(out.stats.work_groups_enqueued < 1u << 30 && out.plan.rows_per_group < 1u << 30);
  CHECK_EQ(out.stats.pool_bytes, 0x5A5A5A5A5A5A5A5A);
  CHECK_EQ(out.plan.slices, 0x5A5A5A5A5A5A5A5A);
  CHECK_EQ(out.plan.variant[23], 0x5A);
}

/* Why a ctx wasn't made is told in every struct whose size says that the place for it is whole, also one that is refused
 * for what comes after; nothing behind struct_size is read for it. */
static void check_message_place(world *w) {
  const size_t known = sizeof(clloss_ctx_options);
  const size_t whole = offsetof(clloss_ctx_options, message_size_bytes) + sizeof(size_t);
  char text[64];
  const clloss_ctx_options o = {
      .struct_size = known, .message = text, .message_size_bytes = sizeof text, .family = 99};
  clloss_ctx *ctx = NULL;
  for (size_t size = sizeof size; size <= known + 16; size++) {
    int failures = check_failures;
    char *at = at_edge(&w->e, &o, known, size);
    if (size > known) at[size - 1] = 1;
    memset(text, '#', sizeof text);
    CHECK_STATUS(clloss_ctx_create(&ctx, NULL, w->f.device, (void *)at),
                 size > known ? CLLOSS_STRUCT_SIZE : CLLOSS_NULL_ARGUMENT);
    CHECK(!ctx);
    CHECK_EQ(text[0] == '#', size < whole);
    CHECK_EQ(memchr(text, 0, sizeof text) != NULL, size >= whole);
    if (size > known) CHECK(!memcmp(text, "options.struct_size is", 22));
    if (failures != check_failures) fprintf(stderr, "  with struct_size %zu\n", size);
  }
  for (size_t wrong = 0; wrong < sizeof wrong; wrong++) { /* too small to say anything: nothing is read */
    char *at = at_edge(&w->e, &o, known, sizeof wrong);
    memcpy(at, &wrong, sizeof wrong);
    CHECK_STATUS(clloss_ctx_create(&ctx, w->f.context, w->f.device, (void *)at), CLLOSS_STRUCT_SIZE);
  }
  memset(text, '#', sizeof text);
  CHECK_STATUS(clloss_ctx_create(NULL, w->f.context, w->f.device, &o), CLLOSS_NULL_ARGUMENT);
  CHECK(!memcmp(text, "out: NULL", 10));
}

static bool open_world(world *w) {
  return edge_open(&w->e) && fixture_open(&w->f) &&
         !clloss_ctx_create(&w->ctx, w->f.context, w->f.device, NULL) &&
         problem_open(&w->p, w->f.queue, 4, 6, CLLOSS_SUM, 1);
}

static void check_struct_sizes(world *w) {
  const int32_t targets[4] = {0, 1, 2, 3};
  float loss;
  const clloss_ctx_options ctx_options = {.struct_size = sizeof ctx_options, .family = CLLOSS_FAMILY_LANE};
  const clloss_ctx_stats stats = {.struct_size = sizeof stats};
  const clloss_plan plan = {.struct_size = sizeof plan};
  clloss_xent_options options = w->p.options;
  clloss_xent fused = problem_xent(&w->p, FUSED), backward = problem_xent(&w->p, BACKWARD);
  w->x = problem_xent(&w->p, FORWARD);
  options.flags = 0, options.ignore_index = 0;
  w->p.options = options;
  const clloss_xent_arrays arrays = {.struct_size = sizeof arrays,
                                     .rows = 4,
                                     .classes = 6,
                                     .logits_dtype = CLLOSS_F32,
                                     .targets_dtype = CLLOSS_I32,
                                     .logits = w->p.logits,
                                     .targets = targets,
                                     .loss = &loss};
  const subject subjects[] = {
      {"clloss_ctx_options", &ctx_options, sizeof ctx_options, offsetof(clloss_ctx_options, local_size),
       take_ctx_options},
      {"clloss_ctx_options, all zero", &(clloss_ctx_options){0}, sizeof ctx_options, sizeof(size_t),
       take_ctx_options},
      {"clloss_ctx_stats", &stats, sizeof stats, sizeof(size_t), take_stats},
      {"clloss_plan", &plan, sizeof plan, sizeof(size_t), take_plan},
      {"clloss_xent in forward", &w->x, sizeof w->x, offsetof(clloss_xent, grad), take_xent},
      {"clloss_xent in backward", &backward, sizeof w->x, offsetof(clloss_xent, grad_loss),
       take_xent_backward},
      {"clloss_xent in fused", &fused, sizeof w->x, offsetof(clloss_xent, grad_loss), take_xent_fused},
      {"clloss_xent in workspace", &w->x, sizeof w->x, offsetof(clloss_xent, logits), take_xent_workspace},
      {"clloss_xent in plan", &w->x, sizeof w->x, offsetof(clloss_xent, logits), take_xent_plan},
      {"clloss_xent_options", &options, sizeof options, offsetof(clloss_xent_options, ignore_index),
       take_options},
      {"clloss_xent_options, all zero", &(clloss_xent_options){0}, sizeof options, sizeof(size_t),
       take_options},
      {"clloss_xent_arrays", &arrays, sizeof arrays, offsetof(clloss_xent_arrays, row_loss), take_arrays},
  };
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) check_sizes(w, &subjects[i]);
}

static void check_rowwise_sizes(world *w) {
  const clloss_xent fused = problem_xent(&w->p, FUSED);
  w->softmax = (clloss_softmax){.struct_size = sizeof w->softmax, .rows = 4, .classes = 6};
  w->softmax.input = fused.logits;
  w->softmax.output = fused.grad;
  clloss_softmax back = {.struct_size = sizeof back, .rows = 4, .classes = 6};
  back.output = back.grad_output = fused.logits;
  back.grad_input = fused.grad;
  w->distill = (clloss_distill){.struct_size = sizeof w->distill, .rows = 4, .classes = 6};
  w->distill.student = w->distill.teacher = fused.logits;
  w->distill.loss = fused.loss;
  clloss_distill distill_fused = w->distill;
  distill_fused.grad = fused.grad;
  const clloss_distill_options warm = {.struct_size = sizeof warm, .temperature = 2};
  w->information = (clloss_information){.struct_size = sizeof w->information, .rows = 4, .classes = 6};
  w->information.input = fused.logits;
  w->information.entropy = fused.row_loss;
  const clloss_information_options of_p = {.struct_size = sizeof of_p, .flags = CLLOSS_FROM_PROBABILITIES};
  const clloss_softmax_options log_of = {.struct_size = sizeof log_of, .flags = CLLOSS_LOG_SOFTMAX};
  const subject subjects[] = {
      {"clloss_softmax in forward", &w->softmax, sizeof back, offsetof(clloss_softmax, grad_output),
       take_softmax},
      {"clloss_softmax in backward", &back, sizeof back, sizeof back - sizeof(uint64_t), take_softmax_back},
      {"clloss_softmax_options", &log_of, sizeof log_of, offsetof(clloss_softmax_options, reserved),
       take_softmax_options},
      {"clloss_distill in forward", &w->distill, sizeof w->distill, offsetof(clloss_distill, row_loss),
       take_distill},
      {"clloss_distill in fused", &distill_fused, sizeof w->distill, offsetof(clloss_distill, grad_loss),
       take_distill_fused},
      {"clloss_distill in workspace", &w->distill, sizeof w->distill, offsetof(clloss_distill, student),
       take_distill_workspace},
      {"clloss_distill_options", &warm, sizeof warm, offsetof(clloss_distill_options, divisor),
       take_distill_options},
      {"clloss_information", &w->information, sizeof w->information, sizeof w->information - sizeof(uint64_t),
       take_information},
      {"clloss_information_options", &of_p, sizeof of_p, offsetof(clloss_information_options, reserved),
       take_information_options},
  };
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) check_sizes(w, &subjects[i]);
}

static void check_pointwise_sizes(world *w) {
  const clloss_xent xent = problem_xent(&w->p, FUSED);
  w->pointwise = (clloss_pointwise){
      .struct_size = sizeof w->pointwise, .rows = 4, .classes = 6, .kind = CLLOSS_MSE, .input = xent.logits};
  w->pointwise.target = xent.logits;
  clloss_pointwise forward = w->pointwise, fused = w->pointwise, backward;
  fused.grad = xent.grad;
  backward = fused;
  forward.loss = fused.loss = w->pointwise.loss = xent.loss;
  const clloss_pointwise_options sum = {.struct_size = sizeof sum, .reduction = CLLOSS_SUM};
  const size_t size = sizeof forward;
  const subject subjects[] = {
      {"clloss_pointwise in forward", &forward, size, offsetof(clloss_pointwise, element_loss),
       take_pointwise},
      {"clloss_pointwise in fused", &fused, size, offsetof(clloss_pointwise, grad_loss),
       take_pointwise_fused},
      {"clloss_pointwise in backward", &backward, size, offsetof(clloss_pointwise, grad_loss),
       take_pointwise_backward},
      {"clloss_pointwise in workspace", &forward, size, offsetof(clloss_pointwise, input),
       take_pointwise_workspace},
      {"clloss_pointwise_options", &sum, sizeof sum, offsetof(clloss_pointwise_options, flags),
       take_pointwise_options},
      {"clloss_pointwise_options, all zero", &(clloss_pointwise_options){0}, sizeof sum, sizeof(size_t),
       take_pointwise_options},
  };
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) check_sizes(w, &subjects[i]);
}

int main(void) {
  world w = {0};
  check_layouts();
  check_version();
  bool open = open_world(&w);
  CHECK(open);
  if (open) {
    check_struct_sizes(&w);
    check_rowwise_sizes(&w);
    check_pointwise_sizes(&w);
    check_short_outputs(&w);
    check_message_place(&w);
    CHECK_STATUS(clFinish(w.f.queue), CL_SUCCESS);
  }
  problem_close(&w.p);
  clloss_ctx_destroy(&w.ctx);
  fixture_close(&w.f);
  edge_close(&w.e);
  return check_done();
}
