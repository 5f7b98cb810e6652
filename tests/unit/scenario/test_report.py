"""Reports: pictures are drawn, tables add up, the live view works with and without a terminal."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from rich.console import Console

from bulkhead.model.libraries.position_math import ONE
from bulkhead.scenario import built_in, ticks
from bulkhead.scenario.report import (
    LiveView,
    MarketRow,
    NeighbourRow,
    PositionRow,
    ResultRow,
    charts,
    equity_chart,
    neighbours_table,
    pool_chart,
    price_chart,
    summary_table,
)

DAY = 24 * 60
SERIES = list(ticks(built_in("march_2020", "ETH"), "olhc"))


def size(file: Path) -> tuple[int, int]:
    head = file.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def shown(*renderables: object) -> str:
    console = Console(file=io.StringIO(), width=140)
    for renderable in renderables:
        console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("count", [0, 1, 24])
def test_price_chart(tmp_path: Path, count: int) -> None:
    liquidations = [(at, price, f"#{index}") for index, (at, price) in enumerate(SERIES[10 : 10 + count])]
    price_chart(tmp_path / "price.png", SERIES, liquidations, "ETH")
    assert size(tmp_path / "price.png") == (1400, 800)


@pytest.mark.parametrize("count", [1, 5, 24, 40])
def test_equity_chart(tmp_path: Path, count: int) -> None:
    equities = {f"#{index}": [(at, price - index * ONE) for at, price in SERIES] for index in range(count)}
    end = SERIES[100][0]
    equity_chart(tmp_path / "equity.png", equities, {"#0": (end, "liquidated"), "#3": (end, "closed")})
    width, height = size(tmp_path / "equity.png")
    assert width == 1400
    assert height == 800 if count <= 20 else height > 800


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("minutes", [1, 90, 295, 37 * 60, 3 * DAY, 4 * DAY, 118 * 60, 9 * DAY, 60 * DAY, 900 * DAY])
def test_words_stay_in_the_picture_and_apart(minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(charts, "save", lambda figure, path: drawn.append(figure))
    begin = SERIES[0][0]
    path = [(begin + minutes * 6 * step, 200 * ONE + step * 10**17) for step in range(11)]
    equities = {f"#{10 + index} ETH short 10x": path for index in range(7)}
    equity_chart("", equities, dict.fromkeys(equities, (path[5][0], "closed at reserve")))
    price_chart("", path, [(*path[9], "#10 short 10x")])
    for figure in drawn:
        figure.draw_without_rendering()
        assert all(0 <= box.x0 <= box.x1 <= 1400 for box in boxes(figure.findobj(Text)))
        for axes in figure.axes:
            assert all(left.x1 < right.x0 for left, right in pairwise(boxes(axes.get_xticklabels())))


def boxes(texts: list[Text]) -> list[Bbox]:
    return [text.get_window_extent() for text in texts if text.get_text().strip()]


@pytest.mark.parametrize("layers", [True, False])
def test_pool_chart(tmp_path: Path, layers: bool) -> None:
    held = SERIES[::5] if layers else None
    pool_chart(tmp_path / "pool.png", SERIES, idle=held, reserved=held)
    assert size(tmp_path / "pool.png") == (1400, 800)


def test_charts_of_a_single_point_or_zero(tmp_path: Path) -> None:
    point = [(SERIES[0][0], 0)]
    equity_chart(tmp_path / "equity.png", {"#1": point}, {})
    pool_chart(tmp_path / "pool.png", point)
    price_chart(tmp_path / "price.png", [(SERIES[0][0], ONE)])
    assert [size(tmp_path / f"{name}.png") for name in ("equity", "pool", "price")] == [(1400, 800)] * 3


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="series is empty"):
        price_chart(tmp_path / "x.png", [])
    with pytest.raises(ValueError, match="equity of #1 is empty"):
        equity_chart(tmp_path / "x.png", {"#1": []}, {})
    with pytest.raises(ValueError, match="worth is empty"):
        pool_chart(tmp_path / "x.png", [])
    assert not (tmp_path / "x.png").exists()


def test_no_pyplot() -> None:
    code = "import sys, bulkhead.scenario.report; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_summary_adds_up() -> None:
    rows = [
        ResultRow(1, "ETH-USD", "long", 10, 1_000_500_000, 0, "liquidated"),
        ResultRow(2, "ETH-USD", "short", 2.5, 2_000_000_000, 3_250_000_000, "closed"),
    ]
    text = shown(summary_table(rows, unit="USDC", decimals=6))
    for piece in (
        "-1,000.50",
        "-100.0",
        "2.5x",
        "+1,250.00",
        "+62.5",
        "3,000.50",
        "+249.50",
        "margin in, USDC",
    ):
        assert piece in text


def test_neighbours_show_the_last_unit() -> None:
    calm = NeighbourRow(7, 8, "ETH-USD", "long", 5 * ONE, 5 * ONE)
    assert "all untouched" in shown(neighbours_table([calm]))
    touched = shown(neighbours_table([calm, NeighbourRow(7, 9, "ETH-USD", "long", 5 * ONE, 5 * ONE - 1)]))
    assert "1 touched" in touched
    assert "-1 " in touched


def test_health() -> None:
    row = PositionRow(1, "ETH-USD", "long", 10, 100, 15, 10)
    assert row.health == 1.5
    assert PositionRow(1, "ETH-USD", "long", 10, 100, 15, 0).health == math.inf
    assert MarketRow("ETH-USD", 75, 100).change == -0.25


def run(console: Console, steps: int = 5) -> str:
    positions = [
        PositionRow(1, "ETH-USD", "long", 10, 100 * ONE, 15 * ONE, 10 * ONE),
        PositionRow(2, "ETH-USD", "short", 2, 100 * ONE, 190 * ONE, 0),
        PositionRow(3, "ETH-USD", "long", 50, 100 * ONE, 0, 10 * ONE, "liquidated"),
    ]
    with LiveView(steps, "march_2020", every=2, console=console) as view:
        for step in range(1, steps + 1):
            view.update(step, SERIES[4 * step][0], [MarketRow("ETH-USD", 150 * ONE, 200 * ONE)], positions)
        view.note("#3 [liquidated]")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_live_view_without_a_terminal() -> None:
    tally = "2 open  1 liquidated  weakest #1 at 1.50"
    assert run(Console(file=io.StringIO(), width=20)).splitlines() == [
        "march_2020: 5 candles",
        *(f"[{step}/5] 2020-03-12 0{step}:00 UTC  ETH-USD 150.00 (-25.0%)  {tally}" for step in (2, 4, 5)),
        "  #3 [liquidated]",
    ]


@pytest.mark.parametrize("height", [5, 40])
def test_live_view_on_a_terminal(height: int) -> None:
    term = {"TERM": "xterm"}
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=height, _environ=term)
    text = run(console)
    assert "candle 5 of 5" in text
    assert "\N{FULL BLOCK}" in text


def test_live_view_stops_on_an_error() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, _environ={"TERM": "xterm"})
    with pytest.raises(RuntimeError, match="boom"), LiveView(1, "x", console=console):
        raise RuntimeError("boom")
    with LiveView(1, "again", console=console):
        pass


def test_live_view_needs_a_period() -> None:
    with pytest.raises(ValueError, match="every must be at least 1, not 0"):
        LiveView(1, "x", every=0)
