"""What an exit must pay, computed in plain integers from the design, without any code of the project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bulkhead.protocol import MarketContracts
from tests.book import KEPT, LOT, Carry, carry_at, series_of
from tests.world import ONE, World

YEAR = 365 * 86_400
TICK = 10**10
CLOSE_FEE = ONE // 2_000
OPEN_FEE = ONE // 2_000
PHI = ONE // 10
PHI_TO_POOL = ONE // 2
MAINTENANCE, TARGET = ONE // 50, 3 * ONE // 100
SKEW_SCALE = 10_000 * ONE


def up(a: int, b: int) -> int:
    """a / b rounded up, whatever the signs."""
    return -(-a // b)


@dataclass
class Parts:
    """Who gets what, and what stays."""

    trader: int
    pool: int
    keeper: int
    margin: int
    reserve: int
    size: int


def unit_of(world: World) -> int:
    """size x price / unit is token units."""
    return 10**36 // world.unit


def fee_up(rate: int, size: int, price: int, unit: int) -> int:
    return up(rate * up(abs(size) * price, unit), ONE)


def carry_up(p: Any, carry: Carry, index: int, unit: int) -> int:
    """What a position owes since its entry, of which it keeps ten decimals."""
    owed = (carry.funding - p.funding * KEPT) * (1 if p.size > 0 else -1)
    notional = up(abs(p.size) * index, unit) if owed > 0 else abs(p.size) * index // unit
    return up(notional * owed, ONE) + up(p.reserve * (carry.borrowing - p.borrowing * KEPT), ONE)


def equity_down(p: Any, carry: Carry, index: int, unit: int, mark: int | None = None) -> int:
    """Unclamped."""
    gain = p.size * ((index if mark is None else mark) - p.entry) // unit
    return int(p.margin + gain - carry_up(p, carry, index, unit))


def requirement_up(rate: int, size: int, index: int, unit: int) -> int:
    return up(up(up(abs(size) * index, ONE) * rate, ONE) * ONE, unit)


def premium_up(skew: int, change: int) -> int:
    """The integral of a linear impact over the part of the trade that increases the skew."""
    after = skew + change
    start = 0 if skew * after < 0 else abs(skew)
    if abs(after) <= start:
        return 0
    return up((after * after - start * start) * ONE, 2 * SKEW_SCALE * abs(change))


def fraction_up(equity: int, target: int, fees: int) -> int:
    if equity <= 0:
        return ONE
    if equity >= target:
        return 0
    cost = fees + up(equity * PHI, ONE)
    return ONE if target <= cost else min(ONE, up((target - equity) * ONE, target - cost))


def parts_of(
    p: Any,
    size: int,
    index: int,
    carry: Carry,
    unit: int,
    *,
    premium: int = 0,
    flat: int = 0,
    phi: int = 0,
    keep: bool = False,
    mark: int | None = None,
) -> Parts:
    """A slice of unsigned `size` leaves like a position of its own, after the flat fee on the whole margin."""
    held, sign = abs(p.size), 1 if p.size > 0 else -1
    flat = min(flat, p.margin)
    margin = (p.margin - flat) * size // held
    reserve = p.reserve * size // held
    equity = equity_down(p._replace(margin=margin, reserve=reserve, size=sign * size), carry, index, unit, mark)
    rest = max(0, min(equity, margin + reserve))
    rest -= min(rest, fee_up(CLOSE_FEE + premium, size, index, unit))
    penalty = up(rest * phi, ONE)
    keeper = penalty * (ONE - PHI_TO_POOL) // ONE
    trader = rest - penalty
    pool = margin + reserve - trader - keeper
    left = p.margin - flat - margin + (trader if keep else 0)
    return Parts(0 if keep else trader, pool, keeper + flat, left, p.reserve - reserve, sign * (held - size))


def carry_now(world: World, series: int = 0) -> Carry:
    """Of the perpetual market, at this second."""
    return carry_at(world.perpetual, world.chain.timestamp, series)


def skew_now(market: MarketContracts, series: int = 0) -> int:
    book = series_of(market, series)
    return book.long.size - book.short.size


def liquidation_of(p: Any, index: int, carry: Carry, skew: int, unit: int, flat: int) -> Parts:
    """What liquidating a position must do at an index and at a skew."""
    premium = premium_up(skew, -p.size)
    target = requirement_up(TARGET, p.size, index, unit)
    equity = equity_down(p, carry, index, unit)
    fees = fee_up(CLOSE_FEE + premium, p.size, index, unit)
    fraction = max(fraction_up(equity - flat - 8, target, fees), ONE // 4)
    held = abs(p.size)
    size = up(up(held * fraction, ONE), LOT) * LOT
    if fraction > 3 * ONE // 4 or held - size < ONE // 100:
        size = held
    return parts_of(p, size, index, carry, unit, premium=premium, flat=flat, phi=PHI, keep=size != held)


def liquidation_now(world: World, position: str, index: int) -> Parts:
    """What liquidating a position alone must do now."""
    p = world.perpetual.market.call.positionOf(position)
    return liquidation_of(p, index, carry_now(world), skew_now(world.perpetual), unit_of(world), 5 * world.unit)


def boundary(world: World, position: str) -> int:
    """The last healthy index of a position at this second, on the feed's grid of ticks: one further is liquidatable."""
    p, unit, carry = world.perpetual.market.call.positionOf(position), unit_of(world), carry_now(world)

    def healthy(tick: int) -> bool:
        index = tick * TICK
        return equity_down(p, carry, index, unit) >= requirement_up(MAINTENANCE, p.size, index, unit)

    good, bad = p.entry // TICK, (p.entry // 2 if p.size > 0 else p.entry * 2) // TICK
    assert healthy(good) and not healthy(bad)
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if healthy(middle) else (good, middle)
    return good * TICK


OVER = (0, 0, 0, 0, 0, 0, 0, 0, 0)  # what is told of a position that is over


class Purses:
    """Balances before, to be compared with those after."""

    def __init__(self, world: World, *accounts: str) -> None:
        self.world, self.accounts = world, accounts
        self.before = [world.balance(account) for account in accounts]

    def gained(self) -> list[int]:
        return [self.world.balance(account) - had for account, had in zip(self.accounts, self.before, strict=True)]
