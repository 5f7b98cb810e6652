"""Price paths that drive a whole system through a market event: candles from files, crashes, reports.

`bulkhead.scenario.report` is not imported here, so that paths can be used without matplotlib or rich.
"""

from bulkhead.scenario.candles import (
    Candle,
    CandleFileError,
    Order,
    interval,
    read_csv,
    ticks,
)
from bulkhead.scenario.paths import ASSETS, EVENTS, built_in

__all__ = [
    "ASSETS",
    "EVENTS",
    "Candle",
    "CandleFileError",
    "Order",
    "built_in",
    "interval",
    "read_csv",
    "ticks",
]
