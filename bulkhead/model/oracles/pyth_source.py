"""Twin of PythSource.sol: one price of Pyth. `now` is the block's time, `kept` the transaction's transient storage."""

from __future__ import annotations

from collections.abc import Sequence

from bulkhead.model.oracles.errors import DecimalsDiffer, FeeDiffers, PriceNotThereYet, SettingInvalid, SourceSilent
from bulkhead.model.oracles.pyth import Update
from bulkhead.model.oracles.source import Bounds, Feed, Kind, Round, SourceConfig

FULL = 10**9

#: (index, time) by (source, from).
Kept = dict[tuple[int, int], tuple[int, int]]


def pin(config: SourceConfig) -> tuple[Feed, Bounds]:
    """Checks a configuration against the stored price and pins its exponent."""
    if config.decimals > 18:
        raise SettingInvalid("decimals", config.decimals)
    if config.heartbeat == 0:
        raise SettingInvalid("heartbeat", 0)
    if not 0 < config.confidence <= FULL:
        raise SettingInvalid("confidence", config.confidence)
    stored = config.at.get_price_unsafe(config.id)
    if stored is None or stored.published == 0:
        raise SourceSilent(config.at)
    if -stored.exponent != config.decimals:
        raise DecimalsDiffer(config.at, config.decimals, -stored.exponent % 2**256)
    feed = Feed(Kind.PYTH, config.at, config.heartbeat, config.decimals, config.composed, config.confidence)
    return feed, Bounds(id=config.id)


def prove(
    feed: Feed, bounds: Bounds, source: int, from_: int, updates: Sequence[Update], *, value: int, now: int, kept: Kept
) -> tuple[int, int]:
    """Proves the first update published at or after `from_`, until now, and keeps it for `proven`."""
    if from_ > now:
        raise PriceNotThereYet(from_ - 1)
    fee = feed.at.get_update_fee(updates)
    if value != fee:
        raise FeeDiffers(value, fee)
    found = feed.at.parse(updates, bounds.id, from_, now)
    kept[source, from_] = _index(feed, found), found.published
    return kept[source, from_]


def proven(source: int, from_: int, kept: Kept) -> tuple[int, int]:
    """index, time that `prove` has kept in this transaction; time 0 where there is nothing."""
    return kept.get((source, from_), (0, 0))


def load_stored(feed: Feed, bounds: Bounds, now: int) -> Round:
    """The price stored in Pyth, as a round."""
    stored = feed.at.get_price_unsafe(bounds.id)
    if stored is None or stored.published > now:
        return Round()
    return Round(0, stored.price, _index(feed, stored), stored.published, stored.published)


def _index(feed: Feed, update: Update) -> int:
    """0 where the price is not positive, less certain than it has to be, or in another unit than was pinned."""
    if update.price <= 0 or update.exponent != -feed.decimals:
        return 0
    if update.confidence * FULL > update.price * feed.confidence:
        return 0
    return update.price * int(10 ** (18 - feed.decimals))
