"""The fuzzer: random histories on the contracts and on their model at once, with every invariant after every step.

A history is a list of 64-bit words. Each word says, together with the state it meets, what is done next; a history that
fails is therefore made shorter by leaving words out.

World    what is fuzzed: the terms of its markets and the parts behind them. Subclass it for parts of your own
Pair     a world on the EVM of this process, and its exact model, moved and compared together
Machine  what a word does. Subclass it for steps of your own
"""

from bulkhead.fuzz.machine import Machine
from bulkhead.fuzz.pair import Difference, ModelAlone, Pair
from bulkhead.fuzz.world import World

__all__ = ["Difference", "Machine", "ModelAlone", "Pair", "World"]
