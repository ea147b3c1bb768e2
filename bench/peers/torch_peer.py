# PyTorch's losses, forward and backward as in a training step, timed on request. `clloss bench --peers` runs this
# as a child process (bench/torch.c) and asks for one repetition at a time, in turn with its own.
#
# usage: torch_peer.py THREADS CACHE_BYTES, with shared memory as descriptor 3. A line on standard input is a question,
# answered by one line "ok …" or "error …" on standard output:
#
#   hello                                             ok PyTorch 2.15.0, Python 3.11.7
#   open LOSS ROWS CLASSES INNER DTYPE TARGETS GRAD   ok
#       LOSS of torch.nn.functional; f32 logits [rows / inner][classes][inner] at offset 0 of the memory; at TARGETS the
#       targets, i64 class indices for cross_entropy, f32 like the logits for others; room at GRAD
#   check eager|compiled                              ok LOSS; the gradient, in f32, is at GRAD
#   run eager|compiled                                ok MILLISECONDS
#
# PyTorch gets every chance: the same threads, denormals flushed as clLoss does, cores woken before the clock starts,
# no garbage collection while it runs, logits that take turns past the cache, the gradient accumulated into nothing
# (grad is None, as after zero_grad()). Memory for the gradient and what lies between comes from PyTorch's own allocator
# within the clock, as in training.
import gc
import mmap
import os
import platform
import sys
import time

MEMORY = 3
RING_BYTES = 1280 << 20  # at most, as in the benchmark

os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no pool of compilers beside the measurement


class Problem:
    """One loss, shape and type: logits that take turns, the targets, and the loss in both modes."""

    def __init__(self, torch, cache_bytes, name, rows, classes, inner, dtype, targets_at, grad_at):
        self.torch = torch
        self.memory = mmap.mmap(MEMORY, grad_at + 4 * rows * classes)
        shape = (rows, classes) if inner == 1 else (rows // inner, classes, inner)
        count = rows * classes
        given = torch.frombuffer(self.memory, dtype=torch.float32, count=count).view(shape)
        if name == "cross_entropy":
            indices = torch.frombuffer(self.memory, dtype=torch.int64, count=rows, offset=targets_at)
            self.targets = indices.view(rows if inner == 1 else (rows // inner, inner)).clone()
        else:
            numbers = torch.frombuffer(self.memory, dtype=torch.float32, count=count, offset=targets_at)
            self.targets = numbers.view(shape).clone()
        self.grad = torch.frombuffer(self.memory, dtype=torch.float32, count=count, offset=grad_at).view(shape)
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        size = count * kind.itemsize
        wanted = max(3, min(cache_bytes * 3 // 2 // size + 2, RING_BYTES // size, 256))
        self.ring = [given.to(kind, copy=True).requires_grad_() for _ in range(wanted)]
        self.next = 0
        loss = getattr(torch.nn.functional, name)
        self.losses = {"eager": loss, "compiled": torch.compile(loss, dynamic=False)}

    def step(self, mode):
        """Forward and backward on the logits that have rested longest; the loss, the logits and the milliseconds."""
        with self.torch.no_grad():
            self.ring[self.next - 1].mul_(1.0)  # wakes the cores; these logits are the last to come round again
        logits = self.ring[self.next]
        self.next = (self.next + 1) % len(self.ring)
        start = time.perf_counter()
        loss = self.losses[mode](logits, self.targets)
        loss.backward()
        return loss, logits, 1e3 * (time.perf_counter() - start)

    def check(self, mode):
        loss, logits, _ = self.step(mode)
        self.grad.copy_(logits.grad)
        logits.grad = None
        return repr(loss.item())

    def run(self, mode):
        _, logits, ms = self.step(mode)
        logits.grad = None
        time.sleep(0.02)  # OpenMP's threads spin for a while before they sleep, on cores that others are to use
        return repr(ms)


def answers(threads, cache_bytes):
    """Takes a question's words, gives the answer."""
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    gc.disable()
    problem = None
    words = yield
    while True:
        if words[0] == "hello":
            words = yield f"PyTorch {torch.__version__}, Python {platform.python_version()}"
        elif words[0] == "open":
            problem = None
            torch.compiler.reset()
            gc.collect()
            name, rows, classes, inner, dtype, targets_at, grad_at = words[1:]
            problem = Problem(torch, cache_bytes, name, int(rows), int(classes), int(inner), dtype,
                              int(targets_at), int(grad_at))
            words = yield ""
        elif words[0] in ("check", "run"):
            words = yield getattr(problem, words[0])(words[1])
        else:
            raise ValueError(f"what is {words[0]}?")


def main():
    conversation = None
    for line in sys.stdin:
        try:
            if conversation is None:
                conversation = answers(int(sys.argv[1]), int(sys.argv[2]))
                next(conversation)
            print("ok", conversation.send(line.split()), flush=True)
        except Exception as failure:  # whatever it is, the benchmark goes on without it
            conversation = None
            print("error", type(failure).__name__ + ":", " ".join(str(failure).split())[:150], flush=True)


main()
