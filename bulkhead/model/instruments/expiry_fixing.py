"""Twin of ExpiryFixing.sol: the settlement price of an expiry from six proven prices in the half hour before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bulkhead.model.instruments.perpetual import ParameterInvalid
from bulkhead.model.interfaces.expiry_fixing import (
    AlreadyFixed,
    NothingToBind,
    Sample,
    SamplesExpired,
    SamplesNotExpired,
    TooManyProofs,
)
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.oracles.errors import OracleEnded

SAMPLES, STEP = 6, 300
WINDOW = SAMPLES * STEP


class Primary(Protocol):
    """What a fixing asks of an oracle."""

    @property
    def heartbeat(self) -> int: ...
    def commitment(self) -> int: ...
    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]: ...
    def final_price(self) -> tuple[bool, int, int]: ...


@dataclass
class Fixing:
    """The word of one expiry. `later`: minutes by which unproven samples were put off."""

    sum: int = 0
    phases: list[int] = field(default_factory=lambda: [0] * SAMPLES)
    proven: list[bool] = field(default_factory=lambda: [False] * SAMPLES)
    done: bool = False
    later: int = 0

    def mean(self) -> int:
        """Of what is proven, rounded down."""
        return self.sum // sum(self.proven)


class ExpiryFixing:
    """`block` stands for the chain. Raises ParameterInvalid."""

    def __init__(self, oracle: Primary, life: int, block: Block) -> None:
        if not oracle.heartbeat < life <= 2 * 86_400:
            raise ParameterInvalid("life", life)
        self.oracle, self.life, self.block = oracle, life, block
        self.words: dict[int, Fixing] = {}

    def bind(self, expiry: int, *, sender: str = "") -> None:
        """Binds the present phase to the samples that lie ahead. Raises NothingToBind, and what the oracle raises."""
        if not self._bind(expiry):
            raise NothingToBind(expiry)

    def prove(self, expiry: int, proofs: Sequence[bytes], *, sender: str = "") -> None:
        """Proves samples. Raises AlreadyFixed, TooManyProofs, SamplesExpired, and what the oracle raises."""
        word = self._unfixed(expiry)
        if len(proofs) > SAMPLES:
            raise TooManyProofs(len(proofs), SAMPLES)
        until = self._until(expiry, word)
        if self.block.timestamp > until:
            raise SamplesExpired(expiry, until)
        told = {
            i: self.oracle.first_after(word.phases[i], self._time(expiry, word, i), proof)
            for i, proof in enumerate(proofs)
            if proof and not word.proven[i]
        }
        for i, (index, _, undisputed) in told.items():
            if undisputed:
                word.sum += index
                word.proven[i] = True
        word.done = all(word.proven)

    def resolve(self, expiry: int, *, sender: str = "") -> None:
        """What all but one sample say is the price; with fewer, the others are taken anew.

        Raises AlreadyFixed, SamplesNotExpired, OracleEnded, and what the oracle raises.
        """
        word = self._unfixed(expiry)
        until = self._until(expiry, word)
        if self.block.timestamp <= until:
            raise SamplesNotExpired(expiry, until)
        if self.oracle.final_price()[0]:
            raise OracleEnded()
        if sum(word.proven) + 1 >= SAMPLES:
            word.done = True
            return
        self.oracle.commitment()
        word.later = (self.block.timestamp - (expiry - WINDOW)) // 60 + 2
        self._bind(expiry)

    def fixing_of(self, expiry: int) -> tuple[bool, int]:
        """The settlement price, once known."""
        word = self.words.get(expiry)
        return (True, word.mean()) if word and word.done else (False, 0)

    def samples_of(self, expiry: int) -> tuple[list[Sample], int]:
        """Every sample, and until when they may be proven."""
        word = self.words.get(expiry, Fixing())
        samples = [Sample(self._time(expiry, word, i), word.phases[i], word.proven[i]) for i in range(SAMPLES)]
        return samples, self._until(expiry, word)

    def _bind(self, expiry: int) -> bool:
        phase, word = self.oracle.commitment(), self.words.setdefault(expiry, Fixing())
        ahead = [i for i in range(SAMPLES) if self._time(expiry, word, i) > self.block.timestamp and not word.proven[i]]
        for i in ahead:
            word.phases[i] = phase
        return bool(ahead)

    def _unfixed(self, expiry: int) -> Fixing:
        word = self.words.setdefault(expiry, Fixing())
        if word.done:
            raise AlreadyFixed(expiry)
        return word

    def _until(self, expiry: int, word: Fixing) -> int:
        return self._time(expiry, word, SAMPLES) + self.life

    def _time(self, expiry: int, word: Fixing, i: int) -> int:
        return expiry - WINDOW + word.later * 60 + i * STEP
