"""Twin of Bands.sol: prices in 40 bits, 33 of mantissa above 7 of exponent."""

from __future__ import annotations

from bulkhead.model.integers import MAX_UINT40

MANTISSA = 33


def floor(price: int) -> int:
    """The largest compact price at or below `price` (below 2 ** 160)."""
    exponent = max(price.bit_length() - MANTISSA, 0)
    return ((price >> exponent) << 7 | exponent) & MAX_UINT40


def ceil(price: int) -> int:
    """The smallest compact price at or above `price`."""
    compact = floor(price)
    if value(compact) < price:
        compact = floor(value(compact) + (1 << (compact & 127)))
    return compact


def value(compact: int) -> int:
    """The price of a compact one."""
    return compact >> 7 << (compact & 127)
