"""The one list of what must hold: an id, a sentence, a check.

An invariant looks at one state, a rule at a state before an action, the action, and the state after it. Both answer
None where they hold, else what is wrong in a few words. They look at the model, the exact twin of the contracts: where
a chain is compared with its model to the unit, what holds of one holds of the other.

Ids are those of docs/spec.md where a promise has one; the others name what they count (BOOK, POOL, POS, ORD, CAR).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, pairwise
from operator import is_not
from typing import NamedTuple
from weakref import ref

from bulkhead.model.errors import ModelError
from bulkhead.model.instruments.european_options import EuropeanOptions
from bulkhead.model.instruments.expiry_fixing import ExpiryFixing
from bulkhead.model.interfaces.european_options import InSettlement
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.market import Action as Scope
from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status
from bulkhead.model.interfaces.pool import Exit
from bulkhead.model.interfaces.volatility_feed import VolatilityState
from bulkhead.model.interfaces.volatility_path import Segment
from bulkhead.model.libraries import bands, book, option_series, position_math
from bulkhead.model.libraries.book import Series
from bulkhead.model.libraries.logarithm import ONE as RAY
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.model.margin.volatility_feed import UNIT, VolatilityFeed
from bulkhead.model.margin.volatility_margin import VolatilityMargin
from bulkhead.model.market import NO_CLAIM, NO_ORDER, NO_POSITION, Claim, Market
from bulkhead.model.oracles.oracle import Oracle
from bulkhead.model.pool import CAPACITY, MAX_UINT88

OPEN = Status.OPEN
#: Of which margins that follow the volatility are compared: so large that no rounding of theirs is seen.
NOTIONAL = 10**30
#: What a series sums up over its open positions, by side; margin in units of 256, indices as they were at entry.
_TERMS = ("lots", "margin", "reserve", "entry value", "funding", "borrowing")


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
        for name in _CONTAINERS:
            now, was = own[name], then.get(name)
            own[name] = was if now == was else now.copy()
        if "owners" in then and own["traders"] is then["traders"]:
            own["owners"] = then["owners"]
        return made

    def open(self) -> list[tuple[str, Position]]:
        """Open positions by vault."""
        return [(vault, p) for vault, p in self.positions.items() if p.status == OPEN]

    def balance(self, account: str) -> int:
        """Tokens of an account."""
        return self.tokens.get(account, 0)

    @cached_property
    def owners(self) -> set[str]:
        """All traders there have been."""
        return set(self.traders.values())

    @property
    def held(self) -> int:
        """What the pool holds before gains: idle, committed and unpaid claims."""
        return self.idle + self.committed + self.owed

    def equity(self, p: Position, index: int, time: int) -> int:
        """Unclamped, token units."""
        return _equity(p, self.market.unit, index, *self.pricing(p.series, index, time))

    def pricing(self, id: int, index: int, time: int) -> tuple[int, int, int]:
        """Of a series at a price: its mark, and its indices of funding and borrowing now."""
        series = self.series[id]
        elapsed = max(self.time - series.time, 0)
        borrowing = min(series.borrowing + series.borrow_rate * elapsed, book.MAX_UINT64)
        mark = self.market.instrument.mark(id, index, time)
        return mark, series.funding + series.funding_rate * elapsed, borrowing

    @cached_property
    def prices(self) -> dict[int, tuple[int, int, int]]:
        """By series, `pricing` at the newest price; there must be one. A series that stands still has none."""
        found = {}
        for id in self.series:
            try:
                found[id] = self.pricing(id, self.index, self.at)
            except InSettlement:
                continue
        return found

    @cached_property
    def standing(self) -> bool:
        """Is there no newest price, or a live series that has no mark between its window's beginning and its fixing?"""
        return self.index == 0 or not self.prices.keys() >= set(self.live)

    @cached_property
    def equities(self) -> dict[str, int]:
        """Of every open position that has a mark at the newest price; there must be one."""
        unit, index, prices = self.market.unit, self.index, self.prices
        return {vault: _equity(p, unit, index, *prices[p.series]) for vault, p in self.open() if p.series in prices}

    @cached_property
    def worth(self) -> int:
        """Of the pool at the newest price; there must be one. Only while it is the present state: the twin is asked."""
        return self.market.pool.worth(self.index, self.at)

    @cached_property
    def reserves(self) -> int:
        """Of all open positions."""
        return sum(total[2] for total in self.sums.values())

    @cached_property
    def sums(self) -> dict[tuple[int, bool], list[int]]:
        """By series and side (True: long), of open positions: what `_TERMS` names."""
        unit, found = self.market.unit, {(id, side): [0] * len(_TERMS) for id in self.series for side in (True, False)}
        for _, p in self.open():
            _count(found, p, unit, 1)
        return found

    @cached_property
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
                    if p is not None and p.status == OPEN:
                        _count(sums, p, unit, sign)
            self.__dict__["sums"] = sums
        if self.index and "equities" in known and self.index == since.index and self.prices == since.prices:
            index, prices, same = self.index, self.prices, since.equities
            self.__dict__["equities"] = {
                vault: _equity(p, unit, index, *prices[p.series]) if vault in altered else same[vault]
                for vault, p in self.open()
                if p.series in prices
            }

    def moved(self, before: State) -> dict[str, int]:
        """Tokens that each account has gained (lost: negative) since an earlier state."""
        return self._since(before)[0]

    def altered(self, before: State) -> set[str]:
        """Vaults whose position, order or claim is not what it was in an earlier state."""
        return self._since(before)[1]

    def _since(self, before: State) -> tuple[dict[str, int], set[str]]:
        # Asked by many rules of the same two states. Earlier states are let go.
        known: tuple[ref[State], dict[str, int], set[str]] | None = self.__dict__.get("_known")
        if known is None or known[0]() is not before:
            accounts = _different(self.tokens, before.tokens)
            moved = {who: gained for who in accounts if (gained := self.balance(who) - before.balance(who))}
            altered = {
                *_different(self.positions, before.positions),
                *_different(self.orders, before.orders),
                *_different(self.claims, before.claims),
            }
            self.__dict__["_known"] = known = ref(before), moved, altered
        return known[1], known[2]


def _different(now: Mapping[str, object], then: Mapping[str, object]) -> list[str]:
    """Keys under which two mappings differ. What did not change is the same object, and asked nothing more."""
    if now is then:
        return []
    names, known = list(now), len(then)
    if names[:known] == list(then):  # nearly always: what is new comes last, and old values stand side by side
        keys = [*compress(names, map(is_not, now.values(), then.values())), *names[known:]]
    else:
        keys = [*names, *(then.keys() - now.keys())]
    return [key for key in keys if now.get(key) != then.get(key)]


@dataclass(frozen=True)
class Action:
    """A call: its name in snake_case, arguments, who sent it, and whether it went through."""

    name: str
    args: tuple[object, ...]
    sender: str
    done: bool
    touched: frozenset[str] = field(default_factory=frozenset)
    """Vaults that it may change; the others are neighbours."""


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


#: What can change from state to state.
_FIELDS = tuple(name for name in State.__dataclass_fields__ if name != "market")
#: Of these, what is a mapping or a list.
_CONTAINERS = ("positions", "orders", "claims", "traders", "series", "live", "tokens", "exits", "kept", "shares")

Check = Callable[[State], str | None]
Each = Callable[[State, str, Position, Order], str | None]
EachSeries = Callable[[State, int, Series], str | None]
Rule = Callable[[State, Action, State], str | None]


@dataclass(frozen=True)
class Invariant:
    """Holds of every state; `reads` are the fields of a state that it looks at.

    each         where it looks at one position at a time, the check of one: vault, position, order
    each_series  where it looks at one series at a time, the check of one: id, series
    """

    id: str
    sentence: str
    check: Check
    reads: frozenset[str]
    each: Each | None = None
    each_series: EachSeries | None = None


@dataclass(frozen=True)
class Transition:
    """Holds of every step; of calls of certain names alone, where `of` names any."""

    id: str
    sentence: str
    check: Rule
    of: frozenset[str]


@dataclass(frozen=True)
class Passage:
    """Holds of any two states of which every one between held too: of a step and of the time around it."""

    id: str
    sentence: str
    check: Callable[[State, State], str | None]


INVARIANTS: list[Invariant] = []
TRANSITIONS: list[Transition] = []
PASSAGES: list[Passage] = []
#: Of a step that was made in another market.
ELSEWHERE: list[Transition] = []


def _invariant(id: str, sentence: str, reads: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        INVARIANTS.append(Invariant(id, sentence, check, frozenset(reads.split())))
        return check

    return register


def _of_each(id: str, sentence: str, reads: str) -> Callable[[Each], Each]:
    def register(each: Each) -> Each:
        def check(s: State) -> str | None:
            return _first(each, s, s.positions)

        INVARIANTS.append(Invariant(id, sentence, check, frozenset(reads.split()), each))
        return each

    return register


def _of_each_series(id: str, sentence: str, reads: str) -> Callable[[EachSeries], EachSeries]:
    def register(each: EachSeries) -> EachSeries:
        def check(s: State) -> str | None:
            return _first_series(each, s, s.series)

        INVARIANTS.append(Invariant(id, sentence, check, frozenset(reads.split()), each_series=each))
        return each

    return register


def _first_series(each: EachSeries, s: State, ids: Iterable[int]) -> str | None:
    """The first that is wrong."""
    for id in ids:
        if (wrong := each(s, id, s.series[id])) is not None:
            return f"series {id} {wrong}"
    return None


def _first(each: Each, s: State, vaults: Iterable[str]) -> str | None:
    """The first that is wrong."""
    for vault in vaults:
        if (wrong := each(s, vault, s.positions[vault], s.orders.get(vault, NO_ORDER))) is not None:
            return f"{vault} {wrong}"
    return None


def _transition(id: str, sentence: str, of: str = "", rules: list[Transition] = TRANSITIONS) -> Callable[[Rule], Rule]:
    def register(check: Rule) -> Rule:
        rules.append(Transition(id, sentence, check, frozenset(of.split())))
        return check

    return register


def _passage(id: str, sentence: str) -> Callable[[Callable[[State, State], str | None]], None]:
    def register(check: Callable[[State, State], str | None]) -> None:
        PASSAGES.append(Passage(id, sentence, check))

    return register


def broken(state: State, since: State | None = None) -> list[str]:
    """Invariants that a state breaks: "id: what is wrong". Those that look at nothing that has changed `since` a state
    in which all held are not asked again, nor are they of positions and series that are as they were. What lies between
    the two states is held to the passages."""
    if since is None:
        return [f"{one.id}: {wrong}" for one in INVARIANTS if (wrong := one.check(state)) is not None]
    state.follow(since)
    now, then = state.__dict__, since.__dict__
    changed = {name for name in _FIELDS if now[name] is not then[name] and now[name] != then[name]}
    if not changed:
        return []
    vaults = (state.altered(since) | state.moved(since).keys()) & state.positions.keys()
    series = [id for id, one in state.series.items() if since.series.get(id) is not one]
    found = [f"{one.id}: {wrong}" for one in PASSAGES if (wrong := one.check(since, state)) is not None]
    for one in INVARIANTS:
        if changed.isdisjoint(one.reads):
            continue
        if one.each is not None:
            wrong = _first(one.each, state, vaults)
        elif one.each_series is not None:
            wrong = _first_series(one.each_series, state, series)
        else:
            wrong = one.check(state)
        if wrong is not None:
            found.append(f"{one.id}: {wrong}")
    return found


def broken_by(before: State, action: Action, after: State, rules: list[Transition] = TRANSITIONS) -> list[str]:
    """Rules that a step breaks: "id: what is wrong". A refused call has one rule alone: it changes nothing."""
    rules, name = rules if action.done else TRANSITIONS[:1], action.name
    return [
        f"{one.id}: {wrong}"
        for one in rules
        if (not one.of or name in one.of) and (wrong := one.check(before, action, after)) is not None
    ]


def _differ(what: str, is_: object, should: object) -> str | None:
    return None if is_ == should else f"{what} is {is_}, should be {should}"


# --- vaults and tokens


@_of_each("SAFE-1", "A vault holds at least margin, reserve and what is claimable.", "positions claims tokens")
def _vaults_hold(s: State, vault: str, p: Position, order: Order) -> str | None:
    claim = s.claims.get(vault, NO_CLAIM)
    due = p.margin + claim.trader + claim.pool + (p.reserve if p.status == Status.OPEN else 0)
    return f"holds {s.balance(vault)} of {due}" if s.balance(vault) < due else None


@_invariant("SAFE-1c", "A vault whose position is over holds at least what is claimable.", "positions claims tokens")
def _claims_are_held(s: State) -> str | None:
    for vault, claim in s.claims.items():
        if vault not in s.positions and s.balance(vault) < claim.trader + claim.pool:
            return f"{vault} holds {s.balance(vault)} of {claim.trader + claim.pool}"
    return None


@_invariant("SAFE-2", "Tokens are conserved: all balances sum to the supply.", "tokens supply")
def _conserved(s: State) -> str | None:
    return _differ("the sum of balances", sum(s.tokens.values()), s.supply)


@_invariant(
    "SAFE-2p",
    "The pool holds its idle, its earmarks and what it keeps for those a token refused.",
    "tokens idle committed positions kept",
)
def _pool_holds(s: State) -> str | None:
    earmarks = s.committed - s.reserves
    due = s.idle + earmarks + sum(s.kept.values())
    held = s.balance(s.market.pool.address)
    return None if held >= due else f"the pool holds {held} of {due}"


@_invariant("SAFE-2m", "The market itself holds no tokens that it has been paid.", "tokens")
def _market_holds_nothing(s: State) -> str | None:
    return _differ("the market's balance", s.balance(s.market.address), 0)


@_invariant(
    "SAFE-5",
    "The pool is worth no less than what lies outside its positions' reserves.",
    "time index at positions series idle committed owed",
)
def _bounded_loss(s: State) -> str | None:
    if s.standing:
        return None
    floor = s.held - s.reserves
    return None if s.worth >= floor else f"worth {s.worth} below {floor}"


@_invariant(
    "SAFE-5u",
    "The pool is worth no more than what it holds and all margins.",
    "time index at positions series idle committed owed",
)
def _bounded_gain(s: State) -> str | None:
    if s.standing:
        return None
    ceiling = s.held + sum(p.margin for _, p in s.open())
    return None if s.worth <= ceiling else f"worth {s.worth} above {ceiling}"


# --- the pool's sums


@_invariant(
    "POOL-2", "Committed is the reserves of open positions and the earmarks of orders.", "committed positions orders"
)
def _committed(s: State) -> str | None:
    reserves = sum(p.reserve for p in s.positions.values())
    raises = sum(o.amount for o in s.orders.values() if o.kind == OrderKind.RAISE_RESERVE)
    return _differ("committed", s.committed, reserves + raises)


@_invariant("POOL-3", "The pool counts the claims that its vaults owe it.", "owed claims")
def _owed(s: State) -> str | None:
    return _differ("owed", s.owed, sum(c.pool for c in s.claims.values()))


@_invariant("POOL-4", "The pool counts the positions that are open or pending.", "busy positions")
def _busy(s: State) -> str | None:
    return _differ("busy", s.busy, len(s.positions))


@_invariant(
    "POOL-5",
    "Shares in the line of exits are those of its requests, and the pool holds them.",
    "exits shares exit_shares",
)
def _exit_shares(s: State) -> str | None:
    asked = sum(exit.shares for exit in s.exits.values())
    if s.shares.get(s.market.pool.address, 0) < asked:
        return f"the pool holds fewer shares than the {asked} asked for"
    return _differ("exit shares", s.exit_shares, asked)


@_invariant("POOL-6", "The line of exits is whole: every request from the first to the last is there.", "exits line")
def _line(s: State) -> str | None:
    first, last = s.line
    return _differ("the line", sorted(s.exits), list(range(first, last)))


@_invariant("POOL-7", "Shares are conserved.", "shares share_supply")
def _shares(s: State) -> str | None:
    return _differ("the sum of shares", sum(s.shares.values()), s.share_supply)


@_invariant("POOL-8", "What the pool counts fits where it lies.", "idle committed busy")
def _funds_fit(s: State) -> str | None:
    if not 0 <= s.idle <= MAX_UINT88:
        return f"idle is {s.idle}"
    if not 0 <= s.committed <= CAPACITY:
        return f"committed is {s.committed}"
    return None if s.busy < 1 << 24 else f"busy is {s.busy}"


@_invariant("POOL-9", "The last index is one that 40 bits hold.", "last_index")
def _last_index(s: State) -> str | None:
    return _differ("the last index", s.last_index, bands.value(bands.floor(s.last_index)))


@_invariant(
    "POOL-1",
    "Worth from aggregates is that of all positions, but for roundings, within margins and reserves.",
    "time index at positions series idle committed owed",
)
def _worth(s: State) -> str | None:
    if s.standing:
        return None
    gains: dict[tuple[int, bool], int] = {}
    for vault, equity in s.equities.items():
        p = s.positions[vault]
        if not 0 <= equity <= p.margin + p.reserve:
            return None  # one that waits for liquidation or for its reserve
        side = p.series, p.size > 0
        gains[side] = gains.get(side, 0) + equity - p.margin
    alone, count = s.held, len(s.equities)
    for (id, is_long), gain in gains.items():
        side_ = s.series[id].long if is_long else s.series[id].short
        alone -= max(min(gain, side_.reserve), -(side_.margin << 8))
    # Per position: a unit for its entry value and its gain, two for its carry, and what a kept index rounds away.
    room = 4 * count + 4 + 2 * s.index * count * LOT // (s.market.unit * 10**8)
    return None if abs(s.worth - alone) <= room else f"worth {s.worth}, one by one {alone}"


# --- the sums of a series


@_invariant("BOOK-1", "A series' open sizes are those of its positions.", "series positions")
def _sizes(s: State) -> str | None:
    return s.miscounted.get("lots")


@_invariant("BOOK-2", "A series' pending sizes are those of its orders.", "series positions orders")
def _pending(s: State) -> str | None:
    expected = {id: [0, 0] for id in s.series}
    for vault, order in s.orders.items():
        p = s.positions.get(vault)
        if p is None:
            continue  # no position, no series: ORD-2
        if order.kind == OrderKind.OPEN:
            expected[p.series][p.size < 0] += abs(p.size) // LOT
        elif order.kind == OrderKind.CLOSE:
            expected[p.series][p.size > 0] += order.amount
    for id, series in s.series.items():
        if [series.buying_lots, series.selling_lots] != expected[id]:
            return f"series {id} has {series.buying_lots}, {series.selling_lots} pending, its orders {expected[id]}"
    return None


@_invariant("BOOK-3", "A side's margin is that of its positions, in units of 256.", "series positions")
def _margins(s: State) -> str | None:
    return s.miscounted.get("margin")


@_invariant("BOOK-4", "A side's reserve is that of its positions.", "series positions")
def _reserves(s: State) -> str | None:
    return s.miscounted.get("reserve")


@_invariant("BOOK-5", "A side's entry value is that of its positions.", "series positions")
def _entries(s: State) -> str | None:
    return s.miscounted.get("entry value")


@_invariant("BOOK-6", "A side's funding at entry is that of its positions.", "series positions")
def _funding(s: State) -> str | None:
    return s.miscounted.get("funding")


@_invariant("BOOK-7", "A side's borrowing at entry is that of its positions.", "series positions")
def _borrowing(s: State) -> str | None:
    return s.miscounted.get("borrowing")


@_invariant("BOOK-8", "Series with something open or pending are listed, each once, ten at most.", "live positions")
def _listed(s: State) -> str | None:
    if len(set(s.live)) != len(s.live) or len(s.live) > 10:
        return f"the list is {s.live}"
    missing = {p.series for p in s.positions.values()} - set(s.live)
    return f"{missing} are not listed" if missing else None


@_invariant("BOOK-9", "A listed series knows that it is listed, and only it.", "live series")
def _live(s: State) -> str | None:
    return _differ("the series that say so", sorted(id for id, one in s.series.items() if one.live), sorted(s.live))


@_of_each_series("BOOK-10", "The words of a series hold it.", "series")
def _words(s: State, id: int, series: Series) -> str | None:
    return None if book.unpacked(book.packed(series)) == series else "does not come back from its words"


# --- positions


@_of_each("POS-1", "A position is at least the minimum size, in whole lots.", "positions")
def _size(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = abs(p.size) < s.market.config.min_size or p.size % LOT
    return f"has size {p.size}" if wrong else None


@_of_each("POS-2", "A pending position has the minimum margin.", "positions")
def _pending_margin(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.status == Status.PENDING and p.margin < s.market.config.min_margin
    return f"has margin {p.margin}" if wrong else None


@_of_each("POS-3", "A position's margin, reserve and entry fit where they lie.", "positions")
def _fits(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.margin >> 88 or p.reserve >> 88 or p.entry >> 112 or p.margin < 0 or p.reserve < 0
    return f"has margin {p.margin}, reserve {p.reserve}, entry {p.entry}" if wrong else None


@_of_each("POS-4", "No position has a price from the future, and every one has a trader.", "positions traders")
def _times(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.time > s.time or vault not in s.traders
    return f"is of {p.time}, it is {s.time}" if wrong else None


@_of_each("POS-5", "The reserve of a short never exceeds the most it can win.", "positions")
def _largest_win(s: State, vault: str, p: Position, order: Order) -> str | None:
    if p.size > 0 or p.status != Status.OPEN:
        return None
    # A partial exit leaves what does not divide.
    most = -(p.size * p.entry // s.market.unit) + 2
    return f"has reserve {p.reserve}, it can win {most}" if p.reserve > most else None


@_invariant("POS-6", "An open position remembers no index of borrowing that has not been.", "positions series")
def _remembered(s: State) -> str | None:
    now = {id: book.carry_at(series, s.time).borrowing for id, series in s.series.items()}
    for vault, p in s.open():
        if p.borrowing * book.KEPT > now[p.series]:
            return f"{vault} remembers {p.borrowing}, it is {now[p.series]}"
    return None


@_of_each("ORD-1", "A pending position has the order that opens it, an open one none of that kind.", "positions orders")
def _opening_orders(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = (p.status == Status.PENDING) != (order.kind == OrderKind.OPEN)
    return f"is {p.status.name} with an order of kind {order.kind.name}" if wrong else None


@_invariant("ORD-2", "An order dies with its position.", "positions orders")
def _no_orphans(s: State) -> str | None:
    orphans = s.orders.keys() - s.positions.keys()
    return f"orders of {sorted(orphans)}" if orphans else None


@_of_each("ORD-3", "An order's band is not empty, and a word holds it.", "orders")
def _bands(s: State, vault: str, p: Position, order: Order) -> str | None:
    if order.high and order.low > order.high:
        return f"has the band {order.low} to {order.high}"
    held = bands.value(bands.floor(order.low)) == order.low and bands.value(bands.floor(order.high)) == order.high
    return None if held else "has a band that no word holds"


@_of_each("ORD-4", "An order is of the past, its premium of nine decimals.", "orders")
def _orders(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = order.requested_at > s.time or order.premium % 10**9 or order.premium >= 2**32 * 10**9
    return f"has premium {order.premium} at {order.requested_at}" if wrong else None


@_of_each("ORD-5", "The earmark of a pending position is that of its order.", "positions orders")
def _earmarks(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.status == Status.PENDING and order.amount != p.reserve
    return f"has {p.reserve}, its order {order.amount}" if wrong else None


# --- carry


@_of_each_series(
    "CAR-1", "Rates of carry are those that a series can keep, and borrowing never pays the trader.", "series"
)
def _rates(s: State, id: int, series: Series) -> str | None:
    kept = abs(series.funding_rate) >> 39 == 0 and 0 <= series.borrow_rate < 1 << 40
    return None if kept else f"has the rates {series.funding_rate}, {series.borrow_rate}"


@_of_each_series("CAR-2", "The rates are not of the future.", "series")
def _rates_time(s: State, id: int, series: Series) -> str | None:
    return f"is of {series.time}, it is {s.time}" if series.time > s.time else None


@_invariant("CAR-3", "The heavier side pays the funding, so that what the lighter receives is never more.", "series")
def _funding_sides(s: State) -> str | None:
    for id, series in s.series.items():
        heavy_pays = series.funding_rate == 0 or (series.funding_rate > 0) == (series.long_lots > series.short_lots)
        if not heavy_pays and s.market.instrument.has_carry() and not _frozen(s):
            return f"series {id}: rate {series.funding_rate} at {series.long_lots} long, {series.short_lots} short"
    return None


def _frozen(s: State) -> bool:
    return bool(s.market.oracle.final_price()[0])


# --- steps

#: What only the trader may begin, or an operator with this in its scope.
_SCOPES = {
    "request_open": Scope.OPEN,
    "request_close": Scope.CLOSE,
    "request_raise": Scope.RAISE_RESERVE,
    "remove_margin": Scope.REMOVE_MARGIN,
}


@_transition("REV-1", "A refused call changes nothing.")
def _refused(before: State, action: Action, after: State) -> str | None:
    if action.done:
        return None
    return None if _written(before) == _written(after) else f"{action.name} was refused and changed something"


def _written(s: State) -> tuple[object, ...]:
    return s.tokens, s.supply, *_own(s)


def _own(s: State) -> tuple[object, ...]:
    numbers = (s.idle, s.committed, s.busy, s.owed, s.last_index, s.exit_shares, s.line, s.share_supply, s.margins)
    return s.positions, s.orders, s.claims, s.series, s.live, s.exits, s.kept, s.shares, *numbers


@_transition(
    "ISO-1", "A call to one market changes nothing of another: neither what it knows nor its tokens.", rules=ELSEWHERE
)
def _isolated(before: State, action: Action, after: State) -> str | None:
    if _own(before) != _own(after):
        return f"{action.name} in another market changed this one"
    own = {*before.traders, before.market.pool.address}
    moved = after.moved(before)
    return f"{action.name} in another market moved {moved}" if own & moved.keys() else None


@_transition("SAFE-3", "No action on one position changes another, its order, its claims or its balance.")
def _neighbours(before: State, action: Action, after: State) -> str | None:
    for vault in after.altered(before):
        if vault not in action.touched and vault in before.traders:
            return f"{action.name} changed {vault}"
    for vault, gained in after.moved(before).items():
        if gained < 0 and vault in before.traders and vault not in action.touched:
            return f"{action.name} took {-gained} from {vault}"
    return None


@_transition("SAFE-4", "A vault pays only its trader, its pool, and where its trader directs a claim.")
def _payees(before: State, action: Action, after: State) -> str | None:
    if action.name in {"execute_exit", "claim_exit", "redeem", "withdraw"}:
        return None  # these pay out of the pool
    market, moved = before.market, after.moved(before)
    allowed = {before.traders[vault] for vault, gained in moved.items() if gained < 0 and vault in before.traders}
    allowed |= {market.pool.address, action.sender, market.token.address}
    if action.name == "claim":
        allowed.add(str(action.args[1]))
    for account, gained in moved.items():
        if gained > 0 and account not in allowed and account not in after.traders:
            return f"{action.name} paid {account}"
    return None


@_transition(
    "SAFE-4t",
    "A trader gets no more out of a vault than margin, reserve and claims.",
    "liquidate close_at_reserve settle execute remove_margin claim",
)
def _no_more_than_held(before: State, action: Action, after: State) -> str | None:
    for vault in action.touched & before.traders.keys():
        trader = before.traders[vault]
        if trader == action.sender or len(action.touched) > 1:
            continue
        claim, p = before.claims.get(vault, NO_CLAIM), before.positions.get(vault, NO_POSITION)
        reserve = p.reserve if p.status == Status.OPEN else 0  # an earmark is not in the vault
        most = claim.trader if action.name == "claim" else p.margin + reserve
        if after.balance(trader) - before.balance(trader) > most:
            return f"{action.name} paid the trader of {vault} more than {most}"
    return None


@_transition("PERM-1", "Only the trader, or an operator within its scope, uses the trader's funds.")
def _permission(before: State, action: Action, after: State) -> str | None:
    market, scope = before.market, _SCOPES.get(action.name)
    if scope is None:
        losers = {account for account, gained in after.moved(before).items() if gained < 0 and account != action.sender}
        if robbed := losers & before.owners:
            return f"{action.name} by {action.sender} took from {sorted(robbed)}"
        return None
    named = str(action.args[0])
    trader = named if scope == Scope.OPEN else before.traders[named]
    grant = market.operators.grant_of(trader, market.address, action.sender)
    if action.sender == trader or (after.time <= grant.expiry and grant.actions >> scope & 1):
        return None
    return f"{action.name} of {trader} by {action.sender}"


@_transition("MAR-1", "Adding margin changes nothing of a position but its margin.", "add_margin")
def _add_margin(before: State, action: Action, after: State) -> str | None:
    vault, amount = str(action.args[0]), action.args[1]
    old, new = before.positions[vault], after.positions[vault]
    if (new.reserve, new.size, new.entry, new.funding, new.borrowing) != (
        old.reserve,
        old.size,
        old.entry,
        old.funding,
        old.borrowing,
    ):
        return f"{vault} became {new}"
    return _differ("the margin", new.margin - old.margin, amount)


@_transition("MAR-2", "Removing margin leaves the minimum, and pays or keeps exactly what it takes.", "remove_margin")
def _remove_margin(before: State, action: Action, after: State) -> str | None:
    vault, amount = str(action.args[0]), action.args[1]
    old, new = before.positions[vault], after.positions[vault]
    if new.margin < before.market.config.min_margin:
        return f"{vault} is left with {new.margin}"
    kept = after.claims.get(vault, NO_CLAIM).trader - before.claims.get(vault, NO_CLAIM).trader
    paid = before.balance(vault) - after.balance(vault)
    return _differ("what was taken", (old.margin - new.margin, paid + kept), (amount, amount))


@_transition(
    "LIQ-1", "Liquidation changes only what is below maintenance, at a price later than its opening.", "liquidate"
)
def _only_unhealthy(before: State, action: Action, after: State) -> str | None:
    for vault in action.touched & before.positions.keys():
        p = before.positions[vault]
        if after.positions.get(vault) == p:
            continue
        maintenance, _ = before.market._required(p, before.index, _mark(before, p))
        if p.status != Status.OPEN or before.at <= p.time or before.equity(p, before.index, before.at) >= maintenance:
            return f"{vault} was not liquidatable"
    return None


@_transition(
    "LIQ-1b", "Liquidation leaves nothing of its list below maintenance that no close order shields.", "liquidate"
)
def _all_unhealthy(before: State, action: Action, after: State) -> str | None:
    for vault in action.touched & after.positions.keys():
        p = after.positions[vault]
        if p.status != Status.OPEN or before.at <= p.time or p != before.positions[vault]:
            continue
        order = after.orders.get(vault, NO_ORDER)
        if order.kind == OrderKind.CLOSE and after.market._due(order, after.at):
            continue
        maintenance, _ = after.market._required(p, after.index, _mark(after, p))
        if after.equity(p, after.index, after.at) < maintenance:
            return f"{vault} is still below maintenance"
    return None


@_transition("LIQ-2", "After a partial liquidation the position is smaller and at its target.", "liquidate")
def _target(before: State, action: Action, after: State) -> str | None:
    for vault in action.touched & before.positions.keys() & after.positions.keys():
        old, new = before.positions[vault], after.positions[vault]
        if old == new or old.status != Status.OPEN:
            continue
        _, target = after.market._required(new, after.index, _mark(after, new))
        if abs(new.size) >= abs(old.size) or after.equity(new, after.index, after.at) < target:
            return f"{vault} has size {new.size} of {old.size} and is below its target {target}"
    return None


@_transition("LIQ-3", "A liquidation pays its flat fee out of that vault's margin, even at zero equity.", "liquidate")
def _flat_fee(before: State, action: Action, after: State) -> str | None:
    if len(action.touched) != 1:
        return None
    (vault,) = action.touched
    old = before.positions.get(vault)
    if old is None or after.positions.get(vault) == old or action.sender in before.market.token.blocked:
        return None
    if vault in before.market.token.blocked or before.market.pool.address in before.market.token.blocked:
        return None
    got = after.balance(action.sender) - before.balance(action.sender)
    flat = min(before.market.config.liquidation_fee, old.margin)
    return None if got >= flat else f"the keeper of {vault} got {got} of {flat}"


def _mark(s: State, p: Position) -> int:
    return s.market.instrument.mark(p.series, s.index, s.at)


@_of_each("MAR-3", "What a partial liquidation restores is no less than what keeps a position open.", "positions")
def _target_above(s: State, vault: str, p: Position, order: Order) -> str | None:
    if p.status != Status.OPEN or s.index == 0 or p.series not in s.prices:
        return None
    maintenance, target = s.market._required(p, s.index, _mark(s, p))
    return f"needs {maintenance} and is restored to {target}" if target < maintenance else None


@_transition("MAR-4", "What opens is healthy at its own price.", "execute")
def _opens_healthy(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    old, new = before.positions[vault], after.positions.get(vault)
    if old.status != Status.PENDING or new is None:
        return None
    order, c, proof = before.orders[vault], before.market.config, action.args[1]
    assert isinstance(proof, bytes)
    index, time, _ = before.market.oracle.first_after(order.phase, order.requested_at + c.delay, proof)
    if not isinstance(before.market.margin_model, FixedMargin) and after.time > time + c.time_to_live:
        return None  # what it must have follows a volatility that has gone on since
    mark = before.market.instrument.mark(new.series, index, time)
    maintenance, _ = before.market._required(new, index, mark)
    equity = new.margin + new.size * (mark - new.entry) // before.market.unit
    return f"{vault} has {equity}, needs {maintenance}" if equity < maintenance else None


@_transition("MAR-5", "Taking margin out leaves a position healthy, unless it is covered.", "remove_margin")
def _stays_healthy(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    p = after.positions[vault]
    if after.index == 0 or p.series not in after.prices:
        return None
    maintenance, _ = after.market._required(p, after.index, _mark(after, p))
    if after.equities[vault] >= maintenance or after.market._covered(p, p.margin):
        return None
    return f"{vault} is left with {after.equities[vault]}, needs {maintenance}"


@_transition("ROUND-1", "While the index stands still no step makes the traders together richer.")
def _no_free_money(before: State, action: Action, after: State) -> str | None:
    if before.index == 0 or (before.index, before.at) != (after.index, after.at):
        return None
    if action.name == "execute" and not _at_the_newest(before, action):
        return None  # at a price that is no longer the newest, somebody has won and somebody has lost
    moved, altered = after.moved(before), after.altered(before)
    payer = action.sender if action.name == "add_margin" else None  # anyone may
    gained = sum(gained for who, gained in moved.items() if who in after.owners or who == payer)
    for vault in altered:
        gained += _stake(after, vault) - _stake(before, vault)
    # Roundings of a slice and of its rest; a claim that the trader sends to a stranger is a loss.
    return f"{action.name} made the traders {gained} richer" if gained > 4 * max(len(action.touched), 1) else None


def _at_the_newest(before: State, action: Action) -> bool:
    order, proof = before.orders[str(action.args[0])], action.args[1]
    due = order.requested_at + before.market.config.delay
    if not isinstance(proof, bytes) or not proof:
        return True  # void
    index, time, _ = before.market.oracle.first_after(order.phase, due, proof)
    return index == before.index and (before.options is None or time == before.at)  # an option's value is of its time


def _stake(s: State, vault: str) -> int:
    """What its trader could take out of a vault at the newest price."""
    p, stake = s.positions.get(vault), s.claims.get(vault, NO_CLAIM).trader
    if p is None:
        return stake
    if p.status != Status.OPEN:
        return stake + p.margin
    if p.series not in s.prices:
        return stake + p.margin  # what it has won stands still
    return stake + max(0, min(s.equity(p, s.index, s.at), p.margin + p.reserve))


@_transition("EXE-2", "Execution ends the order it is given, whatever comes of it.", "execute")
def _order_ends(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    return f"{vault} still has its order" if vault in after.orders else None


@_transition("EXE-3", "What is executed is no larger than what was ordered.", "execute")
def _no_more_than_ordered(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    order, old, new = before.orders[vault], before.positions[vault], after.positions.get(vault, NO_POSITION)
    if order.kind == OrderKind.RAISE_RESERVE and new.reserve - old.reserve > order.amount:
        return f"{vault} was raised by {new.reserve - old.reserve}"
    if order.kind == OrderKind.OPEN and (abs(new.size) > abs(old.size) or new.reserve > old.reserve):
        return f"{vault} opened with {new.size}, {new.reserve}"
    left = abs(old.size) - order.amount * LOT
    if order.kind == OrderKind.CLOSE and abs(new.size) < left and new.size != 0:
        return f"{vault} is left with {new.size}"
    return None


@_transition("EXE-4", "No position grows: sizes never rise, entries never move.")
def _never_grows(before: State, action: Action, after: State) -> str | None:
    for vault in after.altered(before):
        old, new = before.positions.get(vault), after.positions.get(vault)
        if old is None or new is None:
            continue
        if abs(new.size) > abs(old.size) or (old.status == Status.OPEN and new.entry != old.entry):
            return f"{vault} became {new}"
    return None


@_transition("CAR-4", "The index of borrowing never falls.")
def _borrowing_rises(before: State, action: Action, after: State) -> str | None:
    for id, series in before.series.items():
        if after.series[id].borrowing < series.borrowing:
            return f"series {id} fell to {after.series[id].borrowing}"
    return None


@_transition("CAR-5", "Carry is settled at the old rates before new ones are fixed: no step makes it jump.")
def _no_jump(before: State, action: Action, after: State) -> str | None:
    if _frozen(after):
        return None
    for id, series in before.series.items():
        if after.series[id] is series:
            continue
        if series.live and book.carry_at(series, after.time) != book.carry_at(after.series[id], after.time):
            return f"series {id} jumped from {book.carry_at(series, after.time)}"
    return None


@_transition("RAMP-1", "The borrow rate rises by its ramp at most.")
def _ramp(before: State, action: Action, after: State) -> str | None:
    parameters = getattr(before.market.instrument, "parameters", None)
    if parameters is None:
        return None
    year = 365 * 86_400
    for id, series in before.series.items():
        new = after.series[id]
        from_ = max(series.borrow_rate, parameters.borrow_base // year)
        most = from_ + parameters.borrow_ramp // year * (after.time - series.time) // 3_600
        if new.borrow_rate > most:
            return f"series {id} rose from {series.borrow_rate} to {new.borrow_rate}, at most {most}"
    return None


def _ramp_factor(before: State, after: State) -> float:
    """By which the volatility may have moved in between."""
    feed = volatility_of(after.market)
    return 1.0 if feed is None else float((RAY / feed.ramp_decay) ** (after.time - before.time))


@_passage("RAMP-1v", "The ramped volatility moves by its ramp at most, whatever is counted or skipped.")
def _ramped(before: State, after: State) -> str | None:
    old, new = before.margins, after.margins
    if old is None or new is None:
        return None
    factor = _ramp_factor(before, after)
    low, high = old.ramped / factor - UNIT, old.ramped * factor
    if low * (1 - 1e-9) <= new.ramped <= high * (1 + 1e-9):
        return None
    return f"it went from {old.ramped} to {new.ramped} in {after.time - before.time} s"


@_passage("RAMP-1m", "At an unchanged index no maintenance rises faster than the ramp.")
def _maintenance_ramps(before: State, after: State) -> str | None:
    old, new = before.margins, after.margins
    if old is None or new is None:
        return None
    most = old.maintenance * _ramp_factor(before, after)
    if new.maintenance <= most * (1 + 1e-9):
        return None
    return f"that of {NOTIONAL} went from {old.maintenance} to {new.maintenance} in {after.time - before.time} s"


@_invariant("MAR-6", "maintenance < target <= initial, whatever the volatility.", "margins")
def _ordered(s: State) -> str | None:
    m = s.margins
    if m is None or 0 < m.maintenance < m.target <= m.initial:
        return None
    return f"of {NOTIONAL}: {m.maintenance}, {m.target}, {m.initial}"


@_transition("VOL-1", "A grid point counts as the primary's first price after its time, or is passed over.", "update")
def _grid_point(before: State, action: Action, after: State) -> str | None:
    old, new, feed, oracle = before.margins, after.margins, volatility_of(before.market), before.market.oracle
    if old is None or new is None or feed is None or not isinstance(oracle, Oracle):
        return None
    was, now = old.remembered, new.remembered
    if now.next != was.next + 1:
        return f"after point {was.next} comes {now.next}"
    index, time = _first_told(oracle, was.phase, was.next * feed.interval)
    if now.gap != 1 or now.price == 0:
        agreeing = _agreeing(oracle, index, time)
        disputed = agreeing is None or agreeing < oracle.quorum
        same = (now.fast, now.slow, now.price) == (was.fast, was.slow, was.price)
        return None if disputed and same else f"point {was.next} at {index} was passed over"
    exponent = now.price & 127
    kept = now.price >> 7 << exponent
    return None if kept <= index < kept + (1 << exponent) else f"point {was.next} is {kept}, not {index}"


@_transition(
    "ORC-2",
    "An order meets the primary's first price after it; so many validators near it confirm it, whatever others say.",
    "execute",
)
def _met_first_price(before: State, action: Action, after: State) -> str | None:
    oracle, due, proof = before.market.oracle, _due(before, action), action.args[1]
    if not isinstance(oracle, Oracle) or not isinstance(proof, bytes) or not proof or _frozen(before):
        return None
    phase = before.orders[str(action.args[0])].phase
    index, time, undisputed = oracle.first_after(phase, due, proof)
    if (index, time) != _first_told(oracle, phase, due):
        return f"it met {index} of {time}, not {_first_told(oracle, phase, due)}"
    agreeing = _agreeing(oracle, index, time)
    if agreeing is None or undisputed == (agreeing >= oracle.quorum):
        return None
    return f"{agreeing} of {oracle.validators} validators confirm {index}, {oracle.quorum} have to"


@_transition(
    "ORC-3",
    "Nothing opens, closes or is liquidated on a price that too few validators confirm, or that is too old.",
    "execute liquidate close_at_reserve",
)
def _nothing_on_a_disputed_price(before: State, action: Action, after: State) -> str | None:
    oracle = before.market.oracle
    if not isinstance(oracle, Oracle) or _frozen(before):
        return None
    if action.name == "execute":
        index, time = _first_told(oracle, before.orders[str(action.args[0])].phase, _due(before, action))
        stale, agreeing = False, _agreeing(oracle, index, time)
    else:
        index, time = _newest_told(oracle)
        stale, agreeing = before.time - time > oracle.max_age, _agreeing(oracle, index, before.time)
    if not stale and (agreeing is None or agreeing >= oracle.quorum):
        return None
    for vault in action.touched & before.positions.keys():
        old, new = before.positions[vault], after.positions.get(vault)
        if old.status == Status.PENDING and new is None:
            continue  # void
        if new is None or (new.size, new.reserve) != (old.size, old.reserve):  # a fee may be paid of its margin
            return f"{vault} became {new} at {index} of {time}, which {agreeing} validators confirm"
    return None


def _due(before: State, action: Action) -> int:
    """The moment after which an order's first price is asked for."""
    return before.orders[str(action.args[0])].requested_at + before.market.config.delay


def _told(oracle: Oracle, answer: int) -> int:
    return answer * int(10 ** (18 - oracle.primary.decimals))


def _first_told(oracle: Oracle, phase: int, after: int) -> tuple[int, int]:
    """Index and time of the primary's first round of a phase after a moment, as its feed holds it; (0, 0): none."""
    first = (0, 0)
    for answer, started, updated in reversed(oracle.primary.at.phases.get(phase, [])):
        if (time := min(started, updated)) <= after:
            break
        first = _told(oracle, answer), time
    return first


def _newest_told(oracle: Oracle) -> tuple[int, int]:
    """The same of its newest round."""
    phases = oracle.primary.at.phases
    rounds = phases[max(phases)]
    return (_told(oracle, rounds[-1][0]), min(rounds[-1][1:])) if rounds else (0, 0)


def _agreeing(oracle: Oracle, index: int, time: int) -> int | None:
    """How many validators tell a price near an index at a moment, as their feeds hold it. None: there are none, or one
    has moved to a new phase, of which the oracle need not have heard yet."""
    feeds = [feed for feed, _ in oracle.feeds]
    if not feeds or any(len(feed.at.phases) > 1 for feed in feeds):
        return None
    agreeing = 0
    for feed in feeds:
        answer, _, updated = next((one for one in reversed(feed.at.phases[1]) if one[2] <= time), (0, 0, 0))
        near = abs(_told(oracle, answer) - index) * ONE <= index * oracle.spread
        agreeing += near and answer > 0 and time - updated <= feed.heartbeat
    return agreeing


@_transition(
    "POOL-10",
    "Entry and exit at one moment leave those who stay no poorer.",
    "deposit mint redeem withdraw execute_exit",
)
def _share_price(before: State, action: Action, after: State) -> str | None:
    if before.busy and (before.standing or (before.index, before.time) != (after.index, after.time)):
        return None
    if before.busy == 0:
        old, new = before.held, after.held
    else:
        old, new = before.held - _gains(before), after.held - _gains(after)
        if old <= 0:
            return None
    # worth a share, virtual ones included, does not fall; a unit of rounding aside
    if (new + 2) * (before.share_supply + 10**6) < (old + 1) * (after.share_supply + 10**6):
        return f"{action.name}: {old} for {before.share_supply} shares became {new} for {after.share_supply}"
    return None


def _gains(s: State) -> int:
    total = 0
    for id in s.live:
        mark = s.market.instrument.mark(id, s.index, s.at)
        total += book.gain(s.series[id], mark, s.index, s.time, s.market.unit)
    return total


@_transition("POOL-11", "Openings stop at the cap of utilisation.", "request_open request_raise")
def _utilisation(before: State, action: Action, after: State) -> str | None:
    used = after.committed * ONE // max(after.held, 1)
    cap = before.market.config.largest_utilisation
    return None if used <= cap else f"utilisation {used}"


@_transition("POOL-12", "The line of exits moves forward only, first come first served.")
def _first_come(before: State, action: Action, after: State) -> str | None:
    if after.line[0] < before.line[0] or after.line[1] < before.line[1] or after.line[0] - before.line[0] > 1:
        return f"the line went from {before.line} to {after.line}"
    for id, exit in after.exits.items():
        old = before.exits.get(id)
        if old is not None and (exit.owner != old.owner or exit.shares > old.shares):
            return f"request {id} became {exit}"
    return None


@_transition("VOID-1", "A void opening gives back all margin but fees that its order could foresee.", "execute")
def _void(before: State, action: Action, after: State) -> str | None:
    vault = str(action.args[0])
    old = before.positions[vault]
    if old.status != Status.PENDING or vault in after.positions:
        return None
    c, trader, proof = before.market.config, before.traders[vault], action.args[1]
    order, top = before.orders[vault], 0
    if isinstance(proof, bytes) and proof:
        top, _, _ = before.market.oracle.first_after(order.phase, order.requested_at + c.delay, proof)
    fee = position_math.fee_up(c.open_fee, abs(old.size), max(top, order.high), before.market.unit)
    kept = after.claims.get(vault, NO_CLAIM).trader - before.claims.get(vault, NO_CLAIM).trader
    got = after.balance(trader) - before.balance(trader) + kept
    least = old.margin - c.keeper_cap - fee
    if trader == action.sender or got >= least:
        return None
    return f"the trader of {vault} got {got} of {old.margin}, at least {least} was due"


@_transition("END-1", "After the end nothing opens.")
def _nothing_opens(before: State, action: Action, after: State) -> str | None:
    if not _frozen(before):
        return None
    opened = [v for v, p in after.open() if before.positions.get(v, NO_POSITION).status != Status.OPEN]
    return f"{opened} opened" if opened or len(after.positions) > len(before.positions) else None


# --- options


@_invariant("OPT-1", "An option's mark lies between 0 and its cap.", "time index at series live options")
def _marks_within_caps(s: State) -> str | None:
    if s.options is None or s.index == 0:
        return None
    for id in s.live:
        mark, cap = s.prices.get(id, (0,))[0], s.market.instrument.cap(id)
        if not 0 <= mark <= cap:
            return f"that of series {id} is {mark}, its cap {cap}"
    return None


@_of_each(
    "OPT-2", "Who has posted the largest possible loss of an option is nowhere below maintenance.", "positions at"
)
def _covered_for_good(s: State, vault: str, p: Position, order: Order) -> str | None:
    if s.options is None or s.index == 0 or p.status != OPEN or p.series not in s.prices:
        return None
    cap, size = s.market.instrument.cap(p.series), abs(p.size)
    worst = p.entry if p.size > 0 else max(cap - p.entry, 0)
    if p.margin < -(-size * worst // s.market.unit):
        return None
    for mark in (0, s.prices[p.series][0], cap):
        equity = p.margin + p.size * (mark - p.entry) // s.market.unit
        required, _ = s.market._required(p, s.index, mark)
        if equity < required:
            return f"has {equity} at the mark {mark}, needs {required}"
    return None


@_transition("OPT-3", "After the fixing every unit of collateral leaves with the settlement.", "settle")
def _all_leaves(before: State, action: Action, after: State) -> str | None:
    if before.options is None:
        return None
    for vault in action.touched & before.positions.keys():
        p = before.positions[vault]
        if p.status != OPEN or option_series.expiry(p.series) not in before.options.fixings:
            continue
        if vault in after.positions:
            return f"{vault} is still open"
        old, new = before.claims.get(vault, NO_CLAIM), after.claims.get(vault, NO_CLAIM)
        left = before.balance(vault) - after.balance(vault) + new.trader + new.pool - old.trader - old.pool
        if left != p.margin + p.reserve:
            return f"{left} of {p.margin + p.reserve} left {vault}"
    return None


@_passage("OPT-4", "The volatility of a time that is past, or less than the lead ahead, never changes.")
def _path_stays(before: State, after: State) -> str | None:
    if before.options is None or after.options is None or before.options.turns == after.options.turns:
        return None
    path = before.market.instrument
    assert isinstance(path, EuropeanOptions)
    for time in (before.time - path.interval, before.time, before.time + path.lead - 1):
        old, new = (_on_path(path, one.options.turns, time) for one in (before, after) if one.options is not None)
        if old != new:
            return f"that of {time} went from {old} to {new} at {after.time}"
    return None


def _on_path(path: EuropeanOptions, turns: tuple[Segment, ...], time: int) -> int:
    """The volatility that turns tell of a time, in plain numbers."""
    start, from_, target = next((turn for turn in turns if turn.start <= time), turns[-1])
    most = from_ * UNIT * path.ramp // ONE * max(time - start, 0) // 3_600
    moved = min(abs(target - from_) * UNIT, most)
    return from_ * UNIT + (moved if target > from_ else -moved)


@_passage("OPT-5", "A settlement price, once known, never changes.")
def _fixed_for_good(before: State, after: State) -> str | None:
    if before.options is None or after.options is None or before.options is after.options:
        return None
    for expiry, index in before.options.fixings.items():
        if after.options.fixings.get(expiry) != index:
            return f"that of {expiry} went from {index} to {after.options.fixings.get(expiry)}"
    return None


@_of_each("OPT-6", "A short must have no more than it can still lose; a long has paid.", "positions at options")
def _no_more_than_the_loss(s: State, vault: str, p: Position, order: Order) -> str | None:
    if s.options is None or s.index == 0 or p.status != OPEN or p.series not in s.prices:
        return None
    cap, model, size = s.market.instrument.cap(p.series), s.market.margin_model, abs(p.size)
    for mark in (0, s.prices[p.series][0], cap):
        most = 0 if p.size > 0 else -(-size * max(cap - mark, 0) // ONE)
        _, target = model.maintenance(p.series, s.index, mark, p.size)
        if target > most:
            return f"is asked for {target} at the mark {mark}, and can lose {most}"
    return None


@_of_each("OPT-7", "Health of an option falls on one side of the index alone.", "positions at options")
def _monotone(s: State, vault: str, p: Position, order: Order) -> str | None:
    if s.options is None or s.index == 0 or p.status != OPEN or p.series not in s.prices:
        return None
    market, healths = s.market, []
    for index in (s.index // 2, s.index * 9 // 10, s.index, s.index * 11 // 10, s.index * 2):
        mark = market.instrument.mark(p.series, index, s.at)
        healths.append(p.size * (mark - p.entry) // market.unit - market._required(p, index, mark)[0])
    if (p.size > 0) == option_series.is_put(p.series):
        healths.reverse()
    room = 4 + abs(p.size) * s.index // (market.unit * 10**12)  # roundings, and the error of a price
    if any(later < sooner - room for sooner, later in pairwise(healths)):
        return f"has, beside its margin, {healths}"
    return None


#: Of every invariant and rule, by id.
SENTENCES: dict[str, str] = {one.id: one.sentence for one in INVARIANTS}
SENTENCES |= {one.id: one.sentence for one in (*TRANSITIONS, *ELSEWHERE)}
SENTENCES |= {one.id: one.sentence for one in PASSAGES}
