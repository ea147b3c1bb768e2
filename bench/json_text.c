/* Strings of JSON. */
#include "json_text.h"

/* Bytes of the character of UTF-8 at the text's beginning, 0 where there is none: RFC 3629, whose table this is. The text ends
 * with a NUL, which no part of a character is. */
static size_t utf8_bytes(const unsigned char *text) {
  static const struct {
    unsigned char first, last, from, to; /* the lead, and the range of the byte behind it */
    size_t bytes;
  } forms[] = {{0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
               {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
               {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (*text < forms[i].first || *text > forms[i].last || text[1] < forms[i].from || text[1] > forms[i].to)
      continue;
    for (size_t k = 2; k < forms[i].bytes; k++)
      if (text[k] < 0x80 || text[k] > 0xbf) return 0;
    return forms[i].bytes;
  }
  return 0;
}

void json_string(FILE *out, const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  fputc('"', out);
  for (size_t n; *c; c += n ? n : 1) {
    n = utf8_bytes(c);
    if (n == 0)
      fputs("\\ufffd", out);
    else if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(out, "\\u%04x", *c);
    else
      fwrite(c, 1, n, out);
  }
  fputc('"', out);
}
