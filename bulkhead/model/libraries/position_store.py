"""Twin of PositionStore.sol: what a position and its order are after they have lain in storage.

The model keeps both as they are; what the words cannot hold is refused or rounded here, as there.
"""

from __future__ import annotations

from dataclasses import replace

from bulkhead.model.interfaces.market import AmountTooLarge, Order, Position
from bulkhead.model.libraries import bands

#: A premium is kept to nine decimals.
PREMIUM = 10**9


def save_state(p: Position) -> Position:
    """Raises AmountTooLarge."""
    if p.margin >> 88:
        raise AmountTooLarge(p.margin)
    return p


def save_terms(p: Position) -> Position:
    """Raises AmountTooLarge."""
    if p.entry >> 112:
        raise AmountTooLarge(p.entry)
    return p


def save_order(order: Order) -> Order:
    """The order, its band widened to what the word can hold."""
    low, high = bands.value(bands.floor(order.low)), bands.value(bands.ceil(order.high))
    return replace(order, low=low, high=high)
