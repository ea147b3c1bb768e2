/* Mapped files. A file's items are mapped where they lie if they have the type that is wanted and an address that suits
 * it; a converted copy takes disk, not memory, and is written, not mapped, while it grows, so that a full disk is an
 * error of write() and no SIGBUS. */
#define _DEFAULT_SOURCE /* madvise: posix_madvise may take the advice for nothing, and glibc's does */
#include "array.h"

#include "cli.h"
#include "whole_file.h"

#include <clloss/clloss_types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* For array_path_at: a signal handler takes no argument. */
enum { MOST = 16 };
static array known[MOST];

static void remember(const array *a) {
  for (size_t i = 0; i < MOST; i++) {
    if (known[i].base) continue;
    known[i] = *a;
    return;
  }
}

const char *array_path_at(const void *address) {
  const char *at = address;
  for (size_t i = 0; i < MOST; i++)
    if (known[i].base && at >= known[i].base && at < known[i].base + known[i].bytes) return known[i].path;
  return NULL;
}

static bool map(array *a, int descriptor, const char *path, size_t first_bytes, size_t bytes, int access) {
  *a = (array){.path = path, .bytes = bytes};
  void *base = mmap(NULL, bytes, access, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED) {
    fail(EXIT_FAILED, "%s: can't be mapped: %s", path, strerror(errno));
    return false;
  }
  a->base = base;
  a->items = a->base + first_bytes;
  remember(a);
  return true;
}

bool array_of_file(array *a, int descriptor, const char *path, size_t first_bytes, size_t bytes) {
  return map(a, descriptor, path, first_bytes, bytes, PROT_READ | PROT_WRITE);
}

bool array_scratch(array *a, size_t bytes) {
  *a = (array){.path = "scratch", .bytes = bytes};
  if (!bytes) return true;
  void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    fail(EXIT_FAILED, "out of memory");
    return false;
  }
  a->items = a->base = base;
  return true;
}

void array_drop(const array *a, size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t whole = bytes < a->bytes ? bytes / page * page : a->bytes;
  if (a->base && whole) madvise(a->base, whole, MADV_DONTNEED);
}

void array_close(array *a) {
  for (size_t i = 0; i < MOST && a->base; i++)
    if (known[i].base == a->base) known[i].base = NULL;
  if (a->base) munmap(a->base, a->bytes);
  *a = (array){.items = NULL};
}

/* Not /tmp, which may be memory. */
static const char *scratch_folder(void) {
  const char *wanted = getenv("TMPDIR");
  return wanted && *wanted ? wanted : "/var/tmp";
}

static bool write_all(int descriptor, const char *bytes, size_t n) {
  while (n) {
    ssize_t written = write(descriptor, bytes, n);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    n -= (size_t)written;
  }
  return true;
}

enum { PART_BYTES = 1 << 18 };

static bool convert(array *a, npy_file *npy, uint32_t dtype) {
  static char part[PART_BYTES];
  const char *folder = scratch_folder();
  const size_t item = dtype_bytes(dtype), most = PART_BYTES / item;
  int descriptor = whole_file_nameless(folder);
  bool good = descriptor >= 0, read = good && npy_seek(npy, 0);
  for (uint64_t done = 0; good && read && done < npy->count; done += most) {
    size_t n = npy->count - done < most ? (size_t)(npy->count - done) : most;
    read = npy_read(npy, dtype, part, n);
    good = !read || write_all(descriptor, part, n * item);
  }
  if (!good) fail(EXIT_FAILED, "%s: its copy in another type, in %s: %s", npy->path, folder, strerror(errno));
  good = good && read && map(a, descriptor, npy->path, 0, (size_t)npy->count * item, PROT_READ);
  if (descriptor >= 0) close(descriptor);
  return good;
}

bool array_open(array *a, npy_file *npy, uint32_t dtype) {
  const size_t item = dtype_bytes(dtype);
  *a = (array){.path = npy->path};
  if (!npy->count) return true;
  if (npy->count > (SIZE_MAX - npy->data_bytes) / 8) {
    fail(EXIT_FAILED, "%s: more than this machine can address", npy->path);
    return false;
  }
  if (npy_dtype(npy) != dtype || npy->data_bytes % item) return convert(a, npy, dtype);
  return map(a, fileno(npy->file), npy->path, (size_t)npy->data_bytes,
             (size_t)(npy->data_bytes + npy->count * item), PROT_READ);
}
