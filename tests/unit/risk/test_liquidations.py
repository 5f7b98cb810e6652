"""The replay of positions: against prices worked out by hand, and against the model's own arithmetic, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from bulkhead.model.libraries.position_math import ONE, liquidation_fraction_up
from bulkhead.risk.calibration import Rule, fixed_rates
from bulkhead.risk.liquidations import (
    CLOSE_FEE,
    LONG,
    PHI,
    SHORT,
    History,
    HistoryError,
    Rates,
    edge,
    replay,
    tally,
)
from bulkhead.risk.volatility import Estimator
from bulkhead.scenario import Candle, built_in

WARMUP = 2


def candles(*bars: tuple[float, float, float, float]) -> list[Candle]:
    """Two hours that move by a percent, at 100; then the bars: open, high, low, close."""
    before = ((100, 101, 100, 101), (101, 101, 100, 100))
    return [
        Candle(1_600_000_000 // 3600 * 3600 + 3600 * hour, *(round(price * ONE) for price in bar))
        for hour, bar in enumerate((*before, *bars))
    ]


def history(*bars: tuple[float, float, float, float]) -> History:
    return History.of("by hand", candles(*bars), Estimator(), WARMUP)


CALM = (100.0, 100.0, 100.0, 100.0)


def test_a_price_above_maintenance_liquidates_nobody() -> None:
    # 4 % of margin, 2 % of maintenance: a long is healthy down to 96 / 0.98 = 97.96, a short up to 104 / 1.02 = 101.96
    one = history((100, 101.9, 98, 100), CALM)
    found = replay(one, fixed_rates(one), 10)
    assert not found.liquidated.any() and found.allowed.all()


def test_a_long_is_liquidated_at_the_low_of_its_hour() -> None:
    one = history((100, 100, 97.9, 100), CALM)
    found = replay(one, fixed_rates(one), 10)
    assert found.liquidated.tolist() == [[True, False], [False, False]]
    assert not found.outrun.any() and found.shortfall.sum() == 0


def test_a_price_through_zero_equity_outruns_the_margin() -> None:
    one = history((100, 110, 90, 100), CALM)
    found = replay(one, fixed_rates(one), 10)
    assert found.outrun.tolist() == [[True, False], [True, False]]
    assert found.shortfall[:, 0] == pytest.approx([0.06, 0.06])  # ten lost, four put in
    assert found.when[:, 0].tolist() == [WARMUP, WARMUP]
    counted = tally([found])
    assert (counted.opened, counted.outrun, counted.outrun_hours) == (4, 2, 1)
    assert (counted.worst, counted.total) == pytest.approx((0.06, 0.12))


def test_a_loss_ends_at_the_reserve() -> None:
    one = history((100, 350, 100, 350), (350.0, 350.0, 350.0, 350.0))
    found = replay(one, fixed_rates(one), 1)
    assert found.shortfall[SHORT, 0] == pytest.approx(2.46)
    assert tally([found]).worst == 1.0


def test_a_vault_that_was_outrun_does_not_come_back() -> None:
    one = history((100, 100, 90, 100), (100, 100, 80, 100), CALM)
    found = replay(one, fixed_rates(one), 3)
    assert found.shortfall[LONG, 0] == pytest.approx(0.06) and found.when[LONG, 0] == WARMUP


def test_a_position_closed_after_its_time_is_not_liquidated() -> None:
    one = history(CALM, (100, 100, 90, 100), CALM)
    assert replay(one, fixed_rates(one), 1).outrun.tolist()[LONG] == [False, True, False]
    assert replay(one, fixed_rates(one), 2).outrun.tolist()[LONG] == [True, True, False]


def test_leverage_beyond_the_initial_margin_does_not_open() -> None:
    one = history((100, 100, 90, 100), CALM)
    assert replay(one, fixed_rates(one), 10, 25).allowed.all()
    beyond = replay(one, fixed_rates(one), 10, 26)
    assert not beyond.allowed.any() and not beyond.liquidated.any()
    assert not replay(one, fixed_rates(one), 10, 5).liquidated.any()


def test_a_rate_that_rises_alone_is_told_apart() -> None:
    one = history(CALM, CALM, (100, 100, 90, 100))
    initial = np.full(5, 0.04)
    risen = Rates(initial, np.full(5, 0.06), np.array([0.02, 0.02, 0.02, 0.05, 0.02]))
    found = replay(one, risen, 2)
    assert found.liquidated[LONG].tolist() == [True, True, True]
    assert found.by_rate[LONG].tolist() == [True, False, False]
    assert found.outrun[LONG].tolist() == [False, True, True]


def test_a_position_liquidated_by_the_price_is_not_counted_again_by_rate() -> None:
    one = history((100, 100, 91.2, 100), (91.2, 91.2, 91.2, 91.2))
    risen = Rates(np.full(4, 0.04), np.array([0.03, 0.03, 0.03, 0.1]), np.array([0.02, 0.02, 0.02, 0.08]))
    found = replay(one, risen, 2, 10)
    assert found.liquidated[LONG, 0] and not found.by_rate[LONG, 0]


def test_at_least_a_quarter_is_liquidated() -> None:
    # The target is a hair above maintenance: a sixteenth would restore it. The next hour outruns what is left.
    one = history((100, 100, 97.95, 100), (97.95, 97.95, 87.95, 97.95))
    rates = Rates(np.full(4, 0.04), np.full(4, 0.021), np.full(4, 0.02))
    equity, notional = 0.0195, 0.9795
    left = equity - 0.25 * (CLOSE_FEE * notional + PHI * (equity - CLOSE_FEE * notional))
    assert replay(one, rates, 2).shortfall[LONG, 0] == pytest.approx(0.75 * 0.1 - left)


def test_the_edge_is_the_whole_maintenance_within_an_hour() -> None:
    one = history((100, 101.9, 97.9, 100), (100, 102.1, 98.1, 100))
    assert edge(one, fixed_rates(one)).tolist() == [[True, False], [False, True]]


def one_by_one(one: History, rates: Rates, opening: int, side: int, hold: int) -> tuple[bool, float]:
    """Liquidated, and shortfall: a position alone, with the model's integers for the fraction."""
    entry, size, settled = one.open[opening], 1 / one.open[opening], rates.initial[opening]
    liquidated = False
    for hour in range(opening, min(opening + hold, len(one.times))):
        worst = one.low[hour] if side > 0 else one.high[hour]
        equity = settled + side * size * (worst - entry)
        notional = size * worst
        if equity >= rates.maintenance[hour] * notional:
            continue
        liquidated = True
        if equity < 0:
            return True, -equity
        fee = CLOSE_FEE * notional
        target = rates.target[hour] * notional
        # The model takes the fee out of the target at once; phi is of what is left after it.
        after = max(equity - fee, 0)
        exact = liquidation_fraction_up(
            round(equity * ONE),
            round(target * ONE),
            round((min(fee, equity) - PHI * (equity - after)) * ONE),
            ONE // 10,
        )
        fraction = max(exact / ONE, 0.25)
        fraction = 1.0 if fraction > 0.75 else fraction
        cost = min(fee, equity) + PHI * after
        settled = equity - fraction * cost
        size *= 1 - fraction
        entry = worst
        if size == 0:
            break
    return liquidated, 0.0


@pytest.mark.parametrize("event", ["march_2020", "june_2022"])
def test_vectorised_is_one_by_one(event: str) -> None:
    one = History.of(event, built_in(event, "ETH"), Estimator(), 6)
    for rates in (fixed_rates(one, 0.06), Rule(3, 0.02).rates(one)):
        found = replay(one, rates, 24)
        for row, side in ((LONG, 1), (SHORT, -1)):
            for column in range(one.hours):
                liquidated, shortfall = one_by_one(one, rates, one.first + column, side, 24)
                assert found.liquidated[row, column] == liquidated
                assert found.shortfall[row, column] == pytest.approx(shortfall, abs=1e-9)
        assert 0 < found.outrun.sum() < found.liquidated.sum() < 2 * one.hours


def test_a_part_restores_the_target() -> None:
    # 10 % of margin: the short stays; the long stands at 1.3 % and is closed in part, so that the next hour's fall of
    # 1.4 % does not outrun it (with the whole of its size it would).
    one = history((100, 100, 91.2, 91.2), (91.2, 91.2, 89.9, 91.2))
    found = replay(one, fixed_rates(one), 2, 10)
    assert found.liquidated[LONG, 0] and not found.outrun[LONG, 0]


@pytest.mark.parametrize(
    ("path", "warmup", "says"),
    [
        (candles(CALM), 2, "3 candles are too few for 2 hours of warm-up"),
        (candles(CALM, CALM), 0, "cannot start from 0 hours"),
        ([Candle(60 * i, ONE, ONE, ONE, ONE) for i in range(9)], 2, "candles are 60 s long"),
        ([Candle(3600 * i + (i == 5), ONE, ONE, ONE, ONE) for i in range(9)], 2, "off their hour"),
        ([Candle(3600 * i, ONE, ONE, ONE, ONE) for i in range(9)], 2, "does not move in its first 2 hours"),
    ],
)
def test_a_history_that_cannot_be_used(path: list[Candle], warmup: int, says: str) -> None:
    with pytest.raises(HistoryError, match=says):
        History.of("odd", path, Estimator(), warmup)
