"""Ways from a signed transaction to the makers of blocks."""

from __future__ import annotations

from typing import Any, Protocol

from bulkhead.chain import Web3Chain, keccak

#: Blocks that a bundle is offered for, one by one, from the next on: until it is offered again.
BLOCKS = 3


class Submitter(Protocol):
    """Anything that takes a signed transaction. Raises NodeError where it is refused, NodeUnreachable without answer.

    blocks   0: it may be called again with the same transaction, or with a dearer one of the same nonce. Else what it
             was given is offered for so many blocks, in none of them taken if it would fail, then signed anew
    """

    blocks: int

    def submit(self, raw: str) -> str:
        """Hands over a signed transaction, "0x" and hexadecimal digits; gives its hash."""
        ...


class PublicSubmitter:
    """To the pool of a node, where everybody sees it."""

    blocks = 0

    def __init__(self, chain: Web3Chain) -> None:
        self._chain = chain

    def submit(self, raw: str) -> str:
        """By eth_sendRawTransaction."""
        return str(self._chain.rpc("eth_sendRawTransaction", raw))


class PrivateSubmitter:
    """To another address than the node that is read from: a relay that keeps transactions to itself.

    relay     a URL, or any web3 provider
    bundles   None: by eth_sendRawTransaction. With a chain: by eth_sendBundle, alone in its bundle, for each of the
              next blocks of that chain, which leave it out where it would fail
    """

    def __init__(self, relay: Any, bundles: Web3Chain | None = None) -> None:
        self._relay, self._bundles = Web3Chain(relay), bundles
        self.blocks = 0 if bundles is None else BLOCKS

    def submit(self, raw: str) -> str:
        """Hands it to the relay, which alone sees it until it is mined."""
        if self._bundles is None:
            return str(self._relay.rpc("eth_sendRawTransaction", raw))
        head = self._bundles.block_number
        for block in range(head + 1, head + 1 + BLOCKS):
            self._relay.rpc("eth_sendBundle", {"txs": [raw], "blockNumber": hex(block)})
        return "0x" + keccak(bytes.fromhex(raw[2:])).hex()
