"""Campaigns: seeded histories on every core, counted, and what fails made short and written down as a test.

A history is found again by the seed of its campaign and its number alone, on any machine.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any

from bulkhead.fuzz.machine import Machine
from bulkhead.fuzz.pair import Difference, Pair

#: Of these a campaign must reach every one, or it has not looked where it hurts.
MUST_REACH = (
    "liquidated in part",
    "liquidated in full",
    "executed: open, then open",
    "executed: open, then over",
    "executed: order, then smaller",
    "executed: order, then over",
    "executed: order, then open",
    "close at reserve",
    "execute exit",
    "claim",
    "a payee refused",
    "settled after the end",
)
#: Token decimals of the worlds that workers take turns in.
DECIMALS = (6, 18)
#: The form of a history; a file of another one is refused.
VERSION = 1
#: Seconds that a failure is made shorter for, and that a worker may be late beyond them.
SHRINKING, PATIENCE = 30.0, 60.0


class WorkerLost(RuntimeError):
    """A process of the campaign has crashed or hangs: what it would have found is not known."""


@dataclass
class Report:
    """What a campaign has done so far."""

    histories: int = 0
    steps: int = 0
    calls: int = 0
    alive: int = 0
    names: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Takes in what a worker has done."""
        self.histories += other.histories
        self.steps += other.steps
        self.calls += other.calls
        self.alive += other.alive
        for name in ("names", "succeeded", "reached"):
            getattr(self, name).update(getattr(other, name))
        self.failures += other.failures

    @property
    def missed(self) -> list[str]:
        """States that it should have reached and has not."""
        return [name for name in MUST_REACH if not self.reached[name]]


@dataclass(frozen=True)
class Failure:
    """A history on which contracts and model differ, or an invariant breaks."""

    decimals: int
    words: tuple[int, ...]
    story: str


def history(seed: int, number: int, length: int) -> Iterator[int]:
    """The words of one history of a campaign."""
    rng = random.Random(f"{seed}/{number}")
    return (rng.getrandbits(64) for _ in range(rng.randrange(length // 4, length + 1)))


def play(machine: Machine, words: Iterable[int]) -> str | None:
    """A history from its beginning: None, or how it went wrong."""
    machine.begin()
    try:
        for word in words:
            machine.step(word)
        machine.pair.compare("the end", whole=True)
    except Difference as difference:
        return str(difference)
    return None


def shrink(machine: Machine, words: tuple[int, ...], seconds: float = SHRINKING) -> tuple[int, ...]:
    """Leaves out words as long as the history goes wrong: first long runs of them, then single ones; for so long."""
    until = time.monotonic() + seconds
    size = len(words) // 2
    while size:
        start = 0
        while start < len(words) and time.monotonic() < until:
            shorter = words[:start] + words[start + size :]
            if play(machine, shorter) is not None:
                words = shorter
            else:
                start += size
        size //= 2
    return words


def work(seed: int, worker: int, workers: int, length: int, until: float, most: int, queue: Queue[Report]) -> None:
    """One process: its share of the histories, reported about twice a second. Stops at its first failure."""
    decimals = DECIMALS[worker % len(DECIMALS)]
    machine = Machine(Pair(decimals))
    done, told = 0, time.monotonic()
    report = Report()
    number = worker
    while time.monotonic() < until and done < most:
        words = tuple(history(seed, number, length))
        story = play(machine, words)
        report.histories += 1
        report.steps += len(words)
        if story is not None:
            short = shrink(machine, words)
            report.failures.append(Failure(decimals, short, play(machine, short) or story))
        done += machine.calls
        report.calls += machine.calls
        report.alive += machine.alive
        for name in ("names", "succeeded", "reached"):
            getattr(report, name).update(getattr(machine, name))
            getattr(machine, name).clear()
        machine.calls = machine.alive = 0
        number += workers
        if time.monotonic() - told > 0.5 or report.failures:
            queue.put(report)
            if report.failures:
                return
            report, told = Report(), time.monotonic()
    queue.put(report)


def run(seed: int, seconds: float, workers: int, length: int = 300, calls: int = 2**63) -> Iterator[Report]:
    """A campaign; gives the sum of all reports again and again while it lasts. Ends early at a failure.

    seconds, calls  it stops at whichever comes first

    Raises WorkerLost.
    """
    context = multiprocessing.get_context("spawn")
    queue: Queue[Report] = context.Queue()
    until = time.monotonic() + seconds
    share = -(-calls // workers)
    processes = [
        context.Process(target=work, args=(seed, n, workers, length, until, share, queue), daemon=True)
        for n in range(workers)
    ]
    total = Report()
    try:
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes) or not queue.empty():
            try:
                total.add(queue.get(timeout=0.5))
            except Empty:
                if time.monotonic() > until + SHRINKING + PATIENCE:
                    raise WorkerLost("A worker does not come to an end: a step must hang.") from None
                continue
            yield total
            if total.failures:
                return
        if any(process.exitcode for process in processes):
            raise WorkerLost("A worker stopped with an error of its own, which is told above.")
    finally:
        for process in processes:
            process.terminate()
    yield total


def save(failure: Failure, folder: Path) -> tuple[Path, Path]:
    """Writes a failure as data, to be played again, and as a test that fails as long as it does."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{abs(hash(failure.words)) % 16**8:08x}"
    data, test = folder / f"{name}.json", folder / f"test_{name}.py"
    story = failure.story.split("\n")
    found = {"version": VERSION, "decimals": failure.decimals, "words": failure.words, "story": story}
    data.write_text(json.dumps(found, indent=1) + "\n")
    test.write_text(
        '"""Found by `bulkhead fuzz`."""\n\n'
        "from bulkhead.fuzz.campaign import play\n"
        "from bulkhead.fuzz.machine import Machine\n"
        "from bulkhead.fuzz.pair import Pair\n\n\n"
        f"def test_{name}() -> None:\n"
        f"    words = {failure.words!r}\n"
        f"    story = play(Machine(Pair({failure.decimals})), words)\n"
        "    assert story is None, story\n"
    )
    return data, test


def load(path: Path) -> Failure:
    """A failure that was saved. Raises ValueError with a sentence."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        if found["version"] != VERSION:
            raise ValueError(f"{path} is of version {found['version']}, this fuzzer reads {VERSION}: find it again.")
        return Failure(int(found["decimals"]), tuple(map(int, found["words"])), "\n".join(found["story"]))
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no history that this fuzzer has saved ({error}).") from None
