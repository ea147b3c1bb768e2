/* Making and ending a ctx. */
#include "ctx.h"

#include "program_blob.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#  include <process.h>
long clloss__pid(void) { return (long)_getpid(); }
#else
#  include <unistd.h>
long clloss__pid(void) { return (long)getpid(); }
#endif

clloss_status clloss__fail(clloss_ctx *ctx, clloss_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  clloss__vsay(ctx ? &ctx->message : NULL, status, format, args);
  va_end(args);
  return status;
}

clloss_status clloss__enter(clloss_ctx *ctx) {
  if (ctx->pid != clloss__pid()) {
    return clloss__fail(ctx, CLLOSS_FORKED, "ctx: made by process %ld, used in its child %ld", ctx->pid,
                        clloss__pid());
  }
  ctx->message.text[0] = '\0';
  return CLLOSS_SUCCESS;
}

static clloss_status check_device(clloss_ctx *ctx) {
  static const char step[] = "asking the context for its devices";
  cl_uint n = 0;
  cl_int error = clGetContextInfo(ctx->context, CL_CONTEXT_NUM_DEVICES, sizeof n, &n, NULL);
  if (error != CL_SUCCESS) return clloss__say_opencl(&ctx->message, error, "clGetContextInfo", "%s", step);
  cl_device_id *devices = calloc(n ? n : 1, sizeof *devices);
  if (!devices) return clloss__fail(ctx, CL_OUT_OF_HOST_MEMORY, "context: no memory for %u device ids", n);
  error = clGetContextInfo(ctx->context, CL_CONTEXT_DEVICES, n * sizeof *devices, devices, NULL);
  bool found = false;
  for (cl_uint i = 0; error == CL_SUCCESS && i < n; ++i) found |= devices[i] == ctx->device;
  free(devices);
  if (error != CL_SUCCESS) return clloss__say_opencl(&ctx->message, error, "clGetContextInfo", "%s", step);
  if (!found) return clloss__fail(ctx, CLLOSS_DEVICE, "device: not one of the context's %u", n);
  return CLLOSS_SUCCESS;
}

/* Another's set of programs, or one of the ctx's own. */
static clloss_status take_set(clloss_ctx *ctx, clloss_ctx *share) {
  if (!share) {
    ctx->programs.set = clloss__set_create(ctx->context, ctx->device, ctx->planner.facts.cpu);
    return ctx->programs.set ? CLLOSS_SUCCESS
                             : clloss__fail(ctx, CL_OUT_OF_HOST_MEMORY, "no memory for a ctx's programs");
  }
  if (share->context != ctx->context || share->device != ctx->device)
    return clloss__fail(ctx, CLLOSS_DEVICE, "share: a ctx of another %s",
                        share->context != ctx->context ? "context" : "device");
  clloss__set_join(share->programs.set);
  ctx->programs.set = share->programs.set;
  return CLLOSS_SUCCESS;
}

static clloss_status set_up(clloss_ctx *ctx, const clloss_ctx_options *options) {
  ctx->pid = clloss__pid();
  if (options->share &&
      options->share->pid != ctx->pid) /* before any of OpenCL's calls, which may hang there */
    return clloss__fail(ctx, CLLOSS_FORKED, "share: a ctx made by process %ld, here in its child %ld",
                        options->share->pid, ctx->pid);
  clloss_status status = check_device(ctx);
  if (status == CLLOSS_SUCCESS) {
    status = clloss__device_read(&ctx->message, ctx->device, &ctx->planner.facts);
  }
  if (status == CLLOSS_SUCCESS) {
    status = clloss__plan_read_overrides(&ctx->message, &ctx->planner.facts, options,
                                         &ctx->planner.overrides);
  }
  if (status == CLLOSS_SUCCESS) {
    status = clloss__tuning_read(&ctx->message, options->tuning, &ctx->planner.tuning);
  }
  if (status != CLLOSS_SUCCESS) return status;
  ctx->pool.context = ctx->context;
  ctx->programs.group = clloss__plan_team(&ctx->planner)->group;
  return take_set(ctx, options->share);
}

/* A blob that is none for this ctx costs what it was to save, and is no error: why says what was wrong with it. */
static clloss_status take_blob(clloss_ctx *ctx, const clloss_ctx_options *options, clloss__message *why) {
  if (!options->programs) return CLLOSS_SUCCESS;
  const clloss_status status = clloss__blob_read(ctx->programs.set, why, options->programs,
                                                 options->programs_size_bytes);
  if (status == CLLOSS_VALUE) return CLLOSS_SUCCESS;
  if (status != CLLOSS_SUCCESS) clloss__fail(ctx, status, "%s", why->text);
  return status;
}

/* Into the caller's place for a message, which counts in every struct that holds it whole: one that is refused for its
 * size, too, says where to tell it. */
static void tell(const clloss_ctx_options *options, const char *why) {
  const size_t end = offsetof(clloss_ctx_options, message_size_bytes) + sizeof options->message_size_bytes;
  clloss_ctx_options place = {0};
  if (options) memcpy(&place.struct_size, options, sizeof place.struct_size);
  if (place.struct_size < end) return;
  memcpy(&place, options, end);
  if (place.message && place.message_size_bytes) {
    snprintf(place.message, place.message_size_bytes, "%s", why);
  }
}

clloss_status clloss_ctx_create(clloss_ctx **out, cl_context context, cl_device_id device,
                                const clloss_ctx_options *options) {
  if (!out) {
    tell(options, "out: NULL");
    return CLLOSS_NULL_ARGUMENT;
  }
  *out = NULL;
  clloss_ctx *ctx = calloc(1, sizeof *ctx);
  if (!ctx) {
    tell(options, "no memory for a ctx");
    return CL_OUT_OF_HOST_MEMORY;
  }
  clloss_ctx_options read = {0};
  clloss__message why = {{0}};
  clloss_status status = CLLOSS_SUCCESS;
  if (options) status = clloss__read_struct(&ctx->message, "options", &read, sizeof read, options);
  if (status == CLLOSS_SUCCESS && (!context || !device)) {
    status = clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "%s: NULL", context ? "device" : "context");
  }
  if (status == CLLOSS_SUCCESS) {
    ctx->context = context;
    ctx->device = device;
    status = set_up(ctx, &read);
  }
  if (status == CLLOSS_SUCCESS) status = take_blob(ctx, &read, &why);
  if (status == CLLOSS_SUCCESS) {
    const cl_int error = clRetainContext(context);
    if (error != CL_SUCCESS)
      status = clloss__say_opencl(&ctx->message, error, "clRetainContext", "keeping the context");
  }
  tell(options, status == CLLOSS_SUCCESS ? why.text : ctx->message.text);
  if (status != CLLOSS_SUCCESS) {
    clloss__programs_end(&ctx->programs, false);
    free(ctx);
    return status;
  }
  *out = ctx;
  return CLLOSS_SUCCESS;
}

void clloss_ctx_destroy(clloss_ctx **pointer) {
  if (!pointer || !*pointer) return;
  clloss_ctx *ctx = *pointer;
  *pointer = NULL;
  /* In a forked child every OpenCL call may hang: the parent's objects are the parent's to release. */
  const bool in_child = ctx->pid != clloss__pid();
  if (!in_child) {
    clloss__held_release(&ctx->held);
    clloss__pool_release(&ctx->pool);
  }
  clloss__programs_end(&ctx->programs, in_child);
  if (!in_child) clReleaseContext(ctx->context);
  clloss__held_free(&ctx->held);
  free(ctx);
}

const char *clloss_ctx_message(const clloss_ctx *ctx) { return ctx ? ctx->message.text : ""; }

clloss_status clloss_ctx_get_stats(clloss_ctx *ctx, clloss_ctx_stats *stats) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  if (!stats) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "stats: NULL");
  clloss_ctx_stats now = {0};
  const clloss_status status = clloss__read_struct(&ctx->message, "stats", &now, sizeof now, stats);
  if (status != CLLOSS_SUCCESS) return status;
  now.programs_built = ctx->programs.n_built;
  now.programs_loaded = ctx->programs.n_loaded;
  now.kernels_enqueued = ctx->kernels_enqueued;
  now.work_groups_enqueued = ctx->work_groups_enqueued;
  now.pool_bytes = ctx->pool.bytes;
  now.pool_peak_bytes = ctx->pool.peak_bytes;
  now.pool_allocations = ctx->pool.allocations;
  memcpy(stats, &now, now.struct_size < sizeof now ? now.struct_size : sizeof now);
  return CLLOSS_SUCCESS;
}

clloss_status clloss_programs_key(cl_device_id device, char *key, size_t room_bytes) {
  if (!device || !key) return CLLOSS_NULL_ARGUMENT;
  if (room_bytes < CLLOSS_KEY_BYTES) return CLLOSS_SIZE;
  return clloss__blob_key(NULL, device, key);
}

clloss_status clloss_ctx_programs(clloss_ctx *ctx, void *blob, size_t room_bytes, size_t *size_bytes) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  const clloss_status status = clloss__enter(ctx);
  if (status != CLLOSS_SUCCESS) return status;
  if (!size_bytes) return clloss__fail(ctx, CLLOSS_NULL_ARGUMENT, "size_bytes: NULL");
  return clloss__blob_write(ctx->programs.set, &ctx->message, blob, room_bytes, size_bytes);
}

clloss_status clloss_ctx_trim(clloss_ctx *ctx) {
  if (!ctx) return CLLOSS_NULL_ARGUMENT;
  const clloss_status status = clloss__enter(ctx);
  if (status == CLLOSS_SUCCESS) {
    clloss__pool_release(&ctx->pool);
    clloss__held_forget(&ctx->held);
  }
  return status;
}
