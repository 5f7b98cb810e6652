"""Twin of PositionStore.sol: what a position and its order are after they have lain in storage.

The model keeps both as they are; what the words cannot hold is refused or rounded here, as there.
"""

from __future__ import annotations

from bulkhead.model.integers import MAX_UINT56, MAX_UINT64
from bulkhead.model.interfaces.market import AmountTooLarge, Order, Position, Status
from bulkhead.model.libraries import bands
from bulkhead.model.libraries.position_math import LOT
from bulkhead.model.state import replace

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


def packed(p: Position, order: Order) -> tuple[int, int, int]:
    """The three words that a position and its order are kept in; all 0 for one that is over."""
    if p.status == Status.NONE:
        return 0, 0, 0
    state = p.margin | (p.size // LOT & MAX_UINT64) << 88 | p.series << 152 | p.status << 176
    word = order.amount | order.requested_at << 88 | order.phase << 120 | order.premium // PREMIUM << 136
    word |= order.kind << 168 | bands.floor(order.low) << 176 | bands.ceil(order.high) << 216
    if p.status == Status.PENDING:
        return state, word, 0
    state |= p.time << 184 | p.borrowing << 216
    return state, p.entry | p.reserve << 112 | (p.funding & MAX_UINT56) << 200, word if order.kind else 0
