"""Twin of IEuropeanOptions.sol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bulkhead.model.errors import ModelError


class FeedTooSlow(ModelError):
    """heartbeat, limit: the oracle may be silent for longer than options allow."""


class StrikeOutOfBand(ModelError):
    """delta, lowest, highest: a series in which nothing is open is taken up near the money only."""


class VolatilityBehind(ModelError):
    """last, time: the volatility feed has had no good price since `last`."""


class InSettlement(ModelError):
    """series, expiry: between the beginning of its settlement window and its fixing a series has no mark."""


@dataclass(frozen=True)
class OptionTerms:
    """What a family is built from, without its path and fixing; see the Solidity struct."""

    strike_step: int
    call_cap: int
    longest_tenor: int
    smallest_delta: int
    spread: int
    slope: int
    reach: int
    holding: int
    series_share: int
    decimals: int


class Option(NamedTuple):
    """What one series is; prices with 18 decimals."""

    put: bool
    expiry: int
    strike: int
    cap: int


class OptionGreeks(NamedTuple):
    """Value and Greeks of one unit, 18 decimals; signs are those of a long."""

    mark: int
    delta: int
    gamma: int
    vega: int
    theta: int
