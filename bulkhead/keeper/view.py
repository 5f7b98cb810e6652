"""A market as the policy sees it: what the chain tells at a block, and what the index finds for its price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bulkhead.chain import Revert, to_address
from bulkhead.keeper.bounds import Bounds
from bulkhead.keeper.checkpoint import Known
from bulkhead.keeper.follower import Follower, Header
from bulkhead.keeper.health import has_won_reserve, is_liquidatable
from bulkhead.keeper.policy import Clock, Held, Price, State
from bulkhead.keeper.terms import Terms
from bulkhead.model.interfaces.pool import Exit
from bulkhead.model.libraries import book
from bulkhead.model.libraries.book import Series
from bulkhead.protocol.market import Market


class View:
    """`sweep` is the time between two sweeps of the follower's index, seconds."""

    def __init__(self, market: Market, terms: Terms, follower: Follower, sweep: int) -> None:
        self._market, self._terms, self._follower, self._sweep = market, terms, follower, sweep

    def price(self) -> Price | None:
        """The newest valid price, where there is one."""
        price: Price | None = or_none(lambda: Price(*self._market.oracle.contract.call.latest()))
        return price

    def state(self, head: Header, price: Price | None, unpriced_since: int, busy: frozenset[str]) -> State:
        """At the newest block, which the follower has seen."""
        oracle = self._market.oracle.contract.call
        ended, clock = bool(oracle.finalPrice()[0]), oracle.clock()
        liquidatable, winners = ([], []) if price is None else self._found(price.index, head.time)
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
            alive=[_held(vault, known) for vault, known in self._follower.known().items()] if ended else (),
            first_exit=self._first_exit(),
            busy=busy,
        )

    def _found(self, price: int, now: int) -> tuple[list[Held], list[Held]]:
        """Whom a price lets be liquidated, and who has won the reserve."""
        index, terms = self._follower.index, self._terms
        model, unit, rate = terms.margin_model, terms.unit, terms.margin_model.maintenance_rate
        series = _series(self._market.contract.call.seriesOf(0))
        if now > index.until or index.is_crowded:
            until = now + self._sweep
            index.sweep(Bounds.until(series, terms.fastest, rate, now, until), until)
        carry = book.carry_at(series, now)
        exact = Bounds.at(carry, rate)
        sick = index.liquidatable(price, now, exact, lambda p: is_liquidatable(p, price, carry, model, unit))
        won = index.at_reserve(price, now, lambda p: has_won_reserve(p, price, carry, unit))
        liquidatable, winners = (
            [_held(vault, self._follower.at(vault)) for vault, _ in index.vaults(rows)] for rows in (sick, won)
        )
        return liquidatable, winners

    def _first_exit(self) -> Exit | None:
        call = self._market.pool.contract.call
        _, first = call.exitOf(0)
        told, _ = call.exitOf(first)
        return Exit(to_address(told.owner), told.requestedAt, told.phase, told.shares) if told.shares else None


def or_none(ask: Callable[[], Any]) -> Any:
    """What a view answers, None where it refuses."""
    try:
        return ask()
    except Revert:
        return None


def _held(vault: bytes, known: Known) -> Held:
    return Held(to_address(vault), known.position, known.order)


def _series(told: Any) -> Series:
    long, short = ((side.amounts, side.indices) for side in (told.long, told.short))
    return book.unpacked((told.sizes, told.carry, long, short))
