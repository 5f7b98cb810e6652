"""The same market on another chain: a local copy to rehearse on, or the past to replay."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from bulkhead.chain import Web3Chain
from bulkhead.chain.errors import ChainError, NodeError
from bulkhead.protocol.market import Market
from bulkhead.protocol.operators import Operators
from bulkhead.protocol.oracle import Oracle

#: What nodes (geth, anvil, reth, nethermind, erigon) say of a state that they have let go.
_NO_STATE = (
    "missing trie",
    "historical state",
    "state not available",
    "state is not available",
    "no state available",
    "state histories",
    "pruned",
    "old data",
    "block not found",
    "blockoutofrange",
    "block out of range",
)


def on(chain: Any, market: Market) -> Market:
    """A market as another chain holds it, at the same addresses."""
    chain.registry = market.chain.registry
    oracle = Oracle(chain, market.oracle.address, [feed and feed.contract.address for feed in market.oracle.feeds])
    operators = None if market.operators is None else Operators(chain, market.operators.address)
    lens = None if market.lens is None else market.lens.address
    return Market(chain, market.address, oracle, operators, lens, market.name, market.origin)


class Onlooker:
    """An account that can sign nothing: as it, a keeper tries out what it would do."""

    def __init__(self, address: str) -> None:
        self.address = address

    def sign_transaction(self, _: Any) -> NoReturn:
        """Never."""
        raise ChainError("An onlooker signs nothing.")


class PastMissing(ChainError):
    """A node that keeps no state of a past block."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"The node keeps no state of block {number}: replay with an archive node. It says: {why}")


class PastChain(Web3Chain):
    """A chain as it was when block `now` was its newest; `now` may be moved. Reads only; the node must keep old states.

    What blocks do not hold is the present's: the tip that a node suggests, and transactions that wait.
    """

    #: Where each method takes the block that it is asked of.
    _BLOCK: ClassVar = {
        "eth_call": 1,
        "eth_estimateGas": 1,
        "eth_getBalance": 1,
        "eth_getCode": 1,
        "eth_getTransactionCount": 1,
        "eth_getStorageAt": 2,
        "eth_getBlockByNumber": 0,
    }

    def __init__(self, node: Any, now: int) -> None:
        self.now = now
        super().__init__(node)

    def rpc(self, method: str, *params: Any) -> Any:
        """As of the block `now`. Raises PastMissing."""
        if method.startswith("eth_send"):
            raise ChainError("The past takes no transactions.")
        if method == "eth_blockNumber":
            return hex(self.now)
        place = self._BLOCK.get(method)
        if place is None:
            return super().rpc(method, *params)
        asked = params[place] if place < len(params) else "latest"
        block = hex(self.now) if asked in ("latest", "pending") else asked
        try:
            return super().rpc(method, *params[:place], block, *params[place + 1 :])
        except NodeError as error:
            if any(phrase in error.message.lower() for phrase in _NO_STATE):
                raise PastMissing(self.now, error.message) from None
            raise
