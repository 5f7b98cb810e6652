"""Floats against the exact twins: the volatility of a history, disputed grid points included, and the rates from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from bulkhead.model.interfaces.instrument import Snapshot
from bulkhead.model.interfaces.volatility_feed import VolatilitySettings
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.margin.volatility_feed import VolatilityFeed
from bulkhead.model.margin.volatility_margin import VolatilityMargin, VolatilityMarginTerms, VolatilityRate
from bulkhead.risk.calibration import MAINTENANCE, TARGET, Rule
from bulkhead.risk.liquidations import History
from bulkhead.risk.volatility import HOUR, Estimator, follow
from bulkhead.scenario import EVENTS, built_in

ESTIMATOR = Estimator()
START = 0.9
SETTINGS = VolatilitySettings(
    interval=HOUR,
    life=2 * HOUR,
    fast_time=12 * HOUR,
    slow_time=120 * HOUR,
    max_return=round(ESTIMATOR.largest * ONE),
    ramp=ONE // 5,
    floor=ONE // 100,
    start=round(START * ONE),
)


@dataclass
class Prices:
    """Chain and oracle at once: a price for each grid time; those in `disputed` are passed over."""

    prices: dict[int, int]
    disputed: set[int] = field(default_factory=set)
    timestamp: int = 0
    heartbeat: int = HOUR

    def commitment(self) -> int:
        return 1

    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]:
        return self.prices[after_time], after_time, after_time not in self.disputed


def year() -> tuple[list[int], list[int]]:
    """8,760 hours of fat-tailed moves, whole cents."""
    draw = np.random.default_rng(5)
    prices = 2_000 * np.exp(np.cumsum(draw.standard_t(4, 8_760) * 0.006))
    return [HOUR * (400_000 + hour) for hour in range(8_760)], [round(price * 100) * ONE // 100 for price in prices]


@pytest.mark.parametrize("event", [*EVENTS, "a year"])
def test_floats_follow_the_twin(event: str) -> None:
    if event == "a year":
        times, prices = year()
    else:
        candles = built_in(event, "ETH")
        times, prices = [candle.time for candle in candles], [candle.open for candle in candles]
    disputed = set(times[7::29]) | set(times[40:45])
    chain = Prices(dict(zip(times, prices, strict=True)), disputed, times[0] - 1)
    feed = VolatilityFeed(chain, SETTINGS, chain)
    exact = []
    for time in times:
        chain.timestamp = time
        feed.update(b"")
        if time not in disputed:
            exact.append((feed.fast() / ONE, feed.slow() / ONE, feed.ramped() / ONE))
    kept = [time for time in times if time not in disputed]
    floats = np.array([chain.prices[time] / ONE for time in kept])
    known = follow(np.array(kept, dtype=np.float64), floats, ESTIMATOR, START)
    wanted = np.array(exact)
    np.testing.assert_allclose(known.fast, wanted[:, 0], rtol=1e-9)
    np.testing.assert_allclose(known.slow, wanted[:, 1], rtol=1e-9)
    # The feed keeps the ramped volatility in millionths and cuts off at each update.
    np.testing.assert_allclose(known.ramped, wanted[:, 2], rtol=2e-5)


@dataclass
class Known:
    """The feed of a margin model, at one moment."""

    now: float
    slow: float

    def highest(self) -> int:
        return round(self.now * ONE)

    def ramped(self) -> int:
        return round(self.slow * ONE)


def test_rates_are_those_of_the_twin() -> None:
    rule = Rule(4, 0.06, 0.2)
    history = History.of("march", built_in("march_2020", "ETH"), ESTIMATOR, 6)
    rates = rule.rates(history)
    volatility = history.volatility
    assert rates.initial.min() == 0.06 and rates.initial.max() == 0.2  # both bounds bind, and most hours lie between

    def part(share: float) -> VolatilityRate:
        return VolatilityRate(*(round(share * value * ONE) for value in (rule.z, rule.floor, rule.cap)))

    for hour in range(history.first, len(history.times)):
        feed = Known(float(volatility.highest[hour]), float(volatility.ramped[hour]))
        terms = VolatilityMarginTerms(feed, None, HOUR, part(1), part(TARGET), part(MAINTENANCE), 0, 0, 18)
        margin = VolatilityMargin(terms)
        index = 100 * ONE
        initial = margin.initial(Snapshot(0, index, 0, 0, 0, 0, 0), index, 10 * ONE)
        maintenance, target = margin.maintenance(0, index, index, 10 * ONE)
        exact = [value / (1_000 * ONE) for value in (initial, target, maintenance)]
        floats = [rates.initial[hour], rates.target[hour], rates.maintenance[hour]]
        assert exact == pytest.approx(floats, rel=1e-9)
