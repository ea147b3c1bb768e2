/* Drawing through gnuplot. */
#include "gnuplot.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static int name_files(struct gnuplot *g, const char *path, char *why, size_t why_size) {
  const int room = (int)sizeof g->path;
  if (snprintf(g->path, sizeof g->path, "%s", path) < room &&
      snprintf(g->temporary, sizeof g->temporary, "%s.part", path) < room)
    return 0;
  snprintf(why, why_size, "the file name is too long");
  return -1;
}

int gnuplot_place(const char *path, char *why, size_t why_size) {
  struct gnuplot g;
  struct stat info;
  if (name_files(&g, path, why, why_size) != 0) return -1;
  const int taken = stat(g.path, &info) == 0 && S_ISDIR(info.st_mode);
  FILE *probe = taken ? NULL : fopen(g.temporary, "w");
  if (!probe) {
    snprintf(why, why_size, "%s", strerror(taken ? EISDIR : errno));
    return -1;
  }
  fclose(probe);
  remove(g.temporary);
  return 0;
}

int gnuplot_open(struct gnuplot *g, const char *path, int width, int height, char *why, size_t why_size) {
  if (name_files(g, path, why, why_size) != 0) return -1;
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
