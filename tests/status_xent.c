/* Refusals of the cross-entropy calls: each row spoils a good call in one way and names the status and the words
 * (field and value) that the message must hold. A refused call enqueues no kernel, hands out no event, writes no
 * output, and leaves the ctx fit for the next call. */
#include "status_xent.h"

#include "check.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ROWS = 5, CLASSES = 8, ROOT_BYTES = 1 << 16, MAX_SCRATCH = 8 };

typedef struct call {
  clloss_ctx *ctx;
  const clloss_xent *xent;
  const clloss_xent_options *options;
  cl_command_queue queue;
  cl_uint n_wait;
  const cl_event *wait;
  clloss_xent x;         /* what xent points to */
  clloss_xent_options o; /* what options points to */
  cl_event no_event;     /* NULL: a wait list of one event that isn't */
} call;

static struct bench {
  fixture f, other; /* other: a second context on the same device */
  clloss_ctx *split;
  problem p;
  size_t align; /* what origins of sub-buffers must be a multiple of */
  cl_mem root;
  cl_mem scratch[MAX_SCRATCH];
  int n_scratch;
} b;

static alignas(64) char host_memory[ROOT_BYTES];

static cl_mem keep(cl_mem mem, cl_int status) {
  CHECK_STATUS(status, CL_SUCCESS);
  CHECK(b.n_scratch < MAX_SCRATCH);
  if (mem && b.n_scratch < MAX_SCRATCH) b.scratch[b.n_scratch++] = mem;
  return mem;
}

static cl_mem buffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host) {
  cl_int status;
  cl_mem mem = clCreateBuffer(context, flags, bytes, host, &status);
  return keep(mem, status);
}

static cl_mem sub(cl_mem root, size_t origin, size_t bytes) {
  cl_int status;
  cl_buffer_region region = {origin, bytes};
  cl_mem mem = clCreateSubBuffer(root, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &status);
  return keep(mem, status);
}

/* ---- what can be wrong with any view ------------------------------------------------------------------------ */

static void one_byte_short(call *c, enum slot s) {
  xent_slot(&c->x, s)->mem = buffer(b.f.context, CL_MEM_READ_WRITE, b.p.bytes[s] - 1, NULL);
}
static void offset_past_end(call *c, enum slot s) { xent_slot(&c->x, s)->offset = s == WORKSPACE ? 256 : 1; }
static void offset_huge(call *c, enum slot s) { xent_slot(&c->x, s)->offset = SIZE_MAX - 255; }
/* times four bytes it wraps round to 0 */
static void offset_wraps(call *c, enum slot s) { xent_slot(&c->x, s)->offset = SIZE_MAX / 4 + 1; }
static void sub_buffer_short(call *c, enum slot s) {
  xent_slot(&c->x, s)->mem = sub(b.root, b.align, b.p.bytes[s] - 1);
}
static void other_context(call *c, enum slot s) {
  xent_slot(&c->x, s)->mem = buffer(b.other.context, CL_MEM_READ_WRITE, ROOT_BYTES, NULL);
}
static void dtype_unset(call *c, enum slot s) { xent_slot(&c->x, s)->dtype = 0; }
static void dtype_unknown(call *c, enum slot s) { xent_slot(&c->x, s)->dtype = 99; }
static void dtype_of_another(call *c, enum slot s) {
  xent_slot(&c->x, s)->dtype = s == WORKSPACE || s == TARGETS ? CLLOSS_F32 : CLLOSS_I32;
}
static void flag_unknown(call *c, enum slot s) { xent_slot(&c->x, s)->flags = 1u << 31; }
static void broadcast(call *c, enum slot s) { xent_slot(&c->x, s)->flags = CLLOSS_BROADCAST; }
static void reserved_set(call *c, enum slot s) { xent_slot(&c->x, s)->reserved = 77; }
static void class_stride(call *c, enum slot s) { xent_slot(&c->x, s)->class_stride = 2; }
static void odd_address(call *c, enum slot s) {
  xent_slot(&c->x, s)->mem = buffer(b.f.context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, ROOT_BYTES - 64,
                                    host_memory + 1);
}
/* Inputs in memory that kernels may not read, outputs in memory that they may not write. */
static void no_access(call *c, enum slot s) {
  bool input = s == LOGITS || s == TARGETS || s == GRAD_LOSS;
  xent_slot(&c->x, s)->mem = buffer(b.f.context, input ? CL_MEM_WRITE_ONLY : CL_MEM_READ_ONLY, ROOT_BYTES,
                                    NULL);
}

/* slots: a bit each of those that the row is about. The words gain the slot's name. */
#define ALL       ((1u << SLOT_COUNT) - 1u)
#define BUT(slot) (ALL & ~(1u << (slot)))
static const struct {
  const char *name;
  void (*spoil)(call *, enum slot);
  clloss_status status;
  unsigned slots;
  const char *words;
} view_rows[] = {
    {"one byte short", one_byte_short, CLLOSS_BUFFER_SIZE, BUT(WORKSPACE), ""},
    {"offset past the end", offset_past_end, CLLOSS_BUFFER_SIZE, BUT(WORKSPACE), "needs"},
    {"offset huge", offset_huge, CLLOSS_STRIDE, BUT(WORKSPACE), "offset 18446744073709551360"},
    {"offset wraps", offset_wraps, CLLOSS_STRIDE, BUT(WORKSPACE), "offset 4611686018427387904"},
    {"sub-buffer short", sub_buffer_short, CLLOSS_BUFFER_SIZE, BUT(WORKSPACE), ""},
    {"workspace one byte short", one_byte_short, CLLOSS_WORKSPACE, 1u << WORKSPACE, ""},
    {"workspace offset past the end", offset_past_end, CLLOSS_WORKSPACE, 1u << WORKSPACE, "needs"},
    {"workspace offset huge", offset_huge, CLLOSS_STRIDE, 1u << WORKSPACE, "18446744073709551360"},
    {"workspace sub-buffer short", sub_buffer_short, CLLOSS_WORKSPACE, 1u << WORKSPACE, ""},
    {"other context", other_context, CLLOSS_MEMORY_CONTEXT, ALL, ""},
    {"dtype unset", dtype_unset, CLLOSS_DTYPE, ALL, "dtype 0"},
    {"dtype unknown", dtype_unknown, CLLOSS_DTYPE, ALL, "dtype 99"},
    {"dtype of another", dtype_of_another, CLLOSS_DTYPE, ALL, "dtype"},
    {"unknown flag", flag_unknown, CLLOSS_OPTION, ALL, "flags"},
    {"broadcast", broadcast, CLLOSS_OPTION, BUT(GRAD_LOSS), "flags broadcast"},
    {"reserved", reserved_set, CLLOSS_OPTION, ALL, "reserved 77"},
    {"class stride", class_stride, CLLOSS_STRIDE, ALL, "class_stride 2"},
    {"odd address", odd_address, CLLOSS_ALIGNMENT, BUT(WORKSPACE), ""},
    {"no access", no_access, CLLOSS_ACCESS, ALL, ""},
};

/* ---- what is wrong in one place ----------------------------------------------------------------------------- */

/* name, pass, status, words, statements */
/* clang-format off */
#define CALL_ROWS(X) \
  X(xent_null, FUSED, NULL_ARGUMENT, "xent", c->xent = NULL;) \
  X(queue_null, FUSED, NULL_ARGUMENT, "queue", c->queue = NULL;) \
  X(wait_null, FORWARD, NULL_ARGUMENT, "wait 1", c->n_wait = 1;) \
  X(wait_uncounted, BACKWARD, NULL_ARGUMENT, "wait 0", c->wait = &c->no_event;) \
  X(null_event, FUSED, NULL_ARGUMENT, "wait[0]", c->n_wait = 1; c->wait = &c->no_event;) \
  X(xent_size_zero, FUSED, STRUCT_SIZE, "xent struct_size 0", c->x.struct_size = 0;) \
  X(xent_size_tiny, FORWARD, STRUCT_SIZE, "xent struct_size 7", c->x.struct_size = 7;) \
  X(options_size_zero, FUSED, STRUCT_SIZE, "options struct_size 0", c->o.struct_size = 0;) \
  X(options_size_tiny, BACKWARD, STRUCT_SIZE, "options struct_size 1", c->o.struct_size = 1;) \
  X(no_classes, FUSED, SIZE, "classes 0", c->x.classes = 0;) \
  X(rows_times_classes, FORWARD, SIZE, "rows 4611686018427387905", c->x.rows = SIZE_MAX / 4 + 2;) \
  X(rows_huge, FUSED, SIZE, "rows 18446744073709551615", c->x.rows = SIZE_MAX;) \
  X(classes_huge, BACKWARD, SIZE, "classes 18446744073709551615", c->x.classes = SIZE_MAX;) \
  X(rows_past_buffers, FUSED, BUFFER_SIZE, "logits", c->x.rows = ROWS + 1;) \
  X(classes_past_buffers, FUSED, BUFFER_SIZE, "logits", c->x.classes = CLASSES + 1;) \
  X(logits_stride, FORWARD, STRIDE, "logits row_stride 7", c->x.logits.row_stride = 7;) \
  X(grad_stride, BACKWARD, STRIDE, "grad row_stride 1", c->x.grad.row_stride = 1;) \
  X(row_stats_stride, FUSED, STRIDE, "row_stats row_stride 1", c->x.row_stats.row_stride = 1;) \
  X(stride_overflows, FUSED, STRIDE, "logits row_stride 18446744073709551615", c->x.logits.row_stride = SIZE_MAX;) \
  X(stride_past_buffer, FUSED, BUFFER_SIZE, "logits 176 160", c->x.logits.row_stride = 9;) \
  X(targets_wider, FUSED, BUFFER_SIZE, "targets", c->x.targets.dtype = CLLOSS_I64;) \
  X(workspace_offset, FUSED, ALIGNMENT, "workspace 1", \
    c->x.workspace = (clloss_view){.mem = b.root, .offset = 1, .dtype = CLLOSS_U8};) \
  X(root_odd, FUSED, ALIGNMENT, "logits", c->x.logits.mem = sub(buffer(b.f.context, CL_MEM_USE_HOST_PTR, \
    ROOT_BYTES - 64, host_memory + 2), b.align, 4096);) \
  X(row_stats_unreadable, BACKWARD, ACCESS, "row_stats", \
    c->x.row_stats.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY, ROOT_BYTES, NULL);) \
  X(in_place_unwritable, FUSED, ACCESS, "grad", \
    c->x.logits.mem = c->x.grad.mem = buffer(b.f.context, CL_MEM_READ_ONLY, ROOT_BYTES, NULL);) \
  X(sub_unwritable, FUSED, ACCESS, "loss", \
    c->x.loss.mem = sub(buffer(b.f.context, CL_MEM_READ_ONLY, ROOT_BYTES, NULL), b.align, 64);) \
  X(host_only, FUSED, ACCESS, "logits", \
    c->x.logits.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY | CL_MEM_HOST_READ_ONLY, ROOT_BYTES, NULL);) \
  X(grad_a_row_on, FUSED, OVERLAP, "grad logits", \
    c->x.grad.mem = c->x.logits.mem = b.root; c->x.grad.offset = CLASSES;) \
  X(grad_one_on, BACKWARD, OVERLAP, "grad logits", \
    c->x.grad.mem = c->x.logits.mem = b.root; c->x.logits.offset = 1;) \
  X(grad_wider_rows, FUSED, OVERLAP, "grad logits", \
    c->x.grad.mem = c->x.logits.mem = b.root; c->x.grad.row_stride = CLASSES + 1;) \
  X(grad_between_rows, FUSED, OVERLAP, "grad logits", \
    c->x.grad.mem = c->x.logits.mem = b.root; c->x.grad.offset = CLASSES; \
    c->x.grad.row_stride = c->x.logits.row_stride = 2 * CLASSES;) \
  X(loss_in_grad, FUSED, OVERLAP, "loss grad", c->x.loss.mem = c->x.grad.mem; c->x.loss.offset = 3;) \
  X(loss_in_logits, FORWARD, OVERLAP, "loss logits", \
    c->x.loss.mem = c->x.logits.mem; c->x.loss.offset = ROWS * CLASSES - 1;) \
  X(row_loss_on_targets, FORWARD, OVERLAP, "row_loss targets", c->x.row_loss.mem = c->x.targets.mem;) \
  X(row_loss_in_row_stats, FUSED, OVERLAP, "row_loss row_stats", \
    c->x.row_loss.mem = c->x.row_stats.mem; c->x.row_loss.offset = ROWS;) \
  X(grad_on_row_stats, BACKWARD, OVERLAP, "grad row_stats", \
    c->x.grad.mem = c->x.row_stats.mem = b.root;) \
  X(grad_on_grad_loss, BACKWARD, OVERLAP, "grad grad_loss", \
    c->x.grad.mem = c->x.grad_loss.mem = b.root; c->x.grad_loss.offset = ROWS * CLASSES - 1;) \
  X(workspace_on_logits, FUSED, OVERLAP, "workspace logits", \
    c->x.workspace.mem = c->x.logits.mem = b.root;) \
  X(workspace_on_grad, BACKWARD, OVERLAP, "workspace grad", \
    c->x.workspace.mem = c->x.grad.mem = b.root; c->x.grad.offset = b.p.bytes[WORKSPACE] / 4 - 1;) \
  X(two_subs_of_a_root, FUSED, OVERLAP, "grad logits", \
    c->x.logits.mem = sub(b.root, 0, 4096); c->x.grad.mem = sub(b.root, b.align, 4096); \
    c->x.logits.offset = b.align / 4;) \
  X(sub_and_root, FUSED, OVERLAP, "row_loss logits", \
    c->x.row_loss.mem = sub(b.root, b.align, 4096); \
    c->x.logits.mem = b.root; c->x.logits.offset = b.align / 4 + ROWS - 1;) \
  X(last_byte_of_a_view, FUSED, OVERLAP, "row_loss grad", \
    c->x.grad.mem = c->x.row_loss.mem = b.root; c->x.row_loss.offset = ROWS * CLASSES - 1;) \
  X(queue_elsewhere, FUSED, QUEUE, "queue", c->queue = b.other.queue;) \
  X(no_logits, FUSED, MISSING_VIEW, "logits", c->x.logits.mem = NULL;) \
  X(no_targets, FORWARD, MISSING_VIEW, "targets", c->x.targets.mem = NULL;) \
  X(no_grad, FUSED, MISSING_VIEW, "grad", c->x.grad.mem = NULL;) \
  X(backward_no_grad, BACKWARD, MISSING_VIEW, "grad", c->x.grad.mem = NULL;) \
  X(no_row_stats, BACKWARD, MISSING_VIEW, "row_stats", c->x.row_stats.mem = NULL;) \
  X(no_output, FORWARD, MISSING_VIEW, "loss", \
    c->x.loss.mem = c->x.row_loss.mem = c->x.row_stats.mem = NULL;) \
  X(none_no_output, FORWARD, MISSING_VIEW, "loss", c->o.reduction = CLLOSS_NONE; \
    c->x.loss.mem = c->x.row_loss.mem = c->x.row_stats.mem = NULL;) \
  X(grad_in_forward, FORWARD, UNUSED_VIEW, "grad", \
    c->x.grad = (clloss_view){.mem = b.p.mem[GRAD], .dtype = CLLOSS_F32};) \
  X(grad_loss_in_forward, FORWARD, UNUSED_VIEW, "grad_loss", \
    c->x.grad_loss = (clloss_view){.mem = b.p.mem[GRAD_LOSS], .dtype = CLLOSS_F32};) \
  X(loss_with_none, FUSED, UNUSED_VIEW, "loss", \
    c->o.reduction = CLLOSS_NONE; c->x.grad_loss.flags = CLLOSS_BROADCAST;) \
  X(loss_in_backward, BACKWARD, UNUSED_VIEW, "loss", \
    c->x.loss = (clloss_view){.mem = b.p.mem[LOSS], .dtype = CLLOSS_F32};) \
  X(row_loss_in_backward, BACKWARD, UNUSED_VIEW, "row_loss", \
    c->x.row_loss = (clloss_view){.mem = b.p.mem[ROW_LOSS], .dtype = CLLOSS_F32};) \
  X(reduction_unknown, FUSED, OPTION, "reduction 3", c->o.reduction = 3;) \
  X(option_flag_unknown, FORWARD, OPTION, "flags 2", c->o.flags = 2;) \
  X(ignore_index_unflagged, BACKWARD, OPTION, "ignore_index -100", c->o.flags = 0;) \
  X(upstream_too_short, FUSED, BUFFER_SIZE, "grad_loss", \
    c->o.reduction = CLLOSS_NONE; c->x.loss.mem = NULL;)

/* Odd, and right. The calls may run on poison: only that they are accepted, finish, and enqueue something counts. */
#define GOOD_ROWS(X) \
  X(options_null, FUSED, SUCCESS, "", c->options = NULL;) \
  X(in_place, FUSED, SUCCESS, "", c->x.grad.mem = c->x.logits.mem = b.root;) \
  X(in_place_padded, BACKWARD, SUCCESS, "", c->x.grad.mem = c->x.logits.mem = b.root; \
    c->x.grad.row_stride = c->x.logits.row_stride = 11; c->x.grad.offset = c->x.logits.offset = 3;) \
  X(side_by_side, FUSED, SUCCESS, "", c->x.grad.mem = c->x.logits.mem = c->x.row_loss.mem = b.root; \
    c->x.grad.offset = ROWS * CLASSES; c->x.row_loss.offset = 2 * ROWS * CLASSES;) \
  X(touching_subs, FUSED, SUCCESS, "", \
    c->x.logits.mem = sub(b.root, 0, b.align * 2); c->x.grad.mem = sub(b.root, b.align * 2, b.align * 2);) \
  X(inputs_share, FUSED, SUCCESS, "", c->x.grad_loss = c->x.logits;) \
  X(read_only_inputs, FUSED, SUCCESS, "", \
    c->x.logits.mem = buffer(b.f.context, CL_MEM_READ_ONLY, ROOT_BYTES, NULL);) \
  X(write_only_outputs, FUSED, SUCCESS, "", \
    c->x.grad.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY, ROOT_BYTES, NULL);) \
  X(unpadded_last_row, FUSED, SUCCESS, "", c->x.logits.row_stride = 100; \
    c->x.logits.mem = buffer(b.f.context, CL_MEM_READ_WRITE, ((ROWS - 1) * 100 + CLASSES) * 4, NULL);) \
  X(class_stride_one, FUSED, SUCCESS, "", c->x.logits.class_stride = 1;) \
  X(upstream_broadcast, FUSED, SUCCESS, "", c->o.reduction = CLLOSS_NONE; c->x.loss.mem = NULL; \
    c->x.grad_loss.flags = CLLOSS_BROADCAST;) \
  X(unbound_junk, FUSED, SUCCESS, "", c->x.row_loss = (clloss_view){.offset = SIZE_MAX, .dtype = 99};) \
  X(no_rows, FUSED, SUCCESS, "", c->x.rows = 0;) \
  X(no_rows_at_the_end, FUSED, SUCCESS, "", c->x.rows = 0; c->x.logits.offset = ROWS * CLASSES;) \
  X(host_pointer_aligned, FUSED, SUCCESS, "", \
    c->x.logits.mem = buffer(b.f.context, CL_MEM_USE_HOST_PTR, ROOT_BYTES, host_memory);)

#define ROW_FUNCTION(name, pass, status, words, ...) static void name(call *c) { __VA_ARGS__ }
CALL_ROWS(ROW_FUNCTION) GOOD_ROWS(ROW_FUNCTION)
/* clang-format on */

#define CLLOSS_ROW(name, pass, status, words, ...) {#name, name, pass, CLLOSS_##status, words},
    static const struct {
  const char *name;
  void (*spoil)(call *);
  pass which;
  clloss_status status;
  const char *words;
} call_rows[] = {CALL_ROWS(CLLOSS_ROW) GOOD_ROWS(CLLOSS_ROW)};

/* ---- running a row ------------------------------------------------------------------------------------------ */

static uint64_t kernels(clloss_ctx *ctx) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
  return stats.kernels_enqueued;
}

/* Whether each of the space-separated words stands in the text. */
static bool says(const char *text, const char *words) {
  char word[64];
  for (int used; sscanf(words, "%63s%n", word, &used) == 1; words += used)
    if (!strstr(text, word)) return false;
  return true;
}

static void good_call(const char *after) {
  bool ok = problem_poison(&b.p, FUSED, b.f.queue) &&
            !problem_run(&b.p, FUSED, b.split, b.f.queue, 0, NULL, NULL) &&
            problem_right(&b.p, FUSED, b.f.queue);
  if (ok) return;
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "after '%s' a good call goes wrong: %s\n", after, clloss_ctx_message(b.split));
}

/* Runs the spoilt call. True if all is as it should be. */
static bool judge(call *c, pass which, clloss_status expected, const char *words) {
  int failures = check_failures;
  cl_event none = (cl_event)(void *)&b, done = none;
  uint64_t before = kernels(c->ctx);
  clloss_status status = run_pass(which, c->ctx, c->xent, c->options, c->queue, c->n_wait, c->wait, &done);
  CHECK_STATUS(status, expected);
  if (status == CLLOSS_SUCCESS) {
    CHECK(done && done != none);
    CHECK_STATUS(clWaitForEvents(1, &done), CL_SUCCESS);
    CHECK(kernels(c->ctx) > before || c->x.rows == 0);
    clReleaseEvent(done);
  } else {
    const char *message = clloss_ctx_message(c->ctx);
    CHECK(!done || done == none);
    CHECK_EQ(kernels(c->ctx), before);
    CHECK(problem_untouched(&b.p, which, b.f.queue));
    CHECK(*message);
    if (!says(message, words)) {
      check_fail(__FILE__, __LINE__);
      fprintf(stderr, "\"%s\" doesn't say: %s\n", message, words);
    }
  }
  return failures == check_failures;
}

static bool run_row(const char *name, pass which, clloss_status expected, const char *words,
                    void (*spoil)(call *), void (*spoil_slot)(call *, enum slot), enum slot slot) {
  call c = {.ctx = b.split, .x = problem_xent(&b.p, which), .o = b.p.options, .queue = b.f.queue};
  c.xent = &c.x;
  c.options = &c.o;
  if (spoil)
    spoil(&c);
  else
    spoil_slot(&c, slot);
  problem_poison(&b.p, which, b.f.queue);
  bool ok = judge(&c, which, expected, words);
  if (!ok)
    fprintf(stderr, "  in row '%s', %s%s%s; the message is \"%s\"\n", name, pass_names[which],
            spoil ? "" : ", of view ", spoil ? "" : slot_names[slot], clloss_ctx_message(c.ctx));
  while (b.n_scratch) clReleaseMemObject(b.scratch[--b.n_scratch]);
  good_call(name);
  return ok;
}

static bool open_bench(const fixture *f) {
  /* The split family needs workspace for any shape, which the other families may not. */
  clloss_ctx_options split = {.struct_size = sizeof split, .family = CLLOSS_FAMILY_SPLIT, .slices = 2};
  cl_uint bits = 0;
  cl_int status;
  b.f = *f;
  if (!fixture_open(&b.other)) return false;
  clGetDeviceInfo(f->device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof bits, &bits, NULL);
  b.align = bits / 8;
  while (b.align < ROWS * CLASSES * 4) b.align *= 2;
  b.root = clCreateBuffer(f->context, CL_MEM_READ_WRITE, ROOT_BYTES, NULL, &status);
  if (!status) status = clloss_ctx_create(&b.split, f->context, f->device, &split);
  CHECK_STATUS(status, CL_SUCCESS);
  return !status && problem_open(&b.p, f->queue, ROWS, CLASSES, CLLOSS_MEAN, 1) &&
         problem_own_workspace(&b.p, b.split);
}

static void close_bench(void) {
  problem_close(&b.p);
  clloss_ctx_destroy(&b.split);
  if (b.root) clReleaseMemObject(b.root);
  fixture_close(&b.other);
}

int status_xent(const fixture *f, void (*seen)(clloss_status)) {
  bool open = open_bench(f);
  CHECK(open);
  CHECK(!open || b.p.bytes[WORKSPACE] > 0);
  if (open) good_call("nothing");
  for (size_t i = 0; open && i < sizeof view_rows / sizeof *view_rows; i++)
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
      char words[96];
      snprintf(words, sizeof words, "%s %s", slot_names[slot], view_rows[i].words);
      if (view_rows[i].slots >> slot & 1 && run_row(view_rows[i].name, FUSED, view_rows[i].status, words,
                                                    NULL, view_rows[i].spoil, (enum slot)slot))
        seen(view_rows[i].status);
    }
  for (size_t i = 0; open && i < sizeof call_rows / sizeof *call_rows; i++)
    if (run_row(call_rows[i].name, call_rows[i].which, call_rows[i].status, call_rows[i].words,
                call_rows[i].spoil, NULL, LOGITS))
      seen(call_rows[i].status);
  close_bench();
  return check_failures;
}
