"""Candles: read from any CSV without a float on the way, and played as consecutive oracle rounds.

Prices are integers with 18 decimals: 1,960.00 is 1960 * 10**18. Times are unix seconds, UTC.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Literal

DECIMALS = 18

Order = Literal["ohlc", "olhc"]

# Most exact first: a file with both a day in `date` and seconds in `unix` is read by `unix`.
TIME_COLUMNS = ("unix", "timestamp_utc", "timestamp", "time", "date")
PRICE_COLUMNS = ("open", "high", "low", "close")

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_LARGEST_EXPONENT = 30  # a price of 10**30 is a broken file; also keeps 1e9999 from becoming a huge integer
# A whole number is seconds up to 10**11 (the year 5138), then ms, us and ns, each a thousandfold. Below 10**8
# (1973) it is more likely 20200312 than a time.
_UNIX_FROM = 10**8
_UNIX_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle: `time` is its opening in unix seconds, the prices are integers with 18 decimals."""

    time: int
    open: int
    high: int
    low: int
    close: int


class CandleFileError(ValueError):
    """A candle file that cannot be used.

    Which `file`, which `line` (None: the file as a whole), and `what` is wrong.
    """

    def __init__(self, file: str | Path, line: int | None, what: str) -> None:
        self.file = Path(file)
        self.line = line
        self.what = what
        super().__init__(f"{file}: {what}." if line is None else f"{file}, line {line}: {what}.")


def read_csv(path: str | Path) -> list[Candle]:
    """Candles of a CSV with a header, exactly as written there.

    Columns in any order and any case: open, high, low, close, and one of unix, timestamp_utc, timestamp,
    time, date (the first of these that is present), as ISO 8601 (UTC unless it says otherwise) or unix s, ms,
    us or ns. Other columns are ignored. Raises CandleFileError, naming file and line, for a file that cannot
    be read, has no candles, lacks or repeats a column, or holds a price that is not a positive number with at
    most 18 decimals, a low above or a high below another price of its candle, or times that do not rise.
    """
    file = Path(path)
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            return _read(file, csv.reader(stream))
    except OSError as error:
        raise CandleFileError(path, None, f"cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CandleFileError(path, None, f"is not CSV text in UTF-8 ({error})") from error


def interval(candles: Sequence[Candle]) -> int:
    """Length of one candle in seconds.

    The shortest step between two, so that gaps do not count; 3,600 if only one.
    """
    return min((later.time - earlier.time for earlier, later in pairwise(candles)), default=3600)


def ticks(candles: Sequence[Candle], order: Order) -> Iterator[tuple[int, int]]:
    """Four (time, price) per candle, at 0, 1/4, 1/2 and 3/4 of its length, times strictly rising.

    "olhc" goes to the low first, "ohlc" to the high. Raises ValueError for another order or candles under
    four seconds.
    """
    if order not in ("ohlc", "olhc"):
        raise ValueError(f"order must be 'ohlc' or 'olhc', not {order!r}")
    length = interval(candles)
    if length < 4:
        raise ValueError(f"candles must be at least 4 s long, for four ticks a second apart, not {length} s")
    return _ticks(candles, order, length)


def _ticks(candles: Sequence[Candle], order: Order, length: int) -> Iterator[tuple[int, int]]:
    for candle in candles:
        middle = (candle.high, candle.low) if order == "ohlc" else (candle.low, candle.high)
        for quarter, price in enumerate((candle.open, *middle, candle.close)):
            yield candle.time + quarter * length // 4, price


def _read(file: Path, rows: Iterator[list[str]]) -> list[Candle]:
    candles: list[Candle] = []
    header: list[str] | None = None
    columns: dict[str, int] = {}
    for line, row in enumerate(rows, start=1):
        if not any(field.strip() for field in row):
            continue
        if header is None:
            header = row
            columns = _columns(file, line, header)
            continue
        if len(row) < len(header):
            raise CandleFileError(file, line, f"has {len(row)} fields where the header has {len(header)}")
        candle = _candle(file, line, row, columns)
        if candles and candle.time <= candles[-1].time:
            hint = " (newest first?)" if len(candles) == 1 else ""
            what = f"time {candle.time} does not come after {candles[-1].time}{hint}"
            raise CandleFileError(file, line, what)
        candles.append(candle)
    if header is None:
        raise CandleFileError(file, None, "is empty")
    if not candles:
        raise CandleFileError(file, None, "has a header but no candles")
    return candles


def _columns(file: Path, line: int, header: list[str]) -> dict[str, int]:
    """Where "time" and the four prices are."""
    names = [name.strip().lower() for name in header]
    time = next((name for name in TIME_COLUMNS if name in names), None)
    missing = [name for name in PRICE_COLUMNS if name not in names]
    if time is None:
        missing.insert(0, f"a time ({', '.join(TIME_COLUMNS)})")
    if missing:
        raise CandleFileError(file, line, f"has no column for {', '.join(missing)}")
    assert time is not None
    for name in (time, *PRICE_COLUMNS):
        if names.count(name) > 1:
            raise CandleFileError(file, line, f"has more than one column {name}")
    return {"time": names.index(time)} | {name: names.index(name) for name in PRICE_COLUMNS}


def _candle(file: Path, line: int, row: list[str], columns: dict[str, int]) -> Candle:
    try:
        time = _time(row[columns["time"]].strip())
    except ValueError as error:
        raise CandleFileError(file, line, f"time {error}") from error
    prices: dict[str, int] = {}
    for name in PRICE_COLUMNS:
        try:
            prices[name] = _price(row[columns[name]].strip())
        except ValueError as error:
            raise CandleFileError(file, line, f"{name} {error}") from error
    candle = Candle(time, prices["open"], prices["high"], prices["low"], prices["close"])
    if candle.high < candle.low:
        raise CandleFileError(file, line, "high is below low")
    for name in ("open", "close"):
        if not candle.low <= prices[name] <= candle.high:
            raise CandleFileError(file, line, f"{name} is outside low to high")
    return candle


def _price(text: str) -> int:
    """A decimal string as an integer with 18 decimals, exactly or not at all."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"must be a number, not {text!r}")
    number = Decimal(text)
    if number <= 0:
        raise ValueError(f"must be above 0, not {text!r}")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if number.adjusted() > _LARGEST_EXPONENT:
        raise ValueError(f"must be below 1e{_LARGEST_EXPONENT + 1}, not {text!r}")
    value = int("".join(map(str, digits)))
    shift = exponent + DECIMALS
    if shift >= 0:
        scale: int = 10**shift
        return value * scale
    divisor: int = 10**-shift
    whole, rest = divmod(value, divisor)
    if rest:
        raise ValueError(f"must have at most {DECIMALS} decimals, not {text!r}")
    return whole


def _time(text: str) -> int:
    """Unix seconds of an ISO string or a unix time."""
    if re.fullmatch(r"[0-9]{1,20}(\.0+)?", text):
        number = int(text.split(".")[0])
        divisor = next((divisor for below, divisor in _UNIX_UNITS if number < below), None)
        if number < _UNIX_FROM or divisor is None:
            raise ValueError(f"must be a unix time, not {text!r}")
        seconds, rest = divmod(number, divisor)
    else:
        try:
            moment = datetime.fromisoformat(re.sub(r" ?(Z|UTC)$", "+00:00", text))
        except ValueError as error:
            raise ValueError(f"must be ISO 8601 or a unix time, not {text!r}") from error
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        seconds, rest = since.days * 86400 + since.seconds, since.microseconds
    if rest:
        raise ValueError(f"must be a whole second, not {text!r}")
    return seconds
