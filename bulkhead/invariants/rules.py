"""The list itself: how an invariant, a rule of a step and a passage are told, and asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bulkhead.invariants.state import Action, State
from bulkhead.model.interfaces.market import Order, Position
from bulkhead.model.libraries.book import Series
from bulkhead.model.market import NO_ORDER

#: What can change from state to state.
_FIELDS = tuple(name for name in State.__dataclass_fields__ if name != "market")

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


INVARIANTS: list[Invariant] = []
TRANSITIONS: list[Transition] = []
PASSAGES: list[Passage] = []
#: Of a call that was refused.
REFUSALS: list[Transition] = []
#: Of a step that was made in another market.
ELSEWHERE: list[Transition] = []


def invariant(id: str, sentence: str, reads: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        INVARIANTS.append(Invariant(id, sentence, check, frozenset(reads.split())))
        return check

    return register


def of_each(id: str, sentence: str, reads: str) -> Callable[[Each], Each]:
    def register(each: Each) -> Each:
        def check(s: State) -> str | None:
            return _first(each, s, s.positions)

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


def _first(each: Each, s: State, vaults: Iterable[str]) -> str | None:
    """The first that is wrong."""
    for vault in vaults:
        if (wrong := each(s, vault, s.positions[vault], s.orders.get(vault, NO_ORDER))) is not None:
            return f"{vault} {wrong}"
    return None


def transition(id: str, sentence: str, of: str = "", rules: list[Transition] = TRANSITIONS) -> Callable[[Rule], Rule]:
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
    changed = {name for name in _FIELDS if now[name] is not then[name] and now[name] != then[name]}
    if not changed:
        return []
    vaults = (state.altered(since) | state.moved(since).keys()) & state.positions.keys()
    series = [id for id, one in state.series.items() if since.series.get(id) is not one]
    found = [f"{one.id}: {wrong}" for one in PASSAGES if (wrong := one.check(since, state)) is not None]
    for one in INVARIANTS:
        if changed.isdisjoint(one.reads):
            continue
        if one.each is not None:
            wrong = _first(one.each, state, vaults)
        elif one.each_series is not None:
            wrong = _first_series(one.each_series, state, series)
        else:
            wrong = one.check(state)
        if wrong is not None:
            found.append(f"{one.id}: {wrong}")
    return found


def broken_by(before: State, action: Action, after: State, rules: list[Transition] = TRANSITIONS) -> list[str]:
    """Rules that a step breaks: "id: what is wrong". A refused call has rules of its own: it changes nothing."""
    rules, name = rules if action.done else REFUSALS, action.name
    return [
        f"{one.id}: {wrong}"
        for one in rules
        if (not one.of or name in one.of) and (wrong := one.check(before, action, after)) is not None
    ]


def differ(what: str, is_: object, should: object) -> str | None:
    return None if is_ == should else f"{what} is {is_}, should be {should}"
