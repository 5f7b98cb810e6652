"""Keeps up with a market: events say which positions to look at again, the chain says what they are.

So nothing is ever counted up from events, and a reorganisation is nothing special: what was touched on a branch that is
no more is looked at again too. A stop is a block up to whose end all was seen; blocks after it are the next stop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from bulkhead.chain import Address, Event, NodeError, Revert, Web3Chain, to_address
from bulkhead.chain.address import to_bytes
from bulkhead.keeper.checkpoint import Checkpoint, Known
from bulkhead.keeper.index import Index
from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status
from bulkhead.protocol.events import ContractEvent, PositionEvent
from bulkhead.protocol.market import Market

#: Stops that are remembered: a reorganisation that goes back behind all of them is answered by a fresh scan.
STOPS = 256
#: Blocks asked for events at once; a node that finds it too long is asked for half.
RANGE = 10_000
#: Positions asked for in one call of the lens: some four million gas.
LOOK = 200
#: Stops without any event after which the checkpoint is moved on all the same.
IDLE_STOPS = 100

_EVENTS = [name for name, kind in ContractEvent.kinds.items() if issubclass(kind, PositionEvent)]


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
        looked = dict(self._look(sorted(touched)))
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
        answer = self.chain.rpc("eth_getBlockByNumber", block, False)
        return Header(int(answer["number"], 16), str(answer["hash"]), int(answer["timestamp"], 16))

    def _branch(self) -> tuple[deque[Stop], frozenset[bytes]]:
        """The stops that are on the chain still, and what was touched on the way to those that are not."""
        standing, orphaned = self._stops.copy(), frozenset[bytes]()
        while standing and not self._stands(standing[-1]):
            orphaned |= standing.pop().touched
            if not standing:  # too deep for what is remembered: everything may be different
                orphaned |= frozenset(self.index.table.rows) | frozenset(self.waiting)
        return standing, orphaned

    def _stands(self, stop: Stop) -> bool:
        answer = self.chain.rpc("eth_getBlockByNumber", hex(stop.number), False)
        return answer is not None and answer["hash"] == stop.hash

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

    def _look(self, vaults: Sequence[bytes], block: int | None = None) -> Iterator[tuple[bytes, Known]]:
        """What they are at the end of a block; many at once where the market has a lens that tells them."""
        for start in range(0, len(vaults), LOOK):
            some = vaults[start : start + LOOK]
            addresses = [to_address(vault) for vault in some]
            yield from zip(some, map(_known, *self._states(addresses, block)), strict=True)

    def _states(self, addresses: Sequence[Address], block: int | None) -> tuple[Sequence[Any], Sequence[Any]]:
        if self.market.lens is not None:
            try:
                answer = self.market.lens.call.statesOf(self.market.address, addresses, block=block)
                return answer.states, answer.orders
            except Revert:  # a lens of before, or a node that gives calls too little gas
                pass
        call = self.market.contract.call
        return [call.positionOf(a, block=block) for a in addresses], [call.orderOf(a, block=block) for a in addresses]

    def _learn(self, vault: bytes, known: Known) -> None:
        if known.position.status == Status.OPEN:
            self.index.put(vault, known.position)
        else:
            self.index.remove(vault)
        if known.order.kind == OrderKind.NONE:
            self.waiting.pop(vault, None)
        else:
            self.waiting[vault] = known

    # ---------------------------------------------------------------- the safety net

    def audit(self) -> Iterator[frozenset[bytes]]:
        """Compares everything that is known with the chain, and mends it: slice by slice, whoever works in between.

        Gives the vaults of each slice that were not known as they are. First every event since the beginning is asked
        for again, then what every position is. Raises the chain's errors, after which it is to be begun anew.
        """
        known, first, last = set(self.index.table.rows) | set(self.waiting), self.start, self._stops[-1].number
        while first <= last:
            end = min(last, first + RANGE - 1)
            known |= {to_bytes(event.args.position) for event in self._events(first, end)}
            first = end + 1
            yield frozenset()
        vaults = sorted(known)
        for start in range(0, len(vaults), LOOK):
            yield self._compare(vaults[start : start + LOOK])

    def _compare(self, vaults: Sequence[bytes]) -> frozenset[bytes]:
        """As of the last stop: what has happened since is not known yet, and no mistake."""
        stop = self._stops[-1]
        looked = dict(self._look(vaults, stop.number))
        wrong = {vault: known for vault, known in looked.items() if known != self._remembered(vault)}
        for vault, known in wrong.items():
            self._learn(vault, known)
        if wrong and self._checkpoint is not None:
            self._checkpoint.save(stop.number, stop.hash, wrong)
        return frozenset(wrong)

    def _remembered(self, vault: bytes) -> Known:
        """What is known of a vault; nothing, where there is nothing."""
        if vault in self.index.table.rows:
            return self.at(vault)
        return self.waiting.get(vault, Known(Position(), Order()))

    def _save(self, head: Header, changed: dict[bytes, Known]) -> None:
        self._unsaved += 1
        if self._checkpoint is not None and (changed or self._unsaved >= IDLE_STOPS):
            self._checkpoint.save(head.number, head.hash, changed)
            self._unsaved = 0


def _known(p: Any, o: Any) -> Known:
    """A position and its order as the chain tells them."""
    terms = (p.margin, p.reserve, Status(p.status), p.size, p.entry, p.series, p.time, p.funding, p.borrowing)
    order = Order(OrderKind(o.kind), o.requestedAt, o.phase, o.premium, o.amount, o.low, o.high)
    return Known(Position(*terms), order)
