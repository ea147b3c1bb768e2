/* Temporary files, their renaming, and the signals that must not leave them lying about. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "output.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a signal has to remove. The only state: a handler takes no argument. */
static char *volatile pending[MAX_OUTPUTS];

static void remove_pending(void) {
  for (int i = 0; i < MAX_OUTPUTS; i++)
    if (pending[i]) unlink(pending[i]);
}

static void on_signal(int number) {
  remove_pending();
  raise(number); /* once this handler has returned; it was for one time, so now the default */
}

static void say(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return; /* there is nobody left to tell */
}

/* The file has been cut off, or its disk fails. Elsewhere it is a fault of ours: returning meets it again, unhandled. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  const char *path = array_path_at(info->si_addr);
  if (!path) return;
  remove_pending();
  say("clloss eval: ");
  say(path);
  say(": has been cut off, or its disk fails\n");
  _exit(EXIT_FAILED);
}

void output_watch_signals(void) {
  const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction ours = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, before;
  struct sigaction bus = {.sa_sigaction = on_bus_error, .sa_flags = (int)(SA_RESETHAND | SA_SIGINFO)};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (!sigaction(numbers[i], NULL, &before) && before.sa_handler == SIG_DFL)
      sigaction(numbers[i], &ours, NULL);
  sigaction(SIGBUS, &bus, NULL);
  signal(SIGPIPE, SIG_IGN); /* these two become errors of write() */
  signal(SIGXFSZ, SIG_IGN);
}

static void set_pending(char *name, bool on) {
  for (int i = 0; i < MAX_OUTPUTS; i++) {
    if (pending[i] != (on ? NULL : name)) continue;
    pending[i] = on ? name : NULL;
    return;
  }
}

static bool refuse(const output *out, const char *what) {
  fail(EXIT_FAILED, "%s: %s", out->path, what);
  return false;
}

static bool refuse_errno(const output *out) {
  return refuse(out, errno ? strerror(errno) : "can't be written");
}

/* stat() of the folder that holds the path; *name is what follows it. */
static bool folder(const char *path, struct stat *info, const char **name) {
  const char *slash = strrchr(path, '/');
  *name = slash ? slash + 1 : path;
  if (!slash) return !stat(".", info);
  char *copy = strdup(path);
  if (!copy) return false;
  copy[slash - path + 1] = 0;
  bool found = !stat(copy, info);
  free(copy);
  return found;
}

bool output_same_file(const char *a, const char *b) {
  struct stat of_a, of_b;
  const char *name_a, *name_b;
  bool have_a = !stat(a, &of_a), have_b = !stat(b, &of_b);
  if (have_a && have_b) return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
  if (have_a || have_b) return false;
  if (!folder(a, &of_a, &name_a) || !folder(b, &of_b, &name_b)) return false;
  return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino && !strcmp(name_a, name_b);
}

static char *beside(const char *path, const char *suffix) {
  char *name = malloc(strlen(path) + strlen(suffix) + 1);
  if (name) strcat(strcpy(name, path), suffix);
  return name;
}

/* mkstemp() makes files that only their owner can read: give it the rights of the file it replaces, or those that
 * any new file would get. */
static bool set_rights(int descriptor, const struct stat *old) {
  mode_t mask = umask(0);
  umask(mask);
  return !fchmod(descriptor, old ? old->st_mode & 0777 : 0666 & ~mask);
}

/* Under a name of its own beside the path, and with the path's rights. */
bool output_open(output *out) {
  struct stat old;
  if (!out->path) return true;
  bool exists = !stat(out->path, &old);
  if (exists && !S_ISREG(old.st_mode)) return refuse(out, "not a regular file");
  out->final = exists ? realpath(out->path, NULL) : strdup(out->path);
  out->temporary = out->final ? beside(out->final, ".XXXXXX") : NULL;
  if (!out->temporary) return refuse(out, "out of memory");
  /* no signal between the file and the note of it */
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  errno = 0;
  out->descriptor = mkstemp(out->temporary);
  if (out->descriptor >= 0) set_pending(out->temporary, true);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (out->descriptor < 0) {
    refuse_errno(out);
    free(out->temporary);
    out->temporary = NULL;
    return false;
  }
  return set_rights(out->descriptor, exists ? &old : NULL) || refuse_errno(out);
}

bool output_open_npy(output *out, const char *type, int n_dims, const uint64_t *dims) {
  char header[NPY_MAX_HEADER];
  if (!out->path) return true;
  const size_t header_bytes = npy_header(header, type, n_dims, dims);
  uint64_t bytes = type[1] == '8' ? 8 : 4;
  for (int i = 0; i < n_dims; i++)
    bytes *= dims[i]; /* at most those of an input, which is there, times four */
  bytes += header_bytes;
  if (!output_open(out)) return false;
  errno = bytes > INT64_MAX ? EFBIG : posix_fallocate(out->descriptor, 0, (off_t)bytes);
  if (errno) return refuse_errno(out);
  if (!array_of_file(&out->array, out->descriptor, out->path, header_bytes, (size_t)bytes)) return false;
  memcpy(out->array.base, header, header_bytes);
  return true;
}

bool output_close(output *out) {
  if (!out->temporary) return true;
  array_close(&out->array);
  errno = 0;
  const bool good = !close(out->descriptor);
  out->descriptor = -1;
  return good || refuse_errno(out);
}

/* A second name for what is about to be replaced, so that it can come back. Without one (nothing there, or a file
 * system without links) there is none to restore. */
static void keep(output *out) {
  out->backup = beside(out->temporary, "~");
  if (out->backup && !link(out->final, out->backup)) return;
  free(out->backup);
  out->backup = NULL;
}

static void undo(output *out) {
  if (out->backup)
    rename(out->backup, out->final);
  else
    unlink(out->final);
}

bool output_commit(output outs[MAX_OUTPUTS]) {
  int done = 0;
  for (; done < MAX_OUTPUTS; done++) {
    output *out = &outs[done];
    if (!out->path) continue;
    keep(out);
    if (rename(out->temporary, out->final)) break;
    set_pending(out->temporary, false);
    free(out->temporary);
    out->temporary = NULL;
  }
  bool good = done == MAX_OUTPUTS || refuse_errno(&outs[done]);
  for (int i = 0; i < MAX_OUTPUTS; i++) {
    if (!good && i < done && outs[i].path) undo(&outs[i]);
    if (outs[i].backup) unlink(outs[i].backup);
    free(outs[i].backup);
    outs[i].backup = NULL;
  }
  return good;
}

void output_discard(output outs[MAX_OUTPUTS]) {
  for (int i = 0; i < MAX_OUTPUTS; i++) {
    output *out = &outs[i];
    free(out->final);
    out->final = NULL;
    if (!out->temporary) continue;
    array_close(&out->array);
    if (out->descriptor >= 0) close(out->descriptor);
    unlink(out->temporary);
    set_pending(out->temporary, false);
    free(out->temporary);
    out->temporary = NULL;
  }
}
