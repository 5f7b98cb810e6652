"""A keeper on a real node: volatility feeds, several keys, several keepers, private ways, the slow sweep, clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider

from bulkhead.chain import AnvilChain, NodeError, Web3Chain, to_address
from bulkhead.chain.address import to_bytes
from bulkhead.keeper import Job, Keeper, Settings
from bulkhead.keeper import follower as following
from bulkhead.keeper.follower import Follower
from bulkhead.keeper.policy import EXPIRED_POINT, GRID_POINT
from bulkhead.keeper.submit import BLOCKS, PrivateSubmitter
from bulkhead.model.interfaces.market import Position
from bulkhead.protocol import Market, Status
from bulkhead.protocol.market import Origin
from bulkhead.protocol.volatility import Volatility
from tests.integration.keeper_node import KEY, WORK, Node, done
from tests.unit.keeper.volatile import VolatileWorld
from tests.world import ONE

KEYS = ["0x" + digit * 64 for digit in "123"]


# ---------------------------------------------------------------- volatility


class Volatile:
    """A market whose margins follow volatility, on an anvil of its own, and a keeper of it."""

    def __init__(self, chain: AnvilChain) -> None:
        self.world, self.chain = VolatileWorld(chain), chain
        self.told: list[tuple[str, dict[str, Any]]] = []

    def keeper(self, settings: Settings = WORK, key: str = KEY) -> Keeper:
        keeper = Keeper(self.world.market, key, settings, log=lambda event, facts: self.told.append((event, facts)))
        self.chain.set_balance(keeper.sender.address, 10**18)
        return keeper


@pytest.fixture(scope="module")
def steep() -> Iterator[Volatile]:
    with AnvilChain() as chain:
        yield Volatile(chain)


@pytest.fixture
def volatile(steep: Volatile) -> Iterator[Volatile]:
    steep.told.clear()
    with steep.chain.isolated():
        yield steep


def feed_of(keeper: Keeper) -> Volatility:
    feed = keeper.terms.feed
    assert feed is not None
    return feed.volatility


def test_a_feed_is_updated_and_an_expired_point_skipped(volatile: Volatile) -> None:
    world, keeper = volatile.world, volatile.keeper()
    feed = feed_of(keeper)
    for _ in range(3):
        volatile.chain.set_time(feed.contract.call.due().time)
        assert keeper.once() == []  # there is no price after it yet
        world.price(2_010 * ONE)
        (work,) = keeper.once()
        assert work.intent.targets == work.done == (GRID_POINT,) and work.paid == 0 < work.wei
        assert not feed.due().update
    world.wait(7 * 3_600)
    (work,) = (work for work in keeper.once() if work.intent.job is Job.VOLATILITY)  # beside the outage's clock
    assert work.done == (EXPIRED_POINT,) and not feed.due().skip


def test_a_feed_costs_no_more_than_its_own_budget(volatile: Volatile) -> None:
    world, settings = volatile.world, replace(WORK, upkeep_budget=5 * 10**14)
    keeper, works = volatile.keeper(settings), []
    day = volatile.chain.timestamp // 86_400
    for _ in range(9):
        world.price(2_000 * ONE, after=600)
        works += keeper.once()
    assert 0 < len(works) < 9 and volatile.chain.timestamp // 86_400 == day
    assert sum(work.wei for work in works) <= settings.upkeep_budget
    assert "over budget" in {event for event, _ in volatile.told}
    position = world.open(size=ONE, margin=600, reserve=500, market=world.volatile)
    world.market.position(position).close(sender=world.trader)
    world.price(2_000 * ONE)
    assert position in done(keeper.once(), Job.EXECUTE)  # that goes on


def test_a_race_for_an_update_that_was_lost_is_run_again(volatile: Volatile) -> None:
    world, keeper = volatile.world, volatile.keeper()
    feed = feed_of(keeper)
    volatile.chain.set_time(feed.contract.call.due().time)
    world.price(2_000 * ONE)
    proof = feed.oracle.prove(lambda proof: feed.contract.call.update(proof))
    volatile.chain.automine(False)
    assert keeper.step()[0] == 1
    volatile.chain.set_balance(world.trader, 10**18)
    fields = {"from": world.trader, "to": feed.address, "data": "0x" + feed.contract.encode.update(proof).hex()}
    volatile.chain.rpc("eth_sendTransaction", fields | {"gas": hex(10**6), "gasPrice": hex(10**11)})
    volatile.chain.mine()
    volatile.chain.automine(True)
    (late,) = keeper.once()
    assert late.missed == (GRID_POINT,) and late.wei > 0
    volatile.chain.set_time(feed.contract.call.due().time)
    world.price(2_000 * ONE)
    assert [work.done for work in keeper.once()] == [(GRID_POINT,)]


def test_a_rise_of_volatility_alone_gets_positions_liquidated(volatile: Volatile) -> None:
    """At a price that does not fall: maintenance rises to what was let pass, and the keeper sees it when it does."""
    world, keeper = volatile.world, volatile.keeper(replace(WORK, coin=10**6))  # whatever tip the node suggests
    positions = [world.open(size=ONE, margin=m, reserve=500, market=world.volatile) for m in (180, 260, 1_500)]
    assert done(keeper.once(), Job.LIQUIDATE) == set()
    taken: set[str] = set()
    for number in range(40):
        world.price((2_060 if number % 2 else 2_000) * ONE, after=660)
        works = keeper.once()
        assert not [work for work in works if work.missed]
        taken |= done(works, Job.LIQUIDATE)
        assert world.market.contract.call.liquidate(positions) == 0, number  # nothing is left that could be
    assert taken == set(positions[:2])  # in part first, it may be


# ---------------------------------------------------------------- a family that expires


def test_a_family_that_expires_is_kept_too(volatile: Volatile) -> None:
    """Liquidated and closed at the reserve by what the lens says, settled series by series when they have expired."""
    world, chain = volatile.world, volatile.chain
    lens = world.market.need_lens().address
    origin = Origin(world.deployment.factory.address, world.dated.config)
    market = Market(chain, world.dated.market.address, world.market.oracle, None, lens, "dated", origin)
    keeper = Keeper(market, KEY, WORK, log=lambda event, facts: None)
    chain.set_balance(keeper.sender.address, 10**18)
    thin, thick = (world.open(size=-ONE, margin=m, reserve=400, market=world.dated, series=2) for m in (150, 2_000))
    winner = world.open(size=ONE, margin=600, reserve=400, market=world.dated, series=2)
    (pending,) = world.request(world.leg(ONE, 600, 500, series=2), market=world.dated)
    world.price(2_000 * ONE)
    assert [work.done for work in keeper.once()] == [(pending,)]
    assert keeper.follower.known()[to_bytes(thick)].position.series == 2
    world.walk_to(2_450 * ONE)
    work = keeper.once()
    assert (done(work, Job.LIQUIDATE), done(work, Job.CLOSE_AT_RESERVE)) == ({thin}, {winner})
    assert len(work) == 2
    world.wait(world.expiry - chain.timestamp)
    phase = world.oracle.call.commitment()
    world.dated.instrument.send.fix(phase, world.price(2_450 * ONE))
    assert done(keeper.once(), Job.SETTLE) == {thick, pending}
    assert keeper.follower.known() == {}


# ---------------------------------------------------------------- several keys


def test_keys_share_the_work_and_none_does_another_s(node: Node) -> None:
    positions = node.open(12)
    node.protocol.set_price(2_000)
    node.chain.automine(False)
    keeper = node.keeper(replace(WORK, in_flight=3), key=KEYS)  # type: ignore[arg-type]
    for sender in keeper.senders:
        node.chain.set_balance(sender.address, 10**18)
    assert keeper.step()[0] == 9
    flights = keeper.ledger.flights()
    assert sorted(flight.sender for flight in flights) == sorted(s.address for s in keeper.senders for _ in range(3))
    assert [sorted(f.nonce for f in sender.flights()) for sender in keeper.senders] == [[0, 1, 2]] * 3
    assert len({flight.intent.targets for flight in flights}) == 9
    node.chain.mine()
    node.chain.automine(True)
    work = keeper.once()
    assert all(position.status is Status.OPEN for position in positions)
    tokens = [int(node.market.token.contract.call.balanceOf(sender.address)) for sender in keeper.senders]
    assert all(one.paid > 0 for one in work) and sum(one.paid for one in work) == sum(tokens) and all(tokens)
    assert sum(node.chain.nonce(sender.address) for sender in keeper.senders) == 12
    spent = sum(10**18 - node.chain.balance(sender.address) for sender in keeper.senders)
    assert spent == keeper.ledger.committed(node.chain.timestamp)


def test_a_key_without_funds_leaves_the_work_to_the_others(node: Node) -> None:
    positions = node.open(3)
    node.protocol.set_price(2_000)
    keeper = node.keeper(key=KEYS[:2])  # type: ignore[arg-type]
    node.chain.set_balance(keeper.senders[0].address, 1)
    node.chain.set_balance(keeper.senders[1].address, 10**18)
    keeper.once()
    assert all(position.status is Status.OPEN for position in positions)
    assert [node.chain.nonce(sender.address) for sender in keeper.senders] == [0, 3]


def test_what_a_key_has_sent_that_is_gone_is_reckoned_and_done_again(node: Node, tmp_path: Path) -> None:
    (position,) = node.open(1)
    node.protocol.set_price(2_000)
    node.chain.automine(False)
    first = node.keeper(folder=tmp_path)
    assert first.step()[0] == 1
    worst = first.ledger.flights()[0].cost
    node.chain.rpc("anvil_dropTransaction", first.ledger.flights()[0].hashes[0])
    first.close()
    node.chain.automine(True)
    second = node.keeper(key=KEYS[1], folder=tmp_path)
    assert second.ledger.committed(node.chain.timestamp) == worst
    assert done(second.once(), Job.EXECUTE) == {position.address}


# ---------------------------------------------------------------- keepers side by side


def test_three_keepers_side_by_side_do_nothing_twice_and_one_alone_does_it_all(node: Node) -> None:
    positions = [p for n, p in enumerate(node.open(40)) if n % 2]
    node.protocol.set_price(2_000)
    node.keeper().once()
    node.protocol.set_price(1_450)
    keepers = [
        node.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), keepers=3, place=place), key=key)
        for place, key in enumerate(KEYS)
    ]
    node.chain.automine(False)
    before = node.chain.snapshot()
    assert [keeper.step()[0] for keeper in keepers] == [1, 1, 1]
    node.chain.mine(seconds=1)
    node.chain.automine(True)
    shares = [done(keeper.once(), Job.LIQUIDATE) for keeper in keepers]
    assert set.union(*shares) == {p.address for p in positions} and sum(map(len, shares)) == len(positions)
    assert all(shares) and not [facts for event, facts in node.told if event == "mined" and facts["missed"]]
    node.chain.revert(before)

    alone = node.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), keepers=3, place=1), key="0x" + "4" * 64)
    closed, blocks = done(alone.once(), Job.LIQUIDATE), 0
    while len(closed) < len(positions):
        node.chain.mine()
        blocks += 1
        closed |= done(alone.once(), Job.LIQUIDATE)
    assert blocks == 2  # within three blocks of the price


# ---------------------------------------------------------------- a private way


class Relay:
    """A provider that takes transactions, and puts them before the node only when it is told to."""

    def __init__(self, chain: AnvilChain) -> None:
        self.chain, self.taken = chain, list[tuple[str, Any]]()
        self.provider = HTTPProvider(chain.url)

    def make_request(self, method: str, params: list[Any]) -> Any:
        self.taken.append((method, params[0]))
        return {"result": "0x" + "00" * 32}

    def mine(self) -> None:
        for method, sent in self.taken:
            raws = [sent] if method == "eth_sendRawTransaction" else sent["txs"]
            for raw in raws:
                try:
                    self.chain.rpc("eth_sendRawTransaction", raw)
                except NodeError:
                    assert method == "eth_sendBundle"  # the same for the next block


@pytest.mark.parametrize("bundles", [False, True])
def test_nothing_is_seen_before_it_is_mined(node: Node, bundles: bool) -> None:
    (position,) = node.open(1)
    node.protocol.set_price(2_000)
    relay = Relay(node.chain)
    keeper = node.keeper(submitter=PrivateSubmitter(relay, node.chain if bundles else None))
    node.chain.automine(False)
    assert keeper.step()[0] == 1 and keeper.step()[0] == 0
    assert node.chain.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    method = "eth_sendBundle" if bundles else "eth_sendRawTransaction"
    assert [sent for sent, _ in relay.taken] == [method] * (BLOCKS if bundles else 1)
    if bundles:
        head = node.chain.block_number
        assert [int(bundle["blockNumber"], 16) - head for _, bundle in relay.taken] == [1, 2, 3]
    node.protocol.wait(WORK.patience)
    keeper.step()  # again, for more
    relay.mine()
    node.chain.mine()
    node.chain.automine(True)
    assert done(keeper.once(), Job.EXECUTE) == {position.address}


# ---------------------------------------------------------------- the slow sweep


def corrupt(follower: Follower, vaults: list[bytes]) -> None:
    """One is forgotten, one has another margin, one is a ghost; one that waits is forgotten, too."""
    forgotten, changed, waiting = vaults
    follower.index.remove(forgotten)
    row = follower.index.table.rows[changed]
    follower.index.put(changed, replace(follower.index.table.position(row), margin=1))
    follower.index.put(b"\x07" * 20, Position(5, 5, Status.OPEN, 10**18, 10**18))  # type: ignore[arg-type]
    del follower.waiting[waiting]


def test_the_slow_sweep_mends_whatever_is_wrong(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK", 3)
    monkeypatch.setattr(following, "RANGE", 5)
    opened = node.open(8)
    node.protocol.set_price(2_000)
    settings = replace(WORK, full_sweep=1_000)
    keeper = node.keeper(settings, folder=tmp_path)
    keeper.once()
    (waiting,) = node.open(1)
    keeper.step()
    vaults = [to_bytes(p.address) for p in (opened[0], opened[1], waiting)]
    corrupt(keeper.follower, vaults)
    assert keeper.follower.known() != node.fresh()
    node.chain.mine(seconds=999)
    keeper.step()
    assert not [event for event, _ in node.told if event == "mended"]
    node.protocol.set_price(2_000)
    node.open(1)  # life goes on
    for _ in range(60):
        keeper.step()
    mended = [target for event, facts in node.told if event == "mended" for target in facts["targets"]]
    assert sorted(mended) == sorted(map(to_address, [*vaults, b"\x07" * 20]))
    assert keeper.follower.known() == node.fresh()
    keeper.close()
    again = node.keeper(settings, folder=tmp_path)  # the checkpoint is mended, too
    assert again.follower.known() == node.fresh()
    node.told.clear()
    node.chain.mine(seconds=2_000)
    for _ in range(60):
        again.step()
    assert not [event for event, _ in node.told if event == "mended"]


# ---------------------------------------------------------------- the first scan, and clocks


def test_many_positions_are_looked_at_in_one_call(node: Node) -> None:
    class Counting:
        """A provider that counts."""

        def __init__(self) -> None:
            self.provider, self.calls = HTTPProvider(node.chain.url), 0

        def make_request(self, method: str, params: list[Any]) -> Any:
            self.calls += method == "eth_call"
            return self.provider.make_request(method, params)  # type: ignore[arg-type]

    node.open(30)
    node.protocol.set_price(2_000)
    node.keeper().once()
    market, counting = node.market, Counting()
    seen = type(market)(
        Web3Chain(counting), market.address, market.oracle, None, market.need_lens().address, "", market.origin
    )
    scan = Follower(seen, 10**30)
    counting.calls = 0
    scan.sync()
    assert counting.calls == 1
    seen.lens = None
    slow = Follower(seen, 10**30)
    slow.sync()
    assert counting.calls == 61 and slow.known() == scan.known() and len(scan.known()) == 30


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_a_machine_whose_clock_is_off_does_the_same(node: Node, monkeypatch: pytest.MonkeyPatch, skew: int) -> None:
    """The keeper goes by the chain's clock: when to act, when to send again, when a day begins."""
    real, steady = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + skew) * 10**9))
    monkeypatch.setattr(time, "monotonic", lambda: steady() + skew)
    node.open(4)
    node.protocol.set_price(2_000)
    keeper = node.keeper()
    node.chain.automine(False)
    keeper.step()
    node.protocol.wait(WORK.patience - 1)
    keeper.step()
    assert [len(flight.hashes) for flight in keeper.ledger.flights()] == [1] * 4 or not keeper.ledger.flights()
    node.chain.automine(True)
    keeper.once()
    node.protocol.set_price(1_850)
    keeper.once()
    told = [(event, facts.get("job"), facts.get("hash")) for event, facts in node.told]
    SAME.setdefault(0, told)
    assert told == SAME[0] and len(told) >= 10
    assert keeper.follower.known() == node.fresh()


#: What the first of these keepers did, to the hash of each transaction.
SAME: dict[int, list[Any]] = {}
