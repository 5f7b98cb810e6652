"""A market of options: its parts in natural units, and their deployment.

Rates are fractions, volatilities a year (1 = 100 %), times seconds, prices whole units. The defaults are the shipped
values for ETH/USD; the oracle must speak at least every 60 seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bulkhead.chain import Contract
from bulkhead.model.instruments.expiry_fixing import WINDOW
from bulkhead.protocol.config import MarketTerms, VolatilityTerms, camel, rate
from bulkhead.protocol.deployment import Deployment, MarketContracts

#: Terms of the core that suit a feed of a minute: an order dies after five minutes.
OPTION_MARKET = MarketTerms(time_to_live=300, smallest_reserve=Decimal("0.01"))


@dataclass(frozen=True)
class PathTerms:
    """The volatility of marks: it turns at times of a grid, each turn is decided `lead` seconds ahead.

    ramp     most that it moves in an hour, as a share of what it was at the last turn
    floor    that it does not fall below
    """

    interval: int = 3_600
    lead: int = 900
    ramp: Decimal = Decimal("0.2")
    floor: Decimal = Decimal("0.2")

    def encoded(self, feed: str) -> dict[str, Any]:
        """The contract's PathSettings for a feed."""
        times = {"interval": self.interval, "lead": self.lead}
        return {"feed": feed, **times, "ramp": rate(self.ramp), "floor": rate(self.floor)}


@dataclass(frozen=True)
class OptionTerms:
    """The instrument; see the contract's OptionTerms.

    life            seconds after an expiry in which its samples may be proven
    strike_step     strikes are its multiples
    longest_tenor   seconds; with smallest_delta, spread and the feed's memories what docs/risk.md asks for
    """

    life: int = 7_200
    strike_step: Decimal = Decimal(25)
    call_cap: Decimal = Decimal(1)
    longest_tenor: int = 30 * 86_400
    smallest_delta: Decimal = Decimal("0.1")
    spread: Decimal = Decimal("0.45")
    slope: Decimal = Decimal("0.2")
    reach: Decimal = Decimal(3)
    holding: Decimal = Decimal("0.05")
    series_share: Decimal = Decimal("0.2")
    path: PathTerms = field(default_factory=PathTerms)
    feed: VolatilityTerms = field(default_factory=lambda: VolatilityTerms(slow_time=30 * 86_400))

    def encoded(self, fixing: str, decimals: int) -> dict[str, Any]:
        """The contract's OptionTerms."""
        names = ("strike_step", "call_cap", "smallest_delta", "spread", "slope", "reach", "holding", "series_share")
        rates = {camel(name): rate(getattr(self, name)) for name in names}
        parts = {"fixing": fixing, "longestTenor": self.longest_tenor}
        return {**parts, **rates, "decimals": decimals}


@dataclass(frozen=True)
class OptionMarginRates:
    """What a short must have on top of its mark, as a share of the spot; in proportion to volatility.

    normal         volatility at which the rates are as stated
    least, most    factor of the rates, however small or large volatility is
    """

    normal: Decimal = Decimal("0.75")
    least: Decimal = Decimal("0.5")
    most: Decimal = Decimal(3)
    initial: Decimal = Decimal("0.15")
    initial_floor: Decimal = Decimal("0.13")
    target: Decimal = Decimal("0.11")
    maintenance: Decimal = Decimal("0.09")

    def encoded(self, options: str) -> dict[str, Any]:
        """The contract's OptionMarginTerms."""
        return {"options": options, **{camel(name): rate(value) for name, value in vars(self).items()}}


def must_be_known(terms: OptionTerms, market: MarketTerms) -> None:
    """Raises ValueError where an order could outlive what its mark is known for: path's lead, settlement window."""
    known, longest = min(terms.path.lead, WINDOW), market.delay + market.time_to_live
    if longest > known:
        raise ValueError(f"an order must live for at most {known} seconds, for which marks are known, not {longest}")


def options_market(
    deployment: Deployment,
    token: Contract,
    oracle: Contract,
    terms: OptionTerms | None = None,
    margin: OptionMarginRates | None = None,
    market: MarketTerms | None = None,
    label: str = "options",
) -> MarketContracts:
    """A market of options on an oracle, in a token, with a volatility feed and fixings of its own.

    Raises ValueError as `must_be_known`.
    """
    terms, market = terms or OptionTerms(), market or OPTION_MARKET
    must_be_known(terms, market)
    feed = deployment.volatility_feed(oracle, terms.feed, label=f"{label} volatility")
    fixing = deployment.deploy("ExpiryFixing", oracle.address, terms.life, label=f"{label} fixing")
    encoded = (terms.path.encoded(feed.address), terms.encoded(fixing.address, token.call.decimals()))
    options = deployment.deploy("EuropeanOptions", *encoded, label=f"{label} instrument")
    rates = (margin or OptionMarginRates()).encoded(options.address)
    model = deployment.deploy("OptionMargin", rates, label=f"{label} margin")
    return deployment.market(token, oracle, options, model, market, label=f"{label} market")
