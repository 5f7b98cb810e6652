"""A keeper between whom and its node things go wrong, at random instants: everything is done once, and known as it is.

The node is a real one. The provider before it breaks the conversation at the request whose number is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import HTTPProvider

from bulkhead import Protocol
from bulkhead.chain import AnvilChain, ChainError, Web3Chain
from bulkhead.keeper import Keeper, Settings
from bulkhead.keeper.follower import Follower
from bulkhead.model.interfaces.market import ExitKind
from bulkhead.protocol import Market
from bulkhead.protocol.local import LocalProtocol

KEY = "0x" + "11" * 32
ACCOUNT = Account.from_key(KEY).address
SETTINGS = Settings(coin=2_000 * 10**6, least_profit=1, batch=2)
#: Instants for each kind of fault; seeds are 0, 1, 2...
INSTANTS = 4
#: Requests that a keeper without trouble makes in the scene, roughly: faults are drawn among so many.
REQUESTS = 120
#: Requests after which no fault goes on.
LASTS = 60


class Killed(BaseException):
    """The process is gone, at once."""


class Unreliable:
    """A provider in front of a real node that does what a fault says from request number `instant` on."""

    def __init__(self, node: AnvilChain, fault: Callable[[Unreliable, str, list[Any]], Any], instant: int) -> None:
        self.node, self.fault, self.instant = node, fault, instant
        self.provider = HTTPProvider(node.url, exception_retry_configuration=None)
        self.count = self.sent = 0

    def make_request(self, method: str, params: list[Any]) -> Any:
        self.count += 1
        if self.since < 0 and self.fault is not killed_around_sending:
            return self.ask(method, params)
        return self.fault(self, method, params)

    @property
    def since(self) -> int:
        return self.count - self.instant

    def ask(self, method: str, params: list[Any]) -> Any:
        return self.provider.make_request(method, params)  # type: ignore[arg-type]


def gone_and_back(node: Unreliable, method: str, params: list[Any]) -> Any:
    if node.since < 12:
        raise ConnectionError
    return node.ask(method, params)


def silent_after_accepting(node: Unreliable, method: str, params: list[Any]) -> Any:
    answer = node.ask(method, params)
    if method == "eth_sendRawTransaction" and node.sent < 2:
        node.sent += 1
        raise TimeoutError
    return answer


def limited(node: Unreliable, method: str, params: list[Any]) -> Any:
    if node.since < LASTS and random.Random(node.count).random() < 0.5:
        return {"error": {"code": -32_005, "message": "rate limit exceeded"}}
    return node.ask(method, params)


def behind(node: Unreliable, method: str, params: list[Any]) -> Any:
    """Answers everything as of some blocks ago."""
    if node.since >= LASTS:
        return node.ask(method, params)
    old = hex(max(0, node.node.block_number - 3))
    if method == "eth_getBlockByNumber" and params[0] not in ("latest", "0x0") and int(params[0], 16) > int(old, 16):
        return {"result": None}
    if method == "eth_getTransactionReceipt":
        return {"result": None}
    return node.ask(method, [old if param in ("latest", "pending") else param for param in params])


def killed_before(node: Unreliable, method: str, params: list[Any]) -> Any:
    if node.since == 0:
        raise Killed
    return node.ask(method, params)


def killed_after(node: Unreliable, method: str, params: list[Any]) -> Any:
    answer = node.ask(method, params)
    if node.since == 0:
        raise Killed
    return answer


def killed_around_sending(node: Unreliable, method: str, params: list[Any]) -> Any:
    """At the first, second or third transaction, just before it or just after: as the instant says."""
    if method == "eth_sendRawTransaction":
        node.sent += 1
        if node.sent == 1 + node.instant // 2 % 3:
            if node.instant % 2:
                node.ask(method, params)
            raise Killed
    return node.ask(method, params)


@dataclass
class Scene:
    """Two longs that can be liquidated, two shorts that cannot, and two orders that have their price."""

    chain: AnvilChain
    protocol: LocalProtocol
    addresses: dict[str, Any]
    longs: list[str]
    orders: list[str]

    @property
    def market(self) -> Market:
        return self.protocol.market()


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with AnvilChain() as chain:
        protocol = Protocol.local(chain)
        market, trader = protocol.market(), protocol.account("trader", tokens=100_000)
        positions = [market.open(size, 110, 500, sender=trader) for size in (1, -1, 1, -1)]
        protocol.set_price(2_000)
        for position in positions:
            market.execute(position)
        protocol.set_price(1_850)
        orders = [market.open(size, 1_000, 500, sender=trader) for size in (1, -1)]
        protocol.set_price(1_850)
        parts = {
            "market": market.address,
            "oracle": market.oracle.address,
            "feeds": [feed.contract.address for feed in market.oracle.feeds],
            "factory": market.need_origin().factory,
            "config": market.need_origin().config,
        }
        longs = [positions[0].address, positions[2].address]
        yield Scene(chain, protocol, {"markets": {"ETH": parts}}, longs, [order.address for order in orders])


FAULTS = [
    gone_and_back,
    silent_after_accepting,
    limited,
    behind,
    killed_before,
    killed_after,
    killed_around_sending,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_everything_is_done_once(scene: Scene, fault: Callable[..., Any], tmp_path: Path) -> None:
    for seed in range(INSTANTS):
        with scene.chain.isolated():
            survive(scene, fault, seed, tmp_path / str(seed))


def survive(scene: Scene, fault: Callable[..., Any], seed: int, folder: Path) -> None:
    instant = random.Random(seed).randrange(REQUESTS)
    node, chain = Unreliable(scene.chain, fault, instant), scene.chain

    def start() -> Keeper:
        market = Protocol.at(Web3Chain(node), scene.addresses).market()
        return Keeper(market, KEY, SETTINGS, folder=folder, log=lambda event, facts: None)

    begun, keeper = chain.block_number, None
    chain.set_balance(ACCOUNT, 10**18)
    chain.automine(False)  # what is accepted waits for the block after
    for number in range(120):
        try:
            keeper = keeper or start()
            keeper.step()
        except ChainError:
            pass  # as `run` does
        except Killed:
            keeper = None  # nobody has closed anything
        if number % 3 == 2:
            chain.mine(seconds=45)
        if keeper is not None and node.since > LASTS and not keeper.ledger.flights() and is_done(scene, begun):
            break
    chain.automine(True)
    assert keeper is not None, (fault, seed)
    keeper.once()
    exits = events(scene, "Exited", begun)
    assert sorted(event.args.position for event in exits) == sorted(scene.longs), (fault, seed)
    assert {event.args.kind for event in exits} == {ExitKind.LIQUIDATION}
    assert sorted(event.args.position for event in events(scene, "Opened", begun)) == sorted(scene.orders), (
        fault,
        seed,
    )
    fresh = Follower(scene.market, 10**30)
    fresh.sync()
    assert keeper.follower.known() == fresh.known() and len(fresh.known()) == 4
    assert keeper.ledger.busy(chain.timestamp) == set() or fault is behind
    if fault is not behind:  # it may send again what it cannot see; the contract does it once
        assert chain.nonce(ACCOUNT) == 3, (fault, seed)
        assert keeper.ledger.committed(chain.timestamp) == 10**18 - chain.balance(ACCOUNT), (fault, seed)
    keeper.close()


def is_done(scene: Scene, begun: int) -> bool:
    return len(events(scene, "Exited", begun)) == len(scene.longs) and len(events(scene, "Opened", begun)) == 2


def events(scene: Scene, name: str, begun: int) -> list[Any]:
    return scene.market.contract.events(name, from_block=begun + 1)
