"""The system on a network of ape's own."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.build import artifacts
from bulkhead.chain import Rejected, Revert
from tests.world import ONE, World


def test_a_liquidation(world: World) -> None:
    position = world.open(size=10 * ONE, margin=1_000, reserve=5_000)
    world.price(1_930 * ONE)
    held = world.balance(position)
    receipt = world.perpetual.market.send.liquidate([position], sender=world.keeper)
    exited = receipt.event("Exited").args
    assert exited.position == position
    assert 0 < exited.toTrader + exited.toPool + exited.toKeeper == held - world.balance(position)


@pytest.mark.parametrize("turn", ["first", "second"])
def test_every_test_finds_the_world_as_it_was(world: World, turn: str) -> None:
    assert world.balance(world.trader) == 10**9 * world.unit
    world.open()
    assert world.balance(world.trader) < 10**9 * world.unit


def test_a_refusal_has_its_name(world: World) -> None:
    with pytest.raises(Revert) as refusal:
        world.request(world.leg(ONE, margin=1, reserve=500))
    assert refusal.value.name == "MarginBelowMinimum"


def test_an_account_without_ether_is_told_so(world: World, accounts: Any, chain: Any) -> None:
    chain.set_balance(world.trader, 0)
    with pytest.raises(Rejected, match="account balance"):
        world.open()


def test_ape_sees_the_same(world: World, Contract: Any, accounts: Any, chain: Any) -> None:
    token = Contract(world.token.address, abi=artifacts()["TokenMock"].abi)
    assert token.balanceOf(world.trader) == world.balance(world.trader)
    assert set(world.chain.accounts) > {account.address for account in accounts}
    assert world.chain.timestamp == chain.blocks.head.timestamp
