"""Calls of the protocol per second and core: the fuzzer, forge's invariant test of the same, ape: `make bench-fuzz`.

bulkhead  a campaign on one worker: every call also played on the model, all storage compared, every invariant
hypothesis  the same, driven by Hypothesis' own state machine
forge     benchmarks/forge by the native forge on one thread: the same steps as handlers, every invariant that can be
          stated in Solidity
ape       the same kinds of calls on ape's own local network, with nothing checked at all

A call is a call of market or pool that may change state, refused ones included; calls of token, feed and registry of
operators, and the passing of time, are not counted, but take their time. Runs take turns, so that a noisy machine is
noisy for all; the figures are medians. Seconds leave out compilation and start, of forge as of the fuzzer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console
from rich.table import Table

from bulkhead.build import BUILD, ROOT
from bulkhead.fuzz.campaign import BATCH, Plan, Report, play_batch
from bulkhead.fuzz.stateful import state_machine
from bulkhead.invariants import INVARIANTS, REFUSALS, TRANSITIONS
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.protocol import Deployment

HERE = Path(__file__).resolve().parent
FORGE, TESTS = ROOT / "tools" / "forge", HERE / "forge"
#: Runs of forge by which the rest is planned, and steps of each: on average these lie as far into a history as those
#: of a campaign, whose histories have 75 to 300.
CALIBRATION, DEPTH = 20, 210
COUNTS, FAILURES = BUILD / "bench-counts.txt", BUILD / "bench-failures"

#: Of an example of Hypothesis.
STEPS = 100
APE_NETWORK = "ethereum:local"
ONE, UNIT, PRICE = 10**18, 10**6, 2_000

#: Invariants that a test in Solidity has nothing to check for, and why.
UNSAID = {
    "REV-1": "a call that reverts leaves the EVM as it was; the fuzzer asks it of the model",
    "BOOK-10": "the words of a series are what Solidity reads: there is no other form to come back from",
    "POS-3": "margin, reserve and entry are read from lanes that hold nothing larger",
    "ORD-5": "a pending position has no earmark but the one in its order's word",
    "CAR-1": "rates are read from lanes that hold nothing larger",
    "MAR-6": "the margins of this market are fixed",
    "VOL-1": "the margins of this market are fixed",
}


class BenchmarkError(RuntimeError):
    """A run that measures nothing: what it ended with."""


@dataclass(frozen=True)
class Sample:
    """What one run did.

    succeeded  share of its calls
    alive      positions open or pending, on average over its steps
    cpu        seconds of processor, start included: what a busy machine hardly stretches; 0 where nobody looked
    """

    calls: int
    succeeded: float
    alive: float
    seconds: float
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


def bulkhead_run(seed: int, seconds: float) -> Sample:
    """Batches of a campaign, one after another, on the shipped terms, which are those of benchmarks/forge. Raises
    BenchmarkError."""
    plan, total, cpu = Plan(seed, shipped=True), Report(), time.process_time()
    while total.busy < seconds:
        total.add(play_batch(plan, total.histories // BATCH))
        if total.failures:
            raise BenchmarkError(f"The fuzzer found something with seed {seed}:\n{total.failures[0].story}")
    succeeded = sum(total.succeeded.values()) / total.calls
    return Sample(total.calls, succeeded, total.alive / total.steps, total.busy, time.process_time() - cpu)


def hypothesis_run(seed: int, seconds: float) -> Sample:
    """The same machine as Hypothesis drives it: as many examples of a hundred steps as fit."""
    histories, machine, cpu = state_machine(), state_machine().machine, time.process_time()
    machine.calls = machine.alive = 0
    machine.succeeded.clear()
    examples, begun = 0, time.perf_counter()
    checks = list(HealthCheck)
    while time.perf_counter() - begun < seconds:
        asked = settings(
            max_examples=20, stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=checks
        )
        run_state_machine_as_test(seeded(seed + examples)(histories), settings=asked)  # type: ignore[no-untyped-call]
        examples += 20
    passed = time.perf_counter() - begun
    succeeded = sum(machine.succeeded.values()) / machine.calls
    return Sample(machine.calls, succeeded, machine.alive / (examples * STEPS), passed, time.process_time() - cpu)


def _run(*command: str, **settings: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """A command, and the processor's seconds that it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def forge_run(seed: int, runs: int) -> Sample:
    """So many runs of the invariant test. Raises BenchmarkError where it fails."""
    COUNTS.unlink(missing_ok=True)
    shutil.rmtree(FAILURES, ignore_errors=True)  # what failed once would be played again first
    settings = {"FOUNDRY_PROFILE": "bench", "BENCH_COUNTS": str(COUNTS)}
    settings |= {"FOUNDRY_INVARIANT_RUNS": str(runs), "FOUNDRY_INVARIANT_DEPTH": str(DEPTH)}
    done, cpu = _run(str(FORGE), "test", "--json", "--threads", "1", "--fuzz-seed", hex(seed), **settings)
    result = _result(done.stdout)
    if done.returncode or result is None or result["status"] != "Success":
        reason = result["reason"] if result else done.stderr.strip() or done.stdout.strip()
        raise BenchmarkError(f"forge test failed with seed {seed}: {reason}")
    # Forge says nothing where it cannot ask for the weights of the handlers.
    times = {name.rpartition(".")[2]: one["calls"] for name, one in result["kind"]["Invariant"]["metrics"].items()}
    if times["requestOpen"] < 5 * times.get("trend", 0):
        raise BenchmarkError(f"forge did not call the handlers as often as it was told: {times}.")
    lines = [tuple(map(int, line.split())) for line in COUNTS.read_text().splitlines()]
    if len(lines) < runs:  # the last one is played twice
        raise BenchmarkError(f"forge test told of {len(lines)} runs, {runs} were asked for.")
    calls, succeeded, steps, alive = (sum(column) for column in zip(*lines, strict=True))
    return Sample(calls, succeeded / calls, alive / steps, _seconds(result["duration"]), cpu)


def _result(output: str) -> dict[str, Any] | None:
    """The one test's result in what `forge test --json` prints."""
    for line in output.splitlines():
        if '"test_results"' in line:
            (suite,) = json.loads(line).values()
            (result,) = suite["test_results"].values()
            return dict(result)
    return None


def _seconds(duration: str) -> float:
    """Of "1m 2s 3ms 4µs 5ns"."""
    units = {"h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(h|ms|m|s|µs|ns)\b", duration))


def known() -> set[str]:
    """Ids of all invariants of states and of steps."""
    return {one.id for one in (*INVARIANTS, *TRANSITIONS, *REFUSALS)}


def said() -> set[str]:
    """Ids of the properties in benchmarks/forge. Raises BenchmarkError for one that the project does not know."""
    text = "".join(path.read_text() for path in TESTS.glob("*.sol"))
    found = set(re.findall(r'"([A-Z]+-\d+[a-z]?)"', text))
    if unknown := found - known():
        raise BenchmarkError(f"benchmarks/forge checks {sorted(unknown)}, which bulkhead/invariants does not know.")
    return found


def ape_run(seconds: float) -> tuple[Sample, str]:
    """Orders, margin and liquidity through ape for so long; and the network's name. Everything goes through."""
    import ape
    from ape.logging import logger

    from bulkhead.chain import ApeChain

    class LocalApeChain(ApeChain):
        """With the clock of ape's own network."""

        def set_time(self, timestamp: int) -> None:
            ape.chain.pending_timestamp = timestamp
            ape.chain.mine()

    logger.set_level("WARNING")
    with ape.networks.parse_network_choice(APE_NETWORK) as provider:
        chain = LocalApeChain(accounts=list(ape.accounts.test_accounts)[:3])
        trader, provider_, keeper = chain.accounts
        deployment = Deployment(chain)
        token, feed = deployment.deploy("TokenMock", 6), deployment.deploy("FeedProxyMock", 8)

        def push() -> bytes:
            """A round a minute later, and its proof."""
            now = chain.timestamp + 60
            chain.set_time(now)
            feed.send.push(PRICE * 10**8, now, now)
            return encode_proof(int(feed.call.latestRoundData()[0]))

        push()
        push()
        contracts = deployment.perpetual_market(token, deployment.oracle(feed.address))
        market, pool = contracts.market.send, contracts.pool.send
        for account in (trader, provider_):
            token.send.mint(account, 10**9 * UNIT)
            for part in (contracts.market, contracts.pool):
                token.send.approve(part.address, 2**256 - 1, sender=account)
        pool.deposit(10**6 * UNIT, provider_, sender=provider_)
        leg = {"series": 0, "size": ONE, "margin": 300 * UNIT, "reserve": 500 * UNIT, "maxPremium": ONE}
        low, high = PRICE * 9 // 10 * ONE, PRICE * 11 // 10 * ONE

        def cycle() -> Iterator[None]:
            """One position from its order to its end; stops after each call."""
            receipt = market.requestOpen(trader, [leg], low, high, sender=trader)
            position = receipt.event("OpenRequested").args.position
            yield
            market.execute([position], push(), sender=keeper)
            yield
            market.addMargin(position, UNIT, sender=trader)
            yield
            market.removeMargin(position, UNIT, sender=trader)
            yield
            pool.deposit(UNIT, provider_, sender=provider_)
            yield
            market.requestClose(position, ONE, 0, 0, ONE, sender=trader)
            yield
            market.execute([position], push(), sender=keeper)
            yield

        calls, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < seconds:
            for _ in cycle():
                calls += 1
        return Sample(calls, 1.0, 1.0, passed), provider.name


def measure(seconds: float, rounds: int, seed: int) -> dict[str, Any]:
    """Everything, in turns; what benchmarks/fuzz.json holds."""
    stated = said()
    # The first run compiles, and tells how many of its runs take as long as is wanted.
    first = forge_run(seed, CALIBRATION)
    runs = max(1, round(CALIBRATION * seconds / first.seconds))
    ours: list[Sample] = []
    theirs: list[Sample] = []
    by_hypothesis: list[Sample] = []
    for n in range(rounds):
        ours.append(_told("bulkhead", bulkhead_run(seed + n, seconds)))
        theirs.append(_told("forge", forge_run(seed + n, runs)))
        by_hypothesis.append(_told("hypothesis", hypothesis_run(seed + n, seconds / 2)))
    through_ape, network = ape_run(seconds / 2)
    _told("ape", through_ape)
    ours_rate, theirs_rate = (statistics.median(sample.rate for sample in samples) for samples in (ours, theirs))
    missing = sorted(known() - stated)
    return {
        "bulkhead_calls_per_s": round(ours_rate),
        "forge_calls_per_s": round(theirs_rate),
        "ratio": round(ours_rate / theirs_rate, 2),
        "ratio_of_cpu": round(_per_cpu(ours) / _per_cpu(theirs), 2),
        "ape_calls_per_s": round(through_ape.rate, 1),
        "hypothesis_calls_per_s": round(statistics.median(sample.rate for sample in by_hypothesis)),
        "seeds": [seed + n for n in range(rounds)],
        "bulkhead": {
            **_described(ours),
            "calls_per_cpu_s": round(_per_cpu(ours)),
            "cpu_seconds": [round(sample.cpu, 1) for sample in ours],
            "invariants": len(known()),
            "model_compared": True,
        },
        "forge": {
            **_described(theirs),
            "calls_per_cpu_s": round(_per_cpu(theirs)),
            "cpu_seconds": [round(sample.cpu, 1) for sample in theirs],
            "invariants": len(stated),
            "model_compared": False,
            "not_stated": {id: UNSAID.get(id, "not written") for id in missing},
            "runs": runs,
            "version": _version(),
        },
        "hypothesis": {
            **_described(by_hypothesis),
            "calls_per_cpu_s": round(_per_cpu(by_hypothesis)),
            "cpu_seconds": [round(sample.cpu, 1) for sample in by_hypothesis],
            "invariants": len(known()),
            "model_compared": True,
        },
        "ape": {**_described([through_ape]), "invariants": 0, "model_compared": False, "provider": network},
    }


def _told(what: str, sample: Sample) -> Sample:
    print(f"{what:<11}{sample.calls:>9,} calls in {sample.seconds:5.1f} s: {sample.rate:8,.1f} calls/s", flush=True)
    return sample


def _per_cpu(samples: Sequence[Sample]) -> float:
    """Calls per second of processor."""
    return statistics.median(sample.calls / sample.cpu for sample in samples)


def _described(samples: Sequence[Sample]) -> dict[str, Any]:
    """Every run's rate and length, and medians of what helps to read them."""
    return {
        "calls_per_s": [round(sample.rate, 1) for sample in samples],
        "seconds": [round(sample.seconds, 1) for sample in samples],
        "calls": [sample.calls for sample in samples],
        "positions_alive": round(statistics.median(sample.alive for sample in samples), 1),
        "succeeded": round(statistics.median(sample.succeeded for sample in samples), 2),
    }


def _version() -> str:
    done = subprocess.run([str(FORGE), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2]


def show(result: dict[str, Any]) -> None:
    """The table."""
    table = Table(
        "",
        "calls/s",
        "calls/s of processor",
        "positions alive",
        "went through",
        "invariants after a call",
        "model compared",
    )
    for name in ("bulkhead", "hypothesis", "forge", "ape"):
        row = result[name]
        alive, compared = f"{row['positions_alive']:.1f}", "yes" if row["model_compared"] else "no"
        rate = f"{result[f'{name}_calls_per_s']:,}"
        by_cpu = f"{row['calls_per_cpu_s']:,}" if "calls_per_cpu_s" in row else ""
        table.add_row(name, rate, by_cpu, alive, f"{row['succeeded']:.0%}", str(row["invariants"]), compared)
    console = Console(highlight=False)
    console.print(table)
    ratios = f"{result['ratio']}; {result['ratio_of_cpu']} by processor time"
    console.print(f"Calls beside forge {result['forge']['version']}, each on one core: {ratios}.")
    for id, reason in result["forge"]["not_stated"].items():
        console.print(f"not in Solidity: {id}: {reason}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Calls per second: this fuzzer, forge's invariants, ape.")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each run (default: 30)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, medians are told (default: 3)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round (default: a new one, printed)")
    options = parser.parse_args()
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    print(f"seed {seed}, {options.rounds} rounds of {options.seconds:.0f} s; forge compiles first, a minute or two")
    try:
        result = measure(options.seconds, options.rounds, seed)
    except BenchmarkError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    (HERE / "fuzz.json").write_text(json.dumps(result, indent=1) + "\n")
    show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
