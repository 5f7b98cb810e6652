"""Worlds of options beside perpetuals: what their histories reach, and what is compared in them."""

from __future__ import annotations

import random

import pytest

from bulkhead.fuzz import Difference, Machine, Pair
from bulkhead.fuzz.campaign import Campaign, Failure, Plan, history, play, save
from bulkhead.fuzz.command import SHIPPED, _world_class
from bulkhead.fuzz.options import MUST_REACH, OptionsTwin, OptionsWorld
from bulkhead.model.instruments.expiry_fixing import WINDOW

#: One that comes to everything soon.
DRAWN = OptionsWorld(16)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return DRAWN.machine(Pair(DRAWN))


def options_of(machine: Machine) -> OptionsTwin:
    _, twin = machine.pair.twins
    assert isinstance(twin, OptionsTwin)
    return twin


def test_req_65_histories_of_mixed_books_agree_and_reach_what_options_may_come_to(machine: Machine) -> None:
    for number in range(24):
        assert play(machine, history(7, number, 300)) is None
    reached = machine.reached
    assert machine.calls > 1_000 and machine.alive > machine.calls
    assert not [name for name in MUST_REACH if not reached[name]]
    assert {"prove", "resolve", "bind", "follow", "update", "settle"} <= machine.succeeded.keys()


def test_both_markets_hear_the_same_oracle(machine: Machine) -> None:
    machine.begin()
    perpetuals, options = machine.pair.twins
    assert perpetuals.oracle.address == options.oracle.address and perpetuals.address != options.address
    before = options.state.index
    machine.pair.wait(12)
    perpetuals.push(perpetuals.price * 101 // 100)
    assert options.state.index == perpetuals.state.index == before * 101 // 100


def test_within_the_window_a_series_has_no_mark_and_no_invariant_asks_for_one(machine: Machine) -> None:
    """Those of the perpetuals beside it are asked all the same."""
    stood = 0
    for number in range(8):
        machine.begin()
        for word in history(7, number, 300):
            machine.step(word)
            perpetuals, options = (twin.state for twin in machine.pair.twins)
            if options.index and options.standing:
                stood += 1
                assert not perpetuals.standing and options.prices.keys() < options.series.keys()
    assert stood > 10


@pytest.mark.parametrize("part", ["path", "fixing"])
def test_the_words_of_paths_and_fixings_are_compared(
    part: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.begin()
    twin, pair = options_of(machine), machine.pair
    expiry, keeper = twin.next_expiry(), pair.actors.keeper
    if part == "path":
        target = twin.options._target
        monkeypatch.setattr(twin.options, "_target", lambda: target() + 1)
        with pytest.raises(Difference, match=r"follow: slot 0x0 of "):
            machine._refresh(random.Random(1), twin)
    else:
        bind = twin.model_fixing._bind

        def another_phase(expiry: int) -> bool:
            bound = bind(expiry)
            twin.model_fixing.words[expiry].phases[5] += 1
            return bound

        monkeypatch.setattr(twin.model_fixing, "_bind", another_phase)
        with pytest.raises(Difference, match=r"bind: slot 0x\w+ of "):
            machine.do(twin, "fixing", "bind", expiry, sender=keeper)


def test_a_history_ends_beyond_its_first_expiry(machine: Machine) -> None:
    for number in range(16):
        assert play(machine, history(7, number, 300)) is None
        if options_of(machine).model_fixing.words and machine.pair.chain.timestamp > WINDOW + 1_800_604_800:
            return
    raise AssertionError("no history has come to an expiry")


def test_a_campaign_of_options_misses_what_it_has_not_reached() -> None:
    campaign = Campaign(Plan(1, world=OptionsWorld()))
    assert campaign.missed == list(MUST_REACH)
    campaign.total.reached.update(MUST_REACH)
    assert campaign.missed == []


def test_the_world_has_a_short_name() -> None:
    assert _world_class("options") is _world_class(SHIPPED["options"]) is OptionsWorld


def test_a_failure_in_it_is_played_by_its_own_machine(tmp_path) -> None:  # type: ignore[no-untyped-def]
    _, test = save(Failure(DRAWN, (1, 2, 3), "story"), tmp_path)
    code = test.read_text()
    assert "from bulkhead.fuzz.options import OptionsWorld" in code and "world.machine(Pair(world))" in code
    exec(compile(code + f"\n{test.stem}()\n", str(test), "exec"), {})
