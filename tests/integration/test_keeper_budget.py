"""What a keeper spends where the chain, a token or a trader is against it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

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


def test_a_trader_who_liquidates_himself_first_costs_gas_twice_and_then_ever_more_rarely(healthy: Node) -> None:
    """The first race lost on a position is free, as who was faster may be gone the next time; no other one is."""
    keeper = healthy.keeper(replace(WORK, jobs=frozenset({Job.LIQUIDATE}), batch=1))
    first, second, third = (raced(healthy, keeper, price) for price in (1_915, 1_893, 1_873))
    assert set(first.values()) == set(second.values()) == {1} and len(first) == 6
    again = set(first) & set(second)
    assert len(again) >= 5 and not again & set(third), "a position has cost gas three times in a day"
    assert max((first + second + third).values()) == 2
    healthy.protocol.wait(2 * 86_400)
    assert set(raced(healthy, keeper, 1_853)) >= again  # once in these two days, and not in the four that follow
    healthy.protocol.wait(3 * 86_400)
    assert not set(raced(healthy, keeper, 1_833)) & again


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


def with_bundles(node: Node, **settings: Any) -> tuple[Keeper, Builder]:
    """A keeper with an adapter of its own that sends only what costs nothing if it fails."""
    origin, builder = node.market.need_origin(), Builder(node.chain)
    submitter, key = PrivateSubmitter(builder, node.chain), "0x" + "66" * 32
    receiver = node.keeper(key=key).sender.address
    feeds = [feed.contract.address for feed in node.market.oracle.feeds if feed is not None]
    made = node.chain.deploy(artifacts()["KeeperAdapter"], origin.factory, origin.config, feeds, receiver)
    adapter = Adapter(node.chain, made.address)
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
