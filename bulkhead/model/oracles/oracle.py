"""Twin of Oracle.sol: a primary, up to four validators or two and a second leg, and the clock of an outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from bulkhead.model.errors import ModelError
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.oracles import chainlink_source, pyth_source, uniswap_source
from bulkhead.model.oracles.chainlink_source import WALK
from bulkhead.model.oracles.errors import (
    CannotBePrimary,
    InGrace,
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
from bulkhead.model.oracles.oracle_settings import ONE, Composition, OracleSettings
from bulkhead.model.oracles.pyth import Update
from bulkhead.model.oracles.source import Bounds, Feed, Kind, Round, SourceConfig

#: Longer than any request lives, so that the phases of its time are still known.
PHASE_LIFE = 86_400


@dataclass
class Clock:
    """`phases` are the validators' and at last the second leg's after `since`, `before` those used until then."""

    started: int
    seen: int
    ended: bool
    since: int
    phases: tuple[int, ...]
    before: tuple[int, ...]


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
        self.primary, self.primary_bounds = self._pin(s.primary)
        if s.primary.kind == Kind.CHAINLINK and chainlink_source.phase(self.primary) == 0:
            raise CannotBePrimary(s.primary.kind)
        self.feeds = [self._pin(config) for config in s.validators]
        self.leg = self._pin(s.leg) if s.leg is not None and s.composition != Composition.NONE else None
        self.validators = len(self.feeds)
        #: Transient storage: what was proven in this transaction.
        self.kept: pyth_source.Kept = {}
        phases = self._phases(())
        self.clock = Clock(0, 0, False, block.timestamp, phases, phases)
        self.last = Price(0, 0)
        if not self._record(self.clock):
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
        self._require_sequencer()
        if not self.primary.is_push:
            return 1
        phase = chainlink_source.phase(self.primary)
        if phase == 0:
            raise PriceStale(0, self.max_age)
        return phase

    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]:
        """index, time, undisputed. Raises OracleEnded, PriceNotThereYet, ProofInvalid, QuorumNotShown."""
        c, now = self._require_live(), self.block.timestamp
        own, time, previous = self._first(phase, after_time, proof)
        if own == 0:
            return 0, time, False
        phases = self._phases_at(c, time)
        index = own
        if self.leg is not None:
            feed, bounds = self.leg
            id = self._word(proof, 3 + self.validators)
            leg_shown, leg = chainlink_source.as_of(feed, bounds, phases[-1], time, id, now)
            if not leg_shown:
                raise ProofInvalid(id, time)
            index = self._composed(own, leg)
            if index == 0 or not self._near(leg.index, self._before_leg(leg), self.jump_limit):
                return index, time, False
        if self.validators == 0:
            return index, time, self._near(own, previous, self.jump_limit)
        agreeing = not_shown = 0
        for i, (feed, bounds) in enumerate(self.feeds):
            if agreeing >= self.quorum:
                break
            if feed.is_push:
                shown, r = chainlink_source.as_of(feed, bounds, phases[i], time, self._word(proof, 3 + i), now)
                value = r.index
            else:
                shown, value = self._remembered(feed, bounds, i, time)
            if self._near(value, index if feed.composed else own, self.spread):
                agreeing += 1
            elif not shown:
                not_shown += 1
        if agreeing < self.quorum <= agreeing + not_shown:
            raise QuorumNotShown(agreeing, not_shown, self.quorum)
        return index, time, agreeing >= self.quorum

    def latest(self) -> tuple[int, int]:
        """index, time.

        Raises OracleEnded, InGrace, PriceStale, PriceInvalid, LegInvalid, PriceJumped, PriceDisputed.
        """
        self._require_live()
        self._require_sequencer()
        r, now = self._newest(), self.block.timestamp
        own, time = r.index, r.observed
        if now - time > self.max_age:
            raise PriceStale(time, self.max_age)
        if own == 0:
            raise PriceInvalid(r.answer)
        index = own if self.leg is None else self._composed_now(own, *self.leg)
        if self.validators == 0:
            previous = self._before(r).index
            if not self._near(own, previous, self.jump_limit):
                raise PriceJumped(own, previous)
            return index, time
        agreeing = 0
        for feed, bounds in self.feeds:
            if agreeing >= self.quorum:
                break
            push = feed.is_push
            value = chainlink_source.current(feed, bounds, now).index if push else self._current(feed, bounds)
            agreeing += self._near(value, index if feed.composed else own, self.spread)
        if agreeing < self.quorum:
            raise PriceDisputed(index, agreeing, self.quorum)
        return index, time

    def check_outage(self, *, sender: str = "") -> bool:
        """Starts, clears or completes the clock of an outage; true after the end."""
        c, now = self.clock, self.block.timestamp
        if c.ended:
            return True
        phases = self._phases(c.phases)
        if phases != c.phases and now - c.since > PHASE_LIFE:
            c.before, c.phases, c.since = c.phases, phases, now
        try:
            index, time = self.latest()
        except ModelError:
            witnessed = now - c.seen <= self.outage_limit // 8
            if c.started != 0 and (self._silent_since(c.started) or witnessed):
                c.ended = now - c.started >= self.outage_limit
            else:
                c.started = now
                self._record(c)
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

    def _record(self, c: Clock) -> bool:
        r = self._newest()
        for _ in range(WALK):
            if r.observed == 0:
                break
            previous = self._before(r) if self.primary.is_push else Round()
            index = self._undisputed(c, r, previous) if r.index != 0 else 0
            if index != 0:
                self.last = Price(index, r.observed)
                return True
            r = previous
        return False

    def _undisputed(self, c: Clock, r: Round, previous: Round) -> int:
        """The index at a round, without a proof; 0 where it is disputed."""
        phases, now = self._phases_at(c, r.observed), self.block.timestamp
        index = r.index
        if self.leg is not None:
            leg = chainlink_source.find_as_of(*self.leg, phases[-1], r.observed, now)
            index = self._composed(r.index, leg)
            if not self._near(leg.index, self._before_leg(leg), self.jump_limit):
                return 0
        if self.validators == 0:
            return index if self._near(r.index, previous.index, self.jump_limit) else 0
        agreeing = 0
        for i, (feed, bounds) in enumerate(self.feeds):
            if feed.is_push:
                value = chainlink_source.find_as_of(feed, bounds, phases[i], r.observed, now).index
            else:
                value = self._found(feed, bounds, r.observed)
            agreeing += self._near(value, index if feed.composed else r.index, self.spread)
        return index if agreeing >= self.quorum else 0

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
        newest = chainlink_source.newest if self.primary.is_push else pyth_source.newest_pulled
        return newest(self.primary, self.primary_bounds, self.block.timestamp)

    def _before(self, r: Round) -> Round:
        return chainlink_source.preceding(self.primary, self.primary_bounds, r, self.block.timestamp)

    def _remembered(self, feed: Feed, bounds: Bounds, i: int, time: int) -> tuple[bool, int]:
        """As of `time`, of validator `i` that is no Chainlink feed: as its pool remembers, or as it was proven."""
        if feed.kind == Kind.UNISWAP:
            return uniswap_source.as_of(feed.at, bounds, time, self.block.timestamp)
        index, at = pyth_source.proven(i + 1, time, self.kept)
        return at != 0, index if at <= time + feed.heartbeat else 0

    def _current(self, feed: Feed, bounds: Bounds) -> int:
        """The same now, of Pyth what it has stored."""
        if feed.kind == Kind.UNISWAP:
            return uniswap_source.current(feed.at, bounds, self.block.timestamp)
        r = pyth_source.newest_pulled(feed, bounds, self.block.timestamp)
        return r.index if self.block.timestamp - r.observed <= feed.heartbeat else 0

    def _found(self, feed: Feed, bounds: Bounds, time: int) -> int:
        """As of `time` without a proof: of Pyth what it has stored, if that is not from before and not too late."""
        if feed.kind == Kind.UNISWAP:
            return uniswap_source.as_of(feed.at, bounds, time, self.block.timestamp)[1]
        r = pyth_source.newest_pulled(feed, bounds, self.block.timestamp)
        return r.index if time <= r.observed <= time + feed.heartbeat else 0

    def _composed(self, own: int, leg: Round) -> int:
        """The primary's price over the second leg's, or times it, rounded down; 0: no leg's price, or out of range."""
        if leg.index == 0:
            return 0
        index = own * ONE // leg.index if self.composition == Composition.DIVIDE else own * leg.index // ONE
        return index if index < 2**128 else 0

    def _composed_now(self, own: int, feed: Feed, bounds: Bounds) -> int:
        leg = chainlink_source.current(feed, bounds, self.block.timestamp)
        index = self._composed(own, leg)
        if index == 0:
            raise LegInvalid(leg.transmitted, leg.answer)
        previous = self._before_leg(leg)
        if not self._near(leg.index, previous, self.jump_limit):
            raise PriceJumped(leg.index, previous)
        return index

    def _before_leg(self, leg: Round) -> int:
        assert self.leg is not None
        return chainlink_source.preceding(*self.leg, leg, self.block.timestamp).index

    def _require_live(self) -> Clock:
        if self.clock.ended:
            raise OracleEnded()
        return self.clock

    def _require_sequencer(self) -> None:
        if self.sequencer is None:
            return
        up, since = chainlink_source.uptime(self.sequencer, self.block.timestamp)
        if not up:
            raise InGrace(2**256 - 1)
        if self.block.timestamp - since < self.grace:
            raise InGrace(since + self.grace)

    @staticmethod
    def _near(value: int, middle: int, limit: int) -> bool:
        return value != 0 and abs(value - middle) * ONE <= middle * limit

    def _phases(self, known: Sequence[int]) -> tuple[int, ...]:
        """Of each validator and the second leg, which comes last; of Pyth 0. Who does not answer has the known one."""
        feeds = [feed for feed, _ in [*self.feeds, *([self.leg] if self.leg else [])]]
        told = [chainlink_source.phase(feed) if feed.is_push else 0 for feed in feeds]
        return tuple(phase or before for phase, before in zip_longest(told, known, fillvalue=0))

    @staticmethod
    def _phases_at(c: Clock, time: int) -> tuple[int, ...]:
        return c.phases if time > c.since else c.before

    @staticmethod
    def _word(proof: bytes, i: int) -> int:
        return int.from_bytes(proof[32 * i : 32 * i + 32], "big") if len(proof) >= 32 * (i + 1) else 0

    def _pin(self, config: SourceConfig) -> tuple[Feed, Bounds]:
        if config.kind == Kind.CHAINLINK:
            return chainlink_source.pin(config, self.block.timestamp)
        if config.kind == Kind.PYTH:
            return pyth_source.pin(config)
        return self._pin_pool(config)

    def _pin_pool(self, s: SourceConfig) -> tuple[Feed, Bounds]:
        pool = uniswap_source.Config(s.at, s.heartbeat, s.inverted, s.remember, s.block_time, s.smallest, s.largest)
        feed, bounds = uniswap_source.pin(pool, self.block.timestamp)
        return Feed(Kind.UNISWAP, feed, s.heartbeat, 18, s.composed), bounds
