"""A pytest plugin that runs, for each mutant, the fuzzer, the tests that meet it, and more of the fuzzer, until
something notices.

The tests are collected once. Each mutant then has a process of its own, forked from this one, in which it is on from
the first deployment. A run without any mutant comes first: there all must pass, and it tells which test meets what.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest
from hypothesis import Phase, settings

from tools.faults.plugin import SEES, saw
from tools.mutation import switch
from tools.mutation.schemata import RUN

#: Seconds that a test or the fuzzer may take with a mutant on, beside SLOWER times what it took without: a mutant that
#: makes one never end is noticed by that.
PATIENCE, SLOWER = 10, 5
#: Seconds that a test may take which meets a mutant only in what all tests share.
SHORT = 1.0
FUZZER, TIME = "the fuzzer", "no end"

#: Runs that are recorded: what many tests share, the fuzzer, and then one for each test.
_SHARED, _FUZZ, _TESTS = 1, 2, 3

_processes = multiprocessing.get_context("fork")


class Unsound(Exception):
    """Something fails with no mutant on; the message says what."""


@dataclass(frozen=True)
class Verdict:
    """What noticed a mutant (None: nothing), after how many seconds, and tests that broke without proving anything."""

    by: str | None
    seconds: float
    broken: tuple[str, ...] = ()


@dataclass
class Reach:
    """Of the run without a mutant: who meets which mutant, and how long each test took."""

    fuzzing: list[float] = field(default_factory=list)  # seconds of each part
    by_fuzzer: set[int] = field(default_factory=set)
    shared: set[int] = field(default_factory=set)
    by_test: dict[int, list[int]] = field(default_factory=dict)  # mutant -> tests by their place
    seconds: list[float] = field(default_factory=list)


class Hunt:
    """Hunts mutants 1 to `mutants`; `tell` hears of each that is done. `verdicts` by number; Unsound in `problem`.

    argued   that nothing can notice these: only the fuzzer is asked, which could prove the argument wrong
    fuzz     plays part 0 of its histories, the quick one, or part 1, the rest; raises what `SEES` names if it notices
    """

    def __init__(
        self,
        mutants: int,
        argued: Set[int],
        at_once: int,
        fuzz: Callable[[int], None],
        tell: Callable[[int, Verdict], None],
    ) -> None:
        self._mutants, self._argued, self._at_once, self._fuzz, self._tell = mutants, argued, at_once, fuzz, tell
        self.verdicts: dict[int, Verdict] = {}
        self.problem: Unsound | None = None
        self._caught: list[str] = []
        self._broken: list[str] = []
        self._run = 0

    # --- what pytest calls

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            self.problem = Unsound("Some tests cannot be collected.")
            return True
        settings.register_profile("mutation", database=None, deadline=None, phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutation")
        self._items = session.items
        try:
            self._reach = self._sound()
        except Unsound as problem:
            self.problem = problem
            return True
        self._kills = [0] * len(self._items)
        self._hunt()
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
            (self._caught if saw(call.excinfo.value) else self._broken).append(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        if self._run and fixturedef.scope != "function":
            switch.turn(_SHARED * RUN)
        try:
            return (yield)
        finally:
            if self._run:
                switch.turn(self._run * RUN)

    # --- one process each

    def _sound(self) -> Reach:
        """Runs the fuzzer and every test with no mutant on, recording. Raises Unsound."""
        here, there = _processes.Pipe(duplex=False)
        process = _processes.Process(target=self._record, args=(there,))
        process.start()
        there.close()
        try:
            told: Reach | str = here.recv()
        except EOFError:
            raise Unsound("The tests stop this process even with no mutant on.") from None
        finally:
            process.join()
        if isinstance(told, str):
            raise Unsound(told)
        return told

    def _record(self, there: Connection) -> None:
        reach = Reach()
        switch.turn(_FUZZ * RUN)
        for part in (0, 1):
            began = time.process_time()
            try:
                self._fuzz(part)
            except SEES as error:
                there.send(f"The fuzzer fails with no mutant on: {error}")
                return
            reach.fuzzing.append(time.process_time() - began)
        for place, (item, following) in enumerate(zip(self._items, [*self._items[1:], None], strict=True)):
            self._run, began = _TESTS + place, time.process_time()
            switch.turn(self._run * RUN)
            _run(item, following)
            reach.seconds.append(time.process_time() - began)
        if failed := self._caught + self._broken:
            there.send(f"Tests fail with no mutant on: {', '.join(failed)}")
            return
        for run, numbers in switch.met().items():
            if run == _FUZZ:
                reach.by_fuzzer |= numbers
            elif run == _SHARED:
                reach.shared |= numbers
            else:
                for number in numbers:
                    reach.by_test.setdefault(number, []).append(run - _TESTS)
        there.send(reach)

    def _hunt(self) -> None:
        waiting = iter(range(1, self._mutants + 1))
        running: dict[Connection, tuple[int, Any, float]] = {}
        while True:
            while len(running) < self._at_once and (number := next(waiting, None)) is not None:
                here, there = _processes.Pipe(duplex=False)
                process = _processes.Process(target=self._chase, args=(number, there))
                process.start()
                there.close()
                running[here] = number, process, time.monotonic()
            if not running:
                return
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                number, process, began = running.pop(ready)
                try:
                    by, broken = ready.recv()
                except EOFError:
                    by, broken = None, ("the process",)
                process.join()
                if process.exitcode == -signal.SIGPROF:
                    by, broken = TIME, ()
                self.verdicts[number] = verdict = Verdict(by, time.monotonic() - began, tuple(broken))
                for place, item in enumerate(self._items):
                    self._kills[place] += item.nodeid == by
                self._tell(number, verdict)

    def _chase(self, number: int, there: Connection) -> None:
        _silence()
        switch.turn(number)
        there.send((self._noticed(number), self._broken))
        there.close()
        os._exit(0)

    def _noticed(self, number: int) -> str | None:
        """What notices the mutant that is on."""
        if self._fuzzed(number, 0):
            return FUZZER
        tests = [] if number in self._argued else self._order(number)
        for place, following in zip(tests, [*tests[1:], None], strict=False):
            _within(self._reach.seconds[place])
            _run(self._items[place], None if following is None else self._items[following])
            if self._caught:
                return self._caught[0]
        return FUZZER if self._fuzzed(number, 1) else None

    def _fuzzed(self, number: int, part: int) -> bool:
        if number not in self._reach.by_fuzzer:
            return False
        _within(self._reach.fuzzing[part])
        try:
            self._fuzz(part)
        except SEES:
            return True
        except Exception:
            self._broken.append(FUZZER)
        return False

    def _order(self, number: int) -> list[int]:
        """Tests that may notice it, those first that take little and have noticed much."""
        seconds = self._reach.seconds
        meeting = self._reach.by_test.get(number, [])
        others: list[int] = []
        if number in self._reach.shared:  # in what they share all meet it
            others = [place for place, one in enumerate(seconds) if place not in set(meeting) and one < SHORT]

        def cost(place: int) -> float:
            return seconds[place] / (1 + self._kills[place])

        return [*sorted(meeting, key=cost), *sorted(others, key=cost)]


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _within(seconds: float) -> None:
    """This process ends if what begins now takes too long."""
    signal.setitimer(signal.ITIMER_PROF, PATIENCE + SLOWER * seconds)  # of the processor: others may be at work


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
