"""Exit at once: as long as nothing is open, pending or asked, and never in the transaction of the entry."""

from __future__ import annotations

from tests.unit.exits.expect import Purses, up
from tests.unit.pool.helpers import MILLION, VIRTUAL, refusal
from tests.world import ONE, World


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
