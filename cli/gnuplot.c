/* It is started without a shell, so that no name needs quoting; it sees the script through a pipe, and says nothing on
 * our stderr. */
#include "gnuplot.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool refuse(int error) {
  if (error == ENOENT)
    fail(EXIT_FAILED, "--plot: gnuplot draws it, and isn't installed (Debian: gnuplot-nox)");
  else
    fail(EXIT_FAILED, "--plot: gnuplot can't be started: %s", strerror(error));
  return false;
}

bool gnuplot_start(gnuplot *g, int descriptor) {
  int ends[2], error;
  posix_spawn_file_actions_t files;
  char name[] = "gnuplot";
  char *const arguments[] = {name, NULL};
  *g = (gnuplot){.script = NULL};
  if (pipe(ends)) return refuse(errno);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC); /* or it would hold its own input open */
  error = posix_spawn_file_actions_init(&files);
  if (!error) {
    error = posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
    if (!error) error = posix_spawn_file_actions_adddup2(&files, descriptor, STDOUT_FILENO);
    if (!error) error = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!error) error = posix_spawnp(&g->process, name, &files, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
  }
  close(ends[0]);
  if (!error) {
    g->script = fdopen(ends[1], "w");
    if (!g->script) error = errno;
  }
  if (!error) return true;
  close(ends[1]);
  return refuse(error);
}

bool gnuplot_finish(gnuplot *g, const char *path) {
  int status = 1;
  if (!g->script) return true;
  const bool written = !fclose(g->script);
  g->script = NULL;
  while (waitpid(g->process, &status, 0) < 0 && errno == EINTR) continue;
  if (written && WIFEXITED(status) && !WEXITSTATUS(status)) return true;
  fail(EXIT_FAILED, "--plot %s: gnuplot failed", path);
  return false;
}

void gnuplot_text(gnuplot *g, const char *text) {
  putc('\'', g->script);
  for (; *text; text++) {
    if (*text == '\'') putc('\'', g->script); /* the one escape there is */
    putc((unsigned char)*text < 0x20 ? ' ' : *text, g->script);
  }
  putc('\'', g->script);
}
