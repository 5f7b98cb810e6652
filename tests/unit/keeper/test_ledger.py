"""The ledger keeps keys and jobs apart, and budgets together."""

from __future__ import annotations

from pathlib import Path

from bulkhead.keeper.ledger import DAY, Flight, Ledger
from bulkhead.keeper.policy import Intent
from bulkhead.keeper.settings import Job

NOW = 1_800_000_000


def flight(sender: str, nonce: int, job: Job = Job.LIQUIDATE, target: str = "v", value: int = 0) -> Flight:
    return Flight(nonce, Intent(job, (target,), 5), "to", "0x", 100, 1, 10, NOW, "0x", ("0xh",), sender, value)


def test_the_same_nonce_of_two_keys_is_two_transactions(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.sends(flight("a", 7, target="x"))
    ledger.sends(flight("b", 7, target="y"))
    ledger.close()
    ledger = Ledger(tmp_path / "ledger")
    assert [one.sender for one in ledger.flights()] == ["a", "b"]
    assert ledger.busy(NOW) == {"x", "y"}
    ledger.lands(flight("a", 7, target="x"), 300, NOW)
    assert ledger.flights() == ledger.flights("b") == [flight("b", 7, target="y")] and not ledger.flights("a")
    assert ledger.committed(NOW) == 300 + 1_000


def test_what_a_job_has_cost_is_known_by_itself() -> None:
    ledger = Ledger()
    ledger.lands(flight("a", 1, Job.VOLATILITY), 40, NOW)
    ledger.lands(flight("a", 2), 300, NOW)
    ledger.sends(flight("a", 3, Job.VOLATILITY, value=9))
    assert ledger.committed(NOW, {Job.VOLATILITY}) == 40 + 1_009
    assert ledger.committed(NOW, {Job.EXECUTE}) == 0
    assert ledger.committed(NOW) == 340 + 1_009
    assert ledger.committed(NOW + DAY, {Job.VOLATILITY, Job.FIX}) == 1_009
