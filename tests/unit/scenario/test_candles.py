"""Candles from files: exact, in any shape that occurs, and refused with file, line and reason otherwise."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkhead.model.libraries.position_math import ONE
from bulkhead.scenario import Candle, CandleFileError, interval, read_csv, ticks

BEGIN = 1_583_971_200  # 12 March 2020, 00:00 UTC
DATA = Path(__file__).parents[4] / "shared" / "data"


def write(folder: Path, text: str) -> Path:
    file = folder / "candles.csv"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "time",
    [
        str(BEGIN),
        f"{BEGIN}.0",
        str(BEGIN * 10**3),
        str(BEGIN * 10**6),
        str(BEGIN * 10**9),
        "2020-03-12",
        "2020-03-12 00:00:00",
        "2020-03-12T00:00:00Z",
        "2020-03-12 00:00:00 UTC",
        "2020-03-12T01:00:00+01:00",
    ],
)
@pytest.mark.parametrize("column", ["timestamp", "timestamp_utc", "time", "Date", "UNIX"])
def test_reads_every_kind_of_time(tmp_path: Path, column: str, time: str) -> None:
    file = write(tmp_path, f"Close,volume,LOW,{column},High,open\n9.5,1,8,{time},11,10\n")
    assert read_csv(file) == [Candle(BEGIN, 10 * ONE, 11 * ONE, 8 * ONE, 95 * ONE // 10)]


def test_unix_goes_before_a_coarser_date(tmp_path: Path) -> None:
    rows = "".join(f"2020-03-12,{BEGIN + hour * 3600},1,1,1,1\n" for hour in range(3))
    file = write(tmp_path, f"\ufeffdate,unix,open,high,low,close\n\n{rows}")
    assert [candle.time - BEGIN for candle in read_csv(file)] == [0, 3600, 7200]


@given(price=st.decimals(min_value="0.000000000000000001", max_value=10**15, places=18))
def test_prices_are_exact(tmp_path_factory: pytest.TempPathFactory, price: Decimal) -> None:
    text = f"{price:f}"
    row = f"{BEGIN},{text},{text},{text},{text}"
    file = write(tmp_path_factory.getbasetemp(), f"unix,open,high,low,close\n{row}\n")
    whole, _, fraction = text.partition(".")
    assert read_csv(file)[0].low == int(whole + fraction.ljust(18, "0"))


def test_prices_in_scientific_notation(tmp_path: Path) -> None:
    file = write(tmp_path, f"unix,open,high,low,close\n{BEGIN},1e-18,2.5E3,1e-18,.5\n")
    assert read_csv(file) == [Candle(BEGIN, 1, 2500 * ONE, 1, ONE // 2)]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (f"{BEGIN + 60},0,2,1,1", "open must be above 0, not '0'"),
        (f"{BEGIN + 60},1,2,-1,1", "low must be above 0, not '-1'"),
        (f"{BEGIN + 60},1,NaN,1,1", "high must be a number, not 'NaN'"),
        (f"{BEGIN + 60},1,inf,1,1", "high must be a number, not 'inf'"),
        (f"{BEGIN + 60},1,2,1,", "close must be a number, not ''"),
        (f'{BEGIN + 60},1,"1,000",1,1', "high must be a number, not '1,000'"),
        (f"{BEGIN + 60},1,1e9999,1,1", "high must be below 1e31, not '1e9999'"),
        (
            f"{BEGIN + 60},1,2,1,1.0000000000000000001",
            "close must have at most 18 decimals, not '1.0000000000000000001'",
        ),
        (f"{BEGIN + 60},1,1,2,1", "high is below low"),
        (f"{BEGIN + 60},3,2,1,1", "open is outside low to high"),
        (f"{BEGIN + 60},1,2,1,3", "close is outside low to high"),
        (f"{BEGIN},1,1,1,1", f"time {BEGIN} does not come after {BEGIN} (newest first?)"),
        ("20200312,1,1,1,1", "time must be a unix time, not '20200312'"),
        (f"{BEGIN + 60}500,1,1,1,1", f"time must be a whole second, not '{BEGIN + 60}500'"),
        ("noon,1,1,1,1", "time must be ISO 8601 or a unix time, not 'noon'"),
        (f"{BEGIN + 60},1,1,1", "has 4 fields where the header has 5"),
    ],
)
def test_refuses_a_bad_line(tmp_path: Path, row: str, what: str) -> None:
    file = write(tmp_path, f"time,open,high,low,close\n{BEGIN},1,1,1,1\n{row}\n")
    with pytest.raises(CandleFileError) as caught:
        read_csv(file)
    assert (caught.value.file, caught.value.line, caught.value.what) == (file, 3, what)
    assert str(caught.value) == f"{file}, line 3: {what}."


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", None, "is empty"),
        ("time,open,high,low,close\n", None, "has a header but no candles"),
        (
            ",WETH,USDC\n2023-08-13,1848,1\n",
            1,
            "has no column for a time (unix, timestamp_utc, timestamp, time, date), open, high, low, close",
        ),
        ("time,open,high,close\n", 1, "has no column for low"),
        ("time,open,Open,high,low,close\n", 1, "has more than one column open"),
    ],
)
def test_refuses_a_bad_file(tmp_path: Path, text: str, line: int | None, what: str) -> None:
    with pytest.raises(CandleFileError) as caught:
        read_csv(write(tmp_path, text))
    assert (caught.value.line, caught.value.what) == (line, what)


def test_refuses_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match="cannot be read"):
        read_csv(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"time,\xff\xfe\n")
    with pytest.raises(CandleFileError, match="is not CSV text in UTF-8"):
        read_csv(tmp_path / "binary.csv")


def test_ticks_in_both_orders() -> None:
    candles = [Candle(BEGIN, 10, 12, 7, 9), Candle(BEGIN + 3600, 9, 11, 8, 10)]
    down = [(0, 10), (900, 7), (1800, 12), (2700, 9), (3600, 9), (4500, 8), (5400, 11), (6300, 10)]
    up = [(0, 10), (900, 12), (1800, 7), (2700, 9), (3600, 9), (4500, 11), (5400, 8), (6300, 10)]
    assert [(at - BEGIN, price) for at, price in ticks(candles, "olhc")] == down
    assert [(at - BEGIN, price) for at, price in ticks(candles, "ohlc")] == up


@given(steps=st.lists(st.integers(4, 10**5), max_size=20))
def test_ticks_rise_and_stay_inside_their_candle(steps: list[int]) -> None:
    times = [BEGIN]
    for step in steps:
        times.append(times[-1] + step)
    candles = [Candle(time, 10, 12, 7, 9) for time in times]
    rounds = [at for at, _ in ticks(candles, "ohlc")]
    assert all(later > earlier for earlier, later in pairwise(rounds))
    assert rounds[::4] == times
    assert all(close - opened < interval(candles) for opened, close in zip(times, rounds[3::4], strict=True))


def test_ticks_refuse_what_they_cannot_play() -> None:
    with pytest.raises(ValueError, match="'ohlc' or 'olhc'"):
        ticks([], "hloc")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="candles must be at least 4 s long"):
        ticks([Candle(BEGIN, 1, 1, 1, 1), Candle(BEGIN + 3, 1, 1, 1, 1)], "ohlc")
    assert list(ticks([], "ohlc")) == []


@pytest.mark.skipif(not DATA.is_dir(), reason="real candles are kept beside the project")
def test_reads_real_candles() -> None:
    files = sorted(file for file in DATA.glob("*.csv") if file.name.startswith(("btc", "eth")))
    assert files
    for file in files:
        assert interval(read_csv(file)) == 3600
