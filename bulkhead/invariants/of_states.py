"""What holds of every state of a market."""

from __future__ import annotations

from bulkhead.invariants.rules import differ, invariant, of_each, of_each_series
from bulkhead.invariants.state import NOTIONAL, State, frozen
from bulkhead.model.integers import MAX_UINT88
from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status
from bulkhead.model.libraries import bands, book
from bulkhead.model.libraries.book import Series
from bulkhead.model.libraries.position_math import LOT
from bulkhead.model.market import NO_CLAIM
from bulkhead.model.pool import CAPACITY

# --- vaults and tokens


@of_each("SAFE-1", "A vault holds at least margin, reserve and what is claimable.", "positions claims tokens")
def _vaults_hold(s: State, vault: str, p: Position, order: Order) -> str | None:
    claim = s.claims.get(vault, NO_CLAIM)
    due = p.margin + claim.trader + claim.pool + (p.reserve if p.status == Status.OPEN else 0)
    return f"holds {s.balance(vault)} of {due}" if s.balance(vault) < due else None


@invariant("SAFE-1c", "A vault whose position is over holds at least what is claimable.", "positions claims tokens")
def _claims_are_held(s: State) -> str | None:
    for vault, claim in s.claims.items():
        if vault not in s.positions and s.balance(vault) < claim.trader + claim.pool:
            return f"{vault} holds {s.balance(vault)} of {claim.trader + claim.pool}"
    return None


@invariant("SAFE-2", "Tokens are conserved: all balances sum to the supply.", "tokens supply")
def _conserved(s: State) -> str | None:
    return differ("the sum of balances", sum(s.tokens.values()), s.supply)


@invariant(
    "SAFE-2p",
    "The pool holds its idle, its earmarks and what it keeps for those a token refused.",
    "tokens idle committed positions kept",
)
def _pool_holds(s: State) -> str | None:
    earmarks = s.committed - s.reserves
    due = s.idle + earmarks + sum(s.kept.values())
    held = s.balance(s.market.pool.address)
    return None if held >= due else f"the pool holds {held} of {due}"


@invariant("SAFE-2m", "The market itself holds no tokens that it has been paid.", "tokens")
def _market_holds_nothing(s: State) -> str | None:
    return differ("the market's balance", s.balance(s.market.address), 0)


@invariant(
    "SAFE-5",
    "The pool is worth no less than what lies outside its positions' reserves.",
    "time index at positions series idle committed owed",
)
def _bounded_loss(s: State) -> str | None:
    if s.standing:
        return None
    floor = s.held - s.reserves
    return None if s.worth >= floor else f"worth {s.worth} below {floor}"


@invariant(
    "SAFE-5u",
    "The pool is worth no more than what it holds and all margins.",
    "time index at positions series idle committed owed",
)
def _bounded_gain(s: State) -> str | None:
    if s.standing:
        return None
    ceiling = s.held + sum([p.margin for _, p in s.open])
    return None if s.worth <= ceiling else f"worth {s.worth} above {ceiling}"


# --- the pool's sums


@invariant(
    "POOL-2", "Committed is the reserves of open positions and the earmarks of orders.", "committed positions orders"
)
def _committed(s: State) -> str | None:
    reserves = sum([p.reserve for p in s.positions.values()])
    raises = sum([o.amount for o in s.orders.values() if o.kind == OrderKind.RAISE_RESERVE])
    return differ("committed", s.committed, reserves + raises)


@invariant("POOL-3", "The pool counts the claims that its vaults owe it.", "owed claims")
def _owed(s: State) -> str | None:
    return differ("owed", s.owed, sum(c.pool for c in s.claims.values()))


@invariant("POOL-4", "The pool counts the positions that are open or pending.", "busy positions")
def _busy(s: State) -> str | None:
    return differ("busy", s.busy, len(s.positions))


@invariant(
    "POOL-5",
    "Shares in the line of exits are those of its requests, and the pool holds them.",
    "exits shares exit_shares",
)
def _exit_shares(s: State) -> str | None:
    asked = sum(exit.shares for exit in s.exits.values())
    if s.shares.get(s.market.pool.address, 0) < asked:
        return f"the pool holds fewer shares than the {asked} asked for"
    return differ("exit shares", s.exit_shares, asked)


@invariant("POOL-6", "The line of exits is whole: every request from the first to the last is there.", "exits line")
def _line(s: State) -> str | None:
    first, last = s.line
    return differ("the line", sorted(s.exits), list(range(first, last)))


@invariant("POOL-7", "Shares are conserved.", "shares share_supply")
def _shares(s: State) -> str | None:
    return differ("the sum of shares", sum(s.shares.values()), s.share_supply)


@invariant("POOL-8", "What the pool counts fits where it lies.", "idle committed busy")
def _funds_fit(s: State) -> str | None:
    if not 0 <= s.idle <= MAX_UINT88:
        return f"idle is {s.idle}"
    if not 0 <= s.committed <= CAPACITY:
        return f"committed is {s.committed}"
    return None if s.busy < 1 << 24 else f"busy is {s.busy}"


@invariant("POOL-9", "The last index is one that 40 bits hold.", "last_index")
def _last_index(s: State) -> str | None:
    return differ("the last index", s.last_index, bands.value(bands.floor(s.last_index)))


@invariant(
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


@invariant("BOOK-1", "A series' open sizes are those of its positions.", "series positions")
def _sizes(s: State) -> str | None:
    return s.miscounted.get("lots")


@invariant("BOOK-2", "A series' pending sizes are those of its orders.", "series positions orders")
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


@invariant("BOOK-3", "A side's margin is that of its positions, in units of 256.", "series positions")
def _margins(s: State) -> str | None:
    return s.miscounted.get("margin")


@invariant("BOOK-4", "A side's reserve is that of its positions.", "series positions")
def _reserves(s: State) -> str | None:
    return s.miscounted.get("reserve")


@invariant("BOOK-5", "A side's entry value is that of its positions.", "series positions")
def _entries(s: State) -> str | None:
    return s.miscounted.get("entry value")


@invariant("BOOK-6", "A side's funding at entry is that of its positions.", "series positions")
def _funding(s: State) -> str | None:
    return s.miscounted.get("funding")


@invariant("BOOK-7", "A side's borrowing at entry is that of its positions.", "series positions")
def _borrowing(s: State) -> str | None:
    return s.miscounted.get("borrowing")


@invariant("BOOK-8", "Series with something open or pending are listed, each once, ten at most.", "live positions")
def _listed(s: State) -> str | None:
    if len(set(s.live)) != len(s.live) or len(s.live) > 10:
        return f"the list is {s.live}"
    missing = {p.series for p in s.positions.values()} - set(s.live)
    return f"{missing} are not listed" if missing else None


@invariant("BOOK-9", "A listed series knows that it is listed, and only it.", "live series")
def _live(s: State) -> str | None:
    return differ("the series that say so", sorted(id for id, one in s.series.items() if one.live), sorted(s.live))


@of_each_series("BOOK-10", "The words of a series hold it.", "series")
def _words(s: State, id: int, series: Series) -> str | None:
    return None if book.unpacked(book.packed(series)) == series else "does not come back from its words"


# --- positions


@of_each("POS-1", "A position is at least the minimum size, in whole lots.", "positions")
def _size(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = abs(p.size) < s.market.config.min_size or p.size % LOT
    return f"has size {p.size}" if wrong else None


@of_each("POS-2", "A pending position has the minimum margin.", "positions")
def _pending_margin(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.status == Status.PENDING and p.margin < s.market.config.min_margin
    return f"has margin {p.margin}" if wrong else None


@of_each("POS-3", "A position's margin, reserve and entry fit where they lie.", "positions")
def _fits(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.margin >> 88 or p.reserve >> 88 or p.entry >> 112 or p.margin < 0 or p.reserve < 0
    return f"has margin {p.margin}, reserve {p.reserve}, entry {p.entry}" if wrong else None


@of_each("POS-4", "No position has a price from the future, and every one has a trader.", "positions traders")
def _times(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.time > s.time or vault not in s.traders
    return f"is of {p.time}, it is {s.time}" if wrong else None


@of_each("POS-5", "The reserve of a short never exceeds the most it can win.", "positions")
def _largest_win(s: State, vault: str, p: Position, order: Order) -> str | None:
    if p.size > 0 or p.status != Status.OPEN:
        return None
    # A partial exit leaves what does not divide.
    most = -(p.size * p.entry // s.market.unit) + 2
    return f"has reserve {p.reserve}, it can win {most}" if p.reserve > most else None


@invariant("POS-6", "An open position remembers no index of borrowing that has not been.", "positions series")
def _remembered(s: State) -> str | None:
    now = {id: book.carry_at(series, s.time).borrowing for id, series in s.series.items()}
    for vault, p in s.open:
        if p.borrowing * book.KEPT > now[p.series]:
            return f"{vault} remembers {p.borrowing}, it is {now[p.series]}"
    return None


@of_each("ORD-1", "A pending position has the order that opens it, an open one none of that kind.", "positions orders")
def _opening_orders(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = (p.status == Status.PENDING) != (order.kind == OrderKind.OPEN)
    return f"is {p.status.name} with an order of kind {order.kind.name}" if wrong else None


@invariant("ORD-2", "An order dies with its position.", "positions orders")
def _no_orphans(s: State) -> str | None:
    orphans = s.orders.keys() - s.positions.keys()
    return f"orders of {sorted(orphans)}" if orphans else None


@of_each("ORD-3", "An order's band is not empty, and a word holds it.", "orders")
def _bands(s: State, vault: str, p: Position, order: Order) -> str | None:
    if order.high and order.low > order.high:
        return f"has the band {order.low} to {order.high}"
    held = bands.value(bands.floor(order.low)) == order.low and bands.value(bands.floor(order.high)) == order.high
    return None if held else "has a band that no word holds"


@of_each("ORD-4", "An order is of the past, its premium of nine decimals.", "orders")
def _orders(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = order.requested_at > s.time or order.premium % 10**9 or order.premium >= 2**32 * 10**9
    return f"has premium {order.premium} at {order.requested_at}" if wrong else None


@of_each("ORD-5", "The earmark of a pending position is that of its order.", "positions orders")
def _earmarks(s: State, vault: str, p: Position, order: Order) -> str | None:
    wrong = p.status == Status.PENDING and order.amount != p.reserve
    return f"has {p.reserve}, its order {order.amount}" if wrong else None


# --- carry


@of_each_series(
    "CAR-1", "Rates of carry are those that a series can keep, and borrowing never pays the trader.", "series"
)
def _rates(s: State, id: int, series: Series) -> str | None:
    kept = abs(series.funding_rate) >> 39 == 0 and 0 <= series.borrow_rate < 1 << 40
    return None if kept else f"has the rates {series.funding_rate}, {series.borrow_rate}"


@of_each_series("CAR-2", "The rates are not of the future.", "series")
def _rates_time(s: State, id: int, series: Series) -> str | None:
    return f"is of {series.time}, it is {s.time}" if series.time > s.time else None


@invariant("CAR-3", "The heavier side pays the funding, so that what the lighter receives is never more.", "series")
def _funding_sides(s: State) -> str | None:
    for id, series in s.series.items():
        heavy_pays = series.funding_rate == 0 or (series.funding_rate > 0) == (series.long_lots > series.short_lots)
        if not heavy_pays and s.market.instrument.has_carry() and not frozen(s):
            return f"series {id}: rate {series.funding_rate} at {series.long_lots} long, {series.short_lots} short"
    return None


# --- margins


@of_each("MAR-3", "What a partial liquidation restores is no less than what keeps a position open.", "positions")
def _target_above(s: State, vault: str, p: Position, order: Order) -> str | None:
    if p.status != Status.OPEN or s.index == 0 or p.series not in s.prices:
        return None
    maintenance, target = s.market._required(p, s.index, s.prices[p.series][0])
    return f"needs {maintenance} and is restored to {target}" if target < maintenance else None


@invariant("MAR-6", "maintenance < target <= initial, whatever the volatility.", "margins")
def _ordered(s: State) -> str | None:
    m = s.margins
    if m is None or 0 < m.maintenance < m.target <= m.initial:
        return None
    return f"of {NOTIONAL}: {m.maintenance}, {m.target}, {m.initial}"
