"""Twin of VolatilityPath.sol: a ramped volatility that is known ahead of its time."""

from __future__ import annotations

from typing import Protocol

from bulkhead.model.instruments.perpetual import ParameterInvalid
from bulkhead.model.integers import saturating_sub
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.interfaces.volatility_path import (
    FeedDue,
    NothingNew,
    PathSettings,
    Segment,
    TurnDecided,
    TurnTooNear,
)
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.oracles.errors import OracleEnded

#: Of a volatility, as it is stored.
UNIT = 10**12


class Ended(Protocol):
    """What the path asks of the oracle behind its feed."""

    def final_price(self) -> tuple[bool, int, int]: ...


class Feed(Protocol):
    """What it asks of the feed."""

    def slow(self) -> int: ...
    def due(self) -> tuple[bool, bool, int, int]: ...
    def observed(self) -> tuple[int, int, int, int]: ...


class VolatilityPath:
    """`block` stands for the chain. Raises ParameterInvalid."""

    def __init__(self, feed: Feed, oracle: Ended, s: PathSettings, block: Block) -> None:
        good = {
            "interval": 900 <= s.interval <= 86_400,
            "lead": 0 < s.lead < s.interval,
            "ramp": 0 < s.ramp <= ONE,
            "floor": 0 < s.floor <= 10 * ONE,
        }
        for (name, fits), value in zip(good.items(), (s.interval, s.lead, s.ramp, s.floor), strict=True):
            if not fits:
                raise ParameterInvalid(name, value)
        self.feed, self.oracle, self.block = feed, oracle, block
        self.interval, self.lead, self.ramp, self.floor = s.interval, s.lead, s.ramp, s.floor
        first = self._target()
        self._turns = (Segment(block.timestamp, first, first),) * 3

    def follow(self, *, sender: str = "") -> None:
        """Decides the next turn. Raises OracleEnded, TurnDecided, TurnTooNear, FeedDue, NothingNew."""
        if self.oracle.final_price()[0]:
            raise OracleEnded()
        start = self._next()
        if self._turns[0].start >= start:
            raise TurnDecided(start)
        if self.block.timestamp > start - self.lead:
            raise TurnTooNear(start, start - self.lead)
        due, expired, time, _ = self.feed.due()
        if due or expired:
            raise FeedDue(time)
        last, newest = self.feed.observed()[3], self._turns[0].start
        if last < newest:
            raise NothingNew(last, newest)
        self._turns = (Segment(start, self.volatility_at(start) // UNIT, self._target()), *self._turns[:2])

    def volatility_at(self, time: int) -> int:
        """Volatility at a time; before the three turns that are remembered, the value of the oldest."""
        turn = next((t for t in self._turns[:2] if time >= t.start), self._turns[2])
        start, target = turn.from_ * UNIT, turn.target * UNIT
        moved = start * self.ramp * saturating_sub(time, turn.start) // (ONE * 3_600)
        return min(target, start + moved) if target > start else max(target, saturating_sub(start, moved))

    def turn_due(self) -> bool:
        """May the next turn be decided now?"""
        due, expired, _, _ = self.feed.due()
        is_new = self._turns[0].start <= self.feed.observed()[3]  # a turn that is decided lies ahead of every price
        idle = self.oracle.final_price()[0] or due or expired
        return not idle and is_new and self.block.timestamp <= self._next() - self.lead

    def turns(self) -> tuple[Segment, Segment, Segment]:
        """The newest first."""
        return self._turns[0], self._turns[1], self._turns[2]

    def _target(self) -> int:
        return -(-max(self.feed.slow(), self.floor) // UNIT)

    def _next(self) -> int:
        return (self.block.timestamp // self.interval + 1) * self.interval
