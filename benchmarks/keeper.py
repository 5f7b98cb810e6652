"""A keeper's index with a million positions, and 12,000 vaults liquidated on an anvil: benchmarks/keeper.json.

    python benchmarks/keeper.py             both; about twenty minutes, most of them to open the vaults
    python benchmarks/keeper.py --no-chain  only the index, half a minute; keeps the other figures of the file

Seconds are of the clock on the wall; those of the processor alone stand beside them (cpu), for a machine that is busy.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bulkhead import Protocol
from bulkhead.chain import AnvilChain
from bulkhead.keeper import Job, Keeper, Settings
from bulkhead.keeper.bounds import Bounds
from bulkhead.keeper.health import is_liquidatable
from bulkhead.keeper.index import Index
from bulkhead.model.instruments.perpetual import YEAR, Parameters
from bulkhead.model.interfaces.market import Position, Status
from bulkhead.model.libraries import book
from bulkhead.model.libraries.book import Series
from bulkhead.model.libraries.position_math import LOT, ONE
from bulkhead.model.margin.fixed_margin import FixedMargin
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.protocol import Leg, MarketTerms

FILE = Path(__file__).with_suffix(".json")
SEED = 5
NOW = 1_800_000_000
UNIT = 10**30  # a token of six decimals

POSITIONS = 1_000_000
#: Positions that have changed since the last sweep, so that they lie beside the order.
CHANGED = 1_000
TICKS = 1_000
MOST_CROSSED = 1_000
SWEEP = 600

VAULTS = 12_000
LEGS = 50
BATCH = 40


# ---------------------------------------------------------------- the index


def index_figures() -> dict[str, float]:
    """A market at 2,000: half longs, half shorts, margins of 4 % to 60 %, entries within 20 % of the price."""
    draw = np.random.default_rng(SEED)
    rate, model = ONE * 2 // 100, FixedMargin(ONE * 4 // 100, ONE * 3 // 100, ONE * 2 // 100)
    fastest = Parameters(10_000 * ONE, ONE, rate, ONE // 5, ONE, ONE * 8 // 10, ONE // 5)
    series = Series(funding=ONE // 50, borrowing=ONE // 10, borrow_rate=ONE // 10 // YEAR, time=NOW - 60, live=True)
    carry, index = book.carry_at(series, NOW), Index(UNIT)

    begun, work = time.perf_counter(), time.process_time()
    for number, position in enumerate(positions(draw, POSITIONS)):
        index.put(number.to_bytes(20, "big"), position)
    sweep = time.perf_counter()
    index.sweep(Bounds.until(series, fastest, rate, NOW, NOW + SWEEP), NOW + SWEEP)
    build, build_cpu, sweep = time.perf_counter() - begun, time.process_time() - work, time.perf_counter() - sweep
    for number, position in enumerate(positions(draw, CHANGED)):
        index.put((number * (POSITIONS // CHANGED)).to_bytes(20, "big"), position)

    exact = Bounds.at(carry, rate)
    took: list[float] = []
    worked: list[float] = []
    found = 0
    for price in prices(index, draw):
        begun, work = time.perf_counter(), time.process_time()
        rows = index.liquidatable(
            price, NOW, exact, lambda p, price=price: is_liquidatable(p, price, carry, model, UNIT)
        )
        took.append(1_000 * (time.perf_counter() - begun))
        worked.append(1_000 * (time.process_time() - work))
        found += rows.size
    return {
        "positions": len(index.table),
        "build_s": round(build, 1),
        "build_cpu_s": round(build_cpu, 1),
        "sweep_s": round(sweep, 2),
        "tick_ms_p50": round(statistics.median(took), 2),
        "tick_ms_p99": round(statistics.quantiles(took, n=100)[98], 2),
        "tick_cpu_ms_p50": round(statistics.median(worked), 2),
        "tick_cpu_ms_p99": round(statistics.quantiles(worked, n=100)[98], 2),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024,
        "found_per_s": round(1_000 * found / sum(took)),
    }


def positions(draw: np.random.Generator, count: int) -> Iterator[Position]:
    """Open ones, all healthy at 2,000 or nearly so."""
    lots = draw.integers(10**6, 10**10, count) * draw.choice((1, -1), count)
    entries, margins, reserves = draw.integers(1_900, 2_100, count), draw.integers(70, 600, count), draw.random(count)
    for size, entry, margin, reserve in zip(lots.tolist(), entries.tolist(), margins.tolist(), reserves, strict=True):
        notional = abs(size) * LOT * entry * ONE // UNIT
        money = (notional * margin // 1_000, int(notional * (0.05 + 0.95 * reserve)))
        yield Position(*money, Status.OPEN, size * LOT, entry * ONE, 0, NOW - 60, ONE // 50 // book.KEPT, 9 * 10**8)


def prices(index: Index, draw: np.random.Generator) -> Iterator[int]:
    """Such that up to MOST_CROSSED positions are crossed, evenly; below the market and above it in turn."""
    for tick, wanted in enumerate(draw.integers(0, MOST_CROSSED + 1, TICKS).tolist()):
        near, far = 2_000 * ONE, 1_500 * ONE if tick % 2 else 2_500 * ONE
        while abs(near - far) > ONE // 1_000_000:
            middle = (near + far) // 2
            near, far = (middle, far) if index.candidates(middle).size <= wanted else (near, middle)
        yield near


# ---------------------------------------------------------------- the drain


def drain_figures() -> dict[str, Any]:
    """Opens VAULTS longs, lets the price fall until none has anything left, and lets one keeper liquidate them all."""
    terms = MarketTerms(
        keeper_floor=Decimal("0.1"), keeper_cap=Decimal(1), liquidation_fee=Decimal("0.5"), min_margin=Decimal(5)
    )
    with AnvilChain() as chain:
        protocol = Protocol.local(chain, liquidity=10_000_000, terms=terms)
        market = protocol.market()
        trader = protocol.account("trader", tokens=10_000_000)
        chain.automine(False)
        vaults: list[str] = []
        for number in range(VAULTS // LEGS):
            say(f"opening {number * LEGS} of {VAULTS}")
            legs = [Leg(size="0.1", margin=60, reserve=15, max_premium="0.2")] * LEGS
            vaults += [position.address for position in market.request(*legs, sender=trader)]
            protocol.set_price(2_000)
            proof = encode_proof(market.oracle.feeds[0].last_by(1, chain.timestamp))
            for vault in vaults[-LEGS:]:
                chain.queue(market.address, market.contract.encode.execute([vault], proof), gas=1_000_000)
            chain.mine()
        protocol.set_price(1_300)

        lines: list[dict[str, Any]] = []
        settings = Settings(jobs=frozenset({Job.LIQUIDATE}), batch=BATCH, daily_budget=10**20)
        keeper = Keeper(market, "0x" + "11" * 32, settings, log=lambda event, facts: lines.append({event: facts}))
        chain.set_balance(keeper.sender.address, 10**21)
        first, done = chain.block_number, []
        while True:
            sent, landed = keeper.step()
            done += landed
            if not sent and not landed:
                break
            if sent:
                chain.mine()
            say(f"drained {sum(len(one.done) for one in done)}")
        blocks = chain.block_number - first
    gas = [one.gas / len(one.done) for one in done]
    assert sum(len(one.done) for one in done) == len(set(vaults)) == VAULTS, lines[-3:]
    hundred = -(-100 // BATCH)
    early, late = statistics.mean(gas[:hundred]), statistics.mean(gas[-hundred:])
    return {
        "drained": VAULTS,
        "blocks_to_drain": blocks,
        "gas_a_vault_first_100": round(early),
        "gas_a_vault_last_100": round(late),
    }


def say(progress: str) -> None:
    """For those who wait."""
    print(f"\r{progress:60}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measures and writes."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--no-chain", action="store_true", help="only the index")
    arguments.add_argument("--no-index", action="store_true", help="only the drain")
    options = arguments.parse_args()
    figures: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    if not options.no_index:
        figures |= index_figures()
    if not options.no_chain:
        figures |= drain_figures()
    FILE.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
