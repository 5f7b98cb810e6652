"""Who does what, where several workers keep one market: each target is claimed before it is tried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any

from bulkhead.keeper.policy import Intent

#: Seconds for which a claim stands: longer than a transaction waits and is sent again, so that nobody sends it twice.
CLAIM = 120
#: Seconds for which a key is held without being asked for again.
LEASE = 60


class Board:
    """Of a keeper that is alone: everything is its own."""

    def claim(self, intent: Intent) -> Intent:
        """What of an intent nobody else is at; without targets where that is nothing."""
        return intent

    def release(self, targets: Iterable[str]) -> None:
        """These were not sent: others may."""


class RedisBoard(Board):
    """On a Redis that all workers of a market see. A claim runs out by itself: a worker that dies takes none along.

    redis   a client of redis-py; `market` is its address. Raises redis' own errors where it is gone: without it nobody
            knows what others do, and nothing is sent.
    """

    def __init__(self, redis: Any, market: str) -> None:
        self._redis, self._market, self._me = redis, market, token_hex(8)

    def claim(self, intent: Intent) -> Intent:
        """All targets in one exchange; what is claimed already, by whomever, is left out."""
        pipe = self._redis.pipeline(transaction=False)
        for target in intent.targets:
            pipe.set(self._name(target), self._me, nx=True, ex=CLAIM)
        own = tuple(target for target, won in zip(intent.targets, pipe.execute(), strict=True) if won)
        return replace(intent, targets=own, pay=intent.pay * len(own) // len(intent.targets))

    def release(self, targets: Iterable[str]) -> None:
        """Only what this worker has just claimed comes here."""
        names = [self._name(target) for target in targets]
        if names:
            self._redis.delete(*names)

    def _name(self, target: str) -> str:
        return f"bulkhead:{self._market}:{target}"


class Keys:
    """Which key a worker signs with: the first that no other holds, so that no two share nonces.

    The lock is redis-py's own. Ask before every piece of work: a lease that has run out may be another's by now.
    """

    def __init__(self, redis: Any, addresses: Sequence[str]) -> None:
        self._locks = [(redis.lock(f"bulkhead:key:{address}", timeout=LEASE), address) for address in addresses]
        self._held: tuple[Any, str] | None = None

    def hold(self) -> str | None:
        """The address of this worker's key, held for another while; None where every key is another's."""
        if self._held is not None and self._held[0].owned():
            self._held[0].reacquire()
            return self._held[1]
        self._held = next((one for one in self._locks if one[0].acquire(blocking=False)), None)
        return None if self._held is None else self._held[1]
