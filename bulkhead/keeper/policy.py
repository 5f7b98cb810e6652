"""What to do, as a function of what is the case. Nothing here asks or tells a chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bulkhead.chain import Address
from bulkhead.keeper.settings import Job, Settings
from bulkhead.model.integers import saturating_sub
from bulkhead.model.interfaces.expiry_fixing import Sample
from bulkhead.model.interfaces.market import MarketConfig, Order, OrderKind, Position
from bulkhead.model.interfaces.pool import Exit

#: Names of what is not a position, among the targets of intents.
FIRST_EXIT, CLOCK = "first exit", "outage clock"
#: Of a volatility feed: the next one is to be updated, or to be skipped.
GRID_POINT, EXPIRED_POINT = "grid point", "expired grid point"
#: Of the path of volatility that the marks of options follow: its next turn is to be decided.
TURN = "turn of the path"
#: Jobs that nobody pays for, with a budget of their own; and all that pay nothing, and are done all the same.
UPKEEP = frozenset({Job.VOLATILITY, Job.FIX})
UNPAID = UPKEEP | {Job.OUTAGE}
#: Seconds before the first sample of a settlement price from which on it is bound to a phase of the feed.
AHEAD = 86_400
#: An outage must be witnessed every eighth of its limit; a tenth leaves room for a transaction that is late.
WITNESSES = 10


@dataclass(frozen=True)
class Price:
    """18 decimals; unix seconds."""

    index: int
    time: int


class Held(NamedTuple):
    """A position and its order, of kind NONE where there is none."""

    vault: Address
    position: Position
    order: Order


class GridPoint(NamedTuple):
    """The next one of a volatility feed: is it to be updated, or to be skipped?"""

    due: bool
    expired: bool


class Fixing(NamedTuple):
    """An expiry whose settlement price is not known yet: its samples, and until when they may be proven; seconds."""

    expiry: int
    samples: Sequence[Sample]
    until: int


class Step(StrEnum):
    """What is done for a settlement price: to all samples ahead, to one that lies behind, or after their time."""

    BIND = "bind"
    PROVE = "prove"
    RESOLVE = "resolve"

    def target(self, expiry: int, sample: int = 0) -> str:
        """Its name among the targets of intents: `split` gives back what it is made of."""
        return f"{self} {expiry} {sample}"


class Clock(NamedTuple):
    """Of an outage: when it was started (0: it is not) and last witnessed, and how long it runs. Unix seconds."""

    started: int
    seen: int
    limit: int


@dataclass(frozen=True)
class State:
    """A market at one block.

    now            the block's time
    price          the newest valid price, or None; `unpriced_since` when there was last one
    pulled         there may be newer ones, which whoever needs them brings along
    phase          what the oracle tells a commit now; None where it refuses commits
    ended          there is a final price and no other
    waiting        positions with an order
    liquidatable   positions whose equity is below what it must be at `price`
    winners        positions whose gain has reached their reserve at `price`
    settleable     all positions once the market has ended, before that those of expired series
    first_exit     the request that is first in the pool's line
    grid_point     of the volatility feed that the market's margins follow, or the marks of its options
    turn_due       the path of volatility that the marks of options follow can be led on
    fixings        expiries of positions that are near or past, and not fixed
    busy           what transactions are under way for, and what is left alone for a while
    """

    now: int
    config: MarketConfig
    price: Price | None
    unpriced_since: int
    phase: int | None
    ended: bool
    clock: Clock
    waiting: Sequence[Held] = ()
    liquidatable: Sequence[Held] = ()
    winners: Sequence[Held] = ()
    settleable: Sequence[Held] = ()
    first_exit: Exit | None = None
    grid_point: GridPoint | None = None
    turn_due: bool = False
    fixings: Sequence[Fixing] = ()
    busy: frozenset[str] = frozenset()
    pulled: bool = False


@dataclass(frozen=True)
class Intent:
    """One transaction to send. `targets` are vaults or one of the names above; `pay` is at least what it brings."""

    job: Job
    targets: tuple[str, ...]
    pay: int


def decide(state: State, settings: Settings) -> list[Intent]:
    """All that the wanted jobs would do now, in the order of `_JOBS`; nothing twice, nothing that is busy."""
    found: list[Intent] = []
    taken = set(state.busy)
    for job, intents in _JOBS.items():
        if job not in settings.jobs:
            continue
        for intent in intents(state, settings):
            targets = tuple(target for target in intent.targets if target not in taken)
            if targets == intent.targets:
                taken.update(targets)
                found.append(intent)
    return found


def is_worth_it(intent: Intent, gas: int, price: int, settings: Settings) -> bool:
    """Is the least profit left after gas at `price` wei? What pays nothing may cost: budgets bound it."""
    cost = -(-gas * price * settings.coin // 10**18)
    return intent.job in UNPAID or intent.pay - cost >= settings.least_profit


def execute(state: State, settings: Settings) -> Iterator[Intent]:
    """Orders whose first price may be there, and those that nobody can prove any more."""
    if state.ended:
        return
    for held in sorted(_free(state, state.waiting), key=lambda held: held.order.requested_at):
        due = held.order.requested_at + state.config.delay
        expired = state.now > due + state.config.time_to_live
        if expired or _may_be_there(state, due):
            yield Intent(Job.EXECUTE, (held.vault,), _order_pay(state, held))


def liquidate(state: State, settings: Settings) -> Iterator[Intent]:
    """In batches. A position whose own close goes first is left to `execute`."""
    price = state.price
    if price is None:
        return
    ready = [
        held
        for held in _free(state, state.liquidatable)
        if price.time > held.position.time and not (held.order.kind == OrderKind.CLOSE and _goes_first(state, held))
    ]
    yield from _batches(Job.LIQUIDATE, ready, state.config.liquidation_fee, settings.batch)


def close_at_reserve(state: State, settings: Settings) -> Iterator[Intent]:
    """One by one: the call takes one. Any order of theirs that may have its price goes first."""
    price = state.price
    if price is None:
        return
    for held in _free(state, state.winners):
        if price.time > held.position.time and not _goes_first(state, held):
            yield Intent(Job.CLOSE_AT_RESERVE, (held.vault,), min(state.config.keeper_floor, held.position.margin))


def settle(state: State, settings: Settings) -> Iterator[Intent]:
    """Everything whose final price is known."""
    yield from _batches(Job.SETTLE, list(_free(state, state.settleable)), state.config.keeper_floor, settings.batch)


def pay_exit(state: State, settings: Settings) -> Iterator[Intent]:
    """The first in line, once a price after its request may be there."""
    first = state.first_exit
    if first is None or first.owner is None:
        return
    if _may_be_there(state, first.requested_at + state.config.delay):
        yield Intent(Job.EXIT, (FIRST_EXIT,), state.config.keeper_floor)


def watch_outage(state: State, settings: Settings) -> Iterator[Intent]:
    """Starts the clock when prices stay away, witnesses that they do, and clears it when one is back."""
    clock, now = state.clock, state.now
    if state.ended:
        return
    if clock.started == 0:
        wanted = state.price is None and now >= state.unpriced_since + settings.outage_after
    elif state.price is not None:
        wanted = state.price.time > clock.started
    else:
        wanted = now >= min(clock.seen + clock.limit // WITNESSES, clock.started + clock.limit)
    if wanted:
        yield Intent(Job.OUTAGE, (CLOCK,), 0)


def update_volatility(state: State, settings: Settings) -> Iterator[Intent]:
    """A point of the grid whose price may be there, or whose time is over; then the path, which follows the feed.

    For as long as the market goes on.
    """
    point = state.grid_point
    if point is not None and (point.due or point.expired) and not state.ended:
        yield Intent(Job.VOLATILITY, (EXPIRED_POINT if point.expired else GRID_POINT,), 0)
    if state.turn_due and not state.ended:
        yield Intent(Job.VOLATILITY, (TURN,), 0)


def fix(state: State, settings: Settings) -> Iterator[Intent]:
    """Samples are bound before the settlement window, proven one by one as they come, resolved where some are missing.

    One that was never bound to a phase cannot be proven.
    """
    now = state.now
    for fixing in () if state.ended else state.fixings:
        if now > fixing.until:
            yield Intent(Job.FIX, (Step.RESOLVE.target(fixing.expiry),), 0)
            continue
        ahead = [sample for sample in fixing.samples if sample.time > now and not sample.proven]
        unbound = state.phase is not None and any(sample.phase != state.phase for sample in ahead)
        if unbound and now >= ahead[0].time - AHEAD:
            yield Intent(Job.FIX, (Step.BIND.target(fixing.expiry),), 0)
        for number, sample in enumerate(fixing.samples):
            if _may_be_there(state, sample.time) and sample.phase and not sample.proven:
                yield Intent(Job.FIX, (Step.PROVE.target(fixing.expiry, number),), 0)


_JOBS = {
    Job.SETTLE: settle,
    Job.EXECUTE: execute,
    Job.LIQUIDATE: liquidate,
    Job.CLOSE_AT_RESERVE: close_at_reserve,
    Job.EXIT: pay_exit,
    Job.OUTAGE: watch_outage,
    Job.FIX: fix,
    Job.VOLATILITY: update_volatility,
}


def _may_be_there(state: State, time: int) -> bool:
    """The first price after a time. Where the newest one is not known, only trying it out tells."""
    price = state.price
    return state.now > time and (state.pulled or price is None or price.time > time)


def _free(state: State, held: Sequence[Held]) -> Iterator[Held]:
    return (one for one in held if one.vault not in state.busy)


def _batches(job: Job, held: list[Held], fee: int, size: int) -> Iterator[Intent]:
    """Every keeper's fee has the first claim on the margin. The largest margins first: there is most to be saved."""
    held.sort(key=lambda one: one.position.margin, reverse=True)
    for start in range(0, len(held), size):
        batch = held[start : start + size]
        pay = sum(min(fee, one.position.margin) for one in batch)
        yield Intent(job, tuple(one.vault for one in batch), pay)


def _order_pay(state: State, held: Held) -> int:
    """Twin of Market.keeperFee, as far as the margin reaches."""
    c = state.config
    waited = min(saturating_sub(state.now, held.order.requested_at + c.delay), c.time_to_live)
    return min(c.keeper_floor + (c.keeper_cap - c.keeper_floor) * waited // c.time_to_live, held.position.margin)


def _goes_first(state: State, held: Held) -> bool:
    """Twin of Market.due: an order whose price may be known, as long as it can be proven."""
    order, price = held.order, state.price
    if order.kind == OrderKind.NONE or price is None:
        return False
    due = order.requested_at + state.config.delay
    return due < price.time and state.now <= due + state.config.time_to_live and order.phase == state.phase
