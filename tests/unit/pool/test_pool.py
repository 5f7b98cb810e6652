"""The pool: what entry costs, what exit pays, who may ask it for what."""

from __future__ import annotations

from decimal import Decimal
from math import gcd
from typing import Any

import pytest

from bulkhead.chain import Receipt, Revert, RevmChain
from bulkhead.protocol import MarketTerms
from tests.book import LOT
from tests.unit.exits.expect import Purses, carry_now, equity_down, unit_of, up
from tests.unit.market.instrument import market_of, say
from tests.world import HEARTBEAT, MAX, NOW, ONE, PRICE, World

VIRTUAL = 10**6
DEVIATION = ONE // 200
MILLION = 10**6


def refusal(call: Any, *args: Any, **more: Any) -> tuple:
    with pytest.raises(Revert) as refused:
        call(*args, **more)
    return (refused.value.name, *refused.value.values)


def worth_of(world: World, index: int, *positions: str) -> int:
    """Worth from the positions themselves."""
    market, pool = world.perpetual.market, world.perpetual.pool
    value = sum(pool.call.liquidity())
    for position in positions:
        p = market.call.positionOf(position)
        gain = equity_down(p, carry_now(world), index, unit_of(world)) - p.margin
        value -= max(-p.margin, min(p.reserve, gain))
    return value


def hidden_up(world: World, index: int, net: int) -> int:
    return up(net * index // unit_of(world) * DEVIATION, ONE)


# ---------------------------------------------------------------- entry


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


def test_what_is_pending_brings_nobody_nearer_to_a_price(world: World) -> None:
    """Orders cost too little to be let near the price of a share: what is open decides alone."""
    pool, market = world.perpetual.pool, world.perpetual.market
    world.open(size=30 * ONE, margin=6_000, reserve=15_000)
    short = world.open(size=-10 * ONE)
    before = pool.call.previewDeposit(10**9), pool.call.worth(PRICE, world.chain.timestamp)
    world.request(world.leg(5 * ONE, 1_500, 2_000), world.leg(-7 * ONE, 1_500, 2_000))
    market.send.requestClose(short, 4 * ONE, 0, 0, MAX, sender=world.trader)
    assert (pool.call.previewDeposit(10**9), pool.call.worth(PRICE, world.chain.timestamp)) == before
    price = before[1] + hidden_up(world, PRICE, 20 * ONE) + 1
    assert before[0] == 10**9 * (pool.call.totalSupply() + VIRTUAL) // price
    shares = 1_000 * world.unit * VIRTUAL
    pool.send.requestRedeem(shares, 0, sender=world.provider)
    proof = world.price(PRICE)
    price = pool.call.worth(PRICE, world.chain.timestamp) - hidden_up(world, PRICE, 20 * ONE) + 1
    supply = pool.call.totalSupply() + VIRTUAL
    paid = pool.send.executeExit(proof, sender=world.keeper).event("ExitPaid").args
    assert paid.assets + paid.keeperFee == shares * price // supply


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


def test_total_assets_never_reverts(world: World) -> None:
    position = world.open()
    pool = world.perpetual.pool
    held = sum(pool.call.liquidity())
    assert pool.call.totalAssets() != held
    for fault in (1, 2, 3, 4):
        world.feed.proxy.send.fail(fault)
        assert pool.call.totalAssets() == held
    world.feed.proxy.send.fail(0)
    world.wait(HEARTBEAT + 1)
    assert pool.call.totalAssets() == held
    world.oracle.send.checkOutage()
    world.wait(86_400)
    world.oracle.send.checkOutage()
    assert pool.call.totalAssets() == held
    world.perpetual.market.send.settle([position])
    assert pool.call.totalAssets() == pool.call.liquidity()[1]


def test_without_its_instrument_a_pool_still_tells_what_it_holds(world: World) -> None:
    market = market_of(world)
    world.open(market=market)
    pool, held = market.pool, sum(market.pool.call.liquidity())
    world.chain.set_code(market.instrument.address, b"")
    with pytest.raises(Revert):
        pool.call.worth(PRICE, world.chain.timestamp)
    assert pool.call.totalAssets() == held
    assert pool.call.maxDeposit(world.other) == 0


# ---------------------------------------------------------------- donations and the first depositor


def test_a_donation_changes_no_claim(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    world.open()

    def claims() -> tuple:
        call = pool.call
        shares = call.balanceOf(world.provider)
        return call.totalAssets(), call.liquidity(), call.previewDeposit(u), call.previewMint(u), shares

    before = claims()
    world.token.send.transfer(pool.address, 10**8 * u, sender=world.stranger)
    assert claims() == before


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


# ---------------------------------------------------------------- exit at once


def test_exit_at_once_while_nothing_is_open(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    world.feed.proxy.send.fail(1)
    shares = MILLION * u * VIRTUAL
    assert (pool.call.maxRedeem(world.provider), pool.call.maxWithdraw(world.provider)) == (shares, MILLION * u)
    event = pool.send.withdraw(10 * u, world.other, world.provider, sender=world.provider).event("Withdraw")
    assert event.args == (world.provider, world.other, world.provider, 10 * u, 10 * u * VIRTUAL)
    purses = Purses(world, world.provider)
    pool.send.redeem(VIRTUAL * 7 - 1, world.provider, world.provider, sender=world.provider)
    assert purses.gained() == [6]  # rounded down
    assert pool.call.previewWithdraw(7) == up(7 * (pool.call.totalSupply() + VIRTUAL), pool.call.totalAssets() + 1)
    lack = refusal(pool.send.redeem, 1, world.other, world.provider, sender=world.other)
    assert lack == ("ERC20InsufficientAllowance", world.other, 0, 1)
    pool.send.approve(world.other, 10 * VIRTUAL, sender=world.provider)
    pool.send.redeem(10 * VIRTUAL, world.other, world.provider, sender=world.other)
    assert pool.call.allowance(world.provider, world.other) == 0
    more = pool.call.balanceOf(world.provider) + 1
    assert refusal(pool.send.redeem, more, world.provider, world.provider, sender=world.provider) == (
        "ERC20InsufficientBalance", world.provider, more - 1, more,
    )  # fmt: skip


def test_exit_is_by_request_while_something_is_open_pending_or_asked(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit

    def shut() -> bool:
        call, send, who = pool.call, pool.send, world.provider
        told = {
            refusal(call.previewRedeem, 1),
            refusal(call.previewWithdraw, 1),
            refusal(send.redeem, 1, who, who, sender=who),
            refusal(send.withdraw, 1, who, who, sender=who),
        }
        return told == {("ExitByRequest",)} and call.maxRedeem(who) == call.maxWithdraw(who) == 0

    with world.chain.isolated():
        world.request(world.leg(ONE, 200, 2_000))
        assert shut()
    with world.chain.isolated():
        world.open()
        assert shut()
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    assert shut()
    pool.send.executeExit(b"", sender=world.keeper)
    assert pool.call.maxWithdraw(world.provider) == (MILLION - 100) * u


def test_nobody_leaves_in_the_transaction_of_its_entry(world: World) -> None:
    """It would take what a trade in between brings, with borrowed money."""
    pool, u = world.perpetual.pool, world.unit
    guest = world.deployment.deploy("AttackerMock")
    world.token.send.mint(guest.address, 100 * u)
    enter = [
        (world.token.address, world.token.encode.approve(pool.address, 100 * u)),
        (pool.address, pool.encode.deposit(100 * u, guest.address)),
    ]
    shares = 100 * u * VIRTUAL
    for leave, error in (
        (pool.encode.redeem(shares, guest.address, guest.address), "ExitByRequest"),
        (pool.encode.withdraw(100 * u, guest.address, guest.address), "ExitByRequest"),
        (pool.encode.requestRedeem(shares, 0), "EnteredNow"),
    ):
        assert refusal(guest.send.run, [*enter, (pool.address, leave)]) == (error,)
    guest.send.run(enter)
    assert pool.call.maxRedeem(guest.address) == shares
    guest.send.run([(pool.address, pool.encode.redeem(shares, guest.address, guest.address))])
    assert world.balance(guest.address) == 100 * u


# ---------------------------------------------------------------- exit by request


def test_a_request_with_nothing_open_needs_no_proof(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    receipt = pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    assert receipt.event("ExitRequested").args == (0, world.provider, 100 * u * VIRTUAL, 0)
    phase = world.oracle.call.commitment()
    asked = world.chain.timestamp
    assert pool.call.exitOf(0) == ((world.provider, asked, phase, 100 * u * VIRTUAL, 0), 0)
    assert pool.call.balanceOf(pool.address) == 100 * u * VIRTUAL
    assert pool.call.dueExits() == 100 * u
    purses = Purses(world, world.provider, world.keeper)
    paid = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid")
    assert paid.args == (0, world.provider, 100 * u * VIRTUAL, 99 * u, u)
    assert purses.gained() == [99 * u, u]
    assert pool.call.exitOf(0) == (("0x" + "00" * 20, 0, 0, 0, 0), 1)
    assert refusal(pool.send.executeExit, b"") == ("NothingToRedeem",)


def test_dust_is_refused(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    for shares in (0, 1, 2 * u * VIRTUAL - 1):
        assert refusal(pool.send.requestRedeem, shares, 0, sender=world.provider) == ("SharesTooFew", shares)
    assert refusal(pool.send.requestRedeem, 2 * u * VIRTUAL, 0, sender=world.other) == (
        "ERC20InsufficientBalance", world.other, 0, 2 * u * VIRTUAL,
    )  # fmt: skip
    pool.send.requestRedeem(2 * u * VIRTUAL, 0, sender=world.provider)


@pytest.mark.parametrize(("first", "newest"), [(1_950, 2_050), (2_050, 1_950), (2_000, 2_000)])
def test_the_lower_of_two_worths_less_what_the_feed_may_hide(world: World, first: int, newest: int) -> None:
    pool, u = world.perpetual.pool, world.unit
    position = world.open(size=20 * ONE, margin=5_000, reserve=10_000)
    shares = 1_000 * u * VIRTUAL
    pool.send.requestRedeem(shares, 0, sender=world.provider)
    proof = world.price(first * ONE)
    world.price(newest * ONE)
    now = world.chain.timestamp
    worths = []
    for index in (first * ONE, newest * ONE):
        told = pool.call.worth(index, now)
        assert abs(told - worth_of(world, index, position)) <= 2
        worths.append(told - hidden_up(world, index, 20 * ONE))
    supply = pool.call.totalSupply() + VIRTUAL
    assets = shares * (min(worths) + 1) // supply
    purses = Purses(world, world.provider, world.keeper, pool.address)
    idle = pool.call.liquidity()[1]
    paid = pool.send.executeExit(proof, sender=world.keeper).event("ExitPaid")
    assert paid.args == (0, world.provider, shares, assets - u, u)
    assert purses.gained() == [assets - u, u, -assets]
    assert pool.call.liquidity()[1] == idle - assets


def leave_for(world: World, shares: int, least: int, index: int) -> Receipt:
    """Asked for and carried out at the next price."""
    asked = world.perpetual.pool.send.requestRedeem(shares, least, sender=world.provider).event("ExitRequested")
    assert asked.args == (0, world.provider, shares, least)
    return world.perpetual.pool.send.executeExit(world.price(index), sender=world.keeper)


def paid_for(world: World, shares: int, index: int) -> Any:
    """What the same exit pays at whatever price; nothing has happened."""
    before = world.chain.snapshot()
    paid = leave_for(world, shares, 0, index).event("ExitPaid").args
    world.chain.revert(before)
    return paid


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_request_for_more_than_the_price_gives_has_its_shares_back(world: World, beyond: int) -> None:
    """`least` is what reaches the owner. What is void pays the keeper out of its shares; nobody else loses a unit."""
    pool, u = world.perpetual.pool, world.unit
    world.open(size=20 * ONE, margin=5_000, reserve=10_000)
    shares, index = 1_000 * u * VIRTUAL, 2_100 * ONE
    least = paid_for(world, shares, index).assets + beyond
    purses, held = Purses(world, world.provider, world.keeper), pool.call.balanceOf(world.provider)
    receipt = leave_for(world, shares, least, index)
    if beyond:
        void = receipt.event("ExitVoid").args
        burned = shares - void.shares
        assert void == (0, world.provider, shares - burned, least - 1, u)
        price = pool.call.worth(index, world.chain.timestamp) + u - hidden_up(world, index, 20 * ONE) + 1
        assert burned == up(u * (pool.call.totalSupply() + burned + VIRTUAL), price)
        assert pool.call.balanceOf(world.provider) - held == -burned
        assert purses.gained() == [0, u]
    else:
        assert receipt.event("ExitPaid").args == (0, world.provider, shares, least, u)
        assert purses.gained() == [least, u]
    assert pool.call.exitOf(0) == (("0x" + "00" * 20, 0, 0, 0, 0), 1)
    assert (pool.call.dueExits(), pool.call.balanceOf(pool.address)) == (0, 0)
    assert sum(pool.call.liquidity()) == world.balance(pool.address) + 10_000 * u  # the reserve lies in its vault


def test_a_least_of_more_than_its_word_is_refused(world: World) -> None:
    pool, shares = world.perpetual.pool, 100 * world.unit * VIRTUAL
    told = refusal(pool.send.requestRedeem, shares, 2**128, sender=world.provider)
    assert told == ("SafeCastOverflowedUintDowncast", 128, 2**128)
    pool.send.requestRedeem(shares, 2**128 - 1, sender=world.provider)
    assert pool.send.executeExit(b"", sender=world.keeper).event("ExitVoid").args.id == 0


def test_the_proof_must_be_the_first_price_after_the_request(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    world.open()
    early = world.proof()
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    due = world.chain.timestamp + 12
    assert refusal(pool.send.executeExit, early) == ("PriceNotThereYet", due)
    assert refusal(pool.send.executeExit, b"") == ("PriceNotThereYet", due)
    at_due = world.price(PRICE, after=12)
    assert refusal(pool.send.executeExit, at_due) == ("PriceNotThereYet", due)
    good = world.price(PRICE, after=1)
    second = world.price(PRICE)
    for wrong in (early, at_due, second, b""):
        assert refusal(pool.send.executeExit, wrong)[0] == "ProofInvalid"
    pool.send.executeExit(good)


def small(terms: MarketTerms | None = None) -> World:
    """A pool of which nine tenths can be put to work by one order."""
    world = World(RevmChain(), terms=terms)
    pool, u = world.perpetual.pool, world.unit
    pool.send.redeem(990_000 * u * VIRTUAL, world.provider, world.provider, sender=world.provider)
    assert pool.call.liquidity() == (0, 10_000 * u)
    return world


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_part_must_bring_its_part_of_the_least(beyond: int) -> None:
    world = small()
    pool, u = world.perpetual.pool, world.unit
    world.open(reserve=9_000)
    shares = pool.call.balanceOf(world.provider)
    part = paid_for(world, shares, PRICE)
    assert part.shares < shares
    least = part.assets * shares // part.shares + beyond
    receipt = leave_for(world, shares, least, PRICE)
    if beyond:
        assert receipt.event("ExitVoid").args[-2:] == (part.assets, u)
        assert pool.call.exitOf(0)[1] == 1
    else:
        assert receipt.event("ExitPaid").args == part
        rest = pool.call.exitOf(0)[0]
        assert (rest.shares, rest.least) == (shares - part.shares, up(least * (shares - part.shares), shares))


def test_a_partial_exit_stays_first_in_line_and_is_repriced() -> None:
    world = small()
    market, pool, u = world.perpetual.market, world.perpetual.pool, world.unit
    pool.send.deposit(100 * u, world.other, sender=world.other)
    position = world.open(reserve=9_000)
    idle = pool.call.liquidity()[1]
    shares = pool.call.balanceOf(world.provider)
    pool.send.requestRedeem(shares, 0, sender=world.provider)
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.other)
    assert pool.call.dueExits() >= idle
    proof = world.price(PRICE)
    worth = pool.call.worth(PRICE, world.chain.timestamp) - hidden_up(world, PRICE, 10 * ONE)
    supply = pool.call.totalSupply() + VIRTUAL
    part = idle * supply // (worth + 1)
    assets = part * (worth + 1) // supply
    assert assets in (idle - 1, idle)
    paid = pool.send.executeExit(proof, sender=world.keeper).event("ExitPaid")
    assert paid.args == (0, world.provider, part, assets - u, u)
    assert part < shares
    phase = world.oracle.call.commitment()
    assert pool.call.exitOf(0) == ((world.provider, world.chain.timestamp, phase, shares - part, 0), 0)
    # The old proof is worth nothing now; a later one finds nothing to pay with.
    due = world.chain.timestamp + 12
    assert refusal(pool.send.executeExit, proof) == ("PriceNotThereYet", due)
    proof = world.price(PRICE)
    if assets == idle:
        assert refusal(pool.send.executeExit, proof) == ("NothingToRedeem",)
    # The position leaves: the rest is paid, first come first served, at a worth that no price decides any more.
    market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
    world.execute(position, world.price(1_950 * ONE))
    held = pool.call.liquidity()[1]
    supply = pool.call.totalSupply() + VIRTUAL
    assets = (shares - part) * (held + 1) // supply
    first = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
    assert first == (0, world.provider, shares - part, assets - u, u)
    second = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
    left = 100 * u * VIRTUAL * (held - assets + 1) // (supply - shares + part)
    assert second == (1, world.other, 100 * u * VIRTUAL, left - u, u)
    assert pool.call.totalSupply() == 0
    assert pool.call.liquidity() == (0, world.balance(pool.address))


def test_a_share_worth_nothing_waits_while_something_is_open_and_then_leaves_with_nothing() -> None:
    """All that the pool has is the reserve of one position, which has won it."""
    free = {"open_fee": Decimal(0), "close_fee": Decimal(0), "largest_utilisation": Decimal(1)}
    world = small(MarketTerms(**free))
    market, pool, u = world.perpetual.market, world.perpetual.pool, world.unit
    position = world.open(reserve=10_000)
    assert pool.call.liquidity() == (10_000 * u, 0)
    world.walk_to(3_200 * ONE)
    assert pool.call.worth(3_200 * ONE, world.chain.timestamp) == pool.call.totalAssets() == 0
    shares = pool.call.balanceOf(world.provider)
    pool.send.requestRedeem(shares, 0, sender=world.provider)
    proof = world.price(3_200 * ONE)
    assert refusal(pool.send.executeExit, proof, sender=world.keeper) == ("NothingToRedeem",)
    # It could still lose; once it has been paid that is final, and nobody is paid for saying so.
    market.send.closeAtReserve(position, sender=world.keeper)
    assert (pool.call.liquidity(), world.balance(pool.address)) == ((0, 0), 0)
    purses = Purses(world, world.provider, world.keeper)
    receipt = pool.send.executeExit(b"", sender=world.keeper)
    assert receipt.event("ExitPaid").args == (0, world.provider, shares, 0, 0)
    assert world.keeper not in [transfer.args.to for transfer in receipt.events_of("Transfer")]
    assert purses.gained() == [0, 0]
    assert (pool.call.totalSupply(), pool.call.exitOf(0)[1]) == (0, 1)


def test_a_refused_payment_waits_for_its_owner(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    pool.send.requestRedeem(50 * u * VIRTUAL, 0, sender=world.provider)
    world.token.send.setBlocked(world.provider, True)
    kept = pool.send.executeExit(b"", sender=world.keeper).event("ExitKept")
    assert kept.args == (world.provider, 99 * u)
    pool.send.executeExit(b"", sender=world.keeper)
    assert pool.call.totalAssets() == pool.call.liquidity()[1] == (MILLION - 150) * u
    assert world.balance(pool.address) == (MILLION - 150 + 148) * u
    assert refusal(pool.send.claimExit, world.stranger, sender=world.stranger) == ("NothingToRedeem",)
    purses = Purses(world, world.other, pool.address)
    pool.send.claimExit(world.other, sender=world.provider)
    assert purses.gained() == [148 * u, -148 * u]
    assert refusal(pool.send.claimExit, world.other, sender=world.provider) == ("NothingToRedeem",)


def test_a_blocked_keeper_of_an_exit_forgoes_its_fee(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    world.token.send.setBlocked(world.keeper, True)
    pool.send.executeExit(b"", sender=world.keeper)
    assert pool.call.liquidity() == (0, (MILLION - 99) * u) == (0, world.balance(pool.address))


def test_a_disputed_first_price_renews_the_request(world: World) -> None:
    pool, u = world.perpetual.pool, world.unit
    world.open()
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    proof = world.price(2_300 * ONE)  # 15 % in one step
    world.price(2_300 * ONE)
    assert pool.call.executeExit(proof) == (0, 0)
    receipt = pool.send.executeExit(proof, sender=world.keeper)
    assert receipt.event("ExitRenewed").args == (0,) and not receipt.events_of("ExitPaid")
    phase = world.oracle.call.commitment()
    assert pool.call.exitOf(0) == ((world.provider, world.chain.timestamp, phase, 100 * u * VIRTUAL, 0), 0)
    pool.send.executeExit(world.price(2_300 * ONE), sender=world.keeper).event("ExitPaid")


def test_a_request_nobody_can_prove_is_renewed_after_its_time_to_live(world: World) -> None:
    """The feed has moved to another phase before it spoke: the old one never will."""
    pool, u = world.perpetual.pool, world.unit
    world.open()
    pool.send.requestRedeem(100 * u * VIRTUAL, 0, sender=world.provider)
    asked = world.chain.timestamp
    world.feed.proxy.send.newPhase()
    world.wait(60)
    world.feed.push(PRICE)
    assert refusal(pool.send.executeExit, world.proof())[0] == "ProofInvalid"
    world.wait(asked + 12 + 3_900 - world.chain.timestamp)
    world.feed.push(PRICE)
    assert refusal(pool.send.executeExit, b"")[0] == "ProofInvalid"
    world.wait(1)
    pool.send.executeExit(b"", sender=world.keeper).event("ExitRenewed")
    pool.send.executeExit(world.price(PRICE), sender=world.keeper).event("ExitPaid")


def test_exits_after_the_end_are_at_the_final_mark_settled_or_not(world: World) -> None:
    """Carry stops with the market, whoever comes first and however late."""
    market, pool, u = world.perpetual.market, world.perpetual.pool, world.unit
    position = world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    early = 1_000 * u * VIRTUAL
    pool.send.requestRedeem(early, 0, sender=world.provider)
    world.walk_to(1_990 * ONE)
    last = world.chain.timestamp
    gain = equity_down(market.call.positionOf(position), carry_now(world), 1_990 * ONE, unit_of(world))
    gain -= market.call.positionOf(position).margin
    world.wait(HEARTBEAT + 1)
    world.oracle.send.checkOutage()
    world.wait(86_400)
    world.oracle.send.checkOutage()
    assert world.oracle.call.finalPrice() == (True, 1_990 * ONE, last)
    world.wait(10**7)
    held, supply = sum(pool.call.liquidity()), pool.call.totalSupply() + VIRTUAL
    paid = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
    assert abs(paid.assets + paid.keeperFee - early * (held - gain + 1) // supply) <= 1
    # One may still ask, and what is left of idle is paid; the rest once the position has been settled.
    pool.send.requestRedeem(pool.call.balanceOf(world.provider), 0, sender=world.provider)
    assert pool.call.exitOf(1)[0].phase == 0  # no phase is needed any more
    part = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
    assert part.assets + part.keeperFee >= held - 100_000 * u - early // VIRTUAL - 1_000 * u
    market.send.settle([position], sender=world.keeper)
    pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid")
    assert (pool.call.totalSupply(), pool.call.liquidity()[0]) == (0, 0)
    assert pool.call.liquidity()[1] == world.balance(pool.address) <= 1


# ---------------------------------------------------------------- earmarks


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


# ---------------------------------------------------------------- strangers


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


def test_worth_goes_down_to_the_last_unit() -> None:
    """All reserved but one unit, and all of that won by the trader."""
    world = small(MarketTerms(open_fee=Decimal(0), largest_utilisation=Decimal(1)))
    pool, u = world.perpetual.pool, world.unit
    (position,) = world.request(world.leg(10 * ONE, 2_000, 0) | {"reserve": 10_000 * u - 1}, high=PRICE * 11 // 10)
    world.execute(position, world.price(PRICE)).event("Opened")
    assert pool.call.liquidity() == (10_000 * u - 1, 1)
    assert pool.call.worth(10 * PRICE, world.chain.timestamp) == 1


def test_shares_and_assets_to_the_last_of_both(world: World) -> None:
    """Amounts at which the quotient is one part above a whole number, or one part below."""
    pool = world.perpetual.pool
    position = world.open()
    world.perpetual.market.send.requestClose(position, 10 * ONE, 0, 0, MAX, sender=world.trader)
    world.execute(position, world.price(PRICE))  # fees: a share is worth an odd amount
    assets, shares = 2, 2
    while gcd(assets, shares) > 1:
        pool.send.deposit(1, world.provider, sender=world.provider)
        assets, shares = pool.call.liquidity()[1] + 1, pool.call.totalSupply() + VIRTUAL
    above_in_shares, above_in_assets = pow(assets, -1, shares), pow(shares, -1, assets)
    for one in (above_in_shares, shares - above_in_shares):
        assert pool.call.previewRedeem(one) == one * assets // shares
        assert pool.call.previewMint(one) == up(one * assets, shares)
    for one in (above_in_assets, assets - above_in_assets):
        assert pool.call.previewDeposit(one) == one * shares // assets
        assert pool.call.previewWithdraw(one) == up(one * shares, assets)

    for leaving in (above_in_shares, shares - above_in_shares):
        with world.chain.isolated():
            pool.send.requestRedeem(leaving, 0, sender=world.provider)
            assert pool.call.dueExits() == up(leaving * assets, shares)
            paid = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
            assert paid == (0, world.provider, leaving, leaving * assets // shares - world.unit, world.unit)


def test_a_keeper_takes_no_more_than_half_of_an_exit(world: World) -> None:
    """The pool has lost a hundredth since the smallest of requests."""
    pool, u = world.perpetual.pool, world.unit
    world.open(size=100 * ONE, margin=20_000, reserve=100_000)
    pool.send.requestRedeem(2 * u * VIRTUAL, 0, sender=world.provider)
    paid = pool.send.executeExit(world.price(2_100 * ONE), sender=world.keeper).event("ExitPaid").args
    assets = paid.assets + paid.keeperFee
    assert 197 * u < 100 * assets < 199 * u
    assert paid.keeperFee == assets // 2


def test_a_keeper_of_an_exit_is_paid_a_single_unit() -> None:
    unit = Decimal("0.000001")
    world = World(RevmChain(), terms=MarketTerms(keeper_floor=unit))
    pool = world.perpetual.pool
    pool.send.requestRedeem(10 * VIRTUAL, 0, sender=world.provider)
    paid = pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args
    assert (paid.assets, paid.keeperFee, world.balance(world.keeper)) == (9, 1, 1)


def test_a_single_share_may_be_worth_a_keeper(world: World) -> None:
    """Somebody has lost to a pool of a hundred units ten billion times what it held."""
    market = market_of(world, MarketTerms(smallest_reserve=Decimal("1e-18")))
    pool, owner = market.pool, world.trader
    pool.send.redeem(pool.call.balanceOf(owner) - 100 * VIRTUAL, owner, owner, sender=owner)
    leg = world.leg(10**6 * ONE, 9 * 10**8, 0) | {"reserve": 1}
    (position,) = world.request(leg, market=market, high=PRICE * 11 // 10)
    world.execute(position, world.price(PRICE), market).event("Opened")
    world.price(PRICE)
    say(world, mark=(1,))
    market.market.send.liquidate([position], sender=world.keeper).event("Exited")
    assert pool.call.convertToAssets(1) > 2 * world.unit
    pool.send.requestRedeem(1, 0, sender=owner)
    assert pool.send.executeExit(b"", sender=world.keeper).event("ExitPaid").args.shares == 1


def test_what_88_bits_do_not_hold_belongs_to_nobody(world: World) -> None:
    """A full pool wins what two traders have put in, each as much as a side may hold."""
    dear = (2**111,)
    market = market_of(world, MarketTerms(smallest_reserve=Decimal("1e-18")), mark=dear)
    pool, owner, margin = market.pool, world.trader, 2**87 - 2**10
    world.token.send.mint(owner, 2**90)
    pool.send.deposit(pool.call.maxDeposit(owner), owner, sender=owner)
    leg = {
        "series": 0,
        "margin": margin,
        "reserve": 10**6,
        "maxPremium": MAX,
        "size": 2**88 * 10**30 // 2**111 // LOT * LOT,
    }
    for _ in range(2):
        say(world, mark=dear)
        (position,) = world.request(leg | {"size": leg["size"] - LOT}, market=market, high=PRICE * 11 // 10)
        world.execute(position, world.price(PRICE), market).event("Opened")
        world.price(PRICE)
        say(world, mark=(1,))
        assert market.market.send.liquidate([position], sender=world.keeper).event("Exited").args.toTrader == 0
    assert pool.call.liquidity() == (0, 2**88 - 1)
    assert world.balance(pool.address) > 2**88
