"""Commits: what is taken in, what is refused and with which words, and who may ask."""

from typing import Any

import pytest

from bulkhead.chain import Revert, RevmChain
from bulkhead.protocol import OracleTerms
from tests.book import LOT, kept_down, kept_up, live_series, series_of
from tests.unit.market.helpers import (
    ACTION_CLOSE,
    ACTION_OPEN,
    ACTION_RAISE,
    ACTION_REMOVE,
    CAP,
    CLOSE,
    FEE,
    HIGH,
    KEPT_HIGH,
    KEPT_LOW,
    LOW,
    MIN_MARGIN,
    MIN_SIZE,
    OPEN,
    OPENING,
    OVER,
    PENDING,
    POOLED,
    RAISE,
    TOKEN,
    UNIT,
    close_order,
    conserved,
    fee_of,
    grant,
    initial_of,
    open_refused,
    position_of,
    premium_of,
    refused,
    requested,
    state,
    up,
    value_up,
)
from tests.world import MAX, NOW, ONE, PRICE, Feed, World

WORD = 2**256 - 1


def pending(world: World) -> tuple[int, int]:
    series = series_of(world.perpetual)
    return series.buys, series.sells


def premium(world: World, position: str) -> int:
    return int(world.perpetual.market.call.orderOf(position).premium)


# ---------------------------------------------------------------- requestOpen


@pytest.mark.parametrize("sign", [1, -1])
def test_open_takes_margin_and_earmarks_reserve(world: World, sign: int) -> None:
    market, pool = world.perpetual.market, world.perpetual.pool
    leg = world.leg(sign * 10 * ONE, 2_000, 5_000)
    before = world.balance(world.trader)
    receipt = market.send.requestOpen(world.trader, [leg], LOW, HIGH, sender=world.trader)
    (position,) = receipt.return_value
    event = receipt.event("OpenRequested").args
    assert (event.position, event.trader, event.low, event.high) == (position, world.trader, KEPT_LOW, KEPT_HIGH)
    assert event.premium == ONE // 2_000
    p = position_of(world, position)
    assert (p.margin, p.reserve, p.series, p.status) == (2_000 * TOKEN, 5_000 * TOKEN, 0, PENDING)
    assert (p.time, p.size, p.entry) == (world.chain.timestamp, sign * 10 * ONE, 0)
    order = (OPENING, world.chain.timestamp, 1, ONE // 2_000, 5_000 * TOKEN, KEPT_LOW, KEPT_HIGH)
    assert tuple(market.call.orderOf(position)) == order
    assert before - world.balance(world.trader) == world.balance(position) == 2_000 * TOKEN
    assert pool.call.liquidity() == (5_000 * TOKEN, POOLED - 5_000 * TOKEN)
    assert pending(world) == ((10 * ONE, 0) if sign > 0 else (0, 10 * ONE))
    assert world.deployment.at("PositionVault", position).call.trader() == world.trader
    conserved(world, position)


def test_open_asks_for_the_largest_premium_exactly(world: World) -> None:
    rate = premium_of(0, 10 * ONE)
    assert rate == 500_000_000_000_000
    open_refused(world, "PremiumAboveLimit", (rate, rate - 1), world.leg(10 * ONE, 2_000, 5_000, max_premium=rate - 1))
    (position,) = world.request(world.leg(10 * ONE, 2_000, 5_000, max_premium=rate), low=LOW, high=HIGH)
    assert premium(world, position) == rate


def test_pending_orders_of_the_same_side_raise_the_premium(world: World) -> None:
    positions = [requested(world) for _ in range(3)]
    # half the sum of skew before and after, over 10,000
    assert [premium(world, p) for p in positions] == [ONE // 2_000, 3 * ONE // 2_000, 5 * ONE // 2_000]
    conserved(world, *positions)


def test_pending_orders_of_the_other_side_lower_nothing(world: World) -> None:
    positions = [requested(world), requested(world, -10 * ONE)]
    assert [premium(world, p) for p in positions] == [ONE // 2_000] * 2
    conserved(world, *positions)


def test_slices_of_one_request_cost_what_the_whole_costs(world: World) -> None:
    legs = [world.leg(size * ONE, 2_000, 500 * size) for size in (2, 3, 5)]
    positions = world.request(*legs, low=LOW, high=HIGH)
    paid = [premium(world, p) * size for p, size in zip(positions, (2, 3, 5), strict=True)]
    assert paid == [2**2 * 5 * 10**13, (5**2 - 2**2) * 5 * 10**13, (10**2 - 5**2) * 5 * 10**13]
    assert sum(paid) == 10 * ONE // 2_000


def test_a_trade_that_reduces_the_skew_pays_nothing_and_one_that_crosses_pays_for_the_rest(world: World) -> None:
    first = world.open()
    reducing = requested(world, -10 * ONE)
    assert premium(world, reducing) == 0
    # skew 10, 10 sells pending: 20 more go from 0 to -20, and 30 more without them from 10 to -20
    assert premium(world, requested(world, -20 * ONE, 5_000, 10_000)) == ONE // 1_000
    world.execute(reducing, world.price(PRICE))
    assert [position_of(world, p).status for p in (first, reducing)] == [OPEN, OPEN]


def test_the_crossing_of_zero_splits_the_premium(world: World) -> None:
    """20 of 30 go from 0 to -20: two thirds of a thousandth, kept to nine decimals and rounded up."""
    first = world.open()
    second = requested(world, -30 * ONE, 5_000, 10_000)
    assert premium(world, second) == premium_of(10 * ONE, -30 * ONE) == 666_667_000_000_000
    conserved(world, first, second)


def test_several_legs_are_several_vaults(world: World) -> None:
    legs = [world.leg(ONE, 300, 500, 0), world.leg(-2 * ONE, 1_000, 700, 1), world.leg(3 * ONE, 900, 800, 3)]
    before = world.balance(world.trader)
    positions = world.request(*legs, market=world.dated, low=LOW, high=HIGH)
    assert len(set(positions)) == 3
    assert [world.balance(p) for p in positions] == [300 * TOKEN, 1_000 * TOKEN, 900 * TOKEN]
    assert before - world.balance(world.trader) == 2_200 * TOKEN
    assert world.dated.pool.call.liquidity() == (2_000 * TOKEN, POOLED - 2_000 * TOKEN)
    assert live_series(world.dated) == {0, 1, 3}
    assert [position_of(world, p, world.dated).series for p in positions] == [0, 1, 3]
    assert [position_of(world, p, world.dated).size for p in positions] == [ONE, -2 * ONE, 3 * ONE]
    conserved(world, *positions)


def test_no_legs_no_positions(world: World) -> None:
    before = state(world)
    receipt = world.perpetual.market.send.requestOpen(world.trader, [], LOW, HIGH, sender=world.trader)
    assert receipt.return_value == [] and receipt.events == []
    assert state(world) == before


def test_one_bad_leg_refuses_all(world: World) -> None:
    good, bad = world.leg(10 * ONE, 2_000, 5_000), world.leg(10 * ONE, 99, 5_000)
    open_refused(world, "MarginBelowMinimum", (99 * TOKEN, MIN_MARGIN), good, bad)
    assert pending(world) == (0, 0)


@pytest.mark.parametrize(("low", "high"), [(0, HIGH), (HIGH + 1, HIGH), (LOW, 2**112)])
def test_band_refused(world: World, low: int, high: int) -> None:
    open_refused(world, "BandInvalid", (low, high), world.leg(10 * ONE, 2_000, 5_000), low=low, high=high)


@pytest.mark.parametrize("sign", [1, -1])
def test_size_refused(world: World, sign: int) -> None:
    leg = world.leg(sign * (MIN_SIZE - 1), 2_000, 5_000)
    open_refused(world, "SizeTooSmall", (MIN_SIZE - 1, MIN_SIZE), leg)
    for size in (MIN_SIZE + 1, MIN_SIZE + LOT - 1, 2**112):
        open_refused(world, "SizeNotInLots", (size, LOT), world.leg(sign * size, 2_000, 5_000))
    open_refused(world, "AmountTooLarge", (2**63 * LOT,), world.leg(sign * 2**63 * LOT, 2_000, 5_000))
    positions = [requested(world, sign * size, 2_000, 5) for size in (MIN_SIZE, MIN_SIZE + LOT)]
    assert [position_of(world, p).size for p in positions] == [sign * MIN_SIZE, sign * (MIN_SIZE + LOT)]


def test_margin_that_no_position_can_keep_refused(world: World) -> None:
    leg = world.leg(10 * ONE, 0, 5_000) | {"margin": 2**88}
    open_refused(world, "AmountTooLarge", (2**88,), leg)
    open_refused(world, "Panic", (0x11,), leg | {"margin": WORD}, leg)


def test_margin_below_the_minimum_refused(world: World) -> None:
    leg = world.leg(ONE // 10, 100, 500) | {"margin": MIN_MARGIN - 1}
    open_refused(world, "MarginBelowMinimum", (MIN_MARGIN - 1, MIN_MARGIN), leg)
    assert world.balance(requested(world, ONE // 10, 100, 200)) == MIN_MARGIN


def test_reserve_below_its_bound_refused(world: World) -> None:
    # 5 % to 100 % of 10 x 2,200
    lowest, highest = 1_100 * TOKEN, 22_000 * TOKEN
    leg = world.leg(10 * ONE, 2_000, 0)
    open_refused(world, "ReserveOutOfBounds", (lowest - 1, lowest, highest), leg | {"reserve": lowest - 1})
    (position,) = world.request(leg | {"reserve": lowest}, low=LOW, high=HIGH)
    assert position_of(world, position).reserve == lowest


@pytest.mark.parametrize("sign", [1, -1])
def test_margin_is_held_to_the_initial_requirement_at_the_worst_index(world: World, sign: int) -> None:
    # At 2,200, or what the band keeps of it: initial 880; keeper 20, open fee 11, premium 11.
    required = initial_of(10 * ONE, KEPT_HIGH)
    least = required + CAP + fee_of(2 * FEE, 10 * ONE, KEPT_HIGH)
    assert 0 <= least - 922 * TOKEN < 10
    leg = world.leg(sign * 10 * ONE, 0, 5_000)
    open_refused(world, "MarginTooSmall", (required - 1, required), leg | {"margin": least - 1})
    (position,) = world.request(leg | {"margin": least}, low=LOW, high=HIGH)
    assert world.balance(position) == least


@pytest.mark.parametrize(
    ("sign", "low", "high", "worst"),
    [(1, 1_508, 1_508, 1_508), (1, 1_504, 1_510, 1_510), (-1, 2_490, 2_490, 2_490), (-1, 2_480, 2_495, 2_480)],
)
def test_requirement_never_exceeds_the_largest_loss(world: World, sign: int, low: int, high: int, worst: int) -> None:
    """Series 2 of the dated market, strike 1,500 and cap 1,000: near the strike a long has little to lose, near the
    cap a short. What any index of the band leaves possible counts, instead of 4 % of the notional."""
    low, high = low * ONE, high * ONE
    kept = kept_up(high)
    if sign > 0:
        required = 10 * ONE * (kept_up(worst * ONE) - 1_500 * ONE) // UNIT
    else:
        required = 10 * ONE * (2_500 * ONE - kept_down(worst * ONE)) // UNIT
    assert required < initial_of(10 * ONE, kept_down(low))
    cost = CAP + fee_of(FEE + ONE // 1_000, 10 * ONE, kept)
    world.walk_to(low)
    first = requested(world, MIN_SIZE, 2_000, 10, market=world.dated, series=2, low=1, high=2 * PRICE)
    world.execute(first, world.price(low), world.dated)  # which sets the index that a band must reach
    leg = world.leg(sign * 10 * ONE, 0, 5_000, 2)
    few, enough = leg | {"margin": cost + required - 1}, leg | {"margin": cost + required}
    send, band = world.dated.market.send.requestOpen, (low, high)
    values = (required - 1, required)
    no = {"sender": world.trader, "positions": [first]}
    refused(world, "MarginTooSmall", values, send, world.trader, [few], *band, **no)
    (position,) = world.request(enough, market=world.dated, low=low, high=high)
    assert world.balance(position) == cost + required


def test_series_that_is_not_open_refused(world: World) -> None:
    now = world.chain.timestamp
    open_refused(world, "SeriesNotOpen", (1, now), world.leg(10 * ONE, 2_000, 5_000, 1))
    open_refused(world, "SeriesNotOpen", (4, now), world.leg(10 * ONE, 2_000, 5_000, 4), market=world.dated)
    world.chain.set_time(world.expiry)
    open_refused(world, "SeriesNotOpen", (0, world.expiry), world.leg(10 * ONE, 2_000, 5_000), market=world.dated)


def test_more_than_the_pool_can_earmark_refused(world: World) -> None:
    leg = world.leg(500 * ONE, 100_000, 0)
    open_refused(world, "LiquidityShort", (POOLED + 1, POOLED), leg | {"reserve": POOLED + 1})
    over = POOLED * 9 // 10 + TOKEN
    open_refused(world, "UtilisationAboveCap", (900_001 * 10**12, ONE * 9 // 10), leg | {"reserve": over})
    (position,) = world.request(leg | {"reserve": over - TOKEN}, low=LOW, high=HIGH)
    assert world.perpetual.pool.call.liquidity() == (POOLED * 9 // 10, POOLED // 10)
    conserved(world, position)


def test_earmark_sees_only_what_no_exit_is_due(world: World) -> None:
    pool = world.perpetual.pool
    position = requested(world)
    shares = pool.call.balanceOf(world.provider)
    pool.send.requestRedeem(shares // 2, 0, sender=world.provider)
    # Half of all shares, virtual ones included, of everything held plus one, rounded up.
    free = POOLED - 5_000 * TOKEN - up(shares // 2 * (POOLED + 1), shares + 10**6)
    legs = [world.leg(500 * ONE, 100_000, 0) | {"reserve": free + 1}]
    request, values = world.perpetual.market.send.requestOpen, (free + 1, free)
    args = (world.trader, legs, LOW, HIGH)
    refused(world, "LiquidityShort", values, request, *args, sender=world.trader, positions=[position])
    (second,) = world.request(legs[0] | {"reserve": free}, low=LOW, high=HIGH)
    conserved(world, position, second)


def test_a_band_below_the_last_trade_is_held_to_it(world: World) -> None:
    """Reserve and margin go by the index of the last trade where the band ends below; at first the oracle's price."""
    pool, size = world.perpetual.pool, 10 * ONE

    def held_to(index: int, *positions: str) -> None:
        """Reserve bounds and the smallest margin are those at this index, whatever the band."""
        low, high = index // 4, index // 2
        lowest = fee_of(ONE // 20, size, index)
        costs = CAP + fee_of(FEE + up(premium_of(net_of(world), size), 10**9) * 10**9, size, index)
        required = up(up(up(size * index, ONE) * 4, 100) * ONE, UNIT)
        leg = world.leg(size, 2_000, 0) | {"reserve": lowest, "margin": costs + required}

        def no(name: str, values: tuple[int, ...], **change: int) -> None:
            args = (world.trader, [leg | change], low, high)
            send = world.perpetual.market.send.requestOpen
            refused(world, name, values, send, *args, sender=world.trader, positions=list(positions))

        no("ReserveOutOfBounds", (lowest - 1, lowest, value_up(size, index)), reserve=lowest - 1)
        no("MarginTooSmall", (required - 1, required), margin=costs + required - 1)
        with world.chain.isolated():
            conserved(world, *positions, *world.request(leg, low=low, high=high))

    def net_of(world: World) -> int:
        series = series_of(world.perpetual)
        return series.long.size - series.short.size

    assert pool.call.lastIndex() == kept_down(PRICE) < PRICE
    held_to(kept_down(PRICE))
    world.walk_to(2_100 * ONE)  # only a trade moves it
    assert pool.call.lastIndex() == kept_down(PRICE)
    position = world.open(price=1_900 * ONE)
    held_to(kept_down(1_900 * ONE), position)


@pytest.mark.parametrize("fault", ["stale", "jumped"])
def test_a_price_that_is_stale_or_jumped_refuses_no_request(world: World, fault: str) -> None:
    """What an order may bind goes by the last trade, what it fills at by the first price to come."""
    position, other = world.open(), world.open()
    if fault == "stale":
        world.wait(3_601)
    else:
        world.price(2_201 * ONE)
    with pytest.raises(Revert):
        world.oracle.call.latest()
    close_order(world, position)
    world.perpetual.market.send.requestRaise(other, TOKEN, sender=world.trader)
    kinds = [world.perpetual.market.call.orderOf(p).kind for p in (position, other, requested(world))]
    assert kinds == [CLOSE, RAISE, OPENING]


class Chained(World):
    """On an L2: its oracle watches a sequencer."""

    def oracle_terms(self) -> OracleTerms:
        self.sequencer = Feed(self.chain, self.deployment.deploy("FeedProxyMock", 0))
        self.sequencer.proxy.send.push(0, NOW - 1_000, NOW - 1_000)
        return OracleTerms(sequencer=self.sequencer.proxy.address, grace=600)


def test_nothing_is_committed_while_the_sequencer_is_down_or_in_grace() -> None:
    world = Chained(RevmChain())
    position = world.open()
    send, leg = world.perpetual.market.send, world.leg(10 * ONE, 2_000, 5_000)
    now = world.chain.timestamp
    for down, until in ((1, WORD), (0, now + 600)):
        world.sequencer.proxy.send.push(down, now, now)
        for call, args in (
            (send.requestOpen, (world.trader, [leg], LOW, HIGH)),
            (send.requestClose, (position, 10 * ONE, 0, 0, MAX)),
            (send.requestRaise, (position, TOKEN)),
        ):
            refused(world, "InGrace", (until,), call, *args, sender=world.trader, positions=[position])
    world.wait(600)
    close_order(world, position)
    conserved(world, position, requested(world))


def test_a_raise_is_bounded_at_the_index_of_the_last_trade(world: World) -> None:
    position = world.open(margin=3_000)
    world.walk_to(2_200 * ONE)
    bound = value_up(10 * ONE, kept_down(PRICE))
    raise_, no = world.perpetual.market.send.requestRaise, {"sender": world.trader, "positions": [position]}
    refused(world, "ReserveOutOfBounds", (bound + 1, 0, bound), raise_, position, bound + 1, **no)
    raise_(position, bound, sender=world.trader)
    conserved(world, position)


def test_token_that_takes_a_fee_refused(world: World) -> None:
    world.token.send.setFee(1)
    wanted = 2_000 * TOKEN
    open_refused(world, "TransferShort", (wanted - 1, wanted), world.leg(10 * ONE, 2_000, 5_000))
    world.token.send.setFee(0)
    conserved(world, requested(world))


def test_without_allowance_or_tokens_refused(world: World) -> None:
    market, leg = world.perpetual.market.address, world.leg(10 * ONE, 2_000, 5_000)
    world.token.send.approve(market, 2_000 * TOKEN - 1, sender=world.trader)
    short = (market, 2_000 * TOKEN - 1, 2_000 * TOKEN)
    open_refused(world, "ERC20InsufficientAllowance", short, leg)
    world.token.send.approve(market, WORD, sender=world.keeper)
    open_refused(world, "ERC20InsufficientBalance", (world.keeper, 0, 2_000 * TOKEN), leg, trader=world.keeper)
    world.token.send.setBlocked(world.other, True)
    open_refused(world, "Blocked", (world.other,), leg, trader=world.other)


def test_nothing_is_committed_after_the_end(world: World) -> None:
    position = world.open()
    world.wait(3_601)
    world.oracle.send.checkOutage()
    world.wait(86_400)
    world.oracle.send.checkOutage()
    leg = world.leg(10 * ONE, 2_000, 5_000)
    send = world.perpetual.market.send
    for call, args in (
        (send.requestOpen, (world.trader, [leg], LOW, HIGH)),
        (send.requestClose, (position, 10 * ONE, 0, 0, MAX)),
        (send.requestRaise, (position, TOKEN)),
    ):
        refused(world, "OracleEnded", (), call, *args, sender=world.trader, positions=[position])


# ---------------------------------------------------------------- operators


def test_stranger_may_start_nothing(world: World) -> None:
    position = world.open()
    send, stranger = world.perpetual.market.send, world.stranger
    leg = world.leg(10 * ONE, 2_000, 5_000)
    calls: list[tuple[Any, tuple[Any, ...], int]] = [
        (send.requestOpen, (world.trader, [leg], LOW, HIGH), ACTION_OPEN),
        (send.requestClose, (position, 10 * ONE, 0, 0, MAX), ACTION_CLOSE),
        (send.requestRaise, (position, TOKEN), ACTION_RAISE),
        (send.removeMargin, (position, TOKEN), ACTION_REMOVE),
    ]
    for call, args, action in calls:
        values = (world.trader, stranger, action, 0)
        refused(world, "OutOfScope", values, call, *args, sender=stranger, positions=[position])
    # A grant for the others is none for this one.
    for call, args, action in calls:
        grant(world, stranger, *({0, 1, 2, 3} - {action}))
        values = (world.trader, stranger, action, 2 * NOW)
        refused(world, "OutOfScope", values, call, *args, sender=stranger, positions=[position])


def test_operator_opens_within_its_budget_with_the_traders_tokens(world: World) -> None:
    grant(world, world.stranger, ACTION_OPEN, budget=3_500 * TOKEN)
    legs = [world.leg(10 * ONE, 1_500, 5_000), world.leg(-10 * ONE, 1_500, 5_000)]
    before, own = world.balance(world.trader), world.balance(world.stranger)
    positions = world.request(*legs, low=LOW, high=HIGH, sender=world.stranger)
    assert before - world.balance(world.trader) == 3_000 * TOKEN
    assert world.balance(world.stranger) == own
    vaults = [world.deployment.at("PositionVault", p) for p in positions]
    assert [vault.call.trader() for vault in vaults] == [world.trader] * 2
    left = world.deployment.operators.call.grantOf(world.trader, world.perpetual.market.address, world.stranger)
    assert left.budget == 500 * TOKEN
    refused(
        world,
        "BudgetExceeded",
        (world.stranger, 1_500 * TOKEN, 500 * TOKEN),
        world.perpetual.market.send.requestOpen,
        world.trader,
        legs[:1],
        LOW,
        HIGH,
        sender=world.stranger,
        positions=positions,
    )
    conserved(world, *positions)


def test_refused_request_spends_no_budget(world: World) -> None:
    grant(world, world.stranger, ACTION_OPEN, budget=3_500 * TOKEN)
    leg = world.leg(MIN_SIZE - 1, 1_500, 5_000)
    open_refused(world, "SizeTooSmall", (MIN_SIZE - 1, MIN_SIZE), leg, sender=world.stranger)
    left = world.deployment.operators.call.grantOf(world.trader, world.perpetual.market.address, world.stranger)
    assert left.budget == 3_500 * TOKEN


def test_grant_ends_after_its_last_second_and_counts_for_one_market(world: World) -> None:
    expiry = world.chain.timestamp + 100
    grant(world, world.stranger, ACTION_OPEN, expiry=expiry)
    leg = world.leg(10 * ONE, 2_000, 5_000)
    open_refused(
        world,
        "OutOfScope",
        (world.trader, world.stranger, ACTION_OPEN, 0),
        leg,
        market=world.dated,
        sender=world.stranger,
    )
    world.chain.set_time(expiry)
    position = requested(world, sender=world.stranger)
    conserved(world, position)
    world.wait(1)
    refused(
        world,
        "OutOfScope",
        (world.trader, world.stranger, ACTION_OPEN, expiry),
        world.perpetual.market.send.requestOpen,
        world.trader,
        [leg],
        LOW,
        HIGH,
        sender=world.stranger,
        positions=[position],
    )


@pytest.mark.parametrize("action", [ACTION_CLOSE, ACTION_RAISE])
def test_operator_orders_in_scope_without_budget(world: World, action: int) -> None:
    position = world.open()
    grant(world, world.stranger, action, budget=0)
    send = world.perpetual.market.send
    if action == ACTION_CLOSE:
        send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.stranger)
    else:
        send.requestRaise(position, 10 * ONE // 10**12, sender=world.stranger)
    order = world.perpetual.market.call.orderOf(position)
    expected = (CLOSE, 10 * ONE // LOT) if action == ACTION_CLOSE else (RAISE, 10 * TOKEN)
    assert (order.kind, order.amount) == expected
    conserved(world, position)


# ---------------------------------------------------------------- requestClose


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [4 * ONE, 10 * ONE, 2**128 - 1])
def test_close_is_committed(world: World, size: int, sign: int) -> None:
    position = world.open(sign * 10 * ONE)
    market, pool = world.perpetual.market, world.perpetual.pool
    before, liquidity = state(world, [position]), pool.call.liquidity()
    receipt = market.send.requestClose(position, size, LOW, HIGH, 0, sender=world.trader)
    closing = min(size, 10 * ONE)
    event = receipt.event("OrderRequested").args
    assert tuple(event) == (position, CLOSE, closing // LOT, KEPT_LOW, KEPT_HIGH, 0)
    order = market.call.orderOf(position)
    assert tuple(order) == (CLOSE, world.chain.timestamp, 1, 0, closing // LOT, KEPT_LOW, KEPT_HIGH)
    assert pending(world) == ((0, closing) if sign > 0 else (closing, 0))
    assert pool.call.liquidity() == liquidity
    assert state(world, [position])[2] == before[2]  # no token moves
    conserved(world, position)


def test_close_that_increases_the_skew_names_its_premium(world: World) -> None:
    long, short = world.open(), world.open(-30 * ONE, 5_000, 10_000)
    # skew -20: selling 10 goes to -30
    rate = premium_of(-20 * ONE, -10 * ONE)
    assert rate == 2_500_000_000_000_000
    close = world.perpetual.market.send.requestClose
    refused(
        world,
        "PremiumAboveLimit",
        (rate, rate - 1),
        close,
        long,
        10 * ONE,
        0,
        0,
        rate - 1,
        sender=world.trader,
        positions=[long, short],
    )
    close(long, 10 * ONE, 0, 0, rate, sender=world.trader)
    assert world.perpetual.market.call.orderOf(long).premium == rate
    conserved(world, long, short)


def test_close_refusals(world: World) -> None:
    position, waiting = world.open(), requested(world)
    close = world.perpetual.market.send.requestClose

    def no(name: str, values: tuple[Any, ...], where: str, *args: int) -> None:
        both = [position, waiting]
        refused(world, name, values, close, where, *args, MAX, sender=world.trader, positions=both)

    no("UnknownPosition", (world.stranger,), world.stranger, 10 * ONE, 0, 0)
    no("WrongStatus", (waiting, PENDING, OPEN), waiting, 10 * ONE, 0, 0)
    no("BandInvalid", (2, 1), position, 10 * ONE, 2, 1)
    no("BandInvalid", (1, 0), position, 10 * ONE, 1, 0)
    no("BandInvalid", (0, 2**112), position, 10 * ONE, 0, 2**112)
    no("SizeNotInLots", (MIN_SIZE + 1, LOT), position, MIN_SIZE + 1, 0, 0)
    no("SizeTooSmall", (MIN_SIZE - 1, MIN_SIZE), position, MIN_SIZE - 1, 0, 0)
    no("SizeTooSmall", (0, MIN_SIZE), position, 0, 0, 0)
    no("SizeTooSmall", (MIN_SIZE - LOT, MIN_SIZE), position, 10 * ONE - MIN_SIZE + LOT, 0, 0)
    # What is left must hold the minimum margin in proportion.
    held = world.perpetual.market.call.positionOf(position).margin
    left = 10 * ONE * MIN_MARGIN // held // LOT * LOT
    assert held * left // (10 * ONE) < MIN_MARGIN <= held * (left + LOT) // (10 * ONE)
    no("MarginBelowMinimum", (held * left // (10 * ONE), MIN_MARGIN), position, 10 * ONE - left, 0, 0)
    close(position, 10 * ONE - left - LOT, 0, 0, MAX, sender=world.trader)
    no("OrderPending", (position,), position, 10 * ONE, 0, 0)
    refused(
        world,
        "OrderPending",
        (position,),
        world.perpetual.market.send.requestRaise,
        position,
        TOKEN,
        sender=world.trader,
        positions=[position, waiting],
    )


def test_a_position_that_is_over_is_unknown(world: World) -> None:
    position = world.open()
    close_order(world, position)
    world.execute(position, world.price(PRICE))
    assert tuple(position_of(world, position)) == OVER
    send = world.perpetual.market.send
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (send.requestClose, (position, 10 * ONE, 0, 0, MAX)),
        (send.requestRaise, (position, TOKEN)),
        (send.removeMargin, (position, TOKEN)),
        (send.addMargin, (position, TOKEN)),
        (send.closeAtReserve, (position,)),
        (send.execute, ([position], world.proof())),
        (send.execute, ([position], b"")),
    ]
    for call, args in calls:
        refused(world, "UnknownPosition", (position,), call, *args, sender=world.trader, positions=[position])


def test_orders_on_an_expired_series_refused(world: World) -> None:
    position = world.open(market=world.dated)
    world.chain.set_time(world.expiry)
    send, values = world.dated.market.send, (0, world.expiry)
    close = (position, 10 * ONE, 0, 0, MAX)
    refused(world, "SeriesNotOpen", values, send.requestClose, *close, sender=world.trader, positions=[position])
    refused(
        world, "SeriesNotOpen", values, send.requestRaise, position, TOKEN, sender=world.trader, positions=[position]
    )


# ---------------------------------------------------------------- requestRaise


def test_raise_is_committed(world: World) -> None:
    position = world.open()
    market, pool = world.perpetual.market, world.perpetual.pool
    # Earnings of the pool so far: the open fee.
    assert pool.call.liquidity() == (5_000 * TOKEN, POOLED - 4_990 * TOKEN)
    receipt = market.send.requestRaise(position, 3_000 * TOKEN, sender=world.trader)
    assert tuple(receipt.event("OrderRequested").args) == (position, RAISE, 3_000 * TOKEN, 0, 0, 0)
    assert tuple(market.call.orderOf(position)) == (RAISE, world.chain.timestamp, 1, 0, 3_000 * TOKEN, 0, 0)
    assert pool.call.liquidity() == (8_000 * TOKEN, POOLED - 7_990 * TOKEN)
    assert pending(world) == (0, 0)
    conserved(world, position)


def test_raise_refusals(world: World) -> None:
    # 600 at 2,000: an open fee of 600, a bound of (about) 1,200,000 on what may be added.
    position = world.open(600 * ONE, 100_000, 70_000)
    waiting = requested(world, -10 * ONE)
    send = world.perpetual.market.send

    def no(name: str, values: tuple[Any, ...], where: str, amount: int) -> None:
        both = [position, waiting]
        refused(world, name, values, send.requestRaise, where, amount, sender=world.trader, positions=both)

    no("UnknownPosition", (world.stranger,), world.stranger, TOKEN)
    no("WrongStatus", (waiting, PENDING, OPEN), waiting, TOKEN)
    idle = POOLED - 74_400 * TOKEN
    bound = value_up(600 * ONE, kept_down(PRICE))
    no("ReserveOutOfBounds", (bound + 1, 0, bound), position, bound + 1)
    no("LiquidityShort", (idle + 1, idle), position, idle + 1)
    used = (75_000 * TOKEN + idle) * ONE // (POOLED + 600 * TOKEN)
    no("UtilisationAboveCap", (used, ONE * 9 // 10), position, idle)
    send.requestRaise(position, TOKEN, sender=world.trader)
    no("OrderPending", (position,), position, TOKEN)
    close = (position, 10 * ONE, 0, 0, MAX)
    both = [position, waiting]
    refused(world, "OrderPending", (position,), send.requestClose, *close, sender=world.trader, positions=both)
