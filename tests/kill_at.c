/* A library to preload into the program `clloss`: something happens at one of its calls that make, write, name or remove files,
 * counted from 1.
 *
 *   CLLOSS_AT="7 before 15"   a signal, before the seventh of them or after it
 *   CLLOSS_AT="7 error 28"    the seventh fails with that errno; a removal, which must not fail, is passed over
 *
 * At its end, if that ever comes, a line of the log CLLOSS_AT_LOG says how many there were. What the C library calls itself
 * isn't seen, nor what child processes do. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum moment { NEVER, BEFORE, AFTER, ERROR };

static enum moment moment;
static unsigned long count, at;
static int what;
static const char *log_path;

__attribute__((constructor)) static void arm(void) {
  char word[8] = "";
  const char *text = getenv("CLLOSS_AT");
  log_path = getenv("CLLOSS_AT_LOG");
  if (text && sscanf(text, "%lu %7s %d", &at, word, &what) == 3)
    moment = !strcmp(word, "before") ? BEFORE : !strcmp(word, "after") ? AFTER : ERROR;
  unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void tell(void) {
  FILE *log = log_path ? fopen(log_path, "w") : NULL;
  if (log) fprintf(log, "%lu\n", count), fclose(log);
}

/* Whether this is the call. */
static int is_now(void) { return ++count == at; }

/* The program may leave a signal to another thread, which is given time; where it isn't ended it goes on. */
static void strike(int now, enum moment here) {
  const struct timespec enough = {.tv_nsec = 30 * 1000 * 1000};
  if (!now || moment != here) return;
  kill(getpid(), what);
  nanosleep(&enough, NULL);
}

/* Finds the C library's function behind ours, as POSIX would have it done. */
static void find(const char *name, void *function) { *(void **)function = dlsym(RTLD_NEXT, name); }

/* type, name, parameters, arguments, what it returns where it fails; 1: with errno, 0: with the error itself */
#define CALLS(X)                                                         \
  X(int, mkstemp, (char *a), (a), -1, 1)                                 \
  X(int, link, (const char *a, const char *b), (a, b), -1, 1)            \
  X(int, rename, (const char *a, const char *b), (a, b), -1, 1)          \
  X(int, fchmod, (int a, mode_t b), (a, b), -1, 1)                       \
  X(int, fsync, (int a), (a), -1, 1)                                     \
  X(int, posix_fallocate, (int a, off_t b, off_t c), (a, b, c), what, 0) \
  X(ssize_t, write, (int a, const void *b, size_t c), (a, b, c), -1, 1)

#define WRAPPER(type, name, parameters, arguments, failed, sets_errno) \
  type name parameters {                                               \
    const int now = is_now();                                          \
    type(*real) parameters;                                            \
    find(#name, &real);                                                \
    strike(now, BEFORE);                                               \
    if (now && moment == ERROR) {                                      \
      if (sets_errno) errno = what;                                    \
      return failed;                                                   \
    }                                                                  \
    const type result = real arguments;                                \
    strike(now, AFTER);                                                \
    return result;                                                     \
  }
CALLS(WRAPPER)

int unlink(const char *path) {
  const int now = is_now();
  int (*real)(const char *);
  find("unlink", &real);
  strike(now, BEFORE);
  const int result = real(path);
  strike(now, AFTER);
  return result;
}
