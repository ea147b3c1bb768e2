/* The device behind an engine, for those who compute on it. */
#ifndef ENGINE_DEVICE_H
#define ENGINE_DEVICE_H

#include "engine.h"

#include "program_cache.h"

#include <clloss/clloss.h>

/* Tensors of a part of an elementwise loss; kept from one part to the next of the same size. */
typedef struct device_elements {
  size_t rows, classes;
  clloss_tensor *input, *target, *weight, *pos_weight, *upstream, *loss, *grad, *counts;
} device_elements;

/* An engine's state. */
typedef struct device {
  char *name;
  cl_context context;
  cl_command_queue queue;
  clloss_ctx *ctx;
  program_cache programs;
  device_elements elements;
} device;

/* Says what went wrong, and is false. */
bool device_broken(const engine *e, const char *what, clloss_status status);

bool device_run_softmax(engine *e, engine_job *job);
bool device_run_elements(engine *e, elements_part *part);
void device_free_elements(device_elements *elements);

#endif
