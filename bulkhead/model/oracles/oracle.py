"""Twin of Oracle.sol: a primary, up to four validators or two and a second leg, and the clock of an outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bulkhead.model.errors import ModelError
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.libraries.position_math import ONE
from bulkhead.model.oracles import any_source, chainlink_source, pyth_source
from bulkhead.model.oracles.any_source import Way
from bulkhead.model.oracles.errors import (
    CannotBePrimary,
    LegInvalid,
    NotPulled,
    OracleEnded,
    PriceDisputed,
    PriceInvalid,
    PriceJumped,
    PriceNotThereYet,
    PriceStale,
    ProofInvalid,
    QuorumNotShown,
)
from bulkhead.model.oracles.oracle_settings import Composition, OracleSettings
from bulkhead.model.oracles.pyth import Update
from bulkhead.model.oracles.source import Kind, Round, Walk


@dataclass
class Clock:
    """`phases` are the validators' and at last the second leg's; they count for times after `since`."""

    started: int
    seen: int
    ended: bool
    since: int
    phases: tuple[int, ...]


@dataclass(frozen=True)
class Price:
    """18 decimals; unix seconds."""

    index: int
    time: int


def encode_proof(round: int, validator_rounds: tuple[int, ...] | None = None) -> bytes:
    """What `first_after` takes: abi.encode(uint80), or with validators or a leg (last) abi.encode(uint80, uint80[])."""
    words = [round]
    if validator_rounds is not None:
        words += [64, len(validator_rounds), *validator_rounds]
    return b"".join(word.to_bytes(32, "big") for word in words)


class Oracle:
    """`block` stands for the chain: its `timestamp` is read at every call."""

    def __init__(self, s: OracleSettings, block: Block) -> None:
        s.check()
        self.block = block
        self.base, self.quote, self.composition = s.base, s.quote, s.composition
        self.heartbeat, self.deviation, self.spread = s.primary.heartbeat, s.deviation, s.spread
        self.quorum, self.max_age, self.jump_limit = s.quorum, s.max_age, s.jump_limit
        self.sequencer, self.grace, self.outage_limit = s.sequencer, s.grace, s.outage_limit
        self.primary, self.primary_bounds = any_source.pin(s.primary, block.timestamp)
        if s.primary.kind == Kind.CHAINLINK and chainlink_source.phase(self.primary) == 0:
            raise CannotBePrimary(s.primary.kind)
        self.feeds = [any_source.pin(config, block.timestamp) for config in s.validators]
        composed = s.leg is not None and s.composition != Composition.NONE
        self.leg = any_source.pin(s.leg, block.timestamp) if composed else None  # type: ignore[arg-type]
        self.validators = len(self.feeds)
        #: Transient storage: what was proven in this transaction.
        self.kept: pyth_source.Kept = {}
        self.clock = Clock(0, 0, False, 0, self._phases_now(()))
        self.last = Price(0, 0)
        #: The phases before `clock.phases`, and the time that they counted since.
        self.past: list[tuple[int, tuple[int, ...]]] = []
        if not self._record():
            raise PriceInvalid(self._newest().answer)

    def prove(self, source: int, from_: int, updates: Sequence[Update], *, value: int = 0) -> tuple[int, int]:
        """index, time. Raises NotPulled, PriceNotThereYet, FeeDiffers, PriceFeedNotFoundWithinRange."""
        if source > self.validators:
            raise NotPulled(source)
        feed, bounds = (self.primary, self.primary_bounds) if source == 0 else self.feeds[source - 1]
        if feed.kind != Kind.PYTH:
            raise NotPulled(source)
        now = self.block.timestamp
        return pyth_source.prove(feed, bounds, source, from_, updates, value=value, now=now, kept=self.kept)

    def commitment(self) -> int:
        """The primary's phase. Raises OracleEnded, InGrace, PriceStale."""
        self._require_live()
        if self.sequencer is not None:
            chainlink_source.require_up(self.sequencer, self.grace, self.block.timestamp)
        if not self.primary.is_push:
            return 1
        phase = chainlink_source.phase(self.primary)
        if phase == 0:
            raise PriceStale(0, self.max_age)
        return phase

    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]:
        """index, time, undisputed. Raises OracleEnded, PriceNotThereYet, ProofInvalid, QuorumNotShown."""
        self._require_live()
        own, time, previous = self._first(phase, after_time, proof)
        if own == 0:
            return 0, time, False
        phases = self.phases_at(time)
        index = own
        if self.leg is not None:
            feed, bounds = self.leg
            id = self._word(proof, 3 + self.validators)
            leg_shown, leg = chainlink_source.as_of(feed, bounds, phases[-1], time, id, self.block.timestamp)
            if not leg_shown:
                raise ProofInvalid(id, time)
            index = self.composition.composed(own, leg.index)
            before = chainlink_source.preceding(feed, bounds, leg, self.block.timestamp)
            if index == 0 or not self._near(leg.index, before.index, self.jump_limit):
                return index, time, False
        if self.validators == 0:
            return index, time, self._near(own, previous, self.jump_limit)
        agreeing, not_shown = self._poll(Way.SHOWN, own, index, phases, time, proof, [])
        if agreeing < self.quorum <= agreeing + not_shown:
            raise QuorumNotShown(agreeing, not_shown, self.quorum)
        return index, time, agreeing >= self.quorum

    def latest(self) -> tuple[int, int]:
        """index, time.

        Raises OracleEnded, InGrace, PriceStale, PriceInvalid, LegInvalid, PriceJumped, PriceDisputed.
        """
        self._require_live()
        if self.sequencer is not None:
            chainlink_source.require_up(self.sequencer, self.grace, self.block.timestamp)
        r, now = self._newest(), self.block.timestamp
        own, time = r.index, r.observed
        if now - time > self.max_age:
            raise PriceStale(time, self.max_age)
        if own == 0:
            raise PriceInvalid(r.answer)
        index = own
        if self.leg is not None:
            walk = Walk()
            index, leg, before = self._composed_at(own, walk, self.clock.phases, now)
            if index == 0:
                raise LegInvalid(walk.at.transmitted, walk.at.answer)
            if not self._near(leg, before, self.jump_limit):
                raise PriceJumped(leg, before)
        if self.validators == 0:
            previous = self._before(r).index
            if not self._near(own, previous, self.jump_limit):
                raise PriceJumped(own, previous)
            return index, time
        agreeing, _ = self._poll(Way.CURRENT, own, index, self.clock.phases, 0, b"", [])
        if agreeing < self.quorum:
            raise PriceDisputed(index, agreeing, self.quorum)
        return index, time

    def check_outage(self, *, sender: str = "") -> bool:
        """Starts, clears or completes the clock of an outage; true after the end."""
        c, now = self.clock, self.block.timestamp
        if c.ended:
            return True
        self._follow()
        try:
            index, time = self.latest()
        except ModelError:
            witnessed = now - c.seen <= self.outage_limit // 8
            if c.started != 0 and (self._silent_since(c.started) or witnessed):
                c.ended = now - c.started >= self.outage_limit
            else:
                c.started = now
                self._record()
            c.seen = now
        else:
            if c.started != 0 and time > c.started:
                c.started = 0
            if c.started == 0:
                self.last = Price(index, time)
        return c.ended

    def final_price(self) -> tuple[bool, int, int]:
        """ended, index, time; zeros before the end."""
        return (True, self.last.index, self.last.time) if self.clock.ended else (False, 0, 0)

    def phases_at(self, time: int) -> tuple[int, ...]:
        """Those of the validators, and at last of the second leg, that count for a price of this time."""
        if time > self.clock.since:
            return self.clock.phases
        return next(phases for since, phases in reversed(self.past) if since < time)

    def _record(self) -> bool:
        now = self.block.timestamp
        primaries, legs, walks = Walk(self._newest(), 1), Walk(), [Walk() for _ in self.feeds]
        while primaries.at.observed != 0:
            r = primaries.at
            if self.primary.is_push:
                chainlink_source.back(self.primary, self.primary_bounds, primaries, now)
            else:
                primaries.at = Round()
            index = self._undisputed(r, primaries.at.index, legs, walks) if r.index != 0 else 0
            if index != 0:
                self.last = Price(index, r.observed)
                return True
        return False

    def _undisputed(self, r: Round, previous: int, legs: Walk, walks: Sequence[Walk]) -> int:
        """The index at a round of the primary, found without proofs; 0 where it is disputed."""
        phases, index = self.phases_at(r.observed), r.index
        if self.leg is not None:
            index, leg, before = self._composed_at(r.index, legs, phases, r.observed)
            if not self._near(leg, before, self.jump_limit):
                return 0
        if self.validators == 0:
            return index if self._near(r.index, previous, self.jump_limit) else 0
        agreeing, _ = self._poll(Way.FOUND, r.index, index, phases, r.observed, b"", walks)
        return index if agreeing >= self.quorum else 0

    def _poll(
        self, way: Way, own: int, index: int, phases: Sequence[int], time: int, proof: bytes, walks: Sequence[Walk]
    ) -> tuple[int, int]:
        """agreeing, not_shown: asks validators until the quorum agrees."""
        agreeing = not_shown = 0
        now, kept = self.block.timestamp, self.kept
        for i, (feed, bounds) in enumerate(self.feeds):
            if agreeing >= self.quorum:
                break
            shown = False
            if way == Way.SHOWN:
                id = self._word(proof, 3 + i)
                shown, value = any_source.as_shown(feed, bounds, i + 1, phases[i], time, id, now=now, kept=kept)
            elif way == Way.CURRENT:
                value = any_source.current(feed, bounds, phases[i], now)
            else:
                value = any_source.as_found(feed, bounds, walks[i], phases[i], time, now)
            if self._near(value, index if feed.composed else own, self.spread):
                agreeing += 1
            elif not shown:
                not_shown += 1
        return agreeing, not_shown

    def _silent_since(self, start: int) -> bool:
        return self.primary.is_push and 0 != self._newest().observed <= start

    def _first(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, int]:
        """The primary's own first price after a time, proven; and, of rounds, the index of the one before."""
        now = self.block.timestamp
        if self.primary.is_push:
            bounds = self.primary_bounds
            number = self._word(proof, 0)
            first, before = chainlink_source.first_after(self.primary, bounds, phase, after_time, number, now)
            return first.index, first.observed, before.index
        if after_time >= now:
            raise PriceNotThereYet(after_time)
        index, time = pyth_source.proven(0, after_time + 1, self.kept)
        if time == 0:
            raise ProofInvalid(0, after_time)
        return index, time, 0

    def _newest(self) -> Round:
        return any_source.load_newest(self.primary, self.primary_bounds, self.block.timestamp)

    def _before(self, r: Round) -> Round:
        return chainlink_source.preceding(self.primary, self.primary_bounds, r, self.block.timestamp)

    def _composed_at(self, own: int, walk: Walk, phases: Sequence[int], time: int) -> tuple[int, int, int]:
        """The composed price as of a time, the second leg's as it is found, and that of its round before."""
        assert self.leg is not None
        leg = chainlink_source.find(*self.leg, walk, phases[-1], time, self.block.timestamp)
        index = self.composition.composed(own, leg)
        return index, leg, chainlink_source.peek(*self.leg, walk, self.block.timestamp).index if index else 0

    def _require_live(self) -> None:
        if self.clock.ended:
            raise OracleEnded()

    @staticmethod
    def _near(value: int, middle: int, limit: int) -> bool:
        return value != 0 and abs(value - middle) * ONE <= middle * limit

    def _follow(self) -> None:
        """Phases that changed count from the next second on."""
        c, phases = self.clock, self._phases_now(self.clock.phases)
        if phases == c.phases:
            return
        self.past.append((c.since, c.phases))
        c.since, c.phases = self.block.timestamp, phases

    def _phases_now(self, known: Sequence[int]) -> tuple[int, ...]:
        """Of each validator and the second leg, which comes last; of Pyth 0. Who does not answer has the known one."""
        feeds = [feed for feed, _ in [*self.feeds, *([self.leg] if self.leg else [])]]
        told = [chainlink_source.phase(feed) if feed.is_push else 0 for feed in feeds]
        return tuple(phase or before for phase, before in zip_longest(told, known, fillvalue=0))

    @staticmethod
    def _word(proof: bytes, i: int) -> int:
        return int.from_bytes(proof[32 * i : 32 * i + 32], "big") if len(proof) >= 32 * (i + 1) else 0
