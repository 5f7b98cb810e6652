"""The fuzzer as a test: a few of its histories, on the contracts of this process."""

from __future__ import annotations

from bulkhead.fuzz.campaign import Plan, history, play
from bulkhead.fuzz.machine import Machine
from bulkhead.fuzz.pair import Pair

SEED, HISTORIES, LENGTH = 1, 2, 300
#: Worlds of the part that is played first, and of the rest.
WORLDS = range(1), range(1, 14)


def play_histories(part: int) -> None:
    """Some in each world of a part. Raises AssertionError where one goes wrong."""
    plan = Plan(SEED)
    for world in WORLDS[part]:
        machine = Machine(Pair(plan.world_of(world)))
        for number in range(HISTORIES):
            story = play(machine, history(SEED, world * HISTORIES + number, LENGTH))
            assert story is None, story


def no_histories(part: int) -> None:
    """For hunts by named tests alone: the fuzzer notices nothing, and never claims that it does."""
