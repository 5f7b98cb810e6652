"""The front door on a chain of one's own, deployed once for each; every test leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bulkhead import Protocol
from bulkhead.build import artifacts
from bulkhead.chain import Address, AnvilChain, Contract
from bulkhead.protocol import Market, Position
from bulkhead.protocol.local import LocalProtocol


@dataclass
class Door:
    """What a script holds: a protocol with one market at 2,000, and actors by role."""

    protocol: LocalProtocol
    market: Market
    trader: Address
    other: Address
    keeper: Address
    stranger: Address

    @classmethod
    def of(cls, protocol: LocalProtocol) -> Door:
        actors = (protocol.account(label, tokens) for label, tokens in ROLES.items())
        return cls(protocol, protocol.market(), *actors)

    def mock(self, name: str, address: str) -> Contract:
        """A test double behind the door."""
        return self.protocol.chain.contract(artifacts()[name], address)

    @property
    def token(self) -> Contract:
        return self.mock("TokenMock", self.market.token.address)

    @property
    def feed(self) -> Contract:
        return self.mock("FeedProxyMock", self.market.oracle.feeds[0].contract.address)

    def push(self, answer: int, after: int = 60) -> None:
        """A round of 8 decimals, however wild."""
        self.protocol.wait(after)
        now = self.protocol.chain.timestamp
        self.feed.send.push(answer, now, now)

    def request(self, **changes: Any) -> Position:
        terms: dict[str, Any] = {"size": 10, "margin": 1_000, "reserve": 5_000, "sender": self.trader}
        return self.market.open(**(terms | changes))

    def open(self, **changes: Any) -> Position:
        """An open position, at the price that stands."""
        position = self.request(**changes)
        self.protocol.set_price(self.market.oracle.latest().price)
        self.market.execute(position, sender=self.keeper)
        return position


ROLES = {"trader": 1_000_000, "other": 1_000_000, "keeper": 0, "stranger": 0}


@pytest.fixture(scope="session")
def revm_door() -> Door:
    return Door.of(Protocol.local())


@pytest.fixture(scope="session")
def anvil_door() -> Iterator[Door]:
    with AnvilChain() as chain:
        yield Door.of(Protocol.local(chain))


@pytest.fixture
def door(revm_door: Door) -> Iterator[Door]:
    with revm_door.protocol.chain.isolated():
        yield revm_door


@pytest.fixture(params=["revm", "anvil"])
def any_door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """Every local backend in turn."""
    found: Door = request.getfixturevalue(f"{request.param}_door")
    with found.protocol.chain.isolated():
        yield found
