/* Strings of JSON, for every command that prints some. */
#ifndef BENCH_JSON_TEXT_H
#define BENCH_JSON_TEXT_H

#include <stdio.h>

/* Quoted, with quotes, backslashes and control characters escaped. UTF-8 stays itself; a byte that is none of a character's,
 * as a driver may have in a device's name, becomes U+FFFD. */
void json_string(FILE *out, const char *text);

#endif
