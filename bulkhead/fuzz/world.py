"""What is fuzzed: the terms of the markets, and the parts behind them, each as a contract and as its twin.

A world is drawn from a number: another one for every batch of histories, so that fees, rates, decimals, instruments,
oracles and the number of markets differ. To fuzz a contract of your own, name it (`World(margin_model="Mine(1,2)")`):
market and pool are modelled around it, and it is asked itself. To have it compared with a model, too, subclass `World`
and override what makes the twin.
"""

from __future__ import annotations

import random
import re
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from bulkhead.build import artifacts
from bulkhead.chain import Contract
from bulkhead.fuzz.asked import AskedInstrument, AskedMargin, AskedOracle
from bulkhead.fuzz.dated_call import DatedCall
from bulkhead.model.instruments.perpetual import Parameters, Perpetual
from bulkhead.model.interfaces.instrument import Instrument, MarginModel
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.interfaces.volatility_feed import VolatilitySettings
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from bulkhead.model.margin.volatility_margin import VolatilityMargin, VolatilityMarginTerms, VolatilityRate
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.oracle import Oracle
from bulkhead.model.oracles.oracle_settings import OracleSettings
from bulkhead.model.oracles.source import SourceConfig
from bulkhead.protocol import Deployment, MarketTerms, OracleTerms
from bulkhead.protocol.config import FixedMarginRates, PerpetualTerms, VolatilityMarginRates, VolatilityTerms

if TYPE_CHECKING:
    from bulkhead.fuzz.machine import Machine
    from bulkhead.fuzz.pair import Pair
    from bulkhead.fuzz.twin import Twin

#: When the world begins, unix seconds, and when dated series expire.
NOW = 1_800_000_000
EXPIRY = NOW + 40_000
HEARTBEAT = OracleTerms().heartbeat
SPREAD = ONE // 100
#: Indices that markets start at.
PRICES = (2_000 * ONE, 700 * ONE)

#: What a part has to have, by the name of its option.
INTERFACES = {"margin_model": "IMarginModel", "instrument": "IInstrument", "oracle": "IOracle"}

#: Who overrides one of these has margins, or an oracle, of its own.
_BEHIND_MARGINS = ("deploy_margin_model", "twin_margin_model", "deploy_oracle", "twin_oracle")

#: Of these a campaign of the shipped parts must reach every one, or it has not looked where it hurts.
MUST_REACH = (
    "liquidated in part",
    "liquidated in full",
    "liquidated at zero equity",
    "executed: open, then open",
    "executed: open, then over",
    "executed: order, then smaller",
    "executed: order, then over",
    "executed: order, then open",
    "executed: several at once",
    "void: outside band",
    "void: disputed",
    "void: late",
    "void: unproven",
    "void: series closed",
    "void: funding refused",
    "void: reserve reached",
    "void: market ended",
    "close at reserve",
    "request redeem",
    "exit void",
    "execute exit",
    "claim",
    "a payee refused",
    "settled after expiry",
    "settled after the end",
    "a grid point counted",
    "a grid point passed over",
    "a grid point given up",
)

T = TypeVar("T")


class WorldInvalid(ValueError):
    """A world that cannot be made; the message says why."""


@dataclass(frozen=True)
class Terms:
    """All that is drawn. `validators` beside the primary source: 0, 2 or 4; `volatility` in the place of `margin`, or
    None."""

    decimals: int = 6
    markets: int = 1
    validators: int = 0
    dated: bool = False
    market: MarketTerms = field(default_factory=MarketTerms)
    perpetual: PerpetualTerms = field(default_factory=PerpetualTerms)
    margin: FixedMarginRates = field(default_factory=FixedMarginRates)
    volatility: VolatilityMarginRates | None = None


@dataclass(frozen=True, repr=False)
class World:
    """draw: None for the shipped terms, else what can differ is drawn from it. The others name contracts that take the
    place of the shipped ones; arguments are numbers, addresses, structs in brackets or `feed`: "Mine(1,(2,3),feed)"."""

    draw: int | None = None
    margin_model: str = ""
    instrument: str = ""
    oracle: str = ""

    must_reach: ClassVar[tuple[str, ...]] = MUST_REACH

    def drawn(self, draw: int) -> World:
        """The same parts with other terms."""
        return replace(self, draw=draw)

    def check(self) -> None:
        """Raises WorldInvalid for a contract that does not exist or lacks a function of its interface."""
        for option, interface in INTERFACES.items():
            if part := getattr(self, option):
                name, _ = _parsed(part)
                if name not in artifacts():
                    raise WorldInvalid(f"There is no contract {name}: put it below contracts/.")
                needed = {e["name"] for e in artifacts()[interface].abi if e["type"] == "function"}
                held = {e["name"] for e in artifacts()[name].abi if e["type"] == "function"}
                if missing := sorted(needed - held):
                    raise WorldInvalid(f"{name} is no {interface}: it lacks {', '.join(missing)}.")

    @cached_property
    def terms(self) -> Terms:
        """What is drawn."""
        if self.draw is None:
            return Terms()
        rng = random.Random(f"world {self.draw}")

        def one(*choices: T) -> T:
            return rng.choice(choices)

        def rate(*choices: str) -> Decimal:
            return Decimal(rng.choice(choices))

        def of_three(name: str, values: tuple[str, str, str]) -> dict[str, Any]:
            margins = zip(("initial", "target", "maintenance"), values, strict=True)
            return {f"{margin}_{name}": Decimal(value) for margin, value in margins}

        def tokens(*choices: int) -> Decimal:
            return Decimal(rng.choice(choices))

        initial, target, maintenance = one(("0.04", "0.03", "0.02"), ("0.1", "0.06", "0.05"), ("0.025", "0.02", "0.01"))
        return Terms(
            decimals=one(6, 6, 8, 18),
            markets=one(1, 1, 2),
            validators=one(0, 0, 0, 2, 4),
            dated=one(False, False, True),
            market=MarketTerms(
                delay=one(12, 12, 1, 60),
                open_fee=rate("0.0005", "0", "0.01"),
                close_fee=rate("0.0005", "0", "0.01"),
                phi=rate("0.1", "0.5", "0"),
                phi_to_pool=rate("0.5", "0", "1"),
                smallest_liquidation=rate("0.25", "0.1"),
                largest_liquidation=rate("0.75", "1"),
                smallest_reserve=rate("0.05", "0.1"),
                largest_reserve=rate("1", "0.5"),
                largest_utilisation=rate("0.9", "0.7"),
                keeper_floor=tokens(1, 5),
                keeper_cap=tokens(20, 10),
                liquidation_fee=tokens(5, 25),
            ),
            perpetual=PerpetualTerms(
                skew_scale=tokens(10_000, 500),
                max_funding=tokens(1, 10),
                borrow_base=rate("0.02", "0"),
                borrow_ramp=rate("0.2", "5"),
            ),
            margin=FixedMarginRates(Decimal(initial), Decimal(target), Decimal(maintenance)),
            volatility=VolatilityMarginRates(
                one(3_600, 900),
                **of_three("z", one(("4", "3", "2"), ("6", "4.5", "3"), ("2", "1.5", "1"))),
                **of_three("floor", (initial, target, maintenance)),
                **of_three("cap", one(("0.5", "0.375", "0.25"), ("0.2", "0.15", "0.1"))),
                open_interest=rate("0.01", "0", "0.5"),
                feed=VolatilityTerms(
                    interval=one(300, 300, 600),  # short: a history crosses many
                    life=one(HEARTBEAT + 1, 21_600),
                    fast_time=one(43_200, 3_600),
                    slow_time=one(432_000, 86_400),
                    max_return=rate("0.25", "0.02"),
                    ramp=rate("0.2", "0.5", "0.02"),
                    start=rate("1", "0.5"),
                ),
            )
            if one(True, False)
            else None,
        )

    def __repr__(self) -> str:
        given = (
            f"{one.name}={value!r}" for one in fields(self) if (value := getattr(self, one.name)) not in (None, "")
        )
        return f"{type(self).__name__}({', '.join(given)})"

    @property
    def series(self) -> int:
        """How many series orders name."""
        return 4 if self.terms.dated and not self.instrument else 1

    @property
    def volatility(self) -> VolatilityMarginRates | None:
        """Of margins that follow it; None where they are fixed, or where margins or oracle are somebody's own."""
        own = any(getattr(type(self), hook) is not getattr(World, hook) for hook in _BEHIND_MARGINS)
        return None if own or self.margin_model or self.oracle else self.terms.volatility

    @property
    def oracle_terms(self) -> OracleTerms:
        """Of every source."""
        return OracleTerms()

    def _oracle_settings(self, feeds: Sequence[Any]) -> dict[str, Any]:
        """The contract's OracleSettings: the terms on a primary feed, or on one and its validators."""
        primary, *validators = (self.oracle_terms.encoded(feed, 8) for feed in feeds)
        settings = primary | {"validators": [one["primary"] for one in validators]}
        return settings | ({"spread": SPREAD, "quorum": len(validators) // 2} if validators else {})

    # --- what plays it: these two know the world, so it meets them late

    def twins(self, pair: Pair) -> list[Twin]:
        """Its markets, deployed."""
        from bulkhead.fuzz.twin import Twin

        return [Twin(pair, number) for number in range(self.terms.markets)]

    def machine(self, pair: Pair) -> Machine:
        """The steps of its histories."""
        from bulkhead.fuzz.machine import Machine

        return Machine(pair)

    # --- parts: a contract on the chain, and the twin that the model asks

    def deploy_oracle(self, deployment: Deployment, feeds: list[Contract]) -> Contract:
        """On a primary and its validators."""
        if self.oracle:
            return _deployed(deployment, self.oracle, feeds)
        return deployment.deploy("Oracle", self._oracle_settings([feed.address for feed in feeds]))

    def twin_oracle(self, contract: Contract, feeds: list[FeedProxy], block: Block) -> Any:
        """The oracle's model."""
        if self.oracle:
            return AskedOracle(contract)
        s = self._oracle_settings(feeds)
        sources: dict[str, Any] = {"primary": SourceConfig(*s["primary"].values()), "leg": None, "sequencer": None}
        sources |= {"validators": [SourceConfig(*validator.values()) for validator in s["validators"]]}
        return Oracle(OracleSettings(*(s | sources).values()), block)

    def deploy_instrument(self, deployment: Deployment, oracle: Contract, feeds: list[Contract]) -> Contract:
        """What is traded."""
        if self.instrument:
            return _deployed(deployment, self.instrument, feeds)
        if self.terms.dated:
            return deployment.deploy("DatedCall", oracle.address, EXPIRY)
        return deployment.deploy("Perpetual", self.terms.perpetual.encoded())

    def twin_instrument(self, contract: Contract, oracle: Any) -> Instrument:
        """Its model."""
        if self.instrument:
            return AskedInstrument(contract)
        if self.terms.dated:
            return DatedCall(oracle, EXPIRY)
        return Perpetual(Parameters(*self.terms.perpetual.encoded()))

    def deploy_margin_model(self, deployment: Deployment, feeds: list[Contract]) -> Contract:
        """What is asked for."""
        if self.margin_model:
            return _deployed(deployment, self.margin_model, feeds)
        return deployment.deploy("FixedMargin", *self.terms.margin.encoded())

    def twin_margin_model(self, contract: Contract) -> MarginModel:
        """Its model."""
        if self.margin_model:
            return AskedMargin(contract)
        return FixedMargin(*self.terms.margin.encoded())


def twin_volatility_margin(oracle: Any, rates: VolatilityMarginRates, decimals: int, block: Block) -> VolatilityMargin:
    """The model of margins that follow the volatility of an oracle's prices, with its feed, as they are deployed."""
    _, *settings = rates.feed.encoded("").values()
    terms = rates.encoded("", "", decimals) | {
        "volatility": VolatilityFeed(oracle, VolatilitySettings(*settings), block),
        "depth": None,
    }
    three = {name: VolatilityRate(**value) for name, value in terms.items() if isinstance(value, dict)}
    return VolatilityMargin(VolatilityMarginTerms(*(terms | three).values()))


def _parsed(part: str) -> tuple[str, str]:
    """Name and arguments of Name(ARGUMENTS)."""
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", part)
    if match is None:
        raise WorldInvalid(f"{part!r} is no contract with its arguments: write Name or Name(1,2,feed).")
    return match[1], (match[2] or "").strip()


def _deployed(deployment: Deployment, part: str, feeds: list[Contract]) -> Contract:
    name, text = _parsed(part)
    quoted = re.sub(r"\b0x[0-9a-fA-F]{40}\b", r"'\g<0>'", re.sub(r"\bfeed\b", feeds[0].address, text))
    try:
        return deployment.deploy(name, *(literal_eval(f"({quoted},)") if quoted else ()))
    except (ValueError, SyntaxError) as error:
        raise WorldInvalid(f"{part} cannot be deployed: {error}") from None
