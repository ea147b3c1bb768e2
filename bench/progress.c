/* The progress line. Drawn with a carriage return and "erase to end of line", never more than ten times a second;
 * the time left is extrapolated from the time gone by. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
  int on;
  char label[41];
  uint64_t total, done;
  double start, drawn; /* seconds */
} bar;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void draw(double time) {
  enum { WIDTH = 24 };
  char cells[WIDTH + 1];
  double share = bar.total ? (double)bar.done / (double)bar.total : 0;
  if (share > 1) share = 1;
  for (int i = 0; i < WIDTH; i++) cells[i] = (double)i < share * WIDTH ? '#' : '.';
  cells[WIDTH] = 0;
  fprintf(stderr, "\r\033[K%s", bar.label);
  if (bar.total) fprintf(stderr, " [%s] %3.0f %%", cells, 100 * share);
  double gone = time - bar.start;
  if (share > 0.02 && gone > 1) {
    double left = gone * (1 - share) / share + 0.5;
    fprintf(stderr, "  %d:%02d left", (int)(left / 60), (int)left % 60);
  }
  fflush(stderr);
  bar.drawn = time;
}

void progress_label(const char *label) { snprintf(bar.label, sizeof bar.label, "%.40s", label); }

void progress_begin(const char *label, uint64_t total) {
  bar.on = isatty(STDERR_FILENO);
  progress_label(label);
  bar.total = total;
  bar.done = 0;
  bar.start = now();
  if (bar.on) draw(bar.start);
}

void progress_at(uint64_t done) {
  if (!bar.on) return;
  bar.done = done;
  double time = now();
  if (time - bar.drawn >= 0.1) draw(time);
}

void progress_hide(void) {
  if (!bar.on) return;
  fputs("\r\033[K", stderr);
  fflush(stderr);
  bar.drawn = 0;
}

void progress_end(void) {
  progress_hide();
  bar.on = 0;
}
