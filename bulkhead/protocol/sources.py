"""Sources of prices as configuration files describe them: a market's feed, and validators, which only check it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bulkhead.model.oracles.source import Kind
from bulkhead.protocol.config import amount, rate, source


@dataclass(frozen=True)
class Feed:
    """A Chainlink proxy: an address with the page that says so, or a mock at `mock_price` on a local chain."""

    description: str
    decimals: int = 8
    address: str = ""
    source: str = ""
    mock_price: Decimal | None = None

    @property
    def mock(self) -> bool:
        """Is it deployed with the markets?"""
        return self.mock_price is not None


@dataclass(frozen=True)
class FeedValidator(Feed):
    """Another Chainlink feed; the rest is as in `OracleTerms`."""

    heartbeat: int = 3_600
    lowest: Decimal = Decimal(0)
    highest: Decimal = Decimal(10**12)

    def encoded(self, at: str) -> dict[str, Any]:
        """The contract's SourceConfig."""
        smallest, largest = amount(self.lowest, self.decimals), amount(self.highest, self.decimals)
        return source(at, self.heartbeat, decimals=self.decimals, smallest=smallest, largest=largest)


@dataclass(frozen=True)
class Named:
    """What never is a mock: an address with the page that says so."""

    address: str
    source: str

    @property
    def mock(self) -> bool:
        """No."""
        return False


@dataclass(frozen=True)
class PythValidator(Named):
    """A price of Pyth, of the contract at `address`.

    id           of the price: 0x and 64 hexadecimal digits
    decimals     of the price: its exponent without the sign
    cadence      seconds from one update to the next, at most
    confidence   largest confidence interval, as a share of the price
    """

    id: str
    decimals: int = 8
    cadence: int = 10
    confidence: Decimal = Decimal("0.01")

    def encoded(self, at: str) -> dict[str, Any]:
        """The contract's SourceConfig. Raises ValueError for what is no id."""
        facts = {"id": self.id_bytes(), "confidence": amount(self.confidence, 9)}
        return source(at, self.cadence, decimals=self.decimals, kind=Kind.PYTH, largest=0, **facts)

    def id_bytes(self) -> bytes:
        """The id as it is. Raises ValueError."""
        try:
            known = bytes.fromhex(self.id.removeprefix("0x"))
        except ValueError:
            known = b""
        if len(known) != 32 or not self.id.startswith("0x"):
            raise ValueError(f"id must be 0x and 64 hexadecimal digits, not {self.id!r}")
        return known


@dataclass(frozen=True)
class PoolValidator(Named):
    """The mean price of a Uniswap v3 pool of the underlying and what it is priced in.

    remember          seconds that it must be able to look back: an order's delay and time to live, and the window
    decimals          of the underlying's token, and of the other
    inverted          false where the underlying is the pool's token0
    window            of the mean, seconds; docs/oracles.md says which
    block_time        least seconds between two blocks of the chain
    lowest, highest   at or beyond them a price is invalid
    """

    remember: int
    decimals: int = 18
    quote_decimals: int = 6
    inverted: bool = False
    window: int = 60
    block_time: int = 12
    lowest: Decimal = Decimal(0)
    highest: Decimal = Decimal(10**12)

    def encoded(self, at: str) -> dict[str, Any]:
        """The contract's SourceConfig."""
        facts: dict[str, Any] = {"kind": Kind.UNISWAP, "inverted": self.inverted, "remember": self.remember}
        facts |= {"blockTime": self.block_time, "smallest": rate(self.lowest)}
        return source(at, self.window, largest=rate(self.highest), **facts)


Validator = FeedValidator | PythValidator | PoolValidator
#: What `kind` in a `[[markets.validators]]` table may be.
VALIDATORS: dict[str, type[Validator]] = {"chainlink": FeedValidator, "pyth": PythValidator, "uniswap": PoolValidator}
