"""The same scenarios on every backend: what a caller sees must not depend on the engine."""

from __future__ import annotations

from typing import Any

import pytest

from bulkhead.chain import ZERO, ChainError, Contract, EncodingError, NoContract, Rejected, Revert, describe

from .conftest import MADE_WITH, SUPPLY

OTHER = "0x00000000000000000000000000000000DeaDBeef"
BOOK = {
    "id": b"\x01" * 32,
    "best": {"owner": OTHER, "size": -7, "side": 1},
    "prices": [1, 2**64 - 1],
    "label": "wide",
}


def test_deploy_runs_the_constructor_and_keeps_its_receipt(chain: Any, probe: Contract) -> None:
    assert probe.call.owner() == chain.accounts[0]
    assert probe.deployment is not None
    assert probe.deployment.contract_address == probe.address
    assert probe.deployment.event("Transfer").args == (ZERO, chain.accounts[0], SUPPLY)
    assert chain.balance(probe) == MADE_WITH
    assert chain.code(probe) and not chain.code(OTHER)
    assert repr(probe) == f"<ChainProbe at {probe.address}>"


def test_constructor_reverts_are_typed(chain: Any, artifact: Any) -> None:
    with pytest.raises(Revert, match="constructor of ChainProbe: Denied") as denied:
        chain.deploy(artifact, ZERO, 0)
    assert denied.value.name == "Denied"
    with pytest.raises(EncodingError, match="constructor of ChainProbe: supply"):
        chain.deploy(artifact, OTHER, -1)


def test_send_changes_state_and_tells_what_happened(chain: Any, probe: Contract) -> None:
    me = chain.accounts[0]
    receipt = probe.send.transfer(OTHER, 5)
    assert probe.call.balanceOf(OTHER) == 5
    assert receipt.return_value is True
    event = receipt.event("Transfer")
    assert (event.name, event.address, event.args) == ("Transfer", probe.address, (me, OTHER, 5))
    assert (event.args.from_, event.args.to, event.args.amount) == (me, OTHER, 5)
    assert receipt.events_of("Transfer", probe.address) == [event] == receipt.events
    assert receipt.events_of("Transfer", OTHER) == []
    assert 21_000 < receipt.gas_used < 60_000
    assert receipt.timestamp == chain.timestamp
    assert receipt.block_number == chain.block_number
    with pytest.raises(ChainError, match="Expected one event Stored, got 0"):
        receipt.event("Stored")


def test_first_touch_costs_the_same_gas_everywhere(chain: Any, probe: Contract) -> None:
    assert probe.send.transfer(OTHER, 5).gas_used in range(46_000, 52_000)
    assert chain.send(OTHER, value=1).gas_used == 21_000


def test_custom_errors_carry_their_values(chain: Any, probe: Contract) -> None:
    poor = chain.accounts[1]
    with pytest.raises(Revert) as caught:
        probe.send.transfer(OTHER, 6, sender=poor)
    revert = caught.value
    assert revert.name == "TooMuch"
    assert revert.values == (poor, 6, 0)
    assert revert.values.wanted == 6
    assert revert.selector == revert.data[:4]
    assert str(revert) == f"ChainProbe.transfer: TooMuch(who={poor}, wanted=6, available=0)"
    with pytest.raises(Revert) as caught:
        probe.call.transfer(OTHER, 6, sender=poor)
    assert caught.value.values == (poor, 6, 0)


def test_errors_may_carry_structs(probe: Contract) -> None:
    with pytest.raises(Revert) as caught:
        probe.call.badBook(BOOK)
    assert caught.value.values.book.best.size == -7
    assert caught.value.values.book.label == "wide"


def test_errors_may_be_described_in_words(probe: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(describe, "TooMuch", "{wanted} wanted, {available} there")
    with pytest.raises(Revert, match=r"ChainProbe\.transfer: 6 wanted, 0 there$"):
        probe.call.transfer(OTHER, 6, sender=OTHER)
    monkeypatch.setitem(describe, "TooMuch", lambda revert: f"short of {revert.values.wanted}")
    with pytest.raises(Revert, match=r"short of 6$"):
        probe.call.transfer(OTHER, 6, sender=OTHER)


@pytest.mark.parametrize(
    ("function", "args", "name", "words"),
    [
        ("sayNo", ('it\'s "no", é { output: 0x00 }',), "Error", 'it\'s "no", é { output: 0x00 }'),
        ("divide", (1, 0), "Panic", "panic 0x12, division or modulo by zero"),
        ("failSilently", (), "Empty", "reverted without a reason"),
        ("bumpThenDeny", (), "Denied", "Denied()"),
    ],
)
def test_other_ways_to_revert(probe: Contract, function: str, args: tuple[Any, ...], name: str, words: str) -> None:
    for how in (probe.call, probe.send):
        with pytest.raises(Revert) as caught:
            how[function](*args)
        assert (caught.value.name, str(caught.value)) == (name, f"ChainProbe.{function}: {words}")
    assert probe.call.counter() == 0


def test_halts_have_a_reason_and_no_data(probe: Contract) -> None:
    for function, gas, reason in (("burnGas", None, "InvalidFEOpcode"), ("spin", 100_000, "out of gas")):
        with pytest.raises(Revert) as caught:
            probe.send[function](gas=gas)
        assert (caught.value.name, caught.value.data, caught.value.reason) == ("Halt", b"", reason)
    assert probe.call.counter() == 0


def test_unknown_errors_show_their_data(chain: Any, probe: Contract) -> None:
    from bulkhead.chain import Registry

    entries = [e for e in probe.abi.entries if e["type"] == "function"]
    before, chain.registry = chain.registry, Registry()
    try:
        with pytest.raises(Revert, match="no registered ABI: 0xe3372e2d") as caught:
            chain.contract(entries, probe).send.bumpThenDeny()
        assert (caught.value.name, caught.value.values) == ("Unknown", ())
        chain.register(probe.abi.entries)
        with pytest.raises(Revert, match="Denied"):
            chain.contract(entries, probe).send.bumpThenDeny()
    finally:
        chain.registry = before


def test_transactions_nobody_takes_are_rejected(chain: Any, probe: Contract) -> None:
    with pytest.raises(Rejected):
        probe.send.pay(value=10**30)
    with pytest.raises(Rejected):
        chain.send(probe, probe.encode["bump()"](), gas=20_000)


def test_transient_storage_lasts_one_transaction(probe: Contract) -> None:
    probe.send.once()
    probe.send.once()
    probe.call.once()
    with pytest.raises(Revert, match="Denied"):
        probe.send.twice()
    probe.send.once()
    assert probe.call.counter() == 3


def test_calls_change_nothing(chain: Any, probe: Contract) -> None:
    assert probe.call["bump(uint256)"](3) == 3
    assert probe.call.counter() == 0
    assert probe.call.pay(value=3, sender=chain.accounts[0]) == 3
    assert chain.balance(probe) == MADE_WITH


def test_overloads_go_by_signature(probe: Contract) -> None:
    probe.send["bump()"]()
    assert probe.send["bump(uint256)"](by=4).return_value == 5
    assert probe.call.counter() == 5
    with pytest.raises(ChainError, match=r"bump is overloaded, use one of \[bump\(\), bump\(uint256\)\]"):
        probe.send.bump()
    with pytest.raises(ChainError, match="ChainProbe has no function jump; it has badBook"):
        probe.call.jump()


def test_structs_events_and_arrays_come_back_named(chain: Any, probe: Contract) -> None:
    receipt = probe.send.store(BOOK)
    book = receipt.return_value
    assert (book.id, book.best, book.prices, book.label) == (
        b"\x01" * 32,
        (OTHER, -7, 1),
        [1, 2**64 - 1],
        "wide",
    )
    stored = receipt.event("Stored").args
    assert stored.leg.size == -7 and stored.prices == [1, 2**64 - 1] and stored.plain == "wide"
    assert stored.label != "wide" and len(stored.label) == 32
    assert [len(log.topics) for log in receipt.logs] == [3, 1]  # the anonymous one stays raw
    assert probe.call.leg() == (chain.accounts[0], -5, 1)
    assert [leg.size for leg in probe.call.legs(3)] == [-1, 0, 1]
    number, who, yes = probe.call.pair()
    assert (number, who, yes) == (0, chain.accounts[0], True)
    assert probe.call.pair().number == 0
    echoed = (-8_388_608, b"abcd", False, [1, 2, 255], b"x" * 33)
    assert probe.call.echo(*echoed) == echoed


def test_ether_moves_with_calls(chain: Any, probe: Contract) -> None:
    assert probe.send.pay(value=30).return_value == 30
    chain.send(probe, value=3)
    assert chain.balance(probe) == MADE_WITH + 33
    before = chain.balance(OTHER)
    probe.send.withdraw(OTHER, 40)
    assert chain.balance(OTHER) == before + 40
    with pytest.raises(Revert, match="withdraw failed"):
        probe.send.withdraw(OTHER, 1)


def test_logs_are_found_by_address_name_and_block(chain: Any, probe: Contract) -> None:
    first = probe.send.transfer(OTHER, 1)
    second = probe.send.transfer(OTHER, 2)
    probe.send.store(BOOK)
    amounts = [e.args.amount for e in probe.events("Transfer", from_block=first.block_number)]
    assert amounts[-2:] == [1, 2]
    assert [e.name for e in chain.logs(probe)] == ["Transfer", "Transfer", "Transfer", "Stored"]
    assert chain.logs(OTHER, ["Transfer"]) == []
    assert chain.logs(probe, from_block=second.block_number + 100) == []
    with pytest.raises(ChainError, match="No registered ABI has an event Nothing"):
        chain.logs(probe, ["Nothing"])


def test_an_empty_address_is_no_contract(chain: Any, probe: Contract) -> None:
    nobody = chain.contract(probe.abi.entries, OTHER)
    with pytest.raises(NoContract, match=f"there is no such contract at {OTHER}"):
        nobody.call.owner()


def test_storage_and_identity(chain: Any, probe: Contract) -> None:
    probe.send["bump(uint256)"](77)
    assert chain.storage(probe, 1) == 77
    assert chain.chain_id == 31337
    timestamp, _, chain_id = probe.call.now_()
    assert (timestamp, chain_id) == (chain.timestamp, 31337)
    assert chain.new_account("someone") in chain.accounts
