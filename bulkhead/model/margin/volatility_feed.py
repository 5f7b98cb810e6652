"""Twin of VolatilityFeed.sol: exponentially weighted realised variance of an oracle's prices on a fixed grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from bulkhead.model.instruments.perpetual import ParameterInvalid
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.interfaces.volatility_feed import (
    PointExpired,
    PointNotExpired,
    VolatilitySettings,
    VolatilityState,
)
from bulkhead.model.libraries import elementary, exponential
from bulkhead.model.libraries.logarithm import RAY, ln
from bulkhead.model.libraries.position_math import ONE

YEAR = 365 * 86_400
#: Fraction bits of a variance, and its largest value, just below 128.
FRACTION, MAX_VARIANCE = 47, 2**54 - 1
#: A longer gap counts as so many intervals.
MAX_GAP = 2**14 - 1
MANTISSA = 43
#: Of the ramped volatility, as it is stored.
UNIT = 10**12
#: Units that the ramp lifts the floor by in an interval, at least: of them an update may lose one.
STEPS = 10


class Primary(Protocol):
    """What the feed asks of an oracle."""

    @property
    def heartbeat(self) -> int: ...
    def commitment(self) -> int: ...
    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]: ...


class VolatilityFeed:
    """`block` stands for the chain. Raises ParameterInvalid."""

    def __init__(self, oracle: Primary, s: VolatilitySettings, block: Block) -> None:
        good = {
            "interval": 300 <= s.interval <= 86_400,
            "life": oracle.heartbeat < s.life <= 2 * 86_400,
            "fastTime": s.fast_time >= s.interval,
            "slowTime": s.fast_time < s.slow_time <= 10 * YEAR,
            "maxReturn": 0 < s.max_return <= 10 * ONE,
            "ramp": s.ramp <= 10 * ONE,
            "floor": s.floor != 0 and s.floor % UNIT == 0,
            "start": s.floor <= s.start <= 10 * ONE,
        }
        values = (s.interval, s.life, s.fast_time, s.slow_time, s.max_return, s.ramp, s.floor, s.start)
        for (name, fits), value in zip(good.items(), values, strict=True):
            if not fits:
                raise ParameterInvalid(name, value)
        self.oracle, self.interval, self.life = oracle, s.interval, s.life
        self.max_return, self.floor, self.block = s.max_return, s.floor, block
        self.fast_decay = exponential.decay(s.interval * RAY // s.fast_time)
        self.slow_decay = exponential.decay(s.interval * RAY // s.slow_time)
        self.ramp_decay = exponential.decay(ln(ONE + s.ramp, ONE) // 3_600)
        if s.floor * RAY // exponential.power(self.ramp_decay, s.interval) < s.floor + STEPS * UNIT:
            raise ParameterInvalid("ramp", s.ramp)
        variance = (s.start * s.start << FRACTION) // ONE**2
        self.remembered = VolatilityState(variance, variance)
        self._advance(self.remembered, block.timestamp // s.interval + 1, s.start)

    def update(self, proof: bytes, *, sender: str = "") -> None:
        """Takes the oracle's first price after the next grid time. Raises PointExpired, and what the oracle raises."""
        s = self.state()
        time = s.next * self.interval
        if self.block.timestamp > time + self.life:
            raise PointExpired(time, time + self.life)
        index, _, undisputed = self.oracle.first_after(s.phase, time, proof)
        ramped = self._ramped(s)
        if undisputed:
            self._count(s, index)
        else:
            s.gap = min(s.gap + 1, MAX_GAP)
        self._advance(s, s.next + 1, ramped)

    def skip(self, *, sender: str = "") -> None:
        """Gives up a grid point that nobody proved in its life, and all up to now. Raises PointNotExpired."""
        s = self.state()
        time = s.next * self.interval
        if self.block.timestamp <= time + self.life:
            raise PointNotExpired(time, time + self.life)
        following = self.block.timestamp // self.interval + 1
        s.gap = min(s.gap + following - s.next, MAX_GAP)
        self._advance(s, following, self._ramped(s))

    def due(self) -> tuple[bool, bool, int, int]:
        """due, expired, time, phase of the next grid point."""
        s, now = self.state(), self.block.timestamp
        time = s.next * self.interval
        expired = now > time + self.life
        return not expired and now > time, expired, time, s.phase

    def fast(self) -> int:
        """Of the weighted squares of returns, with the shorter memory."""
        return root_up(self.remembered.fast)

    def slow(self) -> int:
        """The same with the longer memory."""
        return root_up(self.remembered.slow)

    def ramped(self) -> int:
        """Follows the larger of both, at most by the ramp."""
        return self._ramped(self.remembered)

    def highest(self) -> int:
        """The largest of the three."""
        return max(self.fast(), self.slow(), self.ramped())

    def observed(self) -> tuple[int, int, int, int]:
        """Both volatilities, the last good price (0 before the first) and the time of its grid point."""
        s = self.remembered
        price = self._price(s)
        return self.fast(), self.slow(), price, (s.next - s.gap) * self.interval if price else 0

    def state(self) -> VolatilityState:
        """Everything that is remembered."""
        return replace(self.remembered)

    def _count(self, s: VolatilityState, index: int) -> None:
        if s.price != 0:
            r = abs(ln(index, self._price(s)))
            square = min(r * r // ONE // s.gap, self.max_return**2)
            scale = self.interval * ONE**2
            variance = ((square * YEAR << FRACTION) + scale // 2) // scale
            s.fast = self._mixed(s.fast, exponential.power(self.fast_decay, s.gap), variance)
            s.slow = self._mixed(s.slow, exponential.power(self.slow_decay, s.gap), variance)
        exponent = max(index.bit_length() - MANTISSA, 0)
        s.price = index >> exponent << 7 | exponent
        s.gap = 1

    @staticmethod
    def _price(s: VolatilityState) -> int:
        return s.price >> 7 << (s.price & 127)

    @staticmethod
    def _mixed(variance: int, decay: int, sample: int) -> int:
        total = variance * decay + sample * (RAY - decay) + RAY // 2
        return min(total // RAY, MAX_VARIANCE)

    def _advance(self, s: VolatilityState, next: int, ramped: int) -> None:
        now = self.block.timestamp
        if next * self.interval > now:
            s.phase = self.oracle.commitment()
        s.next, s.ramped, s.offset = next, ramped // UNIT, now - (next - 1) * self.interval
        self.remembered = s

    def _ramped(self, s: VolatilityState) -> int:
        return ramped_at(s, self.floor, self.ramp_decay, self.interval, self.block.timestamp)


def ramped_at(s: VolatilityState, floor: int, decay: int, interval: int, time: int) -> int:
    """The ramped volatility at a time, if nothing is updated until then."""
    target = max(root_up(max(s.fast, s.slow)), floor)
    start = s.ramped * UNIT
    left = exponential.power(decay, time - ((s.next - 1) * interval + s.offset))
    if start >= target:
        return max(target, -(-start * left // RAY))
    return target if left == 0 else min(target, start * RAY // left)


def root_up(variance: int) -> int:
    """The volatility of a variance, 18 decimals."""
    return elementary.sqrt_up(-(-variance * ONE**2 >> FRACTION))
