/* The table of public calls, a row each (faults.h). */
#include "faults.h"

#include "case_distill.h"
#include "case_information.h"
#include "case_pointwise.h"
#include "case_softmax.h"
#include "case_xent.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clloss_ctx *fault_ctx(stage *s, char *message, size_t size) {
  const clloss_ctx_options options = {.struct_size = sizeof options,
                                      .message = message,
                                      .message_size_bytes = size,
                                      .family = s->family,
                                      .slices = s->family == CLLOSS_FAMILY_SPLIT ? 2 : 0};
  clloss_ctx *ctx = NULL;
  clloss_ctx_create(&ctx, s->f.context, s->f.device, &options);
  return ctx;
}

/* ---- what the steps hand over ---- */

static cl_uint n_wait(const stage *s) { return s->row->traits & FAULTS_WAITS ? 1 : 0; }
static const cl_event *wait_list(const stage *s) { return n_wait(s) ? &s->wait : NULL; }
static cl_event *done(stage *s) { return s->row->traits & FAULTS_EVENT ? &s->done : NULL; }

static size_t elements(const stage *s) { return s->p.rows * s->p.classes; }

static bool make_wait(stage *s) {
  return !n_wait(s) || clEnqueueMarkerWithWaitList(s->queue, 0, NULL, &s->wait) == CL_SUCCESS;
}

static void drop(cl_event *event) {
  if (*event) clReleaseEvent(*event);
  *event = NULL;
}

/* ---- words and numbers, which ask no device ---- */

static clloss_status say_words(stage *s) {
  const char *const words[] = {clloss_status_name(CLLOSS_SIZE), clloss_status_text(CLLOSS_SIZE),
                               clloss_family_name(s->family),   clloss_pointwise_name(CLLOSS_MSE),
                               clloss_ctx_message(s->ctx),      clloss_dtype_name(CLLOSS_BF16),
                               clloss_tensor_message(s->tensor)};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!words[i]) return CLLOSS_OPTION;
  const clloss_view view = clloss_tensor_view(s->tensor);
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  const clloss_view made = clloss_view_of(view.mem, CLLOSS_F16), at = clloss_view_at(s, CLLOSS_I64);
  if (made.mem != view.mem || made.dtype != CLLOSS_F16 || made.offset || made.flags) return CLLOSS_OPTION;
  if (at.pointer != s || at.mem || at.dtype != CLLOSS_I64 || at.offset || at.flags) return CLLOSS_OPTION;
  if (!clloss_version() || clloss_dtype_size(CLLOSS_BF16) != 2 || (view.mem != NULL) != (s->tensor != NULL))
    return CLLOSS_OPTION;
  return clloss_ctx_get_stats(s->ctx, &stats);
}

static clloss_status convert(stage *s) {
  uint16_t half = 0;
  const double one = 1;
  const clloss_status status = clloss_convert(CLLOSS_F16, &half, CLLOSS_F64, &one, 1);
  (void)s;
  return status ? status : half == 0x3c00 ? CLLOSS_SUCCESS : CLLOSS_VALUE;
}

/* ---- ctx ---- */

static clloss_status make_ctx(stage *s) {
  const clloss_ctx_options options = {.struct_size = sizeof options,
                                      .message = s->message,
                                      .message_size_bytes = sizeof s->message,
                                      .family = s->family,
                                      .tuning = "split_classes 8192\n"};
  return clloss_ctx_create(&s->made, s->f.context, s->f.device, &options);
}

static bool made_ctx_works(stage *s) {
  const clloss_xent x = {.struct_size = sizeof x, .rows = 5, .classes = 40};
  clloss_plan plan = {.struct_size = sizeof plan};
  return clloss_xent_plan(s->made, &x, &plan) == CLLOSS_SUCCESS && plan.family == s->family;
}

static bool open_made(stage *s) { return make_ctx(s) == CLLOSS_SUCCESS; }
static clloss_status destroy_ctx(stage *s) {
  clloss_ctx_destroy(&s->made);
  return s->made ? CLLOSS_OPTION : CLLOSS_SUCCESS;
}
static void drop_made(stage *s) { clloss_ctx_destroy(&s->made); }

/* A ctx that holds inner events and a block of the pool. */
static bool open_used(stage *s) {
  return problem_run(&s->p, FUSED, s->ctx, s->queue, 0, NULL, NULL) == CLLOSS_SUCCESS;
}
static clloss_status trim(stage *s) { return clloss_ctx_trim(s->ctx); }

static bool open_poison(stage *s) { return problem_poison(&s->p, FUSED, s->queue) && make_wait(s); }
static clloss_status fused(stage *s) {
  return problem_run(&s->p, FUSED, s->ctx, s->queue, n_wait(s), wait_list(s), done(s));
}
static bool fused_right(stage *s) { return problem_right(&s->p, FUSED, s->queue); }
static bool calls_work(stage *s) { return open_poison(s) && fused(s) == CLLOSS_SUCCESS && fused_right(s); }

/* ---- programs ---- */

/* In two calls, as everybody does; the room for it is nothing that is to fail. */
static clloss_status take_blob(stage *s) {
  size_t size = 0;
  clloss_status status = clloss_ctx_programs(s->ctx, NULL, 0, &size);
  if (status) return status;
  if (size > s->blob_bytes) return CLLOSS_SIZE;
  return clloss_ctx_programs(s->ctx, s->blob, s->blob_bytes, &size);
}

static bool open_blob(stage *s) {
  /* idle, as docs/devices.md tells of PoCL 3.1 */
  if (!open_used(s) || clFinish(s->queue) || clloss_ctx_programs(s->ctx, NULL, 0, &s->blob_bytes))
    return false;
  s->blob = malloc(s->blob_bytes);
  return s->blob && clloss_ctx_programs(s->ctx, s->blob, s->blob_bytes, &s->blob_bytes) == CLLOSS_SUCCESS;
}
static void close_blob(stage *s) {
  clloss_ctx_destroy(&s->made);
  free(s->blob);
  s->blob = NULL;
}

static clloss_status make_with(stage *s, clloss_ctx_options options) {
  options.struct_size = sizeof options;
  options.message = s->message;
  options.message_size_bytes = sizeof s->message;
  options.family = s->family;
  return clloss_ctx_create(&s->made, s->f.context, s->f.device, &options);
}
static clloss_status make_of_blob(stage *s) {
  return make_with(s, (clloss_ctx_options){.programs = s->blob, .programs_size_bytes = s->blob_bytes});
}
static clloss_status make_sharing(stage *s) { return make_with(s, (clloss_ctx_options){.share = s->ctx}); }

/* It took the blob, and nothing that it compiled. */
static bool takes_blob(stage *s) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  if (!s->made && make_of_blob(s)) return false;
  return !*s->message && open_poison(s) && !problem_run(&s->p, FUSED, s->made, s->queue, 0, NULL, NULL) &&
         fused_right(s) && !clloss_ctx_get_stats(s->made, &stats) && stats.programs_loaded > 0;
}
static bool shares(stage *s) {
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  return open_poison(s) && !problem_run(&s->p, FUSED, s->made, s->queue, 0, NULL, NULL) && fused_right(s) &&
         !clloss_ctx_get_stats(s->made, &stats) && stats.programs_built + stats.programs_loaded == 0;
}

/* The first call of a ctx that has a blob. */
static clloss_status fused_of_blob(stage *s) {
  clloss_ctx_destroy(&s->made);
  clloss_status status = make_of_blob(s);
  if (status) return status;
  status = problem_run(&s->p, FUSED, s->made, s->queue, 0, NULL, NULL);
  if (status) snprintf(s->message, sizeof s->message, "%s", clloss_ctx_message(s->made));
  return status;
}

static clloss_status ask_key(stage *s) {
  char key[CLLOSS_KEY_BYTES];
  return clloss_programs_key(s->f.device, key, sizeof key);
}

static clloss_status cast(stage *s) {
  const clloss_cast_arrays arrays = {.struct_size = sizeof arrays,
                                     .rows = s->p.rows,
                                     .classes = s->p.classes,
                                     .input = clloss_view_of(s->p.mem[LOGITS], CLLOSS_F32),
                                     .output = clloss_view_of(s->p.mem[GRAD], CLLOSS_F16)};
  return clloss_cast(s->ctx, &arrays, s->queue, n_wait(s), wait_list(s), done(s));
}
static bool cast_right(stage *s) {
  enum { SOME = 32 };
  uint16_t got[SOME], expected[SOME];
  return !clEnqueueReadBuffer(s->queue, s->p.mem[GRAD], CL_TRUE, 0, sizeof got, got, 0, NULL, NULL) &&
         !clloss_convert(CLLOSS_F16, expected, CLLOSS_F32, s->p.logits, SOME) &&
         !memcmp(got, expected, sizeof got);
}

static clloss_status prebuild(stage *s) {
  const clloss_xent x = problem_xent(&s->p, FUSED);
  const clloss_call call = {.call = CLLOSS_CALL_XENT_FUSED, .arrays = &x, .options = &s->p.options};
  return clloss_ctx_prebuild(s->ctx, &call, 1);
}

/* ---- plans and sizes ---- */

static clloss_status plan(stage *s) {
  const clloss_xent x = {.struct_size = sizeof x, .rows = s->p.rows, .classes = s->p.classes};
  clloss_plan found = {.struct_size = sizeof found};
  const clloss_status status = clloss_xent_plan(s->ctx, &x, &found);
  return status || found.family == s->family ? status : CLLOSS_PLAN;
}

static clloss_status xent_size(stage *s) {
  const clloss_xent x = problem_xent(&s->p, FUSED);
  size_t bytes = 0;
  const clloss_status status = clloss_xent_workspace(s->ctx, &x, &s->p.options, &bytes);
  return status || bytes ? status : CLLOSS_WORKSPACE;
}

static clloss_status distill_size(stage *s) {
  const clloss_distill x = {.struct_size = sizeof x, .rows = 5, .classes = 40};
  size_t bytes = 0;
  const clloss_status status = clloss_distill_workspace(s->ctx, &x, NULL, &bytes);
  return status || bytes ? status : CLLOSS_WORKSPACE;
}

static clloss_status pointwise_size(stage *s) {
  const clloss_pointwise x = {.struct_size = sizeof x, .rows = 5, .classes = 40, .kind = CLLOSS_MSE};
  size_t bytes = 0;
  const clloss_status status = clloss_pointwise_workspace(s->ctx, &x, NULL, &bytes);
  return status || bytes ? status : CLLOSS_WORKSPACE;
}

/* ---- a call whose pool has no block free ---- */

/* On each of as many queues as there are blocks a call waits for the gate. */
static bool open_full(stage *s) {
  cl_int error = CL_SUCCESS;
  s->gate = clCreateUserEvent(s->f.context, &error);
  for (size_t i = 0; !error && i < sizeof s->others / sizeof *s->others; i++) {
    s->others[i] = fixture_queue(&s->f, 0);
    error = problem_run(&s->q, FUSED, s->ctx, s->others[i], 1, &s->gate, NULL);
  }
  return !error && open_poison(s);
}

static bool open_gate(stage *s) {
  const cl_int error = clSetUserEventStatus(s->gate, CL_COMPLETE);
  for (size_t i = 0; i < sizeof s->others / sizeof *s->others; i++)
    if (s->others[i]) clFinish(s->others[i]);
  return !error && fused_right(s);
}

static void close_full(stage *s) {
  clFinish(s->queue);
  for (size_t i = 0; i < sizeof s->others / sizeof *s->others; i++) {
    if (s->others[i]) clReleaseCommandQueue(s->others[i]);
    s->others[i] = NULL;
  }
  drop(&s->gate);
  drop(&s->wait);
}

static void drop_wait(stage *s) { drop(&s->wait); }

/* ---- arrays in host memory ---- */

static bool open_host(stage *s) {
  s->host = calloc(elements(s) + s->p.rows + 1, sizeof *s->host);
  return s->host != NULL;
}

/* Of parts of one row, and of the whole. */
static clloss_status run_host(stage *s) {
  static const float upstream = 0.5F;
  const clloss_xent_arrays arrays = {.struct_size = sizeof arrays,
                                     .rows = s->p.rows,
                                     .classes = s->p.classes,
                                     .logits_dtype = CLLOSS_F32,
                                     .targets_dtype = CLLOSS_I32,
                                     .logits = s->p.logits,
                                     .targets = s->p.targets,
                                     .grad_loss = &upstream,
                                     .grad = s->host,
                                     .row_loss = s->host + elements(s),
                                     .loss = s->host + elements(s) + s->p.rows,
                                     .part_bytes = s->p.classes * sizeof(float)};
  return clloss_xent_host(s->ctx, &arrays, &s->p.options);
}

static bool near(const char *what, const float *got, const double *expected, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (fabs((double)got[i] - expected[i]) <= 1e-5 + 1e-5 * fabs(expected[i])) continue;
    fprintf(stderr, "%s[%zu] is %g, expected %g\n", what, i, (double)got[i], expected[i]);
    return false;
  }
  return true;
}

static bool host_right(stage *s) {
  const float *rows = s->host + elements(s);
  return near("grad", s->host, s->p.grad, elements(s)) && near("row_loss", rows, s->p.row_loss, s->p.rows) &&
         near("loss", rows + s->p.rows, &s->p.loss, 1);
}

static void close_host(stage *s) {
  free(s->host);
  s->host = NULL;
}

/* ---- tensors ---- */

static clloss_status make_tensor(stage *s) {
  return clloss_tensor_create(&s->tensor, s->ctx, CLLOSS_F32, s->p.rows, s->p.classes);
}

static void close_tensor(stage *s) {
  clloss_tensor_destroy(&s->tensor);
  drop(&s->wait);
  free(s->host);
  free(s->host_wide);
  s->host = NULL;
  s->host_wide = NULL;
  s->mapped = NULL;
}

/* The problem's logits; host_wide has them too, and host has none of them. */
static bool open_tensor(stage *s) {
  s->host = calloc(elements(s), sizeof *s->host);
  s->host_wide = calloc(elements(s), sizeof *s->host_wide);
  if (!s->host || !s->host_wide || make_tensor(s)) return false;
  for (size_t i = 0; i < elements(s); i++) s->host_wide[i] = (double)s->p.logits[i];
  return clloss_tensor_upload(s->tensor, s->p.logits, s->queue, 0, NULL, NULL) == CLLOSS_SUCCESS &&
         make_wait(s);
}

static bool open_empty(stage *s) {
  return open_tensor(s) &&
         clloss_tensor_upload(s->tensor, s->host, s->queue, 0, NULL, NULL) == CLLOSS_SUCCESS;
}

static bool open_wide(stage *s) {
  const bool good = open_tensor(s);
  for (size_t i = 0; good && i < elements(s); i++) s->host_wide[i] = -1;
  return good;
}

static bool open_mapped(stage *s) {
  const bool good = open_empty(s) &&
                    clloss_tensor_map(s->tensor, &s->mapped, s->queue, 0, NULL, NULL) == CLLOSS_SUCCESS;
  if (good) memcpy(s->mapped, s->p.logits, s->p.bytes[LOGITS]);
  return good;
}

static bool same(const stage *s, const void *got) { return !memcmp(got, s->p.logits, s->p.bytes[LOGITS]); }

/* Read behind the tensor's back. */
static bool holds_logits(stage *s) {
  const clloss_view view = clloss_tensor_view(s->tensor);
  float *got = calloc(elements(s), sizeof *got);
  const bool good = got &&
                    !clEnqueueReadBuffer(s->queue, view.mem, CL_TRUE, 0, s->p.bytes[LOGITS], got, 0, NULL,
                                         NULL) &&
                    same(s, got);
  free(got);
  return good;
}

static bool tensor_works(stage *s) {
  return clloss_tensor_upload(s->tensor, s->p.logits, s->queue, 0, NULL, NULL) == CLLOSS_SUCCESS &&
         holds_logits(s);
}

static clloss_status upload(stage *s) {
  return clloss_tensor_upload(s->tensor, s->p.logits, s->queue, n_wait(s), wait_list(s), done(s));
}
static clloss_status download(stage *s) {
  return clloss_tensor_download(s->tensor, s->host, s->queue, n_wait(s), wait_list(s), done(s));
}
static clloss_status upload_as(stage *s) {
  return clloss_tensor_upload_as(s->tensor, CLLOSS_F64, s->host_wide, s->queue, n_wait(s), wait_list(s),
                                 done(s));
}
static clloss_status download_as(stage *s) {
  return clloss_tensor_download_as(s->tensor, CLLOSS_F64, s->host_wide, s->queue, n_wait(s), wait_list(s),
                                   done(s));
}
static clloss_status map(stage *s) {
  return clloss_tensor_map(s->tensor, &s->mapped, s->queue, n_wait(s), wait_list(s), done(s));
}
static clloss_status unmap(stage *s) {
  return clloss_tensor_unmap(s->tensor, s->queue, n_wait(s), wait_list(s), done(s));
}
static clloss_status destroy(stage *s) {
  clloss_tensor_destroy(&s->tensor);
  return s->tensor ? CLLOSS_OPTION : CLLOSS_SUCCESS;
}

static bool downloaded(stage *s) { return !clFinish(s->queue) && same(s, s->host); }
static bool downloaded_wide(stage *s) {
  bool good = !clFinish(s->queue);
  for (size_t i = 0; i < elements(s); i++) good = good && s->host_wide[i] == (double)s->p.logits[i];
  return good;
}
static bool mapped_right(stage *s) {
  return !clFinish(s->queue) && s->mapped && same(s, s->mapped) &&
         clloss_tensor_unmap(s->tensor, s->queue, 0, NULL, NULL) == CLLOSS_SUCCESS && holds_logits(s);
}

/* ---- the table ---- */

static const xent_shape plain = {.rows = 5, .classes = 40},
                        weighted = {.rows = 5,
                                    .classes = 40,
                                    .with = XENT_WITH_CLASS_WEIGHT | XENT_WITH_ROW_WEIGHT |
                                            XENT_WITH_METRICS | XENT_WITH_COUNTS,
                                    .upstream = XENT_UPSTREAM_ONE};
static const softmax_shape softmax = {.rows = 5, .classes = 40};
static const distill_shape distill = {.rows = 5, .classes = 40, .with = DISTILL_WITH_ROW_WEIGHT};
static const information_shape information = {.rows = 5, .classes = 40};
static const pointwise_shape pointwise = {
    .rows = 5, .classes = 40, .kind = CLLOSS_MSE, .weight = POINTWISE_ROWS};

enum { OPENCL = 0, QUIET = FAULTS_NONE | FAULTS_ONCE, TENSOR = FAULTS_ONCE | FAULTS_TENSOR };

/* A pool that can't ask about a block's last use, or a ctx that can't keep an event, goes on without. */
#define POOL .deaf = {{"clGetEventInfo", 1}, {"realloc", 1}}

#define HARNESS(name, how, harness, shape) \
  { name, how, OPENCL, harness, shape, POOL }

/* clang-format off */
const fault_row fault_rows[] = {
    {"clloss_version", "", QUIET, .step = say_words},
    {"clloss_status_name", "", QUIET, .step = say_words},
    {"clloss_status_text", "", QUIET, .step = say_words},
    {"clloss_family_name", "", QUIET, .step = say_words},
    {"clloss_dtype_name", "", QUIET, .step = say_words},
    {"clloss_dtype_size", "", QUIET, .step = say_words},
    {"clloss_pointwise_name", "", QUIET, .step = say_words},
    {"clloss_ctx_message", "", QUIET, .step = say_words},
    {"clloss_ctx_get_stats", "", QUIET, .step = say_words},
    {"clloss_tensor_message", "", QUIET, .open = open_tensor, .step = say_words, .close = close_tensor},
    {"clloss_view_of", "", QUIET, .step = say_words},
    {"clloss_view_at", "", QUIET, .step = say_words},
    {"clloss_tensor_view", "", QUIET, .open = open_tensor, .step = say_words, .close = close_tensor},
    {"clloss_convert", "", QUIET, .step = convert},
    {"clloss_xent_workspace", "", QUIET, .step = xent_size},
    {"clloss_distill_workspace", "", QUIET, .step = distill_size},
    {"clloss_pointwise_workspace", "", QUIET, .step = pointwise_size},

    {"clloss_ctx_create", "", FAULTS_ONCE, .step = make_ctx, .right = made_ctx_works, .close = drop_made},
    {"clloss_ctx_create", "of programs in a blob", FAULTS_ONCE, .open = open_blob, .step = make_of_blob, .right = takes_blob, .close = close_blob},
    {"clloss_ctx_create", "of programs of another", FAULTS_ONCE, .open = open_used, .step = make_sharing, .right = shares, .close = drop_made},
    {"clloss_ctx_programs", "", FAULTS_ONCE, .open = open_blob, .step = take_blob, .right = takes_blob, .close = close_blob},
    {"clloss_programs_key", "", FAULTS_ONCE | FAULTS_MUTE, .step = ask_key},
    {"clloss_ctx_destroy", "", QUIET, .open = open_made, .step = destroy_ctx, .close = drop_made},
    {"clloss_ctx_trim", "", OPENCL, .open = open_used, .step = trim, .right = calls_work, .deaf = {{"clGetEventInfo", 8}}},
    {"clloss_ctx_prebuild", "", OPENCL, .step = prebuild, .right = calls_work, POOL},
    {"clloss_xent_plan", "", FAULTS_FRESH, .step = plan},

    {"clloss_tensor_create", "", FAULTS_ONCE, .step = make_tensor, .right = tensor_works, .close = close_tensor},
    {"clloss_tensor_destroy", "", QUIET, .open = open_tensor, .step = destroy, .close = close_tensor},
    {"clloss_tensor_destroy", "of a mapped one", TENSOR, .open = open_mapped, .step = destroy, .close = close_tensor, .deaf = {{"clEnqueueUnmapMemObject", 1}, {"map", 1}}},
    {"clloss_tensor_upload", "", TENSOR, .open = open_empty, .step = upload, .right = holds_logits, .close = close_tensor},
    {"clloss_tensor_upload", "with a wait list and an event", TENSOR | FAULTS_WAITS | FAULTS_EVENT, .open = open_empty, .step = upload, .right = holds_logits, .close = close_tensor},
    {"clloss_tensor_download", "", TENSOR, .open = open_tensor, .step = download, .right = downloaded, .close = close_tensor},
    {"clloss_tensor_download", "with a wait list and an event", TENSOR | FAULTS_WAITS | FAULTS_EVENT, .open = open_tensor, .step = download, .right = downloaded, .close = close_tensor},
    {"clloss_tensor_upload_as", "", TENSOR, .open = open_empty, .step = upload_as, .right = holds_logits, .close = close_tensor},
    {"clloss_tensor_upload_as", "with a wait list and an event", TENSOR | FAULTS_WAITS | FAULTS_EVENT, .open = open_empty, .step = upload_as, .right = holds_logits, .close = close_tensor, .deaf = {{"realloc", 1}}},
    {"clloss_tensor_download_as", "", TENSOR, .open = open_wide, .step = download_as, .right = downloaded_wide, .close = close_tensor},
    {"clloss_tensor_download_as", "with a wait list and an event", TENSOR | FAULTS_WAITS | FAULTS_EVENT, .open = open_wide, .step = download_as, .right = downloaded_wide, .close = close_tensor},
    {"clloss_tensor_map", "", TENSOR, .open = open_tensor, .step = map, .right = mapped_right, .close = close_tensor},
    {"clloss_tensor_map", "with a wait list and an event", TENSOR | FAULTS_WAITS | FAULTS_EVENT, .open = open_tensor, .step = map, .right = mapped_right, .close = close_tensor},
    {"clloss_tensor_unmap", "", TENSOR, .open = open_mapped, .step = unmap, .right = holds_logits, .close = close_tensor, .deaf = {{"realloc", 1}}},
    {"clloss_tensor_unmap", "with a wait list and an event", TENSOR | FAULTS_WAITS | FAULTS_EVENT, .open = open_mapped, .step = unmap, .right = holds_logits, .close = close_tensor},

    HARNESS("clloss_softmax_forward", "", &softmax_forward_case, &softmax),
    HARNESS("clloss_softmax_backward", "", &softmax_backward_case, &softmax),
    HARNESS("clloss_information_forward", "", &information_case, &information),
    HARNESS("clloss_distill_forward", "", &distill_forward_case, &distill),
    HARNESS("clloss_distill_backward", "", &distill_backward_case, &distill),
    HARNESS("clloss_distill_fused", "", &distill_fused_case, &distill),
    HARNESS("clloss_pointwise_forward", "", &pointwise_forward_case, &pointwise),
    HARNESS("clloss_pointwise_backward", "", &pointwise_backward_case, &pointwise),
    HARNESS("clloss_pointwise_fused", "", &pointwise_fused_case, &pointwise),
    HARNESS("clloss_xent_forward", "", &xent_forward_case, &plain),
    HARNESS("clloss_xent_backward", "", &xent_backward_case, &plain),
    HARNESS("clloss_xent_fused", "", &xent_fused_case, &plain),
    HARNESS("clloss_xent_fused", "with weights and metrics", &xent_fused_case, &weighted),
    {"clloss_xent_fused", "on SVM", FAULTS_SVM, &xent_fused_case, &plain, POOL},
    HARNESS("clloss_xent_divisor", "", &xent_divisor_case, &weighted),
    {"clloss_xent_fused", "as a ctx's first call", FAULTS_FRESH, .open = open_poison, .step = fused, .right = fused_right, POOL},
    {"clloss_xent_fused", "on a queue out of order", FAULTS_LOOSE | FAULTS_WAITS | FAULTS_EVENT, .open = open_poison, .step = fused, .right = fused_right, .close = drop_wait, POOL},
    {"clloss_xent_fused", "while all workspace is taken", FAULTS_WAITS | FAULTS_EVENT, .open = open_full, .step = fused, .right = open_gate, .close = close_full,
     .deaf = {{"clGetEventInfo", 32}, {"clGetCommandQueueInfo", 8}, {"realloc", 1}}},
    {"clloss_xent_fused", "of programs in a blob", FAULTS_ONCE, .open = open_blob, .step = fused_of_blob, .right = fused_right, .close = close_blob,
     .deaf = {{"clCreateProgramWithBinary", 2}, {"clBuildProgram", 2}, {"clGetProgramInfo", 2}, {"clGetEventInfo", 1}, {"realloc", 1}}},
    {"clloss_cast", "", FAULTS_WAITS | FAULTS_EVENT, .open = open_poison, .step = cast, .right = cast_right, .close = drop_wait, POOL},
    {"clloss_xent_host", "in the host's memory", OPENCL, .open = open_host, .step = run_host, .right = host_right, .close = close_host, .deaf = {{"clEnqueueMarkerWithWaitList", 3}, {"clWaitForEvents", 3}, {"realloc", 1}, {"map", 1}}},
    {"clloss_xent_host", "by copies", FAULTS_COPIES, .open = open_host, .step = run_host, .right = host_right, .close = close_host, .deaf = {{"clEnqueueMarkerWithWaitList", 3}, {"clWaitForEvents", 3}, {"realloc", 1}}},
};
/* clang-format on */

const size_t n_fault_rows = sizeof fault_rows / sizeof *fault_rows;
