"""A quote of the front door is what happens, to the unit; a default reserve is what can be had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bulkhead.protocol import OrderKind, Status, errors
from bulkhead.protocol.events import Claimed, Exited, MarginChanged, Opened, OrderRequested, OrderVoided
from tests.unit.protocol.conftest import Door
from tests.unit.protocol.test_errors import kept

TICK = Decimal("1e-18")


@pytest.mark.parametrize("size", [10, "-12.5"])
@pytest.mark.parametrize("price", [1_990, 2_000, 2_012])
def test_req45_what_is_quoted_happens(any_door: Door, size: Any, price: int) -> None:
    door, market = any_door, any_door.market
    door.open(size=30, margin=4_000, reserve=4_000)
    later = door.protocol.now + timedelta(seconds=60)
    quote = market.quote(size, 1_200, price=price, time=later, trader=door.trader)
    assert quote.refusal is None and quote.largest_loss == 1_200 == quote.margin + quote.open_fee + quote.keeper_fee
    position = market.open(size, 1_200, sender=door.trader)
    door.protocol.set_price(price)
    opened = market.execute(position, sender=door.keeper)
    assert isinstance(opened, Opened)
    told = (opened.entry, opened.fee, opened.keeper_fee, opened.margin, opened.reserve)
    assert told == (quote.fill, quote.open_fee, quote.keeper_fee, quote.margin, quote.reserve)
    low, high = position.healthy_range()
    assert quote.liquidation_price == (low if Decimal(size) > 0 else high)
    beyond = quote.liquidation_price + (TICK if Decimal(size) < 0 else -TICK)
    assert position.health(quote.liquidation_price).healthy and not position.health(beyond).healthy


def test_req45_the_largest_loss_is_what_a_crash_costs(door: Door) -> None:
    market, before = door.market, door.market.token.balance(door.trader)
    quote = market.quote(10, 1_000, trader=door.trader)
    position = door.open(margin=1_000, reserve=2_000)
    door.protocol.set_price(1_200)
    (exited,) = market.liquidate([position])
    assert (exited.size, exited.to_trader, position.status) == (10, 0, Status.NONE)
    assert before - market.token.balance(door.trader) == quote.largest_loss


def test_a_long_that_is_paid_for_has_no_liquidation_price(door: Door) -> None:
    quote = door.market.quote(1, 3_000, trader=door.trader)
    position = door.open(size=1, margin=3_000, reserve=quote.reserve)
    assert quote.liquidation_price is None and position.healthy_range()[0] == 0


@pytest.mark.parametrize(("size", "margin", "reserve"), [(10, 1_500, 1_500), (10, 1_000, None), (1, 3_000, None)])
def test_a_reserve_by_default_is_the_margin_within_bounds(
    door: Door, size: int, margin: int, reserve: int | None
) -> None:
    quote = door.market.quote(size, margin, trader=door.trader)
    bound = quote.lowest_reserve if size == 10 else quote.highest_reserve
    position = door.market.open(size, margin, sender=door.trader)
    assert quote.refusal is None
    assert position.reserve == (bound if reserve is None else reserve)


def test_without_a_margin_the_smallest_is_quoted(door: Door) -> None:
    quote = door.market.quote(10, trader=door.trader)
    assert quote.refusal is None and quote.largest_loss == quote.smallest_margin
    assert quote == door.market.quote(10, quote.smallest_margin, trader=door.trader)


def test_a_quote_says_that_a_margin_is_too_small(door: Door) -> None:
    quote = door.market.quote(10, 300, trader=door.trader)
    assert isinstance(quote.refusal, errors.MarginTooSmall) and quote.smallest_margin > 300


def test_times_have_zones(door: Door) -> None:
    naive = datetime(2030, 1, 1)
    with pytest.raises(ValueError, match="must have a time zone"):
        door.market.quote(10, 1_000, time=naive)
    with pytest.raises(ValueError, match="must be a whole second"):
        door.market.quote(10, 1_000, time=datetime(2030, 1, 1, microsecond=1, tzinfo=UTC))


# ---------------------------------------------------------------- a position's state, and what actions tell


def test_req46_a_state_is_one_question(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    position = door.open()
    asked: list[str] = []
    ask = door.protocol.chain.call
    monkeypatch.setattr(
        door.protocol.chain, "call", lambda *args, **named: asked.append(args[0]) or ask(*args, **named)
    )
    state = position.state
    assert asked == [door.market.need_lens().address]
    monkeypatch.undo()
    assert (state.trader, state.status, state.size, state.entry) == (door.trader, Status.OPEN, 10, 2_001)
    assert state.price == door.market.oracle.latest() and state.health == position.health()
    assert state.time == door.market.oracle.latest().time and state.time.tzinfo is UTC
    assert (state.order, state.claimable) == (None, (0, 0))
    door.protocol.wait(timedelta(hours=2))
    silent = position.state
    assert (silent.price, silent.health, silent.size) == (None, None, 10)


def test_req47_actions_answer_with_what_the_market_said(door: Door) -> None:
    position = door.open()
    added = position.add_margin("12.5")
    assert type(added) is MarginChanged and added.change == Decimal("12.5")
    assert position.remove_margin("2.5").change == Decimal("-2.5")
    raised = position.raise_reserve(7)
    assert type(raised) is OrderRequested and (raised.kind, raised.amount) == (OrderKind.RAISE_RESERVE, 7)
    door.protocol.set_price(2_000)
    door.market.execute(position)
    assert position.close("2.5").amount == Decimal("2.5")
    operators = door.market.operators
    assert operators is not None
    until = door.protocol.now + timedelta(days=1)
    granted = operators.grant(door.market, door.other, [], expiry=until, budget=5, sender=door.trader)
    assert (granted.trader, granted.operator, granted.grant.expiry) == (door.trader, door.other, until)
    assert str(granted).endswith(f": nothing until {until:%Y-%m-%d %H:%M:%S} UTC, up to 5.")
    assert operators.revoke_nonce(sender=door.trader).nonce == 0


def test_req47_a_claim_tells_what_was_claimed(door: Door) -> None:
    position = kept(door)
    owed = position.claimable.trader
    claimed = position.claim(door.other)
    assert type(claimed) is Claimed and (claimed.to, claimed.amount) == (door.other, owed)


def test_req47_an_outage_tells_its_clock(door: Door) -> None:
    oracle = door.market.oracle
    assert oracle.check_outage() is None
    door.protocol.wait(timedelta(hours=3))
    started = oracle.check_outage()
    assert str(started) == f"An outage has started at {door.protocol.now:%Y-%m-%d %H:%M:%S} UTC."
    door.protocol.set_price(2_000)
    door.protocol.set_price(2_000)
    assert str(oracle.check_outage()).startswith("The outage is over: ")


def test_the_positions_of_a_market(door: Door) -> None:
    market = door.market
    assert market.positions() == []
    first, second = door.open(size=5), door.open(size=-5)
    second.close()
    void = door.request(band=(1_990, 1_999))
    door.protocol.set_price(2_000)
    assert isinstance(market.execute(second), Exited) and isinstance(market.execute(void), OrderVoided)
    part = door.open()
    part.close(2)
    door.protocol.set_price(2_000)
    market.execute(part)
    waiting = door.request()
    assert market.positions() == [first, part, waiting]


def test_for_nobody_nothing_is_sent(door: Door) -> None:
    block = door.protocol.chain.block_number
    assert door.market.liquidate([]) == [] and door.market.settle([]) == []
    assert door.protocol.chain.block_number == block


def test_a_chain_of_ones_own_goes_back(door: Door) -> None:
    before = door.protocol.now
    with door.protocol.isolated():
        door.protocol.wait(timedelta(days=1))
        door.protocol.fund(door.stranger, 5)
        assert door.protocol.now == before + timedelta(days=1)
    assert door.protocol.now == before and door.market.token.balance(door.stranger) == 0
