"""A Uniswap v3 pool, as an oracle sees it: what it accumulated, by its ring of observations."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple


class Observation(NamedTuple):
    """Sums since the pool's birth: tick x seconds, and seconds per unit of liquidity, Q128."""

    time: int
    ticks: int
    seconds_per_liquidity: int


@dataclass
class UniswapPool:
    """Stands for a pool of Uniswap's. `observations`: the oldest first; `decimals`: of token0 and of token1.

    `failing`: does not answer at all. Sums do not wrap around here.
    """

    address: int
    decimals: tuple[int, int]
    time: int
    tick: int
    liquidity: int = 0
    cardinality: int = 1
    cardinality_next: int = 1
    failing: bool = False
    observations: list[Observation] = field(init=False)
    _index: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.observations = [Observation(self.time, 0, 0)]

    def grow(self, cardinality: int) -> None:
        """Pays for slots, which come into use at the ring's next turn."""
        self.cardinality_next = max(self.cardinality_next, cardinality)

    def move(self, now: int, tick: int, liquidity: int) -> None:
        """After a trade, or liquidity that came or went: one observation a block, of what stood until then."""
        if (tick, liquidity) == (self.tick, self.liquidity):
            return
        if now != self.observations[-1].time:
            if self._index == self.cardinality - 1:
                self.cardinality = self.cardinality_next
            self._index = (self._index + 1) % self.cardinality
            self.observations.append(self._extended(now))
            del self.observations[: -self.cardinality]
        self.tick, self.liquidity = tick, liquidity

    def observe(self, now: int, ago: int) -> tuple[int, int] | None:
        """Both sums `ago` seconds ago; None where the pool does not remember, or does not answer."""
        time = now - ago
        if self.failing or time < self.observations[0].time:
            return None
        if time >= self.observations[-1].time:
            return self._extended(time)[1:]
        i = bisect_right(self.observations, time, key=lambda observation: observation.time)
        before, after = self.observations[i - 1 : i + 1]
        elapsed, whole = time - before.time, after.time - before.time
        return (
            before.ticks + (after.ticks - before.ticks) // whole * elapsed,
            before.seconds_per_liquidity
            + (after.seconds_per_liquidity - before.seconds_per_liquidity) * elapsed // whole,
        )

    def _extended(self, time: int) -> Observation:
        last = self.observations[-1]
        elapsed = time - last.time
        return Observation(
            time,
            last.ticks + self.tick * elapsed,
            last.seconds_per_liquidity + (elapsed << 128) // max(1, self.liquidity),
        )
