"""Reads the state that the policy decides by: what the chain answers at a block, what the index finds for its price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bulkhead.chain import Revert, to_address
from bulkhead.keeper.bounds import Bounds
from bulkhead.keeper.checkpoint import Known
from bulkhead.keeper.follower import Follower, Header
from bulkhead.keeper.health import has_won_reserve, is_covered, is_liquidatable
from bulkhead.keeper.policy import AHEAD, Clock, Fixing, GridPoint, Held, Price, State
from bulkhead.keeper.ramp import rate_of
from bulkhead.keeper.terms import Terms
from bulkhead.model.instruments.expiry_fixing import WINDOW
from bulkhead.model.interfaces.expiry_fixing import Sample
from bulkhead.model.interfaces.market import Position, Status
from bulkhead.model.interfaces.pool import Exit
from bulkhead.model.libraries import book, option_series
from bulkhead.model.libraries.book import Series
from bulkhead.protocol.market import Market

#: Positions whose health is asked for in one call of the lens.
JUDGED = 100


class StateReader:
    """`sweep` is the time between two sweeps of the follower's index, seconds; `pulled`: see `State`."""

    def __init__(self, market: Market, terms: Terms, follower: Follower, sweep: int, pulled: bool = False) -> None:
        self._market, self._terms, self._follower, self._sweep = market, terms, follower, sweep
        self._pulled = pulled
        #: The largest value of each series' mark, which is fixed for good.
        self._caps: dict[int, int] = {}

    def price(self) -> Price | None:
        """The newest valid price, where there is one."""
        price: Price | None = or_none(lambda: Price(*self._market.oracle.contract.call.latest()))
        return price

    def state(self, head: Header, price: Price | None, unpriced_since: int, busy: frozenset[str]) -> State:
        """At the newest block, which the follower has seen."""
        oracle = self._market.oracle.contract.call
        ended, clock = bool(oracle.finalPrice()[0]), oracle.clock()
        found = self._judged if self._terms.fastest is None else self._found
        liquidatable, winners = ([], []) if price is None else found(price, head.time)
        return State(
            now=head.time,
            config=self._terms.config,
            price=price,
            unpriced_since=unpriced_since,
            phase=or_none(lambda: int(oracle.commitment())),
            ended=ended,
            clock=Clock(clock.started, clock.seen, self._terms.outage_limit),
            waiting=[_held(vault, known) for vault, known in self._follower.waiting.items()],
            liquidatable=liquidatable,
            winners=winners,
            settleable=self._all() if ended else self._expired(),
            first_exit=self._first_exit(),
            grid_point=self._grid_point(),
            turn_due=self._terms.options is not None and bool(self._terms.options.path.call.turnDue()),
            fixings=self._fixings(head.time),
            busy=busy,
            pulled=self._pulled,
        )

    def _all(self) -> list[Held]:
        return [_held(vault, known) for vault, known in self._follower.known().items()]

    def _expired(self) -> list[Held]:
        """Open positions of series that have their final mark; a perpetual never has one."""
        if self._terms.fastest is not None:
            return []
        held = [one for one in self._all() if one.position.status == Status.OPEN]
        final = self._terms.instrument.call.finalMark
        expired = {series for series in {one.position.series for one in held} if final(series)[0]}
        return [one for one in held if one.position.series in expired]

    def _judged(self, price: Price, now: int) -> tuple[list[Held], list[Held]]:
        """The same as `_found`, of a family that no index orders: the lens looks at every position, in many calls.

        But for what is covered, and for series that stand still.
        """
        held = {one.vault: one for one in self._all() if self._is_at_risk(one.position)}
        series = {one.position.series for one in held.values()}
        still = {one for one in series if not self._terms.has_mark(one, price.index, price.time)}
        vaults = sorted(vault for vault, one in held.items() if one.position.series not in still)
        lens = self._market.need_lens().call
        liquidatable, winners = list[Held](), list[Held]()
        for start in range(0, len(vaults), JUDGED):
            some = vaults[start : start + JUDGED]
            for health in lens.healthOf(self._market.address, some, price.index, price.time):
                one = held[to_address(health.position)]
                if health.equity < health.maintenance:
                    liquidatable.append(one)
                if health.equity - one.position.margin >= one.position.reserve:
                    winners.append(one)
        return liquidatable, winners

    def _is_at_risk(self, p: Position) -> bool:
        """Can a price get it liquidated, or win it its reserve?"""
        if p.status != Status.OPEN or self._terms.has_carry:
            return p.status == Status.OPEN
        if p.series not in self._caps:
            self._caps[p.series] = int(self._terms.instrument.call.cap(p.series))
        return not is_covered(p, self._caps[p.series], self._terms.unit)

    def _found(self, newest: Price, now: int) -> tuple[list[Held], list[Held]]:
        """Whom a price lets be liquidated, and who has won the reserve."""
        index, terms, price = self._follower.index, self._terms, newest.index
        model, unit = terms.margin_model, terms.unit
        assert terms.fastest is not None and model is not None
        terms.look(now)
        series = series_of(self._market.contract.call.seriesOf(0))
        if now > index.until or index.is_crowded:
            until = now + self._sweep
            index.sweep(Bounds.until(series, terms.fastest, terms.highest_rate(self._sweep), now, until), until)
        carry = book.carry_at(series, now)
        exact = Bounds.at(carry, rate_of(model))
        sick = index.liquidatable(price, now, exact, lambda p: is_liquidatable(p, price, carry, model, unit))
        won = index.at_reserve(price, now, lambda p: has_won_reserve(p, price, carry, unit))
        liquidatable, winners = (
            [_held(vault, self._follower.at(vault)) for vault, _ in index.vaults(rows)] for rows in (sick, won)
        )
        return liquidatable, winners

    def _grid_point(self) -> GridPoint | None:
        if self._terms.volatility is None:
            return None
        due = self._terms.volatility.due()
        return GridPoint(due.update, due.skip)

    def _fixings(self, now: int) -> list[Fixing]:
        """Of the expiries that somebody has a position or an order of."""
        options = self._terms.options
        if options is None:
            return []
        expiries, found = {option_series.expiry(one.position.series) for one in self._all()}, []
        for expiry in sorted(expiry for expiry in expiries if now >= expiry - WINDOW - AHEAD):
            if not options.fixing.call.fixingOf(expiry).known:
                samples, until = options.fixing.call.samplesOf(expiry)
                found.append(Fixing(expiry, [Sample(*sample) for sample in samples], until))
        return found

    def _first_exit(self) -> Exit | None:
        call = self._market.pool.contract.call
        _, first = call.exitOf(0)
        told, _ = call.exitOf(first)
        return (
            Exit(to_address(told.owner), told.requestedAt, told.phase, told.shares, told.least) if told.shares else None
        )


def or_none(ask: Callable[[], Any]) -> Any:
    """What a view answers, None where it refuses."""
    try:
        return ask()
    except Revert:
        return None


def _held(vault: bytes, known: Known) -> Held:
    return Held(to_address(vault), known.position, known.order)


def series_of(answer: Any) -> Series:
    """What `Market.seriesOf` answers, as the twin keeps it."""
    long, short = ((side.amounts, side.indices) for side in (answer.long, answer.short))
    return book.unpacked((answer.sizes, answer.carry, long, short))
