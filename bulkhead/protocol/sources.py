"""Sources of prices as configuration files describe them.

A market's feed decides, a second leg divides or multiplies its price, and validators only check.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bulkhead.model.oracles.oracle_settings import Composition
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

    def facts(self) -> dict[str, Any]:
        """What of the contract's SourceConfig is its own, where it is the primary."""
        return {}


@dataclass(frozen=True)
class _BoundedFeed(Feed):
    """With what of a primary stands in `OracleTerms`, in the same words."""

    heartbeat: int = 3_600
    lowest: Decimal = Decimal(0)
    highest: Decimal = Decimal(10**12)

    def encoded(self, at: str) -> dict[str, Any]:
        """The contract's SourceConfig."""
        smallest, largest = amount(self.lowest, self.decimals), amount(self.highest, self.decimals)
        return source(at, self.heartbeat, decimals=self.decimals, smallest=smallest, largest=largest)


@dataclass(frozen=True)
class Leg(_BoundedFeed):
    """A second Chainlink feed, whose price divides that of the market's feed, or multiplies it.

    composition   "divide" (ETH / USD by USDC / USD is ETH / USDC) or "multiply" (stETH / ETH by ETH / USD: stETH / USD)
    """

    composition: str = "divide"

    @property
    def operation(self) -> Composition:
        """As the contract takes it. Raises ValueError."""
        if self.composition not in LEGS:
            raise ValueError(f"composition must be {' or '.join(LEGS)}, not {self.composition!r}")
        return LEGS[self.composition]

    def needs(self, base: str, quote: str) -> str:
        """What the feed before it has to be a price of, for base / quote to come out. Raises ValueError."""
        first, _, second = self.description.partition(" / ")
        known, other = (first, second) if self.operation is Composition.DIVIDE else (second, first)
        if known != quote or not other:
            raise ValueError(f"a leg of {self.description} to {self.composition} with gives no price in {quote}")
        return f"{base} / {other}"


#: What `composition` of a leg may be.
LEGS = {"divide": Composition.DIVIDE, "multiply": Composition.MULTIPLY}


@dataclass(frozen=True)
class FeedValidator(_BoundedFeed):
    """Another Chainlink feed. `composed`: it checks the price after the second leg, not the feed's own."""

    composed: bool = False

    def encoded(self, at: str) -> dict[str, Any]:
        """The contract's SourceConfig."""
        return super().encoded(at) | {"composed": self.composed}


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
class PythPrice(Named):
    """A price of Pyth, of the contract at `address`, as a market's feed: whoever executes brings its updates.

    id           of the price: 0x and 64 hexadecimal digits
    decimals     of the price: its exponent without the sign
    confidence   largest confidence interval, as a share of the price
    """

    id: str
    decimals: int = 8
    confidence: Decimal = Decimal("0.01")

    def facts(self) -> dict[str, Any]:
        """What of the contract's SourceConfig is its own. Raises ValueError for what is no id."""
        return {"kind": Kind.PYTH, "id": self.id_bytes(), "confidence": amount(self.confidence, 9)}

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
class PythValidator(PythPrice):
    """Another price of Pyth.

    cadence    seconds from one update to the next, at most
    composed   it checks the price after the second leg, not the feed's own
    """

    cadence: int = 10
    composed: bool = False

    def encoded(self, at: str) -> dict[str, Any]:
        """The contract's SourceConfig. Raises ValueError for what is no id."""
        facts = self.facts() | {"composed": self.composed}
        return source(at, self.cadence, decimals=self.decimals, largest=0, **facts)


@dataclass(frozen=True)
class PoolValidator(Named):
    """The mean price of a Uniswap v3 pool of the underlying and what it is priced in.

    remember          seconds that it must be able to look back: an order's delay and time to live, and the window
    decimals          of the underlying's token, and of the other
    inverted          false where the underlying is the pool's token0
    window            of the mean, seconds; docs/oracles.md says which
    block_time        least seconds between two blocks of the chain
    lowest, highest   at or beyond them a price is invalid
    composed          it checks the price after the second leg, not the feed's own
    """

    remember: int
    decimals: int = 18
    quote_decimals: int = 6
    inverted: bool = False
    window: int = 60
    block_time: int = 12
    lowest: Decimal = Decimal(0)
    highest: Decimal = Decimal(10**12)
    composed: bool = False

    def encoded(self, at: str) -> dict[str, Any]:
        """The contract's SourceConfig."""
        facts: dict[str, Any] = {
            "composed": self.composed,
            "kind": Kind.UNISWAP,
            "inverted": self.inverted,
            "remember": self.remember,
        }
        facts |= {"blockTime": self.block_time, "smallest": rate(self.lowest)}
        return source(at, self.window, largest=rate(self.highest), **facts)


Primary = Feed | PythPrice
#: What `kind` in a `[markets.feed]` table may be.
PRIMARIES: dict[str, type[Primary]] = {"chainlink": Feed, "pyth": PythPrice}

Validator = FeedValidator | PythValidator | PoolValidator
#: What `kind` in a `[[markets.validators]]` table may be.
VALIDATORS: dict[str, type[Validator]] = {"chainlink": FeedValidator, "pyth": PythValidator, "uniswap": PoolValidator}
