"""Calibration: what is fitted is met, nothing smaller does it, and the event that is judged on is not looked at."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bulkhead.risk.calibration import FIXED, GRID, Rule, Sample, excursions, fixed_rates
from bulkhead.risk.liquidations import LONG, SHORT, History
from bulkhead.risk.volatility import HOUR, YEAR, Estimator
from bulkhead.scenario import ASSETS, EVENTS, built_in

WARMUP = 6


def built(event: str, asset: str) -> History:
    return History.of(f"{asset} {event}", built_in(event, asset), Estimator(), WARMUP)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample([built(event, asset) for event in EVENTS for asset in ASSETS])


def test_the_same_days_are_one_event(sample: Sample) -> None:
    assert sample.events.tolist() == [0, 0, 1, 1, 2, 2]
    assert sample.is_crash.all()


def test_a_third_of_all_hours_is_calm(sample: Sample) -> None:
    calm = sum(int(hours.sum()) for hours in sample.is_calm)
    assert calm == math.ceil(sum(history.hours for history in sample.histories) / 3)


def test_the_rule_is_clamped_and_keeps_its_proportions(sample: Sample) -> None:
    history = sample.histories[0]
    rates = Rule(4, 0.03, 0.2).rates(history)
    sigma = history.volatility.highest
    np.testing.assert_allclose(rates.initial, np.clip(4 * sigma * math.sqrt(1 / 8760), 0.03, 0.2), rtol=1e-12)
    assert rates.initial.max() == 0.2 and rates.initial.min() >= 0.03
    ramped = np.clip(4 * history.volatility.ramped * math.sqrt(1 / 8760), 0.03, 0.2)
    np.testing.assert_allclose(rates.maintenance, ramped / 2, rtol=1e-12)
    np.testing.assert_allclose(rates.target, 1.5 * rates.maintenance, rtol=1e-12)
    assert np.all(rates.maintenance < rates.target) and np.all(rates.target < rates.initial)
    four_times = Rule(2, 0.03, 0.2, 4 * HOUR).rates(history)
    np.testing.assert_allclose(four_times.initial, rates.initial, rtol=1e-12)


def test_what_is_fitted_is_met(sample: Sample) -> None:
    answer = sample.answer(24, 0.01)
    fixed = int(sample.outrun(fixed_rates, 24).sum())
    assert answer.frequency is not None and answer.average is not None
    assert answer.frequency.fixed == fixed and answer.frequency.openings == sample.openings.sum()
    assert answer.frequency.outrun == sample.outrun(Rule(answer.frequency.z, 0.01).rates, 24).sum() <= fixed
    below = GRID[np.searchsorted(GRID, answer.frequency.z) - 1]
    assert sample.outrun(Rule(float(below), 0.01).rates, 24).sum() > fixed
    assert answer.average.margin == pytest.approx(FIXED, rel=1e-9)
    assert answer.average.crash == answer.average.outrun  # all events are crashes
    fixed_losses = sum(one.total for one in sample.tallies(fixed_rates, 24))
    losses = sum(one.total for one in sample.tallies(Rule(answer.average.z, 0.01).rates, 24))
    assert (answer.average.fixed_losses, answer.average.losses) == pytest.approx((fixed_losses, losses))


def test_the_event_judged_on_is_not_looked_at(sample: Sample) -> None:
    others = Sample([history for history, event in zip(sample.histories, sample.events, strict=True) if event != 0])
    inside, outside = others.answer(24, 0.01), sample.answer(24, 0.01)
    assert outside.frequency_out.keys() == outside.average_out.keys() == {0, 1, 2}
    judged = outside.frequency_out[0]
    assert inside.frequency is not None and inside.average is not None
    assert judged.z == inside.frequency.z
    assert outside.average_out[0].z == pytest.approx(inside.average.z, rel=1e-9)
    alone = Sample(sample.histories[:2])
    assert judged.outrun == alone.outrun(Rule(judged.z, 0.01).rates, 24).sum()
    assert judged.fixed == alone.outrun(fixed_rates, 24).sum()


def test_one_event_has_nothing_to_be_judged_on(sample: Sample) -> None:
    answer = Sample(sample.histories[:2]).answer(1, 0.02)
    assert answer.frequency_out == answer.average_out == {}


def test_a_floor_above_the_average_has_no_match(sample: Sample) -> None:
    assert sample.answer(1, 0.05).average is None


def test_excursions_are_the_worst_of_their_window(sample: Sample) -> None:
    history = sample.histories[2]
    found = excursions(history, 3)
    assert found.shape == (2, history.hours - 2)
    for column in (0, 10, 29, history.hours - 3):
        at = history.first + column
        deviation = history.volatility.highest[at] * math.sqrt(3 * HOUR / YEAR)
        fall = 1 - min(history.low[at : at + 3]) / history.open[at]
        rise = max(history.high[at : at + 3]) / history.open[at] - 1
        assert found[LONG, column] == pytest.approx(fall / deviation)
        assert found[SHORT, column] == pytest.approx(rise / deviation)
    assert excursions(history, len(history.times)).size == 0


def test_no_history() -> None:
    with pytest.raises(ValueError, match="no history"):
        Sample([])
