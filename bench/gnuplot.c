/* Drawing through gnuplot. */
#include "gnuplot.h"

#include <signal.h>
#include <stdlib.h>

int gnuplot_possible(void) { return system("command -v gnuplot >/dev/null 2>&1") == 0; }

/* gnuplot's single quotes know one escape, a doubled quote. */
void gnuplot_quoted(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    if (*text == '\'') fputc('\'', out);
    fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
  }
  fputc('\'', out);
}

int gnuplot_open(struct gnuplot *g, const char *path, int width, int height, char *why, size_t why_size) {
  const int room = (int)sizeof g->path;
  if (snprintf(g->path, sizeof g->path, "%s", path) >= room ||
      snprintf(g->temporary, sizeof g->temporary, "%s.part", path) >= room) {
    snprintf(why, why_size, "the file name is too long");
    return -1;
  }
  /* A gnuplot that dies early must not take the benchmark's figures with it. */
  g->before = signal(SIGPIPE, SIG_IGN);
  g->pipe = popen("gnuplot", "w");
  if (!g->pipe) {
    signal(SIGPIPE, g->before);
    snprintf(why, why_size, "gnuplot can't be started");
    return -1;
  }
  fprintf(g->pipe,
          "set terminal svg size %d,%d font 'Helvetica,Arial,sans-serif,13' background '#ffffff' noenhanced\n"
          "set output ",
          width, height);
  gnuplot_quoted(g->pipe, g->temporary);
  fputc('\n', g->pipe);
  return 0;
}

int gnuplot_close(struct gnuplot *g, int any, char *why, size_t why_size) {
  const int rc = pclose(g->pipe);
  signal(SIGPIPE, g->before);
  if (!any)
    snprintf(why, why_size, "there is nothing to draw");
  else if (rc != 0)
    snprintf(why, why_size, "gnuplot failed");
  else if (rename(g->temporary, g->path) != 0)
    snprintf(why, why_size, "can't write the file");
  else
    return 0;
  remove(g->temporary);
  return -1;
}
