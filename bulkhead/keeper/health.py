"""The exact verdict over one position, from the twins of the contracts' libraries."""

from __future__ import annotations

from bulkhead.model.integers import MAX_UINT256, signed, wrap_signed
from bulkhead.model.interfaces.instrument import MarginModel
from bulkhead.model.interfaces.market import Position
from bulkhead.model.libraries import book, position_math
from bulkhead.model.libraries.book import Carry
from bulkhead.model.libraries.position_math import ONE


def equity_down(p: Position, index: int, carry: Carry, unit: int) -> int:
    """margin + gain - carry of a perpetual, token units, unclamped, as Market.health tells it."""
    gain = position_math.gain_down(p.size, p.entry, index, unit)
    return signed(signed(p.margin + gain) - book.carry_up(carry, p, index, unit))


def is_covered(p: Position, cap: int, unit: int) -> bool:
    """Can no price concern it? Its margin bears all that it can lose from its entry, its reserve all that it can win.

    Of families without carry, whose marks are at most `cap`: no market asks for more than can still be lost.
    """
    worst = p.entry if p.size > 0 else cap - p.entry
    bears = p.margin * unit >= abs(p.size) * worst
    return bears and p.reserve >= position_math.largest_gain_down(p.size, p.entry, cap, unit)


def is_liquidatable(p: Position, index: int, carry: Carry, margin_model: MarginModel, unit: int) -> bool:
    """Is its equity below what it must be? `carry` is that of the block in which it is asked."""
    maintenance, _ = margin_model.maintenance(p.series, index, index, p.size)
    largest_loss = position_math.largest_loss_down(p.size, index, MAX_UINT256, unit)
    required = min(position_math.mul_up(maintenance, ONE, unit), largest_loss)
    return equity_down(p, index, carry, unit) < wrap_signed(required)


def has_won_reserve(p: Position, index: int, carry: Carry, unit: int) -> bool:
    """Has its gain after carry reached the reserve, so that anyone may close it there?"""
    return equity_down(p, index, carry, unit) - p.margin >= p.reserve
