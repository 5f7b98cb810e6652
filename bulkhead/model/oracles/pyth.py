"""Pyth as an oracle sees it: prices that were stored, and updates that a caller brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bulkhead.model.errors import ModelError


class PriceFeedNotFoundWithinRange(ModelError):
    """No update of that price, or none that is the first in the range."""


class Update(NamedTuple):
    """One signed price: answer and confidence in 10**exponent; published when, and when the one before."""

    id: bytes
    price: int
    confidence: int
    exponent: int
    published: int
    previous: int


@dataclass
class Pyth:
    """Twin of Pyth's own MockPyth.sol, which stores every update that it is shown."""

    fee: int = 0
    stored: dict[bytes, Update] = field(default_factory=dict)
    failing: bool = False

    def get_update_fee(self, updates: Sequence[Update]) -> int:
        """Native value that the updates cost."""
        return self.fee * len(updates)

    def get_price_unsafe(self, id: bytes) -> Update | None:
        """The stored price; None where there is none."""
        return None if self.failing else self.stored.get(id)

    def update(self, updates: Sequence[Update]) -> None:
        """Stores what is newer."""
        for update in updates:
            if update.id not in self.stored or self.stored[update.id].published < update.published:
                self.stored[update.id] = update

    def parse(self, updates: Sequence[Update], id: bytes, first: int, last: int) -> Update:
        """The unique update of a price published from `first` to `last`. Raises PriceFeedNotFoundWithinRange."""
        for number, update in enumerate(updates):
            if update.id == id and update.previous < first <= update.published <= last:
                self.update(updates[: number + 1])
                return update
        raise PriceFeedNotFoundWithinRange()
