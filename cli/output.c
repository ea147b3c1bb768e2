/* Whole files whose items are mapped, and what happens when the file behind a map goes away. */
#define _XOPEN_SOURCE 700 /* siginfo_t */
#include "output.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { WHY = 1024 };

static void say(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return; /* there is nobody left to tell */
}

/* The file has been cut off, or its disk fails. Elsewhere it is a fault of ours: returning meets it again, unhandled. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  const char *path = array_path_at(info->si_addr);
  if (!path) return;
  whole_files_remove_pending();
  say("clloss eval: ");
  say(path);
  say(": has been cut off, or its disk fails\n");
  _exit(EXIT_FAILED);
}

void output_watch_signals(void) {
  struct sigaction bus = {.sa_sigaction = on_bus_error, .sa_flags = (int)(SA_RESETHAND | SA_SIGINFO)};
  whole_files_watch_signals();
  sigaction(SIGBUS, &bus, NULL);
  signal(SIGPIPE, SIG_IGN);
}

static bool refuse(const char *why) {
  fail(EXIT_FAILED, "%s", why);
  return false;
}

bool output_open(output *out) {
  char why[WHY];
  return whole_file_open(&out->file, why, sizeof why) == 0 || refuse(why);
}

bool output_open_npy(output *out, const char *type, int n_dims, const uint64_t *dims) {
  char header[NPY_MAX_HEADER];
  const struct whole_file *f = &out->file;
  if (!f->path) return true;
  const size_t header_bytes = npy_header(header, type, n_dims, dims);
  uint64_t bytes = type[1] == '8' ? 8 : 4;
  for (int i = 0; i < n_dims; i++)
    bytes *= dims[i]; /* at most those of an input, which is there, times four */
  bytes += header_bytes;
  if (!output_open(out)) return false;
  const int error = bytes > INT64_MAX ? EFBIG : posix_fallocate(f->descriptor, 0, (off_t)bytes);
  if (error) return fail(EXIT_FAILED, "%s: %s", f->path, strerror(error)), false;
  if (!array_of_file(&out->array, f->descriptor, f->path, header_bytes, (size_t)bytes)) return false;
  memcpy(out->array.base, header, header_bytes);
  return true;
}

bool output_close(output *out) {
  char why[WHY];
  array_close(&out->array);
  return whole_file_close(&out->file, why, sizeof why) == 0 || refuse(why);
}

static void files_of(output outs[MAX_OUTPUTS], struct whole_file *files[MAX_OUTPUTS]) {
  for (int i = 0; i < MAX_OUTPUTS; i++) files[i] = &outs[i].file;
}

bool output_commit(output outs[MAX_OUTPUTS]) {
  char why[WHY];
  struct whole_file *files[MAX_OUTPUTS];
  files_of(outs, files);
  return whole_files_commit(files, MAX_OUTPUTS, why, sizeof why) == 0 || refuse(why);
}

void output_discard(output outs[MAX_OUTPUTS]) {
  struct whole_file *files[MAX_OUTPUTS];
  files_of(outs, files);
  for (int i = 0; i < MAX_OUTPUTS; i++) array_close(&outs[i].array);
  whole_files_discard(files, MAX_OUTPUTS);
}
