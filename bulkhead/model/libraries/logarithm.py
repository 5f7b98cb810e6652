"""Twin of Logarithm.sol: the natural logarithm of a ratio, 27 decimals."""

from __future__ import annotations

RAY = 10**27
LN_2 = 693147180559945309417232121


def ln(a: int, b: int) -> int:
    """ln(a / b) for 0 < a, b < 2 ** 128, off by less than 2e-25."""
    negative = a < b
    if negative:
        a, b = b, a
    n = (a // b).bit_length() - 1
    b <<= n
    term = (a - b) * RAY // (a + b)
    square = term * term // RAY
    total, i = 0, 1
    while term != 0:
        total += term // i
        term = term * square // RAY
        i += 2
    total = n * LN_2 + 2 * total
    return -total if negative else total
