"""Twin of IInstrument.sol and IMarginModel.sol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Snapshot:
    """What a market shows to its instrument and its margin model."""

    series: int
    index: int
    time: int
    long: int
    short: int
    reserved: int
    idle: int


class Instrument(Protocol):
    """A family of contracts."""

    def is_open(self, series: int, time: int) -> bool: ...
    def mark(self, series: int, index: int, time: int) -> int: ...
    def cap(self, series: int) -> int: ...
    def premium(self, state: Snapshot, size: int) -> int: ...
    def carry(self, state: Snapshot, borrow_rate: int, elapsed: int) -> tuple[int, int]: ...
    def has_carry(self) -> bool: ...
    def is_linear(self) -> bool: ...
    def final_mark(self, series: int) -> tuple[bool, int, int]: ...


class MarginModel(Protocol):
    """How much equity a position must have, 18 decimals."""

    def initial(self, state: Snapshot, mark: int, size: int) -> int: ...
    def looks_at_market(self) -> bool: ...
    def maintenance(self, series: int, index: int, mark: int, size: int) -> tuple[int, int]: ...
