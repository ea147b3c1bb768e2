"""Makes rowwise.h, the divergences, surprisals and entropies that test_ref_rowwise.c compares the reference with.

    python3 make_rowwise.py > rowwise.h      (needs PyTorch; the output is committed, tests don't need Python)

Divergences come from torch.nn.functional.kl_div of two log_softmax in f64, gradients from autograd. Classes that the
teacher masks are left out before: there PyTorch's formula is 0 · ∞. Inputs have few digits and are exact in f32.
"""
import math

import torch
import torch.nn.functional as F

torch.manual_seed(20240612)
INF = math.inf
MEAN, SUM, NONE = 0, 1, 2


def draw(shape, step, low, high):
    """Multiples of 1/step, which f32 holds exactly."""
    return torch.randint(int(low * step), int(high * step) + 1, shape).double() / step


def array(values):
    def text(v):
        return "NAN" if math.isnan(v) else ("-" if v < 0 else "") + "INFINITY" if math.isinf(v) else repr(v)

    return "(const double[]){" + ", ".join(text(float(v)) for v in values.reshape(-1)) + "}"


def divergence(student, teacher, temperature):
    rows = []
    for s, t in zip(F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1)):
        kept = t > -INF
        rows.append(F.kl_div(s[kept], t[kept], reduction="sum", log_target=True))
    return torch.stack(rows)


def distill(name, student, teacher, reduction=MEAN, temperature=1.0, squared=False, weights=False, divisor=0.0):
    rows, classes = student.shape
    student = student.clone().requires_grad_()
    weight = draw((rows,), 16, 0.25, 2) if weights else torch.ones(rows).double()
    upstream = draw((rows if reduction == NONE else 1,), 16, -3, 3)
    upstream = torch.where(upstream == 0, -1.25, upstream)
    row_loss = divergence(student, teacher, temperature) * weight * (temperature**2 if squared else 1)
    by = (divisor or weight.sum()) if reduction == MEAN else 1
    loss = row_loss.sum() / by
    (row_loss if reduction == NONE else loss.reshape(1)).backward(upstream)
    print(f'    {{"{name}", {rows}, {classes}, {reduction}, {int(squared)}, {temperature!r}, {divisor!r},')
    for values in (student.detach(), teacher, weight, upstream, row_loss.detach(), loss.detach(), student.grad):
        print(f"     {array(values)},")
    print("    },")


def information(name, flags, given, log_p):
    rows, classes = given.shape
    targets = torch.randint(0, classes, (rows,))
    surprisal = F.nll_loss(log_p, targets, reduction="none")
    entropy = torch.special.entr(log_p.exp()).sum(1)
    print(f'    {{"{name}", {rows}, {classes}, {flags},')
    print("     (const int64_t[]){" + ", ".join(str(int(t)) for t in targets) + "},")
    for values in (given, surprisal, entropy):
        print(f"     {array(values)},")
    print("    },")


def all_distill():
    for reduction in (MEAN, SUM, NONE):
        for temperature in (1.0, 2.5):
            for squared in (False, True):
                for weights in (False, True):
                    name = "-".join([("mean", "sum", "none")[reduction], str(temperature)]
                                    + ["squared"] * squared + ["weights"] * weights)
                    distill(name, draw((4, 6), 16, -4, 4), draw((4, 6), 16, -4, 4), reduction, temperature, squared, weights)
    distill("divisor", draw((3, 5), 16, -4, 4), draw((3, 5), 16, -4, 4), divisor=7.5)
    distill("one-class", draw((2, 1), 16, -4, 4), draw((2, 1), 16, -4, 4))
    distill("near", near := draw((3, 40), 16, -4, 4), near + draw((3, 40), 1024, -0.01, 0.01), NONE)
    distill("far-apart", draw((3, 9), 1, -900, 900), draw((3, 9), 1, -900, 900), NONE)
    distill("offset", draw((3, 9), 16, -4, 4) + 1e4, draw((3, 9), 16, -4, 4) - 1e4, NONE, 0.5)
    student, teacher = draw((3, 9), 16, -4, 4), draw((3, 9), 16, -4, 4)
    teacher[:, :4] = -INF
    distill("mask-teacher", student, teacher, NONE)
    student[:, :4] = -INF
    distill("mask-both", student, teacher, NONE, 2.0, True)
    teacher[:, 3] = 1.5
    distill("mask-student", student, teacher, NONE)


def all_information():
    x = draw((6, 9), 16, -4, 4)
    information("logits", 0, x, F.log_softmax(x, 1))
    x = draw((6, 9), 1, -900, 900)
    information("logits-far-apart", 0, x, F.log_softmax(x, 1))
    x[:, 5:] = -INF
    information("logits-masked", 0, x, F.log_softmax(x, 1))
    p = draw((6, 9), 64, 0, 1)
    p[0] = torch.tensor([0, 0, 1, 0, 0, 0, 0, 0, 0])
    information("probabilities", "CLLOSS_FROM_PROBABILITIES", p, p.log())
    log_p = draw((6, 9), 16, -8, 0)
    log_p[1, 3] = -INF
    information("log-probabilities", "CLLOSS_FROM_LOG_PROBABILITIES", log_p, log_p)


print("/* Divergences, surprisals and entropies by PyTorch " + torch.__version__.split("+")[0] + " in f64; made by")
print(" * make_rowwise.py. */")
print("/* clang-format off */")
print("static const struct golden_distill {")
print("  const char *name;")
print("  size_t rows, classes;")
print("  uint32_t reduction, squared;")
print("  double temperature, divisor;")
print("  const double *student, *teacher, *weight, *upstream, *row_loss, *loss, *grad;")
print("} golden_distill[] = {")
all_distill()
print("};")
print("static const struct golden_information {")
print("  const char *name;")
print("  size_t rows, classes;")
print("  uint32_t flags;")
print("  const int64_t *targets;")
print("  const double *input, *surprisal, *entropy;")
print("} golden_information[] = {")
all_information()
print("};")
print("/* clang-format on */")
