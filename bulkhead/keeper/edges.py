"""The index price from which on a position can be liquidated, or closed at its reserve: for many positions at once.

For a perpetual of size s (without sign), entry E, margin M, reserve R, with d = 1 for longs and -1 for shorts, carry of
f of notional and b of reserve, and a maintenance rate m, equity and requirement (PositionMath.sol, Book.carryUp,
FixedMargin.sol) are linear in the index I. All in token units, u = 10^(36 - decimals):

liquidatable       M + d s (I - E) / u - s I f / u - R b < m s I / u
                   the edge is  (s E / u - d (M - R b)) / (s / u (1 - d (f + m))): longs below it, shorts above it
gain >= reserve    d s (I - E) / u - s I f / u - R b >= R
                   the edge is  (s E / u + d R (1 + b)) / (s / u (1 - d f)): longs above it, shorts below it

This is computed in floats, so that an edge only ever sorts, or decides what is beyond doubt: it is moved by more than
floats and the contracts' roundings come to. What lies between is decided by `bulkhead.keeper.health`, in integers.
"""

from __future__ import annotations

import numpy as np

from bulkhead.keeper.bounds import Bounds
from bulkhead.keeper.table import Columns, Floats

#: A position keeps indices of carry with ten decimals.
_INDEX = 1e10
#: The roundings of equity and requirement come to five token units at most, and one more times the funding owed.
_ROUNDINGS = 8.0
#: Sixteen operations of at most 2^-53 each, of the largest term; and of the quotient.
_OF_TERMS, _OF_EDGE = 2.0**-46, 2.0**-40
#: Below it a divisor has lost too many digits: everything is possible.
_DIVISOR = 1e-3


def liquidation(c: Columns, bounds: Bounds, unit: int, *, sure: bool = False) -> Floats:
    """Beyond its edge (longs: at or below, shorts: at or above) a position can be liquidated.

    Of the worst within the bounds, so that nothing outside of it can be; of the best if `sure`, so that all beyond is.
    """
    funding = bounds.funding_low if sure else bounds.funding_high
    other = bounds.funding_high if sure else bounds.funding_low
    owed = np.where(c.sign > 0, funding - c.funding, c.funding - other) / _INDEX
    rent = ((bounds.borrowing_low if sure else bounds.borrowing_high) - c.borrowing) / _INDEX
    owed_and_required = owed + bounds.maintenance / 1e18
    return _edge(c, c.reserve * rent - c.margin, owed_and_required, unit, c.margin + c.reserve * rent, not sure)


def at_reserve(c: Columns, bounds: Bounds, unit: int) -> Floats:
    """Beyond its edge (longs: at or above, shorts: at or below) a position may have won its reserve.

    Of the best within the bounds, so that nothing outside of it has.
    """
    owed = np.where(c.sign > 0, bounds.funding_low - c.funding, c.funding - bounds.funding_high) / _INDEX
    rent = (bounds.borrowing_low - c.borrowing) / _INDEX
    won = c.reserve * (1 + rent)
    return _edge(c, won, owed, unit, won, False)


def _edge(c: Columns, asked: Floats, fraction: Floats, unit: int, terms: Floats, forward: bool) -> Floats:
    """(s E + d asked) / (s (1 - d fraction)), moved by its error: up for longs if `forward`, else down."""
    way = c.sign if forward else -c.sign
    size = c.size / float(unit)  # an integer above 64 bits would make arrays of Python's objects
    worth = size * c.entry
    error = (worth + np.abs(terms)) * _OF_TERMS + _ROUNDINGS + np.abs(fraction)
    divisor = 1 - c.sign * fraction
    lost = divisor < _DIVISOR * (1 + np.abs(fraction))
    edge = (worth + c.sign * asked + way * error) / (size * np.where(lost, 1, divisor))
    moved: Floats = np.where(lost, way * np.inf, edge + way * np.abs(edge) * _OF_EDGE)
    return moved
