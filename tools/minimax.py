"""Derives the coefficients in contracts/libraries/Elementary.sol and NormalDistribution.sol: `python -m tools.minimax`.

Remez' exchange for rational functions p / q: on n + 1 points, n the number of free coefficients, the error times its
weight is made equal with alternating sign, then the points move to where the error is largest between its zeros, until
nothing moves. The quotient is then divided out into a continued fraction, which costs the EVM one division for two
coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from tools.exact_options import digits, mills

Function = Callable[[Decimal], Decimal]
Polynomial = list[Decimal]

#: Binary digits of a fraction in the contracts.
BITS = 96
LARGEST_S = Decimal(1) / 3
#: The error of Mills' ratio may grow by e^(GROWTH x^2). For the normal distribution alone 0.5 would do; less keeps
#: options exact far from the strike, and from 0.49 on a denominator of the fraction has a zero.
GROWTH = Decimal("0.4")


class Fit(NamedTuple):
    """p / q and its largest weighted error."""

    p: Polynomial
    q: Polynomial
    error: Decimal


def value(polynomial: Sequence[Decimal], x: Decimal) -> Decimal:
    """By Horner's rule; the constant term comes first."""
    total = Decimal(0)
    for coefficient in reversed(polynomial):
        total = total * x + coefficient
    return total


def solved(rows: list[list[Decimal]]) -> list[Decimal]:
    """Linear equations, each row its coefficients and its right side, by elimination."""
    for i in range(len(rows)):
        pivot = max(range(i, len(rows)), key=lambda j: abs(rows[j][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j in range(len(rows)):
            if j != i:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]


def remez(
    f: Function,
    weight: Function,
    points: Sequence[Decimal],
    degrees: tuple[int, int],
    one: int,
    at_0: Decimal | None = None,
) -> Fit:
    """p / q of these degrees next to f on the points.

    one   which coefficient of q is 1
    at_0  what p / q must be at 0
    """
    n, m = degrees
    free = [k for k in range(m + 1) if k != one]
    targets, weights = [f(x) for x in points], [weight(x) for x in points]
    count = n + m + 2 - (at_0 is not None)
    last = len(points) - 1
    chosen = [round(last * (1 - math.cos(math.pi * (i + 0.7) / (count + 0.4))) / 2) for i in range(count)]
    error, q = Decimal(0), [Decimal(1)] + [Decimal(0)] * (m - 1) + [Decimal(one == m)]
    while True:
        for _ in range(12):  # linear in the change of the error, with the last q
            rows = []
            for i, point in enumerate(chosen):
                x, sign = points[point], (-1) ** i / weights[point]
                goal = targets[point] + sign * error
                powers = [Decimal(1)]
                for _ in range(max(n, m)):
                    powers.append(powers[-1] * x)
                row = powers[: n + 1] + [-goal * powers[k] for k in free] + [-sign * value(q, x)]
                rows.append([*row, goal * powers[one]])
            if at_0 is not None:  # p(0) = at_0 q(0)
                rows.append([Decimal(1), *[Decimal(0)] * n, -at_0, *[Decimal(0)] * (m + 1)])
            *p_and_q, change = solved(rows)
            p, q = p_and_q[: n + 1], p_and_q[n + 1 :]
            q.insert(one, Decimal(1))
            error += change
            if abs(change) < abs(error) / 10**8:
                break
        errors = [(value(p, x) / value(q, x) - t) * w for x, t, w in zip(points, targets, weights, strict=True)]
        largest = max(map(abs, errors))
        found = extremes(errors, count)
        if largest < abs(error) * Decimal("1.0001") or found == chosen:
            return Fit(p, q, largest)
        chosen = found


def extremes(errors: Sequence[Decimal], count: int) -> list[int]:
    """Where the error is largest between its zeros; with more of them than wanted, the smallest go."""
    found: list[int] = []
    for i, error in enumerate(errors):
        if found and (error > 0) == (errors[found[-1]] > 0):
            found[-1] = max(found[-1], i, key=lambda j: abs(errors[j]))
        else:
            found.append(i)
    while len(found) > count:
        del found[0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1]
    return found


def dense_ends(count: int) -> list[Decimal]:
    """Points between 0 and 1, denser towards both ends; without the libraries' cosine, to be the same everywhere."""
    even = [(2 * i + 1) / Decimal(2 * count) for i in range(count)]
    return [u * u * (3 - 2 * u) for u in even]


def fraction_in_z(f: Function, weight: Function, largest: Decimal, count: int) -> tuple[list[int], Decimal]:
    """c0 + z / (c1 + z / (c2 + ...)) next to f up to the largest z, and the error."""
    m = (count - 1) // 2
    p, q, error = remez(lambda u: f(u * largest), lambda u: weight(u * largest), dense_ends(500), (count - 1 - m, m), 0)
    found = []
    for k in range(count):
        c = p[0] / q[0]
        found.append(c * largest if k % 2 else c)
        p, q = q, [a - c * b for a, b in zip(p, q + [Decimal(0)] * len(p), strict=False)][1:]
    return [fixed(c, BITS) for c in found], error


def fraction_in_x(p: Polynomial, q: Polynomial) -> list[tuple[int, int]]:
    """The a's and b's of a0 / (x + b0 + a1 / (x + b1 + ...))."""
    found = []
    while p:
        a = p[-1]
        p = [c / a for c in p]
        rest = [c - d for c, d in zip(q, [Decimal(0), *p], strict=True)]
        b = rest[len(p) - 1]
        found.append((fixed(a, 2 * BITS), fixed(b, BITS)))
        p, q = [c - b * d for c, d in zip(rest, p, strict=False)][:-1], p
    return found


def fixed(number: Decimal, bits: int) -> int:
    """The nearest binary fraction."""
    return int((number * 2**bits).to_integral_value())


def exponential() -> tuple[list[int], Decimal]:
    """r coth(r / 2), of z = r^2; the error is that of (w - r) / (w + r), relative."""

    def w(z: Decimal) -> Decimal:
        r = z.sqrt()
        return r * (r.exp() + 1) / (r.exp() - 1)

    half = Decimal(2).ln() / 2
    return fraction_in_z(w, lambda z: 2 * z.sqrt() / (w(z) ** 2 - z), half * half, 5)


def logarithm() -> tuple[list[int], Decimal]:
    """s / (2 artanh s), of z = s^2; the error is relative."""

    def d(z: Decimal) -> Decimal:
        s = z.sqrt()
        return s / ((1 + s) / (1 - s)).ln()

    return fraction_in_z(d, lambda z: 1 / d(z), LARGEST_S * LARGEST_S, 7)


def mills_ratio() -> tuple[list[tuple[int, int]], Decimal]:
    """N(-x) e^(x^2 / 2), 1/2 at 0; the error times e^(-GROWTH x^2)."""
    points = [x for u in dense_ends(900) if (x := 3 * u / (1 - u)) < 10]
    p, q, error = remez(mills, lambda x: (-GROWTH * x * x).exp(), points, (6, 7), 7, Decimal("0.5"))
    (_, b0), *inner = fraction_in_x(p, q)
    # With the first a made of the others, the fraction is 1/2 at 0 in integers too.
    rest = 0
    for a, b in reversed(inner):
        rest = abs(a) // (b + rest) * (1 if a > 0 else -1)
    return [(((b0 + rest) << BITS - 1) + (b0 + rest) // 2, b0), *inner], error


def main() -> None:
    with digits():
        for name, (coefficients, error) in (("E", exponential()), ("L", logarithm())):
            print(f"{name}: error {error:.2e}")
            for k, c in enumerate(coefficients):
                print(f"  {name}{k} {abs(c)}")
        ratio, error = mills_ratio()
        print(f"A, B: error {error:.2e}")
        for k, (a, b) in enumerate(ratio):
            print(f"  A{k} {a}\n  B{k} {b}")


if __name__ == "__main__":
    main()
