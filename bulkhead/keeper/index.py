"""Which positions a price concerns: their order by the price from which on each may be closed by anyone.

Edges hold until the next sweep, wherever carry and requirement get to until then (`Bounds`), so that none is missed.
Between sweeps what is new or changed lies beside the order, and is looked at one by one; a sweep sorts it in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bulkhead.keeper import edges
from bulkhead.keeper.bounds import Bounds
from bulkhead.keeper.table import Columns, Floats, Rows, Table
from bulkhead.model.interfaces.market import Position

#: Changed positions beside the order, beyond which a sweep is due.
MOST_CHANGED = 5_000

#: Decides what an edge leaves open.
Judge = Callable[[Position], bool]


class NotSwept(Exception):
    """The index was asked about a time after that until which it holds, or before its first sweep."""


class Ladder(NamedTuple):
    """Rows of one side in the order of their edges. `falling`: those at or above a price are concerned by it."""

    rows: Rows
    edges: Floats
    falling: bool

    @classmethod
    def of(cls, rows: Rows, unsorted: Floats, falling: bool) -> Ladder:
        """Sorts."""
        order = np.argsort(unsorted)
        return cls(rows[order], unsorted[order], falling)

    def crossed(self, price: float) -> Rows:
        """The rows beyond their edge at a price."""
        if self.falling:
            return self.rows[np.searchsorted(self.edges, price, "left") :]
        return self.rows[: np.searchsorted(self.edges, price, "right")]


class Ladders(NamedTuple):
    """Some positions, longs and shorts apart, in the order of their edges."""

    liquidation: tuple[Ladder, Ladder]
    at_reserve: tuple[Ladder, Ladder]


class Index:
    """The open positions of a market of perpetuals, by vault (20 bytes). `unit` is 10 ** (36 - token decimals)."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.table = Table()
        #: Until when it holds, unix seconds.
        self.until = -1
        self._bounds = Bounds(0, 0, 0, 0, 0)
        self._changed: set[int] = set()
        self._swept = self._order(self.table.side(True), self.table.side(False))
        #: By row: is the position as it was swept?
        self._same = np.zeros(0, np.bool_)
        #: The order of what has changed since the sweep; made anew when it is asked for.
        self._beside: Ladders | None = None

    def put(self, vault: bytes, p: Position) -> None:
        """An open position is this now."""
        self._note(self.table.put(vault, p))

    def remove(self, vault: bytes) -> None:
        """A position is over, or was never known."""
        row = self.table.remove(vault)
        if row is not None:
            self._note(row)

    @property
    def is_crowded(self) -> bool:
        """Has so much changed that a sweep saves time?"""
        return len(self._changed) > MOST_CHANGED

    def sweep(self, bounds: Bounds, until: int) -> None:
        """Orders everything anew; good for as long as the bounds hold."""
        self._bounds, self.until = bounds, until
        self._swept = self._order(self.table.side(True), self.table.side(False))
        self._same = np.ones(self.table.height, np.bool_)
        self._changed.clear()
        self._beside = None

    def liquidatable(self, index: int, time: int, now: Bounds, judge: Judge) -> Rows:
        """Rows of the positions that can be liquidated at an index; `now` are the bounds of this very time.

        What is certain in floats is not asked for; what is not, `judge` decides. Raises NotSwept.
        """
        self._require(time)
        rows = self.candidates(index)
        columns = self.table.columns(rows)
        certain = _beyond(columns, edges.liquidation(columns, now, self.unit, sure=True), float(index))
        possible = _beyond(columns, edges.liquidation(columns, now, self.unit), float(index))
        for number in np.flatnonzero(possible & ~certain):
            certain[number] = judge(self.table.position(int(rows[number])))
        return rows[certain]

    def candidates(self, index: int) -> Rows:
        """Rows of all positions that may be liquidatable at an index at some time until the next sweep."""
        return self._crossed(self._swept.liquidation, self._changes().liquidation, index)

    def at_reserve(self, index: int, time: int, judge: Judge) -> Rows:
        """Rows of the positions that `judge` finds to have won their reserve at an index. Raises NotSwept."""
        self._require(time)
        rows = self._crossed(self._swept.at_reserve, self._changes().at_reserve, index)
        return np.array([row for row in rows if judge(self.table.position(int(row)))], np.int64)

    def vaults(self, rows: Rows) -> Iterator[tuple[bytes, Position]]:
        """The positions in rows."""
        return ((self.table.vault(int(row)), self.table.position(int(row))) for row in rows)

    def _require(self, time: int) -> None:
        if time > self.until:
            raise NotSwept(f"The index holds until {self.until}, and it is {time}: sweep it.")

    def _note(self, row: int) -> None:
        """What is in a row has changed."""
        self._changed.add(row)
        self._beside = None
        if row < len(self._same):
            self._same[row] = False

    def _changes(self) -> Ladders:
        if self._beside is None:
            rows = np.fromiter(self._changed, np.int64, len(self._changed))
            lots = self.table.lots(rows)
            self._beside = self._order(rows[lots > 0], rows[lots < 0])
        return self._beside

    def _order(self, longs: Rows, shorts: Rows) -> Ladders:
        def ladders(side: Rows, falling: bool) -> tuple[Ladder, Ladder]:
            columns = self.table.columns(side)
            sick = edges.liquidation(columns, self._bounds, self.unit)
            won = edges.at_reserve(columns, self._bounds, self.unit)
            return Ladder.of(side, sick, falling), Ladder.of(side, won, not falling)

        (sick_longs, won_longs), (sick_shorts, won_shorts) = ladders(longs, True), ladders(shorts, False)
        return Ladders((sick_longs, sick_shorts), (won_longs, won_shorts))

    def _crossed(self, swept: tuple[Ladder, Ladder], changed: tuple[Ladder, Ladder], index: int) -> Rows:
        price = float(index)
        found = np.concatenate([ladder.crossed(price) for ladder in swept])
        return np.concatenate([found[self._same[found]], *(ladder.crossed(price) for ladder in changed)])


def _beyond(c: Columns, of: Floats, price: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Longs can be liquidated at or below their edge, shorts at or above."""
    beyond: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.where(c.sign > 0, price <= of, price >= of)
    return beyond
