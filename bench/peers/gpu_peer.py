# Cross-entropy, forward and backward, by PyTorch on a GPU, eager and compiled, and by Liger's Triton kernel where that is
# installed: for bench/gpu.sh, which puts the lines beside clLoss's own. A line of JSON on standard output for each, as it comes.
#
# usage: gpu_peer.py MEGABYTES of logits
#
# By the rules of clLoss's benchmark: logits take turns past the cache, the gradient is None before each step, the median of
# 15 repetitions, timed by the device's own events.
import json
import sys

import torch
import torch.nn.functional as F

CLASSES = (10, 100, 256, 1024, 4096, 32768, 131072, 262144)
REPS = 15


def liger():
    """Liger's in-place kernel as a function of logits and targets, or None."""
    try:
        from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
    except ImportError:
        return None

    def loss(logits, targets):
        out = LigerCrossEntropyFunction.apply(logits, targets, None, -100, 0.0, 0.0, "mean", None, False)
        return out[0] if isinstance(out, tuple) else out

    return loss


def milliseconds(loss, ring, targets):
    """The median of a step on logits that have rested longest."""
    times = []
    for i in range(REPS + 3):
        logits = ring[i % len(ring)]
        logits.grad = None
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        loss(logits, targets).backward()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times[3:])[REPS // 2]


def main():
    megabytes = int(sys.argv[1])
    peers = {"torch eager": F.cross_entropy, "torch.compile": torch.compile(F.cross_entropy, dynamic=False),
             "liger": liger()}
    for dtype, name in ((torch.float32, "f32"), (torch.bfloat16, "bf16")):
        for classes in CLASSES:
            rows = max(1, (megabytes << 20) // (4 * classes))
            size = rows * classes * dtype.itemsize
            ring = [torch.randn(rows, classes, device="cuda").to(dtype).requires_grad_()
                    for _ in range(max(2, (150 << 20) // size + 2))]
            targets = torch.randint(classes, (rows,), device="cuda")
            for peer, loss in peers.items():
                if loss is None:
                    continue
                try:
                    ms = milliseconds(loss, ring, targets)
                except Exception as error:  # a peer that fails is no reason to lose the others
                    print(json.dumps({"case": peer, "rows": rows, "classes": classes, "dtype": name,
                                      "failed": str(error).splitlines()[0][:200]}), flush=True)
                    continue
                print(json.dumps({"case": peer, "rows": rows, "classes": classes, "dtype": name, "ms": round(ms, 4),
                                  "gbps": round(2 * size / ms / 1e6, 1)}), flush=True)
            del ring


if __name__ == "__main__":
    main()
