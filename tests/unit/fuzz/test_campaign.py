"""The fuzzer finds what is planted, makes it short, writes it down, and says what it has done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkhead.cli import main
from bulkhead.fuzz import campaign
from bulkhead.fuzz.campaign import Failure, history, load, play, save, shrink
from bulkhead.fuzz.machine import Machine
from bulkhead.fuzz.pair import Pair
from bulkhead.model.libraries import book, position_math
from bulkhead.model.market import Market
from bulkhead.model.pool import Pool


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine(Pair())


def test_histories_of_the_shipped_contracts_go_well(machine: Machine) -> None:
    for number in range(8):
        assert play(machine, history(1, number, 120)) is None
    assert machine.calls > 200 and machine.succeeded["execute"] > 10


def test_a_history_is_the_same_again(machine: Machine) -> None:
    stories = []
    for _ in range(2):
        assert play(machine, history(2, 3, 100)) is None
        stories.append(list(machine.pair.steps))
    assert stories[0] == stories[1] and len(stories[0]) > 30
    assert list(history(2, 3, 100)) != list(history(2, 4, 100))


def forgets_the_keeper(self: Market, requested_at: int) -> int:
    return self.config.keeper_floor


def rounds_in_favour(carry: book.Carry, is_long: bool) -> tuple[int, int]:
    return carry.funding // book.KEPT, carry.borrowing // book.KEPT + 1


def half_the_fee(rate: int, size: int, price: int, unit: int) -> int:
    return position_math.mul_down(rate, position_math.value_up(size, price, unit), position_math.ONE)


def keeps_the_exit(self: Pool) -> int:
    return 0


FAULTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "a keeper's fee that does not rise": (Market, "_keeper_fee", forgets_the_keeper),
    "an index of borrowing rounded for the trader": (book, "at_entry", rounds_in_favour),
    "a fee rounded down": (position_math, "fee_up", half_the_fee),
    "exits that earmarks do not see": (Pool, "due_exits", keeps_the_exit),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_made_short(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str
) -> None:
    """Planted in the model: contracts and model differ all the same."""
    monkeypatch.setattr(*FAULTS[fault])
    for number in range(60):
        words = tuple(history(5, number, 300))
        if (story := play(machine, words)) is not None:
            break
    else:
        raise AssertionError("60 histories did not find it")
    short = shrink(machine, words)
    assert len(short) <= 12 and play(machine, short) is not None
    data, test = save(Failure(6, short, story), tmp_path)
    assert load(data).words == short
    monkeypatch.undo()
    assert play(machine, load(data).words) is None
    compile(test.read_text(), str(test), "exec")


def test_a_broken_invariant_is_a_failure(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    never = replace(campaign_invariants()[0], check=lambda state: "never holds")
    monkeypatch.setattr("bulkhead.invariants.INVARIANTS", [never])
    story = play(machine, history(1, 0, 50))
    assert story is not None and f"{never.id}: never holds" in story


def campaign_invariants() -> list[Any]:
    from bulkhead.invariants import INVARIANTS

    return INVARIANTS


def test_names_are_one_of_a_kind() -> None:
    from bulkhead.invariants import INVARIANTS, TRANSITIONS

    ids = [one.id for one in (*INVARIANTS, *TRANSITIONS)]
    assert len(set(ids)) == len(ids) >= 45 and len(INVARIANTS) >= 25


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no history"),
        ("[]", "is no history"),
        (json.dumps({"version": 0}), "is of version 0"),
        (json.dumps({"version": campaign.VERSION, "words": []}), "is no history"),
    ],
)
def test_a_file_that_is_no_history_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    path = tmp_path / "history.json"
    path.write_text(text)
    assert main(["fuzz", "--replay", str(path)]) == 2
    assert told in capsys.readouterr().err
    assert main(["fuzz", "--replay", str(tmp_path / "absent.json")]) == 2
    assert main(["fuzz", "--workers", "0"]) == 2


def test_a_worker_that_is_lost_fails_the_campaign(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A campaign of which a process has crashed or hangs has not found nothing."""
    with pytest.raises(campaign.WorkerLost, match="error of its own"):
        list(campaign.run(1, 30, 1, length=None))  # type: ignore[arg-type]
    monkeypatch.setattr(campaign, "SHRINKING", -60.0)  # workers take longer than no time to start
    with pytest.raises(campaign.WorkerLost, match="must hang"):
        list(campaign.run(1, 0.0, 1))

    def lost(*_: Any) -> Any:
        raise campaign.WorkerLost("A worker is lost.")

    monkeypatch.setattr(campaign, "run", lost)
    assert main(["fuzz", "--out", str(tmp_path)]) == 1
    assert "FAILED: A worker is lost." in capsys.readouterr().err


def test_the_command_runs_a_campaign(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bulkhead.cli",
            "fuzz",
            "--calls",
            "600",
            "--seed",
            "3",
            "--workers",
            "2",
            "--out",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 3, 2 workers" in done.stdout and "calls/s a core" in done.stdout
    assert "request_open" in done.stdout and not list(tmp_path.iterdir())
