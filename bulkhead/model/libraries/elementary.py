"""Twin of Elementary.sol: exponential, logarithm and square root of binary fractions, 2**96 for 1; an integer's root.

tools/minimax.py derives the coefficients.
"""

from __future__ import annotations

from math import isqrt

LN2 = 54916777467707473351141471128
PER_LN2 = 114302077158074026402637675937
HALF = 1 << 191

#: r coth(r / 2) for r within ln(2) / 2 of 0, z = r**2.
E0 = 158456325028528679416512634691
E1 = 475368975085611377811753463705
E2 = 792281625260834862026023165157
E3 = 1109194715974110641186015299093
E4 = 1427296543990100032774204522610

#: s / (2 artanh s) for s within 0 and 1 / 3, z = s**2; each fraction is subtracted.
L0 = 39614081257132028533192681684
L1 = 475368975089794975582413197597
L2 = 49517601347201733009161647522
L3 = 492975678568241853926439407486
L4 = 50132200342638799036079813626
L5 = 497974016798695121971769699402
L6 = 45201242907019778778055184580

#: Of a quotient by 0.
INFINITE = 1 << 50

#: A second of a year of 365 days, 2**192 for 1; and the scale of a root's first guess.
SECOND = 199045590290039344363133860451790538308674386239981
GUESS = 272606208579601628876496748


def exp_negative(x: int) -> int:
    """e**-x for x below 2**55; the error is below 1e-18 of it, or a unit."""
    k = x * PER_LN2 + HALF >> 192
    r = x - k * LN2
    z = r * r
    w = E0 + z // (E1 + z // (E2 + z // (E3 + z // E4)))
    return (w - r << 96) // (w + r) >> k


def ln_quotient(larger: int, smaller: int) -> int:
    """ln(larger / smaller) for smaller <= larger < 2**128; the error is below 4e-15 of it, or a unit.

    2**49 or more if `smaller` is 0.
    """
    k = 0
    if larger >= smaller << 1:
        k = INFINITE if smaller == 0 else (larger // smaller).bit_length() - 1
        smaller = smaller << k if smaller else 0
    s = (larger - smaller << 96) // (larger + smaller) if larger else 0
    z = s * s
    d = L0 - z // (L1 - z // (L2 - z // (L3 - z // (L4 - z // (L5 - z // L6)))))
    return k * LN2 + (s << 96) // d


def sqrt_years(time: int) -> int:
    """The square root of the years that `time` seconds are, for time < 2**30; the error is below 1e-18 of it."""
    if time == 0:
        return 0
    n = 5 * ((time > 0x3FF) + (time > 0xFFFFF))
    square = time * SECOND
    y = time * GUESS // ((time >> n) + (32 << n))
    for _ in range(5):
        y = y + square // y >> 1
    return y


def sqrt_up(x: int) -> int:
    """The square root of x, rounded up."""
    return isqrt(x - 1) + 1 if x else 0
