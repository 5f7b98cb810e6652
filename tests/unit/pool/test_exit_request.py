"""Exit by request: the price that it gets, its least, its part while the pool is busy, and its renewal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bulkhead.chain import Receipt
from bulkhead.protocol import MarketTerms
from tests.unit.exits.expect import Purses, carry_now, equity_down, unit_of, up
from tests.unit.pool.helpers import VIRTUAL, hidden_up, refusal, small, worth_of
from tests.world import HEARTBEAT, MAX, ONE, PRICE, World


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
