"""What a market's parts have fixed for good, read from the chain once, as the models that judge its positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bulkhead.build import artifacts
from bulkhead.chain import Chain, Contract, Revert, to_address
from bulkhead.keeper.ramp import Level, Ramp, margin_at, rate_of
from bulkhead.model.instruments.perpetual import Parameters
from bulkhead.model.interfaces.instrument import MarginModel
from bulkhead.model.interfaces.market import MarketConfig
from bulkhead.model.interfaces.volatility_feed import VolatilityState
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.model.margin.volatility_margin import VolatilityRate
from bulkhead.protocol.config import camel
from bulkhead.protocol.errors import TypedContract
from bulkhead.protocol.market import Market
from bulkhead.protocol.oracle import Oracle
from bulkhead.protocol.volatility import Volatility


@dataclass(frozen=True)
class Terms:
    """Of a market.

    unit           10 ** (36 - the token's decimals)
    fastest        parameters of a perpetual: how fast carry can run; None for another family, which no index orders
    instrument     says what an expired series is worth
    has_carry      does a position pay or earn with time?
    margin_model   says what an open position needs; where it follows volatility, at the moment of the last `look`;
                   None for options, which only the lens judges
    feed           of that volatility
    options        what a market of options has beside
    """

    config: MarketConfig
    unit: int
    fastest: Parameters | None
    instrument: Contract
    has_carry: bool
    margin_model: MarginModel | None
    outage_limit: int
    feed: Following | None = None
    options: Options | None = None

    @classmethod
    def of(cls, market: Market) -> Terms:
        """Raises LookupError for margins that this keeper does not know, and for a market of unknown origin.

        And for one of another family than perpetuals without a lens, which is all that can judge its positions.
        """
        chain = market.chain
        raw = market.need_origin().config
        fields = {name: _field(raw, camel(name)) for name in MarketConfig.__dataclass_fields__}
        instrument = _field(raw, "instrument")
        names = list(Parameters.__dataclass_fields__)
        perpetual = _Constants(chain, "Perpetual", instrument).if_any(*names)
        if perpetual is None and market.lens is None:
            raise LookupError(f"{instrument} is no Perpetual: to keep its market, name the lens in the addresses.")
        options = None if perpetual is not None else Options.of(market, instrument)
        model, feed = (None, None) if options is not None else _margin(market, _field(raw, "marginModel"))
        family = chain.contract(artifacts()["IInstrument"], instrument)
        return cls(
            MarketConfig(**fields),
            10 ** (36 - market.token.decimals),
            None if perpetual is None else Parameters(*perpetual),
            family,
            bool(family.call.hasCarry()),
            model,
            int(market.oracle.contract.call.outageLimit()),
            feed,
            options,
        )

    @property
    def volatility(self) -> Volatility | None:
        """The feed that is to be kept up to date: margins follow it, or the marks of options."""
        if self.options is not None:
            return self.options.volatility
        return None if self.feed is None else self.feed.volatility

    def has_mark(self, series: int, index: int, time: int, block: int | None = None) -> bool:
        """Not while a series stands still, before its settlement price is known: nothing is done to its positions."""
        try:
            self.instrument.call.mark(series, index, time, block=block)
        except Revert:
            return False
        return True

    def look(self, now: int) -> None:
        """Takes in, at the newest block, of time `now`, what the margin model goes by."""
        if self.feed is not None:
            self.feed.look(now)

    def highest_rate(self, seconds: int) -> int:
        """The most that maintenance can ask within some seconds from the last `look` on, 1e18 = 100 % of notional."""
        model = self.margin_model if self.feed is None else self.feed.highest(seconds)
        assert model is not None
        return rate_of(model)


@dataclass(frozen=True)
class Options:
    """The path of volatility that their marks follow, the feed that it follows, and their settlement prices."""

    path: Contract
    volatility: Volatility
    fixing: TypedContract

    @classmethod
    def of(cls, market: Market, instrument: str) -> Options | None:
        """None where the instrument is another family."""
        family = market.chain.contract(artifacts()["EuropeanOptions"], instrument)
        try:
            fixing, feed = family.call.terms().fixing, to_address(family.call.path().feed)
        except Revert:
            return None
        return cls(family, _volatility(market, feed), TypedContract(market.chain, "ExpiryFixing", fixing))


@dataclass(frozen=True)
class Following:
    """A volatility feed, and the margin model that goes by it at a `level`."""

    volatility: Volatility
    ramp: Ramp
    model: Callable[[Level], MarginModel]
    level: Level = field(default_factory=Level)

    def look(self, now: int) -> None:
        """The level at the newest block, of time `now`."""
        answer = self.volatility.contract.call.state()
        self.level.value = self.ramp.at(VolatilityState(*map(int, answer)), now)

    def highest(self, seconds: int) -> MarginModel:
        """The model at the highest level that can be reached within some seconds."""
        return self.model(Level(self.ramp.highest(self.level.value, seconds)))


def _margin(market: Market, address: str) -> tuple[MarginModel, Following | None]:
    """Of fixed rates, or of such as follow volatility."""
    fixed = _Constants(market.chain, "FixedMargin", address)
    if (rates := fixed.if_any("initial", "target", "maintenance")) is not None:
        return FixedMargin(*rates), None
    moving = _Constants(market.chain, "VolatilityMargin", address, "FixedMargin and no VolatilityMargin")
    parts = ("z", "floor", "cap")
    target, maintenance = (
        VolatilityRate(*(moving(f"{name}_{part}") for part in parts)) for name in ("target", "maintenance")
    )
    root_horizon = moving("root_horizon")
    feed = to_address(moving.value("volatility"))
    constants = _Constants(market.chain, "VolatilityFeed", feed)
    ramp = Ramp(constants("floor"), constants("ramp_decay"), constants("interval"))
    following = Following(
        _volatility(market, feed),
        ramp,
        lambda level: margin_at(level, root_horizon, target, maintenance),
    )
    return following.model(following.level), following


def _volatility(market: Market, feed: str) -> Volatility:
    """A feed. Proofs are found where it is on the market's own oracle, whose feeds are known."""
    oracle = to_address(_Constants(market.chain, "VolatilityFeed", feed).value("oracle"))
    known = market.oracle if market.oracle.address == oracle else Oracle(market.chain, oracle)
    return Volatility(market.chain, feed, known)


class _Constants:
    """Immutables of a contract, by their names in Python. `kind` is what it is not, where it is something else."""

    def __init__(self, chain: Chain, name: str, address: str, kind: str = "") -> None:
        self._name, self._address = kind or name, address
        self._call = chain.contract(artifacts()[name], address).call

    def __call__(self, name: str) -> int:
        return int(self.value(name))

    def value(self, name: str) -> Any:
        try:
            return getattr(self._call, name.upper())()
        except Revert:
            raise LookupError(f"{self._address} is no {self._name}: this keeper knows no other.") from None

    def if_any(self, *names: str) -> list[int] | None:
        """All of them; None where the contract is another."""
        try:
            return [self(name) for name in names]
        except LookupError:
            return None


def _field(record: Any, name: str) -> Any:
    return record[name] if isinstance(record, dict) else getattr(record, name)
