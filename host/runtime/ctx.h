/* The ctx: what every other file of the runtime hangs on to, and how a call says what went wrong. */
#ifndef CLLOSS_HOST_CTX_H
#define CLLOSS_HOST_CTX_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "held.h"
#include "plan.h"
#include "pool.h"
#include "program.h"
#include "tuning.h"

struct clloss_ctx {
  cl_context context;
  cl_device_id device;
  long pid; /* of the process that made it: OpenCL's threads and locks don't survive fork() */
  clloss__device facts;
  clloss__overrides overrides;
  clloss__tuning tuning;
  clloss__programs programs;
  clloss__pool pool;
  uint64_t kernels_enqueued, work_groups_enqueued;
  clloss__held held; /* inner events of calls */
  char message[4096];
};

/* Formats the message and returns status, so that a check reads `return clloss__fail(…)`. A tensor's calls have no ctx and
 * leave no message. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
clloss_status
clloss__fail(clloss_ctx *ctx, clloss_status status, const char *format, ...);

/* CLLOSS_FORKED in a child of the process that made the ctx; clears the message otherwise. Each call begins with it. */
clloss_status clloss__enter(clloss_ctx *ctx);

/* This process, as ctx and tensors remember it. */
long clloss__pid(void);

/* Copies a caller's struct, whose first member is its struct_size, into this library's newer or older idea of it:
 * a shorter one is filled up with zeros, a longer one is accepted while the rest is zero. */
clloss_status clloss__read_struct(clloss_ctx *ctx, const char *name, void *to, size_t size, const void *from);

#endif
