"""Orders that wait, and a trader who is ahead of the feed: prices made by hand, and days drawn."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bulkhead.model.libraries.position_math import ONE
from bulkhead.protocol import networks
from bulkhead.risk.latency import __main__ as command
from bulkhead.risk.latency.measure import Result, measure, per_order
from bulkhead.risk.latency.seconds import BP, CALM, CRASH, DAY, Candles, error
from bulkhead.risk.latency.sources import PYTH, Heard, Source, hear, primaries, push, shipped, venue
from bulkhead.risk.latency.trader import SLOT, STRATEGIES, Strategy, harvest, waits
from bulkhead.scenario import Candle, built_in

FEED = Source("push", heartbeat=600, deviation=0.005, look=4, transmission=24, error=0)
EXACT = replace(PYTH, error=0.0)


def heard_at(*observed: int, true: np.ndarray) -> Heard:
    return Heard(true, true, np.zeros(len(true)), np.array(observed))


def row(found: np.ndarray, signal: str, strength: float, band: str, close: str, side: int = 1) -> np.ndarray:
    return found[STRATEGIES.index(Strategy(signal, strength, side, band, close))]


# ---------------------------------------------------------------- sources


def test_an_order_takes_the_first_price_strictly_after_its_time() -> None:
    heard = heard_at(0, 100, 200, 300, true=np.zeros(400))
    commits = np.arange(0, 200, SLOT).tolist()
    exactly = waits(heard, FEED, delay=16)  # 84 + 16 is the second of a price: too early by one
    assert exactly[commits.index(84)] == 200 + 24 - 84
    assert waits(heard, FEED, delay=15)[commits.index(84)] == 100 + 24 - 84


def test_a_quiet_push_feed_speaks_at_its_heartbeat() -> None:
    observed = FEED.observed(np.zeros(6_000), np.random.default_rng(0))
    assert set(np.diff(observed)) == {600}


def test_a_push_feed_speaks_when_the_price_has_moved_by_its_deviation() -> None:
    seen = np.zeros(6_000)
    seen[1_000:] = 0.005
    seen[1_002:] = 0.02  # within the same look, or while the round of the first move is on its way
    observed = FEED.observed(seen, np.random.default_rng(0))
    first = observed[observed >= 1_000][0]
    assert 1_000 <= first < 1_000 + FEED.look
    others = FEED.observed(np.where(np.arange(6_000) < 1_000, 0.0, 0.004), np.random.default_rng(0))
    assert set(np.diff(others)) == {600}, "a move below the deviation waits for the heartbeat"


def test_rounds_of_a_push_feed_are_no_closer_than_their_transmission() -> None:
    falling = -0.01 * np.arange(2_000)
    assert np.diff(FEED.observed(falling, np.random.default_rng(0))).min() == FEED.transmission


def test_every_shipped_market_is_measured_and_waits_longer_than_the_lead() -> None:
    found = {name: one for one in shipped() for name in one.shipped}
    assert set(found) == set(networks.shipped())
    for name, one in found.items():
        perpetuals = [one for one in networks.load(name).markets if isinstance(one, networks.PerpetualMarket)]
        assert perpetuals
        for market in perpetuals:
            assert one.source.heartbeat == market.oracle.heartbeat
            assert one.source.deviation == float(market.oracle.deviation)
            assert (one.delay, one.open_fee) == (market.terms.delay, pytest.approx(float(market.terms.open_fee) / BP))
        assert one.delay >= command.LEAD
    assert {one.source for one in shipped()} < {one.source for one in primaries()}


# ---------------------------------------------------------------- the trader; the price rises a basis point a second


RISING = heard_at(*range(4_000), true=BP * np.arange(4_000.0))


def test_who_is_ahead_of_the_delay_earns_the_seconds_between() -> None:
    # The order of second t is executed at that of t + 2, and the trader knows that of t + 10.
    orders, executed, earned, _ = row(harvest(RISING, EXACT, 1, 10), "ahead", 5, "any price", "when it turns")
    assert orders == executed > 100
    assert earned / executed == pytest.approx(8)


def test_who_closes_at_once_gives_it_back() -> None:
    _, executed, earned, paid_out = row(harvest(RISING, EXACT, 1, 10), "ahead", 5, "any price", "at once")
    assert earned / executed == pytest.approx(0, abs=1e-9)
    assert paid_out / executed == pytest.approx(2)  # from t + 2 to t + 4


def test_no_order_is_sent_on_a_price_that_is_not_known() -> None:
    assert row(harvest(RISING, EXACT, 1, 10), "ahead", 10, "any price", "at once")[0] == 0
    assert row(harvest(RISING, EXACT, 10, 10), "ahead", 2, "any price", "at once")[0] == 0


def test_a_band_voids_what_lies_outside() -> None:
    found = harvest(RISING, EXACT, 12, 0)  # bought 13 basis points above what was known
    signal = ("move", 0.9)
    orders, executed, _, _ = row(found, *signal, "any price", "an hour later")
    assert orders == executed > 100
    assert row(found, *signal, "better", "an hour later")[1] == 0
    assert row(found, *signal, "worse", "an hour later")[1] == executed
    assert row(found, *signal, "near", "an hour later")[1] == 0
    assert row(found, *signal, "better", "an hour later", side=-1)[1] == executed


def test_a_known_error_is_earned_twice() -> None:
    # 2 basis points too low for three quarters of the day, then too high.
    off = np.where(np.arange(4_000) < 3_000, -2.0, 2.0)
    source = replace(PYTH, error=1.0)
    heard = hear(source, np.zeros(4_000), off, np.random.default_rng(0))
    orders, executed, earned, paid_out = row(harvest(heard, source, 12, 0), "error", 2, "any price", "when it turns")
    assert orders == executed
    assert earned / executed == pytest.approx(4)
    assert paid_out == pytest.approx(earned)


# ---------------------------------------------------------------- days


def days_of(world: object, source: Source, delay: int, lead: int, days: int = 20) -> Result:
    return measure(world, [(venue(source, delay), lead)], days, seed=5)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [EXACT, replace(push(1_200, 0.0015, True), error=0.0)], ids=lambda one: one.name)
def test_with_a_delay_of_his_lead_a_trader_earns_nothing(source: Source) -> None:
    rows = np.stack(days_of(CRASH, source, 10, 10).rows)
    assert np.abs(rows[:, :, 2]).max() < 1e-6, "what the venue gives away"
    used = (rows[:, :, 0] > 0).sum(axis=0) >= 15
    value, off = per_order(rows[:, used, 3], rows[:, used, 0])
    assert used.sum() >= 70
    assert np.abs(value / off).max() < 4, "what is paid out is a fair game"


@pytest.mark.parametrize("source", [PYTH, push(3_600, 0.005, False)], ids=lambda one: one.name)
def test_with_a_shorter_delay_he_earns_more_than_the_fees(source: Source) -> None:
    short, shipped_delay = (days_of(CRASH, source, delay, 10) for delay in (2, 12))
    assert short.summary()["positive"] > 0
    assert short.summary()["net"] > 20
    assert shipped_delay.summary()["positive"] == 0
    assert shipped_delay.summary()["net"] < -2
    # Not only by the measure without noise: money is paid out.
    rows = np.stack(short.rows)
    value, off = (row(found, "ahead", 20, "any price", "at once") for found in per_order(rows[:, :, 3], rows[:, :, 0]))
    assert value > 4 * off


def test_the_strategy_is_chosen_on_other_days_than_it_is_measured_on() -> None:
    result = Result(venue(PYTH, 12), 0, waits=[np.array([14])])
    for day in range(20):
        rows = np.zeros((len(STRATEGIES), 4))
        rows[7] = rows[8] = (10, 10, 100, 100)
        rows[7, 2] = 900 if day % 2 else 0  # a wonder that only the days of measuring know
        result.rows.append(rows)
    summary = result.summary()
    assert summary["best"] == str(STRATEGIES[8])
    assert (summary["earns"], summary["pays"], summary["net"]) == (10, 10, 0)


def test_the_error_of_a_mean_of_days() -> None:
    sums = np.array([[3.0], [5.0], [10.0]])
    value, off = per_order(sums, np.ones((3, 1)))
    assert (value[0], off[0]) == (6, pytest.approx(sums.std(ddof=1) / np.sqrt(3)))


def test_errors_of_a_source_have_deviation_one_and_fade() -> None:
    off = np.concatenate([error(DAY, np.random.default_rng(day)) for day in range(4)])
    assert off.std() == pytest.approx(1, abs=0.03)
    assert np.mean(off[:-30] * off[30:]) == pytest.approx(np.exp(-1), abs=0.05)


@pytest.mark.parametrize(("world", "low", "high"), [(CALM, 0.5, 1.2), (CRASH, 2.5, 8.0)], ids=["calm", "crash"])
def test_days_of_our_own_are_as_wild_as_they_should_be(world: object, low: float, high: float) -> None:
    moves = [np.diff(world.day(np.random.default_rng(day))) for day in range(20)]  # type: ignore[attr-defined]
    realised = [np.sqrt((one**2).sum() * 365) for one in moves]
    assert low < np.median(realised) < high


def test_a_day_along_candles_keeps_the_range_of_each() -> None:
    candles = built_in("may_2021", "ETH")[:24]
    day = np.concatenate([[0.0], Candles("may_2021", candles).day(np.random.default_rng(3))])
    assert len(day) == DAY + 1
    for hour, candle in enumerate(candles):
        own = day[hour * 3_600 : (hour + 1) * 3_600 + 1]
        assert np.ptp(own) == pytest.approx(np.log(candle.high / candle.low))
        assert abs(own[-1] - own[0]) == pytest.approx(abs(np.log(candle.close / candle.open)), abs=0.12 * np.ptp(own))


def test_candles_longer_than_an_hour_are_refused() -> None:
    candles = [Candle(day * DAY, ONE, ONE, ONE, ONE) for day in range(3)]
    with pytest.raises(ValueError, match="candles must be at most an hour long, not 86,400 s"):
        Candles("daily", candles)


# ---------------------------------------------------------------- the command


def test_the_command_refuses_what_it_cannot_use(tmp_path, capsys) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("time,open\n")
    for option, value, least in (("--days", "3", 20), ("--lead", "-1", 0)):
        with pytest.raises(SystemExit) as ended:
            command.main([option, value])
        assert ended.value.code == 2
        sentence = f"{option} must be a whole number of at least {least}, not {value}"
        assert capsys.readouterr().err == f"python -m bulkhead.risk.latency: {sentence}\n"
    assert command.main([str(bad)]) == 2
    assert "bad.csv" in capsys.readouterr().err


def test_the_command_measures_and_writes_what_is_shipped(tmp_path, capsys, monkeypatch) -> None:
    for name, values in (("DELAYS", (12,)), ("LEADS", (0, 10)), ("ERRORS", (1.0,)), ("EVENTS", command.EVENTS[:1])):
        monkeypatch.setattr(command, name, values)
    assert command.main(["--days", "20", "--out", str(tmp_path)]) == 0
    assert "No shipped configuration pays" in capsys.readouterr().out
    content = json.loads((tmp_path / "latency.json").read_text())
    assert {name for one in content["primaries"] for name in one["shipped"]} == set(networks.shipped())
    assert (tmp_path / "latency.png").stat().st_size > 10_000


def test_the_command_fails_for_a_shipped_configuration_that_pays(capsys) -> None:
    result = days_of(CRASH, PYTH, 2, 10)
    paying = replace(result.venue, shipped=("mainnet",)), result.venue
    records = [command._record(replace(result, venue=one), CRASH) for one in paying]
    assert command._verdict(records[:1], 10) == 1
    assert "FAILED: Pyth pull in crash pays a trader who is 10 s ahead" in capsys.readouterr().err
    assert command._verdict(records[1:], 10) == 0, "nobody ships it"
