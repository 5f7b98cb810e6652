"""A chain behind several nodes. There is one real node; what stands before it makes nodes of it that fail on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from web3 import HTTPProvider

from bulkhead import Protocol
from bulkhead.chain import AnvilChain, ChainError, NodeUnreachable
from bulkhead.keeper import Keeper, Settings
from bulkhead.keeper.endpoints import MOST_REST, TOO_MANY, TRUST, Endpoints
from bulkhead.protocol import Status
from bulkhead.protocol.local import LocalProtocol
from tests.addresses import parts_of

KEY = "0x" + "11" * 32


class Before:
    """A provider before a node: answers as of some blocks ago, of another branch, with refusals, or not at all."""

    def __init__(self, node: AnvilChain, name: str) -> None:
        self.node, self.endpoint_uri = node, name
        self.provider = HTTPProvider(node.url, exception_retry_configuration=None)
        self.lag, self.dead, self.limited, self.forged = 0, False, False, False
        self.asked: list[str] = []

    def make_request(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if self.dead:
            raise ConnectionError
        if self.limited:
            return {"error": {"code": TOO_MANY, "message": "rate limit exceeded"}}
        head = hex(max(0, self.node.block_number - self.lag))
        if self.lag:
            params = [head if param in ("latest", "pending") else param for param in params]
        answer = self.provider.make_request(method, params)  # type: ignore[arg-type]
        if self.forged and method == "eth_getBlockByNumber":
            answer["result"]["hash"] = "0x" + "ab" * 32  # type: ignore[index]
        return answer


@pytest.fixture(scope="module")
def node() -> Iterator[AnvilChain]:
    with AnvilChain() as chain:
        chain.mine(20)
        yield chain


@pytest.fixture
def nodes(node: AnvilChain) -> list[Before]:
    return [Before(node, name) for name in ("first", "second", "third")]


def test_one_that_is_behind_is_not_asked_until_it_has_kept_up_for_a_while(nodes: list[Before]) -> None:
    first, second, _ = nodes
    chain = Endpoints(nodes)
    assert chain.block_number and chain.current == "first"
    first.lag = 1  # as any node may be
    chain.choose()
    assert chain.current == "first"
    first.lag = 2
    chain.choose()
    assert chain.current == "second"
    first.lag = 0
    for _ in range(TRUST - 1):
        chain.choose()
    second.dead = True
    chain.choose()
    assert chain.current == "first"  # well for three looks by now
    second.dead, first.lag, second.asked = False, 9, []
    chain.choose()
    assert chain.current == "third" and not second.asked  # it rests


def test_one_that_comes_and_goes_is_not_gone_back_to(nodes: list[Before]) -> None:
    first, second, third = nodes
    chain = Endpoints(nodes)
    for look in range(10):
        first.lag = 5 * (look % 2)
        chain.choose()
        assert chain.current == ("second" if look else "first")
    third.dead = True
    second.lag, first.lag = 5, 0
    chain.choose()
    assert chain.current == "first"  # though it is not trusted: there is no other


def test_a_dead_one_is_asked_ever_more_rarely(nodes: list[Before]) -> None:
    first = nodes[0]
    first.dead = True
    chain = Endpoints(nodes)
    for _ in range(130):
        chain.choose()
        assert chain.current == "second"
    assert 6 <= len(first.asked) <= 9
    first.dead = False
    for _ in range(MOST_REST + TRUST):
        chain.choose()
    nodes[1].dead = nodes[2].dead = True
    chain.choose()
    assert chain.current == "first"


def test_one_of_another_branch_than_the_others_is_passed_over(nodes: list[Before]) -> None:
    chain = Endpoints(nodes)
    chain.choose()
    nodes[0].forged = True
    chain.choose()
    assert chain.current == "second"


def test_of_two_that_disagree_the_present_one_is_stayed_with(nodes: list[Before]) -> None:
    chain = Endpoints(nodes[:2])
    nodes[0].dead = True
    chain.choose()
    nodes[0].dead, nodes[0].forged = False, True
    for _ in range(5):
        chain.choose()
        assert chain.current == "second"


def test_one_that_is_asked_too_often_is_left_alone(nodes: list[Before]) -> None:
    chain = Endpoints(nodes)
    assert chain.choose().chain.url == "first"
    nodes[0].limited = True
    with pytest.raises(ChainError):
        chain.balance(KEY[:42])
    nodes[0].asked = []
    assert chain.balance(KEY[:42]) == 0 and chain.current == "second" and not nodes[0].asked


def test_one_of_another_chain_is_never_asked(node: AnvilChain, nodes: list[Before]) -> None:
    with AnvilChain(chain_id=99) as other:
        stranger = Before(other, "stranger")
        chain = Endpoints([nodes[0], stranger])
        assert chain.chain_id == node.chain_id
        nodes[0].dead = True
        with pytest.raises(NodeUnreachable, match="first, stranger"):
            chain.choose()


def test_no_node_at_all() -> None:
    with pytest.raises(ValueError, match="No node"):
        Endpoints([])


def test_a_keeper_works_on_through_nodes_that_fail_in_turn_each_step_on_one(node: AnvilChain) -> None:
    nodes = [Before(node, name) for name in ("first", "second", "third")]
    protocol: LocalProtocol = Protocol.local(node)
    market, trader = protocol.market(), protocol.account("trader", tokens=10_000)
    chain = Endpoints(nodes)
    seen = Protocol.connect(chain, {"markets": {"ETH": parts_of(market)}}).market()
    keeper = Keeper(seen, KEY, Settings(coin=2_000 * 10**6), log=lambda event, facts: None)
    node.set_balance(keeper.sender.address, 10**18)
    positions, used = [], Counter[str]()
    for number in range(9):
        one = nodes[number % 3]
        one.dead, one.lag = number % 2 == 0, 6
        positions.append(market.open(size=1, margin=200, reserve=500, sender=trader))
        protocol.set_price(2_000)
        for _ in range(40):
            for other in nodes:
                other.asked = []
            try:
                keeper.step()
            except ChainError:
                continue
            asked = [other for other in nodes if {"eth_call", "eth_getLogs"} & set(other.asked)]
            assert len(asked) == 1
            used[asked[0].endpoint_uri] += 1
            if positions[-1].status is Status.OPEN and not keeper.ledger.flights():
                break
        assert positions[-1].status is Status.OPEN, number
        one.dead, one.lag = False, 0
    assert len(used) == 3
    assert node.nonce(keeper.sender.address) == len(positions)
