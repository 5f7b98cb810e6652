"""Twin of IOracle.sol, as far as market and pool ask; its errors are in `oracles/errors.py`."""

from __future__ import annotations

from typing import Protocol


class Block(Protocol):
    """Whatever knows the present block's time."""

    @property
    def timestamp(self) -> int: ...


class IOracle(Protocol):
    """All prices have 18 decimals, all times are unix seconds."""

    @property
    def deviation(self) -> int: ...
    def commitment(self) -> int: ...
    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]: ...
    def latest(self) -> tuple[int, int]: ...
    def final_price(self) -> tuple[bool, int, int]: ...
