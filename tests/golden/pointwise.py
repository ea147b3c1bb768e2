"""Makes pointwise.txt, the elementwise losses that test_golden_pointwise.c compares the reference with.

    python3 pointwise.py > pointwise.txt        (needs PyTorch; the output is committed, tests don't need Python)

Losses come from torch.nn.functional in f64, gradients from autograd; focal loss, which PyTorch leaves to torchvision, is
written out as there, in probabilities. Where PyTorch's function has no weight, its unreduced losses are weighted and
their mean is over the elements. The file's format is make_golden.py's; weight_strides are from row to row and from
class to class. Inputs have few digits and are exact in f32.
"""
import torch
import torch.nn.functional as F

torch.manual_seed(20240612)
KINDS = {"bce_logits": 1, "bce": 2, "kl": 3, "mse": 4, "smooth_l1": 5, "huber": 6, "focal": 7}
MEAN, SUM, NONE, BATCHMEAN = 0, 1, 2, 3
LOG_TARGET, SET_DELTA, SET_GAMMA, SET_ALPHA = 1 << 8, 1 << 9, 1 << 10, 1 << 11
ROWS, CLASSES = 4, 5
STRIDES = {"whole": (CLASSES, 1), "one": (0, 0), "rows": (0, 1), "classes": (1, 0)}
SHAPES = {"whole": (ROWS, CLASSES), "one": (1, 1), "rows": (1, CLASSES), "classes": (ROWS, 1)}


def draw(shape, step, low, high):
    """Multiples of 1/step, which f32 holds exactly."""
    return torch.randint(int(low * step), int(high * step) + 1, shape).double() / step


def data(kind, log_target):
    shape = (ROWS, CLASSES)
    if kind in ("bce_logits", "focal"):
        return draw(shape, 16, -8, 8), draw(shape, 4, 0, 1)
    if kind == "bce":
        return draw(shape, 64, 0, 1), draw(shape, 4, 0, 1)
    if kind == "kl":
        return draw(shape, 16, -8, 0), draw(shape, 16, -6, 0) if log_target else draw(shape, 16, 0, 1)
    return draw(shape, 16, -3, 3), draw(shape, 16, -3, 3)


def unreduced(kind, x, y, o):
    if kind == "bce_logits":
        return F.binary_cross_entropy_with_logits(x, y, reduction="none", pos_weight=o.get("pos_weight"))
    if kind == "bce":
        clip = o.get("clip")
        return F.binary_cross_entropy(x if not clip else x.clamp(clip, 1 - clip), y, reduction="none")
    if kind == "kl":
        return F.kl_div(x, y, reduction="none", log_target=bool(o.get("flags", 0) & LOG_TARGET))
    if kind == "mse":
        return F.mse_loss(x, y, reduction="none")
    if kind == "smooth_l1":
        return F.smooth_l1_loss(x, y, reduction="none", beta=o["delta"] if "delta" in o else 1.0)
    if kind == "huber":
        return F.huber_loss(x, y, reduction="none", delta=o.get("delta", 1.0))
    p, gamma, alpha = torch.sigmoid(x), o.get("gamma", 2.0), o.get("alpha", 0.25)
    p_t = p * y + (1 - p) * (1 - y)
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none") * (1 - p_t) ** gamma
    return loss if alpha < 0 else (alpha * y + (1 - alpha) * (1 - y)) * loss


def same_as_torch(kind, x, y, weight, reduction, loss, o):
    """Where PyTorch takes the whole call, its answer is ours."""
    how = {MEAN: "mean", SUM: "sum", BATCHMEAN: "batchmean"}[reduction]
    full = None if weight is None else weight.expand_as(x).contiguous()
    if kind == "kl" and weight is None:
        theirs = F.kl_div(x, y, reduction=how, log_target=bool(o.get("flags", 0) & LOG_TARGET))
    elif reduction == BATCHMEAN or (kind in ("kl", "smooth_l1", "focal") and weight is not None) or kind == "focal":
        return
    elif kind == "bce_logits":
        theirs = F.binary_cross_entropy_with_logits(x, y, weight=full, reduction=how, pos_weight=o.get("pos_weight"))
    elif kind == "bce" and not o.get("clip"):
        theirs = F.binary_cross_entropy(x, y, weight=full, reduction=how)
    elif kind == "mse":
        theirs = F.mse_loss(x, y, weight=full, reduction=how)
    elif kind == "huber":
        theirs = F.huber_loss(x, y, weight=full, reduction=how, delta=o.get("delta", 1.0))
    else:
        return
    assert torch.allclose(theirs, loss, rtol=1e-13, atol=1e-14, equal_nan=True), (kind, theirs, loss)


def numbers(key, values):
    print(key, len(values), *(f"{v:.13g}" for v in values))


def case(name, kind, reduction=MEAN, spread=None, zero=False, **o):
    x, y = data(kind, o.get("flags", 0) & LOG_TARGET)
    weight = None if spread is None else draw(SHAPES[spread], 8, 0, 2) * (0 if zero else 1)
    upstream = draw((ROWS, CLASSES) if reduction == NONE else (1,), 16, -3, 3)
    x.requires_grad_(True)
    element = unreduced(kind, x, y, o) * (1 if weight is None else weight)
    by_weight = kind == "mse" and weight is not None
    divisor = {MEAN: float(weight.expand_as(x).sum()) if by_weight else x.numel(), BATCHMEAN: ROWS}.get(reduction, 1)
    result = element if reduction == NONE else element.sum() / divisor
    if reduction != NONE:
        same_as_torch(kind, x.detach(), y, weight, reduction, result, o)
    (result * upstream).sum().backward()
    print("case", name)
    numbers("shape", (ROWS, CLASSES, 1))
    numbers("kind", (KINDS[kind],))
    numbers("reduction", (reduction,))
    for key in ("flags", "delta", "gamma", "alpha", "clip"):
        if o.get(key):
            numbers(key, (o[key],))
    for key, tensor in (("input", x), ("target", y), ("weight", weight), ("pos_weight", o.get("pos_weight")),
                        ("grad_loss", upstream), ("element_loss", element), ("grad", x.grad)):
        if tensor is not None:
            numbers(key, tensor.detach().flatten().tolist())
    if weight is not None:
        numbers("weight_strides", STRIDES[spread])
    if reduction != NONE:
        numbers("loss", (float(result.detach()),))
    print("end")


def main():
    print("# Made by pointwise.py with PyTorch, in f64.")
    for kind in KINDS:
        for how, reduction in (("mean", MEAN), ("sum", SUM), ("none", NONE), ("batchmean", BATCHMEAN)):
            case(f"{kind}-{how}", kind, reduction)
            case(f"{kind}-{how}-weight", kind, reduction, "whole")
        for spread in ("one", "rows", "classes"):
            case(f"{kind}-weight-{spread}", kind, MEAN, spread)
    case("mse-weight-zero", "mse", MEAN, "whole", zero=True)
    case("huber-weight-zero", "huber", MEAN, "whole", zero=True)
    for reduction in (MEAN, NONE):
        case(f"bce_logits-pos-{reduction}", "bce_logits", reduction, "whole", pos_weight=draw((CLASSES,), 8, 0, 4))
        case(f"bce-clip-{reduction}", "bce", reduction, "whole", clip=0.125)
        case(f"kl-log-{reduction}", "kl", reduction, None, flags=LOG_TARGET)
        case(f"smooth_l1-beta-{reduction}", "smooth_l1", reduction, None, delta=0.5)
        case(f"smooth_l1-l1-{reduction}", "smooth_l1", reduction, None, delta=0.0, flags=SET_DELTA)
        case(f"huber-delta-{reduction}", "huber", reduction, None, delta=2.5)
        case(f"focal-plain-{reduction}", "focal", reduction, None, gamma=0.0, alpha=-1.0, flags=SET_GAMMA)
        case(f"focal-half-{reduction}", "focal", reduction, None, gamma=0.5, alpha=0.75)
        case(f"focal-no-alpha-{reduction}", "focal", reduction, None, gamma=3.0, alpha=0.0, flags=SET_ALPHA)


main()
