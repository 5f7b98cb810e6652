"""Twin of OracleSettings.sol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bulkhead.model.oracles.chainlink_source import Config
from bulkhead.model.oracles.errors import SettingInvalid
from bulkhead.model.oracles.feed import FeedProxy

ONE = 10**18


@dataclass(frozen=True)
class OracleSettings:
    """What an oracle is built from; see the Solidity struct. Rates have 18 decimals, times are seconds."""

    primary: Config
    validators: Sequence[Config]
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
        n = len(self.validators)
        if n > 4 or n % 2 == 1:
            raise SettingInvalid("validators", n)
        if (self.quorum != 0) if n == 0 else (self.quorum == 0 or self.quorum >= n):
            raise SettingInvalid("quorum", self.quorum)
        if self.deviation >= ONE:
            raise SettingInvalid("deviation", self.deviation)
        if n != 0 and not 0 < self.spread < ONE:
            raise SettingInvalid("spread", self.spread)
        if n == 0 and not 0 < self.jump_limit < ONE:
            raise SettingInvalid("jumpLimit", self.jump_limit)
        if self.max_age == 0:
            raise SettingInvalid("maxAge", 0)
        if self.sequencer is not None and self.grace == 0:
            raise SettingInvalid("grace", 0)
        if self.outage_limit <= self.max_age:
            raise SettingInvalid("outageLimit", self.outage_limit)
