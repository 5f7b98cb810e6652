"""Trying out without sending: a rehearsal of every liquidation on a copy, a replay of blocks that are past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkhead import Protocol
from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain, ChainError, Web3Chain
from bulkhead.chain.anvil import KEPT_STATES
from bulkhead.cli import main
from bulkhead.keeper import Keeper, Settings
from bulkhead.keeper.copies import PastChain, PastMissing
from bulkhead.keeper.rehearsal import Rehearsal, Rehearsed, rehearse
from bulkhead.keeper.replay import replay
from bulkhead.keeper.staged import Stage
from bulkhead.protocol import Oracle, OracleTerms, Position, Status
from bulkhead.protocol.config import source
from bulkhead.protocol.local import LocalProtocol

KEY = "0x" + "77" * 32
WORK = Settings(coin=2_000 * 10**6, least_profit=1)


class Told(list[tuple[str, dict[str, Any]]]):
    def __call__(self, event: str, facts: dict[str, Any]) -> None:
        self.append((event, facts))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self if name == event]


def opened(protocol: LocalProtocol, *terms: tuple[float, float]) -> list[Position]:
    """Open positions of a size and a margin."""
    market, trader = protocol.market(), protocol.account("trader", tokens=100_000)
    made = [market.open(size, margin, 500 * abs(size), sender=trader) for size, margin in terms]
    protocol.set_price(2_000)
    for position in made:
        market.execute(position)
    return made


def keeper(protocol: LocalProtocol, settings: Settings = WORK, told: Told | None = None) -> Keeper:
    return Keeper(protocol.market(), KEY, settings, dry_run=True, log=told or Told())


# ---------------------------------------------------------------- rehearsal


def test_every_position_is_liquidated_in_turn_and_nothing_is_left_of_it(protocol: LocalProtocol) -> None:
    positions = opened(protocol, (1, 120), (-1, 130), (2, 1_000), (-2, 400))
    chain, told = protocol.chain, Told()
    before = chain.block_number, [position.margin for position in positions]  # type: ignore[attr-defined]
    assert rehearse(keeper(protocol), told) == 0
    assert before == (chain.block_number, [position.margin for position in positions])  # type: ignore[attr-defined]
    found = {facts["position"]: facts for facts in told.of("rehearsed")}
    assert set(found) == {position.address for position in positions}
    for position in positions:
        low, high = position.healthy_range()
        price = found[position.address]["price"] / 10**18
        assert float(low) * 0.995 < price < low if position.size > 0 else high < price < float(high) * 1.005
        assert found[position.address]["paid"] >= 5 * 10**6 and found[position.address]["gas"] > 50_000
    assert told.of("rehearsal")[0] | {"block": 0} == {"block": 0, "positions": 4, "covered": 0, "failed": 0}


def test_a_position_that_is_sick_already_and_one_that_closes_itself(protocol: LocalProtocol) -> None:
    sick, closing = opened(protocol, (1, 120), (-1, 130))
    protocol.set_price(1_900)
    closing.close()
    told = Told()
    assert rehearse(keeper(protocol), told) == 0
    assert {facts["position"] for facts in told.of("rehearsed")} == {sick.address, closing.address}
    assert closing.status is Status.OPEN and closing.order is not None


def test_what_would_fail_is_told_with_its_reason(protocol: LocalProtocol) -> None:
    """A coin so dear that nobody is paid enough; a vault without what it says that it holds."""
    first, second = opened(protocol, (1, 120), (-1, 130))
    told = Told()
    assert rehearse(keeper(protocol, Settings(coin=10**18)), told) == 2
    assert all("not worth it" in facts["why"] for facts in told.of("would fail"))

    market, chain = protocol.market(), protocol.chain
    token = chain.contract(artifacts()["TokenMock"], market.token.address)
    token.send.transfer(protocol.provider, 100 * 10**6, sender=first.address)  # a vault robbed by a miracle
    told = Told()
    assert rehearse(keeper(protocol), told) == 1
    ((why, position),) = [(facts["why"], facts["position"]) for facts in told.of("would fail")]
    assert position == first.address and why
    assert [facts["position"] for facts in told.of("rehearsed")] == [second.address]


def test_a_position_that_nothing_can_liquidate_is_no_failure(protocol: LocalProtocol) -> None:
    covered = opened(protocol, (1, 2_500))[0]
    assert covered.healthy_range()[0] == 0
    told = Told()
    assert rehearse(keeper(protocol), told) == 0
    assert [facts["position"] for facts in told.of("covered")] == [covered.address]


def test_prices_that_validators_check_are_staged_too() -> None:
    with AnvilChain() as chain:
        protocol = Protocol.local(chain)
        deployment = protocol.market().need_origin()
        mocks = [chain.deploy(artifacts()["FeedProxyMock"], 8) for _ in range(3)]
        for _ in range(2):
            chain.mine(seconds=60)
            for mock in mocks:
                mock.send.push(2_000 * 10**8, chain.timestamp, chain.timestamp)
        settings = OracleTerms().encoded(mocks[0].address, 8)
        settings |= {"validators": [source(mock.address) for mock in mocks[1:]], "spread": 10**16, "quorum": 1}
        at = chain.deploy(artifacts()["Oracle"], settings).address
        oracle = Oracle(chain, at, [mock.address for mock in mocks])
        chain.mine(seconds=7_200)  # silent for longer than a heartbeat: staged feeds speak again
        stage = Stage(chain, oracle)
        now = stage.present()
        assert now == 2_000 * 10**18
        for index in (500 * 10**18, 9_000 * 10**18):
            assert abs(stage.move(index, now) - index) <= 10**10
        old = mocks[0].address
        assert chain.contract(artifacts()["FeedProxyMock"], old).call.phaseId() == 1 and deployment


def test_feeds_that_are_none_cannot_be_staged(protocol: LocalProtocol) -> None:
    market = protocol.market()
    for feeds in ([], [market.token.address]):
        oracle = Oracle(protocol.chain, market.oracle.address, feeds)
        with pytest.raises(LookupError, match="staged"):
            Stage(protocol.chain, oracle)  # type: ignore[arg-type]


def test_the_command_ends_with_one_if_any_would_fail(
    protocol: LocalProtocol, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(protocol, (1, 120))
    block = protocol.chain.block_number  # type: ignore[attr-defined]
    assert main(["keeper", str(record), "--rehearse"]) == 0
    assert main(["keeper", str(record), "--rehearse", "--coin-price", "1000000000000"]) == 1
    assert main(["keeper", str(record), "--replay", str(block - 5), str(block)]) == 0
    assert main(["keeper", str(record), "--replay", "0", str(block + 5)]) == 1
    assert protocol.chain.block_number == block  # type: ignore[attr-defined]
    told = capsys.readouterr()
    events = [json.loads(line)["event"] for line in told.out.splitlines()]
    assert events[:4] == ["rehearsed", "rehearsal", "would fail", "rehearsal"] and events[-1] == "replayed"
    assert told.err.count("\n") == 1 and "is not there yet" in told.err


# ---------------------------------------------------------------- replay


@pytest.fixture(scope="module")
def lived() -> Iterator[LocalProtocol]:
    """Never taken back: anvil forgets past states when it is."""
    with AnvilChain() as chain:
        yield Protocol.local(chain)


def test_a_replay_finds_at_each_block_what_was_to_do_then(lived: LocalProtocol) -> None:
    """An order due for a while, then executed by somebody; a position sick for a while, then liquidated."""
    protocol, chain, market = lived, lived.chain, lived.market()
    start = chain.block_number  # type: ignore[attr-defined]
    trader = protocol.account("trader", tokens=10_000)
    position = market.open(1, 120, 500, sender=trader)
    protocol.set_price(2_000)
    due = chain.block_number  # type: ignore[attr-defined]
    chain.mine(3, seconds=90)
    market.execute(position)
    executed = chain.block_number  # type: ignore[attr-defined]
    protocol.set_price(1_900)
    sick = chain.block_number  # type: ignore[attr-defined]
    chain.mine(2, seconds=60)
    market.liquidate([position])
    done = chain.block_number  # type: ignore[attr-defined]
    chain.mine(2)
    told = Told()
    one = keeper(protocol)
    found = replay(one, start, chain.block_number, told)  # type: ignore[attr-defined]
    would = [(facts["block"], facts["job"]) for facts in told.of("would send")]
    assert would[0] == (due, "execute") and (sick, "liquidate") in would
    assert all(due <= block < executed for block, job in would if job == "execute")
    assert all(sick <= block < done for block, job in would if job == "liquidate")
    assert found == {"from": start, "to": chain.block_number, "would_send": len(would)}  # type: ignore[attr-defined]
    assert chain.nonce(one.sender.address) == 0  # type: ignore[attr-defined]


def test_the_past_reads_as_it_was_and_takes_nothing(lived: LocalProtocol) -> None:
    chain = lived.chain
    before = chain.block_number, chain.timestamp  # type: ignore[attr-defined]
    chain.mine(5)
    past = PastChain(chain.url, before[0])  # type: ignore[attr-defined]
    assert (past.block_number, past.timestamp) == before
    assert Web3Chain(chain.url).block_number == before[0] + 5  # type: ignore[attr-defined]
    with pytest.raises(ChainError, match="takes no transactions"):
        past.rpc("eth_sendRawTransaction", "0x00")


def test_a_node_that_has_let_go_of_the_past_is_told_apart(lived: LocalProtocol) -> None:
    chain = lived.chain
    chain.mine(KEPT_STATES + 20)
    number = chain.block_number - KEPT_STATES - 10  # type: ignore[attr-defined]
    with pytest.raises(PastMissing, match="archive"):
        replay(keeper(lived), number, number + 1, Told())


def test_a_rehearsed_position_says_why(protocol: LocalProtocol) -> None:
    """Where the price cannot be brought to where it would be liquidated, that is the reason."""
    opened(protocol, (1, 120))
    with AnvilChain(options=("--fork-url", protocol.chain.url)) as copy:  # type: ignore[attr-defined]
        one = keeper(protocol)
        one.follower.sync()
        rehearsal = Rehearsal(one, copy)
        feed = protocol.market().oracle.feeds[0].contract.address
        copy.set_code(feed, b"")
        (told,) = rehearsal.run()
        assert isinstance(told, Rehearsed) and told.why
