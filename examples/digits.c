/* Reads lines of 64 pixels 0–16 and a class 0–9, comma-separated, gzip-compressed or plain (zlib reads both). */
#include "digits.h"
#include "rng.h"
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { MAX_ROWS = 10000, MAX_LINE = 512, MAX_PIXEL = 16 };

/* The next number of the line, which must be followed by `end`; −1 if it isn't a whole number from 0 to max. */
static long number(char **at, long max, char end) {
  char *after;
  const long value = strtol(*at, &after, 10);
  if (after == *at || *after != end || value < 0 || value > max) return -1;
  *at = after + 1;
  return value;
}

static bool parse(char *line, float *pixels, int32_t *class) {
  for (int i = 0; i < DIGITS_PIXELS; i++) {
    const long value = number(&line, MAX_PIXEL, ',');
    if (value < 0) return false;
    pixels[i] = (float)value / MAX_PIXEL;
  }
  const long value = number(&line, DIGITS_CLASSES - 1, '\n');
  *class = (int32_t)value;
  return value >= 0;
}

static bool read_rows(digits *d, gzFile file, const char *path) {
  char line[MAX_LINE];
  bool good = true;
  while (good && gzgets(file, line, sizeof line)) {
    good = d->rows < MAX_ROWS && parse(line, d->pixels + d->rows * DIGITS_PIXELS, d->classes + d->rows);
    d->rows += good;
  }
  int error; /* first, since a file that was cut off also ends in half a row */
  const char *message = gzerror(file, &error);
  if (error != Z_OK && error != Z_STREAM_END) {
    if (error == Z_ERRNO)
      fprintf(stderr, "%s: can't be read\n", path);
    else
      fprintf(stderr, "%s\n", message); /* zlib's own names the file */
    return false;
  }
  if (!good && d->rows == MAX_ROWS)
    fprintf(stderr, "%s: more than %d rows\n", path, MAX_ROWS);
  else if (!good)
    fprintf(stderr, "%s: row %zu isn't 64 pixels 0-16 and a class 0-9\n", path, d->rows + 1);
  else if (d->rows < 5)
    fprintf(stderr, "%s: too few rows to hold a fifth out\n", path);
  return good && d->rows >= 5;
}

static void swap_rows(digits *d, size_t a, size_t b) {
  for (size_t i = 0; i < DIGITS_PIXELS; i++) {
    const float pixel = d->pixels[a * DIGITS_PIXELS + i];
    d->pixels[a * DIGITS_PIXELS + i] = d->pixels[b * DIGITS_PIXELS + i];
    d->pixels[b * DIGITS_PIXELS + i] = pixel;
  }
  const int32_t class = d->classes[a];
  d->classes[a] = d->classes[b];
  d->classes[b] = class;
}

bool digits_load(digits *d, const char *path, uint64_t seed) {
  *d = (digits){0};
  gzFile file = gzopen(path, "rb");
  if (!file) {
    fprintf(stderr, "%s: can't be opened\n", path);
    return false;
  }
  d->pixels = malloc(sizeof(float) * MAX_ROWS * DIGITS_PIXELS);
  d->classes = malloc(sizeof(int32_t) * MAX_ROWS);
  bool good = d->pixels && d->classes;
  if (!good) fprintf(stderr, "%s: out of memory\n", path);
  good = good && read_rows(d, file, path);
  gzclose(file);
  if (!good) return false;

  for (size_t left = d->rows; left > 1; left--)
    swap_rows(d, left - 1, rng_below(&seed, left)); /* Fisher, Yates */
  d->held_rows = d->rows / 5;
  d->train_rows = d->rows - d->held_rows;
  return true;
}

void digits_free(digits *d) {
  free(d->pixels);
  free(d->classes);
  *d = (digits){0};
}
