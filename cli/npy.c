/* A .npy file is the six bytes \x93NUMPY, two of version, the header's length (2 bytes little-endian in version 1.0, 4
 * in 2.0 and 3.0), the header, and the items. The header is a Python dict literal with the keys descr, fortran_order
 * and shape; it is parsed here as such, for order, quotes and blanks are free. Format:
 * numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "npy.h"

#include "cli.h"

#include <clloss/clloss.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#  error "items are read as they lie in the file: little-endian hosts only"
#endif

enum {
  MAX_HEADER = 65536, /* NumPy's own reader stops at 10,000 */
  MAX_DESCR = 64
};

/* What is left of the header, and what is wrong with it once something is. */
typedef struct source {
  const char *at, *end;
  const char *wrong;
} source;

static bool wrong(source *t, const char *what) {
  if (!t->wrong) t->wrong = what;
  return false;
}

static void blanks(source *t) {
  while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\n' || *t->at == '\r')) t->at++;
}

/* Takes the character if it is next. */
static bool take(source *t, char c) {
  blanks(t);
  if (t->at == t->end || *t->at != c) return false;
  t->at++;
  return true;
}

static bool take_word(source *t, const char *word) {
  blanks(t);
  size_t n = strlen(word);
  if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n)) return false;
  t->at += n;
  return true;
}

static bool string(source *t, char *to, size_t room) {
  char quote = take(t, '\'') ? '\'' : take(t, '"') ? '"' : 0;
  size_t n = 0;
  if (!quote) return wrong(t, "a string is missing in the header");
  while (t->at < t->end && *t->at != quote && n + 1 < room) to[n++] = *t->at++;
  to[n] = 0;
  return take(t, quote) || wrong(t, "the header holds an endless string");
}

static bool number(source *t, uint64_t *to) {
  blanks(t);
  const char *start = t->at;
  for (*to = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
    uint64_t digit = (uint64_t)(*t->at - '0');
    if (*to > (UINT64_MAX - digit) / 10) return wrong(t, "the shape overflows");
    *to = *to * 10 + digit;
  }
  if (t->at == start) return wrong(t, "the shape isn't a tuple of sizes");
  take(t, 'L'); /* Python 2 wrote 3L */
  return true;
}

/* "()", "(3,)", "(3, 5)", "(3, 5,)"; "(3)" is no tuple in Python. */
static bool shape(source *t, npy_file *npy) {
  bool comma = true;
  npy->n_dims = 0;
  if (!take(t, '(')) return wrong(t, "the shape isn't a tuple of sizes");
  while (!take(t, ')')) {
    if (!comma) return wrong(t, "the shape isn't a tuple of sizes");
    if (npy->n_dims == NPY_MAX_DIMS) return wrong(t, "the shape has more than 32 axes");
    if (!number(t, &npy->dims[npy->n_dims++])) return false;
    comma = take(t, ',');
  }
  return npy->n_dims != 1 || comma || wrong(t, "the shape isn't a tuple of sizes");
}

typedef struct layout {
  char descr[MAX_DESCR];
  bool fortran;
  unsigned seen; /* 1 descr, 2 fortran_order, 4 shape */
} layout;

static bool entry(source *t, npy_file *npy, layout *l) {
  char key[32];
  unsigned bit;
  if (!string(t, key, sizeof key)) return false;
  if (!take(t, ':')) return wrong(t, "the header isn't a dict");
  bit = !strcmp(key, "descr") ? 1 : !strcmp(key, "fortran_order") ? 2 : !strcmp(key, "shape") ? 4 : 0;
  if (!bit || (l->seen & bit)) return wrong(t, "the header has an unknown or repeated key");
  l->seen |= bit;
  if (bit == 4) return shape(t, npy);
  if (bit == 2) {
    l->fortran = take_word(t, "True");
    return l->fortran || take_word(t, "False") || wrong(t, "fortran_order is neither True nor False");
  }
  if (take(t, '[')) return wrong(t, "its items are structs ('descr' is a list)");
  return string(t, l->descr, sizeof l->descr);
}

static bool dict(source *t, npy_file *npy, layout *l) {
  bool comma = true;
  if (!take(t, '{')) return wrong(t, "the header isn't a dict");
  while (!take(t, '}')) {
    if (!comma) return wrong(t, "the header isn't a dict");
    if (!entry(t, npy, l)) return false;
    comma = take(t, ',');
  }
  blanks(t);
  if (t->at != t->end) return wrong(t, "the header goes on after its dict");
  return l->seen == 7 || wrong(t, "the header lacks descr, fortran_order or shape");
}

static bool refuse(const npy_file *npy, const char *what) {
  fail(EXIT_FAILED, "%s: %s", npy->path, what);
  return false;
}

static bool refuse_errno(const npy_file *npy) {
  return refuse(npy, errno ? strerror(errno) : "can't be read");
}

static bool read_bytes(npy_file *npy, void *to, size_t bytes) {
  errno = 0;
  if (fread(to, 1, bytes, npy->file) == bytes) return true;
  return feof(npy->file) ? refuse(npy, "ends too early") : refuse_errno(npy);
}

/* Reads up to the header's end; *length is that of the header's text. */
static bool read_header(npy_file *npy, char *header, size_t *length) {
  unsigned char start[12];
  if (!read_bytes(npy, start, 8)) return false;
  if (memcmp(start, "\x93NUMPY", 6)) return refuse(npy, "not a .npy file");
  int wide = start[6] > 1;
  if (start[6] < 1 || start[6] > 3 || start[7]) {
    fail(EXIT_FAILED, "%s: .npy format version %d.%d; this version reads 1.0, 2.0 and 3.0", npy->path,
         start[6], start[7]);
    return false;
  }
  if (!read_bytes(npy, start + 8, wide ? 4 : 2)) return false;
  *length = start[8] | (size_t)start[9] << 8;
  if (wide) *length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
  if (*length > MAX_HEADER) return refuse(npy, "its header is longer than 65536 bytes");
  npy->data_bytes = (wide ? 12 : 10) + *length;
  return read_bytes(npy, header, *length);
}

static bool known_type(npy_file *npy, const layout *l) {
  const char *known[] = {"<f2", "<f4", "<f8", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<i8"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(l->descr, known[i])) memcpy(npy->type, known[i] + 1, 3);
  if (npy->type[0]) return true;
  fail(EXIT_FAILED,
       "%s: holds '%s' items; this version reads '<f2', '<f4', '<f8' and integers up to '<u4' and '<i8'",
       npy->path, l->descr);
  return false;
}

static size_t item_bytes(const npy_file *npy) { return (size_t)(npy->type[1] - '0'); }

/* Sets count; a shape with an axis of 0 is empty, however long the others are. */
static bool count_items(npy_file *npy) {
  uint64_t most = INT64_MAX / item_bytes(npy), empty = 0;
  for (int i = 0; i < npy->n_dims; i++) empty |= npy->dims[i] == 0;
  npy->count = !empty;
  for (int i = 0; i < npy->n_dims && !empty; i++) {
    if (npy->dims[i] > most / npy->count) return refuse(npy, "the shape overflows");
    npy->count *= npy->dims[i];
  }
  return true;
}

static bool check_length(const npy_file *npy) {
  struct stat info;
  char text[128];
  if (fstat(fileno(npy->file), &info)) return refuse_errno(npy);
  uint64_t needed = npy->count * item_bytes(npy), found = (uint64_t)info.st_size - npy->data_bytes;
  if (found == needed) return true;
  fail(EXIT_FAILED, "%s: %s: %" PRIu64 " bytes of items, where shape %s of '<%s' has %" PRIu64, npy->path,
       found < needed ? "cut off" : "too long", found, npy_shape(npy, text), npy->type, needed);
  return false;
}

static bool load(npy_file *npy) {
  static char header[MAX_HEADER];
  layout l = {.seen = 0};
  size_t length = 0;
  if (!read_header(npy, header, &length)) return false;
  source t = {.at = header, .end = header + length};
  if (!dict(&t, npy, &l)) return refuse(npy, t.wrong);
  if (!known_type(npy, &l)) return false;
  if (l.fortran) return refuse(npy, "is in Fortran order; this version reads C order");
  return count_items(npy) && check_length(npy);
}

/* Without waiting, as the opening of a FIFO does, for somebody at its other end. A socket can't be opened at all: ENXIO. */
static int open_regular(const npy_file *npy) {
  struct stat info;
  const int descriptor = open(npy->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENXIO)
      refuse(npy, "not a regular file");
    else
      refuse_errno(npy);
    return -1;
  }
  if (fstat(descriptor, &info) != 0)
    refuse_errno(npy);
  else if (!S_ISREG(info.st_mode))
    refuse(npy, "not a regular file");
  else
    return descriptor;
  close(descriptor);
  return -1;
}

bool npy_open(npy_file *npy, const char *path) {
  *npy = (npy_file){.path = path};
  errno = 0;
  const int descriptor = open_regular(npy);
  if (descriptor < 0) return false;
  npy->file = fdopen(descriptor, "rb");
  if (!npy->file) {
    refuse_errno(npy);
    close(descriptor);
    return false;
  }
  if (load(npy)) return true;
  npy_close(npy);
  return false;
}

void npy_close(npy_file *npy) {
  if (npy->file) fclose(npy->file);
  npy->file = NULL;
}

bool npy_seek(npy_file *npy, uint64_t item) {
  errno = 0;
  return !fseeko(npy->file, (off_t)(npy->data_bytes + item * item_bytes(npy)), SEEK_SET) || refuse_errno(npy);
}

bool npy_is_real(const npy_file *npy) { return npy->type[0] == 'f'; }

uint32_t npy_dtype(const npy_file *npy) {
  static const struct {
    const char *type;
    uint32_t dtype;
  } all[] = {{"f2", CLLOSS_F16}, {"f4", CLLOSS_F32}, {"f8", CLLOSS_F64}, {"u1", CLLOSS_U8},
             {"u2", CLLOSS_U16}, {"i4", CLLOSS_I32}, {"i8", CLLOSS_I64}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!strcmp(npy->type, all[i].type)) return all[i].dtype;
  return 0;
}

size_t dtype_bytes(uint32_t dtype) {
  const bool eight = dtype == CLLOSS_F64 || dtype == CLLOSS_I64;
  const bool two = dtype == CLLOSS_F16 || dtype == CLLOSS_BF16 || dtype == CLLOSS_U16;
  return dtype == CLLOSS_U8 ? 1 : two ? 2 : eight ? 8 : 4;
}

enum { PART_BYTES = 1 << 16 };

/* Little-endian, of one, two, four or eight bytes. */
static int64_t integer(const unsigned char *at, const char type[3]) {
  const unsigned bits = 8 * (unsigned)(type[1] - '0');
  uint64_t value = 0;
  for (unsigned i = 0; i < bits; i += 8) value |= (uint64_t)*at++ << i;
  if (type[0] == 'i' && bits < 64 && value >> (bits - 1)) value |= ~(uint64_t)0 << bits;
  return (int64_t)value;
}

static void put_integers(const npy_file *npy, uint32_t dtype, char *to, const void *part, size_t n) {
  const size_t bytes = item_bytes(npy), to_bytes = dtype_bytes(dtype);
  for (size_t i = 0; i < n; i++) {
    const int64_t value = integer((const unsigned char *)part + i * bytes, npy->type);
    memcpy(to + i * to_bytes, &value, to_bytes); /* little-endian: its low end */
  }
}

bool npy_read(npy_file *npy, uint32_t dtype, void *items, size_t n) {
  const size_t bytes = item_bytes(npy), most = PART_BYTES / bytes, to_bytes = dtype_bytes(dtype);
  uint64_t part[PART_BYTES / 8];
  for (size_t done = 0, next; done < n; done += next) {
    char *to = (char *)items + done * to_bytes;
    next = n - done < most ? n - done : most;
    if (!read_bytes(npy, part, next * bytes)) return false;
    if (!npy_is_real(npy))
      put_integers(npy, dtype, to, part, next);
    else if (clloss_convert(dtype, to, npy_dtype(npy), part, next))
      return refuse(npy, "its items can't be converted");
  }
  return true;
}

/* Axes that don't fit the room are left out. */
static void shape_text(char *text, size_t room, int n_dims, const uint64_t *dims) {
  size_t n = 1;
  strcpy(text, "(");
  for (int i = 0; i < n_dims && n + 32 < room; i++)
    n += (size_t)snprintf(text + n, room - n, i ? ", %" PRIu64 : "%" PRIu64, dims[i]);
  snprintf(text + n, room - n, n_dims == 1 ? ",)" : ")");
}

const char *npy_shape(const npy_file *npy, char text[128]) {
  shape_text(text, 128, npy->n_dims, npy->dims);
  return text;
}

size_t npy_header(char header[NPY_MAX_HEADER], const char *type, int n_dims, const uint64_t *dims) {
  char text[NPY_MAX_DIMS * 22 + 40]; /* 20 digits at most, and ", " */
  shape_text(text, sizeof text, n_dims, dims);
  memcpy(header, "\x93NUMPY\x01", 8);
  size_t n = 10;
  n += (size_t)snprintf(header + n, NPY_MAX_HEADER - n,
                        "{'descr': '<%s', 'fortran_order': False, 'shape': %s, }", type, text);
  while ((n + 1) % 64) header[n++] = ' '; /* the items begin at a multiple of 64 bytes, as NumPy has them */
  header[n++] = '\n';
  header[8] = (char)((n - 10) & 255);
  header[9] = (char)((n - 10) >> 8);
  return n;
}
