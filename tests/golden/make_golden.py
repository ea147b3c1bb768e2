"""Makes xent.txt, the softmax cross-entropies that test_golden.c compares reference and kernels with.

    python3 make_golden.py > xent.txt        (needs PyTorch; the output is committed, tests don't need Python)

Losses come from torch.nn.functional in f64, gradients from autograd. Rows that PyTorch has no answer for (ignored rows
that hold NaN, targets out of range, rows without a softmax) never reach it: clloss_ref.h says what they give, and the
rule is written out in `solve`. Wherever PyTorch takes the whole call, `same_as_torch` insists on its answer.

The file is text: a line that starts with # is a comment; `case NAME` opens a case and `end` closes it; between them
stand lines `KEY COUNT VALUE …`. Inputs have few digits and are exact in f32. [rows / inner][classes][inner] is the
layout of logits, probabilities, old_grad and grad; all else is by row. What is left out is absent or 0.
"""
import math
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(20240611)
INF, NAN = math.inf, math.nan
IGNORE, MEGATRON, EMPTY_IS_ZERO, BAD_IS_IGNORED, ALPHA, LOG_PROBABILITIES = 1, 2, 4, 8, 16, 32
MEAN, SUM, NONE = 0, 1, 2


def draw(shape, step, low, high):
    """Multiples of 1/step, which f32 holds exactly."""
    return torch.randint(int(low * step), int(high * step) + 1, shape).double() / step


def f32(value):
    return float(torch.tensor(value, dtype=torch.float32))


class Case:
    """One call. Tensors are kept by row: logits [rows, classes]."""

    def __init__(self, name, rows=5, classes=7, inner=1, kind="index", logits=None, **options):
        self.name, self.rows, self.classes, self.inner, self.kind = name, rows, classes, inner, kind
        self.logits = draw((rows, classes), 16, -4, 4) if logits is None else logits
        self.targets = torch.randint(0, classes, (rows,))
        self.probabilities = draw((rows, classes), 32, 0, 1) if kind == "probabilities" else None
        self.class_weight = self.row_weight = None
        if options.pop("class_weights", False):
            self.class_weight = draw((classes,), 16, 0.25, 2)
        if options.pop("row_weights", False):
            self.row_weight = draw((rows,), 16, 0.25, 2)
        self.reduction = options.pop("reduction", MEAN)
        upstream = draw((rows if self.reduction == NONE else 1,), 16, -3, 3)
        self.grad_loss = torch.where(upstream == 0, -1.25, upstream)
        self.flags = options.pop("flags", 0)
        if "ignore_index" in options:
            self.flags |= IGNORE
            if self.rows > 2:
                self.targets[1] = self.targets[self.rows - 1] = options["ignore_index"]
        if "grad_alpha" in options:
            self.flags |= ALPHA
        self.old_grad = draw((rows, classes), 16, -2, 2) if options.get("grad_beta") else None
        self.options = options

    def get(self, name):
        return self.options.get(name, 0)


def transformed(case, x):
    scale, cap = case.get("logit_scale") or 1, case.get("softcap")
    z = x * scale
    if cap:
        z = cap * torch.tanh(z / cap)
    return torch.where(x == -INF, x, z)


def smoothing(case):
    eps = case.get("label_smoothing")
    return eps * case.classes / (case.classes - 1) if case.flags & MEGATRON else eps


def losses(case, z, rows):
    """Unreduced losses without row weights and z-loss, of rows that have a softmax."""
    weight, eps = case.class_weight, smoothing(case)
    if case.kind == "index":
        return F.cross_entropy(z, case.targets[rows], weight, reduction="none", label_smoothing=eps)
    t = case.probabilities[rows]
    if torch.isfinite(z).all():
        return F.cross_entropy(z, t, weight, reduction="none", label_smoothing=eps)
    t = t * (1 - eps) + eps / case.classes  # 0 · inf is NaN to PyTorch, and 0 to us
    log_p = torch.where(t == 0, 0.0, torch.log_softmax(z, 1))
    return -(t * log_p * (1 if weight is None else weight)).sum(1)


def same_as_torch(case, loss, grad):
    """The call as PyTorch alone would make it."""
    eps, x = smoothing(case), case.logits.clone().requires_grad_()
    z = transformed(case, x)
    ignore = case.get("ignore_index") if case.flags & IGNORE else -(10**9)
    y = case.targets if case.kind == "index" else case.probabilities
    how = ["mean", "sum", "none"][case.reduction]
    extra = {"ignore_index": ignore} if case.kind == "index" else {}
    got = F.cross_entropy(z, y, case.class_weight, reduction=how, label_smoothing=eps, **extra)
    (got * case.grad_loss.reshape(got.shape)).sum().backward()
    torch.testing.assert_close(loss.reshape(got.shape), got.detach(), rtol=1e-13, atol=1e-14, equal_nan=True)
    torch.testing.assert_close(grad, x.grad, rtol=1e-12, atol=1e-14, equal_nan=True)


def kinds_of(case):
    """valid, ignored, bad, as masks of the rows"""
    rows = torch.ones(case.rows, dtype=torch.bool)
    if case.kind != "index":
        return rows, ~rows, ~rows
    ignored = (case.targets == case.get("ignore_index")) & bool(case.flags & IGNORE)
    bad = ~ignored & ((case.targets < 0) | (case.targets >= case.classes))
    return ~ignored & ~bad, ignored, bad


def by_row(case, good, values, others):
    """[rows] … from the good rows' values, and for the others `others`."""
    out = others.clone().reshape([-1] + [1] * (values.dim() - 1)).repeat([1] + list(values.shape[1:]))
    out[good] = values
    return out


def divisors(case, valid):
    if case.reduction != MEAN:
        return torch.ones(2, dtype=torch.float64)
    if case.get("divisor"):
        return torch.full((2,), float(case.get("divisor")), dtype=torch.float64)
    rw = (torch.ones(case.rows) if case.row_weight is None else case.row_weight)[valid].double()
    per_class = case.kind == "index" and case.class_weight is not None
    w = case.class_weight[case.targets[valid]] if per_class else torch.ones_like(rw)
    return torch.stack([(rw * w).sum(), rw.sum()])


def over(case, value, divisor):
    zero = divisor == 0 and case.flags & EMPTY_IS_ZERO and not bool(value.isnan().any())
    return value * 0 if zero else value / divisor


def solve(case):
    valid, ignored, bad = kinds_of(case)
    as_ignored = ignored | (bad if case.flags & BAD_IS_IGNORED else torch.zeros_like(bad))
    x = case.logits.clone().requires_grad_()
    top = case.logits.amax(1)
    broken = valid & (case.logits.isnan().any(1) | (top == INF) | (top == -INF))
    good = valid & ~broken
    others = torch.where(as_ignored, 0.0, NAN).double()
    z = transformed(case, x[good])
    rw = (torch.ones(case.rows) if case.row_weight is None else case.row_weight)[good].double()
    loss, lse = rw * losses(case, z, good), torch.logsumexp(z, 1)
    z_loss = rw * case.get("z_loss") * lse**2
    d = divisors(case, valid)
    spoilt = broken.any() or (bad & ~as_ignored).any()
    spoil = torch.tensor(NAN if spoilt else 0.0, dtype=torch.float64)
    if case.reduction == NONE:
        total = None
        (case.grad_loss[good] * (loss + z_loss)).sum().backward()
    else:
        sums = [(loss.sum(), d[0])] + ([(z_loss.sum(), d[1])] if case.get("z_loss") else [])
        total = sum(over(case, value + spoil, divisor) for value, divisor in sums)
        clean = sum(over(case, value, divisor) for value, divisor in sums)
        (case.grad_loss * clean).sum().backward()
    row_loss = by_row(case, good, (loss + z_loss).detach(), others)
    grad = by_row(case, good, x.grad[good], others)
    plain = not (case.row_weight is not None or spoilt or case.get("z_loss") or case.get("divisor") or bad.any()
                 or case.flags & EMPTY_IS_ZERO or not torch.isfinite(case.logits).all())
    if plain:
        same_as_torch(case, row_loss if total is None else total.detach(), grad)
    alpha = case.options.get("grad_alpha", 1)
    grad = grad * alpha
    if case.old_grad is not None:
        grad = grad + case.get("grad_beta") * case.old_grad
    out = {"loss": total, "row_loss": row_loss, "grad": grad}
    out.update(statistics(case, z.detach(), good, others, loss.detach() / rw))
    out["metrics"] = torch.cat([out.pop("sums") + spoil_of(broken), d])
    out["counts"] = counts(case, z.detach(), (valid, ignored, bad, good, broken))
    return out


def solve_nll(case):
    """Log-probabilities: PyTorch's own call, whole."""
    x = case.logits.clone().requires_grad_()
    ignore = case.get("ignore_index") if case.flags & IGNORE else -(10**9)
    how = ["mean", "sum", "none"][case.reduction]
    got = F.nll_loss(x, case.targets, case.class_weight, ignore_index=ignore, reduction=how)
    (got * case.grad_loss.reshape(got.shape)).sum().backward()
    each = F.nll_loss(case.logits, case.targets, case.class_weight, ignore_index=ignore, reduction="none")
    ignored = int((case.targets == ignore).sum())
    return {"loss": None if how == "none" else got, "row_loss": each, "grad": x.grad,
            "counts": [case.rows - ignored, ignored, 0, -1, 0, 0, 0, 0]}


def spoil_of(broken):
    return NAN if broken.any() else 0.0


def statistics(case, z, good, others, spread):
    m = z.amax(1) if len(z) else z.new_zeros(0)
    log_sum = torch.log(torch.exp(z - m[:, None]).sum(1))
    p = torch.softmax(z, 1)
    entropy = torch.special.entr(p).sum(1)
    nll = spread if case.kind != "index" else F.cross_entropy(z, case.targets[good], reduction="none")
    first = torch.tensor([int((row == row.max()).nonzero()[0]) for row in z], dtype=torch.float64)
    confidence = p.amax(1) if len(z) else m
    return {
        "row_stats": by_row(case, good, torch.stack([m, log_sum], 1), others),
        "predicted": by_row(case, good, first, torch.full_like(others, -1)),
        "confidence": by_row(case, good, confidence, others),
        "entropy": by_row(case, good, entropy, others),
        "sums": torch.stack([nll.sum(), entropy.sum(), confidence.sum()]),
    }


def counts(case, z, kinds):
    valid, ignored, bad, good, broken = kinds
    if case.kind == "index":
        target = case.targets[good]
    else:
        target = torch.tensor([int((t == t.max()).nonzero()[0]) for t in case.probabilities[good]], dtype=torch.long)
    greater = (z > z.gather(1, target[:, None])).sum(1) if len(z) else torch.zeros(0)
    first = int(bad.nonzero()[0]) if bad.any() else -1
    value = int(case.targets[first]) if first >= 0 else 0
    k = case.get("top_k") or 5
    return [int(valid.sum()), int(ignored.sum()), int(bad.sum()), first, value, int((greater < 1).sum()),
            int((greater < k).sum()), int(broken.sum())]


def layout(case, rows):
    """[rows, classes] as [rows / inner][classes][inner]"""
    return rows.reshape(-1, case.inner, case.classes).transpose(1, 2).reshape(-1)


def line(key, values, digits=None):
    values = values.detach().reshape(-1).tolist() if isinstance(values, torch.Tensor) else list(values)
    text = []
    for v in values:
        if isinstance(v, int) or (math.isfinite(v) and v == int(v) and abs(v) < 1e15):
            text.append(str(int(v)))
        else:
            text.append("%.*g" % (digits, v) if digits else repr(float(v)))
    print(key, len(text), *text)


def write(case):
    out = solve_nll(case) if case.flags & LOG_PROBABILITIES else solve(case)
    print("case", case.name)
    line("shape", [case.rows, case.classes, case.inner])
    line("reduction", [case.reduction])
    if case.flags:
        line("flags", [case.flags])
    for key, value in case.options.items():
        line(key, [value])
    line("logits", layout(case, case.logits))
    if case.kind == "index":
        line("targets", case.targets)
    else:
        line("probabilities", layout(case, case.probabilities))
    for key in ("class_weight", "row_weight", "grad_loss"):
        if getattr(case, key) is not None:
            line(key, getattr(case, key))
    if case.old_grad is not None:
        line("old_grad", layout(case, case.old_grad))
    if out["loss"] is not None:
        line("loss", out["loss"], 13)
    for key in ("row_loss", "row_stats", "predicted", "confidence", "entropy", "metrics", "counts"):
        if key in out:
            line(key, out[key], 13)
    line("grad", layout(case, out["grad"]), 13)
    print("end")


def main():
    from cases import cases

    print("# Softmax cross-entropy by PyTorch", torch.__version__.split("+")[0], "in f64; made by make_golden.py,")
    print("# which says how to read it.")
    for case in cases():
        write(case)


if __name__ == "__main__":
    sys.modules["make_golden"] = sys.modules["__main__"]
    main()
