"""Plants one subtle fault after another in a copy of the contracts, and demands that the fuzzer finds each in time."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from bulkhead import build
from bulkhead.fuzz.campaign import Failure, Plan, play_batch, shortened
from tools.coverage.instrumented import use_copy
from tools.coverage.plugin import lift_limits
from tools.faults.planting import ROOT, SOUND, Change, FaultInvalid, named, read_list, write_copy

LIST = Path(__file__).with_name("subtle.toml")
RESULT = ROOT / "benchmarks" / "hunt.json"
#: Seconds that the fuzzer has for a fault. Without one it must find nothing for as long.
LIMIT = 60.0


@dataclass(frozen=True)
class Subtle(Change):
    """A fault that the fuzzer must find. `why` it is subtle: one sentence."""

    why: str


@dataclass(frozen=True)
class Find:
    """How a hunt went. Not found: `broke` is empty.

    seconds    of one processor, deployments included: what else the machine does is not in them
    calls      state-changing calls of the protocol before the one that shows it
    steps      what is left of the history, made shorter
    compiling  seconds that the copy took before, not counted
    """

    name: str
    seconds: float
    calls: int
    steps: int
    broke: str
    compiling: float


def hunt(name: str, folder: Path, seed: int, limit: float) -> Find:
    """A campaign on a copy, with drawn worlds, by this process alone. It must be a new process: it changes itself."""
    use_copy(folder)
    lift_limits()
    begun = time.monotonic()
    build.artifacts()
    compiling, compiled = time.monotonic() - begun, time.process_time()
    plan, calls = Plan(seed), 0
    for batch in count():
        report = play_batch(plan, batch)
        calls += report.calls
        seconds = time.process_time() - compiled
        if seconds > limit or report.failures:
            break
    if seconds > limit or not report.failures:
        return Find(name, seconds, calls, 0, "", compiling)
    short = shortened(report.failures[0])
    (folder / "story.txt").write_text(f"{short.world}\n{short.story}\n")
    return Find(name, seconds, calls, len(short.words), what_broke(short), compiling)


def what_broke(failure: Failure) -> str:
    """The ids of invariants, or the call of which contracts and model tell different things."""
    if ids := re.findall(r"^  ([A-Z]+-\w+): ", failure.story.partition(" breaks\n")[2], re.MULTILINE):
        return ", ".join(ids)
    differing = failure.story.splitlines()[-3]
    call, _, slot = differing.rstrip(":").partition(": slot ")
    place = re.sub(r"^0x[0-9a-f]+ of (.*)", r"\1", slot)
    return f"{call}: storage of {place}" if slot else f"{call}: answer or error"


def in_a_process(name: str, folder: Path, seed: int, limit: float) -> Find:
    """`hunt` in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(hunt, name, folder, seed, limit).result()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.faults.hunt", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these faults")
    parser.add_argument("--seed", type=int, default=1, help="of all histories (default: 1)")
    options = parser.parse_args()
    try:
        chosen = named(read_list(LIST, Subtle), options.names)
    except FaultInvalid as error:
        print(error, file=sys.stderr)
        return 1

    seed, limit = options.seed, LIMIT
    print(f"seed {seed}; first {limit:.0f} s on the contracts as they are", flush=True)
    sound = in_a_process(SOUND, write_copy(SOUND), seed, limit)
    if sound.broke:
        print(f"The fuzzer finds something without any fault: {sound.broke}", file=sys.stderr)
        return 1
    found = []
    for fault in chosen:
        one = in_a_process(fault.name, write_copy(fault.name, fault), seed, limit)
        found.append(one)
        how = f"{one.calls:,} calls, {one.steps} steps left, {one.broke}" if one.broke else "NOT FOUND"
        print(f"{one.seconds:5.1f} s  {one.name}: {how} ({one.compiling:.0f} s to compile)", flush=True)
    missed = [one.name for one in found if not one.broke]
    print(f"{len(found) - len(missed)} of {len(found)} faults found within {limit:.0f} s each")
    if not options.names:
        result = {"seed": seed, "limit_s": limit, "sound": asdict(sound), "faults": [asdict(one) for one in found]}
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
