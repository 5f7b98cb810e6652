"""Campaigns: seeded histories on every core, counted, and what fails made short and written down as a test.

A campaign is cut into batches, each of some histories in a world of its own. Both follow from the seed and the batch's
number alone: they are the same on any machine, in any order, in this process or on a cluster.
"""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import random
import re
import signal
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from bulkhead.fuzz.machine import Machine
from bulkhead.fuzz.pair import Difference, Pair
from bulkhead.fuzz.world import World

#: The form of a history; a file of another one is refused.
VERSION = 3
#: Histories in a batch: about a second of work.
BATCH = 12
#: Seconds that a failure is made shorter for, and that the slowest batch may take.
SHRINKING, PATIENCE = 30.0, 300.0

_ALONE = threading.Lock()


class WorkerLost(RuntimeError):
    """A process of the campaign has crashed or hangs: what it would have found is not known."""


@dataclass(frozen=True)
class Plan:
    """What a campaign plays.

    seed     of everything that is drawn
    length   of the longest history, steps
    world    whose parts are fuzzed; its terms are drawn anew for each batch
    shipped  the terms as they are shipped, in every batch
    """

    seed: int
    length: int = 300
    world: World = field(default_factory=World)
    shipped: bool = False

    def world_of(self, batch: int) -> World:
        """The world that a batch plays in."""
        return self.world if self.shipped else self.world.drawn(zlib.crc32(f"{self.seed}/{batch}".encode()))


@dataclass(frozen=True)
class Failure:
    """A history on which contracts and model differ, or an invariant breaks."""

    world: World
    words: tuple[int, ...]
    story: str


@dataclass
class Report:
    """What a campaign has done so far; `alive` is a sum over steps, `busy` seconds of all workers."""

    histories: int = 0
    steps: int = 0
    calls: int = 0
    alive: int = 0
    busy: float = 0.0
    names: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Takes in what another one has done."""
        for one in fields(self):
            mine, more = getattr(self, one.name), getattr(other, one.name)
            if isinstance(mine, Counter):
                mine.update(more)
            else:
                setattr(self, one.name, mine + more)


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
        machine.pair.finish()
    except Difference as difference:
        return str(difference)
    return None


def cause(story: str) -> str:
    """What a failure is about: the first invariant that breaks, or the call or slot that differs."""
    broken = re.search(r"^\w+ breaks\n  ([\w-]+): ", story, re.MULTILINE)
    differs = re.search(r"^(\w+)(: slot .*)?:\n  contracts ", story, re.MULTILINE)
    found = broken or differs
    return found[1] if found else story.rpartition("\n")[2]


def shrink(machine: Machine, words: tuple[int, ...], seconds: float = SHRINKING) -> tuple[int, ...]:
    """Leaves out words as long as the history goes wrong in the same way: first long runs of them, then single ones.
    Takes no more than so many seconds."""
    until = time.monotonic() + seconds
    whole = play(machine, words)
    if whole is None:
        return words
    wanted = cause(whole)
    size = len(words) // 2
    while size:
        start = 0
        while start < len(words) and time.monotonic() < until:
            shorter = words[:start] + words[start + size :]
            story = play(machine, shorter)
            if story is not None and cause(story) == wanted:
                words = shorter
            else:
                start += size
        size //= 2
    return words


def play_batch(plan: Plan, batch: int) -> Report:
    """One batch; ends at its first failure, which is not made shorter yet. One at a time in a process: a worker of a
    cluster may have many threads."""
    with _ALONE, _uncollected():
        return _play_batch(plan, batch)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles: what a history makes is let go by its counts of references."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _play_batch(plan: Plan, batch: int) -> Report:
    begun = time.monotonic()
    world = plan.world_of(batch)
    machine = world.machine(Pair(world))
    report = Report(names=machine.names, succeeded=machine.succeeded, reached=machine.reached)
    for number in range(batch * BATCH, (batch + 1) * BATCH):
        words = tuple(history(plan.seed, number, plan.length))
        story = play(machine, words)
        report.histories += 1
        report.steps += len(words)
        if story is not None:
            report.failures.append(Failure(world, words, story))
            break
    report.calls, report.alive, report.busy = machine.calls, machine.alive, time.monotonic() - begun
    return report


def shortened(failure: Failure) -> Failure:
    """The same failure by fewer steps."""
    machine = failure.world.machine(Pair(failure.world))
    words = shrink(machine, failure.words)
    return Failure(failure.world, words, play(machine, words) or failure.story)


@dataclass
class Campaign:
    """What has been played of a plan: every batch below `following`, those of `beyond`, and what they reported."""

    plan: Plan
    following: int = 0
    beyond: set[int] = field(default_factory=set)
    total: Report = field(default_factory=Report)

    @property
    def missed(self) -> list[str]:
        """States that it should have reached and has not."""
        return [name for name in self.plan.world.must_reach if not self.total.reached[name]]

    def run(self, executor: Executor, workers: int, seconds: float, calls: int = 2**63) -> Iterator[Report]:
        """Plays on; gives the sum of all reports again and again. Ends at a failure, after so many seconds, or once
        there have been so many calls altogether. Raises WorkerLost."""
        until = time.monotonic() + seconds
        running: dict[Future[Report], int] = {}
        number = self.following
        while True:
            going = time.monotonic() < until and self.total.calls < calls and not self.total.failures
            while going and len(running) < 2 * workers:
                if number not in self.beyond:
                    running[executor.submit(play_batch, self.plan, number)] = number
                number += 1
            if not running:
                return
            done, _ = wait(running, PATIENCE, FIRST_COMPLETED)
            if not done:
                raise WorkerLost(f"No batch ends within {PATIENCE:.0f} s: a step must hang.")
            for future in done:
                self._count(running.pop(future), future)
            yield self.total
            if not going:
                for future in [future for future in running if future.cancel()]:
                    del running[future]

    def _count(self, batch: int, future: Future[Report]) -> None:
        try:
            self.total.add(future.result())
        except Exception as error:
            raise WorkerLost(f"Batch {batch} stopped with an error of its own: {error!r}.") from error
        self.beyond.add(batch)
        while self.following in self.beyond:
            self.beyond.remove(self.following)
            self.following += 1

    def save(self, path: Path) -> None:
        """Writes down what has been played, at once or not at all, so that `load` goes on from there."""
        plan, total = self.plan, self.total
        state = {
            "version": VERSION,
            "plan": {"seed": plan.seed, "length": plan.length, "shipped": plan.shipped, **_described(plan.world)},
            "following": self.following,
            "beyond": sorted(self.beyond),
            "total": {one.name: getattr(total, one.name) for one in fields(total) if one.name != "failures"},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(state, indent=1) + "\n")
        part.replace(path)

    @staticmethod
    def load(path: Path, world: type[World] = World) -> Campaign:
        """A campaign that was saved. Raises ValueError with a sentence."""
        try:
            state = _read(path)
            plan = dict(state["plan"])
            known = Plan(plan.pop("seed"), plan.pop("length"), shipped=plan.pop("shipped"), world=world(**plan))
            counted: dict[str, Any] = {
                name: Counter(v) if isinstance(v, dict) else v for name, v in state["total"].items()
            }
            return Campaign(known, state["following"], set(state["beyond"]), Report(**counted))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is no campaign that this fuzzer has saved ({error}).") from None


class _Worker(SpawnProcess):
    """Leaves Ctrl-C to its parent from its first instant on: it inherits the mask that it is started under."""

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Workers(SpawnContext):
    Process = _Worker


@contextmanager
def local_workers(count: int) -> Iterator[Executor]:
    """Processes of this machine, which end at once where this is left by an interruption or an error."""
    executor = ProcessPoolExecutor(count, mp_context=_Workers())
    try:
        yield executor
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def cluster_workers(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a Dask cluster, and how many processes there are. Raises ValueError with a sentence."""
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("A cluster needs Dask: install bulkhead[cluster].") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it would tell of a lost connection in fifty lines
    try:
        client: Any = Client(address, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(f"No cluster answers at {address}: {error}.") from None
    with client:
        if not (workers := len(client.nthreads())):
            raise ValueError(f"The cluster at {address} has no workers: start some with `dask worker {address}`.")
        yield client.get_executor(pure=False), workers


def _described(world: World) -> dict[str, Any]:
    return {one.name: getattr(world, one.name) for one in fields(world)}


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        version = found["version"]
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is nothing that this fuzzer has saved ({error}).") from None
    if version != VERSION:
        raise ValueError(f"{path} is of version {version}, this fuzzer reads {VERSION}: find it again.")
    return found


def save(failure: Failure, folder: Path) -> tuple[Path, Path]:
    """Writes a failure as data, to be played again, and as a test that fails as long as it does."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{zlib.crc32(repr((failure.world, failure.words)).encode()):08x}"
    data, test = folder / f"{name}.json", folder / f"test_{name}.py"
    world, story = failure.world, failure.story.split("\n")
    kind = type(world)
    found = {"version": VERSION, "world": _described(world), "words": failure.words, "story": story}
    data.write_text(json.dumps(found, indent=1) + "\n")
    test.write_text(
        '"""Found by `bulkhead fuzz`."""\n\n'
        "from bulkhead.fuzz import Pair\n"
        "from bulkhead.fuzz.campaign import play\n"
        f"from {kind.__module__} import {kind.__name__}\n\n\n"
        f"def test_{name}() -> None:\n"
        f"    words = (\n{_lines(failure.words)}\n    )\n"
        f"    world = {world!r}\n"
        "    story = play(world.machine(Pair(world)), words)\n"
        "    assert story is None, story\n"
    )
    return data, test


def _lines(words: tuple[int, ...]) -> str:
    return "\n".join(f"        {', '.join(map(str, words[i : i + 5]))}," for i in range(0, len(words), 5))


def load(path: Path, world: type[World] = World) -> Failure:
    """A failure that was saved. Raises ValueError with a sentence."""
    found = _read(path)
    try:
        return Failure(world(**found["world"]), tuple(map(int, found["words"])), "\n".join(found["story"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no history that this fuzzer has saved ({error}).") from None


def workers_here() -> int:
    """A process a core."""
    return os.cpu_count() or 1
