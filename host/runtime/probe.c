/* The trial: one program of a few lines, in which there is a kernel for each thing that the compiler has.
 *
 * A front end may know a builtin that the code generator behind it ends the process over: rusticl and Intel's compiler for
 * GPUs translate to SPIR-V, and the translator exits at __builtin_prefetch. So __has_builtin decides nothing by itself: only
 * where the front end compiles for a processor, and not for a translator, is there any kernel, and the preprocessor tells
 * before anything is at risk. And no trial relies on an error, as PoCL 3.1 prints each of those on stderr. */
#include "probe.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *kernel, *option;
} features[] = {
    {"trial_prefetch", " -DCLLOSS_HAS_PREFETCH"},
    {"trial_nontemporal", " -DCLLOSS_HAS_NONTEMPORAL"},
    {"trial_fma", " -DCLLOSS_HAS_FMA"},
    {"trial_half", " -DCLLOSS_HAS_HALF"},
};

/* fma and half only where the processor has instructions for them: elsewhere they are functions of the C library, element by
 * element, and a driver may know better. */
static const char trial[] =
    "kernel void trial(global float *x) { x[0] = 1; }\n"
    "#if defined(__has_builtin) && (defined(__x86_64__) || defined(__i386__) || defined(__aarch64__) || \\\n"
    "                               defined(__arm__) || defined(__riscv) || defined(__powerpc64__))\n"
    "#  if __has_builtin(__builtin_prefetch)\n"
    "kernel void trial_prefetch(global float *x) { __builtin_prefetch((const void *)(size_t)(x + 64)); x[0] "
    "= 1; }\n"
    "#  endif\n"
    "#  if __has_builtin(__builtin_nontemporal_store)\n"
    "kernel void trial_nontemporal(global float16 *x) { __builtin_nontemporal_store(x[1], x); }\n"
    "#  endif\n"
    "#  if __has_builtin(__builtin_elementwise_fma) && (defined(__FMA__) || defined(__ARM_FEATURE_FMA))\n"
    "kernel void trial_fma(global float16 *x) { x[0] = __builtin_elementwise_fma(x[0], x[1], x[2]); }\n"
    "#  endif\n"
    "#  if defined(__FLT16_MANT_DIG__) && (defined(__F16C__) || defined(__aarch64__))\n"
    "typedef _Float16 half16_kept __attribute__((ext_vector_type(16)));\n"
    "kernel void trial_half(global half16_kept *x, global float16 *y) {\n"
    "  x[0] = __builtin_convertvector(y[0], half16_kept);\n"
    "  y[1] = __builtin_convertvector(x[1], float16);\n"
    "}\n"
    "#  endif\n"
    "#endif\n";

/* The names of the trial's kernels, separated by semicolons; none where it isn't built. */
static cl_int build_trial(cl_context context, cl_device_id device, char *names, size_t size) {
  const char *text = trial;
  names[0] = '\0';
  cl_int error;
  cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, &error);
  if (error != CL_SUCCESS) return error;
  error = clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL);
  if (error == CL_SUCCESS) error = clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, size, names, NULL);
  clReleaseProgram(program);
  return error == CL_BUILD_PROGRAM_FAILURE ? CL_SUCCESS : error;
}

clloss_status clloss__probe(clloss__message *message, cl_context context, cl_device_id device, bool cpu,
                            char options[CLLOSS__PROBE_OPTIONS]) {
  char names[256];
  options[0] = '\0';
  if (!cpu) return CLLOSS_SUCCESS;
  const cl_int error = build_trial(context, device, names, sizeof names);
  if (error != CL_SUCCESS) {
    return clloss__say(message, error, "trying what the compiler can do: %s", clloss_status_name(error));
  }
  for (size_t i = 0; i < sizeof features / sizeof *features; ++i) {
    const size_t n = strlen(options);
    if (strstr(names, features[i].kernel))
      snprintf(options + n, CLLOSS__PROBE_OPTIONS - n, "%s", features[i].option);
  }
  return CLLOSS_SUCCESS;
}
