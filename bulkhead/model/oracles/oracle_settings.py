"""Twin of OracleSettings.sol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.oracles.errors import CannotBePrimary, SettingInvalid
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.source import Kind, SourceConfig


class Composition(IntEnum):
    """What the second leg does to the primary's price."""

    NONE = 0
    DIVIDE = 1
    MULTIPLY = 2

    def composed(self, own: int, leg: int) -> int:
        """The primary's price over the second leg's, or times it, rounded down; 0: no leg's price, or out of range."""
        if leg == 0:
            return 0
        index = own * ONE // leg if self == Composition.DIVIDE else own * leg // ONE
        return index if index < 2**128 else 0


@dataclass(frozen=True)
class OracleSettings:
    """What an oracle is built from; see the Solidity struct. Rates have 18 decimals, times are seconds."""

    base: bytes
    quote: bytes
    primary: SourceConfig
    validators: Sequence[SourceConfig]
    leg: SourceConfig | None
    composition: Composition
    deviation: int
    spread: int
    quorum: int
    max_age: int
    jump_limit: int
    sequencer: FeedProxy | None
    grace: int
    outage_limit: int

    def check(self) -> None:
        """Raises SettingInvalid for the first setting out of its range."""
        n, has_leg = len(self.validators), self.composition != Composition.NONE
        if not self.base.rstrip(b"\0"):
            raise SettingInvalid("base", 0)
        if not self.quote.rstrip(b"\0"):
            raise SettingInvalid("quote", 0)
        if self.primary.kind == Kind.UNISWAP:
            raise CannotBePrimary(Kind.UNISWAP)
        if has_leg and self.leg is not None and self.leg.kind != Kind.CHAINLINK:
            raise SettingInvalid("leg", self.leg.kind)
        if n > (2 if has_leg else 4) or n % 2 == 1 or (n == 0 and self.primary.kind != Kind.CHAINLINK):
            raise SettingInvalid("validators", n)
        if (self.quorum != 0) if n == 0 else (self.quorum == 0 or self.quorum >= n):
            raise SettingInvalid("quorum", self.quorum)
        if self.deviation >= ONE:
            raise SettingInvalid("deviation", self.deviation)
        if n != 0 and not 0 < self.spread < ONE:
            raise SettingInvalid("spread", self.spread)
        if (n == 0 or has_leg) and not 0 < self.jump_limit < ONE:
            raise SettingInvalid("jumpLimit", self.jump_limit)
        if self.max_age == 0:
            raise SettingInvalid("maxAge", 0)
        if self.sequencer is not None and self.grace == 0:
            raise SettingInvalid("grace", 0)
        if self.outage_limit <= self.max_age:
            raise SettingInvalid("outageLimit", self.outage_limit)
