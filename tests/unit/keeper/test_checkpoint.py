"""A checkpoint gives back what was saved, or nothing at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bulkhead.keeper.checkpoint import Checkpoint, Known
from bulkhead.model.interfaces.market import Order, OrderKind, Position, Status

OPEN = Known(Position(2**88 - 1, 2**87, Status.OPEN, -(10**28), 2**112 - 1, 3, 2**31, -(2**55), 2**39), Order())
PENDING = Known(Position(1, 2, Status.PENDING, 10**10), Order(OrderKind.OPEN, 5, 6, 7, 8, 9, 2**112))
OVER = Known(Position(), Order())
ONE, TWO, THREE = (bytes([number]) * 20 for number in (1, 2, 3))


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    checkpoint = Checkpoint(file, "market")
    assert checkpoint.load() is None
    checkpoint.save(7, "0x07", {ONE: OPEN, TWO: PENDING, THREE: OPEN})
    checkpoint.save(9, "0x09", {TWO: OPEN, THREE: OVER})
    checkpoint.close()
    saved = Checkpoint(file, "market").load()
    assert saved is not None and (saved.number, saved.hash) == (9, "0x09")
    assert saved.known == {ONE: OPEN, TWO: OPEN}


def test_that_of_another_market_is_thrown_away(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "checkpoint", "market").save(7, "0x07", {ONE: OPEN})
    other = Checkpoint(tmp_path / "checkpoint", "other")
    assert other.load() is None
    other.save(1, "0x01", {TWO: OPEN})
    saved = other.load()
    assert saved is not None and set(saved.known) == {TWO}


@pytest.mark.parametrize("seed", range(30))
def test_a_torn_file_is_whole_or_gone(tmp_path: Path, seed: int) -> None:
    """Cut short, or a part of it overwritten: never something else than what was saved."""
    file, draw = tmp_path / "checkpoint", np.random.default_rng(seed)
    known = {bytes([number]) * 20: OPEN for number in range(100)}
    checkpoint = Checkpoint(file, "market")
    checkpoint.save(7, "0x07", known)
    checkpoint.close()
    content = bytearray(file.read_bytes())
    at = int(draw.integers(0, len(content)))
    if seed % 2:
        del content[at:]
    else:
        content[at : at + 16] = draw.bytes(16)
    file.write_bytes(content)

    torn = Checkpoint(file, "market")
    saved = torn.load()
    assert saved is None or saved.known == known
    torn.save(8, "0x08", {ONE: OPEN})
    assert torn.load() is not None


def test_a_row_that_was_changed_behind_its_back_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    Checkpoint(file, "market").save(7, "0x07", {ONE: OPEN, TWO: OPEN})
    with sqlite3.connect(file) as db:
        db.execute("DELETE FROM positions WHERE vault = ?", (ONE,))
    assert Checkpoint(file, "market").load() is None


def test_a_schema_that_is_no_text_any_more(tmp_path: Path) -> None:
    """Sqlite quotes it in its error, which is of another type for that."""
    file = tmp_path / "checkpoint"
    checkpoint = Checkpoint(file, "market")
    checkpoint.save(7, "0x07", {ONE: OPEN})
    checkpoint.close()
    content = file.read_bytes()
    assert content.count(b"TABLE head (") == 1
    file.write_bytes(content.replace(b"TABLE head (", b"TABLE head \xcb"))
    assert_begins_anew(Checkpoint(file, "market"))


def test_a_page_that_only_the_next_save_would_read(tmp_path: Path) -> None:
    """All that is known can still be read: the torn page is free, and a save would take it."""
    file, vaults = tmp_path / "checkpoint", [bytes([number]) * 20 for number in range(250)]
    checkpoint = Checkpoint(file, "market")
    checkpoint.save(7, "0x07", dict.fromkeys(vaults, OPEN))
    checkpoint.save(8, "0x08", dict.fromkeys(vaults[1:], OVER))
    checkpoint.close()
    content = bytearray(file.read_bytes())
    size, free = int.from_bytes(content[16:18], "big"), int.from_bytes(content[32:36], "big")  # sqlite.org/fileformat2
    assert free > 0
    content[(free - 1) * size : free * size] = b"\xff" * size
    file.write_bytes(content)
    assert_begins_anew(Checkpoint(file, "market"), vaults)


def assert_begins_anew(torn: Checkpoint, vaults: Sequence[bytes] = (TWO,)) -> None:
    assert torn.load() is None
    torn.save(9, "0x09", dict.fromkeys(vaults, OPEN))
    saved = torn.load()
    assert saved is not None and saved.known == dict.fromkeys(vaults, OPEN)
