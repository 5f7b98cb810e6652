"""Attacks on orders, on the queue of exits and on ends, each played against the deployed contracts."""

import pytest

from bulkhead.chain import Revert
from tests.attacks.helpers import end_of_market, fill_with_margin, refused
from tests.book import carry_at, kept_down, series_of
from tests.world import MAX, ONE, PRICE, World


def test_a_phantom_order_with_a_tiny_band_is_refused(world: World) -> None:
    """Row 29, REQ-2, REQ-3: reserve and margin are held to the index of the last trade, whatever the band says."""
    size, last = 1_000 * ONE, kept_down(PRICE)
    name, values = refused(world.request, world.leg(-size, 100, 1), low=1, high=1)
    lowest, highest = (-(-share * -(-size * last // 10**30) // 100) for share in (5, 100))
    assert (name, values) == ("ReserveOutOfBounds", (world.unit, lowest, highest))
    name, values = refused(world.request, world.leg(-size, 100, 200_000), low=1, high=1)
    assert name == "MarginTooSmall" and values[1] >= size * last // 10**30 * 4 // 100


def test_an_earmark_is_never_more_than_the_position_could_use(world: World) -> None:
    """Row 36, REQ-3: nobody locks the pool for what no position can win."""
    name, values = refused(world.request, world.leg(ONE // 100, 100, 890_000), high=PRICE)
    assert (name, values) == ("ReserveOutOfBounds", (890_000 * world.unit, world.unit, 20 * world.unit))
    position = world.open(size=ONE, margin=1_000, reserve=1_000)
    name, values = refused(
        world.perpetual.market.send.requestRaise, position, 400_000 * world.unit, sender=world.trader
    )
    assert (name, values) == ("ReserveOutOfBounds", (400_000 * world.unit, 0, 2_000 * world.unit))


def test_a_disputed_first_price_does_not_lock_the_line_of_exits(world: World) -> None:
    """Row 41, ORC-1, EXE-2."""
    pool = world.perpetual.pool
    world.open()
    shares = pool.call.balanceOf(world.provider) // 10
    pool.send.requestRedeem(shares, 0, sender=world.provider)
    jumped = world.price(PRICE * 115 // 100)
    assert pool.send.executeExit(jumped, sender=world.stranger).events_of("ExitRenewed")
    confirmed = world.price(PRICE * 115 // 100)
    world.price(PRICE * 115 // 100)
    paid = pool.send.executeExit(confirmed, sender=world.stranger).event("ExitPaid")
    assert paid.args.shares == shares


def test_an_exit_that_nobody_proved_is_renewed_not_lost(world: World) -> None:
    """Row 30, EXE-2: a new phase of the feed."""
    pool = world.perpetual.pool
    world.open()
    pool.send.requestRedeem(pool.call.balanceOf(world.provider) // 10, 0, sender=world.provider)
    world.feed.proxy.send.newPhase()
    world.price(PRICE)
    world.price(PRICE)
    assert refused(pool.send.executeExit, b"", sender=world.stranger)[0] != "NothingToRedeem"
    world.wait(4_000)
    world.price(PRICE)
    assert pool.send.executeExit(b"", sender=world.stranger).events_of("ExitRenewed")
    proof = world.price(PRICE)
    assert pool.send.executeExit(proof, sender=world.stranger).events_of("ExitPaid")


def test_no_share_of_the_line_is_burned_for_dust(world: World) -> None:
    """Row 26, POOL-1: a keeper is paid for work, not for coming."""
    pool = world.perpetual.pool
    world.open(size=100 * ONE, margin=12_000, reserve=200_000)
    pool.send.requestRedeem(pool.call.balanceOf(world.provider), 0, sender=world.provider)
    first = world.price(PRICE)
    pool.send.executeExit(first, sender=world.keeper)  # as far as idle reaches
    held = pool.call.balanceOf(pool.address)
    second = world.price(PRICE)
    assert held > 0
    assert refused(pool.send.executeExit, second, sender=world.stranger)[0] == "NothingToRedeem"
    assert pool.call.balanceOf(pool.address) == held


def test_a_position_without_reserve_keeps_the_pool_busy(world: World) -> None:
    """Row 33, POOL-1: leaving at once is for a pool that nothing hangs on."""
    pool, market = world.dated.pool, world.dated.market
    # At 2,000 the call of strike 500 is at its cap: a long can win nothing, its reserve is cut to nothing.
    position = world.open(size=10 * ONE, margin=10_100, reserve=1_100, market=world.dated)
    assert market.call.positionOf(position).reserve == 0
    assert pool.call.liquidity()[0] == 0
    assert pool.call.maxRedeem(world.provider) == 0
    assert refused(pool.send.redeem, 1, world.provider, world.provider, sender=world.provider)[0] == "ExitByRequest"


def test_after_the_end_liquidity_leaves_at_one_worth(world: World) -> None:
    """Row 39, POOL-1: waiting after the end pays nobody."""
    pool, market = world.perpetual.pool, world.perpetual.market
    position = world.open()
    end_of_market(world)
    _, index, time = world.oracle.call.finalPrice()
    pool.send.requestRedeem(pool.call.balanceOf(world.provider) // 2, 0, sender=world.provider)
    with world.chain.isolated():
        at_once = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args.assets
    world.wait(30 * 86_400)
    assert pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args.assets == at_once
    assert market.send.settle([position], sender=world.keeper).events_of("Exited")
    assert index == PRICE and time < world.chain.timestamp
    left = pool.call.balanceOf(world.provider)
    pool.send.redeem(left, world.provider, world.provider, sender=world.provider)
    assert world.balance(pool.address) < 10


def test_a_close_that_cannot_be_proven_shields_nothing(world: World) -> None:
    """Rows 24 and 30, LIQ-3."""
    market = world.perpetual.market
    position = world.open(margin=1_500)
    market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
    with world.chain.isolated():
        world.walk_to(1_880 * ONE)
        assert not market.send.liquidate([position], sender=world.keeper).events_of("Exited")
    world.feed.proxy.send.newPhase()
    world.price(PRICE)
    world.price(PRICE)  # the first round of a phase has no predecessor to be compared with
    world.walk_to(1_880 * ONE)
    assert market.send.liquidate([position], sender=world.keeper).events_of("Exited")


def test_a_due_close_cannot_be_swapped_for_a_better_price(world: World) -> None:
    """Row 10, EXE-1."""
    market = world.perpetual.market
    position = world.open(margin=2_000, reserve=1_100)
    market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
    bound = world.price(PRICE)
    world.walk_to(2_150 * ONE)
    assert refused(market.send.closeAtReserve, position, sender=world.trader) == ("OrderDue", (position,))
    assert world.execute(position, bound).event("Exited").args.index == PRICE


def test_a_blocked_trader_does_not_hold_the_pools_claim(world: World) -> None:
    """Row 27, REQ-12."""
    market, pool = world.perpetual.market, world.perpetual.pool
    position = world.open()
    market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
    for payee in (world.trader, pool.address):
        world.token.send.setBlocked(payee, True)
    world.execute(position, world.price(PRICE))
    trader, owed = market.call.claimable(position)
    assert trader > 0 and owed > 0
    world.token.send.setBlocked(pool.address, False)
    before = world.balance(pool.address)
    market.send.claim(position, world.trader, sender=world.stranger)
    assert world.balance(pool.address) == before + owed
    assert market.call.claimable(position) == (trader, 0)
    market.send.claim(position, world.other, sender=world.trader)
    assert market.call.claimable(position) == (0, 0)
    assert world.balance(position) == 0


def test_rates_never_apply_to_the_past(world: World) -> None:
    """Row 40, RAMP-1: a raise that adds nothing is no reason to bill the hours before it at another rate."""
    market, pool = world.perpetual.market, world.perpetual.pool
    full = world.open(size=ONE, margin=1_000, reserve=2_000)
    world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    world.chain.set_time(world.chain.timestamp + 20 * 3_600)
    world.feed.push(PRICE)
    world.wait(60)
    world.feed.push(PRICE)
    pool.send.requestRedeem(pool.call.balanceOf(world.provider) // 2, 0, sender=world.provider)
    pool.send.executeExit(world.price(PRICE), sender=world.keeper)  # utilisation doubles
    market.send.requestRaise(full, 1, sender=world.trader)
    proof = world.price(PRICE)
    before = carry_at(world.perpetual, world.chain.timestamp)
    world.execute(full, proof)
    assert series_of(world.perpetual).since == world.chain.timestamp
    assert carry_at(world.perpetual, world.chain.timestamp) == before


@pytest.mark.parametrize("own", [False, True])
def test_borrowed_margin_voids_nobodys_order(world: World, own: bool) -> None:
    """Row 29, EXE-1: a loan of one transaction as margin, so that a side of the market has no room: neither to spoil
    the order of another, nor to take back one's own after its price is known."""
    market, attacker = world.perpetual.market, world.trader if own else world.stranger
    mine = world.open(trader=attacker)
    (order,) = world.request(world.leg(ONE, 1_000, 1_000), low=PRICE * 9 // 10, high=PRICE * 11 // 10)
    proof = world.price(PRICE)
    with world.chain.isolated():
        fill_with_margin(world, mine, attacker)
        try:
            assert not market.send.execute([order], proof, sender=attacker).events_of("OrderVoided")
        except Revert as caught:
            assert caught.name == "SideFull"
    assert world.execute(order, proof).events_of("Opened")


def test_a_raise_lifts_no_cap_that_funding_has_reached(world: World) -> None:
    """Row 44, REQ-10: what has been received counts as gain, as it does at an exit."""
    market = world.perpetual.market
    for _ in range(2):
        world.open(-300 * ONE, 100_000, 60_000, trader=world.other)
    position = world.open(10 * ONE, 2_000, 1_100)
    for _ in range(200):
        world.price(PRICE, after=43_200)
    p = market.call.positionOf(position)
    higher = [(p.entry // ONE + points) * ONE for points in (40, 108)]  # of which the second is worth 1,080

    def gain(price: int) -> int:
        return int(market.call.health(position, price, world.chain.timestamp).equity) - p.margin

    world.walk_to(higher[0])
    assert gain(higher[0]) < p.reserve < gain(higher[1]) and 10 * (higher[1] - p.entry) < 1_100 * ONE
    market.send.requestRaise(position, 500 * world.unit, sender=world.trader)
    proof = world.price(higher[1])
    assert refused(market.send.closeAtReserve, position, sender=world.stranger) == ("OrderDue", (position,))
    assert world.execute(position, proof).event("OrderVoided").args.reason == 7
    assert market.send.closeAtReserve(position, sender=world.stranger).event("Exited").args.toKeeper > 0
