"""No history of one person with every role earns more than it may; machines that are planted are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest
from hypothesis import HealthCheck, given, target
from hypothesis import settings as examples
from hypothesis import strategies as st

from bulkhead.cli import main
from bulkhead.fuzz import profit
from bulkhead.fuzz.adversary import Locked, Unwatched
from bulkhead.fuzz.machine import MAX
from bulkhead.fuzz.pair import Difference
from bulkhead.fuzz.profit import KNOWN, ROUNDINGS, Finding, Setting, climb, confirm, every, measure, played, settings
from bulkhead.model.interfaces.market import Leg
from bulkhead.model.interfaces.pool import Exit
from bulkhead.model.libraries import position_math
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.market import Market
from bulkhead.model.pool import Pool
from tests.unit.fuzz.test_campaign import in_this_process

UNCHANGED = Setting("unchanged index", 1, late=None, front=True)
KNOWN_FREE = Setting("known index, free trade", 1, every(*KNOWN), free=True)
LATE_FREE = replace(KNOWN_FREE, paths=every(50, 100), late=1)

WORDS = st.lists(st.integers(0, MAX), min_size=2, max_size=24)


def best_by_hypothesis() -> float:
    """Hypothesis climbs by itself: `target` keeps what earned most."""
    best = [float("-inf")]

    @examples(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(WORDS)
    def search(words: list[int]) -> None:
        outcome = played(UNCHANGED, tuple(words))
        target(float(outcome.profit) if outcome.traded else -1e12)
        best[0] = max(best[0], outcome.profit)

    search()
    return best[0]


def test_round_1_nothing_is_earned_at_an_unchanged_index() -> None:
    assert best_by_hypothesis() <= ROUNDINGS


@pytest.mark.parametrize("setting", settings(1), ids=lambda setting: setting.name)
def test_a_climb_finds_no_machine_and_is_the_same_again(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profit, "CHANGES", 12)
    found = climb(replace(setting, fresh=()), 1, 0)
    assert found == climb(replace(setting, fresh=()), 1, 0) and found.tried > 12
    assert not found.is_machine or setting.limit or setting.name == "random index"


# --- money machines that are planted in the model


def premium_to_the_wrong_side(mark: int, premium_rate: int, index: int, buy: bool) -> int:
    premium = position_math.mul_up(premium_rate, index, position_math.ONE)
    return mark - premium if buy else mark + premium


def keeper_paid_twice(self: Market, position: str, parts: Any, flow: Any, pay: Any = Market._pay) -> None:
    before = flow.keeper_fee
    pay(self, position, parts, flow)
    flow.keeper_fee += flow.keeper_fee - before


def entry_without_the_deviation(self: Pool) -> int:
    if self._busy == 0:
        return self._held()
    return self.worth(*self.oracle.latest())


def entry_at_what_is_held(self: Pool) -> int:
    return self._held()


def exit_at_the_better_price(self: Pool, exit: Exit, proof: bytes) -> int | None:
    if self._busy == 0:
        return self._held()
    if not proof:
        return None
    first = self.oracle.first_after(exit.phase, exit.requested_at + self.config.delay, proof)[:2]
    return max(self._exit_value(*first), self._exit_value(*self.oracle.latest()))


#: Where it lies, what takes its place, and the climb that finds it.
FAULTS: dict[str, tuple[Any, str, Callable[..., Any], Setting, int]] = {
    "a premium paid to the wrong side": (position_math, "fill", premium_to_the_wrong_side, UNCHANGED, 0),
    "a keeper paid twice": (Market, "_pay", keeper_paid_twice, UNCHANGED, 3),
    "an entry without the deviation": (Pool, "_entry_worth", entry_without_the_deviation, KNOWN_FREE, 2),
    "an entry that ignores gains": (Pool, "_entry_worth", entry_at_what_is_held, KNOWN_FREE, 2),
    "an exit at the better price": (Pool, "_exit_worth", exit_at_the_better_price, LATE_FREE, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_machine_is_found(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """And it is none without the fault."""
    where, name, planted, setting, number = FAULTS[fault]
    monkeypatch.setattr(profit, "CHANGES", 60)
    with monkeypatch.context() as faulty:
        faulty.setattr(where, name, planted)
        found = climb(setting, 1, number)
        assert found.is_machine
    sound = measure(setting, found.words)
    assert sound is None or not sound.is_machine


def test_a_machine_of_the_model_alone_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contracts, which have no such fault, differ."""
    monkeypatch.setattr(profit, "CHANGES", 20)
    monkeypatch.setattr(Market, "_pay", keeper_paid_twice)
    with pytest.raises(Difference):
        confirm(climb(UNCHANGED, 1, 3))


def test_hypothesis_finds_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position_math, "fill", premium_to_the_wrong_side)
    assert best_by_hypothesis() > 10**6 > ROUNDINGS


# --- a limit that the documentation states


def entry_in_front(free: bool, deposit: int) -> float:
    """The mean profit, whole tokens, of two paths: an order of ten units has its first price, the next one is known to
    lie half a percent up or down, and who has traded enters the pool in front of the execution if the pool will win."""
    setting = Setting("entry in front", 1, free=free, front=True)
    profits = []
    for move in (50, -50):
        machine = setting.machine(Unwatched)
        pair, (twin,) = machine.pair, machine.pair.twins
        trader, _, _, guest, keeper = pair.actors
        before = machine.wealth()
        leg = Leg(0, 10 * ONE, 4_000 * pair.unit, 4_000 * pair.unit, MAX)
        machine.do(twin, "market", "request_open", trader, [leg], 1_900 * ONE, 2_100 * ONE, sender=trader)
        pair.wait(13)
        twin.push(twin.price)
        if move < 0:
            machine.do(twin, "pool", "deposit", deposit * pair.unit, guest, sender=guest)
        (vault,) = twin.positions
        machine.do(twin, "market", "execute", [vault], twin.proofs[-1][1], sender=keeper)
        machine.do(twin, "market", "request_close", vault, 10 * ONE, 0, 0, MAX, sender=trader)
        pair.wait(13)
        twin.push(twin.price * (10_000 + move) // 10_000)
        machine.settle(twin)
        profits.append((machine.wealth() - before) / pair.unit)
    return fmean(profits)


def test_known_limit_an_entry_in_front_of_a_due_order_pays_no_deviation() -> None:
    """POOL-1 holds of what is open; an order that waits for its execution is not counted. The figures stand in
    docs/fuzzing.md."""
    assert entry_in_front(free=True, deposit=45_000_000) == pytest.approx(45.0, abs=0.1)
    assert entry_in_front(free=False, deposit=45_000_000) == pytest.approx(28.5, abs=0.1)
    assert entry_in_front(free=False, deposit=1_000_000) < 0


# --- the report


def test_what_is_confirmed_is_short_and_the_same_on_the_contracts() -> None:
    found = climb(UNCHANGED, 2, 0)
    confirmed = confirm(found)
    assert len(confirmed.finding.words) <= len(found.words) and confirmed.finding.score >= found.score
    assert "request_open(" in confirmed.story and "vault 1" in confirmed.story


def test_chance_is_no_machine() -> None:
    fair = Finding(UNCHANGED, (), profit=1e6, capital=1, error=6e5)
    assert not fair.is_machine and replace(fair, error=4e5).is_machine
    assert not replace(fair, error=0.0, paid=1e6).is_machine


def test_what_does_not_come_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    words = climb(UNCHANGED, 2, 0).words
    monkeypatch.setattr(Market, "request_close", lambda *args, **named: None)
    with pytest.raises(Locked, match="did not come back"):
        UNCHANGED.machine(Unwatched).play(words)


def test_the_command_tells_the_best_and_fails_for_a_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profit, "CHANGES", 5)
    monkeypatch.setattr(profit, "settings", lambda seed: (UNCHANGED,))
    monkeypatch.setattr("bulkhead.fuzz.campaign.local_workers", lambda count: in_this_process())
    assert main(["profit", "--seed", "1", "--workers", "1"]) == 0
    told = capsys.readouterr()
    assert "seed 1, 1 searches" in told.out and "unchanged index" in told.out and "request_open(" in told.out
    monkeypatch.setattr(Finding, "is_machine", True)
    assert main(["profit", "--seed", "1", "--workers", "1"]) == 1
    assert "FAILED: unchanged index: a money machine" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--times", "--workers"])
def test_wrong_arguments_are_one_sentence(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["profit", option, "0"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"bulkhead profit: {option} must be a whole number of at least 1, not 0\n"
