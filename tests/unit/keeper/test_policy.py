"""The policy: what it wants of a state, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bulkhead.keeper.policy import (
    CLOCK,
    EXPIRED_POINT,
    FIRST_EXIT,
    GRID_POINT,
    Clock,
    GridPoint,
    Held,
    Intent,
    Price,
    State,
    decide,
    is_worth_it,
)
from bulkhead.keeper.settings import Job, Settings
from bulkhead.model.interfaces.market import MarketConfig, Order, OrderKind, Position, Status
from bulkhead.model.interfaces.pool import Exit
from bulkhead.protocol import MarketTerms
from bulkhead.protocol.config import camel

NOW = 1_800_000_000
_terms = MarketTerms().encoded(6)
CONFIG = MarketConfig(**{name: _terms[camel(name)] for name in MarketConfig.__dataclass_fields__})
DUE = CONFIG.delay
LIFE = CONFIG.delay + CONFIG.time_to_live
ALL = Settings()
QUIET = State(NOW, CONFIG, Price(2_000 * 10**18, NOW), NOW, 1, False, Clock(0, 0, 86_400))


def held(vault: str, margin: int = 1_000, opened: int = NOW - 60, **order: Any) -> Held:
    position = Position(margin * 10**6, 0, Status.OPEN, 10**18, 2_000 * 10**18, time=opened)
    return Held(vault, position, Order(**({"phase": 1} | order)))  # type: ignore[arg-type]


def waits(vault: str, ago: int, kind: OrderKind = OrderKind.OPEN, **terms: Any) -> Held:
    return held(vault, kind=kind, requested_at=NOW - ago, **terms)


def wanted(state: State, settings: Settings = ALL) -> list[tuple[Job, tuple[str, ...]]]:
    return [(intent.job, intent.targets) for intent in decide(state, settings)]


def test_nothing_is_wanted_where_there_is_nothing() -> None:
    assert wanted(QUIET) == []


@pytest.mark.parametrize(
    ("ago", "price", "ready"),
    [
        (DUE, NOW, False),  # a price of that very second is not after it
        (DUE + 1, NOW, True),
        (DUE + 1, NOW - 1, False),  # nothing newer yet
        (DUE + 1, None, True),  # a price that is no good to risk may be the first all the same
        (LIFE, NOW - LIFE, False),
        (LIFE + 1, NOW - LIFE, True),  # nobody can prove it any more: void
    ],
)
def test_orders_are_executed_once_their_price_may_be_there(ago: int, price: int | None, ready: bool) -> None:
    newest = None if price is None else Price(2_000 * 10**18, price)
    state = replace(QUIET, waiting=[waits("a", ago)], price=newest)
    assert wanted(state) == ([(Job.EXECUTE, ("a",))] if ready else [])


def test_where_prices_are_brought_along_an_old_one_tells_nothing_of_newer_ones() -> None:
    first = Exit("0x1", NOW - DUE - 1, 1, 5)
    state = replace(QUIET, waiting=[waits("a", DUE + 1)], first_exit=first, price=Price(2_000 * 10**18, NOW - 60))
    assert wanted(state) == []
    assert wanted(replace(state, pulled=True)) == [(Job.EXECUTE, ("a",)), (Job.EXIT, (FIRST_EXIT,))]
    early = [waits("a", DUE)]
    assert wanted(replace(QUIET, waiting=early, pulled=True)) == []


def test_the_oldest_order_is_executed_first_and_pays_more() -> None:
    state = replace(QUIET, waiting=[waits("new", DUE + 1), waits("old", LIFE)])
    first, second = decide(state, ALL)
    assert (first.targets, second.targets) == (("old",), ("new",))
    assert (first.pay, second.pay) == (CONFIG.keeper_cap, CONFIG.keeper_floor + 19 * 10**6 // CONFIG.time_to_live)


def test_liquidations_come_in_batches_the_largest_margins_first() -> None:
    sick = [held(str(margin), margin) for margin in (3, 200, 100)]
    state = replace(QUIET, liquidatable=sick)
    first, second = decide(state, replace(ALL, batch=2))
    assert first == Intent(Job.LIQUIDATE, ("200", "100"), 2 * CONFIG.liquidation_fee)
    assert second == Intent(Job.LIQUIDATE, ("3",), 3 * 10**6)  # a margin below the fee pays what it has


def test_a_position_opened_at_or_after_the_price_is_left_alone() -> None:
    young = [held("a", opened=NOW), held("b", opened=NOW - 1)]
    assert wanted(replace(QUIET, liquidatable=young)) == [(Job.LIQUIDATE, ("b",))]
    assert wanted(replace(QUIET, winners=young)) == [(Job.CLOSE_AT_RESERVE, ("b",))]


def test_a_due_close_goes_before_its_liquidation() -> None:
    due = waits("a", DUE + 1, OrderKind.CLOSE)
    state = replace(QUIET, waiting=[due], liquidatable=[due])
    assert wanted(state) == [(Job.EXECUTE, ("a",))]
    alone = replace(ALL, jobs=frozenset({Job.LIQUIDATE}))
    assert wanted(state, alone) == []
    assert wanted(replace(state, phase=2), alone) == [(Job.LIQUIDATE, ("a",))]  # of a phase that is over
    assert wanted(replace(state, liquidatable=[waits("a", LIFE + 1, OrderKind.CLOSE)]), alone) != []
    undue = waits("a", DUE, OrderKind.CLOSE)  # the price is not after it
    assert wanted(replace(state, liquidatable=[undue]), alone) == [(Job.LIQUIDATE, ("a",))]
    raising = waits("a", DUE + 1, OrderKind.RAISE_RESERVE)
    assert wanted(replace(state, liquidatable=[raising]), alone) != []  # shields nothing
    assert wanted(replace(QUIET, winners=[raising])) == []  # but goes before a close at the reserve


def test_nothing_is_done_twice_and_nothing_that_is_busy() -> None:
    both = [held("a"), held("b")]
    state = replace(QUIET, liquidatable=both, winners=both, busy=frozenset({"a"}))
    assert wanted(state) == [(Job.LIQUIDATE, ("b",))]


def test_an_ended_market_is_settled_and_nothing_else() -> None:
    rest = [held("a"), waits("b", DUE + 1)]
    state = replace(QUIET, ended=True, price=None, settleable=rest, waiting=rest[1:])
    assert wanted(state) == [(Job.SETTLE, ("a", "b"))]


def test_the_first_exit_is_paid_after_its_price() -> None:
    leaves = Exit("owner", NOW - DUE - 1, 1, 10**18)
    assert wanted(replace(QUIET, first_exit=leaves)) == [(Job.EXIT, (FIRST_EXIT,))]
    assert wanted(replace(QUIET, first_exit=leaves, price=Price(1, NOW - 1))) == []
    assert wanted(replace(QUIET, first_exit=replace(leaves, requested_at=NOW - DUE))) == []


@pytest.mark.parametrize(
    ("clock", "price", "ready"),
    [
        (Clock(0, 0, 800), NOW, False),
        (Clock(0, 0, 800), None, True),
        (Clock(NOW - 50, NOW - 50, 800), NOW, True),  # clears it
        (Clock(NOW - 50, NOW - 50, 800), NOW - 50, False),  # no later than its start
        (Clock(NOW - 79, NOW - 79, 800), None, False),
        (Clock(NOW - 80, NOW - 80, 800), None, True),  # a witness every eighth, with room
        (Clock(NOW - 800, NOW - 10, 800), None, True),  # complete
    ],
)
def test_the_clock_of_an_outage(clock: Clock, price: int | None, ready: bool) -> None:
    newest = None if price is None else Price(2_000 * 10**18, price)
    state = replace(QUIET, clock=clock, price=newest, unpriced_since=NOW - ALL.outage_after)
    assert wanted(state) == ([(Job.OUTAGE, (CLOCK,))] if ready else [])
    assert wanted(replace(state, clock=Clock(0, 0, 800), unpriced_since=NOW - ALL.outage_after + 1)) == []


def test_profit_is_after_gas_and_rounded_against_it() -> None:
    intent = Intent(Job.LIQUIDATE, ("a",), 1_000)
    settings = Settings(coin=10**18, least_profit=100)  # a token unit is a wei
    assert is_worth_it(intent, 900, 1, settings)
    assert not is_worth_it(intent, 901, 1, settings)
    assert not is_worth_it(intent, 1_800, 1, replace(settings, coin=10**18 // 2 + 1))
    assert is_worth_it(Intent(Job.OUTAGE, (CLOCK,), 0), 10**6, 1, settings)


def test_a_volatility_feed_is_updated_or_skipped_for_nothing() -> None:
    for point, target in ((GridPoint(True, False), GRID_POINT), (GridPoint(False, True), EXPIRED_POINT)):
        state = replace(QUIET, grid_point=point)
        (intent,) = decide(state, ALL)
        assert intent == Intent(Job.VOLATILITY, (target,), 0)
        assert is_worth_it(intent, 10**6, 10**12, replace(ALL, coin=10**9, least_profit=10**9))
        assert wanted(replace(state, busy=frozenset({target}))) == []
        assert wanted(replace(state, ended=True)) == []
    assert wanted(replace(QUIET, grid_point=GridPoint(False, False))) == []
