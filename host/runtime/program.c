/* Compiles embedded sources at first use and keeps programs and kernels until the ctx ends. */
#include "program.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const clloss__source *find_source(const char *name) {
  for (size_t i = 0; i < clloss__n_sources; ++i) {
    if (strcmp(clloss__sources[i].name, name) == 0) return &clloss__sources[i];
  }
  return NULL;
}

/* Room for one more element at the end of an array; the old array stays valid where this fails. */
static void *grown(void *array, size_t n, size_t size) { return realloc(array, (n + 1) * size); }

/* The log's end may be cut off by the message's size; its beginning holds the first error. */
static clloss_status build_failed(const clloss__programs *all, clloss__message *message, cl_int error,
                                  cl_program program, const char *source, const char *options) {
  size_t size = 0;
  char *log = NULL;
  if (clGetProgramBuildInfo(program, all->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS &&
      size) {
    log = calloc(size + 1, 1);
    if (log) clGetProgramBuildInfo(program, all->device, CL_PROGRAM_BUILD_LOG, size, log, NULL);
  }
  clloss__say(message, error, "building %s with \"%s\": clBuildProgram answers %s (%d)\n%s", source, options,
              clloss_status_name(error), error, log ? log : "(no log)");
  free(log);
  return error;
}

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
 * denormals in microcode took 4 times as long over a row of them (measured). Nothing above 2^-126 is lost. */
static void write_options(const clloss__programs *all, const clloss__build *how, char *text, size_t size) {
  const bool f64 = how->types.x == CLLOSS_F64;
  const clloss__shape *s = &how->shape;
  size_t n = (size_t)snprintf(text, size, "-cl-std=CL%s%s%s -DCLLOSS_REAL=%s -DCLLOSS_X=%s -DCLLOSS_G=%s",
                              all->found.standard, all->found.options,
                              f64 ? " -DCLLOSS_REAL_F64" : " -cl-denorms-are-zero", f64 ? "F64" : "F32",
                              dtype_macro(how->types.x), dtype_macro(how->types.g));
  if (how->types.t) n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_T=%s", dtype_macro(how->types.t));
  if (s->items)
    n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_TEAM_GROUP%s -DCLLOSS_ITEMS=%u",
                          all->cpu ? " -DCLLOSS_CPU" : "", s->items);
  if (s->items && how->types.labels) n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_LABELS");
  if (s->form) n += (size_t)snprintf(text + n, size - n, " -DCLLOSS_FORM=%u", s->form);
  if (s->row_items)
    snprintf(text + n, size - n, " -DCLLOSS_ROW_ITEMS=%u -DCLLOSS_VECTORS=%u%s", s->row_items, s->vectors,
             s->options ? " -DCLLOSS_OPTIONS" : "");
}

clloss_status clloss__programs_probe(clloss__programs *all, clloss__message *message) {
  if (all->probed) return CLLOSS_SUCCESS;
  const clloss_status status = clloss__probe(message, all->context, all->device, all->cpu, all->group,
                                             &all->found);
  all->probed = status == CLLOSS_SUCCESS;
  return status;
}

static clloss_status build(clloss__programs *all, clloss__message *message, const clloss__source *source,
                           const clloss__build *how, clloss__program **out) {
  const clloss_status status = clloss__programs_probe(all, message);
  if (status != CLLOSS_SUCCESS) return status;
  char options[256 + sizeof all->found.options];
  write_options(all, how, options, sizeof options);
  clloss__program *list = grown(all->list, all->n, sizeof *list);
  if (!list) return clloss__say(message, CL_OUT_OF_HOST_MEMORY, "no memory for program %s", source->name);
  all->list = list;
  cl_int error;
  cl_program program = clCreateProgramWithSource(all->context, 1, (const char *[]){source->text},
                                                 (const size_t[]){source->size_bytes}, &error);
  if (error != CL_SUCCESS) {
    return clloss__say_opencl(message, error, "clCreateProgramWithSource", "program %s", source->name);
  }
  error = clBuildProgram(program, 1, &all->device, options, NULL, NULL);
  if (error != CL_SUCCESS) {
    build_failed(all, message, error, program, source->name, options);
    clReleaseProgram(program);
    return error;
  }
  all->n_built++;
  list[all->n] = (clloss__program){.source = source, .how = *how, .program = program};
  *out = &list[all->n++];
  return CLLOSS_SUCCESS;
}

static bool same_build(const clloss__build *a, const clloss__build *b) {
  return a->types.x == b->types.x && a->types.g == b->types.g && a->types.t == b->types.t &&
         (!a->shape.items || a->types.labels == b->types.labels) && a->shape.items == b->shape.items &&
         a->shape.row_items == b->shape.row_items && a->shape.vectors == b->shape.vectors &&
         a->shape.form == b->shape.form && a->shape.options == b->shape.options;
}

static clloss_status find_or_build(clloss__programs *all, clloss__message *message, const char *source_name,
                                   const clloss__build *how, clloss__program **out) {
  for (size_t i = 0; i < all->n; ++i) {
    clloss__program *p = &all->list[i];
    if (strcmp(p->source->name, source_name) == 0 && same_build(&p->how, how)) {
      *out = p;
      return CLLOSS_SUCCESS;
    }
  }
  const clloss__source *source = find_source(source_name);
  if (!source) return clloss__say(message, CL_INVALID_PROGRAM, "no kernel source is called %s", source_name);
  return build(all, message, source, how, out);
}

clloss_status clloss__program_kernel(clloss__programs *programs, clloss__message *message, const char *source,
                                     const clloss__build *how, const char *name, clloss__kernel **out) {
  clloss__program *program = NULL;
  const clloss_status status = find_or_build(programs, message, source, how, &program);
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
  error = clGetKernelWorkGroupInfo(kernel, programs->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most,
                                   NULL);
  if (error == CL_SUCCESS)
    error = clGetKernelWorkGroupInfo(kernel, programs->device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof own, &own,
                                     NULL);
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

void clloss__programs_release(clloss__programs *programs) {
  for (size_t i = 0; i < programs->n; ++i) {
    for (size_t k = 0; k < programs->list[i].n_kernels; ++k)
      clReleaseKernel(programs->list[i].kernels[k].kernel);
    clReleaseProgram(programs->list[i].program);
  }
}

void clloss__programs_free(clloss__programs *programs) {
  for (size_t i = 0; i < programs->n; ++i) {
    for (size_t k = 0; k < programs->list[i].n_kernels; ++k) free(programs->list[i].kernels[k].set);
    free(programs->list[i].kernels);
  }
  free(programs->list);
}
