"""The latest price and when there is none: its age, a dead primary, the sequencer. Attack rows by number."""

from __future__ import annotations

from typing import Any

import pytest
from oracle_world import E8, E18, HEARTBEAT, ID, answer_of, world

from bulkhead.chain import Revert


def always(*words: int) -> bytes:
    """Code that answers every question with the same words."""
    code = b""
    for i, word in enumerate(words):
        code += b"\x7f" + word.to_bytes(32, "big") + b"\x60" + bytes([32 * i]) + b"\x52"  # MSTORE
    return code + b"\x60" + bytes([32 * len(words)]) + b"\x5f\xf3"  # RETURN


def test_latest_ages() -> None:
    w = world()
    t = w.now
    w.wait(HEARTBEAT + 60)
    assert w.ask("latest") == (2000 * E18, t)
    w.wait(1)
    assert w.ask("latest") == ("PriceStale", (t, HEARTBEAT + 60))


@pytest.mark.parametrize("fault", ["reverts", "burns", "nothing"])
def test_a_dead_primary(fault: str) -> None:
    w = world()
    w.primary.fail(fault)
    assert w.ask("latest") == ("PriceStale", (0, HEARTBEAT + 60))
    assert w.ask("commitment") == ("PriceStale", (0, HEARTBEAT + 60))
    assert w.first(w.now, ID | 2)[0] == "ProofInvalid"
    assert w.check_outage() == (False, ["OutageStarted"])


@pytest.mark.parametrize(
    ("id_", "told"),
    [
        (2**80, ("PriceStale", (0, HEARTBEAT + 60))),
        (0, ("PriceJumped", (2000 * E18, 0))),  # a round, but with none before it
    ],
)
def test_a_primary_whose_newest_round_has_an_impossible_id(id_: int, told: Any) -> None:
    w = world()
    t = w.now
    w.wait(10)
    w.chain.set_code(w.primary.mock.address, always(id_, 2000 * E8, w.now, w.now, id_))
    assert answer_of(w.contract.call.latest) == told
    assert [event.name for event in w.contract.send.checkOutage().events] == ["OutageStarted"]
    assert tuple(w.contract.call.last()) == (2000 * E18, t)


def test_the_largest_id_that_a_round_may_have() -> None:
    w = world()
    w.chain.set_code(w.primary.mock.address, always(2**80 - 1, 2000 * E8, w.now, w.now, 2**80 - 1))
    assert answer_of(w.contract.call.latest) == (2000 * E18, w.now)


def test_a_phase_of_more_than_16_bits_is_none() -> None:
    w = world()
    w.chain.set_code(w.primary.mock.address, always(2**16 - 1))
    assert w.contract.call.commitment() == 2**16 - 1
    w.chain.set_code(w.primary.mock.address, always(2**16))
    assert answer_of(w.contract.call.commitment) == ("PriceStale", (0, HEARTBEAT + 60))


def test_row_25_sequencer_down_then_grace() -> None:
    w = world(sequencer=True)
    assert w.sequencer is not None
    t = w.now
    w.wait(10)
    r = w.primary.push(2000)
    w.sequencer.push(1)
    for question in ("latest", "commitment"):
        assert w.ask(question) == ("InGrace", (2**256 - 1,))
    w.wait(100)
    w.sequencer.push(0)
    until = w.now + 600
    assert w.ask("latest") == w.ask("commitment") == ("InGrace", (until,))
    w.at(until - 1)
    assert w.ask("latest") == ("InGrace", (until,))
    assert w.first(t, r)[2] is True  # what was bound before is not touched
    w.at(until)
    assert w.ask("latest") == (2000 * E18, t + 10) and w.ask("commitment") == (1,)
    for since in (0, w.now + 1):  # up since no time, or since one to come
        w.sequencer.push(0, observed=since, transmitted=w.now)
        assert w.ask("latest") == ("InGrace", (2**256 - 1,))
    w.sequencer.fail()
    assert w.ask("latest") == ("InGrace", (2**256 - 1,))


def test_too_little_gas_is_told_with_what_there_must_be() -> None:
    """At the first question to a feed: then it gets a hundred thousand, and twenty are left for what follows."""
    w = world()
    told = set()
    for gas in range(130_000, 150_000, 1_000):
        try:
            w.chain.send(w.contract.address, w.contract.encode.latest(), gas=gas)
        except Revert as revert:
            told.add((revert.name, revert.values[1]))
            assert revert.values[0] < 120_000
    assert told == {("GasTooLow", 120_000)}
