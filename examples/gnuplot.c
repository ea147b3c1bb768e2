/* Runs gnuplot. */
#include "gnuplot.h"
#include <signal.h>
#include <stdlib.h>

bool gnuplot_possible(const char *program) {
  if (system("command -v gnuplot >/dev/null 2>&1") == 0) return true;
  fprintf(stderr, "%s: --plot: gnuplot isn't installed (apt-get install gnuplot-nox)\n", program);
  return false;
}

/* gnuplot's single quotes know one escape, a doubled quote. */
void gnuplot_quoted(FILE *pipe, const char *text) {
  fputc('\'', pipe);
  for (; *text; text++) fputs(*text == '\'' ? "''" : (char[]){*text, 0}, pipe);
  fputc('\'', pipe);
}

static void begin(FILE *pipe, const char *path, unsigned width, unsigned height) {
  fprintf(pipe, "set terminal svg size %u,%u font 'sans-serif,13' background '#ffffff'\nset output ", width,
          height);
  gnuplot_quoted(pipe, path);
  fprintf(pipe, "\n"
                "set style line 1 lc rgb '#0060ad' lw 2\n"
                "set style line 2 lc rgb '#dd6a00' lw 2\n"
                "set border 3 lc rgb '#666666'\nset tics nomirror out scale 0.5\n"
                "set key samplen 2 spacing 1.1\n");
}

bool gnuplot_draw(const char *path, unsigned width, unsigned height,
                  void (*script)(FILE *pipe, const void *what), const void *what) {
  char temporary[4096];
  if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary) {
    fprintf(stderr, "%s: the file name is too long\n", path);
    return false;
  }
  /* A gnuplot that dies early must not take the program with it. */
  void (*before)(int) = signal(SIGPIPE, SIG_IGN);
  FILE *pipe = popen("gnuplot", "w");
  if (pipe) {
    begin(pipe, temporary, width, height);
    script(pipe, what);
  }
  const bool drawn = pipe && pclose(pipe) == 0;
  signal(SIGPIPE, before);
  if (drawn && rename(temporary, path) == 0) return true;
  fprintf(stderr, "%s: %s\n", path, drawn ? "can't be written" : "gnuplot failed");
  remove(temporary);
  return false;
}
