"""Whoever executes, whenever, with whatever admissible proof: one outcome (EXE-1). Every short history, in the model.

The contract equals the model on histories of all these kinds: see the differential tests beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from oracle_world import CADENCE, E8, E18, HEARTBEAT, NO_MAX, Block

from bulkhead.model.errors import ModelError
from bulkhead.model.oracles.feed import FeedProxy
from bulkhead.model.oracles.oracle import Oracle, encode_proof
from bulkhead.model.oracles.oracle_settings import Composition, OracleSettings
from bulkhead.model.oracles.pyth import Pyth, Update
from bulkhead.model.oracles.source import Kind, SourceConfig
from bulkhead.protocol.config import OracleTerms, source

START = 1_800_000_000
ID = b"\xee" * 32
STEP = 7


class Chain:
    """An oracle and its sources in the model. `kinds`: of each source c (Chainlink) or p (Pyth), and l for a leg."""

    def __init__(self, kinds: str) -> None:
        self.block = Block(START)
        composed = kinds.endswith("l")
        self.leg = FeedProxy(8) if composed else None
        self.sources: list[Any] = [Pyth() if kind == "p" else FeedProxy(8) for kind in kinds.removesuffix("l")]
        self.published: list[list[Update]] = [[] for _ in self.sources]
        for _ in range(2):
            for i in range(len(self.sources)):
                self.say(i, 2000)
            if self.leg:
                self.leg.push(E8, self.block.timestamp, self.block.timestamp)
            self.block.timestamp += 60
        settings = OracleTerms().encoded("", 8)
        primary, *validators = (self.config(one) for one in self.sources)
        settings |= {"primary": primary, "validators": validators, "sequencer": None, "jumpLimit": E18 // 10}
        settings |= {"quorum": len(validators) // 2, "spread": E18 // 100, "maxAge": HEARTBEAT}
        if self.leg:
            settings |= {"leg": self.config(self.leg), "composition": Composition.DIVIDE}
        self.oracle = Oracle(OracleSettings(*settings.values()), self.block)

    @staticmethod
    def config(one: Any) -> SourceConfig:
        if isinstance(one, FeedProxy):
            return SourceConfig(*source(one, HEARTBEAT, largest=NO_MAX).values())  # type: ignore[arg-type]
        config = SourceConfig(*source(one, CADENCE, largest=0, id=ID, confidence=10**7).values())  # type: ignore[arg-type]
        return replace(config, kind=Kind.PYTH)

    def say(self, i: int, price: int, late: int = 0, phase: int = 0) -> None:
        """A source speaks; `late` seconds ago it saw the price."""
        one, now = self.sources[i], self.block.timestamp
        if isinstance(one, FeedProxy):
            one.push_to(phase or max(one.phases), price * E8, now - late, now)
        else:
            previous = self.published[i][-1].published if self.published[i] else 0
            update = Update(ID, price * E8, 0, -8, max(previous, now - late), previous)
            self.published[i].append(update)
            one.update([update])

    def proofs(self, i: int) -> list[Any]:
        """All that may be shown of a source: every id of its phases and those beside, every update, and nothing."""
        one = self.sources[i] if i < len(self.sources) else self.leg
        if isinstance(one, FeedProxy):
            return [0] + [p << 64 | n for p, rounds in one.phases.items() for n in range(1, len(rounds) + 2)]
        return [None, *self.published[i]]

    def outcomes(self, phase: int, after: int) -> set[tuple[int, int, bool]]:
        """Of all that can be shown now."""
        found = set()
        for shown in product(*(self.proofs(i) for i in range(len(self.sources) + (self.leg is not None)))):
            try:
                found.add(self.executed(phase, after, shown))
            except ModelError:
                continue
        return found

    def executed(self, phase: int, after: int, shown: tuple[Any, ...]) -> tuple[int, int, bool]:
        """One transaction: what is Pyth's is proven first, a validator's as of any time that the primary may have."""
        self.oracle.kept.clear()
        for i, one in enumerate(shown):
            if isinstance(one, Update):
                for time in [after + 1] if i == 0 else self.times():
                    try:
                        self.oracle.prove(i, time, [one])
                    except ModelError:
                        continue
        words = [one if isinstance(one, int) else 0 for one in shown]
        return self.oracle.first_after(phase, after, encode_proof(words[0], tuple(words[1:]) or None))

    def times(self) -> Iterable[int]:
        """When the primary's prices were seen."""
        one = self.sources[0]
        if isinstance(one, FeedProxy):
            return {seen for rounds in one.phases.values() for _, seen, _ in rounds}
        return {update.published for update in self.published[0]}


Action = Callable[[Chain], Any]

PUSHES: dict[str, Action] = {
    "a price": lambda c: c.say(0, 2010),
    "a price seen earlier": lambda c: c.say(0, 2020, late=STEP + 1),
    "a jump": lambda c: c.say(0, 3000),
}
PHASES: dict[str, Action] = {
    "a new phase": lambda c: c.sources[0].new_phase(),
    "a retired aggregator": lambda c: c.say(0, 2030, phase=1),
    "a gap": lambda c: setattr(c.block, "timestamp", c.block.timestamp + HEARTBEAT + 1),
}
CHECKS: dict[str, Action] = {
    "a price": lambda c: c.say(0, 2010),
    "the first agrees": lambda c: c.say(1, 2010),
    "the first lies": lambda c: c.say(1, 1),
    "the second lies": lambda c: c.say(2, 9000),
}
MOVES: dict[str, Action] = {
    "a validator's new phase": lambda c: c.sources[1].new_phase(),
    "its retired aggregator": lambda c: c.say(1, 2010, phase=1),
    "an outage is checked": lambda c: (
        setattr(c.block, "timestamp", c.block.timestamp + 86_401),
        c.oracle.check_outage(),
    ),
}
LEG: dict[str, Action] = {
    "a price": lambda c: c.say(0, 2010),
    "the leg": lambda c: c.leg and c.leg.push(E8 + E8 // 50, c.block.timestamp, c.block.timestamp),
    "the leg jumps": lambda c: c.leg and c.leg.push(2 * E8, c.block.timestamp, c.block.timestamp),
    "the leg's new phase": lambda c: c.leg and c.leg.new_phase(),
    "the leg's retired aggregator": lambda c: c.leg and c.leg.push_to(1, 3 * E8, c.block.timestamp, c.block.timestamp),
}


@pytest.mark.parametrize(
    ("kinds", "actions", "length"),
    [
        ("c", PUSHES | PHASES, 4),
        ("ccc", CHECKS | MOVES, 3),
        ("pcc", CHECKS | MOVES, 3),
        ("cpp", CHECKS, 4),
        ("ppp", CHECKS, 4),
        ("cpc", CHECKS, 4),
        ("cl", LEG, 4),
    ],
)
def test_rows_10_30_32_every_short_history_has_one_outcome(kinds: str, actions: dict[str, Action], length: int) -> None:
    decided = 0
    for history in product(actions, repeat=length):
        chain = Chain(kinds)
        phase, after = chain.oracle.commitment(), chain.block.timestamp
        found: set[tuple[int, int, bool]] = set()
        for action in history:
            chain.block.timestamp += STEP
            actions[action](chain)
            found |= chain.outcomes(phase, after)
            chain.block.timestamp += 1
            found |= chain.outcomes(phase, after)
        assert len(found) <= 1, (history, found)
        decided += len(found)
    assert decided > len(actions) ** length // 4, "most histories have a price"
