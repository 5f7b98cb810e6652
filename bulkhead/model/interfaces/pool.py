"""Twin of IPool.sol: structs and errors."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.model.errors import ModelError


@dataclass
class Flow:
    """The money that moves with a change of positions, token units; see the Solidity struct."""

    freed: int = 0
    added: int = 0
    released: int = 0
    vault: str = ""
    sent: int = 0
    received: int = 0
    unpaid: int = 0
    keeper: str = ""
    keeper_fee: int = 0
    ended: int = 0
    index: int = 0


@dataclass(frozen=True)
class Exit:
    """A request to leave; owner None where there is none. `least`: what the shares must bring, token units."""

    owner: str | None = None
    requested_at: int = 0
    phase: int = 0
    shares: int = 0
    least: int = 0


class NotMarket(ModelError):
    """caller."""


class LiquidityShort(ModelError):
    """asked, free."""


class UtilisationAboveCap(ModelError):
    """utilisation, cap."""


class ExitByRequest(ModelError):
    """Positions are open or orders pending."""


class NothingToRedeem(ModelError):
    """No request, or nothing to pay it with."""


class SharesBelowLeast(ModelError):
    """shares, least."""


class SharesTooFew(ModelError):
    """shares."""
