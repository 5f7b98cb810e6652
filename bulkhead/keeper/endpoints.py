"""One chain behind several nodes: those that are dead, behind, or on another branch than the rest are not asked.

All requests between two calls of `choose` are answered by one node, so that what is read fits together. Nothing here
goes by a clock: looks are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from bulkhead.chain import ChainError, NodeError, NodeUnreachable, Web3Chain

#: Blocks that a node may be behind the newest head.
LAG = 1
#: Looks in a row at which a node that was passed over must be as it should be, before it is asked again.
TRUST = 3
#: Looks that a node is left alone after a failure; twice as many each time, at most so many.
REST, MOST_REST = 1, 64
#: Seconds for an answer.
TIMEOUT = 5
#: What nodes answer to those who ask too often.
TOO_MANY = -32_005


class Head(NamedTuple):
    """The newest block of a node."""

    number: int
    hash: str


class Endpoint:
    """A node as it was seen so far. `node` is its URL, or any web3 provider."""

    def __init__(self, node: Any) -> None:
        self.chain = Web3Chain(node if not isinstance(node, str) else _quick(node))
        self.head: Head | None = None
        #: Looks until it is asked again, how long it rested last, and looks in a row at which all was well.
        self.rest, self._rested, self.trust = 0, 0, TRUST

    def look(self) -> Head | None:
        """Its head; None while it rests, and where it does not answer."""
        self.rest, self.head = max(0, self.rest - 1), None
        if not self.rest:
            try:
                block = self.chain.rpc("eth_getBlockByNumber", "latest", False)
                self.head = Head(int(block["number"], 16), str(block["hash"]))
            except ChainError:
                self.fails()
        return self.head

    def block(self, number: int) -> str | None:
        """Its hash of a block; None where it has none, or does not answer."""
        if self.head is not None and self.head.number == number:
            return self.head.hash
        try:
            block = self.chain.rpc("eth_getBlockByNumber", hex(number), False)
        except ChainError:
            self.fails()
            return None
        return None if block is None else str(block["hash"])

    def fails(self) -> None:
        """It is left alone for a while."""
        self._rested = min(2 * self._rested or REST, MOST_REST)
        self.rest, self.trust = self._rested + 1, 0

    def is_well(self, well: bool) -> None:
        """What a look at its head came to."""
        self.trust = self.trust + 1 if well else 0
        if self.trust >= TRUST:
            self._rested = 0


class Endpoints(Web3Chain):
    """A chain behind several nodes, the preferred one first; `keys` as for Web3Chain.

    Nodes of another chain id than the first's that answers are never asked again. Raises NodeUnreachable while no node
    answers. Who reads calls `choose` before each round of requests; a keeper does, before each of its steps.
    """

    def __init__(self, nodes: Sequence[Any], keys: Sequence[Any] = ()) -> None:
        if not nodes:
            raise ValueError("No node is named.")
        super().__init__(nodes[0], keys)
        self.url = ", ".join(str(getattr(node, "endpoint_uri", node)) for node in nodes)
        self._endpoints = [Endpoint(node) for node in nodes]
        self._current: Endpoint | None = None
        self._same_chain: set[Endpoint] = set()

    @property
    def current(self) -> str:
        """The URL of the node that is asked."""
        return "" if self._current is None else self._current.chain.url

    def rpc(self, method: str, *params: Any) -> Any:
        """Asks the chosen node. One that does not answer, or is asked too often, is passed over at the next choice."""
        current = self._current or self.choose()
        try:
            return current.chain.rpc(method, *params)
        except NodeUnreachable:
            self._give_up(current)
            raise
        except NodeError as error:
            if error.code == TOO_MANY:
                self._give_up(current)
            raise

    def choose(self) -> Endpoint:
        """Looks at all nodes, and stays with the present one if it can."""
        for endpoint in self._endpoints:
            endpoint.look()
        good = self._good([endpoint for endpoint in self._endpoints if self._is_ours(endpoint)])
        for endpoint in self._endpoints:
            endpoint.is_well(endpoint in good)
        if not good:
            raise NodeUnreachable(self.url)
        if self._current not in good:
            trusted = [endpoint for endpoint in good if endpoint.trust >= TRUST]
            self._current = (trusted or good)[0]
        return self._current

    def _good(self, live: Sequence[Endpoint]) -> list[Endpoint]:
        """Those on the branch of most, and near its newest head. Where as many are on another, the present one's."""
        heads = {endpoint: endpoint.head for endpoint in live if endpoint.head is not None}
        if not heads:
            return []
        lowest = min(head.number for head in heads.values())
        branches = {endpoint: endpoint.block(lowest) for endpoint in heads}
        votes = Counter(branch for branch in branches.values() if branch is not None)
        if not votes:
            return []
        present = None if self._current is None else branches.get(self._current)
        branch = max(votes, key=lambda branch: (votes[branch], branch == present))
        newest = max(head.number for endpoint, head in heads.items() if branches[endpoint] == branch)
        return [e for e, head in heads.items() if branches[e] == branch and head.number >= newest - LAG]

    def _is_ours(self, endpoint: Endpoint) -> bool:
        """Is it a node of this chain? Asked once, when it answers for the first time."""
        if endpoint.head is None or endpoint in self._same_chain:
            return endpoint.head is not None
        try:
            chain_id = endpoint.chain.chain_id
        except ChainError:
            endpoint.fails()
            return False
        if self._chain_id is None:
            self._chain_id = chain_id
        if chain_id == self._chain_id:
            self._same_chain.add(endpoint)
        return chain_id == self._chain_id

    def _give_up(self, endpoint: Endpoint) -> None:
        endpoint.fails()
        self._current = None


def _quick(url: str) -> Any:
    """A provider that does not wait for long: there are others."""
    import web3

    if url.startswith(("ws://", "wss://")):
        return web3.LegacyWebSocketProvider(url, websocket_timeout=TIMEOUT)
    return web3.HTTPProvider(url, request_kwargs={"timeout": TIMEOUT}, exception_retry_configuration=None)
