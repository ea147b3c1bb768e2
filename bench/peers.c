/* Running the peers. */
#include "peers.h"

#include "loops.h"
#include "losses.h"
#include "peers/loop.h"
#include "peers/naive.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *key, *label, *mode; /* mode: for torch_peer.py, NULL for the others */
} names[PEERS] = {[PEER_C_LOOP] = {"c_loop", "C loop", NULL},
                  [PEER_NAIVE] = {"opencl_naive", "OpenCL naive", NULL},
                  [PEER_EAGER] = {"torch_eager", "PyTorch eager", "eager"},
                  [PEER_COMPILED] = {"torch_compiled", "torch.compile", "compiled"}};

const char *peer_key(enum peer_id id) { return names[id].key; }
const char *peer_label(enum peer_id id) { return names[id].label; }

/* ---- the kernels of naive.cl ---- */

static void release_naive(struct peers *p) {
  if (p->row_loss) clReleaseMemObject(p->row_loss);
  if (p->rows) clReleaseKernel(p->rows);
  if (p->mean) clReleaseKernel(p->mean);
  if (p->program) clReleaseProgram(p->program);
  p->row_loss = NULL;
  p->rows = p->mean = NULL;
  p->program = NULL;
}

/* For the shape: as many items as there are classes, a power of two up to 256, as one would choose them on a GPU. */
static cl_int build_naive(struct peers *p) {
  const struct machine *m = p->machine;
  const char *text = naive_cl;
  char options[32];
  size_t most = 1;
  cl_int rc = clGetDeviceInfo(m->device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most, &most, NULL);
  release_naive(p);
  for (p->local = 16; p->local < 256 && p->local < p->problem->classes;) p->local *= 2;
  while (p->local > most) p->local /= 2;
  snprintf(options, sizeof options, "-DLOCAL=%zu", p->local);
  if (rc == CL_SUCCESS) p->program = clCreateProgramWithSource(m->context, 1, &text, NULL, &rc);
  if (rc == CL_SUCCESS) rc = clBuildProgram(p->program, 1, &m->device, options, NULL, NULL);
  if (rc == CL_SUCCESS) p->rows = clCreateKernel(p->program, "naive_rows", &rc);
  if (rc == CL_SUCCESS) p->mean = clCreateKernel(p->program, "naive_mean", &rc);
  if (rc == CL_SUCCESS)
    p->row_loss = clCreateBuffer(m->context, CL_MEM_READ_WRITE, 4 * (p->problem->rows + 1), NULL, &rc);
  return rc;
}

static cl_int set_naive(const struct peers *p, cl_mem logits) {
  const cl_uint classes = (cl_uint)p->problem->classes, rows = (cl_uint)p->problem->rows;
  const cl_float scale = 1.0f / (cl_float)rows;
  cl_int rc = clSetKernelArg(p->rows, 0, sizeof logits, &logits);
  rc |= clSetKernelArg(p->rows, 1, sizeof(cl_mem), &p->problem->device_targets);
  rc |= clSetKernelArg(p->rows, 2, sizeof(cl_mem), &p->row_loss);
  rc |= clSetKernelArg(p->rows, 3, sizeof classes, &classes);
  rc |= clSetKernelArg(p->rows, 4, sizeof scale, &scale);
  rc |= clSetKernelArg(p->mean, 0, sizeof(cl_mem), &p->row_loss);
  rc |= clSetKernelArg(p->mean, 1, sizeof rows, &rows);
  return rc;
}

static cl_int run_naive(const struct peers *p, cl_mem logits, double *ms) {
  const cl_command_queue queue = p->machine->queue;
  const size_t local = p->local, global = p->problem->rows * local;
  cl_int rc = set_naive(p, logits);
  if (rc == CL_SUCCESS) rc = clFinish(queue);
  const double start = clock_ms();
  if (rc == CL_SUCCESS) rc = clEnqueueNDRangeKernel(queue, p->rows, 1, NULL, &global, &local, 0, NULL, NULL);
  if (rc == CL_SUCCESS) rc = clEnqueueNDRangeKernel(queue, p->mean, 1, NULL, &local, &local, 0, NULL, NULL);
  if (rc == CL_SUCCESS) rc = clFinish(queue);
  *ms = clock_ms() - start;
  return rc;
}

/* ---- the C loop, on the device's own buffer, mapped outside the timed stretch ---- */

static cl_int run_loop(const struct peers *p, cl_mem logits, double *ms, double *loss) {
  const struct problem *q = p->problem;
  const int threads = (int)p->machine->facts.openmp;
  cl_int rc;
  float *x = clEnqueueMapBuffer(p->machine->queue, logits, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0,
                                4 * q->rows * q->classes, 0, NULL, NULL, &rc);
  if (rc != CL_SUCCESS) return rc;
  loops_begin(threads);
  const double start = clock_ms();
  *loss = peer_loop_xent(x, q->targets, q->rows, q->classes, threads);
  *ms = clock_ms() - start;
  loops_end();
  rc = clEnqueueUnmapMemObject(p->machine->queue, logits, x, 0, NULL, NULL);
  return rc == CL_SUCCESS ? clFinish(p->machine->queue) : rc;
}

/* ---- all of them ---- */

static int complain(char *why, size_t why_size, const char *text) {
  snprintf(why, why_size, "%s", text);
  return -1;
}

/* One of the two that work on the ring's f32 buffers; `loss` NULL: not wanted. The buffer holds the gradient after. */
static cl_int run_here(const struct peers *p, enum peer_id id, cl_mem logits, double *ms, double *loss) {
  double found = NAN;
  cl_int rc = id == PEER_C_LOOP ? run_loop(p, logits, ms, &found) : run_naive(p, logits, ms);
  cl_float mean = 0;
  if (!loss || rc != CL_SUCCESS) return rc;
  if (id == PEER_NAIVE) {
    rc = clEnqueueReadBuffer(p->machine->queue, p->row_loss, CL_TRUE, 4 * p->problem->rows, 4, &mean, 0, NULL,
                             NULL);
    found = (double)mean;
  }
  *loss = found;
  return rc;
}

static int check_here(struct peers *p, enum peer_id id, char *why, size_t why_size) {
  const struct problem *q = p->problem;
  cl_mem logits = ring_next(p->ring);
  double ms, loss = NAN;
  cl_int rc = run_here(p, id, logits, &ms, &loss), unmapped = CL_SUCCESS;
  float *grad = NULL;
  int wrong = 0;
  if (rc == CL_SUCCESS)
    grad = clEnqueueMapBuffer(p->machine->queue, logits, CL_TRUE, CL_MAP_READ, 0, 4 * q->rows * q->classes, 0,
                              NULL, NULL, &rc);
  if (rc == CL_SUCCESS) {
    wrong = peer_check(q, p->what, loss, grad, why, why_size);
    unmapped = clEnqueueUnmapMemObject(p->machine->queue, logits, grad, 0, NULL, NULL);
  }
  const cl_int restored = ring_restore(p->ring, p->machine, logits);
  if (rc == CL_SUCCESS) rc = unmapped == CL_SUCCESS ? restored : unmapped;
  return rc == CL_SUCCESS ? wrong : complain(why, why_size, clloss_status_name(rc));
}

static int check_torch(struct peers *p, enum peer_id id, char *why, size_t why_size) {
  double loss = NAN;
  const float *grad = NULL;
  if (torch_check(&p->torch, names[id].mode, &loss, &grad, why, why_size) != 0) return -1;
  return (p->what->loss == &pointwise_loss ? peer_check_pointwise : peer_check)(p->problem, p->what, loss,
                                                                                grad, why, why_size);
}

/* Gets ready what peers share, and runs this one. */
static int get_ready(struct peers *p, enum peer_id id, const char *no_torch, char *why, size_t why_size) {
  const int here = !names[id].mode;
  if (p->missing[id][0]) return complain(why, why_size, p->missing[id]);
  if (!here && *no_torch) return complain(why, why_size, no_torch);
  if (id == PEER_NAIVE) {
    const cl_int rc = build_naive(p);
    if (rc != CL_SUCCESS) return complain(why, why_size, clloss_status_name(rc));
  }
  return here ? check_here(p, id, why, why_size) : check_torch(p, id, why, why_size);
}

void peers_start(struct peers *p, const struct machine *m, const char *python) {
  char *eager = p->missing[PEER_EAGER], *compiled = p->missing[PEER_COMPILED];
  enum { ROOM = sizeof p->missing[0] };
  memset(p, 0, sizeof *p);
  p->machine = m;
  if (!m->facts.openmp || !peer_loop_threads())
    snprintf(p->missing[PEER_C_LOOP], ROOM, "built without OpenMP, or not a CPU device");
  if (!m->is_cpu)
    snprintf(eager, ROOM, "timed beside CPU devices alone");
  else
    torch_start(&p->torch, python, m->facts.units, m->facts.cache_bytes, eager, ROOM);
  snprintf(compiled, ROOM, "%s", eager);
}

void peers_stop(struct peers *p) {
  if (p->torch.child) torch_stop(&p->torch);
  release_naive(p);
}

void peers_open(struct peers *p, const struct problem *problem, const struct bench_case *what,
                struct ring *ring, unsigned wanted, struct peer_figure figures[PEERS]) {
  const int elementwise = case_needs_probabilities(what);
  const struct torch_problem given = {
      .loss = what->torch,
      .rows = problem->rows,
      .classes = problem->classes,
      .inner = problem->inner,
      .dtype = case_dtype(what),
      .logits = problem->logits,
      .targets = elementwise ? (const void *)problem->probabilities : problem->targets,
      .targets_bytes = elementwise ? 4 * problem->rows * problem->classes : 8 * problem->rows};
  char no_torch[sizeof figures->failed] = "";
  p->problem = problem;
  p->what = what;
  p->ring = ring;
  if ((wanted & (1u << PEER_EAGER | 1u << PEER_COMPILED)) && p->torch.child)
    torch_open(&p->torch, &given, no_torch, sizeof no_torch);
  for (int i = 0; i < PEERS; i++)
    if (wanted >> i & 1) get_ready(p, (enum peer_id)i, no_torch, figures[i].failed, sizeof figures->failed);
}

void peer_run(struct peers *p, enum peer_id id, double *ms, char *why, size_t why_size) {
  *ms = NAN;
  if (names[id].mode) {
    torch_run(&p->torch, names[id].mode, ms, why, why_size);
    return;
  }
  cl_mem logits = ring_next(p->ring);
  cl_int rc = run_here(p, id, logits, ms, NULL);
  const cl_int restored = ring_restore(p->ring, p->machine, logits);
  if (rc == CL_SUCCESS) rc = restored;
  if (rc != CL_SUCCESS) complain(why, why_size, clloss_status_name(rc));
}
