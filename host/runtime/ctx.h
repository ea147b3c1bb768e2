/* The ctx, which owns what is below it: each part has what it needs of the device, or is handed it, and knows no ctx. Above
 * are view, launch, buffer and stream, then the losses. */
#ifndef CLLOSS_HOST_CTX_H
#define CLLOSS_HOST_CTX_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "held.h"
#include "message.h"
#include "plan.h"
#include "pointer.h"
#include "pool.h"
#include "program.h"

struct clloss_ctx {
  cl_context context;
  cl_device_id device;
  long pid; /* of the process that made it: OpenCL's threads and locks don't survive fork() */
  clloss__planner planner;
  clloss__programs programs;
  clloss__pool pool;
  clloss__pointers pointers;
  uint64_t kernels_enqueued, work_groups_enqueued;
  clloss__held held; /* inner events of calls */
  clloss__message message;
};

/* clloss__say to the ctx's message, so that a check reads `return clloss__fail(…)`. A tensor's calls have no ctx and leave no
 * message. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
clloss_status
clloss__fail(clloss_ctx *ctx, clloss_status status, const char *format, ...);

/* CLLOSS_FORKED in a child of the process that made the ctx; clears the message otherwise. Each call begins with it. */
clloss_status clloss__enter(clloss_ctx *ctx);

/* This process, as ctx and tensors remember it. */
long clloss__pid(void);

#endif
