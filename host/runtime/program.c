/* What a program is compiled with, and the kernels that a ctx has of it. */
#include "program.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more element at the end of an array; the old array stays valid where this fails. */
static void *grown(void *array, size_t n, size_t size) { return realloc(array, (n + 1) * size); }

static const char *dtype_macro(uint32_t dtype) {
  switch (dtype) {
  case CLLOSS_F32: return "F32";
  case CLLOSS_F64: return "F64";
  case CLLOSS_F16: return "F16";
  case CLLOSS_BF16: return "BF16";
  }
  return "UNKNOWN";
}

/* Denormals are flushed in f32: the gradient of a class that is 75 nats behind would be one, and a processor that makes
 * denormals in microcode took 4 times as long over a row of them (measured). Nothing above 2^-126 is lost. Not where f64 is cast to or
 * from (t, kernels/cast), which keeps all. */
static void write_options(const clloss__programs *all, const clloss__build *how, char *text, size_t size) {
  const bool f64 = how->types.x == CLLOSS_F64;
  const clloss__shape *s = &how->shape;
  size_t n = (size_t)snprintf(text, size, "-cl-std=CL%s%s%s -DCLLOSS_REAL=%s -DCLLOSS_X=%s -DCLLOSS_G=%s",
                              all->found.standard, all->found.options,
                              f64                          ? " -DCLLOSS_REAL_F64"
                              : how->types.t == CLLOSS_F64 ? ""
                                                           : " -cl-denorms-are-zero",
                              f64 ? "F64" : "F32", dtype_macro(how->types.x), dtype_macro(how->types.g));
  if (how->types.t) n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_T=%s", dtype_macro(how->types.t));
  if (s->items)
    n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_TEAM_GROUP%s -DCLLOSS_ITEMS=%u",
                          all->set->cpu ? " -DCLLOSS_CPU" : "", s->items);
  if (s->items && how->types.labels) n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_LABELS");
  if (s->form) n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_FORM=%u", s->form);
  if (s->row_items)
    snprintf(text + n, size - n, " -DCLLOSS_ROW_ITEMS=%u -DCLLOSS_VECTORS=%u%s", s->row_items, s->vectors,
             s->options ? " -DCLLOSS_OPTIONS" : "");
}

clloss_status clloss__programs_probe(clloss__programs *all, clloss__message *message) {
  if (all->probed) return CLLOSS_SUCCESS;
  const clloss_status status = clloss__set_probe(all->set, message, all->group, &all->found);
  all->probed = status == CLLOSS_SUCCESS;
  return status;
}

static clloss_status add_program(clloss__programs *all, clloss__message *message,
                                 const clloss__source *source, const clloss__build *how,
                                 clloss__program **out) {
  clloss_status status = clloss__programs_probe(all, message);
  if (status != CLLOSS_SUCCESS) return status;
  char options[256 + sizeof all->found.options];
  write_options(all, how, options, sizeof options);
  clloss__program *list = grown(all->list, all->n, sizeof *list);
  if (!list) return clloss__say(message, CL_OUT_OF_HOST_MEMORY, "no memory for program %s", source->name);
  all->list = list;
  list[all->n] = (clloss__program){.source = source, .how = *how};
  clloss__origin origin;
  status = clloss__set_program(all->set, message, source, options, &list[all->n].program, &origin);
  if (status != CLLOSS_SUCCESS) return status;
  all->n_built += origin == CLLOSS__BUILT;
  all->n_loaded += origin == CLLOSS__LOADED;
  *out = &list[all->n++];
  return CLLOSS_SUCCESS;
}

static bool same_build(const clloss__build *a, const clloss__build *b) {
  return a->types.x == b->types.x && a->types.g == b->types.g && a->types.t == b->types.t &&
         (!a->shape.items || a->types.labels == b->types.labels) && a->shape.items == b->shape.items &&
         a->shape.row_items == b->shape.row_items && a->shape.vectors == b->shape.vectors &&
         a->shape.form == b->shape.form && a->shape.options == b->shape.options;
}

static clloss_status find_or_add(clloss__programs *all, clloss__message *message, const char *source_name,
                                 const clloss__build *how, clloss__program **out) {
  for (size_t i = 0; i < all->n; ++i) {
    clloss__program *p = &all->list[i];
    if (strcmp(p->source->name, source_name) == 0 && same_build(&p->how, how)) {
      *out = p;
      return CLLOSS_SUCCESS;
    }
  }
  const clloss__source *source = clloss__find_source(source_name, strlen(source_name));
  if (!source) return clloss__say(message, CL_INVALID_PROGRAM, "no kernel source is called %s", source_name);
  return add_program(all, message, source, how, out);
}

clloss_status clloss__program_kernel(clloss__programs *programs, clloss__message *message, const char *source,
                                     const clloss__build *how, const char *name, clloss__kernel **out) {
  clloss__program *program = NULL;
  const clloss_status status = find_or_add(programs, message, source, how, &program);
  if (status != CLLOSS_SUCCESS) return status;
  for (size_t i = 0; i < program->n_kernels; ++i) {
    if (strcmp(program->kernels[i].name, name) == 0) {
      *out = &program->kernels[i];
      return CLLOSS_SUCCESS;
    }
  }
  clloss__kernel *kernels = grown(program->kernels, program->n_kernels, sizeof *kernels);
  if (!kernels) return clloss__say(message, CL_OUT_OF_HOST_MEMORY, "no memory for kernel %s", name);
  program->kernels = kernels;
  cl_int error;
  const cl_kernel kernel = clCreateKernel(program->program, name, &error);
  if (error != CL_SUCCESS) {
    return clloss__say_opencl(message, error, "clCreateKernel", "kernel %s", name);
  }
  size_t most = 0;
  cl_ulong own = 0;
  error = clGetKernelWorkGroupInfo(kernel, programs->set->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most,
                                   &most, NULL);
  if (error == CL_SUCCESS)
    error = clGetKernelWorkGroupInfo(kernel, programs->set->device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof own,
                                     &own, NULL);
  if (error != CL_SUCCESS) {
    clReleaseKernel(kernel);
    return clloss__say_opencl(message, error, "clGetKernelWorkGroupInfo",
                              "asking kernel %s what a work-group of it takes", name);
  }
  *out = &kernels[program->n_kernels++];
  **out = (clloss__kernel){.kernel = kernel, .local_most = most, .own_bytes = (size_t)own};
  snprintf((*out)->name, sizeof(*out)->name, "%s", name);
  return CLLOSS_SUCCESS;
}

void clloss__programs_end(clloss__programs *programs, bool in_child) {
  for (size_t i = 0; i < programs->n; ++i) {
    clloss__program *const p = &programs->list[i];
    for (size_t k = 0; k < p->n_kernels; ++k) {
      if (!in_child) clReleaseKernel(p->kernels[k].kernel);
      free(p->kernels[k].set);
    }
    free(p->kernels);
  }
  free(programs->list);
  clloss__set_leave(programs->set, in_child);
}
