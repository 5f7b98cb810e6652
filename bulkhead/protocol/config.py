"""What a market is made of, in natural units, and its translation to exact integers.

Rates are decimal strings or Decimals (0.05 = 5 %), amounts whole units of collateral, times seconds. The defaults are
the shipped values for ETH/USD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from bulkhead.chain import ZERO
from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol.units import WAD, to_integer

#: Terms of a market that are amounts of its token.
AMOUNTS = ("keeper_floor", "keeper_cap", "liquidation_fee", "min_margin")


def rate(value: Decimal) -> int:
    """A fraction as an integer with 18 decimals; exact, or ValueError."""
    return to_integer(value, WAD, "a rate", signed=True)


def amount(value: Decimal, decimals: int) -> int:
    """Whole units of a token as its smallest units; exact, or ValueError."""
    return to_integer(value, decimals, "an amount", signed=True)


@dataclass(frozen=True)
class PerpetualTerms:
    """Parameters of the perpetual instrument: sizes in units of the underlying, rates a year."""

    skew_scale: Decimal = Decimal(10_000)
    max_funding: Decimal = Decimal(1)
    borrow_base: Decimal = Decimal("0.02")
    borrow_kink: Decimal = Decimal("0.20")
    borrow_full: Decimal = Decimal(1)
    kink: Decimal = Decimal("0.8")
    borrow_ramp: Decimal = Decimal("0.2")

    def encoded(self) -> tuple[int, ...]:
        """The constructor's struct, in its order."""
        values = (self.skew_scale, self.max_funding, self.borrow_base, self.borrow_kink, self.borrow_full)
        return tuple(rate(value) for value in (*values, self.kink, self.borrow_ramp))


@dataclass(frozen=True)
class FixedMarginRates:
    """Initial, target and maintenance margin as fractions of notional."""

    initial: Decimal = Decimal("0.04")
    target: Decimal = Decimal("0.03")
    maintenance: Decimal = Decimal("0.02")

    def encoded(self) -> tuple[int, int, int]:
        """The constructor's arguments, in their order."""
        return rate(self.initial), rate(self.target), rate(self.maintenance)


def text32(text: str) -> bytes:
    """A short text as bytes32; ValueError if it is longer than that."""
    encoded = text.encode()
    if len(encoded) > 32:
        raise ValueError(f"a name must have at most 32 bytes, not {text!r}")
    return encoded.ljust(32, b"\0")


def source(
    at: str, heartbeat: int = 3_600, *, decimals: int = 8, largest: int = 10**20, **facts: Any
) -> dict[str, Any]:
    """The contract's SourceConfig: a Chainlink feed, unless `facts` say more (`kind=Kind.PYTH, id=...`)."""
    config = {"kind": Kind.CHAINLINK, "at": at, "id": bytes(32), "decimals": decimals, "heartbeat": heartbeat}
    config |= {"smallest": 0, "largest": largest, "confidence": 0}
    config |= {"inverted": False, "remember": 0, "blockTime": 0, "composed": False}
    if unknown := facts.keys() - config.keys():
        raise ValueError(f"a source has no {', '.join(sorted(unknown))}")
    return config | facts


@dataclass(frozen=True)
class VolatilityTerms:
    """A volatility feed: seconds; returns and volatilities as fractions, the latter a year.

    interval, life         of the grid of prices, and how long a point of it may be proven
    fast_time, slow_time   memories of both estimates: a return so old counts 1 / e
    max_return             a larger one in an interval counts as this
    ramp                   most that the ramped volatility rises in an hour, as a share of itself
    floor, start           of the ramped volatility; what all three begin with
    """

    interval: int = 3_600
    life: int = 21_600
    fast_time: int = 43_200
    slow_time: int = 432_000
    max_return: Decimal = Decimal("0.25")
    ramp: Decimal = Decimal("0.2")
    floor: Decimal = Decimal("0.05")
    start: Decimal = Decimal(1)

    def encoded(self, oracle: str) -> dict[str, Any]:
        """The contract's VolatilitySettings for an oracle."""
        times = {name: getattr(self, name) for name in ("interval", "life", "fast_time", "slow_time")}
        rates = {name: rate(getattr(self, name)) for name in ("max_return", "ramp", "floor", "start")}
        return {"oracle": oracle, **{camel(name): value for name, value in (times | rates).items()}}


@dataclass(frozen=True)
class VolatilityMarginRates:
    """Margins that follow volatility: z standard deviations over a horizon, in seconds, between floors and caps.

    feed            of the volatility, on the market's own oracle
    impact          what the initial requirement rises by for a notional as large as the depth, where nothing is open;
                    needs a feed of depth
    open_interest   what it rises by for open positions as large as the depth, or as the pool where there is none
    """

    horizon: int = 3_600
    initial_z: Decimal = Decimal(4)
    target_z: Decimal = Decimal(3)
    maintenance_z: Decimal = Decimal(2)
    initial_floor: Decimal = Decimal("0.04")
    target_floor: Decimal = Decimal("0.03")
    maintenance_floor: Decimal = Decimal("0.02")
    initial_cap: Decimal = Decimal("0.5")
    target_cap: Decimal = Decimal("0.375")
    maintenance_cap: Decimal = Decimal("0.25")
    impact: Decimal = Decimal(0)
    open_interest: Decimal = Decimal("0.01")
    feed: VolatilityTerms = field(default_factory=VolatilityTerms)

    def encoded(self, volatility: str, depth: str, decimals: int) -> dict[str, Any]:
        """The contract's VolatilityMarginTerms; `depth` is the zero address where there is no feed of it."""
        rates = {
            name: {part: rate(getattr(self, f"{name}_{part}")) for part in ("z", "floor", "cap")}
            for name in ("initial", "target", "maintenance")
        }
        terms = {"impact": rate(self.impact), "openInterest": rate(self.open_interest), "decimals": decimals}
        return {"volatility": volatility, "depth": depth, "horizon": self.horizon, **rates, **terms}


MarginRates = FixedMarginRates | VolatilityMarginRates
#: What `kind` in a `[margin]` table may be.
MARGINS: dict[str, type[MarginRates]] = {"fixed": FixedMarginRates, "volatility": VolatilityMarginRates}


@dataclass(frozen=True)
class OracleTerms:
    """An oracle on one primary, alone or with validators. Times in seconds, rates as fractions, prices a unit's.

    base, quote            what the index is the price of, and what it is counted in
    heartbeat, deviation   as published for the feed: its largest silence (of Pyth: the time from one update to the
                           next), and how far the true price may lie off
    max_age                of a price that risk is checked with, since its observation; 0 stands for the heartbeat
    jump_limit             a larger move between neighbouring rounds voids orders until the next round confirms it
    lowest, highest        at or beyond them a price is invalid: the bounds of the feed's aggregator
    sequencer, grace       uptime feed of an L2 (zero where there is none), and the wait after its restart
    outage_limit           time without a valid price after which the market ends
    spread, quorum         with validators: how far one may lie from the price and still agree, and how many must; 0
                           stands for half of them
    """

    base: str = "ETH"
    quote: str = "USD"
    heartbeat: int = 3_600
    deviation: Decimal = Decimal("0.005")
    max_age: int = 0
    jump_limit: Decimal = Decimal("0.1")
    lowest: Decimal = Decimal(0)
    highest: Decimal = Decimal(10**12)
    sequencer: str = ZERO
    grace: int = 600
    outage_limit: int = 86_400
    spread: Decimal = Decimal("0.01")
    quorum: int = 0

    @property
    def oldest(self) -> int:
        """Age up to which a price is good for checking risk, seconds."""
        return self.max_age or self.heartbeat

    def encoded(
        self,
        feed: str,
        decimals: int,
        validators: Sequence[dict[str, Any]] = (),
        leg: dict[str, Any] | None = None,
        composition: Composition = Composition.NONE,
        **facts: Any,
    ) -> dict[str, Any]:
        """The contract's OracleSettings for a feed that answers with `decimals`.

        Validators and leg as SourceConfig; `facts` of a primary that is not Chainlink's as in `source`.
        """
        smallest, largest = amount(self.lowest, decimals), amount(self.highest, decimals)
        return {
            "base": text32(self.base),
            "quote": text32(self.quote),
            "primary": source(feed, self.heartbeat, decimals=decimals, smallest=smallest, largest=largest, **facts),
            "validators": list(validators),
            "leg": leg or source(ZERO),
            "composition": composition,
            "deviation": rate(self.deviation),
            "spread": rate(self.spread) if validators else 0,
            "quorum": self.quorum or len(validators) // 2,
            "maxAge": self.oldest,
            "jumpLimit": rate(self.jump_limit),
            "sequencer": self.sequencer,
            "grace": self.grace,
            "outageLimit": self.outage_limit,
        }


@dataclass(frozen=True)
class MarketTerms:
    """The immutable terms of a market, without the addresses of its parts."""

    delay: int = 12
    time_to_live: int = 3_900
    open_fee: Decimal = Decimal("0.0005")
    close_fee: Decimal = Decimal("0.0005")
    phi: Decimal = Decimal("0.1")
    phi_to_pool: Decimal = Decimal("0.5")
    smallest_liquidation: Decimal = Decimal("0.25")
    largest_liquidation: Decimal = Decimal("0.75")
    smallest_reserve: Decimal = Decimal("0.05")
    largest_reserve: Decimal = Decimal(1)
    largest_utilisation: Decimal = Decimal("0.9")
    keeper_floor: Decimal = Decimal(1)
    keeper_cap: Decimal = Decimal(20)
    liquidation_fee: Decimal = Decimal(5)
    min_margin: Decimal = Decimal(100)
    min_size: Decimal = Decimal("0.01")

    def encoded(self, decimals: int, **parts: str) -> dict[str, Any]:
        """The contract's MarketConfig for a token of `decimals`; `parts` are its five addresses."""
        rates = ["open_fee", "close_fee", "phi", "phi_to_pool", "smallest_liquidation", "largest_liquidation"]
        rates += ["smallest_reserve", "largest_reserve", "largest_utilisation"]
        fields: dict[str, Any] = {"delay": self.delay, "time_to_live": self.time_to_live}
        fields |= {name: rate(getattr(self, name)) for name in rates}
        fields |= {name: amount(getattr(self, name), decimals) for name in AMOUNTS}
        fields["min_size"] = rate(self.min_size)
        return {camel(name): value for name, value in ({**parts, **fields}).items()}


@cache
def camel(name: str) -> str:
    """snake_case to camelCase."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
