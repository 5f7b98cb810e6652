"""How primaries tell the true price, and the venues that trade on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bulkhead.protocol import networks
from bulkhead.protocol.config import MarketTerms
from bulkhead.risk.latency.seconds import BP, DAY, Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """A primary. Times in seconds, deviation a fraction, error the standard deviation of its prices in basis points.

    A push feed's nodes look every `look` seconds and agree on a round when the price has moved by the deviation, or
    after the heartbeat; it is on chain `transmission` seconds after its observation, and the next one is observed no
    earlier. A pull feed, deviation 0, has a price for every second (its times are whole seconds, however many prices
    a second has), there for whoever asks `transmission` seconds later.
    """

    name: str
    heartbeat: int
    deviation: float
    look: int
    transmission: int
    error: float = 1.0

    @property
    def pull(self) -> bool:
        """Does it speak every second?"""
        return self.deviation == 0

    @property
    def unit(self) -> float:
        """What moves are measured in."""
        return self.deviation or 10 * BP

    def observed(self, seen: Floats, rng: np.random.Generator) -> Ints:
        """The seconds in which prices were observed, for what its nodes see."""
        if self.pull:
            return np.arange(len(seen))
        first = int(rng.integers(0, self.look))
        looks = seen[first :: self.look]
        gap = max(self.transmission // self.look, 1)
        beat = max(self.heartbeat // self.look, gap)
        last = 0
        found = [0]
        while last + gap < len(looks):
            window = np.abs(looks[last + gap : last + beat + 1] - looks[last]) >= self.deviation
            hit = int(np.argmax(window)) if window.any() else beat - gap
            last += gap + hit
            if last < len(looks):
                found.append(last)
        return first + self.look * np.array(found)


@dataclass(frozen=True)
class Heard:
    """One day as one source tells it: true and reported log prices, its error, and the seconds observed."""

    true: Floats
    seen: Floats
    off: Floats
    observed: Ints

    def counts(self) -> Ints:
        """How many observations there are up to each second."""
        return np.cumsum(np.bincount(self.observed, minlength=len(self.true)))


def hear(source: Source, true: Floats, off: Floats, rng: np.random.Generator) -> Heard:
    """The day as `source` tells it, wrong by `off` standard deviations of its error."""
    seen = true + source.error * BP * off
    return Heard(true, seen, off, source.observed(seen, rng))


@dataclass(frozen=True)
class Venue:
    """A market's primary, its delay in seconds and its fees in basis points; who ships it, if anybody."""

    source: Source
    delay: int
    open_fee: float
    close_fee: float
    shipped: tuple[str, ...] = ()


PYTH = Source("Pyth pull", 1, 0.0, 1, 2)


def push(heartbeat: int, deviation: float, fast: bool) -> Source:
    """A Chainlink feed; on a `fast` chain, an L2, rounds take 4 seconds to arrive, elsewhere 24, two slots."""
    name = f"Chainlink {heartbeat:,} s / {deviation * 100:g} %"
    return Source(name + (", L2" if fast else ""), heartbeat, deviation, 4, 4 if fast else 24)


def shipped() -> list[Venue]:
    """The primaries of the perpetuals in the shipped configurations, with delay and fees, each once."""
    users: dict[Venue, list[str]] = {}
    for name, file in networks.shipped().items():
        for market in networks.read(file).markets:
            if not isinstance(market, networks.PerpetualMarket):
                continue
            oracle, terms = market.oracle, market.terms
            fast = name.startswith(("arbitrum", "base"))
            source = push(oracle.heartbeat, float(oracle.deviation), fast)
            users.setdefault(venue(source, terms.delay, terms), []).append(name)
    return [
        Venue(one.source, one.delay, one.open_fee, one.close_fee, tuple(dict.fromkeys(names)))
        for one, names in users.items()
    ]


def venue(source: Source, delay: int, terms: MarketTerms | None = None) -> Venue:
    """A market on that source with the fees of these terms; the shipped ones without."""
    terms = terms or MarketTerms()
    return Venue(source, delay, float(terms.open_fee) / BP, float(terms.close_fee) / BP)


def primaries() -> list[Venue]:
    """What is shipped, and each other kind of primary at the shipped delay and fees."""
    others = (push(DAY, 0.01, False), push(1_200, 0.0025, True), PYTH)
    return shipped() + [venue(source, MarketTerms().delay) for source in others]
