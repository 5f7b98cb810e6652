"""The rounds that a feed would have pushed along a path of candles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bulkhead.model.libraries.position_math import ONE
from bulkhead.scenario.candles import Candle, Order, ticks
from bulkhead.scenario.stage import FEED_UNIT, HEARTBEAT


@dataclass(frozen=True, slots=True)
class Moment:
    """Rounds of one second: a price per underlying that has one, and the candle they belong to."""

    time: int
    prices: Mapping[str, int]
    candle: int


def schedule(paths: Mapping[str, Sequence[Candle]], order: Order) -> list[Moment]:
    """The rounds of all feeds, in order of time. Raises ValueError for a price that a feed cannot tell.

    A real feed pushes a round as soon as the price has moved by its deviation threshold (0.5 % for ETH/USD), so its
    neighbouring rounds are close even in a crash. A candle shows four prices only. The way between them is therefore
    taken in rounds of under 9 % each: a jump of over 10 % between neighbouring rounds of a single source is disputed,
    and no price, until the next round confirms it. A feed is also never silent for longer than its heartbeat.
    """
    found: dict[int, dict[str, int]] = {}
    candles: dict[int, int] = {}
    for name, path in paths.items():
        points = [(time, price // FEED_UNIT * FEED_UNIT) for time, price in ticks(path, order)]
        if min(price for _, price in points) == 0:
            raise ValueError(f"{name}: prices must be at least 0.00000001, the unit of a feed with 8 decimals")
        for number, ((before, start), (after, end)) in enumerate(pairwise([points[0], *points])):
            stops = _stops(start, end)
            beats = -(-(after - before) // HEARTBEAT)
            stops = [start] * (beats - len(stops)) + stops
            for index, price in enumerate(stops, start=1):
                time = before + (after - before) * index // len(stops)
                found.setdefault(time, {})[name] = price
                candles[time] = max(candles.get(time, 0), number // 4 + 1)
    return [Moment(time, found[time], candles[time]) for time in sorted(found)]


def _stops(start: int, end: int) -> list[int]:
    """Prices on the way, each within 8.9 % of the one before, the last one the end."""
    stops: list[int] = []
    price = start
    while not stops or price != end:
        step = price * 89 // 1000 // FEED_UNIT * FEED_UNIT
        if step == 0:
            raise ValueError(
                f"a price must be at least 0.00000012 to move in steps of a feed with 8 decimals, not {price / ONE:g}"
            )
        price = min(end, price + step) if end > price else max(end, price - step)
        stops.append(price)
    return stops
