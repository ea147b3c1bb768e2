/* Temporary files, their renaming, and the signals that must not leave them lying about. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "whole_file.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* What a signal has to remove, and who may touch that, and the names in the file system that go with it. */
static char *volatile pending[WHOLE_FILES_MAX];
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;

static void hold(void) { pthread_mutex_lock(&names); }
static void let_go(void) { pthread_mutex_unlock(&names); }

void whole_files_remove_pending(void) {
  for (int i = 0; i < WHOLE_FILES_MAX; i++)
    if (pending[i]) unlink(pending[i]);
}

/* Signals are waited for by a thread, and blocked in all others. A handler would have to share them with those that the
 * compilers in drivers install, and LLVM's is gone after one signal, before it has gone on to the one before it: a second
 * signal at that moment, such as timeout(1) sends, would end the process with its files lying about. Nothing is renamed or
 * made any more once they are removed: the names stay held. */
static void *await_signal(void *watched) {
  int number;
  if (sigwait(watched, &number) != 0) return NULL;
  hold();
  whole_files_remove_pending();
  signal(number, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, watched, NULL);
  raise(number);
  return NULL;
}

/* Those that somebody else ignores, as nohup(1) does, or handles stay theirs. */
static void choose_signals(sigset_t *watched) {
  const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction now;
  sigemptyset(watched);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (!sigaction(numbers[i], NULL, &now) && now.sa_handler == SIG_DFL) sigaddset(watched, numbers[i]);
}

void whole_files_watch_signals(void) {
  static sigset_t watched;
  pthread_t thread;
  choose_signals(&watched);
  pthread_sigmask(SIG_BLOCK, &watched, NULL);
  if (pthread_create(&thread, NULL, await_signal, &watched) != 0)
    pthread_sigmask(SIG_UNBLOCK, &watched, NULL);
  else
    pthread_detach(thread);
  signal(SIGXFSZ, SIG_IGN);
}

int whole_files_spawn(pid_t *child, const char *program, char *const arguments[],
                      const posix_spawn_file_actions_t *files) {
  posix_spawnattr_t attributes;
  sigset_t none;
  int error = posix_spawnattr_init(&attributes);
  if (error) return error;
  sigemptyset(&none);
  error = posix_spawnattr_setsigmask(&attributes, &none);
  if (!error) error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (!error) error = posix_spawnp(child, program, files, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  return error;
}

static void set_pending(char *name, int on) {
  for (int i = 0; i < WHOLE_FILES_MAX; i++) {
    if (pending[i] != (on ? NULL : name)) continue;
    pending[i] = on ? name : NULL;
    return;
  }
}

static int refuse(const struct whole_file *f, const char *what, char *why, size_t why_size) {
  snprintf(why, why_size, "%s: %s", f->path, what);
  return -1;
}

static int refuse_errno(const struct whole_file *f, char *why, size_t why_size) {
  return refuse(f, errno ? strerror(errno) : "can't be written", why, why_size);
}

/* stat() of the folder that holds the path; *name is what follows it. */
static int folder(const char *path, struct stat *info, const char **name) {
  const char *slash = strrchr(path, '/');
  *name = slash ? slash + 1 : path;
  if (!slash) return !stat(".", info);
  char *copy = strdup(path);
  if (!copy) return 0;
  copy[slash - path + 1] = 0;
  const int found = !stat(copy, info);
  free(copy);
  return found;
}

int same_file(const char *a, const char *b) {
  struct stat of_a, of_b;
  const char *name_a, *name_b;
  const int have_a = !stat(a, &of_a), have_b = !stat(b, &of_b);
  if (have_a && have_b) return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
  if (have_a || have_b) return 0;
  if (!folder(a, &of_a, &name_a) || !folder(b, &of_b, &name_b)) return 0;
  return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino && !strcmp(name_a, name_b);
}

static char *beside(const char *path, const char *suffix) {
  char *name = malloc(strlen(path) + strlen(suffix) + 1);
  if (name) strcat(strcpy(name, path), suffix);
  return name;
}

/* mkstemp() makes files that only their owner can read: give it the rights of the file it replaces, or those that
 * any new file would get. */
static int set_rights(int descriptor, const struct stat *old) {
  mode_t mask = umask(0);
  umask(mask);
  return fchmod(descriptor, old ? old->st_mode & 0777 : 0666 & ~mask);
}

/* Under a name of its own beside the path, and with the path's rights. */
int whole_file_open(struct whole_file *f, char *why, size_t why_size) {
  struct stat old;
  if (!f->path) return 0;
  const int exists = !stat(f->path, &old);
  if (exists && !S_ISREG(old.st_mode)) return refuse(f, "not a regular file", why, why_size);
  f->final = exists ? realpath(f->path, NULL) : strdup(f->path);
  f->temporary = f->final ? beside(f->final, ".XXXXXX") : NULL;
  if (!f->temporary) return refuse(f, "out of memory", why, why_size);
  hold();
  errno = 0;
  f->descriptor = mkstemp(f->temporary);
  if (f->descriptor >= 0) set_pending(f->temporary, 1);
  let_go();
  if (f->descriptor < 0) {
    refuse_errno(f, why, why_size);
    free(f->temporary);
    f->temporary = NULL;
    return -1;
  }
  return set_rights(f->descriptor, exists ? &old : NULL) == 0 ? 0 : refuse_errno(f, why, why_size);
}

int whole_file_nameless(const char *folder) {
  char *name = beside(folder, "/clloss.XXXXXX");
  if (!name) return -1;
  hold();
  const int descriptor = mkstemp(name);
  if (descriptor >= 0) unlink(name);
  let_go();
  free(name);
  return descriptor;
}

int whole_file_probe(const char *path, char *why, size_t why_size) {
  struct whole_file f = {.path = path}, *const files[] = {&f};
  const int rc = whole_file_open(&f, why, why_size);
  whole_files_discard(files, 1);
  return rc;
}

int whole_file_write(struct whole_file *f, const void *bytes, size_t n, char *why, size_t why_size) {
  const char *from = bytes;
  signal(
      SIGXFSZ,
      SIG_IGN); /* once more: the LLVM in Intel's driver takes it for a crash of its own, once it has compiled */
  while (f->path && n) {
    errno = 0;
    const ssize_t written = write(f->descriptor, from, n);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return refuse_errno(f, why, why_size);
    from += written;
    n -= (size_t)written;
  }
  return 0;
}

/* A disk that is full or fails may say so as late as fsync() or close(). EINVAL: a file system that has no fsync(). */
int whole_file_close(struct whole_file *f, char *why, size_t why_size) {
  if (!f->temporary) return 0;
  errno = 0;
  if (fsync(f->descriptor) != 0 && errno != EINVAL) return refuse_errno(f, why, why_size);
  const int rc = close(f->descriptor);
  f->descriptor = -1;
  return rc == 0 ? 0 : refuse_errno(f, why, why_size);
}

/* A second name for what is about to be replaced, so that it can come back. Without one (nothing there, or a file
 * system without links) there is none to restore. */
static void keep(struct whole_file *f) {
  f->backup = beside(f->temporary, "~");
  if (f->backup && !link(f->final, f->backup)) return;
  free(f->backup);
  f->backup = NULL;
}

static void undo(struct whole_file *f) {
  if (f->backup)
    rename(f->backup, f->final);
  else
    unlink(f->final);
}

/* A second name is nobody's but ours, and all files have their names or none has: a signal comes before or after. */
int whole_files_commit(struct whole_file *const files[], size_t n, char *why, size_t why_size) {
  size_t done = 0;
  hold();
  for (; done < n; done++) {
    struct whole_file *f = files[done];
    if (!f->path) continue;
    keep(f);
    if (rename(f->temporary, f->final)) break;
    set_pending(f->temporary, 0);
    free(f->temporary);
    f->temporary = NULL;
  }
  const int rc = done == n ? 0 : refuse_errno(files[done], why, why_size);
  for (size_t i = 0; i < n; i++) {
    if (rc && i < done && files[i]->path) undo(files[i]);
    if (files[i]->backup) unlink(files[i]->backup);
    free(files[i]->backup);
    files[i]->backup = NULL;
  }
  let_go();
  return rc;
}

void whole_files_discard(struct whole_file *const files[], size_t n) {
  hold();
  for (size_t i = 0; i < n; i++) {
    struct whole_file *f = files[i];
    free(f->final);
    f->final = NULL;
    if (!f->temporary) continue;
    if (f->descriptor >= 0) close(f->descriptor);
    unlink(f->temporary);
    set_pending(f->temporary, 0);
    free(f->temporary);
    f->temporary = NULL;
  }
  let_go();
}
