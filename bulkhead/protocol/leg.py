"""What a trader asks for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bulkhead.protocol.units import WAD, Number, to_integer


@dataclass(frozen=True)
class Leg:
    """One position of an opening order.

    size         units of the underlying, negative: short
    margin       tokens the trader puts in
    reserve      tokens of the pool: the most the position can win
    max_premium  largest premium accepted, as a fraction of notional
    """

    size: Number
    margin: Number
    reserve: Number
    max_premium: Number = Decimal("0.01")
    series: int = 0

    def encoded(self, decimals: int) -> dict[str, int]:
        """As the contract takes it. Raises TypeError and ValueError for numbers that do not fit."""
        return {
            "series": self.series,
            "size": to_integer(self.size, WAD, "size", signed=True),
            "margin": to_integer(self.margin, decimals, "margin"),
            "reserve": to_integer(self.reserve, decimals, "reserve"),
            "maxPremium": to_integer(self.max_premium, WAD, "max_premium"),
        }
