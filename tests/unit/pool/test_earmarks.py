"""What orders may earmark of the pool, and that nobody but its market may."""

from __future__ import annotations

from tests.book import LOT
from tests.unit.market.instrument import market_of
from tests.unit.pool.helpers import VIRTUAL, refusal, small
from tests.world import MAX, ONE, PRICE, World


def test_an_earmark_sees_idle_less_due_exits() -> None:
    world = small()
    pool, u = world.perpetual.pool, world.unit
    pool.send.requestRedeem(4_000 * u * VIRTUAL, 0, sender=world.provider)
    assert pool.call.dueExits() == 4_000 * u
    leg = world.leg(4 * ONE, 1_000, 0) | {"reserve": 6_000 * u + 1}
    assert refusal(world.request, leg) == ("LiquidityShort", 6_000 * u + 1, 6_000 * u)
    world.request(leg | {"reserve": 6_000 * u})
    assert pool.call.liquidity() == (6_000 * u, 4_000 * u)
    assert refusal(world.request, world.leg(ONE // 10, 100, 50)) == ("LiquidityShort", 50 * u, 0)
    pool.send.requestRedeem(3_000 * u * VIRTUAL, 0, sender=world.provider)
    assert pool.call.dueExits() == 7_000 * u  # more than is idle
    assert refusal(world.request, world.leg(ONE // 10, 100, 50)) == ("LiquidityShort", 50 * u, 0)


def test_openings_stop_at_the_cap_of_utilisation() -> None:
    world = small()
    pool, u = world.perpetual.pool, world.unit
    leg = world.leg(44 * ONE // 10, 1_000, 0)
    band = {"low": 1_900 * ONE, "high": 2_100 * ONE}
    over = (9_000 * u + 1) * ONE // (10_000 * u)
    assert over > 9 * ONE // 10
    assert refusal(world.request, leg | {"reserve": 9_000 * u + 1}, **band) == (
        "UtilisationAboveCap", over, 9 * ONE // 10,
    )  # fmt: skip
    (position,) = world.request(leg | {"reserve": 9_000 * u}, **band)
    assert pool.call.liquidity() == (9_000 * u, 1_000 * u)
    # At the entry it is cut to the market's bound, the notional; the rest returns.
    world.execute(position, world.price(PRICE))
    assert pool.call.liquidity()[0] == 8_800 * u
    held = sum(pool.call.liquidity())
    room = 9 * held // 10 - 8_800 * u
    raised = world.perpetual.market.send.requestRaise
    over = (8_800 * u + room + 1) * ONE // held
    wrong = refusal(raised, position, room + 1, sender=world.trader)
    assert wrong == ("UtilisationAboveCap", over, 9 * ONE // 10)
    raised(position, room, sender=world.trader)
    assert pool.call.liquidity() == (8_800 * u + room, held - 8_800 * u - room)


def test_a_pool_commits_half_of_what_its_word_holds(world: World) -> None:
    """It may be filled again once something is committed; the sum counts all the same."""
    market, who, capacity = market_of(world), world.trader, 2**87 - 1
    pool = market.pool
    world.token.send.mint(who, 2**89)
    pool.send.deposit(pool.call.maxDeposit(who), who, sender=who)
    size = capacity * 10**30 // 2**111 // LOT * LOT + LOT  # worth the capacity at the top of the band
    leg = {"series": 0, "size": size, "margin": 10**24, "reserve": capacity * 9 // 10, "maxPremium": MAX}
    band = {"market": market, "low": 1_800 * ONE, "high": 2**111}
    world.request(leg, **band)
    pool.send.deposit(pool.call.maxDeposit(who), who, sender=who)
    rest = capacity - leg["reserve"]
    wrong = refusal(world.request, leg | {"reserve": rest + 1}, **band)
    assert wrong == ("LiquidityShort", rest + 1, capacity)
    world.request(leg | {"reserve": rest}, **band)
    assert pool.call.liquidity() == (capacity, capacity - rest)


def test_only_the_market(world: World) -> None:
    """Another market's included; it may send here because its code is taken away."""
    pool = world.perpetual.pool
    flow = (0, 0, 0, world.stranger, 1, 0, 0, world.stranger, 1, 0, 0)
    world.chain.set_code(world.dated.market.address, b"")
    for sender in (world.stranger, world.provider, world.keeper, world.dated.market.address):
        for call, args in (
            (pool.send.earmark, (1, ONE, PRICE)),
            (pool.send.move, (flow,)),
            (pool.send.collectClaim, (1,)),
        ):
            assert refusal(call, *args, sender=sender) == ("NotMarket", sender)


def test_series_not_open(world: World) -> None:
    leg = world.leg(ONE, 200, 2_000, series=1)
    assert refusal(world.request, leg) == ("SeriesNotOpen", 1, world.chain.timestamp)
