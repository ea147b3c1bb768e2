#!/usr/bin/env python3
"""Derives the polynomial coefficients of kernels/team/math.clh, and prints them as hexadecimal floats.

    python3 tools/derive_math.py          (needs NumPy and mpmath)

f32:
exp(r) on |r| <= ln2 / 2, as 1 + r * P(r), P of degree 4: the constant term is exactly 1, so exp(0) = 1.
exp(r) - 1 on the same, as r + r^2 * P(r), P of degree 4: as exact for tiny r, which exp's P is not.
log(1 + f) on sqrt(1/2) - 1 <= f <= sqrt(2) - 1, as f - f^2/2 + f^3 * Q(f), Q of degree 6: log(1) = 0.
tanh(u) on 0 <= u <= 5/8, as u + u^3 * P(u^2), P of degree 4.

Each is a minimax fit of the relative error of the whole function, found by Lawson's algorithm: least squares, with
each point's weight multiplied by its error, again and again. (The Remez exchange needs basis functions that don't
vanish inside the interval; these do, at 0.) The coefficients are rounded to f32 one by one, from the lowest, the rest
fitted again after each, so that the next ones absorb the rounding of the last. The fit is done in float64, whose own
error of 1e-15 is far below the 1e-8 that matters in f32.

f64: float64 can't fit itself, so these are interpolated at Chebyshev's points in 200 bits, which is within a small
factor of the minimax fit:
exp(r) as 1 + r * P(r), P of degree 10.
log(1 + f) as 2 atanh(s) = 2 s + s^3 * R(s^2), s = f / (2 + f), R of degree 7.
tanh(u) as -m / (2 + m), m = exp(-2 |u|) - 1, of the same P; what its roundings come to is bounded here too.
"""
import math

import mpmath as mp
import numpy as np


def lawson(columns, wanted, rounds=2000):
    """The coefficients that minimise max |wanted - columns @ c| over the grid points (rows)."""
    weight = np.full(len(wanted), 1 / len(wanted))
    best, least = None, np.inf
    for _ in range(rounds):
        root = np.sqrt(weight)
        c = np.linalg.lstsq(columns * root[:, None], wanted * root, rcond=None)[0]
        error = np.abs(wanted - columns @ c)
        if error.max() < least:
            best, least = c, error.max()
        weight = weight * (error + 1e-3 * error.max())
        weight /= weight.sum()
    return best, least


def derive(name, grid, function, rest, first_power, step, count):
    """Fits rest(x) with powers first_power, first_power + step … of x, for the least error relative to function(x)."""
    scale = 1 / np.abs(function(grid))
    columns = np.stack([grid ** (first_power + step * k) for k in range(count)], axis=1) * scale[:, None]
    wanted = rest(grid) * scale
    fixed = []
    for k in range(count):
        done = columns[:, :k] @ np.array(fixed) if k else 0
        found, worst = lawson(columns[:, k:], wanted - done)
        if k == 0:
            print(f"{name}: relative error {worst:.2e} before the coefficients are rounded")
        fixed.append(float(np.float32(found[0])))
    worst = np.max(np.abs(wanted - columns @ np.array(fixed)))
    print(f"{name}: relative error {worst:.2e} = {worst * 2**23:.2f} * 2^-23")
    for k, c in enumerate(fixed):
        print(f"  x^{first_power + step * k}: {c.hex().replace('0000000p', 'p')}f  ({c:.9g})")


def interpolate(name, function, lo, hi, count, whole, step):
    """Coefficients of `function` on [lo, hi]; whole(x, value) is what the kernel makes of them and its true value."""
    points = [(lo + hi) / 2 + (hi - lo) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)]
    powers = mp.matrix(count, count)
    for i, x in enumerate(points):
        for k in range(count):
            powers[i, k] = x**k
    exact = mp.lu_solve(powers, mp.matrix([function(x) for x in points]))
    rounded = [float(c) for c in exact]
    worst = 0
    for i in range(1, 2001):
        x = lo + (hi - lo) * i / 2000
        got, true = whole(x, sum(mp.mpf(c) * x**k for k, c in enumerate(rounded)))
        worst = max(worst, abs(got / true - 1))
    print(f"{name}: relative error {mp.nstr(worst, 3)} = {mp.nstr(worst * 2**52, 2)} * 2^-52")
    for k, c in enumerate(rounded):
        print(f"  {step(k)}: {c.hex()}  ({c:.17g})")
    return rounded


def bound_tanh(p):
    """The most that tanh f64 errs, in 2^-53 of its value, of the coefficients of exp: each rounding's half unit in the last
    place at that point, carried through what follows, and the polynomial's own error relative to exp(r) - 1."""
    points = [mp.log(2) / 2 * k / 1000 for k in range(-1000, 1001) if k]
    own = max(abs(r * sum(mp.mpf(c) * r**k for k, c in enumerate(p)) / mp.expm1(r) - 1) for r in points)
    print(f"exp f64 - 1: relative error {mp.nstr(own, 3)} = {mp.nstr(own * 2**52, 2)} * 2^-52")
    own = float(own * 2**53)

    def half(x):  # of a power of two that of the numbers below it, as m and tanh are never above 1
        fraction, exponent = math.frexp(abs(x))
        return 2.0 ** (exponent - 1 - (fraction == 0.5))

    def error(u):
        n = round(-2 * u / math.log(2))
        r, scale = -2 * u - n * math.log(2), 2.0**n
        of_r = half(r) if n else 0
        q, of_q = p[-1], 0
        for c in p[-2:0:-1]:  # q = (P - 1) / r
            q, of_q = q * r + c, of_q * abs(r)
            of_q += half(q)
        rest = math.expm1(r)
        of_rest = (of_q * abs(r) + half(q * r)) * abs(r) + half(rest) + own * abs(rest) + of_r * math.exp(r)
        m = math.expm1(-2 * u)
        of_m = of_rest * scale + (half(m) if n else 0) + (half(1) if n < -53 else 0)
        return of_m / -m * 2 / (2 + m) + half(2 + m) / (2 + m) + half(m / (2 + m)) / (-m / (2 + m))

    most, where = max((error(u), u) for u in (k / 50000 for k in range(1, 1000000)))
    print(f"tanh f64: at most {most:.2f} * 2^-53, at {where}")


def main():
    nodes = np.cos((np.arange(1500) + 0.5) * np.pi / 1500)
    half = np.log(2) / 2
    derive("exp f32", nodes * half, np.exp, np.expm1, 1, 1, 5)
    derive("exp f32 - 1", nodes * half, np.expm1, lambda r: np.expm1(r) - r, 2, 1, 5)
    lo, hi = np.sqrt(0.5) - 1, np.sqrt(2.0) - 1
    f = nodes * (hi - lo) / 2 + (hi + lo) / 2
    derive("log f32", f, np.log1p, lambda f: np.log1p(f) - f + f * f / 2, 3, 1, 7)
    derive("tanh f32", (nodes + 1) * (0.625 / 2), np.tanh, lambda u: np.tanh(u) - u, 3, 2, 5)

    mp.mp.prec = 200
    half = mp.log(2) / 2
    p = interpolate("exp f64", lambda r: mp.expm1(r) / r if abs(r) > 1e-30 else mp.mpf(1), -half, half, 11,
                    lambda r, p: (1 + r * p, mp.exp(r)), lambda k: f"r^{k + 1}")
    bound_tanh(p)
    most = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    interpolate("log f64", lambda z: 2 * (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(0), most**2, 8,
                lambda z, p: (2 * mp.sqrt(z) + mp.sqrt(z)**3 * p, 2 * mp.atanh(mp.sqrt(z))), lambda k: f"s^{2 * k + 3}")


if __name__ == "__main__":
    main()
