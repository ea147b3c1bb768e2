/* gnuplot is started without a shell, so that no name needs quoting, and says nothing on our stderr. It ends with success
 * also where the disk was full: so it draws into a pipe, the picture has to end as an SVG does, and all that is written to
 * a file is written here. */
#include "gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void shut(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

static int refuse(const char *path, int error, char *why, size_t why_size) {
  if (error == ENOENT)
    snprintf(why, why_size, "%s: gnuplot draws it, and isn't installed (Debian: gnuplot-nox)", path);
  else
    snprintf(why, why_size, "%s: gnuplot can't be started: %s", path, strerror(error));
  return -1;
}

/* A pipe neither of whose ends a new process has, or it would hold its own input open. */
static int private_pipe(int ends[2]) {
  if (pipe(ends) != 0) return errno;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  return 0;
}

static int spawn(struct gnuplot *g, int input, int output) {
  char name[] = "gnuplot";
  char *const arguments[] = {name, NULL};
  posix_spawn_file_actions_t files;
  int error = posix_spawn_file_actions_init(&files);
  if (error) return error;
  error = posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  if (!error) error = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  if (!error) error = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (!error) error = whole_files_spawn(&g->process, name, arguments, &files);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

/* Waits for its end; whether that was a success. */
static int ended_well(struct gnuplot *g) {
  int status = 1;
  shut(&g->to);
  shut(&g->from);
  while (g->process > 0 && waitpid(g->process, &status, 0) < 0 && errno == EINTR) continue;
  free(g->text);
  *g = (struct gnuplot){.script = NULL};
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int gnuplot_start(struct gnuplot *g, struct whole_file *picture, int width, int height, char *why,
                  size_t why_size) {
  int input[2] = {-1, -1}, output[2] = {-1, -1};
  *g = (struct gnuplot){.picture = picture, .to = -1, .from = -1};
  int error = private_pipe(input);
  if (!error) error = private_pipe(output);
  if (!error) error = spawn(g, input[0], output[1]);
  shut(&input[0]);
  shut(&output[1]);
  g->to = input[1];
  g->from = output[0];
  if (!error && !(g->script = open_memstream(&g->text, &g->length))) error = ENOMEM;
  if (error) {
    ended_well(g);
    return refuse(picture->path, error, why, why_size);
  }
  fprintf(
      g->script,
      "set terminal svg size %d,%d font 'Helvetica,Arial,sans-serif,13' background '#ffffff' noenhanced\n",
      width, height);
  return 0;
}

/* Both directions at once: or each side could wait for the other to empty a pipe that is full. A gnuplot that dies
 * early is an error of write(). */
static void converse(struct gnuplot *g, FILE *picture) {
  char part[4096];
  fcntl(g->to, F_SETFL, O_NONBLOCK);
  for (size_t sent = 0;;) {
    struct pollfd ready[] = {{.fd = g->from, .events = POLLIN}, {.fd = g->to, .events = POLLOUT}};
    if (poll(ready, 2, -1) < 0 && errno != EINTR) return;
    if (g->to >= 0 && ready[1].revents) {
      const ssize_t n = write(g->to, g->text + sent, g->length - sent);
      if (n > 0) sent += (size_t)n;
      if (sent == g->length || (n < 0 && errno != EAGAIN && errno != EINTR)) shut(&g->to);
    }
    if (!ready[0].revents) continue;
    const ssize_t n = read(g->from, part, sizeof part);
    if (n == 0 || (n < 0 && errno != EINTR)) return;
    if (n > 0) fwrite(part, 1, (size_t)n, picture);
  }
}

static int is_whole(const char *svg, size_t n) {
  static const char end[] = "</svg>";
  const size_t length = sizeof end - 1;
  while (n && (svg[n - 1] == '\n' || svg[n - 1] == ' ')) n--;
  return n >= length && memcmp(svg + n - length, end, length) == 0;
}

int gnuplot_draw(struct gnuplot *g, char *why, size_t why_size) {
  char *svg = NULL;
  size_t bytes = 0;
  const char *what = NULL;
  struct whole_file *picture = g->picture;
  if (!g->script) return 0;
  FILE *memory = open_memstream(&svg, &bytes);
  int good = !ferror(g->script) && memory;
  good = !fclose(g->script) && good;
  g->script = NULL;
  void (*before)(int) = signal(SIGPIPE, SIG_IGN);
  if (good) converse(g, memory);
  if (memory) good = !ferror(memory) && good;
  if (memory) good = !fclose(memory) && good;
  const int drawn = ended_well(g);
  signal(SIGPIPE, before);
  if (!good)
    what = "out of memory";
  else if (!drawn)
    what = "gnuplot failed";
  else if (!is_whole(svg, bytes))
    what = "gnuplot's picture isn't whole";
  if (what) snprintf(why, why_size, "%s: %s", picture->path, what);
  const int rc = what ? -1 : whole_file_write(picture, svg, bytes, why, why_size);
  free(svg);
  return rc;
}

void gnuplot_abandon(struct gnuplot *g) {
  if (!g->script) return;
  fclose(g->script);
  ended_well(g);
}
