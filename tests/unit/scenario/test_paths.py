"""Built-in paths keep the figures they are calibrated to."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bulkhead.scenario import ASSETS, EVENTS, Candle, built_in, interval, ticks

CENT = 10**16
BOTH = [(event, asset) for event in EVENTS for asset in ASSETS]

# docs: worst move within one hour, open to low, in percent; whole event, ETH measured, BTC assumed.
WORST = {
    ("march_2020", "ETH"): -25.0,
    ("march_2020", "BTC"): -24.5,
    ("may_2021", "ETH"): -28.0,
    ("may_2021", "BTC"): -16.1,
    ("june_2022", "ETH"): -7.2,
    ("june_2022", "BTC"): -6.4,
}
RANGE = {
    ("march_2020", "ETH"): (195_50, 86_60),
    ("march_2020", "BTC"): (7_940_00, 3_900_00),
    ("may_2021", "ETH"): (3_446_00, 1_960_00),
    ("may_2021", "BTC"): (43_500_00, 30_000_00),
    ("june_2022", "ETH"): (1_547_00, 882_00),
    ("june_2022", "BTC"): (28_400_00, 17_600_00),
}

# Sum of all ticks in cents.
DIGEST = {
    ("march_2020", "ETH"): 3_609_958,
    ("march_2020", "BTC"): 154_891_867,
    ("may_2021", "ETH"): 82_847_944,
    ("may_2021", "BTC"): 1_096_524_917,
    ("june_2022", "ETH"): 47_634_685,
    ("june_2022", "BTC"): 903_691_999,
}


def falls(candles: list[Candle]) -> list[float]:
    return [100 * (candle.low / candle.open - 1) for candle in candles]


@pytest.mark.parametrize(("event", "asset"), BOTH)
def test_worst_hour_and_range(event: str, asset: str) -> None:
    candles = built_in(event, asset)
    moves = sorted(falls(candles))
    assert moves[0] == pytest.approx(WORST[event, asset], abs=0.1)
    assert moves[1] > 0.76 * moves[0], "one crash hour, not two"
    start, low = RANGE[event, asset]
    assert candles[0].open == max(candle.high for candle in candles) == start * CENT
    assert min(candle.low for candle in candles) == low * CENT


@pytest.mark.parametrize(("event", "asset"), BOTH)
def test_shape(event: str, asset: str) -> None:
    candles = built_in(event, asset)
    assert 72 <= len(candles) <= 96
    assert candles[0].time % 86_400 == 0
    assert interval(candles) == 3600
    assert all(later.time - earlier.time == 3600 for earlier, later in pairwise(candles))
    assert all(later.open == earlier.close for earlier, later in pairwise(candles))
    for candle in candles:
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high
        assert candle.low % CENT == candle.high % CENT == candle.close % CENT == 0
    low = min(candle.low for candle in candles)
    assert low * 105 // 100 < candles[-1].close < candles[0].open, "a partial rebound"
    assert len({candle.close for candle in candles}) > 0.9 * len(candles), "not pinned to a bound"


@pytest.mark.parametrize("event", EVENTS)
def test_assets_crash_together(event: str) -> None:
    eth, btc = (built_in(event, asset) for asset in ("ETH", "BTC"))
    assert [candle.time for candle in eth] == [candle.time for candle in btc]
    assert falls(eth).index(min(falls(eth))) == falls(btc).index(min(falls(btc)))


def test_the_same_for_ever() -> None:
    assert built_in("march_2020", "ETH") == built_in("march_2020", "ETH")
    # If this changes, so do all figures published from built-in paths.
    digest = {
        (event, asset): sum(price for _, price in ticks(built_in(event, asset), "ohlc")) // CENT
        for event, asset in BOTH
    }
    assert digest == DIGEST


def test_refuses_what_does_not_exist() -> None:
    with pytest.raises(ValueError, match="march_2020, may_2021, june_2022"):
        built_in("may_2010", "ETH")
    with pytest.raises(ValueError, match="asset must be one of ETH, BTC, not 'DOGE'"):
        built_in("may_2021", "DOGE")
