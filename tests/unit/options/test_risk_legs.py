"""Legs of options: payoffs, sums, quotes, pictures, the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from bulkhead import cli
from bulkhead.risk.options.legs import Leg, extremes, payoff, quote, whole
from bulkhead.risk.options.pricing import call_greeks, put
from bulkhead.risk.options.quotes import Rule
from bulkhead.risk.options.report import draw_payoff

WEEK = 7 * 86_400.0
STRADDLE = (Leg("put", 2000.0, -1.0, WEEK), Leg("call", 2000.0, -1.0, WEEK, 2000.0))


def test_a_payoff_is_what_each_leg_pays() -> None:
    spots = np.array([0.0, 1500.0, 2000.0, 2600.0, 4000.0, 9000.0])
    assert payoff(STRADDLE, spots).tolist() == [-2000.0, -500.0, 0.0, -600.0, -2000.0, -2000.0]
    assert whole(STRADDLE, spots[1:], 0.8, elapsed=2 * WEEK).value.tolist() == payoff(STRADDLE, spots[1:]).tolist()


def test_the_whole_is_the_sum_of_its_legs_each_to_its_own_expiry() -> None:
    legs = (Leg("call", 2100.0, 2.0, WEEK, 2100.0), Leg("put", 1800.0, -3.0, 4 * WEEK))
    found = whole(legs, 2000.0, 0.7, elapsed=WEEK / 2)
    assert found.value == pytest.approx(
        2 * call_greeks(2000.0, 2100.0, 0.7, WEEK / 2, 2100.0).value - 3 * put(2000.0, 1800.0, 0.7, 3.5 * WEEK)
    )
    assert found.vega == pytest.approx(sum(leg.greeks(2000.0, 0.7, WEEK / 2).vega for leg in legs))
    with pytest.raises(ValueError, match="no legs"):
        whole((), 2000.0, 0.7)


def test_the_largest_loss_and_gain_lie_at_the_bends() -> None:
    assert extremes(STRADDLE, -150.0) == (1850.0, 150.0)
    free = (Leg("call", 2000.0, -1.0, WEEK), Leg("call", 2500.0, 2.0, WEEK))
    assert extremes(free, 10.0) == (510.0, np.inf)
    assert extremes((Leg("call", 2000.0, -1.0, WEEK),), -30.0) == (np.inf, 30.0)


@pytest.mark.parametrize(("fast", "slow"), [(1.2, 0.6), (0.4, 0.9)])
def test_the_pool_sells_at_the_larger_volatility_and_buys_at_the_smaller(fast: float, slow: float) -> None:
    leg = Leg("put", 1900.0, 5.0, WEEK)
    found = quote(leg, 2000.0, fast, slow, 0.25)
    assert found.ask == put(2000.0, 1900.0, max(fast, slow) * 1.25, WEEK)
    assert found.bid == put(2000.0, 1900.0, min(fast, slow) * 0.75, WEEK)
    assert found.mark == put(2000.0, 1900.0, slow, WEEK)
    assert (found.fill(1.0), found.fill(-1.0)) == (found.ask, found.bid)


def test_a_quote_is_never_better_than_the_mark_even_beyond_a_cap() -> None:
    """Deep in the money a capped call falls with volatility."""
    deep = quote(Leg("call", 1000.0, 1.0, 4 * WEEK, 300.0), 1400.0, 1.0, 0.6, 0.25)
    assert deep.bid < deep.mark <= deep.ask <= 300.0


def test_the_command_tells_the_quotes_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["options", "sell:put:2000", "sell:call:2000:2", "--fast", "0.9", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    told = capsys.readouterr().out
    sold = quote(Leg("put", 2000.0, -1.0, WEEK), 2000.0, 0.9, 0.6, Rule().spread)
    assert "sell 2 call 2000 up to 4000" in told and f"{sold.bid:.4g}" in told and "largest loss" in told
    for name in ("payoff.png", "greeks.png"):
        picture = imread(tmp_path / name)
        assert picture.shape[1] == 1400 and (picture[..., :3].min(axis=2) < 0.5).mean() > 0.002, "there is ink on it"


def test_pictures_are_the_same_for_the_same_legs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw_payoff(STRADDLE, 2000.0, 0.6, -150.0, tmp_path / name, "a straddle")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "leg", ["put:2000", "hold:put:2000", "sell:put:zero", "sell:put:-1", "buy:call:2000:0", "buy:x:1"]
)
def test_what_is_no_leg_is_refused(leg: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["options", leg, "--out", str(tmp_path)]) == 2
    assert repr(leg) in capsys.readouterr().err
