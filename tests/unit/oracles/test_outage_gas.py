"""What the clock of an outage costs whatever sources do, and that too little gas is no witness (REQ-24)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from oracle_world import E8, E18, HEARTBEAT, ID, Feed, World, answer_of

from bulkhead.build import artifacts
from bulkhead.chain import Rejected, Revert, RevmChain
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.oracles.oracle_settings import Composition
from bulkhead.protocol import OracleTerms
from bulkhead.protocol.config import source
from tests.unit.market.instrument import code_of

#: Sources that are honest, with room for code that is not optimised, and the worst that they can do (docs/oracles.md).
HONEST, WORST = 4_000_000, 5_000_000
FOREVER = bytes.fromhex("5b5f56")


def world(validators: int, **kinds: Any) -> World:
    """Forty rounds of every source, then the oracle."""
    w = World(validators, **kinds)
    for wait in (700, 700) if kinds.get("pools") else [60] * 40:
        w.all(2000)
        w.wait(wait)
    w.all(2000)
    w.wait(1)
    return w.build()


def dispute(w: World) -> None:
    """The primary is wrong for longer than any search goes back, its validators are right and speak twice as often."""
    for _ in range(40):
        for _ in range(2):
            w.wait(30)
            for feed in w.sources[1:]:
                feed.push(1 if feed is w.leg else 2000)
        w.primary.push(9000)


def burner(answer: int) -> bytes:
    """A feed that burns what it is given, and says at last that it has just spoken: every search goes on through it."""
    words = [f"7f{ID | 100:064x}", f"7f{answer:064x}", "42", "42", "5f"]
    told = "".join(f"{word}60{32 * i:02x}52" for i, word in enumerate(words))
    return bytes.fromhex("5b5a6107d0105f57" + told + "60a05ff3")  # while gas > 2000


def test_req_24_the_worst_of_honest_sources() -> None:
    """Chainlink's own aggregators as validators, each with a round for every half of a minute of the primary's."""
    chain, made = RevmChain(), artifacts()
    chain.set_time(1_800_000_000)
    primary = chain.deploy(made["FeedProxyMock"], 8)
    others = [chain.deploy(made["MockV3Aggregator"], 8, 2000 * E8) for _ in range(4)]

    def speak(answer: int) -> None:
        chain.set_time(chain.timestamp + 30)
        for feed in others:
            feed.send.updateAnswer(2000 * E8)
        chain.set_time(chain.timestamp + 30)
        for feed in others:
            feed.send.updateAnswer(2000 * E8)
        primary.send.push(answer, chain.timestamp, chain.timestamp)

    for _ in range(2):
        speak(2000 * E8)
    settings = OracleTerms().encoded(primary.address, 8) | {"validators": [source(feed.address) for feed in others]}
    oracle = chain.deploy(made["Oracle"], settings | {"quorum": 2, "spread": E18 // 100})
    for _ in range(40):
        speak(9000 * E8)
    receipt = oracle.send.checkOutage()
    print(f"forty disputed rounds, four honest aggregators: {receipt.gas_used:,} gas")
    assert [event.name for event in receipt.events] == ["OutageStarted"]
    assert 400_000 < receipt.gas_used < HONEST


@pytest.mark.parametrize(
    ("kinds", "burning"),
    [
        ({"validators": 4}, (1, 2, 3, 4)),
        ({"validators": 2, "composition": Composition.DIVIDE}, (1, 2, 3)),
        ({"validators": 4}, (0, 1, 2, 3, 4)),
        ({"validators": 4, "pools": (1, 2, 3, 4)}, (1, 2, 3, 4)),
        ({"validators": 4, "pools": (1, 2, 3, 4)}, ()),
    ],
)
def test_req_24_the_worst_that_sources_can_do(kinds: dict[str, Any], burning: tuple[int, ...]) -> None:
    w = world(**kinds)
    dispute(w)
    for i in burning:
        feed = w.sources[i]
        code = burner((2000 if i else 9000) * 10**feed.decimals) if isinstance(feed, Feed) else FOREVER
        w.chain.set_code(feed.mock.address, code)
    spent = []
    for _ in range(2):  # started, then witnessed
        receipt = w.contract.send.checkOutage(gas=16_000_000)
        spent.append(receipt.gas_used)
        w.wait(600)
    print(f"{kinds}, {burning} burn: {spent[0]:,} gas to start the clock, {spent[1]:,} to go on")
    assert w.contract.call.clock().started != 0
    assert max(spent) < WORST


def test_req_24_a_pool_that_burns_is_not_asked_about_every_round() -> None:
    """Thirty-two rounds with a quarter of a million each would be 8,000,000."""
    w = world(2, pools=(1,))
    dispute(w)
    w.chain.set_code(w.validators[0].mock.address, FOREVER)
    assert w.contract.send.checkOutage(gas=16_000_000).gas_used < WORST


def test_req_24_a_pool_that_has_burnt_its_share_agrees_with_no_price_however_small() -> None:
    w, least = World(2, decimals=18, pools=(1,)), Fraction(1, E18)
    for _ in range(2):
        w.primary.push(least)
        w.validators[1].push(least)
        w.wait(700)
    w.build()
    recorded = tuple(w.contract.call.last())
    w.validators[1].push(2000)
    for _ in range(40):
        w.wait(60)
        w.primary.push(least)
    w.chain.set_code(w.validators[0].mock.address, FOREVER)
    events = w.contract.send.checkOutage(gas=16_000_000).events
    assert [event.name for event in events] == ["OutageStarted"]
    assert tuple(w.contract.call.last()) == recorded


@pytest.mark.parametrize("kinds", [{}, {"pools": (1,)}])
def test_req_24_one_that_burns_keeps_no_price_from_being_recorded(kinds: dict[str, Any]) -> None:
    """The other validator confirms a price twenty rounds back."""
    w = world(2, **kinds)
    w.wait(60)
    w.all(2100)
    good = w.now
    for _ in range(20):
        w.wait(60)
        w.validators[1].push(2100)
        w.primary.push(9000)
    burning = w.validators[0]
    code = burner(2100 * 10**burning.decimals) if isinstance(burning, Feed) else FOREVER
    w.chain.set_code(burning.mock.address, code)
    assert [event.name for event in w.contract.send.checkOutage(gas=16_000_000).events] == ["OutageStarted"]
    assert tuple(w.contract.call.last()) == (2100 * E18, good)


# --- too little gas


def outcomes(w: World, spans: range) -> set[str]:
    """What `checkOutage` did with so much gas: an event, nothing, or an error."""
    found = set()
    for gas in spans:
        with w.chain.isolated():
            try:
                receipt = w.contract.send.checkOutage(gas=gas)
            except Rejected:
                continue
            except Revert as revert:
                found.add(revert.name)
            else:
                found |= {event.name for event in receipt.events} or {"nothing"}
    return found


@pytest.mark.parametrize("pyth", [(), (0,)])
def test_req_24_a_call_starved_of_gas_is_no_witness(pyth: tuple[int, ...]) -> None:
    """The clock runs, a price is back, and the first validator burns all that it gets: a call clears the clock."""
    w = World(2, pyth=pyth, pools=(1, 2))
    w.all(2000)
    w.wait(700)
    w.all(2000)
    w.wait(1)
    w.build()
    w.wait(90_000)
    w.contract.send.checkOutage()
    w.wait(600)
    w.all(2000)
    w.wait(1)
    w.chain.set_code(w.validators[0].mock.address, FOREVER)
    assert outcomes(w, range(100_000, 1_400_000, 3_000)) >= {"GasTooLow", "OutageCleared"}
    assert outcomes(w, range(100_000, 1_400_000, 3_000)) <= {"GasTooLow", "OutageCleared", "Halt", "Empty"}


@pytest.mark.parametrize("silent", [False, True])
def test_req_24_a_call_starved_of_gas_starts_no_clock_and_none_anew(silent: bool) -> None:
    """Neither while there is a price, nor after a silence that proves itself; nor is a new phase passed over."""
    w = world(2)
    if silent:
        w.wait(HEARTBEAT + 61)
        w.contract.send.checkOutage()
        w.wait(86_400)
    w.validators[1].new_phase()
    w.validators[1].push(2000)
    told = outcomes(w, range(21_000, 700_000, 1_500))
    assert told - {"Halt"} == {"GasTooLow", "Ended" if silent else "nothing"}
    for gas in range(21_000, 700_000, 1_500):
        with w.chain.isolated():
            try:
                w.contract.send.checkOutage(gas=gas)
            except (Revert, Rejected):
                continue
            assert w.contract.call.clock().phases == 2 << 16 | 1


def test_req_24_nobody_is_declared_dead_for_lack_of_gas() -> None:
    """A proof that both validators are dead, with all amounts of gas that let it through to its end."""
    w = world(2)
    t = w.now
    w.wait(10)
    p, *_ = w.all(2000)
    w.wait(1)
    w.chain.set_code(w.validators[0].mock.address, code_of({"latestRoundData()": FOREVER}))
    data = w.contract.encode.firstAfter(1, t, encode_proof(p, (0, 0)))
    names = set()
    for gas in range(60_000, 700_000, 2_000):
        with w.chain.isolated():
            try:
                results = w.upkeep.send.run([(w.contract.address, 0, data)], [], gas=gas)
            except (Revert, Rejected):
                continue
            failed = results.event("StepFailed")
            names.add(Revert(failed.args.reason, w.chain.registry).name)
    assert names - {"Halt"} == {"GasTooLow", "QuorumNotShown"}


def test_req_24_a_price_asked_for_with_too_little_gas_is_refused_by_name() -> None:
    w = world(2)
    data = w.contract.encode.latest()
    failed = w.upkeep.send.run([(w.contract.address, 0, data)], [], gas=150_000).event("StepFailed")
    assert Revert(failed.args.reason, w.chain.registry).name == "GasTooLow"
    assert answer_of(w.contract.call.latest) == (2000 * E18, w.now - 1)
