/* The blob's form. Numbers are 64 bits, the least significant byte first; a text or binary is its size and its bytes.
 *
 *   "clLoss programs\n"   16 bytes
 *   sum                   FNV-1a of everything behind it
 *   key                   CLLOSS_KEY_BYTES: of which library, kernels, device and driver it is
 *   probes                for each of the two teams: a byte, whether it was tried, and what the compiler can do
 *   n                     how many programs
 *   n times               the source's name, the options, the binary
 *
 * The sum tells what was cut or damaged, not what was forged: a binary is a program that the driver runs. */
#include "program_blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

static const char magic[16] = {'c', 'l', 'L', 'o', 's', 's', ' ', 'p',
                               'r', 'o', 'g', 'r', 'a', 'm', 's', '\n'};

enum { NUMBER = 8, SUMMED_FROM = sizeof magic + NUMBER };

/* Fowler, Noll and Vo's 64-bit hash, the variant 1a (draft-eastlake-fnv). */
#define FNV_START 0xcbf29ce484222325u

static uint64_t hash(uint64_t of, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  for (size_t i = 0; i < n; ++i) of = (of ^ p[i]) * 0x100000001b3u;
  return of;
}

/* ---- the key ---- */

/* What a compiled program depends on, of the device: which it is, and by which driver. */
static clloss_status hash_device(clloss__message *message, cl_device_id device, uint64_t *of) {
  static const struct {
    cl_device_info what;
    const char *name;
  } texts[] = {{CL_DEVICE_NAME, "CL_DEVICE_NAME"},
               {CL_DEVICE_VENDOR, "CL_DEVICE_VENDOR"},
               {CL_DEVICE_VERSION, "CL_DEVICE_VERSION"},
               {CL_DRIVER_VERSION, "CL_DRIVER_VERSION"}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    char step[64], *text = NULL;
    snprintf(step, sizeof step, "asking the device for its %s", texts[i].name);
    const clloss_status status = clloss__device_text(message, device, texts[i].what, step, &text);
    if (status != CLLOSS_SUCCESS) return status;
    *of = hash(*of, text, strlen(text) + 1);
    free(text);
  }
  return CLLOSS_SUCCESS;
}

clloss_status clloss__blob_key(clloss__message *message, cl_device_id device, char *text) {
  uint64_t kernels = FNV_START, of_device = FNV_START;
  for (size_t i = 0; i < clloss__n_sources; ++i)
    kernels = hash(kernels, clloss__sources[i].text, clloss__sources[i].size_bytes);
  const unsigned char sizes[] = {sizeof(clloss__probed) % 256, sizeof(clloss__probed) / 256, sizeof(void *)};
  kernels = hash(kernels, sizes, sizeof sizes);
  const clloss_status status = hash_device(message, device, &of_device);
  if (status != CLLOSS_SUCCESS) return status;
  memset(text, 0, CLLOSS_KEY_BYTES);
  snprintf(text, CLLOSS_KEY_BYTES, "clloss-%d.%d.%d-%016llx-%016llx", CLLOSS_VERSION_MAJOR,
           CLLOSS_VERSION_MINOR, CLLOSS_VERSION_PATCH, (unsigned long long)kernels,
           (unsigned long long)of_device);
  return CLLOSS_SUCCESS;
}

/* ---- writing ---- */

/* What doesn't fit is counted all the same. */
typedef struct {
  unsigned char *to;
  size_t room, size;
} writer;

static void put(writer *w, const void *bytes, size_t n) {
  if (w->to && w->size <= w->room && n <= w->room - w->size) memcpy(w->to + w->size, bytes, n);
  w->size += n;
}

static void put_number(writer *w, uint64_t x) {
  unsigned char bytes[NUMBER];
  for (int i = 0; i < NUMBER; ++i) bytes[i] = (unsigned char)(x >> 8 * i);
  put(w, bytes, sizeof bytes);
}

static void put_sized(writer *w, const void *bytes, size_t n) {
  put_number(w, n);
  put(w, bytes, n);
}

static clloss_status put_entries(writer *w, const clloss__program_set *set, clloss__message *message) {
  uint64_t n = 0;
  for (const clloss__program_entry *e = set->first; e; e = e->next) ++n;
  put_number(w, n);
  for (const clloss__program_entry *e = set->first; e; e = e->next) {
    unsigned char *binary;
    size_t size;
    const clloss_status status = clloss__set_binary(set, message, e, &binary, &size);
    if (status != CLLOSS_SUCCESS) return status;
    put_sized(w, e->source->name, strlen(e->source->name));
    put_sized(w, e->options, strlen(e->options));
    put_sized(w, binary, size);
    free(binary);
  }
  return CLLOSS_SUCCESS;
}

static clloss_status write_all(writer *w, const clloss__program_set *set, clloss__message *message,
                               const char *key) {
  put(w, magic, sizeof magic);
  put_number(w, 0);
  put(w, key, CLLOSS_KEY_BYTES);
  for (int i = 0; i < CLLOSS__PROBES; ++i) {
    const clloss__probed none = {0};
    put(w, &(unsigned char){set->probed[i]}, 1);
    put(w, set->probed[i] ? &set->found[i] : &none, sizeof none);
  }
  return put_entries(w, set, message);
}

clloss_status clloss__blob_write(clloss__program_set *set, clloss__message *message, void *blob,
                                 size_t room_bytes, size_t *size_bytes) {
  char key[CLLOSS_KEY_BYTES];
  writer w = {.to = blob, .room = room_bytes};
  *size_bytes = 0;
  clloss_status status = clloss__blob_key(message, set->device, key);
  if (status != CLLOSS_SUCCESS) return status;
  clloss__lock_take(&set->lock);
  status = write_all(&w, set, message, key);
  clloss__lock_give(&set->lock);
  if (status != CLLOSS_SUCCESS) return status;
  *size_bytes = w.size;
  if (!blob) return CLLOSS_SUCCESS;
  if (w.size > room_bytes)
    return clloss__say(message, CLLOSS_SIZE, "blob: room for %zu bytes, %zu are needed", room_bytes, w.size);
  writer sum = {.to = (unsigned char *)blob + sizeof magic, .room = NUMBER};
  put_number(&sum, hash(FNV_START, (unsigned char *)blob + SUMMED_FROM, w.size - SUMMED_FROM));
  return CLLOSS_SUCCESS;
}

/* ---- reading ---- */

typedef struct {
  const unsigned char *at;
  size_t left;
} reader;

/* NULL where so many aren't left. */
static const unsigned char *take(reader *r, uint64_t n) {
  if (n > r->left) return NULL;
  const unsigned char *const p = r->at;
  r->at += n;
  r->left -= (size_t)n;
  return p;
}

static bool take_number(reader *r, uint64_t *x) {
  const unsigned char *const p = take(r, NUMBER);
  *x = 0;
  for (int i = 0; p && i < NUMBER; ++i) *x |= (uint64_t)p[i] << 8 * i;
  return p != NULL;
}

static bool take_sized(reader *r, const unsigned char **bytes, uint64_t *n) {
  if (!take_number(r, n)) return false;
  *bytes = take(r, *n);
  return *bytes != NULL;
}

static bool ends(const char *text, size_t room) { return memchr(text, '\0', room) != NULL; }

static bool take_probe(reader *r, bool *tried, clloss__probed *found) {
  const unsigned char *const flag = take(r, 1), *const bytes = flag ? take(r, sizeof *found) : NULL;
  if (!bytes || *flag > 1) return false;
  memcpy(found, bytes, sizeof *found);
  *tried = *flag;
  return ends(found->options, sizeof found->options) && ends(found->standard, sizeof found->standard) &&
         ends(found->how, sizeof found->how);
}

/* One program of the list; adds it where a set is given. */
static clloss_status take_entry(reader *r, clloss__message *message, clloss__program_set *set) {
  const unsigned char *name, *options, *binary;
  uint64_t name_bytes, options_bytes, binary_bytes;
  char text[1024];
  if (!take_sized(r, &name, &name_bytes) || !take_sized(r, &options, &options_bytes) ||
      !take_sized(r, &binary, &binary_bytes) || options_bytes >= sizeof text)
    return clloss__say(message, CLLOSS_VALUE, "programs: its list ends early");
  memcpy(text, options, (size_t)options_bytes);
  text[options_bytes] = '\0';
  const clloss__source *source = clloss__find_source((const char *)name, (size_t)name_bytes);
  if (!source) return clloss__say(message, CLLOSS_VALUE, "programs: holds one of no source of this library");
  if (set && !clloss__set_add_binary(set, source, text, binary, (size_t)binary_bytes))
    return clloss__say(message, CL_OUT_OF_HOST_MEMORY, "programs: no memory for %zu bytes of %s",
                       (size_t)binary_bytes, source->name);
  return CLLOSS_SUCCESS;
}

static clloss_status take_entries(reader r, clloss__message *message, uint64_t n, clloss__program_set *set) {
  clloss_status status = CLLOSS_SUCCESS;
  for (uint64_t i = 0; status == CLLOSS_SUCCESS && i < n; ++i) status = take_entry(&r, message, set);
  if (status == CLLOSS_SUCCESS && r.left)
    status = clloss__say(message, CLLOSS_VALUE, "programs: %zu bytes behind its list", r.left);
  return status;
}

/* Up to the key, and that the rest is whole. */
static clloss_status take_head(reader *r, clloss__message *message, const char *key) {
  uint64_t sum;
  const unsigned char *const begin = take(r, sizeof magic);
  if (!begin || memcmp(begin, magic, sizeof magic) != 0)
    return clloss__say(message, CLLOSS_VALUE, "programs: not a blob of clloss_ctx_programs");
  const bool has_sum = take_number(r, &sum);
  const uint64_t found = hash(FNV_START, r->at, r->left);
  const unsigned char *const own = take(r, CLLOSS_KEY_BYTES);
  if (!has_sum || !own || found != sum)
    return clloss__say(message, CLLOSS_VALUE, "programs: cut or damaged: its sum is %016llx, not %016llx",
                       (unsigned long long)found, (unsigned long long)sum);
  if (memcmp(own, key, CLLOSS_KEY_BYTES) != 0)
    return clloss__say(message, CLLOSS_VALUE, "programs: of %.*s, another library, device or driver than %s",
                       CLLOSS_KEY_BYTES, (const char *)own, key);
  return CLLOSS_SUCCESS;
}

clloss_status clloss__blob_read(clloss__program_set *set, clloss__message *message, const void *blob,
                                size_t size_bytes) {
  char key[CLLOSS_KEY_BYTES];
  reader r = {blob, size_bytes};
  bool probed[CLLOSS__PROBES];
  clloss__probed found[CLLOSS__PROBES];
  uint64_t n;
  clloss_status status = clloss__blob_key(message, set->device, key);
  if (status == CLLOSS_SUCCESS) status = take_head(&r, message, key);
  if (status != CLLOSS_SUCCESS) return status;
  bool whole = true;
  for (int i = 0; i < CLLOSS__PROBES; ++i) whole = whole && take_probe(&r, &probed[i], &found[i]);
  if (!whole || !take_number(&r, &n)) return clloss__say(message, CLLOSS_VALUE, "programs: ends early");
  status = take_entries(r, message, n, NULL); /* looks at all before anything is taken */
  if (status != CLLOSS_SUCCESS) return status;
  clloss__lock_take(&set->lock);
  for (int i = 0; i < CLLOSS__PROBES; ++i) {
    if (!probed[i] || set->probed[i]) continue;
    set->found[i] = found[i];
    set->probed[i] = true;
  }
  status = take_entries(r, message, n, set);
  clloss__lock_give(&set->lock);
  return status;
}
