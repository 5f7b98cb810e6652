"""What a market holds at one moment, and what an action did: all that invariants look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import compress
from operator import is_not
from typing import Any, Generic, NamedTuple, TypeVar

from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.european_options import EuropeanOptions
from bulkhead.model.instruments.expiry_fixing import ExpiryFixing
from bulkhead.model.integers import MAX_UINT64
from bulkhead.model.interfaces.european_options import InSettlement
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.market import Order, Position, Status
from bulkhead.model.interfaces.pool import Exit
from bulkhead.model.interfaces.volatility_feed import VolatilityState
from bulkhead.model.interfaces.volatility_path import Segment
from bulkhead.model.libraries import book
from bulkhead.model.libraries.book import Series
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from bulkhead.model.margin.volatility_margin import VolatilityMargin
from bulkhead.model.market import Claim, Market

#: Of which margins that follow the volatility are compared: so large that no rounding of theirs is seen.
NOTIONAL = 10**30
#: What a series sums up over its open positions, by side; margin in units of 256, indices as they were at entry.
_TERMS = ("lots", "margin", "reserve", "entry value", "funding", "borrowing")


T = TypeVar("T")


class once(Generic[T]):
    """`functools.cached_property` without its lock, which takes longer than most of what is kept here."""

    def __init__(self, find: Callable[[Any], T]) -> None:
        self.find, self.name, self.__doc__ = find, find.__name__, find.__doc__

    def __get__(self, owner: Any, kind: type) -> T:
        found = owner.__dict__[self.name] = self.find(owner)
        return found


class Margins(NamedTuple):
    """Of a margin model that follows the volatility, at one moment: what its feed remembers, the ramped volatility, and
    what is asked for `NOTIONAL` where nothing else is open."""

    remembered: VolatilityState
    ramped: int
    initial: int
    target: int
    maintenance: int

    @staticmethod
    def of(market: Market, earlier: State | None = None) -> Margins | None:
        """Now; None where the model is another one. Those of an `earlier` state of this second, if they still hold."""
        feed = volatility_of(market)
        if feed is None:
            return None
        known = None if earlier is None or earlier.time != market.block.timestamp else earlier.margins
        if known is not None and known.remembered is feed.remembered:
            return known
        alone = Snapshot(0, ONE, 0, 0, 0, 0, 1)
        initial = market.margin_model.initial(alone, ONE, NOTIONAL)
        maintenance, target = market.margin_model.maintenance(0, ONE, ONE, NOTIONAL)
        return Margins(feed.remembered, feed.ramped(), initial, target, maintenance)


class Options(NamedTuple):
    """Of a market of options: the turns of its volatility's path, the newest first; settlement prices by expiry."""

    turns: tuple[Segment, ...]
    fixings: dict[int, int]

    @staticmethod
    def of(market: Market, earlier: State | None = None) -> Options | None:
        """Now; None where the instrument is another one. That of an `earlier` state, if it is the same."""
        instrument = market.instrument
        if not isinstance(instrument, EuropeanOptions):
            return None
        fixing = instrument.fixing
        words = fixing.words if isinstance(fixing, ExpiryFixing) else {}
        prices = {expiry: fixing.fixing_of(expiry) for expiry in words}
        now = Options(instrument.turns(), {expiry: index for expiry, (known, index) in prices.items() if known})
        return earlier.options if earlier is not None and earlier.options == now else now


def volatility_of(market: Market) -> VolatilityFeed | None:
    """The feed that the margins of a market follow; None where they follow none."""
    model = market.margin_model
    feed = model.terms.volatility if isinstance(model, VolatilityMargin) else None
    return feed if isinstance(feed, VolatilityFeed) else None


@dataclass(eq=False)
class State:
    """All that a market, its pool and its token hold at one moment; a copy that later actions leave alone.

    market      the twin itself, for its terms and parts: never for what can change
    positions   pending and open, by vault
    tokens      balances of the collateral, `supply` their sum as the token counts it
    index, at   the newest price, (0, 0) where there is none
    margins     None where they do not follow the volatility
    options     None where it is no market of options
    """

    market: Market
    time: int
    index: int
    at: int
    positions: dict[str, Position]
    orders: dict[str, Order]
    claims: dict[str, Claim]
    traders: dict[str, str]
    series: dict[int, Series]
    live: list[int]
    tokens: dict[str, int]
    supply: int
    idle: int
    committed: int
    busy: int
    owed: int
    last_index: int
    exit_shares: int
    exits: dict[int, Exit]
    line: tuple[int, int]
    kept: dict[str, int]
    shares: dict[str, int]
    share_supply: int
    margins: Margins | None
    options: Options | None

    @staticmethod
    def of(market: Market, price: tuple[int, int] | None = None, earlier: State | None = None) -> State:
        """The present state of a market; `price` is its newest one, where that is known already. What is as it was in
        an `earlier` state is the same object: who compares the two sees at once that it has not changed."""
        pool, token = market.pool, market.token
        index, at = price or newest_price(market)
        made = State(
            market,
            market.block.timestamp,
            index,
            at,
            market._positions,
            market._orders,
            market._claims,
            market._traders,
            market._series,
            market._live,
            token.balances,
            token.total_supply,
            pool._idle,
            pool._committed,
            pool._busy,
            pool._claims,
            pool.last_index(),
            pool._exit_shares,
            pool._exits,
            (pool._first_exit, pool._next_exit),
            pool._kept,
            pool.shares.balances,
            pool.shares.total_supply,
            Margins.of(market, earlier),
            Options.of(market, earlier),
        )
        own, then = made.__dict__, {} if earlier is None else earlier.__dict__
        for name in CONTAINERS:
            now, was = own[name], then.get(name)
            own[name] = was if now == was else now.copy()
        if "owners" in then and own["traders"] is then["traders"]:
            own["owners"] = then["owners"]
        return made

    @once
    def open(self) -> list[tuple[str, Position]]:
        """Open positions by vault."""
        return [(vault, p) for vault, p in self.positions.items() if p.status == Status.OPEN]

    def balance(self, account: str) -> int:
        """Tokens of an account."""
        return self.tokens.get(account, 0)

    @once
    def owners(self) -> set[str]:
        """All traders there have been."""
        return set(self.traders.values())

    @property
    def held(self) -> int:
        """What the pool holds before gains: idle, committed and unpaid claims."""
        return self.idle + self.committed + self.owed

    def equity(self, p: Position, index: int, time: int) -> int:
        """Unclamped, token units."""
        known = self.prices.get(p.series) if (index, time) == (self.index, self.at) else None
        return _equity(p, self.market.unit, index, *(known or self.pricing(p.series, index, time)))

    def first_after(self, phase: int, time: int, proof: bytes) -> tuple[int, int, bool]:
        """What the oracle answers. Only while it is the present state: the twin is asked, once for all rules."""
        asked, known = (phase, time, proof), self.__dict__.get("_first")
        if known is None or known[0] != asked:
            self.__dict__["_first"] = known = asked, self.market.oracle.first_after(*asked)
        return known[1]

    def pricing(self, id: int, index: int, time: int) -> tuple[int, int, int]:
        """Of a series at a price: its mark, and its indices of funding and borrowing now."""
        series = self.series[id]
        elapsed = max(self.time - series.time, 0)
        borrowing = min(series.borrowing + series.borrow_rate * elapsed, MAX_UINT64)
        mark = self.market.instrument.mark(id, index, time)
        return mark, series.funding + series.funding_rate * elapsed, borrowing

    @once
    def prices(self) -> dict[int, tuple[int, int, int]]:
        """By series, `pricing` at the newest price; there must be one. A series that stands still has none."""
        found = {}
        for id in self.series:
            try:
                found[id] = self.pricing(id, self.index, self.at)
            except InSettlement:
                continue
        return found

    @once
    def standing(self) -> bool:
        """Is there no newest price, or a live series that has no mark between its window's beginning and its fixing?"""
        return self.index == 0 or not self.prices.keys() >= set(self.live)

    @once
    def equities(self) -> dict[str, int]:
        """Of every open position that has a mark at the newest price; there must be one."""
        unit, index, prices = self.market.unit, self.index, self.prices
        return {vault: _equity(p, unit, index, *prices[p.series]) for vault, p in self.open if p.series in prices}

    @once
    def worth(self) -> int:
        """Of the pool at the newest price; there must be one. Only while it is the present state: the twin is asked."""
        return self.market.pool.worth(self.index, self.at)

    @once
    def reserves(self) -> int:
        """Of all open positions."""
        return sum(total[2] for total in self.sums.values())

    @once
    def sums(self) -> dict[tuple[int, bool], list[int]]:
        """By series and side (True: long), of open positions: what `_TERMS` names."""
        unit, found = self.market.unit, {(id, side): [0] * len(_TERMS) for id in self.series for side in (True, False)}
        for _, p in self.open:
            _count(found, p, unit, 1)
        return found

    @once
    def miscounted(self) -> dict[str, str]:
        """Terms of which a series does not count what its positions sum up to, and where."""
        found: dict[str, str] = {}
        for (id, is_long), total in self.sums.items():
            one = self.series[id]
            lots, side = (one.long_lots, one.long) if is_long else (one.short_lots, one.short)
            counted = [lots, side.margin, side.reserve, side.entry_value, side.funding, side.borrowing]
            if counted != total:
                for term, is_, should in zip(_TERMS, counted, total, strict=True):
                    if is_ != should:
                        found[term] = f"{term} of series {id}, {'long' if is_long else 'short'}, is {is_}, not {should}"
        return found

    def follow(self, since: State) -> None:
        """Takes sums and equities over from an earlier state, and works out anew only what is altered. Sums are of
        whole numbers: they come out the same. So does an equity, where position and prices are the same."""
        altered, known, unit = self.altered(since), since.__dict__, self.market.unit
        if "sums" in known and since.series.keys() == self.series.keys():
            sums = {side: total.copy() for side, total in since.sums.items()}
            for vault in altered:
                for sign, p in ((-1, since.positions.get(vault)), (1, self.positions.get(vault))):
                    if p is not None and p.status == Status.OPEN:
                        _count(sums, p, unit, sign)
            self.__dict__["sums"] = sums
        if self.index and "equities" in known and self.index == since.index and self.prices == since.prices:
            index, prices, same = self.index, self.prices, since.equities
            self.__dict__["equities"] = {
                vault: _equity(p, unit, index, *prices[p.series]) if vault in altered else same[vault]
                for vault, p in self.open
                if p.series in prices
            }

    def moved(self, before: State) -> dict[str, int]:
        """Tokens that each account has gained (lost: negative) since an earlier state."""
        return self._since(before)[0]

    def altered(self, before: State) -> set[str]:
        """Vaults whose position, order or claim is not what it was in an earlier state."""
        return self._since(before)[1]

    def _since(self, before: State) -> tuple[dict[str, int], set[str]]:
        # Asked by many rules of the same two states, or of a third that has the same tokens, positions, orders, claims.
        parts = before.tokens, before.positions, before.orders, before.claims
        known: tuple[tuple[object, ...], dict[str, int], set[str]] | None = self.__dict__.get("_known")
        if known is None or any(map(is_not, known[0], parts)):
            accounts = _different(self.tokens, before.tokens)
            moved = {who: gained for who in accounts if (gained := self.balance(who) - before.balance(who))}
            altered = {
                *_different(self.positions, before.positions),
                *_different(self.orders, before.orders),
                *_different(self.claims, before.claims),
            }
            self.__dict__["_known"] = known = parts, moved, altered
        return known[1], known[2]


def _different(now: Mapping[str, object], then: Mapping[str, object]) -> list[str]:
    """Keys under which two mappings differ. What did not change is the same object, and asked nothing more."""
    if now is then:
        return []
    names, known = list(now), len(then)
    if names[:known] == list(then):  # nearly always: what is new comes last, and old values stand side by side
        keys = [*compress(names, map(is_not, now.values(), then.values())), *names[known:]]
    else:
        names += then.keys() - now.keys()
        keys = list(compress(names, map(is_not, map(now.get, names), map(then.get, names))))
    return [key for key in keys if now.get(key) != then.get(key)]


class Action(NamedTuple):
    """A call: its name in snake_case, arguments, who sent it, whether it went through, and the vaults that it may
    change; the others are neighbours."""

    name: str
    args: tuple[object, ...]
    sender: str
    done: bool
    touched: frozenset[str] = frozenset()


def _count(sums: dict[tuple[int, bool], list[int]], p: Position, unit: int, sign: int) -> None:
    """Adds an open position to the sums of its side, or (sign -1) takes it out."""
    size, total = abs(p.size), sums[p.series, p.size > 0]
    lots, reserve = size // LOT * sign, p.reserve * sign
    total[0] += lots
    total[1] += (p.margin >> 8) * sign
    total[2] += reserve
    total[3] += -(-size * p.entry // unit) * sign
    total[4] += lots * p.funding
    total[5] += reserve * p.borrowing


def _equity(p: Position, unit: int, index: int, mark: int, funding: int, borrowing: int) -> int:
    """In plain numbers, apart from the twin's own arithmetic: up what the trader pays, down what it gets."""
    size = p.size
    owed = funding - p.funding * book.KEPT
    if size > 0:
        value = size * index
    else:
        value, owed = -size * index, -owed
    value = -(-value // unit) if owed > 0 else value // unit
    rent = -(-p.reserve * (borrowing - p.borrowing * book.KEPT) // ONE)
    return p.margin + size * (mark - p.entry) // unit + -value * owed // ONE - rent


def newest_price(market: Market) -> tuple[int, int]:
    """Index and time; (0, 0) where there is none, for whatever reason."""
    try:
        return market.oracle.latest()
    except ModelError:
        return 0, 0


def frozen(s: State) -> bool:
    """Has the market ended? Only while it is the present state: the twin is asked."""
    return bool(s.market.oracle.final_price()[0])


#: What of a state is a mapping or a list.
CONTAINERS = ("positions", "orders", "claims", "traders", "series", "live", "tokens", "exits", "kept", "shares")
