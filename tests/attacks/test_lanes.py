"""Words that are full: sums and amounts at their bounds, cheap underlyings, tokens with many decimals, many years."""

from __future__ import annotations

from decimal import Decimal

import pytest

import tests.world
from bulkhead.chain import RevmChain
from bulkhead.protocol import MarketContracts, MarketTerms, PerpetualTerms
from tests.attacks.helpers import audit, fill_with_margin, refused
from tests.book import LOT, series_of
from tests.unit.exits.expect import carry_now
from tests.world import MAX, ONE, PRICE, World

CHEAP = 10**13  # 0.00001, as of coins that are counted in trillions
LARGEST = (2**63 - 1) * LOT  # of one order
YEAR = 365 * 86_400


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> tuple[World, MarketContracts]:
    """A market of a cheap underlying, with three million in its pool."""
    monkeypatch.setattr(tests.world, "PRICE", CHEAP)
    world = World(RevmChain())
    terms, instrument = MarketTerms(min_size=Decimal(10**6)), PerpetualTerms(skew_scale=Decimal(10**12))
    market = world.deployment.perpetual_market(world.token, world.oracle, terms, instrument)
    for account in (world.trader, world.other, world.provider):
        for spender in (market.market.address, market.pool.address):
            world.token.send.approve(spender, 2**256 - 1, sender=account)
    market.pool.send.deposit(3_000_000 * world.unit, world.provider, sender=world.provider)
    return world, market


@pytest.mark.parametrize("sign", [1, -1])
def test_a_side_that_is_full_keeps_nobody_in(cheap: tuple[World, MarketContracts], sign: int) -> None:
    """Rows 14 and 24, EXE-2, LIQ-3: orders for all that a side has room for leave room for every close of the other."""
    world, parts = cheap
    position = world.open(size=sign * 10**9 * ONE, margin=2_000, reserve=5_000, price=CHEAP, market=parts)
    # Both sides to the last lot, so that no skew makes it dear.
    whole = LARGEST * CHEAP // 10**36 + 1
    sizes = [-sign * LARGEST, sign * (LARGEST - 10**9 * ONE)]
    legs = [world.leg(size, whole // 8, whole // 15) for size in sizes]
    orders = world.request(*legs, market=parts, low=CHEAP, high=CHEAP * 101 // 100, trader=world.other)
    one_more = world.leg(sign * 10**7 * ONE, 500, 50)
    assert refused(world.request, one_more, market=parts, high=CHEAP * 101 // 100)[0] == "SideFull"
    proof = world.price(CHEAP)
    for order in orders:
        assert world.execute(order, proof, parts).events_of("Opened")
    parts.market.send.requestClose(position, 2**200, 0, 0, MAX, sender=world.trader)
    for order in orders:
        parts.market.send.requestClose(order, 2**200, 0, 0, MAX, sender=world.other)
    book = series_of(parts)
    assert max(book.buys, book.sells) == LARGEST
    proof = world.price(CHEAP)
    for each in (position, *orders):
        assert world.execute(each, proof, parts).events_of("Exited")
    audit(world, parts, [position, *orders])


def test_a_cheap_underlying_is_liquidated_and_counted_as_any_other(cheap: tuple[World, MarketContracts]) -> None:
    """Rows 14 and 22, POOL-1, LIQ-2: at a price of 1e-5 sums, worth and liquidation hold to the unit."""
    world, parts = cheap
    positions = [
        world.open(
            size=sign * size * 10**8 * ONE, margin=700 * size // 10, reserve=600 * size, price=CHEAP, market=parts
        )
        for sign, size in ((1, 20), (-1, 10), (1, 35))
    ]
    audit(world, parts, positions)
    world.walk_to(CHEAP * 94 // 100)
    assert parts.market.send.liquidate(positions, sender=world.keeper).events_of("Exited")
    audit(world, parts, positions)
    name, _ = refused(world.request, world.leg(LARGEST + LOT, 500, 500), market=parts, high=CHEAP)
    assert name == "AmountTooLarge"


@pytest.fixture(scope="module")
def fine_world() -> World:
    """A token of 18 decimals."""
    return World(RevmChain(), decimals=18)


@pytest.fixture
def fine(fine_world: World) -> object:
    with fine_world.chain.isolated():
        yield fine_world


def test_a_pool_that_is_full_stops_no_exit(fine: World) -> None:
    """Row 24, LIQ-3, EXE-2: what may enter leaves room for what positions bring."""
    parts, world = fine.perpetual, fine
    first, second = world.open(margin=1_500), world.open(margin=2_500)
    parts.market.send.requestClose(second, 10 * ONE, 0, 0, MAX, sender=world.trader)
    proof = world.price(1_900 * ONE)
    world.walk_to(1_870 * ONE)
    brim = 2**88 - 1 - parts.pool.call.liquidity()[1]
    world.token.send.mint(world.other, brim)
    assert refused(parts.pool.send.deposit, brim, world.other, sender=world.other)[0] == "ERC4626ExceededMaxDeposit"
    parts.pool.send.deposit(parts.pool.call.maxDeposit(world.other), world.other, sender=world.other)
    assert parts.market.send.liquidate([first], sender=world.keeper).events_of("Exited")
    assert world.execute(second, proof).events_of("Exited")


def test_a_side_full_of_margin_lets_everybody_out(fine: World) -> None:
    """Row 24, LIQ-3: margins that fill their sum keep nobody from closing, removing or liquidating."""
    parts, world = fine.perpetual, fine
    victim, closer, giant = world.open(margin=1_500), world.open(), world.open(trader=world.other)
    fill_with_margin(world, giant, world.other)
    parts.market.send.requestClose(closer, 10 * ONE, 0, 0, MAX, sender=world.trader)
    proof = world.price(1_900 * ONE)
    world.walk_to(1_870 * ONE)
    assert parts.market.send.liquidate([victim], sender=world.keeper).events_of("Exited")
    assert world.execute(closer, proof).events_of("Exited")
    parts.market.send.removeMargin(giant, 10**6 * world.unit, sender=world.other)


def test_rent_that_cannot_grow_any_more_stops_no_exit(world: World) -> None:
    """Row 24, LIQ-3, EXE-2: after forty years of full use borrowing has reached its bound, and positions still end."""
    market, pool = world.perpetual.market, world.perpetual.pool
    positions = [world.open(size=size, reserve=20_000) for size in (10 * ONE, -10 * ONE)]
    pool.send.requestRedeem(pool.call.balanceOf(world.provider), 0, sender=world.provider)
    pool.send.executeExit(world.price(PRICE), sender=world.keeper)
    market.send.requestClose(positions[0], ONE, 0, 0, MAX, sender=world.trader)
    world.wait(3_600 * 6)
    world.price(PRICE)
    market.send.execute(positions[:1], b"", sender=world.keeper)
    market.send.requestClose(positions[0], ONE, 0, 0, MAX, sender=world.trader)
    world.execute(positions[0], world.price(PRICE))  # the rate has had six hours to rise
    world.wait(40 * YEAR)
    assert carry_now(world).borrowing > 2**64
    world.feed.push(PRICE)
    world.price(PRICE)
    assert len(market.send.liquidate(positions, sender=world.keeper).events_of("Exited")) == 2
    book = series_of(world.perpetual)
    assert (book.borrowing, book.live) == (2**64 - 1, 1)
    audit(world, world.perpetual, positions)


@pytest.mark.parametrize("sign", [1, -1])
def test_no_funding_is_forgiven_at_entry(world: World, sign: int) -> None:
    """ROUND: the index that a position keeps is rounded so that it never owes less."""
    world.open(size=-sign * 30 * ONE, margin=10_000, reserve=20_000)
    for pause in (61, 67, 71):
        world.wait(pause)
        position = world.open(size=sign * ONE, margin=1_000, reserve=2_000)
        kept = world.perpetual.market.call.positionOf(position)
        index = series_of(world.perpetual).funding
        assert index != 0
        assert 0 <= sign * (index - kept.funding * 10**8) < 10**8
