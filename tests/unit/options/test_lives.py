"""Options from the first order to the last token, through the real market, pool and oracle (REQ-30 to REQ-39)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bulkhead.chain import Revert
from tests.unit.options.options_world import DAY, E18, EXPIRY, HOUR, MINUTE, PRICE, WINDOW, OptionsWorld, ready

TOKEN = 10**6
ONE = E18
LOW, HIGH = PRICE * ONE * 9 // 10, PRICE * ONE * 11 // 10


@pytest.fixture
def world() -> Iterator[OptionsWorld]:
    yield ready()


def refused(call: Any, *args: Any, **named: Any) -> tuple[str, tuple[Any, ...]]:
    """The error of a call."""
    with pytest.raises(Revert) as caught:
        call(*args, **named)
    return caught.value.name, tuple(caught.value.values)


def empty(world: OptionsWorld, *positions: str) -> None:
    """Nothing is left in these vaults, and all of the pool is idle and its providers'."""
    assert [world.balance(position) for position in positions] == [0] * len(positions)
    committed, idle = world.pool.call.liquidity()
    assert committed == 0 and idle == world.balance(world.pool.address)
    assert world.market.call.liveSeries() == 0
    shares = world.pool.call.balanceOf(world.provider)
    world.pool.send.redeem(shares, world.provider, world.provider, sender=world.provider)
    assert world.balance(world.pool.address) <= 1


@pytest.mark.parametrize("put", [False, True])
@pytest.mark.parametrize("size", [10, -10])
def test_open_and_close_at_one_price_costs_the_spread_both_ways(world: OptionsWorld, put: bool, size: int) -> None:
    series = world.series(put, PRICE, EXPIRY)
    before = world.balance(world.trader)
    (position,) = world.open(world.position(series, size, 8_000, 1_500))
    p = world.market.call.positionOf(position)
    mark = world.told("mark", series, PRICE * ONE, p.time)
    # The fill is dearer than the mark for who buys, cheaper for who sells, by a tenth of the volatility and more.
    assert (p.entry - mark) * size > 0 and abs(p.entry - mark) > mark // 20
    world.close(position)
    lost = before - world.balance(world.trader)
    spread = abs(p.entry - mark) * 10 // 10**12
    assert lost > spread * 15 // 10  # the second half, and the fees
    empty(world, position)


FINALS = [(False, 2_300.0), (False, 1_900.0), (True, 1_700.0), (True, 2_100.0), (False, 4_500.0)]


@pytest.mark.parametrize(("put", "final"), FINALS)
def test_a_long_and_a_short_live_to_the_expiry_and_are_paid_by_the_settlement_price(
    world: OptionsWorld, put: bool, final: float
) -> None:
    series = world.series(put, PRICE, EXPIRY)
    (short,) = world.open(world.position(series, -10, 20_000, 1_500))
    (long,) = world.open(world.position(series, 10, 4_000, 15_000), trader=world.other)
    entries = {p: world.market.call.positionOf(p) for p in (short, long)}
    world.go(EXPIRY - HOUR)
    world.walk(final)
    world.settle_prices(EXPIRY, [final] * 6)
    assert world.market.send.settle([short, long], sender=world.keeper).events_of("Exited") == []
    assert world.fix(EXPIRY) == ()
    fixing = int(final * ONE)
    payoff = max(PRICE * ONE - fixing, 0) if put else min(max(fixing - PRICE * ONE, 0), PRICE * ONE)
    assert tuple(world.told("finalMark", series)) == (True, payoff, fixing)
    receipt = world.settle(short, long)
    for event in receipt.events_of("Exited"):
        p = entries[event.args.position]
        gain = 10 * (payoff - p.entry) * (1 if p.size > 0 else -1) // 10**12
        paid = p.margin + min(gain, p.reserve) - TOKEN - 10 * fixing // 10**12 // 2_000
        assert abs(event.args.toTrader - max(paid, 0)) <= 4, (event.args, p)
        assert (event.args.index, event.args.mark, event.args.toKeeper) == (fixing, payoff, TOKEN)
    empty(world, short, long)


def test_a_straddle_is_one_order_of_two_legs_and_one_is_liquidated_while_the_other_pays(world: OptionsWorld) -> None:
    call, put = (world.series(kind, PRICE, EXPIRY) for kind in (False, True))
    paid = world.balance(world.trader)
    legs = world.open(world.position(call, -10, 5_000, 1_400), world.position(put, -10, 5_000, 1_400))
    assert paid - world.balance(world.trader) == 10_000 * TOKEN
    kept = world.market.call.positionOf(legs[0])
    world.go(START_OF_CRASH)
    for price in (1_800, 1_600, 1_500):
        world.tick(price)
        world.market.send.liquidate(legs, sender=world.keeper)
    assert world.market.call.positionOf(legs[1]).size > -10 * ONE, "the put went first"
    assert tuple(world.market.call.positionOf(legs[0])) == tuple(kept), "the call was not touched"
    while world.market.call.positionOf(legs[1]).size != 0:
        world.tick(world.price - 50)
        world.market.send.liquidate(legs, sender=world.keeper)
    world.settle_prices(EXPIRY, [float(world.price)] * 6)
    assert world.fix(EXPIRY) == ()
    exit_ = world.settle(*legs).event("Exited")
    assert exit_.args.position == legs[0] and exit_.args.mark == 0
    # The whole premium less the fees: the call ended worthless.
    assert exit_.args.toTrader > kept.margin + kept.reserve - 20 * TOKEN
    empty(world, *legs)


START_OF_CRASH = EXPIRY - 10 * DAY


def test_both_legs_of_an_order_are_void_together(world: OptionsWorld) -> None:
    call, put = (world.series(kind, PRICE, EXPIRY) for kind in (False, True))
    legs = world.request(world.position(call, 10, 4_000, 2_000), world.position(put, 10, 4_000, 2_000))
    proof = world.tick(2_300)
    for leg in legs:
        void = world.execute(leg, proof).event("OrderVoided")
        assert void.args.reason == 1
    empty(world, *legs)


def test_the_settlement_window_stands_still_but_for_margin(world: OptionsWorld) -> None:
    series = world.series(True, PRICE, EXPIRY)
    other = world.series(True, PRICE, EXPIRY + 7 * DAY)
    (short,) = world.open(world.position(series, -10, 8_000, 1_500))
    world.go(EXPIRY - WINDOW - 2 * MINUTE)
    late = world.request(world.position(series, 10, 4_000, 2_000))[0]
    size = 10 * ONE
    world.market.send.requestClose(short, size, 0, 0, 2**64 - 1, sender=world.trader)
    world.tick(after=30)
    proof = world.tick(after=EXPIRY - WINDOW + 30 - world.now)
    settling = ("InSettlement", (series, EXPIRY))
    # Their first price lies before the window: they are carried out within it.
    due = world.proof_after(EXPIRY - WINDOW - 2 * MINUTE + 12, 1)
    assert world.execute(late, due).events_of("Opened") and world.execute(short, due).events_of("Exited")
    (short,) = [late]
    for call in (
        lambda: world.market.send.liquidate([short], sender=world.keeper),
        lambda: world.market.send.closeAtReserve(short, sender=world.keeper),
        lambda: world.pool.call.worth(PRICE * ONE, world.now),
        lambda: world.options.call.greeks(series, PRICE * ONE, world.now),
    ):
        assert refused(call) == settling
    assert refused(world.request, world.position(series, 10, 4_000, 2_000)) == ("SeriesNotOpen", (series, world.now))
    named = (short, size, 0, 0, 2**64 - 1)
    assert refused(world.market.send.requestClose, *named, sender=world.trader) == (
        "SeriesNotOpen",
        (series, world.now),
    )
    world.market.send.addMargin(short, TOKEN, sender=world.other)
    # Other expiries go on, and what nobody carried out before the expiry is void.
    (fresh,) = world.open(world.position(other, 10, 4_000, 2_000))
    assert world.market.call.positionOf(fresh).status == 2
    assert proof


def test_an_order_priced_in_the_window_is_void_for_no_more_than_the_keeper_s_fee(world: OptionsWorld) -> None:
    series = world.series(True, PRICE, EXPIRY)
    (short,) = world.open(world.position(series, -10, 8_000, 1_500))
    world.go(EXPIRY - WINDOW - 30)
    (opening,) = world.request(world.position(series, 10, 4_000, 2_000))
    world.market.send.requestClose(short, 10 * ONE, 0, 0, 2**64 - 1, sender=world.trader)
    proof = world.tick(after=50)
    for position in (opening, short):
        void = world.execute(position, proof).event("OrderVoided")
        assert void.args[2:4] == (5, 0), "SeriesClosed, and no open fee"
    assert world.market.call.positionOf(short).status == 2


def test_an_order_that_nobody_executed_before_the_expiry_is_void(world: OptionsWorld) -> None:
    series = world.series(True, PRICE, EXPIRY)
    (short,) = world.open(world.position(series, -10, 8_000, 1_500))
    world.go(EXPIRY - HOUR)
    (late,) = world.request(world.position(series, 10, 4_000, 2_000))
    proof = world.tick()
    world.settle_prices(EXPIRY, [PRICE] * 6)
    void = world.execute(late, proof).event("OrderVoided")
    assert void.args.reason == 5
    assert short


def test_a_long_is_never_liquidated(world: OptionsWorld) -> None:
    """Down to nothing: who posts the fill has posted all that can be lost."""
    series = world.series(False, PRICE, EXPIRY)
    (long,) = world.open(world.position(series, 10, 3_200, 1_000))
    for price in (1_500, 1_000, 500, 100, 1):
        world.walk(price)
        world.market.send.liquidate([long], sender=world.keeper)
        equity, maintenance, target = world.market.call.health(long, price * ONE, world.now)
        assert equity >= 0 and (maintenance, target) == (0, 0)
    assert world.market.call.positionOf(long).size == 10 * ONE


@pytest.mark.parametrize(("put", "prices"), [(True, (1_000, 300, 1)), (False, (3_000, 4_500, 9_000))])
def test_a_short_that_posts_its_largest_loss_is_never_liquidated(
    world: OptionsWorld, put: bool, prices: tuple[int, ...]
) -> None:
    series = world.series(put, PRICE, EXPIRY)
    (short,) = world.open(world.position(series, -10, 20_050, 1_500))
    for price in prices:
        world.walk(price)
        world.market.send.liquidate([short], sender=world.keeper)
        equity, maintenance, _ = world.market.call.health(short, price * ONE, world.now)
        assert equity >= maintenance
    # All of its margin above that may be taken out at once, without a price.
    p = world.market.call.positionOf(short)
    most = (PRICE * ONE - p.entry) * 10 // 10**12 + 1
    world.market.send.removeMargin(short, p.margin - most, sender=world.trader)
    assert refused(world.market.send.removeMargin, short, 1_000 * TOKEN, sender=world.trader)[0] == "MarginTooSmall"


def test_a_gain_at_the_reserve_is_paid_in_full(world: OptionsWorld) -> None:
    series = world.series(False, PRICE, EXPIRY)
    (long,) = world.open(world.position(series, 10, 4_000, 1_000))
    p = world.market.call.positionOf(long)
    world.tick(2_300)
    world.market.send.closeAtReserve(long, sender=world.keeper)
    empty(world, long)
    assert p.reserve == 1_000 * TOKEN


@pytest.mark.parametrize("wait", [0, 3 * HOUR])
def test_the_end_of_the_oracle_settles_what_is_not_fixed_at_one_mark(world: OptionsWorld, wait: int) -> None:
    """Whenever it comes: two of a series settled hours apart get the same mark."""
    series = world.series(True, PRICE, EXPIRY)
    first, second = world.open(world.position(series, -5, 8_000, 600), world.position(series, -5, 8_000, 600))
    world.go(EXPIRY - DAY, 1_950)
    world.contract.send.checkOutage()
    world.model.check_outage()
    at, index = world.now, 1_950 * ONE
    for _ in range(20):
        world.wait(HOUR // 4)
        world.contract.send.checkOutage()
        world.model.check_outage()
    assert world.model.final_price() == (True, index, at)
    mark = world.told("mark", series, index, at)
    one = world.settle(first).event("Exited")
    world.wait(wait)
    two = world.settle(second).event("Exited")
    assert one.args.mark == two.args.mark == mark
    assert refused(world.options.send.follow) == ("OracleEnded", ())
    empty(world, first, second)


def test_the_end_of_the_oracle_in_the_window_settles_at_its_last_price(world: OptionsWorld) -> None:
    series = world.series(True, PRICE, EXPIRY)
    (short,) = world.open(world.position(series, -5, 8_000, 600))
    world.go(EXPIRY - 10 * MINUTE, 1_900)
    at = world.now
    for _ in range(20):
        world.wait(HOUR // 4)
        world.contract.send.checkOutage()
        world.model.check_outage()
    assert world.model.final_price()[0] and world.told("finalMark", series)[0] is False
    exit_ = world.settle(short).event("Exited")
    assert exit_.args.index == 1_900 * ONE and exit_.args.mark == world.told("mark", series, 1_900 * ONE, at)
    assert refused(world.fixing.send.resolve, EXPIRY)[0] in ("OracleEnded",)
    empty(world, short)


def test_the_outcome_is_the_same_whatever_is_done_between_commit_and_execution(world: OptionsWorld) -> None:
    """EXE-1: the path is turned, the feed is updated, others trade, somebody waits: the entry is the price's alone."""
    for _ in range(2):
        world.tick(1_960, after=HOUR)
        world.keep()
        world.tick(2_000)
    world.tick(after=HOUR)
    while world.volatility_twin.due()[0]:
        due = world.volatility_twin.due()[2:]
        assert world.same(world.volatility, world.volatility_twin, "update", world.proof_after(*due)) == ()
    series = world.series(True, PRICE, EXPIRY)
    (long,) = world.request(world.position(series, 10, 12_000, 2_000))
    (short,) = world.request(world.position(series, -10, 18_000, 1_500))
    assert world.options.call.turnDue()
    entries = set()
    for before, after, wait in ((0, 0, 1), (1, 0, 1), (0, 1, 200), (1, 1, 299)):
        with world.chain.isolated():
            now = world.now
            if before:
                world.options.send.follow()
            world.chain.set_time(now + 60)
            world.primary.mock.send.push(2_010 * 10**8, now + 60, now + 60)
            proof = (1 << 64 | len(world.primary.model.phases[1]) + 1).to_bytes(32, "big")
            world.chain.set_time(now + 60 + wait)
            if after:
                world.market.send.requestOpen(
                    world.other, [world.position(series, 10, 12_000, 2_000)], LOW, HIGH, sender=world.other
                )
                if not before:
                    world.options.send.follow()
            told = [world.execute(p, proof).event("Opened").args for p in (long, short)]
            entries.add(tuple((one.index, one.entry, one.reserve) for one in told))
    assert len(entries) == 1, entries


def test_who_fixes_is_paid_by_the_settlements_of_the_same_transaction(world: OptionsWorld) -> None:
    upkeep = world.deployment.deploy("Upkeep")
    series = world.series(True, PRICE, EXPIRY)
    positions = world.open(*(world.position(series, -5, 8_000, 600) for _ in range(3)))
    world.settle_prices(EXPIRY, [2_100.0] * 6)
    stranger = world.chain.new_account("stranger")
    steps = [
        {"target": world.fixing.address, "value": 0, "data": world.fixing.encode.prove(EXPIRY, world.proofs(EXPIRY))},
        {"target": world.market.address, "value": 0, "data": world.market.encode.settle(positions)},
    ]
    upkeep.send.run(steps, [world.token.address], sender=stranger)
    assert world.balance(stranger) == 3 * TOKEN
    empty(world, *positions)
