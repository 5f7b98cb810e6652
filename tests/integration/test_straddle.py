"""Straddles through a crash and on to their expiry, in this process; and what a broken run would say."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest
from matplotlib.image import imread
from rich.console import Console

from bulkhead.chain import RevmChain
from bulkhead.cli import main
from bulkhead.scenario import built_in
from bulkhead.scenario.drive import Outcome
from bulkhead.scenario.straddle import LEAD, NAME, TICKETS, _Run, straddle

TOKEN = 10**6


def run(hours: int = 24, out: Path | None = None) -> Outcome:
    """Calm, leg down, crash hour and what follows of it; then flat to the expiry."""
    path = built_in("march_2020", NAME)[:hours]
    return straddle(RevmChain(timestamp=path[0].time - LEAD), path, out=out, console=Console(file=io.StringIO()))


@cache
def ran() -> Outcome:
    return run()


def test_one_leg_is_liquidated_and_the_other_lives_on_and_pays() -> None:
    outcome = ran()
    assert outcome.failures == []
    assert outcome.liquidations > outcome.partial > 0
    put, call, *_ = outcome.rows
    assert (put.side, call.side) == ("short put 195", "short call 195") and put.market == call.market == "order 1"
    assert put.result.startswith("liquidated") and call.result == "settled"
    assert put.pnl < 0 < call.pnl
    assert outcome.neighbours and all(row.change == 0 for row in outcome.neighbours)
    assert {(row.liquidated, row.id) for row in outcome.neighbours} >= {(put.id, call.id)}


def test_covered_and_bought_legs_live_on_and_every_token_leaves() -> None:
    outcome = ran()
    rows = {row.id: row for row in outcome.rows}
    assert len(rows) == 2 * len(TICKETS)
    assert {rows[number].result for number in (7, 8, 9, 10)} == {"settled"}  # cash-secured, and bought
    assert rows[9].side == "long put 195" and rows[9].pnl > 0
    assert rows[7].pnl < 0 and rows[7].got_out > 0
    assert outcome.minted == outcome.accounted > 2_000_000 * TOKEN


def test_the_command_draws_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drive", "--scenario", "straddle", "--engine", "revm", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "all untouched" in told and "conserved" in told and "settlement price" in told
    for name in ("price", "pool", "equity", "payoff", "greeks"):
        assert imread(tmp_path / f"{name}.png").shape[1] == 1400


def test_a_touched_leg_and_a_token_too_many_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = _Run._compare

    def one_unit_appears(self: _Run, sick, others, before) -> None:  # type: ignore[no-untyped-def]
        if not self.outcome.compared:
            self.protocol.fund(others[0].position.address, 1)
        honest(self, sick, others, before)

    monkeypatch.setattr(_Run, "_compare", one_unit_appears)
    failures = run(12).failures
    assert "was touched when" in failures[0]
    assert any("its vault still holds 1" in failure for failure in failures)
