"""Twin of ChainlinkSource.sol: one feed behind its proxy. `now` is the block's time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from bulkhead.model.oracles.errors import PriceNotThereYet, ProofInvalid, SettingInvalid
from bulkhead.model.oracles.feed import FeedProxy, RoundData

#: Rounds that a search without a proof looks at.
WALK = 32

_UINT64, _UINT80, _UINT128 = (1 << 64) - 1, (1 << 80) - 1, (1 << 128) - 1


@dataclass(frozen=True)
class Config:
    """A feed as its oracle is given it."""

    proxy: FeedProxy
    heartbeat: int
    min_answer: int
    max_answer: int


class Feed(NamedTuple):
    """A pinned feed."""

    proxy: FeedProxy
    heartbeat: int
    scale: int


class Bounds(NamedTuple):
    """Answers at or beyond these are invalid."""

    smallest: int
    largest: int


class Round(NamedTuple):
    """`index` is 0 where the answer is invalid, `observed` where the round does not exist."""

    id: int
    answer: int = 0
    index: int = 0  # type: ignore[assignment]  # shadows tuple.index, which nobody needs
    observed: int = 0
    transmitted: int = 0


def pin(config: Config) -> tuple[Feed, Bounds]:
    """Checks a configuration against the feed and pins its decimals. Raises SettingInvalid."""
    decimals = config.proxy.decimals
    if config.proxy.failing or decimals not in (8, 18):
        raise SettingInvalid("decimals", 0 if config.proxy.failing else decimals)
    if config.heartbeat == 0:
        raise SettingInvalid("heartbeat", 0)
    scale = 1 if decimals == 18 else 10**10
    if config.max_answer <= config.min_answer or config.max_answer > _UINT128 // scale:
        raise SettingInvalid("maxAnswer", config.max_answer)
    return Feed(config.proxy, config.heartbeat, scale), Bounds(config.min_answer, config.max_answer)


def heartbeat(feed: Feed) -> int:
    """Largest silence, seconds."""
    return feed.heartbeat


def phase(feed: Feed) -> int:
    """The phase in use now; 0 where the proxy does not answer."""
    return feed.proxy.phase_id() or 0


def newest(feed: Feed, bounds: Bounds, now: int) -> Round:
    """The newest round."""
    data = feed.proxy.latest_round_data()
    return _round(feed, bounds, data, data[0] if data else 0, now)


def round(feed: Feed, bounds: Bounds, id: int, now: int) -> Round:
    """The round of this id; `observed` is 0 where there is none."""
    if id < 0 or id & _UINT64 == 0 or id > _UINT80:
        return Round(id)
    return _round(feed, bounds, feed.proxy.get_round_data(id), id, now)


def preceding(feed: Feed, bounds: Bounds, r: Round, now: int) -> Round:
    """The round before, of the same phase."""
    return round(feed, bounds, r.id - 1, now)


def first_after(feed: Feed, bounds: Bounds, phase_: int, after_time: int, id: int, now: int) -> tuple[Round, Round]:
    """The first round of the phase observed after `after_time`, and its predecessor. Raises both proof errors."""
    if id >> 64 != phase_:
        _refuse(feed, bounds, phase_, after_time, id, now)
    first = round(feed, bounds, id, now)
    if first.observed <= after_time:
        _refuse(feed, bounds, phase_, after_time, id, now)
    before = previous = preceding(feed, bounds, first, now)
    while True:
        if before.observed == 0 or before.observed > after_time:
            _refuse(feed, bounds, phase_, after_time, id, now)
        if before.transmitted <= after_time:
            return first, previous
        before = preceding(feed, bounds, before, now)


def as_of(feed: Feed, bounds: Bounds, phase_: int, time: int, id: int, now: int) -> int:
    """The last index of the phase on chain at or before `time`; 0: invalid, or too old. Raises ProofInvalid."""
    if id == 0 and newest(feed, bounds, now).observed == 0 and round(feed, bounds, phase_ << 64 | 1, now).observed == 0:
        return 0
    if id >> 64 != phase_:
        raise ProofInvalid(id, time)
    last = round(feed, bounds, id, now)
    if last.observed == 0:
        raise ProofInvalid(id, time)
    if last.transmitted > time:
        if id & _UINT64 != 1:
            raise ProofInvalid(id, time)
        return 0
    next_ = round(feed, bounds, id + 1, now)
    if (time >= now) if next_.observed == 0 else (next_.transmitted <= time):
        raise ProofInvalid(id, time)
    return _alive(feed, last, time)


def find_as_of(feed: Feed, bounds: Bounds, phase_: int, time: int, now: int) -> int:
    """The same without a proof, by walking back from the newest round; 0 where that takes too long."""
    last = newest(feed, bounds, now)
    if last.id >> 64 != phase_:
        return 0
    for _ in range(WALK):
        if last.observed == 0:
            break
        if last.transmitted <= time:
            return _alive(feed, last, time)
        last = preceding(feed, bounds, last, now)
    return 0


def current(feed: Feed, bounds: Bounds, now: int) -> int:
    """The index now on chain; 0 where it is invalid or older than the heartbeat."""
    return _alive(feed, newest(feed, bounds, now), now)


def uptime(proxy: FeedProxy, now: int) -> tuple[bool, int]:
    """Of an L2's uptime feed: is the sequencer up, and since when; a feed that does not answer is down."""
    data = proxy.latest_round_data()
    if data is None:
        return False, 0
    return data[1] == 0 and 0 != data[2] <= now, data[2]


def _alive(feed: Feed, last: Round, time: int) -> int:
    return last.index if last.observed != 0 and time - last.transmitted <= heartbeat(feed) else 0


def _refuse(feed: Feed, bounds: Bounds, phase_: int, after_time: int, id: int, now: int) -> NoReturn:
    last = newest(feed, bounds, now)
    if last.id >> 64 == phase_ and last.observed <= after_time:
        raise PriceNotThereYet(after_time)
    raise ProofInvalid(id, after_time)


def _round(feed: Feed, bounds: Bounds, data: RoundData | None, id: int, now: int) -> Round:
    if data is None or data[3] > now:
        return Round(id)
    _, answer, started_at, updated_at, _ = data
    index = answer * feed.scale if bounds.smallest < answer < bounds.largest else 0
    return Round(id, answer, index, min(started_at, updated_at), updated_at)
