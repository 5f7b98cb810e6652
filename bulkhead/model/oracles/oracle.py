"""Twin of Oracle.sol: a primary, up to four validators, and the clock of an outage."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.model.errors import ModelError
from bulkhead.model.interfaces.oracle import Block
from bulkhead.model.oracles import chainlink_source
from bulkhead.model.oracles.chainlink_source import WALK, Round
from bulkhead.model.oracles.errors import (
    InGrace,
    OracleEnded,
    PriceDisputed,
    PriceInvalid,
    PriceJumped,
    PriceStale,
)
from bulkhead.model.oracles.oracle_settings import ONE, OracleSettings

#: Longer than any request lives, so that the phases of its time are still known.
PHASE_LIFE = 86_400


@dataclass
class Clock:
    """`phases` are the validators' after `since`, `before` those used until then."""

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
    """What `first_after` takes: abi.encode(uint80) for a single source, else abi.encode(uint80, uint80[])."""
    words = [round]
    if validator_rounds is not None:
        words += [64, len(validator_rounds), *validator_rounds]
    return b"".join(word.to_bytes(32, "big") for word in words)


class Oracle:
    """`block` stands for the chain: its `timestamp` is read at every call."""

    def __init__(self, s: OracleSettings, block: Block) -> None:
        s.check()
        self.block = block
        self.heartbeat, self.deviation, self.spread = s.primary.heartbeat, s.deviation, s.spread
        self.quorum, self.max_age, self.jump_limit = s.quorum, s.max_age, s.jump_limit
        self.sequencer, self.grace, self.outage_limit = s.sequencer, s.grace, s.outage_limit
        self.primary, self.primary_bounds = chainlink_source.pin(s.primary)
        self.feeds = [chainlink_source.pin(config) for config in s.validators]
        self.validators = len(self.feeds)
        phases = self._phases()
        self.clock = Clock(0, 0, False, block.timestamp, phases, phases)
        self.last = Price(0, 0)
        if not self._record(self.clock):
            raise PriceInvalid(self._newest().answer)

    def commitment(self) -> int:
        """The primary's phase. Raises OracleEnded, InGrace, PriceStale."""
        self._require_live()
        self._require_sequencer()
        phase = chainlink_source.phase(self.primary)
        if phase == 0:
            raise PriceStale(0, self.max_age)
        return phase

    def first_after(self, phase: int, after_time: int, proof: bytes) -> tuple[int, int, bool]:
        """index, time, undisputed. Raises OracleEnded, PriceNotThereYet, ProofInvalid."""
        c = self._require_live()
        now = self.block.timestamp
        first, previous = chainlink_source.first_after(
            self.primary, self.primary_bounds, phase, after_time, self._word(proof, 0), now
        )
        index, time = first.index, first.observed
        if index == 0:
            return 0, time, False
        if self.validators == 0:
            return index, time, self._near(index, previous.index, self.jump_limit)
        phases = self._phases_at(c, time)
        agreeing = 0
        for i, (feed, bounds) in enumerate(self.feeds):
            if agreeing >= self.quorum:
                break
            value = chainlink_source.as_of(feed, bounds, phases[i], time, self._word(proof, 3 + i), now)
            agreeing += self._near(value, index, self.spread)
        return index, time, agreeing >= self.quorum

    def latest(self) -> tuple[int, int]:
        """index, time. Raises OracleEnded, InGrace, PriceStale, PriceInvalid, PriceJumped, PriceDisputed."""
        self._require_live()
        self._require_sequencer()
        r = self._newest()
        index, time = r.index, r.observed
        if self.block.timestamp - time > self.max_age:
            raise PriceStale(time, self.max_age)
        if index == 0:
            raise PriceInvalid(r.answer)
        if self.validators == 0:
            previous = self._before(r).index
            if not self._near(index, previous, self.jump_limit):
                raise PriceJumped(index, previous)
            return index, time
        agreeing = 0
        for feed, bounds in self.feeds:
            if agreeing >= self.quorum:
                break
            value = chainlink_source.current(feed, bounds, self.block.timestamp)
            agreeing += self._near(value, index, self.spread)
        if agreeing < self.quorum:
            raise PriceDisputed(index, agreeing, self.quorum)
        return index, time

    def check_outage(self, *, sender: str = "") -> bool:
        """Starts, clears or completes the clock of an outage; true after the end."""
        c, now = self.clock, self.block.timestamp
        if c.ended:
            return True
        phases = self._phases()
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
            previous = self._before(r)
            if r.index != 0 and self._undisputed(c, r, previous):
                self.last = Price(r.index, r.observed)
                return True
            r = previous
        return False

    def _undisputed(self, c: Clock, r: Round, previous: Round) -> bool:
        if self.validators == 0:
            return self._near(r.index, previous.index, self.jump_limit)
        phases = self._phases_at(c, r.observed)
        agreeing = 0
        for i, (feed, bounds) in enumerate(self.feeds):
            value = chainlink_source.find_as_of(feed, bounds, phases[i], r.observed, self.block.timestamp)
            agreeing += self._near(value, r.index, self.spread)
        return agreeing >= self.quorum

    def _silent_since(self, start: int) -> bool:
        return 0 != self._newest().observed <= start

    def _newest(self) -> Round:
        return chainlink_source.newest(self.primary, self.primary_bounds, self.block.timestamp)

    def _before(self, r: Round) -> Round:
        return chainlink_source.preceding(self.primary, self.primary_bounds, r, self.block.timestamp)

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
    def _near(value: int, base: int, limit: int) -> bool:
        return value != 0 and abs(value - base) * ONE <= base * limit

    def _phases(self) -> tuple[int, ...]:
        return tuple(chainlink_source.phase(feed) for feed, _ in self.feeds)

    @staticmethod
    def _phases_at(c: Clock, time: int) -> tuple[int, ...]:
        return c.phases if time > c.since else c.before

    @staticmethod
    def _word(proof: bytes, i: int) -> int:
        return int.from_bytes(proof[32 * i : 32 * i + 32], "big") if len(proof) >= 32 * (i + 1) else 0
