"""What a keeper spends where the chain, a token or a trader is against it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bulkhead.chain import AnvilChain
from bulkhead.keeper import Job, Keeper, Settings
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
