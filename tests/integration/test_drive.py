"""The whole system through a market event, in this process."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bulkhead.chain import RevmChain
from bulkhead.cli import main, parser
from bulkhead.model.libraries.position_math import ONE
from bulkhead.scenario import ASSETS, built_in
from bulkhead.scenario.drive import LEAD, Outcome, drive, schedule
from bulkhead.scenario.paths import Candle
from bulkhead.scenario.stage import HEARTBEAT, Holding, Position, Stage

COVID = Path(__file__).parents[3] / "shared" / "data" / "eth_2020-03-covid.csv"


def march(hours: int = 16) -> Outcome:
    """Calm, leg down and crash hour; the second wave opens in it."""
    paths = {asset: built_in("march_2020", asset)[:hours] for asset in ASSETS}
    chain = RevmChain(timestamp=paths["ETH"][0].time - LEAD)
    return drive(chain, paths, console=Console(file=io.StringIO()))


def test_a_crash_is_isolated_and_conserves_tokens() -> None:
    outcome = march()
    assert outcome.failures == []
    assert len(outcome.rows) >= 24
    assert outcome.liquidations > outcome.partial > 0
    assert outcome.at_reserve > 0
    assert outcome.compared >= 20 * outcome.at_reserve
    assert outcome.neighbours and all(row.change == 0 for row in outcome.neighbours)
    assert outcome.minted == outcome.accounted
    assert all(row.got_out >= 0 for row in outcome.rows)
    results = {row.result for row in outcome.rows}
    assert {"liquidated", "closed", "closed at reserve"} <= results


def test_a_touched_neighbour_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, calls = Stage.holding, 0

    def one_unit_appears(stage: Stage, position: Position) -> Holding:
        nonlocal calls
        calls += 1
        if calls == 30:  # after the first liquidation: 23 vaults are read before it, 23 after
            stage.token.send.mint(position.vault, 1)
        return honest(stage, position)

    monkeypatch.setattr(Stage, "holding", one_unit_appears)
    outcome = march(4)
    assert "was touched when" in outcome.failures[0]
    assert "tokens are not conserved" in outcome.failures[-1]
    assert any(row.change == 1 for row in outcome.neighbours)


def test_a_failed_check_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = tmp_path / "eth.csv"
    lines = [f"{1_700_000_000 + 3_600 * hour},1950,1960,{1950 - 10 * hour},1950" for hour in range(12)]
    prices.write_text("\n".join(["unix,open,high,low,close", *lines]))
    arguments = ["drive", "--prices", str(prices), "--engine", "revm", "--out", str(tmp_path / "out")]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pool_btc.png").write_bytes(b"of an earlier run")
    assert main(arguments) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"equity.png", "price_eth.png", "pool_eth.png"}
    assert "conserved" in capsys.readouterr().out
    monkeypatch.setattr(Stage, "accounted", lambda stage: stage.minted - 1)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("FAILED: tokens are not conserved") and error.count("\n") == 1


@pytest.mark.parametrize("content", [None, "unix,open,high,low,close\n1700000000,1,2,3,4\n"])
def test_an_unusable_file(tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    prices = tmp_path / "eth.csv"
    if content:
        prices.write_text(content)
    assert main(["drive", "--prices", str(prices), "--engine", "revm"]) == 2
    assert capsys.readouterr().err.startswith(f"bulkhead: {prices}")


def test_market_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--market", "eth"])
    assert stop.value.code == 2
    assert "it needs --prices FILE" in capsys.readouterr().err


@pytest.mark.skipif(not COVID.exists(), reason="the measured prices are not in this checkout's neighbourhood")
def test_measured_prices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drive", "--prices", str(COVID), "--engine", "revm", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "all untouched" in shown
    assert "liquidated at" in shown


@pytest.mark.parametrize("order", ["ohlc", "olhc"])
def test_rounds_are_near_each_other_and_reach_every_price(order: Any) -> None:
    path = [Candle(0, 100 * ONE, 300 * ONE, 10 * ONE, 50 * ONE), Candle(86_400, 50 * ONE, 50 * ONE, 1 * ONE, 2 * ONE)]
    moments = schedule({"ETH": path}, order)
    prices = [moment.prices["ETH"] for moment in moments]
    assert all(abs(after - before) * 100 < 9 * before for before, after in pairwise(prices))
    assert all(0 < after.time - before.time <= HEARTBEAT for before, after in pairwise(moments))
    wanted = [price for candle in path for price in (candle.open, candle.high, candle.low, candle.close)]
    assert set(wanted) <= set(prices)
    assert [moments[0].candle, moments[-1].candle] == [1, 2]


def test_a_price_that_no_feed_can_tell() -> None:
    with pytest.raises(ValueError, match="a feed with 8 decimals"):
        schedule({"ETH": [Candle(0, ONE, ONE, 1, ONE)]}, "olhc")


def test_pictures_of_a_drive_leave_those_of_the_demo_alone() -> None:
    assert [parser().parse_args([name]).out for name in ("demo", "drive")] == [Path("out/demo"), Path("out/drive")]
