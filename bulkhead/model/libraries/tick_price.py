"""Twin of TickPrice.sol: 1.0001 ** tick in integers."""

from __future__ import annotations

#: Largest absolute tick of a pool: 1.0001 ** MAX_TICK < 2 ** 128.
MAX_TICK = 887_272

#: 1.0001 x 2 ** 127, to the nearest.
_BASE = 0x800346DC5D63886594AF4F0D844D013B


def at(tick: int, scale: int) -> int:
    """1.0001 ** tick x scale (at most 2 ** 127), rounded down; off by less than one and 2 ** -105 of it."""
    n, mantissa, exponent = abs(tick), 1 << 127, 0
    for i in reversed(range(20)):
        mantissa, exponent = _normalised(mantissa * mantissa, 2 * exponent)
        if n >> i & 1:
            mantissa, exponent = _normalised(mantissa * _BASE, exponent)
    if tick < 0:
        return ((scale << 128) // mantissa) >> (exponent + 1)
    return (mantissa * scale) >> (127 - exponent)


def _normalised(product: int, exponent: int) -> tuple[int, int]:
    carry = product >> 255
    return product >> (127 + carry), exponent + carry
