"""Sixty positions through March 2020; `make replay-keepers` plays 500, in every order and with every delay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkhead.invariants import broken
from tests.integration.keeper_replay import Outcome, Replay, Stage, replay, staged

POSITIONS = 60


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged("olhc", POSITIONS, step=0.03) as stage:
        yield stage


def test_one_keeper_of_three_is_enough(stage: Stage, tmp_path: Path) -> None:
    outcome = replay(stage, tmp_path, killed=True)
    assert_sound(outcome)
    assert outcome.in_time >= 0.999 * outcome.due > 30
    assert outcome.at_reserve > 10


def test_keepers_who_were_away_for_hours_find_everything(stage: Stage, tmp_path: Path) -> None:
    outcome = replay(stage, tmp_path, hours=8)
    assert_sound(outcome)
    assert outcome.gaps and outcome.borne == sum(gap.shortfall for gap in outcome.gaps)
    assert all(gap.shortfall > 0 for gap in outcome.gaps)


def assert_sound(outcome: Outcome) -> None:
    assert outcome.failures == []
    assert outcome.paid > 0 and outcome.checked > 3


def test_what_is_wrong_is_noticed(stage: Stage, tmp_path: Path) -> None:
    """A unit is missing in a vault; a neighbour has changed."""
    with stage.chain.isolated():
        run = Replay(stage, tmp_path, 0, False, 0)
        run.begun = stage.chain.block_number
        run._check()
        assert run.outcome.failures == []
        vault = next(iter(stage.tickets))
        stage.token.send.transfer(stage.provider, 1, sender=vault)
        assert {one.split(":")[0] for one in broken(run.seen())} == {"SAFE-1"}
        stage.token.send.mint(vault, 1)
        stage.contract.send.addMargin(vault, 5, sender=stage.trader)
        run.outcome.failures.clear()
        run._check()
        assert [one for one in run.outcome.failures if f"{vault} was touched" in one]
