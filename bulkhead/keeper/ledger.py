"""What a keeper must not forget, whatever instant it dies at: what it has sent, what it has spent, what has cost it.

In SQLite, each change written before it is acted on. It cannot be made anew, and is never thrown away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Set
from dataclasses import asdict, dataclass
from pathlib import Path

from bulkhead.keeper.policy import Intent
from bulkhead.keeper.settings import Job

DAY = 86_400
_TABLES = """\
CREATE TABLE IF NOT EXISTS flights (sender TEXT, nonce INTEGER, flight TEXT NOT NULL, PRIMARY KEY (sender, nonce));
CREATE TABLE IF NOT EXISTS spent (day INTEGER, job TEXT, wei TEXT NOT NULL, PRIMARY KEY (day, job));
CREATE TABLE IF NOT EXISTS cooling (target TEXT PRIMARY KEY, until INTEGER NOT NULL, times INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Flight:
    """A transaction that was sent and is not known to be mined. Sent again it keeps its nonce; one of `hashes` wins.

    tip, price    of the newest sending: to the block's maker, and the most for all, wei a unit of gas
    sent_at       chain's time of the newest sending, seconds; `raw` is that, signed
    value         native value that goes along, wei
    block         as of whose end it was tried out
    """

    nonce: int
    intent: Intent
    to: str
    data: str
    gas: int
    tip: int
    price: int
    sent_at: int
    raw: str
    hashes: tuple[str, ...]
    sender: str = ""
    value: int = 0
    block: int = 0

    @property
    def cost(self) -> int:
        """The most it can cost, wei."""
        return self.gas * self.price + self.value


class Ledger:
    """The ledger in a file; ":memory:" forgets. Raises sqlite3.Error for a file that is none, or a full disk."""

    def __init__(self, file: Path | str = ":memory:") -> None:
        self._db = sqlite3.connect(file)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    # --- what is under way

    def flights(self, sender: str | None = None) -> list[Flight]:
        """By nonce, of one sender or of all."""
        rows = self._db.execute("SELECT flight FROM flights WHERE ? IN ('', sender) ORDER BY nonce", (sender or "",))
        return [_decoded(text) for (text,) in rows]

    def sends(self, flight: Flight) -> None:
        """It is about to be sent, or sent again."""
        text = json.dumps(asdict(flight))
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO flights VALUES (?, ?, ?)", (flight.sender, flight.nonce, text))

    def lands(self, flight: Flight, wei: int, now: int, missed: Iterable[str] = (), cool_down: int = 0) -> None:
        """It is under way no more, and has cost so much; targets it has missed are left alone for `cool_down` seconds.

        Twice as long each time.
        """
        job = flight.intent.job
        spent = self._spent(now, {job}) + wei
        with self._db:
            self._db.execute("DELETE FROM flights WHERE (sender, nonce) = (?, ?)", (flight.sender, flight.nonce))
            self._db.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", (now // DAY, job, str(spent)))
            for target in missed:
                found = self._db.execute("SELECT times FROM cooling WHERE target = ?", (target,)).fetchone()
                times = 0 if found is None else int(found[0])
                until = now + (cool_down << min(times, 16))
                self._db.execute("INSERT OR REPLACE INTO cooling VALUES (?, ?, ?)", (target, until, times + 1))

    # --- what it costs

    def committed(self, now: int, jobs: Set[Job] = frozenset(Job)) -> int:
        """Wei spent on the day of a time, and all that flights may still cost; for some jobs or for all."""
        return self._spent(now, jobs) + sum(flight.cost for flight in self.flights() if flight.intent.job in jobs)

    def _spent(self, now: int, jobs: Set[Job]) -> int:
        found = self._db.execute("SELECT job, wei FROM spent WHERE day = ?", (now // DAY,))
        return sum(int(wei) for job, wei in found if job in jobs)

    def busy(self, now: int) -> frozenset[str]:
        """Targets of flights, and those that are left alone."""
        cooling = self._db.execute("SELECT target FROM cooling WHERE until > ?", (now,))
        return frozenset(target for (target,) in cooling).union(*(f.intent.targets for f in self.flights()))

    def close(self) -> None:
        """Lets the file go."""
        self._db.close()


def _decoded(text: str) -> Flight:
    fields = json.loads(text)
    raw = fields.pop("intent")
    intent = Intent(Job(raw["job"]), tuple(raw["targets"]), raw["pay"])
    return Flight(intent=intent, hashes=tuple(fields.pop("hashes")), **fields)
