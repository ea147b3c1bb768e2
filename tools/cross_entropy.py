#!/usr/bin/env python3
"""Draws the plots of docs/cross_entropy.md, with gnuplot.

    ./run demo                                     # builds clloss, and leaves the digits' logits in build/
    python3 tools/cross_entropy.py build/release/cli/clloss build/digits_ docs/cross_entropy
    build/examples/certainty --plot docs/certainty.svg

Curves of p alone are gnuplot's. The usual formula is computed here, each operation rounded to the type that it is said
to be in: a sum or quotient of two f32, rounded to f64 and then to f32, is what f32 arithmetic gives (Figueroa 1995), and
exp and log are taken to be correctly rounded. What clLoss gives, `clloss eval` computes: of rows [0, -margin], and of
the digits at several scales of their logits. The truth is log1p(exp(-margin)) in f64. Needs Python and gnuplot alone.
"""

import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

F32 = "f"
F64 = "d"
SMALLEST = {F32: 2.0**-126, F64: 2.0**-1022}
BLUE, ORANGE, GREY = "#0060ad", "#dd6a00", "#999999"


def rounded(x, kind):
    return struct.unpack(kind, struct.pack(kind, x))[0]


def usual(margin, kind):
    """Loss and gradient at the target of logits [0, -margin], where the target is the first, as most libraries compute
    them. A kind's numbers below its least normal one are 0."""
    e = rounded(math.exp(-margin), kind)
    if e < SMALLEST[kind]:
        e = 0.0
    total = rounded(1 + e, kind)
    return rounded(math.log(total), kind), rounded(rounded(1 / total, kind) - 1, kind)


def write_npy(path, descr, shape, values):
    """NumPy's format 1.0."""
    header = f"{{'descr': '<{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    kind = {"f4": "f", "i4": "i"}[descr]
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.ljust(117).encode() + b"\n")
        file.write(struct.pack(f"<{len(values)}{kind}", *values))


def read_npy(path):
    data = pathlib.Path(path).read_bytes()
    assert b"'<f4'" in data[:128]
    return struct.unpack(f"<{(len(data) - 128) // 4}f", data[128:])


def evaluate(clloss, *arguments):
    command = [clloss, "eval", "--loss", "softmax", "--json", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def clloss_rows(clloss, margins):
    """(loss, gradient at the target) by clloss eval, of f32 logits [0, -margin]."""
    with tempfile.TemporaryDirectory() as folder:
        x, t, loss, grad = (f"{folder}/{name}.npy" for name in ("x", "t", "loss", "grad"))
        n = len(margins)
        write_npy(x, "f4", (n, 2), [v for m in margins for v in (0.0, -m)])
        write_npy(t, "i4", f"({n},)", [0] * n)
        evaluate(clloss, "--reduction", "none", "--row-loss", loss, "--grad", grad, x, t)
        return list(zip(read_npy(loss), read_npy(grad)[::2]))


def draw(path, size, script, **blocks):
    """The blocks' rows are lists of numbers; None is a gap."""
    text = [
        f"set terminal svg size {size} font 'sans-serif,13' background '#ffffff' enhanced",
        f"set output '{path}'",
        f"set style line 1 lc rgb '{BLUE}' lw 2",
        f"set style line 2 lc rgb '{ORANGE}' lw 2",
        f"set style line 3 lc rgb '{GREY}' lw 1.5 dt 2",
        "set border 3 lc rgb '#666666'; set tics nomirror out scale 0.5 tc '#444444'; set samples 201",
        "set lmargin 8; set rmargin 3; set bmargin 3.5; set tmargin 2.5; set key samplen 2 spacing 1.1",
    ]
    for name, rows in blocks.items():
        text.append(f"${name} << EOD")
        text += [" ".join("?" if v is None else f"{v:.9g}" for v in row) for row in rows]
        text.append("EOD")
    subprocess.run(["gnuplot"], input="\n".join([*text, "set datafile missing '?'", script, ""]), text=True, check=True)


SURPRISE = """
set multiplot layout 1,3
set title 'surprise, -log p'; set xlabel 'p of what happened'; set ylabel 'nats'
set xrange [0:1]; set yrange [0:5]; set xtics 0.25; set ytics 1
set label 1 'p = 1/2: log 2, 1 bit' at 0.53,0.95 tc '#444444'
set object 1 circle at 0.5,log(2) size 0.012 fc rgb '#0060ad' fs solid
plot -log(x) with lines ls 1 notitle
unset label 1; unset object 1; set ylabel ''
set title 'the left end: p near 0'; set logscale x; set format x '10^{%T}'
set xrange [1e-76:1]; set yrange [0:180]; set xtics (1e-76,1e-57,1e-38,1e-19,1); set ytics 60
least = 2.0**-126
set arrow 1 from least,0 to least,180 nohead lc rgb '#999999' dt 2
set label 1 'p = 0 in f32:' at 1e-74,48 tc '#444444'
set label 2 '-log p = inf' at 1e-74,33 tc '#444444'
plot -log(x) with lines ls 1 notitle
set title 'the right end: p near 1'; set xlabel '1 - p'; set logscale y; set format y '10^{%T}'
set xrange [1:1e-12] reverse; set yrange [1e-12:10]; set xtics (1,1e-3,1e-6,1e-9,1e-12); set ytics (1,1e-3,1e-6,1e-9,1e-12)
half = 2.0**-25
set arrow 1 from half,1e-12 to half,10
set label 1 'p = 1 in f32:' at 1e-8,1e-2 tc '#444444'
set label 2 '-log p = 0' at 1e-8,1e-3 tc '#444444'
plot $right using 1:2 with lines ls 1 notitle
"""

ENTROPY = """
set encoding utf8
set multiplot layout 1,2
h(p) = p <= 0 || p >= 1 ? 0 : -(p * log(p) + (1 - p) * log(1 - p)) / log(2)
ce(q) = -(0.8 * log(q) + 0.2 * log(1 - q)) / log(2)
set title 'entropy of a coin, bits'; set xlabel 'p of heads'; set xrange [0:1]; set yrange [0:1.2]
set xtics 0.25; set ytics 0.5; set key off
plot h(x) with lines ls 1
set title 'cross-entropy of a coin with p = 0.8, bits'; set xlabel 'q of heads, as the model has it'
set yrange [0:4]; set ytics 1; set samples 801; set key top center Left reverse
set arrow 1 from 0.8,0 to 0.8,h(0.8) nohead lc rgb '#666666' dt 2 front
plot sample [1e-4:0.9999] '+' using 1:(h(0.8)):(ce($1)) with filledcurves lc rgb '#f6c9a0' title 'divergence KL(p || q)', \\
  [1e-4:0.9999] '+' using 1:(0):(h(0.8)) with filledcurves lc rgb '#b9d4ec' title 'entropy H(p)', \\
  [1e-4:0.9999] '+' using 1:(ce($1)) with lines ls 2 title 'cross-entropy, their sum'
"""

CERTAIN = """
set multiplot layout 1,2
set logscale xy; set format xy '10^{%T}'; set xrange [1:1e-38] reverse; set yrange [1e-10:10]
set xtics (1,1e-8,1e-16,1e-24,1e-32); set ytics (1,1e-2,1e-4,1e-6,1e-8,1e-10); set xlabel '1 - p'
set key at graph 0.98,0.6
set title 'relative error of the loss'
plot $errors using 1:2 with lines ls 2 title 'usual formula, f32', \\
  '' using 1:4 with lines ls 3 title 'usual formula, f64', \\
  '' using 1:6 with lines ls 1 title 'clLoss, f32'
set title 'relative error of the gradient, p - 1'; set key off
plot $errors using 1:3 with lines ls 2, '' using 1:5 with lines ls 3, '' using 1:7 with lines ls 1
"""

SCALE = """
set multiplot layout 1,3
set logscale x 2; set xrange [0.0625:16.1]; set xtics (0.0625,0.25,1,4,16); set format x '%g'
set xlabel 'scale of the logits, 1 / temperature'; set key off
set title 'loss, nats'; set yrange [0:2.5]; set ytics 0.5
set label 1 'uniform guess' at 0.28,2.18 tc '#444444'
plot $scales using 1:2 with linespoints ls 1 pt 7 ps 0.4, log(10) with lines ls 3
unset label 1
set title 'accuracy and confidence, %'; set yrange [0:100]; set ytics 25; set key bottom right
plot $scales using 1:3 with lines ls 1 title 'accuracy', '' using 1:4 with lines ls 2 title 'confidence'
set title 'calibration error, %'; set yrange [0:*]; set key off
plot $scales using 1:5 with linespoints ls 1 pt 7 ps 0.4
"""


def errors(clloss):
    """1 - p, then the relative errors of loss and gradient: usual in f32, usual in f64, clLoss in f32. Curves end on the
    floor of the axis where an error is smaller."""
    margins = [i / 4 for i in range(1, 4 * 87 + 1)]
    table = []
    for margin, ours in zip(margins, clloss_rows(clloss, margins)):
        rest = math.exp(-margin)
        truth = math.log1p(rest), -rest / (1 + rest)
        found = *usual(margin, F32), *usual(margin, F64), *ours
        table.append([-truth[1], *(max(abs(v / truth[i % 2] - 1), 1e-10) for i, v in enumerate(found))])
    return table


def scales(clloss, prefix):
    """The scale, then loss, accuracy, confidence and calibration error of the digits."""
    table = []
    for step in range(-16, 17):
        scale = 2 ** (step / 4)
        r = evaluate(clloss, "--logit-scale", scale, f"{prefix}logits.npy", f"{prefix}targets.npy")
        table.append([scale, r["loss"], *(100 * r[name] for name in ("accuracy", "confidence", "calibration_error"))])
    return table


def main(clloss, prefix, folder):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    right = [[q, -math.log1p(-q)] for q in (10 ** (-i / 8) for i in range(1, 97))]
    draw(f"{folder}/surprise.svg", "960,300", SURPRISE, right=right)
    draw(f"{folder}/entropy.svg", "960,320", ENTROPY)
    table = errors(clloss)
    draw(f"{folder}/certain.svg", "960,320", CERTAIN, errors=table)
    worst = [max(row[column] for row in table) for column in (6, 5)]
    print(f"clLoss's largest relative errors, 1 - p from {table[0][0]:.2g} to {table[-1][0]:.2g}: "
          f"gradient {worst[0]:.2g}, loss {worst[1]:.2g}")
    table = scales(clloss, prefix)
    draw(f"{folder}/scale.svg", "960,300", SCALE, scales=table)
    for row in table[::4]:
        print("scale {:7.4f}: loss {:.4f}, accuracy {:.2f} %, confidence {:.2f} %, calibration error {:.2f} %".format(*row))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
