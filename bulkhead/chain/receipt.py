"""What a transaction left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from bulkhead.chain.abi import Function, Registry
from bulkhead.chain.address import Address
from bulkhead.chain.errors import ChainError


class Log(NamedTuple):
    """A raw log: `topics` of 32 bytes each, `data` bytes, `log_index` within its block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    tx_hash: str | None
    log_index: int


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log. `args` is a namedtuple of the parameters in declared order, by their ABI names."""

    name: str
    args: Any
    address: Address
    block_number: int
    tx_hash: str | None
    log_index: int


@dataclass
class Receipt:
    """A transaction that succeeded (one that fails raises `Revert` instead).

    tx_hash           "0x..." or None where the engine has no hashes (RevmChain)
    block_number      of the block that holds it; timestamp: that block's, in seconds
    gas_used          whole transaction, intrinsic gas and refunds included; see RevmChain on warm storage
    logs              raw logs in order
    contract_address  of a deployment, else None
    return_data       bytes the call returned. RevmChain: by this very transaction. Nodes don't keep them: there it
                      is what the simulation just before sending returned, None without one
    """

    tx_hash: str | None
    block_number: int
    timestamp: int
    gas_used: int
    logs: Sequence[Log]
    registry: Registry = field(repr=False)
    contract_address: Address | None = None
    return_data: bytes | None = field(default=None, repr=False)
    function: Function | None = field(default=None, repr=False)

    @property
    def return_value(self) -> Any:
        """The decoded result (see `Function.decode`); None when it is not known or there is none."""
        if self.function is None or self.return_data is None:
            return None
        return self.function.decode(self.return_data)

    @cached_property
    def events(self) -> list[Event]:
        """The logs of registered ABIs, decoded, in order; others are left out (see `logs`)."""
        return decode_logs(self.logs, self.registry)

    def events_of(self, name: str, address: Address | None = None) -> list[Event]:
        """All events of a name, of one contract if an address is given; may be empty."""
        return [e for e in self.events if e.name == name and (address is None or e.address == address)]

    def event(self, name: str) -> Event:
        """The one event of that name. Raises ChainError when there are none or several."""
        found = self.events_of(name)
        if len(found) != 1:
            raise ChainError(f"Expected one event {name}, got {len(found)} among {[e.name for e in self.events]}.")
        return found[0]


def decode_logs(logs: Sequence[Log], registry: Registry, keep: Callable[[str], bool] | None = None) -> list[Event]:
    """The events among logs that `registry` can name (and `keep` accepts by name), in order."""
    events = []
    for log in logs:
        kind = registry.event(log.topics)
        if kind is not None and (keep is None or keep(kind.name)):
            args = kind.decode(log.topics, log.data)
            events.append(Event(kind.name, args, log.address, log.block_number, log.tx_hash, log.log_index))
    return events
