"""Which calls make_golden.py solves: the cross product of what changes the divisors, then each option and each kind of
row by itself and in company."""
import itertools
import math

import torch
from make_golden import BAD_IS_IGNORED, EMPTY_IS_ZERO, LOG_PROBABILITIES, MEAN, MEGATRON, NONE, SUM, Case, draw

INF, NAN = math.inf, math.nan
REDUCTIONS = {"mean": MEAN, "sum": SUM, "none": NONE}
KINDS = ("index", "probabilities")


def products():
    for kind, eps, weights, ignores in itertools.product(KINDS, (0, 0.125), (False, True), (False, True)):
        if kind == "probabilities" and ignores:
            continue
        for how, reduction in REDUCTIONS.items():
            name = f"{kind}-{how}" + "-smoothing" * (eps > 0) + "-weights" * weights + "-ignore" * ignores
            options = {"ignore_index": -100} if ignores else {}
            if eps:
                options["label_smoothing"] = eps
            yield Case(name, kind=kind, class_weights=weights, reduction=reduction, **options)


def options():
    one = {
        "megatron": {"label_smoothing": 0.125, "flags": MEGATRON},
        "smoothing-1": {"label_smoothing": 1.0},
        "row-weights": {"row_weights": True},
        "all-weights": {"row_weights": True, "class_weights": True},
        "z-loss": {"z_loss": 0.25},
        "z-loss-weights": {"z_loss": 0.25, "row_weights": True, "class_weights": True, "label_smoothing": 0.25},
        "scale": {"logit_scale": 0.375},
        "negative-scale": {"logit_scale": -1.5},
        "softcap": {"softcap": 3.0},
        "scale-softcap": {"logit_scale": 1.75, "softcap": 5.0, "z_loss": 0.125, "label_smoothing": 0.25},
    }
    for (name, how), kind, reduction in itertools.product(one.items(), KINDS, REDUCTIONS):
        yield Case(f"{name}-{kind}-{reduction}", rows=3, classes=9, kind=kind, reduction=REDUCTIONS[reduction], **how)
    everything = {"row_weights": True, "class_weights": True, "z_loss": 0.125, "label_smoothing": 0.25,
                  "logit_scale": 1.25, "softcap": 4.0, "grad_alpha": -0.75, "grad_beta": 0.5}
    for kind in KINDS:
        yield Case(f"divisor-{kind}", rows=3, kind=kind, divisor=7.0, row_weights=True, class_weights=True)
        yield Case(f"divisor-z-{kind}", rows=3, kind=kind, divisor=0.5, z_loss=0.5)
        yield Case(f"alpha-0-{kind}", rows=3, kind=kind, grad_alpha=0.0)
        yield Case(f"beta-{kind}", rows=3, classes=18, kind=kind, grad_beta=-0.5, reduction=SUM)
        yield Case(f"alpha-beta-{kind}", rows=3, kind=kind, grad_alpha=0.5, grad_beta=1.0, reduction=NONE)
        yield Case(f"everything-{kind}", rows=2, classes=85, kind=kind, **everything)
        for k in (1, 2, 6):
            yield Case(f"top-{k}-{kind}", kind=kind, top_k=k)
    yield Case("everything-ignore", rows=5, classes=20, ignore_index=-1, **everything)
    for how, reduction in REDUCTIONS.items():
        yield Case(f"all-weights-ignore-{how}", rows=6, row_weights=True, class_weights=True, z_loss=0.5,
                   ignore_index=3, reduction=reduction)


def sizes():
    for classes, kind in itertools.product((1, 2, 3, 16, 17, 33, 65), KINDS):
        eps = {"label_smoothing": 0.25} if classes % 2 else {}
        yield Case(f"classes-{classes}-{kind}", rows=2, classes=classes, kind=kind, class_weights=classes > 2, **eps)
    for kind in KINDS:
        yield Case(f"rows-20-{kind}", rows=20, classes=3, kind=kind, row_weights=True, class_weights=True)
        yield Case(f"one-row-{kind}", rows=1, classes=90, kind=kind, z_loss=0.125)
    yield Case("rows-18-ignore", rows=18, classes=5, ignore_index=255, label_smoothing=0.125)


def extremes():
    for kind in KINDS:
        few = {"rows": 3, "classes": 18, "kind": kind}
        yield Case(f"1e4-{kind}", logits=draw((3, 18), 1, -1, 1) * 1e4, **few)
        yield Case(f"1e4-spread-{kind}", logits=draw((3, 18), 1, -1e4, 1e4), label_smoothing=0.125, **few)
        yield Case(f"offset-{kind}", logits=draw((3, 18), 8, -4, 4) + 1e6, reduction=SUM, **few)
        for gap in (104, 200, 800):
            logits = torch.zeros(3, 18, dtype=torch.float64)
            logits[:, ::3] = gap
            yield Case(f"underflow-{gap}-{kind}", logits=logits, reduction=NONE, **few)
        yield Case(f"equal-{kind}", logits=torch.full((3, 18), -7.5, dtype=torch.float64), **few)
        yield Case(f"softcap-saturated-{kind}", logits=draw((3, 18), 1, -1, 1) * 1e4, softcap=3.0, **few)


def masked(case, where):
    """-inf on those classes; the targets elsewhere, and without probability there."""
    case.logits[:, where] = -INF
    free = [c for c in range(case.classes) if not bool(torch.isinf(case.logits[0, c]))]
    case.targets = torch.tensor([free[int(t) % len(free)] for t in case.targets])
    if case.probabilities is not None:
        case.probabilities[:, where] = 0
    return case


def masks():
    leading, trailing = slice(0, 25), slice(15, 40)
    company = {"": {}, "-weights": {"class_weights": True, "row_weights": True}, "-softcap": {"softcap": 3.0},
               "-scale-z": {"logit_scale": 0.5, "z_loss": 0.25}, "-negative-scale": {"logit_scale": -0.5}}
    for (name, how), kind in itertools.product(company.items(), KINDS):
        shape = {"rows": 2, "classes": 40, "kind": kind, **how}
        yield masked(Case(f"mask-leading-{kind}{name}", **shape), leading)
        yield masked(Case(f"mask-trailing-{kind}{name}", reduction=NONE, **shape), trailing)
        others = [c for c in range(40) if c != 27]
        yield masked(Case(f"mask-others-{kind}{name}", reduction=SUM, **shape), others)
        if name not in ("", "-softcap"):
            continue
        whole = Case(f"mask-row-{kind}{name}", **shape)
        whole.logits[1] = -INF
        yield whole
    for kind in KINDS:
        target = Case(f"mask-target-{kind}", rows=3, classes=20, kind=kind, reduction=NONE)
        target.logits[1, target.targets[1]] = -INF  # with probabilities, a class that has one
        if kind == "probabilities":
            target.probabilities[1, target.targets[1]] = 0.5
        yield target
        smoothed = Case(f"mask-smoothing-{kind}", rows=3, classes=20, kind=kind, label_smoothing=0.25, reduction=NONE)
        smoothed.logits[0, :7] = -INF
        smoothed.targets[0] = 9
        yield smoothed


def faults():
    for how, reduction in REDUCTIONS.items():
        case = Case(f"ignored-nan-{how}", rows=5, classes=18, ignore_index=-100, reduction=reduction, z_loss=0.25,
                    label_smoothing=0.125, class_weights=True, row_weights=True)
        case.logits[1], case.logits[4, 3] = NAN, INF
        case.row_weight[1] = NAN
        yield case
        bad = Case(f"bad-targets-{how}", rows=6, classes=9, ignore_index=-7, reduction=reduction)
        bad.targets[2], bad.targets[3] = 9, -1
        yield bad
        forgiven = Case(f"bad-ignored-{how}", rows=6, classes=9, ignore_index=-7, reduction=reduction, z_loss=0.125,
                        flags=BAD_IS_IGNORED, row_weights=True)
        forgiven.targets[2], forgiven.targets[3] = 2**32 + 1, -(2**40)
        yield forgiven
    for kind in KINDS:
        broken = Case(f"no-softmax-{kind}", rows=5, classes=18, kind=kind, reduction=NONE, softcap=3.0, z_loss=0.25)
        broken.logits[0, 4], broken.logits[2, 17] = NAN, INF
        yield broken
        broken = Case(f"no-softmax-sum-{kind}", rows=5, classes=18, kind=kind, reduction=SUM)
        broken.logits[1, 0], broken.logits[3, 16] = INF, NAN
        yield broken
    for flags in (0, EMPTY_IS_ZERO):
        name = "-zero" if flags else ""
        ignored = Case(f"all-ignored{name}", rows=3, ignore_index=2, flags=flags, z_loss=0.25)
        ignored.targets[:] = 2
        yield ignored
        weightless = Case(f"no-weight{name}", rows=3, row_weights=True, flags=flags)
        weightless.row_weight[:] = 0
        yield weightless
        classless = Case(f"no-class-weight{name}", rows=3, class_weights=True, z_loss=0.25, flags=flags)
        classless.class_weight[:] = 0  # the z-loss has a divisor all the same
        yield classless
        bad = Case(f"all-bad{name}", rows=3, flags=flags)
        bad.targets[:] = -5
        yield bad
        yield Case(f"not-empty{name}", rows=4, ignore_index=-100, flags=flags, class_weights=True)


def layouts():
    shapes = {"2-5-3": (6, 5, 3), "1-3-19": (19, 3, 19), "2-4-18": (36, 4, 18), "2-37-2": (4, 37, 2)}
    for (name, (rows, classes, inner)), kind in itertools.product(shapes.items(), KINDS):
        shape = {"rows": rows, "classes": classes, "inner": inner, "kind": kind}
        if rows * classes < 100:
            yield Case(f"inner-{name}-{kind}", **shape)
            yield Case(f"inner-{name}-{kind}-none", reduction=NONE, row_weights=True, softcap=3.0, **shape)
        yield Case(f"inner-{name}-{kind}-all", row_weights=True, class_weights=True, label_smoothing=0.25,
                   z_loss=0.125, logit_scale=0.75, grad_beta=-1.5, **shape)
    ignored = Case("inner-ignored-nan", rows=6, classes=5, inner=3, ignore_index=4, class_weights=True)
    ignored.logits[1] = NAN
    yield ignored
    for kind in KINDS:
        yield masked(Case(f"inner-mask-{kind}", rows=6, classes=40, inner=3, kind=kind), slice(0, 25))


def log_probabilities():
    for (how, reduction), weights, ignores in itertools.product(REDUCTIONS.items(), (False, True), (False, True)):
        logits = torch.log_softmax(draw((6, 19), 16, -4, 4), 1)
        case = Case(f"nll-{how}" + "-weights" * weights + "-ignore" * ignores, rows=6, classes=19, reduction=reduction,
                    logits=torch.round(logits * 1024) / 1024, flags=LOG_PROBABILITIES, class_weights=weights,
                    **({"ignore_index": 3} if ignores else {}))
        case.logits[0, case.targets[0]] = -INF
        yield case


def cases():
    for family in (products, options, sizes, extremes, masks, faults, layouts, log_probabilities):
        yield from family()
