/* The reader of .npy files (cli/npy.c) and the mapping of what it accepts (cli/array.c), on a file of any bytes. A file that
 * is refused is complained of once. Of one that is accepted the header and the shape's items are all that there is; the items
 * can be read in every type that the reader offers, the file's own giving back its bytes; and a header made of the shape is
 * read as the same shape. */
#include "target.h"

#include "array.h"

#include <clloss/clloss_types.h>
#include <string.h>
#include <unistd.h>

/* The file that all inputs are written into, without a name of its own. */
static struct {
  FILE *file;
  char path[40];
} scratch;

static void write_scratch(const void *header, size_t header_bytes, const void *items, size_t bytes) {
  if (!scratch.file) {
    EXPECT((scratch.file = tmpfile()) != NULL);
    snprintf(scratch.path, sizeof scratch.path, "/proc/self/fd/%d", fileno(scratch.file));
  }
  const int descriptor = fileno(scratch.file);
  EXPECT(ftruncate(descriptor, (off_t)(header_bytes + bytes)) == 0);
  EXPECT(pwrite(descriptor, header, header_bytes, 0) == (ssize_t)header_bytes);
  EXPECT(bytes == 0 || pwrite(descriptor, items, bytes, (off_t)header_bytes) == (ssize_t)bytes);
}

static size_t item_bytes(const npy_file *npy) { return (size_t)(npy->type[1] - '0'); }

/* Types that the items may be read in, a list that ends with 0: of integers i64, and i32 where that holds them. */
static const uint32_t *readable_as(const npy_file *npy) {
  static const uint32_t reals[] = {CLLOSS_F32, CLLOSS_F64, CLLOSS_F16, CLLOSS_BF16, 0},
                        narrow[] = {CLLOSS_I64, CLLOSS_I32, 0}, wide[] = {CLLOSS_I64, 0};
  return npy_is_real(npy) ? reals : item_bytes(npy) == 8 || strcmp(npy->type, "u4") == 0 ? wide : narrow;
}

static void read_items(npy_file *npy, const uint8_t *bytes) {
  const size_t n = (size_t)npy->count;
  for (const uint32_t *dtype = readable_as(npy); *dtype; dtype++) {
    const size_t size = n * dtype_bytes(*dtype);
    uint8_t *items = malloc(size + 1);
    EXPECT(items && npy_seek(npy, 0) && npy_read(npy, *dtype, items, n));
    /* a NaN may come back quiet */
    if (*dtype == npy_dtype(npy) && !npy_is_real(npy)) EXPECT(memcmp(items, bytes, size) == 0);
    free(items);
  }
}

/* Where the items can be mapped as they lie. */
static void map_items(npy_file *npy, const uint8_t *bytes) {
  const uint32_t dtype = npy_dtype(npy);
  array mapped;
  if (!dtype || !npy->count || npy->data_bytes % item_bytes(npy)) return;
  EXPECT(array_open(&mapped, npy, dtype));
  EXPECT(memcmp(mapped.items, bytes, (size_t)npy->count * item_bytes(npy)) == 0);
  array_close(&mapped);
}

static void write_again(const npy_file *npy, const uint8_t *items) {
  char header[NPY_MAX_HEADER];
  npy_file again;
  const size_t n = npy_header(header, npy->type, npy->n_dims, npy->dims);
  EXPECT(n < sizeof header && n % 64 == 0);
  write_scratch(header, n, items, (size_t)npy->count * item_bytes(npy));
  EXPECT(npy_open(&again, scratch.path));
  EXPECT(again.n_dims == npy->n_dims && memcmp(again.dims, npy->dims, sizeof npy->dims) == 0);
  EXPECT(again.data_bytes == n && strcmp(again.type, npy->type) == 0);
  npy_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  npy_file npy;
  char shape[128];
  target_complaints();
  write_scratch(data, size, NULL, 0);
  const bool accepted = npy_open(&npy, scratch.path);
  EXPECT(target_complaints() == !accepted);
  if (!accepted) return 0;
  EXPECT(npy.data_bytes + npy.count * item_bytes(&npy) == size);
  EXPECT(npy.n_dims <= NPY_MAX_DIMS && strlen(npy_shape(&npy, shape)) < sizeof shape);
  const uint8_t *items = data + npy.data_bytes;
  read_items(&npy, items);
  map_items(&npy, items);
  npy_close(&npy);
  if (strcmp(npy.type, "f4") == 0 || strcmp(npy.type, "f8") == 0) write_again(&npy, items);
  EXPECT(target_complaints() == 0);
  return 0;
}
