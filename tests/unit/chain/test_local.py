"""What only a local chain can do, the same on all of them."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import ChainError, Contract, SnapshotLost

OTHER = "0x00000000000000000000000000000000DeaDBeef"
RETURN_42 = bytes.fromhex("602a60005260206000f3")


def test_time_stands_still_until_moved(local: Any, local_probe: Contract) -> None:
    start = local.timestamp
    local_probe.send["bump()"]()
    local_probe.send["bump()"]()
    assert local.timestamp == start == local_probe.call.now_().timestamp
    local.set_time(start + 100)
    assert local_probe.call.now_().timestamp == local.timestamp == start + 100
    assert local_probe.send["bump()"]().timestamp == start + 100
    number = local.block_number
    local.mine()
    assert (local.block_number, local.timestamp) == (number + 1, start + 112)
    local.mine(seconds=3600)
    local.mine(5, seconds=50)
    assert (local.block_number, local.timestamp) == (number + 7, start + 112 + 3600 + 50)
    local.mine(3)
    assert local.timestamp == start + 112 + 3600 + 50 + 36
    with pytest.raises(ChainError, match="Time only goes forward"):
        local.set_time(start)


def test_isolation_restores_everything(local: Any, local_probe: Contract) -> None:
    me = local.accounts[0]

    def seen() -> tuple[Any, ...]:
        return (
            local.timestamp,
            local.block_number,
            local_probe.call.counter(),
            [local.balance(a) for a in (me, OTHER, local_probe)],
            local.code(OTHER),
            local.storage(local_probe, 5),
            len(local.logs()),
            local.accounts,
        )

    before = seen()
    with pytest.raises(ZeroDivisionError), local.isolated():
        local_probe.send["bump()"]()
        local_probe.send.transfer(OTHER, 1)
        local_probe.send.withdraw(OTHER, 3)
        local.set_balance(OTHER, 50)
        local.send(OTHER, value=5)
        local.set_balance(me, 10**18)
        local.send(OTHER, value=5)
        local.set_balance(OTHER, 0)
        local.set_code(OTHER, RETURN_42)
        local.set_storage(local_probe, 5, 6)
        local.new_account("guest")
        local.mine(10)
        assert all(a != b for a, b in zip(before, seen(), strict=True))
        1 / 0  # noqa: B018
    assert seen() == before


def test_snapshots_nest_and_serve_once(local: Any, local_probe: Contract) -> None:
    outer = local.snapshot()
    local_probe.send["bump()"]()
    inner = local.snapshot()
    local_probe.send["bump()"]()
    local.revert(inner)
    assert local_probe.call.counter() == 1
    with pytest.raises(SnapshotLost):
        local.revert(inner)
    lost = local.snapshot()
    local.revert(outer)
    assert local_probe.call.counter() == 0
    for gone in (lost, outer, 10**9):
        with pytest.raises(SnapshotLost):
            local.revert(gone)
    local_probe.send["bump()"]()
    assert local_probe.call.counter() == 1


def test_anyone_may_send_and_gas_is_free(local: Any, local_probe: Contract) -> None:
    local_probe.send.transfer(OTHER, 9)
    assert local.balance(OTHER) == 0
    local_probe.send.transfer(local_probe, 4, sender=OTHER)
    assert local_probe.call.balanceOf(OTHER) == 5
    before = local.balance(local.accounts[0])
    local_probe.send["bump()"]()
    assert local.balance(local.accounts[0]) == before


def test_state_can_be_set(local: Any, local_probe: Contract) -> None:
    local.set_code(OTHER, RETURN_42)
    assert int.from_bytes(local.call(OTHER, b"")) == 42
    local.set_storage(local_probe, 1, 2**256 - 1)
    assert local_probe.call.counter() == 2**256 - 1
    local.set_balance(local_probe, 5)
    local_probe.send.transfer(OTHER, 1)
    local.set_code(local_probe, RETURN_42)
    assert local.balance(local_probe) == 5
    assert local.storage(local_probe, 1) == 2**256 - 1
    assert local_probe.call.counter() == 42


def test_labelled_accounts_are_the_same_everywhere(revm: Any, anvil: Any) -> None:
    with revm.isolated(), anvil.isolated():
        assert revm.new_account("trader") == anvil.new_account("trader")
        assert revm.new_account("trader") in revm.accounts
        assert revm.balance(revm.new_account("keeper")) == anvil.balance(anvil.new_account("keeper")) > 0
        assert revm.accounts[:3] == anvil.accounts[:3]
