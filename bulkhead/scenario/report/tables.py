"""Tables: how every position ended, and what liquidations did to the vaults around them.

Amounts are integers with `decimals` decimals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class ResultRow:
    """How a position ended: collateral put in and got out, and a `result` like "closed" or "liquidated"."""

    id: int
    market: str
    side: str
    leverage: float
    margin_in: int
    got_out: int
    result: str

    @property
    def pnl(self) -> int:
        """What the trader got out beyond what went in."""
        return self.got_out - self.margin_in


@dataclass(frozen=True, slots=True)
class NeighbourRow:
    """What a position's vault held just before and just after another position was liquidated."""

    liquidated: int
    id: int
    market: str
    side: str
    before: int
    after: int

    @property
    def change(self) -> int:
        """Zero, if margin is isolated."""
        return self.after - self.before


def summary_table(rows: Iterable[ResultRow], *, unit: str = "USD", decimals: int = 18) -> Table:
    """How every position ended, and the sums."""
    table = new_table("Positions", footer=True)
    rows = list(rows)
    paid, got = sum(row.margin_in for row in rows), sum(row.got_out for row in rows)
    table.add_column("id", footer=str(len(rows)), justify="right")
    table.add_column("market")
    table.add_column("side")
    table.add_column("leverage", justify="right")
    table.add_column(f"margin in, {unit}", footer=money(paid, decimals), justify="right")
    table.add_column(f"got out, {unit}", footer=money(got, decimals), justify="right")
    table.add_column("result")
    table.add_column(f"pnl, {unit}", footer=_signed(got - paid, decimals), justify="right")
    table.add_column("pnl, %", justify="right")
    for row in rows:
        share = f"{100 * row.pnl / row.margin_in:+.1f}" if row.margin_in else "-"
        table.add_row(
            str(row.id),
            row.market,
            row.side,
            f"{row.leverage:g}x",
            money(row.margin_in, decimals),
            money(row.got_out, decimals),
            Text(row.result, style=status_style(row.result)),
            _signed(row.pnl, decimals),
            share,
        )
    return table


def neighbours_table(rows: Iterable[NeighbourRow], *, unit: str = "USD", decimals: int = 18) -> Table:
    """What liquidations did to the vaults of other positions: nothing to the last unit, or it shows."""
    table = new_table("Neighbours of the liquidated", footer=True)
    rows = list(rows)
    touched = sum(row.change != 0 for row in rows)
    table.add_column("liquidated", justify="right")
    table.add_column("neighbour", footer=str(len(rows)), justify="right")
    table.add_column("market")
    table.add_column("side")
    table.add_column(f"vault before, {unit}", justify="right")
    table.add_column(f"vault after, {unit}", justify="right")
    verdict = f"{touched} touched" if touched else "all untouched"
    table.add_column("change, smallest unit", footer=verdict, justify="right")
    for row in rows:
        change = Text(f"{row.change:+,}" if row.change else "0", style="bold red" if row.change else "green")
        before, after = money(row.before, decimals), money(row.after, decimals)
        table.add_row(f"#{row.liquidated}", f"#{row.id}", row.market, row.side, before, after, change)
    return table


def new_table(title: str | None, footer: bool = False) -> Table:
    return Table(
        title=title,
        title_justify="left",
        show_footer=footer,
        header_style="bold",
        border_style="dim",
    )


def money(amount: int, decimals: int) -> str:
    """To two decimals, cut off towards zero, in integers."""
    cents = abs(amount) * 100 // 10**decimals
    return f"{'-' if amount < 0 and cents else ''}{cents // 100:,}.{cents % 100:02}"


def _signed(amount: int, decimals: int) -> Text:
    text = money(amount, decimals)
    return Text(text if amount <= 0 else f"+{text}", style="" if amount == 0 else sign_style(amount))


def status_style(status: str) -> str:
    return "red" if "liquidat" in status.lower() else "green" if status.lower().startswith("closed") else ""


def sign_style(number: float) -> str:
    return "red" if number < 0 else "green"
