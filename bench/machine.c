/* Device, queue, clock, and the ring of buffers. */
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* The size of the highest cache level that Linux reports for the first core; 0 elsewhere. PoCL reports the same level
 * as CL_DEVICE_GLOBAL_MEM_CACHE_SIZE on some machines and a lower one on others. */
static size_t sysfs_cache(void) {
  size_t best = 0;
  for (int i = 0; i < 8; i++) {
    char path[80], unit = 0;
    unsigned long size = 0;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
    FILE *f = fopen(path, "r");
    if (!f) break;
    if (fscanf(f, "%lu%c", &size, &unit) >= 1) {
      size_t bytes = (size_t)size << (unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0);
      if (bytes > best) best = bytes;
    }
    fclose(f);
  }
  return best;
}

static int find_device(struct machine *m, unsigned index, cl_platform_id *platform, char *why, size_t size) {
  cl_platform_id platforms[32];
  cl_uint n_platforms = 0;
  unsigned seen = 0;
  cl_int rc = clGetPlatformIDs(32, platforms, &n_platforms);
  if (rc != CL_SUCCESS || n_platforms == 0) {
    snprintf(why, size, "no OpenCL platform is installed");
    return -1;
  }
  for (cl_uint p = 0; p < n_platforms && p < 32; p++) {
    cl_device_id devices[64];
    cl_uint n = 0;
    if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 64, devices, &n) != CL_SUCCESS) continue;
    if (n > 64) n = 64;
    if (index - seen < n) {
      *platform = platforms[p];
      m->device = devices[index - seen];
      return 0;
    }
    seen += n;
  }
  if (seen == 0) {
    snprintf(why, size, "no OpenCL device is available");
    return -1;
  }
  snprintf(why, size, "--device: there is no device %u, the last is %u", index, seen - 1);
  return 2;
}

static void read_facts(struct machine *m, cl_platform_id platform) {
  struct run_facts *f = &m->facts;
  cl_device_type type = 0;
  cl_ulong cache = 0;
  cl_uint units = 1;
  clGetDeviceInfo(m->device, CL_DEVICE_NAME, sizeof f->device, f->device, NULL);
  clGetDeviceInfo(m->device, CL_DRIVER_VERSION, sizeof f->driver, f->driver, NULL);
  clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof f->platform, f->platform, NULL);
  clGetDeviceInfo(m->device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
  clGetDeviceInfo(m->device, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof cache, &cache, NULL);
  clGetDeviceInfo(m->device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
  m->is_cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
  f->units = units;
  f->cache_bytes = (size_t)cache;
  if (m->is_cpu && sysfs_cache() > f->cache_bytes) f->cache_bytes = sysfs_cache();
}

int machine_open(struct machine *m, unsigned index, char *why, size_t why_size) {
  cl_platform_id platform;
  cl_int rc;
  memset(m, 0, sizeof *m);
  int found = find_device(m, index, &platform, why, why_size);
  if (found != 0) return found;
  read_facts(m, platform);
  m->context = clCreateContext(NULL, 1, &m->device, NULL, NULL, &rc);
  if (rc == CL_SUCCESS) m->queue = clCreateCommandQueue(m->context, m->device, 0, &rc);
  if (rc == CL_SUCCESS) return 0;
  snprintf(why, why_size, "can't open %s: %s", m->facts.device, clloss_status_name(rc));
  machine_close(m);
  return -1;
}

void machine_close(struct machine *m) {
  if (m->queue) clReleaseCommandQueue(m->queue);
  if (m->context) clReleaseContext(m->context);
  m->queue = NULL;
  m->context = NULL;
}

cl_int ring_open(struct ring *r, const struct machine *m, const void *home, size_t bytes,
                 size_t budget_bytes) {
  size_t wanted = (m->facts.cache_bytes + m->facts.cache_bytes / 2) / bytes + 2;
  size_t affordable = budget_bytes / bytes;
  cl_int rc = CL_SUCCESS;
  memset(r, 0, sizeof *r);
  r->home = home;
  r->bytes = bytes;
  if (wanted > affordable) wanted = affordable;
  if (wanted > RING_MAX) wanted = RING_MAX;
  if (wanted < 3) wanted = 3;
  /* Memory that the host can address as well, where there is such: the OpenMP loops work on the same buffers. */
  cl_mem_flags flags = CL_MEM_READ_WRITE | (m->is_cpu ? CL_MEM_ALLOC_HOST_PTR : 0);
  while (r->count < wanted && rc == CL_SUCCESS) {
    cl_mem buffer = clCreateBuffer(m->context, flags, bytes, NULL, &rc);
    if (rc != CL_SUCCESS) break;
    r->buffer[r->count++] = buffer;
    rc = ring_restore(r, m, buffer);
  }
  if (rc != CL_SUCCESS) ring_close(r);
  return rc;
}

void ring_close(struct ring *r) {
  for (size_t i = 0; i < r->count; i++) clReleaseMemObject(r->buffer[i]);
  r->count = 0;
}

cl_int ring_refill(struct ring *r, const struct machine *m, const void *home) {
  cl_int rc = CL_SUCCESS;
  r->home = home;
  for (size_t i = 0; i < r->count && rc == CL_SUCCESS; i++) rc = ring_restore(r, m, r->buffer[i]);
  return rc;
}

cl_mem ring_next(struct ring *r) {
  cl_mem buffer = r->buffer[r->next];
  r->next = (r->next + 1) % r->count;
  return buffer;
}

cl_int ring_restore(const struct ring *r, const struct machine *m, cl_mem buffer) {
  return clEnqueueWriteBuffer(m->queue, buffer, CL_TRUE, 0, r->bytes, r->home, 0, NULL, NULL);
}

int ring_is_warm(const struct ring *r, const struct machine *m) {
  return (r->count - 1) * r->bytes < m->facts.cache_bytes;
}
