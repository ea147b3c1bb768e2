/* Trials: programs of a few lines. On a CPU one, in which there is a kernel for each thing that the compiler has; …
 *
 * A front end may know a builtin that the code generator behind it ends the process over: rusticl and Intel's compiler for
 * GPUs translate to SPIR-V, and the translator exits at __builtin_prefetch. So __has_builtin decides nothing by itself: only
 * where the front end compiles for a processor, and not for a translator, is there any kernel, and the preprocessor tells
 * before anything is at risk. And no trial relies on an error, as PoCL 3.1 prints each of those on stderr. */
#include "probe.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

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
static clloss_status build_trial(clloss__message *message, cl_context context, cl_device_id device,
                                 char *names, size_t size) {
  const char *text = trial, *call = "clCreateProgramWithSource";
  names[0] = '\0';
  cl_int error;
  cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, &error);
  if (error == CL_SUCCESS) {
    call = "clBuildProgram";
    error = clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL);
    if (error == CL_SUCCESS) {
      call = "clGetProgramInfo";
      error = clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, size, names, NULL);
    }
    clReleaseProgram(program);
  }
  if (error == CL_SUCCESS || error == CL_BUILD_PROGRAM_FAILURE) return CLLOSS_SUCCESS;
  return clloss__say_opencl(message, error, call, "trying what the compiler can do");
}

static clloss_status probe_processor(clloss__message *message, cl_context context, cl_device_id device,
                                     clloss__probed *found) {
  char names[256];
  const clloss_status status = build_trial(message, context, device, names, sizeof names);
  if (status != CLLOSS_SUCCESS) return status;
  for (size_t i = 0; i < sizeof features / sizeof *features; ++i) {
    const size_t n = strlen(found->options);
    if (strstr(names, features[i].kernel))
      snprintf(found->options + n, sizeof found->options - n, "%s", features[i].option);
  }
  return CLLOSS_SUCCESS;
}

/* … and of registers that work-items read of each other, one for each way, only of devices whose vendor and extensions speak
 * for it: a wrong guess is a build that fails, which PoCL would print. (PoCL's vendor is the machine's, Intel's often; before 6.0
 * it has no such extension, and since then the trial is built.) `width`: how many items those are; 0: as many as the trial's kernel
 * would have go together. */
static const struct {
  cl_uint vendor;
  const char *extension, *standard, *option, *how, *text;
  unsigned width;
} shuffles[] = {
    {0x10de, "", "", " -DCLLOSS_SHUFFLE_PTX", "shuffles of PTX",
     "kernel void trial(global uint *x) {\n"
     "  uint y;\n"
     "  __asm__ volatile(\"shfl.sync.bfly.b32 %0, %1, 16, 0x1f, 0xffffffff;\" : \"=r\"(y) : \"r\"(x[0]) : "
     "\"memory\");\n"
     "  ushort h;\n"
     "  __asm__(\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(h) : \"f\"(as_float(y)));\n"
     "  x[0] = y + h;\n"
     "}\n",
     32},
    {0x10de, "", "", " -DCLLOSS_PTX_BF16", NULL,
     "kernel void trial(global float *x) {\n"
     "  uint y;\n"
     "  __asm__(\"cvt.rn.bf16x2.f32 %0, %1, %2;\" : \"=r\"(y) : \"f\"(x[0]), \"f\"(x[1]));\n"
     "  x[0] = as_float(y);\n"
     "}\n",
     0},
    {0x8086, "cl_intel_required_subgroup_size", "", " -DCLLOSS_SHUFFLE_INTEL", "sub-groups",
     "#pragma OPENCL EXTENSION cl_intel_subgroups : enable\n"
     "kernel __attribute__((intel_reqd_sub_group_size(16))) void trial(global uint *x) {\n"
     "  x[0] = intel_sub_group_shuffle_xor(x[get_local_id(0)], 1u);\n"
     "}\n",
     16},
    {0x1002, "", "", " -DCLLOSS_SHUFFLE_AMD", "permutes",
     "kernel void trial(global uint *x) {\n"
     "  const uint lane = __builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0u));\n"
     "  x[0] = (uint)__builtin_amdgcn_ds_bpermute((int)((lane ^ 1) << 2), (int)x[lane]);\n"
     "}\n",
     0},
    {0x10005, "cl_khr_subgroup_shuffle", "3.0", " -DCLLOSS_SHUFFLE_KHR", "sub-groups",
     "#pragma OPENCL EXTENSION cl_khr_subgroup_shuffle : enable\n"
     "kernel void trial(global uint *x) { x[0] = sub_group_shuffle_xor(x[get_local_id(0)], 1u); }\n",
     0},
};

/* The device's vendor, and its extensions in *text, which is malloc's. */
static clloss_status read_device(clloss__message *message, cl_device_id device, cl_uint *vendor,
                                 char **text) {
  static const char step[] = "asking for the device's vendor and extensions";
  const cl_int error = clGetDeviceInfo(device, CL_DEVICE_VENDOR_ID, sizeof *vendor, vendor, NULL);
  return error == CL_SUCCESS ? clloss__device_text(message, device, CL_DEVICE_EXTENSIONS, step, text)
                             : clloss__say_opencl(message, error, "clGetDeviceInfo", step);
}

/* *width: how many items of its kernel go together; 0 if it isn't built, which is no error. */
static clloss_status try_shuffle(clloss__message *message, cl_context context, cl_device_id device,
                                 const char *text, const char *standard, size_t *width) {
  *width = 0;
  char options[32];
  snprintf(options, sizeof options, "-cl-std=CL%s", *standard ? standard : "1.2");
  static const char step[] = "trying whether work-items read each other's registers";
  const char *call = "clBuildProgram";
  cl_int error;
  cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, &error);
  if (error != CL_SUCCESS) return clloss__say_opencl(message, error, "clCreateProgramWithSource", step);
  error = clBuildProgram(program, 1, &device, options, NULL, NULL);
  /* drivers answer with codes of their own where an assembler refuses: the status says whether it was built at all */
  cl_build_status built = CL_BUILD_NONE;
  if (error != CL_SUCCESS)
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_STATUS, sizeof built, &built, NULL);
  const bool refused = built == CL_BUILD_ERROR || error == CL_INVALID_BUILD_OPTIONS;
  cl_kernel kernel = NULL;
  if (error == CL_SUCCESS) {
    call = "clCreateKernel";
    kernel = clCreateKernel(program, "trial", &error);
  }
  if (error == CL_SUCCESS) {
    call = "clGetKernelWorkGroupInfo";
    error = clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE,
                                     sizeof *width, width, NULL);
  }
  if (kernel) clReleaseKernel(kernel);
  clReleaseProgram(program);
  return refused || error == CL_SUCCESS ? CLLOSS_SUCCESS : clloss__say_opencl(message, error, call, step);
}

static bool is_power_of_two(size_t n) { return n > 1 && (n & (n - 1)) == 0 && n <= 64; }

static clloss_status probe_shuffles(clloss__message *message, cl_context context, cl_device_id device,
                                    clloss__probed *found) {
  cl_uint vendor = 0;
  char *extensions = NULL;
  clloss_status status = read_device(message, device, &vendor, &extensions);
  for (size_t i = 0; status == CLLOSS_SUCCESS && i < sizeof shuffles / sizeof *shuffles; ++i) {
    size_t width;
    if (shuffles[i].vendor != vendor || !strstr(extensions, shuffles[i].extension)) continue;
    status = try_shuffle(message, context, device, shuffles[i].text, shuffles[i].standard, &width);
    if (status != CLLOSS_SUCCESS || !width) continue;
    if (shuffles[i].width) width = shuffles[i].width;
    if (shuffles[i].how && !is_power_of_two(width)) continue;
    const size_t n = strlen(found->options);
    snprintf(found->options + n, sizeof found->options - n, "%s", shuffles[i].option);
    if (!shuffles[i].how) continue;
    const size_t at = strlen(found->options);
    snprintf(found->options + at, sizeof found->options - at, " -DCLLOSS_WARP=%zu", width);
    snprintf(found->how, sizeof found->how, "%s", shuffles[i].how);
    if (*shuffles[i].standard) snprintf(found->standard, sizeof found->standard, "%s", shuffles[i].standard);
  }
  free(extensions);
  return status;
}

clloss_status clloss__probe(clloss__message *message, cl_context context, cl_device_id device, bool cpu,
                            bool group, clloss__probed *found) {
  *found = (clloss__probed){.standard = "1.2", .how = "local memory"};
  clloss_status status = cpu ? probe_processor(message, context, device, found) : CLLOSS_SUCCESS;
  if (status == CLLOSS_SUCCESS && group) status = probe_shuffles(message, context, device, found);
  return status;
}
