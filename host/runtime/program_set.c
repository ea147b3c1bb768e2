/* Compiles sources, makes programs of binaries, and keeps both for all ctx that share them. */
#include "program_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const clloss__source *clloss__find_source(const char *name, size_t name_bytes) {
  for (size_t i = 0; i < clloss__n_sources; ++i) {
    const char *const known = clloss__sources[i].name;
    if (strlen(known) == name_bytes && memcmp(known, name, name_bytes) == 0) return &clloss__sources[i];
  }
  return NULL;
}

/* ---- owners ---- */

clloss__program_set *clloss__set_create(cl_context context, cl_device_id device, bool cpu) {
  clloss__program_set *set = calloc(1, sizeof *set);
  if (!set) return NULL;
  clloss__lock_init(&set->lock);
  set->owners = 1;
  set->context = context;
  set->device = device;
  set->cpu = cpu;
  return set;
}

void clloss__set_join(clloss__program_set *set) {
  clloss__lock_take(&set->lock);
  set->owners++;
  clloss__lock_give(&set->lock);
}

static void free_entry(clloss__program_entry *entry) {
  free(entry->options);
  free(entry->binary);
  free(entry);
}

void clloss__set_leave(clloss__program_set *set, bool in_child) {
  if (!set) return;
  if (!in_child) clloss__lock_take(&set->lock);
  const bool last = --set->owners == 0;
  if (!in_child) clloss__lock_give(&set->lock);
  if (!last) return;
  for (clloss__program_entry *e = set->first, *next; e; e = next) {
    next = e->next;
    if (e->program && !in_child) clReleaseProgram(e->program);
    free_entry(e);
  }
  if (!in_child) clloss__lock_end(&set->lock);
  free(set);
}

/* ---- programs ---- */

/* The log's end may be cut off by the message's size; its beginning holds the first error. */
static clloss_status build_failed(const clloss__program_set *set, clloss__message *message, cl_int error,
                                  cl_program program, const clloss__program_entry *entry) {
  size_t size = 0;
  char *log = NULL;
  if (clGetProgramBuildInfo(program, set->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS &&
      size) {
    log = calloc(size + 1, 1);
    if (log) clGetProgramBuildInfo(program, set->device, CL_PROGRAM_BUILD_LOG, size, log, NULL);
  }
  clloss__say(message, error, "building %s with \"%s\": clBuildProgram answers %s (%d)\n%s",
              entry->source->name, entry->options, clloss_status_name(error), error, log ? log : "(no log)");
  free(log);
  return error;
}

static clloss_status build(const clloss__program_set *set, clloss__message *message,
                           clloss__program_entry *entry) {
  cl_int error;
  cl_program program = clCreateProgramWithSource(set->context, 1, (const char *[]){entry->source->text},
                                                 (const size_t[]){entry->source->size_bytes}, &error);
  if (error != CL_SUCCESS)
    return clloss__say_opencl(message, error, "clCreateProgramWithSource", "program %s", entry->source->name);
  error = clBuildProgram(program, 1, &set->device, entry->options, NULL, NULL);
  if (error != CL_SUCCESS) {
    build_failed(set, message, error, program, entry);
    clReleaseProgram(program);
    return error;
  }
  entry->program = program;
  return CLLOSS_SUCCESS;
}

static bool has_kernels(cl_program program) {
  size_t n = 0;
  return clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof n, &n, NULL) == CL_SUCCESS && n > 0;
}

/* False where the driver takes no such binary: then there is still the source. */
static bool load(const clloss__program_set *set, clloss__program_entry *entry) {
  cl_int error, of_binary = CL_SUCCESS;
  cl_program program = clCreateProgramWithBinary(
      set->context, 1, &set->device, (const size_t[]){entry->binary_bytes},
      (const unsigned char *[]){entry->binary}, &of_binary, &error);
  if (error != CL_SUCCESS) return false;
  if (of_binary == CL_SUCCESS &&
      clBuildProgram(program, 1, &set->device, entry->options, NULL, NULL) == CL_SUCCESS &&
      has_kernels(program)) {
    entry->program = program;
    return true;
  }
  clReleaseProgram(program);
  return false;
}

static clloss__program_entry *find_entry(const clloss__program_set *set, const clloss__source *source,
                                         const char *options) {
  clloss__program_entry *e = set->first;
  while (e && (e->source != source || strcmp(e->options, options) != 0)) e = e->next;
  return e;
}

/* Not yet one of the set's. */
static clloss__program_entry *make_entry(const clloss__source *source, const char *options) {
  const size_t n = strlen(options) + 1;
  clloss__program_entry *entry = calloc(1, sizeof *entry);
  char *own = entry ? malloc(n) : NULL;
  if (!own) {
    free(entry);
    return NULL;
  }
  memcpy(own, options, n);
  entry->source = source;
  entry->options = own;
  return entry;
}

static void append(clloss__program_set *set, clloss__program_entry *entry) {
  clloss__program_entry **end = &set->first;
  while (*end) end = &(*end)->next;
  *end = entry;
}

static clloss_status entry_program(clloss__program_set *set, clloss__message *message,
                                   const clloss__source *source, const char *options, cl_program *program,
                                   clloss__origin *origin) {
  clloss__program_entry *entry = find_entry(set, source, options);
  *origin = CLLOSS__WAS_THERE;
  if (entry && !entry->program && load(set, entry)) *origin = CLLOSS__LOADED;
  if (!entry || !entry->program) {
    clloss__program_entry *const old = entry;
    if (!entry) entry = make_entry(source, options);
    if (!entry) return clloss__say(message, CL_OUT_OF_HOST_MEMORY, "no memory for program %s", source->name);
    const clloss_status status = build(set, message, entry);
    if (status != CLLOSS_SUCCESS) {
      if (!old) free_entry(entry);
      return status;
    }
    if (!old) append(set, entry);
    *origin = CLLOSS__BUILT;
  }
  free(entry->binary); /* not before there is a program: an entry has one or the other */
  entry->binary = NULL;
  *program = entry->program;
  return CLLOSS_SUCCESS;
}

clloss_status clloss__set_program(clloss__program_set *set, clloss__message *message,
                                  const clloss__source *source, const char *options, cl_program *program,
                                  clloss__origin *origin) {
  clloss__lock_take(&set->lock);
  const clloss_status status = entry_program(set, message, source, options, program, origin);
  clloss__lock_give(&set->lock);
  return status;
}

clloss_status clloss__set_probe(clloss__program_set *set, clloss__message *message, bool group,
                                clloss__probed *found) {
  clloss_status status = CLLOSS_SUCCESS;
  clloss__lock_take(&set->lock);
  if (!set->probed[group]) {
    status = clloss__probe(message, set->context, set->device, set->cpu, group, &set->found[group]);
    set->probed[group] = status == CLLOSS_SUCCESS;
  }
  *found = set->found[group];
  clloss__lock_give(&set->lock);
  return status;
}

/* ---- binaries ---- */

bool clloss__set_add_binary(clloss__program_set *set, const clloss__source *source, const char *options,
                            const void *binary, size_t bytes) {
  if (find_entry(set, source, options)) return true;
  clloss__program_entry *entry = make_entry(source, options);
  if (!entry) return false;
  entry->binary = malloc(bytes ? bytes : 1);
  if (!entry->binary) {
    free_entry(entry);
    return false;
  }
  memcpy(entry->binary, binary, bytes);
  entry->binary_bytes = bytes;
  append(set, entry);
  return true;
}

static clloss_status no_room(clloss__message *message, const clloss__program_entry *entry) {
  return clloss__say(message, CL_OUT_OF_HOST_MEMORY, "no memory for the binary of program %s",
                     entry->source->name);
}

/* A program belongs to all devices of its context, whichever it was built for, and answers for all of them. */
static cl_int ask_binary(const clloss__program_set *set, cl_program program, cl_uint n, cl_device_id *devices,
                         size_t *sizes, unsigned char **all, unsigned char **bytes, size_t *size) {
  cl_int error = clGetProgramInfo(program, CL_PROGRAM_DEVICES, n * sizeof *devices, devices, NULL);
  if (error == CL_SUCCESS)
    error = clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, n * sizeof *sizes, sizes, NULL);
  cl_uint own = 0;
  while (error == CL_SUCCESS && own < n && devices[own] != set->device) ++own;
  if (error != CL_SUCCESS || own == n) return error;
  *size = sizes[own];
  *bytes = all[own] = malloc(*size ? *size : 1);
  return *bytes ? clGetProgramInfo(program, CL_PROGRAM_BINARIES, n * sizeof *all, all, NULL) : CL_SUCCESS;
}

static clloss_status program_binary(const clloss__program_set *set, clloss__message *message,
                                    const clloss__program_entry *entry, unsigned char **bytes, size_t *size) {
  cl_uint n = 0;
  cl_int error = clGetProgramInfo(entry->program, CL_PROGRAM_NUM_DEVICES, sizeof n, &n, NULL);
  if (error == CL_SUCCESS) {
    cl_device_id *devices = calloc(n + 1, sizeof *devices);
    size_t *sizes = calloc(n + 1, sizeof *sizes);
    unsigned char **all = calloc(n + 1, sizeof *all);
    if (devices && sizes && all) error = ask_binary(set, entry->program, n, devices, sizes, all, bytes, size);
    free(devices);
    free(sizes);
    free(all);
  }
  if (error != CL_SUCCESS)
    return clloss__say_opencl(message, error, "clGetProgramInfo", "the binary of program %s",
                              entry->source->name);
  return *bytes ? CLLOSS_SUCCESS : no_room(message, entry);
}

clloss_status clloss__set_binary(const clloss__program_set *set, clloss__message *message,
                                 const clloss__program_entry *entry, unsigned char **bytes, size_t *size) {
  *bytes = NULL;
  *size = 0;
  if (entry->program) {
    const clloss_status status = program_binary(set, message, entry, bytes, size);
    if (status == CLLOSS_SUCCESS) return status;
    free(*bytes);
    *bytes = NULL;
    return status;
  }
  *bytes = malloc(entry->binary_bytes + 1);
  if (!*bytes) return no_room(message, entry);
  memcpy(*bytes, entry->binary, *size = entry->binary_bytes);
  return CLLOSS_SUCCESS;
}
