"""What a keeper spends where the chain, a token or a trader is against it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from bulkhead.build import artifacts
from bulkhead.chain import AnvilChain, NodeError
from bulkhead.keeper import Job, Keeper, Settings
from bulkhead.keeper.adapter import Adapter
from bulkhead.keeper.submit import PrivateSubmitter
from bulkhead.protocol import Status
from tests.integration.keeper_node import WORK, Node, done

FUNDS = 10**18
#: Of random worlds; more were played when this was written, 0 to 23.
SEEDS = 6
GWEI = 10**9
#: What a market does in a block: what it should; revert at once; burn all gas.
WELL, REVERTS, BURNS = None, bytes.fromhex("5f5ffd"), b"\xfe"


@pytest.fixture(scope="module")
def deployed() -> Iterator[Node]:
    with AnvilChain() as chain:
        node = Node(chain)
        node.open(12)
        node.protocol.set_price(2_000)
        node.keeper().once()
        node.open(8)
        yield node


@pytest.fixture
def healthy(deployed: Node) -> Iterator[Node]:
    """Six longs and six shorts at 2,000, and eight orders."""
    deployed.told.clear()
    with deployed.chain.isolated():
        deployed.chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")  # a snapshot does not bring it back
        yield deployed
        deployed.chain.rpc("anvil_dropAllTransactions")


@pytest.fixture
def node(healthy: Node) -> Node:
    """The six longs can be liquidated, the orders have their price."""
    healthy.protocol.set_price(1_850)
    return healthy


def spent(node: Node, keeper: Keeper) -> int:
    return FUNDS - node.chain.balance(keeper.sender.address)


def mine(node: Node, code: bytes | None, base_fee: int = 0, seconds: int = 12) -> None:
    """A block in which the market is this code."""
    chain, market = node.chain, node.market.address
    own = chain.code(market)
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    if code is not None:
        chain.set_code(market, code)
    chain.mine(seconds=seconds)
    chain.set_code(market, own)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_day_costs_more_than_its_budget(node: Node, seed: int) -> None:
    """Random budgets, fees and settings; blocks in which everything fails, burns its gas, or comes late."""
    draw, chain = random.Random(seed), node.chain
    settings = Settings(
        coin=draw.choice((0, 2_000 * 10**6)),  # 0: gas is reckoned for nothing, only the budget holds it back
        fee_cap=draw.choice((5, 50, 500)) * GWEI,
        daily_budget=int(10 ** draw.uniform(14, 17)),
        batch=draw.choice((1, 3, 40)),
        in_flight=draw.randrange(1, 17),
        patience=draw.choice((12, 36)),
        cool_down=draw.choice((0, 60, 86_400)),
    )
    keeper = node.keeper(settings)
    by_day: Counter[int] = Counter()
    fails = draw.choice((REVERTS, BURNS))
    chain.automine(False)
    for _ in range(25):
        keeper.step()
        assert keeper.ledger.committed(chain.timestamp) <= settings.daily_budget
        if draw.random() < 0.7:
            before, fee = spent(node, keeper), int(10 ** draw.uniform(6, 11))
            mine(node, fails, fee, draw.choice((12, 40, 600)))
            by_day[chain.timestamp // 86_400] += spent(node, keeper) - before
            # What is under way counts on each day.
            assert spent(node, keeper) <= sum(keeper.ledger.committed(day * 86_400) for day in by_day)
    chain.automine(True)
    assert max(by_day.values()) <= settings.daily_budget
    assert not [event for event in node.market.contract.events("Exited") if event.args.kind == 1]


def test_the_budget_is_used_and_binds(node: Node) -> None:
    """Not by never sending: with a cool-down of nothing it goes on until the budget is nearly gone."""
    settings = replace(WORK, daily_budget=2 * 10**15, cool_down=0, coin=0)
    keeper = node.keeper(settings)
    node.chain.automine(False)
    for _ in range(30):
        keeper.step()
        mine(node, BURNS)
    node.chain.automine(True)
    assert 0.7 * settings.daily_budget < spent(node, keeper) <= settings.daily_budget
    assert "over budget" in {event for event, _ in node.told}


def hostile(node: Node) -> None:
    """The token works where gas is free, as where a call is only tried out, and refuses in every transaction of a
    keeper's: it looks at the price of gas, and hands what is free on to its old code."""
    chain, token = node.chain, node.market.token.contract.address
    inner = chain.new_account("inner token")
    chain.set_code(inner, chain.code(token))
    old = bytes.fromhex(inner[2:])
    choose = bytes.fromhex("3a15600857" + "5f5ffd" + "5b365f5f375f5f365f73") + old
    chain.set_code(token, choose + bytes.fromhex("5af43d5f5f3e603257" + "3d5ffd" + "5b3d5ff3"))


def test_a_hostile_token_costs_gas_once_for_each_position(node: Node) -> None:
    hostile(node)
    keeper = node.keeper(replace(WORK, batch=1), key="0x" + "33" * 32)
    work = []
    for price in (1_850, 1_849, 1_848, 1_700, 1_699):
        node.protocol.set_price(price)
        work += keeper.once()
    assert node.tokens(keeper) == 0
    tries = Counter(target for one in work for target in one.intent.targets)
    assert len(tries) >= 14 and max(tries.values()) == 1, "a position has cost gas twice"


def test_a_hostile_token_is_not_served_in_parts(healthy: Node) -> None:
    """Each liquidation of a part counts as done and says that the keeper was paid, and the token has not paid it."""
    hostile(healthy)
    keeper = healthy.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), batch=1), key="0x" + "33" * 32)
    work = []
    for price in (1_935, 1_930, 1_925, 1_920, 1_915, 1_910, 1_900):
        healthy.protocol.set_price(price)
        work += keeper.once()
    parts = [one for one in work if one.done and healthy.market.position(one.done[0]).status is Status.OPEN]
    assert parts and not any(one.paid for one in work)
    tries = Counter(target for one in work for target in one.intent.targets)
    assert max(tries.values()) == 1, "a position has cost gas twice"


def test_a_trader_who_dodges_every_time_costs_gas_once_in_a_day(node: Node) -> None:
    """A little margin in front of each liquidation, again and again."""
    keeper = node.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), batch=1))
    node.chain.automine(False)
    assert keeper.step()[0] == 6
    for (vault,) in (flight.intent.targets for flight in keeper.ledger.flights()):
        node.in_front(node.market.address, node.market.contract.encode.addMargin(vault, 100 * 10**6))
    node.chain.mine()
    node.chain.automine(True)
    lost = keeper.once()
    assert len(lost) == 6 and not any(one.done for one in lost)
    cost = spent(node, keeper)
    for price in (1_800, 1_790, 1_780):  # due again
        node.protocol.set_price(price)
        assert keeper.once() == []
    assert spent(node, keeper) == cost > 0
    assert len(done(node.keeper(key="0x" + "22" * 32).once(), Job.LIQUIDATE)) >= 6


def raced(node: Node, keeper: Keeper, price: float) -> Counter[str]:
    """Who is due at a price liquidates himself in front of all that the keeper sends: what that has cost gas for."""
    node.protocol.set_price(price)
    node.chain.automine(False)
    work = []
    for _ in range(4):  # a turn each
        work += keeper.step()[1]
        for flight in keeper.ledger.flights():
            node.in_front(node.market.address, node.market.contract.encode.liquidate(list(flight.intent.targets)))
        node.chain.mine(seconds=WORK.turn)
    node.chain.automine(True)
    work += keeper.once()
    assert not any(one.done for one in work) and all(one.wei > 0 for one in work)
    return Counter(target for one in work for target in one.missed)


def test_a_trader_who_liquidates_himself_first_costs_gas_once_and_then_ever_more_rarely(healthy: Node) -> None:
    """Once in a day, and once in the two after it."""
    keeper = healthy.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), batch=1))
    first, second, third = (raced(healthy, keeper, price) for price in (1_915, 1_893, 1_873))
    once = first + second + third
    assert len(once) == 6 and set(once.values()) == {1}, "a position has cost gas twice in a day"
    assert len(first) >= 5
    healthy.protocol.wait(86_400)
    assert set(raced(healthy, keeper, 1_853)) >= set(first)
    healthy.protocol.wait(86_400)
    assert not set(raced(healthy, keeper, 1_833)) & set(first)


def test_a_trader_who_gives_the_fleet_a_part_of_the_fee_is_still_a_stranger(healthy: Node) -> None:
    """In the transaction in which he liquidates himself in front of a keeper."""
    keeper = healthy.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE})), key="0x" + "33" * 32)
    upkeep = healthy.chain.deploy(artifacts()["Upkeep"])
    healthy.protocol.set_price(1_900)
    healthy.chain.automine(False)
    assert keeper.step()[0] == 1
    (flight,) = keeper.ledger.flights()
    market, token = healthy.market.contract, healthy.market.token.contract
    steps = [
        (market.address, 0, market.encode.liquidate(list(flight.intent.targets))),
        (token.address, 0, token.encode.transfer(keeper.sender.address, 1)),
    ]
    healthy.in_front(upkeep.address, upkeep.encode.run(steps, []))
    healthy.chain.mine()
    healthy.chain.automine(True)
    (lost,) = keeper.once()
    assert healthy.tokens(keeper) == 1 and not lost.done and len(lost.missed) == 6
    assert keeper.ledger.losses() == dict.fromkeys(lost.missed, 1)


@pytest.mark.parametrize("is_named", [True, False])
def test_whoever_calls_an_adapter_its_receiver_has_won(healthy: Node, is_named: bool) -> None:
    """As a network of keepers does, by addresses that are its own."""
    receiver = healthy.chain.new_account("receiver")
    adapter = adapter_of(healthy, receiver)
    fleet = frozenset({receiver}) if is_named else frozenset[str]()
    keeper = healthy.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), fleet=fleet))
    healthy.protocol.set_price(1_900)
    healthy.chain.automine(False)
    assert keeper.step()[0] == 1
    (flight,) = keeper.ledger.flights()
    healthy.in_front(adapter.address, adapter.liquidating(flight.intent.targets))
    healthy.chain.mine()
    healthy.chain.automine(True)
    (late,) = keeper.once()
    assert len(late.missed) == 6
    assert keeper.ledger.losses() == ({} if is_named else dict.fromkeys(late.missed, 1))


def test_with_a_cool_down_longer_than_its_life_a_position_costs_gas_once(healthy: Node) -> None:
    keeper = healthy.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), batch=1, cool_down=365 * 86_400))
    first = raced(healthy, keeper, 1_915)
    assert len(first) >= 5
    healthy.protocol.wait(WORK.cool_down)
    healthy.protocol.set_price(1_853)
    assert keeper.once() == []
    assert done(healthy.keeper(key="0x" + "22" * 32).once(), Job.LIQUIDATE) >= set(first)


def test_a_hostile_token_costs_each_keeper_of_a_fleet_gas_once(node: Node) -> None:
    """Who was faster was not paid: so it was no race that the fleet has won."""
    hostile(node)
    keys = ["0x" + digit * 64 for digit in "34"]
    fleet = frozenset(Account.from_key(key).address for key in keys)
    settings = replace(WORK, jobs=frozenset({Job.LIQUIDATE}), batch=1, fleet=fleet)
    keepers = [node.keeper(settings, key) for key in keys]
    tries: list[Counter[str]] = [Counter(), Counter()]
    for price in (1_915, 1_910, 1_900, 1_890):
        node.protocol.set_price(price)
        node.chain.automine(False)
        for _ in range(3):  # a turn each
            for keeper, tried in zip(keepers, tries, strict=True):
                tried.update(target for one in keeper.step()[1] for target in one.intent.targets)
            node.chain.mine(seconds=WORK.turn)
        node.chain.automine(True)
        for keeper, tried in zip(keepers, tries, strict=True):
            tried.update(target for one in keeper.once() for target in one.intent.targets)
    for tried in tries:
        assert len(tried) >= 5 and set(tried.values()) == {1}, "a position has cost gas twice"


# ---------------------------------------------------------------- where what fails costs nothing


class Builder:
    """A relay, and who makes blocks from its bundles: what would fail behind the rest of a block is left out of it."""

    def __init__(self, chain: AnvilChain) -> None:
        self.chain, self.bundles = chain, set[tuple[int, str]]()

    def make_request(self, method: str, params: list[Any]) -> Any:
        assert method == "eth_sendBundle"
        (raw,) = params[0]["txs"]
        self.bundles.add((int(params[0]["blockNumber"], 16), raw))
        return {"result": {}}

    def mine(self, keeper: Keeper, seconds: int = 12) -> int:
        """A block of what waits at the node, and behind it the bundles; how many of these were taken."""
        taken = 0
        for flight in keeper.ledger.flights():
            if (self.chain.block_number + 1, flight.raw) not in self.bundles:
                continue
            call = {"from": flight.sender, "to": flight.to, "data": flight.data, "gas": hex(flight.gas)}
            try:
                self.chain.rpc("eth_call", call, "pending")
                self.chain.rpc("eth_sendRawTransaction", flight.raw)
            except NodeError:
                continue
            taken += 1
        self.chain.mine(seconds=seconds)
        return taken


def adapter_of(node: Node, receiver: str) -> Adapter:
    origin = node.market.need_origin()
    feeds = [feed.contract.address for feed in node.market.oracle.feeds if feed is not None]
    made = node.chain.deploy(artifacts()["KeeperAdapter"], origin.factory, origin.config, feeds, receiver)
    return Adapter(node.chain, made.address)


def with_bundles(node: Node, **settings: Any) -> tuple[Keeper, Builder]:
    """A keeper with an adapter of its own that sends only what costs nothing if it fails."""
    builder, key = Builder(node.chain), "0x" + "66" * 32
    submitter, adapter = PrivateSubmitter(builder, node.chain), adapter_of(node, node.keeper(key=key).sender.address)
    # Whatever tip the node suggests.
    work = replace(WORK, coin=10**6, daily_budget=FUNDS, jobs=frozenset({Job.LIQUIDATE}), **settings)
    return node.keeper(work, key, submitter=submitter, adapter=adapter), builder


@pytest.mark.parametrize("batch", [1, 40])
def test_who_liquidates_himself_first_costs_nothing_where_what_fails_is_left_out(healthy: Node, batch: int) -> None:
    """Again and again, and the keeper leaves no position alone: when the trader stops, it is there at once."""
    keeper, builder = with_bundles(healthy, batch=batch)
    healthy.chain.automine(False)
    tried = Counter[str]()
    for price in (1_930, 1_915, 1_893):
        healthy.chain.automine(True)
        healthy.protocol.set_price(price)
        healthy.chain.automine(False)
        keeper.step()
        flights = keeper.ledger.flights()
        targets = [target for flight in flights for target in flight.intent.targets]
        tried.update(targets)
        healthy.in_front(healthy.market.address, healthy.market.contract.encode.liquidate(targets))
        assert builder.mine(keeper) == 0
        keeper.step()
    assert set(tried.values()) == {2} and len(tried) == 6
    assert spent(healthy, keeper) == 0 == keeper.ledger.committed(healthy.chain.timestamp)
    assert keeper.ledger.losses() == {} and {event for event, _ in healthy.told} >= {"sent", "left out"}
    healthy.chain.automine(True)
    healthy.protocol.set_price(1_850)
    healthy.chain.automine(False)
    assert keeper.step()[0] >= 1 and builder.mine(keeper) >= 1
    work = keeper.step()[1]
    healthy.chain.automine(True)
    assert all(one.done == one.intent.targets and one.paid > 0 for one in work) and work
    assert healthy.tokens(keeper) == sum(one.paid for one in work)
    assert spent(healthy, keeper) == sum(one.wei for one in work) == keeper.ledger.committed(healthy.chain.timestamp)


def test_who_dodges_holds_nobody_else_up_for_long(node: Node) -> None:
    """The first of six bundles is left out, so that those behind it have no nonce: a block later they are there."""
    keeper, builder = with_bundles(node, batch=1)
    node.chain.automine(False)
    assert keeper.step()[0] == 6
    (first,) = keeper.ledger.flights()[0].intent.targets
    node.in_front(node.market.address, node.market.contract.encode.addMargin(first, 100 * 10**6))
    node.chain.mine(seconds=12)
    assert keeper.step()[0] == 5 and builder.mine(keeper) == 5
    work = keeper.step()[1]
    node.chain.automine(True)
    assert len(done(work, Job.LIQUIDATE)) == 5 and first not in done(work, Job.LIQUIDATE)
    assert spent(node, keeper) == sum(one.wei for one in work) and keeper.ledger.losses() == {}


def test_a_bundle_that_no_block_takes_is_over(node: Node) -> None:
    keeper, builder = with_bundles(node)
    node.chain.automine(False)
    assert keeper.step()[0] == 1
    (flight,) = keeper.ledger.flights()
    while node.chain.block_number <= flight.last:
        assert keeper.step() == (0, [])
        node.chain.mine(seconds=12)
    assert keeper.step()[0] == 1  # anew, from the block that it is now
    (again,) = keeper.ledger.flights()
    assert again.nonce == flight.nonce and again.block > flight.last - 1 and builder.mine(keeper) == 1
    assert len(done(keeper.step()[1], Job.LIQUIDATE)) == 6
    node.chain.automine(True)
