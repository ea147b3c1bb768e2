/* PyTorch in a child process: peers/torch_peer.py, run by the Python that it is given. The script opens with the words
 * that go to and fro. Logits, targets and gradient lie in memory that both map, so that nothing large goes through the
 * socket. */
#ifndef BENCH_TORCH_H
#define BENCH_TORCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct torch {
  pid_t child; /* 0: there is none */
  int socket, memory;
  void *shared;
  size_t shared_bytes, grad_at;
  char version[96];
};

/* Starts it on so many threads; data rotates past a cache of cache_bytes. 0; or −1 and why not. */
int torch_start(struct torch *t, const char *python, unsigned threads, size_t cache_bytes, char *why,
                size_t why_size);
void torch_stop(struct torch *t);

/* Hands it a problem: logits [rows / inner][classes][inner] in f32, which it rounds to dtype ("f32", "bf16"), and
 * targets: class indices in i64, or for any loss but cross_entropy as many f32 as there are logits. 0; or −1 and why
 * not. */
struct torch_problem {
  const char *loss; /* its name in torch.nn.functional */
  size_t rows, classes, inner;
  const char *dtype;
  const float *logits;
  const void *targets;
  size_t targets_bytes;
};
int torch_open(struct torch *t, const struct torch_problem *problem, char *why, size_t why_size);

/* The problem once, by "eager" or "compiled" (which compiles first): the loss, and in f32 the gradient, which stays until
 * the next torch_open or torch_check. */
int torch_check(struct torch *t, const char *mode, double *loss, const float **grad, char *why,
                size_t why_size);

/* The same, timed by the child, whose threads sleep again when this returns. */
int torch_run(struct torch *t, const char *mode, double *ms, char *why, size_t why_size);

#endif
