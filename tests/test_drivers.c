/* The faults of drivers that docs/devices.md lists, each by its smallest kernel (drivers.cl) or its shortest loop of host
 * calls: the form that clLoss uses has to be right here. `test_drivers --faults` also tries the form that one would write
 * first, each in a process of its own, and prints what this driver makes of it: that is where the table comes from. */
#include "check.h"
#include "drivers.h"
#include "fixture.h"

#include "runtime/device.h"
#include "runtime/probe.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ELEMENTS = 4096, QUEUES = 200000, QUEUES_OWN = 20000 };

typedef struct {
  const char *name, *what;
  size_t items_bare, items_own; /* work-items of its one work-group; 0: it isn't a kernel's fault */
  cl_ulong n, flags;
  float expected; /* in y[0], where x is 1 throughout and y was 0 */
} fault;

static const fault faults[] = {
    {"loop", "a loop in a branch, in a kernel of one item", 1, 1, 4, 1, 1},
    {"barrier", "a barrier in a branch, in a kernel of one item", 1, 2, 4, 1, 1},
    {"half", "vload_half16 and vstore_half16 at any element", 1, 1, 3, 2, 8},
    {"prefetch", "__builtin_prefetch", 1, 1, 4, 0, 5},
    {"above", "a vector above the branch that uses it", 64, 64, 7, 1, 4},
    {"queue", "a queue that is released behind clFinish", 0, 0, 0, 0, 1},
};

static cl_int build(const fixture *p, const fault *f, bool bare, cl_kernel *kernel) {
  clloss__message message = {0};
  clloss__device facts;
  clloss__probed found = {0};
  char options[400], name[32];
  cl_int error = clloss__device_read(&message, p->device, &facts);
  if (!error) error = clloss__probe(&message, p->context, p->device, facts.cpu, false, &found);
  if (error) return error;
  /* the flags of the library's own programs */
  snprintf(options, sizeof options, "-cl-std=CL1.2 -cl-denorms-are-zero%s%s",
           bare ? " -DBARE -DCASE_" : found.options, bare ? f->name : "");
  snprintf(name, sizeof name, "trial_%s", f->name);
  const char *text = drivers_cl;
  cl_program program = clCreateProgramWithSource(p->context, 1, &text, NULL, &error);
  if (!error) error = clBuildProgram(program, 1, &p->device, options, NULL, NULL);
  if (!error) *kernel = clCreateKernel(program, name, &error);
  return error;
}

/* One queue after another: something to do, a wait for its end, a release. The wait begins a little later each time, as what
 * goes wrong does so where it meets the command's end: PoCL 6.0 on two processors died within 200,000 queues. */
static cl_int run_queues(const fixture *p, bool bare, float *result) {
  const int queues = bare ? QUEUES : QUEUES_OWN;
  char bytes[ELEMENTS];
  cl_int error;
  cl_mem x = clCreateBuffer(p->context, CL_MEM_READ_WRITE, sizeof bytes, NULL, &error);
  for (int i = 0; i < queues && !error; i++) {
    cl_event all = NULL;
    cl_command_queue queue = clCreateCommandQueue(p->context, p->device, 0, &error);
    if (!error) error = clEnqueueReadBuffer(queue, x, CL_FALSE, 0, sizeof bytes, bytes, 0, NULL, NULL);
    for (volatile int later = 7919 * (i % 1000) % 20000; later > 0; later--) continue;
    if (bare) {
      if (!error) error = clFinish(queue);
    } else {
      if (!error) error = clEnqueueMarkerWithWaitList(queue, 0, NULL, &all);
      if (!error) error = clWaitForEvents(1, &all);
      if (all) clReleaseEvent(all);
    }
    if (queue) clReleaseCommandQueue(queue);
  }
  if (x) clReleaseMemObject(x);
  *result = 1;
  return error;
}

static cl_int run(const fixture *p, const fault *f, bool bare, float *result) {
  if (!f->items_own) return run_queues(p, bare, result);
  const size_t items = bare ? f->items_bare : f->items_own;
  cl_kernel kernel;
  float ones[ELEMENTS], zeros[ELEMENTS] = {0};
  for (size_t i = 0; i < ELEMENTS; i++) ones[i] = 1;
  cl_int error = build(p, f, bare, &kernel);
  if (error) return error;
  const cl_mem_flags copied = CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR;
  cl_mem x = clCreateBuffer(p->context, copied, sizeof ones, ones, &error), y = NULL;
  if (!error) y = clCreateBuffer(p->context, copied, sizeof zeros, zeros, &error);
  if (!error) error = clSetKernelArg(kernel, 0, sizeof x, &x);
  if (!error) error = clSetKernelArg(kernel, 1, sizeof y, &y);
  if (!error) error = clSetKernelArg(kernel, 2, sizeof f->n, &f->n);
  if (!error) error = clSetKernelArg(kernel, 3, sizeof f->flags, &f->flags);
  if (!error) error = clEnqueueNDRangeKernel(p->queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL);
  if (!error) error = clEnqueueReadBuffer(p->queue, y, CL_TRUE, 0, sizeof *result, result, 0, NULL, NULL);
  return error;
}

/* In a child, as the driver may end it. */
static void show(const fault *f, bool bare) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    fixture p;
    float result = 0;
    if (!fixture_open(&p)) _exit(1);
    const cl_int error = run(&p, f, bare, &result);
    if (error) {
      printf("fails: %s\n", clloss_status_name(error));
    } else if (result == f->expected) {
      printf("right\n");
    } else {
      printf("WRONG: %g, expected %g\n", (double)result, (double)f->expected);
    }
    fflush(stdout);
    _exit(0);
  }
  int state = 0;
  waitpid(child, &state, 0);
  if (WIFSIGNALED(state)) printf("DIES: signal %d, %s\n", WTERMSIG(state), strsignal(WTERMSIG(state)));
  if (WIFEXITED(state) && WEXITSTATUS(state)) printf("DIES: exits with %d\n", WEXITSTATUS(state));
}

static int show_all(void) {
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    for (int bare = 1; bare >= 0; bare--) {
      printf("%-50s %-5s ", bare ? faults[i].what : "", bare ? "bare" : "ours");
      show(&faults[i], bare);
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--faults") == 0) return show_all();
  fixture p;
  if (!fixture_open(&p)) return 1;
  for (size_t i = 0; i < sizeof faults / sizeof *faults && !check_failures; i++) {
    float result = 0;
    CHECK_STATUS(run(&p, &faults[i], false, &result), CLLOSS_SUCCESS);
    if (result == faults[i].expected) continue;
    CHECK(result == faults[i].expected);
    fprintf(stderr, "%s: %g, expected %g\n", faults[i].name, (double)result, (double)faults[i].expected);
  }
  fixture_close(&p);
  return check_done();
}
