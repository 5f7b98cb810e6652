"""What a mined transaction has done for a market, as a node's receipt tells."""

from __future__ import annotations

from collections.abc import Set
from functools import cached_property
from typing import Any

from bulkhead.chain import Event, Log, to_address
from bulkhead.chain.address import to_bytes
from bulkhead.chain.receipt import decode_logs
from bulkhead.protocol.market import Market


class Mined:
    """A transaction to the contract `to`, or to any that calls the market."""

    def __init__(self, market: Market, receipt: dict[str, Any], to: str = "") -> None:
        self._market, self._to, self._logs = market, to, [_log_of(raw) for raw in receipt["logs"]]
        self.block = int(receipt["blockNumber"], 16)
        self.gas = int(receipt["gasUsed"], 16)
        #: Neither it nor a step of it has failed.
        self.passed = int(receipt["status"], 16) == 1 and all(event.name != "StepFailed" for event in self.events)

    @cached_property
    def events(self) -> list[Event]:
        """Of the market, of its pool, and of the contract that was called."""
        return self._decoded(self._market.address, self._market.pool.address, self._to)

    @property
    def due(self) -> int:
        """What keepers were to be paid, as market and pool say; token units."""
        return sum(map(_keeper_s, self.events))

    def paid(self, to: Set[str]) -> int:
        """Token units, as the token tells: a market says what it owes, also where the token refuses it."""
        moves = self._decoded(self._market.token.contract.address)
        return sum(int(event.args.value) for event in moves if event.name == "Transfer" and event.args.to in to)

    def _decoded(self, *contracts: str) -> list[Event]:
        return decode_logs([log for log in self._logs if log.address in contracts], self._market.chain.registry)


def _log_of(raw: Any) -> Log:
    topics = tuple(map(to_bytes, raw["topics"]))
    block, index = int(raw["blockNumber"], 16), int(raw["logIndex"], 16)
    return Log(to_address(raw["address"]), topics, to_bytes(raw["data"]), block, raw["transactionHash"], index)


def _keeper_s(event: Event) -> int:
    return int(getattr(event.args, "keeperFee", 0)) + int(getattr(event.args, "toKeeper", 0))
