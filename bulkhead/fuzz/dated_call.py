"""Twin of mocks/DatedCall.sol: several capped series with one expiry, by which the fuzzer meets settlement."""

from __future__ import annotations

from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.oracle import IOracle
from bulkhead.model.libraries.position_math import ONE

CAP = 1_000 * ONE


class DatedCall:
    """Series s has strike (s + 1) x 500; its mark is clamp(index - strike, 0, CAP), fixed after `expiry`."""

    def __init__(self, oracle: IOracle, expiry: int) -> None:
        self.oracle, self.expiry = oracle, expiry
        self.fixing = 0

    def fix(self, phase: int, proof: bytes, *, sender: str = "") -> None:
        """By the first price after the expiry, by anyone."""
        self.fixing, _, _ = self.oracle.first_after(phase, self.expiry, proof)

    def is_open(self, series: int, time: int) -> bool:
        """Four series, until they expire."""
        return series < 4 and time < self.expiry

    def mark(self, series: int, index: int, time: int) -> int:
        """Within 0 and CAP."""
        return min(max((self.fixing or index) - (series + 1) * 500 * ONE, 0), CAP)

    def cap(self, series: int) -> int:
        """The same for all."""
        return CAP

    def has_carry(self) -> bool:
        """No."""
        return False

    def is_linear(self) -> bool:
        """No."""
        return False

    def premium(self, state: Snapshot, size: int) -> int:
        """A tenth of a percent."""
        return ONE // 1_000

    def carry(self, state: Snapshot, borrow_rate: int, elapsed: int) -> tuple[int, int]:
        """None."""
        return 0, 0

    def final_mark(self, series: int) -> tuple[bool, int, int]:
        """Known once it is fixed."""
        return self.fixing != 0, self.mark(series, self.fixing, 0) if self.fixing else 0, self.fixing
