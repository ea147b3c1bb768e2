#!/usr/bin/env python3
"""Derives the polynomial coefficients of kernels/math.clh, and prints them as hexadecimal floats.

    python3 tools/derive_math.py          (needs NumPy)

exp(r) on |r| <= ln2 / 2, as 1 + r * P(r), P of degree 4: the constant term is exactly 1, so exp(0) = 1.
log(1 + f) on sqrt(1/2) - 1 <= f <= sqrt(2) - 1, as f - f^2/2 + f^3 * Q(f), Q of degree 6: log(1) = 0.

Each is a minimax fit of the relative error of the whole function, found by Lawson's algorithm: least squares, with
each point's weight multiplied by its error, again and again. (The Remez exchange needs basis functions that don't
vanish inside the interval; these do, at 0.) The coefficients are rounded to f32 one by one, from the lowest, the rest
fitted again after each, so that the next ones absorb the rounding of the last. The fit is done in float64, whose own
error of 1e-15 is far below the 1e-8 that matters in f32.
"""
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


def derive(name, grid, function, rest, first_power, count):
    """Fits rest(x) with powers first_power … of x so that the error relative to function(x) is least."""
    scale = 1 / np.abs(function(grid))
    columns = np.stack([grid ** (first_power + k) for k in range(count)], axis=1) * scale[:, None]
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
        print(f"  x^{first_power + k}: {c.hex().replace('0000000p', 'p')}f  ({c:.9g})")


def main():
    nodes = np.cos((np.arange(1500) + 0.5) * np.pi / 1500)
    half = np.log(2) / 2
    derive("exp", nodes * half, np.exp, lambda r: np.expm1(r), 1, 5)
    lo, hi = np.sqrt(0.5) - 1, np.sqrt(2.0) - 1
    f = nodes * (hi - lo) / 2 + (hi + lo) / 2
    derive("log", f, np.log1p, lambda f: np.log1p(f) - f + f * f / 2, 3, 7)


if __name__ == "__main__":
    main()
