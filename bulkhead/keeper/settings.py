"""What a keeper may do and spend."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum


class Job(StrEnum):
    """Kinds of upkeep; each can run alone."""

    EXECUTE = "execute"
    LIQUIDATE = "liquidate"
    CLOSE_AT_RESERVE = "close-at-reserve"
    SETTLE = "settle"
    EXIT = "exit"
    OUTAGE = "outage"
    VOLATILITY = "update-volatility"
    FIX = "fix"


@dataclass(frozen=True)
class Settings:
    """Exact integers; times are seconds of the chain's clock, never of this machine's.

    jobs           which to do
    coin           token units that 10^18 wei are worth: gas is reckoned in the market's token
    least_profit   token units that must be left of a job's pay after its gas
    fee_cap        the most that a unit of gas may cost, wei
    daily_budget   the most that a day's (UTC) transactions may cost together, wei, whatever becomes of them
    upkeep_budget  what of it may go to volatilities and settlement prices together, which nobody pays for
    batch          positions in one transaction
    in_flight      transactions of a key sent and not mined, at most
    patience       after which a waiting transaction is sent again, for an eighth more
    cool_down      for which a position that has cost gas for nothing is left alone; twice as long each time
    sweep          between two sweeps of the index, at most
    full_sweep     between two comparisons of everything that is known with the chain
    outage_after   without a valid price, after which the clock of an outage is started
    keepers, place how many keepers share the work, and which of them this is, from 0 on
    turn           for which what is another's by its place is left to it: see `bulkhead.keeper.turns`
    fleet          addresses that the operator's other keepers are paid at: see `bulkhead.keeper.races`
    """

    jobs: Set[Job] = frozenset(Job)
    coin: int = 0
    least_profit: int = 0
    fee_cap: int = 100 * 10**9
    daily_budget: int = 10**17
    upkeep_budget: int = 10**16
    batch: int = 40
    in_flight: int = 16
    patience: int = 36
    cool_down: int = 86_400
    sweep: int = 600
    full_sweep: int = 21_600
    outage_after: int = 600
    keepers: int = 1
    place: int = 0
    turn: int = 12
    fleet: Set[str] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.place < self.keepers:
            raise ValueError(f"place must count from 0 and be below {self.keepers}, not {self.place}.")
