"""Twin of IVolatilityPath.sol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bulkhead.model.errors import ModelError


class TurnDecided(ModelError):
    """start: the turn is decided already."""


class TurnTooNear(ModelError):
    """start, until: the turn was to be decided before."""


class FeedDue(ModelError):
    """time: a point of the feed is to be updated or skipped first."""


class NothingNew(ModelError):
    """last, turn: the feed has had no good price since the newest turn."""


@dataclass(frozen=True)
class PathSettings:
    """What a path is built from, without its feed. Seconds; volatilities 1e18 = 100 %."""

    interval: int
    lead: int
    ramp: int
    floor: int


class Segment(NamedTuple):
    """From `start` on the path goes straight from `from_` towards `target`; volatilities in millionths."""

    start: int
    from_: int
    target: int


class Path(Protocol):
    """What a margin model asks: volatility a year at a time, 1e18 = 100 %."""

    def volatility_at(self, time: int) -> int: ...
