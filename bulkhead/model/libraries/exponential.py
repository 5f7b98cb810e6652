"""Twin of Exponential.sol: numbers from 0 to 1 with 27 decimals."""

from __future__ import annotations

from bulkhead.model.libraries.logarithm import LN_2, RAY


def decay(x: int) -> int:
    """e ** -x, off by less than 1e-25; 0 from x = 63 on."""
    n = x // LN_2
    y = x - n * LN_2
    total, term, i = 0, RAY, 1
    while term != 0:
        total += term if i % 2 == 1 else -term
        term = term * y // (RAY * i)
        i += 1
    return total >> n


def power(base: int, exponent: int) -> int:
    """base ** exponent for base <= 1, rounded down: less by at most 2 x exponent x 1e-27."""
    result = RAY
    while exponent != 0:
        if exponent & 1 == 1:
            result = result * base // RAY
        base = base * base // RAY
        exponent >>= 1
    return result
