"""Twin of IMarket.sol: structs, enums and errors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bulkhead.model.errors import ModelError


@dataclass(frozen=True)
class MarketConfig:
    """The terms of a market; rates 1e18 = 100 %, amounts token units, times seconds. Its parts are given apart."""

    delay: int
    time_to_live: int
    open_fee: int
    close_fee: int
    phi: int
    phi_to_pool: int
    smallest_liquidation: int
    largest_liquidation: int
    smallest_reserve: int
    largest_reserve: int
    largest_utilisation: int
    keeper_floor: int
    keeper_cap: int
    liquidation_fee: int
    min_margin: int
    min_size: int


class Status(IntEnum):
    """Of a position."""

    NONE = 0
    PENDING = 1
    OPEN = 2


class OrderKind(IntEnum):
    """Of an order."""

    NONE = 0
    OPEN = 1
    CLOSE = 2
    RAISE_RESERVE = 3


class VoidReason(IntEnum):
    """Why an order came to nothing."""

    NONE = 0
    OUTSIDE_BAND = 1
    DISPUTED = 2
    LATE = 3
    UNPROVEN = 4
    SERIES_CLOSED = 5
    FUNDING_REFUSED = 6
    RESERVE_REACHED = 7
    MARKET_ENDED = 8


class ExitKind(IntEnum):
    """How a position, or a part of it, ended."""

    CLOSE = 0
    LIQUIDATION = 1
    AT_RESERVE = 2
    SETTLEMENT = 3


class Action(IntEnum):
    """What an operator may be allowed to do."""

    OPEN = 0
    CLOSE = 1
    RAISE_RESERVE = 2
    REMOVE_MARGIN = 3


@dataclass(frozen=True)
class Position:
    """While pending, `reserve` is the earmark and `time` that of the request; indices of carry have ten decimals."""

    margin: int = 0
    reserve: int = 0
    status: Status = Status.NONE
    size: int = 0
    entry: int = 0
    series: int = 0
    time: int = 0
    funding: int = 0
    borrowing: int = 0


@dataclass(frozen=True)
class Order:
    """The order of a position; `amount` is lots to close, or token units of reserve."""

    kind: OrderKind = OrderKind.NONE
    requested_at: int = 0
    phase: int = 0
    premium: int = 0
    amount: int = 0
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Leg:
    """One leg of an opening order."""

    series: int
    size: int
    margin: int
    reserve: int
    max_premium: int


class UnknownPosition(ModelError):
    """position."""


class WrongStatus(ModelError):
    """position, status, wanted."""


class SizeTooSmall(ModelError):
    """size, minimum."""


class SizeNotInLots(ModelError):
    """size, lot."""


class AmountTooLarge(ModelError):
    """amount."""


class MarginBelowMinimum(ModelError):
    """margin, minimum."""


class MarginTooSmall(ModelError):
    """equity, required: less fees, the premium and any loss, it is below what the model asks."""


class ReserveOutOfBounds(ModelError):
    """reserve, lowest, highest."""


class PremiumAboveLimit(ModelError):
    """premium, limit."""


class BandInvalid(ModelError):
    """low, high."""


class OrderPending(ModelError):
    """position."""


class NoOrder(ModelError):
    """position."""


class OrderDue(ModelError):
    """position: its own order goes first."""


class ReserveNotReached(ModelError):
    """position, gain, reserve."""


class PriceNotLater(ModelError):
    """time, openedAt."""


class SeriesNotOpen(ModelError):
    """series, time: not traded now, or too many series are live."""


class NothingToClaim(ModelError):
    """position."""


class NotTrader(ModelError):
    """caller, trader."""


class TransferShort(ModelError):
    """received, wanted: the token takes a fee on transfer."""
