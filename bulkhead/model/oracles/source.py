"""Twin of Source.sol: what a source is given as, and pinned to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple


class Kind(IntEnum):
    """What a source is."""

    CHAINLINK = 0
    PYTH = 1
    UNISWAP = 2


@dataclass(frozen=True)
class SourceConfig:
    """See the Solidity struct. `at` is a FeedProxy, a Pyth or a pool; the other facts are those of its kind."""

    kind: Kind
    at: Any
    id: bytes
    decimals: int
    heartbeat: int
    smallest: int
    largest: int
    confidence: int
    inverted: bool
    remember: int
    block_time: int
    composed: bool


class Feed(NamedTuple):
    """A pinned source; `at` of a pool is what UniswapSource has pinned."""

    kind: Kind
    at: Any
    heartbeat: int
    decimals: int
    composed: bool
    confidence: int = 0

    @property
    def is_push(self) -> bool:
        """Chainlink."""
        return self.kind == Kind.CHAINLINK


class Bounds(NamedTuple):
    """Answers at or beyond these are invalid; of Pyth the id of its price."""

    smallest: int = 0
    largest: int = 0
    id: bytes = b""


class Round(NamedTuple):
    """`index` is 0 where the answer is invalid, `observed` where there is none."""

    id: int = 0
    answer: int = 0
    index: int = 0  # type: ignore[assignment]  # shadows tuple.index, which nobody needs
    observed: int = 0
    transmitted: int = 0


#: Rounds that a walk looks at. On chain it ends, too, when its source has burnt too much gas.
WALK = 32


@dataclass
class Walk:
    """How far a search without proofs has gone back: where it stands, and how many rounds it has looked at."""

    at: Round = field(default_factory=Round)
    steps: int = 0

    def is_over(self) -> bool:
        """Has it looked at all that it may?"""
        return self.steps >= WALK
