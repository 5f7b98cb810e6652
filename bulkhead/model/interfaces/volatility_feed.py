"""Twin of IVolatilityFeed.sol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bulkhead.model.errors import ModelError


class PointExpired(ModelError):
    """time, expiry: a grid point's time to be proven is over."""


class PointNotExpired(ModelError):
    """time, expiry: a grid point may still be proven."""


@dataclass
class VolatilityState:
    """What a feed remembers; units as in the Solidity struct."""

    fast: int
    slow: int
    price: int = 0
    gap: int = 0
    next: int = 0
    phase: int = 0
    ramped: int = 0
    offset: int = 0


@dataclass(frozen=True)
class VolatilitySettings:
    """What a feed is built from, without its oracle. Seconds; volatilities and returns 1e18 = 100 %."""

    interval: int
    life: int
    fast_time: int
    slow_time: int
    max_return: int
    ramp: int
    floor: int
    start: int


class Volatilities(Protocol):
    """What a margin model asks: volatility a year, 1e18 = 100 %."""

    def ramped(self) -> int: ...
    def highest(self) -> int: ...
