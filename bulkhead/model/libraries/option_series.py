"""Twin of OptionSeries.sol: what the 24 bits of an option's series say.

From the highest bit: 1 for a put, 11 of its week, 12 of its strike. Every option expires on a Friday at 08:00 UTC.
"""

from __future__ import annotations

from bulkhead.model.errors import ModelError

#: Friday, 3 January 2020, 08:00 UTC: the expiry of week 0.
ORIGIN = 1_578_038_400
WEEK = 7 * 86_400
MAX_WEEK = 2**11 - 1
MAX_NUMBER = 2**12 - 1


class SeriesInvalid(ModelError):
    """expiry, number: no series has this expiry or strike."""


def is_put(series: int) -> bool:
    """Put or call."""
    return series >> 23 == 1


def expiry(series: int) -> int:
    """Unix seconds."""
    return ORIGIN + (series >> 12 & MAX_WEEK) * WEEK


def number(series: int) -> int:
    """The strike in steps; 0 is none."""
    return series & MAX_NUMBER


def encode(put: bool, expiry: int, number: int) -> int:
    """The series of an option. Raises SeriesInvalid; an expiry before the origin is none either."""
    weeks, rest = divmod(expiry - ORIGIN, WEEK)
    if rest or not 0 <= weeks <= MAX_WEEK or not 0 < number <= MAX_NUMBER:
        raise SeriesInvalid(expiry, number)
    return put << 23 | weeks << 12 | number
