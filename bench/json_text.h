/* Strings of JSON, for every command that prints some. */
#ifndef BENCH_JSON_TEXT_H
#define BENCH_JSON_TEXT_H

#include <stdio.h>

/* Quoted, with quotes, backslashes and control characters escaped; bytes from 0x80 are passed on, so UTF-8 stays itself. */
void json_string(FILE *out, const char *text);

#endif
