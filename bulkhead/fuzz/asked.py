"""Twins of contracts that have no model in Python: they ask the contract itself, on the chain that is fuzzed.

What such a part answers is taken as it is; market, pool and vaults around it are modelled, compared and held to every
invariant all the same. A part with a model of its own is compared with it, too.
"""

from __future__ import annotations

from typing import Any

from bulkhead.chain import Contract, Revert
from bulkhead.model.errors import ModelError
from bulkhead.model.interfaces.instrument import Snapshot


class Refused(ModelError):
    """What a contract without a model reverted with."""

    def __init__(self, revert: Revert) -> None:
        super().__init__(*revert.values)
        self._name = revert.name

    @property
    def name(self) -> str:
        """The error's name in Solidity."""
        return self._name


class Asked:
    """Asks `contract` for views. Raises Refused."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    def ask(self, function: str, *args: Any) -> Any:
        """One view."""
        try:
            return getattr(self.contract.call, function)(*args)
        except Revert as revert:
            raise Refused(revert) from None


def _encoded(s: Snapshot) -> tuple[int, ...]:
    return s.series, s.index, s.time, s.long, s.short, s.reserved, s.idle


class AskedMargin(Asked):
    """A margin model."""

    def initial(self, state: Snapshot, mark: int, size: int) -> int:
        """To open, or to take margin out."""
        return int(self.ask("initial", _encoded(state), mark, size))

    def looks_at_market(self) -> bool:
        """Does `initial` depend on open sizes or on the pool?"""
        return bool(self.ask("looksAtMarket"))

    def maintenance(self, series: int, index: int, mark: int, size: int) -> tuple[int, int]:
        """To stay open, and what a partial liquidation restores."""
        answer = self.ask("maintenance", series, index, mark, size)
        return answer[0], answer[1]


class AskedInstrument(Asked):
    """An instrument."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract)
        self._has_carry = bool(self.ask("hasCarry"))
        self._is_linear = bool(self.ask("isLinear"))

    def is_open(self, series: int, time: int) -> bool:
        """May orders be committed?"""
        return bool(self.ask("isOpen", series, time))

    def mark(self, series: int, index: int, time: int) -> int:
        """Value of one unit."""
        return int(self.ask("mark", series, index, time))

    def cap(self, series: int) -> int:
        """Largest mark."""
        return int(self.ask("cap", series))

    def has_carry(self) -> bool:
        """Does holding cost or earn?"""
        return self._has_carry

    def is_linear(self) -> bool:
        """One series, the index, no end, no cap?"""
        return self._is_linear

    def premium(self, state: Snapshot, size: int) -> int:
        """What the pool asks beside the mark."""
        return int(self.ask("premium", _encoded(state), size))

    def carry(self, state: Snapshot, borrow_rate: int, elapsed: int) -> tuple[int, int]:
        """Rates of funding and borrowing."""
        answer = self.ask("carry", _encoded(state), borrow_rate, elapsed)
        return answer[0], answer[1]

    def final_mark(self, series: int) -> tuple[bool, int, int]:
        """Of an expired series."""
        return tuple(self.ask("finalMark", series))


class AskedOracle(Asked):
    """An oracle. `check_outage` is a call on the chain as well, which the pair makes."""

    @property
    def deviation(self) -> int:
        """How far the true price may lie off."""
        return int(self.ask("deviation"))

    def commitment(self) -> int:
        """What is kept of the moment of a commit."""
        return int(self.ask("commitment"))

    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]:
        """The first price after a moment."""
        return tuple(self.ask("firstAfter", phase, after_time, proof))

    def latest(self) -> tuple[int, int]:
        """The newest price."""
        return tuple(self.ask("latest"))

    def check_outage(self, *, sender: str = "") -> bool:
        """Has it ended?"""
        return self.final_price()[0]

    def final_price(self) -> tuple[bool, int, int]:
        """After the end."""
        return tuple(self.ask("finalPrice"))
