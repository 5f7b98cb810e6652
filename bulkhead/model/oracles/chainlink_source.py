"""Twin of ChainlinkSource.sol: one feed behind its proxy. `now` is the block's time."""

from __future__ import annotations

from typing import NoReturn

from bulkhead.model.integers import MAX_UINT64, MAX_UINT80, MAX_UINT128
from bulkhead.model.oracles.errors import (
    DecimalsDiffer,
    InGrace,
    PriceNotThereYet,
    ProofInvalid,
    SettingInvalid,
    SourceSilent,
)
from bulkhead.model.oracles.feed import FeedProxy, RoundData
from bulkhead.model.oracles.source import Bounds, Feed, Kind, Round, SourceConfig, Walk


def pin(config: SourceConfig, now: int) -> tuple[Feed, Bounds]:
    """Checks a configuration against the feed and pins it: its decimals are those declared, and it has spoken."""
    decimals = 0 if config.at.failing else config.at.decimals
    if decimals != config.decimals:
        raise DecimalsDiffer(config.at, config.decimals, decimals)
    if decimals not in (8, 18):
        raise SettingInvalid("decimals", decimals)
    if config.heartbeat == 0:
        raise SettingInvalid("heartbeat", 0)
    if config.largest <= config.smallest or config.largest > MAX_UINT128 // 10 ** (18 - decimals):
        raise SettingInvalid("largest", config.largest)
    feed = Feed(Kind.CHAINLINK, config.at, config.heartbeat, decimals, config.composed)
    bounds = Bounds(config.smallest, config.largest)
    if newest(feed, bounds, now).observed == 0:
        raise SourceSilent(config.at)
    return feed, bounds


def phase(feed: Feed) -> int:
    """The phase in use now; 0 where the proxy does not answer."""
    return feed.at.phase_id() or 0


def newest(feed: Feed, bounds: Bounds, now: int) -> Round:
    """The newest round."""
    return load_newest(feed, bounds, now)


def load_newest(feed: Feed, bounds: Bounds, now: int) -> Round:
    """The same; in Solidity into a round that the caller has made."""
    data = feed.at.latest_round_data()
    return _round(feed, bounds, data, data[0] if data else 0, now)


def round(feed: Feed, bounds: Bounds, id: int, now: int) -> Round:
    """The round of this id; `observed` is 0 where there is none."""
    if id < 0 or id & MAX_UINT64 == 0 or id > MAX_UINT80:
        return Round(0)
    return _round(feed, bounds, feed.at.get_round_data(id), id, now)


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


def as_of(feed: Feed, bounds: Bounds, phase_: int, time: int, id: int, now: int) -> tuple[bool, Round]:
    """Is it shown, and the last round of the phase on chain by `time`; index 0: invalid, too old, or not shown."""
    if id == 0 and newest(feed, bounds, now).observed == 0 and round(feed, bounds, phase_ << 64 | 1, now).observed == 0:
        return True, Round()
    if id >> 64 != phase_:
        return False, Round()
    last = round(feed, bounds, id, now)
    if last.observed == 0:
        return False, last
    if last.transmitted > time:
        return id & MAX_UINT64 == 1, last._replace(index=0)
    next_ = round(feed, bounds, id + 1, now)
    if time >= now if next_.observed == 0 else next_.transmitted <= time:
        return False, last._replace(index=0)
    return True, last._replace(index=0) if _is_silent(feed, last, time) else last


def current(feed: Feed, bounds: Bounds, phase_: int, now: int) -> int:
    """The newest round's index; 0 where it is invalid or older than the heartbeat, or of another phase."""
    last = newest(feed, bounds, now)
    return last.index if last.id >> 64 == phase_ and not _is_silent(feed, last, now) else 0


def peek(feed: Feed, bounds: Bounds, walk: Walk, now: int) -> Round:
    """The round before where a walk stands, an empty one where the walk is over."""
    return Round() if walk.is_over() else preceding(feed, bounds, walk.at, now)


def back(feed: Feed, bounds: Bounds, walk: Walk, now: int) -> None:
    """Goes on to it."""
    walk.at, walk.steps = peek(feed, bounds, walk, now), walk.steps + 1


def find(feed: Feed, bounds: Bounds, walk: Walk, phase_: int, time: int, now: int) -> int:
    """The index of the last round on chain by `time`, walking on back to it; 0: not found, invalid, silent, or another
    phase is in use now."""
    if walk.steps == 0:
        walk.at, walk.steps = newest(feed, bounds, now), 1
    while walk.at.transmitted > time:
        back(feed, bounds, walk, now)
    return walk.at.index if walk.at.id >> 64 == phase_ and not _is_silent(feed, walk.at, time) else 0


def require_up(proxy: FeedProxy, grace: int, now: int) -> None:
    """Raises InGrace while an L2's sequencer is down, or up for less than a grace; who does not answer is down."""
    data = proxy.latest_round_data()
    if data is None or data[1] != 0 or not 0 != data[2] <= now:
        raise InGrace(2**256 - 1)
    if now - data[2] < grace:
        raise InGrace(data[2] + grace)


def _is_silent(feed: Feed, last: Round, time: int) -> bool:
    return last.observed == 0 or time - last.transmitted > feed.heartbeat


def _refuse(feed: Feed, bounds: Bounds, phase_: int, after_time: int, id: int, now: int) -> NoReturn:
    last = newest(feed, bounds, now)
    if last.id >> 64 == phase_ and last.observed <= after_time:
        raise PriceNotThereYet(after_time)
    raise ProofInvalid(id, after_time)


def _round(feed: Feed, bounds: Bounds, data: RoundData | None, id: int, now: int) -> Round:
    if data is None or data[3] > now:
        return Round(id)
    _, answer, started_at, updated_at, _ = data
    index = answer * 10 ** (18 - feed.decimals) if bounds.smallest < answer < bounds.largest else 0
    return Round(id, answer, index, min(started_at, updated_at), updated_at)
