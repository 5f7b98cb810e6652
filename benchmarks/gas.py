"""Gas of every user call, beside that of other systems: `make bench-gas`.

Whole transactions, from the receipts of an anvil under prague rules, refunds included. Every transaction has a block of
its own, so all state is cold. The market is in use: positions of others on both sides, no order of theirs pending;
traders, keeper and pool hold tokens already. Collateral is a plain ERC-20 with an unlimited allowance. Every position
has a trader of its own.

one    an oracle with one push feed behind a proxy
three  a primary and two validators behind proxies, one of which must agree

What a price costs inside a user's transaction, by the trace of its call, stands under "oracle". A price of Pyth is
printed beside it: the MockPyth that Pyth publishes checks no signatures, so SIGNATURES is added where they are checked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bulkhead.build import ROOT, SETTINGS, SOLC, artifacts
from bulkhead.chain import AnvilChain, Contract, Receipt, to_address
from bulkhead.model.oracles.oracle import encode_proof
from bulkhead.model.oracles.source import Kind
from bulkhead.protocol import Deployment, MarketTerms, OracleTerms
from bulkhead.protocol.config import PerpetualTerms, source

HERE = Path(__file__).resolve().parent
ONE = 10**18
UNIT = 10**6
MAX = 2**64 - 1
PRICE = 2_000
HEARTBEAT = 3_600
BLOCK = 12
BATCH = 50
ORACLES = {"one": 0, "three": 2}
#: What Pyth's check of the signatures over one update costs, about.
SIGNATURES = 200_000
PRICE_ID = b"\xee" * 32
PYTH_FEE = 1

PEERS = ("GMX v2.2", "Perennial v2.4", "Synthetix v3", "Euler EVK", "Morpho Blue")

#: Row, path in the result, targets with (one, three), and what the same costs with the peers, in their order.
ROWS: tuple[tuple[str, str, tuple[int, int] | None, tuple[int | None, ...]], ...] = (
    ("open, margin in included", "open.total", (350_000, 375_000), (3_452_597, 1_013_964, 1_413_337, 403_926, 157_642)),
    ("  request", "open.request", None, ()),
    ("  execute", "open.execute", None, ()),
    ("add margin", "add_margin", (54_000, 54_000), (3_043_019, 387_804, 360_254, 121_809, 56_895)),
    ("remove margin", "remove_margin", (99_000, 125_000), (3_168_902, 362_643, 368_110, 195_541, 80_991)),
    ("close in full", "close.total", (190_000, 215_000), (3_148_974, 896_084, 1_053_084, 258_920, 150_873)),
    ("  request", "close.request", None, ()),
    ("  execute", "close.execute", None, ()),
    ("void an opening order", "void", None, ()),
    ("liquidate, whole", "liquidate.single", (140_000, 168_000), (2_545_276, 1_254_706, 809_381, 325_033, 105_704)),
    (f"  each of {BATCH}", "liquidate.batch_each", (52_000, 52_000), ()),
    ("deposit as provider", "pool_deposit", (110_000, 138_000), (2_682_638, 1_117_923, None, 121_809, 78_135)),
    ("exit as provider", "pool_exit", None, ()),
    ("create a market", "market_creation", None, ()),
    ("also: liquidate a part", "also.liquidate_part", None, ()),
    ("also: close within a band", "also.close_in_band", None, ()),
    ("also: request an exit", "also.pool_exit_request", None, ()),
    ("also: execute an exit", "also.pool_exit_execute", None, ()),
    ("also: deploy a perpetual", "also.perpetual_deployment", None, ()),
)


@dataclass(frozen=True)
class Compiled:
    """What `Chain.deploy` wants."""

    name: str
    abi: list[Any] = field(repr=False)
    bytecode: bytes = field(repr=False)


def plain_token() -> Compiled:
    """Compiles PlainToken.sol, with the project's compiler and settings."""
    files = ["interfaces/draft-IERC6093", "token/ERC20/ERC20", "token/ERC20/IERC20"]
    files += ["token/ERC20/extensions/IERC20Metadata", "utils/Context"]
    sources = {f"@openzeppelin/contracts/{name}.sol": "" for name in files}
    contents = {name: {"content": (ROOT / "node_modules" / name).read_text()} for name in sources}
    contents["PlainToken.sol"] = {"content": (HERE / "PlainToken.sol").read_text()}
    outputs = {"*": {"PlainToken": ["abi", "evm.bytecode.object"]}}
    request = {"language": "Solidity", "sources": contents, "settings": {**SETTINGS, "outputSelection": outputs}}
    done = subprocess.run(
        [str(SOLC), "--standard-json"], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    if errors := [e["formattedMessage"] for e in answer.get("errors", ()) if e["severity"] == "error"]:
        raise SystemExit("\n".join(errors))
    compiled = answer["contracts"]["PlainToken.sol"]["PlainToken"]
    return Compiled("PlainToken", compiled["abi"], bytes.fromhex(compiled["evm"]["bytecode"]["object"]))


class Stage:
    """A market in use, on a chain of its own."""

    def __init__(self, chain: AnvilChain, token: Compiled, validators: int) -> None:
        self.chain = chain
        self.deployment = Deployment(chain)
        self.token = chain.deploy(token)
        self.feeds = [self.deployment.deploy("FeedProxyMock", 8) for _ in range(1 + validators)]
        for _ in range(2):
            self.price(PRICE)
        self.oracle = self.deployment.deploy("Oracle", self.oracle_settings())
        # Deep, so that fifty positions on one side move the premium little.
        instrument = PerpetualTerms(skew_scale=Decimal(100_000))
        self.contracts = self.deployment.perpetual_market(self.token, self.oracle, None, instrument)
        self.market, self.pool = self.contracts.market, self.contracts.pool
        self.keeper = self.account("keeper")
        self.provider, self.holder = self.account("provider"), self.account("holder")
        self.pool.send.deposit(10_000_000 * UNIT, self.provider, sender=self.provider)
        self.pool.send.deposit(10_000 * UNIT, self.holder, sender=self.holder)
        for name, size in (("first long", 30), ("first short", -20), ("second short", -5), ("second long", 5)):
            self.open(self.account(name), size, 50 * abs(size) + 2_000, 200 * abs(size))
        self.leave(self.provider, 1_000 * UNIT * 10**6)  # exits have happened before

    def oracle_settings(self) -> dict[str, Any]:
        """A primary, alone or with validators."""
        primary, *validators = (feed.address for feed in self.feeds)
        settings = OracleTerms(heartbeat=HEARTBEAT).encoded(primary, 8)
        agreement = {"spread": ONE // 100, "quorum": 1} if validators else {}
        return settings | {"validators": [source(feed, HEARTBEAT) for feed in validators]} | agreement

    def account(self, label: str) -> str:
        """Somebody with tokens and allowances for the market and its pool."""
        account = self.chain.new_account(label)
        self.token.send.mint(account, 10**8 * UNIT)
        if hasattr(self, "market"):
            for spender in (self.market, self.pool):
                self.token.send.approve(spender.address, 2**256 - 1, sender=account)
        return account

    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.chain.set_time(self.chain.timestamp + seconds)

    def price(self, price: int) -> bytes:
        """A new round of every feed, the primary's last, and a block later its proof."""
        self.wait(60)
        now = self.chain.timestamp
        for feed in reversed(self.feeds):
            feed.send.push(price * 10**8, now, now)
        self.wait(BLOCK)
        primary, *validators = (int(feed.call.latestRoundData()[0]) for feed in self.feeds)
        return encode_proof(primary, tuple(validators) if validators else None)

    def request(self, trader: str, size: int, margin: int, reserve: int, width: int = 10) -> tuple[str, Receipt]:
        """Commits to open, in a band of `width` percent around the price; sizes in units, amounts in tokens."""
        leg = {"series": 0, "size": size * ONE, "margin": margin * UNIT, "reserve": reserve * UNIT, "maxPremium": MAX}
        low, high = (PRICE * (100 + sign * width) * ONE // 100 for sign in (-1, 1))
        receipt = self.market.send.requestOpen(trader, [leg], low, high, sender=trader)
        return receipt.event("OpenRequested").args.position, receipt

    def execute(self, position: str, proof: bytes, event: str) -> Receipt:
        """Carries an order out as the keeper; it must end in that event."""
        receipt = self.market.send.execute([position], proof, sender=self.keeper)
        receipt.event(event)
        return receipt

    def open(self, trader: str, size: int, margin: int, reserve: int) -> str:
        """An open position at the usual price."""
        position, _ = self.request(trader, size, margin, reserve)
        self.execute(position, self.price(PRICE), "Opened")
        return position

    def liquidate(self, *positions: str, whole: bool) -> Receipt:
        """Liquidates them all, wholly or in part."""
        receipt = self.market.send.liquidate(list(positions), sender=self.keeper)
        exits = receipt.events_of("Exited")
        assert len(exits) == len(positions), f"{len(exits)} of {len(positions)} were liquidatable"
        for exit_ in exits:
            over = self.market.call.positionOf(exit_.args.position).size == 0
            assert over == whole, f"liquidated {'wholly' if over else 'in part'}"
            assert not whole or exit_.args.toTrader > 0, "nothing was left to the trader"
        return receipt

    def leave(self, provider: str, shares: int) -> tuple[Receipt, Receipt]:
        """Request and payment of an exit from the pool."""
        request = self.pool.send.requestRedeem(shares, 0, sender=provider)
        payment = self.pool.send.executeExit(self.price(PRICE), sender=self.keeper)
        payment.event("ExitPaid")
        return request, payment


class Bench:
    """Measures all calls on one stage."""

    def __init__(self, stage: Stage, console: Console, where: bool) -> None:
        self.stage, self.console, self.where = stage, console, where
        self.names = {stage.token.address: "token", stage.market.address: "market", stage.pool.address: "pool"}
        self.names |= {stage.oracle.address: "oracle", stage.contracts.instrument.address: "instrument"}
        self.names |= {stage.contracts.margin_model.address: "margin model"}
        self.names |= {feed.address: "feed" for feed in stage.feeds}
        self.names |= {str(feed.call.phaseAggregators(1)): "aggregator" for feed in stage.feeds}

    def run(self) -> dict[str, Any]:
        """Every figure, in the shape of gas.json."""
        return {
            "open": self.opening(),
            "add_margin": self.adding(),
            "remove_margin": self.removing(),
            "close": self.closing("alice", self.mine, (0, 0)),
            "void": self.void(),
            "liquidate": self.liquidations(),
            "pool_deposit": self.deposit(),
            "pool_exit": self.exit(),
            "market_creation": self.creation(),
            "also": self.also,
        }

    def taken(self, name: str, receipt: Receipt, steps: bool = True) -> int:
        """The gas of a receipt, reported."""
        self.console.print(f"  {name:<24} {receipt.gas_used:>10,}")
        if self.where:
            if steps:
                explain(self.stage.chain, receipt, self.names, self.console)
            calls(self.stage.chain, receipt, self.names, self.console)
        return receipt.gas_used

    def opening(self) -> dict[str, int]:
        self.also: dict[str, int] = {}
        self.alice = self.stage.account("alice")
        self.mine, request = self.stage.request(self.alice, 10, 2_000, 5_000)
        self.names[self.mine] = "vault"
        execute = self.stage.execute(self.mine, self.stage.price(PRICE), "Opened")
        return self.pair("open", request, execute)

    def pair(self, name: str, request: Receipt, execute: Receipt) -> dict[str, int]:
        first, second = self.taken(f"{name}, request", request), self.taken(f"{name}, execute", execute)
        return {"request": first, "execute": second, "total": first + second}

    def adding(self) -> int:
        receipt = self.stage.market.send.addMargin(self.mine, 500 * UNIT, sender=self.alice)
        return self.taken("add margin", receipt)

    def removing(self) -> int:
        receipt = self.stage.market.send.removeMargin(self.mine, 300 * UNIT, sender=self.alice)
        return self.taken("remove margin", receipt)

    def closing(self, label: str, position: str, band: tuple[int, int]) -> dict[str, int]:
        stage = self.stage
        trader = stage.chain.new_account(label)
        request = stage.market.send.requestClose(position, 10 * ONE, *band, MAX, sender=trader)
        execute = stage.execute(position, stage.price(PRICE * 101 // 100), "Exited")
        stage.price(PRICE)
        return self.pair("close in a band" if band[1] else "close", request, execute)

    def void(self) -> int:
        position, _ = self.stage.request(self.stage.account("bob"), 10, 2_000, 5_000, width=1)
        self.names[position] = "vault"
        receipt = self.stage.execute(position, self.stage.price(PRICE * 105 // 100), "OrderVoided")
        self.stage.price(PRICE)
        return self.taken("void", receipt)

    def liquidations(self) -> dict[str, int]:
        stage = self.stage
        banded = stage.open(stage.account("erin"), 10, 2_000, 5_000)
        self.names[banded] = "vault"
        band = (PRICE * 9 // 10 * ONE, PRICE * 11 // 10 * ONE)
        self.also["close_in_band"] = self.closing("erin", banded, band)["total"]

        part, whole = (stage.open(stage.account(name), 10, 1_000, 5_000) for name in ("carol", "dave"))
        self.names |= {part: "vault", whole: "vault"}
        stage.price(1_925)
        self.also["liquidate_part"] = self.taken("liquidate a part", stage.liquidate(part, whole=False))
        stage.price(1_910)
        single = self.taken("liquidate", stage.liquidate(whole, whole=True))

        self.console.print(f"  opening {BATCH} positions ...")
        stage.price(PRICE)
        batch = [stage.request(stage.account(f"trader {i}"), 4, 440, 1_000)[0] for i in range(BATCH)]
        proof = stage.price(PRICE)
        for position in batch:
            stage.execute(position, proof, "Opened")
        stage.price(1_905)
        self.names |= dict.fromkeys(batch, "vault")
        total = self.taken(f"liquidate {BATCH}", stage.liquidate(*batch, whole=True), steps=False)
        stage.price(PRICE)
        self.console.print(f"  {f'liquidate {BATCH}, each':<24} {total // BATCH:>10,}")
        return {"single": single, "batch_each": total // BATCH}

    def deposit(self) -> int:
        receipt = self.stage.pool.send.deposit(10_000 * UNIT, self.stage.holder, sender=self.stage.holder)
        return self.taken("pool deposit", receipt)

    def exit(self) -> int:
        shares = int(self.stage.pool.call.balanceOf(self.stage.holder)) // 2
        request, payment = self.stage.leave(self.stage.holder, shares)
        self.also["pool_exit_request"] = self.taken("pool exit, request", request)
        self.also["pool_exit_execute"] = self.taken("pool exit, execute", payment)
        return self.also["pool_exit_request"] + self.also["pool_exit_execute"]

    def creation(self) -> int:
        stage = self.stage
        stage.deployment.deploy("Perpetual", PerpetualTerms().encoded())
        (mined,) = stage.chain.rpc("eth_getBlockByNumber", "latest", True)["transactions"]
        deployed = int(stage.chain.rpc("eth_getTransactionReceipt", mined["hash"])["gasUsed"], 16)
        self.console.print(f"  {'perpetual deployment':<24} {deployed:>10,}")
        self.also["perpetual_deployment"] = deployed
        config = {**stage.contracts.config, "delay": MarketTerms().delay + 1}
        created = stage.deployment.factory.send.createMarket(config).gas_used
        self.console.print(f"  {'market creation':<24} {created:>10,}")
        return created


# --- what a price costs


def price_gas(stage: Stage) -> dict[str, int]:
    """The first price inside `execute` and the newest inside `removeMargin`: a primary and two push validators."""
    trader = stage.account("fred")
    position, _ = stage.request(trader, 10, 2_000, 5_000)
    executed = stage.execute(position, stage.price(PRICE), "Opened")
    removed = stage.market.send.removeMargin(position, 300 * UNIT, sender=trader)
    return {
        "price_after_3": spent_in(stage.chain, executed, stage.oracle, "firstAfter"),
        "latest_3": spent_in(stage.chain, removed, stage.oracle, "latest"),
    }


def pyth_gas(stage: Stage) -> dict[str, int]:
    """The same with a price of Pyth as the primary, proven in the transaction that takes it; signatures added."""
    chain, deploy = stage.chain, stage.deployment.deploy
    pyth, upkeep = deploy("MockPyth", 60, PYTH_FEE), deploy("Upkeep")

    def publish() -> bytes:
        stage.price(PRICE)
        now = chain.timestamp
        answer = pyth.call.createPriceFeedUpdateData(PRICE_ID, PRICE * 10**8, 0, -8, 0, 0, now, now - BLOCK - 60)
        stage.wait(BLOCK)
        return bytes(answer)

    pyth.send.updatePriceFeeds([publish()], value=PYTH_FEE)
    settings = stage.oracle_settings()
    settings["primary"] |= {"kind": Kind.PYTH, "at": pyth.address, "id": PRICE_ID, "confidence": 10**7}
    oracle = deploy("Oracle", settings)
    after = chain.timestamp
    update = publish()
    validators = tuple(int(feed.call.latestRoundData()[0]) for feed in stage.feeds[1:])
    prove = (oracle.address, PYTH_FEE, oracle.encode.prove(0, after + 1, [update]))
    price = (oracle.address, 0, oracle.encode.firstAfter(1, after, encode_proof(0, validators)))
    newest = (oracle.address, 0, oracle.encode.latest())
    receipt = upkeep.send.run([prove, price], [], value=PYTH_FEE)
    assert not receipt.events_of("StepFailed")
    found = {name: spent_in(chain, receipt, oracle, name) for name in ("prove", "firstAfter")}
    found["latest"] = spent_in(chain, upkeep.send.run([newest], []), oracle, "latest")
    return found | {"prove": found["prove"] + SIGNATURES}


def spent_in(chain: AnvilChain, receipt: Receipt, contract: Contract, function: str) -> int:
    """The gas of the one call of a function within a transaction, that of the calls it makes included."""
    selector = contract.abi.function(function).selector.hex()

    def visit(call: dict[str, Any]) -> Iterator[int]:
        if to_address(call["to"]) == contract.address and call.get("input", "0x")[2:10] == selector:
            yield int(call["gasUsed"], 16)
        for inner in call.get("calls", ()):
            yield from visit(inner)

    (found,) = visit(chain.rpc("debug_traceTransaction", receipt.tx_hash, {"tracer": "callTracer"}))
    return found


def volatility_update(chain: AnvilChain) -> int:
    """A grid point that counts of a feed in use, on an oracle with one push feed: whole transaction, all state cold."""
    deployment, terms, hour = Deployment(chain), OracleTerms(), 3_600
    proxy = deployment.deploy("FeedProxyMock", 8)
    begun = (chain.timestamp // hour + 2) * hour

    def price(time: int, price: int) -> bytes:
        chain.set_time(time)
        proxy.send.push(price * 10**8, time, time)
        chain.set_time(time + BLOCK)
        return encode_proof(int(proxy.call.latestRoundData()[0]))

    for minute in (20, 10):
        price(begun - minute * 60, PRICE)
    oracle = deployment.oracle(proxy.address, terms)
    volatility = deployment.volatility_feed(oracle)
    for n in range(3):
        receipt = volatility.send.update(price(begun + n * hour + 60, PRICE + 17 * n))
    return receipt.gas_used


# --- where the gas goes


def explain(chain: AnvilChain, receipt: Receipt, names: dict[str, str], console: Console) -> None:
    """Prints a transaction's gas by contract and kind of operation."""
    mined = chain.rpc("eth_getTransactionByHash", receipt.tx_hash)
    trace = chain.rpc("debug_traceTransaction", receipt.tx_hash, {"disableMemory": True})
    data = bytes.fromhex(mined["input"][2:])
    intrinsic = 21_000 + sum(16 if byte else 4 for byte in data)
    spent: Counter[tuple[str, str]] = Counter()
    times: Counter[tuple[str, str]] = Counter()
    for kind, where, gas in _steps(trace["structLogs"], mined["to"], mined["from"]):
        key = (names.get(where, "new vault"), kind)
        spent[key] += gas
        times[key] += 1
    refund = intrinsic + spent.total() - receipt.gas_used
    kinds = sorted({kind for _, kind in spent}, key=lambda k: -sum(g for (_, kind), g in spent.items() if kind == k))
    table = Table("contract", *kinds, "sum", box=None, padding=(0, 1))
    for name in sorted({name for name, _ in spent}):
        cells = [f"{spent[name, k]:,} /{times[name, k]}" if (name, k) in spent else "" for k in kinds]
        table.add_row(name, *cells, f"{sum(spent[name, k] for k in kinds):,}")
    table.add_row("all", *(f"{sum(g for (_, kind), g in spent.items() if kind == k):,}" for k in kinds), "")
    console.print(table)
    console.print(f"    intrinsic {intrinsic:,} ({len(data)} bytes), executed {spent.total():,}, refunded {refund:,}")


def calls(chain: AnvilChain, receipt: Receipt, names: dict[str, str], console: Console) -> None:
    """Prints the gas of each function called, that of the calls it makes included, and how often it was called."""
    signatures = {selector: name for a in artifacts().values() for name, selector in a.methods.items()}
    spent: Counter[tuple[str, str]] = Counter()
    times: Counter[tuple[str, str]] = Counter()

    def visit(call: dict[str, Any]) -> None:
        function = signatures.get(call.get("input", "0x")[2:10], call["type"].lower()).split("(")[0]
        key = (names.get(to_address(call["to"]), "vault code"), function)
        spent[key] += int(call["gasUsed"], 16)
        times[key] += 1
        for inner in call.get("calls", ()):
            visit(inner)

    visit(chain.rpc("debug_traceTransaction", receipt.tx_hash, {"tracer": "callTracer"}))
    for (name, function), gas in spent.most_common():
        console.print(f"    {gas:>10,}  {times[name, function]:>3} x {name}.{function}", style="dim")


def _steps(logs: list[dict[str, Any]], to: str, sender: str) -> Iterator[tuple[str, str, int]]:
    """Kind, contract and gas of each step; what a call forwards is counted where it is spent."""
    frames = [to_address(to)]
    warm = {to_address(to), to_address(sender), *(to_address(f"0x{i:040x}") for i in range(1, 18))}
    pending = ""
    for number, (step, following) in enumerate(zip(logs, [*logs[1:], None], strict=True)):
        while len(frames) > step["depth"]:
            frames.pop()
        if len(frames) < step["depth"]:
            frames.append(pending)
        op, where, cost = step["op"], frames[-1], int(step["gasCost"])
        if op in ("CALL", "STATICCALL", "DELEGATECALL", "CALLCODE"):
            target = to_address("0x" + step["stack"][-2].removeprefix("0x").zfill(64)[-40:])
            pending = where if op == "DELEGATECALL" else target
            yield ("call, cold" if target not in warm else "call, warm"), where, 100 if target in warm else 2_600
            if following is None or following["depth"] <= step["depth"]:
                # a precompile, or no code: what it used beyond the access
                after = int(following["gas"]) if following else 0
                yield "other", where, max(0, int(step["gas"]) - after - (100 if target in warm else 2_600))
            warm.add(target)
        elif op in ("CREATE", "CREATE2"):
            pending = "0xcreated"
            # access, memory and the 200 a byte for the code: what is gone when the frame goes on
            rest = next((later for later in logs[number + 1 :] if later["depth"] == step["depth"]), None)
            inside = sum(int(one["gasCost"]) for one in _inner(logs, number))
            gone = int(step["gas"]) - int(rest["gas"]) if rest else 32_000
            yield "create", where, gone - inside
        elif op == "SLOAD":
            yield ("sload, cold" if cost >= 2_100 else "sload, warm"), where, cost
        elif op == "SSTORE":
            kind = "new" if cost >= 20_000 else "changed" if cost >= 2_900 else "again"
            yield f"sstore, {kind}", where, cost
        elif op in ("BALANCE", "EXTCODESIZE", "EXTCODECOPY", "EXTCODEHASH"):
            at = to_address("0x" + step["stack"][-1].removeprefix("0x").zfill(64)[-40:])
            warm.add(at)
            yield "extcode", where, cost
        elif op.startswith("LOG"):
            yield "log", where, cost
        elif op in ("TLOAD", "TSTORE"):
            yield "transient", where, cost
        else:
            yield "other", where, cost


def _inner(logs: list[dict[str, Any]], number: int) -> Iterator[dict[str, Any]]:
    """The steps of the frame that a step opens, for one that opens none itself."""
    for step in logs[number + 1 :]:
        if step["depth"] <= logs[number]["depth"]:
            return
        yield step


# --- report


def report(results: dict[str, Any], console: Console) -> int:
    """Prints the table; gives how many figures are above their targets."""
    table = Table(title="Gas, ours against theirs: a negative percentage means that ours costs less")
    for name in ("call", "oracle"):
        table.add_column(name, no_wrap=True)
    for name in ("ours", "target", *PEERS):
        table.add_column(name, justify="right", no_wrap=True)
    above = 0
    for title, path, targets, peers in ROWS:
        for number, oracle in enumerate(ORACLES):
            ours = _at(results[oracle], path)
            target = targets[number] if targets else None
            above += target is not None and ours > target
            cells = [_against(ours, other) for other in (target, *peers)]
            cells += [Text()] * (1 + len(PEERS) - len(cells))
            table.add_row(Text(title) if number == 0 else "", oracle, Text(f"{ours:,}", "bold"), *cells)
    console.print(table)
    console.print(f"{above} of {sum(2 for row in ROWS if row[2])} figures are above their targets.")
    return above


def _at(result: dict[str, Any], path: str) -> int:
    value: Any = result
    for key in path.split("."):
        value = value[key]
    return int(value)


def _against(ours: int, other: int | None) -> Text:
    if other is None:
        return Text("-", "dim")
    return Text(f"{other:,} {(ours / other - 1) * 100:+4.0f} %", "red" if ours > other else "green")


@contextmanager
def timed(console: Console, what: str) -> Iterator[None]:
    """Says when something begins and how long it took."""
    console.print(what)
    began = time.monotonic()
    yield
    console.print(f"  {time.monotonic() - began:.0f} s", style="dim")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=ORACLES, help="measure with one oracle only; writes nothing")
    parser.add_argument("--where", action="store_true", help="show what each call spends its gas on")
    parser.add_argument("--check", action="store_true", help="exit 1 when a figure is above its target")
    parser.add_argument("--output", type=Path, default=HERE / "gas.json", help="default: %(default)s")
    options = parser.parse_args()

    console = Console(highlight=False)
    console.width = max(console.width, 175)  # the table is wide; a narrow terminal had better scroll than fold it
    with timed(console, "compiling"):
        token = plain_token()
    results: dict[str, Any] = {}
    for name, validators in ORACLES.items():
        if options.only not in (None, name):
            continue
        with (
            timed(console, f"{name}: setting a market up"),
            AnvilChain(options=("--steps-tracing",) if options.where else ()) as chain,
        ):
            stage = Stage(chain, token, validators)
            console.print(f"{name}: measuring")
            results[name] = Bench(stage, console, options.where).run()
            if name == "three":
                results["oracle"] = price_gas(stage)
                pulled = pyth_gas(stage)
    if options.only:
        console.print_json(data=results[options.only])
        return 0
    with timed(console, "oracle: measuring"), AnvilChain() as chain:
        results["oracle"]["volatility_update"] = volatility_update(chain)
        console.print(f"  {'volatility update':<24} {results['oracle']['volatility_update']:>10,}")
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    above = report(results, console)
    for name, gas in results["oracle"].items():
        console.print(f"oracle, {name}: {gas:,}")
    for name, gas in pulled.items():
        console.print(f"Pyth as primary, two push validators, {name}: {gas:,}")
    console.print(f"Written to {options.output}")
    return 1 if options.check and above else 0


if __name__ == "__main__":
    sys.exit(main())
