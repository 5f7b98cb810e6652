"""The list itself: how an invariant, a rule of a step and a passage are told, and asked."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import compress
from operator import is_not, itemgetter
from typing import TypeVar

from bulkhead.invariants.state import CONTAINERS, Action, State
from bulkhead.model.interfaces.market import Order, Position
from bulkhead.model.libraries.book import Series
from bulkhead.model.market import NO_ORDER

#: What can change from state to state.
_FIELDS = tuple(name for name in State.__dataclass_fields__ if name != "market")
_VALUES = itemgetter(*_FIELDS)

T = TypeVar("T")
Check = Callable[[State], str | None]
Each = Callable[[State, str, Position, Order], str | None]
EachSeries = Callable[[State, int, Series], str | None]
Rule = Callable[[State, Action, State], str | None]


@dataclass(frozen=True)
class Invariant:
    """Holds of every state; `reads` are the fields of a state that it looks at.

    each         where it looks at one position at a time, the check of one: vault, position, order
    each_series  where it looks at one series at a time, the check of one: id, series
    """

    id: str
    sentence: str
    check: Check
    reads: frozenset[str]
    each: Each | None = None
    each_series: EachSeries | None = None


@dataclass(frozen=True)
class Transition:
    """Holds of every step; of calls of certain names alone, where `of` names any."""

    id: str
    sentence: str
    check: Rule
    of: frozenset[str]


@dataclass(frozen=True)
class Passage:
    """Holds of any two states of which every one between held too: of a step and of the time around it."""

    id: str
    sentence: str
    check: Callable[[State, State], str | None]


class Rules(list[T]):
    """A list that remembers which of it are asked when."""

    def __init__(self, rules: Iterable[T] = ()) -> None:
        super().__init__(rules)
        self._asked: dict[Hashable, list[T]] = {}

    def append(self, rule: T) -> None:
        """At the end; what is remembered is forgotten."""
        super().append(rule)
        self._asked.clear()

    def asked(self, when: Hashable, of: Callable[[T], bool]) -> list[T]:
        """Those that `of` picks, which is the same for the same `when`."""
        found = self._asked.get(when)
        if found is None:
            found = self._asked[when] = [one for one in self if of(one)]
        return found


INVARIANTS: Rules[Invariant] = Rules()
TRANSITIONS: Rules[Transition] = Rules()
PASSAGES: Rules[Passage] = Rules()
#: Of a call that was refused.
REFUSALS: Rules[Transition] = Rules()
#: Of a step that was made in another market.
ELSEWHERE: Rules[Transition] = Rules()


def invariant(id: str, sentence: str, reads: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        INVARIANTS.append(Invariant(id, sentence, check, frozenset(reads.split())))
        return check

    return register


def of_each(id: str, sentence: str, reads: str) -> Callable[[Each], Each]:
    def register(each: Each) -> Each:
        def check(s: State) -> str | None:
            return _first(each, s, _with_orders(s, s.positions))

        INVARIANTS.append(Invariant(id, sentence, check, frozenset(reads.split()), each))
        return each

    return register


def of_each_series(id: str, sentence: str, reads: str) -> Callable[[EachSeries], EachSeries]:
    def register(each: EachSeries) -> EachSeries:
        def check(s: State) -> str | None:
            return _first_series(each, s, s.series)

        INVARIANTS.append(Invariant(id, sentence, check, frozenset(reads.split()), each_series=each))
        return each

    return register


def _first_series(each: EachSeries, s: State, ids: Iterable[int]) -> str | None:
    """The first that is wrong."""
    for id in ids:
        if (wrong := each(s, id, s.series[id])) is not None:
            return f"series {id} {wrong}"
    return None


def _with_orders(s: State, vaults: Iterable[str]) -> list[tuple[str, Position, Order]]:
    return [(vault, s.positions[vault], s.orders.get(vault, NO_ORDER)) for vault in vaults]


def _first(each: Each, s: State, positions: Iterable[tuple[str, Position, Order]]) -> str | None:
    """The first that is wrong."""
    for vault, p, order in positions:
        if (wrong := each(s, vault, p, order)) is not None:
            return f"{vault} {wrong}"
    return None


def transition(id: str, sentence: str, of: str = "", rules: Rules[Transition] = TRANSITIONS) -> Callable[[Rule], Rule]:
    def register(check: Rule) -> Rule:
        rules.append(Transition(id, sentence, check, frozenset(of.split())))
        return check

    return register


def passage(id: str, sentence: str) -> Callable[[Callable[[State, State], str | None]], None]:
    def register(check: Callable[[State, State], str | None]) -> None:
        PASSAGES.append(Passage(id, sentence, check))

    return register


def broken(state: State, since: State | None = None) -> list[str]:
    """Invariants that a state breaks: "id: what is wrong". Those that look at nothing that has changed `since` a state
    in which all held are not asked again, nor are they of positions and series that are as they were. What lies between
    the two states is held to the passages."""
    if since is None:
        return [f"{one.id}: {wrong}" for one in INVARIANTS if (wrong := one.check(state)) is not None]
    state.follow(since)
    now, then = state.__dict__, since.__dict__
    others = compress(_FIELDS, map(is_not, _VALUES(now), _VALUES(then)))
    changed = frozenset([name for name in others if name in CONTAINERS or now[name] != then[name]])
    if not changed:
        return []
    positions = _with_orders(state, (state.altered(since) | state.moved(since).keys()) & state.positions.keys())
    series = [id for id, one in state.series.items() if since.series.get(id) is not one]
    found = [f"{one.id}: {wrong}" for one in PASSAGES if (wrong := one.check(since, state)) is not None]
    for one in INVARIANTS.asked(changed, lambda one: not changed.isdisjoint(one.reads)):
        if one.each is not None:
            wrong = _first(one.each, state, positions)
        elif one.each_series is not None:
            wrong = _first_series(one.each_series, state, series)
        else:
            wrong = one.check(state)
        if wrong is not None:
            found.append(f"{one.id}: {wrong}")
    return found


def broken_by(before: State, action: Action, after: State, rules: Rules[Transition] = TRANSITIONS) -> list[str]:
    """Rules that a step breaks: "id: what is wrong". A refused call has rules of its own: it changes nothing."""
    rules, name = rules if action.done else REFUSALS, action.name
    asked = rules.asked(name, lambda one: not one.of or name in one.of)
    return [f"{one.id}: {wrong}" for one in asked if (wrong := one.check(before, action, after)) is not None]


def differ(what: str, is_: object, should: object) -> str | None:
    return None if is_ == should else f"{what} is {is_}, should be {should}"
