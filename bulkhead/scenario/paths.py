"""Three crashes of our own making, hourly, for ETH and BTC: the size of the real ones, none of their numbers.

A path falls gently (calm), faster (leg down), through the floor (crash hour), on to its low (second leg), and
climbs part of the way back (rebound). Two figures of the real event are met: the worst move within one hour,
open to low, and the whole event from start to low. Everything between is drawn from a seeded generator in
integers, so a path is the same on every machine. BTC and ETH share timing and three quarters of their noise.

Assumptions: only ETH's whole range is measured. BTC's start and low are round figures near the market of the
day. June 2022 took a week; ours takes four days.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.model.libraries.position_math import ONE
from bulkhead.scenario.candles import Candle

HOUR = 3600
_BPS = 10_000
_PPM = 1_000_000
_CENT = ONE // 100


@dataclass(frozen=True, slots=True)
class Shape:
    """What the assets share in an event: hours of each leg, levels in bps of the range, noise in ppm.

    Level 10,000 is the start of the path and 0 its low. With `second` 0 the crash hour itself makes the low.
    """

    seed: int
    begin: int  # unix seconds, UTC midnight
    calm: int  # hours
    leg: int
    second: int
    rebound: int
    calm_to: int  # level in bps of the range when the calm ends
    leg_to: int  # level when the crash hour opens; unused if the crash hour makes the low
    snap: int  # share of the crash hour's fall taken back by its close, bps
    rebound_to: int  # level at the end
    noise: int  # hourly deviation in ppm, for ETH

    @property
    def hours(self) -> int:
        """Candles in the path."""
        return self.calm + self.leg + 1 + self.second + self.rebound

    @property
    def crash(self) -> int:
        """Index of the crash hour."""
        return self.calm + self.leg

    @property
    def trough(self) -> int:
        """Index of the candle that makes the low."""
        return self.crash + self.second


@dataclass(frozen=True, slots=True)
class Size:
    """What an asset does in an event: start and low in cents, worst hour (open to low) in bps."""

    start: int
    low: int
    worst: int
    noise: int = _BPS  # bps of the shape's


SHAPES = {
    "march_2020": Shape(
        seed=312, begin=1_583_971_200, calm=6, leg=5, second=15, rebound=45,
        calm_to=8_800, leg_to=7_500, snap=2_600, rebound_to=4_000, noise=20_000,
    ),
    "may_2021": Shape(
        seed=519, begin=1_621_296_000, calm=18, leg=18, second=0, rebound=35,
        calm_to=9_000, leg_to=0, snap=4_000, rebound_to=5_500, noise=17_000,
    ),
    "june_2022": Shape(
        seed=618, begin=1_654_992_000, calm=14, leg=48, second=15, rebound=18,
        calm_to=9_000, leg_to=3_000, snap=2_500, rebound_to=1_900, noise=12_000,
    ),
}  # fmt: skip

SIZES = {
    ("march_2020", "ETH"): Size(195_50, 86_60, 2_500),
    ("march_2020", "BTC"): Size(7_940_00, 3_900_00, 2_450, 8_000),  # levels assumed
    ("may_2021", "ETH"): Size(3_446_00, 1_960_00, 2_800),
    ("may_2021", "BTC"): Size(43_500_00, 30_000_00, 1_610, 7_000),  # levels assumed
    ("june_2022", "ETH"): Size(1_547_00, 882_00, 720),
    ("june_2022", "BTC"): Size(28_400_00, 17_600_00, 640, 7_500),  # levels assumed
}

EVENTS = tuple(SHAPES)
ASSETS = ("ETH", "BTC")


def built_in(event: str, asset: str) -> list[Candle]:
    """The hourly candles of a built-in event (see EVENTS) for "ETH" or "BTC"; prices are whole cents.

    The first open is the highest price of the path. No hour but the crash hour falls by more than three
    quarters of its move. Raises ValueError for an event or asset that does not exist.
    """
    if event not in SHAPES:
        raise ValueError(f"event must be one of {', '.join(EVENTS)}, not {event!r}")
    if asset not in ASSETS:
        raise ValueError(f"asset must be one of {', '.join(ASSETS)}, not {asset!r}")
    shape, size = SHAPES[event], SIZES[event, asset]
    own = _Dice(shape.seed * 1_000 + ASSETS.index(asset))
    closes = _closes(shape, size, _noise(shape, size, _Dice(shape.seed), own))
    return _candles(shape, size, closes, own)


class _Dice:
    """SplitMix64: integers that are the same everywhere and for ever."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, bound: int) -> int:
        """Uniform in [0, bound), for bounds far below 2**64."""
        mask = 2**64 - 1
        self._state = (self._state + 0x9E3779B97F4A7C15) & mask
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)) % bound

    def bell(self, deviation: int) -> int:
        """Around zero with about this deviation: three uniform draws, each within +-deviation, added up."""
        return sum(self.below(2 * deviation + 1) - deviation for _ in range(3))


def _noise(shape: Shape, size: Size, shared: _Dice, own: _Dice) -> list[int]:
    """One hourly return in ppm per candle, three quarters shared between the assets."""
    mixed = (3 * shared.bell(shape.noise) + own.bell(shape.noise) for _ in range(shape.hours))
    return [draw * size.noise // (4 * _BPS) for draw in mixed]


def _closes(shape: Shape, size: Size, noise: list[int]) -> list[int]:
    """Closing prices in cents: each leg from level to level, with a random walk tied down at both ends."""
    span = size.start - size.low

    def level(bps: int) -> int:
        return size.low + span * bps // _BPS

    # Rounded down, so that a crash hour that makes the low never falls by more than its figure.
    before = level(shape.leg_to) if shape.second else size.low * _BPS // (_BPS - size.worst)
    fall = before * size.worst // _BPS
    after = before - fall + fall * shape.snap // _BPS
    closes = _leg(size.start, level(shape.calm_to), noise[: shape.calm], 1)
    closes += _leg(closes[-1], before, noise[shape.calm : shape.crash], 2)
    closes.append(after)
    if shape.second:
        # The low's own candle takes back a fifteenth of the range by its close.
        bottom = level(_BPS // 15)
        closes += _leg(after, bottom, noise[shape.crash + 1 : shape.trough + 1], 2)
    closes += _leg(closes[-1], level(shape.rebound_to), noise[shape.trough + 1 :], 1)
    floor, ceiling = size.low + span // 50, size.start - span // 200
    return [_reflected(close, floor, ceiling) for close in closes]


def _reflected(close: int, floor: int, ceiling: int) -> int:
    """The close, thrown back where the walk went through a bound (a path pinned to one would look dead)."""
    inside = 2 * ceiling - close if close > ceiling else 2 * floor - close if close < floor else close
    return min(max(inside, floor), ceiling)


def _leg(start: int, end: int, noise: list[int], bend: int) -> list[int]:
    """Closes from start (left out) to end (met exactly); bend 1 is a straight line, 2 starts slowly."""
    hours, total, walk = len(noise), sum(noise), 0
    closes = []
    for hour, step in enumerate(noise, start=1):
        walk += step
        tied = walk - total * hour // hours
        price = start + (end - start) * hour**bend // hours**bend
        closes.append(price + price * tied // _PPM)
    return closes


def _candles(shape: Shape, size: Size, closes: list[int], own: _Dice) -> list[Candle]:
    """Wicks around the closes, none beyond the start or the low, none as bad as the crash hour."""
    candles = []
    opening = size.start
    for hour, close in enumerate(closes):
        up, down = (abs(own.bell(shape.noise * size.noise // _BPS // 2)) for _ in range(2))
        high = min(max(opening, close) * (_PPM + up) // _PPM, size.start)
        calmest = opening - opening * size.worst * 3 // (4 * _BPS)
        low = max(min(opening, close) * (_PPM - down) // _PPM, size.low, min(calmest, close))
        if hour == shape.crash:
            low = opening - opening * size.worst // _BPS
        if hour == shape.trough:
            low = size.low
        cents = (opening, high, low, close)
        candles.append(Candle(shape.begin + hour * HOUR, *(price * _CENT for price in cents)))
        opening = close
    return candles
