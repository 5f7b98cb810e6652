"""What options add."""

from __future__ import annotations

from itertools import pairwise

from bulkhead.invariants.rules import invariant, of_each, passage, transition
from bulkhead.invariants.state import Action, State
from bulkhead.model.instruments.european_options import EuropeanOptions
from bulkhead.model.interfaces.market import Order, Position, Status
from bulkhead.model.interfaces.volatility_path import Segment
from bulkhead.model.libraries import option_series
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.margin.volatility_feed import UNIT
from bulkhead.model.market import NO_CLAIM


@invariant("OPT-1", "An option's mark lies between 0 and its cap.", "time index at series live options")
def _marks_within_caps(s: State) -> str | None:
    if s.options is None or s.index == 0:
        return None
    for id in s.live:
        mark, cap = s.prices.get(id, (0,))[0], s.market.instrument.cap(id)
        if not 0 <= mark <= cap:
            return f"that of series {id} is {mark}, its cap {cap}"
    return None


@of_each("OPT-2", "Who has posted the largest possible loss of an option is nowhere below maintenance.", "positions at")
def _covered_for_good(s: State, vault: str, p: Position, order: Order) -> str | None:
    if s.options is None or s.index == 0 or p.status != Status.OPEN or p.series not in s.prices:
        return None
    cap, size = s.market.instrument.cap(p.series), abs(p.size)
    worst = p.entry if p.size > 0 else max(cap - p.entry, 0)
    if p.margin < -(-size * worst // s.market.unit):
        return None
    for mark in (0, s.prices[p.series][0], cap):
        equity = p.margin + p.size * (mark - p.entry) // s.market.unit
        required, _ = s.market._required(p, s.index, mark)
        if equity < required:
            return f"has {equity} at the mark {mark}, needs {required}"
    return None


@transition("OPT-3", "After the fixing every unit of collateral leaves with the settlement.", "settle")
def _all_leaves(before: State, action: Action, after: State) -> str | None:
    if before.options is None:
        return None
    for vault in action.touched & before.positions.keys():
        p = before.positions[vault]
        if p.status != Status.OPEN or option_series.expiry(p.series) not in before.options.fixings:
            continue
        if vault in after.positions:
            return f"{vault} is still open"
        old, new = before.claims.get(vault, NO_CLAIM), after.claims.get(vault, NO_CLAIM)
        left = before.balance(vault) - after.balance(vault) + new.trader + new.pool - old.trader - old.pool
        if left != p.margin + p.reserve:
            return f"{left} of {p.margin + p.reserve} left {vault}"
    return None


@passage("OPT-4", "The volatility of a time that is past, or less than the lead ahead, never changes.")
def _path_stays(before: State, after: State) -> str | None:
    if before.options is None or after.options is None or before.options.turns == after.options.turns:
        return None
    path = before.market.instrument
    assert isinstance(path, EuropeanOptions)
    for time in (before.time - path.interval, before.time, before.time + path.lead - 1):
        old, new = (_on_path(path, one.options.turns, time) for one in (before, after) if one.options is not None)
        if old != new:
            return f"that of {time} went from {old} to {new} at {after.time}"
    return None


def _on_path(path: EuropeanOptions, turns: tuple[Segment, ...], time: int) -> int:
    """The volatility that turns tell of a time, in plain numbers."""
    start, from_, target = next((turn for turn in turns if turn.start <= time), turns[-1])
    most = from_ * UNIT * path.ramp // ONE * max(time - start, 0) // 3_600
    moved = min(abs(target - from_) * UNIT, most)
    return from_ * UNIT + (moved if target > from_ else -moved)


@passage("OPT-5", "A settlement price, once known, never changes.")
def _fixed_for_good(before: State, after: State) -> str | None:
    if before.options is None or after.options is None or before.options is after.options:
        return None
    for expiry, index in before.options.fixings.items():
        if after.options.fixings.get(expiry) != index:
            return f"that of {expiry} went from {index} to {after.options.fixings.get(expiry)}"
    return None


@of_each("OPT-6", "A short must have no more than it can still lose; a long has paid.", "positions at options")
def _no_more_than_the_loss(s: State, vault: str, p: Position, order: Order) -> str | None:
    if s.options is None or s.index == 0 or p.status != Status.OPEN or p.series not in s.prices:
        return None
    cap, model, size = s.market.instrument.cap(p.series), s.market.margin_model, abs(p.size)
    for mark in (0, s.prices[p.series][0], cap):
        most = 0 if p.size > 0 else -(-size * max(cap - mark, 0) // ONE)
        _, target = model.maintenance(p.series, s.index, mark, p.size)
        if target > most:
            return f"is asked for {target} at the mark {mark}, and can lose {most}"
    return None


@of_each("OPT-7", "Health of an option falls on one side of the index alone.", "positions at options")
def _monotone(s: State, vault: str, p: Position, order: Order) -> str | None:
    if s.options is None or s.index == 0 or p.status != Status.OPEN or p.series not in s.prices:
        return None
    market, healths = s.market, []
    for index in (s.index // 2, s.index * 9 // 10, s.index, s.index * 11 // 10, s.index * 2):
        mark = market.instrument.mark(p.series, index, s.at)
        healths.append(p.size * (mark - p.entry) // market.unit - market._required(p, index, mark)[0])
    if (p.size > 0) == option_series.is_put(p.series):
        healths.reverse()
    room = 4 + abs(p.size) * s.index // (market.unit * 10**12)  # roundings, and the error of a price
    if any(later < sooner - room for sooner, later in pairwise(healths)):
        return f"has, beside its margin, {healths}"
    return None
