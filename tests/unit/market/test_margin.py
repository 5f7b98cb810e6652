"""Margin in by anyone, out by the trader: unrealised gain never counts, the price is shocked, cover needs no price."""

from typing import Any

import pytest

from bulkhead.chain import Revert
from tests.book import series_of
from tests.unit.market.helpers import (
    ACTION_REMOVE,
    FEE,
    MIN_MARGIN,
    OPEN,
    PENDING,
    POOLED,
    TOKEN,
    carry_of,
    conserved,
    fee_of,
    gain_of,
    grant,
    position_of,
    rates_of,
    refused,
    requested,
    value_up,
)
from tests.unit.market.instrument import code_of, market_of, say
from tests.world import ONE, PRICE, World

KEEPER = 1_233_846
MARGIN = 1_990 * TOKEN - KEEPER
IDLE = POOLED - 4_990 * TOKEN


def remove(world: World, position: str, amount: int, market: Any = None, sender: str | None = None) -> Any:
    return (market or world.perpetual).market.send.removeMargin(position, amount, sender=sender or world.trader)


def no_more_than(world: World, position: str, spare: int, required: int, market: Any = None) -> None:
    """`spare` may be taken out and not a unit more."""
    market = market or world.perpetual
    before, margin = world.balance(world.trader), position_of(world, position, market).margin
    refused(
        world,
        "MarginTooSmall",
        (required - 1, required),
        market.market.send.removeMargin,
        position,
        spare + 1,
        sender=world.trader,
        positions=[position],
    )
    receipt = remove(world, position, spare, market)
    assert tuple(receipt.event("MarginChanged").args) == (position, -spare)
    assert world.balance(world.trader) - before == spare
    assert position_of(world, position, market).margin == margin - spare
    conserved(world, position)


# ---------------------------------------------------------------- add


@pytest.mark.parametrize("who", ["trader", "other", "stranger"])
@pytest.mark.parametrize("opened", [True, False])
def test_anyone_adds_out_of_its_own_tokens(world: World, who: str, opened: bool) -> None:
    position = world.open() if opened else requested(world)
    p = position_of(world, position)
    payer = getattr(world, who)
    before, liquidity = world.balance(payer), world.perpetual.pool.call.liquidity()
    receipt = world.perpetual.market.send.addMargin(position, 123_456_789, sender=payer)
    assert tuple(receipt.event("MarginChanged").args) == (position, 123_456_789)
    assert position_of(world, position) == p._replace(margin=p.margin + 123_456_789)
    assert before - world.balance(payer) == 123_456_789
    assert world.perpetual.pool.call.liquidity() == liquidity
    assert series_of(world.perpetual).long.margin == ((MARGIN + 123_456_789) >> 8 << 8 if opened else 0)
    conserved(world, position)


def test_margin_added_while_pending_stays_with_the_position(world: World) -> None:
    position = requested(world)
    world.perpetual.market.send.addMargin(position, 500 * TOKEN, sender=world.other)
    world.execute(position, world.price(PRICE))
    assert position_of(world, position).margin == MARGIN + 500 * TOKEN
    conserved(world, position)


def test_margin_added_while_pending_returns_to_the_trader_with_a_void(world: World) -> None:
    position = requested(world, low=PRICE, high=PRICE)
    world.perpetual.market.send.addMargin(position, 500 * TOKEN, sender=world.other)
    before = world.balance(world.trader)
    world.execute(position, world.price(PRICE + ONE))
    assert world.balance(world.trader) - before == 2_500 * TOKEN - fee_of(FEE, 10 * ONE, PRICE + ONE) - KEEPER
    conserved(world, position)


def test_adding_asks_no_oracle(world: World) -> None:
    position = world.open()
    world.wait(100_000)
    world.feed.proxy.send.fail(1)
    world.perpetual.market.send.addMargin(position, TOKEN, sender=world.other)
    assert position_of(world, position).margin == MARGIN + TOKEN
    conserved(world, position)


def test_add_refusals(world: World) -> None:
    position = world.open()
    add, no = world.perpetual.market.send.addMargin, {"positions": [position]}
    refused(world, "UnknownPosition", (world.other,), add, world.other, 1, sender=world.trader, **no)
    refused(world, "AmountTooLarge", (2**88,), add, position, 2**88 - MARGIN, sender=world.trader, **no)
    refused(world, "Panic", (0x11,), add, position, 2**256 - 1, sender=world.trader, **no)
    waiting = requested(world)
    no["positions"].append(waiting)
    over = 2**88 - 2_000 * TOKEN
    refused(world, "AmountTooLarge", (2**88,), add, waiting, over, sender=world.trader, **no)
    market = world.perpetual.market.address
    refused(world, "ERC20InsufficientAllowance", (market, 0, 1), add, position, 1, sender=world.keeper, **no)
    world.token.send.setFee(1)
    held = MARGIN + 5_000 * TOKEN
    values = (held + 100 - 1, held + 100)  # what was there before is no part of what is asked for
    refused(world, "TransferShort", values, add, position, 100, sender=world.trader, **no)


def test_margins_of_a_side_fill_it_to_its_last_unit(world: World) -> None:
    """A side sums margins in steps of 256 units, in 80 bits, half of which are left to what liquidations add."""
    first, second = world.open(), world.open()
    mine, others = (position_of(world, position).margin for position in (first, second))
    most = (2**79 - 1 - (others >> 8) << 8) + 255
    world.token.send.mint(world.other, 2**88)
    add = world.perpetual.market.send.addMargin
    refused(world, "SideFull", (), add, first, most + 1 - mine, sender=world.other, positions=[first, second])
    add(first, most - mine, sender=world.other)
    assert position_of(world, first).margin == most
    assert series_of(world.perpetual).long.margin == 2**87 - 256
    room = 255 - others % 256
    refused(world, "SideFull", (), add, second, room + 1, sender=world.other, positions=[first, second])
    add(second, room, sender=world.other)
    conserved(world, first, second)


# ---------------------------------------------------------------- remove


def test_remove_down_to_initial_at_the_shocked_price(world: World) -> None:
    # A long at 2,000: the feed may hide half a percent, so 1,990: initial 796, loss from 2,001 of 110.
    position = world.open()
    no_more_than(world, position, MARGIN - (796 + 110) * TOKEN, 796 * TOKEN)


def test_remove_from_a_short_is_shocked_upwards(world: World) -> None:
    # 2,010: initial 804, loss from 1,999 of 110.
    position = world.open(-10 * ONE)
    no_more_than(world, position, MARGIN - (804 + 110) * TOKEN, 804 * TOKEN)


@pytest.mark.parametrize(("sign", "price", "shocked"), [(1, 2_150, 2_139_250), (-1, 1_850, 1_859_250)])
def test_unrealised_gain_never_counts(world: World, sign: int, price: int, shocked: int) -> None:
    position = world.open(sign * 10 * ONE)
    opened = world.chain.timestamp
    world.price(price * ONE)
    index = shocked * ONE // 1_000
    required = shocked * 400  # 4 % of 10 units, 6 decimals
    rates = rates_of(*((10 * ONE, 0) if sign > 0 else (0, 10 * ONE)), 5_000 * TOKEN, IDLE)
    assert gain_of(sign * 10 * ONE, PRICE + sign * ONE, index) > 0
    carry = carry_of(sign * 10 * ONE, 5_000 * TOKEN, index, rates, world.chain.timestamp - opened)
    no_more_than(world, position, MARGIN - carry - required, required)


@pytest.mark.parametrize(("sign", "price", "shocked"), [(1, 1_900, 1_890_500), (-1, 2_100, 2_110_500)])
def test_losses_and_carry_count_in_full(world: World, sign: int, price: int, shocked: int) -> None:
    position = world.open(sign * 10 * ONE, margin=4_000)
    margin = position_of(world, position).margin
    assert margin == MARGIN + 2_000 * TOKEN
    opened = world.chain.timestamp
    world.price(price * ONE, after=30 * 86_400)
    index, required = shocked * ONE // 1_000, shocked * 400
    rates = rates_of(*((10 * ONE, 0) if sign > 0 else (0, 10 * ONE)), 5_000 * TOKEN, IDLE)
    carry = carry_of(sign * 10 * ONE, 5_000 * TOKEN, index, rates, world.chain.timestamp - opened)
    loss = -gain_of(sign * 10 * ONE, PRICE + sign * ONE, index)
    assert loss == (2_001_000 - 1_890_500 if sign > 0 else 2_110_500 - 1_999_000) * 10_000
    assert carry > 10 * TOKEN
    no_more_than(world, position, margin - loss - carry - required, required)


def test_remove_keeps_the_minimum_margin(world: World) -> None:
    position = world.open(ONE // 10, margin=200, reserve=100)
    margin = position_of(world, position).margin
    values = (MIN_MARGIN - 1, MIN_MARGIN)
    take = world.perpetual.market.send.removeMargin
    no = {"sender": world.trader, "positions": [position]}
    refused(world, "MarginBelowMinimum", values, take, position, margin - MIN_MARGIN + 1, **no)
    refused(world, "MarginBelowMinimum", (0, MIN_MARGIN), take, position, 2**96 - 1, **no)
    remove(world, position, margin - MIN_MARGIN)
    assert position_of(world, position).margin == MIN_MARGIN
    conserved(world, position)


def test_remove_refusals(world: World) -> None:
    position, waiting = world.open(), requested(world)
    take, both = world.perpetual.market.send.removeMargin, [position, waiting]
    no = {"sender": world.trader, "positions": both}
    refused(world, "UnknownPosition", (world.other,), take, world.other, 1, **no)
    refused(world, "WrongStatus", (waiting, PENDING, OPEN), take, waiting, 1, **no)
    values = (world.trader, world.other, ACTION_REMOVE, 0)
    refused(world, "OutOfScope", values, take, position, 1, sender=world.other, positions=both)


def test_operator_removes_to_the_trader_only(world: World) -> None:
    position = world.open()
    grant(world, world.stranger, ACTION_REMOVE, budget=0)
    before, own = world.balance(world.trader), world.balance(world.stranger)
    remove(world, position, 100 * TOKEN, sender=world.stranger)
    assert world.balance(world.trader) - before == 100 * TOKEN
    assert world.balance(world.stranger) == own
    conserved(world, position)


def test_remove_needs_a_good_price(world: World) -> None:
    position = world.open()
    seen = world.chain.timestamp
    take, no = world.perpetual.market.send.removeMargin, {"sender": world.trader, "positions": [position]}
    with world.chain.isolated():
        world.wait(3_601)
        refused(world, "PriceStale", (seen, 3_600), take, position, 1, **no)
    with world.chain.isolated():
        world.price(2_201 * ONE)
        refused(world, "PriceJumped", (2_201 * ONE, PRICE), take, position, 1, **no)
    with world.chain.isolated():
        world.price(0)
        refused(world, "PriceInvalid", (0,), take, position, 1, **no)


def test_removal_the_token_refuses_waits_for_the_trader(world: World) -> None:
    position = world.open()
    world.token.send.setBlocked(world.trader, True)
    before, elsewhere = world.balance(world.trader), world.balance(world.other)
    remove(world, position, 100 * TOKEN)
    market = world.perpetual.market
    assert world.balance(world.trader) == before
    assert market.call.claimable(position) == (100 * TOKEN, 0)
    assert position_of(world, position).margin == MARGIN - 100 * TOKEN
    conserved(world, position)
    market.send.claim(position, world.other, sender=world.trader)
    assert world.balance(world.other) - elsewhere == 100 * TOKEN
    conserved(world, position)


# ---------------------------------------------------------------- covered, dated


@pytest.mark.parametrize(("sign", "cover"), [(1, 5_020), (-1, 5_020)])
def test_excess_of_a_covered_position_needs_no_oracle(world: World, sign: int, cover: int) -> None:
    # Strike 1,500, cap 1,000, mark 500: a long at 502 loses at most 502 a unit, a short at 498 at most 502.
    position = world.open(sign * 10 * ONE, margin=9_000, market=world.dated, series=2)
    p = position_of(world, position, world.dated)
    entry = (500 + sign * 2) * ONE
    assert p.entry == entry
    assert value_up(10 * ONE, entry if sign > 0 else 1_000 * ONE - entry) == cover * TOKEN
    before, spare = world.balance(world.trader), p.margin - cover * TOKEN
    seen = world.chain.timestamp
    world.wait(3_601)
    take, no = world.dated.market.send.removeMargin, {"sender": world.trader, "positions": [position]}
    refused(world, "PriceStale", (seen, 3_600), take, position, spare + 1, **no)
    remove(world, position, spare, world.dated)
    assert world.balance(world.trader) - before == spare
    assert position_of(world, position, world.dated).margin == cover * TOKEN
    conserved(world, position)


def test_cover_is_rounded_up(world: World) -> None:
    market = market_of(world, mark=(PRICE + 1,))
    position = requested(world, margin=21_000, market=market)
    world.execute(position, world.price(PRICE), market)
    margin, send = position_of(world, position, market).margin, market.market.send
    seen = world.chain.timestamp
    world.wait(3_601)
    with pytest.raises(Revert) as caught:
        send.removeMargin(position, margin - 20_000 * TOKEN, sender=world.trader)
    assert (caught.value.name, tuple(caught.value.values)) == ("PriceStale", (seen, 3_600))
    send.removeMargin(position, margin - 20_000 * TOKEN - 1, sender=world.trader)


def test_what_is_asked_of_a_position_is_never_more_than_it_can_still_lose(world: World) -> None:
    market = market_of(world)
    position = requested(world, market=market)
    world.execute(position, world.price(PRICE), market)
    for mark, loss in ((ONE, 10 * TOKEN), (30 * ONE, 300 * TOKEN), (50 * ONE, 500 * TOKEN), (PRICE, 20_000 * TOKEN)):
        say(world, mark=(mark,))
        health = market.market.call.health(position, PRICE, world.chain.timestamp)
        assert (health.maintenance, health.target) == (min(400 * TOKEN, loss), min(600 * TOKEN, loss))


@pytest.mark.parametrize("sign", [1, -1])
def test_dated_removal_below_cover_meets_the_requirement(world: World, sign: int) -> None:
    position = world.open(sign * 10 * ONE, margin=9_000, market=world.dated, series=2)
    margin = position_of(world, position, world.dated).margin
    # Shocked index 1,990 or 2,010: mark 490 or 510, against entries of 502 and 498: a loss of 120 either way.
    required = (796 if sign > 0 else 804) * TOKEN
    no_more_than(world, position, margin - 120 * TOKEN - required, required, world.dated)


def test_perpetual_is_never_covered(world: World) -> None:
    position = world.open(ONE, margin=9_000, reserve=500)
    seen = world.chain.timestamp
    world.wait(3_601)
    take, no = world.perpetual.market.send.removeMargin, {"sender": world.trader, "positions": [position]}
    refused(world, "PriceStale", (seen, 3_600), take, position, 1, **no)


@pytest.mark.parametrize("answer", ["5f5ffd", "601f5ff3"])  # a revert, 31 bytes
def test_a_token_that_does_not_tell_a_balance_is_refused(world: World, answer: str) -> None:
    position = requested(world)
    transfers = {"transferFrom(address,address,uint256)": (1,)}
    add = world.perpetual.market.send.addMargin
    world.chain.set_code(world.token.address, code_of({**transfers, "balanceOf(address)": bytes.fromhex(answer)}))
    with pytest.raises(Revert) as caught:
        add(position, TOKEN, sender=world.other)
    assert caught.value.name == "Empty"
    world.chain.set_code(world.token.address, code_of({**transfers, "balanceOf(address)": (5,)}))
    with pytest.raises(Revert) as caught:
        add(position, TOKEN, sender=world.other)
    assert (caught.value.name, tuple(caught.value.values)) == ("TransferShort", (5, 5 + TOKEN))
