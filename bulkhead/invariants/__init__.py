"""The one list of what must hold: an id, a sentence, a check.

An invariant looks at one state, a rule at a state before an action, the action, and the state after it. Both answer
None where they hold, else what is wrong in a few words. They look at the model, the exact twin of the contracts: where
a chain is compared with its model to the unit, what holds of one holds of the other.

Ids are those of docs/spec.md where a promise has one; the others name what they count (BOOK, POOL, POS, ORD, CAR).
"""

from bulkhead.invariants import of_states, of_steps, with_options
from bulkhead.invariants.rules import ELSEWHERE, INVARIANTS, PASSAGES, REFUSALS, TRANSITIONS, broken, broken_by
from bulkhead.invariants.state import NOTIONAL, Action, Margins, State, newest_price, volatility_of

#: Of every invariant and rule, by id.
SENTENCES: dict[str, str] = {one.id: one.sentence for one in INVARIANTS}
SENTENCES |= {one.id: one.sentence for one in (*REFUSALS, *TRANSITIONS, *ELSEWHERE)}
SENTENCES |= {one.id: one.sentence for one in PASSAGES}

__all__ = [
    "ELSEWHERE",
    "INVARIANTS",
    "NOTIONAL",
    "PASSAGES",
    "REFUSALS",
    "SENTENCES",
    "TRANSITIONS",
    "Action",
    "Margins",
    "State",
    "broken",
    "broken_by",
    "newest_price",
    "of_states",
    "of_steps",
    "volatility_of",
    "with_options",
]
