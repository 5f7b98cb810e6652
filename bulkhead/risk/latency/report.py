"""Tables and a picture of what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from bulkhead.scenario.report.drawing import BLUE, GREEN, GRID, INK, ORANGE, RED, SKY, SOFT, save, sheet

Record = dict[str, Any]
"""What `Result.summary` gives, with its `source`, `shipped`, `delay`, `lead`, `error`, `world` and both `fees`."""


def waiting(records: Iterable[Record]) -> Table:
    """Seconds from commit to a price on chain."""
    table = _table("seconds from commit to the price", "primary", "world", "mean", "p50", "p95", "p99")
    for record in records:
        table.add_row(record["source"], record["world"], *(f"{value:,}" for value in record["wait"].values()))
    return table


def earning(records: Iterable[Record]) -> Table:
    """The best strategy's basis points an order."""
    columns = ("primary", "shipped on", "world", "his best strategy", "orders", "earns", "+-", "pays", "net", "+-")
    table = _table("basis points an order of the informed trader", *columns)
    for record in records:
        table.add_row(
            record["source"],
            ", ".join(record["shipped"]) or "-",
            record["world"],
            record["best"],
            f"{record['orders']:,}",
            *(f"{record[key]:.2f}" for key in ("earns", "earns_error", "pays", "net", "net_error")),
        )
    return table


def grid(records: list[Record], source: str, world: str) -> Table:
    """Net earnings: a row for each delay, a column for each lead."""
    own = [record for record in records if (record["source"], record["world"]) == (source, world)]
    leads = sorted({record["lead"] for record in own})
    title = f"{source}, {world}: net an order"
    table = _table(title, "delay", *(f"{lead} s ahead" for lead in leads))
    for delay in sorted({record["delay"] for record in own}):
        cells = {record["lead"]: record for record in own if record["delay"] == delay}
        table.add_row(f"{delay} s", *(f"{cells[lead]['net']:.1f} +- {cells[lead]['net_error']:.1f}" for lead in leads))
    return table


def errors(records: Iterable[Record]) -> Table:
    """What a source's own error gives away."""
    columns = ("primary", "world", "delay", "error", "earns", "net", "+-")
    table = _table("a source that is off by its error, in basis points", *columns)
    for record in records:
        numbers = (f"{record[key]:.2f}" for key in ("earns", "net", "net_error"))
        table.add_row(record["source"], record["world"], f"{record['delay']} s", f"{record['error']:g}", *numbers)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    words = ("primary", "shipped on", "world", "his best strategy")
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right")
    return table


def write(path: Path, settings: Record, **tables: list[Record]) -> None:
    """All of it as JSON, a line for each record."""
    lines = [f'"{name}": {json.dumps(value)}' for name, value in settings.items()]
    for name, records in tables.items():
        lines.append(f'"{name}": [\n ' + ",\n ".join(map(json.dumps, records)) + "\n]")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def picture(records: list[Record], path: Path) -> None:
    """What is earned before fees against the lead, a line for each delay, a panel for each primary and world."""
    figure = sheet("What a trader who is ahead of the feed earns an order, before fees, basis points")
    worlds = list(dict.fromkeys(record["world"] for record in records))
    sources = list(dict.fromkeys(record["source"] for record in records))
    colours = (RED, ORANGE, GREEN, BLUE, SKY)
    for row, world in enumerate(worlds):
        for column, source in enumerate(sources):
            axes = figure.add_subplot(len(worlds), len(sources), row * len(sources) + column + 1)
            own = [record for record in records if (record["source"], record["world"]) == (source, world)]
            for delay, colour in zip(sorted({record["delay"] for record in own}), colours, strict=False):
                line = sorted((record["lead"], record["earns"]) for record in own if record["delay"] == delay)
                axes.plot(*zip(*line, strict=True), color=colour, marker="o", label=f"delay {delay} s")
            axes.axhline(own[0]["fees"], color=INK, linestyle="--", linewidth=1, label="both fees")
            axes.set_yscale("symlog", linthresh=10)
            axes.set_ylim(-2, 120)
            axes.set_yticks((0, 5, 10, 20, 50, 100), ("0", "5", "10", "20", "50", "100"))
            axes.set_xticks(sorted({record["lead"] for record in own}))
            axes.set_title(f"{source}, {world}", loc="left", fontsize=12, color=INK)
            axes.set_xlabel("seconds ahead", color=SOFT)
            axes.grid(color=GRID, linewidth=0.8)
            axes.set_axisbelow(True)
            if not row and not column:
                axes.legend(frameon=False, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(figure, path)
