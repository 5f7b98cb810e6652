"""Configuration files: a network, its collateral token, and the markets to be created there.

A file is TOML. Keys are the fields of the classes below; a key that is none of them is refused. `[oracle]` holds for
all markets, `[terms]`, `[instrument]` and `[margin]` for those of perpetuals, the same tables inside a market for that
one; what neither says is the shipped default (bulkhead.protocol.config and options).
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from bulkhead.chain import ZERO, ChainError, Contract, to_address
from bulkhead.protocol.config import MARGINS, FixedMarginRates, MarginRates, MarketTerms, OracleTerms, PerpetualTerms
from bulkhead.protocol.deployment import Deployment, MarketContracts
from bulkhead.protocol.options import OPTION_MARKET, OptionMarginRates, OptionTerms, must_be_known, options_market
from bulkhead.protocol.sources import PRIMARIES, VALIDATORS, Feed, FeedValidator, Leg, Primary, PythPrice, Validator

#: They ship inside the package.
SHIPPED = Path(__file__).resolve().parent.parent / "networks"

#: Chains on which mocks may stand for tokens and feeds: those of anvil and of ape's own test network.
LOCAL_CHAINS = (31337, 1337)

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration file, or an argument, that cannot be used as it is."""


@dataclass(frozen=True)
class Place:
    """The network. `rpc_env` names the environment variable with its node's URL, `ape` its name in ape.

    `explorer_api` is an Etherscan-compatible API, with the chain's id in the URL where it serves many chains.
    """

    name: str
    chain_id: int
    rpc_env: str = ""
    ape: str = ""
    explorer: str = ""
    explorer_api: str = ""


@dataclass(frozen=True)
class Token:
    """The collateral: an address with the page that says so, or a mock on a local chain."""

    symbol: str
    decimals: int
    address: str = ""
    source: str = ""
    mock: bool = False


@dataclass(frozen=True)
class Market(ABC):
    """What a market of either kind has."""

    name: str
    feed: Primary
    oracle: OracleTerms = field(default_factory=OracleTerms)
    terms: MarketTerms = field(default_factory=MarketTerms)
    validators: tuple[Validator, ...] = ()
    leg: Leg | None = None

    @property
    def sources(self) -> dict[str, Primary | Validator]:
        """All of them, by what they are called: first the one that decides."""
        legs = {} if self.leg is None else {"leg": self.leg}
        return {"feed": self.feed, **legs, **{f"validator {n}": one for n, one in enumerate(self.validators, 1)}}

    @property
    def has_pyth(self) -> bool:
        """Has somebody to bring prices along?"""
        return any(isinstance(one, PythPrice) for one in self.sources.values())

    def settings(self, at: Mapping[str, str]) -> dict[str, Any]:
        """The contract's OracleSettings, with sources `at` these addresses. Raises ValueError."""
        validators = [one.encoded(at[f"validator {n}"]) for n, one in enumerate(self.validators, 1)]
        more = self.feed.facts()
        if self.leg is not None:
            more |= {"leg": self.leg.encoded(at["leg"]), "composition": self.leg.operation}
        return self.oracle.encoded(at["feed"], self.feed.decimals, validators, **more)

    @abstractmethod
    def encode(self) -> None:
        """Encodes all numbers for nobody. Raises ValueError for those that no contract takes."""
        self.settings(dict.fromkeys(self.sources, ZERO))
        self.terms.encoded(18)

    @abstractmethod
    def deploy(self, deployment: Deployment, token: Contract, oracle: Contract) -> MarketContracts:
        """Deploys it with its parts on its oracle."""


@dataclass(frozen=True)
class PerpetualMarket(Market):
    """A market of perpetuals."""

    instrument: PerpetualTerms = field(default_factory=PerpetualTerms)
    margin: MarginRates = field(default_factory=FixedMarginRates)

    def encode(self) -> None:
        """See `Market`."""
        super().encode()
        self.instrument.encoded()
        if isinstance(self.margin, FixedMarginRates):
            self.margin.encoded()
        else:
            self.margin.encoded(ZERO, ZERO, 18)
            self.margin.feed.encoded(ZERO)

    def deploy(self, deployment: Deployment, token: Contract, oracle: Contract) -> MarketContracts:
        """See `Market`."""
        return deployment.perpetual_market(token, oracle, self.terms, self.instrument, self.margin, label=self.name)


@dataclass(frozen=True)
class OptionsMarket(Market):
    """A market of options, with a feed of volatility and fixings of its own."""

    terms: MarketTerms = OPTION_MARKET
    instrument: OptionTerms = field(default_factory=OptionTerms)
    margin: OptionMarginRates = field(default_factory=OptionMarginRates)

    def encode(self) -> None:
        """See `Market`. Raises ValueError, too, where an order could outlive what its mark is known for."""
        super().encode()
        self.instrument.encoded(ZERO, 18)
        self.instrument.path.encoded(ZERO)
        self.instrument.feed.encoded(ZERO)
        self.margin.encoded(ZERO)
        must_be_known(self.instrument, self.terms)

    def deploy(self, deployment: Deployment, token: Contract, oracle: Contract) -> MarketContracts:
        """See `Market`."""
        return options_market(deployment, token, oracle, self.instrument, self.margin, self.terms, label=self.name)


#: What `kind` in a `[markets.instrument]` table may be.
MARKETS: dict[str, type[Market]] = {"perpetual": PerpetualMarket, "options": OptionsMarket}


@dataclass(frozen=True)
class Keepers:
    """`receiver` of what adapters for keeper networks earn; each market gets one where it is given."""

    receiver: str = ""


@dataclass(frozen=True)
class Network:
    """A whole file."""

    network: Place
    token: Token
    markets: tuple[Market, ...]
    keepers: Keepers = field(default_factory=Keepers)

    @property
    def name(self) -> str:
        """As users call it."""
        return self.network.name

    @property
    def digest(self) -> str:
        """A hash of everything that ends up on chain: other explorers or documentation pages change nothing."""
        content = asdict(replace(self, network=Place(self.name, self.network.chain_id)))
        sources = [one for m in content["markets"] for one in (m["feed"], m["leg"], *m["validators"]) if one]
        for entry in (content["token"], *sources):
            del entry["source"]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def shipped() -> dict[str, Path]:
    """The networks that come with the project, by name."""
    return {file.stem: file for file in sorted(SHIPPED.glob("*.toml"))}


def load(name: str, file: Path | None = None) -> Network:
    """A shipped network, or the one of that name in a file of yours. Raises ConfigError."""
    if file is None:
        file = shipped().get(name)
        if file is None:
            raise ConfigError(f"no network {name!r} is shipped; choose {_listed(shipped())}, or give --config FILE")
    network = read(file)
    if network.name != name:
        raise ConfigError(f"{file} is for the network {network.name!r}, not for {name!r}")
    return network


def read(file: Path) -> Network:
    """A configuration file. Raises ConfigError, in one line that names the file and the key."""
    try:
        with file.open("rb") as stream:
            content = tomllib.load(stream, parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None
    try:
        return _network(content)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


SHARED = ("oracle", "terms", "instrument", "margin")


def _network(content: dict[str, Any]) -> Network:
    _allowed(content, ("network", "token", "markets", "keepers", *SHARED), "the file")
    shared = {key: _table(content.get(key, {}), f"[{key}]") for key in SHARED}
    place = _section(Place, content.get("network", {}), "[network]")
    local = place.chain_id in LOCAL_CHAINS
    token = _section(Token, content.get("token", {}), "[token]")
    _addressed(token, local, "[token]", "mock = true")
    if not 0 <= token.decimals <= 18:
        raise ConfigError(f"[token]: decimals must be 0 to 18, not {token.decimals}")
    entries = content.get("markets", [])
    if not isinstance(entries, list) or not entries:
        raise ConfigError("there is no market: add [[markets]]")
    markets = tuple(_market(entry, shared, local) for entry in entries)
    names = [market.name for market in markets]
    if len(set(names)) < len(names):
        raise ConfigError(f"two markets have the same name among {_listed(names)}")
    keepers = _section(Keepers, content.get("keepers", {}), "[keepers]")
    if keepers.receiver:
        _address(keepers.receiver, "[keepers]: receiver")
    return Network(place, token, markets, keepers)


def _market(entry: Any, shared: dict[str, dict[str, Any]], local: bool) -> Market:
    table = dict(_table(entry, "[[markets]]"))
    where = f"market {table.get('name', '?')}"
    own = {key: dict(_table(table.get(key, {}), f"{where}, {key}")) for key in SHARED}
    kind = own["instrument"].pop("kind", "perpetual")
    if kind not in list(MARKETS):
        raise ConfigError(f"{where}, instrument: kind must be {_one_of(MARKETS)}, not {kind!r}")
    held = SHARED if kind == "perpetual" else ("oracle",)
    table |= own | {key: {**shared[key], **own[key]} for key in held}
    if kind == "perpetual":
        table["margin"] = _margin(own["margin"], shared["margin"], where)
    listed = table.get("validators", [])
    if not isinstance(listed, list):
        raise ConfigError(f"{where}, validators: each is a table of its own, [[markets.validators]]")
    table["validators"] = tuple(_source(one, VALIDATORS, f"{where}, validator {n}") for n, one in enumerate(listed, 1))
    if "feed" in table:
        table["feed"] = _source(table["feed"], PRIMARIES, f"{where}, feed")
    if "leg" in table:
        table["leg"] = _section(Leg, table["leg"], f"{where}, leg")
    market = _section(MARKETS[kind], table, where)
    for name, source in market.sources.items():
        _addressed(source, local, f"{where}, {name}", "mock_price")
        if isinstance(source, Feed) and source.decimals not in (8, 18):
            raise ConfigError(f"{where}, {name}: decimals must be 8 or 18, not {source.decimals}")
    _described(market, where)
    _address(market.oracle.sequencer, f"{where}, oracle: sequencer")
    try:
        market.encode()
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    return market


def _source(entry: Any, kinds: Mapping[str, type[T]], where: str) -> T:
    table = dict(_table(entry, where))
    kind = table.pop("kind", "chainlink")
    if kind not in list(kinds):
        raise ConfigError(f"{where}: kind must be {_one_of(kinds)}, not {kind!r}")
    return _section(kinds[kind], table, where)


def _described(market: Market, where: str) -> None:
    """Are all Chainlink feeds called what the oracle makes of them a price of?"""
    whole = f"{market.oracle.base} / {market.oracle.quote}"
    try:
        own = whole if market.leg is None else market.leg.needs(market.oracle.base, market.oracle.quote)
    except ValueError as error:
        raise ConfigError(f"{where}, leg: {error}") from None
    for name, source in market.sources.items():
        if not isinstance(source, Feed) or source is market.leg:
            continue
        wanted = whole if isinstance(source, FeedValidator) and source.composed else own
        if source.description != wanted:
            raise ConfigError(f"{where}: the oracle is for {wanted}, its {name} is described as {source.description}")
        if market.leg is None and isinstance(source, FeedValidator) and source.composed:
            raise ConfigError(f"{where}, {name}: composed is for a price with a second leg, and there is none")


def _margin(own: dict[str, Any], common: dict[str, Any], where: str) -> MarginRates:
    """Rates of the `kind` that a table says; those of another kind, which hold for all markets, do not hold for it."""
    usual = common.get("kind", "fixed")
    kind = own.get("kind", usual)
    if kind not in MARGINS:
        raise ConfigError(f"{where}, margin: kind must be {_one_of(MARGINS)}, not {kind!r}")
    table = {**(common if kind == usual else {}), **own}
    table.pop("kind", None)
    return _section(MARGINS[kind], table, f"{where}, margin")


def _addressed(entry: Token | Primary | Validator, local: bool, where: str, mock: str) -> None:
    """Either an address with its source, or a mock on a local chain."""
    if entry.mock and not local:
        raise ConfigError(f"{where}: {mock} is for a local chain only; give address and source")
    if entry.mock == bool(entry.address):
        raise ConfigError(f"{where}: give address and source" + (f", or {mock}" if local else ""))
    if entry.address:
        _address(entry.address, f"{where}: address")
        if not entry.source.startswith("https://"):
            raise ConfigError(
                f"{where}: source must be the https:// page that names this address, not {entry.source!r}"
            )


def _address(text: str, where: str) -> None:
    try:
        right = to_address(text)
    except ChainError as error:
        raise ConfigError(f"{where}: {error}") from None
    if text != right:
        raise ConfigError(f"{where}: {text} is mistyped, or lacks its checksum (as it stands it would be {right})")


def _section(kind: type[T], table: Any, where: str, usual: T | None = None) -> T:
    """A dataclass from a table; what that does not say is as in `usual`, or the dataclass's own default."""
    table = _table(table, where)
    types = get_type_hints(kind)
    _allowed(table, [entry.name for entry in fields(kind)], where)  # type: ignore[arg-type]
    values = {}
    for entry in fields(kind):  # type: ignore[arg-type]
        known = _default(entry) if usual is None else getattr(usual, entry.name)
        if entry.name in table:
            values[entry.name] = _value(types[entry.name], table[entry.name], where, entry.name, known)
        elif known is MISSING:
            raise ConfigError(f"{where}: {entry.name} is missing")
        else:
            values[entry.name] = known
    return kind(**values)


def _default(entry: Field[Any]) -> Any:
    """A field's default, or MISSING."""
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def _value(kind: Any, value: Any, table: str, key: str, usual: Any) -> Any:
    where = f"{table}: {key}"
    if is_dataclass(value) or isinstance(value, tuple):
        return value  # a table that has been read, or several
    if is_dataclass(kind):
        return _section(cast(type, kind), value, f"{table}, {key}", None if usual is MISSING else usual)
    if kind in (Decimal, Decimal | None):
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
            raise ConfigError(f"{where} must be a number, not {value!r}")
        if value < 0:
            raise ConfigError(f"{where} must be 0 or more, not {value}")
        return Decimal(value)
    if type(value) is not kind:
        what = {int: "a whole number", str: "a text in quotes", bool: "true or false"}[kind]
        raise ConfigError(f"{where} must be {what}, not {value!r}")
    if kind is int and not 0 <= value < 2**32:
        raise ConfigError(f"{where} must be 0 to {2**32 - 1}, not {value}")
    return value


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table, not {value!r}")
    return value


def _allowed(table: dict[str, Any], allowed: Any, where: str) -> None:
    for key in table:
        if key not in allowed:
            raise ConfigError(f"{where}: unknown key {key!r}; allowed are {_listed(allowed)}")


def _listed(names: Any) -> str:
    return ", ".join(names)


def _one_of(names: Any) -> str:
    *others, last = names
    return f"{_listed(others)} or {last}"
