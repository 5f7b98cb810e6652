"""The same machine as Hypothesis runs it: a state machine whose one rule is a word.

    from bulkhead.fuzz.stateful import state_machine
    TestMine = state_machine(World(margin_model="Mine(1,2)")).TestCase

One rule, because a rule per kind of step leaves few positions alive: Hypothesis draws rules evenly.
"""

from __future__ import annotations

from functools import lru_cache

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bulkhead.fuzz.machine import MAX, Machine
from bulkhead.fuzz.pair import Pair
from bulkhead.fuzz.world import World


@lru_cache(maxsize=8)
def _machine(world: World) -> Machine:
    return world.machine(Pair(world))


def state_machine(world: World | None = None) -> type[RuleBasedStateMachine]:
    """A machine of Hypothesis for a world; deployed once, put back for every example."""

    class Histories(RuleBasedStateMachine):
        machine = _machine(world or World())

        def __init__(self) -> None:
            super().__init__()
            self.machine.begin()

        @rule(word=st.integers(0, MAX))
        def step(self, word: int) -> None:
            """What the word says."""
            self.machine.step(word)

        def teardown(self) -> None:
            """Everything once more, from the beginning."""
            self.machine.pair.finish()

    return Histories
