"""The errors of IOracle.sol. Prices have 18 decimals, times are unix seconds."""

from __future__ import annotations

from bulkhead.model.errors import ModelError


class PriceStale(ModelError):
    """time, maxAge: no price, or one older than the age limit."""


class PriceInvalid(ModelError):
    """answer: at or below zero, or at the bound of its feed."""


class PriceDisputed(ModelError):
    """index, agreeing, quorum: fewer validators than the quorum agree with the primary."""


class PriceJumped(ModelError):
    """index, previous: a single source moved more than its limit since its round before."""


class InGrace(ModelError):
    """until: the L2 sequencer is down, or came back less than a grace ago."""


class ProofInvalid(ModelError):
    """round, afterTime: not the round it has to be."""


class PriceNotThereYet(ModelError):
    """afterTime: no price observed after it yet."""


class OracleEnded(ModelError):
    """There is a final price and no other."""


class QuorumNotShown(ModelError):
    """agreeing, notShown, quorum: too few agree, but enough have not been shown that could."""


class LegInvalid(ModelError):
    """time, answer: the feed that the price is composed with is silent, or its answer out of bounds."""


class DecimalsDiffer(ModelError):
    """source, declared, found: a source has another number of decimals than was declared."""


class SourceSilent(ModelError):
    """source: it has no price at all."""


class CannotBePrimary(ModelError):
    """kind: a source of this kind cannot prove a first price after a time."""


class NotPulled(ModelError):
    """source: only a price of Pyth is proven by updates."""


class FeeDiffers(ModelError):
    """sent, fee: the native value sent is not the fee."""


class SettingInvalid(ModelError):
    """setting, value: a setting of the constructor is out of its range; the setting is a bytes32."""

    def __init__(self, setting: str, value: int) -> None:
        super().__init__(setting.encode().ljust(32, b"\0"), value)
