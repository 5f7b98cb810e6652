"""The ledger keeps keys and jobs apart, and budgets together."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from bulkhead.keeper.ledger import DAY, Flight, Ledger, LedgerTorn
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


def test_each_loss_is_left_alone_for_twice_as_long() -> None:
    ledger = Ledger()
    for number, (after, until) in enumerate([(0, DAY), (DAY, 3 * DAY), (4 * DAY, 8 * DAY), (20 * DAY, 28 * DAY)]):
        assert not ledger.busy(NOW + after)
        ledger.lands(flight("a", number), 1, NOW + after, ["v"], DAY)
        assert ledger.busy(NOW + until - 1) == {"v"} and not ledger.busy(NOW + until)
    assert ledger.losses() == {"v": 4}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The file of a ledger that knows of flights, costs and losses, some pages long."""
    file = tmp_path / "ledger"
    ledger = Ledger(file)
    for number in range(60):
        ledger.sends(flight("a", number, target=f"vault {number}"))
    for number in range(20):
        ledger.lands(flight("a", number, target=f"vault {number}"), 300, NOW, [f"vault {number}"], cool_down=DAY)
    ledger.close()
    return file


def test_a_ledger_that_is_cut_is_torn_and_stays_as_it_is(written: Path) -> None:
    whole = written.read_bytes()
    for size in range(1, len(whole), 997):
        written.write_bytes(whole[:size])
        with pytest.raises(LedgerTorn, match="is torn: move it away"):
            Ledger(written)
        assert written.read_bytes() == whole[:size]
    written.write_bytes(whole)
    assert len(Ledger(written).flights()) == 40


def test_a_ledger_that_is_overwritten_is_torn_or_reads(written: Path) -> None:
    """Nothing but these two: no other error."""
    whole, draw, torn = written.read_bytes(), random.Random(7), 0
    for _ in range(300):
        wrong = bytearray(whole)
        start = draw.randrange(len(whole))
        wrong[start : start + 40] = draw.randbytes(min(40, len(whole) - start))
        written.write_bytes(bytes(wrong))
        try:
            ledger = Ledger(written)
        except LedgerTorn:
            torn += 1
        else:
            ledger.committed(NOW), ledger.busy(NOW), ledger.losses()
            ledger.close()
        Path(f"{written}-journal").unlink(missing_ok=True)
    assert torn > 50


def test_a_file_that_cannot_be_opened_is_not_torn(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        Ledger(tmp_path)
