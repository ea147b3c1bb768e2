/* The JSON writers: strings (bench/json_text.c), the report of `clloss eval --json` (cli/eval_report.c), and the lines of
 * `clloss bench --json` (bench/json.c), with any bits for numbers and any bytes for texts. What is written is one JSON value
 * of RFC 8259, in UTF-8, and nothing else; a string of UTF-8 reads back as it was; and the loss is the same double. */
#include "target.h"

#include "tape.h"

#include "eval_report.h"
#include "json_text.h"
#include "result.h"

#include <math.h>
#include <stdbool.h>

/* ---- a reader, apart from the writers ---- */

typedef struct source {
  const unsigned char *at, *end;
} source;

static bool value(source *s, int depth);

static bool take(source *s, unsigned char c) {
  if (s->at == s->end || *s->at != c) return false;
  s->at++;
  return true;
}

static void blanks(source *s) {
  while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at) s->at++;
}

static bool word(source *s, const char *text) {
  const size_t n = strlen(text);
  if ((size_t)(s->end - s->at) < n || memcmp(s->at, text, n) != 0) return false;
  s->at += n;
  return true;
}

static bool digits(source *s) {
  const unsigned char *start = s->at;
  while (s->at < s->end && *s->at >= '0' && *s->at <= '9') s->at++;
  return s->at != start;
}

static bool number(source *s) {
  take(s, '-');
  if (!take(s, '0') && !digits(s)) return false;
  if (take(s, '.') && !digits(s)) return false;
  if (!take(s, 'e') && !take(s, 'E')) return true;
  if (!take(s, '+')) take(s, '-');
  return digits(s);
}

/* A character beyond ASCII: the shortest form of a code point that is one (RFC 3629). */
static bool wide(source *s) {
  const size_t left = (size_t)(s->end - s->at);
  const unsigned lead = *s->at, n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xc0 || lead >= 0xf8 || n > left) return false;
  unsigned code = lead & (0x7fu >> n);
  for (unsigned i = 1; i < n; i++) {
    if ((s->at[i] & 0xc0) != 0x80) return false;
    code = code << 6 | (s->at[i] & 0x3fu);
  }
  if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  s->at += n;
  return true;
}

static bool escape(source *s) {
  if (s->at == s->end) return false;
  const unsigned char c = *s->at++;
  if (c != 'u') return c && strchr("\"\\/bfnrt", c);
  for (int i = 0; i < 4; i++, s->at++)
    if (s->at == s->end || !*s->at || !strchr("0123456789abcdefABCDEF", *s->at)) return false;
  return true;
}

static bool string(source *s) {
  if (!take(s, '"')) return false;
  while (!take(s, '"')) {
    if (s->at == s->end || *s->at < 0x20) return false;
    if (*s->at >= 0x80 ? !wide(s) : *s->at++ == '\\' && !escape(s)) return false;
  }
  return true;
}

static bool list(source *s, unsigned char close, bool named, int depth) {
  blanks(s);
  if (take(s, close)) return true;
  do {
    blanks(s);
    if (named && !string(s)) return false;
    if (named) blanks(s);
    if (named && !take(s, ':')) return false;
    if (!value(s, depth)) return false;
  } while (take(s, ','));
  return take(s, close);
}

static bool value(source *s, int depth) {
  bool good;
  blanks(s);
  if (depth == 0)
    return false;
  else if (take(s, '{'))
    good = list(s, '}', true, depth - 1);
  else if (take(s, '['))
    good = list(s, ']', false, depth - 1);
  else if (s->at < s->end && *s->at == '"')
    good = string(s);
  else
    good = word(s, "null") || word(s, "true") || word(s, "false") || number(s);
  blanks(s);
  return good;
}

static void check_json(const char *text, size_t n) {
  source s = {(const unsigned char *)text, (const unsigned char *)text + n};
  const bool good = value(&s, 4) && s.at == s.end;
  if (!good) fprintf(stderr, "%.*s\n", (int)n, text);
  EXPECT(good);
}

/* ---- strings ---- */

/* As it was, where it is UTF-8: what is written, with its escapes taken back. */
static void check_text(const char *written, size_t n, const char *text) {
  const unsigned char *expected = (const unsigned char *)text;
  source s = {expected, expected + strlen(text)};
  while (s.at < s.end)
    if (*s.at < 0x80)
      s.at++;
    else if (!wide(&s))
      return;
  for (size_t i = 1; i + 1 < n; i++, expected++) {
    unsigned code = (unsigned char)written[i];
    if (code == '\\' && written[++i] != 'u')
      code = (unsigned char)written[i];
    else if (code == '\\')
      EXPECT(sscanf(written + i + 1, "%4x", &code) == 1 && (i += 4));
    EXPECT(code == *expected);
  }
  EXPECT(*expected == 0);
}

static void try_string(fuzz_tape *t) {
  char text[200], *written;
  size_t n;
  tape_text(t, text, sizeof text);
  FILE *out = open_memstream(&written, &n);
  EXPECT(out != NULL);
  json_string(out, text);
  EXPECT(fclose(out) == 0);
  check_json(written, n);
  check_text(written, n, text);
  free(written);
}

/* ---- the report of eval ---- */

static void draw_rows(fuzz_tape *t, eval_report *r) {
  const size_t rows = tape_byte(t) % 16;
  for (size_t c = 0; c < r->classes; c++) r->frequencies[c] = tape_byte(t);
  for (size_t i = 0; i < rows; i++) {
    report_row row = {.row = tape_u64(t), .target = (int64_t)tape_u64(t), .predicted = (int64_t)tape_u64(t)};
    row.probability = tape_double(t), row.right = tape_double(t), row.loss = tape_double(t);
    eval_report_add(r, &row);
  }
}

/* What eval's own printing wrote. The standard output of glibc is a variable. */
static char *printed(void (*print)(const eval_report *), const eval_report *r, size_t *n) {
  char *text;
  FILE *const before = stdout;
  EXPECT((stdout = open_memstream(&text, n)) != NULL);
  print(r);
  EXPECT(fclose(stdout) == 0);
  stdout = before;
  return text;
}

static void try_report(fuzz_tape *t) {
  static const char opening[] = "{\"loss\": ";
  eval_report r;
  char device[80];
  size_t n;
  const report_kind kind = (report_kind)(tape_byte(t) % 3);
  EXPECT(eval_report_open(&r, kind, 1 + tape_byte(t) % 16));
  eval_result *s = &r.result;
  s->reduction = tape_byte(t) % 4;
  s->rows = tape_u64(t), s->ignored = tape_u64(t), s->bad_targets = tape_u64(t), s->no_loss = tape_u64(t);
  s->classes = r.classes;
  s->loss = tape_double(t), s->mean = tape_double(t), s->accuracy = tape_double(t);
  s->top = tape_double(t), s->entropy = tape_double(t), s->confidence = tape_double(t);
  s->apart = tape_byte(t) & 1;
  s->digits = tape_byte(t) & 1 ? 9 : 17;
  tape_text(t, device, sizeof device);
  s->device = device;
  draw_rows(t, &r);
  char *json = printed(eval_report_json, &r, &n);
  check_json(json, n);
  EXPECT(memcmp(json, opening, sizeof opening - 1) == 0);
  if (s->digits == 17 && s->reduction != 2 && isfinite(s->loss))
    EXPECT(strtod(json + sizeof opening - 1, NULL) == s->loss);
  free(json);
  free(printed(eval_report_text, &r, &n));
  eval_report_close(&r);
}

/* ---- the lines of bench ---- */

static struct summary draw_summary(fuzz_tape *t) {
  return (struct summary){tape_double(t), tape_double(t), tape_double(t), tape_double(t)};
}

static void try_bench(fuzz_tape *t) {
  char *json;
  size_t n;
  struct result r = result_blank("xent_fused", 1, SHAPE_LARGE, tape_u64(t), tape_u64(t), 1, "f32");
  struct run_facts facts = {.units = tape_byte(t)};
  struct summary *const some[] = {&r.ms, &r.scale_ms, &r.of_limit, &r.speedup, &r.call_us, &r.peers[1].ms};
  for (size_t i = 0; i < sizeof some / sizeof *some; i++) *some[i] = draw_summary(t);
  r.max_err = tape_double(t), r.ideal_bytes = tape_double(t);
  tape_text(t, r.plan, sizeof r.plan);
  tape_text(t, r.failed, 100);
  tape_text(t, r.peers[2].failed, sizeof r.peers[2].failed);
  tape_text(t, facts.device, sizeof facts.device);
  tape_text(t, facts.driver, sizeof facts.driver);
  tape_text(t, facts.command, 250);
  FILE *out = open_memstream(&json, &n);
  EXPECT(out != NULL);
  json_result(out, &facts, &r);
  EXPECT(fflush(out) == 0);
  check_json(json, n);
  const size_t first = n;
  json_run(out, &facts);
  EXPECT(fclose(out) == 0);
  check_json(json + first, n - first);
  free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const tries[])(fuzz_tape *) = {try_string, try_report, try_bench};
  fuzz_tape t = {data, size};
  tries[tape_byte(&t) % 3](&t);
  return 0;
}
