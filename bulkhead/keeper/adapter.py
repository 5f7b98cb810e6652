"""Liquidations that fail where nothing is left to liquidate, through a KeeperAdapter whose fees are the keeper's.

`Market.liquidate` skips what is healthy and costs gas all the same; `performUpkeep` reverts where all was skipped. Who
makes blocks leaves a bundle out that reverts, so that it costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulkhead.build import artifacts
from bulkhead.chain import Address, Chain, to_address
from bulkhead.chain.base import AddressLike
from bulkhead.chain.codec import Tuple

#: IKeeperAdapter.Work: executions, which go without it, for they revert by themselves; liquidations.
_WORK = Tuple(
    [
        {
            "type": "tuple",
            "name": "work",
            "components": [
                {
                    "type": "tuple[]",
                    "name": "executions",
                    "components": [{"type": "address", "name": "position"}, {"type": "bytes", "name": "proof"}],
                },
                {"type": "address[]", "name": "liquidations"},
            ],
        }
    ]
)


class Adapter:
    """The adapter of one market at an address. `receiver` gets its fees."""

    def __init__(self, chain: Chain, address: AddressLike) -> None:
        self._contract = chain.contract(artifacts()["KeeperAdapter"], address)
        self.address: Address = self._contract.address
        self.receiver: Address = to_address(self._contract.call.RECEIVER())
        self.market: Address = to_address(self._contract.call.MARKET())

    def liquidating(self, positions: Sequence[str]) -> bytes:
        """The call that liquidates those of the positions that can be, one at least."""
        return self._contract.encode.performUpkeep(_WORK.encode([((), list(positions))]))
