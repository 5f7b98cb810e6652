"""Twin of PositionMath.sol: the arithmetic of one position. Every rounding is against the trader."""

from __future__ import annotations

from typing import NamedTuple

from bulkhead.model.errors import ModelError
from bulkhead.model.integers import (
    DIVISION_BY_ZERO,
    MAX_UINT256,
    OVERFLOW,
    Panic,
    saturating_sub,
    signed,
    unsigned,
    wrap_signed,
)

ONE = 10**18
#: Sizes are multiples of it: eight decimals.
LOT = 10**10
MIN_INT256 = -(1 << 255)


class OutOfBounds(ModelError):
    """A product of more than 256 bits: the contract relies on bounds that the caller has broken."""


class Split(NamedTuple):
    """How one exit divides a slice of a vault, token units."""

    to_trader: int
    to_pool: int
    to_keeper: int


def mul_down(a: int, b: int, c: int) -> int:
    """floor(a x b / c); the product must fit in 256 bits. Raises OutOfBounds, Panic."""
    # Its checks stand in mul_up once more: the two are what the fuzzer calls most, and a call is dear.
    product = a * b
    if a < 0 or b < 0 or product + c > MAX_UINT256:
        raise OutOfBounds(a, b)
    if c == 0:
        raise Panic(DIVISION_BY_ZERO)
    return product // c


def mul_up(a: int, b: int, c: int) -> int:
    """ceil(a x b / c); the product must fit in 256 bits. Raises OutOfBounds, Panic."""
    product = a * b
    if a < 0 or b < 0 or product + c > MAX_UINT256:
        raise OutOfBounds(a, b)
    if c == 0:
        raise Panic(DIVISION_BY_ZERO)
    return -(-product // c)


def value_down(size: int, price: int, unit: int) -> int:
    """floor(abs(size) x price / unit)"""
    return mul_down(size, price, unit)


def value_up(size: int, price: int, unit: int) -> int:
    """ceil(abs(size) x price / unit)"""
    return mul_up(size, price, unit)


def fee_up(rate: int, size: int, price: int, unit: int) -> int:
    """ceil(rate x abs(size) x price), rate 1e18 = 100 %"""
    return mul_up(rate, value_up(size, price, unit), ONE)


def gain_down(size: int, entry: int, mark: int, unit: int) -> int:
    """floor(size x (mark - entry))"""
    start, end = (entry, mark) if size > 0 else (mark, entry)
    amount = absolute(size)
    if end >= start:
        return wrap_signed(value_down(amount, end - start, unit))
    return signed(-wrap_signed(value_up(amount, start - end, unit)))


def carry_up(amount: int, fraction: int) -> int:
    """ceil(amount x fraction), a signed fraction of 1e18"""
    if fraction >= 0:
        return wrap_signed(mul_up(amount, fraction, ONE))
    return signed(-wrap_signed(mul_down(amount, signed(-fraction), ONE)))


def largest_loss_down(size: int, mark: int, cap: int, unit: int) -> int:
    """The largest loss still possible at `mark`: a long loses the mark, a short what is left to the cap."""
    if size > 0:
        return value_down(size, mark, unit)
    if cap == MAX_UINT256:
        return MAX_UINT256
    return value_down(absolute(size), unsigned(cap - mark), unit)


def largest_gain_down(size: int, entry: int, cap: int, unit: int) -> int:
    """The largest gain from `entry`: the reserve never exceeds it."""
    if size < 0:
        return value_down(absolute(size), entry, unit)
    if cap == MAX_UINT256:
        return MAX_UINT256
    return value_down(size, cap - entry, unit) if cap > entry else 0


def fill(mark: int, premium_rate: int, index: int, buy: bool) -> int:
    """entry = mark plus premium when buying, minus when selling, never below zero."""
    premium = mul_up(premium_rate, index, ONE)
    return unsigned(mark + premium) if buy else saturating_sub(mark, premium)


def split(margin: int, reserve: int, equity: int, fees: int, phi: int, phi_to_pool: int) -> Split:
    """Divides a slice: close fee, then premium, then phi of what is left, then the trader."""
    rest = 0 if equity <= 0 else min(equity, unsigned(margin + reserve))
    rest -= min(rest, fees)
    penalty = mul_up(rest, phi, ONE)
    to_keeper = mul_down(penalty, unsigned(ONE - phi_to_pool), ONE)
    to_trader = unsigned(rest - penalty)
    to_pool = unsigned(unsigned(unsigned(margin + reserve) - to_trader) - to_keeper)
    return Split(to_trader, to_pool, to_keeper)


def liquidation_fraction_up(equity: int, target: int, fees: int, phi: int) -> int:
    """Smallest fraction whose liquidation restores the target, 1e18 = all."""
    if equity <= 0:
        return ONE
    if equity >= target:
        return 0
    cost = unsigned(fees + mul_up(equity, phi, ONE))
    if target <= cost:
        return ONE
    return min(ONE, mul_up(target - equity, ONE, target - cost))


def absolute(value: int) -> int:
    """Twin of `abs`, whose name Python needs itself. Raises Panic for the smallest int256."""
    if value <= MIN_INT256:
        raise Panic(OVERFLOW)
    return abs(value)
