"""What an index knew at a block, in SQLite. It may be lost at any time: the chain knows it all.

Every save is one transaction. A file that is torn all the same is noticed by its seal, the sum of all hashes of its
rows and its block, and thrown away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status

_SEALS = 1 << 128
_TABLES = """\
CREATE TABLE IF NOT EXISTS positions (vault BLOB PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), subject TEXT, number INTEGER, hash TEXT,
                                 seal TEXT);
"""


class Known(NamedTuple):
    """A position, of status NONE where it is over, and its order, of kind NONE where there is none."""

    position: Position
    order: Order


class Saved(NamedTuple):
    """Everything as of the end of a block."""

    number: int
    hash: str
    known: dict[bytes, Known]


class Checkpoint:
    """The checkpoint of one market in a file. `subject` says of which: another's is thrown away.

    Raises OSError or sqlite3.Error only where the file can be neither read nor made anew.
    """

    def __init__(self, file: Path, subject: str) -> None:
        self.file, self.subject = file, subject
        self._db = sqlite3.connect(file)
        try:
            self._db.executescript(_TABLES)
        except (sqlite3.DatabaseError, ValueError):  # the latter where sqlite would quote what is no text any more
            self.clear()

    def load(self) -> Saved | None:
        """What was saved last; None where there is nothing, or nothing whole: it is cleared then."""
        try:
            (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":  # perhaps only where the next save writes
                raise sqlite3.DatabaseError(verdict)
            head = self._db.execute("SELECT subject, number, hash, seal FROM head").fetchone()
            rows = self._db.execute("SELECT vault, state FROM positions").fetchall()
            if head is None and not rows:
                return None
            subject, number, hash, seal = head
            if subject == self.subject and seal == _text(_hash_of_head(*head[:3]) + sum(_hash(*row) for row in rows)):
                return Saved(number, hash, {vault: _decoded(state) for vault, state in rows})
        except (sqlite3.DatabaseError, ValueError, TypeError, AttributeError):  # what is torn may be of any type
            pass
        self.clear()
        return None

    def save(self, number: int, hash: str, changed: Mapping[bytes, Known]) -> None:
        """All at once: what has changed since the last save, and the block as of which that is all."""
        with self._db:
            head = self._db.execute("SELECT subject, number, hash, seal FROM head").fetchone()
            seal = 0 if head is None else int(head[3], 16) - _hash_of_head(*head[:3])
            for vault, known in changed.items():
                old = self._db.execute("SELECT state FROM positions WHERE vault = ?", (vault,)).fetchone()
                if old is not None:
                    seal -= _hash(vault, old[0])
                    self._db.execute("DELETE FROM positions WHERE vault = ?", (vault,))
                if known.position.status != Status.NONE:
                    state = _encoded(known)
                    seal += _hash(vault, state)
                    self._db.execute("INSERT INTO positions VALUES (?, ?)", (vault, state))
            seal += _hash_of_head(self.subject, number, hash)
            written = (self.subject, number, hash, _text(seal))
            self._db.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?)", written)

    def clear(self) -> None:
        """Begins anew."""
        self.close()
        for name in (self.file, Path(f"{self.file}-journal")):
            name.unlink(missing_ok=True)
        self._db = sqlite3.connect(self.file)
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Lets the file go."""
        self._db.close()


def _encoded(known: Known) -> str:
    (p, o) = known
    position = [p.margin, p.reserve, p.status, p.size, p.entry, p.series, p.time, p.funding, p.borrowing]
    return json.dumps([position, [o.kind, o.requested_at, o.phase, o.premium, o.amount, o.low, o.high]])


def _decoded(text: str) -> Known:
    (margin, reserve, status, *terms), (kind, *order) = json.loads(text)
    return Known(Position(margin, reserve, Status(status), *terms), Order(OrderKind(kind), *order))


def _hash(vault: bytes, state: str) -> int:
    return int.from_bytes(blake2b(vault + state.encode(), digest_size=16).digest(), "big")


def _hash_of_head(subject: str, number: int, hash: str) -> int:
    return _hash(subject.encode(), f"{number} {hash}")


def _text(seal: int) -> str:
    return f"{seal % _SEALS:x}"
