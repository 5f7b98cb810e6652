"""The fuzzer finds what is planted, makes it short, writes it down, and says what it has done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkhead.cli import main
from bulkhead.fuzz import Difference, Machine, ModelAlone, Pair, World, campaign
from bulkhead.fuzz.campaign import Campaign, Failure, Plan, Report, history, load, play, play_batch, save, shrink
from bulkhead.invariants import State
from bulkhead.invariants.rules import Rules
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
        stories.append(machine.pair.story())
    assert stories[0] == stories[1] and stories[0].count("\n") > 30
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
    data, test = save(Failure(machine.pair.world, short, story), tmp_path)
    assert load(data).words == short and load(data).world == machine.pair.world
    monkeypatch.undo()
    assert play(machine, load(data).words) is None
    module: dict[str, Any] = {}
    exec(compile(test.read_text(), str(test), "exec"), module)
    next(found for name, found in module.items() if name.startswith("test_"))()


def test_a_broken_invariant_is_a_failure(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    never = replace(campaign_invariants()[0], check=lambda state: "never holds", each=None)
    monkeypatch.setattr("bulkhead.invariants.rules.INVARIANTS", Rules([never]))
    story = play(machine, history(1, 0, 50))
    assert story is not None and f"  {never.id}: {never.sentence}\n    never holds" in story


def test_what_a_state_takes_over_is_what_counting_anew_gives(machine: Machine) -> None:
    machine.begin()
    (twin,), open_ = machine.pair.twins, 0
    for word in history(1, 4, 200):
        machine.step(word)
        if twin.sound is not None and twin.state is twin.sound:
            anew, open_ = State.of(twin.model), max(open_, len(twin.state.open))
            assert twin.state.sums == anew.sums
            assert not anew.index or twin.state.equities == anew.equities
    assert open_ > 3


def test_the_end_of_a_history_counts_everything_anew() -> None:
    """A margin that changes inside of a position is seen by no identity: no step looks at what is the same object."""
    machine = Machine(ModelAlone())
    machine.begin()
    for word in history(1, 4, 200):
        machine.step(word)
    pair = machine.pair
    pair.finish()
    _, p = pair.twins[0].state.open[0]
    object.__setattr__(p, "margin", p.margin + 256)
    with pytest.raises(Difference, match="end breaks") as told:
        pair.finish()
    assert "BOOK-3: " in str(told.value) and "SAFE-1: " in str(told.value)


def campaign_invariants() -> list[Any]:
    from bulkhead.invariants import INVARIANTS

    return INVARIANTS


def test_names_are_one_of_a_kind() -> None:
    from bulkhead.invariants import ELSEWHERE, INVARIANTS, PASSAGES, REFUSALS, TRANSITIONS

    ids = [one.id for one in (*INVARIANTS, *TRANSITIONS, *PASSAGES, *ELSEWHERE, *REFUSALS)]
    assert len(set(ids)) == len(ids) >= 72 and len(INVARIANTS) >= 40


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is nothing that this fuzzer has saved"),
        ("[]", "is nothing that this fuzzer has saved"),
        (json.dumps({"version": 0}), "is of version 0"),
        (json.dumps({"version": campaign.VERSION, "words": []}), "is no history"),
        (json.dumps({"version": campaign.VERSION, "words": [], "world": {"moon": 1}}), "is no history"),
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


def in_this_process() -> Executor:
    """What the processes of a campaign do, where it can be watched."""

    class Here(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
            future: Future[Any] = Future()
            try:
                future.set_result(fn(*args, **named))
            except Exception as error:
                future.set_exception(error)
            return future

    return Here()


def test_a_campaign_is_the_same_whoever_plays_it() -> None:
    plan = Plan(5, 40)
    alone, together = play_batch(plan, 0), Report()
    for _ in Campaign(plan).run(in_this_process(), 1, 60, calls=1):
        pass
    with campaign.local_workers(1) as processes:
        for total in Campaign(plan).run(processes, 1, 60, calls=1):
            together = total
    assert alone.calls > 100
    for played in (replace(play_batch(plan, 0), busy=0.0), replace(alone, busy=0.0)):
        assert (played.names, played.succeeded, played.reached) == (alone.names, alone.succeeded, alone.reached)
    assert together.histories >= alone.histories and together.calls >= alone.calls


def test_worlds_differ_from_batch_to_batch() -> None:
    terms = [Plan(1).world_of(n).terms for n in range(40)]
    assert {one.decimals for one in terms} == {6, 8, 18}
    assert {one.markets for one in terms} == {1, 2} and {one.validators for one in terms} == {0, 2, 4}
    assert {one.dated for one in terms} == {False, True} and len(set(map(repr, terms))) > 35
    assert Plan(1, shipped=True).world_of(3) == World()


def test_a_campaign_goes_on_where_it_has_got_to(tmp_path: Path) -> None:
    path, plan = tmp_path / "campaign.json", Plan(6, 40)
    first = Campaign(plan)
    for _ in first.run(in_this_process(), 1, 60, calls=1):
        pass
    first.save(path)
    second = Campaign.load(path)
    assert (second.plan, second.following, second.total) == (plan, first.following, first.total)
    calls = second.total.calls
    for _ in second.run(in_this_process(), 1, 60, calls=calls + 1):
        pass
    assert second.following > first.following and second.total.calls > calls
    other = play_batch(plan, first.following)
    assert second.total.names["request_open"] >= first.total.names["request_open"] + other.names["request_open"]


def test_a_campaign_is_not_taken_for_another_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "campaign.json"
    Campaign(Plan(6, 40)).save(path)
    assert main(["fuzz", "--resume", str(path), "--seed", "7"]) == 2
    assert "is another campaign (seed 6)" in capsys.readouterr().err
    path.write_text(json.dumps({"version": campaign.VERSION}))
    assert main(["fuzz", "--resume", str(path)]) == 2
    assert "is no campaign" in capsys.readouterr().err


def test_a_worker_that_is_lost_fails_the_campaign(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A campaign of which a process has crashed or hangs has not found nothing."""
    with pytest.raises(campaign.WorkerLost, match="error of its own"):
        list(Campaign(Plan(1, length=None)).run(in_this_process(), 1, 30))  # type: ignore[arg-type]
    with monkeypatch.context() as patched, pytest.raises(campaign.WorkerLost, match="must hang"):
        patched.setattr(campaign, "PATIENCE", 0.0)
        with campaign.local_workers(1) as processes:
            list(Campaign(Plan(1)).run(processes, 1, 30))

    def lost(*_: Any) -> Any:
        raise campaign.WorkerLost("A worker is lost.")

    monkeypatch.setattr(Campaign, "run", lost)
    assert main(["fuzz", "--workers", "1", "--out", str(tmp_path)]) == 1
    assert "FAILED: A worker is lost." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--margin-model", "Nothing"], "There is no contract Nothing"),
        (["--margin-model", "Perpetual"], "is no IMarginModel: it lacks initial, looksAtMarket, maintenance."),
        (["--margin-model", "Fixed Margin("], "is no contract with its arguments"),
        (["--margin-model", "FixedMargin(1)"], "FixedMargin(1) cannot be deployed"),
        (["--margin-model", "FixedMargin(1,x,3)"], "cannot be deployed"),
        (["--margin-model", "FixedMargin(1,2,3)"], "do not fit together"),
        (["--world", "nowhere:World"], "There is no nowhere:World"),
        (["--world", "bulkhead.fuzz:Machine"], "is no subclass"),
        (["--cluster", "tcp://127.0.0.1:9"], "cluster"),
    ],
)
def test_wrong_arguments_are_one_sentence(capsys: pytest.CaptureFixture[str], options: list[str], told: str) -> None:
    assert main(["fuzz", *options]) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1


def test_the_command_runs_a_campaign(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bulkhead.cli", "fuzz", "--calls", "600", "--seed", "3", "--workers", "2"]
    command += ["--out", str(tmp_path / "found"), "--resume", str(tmp_path / "campaign.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 3, 2 workers" in done.stdout and "calls/s a core" in done.stdout
    assert "request_open" in done.stdout and not (tmp_path / "found").exists()
    assert Campaign.load(tmp_path / "campaign.json").total.calls >= 600


def test_an_interruption_while_workers_start_is_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bulkhead.cli", "fuzz", "--workers", "2", "--out", str(tmp_path)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    assert process.stdout is not None and process.stdout.readline().startswith("seed ")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
    out, err = process.communicate(timeout=60)  # ends when the last of them has closed its end
    assert (process.returncode, out, err) == (130, "", "bulkhead: interrupted\n")
