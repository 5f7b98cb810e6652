"""Twin of FixedMargin.sol: fixed rates of notional. Values are collateral with 18 decimals."""

from __future__ import annotations

from bulkhead.model.errors import ModelError
from bulkhead.model.integers import mul_div_up
from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.libraries.position_math import ONE, absolute


class RatesInvalid(ModelError):
    """initial, target, maintenance: not 0 < maintenance < target <= initial <= 100 %."""


class FixedMargin:
    """Rates 1e18 = 100 % of notional. Raises RatesInvalid."""

    def __init__(self, initial: int, target: int, maintenance: int) -> None:
        if not 0 < maintenance < target <= initial <= ONE:
            raise RatesInvalid(initial, target, maintenance)
        self.initial_rate, self.target_rate, self.maintenance_rate = initial, target, maintenance

    def initial(self, state: Snapshot, mark: int, size: int) -> int:
        """To open, or to take margin out."""
        return mul_div_up(self._notional(state.index, size), self.initial_rate, ONE)

    def looks_at_market(self) -> bool:
        """No."""
        return False

    def maintenance(self, series: int, index: int, mark: int, size: int) -> tuple[int, int]:
        """To stay open, and what a partial liquidation restores."""
        notional = self._notional(index, size)
        return mul_div_up(notional, self.maintenance_rate, ONE), mul_div_up(notional, self.target_rate, ONE)

    @staticmethod
    def _notional(index: int, size: int) -> int:
        return mul_div_up(absolute(size), index, ONE)
