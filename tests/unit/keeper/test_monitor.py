"""The monitor shows what is there, in the order of what is nearest, and says when something does not hold."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bulkhead.build import artifacts
from bulkhead.cli import main
from bulkhead.keeper import Keeper, Settings
from bulkhead.keeper.frame import CELLS, bar, frame
from bulkhead.keeper.market_snapshot import MarketSnapshot, SnapshotReader
from bulkhead.keeper.terms import Terms
from bulkhead.protocol import Position
from bulkhead.protocol.local import LocalProtocol
from tests.addresses import parts_of

ROOT = Path(__file__).parents[3]
KEY = "0x" + "55" * 32
#: Where a pool keeps what is committed.
FUNDS = 5
TERMS = [(2, 200), (-1, 130), (1, 900), (-2, 300)]


@pytest.fixture
def keeper(protocol: LocalProtocol, tmp_path: Path) -> Iterator[Keeper]:
    made = Keeper(protocol.market(), KEY, Settings(coin=2_000 * 10**6), folder=tmp_path, log=lambda *_: None)
    protocol.chain.set_balance(made.sender.address, 10**18)
    yield made
    made.close()


@pytest.fixture
def positions(protocol: LocalProtocol, keeper: Keeper) -> list[Position]:
    """Open ones, carried out by the keeper."""
    trader = protocol.account("trader", tokens=100_000)
    made = [protocol.market().open(size, margin, 900, sender=trader) for size, margin in TERMS]
    protocol.set_price(2_000)
    keeper.once()
    return made


def look(protocol: LocalProtocol, keeper: Keeper | None, folder: Path, rows: int = 10) -> MarketSnapshot:
    market = protocol.market()
    me = None if keeper is None else keeper.sender.address
    return SnapshotReader(market, Terms.of(market), 0, me, folder).read(rows)


def drawn(snapshot: MarketSnapshot, coin: Decimal | None = None) -> str:
    console = Console(width=120, record=True, file=StringIO())
    console.print(frame(snapshot, coin))
    return console.export_text()


def test_the_nearest_come_first_with_the_contracts_own_numbers(
    protocol: LocalProtocol, keeper: Keeper, positions: list[Position], tmp_path: Path
) -> None:
    protocol.set_price(1_990)
    snapshot = look(protocol, keeper, tmp_path)
    edges = {}
    for position in positions:
        low, high = position.healthy_range()
        edges[position.address] = float(1 - low / 1_990 if position.size > 0 else high / 1_990 - 1)
    assert [row.vault for row in snapshot.nearest] == sorted(edges, key=lambda vault: edges[vault])
    for row in snapshot.nearest:
        health = protocol.market().position(row.vault).health()
        assert (row.equity, row.maintenance) == (int(health.equity * 10**6), int(health.maintenance * 10**6))
        assert abs(row.distance - edges[row.vault]) < 1e-6
    assert (snapshot.open, snapshot.sick, snapshot.index, snapshot.refusal) == (4, 0, 1_990 * 10**18, None)
    assert (snapshot.long, snapshot.short) == (3 * 10**18, 3 * 10**18)
    assert [row.vault for row in look(protocol, keeper, tmp_path, rows=2).nearest] == [
        row.vault for row in snapshot.nearest[:2]
    ]
    assert snapshot.broken == [] and snapshot.checked > 20


def test_what_the_keeper_earned_and_spent_today(
    protocol: LocalProtocol, keeper: Keeper, positions: list[Position], tmp_path: Path
) -> None:
    snapshot = look(protocol, keeper, tmp_path)
    assert snapshot.own.earned == protocol.market().token.contract.call.balanceOf(keeper.sender.address) > 0
    assert snapshot.own.spent == 10**18 - protocol.chain.balance(keeper.sender.address) > 0
    profit = Decimal(snapshot.own.earned) / 10**6 - Decimal(snapshot.own.spent) / 10**18 * 2_000
    assert f"{profit:,.2f} tokens" in drawn(snapshot, Decimal(2_000))
    for _ in range(25):  # tomorrow
        protocol.wait(3_500)
        protocol.set_price(2_000)
    assert (look(protocol, keeper, tmp_path).own.earned, look(protocol, keeper, tmp_path).own.spent) == (0, 0)
    nobody = look(protocol, None, tmp_path / "nowhere").own
    assert (nobody.earned, nobody.spent, nobody.in_flight) == (None, None, 0)


def test_orders_wait_and_prices_go_away(
    protocol: LocalProtocol, keeper: Keeper, positions: list[Position], tmp_path: Path
) -> None:
    (position,) = [p for p, (size, _) in zip(positions, TERMS, strict=True) if size == -1]
    position.close()
    snapshot = look(protocol, keeper, tmp_path)
    assert [(order.vault, order.age, order.due) for order in snapshot.waiting] == [(position.address, 0, -12)]
    protocol.wait(3_700)
    protocol.market().oracle.check_outage()
    snapshot = look(protocol, keeper, tmp_path)
    assert snapshot.refusal == "PriceStale" and snapshot.at == 0 and snapshot.outage == protocol.chain.timestamp
    text = drawn(snapshot)
    assert "PriceStale" in text and "outage" in text and "since" in text


def test_what_is_liquidatable_now_says_so(
    protocol: LocalProtocol, keeper: Keeper, positions: list[Position], tmp_path: Path
) -> None:
    protocol.set_price(1_800)
    snapshot = look(protocol, keeper, tmp_path)
    sick = [p.address for p in positions if not p.health().healthy]
    assert sick and [row.vault for row in snapshot.nearest[: len(sick)]] == sick and snapshot.sick == len(sick)
    assert drawn(snapshot).count("now") == len(sick)


def test_a_promise_that_is_broken_is_seen(
    protocol: LocalProtocol, keeper: Keeper, positions: list[Position], tmp_path: Path
) -> None:
    """By miracles: a vault robbed, and a series that forgets what it counts."""
    market, chain = protocol.market(), protocol.chain
    token = chain.contract(artifacts()["TokenMock"], market.token.address)
    token.send.transfer(protocol.provider, 10**6, sender=positions[0].address)
    snapshot = look(protocol, keeper, tmp_path)
    assert [one.split(":")[0] for one in snapshot.broken] == ["SAFE-1"] and positions[0].address in snapshot.broken[0]
    pool, (committed, _) = market.pool.address, market.pool.contract.call.liquidity()
    word = chain.storage(pool, FUNDS)
    place = next(bits for bits in range(0, 256, 8) if word >> bits & (1 << 88) - 1 == committed)
    chain.set_storage(pool, FUNDS, word + (1 << place))
    snapshot = look(protocol, keeper, tmp_path)
    assert [one.split(":")[0] for one in snapshot.broken] == ["POOL-2", "SAFE-1"]
    assert "2 of" in drawn(snapshot)


@pytest.mark.parametrize(("equity", "full"), [(0, 0), (100, 0), (250, CELLS // 2), (400, CELLS), (10_000, CELLS)])
def test_the_bar_is_empty_at_the_requirement_and_full_at_four_times_it(equity: int, full: int) -> None:
    text = bar(equity, 100).plain
    assert text.count("█") == full and len(text) == CELLS


# ---------------------------------------------------------------- the command


@pytest.fixture
def record(protocol: LocalProtocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BULKHEAD_RPC_URL", protocol.chain.url)  # type: ignore[attr-defined]
    market = protocol.market()
    parts = parts_of(market) | {"lens": market.need_lens().address}
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"chain_id": 31_337, "markets": {"ETH": parts}}))
    return file


def test_once_prints_one_picture(
    record: Path, positions: list[Position], capsys: pytest.CaptureFixture[str], protocol: LocalProtocol
) -> None:
    assert main(["monitor", str(record), "--once", "--rows", "3"]) == 0
    told = capsys.readouterr().out
    assert "4 open positions" in told and "invariants hold" in told and "2,000.0000" in told
    assert len(re.findall(r"0x\w{6}…\w{4}", told)) == 3
    token = protocol.chain.contract(artifacts()["TokenMock"], protocol.market().token.address)
    for position in positions:
        token.send.transfer(protocol.provider, 10**6, sender=position.address)
    assert main(["monitor", str(record), "--once"]) == 1
    assert "SAFE-1" in capsys.readouterr().out


def test_in_a_terminal_it_goes_on_until_it_is_interrupted(
    record: Path, positions: list[Position], protocol: LocalProtocol
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bulkhead.cli", "monitor", str(record), "--every", "0.2"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    shown, deadline = "", time.monotonic() + 60
    while "1,990" not in shown and time.monotonic() < deadline:
        shown += os.read(ours, 65_536).decode(errors="replace")
        if "2,000" in shown and "1,990" not in shown and protocol.market().oracle.latest().price != 1_990:
            protocol.set_price(1_990)
    assert "1,990" in shown
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--keeper", "me"], 2, "--keeper must be an address"),
        (["--market", "BTC"], 2, "There is no market BTC"),
        (["--rpc", "http://127.0.0.1:1"], 1, "No node answers"),
        (["--coin-price", "much"], 2, "--coin-price must be a number"),
    ],
)
def test_wrong_arguments(
    record: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    assert main(["monitor", str(record), "--once", *words]) == code
    told = capsys.readouterr()
    assert sentence in told.err and told.err.count("\n") == 1 and told.out == ""
