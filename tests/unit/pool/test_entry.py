"""What entry into the pool costs, what nobody can do to who comes first, and how much is taken in."""

from __future__ import annotations

import pytest

from tests.unit.exits.expect import Purses, up
from tests.unit.pool.helpers import MILLION, VIRTUAL, hidden_up, refusal, worth_of
from tests.world import HEARTBEAT, NOW, ONE, PRICE, World


def test_the_first_entry_and_what_it_is_worth(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    assert pool.call.asset() == world.token.address
    assert pool.call.totalSupply() == pool.call.balanceOf(world.provider) == MILLION * u * VIRTUAL
    assert pool.call.totalAssets() == MILLION * u
    assert pool.call.worth(0, 0) == pool.call.worth(PRICE, NOW) == MILLION * u  # with nothing open whatever the price
    assert pool.call.convertToShares(u) == u * VIRTUAL
    assert pool.call.convertToAssets(u * VIRTUAL) == u


def test_deposit_and_mint_while_nothing_is_open(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    world.feed.proxy.send.fail(1)  # no price is needed
    event = pool.send.deposit(500 * u, world.other, sender=world.stranger).event("Deposit")
    assert event.args == (world.stranger, world.other, 500 * u, 500 * u * VIRTUAL)
    assert pool.call.balanceOf(world.other) == 500 * u * VIRTUAL
    purses = Purses(world, world.stranger, pool.address)
    pool.send.mint(VIRTUAL + 1, world.stranger, sender=world.stranger)  # costs two units: rounded up
    assert purses.gained() == [-2, 2]
    assert refusal(pool.send.deposit, 0, world.stranger, sender=world.stranger) == ("SharesTooFew", 0)
    assert refusal(pool.send.mint, 0, world.stranger, sender=world.stranger) == ("SharesTooFew", 0)


@pytest.mark.parametrize("index", [1_900, 2_000, 2_150])
def test_entry_at_the_worth_plus_what_the_feed_may_hide(world: World, index: int) -> None:
    pool, u = world.perpetual.pool, world.unit
    positions = [world.open(size=40 * ONE, margin=9_000, reserve=20_000), world.open(size=-15 * ONE, margin=4_000)]
    world.walk_to(index * ONE + ONE)
    world.price(index * ONE)
    worth = worth_of(world, index * ONE, *positions)
    told = pool.call.worth(index * ONE, world.chain.timestamp)
    assert pool.call.totalAssets() == told
    assert abs(told - worth) <= 4
    price = told + hidden_up(world, index * ONE, 25 * ONE) + 1
    supply = pool.call.totalSupply() + VIRTUAL
    assert pool.call.previewDeposit(1_000 * u) == 1_000 * u * supply // price
    assert pool.call.previewMint(10**15) == up(10**15 * price, supply)
    pool.send.deposit(1_000 * u, world.other, sender=world.other)
    assert pool.call.balanceOf(world.other) == 1_000 * u * supply // price
    # Who has just come in never owns more than was paid.
    assert pool.call.previewMint(pool.call.balanceOf(world.other)) <= 1_000 * u


def test_an_entry_that_has_become_dearer_than_its_sender_allows(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    world.open(size=40 * ONE, margin=9_000, reserve=20_000)
    shares = pool.call.previewDeposit(1_000 * u)
    world.price(PRICE - 10 * ONE)  # the pool has gained, so that its shares cost more
    now = pool.call.previewDeposit(1_000 * u)
    told = refusal(pool.send.depositAtLeast, 1_000 * u, world.other, shares, sender=world.stranger)
    assert told == ("SharesBelowLeast", now, shares) and now < shares
    pool.send.depositAtLeast(1_000 * u, world.other, now, sender=world.stranger)
    assert pool.call.balanceOf(world.other) == now


def test_balanced_sides_hide_nothing(world: World) -> None:
    world.open(), world.open(size=-10 * ONE)
    pool = world.perpetual.pool
    price = pool.call.worth(PRICE, world.chain.timestamp) + 1
    assert pool.call.previewDeposit(10**9) == 10**9 * (pool.call.totalSupply() + VIRTUAL) // price


def test_entry_needs_a_price_once_something_is_open(world: World) -> None:
    world.open()
    seen = world.chain.timestamp
    world.wait(HEARTBEAT + 1)
    pool, u = world.perpetual.pool, world.unit
    stale = ("PriceStale", seen, HEARTBEAT)
    assert refusal(pool.send.deposit, u, world.other, sender=world.other) == stale
    assert refusal(pool.send.mint, 10**12, world.other, sender=world.other) == stale


def test_a_token_that_takes_a_fee_is_refused(world: World) -> None:
    world.token.send.setFee(3)
    pool, u = world.perpetual.pool, world.unit
    assert refusal(pool.send.deposit, u, world.other, sender=world.other) == ("TransferShort", u - 3, u)


@pytest.mark.parametrize("opened", [False, True])
def test_a_pool_takes_in_half_of_what_its_word_holds(world: World, opened: bool) -> None:
    """The other half is left to what positions bring."""
    if opened:
        world.open()
    pool, who = world.perpetual.pool, world.other
    room = 2**87 - 1 - pool.call.liquidity()[1]
    assert pool.call.maxDeposit(who) == room
    assert pool.call.maxMint(who) == pool.call.previewDeposit(room)
    world.token.send.mint(who, 2**88)
    wrong = refusal(pool.send.deposit, room + 1, who, sender=who)
    assert wrong == ("ERC4626ExceededMaxDeposit", who, room + 1, room)
    pool.send.deposit(room, who, sender=who)
    assert (pool.call.maxDeposit(who), pool.call.maxMint(who)) == (0, 0)
    assert refusal(pool.send.deposit, 10**6, who, sender=who) == ("ERC4626ExceededMaxDeposit", who, 10**6, 0)
    assert pool.call.liquidity()[1] == 2**87 - 1


def test_without_a_price_to_enter_at_nothing_is_taken_in(world: World) -> None:
    pool = world.perpetual.pool
    world.wait(HEARTBEAT + 1)
    assert pool.call.maxDeposit(world.other) > 0  # while nothing is open no price is needed
    world.feed.push(PRICE)
    world.open()
    world.wait(HEARTBEAT + 1)
    assert (pool.call.maxDeposit(world.other), pool.call.maxMint(world.other)) == (0, 0)


def test_an_attack_on_the_first_depositor(world: World) -> None:
    """One unit in, a donation, and the victim's deposit: the victim gets all of it back."""
    pool, u = world.dated.pool, world.unit
    shares = pool.call.balanceOf(world.provider)
    pool.send.redeem(shares, world.provider, world.provider, sender=world.provider)
    assert (pool.call.totalSupply(), pool.call.totalAssets()) == (0, 0)
    pool.send.deposit(1, world.stranger, sender=world.stranger)
    world.token.send.transfer(pool.address, 10**6 * u, sender=world.stranger)
    pool.send.deposit(1_000 * u, world.other, sender=world.other)
    assert pool.call.balanceOf(world.other) == 1_000 * u * VIRTUAL
    pool.send.redeem(1_000 * u * VIRTUAL, world.other, world.other, sender=world.other)
    assert world.balance(world.other) == 10**9 * u
    pool.send.redeem(VIRTUAL, world.stranger, world.stranger, sender=world.stranger)
    assert world.balance(world.stranger) == 10**9 * u - 10**6 * u
    assert world.balance(pool.address) == 10**6 * u
