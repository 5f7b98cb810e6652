"""How far carry and the requirement of a series can go until a time, whoever trades in between."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.model.instruments.perpetual import YEAR, Parameters
from bulkhead.model.integers import MAX_UINT64
from bulkhead.model.libraries import book
from bulkhead.model.libraries.book import KEPT, Carry, Series


@dataclass(frozen=True)
class Bounds:
    """Lowest and highest indices of carry, ten decimals as positions keep them, and the highest maintenance rate.

    maintenance    1e18 = 100 % of notional; of a model whose rate is the same for every position
    """

    funding_low: int
    funding_high: int
    borrowing_low: int
    borrowing_high: int
    maintenance: int

    @classmethod
    def at(cls, carry: Carry, maintenance: int) -> Bounds:
        """Of one moment: apart only by what ten decimals round."""
        return cls._between(carry, carry, maintenance)

    @classmethod
    def until(cls, series: Series, fastest: Parameters, maintenance: int, now: int, then: int) -> Bounds:
        """From `now` until `then`, unix seconds. `maintenance` is the highest that its own ramp reaches by then.

        Funding runs at its largest rate either way. Borrowing runs at the rate that its ramp reaches if the pool is
        emptied at once (Perpetual.sol: a trade adds at most borrow_ramp x elapsed / 3,600 to the rate before, or to
        the base, and never goes above borrow_full).
        """
        carry = book.carry_at(series, now)
        funding = fastest.max_funding // YEAR * (then - now)
        ramped = max(series.borrow_rate, fastest.borrow_base // YEAR)
        ramped += fastest.borrow_ramp // YEAR * (then - min(series.time, now)) // 3_600
        rate = max(series.borrow_rate, min(fastest.borrow_full // YEAR, ramped))
        highest = min(carry.borrowing + rate * (then - now), MAX_UINT64)
        return cls._between(
            Carry(carry.funding - funding, carry.borrowing), Carry(carry.funding + funding, highest), maintenance
        )

    @classmethod
    def _between(cls, low: Carry, high: Carry, maintenance: int) -> Bounds:
        return cls(
            low.funding // KEPT,
            -(-high.funding // KEPT),
            low.borrowing // KEPT,
            -(-high.borrowing // KEPT),
            maintenance,
        )
