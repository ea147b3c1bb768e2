/* The child and the conversation with it: a line is asked, a line is answered, "ok …" or "error …". */
#define _GNU_SOURCE /* memfd_create */
#include "torch.h"

#include "peers/torch_peer.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEMORY_FD = 3, LINE = 256, PATIENCE_MS = 300000 /* torch.compile takes a minute on a busy machine */ };

static int complain(char *why, size_t size, const char *text) {
  snprintf(why, size, "%s", text);
  return -1;
}

/* One line without its end. */
static int receive(const struct torch *t, char *line, size_t size) {
  size_t n = 0;
  for (;;) {
    struct pollfd ready = {.fd = t->socket, .events = POLLIN};
    char c;
    if (poll(&ready, 1, PATIENCE_MS) <= 0 || read(t->socket, &c, 1) != 1) return -1;
    if (c == '\n') break;
    if (n + 1 < size) line[n++] = c;
  }
  line[n] = 0;
  return 0;
}

/* Asks, and leaves in `answer` what follows "ok ". */
__attribute__((format(printf, 4, 5))) static int ask(struct torch *t, char answer[LINE], char *why,
                                                     const char *format, ...) {
  char line[LINE];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (t->child == 0) return complain(why, LINE, "the Python process has ended");
  /* A child that has died must not take the benchmark along: no SIGPIPE. */
  if (n > 0 && send(t->socket, line, (size_t)n, MSG_NOSIGNAL) != n)
    return torch_stop(t), complain(why, LINE, "the Python process has ended");
  if (receive(t, line, sizeof line) != 0)
    return torch_stop(t), complain(why, LINE, "the Python process has ended, or doesn't answer");
  if (strncmp(line, "ok", 2) == 0) {
    snprintf(answer, LINE, "%s", line + (line[2] == ' ' ? 3 : 2));
    return 0;
  }
  return complain(why, LINE, strncmp(line, "error ", 6) == 0 ? line + 6 : "not an answer");
}

static int shared_memory(void) {
#ifdef __linux__
  return memfd_create("clloss-bench", MFD_CLOEXEC);
#else
  FILE *f = tmpfile();
  return f ? dup(fileno(f)) : -1;
#endif
}

/* The child's standard input and output are one end of the socket, its errors go nowhere: what it has to say it says
 * in its answers. */
static int spawn(struct torch *t, const char *python, char *const *argv, int far_end) {
  posix_spawn_file_actions_t actions;
  int rc = posix_spawn_file_actions_init(&actions);
  if (rc != 0) return rc;
  rc = posix_spawn_file_actions_adddup2(&actions, far_end, 0);
  if (rc == 0) rc = posix_spawn_file_actions_adddup2(&actions, far_end, 1);
  if (rc == 0) rc = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  if (rc == 0) rc = posix_spawn_file_actions_adddup2(&actions, t->memory, MEMORY_FD);
  if (rc == 0) rc = whole_files_spawn(&t->child, python, argv, &actions);
  if (rc != 0) t->child = 0;
  posix_spawn_file_actions_destroy(&actions);
  return rc;
}

/* dup2 onto itself would leave a descriptor closed on exec: the memory is kept above what the child is given. */
static int descriptors(struct torch *t, int ends[2]) {
  int memory = shared_memory();
  if (memory < 0) return -1;
  t->memory = fcntl(memory, F_DUPFD_CLOEXEC, MEMORY_FD + 1);
  close(memory);
  if (t->memory < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  t->socket = ends[0];
  return 0;
}

int torch_start(struct torch *t, const char *python, unsigned threads, size_t cache_bytes, char *why,
                size_t why_size) {
  char script[] = "-c", n[24], cache[24], reason[LINE] = "", answer[LINE] = "", name[512];
  char *code = strdup(torch_peer_py);
  int ends[2] = {-1, -1}, rc = -1;
  *t = (struct torch){.socket = -1, .memory = -1};
  snprintf(n, sizeof n, "%u", threads);
  snprintf(cache, sizeof cache, "%zu", cache_bytes);
  snprintf(name, sizeof name, "%s", python);
  char *argv[] = {name, script, code, n, cache, NULL};
  if (!code || descriptors(t, ends) != 0) {
    complain(reason, sizeof reason, "no memory or descriptors for it");
  } else if ((rc = spawn(t, python, argv, ends[1])) != 0) {
    snprintf(reason, sizeof reason, "%.60s: %.60s", python, strerror(rc));
  } else {
    close(ends[1]);
    ends[1] = -1;
    rc = ask(t, answer, reason, "hello\n");
  }
  if (ends[1] >= 0) close(ends[1]);
  free(code);
  if (rc != 0) {
    torch_stop(t);
    return complain(why, why_size, reason);
  }
  snprintf(t->version, sizeof t->version, "%.90s", answer);
  return 0;
}

static void unmap(struct torch *t) {
  if (t->shared) munmap(t->shared, t->shared_bytes);
  t->shared = NULL;
}

void torch_stop(struct torch *t) {
  unmap(t);
  if (t->socket >= 0) close(t->socket);
  if (t->memory >= 0) close(t->memory);
  if (t->child > 0) {
    kill(t->child, SIGKILL);
    while (waitpid(t->child, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  t->child = 0;
  t->socket = t->memory = -1;
}

int torch_open(struct torch *t, const struct torch_problem *p, char *why, size_t why_size) {
  char answer[LINE], reason[LINE];
  const size_t logits = 4 * p->rows * p->classes, at = (logits + 7) / 8 * 8;
  if (t->child == 0) return complain(why, why_size, "the Python process has ended");
  unmap(t);
  t->grad_at = at + p->targets_bytes;
  t->shared_bytes = t->grad_at + logits;
  void *shared = MAP_FAILED;
  if (ftruncate(t->memory, 0) == 0 && ftruncate(t->memory, (off_t)t->shared_bytes) == 0)
    shared = mmap(NULL, t->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, t->memory, 0);
  if (shared == MAP_FAILED) return complain(why, why_size, "no shared memory for the problem");
  t->shared = shared;
  memcpy(t->shared, p->logits, logits);
  memcpy((char *)t->shared + at, p->targets, p->targets_bytes);
  int rc = ask(t, answer, reason, "open %s %zu %zu %zu %s %zu %zu\n", p->loss, p->rows, p->classes, p->inner,
               p->dtype, at, t->grad_at);
  return rc == 0 ? 0 : complain(why, why_size, reason);
}

int torch_check(struct torch *t, const char *mode, double *loss, const float **grad, char *why,
                size_t why_size) {
  char answer[LINE], reason[LINE];
  if (ask(t, answer, reason, "check %s\n", mode) != 0) return complain(why, why_size, reason);
  *loss = strtod(answer, NULL);
  *grad = (const float *)(const void *)((const char *)t->shared + t->grad_at);
  return 0;
}

int torch_run(struct torch *t, const char *mode, double *ms, char *why, size_t why_size) {
  char answer[LINE], reason[LINE];
  if (ask(t, answer, reason, "run %s\n", mode) != 0) return complain(why, why_size, reason);
  *ms = strtod(answer, NULL);
  return *ms > 0 ? 0 : complain(why, why_size, "no time came back");
}
