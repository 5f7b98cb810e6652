"""Twin of IExpiryFixing.sol."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from bulkhead.model.errors import ModelError


class NothingToBind(ModelError):
    """expiry: no sample lies ahead."""


class TooManyProofs(ModelError):
    """proofs, samples."""


class SamplesExpired(ModelError):
    """expiry, until: the time to prove samples is over."""


class SamplesNotExpired(ModelError):
    """expiry, until: samples may still be proven."""


class AlreadyFixed(ModelError):
    """expiry: the settlement price is known."""


class Sample(NamedTuple):
    """time after which the first price counts, phase that it is proven with, is it counted?"""

    time: int
    phase: int
    proven: bool


class Fixings(Protocol):
    """What an instrument asks."""

    def fixing_of(self, expiry: int) -> tuple[bool, int]: ...
