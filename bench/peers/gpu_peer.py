# Cross-entropy, forward and backward, on a GPU by others: PyTorch eager and compiled, Liger's Triton kernel where that is installed,
# and the same algorithm in a Triton kernel of this file: for bench/gpu.sh, which puts the lines beside clLoss's own. A line of
# JSON on standard output for each, as it comes.
#
# usage: gpu_peer.py MEGABYTES of logits in f32
#
# By the rules of clLoss's benchmark: a peer's loss and gradient are checked in f64 before it is timed; logits take turns past the
# cache, and what is overwritten is restored off the clock; the gradient is None before each step; the median of 15 repetitions
# by the host's clock, from before the call until the device is idle. `plan` has the device's own time beside it, which
# knows nothing of Python.
import json
import sys
import time

import torch
import torch.nn.functional as F

CLASSES = (4096, 32768, 131072, 1024, 256, 262144, 100, 10)
REPS = 15


def autograd(loss):
    """A step of a function with PyTorch's backward."""

    def step(logits, targets):
        logits.grad = None
        value = loss(logits, targets)
        value.backward()
        return value, logits.grad

    return step


def liger():
    """Liger's kernel, which overwrites the logits with their gradient; None without Liger."""
    try:
        from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
    except ImportError:
        return None

    def loss(logits, targets):
        out = LigerCrossEntropyFunction.apply(logits, targets, None, -100, 0.0, 0.0, "mean", None, False)
        return out[0] if isinstance(out, tuple) else out

    return autograd(loss)


def triton_rows():
    """A program per row, an online softmax, and the gradient over the logits in a second pass; None without Triton."""
    try:
        import triton
        import triton.language as tl
    except ImportError:
        return None

    @triton.jit
    def rows(logits, targets, losses, classes, scale, BLOCK: tl.constexpr):
        row = tl.program_id(0).to(tl.int64)
        first = logits + row * classes
        target = tl.load(targets + row)
        own = tl.load(first + target).to(tl.float32)
        most = float("-inf")
        total = 0.0
        for begin in range(0, classes, BLOCK):
            at = begin + tl.arange(0, BLOCK)
            x = tl.load(first + at, mask=at < classes, other=float("-inf")).to(tl.float32)
            larger = tl.maximum(most, tl.max(x))
            total = total * tl.exp(most - larger) + tl.sum(tl.exp(x - larger))
            most = larger
        for begin in range(0, classes, BLOCK):
            at = begin + tl.arange(0, BLOCK)
            x = tl.load(first + at, mask=at < classes, other=float("-inf")).to(tl.float32)
            p = tl.exp(x - most) / total
            grad = tl.where(at == target, p - 1, p) * scale
            tl.store(first + at, grad.to(logits.dtype.element_ty), mask=at < classes)
        tl.store(losses + row, most - own + tl.log(total))

    def step(logits, targets):
        n, classes = logits.shape
        losses = torch.empty(n, device=logits.device)
        block = min(32768, triton.next_power_of_2(classes))
        rows[(n,)](logits.detach(), targets, losses, classes, 1 / n, BLOCK=block, num_warps=max(1, min(32, block // 256)))
        return losses.mean(), logits.detach()

    return step


def wrong(step, logits, targets):
    """What is wrong with a step's results, or None. The gradient of the first rows, times their number, is p - [c = t]."""
    few, part = min(64, len(logits)), max(1, (1 << 24) // logits.shape[1])
    exact = torch.log_softmax(logits[:few].detach().double(), -1)
    expected = exact.exp()
    expected[torch.arange(few, device=targets.device), targets[:few]] -= 1
    sums = [F.cross_entropy(x.detach().double(), t, reduction="sum") for x, t in zip(logits.split(part), targets.split(part))]
    mean = float(sum(sums)) / len(logits)
    value, grad = step(logits, targets)
    off = float((grad[:few].double() * len(logits) - expected).abs().max())
    allowed = 1e-4 if logits.dtype == torch.float32 else 2**-7
    if not abs(float(value.detach()) - mean) <= allowed * abs(mean):
        return f"its loss is {float(value.detach())}, in f64 {mean}"
    return None if off <= allowed else f"its gradient is off by {off} of a probability"


def milliseconds(step, ring, kept, targets):
    """Medians of a step on logits that have rested longest: by the host's clock and by the device's."""
    host, device = [], []
    for i in range(REPS + 3):
        logits = ring[i % len(ring)]
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        start = time.perf_counter()
        begin.record()
        step(logits, targets)
        end.record()
        torch.cuda.synchronize()
        host.append(1e3 * (time.perf_counter() - start))
        device.append(begin.elapsed_time(end))
        with torch.no_grad():
            logits.copy_(kept)
            logits.grad = None
    return sorted(host[3:])[REPS // 2], sorted(device[3:])[REPS // 2]


def measure(peer, make, rows, classes, dtype):
    """One line's fields."""
    torch.compiler.reset()  # else the ninth shape is not compiled any more
    step = make()
    size = rows * classes * dtype.itemsize
    kept = torch.randn(rows, classes, device="cuda").to(dtype)
    targets = torch.randint(classes, (rows,), device="cuda")
    ring = [kept.clone().requires_grad_() for _ in range(max(2, (100 << 20) // size + 2))]
    failure = wrong(step, kept.clone().requires_grad_(), targets)
    if failure:
        return {"failed": failure}
    host, device = milliseconds(step, ring, kept, targets)
    return {"ms": round(host, 4), "gbps": round(2 * size / host / 1e6, 1), "plan": f"device {device:.4f} ms", "failed": None}


def main():
    megabytes = int(sys.argv[1])
    peers = {"torch eager": lambda: autograd(F.cross_entropy),
             "triton": triton_rows,
             "liger": liger,
             "torch.compile": lambda: autograd(torch.compile(F.cross_entropy, dynamic=False))}
    for peer in ("triton", "liger"):
        if peers[peer]() is None:
            print(f"going on without {peer}: it isn't installed", file=sys.stderr)
            del peers[peer]
    for classes in CLASSES:
        rows = max(1, (megabytes << 20) // (4 * classes))
        for dtype, name in ((torch.float32, "f32"), (torch.bfloat16, "bf16")):
            for peer, make in peers.items():
                fields = {"case": peer, "rows": rows, "classes": classes, "dtype": name}
                try:
                    fields.update(measure(peer, make, rows, classes, dtype))
                except Exception as error:  # a peer that fails is no reason to lose the others
                    fields["failed"] = (str(error).splitlines() or [type(error).__name__])[0][:200]
                print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
