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
#: Bytes of a file of SQLite, at least.
_HEADER = 512
#: Errors of SQLite that say nothing of the file's content.
_OUTSIDE = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)


@dataclass(frozen=True)
class Flight:
    """A transaction that was sent and is not known to be mined. Sent again it keeps its nonce; one of `hashes` wins.

    tip, price    of the newest sending: to the block's maker, and the most for all, wei a unit of gas
    sent_at       chain's time of the newest sending, seconds; `raw` is that, signed
    value         native value that goes along, wei
    block         as of whose end it was tried out
    last          block that may take it, and none after; 0: any
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
    last: int = 0

    @property
    def cost(self) -> int:
        """The most it can cost, wei."""
        return self.gas * self.price + self.value


class LedgerTorn(sqlite3.DatabaseError):
    """A ledger that cannot be read any more. Only a person may go on without it: a budget would be spent twice."""

    def __init__(self, file: Path | str) -> None:
        super().__init__(
            f"The ledger {file} is torn: move it away to begin a new one once what the keeper has sent is mined, for "
            "with it is lost what is under way, what today has cost and which positions are left alone."
        )


class Ledger:
    """The ledger in a file; ":memory:" forgets, and a file without content is a new one.

    Raises LedgerTorn for a file that is none, or not whole; other errors of sqlite3 where the disk is full, say.
    """

    def __init__(self, file: Path | str = ":memory:") -> None:
        if isinstance(file, Path) and file.exists() and 0 < file.stat().st_size < _HEADER:
            raise LedgerTorn(file)  # SQLite would take it for an empty one
        self._db = sqlite3.connect(file)
        try:
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_TABLES)
            self._read_all()
        except (
            sqlite3.DatabaseError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ) as error:  # it may be of any type
            self._db.close()
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OUTSIDE:
                raise
            raise LedgerTorn(file) from None

    def _read_all(self) -> None:
        """What is wrong shows here, and not when money hangs on it."""
        (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise ValueError(verdict)
        self.flights()
        for wei, *_ in self._db.execute("SELECT wei, day + 0 FROM spent"):
            int(wei)
        for until, times in self._db.execute("SELECT until, times FROM cooling"):
            until + times

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
        """It is under way no more, and has cost so much, for nothing as far as `missed` goes.

        These are left alone for `cool_down` seconds, twice as long each time.
        """
        job = flight.intent.job
        spent = self._spent(now, {job}) + wei
        with self._db:
            self._db.execute("DELETE FROM flights WHERE (sender, nonce) = (?, ?)", (flight.sender, flight.nonce))
            self._db.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?)", (now // DAY, job, str(spent)))
            for target in missed:
                found = self._db.execute("SELECT times FROM cooling WHERE target = ?", (target,)).fetchone()
                (times,) = found or (0,)
                row = (target, now + (cool_down << min(times, 16)), times + 1)
                self._db.execute("INSERT OR REPLACE INTO cooling VALUES (?, ?, ?)", row)

    def losses(self) -> dict[str, int]:
        """How often each target has cost gas for nothing."""
        return dict(self._db.execute("SELECT target, times FROM cooling"))

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
