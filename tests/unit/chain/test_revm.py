"""Fast paths and limits of the in-process chain."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import ChainError, Contract, Rejected, Revert, RevmChain
from bulkhead.chain.revm import MAX_SNAPSHOTS

from .conftest import probe_on

OTHER = "0x00000000000000000000000000000000DeaDBeef"


@pytest.fixture
def probe(artifact: Any) -> Contract:
    return probe_on(RevmChain(), artifact)


def test_raw_sends_do_what_sends_do(probe: Contract) -> None:
    chain: Any = probe.chain
    me, data = chain.accounts[0], probe.encode.transfer(OTHER, 5)
    assert int.from_bytes(chain.send_raw(probe.address, data, me)) == 1
    assert chain.attempt(probe.address, data, me)[0] is True
    assert probe.call.balanceOf(OTHER) == 10
    assert [e.args.amount for e in probe.events("Transfer")][1:] == [5, 5]
    with pytest.raises(Revert, match="Denied"):
        chain.send_raw(probe.address, probe.encode.bumpThenDeny(), me)
    denied = next(e for e in probe.abi.errors if e.name == "Denied")
    assert chain.attempt(probe.address, probe.encode.bumpThenDeny(), me) == (False, denied.selector)
    assert chain.attempt(probe.address, probe.encode.burnGas(), me) == (False, b"")


def test_open_snapshots_are_limited_before_the_call_stack_is(probe: Contract) -> None:
    chain: Any = probe.chain
    first = chain.snapshot()
    for _ in range(MAX_SNAPSHOTS - 1):
        chain.snapshot()
    probe.send["bump()"]()
    with pytest.raises(ChainError, match="snapshots are open"):
        chain.snapshot()
    chain.revert(first)
    assert probe.call.counter() == 0
    with chain.isolated():
        probe.send["bump()"]()


def test_has_no_past_and_may_keep_no_logs(artifact: Any) -> None:
    probe = probe_on(RevmChain(keep_logs=False), artifact)
    assert probe.send.transfer(OTHER, 1).event("Transfer").args.amount == 1
    with pytest.raises(ChainError, match="keeps no logs"):
        probe.events()
    with pytest.raises(ChainError, match="has no past"):
        probe.call.counter(block=0)


def test_a_contract_cannot_be_the_sender(probe: Contract) -> None:
    with pytest.raises(Rejected, match="the sender is a contract"):
        probe.send.transfer(OTHER, 1, sender=probe)


def test_code_size_limits_hold() -> None:
    chain = RevmChain()

    class Fat:
        name, abi = "Fat", []  # type: ignore[var-annotated]
        bytecode = bytes.fromhex("6160016000f3")  # 24,577 bytes of zeros

    with pytest.raises(Revert, match="CreateContractSizeLimit"):
        chain.deploy(Fat())
