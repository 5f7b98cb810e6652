"""Keeps up with a market: events say which positions to look at again, the chain says what they are.

So nothing is ever counted up from events, and a reorganisation is nothing special: what was touched on a branch that is
no more is looked at again too. A stop is a block up to whose end all was seen; blocks after it are the next stop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from bulkhead.chain import Event, NodeError, Web3Chain, to_address
from bulkhead.chain.address import to_bytes
from bulkhead.keeper.checkpoint import Checkpoint, Known
from bulkhead.keeper.index import Index
from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status
from bulkhead.protocol.events import PositionEvent, Told
from bulkhead.protocol.market import Market

#: Stops that are remembered: a reorganisation that goes back behind all of them is answered by a fresh scan.
STOPS = 256
#: Blocks asked for events at once; a node that finds it too long is asked for half.
RANGE = 10_000
#: Stops without any event after which the checkpoint is moved on all the same.
IDLE_STOPS = 100

_EVENTS = [name for name, kind in Told.kinds.items() if issubclass(kind, PositionEvent)]


class Header(NamedTuple):
    """A block: its number, hash, and time in unix seconds."""

    number: int
    hash: str
    time: int


class Stop(NamedTuple):
    """All of a chain up to the end of a block was seen; `touched` since the stop before."""

    number: int
    hash: str
    touched: frozenset[bytes]


class Follower:
    """The open positions and the waiting orders of a market, from block `start` on (that of its creation or before)."""

    def __init__(self, market: Market, unit: int, checkpoint: Checkpoint | None = None, start: int = 0) -> None:
        if not isinstance(market.chain, Web3Chain):
            raise TypeError("A keeper follows a chain behind a node: use Web3Chain, AnvilChain or ApeChain.")
        self.chain: Web3Chain = market.chain
        self.market, self.start = market, start
        self.index = Index(unit)
        #: Positions with an order, pending ones among them.
        self.waiting: dict[bytes, Known] = {}
        self._checkpoint = checkpoint
        self._stops: deque[Stop] = deque(maxlen=STOPS)
        self._unsaved = 0
        saved = checkpoint.load() if checkpoint is not None else None
        if saved is not None:
            self._stops.append(Stop(saved.number, saved.hash, frozenset()))
            for vault, known in saved.known.items():
                self._learn(vault, known)

    def sync(self) -> Header:
        """Takes in everything up to the newest block, which it gives. Raises the chain's errors, changing nothing."""
        head = self._header("latest")
        standing, orphaned = self._branch()
        since = standing[-1].number if standing else self.start - 1
        touched = orphaned | {to_bytes(event.args.position) for event in self._events(since + 1, head.number)}
        looked = {vault: self._look(vault) for vault in touched}
        for vault, known in looked.items():
            self._learn(vault, known)
        if not standing or standing[-1].hash != head.hash:
            standing.append(Stop(head.number, head.hash, frozenset(touched)))
            self._save(head, looked)
        self._stops = standing
        return head

    def close(self) -> None:
        """Lets its checkpoint go."""
        if self._checkpoint is not None:
            self._checkpoint.close()

    def known(self) -> dict[bytes, Known]:
        """Every position there is and its order, for comparison with another's."""
        rows = self.index.table.rows
        held = {vault: self.at(vault) for vault in rows}
        return held | {vault: known for vault, known in self.waiting.items() if vault not in rows}

    def at(self, vault: bytes) -> Known:
        """An open position and its order."""
        waiting = self.waiting.get(vault)
        position = self.index.table.position(self.index.table.rows[vault])
        return Known(position, Order() if waiting is None else waiting.order)

    # ---------------------------------------------------------------- blocks

    def _header(self, block: str) -> Header:
        told = self.chain.rpc("eth_getBlockByNumber", block, False)
        return Header(int(told["number"], 16), str(told["hash"]), int(told["timestamp"], 16))

    def _branch(self) -> tuple[deque[Stop], frozenset[bytes]]:
        """The stops that are on the chain still, and what was touched on the way to those that are not."""
        standing, orphaned = self._stops.copy(), frozenset[bytes]()
        while standing and not self._stands(standing[-1]):
            orphaned |= standing.pop().touched
            if not standing:  # too deep for what is remembered: everything may be different
                orphaned |= frozenset(self.index.table.rows) | frozenset(self.waiting)
        return standing, orphaned

    def _stands(self, stop: Stop) -> bool:
        told = self.chain.rpc("eth_getBlockByNumber", hex(stop.number), False)
        return told is not None and told["hash"] == stop.hash

    def _events(self, first: int, last: int) -> Iterator[Event]:
        length = RANGE
        while first <= last:
            end = min(last, first + length - 1)
            try:
                yield from self.market.contract.events(*_EVENTS, from_block=first, to_block=end)
            except NodeError:
                if length == 1:
                    raise
                length //= 2
                continue
            first = end + 1

    # ---------------------------------------------------------------- positions

    def _look(self, vault: bytes) -> Known:
        call, address = self.market.contract.call, to_address(vault)
        p, o = call.positionOf(address), call.orderOf(address)
        terms = (p.margin, p.reserve, Status(p.status), p.size, p.entry, p.series, p.time, p.funding, p.borrowing)
        order = Order(OrderKind(o.kind), o.requestedAt, o.phase, o.premium, o.amount, o.low, o.high)
        return Known(Position(*terms), order)

    def _learn(self, vault: bytes, known: Known) -> None:
        if known.position.status == Status.OPEN:
            self.index.put(vault, known.position)
        else:
            self.index.remove(vault)
        if known.order.kind == OrderKind.NONE:
            self.waiting.pop(vault, None)
        else:
            self.waiting[vault] = known

    def _save(self, head: Header, changed: dict[bytes, Known]) -> None:
        self._unsaved += 1
        if self._checkpoint is not None and (changed or self._unsaved >= IDLE_STOPS):
            self._checkpoint.save(head.number, head.hash, changed)
            self._unsaved = 0
