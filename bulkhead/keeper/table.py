"""Open positions in columns: a million take some three hundred megabytes, and each is exact to the unit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bulkhead.model.interfaces.market import Position, Status
from bulkhead.model.libraries.position_math import LOT

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]

_HALF = 1 << 64
#: Fields of at most 64 bits, and those of more, which take two words.
_NARROW = ("lots", "funding", "borrowing", "time", "series")
_WIDE = ("margin", "reserve", "entry")


class Columns(NamedTuple):
    """Some positions, a line each. `sign` is 1 for longs and -1 for shorts; indices of carry have ten decimals.

    The others are nearest floats: size without its sign (18 decimals), money in token units, prices with 18 decimals.
    """

    sign: Floats
    size: Floats
    margin: Floats
    reserve: Floats
    entry: Floats
    funding: NDArray[np.int64]
    borrowing: NDArray[np.int64]


class Table:
    """Positions by vault (20 bytes), each in a row that stays its own until it is removed."""

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}
        self._vaults: list[bytes] = []
        self._free: list[int] = []
        self._narrow = {name: np.zeros(0, np.int64) for name in _NARROW}
        self._wide = {name: np.zeros((0, 2), np.uint64) for name in _WIDE}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def height(self) -> int:
        """Rows in use, or used before."""
        return len(self._vaults)

    def put(self, vault: bytes, p: Position) -> int:
        """Writes an open position over what was known of it; gives its row."""
        row = self.rows.get(vault)
        if row is None:
            row = self._free.pop() if self._free else self._grow()
            self.rows[vault] = row
            self._vaults[row] = vault
        for name, value in zip(_NARROW, (p.size // LOT, p.funding, p.borrowing, p.time, p.series), strict=True):
            self._narrow[name][row] = value
        for name, value in zip(_WIDE, (p.margin, p.reserve, p.entry), strict=True):
            self._wide[name][row] = divmod(value, _HALF)
        return row

    def remove(self, vault: bytes) -> int | None:
        """Forgets a position; gives the row it had, None where it was not known."""
        row = self.rows.pop(vault, None)
        if row is not None:
            self._narrow["lots"][row] = 0
            self._free.append(row)
        return row

    def _grow(self) -> int:
        row = len(self._vaults)
        self._vaults.append(b"")
        if row == len(self._narrow["lots"]):
            more = max(1_024, row // 2)
            self._narrow = {name: np.concatenate([old, np.zeros(more, np.int64)]) for name, old in self._narrow.items()}
            wide = self._wide.items()
            self._wide = {name: np.concatenate([old, np.zeros((more, 2), np.uint64)]) for name, old in wide}
        return row

    def vault(self, row: int) -> bytes:
        """Whose row it is."""
        return self._vaults[row]

    def position(self, row: int) -> Position:
        """The position in a row, exactly as it was put."""
        lots, funding, borrowing, time, series = (int(self._narrow[name][row]) for name in _NARROW)
        margin, reserve, entry = (int(high) * _HALF + int(low) for high, low in (self._wide[n][row] for n in _WIDE))
        return Position(margin, reserve, Status.OPEN, lots * LOT, entry, series, time, funding, borrowing)

    def lots(self, rows: Rows) -> NDArray[np.int64]:
        """Their sizes, signed; 0 where nothing is."""
        found: NDArray[np.int64] = self._narrow["lots"][rows]
        return found

    def side(self, long: bool) -> Rows:
        """The rows of all longs, or of all shorts."""
        lots = self._narrow["lots"][: self.height]
        return np.flatnonzero(lots > 0 if long else lots < 0)

    def columns(self, rows: Rows) -> Columns:
        """The positions in these rows, which must not be empty."""
        lots = self._narrow["lots"][rows]
        margin, reserve, entry = (self._float(self._wide[name][rows]) for name in _WIDE)
        sign = np.sign(lots).astype(np.float64)
        size = np.abs(lots).astype(np.float64) * float(LOT)
        return Columns(
            sign, size, margin, reserve, entry, self._narrow["funding"][rows], self._narrow["borrowing"][rows]
        )

    @staticmethod
    def _float(words: NDArray[Any]) -> Floats:
        value: Floats = words[:, 0].astype(np.float64) * float(_HALF) + words[:, 1].astype(np.float64)
        return value
