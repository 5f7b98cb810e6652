"""Solidity's arithmetic on Python's integers: what is checked panics, what is cast wraps, what is divided truncates."""

from __future__ import annotations

from bulkhead.model.errors import ModelError

OVERFLOW, DIVISION_BY_ZERO = 0x11, 0x12
#: The largest uintN, which is its mask as well: `value & MAX_UINT40` is the cast uint40(value).
MAX_UINT32, MAX_UINT40, MAX_UINT56, MAX_UINT64 = (1 << 32) - 1, (1 << 40) - 1, (1 << 56) - 1, (1 << 64) - 1
MAX_UINT72, MAX_UINT80, MAX_UINT88, MAX_UINT128 = (1 << 72) - 1, (1 << 80) - 1, (1 << 88) - 1, (1 << 128) - 1
MAX_UINT256 = (1 << 256) - 1


class Panic(ModelError):
    """code: 0x11 arithmetic overflow or underflow, 0x12 division by zero."""


class SafeCastOverflowedUintDowncast(ModelError):
    """bits, value."""


def unsigned(value: int, bits: int = 256) -> int:
    """The result of checked arithmetic in uintN. Raises Panic."""
    if value < 0 or value >> bits:
        raise Panic(OVERFLOW)
    return value


def signed(value: int, bits: int = 256) -> int:
    """The result of checked arithmetic in intN. Raises Panic."""
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise Panic(OVERFLOW)
    return value


def wrap(value: int, bits: int) -> int:
    """The cast uintN(value)."""
    return value & (1 << bits) - 1


def wrap_signed(value: int, bits: int = 256) -> int:
    """The cast intN(value)."""
    half = 1 << bits - 1
    return (value + half & 2 * half - 1) - half


def to_uint(value: int, bits: int) -> int:
    """SafeCast of a uint256 to uintN. Raises SafeCastOverflowedUintDowncast."""
    if value >> bits:
        raise SafeCastOverflowedUintDowncast(bits, value)
    return value


def mul_div(x: int, y: int, denominator: int) -> int:
    """floor(x * y / denominator) of uint256, the product in full. Raises Panic."""
    # The bound stands here and below, not in `unsigned`: the fuzzer spends its time here, and calls are dear.
    if denominator == 0:
        raise Panic(DIVISION_BY_ZERO)
    value = x * y // denominator
    if value < 0 or value > MAX_UINT256:
        raise Panic(OVERFLOW)
    return value


def mul_div_up(x: int, y: int, denominator: int) -> int:
    """ceil(x * y / denominator) of uint256, the product in full. Raises Panic."""
    if denominator == 0:
        raise Panic(DIVISION_BY_ZERO)
    value = -(-x * y // denominator)
    if value < 0 or value > MAX_UINT256:
        raise Panic(OVERFLOW)
    return value


def quotient(x: int, y: int) -> int:
    """Signed division, towards zero; y is positive."""
    return x // y if x >= 0 else -(-x // y)


def saturating_sub(x: int, y: int) -> int:
    """x - y, at least 0."""
    return max(x - y, 0)
