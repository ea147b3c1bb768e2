/* Refusals of the cross-entropy calls: each row spoils a good call in one way and names the status and the words
 * (field and value) that the message must hold. A refused call enqueues no kernel, hands out no event, writes no
 * output, and leaves the ctx fit for the next call. */
#include "status_xent.h"

#include "check.h"

#include <stdalign.h>
#include <stdlib.h>

enum { MAX_SCRATCH = 8 };

static struct bench {
  fixture f, other; /* other: a second context on the same device */
  clloss_ctx *split;
  problem p;
  size_t align; /* what origins of sub-buffers must be a multiple of */
  cl_mem root;
  cl_mem optional[VIEW_COUNT - SLOT_COUNT];
  cl_mem scratch[MAX_SCRATCH];
  int n_scratch;
} b;

/* The views that a problem doesn't have: the buffers hold zeros, or what the last good call left there. */
static const struct {
  const char *name;
  uint32_t dtype;
  size_t bytes;
  bool output;
} optional[VIEW_COUNT - SLOT_COUNT] = {
    {"class_weight", CLLOSS_F32, 4 * CLASSES, false},
    {"row_weight", CLLOSS_F32, 4 * ROWS, false},
    {"divisor", CLLOSS_F32, 4, false},
    {"metrics", CLLOSS_F32, 4 * CLLOSS_METRICS, true},
    {"counts", CLLOSS_I64, 8 * CLLOSS_COUNTS, true},
    {"predicted", CLLOSS_I32, 4 * ROWS, true},
    {"confidence", CLLOSS_F32, 4 * ROWS, true},
    {"entropy", CLLOSS_F32, 4 * ROWS, true},
};

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

clloss_view *status_view(call *c, int view) {
  clloss_xent *x = &c->x;
  clloss_view *const more[] = {&x->class_weight, &x->row_weight, &x->divisor,    &x->metrics,
                               &x->counts,       &x->predicted,  &x->confidence, &x->entropy};
  return view < SLOT_COUNT ? xent_slot(x, (enum slot)view) : more[view - SLOT_COUNT];
}

void status_bind(call *c, int view) {
  const int i = view - SLOT_COUNT;
  *status_view(c, view) = (clloss_view){.mem = b.optional[i], .dtype = optional[i].dtype};
}

cl_mem status_root(void) { return b.root; }

static size_t bytes_of(int view) {
  return view < SLOT_COUNT ? b.p.bytes[view] : optional[view - SLOT_COUNT].bytes;
}

static const char *name_of(int view) {
  return view < SLOT_COUNT ? slot_names[view] : optional[view - SLOT_COUNT].name;
}

/* ---- what can be wrong with any view ------------------------------------------------------------------------ */

static void one_byte_short(call *c, int s) {
  status_view(c, s)->mem = buffer(b.f.context, CL_MEM_READ_WRITE, bytes_of(s) - 1, NULL);
}
static void offset_past_end(call *c, int s) { status_view(c, s)->offset = s == WORKSPACE ? 256 : 1; }
static void offset_huge(call *c, int s) { status_view(c, s)->offset = SIZE_MAX - 255; }
/* times four bytes it wraps round to 0 */
static void offset_wraps(call *c, int s) { status_view(c, s)->offset = SIZE_MAX / 4 + 1; }
static void sub_buffer_short(call *c, int s) {
  status_view(c, s)->mem = sub(b.root, b.align, bytes_of(s) - 1);
}
static void other_context(call *c, int s) {
  status_view(c, s)->mem = buffer(b.other.context, CL_MEM_READ_WRITE, ROOT_BYTES, NULL);
}
static void dtype_unset(call *c, int s) { status_view(c, s)->dtype = 0; }
static void dtype_unknown(call *c, int s) { status_view(c, s)->dtype = 99; }
static void dtype_of_another(call *c, int s) {
  status_view(c, s)->dtype = s == TARGETS || s == COUNTS || s == PREDICTED ? CLLOSS_U8 : CLLOSS_I32;
}
static void flag_unknown(call *c, int s) { status_view(c, s)->flags = 1u << 31; }
static void broadcast(call *c, int s) { status_view(c, s)->flags = CLLOSS_BROADCAST; }
static void pointer_too(call *c, int s) { status_view(c, s)->pointer = host_memory; }
static void class_stride(call *c, int s) { status_view(c, s)->class_stride = 2; }
static void odd_address(call *c, int s) {
  status_view(c, s)->mem = buffer(b.f.context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, ROOT_BYTES - 64,
                                  host_memory + 1);
}
/* Inputs in memory that kernels may not read, outputs in memory that they may not write. */
static void no_access(call *c, int s) {
  bool input = s == LOGITS || s == TARGETS || s == GRAD_LOSS || s == CLASS_WEIGHT || s == ROW_WEIGHT ||
               s == DIVISOR;
  status_view(c, s)->mem = buffer(b.f.context, input ? CL_MEM_WRITE_ONLY : CL_MEM_READ_ONLY, ROOT_BYTES,
                                  NULL);
}

/* views: a bit each of those that the row is about. The words gain the view's name. */
#define ALL        ((1u << VIEW_COUNT) - 1u)
#define ONLY(view) (1u << (view))
#define BUT(views) (ALL & ~(views))
static const struct {
  const char *name;
  void (*spoil)(call *, int);
  clloss_status status;
  unsigned views;
  const char *words;
} view_rows[] = {
    {"one byte short", one_byte_short, CLLOSS_BUFFER_SIZE, BUT(ONLY(WORKSPACE)), ""},
    {"offset past the end", offset_past_end, CLLOSS_BUFFER_SIZE, BUT(ONLY(WORKSPACE)), "needs"},
    {"offset huge", offset_huge, CLLOSS_STRIDE, BUT(ONLY(WORKSPACE)), "offset 18446744073709551360"},
    {"offset wraps", offset_wraps, CLLOSS_STRIDE, BUT(ONLY(WORKSPACE)), "offset 4611686018427387904"},
    {"sub-buffer short", sub_buffer_short, CLLOSS_BUFFER_SIZE, BUT(ONLY(WORKSPACE)), ""},
    {"workspace one byte short", one_byte_short, CLLOSS_WORKSPACE, ONLY(WORKSPACE), ""},
    {"workspace offset past the end", offset_past_end, CLLOSS_WORKSPACE, ONLY(WORKSPACE), "needs"},
    {"workspace offset huge", offset_huge, CLLOSS_STRIDE, ONLY(WORKSPACE), "18446744073709551360"},
    {"workspace sub-buffer short", sub_buffer_short, CLLOSS_WORKSPACE, ONLY(WORKSPACE), ""},
    {"other context", other_context, CLLOSS_MEMORY_CONTEXT, ALL, ""},
    {"dtype unset", dtype_unset, CLLOSS_DTYPE, ALL, "dtype 0"},
    {"dtype unknown", dtype_unknown, CLLOSS_DTYPE, ALL, "dtype 99"},
    {"dtype of another", dtype_of_another, CLLOSS_DTYPE, BUT(ONLY(TARGETS)), "dtype"},
    {"unknown flag", flag_unknown, CLLOSS_OPTION, ALL, "flags"},
    {"broadcast", broadcast, CLLOSS_OPTION, BUT(ONLY(GRAD_LOSS) | ONLY(ROW_WEIGHT)), "flags broadcast"},
    {"a pointer beside mem", pointer_too, CLLOSS_OPTION, ALL, "both mem and pointer"},
    {"class stride", class_stride, CLLOSS_STRIDE, BUT(ONLY(LOGITS) | ONLY(GRAD)), "class_stride 2"},
    {"class stride past the end", class_stride, CLLOSS_BUFFER_SIZE, ONLY(LOGITS) | ONLY(GRAD), "needs 300"},
    {"odd address", odd_address, CLLOSS_ALIGNMENT, BUT(ONLY(WORKSPACE)), ""},
    {"no access", no_access, CLLOSS_ACCESS, ALL, ""},
};

/* ---- what is wrong in one place ----------------------------------------------------------------------------- */

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
  X(grad_unreadable, FUSED, ACCESS, "grad write written", c->o.grad_beta = 1; \
    c->x.grad.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY, ROOT_BYTES, NULL);) \
  X(grad_unreadable_backward, BACKWARD, ACCESS, "grad write written", c->o.grad_beta = -0.5; \
    c->x.grad.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY, ROOT_BYTES, NULL);) \
  X(workspace_unreadable, FORWARD, ACCESS, "workspace write written", \
    c->x.workspace.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY, ROOT_BYTES, NULL);) \
  X(workspace_unreadable_backward, BACKWARD, ACCESS, "workspace write written", \
    c->x.workspace.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY, ROOT_BYTES, NULL);) \
  X(in_place_unreadable, FUSED, ACCESS, "logits write", \
    c->x.logits.mem = c->x.grad.mem = buffer(b.f.context, CL_MEM_WRITE_ONLY, ROOT_BYTES, NULL);) \
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
  X(reduction_unknown, FUSED, OPTION, "reduction 4", c->o.reduction = 4;) \
  X(reduction_of_elements, FUSED, OPTION, "reduction CLLOSS_BATCHMEAN elementwise", c->o.reduction = CLLOSS_BATCHMEAN;) \
  X(option_flag_unknown, FORWARD, OPTION, "flags 0x80000001 bit 31", c->o.flags |= 1u << 31;) \
  X(option_flag_of_softmax, FORWARD, OPTION, "flags CLLOSS_LOG_SOFTMAX clloss_softmax_options", \
    c->o.flags |= CLLOSS_LOG_SOFTMAX;) \
  X(option_flag_of_information, FUSED, OPTION, "CLLOSS_FROM_LOG_PROBABILITIES clloss_information_options", \
    c->o.flags |= CLLOSS_FROM_LOG_PROBABILITIES;) \
  X(option_flag_of_view, FUSED, OPTION, "options.flags CLLOSS_BROADCAST clloss_view", c->o.flags |= CLLOSS_BROADCAST;) \
  X(view_flag_of_options, FUSED, OPTION, "xent.loss.flags CLLOSS_IGNORE_INDEX clloss_xent_options", \
    c->x.loss.flags = CLLOSS_IGNORE_INDEX;) \
  X(ignore_index_unflagged, BACKWARD, OPTION, "ignore_index CLLOSS_IGNORE_INDEX", c->o.flags = 0;) \
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

CALL_ROWS(ROW_FUNCTION) GOOD_ROWS(ROW_FUNCTION)
    /* clang-format on */

    static const call_row call_rows[] = {CALL_ROWS(ROW_ENTRY) GOOD_ROWS(ROW_ENTRY)};

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

/* The optional outputs: a pattern before each call, and whether it is all still there. The inputs are rewritten too, as
 * rows may have bound them to be written. */
static void poison_optional(void) {
  const unsigned char poison = 0xA5, zero = 0;
  for (int i = 0; i < VIEW_COUNT - SLOT_COUNT; i++)
    CHECK_STATUS(clEnqueueFillBuffer(b.f.queue, b.optional[i], optional[i].output ? &poison : &zero, 1, 0,
                                     optional[i].bytes, 0, NULL, NULL),
                 CL_SUCCESS);
}

static bool optional_untouched(void) {
  unsigned char host[256];
  for (int i = 0; i < VIEW_COUNT - SLOT_COUNT; i++) {
    if (!optional[i].output) continue;
    CHECK_STATUS(
        clEnqueueReadBuffer(b.f.queue, b.optional[i], CL_TRUE, 0, optional[i].bytes, host, 0, NULL, NULL),
        CL_SUCCESS);
    for (size_t at = 0; at < optional[i].bytes; at++)
      if (host[at] != 0xA5) return false;
  }
  return true;
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
    CHECK(optional_untouched());
    CHECK(*message);
    if (!says(message, words)) {
      check_fail(__FILE__, __LINE__);
      fprintf(stderr, "\"%s\" doesn't say: %s\n", message, words);
    }
  }
  return failures == check_failures;
}

/* Of a row about one view `spoil` is NULL, and every view that the call can use is bound. */
static bool run_row(const call_row *row, void (*spoil_view)(call *, int), int view) {
  call c = {.ctx = b.split, .x = problem_xent(&b.p, row->which), .o = b.p.options, .queue = b.f.queue};
  c.xent = &c.x;
  c.options = &c.o;
  if (row->spoil) {
    row->spoil(&c);
  } else {
    for (int i = SLOT_COUNT; i < VIEW_COUNT; i++) status_bind(&c, i);
    spoil_view(&c, view);
  }
  problem_poison(&b.p, row->which, b.f.queue);
  poison_optional();
  bool ok = judge(&c, row->which, row->status, row->words);
  if (!ok)
    fprintf(stderr, "  in row '%s', %s%s%s; the message is \"%s\"\n", row->name, pass_names[row->which],
            row->spoil ? "" : ", of view ", row->spoil ? "" : name_of(view), clloss_ctx_message(c.ctx));
  while (b.n_scratch) clReleaseMemObject(b.scratch[--b.n_scratch]);
  good_call(row->name);
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
  for (int i = 0; i < VIEW_COUNT - SLOT_COUNT && !status; i++)
    b.optional[i] = clCreateBuffer(f->context, CL_MEM_READ_WRITE, optional[i].bytes, NULL, &status);
  if (!status) status = clloss_ctx_create(&b.split, f->context, f->device, &split);
  CHECK_STATUS(status, CL_SUCCESS);
  return !status && problem_open(&b.p, f->queue, ROWS, CLASSES, CLLOSS_MEAN, 1) &&
         problem_own_workspace(&b.p, b.split);
}

static void close_bench(void) {
  problem_close(&b.p);
  clloss_ctx_destroy(&b.split);
  if (b.root) clReleaseMemObject(b.root);
  for (int i = 0; i < VIEW_COUNT - SLOT_COUNT; i++)
    if (b.optional[i]) clReleaseMemObject(b.optional[i]);
  fixture_close(&b.other);
}

int status_xent(const fixture *f, void (*seen)(clloss_status)) {
  bool open = open_bench(f);
  CHECK(open);
  CHECK(!open || b.p.bytes[WORKSPACE] > 0);
  if (open) good_call("nothing");
  for (size_t i = 0; open && i < sizeof view_rows / sizeof *view_rows; i++)
    for (int view = 0; view < VIEW_COUNT; view++) {
      char words[96];
      if (!(view_rows[i].views >> view & 1)) continue;
      snprintf(words, sizeof words, "%s %s", name_of(view), view_rows[i].words);
      const call_row row = {view_rows[i].name, NULL, FUSED, view_rows[i].status, words};
      if (run_row(&row, view_rows[i].spoil, view)) seen(row.status);
    }
  for (size_t i = 0; open && i < sizeof call_rows / sizeof *call_rows; i++)
    if (run_row(&call_rows[i], NULL, 0)) seen(call_rows[i].status);
  for (size_t i = 0; open && i < n_option_rows; i++)
    if (run_row(&option_rows[i], NULL, 0)) seen(option_rows[i].status);
  close_bench();
  return check_failures;
}
