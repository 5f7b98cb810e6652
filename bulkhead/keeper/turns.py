"""Several keepers side by side: who goes first for what, and who after, so that nothing is done twice or left undone.

Nothing is arranged between them. What each target is numbered as, modulo the number of keepers, says whose it is; the
next in the row takes it one turn later, and so on: it is only there still if those before are away, or cannot.
Whomever a target has cost gas for nothing goes one turn later for it from then on, so that keepers that were all told
to be the first fall into a row, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from hashlib import blake2b

#: Turns that losses come to at most: those before may be gone, and nobody is to wait for them for long.
LAST = 2


class Turns:
    """Of one keeper among `keepers`: its place, from 0 on; a turn takes so many `seconds` of the chain's clock.

    `lost` is how often targets have cost it gas for nothing before.
    """

    def __init__(self, keepers: int, place: int, seconds: int, lost: Mapping[str, int] = {}) -> None:
        self._keepers, self._place, self._seconds = keepers, place, seconds
        #: Since when each target is wanted, as far as this keeper has seen.
        self._since: dict[str, int] = {}
        self._lost = Counter(lost)

    def lose(self, targets: Iterable[str]) -> None:
        """They have cost gas for nothing: somebody else was faster, as a rule."""
        self._lost.update(targets)

    def of_others(self, wanted: Set[str], busy: Set[str], now: int) -> frozenset[str]:
        """Those of the wanted targets that are left to others as yet. What is busy keeps the time that it had."""
        self._since = {target: since for target, since in self._since.items() if target in wanted or target in busy}
        for target in wanted:
            self._since.setdefault(target, now)
        return frozenset(t for t in wanted if now < self._since[t] + self._turn(t) * self._seconds)

    def _turn(self, target: str) -> int:
        """How many go before this keeper."""
        number = int.from_bytes(blake2b(target.encode(), digest_size=8).digest(), "big")
        place = (self._place - number) % self._keepers
        return max(place, min(place + self._lost[target], LAST))
