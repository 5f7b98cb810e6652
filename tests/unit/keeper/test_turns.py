"""Who goes first: every target is exactly one keeper's at first, and everybody's in the end."""

from __future__ import annotations

import pytest

from bulkhead.keeper.settings import Settings
from bulkhead.keeper.turns import Turns

TARGETS = {f"0x{number:040x}" for number in range(900)} | {"first exit", "outage clock"}
NONE: frozenset[str] = frozenset()


def mine(turns: Turns, now: int, wanted: set[str] = TARGETS, busy: frozenset[str] = NONE) -> set[str]:
    return wanted - turns.of_others(wanted, busy, now)


def test_each_target_is_one_keeper_s_at_first_and_the_next_one_s_after_a_turn() -> None:
    keepers = [Turns(3, place, 12) for place in range(3)]
    first = [mine(keeper, 1_000) for keeper in keepers]
    assert set.union(*first) == TARGETS and sum(map(len, first)) == len(TARGETS)
    assert all(250 < len(part) < 350 for part in first)
    assert [mine(keeper, 1_011) for keeper in keepers] == first
    second = [mine(keeper, 1_012) for keeper in keepers]
    assert second == [first[place] | first[place - 1] for place in range(3)] or second == [
        first[place] | first[(place + 1) % 3] for place in range(3)
    ]
    assert [mine(keeper, 1_024) for keeper in keepers] == [TARGETS] * 3


def test_the_time_begins_when_it_is_wanted_and_runs_on_while_it_is_busy() -> None:
    turns = Turns(2, 0, 12)
    (other,) = [t for t in ("a", "b", "c", "d", "e") if turns.of_others({t}, NONE, 0)][:1]
    assert mine(turns, 100, {other}) == set()
    assert mine(turns, 106, set(), frozenset({other})) == set()  # tried and refused, say
    assert mine(turns, 112, {other}) == {other}
    mine(turns, 113, set())  # done by the other, or nothing to be done any more
    assert mine(turns, 114, {other}) == set()


def test_alone_there_is_nobody_to_wait_for() -> None:
    assert mine(Turns(1, 0, 12), 0) == TARGETS


def test_each_lost_race_is_a_turn_but_nobody_waits_for_more_than_two_by_it() -> None:
    turns = Turns(1, 0, 12)
    for lost, waits in ((1, 12), (2, 24), (3, 24)):
        turns.lose({"a"})
        start = 1_000 * lost
        mine(turns, start - 1, set())
        assert mine(turns, start, {"a", "b"}) == {"b"}
        assert mine(turns, start + waits - 1, {"a"}) == set()
        assert mine(turns, start + waits, {"a"}) == {"a"}


def test_a_lost_race_does_not_move_a_late_place_forward() -> None:
    keepers = [Turns(5, place, 12) for place in range(5)]
    for keeper in keepers:
        keeper.lose({"a"})
    first = [next(now for now in range(0, 60, 12) if mine(keeper, now, {"a"})) for keeper in keepers]
    assert sorted(first) == [12, 24, 24, 36, 48]


@pytest.mark.parametrize(("keepers", "place"), [(1, 1), (0, 0), (3, -1), (3, 3)])
def test_a_place_that_is_none(keepers: int, place: int) -> None:
    with pytest.raises(ValueError, match="count from 0"):
        Settings(keepers=keepers, place=place)
