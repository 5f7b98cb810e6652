"""A protocol on a node of its own, for keepers."""

from __future__ import annotations

from typing import Any

from bulkhead import Protocol
from bulkhead.chain import AnvilChain
from bulkhead.keeper import Done, Job, Keeper, Settings
from bulkhead.keeper.follower import Follower
from bulkhead.protocol import Position
from bulkhead.protocol.local import LocalProtocol

KEY = "0x" + "11" * 32
WORK = Settings(coin=2_000 * 10**6, least_profit=1)


class Node:
    """A protocol on an anvil of its own, and keepers with ether."""

    def __init__(self, chain: AnvilChain) -> None:
        self.chain = chain
        self.protocol: LocalProtocol = Protocol.local(chain)
        self.market = self.protocol.market()
        self.trader = self.protocol.account("trader", tokens=1_000_000)
        self.told: list[tuple[str, dict[str, Any]]] = []

    def keeper(self, settings: Settings = WORK, key: Any = KEY, **options: Any) -> Keeper:
        keeper = Keeper(
            self.market, key, settings, log=lambda event, facts: self.told.append((event, facts)), **options
        )
        self.chain.set_balance(keeper.sender.address, 10**18)
        return keeper

    def tokens(self, keeper: Keeper) -> int:
        return int(self.market.token.contract.call.balanceOf(keeper.sender.address))

    def in_front(self, to: str, data: bytes) -> None:
        """A transaction of the trader's that a miner takes before any keeper's."""
        self.chain.set_balance(self.trader, 10**18)
        fields = {"from": self.trader, "to": to, "data": "0x" + data.hex()}
        self.chain.rpc("eth_sendTransaction", fields | {"gas": hex(10**6), "gasPrice": hex(10**11)})

    def fresh(self) -> dict[bytes, Any]:
        follower = Follower(self.market, 10**30)
        follower.sync()
        return follower.known()

    def open(self, count: int, **terms: Any) -> list[Position]:
        return [
            self.market.open(size=1 if n % 2 else -1, margin=110 + n, reserve=500, sender=self.trader, **terms)
            for n in range(count)
        ]


def done(work: list[Done], job: Job) -> set[str]:
    """Targets that a job was done for."""
    return {target for one in work if one.intent.job is job for target in one.done}
